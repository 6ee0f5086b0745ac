
/*
 * What the recorder's files share.  Each calls those before it, and what lies
 * below: retire, drain.
 *
 *     ngx_http_referral_recorder_commit.c   from memory to the disk, and then
 *                                           the answers
 *     ngx_http_referral_recorder_leave.c    a worker that ends with records in
 *                                           its memory
 *     ngx_http_referral_recorder.c          takes clicks
 */


#ifndef _NGX_HTTP_REFERRAL_RECORDER_CORE_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_RECORDER_CORE_H_INCLUDED_


#include "ngx_http_referral_recorder.h"
#include "ngx_http_referral_retire.h"


/* ms */
#define NGX_HTTP_REFERRAL_TICK         1000
#define NGX_HTTP_REFERRAL_KEEP         200


struct ngx_http_referral_recorder_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    ngx_http_referral_recorder_conf_t  *conf;
    ngx_log_t                       *log;
    referral_journals_t             *journals;
    ngx_socket_t                     ident;

    ngx_pool_t                      *pool;
    referral_journals_conf_t         journals_conf;

    ngx_http_referral_drains_t       drains;
    ngx_http_referral_retire_t       retire;

    ngx_queue_t                      commits;    /* answers that wait */
    ngx_queue_t                      awaiting;   /* those that Redis has not
                                                    told of */
    ngx_uint_t                       ncommits;
    ngx_uint_t                       ndurable;   /* of them, at most */
    uint64_t                         kept;       /* last record that may not be
                                                    taken back */

    ngx_event_t                      flush;      /* posted */
    ngx_event_t                      tick;       /* timers, from here */
    ngx_event_t                      hold;       /* not cancelable */
    ngx_event_t                      keep;       /* nor is this one */

    time_t                           second;     /* of the bound below */
    ngx_uint_t                       unresolved;
    size_t                           unresolved_bytes;  /* in memory only */

    uint64_t                         dropped[REFERRAL_DROPS];
    ngx_msec_t                       said_dropped;
    uint64_t                         early;      /* segments that were told */
    ngx_msec_t                       said_early;
    ngx_msec_t                       quit;       /* since then, to be kept */
    ngx_msec_t                       moved;      /* tried then */
    unsigned                         disk:1;     /* the log knows it failed */
    unsigned                         syncing:1;
    unsigned                         closing:1;
    unsigned                         alone:1;    /* syncs without a thread */
    unsigned                         waiting:1;  /* clicks in memory only */
    unsigned                         quitting:1;
    unsigned                         expired:1;  /* it is not kept longer */

#if (NGX_THREADS)
    ngx_thread_task_t               *sync;
#endif
};


/* commit: writes what was appended, and sends it */
void ngx_http_referral_recorder_flush(ngx_http_referral_recorder_t *rec);

/* those whose records are safe */
void ngx_http_referral_recorder_answer(ngx_http_referral_recorder_t *rec);

/* fdatasync without holding anybody up but those who asked to be */
void ngx_http_referral_recorder_sync(ngx_http_referral_recorder_t *rec);

#if (NGX_THREADS)
void ngx_http_referral_recorder_hold(ngx_http_referral_recorder_t *rec);
void ngx_http_referral_recorder_hold_handler(ngx_event_t *ev);
#endif

/* a new own journal; those who wait are answered */
void ngx_http_referral_recorder_renew(ngx_http_referral_recorder_t *rec);

/* clicks are in memory only: a worker that quits waits for room */
void ngx_http_referral_recorder_waits(ngx_http_referral_recorder_t *rec);

/* leave */
void ngx_http_referral_recorder_keep_handler(ngx_event_t *ev);
void ngx_http_referral_recorder_move(ngx_http_referral_recorder_t *rec);
void ngx_http_referral_recorder_abandon(ngx_http_referral_recorder_t *rec);


#endif /* _NGX_HTTP_REFERRAL_RECORDER_CORE_H_INCLUDED_ */
