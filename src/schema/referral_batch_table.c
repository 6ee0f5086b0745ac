
#include "referral_batch_core.h"


#define REFERRAL_BATCH_OP_ITEMS     400     /* an HSET of 802 arguments */
#define REFERRAL_BATCH_KEY_SIZE     40      /* bytes of a key beside prefix,
                                               program and suffix */

#define REFERRAL_BATCH_OWNER_KEY    0x80000000u
#define REFERRAL_BATCH_OWNER_TARGET 0x40000000u
#define REFERRAL_BATCH_OWNER_GROUP  0xffffffffu


static uint32_t referral_batch_target_add(referral_batch_t *b, uint32_t group,
    uint32_t type, uint32_t suffix, uint32_t key);
static uint32_t referral_batch_key_add(referral_batch_t *b, uint32_t type,
    uint32_t suffix);
static void referral_batch_chain(referral_batch_t *b, uint32_t target,
    uint32_t n);
static referral_batch_item_t *referral_batch_item(referral_batch_t *b,
    uint32_t owner, uint32_t text);
static uint32_t referral_batch_item_slot(uint32_t owner, uint32_t text);
static void referral_batch_item_grow(referral_batch_t *b);
static void referral_batch_text_grow(referral_batch_t *b);
static void referral_slots_reset(referral_batch_slots_t *slots);
static void referral_slots_grow(referral_batch_slots_t *slots);
static int referral_slots_crowded(const referral_batch_slots_t *slots);
static void referral_slots_put(referral_batch_slots_t *slots, uint32_t slot,
    uint32_t n);


_Static_assert(REFERRAL_BATCH_TEXTS < 0x10000 && REFERRAL_BATCH_ITEMS < 0x10000,
               "a number fits in 16 bits");
_Static_assert(REFERRAL_BATCH_TEXTS < REFERRAL_BATCH_SLOTS_MAX
               && REFERRAL_BATCH_ITEMS < REFERRAL_BATCH_SLOTS_MAX,
               "of the largest table a slot is always empty");
_Static_assert(REFERRAL_BATCH_FEW <= REFERRAL_BATCH_OP_ITEMS,
               "the first items of a link are of one operation");


/* the tables are emptied by resetting their lengths and slots */

void
referral_batch_reset(referral_batch_t *b)
{
    b->ntexts = 1;
    b->nitems = 1;
    b->nkeys = 1;
    b->ntargets = 1;
    b->nops = 1;
    b->ngroups = 1;
    b->nevents = 1;
    b->text_len = 0;
    b->text_size = 0;

    referral_slots_reset(&b->text_slots);
    referral_slots_reset(&b->item_slots);

    memset(b->items, 0, sizeof(referral_batch_item_t));
    memset(b->targets, 0, sizeof(referral_batch_target_t));
    memset(b->groups, 0, sizeof(referral_batch_group_t));
    memset(b->ops, 0, sizeof(referral_batch_op_t));
    memset(b->recent, 0, sizeof(b->recent));

    /* operation 0, which targets without an operation have, counts as full */

    b->ops[0].n = REFERRAL_BATCH_OP_ITEMS;
}


/*
 * A group for clicks whose link could not be looked up: the script counts them
 * only if the link exists when the batch is applied, so they are kept apart
 * from others.
 */

uint32_t
referral_batch_group(referral_batch_t *b, uint32_t code)
{
    referral_batch_item_t  *item;

    item = referral_batch_item(b, REFERRAL_BATCH_OWNER_GROUP, code);

    if (item->value == 0) {
        item->value = b->ngroups;

        memset(&b->groups[b->ngroups], 0, sizeof(referral_batch_group_t));

        b->groups[b->ngroups].key = referral_batch_key(b, REFERRAL_KEY_LINK,
                                                       code);
        b->ngroups++;
    }

    return item->value;
}


uint32_t
referral_batch_target(referral_batch_t *b, uint32_t group, uint32_t type,
    uint32_t suffix)
{
    uint32_t                  n;
    referral_batch_item_t    *item;
    referral_batch_target_t  *target;

    n = b->recent[type];
    target = &b->targets[n];

    if (target->suffix == suffix && target->group == group) {
        return n;
    }

    item = referral_batch_item(b, REFERRAL_BATCH_OWNER_TARGET | (group << 8)
                                  | type, suffix);

    if (item->value == 0) {
        item->value = referral_batch_target_add(b, group, type, suffix,
                                        referral_batch_key(b, type, suffix));
    }

    b->recent[type] = item->value;

    return item->value;
}


/*
 * The target of a link outside of groups, which is kept with the text of its
 * code.
 */

uint32_t
referral_batch_target_link(referral_batch_t *b, uint32_t group, uint32_t type,
    uint32_t code)
{
    uint16_t  *known;

    if (group) {
        return referral_batch_target(b, group, type, code);
    }

    known = &b->texts[code].link[type == REFERRAL_KEY_DAYS_LINK];

    if (*known == 0) {
        *known = (uint16_t) referral_batch_target_add(b, group, type, code,
                                       referral_batch_key_add(b, type, code));
    }

    b->targets[*known].likely = b->targets[*known].first;

    return *known;
}


static uint32_t
referral_batch_target_add(referral_batch_t *b, uint32_t group, uint32_t type,
    uint32_t suffix, uint32_t key)
{
    referral_batch_target_t  *target;

    target = &b->targets[b->ntargets];

    target->expire = 0;
    target->life = 0;
    target->type = type;
    target->suffix = suffix;
    target->key = key;
    target->group = group;
    target->op = 0;
    target->few = 0;
    target->first = 0;
    target->likely = 0;

    return b->ntargets++;
}


/* the number of a key among the script's KEYS */

uint32_t
referral_batch_key(referral_batch_t *b, uint32_t type, uint32_t suffix)
{
    referral_batch_item_t  *item;

    item = referral_batch_item(b, REFERRAL_BATCH_OWNER_KEY | type, suffix);

    if (item->value == 0) {
        item->value = referral_batch_key_add(b, type, suffix);
    }

    return item->value;
}


/* a key that is in KEYS twice does no harm */

static uint32_t
referral_batch_key_add(referral_batch_t *b, uint32_t type, uint32_t suffix)
{
    referral_batch_key_t  *key;

    key = &b->keys[b->nkeys];

    key->type = type;
    key->suffix = suffix;

    b->text_size += REFERRAL_BATCH_KEY_SIZE + b->conf.prefix.len
                    + b->program_len + b->texts[suffix].len;

    return b->nkeys++;
}


/* the target's last operation, or a new one if that is full */

referral_batch_op_t *
referral_batch_op(referral_batch_t *b, uint32_t n)
{
    referral_batch_op_t      *op;
    referral_batch_group_t   *group;
    referral_batch_target_t  *target;

    target = &b->targets[n];
    op = &b->ops[target->op];

    if (op->n < REFERRAL_BATCH_OP_ITEMS
        || (target->op && target->type == REFERRAL_KEY_EVENTS))
    {
        return op;
    }

    target->op = b->nops++;

    op = &b->ops[target->op];
    memset(op, 0, sizeof(referral_batch_op_t));
    op->target = n;

    group = &b->groups[target->group];

    if (group->n++) {
        b->ops[group->last].next = target->op;

    } else {
        group->first = target->op;
    }

    group->last = target->op;

    return op;
}


referral_batch_item_t *
referral_batch_member(referral_batch_t *b, uint32_t target, uint32_t text)
{
    uint32_t                n;
    referral_batch_item_t  *item;

    n = b->nitems;
    item = referral_batch_item(b, target, text);

    if (b->nitems != n) {
        referral_batch_chain(b, target, n);
    }

    return item;
}


/*
 * A field of a link.  Links have few fields, mostly in the same order, so they
 * are searched one by one.
 */

referral_batch_item_t *
referral_batch_member_few(referral_batch_t *b, uint32_t target, uint32_t text)
{
    uint32_t                  i, n;
    referral_batch_item_t    *item;
    referral_batch_target_t  *t;

    t = &b->targets[target];

    n = t->likely;
    item = &b->items[n];

    t->likely = item->next;

    if (n && item->text == text) {
        return item;
    }

    for (i = t->few, n = t->first; i; i--, n = item->next) {
        item = &b->items[n];

        if (item->text == text) {
            t->likely = item->next;
            return item;
        }
    }

    if (t->few == REFERRAL_BATCH_FEW) {
        return referral_batch_member(b, target, text);
    }

    item = referral_batch_member_append(b, target, text);

    if (t->few++ == 0) {
        t->first = item - b->items;
    }

    return item;
}


/* for a text that was appended, so that no other click has it */

referral_batch_item_t *
referral_batch_member_append(referral_batch_t *b, uint32_t target,
    uint32_t text)
{
    uint32_t                n;
    referral_batch_item_t  *item;

    n = b->nitems++;
    item = &b->items[n];

    item->owner = 0;
    item->text = text;
    item->value = 0;
    item->next = 0;

    referral_batch_chain(b, target, n);

    return item;
}


/* makes the item the last one of the target's operation */

static inline void
referral_batch_chain(referral_batch_t *b, uint32_t target, uint32_t n)
{
    referral_batch_op_t  *op;

    op = &b->ops[b->targets[target].op];

    if (op->n >= REFERRAL_BATCH_OP_ITEMS) {
        op = referral_batch_op(b, target);
    }

    if (op->n++) {
        b->items[op->last].next = n;

    } else {
        op->first = n;
    }

    op->last = n;
}


/* finds the item, or makes one with zeros */

static inline referral_batch_item_t *
referral_batch_item(referral_batch_t *b, uint32_t owner, uint32_t text)
{
    uint32_t                n, slot;
    referral_batch_item_t  *item;

    slot = referral_batch_item_slot(owner, text);

    for ( ;; ) {
        slot &= b->item_slots.size - 1;
        n = b->item_slots.slot[slot];

        if (n == 0) {
            break;
        }

        item = &b->items[n];

        if (item->owner == owner && item->text == text) {
            return item;
        }

        slot++;
    }

    n = b->nitems++;
    item = &b->items[n];

    item->owner = owner;
    item->text = text;
    item->value = 0;
    item->next = 0;

    referral_slots_put(&b->item_slots, slot, n);

    if (referral_slots_crowded(&b->item_slots)) {
        referral_batch_item_grow(b);
    }

    return item;
}


static inline uint32_t
referral_batch_item_slot(uint32_t owner, uint32_t text)
{
    return (((uint64_t) owner << 32 | text) * 0x9e3779b97f4a7c15ULL) >> 48;
}


static void
referral_batch_item_grow(referral_batch_t *b)
{
    uint32_t                n;
    referral_batch_item_t  *item;

    referral_slots_grow(&b->item_slots);

    for (n = 1; n < b->nitems; n++) {
        item = &b->items[n];

        if (item->owner != 0) {
            referral_slots_put(&b->item_slots,
                               referral_batch_item_slot(item->owner,
                                                        item->text),
                               n);
        }
    }
}


/* finds the text, or adds it, and returns its number */

uint32_t
referral_batch_text(referral_batch_t *b, const void *data, size_t len)
{
    uint32_t                n, slot;
    uint64_t                hash;
    referral_batch_text_t  *text;

    hash = referral_hash64(b->conf.seed, data, len);
    slot = (uint32_t) hash;

    for ( ;; ) {
        slot &= b->text_slots.size - 1;
        n = b->text_slots.slot[slot];

        if (n == 0) {
            break;
        }

        text = &b->texts[n];

        /* for up to eight bytes the hash is unique */

        if (text->hash == hash && text->len == len
            && (len <= 8 || memcmp(b->text + text->off, data, len) == 0))
        {
            return n;
        }

        slot++;
    }

    n = referral_batch_text_append(b, data, len);

    b->texts[n].hash = hash;
    b->texts[n].slotted = 1;

    referral_slots_put(&b->text_slots, slot, n);

    if (referral_slots_crowded(&b->text_slots)) {
        referral_batch_text_grow(b);
    }

    return n;
}


static void
referral_batch_text_grow(referral_batch_t *b)
{
    uint32_t                n;
    referral_batch_text_t  *text;

    referral_slots_grow(&b->text_slots);

    for (n = 1; n < b->ntexts; n++) {
        text = &b->texts[n];

        if (text->slotted) {
            referral_slots_put(&b->text_slots, (uint32_t) text->hash, n);
        }
    }
}


/*
 * Adds a text that no other click has, such as an id, without the hash table.
 */

uint32_t
referral_batch_text_append(referral_batch_t *b, const void *data, size_t len)
{
    u_char                 *p;
    referral_batch_text_t  *text;

    p = referral_pack_head(b->text + b->text_len, len);
    memcpy(p, data, len);

    text = &b->texts[b->ntexts];

    text->off = p - b->text;
    text->len = len;
    text->slotted = 0;
    text->stats[0] = 0;
    text->stats[1] = 0;
    text->field = 0;
    text->link[0] = 0;
    text->link[1] = 0;

    b->text_size += text->off + len - b->text_len;
    b->text_len = text->off + len;

    return b->ntexts++;
}


uint32_t
referral_batch_str(referral_batch_t *b, const referral_str_t *s)
{
    if (s->len == 0) {
        return REFERRAL_BATCH_EMPTY;
    }

    return referral_batch_text(b, s->data, s->len < REFERRAL_BATCH_CUT
                                           ? s->len : REFERRAL_BATCH_CUT);
}


/* empties the table and sizes it for as much as the last batch had */

static void
referral_slots_reset(referral_batch_slots_t *slots)
{
    if (slots->size > REFERRAL_BATCH_SLOTS_MIN
        && slots->used < slots->size / 8)
    {
        slots->size /= 2;
    }

    memset(slots->slot, 0, slots->size * sizeof(slots->slot[0]));
    slots->used = 0;
}


static void
referral_slots_grow(referral_batch_slots_t *slots)
{
    slots->size *= 2;

    memset(slots->slot, 0, slots->size * sizeof(slots->slot[0]));
    slots->used = 0;
}


static inline int
referral_slots_crowded(const referral_batch_slots_t *slots)
{
    return slots->used > slots->size / 2
           && slots->size < REFERRAL_BATCH_SLOTS_MAX;
}


/* puts the value into the first empty slot from this one on */

static inline void
referral_slots_put(referral_batch_slots_t *slots, uint32_t slot, uint32_t n)
{
    for (slot &= slots->size - 1;
         slots->slot[slot];
         slot = (slot + 1) & (slots->size - 1))
    { /* void */ }

    slots->slot[slot] = (uint16_t) n;
    slots->used++;
}
