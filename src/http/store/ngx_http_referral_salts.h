
/*
 * The salts of the days, by which addresses are counted and not kept.
 */


#ifndef _NGX_HTTP_REFERRAL_SALTS_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_SALTS_H_INCLUDED_


#include "ngx_http_referral.h"


ngx_http_referral_salts_t *ngx_http_referral_salts_create(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log);
void ngx_http_referral_salts_close(ngx_http_referral_salts_t *salts);

/* NGX_DECLINED: no address, or the day's salt is not known (yet) */
ngx_int_t ngx_http_referral_salt_address(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uint64_t *address);


#endif /* _NGX_HTTP_REFERRAL_SALTS_H_INCLUDED_ */
