
/*
 * The variables: values of a click, of the visitor's cookie, or of the
 * request.
 */


#include "ngx_http_referral_request.h"


typedef enum {
    NGX_HTTP_REFERRAL_VAR_PROGRAM = 0,
    NGX_HTTP_REFERRAL_VAR_CODE,
    NGX_HTTP_REFERRAL_VAR_CLICK_ID,
    NGX_HTTP_REFERRAL_VAR_VISITOR,
    NGX_HTTP_REFERRAL_VAR_CHANNEL,
    NGX_HTTP_REFERRAL_VAR_VARIANT,
    NGX_HTTP_REFERRAL_VAR_REFERRER,
    NGX_HTTP_REFERRAL_VAR_NAME,
    NGX_HTTP_REFERRAL_VAR_SEGMENT,
    NGX_HTTP_REFERRAL_VAR_OFFER,
    NGX_HTTP_REFERRAL_VAR_COUNTRY,
    NGX_HTTP_REFERRAL_VAR_REGION,
    NGX_HTTP_REFERRAL_VAR_CITY,
    NGX_HTTP_REFERRAL_VAR_ASN,
    NGX_HTTP_REFERRAL_VAR_LANG,
    NGX_HTTP_REFERRAL_VAR_DEVICE,
    NGX_HTTP_REFERRAL_VAR_OS,
    NGX_HTTP_REFERRAL_VAR_APP,
    NGX_HTTP_REFERRAL_VAR_CLASS,
    NGX_HTTP_REFERRAL_VAR_RESULT,
    NGX_HTTP_REFERRAL_VAR_LANDING
} ngx_http_referral_variable_e;


static ngx_int_t ngx_http_referral_variables_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_referral_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_referral_variable_click(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uintptr_t data, referral_str_t *value);
static void ngx_http_referral_variable_cookie(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uintptr_t data, referral_str_t *value);
static void ngx_http_referral_variable_link(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uintptr_t data, referral_str_t *value);
static void ngx_http_referral_variable_offer(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, referral_str_t *value);
static void ngx_http_referral_variable_request(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uintptr_t data, referral_str_t *value);


static ngx_http_variable_t  ngx_http_referral_variables[] = {

    { ngx_string("referral_program"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_PROGRAM, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_code"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_CODE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_click_id"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_CLICK_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_visitor"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_VISITOR, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_channel"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_CHANNEL, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_variant"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_VARIANT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_referrer"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_REFERRER, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_name"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_NAME, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_segment"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_SEGMENT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_offer"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_OFFER, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_country"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_COUNTRY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_region"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_REGION, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_city"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_CITY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_asn"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_ASN, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_lang"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_LANG, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_device"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_DEVICE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_os"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_OS, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_app"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_APP, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_class"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_CLASS, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_result"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_RESULT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_landing"), NULL, ngx_http_referral_variable,
      NGX_HTTP_REFERRAL_VAR_LANDING, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_http_module_t  ngx_http_referral_variables_module_ctx = {
    ngx_http_referral_variables_preconfiguration,  /* preconfiguration */
    NULL,                                          /* postconfiguration */

    NULL,                                          /* create main conf */
    NULL,                                          /* init main conf */

    NULL,                                          /* create server conf */
    NULL,                                          /* merge server conf */

    NULL,                                          /* create location conf */
    NULL                                           /* merge location conf */
};


ngx_module_t  ngx_http_referral_variables_module = {
    NGX_MODULE_V1,
    &ngx_http_referral_variables_module_ctx,  /* module context */
    NULL,                                     /* module directives */
    NGX_HTTP_MODULE,                          /* module type */
    NULL,                                     /* init master */
    NULL,                                     /* init module */
    NULL,                                     /* init process */
    NULL,                                     /* init thread */
    NULL,                                     /* exit thread */
    NULL,                                     /* exit process */
    NULL,                                     /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_referral_variables_preconfiguration(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_referral_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_uint_t                     click;
    referral_str_t                 value;
    ngx_http_referral_ctx_t       *ctx;
    ngx_http_referral_loc_conf_t  *rlcf;

    value.len = 0;
    value.data = NULL;

    ctx = ngx_http_referral_make_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    r = r->main;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    click = ctx->short_link || rlcf->link.set;

    switch (data) {

    case NGX_HTTP_REFERRAL_VAR_PROGRAM:

        if (ngx_http_referral_find_program(r, ctx) == NGX_OK) {
            value = ctx->program;
        }

        break;

    case NGX_HTTP_REFERRAL_VAR_CODE:
    case NGX_HTTP_REFERRAL_VAR_CLICK_ID:
    case NGX_HTTP_REFERRAL_VAR_VISITOR:

        if (click) {
            ngx_http_referral_variable_click(r, ctx, data, &value);

        } else {
            ngx_http_referral_variable_cookie(r, ctx, data, &value);
        }

        break;

    case NGX_HTTP_REFERRAL_VAR_CHANNEL:
    case NGX_HTTP_REFERRAL_VAR_VARIANT:
    case NGX_HTTP_REFERRAL_VAR_RESULT:
    case NGX_HTTP_REFERRAL_VAR_LANDING:

        if (click) {
            ngx_http_referral_variable_click(r, ctx, data, &value);
        }

        break;

    case NGX_HTTP_REFERRAL_VAR_REFERRER:
    case NGX_HTTP_REFERRAL_VAR_NAME:
    case NGX_HTTP_REFERRAL_VAR_SEGMENT:

        if (click) {
            ngx_http_referral_variable_click(r, ctx, data, &value);

        } else if (ctx->resolved) {
            ngx_http_referral_variable_link(r, ctx, data, &value);
        }

        break;

    case NGX_HTTP_REFERRAL_VAR_OFFER:

        if (!click && ctx->resolved) {
            ngx_http_referral_variable_offer(r, ctx, &value);
        }

        break;

    default:
        ngx_http_referral_variable_request(r, ctx, data, &value);
    }

    v->len = value.len;
    v->data = value.len ? value.data : (u_char *) "";
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}


/* values of a click, on the short link and on its fallback page */

static void
ngx_http_referral_variable_click(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uintptr_t data, referral_str_t *value)
{
    switch (data) {

    case NGX_HTTP_REFERRAL_VAR_CODE:

        if (ctx->short_link
            || ngx_http_referral_find_code(r, ctx) == NGX_OK)
        {
            *value = ctx->code;
        }

        return;

    case NGX_HTTP_REFERRAL_VAR_CLICK_ID:

        if (ctx->has_click_id) {
            value->len = REFERRAL_CLICK_ID_LEN;
            value->data = ctx->click_id_text;
        }

        return;

    case NGX_HTTP_REFERRAL_VAR_VISITOR:

        if (ctx->has_visitor) {
            referral_visitor_text(ctx->visitor_text, ctx->visitor);
            value->len = REFERRAL_VISITOR_LEN;
            value->data = ctx->visitor_text;

        } else if (!ctx->short_link) {
            ngx_http_referral_variable_cookie(r, ctx, data, value);
        }

        return;
    }

    if (!ctx->decided) {
        return;
    }

    switch (data) {

    case NGX_HTTP_REFERRAL_VAR_CHANNEL:
        *value = ctx->decision.channel;
        return;

    case NGX_HTTP_REFERRAL_VAR_VARIANT:
        *value = ctx->decision.variant;
        return;

    case NGX_HTTP_REFERRAL_VAR_REFERRER:
        *value = ctx->decision.referrer;
        return;

    case NGX_HTTP_REFERRAL_VAR_NAME:
        *value = ctx->decision.name;
        return;

    case NGX_HTTP_REFERRAL_VAR_SEGMENT:
        *value = ctx->decision.segment;
        return;

    case NGX_HTTP_REFERRAL_VAR_RESULT:
        *value = referral_result_name(ctx->decision.result);
        return;

    default: /* NGX_HTTP_REFERRAL_VAR_LANDING */
        value->len = ctx->location.len;
        value->data = ctx->location.data;
    }
}


/* values of the verified cookie on other pages, all of the same touch */

static void
ngx_http_referral_variable_cookie(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uintptr_t data, referral_str_t *value)
{
    referral_touch_t  *touch;

    if (ngx_http_referral_find_program(r, ctx) != NGX_OK) {
        return;
    }

    ngx_http_referral_find_cookie(r, ctx, REFERRAL_WINDOW_MAX);

    touch = ngx_http_referral_touch(r, ctx);
    if (touch == NULL) {
        return;
    }

    switch (data) {

    case NGX_HTTP_REFERRAL_VAR_CODE:
        value->len = touch->code_len;
        value->data = touch->code;
        return;

    case NGX_HTTP_REFERRAL_VAR_CLICK_ID:
        referral_click_id_text(ctx->click_id_text, touch->click_id);
        value->len = REFERRAL_CLICK_ID_LEN;
        value->data = ctx->click_id_text;
        return;

    default: /* NGX_HTTP_REFERRAL_VAR_VISITOR */
        referral_visitor_text(ctx->visitor_text, ctx->cookie.visitor);
        value->len = REFERRAL_VISITOR_LEN;
        value->data = ctx->visitor_text;
    }
}


static void
ngx_http_referral_variable_link(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uintptr_t data, referral_str_t *value)
{
    ngx_uint_t               field;
    referral_touch_t        *touch;
    const referral_entry_t  *link, *referrer;

    link = ctx->wait[NGX_HTTP_REFERRAL_LINK].entry;
    referrer = ctx->wait[NGX_HTTP_REFERRAL_REFERRER].entry;

    /* after an internal redirect the consent may be another */

    ngx_http_referral_find_cookie(r, ctx, REFERRAL_WINDOW_MAX);

    touch = ngx_http_referral_touch(r, ctx);

    if (touch == NULL || link == NULL || link->state == REFERRAL_STATE_ABSENT)
    {
        return;
    }

    switch (data) {

    case NGX_HTTP_REFERRAL_VAR_REFERRER:

        if (referral_entry_has(link, REFERRAL_FIELD_REFERRER)) {
            *value = referral_entry_field(link, REFERRAL_FIELD_REFERRER);
            return;
        }

        value->len = touch->code_len;
        value->data = touch->code;
        return;

    case NGX_HTTP_REFERRAL_VAR_NAME:
        field = REFERRAL_FIELD_NAME;
        break;

    default: /* NGX_HTTP_REFERRAL_VAR_SEGMENT */
        field = REFERRAL_FIELD_SEGMENT;
    }

    if (referral_entry_has(link, field)) {
        *value = referral_entry_field(link, field);

    } else if (referrer && referral_entry_has(referrer, field)) {
        *value = referral_entry_field(referrer, field);
    }
}


/*
 * What the program offers who came by a link that there is.  A program that is
 * paused gives nothing, so it promises nothing.
 */

static void
ngx_http_referral_variable_offer(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, referral_str_t *value)
{
    referral_str_t           languages;
    const referral_entry_t  *link, *program;

    link = ctx->wait[NGX_HTTP_REFERRAL_LINK].entry;
    program = ctx->wait[NGX_HTTP_REFERRAL_PROGRAM].entry;

    if (program == NULL
        || program->state != REFERRAL_STATE_ACTIVE
        || !referral_entry_has(program, REFERRAL_FIELD_OFFERS)
        || link == NULL
        || link->state == REFERRAL_STATE_ABSENT)
    {
        return;
    }

    /* after an internal redirect the consent may be another */

    ngx_http_referral_find_cookie(r, ctx, REFERRAL_WINDOW_MAX);

    if (ngx_http_referral_touch(r, ctx) == NULL) {
        return;
    }

    languages = referral_decide_languages(program);
    ngx_http_referral_find_lang(r, ctx, &languages);

    *value = referral_entry_offer(program, &ctx->lang);
}


static void
ngx_http_referral_variable_request(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uintptr_t data, referral_str_t *value)
{
    referral_str_t  languages;

    switch (data) {

    case NGX_HTTP_REFERRAL_VAR_COUNTRY:
        ngx_http_referral_find_geo(r, ctx);
        value->len = ctx->geo.country_len;
        value->data = ctx->geo.country;
        return;

    case NGX_HTTP_REFERRAL_VAR_REGION:
        ngx_http_referral_find_geo(r, ctx);
        value->len = ctx->geo.region_len;
        value->data = ctx->geo.region;
        return;

    case NGX_HTTP_REFERRAL_VAR_CITY:
        ngx_http_referral_find_geo(r, ctx);
        value->len = ctx->geo.city_len;
        value->data = ctx->geo.city;
        return;

    case NGX_HTTP_REFERRAL_VAR_ASN:
        ngx_http_referral_find_geo(r, ctx);
        *value = ctx->asn;
        return;

    case NGX_HTTP_REFERRAL_VAR_LANG:
        languages = referral_decide_languages(
                                  ctx->wait[NGX_HTTP_REFERRAL_PROGRAM].entry);
        ngx_http_referral_find_lang(r, ctx, &languages);
        *value = ctx->lang;
        return;

    case NGX_HTTP_REFERRAL_VAR_CLASS:
        ngx_http_referral_find_class(r, ctx);
        *value = referral_class_name(ctx->class);
        return;
    }

    ngx_http_referral_find_agent(r, ctx);

    switch (data) {

    case NGX_HTTP_REFERRAL_VAR_DEVICE:
        *value = ctx->agent.device.device;
        return;

    case NGX_HTTP_REFERRAL_VAR_OS:
        *value = ctx->agent.device.os;
        return;

    default: /* NGX_HTTP_REFERRAL_VAR_APP */
        *value = ctx->agent.device.app;
    }
}
