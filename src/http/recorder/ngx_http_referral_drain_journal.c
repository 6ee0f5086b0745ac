
#include "ngx_http_referral_drain.h"


static void ngx_http_referral_drain_died(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain);
static void ngx_http_referral_drain_enlist(ngx_http_referral_drain_t *drain,
    uint64_t last);


ngx_http_referral_drain_t *
ngx_http_referral_drain_open(ngx_http_referral_drains_t *ds,
    referral_journal_t *journal)
{
    ngx_pool_t                 *pool;
    ngx_http_referral_drain_t  *drain;

    pool = ngx_create_pool(1024, ds->log);
    if (pool == NULL) {
        return NULL;
    }

    drain = ngx_pcalloc(pool, sizeof(ngx_http_referral_drain_t));
    if (drain == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    drain->pool = pool;
    drain->drains = ds;
    drain->journal = journal;

    drain->reader = referral_reader_open(ds->journals, journal, 0, 1);
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
    ngx_queue_insert_tail(&ds->all, &drain->queue);

    ngx_http_referral_drain_publish(drain, 0);

    return drain;
}


void
ngx_http_referral_drain_open_all(ngx_http_referral_drains_t *ds)
{
    referral_journal_t         *j;
    ngx_http_referral_drain_t  *drain;

    for (j = referral_journals_next(ds->journals, NULL);
         j;
         j = referral_journals_next(ds->journals, j))
    {
        if (j->data) {
            continue;
        }

        drain = ngx_http_referral_drain_open(ds, j);

        if (drain == NULL) {
            return;
        }

        if (j->own) {
            ds->own = drain;
        }
    }
}


void
ngx_http_referral_drain_close(ngx_http_referral_drain_t *drain)
{
    drain->journal->data = NULL;

    if (drain->drains->scan == drain) {
        drain->drains->scan = NULL;
    }

    ngx_queue_remove(&drain->queue);
    referral_reader_close(drain->reader);
    ngx_destroy_pool(drain->pool);
}


ngx_http_referral_mark_t *
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

    /* an earlier process has changed to another id */

    alias = referral_journal_alias(drain->journal, program);

    if (alias && alias->active) {
        mark->alias = alias;
        mark->mark = alias->from;
    }

    ngx_rbtree_insert(&drain->marks, &mark->sn.node);

    return mark;
}


u_char *
ngx_http_referral_drain_id(ngx_http_referral_drain_t *drain,
    ngx_http_referral_mark_t *mark)
{
    return mark->alias ? mark->alias->id : drain->journal->id;
}


uint64_t
ngx_http_referral_drain_unread(ngx_http_referral_drain_t *drain)
{
    uint64_t  last;

    last = ngx_max(drain->seen, drain->to);
    last = ngx_max(last, drain->reader->next - 1);

    return last + 1;
}


/* up to where the records of all programs are sent, also of those that wait */

uint64_t
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


void
ngx_http_referral_drain_applied(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain)
{
    uint64_t  settled;

    drain->from = drain->to;
    drain->to = 0;

    ngx_http_referral_drain_tell(drain);

    settled = ngx_http_referral_drain_settled(drain);

    referral_journal_ack(ds->journals, drain->journal, settled,
                         ngx_current_msec);

    if (!drain->journal->own && drain->from >= drain->journal->last) {
        referral_reader_rest(drain->reader);
    }

    ds->sent(ds->data, drain, settled);

    if (drain->unread) {
        drain->unread = 0;
        ngx_log_error(NGX_LOG_NOTICE, ds->log, 0,
                      "referral: the journal in \"%V\" can be read again",
                      &ds->conf->path);
    }
}


void
ngx_http_referral_drain_unclear(ngx_http_referral_drains_t *ds)
{
    ngx_queue_t                *q;
    ngx_http_referral_drain_t  *drain;

    ds->asking = 0;

    for (q = ngx_queue_head(&ds->all);
         q != ngx_queue_sentinel(&ds->all);
         q = ngx_queue_next(q))
    {
        drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);
        drain->clear = 0;
    }
}


/*
 * A program that is tried again does not take back what others have sent, and
 * nobody waits for records that only a newer version can send.
 */

void
ngx_http_referral_drain_tell(ngx_http_referral_drain_t *drain)
{
    uint64_t  sent;

    if (drain->entry == NULL) {
        return;
    }

    sent = drain->trial ? ngx_max(drain->from, drain->resume) : drain->from;

    if (drain->barred && sent + 1 >= drain->barred) {
        sent = ngx_max(sent, drain->journal->last);
    }

    drain->entry->sent = sent;
}


/*
 * Redis lost records that it had acknowledged: sends again what the journal
 * has
 */

void
ngx_http_referral_drain_behind(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, ngx_http_referral_mark_t *mark,
    uint64_t found)
{
    uint64_t  had, lost;

    ngx_log_error(NGX_LOG_ERR, ds->log, 0,
                  "referral: redis \"%V\" went back from %uL to %uL in "
                  "program \"%V\": %s are sent again",
                  &ds->conf->redis->text, mark->mark, found, &mark->sn.str,
                  ds->conf->records);

    if (drain->journal->first > found + 1) {
        lost = drain->journal->first - found - 1;

        ngx_http_referral_drain_count(ds, NGX_HTTP_REFERRAL_LOST_BY_REDIS,
                                      lost);

        ngx_log_error(NGX_LOG_CRIT, ds->log, 0,
                      "referral: up to %uL %s that redis had and lost are "
                      "older than what the journal keeps", lost,
                      ds->conf->records);
    }

    had = mark->mark;
    mark->mark = found;

    if (mark->alias && found == 0) {

        /*
         * Redis is older than this id: the mark of the journal's own id counts
         */

        found = mark->alias->from;
        mark->mark = found;

        referral_journal_alias_end(ds->journals, drain->journal, mark->alias);
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
        ngx_http_referral_drain_count(ds, NGX_HTTP_REFERRAL_RESENT,
                                      had - found);
    }

    /* clicks may be lost as well */

    ds->since = ngx_current_msec;
    ds->went = ngx_current_msec;
    ds->back = 1;

    ngx_http_referral_drain_unclear(ds);

    if (drain->entry == NULL && ds->own->entry) {
        ds->own->entry->busy = 1;
    }

    if (found < drain->from) {
        drain->from = found;
        ngx_http_referral_drain_tell(drain);
        referral_journal_ack(ds->journals, drain->journal,
                             ngx_http_referral_drain_settled(drain),
                             ngx_current_msec);
    }

    drain->to = 0;

    /* the pass under way is no longer valid */

    if (ds->scan == drain) {
        ds->scan = NULL;
    }
}


void
ngx_http_referral_drain_publish(ngx_http_referral_drain_t *drain,
    int64_t oldest)
{
    uint64_t                            settled, last;
    referral_journal_t                 *journal;
    ngx_http_referral_records_t        *sh;
    ngx_http_referral_journal_entry_t  *entry;

    journal = drain->journal;
    sh = drain->drains->conf->sh;

    last = journal->own ? journal->flushed : journal->last;

    if (drain->entry == NULL && (journal->own || drain->told < last)) {
        ngx_http_referral_drain_enlist(drain, last);
    }

    entry = drain->entry;

    if (entry == NULL) {
        return;
    }

    /*
     * records that Redis has were accepted, even if they never reached the
     * disk
     */

    if (journal->adopted) {
        ngx_http_referral_drain_died(drain->drains, drain);
        last = ngx_max(last, entry->settled);
    }

    if (!journal->own) {
        entry->busy = 0;
    }

    ngx_http_referral_drain_tell(drain);

    entry->last = last;
    entry->bad = drain->damaged;
    entry->filed = (journal->nsegments != 0);

    /* records that are sent again were counted as recorded before */

    settled = ngx_http_referral_drain_settled(drain);

    if (settled > entry->settled) {
        entry->settled = settled;
    }

    entry->oldest = entry->settled < last ? oldest : 0;

    /* the journal is complete, and its numbers can go into the totals */

    if (entry->settled >= last
        && (!journal->own || drain->drains->closing))
    {
        ngx_http_referral_zone_journal_close(sh, entry);

        drain->entry = NULL;
        drain->told = last;
    }
}


static void
ngx_http_referral_drain_enlist(ngx_http_referral_drain_t *drain,
    uint64_t last)
{
    ngx_int_t                     rc;
    ngx_atomic_uint_t             said;
    referral_journal_t           *journal;
    ngx_http_referral_drains_t   *ds;
    ngx_http_referral_records_t  *sh;

    ds = drain->drains;
    sh = ds->conf->sh;
    journal = drain->journal;

    rc = ngx_http_referral_zone_journal(sh, journal->id, journal->own,
                                        drain->base, last, &drain->entry);

    if (rc == NGX_DECLINED) {
        drain->told = last;
    }

    if (rc != NGX_BUSY || drain->untold) {
        return;
    }

    drain->untold = 1;

    ngx_http_referral_drain_count(ds, NGX_HTTP_REFERRAL_UNTOLD, 1);

    said = sh->said_full;

    if ((said == 0 || ngx_time() - (time_t) said >= 3600)
        && ngx_atomic_cmp_set(&sh->said_full, said, ngx_time()))
    {
        ngx_log_error(NGX_LOG_WARN, ds->log, 0,
                      "referral: more than %d journals have %s that wait: "
                      "the metrics leave out those of the others, which are "
                      "sent all the same", NGX_HTTP_REFERRAL_JOURNALS,
                      ds->conf->records);
    }
}


static void
ngx_http_referral_drain_died(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain)
{
    uint64_t                            n, known;
    ngx_http_referral_journal_entry_t  *entry;

    entry = drain->entry;

    known = ngx_max(drain->journal->last, entry->settled);

    if (entry->last <= known) {
        return;
    }

    n = entry->last - known;
    entry->last = known;

    (void) ngx_atomic_fetch_add(
                      &ds->conf->sh->dropped[NGX_HTTP_REFERRAL_DROP_RECORDER],
                      (ngx_atomic_int_t) n);

    ngx_http_referral_drain_lost(ds, n);
}


void
ngx_http_referral_drain_lost(ngx_http_referral_drains_t *ds, uint64_t n)
{
    ngx_log_error(NGX_LOG_CRIT, ds->log, 0,
                  "referral: a worker was killed or crashed with %uL %s that "
                  "were only in its memory: they are lost", n,
                  ds->conf->records);
}


void
ngx_http_referral_drain_resume(ngx_http_referral_drains_t *ds)
{
    if (!ds->next.posted) {
        ngx_post_event(&ds->next, &ngx_posted_next_events);
    }
}


void
ngx_http_referral_drain_count(ngx_http_referral_drains_t *ds,
    ngx_uint_t event, uint64_t n)
{
    if (ds->conf->events) {
        (void) ngx_atomic_fetch_add(&ds->conf->events[event],
                                    (ngx_atomic_int_t) n);
    }
}
