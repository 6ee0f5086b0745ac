
#include "ngx_http_referral_links.h"
#include "ngx_http_referral_lookup.h"
#include "ngx_http_referral_request.h"


static ngx_int_t ngx_http_referral_lookup_part(ngx_http_referral_ctx_t *ctx,
    ngx_uint_t part, referral_str_t *id);
static ngx_int_t ngx_http_referral_lookup_referrer(
    ngx_http_referral_ctx_t *ctx);
static ngx_uint_t ngx_http_referral_lookup_owner(
    ngx_http_referral_ctx_t *ctx, referral_str_t *id);
static ngx_int_t ngx_http_referral_lookup_wait(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_lookup_cancel(ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_lookup_touch_handler(void *data);
static void ngx_http_referral_lookup_handler(void *data);
static void ngx_http_referral_lookup_timeout(ngx_event_t *ev);
static void ngx_http_referral_lookup_done(ngx_http_referral_ctx_t *ctx);


ngx_int_t
ngx_http_referral_lookup(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx,
    referral_str_t *code, ngx_http_referral_found_pt found)
{
    ngx_http_referral_lookup_start(ctx, code, found);
    ngx_http_referral_lookup_prefetch(ctx);

    return ngx_http_referral_lookup_finish(r, ctx);
}


void
ngx_http_referral_lookup_start(ngx_http_referral_ctx_t *ctx,
    referral_str_t *code, ngx_http_referral_found_pt found)
{
    referral_str_t                  id;
    ngx_http_referral_wait_t       *wait;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_http_referral_module);

    if (rmcf->worker->links == NULL) {
        return;
    }

    ctx->found = found;
    ctx->cancel[NGX_HTTP_REFERRAL_WAIT_LOOKUP] =
                                             ngx_http_referral_lookup_cancel;

    wait = &ctx->wait[NGX_HTTP_REFERRAL_REFERRER];
    wait->handler = NULL;
    wait->entry = NULL;
    wait->hinted = 0;

    (void) ngx_http_referral_lookup_part(ctx, NGX_HTTP_REFERRAL_LINK, code);

    if (ngx_http_referral_lookup_owner(ctx, &id)) {
        ngx_http_referral_links_prefetch(rmcf->worker->links, wait,
                                         NGX_HTTP_REFERRAL_REFERRER,
                                         &ctx->program, &id);
    }

    (void) ngx_http_referral_lookup_part(ctx, NGX_HTTP_REFERRAL_PROGRAM, NULL);
}


void
ngx_http_referral_lookup_prefetch(ngx_http_referral_ctx_t *ctx)
{
    ngx_http_referral_wait_t       *wait;
    ngx_http_referral_main_conf_t  *rmcf;

    wait = &ctx->wait[NGX_HTTP_REFERRAL_REFERRER];

    if (wait->hinted) {
        rmcf = ngx_http_get_module_main_conf(ctx->request,
                                             ngx_http_referral_module);

        ngx_http_referral_links_prefetch_value(rmcf->worker->links, wait);
    }
}


ngx_int_t
ngx_http_referral_lookup_finish(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    if (rmcf->worker->links == NULL) {
        return NGX_OK;
    }

    /* the referrer is looked up last, because the link names it */

    if (ctx->waits == 0) {
        (void) ngx_http_referral_lookup_referrer(ctx);
    }

    return ctx->waits ? ngx_http_referral_lookup_wait(r, ctx) : NGX_OK;
}


ngx_int_t
ngx_http_referral_lookup_touches(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_found_pt found)
{
    ngx_uint_t                      i;
    referral_str_t                  code;
    referral_touch_t               *touch;
    ngx_http_referral_wait_t       *wait;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    ctx->touches = ngx_pcalloc(r->pool, 2 * sizeof(ngx_http_referral_wait_t));

    if (ctx->touches == NULL) {
        return NGX_ERROR;
    }

    if (rmcf->worker->links == NULL) {
        return NGX_OK;
    }

    ctx->cancel[NGX_HTTP_REFERRAL_WAIT_LOOKUP] =
                                             ngx_http_referral_lookup_cancel;

    for (i = 0; i < 2; i++) {

        if (!(i ? ctx->cookie.last_open : ctx->cookie.first_open)) {
            continue;
        }

        touch = i ? &ctx->cookie.last : &ctx->cookie.first;

        code.len = touch->code_len;
        code.data = touch->code;

        wait = &ctx->touches[i];

        wait->handler = ngx_http_referral_lookup_touch_handler;
        wait->data = ctx;
        wait->pool = r->pool;
        wait->literal = ctx->literal_program;

        if (ngx_http_referral_links_get(rmcf->worker->links, wait,
                                        NGX_HTTP_REFERRAL_LINK, &ctx->program,
                                        &code)
            == NGX_AGAIN)
        {
            ctx->waits++;
        }
    }

    ctx->found = found;

    return ctx->waits ? ngx_http_referral_lookup_wait(r, ctx) : NGX_OK;
}


static void
ngx_http_referral_lookup_cancel(ngx_http_referral_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_REFERRAL_ENTRIES; i++) {
        ngx_http_referral_links_cancel(&ctx->wait[i]);
    }

    for (i = 0; ctx->touches && i < 2; i++) {
        ngx_http_referral_links_cancel(&ctx->touches[i]);
    }

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }
}


static void
ngx_http_referral_lookup_touch_handler(void *data)
{
    ngx_http_referral_ctx_t *ctx = data;

    if (--ctx->waits == 0) {
        ngx_http_referral_lookup_done(ctx);
    }
}


static ngx_int_t
ngx_http_referral_lookup_part(ngx_http_referral_ctx_t *ctx, ngx_uint_t part,
    referral_str_t *id)
{
    ngx_int_t                       rc;
    ngx_http_referral_wait_t       *wait;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_http_referral_module);
    wait = &ctx->wait[part];

    wait->handler = ngx_http_referral_lookup_handler;
    wait->data = ctx;
    wait->pool = ctx->request->pool;
    wait->literal = ctx->literal_program;

    rc = ngx_http_referral_links_get(rmcf->worker->links, wait, part,
                                     &ctx->program, id);
    if (rc == NGX_AGAIN) {
        ctx->waits++;
    }

    return rc;
}


static ngx_int_t
ngx_http_referral_lookup_referrer(ngx_http_referral_ctx_t *ctx)
{
    referral_str_t  id;

    if (!ngx_http_referral_lookup_owner(ctx, &id)) {
        return NGX_OK;
    }

    return ngx_http_referral_lookup_part(ctx, NGX_HTTP_REFERRAL_REFERRER, &id);
}


/* sets *id to the referrer that the link names; 0: it names none */

static ngx_uint_t
ngx_http_referral_lookup_owner(ngx_http_referral_ctx_t *ctx,
    referral_str_t *id)
{
    referral_entry_t  *link;

    link = ctx->wait[NGX_HTTP_REFERRAL_LINK].entry;

    if (link == NULL || !referral_entry_has(link, REFERRAL_FIELD_REFERRER)) {
        return 0;
    }

    *id = referral_entry_field(link, REFERRAL_FIELD_REFERRER);

    return 1;
}


static ngx_int_t
ngx_http_referral_lookup_wait(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_uint_t                      i;
    ngx_msec_int_t                  left;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    if (ngx_http_referral_guard(r, ctx) != NGX_OK) {
        goto failed;
    }

    /* nginx goes on reading a body that is discarded */

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    /* data, or the end, that has arrived already makes no further event */

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_next_events);

    } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        goto failed;
    }

    ctx->ident = (ngx_socket_t) -1;
    ctx->timer.data = ctx;
    ctx->timer.handler = ngx_http_referral_lookup_timeout;
    ctx->timer.log = r->connection->log;

    /* a second wait has the time that the first one left */

    if (ctx->since == 0) {
        ctx->since = ngx_current_msec;
    }

    left = (ngx_msec_int_t) (ctx->since + rmcf->redis.timeout
                             - ngx_current_msec);

    ngx_add_timer(&ctx->timer, left > 0 ? (ngx_msec_t) left : 1);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "referral lookup: waits for %ui answers of redis",
                   ctx->waits);

    ctx->looking = 1;

    return NGX_AGAIN;

failed:

    for (i = 0; i < NGX_HTTP_REFERRAL_ENTRIES; i++) {
        ngx_http_referral_links_cancel(&ctx->wait[i]);
    }

    for (i = 0; ctx->touches && i < 2; i++) {
        ngx_http_referral_links_cancel(&ctx->touches[i]);
    }

    ctx->waits = 0;

    return NGX_ERROR;
}


static void
ngx_http_referral_lookup_handler(void *data)
{
    ngx_http_referral_ctx_t *ctx = data;

    if (--ctx->waits) {
        return;
    }

    /* the referrer is looked up last, and at most once */

    if (ctx->wait[NGX_HTTP_REFERRAL_REFERRER].handler == NULL
        && ngx_http_referral_lookup_referrer(ctx) == NGX_AGAIN)
    {
        return;
    }

    ngx_http_referral_lookup_done(ctx);
}


static void
ngx_http_referral_lookup_timeout(ngx_event_t *ev)
{
    ngx_uint_t                i;
    ngx_http_referral_ctx_t  *ctx;

    ctx = ev->data;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "referral lookup: redis did not answer in time");

    for (i = 0; i < NGX_HTTP_REFERRAL_ENTRIES; i++) {
        ngx_http_referral_links_give_up(&ctx->wait[i]);
    }

    for (i = 0; ctx->touches && i < 2; i++) {
        ngx_http_referral_links_give_up(&ctx->touches[i]);
    }

    ctx->waits = 0;

    ngx_http_referral_lookup_done(ctx);
}


static void
ngx_http_referral_lookup_done(ngx_http_referral_ctx_t *ctx)
{
    ctx->looking = 0;

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    /* the client has gone, and the request has become that of "post_action" */

    if (ctx->request->post_action) {
        return;
    }

    if (!ctx->request->discard_body) {
        ctx->request->read_event_handler = ngx_http_block_reading;
    }

    ctx->found(ctx);
}
