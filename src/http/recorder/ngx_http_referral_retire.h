
/*
 * Retires journals: adopts those of dead workers, compares their marks with
 * Redis, and removes journals that Redis has completely.
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
    ngx_uint_t                       seeking;    /* there may be journals to
                                                    adopt */
    uint64_t                         foreign;    /* as in the log */
    ngx_uint_t                       lost;       /* the zone's entry that is
                                                    checked next */
} ngx_http_referral_retire_t;


/* "ds" was started, and "retire" is zeroed */
void ngx_http_referral_retire_start(ngx_http_referral_retire_t *retire,
    ngx_http_referral_drains_t *ds);
void ngx_http_referral_retire_close(ngx_http_referral_retire_t *retire);

/*
 * once a second: logs damage and other versions, checks marks, ends journals
 */
void ngx_http_referral_retire_check(ngx_http_referral_retire_t *retire);


#endif /* _NGX_HTTP_REFERRAL_RETIRE_H_INCLUDED_ */
