
/*
 * What the last fact changed, as values of the program's state: entries of the
 * ledger, rewards, wallets, and what is counted of rewards.
 */


#ifndef _REFERRAL_LEDGER_WRITE_H_INCLUDED_
#define _REFERRAL_LEDGER_WRITE_H_INCLUDED_


#include "referral_ledger.h"
#include "referral_view.h"


/* parts of the texts of referral_ledger_writes_t */

typedef struct {
    uint32_t                  at;
    uint32_t                  len;
} referral_ledger_piece_t;


/* of a counter "change" comes to it, of what is none "text" is its value */

typedef struct {
    referral_view_kind_e         kind;
    int64_t                      change;
    referral_ledger_piece_t  key;
    referral_ledger_piece_t  field;
    referral_ledger_piece_t  text;
} referral_ledger_write_t;


/* zeroed it is empty */

typedef struct {
    referral_ledger_write_t  *write;
    size_t                    n;
    size_t                    size;
    u_char                   *text;
    size_t                    used;
    size_t                    text_size;
    unsigned                  failed:1;      /* without memory */
} referral_ledger_writes_t;


/*
 * Adds the writes of the last fact: each reward that it touched stands there
 * once, as it is now.  "decided" is all that was decided as one text, for the
 * chain; it holds until the next call.
 */
void referral_ledger_write(referral_ledger_t *l, referral_ledger_writes_t *w,
    referral_str_t *decided);

/* puts writes from..to into the view */
void referral_ledger_apply(const referral_ledger_writes_t *w, size_t from,
    size_t to, referral_view_t *view);

void referral_ledger_writes_free(referral_ledger_writes_t *w);


#endif /* _REFERRAL_LEDGER_WRITE_H_INCLUDED_ */
