
#include "referral_timezone_core.h"


#define REFERRAL_RULE_DAY    86400
#define REFERRAL_RULE_HOURS  167         /* of the time of a change */


static int referral_rule_name_take(referral_str_t *left);
static int referral_rule_offset_take(referral_str_t *left, int32_t *east);
static int referral_rule_time_take(referral_str_t *left, unsigned hours,
    int32_t *seconds);
static int referral_rule_date_take(referral_str_t *left,
    referral_timezone_date_t *date);
static int referral_rule_number_take(referral_str_t *left, unsigned min,
    unsigned max);
static int referral_rule_char_take(referral_str_t *left, u_char c);
static int referral_rule_changes(const referral_timezone_rule_t *rule);
static int referral_rule_inner(const referral_timezone_date_t *date);
static int64_t referral_rule_starts(const referral_timezone_rule_t *rule,
    int year);
static int64_t referral_rule_ends(const referral_timezone_rule_t *rule,
    int year);
static int64_t referral_rule_date(const referral_timezone_date_t *date,
    int year);
static int referral_rule_year(int64_t seconds);
static int64_t referral_rule_year_days(int year);
static int referral_rule_leap(int year);


/* days of a year before each month */

static const uint16_t  referral_rule_months[] = {
    0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365
};


/* "EST5EDT,M3.2.0,M11.1.0": west is positive there */

int
referral_timezone_rule_parse(referral_timezone_rule_t *rule,
    const referral_str_t *s, const char **err)
{
    referral_str_t  left;

    memset(rule, 0, sizeof(referral_timezone_rule_t));

    *err = "its last line is no TZ string of POSIX";
    left = *s;

    if (referral_rule_name_take(&left) != REFERRAL_OK
        || referral_rule_offset_take(&left, &rule->standard) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    if (left.len == 0) {
        return REFERRAL_OK;
    }

    if (referral_rule_name_take(&left) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    rule->summer = rule->standard + 3600;

    if (left.len && left.data[0] != ','
        && referral_rule_offset_take(&left, &rule->summer) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    if (!referral_rule_char_take(&left, ',')
        || referral_rule_date_take(&left, &rule->starts) != REFERRAL_OK
        || !referral_rule_char_take(&left, ',')
        || referral_rule_date_take(&left, &rule->ends) != REFERRAL_OK
        || left.len)
    {
        return REFERRAL_ERROR;
    }

    rule->set = referral_rule_changes(rule);
    rule->inner = referral_rule_inner(&rule->starts)
                  && referral_rule_inner(&rule->ends);

    return REFERRAL_OK;
}


/* at least three letters, or more kinds of them in "<" and ">" */

static int
referral_rule_name_take(referral_str_t *left)
{
    int     quoted;
    u_char  c;
    size_t  n;

    quoted = referral_rule_char_take(left, '<');

    for (n = 0; n < left->len; n++) {
        c = left->data[n];

        if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') {
            continue;
        }

        if (!quoted || ((c < '0' || c > '9') && c != '+' && c != '-')) {
            break;
        }
    }

    left->data += n;
    left->len -= n;

    if (n < 3 || (quoted && !referral_rule_char_take(left, '>'))) {
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


static int
referral_rule_offset_take(referral_str_t *left, int32_t *east)
{
    if (referral_rule_time_take(left, 24, east) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    *east = -*east;

    return *east >= -REFERRAL_TIMEZONE_OFFSET_MAX
           && *east <= REFERRAL_TIMEZONE_OFFSET_MAX ? REFERRAL_OK
                                                    : REFERRAL_ERROR;
}


/* "5", "-3:30", "167:59:59" */

static int
referral_rule_time_take(referral_str_t *left, unsigned hours,
    int32_t *seconds)
{
    int  hour, min, sec, negative;

    negative = referral_rule_char_take(left, '-');

    if (!negative) {
        (void) referral_rule_char_take(left, '+');
    }

    hour = referral_rule_number_take(left, 0, hours);
    min = 0;
    sec = 0;

    if (referral_rule_char_take(left, ':')) {
        min = referral_rule_number_take(left, 0, 59);

        if (referral_rule_char_take(left, ':')) {
            sec = referral_rule_number_take(left, 0, 59);
        }
    }

    if (hour < 0 || min < 0 || sec < 0) {
        return REFERRAL_ERROR;
    }

    sec += (hour * 60 + min) * 60;
    *seconds = negative ? -sec : sec;

    return REFERRAL_OK;
}


/* "J60", "59" or "M3.5.0", at two o'clock or at "/TIME" */

static int
referral_rule_date_take(referral_str_t *left, referral_timezone_date_t *date)
{
    int  day, month, week, dots;

    date->time = 2 * 3600;

    if (referral_rule_char_take(left, 'M')) {
        date->form = REFERRAL_TIMEZONE_WEEKDAY;

        month = referral_rule_number_take(left, 1, 12);
        dots = referral_rule_char_take(left, '.');
        week = referral_rule_number_take(left, 1, 5);
        dots += referral_rule_char_take(left, '.');
        day = referral_rule_number_take(left, 0, 6);

        if (month < 0 || week < 0 || day < 0 || dots != 2) {
            return REFERRAL_ERROR;
        }

        date->month = month;
        date->week = week;
        date->weekday = day;

    } else if (referral_rule_char_take(left, 'J')) {
        date->form = REFERRAL_TIMEZONE_JULIAN;
        date->day = referral_rule_number_take(left, 1, 365);

    } else {
        date->form = REFERRAL_TIMEZONE_YEARDAY;
        date->day = referral_rule_number_take(left, 0, 365);
    }

    if (date->day < 0) {
        return REFERRAL_ERROR;
    }

    if (referral_rule_char_take(left, '/')) {
        return referral_rule_time_take(left, REFERRAL_RULE_HOURS, &date->time);
    }

    return REFERRAL_OK;
}


/* at most three digits; -1: there is no such number */

static int
referral_rule_number_take(referral_str_t *left, unsigned min, unsigned max)
{
    size_t    n;
    unsigned  value;

    value = 0;

    for (n = 0; n < left->len && n < 3; n++) {

        if (left->data[n] < '0' || left->data[n] > '9') {
            break;
        }

        value = value * 10 + left->data[n] - '0';
    }

    left->data += n;
    left->len -= n;

    return n && value >= min && value <= max ? (int) value : -1;
}


static int
referral_rule_char_take(referral_str_t *left, u_char c)
{
    if (left->len == 0 || left->data[0] != c) {
        return 0;
    }

    left->data++;
    left->len--;

    return 1;
}


/* summer time all year ends in the moment in which it begins again */

static int
referral_rule_changes(const referral_timezone_rule_t *rule)
{
    int  year;

    if (rule->standard == rule->summer) {
        return 0;
    }

    /* the calendar comes again after 400 years */

    for (year = 2000; year < 2400; year++) {
        if (referral_rule_ends(rule, year)
            != referral_rule_starts(rule, year + 1))
        {
            return 1;
        }
    }

    return 0;
}


/* 167 hours and an offset are less than eight days */

static int
referral_rule_inner(const referral_timezone_date_t *date)
{
    if (date->form == REFERRAL_TIMEZONE_WEEKDAY) {
        return date->month > 1 && date->month < 12;
    }

    return date->day > 9 && date->day < 356;
}


/*
 * A change may lie some days before or after its year: all that are near are
 * looked at then.  Where both fall together the start of summer wins.
 */

int64_t
referral_timezone_rule_last(const referral_timezone_rule_t *rule, int64_t now,
    int32_t *offset)
{
    int      year, first;
    int64_t  at, found;

    found = INT64_MIN;
    *offset = rule->standard;

    year = referral_rule_year(now);
    first = year - 1;

    if (!rule->inner) {
        year++;
        first--;
    }

    for ( /* void */ ; year >= first; year--) {

        at = referral_rule_ends(rule, year);

        if (at <= now && at > found) {
            found = at;
            *offset = rule->standard;
        }

        at = referral_rule_starts(rule, year);

        if (at <= now && (at > found
                          || (at == found && *offset == rule->standard)))
        {
            found = at;
            *offset = rule->summer;
        }

        if (rule->inner && found != INT64_MIN) {
            break;
        }
    }

    return found;
}


int64_t
referral_timezone_rule_next(const referral_timezone_rule_t *rule, int64_t now)
{
    int      year, first;
    int64_t  at, found;

    found = INT64_MAX;
    first = referral_rule_year(now) - 1;

    for (year = first; year <= first + 3; year++) {

        at = referral_rule_starts(rule, year);

        if (at > now && at < found) {
            found = at;
        }

        at = referral_rule_ends(rule, year);

        if (at > now && at < found) {
            found = at;
        }
    }

    return found;
}


static int64_t
referral_rule_starts(const referral_timezone_rule_t *rule, int year)
{
    return referral_rule_date(&rule->starts, year) - rule->standard;
}


static int64_t
referral_rule_ends(const referral_timezone_rule_t *rule, int year)
{
    return referral_rule_date(&rule->ends, year) - rule->summer;
}


static int64_t
referral_rule_date(const referral_timezone_date_t *date, int year)
{
    int      leap, length;
    int64_t  days, first;

    leap = referral_rule_leap(year);
    days = referral_rule_year_days(year);

    switch (date->form) {

    case REFERRAL_TIMEZONE_JULIAN:
        days += date->day - 1 + (leap && date->day > 59);
        break;

    case REFERRAL_TIMEZONE_YEARDAY:
        days += date->day;
        break;

    default:  /* REFERRAL_TIMEZONE_WEEKDAY */
        first = days + referral_rule_months[date->month - 1]
                + (leap && date->month > 2);
        length = referral_rule_months[date->month]
                 - referral_rule_months[date->month - 1]
                 + (leap && date->month == 2);

        /* day 0, of 1970, was a Thursday */

        days = first + (date->weekday - (first + 4) % 7 + 7) % 7
               + (date->week - 1) * 7;

        if (days >= first + length) {
            days -= 7;
        }
    }

    return days * REFERRAL_RULE_DAY + date->time;
}


/* the estimate is right or one too many */

static int
referral_rule_year(int64_t seconds)
{
    int      year;
    int64_t  days;

    days = seconds / REFERRAL_RULE_DAY;
    year = 1970 + (days * 400 + 399) / 146097;

    return days < referral_rule_year_days(year) ? year - 1 : year;
}


/* from 1970-01-01 to the year's first day */

static int64_t
referral_rule_year_days(int year)
{
    int64_t  before;

    before = year - 1;

    return before * 365 + before / 4 - before / 100 + before / 400 - 719162;
}


static int
referral_rule_leap(int year)
{
    return year % 4 == 0 && (year % 100 || year % 400 == 0);
}
