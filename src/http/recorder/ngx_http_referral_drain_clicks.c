
#include "ngx_http_referral_drain.h"


/*
 * ms without any progress after which a journal of clicks is not waited for:
 * longer than Redis needs to load its data or to answer again, and than the
 * journals of a worker that died need to be adopted; after that sales are not
 * held up by what only a person can mend
 */
#define NGX_HTTP_REFERRAL_CLICKS_STUCK  30000

/*
 * ms in which every worker has compared its marks of clicks with a Redis that
 * went back: it does so every 2 s, by a timer of 1 s
 */
#define NGX_HTTP_REFERRAL_CLICKS_BACK   4000


static void ngx_http_referral_drain_clicks_ask(ngx_http_referral_drains_t *ds);
static ngx_uint_t ngx_http_referral_drain_clicks_sent(
    ngx_http_referral_drains_t *ds);
static ngx_uint_t ngx_http_referral_drain_clicks_stuck(
    ngx_http_referral_drains_t *ds, ngx_http_referral_clicks_mark_t *mark);


/*
 * Notes how far each journal of clicks of this host has come, and waits until
 * all of that is in Redis: then all clicks that were made before the records
 * which were in the own journals at that time are.  No clock is asked.
 */

ngx_uint_t
ngx_http_referral_drain_clicks(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, uint64_t seq)
{
    ngx_uint_t                  asked;
    ngx_queue_t                *q;
    ngx_http_referral_drain_t  *d;

    if (ds->urgent) {
        return 1;
    }

    if (ds->back && ngx_current_msec - ds->went < NGX_HTTP_REFERRAL_CLICKS_BACK)
    {
        return 0;
    }

    asked = 0;

    /* a record that came after the last question needs one of its own */

    while (seq > drain->clear && !asked) {

        if (!ds->asking) {
            ngx_http_referral_drain_clicks_ask(ds);
            asked = 1;
        }

        if (!ngx_http_referral_drain_clicks_sent(ds)) {

            if (asked) {
                ngx_http_referral_drain_count(ds, NGX_HTTP_REFERRAL_WAITED, 1);

                ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ds->log, 0,
                               "referral batch: record %uL waits for clicks",
                               seq);
            }

            return 0;
        }

        ds->asking = 0;

        for (q = ngx_queue_head(&ds->all);
             q != ngx_queue_sentinel(&ds->all);
             q = ngx_queue_next(q))
        {
            d = ngx_queue_data(q, ngx_http_referral_drain_t, queue);
            d->clear = ngx_max(d->clear, d->asked);
        }
    }

    return 1;
}


static void
ngx_http_referral_drain_clicks_ask(ngx_http_referral_drains_t *ds)
{
    uint64_t                            key, last, sent;
    ngx_uint_t                          i;
    ngx_queue_t                        *q;
    ngx_http_referral_drain_t          *drain;
    ngx_http_referral_clicks_mark_t    *mark;
    ngx_http_referral_journal_entry_t  *entry;

    ds->asking = 1;

    for (q = ngx_queue_head(&ds->all);
         q != ngx_queue_sentinel(&ds->all);
         q = ngx_queue_next(q))
    {
        drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);

        drain->asked = drain->journal->own ? drain->journal->flushed
                                           : drain->journal->last;
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_JOURNALS; i++) {
        entry = &ds->conf->zone->clicks.journals[i];
        mark = &ds->clicks[i];

        sent = entry->sent;
        last = entry->last;

        if (entry->state == 0 || (sent >= last && !entry->busy)) {
            mark->key = 0;
            continue;
        }

        key = referral_journal_key(entry->id);

        /* one that was stuck, and still is, has had its time */

        if (mark->key != key || mark->sent != sent) {
            mark->key = key;
            mark->sent = sent;
            mark->at = ngx_current_msec;
            mark->said = 0;
        }

        mark->last = last;
    }
}


static ngx_uint_t
ngx_http_referral_drain_clicks_sent(ngx_http_referral_drains_t *ds)
{
    uint64_t                            sent;
    ngx_uint_t                          i, all;
    ngx_http_referral_clicks_mark_t    *mark;
    ngx_http_referral_journal_entry_t  *entry;

    all = 1;

    for (i = 0; i < NGX_HTTP_REFERRAL_JOURNALS; i++) {
        mark = &ds->clicks[i];

        if (mark->key == 0) {
            continue;
        }

        entry = &ds->conf->zone->clicks.journals[i];
        sent = entry->sent;

        /* an entry that is free, or another journal's by now, was settled */

        if (entry->state == 0
            || referral_journal_key(entry->id) != mark->key
            || (sent >= mark->last
                && !ngx_http_referral_zone_journal_busy(entry)))
        {
            mark->key = 0;
            continue;
        }

        if (sent != mark->sent) {
            mark->sent = sent;
            mark->at = ngx_current_msec;
            mark->said = 0;
        }

        if (!ngx_http_referral_drain_clicks_stuck(ds, mark)) {
            all = 0;
        }
    }

    return all;
}


static ngx_uint_t
ngx_http_referral_drain_clicks_stuck(ngx_http_referral_drains_t *ds,
    ngx_http_referral_clicks_mark_t *mark)
{
    /* while Redis was away nothing could be sent */

    if (ngx_current_msec - mark->at < NGX_HTTP_REFERRAL_CLICKS_STUCK
        || ngx_current_msec - ds->since < NGX_HTTP_REFERRAL_CLICKS_STUCK)
    {
        return 0;
    }

    if (!mark->said) {
        mark->said = 1;

        ngx_log_error(NGX_LOG_ERR, ds->log, 0,
                      "referral: a journal of clicks has not got on for %d s: "
                      "%s that name a click do not wait for it any more",
                      NGX_HTTP_REFERRAL_CLICKS_STUCK / 1000,
                      ds->conf->records);
    }

    return 1;
}
