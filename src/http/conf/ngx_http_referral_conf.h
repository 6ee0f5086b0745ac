
/*
 * What setters of directives are made of: what a configuration needs, the
 * handler of a location, templates, and parameters with their errors.
 */


#ifndef _NGX_HTTP_REFERRAL_CONF_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_CONF_H_INCLUDED_


#include "ngx_http_referral.h"


/* a location that a feature answers, and the line of its directive */

typedef struct {
    ngx_http_handler_pt        handler;
    const char                *what;        /* of its requests: "click" */
    ngx_str_t                  directive;
    u_char                    *file;
    ngx_uint_t                 line;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;
} ngx_http_referral_place_t;


/*
 * Says what a directive needs: NGX_HTTP_REFERRAL_NEED_..., or 0 if only the
 * core's defaults.  To be called in a setter: NEED_REDIS is read before
 * configurations are merged.
 */
void ngx_http_referral_need(ngx_conf_t *cf, ngx_uint_t needs);

/* for setters, which return what these return, unless that is NGX_CONF_OK */

/*
 * Sets "handler" to answer in this location, and *place, if "place" is not
 * NULL, to what lives as long as the configuration.  If another directive
 * answers first, a warning says that no "what" would reach the feature.
 */
char *ngx_http_referral_content(ngx_conf_t *cf, ngx_http_handler_pt handler,
    const char *what, ngx_http_referral_place_t **place);

/* this location's URL names a link; the directive takes "[PROGRAM [CODE]]" */
char *ngx_http_referral_link(ngx_conf_t *cf);

/* compiles a text with placeholders in braces and with nginx variables */
char *ngx_http_referral_template(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_referral_template_t **template);

/* like ngx_conf_set_enum_slot() for two words, but the error names both */
char *ngx_http_referral_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Parameters of several directives, which log their errors.  seconds:
 * "name=30s"; NGX_DECLINED: "arg" has another name.  unit: warns if a number
 * without a unit, which nginx reads as seconds, is below "least".  digits: 1
 * if there is nothing else.  bad: logs what would be right; returns NGX_ERROR.
 */

ngx_int_t ngx_http_referral_seconds(ngx_conf_t *cf, ngx_str_t *arg,
    const char *name, time_t min, time_t max, time_t *value);
void ngx_http_referral_unit(ngx_conf_t *cf, ngx_str_t *arg, const char *name,
    time_t least, const char *unit);
ngx_uint_t ngx_http_referral_digits(ngx_str_t *s);
ngx_int_t ngx_http_referral_bad(ngx_conf_t *cf, ngx_str_t *arg,
    const char *right);

/*
 * reads a small file, which others must not be able to read, into the
 * configuration's pool
 */
ngx_int_t ngx_http_referral_read_secret(ngx_conf_t *cf, const char *directive,
    ngx_str_t *file, referral_str_t *text);

/* reads a file of at most "max" bytes, which all may read, into "pool" */
ngx_int_t ngx_http_referral_read_file(ngx_conf_t *cf, ngx_pool_t *pool,
    const char *directive, ngx_str_t *file, off_t max, referral_str_t *text);

/*
 * 1: something there restricts access: "allow" and "deny", "auth_request",
 * "auth_basic", a client's certificate
 */
ngx_uint_t ngx_http_referral_asks_who(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_core_srv_conf_t *cscf);

/* 1: nginx's rewrite module has directives there */
ngx_uint_t ngx_http_referral_has_rewrites(ngx_conf_t *cf, void **loc_conf);


#endif /* _NGX_HTTP_REFERRAL_CONF_H_INCLUDED_ */
