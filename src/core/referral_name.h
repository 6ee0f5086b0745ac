
/*
 * What the names of programs and referrers may consist of, and the words that
 * are counted: channels, segments and variants.  For codes see
 * referral_code.h.
 */


#ifndef _REFERRAL_NAME_H_INCLUDED_
#define _REFERRAL_NAME_H_INCLUDED_


#include "referral_str.h"


/* limits in bytes */

#define REFERRAL_PROGRAM_MAX   64
#define REFERRAL_REFERRER_MAX  64
#define REFERRAL_NAME_MAX      128    /* of a person, as shown to visitors */
#define REFERRAL_OFFER_MAX     256    /* what a friend gets, likewise */
#define REFERRAL_SEGMENT_MAX   32
#define REFERRAL_CHANNEL_MAX   32

/* how long after a click a sale is credited to it, in seconds */

#define REFERRAL_WINDOW_DEFAULT  (30 * 86400)
#define REFERRAL_WINDOW_MAX      (400 * 86400)

/* and how many later than it happened a sale may be told */

#define REFERRAL_LATE_DEFAULT    (60 * 86400)
#define REFERRAL_LATE_MAX        (400 * 86400)


/* [a-z0-9_.-]{1,64} */
int referral_program_valid(const referral_str_t *s);

/* [a-z0-9_.-]{1,32}: channels, segments, variants */
int referral_word_valid(const referral_str_t *s);

/* [A-Za-z0-9_.@+-]{1,64}: the id of a referrer */
int referral_referrer_valid(const referral_str_t *s);


#endif /* _REFERRAL_NAME_H_INCLUDED_ */
