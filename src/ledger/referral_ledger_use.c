
#include <stdlib.h>

#include "referral_digest.h"
#include "referral_ledger_core.h"


#define REFERRAL_LEDGER_RESERVE_LIFE  (30 * 60 * 1000)


static int64_t referral_ledger_number(const referral_fact_t *fact,
    referral_fact_text_e text);
static int referral_ledger_usable(const referral_reward_t *r,
    const referral_str_t *unit, int64_t order_amount);
static int64_t referral_ledger_gather(referral_ledger_t *l,
    referral_ledger_list_t *parts, referral_ledger_person_t *owner,
    const referral_fact_t *fact, int64_t amount);
static int referral_ledger_compare(const void *one, const void *two);
static void referral_ledger_reserve(referral_ledger_t *l,
    const referral_fact_t *fact);
static int64_t referral_ledger_balance(referral_ledger_t *l,
    const referral_ledger_person_t *owner, const referral_str_t *unit);
static void referral_ledger_set_aside(referral_ledger_t *l,
    referral_ledger_reserve_t *reserve);
static void referral_ledger_pays(referral_ledger_t *l,
    referral_ledger_reserve_t *reserve, const referral_str_t *id);
static int referral_ledger_sold(const referral_ledger_t *l,
    const referral_fact_t *fact, int64_t amount);
static referral_ledger_reserve_t *referral_ledger_token(referral_ledger_t *l,
    const referral_fact_t *fact);
static void referral_ledger_forget(referral_ledger_t *l,
    const referral_fact_t *fact);
static void referral_ledger_paid(referral_ledger_t *l,
    referral_ledger_reserve_t *payout);
static void referral_ledger_commit(referral_ledger_t *l,
    const referral_fact_t *fact);
static const referral_rewards_line_t *referral_ledger_cap_line(
    const referral_rewards_t *rewards, const referral_str_t *name);
static void referral_ledger_adjust(referral_ledger_t *l,
    const referral_fact_t *fact);


/* -1: there is none, or more than an event may say */

static int64_t
referral_ledger_number(const referral_fact_t *fact, referral_fact_text_e text)
{
    int64_t  n;

    n = referral_str_uint(&fact->text[text], REFERRAL_FACT_AMOUNT - 1);

    return n < 0 ? -1 : n;
}


static int
referral_ledger_usable(const referral_reward_t *r, const referral_str_t *unit,
    int64_t order_amount)
{
    const referral_rewards_line_t  *line;

    if (r->sum[REFERRAL_AVAILABLE] <= 0 || !referral_str_eq(&r->unit, unit)) {
        return 0;
    }

    line = r->line;

    return line == NULL
           || !referral_rewards_given(line, REFERRAL_REWARDS_USE_MIN)
           || (referral_str_eq(&r->rules->rewards.units[line->use_min.unit]
                                .name, unit)
               && order_amount >= line->use_min.amount);
}


/* "amount" of what the owner can use, the soonest end first; what is missing */

static int64_t
referral_ledger_gather(referral_ledger_t *l, referral_ledger_list_t *parts,
    referral_ledger_person_t *owner, const referral_fact_t *fact,
    int64_t amount)
{
    size_t                   i, n;
    int64_t                  order_amount, has;
    referral_reward_t       *r, **usable;
    referral_ledger_part_t  *part;

    order_amount = referral_ledger_number(fact, REFERRAL_FACT_T_ORDER_AMOUNT);

    usable = malloc((owner->owned.n + 1) * sizeof(referral_reward_t *));

    if (usable == NULL) {
        l->failed = 1;
        return amount;
    }

    n = 0;

    for (i = 0; i < owner->owned.n; i++) {
        r = owner->owned.item[i];

        if (referral_ledger_usable(r, &fact->text[REFERRAL_FACT_T_UNIT],
                                   order_amount))
        {
            usable[n++] = r;
        }
    }

    qsort(usable, n, sizeof(referral_reward_t *), referral_ledger_compare);

    for (i = 0; i < n && amount; i++) {
        r = usable[i];
        has = r->sum[REFERRAL_AVAILABLE];

        /* as a whole or not at all */

        if (r->line && r->line->use == REFERRAL_USE_ONCE && has > amount) {
            continue;
        }

        part = referral_ledger_alloc(l, sizeof(referral_ledger_part_t));

        part->reward = r;
        part->amount = has < amount ? has : amount;

        amount -= part->amount;

        referral_ledger_push(l, parts, part);
    }

    free(usable);

    return amount;
}


static int
referral_ledger_compare(const void *one, const void *two)
{
    const referral_reward_t  *a, *b;

    a = *(const referral_reward_t *const *) one;
    b = *(const referral_reward_t *const *) two;

    return referral_ledger_sooner(a, b) ? -1 : a != b;
}


static void
referral_ledger_reserve(referral_ledger_t *l, const referral_fact_t *fact)
{
    int64_t                     amount, want, balance, number, ttl;
    unsigned                    payout;
    referral_ledger_list_t      parts;
    referral_ledger_person_t   *owner;
    referral_ledger_reserve_t  *reserve;

    memset(&parts, 0, sizeof(referral_ledger_list_t));

    amount = referral_ledger_number(fact, REFERRAL_FACT_T_AMOUNT);
    number = referral_ledger_number(fact, REFERRAL_FACT_T_OWNER);
    payout = (fact->type == REFERRAL_FACT_PAYOUT);
    owner = NULL;
    balance = 0;

    if (referral_ledger_look(l, REFERRAL_LEDGER_RESERVE,
                             fact->text[REFERRAL_FACT_T_EVENT].data,
                             fact->text[REFERRAL_FACT_T_EVENT].len)
        || (fact->text[REFERRAL_FACT_T_ITEM].len
            && !referral_ledger_sold(l, fact, amount)))
    {
        referral_ledger_flag(l, "refused");
        return;
    }

    /* a payout that names no amount is one of all that can be used */

    want = payout && fact->text[REFERRAL_FACT_T_AMOUNT].len == 0 ? INT64_MAX
                                                                : amount;
    amount = want;

    if (amount > 0 && number > 0) {
        owner = referral_ledger_person(l, number);
        balance = referral_ledger_balance(l, owner,
                                          &fact->text[REFERRAL_FACT_T_UNIT]);
        amount = referral_ledger_gather(l, &parts, owner, fact, amount);

        if (want == INT64_MAX) {
            want -= amount;
            amount = 0;
        }
    }

    if (amount || want <= 0 || number <= 0 || balance <= 0
        || want < referral_ledger_number(fact, REFERRAL_FACT_T_LEAST))
    {
        referral_ledger_flag(l, "refused");
        return;
    }

    reserve = referral_ledger_find(l, REFERRAL_LEDGER_RESERVE,
                                   fact->text[REFERRAL_FACT_T_EVENT].data,
                                   fact->text[REFERRAL_FACT_T_EVENT].len,
                                   sizeof(referral_ledger_reserve_t));

    if (l->failed) {
        return;
    }

    ttl = referral_ledger_number(fact, REFERRAL_FACT_T_TTL);

    referral_ledger_copy(l, &reserve->token,
                         &fact->text[REFERRAL_FACT_T_EVENT]);
    referral_ledger_copy(l, &reserve->item, &fact->text[REFERRAL_FACT_T_ITEM]);
    referral_ledger_push(l, &l->reserves, reserve);
    referral_ledger_copy(l, &reserve->unit, &fact->text[REFERRAL_FACT_T_UNIT]);
    reserve->open = 1;
    reserve->payout = payout;
    reserve->owner = owner;
    reserve->since = l->now;
    reserve->price = want;
    reserve->parts = parts;
    reserve->ends = payout ? -1
                    : l->now + (ttl > 0 && ttl <= REFERRAL_FACT_AT
                                ? ttl : REFERRAL_LEDGER_RESERVE_LIFE);

    referral_ledger_set_aside(l, reserve);

    if (payout) {
        referral_ledger_push(l, &l->payouts, reserve);
        return;
    }

    referral_ledger_pays(l, reserve, &fact->text[REFERRAL_FACT_T_ORDER]);
    referral_ledger_schedule(l, REFERRAL_DUE_RESERVE, reserve->ends, reserve);
}


/* what is available in the unit, less debts */

static int64_t
referral_ledger_balance(referral_ledger_t *l,
    const referral_ledger_person_t *owner, const referral_str_t *unit)
{
    size_t                    i;
    int64_t                   balance;
    const referral_reward_t  *r;

    balance = 0;

    for (i = 0; i < owner->owned.n; i++) {
        r = owner->owned.item[i];

        if (referral_str_eq(&r->unit, unit)
            && __builtin_add_overflow(balance, r->sum[REFERRAL_AVAILABLE],
                                      &balance))
        {
            l->failed = 1;
            return 0;
        }
    }

    return balance;
}


static void
referral_ledger_set_aside(referral_ledger_t *l,
    referral_ledger_reserve_t *reserve)
{
    size_t                   i;
    referral_ledger_part_t  *part;

    for (i = 0; i < reserve->parts.n; i++) {
        part = reserve->parts.item[i];

        referral_ledger_push(l, &part->reward->reserves, reserve);

        if (reserve->payout) {
            referral_ledger_move(l, part->reward, REFERRAL_AVAILABLE,
                                 REFERRAL_RESERVED, part->amount, "payout");

        } else {
            referral_ledger_move(l, part->reward, REFERRAL_AVAILABLE,
                                 REFERRAL_RESERVED, part->amount, "reserve");
        }
    }
}


/* the order that is named last; the list of another one before it stays */

static void
referral_ledger_pays(referral_ledger_t *l, referral_ledger_reserve_t *reserve,
    const referral_str_t *id)
{
    referral_ledger_order_t  *order;

    if (id->len == 0) {
        return;
    }

    order = referral_ledger_find(l, REFERRAL_LEDGER_ORDER, id->data, id->len,
                                 sizeof(referral_ledger_order_t));

    if (l->failed || reserve->order == order) {
        return;
    }

    if (order->id.len == 0) {
        referral_ledger_copy(l, &order->id, id);
        order->total = -1;
        order->updated = -1;
    }

    reserve->order = order;
    referral_ledger_push(l, &order->reserves, reserve);
}


/* for its price, while what was taken and what is reserved leaves one */

static int
referral_ledger_sold(const referral_ledger_t *l, const referral_fact_t *fact,
    int64_t amount)
{
    size_t                            i;
    unsigned                          k;
    uint32_t                          taken;
    const referral_str_t             *item;
    const referral_ledger_rules_t    *rules;
    const referral_rewards_line_t    *line;
    const referral_ledger_reserve_t  *reserve;

    if (l->versions.n == 0) {
        return 0;
    }

    rules = l->versions.item[l->versions.n - 1];
    item = &fact->text[REFERRAL_FACT_T_ITEM];

    for (k = 0; k < rules->rewards.nlines; k++) {
        line = &rules->rewards.lines[k];

        if (line->kind != REFERRAL_REWARDS_ITEM
            || !referral_str_eq(&line->name, item))
        {
            continue;
        }

        taken = 0;

        for (i = 0; i < l->reserves.n; i++) {
            reserve = l->reserves.item[i];

            taken += (reserve->open || reserve->committed)
                     && referral_str_eq(&reserve->item, item);
        }

        return line->price.amount == amount
               && referral_str_eq(&rules->rewards.units[line->price.unit].name,
                                  &fact->text[REFERRAL_FACT_T_UNIT])
               && (line->stock == 0 || taken < line->stock);
    }

    return 0;
}


/* what is paid out ends by "paid" or "failed", all else by the others */

static referral_ledger_reserve_t *
referral_ledger_token(referral_ledger_t *l, const referral_fact_t *fact)
{
    unsigned                    payout;
    const referral_str_t       *token;
    referral_ledger_reserve_t  *reserve;

    token = &fact->text[REFERRAL_FACT_T_TOKEN];
    reserve = referral_ledger_look(l, REFERRAL_LEDGER_RESERVE, token->data,
                                   token->len);
    payout = (fact->type == REFERRAL_FACT_PAID
              || fact->type == REFERRAL_FACT_FAILED);

    return reserve && reserve->open && reserve->payout == payout ? reserve
                                                                 : NULL;
}


static void
referral_ledger_paid(referral_ledger_t *l, referral_ledger_reserve_t *payout)
{
    size_t                   i;
    referral_ledger_part_t  *part;

    if (payout == NULL) {
        referral_ledger_flag(l, "refused");
        return;
    }

    payout->open = 0;
    payout->committed = 1;

    for (i = 0; i < payout->parts.n; i++) {
        part = payout->parts.item[i];
        part->spent = part->amount;

        referral_ledger_move(l, part->reward, REFERRAL_RESERVED,
                             REFERRAL_SPENT, part->amount, "paid");
    }

    referral_ledger_push(l, &l->payouts, payout);
}


/* what is less than the reserve goes back, or ends if it is used once */

static void
referral_ledger_commit(referral_ledger_t *l, const referral_fact_t *fact)
{
    size_t                      i;
    int64_t                     left, rest;
    referral_reward_t          *r;
    referral_ledger_part_t     *part;
    referral_ledger_reserve_t  *reserve;

    reserve = referral_ledger_token(l, fact);
    left = referral_ledger_number(fact, REFERRAL_FACT_T_AMOUNT);

    if (reserve == NULL || left < 0 || left > reserve->price
        || (reserve->item.len && left < reserve->price))
    {
        referral_ledger_flag(l, "refused");
        return;
    }

    reserve->open = 0;
    reserve->committed = 1;

    referral_ledger_pays(l, reserve, &fact->text[REFERRAL_FACT_T_ORDER]);

    for (i = 0; i < reserve->parts.n; i++) {
        part = reserve->parts.item[i];
        r = part->reward;

        part->spent = part->amount < left ? part->amount : left;
        rest = part->amount - part->spent;
        left -= part->spent;

        referral_ledger_move(l, r, REFERRAL_RESERVED, REFERRAL_SPENT,
                             part->spent, "commit");
        referral_ledger_move(l, r, REFERRAL_RESERVED, REFERRAL_AVAILABLE,
                             rest, "commit");

        if (r->line && r->line->use == REFERRAL_USE_ONCE && part->spent) {
            referral_ledger_move(l, r, REFERRAL_AVAILABLE, REFERRAL_EXPIRED,
                                 rest, "once");
        }
    }
}


/* "reserve" NULL: there is none that is open */

void
referral_ledger_release(referral_ledger_t *l,
    referral_ledger_reserve_t *reserve, const char *why)
{
    size_t                   i;
    referral_ledger_part_t  *part;

    if (reserve == NULL || !reserve->open) {
        referral_ledger_flag(l, "refused");
        return;
    }

    reserve->open = 0;

    for (i = 0; i < reserve->parts.n; i++) {
        part = reserve->parts.item[i];

        referral_ledger_move(l, part->reward, REFERRAL_RESERVED,
                             REFERRAL_AVAILABLE, part->amount, why);
    }

    if (reserve->payout) {
        referral_ledger_push(l, &l->payouts, reserve);
    }
}


/* what was spent on an order that is taken back as a whole comes back */

void
referral_ledger_restore(referral_ledger_t *l, const referral_ledger_event_t *e)
{
    size_t                      i, k;
    int64_t                     amount;
    referral_reward_t          *r;
    referral_ledger_part_t     *part;
    referral_ledger_order_t    *order;
    referral_ledger_reserve_t  *reserve;

    order = e->order;

    if (order == NULL
        || (e->type != REFERRAL_FACT_CANCEL
            && (order->sale == NULL
                || referral_ledger_order_total(order) == 0
                || referral_ledger_order_rest(order) > 0)))
    {
        return;
    }

    for (i = 0; i < order->reserves.n; i++) {
        reserve = order->reserves.item[i];

        if (reserve->order != order) {
            continue;
        }

        for (k = 0;
             reserve->committed && !reserve->restored
             && k < reserve->parts.n;
             k++)
        {
            part = reserve->parts.item[k];
            r = part->reward;

            if (r->line && r->line->restore) {
                amount = part->spent < r->sum[REFERRAL_SPENT]
                         ? part->spent : r->sum[REFERRAL_SPENT];

                referral_ledger_move(l, r, REFERRAL_SPENT, REFERRAL_AVAILABLE,
                                     amount, "restore");
            }
        }

        reserve->restored |= reserve->committed;
    }
}


static const referral_rewards_line_t *
referral_ledger_cap_line(const referral_rewards_t *rewards,
    const referral_str_t *name)
{
    unsigned  i;

    for (i = 0; i < rewards->nlines; i++) {
        if (rewards->lines[i].kind == REFERRAL_REWARDS_CAP
            && referral_str_eq(&rewards->lines[i].name, name))
        {
            return &rewards->lines[i];
        }
    }

    return NULL;
}


/* an operator's word: the fact's id makes the reward's */

static void
referral_ledger_adjust(referral_ledger_t *l, const referral_fact_t *fact)
{
    u_char                          text[512], id[REFERRAL_REWARD_ID];
    int64_t                         amount, owner;
    referral_buf_t                  buf;
    referral_str_t                  name;
    referral_reward_t              *r;
    const referral_str_t           *cap, *state, *unit;
    const referral_ledger_rules_t  *rules;
    const referral_rewards_line_t  *line;

    amount = referral_ledger_number(fact, REFERRAL_FACT_T_AMOUNT);
    owner = referral_ledger_number(fact, REFERRAL_FACT_T_OWNER);
    cap = &fact->text[REFERRAL_FACT_T_CAP];
    state = &fact->text[REFERRAL_FACT_T_STATE];
    unit = &fact->text[REFERRAL_FACT_T_UNIT];

    if (amount <= 0 || owner <= 0 || l->versions.n == 0 || unit->len == 0) {
        referral_ledger_flag(l, "refused");
        return;
    }

    rules = l->versions.item[l->versions.n - 1];
    line = NULL;

    if (cap->len) {
        line = referral_ledger_cap_line(&rules->rewards, cap);

        if (line == NULL) {
            referral_ledger_flag(l, "refused");
            return;
        }
    }

    if (amount > INT64_MAX - *referral_ledger_granted(l, unit)) {
        referral_ledger_flag(l, "refused");
        return;
    }

    referral_buf_init(&buf, text, sizeof(text));
    referral_buf_puts(&buf, "adjust:");
    referral_buf_str(&buf, &fact->text[REFERRAL_FACT_T_EVENT]);

    name.data = text;
    name.len = buf.pos - text;

    if (buf.overflow || referral_ledger_id(l, id, &name) != REFERRAL_OK) {
        l->failed = 1;
        return;
    }

    /* the same word again */

    if (referral_ledger_look(l, REFERRAL_LEDGER_REWARD, id, sizeof(id))) {
        referral_ledger_flag(l, "refused");
        return;
    }

    r = referral_ledger_reward(l, id);

    if (l->failed) {
        return;
    }

    r->rules = rules;
    r->owner = referral_ledger_person(l, owner);
    r->referrer = r->owner;
    r->first = amount;
    r->side = REFERRAL_TO_REFERRER;
    r->asked.rules = r->rules;
    r->clock = l->now;
    r->minutes = referral_ledger_minutes(l, l->now);
    referral_str_set(&r->rule, "adjust");
    referral_ledger_copy(l, &r->unit, unit);
    referral_ledger_push(l, &r->owner->owned, r);

    if (line) {
        referral_ledger_cap(l, r, line);
    }

    referral_ledger_move(l, r, REFERRAL_BUDGET,
                         referral_str_is(state, "spent")
                         ? REFERRAL_SPENT : REFERRAL_AVAILABLE,
                         amount, "adjust");
}


/*
 * Nobody can use any more what a person has who is forgotten; what is pending
 * or set aside follows when it is available.
 */

static void
referral_ledger_forget(referral_ledger_t *l, const referral_fact_t *fact)
{
    size_t                     i;
    int64_t                    number;
    referral_ledger_person_t  *owner;

    number = referral_ledger_number(fact, REFERRAL_FACT_T_OWNER);
    owner = number > 0 ? referral_ledger_person(l, number) : NULL;

    if (owner == NULL || owner->forgotten) {
        referral_ledger_flag(l, "refused");
        return;
    }

    owner->forgotten = 1;

    for (i = 0; i < owner->owned.n; i++) {
        referral_ledger_lapse(l, owner->owned.item[i]);
    }
}


void
referral_ledger_command(referral_ledger_t *l, const referral_fact_t *fact)
{
    unsigned                         i;
    referral_reward_t               *r;
    const referral_str_t            *id;
    const referral_rewards_gift_t   *gift;

    switch (fact->type) {

    case REFERRAL_FACT_RESERVE:
    case REFERRAL_FACT_PAYOUT:
        referral_ledger_reserve(l, fact);
        return;

    case REFERRAL_FACT_PAID:
        referral_ledger_paid(l, referral_ledger_token(l, fact));
        return;

    case REFERRAL_FACT_FAILED:
        referral_ledger_release(l, referral_ledger_token(l, fact), "failed");
        return;

    case REFERRAL_FACT_COMMIT:
        referral_ledger_commit(l, fact);
        return;

    case REFERRAL_FACT_RELEASE:
        referral_ledger_release(l, referral_ledger_token(l, fact), "cancel");
        return;

    case REFERRAL_FACT_ADJUST:
        referral_ledger_adjust(l, fact);
        return;

    case REFERRAL_FACT_FORGET:
        referral_ledger_forget(l, fact);
        return;

    default:
        break;
    }

    id = &fact->text[REFERRAL_FACT_T_REWARD];
    r = referral_ledger_look(l, REFERRAL_LEDGER_REWARD, id->data, id->len);

    for (i = 0; r && r->open != -1 && i < r->line->ngifts; i++) {
        gift = &r->rules->rewards.gifts[r->line->gift + i];

        if (referral_str_eq(&gift->prize, &fact->text[REFERRAL_FACT_T_PRIZE]))
        {
            referral_ledger_choose(l, r, i);
            return;
        }
    }

    referral_ledger_flag(l, "refused");
}
