
/*
 * Runs a call of the journal that may wait for the disk in a thread.
 */


#ifndef _NGX_HTTP_REFERRAL_TASK_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_TASK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#if (NGX_THREADS)

#include <ngx_thread_pool.h>


/* its arguments and its result; one is out at a time */

typedef struct {
    void                            *data;       /* the caller's */
    int                              fd;
    int                              err;
    off_t                            offset;
} ngx_http_referral_task_t;


/*
 * "thread" runs in the pool and gets a ..._task_t; after it "handler" runs in
 * the worker, with the same in ev->data.  NULL: no memory.
 */
ngx_thread_task_t *ngx_http_referral_task_create(ngx_pool_t *pool, void *data,
    void (*thread)(void *data, ngx_log_t *log), ngx_event_handler_pt handler);

#endif


#endif /* _NGX_HTTP_REFERRAL_TASK_H_INCLUDED_ */
