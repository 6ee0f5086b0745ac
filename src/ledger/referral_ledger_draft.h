
/*
 * A write on its way: its parts grow one after the other, and are kept with
 * those of the writes before it.
 */


#ifndef _REFERRAL_LEDGER_DRAFT_H_INCLUDED_
#define _REFERRAL_LEDGER_DRAFT_H_INCLUDED_


#include "referral_ledger_write.h"


#define REFERRAL_LEDGER_DRAFT  1024      /* of one write's parts, at most */


typedef struct {
    u_char                key_data[REFERRAL_LEDGER_DRAFT];
    u_char                field_data[REFERRAL_LEDGER_DRAFT];
    u_char                text_data[REFERRAL_LEDGER_DRAFT];
    referral_buf_t        key;
    referral_buf_t        field;
    referral_buf_t        text;
} referral_ledger_draft_t;


void referral_ledger_draft(referral_ledger_draft_t *draft);

/* a name and its value, a line each; of -1 the value is empty */
void referral_ledger_pair(referral_buf_t *buf, const char *name,
    const referral_str_t *value);
void referral_ledger_pair_number(referral_buf_t *buf, const char *name,
    int64_t n);

void referral_ledger_decimal(referral_buf_t *buf, int64_t n);

/* without memory, or where a part did not fit, the writes are marked failed */
void referral_ledger_put(referral_ledger_writes_t *w,
    referral_view_kind_e kind, const referral_ledger_draft_t *draft,
    int64_t change);
referral_ledger_piece_t referral_ledger_keep(referral_ledger_writes_t *w,
    const referral_buf_t *buf);

/* who became a customer since the last call, and who is none any more */
void referral_ledger_write_customers(referral_ledger_t *l,
    referral_ledger_writes_t *w);

/* whose review began, changed or ended since the last call */
void referral_ledger_write_reviews(referral_ledger_t *l,
    referral_ledger_writes_t *w);

/* payouts that began or ended since the last call */
void referral_ledger_write_payouts(referral_ledger_t *l,
    referral_ledger_writes_t *w);

/* what others are told of the last fact, before its rewards are "written" */
void referral_ledger_outbox(referral_ledger_t *l, referral_ledger_writes_t *w);


#endif /* _REFERRAL_LEDGER_DRAFT_H_INCLUDED_ */
