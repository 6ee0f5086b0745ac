
/*
 * The system's time zones: read by the master, and read again by each worker
 * after the package tzdata was updated.
 */


#ifndef _NGX_HTTP_REFERRAL_TIMEZONE_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_TIMEZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#if (NGX_THREADS)
#include <ngx_thread_pool.h>
#endif

#include "referral_timezone.h"


typedef struct ngx_http_referral_timezone_s  ngx_http_referral_timezone_t;


typedef struct {
    const referral_timezones_t      *zones;       /* NULL: none; freed an hour
                                                     after they were replaced,
                                                     or later */
    ngx_http_referral_timezone_t    *reader;
#if (NGX_THREADS)
    ngx_thread_pool_t               *thread_pool; /* may be NULL */
#endif
} ngx_http_referral_timezone_conf_t;


/* by the master: sets "zones", the first time; start: in a worker */
char *ngx_http_referral_timezone_init(ngx_conf_t *cf,
    ngx_http_referral_timezone_conf_t *conf);
void ngx_http_referral_timezone_start(ngx_http_referral_timezone_conf_t *conf,
    ngx_log_t *log);


#endif /* _NGX_HTTP_REFERRAL_TIMEZONE_H_INCLUDED_ */
