#include "referral_rewards_core.h"


static void referral_rewards_check_needed(referral_rewards_read_t *r,
    const referral_rewards_line_t *line);
static void referral_rewards_check_name(referral_rewards_read_t *r,
    unsigned n);
static void referral_rewards_check_signals(referral_rewards_read_t *r,
    unsigned n);
static void referral_rewards_check_names(referral_rewards_read_t *r,
    const referral_rewards_line_t *line);
static void referral_rewards_check_rule(referral_rewards_read_t *r,
    referral_rewards_line_t *line);
static void referral_rewards_check_gift(referral_rewards_read_t *r,
    const referral_rewards_line_t *line);
static void referral_rewards_check_cap(referral_rewards_read_t *r,
    referral_rewards_line_t *line);
static void referral_rewards_check_contest(referral_rewards_read_t *r,
    const referral_rewards_line_t *line);
static void referral_rewards_check_nudge(referral_rewards_read_t *r,
    const referral_rewards_line_t *line);
static void referral_rewards_check_fraud(referral_rewards_read_t *r,
    const referral_rewards_line_t *line);
static void referral_rewards_check_dates(referral_rewards_read_t *r,
    const referral_rewards_line_t *line);
static void referral_rewards_check_chains(referral_rewards_read_t *r);
static uint64_t referral_rewards_waits(const referral_rewards_t *rewards,
    const referral_rewards_rule_t *rule);
static const referral_rewards_line_t *referral_rewards_waiting(
    const referral_rewards_t *rewards, const referral_rewards_rule_t *rule);
static void referral_rewards_check_depth(referral_rewards_read_t *r,
    const uint64_t *next);
static const referral_rewards_rule_t *referral_rewards_rule(
    const referral_rewards_t *rewards, const referral_str_t *name);
static int referral_rewards_named(const referral_rewards_t *rewards,
    unsigned kind, const referral_str_t *name);
static int referral_rewards_step(const referral_rewards_t *rewards,
    const referral_str_t *name);


void
referral_rewards_check(referral_rewards_read_t *r)
{
    unsigned                  n;
    referral_rewards_line_t  *line;

    for (n = 0; n < r->rewards->nlines; n++) {
        line = &r->rewards->lines[n];

        referral_rewards_check_needed(r, line);
        referral_rewards_check_name(r, n);
        referral_rewards_check_names(r, line);
        referral_rewards_check_dates(r, line);

        switch (line->kind) {

        case REFERRAL_REWARDS_RULE:
            referral_rewards_check_rule(r, line);
            referral_rewards_check_gift(r, line);
            referral_rewards_check_cap(r, line);
            break;

        case REFERRAL_REWARDS_CAP:

            if (referral_rewards_given(line, REFERRAL_REWARDS_COUNT)
                == referral_rewards_given(line, REFERRAL_REWARDS_AMOUNT))
            {
                referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_COUNT,
                                          "a cap has either count=, of "
                                          "rewards, or amount=, of a unit");
            }

            break;

        case REFERRAL_REWARDS_CONTEST:
            referral_rewards_check_contest(r, line);
            referral_rewards_check_cap(r, line);
            break;

        case REFERRAL_REWARDS_NUDGE:
            referral_rewards_check_nudge(r, line);
            break;

        case REFERRAL_REWARDS_FRAUD:
            referral_rewards_check_signals(r, n);
            referral_rewards_check_fraud(r, line);
            break;

        case REFERRAL_REWARDS_STEP:

            if (line->on.n && r->rewards->values[line->on.first].rule) {
                referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_ON,
                                          "an event: a rule is a step of its "
                                          "own name");
            }

            break;

        case REFERRAL_REWARDS_GOAL:

            if (line->every == REFERRAL_EVERY_EVER
                && referral_rewards_given(line, REFERRAL_REWARDS_EVERY))
            {
                referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_EVERY,
                                          "a goal has a period: every=month, "
                                          "year, week or day");
            }

            break;

        default:
            break;
        }
    }

    referral_rewards_check_chains(r);
}


/* the words that a line of its kind has to have */

static void
referral_rewards_check_needed(referral_rewards_read_t *r,
    const referral_rewards_line_t *line)
{
    unsigned                       i;
    referral_str_t                 kind, name, values;
    const referral_rewards_row_t  *row;

    kind.data = (u_char *) referral_rewards_kinds[line->kind];
    kind.len = strlen(referral_rewards_kinds[line->kind]);

    for (i = 0; i < referral_rewards_nrows; i++) {
        row = &referral_rewards_rows[i];

        if (!(row->needed & 1U << line->kind)
            || referral_rewards_given(line, row->word))
        {
            continue;
        }

        name.data = (u_char *) row->name;
        name.len = strlen(row->name);
        values.data = (u_char *) row->values;
        values.len = strlen(row->values);

        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_WORDS,
                                  "a line %V= needs %V= (%V)", &kind, &name,
                                  &values);
    }
}


/* all but rules have names of their own */

static void
referral_rewards_check_name(referral_rewards_read_t *r, unsigned n)
{
    unsigned                        i;
    const referral_rewards_line_t  *line, *other;

    line = &r->rewards->lines[n];

    if (line->kind == REFERRAL_REWARDS_RULE || line->name.len == 0) {
        return;
    }

    for (i = 0; i < n; i++) {
        other = &r->rewards->lines[i];

        if (other->kind == line->kind
            && referral_str_eq(&other->name, &line->name))
        {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_WORDS,
                                      "another name: a line above has this "
                                      "one; only lines rule= share a name");
            return;
        }
    }
}


static void
referral_rewards_check_signals(referral_rewards_read_t *r, unsigned n)
{
    unsigned                         i, j, k;
    const referral_str_t            *signal;
    const referral_rewards_line_t   *line, *other;
    const referral_rewards_value_t  *values;

    line = &r->rewards->lines[n];
    values = r->rewards->values;

    for (i = 0; i <= n; i++) {
        other = &r->rewards->lines[i];

        for (j = 0; j < line->signals.n; j++) {
            for (k = 0; k < (i == n ? j : other->signals.n); k++) {

                signal = &values[line->signals.first + j].text;

                if (!referral_str_eq(signal,
                                     &values[other->signals.first + k].text))
                {
                    continue;
                }

                referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_WORDS,
                                          "each signal once in a text: %V "
                                          "stands twice", signal);
                return;
            }
        }
    }
}


/* rules and tiers that a line names are there */

static void
referral_rewards_check_names(referral_rewards_read_t *r,
    const referral_rewards_line_t *line)
{
    unsigned                         i;
    referral_rewards_t              *rewards;
    const referral_rewards_value_t  *value;

    rewards = r->rewards;

    if (line->of.len && !referral_rewards_rule(rewards, &line->of)) {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_OF,
                                  "the name of a line rule=; there is no rule "
                                  "\"%V\"", &line->of);
    }

    for (i = 0; i < line->rules.n; i++) {
        value = &rewards->values[line->rules.first + i];

        if (!referral_rewards_rule(rewards, &value->text)) {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_RULES,
                                      "the name of a line rule=; there is no "
                                      "rule \"%V\"", &value->text);
        }
    }

    for (i = 0; i < line->on.n; i++) {
        value = &rewards->values[line->on.first + i];

        if (value->rule && !referral_rewards_rule(rewards, &value->text)) {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_ON,
                                      "the name of a line rule=; there is no "
                                      "rule \"%V\"", &value->text);
        }
    }

    for (i = 0; i < line->tier.n; i++) {
        value = &rewards->values[line->tier.first + i];

        if (!referral_rewards_named(rewards, REFERRAL_REWARDS_TIER,
                                    &value->text))
        {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_TIERS,
                                      "the name of a line tier=; there is no "
                                      "tier \"%V\"", &value->text);
        }
    }
}


static void
referral_rewards_check_rule(referral_rewards_read_t *r,
    referral_rewards_line_t *line)
{
    referral_rewards_value_t  *on;

    on = line->on.n ? &r->rewards->values[line->on.first] : NULL;

    if (on && on->rule) {

        if (referral_rewards_given(line, REFERRAL_REWARDS_NTH)) {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_NTH,
                                      "nth= counts events; of on=rule: the "
                                      "friends are counted: friends=");
        }

        if (referral_rewards_given(line, REFERRAL_REWARDS_SUM)) {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_SUM,
                                      "sum= adds the amounts of events, and "
                                      "on=rule: has none");
        }
    }

    if (line->min.amount && line->max.amount
        && (line->min.unit != line->max.unit
            || line->min.amount > line->max.amount))
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_MAX,
                                  "max= of the same unit as min= and not "
                                  "below it: this line never matches");
    }

    if (referral_rewards_given(line, REFERRAL_REWARDS_SINCE)
        && !referral_rewards_given(line, REFERRAL_REWARDS_WITHIN)
        && !referral_rewards_given(line, REFERRAL_REWARDS_MONTHS))
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_SINCE,
                                  "since= is the begin of within= or months=, "
                                  "and neither is there");
    }

    if (line->slide && line->life == 0) {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_SLIDE,
                                  "slide=yes extends a life: life=365d");
    }

    if (referral_rewards_given(line, REFERRAL_REWARDS_MONTHS)
        && line->each != REFERRAL_EACH_ORDER
        && line->each != REFERRAL_EACH_EVENT)
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_MONTHS,
                                  "months= limits a reward that recurs: "
                                  "each=order or each=event");
    }

    if (line->each == REFERRAL_EACH_EVENT
        && referral_rewards_given(line, REFERRAL_REWARDS_FRIENDS))
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_FRIENDS,
                                  "friends= numbers friends, or with "
                                  "each=order their orders; events have no "
                                  "such number");
    }
}


/* what is given, and the words that go with some gifts only */

static void
referral_rewards_check_gift(referral_rewards_read_t *r,
    const referral_rewards_line_t *line)
{
    unsigned                        i, kind, weight;
    const referral_rewards_gift_t  *gift;

    if (line->ngifts == 0) {
        return;
    }

    gift = &r->rewards->gifts[line->gift];
    kind = gift->kind;
    weight = 0;

    for (i = 0; i < line->ngifts; i++) {
        weight += gift[i].weight;

        if (gift[i].kind != kind
            || (i && kind != REFERRAL_GIFT_PRIZE && kind != REFERRAL_GIFT_DRAW)
            || gift[i].amount.unit != gift->amount.unit)
        {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_GIVE,
                                      "one gift in a line, and a draw of one "
                                      "unit; a second line of another rule "
                                      "gives something beside it");
            return;
        }
    }

    if (kind == REFERRAL_GIFT_DRAW && weight != 100) {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_GIVE,
                                  "the chances of a draw are 100 together");
    }

    if (kind != REFERRAL_GIFT_PERCENT
        && referral_rewards_given(line, REFERRAL_REWARDS_UPTO))
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_UPTO,
                                  "upto= limits a percentage: give=10% "
                                  "upto=50.00EUR");
    }

    if (kind == REFERRAL_GIFT_PERCENT && line->on.n
        && r->rewards->values[line->on.first].rule)
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_GIVE,
                                  "a flat amount: on=rule: has no order of "
                                  "which a percentage could be taken");
    }

    if ((kind == REFERRAL_GIFT_PRIZE && line->ngifts > 1)
        != (int) referral_rewards_given(line, REFERRAL_REWARDS_CHOOSE))
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_CHOOSE,
                                  "choose=30d says until when one of several "
                                  "prizes is chosen: give=prize:a|b "
                                  "choose=30d; else leave it out");
    }

    if (kind == REFERRAL_GIFT_PRIZE && line->pay == REFERRAL_PAY_CODE) {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_PAY,
                                  "a voucher has an amount: prizes are "
                                  "pay=webhook or credit");
    }
}


/* the cap of a line: it is there, and limits what the line gives */

static void
referral_rewards_check_cap(referral_rewards_read_t *r,
    referral_rewards_line_t *line)
{
    unsigned                        i, n;
    referral_str_t                 *unit;
    referral_rewards_t             *rewards;
    const referral_rewards_gift_t  *gift;
    const referral_rewards_line_t  *cap;

    rewards = r->rewards;

    if (line->cap.len == 0) {

        if (referral_rewards_given(line, REFERRAL_REWARDS_OVER)) {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_OVER,
                                      "over= says what happens above a cap: "
                                      "name it, cap=NAME");
        }

        return;
    }

    for (n = 0; n < rewards->nlines; n++) {
        if (rewards->lines[n].kind == REFERRAL_REWARDS_CAP
            && referral_str_eq(&rewards->lines[n].name, &line->cap))
        {
            break;
        }
    }

    if (n == rewards->nlines) {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_CAPPED,
                                  "the name of a line cap=; there is no cap "
                                  "\"%V\"", &line->cap);
        return;
    }

    line->cap_line = n;
    cap = &rewards->lines[n];

    if (!cap->limit.amount) {

        if (line->over == REFERRAL_OVER_CLIP && cap->count) {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_OVER,
                                      "over=clip gives the rest of an amount, "
                                      "and this cap counts rewards: over=deny");
        }

        return;
    }

    for (i = 0; i < line->ngifts; i++) {
        gift = &rewards->gifts[line->gift + i];

        if (gift->kind != REFERRAL_GIFT_PERCENT
            && gift->amount.unit != cap->limit.unit)
        {
            unit = &rewards->units[cap->limit.unit].name;

            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_CAPPED,
                                      "a cap of the unit that is given; \"%V\""
                                      " limits %V", &line->cap, unit);
            return;
        }
    }
}


static void
referral_rewards_check_contest(referral_rewards_read_t *r,
    const referral_rewards_line_t *line)
{
    unsigned                        i;
    const referral_rewards_gift_t  *gift;

    if (referral_rewards_given(line, REFERRAL_REWARDS_RANK)
        && (line->rank.from != 1 || line->rank.to == 0))
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_RANK,
                                  "ranks from 1 on to a last one: rank=1-3");
        return;
    }

    if (line->every == REFERRAL_EVERY_EVER
        && !referral_rewards_given(line, REFERRAL_REWARDS_ENDS))
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_EVERY,
                                  "a contest closes: every=month, year, week "
                                  "or day, or every=ever with ends=");
    }

    for (i = 0; i < line->ngifts; i++) {
        gift = &r->rewards->gifts[line->gift + i];

        if (gift->kind == REFERRAL_GIFT_PERCENT
            || gift->kind == REFERRAL_GIFT_DRAW)
        {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_GIVE,
                                      "an amount or a prize for each rank: "
                                      "give=300.00EUR,prize:bag");
            return;
        }
    }

    if (line->ngifts && line->ngifts != line->rank.to) {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_GIVE,
                                  "as many gifts as rank= has ranks: rank=1-2 "
                                  "give=50.00EUR,20.00EUR");
    }

    if (line->ngifts == 0
        && line->given & (1ULL << REFERRAL_REWARDS_LIFE
                          | 1ULL << REFERRAL_REWARDS_HOLD
                          | 1ULL << REFERRAL_REWARDS_PAY
                          | 1ULL << REFERRAL_REWARDS_CAPPED))
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_WORDS,
                                  "life= hold= pay= and cap= are of what a "
                                  "contest gives, and give= is missing");
    }
}


static void
referral_rewards_check_nudge(referral_rewards_read_t *r,
    const referral_rewards_line_t *line)
{
    int                              rule, step;
    const referral_rewards_value_t  *on;

    if (line->on.n) {
        on = &r->rewards->values[line->on.first];

        if (line->on.n > 1 || !on->rule) {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_ON,
                                      "one rule that the friend has already: "
                                      "on=rule:NAME");
        }
    }

    if (line->missing.len == 0) {
        return;
    }

    rule = (referral_rewards_rule(r->rewards, &line->missing) != NULL);
    step = referral_rewards_step(r->rewards, &line->missing);

    if (rule && step) {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_MISSING,
                                  "a name that is one thing: \"%V\" is both a "
                                  "rule and a step; rename one",
                                  &line->missing);
    }

    if (!rule && !step) {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_MISSING,
                                  "the name of a rule, of a line step= or of "
                                  "an event in on=; \"%V\" is none",
                                  &line->missing);
    }
}


static void
referral_rewards_check_fraud(referral_rewards_read_t *r,
    const referral_rewards_line_t *line)
{
    unsigned               i;
    const referral_str_t  *signal;

    if (referral_rewards_given(line, REFERRAL_REWARDS_THEN)
        && !referral_rewards_given(line, REFERRAL_REWARDS_REVIEW))
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_THEN,
                                  "then= says what the end of a review does: "
                                  "review=14d then=approve");
    }

    if (line->act != REFERRAL_DO_REJECT
        || !referral_rewards_given(line, REFERRAL_REWARDS_DO))
    {
        return;
    }

    if (referral_rewards_given(line, REFERRAL_REWARDS_REVIEW)) {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_REVIEW,
                                  "a review is of do=hold or do=score:N; what "
                                  "is rejected is not reviewed");
    }

    for (i = 0; i < line->signals.n; i++) {
        signal = &r->rewards->values[line->signals.first + i].text;

        if (referral_str_is(signal, "same_address")) {
            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_DO,
                                      "do=hold or do=score:20: families and "
                                      "offices share an address, which alone "
                                      "never rejects");
        }
    }
}


static void
referral_rewards_check_dates(referral_rewards_read_t *r,
    const referral_rewards_line_t *line)
{
    if (line->starts.set && line->ends.set
        && line->starts.local == line->ends.local
        && line->starts.ms > line->ends.ms)
    {
        referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_ENDS,
                                  "a date not before that of starts=");
    }
}


/*
 * What waits for rules: none for itself, and none behind too many others,
 * because the decision follows such a chain with a call for each.
 */

static void
referral_rewards_check_chains(referral_rewards_read_t *r)
{
    unsigned                         i, n, from, known, changed, circle;
    referral_rewards_t              *rewards;
    uint64_t                         next[REFERRAL_REWARDS_LINES];
    uint64_t                         needs[REFERRAL_REWARDS_LINES];
    const referral_rewards_line_t   *line;
    const referral_rewards_rule_t   *rule;

    _Static_assert(REFERRAL_REWARDS_LINES <= 64, "bits of \"needs\"");

    rewards = r->rewards;

    for (i = 0; i < rewards->nrules; i++) {
        next[i] = referral_rewards_waits(rewards, &rewards->rules[i]);
        needs[i] = next[i];
    }

    for (changed = 1, n = 0; changed && n < REFERRAL_REWARDS_LINES; n++) {
        changed = 0;

        for (i = 0; i < rewards->nrules; i++) {
            for (from = 0; from < rewards->nrules; from++) {
                known = (needs[i] | needs[from]) == needs[i];

                if (needs[i] >> from & 1 && !known) {
                    needs[i] |= needs[from];
                    changed = 1;
                }
            }
        }
    }

    circle = 0;

    for (i = 0; i < rewards->nrules; i++) {
        rule = &rewards->rules[i];

        if (needs[i] >> i & 1) {
            circle = 1;
            line = referral_rewards_waiting(rewards, rule);

            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_ON,
                                      "a rule that does not wait for itself: "
                                      "on=rule: leads back to \"%V\"",
                                      &rule->name);
        }
    }

    if (!circle) {
        referral_rewards_check_depth(r, next);
    }
}


/* bits: the rules that one of the rule's lines waits for */

static uint64_t
referral_rewards_waits(const referral_rewards_t *rewards,
    const referral_rewards_rule_t *rule)
{
    unsigned                         i;
    uint64_t                         waits;
    const referral_rewards_line_t   *line;
    const referral_rewards_rule_t   *on;
    const referral_rewards_value_t  *value;

    waits = 0;

    for (i = 0; i < rule->n; i++) {
        line = &rewards->lines[rule->line[i]];
        value = &rewards->values[line->on.first];

        on = line->on.n && value->rule
             ? referral_rewards_rule(rewards, &value->text) : NULL;

        if (on) {
            waits |= (uint64_t) 1 << (on - rewards->rules);
        }
    }

    return waits;
}


/* the first line of the rule that waits for another one */

static const referral_rewards_line_t *
referral_rewards_waiting(const referral_rewards_t *rewards,
    const referral_rewards_rule_t *rule)
{
    unsigned                        i;
    const referral_rewards_line_t  *line;

    for (i = 0; i + 1 < rule->n; i++) {
        line = &rewards->lines[rule->line[i]];

        if (line->on.n && rewards->values[line->on.first].rule) {
            return line;
        }
    }

    return &rewards->lines[rule->line[i]];
}


/* "next": bits, the rules that a rule waits for; without circles */

static void
referral_rewards_check_depth(referral_rewards_read_t *r, const uint64_t *next)
{
    unsigned                        i, n;
    uint64_t                        deep, deeper;
    const referral_rewards_t       *rewards;
    const referral_rewards_line_t  *line;
    const referral_rewards_rule_t  *rule;

    _Static_assert(REFERRAL_REWARDS_CHAIN == 8, "the complaint says 8");

    rewards = r->rewards;

    /* the rules behind n others at least; those of n + 1 are among them */

    for (n = 1, deep = UINT64_MAX; n <= REFERRAL_REWARDS_CHAIN + 1; n++) {
        deeper = 0;

        for (i = 0; i < rewards->nrules; i++) {
            if (next[i] & deep) {
                deeper |= (uint64_t) 1 << i;
            }
        }

        deep = deeper;
    }

    /* the first of each chain that is one, not all behind it */

    for (i = 0; i < rewards->nrules; i++) {
        rule = &rewards->rules[i];

        if (deep >> i & 1 && !(next[i] & deep)) {
            line = referral_rewards_waiting(rewards, rule);

            referral_rewards_wrong_at(r, line, REFERRAL_REWARDS_ON,
                                      "a rule or an event that is nearer: "
                                      "\"%V\" waits behind a chain of more "
                                      "than 8 rules", &rule->name);
        }
    }
}


static const referral_rewards_rule_t *
referral_rewards_rule(const referral_rewards_t *rewards,
    const referral_str_t *name)
{
    unsigned  i;

    for (i = 0; i < rewards->nrules; i++) {
        if (referral_str_eq(&rewards->rules[i].name, name)) {
            return &rewards->rules[i];
        }
    }

    return NULL;
}


static int
referral_rewards_named(const referral_rewards_t *rewards, unsigned kind,
    const referral_str_t *name)
{
    unsigned  i;

    for (i = 0; i < rewards->nlines; i++) {
        if (rewards->lines[i].kind == kind
            && referral_str_eq(&rewards->lines[i].name, name))
        {
            return 1;
        }
    }

    return 0;
}


/* a line "step=", or an event of some line; without a line it names itself */

static int
referral_rewards_step(const referral_rewards_t *rewards,
    const referral_str_t *name)
{
    unsigned                         i, j;
    const referral_rewards_list_t   *on;
    const referral_rewards_value_t  *value;

    if (referral_rewards_named(rewards, REFERRAL_REWARDS_STEP, name)) {
        return 1;
    }

    for (i = 0; i < rewards->nlines; i++) {
        on = &rewards->lines[i].on;

        for (j = 0; j < on->n; j++) {
            value = &rewards->values[on->first + j];

            if (!value->rule && referral_str_eq(&value->text, name)) {
                return 1;
            }
        }
    }

    return 0;
}
