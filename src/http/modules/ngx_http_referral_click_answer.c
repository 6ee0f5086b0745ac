
/*
 * The answer to a click: the redirect with its Set-Cookie, or the fallback.
 */


#include "ngx_http_referral_click.h"
#include "ngx_http_referral_request.h"


static ngx_int_t ngx_http_referral_answer_fallback(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static ngx_int_t ngx_http_referral_answer_redirect(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *location);
static ngx_int_t ngx_http_referral_answer_cookie(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_answer_touch(ngx_http_referral_ctx_t *ctx,
    referral_cookie_t *cookie);
static ngx_table_elt_t *ngx_http_referral_answer_header(ngx_http_request_t *r,
    ngx_str_t *key, ngx_str_t *value);
static ngx_uint_t ngx_http_referral_answer_https(ngx_http_request_t *r);


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

    if (ctx->set_cookie && ngx_http_referral_answer_cookie(r, ctx) != NGX_OK) {
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
ngx_http_referral_answer_cookie(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    size_t                            size;
    ssize_t                           n;
    time_t                            max_age;
    ngx_str_t                         name, value;
    referral_buf_t                    b;
    referral_cookie_t                *cookie;
    ngx_http_referral_main_conf_t    *rmcf;
    ngx_http_referral_cookie_conf_t  *conf;
    u_char                            data[REFERRAL_COOKIE_MAX];
    u_char                            buf[NGX_HTTP_REFERRAL_COOKIE_NAME_MAX];

    static ngx_str_t  key = ngx_string("Set-Cookie");
    static ngx_str_t  samesite[] = {
        ngx_string(""),
        ngx_string("; SameSite=Lax"),
        ngx_string("; SameSite=Strict"),
        ngx_string("; SameSite=None")
    };

    conf = ctx->conf->cookie;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    if (!conf->enabled || rmcf->keys.keys == NULL) {
        return NGX_OK;
    }

    cookie = &ctx->cookie;

    ngx_memcpy(cookie->visitor, ctx->visitor, REFERRAL_VISITOR_SIZE);

    ngx_http_referral_answer_touch(ctx, cookie);

    n = referral_cookie_encode(data, rmcf->keys.keys, &ctx->program, cookie);

    if (n == REFERRAL_ERROR) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                      "referral: openssl could not sign a cookie: the click "
                      "is counted without one");
        return NGX_OK;
    }

    ngx_http_referral_cookie_name(ctx->conf, ctx, &name, buf);

    max_age = conf->max_age ? conf->max_age : (time_t) ctx->decision.window;

    size = name.len + 1 + n
           + sizeof("; Path=") - 1 + conf->path.len
           + sizeof("; Domain=") - 1 + conf->domain.len
           + sizeof("; Max-Age=") - 1 + NGX_TIME_T_LEN
           + sizeof("; SameSite=Strict; Secure; HttpOnly") - 1;

    value.data = ngx_pnalloc(r->pool, size);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    referral_buf_init(&b, value.data, size);

    referral_buf_str(&b, &name);
    referral_buf_putc(&b, '=');
    referral_buf_put(&b, data, n);

    referral_buf_puts(&b, "; Path=");
    referral_buf_str(&b, &conf->path);

    if (conf->domain.len) {
        referral_buf_puts(&b, "; Domain=");
        referral_buf_str(&b, &conf->domain);
    }

    referral_buf_puts(&b, "; Max-Age=");
    referral_buf_uint(&b, max_age);
    referral_buf_str(&b, &samesite[conf->samesite]);

    if (conf->secure == NGX_HTTP_REFERRAL_SECURE_ON
        || (conf->secure == NGX_HTTP_REFERRAL_SECURE_AUTO
            && ngx_http_referral_answer_https(r)))
    {
        referral_buf_puts(&b, "; Secure");
    }

    if (conf->httponly) {
        referral_buf_puts(&b, "; HttpOnly");
    }

    value.len = b.pos - b.start;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "referral click: sets cookie \"%V\" for %T s",
                   &name, max_age);

    return ngx_http_referral_answer_header(r, &key, &value) ? NGX_OK
                                                           : NGX_ERROR;
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


static ngx_table_elt_t *
ngx_http_referral_answer_header(ngx_http_request_t *r, ngx_str_t *key,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    h->key = *key;
    h->value = *value;
    h->lowcase_key = NULL;

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return h;
}


static ngx_uint_t
ngx_http_referral_answer_https(ngx_http_request_t *r)
{
#if (NGX_HTTP_SSL)
    return r->connection->ssl != NULL;
#else
    return 0;
#endif
}
