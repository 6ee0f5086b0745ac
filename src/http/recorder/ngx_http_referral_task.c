
#include "ngx_http_referral_task.h"


#if (NGX_THREADS)

ngx_thread_task_t *
ngx_http_referral_task_create(ngx_pool_t *pool, void *data,
    void (*thread)(void *data, ngx_log_t *log), ngx_event_handler_pt handler)
{
    ngx_thread_task_t         *task;
    ngx_http_referral_task_t  *t;

    task = ngx_thread_task_alloc(pool, sizeof(ngx_http_referral_task_t));
    if (task == NULL) {
        return NULL;
    }

    t = task->ctx;
    t->data = data;

    task->handler = thread;
    task->event.data = t;
    task->event.handler = handler;

    return task;
}

#endif
