
#include "referral_ledger_core.h"


/* the terms of a friend are those of the first event with a referrer */

const referral_ledger_rules_t *
referral_ledger_terms(const referral_ledger_t *l,
    const referral_ledger_person_t *friend)
{
    size_t                    i;
    referral_ledger_rules_t  *rules, *newest;

    newest = l->versions.item[l->versions.n - 1];

    if (newest->rewards.terms == REFERRAL_TERMS_EVENT) {
        return newest;
    }

    for (i = l->versions.n - 1; i > 0; i--) {
        rules = l->versions.item[i];

        if (rules->position < friend->bound->position) {
            return rules;
        }
    }

    return l->versions.item[0];
}


int
referral_ledger_newcomer(const referral_ledger_t *l,
    const referral_ledger_person_t *friend)
{
    return friend->bound && !friend->rejected && !friend->known
           && !friend->before && !referral_ledger_self(l, friend);
}


int
referral_ledger_eligible(const referral_ledger_t *l,
    const referral_ledger_event_t *e, const referral_rewards_line_t *line)
{
    const referral_ledger_person_t  *friend;

    friend = e->friend;

    return friend->bound && !friend->rejected
           && (friend->bound_for == 0
               || e->at - friend->bound->at <= friend->bound_for)
           && (friend->known || friend->before) == line->known
           && !referral_ledger_self(l, friend);
}
