
#include <stdlib.h>

#include "referral_ledger_core.h"


/*
 * Goals: new friends and sales of a period, as reports count them: the first
 * lead of a friend, and each order's sale, refunded or not.  The lines are
 * those of the newest rules.
 */


static const referral_rewards_t *referral_ledger_newest(
    const referral_ledger_t *l);
static referral_ledger_tally_t *referral_ledger_goal_tally(
    referral_ledger_t *l, unsigned every, const u_char *period, size_t len);
static void referral_ledger_goal_count(referral_ledger_t *l,
    referral_ledger_event_t *e, int n);
static void referral_ledger_goal_schedule(referral_ledger_t *l,
    const referral_rewards_line_t *line, const referral_ledger_tally_t *tally);
static referral_ledger_goal_t *referral_ledger_goal_of(referral_ledger_t *l,
    const referral_rewards_line_t *line, const referral_str_t *period);
static int referral_ledger_goal_compare(const void *one, const void *two);
static int64_t referral_ledger_goal_first(const referral_ledger_tally_t *tally);
static const referral_rewards_line_t *referral_ledger_goal_line(
    const referral_ledger_t *l, const referral_ledger_goal_t *goal);
static void referral_ledger_goal_told(referral_ledger_t *l,
    referral_ledger_goal_t *goal, const char *how);


static const referral_rewards_t *
referral_ledger_newest(const referral_ledger_t *l)
{
    const referral_ledger_rules_t  *rules;

    if (l->versions.n == 0) {
        return NULL;
    }

    rules = l->versions.item[l->versions.n - 1];

    return &rules->rewards;
}


/* an event that counts as long as its friend does */

void
referral_ledger_goal_event(referral_ledger_t *l, referral_ledger_event_t *e)
{
    u_char                    name[REFERRAL_LEDGER_PERIOD];
    size_t                    len;
    unsigned                  every;
    referral_ledger_tally_t  *tally;

    if (e->friend == NULL) {
        return;
    }

    if (e->type == REFERRAL_FACT_LEAD) {

        if (e->friend->lead) {
            return;
        }

        e->friend->lead = 1;

    } else if (e->type != REFERRAL_FACT_SALE || e->order == NULL || e->again
               || e->amount < 0)
    {
        return;
    }

    for (every = REFERRAL_EVERY_YEAR; every <= REFERRAL_EVERY_DAY; every++) {
        len = referral_ledger_period(name, every, e->at, e->minutes);
        tally = referral_ledger_goal_tally(l, every, name, len);

        referral_ledger_push(l, &tally->events, e);
    }

    referral_ledger_push(l, &e->friend->counted, e);
}


static referral_ledger_tally_t *
referral_ledger_goal_tally(referral_ledger_t *l, unsigned every,
    const u_char *period, size_t len)
{
    u_char                    name[1 + REFERRAL_LEDGER_PERIOD];
    referral_str_t            s;
    referral_ledger_tally_t  *tally;

    name[0] = every;
    memcpy(name + 1, period, len);

    tally = referral_ledger_find(l, REFERRAL_LEDGER_TALLY, name, 1 + len,
                                 sizeof(referral_ledger_tally_t));

    if (tally->period.len == 0) {
        s.data = (u_char *) period;
        s.len = len;

        tally->every = every;
        referral_ledger_copy(l, &tally->period, &s);
        referral_ledger_push(l, &l->tallies, tally);
    }

    return tally;
}


/* who turns out to be no new friend does not count any more */

void
referral_ledger_goal_friend(referral_ledger_t *l,
    referral_ledger_person_t *friend)
{
    int                       counts;
    size_t                    i;
    referral_ledger_event_t  *e;

    if (friend == NULL) {
        return;
    }

    counts = referral_ledger_newcomer(l, friend);

    i = friend->counts == counts ? friend->applied : 0;

    friend->counts = counts;
    friend->applied = friend->counted.n;

    for ( /* void */ ; i < friend->counted.n; i++) {
        e = friend->counted.item[i];

        if (e->counts != counts) {
            e->counts = counts;
            referral_ledger_goal_count(l, e, counts ? 1 : -1);
        }
    }
}


static void
referral_ledger_goal_count(referral_ledger_t *l, referral_ledger_event_t *e,
    int n)
{
    u_char                     name[REFERRAL_LEDGER_PERIOD];
    size_t                     len;
    unsigned                   every, i;
    const referral_rewards_t  *newest;
    referral_ledger_tally_t   *tally;

    newest = referral_ledger_newest(l);

    for (every = REFERRAL_EVERY_YEAR; every <= REFERRAL_EVERY_DAY; every++) {
        len = referral_ledger_period(name, every, e->at, e->minutes);
        tally = referral_ledger_goal_tally(l, every, name, len);

        if (e->type == REFERRAL_FACT_LEAD) {
            tally->leads += n;

        } else {
            tally->sales += n;
        }

        if (!tally->changed) {
            tally->changed = 1;
            referral_ledger_push(l, &l->changes, tally);
        }

        for (i = 0; newest && i < newest->nlines; i++) {
            referral_ledger_goal_schedule(l, &newest->lines[i], tally);
        }
    }
}


static void
referral_ledger_goal_schedule(referral_ledger_t *l,
    const referral_rewards_line_t *line, const referral_ledger_tally_t *tally)
{
    int64_t                  end;
    referral_ledger_goal_t  *goal;

    if (line->kind != REFERRAL_REWARDS_GOAL || line->every != tally->every) {
        return;
    }

    goal = referral_ledger_goal_of(l, line, &tally->period);
    end = referral_ledger_period_end(l, line->every, &tally->period);

    if (!goal->told && goal->at != end) {
        goal->at = end;
        referral_ledger_schedule(l, REFERRAL_DUE_GOAL, end, goal);
    }
}


static referral_ledger_goal_t *
referral_ledger_goal_of(referral_ledger_t *l,
    const referral_rewards_line_t *line, const referral_str_t *period)
{
    u_char                   name[128];
    referral_buf_t           buf;
    referral_ledger_goal_t  *goal;

    referral_buf_init(&buf, name, sizeof(name));
    referral_buf_str(&buf, &line->name);
    referral_buf_putc(&buf, ' ');
    referral_buf_str(&buf, period);

    goal = referral_ledger_find(l, REFERRAL_LEDGER_GOAL, name, buf.pos - name,
                                sizeof(referral_ledger_goal_t));

    if (goal->name.len == 0) {
        goal->name = line->name;
        goal->period = *period;
        goal->at = -1;
    }

    return goal;
}


/* other rules: other goals, or other ends of them */

void
referral_ledger_goals_again(referral_ledger_t *l)
{
    size_t                     i;
    unsigned                   k;
    const referral_rewards_t  *newest;

    newest = referral_ledger_newest(l);

    for (k = 0; k < newest->nlines; k++) {
        for (i = 0; i < l->tallies.n; i++) {
            referral_ledger_goal_schedule(l, &newest->lines[k],
                                          l->tallies.item[i]);
        }
    }
}


/*
 * Goals that were reached, the periods of each in their order.  With the same
 * rules only what has changed may reach one.
 */

void
referral_ledger_goals_reach(referral_ledger_t *l)
{
    size_t                          i, n;
    unsigned                        k;
    referral_ledger_list_t         *look;
    const referral_rewards_t       *newest;
    referral_ledger_goal_t         *goal;
    referral_ledger_tally_t        *tally, **list;
    const referral_rewards_line_t  *line;

    newest = referral_ledger_newest(l);
    look = l->looked == l->versions.n ? &l->changes : &l->tallies;
    l->looked = l->versions.n;

    for (k = 0; newest && k < newest->nlines; k++) {
        line = &newest->lines[k];

        if (line->kind != REFERRAL_REWARDS_GOAL
            || line->metric == REFERRAL_METRIC_RATE)
        {
            continue;
        }

        list = malloc((look->n + 1) * sizeof(referral_ledger_tally_t *));

        if (list == NULL) {
            l->failed = 1;
            return;
        }

        n = 0;

        for (i = 0; i < look->n; i++) {
            tally = look->item[i];

            if (tally->every == line->every
                && (line->metric == REFERRAL_METRIC_LEADS
                    ? tally->leads : tally->sales) >= (int64_t) line->target
                && l->now < referral_ledger_period_end(l, line->every,
                                                       &tally->period))
            {
                list[n++] = tally;
            }
        }

        qsort(list, n, sizeof(referral_ledger_tally_t *),
              referral_ledger_goal_compare);

        for (i = 0; i < n; i++) {
            goal = referral_ledger_goal_of(l, line, &list[i]->period);

            if (!goal->told) {
                referral_ledger_goal_told(l, goal, " reached");
            }
        }

        free(list);
    }

    for (i = 0; i < l->changes.n; i++) {
        tally = l->changes.item[i];
        tally->changed = 0;
    }

    l->changes.n = 0;
}


static int
referral_ledger_goal_compare(const void *one, const void *two)
{
    const referral_ledger_tally_t  *a, *b;

    a = *(const referral_ledger_tally_t *const *) one;
    b = *(const referral_ledger_tally_t *const *) two;

    return memcmp(a->period.data, b->period.data, a->period.len);
}


static int64_t
referral_ledger_goal_first(const referral_ledger_tally_t *tally)
{
    size_t                          i;
    const referral_ledger_event_t  *e;

    for (i = 0; i < tally->events.n; i++) {
        e = tally->events.item[i];

        if (e->counts) {
            return e->time;
        }
    }

    return INT64_MAX;
}


static const referral_rewards_line_t *
referral_ledger_goal_line(const referral_ledger_t *l,
    const referral_ledger_goal_t *goal)
{
    unsigned                   i;
    const referral_rewards_t  *newest;

    newest = referral_ledger_newest(l);

    for (i = 0; i < newest->nlines; i++) {
        if (newest->lines[i].kind == REFERRAL_REWARDS_GOAL
            && referral_str_eq(&newest->lines[i].name, &goal->name))
        {
            return &newest->lines[i];
        }
    }

    return NULL;
}


/* a period of which nothing was known before its end is not told of */

int
referral_ledger_goal_ends(referral_ledger_t *l,
    const referral_ledger_goal_t *goal, int64_t at)
{
    int64_t                         end;
    referral_ledger_tally_t        *tally;
    const referral_rewards_line_t  *line;

    line = goal->told ? NULL : referral_ledger_goal_line(l, goal);

    if (line == NULL) {
        return 0;
    }

    end = referral_ledger_period_end(l, line->every, &goal->period);
    tally = referral_ledger_goal_tally(l, line->every, goal->period.data,
                                       goal->period.len);

    return end == at && referral_ledger_goal_first(tally) < end;
}


void
referral_ledger_goal_end(referral_ledger_t *l, referral_ledger_goal_t *goal)
{
    referral_ledger_tally_t        *tally;
    const referral_rewards_line_t  *line;

    line = referral_ledger_goal_line(l, goal);
    tally = referral_ledger_goal_tally(l, line->every, goal->period.data,
                                       goal->period.len);

    referral_ledger_goal_told(l, goal,
                              line->metric == REFERRAL_METRIC_RATE
                              && tally->sales * 100
                                 >= (int64_t) line->target * tally->leads
                              ? " reached" : " missed");
}


static void
referral_ledger_goal_told(referral_ledger_t *l, referral_ledger_goal_t *goal,
    const char *how)
{
    u_char          text[64];
    referral_buf_t  buf;
    referral_str_t  detail;

    goal->told = 1;

    referral_buf_init(&buf, text, sizeof(text));
    referral_buf_str(&buf, &goal->period);
    referral_buf_put(&buf, how, strlen(how));

    detail.data = text;
    detail.len = buf.pos - text;

    referral_ledger_notice(l, "goal", 0, &goal->name, &detail);
}
