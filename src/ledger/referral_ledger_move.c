
#include <stdlib.h>

#include "referral_ledger_core.h"


static void referral_ledger_entry(referral_ledger_t *l,
    const referral_reward_t *r, unsigned from, unsigned to, int64_t amount,
    const char *why);
static void referral_ledger_sweep(referral_ledger_t *l);
static int referral_ledger_rejected(const referral_reward_t *r);
static void referral_ledger_write_off(referral_ledger_t *l);
static int64_t referral_ledger_loss(const referral_reward_t *r);
static referral_reward_t *referral_ledger_debt(const referral_ledger_t *l,
    referral_reward_t **fill);
static referral_reward_t *referral_ledger_fill(const referral_reward_t *debt);
static void referral_ledger_hand_over(referral_ledger_t *l,
    referral_reward_t *debt, referral_reward_t *fill, int64_t amount);


/* of a rejected friend nothing is pending or available */

void
referral_ledger_forfeit(referral_ledger_t *l, referral_reward_t *r)
{
    unsigned  account;

    for (account = REFERRAL_PENDING; account <= REFERRAL_AVAILABLE; account++)
    {
        referral_ledger_move(l, r, account, REFERRAL_CANCELLED,
                             r->sum[account], "rejected");
    }
}


/* of an owner who is forgotten nothing is available */

void
referral_ledger_lapse(referral_ledger_t *l, referral_reward_t *r)
{
    referral_ledger_move(l, r, REFERRAL_AVAILABLE, REFERRAL_CANCELLED,
                         r->sum[REFERRAL_AVAILABLE], "forgotten");
}


/* one entry; nothing happens for an amount of 0 */

void
referral_ledger_move(referral_ledger_t *l, referral_reward_t *r,
    unsigned from, unsigned to, int64_t amount, const char *why)
{
    int64_t                    before, after, has;
    referral_ledger_person_t  *owner;

    if (amount <= 0) {
        return;
    }

    owner = r->owner;
    before = referral_ledger_net(r);
    has = r->sum[REFERRAL_AVAILABLE];

    if (from != REFERRAL_BUDGET) {
        r->sum[from] -= amount;

    } else {
        *referral_ledger_granted(l, &r->unit) += amount;
    }

    if (__builtin_add_overflow(r->sum[to], amount, &r->sum[to])) {
        l->failed = 1;
        return;
    }

    after = referral_ledger_net(r);

    owner->debts -= (has < 0);
    owner->usable -= (has > 0);
    has = r->sum[REFERRAL_AVAILABLE];
    owner->debts += (has < 0);
    owner->usable += (has > 0);

    if (r->used) {
        r->used->count += (after > 0) - (before > 0);

        if (__builtin_add_overflow(r->used->amount, after - before,
                                   &r->used->amount))
        {
            l->failed = 1;
        }
    }

    if (!owner->changed) {
        owner->changed = 1;
        referral_ledger_push(l, &l->changed, owner);
    }

    if (!r->moved) {
        r->moved = 1;
        referral_ledger_push(l, &l->moved, r);
    }

    referral_ledger_entry(l, r, from, to, amount, why);
    referral_ledger_schedule_reward(l, r);
}


static void
referral_ledger_entry(referral_ledger_t *l, const referral_reward_t *r,
    unsigned from, unsigned to, int64_t amount, const char *why)
{
    size_t                    size;
    referral_ledger_entry_t  *entry;

    if (l->nentries == l->entries_size) {
        size = l->entries_size ? 2 * l->entries_size : 16;
        entry = realloc(l->entries, size * sizeof(referral_ledger_entry_t));

        if (entry == NULL) {
            l->failed = 1;
            return;
        }

        l->entries = entry;
        l->entries_size = size;
    }

    entry = &l->entries[l->nentries];

    entry->position = l->position;
    entry->index = l->nentries++;
    memcpy(entry->reward, r->id, REFERRAL_REWARD_ID);
    entry->owner = r->owner->number;
    entry->unit = r->unit;
    entry->rule = r->rule;
    entry->version = r->rules->version;
    entry->from = from;
    entry->to = to;
    entry->amount = amount;
    entry->at = l->moment;
    entry->due = r->due;
    entry->expires = r->expires;
    entry->why = why;
}


/* what expires first; then by the id */

int
referral_ledger_sooner(const referral_reward_t *a, const referral_reward_t *b)
{
    if (a->expires != b->expires) {
        return a->expires != -1
               && (b->expires == -1 || a->expires < b->expires);
    }

    return memcmp(a->id, b->id, REFERRAL_REWARD_ID) < 0;
}


/*
 * A reward below 0 is filled by what the same owner has in the same unit: what
 * was spent there, or is reserved there, is taken over.
 */

void
referral_ledger_fill_debts(referral_ledger_t *l)
{
    size_t              i;
    int64_t             amount, has;
    unsigned            from;
    referral_reward_t  *debt, *fill;

    referral_ledger_sweep(l);
    referral_ledger_write_off(l);

    for ( ;; ) {
        debt = referral_ledger_debt(l, &fill);

        if (debt == NULL || l->failed) {
            break;
        }

        from = debt->sum[REFERRAL_SPENT] ? REFERRAL_SPENT : REFERRAL_RESERVED;

        has = fill->sum[REFERRAL_AVAILABLE];
        amount = -debt->sum[REFERRAL_AVAILABLE];
        amount = amount < has ? amount : has;
        amount = amount < debt->sum[from] ? amount : debt->sum[from];

        if (amount <= 0) {
            break;
        }

        referral_ledger_move(l, fill, REFERRAL_AVAILABLE, from, amount,
                             "debt");
        referral_ledger_move(l, debt, from, REFERRAL_AVAILABLE, amount,
                             "debt");

        if (from == REFERRAL_RESERVED) {
            referral_ledger_hand_over(l, debt, fill, amount);
        }
    }

    for (i = 0; i < l->changed.n; i++) {
        ((referral_ledger_person_t *) l->changed.item[i])->changed = 0;
    }

    for (i = 0; i < l->moved.n; i++) {
        ((referral_reward_t *) l->moved.item[i])->moved = 0;
    }

    l->changed.n = 0;
    l->moved.n = 0;
}


/*
 * What came back to rewards of a rejected friend, or of an owner who is
 * forgotten, the oldest first.
 */

static void
referral_ledger_sweep(referral_ledger_t *l)
{
    size_t              i;
    referral_reward_t  *r, *first;

    do {
        first = NULL;

        for (i = 0; i < l->moved.n; i++) {
            r = l->moved.item[i];

            if ((first == NULL || r->number < first->number)
                && (referral_ledger_rejected(r)
                    || (r->owner->forgotten && r->sum[REFERRAL_AVAILABLE] > 0)))
            {
                first = r;
            }
        }

        if (first && referral_ledger_rejected(first)) {
            referral_ledger_forfeit(l, first);

        } else if (first) {
            referral_ledger_lapse(l, first);
        }

    } while (first && !l->failed);
}


static int
referral_ledger_rejected(const referral_reward_t *r)
{
    return r->event && r->event->friend->rejected
           && (r->sum[REFERRAL_PENDING] > 0 || r->sum[REFERRAL_AVAILABLE] > 0);
}


/* with debt:no, of the rewards that moved, the oldest first */

static void
referral_ledger_write_off(referral_ledger_t *l)
{
    size_t              i;
    int64_t             loss;
    referral_reward_t  *r, *first;

    do {
        first = NULL;

        for (i = 0; i < l->moved.n; i++) {
            r = l->moved.item[i];

            if (referral_ledger_loss(r)
                && (first == NULL || r->number < first->number))
            {
                first = r;
            }
        }

        loss = first ? referral_ledger_loss(first) : 0;

        if (loss > 0) {
            referral_ledger_move(l, first, REFERRAL_WRITTEN_OFF,
                                 REFERRAL_AVAILABLE, loss, "written_off");

        } else if (loss < 0) {
            referral_ledger_move(l, first, REFERRAL_AVAILABLE,
                                 REFERRAL_WRITTEN_OFF, -loss, "recovered");
        }

    } while (first && !l->failed);
}


/* what is to be written off now; below 0: what of that comes back */

static int64_t
referral_ledger_loss(const referral_reward_t *r)
{
    int64_t  available, written;

    available = r->sum[REFERRAL_AVAILABLE];
    written = r->sum[REFERRAL_WRITTEN_OFF];

    if (r->rules->rewards.debt == REFERRAL_DEBT_NO && available < 0) {
        return -available;
    }

    if (written == 0 || available <= 0) {
        return 0;
    }

    return -available > written ? -available : written;
}


/* the oldest reward below 0 that can be filled, of those that moved */

static referral_reward_t *
referral_ledger_debt(const referral_ledger_t *l, referral_reward_t **fill)
{
    size_t                     i, k;
    referral_reward_t         *r, *one, *debt;
    referral_ledger_person_t  *owner;

    debt = NULL;
    *fill = NULL;

    for (i = 0; i < l->changed.n; i++) {
        owner = l->changed.item[i];

        if (owner->debts == 0 || owner->usable == 0) {
            continue;
        }

        for (k = 0; k < owner->owned.n; k++) {
            r = owner->owned.item[k];

            if (r->sum[REFERRAL_AVAILABLE] >= 0
                || (debt && r->number > debt->number))
            {
                continue;
            }

            one = referral_ledger_fill(r);

            if (one) {
                debt = r;
                *fill = one;
            }
        }
    }

    return debt;
}


static referral_reward_t *
referral_ledger_fill(const referral_reward_t *debt)
{
    size_t              i;
    referral_reward_t  *r, *best;

    best = NULL;

    for (i = 0; i < debt->owner->owned.n; i++) {
        r = debt->owner->owned.item[i];

        if (r->sum[REFERRAL_AVAILABLE] > 0
            && referral_str_eq(&r->unit, &debt->unit)
            && (best == NULL || referral_ledger_sooner(r, best)))
        {
            best = r;
        }
    }

    return best;
}


/* a reserve is of the other reward now */

static void
referral_ledger_hand_over(referral_ledger_t *l, referral_reward_t *debt,
    referral_reward_t *fill, int64_t amount)
{
    size_t                      i, k, n;
    int64_t                     took;
    referral_ledger_part_t     *part, *more;
    referral_ledger_reserve_t  *reserve;

    for (i = 0; i < debt->reserves.n; i++) {
        reserve = debt->reserves.item[i];
        n = reserve->open ? reserve->parts.n : 0;

        for (k = 0; k < n; k++) {
            part = reserve->parts.item[k];

            if (part->reward != debt || part->amount == 0 || amount == 0) {
                continue;
            }

            took = part->amount < amount ? part->amount : amount;

            part->amount -= took;
            amount -= took;

            more = referral_ledger_alloc(l, sizeof(referral_ledger_part_t));

            more->reward = fill;
            more->amount = took;

            referral_ledger_push(l, &reserve->parts, more);
            referral_ledger_push(l, &fill->reserves, reserve);
        }
    }
}


int64_t
referral_ledger_net(const referral_reward_t *r)
{
    return r->sum[REFERRAL_PENDING] + r->sum[REFERRAL_AVAILABLE]
           + r->sum[REFERRAL_RESERVED] + r->sum[REFERRAL_SPENT]
           + r->sum[REFERRAL_EXPIRED] + r->sum[REFERRAL_WRITTEN_OFF];
}
