/* link: referral_ledger.c */

#include "referral_ledger.h"
#include "referral_str.h"
#include "unit.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>


static referral_ledger_t  ledger;


static void
fresh(int64_t max)
{
    memset(&ledger, 0, sizeof(ledger));
    referral_ledger_limit(&ledger, max);
}


static void
test_max(void)
{
    fresh(1000);

    ok(referral_ledger_take(&ledger, 600) == REFERRAL_OK
       && referral_ledger_take(&ledger, 400) == REFERRAL_OK
       && referral_ledger_bytes(&ledger) == 1000, "max= may be filled");
    ok(referral_ledger_take(&ledger, 1) == REFERRAL_DECLINED
       && referral_ledger_bytes(&ledger) == 1000, "and not exceeded");

    referral_ledger_add(&ledger, -400);
    ok(referral_ledger_take(&ledger, 400) == REFERRAL_OK,
       "what is given back may be taken");

    referral_ledger_limit(&ledger, 2000);
    ok(referral_ledger_take(&ledger, 1000) == REFERRAL_OK,
       "a larger max= holds at once");

    referral_ledger_add(&ledger, -5000);
    ok(referral_ledger_bytes(&ledger) == 0, "it is never below nought");
}


static void
test_count(void)
{
    referral_ledger_count_t  count, other;

    fresh(1000);

    /* a process died after it took 300 and before it wrote them */

    (void) referral_ledger_take(&ledger, 500);
    (void) referral_ledger_take(&ledger, 300);

    referral_ledger_begin(&ledger, &count);
    referral_ledger_begin(&ledger, &other);

    (void) referral_ledger_take(&ledger, 50);

    referral_ledger_counted(&ledger, &count, 500);
    ok(referral_ledger_bytes(&ledger) == 550,
       "a count gives back what was not written, and keeps what is new");

    referral_ledger_counted(&ledger, &other, 500);
    ok(referral_ledger_bytes(&ledger) == 550, "one that overlaps does not");

    referral_ledger_begin(&ledger, &count);
    referral_ledger_gone(&ledger, 500);
    referral_ledger_counted(&ledger, &count, 0);
    ok(referral_ledger_bytes(&ledger) == 50,
       "nor one during which a file went");

    referral_ledger_begin(&ledger, &count);
    referral_ledger_changed(&ledger);
    referral_ledger_counted(&ledger, &count, 0);
    ok(referral_ledger_bytes(&ledger) == 50, "or moved");
}


static void
test_doubtful(void)
{
    uint64_t                 key;
    referral_ledger_count_t  count;

    fresh(10000);

    referral_ledger_doubtful(&ledger, 1, 400, 10);
    referral_ledger_doubtful(&ledger, 1, 200, 12);
    referral_ledger_doubtful(&ledger, 3, 300, 1);

    ok(referral_ledger_allowed(&ledger, 5, 100) == REFERRAL_OK
       && referral_ledger_allowed(&ledger, 5, 101) == REFERRAL_DECLINED,
       "a tenth of max=, of all journals");

    referral_ledger_sent(&ledger, 1, 11);
    ok(referral_ledger_allowed(&ledger, 5, 101) == REFERRAL_DECLINED,
       "it is in use until the last of a journal is sent");

    referral_ledger_sent(&ledger, 1, 12);
    ok(referral_ledger_allowed(&ledger, 5, 700) == REFERRAL_OK
       && referral_ledger_allowed(&ledger, 5, 701) == REFERRAL_DECLINED,
       "and then free");

    fresh(INT64_MAX / 2);

    for (key = 1; key <= REFERRAL_LEDGER_PLACES; key++) {
        referral_ledger_doubtful(&ledger, key, 1, 1);
    }

    ok(referral_ledger_allowed(&ledger, 1, 1) == REFERRAL_OK
       && referral_ledger_allowed(&ledger, key, 1) == REFERRAL_DECLINED,
       "a journal without a place may have none");

    /* all are of this process, which lives */

    referral_ledger_begin(&ledger, &count);
    referral_ledger_counted(&ledger, &count, 0);
    ok(referral_ledger_allowed(&ledger, key, 1) == REFERRAL_DECLINED,
       "journals of the living stay");
}


/* with its clicks in memory only, or in a journal that others will adopt */

static void
test_dead(void)
{
    pid_t                    pid;
    uint64_t                 key;
    unsigned                 used;
    referral_ledger_count_t  count;

    fresh(10000);

    (void) fflush(stdout);

    pid = fork();

    if (pid == 0) {
        _exit(0);
    }

    (void) waitpid(pid, NULL, 0);

    for (key = 1; key <= 2; key++) {
        referral_ledger_doubtful(&ledger, key, 500, 1);
        ledger.place[key - 1].pid = pid;
    }

    referral_ledger_begin(&ledger, &count);
    referral_ledger_saw(&ledger, &count, 2);
    referral_ledger_changed(&ledger);
    referral_ledger_counted(&ledger, &count, 0);

    used = (ledger.place[0].key != 0) + (ledger.place[1].key != 0);
    ok(used == 2, "a count that does not hold frees nothing");

    referral_ledger_begin(&ledger, &count);
    referral_ledger_saw(&ledger, &count, 2);
    referral_ledger_counted(&ledger, &count, 0);

    ok(ledger.place[0].key == 0 && ledger.place[0].bytes == 0,
       "what died with its process is free");
    ok(ledger.place[1].key == 2 && ledger.place[1].bytes == 500,
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
