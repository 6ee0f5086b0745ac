
#include "ngx_http_referral.h"
#include "referral_address.h"


/*
 * The day's salt: made at noon of the day before by whoever comes first,
 * shared through Redis, and gone there 48 hours after it was made.
 */

#define NGX_HTTP_REFERRAL_SALT_TTL    "172800"
#define NGX_HTTP_REFERRAL_SALT_CHECK  30000
#define NGX_HTTP_REFERRAL_SALT_RETRY  1000


typedef struct {
    int64_t                          day;        /* since 1970 */
    ngx_uint_t                       known;
    u_char                           salt[REFERRAL_SALT_SIZE];
} ngx_http_referral_salt_t;


struct ngx_http_referral_salts_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    ngx_http_referral_main_conf_t   *conf;
    ngx_log_t                       *log;
    referral_address_t              *address;
    ngx_socket_t                     ident;

    ngx_http_referral_redis_t       *redis;      /* of the look-ups */
    ngx_event_t                      timer;
    ngx_uint_t                       asking;
    ngx_uint_t                       closing;
    int64_t                          asked;      /* day */
    int64_t                          wanted;     /* day that a click missed */
    ngx_http_referral_salt_t         salts[4];   /* by day */
};


static void ngx_http_referral_salts_wake(void *data);
static void ngx_http_referral_salts_handler(ngx_event_t *ev);
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

    /* freed by nobody: a reply may come when all is closed */

    salts = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_http_referral_salts_t));
    if (salts == NULL) {
        return NULL;
    }

    salts->conf = rmcf;
    salts->log = log;
    salts->ident = (ngx_socket_t) -1;

    salts->address = referral_address_create();

    if (salts->address == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "referral: OpenSSL has no SipHash: addresses are not "
                      "counted");
        return NULL;
    }

    salts->timer.data = salts;
    salts->timer.handler = ngx_http_referral_salts_handler;
    salts->timer.log = log;
    salts->timer.cancelable = 1;

    salts->redis = ngx_http_referral_links_redis(rmcf->lookup,
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

    referral_address_free(salts->address);
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
    int64_t                     today, seconds;
    ngx_http_referral_salts_t  *salts;

    salts = ev->data;

    if (salts->asking) {
        return;
    }

    seconds = ngx_time() % 86400;
    today = ngx_time() / 86400;

    if (!ngx_http_referral_salts_known(salts, today)) {
        ngx_http_referral_salts_ask(salts, today);

    } else if (salts->wanted
               && !ngx_http_referral_salts_known(salts, salts->wanted))
    {
        ngx_http_referral_salts_ask(salts, salts->wanted);

    } else if (seconds >= 43200
               && !ngx_http_referral_salts_known(salts, today + 1))
    {
        ngx_http_referral_salts_ask(salts, today + 1);
    }

    salts->wanted = 0;

    if (!salts->asking) {
        ngx_add_timer(ev, salts->redis->ready ? NGX_HTTP_REFERRAL_SALT_CHECK
                                              : NGX_HTTP_REFERRAL_SALT_RETRY);
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
    u_char          *p;
    size_t           argvlen[6];
    u_char           salt[REFERRAL_SALT_SIZE];
    u_char           hex[2 * REFERRAL_SALT_SIZE];
    u_char           key[128];
    ngx_str_t       *prefix;
    const char      *argv[6];

    if (!salts->redis->ready
        || referral_random(&salts->conf->random, salt, REFERRAL_SALT_SIZE)
           != REFERRAL_OK)
    {
        return;
    }

    ngx_hex_dump(hex, salt, REFERRAL_SALT_SIZE);

    prefix = &salts->conf->redis.prefix;

    p = ngx_cpymem(key, prefix->data, prefix->len);
    p = ngx_cpymem(p, "salt:", 5);
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
    argv[5] = NGX_HTTP_REFERRAL_SALT_TTL;
    argvlen[5] = sizeof(NGX_HTTP_REFERRAL_SALT_TTL) - 1;

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


/* whoever was first: the reply to GET tells */

static void
ngx_http_referral_salts_set(void *data, redisReply *reply)
{
    /* void */
}


static void
ngx_http_referral_salts_reply(void *data, redisReply *reply)
{
    ngx_http_referral_salts_t *salts = data;

    referral_str_t             text;
    ngx_http_referral_salt_t  *salt;

    salts->asking = 0;

    if (salts->closing) {
        return;
    }

    if (reply && reply->type == REDIS_REPLY_STRING) {
        salt = &salts->salts[salts->asked & 3];

        text.len = reply->len;
        text.data = (u_char *) reply->str;

        if (text.len == 2 * REFERRAL_SALT_SIZE
            && referral_hex_decode(salt->salt, REFERRAL_SALT_SIZE, &text)
               == REFERRAL_SALT_SIZE)
        {
            salt->day = salts->asked;
            salt->known = 1;

            ngx_add_timer(&salts->timer, 1);
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
    salts = rmcf->salts;

    if (salts == NULL) {
        return NGX_DECLINED;
    }

    day = referral_time_day_number(ctx->now, ctx->decision.offset);

    if (!ngx_http_referral_salts_known(salts, day)) {
        salts->wanted = day;
        return NGX_DECLINED;
    }

    return referral_address_hash(salts->address, address,
                                 salts->salts[day & 3].salt,
                                 r->connection->sockaddr,
                                 ngx_http_referral_header(r, ctx,
                                              NGX_HTTP_REFERRAL_USER_AGENT))
           == REFERRAL_OK ? NGX_OK : NGX_DECLINED;
}
