
#include "referral_ledger_core.h"


static void referral_ledger_ask_rule(referral_ledger_t *l,
    const referral_ledger_rules_t *rules, const referral_rewards_rule_t *rule,
    referral_ledger_event_t *e, const referral_ledger_event_t *last);
static void referral_ledger_grant(referral_ledger_t *l,
    const referral_ledger_line_t *line, referral_ledger_event_t *e,
    const referral_ledger_event_t *last);
static void referral_ledger_grant_side(referral_ledger_t *l,
    const referral_ledger_line_t *line, referral_ledger_event_t *e,
    const referral_ledger_event_t *last, unsigned side);
static referral_reward_t *referral_ledger_fresh(referral_ledger_t *l,
    const u_char *id, const referral_ledger_line_t *line,
    referral_ledger_event_t *e, unsigned side);
static int referral_ledger_declared(const referral_rewards_t *rewards,
    const referral_str_t *unit);
static int referral_ledger_reward_id(referral_ledger_t *l, u_char *id,
    const referral_rewards_line_t *line, const referral_ledger_event_t *e,
    unsigned side);
static referral_ledger_list_t *referral_ledger_turns(referral_ledger_t *l,
    const referral_str_t *rule, uint64_t referrer);
static int referral_ledger_taken(referral_ledger_t *l,
    const referral_ledger_line_t *line, referral_ledger_event_t *e,
    const u_char *id, referral_reward_t **own);


void
referral_ledger_ask(referral_ledger_t *l, referral_ledger_person_t *friend,
    referral_ledger_event_t **e, size_t n)
{
    size_t                           i;
    unsigned                         k;
    referral_ledger_event_t         *last;
    const referral_ledger_rules_t   *rules;

    last = NULL;

    for (i = 0; i < n; i++) {
        if (e[i]->type != REFERRAL_FACT_REFUND
            && e[i]->type != REFERRAL_FACT_UPDATE
            && e[i]->type != REFERRAL_FACT_CANCEL)
        {
            last = e[i];
        }
    }

    if (last == NULL || friend->bound == NULL || l->versions.n == 0) {
        return;
    }

    rules = referral_ledger_terms(l, friend);

    for (k = 0; k < rules->rewards.nrules; k++) {
        for (i = 0; i < n; i++) {
            referral_ledger_ask_rule(l, rules,
                                     &rules->rewards.rules[rules->order[k]],
                                     e[i], last);
        }
    }
}


/* of the lines of one name the first that holds wins */

static void
referral_ledger_ask_rule(referral_ledger_t *l,
    const referral_ledger_rules_t *rules, const referral_rewards_rule_t *rule,
    referral_ledger_event_t *e, const referral_ledger_event_t *last)
{
    unsigned                i;
    referral_ledger_line_t  line;

    line.rules = rules;

    for (i = 0; i < rule->n; i++) {
        line.line = &rules->rewards.lines[rule->line[i]];

        if (referral_ledger_eligible(l, e, line.line)
            && referral_ledger_holds(l, &line, e)
            && referral_ledger_numbered(l, &line, e))
        {
            referral_ledger_grant(l, &line, e, last);
            return;
        }
    }
}


static void
referral_ledger_grant(referral_ledger_t *l, const referral_ledger_line_t *line,
    referral_ledger_event_t *e, const referral_ledger_event_t *last)
{
    if (line->line->each == REFERRAL_EACH_ORDER && e->order == NULL) {
        return;
    }

    if (line->line->to != REFERRAL_TO_FRIEND) {
        referral_ledger_grant_side(l, line, e, last, REFERRAL_TO_REFERRER);
    }

    if (line->line->to != REFERRAL_TO_REFERRER) {
        referral_ledger_grant_side(l, line, e, last, REFERRAL_TO_FRIEND);
    }
}


static void
referral_ledger_grant_side(referral_ledger_t *l,
    const referral_ledger_line_t *line, referral_ledger_event_t *e,
    const referral_ledger_event_t *last, unsigned side)
{
    u_char                          id[REFERRAL_REWARD_ID];
    referral_reward_t              *r;
    const referral_rewards_t       *rewards;
    const referral_rewards_line_t  *cap;
    const referral_rewards_gift_t  *gift;

    if (referral_ledger_reward_id(l, id, line->line, e, side) != REFERRAL_OK) {
        l->failed = 1;
        return;
    }

    r = referral_ledger_look(l, REFERRAL_LEDGER_REWARD, id, sizeof(id));

    if (line->line->each == REFERRAL_EACH_REFERRER
        && side == REFERRAL_TO_FRIEND)
    {
        if (referral_ledger_taken(l, line, e, id, &r)) {
            return;
        }
    }

    if (r) {
        referral_ledger_come_back(l, r, line, e);
        return;
    }

    r = referral_ledger_fresh(l, id, line, e, side);

    if (l->failed) {
        return;
    }

    rewards = &line->rules->rewards;
    gift = &rewards->gifts[line->line->gift];

    referral_ledger_boost(l, r);

    if (gift->kind == REFERRAL_GIFT_DRAW
        && referral_ledger_draw(r, gift) != REFERRAL_OK)
    {
        l->failed = 1;
        return;
    }

    if (referral_rewards_given(line->line, REFERRAL_REWARDS_CAPPED)) {
        cap = &rewards->lines[line->line->cap_line];
        referral_ledger_cap(l, r, cap);
    }

    if (last->paused || (side == REFERRAL_TO_REFERRER && last->inactive)) {
        r->denied = "state";
        referral_ledger_touch(l, r);
        return;
    }

    if (gift->kind == REFERRAL_GIFT_PERCENT
        && !referral_ledger_declared(rewards, &r->unit))
    {
        r->denied = "unit";
        referral_ledger_touch(l, r);
        return;
    }

    referral_ledger_start(l, r);
}


/* a reward that nobody has had yet, with nothing granted of it */

static referral_reward_t *
referral_ledger_fresh(referral_ledger_t *l, const u_char *id,
    const referral_ledger_line_t *line, referral_ledger_event_t *e,
    unsigned side)
{
    referral_reward_t              *r;
    const referral_rewards_t       *rewards;
    const referral_rewards_gift_t  *gift;

    rewards = &line->rules->rewards;
    gift = &rewards->gifts[line->line->gift];

    r = referral_ledger_reward(l, id);

    if (l->failed) {
        return r;
    }

    r->rules = line->rules;
    r->line = line->line;
    r->asked = *line;
    r->rule = line->line->name;
    r->side = side;
    r->friend = e->friend;
    r->event = e;
    r->clock = referral_ledger_clock(line->line, e);
    r->minutes = referral_ledger_minutes(l, r->clock);
    r->referrer = referral_ledger_person(l, e->friend->bound->referrer);
    r->owner = side == REFERRAL_TO_FRIEND ? e->friend : r->referrer;

    if (gift->kind == REFERRAL_GIFT_PERCENT) {
        r->unit = e->unit;

    } else if (gift->kind == REFERRAL_GIFT_PRIZE) {
        referral_str_set(&r->unit, "prize");

    } else {
        r->unit = rewards->units[gift->amount.unit].name;
    }

    referral_ledger_push(l, &r->owner->owned, r);
    referral_ledger_push(l, &r->referrer->brought, r);
    referral_ledger_push(l, &l->granted, r);
    referral_ledger_through(l, r, e);
    referral_ledger_enter(l, r);

    if (line->line->each == REFERRAL_EACH_REFERRER
        && side == REFERRAL_TO_FRIEND)
    {
        referral_ledger_push(l, referral_ledger_turns(l, &r->rule,
                                                e->friend->bound->referrer),
                             r);
    }

    return r;
}


/* is the unit of an order one of the text's? */

static int
referral_ledger_declared(const referral_rewards_t *rewards,
    const referral_str_t *unit)
{
    unsigned  i;

    for (i = 0; i < rewards->nunits; i++) {
        if (referral_str_eq(&rewards->units[i].name, unit)) {
            return 1;
        }
    }

    return 0;
}


/* of "RULE:SIDE:friend WHO", "order ID", "event ID" or "referrer WHO" */

static int
referral_ledger_reward_id(referral_ledger_t *l, u_char *id,
    const referral_rewards_line_t *line, const referral_ledger_event_t *e,
    unsigned side)
{
    u_char                          text[1024];
    referral_buf_t                  buf;
    referral_str_t                  name;
    referral_ledger_person_t       *referrer;
    const referral_ledger_event_t  *bound;

    bound = e->friend->bound;

    referral_buf_init(&buf, text, sizeof(text));
    referral_buf_str(&buf, &line->name);

    if (side == REFERRAL_TO_FRIEND) {
        referral_buf_puts(&buf, ":friend:");

    } else {
        referral_buf_puts(&buf, ":referrer:");
    }

    if (line->each == REFERRAL_EACH_ORDER) {
        referral_buf_puts(&buf, "order ");
        referral_buf_str(&buf, &e->order->id);

    } else if (line->each == REFERRAL_EACH_EVENT) {
        referral_buf_puts(&buf, "event ");
        referral_buf_str(&buf, &e->id);

    } else if (line->each == REFERRAL_EACH_REFERRER) {
        referral_buf_puts(&buf, "referrer ");
        referrer = referral_ledger_person(l, bound->referrer);
        referral_ledger_who(&buf, &referrer->who, referrer->number);
    }

    if (line->each == REFERRAL_EACH_REFERRER && side == REFERRAL_TO_FRIEND) {
        referral_buf_putc(&buf, ' ');
    }

    if (line->each == REFERRAL_EACH_FRIEND
        || (line->each == REFERRAL_EACH_REFERRER
            && side == REFERRAL_TO_FRIEND))
    {
        referral_buf_puts(&buf, "friend ");
        referral_ledger_who(&buf, &bound->who, e->friend->number);
    }

    name.data = text;
    name.len = buf.pos - text;

    return buf.overflow ? REFERRAL_ERROR : referral_ledger_id(l, id, &name);
}


/* rewards of one rule and side that a referrer is given once */

static referral_ledger_list_t *
referral_ledger_turns(referral_ledger_t *l, const referral_str_t *rule,
    uint64_t referrer)
{
    u_char          name[sizeof(uint64_t) + 256];
    referral_buf_t  buf;

    referral_buf_init(&buf, name, sizeof(name));
    referral_buf_put(&buf, &referrer, sizeof(uint64_t));
    referral_buf_str(&buf, rule);

    return referral_ledger_find(l, REFERRAL_LEDGER_TURNS, name,
                                buf.pos - name,
                                sizeof(referral_ledger_list_t));
}


/*
 * The friend's side of what a referrer is given once: each friend has an own
 * one, and one of them has it at a time.  Returns 1 if somebody has it.
 */

static int
referral_ledger_taken(referral_ledger_t *l, const referral_ledger_line_t *line,
    referral_ledger_event_t *e, const u_char *id, referral_reward_t **own)
{
    size_t                   i;
    uint64_t                 number;
    referral_reward_t       *r, *first;
    referral_ledger_list_t  *turns;

    turns = referral_ledger_turns(l, &line->line->name,
                                  e->friend->bound->referrer);

    for (i = 0; i < turns->n; i++) {
        r = turns->item[i];

        if (!r->down) {
            return 1;
        }
    }

    if (turns->n == 0 || *own) {
        return 0;
    }

    /* the reward passes to another friend, as it was granted first */

    first = turns->item[0];
    r = referral_ledger_reward(l, id);

    if (l->failed) {
        return 1;
    }

    number = r->number;
    *r = *first;

    memcpy(r->id, id, REFERRAL_REWARD_ID);
    memset(r->sum, 0, sizeof(r->sum));
    memset(&r->reserves, 0, sizeof(r->reserves));

    r->number = number;
    r->owner = e->friend;
    r->friend = e->friend;
    r->due = -1;
    r->open = -1;
    r->expires = -1;
    r->prize.len = 0;
    r->moved = 0;
    r->written = 0;
    r->touched = 0;
    r->stands = 0;
    r->doubtful = 0;
    r->counts = NULL;
    r->restless = NULL;

    if (r->cap) {
        referral_ledger_cap(l, r, r->cap);
    }

    referral_ledger_push(l, &r->owner->owned, r);
    referral_ledger_push(l, turns, r);
    referral_ledger_push(l, &r->referrer->brought, r);
    referral_ledger_push(l, &l->granted, r);
    referral_ledger_enter(l, r);
    referral_ledger_through(l, r, r->event);

    *own = r;

    return 0;
}
