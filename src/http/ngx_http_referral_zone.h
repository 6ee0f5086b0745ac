
/*
 * The shared memory of all workers: counters, the state of each journal that
 * has unsettled records, the list of workers, and the cache of links, which is
 * one block in it.  The metrics page reads the counters here.
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


/* events of records of one kind */

typedef enum {
    NGX_HTTP_REFERRAL_RESENT = 0,
    NGX_HTTP_REFERRAL_LOST_BY_REDIS,
    NGX_HTTP_REFERRAL_QUARANTINED,
    NGX_HTTP_REFERRAL_UNTOLD,
    NGX_HTTP_REFERRAL_WAITED,                 /* for clicks */
    NGX_HTTP_REFERRAL_UNMET,                  /* no referrer, with a click */
    NGX_HTTP_REFERRAL_EARLY,                  /* segments, before retain= */
    NGX_HTTP_REFERRAL_RECORD_EVENTS
} ngx_http_referral_record_event_e;


/*
 * Counters of events, summed over all workers since the zone was made.  Those
 * of records come first, which are clicks.
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


/* why records were dropped, after the reasons of the journal */

#define NGX_HTTP_REFERRAL_DROP_UNRESOLVED  REFERRAL_DROPS
#define NGX_HTTP_REFERRAL_DROP_RECORDER    (REFERRAL_DROPS + 1)
#define NGX_HTTP_REFERRAL_DROPS            (REFERRAL_DROPS + 2)

#define NGX_HTTP_REFERRAL_JOURNALS         512
#define NGX_HTTP_REFERRAL_SETTLED          4096
#define NGX_HTTP_REFERRAL_WORKERS          256

/*
 * two workers of a configuration; during a reload there are two configurations
 */
#define NGX_HTTP_REFERRAL_LISTENERS        4


/*
 * A journal with unsettled records, as the worker that owns or adopted it last
 * saw it.  The numbers are sequence numbers, so a worker that takes the
 * journal over corrects what a killed one could not write any more.
 */

typedef struct {
    ngx_atomic_t                     state;       /* its worker's pid; 0:
                                                     free */
    u_char                           id[16];
    uint64_t                         base;        /* settled before this zone */
    uint64_t                         last;
    uint64_t                         settled;     /* recorded or bad */
    uint64_t                         bad;
    uint64_t                         sent;        /* Redis has up to here, but
                                                     for programs that it
                                                     refuses; may go back */
    int64_t                          oldest;      /* ms; of the oldest
                                                     unsettled record, 0:
                                                     none */
    ngx_uint_t                       born;        /* made since the zone
                                                     exists */
    ngx_uint_t                       filed;       /* some of it is on disk */
    ngx_uint_t                       busy;        /* its worker looks for, or
                                                     sends again, journals
                                                     that have no entry */
} ngx_http_referral_journal_entry_t;


/* the directory of journals, of this configuration or an earlier one */

#define NGX_HTTP_REFERRAL_DIRECTORIES      3
#define NGX_HTTP_REFERRAL_DIRECTORY_MAX    1024

typedef struct {
    ngx_uint_t                       generation;  /* the last one that used
                                                     it; 0: free */
    size_t                           len;
    u_char                           path[NGX_HTTP_REFERRAL_DIRECTORY_MAX];
    referral_quota_t                 quota;
} ngx_http_referral_directory_t;


/* a journal that has no entry any more, and how far the totals include it */

typedef struct {
    uint64_t                         id;          /* the id's first half */
    uint64_t                         last;        /* 0: being written */
    ngx_uint_t                       born;
} ngx_http_referral_settled_t;


/*
 * A time in the zone, ms.  It has 64 bits everywhere; ngx_current_msec has 32
 * on some machines, and wraps after 49 days.
 */

typedef int64_t  ngx_http_referral_msec_t  __attribute__((aligned(8)));

#define ngx_http_referral_load(p)      __atomic_load_n(p, __ATOMIC_RELAXED)
#define ngx_http_referral_store(p, n)  __atomic_store_n(p, n, __ATOMIC_RELAXED)


/* the state of a worker's recorder for one kind of record */

typedef struct {
    ngx_uint_t                       up;
    ngx_msec_t                       latency;
    ngx_uint_t                       disk_failed;
    ngx_uint_t                       journals;
    uint64_t                         foreign;     /* segments and journals
                                                     kept for another version */
} ngx_http_referral_worker_recorder_t;


typedef struct {
    ngx_atomic_t                     pid;         /* 0: free */
    ngx_http_referral_msec_t         seen;
    ngx_uint_t                       lookup_up;
    ngx_msec_t                       lookup_latency;
    ngx_http_referral_worker_recorder_t  clicks;
    ngx_http_referral_worker_recorder_t  events;
} ngx_http_referral_worker_entry_t;


/* a worker that receives Redis's messages about edits, or the last that did */

typedef struct {
    ngx_atomic_t                     pid;         /* 0: free */
    ngx_atomic_t                     generation;  /* of the configuration */
    ngx_http_referral_msec_t         seen;        /* when its timer ran last */
    ngx_http_referral_msec_t         lease;       /* the cache has all edits
                                                     until then */
} ngx_http_referral_listener_t;


/*
 * The records of one kind, of all workers: how many were accepted, recorded
 * and dropped, and the directories and journals that hold the rest.
 */

typedef struct {
    ngx_atomic_t                     dropped[NGX_HTTP_REFERRAL_DROPS];

    /* totals of the journals that have no entry any more */
    ngx_atomic_t                     accepted;
    ngx_atomic_t                     adopted;
    ngx_atomic_t                     recorded;
    ngx_atomic_t                     bad;

    off_t                            journal_bytes;
    ngx_http_referral_directory_t    directories[
                                              NGX_HTTP_REFERRAL_DIRECTORIES];
    ngx_http_referral_journal_entry_t  journals[NGX_HTTP_REFERRAL_JOURNALS];
    ngx_http_referral_settled_t      settled[NGX_HTTP_REFERRAL_SETTLED];
    ngx_atomic_t                     nsettled;    /* written so far: the
                                                     array is a ring */
    ngx_atomic_t                     said_full;   /* when the log said that
                                                     all entries are used; 0:
                                                     never */
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
    ngx_http_referral_msec_t         flushed;     /* the last flush; 0: never */
    ngx_http_referral_msec_t         refused;     /* no tracking attempt
                                                     before this time; 0: now */

    uint64_t                         seed;        /* for hashes of addresses
                                                     in "bound" */
    referral_limit_t                 bound;       /* clicks by address */

    u_char                          *cache;       /* its table */
    size_t                           cache_size;
} ngx_http_referral_zone_t;


/* "referral_zone": the memory, and the lifetimes of entries in the cache */

typedef struct {
    ngx_shm_zone_t                  *shm_zone;
    ngx_http_referral_zone_t        *sh;          /* NULL: nothing needs it */
    referral_cache_t                 cache;
    size_t                           size;
    ngx_uint_t                       set;
    ngx_uint_t                       generation;  /* of the configuration */
    time_t                           valid;       /* s, as those below */
    time_t                           untracked;
    time_t                           negative;
    time_t                           stale;
} ngx_http_referral_zone_conf_t;


#define ngx_http_referral_zone(rmcf)  ((rmcf)->zone.sh)

/* the clock of the zone's times, the same in all processes */

#if (NGX_PTR_SIZE == 8)
#define ngx_http_referral_msec()  ((int64_t) ngx_current_msec)
#else
int64_t ngx_http_referral_msec(void);
#endif

ngx_int_t ngx_http_referral_zone_init(ngx_shm_zone_t *shm_zone, void *data);

/*
 * Finds or makes the entry of a journal: for the worker's own journal always,
 * for an adopted one if the totals lack some of its records.  "born": this
 * process made the journal; "base": up to where an adopted journal was settled
 * before.  NGX_DECLINED: the totals have all of it; NGX_BUSY: no entry is
 * free.
 *
 * ..._close() adds the entry's numbers to the totals, and frees it.
 */

ngx_int_t ngx_http_referral_zone_journal(ngx_http_referral_records_t *sh,
    u_char *id, ngx_uint_t born, uint64_t base, uint64_t last,
    ngx_http_referral_journal_entry_t **found);
void ngx_http_referral_zone_journal_close(ngx_http_referral_records_t *sh,
    ngx_http_referral_journal_entry_t *entry);

/*
 * ..._dead() returns the pid of a worker that is gone if the entry's unsettled
 * records were only in its memory, else 0.  ..._lost() counts these records as
 * dropped and closes the entry, once it is known that the journal is in no
 * directory.  It returns their number, or 0 if the entry does not belong to
 * "pid" any more.
 */
ngx_atomic_uint_t ngx_http_referral_zone_journal_dead(
    ngx_http_referral_journal_entry_t *entry);
uint64_t ngx_http_referral_zone_journal_lost(ngx_http_referral_records_t *sh,
    ngx_http_referral_journal_entry_t *entry, ngx_atomic_uint_t pid);

/* 1: a worker that is alive says that its own journal's entry is busy */
ngx_uint_t ngx_http_referral_zone_journal_busy(
    ngx_http_referral_journal_entry_t *entry);

/* the entry of this process, made when needed; NULL: none is free */
ngx_http_referral_worker_entry_t *ngx_http_referral_zone_worker(
    ngx_http_referral_zone_t *zone);
void ngx_http_referral_zone_leave(ngx_http_referral_zone_t *zone);

/* a worker that was not seen for longer has ended, ms */
#define NGX_HTTP_REFERRAL_WORKER_GONE  5000

#define ngx_http_referral_count(rmcf, counter)                                \
    (void) ngx_atomic_fetch_add(                                              \
        &ngx_http_referral_zone(rmcf)->counters[counter], 1)


#endif /* _NGX_HTTP_REFERRAL_ZONE_H_INCLUDED_ */
