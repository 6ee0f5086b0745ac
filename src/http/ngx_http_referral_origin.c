
#include "ngx_http_referral_origin.h"


void
ngx_http_referral_origin_header(ngx_http_request_t *r, const char *name,
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


/*
 * Browsers that do not tell Sec-Fetch-Site tell the Origin of a POST.  What
 * tells neither is none.
 */

ngx_uint_t
ngx_http_referral_same_origin(ngx_http_request_t *r, ngx_uint_t site)
{
    ngx_str_t       host;
    referral_str_t  value;

    ngx_http_referral_origin_header(r, "sec-fetch-site", &value);

    if (value.len) {
        return referral_str_is_nocase(&value, "same-origin")
               || (site && referral_str_is_nocase(&value, "same-site"));
    }

    ngx_http_referral_origin_header(r, "origin", &value);

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
