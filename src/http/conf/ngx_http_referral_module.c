
/*
 * The core: directives for all servers and those that features share, and the
 * start and the end of a worker's parts.  It knows none of the features.
 */


#include "ngx_http_referral_conf_core.h"
#include "ngx_http_referral_geo.h"
#include "ngx_http_referral_links.h"
#include "ngx_http_referral_recorder.h"
#include "ngx_http_referral_salts.h"
#include "ngx_http_referral_timezone.h"
#include "referral_keys.h"


#define NGX_HTTP_REFERRAL_JOURNAL_PATH  "/var/lib/nginx/referral"


static void *ngx_http_referral_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_referral_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_referral_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_referral_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_referral_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_referral_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_referral_init_process(ngx_cycle_t *cycle);
static void ngx_http_referral_exit_process(ngx_cycle_t *cycle);


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
      ngx_http_referral_key_file,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_bots"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_bots,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_events"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_referral_events,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_landing"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_landing,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
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

    { ngx_string("referral_code_case"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, insensitive),
      ngx_http_referral_code_cases },

    { ngx_string("referral_cookie"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_referral_cookie,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_attribution"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_enum_slot,
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

    { ngx_string("referral_timezone"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_timezone,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_referral_module_ctx = {
    NULL,                                  /* preconfiguration */
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
    ngx_http_referral_init_module,         /* init module */
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
     *     everything whose default is zero, empty or NULL
     */

    rmcf->worker = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_worker_t));
    if (rmcf->worker == NULL) {
        return NULL;
    }

    if (ngx_array_init(&rmcf->externals, cf->pool, 4, sizeof(ngx_int_t))
            != NGX_OK
        || ngx_array_init(&rmcf->places, cf->pool, 4,
                          sizeof(ngx_http_referral_place_t *))
               != NGX_OK)
    {
        return NULL;
    }

    rmcf->zone.size = 16 * 1024 * 1024;
    rmcf->zone.valid = 600;
    rmcf->zone.untracked = 2;
    rmcf->zone.negative = 10;
    rmcf->zone.stale = 86400;

    rmcf->journal.segment = 16 * 1024 * 1024;
    rmcf->journal.max = 1024 * 1024 * 1024;
    rmcf->journal.retain = 2 * 3600;
    rmcf->journal.sync = REFERRAL_SYNC_OFF;

    rmcf->geo.reload = 3600;

    rmcf->events_maxlen = NGX_CONF_UNSET;
    rmcf->events_age = 90 * 86400;

    return rmcf;
}


static char *
ngx_http_referral_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    char                            *rv;
    ngx_str_t                        path;
    ngx_conf_file_t                 *conf_file;
    ngx_http_referral_redis_conf_t  *redis;

    static ngx_str_t  prefix = ngx_string(REFERRAL_KEY_PREFIX);
    static ngx_str_t  address = ngx_string("127.0.0.1:6379");

    if (rmcf->events_maxlen == NGX_CONF_UNSET) {
        rmcf->events_maxlen = 1000000;
    }

#if (NGX_THREADS)

    if (rmcf->geo.files
        || ((rmcf->needs & NGX_HTTP_REFERRAL_NEED_REDIS)
            && rmcf->journal.sync != REFERRAL_SYNC_OFF))
    {
        rmcf->thread_pool = ngx_thread_pool_add(cf, NULL);

        if (rmcf->thread_pool == NULL) {
            return NGX_CONF_ERROR;
        }

        rmcf->geo.thread_pool = rmcf->thread_pool;
        rmcf->timezone.thread_pool = rmcf->thread_pool;
    }

#endif

    conf_file = cf->conf_file;
    cf->conf_file = rmcf->geo.place;

    rv = ngx_http_referral_geo_init(cf, &rmcf->geo);

    cf->conf_file = conf_file;

    if (rv != NGX_CONF_OK || !rmcf->enabled) {
        return rv;
    }

    /* a program in Redis may name any of them */

    if ((rmcf->needs & NGX_HTTP_REFERRAL_NEED_REDIS)
        && ngx_http_referral_timezone_init(cf, &rmcf->timezone) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    redis = &rmcf->redis;

    if (redis->host == NULL) {
        redis->text = address;
        redis->host = (u_char *) "127.0.0.1";
        redis->port = 6379;
        redis->prefix = prefix;
        redis->timeout = 500;
    }

    if (rmcf->needs & NGX_HTTP_REFERRAL_NEED_REDIS) {
        rmcf->zone.shm_zone = ngx_shared_memory_add(cf,
                                               &ngx_http_referral_zone_name,
                                               rmcf->zone.size,
                                               &ngx_http_referral_module);
        if (rmcf->zone.shm_zone == NULL) {
            return NGX_CONF_ERROR;
        }

        rmcf->zone.shm_zone->init = ngx_http_referral_zone_init;
        rmcf->zone.shm_zone->data = rmcf;
    }

    if (rmcf->journal.path == NULL
        && ((rmcf->needs & NGX_HTTP_REFERRAL_NEED_REDIS)
            || rmcf->keys.file.len == 0))
    {
        ngx_str_set(&path, NGX_HTTP_REFERRAL_JOURNAL_PATH);

        /* the default path has no line in the configuration */

        conf_file = cf->conf_file;
        cf->conf_file = NULL;

        rv = ngx_http_referral_journal_path(cf, rmcf, &path);

        cf->conf_file = conf_file;

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
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
     *     rlcf->link = { 0, NULL, NULL };
     */

    rlcf->program = NGX_CONF_UNSET_PTR;
    rlcf->landing = NGX_CONF_UNSET_PTR;
    rlcf->fallback = NGX_CONF_UNSET_PTR;
    rlcf->allow = NGX_CONF_UNSET_PTR;
    rlcf->insensitive = NGX_CONF_UNSET_UINT;

    rlcf->consent = NGX_CONF_UNSET_PTR;
    rlcf->exclude = NGX_CONF_UNSET_PTR;

    rlcf->cookie = NGX_CONF_UNSET_PTR;
    rlcf->attribution = NGX_CONF_UNSET_UINT;
    rlcf->gpc = NGX_CONF_UNSET;
    rlcf->utc_offset = NGX_CONF_UNSET;
    rlcf->timezone = NGX_CONF_UNSET_PTR;

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

    ngx_conf_merge_ptr_value(conf->program, prev->program, NULL);
    ngx_conf_merge_ptr_value(conf->landing, prev->landing, NULL);
    ngx_conf_merge_ptr_value(conf->fallback, prev->fallback, NULL);
    ngx_conf_merge_ptr_value(conf->allow, prev->allow, NULL);
    ngx_conf_merge_uint_value(conf->insensitive, prev->insensitive, 1);
    ngx_conf_merge_ptr_value(conf->consent, prev->consent, NULL);
    ngx_conf_merge_ptr_value(conf->exclude, prev->exclude, NULL);
    ngx_conf_merge_ptr_value(conf->cookie, prev->cookie, &cookie);
    ngx_conf_merge_uint_value(conf->attribution, prev->attribution,
                              REFERRAL_ATTRIBUTION_LAST);
    ngx_conf_merge_value(conf->gpc, prev->gpc, 1);

    /* an offset that is nearer wins over a time zone */

    if (conf->utc_offset != NGX_CONF_UNSET
        && conf->timezone == NGX_CONF_UNSET_PTR)
    {
        conf->timezone = NULL;
    }

    ngx_conf_merge_ptr_value(conf->timezone, prev->timezone, NULL);
    ngx_conf_merge_value(conf->utc_offset, prev->utc_offset, 0);

    /*
     * in an "if" block the URL names the same link as in the location around
     * it
     */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && prev->link.set) {
        conf->link = prev->link;
    }

    if (conf->cookie->enabled && (conf->link.set || conf->program)) {
        ngx_http_referral_need(cf, NGX_HTTP_REFERRAL_NEED_COOKIES);
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_referral_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    /* variables tell machines from people even if nothing is configured */

    if (rmcf->bots == NULL
        && ngx_http_referral_set_bots(cf, rmcf, NULL) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_referral_check_reached(cf, &rmcf->places);

    return rmcf->enabled ? ngx_http_referral_keys(cf, rmcf) : NGX_OK;
}


static ngx_int_t
ngx_http_referral_init_module(ngx_cycle_t *cycle)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_referral_module);

    if (rmcf == NULL || rmcf->zone.sh == NULL) {
        ngx_http_referral_journal_left(cycle, NULL);
        return NGX_OK;
    }

    rmcf->zone.generation = ++rmcf->zone.sh->generation;

    rmcf->journal.directory = ngx_http_referral_recorder_directory(
                                  &rmcf->zone.sh->clicks,
                                  &rmcf->journal.path->name,
                                  rmcf->journal.max, rmcf->zone.generation);

    ngx_http_referral_journal_left(cycle, &rmcf->journal.path->name);
    ngx_http_referral_journal_owner(cycle, &rmcf->journal.path->name);

    return NGX_OK;
}


/* never an error: if workers do not start, the whole site is down */

static ngx_int_t
ngx_http_referral_init_process(ngx_cycle_t *cycle)
{
    ngx_http_referral_worker_t     *worker;
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

    if (rmcf->geo.geos) {
        ngx_http_referral_geo_start(&rmcf->geo, cycle->log);
    }

    if (!(rmcf->needs & NGX_HTTP_REFERRAL_NEED_REDIS)) {
        return NGX_OK;
    }

    ngx_http_referral_timezone_start(&rmcf->timezone, cycle->log);

    worker = rmcf->worker;

    ngx_memzero(&worker->random, sizeof(referral_random_t));
    referral_cache_process(&rmcf->zone.cache);

    worker->links = ngx_http_referral_links_create(rmcf, cycle->log);
    worker->recorder = ngx_http_referral_recorder_clicks(rmcf, cycle->log);

    if (worker->links) {
        worker->salts = ngx_http_referral_salts_create(rmcf, cycle->log);
    }

    return NGX_OK;
}


static void
ngx_http_referral_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_referral_worker_t     *worker;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_referral_module);
    if (rmcf == NULL) {
        return;
    }

    worker = rmcf->worker;

    if (worker->salts) {
        ngx_http_referral_salts_close(worker->salts);
        worker->salts = NULL;
    }

    if (worker->links) {
        ngx_http_referral_links_close(worker->links);
        worker->links = NULL;
    }

    /* last, because sending the last batch may take a second */

    if (worker->recorder) {
        ngx_http_referral_recorder_close(worker->recorder);
        worker->recorder = NULL;
    }

    if (rmcf->zone.sh) {
        ngx_http_referral_zone_leave(rmcf->zone.sh);
    }

    referral_cache_leave(&rmcf->zone.cache);
}
