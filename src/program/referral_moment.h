
/*
 * A time with the offset that the program's zone had then: "1764201600000+60"
 * is a moment in milliseconds and 60 minutes east of UTC.  The offset stands
 * beside the time so that the day of an event stays what it was when the
 * program gets another zone.
 */


#ifndef _REFERRAL_MOMENT_H_INCLUDED_
#define _REFERRAL_MOMENT_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_MOMENT_LEN    (sizeof("253402300799999-840") - 1)


/* "ms" is -1 where there is none */

typedef struct {
    int64_t     ms;
    int         minutes;
} referral_moment_t;


/* number of the day, in the program's zone of then */
int64_t referral_moment_day(const referral_moment_t *moment);

/* "-" where there is none */
void referral_moment_put(referral_buf_t *out, const referral_moment_t *moment);

/* takes what referral_moment_put() writes, and the empty text for none */
int referral_moment_parse(referral_moment_t *moment, const referral_str_t *s);

/* the earlier of two, of which either may be none */
referral_moment_t referral_moment_first(const referral_moment_t *a,
    const referral_moment_t *b);


#endif /* _REFERRAL_MOMENT_H_INCLUDED_ */
