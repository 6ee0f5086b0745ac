
/*
 * What one process looked up in the cache of late: copies in memory of its
 * own, each as good as its original while the key's epoch is the same.  It
 * spares a busy process the way through the shared table; it never knows
 * anything that the table did not tell it within the last second.
 */


#ifndef _REFERRAL_CACHE_LOCAL_H_INCLUDED_
#define _REFERRAL_CACHE_LOCAL_H_INCLUDED_


#include "referral_str.h"


typedef struct referral_cache_local_s  referral_cache_local_t;


/* where a key is looked for: its hash, in two parts */

typedef struct {
    uint32_t            place;
    uint32_t            tag;
} referral_cache_local_key_t;


typedef struct {
    uint64_t            epoch;
    int64_t             fetched;     /* ms, as the cache has it */
    size_t              len;
    const void         *value;       /* until the next keep or drop */
    unsigned            negative;
} referral_cache_local_copy_t;


/* 2 MB, of which the system gives what is used; NULL without memory */
referral_cache_local_t *referral_cache_local_create(void);
void referral_cache_local_free(referral_cache_local_t *local);

/*
 * Begin to bring from memory what tells whether there is a copy, and then the
 * copy.  0: there is none.
 */
void referral_cache_local_prefetch(const referral_cache_local_t *local,
    const referral_cache_local_key_t *at);
int referral_cache_local_prefetch_value(const referral_cache_local_t *local,
    const referral_cache_local_key_t *at);

/*
 * "copy->epoch" is the present one.  REFERRAL_DECLINED: not there, or of
 * another epoch, or kept for a second.
 */
int referral_cache_local_find(const referral_cache_local_t *local,
    const referral_cache_local_key_t *at, const referral_str_t *key,
    int64_t now, referral_cache_local_copy_t *copy);

/* what is too large is not kept */
void referral_cache_local_keep(referral_cache_local_t *local,
    const referral_cache_local_key_t *at, const referral_str_t *key,
    int64_t now, const referral_cache_local_copy_t *copy);

void referral_cache_local_drop(referral_cache_local_t *local,
    const referral_cache_local_key_t *at);


#endif /* _REFERRAL_CACHE_LOCAL_H_INCLUDED_ */
