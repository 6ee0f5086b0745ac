
#include "ngx_http_referral_recorder_core.h"


/* ms: a click is sent this much later, at most, while Redis is well */
#define NGX_HTTP_REFERRAL_SEND         200
#define NGX_HTTP_REFERRAL_RETRY_MIN    100
#define NGX_HTTP_REFERRAL_RETRY_MAX    1000

/*
 * What is sent at once; fewer records go a little later.  Small batches keep
 * Redis, and what shares its processor, from long turns.
 */
#define NGX_HTTP_REFERRAL_BATCH_KICK   64

/* records looked at for one batch; it adapts to how fast Redis answers */
#define NGX_HTTP_REFERRAL_BATCH_MIN    50
#define NGX_HTTP_REFERRAL_BATCH_SLOW   500

/* records looked at in one turn: clicks that come meanwhile wait for it */
#define NGX_HTTP_REFERRAL_SLICE        64

/* ms: a program that Redis refuses is tried again this much later */
#define NGX_HTTP_REFERRAL_WAIT_MIN     500
#define NGX_HTTP_REFERRAL_WAIT_MAX     4000

/* lines about such programs, in a minute and worker */
#define NGX_HTTP_REFERRAL_LINES        16


static void ngx_http_referral_drain_enlist(ngx_http_referral_drain_t *drain,
    ngx_http_referral_zone_t *zone, uint64_t last);
static void ngx_http_referral_drain_send(ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_drain_begin(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain);
static void ngx_http_referral_drain_wake(ngx_http_referral_drain_t *drain);
static ngx_int_t ngx_http_referral_drain_scan(
    ngx_http_referral_recorder_t *rec, ngx_http_referral_drain_t *drain);
static ngx_int_t ngx_http_referral_drain_take(
    ngx_http_referral_recorder_t *rec, ngx_http_referral_drain_t *drain,
    referral_frame_t *frame);
static ngx_int_t ngx_http_referral_drain_empty(
    ngx_http_referral_recorder_t *rec, ngx_http_referral_drain_t *drain,
    int rc);
static void ngx_http_referral_drain_applied(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain);
static uint64_t ngx_http_referral_drain_settled(
    ngx_http_referral_drain_t *drain);
static ngx_http_referral_mark_t *ngx_http_referral_drain_mark(
    ngx_http_referral_drain_t *drain, referral_str_t *program);
static ngx_int_t ngx_http_referral_drain_command(
    ngx_http_referral_recorder_t *rec, ngx_uint_t full);
static void ngx_http_referral_drain_reply(void *data, redisReply *reply);
static void ngx_http_referral_drain_taken(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain);
static void ngx_http_referral_drain_error(ngx_http_referral_recorder_t *rec,
    redisReply *reply);
static ngx_uint_t ngx_http_referral_drain_may_say(
    ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_drain_foreign(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, ngx_http_referral_mark_t *mark,
    uint64_t found);
static void ngx_http_referral_drain_retry(ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_drain_info(void *data, redisReply *reply);
static ngx_uint_t ngx_http_referral_drain_warm(
    ngx_http_referral_recorder_t *rec, ngx_http_referral_drain_t *drain);
#if (NGX_THREADS)
static void ngx_http_referral_drain_warm_thread(void *data, ngx_log_t *log);
static void ngx_http_referral_drain_warmed(ngx_event_t *ev);
#endif


ngx_http_referral_drain_t *
ngx_http_referral_drain_open(ngx_http_referral_recorder_t *rec,
    referral_journal_t *journal)
{
    ngx_pool_t                 *pool;
    ngx_http_referral_drain_t  *drain;

    pool = ngx_create_pool(1024, rec->log);
    if (pool == NULL) {
        return NULL;
    }

    drain = ngx_pcalloc(pool, sizeof(ngx_http_referral_drain_t));
    if (drain == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    drain->pool = pool;
    drain->recorder = rec;
    drain->journal = journal;

    drain->reader = referral_reader_open(rec->journals, journal, 0, 1);
    if (drain->reader == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    drain->from = journal->first - 1;
    drain->seen = drain->from;
    drain->base = drain->from;

    ngx_rbtree_init(&drain->marks, &drain->sentinel,
                    ngx_str_rbtree_insert_value);

    journal->data = drain;
    ngx_queue_insert_tail(&rec->drains, &drain->queue);

    ngx_http_referral_drain_publish(drain, 0);

    return drain;
}


void
ngx_http_referral_drain_open_all(ngx_http_referral_recorder_t *rec)
{
    referral_journal_t         *j;
    ngx_http_referral_drain_t  *drain;

    for (j = referral_journals_next(rec->journals, NULL);
         j;
         j = referral_journals_next(rec->journals, j))
    {
        if (j->data) {
            continue;
        }

        drain = ngx_http_referral_drain_open(rec, j);

        if (drain == NULL) {
            return;
        }

        if (j->own) {
            rec->own = drain;
        }
    }
}


void
ngx_http_referral_drain_close(ngx_http_referral_drain_t *drain)
{
    drain->journal->data = NULL;

    if (drain->recorder->scan == drain) {
        drain->recorder->scan = NULL;
    }

    ngx_queue_remove(&drain->queue);
    referral_reader_close(drain->reader);
    ngx_destroy_pool(drain->pool);
}


void
ngx_http_referral_drain_publish(ngx_http_referral_drain_t *drain,
    int64_t oldest)
{
    uint64_t                            settled, last;
    referral_journal_t                 *journal;
    ngx_http_referral_zone_t           *zone;
    ngx_http_referral_journal_entry_t  *entry;

    journal = drain->journal;
    zone = ngx_http_referral_zone(drain->recorder->conf);

    last = journal->own ? journal->flushed : journal->last;

    if (drain->entry == NULL && (journal->own || drain->told < last)) {
        ngx_http_referral_drain_enlist(drain, zone, last);
    }

    entry = drain->entry;

    if (entry == NULL) {
        return;
    }

    /* what Redis has was accepted, also where it never came to the disk */

    if (journal->adopted) {
        ngx_http_referral_recorder_died(drain->recorder, drain);
        last = ngx_max(last, entry->settled);
    }

    entry->last = last;
    entry->bad = drain->damaged;
    entry->filed = (journal->nsegments != 0);

    /* what is sent once more was recorded before: it does not count again */

    settled = ngx_http_referral_drain_settled(drain);

    if (settled > entry->settled) {
        entry->settled = settled;
    }

    entry->oldest = entry->settled < last ? oldest : 0;

    /* it will not grow any more, and the totals are enough */

    if (entry->settled >= last
        && (!journal->own || drain->recorder->closing))
    {
        ngx_http_referral_zone_journal_close(zone, entry);

        drain->entry = NULL;
        drain->told = last;
    }
}


static void
ngx_http_referral_drain_enlist(ngx_http_referral_drain_t *drain,
    ngx_http_referral_zone_t *zone, uint64_t last)
{
    ngx_int_t            rc;
    ngx_atomic_uint_t    said;
    referral_journal_t  *journal;

    journal = drain->journal;

    rc = ngx_http_referral_zone_journal(zone, journal->id, journal->own,
                                        drain->base, last, &drain->entry);

    if (rc == NGX_DECLINED) {
        drain->told = last;
    }

    if (rc != NGX_BUSY || drain->untold) {
        return;
    }

    drain->untold = 1;

    (void) ngx_atomic_fetch_add(&zone->counters[NGX_HTTP_REFERRAL_UNTOLD], 1);

    said = zone->said_full;

    if ((said == 0 || ngx_time() - (time_t) said >= 3600)
        && ngx_atomic_cmp_set(&zone->said_full, said, ngx_time()))
    {
        ngx_log_error(NGX_LOG_WARN, drain->recorder->log, 0,
                      "referral: more than %d journals have clicks that wait: "
                      "the metrics leave out those of the others, which are "
                      "sent all the same", NGX_HTTP_REFERRAL_JOURNALS);
    }
}


/* sends at once what is worth a batch, and the rest a little later */

void
ngx_http_referral_drain_kick(ngx_http_referral_recorder_t *rec)
{
    referral_journal_t  *own;

    if (rec->drain || rec->scan || !rec->redis.ready || rec->retry.timer_set)
    {
        return;
    }

    own = rec->own->journal;

    if (own->flushed - rec->own->from
        >= ngx_min(rec->size, NGX_HTTP_REFERRAL_BATCH_KICK))
    {
        if (!rec->next.posted) {
            ngx_post_event(&rec->next, &ngx_posted_events);
        }

        return;
    }

    if (!rec->send.timer_set) {
        ngx_add_timer(&rec->send, NGX_HTTP_REFERRAL_SEND);
    }
}


void
ngx_http_referral_drain_send_handler(ngx_event_t *ev)
{
    ngx_http_referral_drain_send(ev->data);
}


/* one batch is out at a time; the journals take turns */

static void
ngx_http_referral_drain_send(ngx_http_referral_recorder_t *rec)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i, n, failed;
    ngx_queue_t                *q;
    ngx_http_referral_drain_t  *drain;

    if (rec->drain || !rec->redis.ready || rec->retry.timer_set
        || rec->warming)
    {
        return;
    }

    n = 0;
    failed = 0;

    for (q = ngx_queue_head(&rec->drains);
         q != ngx_queue_sentinel(&rec->drains);
         q = ngx_queue_next(q))
    {
        n++;
    }

    for (i = 0; i < n; i++) {

        drain = rec->scan;

        if (drain == NULL) {
            q = ngx_queue_head(&rec->drains);
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&rec->drains, q);

            drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);

            if (drain->ending) {
                continue;
            }
        }

        rc = ngx_http_referral_drain_prepare(rec, drain);

        if (rc == NGX_OK) {
            rec->drain = drain;

            if (ngx_http_referral_drain_command(rec, 0) != NGX_OK) {
                rec->drain = NULL;
                ngx_http_referral_drain_retry(rec);
            }

            return;
        }

        if (rc == NGX_BUSY) {
            return;
        }

        if (rc == NGX_ERROR) {

            /* another journal may be well */

            failed = 1;
        }
    }

    if (failed) {
        ngx_http_referral_drain_retry(rec);
    }
}


/*
 * NGX_OK: a batch stands in rec->batch; NGX_DECLINED: this journal has
 * nothing to send; NGX_BUSY: later, somebody will call; NGX_ERROR: later.
 */

ngx_int_t
ngx_http_referral_drain_prepare(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain)
{
    ngx_int_t  rc;

    if (rec->scan != drain) {

        if (drain->nwaiting && drain->trial == NULL) {
            ngx_http_referral_drain_wake(drain);
        }

        if (drain->barred && drain->from + 1 >= drain->barred) {
            drain->trial = NULL;
            referral_reader_rest(drain->reader);
            return NGX_DECLINED;
        }

        ngx_http_referral_drain_begin(rec, drain);
    }

    rc = ngx_http_referral_drain_scan(rec, drain);

    if (rc == NGX_AGAIN) {

        if (!rec->next.posted) {
            ngx_post_event(&rec->next, &ngx_posted_next_events);
        }

        return NGX_BUSY;
    }

    rec->scan = NULL;

    if (rc != NGX_OK || rec->mark) {
        return rc;
    }

    if (drain->to <= drain->from) {
        drain->to = 0;
        drain->trial = NULL;
        return NGX_DECLINED;
    }

    /* all programs of the chunk have what is theirs */

    ngx_http_referral_drain_applied(rec, drain);

    if (!rec->next.posted) {
        ngx_post_event(&rec->next, &ngx_posted_next_events);
    }

    return NGX_BUSY;
}


static void
ngx_http_referral_drain_begin(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain)
{
    rec->scan = drain;
    rec->scanned = 0;
    rec->end = drain->from;
    rec->others = 0;
    rec->mark = NULL;

    referral_reader_seek(drain->reader, drain->from + 1);
}


/* goes back to the records of a program that has waited long enough */

static void
ngx_http_referral_drain_wake(ngx_http_referral_drain_t *drain)
{
    ngx_rbtree_node_t         *node;
    ngx_http_referral_mark_t  *mark;

    for (node = ngx_rbtree_min(drain->marks.root, &drain->sentinel);
         node;
         node = ngx_rbtree_next(&drain->marks, node))
    {
        mark = (ngx_http_referral_mark_t *) node;

        if (!mark->waiting
            || (ngx_msec_int_t) (mark->retry - ngx_current_msec) > 0)
        {
            continue;
        }

        mark->waiting = 0;
        drain->nwaiting--;

        drain->trial = mark;
        drain->resume = drain->from;
        drain->from = ngx_min(drain->from, mark->held);
        drain->to = 0;

        return;
    }
}


/*
 * One pass over a chunk, in slices; NGX_AGAIN: it goes on.  The first pass
 * finds the chunk's end, each pass takes the records of one program that
 * Redis does not have.
 */

static ngx_int_t
ngx_http_referral_drain_scan(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain)
{
    int               rc;
    ngx_int_t         taken;
    ngx_uint_t        n;
    referral_frame_t  frame;

    rc = REFERRAL_AGAIN;

    for (n = 0; rec->scanned < rec->size; n++) {

        if (n == NGX_HTTP_REFERRAL_SLICE) {
            return NGX_AGAIN;
        }

        rec->scanned++;

        rc = referral_reader_next(drain->reader, &frame);

        if (rc != REFERRAL_OK) {
            break;
        }

        if (drain->to && frame.seq > drain->to) {

            /* what was there in the first pass cannot be read any more */

            rec->end = drain->to;
            break;
        }

        taken = ngx_http_referral_drain_take(rec, drain, &frame);

        if (taken == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (taken == NGX_DECLINED) {
            break;
        }

        rec->end = frame.seq;
    }

    if (rec->end > drain->seen) {
        drain->seen = rec->end;
    }

    if (rec->end > drain->from) {

        /* nothing is known of what this pass did not come to */

        if (drain->to == 0 || rec->end < drain->to) {
            drain->to = rec->end;
        }

        return NGX_OK;
    }

    return ngx_http_referral_drain_empty(rec, drain, rc);
}


/* a pass that found no record, and the reader's answer to the last call */

static ngx_int_t
ngx_http_referral_drain_empty(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, int rc)
{
    if (drain->barred) {

        /* what is missing before it is missing for good */

        if (drain->barred - 1 > drain->from) {
            drain->to = drain->barred - 1;
        }

        return NGX_OK;
    }

    switch (rc) {

    case REFERRAL_JOURNAL_BUSY:

        if (!ngx_http_referral_drain_warm(rec, drain)
            && !rec->next.posted)
        {
            ngx_post_event(&rec->next, &ngx_posted_next_events);
        }

        return NGX_BUSY;

    case REFERRAL_ERROR:

        if (!drain->unread) {
            drain->unread = 1;
            ngx_log_error(NGX_LOG_ERR, rec->log, ngx_errno,
                          "referral: the journal in \"%V\" cannot be read: "
                          "its clicks are kept and sent later",
                          &rec->conf->journal.path->name);
        }

        return NGX_ERROR;

    default:

        /* what is missing at the end is missing for good */

        if (drain->reader->next > drain->from + 1) {
            drain->to = drain->reader->next - 1;
        }

        return NGX_OK;
    }
}


/* a record into the batch, if it is its program's; declined: it is full */

static ngx_int_t
ngx_http_referral_drain_take(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, referral_frame_t *frame)
{
    referral_str_t            *program;
    referral_record_t          record;
    ngx_http_referral_mark_t  *mark;

    switch (referral_record_decode(&record, frame->data, frame->len)) {

    case REFERRAL_OK:
        break;

    case REFERRAL_DECLINED:

        /* a mark beyond it would tell the newer version that it is applied */

        drain->barred = frame->seq;
        return NGX_DECLINED;

    default:
        if (frame->seq > drain->seen) {
            drain->damaged++;
        }

        return NGX_OK;
    }

    program = &record.text[REFERRAL_TEXT_PROGRAM];

    mark = rec->mark;

    if (mark == NULL || mark->sn.str.len != program->len
        || ngx_memcmp(mark->sn.str.data, program->data, program->len) != 0)
    {
        mark = ngx_http_referral_drain_mark(drain, program);
        if (mark == NULL) {
            return NGX_ERROR;
        }
    }

    if (frame->seq <= mark->mark || mark->waiting) {
        return NGX_OK;
    }

    if (rec->mark == NULL) {

        /* under a new id there is no mark before its first batch */

        rec->expected = (mark->alias && mark->mark == mark->alias->from)
                        ? 0 : mark->mark;

        if (referral_batch_begin(rec->batch, program,
                                 ngx_http_referral_drain_id(drain, mark),
                                 rec->expected)
            != REFERRAL_OK)
        {
            return NGX_ERROR;
        }

        rec->mark = mark;
    }

    if (mark != rec->mark) {
        rec->others = 1;
        return NGX_OK;
    }

    if (referral_batch_add(rec->batch, &record, frame->seq)
        == REFERRAL_DECLINED)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_http_referral_drain_applied(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain)
{
    uint64_t  settled;

    drain->from = drain->to;
    drain->to = 0;

    settled = ngx_http_referral_drain_settled(drain);

    referral_journal_ack(rec->journals, drain->journal, settled,
                         ngx_current_msec);

    if (!drain->journal->own && drain->from >= drain->journal->last) {
        referral_reader_rest(drain->reader);
    }

    ngx_http_referral_recorder_sent(rec, drain, settled);

    if (drain->unread) {
        drain->unread = 0;
        ngx_log_error(NGX_LOG_NOTICE, rec->log, 0,
                      "referral: the journal in \"%V\" can be read again",
                      &rec->conf->journal.path->name);
    }
}


/* what is sent of all programs, also of those that wait */

static uint64_t
ngx_http_referral_drain_settled(ngx_http_referral_drain_t *drain)
{
    uint64_t                   settled;
    ngx_rbtree_node_t         *node;
    ngx_http_referral_mark_t  *mark;

    settled = drain->from;

    if (drain->nwaiting == 0) {
        return settled;
    }

    for (node = ngx_rbtree_min(drain->marks.root, &drain->sentinel);
         node;
         node = ngx_rbtree_next(&drain->marks, node))
    {
        mark = (ngx_http_referral_mark_t *) node;

        if (mark->waiting && mark->held < settled) {
            settled = mark->held;
        }
    }

    return settled;
}


u_char *
ngx_http_referral_drain_id(ngx_http_referral_drain_t *drain,
    ngx_http_referral_mark_t *mark)
{
    return mark->alias ? mark->alias->id : drain->journal->id;
}


static ngx_http_referral_mark_t *
ngx_http_referral_drain_mark(ngx_http_referral_drain_t *drain,
    referral_str_t *program)
{
    uint32_t                   hash;
    ngx_str_t                  name;
    referral_alias_t          *alias;
    ngx_http_referral_mark_t  *mark;

    name.len = program->len;
    name.data = program->data;

    hash = ngx_crc32_short(name.data, name.len);

    mark = (ngx_http_referral_mark_t *)
               ngx_str_rbtree_lookup(&drain->marks, &name, hash);

    if (mark) {
        return mark;
    }

    mark = ngx_pcalloc(drain->pool, sizeof(ngx_http_referral_mark_t));
    if (mark == NULL) {
        return NULL;
    }

    mark->sn.node.key = hash;
    mark->sn.str.len = name.len;
    mark->sn.str.data = ngx_pstrdup(drain->pool, &name);

    if (mark->sn.str.data == NULL) {
        return NULL;
    }

    /* an earlier life went on under another id */

    alias = referral_journal_alias(drain->journal, program);

    if (alias && alias->active) {
        mark->alias = alias;
        mark->mark = alias->from;
    }

    ngx_rbtree_insert(&drain->marks, &mark->sn.node);

    return mark;
}


static ngx_int_t
ngx_http_referral_drain_command(ngx_http_referral_recorder_t *rec,
    ngx_uint_t full)
{
    referral_str_t  command;

    if (referral_batch_command(rec->batch, full, &command) != REFERRAL_OK) {
        return NGX_ERROR;
    }

    rec->records = referral_batch_records(rec->batch);
    rec->last = referral_batch_last(rec->batch);
    rec->sent = ngx_current_msec;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, rec->log, 0,
                   "referral batch: program \"%V\" records %ui bytes %uz",
                   &rec->mark->sn.str, rec->records, command.len);

    return ngx_http_referral_redis_formatted(&rec->redis,
                                             ngx_http_referral_drain_reply,
                                             rec, (char *) command.data,
                                             command.len);
}


static void
ngx_http_referral_drain_reply(void *data, redisReply *reply)
{
    ngx_http_referral_recorder_t *rec = data;

    referral_str_t              text;
    referral_batch_reply_t      result;
    ngx_http_referral_drain_t  *drain;

    drain = rec->drain;

    if (rec->closing) {
        return;
    }

    if (reply == NULL) {

        /* applied or not: the next one's comparison tells */

        rec->drain = NULL;
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        text.len = reply->len;
        text.data = (u_char *) reply->str;

        if (referral_batch_error(&text) == REFERRAL_BATCH_NOSCRIPT
            && ngx_http_referral_drain_command(rec, 1) == NGX_OK)
        {
            return;
        }

        rec->drain = NULL;

        if (ngx_http_referral_drain_refused(rec, drain, reply) != NGX_OK) {
            ngx_http_referral_drain_error(rec, reply);

        } else if (!rec->next.posted) {
            ngx_post_event(&rec->next, &ngx_posted_next_events);
        }

        return;
    }

    rec->drain = NULL;

    ngx_http_referral_drain_answer(rec, drain, reply, &result);
    ngx_http_referral_drain_result(rec, drain, &result);
}


/* what an answer to the batch means; an error is none */

void
ngx_http_referral_drain_answer(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, redisReply *reply,
    referral_batch_reply_t *result)
{
    size_t   i;
    int64_t  values[3];

    ngx_memzero(result, sizeof(referral_batch_reply_t));
    result->answer = REFERRAL_BATCH_INVALID;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
        return;
    }

    for (i = 0; i < 3; i++) {
        if (reply->element[i]->type != REDIS_REPLY_INTEGER) {
            return;
        }

        values[i] = reply->element[i]->integer;
    }

    referral_batch_reply(result, values, 3, rec->expected,
                         drain->journal->last);
}


void
ngx_http_referral_drain_result(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, referral_batch_reply_t *result)
{
    ngx_msec_t                 took;
    ngx_http_referral_zone_t  *zone;

    switch (result->answer) {

    case REFERRAL_BATCH_APPLIED:

        zone = ngx_http_referral_zone(rec->conf);

        (void) ngx_atomic_fetch_add(
                        &zone->counters[NGX_HTTP_REFERRAL_QUARANTINED],
                        (ngx_atomic_int_t) result->refused);

        rec->mark->mark = rec->last;

        if (!rec->others && drain->to > drain->from) {

            /* a second look at the chunk would find nothing */

            ngx_http_referral_drain_applied(rec, drain);
        }

        took = ngx_current_msec - rec->sent;

        ngx_log_debug2(NGX_LOG_DEBUG_HTTP, rec->log, 0,
                       "referral batch: applied up to %uL in %M ms",
                       rec->last, took);

        if (took > NGX_HTTP_REFERRAL_BATCH_SLOW) {
            rec->size = ngx_max(rec->size / 2, NGX_HTTP_REFERRAL_BATCH_MIN);

        } else if (rec->size < NGX_HTTP_REFERRAL_BATCH_MAX) {
            rec->size = ngx_min(rec->size + 50, NGX_HTTP_REFERRAL_BATCH_MAX);
        }

        break;

    case REFERRAL_BATCH_AHEAD:

        /* an own late command, or that of a former owner */

        rec->mark->mark = result->found;
        break;

    case REFERRAL_BATCH_BEHIND:
        ngx_http_referral_drain_behind(rec, drain, rec->mark,
                                          result->found);
        break;

    case REFERRAL_BATCH_FOREIGN:
        ngx_http_referral_drain_foreign(rec, drain, rec->mark,
                                           result->found);
        break;

    default: /* REFERRAL_BATCH_INVALID */

        /* what else comes on this connection may not be ours either */

        ngx_http_referral_redis_fail(&rec->redis,
                                     "it answers a batch as no redis does");
        ngx_http_referral_drain_retry(rec);
        return;
    }

    ngx_http_referral_drain_taken(rec, drain);

    rec->delay = 0;

    if (!rec->next.posted) {
        ngx_post_event(&rec->next, &ngx_posted_next_events);
    }
}


/* Redis and the program of the batch are well */

static void
ngx_http_referral_drain_taken(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain)
{
    ngx_http_referral_mark_t  *mark;

    mark = rec->mark;

    if (drain->trial == mark) {
        drain->trial = NULL;
        mark->delay = 0;
    }

    if (mark->said) {
        mark->said = 0;
        ngx_log_error(NGX_LOG_NOTICE, rec->log, 0,
                      "referral: redis \"%V\" takes clicks of program \"%V\" "
                      "again", &rec->conf->redis.text, &mark->sn.str);
    }

    if (rec->refused) {
        rec->refused = 0;
        ngx_log_error(NGX_LOG_NOTICE, rec->log, 0,
                      "referral: redis \"%V\" takes clicks again",
                      &rec->conf->redis.text);
    }
}


/*
 * What is not known as a state of Redis, and a right that is missing, may be
 * of this program's keys alone.
 */

ngx_int_t
ngx_http_referral_drain_refused(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, redisReply *reply)
{
    u_char                     key[REFERRAL_BATCH_MARK_MAX];
    referral_buf_t             b;
    referral_str_t             text, program;
    ngx_http_referral_mark_t  *mark;

    text.len = reply->len;
    text.data = (u_char *) reply->str;

    switch (referral_batch_error(&text)) {

    case REFERRAL_BATCH_UNKNOWN:
    case REFERRAL_BATCH_DENIED:
        break;

    default:
        return NGX_DECLINED;
    }

    mark = rec->mark;

    mark->held = ngx_max(drain->from, mark->mark);
    mark->delay = ngx_min(ngx_max(mark->delay * 2, NGX_HTTP_REFERRAL_WAIT_MIN),
                          NGX_HTTP_REFERRAL_WAIT_MAX);
    mark->retry = ngx_current_msec + mark->delay;
    mark->waiting = 1;
    drain->nwaiting++;

    if (drain->trial == mark) {
        drain->trial = NULL;
        drain->from = ngx_max(drain->from, drain->resume);
        drain->to = 0;
    }

    if (mark->said || !ngx_http_referral_drain_may_say(rec)) {
        return NGX_OK;
    }

    mark->said = 1;

    program.len = mark->sn.str.len;
    program.data = mark->sn.str.data;

    referral_buf_init(&b, key, sizeof(key));
    referral_batch_mark_key(&rec->batch_conf, &b, &program);

    ngx_log_error(NGX_LOG_ERR, rec->log, 0,
                  "referral: redis \"%V\" does not take clicks: \"%*s\"; those "
                  "of program \"%V\" are kept and sent later: \"%*s\" must "
                  "be a hash of numbers, and the user may write to it",
                  &rec->conf->redis.text, ngx_min(reply->len, 200),
                  reply->str, &mark->sn.str, (size_t) (b.pos - b.start),
                  b.start);

    return NGX_OK;
}


/* hundreds of programs need not have a line each */

static ngx_uint_t
ngx_http_referral_drain_may_say(ngx_http_referral_recorder_t *rec)
{
    if (rec->nsaid && ngx_current_msec - rec->said_since >= 60000) {
        rec->nsaid = 0;
    }

    if (rec->nsaid == 0) {
        rec->said_since = ngx_current_msec;
    }

    return rec->nsaid++ < NGX_HTTP_REFERRAL_LINES;
}


/* nothing is thrown away for an error: it is kept, and tried again */

static void
ngx_http_referral_drain_error(ngx_http_referral_recorder_t *rec,
    redisReply *reply)
{
    if (!rec->refused) {
        rec->refused = 1;
        ngx_log_error(NGX_LOG_ERR, rec->log, 0,
                      "referral: redis \"%V\" does not take clicks: \"%*s\"; "
                      "they are kept and sent later",
                      &rec->conf->redis.text, ngx_min(reply->len, 200),
                      reply->str);
    }

    rec->size = ngx_max(rec->size / 2, NGX_HTTP_REFERRAL_BATCH_MIN);

    ngx_http_referral_drain_retry(rec);
}


/* Redis lost what it had acknowledged: from what is kept it gets it again */

void
ngx_http_referral_drain_behind(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, ngx_http_referral_mark_t *mark,
    uint64_t found)
{
    uint64_t                   had, lost;
    ngx_http_referral_zone_t  *zone;

    zone = ngx_http_referral_zone(rec->conf);

    ngx_log_error(NGX_LOG_ERR, rec->log, 0,
                  "referral: redis \"%V\" went back from %uL to %uL in "
                  "program \"%V\": clicks are sent again",
                  &rec->conf->redis.text, mark->mark, found, &mark->sn.str);

    if (drain->journal->first > found + 1) {
        lost = drain->journal->first - found - 1;

        (void) ngx_atomic_fetch_add(
                    &zone->counters[NGX_HTTP_REFERRAL_LOST_BY_REDIS],
                    (ngx_atomic_int_t) lost);

        ngx_log_error(NGX_LOG_CRIT, rec->log, 0,
                      "referral: up to %uL clicks that redis had and lost are "
                      "older than what the journal keeps", lost);
    }

    had = mark->mark;
    mark->mark = found;

    if (mark->alias && found == 0) {

        /* older than this id: the journal's own mark tells how far it went */

        found = mark->alias->from;
        mark->mark = found;

        referral_journal_alias_end(rec->journals, drain->journal, mark->alias);
        mark->alias = NULL;
    }

    if (mark->waiting && found < mark->held) {
        mark->held = found;
    }

    if (drain->trial && found < drain->resume) {
        drain->resume = found;
    }

    if (found < drain->journal->first - 1) {
        found = drain->journal->first - 1;
    }

    if (had > found) {
        (void) ngx_atomic_fetch_add(&zone->counters[NGX_HTTP_REFERRAL_RESENT],
                                    (ngx_atomic_int_t) (had - found));
    }

    if (found < drain->from) {
        drain->from = found;
        referral_journal_ack(rec->journals, drain->journal,
                             ngx_http_referral_drain_settled(drain),
                             ngx_current_msec);
    }

    drain->to = 0;

    /* what a pass under way found out is no longer so */

    if (rec->scan == drain) {
        rec->scan = NULL;
    }
}


/*
 * The mark is beyond what was ever written.  Under an id of this life, or one
 * that replaced it, it is somebody else's: what is unsent of this program goes
 * to Redis under a new one, with the numbers that it has.  The marks of other
 * programs are right.  A journal that was adopted is older than its mark (its
 * end was lost, or it came back from a backup): what it holds was applied.
 */

static void
ngx_http_referral_drain_foreign(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, ngx_http_referral_mark_t *mark,
    uint64_t found)
{
    referral_str_t     program;
    referral_alias_t  *alias;

    program.len = mark->sn.str.len;
    program.data = mark->sn.str.data;

    alias = referral_journal_alias(drain->journal, &program);

    if (drain->journal->adopted && (alias == NULL || mark->alias)) {
        ngx_log_error(NGX_LOG_WARN, rec->log, 0,
                      "referral: redis has %uL clicks of an adopted journal "
                      "that holds %uL: it is older than what redis knows",
                      found, drain->journal->last);

        mark->mark = found;
        return;
    }

    ngx_log_error(NGX_LOG_ERR, rec->log, 0,
                  "referral: somebody else wrote to redis \"%V\" under this "
                  "journal's id, up to %uL in program \"%V\": going on under "
                  "a new one", &rec->conf->redis.text, found, &program);

    if (drain->journal->own) {
        ngx_http_referral_recorder_renew(rec);
    }

    alias = referral_journal_alias_begin(rec->journals, drain->journal,
                                         &program, mark->mark);
    if (alias == NULL) {
        ngx_http_referral_drain_retry(rec);
        return;
    }

    mark->alias = alias;

    if (referral_journal_alias_note(rec->journals, drain->journal)
        != REFERRAL_OK)
    {
        ngx_log_error(NGX_LOG_CRIT, rec->log, ngx_errno,
                      "referral: the new id cannot be noted in the journal in "
                      "\"%V\": until it can, a worker that ends leaves "
                      "unsent clicks of program \"%V\" behind for good",
                      &rec->conf->journal.path->name, &program);
    }
}


static void
ngx_http_referral_drain_retry(ngx_http_referral_recorder_t *rec)
{
    rec->delay = ngx_min(ngx_max(rec->delay * 2, NGX_HTTP_REFERRAL_RETRY_MIN),
                         NGX_HTTP_REFERRAL_RETRY_MAX);

    if (!rec->retry.timer_set) {
        ngx_add_timer(&rec->retry, rec->delay / 2
                                   + ngx_random() % (rec->delay / 2));
    }
}


void
ngx_http_referral_drain_state(void *data, ngx_uint_t up)
{
    ngx_http_referral_recorder_t *rec = data;

    size_t       len;
    const char  *info;

    if (!up) {
        return;
    }

    if (!rec->next.posted) {
        ngx_post_event(&rec->next, &ngx_posted_next_events);
    }

    /* one worker asks, once: a user without the right to is no trouble */

    if (ngx_worker || rec->asked) {
        return;
    }

    rec->asked = 1;

    info = "INFO";
    len = 4;

    (void) ngx_http_referral_redis_command(&rec->redis,
                                           ngx_http_referral_drain_info, rec,
                                           1, &info, &len);
}


/* settings that can lose clicks for good: said once, to whoever can change */

static void
ngx_http_referral_drain_info(void *data, redisReply *reply)
{
    ngx_http_referral_recorder_t *rec = data;

    u_char  *p, *end, *last;

    if (reply == NULL || reply->type != REDIS_REPLY_STRING) {
        return;
    }

    if (ngx_strnstr((u_char *) reply->str, "aof_enabled:0", reply->len)) {
        ngx_log_error(NGX_LOG_ERR, rec->log, 0,
                      "referral: redis \"%V\" has no append-only file: after "
                      "a crash it may lack more than the journal keeps; "
                      "\"appendonly yes\" is right",
                      &rec->conf->redis.text);
    }

    p = ngx_strnstr((u_char *) reply->str, "maxmemory_policy:allkeys",
                    reply->len);
    if (p == NULL) {
        return;
    }

    p += sizeof("maxmemory_policy:") - 1;
    last = (u_char *) reply->str + reply->len;
    end = ngx_strlchr(p, last, CR);

    if (end == NULL) {
        end = last;
    }

    ngx_log_error(NGX_LOG_ERR, rec->log, 0,
                  "referral: redis \"%V\" may evict any key (\"%*s\"), counts "
                  "and marks too; \"maxmemory-policy noeviction\" is right",
                  &rec->conf->redis.text, (size_t) (end - p), p);
}


/* what is not in memory is read by a thread; 0: it need not, or cannot be */

static ngx_uint_t
ngx_http_referral_drain_warm(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain)
{
    int                        fd;
    off_t                      offset;
#if (NGX_THREADS)
    ngx_http_referral_task_t  *t;
#endif

    if (referral_reader_cold(drain->reader, &fd, &offset) != REFERRAL_OK) {
        return 0;
    }

#if (NGX_THREADS)

    if (rec->warm == NULL && !rec->closing) {
        rec->warm = ngx_http_referral_recorder_task(rec,
                                       ngx_http_referral_drain_warm_thread,
                                       ngx_http_referral_drain_warmed);
    }

    if (rec->warm && rec->conf->thread_pool && !rec->closing) {
        t = rec->warm->ctx;
        t->fd = fd;
        t->offset = offset;

        if (ngx_thread_task_post(rec->conf->thread_pool, rec->warm)
            == NGX_OK)
        {
            rec->warming = 1;
            return 1;
        }
    }

#endif

    referral_reader_warm(fd, offset);

    return 0;
}


#if (NGX_THREADS)

static void
ngx_http_referral_drain_warm_thread(void *data, ngx_log_t *log)
{
    ngx_http_referral_task_t *t = data;

    referral_reader_warm(t->fd, t->offset);
}


static void
ngx_http_referral_drain_warmed(ngx_event_t *ev)
{
    ngx_http_referral_task_t  *t;

    t = ev->data;

    t->recorder->warming = 0;

    ngx_http_referral_drain_send(t->recorder);
}

#endif
