
#include "referral_digest.h"
#include "referral_ledger_core.h"


/* a rate beyond it gives more than any amount can be */

#define REFERRAL_LEDGER_RATE_MAX  ((uint64_t) 1 << 50)


static int referral_ledger_boosts(const referral_ledger_t *l,
    const referral_reward_t *r, const referral_rewards_line_t *boost);
static uint64_t referral_ledger_common(uint64_t a, uint64_t b);
static void referral_ledger_stand(referral_ledger_t *l, referral_reward_t *r,
    referral_ledger_event_t *e);


referral_reward_t *
referral_ledger_reward(referral_ledger_t *l, const u_char *id)
{
    referral_reward_t  *r;

    r = referral_ledger_find(l, REFERRAL_LEDGER_REWARD, id, REFERRAL_REWARD_ID,
                             sizeof(referral_reward_t));

    if (l->failed) {
        return r;
    }

    memcpy(r->id, id, REFERRAL_REWARD_ID);

    r->number = ++l->rewards;
    r->since = l->position;
    r->born = l->moment;
    r->top = 1;
    r->bottom = 1;
    r->due = -1;
    r->open = -1;
    r->expires = -1;

    return r;
}


int
referral_ledger_id(const referral_ledger_t *l, u_char *id,
    const referral_str_t *name)
{
    u_char          text[1024], hash[REFERRAL_SHA256_SIZE];
    unsigned        i;
    referral_buf_t  buf;

    referral_buf_init(&buf, text, sizeof(text));
    referral_buf_str(&buf, &l->program);
    referral_buf_putc(&buf, ':');
    referral_buf_str(&buf, name);

    if (buf.overflow
        || referral_digest(hash, text, buf.pos - text) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    for (i = 0; i < REFERRAL_REWARD_ID / 2; i++) {
        referral_hex_put(id + 2 * i, hash[i]);
    }

    return REFERRAL_OK;
}


void
referral_ledger_who(referral_buf_t *buf, const referral_str_t *who,
    uint64_t number)
{
    if (who->len) {
        referral_buf_str(buf, who);

    } else {
        referral_buf_uint(buf, number);
    }
}


void
referral_ledger_start(referral_ledger_t *l, referral_reward_t *r)
{
    int64_t  target, amount;

    target = referral_ledger_target(r);
    amount = referral_ledger_capped(l, r, target, 1);

    if (amount == 0 && target > 0) {
        r->denied = "cap";
        referral_ledger_touch(l, r);
    }

    r->first = amount;
    r->clipped = (amount < target);

    referral_ledger_pay(l, r, amount, r->event, "granted", REFERRAL_BUDGET);
}


const referral_rewards_gift_t *
referral_ledger_gift(const referral_reward_t *r)
{
    return &r->rules->rewards.gifts[r->line->gift + r->drawn];
}


/* rewards stand with their friend in the order of their numbers, once each */

void
referral_ledger_through(referral_ledger_t *l, referral_reward_t *r,
    referral_ledger_event_t *e)
{
    size_t                   i;
    referral_reward_t       *other;
    referral_ledger_list_t  *earned;

    referral_ledger_stand(l, r, e);
    earned = &e->friend->earned;

    for (i = earned->n; i > 0; i--) {
        other = earned->item[i - 1];

        if (other->number <= r->number) {
            break;
        }
    }

    if (i > 0 && earned->item[i - 1] == r) {
        return;
    }

    referral_ledger_push(l, earned, r);

    if (l->failed) {
        return;
    }

    memmove(&earned->item[i + 1], &earned->item[i],
            (earned->n - 1 - i) * sizeof(void *));
    earned->item[i] = r;
}


/* the reward stands by its event, which may be another one than before */

static void
referral_ledger_stand(referral_ledger_t *l, referral_reward_t *r,
    referral_ledger_event_t *e)
{
    referral_reward_t  **p;

    if (r->stands) {
        for (p = &r->event->rewards; *p != r; p = &(*p)->beside) {
            /* void */
        }

        *p = r->beside;

        referral_ledger_doubt_friend(l, r->event->friend);
    }

    r->stands = 1;
    r->event = e;
    r->beside = e->rewards;
    e->rewards = r;

    if (referral_ledger_depends(&r->asked)) {
        referral_ledger_push(l, &e->friend->depending, r);
    }

    referral_ledger_rouse(l, r);
    referral_ledger_doubt_of(l, r);
}


/* the cap's counter of the reward's period, if the cap binds it */

void
referral_ledger_cap(referral_ledger_t *l, referral_reward_t *r,
    const referral_rewards_line_t *cap)
{
    u_char          name[512];
    uint64_t        who;
    referral_buf_t  buf;

    if (cap->per == REFERRAL_PER_REFERRER && r->side == REFERRAL_TO_FRIEND) {
        return;
    }

    if (referral_rewards_given(cap, REFERRAL_REWARDS_AMOUNT)
        && !referral_str_eq(&r->unit,
                            &r->rules->rewards.units[cap->limit.unit].name))
    {
        return;
    }

    if (cap->per == REFERRAL_PER_FRIEND && r->friend == NULL) {
        return;
    }

    who = cap->per == REFERRAL_PER_PROGRAM ? 0
          : cap->per == REFERRAL_PER_FRIEND ? r->friend->number
          : r->referrer->number;

    referral_buf_init(&buf, name, sizeof(name));
    referral_buf_str(&buf, &cap->name);
    referral_buf_putc(&buf, ' ');
    referral_buf_put(&buf, &who, sizeof(who));

    if (buf.end - buf.pos >= (ssize_t) REFERRAL_LEDGER_PERIOD) {
        buf.pos += referral_ledger_period(buf.pos, cap->every, r->clock,
                                          r->minutes);
    }


    r->cap = cap;
    r->used = referral_ledger_find(l, REFERRAL_LEDGER_USED, name,
                                   buf.pos - name,
                                   sizeof(referral_ledger_used_t));
}


/* how much of the amount the cap leaves */

int64_t
referral_ledger_capped(referral_ledger_t *l, const referral_reward_t *r,
    int64_t amount, int fresh)
{
    int      counted;
    int64_t  left;

    /* no sum of the unit is larger than all that was ever granted of it */

    if (amount > INT64_MAX - *referral_ledger_granted(l, &r->unit)) {
        return 0;
    }

    if (r->owner->forgotten) {
        return 0;
    }

    if (r->cap == NULL) {
        return amount;
    }

    if (referral_rewards_given(r->cap, REFERRAL_REWARDS_COUNT)) {
        counted = (referral_ledger_net(r) > 0);
        left = (int64_t) r->cap->count - (r->used->count - counted);

        /* what has its place keeps it when it rises */

        return left > 0 || (counted && !fresh) ? amount : 0;
    }

    left = r->cap->limit.amount - r->used->amount;

    if (amount <= left) {
        return amount;
    }

    return r->line->over == REFERRAL_OVER_CLIP && left > 0 ? left : 0;
}


int64_t
referral_ledger_target(const referral_reward_t *r)
{
    int64_t                         amount, rest;
    const referral_rewards_gift_t  *gift;

    gift = referral_ledger_gift(r);

    if (gift->kind == REFERRAL_GIFT_PRIZE) {
        return 1;
    }

    if (gift->kind == REFERRAL_GIFT_PERCENT) {
        rest = referral_ledger_rest(r->event);
        rest = rest > 0 ? rest : 0;

        amount = referral_ledger_ratio(rest, gift->rate, r->top,
                                       100 * REFERRAL_REWARDS_PERCENT,
                                       r->bottom);

    } else {
        amount = referral_ledger_ratio(gift->amount.amount, 1, r->top, 1,
                                       r->bottom);
    }

    if (referral_rewards_given(r->line, REFERRAL_REWARDS_UPTO)
        && referral_str_eq(&r->rules->rewards.units[r->line->upto.unit].name,
                           &r->unit)
        && amount > r->line->upto.amount)
    {
        amount = r->line->upto.amount;
    }

    return amount;
}


/*
 * The first 8 bytes of an HMAC of the reward's id, the highest first, modulo
 * the sum of the weights.
 */

int
referral_ledger_draw(referral_reward_t *r, const referral_rewards_gift_t *gift)
{
    u_char          mac[REFERRAL_SHA256_SIZE];
    uint64_t        n, sum;
    unsigned        i;
    referral_str_t  id;

    id.data = r->id;
    id.len = REFERRAL_REWARD_ID;

    if (referral_digest_mac(mac, &r->rules->seed, &id, 1) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    n = 0;
    sum = 0;

    for (i = 0; i < 8; i++) {
        n = n << 8 | mac[i];
    }

    for (i = 0; i < r->line->ngifts; i++) {
        sum += gift[i].weight;
    }

    n = sum ? n % sum : 0;

    for (i = 0; i + 1 < r->line->ngifts && n >= gift[i].weight; i++) {
        n -= gift[i].weight;
    }

    r->drawn = i;

    return REFERRAL_OK;
}


/* the boosts that hold for the reward, as one fraction */

void
referral_ledger_boost(const referral_ledger_t *l, referral_reward_t *r)
{
    unsigned                        i, found;
    uint64_t                        common, factor;
    const referral_rewards_t       *rewards;
    const referral_rewards_line_t  *boost;

    rewards = &r->rules->rewards;
    found = 0;

    for (i = 0; i < rewards->nlines; i++) {
        boost = &rewards->lines[i];

        if (boost->kind != REFERRAL_REWARDS_BOOST
            || !referral_ledger_boosts(l, r, boost))
        {
            continue;
        }

        factor = boost->factor;

        if (rewards->boosts == REFERRAL_BOOSTS_MAX) {

            if (!found || factor > r->top) {
                r->top = factor;
                r->bottom = REFERRAL_REWARDS_FACTOR;
            }

            found = 1;
            continue;
        }

        common = referral_ledger_common(factor, r->bottom);
        r->bottom /= common;
        factor /= common;

        common = referral_ledger_common(r->top, REFERRAL_REWARDS_FACTOR);
        r->top /= common;

        if (r->top > REFERRAL_LEDGER_RATE_MAX / factor) {
            r->top = REFERRAL_LEDGER_RATE_MAX;

        } else {
            r->top *= factor;
        }

        if (r->bottom > REFERRAL_LEDGER_RATE_MAX
                        / (REFERRAL_REWARDS_FACTOR / common))
        {
            r->bottom = REFERRAL_LEDGER_RATE_MAX;

        } else {
            r->bottom *= REFERRAL_REWARDS_FACTOR / common;
        }
    }
}


static int
referral_ledger_boosts(const referral_ledger_t *l, const referral_reward_t *r,
    const referral_rewards_line_t *boost)
{
    const referral_rewards_t  *rewards;

    rewards = &r->rules->rewards;

    return referral_ledger_listed(rewards, &boost->rules, &r->rule)
           && (boost->to == REFERRAL_TO_BOTH || boost->to == r->side)
           && referral_ledger_listed(rewards, &boost->segment,
                                     &r->event->referrer_segment)
           && referral_ledger_tiered(l, &r->rules->rewards, &boost->tier,
                                     r->event)
           && referral_ledger_dated(l, boost,
                                    referral_ledger_clock(boost, r->event));
}


static uint64_t
referral_ledger_common(uint64_t a, uint64_t b)
{
    uint64_t  rest;

    while (b) {
        rest = a % b;
        a = b;
        b = rest;
    }

    return a;
}


/* a hold ends at the later of the event's moment and hold, and of arrival */

void
referral_ledger_pay(referral_ledger_t *l, referral_reward_t *r,
    int64_t amount, const referral_ledger_event_t *e, const char *why,
    unsigned from)
{
    int64_t                         at;
    const referral_rewards_gift_t  *gift;

    if (amount == 0) {
        return;
    }

    at = e ? e->at : l->moment;

    if (r->line->until.len) {
        r->due = -1;

    } else if (r->line->hold && at + r->line->hold > l->moment) {
        r->due = at + r->line->hold;

    } else {
        r->due = l->moment;
    }

    gift = referral_ledger_gift(r);

    if (gift->kind == REFERRAL_GIFT_PRIZE && r->prize.len == 0) {

        if (r->line->kind == REFERRAL_REWARDS_RULE && r->line->ngifts > 1) {
            r->open = l->moment + r->line->choose;

        } else {
            r->prize = gift->prize;
        }
    }

    referral_ledger_move(l, r, from, REFERRAL_PENDING, amount, why);
    referral_ledger_ripen_if(l, r);
}
