
/* conversions: "referral_convert", and what stands beside it */


#include "ngx_http_referral_convert.h"


static char *ngx_http_referral_convert(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_convert_keys(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static void ngx_http_referral_convert_keys_wrong(void *data, unsigned line,
    const char *what);
static void ngx_http_referral_convert_keys_cleanup(void *data);
static ngx_uint_t ngx_http_referral_convert_theirs(ngx_str_t *value);
static char *ngx_http_referral_convert_from(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static ngx_int_t ngx_http_referral_convert_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_referral_convert_check(ngx_conf_t *cf,
    ngx_http_referral_convert_main_conf_t *rcmcf,
    ngx_http_referral_convert_at_t *at);
static void *ngx_http_referral_convert_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_referral_convert_init_main_conf(ngx_conf_t *cf,
    void *conf);
static void *ngx_http_referral_convert_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_referral_convert_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static ngx_int_t ngx_http_referral_convert_init_module(ngx_cycle_t *cycle);
static void ngx_http_referral_convert_left(ngx_cycle_t *cycle,
    ngx_path_t *path);
static ngx_int_t ngx_http_referral_convert_init_process(ngx_cycle_t *cycle);
static void ngx_http_referral_convert_exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_http_referral_convert_auths[] = {
    { ngx_string("signature"), NGX_HTTP_REFERRAL_AUTH_SIGNATURE },
    { ngx_string("location"), NGX_HTTP_REFERRAL_AUTH_LOCATION },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_referral_convert_commands[] = {

    { ngx_string("referral_convert"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_referral_convert,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_convert_keys"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_convert_keys,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_convert_auth"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_convert_conf_t, auth),
      ngx_http_referral_convert_auths },

    { ngx_string("referral_convert_browser"),
      NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_convert_conf_t, browser),
      NULL },

    { ngx_string("referral_convert_from"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_convert_from,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_referral_convert_module_ctx = {
    NULL,                                        /* preconfiguration */
    ngx_http_referral_convert_postconfiguration, /* postconfiguration */

    ngx_http_referral_convert_create_main_conf,  /* create main conf */
    ngx_http_referral_convert_init_main_conf,    /* init main conf */

    NULL,                                        /* create server conf */
    NULL,                                        /* merge server conf */

    ngx_http_referral_convert_create_loc_conf,   /* create location conf */
    ngx_http_referral_convert_merge_loc_conf     /* merge location conf */
};


ngx_module_t  ngx_http_referral_convert_module = {
    NGX_MODULE_V1,
    &ngx_http_referral_convert_module_ctx,       /* module context */
    ngx_http_referral_convert_commands,          /* module directives */
    NGX_HTTP_MODULE,                             /* module type */
    NULL,                                        /* init master */
    ngx_http_referral_convert_init_module,       /* init module */
    ngx_http_referral_convert_init_process,      /* init process */
    NULL,                                        /* init thread */
    NULL,                                        /* exit thread */
    ngx_http_referral_convert_exit_process,      /* exit process */
    NULL,                                        /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_http_referral_convert(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_convert_conf_t *rccf = conf;

    ngx_http_referral_convert_main_conf_t  *rcmcf;

    if (rccf->place) {
        return "is duplicate";
    }

    rcmcf = ngx_http_conf_get_module_main_conf(cf,
                                           ngx_http_referral_convert_module);
    rcmcf->used = 1;

    ngx_http_referral_need(cf, NGX_HTTP_REFERRAL_NEED_REDIS);

    return ngx_http_referral_content(cf, ngx_http_referral_convert_handler,
                                     "event", &rccf->place);
}


static char *
ngx_http_referral_convert_keys(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_convert_main_conf_t *rcmcf = conf;

    ngx_str_t           *value;
    referral_str_t       text;
    ngx_pool_cleanup_t  *cln;

    if (rcmcf->file.len) {
        return "is duplicate";
    }

    value = cf->args->elts;
    rcmcf->file = value[1];

    if (ngx_conf_full_name(cf->cycle, &rcmcf->file, 1) != NGX_OK
        || ngx_http_referral_read_secret(cf, "referral_convert_keys",
                                         &rcmcf->file, &text)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    rcmcf->keys = referral_signature_keys(&text,
                                   ngx_http_referral_convert_keys_wrong, cf);

    ngx_explicit_memzero(text.data, text.len);

    if (rcmcf->keys == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_referral_convert_keys_cleanup;
    cln->data = rcmcf->keys;

    return NGX_CONF_OK;
}


static void
ngx_http_referral_convert_keys_wrong(void *data, unsigned line,
    const char *what)
{
    ngx_conf_t *cf = data;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (line == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral_convert_keys\": \"%V\": %s; a line is "
                           "\"PROGRAM KEY_ID whsec_BASE64\"",
                           &value[1], what);
        return;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" line %ui: %s",
                       &value[1], (ngx_uint_t) line, what);
}


static void
ngx_http_referral_convert_keys_cleanup(void *data)
{
    referral_signature_keys_free(data);
}


/* is there a variable in it that a client fills? */

static ngx_uint_t
ngx_http_referral_convert_theirs(ngx_str_t *value)
{
    u_char      *p, *last;
    size_t       i;
    ngx_str_t    name;
    ngx_uint_t   n;

    static ngx_str_t  theirs[] = {
        ngx_string("http_"), ngx_string("arg_"), ngx_string("cookie_"),
        ngx_string("args"), ngx_string("query_string"),
        ngx_string("request_body"), ngx_string("request_uri"),
        ngx_string("uri"), ngx_string("document_uri"),
        ngx_null_string
    };

    for (i = 0; i + 1 < value->len; i++) {

        if (value->data[i] != '$') {
            continue;
        }

        name.data = value->data + i + 1 + (value->data[i + 1] == '{');
        last = value->data + value->len;

        for (p = name.data; p < last; p++) {
            if (*p != '_' && !(*p >= '0' && *p <= '9')
                && !((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z'))
            {
                break;
            }
        }

        name.len = p - name.data;

        for (n = 0; theirs[n].len; n++) {

            /* those that end with "_" begin the names of many */

            if ((theirs[n].data[theirs[n].len - 1] == '_'
                 ? name.len > theirs[n].len : name.len == theirs[n].len)
                && ngx_strncasecmp(name.data, theirs[n].data, theirs[n].len)
                   == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


static char *
ngx_http_referral_convert_from(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_convert_conf_t *rccf = conf;

    u_char                                 *p;
    size_t                                  i, len;
    ngx_str_t                              *value;
    ngx_http_compile_complex_value_t        ccv;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    static ngx_str_t  prefix = ngx_string("$upstream_http_");

    if (rccf->from != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 3 && ngx_strncmp(value[1].data, "off", 3) == 0) {
        rccf->from = NULL;
        return NGX_CONF_OK;
    }

    rccf->from = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (rccf->from == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = rccf->from;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (rccf->from->lengths == NULL) {
        ngx_http_referral_bad(cf, &value[1], "a variable is right, such as "
                              "\"$upstream_http_x_referral_event\", or "
                              "\"off\"");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_referral_convert_theirs(&value[1])) {
        ngx_http_referral_bad(cf, &value[1], "clients could send sales with "
                              "it: a variable of the shop's answer is right, "
                              "such as \"$upstream_http_x_referral_event\"");
        return NGX_CONF_ERROR;
    }

    /* the header that the variable stands for is hidden from the client */

    if (value[1].len > prefix.len
        && ngx_strncmp(value[1].data, prefix.data, prefix.len) == 0)
    {
        len = value[1].len - prefix.len;

        p = ngx_pnalloc(cf->pool, len);
        if (p == NULL) {
            return NGX_CONF_ERROR;
        }

        for (i = 0; i < len; i++) {
            p[i] = value[1].data[prefix.len + i];
            p[i] = p[i] == '_' ? '-' : ngx_tolower(p[i]);
        }

        rccf->header.data = p;
        rccf->header.len = len;
    }

    rcmcf = ngx_http_conf_get_module_main_conf(cf,
                                           ngx_http_referral_convert_module);
    rcmcf->used = 1;
    rcmcf->tapped = 1;

    ngx_http_referral_need(cf, NGX_HTTP_REFERRAL_NEED_REDIS);

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_referral_convert_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                              i;
    ngx_http_referral_convert_at_t         *at;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    rcmcf = ngx_http_conf_get_module_main_conf(cf,
                                           ngx_http_referral_convert_module);

    if (rcmcf->tapped
        && ngx_http_referral_convert_tap_init(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    at = rcmcf->places.elts;

    for (i = 0; i < rcmcf->places.nelts; i++) {
        if (ngx_http_referral_convert_check(cf, rcmcf, &at[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* what cannot work in a location that takes events */

static ngx_int_t
ngx_http_referral_convert_check(ngx_conf_t *cf,
    ngx_http_referral_convert_main_conf_t *rcmcf,
    ngx_http_referral_convert_at_t *at)
{
    ngx_http_referral_place_t         *place;
    ngx_http_referral_convert_conf_t  *conf;

    conf = at->conf;
    place = conf->place;

    if (at->rlcf->program == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_convert\" needs a program: "
                      "\"referral_program shop;\" for %s:%ui",
                      place->file, place->line);
        return NGX_ERROR;
    }

    if (conf->auth == NGX_HTTP_REFERRAL_AUTH_LOCATION
        && !conf->browser
        && !ngx_http_referral_asks_who(cf, place->clcf, place->cscf))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_convert_auth location\" lets anybody send "
                      "sales: \"allow\" and \"deny\", \"auth_request\", "
                      "\"auth_basic\" or \"ssl_verify_client on\" are "
                      "missing, for \"referral_convert\" in %s:%ui",
                      place->file, place->line);
        return NGX_ERROR;
    }

    if (conf->auth == NGX_HTTP_REFERRAL_AUTH_SIGNATURE
        && !conf->browser
        && rcmcf->keys == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_convert\" in %s:%ui takes signed events, "
                      "for which \"referral_convert_keys\" is missing",
                      place->file, place->line);
        return NGX_ERROR;
    }

    if (place->clcf->client_body_in_file_only) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"client_body_in_file_only\" does not go with "
                      "\"referral_convert\" in %s:%ui: a worker would read "
                      "files", place->file, place->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void *
ngx_http_referral_convert_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    rcmcf = ngx_pcalloc(cf->pool,
                        sizeof(ngx_http_referral_convert_main_conf_t));
    if (rcmcf == NULL) {
        return NULL;
    }

    rcmcf->early = NGX_ERROR;

    if (ngx_array_init(&rcmcf->places, cf->pool, 2,
                       sizeof(ngx_http_referral_convert_at_t))
        != NGX_OK)
    {
        return NULL;
    }

    return rcmcf;
}


/* the core's is done: the journal of clicks has its path */

static char *
ngx_http_referral_convert_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_referral_convert_main_conf_t *rcmcf = conf;

    u_char                         *p;
    ngx_str_t                      *name;
    ngx_path_t                     *path;
    ngx_http_referral_main_conf_t  *rmcf;

    static ngx_str_t  events = ngx_string("/events");
#if (NGX_HTTP_SSL)
    static ngx_str_t  early = ngx_string("ssl_early_data");
#endif

    if (!rcmcf->used) {
        return NGX_CONF_OK;
    }

#if (NGX_HTTP_SSL)

    rcmcf->early = ngx_http_get_variable_index(cf, &early);

    if (rcmcf->early == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

#endif

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    /* what is answered is on the disk, and no worker waits for that */

#if (NGX_THREADS)

    rcmcf->thread_pool = ngx_thread_pool_add(cf, NULL);

    if (rcmcf->thread_pool == NULL) {
        return NGX_CONF_ERROR;
    }

#endif

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NGX_CONF_ERROR;
    }

    name = &rmcf->journal.path->name;

    p = ngx_pnalloc(cf->pool, name->len + events.len + 1);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    path->name.data = p;
    path->name.len = name->len + events.len;

    p = ngx_cpymem(p, name->data, name->len);
    p = ngx_cpymem(p, events.data, events.len);
    *p = '\0';

    path->conf_file = rmcf->journal.path->conf_file;
    path->line = rmcf->journal.path->line;

    if (ngx_add_path(cf, &path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rcmcf->path = path;

    return NGX_CONF_OK;
}


static void *
ngx_http_referral_convert_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_referral_convert_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_convert_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->place = NULL;
     *     conf->header = { 0, NULL };
     */

    conf->auth = NGX_CONF_UNSET_UINT;
    conf->browser = NGX_CONF_UNSET;
    conf->from = NGX_CONF_UNSET_PTR;

    return conf;
}


static char *
ngx_http_referral_convert_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_referral_convert_conf_t *prev = parent;
    ngx_http_referral_convert_conf_t *conf = child;

    ngx_http_core_loc_conf_t               *clcf;
    ngx_http_referral_convert_at_t         *at;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    ngx_conf_merge_uint_value(conf->auth, prev->auth,
                              NGX_HTTP_REFERRAL_AUTH_SIGNATURE);

    if (conf->from == NGX_CONF_UNSET_PTR) {
        conf->header = prev->header;
    }

    ngx_conf_merge_ptr_value(conf->from, prev->from, NULL);

    ngx_conf_merge_value(conf->browser, prev->browser, 0);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "if" and "limit_except" in a location that takes events */

    if (clcf->noname && prev->place) {
        conf->place = prev->place;
    }

    if (conf->place == NULL) {
        return NGX_CONF_OK;
    }

    /* a body in a file is one that a worker would have to wait for */

    if (clcf->client_body_buffer_size < REFERRAL_INTAKE_BODY_MAX) {
        clcf->client_body_buffer_size = REFERRAL_INTAKE_BODY_MAX;
    }

    if (clcf->noname) {
        return NGX_CONF_OK;
    }

    rcmcf = ngx_http_conf_get_module_main_conf(cf,
                                           ngx_http_referral_convert_module);

    at = ngx_array_push(&rcmcf->places);
    if (at == NULL) {
        return NGX_CONF_ERROR;
    }

    at->conf = conf;
    at->rlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_referral_module);

    return NGX_CONF_OK;
}


/* the core's is done: the zone is there */

static ngx_int_t
ngx_http_referral_convert_init_module(ngx_cycle_t *cycle)
{
    ngx_http_referral_main_conf_t          *rmcf;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_referral_module);
    rcmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                           ngx_http_referral_convert_module);

    if (rcmcf == NULL || !rcmcf->used || rmcf->zone.sh == NULL) {
        ngx_http_referral_convert_left(cycle, NULL);
        return NGX_OK;
    }

    ngx_http_referral_convert_left(cycle, rcmcf->path);

    rcmcf->directory = ngx_http_referral_recorder_directory(
                           &rmcf->zone.sh->events, &rcmcf->path->name,
                           rmcf->journal.max, rmcf->zone.generation);

    return NGX_OK;
}


/*
 * Events that were accepted stay unsent where no location takes events any
 * more.  The name is kept by the master itself, as that of the clicks' journal.
 */

static void
ngx_http_referral_convert_left(ngx_cycle_t *cycle, ngx_path_t *path)
{
    static u_char  used[NGX_MAX_PATH];

    if (used[0] && path == NULL) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "the events in \"%s\" that redis does not have are not "
                      "sent until \"referral_convert\" or "
                      "\"referral_convert_from\" stands somewhere again",
                      used);
    }

    used[0] = '\0';

    if (path) {
        (void) ngx_cpystrn(used, path->name.data, NGX_MAX_PATH);
    }
}


/* never an error: a worker that does not start takes the whole site down */

static ngx_int_t
ngx_http_referral_convert_init_process(ngx_cycle_t *cycle)
{
    ngx_http_referral_main_conf_t          *rmcf;
    ngx_http_referral_recorder_conf_t       conf;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_referral_module);
    rcmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                           ngx_http_referral_convert_module);

    if (rcmcf == NULL || !rcmcf->used || rmcf->zone.sh == NULL) {
        return NGX_OK;
    }

    ngx_memzero(&conf, sizeof(ngx_http_referral_recorder_conf_t));

    conf.path = rcmcf->path->name;
    conf.directory = rcmcf->directory;
#if (NGX_THREADS)
    conf.thread_pool = rcmcf->thread_pool;
#endif

    rcmcf->recorder = ngx_http_referral_recorder_conversions(rmcf, &conf,
                                                        cycle->log);

    return NGX_OK;
}


static void
ngx_http_referral_convert_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    rcmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                           ngx_http_referral_convert_module);

    if (rcmcf && rcmcf->recorder) {
        ngx_http_referral_recorder_close(rcmcf->recorder);
        rcmcf->recorder = NULL;
    }
}
