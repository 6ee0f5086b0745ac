
#include "ngx_http_referral_geo.h"
#include "ngx_http_referral_request.h"
#include "referral_hash.h"


/* cookies of one name that are verified at most: each costs a MAC */
#define NGX_HTTP_REFERRAL_COOKIES    4


static void ngx_http_referral_cleanup(void *data);
static void ngx_http_referral_join_cookies(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_bad_cookie(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_str_t *name);
static ngx_int_t ngx_http_referral_lower(ngx_http_request_t *r,
    referral_str_t *dst, ngx_str_t *src);
static ngx_uint_t ngx_http_referral_consented(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_loc_conf_t *rlcf);


/*
 * Header names, indexed by their length and last letter.  Two names with the
 * same index would not compile.
 */

#define NGX_HTTP_REFERRAL_PLACES  32

#define ngx_http_referral_place(len, last)                                    \
    (((len) + (last)) % NGX_HTTP_REFERRAL_PLACES)

#define ngx_http_referral_known(name, last, header)                           \
    [ngx_http_referral_place(sizeof(name) - 1, last)]                         \
        = { ngx_string(name), NGX_HTTP_REFERRAL_##header }


typedef struct {
    ngx_str_t    name;
    ngx_uint_t   header;
} ngx_http_referral_known_t;


static ngx_http_referral_known_t
    ngx_http_referral_headers[NGX_HTTP_REFERRAL_PLACES] =
{
    ngx_http_referral_known("user-agent", 't', USER_AGENT),
    ngx_http_referral_known("accept-language", 'e', ACCEPT_LANGUAGE),
    ngx_http_referral_known("referer", 'r', REFERER),
    ngx_http_referral_known("cookie", 'e', COOKIE),
    ngx_http_referral_known("accept", 't', ACCEPT),
    ngx_http_referral_known("sec-fetch-mode", 'e', FETCH_MODE),
    ngx_http_referral_known("sec-fetch-dest", 't', FETCH_DEST),
    ngx_http_referral_known("sec-gpc", 'c', SEC_GPC),
    ngx_http_referral_known("sec-purpose", 'e', SEC_PURPOSE),
    ngx_http_referral_known("purpose", 'e', PURPOSE),
    ngx_http_referral_known("x-purpose", 'e', X_PURPOSE),
    ngx_http_referral_known("x-moz", 'z', X_MOZ)
};


/*
 * An internal redirect clears the contexts of modules, but not the pool's
 * cleanups, where the context is found again.  Subrequests use that of their
 * main request.
 */

ngx_http_referral_ctx_t *
ngx_http_referral_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_referral_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_referral_module);

    if (ctx || (!r->internal && !r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_referral_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_referral_module);
            return ctx;
        }
    }

    return NULL;
}


ngx_http_referral_ctx_t *
ngx_http_referral_make_ctx(ngx_http_request_t *r)
{
    ngx_time_t               *tp;
    ngx_pool_cleanup_t       *cln;
    ngx_http_referral_ctx_t  *ctx;

    ctx = ngx_http_referral_get_ctx(r);
    if (ctx) {
        return ctx;
    }

    r = r->main;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_referral_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_referral_ctx_t));

    tp = ngx_timeofday();

    ctx->request = r;
    ctx->now = (int64_t) tp->sec * 1000 + tp->msec;

    cln->handler = ngx_http_referral_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_referral_module);

    return ctx;
}


/*
 * To be called before a request waits.  If nginx ends the request meanwhile,
 * its waits must be cancelled at once; the pool's cleanup comes too late.
 */

ngx_int_t
ngx_http_referral_guard(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx)
{
    ngx_http_cleanup_t  *cln;

    if (ctx->guarded) {
        return NGX_OK;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_referral_cleanup;
    cln->data = ctx;

    ctx->guarded = 1;

    return NGX_OK;
}


static void
ngx_http_referral_cleanup(void *data)
{
    ngx_http_referral_ctx_t *ctx = data;

    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_REFERRAL_WAITS; i++) {
        if (ctx->cancel[i]) {
            ctx->cancel[i](ctx);
        }
    }
}


/* reads all headers in one pass: a search for each would be a pass each */

void
ngx_http_referral_read_headers(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    size_t                      len;
    ngx_uint_t                  i;
    referral_str_t             *value;
    ngx_list_part_t            *part;
    ngx_table_elt_t            *header;
    ngx_http_referral_known_t  *known;

    ctx->has_headers = 1;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            len = header[i].key.len;

            if (len == 0) {
                continue;
            }

            known = &ngx_http_referral_headers[ngx_http_referral_place(len,
                                               header[i].lowcase_key[len - 1])];

            if (known->name.len != len
                || ngx_memcmp(header[i].lowcase_key, known->name.data, len)
                   != 0)
            {
                continue;
            }

            value = &ctx->header[known->header];

            if (value->data == NULL) {
                value->len = header[i].value.len;
                value->data = header[i].value.data;

            } else if (known->header == NGX_HTTP_REFERRAL_COOKIE) {
                ctx->many_cookies = 1;
            }
        }
    }

    if (ctx->many_cookies) {
        ngx_http_referral_join_cookies(r, ctx);
    }
}


/*
 * joins several Cookie headers as $http_cookie: versions of nginx keep them in
 * different members
 */

static void
ngx_http_referral_join_cookies(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_uint_t                  key;
    ngx_http_variable_value_t  *vv;

    static ngx_str_t  name = ngx_string("http_cookie");

    key = ngx_hash_key(name.data, name.len);

    vv = ngx_http_get_variable(r, &name, key);

    if (vv && vv->valid && !vv->not_found) {
        ctx->header[NGX_HTTP_REFERRAL_COOKIE].len = vv->len;
        ctx->header[NGX_HTTP_REFERRAL_COOKIE].data = vv->data;
    }
}


/* sets ctx->program; NGX_DECLINED: the location has none that is valid */

ngx_int_t
ngx_http_referral_find_program(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_str_t                      value;
    ngx_http_complex_value_t      *cv;
    ngx_http_referral_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r->main, ngx_http_referral_module);

    cv = rlcf->link.program ? rlcf->link.program : rlcf->program;

    /* the fallback page of a click keeps the click's program */

    if (ctx->has_program && (ctx->short_link || ctx->program_value == cv)) {
        return ctx->program.len ? NGX_OK : NGX_DECLINED;
    }

    if (cv == NULL) {
        return NGX_DECLINED;
    }

    ctx->has_program = 1;
    ctx->cookie_conf = NULL;
    ctx->program_value = cv;
    ctx->program.len = 0;
    ctx->literal_program = (cv->lengths == NULL);

    /* "nginx -t" has refused an invalid one */

    if (ctx->literal_program) {
        ctx->program.len = cv->value.len;
        ctx->program.data = cv->value.data;
        return NGX_OK;
    }

    if (ngx_http_complex_value(r->main, cv, &value) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ngx_http_referral_lower(r, &ctx->program, &value) != NGX_OK
        || !referral_program_valid(&ctx->program))
    {
        ctx->program.len = 0;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_lower(ngx_http_request_t *r, referral_str_t *dst,
    ngx_str_t *src)
{
    dst->len = src->len;
    dst->data = ngx_pnalloc(r->pool, src->len);

    if (dst->data == NULL) {
        dst->len = 0;
        return NGX_ERROR;
    }

    ngx_strlow(dst->data, src->data, src->len);

    return NGX_OK;
}


/* sets ctx->code; NGX_DECLINED: the URL has none */

ngx_int_t
ngx_http_referral_find_code(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    u_char                         buf[REFERRAL_CODE_MAX];
    ngx_str_t                      value;
    referral_str_t                 raw, code;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_referral_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (rlcf->link.code) {
        if (ngx_http_complex_value(r, rlcf->link.code, &value) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        if (r->uri.len < clcf->name.len) {
            return NGX_DECLINED;
        }

        value.data = r->uri.data + clcf->name.len;
        value.len = r->uri.len - clcf->name.len;

        /* "location /r" takes the same codes as "location /r/" */

        if (value.len
            && value.data[0] == '/'
            && value.data != r->uri.data
            && value.data[-1] != '/')
        {
            value.data++;
            value.len--;
        }
    }

    raw.data = value.data;
    raw.len = value.len;

    if (referral_code_find(&raw, &code, buf) != REFERRAL_OK) {
        return NGX_DECLINED;
    }

    ctx->code.data = ngx_pnalloc(r->pool, code.len);
    if (ctx->code.data == NULL) {
        return NGX_ERROR;
    }

    ctx->code.len = code.len;

    if (rlcf->insensitive) {
        ngx_strlow(ctx->code.data, code.data, code.len);

    } else {
        ngx_memcpy(ctx->code.data, code.data, code.len);
    }

    return NGX_OK;
}


/* the cookie's name; "buf" has NGX_HTTP_REFERRAL_COOKIE_NAME_MAX bytes */

void
ngx_http_referral_cookie_name(ngx_http_referral_loc_conf_t *rlcf,
    ngx_http_referral_ctx_t *ctx, ngx_str_t *name, u_char *buf)
{
    u_char  *p;

    if (rlcf->cookie->name.len) {
        *name = rlcf->cookie->name;
        return;
    }

    p = ngx_cpymem(buf, "ref_", 4);
    p = ngx_cpymem(p, ctx->program.data, ctx->program.len);

    name->data = buf;
    name->len = p - buf;
}


/*
 * Reads the program's cookie into ctx->cookie, and sets ctx->old_cookie to
 * whether it is valid; without consent it counts as absent.  Touches older
 * than "window", in seconds, do not count.  The first call decides, so the
 * program has to be known.
 */

void
ngx_http_referral_find_cookie(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, int64_t window)
{
    u_char                         *p, *last, *end;
    u_char                          buf[NGX_HTTP_REFERRAL_COOKIE_NAME_MAX];
    ngx_str_t                       name;
    ngx_uint_t                      tries;
    referral_str_t                  text, *header;
    ngx_http_referral_loc_conf_t   *rlcf;
    ngx_http_referral_main_conf_t  *rmcf;

    rlcf = ctx->conf ? ctx->conf
                     : ngx_http_get_module_loc_conf(r->main,
                                                    ngx_http_referral_module);

    if (!ngx_http_referral_consent(r->main, ctx)) {
        ctx->cookie_conf = NULL;
        ctx->old_cookie = REFERRAL_COOKIE_MALFORMED;
        return;
    }

    if (ctx->cookie_conf == rlcf->cookie) {
        return;
    }

    ctx->cookie_conf = rlcf->cookie;
    ctx->old_cookie = REFERRAL_COOKIE_MALFORMED;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    if (!rlcf->cookie->enabled || rmcf->keys.keys == NULL) {
        return;
    }

    header = ngx_http_referral_header(r, ctx, NGX_HTTP_REFERRAL_COOKIE);

    if (header->len == 0) {
        return;
    }

    ngx_http_referral_cookie_name(rlcf, ctx, &name, buf);

    /*
     * Another host or path of the site may have set a cookie of the same name:
     * the first valid one counts, and only a few are verified.
     */

    tries = 0;
    p = header->data;
    last = p + header->len;

    while (p < last && tries < NGX_HTTP_REFERRAL_COOKIES) {

        while (p < last && (*p == ' ' || *p == ';')) {
            p++;
        }

        end = ngx_strlchr(p, last, ';');

        if (end == NULL) {
            end = last;
        }

        if ((size_t) (end - p) > name.len && p[name.len] == '='
            && ngx_memcmp(p, name.data, name.len) == 0)
        {
            text.data = p + name.len + 1;
            text.len = end - text.data;
            tries++;

            ctx->old_cookie = referral_cookie_decode(&ctx->cookie,
                                                     rmcf->keys.keys,
                                                     &ctx->program, &text,
                                                     ctx->now, window);

            if (ctx->old_cookie == REFERRAL_COOKIE_OK) {
                return;
            }
        }

        p = end;
    }

    if (tries) {
        ngx_http_referral_bad_cookie(r, ctx, &name);
    }
}


static void
ngx_http_referral_bad_cookie(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_str_t *name)
{
    ngx_http_referral_main_conf_t  *rmcf;

#if (NGX_DEBUG)
    static char  *reasons[] = {
        "", "it is malformed", "its key is unknown", "its signature is wrong",
        "it is of another program", "it has expired"
    };
#endif

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    /* without short links there is no zone */

    if (rmcf->zone.sh) {
        ngx_http_referral_count(rmcf, NGX_HTTP_REFERRAL_BAD_COOKIES);
    }

#if (NGX_DEBUG)
    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "referral cookie: \"%V\" is ignored: %s",
                   name, reasons[ctx->old_cookie]);
#endif
}


/* the touch of the cookie that counts by the attribution; NULL: none */

referral_touch_t *
ngx_http_referral_touch(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx)
{
    int64_t                        oldest;
    ngx_uint_t                     attribution;
    const referral_entry_t        *program;
    ngx_http_referral_loc_conf_t  *rlcf;

    if (ctx->cookie_conf == NULL || ctx->old_cookie != REFERRAL_COOKIE_OK) {
        return NULL;
    }

    rlcf = ngx_http_get_module_loc_conf(r->main, ngx_http_referral_module);

    attribution = rlcf->attribution;

    program = ctx->wait[NGX_HTTP_REFERRAL_PROGRAM].entry;

    if (program) {

        if (program->attribution != REFERRAL_ATTRIBUTION_UNSET) {
            attribution = program->attribution;
        }

        oldest = ctx->now - 1000 * (int64_t) (program->window
                                              ? program->window
                                              : REFERRAL_WINDOW_DEFAULT);

        if (referral_click_id_time(ctx->cookie.last.click_id) < oldest) {
            return NULL;
        }

        if (referral_click_id_time(ctx->cookie.first.click_id) < oldest) {
            attribution = REFERRAL_ATTRIBUTION_LAST;
        }
    }

    /* a touch whose link may not exist yields to one whose link does */

    if (ctx->cookie.first_open && !ctx->cookie.last_open) {
        attribution = REFERRAL_ATTRIBUTION_LAST;
    }

    return attribution == REFERRAL_ATTRIBUTION_FIRST ? &ctx->cookie.first
                                                     : &ctx->cookie.last;
}


void
ngx_http_referral_find_geo(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    u_char                         *p;
    struct sockaddr                *sa;
    ngx_http_referral_main_conf_t  *rmcf;

    /* realip may have changed the address since a variable was read */

    sa = r->connection->sockaddr;

    if (ctx->geo_of == sa) {
        return;
    }

    ctx->geo_of = sa;
    ctx->asn.len = 0;
    ngx_memzero(&ctx->geo, sizeof(referral_geo_result_t));

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    if (rmcf->geo.geos) {
        ngx_http_referral_geo_find(rmcf->geo.geos, sa, &ctx->geo);
    }

    if (ctx->geo.asn) {
        p = ngx_sprintf(ctx->asn_data, "%uD", ctx->geo.asn);

        ctx->asn.data = ctx->asn_data;
        ctx->asn.len = p - ctx->asn_data;
    }
}


void
ngx_http_referral_find_agent(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    referral_str_t                 *ua;
    ngx_http_referral_agent_t      *known;
    ngx_http_referral_main_conf_t  *rmcf;

    if (ctx->has_agent) {
        return;
    }

    ctx->has_agent = 1;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    ua = ngx_http_referral_header(r, ctx, NGX_HTTP_REFERRAL_USER_AGENT);

    ctx->agent_hash = referral_hash64(0, ua->data, ua->len);

    if (ua->len == 0 || ua->len > NGX_HTTP_REFERRAL_AGENT_MAX) {
        referral_visitor_agent(&ctx->agent, rmcf->bots, ua);
        return;
    }

    known = &rmcf->worker->agents[ctx->agent_hash % NGX_HTTP_REFERRAL_AGENTS];

    if (known->len != ua->len
        || ngx_memcmp(known->text, ua->data, ua->len) != 0)
    {
        referral_visitor_agent(&known->agent, rmcf->bots, ua);

        known->len = ua->len;
        ngx_memcpy(known->text, ua->data, ua->len);
    }

    ctx->agent = known->agent;
}


/* chooses again when the program's languages are known */

void
ngx_http_referral_find_lang(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, referral_str_t *languages)
{
    if (ctx->has_lang && languages->len == 0) {
        return;
    }

    ctx->has_lang = 1;

    ctx->lang.data = ctx->lang_data;
    ctx->lang.len = referral_lang_choose(ctx->lang_data,
                        ngx_http_referral_header(r, ctx,
                                           NGX_HTTP_REFERRAL_ACCEPT_LANGUAGE),
                        languages);
}


void
ngx_http_referral_find_source(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    if (ctx->has_source) {
        return;
    }

    ctx->has_source = 1;

    ctx->source.data = ctx->source_data;
    ctx->source.len = referral_visitor_source(ctx->source_data,
                          ngx_http_referral_header(r, ctx,
                                                   NGX_HTTP_REFERRAL_REFERER));
}


/* the class by the request alone; "duplicate" and "excluded" are set later */

void
ngx_http_referral_find_class(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_uint_t                   n;
    referral_str_t              *accept;
    referral_visitor_headers_t   h;

    if (ctx->has_class) {
        return;
    }

    ctx->has_class = 1;

    ngx_http_referral_find_agent(r, ctx);

    accept = ngx_http_referral_header(r, ctx, NGX_HTTP_REFERRAL_ACCEPT);

    h.head = (r->main->method == NGX_HTTP_HEAD);
    h.no_accept = (accept->data == NULL);
    h.fetch_mode = *ngx_http_referral_header(r, ctx,
                                             NGX_HTTP_REFERRAL_FETCH_MODE);
    h.fetch_dest = *ngx_http_referral_header(r, ctx,
                                             NGX_HTTP_REFERRAL_FETCH_DEST);

    for (n = 0; n < REFERRAL_PURPOSES; n++) {
        h.purpose[n] = *ngx_http_referral_header(r, ctx,
                                           NGX_HTTP_REFERRAL_SEC_PURPOSE + n);
    }

    ctx->class = referral_visitor_class(&h, &ctx->agent);
}


/*
 * Whether this visitor may be recognized: yes if nothing is configured.  A
 * click has one answer, which its fallback page keeps.  On other pages the
 * answer is computed each time, for the location.  It is no while
 * "referral_consent" itself is evaluated, which may read variables of the
 * cookie.
 */

ngx_uint_t
ngx_http_referral_consent(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx)
{
    ngx_uint_t                     consent;
    ngx_http_referral_loc_conf_t  *rlcf;

    if (ctx->has_consent) {
        return ctx->consent;
    }

    ctx->has_consent = 1;
    ctx->consent = 0;

    rlcf = ctx->conf ? ctx->conf
                     : ngx_http_get_module_loc_conf(r,
                                                    ngx_http_referral_module);

    consent = ngx_http_referral_consented(r, ctx, rlcf);

    ctx->consent = consent;
    ctx->has_consent = (ctx->conf != NULL);

    return consent;
}


static ngx_uint_t
ngx_http_referral_consented(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_loc_conf_t *rlcf)
{
    ngx_str_t        value;
    referral_str_t  *gpc;

    gpc = ngx_http_referral_header(r, ctx, NGX_HTTP_REFERRAL_SEC_GPC);

    if (rlcf->gpc && gpc->len == 1 && gpc->data[0] == '1') {
        return 0;
    }

    if (rlcf->consent) {

        if (ngx_http_complex_value(r, rlcf->consent, &value) != NGX_OK) {
            return 0;
        }

        if (!(value.len == 1 && value.data[0] == '1')
            && !(value.len == 7
                 && ngx_strncasecmp(value.data, (u_char *) "granted", 7) == 0))
        {
            return 0;
        }
    }

    return 1;
}
