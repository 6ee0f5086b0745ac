
#include "referral_ledger_core.h"


/*
 * What a counter or a tier has counted is kept.  An event asks again only of
 * that which it may have changed: what stands by events of the same order, and
 * what depends on all that the friend did.
 */


/* what stands by that event */

void
referral_ledger_doubt_event(referral_ledger_t *l,
    const referral_ledger_event_t *e)
{
    referral_reward_t          *r;
    referral_ledger_ordinal_t  *one;

    for (r = e->rewards; r; r = r->beside) {
        referral_ledger_doubt_reward(l, r);
    }

    for (one = e->ordinals; one; one = one->beside) {
        referral_ledger_doubt_ordinal(l, one);
    }
}


/* what depends on all events and rewards of the friend */

void
referral_ledger_doubt_friend(referral_ledger_t *l,
    const referral_ledger_person_t *friend)
{
    size_t                      i;
    referral_reward_t          *r;
    referral_ledger_ordinal_t  *one;

    for (i = 0; i < friend->depending.n; i++) {
        r = friend->depending.item[i];

        if (r->event->friend == friend) {
            referral_ledger_doubt_reward(l, r);
        }
    }

    for (i = 0; i < friend->numbers.n; i++) {
        one = friend->numbers.item[i];

        if (one->event->friend == friend) {
            referral_ledger_doubt_ordinal(l, one);
        }
    }
}


/* something changed that holds for all that the friend did */

void
referral_ledger_doubt_all(referral_ledger_t *l,
    const referral_ledger_person_t *friend)
{
    size_t  i;

    for (i = 0; i < friend->events.n; i++) {
        referral_ledger_doubt_event(l, friend->events.item[i]);
    }

    referral_ledger_doubt_friend(l, friend);
}


/* an event has come, and its order may have changed */

void
referral_ledger_doubt(referral_ledger_t *l, const referral_ledger_event_t *e)
{
    size_t                    i;
    referral_reward_t        *r;
    referral_ledger_event_t  *one;

    if (e->friend) {
        referral_ledger_doubt_friend(l, e->friend);
    }

    for (i = 0; e->order && i < e->order->events.n; i++) {
        one = e->order->events.item[i];

        referral_ledger_doubt_event(l, one);

        for (r = one->rewards; r; r = r->beside) {
            referral_ledger_rouse(l, r);
        }

        if (one->friend && one->friend != e->friend) {
            referral_ledger_doubt_friend(l, one->friend);
        }
    }
}


/* the friend's next event has to ask what of the reward stands */

void
referral_ledger_rouse(referral_ledger_t *l, referral_reward_t *r)
{
    if (r->restless != r->event->friend) {
        r->restless = r->event->friend;
        referral_ledger_push(l, &r->restless->restless, r);
    }
}


/* the reward is taken back, or stands again */

void
referral_ledger_doubt_of(referral_ledger_t *l, referral_reward_t *r)
{
    referral_ledger_doubt_reward(l, r);
    referral_ledger_doubt_friend(l, r->event->friend);
}


void
referral_ledger_doubt_reward(referral_ledger_t *l, referral_reward_t *r)
{
    if (!r->doubtful) {
        r->doubtful = 1;
        referral_ledger_push(l, &r->referrer->doubtful, r);
    }
}


void
referral_ledger_doubt_ordinal(referral_ledger_t *l,
    referral_ledger_ordinal_t *one)
{
    if (!one->doubtful) {
        one->doubtful = 1;
        referral_ledger_push(l, &one->counter->doubtful, one);
    }
}
