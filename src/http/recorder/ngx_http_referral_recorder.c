
#include "ngx_http_referral_recorder_core.h"


/* ms */
#define NGX_HTTP_REFERRAL_SAID         60000

/* ms between two lines of the log that the journal has too little space */
#define NGX_HTTP_REFERRAL_SAID_EARLY   3600000

/* clicks on codes that may not exist, a second and worker */
#define NGX_HTTP_REFERRAL_UNRESOLVED   1000

/* of a worker's memory, one part is theirs */
#define NGX_HTTP_REFERRAL_UNRESOLVED_SHARE  10


static void ngx_http_referral_recorder_sent(void *data,
    ngx_http_referral_drain_t *drain, uint64_t last);
static void ngx_http_referral_recorder_foreign(void *data);
static void ngx_http_referral_recorder_conf(
    ngx_http_referral_recorder_conf_t *conf, referral_journals_conf_t *jc);
static void ngx_http_referral_recorder_events(
    ngx_http_referral_recorder_t *rec);
static ngx_int_t ngx_http_referral_recorder_add_durable(
    ngx_http_referral_recorder_t *rec, u_char *data, size_t len, int64_t at,
    ngx_http_referral_commit_t *commit);
static ngx_int_t ngx_http_referral_recorder_allowed(
    ngx_http_referral_recorder_t *rec, size_t size);
static void ngx_http_referral_recorder_outcome(void *data,
    ngx_http_referral_drain_t *drain, uint64_t seq,
    const referral_append_outcome_t *outcome);
static void ngx_http_referral_recorder_flush_handler(ngx_event_t *ev);
static void ngx_http_referral_recorder_early(
    ngx_http_referral_recorder_t *rec, uint64_t early);
static void ngx_http_referral_recorder_dropped(
    ngx_http_referral_recorder_t *rec, const char *why);
static void ngx_http_referral_recorder_tick_handler(ngx_event_t *ev);
static void ngx_http_referral_recorder_publish(
    ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_recorder_disk(ngx_http_referral_recorder_t *rec);


ngx_http_referral_directory_t *
ngx_http_referral_recorder_directory(ngx_http_referral_records_t *sh,
    const ngx_str_t *path, off_t max, ngx_uint_t generation)
{
    ngx_uint_t                      i;
    ngx_http_referral_directory_t  *dir, *oldest;

    oldest = NULL;

    if (path->len > NGX_HTTP_REFERRAL_DIRECTORY_MAX) {
        return NULL;
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_DIRECTORIES; i++) {
        dir = &sh->directories[i];

        if (dir->generation && dir->len == path->len
            && ngx_memcmp(dir->path, path->data, path->len) == 0)
        {
            goto found;
        }

        if (oldest == NULL || dir->generation < oldest->generation) {
            oldest = dir;
        }
    }

    dir = oldest;

    ngx_memzero(dir, sizeof(ngx_http_referral_directory_t));

    dir->len = path->len;
    ngx_memcpy(dir->path, path->data, path->len);

found:

    dir->generation = generation;
    referral_quota_limit(&dir->quota, max);

    return dir;
}


ngx_http_referral_recorder_t *
ngx_http_referral_recorder_create(
    const ngx_http_referral_recorder_conf_t *conf, ngx_log_t *log)
{
    ngx_pool_t                    *pool;
    ngx_http_referral_drains_t    *ds;
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

    rec->conf = ngx_palloc(pool, sizeof(ngx_http_referral_recorder_conf_t));
    if (rec->conf == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    *rec->conf = *conf;

    rec->pool = pool;
    rec->log = log;
    rec->ident = (ngx_socket_t) -1;

    ngx_queue_init(&rec->commits);
    ngx_queue_init(&rec->awaiting);

    ds = &rec->drains;

    ds->data = rec;
    ds->conf = rec->conf;
    ds->log = log;
    ds->pool = pool;
    ds->sent = ngx_http_referral_recorder_sent;
    ds->outcome = ngx_http_referral_recorder_outcome;
    ds->foreign = ngx_http_referral_recorder_foreign;

    if (ngx_http_referral_drain_init(ds) != NGX_OK) {
        goto failed;
    }

    ngx_http_referral_recorder_conf(rec->conf, &rec->journals_conf);

    rec->journals = referral_journals_create(&rec->journals_conf,
                                             ngx_http_referral_drain_now(),
                                             ngx_current_msec);
    if (rec->journals == NULL) {
        goto failed;
    }

    ds->journals = rec->journals;

    ds->own = ngx_http_referral_drain_open(ds,
                                       referral_journals_own(rec->journals));
    if (ds->own == NULL) {
        goto failed;
    }

    ngx_http_referral_recorder_events(rec);
    ngx_http_referral_drain_start(ds);
    ngx_http_referral_recorder_disk(rec);
    ngx_http_referral_retire_start(&rec->retire, ds);

    ngx_add_timer(&rec->tick, NGX_HTTP_REFERRAL_TICK);

    return rec;

failed:

    ngx_log_error(NGX_LOG_CRIT, log, ngx_errno,
                  "referral: no memory for the journal: %s of this "
                  "worker are not taken", conf->records);

    ngx_http_referral_drain_close_all(ds);

    if (rec->journals) {
        referral_journals_destroy(rec->journals);
    }

    ngx_destroy_pool(pool);

    return NULL;
}


static void
ngx_http_referral_recorder_conf(ngx_http_referral_recorder_conf_t *conf,
    referral_journals_conf_t *jc)
{
    jc->path = (char *) conf->path.data;
    jc->version = conf->version;
    jc->segment = conf->segment;
    jc->max = conf->max;
    jc->queue = 0;
    jc->retain = (int64_t) conf->retain * 1000;
    jc->sync = conf->sync;
    jc->quota = conf->directory ? &conf->directory->quota : NULL;
}


static void
ngx_http_referral_recorder_events(ngx_http_referral_recorder_t *rec)
{
    ngx_http_referral_drain_event(&rec->flush, rec, rec->log,
                                  ngx_http_referral_recorder_flush_handler);
    ngx_http_referral_drain_event(&rec->tick, rec, rec->log,
                                  ngx_http_referral_recorder_tick_handler);
    ngx_http_referral_drain_event(&rec->keep, rec, rec->log,
                                  ngx_http_referral_recorder_keep_handler);
    rec->keep.cancelable = 0;

#if (NGX_THREADS)
    ngx_http_referral_drain_event(&rec->hold, rec, rec->log,
                                  ngx_http_referral_recorder_hold_handler);
    rec->hold.cancelable = 0;
#endif
}


ngx_int_t
ngx_http_referral_recorder_add(ngx_http_referral_recorder_t *rec,
    u_char *data, size_t len, int64_t at, ngx_uint_t unresolved,
    ngx_http_referral_commit_t *commit)
{
    size_t    size;
    uint64_t  seq;

    if (commit->durable) {
        return ngx_http_referral_recorder_add_durable(rec, data, len, at,
                                                      commit);
    }

    size = referral_frame_size(len);

    if (unresolved
        && ngx_http_referral_recorder_allowed(rec, size) != NGX_OK)
    {
        (void) ngx_atomic_fetch_add(
              &rec->conf->sh->dropped[NGX_HTTP_REFERRAL_DROP_UNRESOLVED], 1);
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

    rec->kept = seq;

    if (unresolved) {
        referral_quota_doubtful(
            referral_journals_quota(rec->journals),
            referral_journal_key(referral_journals_own(rec->journals)->id),
            size, seq);

        rec->unresolved_bytes += size;
    }

    if (rec->conf->sync != REFERRAL_SYNC_ALWAYS
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


static ngx_int_t
ngx_http_referral_recorder_add_durable(ngx_http_referral_recorder_t *rec,
    u_char *data, size_t len, int64_t at, ngx_http_referral_commit_t *commit)
{
    if (rec->conf->sync == REFERRAL_SYNC_OFF
        || referral_journal_offer(rec->journals, data, len, at,
                                  ngx_current_msec, &commit->seq)
           != REFERRAL_OK)
    {
        return NGX_ERROR;
    }

    commit->status = NGX_OK;

    ngx_queue_insert_tail(&rec->commits, &commit->queue);
    rec->ndurable++;

    if (commit->outcome) {
        ngx_queue_insert_tail(&rec->awaiting, &commit->awaiting);
    }

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


static void
ngx_http_referral_recorder_sent(void *data, ngx_http_referral_drain_t *drain,
    uint64_t last)
{
    ngx_http_referral_recorder_t *rec = data;

    referral_journal_t  *journal;

    journal = drain->journal;

    if (last >= journal->last) {

        if (drain == rec->drains.own) {
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


static void
ngx_http_referral_recorder_foreign(void *data)
{
    ngx_http_referral_recorder_renew(data);
}


void
ngx_http_referral_recorder_cancel(ngx_http_referral_commit_t *commit)
{
    ngx_queue_remove(&commit->queue);
    ngx_queue_init(&commit->queue);

    if (commit->outcome) {
        ngx_queue_remove(&commit->awaiting);
        ngx_queue_init(&commit->awaiting);
    }
}


/* records come to Redis in their order: who waits first is found first */

static void
ngx_http_referral_recorder_outcome(void *data,
    ngx_http_referral_drain_t *drain, uint64_t seq,
    const referral_append_outcome_t *outcome)
{
    ngx_http_referral_recorder_t *rec = data;

    ngx_queue_t                 *q;
    ngx_http_referral_commit_t  *commit;

    if (drain != rec->drains.own) {
        return;
    }

    for (q = ngx_queue_head(&rec->awaiting);
         q != ngx_queue_sentinel(&rec->awaiting);
         q = ngx_queue_next(q))
    {
        commit = ngx_queue_data(q, ngx_http_referral_commit_t, awaiting);

        if (commit->seq > seq) {
            return;
        }

        if (commit->seq == seq) {
            ngx_queue_remove(q);
            ngx_queue_init(q);

            commit->outcome(commit->data, outcome);
            return;
        }
    }
}


ngx_int_t
ngx_http_referral_recorder_put(ngx_http_referral_recorder_t *rec,
    u_char *data, size_t len, int64_t at)
{
    uint64_t  seq;

    if (referral_journal_append(rec->journals, data, len, at, &seq)
        != REFERRAL_OK)
    {
        return NGX_ERROR;
    }

    rec->kept = seq;

    ngx_http_referral_recorder_flush(rec);

    return NGX_OK;
}


ngx_uint_t
ngx_http_referral_recorder_reaches(ngx_http_referral_recorder_t *rec)
{
    return ngx_http_referral_redis_usable(&rec->drains.redis);
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
                  "referral: %s are dropped: %s; visitors are still "
                  "answered", rec->conf->records, why);
}


static void
ngx_http_referral_recorder_tick_handler(ngx_event_t *ev)
{
    ngx_http_referral_recorder_t  *rec;

    rec = ev->data;

    if (referral_journals_tick(rec->journals, ngx_http_referral_drain_now(),
                               ngx_current_msec)
        == REFERRAL_DECLINED)
    {
        ngx_log_error(NGX_LOG_ERR, rec->log, 0,
                      "referral: the journal's files in \"%V\" were removed: "
                      "going on with a new journal",
                      &rec->conf->path);

        ngx_http_referral_recorder_flush(rec);
        ngx_http_referral_recorder_renew(rec);
    }

    ngx_http_referral_recorder_disk(rec);

    if (referral_journals_unwritten(rec->journals, NULL)) {
        ngx_http_referral_recorder_waits(rec);
    }

    ngx_http_referral_retire_check(&rec->retire);

    if (rec->conf->sync == REFERRAL_SYNC_INTERVAL) {
        ngx_http_referral_recorder_sync(rec);
    }

    ngx_http_referral_drain_kick(&rec->drains);
    ngx_http_referral_recorder_publish(rec);

    ngx_add_timer(ev, NGX_HTTP_REFERRAL_TICK);
}


/* what the page of metrics adds up */

static void
ngx_http_referral_recorder_publish(ngx_http_referral_recorder_t *rec)
{
    ngx_uint_t                            i;
    ngx_queue_t                          *q;
    referral_journals_stat_t              stat;
    ngx_http_referral_drain_t            *drain;
    ngx_http_referral_records_t          *sh;
    ngx_http_referral_worker_entry_t     *worker;
    ngx_http_referral_worker_recorder_t  *line;

    sh = rec->conf->sh;

    referral_journals_stat(rec->journals, &stat);

    for (i = 0; i < REFERRAL_DROPS; i++) {
        if (stat.dropped[i] > rec->dropped[i]) {
            (void) ngx_atomic_fetch_add(&sh->dropped[i],
                       (ngx_atomic_int_t) (stat.dropped[i] - rec->dropped[i]));
            rec->dropped[i] = stat.dropped[i];
        }
    }

    if (stat.early > rec->early) {
        ngx_http_referral_recorder_early(rec, stat.early);
    }

    for (q = ngx_queue_head(&rec->drains.all);
         q != ngx_queue_sentinel(&rec->drains.all);
         q = ngx_queue_next(q))
    {
        drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);
        ngx_http_referral_drain_publish(drain, stat.oldest);
    }

    sh->journal_bytes = stat.dir_bytes;

    worker = ngx_http_referral_zone_worker(rec->conf->zone);
    if (worker == NULL) {
        return;
    }

    ngx_http_referral_store(&worker->seen, ngx_http_referral_msec());

    if (rec->conf->worker == 0) {
        return;
    }

    line = (ngx_http_referral_worker_recorder_t *)
               ((u_char *) worker + rec->conf->worker);

    line->up = rec->drains.redis.ready;
    line->latency = rec->drains.redis.latency;
    line->disk_failed = rec->disk;
    line->journals = stat.journals;
    line->foreign = rec->retire.foreign;
}


/* what a Redis that goes back would be sent again from is not there any more */

static void
ngx_http_referral_recorder_early(ngx_http_referral_recorder_t *rec,
    uint64_t early)
{
    ngx_http_referral_drain_count(&rec->drains, NGX_HTTP_REFERRAL_EARLY,
                                  early - rec->early);
    rec->early = early;

    if (rec->said_early
        && ngx_current_msec - rec->said_early < NGX_HTTP_REFERRAL_SAID_EARLY)
    {
        return;
    }

    rec->said_early = ngx_current_msec;

    ngx_log_error(NGX_LOG_WARN, rec->log, 0,
                  "referral: %s that Redis has are deleted from the journal in "
                  "\"%V\" before their time: max= or the disk is nearly full; "
                  "should Redis lose them, they cannot be sent again",
                  rec->conf->records, &rec->conf->path);
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
                      &rec->conf->path);
        return;
    }

    if (stat.full) {
        ngx_log_error(NGX_LOG_CRIT, rec->log, 0,
                      "referral: the journal in \"%V\" has reached its "
                      "\"max\": %s are %s",
                      &rec->conf->path, rec->conf->records,
                      rec->conf->meanwhile);
        return;
    }

    ngx_log_error(NGX_LOG_CRIT, rec->log, stat.err,
                  "referral: the journal in \"%V\" cannot be written (%s): "
                  "%s are %s",
                  &rec->conf->path, stat.what ? stat.what : "-",
                  rec->conf->records, rec->conf->meanwhile);
}


void
ngx_http_referral_recorder_close(ngx_http_referral_recorder_t *rec)
{
    ngx_uint_t  up;

    rec->closing = 1;

    referral_journals_save(rec->journals, ngx_http_referral_drain_now(),
                           ngx_current_msec);

    up = ngx_http_referral_drain_quit(&rec->drains);

    if (up
        && (!ngx_terminate
            || referral_journals_unwritten(rec->journals, NULL)))
    {
        ngx_http_referral_last_send(&rec->drains);
    }

    rec->moved = 0;
    ngx_http_referral_recorder_move(rec);
    ngx_http_referral_recorder_abandon(rec);
    ngx_http_referral_recorder_publish(rec);

    ngx_http_referral_retire_close(&rec->retire);
    ngx_http_referral_drain_close_all(&rec->drains);
    referral_journals_destroy(rec->journals);

    /* others still walk the timers after us */

    ngx_http_referral_drain_stop(&rec->flush);
    ngx_http_referral_drain_stop(&rec->tick);
    ngx_http_referral_drain_stop(&rec->hold);
    ngx_http_referral_drain_stop(&rec->keep);

    ngx_destroy_pool(rec->pool);
}
