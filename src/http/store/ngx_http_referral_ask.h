
/*
 * A feature's own question to Redis, on the connection of the look-ups: one
 * command, and its answer as texts.
 */


#ifndef _NGX_HTTP_REFERRAL_ASK_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_ASK_H_INCLUDED_


#include "ngx_http_referral.h"


/* texts of an answer, at most; what is more makes it an error */
#define NGX_HTTP_REFERRAL_ASK_VALUES  256


typedef struct ngx_http_referral_ask_s  ngx_http_referral_ask_t;


/*
 * NGX_OK: "n" texts, of arrays in arrays one after the other, integers in
 * decimal; they live only during the call.  NGX_DECLINED: Redis has no such
 * thing.  NGX_ERROR: an error, or the connection was lost.
 */
typedef void (*ngx_http_referral_ask_pt)(void *data, ngx_int_t rc,
    referral_str_t *value, ngx_uint_t n);


/*
 * NGX_OK: "handler" is called once, later, unless the question is cancelled.
 * NGX_DECLINED: Redis is away; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_referral_ask(ngx_http_referral_links_t *links,
    ngx_http_referral_ask_t **ask, ngx_http_referral_ask_pt handler,
    void *data, ngx_uint_t argc, referral_str_t *argv);

/* whoever asked is gone: the answer is for nobody; may be called once */
void ngx_http_referral_ask_cancel(ngx_http_referral_ask_t *ask);


#endif /* _NGX_HTTP_REFERRAL_ASK_H_INCLUDED_ */
