
#include "ngx_http_referral_drain.h"


/* ms */
#define NGX_HTTP_REFERRAL_REPLY        5000

/* ms between a click and its batch, at most, while Redis is well */
#define NGX_HTTP_REFERRAL_SEND         200

/*
 * So many records are sent at once, fewer a little later.  Small batches keep
 * Redis, and what shares its processor, from long turns.
 */
#define NGX_HTTP_REFERRAL_BATCH_KICK   64

/* records read in one turn of the event loop, because clicks wait meanwhile */
#define NGX_HTTP_REFERRAL_SLICE        64


static void ngx_http_referral_drain_send_handler(ngx_event_t *ev);
static void ngx_http_referral_drain_state(void *data, ngx_uint_t up);
static void ngx_http_referral_drain_send(ngx_http_referral_drains_t *ds);
static void ngx_http_referral_drain_begin(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain);
static void ngx_http_referral_drain_wake(ngx_http_referral_drain_t *drain);
static ngx_int_t ngx_http_referral_drain_scan(
    ngx_http_referral_drains_t *ds, ngx_http_referral_drain_t *drain);
static ngx_int_t ngx_http_referral_drain_take(
    ngx_http_referral_drains_t *ds, ngx_http_referral_drain_t *drain,
    referral_frame_t *frame);
static ngx_int_t ngx_http_referral_drain_empty(
    ngx_http_referral_drains_t *ds, ngx_http_referral_drain_t *drain,
    int rc);
static void ngx_http_referral_drain_patience(ngx_http_referral_drains_t *ds,
    ngx_http_referral_mark_t *mark);
static ngx_int_t ngx_http_referral_drain_command(
    ngx_http_referral_drains_t *ds, ngx_uint_t full);
static void ngx_http_referral_drain_reply(void *data, redisReply *reply);
static void ngx_http_referral_drain_info(void *data, redisReply *reply);
static ngx_uint_t ngx_http_referral_drain_warm(
    ngx_http_referral_drains_t *ds, ngx_http_referral_drain_t *drain);
#if (NGX_THREADS)
static void ngx_http_referral_drain_warm_thread(void *data, ngx_log_t *log);
static void ngx_http_referral_drain_warmed(ngx_event_t *ev);
#endif


ngx_int_t
ngx_http_referral_drain_init(ngx_http_referral_drains_t *ds)
{
    ds->ident = (ngx_socket_t) -1;
    ds->kind = ds->conf->kind;
    ds->size = ds->kind->max_records / 2;

    ngx_queue_init(&ds->all);

    ds->values = ngx_palloc(ds->pool, ds->kind->max_values * sizeof(int64_t));
    if (ds->values == NULL) {
        return NGX_ERROR;
    }

    if (ds->kind->follows) {
        ds->clicks = ngx_pcalloc(ds->pool,
                                 NGX_HTTP_REFERRAL_JOURNALS
                                 * sizeof(ngx_http_referral_clicks_mark_t));
        if (ds->clicks == NULL) {
            return NGX_ERROR;
        }
    }

    ds->batch = ds->kind->create(ds->conf->kind_conf);

    return ds->batch ? NGX_OK : NGX_ERROR;
}


void
ngx_http_referral_drain_start(ngx_http_referral_drains_t *ds)
{
    ngx_http_referral_drain_event(&ds->next, ds, ds->log,
                                  ngx_http_referral_drain_send_handler);
    ngx_http_referral_drain_event(&ds->send, ds, ds->log,
                                  ngx_http_referral_drain_send_handler);
    ngx_http_referral_drain_event(&ds->retry, ds, ds->log,
                                  ngx_http_referral_drain_send_handler);
    ngx_http_referral_drain_event(&ds->wait, ds, ds->log,
                                  ngx_http_referral_drain_send_handler);

    ds->redis.data = ds;
    ds->redis.conf = ds->conf->redis;
    ds->redis.log = ds->log;
    ds->redis.name = ds->conf->name;
    ds->redis.timeout = NGX_HTTP_REFERRAL_REPLY;
    ds->redis.state = ngx_http_referral_drain_state;

    ngx_http_referral_redis_open(&ds->redis);

    /* the records are in the journal: a worker may end without the reply */

    ds->redis.expire.cancelable = 1;
}


void
ngx_http_referral_drain_event(ngx_event_t *ev, void *data, ngx_log_t *log,
    ngx_event_handler_pt handler)
{
    ev->data = data;
    ev->handler = handler;
    ev->log = log;
    ev->cancelable = 1;
}


ngx_uint_t
ngx_http_referral_drain_quit(ngx_http_referral_drains_t *ds)
{
    ngx_uint_t  up;

    ds->closing = 1;
    up = ds->redis.ready;

    ngx_http_referral_redis_close(&ds->redis);

    return up;
}


void
ngx_http_referral_drain_close_all(ngx_http_referral_drains_t *ds)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&ds->all)) {
        q = ngx_queue_head(&ds->all);
        ngx_http_referral_drain_close(
                     ngx_queue_data(q, ngx_http_referral_drain_t, queue));
    }

    if (ds->batch) {
        ds->kind->free(ds->batch);
    }

    /* other modules may still walk the timers after this */

    ngx_http_referral_drain_stop(&ds->next);
    ngx_http_referral_drain_stop(&ds->send);
    ngx_http_referral_drain_stop(&ds->retry);
    ngx_http_referral_drain_stop(&ds->wait);
}


void
ngx_http_referral_drain_stop(ngx_event_t *ev)
{
    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }
}


/* sends at once if there are enough records, else a little later */

void
ngx_http_referral_drain_kick(ngx_http_referral_drains_t *ds)
{
    referral_journal_t  *own;

    if (ds->drain || ds->scan || !ds->redis.ready || ds->retry.timer_set)
    {
        return;
    }

    own = ds->own->journal;

    /* who sent an event waits to hear what became of it */

    if (ds->kind->outcome
        || own->flushed - ds->own->from
           >= ngx_min(ds->size, NGX_HTTP_REFERRAL_BATCH_KICK))
    {
        if (!ds->next.posted) {
            ngx_post_event(&ds->next, &ngx_posted_events);
        }

        return;
    }

    if (!ds->send.timer_set) {
        ngx_add_timer(&ds->send, NGX_HTTP_REFERRAL_SEND);
    }
}


static void
ngx_http_referral_drain_send_handler(ngx_event_t *ev)
{
    ngx_http_referral_drain_send(ev->data);
}


/* one batch is out at a time; the journals take turns */

static void
ngx_http_referral_drain_send(ngx_http_referral_drains_t *ds)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i, n, failed, waits;
    ngx_queue_t                *q;
    ngx_http_referral_drain_t  *drain;

    if (ds->drain || !ds->redis.ready || ds->retry.timer_set
        || ds->warming)
    {
        return;
    }

    n = 0;
    failed = 0;
    waits = 0;

    for (q = ngx_queue_head(&ds->all);
         q != ngx_queue_sentinel(&ds->all);
         q = ngx_queue_next(q))
    {
        n++;
    }

    for (i = 0; i < n; i++) {

        drain = ds->scan;

        if (drain == NULL) {
            q = ngx_queue_head(&ds->all);
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&ds->all, q);

            drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);

            if (drain->ending) {
                continue;
            }
        }

        rc = ngx_http_referral_drain_prepare(ds, drain);

        if (rc == NGX_OK) {
            ds->drain = drain;

            if (ngx_http_referral_drain_command(ds, 0) != NGX_OK) {
                ds->drain = NULL;
                ngx_http_referral_drain_retry(ds);
            }

            return;
        }

        if (rc == NGX_BUSY) {
            return;
        }

        if (rc == NGX_ERROR) {

            /* another journal may be readable */

            failed = 1;
        }

        waits |= drain->held
                 || (drain->nwaiting && ngx_current_msec - ds->part
                                        < 5 * NGX_HTTP_REFERRAL_WAIT_AGAIN);
    }

    if (failed) {
        ngx_http_referral_drain_retry(ds);
    }

    if (waits && ds->clicks && !ds->wait.timer_set) {
        ngx_add_timer(&ds->wait, NGX_HTTP_REFERRAL_WAIT_CLICKS);
    }
}


/*
 * NGX_OK: a batch is in ds->batch; NGX_DECLINED: this journal has nothing to
 * send; NGX_BUSY: an event will call again; NGX_ERROR: later.
 */

ngx_int_t
ngx_http_referral_drain_prepare(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain)
{
    ngx_int_t  rc;

    if (ds->scan != drain) {

        if (drain->nwaiting && drain->trial == NULL) {
            ngx_http_referral_drain_wake(drain);
        }

        if (drain->barred && drain->from + 1 >= drain->barred) {
            drain->trial = NULL;
            referral_reader_rest(drain->reader);
            return NGX_DECLINED;
        }

        ngx_http_referral_drain_begin(ds, drain);
    }

    rc = ngx_http_referral_drain_scan(ds, drain);

    if (rc == NGX_AGAIN) {

        ngx_http_referral_drain_resume(ds);

        return NGX_BUSY;
    }

    ds->scan = NULL;

    if (rc != NGX_OK || ds->mark) {
        return rc;
    }

    if (drain->to <= drain->from) {
        drain->to = 0;
        drain->trial = NULL;
        return NGX_DECLINED;
    }

    /* every program has its records of the chunk */

    ngx_http_referral_drain_applied(ds, drain);

    ngx_http_referral_drain_resume(ds);

    return NGX_BUSY;
}


static void
ngx_http_referral_drain_begin(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain)
{
    ds->scan = drain;
    ds->scanned = 0;
    ds->end = drain->from;
    ds->others = 0;
    ds->mark = NULL;
    drain->held = 0;

    referral_reader_seek(drain->reader, drain->from + 1);
}


/* goes back to the records of a program whose back-off is over */

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
 * One pass over a chunk, in slices; NGX_AGAIN: it goes on in the next turn.
 * The first pass finds the chunk's end.  Each pass takes the records of one
 * program that Redis does not have.
 */

static ngx_int_t
ngx_http_referral_drain_scan(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain)
{
    int               rc;
    ngx_int_t         taken;
    ngx_uint_t        n;
    referral_frame_t  frame;

    rc = REFERRAL_AGAIN;

    for (n = 0; ds->scanned < ds->size; n++) {

        if (n == NGX_HTTP_REFERRAL_SLICE) {
            return NGX_AGAIN;
        }

        ds->scanned++;

        rc = referral_reader_next(drain->reader, &frame);

        if (rc != REFERRAL_OK) {
            break;
        }

        if (drain->to && frame.seq > drain->to) {

            /* a record of the first pass cannot be read any more */

            ds->end = drain->to;
            break;
        }

        taken = ngx_http_referral_drain_take(ds, drain, &frame);

        if (taken == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (taken == NGX_DECLINED) {
            break;
        }

        ds->end = frame.seq;
    }

    if (ds->end > drain->seen) {
        drain->seen = ds->end;
    }

    if (ds->end > drain->from) {

        /* the records that this pass did not reach are not known */

        if (drain->to == 0 || ds->end < drain->to) {
            drain->to = ds->end;
        }

        return NGX_OK;
    }

    return ngx_http_referral_drain_empty(ds, drain, rc);
}


/* ends a pass without records, by the reader's last result */

static ngx_int_t
ngx_http_referral_drain_empty(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, int rc)
{
    if (drain->held) {

        /* an earlier pass over the chunk may have come further */

        drain->to = drain->held - 1;
        return NGX_OK;
    }

    if (drain->barred) {

        /* records that are missing before it are lost */

        if (drain->barred - 1 > drain->from) {
            drain->to = drain->barred - 1;
        }

        return NGX_OK;
    }

    switch (rc) {

    case REFERRAL_JOURNAL_BUSY:

        if (!ngx_http_referral_drain_warm(ds, drain)
            && !ds->next.posted)
        {
            ngx_post_event(&ds->next, &ngx_posted_next_events);
        }

        return NGX_BUSY;

    case REFERRAL_ERROR:

        if (!drain->unread) {
            drain->unread = 1;
            ngx_log_error(NGX_LOG_ERR, ds->log, ngx_errno,
                          "referral: the journal in \"%V\" cannot be read: "
                          "its %s are kept and sent later",
                          &ds->conf->path, ds->conf->records);
        }

        return NGX_ERROR;

    default:

        /* records that are missing at the end are lost */

        if (drain->reader->next > drain->from + 1) {
            drain->to = drain->reader->next - 1;
        }

        return NGX_OK;
    }
}


/*
 * adds the record to the batch of its program; NGX_DECLINED: the pass ends
 * here
 */

static ngx_int_t
ngx_http_referral_drain_take(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, referral_frame_t *frame)
{
    referral_str_t             program;
    ngx_http_referral_mark_t  *mark;

    switch (ds->kind->decode(ds->batch, frame->data, frame->len, &program)) {

    case REFERRAL_OK:
        break;

    case REFERRAL_DECLINED:

        /*
         * a mark beyond it would make the newer version think that it is
         * applied
         */

        drain->barred = frame->seq;
        return NGX_DECLINED;

    default:
        if (frame->seq > drain->seen) {
            drain->damaged++;
        }

        return NGX_OK;
    }

    mark = ds->mark;

    if (mark == NULL || mark->sn.str.len != program.len
        || ngx_memcmp(mark->sn.str.data, program.data, program.len) != 0)
    {
        mark = ngx_http_referral_drain_mark(drain, &program);
        if (mark == NULL) {
            return NGX_ERROR;
        }
    }

    if (frame->seq <= mark->mark || mark->waiting) {
        return NGX_OK;
    }

    if (ds->clicks && ds->kind->follows(ds->batch)
        && !ngx_http_referral_drain_clicks(ds, drain, frame->seq))
    {
        /* what comes after it in this journal waits too */

        drain->held = frame->seq;
        return NGX_DECLINED;
    }

    if (ds->mark == NULL) {

        /* under a new id Redis has no mark before the first batch */

        ds->expected = (mark->alias && mark->mark == mark->alias->from)
                        ? 0 : mark->mark;

        if (ds->kind->begin(ds->batch, &program,
                            ngx_http_referral_drain_id(drain, mark),
                            ds->expected)
            != REFERRAL_OK)
        {
            return NGX_ERROR;
        }

        ngx_http_referral_drain_patience(ds, mark);

        ds->mark = mark;
    }

    if (mark != ds->mark) {
        ds->others = 1;
        return NGX_OK;
    }

    if (ds->kind->add(ds->batch, frame->seq) == REFERRAL_DECLINED) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * Events that were received lately wait for clicks of other hosts.  For a while
 * after an outage all do, because those hosts have clicks to send as well.
 */

static void
ngx_http_referral_drain_patience(ngx_http_referral_drains_t *ds,
    ngx_http_referral_mark_t *mark)
{
    int64_t  now, from;

    if (ds->kind->patience == NULL || ds->urgent) {
        return;
    }

    now = ngx_http_referral_drain_now();

    from = now - REFERRAL_APPEND_PATIENCE + 1;

    if (ngx_current_msec - ds->since < REFERRAL_APPEND_PATIENCE
        || ngx_current_msec - mark->since < REFERRAL_APPEND_PATIENCE)
    {
        from = 0;
    }

    ds->kind->patience(ds->batch, from, now);
}


static ngx_int_t
ngx_http_referral_drain_command(ngx_http_referral_drains_t *ds,
    ngx_uint_t full)
{
    referral_str_t  command;

    if (ds->kind->command(ds->batch, full, &command) != REFERRAL_OK) {
        return NGX_ERROR;
    }

    ds->records = ds->kind->count(ds->batch);
    ds->last = ds->kind->last(ds->batch);
    ds->sent_at = ngx_current_msec;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ds->log, 0,
                   "referral batch: program \"%V\" records %ui bytes %uz",
                   &ds->mark->sn.str, ds->records, command.len);

    return ngx_http_referral_redis_formatted(&ds->redis,
                                             ngx_http_referral_drain_reply,
                                             ds, (char *) command.data,
                                             command.len);
}


static void
ngx_http_referral_drain_reply(void *data, redisReply *reply)
{
    ngx_http_referral_drains_t *ds = data;

    referral_str_t              text;
    referral_batch_reply_t      result;
    ngx_http_referral_drain_t  *drain;

    drain = ds->drain;

    if (ds->closing) {
        return;
    }

    if (reply == NULL) {

        /*
         * whether it was applied, the mark shows that the next batch compares
         */

        ds->drain = NULL;
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        text.len = reply->len;
        text.data = (u_char *) reply->str;

        if (ds->kind->error(&text) == REFERRAL_BATCH_NOSCRIPT
            && ngx_http_referral_drain_command(ds, 1) == NGX_OK)
        {
            return;
        }

        ds->drain = NULL;

        if (ngx_http_referral_drain_refused(ds, drain, reply) != NGX_OK) {
            ngx_http_referral_drain_error(ds, reply);

        } else {
            ngx_http_referral_drain_resume(ds);
        }

        return;
    }

    ds->drain = NULL;

    ngx_http_referral_drain_answer(ds, drain, reply, &result);
    ngx_http_referral_drain_result(ds, drain, &result);
}


static void
ngx_http_referral_drain_state(void *data, ngx_uint_t up)
{
    ngx_http_referral_drains_t *ds = data;

    size_t       len;
    const char  *info;

    static ngx_http_referral_redis_conf_t  *asked;

    if (!up) {
        ds->lost = NGX_HTTP_REFERRAL_LOST;

        if (ds->own->entry && !ds->closing) {
            ds->own->entry->busy = 1;
        }

        return;
    }

    ds->since = ngx_current_msec;

    ngx_http_referral_drain_unclear(ds);
    ngx_http_referral_drain_resume(ds);

    /*
     * one worker asks for the settings, once; Redis's user may not be allowed
     * to
     */

    if (ngx_worker || asked == ds->conf->redis) {
        return;
    }

    asked = ds->conf->redis;

    info = "INFO";
    len = 4;

    (void) ngx_http_referral_redis_command(&ds->redis,
                                           ngx_http_referral_drain_info, ds,
                                           1, &info, &len);
}


/* logs settings of Redis that can lose clicks for good */

static void
ngx_http_referral_drain_info(void *data, redisReply *reply)
{
    ngx_http_referral_drains_t *ds = data;

    u_char  *p, *end, *last;

    if (reply == NULL || reply->type != REDIS_REPLY_STRING) {
        return;
    }

    if (ngx_strnstr((u_char *) reply->str, "aof_enabled:0", reply->len)) {
        ngx_log_error(NGX_LOG_ERR, ds->log, 0,
                      "referral: redis \"%V\" has no append-only file: after "
                      "a crash it may lack more than the journal keeps; "
                      "\"appendonly yes\" is right",
                      &ds->conf->redis->text);
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

    ngx_log_error(NGX_LOG_ERR, ds->log, 0,
                  "referral: redis \"%V\" may evict any key (\"%*s\"), counts "
                  "and marks too; \"maxmemory-policy noeviction\" is right",
                  &ds->conf->redis->text, (size_t) (end - p), p);
}


/*
 * has a thread read a part of the file that is not in memory; 0: no thread
 * does
 */

static ngx_uint_t
ngx_http_referral_drain_warm(ngx_http_referral_drains_t *ds,
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

    if (ds->warm == NULL && !ds->closing) {
        ds->warm = ngx_http_referral_task_create(ds->pool, ds,
                                       ngx_http_referral_drain_warm_thread,
                                       ngx_http_referral_drain_warmed);
    }

    if (ds->warm && ds->conf->thread_pool && !ds->closing) {
        t = ds->warm->ctx;
        t->fd = fd;
        t->offset = offset;

        if (ngx_thread_task_post(ds->conf->thread_pool, ds->warm)
            == NGX_OK)
        {
            ds->warming = 1;
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
    ngx_http_referral_task_t    *t;
    ngx_http_referral_drains_t  *ds;

    t = ev->data;
    ds = t->data;

    ds->warming = 0;

    ngx_http_referral_drain_send(ds);
}

#endif
