
/*
 * Time zones: from the bytes of a TZif file (RFC 9636) to a compact table, and
 * what it says of an instant or of a local date.  Times are milliseconds since
 * 1970-01-01T00:00:00Z, years 1970 to 9999; before them holds what held at
 * their start.  Offsets are seconds east of UTC.  There are no leap seconds.
 */


#ifndef _REFERRAL_TIMEZONE_H_INCLUDED_
#define _REFERRAL_TIMEZONE_H_INCLUDED_


#include "referral_str.h"
#include "referral_time.h"


/* bytes at most */

#define REFERRAL_TIMEZONE_MAX       64       /* of a name */
#define REFERRAL_TIMEZONE_WRONG     192      /* of a sentence */
#define REFERRAL_TIMEZONE_FILE_MAX  65536

/* for those whose name is none by its letters alone */

#define REFERRAL_TIMEZONE_RIGHT                                               \
    "a time zone is a name such as \"Europe/Berlin\"; an offset such as "     \
    "\"+01:00\" is for \"utc_offset\""

/* enough for what referral_timezone_compile() writes */

#define REFERRAL_TIMEZONE_SIZE      32768


/* no pointers: it is copied and compared as bytes; aligned to 8 */

typedef struct referral_timezone_s  referral_timezone_t;


typedef struct {
    int64_t                     at;      /* ms */
    int                         offset;  /* from then on */
} referral_timezone_change_t;


/* all zones of a system; a zone lives as long as its table */

typedef struct referral_timezones_s  referral_timezones_t;


/*
 * Up to three words of [A-Za-z0-9_+-] with "/" between, such as
 * "America/Argentina/Salta"; no more is asked.
 */
int referral_timezone_valid(const referral_str_t *name);

/*
 * Appends the zone to "out", which is aligned.  REFERRAL_DECLINED: the bytes
 * are no TZif file at all; REFERRAL_ERROR: one that is damaged, counts leap
 * seconds or is not within 14 hours of UTC.  Both with *err, a static text.
 */
int referral_timezone_compile(referral_buf_t *out, const referral_str_t *file,
    const char **err);

int referral_timezone_offset(const referral_timezone_t *zone, int64_t ms);

/* the same in whole minutes, rounded down: only Liberia had others, in 1971 */
int referral_timezone_minutes(const referral_timezone_t *zone, int64_t ms);

/* the first change after "ms"; 0: there is none */
int referral_timezone_next(const referral_timezone_t *zone, int64_t ms,
    referral_timezone_change_t *change);

/*
 * What holds from "from" to "until", both included: first what holds at
 * "from", then each change.  Writes at most max; returns how many there are.
 */
size_t referral_timezone_changes(const referral_timezone_t *zone,
    int64_t from, int64_t until, referral_timezone_change_t *changes,
    size_t max);

/*
 * "local" is what a clock on the wall shows, as in referral_date_t.  The first
 * instant at which it shows that or more, the last at which it shows that or
 * less: where clocks are set back and show a time twice, these are its first
 * and its second time; what is left out where they are set forward begins and
 * ends at that moment.
 */
int64_t referral_timezone_first(const referral_timezone_t *zone,
    int64_t local);
int64_t referral_timezone_last(const referral_timezone_t *zone, int64_t local);

/*
 * Has the date come?  With "last" the date is what referral_date_parse() gives
 * with it: is it over?  "zone" may be NULL: then "offset" minutes hold.
 */
int referral_timezone_reached(const referral_timezone_t *zone, int offset,
    const referral_date_t *date, int64_t now, int last);


/* NULL: no memory */
referral_timezones_t *referral_timezones_create(void);
void referral_timezones_free(referral_timezones_t *zones);

/*
 * Adds a zone of that name; those with the same content share one.  Results
 * are those of referral_timezone_compile(), and REFERRAL_ERROR with *err for
 * a name that is none or is there, too many of them, and without memory.
 */
int referral_timezones_add(referral_timezones_t *zones,
    const referral_str_t *name, const referral_str_t *file, const char **err);

size_t referral_timezones_count(const referral_timezones_t *zones);

/* the i-th by name */
referral_str_t referral_timezones_name(const referral_timezones_t *zones,
    size_t i);

/* bytes of memory */
size_t referral_timezones_size(const referral_timezones_t *zones);

/* NULL: there is none of that name; "zones" may be NULL */
const referral_timezone_t *referral_timezones_find(
    const referral_timezones_t *zones, const referral_str_t *name);

/* the name that may have been meant by one that is none; empty: none is near */
referral_str_t referral_timezones_near(const referral_timezones_t *zones,
    const referral_str_t *name);

/*
 * Writes to "text" why the name is none of these zones and what would be
 * right; a terminated sentence without the name.
 */
void referral_timezones_wrong(const referral_timezones_t *zones,
    const referral_str_t *name, char text[REFERRAL_TIMEZONE_WRONG]);


#endif /* _REFERRAL_TIMEZONE_H_INCLUDED_ */
