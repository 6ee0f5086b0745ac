
/*
 * The clicks of one turn of the event loop go together: each step is taken for
 * all of them before the next one.  Between two requests nginx and the kernel
 * push what a step needs out of the processor's first cache, so the second
 * click of a turn costs less than the first; and what is far in memory comes
 * while the others are looked at.
 */


#include "ngx_http_referral.h"


static void ngx_http_referral_turn_leave(ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_turn_event_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_referral_turn_go(ngx_http_referral_turn_t *turn,
    ngx_http_request_t *own);


typedef void (*ngx_http_referral_step_pt)(ngx_http_referral_ctx_t *ctx);


static const ngx_http_referral_step_pt  ngx_http_referral_turn_steps[] = {
    ngx_http_referral_click_ask,
    ngx_http_referral_click_ahead,
    ngx_http_referral_click_look,
    ngx_http_referral_lookup_ahead,
    NULL
};


void
ngx_http_referral_turn_init(ngx_http_referral_turn_t *turn, ngx_log_t *log)
{
    ngx_memzero(turn, sizeof(ngx_http_referral_turn_t));

    ngx_queue_init(&turn->clicks);

    turn->event.data = turn;
    turn->event.handler = ngx_http_referral_turn_event_handler;
    turn->event.log = log;
}


ngx_int_t
ngx_http_referral_turn_handler(ngx_http_request_t *r)
{
    ngx_int_t                       rc;
    ngx_http_referral_ctx_t        *ctx;
    ngx_http_referral_turn_t       *turn;
    ngx_http_referral_main_conf_t  *rmcf;

    rc = ngx_http_referral_click_admit(r, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    turn = &rmcf->turn;

    ngx_queue_insert_tail(&turn->clicks, &ctx->queue);
    ctx->cancel[NGX_HTTP_REFERRAL_WAIT_GROUP] = ngx_http_referral_turn_leave;

    r->main->count++;

    /* a mirror's subrequest comes next, and may ask what was decided */

    if (++turn->n < NGX_HTTP_REFERRAL_GROUP && r->posted_requests == NULL) {

        if (!turn->event.posted) {
            ngx_post_event(&turn->event, &ngx_posted_events);
        }

        return NGX_DONE;
    }

    rc = ngx_http_referral_turn_go(turn, r);

    if (rc == NGX_AGAIN) {
        return NGX_DONE;
    }

    r->main->count--;

    return rc;
}


static void
ngx_http_referral_turn_leave(ngx_http_referral_ctx_t *ctx)
{
    ctx->cancel[NGX_HTTP_REFERRAL_WAIT_GROUP] = NULL;

    ngx_queue_remove(&ctx->queue);
}


static void
ngx_http_referral_turn_event_handler(ngx_event_t *ev)
{
    (void) ngx_http_referral_turn_go(ev->data, NULL);
}


/*
 * All but the one whose handler runs, which is the last, are finalized here.
 * Its result: NGX_AGAIN if it waits.
 */

static ngx_int_t
ngx_http_referral_turn_go(ngx_http_referral_turn_t *turn,
    ngx_http_request_t *own)
{
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_queue_t              *q, clicks;
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_referral_ctx_t  *ctx;

    turn->n = 0;

    if (ngx_queue_empty(&turn->clicks)) {
        return NGX_AGAIN;
    }

    /* a request that ends takes itself out of whichever queue it is in */

    ngx_queue_init(&clicks);
    ngx_queue_add(&clicks, &turn->clicks);
    ngx_queue_init(&turn->clicks);

    for (i = 0; ngx_http_referral_turn_steps[i]; i++) {

        for (q = ngx_queue_head(&clicks);
             q != ngx_queue_sentinel(&clicks);
             q = ngx_queue_next(q))
        {
            ctx = ngx_queue_data(q, ngx_http_referral_ctx_t, queue);
            ngx_http_referral_turn_steps[i](ctx);
        }
    }

    while (!ngx_queue_empty(&clicks)) {

        q = ngx_queue_head(&clicks);
        ngx_queue_remove(q);

        ctx = ngx_queue_data(q, ngx_http_referral_ctx_t, queue);
        ctx->cancel[NGX_HTTP_REFERRAL_WAIT_GROUP] = NULL;

        r = ctx->request;
        c = r->connection;

        ngx_http_set_log_request(c->log, r);

        rc = ngx_http_referral_click_go(r, ctx);

        if (r == own) {
            return rc;
        }

        if (rc != NGX_AGAIN) {
            ngx_http_finalize_request(r, rc);
            ngx_http_run_posted_requests(c);
        }
    }

    return NGX_AGAIN;
}
