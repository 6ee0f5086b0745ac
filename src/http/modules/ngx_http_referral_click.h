
/*
 * The short link: how its files call each other.
 */


#ifndef _NGX_HTTP_REFERRAL_CLICK_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_CLICK_H_INCLUDED_


#include "ngx_http_referral_conf.h"
#include "ngx_http_referral_recorder.h"


/* of a location */

typedef struct {
    ngx_http_referral_place_t       *place;       /* NULL: no short link */
    ngx_array_t                     *hosts;       /* "allow", or the host of
                                                     "landing" */
    ngx_http_referral_template_t    *args;
    ngx_uint_t                       status;
    ngx_flag_t                       forward_args;
    ngx_http_complex_value_t        *channel;
} ngx_http_referral_click_conf_t;


/* a short link and where it stands, to be checked when all is known */

typedef struct {
    ngx_http_referral_click_conf_t  *conf;
    ngx_http_referral_loc_conf_t    *rlcf;
    ngx_http_core_loc_conf_t        *clcf;
    ngx_http_core_srv_conf_t        *cscf;
} ngx_http_referral_short_t;


/* clicks that wait for the others of their turn of the event loop */

typedef struct {
    ngx_queue_t                      clicks;      /* of contexts */
    ngx_uint_t                       n;
    ngx_event_t                      event;
} ngx_http_referral_click_group_t;


typedef struct {
    ngx_array_t                      shorts;      /* of ..._short_t */
    ngx_http_referral_click_group_t  group;
} ngx_http_referral_click_main_conf_t;


extern ngx_module_t  ngx_http_referral_click_module;


/* clicks as they come, and their steps */

void ngx_http_referral_click_group_init(ngx_http_referral_click_group_t *group,
    ngx_log_t *log);
ngx_int_t ngx_http_referral_click_group_handler(ngx_http_request_t *r);

/*
 * What cannot work: errors of one short link when it is merged, which sets
 * "hosts", and warnings when all is known; of the "n"th beside those before it.
 */

char *ngx_http_referral_click_check_hosts(ngx_conf_t *cf,
    ngx_http_referral_click_conf_t *conf, ngx_http_referral_loc_conf_t *rlcf);
void ngx_http_referral_click_check(ngx_conf_t *cf, ngx_array_t *shorts);
void ngx_http_referral_click_check_cookie(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
void ngx_http_referral_click_check_shared(ngx_conf_t *cf,
    ngx_http_referral_short_t *s, ngx_uint_t n);
ngx_uint_t ngx_http_referral_click_has_name(ngx_http_core_srv_conf_t *cscf,
    ngx_str_t *name);

/*
 * The short link, in the order of its steps.  admit: NGX_OK, or how to
 * answer; finish: NGX_AGAIN, it finalizes itself later, or how to answer.
 */

ngx_int_t ngx_http_referral_click_admit(ngx_http_request_t *r,
    ngx_http_referral_ctx_t **click);
void ngx_http_referral_click_prefetch_keys(ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_click_prefetch_values(ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_click_lookup(ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_click_finish(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/* the record of a click into "data": its length, or REFERRAL_ERROR */
ssize_t ngx_http_referral_click_record(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, u_char *data, size_t size);

/*
 * The answer: its header is made first, and sent when the click is safe.
 * prepare: NGX_ERROR without memory; where the fallback is a location there is
 * none.  send: for ngx_http_finalize_request(), never NGX_AGAIN.
 */

ngx_int_t ngx_http_referral_click_answer_prepare(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_click_answer_send(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);


/* Redis was not there to say whether the link exists */

static ngx_inline ngx_uint_t
ngx_http_referral_click_unknown(ngx_http_referral_ctx_t *ctx)
{
    return ctx->decision.result == REFERRAL_RESULT_UNRESOLVED
           && ctx->click.link == NULL;
}


/* was this touch of the cookie a click on the same link? */

static ngx_inline ngx_uint_t
ngx_http_referral_click_touched(ngx_http_referral_ctx_t *ctx,
    referral_touch_t *touch)
{
    return touch->code_len == ctx->code.len
           && ngx_memcmp(touch->code, ctx->code.data, ctx->code.len) == 0;
}


#endif /* _NGX_HTTP_REFERRAL_CLICK_H_INCLUDED_ */
