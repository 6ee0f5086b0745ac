
#include "ngx_http_referral_recorder_core.h"


static ngx_http_referral_directory_t *ngx_http_referral_recorder_successor(
    ngx_http_referral_recorder_t *rec);
static void ngx_http_referral_recorder_moved(ngx_http_referral_recorder_t *rec,
    referral_journal_t *journal);


void
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
                      "referral: this worker shuts down with %uL %s in "
                      "memory: it waits for redis \"%V\" or for room in "
                      "\"%V\"", n, rec->conf->records,
                      &rec->conf->redis->text, &rec->conf->path);
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
 * A reload named another directory: records that wait here for room on the
 * disk go there, as a journal of its own.  Records that were in a batch stay,
 * because Redis may have them under the numbers of this journal.
 */

void
ngx_http_referral_recorder_move(ngx_http_referral_recorder_t *rec)
{
    u_char                          path[NGX_HTTP_REFERRAL_DIRECTORY_MAX + 1];
    uint64_t                        first;
    referral_journal_t             *own;
    referral_journals_t            *to;
    referral_journals_conf_t        jc;
    ngx_http_referral_directory_t  *dir;

    own = referral_journals_own(rec->journals);

    if (own != rec->drains.own->journal
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

    /* at the close that is done already, and there are no threads any more */

    if (!rec->closing) {
        ngx_http_referral_recorder_flush(rec);
    }

    first = ngx_max(own->written, own->acked) + 1;
    first = ngx_max(first, ngx_http_referral_drain_unread(rec->drains.own));

    if (first > own->last) {
        return;
    }

    jc = rec->journals_conf;

    *ngx_cpymem(path, dir->path, dir->len) = '\0';

    jc.path = (char *) path;
    jc.max = referral_quota_max(&dir->quota);
    jc.quota = &dir->quota;

    to = referral_journals_move(rec->journals, &jc, first,
                                ngx_http_referral_drain_now(),
                                ngx_current_msec);
    if (to == NULL) {
        return;
    }

    ngx_http_referral_recorder_moved(rec, referral_journals_own(to));

    /* now others may adopt it */

    referral_journals_destroy(to);
}


/* the directory of the latest configuration; NULL: it is this one */

static ngx_http_referral_directory_t *
ngx_http_referral_recorder_successor(ngx_http_referral_recorder_t *rec)
{
    ngx_uint_t                      i;
    ngx_http_referral_directory_t  *dir, *last;

    last = rec->conf->directory;

    if (last == NULL) {
        return NULL;
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_DIRECTORIES; i++) {
        dir = &rec->conf->sh->directories[i];

        if (dir->generation > last->generation) {
            last = dir;
        }
    }

    return last == rec->conf->directory ? NULL : last;
}


static void
ngx_http_referral_recorder_moved(ngx_http_referral_recorder_t *rec,
    referral_journal_t *journal)
{
    ngx_queue_t                        *q;
    referral_journal_t                 *own;
    ngx_http_referral_commit_t         *commit;
    ngx_http_referral_journal_entry_t  *entry;

    own = rec->drains.own->journal;

    if (ngx_http_referral_zone_journal(rec->conf->sh, journal->id, 1, 0,
                                       journal->last, &entry)
        == NGX_OK)
    {
        entry->last = journal->last;
        entry->filed = 1;
    }

    ngx_http_referral_drain_publish(rec->drains.own, 0);

    /* their records are safe, but have other numbers now */

    for (q = ngx_queue_head(&rec->commits);
         q != ngx_queue_sentinel(&rec->commits);
         q = ngx_queue_next(q))
    {
        commit = ngx_queue_data(q, ngx_http_referral_commit_t, queue);

        if (commit->seq > own->last) {
            commit->seq = 0;
            commit->status = (journal->synced == journal->last) ? NGX_OK
                                                                : NGX_ERROR;
        }
    }

    if (!rec->closing) {
        ngx_http_referral_recorder_answer(rec);
    }

    ngx_log_error(NGX_LOG_NOTICE, rec->log, 0,
                  "referral: %uL %s that had no room in \"%V\" are in the "
                  "journal's new directory", journal->last,
                  rec->conf->records, &rec->conf->path);
}


/*
 * Records that neither the disk nor Redis took are lost with this worker: they
 * are counted and logged.  A journal without files cannot be found by others,
 * so its numbers go into the totals.
 */

void
ngx_http_referral_recorder_abandon(ngx_http_referral_recorder_t *rec)
{
    uint64_t                    n, lost;
    ngx_queue_t                *q;
    referral_journal_t         *journal;
    referral_journals_stat_t    stat;
    ngx_http_referral_drain_t  *drain;

    lost = 0;

    for (q = ngx_queue_head(&rec->drains.all);
         q != ngx_queue_sentinel(&rec->drains.all);
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
                                           rec->conf->sh, drain->entry);
            drain->entry = NULL;
        }
    }

    if (lost == 0) {
        return;
    }

    referral_journals_stat(rec->journals, &stat);

    ngx_log_error(NGX_LOG_CRIT, rec->log, stat.full ? 0 : stat.err,
                  "referral: this worker ends and drops %uL %s that "
                  "neither redis \"%V\" nor the journal in \"%V\" took (%s)",
                  lost, rec->conf->records, &rec->conf->redis->text,
                  &rec->conf->path,
                  stat.what ? stat.what : "its files were removed");
}
