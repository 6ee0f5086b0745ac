
/*
 * The result of a click on a short link: one word, the same in events,
 * counters and $referral_result.
 */


#ifndef _REFERRAL_RESULT_H_INCLUDED_
#define _REFERRAL_RESULT_H_INCLUDED_


#include "referral_str.h"


typedef enum {
    REFERRAL_RESULT_LANDING = 0,
    REFERRAL_RESULT_ENDED,
    REFERRAL_RESULT_NOT_STARTED,
    REFERRAL_RESULT_DISABLED,
    REFERRAL_RESULT_PAUSED,
    REFERRAL_RESULT_REFUSED,
    REFERRAL_RESULT_UNRESOLVED,
    REFERRAL_RESULT_UNKNOWN,
    REFERRAL_RESULTS
} referral_result_e;


/* "landing", "ended" and so on, of referral_result_e; static memory */
referral_str_t referral_result_name(unsigned result);


#endif /* _REFERRAL_RESULT_H_INCLUDED_ */
