
/*
 * The intake of events: what a shop posts, a header of its answer, or what a
 * browser says, becomes events that are checked, or the list of all mistakes.
 */


#ifndef _REFERRAL_INTAKE_H_INCLUDED_
#define _REFERRAL_INTAKE_H_INCLUDED_


#include "referral_event.h"


/* bytes at most: one event, several events, a header's value */

#define REFERRAL_INTAKE_EVENT_MAX   (64 * 1024)
#define REFERRAL_INTAKE_BODY_MAX    (1024 * 1024)
#define REFERRAL_INTAKE_HEADER_MAX  8192

/*
 * What the id of a browser's event begins with, which no other's may: with it
 * and a digest of the visitor and the id, 25 bytes are put before the id.
 */
#define REFERRAL_INTAKE_BROWSER     "browser:"
#define REFERRAL_INTAKE_BROWSER_ID  (REFERRAL_EVENT_ID_MAX - 25)

#define REFERRAL_INTAKE_EVENTS      500      /* in one body, at most */
#define REFERRAL_INTAKE_VALUES      16384    /* of JSON, of several events */
#define REFERRAL_INTAKE_ERRORS      32       /* told of one event, at most */

/* told of several events, and beyond them the first mistake of each */
#define REFERRAL_INTAKE_TOLD        100


typedef enum {
    REFERRAL_INTAKE_JSON = 0,    /* an object, or an array of them */
    REFERRAL_INTAKE_NDJSON,      /* an object a line */
    REFERRAL_INTAKE_FORM,        /* one event, URL-encoded */
    REFERRAL_INTAKE_HEADER       /* one event: an object or a form */
} referral_intake_type_e;


typedef struct referral_intake_error_s  referral_intake_error_t;
typedef struct referral_intake_chunk_s  referral_intake_chunk_t;


/*
 * "field" is as it was sent, shortened where it is very long; empty if the
 * mistake is no field's.  "code" is one of a fixed set and never changes its
 * meaning; "detail" is for people and says what would be right.
 */

struct referral_intake_error_s {
    referral_intake_error_t  *next;
    referral_str_t            field;
    referral_str_t            code;
    referral_str_t            detail;
};


/*
 * The codes: "syntax" "nesting" "encoding" "empty" "too_large" "too_many" of
 * bodies; "duplicate" "unknown_field" "missing" "wrong_type" "format"
 * "too_long" "too_many" "range" "not_whole" "unit" "reserved" "not_allowed"
 * "at_ahead" "at_late" "click_ahead" of fields; "more": there are more
 * mistakes than are told.
 */

typedef struct {
    referral_event_t          event;     /* whole where errors is NULL; else
                                            its id is set if that is right */
    referral_intake_error_t  *errors;    /* in the order of the body */
    referral_intake_error_t **last;
    unsigned                  told;      /* with "more", if that is told */
    unsigned                  status;    /* of HTTP: 0, 400, 413 or 422 */
    unsigned                  more:1;    /* the last one told is "more" */
} referral_intake_item_t;


typedef struct {
    referral_str_t            program;
    referral_str_t            id;        /* the event_id of a single event
                                            that has none; may be empty */
    referral_str_t            visitor;   /* of a browser, as text; empty: no
                                            cookie */
    int64_t                   now;       /* ms; events are received now */
    int64_t                   late;      /* seconds; 0 is the default */
    const referral_unit_t    *unit;      /* the program's; NULL: not known, so
                                            any unit is taken */
    size_t                    units;
    unsigned                  trust;     /* referral_trust_e */
    unsigned                  fold:1;    /* codes in lower case */
} referral_intake_conf_t;


typedef struct {
    referral_intake_item_t   *item;      /* as they stand in the body */
    unsigned                  n;
    unsigned                  batch;     /* an array or lines, also of one */
    referral_intake_item_t    body;      /* errors of the body as a whole */
    referral_intake_chunk_t  *chunk;
    unsigned                  told;      /* mistakes of all items */
    unsigned                  more;      /* mistakes that are not told */
    unsigned                  failed;    /* no memory */
    const u_char             *at;        /* in the body while it is read, then
                                            NULL; its line, and characters of
                                            the line before it */
    unsigned                  line;
    unsigned                  column;
} referral_intake_t;


/*
 * A media type as Content-Type has it, parameters included.
 * REFERRAL_DECLINED: none that is taken; "application/json",
 * "application/x-ndjson" and "application/x-www-form-urlencoded" are, in
 * UTF-8.
 */
int referral_intake_type(unsigned *type, const referral_str_t *media);

/*
 * REFERRAL_OK: look at each item; a mistake in one is no reason to refuse the
 * others.  REFERRAL_DECLINED: the body as a whole is none, see in->body.
 * REFERRAL_ERROR: no memory.  In each case referral_intake_free() follows;
 * nothing in "in" lives longer or points into "body" or "conf", except for
 * the program.  Takes at most some 2 MB for one event, and 5 MB for several.
 *
 * A field that is an empty text or null is as if left out.  Texts are not
 * cut: what is too long is a mistake.  What the intake knows beside the body
 * (visitor, the touches of a cookie) is added to the event by the caller.
 */
int referral_intake_body(referral_intake_t *in, unsigned type,
    const referral_str_t *body, const referral_intake_conf_t *conf);

void referral_intake_free(referral_intake_t *in);


#endif /* _REFERRAL_INTAKE_H_INCLUDED_ */
