
#include "ngx_http_referral_retire.h"


/* ms between two checks of the marks in Redis */
#define NGX_HTTP_REFERRAL_PROBE  2000


/* a query for a mark */

typedef struct {
    ngx_http_referral_drain_t       *drain;
    ngx_http_referral_mark_t        *mark;
    uint64_t                         expected;
} ngx_http_referral_probe_t;


static void ngx_http_referral_retire_adopt_handler(ngx_event_t *ev);
static void ngx_http_referral_retire_busy(
    ngx_http_referral_retire_t *retire);
static void ngx_http_referral_retire_lost(ngx_http_referral_retire_t *retire);
static void ngx_http_referral_retire_compared(ngx_http_referral_drains_t *ds);
static void ngx_http_referral_retire_probe(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain);
static void ngx_http_referral_retire_probed(void *data, redisReply *reply);
static void ngx_http_referral_retire_ending(
    ngx_http_referral_drains_t *ds);
static void ngx_http_referral_retire_end(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain);
static void ngx_http_referral_retire_ended(void *data, redisReply *reply);


void
ngx_http_referral_retire_start(ngx_http_referral_retire_t *retire,
    ngx_http_referral_drains_t *ds)
{
    retire->drains = ds;
    retire->conf = ds->conf;
    retire->log = ds->log;
    retire->ident = (ngx_socket_t) -1;

    ngx_http_referral_drain_event(&retire->adopt, retire, retire->log,
                                  ngx_http_referral_retire_adopt_handler);

    retire->seeking = 1;
    ngx_http_referral_retire_busy(retire);

    ngx_add_timer(&retire->adopt, 1 + ngx_random() % 100);
}


void
ngx_http_referral_retire_close(ngx_http_referral_retire_t *retire)
{
    ngx_http_referral_drain_stop(&retire->adopt);
}


static void
ngx_http_referral_retire_adopt_handler(ngx_event_t *ev)
{
    int                          n;
    ngx_http_referral_drains_t  *ds;
    ngx_http_referral_retire_t  *retire;

    retire = ev->data;
    ds = retire->drains;

    n = referral_journals_adopt(ds->journals, ngx_current_msec);

    if (n > 0) {
        ngx_http_referral_drain_open_all(ds);
        ngx_http_referral_drain_resume(ds);

    } else if (n == 0) {
        ngx_http_referral_retire_lost(retire);
    }

    retire->seeking = (n > 0);
    ngx_http_referral_retire_busy(retire);

    /* several workers share many journals: each adopts a few at a time */

    ngx_add_timer(ev, n > 0 ? 1 + ngx_random() % 50
                            : 1000 + ngx_random() % 1000);
}


/*
 * Tells others that the entries of the zone do not say all: journals are not
 * adopted yet, or have no entry, or Redis may have lost what it had of them
 */

static void
ngx_http_referral_retire_busy(ngx_http_referral_retire_t *retire)
{
    ngx_uint_t                   busy;
    ngx_queue_t                 *q;
    ngx_http_referral_drain_t   *drain;
    ngx_http_referral_drains_t  *ds;

    ds = retire->drains;
    busy = retire->seeking || ds->lost;

    for (q = ngx_queue_head(&ds->all);
         q != ngx_queue_sentinel(&ds->all);
         q = ngx_queue_next(q))
    {
        drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);

        if (drain->entry == NULL && !drain->journal->own
            && drain->from < drain->journal->last && !drain->barred)
        {
            busy = 1;
        }
    }

    if (ds->own->entry) {
        ds->own->entry->busy = busy;
    }
}


/*
 * Finds journals of workers that died before anything was on disk, so that
 * there is nothing to adopt.  One entry of the zone is checked at a call.
 */

static void
ngx_http_referral_retire_lost(ngx_http_referral_retire_t *retire)
{
    uint64_t                            n;
    ngx_uint_t                          i;
    ngx_atomic_uint_t                   pid;
    ngx_http_referral_drains_t         *ds;
    ngx_http_referral_records_t        *sh;
    ngx_http_referral_journal_entry_t  *entry;

    ds = retire->drains;
    sh = ds->conf->sh;

    /* the journal may be in the directory of an earlier configuration */

    for (i = 0; i < NGX_HTTP_REFERRAL_DIRECTORIES; i++) {

        if (sh->directories[i].generation
            && &sh->directories[i] != ds->conf->directory)
        {
            return;
        }
    }

    for (i = retire->lost; i < NGX_HTTP_REFERRAL_JOURNALS; i++) {
        entry = &sh->journals[i];
        pid = ngx_http_referral_zone_journal_dead(entry);

        if (pid == 0) {
            continue;
        }

        retire->lost = i + 1;

        if (ds->conf->directory
            && referral_journals_miss(ds->journals, entry->id))
        {
            n = ngx_http_referral_zone_journal_lost(sh, entry, pid);

            if (n) {
                ngx_http_referral_drain_lost(ds, n);
            }
        }

        return;
    }

    retire->lost = 0;
}


void
ngx_http_referral_retire_check(ngx_http_referral_retire_t *retire)
{
    uint64_t                     bad, foreign;
    ngx_queue_t                 *q;
    referral_journals_stat_t     stat;
    ngx_http_referral_drain_t   *drain;
    ngx_http_referral_drains_t  *ds;

    ds = retire->drains;

    /* journals for which there was no memory before */

    ngx_http_referral_drain_open_all(ds);

    referral_journals_stat(ds->journals, &stat);
    foreign = stat.foreign;

    for (q = ngx_queue_head(&ds->all);
         q != ngx_queue_sentinel(&ds->all);
         q = ngx_queue_next(q))
    {
        drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);

        bad = drain->reader->bad - drain->bad;

        if (bad) {
            drain->bad = drain->reader->bad;

            drain->damaged += bad;

            ngx_log_error(NGX_LOG_ERR, ds->log, 0,
                          "referral: %uL records of a journal are damaged",
                          bad);
        }

        foreign += (drain->barred != 0);
    }

    if (foreign > retire->foreign) {
        ngx_log_error(NGX_LOG_WARN, ds->log, 0,
                      "referral: the journal in \"%V\" holds %s of "
                      "another version of the module: they are kept until "
                      "that version runs again",
                      &ds->conf->path, ds->conf->records);
    }

    retire->foreign = foreign;

    ngx_http_referral_retire_compared(ds);
    ngx_http_referral_retire_busy(retire);

    if (ds->redis.ready
        && (ds->lost == NGX_HTTP_REFERRAL_LOST
            || ngx_current_msec - retire->probed >= NGX_HTTP_REFERRAL_PROBE))
    {
        retire->probed = ngx_current_msec;

        if (ds->lost) {
            ds->lost = NGX_HTTP_REFERRAL_LOST_COMPARING;
        }

        ngx_http_referral_retire_ending(ds);

        for (q = ngx_queue_head(&ds->all);
             q != ngx_queue_sentinel(&ds->all);
             q = ngx_queue_next(q))
        {
            drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);

            if (drain->probes == 0 && !drain->ending) {
                ngx_http_referral_retire_probe(ds, drain);
            }
        }
    }
}


/* all marks that were asked for after an outage are there */

static void
ngx_http_referral_retire_compared(ngx_http_referral_drains_t *ds)
{
    ngx_queue_t                *q;
    ngx_http_referral_drain_t  *drain;

    if (ds->lost != NGX_HTTP_REFERRAL_LOST_COMPARING) {
        return;
    }

    for (q = ngx_queue_head(&ds->all);
         q != ngx_queue_sentinel(&ds->all);
         q = ngx_queue_next(q))
    {
        drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);

        if (drain->probes) {
            return;
        }
    }

    ds->lost = NGX_HTTP_REFERRAL_LOST_NOT;
}


/* finds out that Redis lost data even if no click comes in */

static void
ngx_http_referral_retire_probe(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain)
{
    u_char                      data[REFERRAL_BATCH_MARK_MAX];
    referral_buf_t              b;
    referral_str_t              program;
    ngx_rbtree_node_t          *node;
    ngx_http_referral_mark_t   *mark;
    ngx_http_referral_probe_t  *probe;

    drain->behind = 0;

    if (drain->marks.root == &drain->sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(drain->marks.root, &drain->sentinel);
         node;
         node = ngx_rbtree_next(&drain->marks, node))
    {
        mark = (ngx_http_referral_mark_t *) node;

        if (mark->mark == (mark->alias ? mark->alias->from : 0)) {
            continue;
        }

        program.len = mark->sn.str.len;
        program.data = mark->sn.str.data;

        referral_buf_init(&b, data, sizeof(data));
        ds->kind->mark_get(ds->batch, &b, &program,
                           ngx_http_referral_drain_id(drain, mark));
        if (b.overflow) {
            continue;
        }

        probe = ngx_alloc(sizeof(ngx_http_referral_probe_t), ds->log);
        if (probe == NULL) {
            drain->behind = 1;
            return;
        }

        probe->drain = drain;
        probe->mark = mark;
        probe->expected = mark->mark;

        if (ngx_http_referral_redis_formatted(&ds->redis,
                                           ngx_http_referral_retire_probed,
                                           probe, (char *) data, b.pos - data)
            != NGX_OK)
        {
            ngx_free(probe);
            drain->behind = 1;
            return;
        }

        drain->probes++;
    }
}


static void
ngx_http_referral_retire_probed(void *data, redisReply *reply)
{
    ngx_http_referral_probe_t *probe = data;

    int64_t                      found;
    uint64_t                     expected;
    referral_str_t               text;
    ngx_http_referral_mark_t    *mark;
    ngx_http_referral_drain_t   *drain;
    ngx_http_referral_drains_t  *ds;

    drain = probe->drain;
    mark = probe->mark;
    expected = probe->expected;
    ds = drain->drains;

    ngx_free(probe);

    if (ds->closing) {
        return;
    }

    drain->probes--;

    found = -1;

    if (reply && reply->type == REDIS_REPLY_NIL) {
        found = 0;

    } else if (reply && reply->type == REDIS_REPLY_STRING) {
        text.len = reply->len;
        text.data = (u_char *) reply->str;
        found = referral_str_uint(&text, INT64_MAX);
    }

    if (found == -1) {
        drain->behind = 1;

    } else if ((uint64_t) found < expected) {
        drain->behind = 1;

        /* if a batch is out, its reply says the same, and is newer */

        if (ds->drain != drain && mark->mark >= expected) {
            ngx_http_referral_drain_behind(ds, drain, mark, found);

            ngx_http_referral_drain_resume(ds);
        }
    }

    if (drain->ending && drain->probes == 0) {
        ngx_http_referral_retire_end(ds, drain);
    }
}


/* ends journals that were sent and kept for long enough */

static void
ngx_http_referral_retire_ending(ngx_http_referral_drains_t *ds)
{
    referral_journal_t         *j;
    ngx_http_referral_drain_t  *drain;

    for (j = referral_journals_ending(ds->journals, NULL, ngx_current_msec);
         j;
         j = referral_journals_ending(ds->journals, j, ngx_current_msec))
    {
        drain = j->data;

        if (drain == NULL || drain == ds->drain || drain == ds->scan
            || drain->probes || ds->warming)
        {
            continue;
        }

        if (!drain->ending) {
            drain->ending = 1;

            ngx_http_referral_retire_probe(ds, drain);

            if (drain->probes) {
                continue;
            }
        }

        /* this may free the journal, and with it the loop's next one */

        ngx_http_referral_retire_end(ds, drain);
        return;
    }
}


/*
 * The marks are right.  The files go first: records without marks would be
 * sent again, but a mark without records does no harm.
 */

static void
ngx_http_referral_retire_end(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain)
{
    u_char                     data[REFERRAL_BATCH_MARK_MAX];
    referral_buf_t             b;
    referral_str_t             program;
    ngx_rbtree_node_t         *node;
    referral_journal_t        *journal;
    ngx_http_referral_mark_t  *mark;

    journal = drain->journal;

    if (!journal->unlinked) {

        if (drain->behind
            || referral_journal_unlink(ds->journals, journal,
                                       ngx_http_referral_drain_now())
               != REFERRAL_OK)
        {
            drain->ending = 0;
            return;
        }
    }

    if (!drain->deleted && drain->marks.root != &drain->sentinel) {
        drain->deleted = 1;

        for (node = ngx_rbtree_min(drain->marks.root, &drain->sentinel);
             node;
             node = ngx_rbtree_next(&drain->marks, node))
        {
            mark = (ngx_http_referral_mark_t *) node;

            program.len = mark->sn.str.len;
            program.data = mark->sn.str.data;

            referral_buf_init(&b, data, sizeof(data));
            ds->kind->mark_delete(ds->batch, &b, &program,
                                  ngx_http_referral_drain_id(drain, mark));

            if (ngx_http_referral_redis_formatted(&ds->redis,
                                            ngx_http_referral_retire_ended,
                                            drain, (char *) data,
                                            b.pos - data)
                == NGX_OK)
            {
                drain->probes++;

            } else {
                drain->deleted = 0;
            }
        }

        if (drain->probes || !drain->deleted) {
            return;
        }
    }

    ngx_http_referral_drain_publish(drain, 0);

    if (drain->entry) {
        ngx_http_referral_zone_journal_close(ds->conf->sh, drain->entry);
    }

    ngx_http_referral_drain_close(drain);
    referral_journal_finish(ds->journals, journal,
                            ngx_http_referral_drain_now());
}


static void
ngx_http_referral_retire_ended(void *data, redisReply *reply)
{
    ngx_http_referral_drain_t *drain = data;

    if (drain->drains->closing) {
        return;
    }

    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER) {
        drain->deleted = 0;
    }

    if (--drain->probes || !drain->deleted) {
        return;
    }

    ngx_http_referral_retire_end(drain->drains, drain);
}
