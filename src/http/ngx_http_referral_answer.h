
/*
 * What answers of features have in common: header fields, and the attribution
 * cookie.
 */


#ifndef _NGX_HTTP_REFERRAL_ANSWER_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_ANSWER_H_INCLUDED_


#include "ngx_http_referral.h"


/* NULL: no memory.  Key and value must live as long as the request. */
ngx_table_elt_t *ngx_http_referral_answer_header(ngx_http_request_t *r,
    ngx_str_t *key, ngx_str_t *value);

/*
 * Set-Cookie, with the cookie signed, as "referral_cookie" of the location
 * says; it lives for "window" seconds if that does not say it.  Nothing where
 * cookies are off.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_referral_answer_cookie(ngx_http_request_t *r,
    ngx_http_referral_loc_conf_t *rlcf, ngx_http_referral_ctx_t *ctx,
    const referral_cookie_t *cookie, int64_t window);


#endif /* _NGX_HTTP_REFERRAL_ANSWER_H_INCLUDED_ */
