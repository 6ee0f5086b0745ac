
/*
 * The cookie of a click, once the visitor has consented: the landing page has
 * the click's id in its URL and asks for the cookie here.
 */


#include "ngx_http_referral_answer.h"
#include "ngx_http_referral_ask.h"
#include "ngx_http_referral_conf.h"
#include "ngx_http_referral_origin.h"
#include "ngx_http_referral_request.h"
#include "referral_click_value.h"
#include "referral_keys.h"


/* bytes of a click's key, prefix and minute included */
#define NGX_HTTP_REFERRAL_CLAIM_KEY  256


typedef struct {
    ngx_http_referral_place_t  *place;       /* NULL: no "referral_claim" */
} ngx_http_referral_claim_conf_t;


/* one request */

typedef struct {
    ngx_http_request_t         *request;
    ngx_http_referral_ctx_t    *ctx;
    ngx_http_referral_ask_t    *ask;
    ngx_event_t                 timer;
    u_char                      id[REFERRAL_CLICK_ID_SIZE];
    u_char                      text[REFERRAL_CLICK_ID_LEN];
} ngx_http_referral_claim_t;


static ngx_int_t ngx_http_referral_claim_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_referral_claim_start(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static ngx_int_t ngx_http_referral_claim_ask(ngx_http_referral_claim_t *c);
static void ngx_http_referral_claim_cleanup(void *data);
static void ngx_http_referral_claim_timeout(ngx_event_t *ev);
static void ngx_http_referral_claim_found(void *data, ngx_int_t rc,
    referral_str_t *value, ngx_uint_t n);
static ngx_int_t ngx_http_referral_claim_set(ngx_http_referral_claim_t *c,
    const referral_click_value_t *click);
static void ngx_http_referral_claim_touch(referral_touch_t *touch,
    const referral_str_t *code, const u_char *click_id);
static ngx_int_t ngx_http_referral_claim_answer(ngx_http_request_t *r,
    ngx_uint_t status);
static void ngx_http_referral_claim_finish(ngx_http_referral_claim_t *c,
    ngx_int_t rc);
static char *ngx_http_referral_claim(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static void *ngx_http_referral_claim_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_referral_claim_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);


static ngx_command_t  ngx_http_referral_claim_commands[] = {

    { ngx_string("referral_claim"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_referral_claim,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_referral_claim_module_ctx = {
    NULL,                                      /* preconfiguration */
    NULL,                                      /* postconfiguration */

    NULL,                                      /* create main conf */
    NULL,                                      /* init main conf */

    NULL,                                      /* create server conf */
    NULL,                                      /* merge server conf */

    ngx_http_referral_claim_create_loc_conf,   /* create location conf */
    ngx_http_referral_claim_merge_loc_conf     /* merge location conf */
};


ngx_module_t  ngx_http_referral_claim_module = {
    NGX_MODULE_V1,
    &ngx_http_referral_claim_module_ctx,       /* module context */
    ngx_http_referral_claim_commands,          /* module directives */
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


/* a page of another site must not choose whose cookie the visitor gets */

static ngx_int_t
ngx_http_referral_claim_handler(ngx_http_request_t *r)
{
    ngx_http_referral_ctx_t  *ctx;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_POST))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    if (r != r->main || r->post_action) {
        return NGX_HTTP_NOT_FOUND;
    }

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    if (!ngx_http_referral_same_origin(r, 1)) {
        return ngx_http_referral_claim_answer(r, NGX_HTTP_FORBIDDEN);
    }

    ctx = ngx_http_referral_make_ctx(r);

    if (ctx == NULL || ngx_http_referral_guard(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_referral_find_program(r, ctx) != NGX_OK) {
        return ngx_http_referral_claim_answer(r, NGX_HTTP_NOT_FOUND);
    }

    if (!ngx_http_referral_consent(r, ctx)) {
        return ngx_http_referral_claim_answer(r, NGX_HTTP_FORBIDDEN);
    }

    return ngx_http_referral_claim_start(r, ctx);
}


static ngx_int_t
ngx_http_referral_claim_start(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_str_t                       arg;
    referral_str_t                  text;
    ngx_pool_cleanup_t             *cln;
    ngx_http_referral_claim_t      *c;
    ngx_http_referral_main_conf_t  *rmcf;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_referral_claim_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    c = cln->data;
    ngx_memzero(c, sizeof(ngx_http_referral_claim_t));

    cln->handler = ngx_http_referral_claim_cleanup;

    c->request = r;
    c->ctx = ctx;
    c->timer.data = c;
    c->timer.handler = ngx_http_referral_claim_timeout;
    c->timer.log = r->connection->log;

    if (ngx_http_arg(r, (u_char *) "click_id", 8, &arg) != NGX_OK) {
        return ngx_http_referral_claim_answer(r, NGX_HTTP_BAD_REQUEST);
    }

    text.len = arg.len;
    text.data = arg.data;

    if (referral_click_id_parse(c->id, &text) != REFERRAL_OK) {
        return ngx_http_referral_claim_answer(r, NGX_HTTP_BAD_REQUEST);
    }

    if (ngx_http_referral_claim_ask(c) != NGX_OK) {
        return ngx_http_referral_claim_answer(r, NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    ngx_add_timer(&c->timer, rmcf->redis.timeout);

    r->main->count++;

    return NGX_DONE;
}


static ngx_int_t
ngx_http_referral_claim_ask(ngx_http_referral_claim_t *c)
{
    u_char                          minute[REFERRAL_MINUTE_LEN];
    referral_buf_t                  b;
    referral_str_t                  argv[3];
    ngx_http_referral_main_conf_t  *rmcf;
    u_char                          key[NGX_HTTP_REFERRAL_CLAIM_KEY];

    rmcf = ngx_http_get_module_main_conf(c->request, ngx_http_referral_module);

    if (rmcf->worker->links == NULL) {
        return NGX_DECLINED;
    }

    referral_time_minute(minute, referral_click_id_time(c->id));
    referral_click_id_text(c->text, c->id);

    referral_buf_init(&b, key, sizeof(key));
    referral_buf_str(&b, &rmcf->redis.prefix);
    referral_key_put(&b, REFERRAL_KEY_CLICKS, &c->ctx->program);
    referral_buf_put(&b, minute, REFERRAL_MINUTE_LEN);

    referral_str_set(&argv[0], "HGET");
    argv[1].data = key;
    argv[1].len = b.pos - b.start;
    argv[2].data = c->text;
    argv[2].len = REFERRAL_CLICK_ID_LEN;

    return ngx_http_referral_ask(rmcf->worker->links, &c->ask,
                                 ngx_http_referral_claim_found, c, 3, argv);
}


static void
ngx_http_referral_claim_cleanup(void *data)
{
    ngx_http_referral_claim_t *c = data;

    if (c->timer.timer_set) {
        ngx_del_timer(&c->timer);
    }

    if (c->ask) {
        ngx_http_referral_ask_cancel(c->ask);
        c->ask = NULL;
    }
}


static void
ngx_http_referral_claim_timeout(ngx_event_t *ev)
{
    ngx_connection_t           *connection;
    ngx_http_referral_claim_t  *c;

    c = ev->data;
    connection = c->request->connection;

    ngx_http_set_log_request(connection->log, c->request);

    ngx_http_referral_claim_finish(c,
                  ngx_http_referral_claim_answer(c->request,
                                             NGX_HTTP_SERVICE_UNAVAILABLE));

    ngx_http_run_posted_requests(connection);
}


static void
ngx_http_referral_claim_found(void *data, ngx_int_t rc, referral_str_t *value,
    ngx_uint_t n)
{
    ngx_http_referral_claim_t *c = data;

    ngx_connection_t        *connection;
    ngx_http_request_t      *r;
    referral_click_value_t   click;

    c->ask = NULL;

    r = c->request;
    connection = r->connection;

    ngx_http_set_log_request(connection->log, r);

    if (rc == NGX_ERROR) {
        rc = ngx_http_referral_claim_answer(r, NGX_HTTP_SERVICE_UNAVAILABLE);

    } else if (rc != NGX_OK
               || referral_click_value_parse(&click, c->id, value)
                  != REFERRAL_OK)
    {
        rc = ngx_http_referral_claim_answer(r, NGX_HTTP_NOT_FOUND);

    } else if (ngx_http_referral_claim_set(c, &click) != NGX_OK) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        rc = ngx_http_referral_claim_answer(r, NGX_HTTP_NO_CONTENT);
    }

    ngx_http_referral_claim_finish(c, rc);

    ngx_http_run_posted_requests(connection);
}


/* a cookie that is there keeps its first touch, and its last if it is later */

static ngx_int_t
ngx_http_referral_claim_set(ngx_http_referral_claim_t *c,
    const referral_click_value_t *click)
{
    int64_t                         window;
    referral_cookie_t              *cookie;
    ngx_http_request_t             *r;
    ngx_http_referral_loc_conf_t   *rlcf;
    ngx_http_referral_main_conf_t  *rmcf;

    r = c->request;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);
    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    ngx_http_referral_find_cookie(r, c->ctx, REFERRAL_WINDOW_MAX);

    cookie = &c->ctx->cookie;
    window = REFERRAL_WINDOW_DEFAULT;

    if (c->ctx->old_cookie == REFERRAL_COOKIE_OK) {

        if (referral_click_id_time(cookie->last.click_id)
            >= referral_click_id_time(c->id))
        {
            return NGX_OK;
        }

    } else {
        ngx_memzero(cookie, sizeof(referral_cookie_t));

        if (click->has_visitor) {
            ngx_memcpy(cookie->visitor, click->visitor, REFERRAL_VISITOR_SIZE);

        } else if (referral_visitor_make(cookie->visitor,
                                         &rmcf->worker->random)
                   != REFERRAL_OK)
        {
            return NGX_ERROR;
        }

        ngx_http_referral_claim_touch(&cookie->first, &click->first_code,
                                      click->first_click_id);
    }

    ngx_http_referral_claim_touch(&cookie->last, &click->code, c->id);
    cookie->last_open = 0;

    return ngx_http_referral_answer_cookie(r, rlcf, c->ctx, cookie, window);
}


static void
ngx_http_referral_claim_touch(referral_touch_t *touch,
    const referral_str_t *code, const u_char *click_id)
{
    touch->code_len = code->len;
    ngx_memcpy(touch->code, code->data, code->len);
    ngx_memcpy(touch->click_id, click_id, REFERRAL_CLICK_ID_SIZE);
}


/* a script asks, so there is nothing to read but the status */

static ngx_int_t
ngx_http_referral_claim_answer(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_int_t  rc;

    static ngx_str_t  key = ngx_string("Cache-Control");
    static ngx_str_t  no_store = ngx_string("no-store");

    if (ngx_http_referral_answer_header(r, &key, &no_store) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = 0;
    r->header_only = 1;

    rc = ngx_http_send_header(r);

    return rc == NGX_AGAIN ? NGX_OK : rc;
}


static void
ngx_http_referral_claim_finish(ngx_http_referral_claim_t *c, ngx_int_t rc)
{
    ngx_http_request_t  *r;

    r = c->request;

    ngx_http_referral_claim_cleanup(c);

    ngx_http_finalize_request(r, rc);
}


static char *
ngx_http_referral_claim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_claim_conf_t *rccf = conf;

    if (rccf->place) {
        return "is duplicate";
    }

    ngx_http_referral_need(cf, NGX_HTTP_REFERRAL_NEED_REDIS
                               |NGX_HTTP_REFERRAL_NEED_COOKIES);

    return ngx_http_referral_content(cf, ngx_http_referral_claim_handler,
                                     "claim", &rccf->place);
}


static void *
ngx_http_referral_claim_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_claim_conf_t));
}


static char *
ngx_http_referral_claim_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_referral_claim_conf_t *conf = child;

    ngx_http_referral_loc_conf_t  *rlcf;

    if (conf->place == NULL) {
        return NGX_CONF_OK;
    }

    rlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_referral_module);

    if (rlcf->program == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_claim\" needs a program: "
                      "\"referral_program shop;\" for %s:%ui",
                      conf->place->file, conf->place->line);
        return NGX_CONF_ERROR;
    }

    if (!rlcf->cookie->enabled) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_claim\" sets a cookie, and "
                      "\"referral_cookie\" is off, for %s:%ui",
                      conf->place->file, conf->place->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
