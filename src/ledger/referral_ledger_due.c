
#include "referral_ledger_core.h"


static int referral_ledger_due_holds(referral_ledger_t *l,
    const referral_ledger_due_t *due);
static void referral_ledger_due_dropped(referral_ledger_t *l,
    const referral_ledger_due_t *due);


static int
referral_ledger_due_holds(referral_ledger_t *l,
    const referral_ledger_due_t *due)
{
    const referral_reward_t          *r;
    const referral_ledger_person_t   *friend;
    const referral_ledger_reserve_t  *reserve;

    r = due->what;

    switch (due->kind) {

    case REFERRAL_DUE_REVIEW:
        friend = due->what;
        return friend->review && friend->review_ends == due->at;

    case REFERRAL_DUE_CHOICE:
        return r->open == due->at && r->sum[REFERRAL_PENDING] > 0;

    case REFERRAL_DUE_HOLD:
        return r->open == -1 && r->due == due->at
               && r->sum[REFERRAL_PENDING] > 0
               && (r->event == NULL || !r->event->friend->review);

    case REFERRAL_DUE_RESERVE:
        reserve = due->what;
        return reserve->open && reserve->ends == due->at;

    case REFERRAL_DUE_NUDGE:
        return referral_ledger_nudge_holds(l, due->what, due->at);

    case REFERRAL_DUE_CONTEST:
        return referral_ledger_contest_closes(due->what, due->at);

    case REFERRAL_DUE_GOAL:
        return referral_ledger_goal_ends(l, due->what, due->at);

    default:
        return r->expires == due->at && r->sum[REFERRAL_AVAILABLE] > 0;
    }
}


int64_t
referral_ledger_due(referral_ledger_t *l)
{
    referral_ledger_due_t  due;

    while (l->nheap) {
        due = l->heap[0];

        if (referral_ledger_due_holds(l, &due)) {
            return due.at;
        }

        referral_ledger_due_pop(l);
        referral_ledger_due_dropped(l, &due);
    }

    return -1;
}


/* what holds again later has to be planned again then, also for this time */

static void
referral_ledger_due_dropped(referral_ledger_t *l,
    const referral_ledger_due_t *due)
{
    referral_reward_t        *r;
    referral_ledger_goal_t   *goal;
    referral_ledger_nudge_t  *nudge;

    switch (due->kind) {

    case REFERRAL_DUE_NUDGE:
        nudge = due->what;

        if (nudge->at == due->at) {
            nudge->at = -1;
        }

        break;

    case REFERRAL_DUE_GOAL:
        goal = due->what;

        if (goal->at == due->at) {
            goal->at = -1;
        }

        break;

    case REFERRAL_DUE_EXPIRY:
        r = due->what;

        /* its end has slid */

        if (r->sum[REFERRAL_AVAILABLE] > 0 && r->expires > due->at) {
            referral_ledger_schedule(l, REFERRAL_DUE_EXPIRY, r->expires, r);
        }

        break;

    default:
        break;
    }
}


/* all that is due until then, each as of its own moment */

void
referral_ledger_run(referral_ledger_t *l, int64_t until)
{
    int64_t                at;
    referral_reward_t     *r;
    referral_ledger_due_t  due;

    for ( ;; ) {
        at = referral_ledger_due(l);

        if (at == -1 || at > until || l->failed) {
            return;
        }

        due = l->heap[0];
        referral_ledger_due_pop(l);

        l->moment = at;
        r = due.what;

        switch (due.kind) {

        case REFERRAL_DUE_REVIEW:
            referral_ledger_review_end(l, due.what);
            break;

        case REFERRAL_DUE_CHOICE:
            referral_ledger_choose(l, r, 0);
            break;

        case REFERRAL_DUE_HOLD:
            referral_ledger_ripen(l, r);
            break;

        case REFERRAL_DUE_RESERVE:
            referral_ledger_release(l, due.what, "ended");
            break;

        case REFERRAL_DUE_NUDGE:
            referral_ledger_nudge(l, due.what);
            break;

        case REFERRAL_DUE_CONTEST:
            referral_ledger_contest_close(l, due.what);
            break;

        case REFERRAL_DUE_GOAL:
            referral_ledger_goal_end(l, due.what);
            break;

        default:
            referral_ledger_move(l, r, REFERRAL_AVAILABLE, REFERRAL_EXPIRED,
                                 r->sum[REFERRAL_AVAILABLE], "expired");
        }

        referral_ledger_fill_debts(l);
    }
}
