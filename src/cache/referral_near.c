
#include <stdlib.h>

#include "referral_near.h"


#define REFERRAL_NEAR_SETS   1024
#define REFERRAL_NEAR_WAYS   4
#define REFERRAL_NEAR_LINE   64
#define REFERRAL_NEAR_LIFE   1000    /* ms */
#define REFERRAL_NEAR_DATA   464

#define REFERRAL_NEAR_LINES  0xf     /* of a tag: lines of the copy */


/* "data" is the value, then the key */

typedef struct {
    uint64_t             epoch;
    int64_t              fetched;
    int64_t              kept;
    uint32_t             place;
    uint16_t             len;
    uint16_t             key_len;
    uint16_t             negative;
    uint16_t             reserved[7];
    u_char               data[REFERRAL_NEAR_DATA];
} referral_near_slot_t;


/* a tag of 0: empty; else some bits of the hash, and how long the copy is */

struct referral_near_s {
    referral_near_slot_t  slots[REFERRAL_NEAR_SETS][REFERRAL_NEAR_WAYS];
    uint32_t              tags[REFERRAL_NEAR_SETS][REFERRAL_NEAR_WAYS];
    uint8_t               turn[REFERRAL_NEAR_SETS];
};


_Static_assert(sizeof(referral_near_slot_t) == 512,
               "a slot is eight cache lines");


static inline unsigned
referral_near_set(const referral_near_key_t *at)
{
    return at->place % REFERRAL_NEAR_SETS;
}


/* the way with the tag, or, if none has it, the number of ways */

static inline unsigned
referral_near_way(const referral_near_t *near, const referral_near_key_t *at)
{
    unsigned         way;
    const uint32_t  *tags;

    tags = near->tags[referral_near_set(at)];

    for (way = 0; way < REFERRAL_NEAR_WAYS; way++) {
        if (tags[way] != 0
            && ((tags[way] ^ at->tag) & ~REFERRAL_NEAR_LINES) == 0)
        {
            break;
        }
    }

    return way;
}


referral_near_t *
referral_near_create(void)
{
    void             *p;
    referral_near_t  *near;

    if (posix_memalign(&p, REFERRAL_NEAR_LINE, sizeof(referral_near_t)) != 0) {
        return NULL;
    }

    near = p;

    memset(near->tags, 0, sizeof(near->tags));
    memset(near->turn, 0, sizeof(near->turn));

    return near;
}


void
referral_near_free(referral_near_t *near)
{
    free(near);
}


void
referral_near_hint(const referral_near_t *near, const referral_near_key_t *at)
{
    __builtin_prefetch(near->tags[referral_near_set(at)]);
}


int
referral_near_hint_value(const referral_near_t *near,
    const referral_near_key_t *at)
{
    unsigned                     n, way;
    const referral_near_slot_t  *slot;

    way = referral_near_way(near, at);

    if (way == REFERRAL_NEAR_WAYS) {
        return 0;
    }

    slot = &near->slots[referral_near_set(at)][way];

    n = near->tags[referral_near_set(at)][way] & REFERRAL_NEAR_LINES;

    while (n--) {
        __builtin_prefetch((const u_char *) slot + n * REFERRAL_NEAR_LINE);
    }

    return 1;
}


int
referral_near_find(const referral_near_t *near, const referral_near_key_t *at,
    const referral_str_t *key, int64_t now, referral_near_copy_t *copy)
{
    unsigned                     way;
    const referral_near_slot_t  *slot;

    way = referral_near_way(near, at);

    if (way == REFERRAL_NEAR_WAYS) {
        return REFERRAL_DECLINED;
    }

    slot = &near->slots[referral_near_set(at)][way];

    if (slot->epoch != copy->epoch
        || slot->place != at->place
        || slot->key_len != key->len
        || memcmp(slot->data + slot->len, key->data, key->len) != 0
        || now < slot->kept
        || now - slot->kept >= REFERRAL_NEAR_LIFE)
    {
        return REFERRAL_DECLINED;
    }

    copy->fetched = slot->fetched;
    copy->len = slot->len;
    copy->value = slot->data;
    copy->negative = slot->negative;

    return REFERRAL_OK;
}


void
referral_near_keep(referral_near_t *near, const referral_near_key_t *at,
    const referral_str_t *key, int64_t now, const referral_near_copy_t *copy)
{
    unsigned               set, way, lines;
    referral_near_slot_t  *slot;

    if (key->len > REFERRAL_NEAR_DATA
        || copy->len > REFERRAL_NEAR_DATA - key->len)
    {
        referral_near_drop(near, at);
        return;
    }

    set = referral_near_set(at);
    way = referral_near_way(near, at);

    if (way == REFERRAL_NEAR_WAYS) {
        way = near->turn[set]++ % REFERRAL_NEAR_WAYS;
    }

    slot = &near->slots[set][way];

    slot->epoch = copy->epoch;
    slot->fetched = copy->fetched;
    slot->kept = now;
    slot->place = at->place;
    slot->len = (uint16_t) copy->len;
    slot->key_len = (uint16_t) key->len;
    slot->negative = copy->negative ? 1 : 0;

    memcpy(slot->data, copy->value, copy->len);
    memcpy(slot->data + copy->len, key->data, key->len);

    lines = (offsetof(referral_near_slot_t, data) + copy->len + key->len
             + REFERRAL_NEAR_LINE - 1)
            / REFERRAL_NEAR_LINE;

    near->tags[set][way] = (at->tag & ~REFERRAL_NEAR_LINES) | lines;
}


void
referral_near_drop(referral_near_t *near, const referral_near_key_t *at)
{
    unsigned  way;

    way = referral_near_way(near, at);

    if (way != REFERRAL_NEAR_WAYS) {
        near->tags[referral_near_set(at)][way] = 0;
    }
}
