
/*
 * The core's own directives: what ngx_http_referral_module.c merges is set in
 * ngx_http_referral_conf.c, what is for all servers in ..._conf_main.c, and
 * keys and passwords come from files, in ..._secrets.c.
 */


#ifndef _NGX_HTTP_REFERRAL_CONF_CORE_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_CONF_CORE_H_INCLUDED_


#include "ngx_http_referral_conf.h"


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
char *ngx_http_referral_landing(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_fallback(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_cookie(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_utc_offset(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_timezone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

char *ngx_http_referral_journal_path(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *name);

/* warn of journals that nobody drains: that of the configuration before, if
 * "path" is another or NULL, and slots that the workers cannot open */
void ngx_http_referral_journal_left(ngx_cycle_t *cycle, ngx_str_t *path);
void ngx_http_referral_journal_owner(ngx_cycle_t *cycle, ngx_str_t *path);

/* where a directive stands, for what is found wrong with it later */
ngx_conf_file_t *ngx_http_referral_conf_place(ngx_conf_t *cf);

/* the list of words that tell a machine; "file" NULL: the built-in one */
ngx_int_t ngx_http_referral_set_bots(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *file);

/* warns of contents that something else of their location keeps unseen */
void ngx_http_referral_check_reached(ngx_conf_t *cf, ngx_array_t *places);

/* the cookies' keys, made if a cookie needs them and there is no file */
ngx_int_t ngx_http_referral_keys(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);


#endif /* _NGX_HTTP_REFERRAL_CONF_CORE_H_INCLUDED_ */
