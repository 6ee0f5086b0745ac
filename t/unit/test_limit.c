/* link: referral_limit.c */

/*
 * Protects: a limited number of clicks of one address can be looked up each
 * minute, whichever worker counts them.
 */

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "referral_limit.h"
#include "unit.h"


#define ADDRESS(n)  ((uint64_t) (n) << 32 | 0x5a5a5a5a)


static unsigned
taken(referral_limit_t *b, uint64_t key, uint64_t minute, unsigned n,
    uint32_t limit)
{
    unsigned  i, got;

    got = 0;

    for (i = 0; i < n; i++) {
        got += referral_limit_take(b, key, minute, limit);
    }

    return got;
}


/* workers count at the same time */

static void
test_workers(void)
{
    int                i, status;
    pid_t              pid[4];
    unsigned           sum;
    referral_limit_t  *b;
    unsigned          *got;

    b = mmap(NULL, sizeof(referral_limit_t) + sizeof(pid),
             PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    if (!ok(b != MAP_FAILED, "shared memory")) {
        return;
    }

    got = (unsigned *) (b + 1);

    (void) fflush(stdout);

    for (i = 0; i < 4; i++) {
        pid[i] = fork();

        if (pid[i] == 0) {
            got[i] = taken(b, ADDRESS(7), 9, 100000, REFERRAL_LIMIT_MAX);
            _exit(0);
        }
    }

    sum = 0;

    for (i = 0; i < 4; i++) {
        (void) waitpid(pid[i], &status, 0);
        sum += got[i];
    }

    ok(sum == REFERRAL_LIMIT_MAX, "four workers share one bound: %u", sum);
}


int
main(void)
{
    unsigned                 i, early;
    static referral_limit_t  b;

    ok(taken(&b, ADDRESS(1), 0, 1000, 600) == 600, "the first 600 of 1,000");
    ok(taken(&b, ADDRESS(1), 1, 1000, 600) == 600, "in the next minute again");
    ok(taken(&b, ADDRESS(1), 1, 1, 600) == 0, "and not one more");
    ok(taken(&b, ADDRESS(2), 1, 300, 600) == 300, "others have their own");
    ok(taken(&b, ADDRESS(1), 0, 1, 600) == 1,
       "a clock that goes back begins anew");
    ok(taken(&b, ADDRESS(3), 5, 5000, REFERRAL_LIMIT_MAX)
       == REFERRAL_LIMIT_MAX, "the highest limit");
    ok(taken(&b, ADDRESS(3), 5, 5000, REFERRAL_LIMIT_MAX) == 0,
       "does not run into the minute");
    ok(taken(&b, ADDRESS(1), ((uint64_t) 1 << 40) + 3, 700, 600) == 600,
       "any minute");

    early = 0;

    for (i = 0; i < 100000; i++) {
        early += !referral_limit_take(&b, ADDRESS(i * 2654435761u), 77, 600);
    }

    ok(early == 0, "100,000 addresses in a minute, none is cut off");

    test_workers();

    return unit_done();
}
