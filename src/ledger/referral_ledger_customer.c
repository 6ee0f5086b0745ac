
/*
 * Customers that referrers brought: friends with a sale that stands, who were
 * no customers before.  What rewards cost is divided by their number.
 */


#include "referral_ledger_core.h"


static void referral_ledger_bought(referral_ledger_event_t *e);
static void referral_ledger_customer(referral_ledger_t *l,
    referral_ledger_person_t *friend, int64_t at, int minutes);


/* whoever the event, or its order, is of may be one now, or none any more */

void
referral_ledger_customers(referral_ledger_t *l, referral_ledger_event_t *e)
{
    referral_ledger_bought(e);

    if (e->friend) {
        referral_ledger_customer(l, e->friend, e->at, e->minutes);
    }

    if (e->order && e->order->friend && e->order->friend != e->friend) {
        referral_ledger_customer(l, e->order->friend, e->at, e->minutes);
    }
}


/* counts the friend's sales that stand: an order is one of them */

static void
referral_ledger_bought(referral_ledger_event_t *e)
{
    unsigned                  stands;
    referral_ledger_order_t  *order;

    order = e->order;

    if (order == NULL) {

        if (e->friend && e->type == REFERRAL_FACT_SALE) {
            e->friend->bought++;
        }

        return;
    }

    if (order->friend == NULL || order->sale == NULL) {
        return;
    }

    stands = referral_ledger_stands(order->sale);

    order->friend->bought += stands;
    order->friend->bought -= order->bought;
    order->bought = stands;
}


void
referral_ledger_customer_rejected(referral_ledger_t *l,
    referral_ledger_person_t *friend)
{
    referral_ledger_customer(l, friend, 0, 0);
}


static void
referral_ledger_customer(referral_ledger_t *l,
    referral_ledger_person_t *friend, int64_t at, int minutes)
{
    unsigned  is;

    is = (friend->bought && friend->bound && !friend->before && !friend->known
          && !friend->self && !friend->rejected);

    if (is == friend->customer) {
        return;
    }

    friend->customer = is;

    /* one that was is taken from the day to which it was counted */

    if (is && !friend->customer_told) {
        friend->customer_by = friend->bound;
        friend->customer_at = at;
        friend->customer_minutes = minutes;
    }

    referral_ledger_push(l, &l->customers, friend);
}
