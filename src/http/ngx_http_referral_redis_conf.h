
/*
 * The configuration of Redis, without hiredis, for files that do not send
 * commands themselves.
 */


#ifndef _NGX_HTTP_REFERRAL_REDIS_CONF_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_REDIS_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct ngx_http_referral_redis_s  ngx_http_referral_redis_t;


/* strings end with a zero byte and live as long as the cycle */

typedef struct {
    ngx_str_t            text;       /* the address as configured, for the
                                        log */
    u_char              *host;       /* a numeric address, or a socket's path */
    in_port_t            port;       /* 0 for a socket */
    ngx_str_t            username;
    ngx_str_t            password;
    ngx_int_t            db;
    ngx_str_t            prefix;
    ngx_msec_t           timeout;
} ngx_http_referral_redis_conf_t;


#endif /* _NGX_HTTP_REFERRAL_REDIS_CONF_H_INCLUDED_ */
