
/*
 * Invalidation of the cache: an entry leaves it as soon as its key is edited
 * in Redis.  A worker that listens does so for all; while its lease lasts the
 * cache has all edits.
 */


#ifndef _NGX_HTTP_REFERRAL_TRACKING_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_TRACKING_H_INCLUDED_


#include "ngx_http_referral.h"


#define NGX_HTTP_REFERRAL_TRACKED    0   /* the cache has all edits */
#define NGX_HTTP_REFERRAL_LAPSED     1   /* it had them some seconds ago */
#define NGX_HTTP_REFERRAL_UNTRACKED  2

ngx_uint_t ngx_http_referral_tracked(ngx_http_referral_zone_t *zone);

/*
 * Called with 0 when the cache may lack edits, because Redis may hang, and
 * with 1 when it has them again; in the worker that listens, as soon as that
 * reaches Redis.
 */

typedef void (*ngx_http_referral_told_pt)(void *data, ngx_uint_t tracked);

ngx_http_referral_tracking_t *ngx_http_referral_tracking_create(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log,
    ngx_http_referral_told_pt told, void *data);
void ngx_http_referral_tracking_close(ngx_http_referral_tracking_t *tracking);


#endif /* _NGX_HTTP_REFERRAL_TRACKING_H_INCLUDED_ */
