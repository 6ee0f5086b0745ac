
/*
 * The configuration's rooms: directives set what ngx_http_referral_module.c
 * merges, those for all servers in ngx_http_referral_conf_main.c; what shows
 * only when all is known is checked in ngx_http_referral_conf_check.c and
 * ..._conf_cookie.c; and secrets come from files of their own.
 */


#ifndef _NGX_HTTP_REFERRAL_CONF_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_CONF_H_INCLUDED_


#include "ngx_http_referral.h"


/* a short link and where it stands */

typedef struct {
    ngx_http_referral_loc_conf_t  *rlcf;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_core_srv_conf_t      *cscf;
} ngx_http_referral_short_t;


/* directives */

char *ngx_http_referral(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_program(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_zone_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_journal(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_geoip(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_key_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_bots(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_events(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_template_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_fallback(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_cookie(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_utc_offset(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_resolve(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* "text" with our placeholders in braces and nginx's variables */
char *ngx_http_referral_template(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_referral_template_t **template);

char *ngx_http_referral_journal_path(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *name);

/* what cannot work: errors of one short link when it is merged, and warnings
 * when all is known */
char *ngx_http_referral_check_hosts(ngx_conf_t *cf,
    ngx_http_referral_loc_conf_t *rlcf);
void ngx_http_referral_check(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);

/* of the "n"th short link, beside those before it */
void ngx_http_referral_check_cookie(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
void ngx_http_referral_check_shared(ngx_conf_t *cf,
    ngx_http_referral_short_t *s, ngx_uint_t n);
ngx_uint_t ngx_http_referral_has_name(ngx_http_core_srv_conf_t *cscf,
    ngx_str_t *name);

/* warn of journals that nobody drains: that of the configuration before, if
 * "path" is another or NULL, and slots that the workers cannot open */
void ngx_http_referral_journal_left(ngx_cycle_t *cycle, ngx_str_t *path);
void ngx_http_referral_journal_owner(ngx_cycle_t *cycle, ngx_str_t *path);

/* where a directive stands, for what is found wrong with it later */
ngx_conf_file_t *ngx_http_referral_conf_place(ngx_conf_t *cf);

/* what several directives take; the error is said already */

ngx_int_t ngx_http_referral_seconds(ngx_conf_t *cf, ngx_str_t *arg,
    const char *name, time_t min, time_t max, time_t *value);
void ngx_http_referral_unit(ngx_conf_t *cf, ngx_str_t *arg, const char *name,
    time_t least, const char *unit);
ngx_uint_t ngx_http_referral_digits(ngx_str_t *s);
ngx_int_t ngx_http_referral_bad(ngx_conf_t *cf, ngx_str_t *arg,
    const char *right);

/* the list of words that tell a machine; "file" NULL: the built-in one */
ngx_int_t ngx_http_referral_set_bots(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *file);


/*
 * secrets: the cookies' keys, made if a cookie needs them and there is no
 * file; and any small file that nobody else may read, into the
 * configuration's pool
 */

ngx_int_t ngx_http_referral_keys(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);
ngx_int_t ngx_http_referral_read_secret(ngx_conf_t *cf, const char *directive,
    ngx_str_t *file, referral_str_t *text);

/* one that all may read, of at most "max" bytes, into "pool" */
ngx_int_t ngx_http_referral_read_file(ngx_conf_t *cf, ngx_pool_t *pool,
    const char *directive, ngx_str_t *file, off_t max, referral_str_t *text);


#endif /* _NGX_HTTP_REFERRAL_CONF_H_INCLUDED_ */
