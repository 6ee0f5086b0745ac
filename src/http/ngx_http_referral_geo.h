
/*
 * Databases of places: opened by the master, read again by a thread of each
 * worker where they changed, and the addresses that a worker has seen lately.
 */


#ifndef _NGX_HTTP_REFERRAL_GEO_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_GEO_H_INCLUDED_


#include "ngx_http_referral.h"


char *ngx_http_referral_geo_init(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);
void ngx_http_referral_geo_start(ngx_http_referral_main_conf_t *rmcf,
    ngx_log_t *log);
void ngx_http_referral_geo_find(ngx_http_referral_geo_t *geos,
    struct sockaddr *sa, referral_geo_result_t *result);

/* a find will come: it need not wait for the memory then; in this order */
void ngx_http_referral_geo_prefetch(ngx_http_referral_geo_t *geos,
    struct sockaddr *sa);
void ngx_http_referral_geo_prefetch_value(ngx_http_referral_geo_t *geos,
    struct sockaddr *sa);


#endif /* _NGX_HTTP_REFERRAL_GEO_H_INCLUDED_ */
