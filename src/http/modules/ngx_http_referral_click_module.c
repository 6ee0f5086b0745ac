
/*
 * The module of the short link: "referral", and the directives that it alone
 * uses.
 */


#include "ngx_http_referral_click.h"
#include "referral_template.h"


static char *ngx_http_referral_click(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_click_args(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_click_status(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static ngx_int_t ngx_http_referral_click_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_referral_click_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_referral_click_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_referral_click_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_referral_click_short(ngx_conf_t *cf,
    ngx_http_referral_click_conf_t *conf);


static ngx_command_t  ngx_http_referral_click_commands[] = {

    { ngx_string("referral"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE12,
      ngx_http_referral_click,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_landing_args"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_click_args,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_status"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_click_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_forward_args"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_click_conf_t, forward_args),
      NULL },

    { ngx_string("referral_channel"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_click_conf_t, channel),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_referral_click_module_ctx = {
    NULL,                                      /* preconfiguration */
    ngx_http_referral_click_postconfiguration, /* postconfiguration */

    ngx_http_referral_click_create_main_conf,  /* create main conf */
    NULL,                                      /* init main conf */

    NULL,                                      /* create server conf */
    NULL,                                      /* merge server conf */

    ngx_http_referral_click_create_loc_conf,   /* create location conf */
    ngx_http_referral_click_merge_loc_conf     /* merge location conf */
};


ngx_module_t  ngx_http_referral_click_module = {
    NGX_MODULE_V1,
    &ngx_http_referral_click_module_ctx,       /* module context */
    ngx_http_referral_click_commands,          /* module directives */
    NGX_HTTP_MODULE,                           /* module type */
    NULL,                                      /* init master */
    NULL,                                      /* init module */
    NULL,                                      /* init process */
    NULL,                                      /* init thread */
    NULL,                                      /* exit thread */
    NULL,                                      /* exit process */
    NULL,                                      /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_http_referral_click(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_click_conf_t *rccf = conf;

    char  *rv;

    if (rccf->place) {
        return "is duplicate";
    }

    rv = ngx_http_referral_link(cf);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ngx_http_referral_need(cf, NGX_HTTP_REFERRAL_NEED_REDIS);

    return ngx_http_referral_content(cf, ngx_http_referral_click_group_handler,
                                     "click", &rccf->place);
}


static char *
ngx_http_referral_click_args(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_click_conf_t *rccf = conf;

    ngx_str_t       *value;
    const char      *err;
    referral_str_t   text;

    if (rccf->args != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcasecmp(value[1].data, (u_char *) "off") == 0) {
        value[1].len = 0;
    }

    if (ngx_strcasecmp(value[1].data, (u_char *) "on") == 0) {
        ngx_http_referral_bad(cf, &value[1], "arguments are like "
                              "\"a=1&b={code}\", or \"off\" for none");
        return NGX_CONF_ERROR;
    }

    text.len = value[1].len;
    text.data = value[1].data;

    if (referral_template_args(&text, &err) != REFERRAL_OK) {
        ngx_http_referral_bad(cf, &value[1], (char *) err);
        return NGX_CONF_ERROR;
    }

    return ngx_http_referral_template(cf, &value[1], &rccf->args);
}


static char *
ngx_http_referral_click_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_click_conf_t *rccf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (rccf->status != NGX_CONF_UNSET_UINT) {
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

    rccf->status = n;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_referral_click_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_referral_click_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_referral_click_module);

    ngx_http_referral_click_check(cf, &cmcf->shorts);

    return NGX_OK;
}


static void *
ngx_http_referral_click_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_referral_click_main_conf_t  *cmcf;

    cmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_click_main_conf_t));
    if (cmcf == NULL) {
        return NULL;
    }

    /* one for each configuration: without a master a process has several */

    ngx_http_referral_click_group_init(&cmcf->group, &cf->cycle->new_log);

    if (ngx_array_init(&cmcf->shorts, cf->pool, 4,
                       sizeof(ngx_http_referral_short_t))
        != NGX_OK)
    {
        return NULL;
    }

    return cmcf;
}


static void *
ngx_http_referral_click_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_referral_click_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_click_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->place = NULL;
     *     conf->hosts = NULL;
     */

    conf->args = NGX_CONF_UNSET_PTR;
    conf->status = NGX_CONF_UNSET_UINT;
    conf->forward_args = NGX_CONF_UNSET;
    conf->channel = NGX_CONF_UNSET_PTR;

    return conf;
}


/* the core has merged this location before */

static char *
ngx_http_referral_click_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_referral_click_conf_t *prev = parent;
    ngx_http_referral_click_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_ptr_value(conf->args, prev->args, NULL);
    ngx_conf_merge_uint_value(conf->status, prev->status,
                              NGX_HTTP_MOVED_TEMPORARILY);
    ngx_conf_merge_value(conf->forward_args, prev->forward_args, 0);
    ngx_conf_merge_ptr_value(conf->channel, prev->channel, NULL);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /*
     * an "if" block in a short link: the same handler runs with its settings
     */

    if (clcf->noname && prev->place) {
        conf->place = prev->place;
        conf->hosts = prev->hosts;

        return NGX_CONF_OK;
    }

    return conf->place ? ngx_http_referral_click_short(cf, conf) : NGX_CONF_OK;
}


static char *
ngx_http_referral_click_short(ngx_conf_t *cf,
    ngx_http_referral_click_conf_t *conf)
{
    ngx_http_core_loc_conf_t             *clcf;
    ngx_http_referral_short_t            *s;
    ngx_http_referral_loc_conf_t         *rlcf;
    ngx_http_referral_click_main_conf_t  *cmcf;

    static ngx_str_t  args =
                          ngx_string("ref={code}&click_id={click_id}");

    cmcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_referral_click_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    rlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_referral_module);

    s = ngx_array_push(&cmcf->shorts);
    if (s == NULL) {
        return NGX_CONF_ERROR;
    }

    s->conf = conf;
    s->rlcf = rlcf;
    s->clcf = clcf;
    s->cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    if (clcf->handler != ngx_http_referral_click_group_handler) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "another directive of this location makes its contents, "
                      "no click would ever reach \"referral\" in %s:%ui",
                      conf->place->file, conf->place->line);
        return NGX_CONF_ERROR;
    }

    if (rlcf->link.program == NULL && rlcf->program == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral\" needs a program: \"referral shop;\" or "
                      "\"referral_program shop;\" in %s:%ui",
                      conf->place->file, conf->place->line);
        return NGX_CONF_ERROR;
    }

    if (rlcf->consent && rlcf->consent->lengths == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_consent\" needs a variable, for "
                      "\"referral\" in %s:%ui: without the directive "
                      "nobody is asked", conf->place->file, conf->place->line);
        return NGX_CONF_ERROR;
    }

    if (conf->args == NULL
        && ngx_http_referral_template(cf, &args, &conf->args) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_referral_click_check_hosts(cf, conf, rlcf);
}
