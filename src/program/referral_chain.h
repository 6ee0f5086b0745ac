
/*
 * SHA-256, for the place of an order's id and for the chain: each fact's link
 * is that of the value before, of the entry's bytes and of what was decided,
 * so two who settled the same facts the same way have the same value.
 */


#ifndef _REFERRAL_CHAIN_H_INCLUDED_
#define _REFERRAL_CHAIN_H_INCLUDED_


#include "referral_fact.h"


#define REFERRAL_CHAIN_SIZE    32

/*
 * Where an id is filed: hexadecimal digits of its SHA-256, the first three for
 * the bucket, the next 22 for the field in it
 */

#define REFERRAL_PLACE_BUCKET  3
#define REFERRAL_PLACE_FIELD   22
#define REFERRAL_PLACE_LEN     (REFERRAL_PLACE_BUCKET + REFERRAL_PLACE_FIELD)


/* writes REFERRAL_PLACE_LEN digits, bucket first */
void referral_chain_place(u_char *out, const referral_str_t *id);

/* in place: "chain" of REFERRAL_CHAIN_SIZE becomes the next value */
void referral_chain_step(u_char *chain, const referral_fact_t *fact,
    const referral_str_t *decided);


#endif /* _REFERRAL_CHAIN_H_INCLUDED_ */
