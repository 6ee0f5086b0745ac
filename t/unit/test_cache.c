/* link: referral_hash.c referral_cache_local.c */

/*
 * Includes the source, because some tests forge what a writer that was killed
 * or stopped leaves behind.
 */

#include "referral_cache.c"

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "unit.h"


#define SIZE    (4 * 1024 * 1024)
#define SEED    0x5eed5eed12345678ULL
#define NPROCS  4
#define NKILLS  8
#define NKEYS   4


typedef struct {
    uint64_t  version;      /* what "Redis" has */
    uint64_t  announced;    /* what every reader must see at least */
    uint64_t  gets;
    uint64_t  hits;
    uint64_t  puts;
    uint64_t  wrong;
    uint32_t  stop;
    uint32_t  ready[NKILLS];
} shared_t;


static u_char            *mem;
static shared_t          *shared;
static referral_cache_t   cache;
static u_char             buf[REFERRAL_CACHE_VALUE_MAX];


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);

    return s;
}


static void
fresh(void)
{
    memset(mem, 0x5a, SIZE);
    memset(shared, 0, sizeof(shared_t));
    referral_cache_init(&cache, mem, SIZE, SEED);
}


static int64_t
clock_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static int
put(const char *key, const char *value, int64_t now)
{
    referral_str_t  k;

    k = str(key);

    return referral_cache_put(&cache, &k, value, strlen(value), 0, now,
                              referral_cache_epoch(&cache, &k));
}


static int
put_negative(const char *key, const char *value, int64_t now)
{
    referral_str_t  k;

    k = str(key);

    return referral_cache_put(&cache, &k, value, strlen(value), 1, now,
                              referral_cache_epoch(&cache, &k));
}


static int
has(const char *key, const char *value, int64_t now)
{
    referral_str_t         k;
    referral_cache_info_t  info;

    k = str(key);

    return referral_cache_get(&cache, &k, buf, sizeof(buf), now, &info)
           == REFERRAL_OK
           && info.len == strlen(value)
           && memcmp(info.value, value, info.len) == 0;
}


static int
there(const char *key, int64_t now)
{
    referral_str_t         k;
    referral_cache_info_t  info;

    k = str(key);

    return referral_cache_get(&cache, &k, buf, sizeof(buf), now, &info)
           == REFERRAL_OK;
}


/* of an epoch that may have ended */

static int
past(const char *key, const char *value, int64_t now)
{
    referral_str_t             k;
    referral_cache_info_t      info;
    referral_cache_prefetch_t  hint;

    k = str(key);

    referral_cache_prefetch(&cache, &hint, &k);

    return referral_cache_get_past(&cache, &hint, &k, buf, sizeof(buf), now,
                                   &info)
           == REFERRAL_OK
           && info.epoch == referral_cache_epoch(&cache, &k)
           && info.len == strlen(value)
           && memcmp(info.value, value, info.len) == 0;
}


static referral_cache_bucket_t *
bucket_of(const char *key, unsigned class, referral_cache_key_t *k)
{
    referral_str_t  s;

    s = str(key);
    referral_cache_find(&cache, k, &s);

    return referral_cache_bucket(&cache, class, k->hint.place);
}


/* the n-th name in the same bucket of class 2, and so of the other classes */

static void
neighbour(char *name, unsigned n)
{
    static unsigned           next, count;
    static char               names[64][32];
    referral_cache_key_t      k;
    referral_cache_bucket_t  *first;

    while (count <= n) {
        snprintf(names[count], sizeof(names[0]), "link:{p}:n%u", next++);
        first = bucket_of(names[0], 0, &k);

        if (bucket_of(names[count], 0, &k) == first) {
            count++;
        }
    }

    strcpy(name, names[n]);
}


/*
 * A value that tells its key and version and can be checked for completeness.
 */

static size_t
make_value(u_char *value, uint64_t key, uint64_t version, size_t len)
{
    size_t    i;
    uint64_t  sum, w;

    memcpy(value + 8, &key, 8);
    memcpy(value + 16, &version, 8);
    w = len;
    memcpy(value + 24, &w, 8);

    for (i = 32; i < len; i++) {
        value[i] = (u_char) (key * 7 + version * 13 + i);
    }

    sum = referral_hash64(1, value + 8, len - 8);
    memcpy(value, &sum, 8);

    return len;
}


static int
check_value(const u_char *value, size_t len, uint64_t key, uint64_t *version)
{
    uint64_t  sum, w;

    if (len < 32) {
        return 0;
    }

    memcpy(&w, value + 8, 8);
    if (w != key) {
        return 0;
    }

    memcpy(version, value + 16, 8);

    memcpy(&w, value + 24, 8);
    if (w != len) {
        return 0;
    }

    sum = referral_hash64(1, value + 8, len - 8);

    return memcmp(&sum, value, 8) == 0;
}


static void
test_basics(void)
{
    char                       big[REFERRAL_CACHE_VALUE_MAX + 2];
    size_t                     len;
    uint64_t                   epoch;
    unsigned                   bad;
    referral_str_t             k;
    referral_cache_key_t       key;
    referral_cache_info_t      info;
    referral_cache_prefetch_t  hint;
    referral_cache_counters_t  c;

    fresh();

    ok(!there("link:{p}:a", 1000), "an empty cache knows nothing");
    ok(put("link:{p}:a", "one", 1000) == REFERRAL_OK, "put");
    ok(has("link:{p}:a", "one", 1000), "what was put is there");
    ok(!there("link:{p}:b", 1000), "what was not put is not");
    ok(!there("link:{q}:a", 1000), "another program's link is not");
    ok(put("link:{p}:a", "two", 1500) == REFERRAL_OK
       && has("link:{p}:a", "two", 1500), "a second put replaces");

    k = str("link:{p}:a");
    referral_cache_get(&cache, &k, buf, sizeof(buf), 4200, &info);
    ok(info.age == 2700 && !info.negative, "age counts from the fetch");
    referral_cache_get(&cache, &k, buf, sizeof(buf), 4300, &info);
    ok(info.age == 2800, "and does not start again with a get");
    referral_cache_get(&cache, &k, buf, sizeof(buf), 1400, &info);
    ok(info.age == 0, "and is never below zero");
    ok(referral_cache_get(&cache, &k, buf, 2, 1500, &info)
       == REFERRAL_DECLINED, "a buffer too small is a miss");
    ok(referral_cache_get(&cache, &k, buf, 3, 1500, &info) == REFERRAL_OK,
       "a buffer that is just large enough is not");

    referral_cache_prefetch(&cache, &hint, &k);
    referral_cache_prefetch_value(&cache, &hint);
    ok(referral_cache_get_prefetched(&cache, &hint, &k, buf, sizeof(buf), 1500,
                                     &info) == REFERRAL_OK
       && info.len == 3 && memcmp(info.value, "two", 3) == 0
       && info.epoch == referral_cache_epoch(&cache, &k),
       "a hint is as good as the key");
    (void) bucket_of("link:{p}:a", 0, &key);
    ok(hint.place == key.hint.place && hint.tag == key.hint.tag
       && has("link:{p}:a", "two", 1500), "a hint is of where a get looks");

    bad = 0;

    for (len = 0; len <= REFERRAL_CACHE_VALUE_MAX; len += 1 + len / 9) {
        memset(big, 'a' + len % 26, len);
        big[len] = '\0';
        bad += put("link:{p}:size", big, 1000) != REFERRAL_OK
               || !has("link:{p}:size", big, 1000);
    }

    ok(bad == 0, "values of every class grow in place");

    for (len = REFERRAL_CACHE_VALUE_MAX; len > 2; len -= 1 + len / 9) {
        memset(big, 'a' + len % 26, len);
        big[len] = '\0';
        bad += put("link:{p}:size", big, 1000) != REFERRAL_OK
               || !has("link:{p}:size", big, 1000);
    }

    ok(bad == 0, "and shrink");

    memset(big, 'k', 300);
    big[REFERRAL_CACHE_KEY_MAX] = '\0';
    ok(put(big, "x", 1) == REFERRAL_OK && has(big, "x", 1), "longest key");
    memset(big, 'k', 300);
    big[REFERRAL_CACHE_KEY_MAX + 1] = '\0';
    ok(put(big, "x", 1) == REFERRAL_DECLINED && !there(big, 1),
       "a key too long is declined");
    ok(put("", "x", 1) == REFERRAL_DECLINED && !there("", 1),
       "an empty key is declined");
    k = str("");
    referral_cache_invalidate(&cache, &k);

    memset(big, 'v', sizeof(big));
    big[REFERRAL_CACHE_VALUE_MAX] = '\0';
    ok(put("link:{p}:big", big, 1) == REFERRAL_OK
       && has("link:{p}:big", big, 1), "longest value");
    big[REFERRAL_CACHE_VALUE_MAX] = 'v';
    big[REFERRAL_CACHE_VALUE_MAX + 1] = '\0';
    ok(put("link:{p}:big2", big, 1) == REFERRAL_DECLINED
       && !there("link:{p}:big2", 1), "a value too long is declined");

    referral_cache_counters(&cache, &c);
    ok(c.oversized == 3 && c.stored > 100, "both are counted");

    k = str("link:{p}:a");
    epoch = referral_cache_epoch(&cache, &k);
    ok(there("link:{p}:a", 1), "before the invalidation");
    referral_cache_invalidate(&cache, &k);
    ok(!there("link:{p}:a", 1), "gone after it");
    ok(referral_cache_put(&cache, &k, "old", 3, 0, 1, epoch)
       == REFERRAL_DECLINED && !there("link:{p}:a", 1),
       "a reply overtaken by the invalidation is not stored");
    referral_cache_get(&cache, &k, buf, sizeof(buf), 1, &info);
    ok(referral_cache_put(&cache, &k, "new", 3, 0, 1, info.epoch)
       == REFERRAL_OK && has("link:{p}:a", "new", 1),
       "one asked for after it is, by the epoch that the miss told");

    epoch = referral_cache_epoch(&cache, &k);
    referral_cache_flush(&cache);
    ok(!there("link:{p}:a", 1) && !there("link:{p}:big", 1),
       "a flush empties all classes");
    ok(referral_cache_put(&cache, &k, "old", 3, 0, 1, epoch)
       == REFERRAL_DECLINED && !there("link:{p}:a", 1),
       "and holds off what was asked for before");
    ok(put("link:{p}:a", "x", 1) == REFERRAL_OK && there("link:{p}:a", 1),
       "and life goes on");

    referral_cache_counters(&cache, &c);
    ok(c.overtaken == 2 && c.invalidated == 1 && c.flushed == 1,
       "all counted");
}


/* what get_past finds when Redis cannot be reached */

static void
test_past(void)
{
    char                      *big;
    u_char                     filler[2000];
    char                       key[32], other[32];
    unsigned                   i;
    referral_str_t             k;
    referral_cache_key_t       one, two;
    referral_cache_info_t      info;
    referral_cache_prefetch_t  hint;

    fresh();
    referral_cache_process(&cache);

    memset(filler, 'b', sizeof(filler));
    big = (char *) filler;
    big[sizeof(filler) - 1] = '\0';

    put("link:{p}:a", "one", 1000);
    put("link:{p}:big", big, 1000);
    ok(past("link:{p}:a", "one", 1000), "what is there is there");
    ok(!past("link:{p}:none", "", 1000), "what was never there is not");

    referral_cache_flush(&cache);
    referral_cache_flush(&cache);
    ok(!there("link:{p}:a", 1000) && past("link:{p}:a", "one", 1000)
       && past("link:{p}:big", big, 1000),
       "a flush leaves what was there for those who ask for the past");

    k = str("link:{p}:a");
    referral_cache_prefetch(&cache, &hint, &k);
    (void) referral_cache_get_past(&cache, &hint, &k, buf, sizeof(buf), 4000,
                                   &info);
    ok(info.age == 3000, "which is as old as it is");
    ok(!there("link:{p}:a", 4000), "and no get takes it for the present");

    put("link:{p}:a", "two", 5000);
    ok(past("link:{p}:a", "two", 5000) && has("link:{p}:a", "two", 5000),
       "what is put after it replaces it");

    put("link:{p}:big", "small", 5000);
    referral_cache_flush(&cache);
    ok(past("link:{p}:big", "small", 5000), "in whichever class it was");

    put_negative("link:{p}:a", "no", 6000);
    referral_cache_flush(&cache);
    ok(past("link:{p}:a", "no", 6000), "and what was deleted since was");

    put("link:{p}:c", "one", 7000);
    k = str("link:{p}:c");
    referral_cache_invalidate(&cache, &k);
    ok(!past("link:{p}:c", "one", 7000), "an edited key has no past");

    put("link:{p}:big", big, 7000);
    k = str("link:{p}:big");
    referral_cache_flush(&cache);
    referral_cache_invalidate(&cache, &k);
    ok(!past("link:{p}:big", big, 7000), "in no class");

    /* another key of the same cell */

    strcpy(key, "link:{p}:n0");
    (void) bucket_of(key, 0, &one);
    other[0] = '\0';

    for (i = 1; i < 1000000; i++) {
        snprintf(other, sizeof(other), "link:{p}:n%u", i);
        (void) bucket_of(other, 0, &two);

        if (referral_cache_cell(&cache, &one.hint)
            == referral_cache_cell(&cache, &two.hint))
        {
            break;
        }
    }

    put(key, "one", 8000);
    put(other, "two", 8000);
    k = str(key);
    referral_cache_invalidate(&cache, &k);
    ok(!there(key, 8000) && !past(key, "one", 8000) && !there(other, 8000)
       && past(other, "two", 8000),
       "whose edit took a neighbour along left the neighbour its past");

    referral_cache_leave(&cache);
}


static void
test_attach(void)
{
    void              *other;
    unsigned           bad, i;
    referral_cache_t   again;

    fresh();

    ok(referral_cache_init(&again, mem, REFERRAL_CACHE_SIZE_MIN - 1, 1)
       == REFERRAL_ERROR, "a region too small is refused");

    put("link:{p}:a", "one", 1000);

    ok(referral_cache_attach(&again, mem, SIZE) == REFERRAL_OK, "attach");
    cache = again;
    ok(has("link:{p}:a", "one", 1000), "what was there is there");

    ok(referral_cache_attach(&again, mem, SIZE / 2) == REFERRAL_ERROR,
       "another size is refused");

    cache.header->layout++;
    ok(referral_cache_attach(&again, mem, SIZE) == REFERRAL_ERROR,
       "another layout is refused");
    cache.header->layout--;

    cache.header->classes[1].slot += 64;
    ok(referral_cache_attach(&again, mem, SIZE) == REFERRAL_ERROR,
       "another geometry is refused");
    cache.header->classes[1].slot -= 64;

    cache.header->nbuckets[2]++;
    ok(referral_cache_attach(&again, mem, SIZE) == REFERRAL_ERROR,
       "another number of buckets is refused");
    cache.header->nbuckets[2]--;

    cache.header->magic ^= 1;
    ok(referral_cache_attach(&again, mem, SIZE) == REFERRAL_ERROR,
       "another magic is refused");
    cache.header->magic ^= 1;

    ok(referral_cache_attach(&again, mem, SIZE) == REFERRAL_OK,
       "and unharmed it is taken");

    memset(mem, 0, SIZE);
    ok(referral_cache_attach(&again, mem, SIZE) == REFERRAL_ERROR,
       "zeroes are refused");

    bad = 0;

    /*
     * Memory of the exact size, so that a sanitizer detects writing beyond the
     * end.
     */

    for (i = 0; i < 64; i += 8) {
        other = malloc(REFERRAL_CACHE_SIZE_MIN + 1000 * i);

        bad += referral_cache_init(&cache, other,
                                   REFERRAL_CACHE_SIZE_MIN + 1000 * i, i)
               != REFERRAL_OK;

        for (unsigned n = 0; n < 300; n++) {
            char  name[32], value[5001];

            snprintf(name, sizeof(name), "k%u", n);
            memset(value, 'v', sizeof(value));
            value[(n * 97) % 5000] = '\0';
            bad += put(name, value, n) != REFERRAL_OK
                   || !has(name, value, n);
        }

        free(other);
    }

    ok(bad == 0, "small regions of odd sizes hold");

    other = malloc(SIZE + 64);
    bad = 0;

    for (i = 8; i < 64; i += 8) {
        bad += referral_cache_init(&cache, (u_char *) other + i, SIZE, 1)
               != REFERRAL_OK
               || put("k", "v", 1) != REFERRAL_OK
               || referral_cache_attach(&again, (u_char *) other + i, SIZE)
                  != REFERRAL_OK;
    }

    ok(bad == 0, "any alignment to 8 will do");
    free(other);
}


static void
test_lru(void)
{
    char                       name[32];
    unsigned                   i, bad;
    referral_cache_counters_t  c;

    fresh();

    for (i = 0; i < 7; i++) {
        neighbour(name, i);
        put(name, name, 1000 + i);
    }

    bad = 0;

    for (i = 0; i < 7; i++) {
        neighbour(name, i);
        bad += !has(name, name, 1010);
    }

    ok(bad == 0, "seven links fit one bucket");

    neighbour(name, 0);
    there(name, 2000);
    neighbour(name, 7);
    put(name, name, 2001);

    neighbour(name, 0);
    ok(has(name, name, 2002), "the one just used stays");
    neighbour(name, 1);
    ok(!there(name, 2002), "the one longest unused makes room");

    bad = 0;

    for (i = 2; i < 8; i++) {
        neighbour(name, i);
        bad += !has(name, name, 2002);
    }

    ok(bad == 0, "all others stay");

    for (i = 8; i < 40; i++) {
        neighbour(name, 0);
        there(name, 2002 + i * 200);
        neighbour(name, i);
        put(name, name, 2003 + i * 200);
    }

    neighbour(name, 0);
    ok(has(name, name, 20000), "a link in use outlives a scan");

    referral_cache_counters(&cache, &c);
    ok(c.evicted == 33, "evictions are counted: %u", (unsigned) c.evicted);

    for (i = 0; i < 40; i++) {
        neighbour(name, i);
        put_negative(name, "", 30000);
    }

    neighbour(name, 39);
    ok(there(name, 30000), "the last negative entry is there");

    fresh();

    for (i = 0; i < 7; i++) {
        neighbour(name, i);
        put(name, name, 1000);
    }

    for (i = 7; i < 60; i++) {
        neighbour(name, i);
        put_negative(name, "absent", 50000);
    }

    bad = 0;

    for (i = 0; i < 7; i++) {
        neighbour(name, i);
        bad += !has(name, name, 50000);
    }

    ok(bad == 0, "guessed codes push no link out");

    neighbour(name, 59);
    ok(has(name, "absent", 50000), "their answers are kept, the last one");
    neighbour(name, 58);
    ok(!there(name, 50000), "in one way only");
    neighbour(name, 59);
    put(name, "real", 50001);
    ok(has(name, "real", 50001), "a link that comes to be replaces its no");
    put_negative(name, "", 50002);
    ok(has(name, "", 50002), "and the other way round");

    memset(buf, 'n', 153);
    buf[153] = '\0';
    ok(put_negative(name, (char *) buf, 1) == REFERRAL_DECLINED,
       "a negative entry is small");
}


static void
test_classes(void)
{
    char      name[32], value[4096];
    unsigned  i, bad;

    fresh();

    memset(value, 'v', sizeof(value));
    value[4000] = '\0';

    for (i = 0; i < 4; i++) {
        neighbour(name, i);
        put(name, value, 1000 + i);
    }

    for (i = 4; i < 11; i++) {
        neighbour(name, i);
        put(name, "small", 1000 + i);
    }

    bad = 0;

    for (i = 0; i < 4; i++) {
        neighbour(name, i);
        bad += !has(name, value, 1020);
    }

    for (i = 4; i < 11; i++) {
        neighbour(name, i);
        bad += !has(name, "small", 1020);
    }

    ok(bad == 0, "classes do not push each other out");

    neighbour(name, 0);
    put(name, "now small", 1030);
    ok(has(name, "now small", 1030), "an entry that shrank is the new one");
    value[1000] = '\0';
    put(name, value, 1040);
    ok(has(name, value, 1040), "one that grew too");
    put_negative(name, "", 1050);
    ok(has(name, "", 1050), "and one that is no more");
}


static void
test_hostile_memory(void)
{
    unsigned                  i, way, class, bad, found;
    uint64_t                 *words;
    uint32_t                  n;
    u_char                   *p;
    referral_str_t            key;
    referral_cache_key_t      k;
    referral_cache_info_t     info;
    referral_cache_slot_t     slot;
    referral_cache_bucket_t  *b;

    fresh();

    key = str("link:{p}:a");
    bad = 0;

    for (i = 0; i < 32 + 16 + 40; i++) {
        put("link:{p}:a", "0123456789012345678901234567890123456789", 1);

        b = bucket_of("link:{p}:a", 0, &k);

        for (way = 0; b->tags[way] != k.hint.tag; way++) { /* void */ }

        p = (u_char *) referral_cache_slot(&cache, b, 0, way);
        p[i] ^= 0x10;

        if (there("link:{p}:a", 1)
            && !has("link:{p}:a", "0123456789012345678901234567890123456789",
                    1))
        {
            bad++;
        }

        /* the last four bytes of a slot's head are not used */

        if (there("link:{p}:a", 1) && (i < 28 || i >= 32)) {
            bad++;
        }
    }

    ok(bad == 0, "an entry with a byte changed is never served");

    /* valid tags and random bytes: lengths must not be trusted */

    n = 12345;
    found = 0;

    for (i = 0; i < 20000; i++) {
        class = i % 3;
        b = bucket_of("link:{p}:a", class, &k);

        memset(b->tags, 0, sizeof(b->tags));
        b->tags[0] = k.hint.tag;

        n = n * 1103515245 + 12345;

        memset(&slot, 0, sizeof(slot));
        slot.key_len = (i & 8) ? k.len : n >> 16;
        slot.len = (i & 16) ? n % 10000 : n;
        slot.epoch = referral_cache_epoch(&cache, &key);
        slot.crc = n;

        words = referral_cache_slot(&cache, b, class, 0);
        memcpy(words, &slot, sizeof(slot));
        memcpy(words + 4, k.words, referral_cache_pad(k.len));

        found += referral_cache_get(&cache, &key, buf, sizeof(buf), 1, &info)
                 == REFERRAL_OK;
        memset(b->tags, 0, sizeof(b->tags));
    }

    ok(found == 0, "random lengths are neither followed nor served");
}


static void
test_lost_writers(void)
{
    char                       name[32];
    pid_t                      pid;
    unsigned                   class, bad;
    struct timespec            ts;
    referral_cache_key_t       k;
    referral_cache_bucket_t   *b;
    referral_cache_counters_t  c;
    char                       value[8192];

    for (class = 0; class < 3; class++) {
        fresh();

        memset(value, 'v', sizeof(value));
        value[class == 0 ? 10 : class == 1 ? 1000 : 8000] = '\0';

        neighbour(name, 1);
        put(name, value, 1);
        neighbour(name, 0);
        put(name, value, 1);

        b = bucket_of(name, class, &k);

        clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);

        pid = fork();
        if (pid == 0) {
            _exit(0);
        }

        waitpid(pid, NULL, 0);

        /* killed during a write a moment ago */

        b->lock = ((uint64_t) pid << 32)
                  | (uint32_t) (ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
        b->seq++;

        ok(!there(name, 1), "a torn bucket answers nothing");
        ok(put(name, value, 2) == REFERRAL_OK && has(name, value, 2),
           "the next writer takes it from a dead one");
        neighbour(name, 1);
        ok(!there(name, 1), "cleared");
        ok(b->lock == 0 && (b->seq & 1) == 0, "and leaves it in order");

        referral_cache_counters(&cache, &c);
        ok(c.recovered == 1, "counted");

        /* killed with the lock, but not during a write */

        b->lock = ((uint64_t) pid << 32)
                  | (uint32_t) (ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
        neighbour(name, 0);
        ok(has(name, value, 2), "a lock alone does not keep readers out");
        neighbour(name, 1);
        bad = put(name, value, 3) != REFERRAL_OK;
        neighbour(name, 0);
        ok(!bad && has(name, value, 3), "and costs no entry");

        /* alive, and has just taken the lock */

        clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
        b->lock = ((uint64_t) getppid() << 32)
                  | (uint32_t) (ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
        ok(put(name, value, 4) == REFERRAL_DECLINED,
           "a living writer is left alone");
        ok(has(name, value, 4), "and what was there is served");

        referral_cache_counters(&cache, &c);
        ok(c.busy == 1, "counted");

        /* alive, but keeps the lock: another program has the pid by now */

        b->lock -= 3000;
        b->seq++;
        ok(put(name, value, 5) == REFERRAL_OK && has(name, value, 5),
           "a pid used again does not lock a bucket for ever");

        /* our own process has that pid now */

        clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
        b->lock = ((uint64_t) getpid() << 32)
                  | (uint32_t) (ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
        b->seq++;
        ok(put(name, value, 6) == REFERRAL_OK && has(name, value, 6),
           "nor does our own pid");
    }
}


/* keys of one bucket with values of all classes, as fast as possible */

static void
hammer(unsigned seed, int64_t until)
{
    char                   name[32];
    u_char                 value[REFERRAL_CACHE_VALUE_MAX];
    size_t                 len;
    uint64_t               version, key;
    unsigned               n, i;
    referral_str_t         k;
    referral_cache_info_t  info;

    n = seed * 2654435761U + 1;

    if (seed % 2) {
        referral_cache_process(&cache);
    }

    for (i = 0; !__atomic_load_n(&shared->stop, __ATOMIC_RELAXED); i++) {
        if ((i & 63) == 0 && clock_ms() >= until) {
            break;
        }

        n ^= n << 13;
        n ^= n >> 17;
        n ^= n << 5;

        key = n % 12;
        neighbour(name, key);
        k = str(name);

        __atomic_fetch_add(&shared->gets, 1, __ATOMIC_RELAXED);

        if (referral_cache_get(&cache, &k, value, sizeof(value), clock_ms(),
                               &info) == REFERRAL_OK)
        {
            __atomic_fetch_add(&shared->hits, 1, __ATOMIC_RELAXED);

            if (!check_value(info.value, info.len, key, &version)) {
                __atomic_fetch_add(&shared->wrong, 1, __ATOMIC_RELAXED);
            }
        }

        if (n & 0x1000) {
            continue;
        }

        len = 40 + ((n & 0x2000) ? (n >> 16) % 200 : (n >> 16) % 8000);

        make_value(value, key, n, len);

        if (referral_cache_put(&cache, &k, value, len, 0, clock_ms(),
                               referral_cache_epoch(&cache, &k))
            == REFERRAL_OK)
        {
            __atomic_fetch_add(&shared->puts, 1, __ATOMIC_RELAXED);
        }

        if ((n & 0xff00000) == 0) {
            referral_cache_invalidate(&cache, &k);
        }
    }
}


/* names of the same bucket "n" in the largest class */

static void
kill_names(char names[NKEYS][32], uint32_t n)
{
    unsigned                  i, next;
    referral_cache_key_t      k;
    referral_cache_bucket_t  *b;

    for (i = 0, next = 0; i < NKEYS; next++) {
        snprintf(names[i], sizeof(names[i]), "program:{p%u}", next);
        b = bucket_of(names[i], 2, &k);

        i += b == &cache.buckets[2][n];
    }
}


/* writes until it is killed, or for a second */

static void
write_only(uint32_t bucket, unsigned round, char names[NKEYS][32])
{
    u_char          values[NKEYS][8000];
    int64_t         until;
    unsigned        i, n;
    referral_str_t  k;

    until = clock_ms() + 1000;
    referral_cache_process(&cache);

    for (n = 0; n < NKEYS; n++) {
        make_value(values[n], n, round, 8000 - n);
    }

    __atomic_store_n(&shared->ready[bucket], round, __ATOMIC_RELEASE);

    for (i = round; (i & 255) || clock_ms() < until; i++) {
        n = i % NKEYS;
        k = str(names[n]);
        referral_cache_put(&cache, &k, values[n], 8000 - n, 0, 1,
                           referral_cache_epoch(&cache, &k));
    }
}


static void
test_stress(void)
{
    int                        status;
    char                       name[32];
    pid_t                      pids[NPROCS];
    unsigned                   i, died;
    referral_cache_counters_t  c;

    fresh();
    neighbour(name, 12);

    for (i = 0; i < NPROCS; i++) {
        pids[i] = fork();

        if (pids[i] == 0) {
            hammer(i + 1, clock_ms() + 1500);
            _exit(0);
        }
    }

    died = 0;

    for (i = 0; i < NPROCS; i++) {
        waitpid(pids[i], &status, 0);
        died += status != 0;
    }

    referral_cache_counters(&cache, &c);

    printf("# %lu gets, %lu hits, %lu puts, %lu busy, %lu broken\n",
           (unsigned long) shared->gets, (unsigned long) shared->hits,
           (unsigned long) shared->puts, (unsigned long) c.busy,
           (unsigned long) c.broken);

    ok(died == 0, "four processes on one bucket live");
    ok(shared->hits > 1000 && shared->puts > 1000, "and work");
    ok(shared->wrong == 0, "no wrong answer in %lu hits",
       (unsigned long) shared->hits);
    ok(c.broken == 0 && c.recovered == 0,
       "without help from checksums or recovery");
}


static unsigned
kill_wrong(char names[NKEYS][32])
{
    uint64_t               version;
    unsigned               n, wrong;
    referral_str_t         k;
    referral_cache_info_t  info;

    wrong = 0;

    for (n = 0; n < NKEYS; n++) {
        k = str(names[n]);

        if (referral_cache_get(&cache, &k, buf, sizeof(buf), clock_ms(),
                               &info) == REFERRAL_OK)
        {
            wrong += !check_value(info.value, info.len, n, &version);
        }
    }

    return wrong;
}


static void
test_kill(void)
{
    pid_t                      pids[NKILLS], other;
    int64_t                    end;
    unsigned                   i, round, locked, torn, wrong, stuck, n;
    referral_str_t             k;
    referral_cache_bucket_t   *b;
    referral_cache_counters_t  c;

    static char                names[NKILLS][NKEYS][32];

    fresh();

    for (i = 0; i < NKILLS; i++) {
        kill_names(names[i], i);
    }

    end = clock_ms() + 7000;

    /* this process is not killed and must never read anything wrong */

    other = fork();

    if (other == 0) {
        while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
            for (i = 0; i < NKILLS; i++) {
                __atomic_fetch_add(&shared->wrong, kill_wrong(names[i]),
                                   __ATOMIC_RELAXED);
            }

            __atomic_fetch_add(&shared->gets, 1, __ATOMIC_RELAXED);
            usleep(5000);
        }

        _exit(0);
    }

    locked = torn = wrong = stuck = 0;

    /* a busy machine takes longer to do enough of them */

    for (round = 1;
         torn < 2500 && clock_ms() < end + (torn < 100 ? 20000 : 0);
         round++)
    {

        for (i = 0; i < NKILLS; i++) {
            pids[i] = fork();

            if (pids[i] == 0) {
                write_only(i, round, names[i]);
                _exit(0);
            }
        }

        while (__atomic_load_n(&shared->ready[round % NKILLS],
                               __ATOMIC_ACQUIRE) != round)
        {
            sched_yield();
        }

        for (i = 0; i < (round * 7919) % 20000; i++) {
            __atomic_signal_fence(__ATOMIC_SEQ_CST);
        }

        for (i = 0; i < NKILLS; i++) {
            kill(pids[i], SIGKILL);
        }

        for (i = 0; i < NKILLS; i++) {
            waitpid(pids[i], NULL, 0);

            b = &cache.buckets[2][i];

            if (referral_cache_load(&b->lock) != 0) {
                locked++;
                torn += referral_cache_load(&b->seq) & 1;
            }

            wrong += kill_wrong(names[i]);

            n = (round + i) % NKEYS;
            k = str(names[i][n]);
            make_value(buf, n, 1, 7000);

            stuck += referral_cache_put(&cache, &k, buf, 7000, 0, clock_ms(),
                                        referral_cache_epoch(&cache, &k))
                     != REFERRAL_OK
                     || !there(names[i][n], clock_ms())
                     || b->lock != 0
                     || (b->seq & 1) != 0;
        }
    }

    __atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
    waitpid(other, NULL, 0);

    referral_cache_counters(&cache, &c);

    printf("# %u kills, %u with the lock held, %u amid the copy, "
           "%lu recovered, %lu broken\n", (round - 1) * NKILLS, locked, torn,
           (unsigned long) c.recovered, (unsigned long) c.broken);

    /* valgrind delivers signals only between blocks of code */

    ok(torn >= 100 || getenv("UNIT_VALGRIND"),
       "writers died inside of writes: %u of %u", torn,
       (round - 1) * NKILLS);
    ok(c.recovered == locked, "each was recovered from");
    ok(wrong == 0 && shared->wrong == 0 && shared->gets > 0,
       "no wrong answer");
    ok(stuck == 0, "no stuck bucket");
}


/* the copies of this process, while others change the shared table */

static void
test_copies(void)
{
    referral_str_t         k;
    referral_cache_t       other;
    referral_cache_info_t  info;

    fresh();
    other = cache;
    referral_cache_process(&cache);

    k = str("link:{p}:a");

    put("link:{p}:a", "one", 1000);
    referral_cache_get(&cache, &k, buf, sizeof(buf), 1000, &info);
    ok(!info.copy && info.value == buf, "what is first got is no copy");
    ok(has("link:{p}:a", "one", 1000) && has("link:{p}:a", "one", 1500),
       "what was put is there, and again");

    referral_cache_get(&cache, &k, buf, sizeof(buf), 1700, &info);
    ok(info.age == 700 && info.copy, "a copy is as old as what it is of");

    put("link:{p}:a", "two", 1800);
    ok(has("link:{p}:a", "two", 1800), "what this process puts, it sees");

    referral_cache_put(&other, &k, "three", 5, 0, 1900,
                       referral_cache_epoch(&other, &k));
    ok(has("link:{p}:a", "three", 2800),
       "what another puts, it sees within a second");

    referral_cache_invalidate(&other, &k);
    ok(!there("link:{p}:a", 2800), "what is invalidated is gone at once");

    put("link:{p}:a", "four", 3000);
    ok(has("link:{p}:a", "four", 3000), "and comes anew");

    referral_cache_flush(&other);
    ok(!there("link:{p}:a", 3000), "what is flushed is gone at once");

    put_negative("link:{p}:b", "no", 3000);
    (void) there("link:{p}:b", 3000);
    ok(referral_cache_get(&cache, &(referral_str_t) { 10,
                          (u_char *) "link:{p}:b" }, buf, sizeof(buf), 3000,
                          &info) == REFERRAL_OK && info.negative,
       "a copy of a negative entry is negative");
    ok(!there("link:{p}:c", 3000), "nobody else's copy serves");

    referral_cache_leave(&cache);
}


/*
 * "Redis" changes, then comes the invalidation, then the change is announced.
 * A get after that must not return the old version.
 */

static void
test_race(void)
{
    char                   name[32];
    pid_t                  pids[NPROCS];
    u_char                 value[4000];
    int64_t                until;
    uint64_t               version, seen, announced, epoch, gets, hits;
    unsigned               i;
    referral_str_t         k;
    referral_cache_info_t  info;

    fresh();
    neighbour(name, 0);
    k = str(name);
    until = clock_ms() + 1000;

    for (i = 0; i < NPROCS; i++) {
        pids[i] = fork();

        if (pids[i] != 0) {
            continue;
        }

        gets = hits = 0;

        /* one reader has no copies */

        if (i > 1) {
            referral_cache_process(&cache);
        }

        while (clock_ms() < until) {
            if (i == 0) {
                version = __atomic_add_fetch(&shared->version, 1,
                                             __ATOMIC_SEQ_CST);

                if (version % 16) {
                    referral_cache_invalidate(&cache, &k);

                } else {
                    referral_cache_flush(&cache);
                }

                __atomic_store_n(&shared->announced, version,
                                 __ATOMIC_SEQ_CST);
                usleep(20);
                continue;
            }

            announced = __atomic_load_n(&shared->announced, __ATOMIC_SEQ_CST);
            gets++;

            if (referral_cache_get(&cache, &k, value, sizeof(value), 1, &info)
                == REFERRAL_OK)
            {
                hits++;

                if (!check_value(info.value, info.len, 5, &seen)
                    || seen < announced)
                {
                    __atomic_fetch_add(&shared->wrong, 1, __ATOMIC_RELAXED);
                }

                continue;
            }

            epoch = info.epoch;
            version = __atomic_load_n(&shared->version, __ATOMIC_SEQ_CST);
            make_value(value, 5, version, 100 + (version % 3) * 1500);
            referral_cache_put(&cache, &k, value, 100 + (version % 3) * 1500,
                               0, 1, epoch);
        }

        __atomic_fetch_add(&shared->gets, gets, __ATOMIC_RELAXED);
        __atomic_fetch_add(&shared->hits, hits, __ATOMIC_RELAXED);
        _exit(0);
    }

    for (i = 0; i < NPROCS; i++) {
        waitpid(pids[i], NULL, 0);
    }

    printf("# %lu changes, %lu gets, %lu hits\n",
           (unsigned long) shared->version, (unsigned long) shared->gets,
           (unsigned long) shared->hits);

    ok(shared->version > 200 && shared->hits > 1000, "the race was run");
    ok(shared->wrong == 0, "nothing old after it was announced: %lu",
       (unsigned long) shared->wrong);
}


int
main(void)
{
    mem = mmap(NULL, SIZE, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
               -1, 0);
    shared = mmap(NULL, sizeof(shared_t), PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    if (mem == MAP_FAILED || shared == MAP_FAILED) {
        return 1;
    }

    fflush(stdout);
    setvbuf(stdout, NULL, _IOLBF, 0);

    test_basics();
    test_past();
    test_attach();
    test_lru();
    test_classes();
    test_hostile_memory();
    test_lost_writers();
    test_copies();
    test_stress();
    test_kill();
    test_race();

    return unit_done();
}
