
/*
 * Copies that one process keeps of entries of the shared cache that it looked
 * up.  A copy is valid while its key's epoch is the same and for a second at
 * most.  It saves a busy process reading the shared table.
 */


#ifndef _REFERRAL_CACHE_LOCAL_H_INCLUDED_
#define _REFERRAL_CACHE_LOCAL_H_INCLUDED_


#include "referral_str.h"


typedef struct referral_cache_local_s  referral_cache_local_t;


/* the hash of a key, in two parts */

typedef struct {
    uint32_t            place;
    uint32_t            tag;
} referral_cache_local_key_t;


typedef struct {
    uint64_t            epoch;
    int64_t             fetched;     /* ms, as in the shared cache */
    size_t              len;
    const void         *value;       /* valid until the next keep or drop */
    unsigned            negative;
} referral_cache_local_copy_t;


/*
 * 2 MB of address space, of which only touched pages take memory; NULL: no
 * memory.
 */
referral_cache_local_t *referral_cache_local_create(void);
void referral_cache_local_free(referral_cache_local_t *local);

/*
 * Prefetch the tags in which a copy would be found, and the copy itself; 0:
 * there is no copy.
 */
void referral_cache_local_prefetch(const referral_cache_local_t *local,
    const referral_cache_local_key_t *at);
int referral_cache_local_prefetch_value(const referral_cache_local_t *local,
    const referral_cache_local_key_t *at);

/*
 * "copy->epoch" is set by the caller, to the present one.  REFERRAL_DECLINED:
 * there is no copy, it has another epoch, or it is older than a second.
 */
int referral_cache_local_find(const referral_cache_local_t *local,
    const referral_cache_local_key_t *at, const referral_str_t *key,
    int64_t now, referral_cache_local_copy_t *copy);

/* values that are too large are not kept */
void referral_cache_local_keep(referral_cache_local_t *local,
    const referral_cache_local_key_t *at, const referral_str_t *key,
    int64_t now, const referral_cache_local_copy_t *copy);

void referral_cache_local_drop(referral_cache_local_t *local,
    const referral_cache_local_key_t *at);


#endif /* _REFERRAL_CACHE_LOCAL_H_INCLUDED_ */
