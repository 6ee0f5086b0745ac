
/*
 * What the recorder's rooms share: ngx_http_referral_recorder.c takes clicks
 * and keeps the journal, ngx_http_referral_drain.c brings journals to Redis,
 * ngx_http_referral_retire.c adopts, watches and ends them.
 */


#ifndef _NGX_HTTP_REFERRAL_RECORDER_CORE_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_RECORDER_CORE_H_INCLUDED_


#include "ngx_http_referral_recorder.h"
#include "ngx_http_referral_redis.h"
#include "referral_batch.h"
#include "referral_journal.h"


/* records looked at for one batch, at most */
#define NGX_HTTP_REFERRAL_BATCH_MAX    REFERRAL_BATCH_RECORDS


/* what is known of one program in one journal */

typedef struct {
    ngx_str_node_t                   sn;
    uint64_t                         mark;       /* last applied */
    referral_alias_t                *alias;      /* another id, or NULL */
    uint64_t                         held;       /* all up to here applied,
                                                    while it waits */
    ngx_msec_t                       retry;      /* time of the next try */
    ngx_msec_t                       delay;
    unsigned                         waiting:1;  /* the chunks leave it out */
    unsigned                         said:1;     /* the log knows that */
} ngx_http_referral_mark_t;


/* one journal on its way to Redis */

typedef struct {
    ngx_queue_t                      queue;
    ngx_http_referral_recorder_t    *recorder;
    referral_journal_t              *journal;
    referral_reader_t               *reader;
    ngx_pool_t                      *pool;       /* of the marks */
    ngx_rbtree_t                     marks;
    ngx_rbtree_node_t                sentinel;
    uint64_t                         from;       /* all up to here applied,
                                                    or of those that wait */
    uint64_t                         to;         /* end of the chunk; 0: none */
    uint64_t                         seen;       /* decoded at least once */
    uint64_t                         barred;     /* a record of a newer
                                                    version; 0: none */
    ngx_uint_t                       nwaiting;   /* programs that wait */
    ngx_http_referral_mark_t        *trial;      /* one of them, tried again */
    uint64_t                         resume;     /* "from" before the trial */
    uint64_t                         bad;        /* of the reader, counted */
    ngx_http_referral_journal_entry_t  *entry;   /* in the zone, or NULL */
    uint64_t                         damaged;    /* records, for the entry */
    uint64_t                         base;       /* before its first record */
    uint64_t                         told;       /* the totals have them */
    unsigned                         untold:1;   /* the zone has no room */
    unsigned                         unread:1;   /* the log knows an error */
    ngx_uint_t                       probes;     /* replies that are out */
    ngx_uint_t                       behind;     /* a probe found less */
    ngx_uint_t                       ending;
    ngx_uint_t                       deleted;    /* its marks */
} ngx_http_referral_drain_t;


struct ngx_http_referral_recorder_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    ngx_http_referral_main_conf_t   *conf;
    ngx_log_t                       *log;
    referral_journals_t             *journals;
    ngx_socket_t                     ident;

    ngx_http_referral_redis_t        redis;
    ngx_pool_t                      *pool;
    referral_batch_conf_t            batch_conf;
    referral_batch_t                *batch;

    ngx_queue_t                      commits;    /* answers that wait */
    ngx_uint_t                       ncommits;

    ngx_event_t                      flush;      /* posted */
    ngx_event_t                      next;       /* posted */
    ngx_event_t                      send;       /* timers, from here */
    ngx_event_t                      retry;
    ngx_event_t                      tick;
    ngx_event_t                      adopt;
    ngx_event_t                      hold;       /* not cancelable */
    ngx_event_t                      keep;       /* nor is this one */

    ngx_queue_t                      drains;
    ngx_http_referral_drain_t       *own;

    /* the pass that is under way, and how far it came */

    ngx_http_referral_drain_t       *scan;
    ngx_uint_t                       scanned;
    uint64_t                         end;
    ngx_uint_t                       others;     /* programs that wait */

    /* the batch that is being made, then is out */

    ngx_http_referral_drain_t       *drain;
    ngx_http_referral_mark_t        *mark;
    uint64_t                         expected;
    uint64_t                         last;
    ngx_uint_t                       records;
    ngx_msec_t                       sent;

    ngx_uint_t                       size;
    ngx_msec_t                       delay;
    ngx_msec_t                       probed;

    time_t                           second;     /* of the bound below */
    ngx_uint_t                       unresolved;
    size_t                           unresolved_bytes;  /* in memory only */

    uint64_t                         dropped[REFERRAL_DROPS];
    uint64_t                         foreign;    /* as the log was told */
    ngx_uint_t                       lost;       /* entry of the zone that is
                                                    looked at next */
    ngx_msec_t                       said_dropped;
    ngx_msec_t                       quit;       /* since then, to be kept */
    ngx_msec_t                       moved;      /* tried then */
    ngx_msec_t                       said_since; /* of the bound of lines */
    ngx_uint_t                       nsaid;
    unsigned                         refused:1;  /* the log knows an error */
    unsigned                         disk:1;     /* the log knows it failed */
    unsigned                         warming:1;
    unsigned                         syncing:1;
    unsigned                         closing:1;
    unsigned                         asked:1;    /* how Redis is set up */
    unsigned                         alone:1;    /* syncs without a thread */
    unsigned                         waiting:1;  /* clicks in memory only */
    unsigned                         quitting:1;
    unsigned                         expired:1;  /* it is not kept longer */

#if (NGX_THREADS)
    ngx_thread_task_t               *warm;
    ngx_thread_task_t               *sync;
#endif
};


#if (NGX_THREADS)

typedef struct {
    ngx_http_referral_recorder_t    *recorder;
    int                              fd;
    int                              err;
    off_t                            offset;
} ngx_http_referral_task_t;

#endif


/* recorder */

int64_t ngx_http_referral_recorder_now(void);
void ngx_http_referral_recorder_flush(ngx_http_referral_recorder_t *rec);
void ngx_http_referral_recorder_renew(ngx_http_referral_recorder_t *rec);

/* an adopted journal: what its worker had in memory when it died is lost */
void ngx_http_referral_recorder_died(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain);
void ngx_http_referral_recorder_lost(ngx_http_referral_recorder_t *rec,
    uint64_t n);

/* Redis has all of the journal up to "last" */
void ngx_http_referral_recorder_sent(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, uint64_t last);
#if (NGX_THREADS)
ngx_thread_task_t *ngx_http_referral_recorder_task(
    ngx_http_referral_recorder_t *rec,
    void (*thread)(void *data, ngx_log_t *log), ngx_event_handler_pt handler);
#endif

/*
 * drain: NULL without memory; the recorder's lists know of it.  For every
 * journal that has none: now, or when there is memory again.
 */

void ngx_http_referral_drain_open_all(ngx_http_referral_recorder_t *rec);
ngx_http_referral_drain_t *ngx_http_referral_drain_open(
    ngx_http_referral_recorder_t *rec, referral_journal_t *journal);
void ngx_http_referral_drain_close(ngx_http_referral_drain_t *drain);

/* something was written: sends at once what fills a batch, else soon */
void ngx_http_referral_drain_kick(ngx_http_referral_recorder_t *rec);

/* handlers of the recorder's events */
void ngx_http_referral_drain_send_handler(ngx_event_t *ev);
void ngx_http_referral_drain_state(void *data, ngx_uint_t up);

/* the zone's entry of this journal; "oldest" as the journals' statistics */
void ngx_http_referral_drain_publish(ngx_http_referral_drain_t *drain,
    int64_t oldest);

/*
 * For the last batch of a worker: NGX_OK when one stands in rec->batch for
 * rec->mark; what Redis answered; and what that means for the journal.
 */
ngx_int_t ngx_http_referral_drain_prepare(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain);
void ngx_http_referral_drain_answer(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, redisReply *reply,
    referral_batch_reply_t *result);
void ngx_http_referral_drain_result(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, referral_batch_reply_t *result);

/*
 * An error reply to the batch: NGX_OK if only its program waits for it, and
 * the others go on.
 */
ngx_int_t ngx_http_referral_drain_refused(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, redisReply *reply);

/* the id under which the records of this program are in Redis */
u_char *ngx_http_referral_drain_id(ngx_http_referral_drain_t *drain,
    ngx_http_referral_mark_t *mark);

/* Redis has less of the journal than "mark": what is missing is sent again */
void ngx_http_referral_drain_behind(ngx_http_referral_recorder_t *rec,
    ngx_http_referral_drain_t *drain, ngx_http_referral_mark_t *mark,
    uint64_t found);

/* journals: a timer's handler takes over what the dead left behind */

void ngx_http_referral_retire_adopt_handler(ngx_event_t *ev);

/* once a second: damage, other versions, marks, journals that are done */
void ngx_http_referral_retire_check(ngx_http_referral_recorder_t *rec);


#endif /* _NGX_HTTP_REFERRAL_RECORDER_CORE_H_INCLUDED_ */
