#include "referral_bound.h"


/* a place is the minute, cut to 20 bits, and the count */

#define REFERRAL_BOUND_BITS   12
#define REFERRAL_BOUND_COUNT  ((1 << REFERRAL_BOUND_BITS) - 1)


static inline uint32_t
referral_bound_place(uint64_t key)
{
    return (key >> 32) % REFERRAL_BOUND_PLACES;
}


void
referral_bound_hint(const referral_bound_t *bound, uint64_t key)
{
    __builtin_prefetch(&bound->place[referral_bound_place(key)]);
}


int
referral_bound_take(referral_bound_t *bound, uint64_t key, uint64_t minute,
    uint32_t limit)
{
    uint32_t  old, new, *place;

    place = &bound->place[referral_bound_place(key)];

    old = __atomic_load_n(place, __ATOMIC_RELAXED);

    for ( ;; ) {
        new = (uint32_t) minute << REFERRAL_BOUND_BITS;

        if ((old & ~REFERRAL_BOUND_COUNT) == new) {
            new = old;
        }

        /* a flood does not write */

        if ((new & REFERRAL_BOUND_COUNT) >= limit) {
            return 0;
        }

        if (__atomic_compare_exchange_n(place, &old, new + 1, 0,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        {
            return 1;
        }
    }
}
