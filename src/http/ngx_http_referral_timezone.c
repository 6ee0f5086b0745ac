
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_referral_timezone.h"
#include "referral_tzdata.h"


#define NGX_HTTP_REFERRAL_TIMEZONE_LOOK   3600000  /* ms */
#define NGX_HTTP_REFERRAL_TIMEZONE_FILES  4        /* in a turn of the loop */


struct ngx_http_referral_timezone_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    ngx_http_referral_timezone_conf_t  *conf;
    ngx_log_t                          *log;
    char                               *path;
    ngx_uint_t                          said;
    ngx_event_t                         timer;

    referral_timezones_t               *zones;    /* NULL: there are none */
    referral_timezones_t               *old;      /* a request may use one */
    referral_tzdata_mark_t              mark;     /* of "zones" */

    referral_tzdata_t                  *reading;
    referral_tzdata_mark_t              next;     /* of what is being read */

#if (NGX_THREADS)
    ngx_thread_task_t                  *task;
#endif
};


#if (NGX_THREADS)

typedef struct {
    ngx_http_referral_timezone_t  *timezone;
    char                          *path;
    referral_tzdata_mark_t         mark;
    referral_tzdata_mark_t         next;
    referral_timezones_t          *zones;
    ngx_uint_t                     changed;
    char                           err[REFERRAL_TZDATA_ERROR];
} ngx_http_referral_timezone_task_t;

#endif


static void ngx_http_referral_timezone_cleanup(void *data);
static void ngx_http_referral_timezone_handler(ngx_event_t *ev);
static void ngx_http_referral_timezone_wait(
    ngx_http_referral_timezone_t *timezone);
static void ngx_http_referral_timezone_swap(
    ngx_http_referral_timezone_t *timezone, referral_timezones_t *zones,
    const char *err);
#if (NGX_THREADS)
static ngx_int_t ngx_http_referral_timezone_post(
    ngx_http_referral_timezone_t *timezone);
static void ngx_http_referral_timezone_thread(void *data, ngx_log_t *log);
static void ngx_http_referral_timezone_done(ngx_event_t *ev);
#endif


/* read by the master, so that all workers share one copy */

char *
ngx_http_referral_timezone_init(ngx_conf_t *cf,
    ngx_http_referral_timezone_conf_t *conf)
{
    char                           err[REFERRAL_TZDATA_ERROR];
    size_t                         len;
    const char                    *path;
    ngx_pool_cleanup_t            *cln;
    ngx_http_referral_timezone_t  *timezone;

    if (conf->reader) {
        return NGX_CONF_OK;
    }

    timezone = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_timezone_t));
    if (timezone == NULL) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_referral_timezone_cleanup;
    cln->data = timezone;

    /* a worker's environment may differ */

    path = referral_tzdata_path();
    len = ngx_strlen(path) + 1;

    timezone->path = ngx_pnalloc(cf->pool, len);
    if (timezone->path == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(timezone->path, path, len);

    timezone->zones = referral_tzdata_read(timezone->path, &timezone->mark,
                                           err);

    /* nginx starts without any; a name that is used then has an error */

    if (timezone->zones && err[0]) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0, "referral: a time zone "
                      "cannot be used: %s", err);
    }

    timezone->conf = conf;

    conf->reader = timezone;
    conf->zones = timezone->zones;

    return NGX_CONF_OK;
}


static void
ngx_http_referral_timezone_cleanup(void *data)
{
    ngx_http_referral_timezone_t *timezone = data;

    char  err[REFERRAL_TZDATA_ERROR];

    if (timezone->reading) {
        referral_timezones_free(referral_tzdata_close(timezone->reading, err));
        timezone->reading = NULL;
    }

    referral_timezones_free(timezone->zones);
    referral_timezones_free(timezone->old);

    timezone->zones = NULL;
    timezone->old = NULL;
}


void
ngx_http_referral_timezone_start(ngx_http_referral_timezone_conf_t *conf,
    ngx_log_t *log)
{
    ngx_http_referral_timezone_t  *timezone;

    timezone = conf->reader;

    timezone->log = log;

    timezone->timer.data = timezone;
    timezone->timer.handler = ngx_http_referral_timezone_handler;
    timezone->timer.log = log;
    timezone->timer.cancelable = 1;

    ngx_http_referral_timezone_wait(timezone);
}


static void
ngx_http_referral_timezone_wait(ngx_http_referral_timezone_t *timezone)
{
    ngx_add_timer(&timezone->timer, NGX_HTTP_REFERRAL_TIMEZONE_LOOK
                       + ngx_random() % (NGX_HTTP_REFERRAL_TIMEZONE_LOOK / 10));
}


/* a thread reads all files; without threads a few in a turn of the loop */

static void
ngx_http_referral_timezone_handler(ngx_event_t *ev)
{
    char                           err[REFERRAL_TZDATA_ERROR];
    ngx_uint_t                     i;
    referral_timezones_t          *zones;
    ngx_http_referral_timezone_t  *timezone;

    timezone = (ngx_http_referral_timezone_t *) ev->data;

    if (timezone->reading == NULL) {

#if (NGX_THREADS)
        if (ngx_http_referral_timezone_post(timezone) == NGX_OK) {
            return;
        }
#endif

        if (referral_tzdata_changed(timezone->path, &timezone->mark)) {
            timezone->reading = referral_tzdata_open(timezone->path,
                                                     &timezone->next);
        }

        if (timezone->reading == NULL) {
            ngx_http_referral_timezone_wait(timezone);
            return;
        }
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_TIMEZONE_FILES; i++) {

        if (referral_tzdata_step(timezone->reading) == REFERRAL_AGAIN) {
            continue;
        }

        zones = referral_tzdata_close(timezone->reading, err);
        timezone->reading = NULL;

        ngx_http_referral_timezone_swap(timezone, zones, err);
        ngx_http_referral_timezone_wait(timezone);
        return;
    }

    ngx_add_timer(ev, 1);
}


static void
ngx_http_referral_timezone_swap(ngx_http_referral_timezone_t *timezone,
    referral_timezones_t *zones, const char *err)
{
    if (zones == NULL) {

        if (!timezone->said) {
            timezone->said = 1;
            ngx_log_error(NGX_LOG_ERR, timezone->log, 0,
                          "referral: time zones cannot be read: %s; the old "
                          "ones stay", err);
        }

        return;
    }

    timezone->said = 0;
    timezone->mark = timezone->next;

    referral_timezones_free(timezone->old);
    timezone->old = timezone->zones;

    timezone->zones = zones;
    timezone->conf->zones = zones;

    ngx_log_error(NGX_LOG_NOTICE, timezone->log, 0,
                  "referral: %uz time zones were read again from \"%s\"",
                  referral_timezones_count(zones), timezone->path);

    if (err[0]) {
        ngx_log_error(NGX_LOG_WARN, timezone->log, 0, "referral: a time zone "
                      "cannot be used: %s", err);
    }
}


#if (NGX_THREADS)

static ngx_int_t
ngx_http_referral_timezone_post(ngx_http_referral_timezone_t *timezone)
{
    ngx_http_referral_timezone_task_t  *t;

    if (timezone->conf->thread_pool == NULL) {
        return NGX_DECLINED;
    }

    if (timezone->task == NULL) {
        timezone->task = ngx_thread_task_alloc(ngx_cycle->pool,
                                    sizeof(ngx_http_referral_timezone_task_t));
        if (timezone->task == NULL) {
            return NGX_ERROR;
        }
    }

    t = timezone->task->ctx;
    t->timezone = timezone;
    t->path = timezone->path;
    t->mark = timezone->mark;

    timezone->task->handler = ngx_http_referral_timezone_thread;
    timezone->task->event.handler = ngx_http_referral_timezone_done;
    timezone->task->event.data = t;

    return ngx_thread_task_post(timezone->conf->thread_pool, timezone->task);
}


static void
ngx_http_referral_timezone_thread(void *data, ngx_log_t *log)
{
    ngx_http_referral_timezone_task_t *t = data;

    t->zones = NULL;
    t->changed = referral_tzdata_changed(t->path, &t->mark);

    if (t->changed) {
        t->zones = referral_tzdata_read(t->path, &t->next, t->err);
    }
}


static void
ngx_http_referral_timezone_done(ngx_event_t *ev)
{
    ngx_http_referral_timezone_task_t *t = ev->data;

    if (t->changed) {
        t->timezone->next = t->next;
        ngx_http_referral_timezone_swap(t->timezone, t->zones, t->err);
    }

    ngx_http_referral_timezone_wait(t->timezone);
}

#endif
