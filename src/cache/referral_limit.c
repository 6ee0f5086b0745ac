#include "referral_limit.h"


/* a counter is 20 bits of the minute and 12 bits of the count */

#define REFERRAL_LIMIT_BITS   12
#define REFERRAL_LIMIT_COUNT  ((1 << REFERRAL_LIMIT_BITS) - 1)


static inline uint32_t
referral_limit_place(uint64_t key)
{
    return (key >> 32) % REFERRAL_LIMIT_PLACES;
}


void
referral_limit_prefetch(const referral_limit_t *bound, uint64_t key)
{
    __builtin_prefetch(&bound->place[referral_limit_place(key)]);
}


int
referral_limit_take(referral_limit_t *bound, uint64_t key, uint64_t minute,
    uint32_t limit)
{
    uint32_t  old, new, *place;

    place = &bound->place[referral_limit_place(key)];

    old = __atomic_load_n(place, __ATOMIC_RELAXED);

    for ( ;; ) {
        new = (uint32_t) minute << REFERRAL_LIMIT_BITS;

        if ((old & ~REFERRAL_LIMIT_COUNT) == new) {
            new = old;
        }

        /*
         * Above the limit the counter is not written to: a flood only reads
         * it.
         */

        if ((new & REFERRAL_LIMIT_COUNT) >= limit) {
            return 0;
        }

        if (__atomic_compare_exchange_n(place, &old, new + 1, 0,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        {
            return 1;
        }
    }
}
