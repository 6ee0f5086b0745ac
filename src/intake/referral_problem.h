
/*
 * The intake's answers as JSON: problems (RFC 9457), results of events, and
 * what became of one.
 *
 * "type" of a problem is always "about:blank", so "title" is the status in
 * words; what programs look at is "code", which never changes its meaning:
 * one of a signature (referral_signature_code()), of a refused body or of the
 * caller's own, or "invalid_event" with all mistakes in "errors".
 */


#ifndef _REFERRAL_PROBLEM_H_INCLUDED_
#define _REFERRAL_PROBLEM_H_INCLUDED_


#include "referral_intake.h"


#define REFERRAL_PROBLEM_TYPE  "application/problem+json"


/* what became of an event that had no mistake */

typedef enum {
    REFERRAL_PROBLEM_ACCEPTED = 0,   /* on the disk; Redis has not said yet */
    REFERRAL_PROBLEM_RECORDED,       /* in the stream, at "position" */
    REFERRAL_PROBLEM_REPLAYED,       /* was there already, the same */
    REFERRAL_PROBLEM_REUSED,         /* another event has its id */
    REFERRAL_PROBLEM_UNAVAILABLE     /* could not be kept; sent again later */
} referral_problem_outcome_e;


typedef struct {
    int64_t      position;
    unsigned     outcome;            /* referral_problem_outcome_e */
    unsigned     via;                /* referral_event_via_e */
    unsigned     known:1;            /* a customer from before */
    unsigned     self:1;             /* a touch that was the customer's own */
    unsigned     gone:1;             /* its entry is not in the stream any more:
                                        none of the three above is known */
    unsigned     unsettled:1;        /* taken, but what was waited for is not
                                        known: 202 as well */
} referral_problem_outcome_t;


/* all that follow set b->overflow where there is too little room */

/*
 * {"type":…,"title":…,"status":…,"code":…,"detail":…}; takes at most
 * REFERRAL_PROBLEM_MAX bytes and six for each of the detail
 */

#define REFERRAL_PROBLEM_MAX  512

void referral_problem_put(referral_buf_t *b, unsigned status,
    const referral_str_t *code, const referral_str_t *detail);

/*
 * Why nothing of a body was taken: in->body, or the only item; with "errors":
 * [{"field":…,"code":…,"detail":…}], and "more": how many mistakes are
 * not told, if there are any.  The status is what it returns.
 */
unsigned referral_problem_intake(referral_buf_t *b,
    const referral_intake_t *in);

/*
 * Several events: {"results":[…]}, as they stand in the body, each with its
 * "index", "status", "result" and, as far as they are known, "event_id" and
 * what is as of a single one; behind them "more", as above.  outcome[i] is
 * looked at where item i has no mistake.
 */
void referral_problem_results(referral_buf_t *b, const referral_intake_t *in,
    const referral_problem_outcome_t *outcome);

/*
 * A single event without mistakes: {"event_id":…,"status":202,"result":
 * "accepted"}; "recorded", or "unattributed" if nobody is credited, with
 * "position", and unless its entry is gone "via", "known" and "self"; a
 * problem of the code "id_reused" or "unavailable".  The status is what it
 * returns.
 */
unsigned referral_problem_result(referral_buf_t *b,
    const referral_event_t *event, const referral_problem_outcome_t *outcome);

/* room for either of the two */
size_t referral_problem_intake_max(const referral_intake_t *in);

/* room for referral_problem_result() */
#define REFERRAL_PROBLEM_RESULT_MAX  (REFERRAL_PROBLEM_MAX                    \
                                      + 6 * REFERRAL_EVENT_ID_MAX)

/*
 * What became of an event, by its entry in the stream: "n" pairs of field and
 * value as Redis has them.  Fields that are not known here are left out.  Takes
 * at most REFERRAL_PROBLEM_MAX bytes and six for each of the fields' and
 * values'.
 */
void referral_problem_fact(referral_buf_t *b, int64_t position,
    const referral_str_t *pair, size_t n);

/*
 * A string of JSON with its quotes.  Whatever the bytes are it is UTF-8:
 * those that are none become U+FFFD.  At most six bytes for each, and two.
 */
void referral_problem_string(referral_buf_t *b, const referral_str_t *s);


#endif /* _REFERRAL_PROBLEM_H_INCLUDED_ */
