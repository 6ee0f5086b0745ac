
/*
 * Does a request come from a page of this host?  What sets a cookie or says
 * something of the visitor must not be said by the pages of others.
 */


#ifndef _NGX_HTTP_REFERRAL_ORIGIN_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_ORIGIN_H_INCLUDED_


#include "ngx_http_referral.h"


/* the first header of this name; data is NULL: there is none */
void ngx_http_referral_origin_header(ngx_http_request_t *r, const char *name,
    referral_str_t *value);

/*
 * By Sec-Fetch-Site, or by Origin where the browser does not send that.  With
 * "site" pages of other hosts of the same site may as well.
 */
ngx_uint_t ngx_http_referral_same_origin(ngx_http_request_t *r,
    ngx_uint_t site);


#endif /* _NGX_HTTP_REFERRAL_ORIGIN_H_INCLUDED_ */
