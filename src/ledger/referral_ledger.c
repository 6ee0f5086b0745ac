
#include "referral_ledger_core.h"


#define REFERRAL_LEDGER_SEED  16        /* bytes */


static int referral_ledger_rules(referral_ledger_t *l,
    const referral_fact_t *fact);
static int referral_ledger_seed(referral_ledger_rules_t *rules,
    const referral_str_t *text);
static void referral_ledger_arrange(referral_ledger_rules_t *rules);
static int referral_ledger_done(const referral_rewards_t *rewards,
    uint64_t done, const referral_str_t *name);
static void referral_ledger_happened(referral_ledger_t *l,
    const referral_fact_t *fact);
static void referral_ledger_decide(referral_ledger_t *l,
    referral_ledger_event_t *e, referral_ledger_person_t *friend);
static void referral_ledger_above(referral_ledger_t *l,
    const referral_ledger_event_t *e);


int
referral_ledger_ahead(referral_ledger_t *l, const referral_fact_t *fact)
{
    if (l->versions.n == 0 && referral_ledger_rules(l, fact) == REFERRAL_OK) {
        l->ahead = fact->position;
    }

    return l->failed ? REFERRAL_ERROR : REFERRAL_OK;
}


int
referral_ledger_take(referral_ledger_t *l, const referral_fact_t *fact)
{
    l->position = fact->position;
    l->now = fact->time;
    l->nentries = 0;
    l->nflags = 0;
    l->nnotices = 0;
    l->touched.n = 0;

    referral_ledger_run(l, fact->time);

    l->due_entries = l->nentries;
    l->due_notices = l->nnotices;
    l->moment = fact->time;
    l->cause = fact->text[REFERRAL_FACT_T_EVENT];
    l->cause_at = fact->at < 0 ? fact->time : fact->at;
    l->friend = NULL;

    switch (fact->type) {

    case REFERRAL_FACT_RULES:

        l->webhooks = referral_str_is(&fact->text[REFERRAL_FACT_T_WEBHOOKS],
                                      "on");

        if (l->ahead != fact->position
            && referral_ledger_rules(l, fact) != REFERRAL_OK)
        {
            referral_ledger_flag(l, "refused");
        }

        break;

    case REFERRAL_FACT_LEAD:
    case REFERRAL_FACT_SALE:
    case REFERRAL_FACT_REFUND:
    case REFERRAL_FACT_UPDATE:
    case REFERRAL_FACT_CANCEL:
    case REFERRAL_FACT_STEP:
        l->friend = fact->customer ? referral_ledger_person(l, fact->customer)
                                   : NULL;
        referral_ledger_happened(l, fact);
        break;

    case REFERRAL_FACT_RESERVE:
    case REFERRAL_FACT_COMMIT:
    case REFERRAL_FACT_RELEASE:
    case REFERRAL_FACT_ADJUST:
    case REFERRAL_FACT_CHOOSE:
    case REFERRAL_FACT_PAYOUT:
    case REFERRAL_FACT_PAID:
    case REFERRAL_FACT_FAILED:
    case REFERRAL_FACT_FORGET:
        referral_ledger_command(l, fact);
        break;

    case REFERRAL_FACT_APPROVE:
    case REFERRAL_FACT_REJECT:
        referral_ledger_judge(l, fact);
        break;

    default:
        break;
    }

    referral_ledger_fill_debts(l);

    return l->failed ? REFERRAL_ERROR : REFERRAL_OK;
}


/* a text with a mistake is refused as a whole: the old version holds */

static int
referral_ledger_rules(referral_ledger_t *l, const referral_fact_t *fact)
{
    size_t                    i;
    const char               *why;
    referral_str_t            text;
    referral_terms_t          zone;
    referral_ledger_rules_t  *rules, *newest;

    rules = l->unused ? l->unused
            : referral_ledger_alloc(l, sizeof(referral_ledger_rules_t));
    referral_ledger_copy(l, &text, &fact->text[REFERRAL_FACT_T_TEXT]);

    if (l->failed) {
        return REFERRAL_ERROR;
    }

    l->unused = rules;

    if (referral_rewards_parse(&rules->rewards, &text, NULL, NULL) != 0
        || referral_terms_parse(&zone, fact, &why) != REFERRAL_OK)
    {
        return REFERRAL_DECLINED;
    }

    if (l->versions.n) {
        newest = l->versions.item[l->versions.n - 1];

        if (referral_ledger_edit(&newest->rewards, &rules->rewards)
            != REFERRAL_OK)
        {
            return REFERRAL_DECLINED;
        }
    }

    if (referral_ledger_seed(rules, &fact->text[REFERRAL_FACT_T_SEED])
        != REFERRAL_OK)
    {
        l->failed = 1;
        return REFERRAL_ERROR;
    }

    referral_ledger_arrange(rules);

    l->unused = NULL;

    rules->version = fact->subject;
    rules->position = fact->position;
    rules->time = fact->time;

    l->zone = zone;
    referral_ledger_push(l, &l->versions, rules);
    referral_ledger_contests_again(l, rules);
    referral_ledger_goals_again(l);

    for (i = 0; i < l->people.n; i++) {
        referral_ledger_goal_friend(l, l->people.item[i]);
        referral_ledger_nudges(l, l->people.item[i]);
    }

    return REFERRAL_OK;
}


/* hexadecimal digits; without a seed nothing secret goes into a draw */

static int
referral_ledger_seed(referral_ledger_rules_t *rules,
    const referral_str_t *text)
{
    u_char  key[REFERRAL_LEDGER_SEED];
    size_t  len;

    len = 0;

    if (referral_hex_decode(key, sizeof(key), text) == sizeof(key)) {
        len = sizeof(key);
    }

    return referral_digest_key(&rules->seed, key, len);
}


/* rules in the order of the text, but each after those that it waits for */

static void
referral_ledger_arrange(referral_ledger_rules_t *rules)
{
    unsigned                         i, k, n, m, ready;
    uint64_t                         done;
    referral_rewards_t              *rewards;
    const referral_rewards_line_t   *line;
    const referral_rewards_rule_t   *rule;
    const referral_rewards_value_t  *value;

    _Static_assert(REFERRAL_REWARDS_LINES <= 64, "bits of \"done\"");

    rewards = &rules->rewards;
    done = 0;

    for (i = 0; i < rewards->nlines; i++) {
        rules->levels |= rewards->lines[i].kind == REFERRAL_REWARDS_TIER
                         || rewards->lines[i].kind == REFERRAL_REWARDS_BADGE;
    }

    for (n = 0; n < rewards->nrules; n++) {

        for (i = 0; i < rewards->nrules; i++) {
            rule = &rewards->rules[i];
            ready = !(done & (uint64_t) 1 << i);

            for (k = 0; k < rule->n; k++) {
                line = &rewards->lines[rule->line[k]];

                for (m = 0; m < line->on.n; m++) {
                    value = &rewards->values[line->on.first + m];

                    ready &= !value->rule
                             || referral_ledger_done(rewards, done,
                                                     &value->text);
                }
            }

            if (ready) {
                break;
            }
        }

        /* the grammar takes no rules that wait for each other */

        if (i == rewards->nrules) {
            return;
        }

        done |= (uint64_t) 1 << i;
        rules->order[n] = i;
    }
}


static int
referral_ledger_done(const referral_rewards_t *rewards, uint64_t done,
    const referral_str_t *name)
{
    unsigned  i;

    for (i = 0; i < rewards->nrules; i++) {
        if (referral_str_eq(&rewards->rules[i].name, name)) {
            return (done >> i) & 1;
        }
    }

    return 1;
}


/* what a cap counts, and for whom, stays what it was under that name */

int
referral_ledger_edit(const referral_rewards_t *old,
    const referral_rewards_t *rewards)
{
    unsigned                        i, k;
    const referral_str_t           *unit, *before;
    const referral_rewards_line_t  *cap, *was;

    for (i = 0; i < rewards->nlines; i++) {
        cap = &rewards->lines[i];

        for (k = 0; k < old->nlines && cap->kind == REFERRAL_REWARDS_CAP; k++) {
            was = &old->lines[k];

            if (was->kind != REFERRAL_REWARDS_CAP
                || !referral_str_eq(&was->name, &cap->name))
            {
                continue;
            }

            unit = &rewards->units[cap->limit.unit].name;
            before = &old->units[was->limit.unit].name;

            if (was->per != cap->per || was->every != cap->every
                || referral_rewards_given(was, REFERRAL_REWARDS_AMOUNT)
                   != referral_rewards_given(cap, REFERRAL_REWARDS_AMOUNT)
                || (referral_rewards_given(cap, REFERRAL_REWARDS_AMOUNT)
                    && !referral_str_eq(unit, before)))
            {
                return REFERRAL_DECLINED;
            }
        }
    }

    return REFERRAL_OK;
}


static void
referral_ledger_happened(referral_ledger_t *l, const referral_fact_t *fact)
{
    referral_ledger_event_t   *e;
    referral_ledger_person_t  *friend;

    e = referral_ledger_event(l, fact);

    if (l->failed) {
        return;
    }

    friend = e->friend ? e->friend : e->order ? e->order->friend : NULL;

    if (e->friend) {
        referral_ledger_look_at(l, e->friend);
    }

    referral_ledger_decide(l, e, friend);
    referral_ledger_reach(l, friend);
    referral_ledger_customers(l, e);

    referral_ledger_goal_event(l, e);
    referral_ledger_goal_friend(l, e->friend);
    referral_ledger_goals_reach(l);
    referral_ledger_nudges(l, friend);
}


static void
referral_ledger_decide(referral_ledger_t *l, referral_ledger_event_t *e,
    referral_ledger_person_t *friend)
{
    size_t                     i, n;
    referral_ledger_event_t   *old, **asked;

    if (e->type == REFERRAL_FACT_CANCEL && e->order == NULL) {
        referral_ledger_close(l, e);
        return;
    }

    if (e->type == REFERRAL_FACT_REFUND) {
        referral_ledger_above(l, e);
    }

    if (e->type == REFERRAL_FACT_REFUND || e->type == REFERRAL_FACT_UPDATE
        || e->type == REFERRAL_FACT_CANCEL)
    {
        referral_ledger_restore(l, e);
    }

    if (friend == NULL) {
        return;
    }

    if (e->again) {
        referral_ledger_flag(l, "order_again");
    }

    referral_ledger_ask_again(l, friend);

    /* what came before the binding is folded in, the oldest first */

    if (friend->bound == e) {
        referral_ledger_ask(l, friend,
                            (referral_ledger_event_t **) friend->events.item,
                            friend->events.n);
        return;
    }

    if (e->type != REFERRAL_FACT_UPDATE) {
        referral_ledger_ask(l, friend, &e, 1);
        return;
    }

    /* an update: the order's events are asked again */

    asked = referral_ledger_alloc(l, friend->events.n
                                     * sizeof(referral_ledger_event_t *));
    if (l->failed) {
        return;
    }

    n = 0;

    for (i = 0; i < friend->events.n; i++) {
        old = friend->events.item[i];

        if (old->order == e->order) {
            asked[n++] = old;
        }
    }

    referral_ledger_ask(l, friend, asked, n);
}


/* more was refunded than the order was worth */

static void
referral_ledger_above(referral_ledger_t *l, const referral_ledger_event_t *e)
{
    int64_t                         refunded;
    const referral_ledger_order_t  *order;

    order = e->order;

    if (order == NULL || order->sale == NULL) {
        return;
    }

    refunded = order->parts > order->refunded ? order->parts : order->refunded;

    if (refunded > referral_ledger_order_total(order)) {
        referral_ledger_flag(l, "refund_above_order");
    }
}
