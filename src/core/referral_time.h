
/*
 * Dates: the names of days, hours and minutes in Redis keys, the dates that
 * operators write, and offsets from UTC.  Times are milliseconds since
 * 1970-01-01T00:00:00Z, from 1970 to the end of 9999.
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

/* what error messages about dates name as right */
#define REFERRAL_DATE_RIGHT                                                   \
    "\"2026-12-01\", \"2026-12-01T10:30\" or \"2026-12-01T10:30:00+09:00\""


/*
 * A date as an operator wrote it.  "local": without a time zone, so "ms" is
 * local time of the program and is compared with now + offset.  "set": 0 if
 * there is no date.
 */

typedef struct {
    int64_t     ms;
    uint8_t     set;
    uint8_t     local;
} referral_date_t;


/*
 * Reads "2026-12-01", "2026-12-01T10:30" or "2026-12-01T10:30:15.25", the
 * times with or without an offset.  Accepted are all of RFC 3339 and the other
 * forms that are unambiguous: "t" and "z", a space for the "T" and before the
 * offset, ISO 8601 without dashes and colons and with weeks ("2026-W49-2"),
 * the name of a time zone in brackets behind the offset.
 *
 * A date without a time is its first millisecond, with "last" its last.  A
 * time is itself, with "last" the end of its minute or second.  Dates before
 * 1970 or after 9999 become the first or the last moment of that range.
 */
int referral_date_parse(referral_date_t *date, const referral_str_t *s,
    int last);

/*
 * Has the date been reached at "now"?  "offset" is the program's, in minutes.
 */
int referral_date_reached(const referral_date_t *date, int64_t now,
    int offset);

/*
 * "+09:00", "-0330", "+9", "Z", "UTC" or "GMT": minutes east of UTC, of at
 * most REFERRAL_OFFSET_MAX.
 */
int referral_offset_parse(int *minutes, const referral_str_t *s);

/* a static sentence that says what would be right instead of "s" */
const char *referral_offset_wrong(const referral_str_t *s);

/* "30d", "12h", "90m", "45s", "45": seconds, from 1 to max */
int referral_duration_parse(int64_t *seconds, const referral_str_t *s,
    int64_t max);

/*
 * Write the name of the day, hour, minute or second that "ms" lies in, exactly
 * as many bytes as REFERRAL_*_LEN says.  Days are those "offset" minutes east
 * of UTC, the others in UTC.
 */
void referral_time_day(u_char *out, int64_t ms, int offset);
void referral_time_hour(u_char *out, int64_t ms);
void referral_time_minute(u_char *out, int64_t ms);
void referral_time_second(u_char *out, int64_t ms);

/* the latest time not after "now" whose lower 32 bits are "cut" */
int64_t referral_time_whole(int64_t now, uint32_t cut);

/*
 * The number of the day, since 1970, that "ms" lies in, "offset" minutes east.
 */
int64_t referral_time_day_number(int64_t ms, int offset);


#endif /* _REFERRAL_TIME_H_INCLUDED_ */
