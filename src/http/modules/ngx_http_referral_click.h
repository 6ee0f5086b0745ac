
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
 * answer; go: NGX_AGAIN, it finalizes itself later, or how to answer.
 */

ngx_int_t ngx_http_referral_click_admit(ngx_http_request_t *r,
    ngx_http_referral_ctx_t **click);
void ngx_http_referral_click_prefetch_keys(ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_click_prefetch_values(ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_click_lookup(ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_click_finish(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/*
 * The answer: its header is made first, and sent when the click is safe.
 * prepare: NGX_ERROR without memory; where the fallback is a location there is
 * none.  send: for ngx_http_finalize_request(), never NGX_AGAIN.
 */

ngx_int_t ngx_http_referral_answer_prepare(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_answer_send(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);


#endif /* _NGX_HTTP_REFERRAL_CLICK_H_INCLUDED_ */
