
#include "ngx_http_referral_convert.h"
#include "ngx_http_referral_links.h"
#include "ngx_http_referral_request.h"


/* lines of the log about headers that are no event, a worker and minute */
#define NGX_HTTP_REFERRAL_TAP_SAID  60000


static ngx_int_t ngx_http_referral_convert_tap_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_referral_convert_tap_filter(ngx_http_request_t *r);
static ngx_uint_t ngx_http_referral_convert_tap_cached(ngx_http_request_t *r);
static void ngx_http_referral_convert_tap_hide(ngx_http_request_t *r,
    ngx_str_t *name);
static ngx_uint_t ngx_http_referral_convert_tap_lines(ngx_http_request_t *r,
    ngx_str_t *name, ngx_uint_t once);
static void ngx_http_referral_convert_tap_take(ngx_http_request_t *r,
    ngx_str_t *text);
static int64_t ngx_http_referral_convert_tap_late(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_convert_tap_write(ngx_http_request_t *r,
    referral_event_t *event);
static void ngx_http_referral_convert_tap_wrong(ngx_http_request_t *r,
    const referral_intake_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;

static ngx_msec_t  ngx_http_referral_convert_tap_said;


ngx_int_t
ngx_http_referral_convert_tap_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_referral_convert_tap_handler;

    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_referral_convert_tap_filter;

    return NGX_OK;
}


/*
 * Another page takes the place of the shop's answer: X-Accel-Redirect, or an
 * error page.  If that one has an upstream of its own, the headers of the
 * shop's are gone with its start, so they are read before.
 */

static ngx_int_t
ngx_http_referral_convert_tap_handler(ngx_http_request_t *r)
{
    ngx_http_referral_convert_conf_t  *conf;

    if (!r->internal || r->upstream == NULL) {
        return NGX_DECLINED;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_referral_convert_module);

    if (conf->from
        && !r->post_action
        && !ngx_http_referral_convert_tap_cached(r))
    {
        (void) ngx_http_referral_convert_tap_lines(r, &conf->header, 1);
    }

    return NGX_DECLINED;
}


/*
 * The event is in the journal before the answer goes out, as a click is.
 * Whatever is wrong with it, the visitor gets the shop's answer.
 */

static ngx_int_t
ngx_http_referral_convert_tap_filter(ngx_http_request_t *r)
{
    ngx_str_t                          text;
    ngx_http_referral_convert_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_referral_convert_module);

    if (conf->from == NULL) {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_complex_value(r, conf->from, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    if (conf->header.len) {
        ngx_http_referral_convert_tap_hide(r, &conf->header);
    }

    if (!r->post_action
        && !ngx_http_referral_convert_tap_cached(r)
        && ngx_http_referral_convert_tap_lines(r, &conf->header, 0) == 0
        && text.len)
    {
        ngx_http_referral_convert_tap_take(r->main, &text);
    }

    return ngx_http_next_header_filter(r);
}


/* what the shop said to the visitor before is no news of this one */

static ngx_uint_t
ngx_http_referral_convert_tap_cached(ngx_http_request_t *r)
{
#if (NGX_HTTP_CACHE)
    return r->cached;
#else
    return 0;
#endif
}


/* the visitor never sees what the shop told us */

static void
ngx_http_referral_convert_tap_hide(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_out.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == name->len
            && ngx_strncasecmp(h[i].key.data, name->data, name->len) == 0)
        {
            h[i].hash = 0;
        }
    }
}


/*
 * An event in each header of this name.  The variable has only the first of
 * them, or since nginx 1.23 all of them as one text.  "once": they are not
 * looked at again.
 */

static ngx_uint_t
ngx_http_referral_convert_tap_lines(ngx_http_request_t *r, ngx_str_t *name,
    ngx_uint_t once)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (name->len == 0 || r->upstream == NULL) {
        return 0;
    }

    n = 0;

    for (part = &r->upstream->headers_in.headers.part; part; part = part->next)
    {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash == 0
                || h[i].value.len == 0
                || h[i].key.len != name->len
                || ngx_strncasecmp(h[i].key.data, name->data, name->len) != 0)
            {
                continue;
            }

            ngx_http_referral_convert_tap_take(r->main, &h[i].value);
            n++;

            if (once) {
                h[i].hash = 0;
            }
        }
    }

    return n;
}


static void
ngx_http_referral_convert_tap_take(ngx_http_request_t *r, ngx_str_t *text)
{
    ngx_time_t                    *tp;
    referral_str_t                 body;
    referral_intake_t              in;
    referral_intake_conf_t         conf;
    ngx_http_referral_ctx_t       *ctx;
    ngx_http_referral_loc_conf_t  *rlcf;

    ctx = ngx_http_referral_make_ctx(r);

    if (ctx == NULL
        || ngx_http_referral_guard(r, ctx) != NGX_OK
        || ngx_http_referral_find_program(r, ctx) != NGX_OK)
    {
        ngx_http_referral_convert_tap_wrong(r, NULL);
        return;
    }

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    ngx_memzero(&conf, sizeof(referral_intake_conf_t));

    tp = ngx_timeofday();

    conf.program = ctx->program;
    conf.now = (int64_t) tp->sec * 1000 + tp->msec;
    conf.late = ngx_http_referral_convert_tap_late(r, ctx);
    conf.fold = rlcf->insensitive;
    conf.trust = REFERRAL_TRUST_UPSTREAM;

    body.len = text->len;
    body.data = text->data;

    if (referral_intake_body(&in, REFERRAL_INTAKE_HEADER, &body, &conf)
            == REFERRAL_OK
        && in.item[0].errors == NULL)
    {
        ngx_http_referral_convert_touches(ctx, &in.item[0].event);
        ngx_http_referral_convert_tap_write(r, &in.item[0].event);

    } else {
        ngx_http_referral_convert_tap_wrong(r, &in);
    }

    referral_intake_free(&in);
}


/*
 * How late the program takes events.  The visitor does not wait for Redis, and
 * nobody sends this event again: where the cache does not know, it is taken.
 */

static int64_t
ngx_http_referral_convert_tap_late(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_http_referral_wait_t        wait;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    if (rmcf->worker->links == NULL) {
        return REFERRAL_LATE_MAX;
    }

    ngx_memzero(&wait, sizeof(ngx_http_referral_wait_t));

    wait.pool = r->pool;
    wait.literal = ctx->literal_program;

    if (ngx_http_referral_links_get(rmcf->worker->links, &wait,
                                    NGX_HTTP_REFERRAL_PROGRAM, &ctx->program,
                                    NULL)
        == NGX_AGAIN)
    {
        ngx_http_referral_links_give_up(&wait);
    }

    return wait.entry ? wait.entry->late : REFERRAL_LATE_MAX;
}


static void
ngx_http_referral_convert_tap_write(ngx_http_request_t *r,
    referral_event_t *event)
{
    u_char                                  data[REFERRAL_EVENT_MAX];
    ssize_t                                 n;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    rcmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_convert_module);

    n = referral_event_encode(data, sizeof(data), event);

    if (n == REFERRAL_ERROR
        || rcmcf->recorder == NULL
        || ngx_http_referral_recorder_put(rcmcf->recorder, data, n,
                                          event->received)
           != NGX_OK)
    {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "referral: the event \"%*s\" in the shop's answer could "
                      "not be kept", event->text[REFERRAL_EVENT_TEXT_ID].len,
                      event->text[REFERRAL_EVENT_TEXT_ID].data);
    }
}


void
ngx_http_referral_convert_touches(ngx_http_referral_ctx_t *ctx,
    referral_event_t *event)
{
    referral_cookie_t  *cookie;

    ngx_http_referral_find_cookie(ctx->request, ctx, REFERRAL_WINDOW_MAX);

    if (ctx->old_cookie != REFERRAL_COOKIE_OK) {
        return;
    }

    cookie = &ctx->cookie;

    event->flags |= REFERRAL_EVENT_VISITOR|REFERRAL_EVENT_FIRST
                    |REFERRAL_EVENT_LAST;

    if (cookie->first_open) {
        event->flags |= REFERRAL_EVENT_FIRST_OPEN;
    }

    if (cookie->last_open) {
        event->flags |= REFERRAL_EVENT_LAST_OPEN;
    }

    ngx_memcpy(event->visitor, cookie->visitor, REFERRAL_VISITOR_SIZE);

    event->first.code.len = cookie->first.code_len;
    event->first.code.data = cookie->first.code;
    ngx_memcpy(event->first.click_id, cookie->first.click_id,
               REFERRAL_CLICK_ID_SIZE);

    event->last.code.len = cookie->last.code_len;
    event->last.code.data = cookie->last.code;
    ngx_memcpy(event->last.click_id, cookie->last.click_id,
               REFERRAL_CLICK_ID_SIZE);
}


/* a shop that sends nonsense sends it with each order: one line a minute */

static void
ngx_http_referral_convert_tap_wrong(ngx_http_request_t *r,
    const referral_intake_t *in)
{
    const referral_intake_item_t   *item;
    const referral_intake_error_t  *error;

    if (ngx_http_referral_convert_tap_said
        && ngx_current_msec - ngx_http_referral_convert_tap_said
           < NGX_HTTP_REFERRAL_TAP_SAID)
    {
        return;
    }

    ngx_http_referral_convert_tap_said = ngx_current_msec;

    if (in == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "referral: an event in the shop's answer is lost: "
                      "\"referral_program\" of this location is empty");
        return;
    }

    item = in->n ? &in->item[0] : &in->body;
    error = item->errors;

    if (error == NULL) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "referral: no memory for an event in the shop's answer");
        return;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "referral: the header of the shop's answer is no event: "
                  "\"%*s\" %*s: %*s",
                  error->field.len, error->field.data,
                  error->code.len, error->code.data,
                  error->detail.len, error->detail.data);
}
