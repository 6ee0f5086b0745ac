
/*
 * A friend: to whom they are bound, and what decides whether they count.
 *
 * In Redis a hash.  What is computed from the others ("state") is written for
 * readers and not read back.
 */


#ifndef _REFERRAL_FRIEND_H_INCLUDED_
#define _REFERRAL_FRIEND_H_INCLUDED_


#include "referral_credit.h"


#define REFERRAL_FRIEND_CLOSED    8       /* closed accounts that are kept */
#define REFERRAL_FRIEND_ORDERS    500     /* that can change sides */
#define REFERRAL_FRIEND_STEPS     64
#define REFERRAL_FRIEND_SIZE      2048    /* a friend as one text, at most */

/*
 * Seconds after the first event within which closing the account takes back
 * what the friend's orders brought.
 */
#define REFERRAL_FRIEND_REFUNDS   (400 * 86400)

/*
 * Seconds that an event may be on its way beyond the program's "late": a
 * journal is kept for 35 days.
 */
#define REFERRAL_FRIEND_LAG       (40 * 86400)


/* the fields of the hash, in this order */

typedef enum {
    REFERRAL_FRIEND_STATE = 0,     /* seen, joined, known */
    REFERRAL_FRIEND_REFERRER,
    REFERRAL_FRIEND_CODE,
    REFERRAL_FRIEND_VIA,
    REFERRAL_FRIEND_CLICK,
    REFERRAL_FRIEND_CLICK_AT,
    REFERRAL_FRIEND_COUNTRY,       /* the words of the click */
    REFERRAL_FRIEND_CHANNEL,
    REFERRAL_FRIEND_VARIANT,
    REFERRAL_FRIEND_DEVICE,
    REFERRAL_FRIEND_SEGMENT,
    REFERRAL_FRIEND_BOUND_AT,
    REFERRAL_FRIEND_BOUND_FOR,
    REFERRAL_FRIEND_FIRST_AT,
    REFERRAL_FRIEND_KNOWN_AT,
    REFERRAL_FRIEND_LEAD_AT,
    REFERRAL_FRIEND_CLOSED_AT,
    REFERRAL_FRIEND_LAST_CREDIT,
    REFERRAL_FRIEND_ORDERS_OPEN,
    REFERRAL_FRIEND_STEPS_SEEN,
    REFERRAL_FRIEND_FINAL,
    REFERRAL_FRIEND_FIELDS
} referral_friend_field_e;


/* the texts belong to the value or to the fact that they come from */

typedef struct {
    referral_credit_t     binding;        /* if bound.ms is not -1 */
    referral_str_t        via;
    referral_str_t        click;          /* its id */
    referral_moment_t     bound;          /* the earliest event with a touch */
    int64_t               bound_for;      /* s; 0: for ever */
    referral_moment_t     first;          /* the earliest lead, or event with
                                             an amount */
    referral_moment_t     known;          /* the earliest event that says so */
    referral_moment_t     lead;
    unsigned              nclosed;
    referral_moment_t     closed[REFERRAL_FRIEND_CLOSED];
    referral_str_t        last_credit;    /* of the last touch of another
                                             link, as one word */
    int64_t               orders;         /* that stand as "order:…" */
    int64_t               steps;          /* that stand as "step:…" */
    unsigned              final:1;        /* it cannot change sides any more */
} referral_friend_t;


void referral_friend_init(referral_friend_t *f);

/* one text: the fields, separated by "\n" */
int referral_friend_parse(referral_friend_t *f, const referral_str_t *s);
void referral_friend_put(referral_buf_t *out, const referral_friend_t *f);

referral_str_t referral_friend_name(referral_friend_field_e field);

/*
 * Folds in what an event says of its friend, but its order and its step.
 * "buf" is memory for a text of "f", of REFERRAL_FRIEND_SIZE.
 */
void referral_friend_event(referral_friend_t *f, const referral_fact_t *fact,
    const referral_terms_t *terms, referral_buf_t *buf);

/* bound, and no customer of before */
int referral_friend_counts(const referral_friend_t *f);
int referral_friend_known(const referral_friend_t *f);

/* the click's moment; a code that is typed is its own, at the binding */
referral_credit_t referral_friend_credit(const referral_friend_t *f);

/* is a binding of a bounded time over at that moment? */
int referral_friend_lapsed(const referral_friend_t *f,
    const referral_moment_t *at);

/* has the fact a click of its own, another one than the binding's? */
int referral_friend_clicked(const referral_friend_t *f,
    const referral_fact_t *fact, const referral_credit_t *credit);

/* when the account of an order made at that moment was closed, if it was */
referral_moment_t referral_friend_closed(const referral_friend_t *f,
    const referral_moment_t *at);

/* may an order that comes now still change sides, or be taken back? */
int referral_friend_open(const referral_friend_t *f,
    const referral_fact_t *fact);

/* all orders of a friend are to be looked at again if this differs */
int referral_friend_same(const referral_friend_t *a,
    const referral_friend_t *b);


#endif /* _REFERRAL_FRIEND_H_INCLUDED_ */
