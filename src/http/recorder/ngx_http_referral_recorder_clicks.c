
/*
 * Clicks as a kind of record: how the recorder decodes them and batches them,
 * and the recorder that a worker has for them.
 */

#include "ngx_http_referral_recorder.h"
#include "referral_record.h"


typedef struct {
    referral_batch_t            *batch;
    referral_batch_conf_t        conf;
    referral_record_t            record;
} ngx_http_referral_clicks_t;


static void *ngx_http_referral_clicks_create(const void *conf);
static void ngx_http_referral_clicks_free(void *batch);
static int ngx_http_referral_clicks_decode(void *batch, const u_char *data,
    size_t len, referral_str_t *program);
static int ngx_http_referral_clicks_begin(void *batch,
    const referral_str_t *program, const u_char *journal_id,
    uint64_t expected);
static int ngx_http_referral_clicks_add(void *batch, uint64_t seq);
static unsigned ngx_http_referral_clicks_count(void *batch);
static uint64_t ngx_http_referral_clicks_last(void *batch);
static int ngx_http_referral_clicks_command(void *batch, int full,
    referral_str_t *command);
static void ngx_http_referral_clicks_reply(void *batch,
    referral_batch_reply_t *reply, const int64_t *values, size_t n,
    uint64_t expected, uint64_t written);
static void ngx_http_referral_clicks_mark_key(void *batch,
    referral_buf_t *out, const referral_str_t *program);
static void ngx_http_referral_clicks_mark_get(void *batch,
    referral_buf_t *out, const referral_str_t *program,
    const u_char *journal_id);
static void ngx_http_referral_clicks_mark_delete(void *batch,
    referral_buf_t *out, const referral_str_t *program,
    const u_char *journal_id);


static const ngx_http_referral_recorder_kind_t  ngx_http_referral_clicks = {
    REFERRAL_BATCH_RECORDS,
    3,
    ngx_http_referral_clicks_create,
    ngx_http_referral_clicks_free,
    ngx_http_referral_clicks_decode,
    NULL,
    NULL,
    ngx_http_referral_clicks_begin,
    ngx_http_referral_clicks_add,
    ngx_http_referral_clicks_count,
    ngx_http_referral_clicks_last,
    ngx_http_referral_clicks_command,
    ngx_http_referral_clicks_reply,
    NULL,
    NULL,
    referral_batch_error,
    ngx_http_referral_clicks_mark_key,
    ngx_http_referral_clicks_mark_get,
    ngx_http_referral_clicks_mark_delete
};


ngx_http_referral_recorder_t *
ngx_http_referral_recorder_clicks(ngx_http_referral_main_conf_t *rmcf,
    ngx_log_t *log)
{
    referral_batch_conf_t              batch;
    ngx_http_referral_recorder_conf_t  conf;

    ngx_memzero(&conf, sizeof(ngx_http_referral_recorder_conf_t));

    referral_batch_defaults(&batch);

    batch.prefix.len = rmcf->redis.prefix.len;
    batch.prefix.data = rmcf->redis.prefix.data;
    batch.events_maxlen = rmcf->events_maxlen;
    batch.events_age = rmcf->events_age;

    /* a secret seed: codes cannot be chosen so that they collide */

    if (referral_random(&rmcf->worker->random, (u_char *) &batch.seed,
                        sizeof(batch.seed))
        != REFERRAL_OK)
    {
        batch.seed = ngx_random();
    }

    conf.name = "recorder";
    conf.records = "clicks";
    conf.meanwhile = "kept in memory";
    conf.kind = &ngx_http_referral_clicks;
    conf.kind_conf = &batch;

    conf.path = rmcf->journal.path->name;
    conf.segment = rmcf->journal.segment;
    conf.max = rmcf->journal.max;
    conf.retain = rmcf->journal.retain;
    conf.sync = rmcf->journal.sync;

    conf.redis = &rmcf->redis;
#if (NGX_THREADS)
    conf.thread_pool = rmcf->thread_pool;
#endif

    conf.zone = rmcf->zone.sh;
    conf.sh = &rmcf->zone.sh->clicks;
    conf.directory = rmcf->journal.directory;
    conf.worker = offsetof(ngx_http_referral_worker_entry_t, clicks);
    conf.events = rmcf->zone.sh->counters;

    return ngx_http_referral_recorder_create(&conf, log);
}


static void *
ngx_http_referral_clicks_create(const void *conf)
{
    ngx_http_referral_clicks_t  *clicks;

    clicks = ngx_calloc(sizeof(ngx_http_referral_clicks_t), ngx_cycle->log);
    if (clicks == NULL) {
        return NULL;
    }

    clicks->conf = *(const referral_batch_conf_t *) conf;

    clicks->batch = referral_batch_create(&clicks->conf);

    if (clicks->batch == NULL) {
        ngx_free(clicks);
        return NULL;
    }

    return clicks;
}


static void
ngx_http_referral_clicks_free(void *batch)
{
    ngx_http_referral_clicks_t *clicks = batch;

    referral_batch_free(clicks->batch);
    ngx_free(clicks);
}


static int
ngx_http_referral_clicks_decode(void *batch, const u_char *data, size_t len,
    referral_str_t *program)
{
    ngx_http_referral_clicks_t *clicks = batch;

    int  rc;

    rc = referral_record_decode(&clicks->record, data, len);

    if (rc == REFERRAL_OK) {
        *program = clicks->record.text[REFERRAL_TEXT_PROGRAM];
    }

    return rc;
}


static int
ngx_http_referral_clicks_begin(void *batch, const referral_str_t *program,
    const u_char *journal_id, uint64_t expected)
{
    ngx_http_referral_clicks_t *clicks = batch;

    return referral_batch_begin(clicks->batch, program, journal_id, expected);
}


static int
ngx_http_referral_clicks_add(void *batch, uint64_t seq)
{
    ngx_http_referral_clicks_t *clicks = batch;

    return referral_batch_add(clicks->batch, &clicks->record, seq);
}


static unsigned
ngx_http_referral_clicks_count(void *batch)
{
    ngx_http_referral_clicks_t *clicks = batch;

    return referral_batch_records(clicks->batch);
}


static uint64_t
ngx_http_referral_clicks_last(void *batch)
{
    ngx_http_referral_clicks_t *clicks = batch;

    return referral_batch_last(clicks->batch);
}


static int
ngx_http_referral_clicks_command(void *batch, int full,
    referral_str_t *command)
{
    ngx_http_referral_clicks_t *clicks = batch;

    return referral_batch_command(clicks->batch, full, command);
}


static void
ngx_http_referral_clicks_reply(void *batch, referral_batch_reply_t *reply,
    const int64_t *values, size_t n, uint64_t expected, uint64_t written)
{
    referral_batch_reply(reply, values, n, expected, written);
}


static void
ngx_http_referral_clicks_mark_key(void *batch, referral_buf_t *out,
    const referral_str_t *program)
{
    ngx_http_referral_clicks_t *clicks = batch;

    referral_batch_mark_key(&clicks->conf, out, program);
}


static void
ngx_http_referral_clicks_mark_get(void *batch, referral_buf_t *out,
    const referral_str_t *program, const u_char *journal_id)
{
    ngx_http_referral_clicks_t *clicks = batch;

    referral_batch_mark_get(&clicks->conf, out, program, journal_id);
}


static void
ngx_http_referral_clicks_mark_delete(void *batch, referral_buf_t *out,
    const referral_str_t *program, const u_char *journal_id)
{
    ngx_http_referral_clicks_t *clicks = batch;

    referral_batch_mark_delete(&clicks->conf, out, program, journal_id);
}
