
#include "ngx_http_referral.h"
#include "referral_journal.h"
#include "referral_template.h"
#include "referral_url.h"


#define NGX_HTTP_REFERRAL_JOURNAL_PATH  "/var/lib/nginx/referral"
#define NGX_HTTP_REFERRAL_KEY_FILE      "referral.key"
#define NGX_HTTP_REFERRAL_FILE_MAX      65536
#define NGX_HTTP_REFERRAL_TEMPLATE_MAX  8192


static void *ngx_http_referral_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_referral_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_referral_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_referral_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_referral_check_landing(ngx_conf_t *cf,
    ngx_http_referral_loc_conf_t *rlcf);
static void ngx_http_referral_check_domain(ngx_conf_t *cf,
    ngx_http_referral_loc_conf_t *rlcf, referral_str_t *host);
static ngx_int_t ngx_http_referral_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_referral_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_referral_keys(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);
static ngx_int_t ngx_http_referral_make_key(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *file);
static ngx_int_t ngx_http_referral_read_secret(ngx_conf_t *cf,
    const char *directive, ngx_str_t *file, referral_str_t *text);
static ngx_int_t ngx_http_referral_init_process(ngx_cycle_t *cycle);
static void ngx_http_referral_exit_process(ngx_cycle_t *cycle);

static char *ngx_http_referral(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_referral_program(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_program_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv);
static char *ngx_http_referral_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_zone_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_journal(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_journal_path(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *name);
static char *ngx_http_referral_geoip(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_events(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_template_slot(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_referral_template(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_referral_template_t **template);
static ngx_int_t ngx_http_referral_template_variable(ngx_conf_t *cf,
    ngx_http_referral_template_t *template, referral_buf_t *b,
    ngx_str_t *name);
static char *ngx_http_referral_fallback(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_allow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_cookie(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_cookie_check(ngx_conf_t *cf,
    ngx_http_referral_cookie_conf_t *cookie);
static char *ngx_http_referral_utc_offset(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_resolve(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_referral_seconds(ngx_conf_t *cf, ngx_str_t *arg,
    const char *name, time_t min, time_t max, time_t *value);
static ngx_int_t ngx_http_referral_bytes(ngx_conf_t *cf, ngx_str_t *arg,
    const char *name, off_t min, off_t *value);
static ngx_int_t ngx_http_referral_bad(ngx_conf_t *cf, ngx_str_t *arg,
    const char *right);


static ngx_conf_enum_t  ngx_http_referral_code_cases[] = {
    { ngx_string("insensitive"), 1 },
    { ngx_string("sensitive"), 0 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_referral_attributions[] = {
    { ngx_string("last"), REFERRAL_ATTRIBUTION_LAST },
    { ngx_string("first"), REFERRAL_ATTRIBUTION_FIRST },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_referral_commands[] = {

    { ngx_string("referral"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE12,
      ngx_http_referral,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_program"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_program,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_referral_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_referral_zone_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_journal"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_referral_journal,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_geoip"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_referral_geoip,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_key_file"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_referral_main_conf_t, key_file),
      NULL },

    { ngx_string("referral_events"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_referral_events,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_landing"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_template_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, landing),
      NULL },

    { ngx_string("referral_landing_args"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_template_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, args),
      NULL },

    { ngx_string("referral_fallback"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_fallback,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_allow"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_referral_allow,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_status"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_forward_args"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, forward_args),
      NULL },

    { ngx_string("referral_code_case"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, insensitive),
      ngx_http_referral_code_cases },

    { ngx_string("referral_channel"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, channel),
      NULL },

    { ngx_string("referral_cookie"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_referral_cookie,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_attribution"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, attribution),
      ngx_http_referral_attributions },

    { ngx_string("referral_consent"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, consent),
      NULL },

    { ngx_string("referral_gpc"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, gpc),
      NULL },

    { ngx_string("referral_exclude"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, exclude),
      NULL },

    { ngx_string("referral_utc_offset"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_utc_offset,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_resolve"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_http_referral_resolve,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, resolve),
      NULL },

    { ngx_string("referral_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_referral_metrics,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_referral_module_ctx = {
    ngx_http_referral_preconfiguration,    /* preconfiguration */
    ngx_http_referral_postconfiguration,   /* postconfiguration */

    ngx_http_referral_create_main_conf,    /* create main configuration */
    ngx_http_referral_init_main_conf,      /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_referral_create_loc_conf,     /* create location configuration */
    ngx_http_referral_merge_loc_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_referral_module = {
    NGX_MODULE_V1,
    &ngx_http_referral_module_ctx,         /* module context */
    ngx_http_referral_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_referral_init_process,        /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_referral_exit_process,        /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_str_t  ngx_http_referral_zone_name = ngx_string("referral");


static void *
ngx_http_referral_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_main_conf_t));
    if (rmcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     everything that is zero, empty or NULL where nothing is said
     */

    if (ngx_array_init(&rmcf->externals, cf->pool, 4, sizeof(ngx_int_t))
        != NGX_OK)
    {
        return NULL;
    }

    rmcf->zone_size = 16 * 1024 * 1024;
    rmcf->valid = 600;
    rmcf->untracked = 2;
    rmcf->negative = 10;
    rmcf->stale = 86400;

    rmcf->segment = 16 * 1024 * 1024;
    rmcf->journal_max = 1024 * 1024 * 1024;
    rmcf->retain = 2 * 3600;
    rmcf->sync = REFERRAL_SYNC_OFF;

    rmcf->geoip_reload = 3600;

    rmcf->events_maxlen = NGX_CONF_UNSET;
    rmcf->events_age = 90 * 86400;

    return rmcf;
}


static char *
ngx_http_referral_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_str_t                        path;
    ngx_http_referral_redis_conf_t  *redis;

    static ngx_str_t  prefix = ngx_string("ref:");
    static ngx_str_t  address = ngx_string("127.0.0.1:6379");

    if (rmcf->events_maxlen == NGX_CONF_UNSET) {
        rmcf->events_maxlen = 1000000;
    }

#if (NGX_THREADS)

    if (rmcf->geoip || (rmcf->links && rmcf->sync != REFERRAL_SYNC_OFF)) {
        rmcf->thread_pool = ngx_thread_pool_add(cf, NULL);

        if (rmcf->thread_pool == NULL) {
            return NGX_CONF_ERROR;
        }
    }

#endif

    if (!rmcf->enabled) {
        return ngx_http_referral_geo_init(cf, rmcf);
    }

    redis = &rmcf->redis;

    if (redis->host == NULL) {
        redis->text = address;
        redis->host = (u_char *) "127.0.0.1";
        redis->port = 6379;
        redis->prefix = prefix;
        redis->timeout = 500;
    }

    if (rmcf->links) {
        rmcf->shm_zone = ngx_shared_memory_add(cf,
                                               &ngx_http_referral_zone_name,
                                               rmcf->zone_size,
                                               &ngx_http_referral_module);
        if (rmcf->shm_zone == NULL) {
            return NGX_CONF_ERROR;
        }

        rmcf->shm_zone->init = ngx_http_referral_zone_init;
        rmcf->shm_zone->data = rmcf;
    }

    if (rmcf->journal == NULL && (rmcf->links || rmcf->key_file.len == 0)) {
        ngx_str_set(&path, NGX_HTTP_REFERRAL_JOURNAL_PATH);

        if (ngx_http_referral_journal_path(cf, rmcf, &path) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_referral_geo_init(cf, rmcf);
}


static void *
ngx_http_referral_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_referral_loc_conf_t  *rlcf;

    rlcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_loc_conf_t));
    if (rlcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     rlcf->short_link = 0;
     *     rlcf->short_program = NULL;
     *     rlcf->short_code = NULL;
     *     rlcf->hosts = NULL;
     */

    rlcf->program = NGX_CONF_UNSET_PTR;
    rlcf->landing = NGX_CONF_UNSET_PTR;
    rlcf->args = NGX_CONF_UNSET_PTR;
    rlcf->fallback = NGX_CONF_UNSET_PTR;
    rlcf->allow = NGX_CONF_UNSET_PTR;
    rlcf->status = NGX_CONF_UNSET_UINT;
    rlcf->forward_args = NGX_CONF_UNSET;
    rlcf->insensitive = NGX_CONF_UNSET_UINT;

#if (nginx_version >= 1021000)
    rlcf->channel = NGX_CONF_UNSET_PTR;
    rlcf->consent = NGX_CONF_UNSET_PTR;
    rlcf->exclude = NGX_CONF_UNSET_PTR;
#endif

    rlcf->cookie = NGX_CONF_UNSET_PTR;
    rlcf->attribution = NGX_CONF_UNSET_UINT;
    rlcf->gpc = NGX_CONF_UNSET;
    rlcf->utc_offset = NGX_CONF_UNSET;
    rlcf->resolve = NGX_CONF_UNSET;

    return rlcf;
}


static char *
ngx_http_referral_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_referral_loc_conf_t *prev = parent;
    ngx_http_referral_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    static ngx_http_referral_cookie_conf_t  cookie = {
        1, ngx_null_string, ngx_null_string, ngx_string("/"), 0,
        NGX_HTTP_REFERRAL_SAMESITE_LAX, NGX_HTTP_REFERRAL_SECURE_AUTO, 1
    };

    static ngx_str_t  args =
                          ngx_string("ref={code}&click_id={click_id}");

    ngx_conf_merge_ptr_value(conf->program, prev->program, NULL);
    ngx_conf_merge_ptr_value(conf->landing, prev->landing, NULL);
    ngx_conf_merge_ptr_value(conf->args, prev->args, NULL);
    ngx_conf_merge_ptr_value(conf->fallback, prev->fallback, NULL);
    ngx_conf_merge_ptr_value(conf->allow, prev->allow, NULL);
    ngx_conf_merge_uint_value(conf->status, prev->status,
                              NGX_HTTP_MOVED_TEMPORARILY);
    ngx_conf_merge_value(conf->forward_args, prev->forward_args, 0);
    ngx_conf_merge_uint_value(conf->insensitive, prev->insensitive, 1);
    ngx_conf_merge_ptr_value(conf->channel, prev->channel, NULL);
    ngx_conf_merge_ptr_value(conf->consent, prev->consent, NULL);
    ngx_conf_merge_ptr_value(conf->exclude, prev->exclude, NULL);
    ngx_conf_merge_ptr_value(conf->cookie, prev->cookie, &cookie);
    ngx_conf_merge_uint_value(conf->attribution, prev->attribution,
                              REFERRAL_ATTRIBUTION_LAST);
    ngx_conf_merge_value(conf->gpc, prev->gpc, 1);
    ngx_conf_merge_value(conf->utc_offset, prev->utc_offset, 0);
    ngx_conf_merge_value(conf->resolve, prev->resolve, 0);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "if" inside of a short link: its handler runs with this configuration */

    if (clcf->noname && prev->short_link) {
        conf->short_program = prev->short_program;
        conf->short_code = prev->short_code;
        conf->file = prev->file;
        conf->line = prev->line;
        conf->short_link = 1;
        conf->hosts = prev->hosts;

        return NGX_CONF_OK;
    }

    if (!conf->short_link) {
        return NGX_CONF_OK;
    }

    if (conf->short_program == NULL && conf->program == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral\" needs a program: \"referral shop;\" or "
                      "\"referral_program shop;\" in %s:%ui",
                      conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (conf->args == NULL
        && ngx_http_referral_template(cf, &args, &conf->args) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_referral_check_landing(cf, conf);
}


/* which hosts may a landing have, and does the cookie reach it? */

static char *
ngx_http_referral_check_landing(ngx_conf_t *cf,
    ngx_http_referral_loc_conf_t *rlcf)
{
    referral_str_t  host, *allow;

    host.len = 0;

    if (rlcf->landing
        && referral_template_host(&rlcf->landing->code, &host) != REFERRAL_OK
        && rlcf->allow == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_landing\" has a variable before its path: "
                      "name the hosts it may lead to with \"referral_allow\" "
                      "for \"referral\" in %s:%ui", rlcf->file, rlcf->line);
        return NGX_CONF_ERROR;
    }

    if (rlcf->landing == NULL && rlcf->allow == NULL) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "no landing is allowed for \"referral\" in %s:%ui: name "
                      "the hosts of the landings in redis with "
                      "\"referral_allow\"", rlcf->file, rlcf->line);
    }

    if (host.len) {
        ngx_http_referral_check_domain(cf, rlcf, &host);
    }

    /* "allow" itself stays: locations inside may have other landings */

    rlcf->hosts = rlcf->allow;

    if (rlcf->hosts == NULL && host.len) {
        rlcf->hosts = ngx_array_create(cf->pool, 1, sizeof(referral_str_t));
        if (rlcf->hosts == NULL) {
            return NGX_CONF_ERROR;
        }

        allow = ngx_array_push(rlcf->hosts);

        allow->len = host.len;
        allow->data = ngx_pnalloc(cf->pool, host.len);
        if (allow->data == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_strlow(allow->data, host.data, host.len);
    }

    return NGX_CONF_OK;
}


static void
ngx_http_referral_check_domain(ngx_conf_t *cf,
    ngx_http_referral_loc_conf_t *rlcf, referral_str_t *host)
{
    ngx_str_t                  domain;
    ngx_http_core_srv_conf_t  *cscf;

    if (!rlcf->cookie->enabled) {
        return;
    }

    domain = rlcf->cookie->domain;

    if (domain.len) {

        if (domain.data[0] == '.') {
            domain.data++;
            domain.len--;
        }

        if (host->len >= domain.len
            && ngx_strncasecmp(host->data + host->len - domain.len,
                               domain.data, domain.len)
               == 0
            && (host->len == domain.len
                || host->data[host->len - domain.len - 1] == '.'))
        {
            return;
        }

    } else {
        cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

        domain = cscf->server_name;

        if (domain.len == 0 || ngx_strlchr(domain.data,
                                           domain.data + domain.len, '.')
                               == NULL)
        {
            return;
        }

        if (host->len == domain.len
            && ngx_strncasecmp(host->data, domain.data, domain.len) == 0)
        {
            return;
        }
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "the attribution cookie of \"%V\" does not reach the "
                  "landing on \"%*s\": set \"referral_cookie\" with a "
                  "\"domain=\" of both, or let the landing keep click_id, "
                  "for \"referral\" in %s:%ui",
                  &domain, host->len, host->data, rlcf->file, rlcf->line);
}


static ngx_int_t
ngx_http_referral_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_referral_add_variables(cf);
}


static ngx_int_t
ngx_http_referral_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt            *h;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    if (!rmcf->enabled) {
        return NGX_OK;
    }

    if (rmcf->resolve) {
        cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

        h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = ngx_http_referral_resolve_handler;
    }

    return ngx_http_referral_keys(cf, rmcf);
}


static ngx_int_t
ngx_http_referral_keys(ngx_conf_t *cf, ngx_http_referral_main_conf_t *rmcf)
{
    unsigned             line;
    ngx_str_t            file;
    const char          *err;
    referral_str_t       text;
    ngx_pool_cleanup_t  *cln;

    file = rmcf->key_file;

    if (file.len) {
        if (ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (ngx_http_referral_make_key(cf, rmcf, &file) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_referral_read_secret(cf, "referral_key_file", &file, &text)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rmcf->keys = referral_keys_create(&text, &line, &err);

    ngx_explicit_memzero(text.data, text.len);

    if (rmcf->keys == NULL) {
        if (line) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"referral_key_file\": %s in \"%V\", line %ui",
                          err, &file, (ngx_uint_t) line);
        } else {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"referral_key_file\": %s in \"%V\"", err, &file);
        }

        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = (ngx_pool_cleanup_pt) referral_keys_free;
    cln->data = rmcf->keys;

    return NGX_OK;
}


/* one of our own, made once: enough as long as there is one host */

static ngx_int_t
ngx_http_referral_make_key(ngx_conf_t *cf, ngx_http_referral_main_conf_t *rmcf,
    ngx_str_t *file)
{
    u_char              *p;
    ngx_fd_t             fd;
    ngx_err_t            err;
    ngx_str_t           *path;
    u_char               raw[32], text[65];
    referral_random_t    random;

    path = &rmcf->journal->name;

    file->len = path->len + 1 + sizeof(NGX_HTTP_REFERRAL_KEY_FILE) - 1;
    file->data = ngx_pnalloc(cf->pool, file->len + 1);
    if (file->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(file->data, path->data, path->len);
    *p++ = '/';
    ngx_memcpy(p, NGX_HTTP_REFERRAL_KEY_FILE,
               sizeof(NGX_HTTP_REFERRAL_KEY_FILE));

    /* nginx makes and owns it properly a little later */

    if (ngx_create_dir(path->data, 0700) == NGX_FILE_ERROR) {
        err = ngx_errno;

        if (err != NGX_EEXIST) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, err,
                          ngx_create_dir_n " \"%V\" failed: "
                          "\"referral_journal\" needs a directory whose "
                          "parent exists", path);
            return NGX_ERROR;
        }
    }

    fd = ngx_open_file(file->data, NGX_FILE_WRONLY,
                       NGX_FILE_CREATE_OR_OPEN|O_EXCL, 0600);

    if (fd == NGX_INVALID_FILE) {
        err = ngx_errno;

        if (err == NGX_EEXIST) {
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, err,
                      ngx_open_file_n " \"%V\" failed", file);
        return NGX_ERROR;
    }

    ngx_memzero(&random, sizeof(referral_random_t));

    if (referral_random(&random, raw, sizeof(raw)) != REFERRAL_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no randomness for \"%V\"", file);
        goto failed;
    }

    p = ngx_hex_dump(text, raw, sizeof(raw));
    *p = '\n';

    if (ngx_write_fd(fd, text, sizeof(text)) != (ssize_t) sizeof(text)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      ngx_write_fd_n " to \"%V\" failed", file);
        goto failed;
    }

    (void) ngx_close_file(fd);

    ngx_log_error(NGX_LOG_NOTICE, cf->log, 0,
                  "cookies are signed with the new key in \"%V\": other hosts "
                  "need the same, see \"referral_key_file\"", file);

    return NGX_OK;

failed:

    (void) ngx_close_file(fd);
    (void) ngx_delete_file(file->data);

    return NGX_ERROR;
}


/* "text" is of the configuration's pool */

static ngx_int_t
ngx_http_referral_read_secret(ngx_conf_t *cf, const char *directive,
    ngx_str_t *file, referral_str_t *text)
{
    size_t           size;
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_file_info_t  fi;

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "\"%s\": " ngx_open_file_n " \"%V\" failed",
                      directive, file);
        return NGX_ERROR;
    }

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "\"%s\": " ngx_fd_info_n " \"%V\" failed",
                      directive, file);
        goto failed;
    }

    if (!ngx_is_file(&fi) || ngx_file_size(&fi) > NGX_HTTP_REFERRAL_FILE_MAX) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\": \"%V\" is not a small regular file",
                      directive, file);
        goto failed;
    }

    if (ngx_file_access(&fi) & 0007) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\": \"%V\" is open to others: \"chmod 600\" it",
                      directive, file);
        goto failed;
    }

    size = (size_t) ngx_file_size(&fi);

    text->data = ngx_pnalloc(cf->pool, size + 1);
    if (text->data == NULL) {
        goto failed;
    }

    n = ngx_read_fd(fd, text->data, size);

    if (n == -1) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "\"%s\": " ngx_read_fd_n " \"%V\" failed",
                      directive, file);
        goto failed;
    }

    text->len = n;

    (void) ngx_close_file(fd);

    return NGX_OK;

failed:

    (void) ngx_close_file(fd);

    return NGX_ERROR;
}


/* never an error: a worker that does not start takes the whole site down */

static ngx_int_t
ngx_http_referral_init_process(ngx_cycle_t *cycle)
{
    ngx_http_referral_main_conf_t  *rmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_referral_module);

    if (rmcf == NULL) {
        return NGX_OK;
    }

    if (rmcf->geo) {
        ngx_http_referral_geo_start(rmcf, cycle->log);
    }

    if (!rmcf->links) {
        return NGX_OK;
    }

    ngx_memzero(&rmcf->random, sizeof(referral_random_t));
    referral_cache_process(&rmcf->cache);

    rmcf->lookup = ngx_http_referral_links_create(rmcf, cycle->log);
    rmcf->recorder = ngx_http_referral_recorder_create(rmcf, cycle->log);

    if (rmcf->lookup) {
        rmcf->salts = ngx_http_referral_salts_create(rmcf, cycle->log);
    }

    return NGX_OK;
}


static void
ngx_http_referral_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_referral_module);
    if (rmcf == NULL) {
        return;
    }

    if (rmcf->salts) {
        ngx_http_referral_salts_close(rmcf->salts);
        rmcf->salts = NULL;
    }

    if (rmcf->recorder) {
        ngx_http_referral_recorder_close(rmcf->recorder);
        rmcf->recorder = NULL;
    }

    if (rmcf->lookup) {
        ngx_http_referral_links_close(rmcf->lookup);
        rmcf->lookup = NULL;
    }
}


static char *
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

    clcf->handler = ngx_http_referral_click_handler;

    rlcf->short_link = 1;
    rlcf->file = cf->conf_file->file.name.data;
    rlcf->line = cf->conf_file->line;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    rmcf->enabled = 1;
    rmcf->links = 1;

    return NGX_CONF_OK;
}


static char *
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


static char *
ngx_http_referral_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    size_t                           len;
    ngx_int_t                        n;
    ngx_str_t                       *value, s;
    ngx_url_t                        u;
    ngx_uint_t                       i;
    referral_str_t                   text;
    struct sockaddr                 *sa;
    ngx_http_referral_redis_conf_t  *redis;

    redis = &rmcf->redis;

    if (redis->host) {
        return "is duplicate";
    }

    value = cf->args->elts;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = value[1];
    u.default_port = 6379;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in address \"%V\": \"127.0.0.1:6379\" and "
                           "\"unix:/path\" are right",
                           u.err ? u.err : "no address", &u.url);
        return NGX_CONF_ERROR;
    }

    redis->text = value[1];
    redis->timeout = 500;
    ngx_str_set(&redis->prefix, "ref:");

    sa = u.addrs[0].sockaddr;

#if (NGX_HAVE_UNIX_DOMAIN)

    if (sa->sa_family == AF_UNIX) {
        redis->host = (u_char *) ((struct sockaddr_un *) sa)->sun_path;

    } else

#endif
    {
        redis->host = ngx_pcalloc(cf->pool, NGX_SOCKADDR_STRLEN + 1);
        if (redis->host == NULL) {
            return NGX_CONF_ERROR;
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


static char *
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


static char *
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


static char *
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


static char *
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


static char *
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


static char *
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

    return ngx_http_referral_template(cf, &value[1], template);
}


/* our placeholders in braces, and nginx's variables between them */

static char *
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


static char *
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

    return ngx_http_referral_template(cf, &value[1], &fallback->url);
}


static char *
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


static char *
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


static char *
ngx_http_referral_cookie(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_int_t                         rc;
    ngx_str_t                        *value;
    ngx_uint_t                        i;
    ngx_http_referral_cookie_conf_t  *cookie;

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

        if (ngx_strcmp(value[i].data, "samesite=lax") == 0) {
            cookie->samesite = NGX_HTTP_REFERRAL_SAMESITE_LAX;
            continue;
        }

        if (ngx_strcmp(value[i].data, "samesite=strict") == 0) {
            cookie->samesite = NGX_HTTP_REFERRAL_SAMESITE_STRICT;
            continue;
        }

        if (ngx_strcmp(value[i].data, "samesite=none") == 0) {
            cookie->samesite = NGX_HTTP_REFERRAL_SAMESITE_NONE;
            continue;
        }

        if (ngx_strcmp(value[i].data, "samesite=off") == 0) {
            cookie->samesite = NGX_HTTP_REFERRAL_SAMESITE_OFF;
            continue;
        }

        if (ngx_strcmp(value[i].data, "secure=auto") == 0) {
            cookie->secure = NGX_HTTP_REFERRAL_SECURE_AUTO;
            continue;
        }

        if (ngx_strcmp(value[i].data, "secure=on") == 0) {
            cookie->secure = NGX_HTTP_REFERRAL_SECURE_ON;
            continue;
        }

        if (ngx_strcmp(value[i].data, "secure=off") == 0) {
            cookie->secure = NGX_HTTP_REFERRAL_SECURE_OFF;
            continue;
        }

        if (ngx_strcmp(value[i].data, "httponly=on") == 0) {
            cookie->httponly = 1;
            continue;
        }

        if (ngx_strcmp(value[i].data, "httponly=off") == 0) {
            cookie->httponly = 0;
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


static char *
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


static char *
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


static char *
ngx_http_referral_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
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
