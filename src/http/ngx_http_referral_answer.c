
#include "ngx_http_referral_answer.h"
#include "ngx_http_referral_request.h"


static ngx_uint_t ngx_http_referral_answer_https(ngx_http_request_t *r);


ngx_int_t
ngx_http_referral_answer_cookie(ngx_http_request_t *r,
    ngx_http_referral_loc_conf_t *rlcf, ngx_http_referral_ctx_t *ctx,
    const referral_cookie_t *cookie, int64_t window)
{
    size_t                            size;
    ssize_t                           n;
    time_t                            max_age;
    ngx_str_t                         name, value;
    referral_buf_t                    b;
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

    conf = rlcf->cookie;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    if (!conf->enabled || rmcf->keys.keys == NULL) {
        return NGX_OK;
    }

    n = referral_cookie_encode(data, rmcf->keys.keys, &ctx->program, cookie);

    if (n == REFERRAL_ERROR) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                      "referral: openssl could not sign a cookie: the click "
                      "is counted without one");
        return NGX_OK;
    }

    ngx_http_referral_cookie_name(rlcf, ctx, &name, buf);

    max_age = conf->max_age ? conf->max_age : (time_t) window;

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


ngx_table_elt_t *
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
