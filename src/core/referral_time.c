#include "referral_time.h"


/* some languages write "0001-01-01" for "no date" */

#define REFERRAL_YEAR_MIN    1


typedef struct {
    int      year;
    int      month;       /* 1 to 12 */
    int      day;         /* 1 to 31 */
} referral_civil_t;


typedef struct {
    int64_t  ms;          /* in the day, to the second or minute */
    int64_t  whole;       /* length of that second or minute */
    int      fraction;    /* milliseconds */
    int      leap;        /* the second was 60 */
} referral_clock_t;


static int referral_day_take(referral_str_t *left, int64_t *ms);
static int referral_week_days(int64_t *days, int year, int week, int day);
static int referral_clock_take(referral_str_t *left, referral_clock_t *clock);
static int referral_fraction_take(referral_str_t *left, int *ms);
static int referral_clock_leap(const referral_clock_t *clock, int offset,
    int local);
static int referral_zone_parse(int *minutes, const referral_str_t *s);
static int referral_char_take(referral_str_t *left, u_char c, u_char other);
static int referral_digits_take(referral_str_t *left, size_t n);
static int64_t referral_civil_days(const referral_civil_t *civil);
static void referral_civil_set(referral_civil_t *civil, int64_t days);
static int referral_civil_valid(const referral_civil_t *civil);
static int64_t referral_time_bound(int64_t ms);
static int referral_digits(const u_char *p, int n);
static u_char *referral_put_digits(u_char *p, int n, int value);


int
referral_date_parse(referral_date_t *date, const referral_str_t *s, int last)
{
    int               offset;
    int64_t           ms, whole;
    referral_str_t    left;
    referral_clock_t  clock;

    date->ms = 0;
    date->set = 0;
    date->local = 1;

    left = *s;
    offset = 0;

    if (referral_day_take(&left, &ms) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    whole = REFERRAL_DAY_MS;

    if (left.len) {

        if (referral_clock_take(&left, &clock) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }

        if (left.len) {

            if (referral_zone_parse(&offset, &left) != REFERRAL_OK) {
                return REFERRAL_ERROR;
            }

            date->local = 0;
        }

        if (clock.leap && !referral_clock_leap(&clock, offset, date->local)) {
            return REFERRAL_ERROR;
        }

        /*
         * With "last" the whole second is meant, so its fraction does not
         * count.
         */

        ms += clock.ms + (last ? 0 : clock.fraction) - offset * 60000LL;
        whole = clock.whole;
    }

    if (last) {
        ms += whole - 1;
    }

    date->ms = referral_time_bound(ms);
    date->set = 1;

    return REFERRAL_OK;
}


/* "2026-12-01", "20261201", "2026-W49-2" or "2026W492" */

static int
referral_day_take(referral_str_t *left, int64_t *ms)
{
    int               week, day, dash;
    int64_t           days;
    referral_civil_t  civil;

    civil.year = referral_digits_take(left, 4);
    dash = referral_char_take(left, '-', '-');

    if (civil.year < 0) {
        return REFERRAL_ERROR;
    }

    if (referral_char_take(left, 'W', 'w')) {
        week = referral_digits_take(left, 2);

        if (referral_char_take(left, '-', '-') != dash) {
            return REFERRAL_ERROR;
        }

        day = referral_digits_take(left, 1);

        if (referral_week_days(&days, civil.year, week, day) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }

        *ms = days * REFERRAL_DAY_MS;

        return REFERRAL_OK;
    }

    civil.month = referral_digits_take(left, 2);

    if (referral_char_take(left, '-', '-') != dash) {
        return REFERRAL_ERROR;
    }

    civil.day = referral_digits_take(left, 2);

    if (!referral_civil_valid(&civil)) {
        return REFERRAL_ERROR;
    }

    *ms = referral_civil_days(&civil) * REFERRAL_DAY_MS;

    return REFERRAL_OK;
}


/* a week belongs to the year of its Thursday, so January 4 is in week 1 */

static int
referral_week_days(int64_t *days, int year, int week, int day)
{
    int64_t           monday;
    referral_civil_t  civil;

    if (year < 1970 || week < 1 || week > 53 || day < 1 || day > 7) {
        return REFERRAL_ERROR;
    }

    civil.year = year;
    civil.month = 1;
    civil.day = 4;

    /* day 0, 1970-01-01, was a Thursday */

    monday = referral_civil_days(&civil);
    monday -= (monday + 3) % 7;
    monday += (week - 1) * 7;

    referral_civil_set(&civil, monday + 3);

    if (civil.year != year) {
        return REFERRAL_ERROR;
    }

    *days = monday + day - 1;

    return REFERRAL_OK;
}


/* "T10:30", "T10:30:15", "T10:30:15.25", also without colons */

static int
referral_clock_take(referral_str_t *left, referral_clock_t *clock)
{
    int  hour, min, sec, colon;

    if (!referral_char_take(left, 'T', 't')
        && !referral_char_take(left, ' ', ' '))
    {
        return REFERRAL_ERROR;
    }

    hour = referral_digits_take(left, 2);
    colon = referral_char_take(left, ':', ':');
    min = referral_digits_take(left, 2);
    sec = 0;

    clock->whole = 60000;
    clock->fraction = 0;

    if (colon ? referral_char_take(left, ':', ':')
              : (left->len && referral_digits(left->data, 1) >= 0))
    {
        sec = referral_digits_take(left, 2);
        clock->whole = 1000;

        if (referral_fraction_take(left, &clock->fraction) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }
    }

    if (hour < 0 || hour > 23 || min < 0 || min > 59 || sec < 0 || sec > 60) {
        return REFERRAL_ERROR;
    }

    /* Unix time has no leap second: it becomes the end of second 59 */

    clock->leap = (sec == 60);

    if (clock->leap) {
        sec = 59;
        clock->fraction = 999;
    }

    clock->ms = ((hour * 60 + min) * 60 + sec) * 1000LL;

    return REFERRAL_OK;
}


/* a fraction of any length, in milliseconds; 0 if there is none */

static int
referral_fraction_take(referral_str_t *left, int *ms)
{
    int  digit, unit;

    *ms = 0;

    if (!referral_char_take(left, '.', ',')) {
        return REFERRAL_OK;
    }

    digit = referral_digits_take(left, 1);

    if (digit < 0) {
        return REFERRAL_ERROR;
    }

    for (unit = 100; digit >= 0; unit /= 10) {
        *ms += digit * unit;
        digit = referral_digits_take(left, 1);
    }

    return REFERRAL_OK;
}


/*
 * Leap seconds come at midnight UTC, which is a full quarter of an hour at
 * every offset.
 */

static int
referral_clock_leap(const referral_clock_t *clock, int offset, int local)
{
    int64_t  minute;

    minute = clock->ms / 60000 - offset + 1;

    return minute % (local ? 15 : 24 * 60) == 0;
}


/*
 * An offset, with or without a blank before it; the name of a time zone behind
 * it is skipped.
 */

static int
referral_zone_parse(int *minutes, const referral_str_t *s)
{
    u_char          *p;
    referral_str_t   zone;

    zone = *s;

    while (zone.len && zone.data[zone.len - 1] == ']') {

        do {
            zone.len--;
        } while (zone.len && zone.data[zone.len] != '[');

        p = zone.data + zone.len + 1;

        /* RFC 9557: "[!" demands that an unknown zone be refused */

        if (zone.len == 0 || *p == '!' || *p == ']') {
            return REFERRAL_ERROR;
        }
    }

    (void) referral_char_take(&zone, ' ', ' ');

    return referral_offset_parse(minutes, &zone);
}


int
referral_date_reached(const referral_date_t *date, int64_t now, int offset)
{
    if (!date->set) {
        return 0;
    }

    if (date->local) {
        now += offset * 60000LL;
    }

    return now >= date->ms;
}


int
referral_offset_parse(int *minutes, const referral_str_t *s)
{
    int             hour, min, west;
    referral_str_t  left;

    if (referral_str_is_nocase(s, "z") || referral_str_is_nocase(s, "utc")
        || referral_str_is_nocase(s, "gmt"))
    {
        *minutes = 0;
        return REFERRAL_OK;
    }

    left = *s;
    west = referral_char_take(&left, '-', '-');

    if (!west && !referral_char_take(&left, '+', '+')) {

        /* U+2212, the typographic minus sign */

        if (left.len < 3 || memcmp(left.data, "\xe2\x88\x92", 3) != 0) {
            return REFERRAL_ERROR;
        }

        left.data += 3;
        left.len -= 3;
        west = 1;
    }

    min = 0;
    hour = referral_digits_take(&left, 2);

    if (hour < 0) {
        hour = referral_digits_take(&left, 1);

        /* "+9", "+9:00", but not "+900" */

        if (left.len && left.data[0] != ':') {
            return REFERRAL_ERROR;
        }
    }

    if (left.len) {
        (void) referral_char_take(&left, ':', ':');
        min = referral_digits_take(&left, 2);
    }

    if (left.len || hour < 0 || min < 0 || min > 59
        || hour * 60 + min > REFERRAL_OFFSET_MAX)
    {
        return REFERRAL_ERROR;
    }

    min += hour * 60;
    *minutes = west ? -min : min;

    return REFERRAL_OK;
}


const char *
referral_offset_wrong(const referral_str_t *s)
{
    u_char  c;

    c = s->len ? s->data[0] | 0x20 : 0;

    if (c >= 'a' && c <= 'z') {
        return "the names of time zones are for \"timezone\"; an offset such "
               "as \"+01:00\" does not follow summer time";
    }

    return "an offset is like \"+09:00\" or \"-03:30\", at most 14 hours";
}


int
referral_duration_parse(int64_t *seconds, const referral_str_t *s,
    int64_t max)
{
    int64_t         n, unit;
    referral_str_t  number;

    if (s->len == 0) {
        return REFERRAL_ERROR;
    }

    number = *s;
    number.len--;

    switch (s->data[number.len]) {

    case 'd':
        unit = 86400;
        break;

    case 'h':
        unit = 3600;
        break;

    case 'm':
        unit = 60;
        break;

    case 's':
        unit = 1;
        break;

    default:
        unit = 1;
        number.len++;
    }

    n = referral_str_uint(&number, max / unit);

    if (n <= 0) {
        return REFERRAL_ERROR;
    }

    *seconds = n * unit;

    return REFERRAL_OK;
}


/* most calls are for the same day as the call before: its name is kept */

void
referral_time_day(u_char *out, int64_t ms, int offset)
{
    u_char            *p;
    int64_t            day;
    referral_civil_t   civil;

    static __thread u_char   text[REFERRAL_DAY_LEN];
    static __thread int64_t  known = -1;

    day = referral_time_day_number(ms, offset);

    if (day != known) {
        known = day;

        referral_civil_set(&civil, day);

        p = referral_put_digits(text, 4, civil.year);
        *p++ = '-';
        p = referral_put_digits(p, 2, civil.month);
        *p++ = '-';
        (void) referral_put_digits(p, 2, civil.day);
    }

    memcpy(out, text, REFERRAL_DAY_LEN);
}


void
referral_time_hour(u_char *out, int64_t ms)
{
    ms = referral_time_bound(ms);

    referral_time_day(out, ms, 0);

    out[REFERRAL_DAY_LEN] = 'T';
    (void) referral_put_digits(out + REFERRAL_DAY_LEN + 1, 2,
                               ms / 3600000 % 24);
}


void
referral_time_minute(u_char *out, int64_t ms)
{
    ms = referral_time_bound(ms);

    referral_time_hour(out, ms);

    out[REFERRAL_HOUR_LEN] = ':';
    (void) referral_put_digits(out + REFERRAL_HOUR_LEN + 1, 2,
                               ms / 60000 % 60);
}


void
referral_time_second(u_char *out, int64_t ms)
{
    ms = referral_time_bound(ms);

    referral_time_minute(out, ms);

    out[REFERRAL_MINUTE_LEN] = ':';
    out = referral_put_digits(out + REFERRAL_MINUTE_LEN + 1, 2,
                              ms / 1000 % 60);
    *out = 'Z';
}


int64_t
referral_time_whole(int64_t now, uint32_t cut)
{
    return now - (uint32_t) ((uint32_t) now - cut);
}


int64_t
referral_time_day_number(int64_t ms, int offset)
{
    ms = referral_time_bound(ms) + offset * 60000LL;

    return referral_time_bound(ms) / REFERRAL_DAY_MS;
}


static int64_t
referral_time_bound(int64_t ms)
{
    if (ms < 0) {
        return 0;
    }

    return ms < REFERRAL_TIME_MAX ? ms : REFERRAL_TIME_MAX;
}


/*
 * Years are counted from March on, so that the leap day comes last and the
 * lengths of the months before it follow one formula.
 */

static int64_t
referral_civil_days(const referral_civil_t *civil)
{
    int64_t  year, month;

    year = civil->year;
    month = civil->month - 3;

    if (month < 0) {
        month += 12;
        year--;
    }

    return year * 365 + year / 4 - year / 100 + year / 400
           + (month * 153 + 2) / 5 + civil->day - 1 - 719468;
}


static void
referral_civil_set(referral_civil_t *civil, int64_t days)
{
    int64_t           month;
    referral_civil_t  first;

    days += 719468;

    /* an estimate: it is this year or the one before */

    first.year = days * 400 / 146097 + 1;
    first.month = 3;
    first.day = 1;

    if (referral_civil_days(&first) + 719468 > days) {
        first.year--;
    }

    days -= referral_civil_days(&first) + 719468;
    month = (days * 5 + 2) / 153;

    civil->year = first.year + (month >= 10);
    civil->month = month < 10 ? month + 3 : month - 9;
    civil->day = days - (month * 153 + 2) / 5 + 1;
}


static int
referral_civil_valid(const referral_civil_t *civil)
{
    int  last;

    static const u_char  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (civil->year < REFERRAL_YEAR_MIN || civil->month < 1
        || civil->month > 12)
    {
        return 0;
    }

    last = days[civil->month - 1];

    if (civil->month == 2 && civil->year % 4 == 0
        && (civil->year % 100 || civil->year % 400 == 0))
    {
        last = 29;
    }

    return civil->day >= 1 && civil->day <= last;
}


/* reads n digits; -1 if there are other characters */

static int
referral_digits(const u_char *p, int n)
{
    int  value;

    value = 0;

    for ( /* void */ ; n; n--, p++) {

        if (*p < '0' || *p > '9') {
            return -1;
        }

        value = value * 10 + *p - '0';
    }

    return value;
}


/* takes one of the two characters if the text begins with it */

static int
referral_char_take(referral_str_t *left, u_char c, u_char other)
{
    if (left->len == 0 || (left->data[0] != c && left->data[0] != other)) {
        return 0;
    }

    left->data++;
    left->len--;

    return 1;
}


/* takes a number of n digits; -1 if there is none, and nothing is taken */

static int
referral_digits_take(referral_str_t *left, size_t n)
{
    int  value;

    if (left->len < n) {
        return -1;
    }

    value = referral_digits(left->data, n);

    if (value >= 0) {
        left->data += n;
        left->len -= n;
    }

    return value;
}


static u_char *
referral_put_digits(u_char *p, int n, int value)
{
    int  i;

    for (i = n - 1; i >= 0; i--) {
        p[i] = (u_char) (value % 10 + '0');
        value /= 10;
    }

    return p + n;
}
