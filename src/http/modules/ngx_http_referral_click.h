
/*
 * The short link: how its files call each other.
 */


#ifndef _NGX_HTTP_REFERRAL_CLICK_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_CLICK_H_INCLUDED_


#include "ngx_http_referral.h"


/* clicks as they come, and their steps */

void ngx_http_referral_click_group_init(ngx_http_referral_click_group_t *group,
    ngx_log_t *log);
ngx_int_t ngx_http_referral_click_group_handler(ngx_http_request_t *r);

/*
 * The short link, in the order of its steps.  admit: NGX_OK, or how to
 * answer; finish: NGX_AGAIN, it finalizes itself later, or how to answer.
 */

ngx_int_t ngx_http_referral_click_admit(ngx_http_request_t *r,
    ngx_http_referral_ctx_t **click);
void ngx_http_referral_click_prefetch_keys(ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_click_prefetch_values(ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_click_lookup(ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_click_finish(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/* the record of a click into "data": its length, or REFERRAL_ERROR */
ssize_t ngx_http_referral_click_record(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, u_char *data, size_t size);

/*
 * The answer: its header is made first, and sent when the click is safe.
 * prepare: NGX_ERROR without memory; where the fallback is a location there is
 * none.  send: for ngx_http_finalize_request(), never NGX_AGAIN.
 */

ngx_int_t ngx_http_referral_click_answer_prepare(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_click_answer_send(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);


/* Redis was not there to say whether the link exists */

static ngx_inline ngx_uint_t
ngx_http_referral_click_unknown(ngx_http_referral_ctx_t *ctx)
{
    return ctx->decision.result == REFERRAL_RESULT_UNRESOLVED
           && ctx->click.link == NULL;
}


/* was this touch of the cookie a click on the same link? */

static ngx_inline ngx_uint_t
ngx_http_referral_click_touched(ngx_http_referral_ctx_t *ctx,
    referral_touch_t *touch)
{
    return touch->code_len == ctx->code.len
           && ngx_memcmp(touch->code, ctx->code.data, ctx->code.len) == 0;
}


#endif /* _NGX_HTTP_REFERRAL_CLICK_H_INCLUDED_ */
