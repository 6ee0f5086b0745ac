
/*
 * What the files of referral_timezone.h share: a zone as it lies in memory,
 * in seconds, and the rule that holds after its last change.
 */


#ifndef _REFERRAL_TIMEZONE_CORE_H_INCLUDED_
#define _REFERRAL_TIMEZONE_CORE_H_INCLUDED_


#include "referral_timezone.h"


/* as long as a record of a click can hold it */

#define REFERRAL_TIMEZONE_OFFSET_MAX  (14 * 3600)

/* the last second of the year 9999 */

#define REFERRAL_TIMEZONE_TIME_MAX    253402300799LL


/* the day of the year at which clocks are set */

typedef enum {
    REFERRAL_TIMEZONE_JULIAN = 0,        /* 1 to 365, February 29 not counted */
    REFERRAL_TIMEZONE_YEARDAY,           /* 0 to 365 */
    REFERRAL_TIMEZONE_WEEKDAY            /* of a week of a month */
} referral_timezone_form_e;


typedef struct {
    uint8_t                     form;
    uint8_t                     month;   /* 1 to 12 */
    uint8_t                     week;    /* 1 to 5, 5 is the last */
    uint8_t                     weekday; /* 0 is Sunday */
    int32_t                     day;
    int32_t                     time;    /* of the wall, may leave the day */
} referral_timezone_date_t;


/*
 * "set" is 0 where clocks are not set any more; "inner": no change is near the
 * end of a year, which none of today's is.
 */

typedef struct {
    uint32_t                    set;
    uint32_t                    inner;
    int32_t                     standard;
    int32_t                     summer;
    referral_timezone_date_t    starts;  /* summer, by a clock of "standard" */
    referral_timezone_date_t    ends;    /* by a clock of "summer" */
} referral_timezone_rule_t;


typedef struct {
    int64_t                     at;      /* seconds */
    int32_t                     offset;
    int32_t                     unused;
} referral_timezone_step_t;


/* the rule's changes count if they come after "since" */

struct referral_timezone_s {
    uint32_t                    n;
    int32_t                     offset;  /* before the first step */
    int64_t                     since;
    referral_timezone_rule_t    rule;
    referral_timezone_step_t    step[];
};


/*
 * A TZ string of POSIX.  The rule is not set where it has no summer time, or
 * where that never ends.  REFERRAL_ERROR with *err: it is none.
 */
int referral_timezone_rule_parse(referral_timezone_rule_t *rule,
    const referral_str_t *s, const char **err);

/* the last change of the rule up to "now", seconds from 1970 on */
int64_t referral_timezone_rule_last(const referral_timezone_rule_t *rule,
    int64_t now, int32_t *offset);

/* the first change that the rule may have after "now" */
int64_t referral_timezone_rule_next(const referral_timezone_rule_t *rule,
    int64_t now);

/* in seconds */
int32_t referral_timezone_at(const referral_timezone_t *zone, int64_t now);


#endif /* _REFERRAL_TIMEZONE_CORE_H_INCLUDED_ */
