
#include "ngx_http_referral_drain.h"


/* ms */
#define NGX_HTTP_REFERRAL_RETRY_MIN    100
#define NGX_HTTP_REFERRAL_RETRY_MAX    1000
#define NGX_HTTP_REFERRAL_BATCH_SLOW   500

/* ms: back-off of a program that Redis refuses */
#define NGX_HTTP_REFERRAL_WAIT_MIN     500
#define NGX_HTTP_REFERRAL_WAIT_MAX     4000

/* log lines about such programs, in a minute and worker */
#define NGX_HTTP_REFERRAL_LINES        16


static void ngx_http_referral_drain_part(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, referral_batch_reply_t *result);
static void ngx_http_referral_drain_aside(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, ngx_msec_t delay);
static void ngx_http_referral_drain_outcomes(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain);
static void ngx_http_referral_drain_taken(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain);
static ngx_uint_t ngx_http_referral_drain_may_say(
    ngx_http_referral_drains_t *ds);
static void ngx_http_referral_drain_foreign(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, ngx_http_referral_mark_t *mark,
    uint64_t found);


/* reads a reply to the batch that is not an error */

void
ngx_http_referral_drain_answer(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, redisReply *reply,
    referral_batch_reply_t *result)
{
    size_t  i;

    ngx_memzero(result, sizeof(referral_batch_reply_t));
    result->answer = REFERRAL_BATCH_INVALID;

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements > ds->kind->max_values)
    {
        return;
    }

    for (i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type != REDIS_REPLY_INTEGER) {
            return;
        }

        ds->values[i] = reply->element[i]->integer;
    }

    ds->kind->reply(ds->batch, result, ds->values, reply->elements,
                    ds->expected, drain->journal->last);
}


void
ngx_http_referral_drain_result(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, referral_batch_reply_t *result)
{
    ngx_msec_t  took;

    switch (result->answer) {

    case REFERRAL_BATCH_APPLIED:

        ngx_http_referral_drain_count(ds, NGX_HTTP_REFERRAL_QUARANTINED,
                                      result->refused);

        ds->mark->mark = ds->last;

        if (ds->kind->outcome) {
            ngx_http_referral_drain_outcomes(ds, drain);
        }

        if (!ds->others && drain->to > drain->from) {

            /* another pass over the chunk would find nothing */

            ngx_http_referral_drain_applied(ds, drain);
        }

        took = ngx_current_msec - ds->sent_at;

        ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ds->log, 0,
                       "referral batch: applied up to %uL in %M ms",
                       ds->last, took);

        if (took > NGX_HTTP_REFERRAL_BATCH_SLOW) {
            ds->size = ngx_max(ds->size / 2, NGX_HTTP_REFERRAL_BATCH_MIN);

        } else if (ds->size < ds->kind->max_records) {
            ds->size = ngx_min(ds->size + 50, ds->kind->max_records);
        }

        break;

    case REFERRAL_BATCH_PART:
        ngx_http_referral_drain_part(ds, drain, result);
        break;

    case REFERRAL_BATCH_AHEAD:

        /*
         * applied by an earlier command, of this worker or of a former owner
         */

        ds->mark->mark = result->found;
        break;

    case REFERRAL_BATCH_BEHIND:
        ngx_http_referral_drain_behind(ds, drain, ds->mark,
                                          result->found);
        break;

    case REFERRAL_BATCH_FOREIGN:
        ngx_http_referral_drain_foreign(ds, drain, ds->mark,
                                           result->found);
        break;

    default: /* REFERRAL_BATCH_INVALID */

        /* other replies on this connection may be wrong too */

        ngx_http_referral_redis_fail(&ds->redis,
                                     "its reply to a batch is invalid");
        ngx_http_referral_drain_retry(ds);
        return;
    }

    ngx_http_referral_drain_taken(ds, drain);

    ds->delay = 0;

    ngx_http_referral_drain_resume(ds);
}


/*
 * The program's next record waits for a click: its records are left out for a
 * moment, so that those of other programs go on
 */

static void
ngx_http_referral_drain_part(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, referral_batch_reply_t *result)
{
    ngx_http_referral_mark_t  *mark;

    mark = ds->mark;
    ds->part = ngx_current_msec;

    if (result->upto > ds->expected) {
        mark->mark = result->upto;
    }

    if (mark->part != mark->mark + 1) {
        mark->part = mark->mark + 1;
        ngx_http_referral_drain_count(ds, NGX_HTTP_REFERRAL_WAITED, 1);
    }

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ds->log, 0,
                   "referral batch: program \"%V\" applied up to %uL, the "
                   "next one waits for its click", &mark->sn.str, mark->mark);

    ngx_http_referral_drain_outcomes(ds, drain);

    ngx_http_referral_drain_aside(ds, drain, NGX_HTTP_REFERRAL_WAIT_AGAIN);
}


/* leaves out the records of the batch's program for "delay" ms */

static void
ngx_http_referral_drain_aside(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, ngx_msec_t delay)
{
    ngx_http_referral_mark_t  *mark;

    mark = ds->mark;

    mark->held = ngx_max(drain->from, mark->mark);
    mark->retry = ngx_current_msec + delay;
    mark->waiting = 1;
    drain->nwaiting++;

    if (drain->trial == mark) {
        drain->trial = NULL;
        drain->from = ngx_max(drain->from, drain->resume);
        drain->to = 0;
    }
}


/* the senders of these records may wait to hear what became of them */

static void
ngx_http_referral_drain_outcomes(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain)
{
    uint64_t                   seq;
    ngx_uint_t                 i;
    referral_append_outcome_t  outcome;

    ngx_http_referral_drain_count(ds, NGX_HTTP_REFERRAL_UNMET,
                                  ds->kind->unmet(ds->batch));

    for (i = 0; ds->kind->outcome(ds->batch, i, &seq, &outcome); i++) {
        ds->outcome(ds->data, drain, seq, &outcome);
    }
}


/* the batch was taken: ends what the log said of Redis or of the program */

static void
ngx_http_referral_drain_taken(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain)
{
    ngx_http_referral_mark_t  *mark;

    mark = ds->mark;

    if (drain->trial == mark) {
        drain->trial = NULL;
        mark->delay = 0;
    }

    if (mark->said) {
        mark->said = 0;
        ngx_log_error(NGX_LOG_NOTICE, ds->log, 0,
                      "referral: redis \"%V\" takes %s of program \"%V\" "
                      "again", &ds->conf->redis->text, ds->conf->records,
                      &mark->sn.str);
    }

    if (ds->refused) {
        ds->refused = 0;
        ngx_log_error(NGX_LOG_NOTICE, ds->log, 0,
                      "referral: redis \"%V\" takes %s again",
                      &ds->conf->redis->text, ds->conf->records);
    }
}


/*
 * An error that is not a known state of Redis, or a missing right, may concern
 * only the keys of this program.
 */

ngx_int_t
ngx_http_referral_drain_refused(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, redisReply *reply)
{
    u_char                     key[REFERRAL_BATCH_MARK_MAX];
    referral_buf_t             b;
    referral_str_t             text, program;
    ngx_http_referral_mark_t  *mark;

    text.len = reply->len;
    text.data = (u_char *) reply->str;

    switch (ds->kind->error(&text)) {

    case REFERRAL_BATCH_UNKNOWN:
    case REFERRAL_BATCH_DENIED:
        break;

    default:
        return NGX_DECLINED;
    }

    mark = ds->mark;

    mark->delay = ngx_min(ngx_max(mark->delay * 2, NGX_HTTP_REFERRAL_WAIT_MIN),
                          NGX_HTTP_REFERRAL_WAIT_MAX);

    ngx_http_referral_drain_aside(ds, drain, mark->delay);

    mark->since = ngx_current_msec;

    if (mark->said || !ngx_http_referral_drain_may_say(ds)) {
        return NGX_OK;
    }

    mark->said = 1;

    if (ds->kind->mark_key == NULL) {
        ngx_log_error(NGX_LOG_ERR, ds->log, 0,
                      "referral: redis \"%V\" does not take %s: \"%*s\"; "
                      "those of program \"%V\" are kept and sent later",
                      &ds->conf->redis->text, ds->conf->records,
                      ngx_min(reply->len, 200), reply->str, &mark->sn.str);
        return NGX_OK;
    }

    program.len = mark->sn.str.len;
    program.data = mark->sn.str.data;

    referral_buf_init(&b, key, sizeof(key));
    ds->kind->mark_key(ds->batch, &b, &program);

    ngx_log_error(NGX_LOG_ERR, ds->log, 0,
                  "referral: redis \"%V\" does not take %s: \"%*s\"; those "
                  "of program \"%V\" are kept and sent later: \"%*s\" must "
                  "be a hash of numbers, and the user may write to it",
                  &ds->conf->redis->text, ds->conf->records,
                  ngx_min(reply->len, 200), reply->str, &mark->sn.str,
                  (size_t) (b.pos - b.start), b.start);

    return NGX_OK;
}


/* limits the lines, because hundreds of programs may be refused at once */

static ngx_uint_t
ngx_http_referral_drain_may_say(ngx_http_referral_drains_t *ds)
{
    if (ds->nsaid && ngx_current_msec - ds->said_since >= 60000) {
        ds->nsaid = 0;
    }

    if (ds->nsaid == 0) {
        ds->said_since = ngx_current_msec;
    }

    return ds->nsaid++ < NGX_HTTP_REFERRAL_LINES;
}


/* after an error the records are kept and sent again */

void
ngx_http_referral_drain_error(ngx_http_referral_drains_t *ds,
    redisReply *reply)
{
    if (!ds->refused) {
        ds->refused = 1;
        ngx_log_error(NGX_LOG_ERR, ds->log, 0,
                      "referral: redis \"%V\" does not take %s: \"%*s\"; "
                      "they are kept and sent later",
                      &ds->conf->redis->text, ds->conf->records,
                      ngx_min(reply->len, 200), reply->str);
    }

    ds->size = ngx_max(ds->size / 2, NGX_HTTP_REFERRAL_BATCH_MIN);
    ds->since = ngx_current_msec;

    ngx_http_referral_drain_retry(ds);
}


/*
 * The mark in Redis is beyond what was ever written.  If the journal is this
 * process's own, or has an alias, another process uses the same id: the unsent
 * records of this program go to Redis under a new id, with the numbers that
 * they have.  The marks of other programs are right.  An adopted journal is
 * older than its mark, because its end was lost or it came from a backup: its
 * records were applied.
 */

static void
ngx_http_referral_drain_foreign(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, ngx_http_referral_mark_t *mark,
    uint64_t found)
{
    referral_str_t     program;
    referral_alias_t  *alias;

    program.len = mark->sn.str.len;
    program.data = mark->sn.str.data;

    alias = referral_journal_alias(drain->journal, &program);

    if (drain->journal->adopted && (alias == NULL || mark->alias)) {
        ngx_log_error(NGX_LOG_WARN, ds->log, 0,
                      "referral: redis has %uL %s of an adopted journal "
                      "that holds %uL: it is older than what redis knows",
                      found, ds->conf->records, drain->journal->last);

        mark->mark = found;
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ds->log, 0,
                  "referral: somebody else wrote to redis \"%V\" under this "
                  "journal's id, up to %uL in program \"%V\": going on under "
                  "a new one", &ds->conf->redis->text, found, &program);

    if (drain->journal->own) {
        ds->foreign(ds->data);
    }

    alias = referral_journal_alias_begin(ds->journals, drain->journal,
                                         &program, mark->mark);
    if (alias == NULL) {
        ngx_http_referral_drain_retry(ds);
        return;
    }

    mark->alias = alias;

    if (referral_journal_alias_note(ds->journals, drain->journal)
        != REFERRAL_OK)
    {
        ngx_log_error(NGX_LOG_CRIT, ds->log, ngx_errno,
                      "referral: the new id cannot be noted in the journal in "
                      "\"%V\": until it can, a worker that ends leaves "
                      "unsent %s of program \"%V\" behind for good",
                      &ds->conf->path, ds->conf->records, &program);
    }
}


void
ngx_http_referral_drain_retry(ngx_http_referral_drains_t *ds)
{
    ds->delay = ngx_min(ngx_max(ds->delay * 2, NGX_HTTP_REFERRAL_RETRY_MIN),
                         NGX_HTTP_REFERRAL_RETRY_MAX);

    if (!ds->retry.timer_set) {
        ngx_add_timer(&ds->retry, ds->delay / 2
                                   + ngx_random() % (ds->delay / 2));
    }
}
