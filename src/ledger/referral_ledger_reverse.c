
#include <stdlib.h>

#include "referral_ledger_core.h"


static void referral_ledger_ask_one(referral_ledger_t *l,
    referral_reward_t *r);
static int referral_ledger_restless(const referral_ledger_t *l,
    const referral_reward_t *r);
static int referral_ledger_number_compare(const void *one, const void *two);
static int referral_ledger_percent(const referral_reward_t *r);
static int64_t referral_ledger_standing(const referral_ledger_t *l,
    const referral_reward_t *r);
static int64_t referral_ledger_share(const referral_ledger_t *l,
    const referral_reward_t *r);
static void referral_ledger_reverse(referral_ledger_t *l,
    referral_reward_t *r, int64_t amount);


static int
referral_ledger_percent(const referral_reward_t *r)
{
    return referral_ledger_gift(r)->kind == REFERRAL_GIFT_PERCENT;
}


/*
 * Rewards that the event may have changed are asked what of them still stands,
 * in the order of their numbers, and then whether they are ripe.
 */

void
referral_ledger_ask_again(referral_ledger_t *l,
    referral_ledger_person_t *friend)
{
    size_t                   i;
    referral_reward_t       *r;
    referral_ledger_list_t  *asked;

    asked = &l->asked;
    asked->n = 0;

    for (i = 0; i < friend->restless.n; i++) {
        r = friend->restless.item[i];

        if (r->restless == friend) {
            r->restless = NULL;
            referral_ledger_push(l, asked, r);
        }
    }

    friend->restless.n = 0;

    if (asked->n > 1) {
        qsort(asked->item, asked->n, sizeof(void *),
              referral_ledger_number_compare);
    }

    for (i = 0; i < asked->n; i++) {
        referral_ledger_ask_one(l, asked->item[i]);
    }

    for (i = 0; i < asked->n; i++) {
        r = asked->item[i];

        referral_ledger_ripen_if(l, r);

        if (referral_ledger_restless(l, r)) {
            referral_ledger_rouse(l, r);
        }
    }
}


/* what fell as a whole comes back by another event only */

static void
referral_ledger_ask_one(referral_ledger_t *l, referral_reward_t *r)
{
    int64_t  want, have, more, again;

    if (r->denied || r->down || referral_ledger_milestone(&r->asked)) {
        return;
    }

    want = referral_ledger_standing(l, r);
    have = referral_ledger_net(r);

    if (want < have) {
        r->down = (want == 0);
        referral_ledger_doubt_of(l, r);
        referral_ledger_reverse(l, r, have - want);
        return;
    }

    if (want == have || !referral_ledger_percent(r)) {
        return;
    }

    more = referral_ledger_capped(l, r, want - have, 0);

    /* what the cap cuts is not paid when there is room again */

    if (more < want - have) {
        r->clipped = 1;
        r->first = have + more;
    }

    again = more < r->sum[REFERRAL_CANCELLED] ? more
            : r->sum[REFERRAL_CANCELLED];

    referral_ledger_pay(l, r, again, r->event, "raised", REFERRAL_CANCELLED);
    referral_ledger_pay(l, r, more - again, r->event, "raised",
                        REFERRAL_BUDGET);
}


/*
 * May the next event change it, even one of another order?  What waits for
 * room under its cap, or for an event, is asked each time.
 */

static int
referral_ledger_restless(const referral_ledger_t *l,
    const referral_reward_t *r)
{
    if (r->sum[REFERRAL_PENDING] > 0
        && (r->line->until.len || r->due <= l->moment))
    {
        return 1;
    }

    if (r->denied || r->down || referral_ledger_milestone(&r->asked)) {
        return 0;
    }

    return referral_ledger_depends(&r->asked)
           || (referral_ledger_percent(r)
               && referral_ledger_standing(l, r) != referral_ledger_net(r));
}


static int
referral_ledger_number_compare(const void *one, const void *two)
{
    const referral_reward_t  *a, *b;

    a = *(const referral_reward_t *const *) one;
    b = *(const referral_reward_t *const *) two;

    return a->number < b->number ? -1 : a->number > b->number;
}


/* what the order and the line still carry of a reward */

static int64_t
referral_ledger_standing(const referral_ledger_t *l,
    const referral_reward_t *r)
{
    int64_t                        target;
    const referral_ledger_line_t  *line;

    line = &r->asked;

    if (r->line->undo == REFERRAL_UNDO_KEEP) {
        return referral_ledger_net(r);
    }

    /* what was clipped never rises above what was granted */

    if (referral_ledger_percent(r)) {
        target = referral_ledger_target(r);

        return r->clipped && target > r->first ? r->first : target;
    }

    /* other events may carry the steps or the sum */

    if (!referral_ledger_stands(r->event)
        && !referral_ledger_waits(line)
        && !referral_rewards_given(line->line, REFERRAL_REWARDS_SUM)
        && !referral_ledger_together(line))
    {
        return 0;
    }

    if (r->line->undo == REFERRAL_UNDO_SHARE && r->event->order) {
        return referral_ledger_share(l, r);
    }

    return referral_ledger_still(l, line, r->event) ? referral_ledger_net(r)
                                                    : 0;
}


static int64_t
referral_ledger_share(const referral_ledger_t *l, const referral_reward_t *r)
{
    int64_t                         total;
    const referral_ledger_order_t  *order;

    order = r->event->order;

    /* an order without an amount has no parts */

    if (order->sale == NULL) {
        return referral_ledger_still(l, &r->asked, r->event) ? r->first : 0;
    }

    total = referral_ledger_order_total(order);

    if (total == 0) {
        return 0;
    }

    return referral_ledger_ratio(r->first, referral_ledger_order_rest(order),
                                 1, total, 1);
}


/*
 * What is pending or available goes first; what was spent or is reserved
 * makes the available less than nothing; what has expired stays so.
 */

static void
referral_ledger_reverse(referral_ledger_t *l, referral_reward_t *r,
    int64_t amount)
{
    int64_t   part, debt;
    unsigned  from;

    for (from = REFERRAL_PENDING; from <= REFERRAL_AVAILABLE; from++) {
        part = r->sum[from] > 0 ? r->sum[from] : 0;
        part = part < amount ? part : amount;

        referral_ledger_move(l, r, from, REFERRAL_CANCELLED, part, "reversed");

        amount -= part;
    }

    debt = r->sum[REFERRAL_AVAILABLE] < 0 ? r->sum[REFERRAL_AVAILABLE] : 0;
    part = r->sum[REFERRAL_SPENT] + r->sum[REFERRAL_RESERVED] + debt
           + r->sum[REFERRAL_WRITTEN_OFF];
    part = part < amount ? part : amount;

    referral_ledger_move(l, r, REFERRAL_AVAILABLE, REFERRAL_CANCELLED, part,
                         "reversed");
}


/*
 * The reward comes back with the amount of its grant, and against the cap of
 * its first period; hold and life run anew.
 */

void
referral_ledger_come_back(referral_ledger_t *l, referral_reward_t *r,
    const referral_ledger_line_t *line, referral_ledger_event_t *e)
{
    int64_t  want, have, amount, again;

    if (r->denied || !r->down) {

        /* what is not paid, or never taken back, may stand by another event */

        if ((r->denied || r->line->undo == REFERRAL_UNDO_KEEP)
            && !referral_ledger_still(l, &r->asked, r->event))
        {
            r->asked = *line;
            referral_ledger_through(l, r, e);
            r->since = l->position;

            /* it waits for nothing of the friend by whom it stood before */

            referral_ledger_schedule_reward(l, r);
            referral_ledger_ripen_if(l, r);
        }

        return;
    }

    if (referral_ledger_percent(r)
        && (!referral_str_eq(&e->unit, &r->unit)
            || referral_ledger_rest(e) < 0))
    {
        return;
    }

    r->asked = *line;
    referral_ledger_through(l, r, e);
    r->since = l->position;
    r->down = 0;

    have = referral_ledger_net(r);
    want = line->rules->rewards.gifts[line->line->gift].kind
           == REFERRAL_GIFT_PERCENT
           ? referral_ledger_target(r) : r->first;

    amount = want > have ? want - have : 0;
    amount = referral_ledger_capped(l, r, amount, 1);

    if (amount == 0 && want > have) {
        r->denied = "cap";
        referral_ledger_touch(l, r);
        return;
    }

    r->expires = -1;

    again = amount < r->sum[REFERRAL_CANCELLED] ? amount
            : r->sum[REFERRAL_CANCELLED];

    referral_ledger_pay(l, r, again, e, "again", REFERRAL_CANCELLED);
    referral_ledger_pay(l, r, amount - again, e, "again", REFERRAL_BUDGET);
}


/* the friend's account is closed */

void
referral_ledger_close(referral_ledger_t *l, const referral_ledger_event_t *e)
{
    size_t                    i;
    referral_reward_t        *r;
    referral_ledger_rules_t  *newest;

    if (e->friend == NULL || e->friend->bound == NULL || l->versions.n == 0) {
        return;
    }

    newest = l->versions.item[l->versions.n - 1];

    if (e->at - e->friend->bound->at > newest->rewards.refunds) {
        return;
    }

    e->friend->closed = e->position;
    referral_ledger_doubt_all(l, e->friend);

    for (i = 0; i < e->friend->earned.n; i++) {
        r = e->friend->earned.item[i];

        if (r->event->friend == e->friend
            && !referral_ledger_milestone(&r->asked)
            && r->denied == NULL && r->line->undo != REFERRAL_UNDO_KEEP)
        {
            r->down = 1;
            referral_ledger_reverse(l, r, referral_ledger_net(r));
        }
    }
}
