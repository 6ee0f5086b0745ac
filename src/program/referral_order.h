
/*
 * An order: what its sale, its refunds, its updates and its cancel said, in
 * whatever order they came.  Nothing is added up while they come: what is left
 * of the order is computed from all of it, so that it is the same for each
 * order of arrival.
 *
 * As a value in Redis:
 *
 *     FRIEND POSITION AT AMOUNT UNIT REFUNDED_TOTAL REFUNDED_SUM UPDATED_AT
 *     CANCELLED_AT CREDIT FLAGS EVENT...
 *
 * "-" is what is not known.  CREDIT is "=" for the friend's binding, whenever
 * that comes, or a credit of the order's own.  FLAGS are letters: "s" a touch
 * pointed at the customer, "a" another sale of that order came and was not
 * counted, "x" more was refunded than there was, "o" the order stands with its
 * friend as "order:…", "m" more events came than are kept one by one.  An
 * EVENT is "p" (part), "t" (total) or "u" (update), its time, its
 * amount, and its unit if that is not the order's.
 */


#ifndef _REFERRAL_ORDER_H_INCLUDED_
#define _REFERRAL_ORDER_H_INCLUDED_


#include "referral_credit.h"


#define REFERRAL_ORDER_EVENTS  64

/* a value at most */
#define REFERRAL_ORDER_SIZE                                                   \
    (1024 + REFERRAL_ORDER_EVENTS * (REFERRAL_MOMENT_LEN + 48))


typedef struct {
    u_char                   kind;        /* 'p', 't', 'u' */
    referral_moment_t        at;
    int64_t                  amount;
    referral_str_t           unit;        /* empty: the order's */
} referral_order_event_t;


/* the texts belong to the value or to the fact that they come from */

typedef struct {
    uint64_t                 customer;    /* 0: the sale has not come yet */
    uint64_t                 position;    /* of the sale */
    referral_moment_t        at;          /* the sale's */
    int64_t                  amount;      /* the latest update's, else the
                                             sale's */
    referral_str_t           unit;
    referral_moment_t        updated;
    referral_moment_t        cancelled;
    referral_credit_t        credit;      /* if it is its own */
    unsigned                 own:1;
    unsigned                 self:1;
    unsigned                 again:1;
    unsigned                 open:1;
    unsigned                 many:1;
    unsigned                 nevents;
    referral_order_event_t   events[REFERRAL_ORDER_EVENTS];
} referral_order_t;


typedef struct {
    int64_t                  left;        /* of the amount */
    int64_t                  total;       /* refunded, the greatest figure */
    int64_t                  sum;         /* of the parts */
    unsigned                 above:1;
    unsigned                 ndays;       /* reversals that took something */
    int64_t                  days[REFERRAL_ORDER_EVENTS + 1];
} referral_order_rest_t;


void referral_order_init(referral_order_t *order);

int referral_order_parse(referral_order_t *order, const referral_str_t *s);
void referral_order_put(referral_buf_t *out, const referral_order_t *order);

/*
 * Folds a fact in.  Of a sale the caller sets the credit and the flags.
 * REFERRAL_DECLINED: the order has a sale already.
 */
int referral_order_sale(referral_order_t *order, const referral_fact_t *fact,
    const referral_moment_t *at);
void referral_order_refund(referral_order_t *order,
    const referral_fact_t *fact, const referral_moment_t *at);
void referral_order_update(referral_order_t *order,
    const referral_fact_t *fact, const referral_moment_t *at);
void referral_order_cancel(referral_order_t *order,
    const referral_moment_t *at);

/*
 * What is left of an order that has a sale; "closed" is when its friend's
 * account was closed, or no moment.
 */
void referral_order_rest(referral_order_rest_t *rest,
    const referral_order_t *order, const referral_moment_t *closed);


#endif /* _REFERRAL_ORDER_H_INCLUDED_ */
