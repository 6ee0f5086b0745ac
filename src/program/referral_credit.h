
/*
 * Whom an event is credited to: a referrer, by a code, by a click with the
 * words that the click was counted under.
 */


#ifndef _REFERRAL_CREDIT_H_INCLUDED_
#define _REFERRAL_CREDIT_H_INCLUDED_


#include "referral_fact.h"
#include "referral_moment.h"
#include "referral_terms.h"


typedef enum {
    REFERRAL_CREDIT_COUNTRY = 0,
    REFERRAL_CREDIT_CHANNEL,
    REFERRAL_CREDIT_VARIANT,
    REFERRAL_CREDIT_DEVICE,
    REFERRAL_CREDIT_SEGMENT,
    REFERRAL_CREDIT_WORDS
} referral_credit_word_e;


/* the texts belong to the fact or to the value that they were read from */

typedef struct {
    uint64_t                 referrer;    /* number; 0: the link has none */
    referral_str_t           code;
    referral_moment_t        click;
    referral_str_t           word[REFERRAL_CREDIT_WORDS];
} referral_credit_t;


/* of a fact that has a "via" */
void referral_credit_of(referral_credit_t *credit, const referral_fact_t *fact,
    const referral_terms_t *terms);

/* one word: REFERRER,CODE,CLICK and the others, "-" for what is empty */
void referral_credit_put(referral_buf_t *out, const referral_credit_t *credit);
int referral_credit_parse(referral_credit_t *credit, const referral_str_t *s);

/* the same referrer by the same code, whatever the click */
int referral_credit_alike(const referral_credit_t *a,
    const referral_credit_t *b);

/* 0: the same to the last word; else an order that does not change */
int referral_credit_compare(const referral_credit_t *a,
    const referral_credit_t *b);

/* moves "s" past the text before the next "c", or past all of it; 0: empty */
int referral_credit_cut(referral_str_t *s, u_char c, referral_str_t *part);


#endif /* _REFERRAL_CREDIT_H_INCLUDED_ */
