
#include "ngx_http_referral_ask.h"
#include "ngx_http_referral_links.h"
#include "ngx_http_referral_redis.h"


#define NGX_HTTP_REFERRAL_ASK_ARGS   8
#define NGX_HTTP_REFERRAL_ASK_DEPTH  4    /* arrays in arrays */


struct ngx_http_referral_ask_s {
    ngx_http_referral_ask_pt   handler;      /* NULL: cancelled */
    void                      *data;
};


typedef struct {
    referral_str_t            *value;
    ngx_uint_t                 n;
    ngx_uint_t                 nnumbers;
    u_char                   (*number)[NGX_INT64_LEN];
} ngx_http_referral_ask_answer_t;


static void ngx_http_referral_ask_reply(void *data, redisReply *reply);
static ngx_int_t ngx_http_referral_ask_flatten(
    ngx_http_referral_ask_answer_t *answer, redisReply *reply);
static ngx_int_t ngx_http_referral_ask_value(
    ngx_http_referral_ask_answer_t *answer, redisReply *reply);


ngx_int_t
ngx_http_referral_ask(ngx_http_referral_links_t *links,
    ngx_http_referral_ask_t **ask, ngx_http_referral_ask_pt handler,
    void *data, ngx_uint_t argc, referral_str_t *argv)
{
    size_t                    len[NGX_HTTP_REFERRAL_ASK_ARGS];
    ngx_int_t                 rc;
    ngx_uint_t                i;
    const char               *arg[NGX_HTTP_REFERRAL_ASK_ARGS];
    ngx_http_referral_ask_t  *a;

    if (argc > NGX_HTTP_REFERRAL_ASK_ARGS) {
        return NGX_ERROR;
    }

    for (i = 0; i < argc; i++) {
        arg[i] = (const char *) argv[i].data;
        len[i] = argv[i].len;
    }

    /* not of the request's pool: a reply may come when that is gone */

    a = ngx_alloc(sizeof(ngx_http_referral_ask_t), ngx_cycle->log);
    if (a == NULL) {
        return NGX_ERROR;
    }

    a->handler = handler;
    a->data = data;

    rc = ngx_http_referral_redis_command(
             ngx_http_referral_links_redis(links, NULL, NULL),
             ngx_http_referral_ask_reply, a, argc, arg, len);

    if (rc != NGX_OK) {
        ngx_free(a);
        return NGX_DECLINED;
    }

    *ask = a;

    return NGX_OK;
}


void
ngx_http_referral_ask_cancel(ngx_http_referral_ask_t *ask)
{
    ask->handler = NULL;
}


static void
ngx_http_referral_ask_reply(void *data, redisReply *reply)
{
    ngx_http_referral_ask_t *ask = data;

    u_char                          number[NGX_HTTP_REFERRAL_ASK_VALUES]
                                          [NGX_INT64_LEN];
    void                           *owner;
    ngx_int_t                       rc;
    referral_str_t                  value[NGX_HTTP_REFERRAL_ASK_VALUES];
    ngx_http_referral_ask_pt        handler;
    ngx_http_referral_ask_answer_t  answer;

    handler = ask->handler;
    owner = ask->data;

    ngx_free(ask);

    if (handler == NULL) {
        return;
    }

    answer.value = value;
    answer.number = number;
    answer.n = 0;
    answer.nnumbers = 0;

    rc = reply ? ngx_http_referral_ask_flatten(&answer, reply) : NGX_ERROR;

    if (rc == NGX_OK && answer.n == 0) {
        rc = NGX_DECLINED;
    }

    handler(owner, rc, value, answer.n);
}


/* arrays in arrays; a text that is missing in one is an empty text */

static ngx_int_t
ngx_http_referral_ask_flatten(ngx_http_referral_ask_answer_t *answer,
    redisReply *reply)
{
    size_t       next[NGX_HTTP_REFERRAL_ASK_DEPTH];
    ngx_uint_t   depth;
    redisReply  *at, *array[NGX_HTTP_REFERRAL_ASK_DEPTH];

    if (reply->type == REDIS_REPLY_NIL) {
        return NGX_OK;
    }

    at = reply;
    depth = 0;

    for ( ;; ) {

        if (at->type != REDIS_REPLY_ARRAY) {

            if (ngx_http_referral_ask_value(answer, at) != NGX_OK) {
                return NGX_ERROR;
            }

        } else if (depth == NGX_HTTP_REFERRAL_ASK_DEPTH) {
            return NGX_ERROR;

        } else {
            array[depth] = at;
            next[depth] = 0;
            depth++;
        }

        while (depth && next[depth - 1] == array[depth - 1]->elements) {
            depth--;
        }

        if (depth == 0) {
            return NGX_OK;
        }

        at = array[depth - 1]->element[next[depth - 1]++];
    }
}


static ngx_int_t
ngx_http_referral_ask_value(ngx_http_referral_ask_answer_t *answer,
    redisReply *reply)
{
    u_char          *p;
    referral_str_t  *value;

    if (answer->n == NGX_HTTP_REFERRAL_ASK_VALUES) {
        return NGX_ERROR;
    }

    value = &answer->value[answer->n++];

    switch (reply->type) {

    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        value->data = (u_char *) reply->str;
        value->len = reply->len;
        return NGX_OK;

    case REDIS_REPLY_INTEGER:
        p = answer->number[answer->nnumbers++];
        value->data = p;
        value->len = ngx_sprintf(p, "%L", (int64_t) reply->integer) - p;
        return NGX_OK;

    case REDIS_REPLY_NIL:
        value->data = NULL;
        value->len = 0;
        return NGX_OK;

    default:
        return NGX_ERROR;
    }
}
