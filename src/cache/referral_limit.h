
/*
 * Limits how many clicks of one address are counted as different in a minute:
 * a small table of counters that all workers share.  Addresses that hash to
 * the same counter share it, so the limit may be reached early, but never
 * late.
 */


#ifndef _REFERRAL_LIMIT_H_INCLUDED_
#define _REFERRAL_LIMIT_H_INCLUDED_


#include <stdint.h>


#define REFERRAL_LIMIT_PLACES  8192
#define REFERRAL_LIMIT_MAX     4094   /* the highest "limit" */


/*
 * Zeroed memory is an empty table.  It lies in shared memory; a process that
 * is killed leaves it valid.
 */

typedef struct {
    uint32_t    place[REFERRAL_LIMIT_PLACES];
} referral_limit_t;


/* prefetches the counter of the key */
void referral_limit_prefetch(const referral_limit_t *bound, uint64_t key);

/*
 * "key" is a hash of the address, "minute" comes from a clock that all workers
 * share.  Returns 1 for the first "limit" calls in that minute.
 */
int referral_limit_take(referral_limit_t *bound, uint64_t key,
    uint64_t minute, uint32_t limit);


#endif /* _REFERRAL_LIMIT_H_INCLUDED_ */
