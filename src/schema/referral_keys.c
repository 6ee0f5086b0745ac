
#include "referral_keys.h"


/* "after" follows the program and its closing brace */

static const struct {
    referral_str_t      family;
    referral_str_t      after;
} referral_keys[REFERRAL_KEYS] = {

    [REFERRAL_KEY_JOURNALS] = {
        referral_string("journals:"), referral_string("")
    },

    [REFERRAL_KEY_ERRORS] = {
        referral_string("errors:"), referral_string("")
    },

    [REFERRAL_KEY_FORGOTTEN] = {
        referral_string("forgotten:"), referral_string("")
    },

    [REFERRAL_KEY_LINK] = {
        referral_string("link:"), referral_string(":")
    },

    [REFERRAL_KEY_STATS] = {
        referral_string("stats:"), referral_string("")
    },

    [REFERRAL_KEY_STATS_LINK] = {
        referral_string("stats:"), referral_string(":")
    },

    [REFERRAL_KEY_DAY] = {
        referral_string("day:"), referral_string(":")
    },

    [REFERRAL_KEY_DAYS] = {
        referral_string("days:"), referral_string("")
    },

    [REFERRAL_KEY_DAYS_LINK] = {
        referral_string("days:"), referral_string(":")
    },

    [REFERRAL_KEY_HOURS] = {
        referral_string("hours:"), referral_string("")
    },

    [REFERRAL_KEY_BOARD] = {
        referral_string("board:"), referral_string(":clicks")
    },

    [REFERRAL_KEY_BOARD_DAY] = {
        referral_string("board:"), referral_string(":clicks:")
    },

    [REFERRAL_KEY_REFERRERS] = {
        referral_string("board:"), referral_string(":referrers:clicks")
    },

    [REFERRAL_KEY_REFERRERS_MONTH] = {
        referral_string("board:"), referral_string(":referrers:clicks:")
    },

    [REFERRAL_KEY_VISITORS] = {
        referral_string("visitors:"), referral_string(":day:")
    },

    [REFERRAL_KEY_ADDRESSES] = {
        referral_string("addresses:"), referral_string(":day:")
    },

    [REFERRAL_KEY_CLICKS] = {
        referral_string("clicks:"), referral_string(":")
    },

    [REFERRAL_KEY_EVENTS] = {
        referral_string("events:"), referral_string("")
    },

    [REFERRAL_KEY_PROGRAM] = {
        referral_string("program:"), referral_string("")
    },

    [REFERRAL_KEY_REFERRER] = {
        referral_string("referrer:"), referral_string(":")
    },

    [REFERRAL_KEY_CONVERSIONS] = {
        referral_string("conversions:"), referral_string("")
    },

    [REFERRAL_KEY_IDS] = {
        referral_string("ids:"), referral_string(":")
    },

    [REFERRAL_KEY_PERSON] = {
        referral_string("person:"), referral_string("")
    },

    [REFERRAL_KEY_NAMES] = {
        referral_string("person:"), referral_string(":names")
    },

    [REFERRAL_KEY_REJECTS] = {
        referral_string("rejects:"), referral_string("")
    },

    [REFERRAL_KEY_SEED] = {
        referral_string("seed:"), referral_string("")
    },

    [REFERRAL_KEY_KNOWN] = {
        referral_string("known:"), referral_string(":")
    },

    [REFERRAL_KEY_CLAIMED] = {
        referral_string("claimed:"), referral_string(":")
    },

    [REFERRAL_KEY_SETTLED] = {
        referral_string("settled:"), referral_string("")
    },

    [REFERRAL_KEY_SALT] = {
        referral_string("salt:"), referral_string("")
    }
};


const referral_str_t *
referral_key_family(referral_key_e key)
{
    return &referral_keys[key].family;
}


void
referral_key_put(referral_buf_t *out, referral_key_e key,
    const referral_str_t *program)
{
    referral_buf_str(out, &referral_keys[key].family);
    referral_buf_putc(out, '{');
    referral_buf_str(out, program);
    referral_buf_putc(out, '}');
    referral_buf_str(out, &referral_keys[key].after);
}
