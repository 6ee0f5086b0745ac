
/*
 * How many clicks of one address are told apart in a minute: a small table of
 * counts that all workers share.  Addresses that meet in one place share its
 * count, so the bound may be reached early, and never late.
 */


#ifndef _REFERRAL_LIMIT_H_INCLUDED_
#define _REFERRAL_LIMIT_H_INCLUDED_


#include <stdint.h>


#define REFERRAL_LIMIT_PLACES  8192
#define REFERRAL_LIMIT_MAX     4094   /* the highest limit */


/* zeroed; lies in shared memory, where anybody may die at any time */

typedef struct {
    uint32_t    place[REFERRAL_LIMIT_PLACES];
} referral_limit_t;


/* a take of the key will come: it need not wait for the memory then */
void referral_limit_prefetch(const referral_limit_t *bound, uint64_t key);

/*
 * "key": a hash of the address; "minute": of a clock that all share.  1: it
 * is one of the first "limit" of its minute.
 */
int referral_limit_take(referral_limit_t *bound, uint64_t key,
    uint64_t minute, uint32_t limit);


#endif /* _REFERRAL_LIMIT_H_INCLUDED_ */
