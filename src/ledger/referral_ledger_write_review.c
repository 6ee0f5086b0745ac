
/*
 * Friends in review: since when, with which score and signals, and what ends
 * it.
 */


#include "referral_ledger_core.h"
#include "referral_ledger_draft.h"


static void referral_ledger_write_review(referral_ledger_writes_t *w,
    const referral_ledger_person_t *friend);


void
referral_ledger_write_reviews(referral_ledger_t *l,
    referral_ledger_writes_t *w)
{
    size_t  i;

    for (i = 0; i < l->reviewed.n; i++) {
        referral_ledger_write_review(w, l->reviewed.item[i]);
    }

    l->reviewed.n = 0;
}


/* "SINCE SCORE ENDS THEN SIGNALS"; without a text the field is not there */

static void
referral_ledger_write_review(referral_ledger_writes_t *w,
    const referral_ledger_person_t *friend)
{
    unsigned                 i, n;
    referral_ledger_draft_t  draft;

    referral_ledger_draft(&draft);
    referral_buf_uint(&draft.field, friend->number);

    if (friend->review) {
        referral_ledger_decimal(&draft.text, friend->review_since);
        referral_buf_putc(&draft.text, ' ');
        referral_buf_uint(&draft.text, friend->review_score);
        referral_buf_putc(&draft.text, ' ');

        if (friend->review_ends == -1) {
            referral_buf_putc(&draft.text, '-');

        } else {
            referral_ledger_decimal(&draft.text, friend->review_ends);
        }

        if (friend->review_approves) {
            referral_buf_puts(&draft.text, " approve ");

        } else {
            referral_buf_puts(&draft.text, " wait ");
        }

        for (i = 0, n = 0; i < REFERRAL_FRAUD_SIGNALS; i++) {

            if (!(friend->review_signals & 1U << i)) {
                continue;
            }

            if (n++) {
                referral_buf_putc(&draft.text, ',');
            }

            referral_buf_str(&draft.text, referral_ledger_signal_name(i));
        }
    }

    referral_ledger_put(w, REFERRAL_VIEW_REVIEW, &draft, 0);
}
