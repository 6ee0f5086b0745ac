
/*
 * A click by its id, as referral_batch.c writes it to Redis:
 *
 *     CODE VISITOR AT FIRST_CODE FIRST_AT FIRST_CLICK_ID COUNTRY …
 *
 * "-" is nothing; "=" in the first touch is this click itself.
 */


#ifndef _REFERRAL_CLICK_VALUE_H_INCLUDED_
#define _REFERRAL_CLICK_VALUE_H_INCLUDED_


#include "referral_code.h"
#include "referral_id.h"
#include "referral_str.h"


typedef struct {
    referral_str_t      code;
    referral_str_t      first_code;
    u_char              first_click_id[REFERRAL_CLICK_ID_SIZE];
    u_char              visitor[REFERRAL_VISITOR_SIZE];
    unsigned            has_visitor:1;   /* not so without consent */
} referral_click_value_t;


/*
 * The texts point into "value".  "click_id" is that of the click.  More words
 * than are known here are passed over; REFERRAL_ERROR: it is no such value.
 */
int referral_click_value_parse(referral_click_value_t *click,
    const u_char *click_id, const referral_str_t *value);


#endif /* _REFERRAL_CLICK_VALUE_H_INCLUDED_ */
