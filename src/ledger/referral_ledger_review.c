
#include "referral_ledger_core.h"


/* scores, from there on */

#define REFERRAL_FRAUD_REVIEW  50
#define REFERRAL_FRAUD_REJECT  120


static uint32_t referral_ledger_signals(const referral_ledger_t *l,
    const referral_ledger_person_t *friend);
static void referral_ledger_review_open(referral_ledger_t *l,
    referral_ledger_person_t *friend, uint32_t found, unsigned score);
static void referral_ledger_review_told(referral_ledger_t *l,
    const referral_ledger_person_t *friend, const char *what, int score);
static void referral_ledger_approve(referral_ledger_t *l,
    referral_ledger_person_t *friend);
static void referral_ledger_reject(referral_ledger_t *l,
    referral_ledger_person_t *friend, int score);


static uint32_t
referral_ledger_signals(const referral_ledger_t *l,
    const referral_ledger_person_t *friend)
{
    uint32_t  found;

    found = friend->signals;

    if (friend->self && !referral_ledger_self(l, friend)) {
        found |= 1U << REFERRAL_FRAUD_SELF;
    }

    if (friend->known || friend->before) {
        found |= 1U << REFERRAL_FRAUD_KNOWN;
    }

    return found & ~friend->cleared;
}


/* at each event of the friend, before it is decided */

void
referral_ledger_look_at(referral_ledger_t *l, referral_ledger_person_t *friend)
{
    uint32_t                  found, acted;
    unsigned                  i, score, hold, reject;
    referral_ledger_action_t  action;

    if (friend->rejected || l->versions.n == 0) {
        return;
    }

    found = referral_ledger_signals(l, friend);
    acted = 0;
    score = 0;
    hold = 0;
    reject = 0;

    for (i = 0; i < REFERRAL_FRAUD_SIGNALS; i++) {

        if (!(found & 1U << i)) {
            continue;
        }

        referral_ledger_action(l, i, &action);

        if (action.act == REFERRAL_DO_SCORE && action.score == 0) {
            continue;
        }

        acted |= 1U << i;
        score += action.score;
        hold |= action.act == REFERRAL_DO_HOLD;
        reject |= action.act == REFERRAL_DO_REJECT;
    }

    if (reject || score >= REFERRAL_FRAUD_REJECT) {
        referral_ledger_reject(l, friend, score);

    } else if (hold || score >= REFERRAL_FRAUD_REVIEW) {
        referral_ledger_review_open(l, friend, acted, score);
    }
}


/*
 * A new signal begins a review anew.  It ends by itself only if all lines
 * that led to it say so; otherwise its end reminds.
 */

static void
referral_ledger_review_open(referral_ledger_t *l,
    referral_ledger_person_t *friend, uint32_t found, unsigned score)
{
    int64_t                   end;
    unsigned                  i, approve, begun;
    referral_ledger_action_t  action;

    if (friend->review && (found & ~friend->review_signals) == 0) {
        return;
    }

    end = -1;
    approve = 1;
    begun = !friend->review;

    for (i = 0; i < REFERRAL_FRAUD_SIGNALS; i++) {

        if (!(found & 1U << i)) {
            continue;
        }

        referral_ledger_action(l, i, &action);

        approve &= action.line && action.line->then == REFERRAL_THEN_APPROVE;

        if (action.line
            && referral_rewards_given(action.line, REFERRAL_REWARDS_REVIEW)
            && action.line->review > end)
        {
            end = action.line->review;
        }
    }

    referral_ledger_doubt_all(l, friend);

    friend->review = 1;
    friend->review_signals = found;
    friend->review_score = score;
    friend->review_approves = approve;
    friend->review_ends = end == -1 ? -1 : l->moment + end;

    if (end != -1) {
        referral_ledger_schedule(l, REFERRAL_DUE_REVIEW, friend->review_ends,
                                 friend);
    }

    referral_ledger_push(l, &l->reviewed, friend);

    if (begun) {
        friend->review_since = l->moment;
        referral_ledger_review_told(l, friend, "opened", score);
    }
}


static void
referral_ledger_review_told(referral_ledger_t *l,
    const referral_ledger_person_t *friend, const char *what, int score)
{
    size_t          i;
    u_char          text[16];
    referral_buf_t  buf;
    referral_str_t  name, detail;

    referral_buf_init(&buf, text, sizeof(text));

    if (score >= 0) {
        referral_buf_uint(&buf, score);
    }

    name.data = (u_char *) what;
    name.len = strlen(what);
    detail.data = text;
    detail.len = buf.pos - text;

    referral_ledger_notice(l, "review", friend->number, &name, &detail);

    for (i = 0; i < friend->earned.n; i++) {
        referral_ledger_touch(l, friend->earned.item[i]);
    }
}


void
referral_ledger_review_end(referral_ledger_t *l,
    referral_ledger_person_t *friend)
{
    if (friend->review_approves) {
        referral_ledger_approve(l, friend);
        return;
    }

    friend->review_ends = -1;
    referral_ledger_push(l, &l->reviewed, friend);

    referral_ledger_review_told(l, friend, "reminder", friend->review_score);
}


/* as if never held, but for the moment */

static void
referral_ledger_approve(referral_ledger_t *l, referral_ledger_person_t *friend)
{
    size_t              i;
    referral_reward_t  *r;

    friend->review = 0;
    friend->review_ends = -1;
    friend->cleared |= referral_ledger_signals(l, friend);

    referral_ledger_doubt_all(l, friend);

    referral_ledger_push(l, &l->reviewed, friend);
    referral_ledger_review_told(l, friend, "approved", friend->review_score);

    for (i = 0; i < friend->earned.n; i++) {
        r = friend->earned.item[i];

        if (r->event->friend == friend) {
            referral_ledger_schedule_reward(l, r);
            referral_ledger_ripen_if(l, r);
        }
    }

    referral_ledger_reach(l, friend);
}


/* for good, on both sides; what is spent stays */

static void
referral_ledger_reject(referral_ledger_t *l, referral_ledger_person_t *friend,
    int score)
{
    size_t              i;
    referral_reward_t  *r;

    if (friend->review) {
        referral_ledger_push(l, &l->reviewed, friend);
    }

    friend->rejected = 1;
    friend->review = 0;
    friend->review_ends = -1;

    referral_ledger_doubt_all(l, friend);

    referral_ledger_review_told(l, friend, "rejected", score);

    for (i = 0; i < friend->earned.n; i++) {
        r = friend->earned.item[i];

        if (r->event->friend == friend && r->denied == NULL) {
            r->down = 1;
        }
    }

    for (i = 0; i < friend->earned.n; i++) {
        r = friend->earned.item[i];

        if (r->event->friend == friend) {
            referral_ledger_forfeit(l, r);
        }
    }

    referral_ledger_lose(l, friend);
    referral_ledger_goal_friend(l, friend);
    referral_ledger_customer_rejected(l, friend);
}


/* an operator's word, about a friend */

void
referral_ledger_judge(referral_ledger_t *l, const referral_fact_t *fact)
{
    int64_t                    number;
    referral_ledger_person_t  *friend;

    number = referral_str_uint(&fact->text[REFERRAL_FACT_T_FRIEND], INT64_MAX);
    friend = number > 0 ? referral_ledger_person(l, number) : NULL;

    if (friend == NULL
        || (fact->type == REFERRAL_FACT_APPROVE ? !friend->review
                                                : friend->rejected))
    {
        referral_ledger_flag(l, "refused");

    } else if (fact->type == REFERRAL_FACT_APPROVE) {
        referral_ledger_approve(l, friend);

    } else {
        referral_ledger_reject(l, friend,
                               friend->review ? (int) friend->review_score
                                              : -1);
    }
}
