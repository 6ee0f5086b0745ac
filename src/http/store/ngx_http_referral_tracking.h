
/*
 * Edits in Redis leave the cache at once: one worker listens for all, and the
 * cache is true as long as its lease lasts.
 */


#ifndef _NGX_HTTP_REFERRAL_TRACKING_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_TRACKING_H_INCLUDED_


#include "ngx_http_referral.h"


#define NGX_HTTP_REFERRAL_TRACKED    0   /* the cache is true */
#define NGX_HTTP_REFERRAL_LAPSED     1   /* it was some seconds ago */
#define NGX_HTTP_REFERRAL_UNTRACKED  2

ngx_uint_t ngx_http_referral_tracked(ngx_http_referral_zone_t *zone);

/*
 * Told when the cache is not true any more, as Redis may hang, and (1) when it
 * is there again: for a listener that is when it reaches Redis.
 */

typedef void (*ngx_http_referral_told_pt)(void *data, ngx_uint_t tracked);

ngx_http_referral_tracking_t *ngx_http_referral_tracking_create(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log,
    ngx_http_referral_told_pt told, void *data);
void ngx_http_referral_tracking_close(ngx_http_referral_tracking_t *tracking);


#endif /* _NGX_HTTP_REFERRAL_TRACKING_H_INCLUDED_ */
