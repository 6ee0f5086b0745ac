
#include <stdlib.h>

#include "referral_cache_local.h"


#define REFERRAL_CACHE_LOCAL_SETS   1024
#define REFERRAL_CACHE_LOCAL_WAYS   4
#define REFERRAL_CACHE_LOCAL_LINE   64
#define REFERRAL_CACHE_LOCAL_LIFE   1000    /* ms */
#define REFERRAL_CACHE_LOCAL_DATA   464

#define REFERRAL_CACHE_LOCAL_LINES  0xf     /* bits of a tag: cache lines of
                                               the copy */


/* "data" is the value followed by the key */

typedef struct {
    uint64_t             epoch;
    int64_t              fetched;
    int64_t              kept;
    uint32_t             place;
    uint16_t             len;
    uint16_t             key_len;
    uint16_t             negative;
    uint16_t             reserved[7];
    u_char               data[REFERRAL_CACHE_LOCAL_DATA];
} referral_cache_local_slot_t;


/*
 * A tag is 0 in an empty way; otherwise bits of the hash and the length of the
 * copy in cache lines.
 */

struct referral_cache_local_s {
    referral_cache_local_slot_t  slots[REFERRAL_CACHE_LOCAL_SETS]
                                      [REFERRAL_CACHE_LOCAL_WAYS];
    uint32_t                     tags[REFERRAL_CACHE_LOCAL_SETS]
                                     [REFERRAL_CACHE_LOCAL_WAYS];
    uint8_t                      turn[REFERRAL_CACHE_LOCAL_SETS];
};


_Static_assert(sizeof(referral_cache_local_slot_t) == 512,
               "a slot is eight cache lines");


static inline unsigned
referral_cache_local_set(const referral_cache_local_key_t *at)
{
    return at->place % REFERRAL_CACHE_LOCAL_SETS;
}


/* the way with this tag, or the number of ways if there is none */

static inline unsigned
referral_cache_local_way(const referral_cache_local_t *local,
    const referral_cache_local_key_t *at)
{
    unsigned         way;
    const uint32_t  *tags;

    tags = local->tags[referral_cache_local_set(at)];

    for (way = 0; way < REFERRAL_CACHE_LOCAL_WAYS; way++) {
        if (tags[way] != 0
            && ((tags[way] ^ at->tag) & ~REFERRAL_CACHE_LOCAL_LINES) == 0)
        {
            break;
        }
    }

    return way;
}


referral_cache_local_t *
referral_cache_local_create(void)
{
    void                    *p;
    referral_cache_local_t  *local;

    if (posix_memalign(&p, REFERRAL_CACHE_LOCAL_LINE,
                       sizeof(referral_cache_local_t))
        != 0)
    {
        return NULL;
    }

    local = p;

    memset(local->tags, 0, sizeof(local->tags));
    memset(local->turn, 0, sizeof(local->turn));

    return local;
}


void
referral_cache_local_free(referral_cache_local_t *local)
{
    free(local);
}


void
referral_cache_local_prefetch(const referral_cache_local_t *local,
    const referral_cache_local_key_t *at)
{
    __builtin_prefetch(local->tags[referral_cache_local_set(at)]);
}


int
referral_cache_local_prefetch_value(const referral_cache_local_t *local,
    const referral_cache_local_key_t *at)
{
    unsigned                            n, way;
    const referral_cache_local_slot_t  *slot;

    way = referral_cache_local_way(local, at);

    if (way == REFERRAL_CACHE_LOCAL_WAYS) {
        return 0;
    }

    slot = &local->slots[referral_cache_local_set(at)][way];

    n = local->tags[referral_cache_local_set(at)][way]
        & REFERRAL_CACHE_LOCAL_LINES;

    while (n--) {
        __builtin_prefetch((const u_char *) slot
                           + n * REFERRAL_CACHE_LOCAL_LINE);
    }

    return 1;
}


int
referral_cache_local_find(const referral_cache_local_t *local,
    const referral_cache_local_key_t *at, const referral_str_t *key,
    int64_t now, referral_cache_local_copy_t *copy)
{
    unsigned                            way;
    const referral_cache_local_slot_t  *slot;

    way = referral_cache_local_way(local, at);

    if (way == REFERRAL_CACHE_LOCAL_WAYS) {
        return REFERRAL_DECLINED;
    }

    slot = &local->slots[referral_cache_local_set(at)][way];

    if (slot->epoch != copy->epoch
        || slot->place != at->place
        || slot->key_len != key->len
        || memcmp(slot->data + slot->len, key->data, key->len) != 0
        || now < slot->kept
        || now - slot->kept >= REFERRAL_CACHE_LOCAL_LIFE)
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
referral_cache_local_keep(referral_cache_local_t *local,
    const referral_cache_local_key_t *at, const referral_str_t *key,
    int64_t now, const referral_cache_local_copy_t *copy)
{
    unsigned                      set, way, lines;
    referral_cache_local_slot_t  *slot;

    if (key->len > REFERRAL_CACHE_LOCAL_DATA
        || copy->len > REFERRAL_CACHE_LOCAL_DATA - key->len)
    {
        referral_cache_local_drop(local, at);
        return;
    }

    set = referral_cache_local_set(at);
    way = referral_cache_local_way(local, at);

    if (way == REFERRAL_CACHE_LOCAL_WAYS) {
        way = local->turn[set]++ % REFERRAL_CACHE_LOCAL_WAYS;
    }

    slot = &local->slots[set][way];

    slot->epoch = copy->epoch;
    slot->fetched = copy->fetched;
    slot->kept = now;
    slot->place = at->place;
    slot->len = (uint16_t) copy->len;
    slot->key_len = (uint16_t) key->len;
    slot->negative = copy->negative ? 1 : 0;

    memcpy(slot->data, copy->value, copy->len);
    memcpy(slot->data + copy->len, key->data, key->len);

    lines = (offsetof(referral_cache_local_slot_t, data) + copy->len + key->len
             + REFERRAL_CACHE_LOCAL_LINE - 1)
            / REFERRAL_CACHE_LOCAL_LINE;

    local->tags[set][way] = (at->tag & ~REFERRAL_CACHE_LOCAL_LINES) | lines;
}


void
referral_cache_local_drop(referral_cache_local_t *local,
    const referral_cache_local_key_t *at)
{
    unsigned  way;

    way = referral_cache_local_way(local, at);

    if (way != REFERRAL_CACHE_LOCAL_WAYS) {
        local->tags[referral_cache_local_set(at)][way] = 0;
    }
}
