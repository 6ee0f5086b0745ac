
/*
 * The salt of each day, with which the addresses of visitors are hashed: they
 * are counted, but not kept.
 */


#ifndef _NGX_HTTP_REFERRAL_SALTS_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_SALTS_H_INCLUDED_


#include "ngx_http_referral.h"


ngx_http_referral_salts_t *ngx_http_referral_salts_create(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log);
void ngx_http_referral_salts_close(ngx_http_referral_salts_t *salts);

/*
 * the hash of the visitor's address, by the salt of the click's day;
 * NGX_DECLINED: no IP address, or the salt is not known
 */
ngx_int_t ngx_http_referral_salt_address(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uint64_t *address);


#endif /* _NGX_HTTP_REFERRAL_SALTS_H_INCLUDED_ */
