
#include "referral_state.h"
#include "referral_time.h"


static const char *const  referral_state_names[REFERRAL_VIEW_KINDS] = {
    "friend", "friend", "friend", "order", "rules", "reward", "wallet",
    "contest", "review", "payouts", "ledger", "outbox", "due", "wallet",
    "stats", "day", "days", "cohort", "progress", "wallet", "board", "board"
};


/*
 * Counters have their colon in the item's name, records do not.  What stands
 * behind "ref:days:{p}:" is a link's code: "leads" goes before the program.
 */

void
referral_state_key(referral_buf_t *out, const referral_state_t *state,
    const referral_view_item_t *item)
{
    size_t  i;

    if (item->kind == REFERRAL_VIEW_DAYS) {
        referral_buf_str(out, &state->prefix);
        referral_buf_puts(out, "days");

        for (i = 0; i < item->klen; i++) {

            if (item->name[i] != REFERRAL_VIEW_PROGRAM) {
                referral_buf_putc(out, item->name[i]);
                continue;
            }

            referral_buf_puts(out, ":{");
            referral_buf_str(out, &state->program);
            referral_buf_putc(out, '}');
        }

        return;
    }

    referral_state_name(out, state, referral_state_names[item->kind]);

    if (item->kind <= REFERRAL_VIEW_ORDER) {
        referral_buf_putc(out, ':');
    }

    referral_buf_put(out, item->name, item->klen);
}


referral_str_t
referral_state_field(const referral_view_item_t *item)
{
    referral_str_t  field;

    field.data = (u_char *) item->name + item->klen;
    field.len = item->flen;

    return field;
}


int
referral_state_together(const referral_view_item_t *a,
    const referral_view_item_t *b)
{
    return strcmp(referral_state_names[a->kind], referral_state_names[b->kind])
           == 0
           && a->klen == b->klen && memcmp(a->name, b->name, a->klen) == 0;
}


/* the day is the end of the key's name */

int64_t
referral_state_ends(const referral_view_item_t *item)
{
    referral_str_t   day;
    referral_date_t  date;

    if (item->kind != REFERRAL_VIEW_BOARD_DAY || item->klen < REFERRAL_DAY_LEN)
    {
        return 0;
    }

    day.data = (u_char *) item->name + item->klen - REFERRAL_DAY_LEN;
    day.len = REFERRAL_DAY_LEN;

    if (referral_date_parse(&date, &day, 0) != REFERRAL_OK) {
        return 0;
    }

    return date.ms / 1000 + REFERRAL_VIEW_BOARD_DAYS * 86400LL;
}


void
referral_state_name(referral_buf_t *out, const referral_state_t *state,
    const char *name)
{
    referral_buf_str(out, &state->prefix);
    referral_buf_put(out, name, strlen(name));
    referral_buf_puts(out, ":{");
    referral_buf_str(out, &state->program);
    referral_buf_putc(out, '}');
}
