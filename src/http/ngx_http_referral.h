
/*
 * Types that all files that know nginx share: the core's configuration, and
 * the state of a request.  Functions are declared in the header of the file
 * that defines them.
 */


#ifndef _NGX_HTTP_REFERRAL_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#if (NGX_THREADS)
#include <ngx_thread_pool.h>
#endif

#include "ngx_http_referral_geo.h"
#include "ngx_http_referral_journal_conf.h"
#include "ngx_http_referral_redis_conf.h"
#include "ngx_http_referral_timezone.h"
#include "ngx_http_referral_zone.h"
#include "referral_append.h"
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


typedef struct ngx_http_referral_ctx_s       ngx_http_referral_ctx_t;
typedef struct ngx_http_referral_links_s     ngx_http_referral_links_t;
typedef struct ngx_http_referral_tracking_s  ngx_http_referral_tracking_t;
typedef struct ngx_http_referral_recorder_s  ngx_http_referral_recorder_t;
typedef struct ngx_http_referral_agent_s     ngx_http_referral_agent_t;
typedef struct ngx_http_referral_salts_s     ngx_http_referral_salts_t;


/*
 * the parts of a worker under one configuration, made when it starts and
 * closed when it ends
 */

typedef struct {
    ngx_http_referral_links_t       *links;       /* NULL: not needed, or no
                                                     memory */
    ngx_http_referral_recorder_t    *recorder;    /* likewise */
    ngx_http_referral_salts_t       *salts;       /* likewise */
    ngx_http_referral_agent_t       *agents;      /* seen lately, by their
                                                     hash */
    referral_random_t                random;
} ngx_http_referral_worker_t;


/* the keys that sign cookies */

typedef struct {
    ngx_str_t                        file;
    ngx_conf_file_t                 *place;       /* the directive's line */
    referral_keys_t                 *keys;        /* NULL: none */
} ngx_http_referral_keys_conf_t;


/* what features need, as they say with ngx_http_referral_need() */

#define NGX_HTTP_REFERRAL_NEED_REDIS    0x1   /* the zone, links, a recorder */
#define NGX_HTTP_REFERRAL_NEED_COOKIES  0x2   /* keys that sign them */


typedef struct {
    ngx_uint_t                       enabled;     /* ..._need() was called */
    ngx_uint_t                       needs;       /* NGX_HTTP_REFERRAL_NEED_ */

    ngx_http_referral_redis_conf_t   redis;
    ngx_http_referral_zone_conf_t    zone;
    ngx_http_referral_journal_conf_t  journal;
    ngx_http_referral_geo_conf_t     geo;
    ngx_http_referral_timezone_conf_t  timezone;
    ngx_http_referral_keys_conf_t    keys;

    referral_bots_t                 *bots;

    ngx_int_t                        events_maxlen;
    time_t                           events_age;

#if (NGX_THREADS)
    ngx_thread_pool_t               *thread_pool;
#endif

    ngx_array_t                      places;      /* of ..._place_t *:
                                                     locations that a feature
                                                     answers */
    ngx_array_t                      externals;   /* of ngx_int_t: the
                                                     indices of variables in
                                                     templates */
    ngx_http_referral_worker_t      *worker;
} ngx_http_referral_main_conf_t;


/* a compiled template of the configuration, and the nginx variables in it */

typedef struct {
    referral_str_t                   code;
    ngx_array_t                      variables;   /* of ngx_uint_t: positions
                                                     in "externals" */
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
    time_t                           max_age;     /* s; 0: the program's
                                                     window */
    ngx_uint_t                       samesite;
    ngx_uint_t                       secure;
    ngx_uint_t                       httponly;
} ngx_http_referral_cookie_conf_t;


typedef struct {
    ngx_http_referral_template_t    *url;         /* "https://…" */
    ngx_str_t                        location;    /* "/path" or "@name" */
} ngx_http_referral_fallback_t;


/*
 * How a location's URL names a link.  The feature that answers there sets it,
 * as "referral" does; nested locations do not inherit it.
 */

typedef struct {
    ngx_uint_t                       set;
    ngx_http_complex_value_t        *program;     /* NULL: the inherited one */
    ngx_http_complex_value_t        *code;        /* NULL: what follows the
                                                     location's prefix */
} ngx_http_referral_link_conf_t;


/*
 * settings that several features use; each feature has its own in a struct of
 * its own
 */

typedef struct {
    ngx_http_referral_link_conf_t    link;
    ngx_http_complex_value_t        *program;
    ngx_http_referral_template_t    *landing;
    ngx_http_referral_fallback_t    *fallback;
    ngx_array_t                     *allow;       /* of referral_str_t: host
                                                     patterns */
    ngx_uint_t                       insensitive;
    ngx_http_referral_cookie_conf_t *cookie;
    ngx_uint_t                       attribution;
    ngx_http_complex_value_t        *consent;
    ngx_flag_t                       gpc;
    ngx_http_complex_value_t        *exclude;
    ngx_int_t                        utc_offset;  /* minutes */
    ngx_str_t                       *timezone;    /* wins over the offset;
                                                     NULL: none */
} ngx_http_referral_loc_conf_t;


/* the look-up of an entry, and the wait for Redis if the cache has none */

typedef void (*ngx_http_referral_wait_pt)(void *data);


typedef struct ngx_http_referral_fetch_s  ngx_http_referral_fetch_t;


typedef struct {
    ngx_queue_t                      queue;       /* in a fetch's waiters */
    ngx_http_referral_fetch_t       *fetch;
    ngx_http_referral_wait_pt        handler;
    void                            *data;
    ngx_pool_t                      *pool;        /* memory for the entry */
    referral_entry_t                *entry;       /* NULL: not known */
    referral_cache_prefetch_t        hint;
    ngx_uint_t                       hinted;      /* the next get uses "hint" */
    ngx_uint_t                       literal;     /* the program's name
                                                     stands in the
                                                     configuration */
} ngx_http_referral_wait_t;


typedef enum {
    NGX_HTTP_REFERRAL_PROGRAM = 0,
    NGX_HTTP_REFERRAL_LINK,
    NGX_HTTP_REFERRAL_REFERRER,
    NGX_HTTP_REFERRAL_ENTRIES
} ngx_http_referral_part_e;


/*
 * A wait for the journal to take a record: with "durable" until the record is
 * on the disk for certain, and "status" tells the handler whether it is; else
 * until it is written, or kept in memory.
 */

typedef struct {
    ngx_queue_t                      queue;
    uint64_t                         seq;
    void                           (*handler)(void *data);
    void                            *data;
    ngx_int_t                        status;      /* NGX_OK or NGX_ERROR */
    unsigned                         durable:1;

    /* of an event, when Redis has it, before or after the handler; or NULL */
    void                           (*outcome)(void *data,
                                         const referral_append_outcome_t *o);
    ngx_queue_t                      awaiting;
} ngx_http_referral_commit_t;


/*
 * What a request may wait for.  The code that makes it wait sets a function
 * that cancels the wait, because nginx may end the request first.  NULL: no
 * wait.
 */

typedef enum {
    NGX_HTTP_REFERRAL_WAIT_LOOKUP = 0,
    NGX_HTTP_REFERRAL_WAIT_ANSWER,           /* the feature that answers */
    NGX_HTTP_REFERRAL_WAITS
} ngx_http_referral_wait_e;


typedef void (*ngx_http_referral_cancel_pt)(ngx_http_referral_ctx_t *ctx);


/* the request headers that the module reads */

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


typedef void (*ngx_http_referral_found_pt)(ngx_http_referral_ctx_t *ctx);


/*
 * The state of a main request, which internal redirects do not clear.  What
 * follows from the request is computed once, when it is first needed.  Strings
 * are allocated from the request's pool.
 */

struct ngx_http_referral_ctx_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    ngx_http_request_t              *request;
    ngx_http_referral_loc_conf_t    *conf;        /* of the short link's
                                                     location */
    ngx_http_referral_found_pt       found;       /* called when Redis has
                                                     answered */
    ngx_socket_t                     ident;

    int64_t                          now;         /* when it was made, ms
                                                     since 1970 */

    /* what the request says */

    ngx_http_complex_value_t        *program_value; /* the value that
                                                       "program" is from */
    referral_str_t                   program;
    referral_str_t                   code;
    referral_str_t                   lang;
    referral_str_t                   source;
    referral_str_t                   header[NGX_HTTP_REFERRAL_HEADERS];
    referral_agent_t                 agent;
    uint64_t                         agent_hash;  /* of the User-Agent */
    referral_geo_result_t            geo;
    struct sockaddr                 *geo_of;      /* the address that "geo"
                                                     is of */
    referral_cookie_t                cookie;
    ngx_http_referral_cookie_conf_t *cookie_conf; /* that "cookie" was read
                                                     with */
    referral_str_t                   asn;
    u_char                           lang_data[REFERRAL_LANG_MAX];
    u_char                           source_data[REFERRAL_SOURCE_MAX];
    u_char                           asn_data[NGX_INT32_LEN];

    ngx_uint_t                       class;
    ngx_uint_t                       old_cookie;  /* referral_cookie_e */

    /* what the request waits for */

    ngx_http_referral_wait_t         wait[NGX_HTTP_REFERRAL_ENTRIES];
    ngx_http_referral_wait_t        *touches;     /* [2], for the links of
                                                     the cookie's touches;
                                                     NULL: not looked up */
    ngx_msec_t                       since;       /* the first wait began; 0:
                                                     none did */
    ngx_uint_t                       waits;       /* look-ups that have no
                                                     answer yet */
    ngx_event_t                      timer;       /* ends the wait */
    ngx_http_referral_cancel_pt      cancel[NGX_HTTP_REFERRAL_WAITS];

    /* the click: set by the short link, and read by variables */

    u_char                           visitor[REFERRAL_VISITOR_SIZE];
    u_char                           click_id[REFERRAL_CLICK_ID_SIZE];
    u_char                           visitor_text[REFERRAL_VISITOR_LEN];
    u_char                           click_id_text[REFERRAL_CLICK_ID_LEN];
    referral_click_t                 click;
    referral_values_t                values;
    referral_decision_t              decision;
    ngx_str_t                        location;    /* the Location */
    referral_str_t                   landing_host;
    uint64_t                         address_hash; /* 0: no IP address, or
                                                      not needed */
    u_char                           lang_key[REFERRAL_LANG_MAX];
    ngx_queue_t                      queue;       /* in ..._click_group_t */
    ngx_http_referral_commit_t       commit;

    unsigned                         has_program:1;
    unsigned                         literal_program:1;
    unsigned                         has_headers:1;
    unsigned                         many_cookies:1; /* several Cookie
                                                        headers */
    unsigned                         has_agent:1;
    unsigned                         has_lang:1;
    unsigned                         has_source:1;
    unsigned                         has_class:1;
    unsigned                         has_visitor:1; /* of the cookie, or a
                                                       new one */
    unsigned                         has_click_id:1;
    unsigned                         short_link:1;  /* the request is a
                                                       click, or was before a
                                                       redirect */
    unsigned                         guarded:1;
    unsigned                         looking:1;     /* waits for Redis */
    unsigned                         resolved:2;    /* look-ups of
                                                       referral_resolve */
    unsigned                         decided:1;
    unsigned                         prepared:1;    /* the answer's header is
                                                       set */
    unsigned                         consent:1;     /* valid if has_consent */
    unsigned                         has_consent:1;
    unsigned                         untouched:1;   /* no touch of the cookie
                                                       has a link that exists */
    unsigned                         set_cookie:1;
};


extern ngx_module_t  ngx_http_referral_module;


#endif /* _NGX_HTTP_REFERRAL_H_INCLUDED_ */
