
#include "referral_ledger_core.h"


static void referral_ledger_miss(referral_ledger_t *l,
    const referral_reward_t *r);
static void referral_ledger_slide(referral_ledger_t *l, referral_reward_t *r);


/* a prize is chosen, or at the end of the time for it the first one */

void
referral_ledger_choose(referral_ledger_t *l, referral_reward_t *r, unsigned n)
{
    r->prize = r->rules->rewards.gifts[r->line->gift + n].prize;
    r->open = -1;

    if (r->due != -1 && r->due < l->moment) {
        r->due = l->moment;
    }

    referral_ledger_schedule_reward(l, r);
    referral_ledger_ripen_if(l, r);
}


/* what waits for an event of the friend has no moment at which it is due */

void
referral_ledger_ripen_if(referral_ledger_t *l, referral_reward_t *r)
{
    if (r->sum[REFERRAL_PENDING] <= 0 || r->open != -1
        || (r->event && r->event->friend->review))
    {
        return;
    }

    if (r->event && r->line->until.len) {

        if (referral_ledger_had(r->event->friend, &r->line->until)) {
            referral_ledger_ripen(l, r);
        }

    } else if (r->due <= l->moment) {
        referral_ledger_ripen(l, r);
    }
}


void
referral_ledger_ripen(referral_ledger_t *l, referral_reward_t *r)
{
    r->due = -1;

    /* the prize of a contest has no event */

    if (r->event && (r->line->hold || r->line->until.len)
        && referral_ledger_milestone(&r->asked)
        && !referral_ledger_reached(l, r))
    {
        referral_ledger_miss(l, r);
        return;
    }

    if (r->line->life && r->expires == -1) {
        r->expires = l->moment + r->line->life;
    }

    referral_ledger_move(l, r, REFERRAL_PENDING, REFERRAL_AVAILABLE,
                         r->sum[REFERRAL_PENDING], "ripe");

    if (r->line->slide && r->expires != -1) {
        referral_ledger_slide(l, r);
    }
}


/* a milestone that does not stand at the end of its hold goes on both sides */

static void
referral_ledger_miss(referral_ledger_t *l, const referral_reward_t *r)
{
    size_t                     i;
    referral_reward_t         *other;
    referral_ledger_person_t  *friend;

    friend = r->event->friend;

    for (i = 0; i < friend->earned.n; i++) {
        other = friend->earned.item[i];

        if (other->event == r->event && other->sum[REFERRAL_PENDING]
            && referral_str_eq(&other->rule, &r->rule))
        {
            other->due = -1;
            other->down = 1;

            referral_ledger_doubt_of(l, other);

            referral_ledger_move(l, other, REFERRAL_PENDING,
                                 REFERRAL_CANCELLED,
                                 other->sum[REFERRAL_PENDING], "missed");
        }
    }
}


/*
 * What slides and has not expired gets the end of the newest.  It is planned
 * anew when its old end has come.
 */

static void
referral_ledger_slide(referral_ledger_t *l, referral_reward_t *r)
{
    size_t              i;
    referral_reward_t  *other;

    for (i = 0; i < r->owner->owned.n; i++) {
        other = r->owner->owned.item[i];

        if (other->line && other->line->slide && other->expires > l->moment
            && other->expires < r->expires
            && referral_str_eq(&other->unit, &r->unit))
        {
            other->expires = r->expires;
            referral_ledger_touch(l, other);
        }
    }
}
