
/*
 * The link cache: a fixed table on a plain memory region that processes share
 * by fork.  No pointers inside, no allocation, nothing that a process killed
 * at any instruction can break for the others but one bucket's entries.  One
 * thread of a process uses it.
 */


#ifndef _REFERRAL_CACHE_H_INCLUDED_
#define _REFERRAL_CACHE_H_INCLUDED_


#include "referral_cache_local.h"
#include "referral_str.h"


#define REFERRAL_CACHE_KEY_MAX    200
#define REFERRAL_CACHE_VALUE_MAX  8192
#define REFERRAL_CACHE_SIZE_MIN   (256 * 1024)
#define REFERRAL_CACHE_CLASSES    3


typedef struct referral_cache_header_s  referral_cache_header_t;
typedef struct referral_cache_bucket_s  referral_cache_bucket_t;


/*
 * Where things are: a handle of the process, made by init or attach, valid in
 * its children too.  Only referral_cache.c looks inside.
 */

typedef struct {
    referral_cache_header_t  *header;
    referral_cache_local_t   *local;          /* of the process, or NULL */
    referral_cache_bucket_t  *buckets[REFERRAL_CACHE_CLASSES];
    u_char                   *slots[REFERRAL_CACHE_CLASSES];
    uint32_t                  nbuckets[REFERRAL_CACHE_CLASSES];
    pid_t                     pid;
} referral_cache_t;


/*
 * What get tells.  "epoch" is set on a miss too: hand it to the put of what
 * is fetched after this get, and an invalidation in between wins.
 */

typedef struct {
    uint64_t            epoch;
    int64_t             age;         /* ms since it was fetched, never < 0 */
    size_t              len;         /* of the value */
    const void         *value;       /* until the next get or put */
    unsigned            negative:1;
    unsigned            copy:1;      /* of what an earlier get gave */
} referral_cache_info_t;


/* where a key will be looked for; plain numbers, good for this cache only */

typedef referral_cache_local_key_t  referral_cache_prefetch_t;


/* events since init, of all processes; hits and misses the caller sees */

typedef struct {
    uint64_t            stored;
    uint64_t            evicted;     /* entries that made room for others */
    uint64_t            overtaken;   /* puts with an epoch that is over */
    uint64_t            oversized;   /* puts of what fits no slot */
    uint64_t            busy;        /* puts that found their bucket locked */
    uint64_t            recovered;   /* buckets taken from a lost writer */
    uint64_t            broken;      /* entries with a wrong checksum */
    uint64_t            invalidated;
    uint64_t            flushed;
} referral_cache_counters_t;


/*
 * "mem" is aligned to 8 and stays the caller's.  init carves it, whatever it
 * held; "seed" is random, so that nobody can choose keys of one bucket.
 * REFERRAL_ERROR: smaller than REFERRAL_CACHE_SIZE_MIN.
 */
int referral_cache_init(referral_cache_t *cache, void *mem, size_t size,
    uint64_t seed);

/*
 * The same region, carved earlier, perhaps by another version.  Writes
 * nothing to it.  REFERRAL_ERROR: it was not made by this layout for this
 * size.
 */
int referral_cache_attach(referral_cache_t *cache, void *mem, size_t size);

/*
 * Optional: tells the handle whose it is, which spares each put a system call
 * and lets get keep copies near the process.  Such a process must not fork and
 * let its child use the handle.  leave, before it ends, gives back what the
 * copies take.
 */
void referral_cache_process(referral_cache_t *cache);
void referral_cache_leave(referral_cache_t *cache);

/*
 * Finds the value, which is then in "buf" or in a copy near the process.
 * "now" is any clock in ms that all processes share and that does not go back.
 * Never waits for more than some µs.
 * REFERRAL_DECLINED: not there, or not readable now, or larger than "size"
 * (REFERRAL_CACHE_VALUE_MAX always suffices); buf may have been written to.
 */
int referral_cache_get(referral_cache_t *cache, const referral_str_t *key,
    void *buf, size_t size, int64_t now, referral_cache_info_t *info);

/*
 * For a get that comes some hundred instructions later, and optional: the
 * first begins to bring from memory where the key would be, the second, some
 * hundred instructions after it, what is there.  The get may have the hint,
 * of the same key, and need not work it out again.
 */
void referral_cache_prefetch(referral_cache_t *cache,
    referral_cache_prefetch_t *hint, const referral_str_t *key);
void referral_cache_prefetch_value(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint);
int referral_cache_get_prefetched(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint, const referral_str_t *key, void *buf,
    size_t size, int64_t now, referral_cache_info_t *info);

/*
 * What a get declined, for a caller who can learn nothing better: the key's
 * entry from before a flush, or from before an edit of another key that
 * shares its epoch.  An edit of the key itself leaves nothing.
 */
int referral_cache_get_past(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint, const referral_str_t *key, void *buf,
    size_t size, int64_t now, referral_cache_info_t *info);

/* what get writes to info->epoch, for those that fetch without a get */
uint64_t referral_cache_epoch(referral_cache_t *cache,
    const referral_str_t *key);

/*
 * Stores a value that was fetched at "fetched" (ms, get's clock), asked for
 * after "epoch" was read.  Negative entries live in a share of their own, so
 * that they never push out others; their value is at most 152 bytes, and may
 * be empty.  REFERRAL_DECLINED: not stored, because the epoch is over, it is
 * too large, or the bucket is being written by another process; what was
 * there for the key may be there still, unless the epoch is over.
 */
int referral_cache_put(referral_cache_t *cache, const referral_str_t *key,
    const void *value, size_t len, unsigned negative, int64_t fetched,
    uint64_t epoch);

/*
 * Ends the epoch of the key: what is stored for it is gone at once, and what
 * is being fetched for it will not be stored.  Cannot fail, waits for nobody.
 * May take a few neighbours along, which get_past still finds.
 */
void referral_cache_invalidate(referral_cache_t *cache,
    const referral_str_t *key);

/* ends the epochs of all keys, in no time; get_past still finds them */
void referral_cache_flush(referral_cache_t *cache);

void referral_cache_counters(referral_cache_t *cache,
    referral_cache_counters_t *counters);


#endif /* _REFERRAL_CACHE_H_INCLUDED_ */
