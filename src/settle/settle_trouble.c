
/* what Redis refuses: tried again, and said once for each reason */


#include "settle_program.h"


#define SETTLE_AGAIN  1000    /* ms after something was refused */


settle_turn_e
settle_program_trouble(settle_program_t *p, const char *text)
{
    size_t       len;
    const char  *script;

    /* Redis adds in which script and line it was */

    script = strstr(text, " script: ");
    len = script ? (size_t) (script - text) : strlen(text);
    len = len < sizeof(p->told) ? len : sizeof(p->told) - 1;

    if (len && (strncmp(p->told, text, len) != 0 || p->told[len])) {
        settle_log("error", "program \"%s\": %.*s; nothing was written, it is"
                   " tried again", p->name, (int) len, text);
        memcpy(p->told, text, len);
        p->told[len] = '\0';
    }

    p->well = 0;
    p->again_at = settle_clock() + SETTLE_AGAIN;
    settle_program_forget(p);

    return SETTLE_TROUBLE;
}


void
settle_program_well(settle_program_t *p)
{
    if (p->told[0]) {
        settle_log("notice", "program \"%s\" is settled again", p->name);
        p->told[0] = '\0';
    }

    p->well = 1;
}


void
settle_program_forget(settle_program_t *p)
{
    referral_settle_reset(&p->settle);

    p->loaded = 0;
}
