
/*
 * "referral_resolve": before a page is made that is no short link, looks up
 * the link that the visitor's cookie names, so that variables have its fields.
 */


#include "ngx_http_referral_conf.h"
#include "ngx_http_referral_lookup.h"
#include "ngx_http_referral_request.h"


typedef struct {
    ngx_uint_t   used;       /* it is on somewhere */
} ngx_http_referral_resolve_main_conf_t;


typedef struct {
    ngx_flag_t   enabled;
} ngx_http_referral_resolve_conf_t;


static ngx_int_t ngx_http_referral_resolve_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_referral_resolve_touch(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_resolve_found(ngx_http_referral_ctx_t *ctx);
static char *ngx_http_referral_resolve(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_referral_resolve_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_referral_resolve_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_referral_resolve_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_referral_resolve_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);


static ngx_command_t  ngx_http_referral_resolve_commands[] = {

    { ngx_string("referral_resolve"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_http_referral_resolve,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_resolve_conf_t, enabled),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_referral_resolve_module_ctx = {
    NULL,                                         /* preconfiguration */
    ngx_http_referral_resolve_postconfiguration,  /* postconfiguration */

    ngx_http_referral_resolve_create_main_conf,   /* create main conf */
    NULL,                                         /* init main conf */

    NULL,                                         /* create server conf */
    NULL,                                         /* merge server conf */

    ngx_http_referral_resolve_create_loc_conf,    /* create location conf */
    ngx_http_referral_resolve_merge_loc_conf      /* merge location conf */
};


ngx_module_t  ngx_http_referral_resolve_module = {
    NGX_MODULE_V1,
    &ngx_http_referral_resolve_module_ctx,  /* module context */
    ngx_http_referral_resolve_commands,     /* module directives */
    NGX_HTTP_MODULE,                        /* module type */
    NULL,                                   /* init master */
    NULL,                                   /* init module */
    NULL,                                   /* init process */
    NULL,                                   /* init thread */
    NULL,                                   /* exit thread */
    NULL,                                   /* exit process */
    NULL,                                   /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_referral_resolve_handler(ngx_http_request_t *r)
{
    ngx_int_t                          rc;
    ngx_http_referral_ctx_t           *ctx;
    ngx_http_referral_loc_conf_t      *rlcf;
    ngx_http_referral_resolve_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_referral_resolve_module);
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (!conf->enabled || rlcf->link.set || r != r->main || r->post_action) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_referral_make_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ctx->looking) {
        return NGX_AGAIN;
    }

    if (ctx->resolved || ctx->short_link) {
        return NGX_DECLINED;
    }

    ctx->resolved = 1;

    /* a variable may have set it on a short link, before a redirect */

    ctx->code.len = 0;

    if (ngx_http_referral_find_program(r, ctx) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_http_referral_find_cookie(r, ctx, REFERRAL_WINDOW_MAX);

    rc = ngx_http_referral_resolve_touch(r, ctx);

    if (rc == NGX_AGAIN) {
        r->write_event_handler = ngx_http_core_run_phases;
        return NGX_AGAIN;
    }

    return rc == NGX_OK ? NGX_DECLINED : rc;
}


/*
 * Looks up the link of the touch that counts.  The program may set the
 * attribution, so when the program is known the other touch may count instead.
 */

static ngx_int_t
ngx_http_referral_resolve_touch(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_int_t          rc;
    ngx_uint_t         i;
    referral_str_t     code;
    referral_touch_t  *touch;

    for (i = 0; i < 2; i++) {
        touch = ngx_http_referral_touch(r, ctx);

        if (touch == NULL) {
            return NGX_OK;
        }

        code.len = touch->code_len;
        code.data = touch->code;

        if (referral_str_eq(&code, &ctx->code)) {
            return NGX_OK;
        }

        ctx->code = code;

        rc = ngx_http_referral_lookup(r, ctx, &code,
                                      ngx_http_referral_resolve_found);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static void
ngx_http_referral_resolve_found(ngx_http_referral_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ctx->resolved < 2) {
        ctx->resolved = 2;

        if (ngx_http_referral_resolve_touch(r, ctx) == NGX_AGAIN) {
            r->write_event_handler = ngx_http_core_run_phases;
            return;
        }
    }

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}


static char *
ngx_http_referral_resolve(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_resolve_conf_t *rrcf = conf;

    char                                   *rv;
    ngx_http_referral_resolve_main_conf_t  *rrmcf;

    rv = ngx_conf_set_flag_slot(cf, cmd, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (rrcf->enabled) {
        rrmcf = ngx_http_conf_get_module_main_conf(cf,
                                            ngx_http_referral_resolve_module);
        rrmcf->used = 1;

        ngx_http_referral_need(cf, NGX_HTTP_REFERRAL_NEED_REDIS);
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_referral_resolve_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt                    *h;
    ngx_http_core_main_conf_t              *cmcf;
    ngx_http_referral_resolve_main_conf_t  *rrmcf;

    rrmcf = ngx_http_conf_get_module_main_conf(cf,
                                            ngx_http_referral_resolve_module);

    if (!rrmcf->used) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_referral_resolve_handler;

    return NGX_OK;
}


static void *
ngx_http_referral_resolve_create_main_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool,
                       sizeof(ngx_http_referral_resolve_main_conf_t));
}


static void *
ngx_http_referral_resolve_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_referral_resolve_conf_t  *conf;

    conf = ngx_palloc(cf->pool, sizeof(ngx_http_referral_resolve_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->enabled = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_referral_resolve_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_referral_resolve_conf_t *prev = parent;
    ngx_http_referral_resolve_conf_t *conf = child;

    ngx_conf_merge_value(conf->enabled, prev->enabled, 0);

    return NGX_CONF_OK;
}
