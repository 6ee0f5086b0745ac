
#include "referral_ledger_core.h"


/* the tier that asks for the most friends, of those reached before the event */

referral_str_t
referral_ledger_tier(const referral_ledger_t *l,
    const referral_ledger_event_t *e)
{
    u_char                          period[REFERRAL_LEDGER_PERIOD];
    size_t                          len, k;
    unsigned                        i;
    referral_str_t                  best = referral_null_string;
    referral_ledger_list_t         *levels;
    referral_ledger_level_t        *level;
    const referral_ledger_rules_t  *rules;
    const referral_rewards_line_t  *line, *found;

    rules = l->versions.item[l->versions.n - 1];
    found = NULL;

    for (i = 0; i < rules->rewards.nlines; i++) {
        line = &rules->rewards.lines[i];

        if (line->kind != REFERRAL_REWARDS_TIER
            || (found && line->friends.from < found->friends.from))
        {
            continue;
        }

        len = referral_ledger_period(period, line->every, e->at,
                                     referral_ledger_minutes(l, e->at));

        levels = referral_ledger_levels((referral_ledger_t *) l, line,
                                        e->friend->bound->referrer, period,
                                        len);

        for (k = 0; k < levels->n; k++) {
            level = levels->item[k];

            if (level->from < e->position
                && (level->to == 0 || e->position <= level->to))
            {
                found = line;
                best = line->name;
                break;
            }
        }
    }

    return best;
}


/* when the referrer had the tier, or the badge, of that period */

referral_ledger_list_t *
referral_ledger_levels(referral_ledger_t *l,
    const referral_rewards_line_t *line, uint64_t referrer,
    const u_char *period, size_t len)
{
    u_char          name[sizeof(uint64_t) + 256];
    referral_buf_t  buf;

    referral_buf_init(&buf, name, sizeof(name));
    referral_buf_put(&buf, &referrer, sizeof(uint64_t));
    referral_buf_putc(&buf, line->kind);
    referral_buf_str(&buf, &line->name);
    referral_buf_putc(&buf, ' ');
    referral_buf_put(&buf, period, len);

    return referral_ledger_find(l, REFERRAL_LEDGER_LEVEL, name, buf.pos - name,
                                sizeof(referral_ledger_list_t));
}
