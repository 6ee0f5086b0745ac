
#include "ngx_http_referral_links.h"
#include "ngx_http_referral_redis.h"
#include "ngx_http_referral_request.h"
#include "ngx_http_referral_salts.h"
#include "referral_address.h"
#include "referral_keys.h"


/*
 * A day's salt is made at noon (UTC) of the day before, by the first worker
 * that asks Redis, shared through Redis, and forgotten there and here 48 hours
 * later.
 */

#define NGX_HTTP_REFERRAL_SALT_TTL    172800
#define NGX_HTTP_REFERRAL_SALT_NOON   43200
#define NGX_HTTP_REFERRAL_SALT_CHECK  30000
#define NGX_HTTP_REFERRAL_SALT_RETRY  1000


typedef struct {
    int64_t                          day;        /* days since 1970 */
    ngx_uint_t                       known;
    u_char                           salt[REFERRAL_SALT_SIZE];
} ngx_http_referral_salt_t;


struct ngx_http_referral_salts_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    ngx_http_referral_main_conf_t   *conf;
    ngx_log_t                       *log;
    ngx_http_referral_redis_t       *redis;      /* the look-ups' connection */
    ngx_socket_t                     ident;

    ngx_event_t                      timer;
    ngx_uint_t                       asking;
    ngx_uint_t                       closing;
    int64_t                          asked;      /* for this day */
    ngx_msec_t                       tried;      /* when Redis was asked last */
    int64_t                          wanted;     /* a click needed this
                                                    day's; 0: none */
    ngx_msec_t                       since;      /* when "wanted" was set */
    ngx_uint_t                       said;       /* the log has it that
                                                    addresses are not counted */
    ngx_http_referral_salt_t         salts[4];   /* by the day modulo 4 */
};


static void ngx_http_referral_salts_wake(void *data);
static void ngx_http_referral_salts_handler(ngx_event_t *ev);
static void ngx_http_referral_salts_forget(ngx_http_referral_salts_t *salts,
    int64_t noon);
static void ngx_http_referral_salts_say(ngx_http_referral_salts_t *salts,
    int64_t today, int64_t noon);
static ngx_uint_t ngx_http_referral_salts_known(
    ngx_http_referral_salts_t *salts, int64_t day);
static void ngx_http_referral_salts_ask(ngx_http_referral_salts_t *salts,
    int64_t day);
static void ngx_http_referral_salts_set(void *data, redisReply *reply);
static void ngx_http_referral_salts_reply(void *data, redisReply *reply);


ngx_http_referral_salts_t *
ngx_http_referral_salts_create(ngx_http_referral_main_conf_t *rmcf,
    ngx_log_t *log)
{
    ngx_http_referral_salts_t  *salts;

    /* in the cycle's pool: a reply may come after the close */

    salts = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_http_referral_salts_t));
    if (salts == NULL) {
        return NULL;
    }

    salts->conf = rmcf;
    salts->log = log;
    salts->ident = (ngx_socket_t) -1;

    salts->timer.data = salts;
    salts->timer.handler = ngx_http_referral_salts_handler;
    salts->timer.log = log;
    salts->timer.cancelable = 1;

    salts->redis = ngx_http_referral_links_redis(rmcf->worker->links,
                                                 ngx_http_referral_salts_wake,
                                                 salts);

    ngx_add_timer(&salts->timer, 1);

    return salts;
}


void
ngx_http_referral_salts_close(ngx_http_referral_salts_t *salts)
{
    salts->closing = 1;

    if (salts->timer.timer_set) {
        ngx_del_timer(&salts->timer);
    }
}


static void
ngx_http_referral_salts_wake(void *data)
{
    ngx_http_referral_salts_t *salts = data;

    ngx_add_timer(&salts->timer, 0);
}


static void
ngx_http_referral_salts_handler(ngx_event_t *ev)
{
    int64_t                     today, noon;
    ngx_http_referral_salts_t  *salts;

    salts = ev->data;

    if (salts->asking) {
        return;
    }

    /* "noon" is the day of the last noon */

    today = ngx_time() / 86400;
    noon = (ngx_time() - NGX_HTTP_REFERRAL_SALT_NOON) / 86400;

    ngx_http_referral_salts_forget(salts, noon);
    ngx_http_referral_salts_say(salts, today, noon);

    if (!ngx_http_referral_salts_known(salts, today)) {
        ngx_http_referral_salts_ask(salts, today);

    } else if (salts->wanted) {
        ngx_http_referral_salts_ask(salts, salts->wanted);

    } else if (noon == today
               && !ngx_http_referral_salts_known(salts, today + 1))
    {
        ngx_http_referral_salts_ask(salts, today + 1);

    } else if (ngx_current_msec - salts->tried
               >= NGX_HTTP_REFERRAL_SALT_CHECK)
    {
        /*
         * restores a salt that Redis lost, before other workers make another
         * one
         */

        ngx_http_referral_salts_ask(salts, noon == today
                                           && salts->asked == today
                                           ? today + 1 : today);
    }

    if (!salts->asking) {
        ngx_add_timer(ev, salts->redis->ready ? NGX_HTTP_REFERRAL_SALT_CHECK
                                              : NGX_HTTP_REFERRAL_SALT_RETRY);
    }
}


/* a day has ended in all time zones at noon (UTC) of the next one */

static void
ngx_http_referral_salts_forget(ngx_http_referral_salts_t *salts, int64_t noon)
{
    ngx_uint_t                 i;
    ngx_http_referral_salt_t  *salt;

    for (i = 0; i < 4; i++) {
        salt = &salts->salts[i];

        if (salt->known && (salt->day < noon || salt->day > noon + 2)) {
            ngx_explicit_memzero(salt, sizeof(ngx_http_referral_salt_t));
        }
    }
}


/*
 * logs each change once; a worker that has just started has a second to learn
 * the salt
 */

static void
ngx_http_referral_salts_say(ngx_http_referral_salts_t *salts, int64_t today,
    int64_t noon)
{
    if (salts->wanted
        && (ngx_http_referral_salts_known(salts, salts->wanted)
            || salts->wanted < noon
            || salts->wanted > noon + 2))
    {
        salts->wanted = 0;
    }

    if (salts->wanted && !salts->said
        && ngx_current_msec - salts->since >= NGX_HTTP_REFERRAL_SALT_RETRY)
    {
        salts->said = 1;

        ngx_log_error(NGX_LOG_WARN, salts->log, 0,
                      "referral: addresses are not counted: redis \"%V\" has "
                      "not returned the day's salt", &salts->conf->redis.text);
    }

    if (salts->said && !salts->wanted
        && ngx_http_referral_salts_known(salts, today))
    {
        salts->said = 0;

        ngx_log_error(NGX_LOG_NOTICE, salts->log, 0,
                      "referral: addresses are counted again");
    }
}


static ngx_uint_t
ngx_http_referral_salts_known(ngx_http_referral_salts_t *salts, int64_t day)
{
    return salts->salts[day & 3].known && salts->salts[day & 3].day == day;
}


static void
ngx_http_referral_salts_ask(ngx_http_referral_salts_t *salts, int64_t day)
{
    u_char                *p;
    size_t                 argvlen[6];
    u_char                 salt[REFERRAL_SALT_SIZE];
    u_char                 hex[2 * REFERRAL_SALT_SIZE];
    u_char                 ttl[NGX_TIME_T_LEN];
    u_char                 key[128];
    int64_t                left;
    ngx_str_t             *prefix;
    const char            *argv[6];
    const referral_str_t  *family;

    salts->tried = ngx_current_msec;

    left = (day + 1) * 86400 + NGX_HTTP_REFERRAL_SALT_NOON - ngx_time();

    if (!salts->redis->ready || left <= 0) {
        return;
    }

    if (ngx_http_referral_salts_known(salts, day)) {
        ngx_memcpy(salt, salts->salts[day & 3].salt, REFERRAL_SALT_SIZE);

    } else if (referral_random(&salts->conf->worker->random, salt,
                               REFERRAL_SALT_SIZE)
               != REFERRAL_OK)
    {
        return;
    }

    ngx_hex_dump(hex, salt, REFERRAL_SALT_SIZE);
    ngx_explicit_memzero(salt, REFERRAL_SALT_SIZE);

    left = ngx_min(left, NGX_HTTP_REFERRAL_SALT_TTL);

    prefix = &salts->conf->redis.prefix;
    family = referral_key_family(REFERRAL_KEY_SALT);

    p = ngx_cpymem(key, prefix->data, prefix->len);
    p = ngx_cpymem(p, family->data, family->len);
    referral_time_day(p, day * REFERRAL_DAY_MS, 0);
    p += REFERRAL_DAY_LEN;

    argv[0] = "SET";
    argvlen[0] = 3;
    argv[1] = (char *) key;
    argvlen[1] = p - key;
    argv[2] = (char *) hex;
    argvlen[2] = sizeof(hex);
    argv[3] = "NX";
    argvlen[3] = 2;
    argv[4] = "EX";
    argvlen[4] = 2;
    argv[5] = (char *) ttl;
    argvlen[5] = ngx_sprintf(ttl, "%T", (time_t) left) - ttl;

    if (ngx_http_referral_redis_command(salts->redis,
                                        ngx_http_referral_salts_set, salts, 6,
                                        argv, argvlen)
        != NGX_OK)
    {
        return;
    }

    argv[0] = "GET";

    if (ngx_http_referral_redis_command(salts->redis,
                                        ngx_http_referral_salts_reply, salts,
                                        2, argv, argvlen)
        == NGX_OK)
    {
        salts->asking = 1;
        salts->asked = day;
    }
}


/* whether this SET was the first or another's, the reply to GET is the salt */

static void
ngx_http_referral_salts_set(void *data, redisReply *reply)
{
    /* void */
}


static void
ngx_http_referral_salts_reply(void *data, redisReply *reply)
{
    ngx_http_referral_salts_t *salts = data;

    ngx_uint_t                 known;
    referral_str_t             text;
    ngx_http_referral_salt_t  *salt;

    salts->asking = 0;

    if (salts->closing) {
        return;
    }

    if (reply && reply->type == REDIS_REPLY_STRING
        && reply->len == 2 * REFERRAL_SALT_SIZE)
    {
        known = ngx_http_referral_salts_known(salts, salts->asked);
        salt = &salts->salts[salts->asked & 3];

        text.len = reply->len;
        text.data = (u_char *) reply->str;

        if (referral_hex_decode(salt->salt, REFERRAL_SALT_SIZE, &text)
            == REFERRAL_SALT_SIZE)
        {
            salt->day = salts->asked;
            salt->known = 1;

            /* the salt of another day may be missing */

            ngx_add_timer(&salts->timer, known ? NGX_HTTP_REFERRAL_SALT_CHECK
                                               : 1);
            return;
        }

        salt->known = 0;
    }

    ngx_add_timer(&salts->timer, NGX_HTTP_REFERRAL_SALT_RETRY);
}


ngx_int_t
ngx_http_referral_salt_address(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uint64_t *address)
{
    int64_t                         day;
    ngx_http_referral_salts_t      *salts;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);
    salts = rmcf->worker->salts;

    if (salts == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_referral_find_agent(r, ctx);

    day = referral_time_day_number(ctx->now, ctx->decision.offset);

    if (!ngx_http_referral_salts_known(salts, day)) {

        if (salts->wanted == 0) {
            salts->since = ngx_current_msec;
        }

        salts->wanted = day;

        /* the clock was set, or the program's day begins before noon (UTC) */

        if (!salts->asking
            && ngx_current_msec - salts->tried >= NGX_HTTP_REFERRAL_SALT_RETRY)
        {
            ngx_add_timer(&salts->timer, 1);
        }

        return NGX_DECLINED;
    }

    return referral_address_hash(address, salts->salts[day & 3].salt,
                                 r->connection->sockaddr, ctx->agent_hash)
           == REFERRAL_OK ? NGX_OK : NGX_DECLINED;
}
