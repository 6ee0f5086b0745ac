
/*
 * The shared memory of all workers: counters, the book of journals, who is
 * there, and the cache of links, which lies in it as one piece.
 */


#ifndef _NGX_HTTP_REFERRAL_ZONE_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "referral_cache.h"
#include "referral_journal.h"
#include "referral_limit.h"
#include "referral_result.h"
#include "referral_visitor.h"


/* what happened to records of one kind */

typedef enum {
    NGX_HTTP_REFERRAL_RESENT = 0,
    NGX_HTTP_REFERRAL_LOST_BY_REDIS,
    NGX_HTTP_REFERRAL_QUARANTINED,
    NGX_HTTP_REFERRAL_UNTOLD,
    NGX_HTTP_REFERRAL_RECORD_EVENTS
} ngx_http_referral_record_event_e;


/*
 * Events of all workers, in the zone; only ever added to.  The first ones are
 * those of clicks.
 */

typedef enum {
    NGX_HTTP_REFERRAL_CACHE_HITS = NGX_HTTP_REFERRAL_RECORD_EVENTS,
    NGX_HTTP_REFERRAL_CACHE_STALE,
    NGX_HTTP_REFERRAL_CACHE_REFRESHED,
    NGX_HTTP_REFERRAL_CACHE_MISSES,
    NGX_HTTP_REFERRAL_LOOKUPS,
    NGX_HTTP_REFERRAL_LOOKUPS_FAILED,
    NGX_HTTP_REFERRAL_LOOKUPS_REFUSED,
    NGX_HTTP_REFERRAL_BAD_FIELDS,
    NGX_HTTP_REFERRAL_BAD_COOKIES,
    NGX_HTTP_REFERRAL_UNLISTED,
    NGX_HTTP_REFERRAL_NO_ADDRESS,
    NGX_HTTP_REFERRAL_COUNTERS
} ngx_http_referral_counter_e;


/* how a conversion's event was answered */

typedef enum {
    NGX_HTTP_REFERRAL_EVENT_ACCEPTED = 0,     /* on the disk */
    NGX_HTTP_REFERRAL_EVENT_RECORDED,         /* in Redis */
    NGX_HTTP_REFERRAL_EVENT_REPLAYED,
    NGX_HTTP_REFERRAL_EVENT_REUSED,           /* another event has its id */
    NGX_HTTP_REFERRAL_EVENT_INVALID,
    NGX_HTTP_REFERRAL_EVENT_UNAUTHORIZED,     /* a request of any number */
    NGX_HTTP_REFERRAL_EVENT_UNAVAILABLE,
    NGX_HTTP_REFERRAL_EVENT_ANSWERS
} ngx_http_referral_event_answer_e;


/* records that were not kept, beside those that the journal dropped */

#define NGX_HTTP_REFERRAL_DROP_UNRESOLVED  REFERRAL_DROPS
#define NGX_HTTP_REFERRAL_DROP_RECORDER    (REFERRAL_DROPS + 1)
#define NGX_HTTP_REFERRAL_DROPS            (REFERRAL_DROPS + 2)

#define NGX_HTTP_REFERRAL_JOURNALS         512
#define NGX_HTTP_REFERRAL_SETTLED          4096
#define NGX_HTTP_REFERRAL_WORKERS          256

/* two of a configuration; at a reload two follow two */
#define NGX_HTTP_REFERRAL_LISTENERS        4


/*
 * One journal that has unsettled records, as its owner, or who adopted it, last
 * saw it.  All numbers are sequence numbers, so whoever takes over corrects
 * what a killed process could not say any more.
 */

typedef struct {
    ngx_atomic_t                     state;       /* pid; 0: free */
    u_char                           id[16];
    uint64_t                         base;        /* settled before this zone */
    uint64_t                         last;
    uint64_t                         settled;     /* recorded or bad */
    uint64_t                         bad;
    int64_t                          oldest;      /* ms, 0: all is settled */
    ngx_uint_t                       born;        /* in this zone's life */
    ngx_uint_t                       filed;       /* the disk has some of it */
} ngx_http_referral_journal_entry_t;


/* a journal's directory: that of the configuration, and those before it */

#define NGX_HTTP_REFERRAL_DIRECTORIES      3
#define NGX_HTTP_REFERRAL_DIRECTORY_MAX    1024

typedef struct {
    ngx_uint_t                       generation;  /* latest; 0: free */
    size_t                           len;
    u_char                           path[NGX_HTTP_REFERRAL_DIRECTORY_MAX];
    referral_quota_t                 quota;
} ngx_http_referral_directory_t;


/* a journal without an entry: how much of it the totals have */

typedef struct {
    uint64_t                         id;          /* the first half */
    uint64_t                         last;        /* 0: not to be read */
    ngx_uint_t                       born;
} ngx_http_referral_settled_t;


/*
 * A time in the zone, as ngx_current_msec tells it, which has 32 bits on some
 * machines and wraps after 49 days: these have 64 everywhere.
 */

typedef int64_t  ngx_http_referral_msec_t  __attribute__((aligned(8)));

#define ngx_http_referral_load(p)      __atomic_load_n(p, __ATOMIC_RELAXED)
#define ngx_http_referral_store(p, n)  __atomic_store_n(p, n, __ATOMIC_RELAXED)


/* the recorder of a worker, for one kind of record */

typedef struct {
    ngx_uint_t                       up;
    ngx_msec_t                       latency;
    ngx_uint_t                       disk_failed;
    ngx_uint_t                       journals;
    uint64_t                         foreign;     /* kept for others */
} ngx_http_referral_worker_recorder_t;


typedef struct {
    ngx_atomic_t                     pid;         /* 0: free */
    ngx_http_referral_msec_t         seen;
    ngx_uint_t                       lookup_up;
    ngx_msec_t                       lookup_latency;
    ngx_http_referral_worker_recorder_t  clicks;
    ngx_http_referral_worker_recorder_t  events;
} ngx_http_referral_worker_entry_t;


/* a worker that hears of edits in Redis, or did */

typedef struct {
    ngx_atomic_t                     pid;         /* 0: free */
    ngx_atomic_t                     generation;  /* of the configuration */
    ngx_http_referral_msec_t         seen;        /* last turn of its timer */
    ngx_http_referral_msec_t         lease;       /* the cache is true until */
} ngx_http_referral_listener_t;


/*
 * One kind of record, as all workers see it: how many are where, and the
 * directories and journals that they are in.
 */

typedef struct {
    ngx_atomic_t                     dropped[NGX_HTTP_REFERRAL_DROPS];

    /* of journals that have no entry any more */
    ngx_atomic_t                     accepted;
    ngx_atomic_t                     adopted;
    ngx_atomic_t                     recorded;
    ngx_atomic_t                     bad;

    off_t                            journal_bytes;
    ngx_http_referral_directory_t    directories[
                                              NGX_HTTP_REFERRAL_DIRECTORIES];
    ngx_http_referral_journal_entry_t  journals[NGX_HTTP_REFERRAL_JOURNALS];
    ngx_http_referral_settled_t      settled[NGX_HTTP_REFERRAL_SETTLED];
    ngx_atomic_t                     nsettled;    /* the newest ones stay */
    ngx_atomic_t                     said_full;   /* time; 0: never */
} ngx_http_referral_records_t;


typedef struct {
    uint64_t                         magic;
    size_t                           size;        /* of this struct */

    ngx_atomic_t                     counters[NGX_HTTP_REFERRAL_COUNTERS];
    ngx_atomic_t                     hits[REFERRAL_RESULTS][REFERRAL_CLASSES];

    ngx_http_referral_records_t      clicks;
    ngx_http_referral_records_t      events;      /* of conversions */
    ngx_atomic_t                     event_counters[
                                              NGX_HTTP_REFERRAL_RECORD_EVENTS];
    ngx_atomic_t                     event_answers[
                                              NGX_HTTP_REFERRAL_EVENT_ANSWERS];
    ngx_http_referral_worker_entry_t   workers[NGX_HTTP_REFERRAL_WORKERS];

    ngx_uint_t                       generation;  /* of the configuration */
    ngx_http_referral_listener_t     listeners[NGX_HTTP_REFERRAL_LISTENERS];
    ngx_http_referral_msec_t         flushed;     /* 0: never */
    ngx_http_referral_msec_t         refused;     /* not to be asked for edits
                                                     before; 0: ask */

    uint64_t                         seed;        /* of addresses, below */
    referral_limit_t                 bound;       /* clicks by address */

    u_char                          *cache;       /* where its table lies */
    size_t                           cache_size;
} ngx_http_referral_zone_t;


/* the memory, and how long what lies in it serves, as "referral_zone" says */

typedef struct {
    ngx_shm_zone_t                  *shm_zone;
    ngx_http_referral_zone_t        *sh;          /* NULL: nothing needs it */
    referral_cache_t                 cache;
    size_t                           size;
    ngx_uint_t                       set;
    ngx_uint_t                       generation;  /* of the configuration */
    time_t                           valid;       /* s, as the others */
    time_t                           untracked;
    time_t                           negative;
    time_t                           stale;
} ngx_http_referral_zone_conf_t;


#define ngx_http_referral_zone(rmcf)  ((rmcf)->zone.sh)

/* the zone's clock: one of all processes */

#if (NGX_PTR_SIZE == 8)
#define ngx_http_referral_msec()  ((int64_t) ngx_current_msec)
#else
int64_t ngx_http_referral_msec(void);
#endif

ngx_int_t ngx_http_referral_zone_init(ngx_shm_zone_t *shm_zone, void *data);

/*
 * The book of journals: an entry is found or made, for the own journal always,
 * for others if the totals lack some of it.  NGX_DECLINED: they do not;
 * NGX_BUSY: there is no room.  "born": this process made the journal; "base":
 * what was settled before, for one that comes from elsewhere.  close: what it
 * held goes into the totals.
 */

ngx_int_t ngx_http_referral_zone_journal(ngx_http_referral_records_t *sh,
    u_char *id, ngx_uint_t born, uint64_t base, uint64_t last,
    ngx_http_referral_journal_entry_t **found);
void ngx_http_referral_zone_journal_close(ngx_http_referral_records_t *sh,
    ngx_http_referral_journal_entry_t *entry);

/*
 * dead: has the entry records that wait in the memory of a worker that is gone?
 * Its pid, or 0.  lost: its journal lies nowhere, so what waits is dropped, of
 * which the number is returned; 0 if the entry is not that worker's any more.
 */
ngx_atomic_uint_t ngx_http_referral_zone_journal_dead(
    ngx_http_referral_journal_entry_t *entry);
uint64_t ngx_http_referral_zone_journal_lost(ngx_http_referral_records_t *sh,
    ngx_http_referral_journal_entry_t *entry, ngx_atomic_uint_t pid);

/* the line of this process; NULL if there is no room */
ngx_http_referral_worker_entry_t *ngx_http_referral_zone_worker(
    ngx_http_referral_zone_t *zone);
void ngx_http_referral_zone_leave(ngx_http_referral_zone_t *zone);

/* a worker that was not heard of for longer is none, ms */
#define NGX_HTTP_REFERRAL_WORKER_GONE  5000

#define ngx_http_referral_count(rmcf, counter)                                \
    (void) ngx_atomic_fetch_add(                                              \
        &ngx_http_referral_zone(rmcf)->counters[counter], 1)


#endif /* _NGX_HTTP_REFERRAL_ZONE_H_INCLUDED_ */
