
/*
 * The link cache: a table of fixed size in memory that processes share by
 * fork.  It has no pointers and allocates nothing.  A process that is killed
 * at any instruction damages the entries of one bucket at most.  Within a
 * process only one thread may use it.
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
 * A handle of one process, made by init or attach; a child that inherits it
 * may use it as well.  The members are private to referral_cache.c.
 */

typedef struct {
    referral_cache_header_t  *header;
    referral_cache_local_t   *local;          /* copies of this process, or
                                                 NULL */
    referral_cache_bucket_t  *buckets[REFERRAL_CACHE_CLASSES];
    u_char                   *slots[REFERRAL_CACHE_CLASSES];
    uint32_t                  nbuckets[REFERRAL_CACHE_CLASSES];
    pid_t                     pid;
} referral_cache_t;


/*
 * The result of a get.  "epoch" is set after a miss too: it is passed to the
 * put of what is fetched then, which an invalidation in between makes void.
 */

typedef struct {
    uint64_t            epoch;
    int64_t             age;         /* ms since it was fetched, never
                                        negative */
    size_t              len;         /* of the value */
    const void         *value;       /* valid until the next get or put */
    unsigned            negative:1;
    unsigned            copy:1;      /* the value is a copy that an earlier get
                                        made */
} referral_cache_info_t;


/* Where a key is looked for.  It holds numbers only, for this cache only. */

typedef referral_cache_local_key_t  referral_cache_prefetch_t;


/*
 * Events since init, of all processes.  Hits and misses are left to the
 * caller.
 */

typedef struct {
    uint64_t            stored;
    uint64_t            evicted;     /* entries replaced by others */
    uint64_t            overtaken;   /* puts whose epoch had ended */
    uint64_t            oversized;   /* puts of entries too large for a slot */
    uint64_t            busy;        /* puts into a bucket that was locked */
    uint64_t            recovered;   /* buckets whose writer was lost */
    uint64_t            broken;      /* entries with a wrong checksum */
    uint64_t            invalidated;
    uint64_t            flushed;
} referral_cache_counters_t;


/*
 * Builds an empty cache in "mem", whatever that held.  The memory is aligned
 * to 8 and belongs to the caller.  "seed" must be random, so that clients
 * cannot choose keys of the same bucket.  REFERRAL_ERROR: less than
 * REFERRAL_CACHE_SIZE_MIN.
 */
int referral_cache_init(referral_cache_t *cache, void *mem, size_t size,
    uint64_t seed);

/*
 * Opens a cache that init built in this memory, perhaps of another version of
 * this code.  Writes nothing.  REFERRAL_ERROR: another layout or size.
 */
int referral_cache_attach(referral_cache_t *cache, void *mem, size_t size);

/*
 * Optional: binds the handle to this process, which saves a system call for
 * each put and lets get keep copies in memory of the process.  After that a
 * child must not use the handle.  leave frees the copies, before the process
 * ends.
 */
void referral_cache_process(referral_cache_t *cache);
void referral_cache_leave(referral_cache_t *cache);

/*
 * Looks up the value and points info->value to it, in "buf" or in a copy.
 * "now" is a monotonic clock in ms that all processes share.  Waits some
 * microseconds at most.
 *
 * REFERRAL_DECLINED: not in the cache, not readable at this moment, or larger
 * than "size" (REFERRAL_CACHE_VALUE_MAX is always enough); "buf" may have been
 * overwritten.
 */
int referral_cache_get(referral_cache_t *cache, const referral_str_t *key,
    void *buf, size_t size, int64_t now, referral_cache_info_t *info);

/*
 * Optional, before a get: prefetch loads the memory where the key would be
 * found, and prefetch_value, called some hundred instructions later, the entry
 * itself.  Get, again some hundred instructions later, may be given the hint
 * of the same key, which saves computing it.
 */
void referral_cache_prefetch(referral_cache_t *cache,
    referral_cache_prefetch_t *hint, const referral_str_t *key);
void referral_cache_prefetch_value(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint);
int referral_cache_get_prefetched(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint, const referral_str_t *key, void *buf,
    size_t size, int64_t now, referral_cache_info_t *info);

/*
 * For a caller who has no other source after a get declined: finds the key's
 * entry also if a flush has ended its epoch, or an invalidation of another key
 * that shares it.  After an invalidation of the key itself it finds nothing.
 */
int referral_cache_get_past(referral_cache_t *cache,
    const referral_cache_prefetch_t *hint, const referral_str_t *key, void *buf,
    size_t size, int64_t now, referral_cache_info_t *info);

/*
 * The epoch as get writes it to info->epoch, for those that fetch without a
 * get.
 */
uint64_t referral_cache_epoch(referral_cache_t *cache,
    const referral_str_t *key);

/*
 * Stores a value that was fetched at "fetched" (ms, get's clock) by a request
 * sent after "epoch" was read.  Negative entries have a way of their own in
 * each bucket, so that they never evict others; their value has at most 152
 * bytes and may be empty.
 *
 * REFERRAL_DECLINED: not stored, because the epoch has ended, the value is too
 * large, or another process writes to the bucket.  An older value of the key
 * stays, unless its epoch has ended.
 */
int referral_cache_put(referral_cache_t *cache, const referral_str_t *key,
    const void *value, size_t len, unsigned negative, int64_t fetched,
    uint64_t epoch);

/*
 * Ends the epoch of the key: its entry is void at once, and what is being
 * fetched for it will not be stored.  Cannot fail and does not wait.  A few
 * other keys may share the epoch; get_past still finds their entries.
 */
void referral_cache_invalidate(referral_cache_t *cache,
    const referral_str_t *key);

/*
 * Ends the epochs of all keys, in constant time; get_past still finds the
 * entries.
 */
void referral_cache_flush(referral_cache_t *cache);

void referral_cache_counters(referral_cache_t *cache,
    referral_cache_counters_t *counters);


#endif /* _REFERRAL_CACHE_H_INCLUDED_ */
