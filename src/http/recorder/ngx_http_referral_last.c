
#include "ngx_http_referral_drain.h"


/* ms, for all last batches together */
#define NGX_HTTP_REFERRAL_LAST         1000


static ngx_int_t ngx_http_referral_last_batch(
    ngx_http_referral_drains_t *ds, redisContext *rc,
    ngx_http_referral_drain_t *drain, ngx_uint_t full);
static redisContext *ngx_http_referral_last_connect(
    ngx_http_referral_drains_t *ds);
static ngx_int_t ngx_http_referral_last_agreed(redisReply *reply);


/*
 * The event loop is over and the sockets are closed, so only the master waits.
 * What is not sent within the second is in the journal, or lost if the disk
 * has failed.
 */

void
ngx_http_referral_last_send(ngx_http_referral_drains_t *ds)
{
    ngx_int_t                   rv;
    ngx_uint_t                  full;
    ngx_msec_t                  start;
    ngx_queue_t                *q;
    redisContext               *rc;
    ngx_http_referral_drain_t  *drain;

    if (ds->redis.failing) {
        return;
    }

    rc = NULL;
    full = 1;

    ngx_time_update();
    start = ngx_current_msec;

    /* what another worker finds on the disk may wait there, no other */

    ds->urgent = (referral_journals_unwritten(ds->journals, NULL) != 0);

    for (q = ngx_queue_head(&ds->all);
         q != ngx_queue_sentinel(&ds->all);
         q = ngx_queue_next(q))
    {
        drain = ngx_queue_data(q, ngx_http_referral_drain_t, queue);

        if (drain->journal->adopted || drain->ending) {
            continue;
        }

        while (ngx_current_msec - start < NGX_HTTP_REFERRAL_LAST) {

            rv = ngx_http_referral_drain_prepare(ds, drain);

            if (rv == NGX_BUSY) {
                ngx_time_update();
                continue;
            }

            if (rv != NGX_OK) {
                break;
            }

            if (rc == NULL) {
                rc = ngx_http_referral_last_connect(ds);
            }

            if (rc == NULL
                || ngx_http_referral_last_batch(ds, rc, drain, full)
                   != NGX_OK)
            {
                goto done;
            }

            full = 0;
        }
    }

done:

    if (ds->next.posted) {
        ngx_delete_posted_event(&ds->next);
    }

    if (rc) {
        redisFree(rc);
    }
}


static ngx_int_t
ngx_http_referral_last_batch(ngx_http_referral_drains_t *ds,
    redisContext *rc, ngx_http_referral_drain_t *drain, ngx_uint_t full)
{
    ngx_int_t                waits;
    redisReply              *reply;
    referral_str_t           command;
    referral_batch_reply_t   result;

    if (ds->kind->command(ds->batch, full, &command) != REFERRAL_OK) {
        return NGX_ERROR;
    }

    ds->records = ds->kind->count(ds->batch);
    ds->last = ds->kind->last(ds->batch);
    ds->sent_at = ngx_current_msec;

    if (redisAppendFormattedCommand(rc, (char *) command.data, command.len)
        != REDIS_OK
        || redisGetReply(rc, (void **) &reply) != REDIS_OK
        || reply == NULL)
    {
        return NGX_ERROR;
    }

    ngx_time_update();

    ngx_http_referral_drain_answer(ds, drain, reply, &result);

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_log_error(NGX_LOG_WARN, ds->log, 0,
                      "referral: the last batch was refused: \"%*s\"",
                      ngx_min(reply->len, 200), reply->str);
    }

    waits = (reply->type == REDIS_REPLY_ERROR)
                 ? ngx_http_referral_drain_refused(ds, drain, reply)
                 : NGX_DECLINED;

    freeReplyObject(reply);

    if (waits == NGX_OK) {
        return NGX_OK;
    }

    switch (result.answer) {

    case REFERRAL_BATCH_APPLIED:
    case REFERRAL_BATCH_PART:
    case REFERRAL_BATCH_AHEAD:
    case REFERRAL_BATCH_BEHIND:
        ngx_http_referral_drain_result(ds, drain, &result);
        return NGX_OK;

    default:
        return NGX_ERROR;
    }
}


static redisContext *
ngx_http_referral_last_connect(ngx_http_referral_drains_t *ds)
{
    redisReply                      *reply;
    redisContext                    *rc;
    struct timeval                   tv;
    ngx_http_referral_redis_conf_t  *conf;

    conf = ds->conf->redis;

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

        if (ngx_http_referral_last_agreed(reply) != NGX_OK) {
            goto failed;
        }
    }

    if (conf->db) {
        reply = redisCommand(rc, "SELECT %d", (int) conf->db);

        if (ngx_http_referral_last_agreed(reply) != NGX_OK) {
            goto failed;
        }
    }

    return rc;

failed:

    redisFree(rc);

    return NULL;
}


/* NGX_ERROR: Redis rejected the login or the database */

static ngx_int_t
ngx_http_referral_last_agreed(redisReply *reply)
{
    ngx_int_t  rc;

    if (reply == NULL) {
        return NGX_ERROR;
    }

    rc = (reply->type == REDIS_REPLY_ERROR) ? NGX_ERROR : NGX_OK;

    freeReplyObject(reply);

    return rc;
}
