/* link: referral_timezone.c referral_timezone_file.c referral_timezone_rule.c referral_timezone_table.c referral_tzdata.c referral_time.c referral_str.c */

/*
 * Time zones: files that are right and files that are not, gaps, folds and
 * years without an end.  What the system's own say is compared with another
 * implementation in t/click/timezones.t.
 */

#include <sys/stat.h>
#include <unistd.h>

#include "referral_timezone_core.h"
#include "referral_tzdata.h"
#include "unit.h"


#define HOUR     3600000LL
#define DAY      86400000LL

/* 2026-03-29T01:00Z and 2026-10-25T01:00Z: summer in Berlin */

#define SUMMER   1774746000000LL
#define WINTER   1792890000000LL

#define BERLIN   "CET-1CEST,M3.5.0,M10.5.0/3"


/* a file that is made, and what it is made of */

typedef struct {
    u_char           version;
    unsigned         n;
    unsigned         types;
    unsigned         chars;
    unsigned         leaps;
    unsigned         isut;
    int64_t          at[8];
    u_char           index[8];
    int32_t          offset[4];
    u_char           dst;
    const char      *rule;       /* NULL: the file ends before */
} made_t;


static u_char           data[65536];
static referral_str_t   file = { 0, data };

static union {
    referral_timezone_t  zone;
    uint64_t             align;
    u_char               bytes[REFERRAL_TIMEZONE_SIZE];
} out;

static const char  *err;


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);

    return s;
}


static void
put(uint64_t value, unsigned n)
{
    while (n--) {
        data[file.len++] = (u_char) (value >> (8 * n));
    }
}


static void
put_block(const made_t *made, unsigned width)
{
    unsigned  i;

    memcpy(data + file.len, "TZif", 4);
    file.len += 4;
    put(made->version, 1);
    put(0, 8);
    put(0, 7);
    put(made->isut, 4);
    put(0, 4);
    put(made->leaps, 4);
    put(made->n, 4);
    put(made->types, 4);
    put(made->chars, 4);

    for (i = 0; i < made->n; i++) {
        put(made->at[i], width);
    }

    for (i = 0; i < made->n; i++) {
        put(made->index[i], 1);
    }

    for (i = 0; i < made->types; i++) {
        put(made->offset[i % 4], 4);
        put(made->dst, 1);
        put(0, 1);
    }

    for (i = 0; i < made->chars; i++) {
        put(0, 1);
    }

    for (i = 0; i < made->leaps; i++) {
        put(i, width);
        put(i, 4);
    }

    put(0, made->isut);
}


static int
compile(const made_t *made)
{
    referral_buf_t  b;

    file.len = 0;
    put_block(made, 4);

    if (made->version >= '2') {
        put_block(made, 8);

        if (made->rule) {
            file.len += sprintf((char *) data + file.len, "\n%s\n",
                                made->rule);
        }
    }

    referral_buf_init(&b, out.bytes, sizeof(out));
    err = "";

    return referral_timezone_compile(&b, &file, &err);
}


static made_t
made(const char *rule, int32_t offset)
{
    made_t  m;

    memset(&m, 0, sizeof(m));

    m.version = '2';
    m.types = 2;
    m.chars = 4;
    m.offset[0] = offset;
    m.offset[1] = offset + 3600;
    m.rule = rule;

    return m;
}


static void
zone(const char *rule, int32_t offset)
{
    made_t  m;

    m = made(rule, offset);

    if (compile(&m) != REFERRAL_OK) {
        printf("Bail out! %s: %s\n", rule, err);
        exit(1);
    }
}


static int
offset(int64_t ms)
{
    return referral_timezone_offset(&out.zone, ms);
}


static int64_t
first(int64_t local)
{
    return referral_timezone_first(&out.zone, local);
}


static int64_t
last(int64_t local)
{
    return referral_timezone_last(&out.zone, local);
}


static void
test_names(void)
{
    unsigned        i;
    referral_str_t  s;

    static const char *const  good[] = {
        "Europe/Berlin", "UTC", "America/Argentina/Salta", "Etc/GMT+12",
        "GMT-0", "EST5EDT", "America/Port-au-Prince", "a",
        "1234567890123456789012345678901234567890123456789012345678901234"
    };

    static const char *const  bad[] = {
        "", "/", "/UTC", "UTC/", "a//b", "a/b/c/d", "../etc/passwd", ".",
        "Europe/Ber lin", "Europe/Berlin\n", "a.b", "Europe\\Berlin", "\xc3",
        "@", "[", "`", "{",
        "12345678901234567890123456789012345678901234567890123456789012345"
    };

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        s = str(good[i]);
        ok(referral_timezone_valid(&s), "a name: \"%s\"", good[i]);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        s = str(bad[i]);
        ok(!referral_timezone_valid(&s), "no name: number %u", i);
    }
}


static void
test_berlin(void)
{
    int64_t                     day;
    referral_timezone_change_t  c[4];

    zone(BERLIN, 3600);

    ok(offset(SUMMER - 1) == 3600 && offset(SUMMER) == 7200
       && offset(WINTER - 1) == 7200 && offset(WINTER) == 3600,
       "summer and winter, to the millisecond");
    ok(offset(0) == 3600 && offset(INT64_MIN) == 3600
       && offset(INT64_MAX) == 3600 && offset(253402300799999LL) == 3600,
       "from the first moment to the last");

    /* 02:00 to 03:00 are not in that day */

    day = SUMMER - 2 * HOUR + HOUR;
    ok(first(day + 90 * 60000) == SUMMER - HOUR + 30 * 60000
       && last(day + 90 * 60000) == SUMMER - HOUR + 30 * 60000,
       "before the gap one instant");
    ok(first(day + 150 * 60000) == SUMMER
       && last(day + 150 * 60000) == SUMMER - 1,
       "in the gap: it begins when the gap is over, and ended before");
    ok(first(day + 2 * HOUR) == SUMMER && last(day + 2 * HOUR) == SUMMER - 1
       && first(day + 3 * HOUR) == SUMMER
       && last(day + 3 * HOUR) == SUMMER, "at both ends of it");
    ok(last(day + DAY - 1) - first(day) == 23 * HOUR - 1,
       "that day has 23 hours");

    /* 02:00 to 03:00 come twice */

    day = WINTER - 3 * HOUR + 2 * HOUR;
    day -= day % DAY;
    ok(first(day + 150 * 60000) == WINTER - 30 * 60000
       && last(day + 150 * 60000) == WINTER + 30 * 60000,
       "what comes twice begins the first time and ends the second time");
    ok(first(day + 2 * HOUR) == WINTER - HOUR && last(day + 2 * HOUR) == WINTER
       && first(day + 3 * HOUR) == WINTER + HOUR
       && last(day + 3 * HOUR) == WINTER + HOUR,
       "at both ends of it");
    ok(last(day + DAY - 1) - first(day) == 25 * HOUR - 1,
       "that day has 25 hours");

    ok(referral_timezone_next(&out.zone, 0, c) && c[0].at == 7520400000LL
       && c[0].offset == 7200, "the first change of all");
    ok(referral_timezone_next(&out.zone, SUMMER, c) && c[0].at == WINTER
       && c[0].offset == 3600, "the change after a change");
    ok(referral_timezone_next(&out.zone, SUMMER - 1, c) && c[0].at == SUMMER,
       "the change itself");
    ok(!referral_timezone_next(&out.zone, 253402300799999LL, c)
       && !referral_timezone_next(&out.zone, INT64_MAX, c),
       "none after the year 9999");

    ok(referral_timezone_changes(&out.zone, SUMMER - 5, WINTER, c, 4) == 3
       && c[0].at == SUMMER - 5 && c[0].offset == 3600
       && c[1].at == SUMMER && c[1].offset == 7200
       && c[2].at == WINTER && c[2].offset == 3600,
       "what holds at first, and all changes");
    ok(referral_timezone_changes(&out.zone, SUMMER, WINTER - 1, c, 4) == 1
       && c[0].at == SUMMER && c[0].offset == 7200, "the ends of a range");

    memset(c, 0, sizeof(c));
    ok(referral_timezone_changes(&out.zone, 0, 40 * 365 * DAY, c, 2) > 70
       && c[2].at == 0, "no more than there is memory for");
}


static void
test_rules(void)
{
    unsigned                    i;
    referral_timezone_change_t  c;

    static const struct {
        const char  *rule;
        int32_t      offset;
        int64_t      at;         /* a change, seconds */
        int32_t      after;
    } rules[] = {
        { "EST5EDT,M3.2.0,M11.1.0", -18000, 1772953200, -14400 },
        { "AEST-10AEDT,M10.1.0,M4.1.0/3", 36000, 1775318400, 36000 },
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", -7200, 1774746000, -3600 },
        { "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 37800, 1775314800, 37800 },
        { "IST-2IDT,M3.4.4/26,M10.5.0", 7200, 1774569600, 10800 },
        { "AAA3BBB,J60/0,J300/0", -10800, 1772334000, -7200 },
        { "AAA3BBB,59/0,300/0", -10800, 1772334000, -7200 },
        { "AAA3BBB,J366/0,300/0", 0, 0, 0 }
    };

    static const char *const  bad[] = {
        "A", "AB3", "3", "<AB>3", "<ABC3", "AAA", "AAA25", "AAA15", "AAA-15",
        "AAA3:60", "AAA3BBB", "AAA3BBB2", "AAA3BBB,", "AAA3BBB,M3.2.0",
        "AAA3BBB,M0.2.0,M11.1.0", "AAA3BBB,M13.2.0,M11.1.0",
        "AAA3BBB,M3.6.0,M11.1.0", "AAA3BBB,M3.0.0,M11.1.0",
        "AAA3BBB,M3.2.7,M11.1.0", "AAA3BBB,M3.2,M11.1.0",
        "AAA3BBB,J0,J300", "AAA3BBB,J1,J366", "AAA3BBB,0,366",
        "AAA3BBB,M3.2.0/168,M11.1.0", "AAA3BBB,M3.2.0/-168,M11.1.0",
        "AAA3BBB,M3.2.0,M11.1.0 ", "AAA3BBB,M3.2.0;M11.1.0",
        ":Europe/Berlin", "AAA0003", " AAA3"
    };

    made_t  m;

    for (i = 0; rules[i].at; i++) {
        zone(rules[i].rule, rules[i].offset);
        ok(referral_timezone_next(&out.zone, rules[i].at * 1000 - 1, &c)
           && c.at == rules[i].at * 1000 && c.offset == rules[i].after,
           "%s", rules[i].rule);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        m = made(bad[i], 0);
        ok(compile(&m) == REFERRAL_ERROR && err[0], "no rule: \"%s\"", bad[i]);
    }

    /* J60 is March 1 in every year, day 59 is February 29 in this one */

    zone("AAA0BBB,J60/0,J300/0", 0);
    ok(offset(1709251199000LL) == 0 && offset(1709251200000LL) == 3600,
       "a leap year does not count for \"J\"");
    zone("AAA0BBB,59/0,300/0", 0);
    ok(offset(1709164799000LL) == 0 && offset(1709164800000LL) == 3600,
       "without it does");

    zone("XXX3EDT4,0/0,J365/23", -14400);
    ok(offset(0) == -14400 && offset(SUMMER) == -14400
       && !referral_timezone_next(&out.zone, 0, &c),
       "summer time all year is no change");

    zone("AAA0BBB,J1/-167,J365/167", 0);
    ok(referral_timezone_next(&out.zone, SUMMER, &c) && c.offset == 3600
       && c.at > SUMMER, "changes that lie in another year are found");

    zone("", 7200);
    ok(offset(0) == 7200 && offset(SUMMER) == 7200, "no rule at all");
    zone("<+14>-14", 50400);
    ok(offset(SUMMER) == 50400, "as far east as there is");
    ok(referral_timezone_minutes(&out.zone, 0) == 840, "in minutes");
    zone("", -2670);
    ok(referral_timezone_minutes(&out.zone, 0) == -45,
       "half a minute is rounded down");
}


static void
test_steps(void)
{
    made_t                      m;
    referral_timezone_change_t  c;

    m = made("<+14>-14", -36000);
    m.n = 4;
    m.types = 4;
    m.at[0] = -5000;
    m.index[0] = 1;
    m.at[1] = 1000;
    m.index[1] = 1;
    m.at[2] = 2000;
    m.index[2] = 2;
    m.at[3] = 1325239200;
    m.index[3] = 3;
    m.offset[2] = -36000;
    m.offset[3] = 50400;

    ok(compile(&m) == REFERRAL_OK && out.zone.n == 2, "what changes");
    ok(offset(0) == -32400 && offset(1999999) == -32400
       && offset(2000000) == -36000, "before 1970 counts at its start");
    ok(referral_timezone_next(&out.zone, 0, &c) && c.at == 2000000,
       "a change of the name only is none");

    /* 2011-12-30 was left out in Samoa */

    ok(first(15338 * DAY) == 1325239200000LL
       && last(15339 * DAY - 1) == 1325239199999LL,
       "a day that was left out begins and ends at its midnight");

    m = made(BERLIN, 3600);
    m.n = 5;
    m.at[0] = 100;
    m.at[1] = 1761440400 - 366 * 86400;
    m.at[2] = 1774746000;
    m.at[3] = 1792890000;
    m.at[4] = 1806195600;
    m.index[0] = 1;
    m.index[2] = 1;
    m.index[4] = 1;
    ok(compile(&m) == REFERRAL_OK && out.zone.n == 3,
       "what the rule says anyway is not kept");
    ok(offset(1743296400000LL) == 3600,
       "what it says and did not happen does not come back");
    ok(offset(SUMMER) == 7200 && offset(WINTER) == 3600
       && offset(1806195600000LL - 1) == 3600
       && offset(1806195600000LL) == 7200, "what is not kept holds");

    m = made("CET-1", 3600);
    m.n = 1;
    m.at[0] = 253402300800LL;
    m.index[0] = 1;
    ok(compile(&m) == REFERRAL_OK && out.zone.n == 0,
       "after the year 9999 there is nothing");

    m.version = 0;
    m.at[0] = 1000;
    ok(compile(&m) == REFERRAL_OK && offset(999999) == 3600
       && offset(INT64_MAX) == 7200, "version 1 has neither rule nor footer");

    m.version = '4';
    m.rule = "CET-1";
    ok(compile(&m) == REFERRAL_OK, "version 4");
}


static void
test_damage(void)
{
    size_t          n;
    made_t          m;
    unsigned        i, taken;
    referral_buf_t  b;

    m = made(BERLIN, 3600);
    m.n = 2;
    m.at[0] = 100;
    m.at[1] = 200;
    m.index[0] = 1;

    ok(compile(&m) == REFERRAL_OK, "a file that is right");

    n = file.len;
    taken = 0;

    for (file.len = 0; file.len < n; file.len++) {
        referral_buf_init(&b, out.bytes, sizeof(out));
        taken += referral_timezone_compile(&b, &file, &err) == REFERRAL_OK;
        taken += b.pos != b.start;
    }

    ok(taken == 0, "cut anywhere it is none, and nothing is written");

    file.len = n;
    referral_buf_init(&b, out.bytes, sizeof(referral_timezone_t) + 16);
    ok(referral_timezone_compile(&b, &file, &err) == REFERRAL_ERROR
       && b.pos == b.start, "without memory likewise");

    data[0] = 't';
    referral_buf_init(&b, out.bytes, sizeof(out));
    ok(referral_timezone_compile(&b, &file, &err) == REFERRAL_DECLINED,
       "no TZif file at all");

    m.index[1] = 2;
    ok(compile(&m) == REFERRAL_ERROR, "a change to no type");
    m.index[1] = 0;
    m.at[1] = 100;
    ok(compile(&m) == REFERRAL_ERROR, "times that do not rise");
    m.at[1] = 200;
    m.dst = 2;
    ok(compile(&m) == REFERRAL_ERROR, "a flag that is none");
    m.dst = 0;
    m.chars = 0;
    ok(compile(&m) == REFERRAL_ERROR, "no letters");
    m.chars = 4;
    m.types = 0;
    ok(compile(&m) == REFERRAL_ERROR, "no types");
    m.types = 300;
    ok(compile(&m) == REFERRAL_ERROR, "too many types");
    m.types = 2;
    m.isut = 1;
    ok(compile(&m) == REFERRAL_ERROR, "marks of some types");
    m.isut = 2;
    ok(compile(&m) == REFERRAL_OK, "marks of all types");
    m.leaps = 1;
    ok(compile(&m) == REFERRAL_ERROR && strstr(err, "leap"), "leap seconds");
    m.leaps = 0;
    m.offset[1] = 50401;
    ok(compile(&m) == REFERRAL_ERROR && strstr(err, "14 hours"),
       "too far east");
    m.offset[0] = -50401;
    m.n = 0;
    ok(compile(&m) == REFERRAL_ERROR && strstr(err, "14 hours"),
       "too far west");
    m.rule = NULL;
    ok(compile(&m) == REFERRAL_ERROR, "no footer");

    /* each count of both headers */

    m = made(BERLIN, 3600);
    taken = 0;

    for (i = 0; i < 12; i++) {
        (void) compile(&m);
        n = (i / 6 ? 44 + 12 + 4 : 0) + 20 + i % 6 * 4;
        memset(data + n, 0xff, 4);
        referral_buf_init(&b, out.bytes, sizeof(out));
        taken += referral_timezone_compile(&b, &file, &err) == REFERRAL_OK;
    }

    ok(taken == 0, "counts that cannot be");
}


/* an operator's date, and whether it has come */

static int
reached(const char *date, int64_t now, int ends)
{
    referral_str_t   s;
    referral_date_t  d;

    s = str(date);
    (void) referral_date_parse(&d, &s, ends);

    return referral_timezone_reached(&out.zone, 60, &d, now, ends);
}


static void
test_dates(void)
{
    int64_t          ms;
    unsigned         i, wrong;
    referral_str_t   s;
    referral_date_t  d;

    zone(BERLIN, 3600);

    ok(!reached("2026-07-01", 1782856799999LL, 0)
       && reached("2026-07-01", 1782856800000LL, 0), "a midnight of July");
    ok(!reached("2026-06-30", 1782856799999LL, 1)
       && reached("2026-06-30", 1782856800000LL, 1),
       "its day before ends then");
    ok(!reached("2026-03-29T02:30", SUMMER - 1, 0)
       && reached("2026-03-29T02:30", SUMMER, 0), "a start in the gap");
    ok(!reached("2026-03-29T02:30", SUMMER - 1, 1)
       && reached("2026-03-29T02:30", SUMMER, 1), "an end in the gap");
    ok(!reached("2026-10-25T02:30", WINTER - 1800001, 0)
       && reached("2026-10-25T02:30", WINTER - 1800000, 0)
       && reached("2026-10-25T02:30", WINTER, 0),
       "a start in the fold stays a start");
    ok(!reached("2026-10-25T02:30", WINTER - 1700000, 1)
       && !reached("2026-10-25T02:30", WINTER + 1859999, 1)
       && reached("2026-10-25T02:30", WINTER + 1860000, 1),
       "an end in the fold is after its second time");
    ok(reached("2026-10-25T00:30Z", WINTER - 1800000, 0)
       && !reached("2026-10-25T00:30Z", WINTER - 1800001, 0),
       "a date with an offset has its own");
    ok(!reached("9999-12-31", INT64_MAX / 4, 1) == 0
       && !reached("0001-01-01", -1, 0) == 0, "both ends of time");

    d.set = 0;
    ok(!referral_timezone_reached(&out.zone, 0, &d, INT64_MAX / 4, 0),
       "no date never comes");

    s = str("2026-07-01");
    (void) referral_date_parse(&d, &s, 0);
    ok(!referral_timezone_reached(NULL, 60, &d, 1782860399999LL, 0)
       && referral_timezone_reached(NULL, 60, &d, 1782860400000LL, 0),
       "without a zone the offset holds");

    /* once reached, for ever */

    wrong = 0;

    for (ms = WINTER - 30 * HOUR; ms < WINTER + 30 * HOUR; ms += 60000) {
        for (i = 0; i < 2; i++) {
            wrong += reached("2026-10-25T02:30", ms, i)
                     > reached("2026-10-25T02:30", ms + 60000, i);
        }
    }

    ok(wrong == 0, "time goes on");
}


static void
test_table(void)
{
    char                   text[REFERRAL_TIMEZONE_WRONG];
    made_t                 m;
    unsigned               i;
    referral_str_t         name, near;
    referral_timezones_t  *zones;

    static const char *const  said[][2] = {
        { "berlin", "is it \"Europe/Berlin\"?" },
        { "+01:00", "utc_offset" },
        { "Mars/Phobos", "such as \"Europe/Berlin\"" }
    };

    static const char *const  names[] = {
        "Europe/Berlin", "Asia/Tokyo", "UTC", "Europe/Paris", "Asia/Tokyo2",
        "America/New_York", "CET"
    };

    static const char *const  meant[][2] = {
        { "europe/berlin", "Europe/Berlin" }, { "berlin", "Europe/Berlin" },
        { "Europe/Belrin", "Europe/Berlin" },
        { "New York", "America/New_York" },
        { "new-york", "America/New_York" }, { "utc", "UTC" },
        { "Africa/Paris", "Europe/Paris" }, { "Mars/Phobos", NULL },
        { "", NULL }, { "posix/Europe/Berlin", "Europe/Berlin" },
        { "CEST", "CET" }
    };

    name = str("UTC");
    ok(referral_timezones_find(NULL, &name) == NULL, "no table has no zones");
    ok(referral_timezones_near(NULL, &name).len == 0, "and none that is near");

    zones = referral_timezones_create();
    m = made(BERLIN, 3600);

    for (i = 0; i < 7; i++) {
        m.rule = i % 2 ? "UTC0" : BERLIN;
        (void) compile(&m);
        name = str(names[i]);
        ok(referral_timezones_add(zones, &name, &file, &err) == REFERRAL_OK,
           "%s is added", names[i]);
    }

    ok(referral_timezones_add(zones, &name, &file, &err) == REFERRAL_ERROR
       && strstr(err, "twice"), "not twice");
    name = str("../x");
    ok(referral_timezones_add(zones, &name, &file, &err) == REFERRAL_ERROR
       && strstr(err, "name"), "not under such a name");
    name = str("x");
    file.len = 10;
    ok(referral_timezones_add(zones, &name, &file, &err) == REFERRAL_DECLINED,
       "not what is no zone");

    ok(referral_timezones_count(zones) == 7, "all are there");

    for (i = 1; i < 7; i++) {
        name = referral_timezones_name(zones, i - 1);
        near = referral_timezones_name(zones, i);
        ok(strncmp((char *) name.data, (char *) near.data, name.len) <= 0,
           "in order: %.*s", (int) near.len, (char *) near.data);
    }

    for (i = 0; i < 7; i++) {
        name = str(names[i]);
        near = str(names[i % 2]);
        ok(referral_timezones_find(zones, &name)
           == referral_timezones_find(zones, &near)
           && referral_timezones_find(zones, &name) != NULL,
           "%s has the zone of its like", names[i]);
    }

    name = str("Europe/Berli");
    ok(referral_timezones_find(zones, &name) == NULL, "a part of a name");
    name = str("Europe/Berlin2");
    ok(referral_timezones_find(zones, &name) == NULL, "a longer name");

    for (i = 0; i < sizeof(meant) / sizeof(meant[0]); i++) {
        name = str(meant[i][0]);
        near = referral_timezones_near(zones, &name);

        ok(meant[i][1] ? near.len == strlen(meant[i][1])
                         && memcmp(near.data, meant[i][1], near.len) == 0
                       : near.len == 0,
           "by \"%s\" is meant %.*s", meant[i][0], (int) near.len,
           (char *) near.data);
    }

    for (i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        name = str(said[i][0]);
        referral_timezones_wrong(zones, &name, text);
        ok(strstr(text, said[i][1]) != NULL, "\"%s\": %s", said[i][0], text);
    }

    referral_timezones_wrong(NULL, &name, text);
    ok(strstr(text, "tzdata") != NULL, "no zones at all: %s", text);

    referral_timezones_free(zones);
    referral_timezones_free(NULL);
}


static void
write_file(const char *dir, const char *name)
{
    FILE  *f;
    char   path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);

    f = fopen(path, "w");

    if (f == NULL || fwrite(data, 1, file.len, f) != file.len || fclose(f)) {
        printf("Bail out! %s\n", path);
        exit(1);
    }
}


static void
make_directory(const char *dir, const char *name)
{
    char  path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);

    if (mkdir(path, 0700) == -1) {
        printf("Bail out! %s\n", path);
        exit(1);
    }
}


static void
test_directory(void)
{
    char                     dir[64], text[256], why[REFERRAL_TZDATA_ERROR];
    made_t                   m;
    referral_str_t           name;
    referral_timezones_t    *zones;
    referral_tzdata_mark_t   mark;

    snprintf(dir, sizeof(dir), "/tmp/referral-zones-XXXXXX");

    if (mkdtemp(dir) == NULL) {
        printf("Bail out! %s\n", dir);
        exit(1);
    }

    ok(referral_tzdata_read(dir, &mark, why) == NULL && strstr(why, "no time"),
       "an empty directory");

    m = made(BERLIN, 3600);
    (void) compile(&m);

    make_directory(dir, "Europe");
    make_directory(dir, "Europe/Old");
    make_directory(dir, "Europe/Old/Older");
    make_directory(dir, "posix");
    make_directory(dir, "right");

    write_file(dir, "UTC");
    write_file(dir, "localtime");
    write_file(dir, "posixrules");
    write_file(dir, "posix/UTC");
    write_file(dir, "right/UTC");
    write_file(dir, "Europe/Berlin");
    write_file(dir, "Europe/Old/Bonn");
    write_file(dir, "Europe/Old/Older/Trier");
    write_file(dir, "Europe/with space");

    snprintf(text, sizeof(text), "%s/loop", dir);
    ok(symlink(".", text) == 0, "a directory in itself");
    snprintf(text, sizeof(text), "%s/pipe", dir);
    ok(mkfifo(text, 0600) == 0, "a pipe");

    memcpy(data, "text", 4);
    write_file(dir, "leapseconds");
    memcpy(data, "TZif", 4);

    zones = referral_tzdata_read(dir, &mark, why);

    ok(zones != NULL && why[0] == '\0', "a directory of zones is read");

    name = str("Europe/Old/Bonn");
    ok(referral_timezones_find(zones, &name) != NULL, "three words deep");
    name = str("loop/UTC");
    ok(referral_timezones_find(zones, &name) != NULL, "by other names too");
    ok(referral_timezones_count(zones) == 12, "not without an end: %zu",
       referral_timezones_count(zones));

    referral_timezones_free(zones);

    ok(!referral_tzdata_changed(dir, &mark), "it did not change");
    (void) usleep(20000);
    write_file(dir, "GMT");
    ok(referral_tzdata_changed(dir, &mark), "a new file");

    file.len -= 3;
    write_file(dir, "bad");
    zones = referral_tzdata_read(dir, &mark, why);
    ok(zones != NULL && strstr(why, "bad\": it is cut off"),
       "a damaged file is named: %s", why);
    referral_timezones_free(zones);

    write_file(dir, "tzdata.zi");
    (void) referral_tzdata_changed(dir, &mark);
    referral_timezones_free(referral_tzdata_read(dir, &mark, why));
    (void) usleep(20000);
    write_file(dir, "tzdata.zi");
    ok(referral_tzdata_changed(dir, &mark), "another release");

    snprintf(text, sizeof(text), "rm -rf %s", dir);
    ok(system(text) == 0, "cleaned up");
    ok(referral_tzdata_changed(dir, &mark), "that it is gone is a change");
    ok(referral_tzdata_read(dir, &mark, why) == NULL
       && strstr(why, "No such file"), "there is none: %s", why);

    setenv("TZDIR", "/somewhere", 1);
    ok(strcmp(referral_tzdata_path(), "/somewhere") == 0, "TZDIR");
    setenv("TZDIR", "zoneinfo", 1);
    ok(strcmp(referral_tzdata_path(), REFERRAL_TZDATA_PATH) == 0,
       "that is no path");
    unsetenv("TZDIR");
    ok(strcmp(referral_tzdata_path(), REFERRAL_TZDATA_PATH) == 0, "the usual");
}


int
main(void)
{
    test_names();
    test_berlin();
    test_rules();
    test_steps();
    test_damage();
    test_dates();
    test_table();
    test_directory();

    return unit_done();
}
