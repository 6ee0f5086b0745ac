
/*
 * The decision: a fact, on some terms, and the part of the state that it
 * concerns, become the state after it.  There is no clock here, no I/O and no
 * floating point; the process that serves Redis and the replay of a stream in
 * memory call the same functions.
 *
 * What is counted is a function of what is known of friends and orders: a fact
 * changes a record, and what the record counted before is taken back as what it
 * counts now is added.  So events of an order, and of a friend, may come in any
 * order.
 */


#ifndef _REFERRAL_SETTLE_H_INCLUDED_
#define _REFERRAL_SETTLE_H_INCLUDED_


#include "referral_chain.h"
#include "referral_fact.h"
#include "referral_terms.h"
#include "referral_view.h"


/*
 * Number of what is decided here: another result for the same facts is another
 * engine.  1 had no amounts and refunds by dimension, and no days of amounts,
 * refunds and links.
 */

#define REFERRAL_SETTLE_ENGINE  2

/* of a program that has rewards: whoever knows of none must leave it alone */

#define REFERRAL_SETTLE_ENGINE_REWARDS  3


typedef struct referral_settle_entry_s  referral_settle_entry_t;


typedef struct {
    referral_view_t           view;
    uint64_t                  position;   /* the last fact that is decided */
    u_char                    chain[REFERRAL_CHAIN_SIZE];
    int64_t                   newest_at;  /* ms; -1: no event yet */

    /* what the fact at hand counts; memory that is used again */
    referral_settle_entry_t  *entry;
    size_t                    nentries;
    size_t                    size;
    u_char                   *text;
    size_t                    text_size;
} referral_settle_t;


/* REFERRAL_ERROR: without memory */
int referral_settle_init(referral_settle_t *s, int complete);
void referral_settle_free(referral_settle_t *s);

/* to the state before the first fact, or to where a program stands */
void referral_settle_reset(referral_settle_t *s);

/*
 * Puts on the list of the view's wanted what is known of a fact before it is
 * decided, so that many facts are loaded at once.
 */
void referral_settle_needs(referral_settle_t *s, const referral_fact_t *fact);

/*
 * Decides the fact after s->position.  REFERRAL_AGAIN: nothing was decided,
 * load what the view wants and call again.  REFERRAL_ERROR: the fact cannot be
 * decided, *why is a static text, nothing was changed.  REFERRAL_DECLINED:
 * without memory, or a counter left int64; the view is to be cleared.
 */
int referral_settle_decide(referral_settle_t *s, const referral_fact_t *fact,
    const referral_terms_t *terms, const char **why);

/* goes past a fact that need not even be one, by an operator's word */
void referral_settle_skip(referral_settle_t *s, const referral_fact_t *fact);


#endif /* _REFERRAL_SETTLE_H_INCLUDED_ */
