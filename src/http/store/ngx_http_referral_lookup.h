
/*
 * A request that waits for the program, the link and the referrer of a code.
 */


#ifndef _NGX_HTTP_REFERRAL_LOOKUP_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_LOOKUP_H_INCLUDED_


#include "ngx_http_referral.h"


/*
 * What Redis knows of a code, in ctx->wait[].  NGX_OK: it is there;
 * NGX_AGAIN: "found" is called later, within the time-out, unless the request
 * ends first.
 */

ngx_int_t ngx_http_referral_lookup(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, referral_str_t *code,
    ngx_http_referral_found_pt found);

/* the same in three steps; no event may be handled between them */

void ngx_http_referral_lookup_start(ngx_http_referral_ctx_t *ctx,
    referral_str_t *code, ngx_http_referral_found_pt found);
void ngx_http_referral_lookup_prefetch(ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_lookup_finish(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/*
 * The links of the cookie's open touches, in ctx->touches[]; the two waits
 * together are no longer than one.
 */
ngx_int_t ngx_http_referral_lookup_touches(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_found_pt found);


#endif /* _NGX_HTTP_REFERRAL_LOOKUP_H_INCLUDED_ */
