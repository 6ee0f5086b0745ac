
/*
 * The look-ups of a request: the entries of program, link and referrer of a
 * code, and the wait for them, which has a time-out.
 */


#ifndef _NGX_HTTP_REFERRAL_LOOKUP_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_LOOKUP_H_INCLUDED_


#include "ngx_http_referral.h"


/*
 * Looks up a code, into ctx->wait[].  NGX_OK: done; NGX_AGAIN: "found" is
 * called later, within the time-out, unless the request ends before;
 * NGX_ERROR: no memory.
 */

ngx_int_t ngx_http_referral_lookup(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, referral_str_t *code,
    ngx_http_referral_found_pt found);

/* the same in three steps, between which no event may be handled */

void ngx_http_referral_lookup_start(ngx_http_referral_ctx_t *ctx,
    referral_str_t *code, ngx_http_referral_found_pt found);
void ngx_http_referral_lookup_prefetch(ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_lookup_finish(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/*
 * Looks up the links of the cookie's open touches, into ctx->touches[].  The
 * time-out is for this wait and an earlier one together.
 */
ngx_int_t ngx_http_referral_lookup_touches(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_found_pt found);


#endif /* _NGX_HTTP_REFERRAL_LOOKUP_H_INCLUDED_ */
