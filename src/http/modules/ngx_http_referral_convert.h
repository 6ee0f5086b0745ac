
/*
 * Conversions: what a shop posts, its answer's header says, or a visitor's own
 * page tells, becomes events in a journal of their own.
 *
 *     ngx_http_referral_convert_admit.c    who may
 *     ngx_http_referral_convert_answer.c   answers, as JSON
 *     ngx_http_referral_convert_status.c   GET: what became of an event
 *     ngx_http_referral_convert.c          POST: from the body to the answer
 *     ngx_http_referral_convert_tap.c      the header of an upstream's answer
 *     ngx_http_referral_convert_module.c   directives
 */


#ifndef _NGX_HTTP_REFERRAL_CONVERT_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_CONVERT_H_INCLUDED_


#include "ngx_http_referral_ask.h"
#include "ngx_http_referral_conf.h"
#include "ngx_http_referral_recorder.h"
#include "referral_problem.h"
#include "referral_signature.h"


/* bytes of a key of a program, suffix included */
#define NGX_HTTP_REFERRAL_CONVERT_KEY  256


typedef enum {
    NGX_HTTP_REFERRAL_AUTH_SIGNATURE = 0,
    NGX_HTTP_REFERRAL_AUTH_LOCATION
} ngx_http_referral_auth_e;


typedef struct {
    ngx_array_t                       places;     /* of ..._convert_at_t */
    ngx_str_t                         file;
    referral_signature_keys_t        *keys;       /* NULL: no file */
    ngx_int_t                         early;      /* index of the variable
                                                     $ssl_early_data */
    ngx_uint_t                        used;       /* some location takes or
                                                     taps events */
    ngx_uint_t                        tapped;     /* some upstream's header
                                                     is read */
#if (NGX_THREADS)
    ngx_thread_pool_t                *thread_pool;
#endif
    ngx_path_t                       *path;       /* of the events' journal */
    ngx_http_referral_directory_t    *directory;  /* may be NULL */
    ngx_http_referral_recorder_t     *recorder;   /* of this worker; NULL: no
                                                     memory */
} ngx_http_referral_convert_main_conf_t;


typedef struct {
    ngx_http_referral_place_t        *place;      /* of "referral_convert" */
    ngx_uint_t                        auth;       /* ..._auth_e */
    ngx_flag_t                        browser;
    ngx_http_complex_value_t         *from;       /* NULL: no header is read */
    ngx_str_t                         header;     /* whose name that is, in
                                                     lower case; empty: the
                                                     variable is no header */
} ngx_http_referral_convert_conf_t;


/* a location that takes events */

typedef struct {
    ngx_http_referral_convert_conf_t  *conf;
    ngx_http_referral_loc_conf_t      *rlcf;
} ngx_http_referral_convert_at_t;


typedef struct ngx_http_referral_convert_s  ngx_http_referral_convert_t;


/* one event of a body on its way to the disk and to Redis */

typedef struct {
    ngx_http_referral_commit_t        commit;
    ngx_http_referral_convert_t      *convert;
    ngx_uint_t                        taken;      /* by the recorder */
} ngx_http_referral_convert_item_t;


/* one POST */

struct ngx_http_referral_convert_s {
    ngx_http_request_t                *request;
    ngx_http_referral_ctx_t           *ctx;
    ngx_http_referral_convert_conf_t  *conf;

    referral_str_t                     body;
    unsigned                           type;      /* referral_intake_type_e */
    unsigned                           trust;     /* referral_trust_e */
    referral_str_t                     id;        /* webhook-id */

    ngx_http_referral_wait_t           program;
    referral_intake_t                  intake;
    ngx_http_referral_convert_item_t  *items;     /* as in the intake */
    referral_problem_outcome_t        *outcome;   /* the same */
    ngx_uint_t                         writing;   /* not on the disk yet */
    ngx_uint_t                         asking;    /* Redis has not said yet */
    ngx_uint_t                         lost;      /* could not be kept */
    uint64_t                           position;  /* the highest of a batch */

    ngx_http_referral_ask_t           *ask;       /* how far the settler is */
    ngx_event_t                        timer;     /* of the next one */
    ngx_msec_t                         until;     /* the answer goes out */

    unsigned                           wait:1;    /* "wait=settled" */
    unsigned                           settled:1;
    unsigned                           looking:1; /* waits for the program */
    unsigned                           parsed:1;  /* the intake is to be
                                                     freed */
    unsigned                           done:1;    /* is being answered */
};


extern ngx_module_t  ngx_http_referral_convert_module;


/* handler of the location */
ngx_int_t ngx_http_referral_convert_handler(ngx_http_request_t *r);

/* GET: what became of the event whose id follows the location's name */
ngx_int_t ngx_http_referral_convert_status(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);

/*
 * May this request send "body", or ask for the event of the id "asked"?  One of
 * the two is NULL.  NGX_OK, and *id is the webhook-id of a signature; else
 * *code and *detail of the problem, and the status is what it returns.
 */
ngx_int_t ngx_http_referral_convert_admit(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, const referral_str_t *body,
    const referral_str_t *asked, referral_str_t *id, referral_str_t *code,
    referral_str_t *detail);

/* 1: it came in TLS early data, which can be replayed */
ngx_uint_t ngx_http_referral_convert_early(ngx_http_request_t *r);

/*
 * answer: "b" holds the JSON.  For ngx_http_finalize_request().  problem: of
 * one code, without a list of mistakes.
 */
ngx_int_t ngx_http_referral_convert_send(ngx_http_request_t *r,
    ngx_uint_t status, referral_buf_t *b);
ngx_int_t ngx_http_referral_convert_problem(ngx_http_request_t *r,
    ngx_uint_t status, const referral_str_t *code,
    const referral_str_t *detail);
ngx_int_t ngx_http_referral_convert_answer(ngx_http_referral_convert_t *c);

/* "n" events of this request were answered so: ..._event_answer_e */
void ngx_http_referral_convert_counted(ngx_http_request_t *r,
    ngx_uint_t answer, ngx_uint_t n);

/* the answer to a method that this location does not take */
ngx_int_t ngx_http_referral_convert_method(ngx_http_request_t *r);

/* the events' texts that a cookie knows */
void ngx_http_referral_convert_touches(ngx_http_referral_ctx_t *ctx,
    referral_event_t *event);

/* the filter that reads headers of answers; called once */
ngx_int_t ngx_http_referral_convert_tap_init(ngx_conf_t *cf);


#define ngx_http_referral_convert_text(s, text)                               \
    (s)->len = sizeof(text) - 1; (s)->data = (u_char *) text


#endif /* _NGX_HTTP_REFERRAL_CONVERT_H_INCLUDED_ */
