#include "referral_time.h"


/* the last millisecond of the year 9999 */

#define REFERRAL_TIME_MAX    253402300799999LL
#define REFERRAL_OFFSET_MAX  (14 * 60)


typedef struct {
    int  year;
    int  month;    /* 1 to 12 */
    int  day;      /* 1 to 31 */
} referral_civil_t;


static int64_t referral_civil_days(const referral_civil_t *civil);
static void referral_civil_set(referral_civil_t *civil, int64_t days);
static int referral_civil_valid(const referral_civil_t *civil);
static int64_t referral_time_bound(int64_t ms);
static int referral_digits(const u_char *p, int n);
static u_char *referral_put_digits(u_char *p, int n, int value);


int
referral_date_parse(referral_date_t *date, const referral_str_t *s, int last)
{
    int               hour, min, sec, offset;
    size_t            len;
    u_char           *p;
    int64_t           ms, whole;
    referral_str_t    zone;
    referral_civil_t  civil;

    date->ms = 0;
    date->set = 0;
    date->local = 1;

    p = s->data;
    len = s->len;

    if (len < REFERRAL_DAY_LEN || p[4] != '-' || p[7] != '-') {
        return REFERRAL_ERROR;
    }

    civil.year = referral_digits(p, 4);
    civil.month = referral_digits(p + 5, 2);
    civil.day = referral_digits(p + 8, 2);

    if (!referral_civil_valid(&civil)) {
        return REFERRAL_ERROR;
    }

    ms = referral_civil_days(&civil) * REFERRAL_DAY_MS;
    whole = REFERRAL_DAY_MS;

    p += REFERRAL_DAY_LEN;
    len -= REFERRAL_DAY_LEN;

    if (len) {

        if (len < 6 || (p[0] != 'T' && p[0] != ' ') || p[3] != ':') {
            return REFERRAL_ERROR;
        }

        hour = referral_digits(p + 1, 2);
        min = referral_digits(p + 4, 2);
        sec = 0;

        p += 6;
        len -= 6;
        whole = 60000;

        if (len >= 3 && p[0] == ':') {
            sec = referral_digits(p + 1, 2);

            p += 3;
            len -= 3;
            whole = 1000;
        }

        if (hour < 0 || hour > 23 || min < 0 || min > 59
            || sec < 0 || sec > 59)
        {
            return REFERRAL_ERROR;
        }

        ms += ((hour * 60 + min) * 60 + sec) * 1000LL;

        if (len) {
            zone.data = p;
            zone.len = len;

            if (referral_offset_parse(&offset, &zone) != REFERRAL_OK) {
                return REFERRAL_ERROR;
            }

            ms -= offset * 60000LL;
            date->local = 0;
        }
    }

    if (last) {
        ms += whole - 1;
    }

    if (ms < 0 || ms > REFERRAL_TIME_MAX) {
        return REFERRAL_ERROR;
    }

    date->ms = ms;
    date->set = 1;

    return REFERRAL_OK;
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
    int      hour, min;
    u_char  *p;

    if (referral_str_is(s, "Z") || referral_str_is(s, "UTC")) {
        *minutes = 0;
        return REFERRAL_OK;
    }

    p = s->data;

    if (s->len != 6 || (p[0] != '+' && p[0] != '-') || p[3] != ':') {
        return REFERRAL_ERROR;
    }

    hour = referral_digits(p + 1, 2);
    min = referral_digits(p + 4, 2);

    if (hour < 0 || min < 0 || min > 59
        || hour * 60 + min > REFERRAL_OFFSET_MAX)
    {
        return REFERRAL_ERROR;
    }

    min += hour * 60;
    *minutes = p[0] == '-' ? -min : min;

    return REFERRAL_OK;
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


/* nearly always it is the day of the time before: that one is remembered */

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
 * Years are taken from March on: the leap day is then the last one, and the
 * months before it have a regular length.
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

    /* leap years lag behind the mean: it is this year or the one before */

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

    if (civil->year < 1970 || civil->month < 1 || civil->month > 12) {
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


/* a number of n digits, or -1 */

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
