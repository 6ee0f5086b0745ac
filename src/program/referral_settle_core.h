
/*
 * What the files of referral_settle.h share: an event on its way, and what it
 * counts.
 */


#ifndef _REFERRAL_SETTLE_CORE_H_INCLUDED_
#define _REFERRAL_SETTLE_CORE_H_INCLUDED_


#include "referral_friend.h"
#include "referral_order.h"
#include "referral_settle.h"


/* enough for a friend and for an order */

#define REFERRAL_SETTLE_TEXT   16384

_Static_assert(REFERRAL_SETTLE_TEXT > REFERRAL_FRIEND_SIZE
               && REFERRAL_SETTLE_TEXT > REFERRAL_ORDER_SIZE, "texts fit");


/* the first four are counted by day and by dimension, of which three have
   boards */

typedef enum {
    REFERRAL_SETTLE_LEADS = 0,
    REFERRAL_SETTLE_SALES,
    REFERRAL_SETTLE_AMOUNT,
    REFERRAL_SETTLE_REFUNDS,
    REFERRAL_SETTLE_FRIENDS,
    REFERRAL_SETTLE_KNOWN,
    REFERRAL_SETTLE_SELF,
    REFERRAL_SETTLE_UNATTRIBUTED,
    REFERRAL_SETTLE_FIELDS
} referral_settle_field_e;


/* so many of a field at a day, for whom; the click is its day alone */

struct referral_settle_entry_s {
    referral_settle_field_e   field;
    referral_str_t            unit;       /* of an amount */
    int64_t                   day;
    unsigned                  credited:1;
    referral_credit_t         credit;
    int64_t                   n;
};


/* a friend and an order before and after the fact, and their items */

typedef struct {
    const referral_fact_t    *fact;
    const referral_terms_t   *terms;
    referral_moment_t         at;

    referral_view_item_t     *friend;
    referral_view_item_t     *open;
    referral_view_item_t     *step;
    referral_view_item_t     *order;

    unsigned                  turned:1;   /* the friend's open orders count
                                             otherwise now */
    referral_friend_t         before;
    referral_friend_t         after;
    referral_friend_t         owner;      /* of an order of somebody else */
    referral_order_t          order_before;
    referral_order_t          order_after;
} referral_settle_event_t;


/* what the event counts, in s->entry, and into the counters */
void referral_settle_count(referral_settle_t *s, referral_settle_event_t *e);

/* the entries as a text: a line each */
int referral_settle_tell(referral_settle_t *s, referral_str_t *text);


#endif /* _REFERRAL_SETTLE_CORE_H_INCLUDED_ */
