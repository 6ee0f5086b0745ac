
#include "ngx_http_referral_answer.h"
#include "ngx_http_referral_convert.h"


static ngx_int_t ngx_http_referral_convert_field(ngx_http_request_t *r,
    const char *name, const char *value);
static void ngx_http_referral_convert_count(ngx_http_referral_convert_t *c);
static ngx_uint_t ngx_http_referral_convert_replayed(
    ngx_http_referral_convert_t *c);


ngx_int_t
ngx_http_referral_convert_answer(ngx_http_referral_convert_t *c)
{
    size_t               size;
    ngx_uint_t           i, status;
    referral_buf_t       b;
    referral_str_t       code, detail;
    ngx_http_request_t  *r;

    r = c->request;

    if (c->lost) {
        ngx_http_referral_convert_counted(r,
                                       NGX_HTTP_REFERRAL_EVENT_UNAVAILABLE,
                                       c->intake.n);

        /* all of them come again, and those that were kept are known then */

        ngx_http_referral_convert_text(&code, "unavailable");
        ngx_http_referral_convert_text(&detail, "the event could not be kept "
                                       "now: send it again, as it is");

        return ngx_http_referral_convert_problem(r, 503, &code, &detail);
    }

    size = referral_problem_intake_max(&c->intake);

    if (size < REFERRAL_PROBLEM_RESULT_MAX) {
        size = REFERRAL_PROBLEM_RESULT_MAX;
    }

    b.start = ngx_pnalloc(r->pool, size);
    if (b.start == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    referral_buf_init(&b, b.start, size);

    for (i = 0; c->outcome && i < c->intake.n; i++) {
        c->outcome[i].unsettled = (c->wait && !c->settled);
    }

    if (c->outcome == NULL) {
        status = referral_problem_intake(&b, &c->intake);

    } else if (c->intake.batch) {
        referral_problem_results(&b, &c->intake, c->outcome);
        status = NGX_HTTP_OK;

        for (i = 0; i < c->intake.n; i++) {
            if (c->intake.item[i].errors == NULL
                && (c->outcome[i].outcome == REFERRAL_PROBLEM_ACCEPTED
                    || c->outcome[i].unsettled))
            {
                status = NGX_HTTP_ACCEPTED;
            }
        }

    } else {
        status = referral_problem_result(&b, &c->intake.item[0].event,
                                         c->outcome);
    }

    ngx_http_referral_convert_count(c);

    if (ngx_http_referral_convert_replayed(c)
        && ngx_http_referral_convert_field(r, "Idempotent-Replayed", "true")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_referral_convert_send(r, status, &b);
}


static void
ngx_http_referral_convert_count(ngx_http_referral_convert_t *c)
{
    ngx_uint_t  i, answer;

    static const ngx_uint_t  answers[] = {
        NGX_HTTP_REFERRAL_EVENT_ACCEPTED,
        NGX_HTTP_REFERRAL_EVENT_RECORDED,
        NGX_HTTP_REFERRAL_EVENT_REPLAYED,
        NGX_HTTP_REFERRAL_EVENT_REUSED,
        NGX_HTTP_REFERRAL_EVENT_UNAVAILABLE
    };

    if (c->outcome == NULL) {
        ngx_http_referral_convert_counted(c->request,
                                          NGX_HTTP_REFERRAL_EVENT_INVALID, 1);
        return;
    }

    for (i = 0; i < c->intake.n; i++) {
        answer = c->intake.item[i].errors ? NGX_HTTP_REFERRAL_EVENT_INVALID
                                          : answers[c->outcome[i].outcome];

        ngx_http_referral_convert_counted(c->request, answer, 1);
    }
}


void
ngx_http_referral_convert_counted(ngx_http_request_t *r, ngx_uint_t answer,
    ngx_uint_t n)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    (void) ngx_atomic_fetch_add(
               &ngx_http_referral_zone(rmcf)->event_answers[answer],
               (ngx_atomic_int_t) n);
}


/* of several events the answer of each tells */

static ngx_uint_t
ngx_http_referral_convert_replayed(ngx_http_referral_convert_t *c)
{
    return c->outcome && !c->intake.batch
           && c->outcome[0].outcome == REFERRAL_PROBLEM_REPLAYED;
}


ngx_int_t
ngx_http_referral_convert_problem(ngx_http_request_t *r, ngx_uint_t status,
    const referral_str_t *code, const referral_str_t *detail)
{
    size_t          size;
    referral_buf_t  b;

    size = REFERRAL_PROBLEM_MAX + 6 * detail->len;

    b.start = ngx_pnalloc(r->pool, size);
    if (b.start == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    referral_buf_init(&b, b.start, size);
    referral_problem_put(&b, status, code, detail);

    return ngx_http_referral_convert_send(r, status, &b);
}


ngx_int_t
ngx_http_referral_convert_method(ngx_http_request_t *r)
{
    const char                        *allow;
    referral_str_t                     code, detail;
    ngx_http_referral_convert_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_referral_convert_module);

    ngx_http_referral_convert_text(&code, "method");

    if (conf->browser) {
        allow = "POST";
        ngx_http_referral_convert_text(&detail, "a page posts its events here");

    } else {
        allow = "GET, HEAD, POST";
        ngx_http_referral_convert_text(&detail, "POST an event, or GET what "
                                       "became of one");
    }

    if (ngx_http_referral_convert_field(r, "Allow", allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_referral_convert_problem(r, NGX_HTTP_NOT_ALLOWED, &code,
                                             &detail);
}


/*
 * The answer is sent here, not by its status: "error_page" would put a page
 * for people in the place of what a program reads.
 */

ngx_int_t
ngx_http_referral_convert_send(ngx_http_request_t *r, ngx_uint_t status,
    referral_buf_t *b)
{
    ngx_int_t     rc;
    ngx_buf_t    *buf;
    ngx_chain_t   out;

    if (b->overflow) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "referral: an answer has no room for its text");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* of a GET or a mistake: the body is not read */

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    if (status == NGX_HTTP_UNAUTHORIZED
        && ngx_http_referral_convert_field(r, "WWW-Authenticate",
                                           "StandardWebhooks")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE
        && ngx_http_referral_convert_field(r, "Retry-After", "1") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_referral_convert_field(r, "Cache-Control", "no-store")
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = b->pos - b->start;

    if (status >= NGX_HTTP_BAD_REQUEST) {
        ngx_str_set(&r->headers_out.content_type, REFERRAL_PROBLEM_TYPE);

    } else {
        ngx_str_set(&r->headers_out.content_type, "application/json");
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    buf = ngx_calloc_buf(r->pool);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    buf->pos = b->start;
    buf->last = b->pos;
    buf->memory = 1;
    buf->last_buf = 1;
    buf->last_in_chain = 1;

    out.buf = buf;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_http_referral_convert_field(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_str_t  key, text;

    key.data = (u_char *) name;
    key.len = ngx_strlen(name);
    text.data = (u_char *) value;
    text.len = ngx_strlen(value);

    return ngx_http_referral_answer_header(r, &key, &text) ? NGX_OK
                                                           : NGX_ERROR;
}
