/*
 * The keys of one program as the module names them, for t/house/key_names.t:
 * a line for each, its name in referral_key_e, a tab and the key.  Arguments:
 * the prefix, the program and a suffix for the keys that take one.
 */

#include <stdio.h>

#include "referral_keys.h"


#define NAME(key)  [REFERRAL_KEY_ ## key] = #key


static const char  *names[REFERRAL_KEYS] = {
    NAME(JOURNALS), NAME(ERRORS), NAME(FORGOTTEN), NAME(LINK), NAME(STATS),
    NAME(STATS_LINK), NAME(DAY), NAME(DAYS), NAME(DAYS_LINK), NAME(HOURS),
    NAME(BOARD), NAME(BOARD_DAY), NAME(REFERRERS), NAME(REFERRERS_MONTH),
    NAME(VISITORS), NAME(ADDRESSES), NAME(CLICKS), NAME(EVENTS), NAME(PROGRAM),
    NAME(REFERRER), NAME(CONVERSIONS), NAME(IDS), NAME(PERSON), NAME(NAMES),
    NAME(REJECTS), NAME(SEED), NAME(KNOWN), NAME(CLAIMED), NAME(SETTLED),
    NAME(SALT)
};


int
main(int argc, char **argv)
{
    unsigned               key;
    u_char                 data[512];
    referral_buf_t         out;
    referral_str_t         program;
    const referral_str_t  *family;

    if (argc != 4) {
        fprintf(stderr, "usage: keys_tool PREFIX PROGRAM SUFFIX\n");
        return 2;
    }

    program.data = (u_char *) argv[2];
    program.len = strlen(argv[2]);

    for (key = 0; key < REFERRAL_KEYS; key++) {

        if (names[key] == NULL) {
            fprintf(stderr, "key %u has no name here\n", key);
            return 1;
        }

        referral_buf_init(&out, data, sizeof(data));
        referral_buf_put(&out, argv[1], strlen(argv[1]));

        if (key == REFERRAL_KEY_SALT) {
            family = referral_key_family(key);
            referral_buf_str(&out, family);

        } else {
            referral_key_put(&out, key, &program);
        }

        if (out.overflow) {
            return 1;
        }

        printf("%s\t%.*s%s\n", names[key], (int) (out.pos - out.start), data,
               out.pos[-1] == ':' ? argv[3] : "");
    }

    return 0;
}
