
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "referral_cache.h"
#include "referral_hash.h"


#define REFERRAL_CACHE_MAGIC         0x6568636166657231ULL
#define REFERRAL_CACHE_LAYOUT        2

#define REFERRAL_CACHE_LINE          64
#define REFERRAL_CACHE_WAYS          8
#define REFERRAL_CACHE_CELLS         8
#define REFERRAL_CACHE_NEGATIVE_MAX  152
#define REFERRAL_CACHE_AHEAD         384     /* bytes of an entry to
                                                prefetch */

#define REFERRAL_CACHE_READS         64
#define REFERRAL_CACHE_SPINS         512

#define REFERRAL_CACHE_LOST          2000    /* ms; longer than any write
                                                takes */
#define REFERRAL_CACHE_TOUCH         100     /* ms between two updates of
                                                "used" */


#define referral_cache_load(p)                                                \
    __atomic_load_n(p, __ATOMIC_RELAXED)

#define referral_cache_store(p, n)                                            \
    __atomic_store_n(p, n, __ATOMIC_RELAXED)

#define referral_cache_count(cache, name)                                     \
    (void) __atomic_fetch_add(&(cache)->header->counters.name, 1,             \
                              __ATOMIC_RELAXED)

#define referral_cache_pad(len)  (((len) + 7) & ~(size_t) 7)


/*
 * Slots have three sizes; each size is a set-associative table of its own.
 * Most links fit the smallest, links and programs with rules the others.  In
 * each bucket of the smallest the last way is for negative entries only.  The
 * buckets of a table lie together in front of its slots, so that the memory
 * that look-ups read first is on few pages, which the TLB holds.
 */

typedef struct {
    uint32_t                  slot;
    uint32_t                  ways;
} referral_cache_class_t;


struct referral_cache_header_s {
    uint64_t                  magic;
    uint64_t                  size;
    uint64_t                  seed;
    uint32_t                  layout;
    uint32_t                  nbuckets[REFERRAL_CACHE_CLASSES];
    referral_cache_class_t    classes[REFERRAL_CACHE_CLASSES];

    uint32_t                  generation
                                  __attribute__((aligned(REFERRAL_CACHE_LINE)));

    referral_cache_counters_t counters
                                  __attribute__((aligned(REFERRAL_CACHE_LINE)));
};


/*
 * "seq" is odd while the bucket is written to.  "lock" is the writer's pid and
 * the time in ms when it took the lock.  "cells" count the invalidations of
 * the keys that hash to this bucket (in the smallest class only); they are
 * never reset, even when the bucket is cleared.
 */

struct referral_cache_bucket_s {
    uint64_t                  lock;
    uint32_t                  seq;
    uint32_t                  reserved[3];
    uint32_t                  tags[REFERRAL_CACHE_WAYS];    /* 0: the way is
                                                               empty */
    uint32_t                  used[REFERRAL_CACHE_WAYS];    /* ms, the lower 32
                                                               bits */
    uint32_t                  cells[REFERRAL_CACHE_CELLS];
    uint64_t                  unused;
};


/* the key and the value follow, each padded to a multiple of 8 */

typedef struct {
    uint64_t                  epoch;
    int64_t                   fetched;
    uint32_t                  len;
    uint16_t                  key_len;
    uint16_t                  negative;
    uint32_t                  crc;       /* of the members above, the key and
                                            the value */
    uint32_t                  reserved;
} referral_cache_slot_t;


#define REFERRAL_CACHE_SLOT_WORDS                                             \
    (sizeof(referral_cache_slot_t) / sizeof(uint64_t))
#define REFERRAL_CACHE_KEY_WORDS                                              \
    (REFERRAL_CACHE_KEY_MAX / sizeof(uint64_t))


/* a key while it is looked up or stored */

typedef struct {
    size_t                        len;
    unsigned                      past;      /* entries of ended epochs count
                                                too */
    uint64_t                      words[REFERRAL_CACHE_KEY_WORDS];
    referral_cache_prefetch_t     hint;
} referral_cache_key_t;


static int referral_cache_carve(referral_cache_t *cache, void *mem,
    size_t size);
static int referral_cache_find(referral_cache_t *cache,
    referral_cache_key_t *k, const referral_str_t *key);
static void referral_cache_key(referral_cache_key_t *k,
    const referral_str_t *key);
static uint64_t referral_cache_now(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint);
static int referral_cache_read(referral_cache_t *cache, unsigned class,
    referral_cache_key_t *k, u_char *buf, size_t size, int64_t now,
    referral_cache_info_t *info);
static int referral_cache_copy(referral_cache_slot_t *slot, uint64_t *words,
    size_t room, referral_cache_key_t *k, u_char *buf, size_t size);
static void referral_cache_clear(referral_cache_t *cache,
    referral_cache_key_t *k, unsigned except);
static unsigned referral_cache_victim(referral_cache_bucket_t *b,
    unsigned ways, uint32_t tag, uint32_t now);
static int referral_cache_lock(referral_cache_t *cache,
    referral_cache_bucket_t *b, uint64_t *lock);
static uint32_t referral_cache_begin(referral_cache_bucket_t *b);
static void referral_cache_end(referral_cache_bucket_t *b, uint32_t seq,
    uint64_t lock);
static uint32_t referral_cache_crc(const referral_cache_slot_t *slot,
    const referral_cache_key_t *k, const void *value);


static const referral_cache_class_t  referral_cache_classes[] = {
    { 384, 8 },
    { 1536, 8 },
    { 8448, 4 }
};


static inline void
referral_cache_locate(referral_cache_t *cache, referral_cache_prefetch_t *hint,
    const referral_str_t *key)
{
    uint64_t  hash;

    hash = referral_hash64(cache->header->seed, key->data, key->len);

    hint->place = hash >> 32;
    hint->tag = (uint32_t) hash | 1;
}


static inline referral_cache_bucket_t *
referral_cache_bucket(referral_cache_t *cache, unsigned class, uint32_t place)
{
    return cache->buckets[class]
           + (((uint64_t) place * cache->nbuckets[class]) >> 32);
}


static inline uint32_t *
referral_cache_cell(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint)
{
    referral_cache_bucket_t  *b;

    b = referral_cache_bucket(cache, 0, hint->place);

    return &b->cells[(hint->tag >> 1) % REFERRAL_CACHE_CELLS];
}


/* the way with this tag, or the number of ways if there is none */

static inline unsigned
referral_cache_way(referral_cache_bucket_t *b, unsigned class, uint32_t tag)
{
    unsigned  way, ways;

    ways = referral_cache_classes[class].ways;

    for (way = 0; way < ways; way++) {
        if (referral_cache_load(&b->tags[way]) == tag) {
            break;
        }
    }

    return way;
}


static inline uint64_t *
referral_cache_slot(referral_cache_t *cache, referral_cache_bucket_t *b,
    unsigned class, unsigned way)
{
    size_t  n;

    n = (b - cache->buckets[class]) * referral_cache_classes[class].ways + way;

    return (uint64_t *) (cache->slots[class]
                         + n * referral_cache_classes[class].slot);
}


static inline void
referral_cache_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
}


/*
 * Copies in words, because other processes may read or write them at the same
 * time.
 */

static inline void
referral_cache_words_in(uint64_t *dst, const void *src, size_t len)
{
    uint64_t       w;
    const u_char  *p;

    for (p = src; len >= sizeof(w); len -= sizeof(w)) {
        memcpy(&w, p, sizeof(w));
        referral_cache_store(dst, w);
        p += sizeof(w);
        dst++;
    }

    if (len) {
        w = 0;
        memcpy(&w, p, len);
        referral_cache_store(dst, w);
    }
}


static inline void
referral_cache_words_out(void *dst, uint64_t *src, size_t len)
{
    u_char    *p;
    uint64_t   w;

    for (p = dst; len >= sizeof(w); len -= sizeof(w)) {
        w = referral_cache_load(src);
        memcpy(p, &w, sizeof(w));
        p += sizeof(w);
        src++;
    }

    if (len) {
        w = referral_cache_load(src);
        memcpy(p, &w, len);
    }
}


int
referral_cache_init(referral_cache_t *cache, void *mem, size_t size,
    uint64_t seed)
{
    unsigned                  class;
    referral_cache_header_t  *h;

    if (referral_cache_carve(cache, mem, size) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    h = cache->header;

    memset(h, 0, sizeof(referral_cache_header_t));

    for (class = 0; class < REFERRAL_CACHE_CLASSES; class++) {
        memset(cache->buckets[class], 0,
               cache->nbuckets[class] * sizeof(referral_cache_bucket_t));
    }

    h->size = size;
    h->seed = seed;
    h->layout = REFERRAL_CACHE_LAYOUT;

    memcpy(h->nbuckets, cache->nbuckets, sizeof(h->nbuckets));
    memcpy(h->classes, referral_cache_classes, sizeof(h->classes));

    __atomic_store_n(&h->magic, REFERRAL_CACHE_MAGIC, __ATOMIC_RELEASE);

    return REFERRAL_OK;
}


int
referral_cache_attach(referral_cache_t *cache, void *mem, size_t size)
{
    referral_cache_header_t  *h;

    if (referral_cache_carve(cache, mem, size) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    h = cache->header;

    if (__atomic_load_n(&h->magic, __ATOMIC_ACQUIRE) != REFERRAL_CACHE_MAGIC
        || h->layout != REFERRAL_CACHE_LAYOUT
        || h->size != size
        || memcmp(h->nbuckets, cache->nbuckets, sizeof(h->nbuckets)) != 0
        || memcmp(h->classes, referral_cache_classes, sizeof(h->classes)) != 0)
    {
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


static int
referral_cache_carve(referral_cache_t *cache, void *mem, size_t size)
{
    size_t    n, share, slots;
    u_char   *p, *end;
    unsigned  class;

    if (size < REFERRAL_CACHE_SIZE_MIN) {
        return REFERRAL_ERROR;
    }

    p = mem;
    end = p + size;
    p += -(uintptr_t) p % REFERRAL_CACHE_LINE;

    cache->pid = 0;
    cache->local = NULL;
    cache->header = (referral_cache_header_t *) p;
    p += sizeof(referral_cache_header_t);

    /*
     * An eighth of the memory for each of the larger classes, the rest for the
     * smallest.
     */

    for (class = REFERRAL_CACHE_CLASSES; class-- > 0; /* void */ ) {
        slots = (size_t) referral_cache_classes[class].slot
                * referral_cache_classes[class].ways;
        share = class ? size / 8 : (size_t) (end - p);

        n = share / (sizeof(referral_cache_bucket_t) + slots);

        if (n == 0) {
            n = 1;
        }

        if (n > UINT32_MAX) {
            n = UINT32_MAX;
        }

        cache->buckets[class] = (referral_cache_bucket_t *) p;
        cache->nbuckets[class] = n;
        p += n * sizeof(referral_cache_bucket_t);

        cache->slots[class] = p;
        p += n * slots;
    }

    return REFERRAL_OK;
}


void
referral_cache_process(referral_cache_t *cache)
{
    cache->pid = getpid();

    /* without memory for copies every get reads the shared table */

    cache->local = referral_cache_local_create();
}


void
referral_cache_leave(referral_cache_t *cache)
{
    referral_cache_local_free(cache->local);
    cache->local = NULL;
}


int
referral_cache_get(referral_cache_t *cache, const referral_str_t *key,
    void *buf, size_t size, int64_t now, referral_cache_info_t *info)
{
    referral_cache_prefetch_t  hint;

    referral_cache_locate(cache, &hint, key);

    return referral_cache_get_prefetched(cache, &hint, key, buf, size, now,
                                         info);
}


int
referral_cache_get_prefetched(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint, const referral_str_t *key, void *buf,
    size_t size, int64_t now, referral_cache_info_t *info)
{
    unsigned                      class;
    referral_cache_key_t          k;
    referral_cache_local_copy_t   copy;

    memset(info, 0, sizeof(referral_cache_info_t));

    if (key->len == 0 || key->len > REFERRAL_CACHE_KEY_MAX) {
        return REFERRAL_DECLINED;
    }

    k.hint = *hint;

    copy.epoch = referral_cache_now(cache, &k.hint);
    info->epoch = copy.epoch;

    if (cache->local
        && referral_cache_local_find(cache->local, &k.hint, key, now, &copy)
           == REFERRAL_OK
        && copy.len <= size)
    {
        info->value = copy.value;
        info->age = now > copy.fetched ? now - copy.fetched : 0;
        info->len = copy.len;
        info->negative = copy.negative;
        info->copy = 1;

        return REFERRAL_OK;
    }

    referral_cache_key(&k, key);

    for (class = 0; class < REFERRAL_CACHE_CLASSES; class++) {
        if (referral_cache_read(cache, class, &k, buf, size, now, info)
            != REFERRAL_OK)
        {
            continue;
        }

        info->value = buf;

        if (cache->local) {
            copy.fetched = now - info->age;
            copy.len = info->len;
            copy.value = buf;
            copy.negative = info->negative;

            referral_cache_local_keep(cache->local, &k.hint, key, now, &copy);
        }

        return REFERRAL_OK;
    }

    return REFERRAL_DECLINED;
}


int
referral_cache_get_past(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint, const referral_str_t *key, void *buf,
    size_t size, int64_t now, referral_cache_info_t *info)
{
    unsigned              class;
    referral_cache_key_t  k;

    memset(info, 0, sizeof(referral_cache_info_t));

    if (key->len == 0 || key->len > REFERRAL_CACHE_KEY_MAX) {
        return REFERRAL_DECLINED;
    }

    k.hint = *hint;

    referral_cache_key(&k, key);
    k.past = 1;

    info->epoch = referral_cache_now(cache, &k.hint);
    info->value = buf;

    for (class = 0; class < REFERRAL_CACHE_CLASSES; class++) {
        if (referral_cache_read(cache, class, &k, buf, size, now, info)
            == REFERRAL_OK)
        {
            return REFERRAL_OK;
        }
    }

    return REFERRAL_DECLINED;
}


void
referral_cache_prefetch(referral_cache_t *cache,
    referral_cache_prefetch_t *hint, const referral_str_t *key)
{
    unsigned  class;

    referral_cache_locate(cache, hint, key);

    __builtin_prefetch(referral_cache_cell(cache, hint));

    if (cache->local) {
        referral_cache_local_prefetch(cache->local, hint);
        return;
    }

    /* the last class is not prefetched: few entries are that large */

    for (class = 0; class < REFERRAL_CACHE_CLASSES - 1; class++) {
        __builtin_prefetch(referral_cache_bucket(cache, class, hint->place));
    }
}


void
referral_cache_prefetch_value(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint)
{
    size_t                    n;
    u_char                   *slot;
    unsigned                  class, way;
    referral_cache_bucket_t  *b;

    if (cache->local
        && referral_cache_local_prefetch_value(cache->local, hint))
    {
        return;
    }

    for (class = 0; class < REFERRAL_CACHE_CLASSES - 1; class++) {
        b = referral_cache_bucket(cache, class, hint->place);

        way = referral_cache_way(b, class, hint->tag);

        if (way == referral_cache_classes[class].ways) {
            continue;
        }

        slot = (u_char *) referral_cache_slot(cache, b, class, way);

        for (n = 0; n < REFERRAL_CACHE_AHEAD; n += REFERRAL_CACHE_LINE) {
            __builtin_prefetch(slot + n);
        }

        return;
    }
}


uint64_t
referral_cache_epoch(referral_cache_t *cache, const referral_str_t *key)
{
    referral_cache_key_t  k;

    if (referral_cache_find(cache, &k, key) != REFERRAL_OK) {
        return 0;
    }

    return referral_cache_now(cache, &k.hint);
}


static int
referral_cache_find(referral_cache_t *cache, referral_cache_key_t *k,
    const referral_str_t *key)
{
    if (key->len == 0 || key->len > REFERRAL_CACHE_KEY_MAX) {
        return REFERRAL_DECLINED;
    }

    referral_cache_locate(cache, &k->hint, key);
    referral_cache_key(k, key);

    return REFERRAL_OK;
}


/* copies the key in words, padded with zeros */

static void
referral_cache_key(referral_cache_key_t *k, const referral_str_t *key)
{
    k->len = key->len;
    k->past = 0;
    k->words[(key->len - 1) / sizeof(uint64_t)] = 0;
    memcpy(k->words, key->data, key->len);
}


/*
 * An entry is valid while its epoch, which is the generation of the cache and
 * the count in its key's cell, is the present one.  So an invalidation need
 * not find the entries that it voids, and a put that comes too late stores a
 * void one.
 */

static uint64_t
referral_cache_now(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint)
{
    uint32_t  generation, count;

    generation = __atomic_load_n(&cache->header->generation, __ATOMIC_ACQUIRE);
    count = __atomic_load_n(referral_cache_cell(cache, hint),
                            __ATOMIC_ACQUIRE);

    return ((uint64_t) generation << 32) | count;
}


static int
referral_cache_read(referral_cache_t *cache, unsigned class,
    referral_cache_key_t *k, u_char *buf, size_t size, int64_t now,
    referral_cache_info_t *info)
{
    size_t                    room;
    uint32_t                  seq, tag, used;
    uint64_t                 *words;
    unsigned                  i, way;
    referral_cache_slot_t     slot;
    referral_cache_bucket_t  *b;

    b = referral_cache_bucket(cache, class, k->hint.place);
    room = referral_cache_classes[class].slot - sizeof(referral_cache_slot_t);

    for (i = 0; i < REFERRAL_CACHE_READS; i++) {

        seq = __atomic_load_n(&b->seq, __ATOMIC_ACQUIRE);

        if (seq & 1) {
            referral_cache_pause();
            continue;
        }

        way = referral_cache_way(b, class, k->hint.tag);

        if (way == referral_cache_classes[class].ways) {
            return REFERRAL_DECLINED;
        }

        words = referral_cache_slot(cache, b, class, way);

        if (referral_cache_copy(&slot, words, room, k, buf, size)
            != REFERRAL_OK)
        {
            slot.key_len = 0;
        }

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

        if (referral_cache_load(&b->seq) != seq) {
            continue;
        }

        if (slot.key_len == 0
            || (slot.epoch != info->epoch && !k->past))
        {
            return REFERRAL_DECLINED;
        }

        if (referral_cache_crc(&slot, k, buf) != slot.crc) {
            tag = k->hint.tag;
            (void) __atomic_compare_exchange_n(&b->tags[way], &tag, 0, 0,
                                               __ATOMIC_RELAXED,
                                               __ATOMIC_RELAXED);
            referral_cache_count(cache, broken);
            return REFERRAL_DECLINED;
        }

        used = referral_cache_load(&b->used[way]);

        if ((int32_t) ((uint32_t) now - used) >= REFERRAL_CACHE_TOUCH) {
            referral_cache_store(&b->used[way], (uint32_t) now);
        }

        info->age = now > slot.fetched ? now - slot.fetched : 0;
        info->len = slot.len;
        info->negative = slot.negative;

        return REFERRAL_OK;
    }

    return REFERRAL_DECLINED;
}


/*
 * The slot may be half overwritten while it is read, so no length in it is
 * trusted.
 */

static int
referral_cache_copy(referral_cache_slot_t *slot, uint64_t *words, size_t room,
    referral_cache_key_t *k, u_char *buf, size_t size)
{
    size_t  i, n;

    referral_cache_words_out(slot, words, sizeof(referral_cache_slot_t));
    words += REFERRAL_CACHE_SLOT_WORDS;

    n = referral_cache_pad(k->len) / sizeof(uint64_t);

    if (slot->key_len != k->len
        || slot->len > size
        || slot->len > room - n * sizeof(uint64_t))
    {
        return REFERRAL_DECLINED;
    }

    for (i = 0; i < n; i++) {
        if (referral_cache_load(&words[i]) != k->words[i]) {
            return REFERRAL_DECLINED;
        }
    }

    referral_cache_words_out(buf, words + n, slot->len);

    return REFERRAL_OK;
}


int
referral_cache_put(referral_cache_t *cache, const referral_str_t *key,
    const void *value, size_t len, unsigned negative, int64_t fetched,
    uint64_t epoch)
{
    size_t                    n;
    uint32_t                  seq, old;
    uint64_t                  lock, *words;
    unsigned                  i, way, ways, class;
    referral_cache_key_t      k;
    referral_cache_slot_t     slot;
    referral_cache_bucket_t  *b;

    if (referral_cache_find(cache, &k, key) != REFERRAL_OK
        || len > (negative ? REFERRAL_CACHE_NEGATIVE_MAX
                           : REFERRAL_CACHE_VALUE_MAX))
    {
        referral_cache_count(cache, oversized);
        return REFERRAL_DECLINED;
    }

    if (epoch != referral_cache_now(cache, &k.hint)) {
        referral_cache_count(cache, overtaken);
        return REFERRAL_DECLINED;
    }

    n = sizeof(referral_cache_slot_t) + referral_cache_pad(k.len)
        + referral_cache_pad(len);

    for (class = 0; n > referral_cache_classes[class].slot; class++) {
        /* void */
    }

    memset(&slot, 0, sizeof(referral_cache_slot_t));

    slot.epoch = epoch;
    slot.fetched = fetched;
    slot.len = len;
    slot.key_len = k.len;
    slot.negative = negative ? 1 : 0;
    slot.crc = referral_cache_crc(&slot, &k, value);

    if (cache->local) {
        referral_cache_local_drop(cache->local, &k.hint);
    }

    b = referral_cache_bucket(cache, class, k.hint.place);

    if (referral_cache_lock(cache, b, &lock) != REFERRAL_OK) {
        referral_cache_count(cache, busy);
        return REFERRAL_DECLINED;
    }

    seq = referral_cache_begin(b);

    ways = referral_cache_classes[class].ways;

    if (negative) {
        way = ways - 1;

    } else {
        way = referral_cache_victim(b, class ? ways : ways - 1, k.hint.tag,
                                    (uint32_t) fetched);
    }

    old = referral_cache_load(&b->tags[way]);

    for (i = 0; i < ways; i++) {
        if (referral_cache_load(&b->tags[i]) == k.hint.tag) {
            referral_cache_store(&b->tags[i], 0);
        }
    }

    words = referral_cache_slot(cache, b, class, way);

    referral_cache_words_in(words, &slot, sizeof(referral_cache_slot_t));
    words += REFERRAL_CACHE_SLOT_WORDS;

    referral_cache_words_in(words, k.words, referral_cache_pad(k.len));
    words += referral_cache_pad(k.len) / sizeof(uint64_t);

    referral_cache_words_in(words, value, len);

    referral_cache_store(&b->used[way], (uint32_t) fetched);
    referral_cache_store(&b->tags[way], k.hint.tag);

    referral_cache_end(b, seq, lock);

    referral_cache_count(cache, stored);

    if (old != 0 && old != k.hint.tag) {
        referral_cache_count(cache, evicted);
    }

    referral_cache_clear(cache, &k, class);

    return REFERRAL_OK;
}


/*
 * Clears the key in the other classes, where it is if its entry had another
 * size before.  This follows the insertion: two processes that do it at once
 * may lose both entries, but never keep both.  Without the lock an entry of
 * another key may be lost, but not changed.
 */

static void
referral_cache_clear(referral_cache_t *cache, referral_cache_key_t *k,
    unsigned except)
{
    uint32_t                  tag;
    unsigned                  i, way;
    referral_cache_bucket_t  *b;

    for (i = 0; i < REFERRAL_CACHE_CLASSES; i++) {
        if (i == except) {
            continue;
        }

        b = referral_cache_bucket(cache, i, k->hint.place);

        for (way = 0; way < referral_cache_classes[i].ways; way++) {
            tag = k->hint.tag;

            if (referral_cache_load(&b->tags[way]) != tag) {
                continue;
            }

            (void) __atomic_compare_exchange_n(&b->tags[way], &tag, 0, 0,
                                               __ATOMIC_RELAXED,
                                               __ATOMIC_RELAXED);
        }
    }
}


static unsigned
referral_cache_victim(referral_cache_bucket_t *b, unsigned ways, uint32_t tag,
    uint32_t now)
{
    int32_t   age, oldest;
    uint32_t  t;
    unsigned  way, victim;

    oldest = -1;
    victim = 0;

    for (way = 0; way < ways; way++) {
        t = referral_cache_load(&b->tags[way]);

        if (t == tag) {
            return way;
        }

        age = t ? (int32_t) (now - referral_cache_load(&b->used[way]))
                : INT32_MAX;

        if (age < 0) {
            age = 0;
        }

        if (age > oldest) {
            oldest = age;
            victim = way;
        }
    }

    return victim;
}


/*
 * A write takes less than a microsecond.  A writer that holds the lock after
 * all spins was killed or is not scheduled.  Its lock is taken if the process
 * is dead, if it has our own pid (an earlier process had it), or if its time
 * is over: the pid may belong to another program by now, or the process is
 * stopped.  If a stopped writer continues after that, the checksum detects
 * what it wrote.
 */

static int
referral_cache_lock(referral_cache_t *cache, referral_cache_bucket_t *b,
    uint64_t *lock)
{
    pid_t            pid, self;
    uint32_t         ms;
    uint64_t         owner;
    unsigned         i;
    struct timespec  ts;

    self = cache->pid ? cache->pid : getpid();
    (void) clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    ms = (uint32_t) ((uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000);

    *lock = ((uint64_t) (uint32_t) self << 32) | ms;
    owner = 0;

    for (i = 0; i < REFERRAL_CACHE_SPINS; i++) {
        owner = referral_cache_load(&b->lock);

        if (owner == 0
            && __atomic_compare_exchange_n(&b->lock, &owner, *lock, 0,
                                           __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        {
            return REFERRAL_OK;
        }

        referral_cache_pause();
    }

    if (owner == 0) {
        return REFERRAL_DECLINED;
    }

    pid = (pid_t) (owner >> 32);

    if (pid != self
        && (int32_t) (ms - (uint32_t) owner) < REFERRAL_CACHE_LOST
        && (kill(pid, 0) == 0 || errno != ESRCH))
    {
        return REFERRAL_DECLINED;
    }

    if (!__atomic_compare_exchange_n(&b->lock, &owner, *lock, 0,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    {
        return REFERRAL_DECLINED;
    }

    referral_cache_count(cache, recovered);

    return REFERRAL_OK;
}


static uint32_t
referral_cache_begin(referral_cache_bucket_t *b)
{
    uint32_t  seq;
    unsigned  way;

    seq = referral_cache_load(&b->seq);

    if (seq & 1) {

        /*
         * The lost writer left an odd number.  The next odd one marks our
         * write, so that it could not mark ours as finished if it still lived.
         */

        seq += 2;
        referral_cache_store(&b->seq, seq);

        for (way = 0; way < REFERRAL_CACHE_WAYS; way++) {
            referral_cache_store(&b->tags[way], 0);
        }

    } else {
        seq++;
        referral_cache_store(&b->seq, seq);
    }

    __atomic_thread_fence(__ATOMIC_RELEASE);

    return seq;
}


static void
referral_cache_end(referral_cache_bucket_t *b, uint32_t seq, uint64_t lock)
{
    (void) __atomic_compare_exchange_n(&b->seq, &seq, seq + 1, 0,
                                       __ATOMIC_RELEASE, __ATOMIC_RELAXED);

    (void) __atomic_compare_exchange_n(&b->lock, &lock, 0, 0,
                                       __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}


static uint32_t
referral_cache_crc(const referral_cache_slot_t *slot,
    const referral_cache_key_t *k, const void *value)
{
    uint32_t  crc;

    crc = referral_crc32c(0, slot, offsetof(referral_cache_slot_t, crc));
    crc = referral_crc32c(crc, k->words, k->len);

    return referral_crc32c(crc, value, slot->len);
}


void
referral_cache_invalidate(referral_cache_t *cache, const referral_str_t *key)
{
    referral_cache_key_t  k;

    if (referral_cache_find(cache, &k, key) != REFERRAL_OK) {
        return;
    }

    (void) __atomic_fetch_add(referral_cache_cell(cache, &k.hint), 1,
                              __ATOMIC_SEQ_CST);

    referral_cache_clear(cache, &k, REFERRAL_CACHE_CLASSES);

    referral_cache_count(cache, invalidated);
}


void
referral_cache_flush(referral_cache_t *cache)
{
    (void) __atomic_fetch_add(&cache->header->generation, 1, __ATOMIC_SEQ_CST);

    referral_cache_count(cache, flushed);
}


void
referral_cache_counters(referral_cache_t *cache,
    referral_cache_counters_t *counters)
{
    referral_cache_counters_t  *c;

    c = &cache->header->counters;

    counters->stored = referral_cache_load(&c->stored);
    counters->evicted = referral_cache_load(&c->evicted);
    counters->overtaken = referral_cache_load(&c->overtaken);
    counters->oversized = referral_cache_load(&c->oversized);
    counters->busy = referral_cache_load(&c->busy);
    counters->recovered = referral_cache_load(&c->recovered);
    counters->broken = referral_cache_load(&c->broken);
    counters->invalidated = referral_cache_load(&c->invalidated);
    counters->flushed = referral_cache_load(&c->flushed);
}
