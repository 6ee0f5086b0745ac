
/*
 * An example of a feature: the contents of a location with "referral_example;"
 * are the program and the code of the visitor's referral, as text.  It is in no
 * package: t/house/example.t builds it and asks it.
 */


#include "ngx_http_referral_conf.h"
#include "ngx_http_referral_request.h"


static ngx_int_t ngx_http_referral_example_handler(ngx_http_request_t *r);
static char *ngx_http_referral_example(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_referral_example_commands[] = {

    { ngx_string("referral_example"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_referral_example,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_referral_example_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_referral_example_module = {
    NGX_MODULE_V1,
    &ngx_http_referral_example_module_ctx, /* module context */
    ngx_http_referral_example_commands,    /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_referral_example_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_str_t                  type;
    referral_touch_t          *touch;
    ngx_http_referral_ctx_t   *ctx;
    ngx_http_complex_value_t   cv;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_referral_make_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the cookie is that of a program, and "referral_program" says which */

    if (ngx_http_referral_find_program(r, ctx) != NGX_OK) {
        return NGX_HTTP_NOT_FOUND;
    }

    ngx_http_referral_find_cookie(r, ctx, REFERRAL_WINDOW_MAX);

    touch = ngx_http_referral_touch(r, ctx);
    if (touch == NULL) {
        return NGX_HTTP_NOT_FOUND;
    }

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    cv.value.len = ctx->program.len + 1 + touch->code_len + 1;
    cv.value.data = ngx_pnalloc(r->pool, cv.value.len);
    if (cv.value.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_sprintf(cv.value.data, "%*s %*s\n", ctx->program.len,
                ctx->program.data, (size_t) touch->code_len, touch->code);

    ngx_str_set(&type, "text/plain");

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
}


static char *
ngx_http_referral_example(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_referral_content(cf, ngx_http_referral_example_handler,
                                     "request", NULL);
}
