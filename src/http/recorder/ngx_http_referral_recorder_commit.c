
#include "ngx_http_referral_recorder_core.h"


/* ms */
#define NGX_HTTP_REFERRAL_HOLD         5000


static int ngx_http_referral_recorder_write(ngx_http_referral_recorder_t *rec);
static ngx_int_t ngx_http_referral_recorder_safe(
    ngx_http_referral_recorder_t *rec, referral_journal_t *own,
    ngx_http_referral_commit_t *commit);
static void ngx_http_referral_recorder_retract(
    ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_recorder_alone(ngx_http_referral_recorder_t *rec,
    ngx_uint_t alone);
static ngx_int_t ngx_http_referral_recorder_sync_post(
    ngx_http_referral_recorder_t *rec, int fd);
#if (NGX_THREADS)
static void ngx_http_referral_recorder_sync_thread(void *data, ngx_log_t *log);
static void ngx_http_referral_recorder_synced(ngx_event_t *ev);
#endif


void
ngx_http_referral_recorder_flush(ngx_http_referral_recorder_t *rec)
{
    ngx_http_referral_drain_t  *own;

    own = rec->drains.own;

    if (ngx_http_referral_recorder_write(rec) == REFERRAL_OK) {
        rec->waiting = 0;
        rec->unresolved_bytes = 0;

        /* events that name one of these clicks wait for it */

        if (own->entry && own->journal->own) {
            own->entry->last = own->journal->flushed;
        }

    } else {
        rec->waiting = 1;
        ngx_http_referral_recorder_waits(rec);

        /* if it is killed, others know what it had */

        if (own->entry) {
            ngx_http_referral_drain_publish(own, own->entry->oldest);
        }
    }

    if (rec->conf->sync == REFERRAL_SYNC_ALWAYS || rec->ndurable) {
        ngx_http_referral_recorder_sync(rec);
    }

    ngx_http_referral_drain_kick(&rec->drains);
}


/* what is left to a later turn must not look as if the disk had refused it */

static int
ngx_http_referral_recorder_write(ngx_http_referral_recorder_t *rec)
{
    int                  rc;
    uint64_t             written;
    referral_journal_t  *own;

    own = referral_journals_own(rec->journals);

    do {
        written = own->written;

        rc = referral_journal_flush(rec->journals,
                                    ngx_http_referral_drain_now(),
                                    ngx_current_msec);

    } while (rc != REFERRAL_OK && rec->ndurable && own->written > written);

    return rc;
}


/*
 * Those whose records are safe, and those that will not be.  They are taken
 * off the list first: one that is answered may end others, or add some.
 */

void
ngx_http_referral_recorder_answer(ngx_http_referral_recorder_t *rec)
{
    ngx_uint_t                   n, failed;
    ngx_queue_t                 *q, *next, ready;
    referral_journal_t          *own;
    ngx_http_referral_commit_t  *commit;

    own = referral_journals_own(rec->journals);

    n = 0;
    failed = 0;
    ngx_queue_init(&ready);

    for (q = ngx_queue_head(&rec->commits);
         q != ngx_queue_sentinel(&rec->commits);
         q = next)
    {
        next = ngx_queue_next(q);
        commit = ngx_queue_data(q, ngx_http_referral_commit_t, queue);

        switch (ngx_http_referral_recorder_safe(rec, own, commit)) {

        case NGX_OK:
            break;

        case NGX_ERROR:
            commit->status = NGX_ERROR;
            failed = 1;

            /* its number may be another record's soon */

            if (commit->outcome) {
                ngx_queue_remove(&commit->awaiting);
                ngx_queue_init(&commit->awaiting);
            }

            break;

        case NGX_AGAIN:
            n++;
            continue;

        default: /* NGX_DECLINED */
            n = rec->ndurable;
            goto done;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&ready, q);
    }

done:

    rec->ncommits = 0;
    rec->ndurable = n;

    if (failed) {
        ngx_http_referral_recorder_retract(rec);
    }

    while (!ngx_queue_empty(&ready)) {

        q = ngx_queue_head(&ready);
        commit = ngx_queue_data(q, ngx_http_referral_commit_t, queue);

        ngx_queue_remove(q);
        ngx_queue_init(q);

        commit->handler(commit->data);
    }
}


/*
 * NGX_OK, NGX_ERROR: it may be answered; NGX_AGAIN: not yet; NGX_DECLINED:
 * neither this one nor those that came after it.
 */

static ngx_int_t
ngx_http_referral_recorder_safe(ngx_http_referral_recorder_t *rec,
    referral_journal_t *own, ngx_http_referral_commit_t *commit)
{
    if (commit->seq > own->flushed) {
        return NGX_DECLINED;
    }

    if (commit->durable) {

        if (commit->seq <= own->synced) {
            return commit->status;
        }

        return rec->syncing ? NGX_AGAIN : NGX_ERROR;
    }

    if (rec->conf->sync == REFERRAL_SYNC_ALWAYS && rec->syncing
        && commit->seq > own->synced)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* a sender that is refused comes again: what it sent must not pile up */

static void
ngx_http_referral_recorder_retract(ngx_http_referral_recorder_t *rec)
{
    uint64_t                    first;
    referral_journal_t         *own;
    ngx_http_referral_drain_t  *drain;

    own = referral_journals_own(rec->journals);
    drain = rec->drains.own;

    if (drain->journal != own || own->flushed < own->last) {
        return;
    }

    first = ngx_max(ngx_http_referral_drain_unread(drain), rec->kept + 1);

    if (referral_journal_retract(rec->journals, first)) {
        ngx_http_referral_drain_publish(drain,
                                  drain->entry ? drain->entry->oldest : 0);
    }
}


/*
 * Clicks are in memory only: a worker that is told to quit stays, as it does
 * for its visitors, until Redis or the disk has them or
 * "worker_shutdown_timeout" is over.
 */

void
ngx_http_referral_recorder_waits(ngx_http_referral_recorder_t *rec)
{
    if (!rec->keep.timer_set && !rec->expired && !rec->closing) {
        ngx_add_timer(&rec->keep, NGX_HTTP_REFERRAL_KEEP);
    }
}


void
ngx_http_referral_recorder_renew(ngx_http_referral_recorder_t *rec)
{
    ngx_queue_t                 *q;
    ngx_http_referral_drain_t   *drain;
    ngx_http_referral_commit_t  *commit;

    if (referral_journals_renew(rec->journals,
                                ngx_http_referral_drain_now(),
                                ngx_current_msec)
        != REFERRAL_OK)
    {
        return;
    }

    drain = ngx_http_referral_drain_open(&rec->drains,
                                       referral_journals_own(rec->journals));
    if (drain) {
        rec->drains.own = drain;
    }

    /* numbers of the old journal say nothing of the new one */

    for (q = ngx_queue_head(&rec->commits);
         q != ngx_queue_sentinel(&rec->commits);
         q = ngx_queue_next(q))
    {
        commit = ngx_queue_data(q, ngx_http_referral_commit_t, queue);

        /* the old one is not synced any more */

        commit->seq = 0;
        commit->status = NGX_ERROR;
    }

    while (!ngx_queue_empty(&rec->awaiting)) {
        q = ngx_queue_head(&rec->awaiting);

        ngx_queue_remove(q);
        ngx_queue_init(q);
    }

    rec->kept = 0;

    ngx_http_referral_recorder_answer(rec);
}


#if (NGX_THREADS)

/*
 * A worker that quits goes when no timer is left, and a request that waits
 * for fdatasync has none.
 */

void
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


void
ngx_http_referral_recorder_hold_handler(ngx_event_t *ev)
{
    ngx_log_error(NGX_LOG_ERR, ev->log, 0,
                  "referral: fdatasync takes longer than %M ms: visitors "
                  "wait for it", (ngx_msec_t) NGX_HTTP_REFERRAL_HOLD);
}

#endif


/* fdatasync without holding anybody up but those who asked to be */

void
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
                                  ngx_http_referral_drain_now(),
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
        rec->sync = ngx_http_referral_task_create(rec->pool, rec,
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
    rec = t->data;

    rec->syncing = 0;

    referral_journal_sync_end(rec->journals, t->err,
                              ngx_http_referral_drain_now(),
                              ngx_current_msec);

    if (rec->conf->sync == REFERRAL_SYNC_ALWAYS || rec->ndurable) {
        ngx_http_referral_recorder_sync(rec);
    }

    ngx_http_referral_recorder_answer(rec);
    ngx_http_referral_recorder_hold(rec);
}

#endif
