
/*
 * Databases that map addresses to places.  The master opens them, a thread of
 * each worker reads a changed file again, and each worker keeps the results
 * for the addresses that it saw last.
 */


#ifndef _NGX_HTTP_REFERRAL_GEO_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_GEO_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#if (NGX_THREADS)
#include <ngx_thread_pool.h>
#endif

#include "referral_geo.h"


typedef struct ngx_http_referral_geo_s  ngx_http_referral_geo_t;


typedef struct {
    ngx_array_t                     *files;       /* of ngx_str_t */
    ngx_conf_file_t                 *place;       /* the directive's line */
    time_t                           reload;      /* s */
    ngx_http_referral_geo_t         *geos;        /* NULL: no database */
#if (NGX_THREADS)
    ngx_thread_pool_t               *thread_pool; /* may be NULL */
#endif
} ngx_http_referral_geo_conf_t;


/*
 * init: in the master, opens the files and sets "geos"; start: in a worker,
 * begins to watch the files
 */
char *ngx_http_referral_geo_init(ngx_conf_t *cf,
    ngx_http_referral_geo_conf_t *conf);
void ngx_http_referral_geo_start(ngx_http_referral_geo_conf_t *conf,
    ngx_log_t *log);

void ngx_http_referral_geo_find(ngx_http_referral_geo_t *geos,
    struct sockaddr *sa, referral_geo_result_t *result);

/* prefetch for a later find() of the same address, in this order */
void ngx_http_referral_geo_prefetch(ngx_http_referral_geo_t *geos,
    struct sockaddr *sa);
void ngx_http_referral_geo_prefetch_value(ngx_http_referral_geo_t *geos,
    struct sockaddr *sa);


#endif /* _NGX_HTTP_REFERRAL_GEO_H_INCLUDED_ */
