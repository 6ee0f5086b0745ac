
#include "ngx_http_referral_lookup.h"
#include "ngx_http_referral_request.h"


static ngx_int_t ngx_http_referral_resolve_touch(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_resolve_found(ngx_http_referral_ctx_t *ctx);


/*
 * Elsewhere than on the short link: before a page is made, the link that the
 * visitor's cookie names is looked up, so that variables know its words.
 */

ngx_int_t
ngx_http_referral_resolve_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_referral_ctx_t       *ctx;
    ngx_http_referral_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (!rlcf->resolve || rlcf->short_link || r != r->main
        || r->post_action)
    {
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

    /* a variable may have found one on a short link that was left again */

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
 * The program may say which of the two touches counts, so what was looked up
 * for one may turn out to be wanted of the other.
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
