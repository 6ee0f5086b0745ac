
/*
 * The drain sends journals to Redis: it reads records, makes a batch for one
 * program, sends it and waits for the reply.  One batch is out at a time, and
 * the journals take turns.  While Redis is away the records stay in the
 * journal.  The drain calls the recorder by two callbacks only.
 *
 *     ngx_http_referral_drain_journal.c   one journal: its marks, how far it
 *                                         is sent, its entry in the zone
 *     ngx_http_referral_drain_clicks.c    which clicks an event waits for
 *     ngx_http_referral_drain_answer.c    what a reply of Redis means
 *     ngx_http_referral_drain.c           reads, makes a batch, sends it
 *     ngx_http_referral_last.c            the last batches at a worker's end,
 *                                         blocking
 */


#ifndef _NGX_HTTP_REFERRAL_DRAIN_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_DRAIN_H_INCLUDED_


#include "ngx_http_referral_recorder.h"
#include "ngx_http_referral_redis.h"
#include "ngx_http_referral_task.h"
#include "referral_journal.h"


/* records read for one batch, at least; more while Redis answers fast */
#define NGX_HTTP_REFERRAL_BATCH_MIN    50

/* ms between two looks whether what waits for clicks may go now */
#define NGX_HTTP_REFERRAL_WAIT_CLICKS  50

/* ms after which an event is sent once more whose click was not in Redis */
#define NGX_HTTP_REFERRAL_WAIT_AGAIN   200


typedef struct ngx_http_referral_drains_s  ngx_http_referral_drains_t;


/* after an outage Redis may have less than before */

typedef enum {
    NGX_HTTP_REFERRAL_LOST_NOT = 0,
    NGX_HTTP_REFERRAL_LOST,              /* no mark was asked for since */
    NGX_HTTP_REFERRAL_LOST_COMPARING     /* all were */
} ngx_http_referral_lost_e;


/* the mark of one program in one journal: up to where Redis has its records */

typedef struct {
    ngx_str_node_t                   sn;
    uint64_t                         mark;       /* last record applied */
    referral_alias_t                *alias;      /* the id in Redis if it is
                                                    not the journal's own; or
                                                    NULL */
    uint64_t                         held;       /* while it waits: applied
                                                    up to here */
    ngx_msec_t                       retry;      /* time of the next try */
    ngx_msec_t                       delay;
    ngx_msec_t                       since;      /* Redis refused it last */
    uint64_t                         part;       /* record before the last one
                                                    that waited for its click,
                                                    plus 1 */
    unsigned                         waiting:1;  /* Redis refuses it, or its
                                                    next record waits for a
                                                    click: chunks leave it
                                                    out */
    unsigned                         said:1;     /* that is in the log */
} ngx_http_referral_mark_t;


/* how far one journal is sent */

typedef struct {
    ngx_queue_t                      queue;
    ngx_http_referral_drains_t      *drains;
    referral_journal_t              *journal;
    referral_reader_t               *reader;
    ngx_pool_t                      *pool;       /* of the marks */
    ngx_rbtree_t                     marks;
    ngx_rbtree_node_t                sentinel;
    uint64_t                         from;       /* applied up to here, but
                                                    for programs that wait */
    uint64_t                         to;         /* end of the chunk; 0: none */
    uint64_t                         seen;       /* decoded up to here */
    uint64_t                         barred;     /* a record of a newer
                                                    version; 0: none */
    uint64_t                         clear;      /* records up to here have
                                                    no clicks to wait for */
    uint64_t                         asked;      /* the same, when the clicks
                                                    that were asked for are in
                                                    Redis */
    uint64_t                         held;       /* the record that waits for
                                                    them; 0: none */
    ngx_uint_t                       nwaiting;   /* programs that wait */
    ngx_http_referral_mark_t        *trial;      /* one of them, which is
                                                    tried again */
    uint64_t                         resume;     /* "from" before the trial */
    uint64_t                         bad;        /* the reader's count that
                                                    "damaged" includes */
    ngx_http_referral_journal_entry_t  *entry;   /* in the zone, or NULL */
    uint64_t                         damaged;    /* damaged records, for the
                                                    entry */
    uint64_t                         base;       /* number before its first
                                                    record */
    uint64_t                         told;       /* the totals have up to
                                                    here */
    unsigned                         untold:1;   /* the zone has no free
                                                    entry */
    unsigned                         unread:1;   /* an error of reading is in
                                                    the log */
    ngx_uint_t                       probes;     /* commands without a reply */
    ngx_uint_t                       behind;     /* Redis has less than the
                                                    mark */
    ngx_uint_t                       ending;
    ngx_uint_t                       deleted;    /* its marks, in Redis */
} ngx_http_referral_drain_t;


/* how far Redis was to have, and had, one journal of clicks */

typedef struct {
    uint64_t                         key;        /* the journal's; 0: nothing
                                                    to wait for */
    uint64_t                         last;
    uint64_t                         sent;
    ngx_msec_t                       at;         /* "sent" is so since then */
    unsigned                         said:1;
} ngx_http_referral_clicks_mark_t;


/* called when Redis has all of the journal up to "last" */

typedef void (*ngx_http_referral_drain_sent_pt)(void *data,
    ngx_http_referral_drain_t *drain, uint64_t last);

/* called with what became of the record "seq" of this journal */

typedef void (*ngx_http_referral_drain_outcome_pt)(void *data,
    ngx_http_referral_drain_t *drain, uint64_t seq,
    const referral_append_outcome_t *outcome);

/*
 * called when another process uses the id of the own journal, which needs a
 * new one
 */

typedef void (*ngx_http_referral_drain_foreign_pt)(void *data);


/*
 * All journals of a recorder.  The owner zeroes it, sets the members above the
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
    ngx_http_referral_drain_outcome_pt  outcome;
    ngx_http_referral_drain_foreign_pt  foreign;

    /* -- */

    ngx_http_referral_redis_t        redis;
    const ngx_http_referral_recorder_kind_t  *kind;
    void                            *batch;      /* made by the kind */
    int64_t                         *values;     /* of a reply */

    ngx_event_t                      next;       /* posted */
    ngx_event_t                      send;       /* timers, from here */
    ngx_event_t                      retry;
    ngx_event_t                      wait;

    ngx_queue_t                      all;        /* of journals */
    ngx_http_referral_drain_t       *own;

    /* the pass over a chunk that is under way */

    ngx_http_referral_drain_t       *scan;
    ngx_uint_t                       scanned;
    uint64_t                         end;
    ngx_uint_t                       others;     /* other programs have
                                                    records in the chunk */

    /* the batch that is being made, and then is sent */

    ngx_http_referral_drain_t       *drain;
    ngx_http_referral_mark_t        *mark;
    uint64_t                         expected;
    uint64_t                         last;
    ngx_uint_t                       records;
    ngx_msec_t                       sent_at;

    ngx_uint_t                       size;
    ngx_msec_t                       delay;

    ngx_http_referral_clicks_mark_t  *clicks;    /* one for each entry of the
                                                    zone; NULL: records of this
                                                    kind wait for none */
    ngx_msec_t                       since;      /* Redis takes all since then
                                                    without an outage */
    ngx_msec_t                       went;       /* Redis went back then */
    ngx_msec_t                       part;       /* a record waited for its
                                                    click then */
    ngx_uint_t                       lost;       /* ..._lost_e: have the marks
                                                    been compared since the
                                                    connection was lost? */

    ngx_msec_t                       said_since; /* when the minute of
                                                    "nsaid" began */
    ngx_uint_t                       nsaid;
    unsigned                         refused:1;  /* that Redis refuses
                                                    batches is in the log */
    unsigned                         warming:1;
    unsigned                         back:1;     /* Redis ever went back */
    unsigned                         asking:1;   /* "clicks" are waited for */
    unsigned                         urgent:1;   /* nothing waits for clicks */
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
 * init: NGX_ERROR: no memory.  start: connects to Redis.  quit: sends nothing
 * more but the last batches; 1: Redis was connected.  close_all: closes the
 * journals too.
 */
ngx_int_t ngx_http_referral_drain_init(ngx_http_referral_drains_t *ds);
void ngx_http_referral_drain_start(ngx_http_referral_drains_t *ds);
ngx_uint_t ngx_http_referral_drain_quit(ngx_http_referral_drains_t *ds);
void ngx_http_referral_drain_close_all(ngx_http_referral_drains_t *ds);

/* initializes an event; a worker that quits does not wait for its timer */
void ngx_http_referral_drain_event(ngx_event_t *ev, void *data,
    ngx_log_t *log, ngx_event_handler_pt handler);
void ngx_http_referral_drain_stop(ngx_event_t *ev);

/* to be called after a write: sends at once what fills a batch, else soon */
void ngx_http_referral_drain_kick(ngx_http_referral_drains_t *ds);

/* there may be more to send: the next turn of the event loop finds out */
void ngx_http_referral_drain_resume(ngx_http_referral_drains_t *ds);

/*
 * open: NULL: no memory.  open_all: opens every journal that is not open yet,
 * now or at a later call if there is no memory.
 */
ngx_http_referral_drain_t *ngx_http_referral_drain_open(
    ngx_http_referral_drains_t *ds, referral_journal_t *journal);
void ngx_http_referral_drain_open_all(ngx_http_referral_drains_t *ds);
void ngx_http_referral_drain_close(ngx_http_referral_drain_t *drain);

/* updates the journal's entry in the zone; "oldest" as in the statistics */
void ngx_http_referral_drain_publish(ngx_http_referral_drain_t *drain,
    int64_t oldest);

/* counts an event of ..._record_event_e for "n" records */
void ngx_http_referral_drain_count(ngx_http_referral_drains_t *ds,
    ngx_uint_t event, uint64_t n);

/* logs that "n" records were lost with the memory of a worker that died */
void ngx_http_referral_drain_lost(ngx_http_referral_drains_t *ds, uint64_t n);

/* the id under which Redis has the mark of this program */
u_char *ngx_http_referral_drain_id(ngx_http_referral_drain_t *drain,
    ngx_http_referral_mark_t *mark);

/* Redis has only "found" of what "mark" says: the rest is sent again */
void ngx_http_referral_drain_behind(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, ngx_http_referral_mark_t *mark,
    uint64_t found);

/* the first record that was never looked at for a batch */
uint64_t ngx_http_referral_drain_unread(ngx_http_referral_drain_t *drain);

/* up to where the records of all programs are sent, also of those that wait */
uint64_t ngx_http_referral_drain_settled(ngx_http_referral_drain_t *drain);

/* every program has its records of the chunk: goes on behind it */
void ngx_http_referral_drain_applied(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain);

/* the mark of a program, made if it is not there; NULL: no memory */
ngx_http_referral_mark_t *ngx_http_referral_drain_mark(
    ngx_http_referral_drain_t *drain, referral_str_t *program);

/*
 * 1: Redis has the clicks of this host that were made before the record "seq",
 * or those that it lacks have not got on for too long
 */
ngx_uint_t ngx_http_referral_drain_clicks(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, uint64_t seq);

/* Redis may have lost clicks: what this said before does not hold any more */
void ngx_http_referral_drain_unclear(ngx_http_referral_drains_t *ds);

/* tells others how far the journal is sent */
void ngx_http_referral_drain_tell(ngx_http_referral_drain_t *drain);

/*
 * Makes the next batch.  NGX_OK: it is in ds->batch, for ds->mark;
 * NGX_DECLINED: this journal has nothing to send; NGX_BUSY: an event will call
 * again; NGX_ERROR: to be tried again later.
 */
ngx_int_t ngx_http_referral_drain_prepare(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain);

/* answer: reads a reply that is not an error; result: does what it means */
void ngx_http_referral_drain_answer(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, redisReply *reply,
    referral_batch_reply_t *result);
void ngx_http_referral_drain_result(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, referral_batch_reply_t *result);

/*
 * For a reply that is an error.  refused: NGX_OK if it concerns only the
 * batch's program, which waits then; otherwise error() is to be called.
 */
ngx_int_t ngx_http_referral_drain_refused(ngx_http_referral_drains_t *ds,
    ngx_http_referral_drain_t *drain, redisReply *reply);
void ngx_http_referral_drain_error(ngx_http_referral_drains_t *ds,
    redisReply *reply);

/* tries again with back-off */
void ngx_http_referral_drain_retry(ngx_http_referral_drains_t *ds);

/*
 * Sends the own journal's rest at a worker's end.  It blocks for a second at
 * most, so the event loop must be over.
 */
void ngx_http_referral_last_send(ngx_http_referral_drains_t *ds);


#endif /* _NGX_HTTP_REFERRAL_DRAIN_H_INCLUDED_ */
