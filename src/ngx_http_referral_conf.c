
#include "ngx_http_referral_conf.h"
#include "referral_journal.h"
#include "referral_template.h"
#include "referral_url.h"


#define NGX_HTTP_REFERRAL_TEMPLATE_MAX  8192


typedef struct {
    ngx_str_t    name;
    size_t       offset;
    ngx_uint_t   value;
} ngx_http_referral_cookie_option_t;


static char *ngx_http_referral_program_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv);
static ngx_int_t ngx_http_referral_redis_address(ngx_conf_t *cf,
    ngx_http_referral_redis_conf_t *redis, ngx_str_t *value);
static char *ngx_http_referral_url(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_referral_template_t **template);
static ngx_int_t ngx_http_referral_journal_ours(ngx_conf_t *cf,
    ngx_str_t *path);
static ngx_int_t ngx_http_referral_template_variable(ngx_conf_t *cf,
    ngx_http_referral_template_t *template, referral_buf_t *b,
    ngx_str_t *name);
static char *ngx_http_referral_cookie_check(ngx_conf_t *cf,
    ngx_http_referral_cookie_conf_t *cookie);
static ngx_int_t ngx_http_referral_seconds(ngx_conf_t *cf, ngx_str_t *arg,
    const char *name, time_t min, time_t max, time_t *value);
static ngx_int_t ngx_http_referral_bytes(ngx_conf_t *cf, ngx_str_t *arg,
    const char *name, off_t min, off_t *value);
static ngx_int_t ngx_http_referral_bad(ngx_conf_t *cf, ngx_str_t *arg,
    const char *right);


static ngx_http_referral_cookie_option_t  ngx_http_referral_cookie_options[] = {

    { ngx_string("samesite=lax"),
      offsetof(ngx_http_referral_cookie_conf_t, samesite),
      NGX_HTTP_REFERRAL_SAMESITE_LAX },

    { ngx_string("samesite=strict"),
      offsetof(ngx_http_referral_cookie_conf_t, samesite),
      NGX_HTTP_REFERRAL_SAMESITE_STRICT },

    { ngx_string("samesite=none"),
      offsetof(ngx_http_referral_cookie_conf_t, samesite),
      NGX_HTTP_REFERRAL_SAMESITE_NONE },

    { ngx_string("samesite=off"),
      offsetof(ngx_http_referral_cookie_conf_t, samesite),
      NGX_HTTP_REFERRAL_SAMESITE_OFF },

    { ngx_string("secure=auto"),
      offsetof(ngx_http_referral_cookie_conf_t, secure),
      NGX_HTTP_REFERRAL_SECURE_AUTO },

    { ngx_string("secure=on"),
      offsetof(ngx_http_referral_cookie_conf_t, secure),
      NGX_HTTP_REFERRAL_SECURE_ON },

    { ngx_string("secure=off"),
      offsetof(ngx_http_referral_cookie_conf_t, secure),
      NGX_HTTP_REFERRAL_SECURE_OFF },

    { ngx_string("httponly=on"),
      offsetof(ngx_http_referral_cookie_conf_t, httponly), 1 },

    { ngx_string("httponly=off"),
      offsetof(ngx_http_referral_cookie_conf_t, httponly), 0 },

    { ngx_null_string, 0, 0 }
};


char *
ngx_http_referral(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_str_t                         *value;
    referral_str_t                     code;
    ngx_http_core_loc_conf_t          *clcf;
    ngx_http_referral_main_conf_t     *rmcf;
    ngx_http_compile_complex_value_t   ccv;

    if (rlcf->short_link) {
        return "is duplicate";
    }

    value = cf->args->elts;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (cf->args->nelts < 3
        && (clcf->exact_match || clcf->named || clcf->noname
#if (NGX_PCRE)
            || clcf->regex
#endif
           ))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral\" in a location that is no prefix "
                           "needs an explicit code: \"referral PROGRAM $1;\"");
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts > 1) {
        if (ngx_http_referral_program_value(cf, &value[1],
                                            &rlcf->short_program)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (cf->args->nelts > 2) {

        if (ngx_http_script_variables_count(&value[2]) == 0) {
            code.len = value[2].len;
            code.data = value[2].data;

            if (!referral_code_valid(&code)) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid code \"%V\": up to 64 letters, "
                                   "digits, \"_\" and \"-\" make one",
                                   &value[2]);
                return NGX_CONF_ERROR;
            }
        }

        rlcf->short_code = ngx_pcalloc(cf->pool,
                                       sizeof(ngx_http_complex_value_t));
        if (rlcf->short_code == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[2];
        ccv.complex_value = rlcf->short_code;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (clcf->handler) {
        return "stands in a location that has other contents already";
    }

    clcf->handler = ngx_http_referral_click_handler;

    rlcf->short_link = 1;
    rlcf->file = cf->conf_file->file.name.data;
    rlcf->line = cf->conf_file->line;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    rmcf->enabled = 1;
    rmcf->links = 1;

    return NGX_CONF_OK;
}


char *
ngx_http_referral_program(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_str_t                      *value;
    ngx_http_referral_main_conf_t  *rmcf;

    if (rlcf->program != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);
    rmcf->enabled = 1;

    return ngx_http_referral_program_value(cf, &value[1], &rlcf->program);
}


static char *
ngx_http_referral_program_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv)
{
    referral_str_t                     name;
    ngx_http_compile_complex_value_t   ccv;

    if (ngx_http_script_variables_count(value) == 0) {
        name.len = value->len;
        name.data = value->data;

        if (!referral_program_valid(&name)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid program \"%V\": up to 64 of a-z, 0-9, "
                               "\"_\", \".\" and \"-\" make a name", value);
            return NGX_CONF_ERROR;
        }
    }

    *cv = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = *cv;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


char *
ngx_http_referral_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_int_t                        n;
    ngx_str_t                       *value, s;
    ngx_uint_t                       i;
    referral_str_t                   text;
    ngx_http_referral_redis_conf_t  *redis;

    redis = &rmcf->redis;

    if (redis->host) {
        return "is duplicate";
    }

    value = cf->args->elts;

    redis->timeout = 500;
    ngx_str_set(&redis->prefix, "ref:");

    if (ngx_http_referral_redis_address(cf, redis, &value[1]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "username=", 9) == 0) {
            redis->username.len = value[i].len - 9;
            redis->username.data = value[i].data + 9;
            continue;
        }

        if (ngx_strncmp(value[i].data, "password_file=", 14) == 0) {
            s.len = value[i].len - 14;
            s.data = value[i].data + 14;

            if (ngx_conf_full_name(cf->cycle, &s, 1) != NGX_OK
                || ngx_http_referral_read_secret(cf, "password_file", &s,
                                                 &text)
                   != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }

            referral_str_trim(&text);

            if (text.len == 0) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"%V\" is empty: it should hold the "
                                   "password alone", &s);
                return NGX_CONF_ERROR;
            }

            redis->password.len = text.len;
            redis->password.data = text.data;
            continue;
        }

        if (ngx_strncmp(value[i].data, "db=", 3) == 0) {
            n = ngx_atoi(value[i].data + 3, value[i].len - 3);

            if (n == NGX_ERROR || n > 65535) {
                ngx_http_referral_bad(cf, &value[i], "\"db=0\" is right");
                return NGX_CONF_ERROR;
            }

            redis->db = n;
            continue;
        }

        if (ngx_strncmp(value[i].data, "prefix=", 7) == 0) {
            s.len = value[i].len - 7;
            s.data = value[i].data + 7;

            if (s.len == 0 || s.len > 32
                || ngx_strlchr(s.data, s.data + s.len, '{')
                || ngx_strlchr(s.data, s.data + s.len, '}'))
            {
                ngx_http_referral_bad(cf, &value[i],
                           "1 to 32 characters, no braces, are right");
                return NGX_CONF_ERROR;
            }

            redis->prefix = s;
            continue;
        }

        if (ngx_strncmp(value[i].data, "timeout=", 8) == 0) {
            s.len = value[i].len - 8;
            s.data = value[i].data + 8;

            n = ngx_parse_time(&s, 0);

            if (n == NGX_ERROR || n < 1 || n > 60000) {
                ngx_http_referral_bad(cf, &value[i],
                                      "\"1ms\" to \"60s\" are right");
                return NGX_CONF_ERROR;
            }

            redis->timeout = n;
            continue;
        }

        ngx_http_referral_bad(cf, &value[i], "\"username=\", "
                  "\"password_file=\", \"db=\", \"prefix=\" and \"timeout=\" "
                  "are right");
        return NGX_CONF_ERROR;
    }

    if (redis->username.len && redis->password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"username=\" needs a \"password_file=\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* a name is resolved here and now: hiredis would do it in the event loop */

static ngx_int_t
ngx_http_referral_redis_address(ngx_conf_t *cf,
    ngx_http_referral_redis_conf_t *redis, ngx_str_t *value)
{
    size_t            len;
    ngx_url_t         u;
    struct sockaddr  *sa;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *value;
    u.default_port = 6379;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in address \"%V\": \"127.0.0.1:6379\" and "
                           "\"unix:/path\" are right",
                           u.err ? u.err : "no address", &u.url);
        return NGX_ERROR;
    }

    redis->text = *value;
    sa = u.addrs[0].sockaddr;

#if (NGX_HAVE_UNIX_DOMAIN)

    if (sa->sa_family == AF_UNIX) {
        redis->host = (u_char *) ((struct sockaddr_un *) sa)->sun_path;

    } else

#endif
    {
        redis->host = ngx_pcalloc(cf->pool, NGX_SOCKADDR_STRLEN + 1);
        if (redis->host == NULL) {
            return NGX_ERROR;
        }

        len = ngx_sock_ntop(sa, u.addrs[0].socklen, redis->host,
                            NGX_SOCKADDR_STRLEN, 0);

        /* hiredis takes a literal without its brackets */

        if (len > 2 && redis->host[0] == '[') {
            ngx_memmove(redis->host, redis->host + 1, len - 2);
            redis->host[len - 2] = '\0';
        }

        redis->port = ngx_inet_get_port(sa);
    }

    return NGX_OK;
}


char *
ngx_http_referral_zone_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ssize_t      size;
    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (rmcf->zone_set) {
        return "is duplicate";
    }

    rmcf->zone_set = 1;

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size < 1024 * 1024) {
        ngx_http_referral_bad(cf, &value[1],
                              "a size of 1m or more comes first");
        return NGX_CONF_ERROR;
    }

    rmcf->zone_size = size;

    for (i = 2; i < cf->args->nelts; i++) {

        rc = ngx_http_referral_seconds(cf, &value[i], "valid=", 1,
                                       30 * 86400, &rmcf->valid);

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_seconds(cf, &value[i], "untracked=", 1,
                                           3600, &rmcf->untracked);
        }

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_seconds(cf, &value[i], "negative=", 1,
                                           3600, &rmcf->negative);
        }

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_seconds(cf, &value[i], "stale=", 0,
                                           365 * 86400, &rmcf->stale);
        }

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_bad(cf, &value[i], "\"valid=\", "
                              "\"untracked=\", \"negative=\" and \"stale=\" "
                              "are right");
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_journal(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (rmcf->journal) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_referral_journal_path(cf, rmcf, &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "sync=off") == 0) {
            rmcf->sync = REFERRAL_SYNC_OFF;
            continue;
        }

        if (ngx_strcmp(value[i].data, "sync=interval") == 0) {
            rmcf->sync = REFERRAL_SYNC_INTERVAL;
            continue;
        }

        if (ngx_strcmp(value[i].data, "sync=always") == 0) {
            rmcf->sync = REFERRAL_SYNC_ALWAYS;
            continue;
        }

        rc = ngx_http_referral_bytes(cf, &value[i], "segment=",
                                     REFERRAL_JOURNAL_SEGMENT_MIN,
                                     &rmcf->segment);

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_bytes(cf, &value[i], "max=",
                                         4 * REFERRAL_JOURNAL_SEGMENT_MIN,
                                         &rmcf->journal_max);
        }

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_seconds(cf, &value[i], "retain=", 0,
                                           30 * 86400, &rmcf->retain);
        }

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_bad(cf, &value[i], "\"segment=\", "
                      "\"max=\", \"retain=\" and \"sync=off\", "
                      "\"sync=interval\" or \"sync=always\" are right");
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (rmcf->journal_max < 4 * rmcf->segment) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"max\" of the journal must be at least four "
                           "times its \"segment\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_journal_path(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *name)
{
    ngx_path_t  *path;

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NGX_CONF_ERROR;
    }

    path->name = *name;

    if (path->name.len > 1 && path->name.data[path->name.len - 1] == '/') {
        path->name.len--;
        path->name.data[path->name.len] = '\0';
    }

    if (ngx_conf_full_name(cf->cycle, &path->name, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_referral_journal_ours(cf, &path->name) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (cf->conf_file) {
        path->conf_file = cf->conf_file->file.name.data;
        path->line = cf->conf_file->line;
    }

    if (ngx_add_path(cf, &path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rmcf->journal = path;

    return NGX_CONF_OK;
}


/*
 * nginx gives the directory to the workers' user, whatever it is: a slip of
 * the pen must not be one of the system's.
 */

static ngx_int_t
ngx_http_referral_journal_ours(ngx_conf_t *cf, ngx_str_t *path)
{
    char             *name;
    ngx_dir_t         dir;
    ngx_file_info_t   fi;

    if (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR) {
        return NGX_OK;
    }

    if (!ngx_is_dir(&fi)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_journal\": \"%V\" is not a directory", path);
        return NGX_ERROR;
    }

    if (ngx_open_dir(path, &dir) == NGX_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "\"referral_journal\": " ngx_open_dir_n " \"%V\" failed",
                      path);
        return NGX_ERROR;
    }

    while (ngx_read_dir(&dir) == NGX_OK) {
        name = (char *) ngx_de_name(&dir);

        if (name[0] == '.'
            || ngx_strncmp(name, "slot-", 5) == 0
            || ngx_strcmp(name, "damaged") == 0
            || ngx_strcmp(name, "lost+found") == 0
            || ngx_strcmp(name, "referral.key") == 0)
        {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_journal\": \"%V\" holds \"%s\", which is "
                      "not the journal's: it needs a directory of its own",
                      path, name);

        (void) ngx_close_dir(&dir);
        return NGX_ERROR;
    }

    (void) ngx_close_dir(&dir);

    return NGX_OK;
}


char *
ngx_http_referral_geoip(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_int_t    rc;
    ngx_str_t   *value, *path;
    ngx_uint_t   i;

    if (rmcf->geoip) {
        return "is duplicate";
    }

    rmcf->geoip = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    if (rmcf->geoip == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        rc = ngx_http_referral_seconds(cf, &value[i], "reload=", 0,
                                       30 * 86400, &rmcf->geoip_reload);

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_OK) {
            continue;
        }

        path = ngx_array_push(rmcf->geoip);
        if (path == NULL) {
            return NGX_CONF_ERROR;
        }

        *path = value[i];

        if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (rmcf->geoip->nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral_geoip\" names no .mmdb file");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_bots(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_str_t  *value;

    if (rmcf->bots) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK
        || ngx_http_referral_set_bots(cf, rmcf, &value[1]) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_referral_set_bots(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *file)
{
    referral_str_t          list;
    ngx_pool_cleanup_t     *cln;
    referral_bots_error_t   error;

    if (file
        && ngx_http_referral_read_file(cf, cf->temp_pool, "referral_bots",
                                       file, REFERRAL_BOTS_LIST_MAX, &list)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rmcf->agents = ngx_pcalloc(cf->pool, NGX_HTTP_REFERRAL_AGENTS
                                         * sizeof(ngx_http_referral_agent_t));

    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (rmcf->agents == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    rmcf->bots = referral_visitor_bots(file ? &list : NULL, &error);

    if (rmcf->bots) {
        cln->handler = (ngx_pool_cleanup_pt) referral_bots_free;
        cln->data = rmcf->bots;

        return NGX_OK;
    }

    if (file == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_bots\": %s in the built-in list, line %ui",
                      error.what, (ngx_uint_t) error.line);

    } else if (error.other) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_bots\": %s in \"%V\", line %ui and line "
                      "%ui", error.what, file, (ngx_uint_t) error.other,
                      (ngx_uint_t) error.line);

    } else if (error.line) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_bots\": %s in \"%V\", line %ui",
                      error.what, file, (ngx_uint_t) error.line);

    } else {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_bots\": %s in \"%V\"", error.what, file);
    }

    return NGX_ERROR;
}


char *
ngx_http_referral_events(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    u_char       last;
    ngx_int_t    rc, n, scale;
    ngx_str_t   *value, s;
    ngx_uint_t   i;

    if (rmcf->events_maxlen != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    rmcf->events_maxlen = 1000000;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0 && cf->args->nelts == 2) {
        rmcf->events_maxlen = 0;
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "maxlen=", 7) == 0) {
            s.len = value[i].len - 7;
            s.data = value[i].data + 7;
            scale = 1;

            if (s.len) {
                last = s.data[s.len - 1] | 0x20;

                if (last == 'k' || last == 'm') {
                    scale = (last == 'k') ? 1000 : 1000000;
                    s.len--;
                }
            }

            n = ngx_atoi(s.data, s.len);

            if (n == NGX_ERROR || n == 0 || n > 1000000000 / scale) {
                ngx_http_referral_bad(cf, &value[i],
                        "1 to 1000m entries are right, or \"off\" for none");
                return NGX_CONF_ERROR;
            }

            rmcf->events_maxlen = n * scale;
            continue;
        }

        rc = ngx_http_referral_seconds(cf, &value[i], "age=", 60,
                                       3650 * 86400, &rmcf->events_age);

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_bad(cf, &value[i],
                              "\"maxlen=\", \"age=\" or \"off\" are right");
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_template_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t                      *value;
    ngx_http_referral_template_t  **template;

    template = (ngx_http_referral_template_t **) (p + cmd->offset);

    if (*template != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cmd->offset == offsetof(ngx_http_referral_loc_conf_t, args)) {

        if (ngx_strcmp(value[1].data, "off") == 0) {
            value[1].len = 0;
        }

        return ngx_http_referral_template(cf, &value[1], template);
    }

    if (value[1].data[0] != '$'
        && ngx_strncasecmp(value[1].data, (u_char *) "http://", 7) != 0
        && ngx_strncasecmp(value[1].data, (u_char *) "https://", 8) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid landing \"%V\": it must be a URL that "
                           "begins with \"https://\" or \"http://\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_http_referral_url(cf, &value[1], template);
}


/* as much of a URL as is fixed text is checked here */

static char *
ngx_http_referral_url(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_referral_template_t **template)
{
    const char  *err;

    if (ngx_http_referral_template(cf, value, template) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (value->data[0] != '$'
        && referral_template_url(&(*template)->code, &err) != REFERRAL_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in \"%V\"", err, value);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* our placeholders in braces, and nginx's variables between them */

char *
ngx_http_referral_template(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_referral_template_t **template)
{
    u_char                        *p, *last, *start;
    ngx_str_t                      name;
    const char                    *err;
    referral_buf_t                 b;
    referral_str_t                 text;
    ngx_http_referral_template_t  *t;

    t = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_template_t));
    if (t == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_array_init(&t->variables, cf->pool, 1, sizeof(ngx_uint_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    t->code.data = ngx_pnalloc(cf->pool, NGX_HTTP_REFERRAL_TEMPLATE_MAX);
    if (t->code.data == NULL) {
        return NGX_CONF_ERROR;
    }

    referral_buf_init(&b, t->code.data, NGX_HTTP_REFERRAL_TEMPLATE_MAX);

    p = value->data;
    last = p + value->len;

    while (p < last) {
        start = p;

        while (p < last && *p != '$') {
            p++;
        }

        text.len = p - start;
        text.data = start;

        if (text.len
            && referral_template_text(&b, &text, &err) != REFERRAL_OK)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in \"%V\"", err,
                               value);
            return NGX_CONF_ERROR;
        }

        if (p == last) {
            break;
        }

        start = ++p;

        if (p < last && *p == '{') {
            start = ++p;

            while (p < last && *p != '}') {
                p++;
            }

            name.len = p - start;
            name.data = start;

            if (p++ == last) {
                name.len = 0;
            }

        } else {
            while (p < last && ((*p >= 'a' && *p <= 'z')
                                || (*p >= 'A' && *p <= 'Z')
                                || (*p >= '0' && *p <= '9') || *p == '_'))
            {
                p++;
            }

            name.len = p - start;
            name.data = start;
        }

        if (name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid variable name in \"%V\"", value);
            return NGX_CONF_ERROR;
        }

        if (ngx_http_referral_template_variable(cf, t, &b, &name) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (b.overflow) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "too long \"%V\"", value);
        return NGX_CONF_ERROR;
    }

    t->code.len = b.pos - b.start;

    *template = t;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_referral_template_variable(ngx_conf_t *cf,
    ngx_http_referral_template_t *template, referral_buf_t *b, ngx_str_t *name)
{
    ngx_int_t                       index, *external;
    ngx_uint_t                      i, *position;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    index = ngx_http_get_variable_index(cf, name);
    if (index == NGX_ERROR) {
        return NGX_ERROR;
    }

    external = rmcf->externals.elts;

    for (i = 0; i < rmcf->externals.nelts; i++) {
        if (external[i] == index) {
            break;
        }
    }

    if (i == rmcf->externals.nelts) {

        if (i == REFERRAL_EXTERNAL_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "landings and fallbacks use more than %d "
                               "different variables", REFERRAL_EXTERNAL_MAX);
            return NGX_ERROR;
        }

        external = ngx_array_push(&rmcf->externals);
        if (external == NULL) {
            return NGX_ERROR;
        }

        *external = index;
    }

    position = ngx_array_push(&template->variables);
    if (position == NULL) {
        return NGX_ERROR;
    }

    *position = i;

    return referral_template_external(b, i) == REFERRAL_OK ? NGX_OK
                                                           : NGX_ERROR;
}


char *
ngx_http_referral_fallback(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_str_t                     *value;
    ngx_http_referral_fallback_t  *fallback;

    if (rlcf->fallback != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    fallback = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_fallback_t));
    if (fallback == NULL) {
        return NGX_CONF_ERROR;
    }

    rlcf->fallback = fallback;

    value = cf->args->elts;

    if ((value[1].data[0] == '@' && value[1].len > 1)
        || (value[1].data[0] == '/' && value[1].data[1] != '/'))
    {
        fallback->location = value[1];
        return NGX_CONF_OK;
    }

    if (ngx_strncasecmp(value[1].data, (u_char *) "http://", 7) != 0
        && ngx_strncasecmp(value[1].data, (u_char *) "https://", 8) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid fallback \"%V\": a URL that begins with "
                           "\"https://\", \"/path\" or \"@name\" are right",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_http_referral_url(cf, &value[1], &fallback->url);
}


char *
ngx_http_referral_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_str_t       *value;
    ngx_uint_t       i;
    referral_str_t  *pattern;

    value = cf->args->elts;

    if (rlcf->allow == NGX_CONF_UNSET_PTR) {
        rlcf->allow = ngx_array_create(cf->pool, cf->args->nelts,
                                       sizeof(referral_str_t));
        if (rlcf->allow == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    for (i = 1; i < cf->args->nelts; i++) {
        pattern = ngx_array_push(rlcf->allow);
        if (pattern == NULL) {
            return NGX_CONF_ERROR;
        }

        pattern->len = value[i].len;
        pattern->data = value[i].data;

        referral_str_lower(pattern);

        if (!referral_host_pattern_valid(pattern)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid host \"%V\": \"shop.example.com\" "
                               "and \"*.example.com\" are right", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (rlcf->status != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == 301 || n == 308) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral_status\" %V is kept by browsers, which "
                           "then never ask again: their clicks would not be "
                           "counted; 302, 303 and 307 are right", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (n != 302 && n != 303 && n != 307) {
        ngx_http_referral_bad(cf, &value[1], "302, 303 and 307 are right");
        return NGX_CONF_ERROR;
    }

    rlcf->status = n;

    return NGX_CONF_OK;
}


char *
ngx_http_referral_cookie(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_int_t                           rc;
    ngx_str_t                          *value;
    ngx_uint_t                          i;
    ngx_http_referral_cookie_conf_t    *cookie;
    ngx_http_referral_cookie_option_t  *option;

    if (rlcf->cookie != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    cookie = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_cookie_conf_t));
    if (cookie == NULL) {
        return NGX_CONF_ERROR;
    }

    rlcf->cookie = cookie;

    cookie->samesite = NGX_HTTP_REFERRAL_SAMESITE_LAX;
    cookie->httponly = 1;
    ngx_str_set(&cookie->path, "/");

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return cf->args->nelts == 2 ? NGX_CONF_OK
                                    : "takes no parameters after \"off\"";
    }

    cookie->enabled = 1;
    i = 1;

    /* the name may be left out */

    if (ngx_strlchr(value[1].data, value[1].data + value[1].len, '=')
        == NULL)
    {
        cookie->name = value[1];
        i = 2;
    }

    for ( /* void */ ; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "domain=", 7) == 0) {
            cookie->domain.len = value[i].len - 7;
            cookie->domain.data = value[i].data + 7;
            continue;
        }

        if (ngx_strncmp(value[i].data, "path=", 5) == 0) {
            cookie->path.len = value[i].len - 5;
            cookie->path.data = value[i].data + 5;
            continue;
        }

        option = ngx_http_referral_cookie_options;

        while (option->name.len
               && (option->name.len != value[i].len
                   || ngx_memcmp(option->name.data, value[i].data,
                                 value[i].len)
                      != 0))
        {
            option++;
        }

        if (option->name.len) {
            *(ngx_uint_t *) ((char *) cookie + option->offset) = option->value;
            continue;
        }

        rc = ngx_http_referral_seconds(cf, &value[i], "max_age=", 1,
                                       REFERRAL_WINDOW_MAX, &cookie->max_age);

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_bad(cf, &value[i], "\"domain=\", "
                  "\"path=\", \"max_age=\", \"samesite=lax|strict|none|off\", "
                  "\"secure=auto|on|off\" and \"httponly=on|off\" are right");
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_referral_cookie_check(cf, cookie);
}


static char *
ngx_http_referral_cookie_check(ngx_conf_t *cf,
    ngx_http_referral_cookie_conf_t *cookie)
{
    size_t   i;
    u_char   ch;

    for (i = 0; i < cookie->name.len; i++) {
        ch = cookie->name.data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9')
              || ch == '_' || ch == '-' || ch == '.'))
        {
            break;
        }
    }

    if (i < cookie->name.len || i > 64) {
        ngx_http_referral_bad(cf, &cookie->name, "a cookie's name is of up "
                              "to 64 letters, digits, \"_\", \"-\" and \".\"");
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < cookie->domain.len; i++) {
        ch = cookie->domain.data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || ch == '-' || ch == '.'))
        {
            ngx_http_referral_bad(cf, &cookie->domain,
                                  "\"domain=example.com\" is right");
            return NGX_CONF_ERROR;
        }
    }

    for (i = 0; i < cookie->path.len; i++) {
        ch = cookie->path.data[i];

        if (ch < 0x21 || ch > 0x7e || ch == ';') {
            break;
        }
    }

    if (i < cookie->path.len || i == 0 || cookie->path.data[0] != '/') {
        ngx_http_referral_bad(cf, &cookie->path, "\"path=/\" is right");
        return NGX_CONF_ERROR;
    }

    if (cookie->name.len > 7
        && ngx_strncmp(cookie->name.data, "__Host-", 7) == 0
        && (cookie->domain.len || cookie->path.len != 1
            || cookie->secure == NGX_HTTP_REFERRAL_SECURE_OFF))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "browsers take a cookie \"%V\" only without "
                           "\"domain=\", with \"path=/\" and not with "
                           "\"secure=off\"", &cookie->name);
        return NGX_CONF_ERROR;
    }

    if (cookie->name.len > 9
        && ngx_strncmp(cookie->name.data, "__Secure-", 9) == 0
        && cookie->secure == NGX_HTTP_REFERRAL_SECURE_OFF)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "browsers do not take a cookie \"%V\" with "
                           "\"secure=off\"", &cookie->name);
        return NGX_CONF_ERROR;
    }

    if (cookie->samesite == NGX_HTTP_REFERRAL_SAMESITE_NONE
        && cookie->secure != NGX_HTTP_REFERRAL_SECURE_ON)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"samesite=none\" needs \"secure=on\": browsers "
                           "do not take it otherwise");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_utc_offset(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    int              minutes;
    ngx_str_t       *value;
    referral_str_t   text;

    if (rlcf->utc_offset != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    text.len = value[1].len;
    text.data = value[1].data;

    if (referral_offset_parse(&minutes, &text) != REFERRAL_OK) {
        ngx_http_referral_bad(cf, &value[1],
                              "\"+09:00\", \"-03:30\" and \"Z\" are right");
        return NGX_CONF_ERROR;
    }

    rlcf->utc_offset = minutes;

    return NGX_CONF_OK;
}


char *
ngx_http_referral_resolve(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                           *rv;
    ngx_http_referral_loc_conf_t   *rlcf;
    ngx_http_referral_main_conf_t  *rmcf;

    rv = ngx_conf_set_flag_slot(cf, cmd, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rlcf = conf;

    if (rlcf->resolve) {
        rmcf = ngx_http_conf_get_module_main_conf(cf,
                                                  ngx_http_referral_module);
        rmcf->enabled = 1;
        rmcf->links = 1;
        rmcf->resolve = 1;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "stands in a location that has other contents already";
    }

    clcf->handler = ngx_http_referral_metrics_handler;

    return NGX_CONF_OK;
}


/* "name=30s"; NGX_DECLINED: not this name; NGX_ERROR: said what is wrong */

static ngx_int_t
ngx_http_referral_seconds(ngx_conf_t *cf, ngx_str_t *arg, const char *name,
    time_t min, time_t max, time_t *value)
{
    size_t     len;
    ngx_int_t  n;
    ngx_str_t  s;

    len = ngx_strlen(name);

    if (arg->len < len || ngx_strncmp(arg->data, name, len) != 0) {
        return NGX_DECLINED;
    }

    s.len = arg->len - len;
    s.data = arg->data + len;

    n = ngx_parse_time(&s, 1);

    if (n == NGX_ERROR || n < min || n > max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": a time of %T to %T seconds is "
                           "right, such as \"%s90s\" or \"%s30d\"",
                           arg, min, max, name, name);
        return NGX_ERROR;
    }

    *value = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_bytes(ngx_conf_t *cf, ngx_str_t *arg, const char *name,
    off_t min, off_t *value)
{
    off_t      n;
    size_t     len;
    ngx_str_t  s;

    len = ngx_strlen(name);

    if (arg->len < len || ngx_strncmp(arg->data, name, len) != 0) {
        return NGX_DECLINED;
    }

    s.len = arg->len - len;
    s.data = arg->data + len;

    n = ngx_parse_offset(&s);

    if (n == NGX_ERROR || n < min) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": a size of at least %O bytes is "
                           "right, such as \"%s16m\"", arg, min, name);
        return NGX_ERROR;
    }

    *value = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_bad(ngx_conf_t *cf, ngx_str_t *arg, const char *right)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\": %s",
                       arg, right);

    return NGX_ERROR;
}
