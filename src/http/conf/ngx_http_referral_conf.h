
/*
 * What the directives of features are made of: what a configuration needs, the
 * location that a feature answers, templates, and values with their errors.
 */


#ifndef _NGX_HTTP_REFERRAL_CONF_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_CONF_H_INCLUDED_


#include "ngx_http_referral.h"


/* a location whose contents are ours, and where that was said */

typedef struct {
    ngx_http_handler_pt        handler;
    const char                *what;        /* comes there: "click" */
    ngx_str_t                  directive;
    u_char                    *file;
    ngx_uint_t                 line;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;
} ngx_http_referral_place_t;


/*
 * NGX_HTTP_REFERRAL_NEED_...; 0: the core's defaults are filled in, no more.
 * Called by a directive: when configurations are merged it is too late.
 */
void ngx_http_referral_need(ngx_conf_t *cf, ngx_uint_t needs);

/* for setters: what is returned is what they return, unless NGX_CONF_OK */

/*
 * This location's contents are made by "handler", and "what" comes there.  At
 * the end there is a warning if something else answers first.  "place", which
 * may be NULL, is set to what lives as long as the configuration.
 */
char *ngx_http_referral_content(ngx_conf_t *cf, ngx_http_handler_pt handler,
    const char *what, ngx_http_referral_place_t **place);

/* this location's URL names a link: the directive takes "[PROGRAM [CODE]]" */
char *ngx_http_referral_link(ngx_conf_t *cf);

/* "text" with our placeholders in braces and nginx's variables */
char *ngx_http_referral_template(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_referral_template_t **template);

/* as nginx's own for enumerations, but it says what is right; of two words */
char *ngx_http_referral_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* what several directives take; the error is said already */

ngx_int_t ngx_http_referral_seconds(ngx_conf_t *cf, ngx_str_t *arg,
    const char *name, time_t min, time_t max, time_t *value);
void ngx_http_referral_unit(ngx_conf_t *cf, ngx_str_t *arg, const char *name,
    time_t least, const char *unit);
ngx_uint_t ngx_http_referral_digits(ngx_str_t *s);
ngx_int_t ngx_http_referral_bad(ngx_conf_t *cf, ngx_str_t *arg,
    const char *right);

/* a small file that nobody else may read, into the configuration's pool */
ngx_int_t ngx_http_referral_read_secret(ngx_conf_t *cf, const char *directive,
    ngx_str_t *file, referral_str_t *text);

/* one that all may read, of at most "max" bytes, into "pool" */
ngx_int_t ngx_http_referral_read_file(ngx_conf_t *cf, ngx_pool_t *pool,
    const char *directive, ngx_str_t *file, off_t max, referral_str_t *text);

/*
 * Does anything there ask who comes: "allow" and "deny", "auth_request",
 * "auth_basic", a client's certificate?
 */
ngx_uint_t ngx_http_referral_asks_who(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_core_srv_conf_t *cscf);

/* does nginx's rewrite module do anything there? */
ngx_uint_t ngx_http_referral_has_rewrites(ngx_conf_t *cf, void **loc_conf);


#endif /* _NGX_HTTP_REFERRAL_CONF_H_INCLUDED_ */
