
/*
 * Journals on their way to Redis: one batch of one program is out at a time,
 * and the journals take turns.  The drain knows the recorder by two callbacks
 * only.
 *
 *     ngx_http_referral_drain_journal.c   one journal: its marks, how far it
 *                                         is, its entry in the zone
 *     ngx_http_referral_drain_answer.c    what Redis answered
 *     ngx_http_referral_drain.c           reads, makes a batch, sends it
 *     ngx_http_referral_last.c            the same, waiting, at a worker's end
 */


#ifndef _NGX_HTTP_REFERRAL_DRAIN_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_DRAIN_H_INCLUDED_


#include "ngx_http_referral_recorder.h"
#include "ngx_http_referral_redis.h"
#include "ngx_http_referral_task.h"
#include "referral_journal.h"


/* records looked at for one batch; it adapts to how fast Redis answers */
#define NGX_HTTP_REFERRAL_BATCH_MIN    50


typedef struct ngx_http_referral_drains_s  ngx_http_referral_drains_t;


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
    ngx_http_referral_drains_t      *drains;
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


/* Redis has all of the journal up to "last" */

typedef void (*ngx_http_referral_drain_sent_pt)(void *data,
    ngx_http_referral_drain_t *drain, uint64_t last);

/* others write to Redis under the id of the own journal: it needs a new one */

typedef void (*ngx_http_referral_drain_foreign_pt)(void *data);


/*
 * All journals of a recorder.  The owner zeroes it, sets what stands above the
 * line, and calls ngx_http_referral_drain_init().
 */

struct ngx_http_referral_drains_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    void                            *data;       /* of the callbacks */
    ngx_http_referral_recorder_conf_t  *conf;
    ngx_log_t                       *log;
    ngx_socket_t                     ident;

    ngx_pool_t                      *pool;
    referral_journals_t             *journals;
    ngx_http_referral_drain_sent_pt  sent;
    ngx_http_referral_drain_foreign_pt  foreign;

    /* -- */

    ngx_http_referral_redis_t        redis;
    const ngx_http_referral_recorder_kind_t  *kind;
    void                            *batch;      /* the kind's */
    int64_t                         *values;     /* of an answer */

    ngx_event_t                      next;       /* posted */
    ngx_event_t                      send;       /* timers, from here */
    ngx_event_t                      retry;

    ngx_queue_t                      all;        /* of journals */
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
    ngx_msec_t                       sent_at;

    ngx_uint_t                       size;
    ngx_msec_t                       delay;

    ngx_msec_t                       said_since; /* of the bound of lines */
    ngx_uint_t                       nsaid;
    unsigned                         refused:1;  /* the log knows an error */
    unsigned                         warming:1;
    unsigned                         closing:1;

#if (NGX_THREADS)
    ngx_thread_task_t               *warm;
#endif
};


/* wall clock, ms */

static ngx_inline int64_t
ngx_http_referral_drain_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + tp->msec;
}


/*
 * init: NGX_ERROR without memory.  start: connects.  quit: nothing goes to
 * Redis any more, but in the last batch; 1: Redis was there.  close_all: the
 * journals too.
 */
ngx_int_t ngx_http_referral_drain_init(ngx_http_referral_drains_t *ds);
void ngx_http_referral_drain_start(ngx_http_referral_drains_t *ds);
ngx_uint_t ngx_http_referral_drain_quit(ngx_http_referral_drains_t *ds);
void ngx_http_referral_drain_close_all(ngx_http_referral_drains_t *ds);

/* an event of a recorder, which a worker that quits need not wait for */
void ngx_http_referral_drain_event(ngx_event_t *ev, void *data,
    ngx_log_t *log, ngx_event_handler_pt handler);
void ngx_http_referral_drain_stop(ngx_event_t *ev);

/* something was written: sends at once what fills a batch, else soon */
void ngx_http_referral_drain_kick(ngx_http_referral_drains_t *ds);

/* there may be more to send: looks in the next turn of the event loop */
void ngx_http_referral_drain_resume(ngx_http_referral_drains_t *ds);

/*
 * NULL without memory.  open_all: for every journal that has none; now, or
 * when there is memory again.
 */
ngx_http_referral_drain_t *ngx_http_referral_drain_open(
    ngx_http_referral_drains_t *ds, referral_journal_t *journal);
void ngx_http_referral_drain_open_all(ngx_http_referral_drains_t *ds);
void ngx_http_referral_drain_close(ngx_http_referral_drain_t *drain);

/* the zone's entry of this journal; "oldest" as the journals' statistics */
void ngx_http_referral_drain_publish(ngx_http_referral_drain_t *drain,
    int64_t oldest);

/* one of ..._record_event_e happened to "n" records */
void ngx_http_referral_drain_count(ngx_http_referral_drains_t *ds,
    ngx_uint_t event, uint64_t n);

/* "n" records were in the memory of a worker that died */
void ngx_http_referral_drain_lost(ngx_http_referral_drains_t *ds, uint64_t n);

/* the id under which the records of this program are in Redis */
u_char *ngx_http_referral_drain_id(ngx_http_referral_drain_t *drain,
    ngx_http_referral_mark_t *mark);

/* Redis has less of the journal than "mark": what is missing is sent again */
void ngx_http_referral_drain_behind(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, ngx_http_referral_mark_t *mark,
    uint64_t found);

/* the first record that was never looked at for a batch */
uint64_t ngx_http_referral_drain_unread(ngx_http_referral_drain_t *drain);

/* what is sent of all programs, also of those that wait */
uint64_t ngx_http_referral_drain_settled(ngx_http_referral_drain_t *drain);

/* all programs of the chunk have what is theirs */
void ngx_http_referral_drain_applied(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain);

/* NULL without memory */
ngx_http_referral_mark_t *ngx_http_referral_drain_mark(
    ngx_http_referral_drain_t *drain, referral_str_t *program);

/*
 * NGX_OK: a batch stands in ds->batch, for ds->mark; NGX_DECLINED: this
 * journal has nothing to send; NGX_BUSY: later, an event will tell;
 * NGX_ERROR: later.
 */
ngx_int_t ngx_http_referral_drain_prepare(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain);

/* what Redis answered, which is no error; and what that means */
void ngx_http_referral_drain_answer(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, redisReply *reply,
    referral_batch_reply_t *result);
void ngx_http_referral_drain_result(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, referral_batch_reply_t *result);

/*
 * An error reply to the batch.  refused: NGX_OK if only its program waits for
 * it, and the others go on; else error().
 */
ngx_int_t ngx_http_referral_drain_refused(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, redisReply *reply);
void ngx_http_referral_drain_error(ngx_http_referral_drains_t *ds,
    redisReply *reply);

/* tries again a little later, and later each time */
void ngx_http_referral_drain_retry(ngx_http_referral_drains_t *ds);

/*
 * Sends what there is, waiting for Redis, for a second at most: only when the
 * event loop is over.
 */
void ngx_http_referral_last_send(ngx_http_referral_drains_t *ds);


#endif /* _NGX_HTTP_REFERRAL_DRAIN_H_INCLUDED_ */
