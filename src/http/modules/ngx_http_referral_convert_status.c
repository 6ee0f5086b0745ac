
#include "ngx_http_referral_convert.h"
#include "referral_keys.h"


/* one GET */

typedef struct {
    ngx_http_request_t       *request;
    ngx_http_referral_ctx_t  *ctx;
    ngx_http_referral_ask_t  *ask;
    ngx_event_t               timer;
    referral_str_t            id;
    int64_t                   position;
} ngx_http_referral_convert_status_t;


static ngx_int_t ngx_http_referral_convert_status_id(ngx_http_request_t *r,
    referral_str_t *id);
static void ngx_http_referral_convert_status_cleanup(void *data);
static void ngx_http_referral_convert_status_timeout(ngx_event_t *ev);
static ngx_int_t ngx_http_referral_convert_status_find(
    ngx_http_referral_convert_status_t *s);
static void ngx_http_referral_convert_status_found(void *data, ngx_int_t rc,
    referral_str_t *value, ngx_uint_t n);
static ngx_int_t ngx_http_referral_convert_status_fact(
    ngx_http_referral_convert_status_t *s);
static void ngx_http_referral_convert_status_told(void *data, ngx_int_t rc,
    referral_str_t *value, ngx_uint_t n);
static ngx_int_t ngx_http_referral_convert_status_ask(
    ngx_http_referral_convert_status_t *s, ngx_http_referral_ask_pt handler,
    ngx_uint_t argc, referral_str_t *argv);
static ngx_int_t ngx_http_referral_convert_status_show(
    ngx_http_referral_convert_status_t *s, referral_str_t *value,
    ngx_uint_t n);
static ngx_int_t ngx_http_referral_convert_status_absent(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_referral_convert_status_away(ngx_http_request_t *r);
static void ngx_http_referral_convert_status_finish(
    ngx_http_referral_convert_status_t *s, ngx_int_t rc);


ngx_int_t
ngx_http_referral_convert_status(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_int_t                            rc;
    referral_str_t                       id, said, code, detail;
    ngx_pool_cleanup_t                  *cln;
    ngx_http_referral_main_conf_t       *rmcf;
    ngx_http_referral_convert_conf_t    *conf;
    ngx_http_referral_convert_status_t  *s;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_referral_convert_module);

    /* what became of an event is the shop's to know */

    if (conf->browser) {
        return ngx_http_referral_convert_method(r);
    }

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    if (ngx_http_referral_convert_status_id(r, &id) != NGX_OK) {
        return ngx_http_referral_convert_status_absent(r);
    }

    rc = ngx_http_referral_convert_admit(r, ctx, NULL, &id, &said, &code,
                                         &detail);

    if (rc != NGX_OK) {
        return ngx_http_referral_convert_problem(r, rc, &code, &detail);
    }

    cln = ngx_pool_cleanup_add(r->pool,
                               sizeof(ngx_http_referral_convert_status_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    s = cln->data;
    ngx_memzero(s, sizeof(ngx_http_referral_convert_status_t));

    cln->handler = ngx_http_referral_convert_status_cleanup;

    s->request = r;
    s->ctx = ctx;
    s->id = id;
    s->timer.data = s;
    s->timer.handler = ngx_http_referral_convert_status_timeout;
    s->timer.log = r->connection->log;

    if (ngx_http_referral_convert_status_find(s) != NGX_OK) {
        return ngx_http_referral_convert_status_away(r);
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    ngx_add_timer(&s->timer, rmcf->redis.timeout);

    r->main->count++;

    return NGX_DONE;
}


/* what follows the location's name, or the argument "event_id" */

static ngx_int_t
ngx_http_referral_convert_status_id(ngx_http_request_t *r, referral_str_t *id)
{
    u_char                    *p, *dst, *src;
    ngx_str_t                  arg;
    ngx_http_core_loc_conf_t  *clcf;

    if (ngx_http_arg(r, (u_char *) "event_id", 8, &arg) == NGX_OK) {
        p = ngx_pnalloc(r->pool, arg.len + 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        dst = p;
        src = arg.data;

        ngx_unescape_uri(&dst, &src, arg.len, 0);

        id->data = p;
        id->len = dst - p;

    } else {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        id->data = r->uri.data;
        id->len = r->uri.len;

        if (clcf->name.len <= id->len
            && ngx_strncmp(id->data, clcf->name.data, clcf->name.len) == 0)
        {
            id->data += clcf->name.len;
            id->len -= clcf->name.len;

        } else {

            while (id->len && ngx_strlchr(id->data, id->data + id->len, '/')) {
                p = ngx_strlchr(id->data, id->data + id->len, '/') + 1;
                id->len -= p - id->data;
                id->data = p;
            }
        }

        if (id->len && id->data[0] == '/') {
            id->data++;
            id->len--;
        }
    }

    return referral_event_id_valid(id) ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_referral_convert_status_cleanup(void *data)
{
    ngx_http_referral_convert_status_t *s = data;

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    if (s->ask) {
        ngx_http_referral_ask_cancel(s->ask);
        s->ask = NULL;
    }
}


static void
ngx_http_referral_convert_status_timeout(ngx_event_t *ev)
{
    ngx_connection_t                    *c;
    ngx_http_referral_convert_status_t  *s;

    s = ev->data;
    c = s->request->connection;

    ngx_http_set_log_request(c->log, s->request);

    ngx_http_referral_convert_status_finish(s,
                          ngx_http_referral_convert_status_away(s->request));

    ngx_http_run_posted_requests(c);
}


/* at which position is it? */

static ngx_int_t
ngx_http_referral_convert_status_find(ngx_http_referral_convert_status_t *s)
{
    u_char                          bucket[REFERRAL_BUCKET_LEN];
    u_char                          field[REFERRAL_FIELD_LEN];
    referral_buf_t                  b;
    referral_str_t                  argv[3];
    ngx_http_referral_main_conf_t  *rmcf;
    u_char                          key[NGX_HTTP_REFERRAL_CONVERT_KEY];

    rmcf = ngx_http_get_module_main_conf(s->request, ngx_http_referral_module);

    if (referral_digest_place(bucket, field, &s->id) != REFERRAL_OK) {
        return NGX_ERROR;
    }

    referral_buf_init(&b, key, sizeof(key));
    referral_buf_str(&b, &rmcf->redis.prefix);
    referral_key_put(&b, REFERRAL_KEY_IDS, &s->ctx->program);
    referral_buf_put(&b, bucket, REFERRAL_BUCKET_LEN);

    ngx_http_referral_convert_text(&argv[0], "HGET");
    argv[1].data = key;
    argv[1].len = b.pos - b.start;
    argv[2].data = field;
    argv[2].len = REFERRAL_FIELD_LEN;

    return ngx_http_referral_convert_status_ask(s,
                                    ngx_http_referral_convert_status_found,
                                    3, argv);
}


static void
ngx_http_referral_convert_status_found(void *data, ngx_int_t rc,
    referral_str_t *value, ngx_uint_t n)
{
    ngx_http_referral_convert_status_t *s = data;

    u_char              *p;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    s->ask = NULL;

    r = s->request;
    c = r->connection;

    if (rc == NGX_OK) {

        /* "N FINGERPRINT" */

        p = ngx_strlchr(value->data, value->data + value->len, ' ');

        if (p) {
            value->len = p - value->data;
        }

        s->position = referral_str_uint(value, REFERRAL_AMOUNT_MAX);

        rc = s->position > 0 ? ngx_http_referral_convert_status_fact(s)
                             : NGX_DECLINED;

        if (rc == NGX_OK) {
            return;
        }

        rc = s->position > 0 ? NGX_ERROR : NGX_DECLINED;
    }

    ngx_http_set_log_request(c->log, r);

    ngx_http_referral_convert_status_finish(s, rc == NGX_DECLINED
                              ? ngx_http_referral_convert_status_absent(r)
                              : ngx_http_referral_convert_status_away(r));

    ngx_http_run_posted_requests(c);
}


/* what stands there? */

static ngx_int_t
ngx_http_referral_convert_status_fact(ngx_http_referral_convert_status_t *s)
{
    u_char                         *p;
    referral_buf_t                  b;
    referral_str_t                  argv[4];
    ngx_http_referral_main_conf_t  *rmcf;
    u_char                          id[NGX_INT64_LEN + 2];
    u_char                          key[NGX_HTTP_REFERRAL_CONVERT_KEY];

    rmcf = ngx_http_get_module_main_conf(s->request, ngx_http_referral_module);

    referral_buf_init(&b, key, sizeof(key));
    referral_buf_str(&b, &rmcf->redis.prefix);
    referral_key_put(&b, REFERRAL_KEY_CONVERSIONS, &s->ctx->program);

    p = ngx_sprintf(id, "%L-0", s->position);

    ngx_http_referral_convert_text(&argv[0], "XRANGE");
    argv[1].data = key;
    argv[1].len = b.pos - b.start;
    argv[2].data = id;
    argv[2].len = p - id;
    argv[3] = argv[2];

    return ngx_http_referral_convert_status_ask(s,
                                    ngx_http_referral_convert_status_told,
                                    4, argv);
}


static void
ngx_http_referral_convert_status_told(void *data, ngx_int_t rc,
    referral_str_t *value, ngx_uint_t n)
{
    ngx_http_referral_convert_status_t *s = data;

    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    s->ask = NULL;

    r = s->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (rc == NGX_OK) {
        rc = ngx_http_referral_convert_status_show(s, value, n);

    } else if (rc == NGX_DECLINED) {
        rc = ngx_http_referral_convert_status_absent(r);

    } else {
        rc = ngx_http_referral_convert_status_away(r);
    }

    ngx_http_referral_convert_status_finish(s, rc);

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_referral_convert_status_ask(ngx_http_referral_convert_status_t *s,
    ngx_http_referral_ask_pt handler, ngx_uint_t argc, referral_str_t *argv)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(s->request, ngx_http_referral_module);

    if (rmcf->worker->links == NULL) {
        return NGX_DECLINED;
    }

    return ngx_http_referral_ask(rmcf->worker->links, &s->ask, handler, s,
                                 argc, argv);
}


/*
 * The entry's id, then its fields and values.  Where a stream was exchanged by
 * hand, another event stands at the position.
 */

static ngx_int_t
ngx_http_referral_convert_status_show(ngx_http_referral_convert_status_t *s,
    referral_str_t *value, ngx_uint_t n)
{
    size_t               size;
    ngx_uint_t           i, found;
    referral_buf_t       b;
    ngx_http_request_t  *r;

    static const referral_str_t  event = referral_string("event");

    r = s->request;
    size = REFERRAL_PROBLEM_MAX;
    found = 0;

    for (i = 0; i < n; i++) {
        size += 6 * value[i].len + sizeof("\"\":,");

        if (i % 2 == 1 && i + 1 < n && referral_str_eq(&value[i], &event)) {
            found = referral_str_eq(&value[i + 1], &s->id);
        }
    }

    if (!found) {
        return ngx_http_referral_convert_status_absent(r);
    }

    b.start = ngx_pnalloc(r->pool, size);
    if (b.start == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    referral_buf_init(&b, b.start, size);
    referral_problem_fact(&b, s->position, value + 1, (n - 1) / 2);

    return ngx_http_referral_convert_send(r, NGX_HTTP_OK, &b);
}


static ngx_int_t
ngx_http_referral_convert_status_absent(ngx_http_request_t *r)
{
    referral_str_t  code, detail;

    ngx_http_referral_convert_text(&code, "event_unknown");
    ngx_http_referral_convert_text(&detail, "no event of this id stands in "
                      "the program's stream; one that was accepted waits for "
                      "Redis, or for the click that it names");

    return ngx_http_referral_convert_problem(r, NGX_HTTP_NOT_FOUND, &code,
                                             &detail);
}


static ngx_int_t
ngx_http_referral_convert_status_away(ngx_http_request_t *r)
{
    referral_str_t  code, detail;

    ngx_http_referral_convert_text(&code, "unavailable");
    ngx_http_referral_convert_text(&detail, "Redis cannot be asked now");

    return ngx_http_referral_convert_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                             &code, &detail);
}


static void
ngx_http_referral_convert_status_finish(ngx_http_referral_convert_status_t *s,
    ngx_int_t rc)
{
    ngx_http_referral_convert_status_cleanup(s);
    ngx_http_finalize_request(s->request, rc);
}
