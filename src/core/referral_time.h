
/*
 * Dates: the names of days, hours and minutes in Redis keys, the dates that
 * operators write, and offsets from UTC.  All times are milliseconds since
 * 1970-01-01T00:00:00Z; years 1970 to 9999.
 */


#ifndef _REFERRAL_TIME_H_INCLUDED_
#define _REFERRAL_TIME_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_DAY_MS     86400000LL
#define REFERRAL_TIME_MAX   253402300799999LL   /* the end of the year 9999 */
#define REFERRAL_OFFSET_MAX (14 * 60)           /* minutes, east or west */

#define REFERRAL_DAY_LEN    (sizeof("2026-11-22") - 1)
#define REFERRAL_HOUR_LEN   (sizeof("2026-11-22T13") - 1)
#define REFERRAL_MINUTE_LEN (sizeof("2026-11-22T13:05") - 1)
#define REFERRAL_SECOND_LEN (sizeof("2026-11-22T13:05:09Z") - 1)

/* for those who are told that theirs is none */
#define REFERRAL_DATE_RIGHT                                                   \
    "\"2026-12-01\", \"2026-12-01T10:30\" or \"2026-12-01T10:30:00+09:00\""


/*
 * A date as an operator wrote it.  "local": no zone was given, so "ms" is
 * what a clock on the program's wall shows; compare it with now + offset.
 * "set" is 0 where there is none.
 */

typedef struct {
    int64_t     ms;
    uint8_t     set;
    uint8_t     local;
} referral_date_t;


/*
 * "2026-12-01", "2026-12-01T10:30", "2026-12-01T10:30:15.25", the times also
 * with an offset; all that RFC 3339 allows, and what has one meaning only:
 * "t" and "z", a space for the "T" and before the offset, ISO 8601's forms
 * without dashes and colons and its weeks ("2026-W49-2"), a zone's name in
 * brackets behind the offset.  A date alone is its first millisecond, or with
 * "last" its last; a time is itself, with "last" to the end of its minute or
 * second.  What lies before 1970 or after 9999 is the first or the last
 * moment of these.
 */
int referral_date_parse(referral_date_t *date, const referral_str_t *s,
    int last);

/* offset in minutes */
int referral_date_reached(const referral_date_t *date, int64_t now,
    int offset);

/*
 * "+09:00", "-0330", "+9", "Z", "UTC", "GMT": minutes east of UTC, at most
 * 14 hours
 */
int referral_offset_parse(int *minutes, const referral_str_t *s);

/* a static sentence for what is no offset: what would be right */
const char *referral_offset_wrong(const referral_str_t *s);

/* "30d", "12h", "90m", "45s", "45": seconds, 1 s to max */
int referral_duration_parse(int64_t *seconds, const referral_str_t *s,
    int64_t max);

/*
 * The names of the day, hour, minute and second that hold "ms" (plus
 * "offset" minutes for a day); each writes exactly as many bytes as its
 * REFERRAL_*_LEN says.
 */
void referral_time_day(u_char *out, int64_t ms, int offset);
void referral_time_hour(u_char *out, int64_t ms);
void referral_time_minute(u_char *out, int64_t ms);
void referral_time_second(u_char *out, int64_t ms);

/* the last moment up to "now" whose lower 32 bits are those of "cut" */
int64_t referral_time_whole(int64_t now, uint32_t cut);

/* number of the day that holds "ms", at "offset" minutes east */
int64_t referral_time_day_number(int64_t ms, int offset);


#endif /* _REFERRAL_TIME_H_INCLUDED_ */
