/* link: referral_cache_local.c referral_hash.c */

/* protects: a copy is of its key and its epoch, and a second old at most */

#include "referral_hash.h"
#include "referral_cache_local.h"
#include "unit.h"


static referral_cache_local_t  *local;


static referral_cache_local_key_t
place(const char *key)
{
    uint64_t                    h;
    referral_cache_local_key_t  at;

    h = referral_hash64(7, (const u_char *) key, strlen(key));

    at.place = h >> 32;
    at.tag = (uint32_t) h | 1;

    return at;
}


static void
keep(const referral_cache_local_key_t *at, const char *key, const void *value,
    size_t len, uint64_t epoch, int64_t now)
{
    referral_str_t               k;
    referral_cache_local_copy_t  copy;

    k.data = (u_char *) key;
    k.len = strlen(key);

    memset(&copy, 0, sizeof(copy));
    copy.epoch = epoch;
    copy.fetched = now - 5;
    copy.len = len;
    copy.value = value;

    referral_cache_local_keep(local, at, &k, now, &copy);
}


static int
has(const referral_cache_local_key_t *at, const char *key, const void *value,
    size_t len, uint64_t epoch, int64_t now)
{
    referral_str_t               k;
    referral_cache_local_copy_t  copy;

    k.data = (u_char *) key;
    k.len = strlen(key);

    copy.epoch = epoch;

    return referral_cache_local_find(local, at, &k, now, &copy) == REFERRAL_OK
           && copy.len == len
           && memcmp(copy.value, value, len) == 0;
}


int
main(void)
{
    char                        key[32];
    u_char                      value[600];
    size_t                      len;
    unsigned                    i, found, wrong;
    referral_cache_local_key_t  a, b;

    local = referral_cache_local_create();

    if (local == NULL) {
        return 1;
    }

    a = place("a");

    ok(!has(&a, "a", "one", 3, 1, 100), "nothing is there at first");
    ok(!referral_cache_local_prefetch_value(local, &a), "a hint says so");

    keep(&a, "a", "one", 3, 1, 100);
    ok(has(&a, "a", "one", 3, 1, 100) && has(&a, "a", "one", 3, 1, 1099),
       "what is kept is there for a second");
    ok(referral_cache_local_prefetch_value(local, &a), "a hint says so");
    ok(!has(&a, "a", "one", 3, 1, 1100), "and no longer");
    ok(!has(&a, "a", "one", 3, 1, 99), "nor before it was kept");
    ok(!has(&a, "a", "one", 3, 2, 100), "nor in another epoch");
    ok(!has(&a, "b", "one", 3, 1, 100) && !has(&a, "aa", "one", 3, 1, 100),
       "nor for another key of the same hash");

    b = a;
    b.place += 1024;
    ok(!has(&b, "a", "one", 3, 1, 100),
       "nor for one whose hash is the same in part");

    keep(&a, "a", "two", 3, 1, 200);
    ok(has(&a, "a", "two", 3, 1, 200), "what comes later replaces");

    referral_cache_local_drop(local, &a);
    ok(!has(&a, "a", "two", 3, 1, 200), "what is dropped is gone");

    wrong = 0;

    for (len = 0; len < sizeof(value); len++) {
        memset(value, 'a' + len % 26, len);
        keep(&a, "a", value, len, 1, 300);
        wrong += has(&a, "a", value, len, 1, 300) != (len <= 463);
    }

    ok(wrong == 0, "values of every size, but what is too large, which takes "
       "what was there along");

    for (i = 0; i < 20000; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        a = place(key);
        keep(&a, key, &i, sizeof(i), 1, 400);
    }

    found = wrong = 0;

    for (i = 0; i < 20000; i++) {
        unsigned  other = i + 1;

        snprintf(key, sizeof(key), "key%u", i);
        a = place(key);
        found += has(&a, key, &i, sizeof(i), 1, 400);
        wrong += has(&a, key, &other, sizeof(i), 1, 400);
    }

    ok(found > 3500 && found <= 4096 && wrong == 0,
       "of 20,000 keys those of late are there, each with its own: %u", found);

    referral_cache_local_free(local);

    return unit_done();
}
