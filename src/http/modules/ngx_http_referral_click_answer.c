
/*
 * The answer to a click: the redirect with its Set-Cookie, or the fallback.
 */


#include "ngx_http_referral_answer.h"
#include "ngx_http_referral_click.h"
#include "ngx_http_referral_request.h"


static ngx_int_t ngx_http_referral_answer_fallback(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static ngx_int_t ngx_http_referral_answer_redirect(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *location);
static ngx_int_t ngx_http_referral_answer_visitor(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_answer_touch(ngx_http_referral_ctx_t *ctx,
    referral_cookie_t *cookie);


ngx_int_t
ngx_http_referral_click_answer_send(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_int_t                       rc;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    (void) ngx_atomic_fetch_add(&ngx_http_referral_zone(rmcf)
                                ->hits[ctx->decision.result][ctx->class], 1);

    if (!ctx->prepared) {
        return ngx_http_referral_answer_fallback(r, ctx);
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "referral click: answers %ui", r->headers_out.status);

    /* not before, because a fallback may read the body */

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    /* there is no body: the header is sent at once, as the last buffer */

    r->header_only = 1;

    rc = ngx_http_send_header(r);

    /* if the socket is full, the request sends the rest */

    return rc == NGX_AGAIN ? NGX_OK : rc;
}


/* answers if there is no URL to redirect to: by a location, or with 404 */

static ngx_int_t
ngx_http_referral_answer_fallback(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_str_t   uri, args;
    ngx_uint_t  flags;

    if (ctx->conf->fallback == NULL
        || ctx->conf->fallback->location.len == 0)
    {
        ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "referral click: no fallback");
        return NGX_HTTP_NOT_FOUND;
    }

    uri = ctx->conf->fallback->location;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "referral click: falls back to \"%V\"", &uri);

    if (uri.data[0] == '@') {
        return ngx_http_named_location(r, &uri);
    }

    ngx_str_null(&args);
    flags = NGX_HTTP_LOG_UNSAFE;

    if (ngx_http_parse_unsafe_uri(r, &uri, &args, &flags) != NGX_OK) {
        return NGX_HTTP_NOT_FOUND;
    }

    return ngx_http_internal_redirect(r, &uri, &args);
}


/* makes the header of the answer, unless a fallback location answers */

ngx_int_t
ngx_http_referral_click_answer_prepare(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_http_referral_click_conf_t  *conf;

    /* after 503 browsers ask again when the link is clicked */

    if (ctx->class == REFERRAL_CLASS_PREFETCH) {
        ctx->prepared = 1;
        return ngx_http_referral_answer_redirect(r,
                                                NGX_HTTP_SERVICE_UNAVAILABLE,
                                                NULL);
    }

    if (ctx->location.len == 0) {
        return NGX_OK;
    }

    ctx->prepared = 1;

    if (ctx->set_cookie
        && ngx_http_referral_answer_visitor(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_referral_click_module);

    return ngx_http_referral_answer_redirect(r, conf->status, &ctx->location);
}


/*
 * The header of an answer with an empty body.  If the status was returned to
 * nginx instead, error_page could take the redirect, and nginx would add a
 * page to it.
 */

static ngx_int_t
ngx_http_referral_answer_redirect(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *location)
{
    ngx_table_elt_t  *h;

    static ngx_str_t  location_key = ngx_string("Location");
    static ngx_str_t  cache_key = ngx_string("Cache-Control");
    static ngx_str_t  no_store = ngx_string("no-store");

    /*
     * a short link that is an error page does not answer with the error's
     * status
     */

    r->err_status = 0;
    r->headers_out.status = status;
    r->headers_out.content_length_n = 0;

    ngx_http_clear_location(r);

    if (ngx_http_referral_answer_header(r, &cache_key, &no_store) == NULL) {
        return NGX_ERROR;
    }

    if (location) {
        h = ngx_http_referral_answer_header(r, &location_key, location);
        if (h == NULL) {
            return NGX_ERROR;
        }

        r->headers_out.location = h;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_answer_visitor(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_memcpy(ctx->cookie.visitor, ctx->visitor, REFERRAL_VISITOR_SIZE);

    ngx_http_referral_answer_touch(ctx, &ctx->cookie);

    return ngx_http_referral_answer_cookie(r, ctx->conf, ctx, &ctx->cookie,
                                           ctx->decision.window);
}


/* the click becomes the last touch, and of a new cookie the first one too */

static void
ngx_http_referral_answer_touch(ngx_http_referral_ctx_t *ctx,
    referral_cookie_t *cookie)
{
    cookie->last.code_len = ctx->code.len;
    ngx_memcpy(cookie->last.code, ctx->code.data, ctx->code.len);
    ngx_memcpy(cookie->last.click_id, ctx->click_id, REFERRAL_CLICK_ID_SIZE);

    cookie->last_open = ngx_http_referral_click_unknown(ctx);

    if (ctx->old_cookie != REFERRAL_COOKIE_OK || ctx->untouched) {
        cookie->first = cookie->last;
        cookie->first_open = cookie->last_open;
    }
}
