
/*
 * What the rooms that know nginx share: configuration, the state of a
 * request, and who may ask whom for what.
 */


#ifndef _NGX_HTTP_REFERRAL_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#if (NGX_THREADS)
#include <ngx_thread_pool.h>
#endif

#include "ngx_http_referral_redis_conf.h"
#include "referral_limit.h"
#include "referral_cache.h"
#include "referral_cookie.h"
#include "referral_decide.h"
#include "referral_geo.h"
#include "referral_journal.h"
#include "referral_rules.h"
#include "referral_lang.h"
#include "referral_link.h"
#include "referral_record.h"
#include "referral_visitor.h"


/* how many look-ups may wait for Redis in one worker */
#define NGX_HTTP_REFERRAL_LOOKUPS_MAX  512

/*
 * Clicks that are decided together, and whose answers wait for one write: what
 * they take stays in the processor's second cache.
 */
#define NGX_HTTP_REFERRAL_GROUP        32

/* the key of an entry without the prefix: "referrer:{p}:ID" */
#define NGX_HTTP_REFERRAL_KEY_MAX                                             \
    (sizeof("referrer:{}:") + REFERRAL_PROGRAM_MAX + REFERRAL_REFERRER_MAX)


typedef struct ngx_http_referral_ctx_s       ngx_http_referral_ctx_t;
typedef struct ngx_http_referral_links_s     ngx_http_referral_links_t;
typedef struct ngx_http_referral_tracking_s  ngx_http_referral_tracking_t;
typedef struct ngx_http_referral_recorder_s  ngx_http_referral_recorder_t;
typedef struct ngx_http_referral_geo_s       ngx_http_referral_geo_t;
typedef struct ngx_http_referral_salts_s     ngx_http_referral_salts_t;


/* events of all workers, in the zone; only ever added to */

typedef enum {
    NGX_HTTP_REFERRAL_RESENT = 0,
    NGX_HTTP_REFERRAL_LOST_BY_REDIS,
    NGX_HTTP_REFERRAL_QUARANTINED,
    NGX_HTTP_REFERRAL_CACHE_HITS,
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
    NGX_HTTP_REFERRAL_UNTOLD,
    NGX_HTTP_REFERRAL_COUNTERS
} ngx_http_referral_counter_e;


/* clicks that were not recorded, beside those that the journal dropped */

#define NGX_HTTP_REFERRAL_DROP_UNRESOLVED  REFERRAL_DROPS
#define NGX_HTTP_REFERRAL_DROP_RECORDER    (REFERRAL_DROPS + 1)
#define NGX_HTTP_REFERRAL_DROPS            (REFERRAL_DROPS + 2)

#define NGX_HTTP_REFERRAL_JOURNALS         512
#define NGX_HTTP_REFERRAL_SETTLED          4096
#define NGX_HTTP_REFERRAL_WORKERS          256

/* two of a configuration; at a reload two follow two */
#define NGX_HTTP_REFERRAL_LISTENERS        4


/*
 * One journal that has unsettled clicks, as its owner, or who adopted it, last
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


typedef struct {
    ngx_atomic_t                     pid;         /* 0: free */
    ngx_http_referral_msec_t         seen;
    ngx_uint_t                       lookup_up;
    ngx_uint_t                       recorder_up;
    ngx_msec_t                       lookup_latency;
    ngx_msec_t                       recorder_latency;
    ngx_uint_t                       disk_failed;
    ngx_uint_t                       journals;
    uint64_t                         foreign;     /* kept for others */
} ngx_http_referral_worker_entry_t;


/* a worker that hears of edits in Redis, or did */

typedef struct {
    ngx_atomic_t                     pid;         /* 0: free */
    ngx_atomic_t                     generation;  /* of the configuration */
    ngx_http_referral_msec_t         seen;        /* last turn of its timer */
    ngx_http_referral_msec_t         lease;       /* the cache is true until */
} ngx_http_referral_listener_t;


typedef struct {
    uint64_t                         magic;
    size_t                           size;        /* of this struct */

    ngx_atomic_t                     counters[NGX_HTTP_REFERRAL_COUNTERS];
    ngx_atomic_t                     hits[REFERRAL_RESULTS][REFERRAL_CLASSES];
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


/* clicks that wait for the others of their turn of the event loop */

typedef struct {
    ngx_queue_t                      clicks;      /* of contexts */
    ngx_uint_t                       n;
    ngx_event_t                      event;
} ngx_http_referral_click_group_t;


/* User-Agents that a worker remembers: a few hundred are most of the world's */
#define NGX_HTTP_REFERRAL_AGENTS     256
#define NGX_HTTP_REFERRAL_AGENT_MAX  256


/* one of them and what it tells */

typedef struct {
    size_t                           len;
    u_char                           text[NGX_HTTP_REFERRAL_AGENT_MAX];
    referral_agent_t                 agent;
} ngx_http_referral_agent_t;


typedef struct {
    ngx_uint_t                       enabled;     /* something needs it */
    ngx_uint_t                       links;       /* short links or look-ups */
    ngx_uint_t                       resolve;     /* some page looks up */

    ngx_http_referral_redis_conf_t   redis;

    ngx_shm_zone_t                  *shm_zone;
    ngx_http_referral_zone_t        *sh;
    size_t                           zone_size;
    ngx_uint_t                       zone_set;
    time_t                           valid;
    time_t                           untracked;
    time_t                           negative;
    time_t                           stale;

#if (NGX_THREADS)
    ngx_thread_pool_t               *thread_pool;
#endif

    ngx_path_t                      *journal;
    ngx_http_referral_directory_t   *directory;   /* may be NULL */
    off_t                            segment;
    off_t                            journal_max;
    time_t                           retain;
    ngx_uint_t                       sync;

    ngx_array_t                     *geoip;       /* of ngx_str_t */
    ngx_conf_file_t                 *geoip_conf;  /* where that was said */
    time_t                           geoip_reload;
    ngx_http_referral_geo_t         *geo;

    ngx_uint_t                       cookies;     /* some are signed or read */
    ngx_str_t                        key_file;
    ngx_conf_file_t                 *key_conf;    /* where that was said */
    referral_keys_t                 *keys;

    referral_bots_t                 *bots;
    ngx_http_referral_agent_t       *agents;      /* of late, by their hash */

    ngx_int_t                        events_maxlen;
    time_t                           events_age;

    ngx_array_t                      shorts;      /* of ..._short_t: what is
                                                     checked at the end */
    ngx_array_t                      externals;   /* of ngx_int_t: the nginx
                                                     variables of templates */
    referral_cache_t                 cache;
    ngx_uint_t                       generation;

    /* of this worker */
    ngx_http_referral_links_t         *lookup;
    ngx_http_referral_recorder_t      *recorder;
    ngx_http_referral_salts_t         *salts;
    referral_random_t                  random;
    ngx_http_referral_click_group_t    group;
} ngx_http_referral_main_conf_t;


/* a template from the configuration: code, and the nginx variables in it */

typedef struct {
    referral_str_t                   code;
    ngx_array_t                      variables;   /* of ngx_uint_t: where they
                                                     stand in "externals" */
} ngx_http_referral_template_t;


#define NGX_HTTP_REFERRAL_SAMESITE_OFF     0
#define NGX_HTTP_REFERRAL_SAMESITE_LAX     1
#define NGX_HTTP_REFERRAL_SAMESITE_STRICT  2
#define NGX_HTTP_REFERRAL_SAMESITE_NONE    3

#define NGX_HTTP_REFERRAL_SECURE_AUTO      0
#define NGX_HTTP_REFERRAL_SECURE_ON        1
#define NGX_HTTP_REFERRAL_SECURE_OFF       2


typedef struct {
    ngx_flag_t                       enabled;
    ngx_str_t                        name;        /* empty: "ref_PROGRAM" */
    ngx_str_t                        domain;
    ngx_str_t                        path;
    time_t                           max_age;     /* 0: the window */
    ngx_uint_t                       samesite;
    ngx_uint_t                       secure;
    ngx_uint_t                       httponly;
} ngx_http_referral_cookie_conf_t;


typedef struct {
    ngx_http_referral_template_t    *url;         /* "https://…" */
    ngx_str_t                        location;    /* "/path" or "@name" */
} ngx_http_referral_fallback_t;


typedef struct {
    /* of this location alone */
    ngx_http_complex_value_t        *short_program;
    ngx_http_complex_value_t        *short_code;
    u_char                          *file;        /* where it was made one */
    ngx_uint_t                       line;
    unsigned                         short_link:1;
    unsigned                         metrics:1;

    ngx_http_complex_value_t        *program;
    ngx_http_referral_template_t    *landing;
    ngx_http_referral_template_t    *args;
    ngx_http_referral_fallback_t    *fallback;
    ngx_array_t                     *allow;       /* of referral_str_t */
    ngx_array_t                     *hosts;       /* "allow", or the host of
                                                     "landing" */
    ngx_uint_t                       status;
    ngx_flag_t                       forward_args;
    ngx_uint_t                       insensitive;
    ngx_http_complex_value_t        *channel;
    ngx_http_referral_cookie_conf_t *cookie;
    ngx_uint_t                       attribution;
    ngx_http_complex_value_t        *consent;
    ngx_flag_t                       gpc;
    ngx_http_complex_value_t        *exclude;
    ngx_int_t                        utc_offset;
    ngx_flag_t                       resolve;
} ngx_http_referral_loc_conf_t;


/* an entry that a click asks for, and waits for if it must */

typedef void (*ngx_http_referral_wait_pt)(void *data);


typedef struct ngx_http_referral_fetch_s  ngx_http_referral_fetch_t;


typedef struct {
    ngx_queue_t                      queue;       /* in a fetch's waiters */
    ngx_http_referral_fetch_t       *fetch;
    ngx_http_referral_wait_pt        handler;
    void                            *data;
    ngx_pool_t                      *pool;        /* where the entry goes */
    referral_entry_t                *entry;       /* NULL: not known now */
    referral_cache_prefetch_t        hint;
    ngx_uint_t                       hinted;      /* for the next get */
    ngx_uint_t                       literal;     /* no request made up whose
                                                     entry it is */
} ngx_http_referral_wait_t;


typedef enum {
    NGX_HTTP_REFERRAL_PROGRAM = 0,
    NGX_HTTP_REFERRAL_LINK,
    NGX_HTTP_REFERRAL_REFERRER,
    NGX_HTTP_REFERRAL_ENTRIES
} ngx_http_referral_part_e;


/* what waits for the journal's write */

typedef struct {
    ngx_queue_t                      queue;
    uint64_t                         seq;
    void                           (*handler)(void *data);
    void                            *data;
} ngx_http_referral_commit_t;


/*
 * What a request may wait for.  Who makes it wait says how to leave, for nginx
 * may end the request first; NULL: it does not wait.
 */

typedef enum {
    NGX_HTTP_REFERRAL_WAIT_GROUP = 0,
    NGX_HTTP_REFERRAL_WAIT_LOOKUP,
    NGX_HTTP_REFERRAL_WAIT_JOURNAL,
    NGX_HTTP_REFERRAL_WAITS
} ngx_http_referral_wait_e;


typedef void (*ngx_http_referral_cancel_pt)(ngx_http_referral_ctx_t *ctx);


/* headers that something here asks for */

typedef enum {
    NGX_HTTP_REFERRAL_USER_AGENT = 0,
    NGX_HTTP_REFERRAL_ACCEPT_LANGUAGE,
    NGX_HTTP_REFERRAL_REFERER,
    NGX_HTTP_REFERRAL_COOKIE,
    NGX_HTTP_REFERRAL_ACCEPT,
    NGX_HTTP_REFERRAL_FETCH_MODE,
    NGX_HTTP_REFERRAL_FETCH_DEST,
    NGX_HTTP_REFERRAL_SEC_GPC,
    NGX_HTTP_REFERRAL_SEC_PURPOSE,
    NGX_HTTP_REFERRAL_PURPOSE,
    NGX_HTTP_REFERRAL_X_PURPOSE,
    NGX_HTTP_REFERRAL_X_MOZ,
    NGX_HTTP_REFERRAL_HEADERS
} ngx_http_referral_header_e;


/*
 * One per main request, found again after internal redirects.  What the
 * request says is worked out when it is first asked for, and once; strings
 * are of the request's pool.
 */

typedef void (*ngx_http_referral_found_pt)(ngx_http_referral_ctx_t *ctx);


struct ngx_http_referral_ctx_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    ngx_http_request_t              *request;
    ngx_http_referral_loc_conf_t    *conf;        /* of the short link */
    ngx_http_referral_found_pt       found;       /* when Redis has answered */
    ngx_socket_t                     ident;

    ngx_queue_t                      queue;       /* in a turn */

    int64_t                          now;         /* ms */

    ngx_http_complex_value_t        *program_value; /* makes the program */
    referral_str_t                   program;
    referral_str_t                   code;
    referral_str_t                   channel;
    referral_str_t                   lang;
    referral_str_t                   region;
    referral_str_t                   source;
    referral_str_t                   header[NGX_HTTP_REFERRAL_HEADERS];
    referral_agent_t                 agent;
    uint64_t                         address_hash; /* 0: it has none */
    uint64_t                         agent_hash;  /* of the User-Agent */
    referral_geo_result_t            geo;
    struct sockaddr                 *geo_of;      /* whose that is */
    referral_cookie_t                cookie;
    ngx_http_referral_cookie_conf_t *cookie_conf; /* by which it was found */
    referral_str_t                   asn;
    u_char                           lang_data[REFERRAL_LANG_MAX];
    u_char                           lang_key[REFERRAL_LANG_MAX];
    u_char                           source_data[REFERRAL_SOURCE_MAX];
    u_char                           asn_data[NGX_INT32_LEN];

    u_char                           visitor[REFERRAL_VISITOR_SIZE];
    u_char                           click_id[REFERRAL_CLICK_ID_SIZE];
    u_char                           visitor_text[REFERRAL_VISITOR_LEN];
    u_char                           click_id_text[REFERRAL_CLICK_ID_LEN];

    ngx_uint_t                       class;
    ngx_uint_t                       old_cookie;  /* referral_cookie_e */

    ngx_http_referral_wait_t         wait[NGX_HTTP_REFERRAL_ENTRIES];
    ngx_http_referral_wait_t        *touches;     /* of the cookie, [2], where
                                                     their links are asked
                                                     for; else NULL */
    ngx_msec_t                       since;       /* it waits; 0: never did */
    ngx_uint_t                       waits;       /* how many are out */
    ngx_event_t                      timer;       /* bounds the wait */
    ngx_http_referral_cancel_pt      cancel[NGX_HTTP_REFERRAL_WAITS];
    ngx_http_referral_commit_t       commit;

    referral_click_t                 click;
    referral_values_t                values;
    referral_decision_t              decision;
    ngx_str_t                        location;    /* the Location */
    referral_str_t                   landing_host;

    unsigned                         has_program:1;
    unsigned                         literal_program:1;
    unsigned                         has_headers:1;
    unsigned                         many_cookies:1; /* headers of that name */
    unsigned                         has_agent:1;
    unsigned                         has_lang:1;
    unsigned                         has_source:1;
    unsigned                         has_class:1;
    unsigned                         has_visitor:1; /* one is known or made */
    unsigned                         has_click_id:1;
    unsigned                         short_link:1;  /* is, or came from, one */
    unsigned                         guarded:1;
    unsigned                         looking:1;     /* waits for Redis */
    unsigned                         resolved:2;    /* referral_resolve ran:
                                                       how often */
    unsigned                         decided:1;
    unsigned                         recorded:1;
    unsigned                         prepared:1;    /* the answer's header */
    unsigned                         consent:1;     /* has_consent: given */
    unsigned                         has_consent:1;
    unsigned                         untouched:1;   /* the links of the cookie
                                                       do not exist */
    unsigned                         set_cookie:1;
};


extern ngx_module_t  ngx_http_referral_module;


/* zone */

#define ngx_http_referral_zone(rmcf)  ((rmcf)->sh)

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

ngx_int_t ngx_http_referral_zone_journal(ngx_http_referral_zone_t *zone,
    u_char *id, ngx_uint_t born, uint64_t base, uint64_t last,
    ngx_http_referral_journal_entry_t **found);
void ngx_http_referral_zone_journal_close(ngx_http_referral_zone_t *zone,
    ngx_http_referral_journal_entry_t *entry);

/*
 * dead: has the entry clicks that wait in the memory of a worker that is gone?
 * Its pid, or 0.  lost: its journal lies nowhere, so what waits is dropped, of
 * which the number is returned; 0 if the entry is not that worker's any more.
 */
ngx_atomic_uint_t ngx_http_referral_zone_journal_dead(
    ngx_http_referral_journal_entry_t *entry);
uint64_t ngx_http_referral_zone_journal_lost(ngx_http_referral_zone_t *zone,
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

/* request: what one request says; all may be asked in any phase */

ngx_http_referral_ctx_t *ngx_http_referral_get_ctx(ngx_http_request_t *r);
ngx_http_referral_ctx_t *ngx_http_referral_make_ctx(ngx_http_request_t *r);
ngx_int_t ngx_http_referral_guard(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_find_code(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_find_program(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_find_cookie(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, int64_t window);
void ngx_http_referral_find_geo(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_find_agent(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_find_lang(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, referral_str_t *languages);
void ngx_http_referral_find_source(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_find_class(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
ngx_uint_t ngx_http_referral_consent(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
referral_touch_t *ngx_http_referral_touch(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_cookie_name(ngx_http_referral_loc_conf_t *rlcf,
    ngx_http_referral_ctx_t *ctx, ngx_str_t *name, u_char *buf);
void ngx_http_referral_read_headers(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/* one of ..._header_e, the first of its name; data is NULL: there is none */

static ngx_inline referral_str_t *
ngx_http_referral_header(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx,
    ngx_uint_t name)
{
    if (!ctx->has_headers) {
        ngx_http_referral_read_headers(r->main, ctx);
    }

    return &ctx->header[name];
}

#define NGX_HTTP_REFERRAL_COOKIE_NAME_MAX  (4 + REFERRAL_PROGRAM_MAX)

/* tracking: edits in Redis leave the cache at once */

#define NGX_HTTP_REFERRAL_TRACKED    0   /* the cache is true */
#define NGX_HTTP_REFERRAL_LAPSED     1   /* it was some seconds ago */
#define NGX_HTTP_REFERRAL_UNTRACKED  2

ngx_uint_t ngx_http_referral_tracked(ngx_http_referral_zone_t *zone);

/*
 * Told when the cache is not true any more, as Redis may hang, and (1) when it
 * is there again: for a listener that is when it reaches Redis.
 */

typedef void (*ngx_http_referral_told_pt)(void *data, ngx_uint_t tracked);

ngx_http_referral_tracking_t *ngx_http_referral_tracking_create(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log,
    ngx_http_referral_told_pt told, void *data);
void ngx_http_referral_tracking_close(ngx_http_referral_tracking_t *tracking);

/* links */

ngx_http_referral_links_t *ngx_http_referral_links_create(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log);
void ngx_http_referral_links_close(ngx_http_referral_links_t *links);

/* the connection, for others who ask little; "wake": it is there (again) */
ngx_http_referral_redis_t *ngx_http_referral_links_redis(
    ngx_http_referral_links_t *links, void (*wake)(void *data), void *data);

/*
 * The caller sets handler, data, pool and literal of "wait".  NGX_OK:
 * wait->entry is filled; NGX_AGAIN: wait->handler is called once, later, unless
 * the wait is ended first.  An entry that is NULL is not known now.
 */
ngx_int_t ngx_http_referral_links_get(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait, ngx_uint_t part, referral_str_t *program,
    referral_str_t *id);

/*
 * A get will come, of the same: it need not wait for the memory then; in this
 * order.
 */
void ngx_http_referral_links_prefetch(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait, ngx_uint_t part, referral_str_t *program,
    referral_str_t *id);
void ngx_http_referral_links_prefetch_value(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait);

/* both may be called at any time; the second takes what the cache has left */
void ngx_http_referral_links_cancel(ngx_http_referral_wait_t *wait);
void ngx_http_referral_links_give_up(ngx_http_referral_wait_t *wait);

/*
 * lookup: what Redis knows of a code, in ctx->wait[].  NGX_OK: it is there;
 * NGX_AGAIN: "found" is called later, within the time-out, unless the request
 * ends first.
 */

ngx_int_t ngx_http_referral_lookup(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, referral_str_t *code,
    ngx_http_referral_found_pt found);

/* the same in three steps; no event may be handled between them */

void ngx_http_referral_lookup_start(ngx_http_referral_ctx_t *ctx,
    referral_str_t *code, ngx_http_referral_found_pt found);
void ngx_http_referral_lookup_prefetch(ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_lookup_finish(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/*
 * The links of the cookie's open touches, in ctx->touches[]; the two waits
 * together are no longer than one.
 */
ngx_int_t ngx_http_referral_lookup_touches(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_found_pt found);

/* turn: clicks as they come, and their steps */

void ngx_http_referral_click_group_init(ngx_http_referral_click_group_t *group,
    ngx_log_t *log);
ngx_int_t ngx_http_referral_click_group_handler(ngx_http_request_t *r);

/*
 * click: the short link, in the order of its steps.  admit: NGX_OK, or how to
 * answer; go: NGX_AGAIN, it finalizes itself later, or how to answer.
 */

ngx_int_t ngx_http_referral_click_admit(ngx_http_request_t *r,
    ngx_http_referral_ctx_t **click);
void ngx_http_referral_click_prefetch_keys(ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_click_prefetch_values(ngx_http_referral_ctx_t *ctx);
void ngx_http_referral_click_lookup(ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_click_finish(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/*
 * answer: the header is made first, and sent when the click is safe.  prepare:
 * NGX_ERROR without memory; where the fallback is a location there is none.
 * send: for ngx_http_finalize_request(), never NGX_AGAIN.
 */

ngx_int_t ngx_http_referral_answer_prepare(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
ngx_int_t ngx_http_referral_answer_send(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/* resolve: other pages that want to know a link's words */

ngx_int_t ngx_http_referral_resolve_handler(ngx_http_request_t *r);

/* salt */

ngx_http_referral_salts_t *ngx_http_referral_salts_create(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log);
void ngx_http_referral_salts_close(ngx_http_referral_salts_t *salts);

/* NGX_DECLINED: no address, or the day's salt is not known (yet) */
ngx_int_t ngx_http_referral_salt_address(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, uint64_t *address);

/* geo */

char *ngx_http_referral_geo_init(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);
void ngx_http_referral_geo_start(ngx_http_referral_main_conf_t *rmcf,
    ngx_log_t *log);
void ngx_http_referral_geo_find(ngx_http_referral_geo_t *geos,
    struct sockaddr *sa, referral_geo_result_t *result);

/* a find will come: it need not wait for the memory then; in this order */
void ngx_http_referral_geo_prefetch(ngx_http_referral_geo_t *geos,
    struct sockaddr *sa);
void ngx_http_referral_geo_prefetch_value(ngx_http_referral_geo_t *geos,
    struct sockaddr *sa);

/* metrics */

ngx_int_t ngx_http_referral_metrics_handler(ngx_http_request_t *r);

/* variables */

ngx_int_t ngx_http_referral_add_variables(ngx_conf_t *cf);


#endif /* _NGX_HTTP_REFERRAL_H_INCLUDED_ */
