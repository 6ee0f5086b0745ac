
/*
 * Compares what timezones.py writes with what the module says.  "timezones"
 * reads it and says how many answers are the same, and which ones are not;
 * "timezones names" writes the names of all zones.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "referral_tzdata.h"


static int64_t
answer(const referral_timezone_t *zone, const char *kind, int64_t seconds)
{
    int64_t                     ms;
    referral_timezone_change_t  change;

    ms = seconds * 1000;

    if (strcmp(kind, "offset") == 0) {
        return referral_timezone_offset(zone, ms);
    }

    if (strcmp(kind, "next") == 0) {
        return referral_timezone_next(zone, ms, &change) ? change.at / 1000
                                                         : -1;
    }

    if (strcmp(kind, "first") == 0) {
        return referral_timezone_first(zone, ms) / 1000;
    }

    /* the last millisecond of the second */

    return referral_timezone_last(zone, ms + 999) / 1000;
}


int
main(int argc, char **argv)
{
    char                        name[64], kind[8], err[REFERRAL_TZDATA_ERROR];
    size_t                      i;
    int64_t                     seconds, right, got;
    unsigned                    same, wrong;
    referral_str_t              s;
    referral_timezones_t       *zones;
    referral_tzdata_mark_t      mark;
    const referral_timezone_t  *zone;

    zones = referral_tzdata_read(referral_tzdata_path(), &mark, err);

    if (zones == NULL || err[0]) {
        printf("%s\n", err);
        return 1;
    }

    for (i = 0; argc > 1 && i < referral_timezones_count(zones); i++) {
        s = referral_timezones_name(zones, i);
        printf("%.*s\n", (int) s.len, (char *) s.data);
    }

    (void) argv;

    same = 0;
    wrong = 0;

    while (argc == 1
           && scanf("%63s %7s %" SCNd64 " %" SCNd64, name, kind, &seconds,
                    &right) == 4)
    {
        s.data = (u_char *) name;
        s.len = strlen(name);
        zone = referral_timezones_find(zones, &s);

        got = zone ? answer(zone, kind, seconds) : INT64_MIN;

        if (got == right) {
            same++;
            continue;
        }

        if (wrong++ < 20) {
            printf("%s %s %" PRId64 ": %" PRId64 ", not %" PRId64 "\n", name,
                   kind, seconds, right, got);
        }
    }

    if (argc == 1) {
        printf("%u same, %u wrong\n", same, wrong);
    }

    referral_timezones_free(zones);

    return wrong != 0;
}
