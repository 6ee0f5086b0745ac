
#include <stdlib.h>

#include "referral_ledger_core.h"


/*
 * Contests: the table of a period, which closes when its grace is over and
 * never changes afterwards.  What holds is the contest of the rules at the
 * period's first moment.
 */

typedef struct {
    referral_ledger_person_t       *referrer;
    uint64_t                        friend;
    uint64_t                        since;
} referral_ledger_entrant_t;


typedef struct {
    referral_ledger_person_t       *referrer;
    uint32_t                        friends;
    uint64_t                        since;     /* the newest friend's */
} referral_ledger_row_t;


static void referral_ledger_enter_lines(referral_ledger_t *l,
    const referral_ledger_rules_t *rules, referral_reward_t *r,
    referral_ledger_list_t *entered);
static int referral_ledger_reward_compare(const void *one, const void *two);
static void referral_ledger_running(referral_ledger_t *l,
    referral_ledger_contest_t *c, size_t from);
static int64_t referral_ledger_running_by(const referral_ledger_t *l,
    const referral_ledger_contest_t *c, const referral_ledger_rules_t *rules,
    const referral_rewards_line_t *line, size_t from);
static int referral_ledger_running_holds(const referral_ledger_t *l,
    const referral_ledger_rules_t *rules, const referral_str_t *name,
    int64_t first);
static int referral_ledger_qualified(const referral_reward_t *r,
    const referral_rewards_line_t *line);
static void referral_ledger_bounds(const referral_ledger_t *l,
    const referral_rewards_line_t *line, const referral_str_t *period,
    int64_t *first, int64_t *behind);
static size_t referral_ledger_table(const referral_ledger_t *l,
    const referral_ledger_contest_t *c, const referral_rewards_line_t *line,
    referral_ledger_row_t *rows, referral_ledger_entrant_t *entrants);
static int referral_ledger_entrant_compare(const void *one, const void *two);
static int referral_ledger_row_compare(const void *one, const void *two);
static void referral_ledger_row_told(referral_ledger_t *l,
    const referral_ledger_contest_t *c, const referral_ledger_row_t *row,
    uint64_t rank);
static void referral_ledger_contest_prize(referral_ledger_t *l,
    const referral_ledger_contest_t *c, referral_ledger_person_t *referrer,
    unsigned rank);


/* a new reward takes part in the contests of its rule, by any version's word */

void
referral_ledger_enter(referral_ledger_t *l, referral_reward_t *r)
{
    size_t                      i;
    referral_ledger_list_t     *entered;
    referral_ledger_contest_t  *c;

    entered = &l->entered;
    entered->n = 0;

    for (i = 0; i < l->versions.n; i++) {
        referral_ledger_enter_lines(l, l->versions.item[i], r, entered);
    }

    for (i = 0; i < entered->n; i++) {
        c = entered->item[i];
        referral_ledger_running(l, c, c->rewards.n - 1);
    }
}


/* "entered" gets the contests that did not have it as their newest one */

static void
referral_ledger_enter_lines(referral_ledger_t *l,
    const referral_ledger_rules_t *rules, referral_reward_t *r,
    referral_ledger_list_t *entered)
{
    u_char                          name[256], period[REFERRAL_LEDGER_PERIOD];
    unsigned                        k;
    referral_buf_t                  buf;
    referral_str_t                  s;
    referral_ledger_contest_t      *c;
    const referral_rewards_line_t  *line;

    for (k = 0; k < rules->rewards.nlines; k++) {
        line = &rules->rewards.lines[k];

        if (line->kind != REFERRAL_REWARDS_CONTEST
            || !referral_ledger_qualified(r, line))
        {
            continue;
        }

        s.data = period;
        s.len = referral_ledger_period(period, line->every, r->clock,
                                       r->minutes);

        referral_buf_init(&buf, name, sizeof(name));
        referral_buf_str(&buf, &line->name);
        referral_buf_putc(&buf, ' ');
        referral_buf_str(&buf, &s);

        c = referral_ledger_find(l, REFERRAL_LEDGER_CONTEST, name,
                                 buf.pos - name,
                                 sizeof(referral_ledger_contest_t));
        if (l->failed) {
            return;
        }

        if (c->name.len == 0) {
            c->name = line->name;
            c->closing = -1;
            referral_ledger_copy(l, &c->period, &s);
            referral_ledger_push(l, &l->contests, c);
        }

        if (c->rewards.n == 0 || c->rewards.item[c->rewards.n - 1] != r) {
            referral_ledger_push(l, &c->rewards, r);
            referral_ledger_push(l, entered, c);
        }
    }
}


/* other rules: other contests, or other ends of them */

void
referral_ledger_contests_again(referral_ledger_t *l,
    const referral_ledger_rules_t *rules)
{
    size_t                      i, k, n;
    referral_ledger_list_t     *list;
    referral_ledger_contest_t  *c;

    for (i = 0; i < l->granted.n; i++) {
        l->entered.n = 0;
        referral_ledger_enter_lines(l, rules, l->granted.item[i],
                                    &l->entered);
    }

    for (i = 0; i < l->contests.n; i++) {
        c = l->contests.item[i];
        list = &c->rewards;

        qsort(list->item, list->n, sizeof(void *),
              referral_ledger_reward_compare);

        n = 0;

        for (k = 0; k < list->n; k++) {
            if (n == 0 || list->item[k] != list->item[n - 1]) {
                list->item[n++] = list->item[k];
            }
        }

        list->n = n;
        c->closing = -1;

        referral_ledger_running(l, c, 0);
    }
}


static int
referral_ledger_reward_compare(const void *one, const void *two)
{
    const referral_reward_t  *a, *b;

    a = *(const referral_reward_t *const *) one;
    b = *(const referral_reward_t *const *) two;

    return a->number < b->number ? -1 : a->number > b->number;
}


int
referral_ledger_contest_closes(const referral_ledger_contest_t *c, int64_t at)
{
    return !c->closed && c->closing != -1 && c->closing == at;
}


/*
 * By which rules the contest runs, and until when: the last line that holds
 * for one of its rewards.  Those before "from" have been looked at.
 */

static void
referral_ledger_running(referral_ledger_t *l, referral_ledger_contest_t *c,
    size_t from)
{
    size_t                          i;
    int64_t                         before, closing;
    unsigned                        k;
    const referral_ledger_rules_t  *rules;
    const referral_rewards_line_t  *line;

    before = c->closing;

    for (i = before == -1 ? 0 : c->version;
         i < l->versions.n && !c->closed;
         i++)
    {
        rules = l->versions.item[i];

        for (k = 0; k < rules->rewards.nlines; k++) {
            line = &rules->rewards.lines[k];

            if (line->kind != REFERRAL_REWARDS_CONTEST
                || !referral_str_eq(&line->name, &c->name)
                || (c->closing != -1 && i == c->version && line <= c->line))
            {
                continue;
            }

            closing = referral_ledger_running_by(l, c, rules, line, from);

            if (closing != -1) {
                c->closing = closing;
                c->version = i;
                c->line = line;
            }
        }
    }

    if (c->closing != before) {
        referral_ledger_schedule(l, REFERRAL_DUE_CONTEST, c->closing, c);
    }
}


/* when it closes; -1: it does not run by that line */

static int64_t
referral_ledger_running_by(const referral_ledger_t *l,
    const referral_ledger_contest_t *c, const referral_ledger_rules_t *rules,
    const referral_rewards_line_t *line, size_t from)
{
    u_char                    name[REFERRAL_LEDGER_PERIOD];
    size_t                    i, len;
    int64_t                   first, behind;
    const referral_reward_t  *r;

    referral_ledger_bounds(l, line, &c->period, &first, &behind);

    if (!referral_ledger_running_holds(l, rules, &line->name, first)) {
        return -1;
    }

    for (i = from; i < c->rewards.n; i++) {
        r = c->rewards.item[i];

        len = referral_ledger_period(name, line->every, r->clock, r->minutes);

        if (len == c->period.len && memcmp(name, c->period.data, len) == 0
            && referral_ledger_qualified(r, line)
            && r->born < behind + line->grace)
        {
            return behind + line->grace;
        }
    }

    return -1;
}


/*
 * The rules at that moment; where a contest has no first moment, those that
 * brought it.
 */

static int
referral_ledger_running_holds(const referral_ledger_t *l,
    const referral_ledger_rules_t *rules, const referral_str_t *name,
    int64_t first)
{
    size_t                          i;
    unsigned                        k;
    const referral_ledger_rules_t  *one, *then;

    then = NULL;

    for (i = 0; i < l->versions.n; i++) {
        one = l->versions.item[i];

        if (first != -1) {

            if (i == 0 || one->time <= first) {
                then = one;
            }

            continue;
        }

        for (k = 0; k < one->rewards.nlines; k++) {
            if (one->rewards.lines[k].kind == REFERRAL_REWARDS_CONTEST
                && referral_str_eq(&one->rewards.lines[k].name, name))
            {
                return one == rules;
            }
        }
    }

    return then == rules;
}


static int
referral_ledger_qualified(const referral_reward_t *r,
    const referral_rewards_line_t *line)
{
    int64_t  local;

    local = r->clock + r->minutes * 60000LL;

    return r->friend
           && referral_str_eq(&r->rule, &line->of)
           && (!line->starts.set
               || (line->starts.local ? local : r->clock) >= line->starts.ms)
           && (!line->ends.set
               || (line->ends.local ? local : r->clock) <= line->ends.ms);
}


/* the first moment of a period, -1 if there is none, and the first behind it */

static void
referral_ledger_bounds(const referral_ledger_t *l,
    const referral_rewards_line_t *line, const referral_str_t *period,
    int64_t *first, int64_t *behind)
{
    int64_t  said;

    *first = -1;
    *behind = INT64_MAX / 2;

    if (line->every != REFERRAL_EVERY_EVER) {
        *first = referral_ledger_instant(l, referral_ledger_wall(period));
        *behind = referral_ledger_period_end(l, line->every, period);
    }

    if (line->starts.set) {
        said = line->starts.local ? referral_ledger_instant(l, line->starts.ms)
                                  : line->starts.ms;
        *first = said > *first ? said : *first;
    }

    if (line->ends.set) {
        said = line->ends.local ? referral_ledger_instant(l, line->ends.ms + 1)
                                : line->ends.ms + 1;
        *behind = said < *behind ? said : *behind;
    }
}


void
referral_ledger_contest_close(referral_ledger_t *l,
    referral_ledger_contest_t *c)
{
    size_t                      i, n;
    unsigned                    rank;
    referral_ledger_row_t      *rows, all;
    referral_ledger_entrant_t  *entrants;

    c->closed = 1;

    rows = calloc(c->rewards.n, sizeof(referral_ledger_row_t));
    entrants = calloc(c->rewards.n, sizeof(referral_ledger_entrant_t));

    if (rows == NULL || entrants == NULL) {
        l->failed = 1;
        free(rows);
        free(entrants);
        return;
    }

    n = referral_ledger_table(l, c, c->line, rows, entrants);

    memset(&all, 0, sizeof(all));
    all.friends = n;
    referral_ledger_row_told(l, c, &all, 0);

    for (i = 0; i < n && !l->failed; i++) {
        rank = rows[i].friends >= c->line->least ? i + 1 : 0;

        referral_ledger_row_told(l, c, &rows[i], rank);

        if (rank && rank <= c->line->ngifts) {
            referral_ledger_contest_prize(l, c, rows[i].referrer, rank);
        }
    }

    free(rows);
    free(entrants);
}


/* who brought how many friends that stand, the best first */

static size_t
referral_ledger_table(const referral_ledger_t *l,
    const referral_ledger_contest_t *c, const referral_rewards_line_t *line,
    referral_ledger_row_t *rows, referral_ledger_entrant_t *entrants)
{
    u_char                    name[REFERRAL_LEDGER_PERIOD];
    size_t                    i, n, len, nrows;
    referral_reward_t        *r;

    n = 0;

    for (i = 0; i < c->rewards.n; i++) {
        r = c->rewards.item[i];

        len = referral_ledger_period(name, line->every, r->clock, r->minutes);

        if (len != c->period.len || memcmp(name, c->period.data, len) != 0
            || r->event->friend->review
            || !referral_ledger_qualified(r, line)
            || !referral_ledger_upheld(l, r))
        {
            continue;
        }

        entrants[n].referrer = r->referrer;
        entrants[n].friend = r->event->friend->number;
        entrants[n].since = r->since;
        n++;
    }

    qsort(entrants, n, sizeof(referral_ledger_entrant_t),
          referral_ledger_entrant_compare);

    nrows = 0;

    for (i = 0; i < n; i++) {

        if (i && entrants[i].referrer == entrants[i - 1].referrer
            && entrants[i].friend == entrants[i - 1].friend)
        {
            continue;
        }

        if (nrows == 0 || rows[nrows - 1].referrer != entrants[i].referrer) {
            rows[nrows++].referrer = entrants[i].referrer;
        }

        rows[nrows - 1].friends++;

        if (entrants[i].since > rows[nrows - 1].since) {
            rows[nrows - 1].since = entrants[i].since;
        }
    }

    qsort(rows, nrows, sizeof(referral_ledger_row_t),
          referral_ledger_row_compare);

    return nrows;
}


static int
referral_ledger_entrant_compare(const void *one, const void *two)
{
    const referral_ledger_entrant_t  *a, *b;

    a = one;
    b = two;

    if (a->referrer != b->referrer) {
        return a->referrer->number < b->referrer->number ? -1 : 1;
    }

    if (a->friend != b->friend) {
        return a->friend < b->friend ? -1 : 1;
    }

    return a->since < b->since ? -1 : a->since > b->since;
}


/* of equals the one who got there first is ahead */

static int
referral_ledger_row_compare(const void *one, const void *two)
{
    const referral_ledger_row_t  *a, *b;

    a = one;
    b = two;

    if (a->friends != b->friends) {
        return a->friends > b->friends ? -1 : 1;
    }

    if (a->since != b->since) {
        return a->since < b->since ? -1 : 1;
    }

    return a->referrer->number < b->referrer->number ? -1
           : a->referrer->number > b->referrer->number;
}


/* a row: rank, 0 below the minimum, and friends; the first: how many rows */

static void
referral_ledger_row_told(referral_ledger_t *l,
    const referral_ledger_contest_t *c, const referral_ledger_row_t *row,
    uint64_t rank)
{
    u_char          text[128];
    referral_buf_t  buf;
    referral_str_t  detail;

    referral_buf_init(&buf, text, sizeof(text));

    if (c->period.len) {
        referral_buf_str(&buf, &c->period);

    } else {
        referral_buf_puts(&buf, "ever");
    }

    if (row->referrer) {
        referral_buf_putc(&buf, ' ');
        referral_buf_uint(&buf, rank);
    }

    referral_buf_putc(&buf, ' ');
    referral_buf_uint(&buf, row->friends);

    detail.data = text;
    detail.len = buf.pos - text;

    referral_ledger_notice(l, "contest",
                           row->referrer ? row->referrer->number : 0,
                           &c->name, &detail);
}


static void
referral_ledger_contest_prize(referral_ledger_t *l,
    const referral_ledger_contest_t *c, referral_ledger_person_t *referrer,
    unsigned rank)
{
    u_char                          text[512], id[REFERRAL_REWARD_ID];
    referral_buf_t                  buf;
    referral_str_t                  name;
    referral_reward_t              *r;
    const referral_rewards_t       *rewards;
    const referral_ledger_rules_t  *rules;
    const referral_rewards_gift_t  *gift;

    referral_buf_init(&buf, text, sizeof(text));
    referral_buf_str(&buf, &c->name);
    referral_buf_puts(&buf, ":referrer:contest ");

    if (c->period.len) {
        referral_buf_str(&buf, &c->period);

    } else {
        referral_buf_puts(&buf, "ever");
    }

    referral_buf_putc(&buf, ' ');
    referral_ledger_who(&buf, &referrer->who, referrer->number);

    name.data = text;
    name.len = buf.pos - text;

    if (buf.overflow || referral_ledger_id(l, id, &name) != REFERRAL_OK) {
        l->failed = 1;
        return;
    }

    r = referral_ledger_reward(l, id);

    if (l->failed) {
        return;
    }

    rules = l->versions.item[c->version];
    rewards = &rules->rewards;

    r->rules = rules;
    r->line = c->line;
    r->asked.rules = r->rules;
    r->asked.line = r->line;
    r->rule = c->name;
    r->side = REFERRAL_TO_REFERRER;
    r->owner = referrer;
    r->referrer = referrer;
    r->drawn = rank - 1;
    r->clock = l->moment;
    r->minutes = referral_ledger_minutes(l, l->moment);

    gift = referral_ledger_gift(r);

    if (gift->kind == REFERRAL_GIFT_PRIZE) {
        referral_str_set(&r->unit, "prize");

    } else {
        r->unit = rewards->units[gift->amount.unit].name;
    }

    referral_ledger_push(l, &referrer->owned, r);

    if (referral_rewards_given(r->line, REFERRAL_REWARDS_CAPPED)) {
        referral_ledger_cap(l, r, &rewards->lines[r->line->cap_line]);
    }

    referral_ledger_start(l, r);
}
