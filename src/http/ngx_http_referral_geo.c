
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_referral_geo.h"


typedef struct {
    ngx_str_t                  path;
    referral_geo_t            *geo;       /* NULL: closed */
    ngx_uint_t                 said;
} ngx_http_referral_geo_file_t;


struct ngx_http_referral_geo_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    void                      *data;
    ngx_log_t                 *log;
    ngx_array_t                files;     /* of ngx_http_referral_geo_file_t */
    ngx_msec_t                 reload;
    ngx_event_t                timer;

    referral_geo_memo_t       *memo;      /* each worker's own; NULL: no
                                             memory */

#if (NGX_THREADS)
    ngx_thread_pool_t         *thread_pool;
    ngx_thread_task_t         *task;
#endif
    ngx_uint_t                 busy;
};


#if (NGX_THREADS)

typedef struct {
    ngx_http_referral_geo_t       *geos;
    ngx_http_referral_geo_file_t  *file;
    referral_geo_t                *geo;
    char                           err[256];
} ngx_http_referral_geo_task_t;

#endif


static void ngx_http_referral_geo_doubt(ngx_http_referral_geo_file_t *file,
    referral_geo_t *geo, ngx_log_t *log);
static void ngx_http_referral_geo_cleanup(void *data);
static void ngx_http_referral_geo_handler(ngx_event_t *ev);
static void ngx_http_referral_geo_check(ngx_http_referral_geo_t *geos,
    ngx_uint_t i);
static void ngx_http_referral_geo_open(ngx_http_referral_geo_t *geos,
    ngx_http_referral_geo_file_t *file);
static void ngx_http_referral_geo_swap(ngx_http_referral_geo_t *geos,
    ngx_http_referral_geo_file_t *file, referral_geo_t *geo, const char *err);
#if (NGX_THREADS)
static void ngx_http_referral_geo_thread(void *data, ngx_log_t *log);
static void ngx_http_referral_geo_opened(ngx_event_t *ev);
#endif


/* opens the files in the master, so that all workers share one copy */

char *
ngx_http_referral_geo_init(ngx_conf_t *cf, ngx_http_referral_geo_conf_t *conf)
{
    char                           err[256];
    ngx_str_t                     *path;
    ngx_uint_t                     i;
    ngx_pool_cleanup_t            *cln;
    ngx_http_referral_geo_t       *geos;
    ngx_http_referral_geo_file_t  *file;

    if (conf->files == NULL) {
        return NGX_CONF_OK;
    }

    geos = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_geo_t));
    if (geos == NULL) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_referral_geo_cleanup;
    cln->data = geos;

    if (ngx_array_init(&geos->files, cf->pool, conf->files->nelts,
                       sizeof(ngx_http_referral_geo_file_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    geos->reload = (ngx_msec_t) conf->reload * 1000;

    path = conf->files->elts;

    for (i = 0; i < conf->files->nelts; i++) {
        file = ngx_array_push(&geos->files);

        ngx_memzero(file, sizeof(ngx_http_referral_geo_file_t));
        file->path = path[i];

        file->geo = referral_geo_open((char *) path[i].data, err, sizeof(err));

        if (file->geo == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"referral_geoip\": %s",
                               err);
            return NGX_CONF_ERROR;
        }

        ngx_http_referral_geo_doubt(file, file->geo, cf->log);
    }

    conf->geos = geos;

    return NGX_CONF_OK;
}


static void
ngx_http_referral_geo_doubt(ngx_http_referral_geo_file_t *file,
    referral_geo_t *geo, ngx_log_t *log)
{
    const char  *doubt;

    doubt = referral_geo_doubt(geo);

    if (doubt) {
        ngx_log_error(NGX_LOG_WARN, log, 0, "\"referral_geoip\": \"%V\" %s",
                      &file->path, doubt);
    }
}


static void
ngx_http_referral_geo_cleanup(void *data)
{
    ngx_http_referral_geo_t *geos = data;

    ngx_uint_t                     i;
    ngx_http_referral_geo_file_t  *file;

    file = geos->files.elts;

    for (i = 0; i < geos->files.nelts; i++) {
        if (file[i].geo) {
            referral_geo_close(file[i].geo);
            file[i].geo = NULL;
        }
    }

    referral_geo_memo_free(geos->memo);
    geos->memo = NULL;
}


void
ngx_http_referral_geo_start(ngx_http_referral_geo_conf_t *conf,
    ngx_log_t *log)
{
    ngx_http_referral_geo_t  *geos;

    geos = conf->geos;

    geos->log = log;

    /* without a memo every address is looked up */

    geos->memo = referral_geo_memo_create();

#if (NGX_THREADS)
    geos->thread_pool = conf->thread_pool;
#endif

    geos->timer.data = geos;
    geos->timer.handler = ngx_http_referral_geo_handler;
    geos->timer.log = log;
    geos->timer.cancelable = 1;

    if (geos->reload) {
        ngx_add_timer(&geos->timer, geos->reload
                                    + ngx_random() % (geos->reload / 10 + 1));
    }
}


static void
ngx_http_referral_geo_handler(ngx_event_t *ev)
{
    ngx_http_referral_geo_t  *geos;

    geos = ev->data;

    ngx_http_referral_geo_check(geos, 0);

    ngx_add_timer(ev, geos->reload);
}


/*
 * checks the files from the i-th on; when a thread has read one, it goes on
 * there
 */

static void
ngx_http_referral_geo_check(ngx_http_referral_geo_t *geos, ngx_uint_t i)
{
    ngx_http_referral_geo_file_t  *file;

    file = geos->files.elts;

    for ( /* void */ ; i < geos->files.nelts && !geos->busy; i++) {

        if (file[i].geo
            && referral_geo_changed(file[i].geo, (char *) file[i].path.data))
        {
            ngx_http_referral_geo_open(geos, &file[i]);
        }
    }
}


/* reading a database takes long: a thread does it if there is a pool */

static void
ngx_http_referral_geo_open(ngx_http_referral_geo_t *geos,
    ngx_http_referral_geo_file_t *file)
{
    char                           err[256];
    referral_geo_t                *geo;
#if (NGX_THREADS)
    ngx_http_referral_geo_task_t  *t;

    if (geos->thread_pool) {

        if (geos->task == NULL) {
            geos->task = ngx_thread_task_alloc(ngx_cycle->pool,
                                         sizeof(ngx_http_referral_geo_task_t));
        }

        if (geos->task) {
            t = geos->task->ctx;
            t->geos = geos;
            t->file = file;

            geos->task->handler = ngx_http_referral_geo_thread;
            geos->task->event.handler = ngx_http_referral_geo_opened;
            geos->task->event.data = t;

            if (ngx_thread_task_post(geos->thread_pool, geos->task)
                == NGX_OK)
            {
                geos->busy = 1;
                return;
            }
        }
    }

#endif

    geo = referral_geo_open((char *) file->path.data, err, sizeof(err));

    ngx_http_referral_geo_swap(geos, file, geo, err);
}


static void
ngx_http_referral_geo_swap(ngx_http_referral_geo_t *geos,
    ngx_http_referral_geo_file_t *file, referral_geo_t *geo, const char *err)
{
    if (geo == NULL) {

        if (!file->said) {
            file->said = 1;
            ngx_log_error(NGX_LOG_ERR, geos->log, 0,
                          "\"referral_geoip\": %s; the old database stays in "
                          "use", err);
        }

        return;
    }

    file->said = 0;

    referral_geo_close(file->geo);
    file->geo = geo;

    if (geos->memo) {
        referral_geo_memo_forget(geos->memo);
    }

    ngx_log_error(NGX_LOG_NOTICE, geos->log, 0,
                  "\"referral_geoip\": \"%V\" was read again", &file->path);

    ngx_http_referral_geo_doubt(file, geo, geos->log);
}


#if (NGX_THREADS)

static void
ngx_http_referral_geo_thread(void *data, ngx_log_t *log)
{
    ngx_http_referral_geo_task_t *t = data;

    t->geo = referral_geo_open((char *) t->file->path.data, t->err,
                               sizeof(t->err));
}


static void
ngx_http_referral_geo_opened(ngx_event_t *ev)
{
    ngx_http_referral_geo_task_t *t = ev->data;

    ngx_http_referral_geo_file_t  *file;

    t->geos->busy = 0;

    ngx_http_referral_geo_swap(t->geos, t->file, t->geo, t->err);

    file = t->geos->files.elts;

    ngx_http_referral_geo_check(t->geos, t->file - file + 1);
}

#endif


/* the memo pays because addresses repeat: a page's links, a carrier's NAT */

void
ngx_http_referral_geo_find(ngx_http_referral_geo_t *geos, struct sockaddr *sa,
    referral_geo_result_t *result)
{
    ngx_uint_t                     i;
    referral_geo_result_t         *place;
    const referral_geo_result_t   *known;
    ngx_http_referral_geo_file_t  *file;

    if (geos->memo) {
        known = referral_geo_memo_find(geos->memo, sa);

        if (known) {
            *result = *known;
            return;
        }
    }

    file = geos->files.elts;

    for (i = 0; i < geos->files.nelts; i++) {
        (void) referral_geo_lookup(file[i].geo, sa, result);
    }

    if (geos->memo) {
        place = referral_geo_memo_add(geos->memo, sa);

        if (place) {
            *place = *result;
        }
    }
}


void
ngx_http_referral_geo_prefetch(ngx_http_referral_geo_t *geos,
    struct sockaddr *sa)
{
    if (geos->memo) {
        referral_geo_memo_prefetch(geos->memo, sa);
    }
}


void
ngx_http_referral_geo_prefetch_value(ngx_http_referral_geo_t *geos,
    struct sockaddr *sa)
{
    const referral_geo_result_t  *known;

    if (geos->memo == NULL) {
        return;
    }

    known = referral_geo_memo_find(geos->memo, sa);

    if (known) {
        __builtin_prefetch(known);
        __builtin_prefetch((u_char *) known + sizeof(*known) - 1);
    }
}
