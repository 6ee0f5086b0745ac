
#include "ngx_http_referral_recorder_core.h"


/* ms */
#define NGX_HTTP_REFERRAL_REPLY        5000
#define NGX_HTTP_REFERRAL_TICK         1000
#define NGX_HTTP_REFERRAL_LAST         1000
#define NGX_HTTP_REFERRAL_HOLD         5000
#define NGX_HTTP_REFERRAL_SAID         60000
#define NGX_HTTP_REFERRAL_KEEP         200

/* clicks on codes that may not exist, a second and worker */
#define NGX_HTTP_REFERRAL_UNRESOLVED   1000

/* of a worker's memory, one part is theirs */
#define NGX_HTTP_REFERRAL_UNRESOLVED_SHARE  10


static void ngx_http_referral_recorder_conf(
    ngx_http_referral_main_conf_t *rmcf, referral_journals_conf_t *jc);
static void ngx_http_referral_recorder_events(
    ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_recorder_event(ngx_event_t *ev,
    ngx_http_referral_recorder_t *rec, ngx_event_handler_pt handler);
static ngx_int_t ngx_http_referral_recorder_allowed(
    ngx_http_referral_recorder_t *rec, size_t size);
static void ngx_http_referral_recorder_flush_handler(ngx_event_t *ev);
static void ngx_http_referral_recorder_answer(
    ngx_http_referral_recorder_t *rec);
#if (NGX_THREADS)
static void ngx_http_referral_recorder_hold(ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_recorder_hold_handler(ngx_event_t *ev);
#endif
static void ngx_http_referral_recorder_dropped(
    ngx_http_referral_recorder_t *rec, const char *why);
static void ngx_http_referral_recorder_tick_handler(ngx_event_t *ev);
static void ngx_http_referral_recorder_publish(
    ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_recorder_disk(ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_recorder_waits(
    ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_recorder_keep_handler(ngx_event_t *ev);
static void ngx_http_referral_recorder_move(ngx_http_referral_recorder_t *rec);
static ngx_http_referral_directory_t *ngx_http_referral_recorder_successor(
    ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_recorder_moved(ngx_http_referral_recorder_t *rec,
    referral_journal_t *journal);
static void ngx_http_referral_recorder_abandon(
    ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_recorder_last(ngx_http_referral_recorder_t *rec);
static ngx_int_t ngx_http_referral_recorder_last_batch(
    ngx_http_referral_recorder_t *rec, redisContext *rc,
    ngx_http_referral_drain_t *drain, ngx_uint_t full);
static redisContext *ngx_http_referral_recorder_connect(
    ngx_http_referral_recorder_t *rec);
static ngx_int_t ngx_http_referral_recorder_agreed(redisReply *reply);
static void ngx_http_referral_recorder_sync(ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_recorder_alone(ngx_http_referral_recorder_t *rec,
    ngx_uint_t alone);
static ngx_int_t ngx_http_referral_recorder_sync_post(
    ngx_http_referral_recorder_t *rec, int fd);
#if (NGX_THREADS)
static void ngx_http_referral_recorder_sync_thread(void *data, ngx_log_t *log);
static void ngx_http_referral_recorder_synced(ngx_event_t *ev);
#endif


/*
 * One of the zone's, by its path; its quota is what all workers that write
 * there go by, those of configurations before too.
 */

void
ngx_http_referral_recorder_directory(ngx_http_referral_main_conf_t *rmcf)
{
    ngx_str_t                      *name;
    ngx_uint_t                      i;
    ngx_http_referral_directory_t  *dir, *oldest;

    name = &rmcf->journal.path->name;
    oldest = NULL;

    if (name->len > NGX_HTTP_REFERRAL_DIRECTORY_MAX) {
        return;
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_DIRECTORIES; i++) {
        dir = &rmcf->zone.sh->directories[i];

        if (dir->generation && dir->len == name->len
            && ngx_memcmp(dir->path, name->data, name->len) == 0)
        {
            goto found;
        }

        if (oldest == NULL || dir->generation < oldest->generation) {
            oldest = dir;
        }
    }

    dir = oldest;

    ngx_memzero(dir, sizeof(ngx_http_referral_directory_t));

    dir->len = name->len;
    ngx_memcpy(dir->path, name->data, name->len);

found:

    dir->generation = rmcf->zone.generation;
    referral_quota_limit(&dir->quota, rmcf->journal.max);

    rmcf->journal.directory = dir;
}


ngx_http_referral_recorder_t *
ngx_http_referral_recorder_create(ngx_http_referral_main_conf_t *rmcf,
    ngx_log_t *log)
{
    ngx_pool_t                    *pool;
    referral_journals_conf_t       jc;
    ngx_http_referral_recorder_t  *rec;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (pool == NULL) {
        return NULL;
    }

    rec = ngx_pcalloc(pool, sizeof(ngx_http_referral_recorder_t));
    if (rec == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    rec->pool = pool;
    rec->conf = rmcf;
    rec->log = log;
    rec->ident = (ngx_socket_t) -1;
    rec->size = NGX_HTTP_REFERRAL_BATCH_MAX / 2;

    ngx_queue_init(&rec->commits);
    ngx_queue_init(&rec->drains);

    referral_batch_defaults(&rec->batch_conf);

    rec->batch_conf.prefix.len = rmcf->redis.prefix.len;
    rec->batch_conf.prefix.data = rmcf->redis.prefix.data;
    rec->batch_conf.events_maxlen = rmcf->events_maxlen;
    rec->batch_conf.events_age = rmcf->events_age;

    /* against codes that are chosen to collide */

    if (referral_random(&rmcf->worker->random, (u_char *) &rec->batch_conf.seed,
                        sizeof(rec->batch_conf.seed))
        != REFERRAL_OK)
    {
        rec->batch_conf.seed = ngx_random();
    }

    rec->batch = referral_batch_create(&rec->batch_conf);

    ngx_http_referral_recorder_conf(rmcf, &jc);

    rec->journals = referral_journals_create(&jc,
                                             ngx_http_referral_recorder_now(),
                                             ngx_current_msec);

    if (rec->batch == NULL || rec->journals == NULL) {
        ngx_log_error(NGX_LOG_CRIT, log, ngx_errno,
                      "referral: no memory for the journal: clicks of this "
                      "worker are not counted");
        goto failed;
    }

    rec->own = ngx_http_referral_drain_open(rec,
                                       referral_journals_own(rec->journals));
    if (rec->own == NULL) {
        goto failed;
    }

    ngx_http_referral_recorder_events(rec);

    rec->redis.data = rec;
    rec->redis.conf = &rmcf->redis;
    rec->redis.log = log;
    rec->redis.name = "recorder";
    rec->redis.timeout = NGX_HTTP_REFERRAL_REPLY;
    rec->redis.state = ngx_http_referral_drain_state;

    ngx_http_referral_redis_open(&rec->redis);

    /* what waits for its answer is in the journal: a worker may leave */

    rec->redis.expire.cancelable = 1;

    ngx_http_referral_recorder_disk(rec);

    ngx_add_timer(&rec->tick, NGX_HTTP_REFERRAL_TICK);
    ngx_add_timer(&rec->adopt, 1 + ngx_random() % 100);

    return rec;

failed:

    if (rec->journals) {
        referral_journals_destroy(rec->journals);
    }

    if (rec->batch) {
        referral_batch_free(rec->batch);
    }

    ngx_destroy_pool(rec->pool);

    return NULL;
}


static void
ngx_http_referral_recorder_conf(ngx_http_referral_main_conf_t *rmcf,
    referral_journals_conf_t *jc)
{
    jc->path = (char *) rmcf->journal.path->name.data;
    jc->segment = rmcf->journal.segment;
    jc->max = rmcf->journal.max;
    jc->queue = 0;
    jc->retain = (int64_t) rmcf->journal.retain * 1000;
    jc->sync = rmcf->journal.sync;
    jc->quota = rmcf->journal.directory ? &rmcf->journal.directory->quota
                                        : NULL;
}


static void
ngx_http_referral_recorder_events(ngx_http_referral_recorder_t *rec)
{
    ngx_http_referral_recorder_event(&rec->flush, rec,
                                     ngx_http_referral_recorder_flush_handler);
    ngx_http_referral_recorder_event(&rec->next, rec,
                                     ngx_http_referral_drain_send_handler);
    ngx_http_referral_recorder_event(&rec->send, rec,
                                     ngx_http_referral_drain_send_handler);
    ngx_http_referral_recorder_event(&rec->retry, rec,
                                     ngx_http_referral_drain_send_handler);
    ngx_http_referral_recorder_event(&rec->tick, rec,
                                     ngx_http_referral_recorder_tick_handler);
    ngx_http_referral_recorder_event(&rec->adopt, rec,
                                     ngx_http_referral_retire_adopt_handler);
#if (NGX_THREADS)
    ngx_http_referral_recorder_event(&rec->hold, rec,
                                     ngx_http_referral_recorder_hold_handler);
    rec->hold.cancelable = 0;
#endif

    ngx_http_referral_recorder_event(&rec->keep, rec,
                                     ngx_http_referral_recorder_keep_handler);
    rec->keep.cancelable = 0;
}


static void
ngx_http_referral_recorder_event(ngx_event_t *ev,
    ngx_http_referral_recorder_t *rec, ngx_event_handler_pt handler)
{
    ev->data = rec;
    ev->handler = handler;
    ev->log = rec->log;
    ev->cancelable = 1;
}


int64_t
ngx_http_referral_recorder_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + tp->msec;
}


ngx_int_t
ngx_http_referral_recorder_add(ngx_http_referral_recorder_t *rec,
    u_char *data, size_t len, int64_t at, ngx_uint_t unresolved,
    ngx_http_referral_commit_t *commit)
{
    size_t    size;
    uint64_t  seq;

    size = referral_frame_size(len);

    if (unresolved
        && ngx_http_referral_recorder_allowed(rec, size) != NGX_OK)
    {
        (void) ngx_atomic_fetch_add(&ngx_http_referral_zone(rec->conf)
                              ->dropped[NGX_HTTP_REFERRAL_DROP_UNRESOLVED], 1);
        ngx_http_referral_recorder_dropped(rec,
                                           "too many are of unknown codes");
        return NGX_OK;
    }

    if (referral_journal_append(rec->journals, data, len, at, &seq)
        != REFERRAL_OK)
    {
        ngx_http_referral_recorder_publish(rec);
        ngx_http_referral_recorder_dropped(rec, "the journal is full");
        return NGX_OK;
    }

    if (unresolved) {
        referral_quota_doubtful(
            referral_journals_quota(rec->journals),
            referral_journal_key(referral_journals_own(rec->journals)->id),
            size, seq);

        rec->unresolved_bytes += size;
    }

    if (rec->conf->journal.sync != REFERRAL_SYNC_ALWAYS
        && rec->ncommits + 1 >= NGX_HTTP_REFERRAL_GROUP)
    {
        ngx_http_referral_recorder_flush(rec);
        ngx_http_referral_recorder_answer(rec);

        return NGX_OK;
    }

    commit->seq = seq;
    ngx_queue_insert_tail(&rec->commits, &commit->queue);
    rec->ncommits++;

    if (!rec->flush.posted) {
        ngx_post_event(&rec->flush, &ngx_posted_events);
    }

    return NGX_AGAIN;
}


/*
 * Codes that nobody checked must not push out the clicks of real links,
 * neither from the directory nor from this worker's memory.
 */

static ngx_int_t
ngx_http_referral_recorder_allowed(ngx_http_referral_recorder_t *rec,
    size_t size)
{
    if (rec->second != ngx_time()) {
        rec->second = ngx_time();
        rec->unresolved = 0;
    }

    if (rec->unresolved++ >= NGX_HTTP_REFERRAL_UNRESOLVED) {
        return NGX_DECLINED;
    }

    if (rec->waiting
        && rec->unresolved_bytes + size
           > REFERRAL_JOURNAL_QUEUE / NGX_HTTP_REFERRAL_UNRESOLVED_SHARE)
    {
        return NGX_DECLINED;
    }

    if (referral_quota_allowed(
            referral_journals_quota(rec->journals),
            referral_journal_key(referral_journals_own(rec->journals)->id),
            size)
        != REFERRAL_OK)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


void
ngx_http_referral_recorder_died(ngx_http_referral_recorder_t *rec,
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

    (void) ngx_atomic_fetch_add(&ngx_http_referral_zone(rec->conf)
                                ->dropped[NGX_HTTP_REFERRAL_DROP_RECORDER],
                                (ngx_atomic_int_t) n);

    ngx_http_referral_recorder_lost(rec, n);
}


void
ngx_http_referral_recorder_lost(ngx_http_referral_recorder_t *rec, uint64_t n)
{
    ngx_log_error(NGX_LOG_CRIT, rec->log, 0,
                  "referral: a worker that ended untimely took %uL clicks "
                  "with it that were in its memory only", n);
}


void
ngx_http_referral_recorder_sent(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, uint64_t last)
{
    referral_journal_t  *journal;

    journal = drain->journal;

    if (last >= journal->last) {

        if (drain == rec->own) {
            rec->unresolved_bytes = 0;
        }

        /* of a worker that died, what comes after it was in its memory */

        if (!journal->own) {
            last = UINT64_MAX;
        }
    }

    referral_quota_sent(referral_journals_quota(rec->journals),
                        referral_journal_key(journal->id), last);

    if (rec->waiting && drain->entry) {
        ngx_http_referral_drain_publish(drain, drain->entry->oldest);
    }
}


void
ngx_http_referral_recorder_cancel(ngx_http_referral_commit_t *commit)
{
    ngx_queue_remove(&commit->queue);
    ngx_queue_init(&commit->queue);
}


static void
ngx_http_referral_recorder_flush_handler(ngx_event_t *ev)
{
    ngx_http_referral_recorder_t  *rec;

    rec = ev->data;

    ngx_http_referral_recorder_flush(rec);
    ngx_http_referral_recorder_answer(rec);

#if (NGX_THREADS)
    ngx_http_referral_recorder_hold(rec);
#endif
}


void
ngx_http_referral_recorder_flush(ngx_http_referral_recorder_t *rec)
{
    if (referral_journal_flush(rec->journals, ngx_http_referral_recorder_now(),
                               ngx_current_msec)
        == REFERRAL_OK)
    {
        rec->waiting = 0;
        rec->unresolved_bytes = 0;

    } else {
        rec->waiting = 1;
        ngx_http_referral_recorder_waits(rec);

        /* if it is killed, others know what it had */

        if (rec->own->entry) {
            ngx_http_referral_drain_publish(rec->own, rec->own->entry->oldest);
        }
    }

    if (rec->conf->journal.sync == REFERRAL_SYNC_ALWAYS) {
        ngx_http_referral_recorder_sync(rec);
    }

    ngx_http_referral_drain_kick(rec);
}


/* those whose records are safe; one that is answered may end others */

static void
ngx_http_referral_recorder_answer(ngx_http_referral_recorder_t *rec)
{
    uint64_t                     safe;
    ngx_queue_t                 *q;
    referral_journal_t          *own;
    ngx_http_referral_commit_t  *commit;

    own = referral_journals_own(rec->journals);

    safe = own->flushed;

    if (rec->conf->journal.sync == REFERRAL_SYNC_ALWAYS && rec->syncing) {
        safe = own->synced;
    }

    rec->ncommits = 0;

    while (!ngx_queue_empty(&rec->commits)) {

        q = ngx_queue_head(&rec->commits);
        commit = ngx_queue_data(q, ngx_http_referral_commit_t, queue);

        if (commit->seq > safe) {
            return;
        }

        ngx_queue_remove(q);
        ngx_queue_init(q);

        commit->handler(commit->data);
    }
}


#if (NGX_THREADS)

/*
 * A worker that quits goes when no timer is left, and a request that waits
 * for fdatasync has none.
 */

static void
ngx_http_referral_recorder_hold(ngx_http_referral_recorder_t *rec)
{
    if (rec->syncing && !ngx_queue_empty(&rec->commits)) {

        if (!rec->hold.timer_set) {
            ngx_add_timer(&rec->hold, NGX_HTTP_REFERRAL_HOLD);
        }

    } else if (rec->hold.timer_set) {
        ngx_del_timer(&rec->hold);
    }
}


static void
ngx_http_referral_recorder_hold_handler(ngx_event_t *ev)
{
    ngx_log_error(NGX_LOG_ERR, ev->log, 0,
                  "referral: fdatasync takes longer than %M ms: visitors "
                  "wait for it", (ngx_msec_t) NGX_HTTP_REFERRAL_HOLD);
}

#endif


static void
ngx_http_referral_recorder_dropped(ngx_http_referral_recorder_t *rec,
    const char *why)
{
    if (rec->said_dropped
        && ngx_current_msec - rec->said_dropped < NGX_HTTP_REFERRAL_SAID)
    {
        return;
    }

    rec->said_dropped = ngx_current_msec;

    ngx_log_error(NGX_LOG_CRIT, rec->log, 0,
                  "referral: clicks are dropped: %s; visitors are still "
                  "redirected", why);
}


static void
ngx_http_referral_recorder_tick_handler(ngx_event_t *ev)
{
    ngx_http_referral_recorder_t  *rec;

    rec = ev->data;

    if (referral_journals_tick(rec->journals, ngx_http_referral_recorder_now(),
                               ngx_current_msec)
        == REFERRAL_DECLINED)
    {
        ngx_log_error(NGX_LOG_ERR, rec->log, 0,
                      "referral: the journal's files in \"%V\" were removed: "
                      "going on with a new journal",
                      &rec->conf->journal.path->name);

        ngx_http_referral_recorder_flush(rec);
        ngx_http_referral_recorder_renew(rec);
    }

    ngx_http_referral_recorder_disk(rec);

    if (referral_journals_unwritten(rec->journals, NULL)) {
        ngx_http_referral_recorder_waits(rec);
    }

    ngx_http_referral_retire_check(rec);

    if (rec->conf->journal.sync == REFERRAL_SYNC_INTERVAL) {
        ngx_http_referral_recorder_sync(rec);
    }

    ngx_http_referral_drain_kick(rec);
    ngx_http_referral_recorder_publish(rec);

    ngx_add_timer(ev, NGX_HTTP_REFERRAL_TICK);
}


/* what the page of metrics adds up */

static void
ngx_http_referral_recorder_publish(ngx_http_referral_recorder_t *rec)
{
    ngx_uint_t                         i;
    ngx_queue_t                       *q;
    referral_journals_stat_t           stat;
    ngx_http_referral_zone_t          *zone;
    ngx_http_referral_drain_t         *drain;
    ngx_http_referral_worker_entry_t  *worker;

    zone = ngx_http_referral_zone(rec->conf);

    referral_journals_stat(rec->journals, &stat);

    for (i = 0; i < REFERRAL_DROPS; i++) {
        if (stat.dropped[i] > rec->dropped[i]) {
            (void) ngx_atomic_fetch_add(&zone->dropped[i],
                       (ngx_atomic_int_t) (stat.dropped[i] - rec->dropped[i]));
            rec->dropped[i] = stat.dropped[i];
        }
    }

    for (q = ngx_queue_head(&rec->drains);
         q != ngx_queue_sentinel(&rec->drains);
         q = ngx_queue_next(q))
    {
        drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);
        ngx_http_referral_drain_publish(drain, stat.oldest);
    }

    zone->journal_bytes = stat.dir_bytes;

    worker = ngx_http_referral_zone_worker(zone);
    if (worker == NULL) {
        return;
    }

    ngx_http_referral_store(&worker->seen, ngx_http_referral_msec());
    worker->recorder_up = rec->redis.ready;
    worker->recorder_latency = rec->redis.latency;
    worker->disk_failed = rec->disk;
    worker->journals = stat.journals;
    worker->foreign = rec->foreign;
}


/* one line a change */

static void
ngx_http_referral_recorder_disk(ngx_http_referral_recorder_t *rec)
{
    ngx_uint_t                bad;
    referral_journals_stat_t  stat;

    referral_journals_stat(rec->journals, &stat);

    bad = stat.disk_failed || stat.full || stat.slot == -1;

    if (bad == rec->disk) {
        return;
    }

    rec->disk = bad;

    if (!bad) {
        ngx_log_error(NGX_LOG_NOTICE, rec->log, 0,
                      "referral: the journal in \"%V\" is written again",
                      &rec->conf->journal.path->name);
        return;
    }

    if (stat.full) {
        ngx_log_error(NGX_LOG_CRIT, rec->log, 0,
                      "referral: the journal in \"%V\" has reached its "
                      "\"max\": clicks are kept in memory",
                      &rec->conf->journal.path->name);
        return;
    }

    ngx_log_error(NGX_LOG_CRIT, rec->log, stat.err,
                  "referral: the journal in \"%V\" cannot be written (%s): "
                  "clicks are kept in memory",
                  &rec->conf->journal.path->name, stat.what ? stat.what : "-");
}


/*
 * Clicks are in memory only: a worker that is told to quit stays, as it does
 * for its visitors, until Redis or the disk has them or
 * "worker_shutdown_timeout" is over.
 */

static void
ngx_http_referral_recorder_waits(ngx_http_referral_recorder_t *rec)
{
    if (!rec->keep.timer_set && !rec->expired && !rec->closing) {
        ngx_add_timer(&rec->keep, NGX_HTTP_REFERRAL_KEEP);
    }
}


static void
ngx_http_referral_recorder_keep_handler(ngx_event_t *ev)
{
    uint64_t                       n;
    ngx_core_conf_t               *ccf;
    ngx_http_referral_recorder_t  *rec;

    rec = ev->data;

    n = referral_journals_unwritten(rec->journals, NULL);

    if (n == 0) {
        return;
    }

    if (ngx_exiting && !rec->quitting) {
        rec->quitting = 1;
        rec->quit = ngx_current_msec;

        ngx_log_error(NGX_LOG_WARN, rec->log, 0,
                      "referral: this worker shuts down with %uL clicks in "
                      "memory: it waits for redis \"%V\" or for room in "
                      "\"%V\"", n, &rec->conf->redis.text,
                      &rec->conf->journal.path->name);
    }

    if (rec->quitting) {
        ngx_http_referral_recorder_move(rec);

        ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                               ngx_core_module);

        if (ccf->shutdown_timeout
            && ngx_current_msec - rec->quit >= ccf->shutdown_timeout)
        {
            rec->expired = 1;
            return;
        }
    }

    ngx_add_timer(ev, NGX_HTTP_REFERRAL_KEEP);
}


/*
 * A reload named another directory: what waits here for room goes there, as a
 * journal of its own.  Only what was never in a batch: Redis may have the
 * rest under the numbers of this journal.
 */

static void
ngx_http_referral_recorder_move(ngx_http_referral_recorder_t *rec)
{
    u_char                          path[NGX_HTTP_REFERRAL_DIRECTORY_MAX + 1];
    uint64_t                        first;
    referral_journal_t             *own;
    referral_journals_t            *to;
    referral_journals_conf_t        jc;
    ngx_http_referral_directory_t  *dir;

    own = referral_journals_own(rec->journals);

    if (own != rec->own->journal
        || referral_journals_unwritten(rec->journals, own) == 0)
    {
        return;
    }

    dir = ngx_http_referral_recorder_successor(rec);

    if (dir == NULL
        || (rec->moved
            && ngx_current_msec - rec->moved < NGX_HTTP_REFERRAL_TICK))
    {
        return;
    }

    rec->moved = ngx_current_msec;

    /* a worker that closes has done so, and its threads are gone */

    if (!rec->closing) {
        ngx_http_referral_recorder_flush(rec);
    }

    first = ngx_max(own->written, own->acked);
    first = ngx_max(first, rec->own->seen);
    first = ngx_max(first, rec->own->to);
    first = ngx_max(first, rec->own->reader->next - 1) + 1;

    if (first > own->last) {
        return;
    }

    ngx_http_referral_recorder_conf(rec->conf, &jc);

    *ngx_cpymem(path, dir->path, dir->len) = '\0';

    jc.path = (char *) path;
    jc.max = referral_quota_max(&dir->quota);
    jc.quota = &dir->quota;

    to = referral_journals_move(rec->journals, &jc, first,
                                ngx_http_referral_recorder_now(),
                                ngx_current_msec);
    if (to == NULL) {
        return;
    }

    ngx_http_referral_recorder_moved(rec, referral_journals_own(to));

    /* from here on others may adopt it */

    referral_journals_destroy(to);
}


/* NULL: the latest configuration has its journal here too */

static ngx_http_referral_directory_t *
ngx_http_referral_recorder_successor(ngx_http_referral_recorder_t *rec)
{
    ngx_uint_t                      i;
    ngx_http_referral_directory_t  *dir, *last;

    last = rec->conf->journal.directory;

    if (last == NULL) {
        return NULL;
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_DIRECTORIES; i++) {
        dir = &ngx_http_referral_zone(rec->conf)->directories[i];

        if (dir->generation > last->generation) {
            last = dir;
        }
    }

    return last == rec->conf->journal.directory ? NULL : last;
}


static void
ngx_http_referral_recorder_moved(ngx_http_referral_recorder_t *rec,
    referral_journal_t *journal)
{
    ngx_queue_t                        *q;
    referral_journal_t                 *own;
    ngx_http_referral_commit_t         *commit;
    ngx_http_referral_journal_entry_t  *entry;

    own = rec->own->journal;

    if (ngx_http_referral_zone_journal(ngx_http_referral_zone(rec->conf),
                                       journal->id, 1, 0, journal->last,
                                       &entry)
        == NGX_OK)
    {
        entry->last = journal->last;
        entry->filed = 1;
    }

    ngx_http_referral_drain_publish(rec->own, 0);

    /* they are safe, but not under the numbers that they had */

    for (q = ngx_queue_head(&rec->commits);
         q != ngx_queue_sentinel(&rec->commits);
         q = ngx_queue_next(q))
    {
        commit = ngx_queue_data(q, ngx_http_referral_commit_t, queue);

        if (commit->seq > own->last) {
            commit->seq = 0;
        }
    }

    if (!rec->closing) {
        ngx_http_referral_recorder_answer(rec);
    }

    ngx_log_error(NGX_LOG_NOTICE, rec->log, 0,
                  "referral: %uL clicks that had no room in \"%V\" are in the "
                  "journal's new directory", journal->last,
                  &rec->conf->journal.path->name);
}


void
ngx_http_referral_recorder_renew(ngx_http_referral_recorder_t *rec)
{
    ngx_queue_t                 *q;
    ngx_http_referral_drain_t   *drain;
    ngx_http_referral_commit_t  *commit;

    if (referral_journals_renew(rec->journals,
                                ngx_http_referral_recorder_now(),
                                ngx_current_msec)
        != REFERRAL_OK)
    {
        return;
    }

    drain = ngx_http_referral_drain_open(rec,
                                       referral_journals_own(rec->journals));
    if (drain) {
        rec->own = drain;
    }

    /* numbers of the old journal say nothing of the new one */

    for (q = ngx_queue_head(&rec->commits);
         q != ngx_queue_sentinel(&rec->commits);
         q = ngx_queue_next(q))
    {
        commit = ngx_queue_data(q, ngx_http_referral_commit_t, queue);
        commit->seq = 0;
    }

    ngx_http_referral_recorder_answer(rec);
}


void
ngx_http_referral_recorder_close(ngx_http_referral_recorder_t *rec)
{
    ngx_uint_t                  i, up;
    ngx_queue_t                *q;
    ngx_event_t                *events[] = { &rec->flush, &rec->next,
                                             &rec->send, &rec->retry,
                                             &rec->tick, &rec->adopt,
                                             &rec->hold, &rec->keep };
    ngx_http_referral_drain_t  *drain;

    rec->closing = 1;

    referral_journals_save(rec->journals, ngx_http_referral_recorder_now(),
                           ngx_current_msec);

    up = rec->redis.ready;

    ngx_http_referral_redis_close(&rec->redis);

    if (up
        && (!ngx_terminate
            || referral_journals_unwritten(rec->journals, NULL)))
    {
        ngx_http_referral_recorder_last(rec);
    }

    rec->moved = 0;
    ngx_http_referral_recorder_move(rec);
    ngx_http_referral_recorder_abandon(rec);
    ngx_http_referral_recorder_publish(rec);

    while (!ngx_queue_empty(&rec->drains)) {
        q = ngx_queue_head(&rec->drains);
        drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);
        ngx_http_referral_drain_close(drain);
    }

    referral_journals_destroy(rec->journals);
    referral_batch_free(rec->batch);

    /* others still walk the timers after us */

    for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {

        if (events[i]->timer_set) {
            ngx_del_timer(events[i]);
        }

        if (events[i]->posted) {
            ngx_delete_posted_event(events[i]);
        }
    }

    ngx_destroy_pool(rec->pool);
}


/*
 * What neither the disk nor Redis took goes with this worker: it is counted
 * and said.  A journal that has no file is found by nobody, so its numbers go
 * into the totals.
 */

static void
ngx_http_referral_recorder_abandon(ngx_http_referral_recorder_t *rec)
{
    uint64_t                    n, lost;
    ngx_queue_t                *q;
    referral_journal_t         *journal;
    referral_journals_stat_t    stat;
    ngx_http_referral_drain_t  *drain;

    lost = 0;

    for (q = ngx_queue_head(&rec->drains);
         q != ngx_queue_sentinel(&rec->drains);
         q = ngx_queue_next(q))
    {
        drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);
        journal = drain->journal;

        n = referral_journal_abandon(rec->journals, journal);

        if (n == 0) {
            continue;
        }

        lost += n;

        ngx_http_referral_drain_publish(drain, 0);

        if (drain->entry && journal->nsegments == 0) {
            ngx_http_referral_zone_journal_close(
                          ngx_http_referral_zone(rec->conf), drain->entry);
            drain->entry = NULL;
        }
    }

    if (lost == 0) {
        return;
    }

    referral_journals_stat(rec->journals, &stat);

    ngx_log_error(NGX_LOG_CRIT, rec->log, stat.full ? 0 : stat.err,
                  "referral: this worker ends and drops %uL clicks that "
                  "neither redis \"%V\" nor the journal in \"%V\" took (%s)",
                  lost, &rec->conf->redis.text, &rec->conf->journal.path->name,
                  stat.what ? stat.what : "its files were removed");
}


/*
 * The event loop is over and the sockets are closed: nobody waits for us now
 * but the master.  What the second does not suffice for is in the journal; if
 * the disk failed it is nowhere else.
 */

static void
ngx_http_referral_recorder_last(ngx_http_referral_recorder_t *rec)
{
    ngx_int_t                   rv;
    ngx_uint_t                  full;
    ngx_msec_t                  start;
    ngx_queue_t                *q;
    redisContext               *rc;
    ngx_http_referral_drain_t  *drain;

    if (rec->redis.failing) {
        return;
    }

    rc = NULL;
    full = 1;

    ngx_time_update();
    start = ngx_current_msec;

    for (q = ngx_queue_head(&rec->drains);
         q != ngx_queue_sentinel(&rec->drains);
         q = ngx_queue_next(q))
    {
        drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);

        if (drain->journal->adopted || drain->ending) {
            continue;
        }

        while (ngx_current_msec - start < NGX_HTTP_REFERRAL_LAST) {

            rv = ngx_http_referral_drain_prepare(rec, drain);

            if (rv == NGX_BUSY) {
                ngx_time_update();
                continue;
            }

            if (rv != NGX_OK) {
                break;
            }

            if (rc == NULL) {
                rc = ngx_http_referral_recorder_connect(rec);
            }

            if (rc == NULL
                || ngx_http_referral_recorder_last_batch(rec, rc, drain, full)
                   != NGX_OK)
            {
                goto done;
            }

            full = 0;
        }
    }

done:

    if (rec->next.posted) {
        ngx_delete_posted_event(&rec->next);
    }

    if (rc) {
        redisFree(rc);
    }
}


static ngx_int_t
ngx_http_referral_recorder_last_batch(ngx_http_referral_recorder_t *rec,
    redisContext *rc, ngx_http_referral_drain_t *drain, ngx_uint_t full)
{
    ngx_int_t                waits;
    redisReply              *reply;
    referral_str_t           command;
    referral_batch_reply_t   result;

    if (referral_batch_command(rec->batch, full, &command) != REFERRAL_OK) {
        return NGX_ERROR;
    }

    rec->records = referral_batch_records(rec->batch);
    rec->last = referral_batch_last(rec->batch);
    rec->sent = ngx_current_msec;

    if (redisAppendFormattedCommand(rc, (char *) command.data, command.len)
        != REDIS_OK
        || redisGetReply(rc, (void **) &reply) != REDIS_OK
        || reply == NULL)
    {
        return NGX_ERROR;
    }

    ngx_time_update();

    ngx_http_referral_drain_answer(rec, drain, reply, &result);

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_log_error(NGX_LOG_WARN, rec->log, 0,
                      "referral: the last batch was refused: \"%*s\"",
                      ngx_min(reply->len, 200), reply->str);
    }

    waits = (reply->type == REDIS_REPLY_ERROR)
                 ? ngx_http_referral_drain_refused(rec, drain, reply)
                 : NGX_DECLINED;

    freeReplyObject(reply);

    if (waits == NGX_OK) {
        return NGX_OK;
    }

    switch (result.answer) {

    case REFERRAL_BATCH_APPLIED:
    case REFERRAL_BATCH_AHEAD:
    case REFERRAL_BATCH_BEHIND:
        ngx_http_referral_drain_result(rec, drain, &result);
        return NGX_OK;

    default:
        return NGX_ERROR;
    }
}


static redisContext *
ngx_http_referral_recorder_connect(ngx_http_referral_recorder_t *rec)
{
    redisReply                      *reply;
    redisContext                    *rc;
    struct timeval                   tv;
    ngx_http_referral_redis_conf_t  *conf;

    conf = &rec->conf->redis;

    tv.tv_sec = 0;
    tv.tv_usec = NGX_HTTP_REFERRAL_LAST * 1000 / 2;

    rc = conf->port
         ? redisConnectWithTimeout((char *) conf->host, conf->port, tv)
         : redisConnectUnixWithTimeout((char *) conf->host, tv);

    if (rc == NULL) {
        return NULL;
    }

    if (rc->err || redisSetTimeout(rc, tv) != REDIS_OK) {
        goto failed;
    }

    if (conf->password.len) {

        if (conf->username.len) {
            reply = redisCommand(rc, "AUTH %b %b", conf->username.data,
                                 conf->username.len, conf->password.data,
                                 conf->password.len);
        } else {
            reply = redisCommand(rc, "AUTH %b", conf->password.data,
                                 conf->password.len);
        }

        if (ngx_http_referral_recorder_agreed(reply) != NGX_OK) {
            goto failed;
        }
    }

    if (conf->db) {
        reply = redisCommand(rc, "SELECT %d", (int) conf->db);

        if (ngx_http_referral_recorder_agreed(reply) != NGX_OK) {
            goto failed;
        }
    }

    return rc;

failed:

    redisFree(rc);

    return NULL;
}


/* without the user and the database that were configured we are nobody */

static ngx_int_t
ngx_http_referral_recorder_agreed(redisReply *reply)
{
    ngx_int_t  rc;

    if (reply == NULL) {
        return NGX_ERROR;
    }

    rc = (reply->type == REDIS_REPLY_ERROR) ? NGX_ERROR : NGX_OK;

    freeReplyObject(reply);

    return rc;
}


#if (NGX_THREADS)

ngx_thread_task_t *
ngx_http_referral_recorder_task(ngx_http_referral_recorder_t *rec,
    void (*thread)(void *data, ngx_log_t *log), ngx_event_handler_pt handler)
{
    ngx_thread_task_t         *task;
    ngx_http_referral_task_t  *t;

    task = ngx_thread_task_alloc(rec->pool,
                                 sizeof(ngx_http_referral_task_t));
    if (task == NULL) {
        return NULL;
    }

    t = task->ctx;
    t->recorder = rec;

    task->handler = thread;
    task->event.data = t;
    task->event.handler = handler;

    return task;
}

#endif


/* fdatasync without holding anybody up but those who asked to be */

static void
ngx_http_referral_recorder_sync(ngx_http_referral_recorder_t *rec)
{
    int  rc, fd;

    while (!rec->syncing) {

        rc = referral_journal_sync_begin(rec->journals, &fd);

        if (rc == REFERRAL_DECLINED) {
            return;
        }

        ngx_http_referral_recorder_alone(rec, rc == REFERRAL_JOURNAL_BUSY);

        if (rc == REFERRAL_OK
            && ngx_http_referral_recorder_sync_post(rec, fd) == NGX_OK)
        {
            return;
        }

        referral_journal_sync_end(rec->journals, referral_journal_sync_fd(fd),
                                  ngx_http_referral_recorder_now(),
                                  ngx_current_msec);
    }
}


static void
ngx_http_referral_recorder_alone(ngx_http_referral_recorder_t *rec,
    ngx_uint_t alone)
{
    if (alone == rec->alone) {
        return;
    }

    rec->alone = alone;

    if (alone) {
        ngx_log_error(NGX_LOG_ERR, rec->log, 0,
                      "referral: no descriptor for fdatasync: the worker "
                      "waits for it itself; a larger "
                      "\"worker_rlimit_nofile\" is right");
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, rec->log, 0,
                  "referral: there are descriptors for fdatasync again");
}


static ngx_int_t
ngx_http_referral_recorder_sync_post(ngx_http_referral_recorder_t *rec, int fd)
{
#if (NGX_THREADS)
    ngx_http_referral_task_t  *t;

    if (rec->sync == NULL) {
        rec->sync = ngx_http_referral_recorder_task(rec,
                                       ngx_http_referral_recorder_sync_thread,
                                       ngx_http_referral_recorder_synced);
    }

    if (rec->sync && rec->conf->thread_pool) {
        t = rec->sync->ctx;
        t->fd = fd;

        if (ngx_thread_task_post(rec->conf->thread_pool, rec->sync)
            == NGX_OK)
        {
            rec->syncing = 1;
            return NGX_OK;
        }
    }
#endif

    return NGX_DECLINED;
}


#if (NGX_THREADS)

static void
ngx_http_referral_recorder_sync_thread(void *data, ngx_log_t *log)
{
    ngx_http_referral_task_t *t = data;

    t->err = referral_journal_sync_fd(t->fd);
}


static void
ngx_http_referral_recorder_synced(ngx_event_t *ev)
{
    ngx_http_referral_task_t      *t;
    ngx_http_referral_recorder_t  *rec;

    t = ev->data;
    rec = t->recorder;

    rec->syncing = 0;

    referral_journal_sync_end(rec->journals, t->err,
                              ngx_http_referral_recorder_now(),
                              ngx_current_msec);

    if (rec->conf->journal.sync == REFERRAL_SYNC_ALWAYS) {
        ngx_http_referral_recorder_sync(rec);
    }

    ngx_http_referral_recorder_answer(rec);
    ngx_http_referral_recorder_hold(rec);
}

#endif
