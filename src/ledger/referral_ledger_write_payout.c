
/* money on its way to its owner, until it has arrived or has not */


#include "referral_ledger_core.h"
#include "referral_ledger_draft.h"


/* "OWNER UNIT AMOUNT SINCE"; without a text the field is not there */

void
referral_ledger_write_payouts(referral_ledger_t *l,
    referral_ledger_writes_t *w)
{
    size_t                            i;
    referral_ledger_draft_t           draft;
    const referral_ledger_reserve_t  *payout;

    for (i = 0; i < l->payouts.n; i++) {
        payout = l->payouts.item[i];

        referral_ledger_draft(&draft);
        referral_buf_str(&draft.field, &payout->token);

        if (payout->open) {
            referral_buf_uint(&draft.text, payout->owner->number);
            referral_buf_putc(&draft.text, ' ');
            referral_buf_str(&draft.text, &payout->unit);
            referral_buf_putc(&draft.text, ' ');
            referral_ledger_decimal(&draft.text, payout->price);
            referral_buf_putc(&draft.text, ' ');
            referral_ledger_decimal(&draft.text, payout->since);
        }

        referral_ledger_put(w, REFERRAL_VIEW_PAYOUT, &draft, 0);
    }

    l->payouts.n = 0;
}
