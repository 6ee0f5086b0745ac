
#include <stdlib.h>

#include "referral_hash.h"
#include "referral_ledger_core.h"


#define REFERRAL_LEDGER_SLOTS  1024
#define REFERRAL_LEDGER_CHUNK  (1024 * 1024)
#define REFERRAL_LEDGER_SPARE  (2 * sizeof(referral_ledger_rules_t))


struct referral_ledger_chunk_s {
    referral_ledger_chunk_t  *next;
    u_char                    data[];
};


struct referral_ledger_node_s {
    uint64_t                  hash;
    unsigned                  kind;
    size_t                    len;
    void                     *record;
    u_char                    name[];
};


/* what is given where there is no memory */

static u_char  referral_ledger_spare[REFERRAL_LEDGER_SPARE];


static const referral_str_t  referral_account_names[] = {
    referral_string("pending"),
    referral_string("available"),
    referral_string("reserved"),
    referral_string("spent"),
    referral_string("expired"),
    referral_string("cancelled"),
    referral_string("written_off"),
    referral_string("budget")
};


static referral_ledger_node_t **referral_ledger_slot(referral_ledger_t *l,
    uint64_t hash, unsigned kind, const void *name, size_t len);
static void referral_ledger_grow(referral_ledger_t *l);


referral_str_t
referral_account_name(unsigned account)
{
    return referral_account_names[account];
}


referral_ledger_t *
referral_ledger_create(const referral_str_t *program)
{
    referral_ledger_t  *l;

    l = calloc(1, sizeof(referral_ledger_t));

    if (l == NULL) {
        return NULL;
    }

    l->nslots = REFERRAL_LEDGER_SLOTS;
    l->slots = calloc(l->nslots, sizeof(referral_ledger_node_t *));

    if (l->slots) {
        referral_ledger_copy(l, &l->program, program);
    }

    if (l->slots == NULL || l->failed) {
        referral_ledger_free(l);
        return NULL;
    }

    return l;
}


void
referral_ledger_free(referral_ledger_t *l)
{
    referral_ledger_chunk_t  *chunk, *next;

    for (chunk = l->chunks; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }

    free(l->heap);
    free(l->entries);
    free(l->flags);
    free(l->notices);
    free(l->balances);
    free(l->slots);
    free(l);
}


void *
referral_ledger_alloc(referral_ledger_t *l, size_t size)
{
    void                     *p;
    size_t                    room;
    referral_ledger_chunk_t  *chunk;

    size = (size + 7) & ~(size_t) 7;

    if ((size_t) (l->end - l->pos) < size || l->pos == NULL) {
        room = size > REFERRAL_LEDGER_CHUNK ? size : REFERRAL_LEDGER_CHUNK;

        chunk = calloc(1, sizeof(referral_ledger_chunk_t) + room);

        if (chunk == NULL) {
            l->failed = 1;
            return referral_ledger_spare;
        }

        chunk->next = l->chunks;
        l->chunks = chunk;
        l->pos = chunk->data;
        l->end = chunk->data + room;
    }

    p = l->pos;
    l->pos += size;

    return p;
}


void
referral_ledger_copy(referral_ledger_t *l, referral_str_t *to,
    const referral_str_t *from)
{
    u_char  *p;

    to->len = 0;
    to->data = (u_char *) "";

    if (from->len == 0) {
        return;
    }

    p = referral_ledger_alloc(l, from->len);

    if (l->failed) {
        return;
    }

    memcpy(p, from->data, from->len);

    to->len = from->len;
    to->data = p;
}


void
referral_ledger_push(referral_ledger_t *l, referral_ledger_list_t *list,
    void *item)
{
    void    **more;
    size_t    size;

    if (list->n == list->size) {
        size = list->size ? 2 * list->size : 4;
        more = referral_ledger_alloc(l, size * sizeof(void *));

        if (l->failed) {
            return;
        }

        if (list->n) {
            memcpy(more, list->item, list->n * sizeof(void *));
        }

        list->item = more;
        list->size = size;
    }

    list->item[list->n++] = item;
}


void *
referral_ledger_find(referral_ledger_t *l, unsigned kind, const void *name,
    size_t len, size_t size)
{
    uint64_t                  hash;
    referral_ledger_node_t   *node, **slot;

    name = len ? name : "";
    hash = referral_hash64(kind, name, len);
    slot = referral_ledger_slot(l, hash, kind, name, len);

    if (*slot) {
        return (*slot)->record;
    }

    node = referral_ledger_alloc(l, sizeof(referral_ledger_node_t) + len);

    if (l->failed) {
        return referral_ledger_spare;
    }

    node->hash = hash;
    node->kind = kind;
    node->len = len;
    node->record = referral_ledger_alloc(l, size);
    memcpy(node->name, name, len);

    if (l->failed) {
        return referral_ledger_spare;
    }

    *slot = node;
    l->nnodes++;

    if (2 * l->nnodes > l->nslots) {
        referral_ledger_grow(l);
    }

    return node->record;
}


void *
referral_ledger_look(referral_ledger_t *l, unsigned kind, const void *name,
    size_t len)
{
    referral_ledger_node_t  **slot;

    name = len ? name : "";
    slot = referral_ledger_slot(l, referral_hash64(kind, name, len), kind, name,
                                len);

    return *slot ? (*slot)->record : NULL;
}


/* the slot of that name, or the empty one where it would stand */

static referral_ledger_node_t **
referral_ledger_slot(referral_ledger_t *l, uint64_t hash, unsigned kind,
    const void *name, size_t len)
{
    size_t                   i;
    referral_ledger_node_t  *node;

    for (i = hash & (l->nslots - 1); l->slots[i];
         i = (i + 1) & (l->nslots - 1))
    {
        node = l->slots[i];

        if (node->hash == hash && node->kind == kind && node->len == len
            && memcmp(node->name, name, len) == 0)
        {
            break;
        }
    }

    return &l->slots[i];
}


static void
referral_ledger_grow(referral_ledger_t *l)
{
    size_t                    i, at, n;
    referral_ledger_node_t  **slots;

    n = 2 * l->nslots;
    slots = calloc(n, sizeof(referral_ledger_node_t *));

    if (slots == NULL) {
        l->failed = 1;
        return;
    }

    for (i = 0; i < l->nslots; i++) {

        if (l->slots[i] == NULL) {
            continue;
        }

        at = l->slots[i]->hash & (n - 1);

        while (slots[at]) {
            at = (at + 1) & (n - 1);
        }

        slots[at] = l->slots[i];
    }

    free(l->slots);

    l->slots = slots;
    l->nslots = n;
}


referral_ledger_person_t *
referral_ledger_person(referral_ledger_t *l, uint64_t number)
{
    referral_ledger_person_t  *person;

    person = referral_ledger_find(l, REFERRAL_LEDGER_PERSON, &number,
                                  sizeof(number),
                                  sizeof(referral_ledger_person_t));

    if (person->number == 0 && !l->failed) {
        person->number = number;
        referral_ledger_push(l, &l->people, person);
    }

    return person;
}


void
referral_ledger_touch(referral_ledger_t *l, referral_reward_t *r)
{
    if (r->touched != l->position) {
        r->touched = l->position;
        referral_ledger_push(l, &l->touched, r);
    }
}


int64_t *
referral_ledger_granted(referral_ledger_t *l, const referral_str_t *unit)
{
    return referral_ledger_find(l, REFERRAL_LEDGER_GRANTED, unit->data,
                                unit->len, sizeof(int64_t));
}


void
referral_ledger_flag(referral_ledger_t *l, const char *word)
{
    size_t                   size;
    referral_ledger_flag_t  *flags;

    if (l->nflags == l->flags_size) {
        size = l->flags_size ? 2 * l->flags_size : 8;
        flags = realloc(l->flags, size * sizeof(referral_ledger_flag_t));

        if (flags == NULL) {
            l->failed = 1;
            return;
        }

        l->flags = flags;
        l->flags_size = size;
    }

    l->flags[l->nflags].position = l->position;
    l->flags[l->nflags].word = word;
    l->nflags++;
}


void
referral_ledger_notice(referral_ledger_t *l, const char *kind, uint64_t who,
    const referral_str_t *name, const referral_str_t *detail)
{
    size_t                     size;
    referral_ledger_notice_t  *notice;

    if (l->nnotices == l->notices_size) {
        size = l->notices_size ? 2 * l->notices_size : 8;
        notice = realloc(l->notices, size * sizeof(referral_ledger_notice_t));

        if (notice == NULL) {
            l->failed = 1;
            return;
        }

        l->notices = notice;
        l->notices_size = size;
    }

    notice = &l->notices[l->nnotices++];

    notice->position = l->position;
    notice->at = l->moment;
    notice->kind = kind;
    notice->who = who;

    referral_ledger_copy(l, &notice->name, name);
    referral_ledger_copy(l, &notice->detail, detail);
}


const referral_ledger_notice_t *
referral_ledger_notices(referral_ledger_t *l, size_t *n)
{
    *n = l->nnotices;

    return l->notices;
}


const referral_ledger_flag_t *
referral_ledger_flags(referral_ledger_t *l, size_t *n)
{
    *n = l->nflags;

    return l->flags;
}


const referral_ledger_entry_t *
referral_ledger_entries(referral_ledger_t *l, size_t *n)
{
    *n = l->nentries;

    return l->entries;
}


int
referral_ledger_balances(referral_ledger_t *l,
    const referral_ledger_balance_t **balance, size_t *n)
{
    size_t                      i, k, count, at;
    unsigned                    account;
    referral_reward_t          *r;
    referral_ledger_person_t   *person;
    referral_ledger_balance_t  *list;

    free(l->balances);
    l->balances = calloc(l->rewards + 1, sizeof(referral_ledger_balance_t));

    if (l->balances == NULL) {
        l->failed = 1;
        return REFERRAL_ERROR;
    }

    list = l->balances;
    count = 0;

    for (i = 0; i < l->people.n; i++) {
        person = l->people.item[i];
        at = count;

        for (k = 0; k < person->owned.n; k++) {
            r = person->owned.item[k];

            for (count = at; list[count].owner; count++) {
                if (referral_str_eq(&list[count].unit, &r->unit)) {
                    break;
                }
            }

            list[count].owner = person->number;
            list[count].unit = r->unit;

            for (account = 0; account < REFERRAL_ACCOUNTS; account++) {
                if (__builtin_add_overflow(list[count].sum[account],
                                           r->sum[account],
                                           &list[count].sum[account]))
                {
                    l->failed = 1;
                }
            }
        }

        for (count = at; list[count].owner; count++) { /* void */ }
    }

    *balance = list;
    *n = count;

    return l->failed ? REFERRAL_ERROR : REFERRAL_OK;
}
