#include "referral_rewards_core.h"


static void referral_rewards_warn_rule(referral_rewards_read_t *r,
    const referral_rewards_rule_t *rule);
static void referral_rewards_warn_line(referral_rewards_read_t *r,
    const referral_rewards_line_t *line);
static void referral_rewards_warn_later(referral_rewards_read_t *r,
    const referral_rewards_line_t *line);
static void referral_rewards_warn_cap(referral_rewards_read_t *r,
    unsigned cap);
static int referral_rewards_signup(const referral_rewards_t *rewards,
    const referral_rewards_line_t *line);
static int referral_rewards_money(const referral_rewards_t *rewards,
    const referral_rewards_line_t *line);
static int referral_rewards_covers(const referral_rewards_t *rewards,
    const referral_rewards_line_t *above, const referral_rewards_line_t *line);
static int referral_rewards_covers_word(const referral_rewards_t *rewards,
    const referral_rewards_line_t *above, const referral_rewards_line_t *line,
    const referral_rewards_row_t *row);
static int referral_rewards_covers_list(const referral_rewards_t *rewards,
    const referral_rewards_list_t *above, const referral_rewards_list_t *list);
static int referral_rewards_covers_on(const referral_rewards_t *rewards,
    const referral_rewards_list_t *above, const referral_rewards_list_t *list);
static int referral_rewards_same_word(const referral_rewards_t *rewards,
    const referral_rewards_line_t *a, const referral_rewards_line_t *b,
    unsigned word);


/* the words of a rule that say when it matches; the others say what follows */

static const unsigned  referral_rewards_conditions[] = {
    REFERRAL_REWARDS_ON, REFERRAL_REWARDS_NTH, REFERRAL_REWARDS_SUM,
    REFERRAL_REWARDS_FRIENDS, REFERRAL_REWARDS_WITHIN, REFERRAL_REWARDS_MIN,
    REFERRAL_REWARDS_MAX, REFERRAL_REWARDS_PRODUCT, REFERRAL_REWARDS_ROLE,
    REFERRAL_REWARDS_SEGMENT, REFERRAL_REWARDS_FRIEND, REFERRAL_REWARDS_TIERS,
    REFERRAL_REWARDS_COUNTRY, REFERRAL_REWARDS_REGION, REFERRAL_REWARDS_CITY,
    REFERRAL_REWARDS_CHANNEL, REFERRAL_REWARDS_VARIANT, REFERRAL_REWARDS_CODE,
    REFERRAL_REWARDS_PARTY, REFERRAL_REWARDS_STARTS, REFERRAL_REWARDS_ENDS,
    REFERRAL_REWARDS_MONTHS
};

#define REFERRAL_REWARDS_CONDITIONS                                           \
    (sizeof(referral_rewards_conditions) / sizeof(unsigned))


void
referral_rewards_warn(referral_rewards_read_t *r)
{
    unsigned                        n, i;
    const referral_str_t           *signal;
    const referral_rewards_line_t  *line;

    for (n = 0; n < r->rewards->nrules; n++) {
        referral_rewards_warn_rule(r, &r->rewards->rules[n]);
    }

    for (n = 0; n < r->rewards->nlines; n++) {
        line = &r->rewards->lines[n];

        if (line->kind == REFERRAL_REWARDS_CAP) {
            referral_rewards_warn_cap(r, n);
        }

        referral_rewards_warn_later(r, line);

        for (i = 0; i < line->signals.n; i++) {
            signal = &r->rewards->values[line->signals.first + i].text;

            if (referral_str_is(signal, "self")
                && line->act != REFERRAL_DO_REJECT)
            {
                referral_rewards_warn_at(r, line, REFERRAL_REWARDS_DO,
                                         "do=reject: else people refer "
                                         "themselves");
            }
        }
    }
}


static void
referral_rewards_warn_rule(referral_rewards_read_t *r,
    const referral_rewards_rule_t *rule)
{
    unsigned                        i, j, uncapped, bounded;
    const referral_rewards_line_t  *line, *above;

    uncapped = REFERRAL_REWARDS_LINES;

    for (i = 0; i < rule->n; i++) {
        line = &r->rewards->lines[rule->line[i]];

        referral_rewards_warn_line(r, line);

        bounded = line->cap.len || line->friends.to
                  || line->each == REFERRAL_EACH_REFERRER
                  || (line->to == REFERRAL_TO_FRIEND
                      && line->each == REFERRAL_EACH_FRIEND);

        if (!bounded && uncapped == REFERRAL_REWARDS_LINES) {
            uncapped = rule->line[i];
        }

        for (j = 0; j < i; j++) {
            above = &r->rewards->lines[rule->line[j]];

            if (referral_rewards_covers(r->rewards, above, line)) {
                referral_rewards_warn_at(r, line, REFERRAL_REWARDS_WORDS,
                                         "a line of this rule above always "
                                         "matches first, so this one never "
                                         "does: put the narrower one above");
                break;
            }
        }
    }

    if (uncapped < REFERRAL_REWARDS_LINES) {
        referral_rewards_warn_at(r, &r->rewards->lines[uncapped],
                                 REFERRAL_REWARDS_WORDS,
                                 "without cap= nothing limits what one person "
                                 "earns: a line \"cap=NAME per=referrer\" and "
                                 "cap=NAME here");
    }
}


static void
referral_rewards_warn_line(referral_rewards_read_t *r,
    const referral_rewards_line_t *line)
{
    if (referral_rewards_signup(r->rewards, line)) {
        referral_rewards_warn_at(r, line, REFERRAL_REWARDS_ON,
                                 "a sign-up alone costs nothing and is farmed: "
                                 "reward what follows it, wait with "
                                 "hold=until:EVENT, or ask use_min=");
    }

    if (referral_rewards_money(r->rewards, line)
        && line->undo != REFERRAL_UNDO_KEEP && line->hold == 0
        && line->until.len == 0)
    {
        referral_rewards_warn_at(r, line, REFERRAL_REWARDS_WORDS,
                                 "an order can be refunded after its reward "
                                 "was spent: hold=14d waits for that");
    }

    if (referral_rewards_given(line, REFERRAL_REWARDS_PAY)
        && line->pay == REFERRAL_PAY_CODE && line->ngifts
        && r->rewards->gifts[line->gift].kind == REFERRAL_GIFT_PERCENT)
    {
        referral_rewards_warn_at(r, line, REFERRAL_REWARDS_PAY,
                                 "a percentage has any value, and a voucher "
                                 "must have exactly that: give a flat amount");
    }

    if (line->ngifts && line->cap.len == 0 && line->upto.amount == 0
        && r->rewards->gifts[line->gift].kind == REFERRAL_GIFT_PERCENT)
    {
        referral_rewards_warn_at(r, line, REFERRAL_REWARDS_GIVE,
                                 "a percentage grows with the order: "
                                 "upto=50.00EUR or so limits one reward");
    }
}


/* words that the facts, or what hands rewards out, do not serve yet */

static void
referral_rewards_warn_later(referral_rewards_read_t *r,
    const referral_rewards_line_t *line)
{
    if (line->region.n) {
        referral_rewards_warn_at(r, line, REFERRAL_REWARDS_REGION,
                                 "country= or city=: no event says its region "
                                 "yet, so region= never matches, and with "
                                 "\"!\" always");
    }

    if (line->pay == REFERRAL_PAY_WEBHOOK) {
        referral_rewards_warn_at(r, line, REFERRAL_REWARDS_PAY,
                                 "this version sends no order to pay: the "
                                 "reward stays available, as with pay=credit");
    }

    if (line->pay == REFERRAL_PAY_CODE) {
        referral_rewards_warn_at(r, line, REFERRAL_REWARDS_PAY,
                                 "this version hands out no vouchers: the "
                                 "reward stays available, as with pay=credit");
    }
}


static void
referral_rewards_warn_cap(referral_rewards_read_t *r, unsigned cap)
{
    unsigned                        n;
    const referral_rewards_line_t  *line;

    for (n = 0; n < r->rewards->nlines; n++) {
        line = &r->rewards->lines[n];

        if (line->cap.len && line->cap_line == cap) {
            return;
        }
    }

    referral_rewards_warn_at(r, &r->rewards->lines[cap],
                             REFERRAL_REWARDS_WORDS,
                             "a line rule= that names it: this cap limits "
                             "nothing");
}


/* can be had by a "lead" alone, and is worth something at once */

static int
referral_rewards_signup(const referral_rewards_t *rewards,
    const referral_rewards_line_t *line)
{
    unsigned                         i;
    const referral_rewards_value_t  *value;

    if (line->until.len || line->use_min.amount) {
        return 0;
    }

    for (i = 0; i < line->on.n; i++) {
        value = &rewards->values[line->on.first + i];

        if (referral_str_is(&value->text, "lead") && !value->rule
            && (i == 0 || value[-1].group != value->group)
            && (i + 1 == line->on.n || value[1].group != value->group))
        {
            return 1;
        }
    }

    return 0;
}


/* depends on an order's amount */

static int
referral_rewards_money(const referral_rewards_t *rewards,
    const referral_rewards_line_t *line)
{
    unsigned                         i;
    const referral_rewards_value_t  *value;

    if (line->sum.amount || line->min.amount
        || (line->ngifts && rewards->gifts[line->gift].kind
                            == REFERRAL_GIFT_PERCENT))
    {
        return 1;
    }

    for (i = 0; i < line->on.n; i++) {
        value = &rewards->values[line->on.first + i];

        if (!value->rule && referral_str_is(&value->text, "sale")) {
            return 1;
        }
    }

    return 0;
}


/* does the line above match whenever this one does? */

static int
referral_rewards_covers(const referral_rewards_t *rewards,
    const referral_rewards_line_t *above, const referral_rewards_line_t *line)
{
    size_t                          i;
    const referral_rewards_row_t   *row;

    if (above->nkeys || above->each != line->each
        || above->known != line->known)
    {
        return 0;
    }

    /* the n-th of fewer events is another event: all has to be the same */

    if (above->nth && (line->nkeys || above->given != line->given)) {
        return 0;
    }

    for (i = 0; i < REFERRAL_REWARDS_CONDITIONS; i++) {
        if (!referral_rewards_given(above, referral_rewards_conditions[i])) {
            continue;
        }

        if (!referral_rewards_given(line, referral_rewards_conditions[i])) {
            return 0;
        }

        if (above->nth
            && !referral_rewards_same_word(rewards, above, line,
                                           referral_rewards_conditions[i]))
        {
            return 0;
        }

        for (row = referral_rewards_rows;
             row->word != referral_rewards_conditions[i]
             || !(row->kinds & 1U << REFERRAL_REWARDS_RULE);
             row++)
        {
            /* void */
        }

        if (!referral_rewards_covers_word(rewards, above, line, row)) {
            return 0;
        }
    }

    return 1;
}


static int
referral_rewards_covers_word(const referral_rewards_t *rewards,
    const referral_rewards_line_t *above, const referral_rewards_line_t *line,
    const referral_rewards_row_t *row)
{
    const u_char  *a, *b;

    a = (const u_char *) above + row->field;
    b = (const u_char *) line + row->field;

    switch (row->word) {

    case REFERRAL_REWARDS_ON:
        return referral_rewards_covers_on(rewards, &above->on, &line->on);

    case REFERRAL_REWARDS_FRIENDS:
        return referral_str_eq(&above->counter, &line->counter)
               && above->friends.from <= line->friends.from
               && (above->friends.to == 0
                   || (line->friends.to
                       && above->friends.to >= line->friends.to));

    case REFERRAL_REWARDS_MIN:
        return above->min.unit == line->min.unit
               && above->min.amount <= line->min.amount;

    case REFERRAL_REWARDS_SUM:
        return above->sum.unit == line->sum.unit
               && above->sum.amount <= line->sum.amount;

    case REFERRAL_REWARDS_MAX:
        return above->max.unit == line->max.unit
               && above->max.amount >= line->max.amount;

    case REFERRAL_REWARDS_WITHIN:
        return referral_str_eq(&above->since, &line->since)
               && above->within >= line->within;

    case REFERRAL_REWARDS_STARTS:
        return above->clock == line->clock
               && above->starts.local == line->starts.local
               && above->starts.ms <= line->starts.ms;

    case REFERRAL_REWARDS_ENDS:
        return above->clock == line->clock
               && above->ends.local == line->ends.local
               && above->ends.ms >= line->ends.ms;

    case REFERRAL_REWARDS_NTH:
    case REFERRAL_REWARDS_MONTHS:
        return referral_rewards_same_word(rewards, above, line, row->word);

    default:
        return above->place == line->place
               && referral_rewards_covers_list(rewards,
                                          (const referral_rewards_list_t *) a,
                                          (const referral_rewards_list_t *) b);
    }
}


/* lists with "!" are compared as they stand, others by their values */

static int
referral_rewards_covers_list(const referral_rewards_t *rewards,
    const referral_rewards_list_t *above, const referral_rewards_list_t *list)
{
    unsigned                         i, j;
    const referral_rewards_value_t  *a, *b;

    for (i = 0; i < list->n; i++) {
        b = &rewards->values[list->first + i];

        for (j = 0; j < above->n; j++) {
            a = &rewards->values[above->first + j];

            if (a->negated == b->negated
                && referral_str_eq(&a->text, &b->text))
            {
                break;
            }
        }

        if (j == above->n || (b->negated && above->n != list->n)) {
            return 0;
        }
    }

    for (j = 0; j < above->n; j++) {
        if (rewards->values[above->first + j].negated
            && above->n != list->n)
        {
            return 0;
        }
    }

    return 1;
}


/* each group of events of the line has one of the line above within it */

static int
referral_rewards_covers_on(const referral_rewards_t *rewards,
    const referral_rewards_list_t *above, const referral_rewards_list_t *list)
{
    unsigned                         i, j, k, last, group, found;
    const referral_rewards_value_t  *a, *b;

    a = &rewards->values[above->first];
    b = &rewards->values[list->first];

    for (i = 0; i < list->n; i = last) {

        for (last = i; last < list->n && b[last].group == b[i].group; last++) {
            /* void */
        }

        for (j = 0, found = 0; j < above->n && !found; /* void */ ) {
            group = a[j].group;

            for (found = 1; j < above->n && a[j].group == group; j++) {

                for (k = i; k < last; k++) {
                    if (a[j].rule == b[k].rule
                        && referral_str_eq(&a[j].text, &b[k].text))
                    {
                        break;
                    }
                }

                found &= (k < last);
            }
        }

        if (!found) {
            return 0;
        }
    }

    return 1;
}


static int
referral_rewards_same_word(const referral_rewards_t *rewards,
    const referral_rewards_line_t *a, const referral_rewards_line_t *b,
    unsigned word)
{
    return a->said[word].len == b->said[word].len
           && memcmp(rewards->text.data + a->said[word].at,
                     rewards->text.data + b->said[word].at,
                     a->said[word].len)
              == 0;
}
