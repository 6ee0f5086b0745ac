
/*
 * The clicks of one turn of the event loop take each step together.  Between
 * two requests nginx and the kernel push what a step needs out of the
 * processor's first cache; in a group it stays there from the second click on.
 * While one click's prefetches are under way, the others are worked on.
 */


#include "ngx_http_referral_click.h"
#include "ngx_http_referral_lookup.h"


static void ngx_http_referral_click_group_leave(ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_click_group_event_handler(ngx_event_t *ev);
static ngx_int_t
    ngx_http_referral_click_group_finish(ngx_http_referral_click_group_t *group,
    ngx_http_request_t *own);


typedef void (*ngx_http_referral_step_pt)(ngx_http_referral_ctx_t *ctx);


static const ngx_http_referral_step_pt
    ngx_http_referral_click_group_steps[] =
{
    ngx_http_referral_click_prefetch_keys,
    ngx_http_referral_click_prefetch_values,
    ngx_http_referral_click_lookup,
    ngx_http_referral_lookup_prefetch,
    NULL
};


void
ngx_http_referral_click_group_init(ngx_http_referral_click_group_t *group,
    ngx_log_t *log)
{
    ngx_memzero(group, sizeof(ngx_http_referral_click_group_t));

    ngx_queue_init(&group->clicks);

    group->event.data = group;
    group->event.handler = ngx_http_referral_click_group_event_handler;
    group->event.log = log;
}


ngx_int_t
ngx_http_referral_click_group_handler(ngx_http_request_t *r)
{
    ngx_int_t                             rc;
    ngx_http_referral_ctx_t              *ctx;
    ngx_http_referral_click_group_t      *group;
    ngx_http_referral_click_main_conf_t  *cmcf;

    rc = ngx_http_referral_click_admit(r, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_click_module);

    group = &cmcf->group;

    ngx_queue_insert_tail(&group->clicks, &ctx->queue);
    ctx->cancel[NGX_HTTP_REFERRAL_WAIT_ANSWER] =
                                          ngx_http_referral_click_group_leave;

    r->main->count++;

    /*
     * subrequests that are posted, such as a mirror's, may read the decision
     */

    if (++group->n < NGX_HTTP_REFERRAL_GROUP && r->posted_requests == NULL) {

        if (!group->event.posted) {
            ngx_post_event(&group->event, &ngx_posted_events);
        }

        return NGX_DONE;
    }

    rc = ngx_http_referral_click_group_finish(group, r);

    if (rc == NGX_AGAIN) {
        return NGX_DONE;
    }

    r->main->count--;

    return rc;
}


static void
ngx_http_referral_click_group_leave(ngx_http_referral_ctx_t *ctx)
{
    ctx->cancel[NGX_HTTP_REFERRAL_WAIT_ANSWER] = NULL;

    ngx_queue_remove(&ctx->queue);
}


static void
ngx_http_referral_click_group_event_handler(ngx_event_t *ev)
{
    (void) ngx_http_referral_click_group_finish(ev->data, NULL);
}


/*
 * Finalizes all clicks but "own", the last one, whose handler is running.
 * Returns the answer to that, or NGX_AGAIN if it waits.
 */

static ngx_int_t
ngx_http_referral_click_group_finish(ngx_http_referral_click_group_t *group,
    ngx_http_request_t *own)
{
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_queue_t              *q, clicks;
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_referral_ctx_t  *ctx;

    group->n = 0;

    if (ngx_queue_empty(&group->clicks)) {
        return NGX_AGAIN;
    }

    /* a request that ends removes itself from either queue */

    ngx_queue_init(&clicks);
    ngx_queue_add(&clicks, &group->clicks);
    ngx_queue_init(&group->clicks);

    for (i = 0; ngx_http_referral_click_group_steps[i]; i++) {

        for (q = ngx_queue_head(&clicks);
             q != ngx_queue_sentinel(&clicks);
             q = ngx_queue_next(q))
        {
            ctx = ngx_queue_data(q, ngx_http_referral_ctx_t, queue);
            ngx_http_referral_click_group_steps[i](ctx);
        }
    }

    while (!ngx_queue_empty(&clicks)) {

        q = ngx_queue_head(&clicks);
        ngx_queue_remove(q);

        ctx = ngx_queue_data(q, ngx_http_referral_ctx_t, queue);
        ctx->cancel[NGX_HTTP_REFERRAL_WAIT_ANSWER] = NULL;

        r = ctx->request;
        c = r->connection;

        ngx_http_set_log_request(c->log, r);

        rc = ngx_http_referral_click_finish(r, ctx);

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
