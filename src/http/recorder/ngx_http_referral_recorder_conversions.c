
/*
 * Events of conversions, as a kind of record.  One that names a click is to
 * come to Redis after that click: it waits for the clicks of this host, and the
 * script (referral_append.lua) for a while for those of others.
 */

#include "ngx_http_referral_recorder.h"
#include "referral_append.h"
#include "referral_event.h"
#include "referral_segment.h"


#define NGX_HTTP_REFERRAL_EVENTS_RETAIN  (35 * 86400)


typedef struct {
    referral_append_t           *append;
    referral_append_conf_t       conf;
    referral_batch_conf_t        marks;      /* of their commands */
    referral_event_t             event;
    uint64_t                     seq[REFERRAL_APPEND_EVENTS];
    referral_append_outcome_t    outcome[REFERRAL_APPEND_EVENTS];
    u_char                       named[REFERRAL_APPEND_EVENTS];
    ngx_uint_t                   added;      /* since begin */
    ngx_uint_t                   told;       /* outcomes of the last reply */
} ngx_http_referral_events_t;


static void *ngx_http_referral_events_create(const void *conf);
static void ngx_http_referral_events_free(void *batch);
static int ngx_http_referral_events_decode(void *batch, const u_char *data,
    size_t len, referral_str_t *program);
static ngx_uint_t ngx_http_referral_events_follows(void *batch);
static void ngx_http_referral_events_patience(void *batch, int64_t from,
    int64_t to);
static int ngx_http_referral_events_begin(void *batch,
    const referral_str_t *program, const u_char *journal_id,
    uint64_t expected);
static int ngx_http_referral_events_add(void *batch, uint64_t seq);
static unsigned ngx_http_referral_events_count(void *batch);
static uint64_t ngx_http_referral_events_last(void *batch);
static int ngx_http_referral_events_command(void *batch, int full,
    referral_str_t *command);
static void ngx_http_referral_events_reply(void *batch,
    referral_batch_reply_t *reply, const int64_t *values, size_t n,
    uint64_t expected, uint64_t written);
static ngx_uint_t ngx_http_referral_events_outcome(void *batch, ngx_uint_t i,
    uint64_t *seq, referral_append_outcome_t *outcome);
static ngx_uint_t ngx_http_referral_events_unmet(void *batch);
static void ngx_http_referral_events_mark_get(void *batch, referral_buf_t *out,
    const referral_str_t *program, const u_char *journal_id);
static void ngx_http_referral_events_mark_delete(void *batch,
    referral_buf_t *out, const referral_str_t *program,
    const u_char *journal_id);


static const ngx_http_referral_recorder_kind_t
    ngx_http_referral_events_kind =
{
    REFERRAL_APPEND_EVENTS,
    3 + 3 * REFERRAL_APPEND_EVENTS,
    ngx_http_referral_events_create,
    ngx_http_referral_events_free,
    ngx_http_referral_events_decode,
    ngx_http_referral_events_follows,
    ngx_http_referral_events_patience,
    ngx_http_referral_events_begin,
    ngx_http_referral_events_add,
    ngx_http_referral_events_count,
    ngx_http_referral_events_last,
    ngx_http_referral_events_command,
    ngx_http_referral_events_reply,
    ngx_http_referral_events_outcome,
    ngx_http_referral_events_unmet,
    referral_batch_error,
    NULL,
    ngx_http_referral_events_mark_get,
    ngx_http_referral_events_mark_delete
};


ngx_http_referral_recorder_t *
ngx_http_referral_recorder_conversions(ngx_http_referral_main_conf_t *rmcf,
    const ngx_http_referral_recorder_conf_t *own, ngx_log_t *log)
{
    referral_append_conf_t             append;
    ngx_http_referral_recorder_conf_t  conf;

    conf = *own;

    ngx_memzero(&append, sizeof(referral_append_conf_t));

    referral_append_defaults(&append);

    append.prefix.len = rmcf->redis.prefix.len;
    append.prefix.data = rmcf->redis.prefix.data;

    /* a program's first event takes it; without randomness none is taken */

    if (referral_random(&rmcf->worker->random, append.seed,
                        REFERRAL_APPEND_SEED_SIZE)
        != REFERRAL_OK)
    {
        ngx_log_error(NGX_LOG_CRIT, log, 0,
                      "referral: the system has no randomness to give: "
                      "events are refused");
        return NULL;
    }

    conf.name = "event recorder";
    conf.records = "events";
    conf.meanwhile = "refused, or kept in memory if an upstream said them";
    conf.kind = &ngx_http_referral_events_kind;
    conf.kind_conf = &append;

    /* clicks have another one, so neither reads the other's segments */

    conf.version = REFERRAL_SEGMENT_EVENTS;
    conf.segment = rmcf->journal.segment;
    conf.max = rmcf->journal.max;
    conf.retain = NGX_HTTP_REFERRAL_EVENTS_RETAIN;
    conf.sync = REFERRAL_SYNC_ALWAYS;

    conf.redis = &rmcf->redis;
    conf.zone = rmcf->zone.sh;
    conf.sh = &rmcf->zone.sh->events;
    conf.worker = offsetof(ngx_http_referral_worker_entry_t, events);
    conf.events = rmcf->zone.sh->event_counters;

    return ngx_http_referral_recorder_create(&conf, log);
}


static void *
ngx_http_referral_events_create(const void *conf)
{
    ngx_http_referral_events_t  *events;

    events = ngx_calloc(sizeof(ngx_http_referral_events_t), ngx_cycle->log);
    if (events == NULL) {
        return NULL;
    }

    events->conf = *(const referral_append_conf_t *) conf;
    events->marks.prefix = events->conf.prefix;

    events->append = referral_append_create(&events->conf);

    if (events->append == NULL) {
        ngx_free(events);
        return NULL;
    }

    return events;
}


static void
ngx_http_referral_events_free(void *batch)
{
    ngx_http_referral_events_t *events = batch;

    referral_append_free(events->append);
    ngx_free(events);
}


static int
ngx_http_referral_events_decode(void *batch, const u_char *data, size_t len,
    referral_str_t *program)
{
    ngx_http_referral_events_t *events = batch;

    int  rc;

    rc = referral_event_decode(&events->event, data, len);

    if (rc == REFERRAL_OK) {
        *program = events->event.text[REFERRAL_EVENT_TEXT_PROGRAM];
    }

    return rc;
}


static ngx_uint_t
ngx_http_referral_events_follows(void *batch)
{
    ngx_http_referral_events_t *events = batch;

    return (events->event.flags & REFERRAL_EVENT_CLICK_ID) != 0;
}


static void
ngx_http_referral_events_patience(void *batch, int64_t from, int64_t to)
{
    ngx_http_referral_events_t *events = batch;

    referral_append_patience(events->append, from, to);
}


static int
ngx_http_referral_events_begin(void *batch, const referral_str_t *program,
    const u_char *journal_id, uint64_t expected)
{
    ngx_http_referral_events_t *events = batch;

    events->added = 0;
    events->told = 0;

    return referral_append_begin(events->append, program, journal_id,
                                 expected);
}


static int
ngx_http_referral_events_add(void *batch, uint64_t seq)
{
    ngx_http_referral_events_t *events = batch;

    int  rc;

    rc = referral_append_add(events->append, &events->event, seq);

    if (rc == REFERRAL_OK) {
        events->named[events->added] =
              (events->event.flags & REFERRAL_EVENT_CLICK_ID)
              && events->event.text[REFERRAL_EVENT_TEXT_CUSTOMER].len;
        events->seq[events->added++] = seq;
    }

    return rc;
}


static unsigned
ngx_http_referral_events_count(void *batch)
{
    ngx_http_referral_events_t *events = batch;

    return referral_append_records(events->append);
}


static uint64_t
ngx_http_referral_events_last(void *batch)
{
    ngx_http_referral_events_t *events = batch;

    return referral_append_last(events->append);
}


static int
ngx_http_referral_events_command(void *batch, int full,
    referral_str_t *command)
{
    ngx_http_referral_events_t *events = batch;

    return referral_append_command(events->append, full, command);
}


static void
ngx_http_referral_events_reply(void *batch, referral_batch_reply_t *reply,
    const int64_t *values, size_t n, uint64_t expected, uint64_t written)
{
    ngx_http_referral_events_t *events = batch;

    ngx_uint_t  i;

    referral_append_reply(reply, values, n, events->added, expected, written);

    events->told = 0;

    if (reply->answer != REFERRAL_BATCH_APPLIED
        && reply->answer != REFERRAL_BATCH_PART)
    {
        return;
    }

    if (reply->answer == REFERRAL_BATCH_PART
        && reply->upto >= referral_append_last(events->append))
    {
        reply->answer = REFERRAL_BATCH_INVALID;
        return;
    }

    /* of a part those that were applied have an outcome */

    for (i = 0; i < events->added; i++) {
        if (referral_append_outcome(values, n, i, &events->outcome[i])
            != REFERRAL_OK)
        {
            break;
        }
    }

    events->told = i;
}


static ngx_uint_t
ngx_http_referral_events_outcome(void *batch, ngx_uint_t i, uint64_t *seq,
    referral_append_outcome_t *outcome)
{
    ngx_http_referral_events_t *events = batch;

    if (i >= events->told) {
        return 0;
    }

    *seq = events->seq[i];
    *outcome = events->outcome[i];

    return 1;
}


static ngx_uint_t
ngx_http_referral_events_unmet(void *batch)
{
    ngx_http_referral_events_t *events = batch;

    ngx_uint_t                  i, n;
    referral_append_outcome_t  *outcome;

    n = 0;

    for (i = 0; i < events->told; i++) {
        outcome = &events->outcome[i];

        n += events->named[i] && outcome->kind == REFERRAL_APPEND_NEW
             && outcome->via == REFERRAL_VIA_NONE && !outcome->self;
    }

    return n;
}


static void
ngx_http_referral_events_mark_get(void *batch, referral_buf_t *out,
    const referral_str_t *program, const u_char *journal_id)
{
    ngx_http_referral_events_t *events = batch;

    referral_batch_mark_get(&events->marks, out, program, journal_id);
}


static void
ngx_http_referral_events_mark_delete(void *batch, referral_buf_t *out,
    const referral_str_t *program, const u_char *journal_id)
{
    ngx_http_referral_events_t *events = batch;

    referral_batch_mark_delete(&events->marks, out, program, journal_id);
}
