
#include "ngx_http_referral_click.h"
#include "ngx_http_referral_conf.h"
#include "ngx_http_referral_geo.h"
#include "ngx_http_referral_links.h"
#include "ngx_http_referral_recorder.h"
#include "ngx_http_referral_salts.h"
#include "referral_keys.h"
#include "referral_template.h"


#define NGX_HTTP_REFERRAL_JOURNAL_PATH  "/var/lib/nginx/referral"


static void *ngx_http_referral_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_referral_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_referral_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_referral_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_referral_preconfiguration(ngx_conf_t *cf);
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
      ngx_http_referral_enum_slot,
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

    { ngx_string("referral_resolve"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_http_referral_resolve,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, resolve),
      NULL },

    { ngx_string("referral_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_referral_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
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
     *     everything that is zero, empty or NULL where nothing is said
     */

    rmcf->worker = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_worker_t));
    if (rmcf->worker == NULL) {
        return NULL;
    }

    /* not by the process: without a master it has several configurations */

    ngx_http_referral_click_group_init(&rmcf->group, &cf->cycle->new_log);

    if (ngx_array_init(&rmcf->externals, cf->pool, 4, sizeof(ngx_int_t))
            != NGX_OK
        || ngx_array_init(&rmcf->shorts, cf->pool, 4,
                          sizeof(ngx_http_referral_short_t))
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
        || (rmcf->links && rmcf->journal.sync != REFERRAL_SYNC_OFF))
    {
        rmcf->thread_pool = ngx_thread_pool_add(cf, NULL);

        if (rmcf->thread_pool == NULL) {
            return NGX_CONF_ERROR;
        }

        rmcf->geo.thread_pool = rmcf->thread_pool;
    }

#endif

    conf_file = cf->conf_file;
    cf->conf_file = rmcf->geo.place;

    rv = ngx_http_referral_geo_init(cf, &rmcf->geo);

    cf->conf_file = conf_file;

    if (rv != NGX_CONF_OK || !rmcf->enabled) {
        return rv;
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
        && (rmcf->links || rmcf->keys.file.len == 0))
    {
        ngx_str_set(&path, NGX_HTTP_REFERRAL_JOURNAL_PATH);

        /* no directive named it */

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
     *     rlcf->short_link = 0;
     *     rlcf->metrics = 0;
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

    rlcf->channel = NGX_CONF_UNSET_PTR;
    rlcf->consent = NGX_CONF_UNSET_PTR;
    rlcf->exclude = NGX_CONF_UNSET_PTR;

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

    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_referral_short_t      *s;
    ngx_http_referral_main_conf_t  *rmcf;

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

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->cookie->enabled && (conf->short_link || conf->program)) {
        rmcf->keys.cookies = 1;
    }

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

    if (conf->short_link || conf->metrics) {
        s = ngx_array_push(&rmcf->shorts);
        if (s == NULL) {
            return NGX_CONF_ERROR;
        }

        s->rlcf = conf;
        s->clcf = clcf;
        s->cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    }

    if (!conf->short_link) {
        return NGX_CONF_OK;
    }

    if (clcf->handler != ngx_http_referral_click_group_handler) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "another directive of this location makes its contents, "
                      "no click would ever reach \"referral\" in %s:%ui",
                      conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (conf->short_program == NULL && conf->program == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral\" needs a program: \"referral shop;\" or "
                      "\"referral_program shop;\" in %s:%ui",
                      conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (conf->consent && conf->consent->lengths == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_consent\" needs a variable, for "
                      "\"referral\" in %s:%ui: without the directive "
                      "nobody is asked", conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (conf->args == NULL
        && ngx_http_referral_template(cf, &args, &conf->args) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_referral_check_hosts(cf, conf);
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

    /* variables tell machines where nothing else is configured too */

    if (rmcf->bots == NULL
        && ngx_http_referral_set_bots(cf, rmcf, NULL) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_referral_check(cf, rmcf);

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

    ngx_http_referral_recorder_directory(rmcf);

    ngx_http_referral_journal_left(cycle, &rmcf->journal.path->name);
    ngx_http_referral_journal_owner(cycle, &rmcf->journal.path->name);

    return NGX_OK;
}


/* never an error: a worker that does not start takes the whole site down */

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

    if (!rmcf->links) {
        return NGX_OK;
    }

    worker = rmcf->worker;

    ngx_memzero(&worker->random, sizeof(referral_random_t));
    referral_cache_process(&rmcf->zone.cache);

    worker->links = ngx_http_referral_links_create(rmcf, cycle->log);
    worker->recorder = ngx_http_referral_recorder_create(rmcf, cycle->log);

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

    /* last: it may take a second */

    if (worker->recorder) {
        ngx_http_referral_recorder_close(worker->recorder);
        worker->recorder = NULL;
    }

    if (rmcf->zone.sh) {
        ngx_http_referral_zone_leave(rmcf->zone.sh);
    }

    referral_cache_leave(&rmcf->zone.cache);
}
