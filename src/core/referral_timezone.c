
#include "referral_timezone_core.h"


#define REFERRAL_TIMEZONE_WORDS      3
#define REFERRAL_TIMEZONE_OFFSET_MS                                           \
    (REFERRAL_TIMEZONE_OFFSET_MAX * 1000LL)


static uint32_t referral_timezone_steps(const referral_timezone_t *zone,
    int64_t now);
static int64_t referral_timezone_seconds(int64_t ms);


int
referral_timezone_valid(const referral_str_t *name)
{
    u_char    c;
    size_t    i, word;
    unsigned  words;

    if (name->len > REFERRAL_TIMEZONE_MAX) {
        return 0;
    }

    words = 1;
    word = 0;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (c == '/' && word) {
            words++;
            word = 0;
            continue;
        }

        if (((c | 0x20) < 'a' || (c | 0x20) > 'z')
            && (c < '0' || c > '9')
            && c != '_' && c != '+' && c != '-')
        {
            return 0;
        }

        word++;
    }

    return word && words <= REFERRAL_TIMEZONE_WORDS;
}


int
referral_timezone_offset(const referral_timezone_t *zone, int64_t ms)
{
    return referral_timezone_at(zone, referral_timezone_seconds(ms));
}


int
referral_timezone_minutes(const referral_timezone_t *zone, int64_t ms)
{
    int  offset;

    offset = referral_timezone_offset(zone, ms);

    return (offset - (offset % 60 + 60) % 60) / 60;
}


int32_t
referral_timezone_at(const referral_timezone_t *zone, int64_t now)
{
    int32_t   offset;
    uint32_t  n;

    if (zone->rule.set && now > zone->since
        && referral_timezone_rule_last(&zone->rule, now, &offset)
           > zone->since)
    {
        return offset;
    }

    n = referral_timezone_steps(zone, now);

    return n ? zone->step[n - 1].offset : zone->offset;
}


/* how many steps have come */

static uint32_t
referral_timezone_steps(const referral_timezone_t *zone, int64_t now)
{
    uint32_t  low, high, middle;

    low = 0;
    high = zone->n;

    while (low < high) {
        middle = (low + high) / 2;

        if (zone->step[middle].at <= now) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return low;
}


int
referral_timezone_next(const referral_timezone_t *zone, int64_t ms,
    referral_timezone_change_t *change)
{
    int64_t   now, at;
    uint32_t  n;

    now = referral_timezone_seconds(ms);
    n = referral_timezone_steps(zone, now);

    if (n < zone->n) {
        change->at = zone->step[n].at * 1000;
        change->offset = zone->step[n].offset;
        return 1;
    }

    at = now > zone->since ? now : zone->since;

    while (zone->rule.set) {
        at = referral_timezone_rule_next(&zone->rule, at);

        if (at > REFERRAL_TIMEZONE_TIME_MAX) {
            break;
        }

        change->at = at * 1000;
        change->offset = referral_timezone_at(zone, at);

        if (referral_timezone_at(zone, at - 1) != change->offset) {
            return 1;
        }
    }

    return 0;
}


size_t
referral_timezone_changes(const referral_timezone_t *zone, int64_t from,
    int64_t until, referral_timezone_change_t *changes, size_t max)
{
    size_t                      n;
    referral_timezone_change_t  change;

    change.at = from;
    change.offset = referral_timezone_offset(zone, from);
    n = 0;

    do {
        if (n < max) {
            changes[n] = change;
        }

        n++;

    } while (referral_timezone_next(zone, change.at, &change)
             && change.at <= until);

    return n;
}


/* no clock is ever further from UTC: the search begins and ends there */

int64_t
referral_timezone_first(const referral_timezone_t *zone, int64_t local)
{
    int                         offset;
    int64_t                     start, at;
    referral_timezone_change_t  change;

    start = local - REFERRAL_TIMEZONE_OFFSET_MS;
    offset = referral_timezone_offset(zone, start);

    for ( ;; ) {
        at = local - offset * 1000LL;

        if (at < start) {
            at = start;
        }

        if (!referral_timezone_next(zone, start, &change) || at < change.at) {
            return at;
        }

        start = change.at;
        offset = change.offset;
    }
}


int64_t
referral_timezone_last(const referral_timezone_t *zone, int64_t local)
{
    int                         more, offset;
    int64_t                     start, limit, at, last;
    referral_timezone_change_t  change;

    start = local - REFERRAL_TIMEZONE_OFFSET_MS;
    limit = local + REFERRAL_TIMEZONE_OFFSET_MS;
    offset = referral_timezone_offset(zone, start);
    last = start;

    for ( ;; ) {
        more = referral_timezone_next(zone, start, &change);
        at = local - offset * 1000LL;

        if (more && at >= change.at) {
            at = change.at - 1;
        }

        if (at >= start) {
            last = at;
        }

        if (!more || change.at > limit) {
            return last;
        }

        start = change.at;
        offset = change.offset;
    }
}


int
referral_timezone_reached(const referral_timezone_t *zone, int offset,
    const referral_date_t *date, int64_t now, int last)
{
    if (!date->set) {
        return 0;
    }

    now -= last;

    if (zone == NULL || !date->local) {
        return referral_date_reached(date, now, offset);
    }

    /* nearly always it is further away than any zone */

    if (now + REFERRAL_TIMEZONE_OFFSET_MS < date->ms) {
        return 0;
    }

    if (now - REFERRAL_TIMEZONE_OFFSET_MS >= date->ms) {
        return 1;
    }

    return now >= (last ? referral_timezone_last(zone, date->ms)
                        : referral_timezone_first(zone, date->ms));
}


/* before 1970 and after 9999 nothing changes */

static int64_t
referral_timezone_seconds(int64_t ms)
{
    if (ms < 0) {
        return 0;
    }

    ms /= 1000;

    return ms < REFERRAL_TIMEZONE_TIME_MAX ? ms : REFERRAL_TIMEZONE_TIME_MAX;
}
