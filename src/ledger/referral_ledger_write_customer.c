
/* new customers, in the counts of the program, of links and of referrers */


#include "referral_ledger_core.h"
#include "referral_ledger_draft.h"
#include "referral_time.h"


static void referral_ledger_write_customer(referral_ledger_writes_t *w,
    const referral_ledger_person_t *friend);
static void referral_ledger_write_customer_count(referral_ledger_writes_t *w,
    referral_view_kind_e kind, const referral_str_t *suffix, int64_t change);
static void referral_ledger_write_customer_day(referral_ledger_writes_t *w,
    const u_char *day, const referral_str_t *suffix, int64_t change);


void
referral_ledger_write_customers(referral_ledger_t *l,
    referral_ledger_writes_t *w)
{
    size_t                     i;
    referral_ledger_person_t  *friend;

    for (i = 0; i < l->customers.n; i++) {
        friend = l->customers.item[i];

        if (friend->customer != friend->customer_told) {
            referral_ledger_write_customer(w, friend);
            friend->customer_told = friend->customer;
        }
    }

    l->customers.n = 0;
}


static void
referral_ledger_write_customer(referral_ledger_writes_t *w,
    const referral_ledger_person_t *friend)
{
    u_char           data[REFERRAL_LEDGER_DRAFT], day[REFERRAL_DAY_LEN];
    int64_t          change;
    referral_buf_t   buf;
    referral_str_t   suffix;

    change = friend->customer ? 1 : -1;
    referral_time_day(day, friend->customer_at, friend->customer_minutes);

    suffix.data = data;
    suffix.len = 0;

    referral_ledger_write_customer_count(w, REFERRAL_VIEW_STATS, &suffix,
                                         change);
    referral_ledger_write_customer_day(w, day, &suffix, change);

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_putc(&buf, ':');
    referral_buf_put(&buf, day, sizeof(day));
    suffix.len = buf.pos - data;
    referral_ledger_write_customer_count(w, REFERRAL_VIEW_DAY, &suffix,
                                         change);

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_putc(&buf, ':');
    referral_buf_uint(&buf, friend->customer_by->referrer);
    suffix.len = buf.pos - data;
    referral_ledger_write_customer_count(w, REFERRAL_VIEW_PROGRESS, &suffix,
                                         change);

    if (friend->customer_by->code.len == 0) {
        return;
    }

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_putc(&buf, ':');
    referral_buf_str(&buf, &friend->customer_by->code);
    suffix.len = buf.pos - data;
    referral_ledger_write_customer_count(w, REFERRAL_VIEW_STATS, &suffix,
                                         change);
    referral_ledger_write_customer_day(w, day, &suffix, change);
}


/* "suffix" is what follows the program in the name of the key */

static void
referral_ledger_write_customer_count(referral_ledger_writes_t *w,
    referral_view_kind_e kind, const referral_str_t *suffix, int64_t change)
{
    referral_ledger_draft_t  draft;

    referral_ledger_draft(&draft);
    referral_buf_str(&draft.key, suffix);
    referral_buf_puts(&draft.field, "customers");

    referral_ledger_put(w, kind, &draft, change);
}


static void
referral_ledger_write_customer_day(referral_ledger_writes_t *w,
    const u_char *day, const referral_str_t *suffix, int64_t change)
{
    referral_ledger_draft_t  draft;

    referral_ledger_draft(&draft);
    referral_buf_puts(&draft.key, ":customers");
    referral_buf_putc(&draft.key, REFERRAL_VIEW_PROGRAM);
    referral_buf_str(&draft.key, suffix);
    referral_buf_put(&draft.field, day, REFERRAL_DAY_LEN);

    referral_ledger_put(w, REFERRAL_VIEW_DAYS, &draft, change);
}
