
#include "ngx_http_referral_convert.h"
#include "ngx_http_referral_links.h"
#include "ngx_http_referral_origin.h"
#include "ngx_http_referral_request.h"
#include "referral_keys.h"


/* how often the settler's position is asked for, ms */
#define NGX_HTTP_REFERRAL_CONVERT_POLL  20


static ngx_int_t ngx_http_referral_convert_start(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static ngx_uint_t ngx_http_referral_convert_media(
    ngx_http_referral_convert_t *c, referral_str_t *code,
    referral_str_t *detail);
static void ngx_http_referral_convert_cancel(ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_convert_cleanup(void *data);
static void ngx_http_referral_convert_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_referral_convert_read(
    ngx_http_referral_convert_t *c, referral_str_t *code,
    referral_str_t *detail);
static ngx_int_t ngx_http_referral_convert_program(
    ngx_http_referral_convert_t *c);
static void ngx_http_referral_convert_program_handler(void *data);
static void ngx_http_referral_convert_give_up(ngx_event_t *ev);
static ngx_int_t ngx_http_referral_convert_take(ngx_http_referral_convert_t *c);
static ngx_int_t ngx_http_referral_convert_parse(
    ngx_http_referral_convert_t *c);
static void ngx_http_referral_convert_write(ngx_http_referral_convert_t *c,
    ngx_uint_t i);
static void ngx_http_referral_convert_committed(void *data);
static void ngx_http_referral_convert_said(void *data,
    const referral_append_outcome_t *outcome);
static ngx_int_t ngx_http_referral_convert_next(
    ngx_http_referral_convert_t *c);
static void ngx_http_referral_convert_timer(ngx_event_t *ev);
static ngx_int_t ngx_http_referral_convert_settled(
    ngx_http_referral_convert_t *c);
static void ngx_http_referral_convert_settled_handler(void *data,
    ngx_int_t rc, referral_str_t *value, ngx_uint_t n);
static void ngx_http_referral_convert_finish(ngx_http_referral_convert_t *c,
    ngx_int_t rc);


ngx_int_t
ngx_http_referral_convert_handler(ngx_http_request_t *r)
{
    referral_str_t            code, detail;
    ngx_http_referral_ctx_t  *ctx;

    /* a subrequest has the body and the headers of another request */

    if (r != r->main || r->post_action) {
        return NGX_HTTP_NOT_FOUND;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_POST))) {
        return ngx_http_referral_convert_method(r);
    }

    if (ngx_http_referral_convert_early(r)) {
        ngx_http_referral_convert_text(&code, "too_early");
        ngx_http_referral_convert_text(&detail, "this came in TLS early data, "
                                "which can be replayed: send it again");
        return ngx_http_referral_convert_problem(r, 425, &code, &detail);
    }

    ctx = ngx_http_referral_make_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_referral_guard(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_referral_find_program(r, ctx) != NGX_OK) {
        ngx_http_referral_convert_text(&code, "program_unknown");
        ngx_http_referral_convert_text(&detail,
                                       "this URL names no program");
        return ngx_http_referral_convert_problem(r, 404, &code, &detail);
    }

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_referral_convert_status(r, ctx);
    }

    return ngx_http_referral_convert_start(r, ctx);
}


static ngx_int_t
ngx_http_referral_convert_start(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_int_t                     rc;
    ngx_str_t                     wait;
    referral_str_t                code, detail;
    ngx_pool_cleanup_t           *cln;
    ngx_http_referral_convert_t  *c;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_referral_convert_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    c = cln->data;
    ngx_memzero(c, sizeof(ngx_http_referral_convert_t));

    c->request = r;
    c->ctx = ctx;
    c->conf = ngx_http_get_module_loc_conf(r,
                                           ngx_http_referral_convert_module);
    c->timer.data = c;
    c->timer.log = r->connection->log;

    cln->handler = ngx_http_referral_convert_cleanup;

    if (ngx_http_arg(r, (u_char *) "wait", 4, &wait) == NGX_OK
        && wait.len == 7 && ngx_strncmp(wait.data, "settled", 7) == 0)
    {
        c->wait = 1;
    }

    if (!ngx_http_referral_convert_media(c, &code, &detail)) {
        return ngx_http_referral_convert_problem(r, 415, &code, &detail);
    }

    if (r->headers_in.content_length_n > REFERRAL_INTAKE_BODY_MAX) {
        ngx_http_referral_convert_text(&code, "too_large");
        ngx_http_referral_convert_text(&detail,
                                       "a body has at most 1 MB");
        return ngx_http_referral_convert_problem(r, 413, &code, &detail);
    }

    /* who had the request before a redirect has thrown away some of it */

    if (r->discard_body || r->request_body_no_buffering) {
        ngx_http_referral_convert_text(&code, "unavailable");
        ngx_http_referral_convert_text(&detail, "the body was read by another "
                                       "location, which led here");
        return ngx_http_referral_convert_problem(r, 500, &code, &detail);
    }

    ngx_http_set_ctx(r, c, ngx_http_referral_convert_module);

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r,
                                     ngx_http_referral_convert_body_handler);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


/* can the body be read at all? */

static ngx_uint_t
ngx_http_referral_convert_media(ngx_http_referral_convert_t *c,
    referral_str_t *code, referral_str_t *detail)
{
    referral_str_t       media, encoding;
    ngx_http_request_t  *r;

    r = c->request;

    ngx_http_referral_convert_text(code, "media_type");

    ngx_http_referral_origin_header(r, "Content-Encoding", &encoding);

    if (encoding.len && !referral_str_is_nocase(&encoding, "identity")) {
        ngx_http_referral_convert_text(detail, "a body is taken uncompressed, "
                                       "without Content-Encoding");
        return 0;
    }

    media.len = 0;

    if (r->headers_in.content_type) {
        media.len = r->headers_in.content_type->value.len;
        media.data = r->headers_in.content_type->value.data;
    }

    if (media.len == 0
        || referral_intake_type(&c->type, &media) != REFERRAL_OK)
    {
        ngx_http_referral_convert_text(detail, "Content-Type is one of "
                    "application/json, application/x-ndjson and "
                    "application/x-www-form-urlencoded, in UTF-8");
        return 0;
    }

    return 1;
}


/* nginx ends the request: nobody waits for anything any more */

static void
ngx_http_referral_convert_cancel(ngx_http_referral_ctx_t *ctx)
{
    ngx_http_referral_convert_t  *c;

    c = ngx_http_get_module_ctx(ctx->request,
                                ngx_http_referral_convert_module);

    if (c) {
        ngx_http_referral_convert_cleanup(c);
    }
}


static void
ngx_http_referral_convert_cleanup(void *data)
{
    ngx_http_referral_convert_t *c = data;

    ngx_uint_t  i;

    c->done = 1;

    if (c->timer.timer_set) {
        ngx_del_timer(&c->timer);
    }

    if (c->ask) {
        ngx_http_referral_ask_cancel(c->ask);
        c->ask = NULL;
    }

    if (c->looking) {
        ngx_http_referral_links_cancel(&c->program);
        c->looking = 0;
    }

    if (c->items) {

        for (i = 0; i < c->intake.n; i++) {
            if (c->items[i].taken) {
                ngx_http_referral_recorder_cancel(&c->items[i].commit);
            }
        }

        c->items = NULL;
    }

    if (c->parsed) {
        referral_intake_free(&c->intake);
        c->parsed = 0;
    }
}


static void
ngx_http_referral_convert_body_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    referral_str_t                code, detail;
    ngx_http_referral_convert_t  *c;

    c = ngx_http_get_module_ctx(r, ngx_http_referral_convert_module);

    rc = ngx_http_referral_convert_read(c, &code, &detail);

    if (rc == NGX_OK) {
        rc = ngx_http_referral_convert_admit(r, c->ctx, &c->body, NULL,
                                             &c->id, &code, &detail);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_referral_convert_program(c);

    } else {
        rc = ngx_http_referral_convert_problem(r, rc, &code, &detail);
    }

    if (rc != NGX_AGAIN) {
        ngx_http_referral_convert_finish(c, rc);
    }
}


/* one piece of memory; a body in a file is one that nginx -t warned of */

static ngx_int_t
ngx_http_referral_convert_read(ngx_http_referral_convert_t *c,
    referral_str_t *code, referral_str_t *detail)
{
    u_char              *p;
    size_t               len;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    r = c->request;
    len = 0;

    ngx_http_referral_convert_text(code, "too_large");
    ngx_http_referral_convert_text(detail, "a body has at most 1 MB");

    if (r->request_body->temp_file) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    if (len > REFERRAL_INTAKE_BODY_MAX) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    c->body.len = len;

    if (len == 0) {
        c->body.data = (u_char *) "";
        return NGX_OK;
    }

    cl = r->request_body->bufs;

    if (cl->next == NULL) {
        c->body.data = cl->buf->pos;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        ngx_http_referral_convert_text(code, "unavailable");
        ngx_http_referral_convert_text(detail, "no memory: send it again");
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    c->body.data = p;

    for ( /* void */ ; cl; cl = cl->next) {

        len = cl->buf->last - cl->buf->pos;

        /* the last buffer of a body in HTTP/2 or in chunks has no memory */

        if (len) {
            p = ngx_cpymem(p, cl->buf->pos, len);
        }
    }

    return NGX_OK;
}


/* how late its events may come, and does it exist? */

static ngx_int_t
ngx_http_referral_convert_program(ngx_http_referral_convert_t *c)
{
    ngx_int_t                       rc;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(c->request, ngx_http_referral_module);

    c->until = ngx_current_msec + rmcf->redis.timeout;
    c->ctx->cancel[NGX_HTTP_REFERRAL_WAIT_ANSWER] =
                                             ngx_http_referral_convert_cancel;

    if (rmcf->worker->links == NULL) {
        return ngx_http_referral_convert_take(c);
    }

    c->program.handler = ngx_http_referral_convert_program_handler;
    c->program.data = c;
    c->program.pool = c->request->pool;
    c->program.literal = c->ctx->literal_program;

    rc = ngx_http_referral_links_get(rmcf->worker->links, &c->program,
                                     NGX_HTTP_REFERRAL_PROGRAM,
                                     &c->ctx->program, NULL);

    if (rc != NGX_AGAIN) {
        return ngx_http_referral_convert_take(c);
    }

    c->looking = 1;

    c->timer.handler = ngx_http_referral_convert_give_up;
    ngx_add_timer(&c->timer, rmcf->redis.timeout);

    return NGX_AGAIN;
}


static void
ngx_http_referral_convert_program_handler(void *data)
{
    ngx_http_referral_convert_t *c = data;

    ngx_int_t          rc;
    ngx_connection_t  *connection;

    c->looking = 0;

    if (c->timer.timer_set) {
        ngx_del_timer(&c->timer);
    }

    connection = c->request->connection;

    ngx_http_set_log_request(connection->log, c->request);

    rc = ngx_http_referral_convert_take(c);

    if (rc != NGX_AGAIN) {
        ngx_http_referral_convert_finish(c, rc);
    }

    ngx_http_run_posted_requests(connection);
}


/* what the cache has left is good enough */

static void
ngx_http_referral_convert_give_up(ngx_event_t *ev)
{
    ngx_http_referral_convert_t  *c;

    c = ev->data;

    ngx_http_referral_links_give_up(&c->program);
    ngx_http_referral_convert_program_handler(c);
}


static ngx_int_t
ngx_http_referral_convert_take(ngx_http_referral_convert_t *c)
{
    ngx_int_t                               rc;
    ngx_uint_t                              i;
    referral_str_t                          code, detail;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    rcmcf = ngx_http_get_module_main_conf(c->request,
                                          ngx_http_referral_convert_module);

    /* a program of a URL that nobody made must not become a stream */

    if (!c->ctx->literal_program
        && c->program.entry
        && c->program.entry->state == REFERRAL_STATE_ABSENT
        && (rcmcf->keys == NULL
            || !referral_signature_known(rcmcf->keys, &c->ctx->program)))
    {
        ngx_http_referral_convert_text(&code, "program_unknown");
        ngx_http_referral_convert_text(&detail,
                                       "there is no program of this name");
        return ngx_http_referral_convert_problem(c->request, 404, &code,
                                                 &detail);
    }

    rc = ngx_http_referral_convert_parse(c);

    if (rc == NGX_DECLINED) {
        return ngx_http_referral_convert_answer(c);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rcmcf->recorder == NULL) {
        c->lost = 1;
        return ngx_http_referral_convert_answer(c);
    }

    for (i = 0; i < c->intake.n; i++) {
        if (c->intake.item[i].errors == NULL) {
            ngx_http_referral_convert_write(c, i);
        }
    }

    return ngx_http_referral_convert_next(c);
}


/* NGX_OK: each event has an item; NGX_DECLINED: the body is refused */

static ngx_int_t
ngx_http_referral_convert_parse(ngx_http_referral_convert_t *c)
{
    int                            rc;
    ngx_uint_t                     i;
    ngx_time_t                    *tp;
    ngx_http_request_t            *r;
    referral_intake_conf_t         conf;
    ngx_http_referral_loc_conf_t  *rlcf;
    u_char                         visitor[REFERRAL_VISITOR_LEN];

    r = c->request;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    ngx_memzero(&conf, sizeof(referral_intake_conf_t));

    tp = ngx_timeofday();

    conf.program = c->ctx->program;
    conf.id = c->id;
    conf.now = (int64_t) tp->sec * 1000 + tp->msec;
    conf.late = c->program.entry ? c->program.entry->late : 0;
    conf.fold = rlcf->insensitive;
    conf.trust = c->conf->browser ? REFERRAL_TRUST_BROWSER
                 : c->conf->auth == NGX_HTTP_REFERRAL_AUTH_LOCATION
                   ? REFERRAL_TRUST_LOCATION : REFERRAL_TRUST_SIGNED;

    if (c->conf->browser) {
        ngx_http_referral_find_cookie(r, c->ctx, REFERRAL_WINDOW_MAX);

        if (c->ctx->old_cookie == REFERRAL_COOKIE_OK) {
            referral_visitor_text(visitor, c->ctx->cookie.visitor);
            conf.visitor.data = visitor;
            conf.visitor.len = REFERRAL_VISITOR_LEN;
        }
    }

    rc = referral_intake_body(&c->intake, c->type, &c->body, &conf);

    c->parsed = 1;

    if (rc == REFERRAL_ERROR) {
        return NGX_ERROR;
    }

    if (rc == REFERRAL_DECLINED
        || (!c->intake.batch && c->intake.item[0].errors))
    {
        return NGX_DECLINED;
    }

    c->outcome = ngx_pcalloc(r->pool,
                         c->intake.n * sizeof(referral_problem_outcome_t));
    if (c->outcome == NULL) {
        return NGX_ERROR;
    }

    c->items = ngx_pcalloc(r->pool,
                      c->intake.n * sizeof(ngx_http_referral_convert_item_t));
    if (c->items == NULL) {
        return NGX_ERROR;
    }

    if (c->conf->browser) {
        for (i = 0; i < c->intake.n; i++) {
            ngx_http_referral_convert_touches(c->ctx,
                                              &c->intake.item[i].event);
        }
    }

    return NGX_OK;
}


static void
ngx_http_referral_convert_write(ngx_http_referral_convert_t *c, ngx_uint_t i)
{
    u_char                                  data[REFERRAL_EVENT_MAX];
    ssize_t                                 n;
    ngx_int_t                               rc;
    referral_event_t                       *event;
    ngx_http_referral_convert_item_t       *item;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    rcmcf = ngx_http_get_module_main_conf(c->request,
                                          ngx_http_referral_convert_module);

    item = &c->items[i];
    event = &c->intake.item[i].event;

    item->convert = c;
    item->commit.handler = ngx_http_referral_convert_committed;
    item->commit.outcome = ngx_http_referral_convert_said;
    item->commit.data = item;
    item->commit.durable = 1;

    c->outcome[i].outcome = REFERRAL_PROBLEM_UNAVAILABLE;

    n = referral_event_encode(data, sizeof(data), event);

    if (n == REFERRAL_ERROR) {
        c->lost++;
        return;
    }

    rc = ngx_http_referral_recorder_add(rcmcf->recorder, data, n,
                                        event->received, 0, &item->commit);

    if (rc != NGX_AGAIN) {
        c->lost++;
        return;
    }

    c->writing++;
    c->asking++;
    item->taken = 1;
}


/* the disk has it, or cannot take it */

static void
ngx_http_referral_convert_committed(void *data)
{
    ngx_http_referral_convert_item_t *item = data;

    ngx_int_t                     rc;
    ngx_uint_t                    i;
    ngx_connection_t             *connection;
    ngx_http_referral_convert_t  *c;

    c = item->convert;
    i = item - c->items;

    c->writing--;

    if (item->commit.status != NGX_OK) {
        c->lost++;

    } else if (c->outcome[i].outcome == REFERRAL_PROBLEM_UNAVAILABLE) {
        c->outcome[i].outcome = REFERRAL_PROBLEM_ACCEPTED;
    }

    if (c->writing || c->done) {
        return;
    }

    connection = c->request->connection;

    ngx_http_set_log_request(connection->log, c->request);

    rc = ngx_http_referral_convert_next(c);

    if (rc != NGX_AGAIN) {
        ngx_http_referral_convert_finish(c, rc);
    }

    ngx_http_run_posted_requests(connection);
}


/* Redis has it: what became of it; it may be told before the disk has it */

static void
ngx_http_referral_convert_said(void *data,
    const referral_append_outcome_t *outcome)
{
    ngx_http_referral_convert_item_t *item = data;

    ngx_int_t                     rc;
    ngx_connection_t             *connection;
    referral_problem_outcome_t   *out;
    ngx_http_referral_convert_t  *c;

    c = item->convert;
    out = &c->outcome[item - c->items];

    c->asking--;

    out->position = outcome->position;
    out->via = outcome->via;
    out->known = outcome->known;
    out->self = outcome->self;
    out->gone = outcome->gone;
    out->outcome = outcome->kind == REFERRAL_APPEND_CONFLICT
                   ? REFERRAL_PROBLEM_REUSED
                   : outcome->kind == REFERRAL_APPEND_REPLAY
                     ? REFERRAL_PROBLEM_REPLAYED : REFERRAL_PROBLEM_RECORDED;

    c->position = ngx_max(c->position, outcome->position);

    if (c->writing || c->asking || c->done) {
        return;
    }

    connection = c->request->connection;

    ngx_http_set_log_request(connection->log, c->request);

    rc = ngx_http_referral_convert_next(c);

    if (rc != NGX_AGAIN) {
        ngx_http_referral_convert_finish(c, rc);
    }

    ngx_http_run_posted_requests(connection);
}


/*
 * Waits for the disk however long it takes; for Redis, which need not say
 * anything, and for the settler, until the time is over.
 */

static ngx_int_t
ngx_http_referral_convert_next(ngx_http_referral_convert_t *c)
{
    ngx_msec_int_t                          left;
    ngx_http_referral_convert_main_conf_t  *rcmcf;

    if (c->writing) {
        return NGX_AGAIN;
    }

    rcmcf = ngx_http_get_module_main_conf(c->request,
                                          ngx_http_referral_convert_module);

    left = (ngx_msec_int_t) (c->until - ngx_current_msec);

    if (c->lost || left <= 0) {
        return ngx_http_referral_convert_answer(c);
    }

    if (c->asking) {

        if (!ngx_http_referral_recorder_reaches(rcmcf->recorder)) {
            return ngx_http_referral_convert_answer(c);
        }

        c->timer.handler = ngx_http_referral_convert_timer;
        ngx_add_timer(&c->timer, left);

        return NGX_AGAIN;
    }

    if (c->wait && !c->settled && c->position) {
        return ngx_http_referral_convert_settled(c);
    }

    return ngx_http_referral_convert_answer(c);
}


static void
ngx_http_referral_convert_timer(ngx_event_t *ev)
{
    ngx_int_t                     rc;
    ngx_connection_t             *connection;
    ngx_http_referral_convert_t  *c;

    c = ev->data;

    connection = c->request->connection;

    ngx_http_set_log_request(connection->log, c->request);

    rc = ngx_http_referral_convert_next(c);

    if (rc != NGX_AGAIN) {
        ngx_http_referral_convert_finish(c, rc);
    }

    ngx_http_run_posted_requests(connection);
}


/* has the settler decided it? */

static ngx_int_t
ngx_http_referral_convert_settled(ngx_http_referral_convert_t *c)
{
    ngx_int_t                       rc;
    referral_buf_t                  b;
    referral_str_t                  argv[3];
    ngx_http_referral_main_conf_t  *rmcf;
    u_char                          key[NGX_HTTP_REFERRAL_CONVERT_KEY];

    rmcf = ngx_http_get_module_main_conf(c->request, ngx_http_referral_module);

    referral_buf_init(&b, key, sizeof(key));
    referral_buf_str(&b, &rmcf->redis.prefix);
    referral_key_put(&b, REFERRAL_KEY_SETTLED, &c->ctx->program);

    ngx_http_referral_convert_text(&argv[0], "HGET");
    argv[1].data = key;
    argv[1].len = b.pos - b.start;
    ngx_http_referral_convert_text(&argv[2], "position");

    rc = rmcf->worker->links
         ? ngx_http_referral_ask(rmcf->worker->links, &c->ask,
                                 ngx_http_referral_convert_settled_handler, c,
                                 3, argv)
         : NGX_DECLINED;

    return rc == NGX_OK ? NGX_AGAIN : ngx_http_referral_convert_answer(c);
}


static void
ngx_http_referral_convert_settled_handler(void *data, ngx_int_t rc,
    referral_str_t *value, ngx_uint_t n)
{
    ngx_http_referral_convert_t *c = data;

    int64_t            position;
    ngx_msec_int_t     left;
    ngx_connection_t  *connection;

    c->ask = NULL;

    left = (ngx_msec_int_t) (c->until - ngx_current_msec);

    if (rc == NGX_OK) {
        position = referral_str_uint(&value[0], REFERRAL_AMOUNT_MAX);

        c->settled = position != REFERRAL_ERROR
                     && (uint64_t) position >= c->position;
    }

    if (!c->settled && rc != NGX_ERROR && left > 0) {
        c->timer.handler = ngx_http_referral_convert_timer;
        ngx_add_timer(&c->timer, ngx_min(left,
                                         NGX_HTTP_REFERRAL_CONVERT_POLL));
        return;
    }

    connection = c->request->connection;

    ngx_http_set_log_request(connection->log, c->request);

    ngx_http_referral_convert_finish(c, ngx_http_referral_convert_answer(c));

    ngx_http_run_posted_requests(connection);
}


static void
ngx_http_referral_convert_finish(ngx_http_referral_convert_t *c, ngx_int_t rc)
{
    ngx_http_request_t  *r;

    r = c->request;

    ngx_http_referral_convert_cleanup(c);

    ngx_http_finalize_request(r, rc);
}
