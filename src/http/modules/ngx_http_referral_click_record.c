
/*
 * The record of a click: what is counted of it, and the visitor's ids.
 */


#include "ngx_http_referral_click.h"
#include "ngx_http_referral_request.h"
#include "ngx_http_referral_salts.h"


/*
 * clicks of one address in a minute whose ids get an entry of their own:
 * enough for the phones behind a carrier's NAT, but a client that makes up
 * browsers does not fill Redis
 */
#define NGX_HTTP_REFERRAL_LISTED     600


static void ngx_http_referral_click_texts(ngx_http_referral_ctx_t *ctx,
    referral_record_t *record);
static void ngx_http_referral_click_touches(ngx_http_referral_ctx_t *ctx,
    referral_record_t *record);
static void ngx_http_referral_click_person(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, referral_record_t *record);
static ngx_uint_t ngx_http_referral_click_listed(
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_main_conf_t *rmcf);


ssize_t
ngx_http_referral_click_record(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, u_char *data, size_t size)
{
    referral_record_t     record;
    referral_decision_t  *decision;

    decision = &ctx->decision;

    ngx_memzero(&record, sizeof(referral_record_t));

    record.at = ctx->now;
    record.life = decision->window + decision->late;
    record.offset = decision->offset;
    record.class = ctx->class;
    record.result = decision->result;

    if (decision->landed) {
        record.flags |= REFERRAL_RECORD_LANDED;
    }

    if (ctx->has_consent && !ctx->consent) {
        record.flags |= REFERRAL_RECORD_NO_CONSENT;
    }

    ngx_http_referral_find_source(r, ctx);

    ngx_http_referral_click_texts(ctx, &record);
    ngx_http_referral_click_touches(ctx, &record);

    if (ctx->class == REFERRAL_CLASS_HUMAN && decision->landed) {
        ngx_http_referral_click_person(r, ctx, &record);
    }

    return referral_record_encode(data, size, &record);
}


static void
ngx_http_referral_click_texts(ngx_http_referral_ctx_t *ctx,
    referral_record_t *record)
{
    referral_str_t       *text, *value;
    referral_decision_t  *decision;

    text = record->text;
    value = ctx->values.value;
    decision = &ctx->decision;

    text[REFERRAL_TEXT_PROGRAM] = ctx->program;
    text[REFERRAL_TEXT_CODE] = ctx->code;
    text[REFERRAL_TEXT_FIRST_CODE] = ctx->code;
    text[REFERRAL_TEXT_REFERRER] = decision->referrer;
    text[REFERRAL_TEXT_COUNTRY] = value[REFERRAL_VALUE_COUNTRY];
    text[REFERRAL_TEXT_REGION] = value[REFERRAL_VALUE_REGION];
    text[REFERRAL_TEXT_CITY] = value[REFERRAL_VALUE_CITY];
    text[REFERRAL_TEXT_LANG] = referral_lang_key(ctx->lang_key, &ctx->lang);
    text[REFERRAL_TEXT_DEVICE] = ctx->agent.device.device;
    text[REFERRAL_TEXT_OS] = ctx->agent.device.os;
    text[REFERRAL_TEXT_APP] = ctx->agent.device.app;
    text[REFERRAL_TEXT_SOURCE] = ctx->source;
    text[REFERRAL_TEXT_CHANNEL] = decision->channel;
    text[REFERRAL_TEXT_SEGMENT] = decision->segment;
    text[REFERRAL_TEXT_VARIANT] = decision->variant;
    text[REFERRAL_TEXT_LANDING_HOST] = ctx->landing_host;
}


/* sets the ids of click, visitor and first click, and what is new about it */

static void
ngx_http_referral_click_touches(ngx_http_referral_ctx_t *ctx,
    referral_record_t *record)
{
    referral_touch_t  *first, *last;

    if (ctx->has_click_id) {
        record->flags |= REFERRAL_RECORD_CLICK_ID;
        ngx_memcpy(record->click_id, ctx->click_id, REFERRAL_CLICK_ID_SIZE);
        ngx_memcpy(record->first_click_id, ctx->click_id,
                   REFERRAL_CLICK_ID_SIZE);
    }

    /* without an id of the visitor nothing can be counted as new */

    if (!ctx->has_visitor) {
        return;
    }

    record->flags |= REFERRAL_RECORD_VISITOR;
    ngx_memcpy(record->visitor, ctx->visitor, REFERRAL_VISITOR_SIZE);

    if (ctx->old_cookie != REFERRAL_COOKIE_OK || ctx->untouched) {
        record->flags |= REFERRAL_RECORD_NEW_PROGRAM|REFERRAL_RECORD_NEW_LINK
                         |REFERRAL_RECORD_NEW_DAY;
        return;
    }

    first = &ctx->cookie.first;
    last = &ctx->cookie.last;

    /* an open first touch counts only if it is of the same link as this one */

    if (!ctx->cookie.first_open
        || ngx_http_referral_click_touched(ctx, first))
    {
        ngx_memcpy(record->first_click_id, first->click_id,
                   REFERRAL_CLICK_ID_SIZE);
        record->text[REFERRAL_TEXT_FIRST_CODE].len = first->code_len;
        record->text[REFERRAL_TEXT_FIRST_CODE].data = first->code;
    }

    if (!ngx_http_referral_click_touched(ctx, first)
        && !ngx_http_referral_click_touched(ctx, last))
    {
        record->flags |= REFERRAL_RECORD_NEW_LINK;
    }

    /* "<", so that a clock that was set back begins no new day */

    if (referral_decide_day(&ctx->decision,
                            referral_click_id_time(last->click_id))
        < referral_decide_day(&ctx->decision, ctx->now))
    {
        record->flags |= REFERRAL_RECORD_NEW_DAY;
    }
}


/* sets what is recorded only of a human who is sent to a landing */

static void
ngx_http_referral_click_person(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, referral_record_t *record)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    if (ctx->has_click_id) {

        /*
         * the cookie is set with the same ids as the record has, or not at all
         */

        ctx->set_cookie = ctx->has_visitor;

        if (ngx_http_referral_click_listed(ctx, rmcf)) {
            record->flags |= REFERRAL_RECORD_TOUCHED;
        }
    }

    if (!ctx->has_visitor) {
        return;
    }

    if (ngx_http_referral_salt_address(r, ctx, &record->address) == NGX_OK) {
        record->flags |= REFERRAL_RECORD_ADDRESS;

    } else {
        ngx_http_referral_count(rmcf, NGX_HTTP_REFERRAL_NO_ADDRESS);
    }
}


/* 1: the click's id gets an entry of its own in Redis */

static ngx_uint_t
ngx_http_referral_click_listed(ngx_http_referral_ctx_t *ctx,
    ngx_http_referral_main_conf_t *rmcf)
{
    ngx_http_referral_zone_t  *zone;

    static ngx_msec_t          said;

    zone = ngx_http_referral_zone(rmcf);

    if (referral_limit_take(&zone->bound, ctx->address_hash,
                            ngx_http_referral_msec() / 60000,
                            NGX_HTTP_REFERRAL_LISTED))
    {
        return 1;
    }

    ngx_http_referral_count(rmcf, NGX_HTTP_REFERRAL_UNLISTED);

    if (said == 0 || ngx_current_msec - said >= 60000) {
        said = ngx_current_msec;

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "referral: more than %d clicks of one address in a "
                      "minute: they are counted, but the ids of the rest "
                      "cannot be looked up; if it is a balancer, "
                      "\"set_real_ip_from\" is right",
                      NGX_HTTP_REFERRAL_LISTED);
    }

    return 0;
}
