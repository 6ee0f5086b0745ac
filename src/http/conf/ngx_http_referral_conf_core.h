
/*
 * The setters of the core's directives: those that ngx_http_referral_module.c
 * merges are in ngx_http_referral_conf.c, those for all servers in
 * ..._conf_main.c.  ..._secrets.c reads keys and passwords from files, and
 * ..._conf_reached.c warns of locations that are never reached.
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

/* checks the journal's directory, and has nginx make it */
char *ngx_http_referral_journal_path(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *name);

/*
 * warn of journals that are not sent to Redis: that of the last configuration,
 * if "path" is another or NULL, and slots that the workers cannot open
 */
void ngx_http_referral_journal_left(ngx_cycle_t *cycle, ngx_str_t *path);
void ngx_http_referral_journal_owner(ngx_cycle_t *cycle, ngx_str_t *path);

/* the line of a directive, for errors that are found later */
ngx_conf_file_t *ngx_http_referral_conf_place(ngx_conf_t *cf);

/*
 * loads the words by which machines are known; "file" NULL: the built-in list
 */
ngx_int_t ngx_http_referral_set_bots(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *file);

/* warns of locations where something else answers before the feature */
void ngx_http_referral_check_reached(ngx_conf_t *cf, ngx_array_t *places);

/*
 * loads the keys that sign cookies; makes one if it is needed and no file
 * named
 */
ngx_int_t ngx_http_referral_keys(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);


#endif /* _NGX_HTTP_REFERRAL_CONF_CORE_H_INCLUDED_ */
