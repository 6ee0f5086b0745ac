
/*
 * What follows from a request: its program, code, cookie, place, device,
 * language, class and consent.  Each function computes its part once, when it
 * is first called, and may be called in any phase.  Results are in the
 * context; strings are allocated from the request's pool.
 */


#ifndef _NGX_HTTP_REFERRAL_REQUEST_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_REQUEST_H_INCLUDED_


#include "ngx_http_referral.h"


/* User-Agents that a worker caches: a few hundred make up most requests */
#define NGX_HTTP_REFERRAL_AGENTS     256
#define NGX_HTTP_REFERRAL_AGENT_MAX  256


/* a cached User-Agent, and the device and class that follow from it */

struct ngx_http_referral_agent_s {
    size_t                           len;
    u_char                           text[NGX_HTTP_REFERRAL_AGENT_MAX];
    referral_agent_t                 agent;
};


ngx_http_referral_ctx_t *ngx_http_referral_get_ctx(ngx_http_request_t *r);
ngx_http_referral_ctx_t *ngx_http_referral_make_ctx(ngx_http_request_t *r);
ngx_int_t ngx_http_referral_guard(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_find_code(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_find_program(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_find_cookie(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, int64_t window);
void ngx_http_referral_find_geo(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_find_agent(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_find_lang(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, referral_str_t *languages);
void ngx_http_referral_find_source(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_find_class(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
ngx_uint_t ngx_http_referral_consent(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
referral_touch_t *ngx_http_referral_touch(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_cookie_name(ngx_http_referral_loc_conf_t *rlcf,
    ngx_http_referral_ctx_t *ctx, ngx_str_t *name, u_char *buf);
void ngx_http_referral_read_headers(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/* the first header of a name in ..._header_e; data is NULL: there is none */

static ngx_inline referral_str_t *
ngx_http_referral_header(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx,
    ngx_uint_t name)
{
    if (!ctx->has_headers) {
        ngx_http_referral_read_headers(r->main, ctx);
    }

    return &ctx->header[name];
}

#define NGX_HTTP_REFERRAL_COOKIE_NAME_MAX  (4 + REFERRAL_PROGRAM_MAX)


#endif /* _NGX_HTTP_REFERRAL_REQUEST_H_INCLUDED_ */
