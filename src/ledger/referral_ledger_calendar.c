
#include "referral_ledger_core.h"


static int referral_ledger_days_of(unsigned year, unsigned month);
static int64_t referral_ledger_next(const referral_str_t *period,
    unsigned every);


int
referral_ledger_minutes(const referral_ledger_t *l, int64_t ms)
{
    return referral_terms_moment(&l->zone, ms).minutes;
}


/* dates without an offset are those of the program's zone */

int
referral_ledger_dated(const referral_ledger_t *l,
    const referral_rewards_line_t *line, int64_t ms)
{
    int64_t  local;

    local = ms + referral_ledger_minutes(l, ms) * 60000LL;

    return (!line->starts.set
            || (line->starts.local ? local : ms) >= line->starts.ms)
           && (!line->ends.set
               || (line->ends.local ? local : ms) <= line->ends.ms);
}


size_t
referral_ledger_period(u_char *out, unsigned every, int64_t ms, int minutes)
{
    int64_t  day;

    if (every == REFERRAL_EVERY_EVER) {
        return 0;
    }

    if (every == REFERRAL_EVERY_WEEK) {

        /* day 0 was a Thursday, weeks begin on Monday */

        day = referral_time_day_number(ms, minutes);
        referral_time_day(out, (day - (day + 3) % 7) * REFERRAL_DAY_MS, 0);

        return REFERRAL_DAY_LEN;
    }

    referral_time_day(out, ms, minutes);

    return every == REFERRAL_EVERY_YEAR ? sizeof("2026") - 1
           : every == REFERRAL_EVERY_MONTH ? sizeof("2026-11") - 1
           : REFERRAL_DAY_LEN;
}


/* so many calendar months later, at the same time by the program's clock */

int64_t
referral_ledger_months(const referral_ledger_t *l, int64_t ms,
    unsigned months)
{
    int              last;
    u_char           text[REFERRAL_DAY_LEN];
    int64_t          local, wall;
    unsigned         year, month, day;
    referral_buf_t   buf;
    referral_str_t   s;
    referral_date_t  date;

    local = ms + referral_ledger_minutes(l, ms) * 60000LL;

    referral_time_day(text, local, 0);

    year = (text[0] - '0') * 1000 + (text[1] - '0') * 100
           + (text[2] - '0') * 10 + (text[3] - '0');
    month = (text[5] - '0') * 10 + (text[6] - '0') - 1;
    day = (text[8] - '0') * 10 + (text[9] - '0');

    if (months > 12 * (9998 - year)) {
        return INT64_MAX;
    }

    month += months;
    year += month / 12;
    month = month % 12 + 1;

    last = referral_ledger_days_of(year, month);
    day = day < (unsigned) last ? day : (unsigned) last;

    referral_buf_init(&buf, text, sizeof(text));
    referral_buf_uint(&buf, year);
    referral_buf_putc(&buf, '-');
    referral_buf_putc(&buf, '0' + month / 10);
    referral_buf_putc(&buf, '0' + month % 10);
    referral_buf_putc(&buf, '-');
    referral_buf_putc(&buf, '0' + day / 10);
    referral_buf_putc(&buf, '0' + day % 10);

    s.data = text;
    s.len = sizeof(text);

    if (referral_date_parse(&date, &s, 0) != REFERRAL_OK) {
        return INT64_MAX;
    }

    wall = date.ms + local % REFERRAL_DAY_MS;
    local = wall - referral_ledger_minutes(l, wall) * 60000LL;

    return wall - referral_ledger_minutes(l, local) * 60000LL;
}


static int
referral_ledger_days_of(unsigned year, unsigned month)
{
    if (month == 2) {
        return year % 4 == 0 && (year % 100 || year % 400 == 0) ? 29 : 28;
    }

    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}


int64_t
referral_ledger_period_end(const referral_ledger_t *l, unsigned every,
    const referral_str_t *period)
{
    return referral_ledger_instant(l, referral_ledger_next(period, every));
}


/* midnight of its first day, by the program's clock */

int64_t
referral_ledger_wall(const referral_str_t *period)
{
    u_char           text[] = "2026-01-01";
    referral_str_t   day;
    referral_date_t  date;

    memcpy(text, period->data, period->len);

    day.data = text;
    day.len = sizeof(text) - 1;

    return referral_date_parse(&date, &day, 0) == REFERRAL_OK ? date.ms : 0;
}


static int64_t
referral_ledger_next(const referral_str_t *period, unsigned every)
{
    int64_t  wall, days;
    u_char   name[REFERRAL_LEDGER_PERIOD];

    wall = referral_ledger_wall(period);

    if (every == REFERRAL_EVERY_WEEK) {
        return wall + 7 * REFERRAL_DAY_MS;
    }

    if (every == REFERRAL_EVERY_DAY) {
        return wall + REFERRAL_DAY_MS;
    }

    /* the first day with another name */

    for (days = 28; days < 367; days++) {
        referral_ledger_period(name, every, wall + days * REFERRAL_DAY_MS, 0);

        if (memcmp(name, period->data, period->len) != 0) {
            break;
        }
    }

    return wall + days * REFERRAL_DAY_MS;
}


/* the first moment at which the program's clock shows that, or has passed it */

int64_t
referral_ledger_instant(const referral_ledger_t *l, int64_t wall)
{
    int64_t   when;
    unsigned  i;

    if (l->zone.nchanges == 0) {
        return wall;
    }

    for (i = 0; /* void */ ; i++) {
        when = wall - l->zone.changes[i].minutes * 60000LL;

        if (i && when < l->zone.changes[i].ms) {
            when = l->zone.changes[i].ms;
        }

        if (i + 1 == l->zone.nchanges || when < l->zone.changes[i + 1].ms) {
            return when;
        }
    }
}
