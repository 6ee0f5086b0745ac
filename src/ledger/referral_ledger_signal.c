
#include "referral_ledger_core.h"


/*
 * Signals of fraud: what the facts of a friend have said adds up, each signal
 * once.  Lines of the newest rules say what is done; without one the scores
 * below hold.  That a friend is known is asked by the rules themselves.
 */

static const struct {
    referral_str_t  name;
    unsigned        score;
    unsigned        reject;              /* whatever the score is */
} referral_fraud_signals[] = {
    { referral_string("self"), 0, 1 },
    { referral_string("same_email"), 0, 1 },
    { referral_string("known"), 0, 0 },
    { referral_string("same_device"), 80, 0 },
    { referral_string("same_payment"), 80, 0 },
    { referral_string("same_address_browser"), 40, 0 },
    { referral_string("same_address"), 20, 0 },
    { referral_string("shared_click"), 60, 0 },
    { referral_string("fast_lead"), 40, 0 },
    { referral_string("fast_sale"), 40, 0 },
    { referral_string("lead_flood"), 30, 0 },
    { referral_string("address_flood"), 30, 0 },
    { referral_string("hosting"), 30, 0 },
    { referral_string("country"), 10, 0 },
    { referral_string("disposable"), 40, 0 },
    { referral_string("coupon_site"), 50, 0 },
    { referral_string("paid_click"), 50, 0 },
    { referral_string("mutual"), 40, 0 }
};

_Static_assert(sizeof(referral_fraud_signals)
               / sizeof(referral_fraud_signals[0])
               == REFERRAL_FRAUD_SIGNALS, "all signals");


/* the names of a fact, with commas between; others than ours say nothing */

uint32_t
referral_ledger_signals_of(const referral_str_t *text)
{
    u_char          *p, *comma, *end;
    uint32_t         found;
    unsigned         i;
    referral_str_t   one;

    found = 0;
    end = text->data + text->len;

    for (p = text->data; p < end; p = comma + 1) {
        comma = memchr(p, ',', end - p);
        comma = comma ? comma : end;

        one.data = p;
        one.len = comma - p;

        for (i = 0; i < REFERRAL_FRAUD_SIGNALS; i++) {
            if (referral_str_eq(&one, &referral_fraud_signals[i].name)) {
                found |= 1U << i;
            }
        }
    }

    return found;
}


const referral_str_t *
referral_ledger_signal_name(unsigned signal)
{
    return &referral_fraud_signals[signal].name;
}


void
referral_ledger_action(const referral_ledger_t *l, unsigned signal,
    referral_ledger_action_t *action)
{
    unsigned                         i, k;
    const referral_ledger_rules_t   *rules;
    const referral_rewards_line_t   *line;
    const referral_rewards_value_t  *value;

    action->line = NULL;
    action->score = referral_fraud_signals[signal].score;
    action->act = referral_fraud_signals[signal].reject ? REFERRAL_DO_REJECT
                                                        : REFERRAL_DO_SCORE;

    if (l->versions.n == 0) {
        return;
    }

    rules = l->versions.item[l->versions.n - 1];

    for (i = 0; i < rules->rewards.nlines; i++) {
        line = &rules->rewards.lines[i];

        for (k = 0;
             line->kind == REFERRAL_REWARDS_FRAUD && k < line->signals.n;
             k++)
        {
            value = &rules->rewards.values[line->signals.first + k];

            if (referral_str_eq(&value->text,
                                &referral_fraud_signals[signal].name))
            {
                action->line = line;
                action->act = line->act;
                action->score = line->act == REFERRAL_DO_SCORE ? line->score
                                                               : 0;
                return;
            }
        }
    }
}


/* does a touch of their own end what a friend may earn? */

int
referral_ledger_self(const referral_ledger_t *l,
    const referral_ledger_person_t *friend)
{
    referral_ledger_action_t  action;

    if (!friend->self) {
        return 0;
    }

    referral_ledger_action(l, REFERRAL_FRAUD_SELF, &action);

    return action.act == REFERRAL_DO_REJECT;
}
