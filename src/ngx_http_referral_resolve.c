
#include "ngx_http_referral.h"


static void ngx_http_referral_resolve_found(ngx_http_referral_ctx_t *ctx);


/*
 * Elsewhere than on the short link: before a page is made, the link that the
 * visitor's cookie names is looked up, so that variables know its words.
 */

ngx_int_t
ngx_http_referral_resolve_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    referral_str_t                 code;
    referral_touch_t              *touch;
    ngx_http_referral_ctx_t       *ctx;
    ngx_http_referral_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (!rlcf->resolve || rlcf->short_link || r != r->main) {
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

    if (ngx_http_referral_find_program(r, ctx) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_http_referral_find_cookie(r, ctx, REFERRAL_WINDOW_MAX);

    touch = ngx_http_referral_touch(r, ctx);
    if (touch == NULL) {
        return NGX_DECLINED;
    }

    code.len = touch->code_len;
    code.data = touch->code;

    rc = ngx_http_referral_lookup(r, ctx, &code,
                                  ngx_http_referral_resolve_found);

    if (rc == NGX_AGAIN) {
        r->write_event_handler = ngx_http_core_run_phases;
        return NGX_AGAIN;
    }

    return rc == NGX_OK ? NGX_DECLINED : rc;
}


static void
ngx_http_referral_resolve_found(ngx_http_referral_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}
