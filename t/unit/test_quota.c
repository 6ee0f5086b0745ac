/* link: referral_quota.c */

#include "referral_quota.h"
#include "referral_str.h"
#include "unit.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>


static referral_quota_t  quota;


static void
fresh(int64_t max)
{
    memset(&quota, 0, sizeof(quota));
    referral_quota_limit(&quota, max);
}


static void
test_max(void)
{
    fresh(1000);

    ok(referral_quota_take(&quota, 600) == REFERRAL_OK
       && referral_quota_take(&quota, 400) == REFERRAL_OK
       && referral_quota_bytes(&quota) == 1000, "max= may be filled");
    ok(referral_quota_take(&quota, 1) == REFERRAL_DECLINED
       && referral_quota_bytes(&quota) == 1000, "and not exceeded");

    referral_quota_add(&quota, -400);
    ok(referral_quota_take(&quota, 400) == REFERRAL_OK,
       "what is given back may be taken");

    referral_quota_limit(&quota, 2000);
    ok(referral_quota_take(&quota, 1000) == REFERRAL_OK,
       "a larger max= holds at once");

    referral_quota_add(&quota, -5000);
    ok(referral_quota_bytes(&quota) == 0, "it is never below nought");
}


static void
test_count(void)
{
    referral_quota_count_t  count, other;

    fresh(1000);

    /* a process was killed after it took 300 and before it wrote them */

    (void) referral_quota_take(&quota, 500);
    (void) referral_quota_take(&quota, 300);

    referral_quota_begin(&quota, &count);
    referral_quota_begin(&quota, &other);

    (void) referral_quota_take(&quota, 50);

    referral_quota_counted(&quota, &count, 500);
    ok(referral_quota_bytes(&quota) == 550,
       "a count gives back what was not written, and keeps what is new");

    referral_quota_counted(&quota, &other, 500);
    ok(referral_quota_bytes(&quota) == 550, "one that overlaps does not");

    referral_quota_begin(&quota, &count);
    referral_quota_gone(&quota, 500);
    referral_quota_counted(&quota, &count, 0);
    ok(referral_quota_bytes(&quota) == 50,
       "nor one during which a file went");

    referral_quota_begin(&quota, &count);
    referral_quota_changed(&quota);
    referral_quota_counted(&quota, &count, 0);
    ok(referral_quota_bytes(&quota) == 50, "or moved");
}


static void
test_doubtful(void)
{
    uint64_t                key;
    referral_quota_count_t  count;

    fresh(10000);

    referral_quota_doubtful(&quota, 1, 400, 10);
    referral_quota_doubtful(&quota, 1, 200, 12);
    referral_quota_doubtful(&quota, 3, 300, 1);

    ok(referral_quota_allowed(&quota, 5, 100) == REFERRAL_OK
       && referral_quota_allowed(&quota, 5, 101) == REFERRAL_DECLINED,
       "a tenth of max=, of all journals");

    referral_quota_sent(&quota, 1, 11);
    ok(referral_quota_allowed(&quota, 5, 101) == REFERRAL_DECLINED,
       "it is in use until the last of a journal is sent");

    referral_quota_sent(&quota, 1, 12);
    ok(referral_quota_allowed(&quota, 5, 700) == REFERRAL_OK
       && referral_quota_allowed(&quota, 5, 701) == REFERRAL_DECLINED,
       "and then free");

    fresh(INT64_MAX / 2);

    for (key = 1; key <= REFERRAL_QUOTA_PLACES; key++) {
        referral_quota_doubtful(&quota, key, 1, 1);
    }

    ok(referral_quota_allowed(&quota, 1, 1) == REFERRAL_OK
       && referral_quota_allowed(&quota, key, 1) == REFERRAL_DECLINED,
       "a journal without a place may have none");

    /* all belong to this process, which is alive */

    referral_quota_begin(&quota, &count);
    referral_quota_counted(&quota, &count, 0);
    ok(referral_quota_allowed(&quota, key, 1) == REFERRAL_DECLINED,
       "journals of the living stay");
}


/* with clicks in memory only, or in a journal that others will adopt */

static void
test_dead(void)
{
    pid_t                   pid;
    uint64_t                key;
    unsigned                used;
    referral_quota_count_t  count;

    fresh(10000);

    (void) fflush(stdout);

    pid = fork();

    if (pid == 0) {
        _exit(0);
    }

    (void) waitpid(pid, NULL, 0);

    for (key = 1; key <= 2; key++) {
        referral_quota_doubtful(&quota, key, 500, 1);
        quota.place[key - 1].pid = pid;
    }

    referral_quota_begin(&quota, &count);
    referral_quota_saw(&quota, &count, 2);
    referral_quota_changed(&quota);
    referral_quota_counted(&quota, &count, 0);

    used = (quota.place[0].key != 0) + (quota.place[1].key != 0);
    ok(used == 2, "a count that does not hold frees nothing");

    referral_quota_begin(&quota, &count);
    referral_quota_saw(&quota, &count, 2);
    referral_quota_counted(&quota, &count, 0);

    ok(quota.place[0].key == 0 && quota.place[0].bytes == 0,
       "what died with its process is free");
    ok(quota.place[1].key == 2 && quota.place[1].bytes == 500,
       "what lies on the disk is not");
}


int
main(void)
{
    test_max();
    test_count();
    test_doubtful();
    test_dead();

    return unit_done();
}
