
/*
 * The steps of a click: program and code, the look-ups, the visitor, the
 * decision, the record, the answer.
 */


#include "ngx_http_referral_click.h"
#include "ngx_http_referral_geo.h"
#include "ngx_http_referral_links.h"
#include "ngx_http_referral_lookup.h"
#include "ngx_http_referral_request.h"
#include "referral_address.h"
#include "referral_hash.h"
#include "referral_url.h"


/*
 * a click on the same link by the same browser within this is a duplicate, ms
 */
#define NGX_HTTP_REFERRAL_DUPLICATE  10000


static void ngx_http_referral_click_found(ngx_http_referral_ctx_t *ctx);
static ngx_int_t ngx_http_referral_click_decide(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static ngx_int_t ngx_http_referral_click_save(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static ngx_int_t ngx_http_referral_click_unrecorded(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static ngx_uint_t ngx_http_referral_click_invented(
    ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_click_visitor(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static ngx_int_t ngx_http_referral_click_earlier(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_click_settle(ngx_http_referral_ctx_t *ctx);
static ngx_uint_t ngx_http_referral_click_absent(
    ngx_http_referral_wait_t *wait);
static ngx_int_t ngx_http_referral_click_values(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static ngx_int_t ngx_http_referral_click_external(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_template_t *template);
static ngx_int_t ngx_http_referral_click_location(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_click_cancel(ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_click_committed(void *data);
#if (NGX_DEBUG)
static void ngx_http_referral_click_debug(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static char *ngx_http_referral_click_state(const referral_entry_t *entry);
#endif


/* the entry for a URL without program or code: Redis is not asked for it */

static const referral_entry_t  ngx_http_referral_absent = {
    .size = sizeof(referral_entry_t),
    .state = REFERRAL_STATE_ABSENT,
    .utc_offset = INT16_MIN
};


/* NGX_OK: the request is a click; else the answer to it */

ngx_int_t
ngx_http_referral_click_admit(ngx_http_request_t *r,
    ngx_http_referral_ctx_t **click)
{
    ngx_http_referral_ctx_t  *ctx;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    /* no visitor clicked a subrequest, or what "post_action" does */

    if (r != r->main || r->post_action) {
        return NGX_HTTP_NOT_FOUND;
    }

    ctx = ngx_http_referral_make_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->short_link) {

        /* its own fallback or error page leads to a short link */

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "referral: \"referral_fallback\" or \"error_page\" "
                      "of a short link leads to a short link again: the "
                      "visitor gets 404");
        return NGX_HTTP_NOT_FOUND;
    }

    if (ngx_http_referral_guard(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* variables may have set these before, in another location */

    ctx->has_program = 0;
    ctx->code.len = 0;

    ctx->short_link = 1;
    ctx->conf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);
    ctx->decision.result = REFERRAL_RESULT_UNKNOWN;

    *click = ctx;

    return NGX_OK;
}


/* finds the program and the code, and prefetches the keys of look-ups */

void
ngx_http_referral_click_prefetch_keys(ngx_http_referral_ctx_t *ctx)
{
    ngx_http_request_t             *r;
    ngx_http_referral_main_conf_t  *rmcf;

    r = ctx->request;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    if (ngx_http_referral_find_program(r, ctx) != NGX_OK
        || ngx_http_referral_find_code(r, ctx) != NGX_OK)
    {
        return;
    }

    if (rmcf->worker->links) {
        ngx_http_referral_links_prefetch(rmcf->worker->links,
                                         &ctx->wait[NGX_HTTP_REFERRAL_LINK],
                                         NGX_HTTP_REFERRAL_LINK,
                                         &ctx->program, &ctx->code);
    }

    if (rmcf->geo.geos) {
        ngx_http_referral_geo_prefetch(rmcf->geo.geos, r->connection->sockaddr);
    }
}


/* prefetches the values of look-ups, and reads headers while they arrive */

void
ngx_http_referral_click_prefetch_values(ngx_http_referral_ctx_t *ctx)
{
    size_t                          len;
    const u_char                   *data;
    ngx_http_request_t             *r;
    ngx_http_referral_zone_t       *zone;
    ngx_http_referral_main_conf_t  *rmcf;

    if (ctx->code.len == 0) {
        return;
    }

    r = ctx->request;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    if (rmcf->worker->links) {
        ngx_http_referral_links_prefetch_value(rmcf->worker->links,
                                       &ctx->wait[NGX_HTTP_REFERRAL_LINK]);
    }

    if (rmcf->geo.geos) {
        ngx_http_referral_geo_prefetch_value(rmcf->geo.geos,
                                             r->connection->sockaddr);
    }

    ngx_http_referral_find_class(r, ctx);

    if (ctx->class == REFERRAL_CLASS_HUMAN) {
        zone = ngx_http_referral_zone(rmcf);

        len = referral_address_data(r->connection->sockaddr, &data);

        if (len) {
            ctx->address_hash = referral_hash64(zone->seed, data, len);
        }

        referral_limit_prefetch(&zone->bound, ctx->address_hash);
    }
}


void
ngx_http_referral_click_lookup(ngx_http_referral_ctx_t *ctx)
{
    if (ctx->code.len) {
        ngx_http_referral_lookup_start(ctx, &ctx->code,
                                       ngx_http_referral_click_found);
    }
}


/* NGX_AGAIN: the click waits, and is finalized by the handler that wakes it */

ngx_int_t
ngx_http_referral_click_finish(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->code.len == 0) {
        ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "referral click: no program or no code");

        ctx->click.program = &ngx_http_referral_absent;
        ctx->click.link = &ngx_http_referral_absent;

        return ngx_http_referral_click_decide(r, ctx);
    }

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "referral click: program \"%*s\" code \"%*s\"",
                   ctx->program.len, ctx->program.data, ctx->code.len,
                   ctx->code.data);

    rc = ngx_http_referral_lookup_finish(r, ctx);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_referral_click_decide(r, ctx);
}


static void
ngx_http_referral_click_found(ngx_http_referral_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    rc = ngx_http_referral_click_decide(r, ctx);

    if (rc == NGX_AGAIN) {
        return;
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_referral_click_decide(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_int_t          rc;
    referral_click_t  *click;

    click = &ctx->click;

    if (ctx->touches == NULL) {

        if (click->link == NULL) {
            click->program = ctx->wait[NGX_HTTP_REFERRAL_PROGRAM].entry;
            click->link = ctx->wait[NGX_HTTP_REFERRAL_LINK].entry;
            click->referrer = ctx->wait[NGX_HTTP_REFERRAL_REFERRER].entry;
        }

        ngx_http_referral_find_class(r, ctx);

        if (click->link == NULL
            || click->link->state != REFERRAL_STATE_ABSENT)
        {
            ngx_http_referral_click_visitor(r, ctx);
        }

        rc = ngx_http_referral_click_earlier(r, ctx);

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ctx->touches) {
        ngx_http_referral_click_settle(ctx);
    }

    if (ngx_http_referral_click_values(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    referral_decide(&ctx->decision, click, &ctx->values);
    ctx->decided = 1;

    if (ngx_http_referral_click_location(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->decision.result == REFERRAL_RESULT_UNKNOWN
        || ngx_http_referral_click_invented(ctx))
    {
        return ngx_http_referral_click_unrecorded(r, ctx);
    }

    rc = ngx_http_referral_click_save(r, ctx);

    if (rc == NGX_AGAIN) {
        ctx->cancel[NGX_HTTP_REFERRAL_WAIT_ANSWER] =
                                              ngx_http_referral_click_cancel;
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_referral_click_answer_send(r, ctx);
}


/* NGX_OK: answer now; NGX_AGAIN: when the record is safe; else the answer */

static ngx_int_t
ngx_http_referral_click_save(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    u_char                          data[REFERRAL_RECORD_MAX];
    ssize_t                         n;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    n = ngx_http_referral_click_record(r, ctx, data, sizeof(data));

    /* before the write, so that after it answers only have to be sent */

    if (ngx_http_referral_click_answer_prepare(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (n == REFERRAL_ERROR || rmcf->worker->recorder == NULL) {
        (void) ngx_atomic_fetch_add(&ngx_http_referral_zone(rmcf)
                         ->clicks.dropped[NGX_HTTP_REFERRAL_DROP_RECORDER], 1);
        return NGX_OK;
    }

    ctx->commit.handler = ngx_http_referral_click_committed;
    ctx->commit.data = ctx;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "referral click: %z bytes go to the journal", n);

    return ngx_http_referral_recorder_add(rmcf->worker->recorder, data, n,
                                         ctx->now,
                                         ngx_http_referral_click_unknown(ctx),
                                         &ctx->commit);
}


/* no record: a name that a request made up must not become a key in Redis */

static ngx_int_t
ngx_http_referral_click_unrecorded(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_http_referral_main_conf_t  *rmcf;

    if (ctx->decision.result != REFERRAL_RESULT_UNKNOWN) {
        rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

        (void) ngx_atomic_fetch_add(&ngx_http_referral_zone(rmcf)
                       ->clicks.dropped[NGX_HTTP_REFERRAL_DROP_UNRESOLVED], 1);
    }

    if (ngx_http_referral_click_answer_prepare(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_referral_click_answer_send(r, ctx);
}


/*
 * Whether Redis did not answer and the request may have made up the program
 * too, in a Host header.  A name that stands in the configuration, or that
 * exists in Redis, is not made up.
 */

static ngx_uint_t
ngx_http_referral_click_invented(ngx_http_referral_ctx_t *ctx)
{
    const referral_entry_t  *program;

    program = ctx->click.program;

    return ngx_http_referral_click_unknown(ctx)
           && !ctx->literal_program
           && (program == NULL || program->state == REFERRAL_STATE_ABSENT);
}


/* sets the class, the visitor's id and the click's id */

static void
ngx_http_referral_click_visitor(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    int64_t                         window, age;
    ngx_str_t                       value;
    referral_touch_t               *last;
    const referral_entry_t         *program;
    ngx_http_referral_loc_conf_t   *rlcf;
    ngx_http_referral_main_conf_t  *rmcf;

    rlcf = ctx->conf;
    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    if (rlcf->exclude
        && ctx->class != REFERRAL_CLASS_PREFETCH
        && ngx_http_complex_value(r, rlcf->exclude, &value) == NGX_OK
        && value.len
        && !(value.len == 1 && value.data[0] == '0'))
    {
        ctx->class = REFERRAL_CLASS_EXCLUDED;
    }

    if (ctx->class != REFERRAL_CLASS_HUMAN) {
        return;
    }

    if (ngx_http_referral_consent(r, ctx)) {

        program = ctx->click.program;
        window = (program && program->window) ? program->window
                                              : REFERRAL_WINDOW_DEFAULT;

        ngx_http_referral_find_cookie(r, ctx, window);

        if (ctx->old_cookie == REFERRAL_COOKIE_OK) {

            last = &ctx->cookie.last;
            age = ctx->now - referral_click_id_time(last->click_id);

            if (ngx_http_referral_click_touched(ctx, last)
                && age < NGX_HTTP_REFERRAL_DUPLICATE
                && age > -NGX_HTTP_REFERRAL_DUPLICATE)
            {
                ctx->class = REFERRAL_CLASS_DUPLICATE;
            }

            ngx_memcpy(ctx->visitor, ctx->cookie.visitor,
                       REFERRAL_VISITOR_SIZE);
            ctx->has_visitor = 1;

        } else {
            ctx->has_visitor =
                (referral_visitor_make(ctx->visitor, &rmcf->worker->random)
                 == REFERRAL_OK);
        }
    }

    if (ctx->class == REFERRAL_CLASS_DUPLICATE) {
        ngx_memcpy(ctx->click_id, ctx->cookie.last.click_id,
                   REFERRAL_CLICK_ID_SIZE);
        ctx->has_click_id = 1;

    } else {
        ctx->has_click_id =
            (referral_click_id_make(ctx->click_id, &rmcf->worker->random,
                                    ctx->now)
             == REFERRAL_OK);
    }

    if (ctx->has_click_id) {
        referral_click_id_text(ctx->click_id_text, ctx->click_id);
    }
}


/*
 * Touches of the cookie are open if Redis was away when they were set: looks
 * up whether their links exist.  NGX_AGAIN: the click waits, and decides after
 * that.
 */

static ngx_int_t
ngx_http_referral_click_earlier(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    if (!ctx->has_visitor
        || ctx->old_cookie != REFERRAL_COOKIE_OK
        || !(ctx->cookie.first_open || ctx->cookie.last_open))
    {
        return NGX_OK;
    }

    return ngx_http_referral_lookup_touches(r, ctx,
                                            ngx_http_referral_click_found);
}


/* removes touches whose link does not exist; unknown ones stay open */

static void
ngx_http_referral_click_settle(ngx_http_referral_ctx_t *ctx)
{
    ngx_uint_t                 first, last;
    referral_cookie_t         *cookie;
    ngx_http_referral_wait_t  *wait;

    cookie = &ctx->cookie;
    wait = ctx->touches;

    first = !cookie->first_open || !ngx_http_referral_click_absent(&wait[0]);
    last = !cookie->last_open || !ngx_http_referral_click_absent(&wait[1]);

    cookie->first_open = cookie->first_open && wait[0].entry == NULL;
    cookie->last_open = cookie->last_open && wait[1].entry == NULL;

    if (!first && !last) {
        ctx->untouched = 1;

    } else if (!first) {
        cookie->first = cookie->last;
        cookie->first_open = cookie->last_open;

    } else if (!last) {
        cookie->last = cookie->first;
        cookie->last_open = cookie->first_open;
    }
}


static ngx_uint_t
ngx_http_referral_click_absent(ngx_http_referral_wait_t *wait)
{
    return wait->entry != NULL && wait->entry->state == REFERRAL_STATE_ABSENT;
}


/* collects what the decision and its templates need */

static ngx_int_t
ngx_http_referral_click_values(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_str_t                        value;
    referral_str_t                   languages;
    referral_click_t                *click;
    referral_values_t               *values;
    ngx_http_referral_loc_conf_t    *rlcf;
    ngx_http_referral_main_conf_t   *rmcf;
    ngx_http_referral_click_conf_t  *conf;

    rlcf = ctx->conf;
    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);
    conf = ngx_http_get_module_loc_conf(r, ngx_http_referral_click_module);
    click = &ctx->click;
    values = &ctx->values;

    ngx_http_referral_find_geo(r, ctx);
    ngx_http_referral_find_agent(r, ctx);

    languages = referral_decide_languages(click->program);
    ngx_http_referral_find_lang(r, ctx, &languages);

    values->value[REFERRAL_VALUE_PROGRAM] = ctx->program;
    values->value[REFERRAL_VALUE_LANG] = ctx->lang;
    values->value[REFERRAL_VALUE_DEVICE] = ctx->agent.device.device;
    values->value[REFERRAL_VALUE_OS] = ctx->agent.device.os;
    values->value[REFERRAL_VALUE_APP] = ctx->agent.device.app;

    values->value[REFERRAL_VALUE_COUNTRY].len = ctx->geo.country_len;
    values->value[REFERRAL_VALUE_COUNTRY].data = ctx->geo.country;
    values->value[REFERRAL_VALUE_REGION].len = ctx->geo.region_len;
    values->value[REFERRAL_VALUE_REGION].data = ctx->geo.region;
    values->value[REFERRAL_VALUE_CITY].len = ctx->geo.city_len;
    values->value[REFERRAL_VALUE_CITY].data = ctx->geo.city;

    if (ctx->has_click_id) {
        values->value[REFERRAL_VALUE_CLICK_ID].len = REFERRAL_CLICK_ID_LEN;
        values->value[REFERRAL_VALUE_CLICK_ID].data = ctx->click_id_text;
    }

    values->now = ctx->now;

    /*
     * without a visitor the click's id draws the variant; machines all draw
     * the same one
     */

    if (ctx->has_visitor) {
        values->bucket = referral_bucket(&ctx->program, ctx->visitor,
                                         REFERRAL_VISITOR_SIZE);
    } else {
        values->bucket = referral_bucket(&ctx->program, ctx->click_id,
                                         ctx->has_click_id
                                         ? REFERRAL_CLICK_ID_SIZE : 0);
    }

    click->code = ctx->code;

    if (conf->channel) {
        if (ngx_http_complex_value(r, conf->channel, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        click->channel.len = value.len;
        click->channel.data = value.data;
    }

    if (conf->forward_args) {
        click->forward.len = r->args.len;
        click->forward.data = r->args.data;
    }

    if (rlcf->landing) {
        click->landing = rlcf->landing->code;
    }

    if (conf->args) {
        click->args = conf->args->code;
    }

    if (rlcf->fallback && rlcf->fallback->url) {
        click->fallback = rlcf->fallback->url->code;
    }

    if (conf->hosts) {
        click->allow = conf->hosts->elts;
        click->nallow = conf->hosts->nelts;
    }

    click->window = REFERRAL_WINDOW_DEFAULT;
    click->late = REFERRAL_LATE_DEFAULT;
    click->attribution = rlcf->attribution;
    click->offset = rlcf->utc_offset;
    click->timezones = rmcf->timezone.zones;

    if (rlcf->timezone) {
        click->timezone.len = rlcf->timezone->len;
        click->timezone.data = rlcf->timezone->data;
    }

    if (ngx_http_referral_click_external(r, ctx, rlcf->landing) != NGX_OK
        || ngx_http_referral_click_external(r, ctx, conf->args) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_referral_click_external(r, ctx,
                                     rlcf->fallback ? rlcf->fallback->url
                                                    : NULL);
}


/* evaluates the nginx variables of a template */

static ngx_int_t
ngx_http_referral_click_external(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_template_t *template)
{
    size_t                          size;
    ngx_int_t                      *index;
    ngx_uint_t                      i, *position;
    referral_str_t                 *external;
    ngx_http_variable_value_t      *vv;
    ngx_http_referral_main_conf_t  *rmcf;

    if (template == NULL || template->variables.nelts == 0) {
        return NGX_OK;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    external = ctx->values.external;

    if (external == NULL) {
        size = rmcf->externals.nelts * sizeof(referral_str_t);

        external = ngx_pcalloc(r->pool, size);
        if (external == NULL) {
            return NGX_ERROR;
        }

        ctx->values.external = external;
        ctx->values.nexternal = rmcf->externals.nelts;
    }

    index = rmcf->externals.elts;
    position = template->variables.elts;

    for (i = 0; i < template->variables.nelts; i++) {

        vv = ngx_http_get_flushed_variable(r, index[position[i]]);

        if (vv == NULL || vv->not_found) {
            continue;
        }

        external[position[i]].len = vv->len;
        external[position[i]].data = vv->data;
    }

    return NGX_OK;
}


/* renders the Location; none if a fallback location or 404 answers */

static ngx_int_t
ngx_http_referral_click_location(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    const char      *err;
    referral_buf_t   b;
    referral_str_t  *host;

    static u_char    buf[REFERRAL_LOCATION_MAX];
    static time_t    said;

    referral_buf_init(&b, buf, sizeof(buf));

    if (referral_decide_url(&ctx->decision, &ctx->click, &ctx->values, &b,
                            &err)
        == REFERRAL_OK)
    {
        ctx->location.len = b.pos - b.start;
        ctx->location.data = ngx_pnalloc(r->pool, ctx->location.len);

        if (ctx->location.data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(ctx->location.data, b.start, ctx->location.len);

        host = &ctx->decision.host;

        ctx->landing_host.len = host->len;
        ctx->landing_host.data = ctx->location.data + (host->data - b.start);
    }

    if (ctx->decision.result == REFERRAL_RESULT_REFUSED && err
        && said != ngx_time())
    {
        said = ngx_time();

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "referral: the landing of code \"%*s\" of program "
                      "\"%*s\" is refused: %s", ctx->code.len, ctx->code.data,
                      ctx->program.len, ctx->program.data, err);
    }

    if (ctx->decision.cut && said != ngx_time()) {
        said = ngx_time();

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "referral: the landing of code \"%*s\" of program "
                      "\"%*s\" goes without some of its arguments: with them "
                      "it is longer than %d bytes", ctx->code.len,
                      ctx->code.data, ctx->program.len, ctx->program.data,
                      REFERRAL_LOCATION_MAX);
    }

#if (NGX_DEBUG)
    ngx_http_referral_click_debug(r, ctx);
#endif

    return NGX_OK;
}


static void
ngx_http_referral_click_cancel(ngx_http_referral_ctx_t *ctx)
{
    ctx->cancel[NGX_HTTP_REFERRAL_WAIT_ANSWER] = NULL;

    ngx_http_referral_recorder_cancel(&ctx->commit);
}


static void
ngx_http_referral_click_committed(void *data)
{
    ngx_http_referral_ctx_t *ctx = data;

    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ctx->cancel[NGX_HTTP_REFERRAL_WAIT_ANSWER] = NULL;

    ngx_http_set_log_request(c->log, r);

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "referral click: the journal has been written");

    rc = ngx_http_referral_click_answer_send(r, ctx);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


#if (NGX_DEBUG)

/* the middle of a click's debug log: who came, and what was decided */

static void
ngx_http_referral_click_debug(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx)
{
    ngx_log_t            *log;
    referral_str_t        class, result, from, *value;
    referral_decision_t  *decision;

    log = r->connection->log;

    if (!(log->log_level & NGX_LOG_DEBUG_HTTP)) {
        return;
    }

    value = ctx->values.value;
    decision = &ctx->decision;

    class = referral_class_name(ctx->class);
    result = referral_result_name(decision->result);
    from = referral_from_name(decision->from);

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, log, 0,
                   "referral click: link %s, program %s, referrer \"%*s\"",
                   ngx_http_referral_click_state(ctx->click.link),
                   ngx_http_referral_click_state(ctx->click.program),
                   decision->referrer.len, decision->referrer.data);

    ngx_log_debug5(NGX_LOG_DEBUG_HTTP, log, 0,
                   "referral click: class %*s, visitor %s, click id \"%*s\"",
                   class.len, class.data,
                   !ctx->has_visitor ? "unknown"
                   : ctx->old_cookie == REFERRAL_COOKIE_OK ? "known" : "new",
                   (size_t) (ctx->has_click_id ? REFERRAL_CLICK_ID_LEN : 0),
                   ctx->click_id_text);

    ngx_log_debug6(NGX_LOG_DEBUG_HTTP, log, 0,
                   "referral click: country \"%*s\" region \"%*s\" "
                   "lang \"%*s\"",
                   value[REFERRAL_VALUE_COUNTRY].len,
                   value[REFERRAL_VALUE_COUNTRY].data,
                   value[REFERRAL_VALUE_REGION].len,
                   value[REFERRAL_VALUE_REGION].data,
                   value[REFERRAL_VALUE_LANG].len,
                   value[REFERRAL_VALUE_LANG].data);

    ngx_log_debug8(NGX_LOG_DEBUG_HTTP, log, 0,
                   "referral click: device \"%*s\" os \"%*s\" app \"%*s\" "
                   "channel \"%*s\"",
                   value[REFERRAL_VALUE_DEVICE].len,
                   value[REFERRAL_VALUE_DEVICE].data,
                   value[REFERRAL_VALUE_OS].len,
                   value[REFERRAL_VALUE_OS].data,
                   value[REFERRAL_VALUE_APP].len,
                   value[REFERRAL_VALUE_APP].data,
                   value[REFERRAL_VALUE_CHANNEL].len,
                   value[REFERRAL_VALUE_CHANNEL].data);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, log, 0,
                   "referral click: %d minutes east of UTC, by %s",
                   (int) decision->offset,
                   decision->timezone ? "a time zone" : "an offset");

    ngx_log_debug6(NGX_LOG_DEBUG_HTTP, log, 0,
                   "referral click: result %*s, by \"%*s\" line %ui, "
                   "to \"%V\"",
                   result.len, result.data, from.len, from.data,
                   (ngx_uint_t) decision->line, &ctx->location);
}


static char *
ngx_http_referral_click_state(const referral_entry_t *entry)
{
    static char  *states[] = { "active", "disabled", "paused", "absent" };

    return entry ? states[entry->state] : "not known";
}

#endif
