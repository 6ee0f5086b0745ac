
#include <stdlib.h>

#include "referral_ledger_core.h"


/*
 * Tiers and badges: what so many friends of a period reach.  They are those
 * of the newest rules, and stay until their period is over.
 */


/* the friends of a referrer who count for a line in one period */

typedef struct {
    size_t                    versions;  /* of rules by which they count */
    unsigned                  kind;      /* of the line */
    unsigned                  line;      /* its index */
    u_char                    period[REFERRAL_LEDGER_PERIOD];
    size_t                    len;
    uint32_t                  n;
    unsigned                  changed:1; /* since the line was looked at */
} referral_ledger_friends_t;


/* the rewards by which one friend counts there */

typedef struct {
    size_t                    versions;
    uint32_t                  n;
} referral_ledger_member_t;


static void referral_ledger_recount(referral_ledger_t *l,
    const referral_ledger_rules_t *rules, referral_ledger_person_t *referrer);
static void referral_ledger_recount_lines(referral_ledger_t *l,
    const referral_ledger_rules_t *rules, referral_reward_t *r,
    referral_ledger_person_t *friend, int n);
static referral_ledger_friends_t *referral_ledger_friends(
    referral_ledger_t *l, const referral_ledger_rules_t *rules, unsigned line,
    const referral_reward_t *r);
static referral_ledger_member_t *referral_ledger_member(referral_ledger_t *l,
    const referral_ledger_friends_t *friends,
    const referral_ledger_person_t *referrer,
    const referral_ledger_person_t *friend);
static void referral_ledger_reach_period(referral_ledger_t *l,
    const referral_rewards_line_t *line,
    const referral_ledger_friends_t *friends,
    referral_ledger_person_t *referrer);
static int referral_ledger_friends_compare(const void *one, const void *two);
static void referral_ledger_lose_line(referral_ledger_t *l,
    const referral_ledger_rules_t *rules, unsigned i,
    referral_ledger_person_t *referrer, referral_ledger_person_t *friend);


void
referral_ledger_reach(referral_ledger_t *l, referral_ledger_person_t *friend)
{
    size_t                          i;
    referral_ledger_list_t         *levels;
    referral_ledger_person_t       *referrer;
    referral_ledger_friends_t      *friends;
    const referral_ledger_rules_t  *rules;

    if (friend == NULL || friend->bound == NULL || l->versions.n == 0) {
        return;
    }

    referrer = referral_ledger_person(l, friend->bound->referrer);
    rules = l->versions.item[l->versions.n - 1];

    referral_ledger_recount(l, rules, referrer);

    levels = &referrer->levels;

    if (levels->n > 1) {
        qsort(levels->item, levels->n, sizeof(void *),
              referral_ledger_friends_compare);
    }

    for (i = 0; i < levels->n && !l->failed; i++) {
        friends = levels->item[i];
        friends->changed = 0;

        referral_ledger_reach_period(l, &rules->rewards.lines[friends->line],
                                     friends, referrer);
    }

    levels->n = 0;
}


/* rewards that may not count as they did; with new rules all of them */

static void
referral_ledger_recount(referral_ledger_t *l,
    const referral_ledger_rules_t *rules, referral_ledger_person_t *referrer)
{
    size_t                     i;
    unsigned                   again;
    referral_reward_t         *r;
    referral_ledger_list_t    *ask;
    referral_ledger_person_t  *friend;

    again = (referrer->versions != l->versions.n);
    ask = again ? &referrer->brought : &referrer->doubtful;

    if (again) {
        referrer->versions = l->versions.n;
        referrer->levels.n = 0;
    }

    for (i = 0; i < ask->n; i++) {
        r = ask->item[i];
        r->doubtful = 0;

        if (again) {
            r->counts = NULL;
        }

        if (!rules->levels) {
            continue;
        }

        friend = r->event->friend;

        if (friend->review || !referral_ledger_upheld(l, r)) {
            friend = NULL;
        }

        if (friend == r->counts) {
            continue;
        }

        if (r->counts) {
            referral_ledger_recount_lines(l, rules, r, r->counts, -1);
        }

        if (friend) {
            referral_ledger_recount_lines(l, rules, r, friend, 1);
        }

        r->counts = friend;
    }

    referrer->doubtful.n = 0;
}


static void
referral_ledger_recount_lines(referral_ledger_t *l,
    const referral_ledger_rules_t *rules, referral_reward_t *r,
    referral_ledger_person_t *friend, int n)
{
    unsigned                        i;
    referral_ledger_member_t       *member;
    referral_ledger_friends_t      *friends;
    const referral_rewards_line_t  *line;

    for (i = 0; i < rules->rewards.nlines && !l->failed; i++) {
        line = &rules->rewards.lines[i];

        if ((line->kind != REFERRAL_REWARDS_TIER
             && line->kind != REFERRAL_REWARDS_BADGE)
            || !referral_str_eq(&line->of, &r->rule))
        {
            continue;
        }

        friends = referral_ledger_friends(l, rules, i, r);
        member = referral_ledger_member(l, friends, r->referrer, friend);

        friends->n -= (member->n > 0);
        member->n += n;
        friends->n += (member->n > 0);

        if (!friends->changed && !l->failed) {
            friends->changed = 1;
            referral_ledger_push(l, &r->referrer->levels, friends);
        }
    }
}


/* of the period that the reward counts in */

static referral_ledger_friends_t *
referral_ledger_friends(referral_ledger_t *l,
    const referral_ledger_rules_t *rules, unsigned line,
    const referral_reward_t *r)
{
    u_char                      name[2 * sizeof(uint64_t)
                                     + REFERRAL_LEDGER_PERIOD];
    size_t                      len;
    uint64_t                    number;
    referral_ledger_friends_t  *friends;

    number = line;
    memcpy(name, &number, sizeof(uint64_t));
    memcpy(name + sizeof(uint64_t), &r->referrer->number, sizeof(uint64_t));

    len = referral_ledger_period(name + 2 * sizeof(uint64_t),
                                 rules->rewards.lines[line].every, r->clock,
                                 r->minutes);

    friends = referral_ledger_find(l, REFERRAL_LEDGER_FRIENDS, name,
                                   2 * sizeof(uint64_t) + len,
                                   sizeof(referral_ledger_friends_t));

    if (friends->versions != l->versions.n) {
        memset(friends, 0, sizeof(referral_ledger_friends_t));

        friends->versions = l->versions.n;
        friends->kind = rules->rewards.lines[line].kind;
        friends->line = line;
        friends->len = len;
        memcpy(friends->period, name + 2 * sizeof(uint64_t), len);
    }

    return friends;
}


static referral_ledger_member_t *
referral_ledger_member(referral_ledger_t *l,
    const referral_ledger_friends_t *friends,
    const referral_ledger_person_t *referrer,
    const referral_ledger_person_t *friend)
{
    u_char                     name[3 * sizeof(uint64_t)
                                    + REFERRAL_LEDGER_PERIOD];
    uint64_t                   number[3];
    referral_ledger_member_t  *member;

    number[0] = friends->line;
    number[1] = referrer->number;
    number[2] = friend->number;

    memcpy(name, number, sizeof(number));
    memcpy(name + sizeof(number), friends->period, friends->len);

    member = referral_ledger_find(l, REFERRAL_LEDGER_MEMBER, name,
                                  sizeof(number) + friends->len,
                                  sizeof(referral_ledger_member_t));

    if (member->versions != l->versions.n) {
        member->versions = l->versions.n;
        member->n = 0;
    }

    return member;
}


static void
referral_ledger_reach_period(referral_ledger_t *l,
    const referral_rewards_line_t *line,
    const referral_ledger_friends_t *friends,
    referral_ledger_person_t *referrer)
{
    referral_str_t            period;
    referral_ledger_list_t   *levels;
    referral_ledger_level_t  *level;

    if (friends->n == 0 || friends->n < line->friends.from) {
        return;
    }

    levels = referral_ledger_levels(l, line, referrer->number,
                                    friends->period, friends->len);

    level = levels->n ? levels->item[levels->n - 1] : NULL;

    if (level && (level->to == 0 || line->kind == REFERRAL_REWARDS_BADGE)) {
        return;
    }

    level = referral_ledger_alloc(l, sizeof(referral_ledger_level_t));

    level->from = l->position;
    referral_ledger_push(l, levels, level);

    period.data = (u_char *) friends->period;
    period.len = friends->len;

    referral_ledger_notice(l, line->kind == REFERRAL_REWARDS_TIER
                              ? "tier" : "badge",
                           referrer->number, &line->name, &period);
}


/* tiers before badges, in the order of their lines, then by the period */

static int
referral_ledger_friends_compare(const void *one, const void *two)
{
    const referral_ledger_friends_t  *a, *b;

    a = *(const referral_ledger_friends_t *const *) one;
    b = *(const referral_ledger_friends_t *const *) two;

    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }

    if (a->line != b->line) {
        return a->line < b->line ? -1 : 1;
    }

    return memcmp(a->period, b->period, sizeof(a->period));
}


/* only fraud takes a tier within its period */

void
referral_ledger_lose(referral_ledger_t *l, referral_ledger_person_t *friend)
{
    unsigned                        i;
    referral_ledger_person_t       *referrer;
    const referral_ledger_rules_t  *rules;

    if (friend->bound == NULL || l->versions.n == 0) {
        return;
    }

    referrer = referral_ledger_person(l, friend->bound->referrer);
    rules = l->versions.item[l->versions.n - 1];

    referral_ledger_recount(l, rules, referrer);

    for (i = 0; i < rules->rewards.nlines && !l->failed; i++) {
        if (rules->rewards.lines[i].kind == REFERRAL_REWARDS_TIER) {
            referral_ledger_lose_line(l, rules, i, referrer, friend);
        }
    }
}


/* in the periods of the rejected friend's rewards, which count no more */

static void
referral_ledger_lose_line(referral_ledger_t *l,
    const referral_ledger_rules_t *rules, unsigned i,
    referral_ledger_person_t *referrer, referral_ledger_person_t *friend)
{
    size_t                          k, n;
    referral_str_t                  period;
    referral_reward_t              *r;
    referral_ledger_list_t         *levels;
    referral_ledger_level_t        *level;
    referral_ledger_friends_t     **lost;
    const referral_rewards_line_t  *line;

    line = &rules->rewards.lines[i];
    lost = malloc((friend->earned.n + 1) * sizeof(void *));

    if (lost == NULL) {
        l->failed = 1;
        return;
    }

    n = 0;

    for (k = 0; k < friend->earned.n; k++) {
        r = friend->earned.item[k];

        if (r->event->friend == friend && r->referrer == referrer
            && referral_str_eq(&r->rule, &line->of))
        {
            lost[n++] = referral_ledger_friends(l, rules, i, r);
        }
    }

    qsort(lost, n, sizeof(void *), referral_ledger_friends_compare);

    for (k = 0; k < n && !l->failed; k++) {

        if ((k && lost[k] == lost[k - 1]) || lost[k]->n >= line->friends.from)
        {
            continue;
        }

        levels = referral_ledger_levels(l, line, referrer->number,
                                        lost[k]->period, lost[k]->len);

        level = levels->n ? levels->item[levels->n - 1] : NULL;

        if (level == NULL || level->to) {
            continue;
        }

        level->to = l->position;

        period.data = lost[k]->period;
        period.len = lost[k]->len;

        referral_ledger_notice(l, "tier_lost", referrer->number, &line->name,
                               &period);
    }

    free(lost);
}
