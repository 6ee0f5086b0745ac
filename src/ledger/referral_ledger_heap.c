
#include <stdlib.h>

#include "referral_ledger_core.h"


static int referral_ledger_due_before(const referral_ledger_due_t *a,
    const referral_ledger_due_t *b);
static int referral_ledger_text_before(const referral_str_t *a,
    const referral_str_t *b);


/*
 * A heap of what may be due.  Nothing is taken out of it when it changes:
 * whether it still holds is asked when its time has come.
 */

void
referral_ledger_schedule(referral_ledger_t *l, unsigned kind, int64_t at,
    void *what)
{
    size_t                  i, size;
    referral_ledger_due_t  *heap, due;

    if (l->nheap == l->heap_size) {
        size = l->heap_size ? 2 * l->heap_size : 64;
        heap = realloc(l->heap, size * sizeof(referral_ledger_due_t));

        if (heap == NULL) {
            l->failed = 1;
            return;
        }

        l->heap = heap;
        l->heap_size = size;
    }

    due.at = at;
    due.kind = kind;
    due.what = what;

    i = l->nheap++;

    while (i && referral_ledger_due_before(&due, &l->heap[(i - 1) / 2])) {
        l->heap[i] = l->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }

    l->heap[i] = due;
}


void
referral_ledger_schedule_reward(referral_ledger_t *l, referral_reward_t *r)
{
    referral_ledger_touch(l, r);

    if (r->sum[REFERRAL_PENDING] > 0 && r->open != -1) {
        referral_ledger_schedule(l, REFERRAL_DUE_CHOICE, r->open, r);

    } else if (r->sum[REFERRAL_PENDING] > 0 && r->due != -1) {
        referral_ledger_schedule(l, REFERRAL_DUE_HOLD, r->due, r);
    }

    if (r->sum[REFERRAL_AVAILABLE] > 0 && r->expires != -1) {
        referral_ledger_schedule(l, REFERRAL_DUE_EXPIRY, r->expires, r);
    }
}


/* by the moment, choices before holds, reserves and expiries, then by the id */

static int
referral_ledger_due_before(const referral_ledger_due_t *a,
    const referral_ledger_due_t *b)
{
    const referral_ledger_goal_t     *one, *two;
    const referral_ledger_nudge_t    *n, *m;
    const referral_ledger_reserve_t  *first, *second;
    const referral_ledger_contest_t  *c, *d;

    if (a->at != b->at) {
        return a->at < b->at;
    }

    if (a->kind != b->kind) {
        return a->kind < b->kind;
    }

    switch (a->kind) {

    case REFERRAL_DUE_REVIEW:
        return ((referral_ledger_person_t *) a->what)->number
               < ((referral_ledger_person_t *) b->what)->number;

    case REFERRAL_DUE_RESERVE:
        first = a->what;
        second = b->what;

        return referral_ledger_text_before(&first->token, &second->token);

    case REFERRAL_DUE_NUDGE:
        n = a->what;
        m = b->what;

        return n->friend->number < m->friend->number
               || (n->friend == m->friend
                   && referral_ledger_text_before(&n->name, &m->name));

    case REFERRAL_DUE_GOAL:
        one = a->what;
        two = b->what;

        return referral_ledger_text_before(&one->name, &two->name)
               || (referral_str_eq(&one->name, &two->name)
                   && referral_ledger_text_before(&one->period,
                                                  &two->period));

    case REFERRAL_DUE_CONTEST:
        c = a->what;
        d = b->what;

        return referral_ledger_text_before(&c->name, &d->name)
               || (referral_str_eq(&c->name, &d->name)
                   && referral_ledger_text_before(&c->period, &d->period));

    default:
        return memcmp(((referral_reward_t *) a->what)->id,
                      ((referral_reward_t *) b->what)->id, REFERRAL_REWARD_ID)
               < 0;
    }
}


static int
referral_ledger_text_before(const referral_str_t *a, const referral_str_t *b)
{
    int     rc;
    size_t  len;

    len = a->len < b->len ? a->len : b->len;
    rc = len ? memcmp(a->data, b->data, len) : 0;

    return rc ? rc < 0 : a->len < b->len;
}


void
referral_ledger_due_pop(referral_ledger_t *l)
{
    size_t                 i, next;
    referral_ledger_due_t  last;

    last = l->heap[--l->nheap];

    for (i = 0; 2 * i + 1 < l->nheap; i = next) {
        next = 2 * i + 1;

        if (next + 1 < l->nheap
            && referral_ledger_due_before(&l->heap[next + 1], &l->heap[next]))
        {
            next++;
        }

        if (!referral_ledger_due_before(&l->heap[next], &last)) {
            break;
        }

        l->heap[i] = l->heap[next];
    }

    l->heap[i] = last;
}
