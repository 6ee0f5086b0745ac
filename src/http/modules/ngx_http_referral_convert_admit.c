
/* may this request send events, or ask for one? */


#include "ngx_http_referral_convert.h"


static void ngx_http_referral_convert_header(ngx_http_request_t *r,
    const char *name, referral_str_t *value);
static ngx_uint_t ngx_http_referral_convert_same_origin(
    ngx_http_request_t *r);


ngx_int_t
ngx_http_referral_convert_admit(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, const referral_str_t *body,
    referral_str_t *id, referral_str_t *code, referral_str_t *detail)
{
    unsigned                                result;
    referral_str_t                          key;
    referral_signature_message_t            message;
    ngx_http_referral_convert_conf_t       *conf;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_referral_convert_module);
    rcmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_convert_module);

    id->len = 0;

    if (conf->browser) {

        if (ngx_http_referral_convert_same_origin(r)) {
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

    ngx_http_referral_convert_header(r, "webhook-id", &message.id);
    ngx_http_referral_convert_header(r, "webhook-timestamp",
                                     &message.timestamp);
    ngx_http_referral_convert_header(r, "webhook-signature",
                                     &message.signature);
    message.body = *body;

    result = referral_signature_verify(rcmcf->keys, &ctx->program, &message,
                                       ngx_time(), &key);

    if (result == REFERRAL_SIGNATURE_OK) {
        *id = message.id;
        return NGX_OK;
    }

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


static void
ngx_http_referral_convert_header(ngx_http_request_t *r, const char *name,
    referral_str_t *value)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ngx_str_null((ngx_str_t *) value);

    len = ngx_strlen(name);

    part = &r->headers_in.headers.part;
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

        if (h[i].key.len == len
            && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
        {
            value->len = h[i].value.len;
            value->data = h[i].value.data;
            return;
        }
    }
}


/* RFC 8470: what came before the handshake was done may be a replay */

ngx_uint_t
ngx_http_referral_convert_early(ngx_http_request_t *r)
{
    referral_str_t                          value;
    ngx_http_variable_value_t              *v;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    ngx_http_referral_convert_header(r, "early-data", &value);

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


/*
 * Browsers that do not tell Sec-Fetch-Site tell the Origin of a POST.  What
 * tells neither is none.
 */

static ngx_uint_t
ngx_http_referral_convert_same_origin(ngx_http_request_t *r)
{
    referral_str_t  value;
    ngx_str_t       host;

    ngx_http_referral_convert_header(r, "sec-fetch-site", &value);

    if (value.len) {
        return referral_str_is_nocase(&value, "same-origin");
    }

    ngx_http_referral_convert_header(r, "origin", &value);

    if (r->headers_in.host == NULL) {
        return 0;
    }

    host = r->headers_in.host->value;

    if (value.len > 8
        && ngx_strncasecmp(value.data, (u_char *) "https://", 8) == 0)
    {
        value.data += 8;
        value.len -= 8;

    } else if (value.len > 7
               && ngx_strncasecmp(value.data, (u_char *) "http://", 7) == 0)
    {
        value.data += 7;
        value.len -= 7;

    } else {
        return 0;
    }

    return value.len == host.len
           && ngx_strncasecmp(value.data, host.data, host.len) == 0;
}
