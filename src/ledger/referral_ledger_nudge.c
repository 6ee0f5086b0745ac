
#include "referral_ledger_core.h"


/*
 * Reminders: a friend is told of once that something is missing, so long after
 * the sign-up or an event.  Their lines are those of the friend's terms.
 */


static const referral_rewards_line_t *referral_ledger_nudge_line(
    const referral_rewards_t *rewards, const referral_str_t *name);
static int64_t referral_ledger_nudge_at(
    const referral_ledger_person_t *friend,
    const referral_rewards_line_t *line);
static int referral_ledger_nudge_has(const referral_ledger_t *l,
    const referral_rewards_t *rewards, const referral_str_t *name,
    const referral_ledger_person_t *friend);


/* plans what is not told of yet */

void
referral_ledger_nudges(referral_ledger_t *l, referral_ledger_person_t *friend)
{
    u_char                          name[sizeof(uint64_t) + 64];
    int64_t                         at;
    unsigned                        i;
    referral_buf_t                  buf;
    referral_ledger_nudge_t        *nudge;
    const referral_rewards_line_t  *line;
    const referral_ledger_rules_t  *rules;

    if (friend == NULL || friend->bound == NULL || l->versions.n == 0) {
        return;
    }

    rules = referral_ledger_terms(l, friend);

    for (i = 0; i < rules->rewards.nlines; i++) {
        line = &rules->rewards.lines[i];

        if (line->kind != REFERRAL_REWARDS_NUDGE) {
            continue;
        }

        at = referral_ledger_nudge_at(friend, line);

        if (at == -1) {
            continue;
        }

        referral_buf_init(&buf, name, sizeof(name));
        referral_buf_put(&buf, &friend->number, sizeof(uint64_t));
        referral_buf_str(&buf, &line->name);

        nudge = referral_ledger_find(l, REFERRAL_LEDGER_NUDGE, name,
                                     buf.pos - name,
                                     sizeof(referral_ledger_nudge_t));

        if (nudge->friend == NULL) {
            nudge->friend = friend;
            nudge->name = line->name;
            nudge->at = -1;
        }

        if (!nudge->told && nudge->at != at) {
            nudge->at = at;
            referral_ledger_schedule(l, REFERRAL_DUE_NUDGE, at, nudge);
        }
    }
}


static const referral_rewards_line_t *
referral_ledger_nudge_line(const referral_rewards_t *rewards,
    const referral_str_t *name)
{
    unsigned  i;

    for (i = 0; i < rewards->nlines; i++) {
        if (rewards->lines[i].kind == REFERRAL_REWARDS_NUDGE
            && referral_str_eq(&rewards->lines[i].name, name))
        {
            return &rewards->lines[i];
        }
    }

    return NULL;
}


/* not before that became known from which it counts; -1: it has not happened */

static int64_t
referral_ledger_nudge_at(const referral_ledger_person_t *friend,
    const referral_rewards_line_t *line)
{
    int64_t  since, known;

    since = referral_ledger_since(friend, &line->since, &known);

    if (since == -1) {
        return -1;
    }

    return since + line->after > known ? since + line->after : known;
}


int
referral_ledger_nudge_holds(const referral_ledger_t *l,
    const referral_ledger_nudge_t *nudge, int64_t at)
{
    const referral_rewards_line_t  *line;

    if (nudge->told) {
        return 0;
    }

    line = referral_ledger_nudge_line(&referral_ledger_terms(l, nudge->friend)
                                       ->rewards, &nudge->name);

    return line && referral_ledger_nudge_at(nudge->friend, line) == at;
}


void
referral_ledger_nudge(referral_ledger_t *l, referral_ledger_nudge_t *nudge)
{
    const referral_str_t           *rule;
    const referral_rewards_t       *rewards;
    const referral_rewards_line_t  *line;

    rewards = &referral_ledger_terms(l, nudge->friend)->rewards;
    line = referral_ledger_nudge_line(rewards, &nudge->name);

    nudge->told = 1;

    if (!referral_ledger_newcomer(l, nudge->friend)
        || referral_ledger_nudge_has(l, rewards, &line->missing,
                                     nudge->friend))
    {
        return;
    }

    if (line->on.n) {
        rule = &rewards->values[line->on.first].text;

        if (!referral_ledger_has(l, rule, nudge->friend, NULL)) {
            return;
        }
    }

    referral_ledger_notice(l, "nudge", nudge->friend->number, &line->name,
                           &line->missing);
}


/* a rule, a line "step=", or an event of that name */

static int
referral_ledger_nudge_has(const referral_ledger_t *l,
    const referral_rewards_t *rewards, const referral_str_t *name,
    const referral_ledger_person_t *friend)
{
    int                              all;
    unsigned                         i, k;
    const referral_rewards_line_t   *line;
    const referral_rewards_value_t  *value;

    for (i = 0; i < rewards->nrules; i++) {
        if (referral_str_eq(&rewards->rules[i].name, name)) {
            return referral_ledger_has(l, name, friend, NULL);
        }
    }

    for (i = 0; i < rewards->nlines; i++) {
        line = &rewards->lines[i];

        if (line->kind != REFERRAL_REWARDS_STEP
            || !referral_str_eq(&line->name, name))
        {
            continue;
        }

        value = &rewards->values[line->on.first];

        for (k = 0; k < line->on.n; /* void */ ) {
            all = 1;

            do {
                all &= referral_ledger_had(friend, &value[k].text);
                k++;

            } while (k < line->on.n && value[k].group == value[k - 1].group);

            if (all) {
                return 1;
            }
        }

        return 0;
    }

    return referral_ledger_had(friend, name);
}
