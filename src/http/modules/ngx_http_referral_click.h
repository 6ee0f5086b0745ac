
/*
 * The short link, which makes a click of a request: its configuration, and the
 * functions that its files share.
 */


#ifndef _NGX_HTTP_REFERRAL_CLICK_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_CLICK_H_INCLUDED_


#include "ngx_http_referral_conf.h"
#include "ngx_http_referral_recorder.h"


/* the settings of a location */

typedef struct {
    ngx_http_referral_place_t       *place;       /* NULL: not a short link */
    ngx_array_t                     *hosts;       /* of landings: "allow", or
                                                     the host of "landing" */
    ngx_http_referral_template_t    *args;
    ngx_uint_t                       status;
    ngx_flag_t                       forward_args;
    ngx_http_complex_value_t        *channel;
} ngx_http_referral_click_conf_t;


/* a short link, kept until the whole configuration can be checked */

typedef struct {
    ngx_http_referral_click_conf_t  *conf;
    ngx_http_referral_loc_conf_t    *rlcf;
    ngx_http_core_loc_conf_t        *clcf;
    ngx_http_core_srv_conf_t        *cscf;
} ngx_http_referral_short_t;


/* clicks of one turn of the event loop, which take their steps together */

typedef struct {
    ngx_queue_t                      clicks;      /* of contexts */
    ngx_uint_t                       n;
    ngx_event_t                      event;
} ngx_http_referral_click_group_t;


typedef struct {
    ngx_array_t                      shorts;      /* of ..._short_t */
    ngx_http_referral_click_group_t  group;
} ngx_http_referral_click_main_conf_t;


extern ngx_module_t  ngx_http_referral_click_module;


/* the content handler of short links, and the groups that clicks join there */

void ngx_http_referral_click_group_init(ngx_http_referral_click_group_t *group,
    ngx_log_t *log);
ngx_int_t ngx_http_referral_click_group_handler(ngx_http_request_t *r);

/*
 * Checks for what cannot work.  ..._hosts() runs when a short link's location
 * is merged; it sets "hosts" and returns NGX_CONF_ERROR for what is wrong.
 * The others warn when the whole configuration is known; ..._shared()
 * compares the "n"-th short link with those before it.
 */

char *ngx_http_referral_click_check_hosts(ngx_conf_t *cf,
    ngx_http_referral_click_conf_t *conf, ngx_http_referral_loc_conf_t *rlcf);
void ngx_http_referral_click_check(ngx_conf_t *cf, ngx_array_t *shorts);
void ngx_http_referral_click_check_cookie(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
void ngx_http_referral_click_check_shared(ngx_conf_t *cf,
    ngx_http_referral_short_t *s, ngx_uint_t n);
ngx_uint_t ngx_http_referral_click_has_name(ngx_http_core_srv_conf_t *cscf,
    ngx_str_t *name);

/*
 * The steps of a click, in their order.  admit: NGX_OK if the request is a
 * click, else its answer.  finish: the answer, or NGX_AGAIN if the click waits
 * and is finalized later.  Answers are for ngx_http_finalize_request().
 */

ngx_int_t ngx_http_referral_click_admit(ngx_http_request_t *r,
    ngx_http_referral_ctx_t **click);
void ngx_http_referral_click_prefetch_keys(ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_click_prefetch_values(ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_click_lookup(ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_click_finish(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/* encodes the click's record into "data"; its length, or REFERRAL_ERROR */
ssize_t ngx_http_referral_click_record(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, u_char *data, size_t size);

/*
 * The answer.  prepare makes its header before the record is written, unless a
 * fallback location answers; NGX_ERROR: no memory.  send is for when the
 * record is safe; it returns a result for ngx_http_finalize_request(), never
 * NGX_AGAIN.
 */

ngx_int_t ngx_http_referral_click_answer_prepare(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_click_answer_send(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);


/* 1: Redis did not answer, so it is not known whether the link exists */

static ngx_inline ngx_uint_t
ngx_http_referral_click_unknown(ngx_http_referral_ctx_t *ctx)
{
    return ctx->decision.result == REFERRAL_RESULT_UNRESOLVED
           && ctx->click.link == NULL;
}


/* 1: the touch of the cookie was a click on the same link */

static ngx_inline ngx_uint_t
ngx_http_referral_click_touched(ngx_http_referral_ctx_t *ctx,
    referral_touch_t *touch)
{
    return touch->code_len == ctx->code.len
           && ngx_memcmp(touch->code, ctx->code.data, ctx->code.len) == 0;
}


#endif /* _NGX_HTTP_REFERRAL_CLICK_H_INCLUDED_ */
