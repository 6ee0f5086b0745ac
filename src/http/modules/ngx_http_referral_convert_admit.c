
/* may this request send events, or ask for one? */


#include "ngx_http_referral_convert.h"
#include "ngx_http_referral_origin.h"


static unsigned ngx_http_referral_convert_verify(ngx_http_request_t *r,
    referral_str_t *program, referral_signature_message_t *message,
    const referral_str_t *asked);


ngx_int_t
ngx_http_referral_convert_admit(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, const referral_str_t *body,
    const referral_str_t *asked, referral_str_t *id, referral_str_t *code,
    referral_str_t *detail)
{
    unsigned                           result;
    referral_signature_message_t       message;
    ngx_http_referral_convert_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_referral_convert_module);

    id->len = 0;

    if (conf->browser) {

        if (ngx_http_referral_same_origin(r, 0)) {
            return NGX_OK;
        }

        ngx_http_referral_convert_text(code, "origin");
        ngx_http_referral_convert_text(detail, "only pages of this host may "
                           "send events here, as Sec-Fetch-Site or Origin "
                           "tell");
        return NGX_HTTP_FORBIDDEN;
    }

    if (conf->auth == NGX_HTTP_REFERRAL_AUTH_LOCATION) {
        return NGX_OK;
    }

    ngx_http_referral_origin_header(r, "webhook-id", &message.id);
    ngx_http_referral_origin_header(r, "webhook-timestamp",
                                     &message.timestamp);
    ngx_http_referral_origin_header(r, "webhook-signature",
                                     &message.signature);

    if (body) {
        message.body = *body;

    } else {
        ngx_str_set(&message.body, "");
    }

    result = ngx_http_referral_convert_verify(r, &ctx->program, &message,
                                              asked);

    if (result == REFERRAL_SIGNATURE_OK) {
        *id = message.id;
        return NGX_OK;
    }

    ngx_http_referral_convert_counted(r, NGX_HTTP_REFERRAL_EVENT_UNAUTHORIZED,
                                      1);

    *code = referral_signature_code(result);
    *detail = referral_signature_detail(result);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "referral: an event is refused: %*s",
                  detail->len, detail->data);

    if (result == REFERRAL_SIGNATURE_FAILED) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    return NGX_HTTP_UNAUTHORIZED;
}


/*
 * Of a GET the signed text is "GET EVENT_ID", which is no event in any form, so
 * a signature holds for no other event and for no POST.  An empty text is
 * right too, if the id that is signed is the event's; that cannot have a dot.
 */

static unsigned
ngx_http_referral_convert_verify(ngx_http_request_t *r,
    referral_str_t *program, referral_signature_message_t *message,
    const referral_str_t *asked)
{
    u_char                                 *p;
    unsigned                                result;
    referral_str_t                          key, body;
    ngx_http_referral_convert_main_conf_t  *rcmcf;
    u_char                                  text[4 + REFERRAL_EVENT_ID_MAX];

    rcmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_convert_module);

    body = message->body;

    if (asked) {
        p = ngx_cpymem(text, "GET ", 4);
        p = ngx_cpymem(p, asked->data, asked->len);

        message->body.data = text;
        message->body.len = p - text;
    }

    result = referral_signature_verify(rcmcf->keys, program, message,
                                       ngx_time(), &key);

    message->body = body;

    if (asked
        && result == REFERRAL_SIGNATURE_MISMATCH
        && referral_str_eq(&message->id, asked))
    {
        result = referral_signature_verify(rcmcf->keys, program, message,
                                           ngx_time(), &key);
    }

    return result;
}


/* RFC 8470: what came before the handshake was done may be a replay */

ngx_uint_t
ngx_http_referral_convert_early(ngx_http_request_t *r)
{
    referral_str_t                          value;
    ngx_http_variable_value_t              *v;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    ngx_http_referral_origin_header(r, "early-data", &value);

    if (value.len) {
        return 1;
    }

    rcmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_convert_module);

    if (rcmcf->early == NGX_ERROR) {
        return 0;
    }

    v = ngx_http_get_indexed_variable(r, rcmcf->early);

    return v && !v->not_found && v->len;
}
