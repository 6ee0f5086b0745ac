
/*
 * Journals that others left behind, and journals that are done: adopts them,
 * compares their marks with Redis, and ends them.
 */


#ifndef _NGX_HTTP_REFERRAL_RETIRE_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_RETIRE_H_INCLUDED_


#include "ngx_http_referral_drain.h"


typedef struct {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    ngx_http_referral_drains_t      *drains;
    ngx_http_referral_recorder_conf_t  *conf;
    ngx_log_t                       *log;
    ngx_socket_t                     ident;

    ngx_event_t                      adopt;
    ngx_msec_t                       probed;
    uint64_t                         foreign;    /* as the log was told */
    ngx_uint_t                       lost;       /* entry of the zone that is
                                                    looked at next */
} ngx_http_referral_retire_t;


/* of "drains", which were started; "retire" is zeroed */
void ngx_http_referral_retire_start(ngx_http_referral_retire_t *retire,
    ngx_http_referral_drains_t *ds);
void ngx_http_referral_retire_close(ngx_http_referral_retire_t *retire);

/* once a second: damage, other versions, marks, journals that are done */
void ngx_http_referral_retire_check(ngx_http_referral_retire_t *retire);


#endif /* _NGX_HTTP_REFERRAL_RETIRE_H_INCLUDED_ */
