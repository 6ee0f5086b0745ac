/* link: referral_decide.c referral_record.c referral_link.c referral_code.c referral_visitor.c referral_bots.c referral_automaton.c referral_rules.c referral_template.c referral_conditions.c referral_url.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_timezone_file.c referral_timezone_table.c referral_id.c referral_hash.c referral_str.c referral_lang.c referral_name.c referral_result.c -lcrypto */

#include "referral_decide.h"
#include "tzif.h"
#include "unit.h"


#define DAY  REFERRAL_DAY_MS
#define NOW  1796083200000LL    /* 2026-12-01T00:00:00Z */


typedef union {
    referral_entry_t  entry;
    uint64_t          memory[512];
} entry_t;


static entry_t              program, link, referrer, configured;
static referral_click_t     click;
static referral_values_t    values;
static referral_decision_t  d;
static referral_str_t       allow[2];
static u_char               url[REFERRAL_LOCATION_MAX];
static const char          *err;
static char                 traced[256];


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.len = strlen(text);
    s.data = (u_char *) text;

    return s;
}


/* names and values, then NULL; without any the hash does not exist */

static void
entry(entry_t *e, unsigned kind, ...)
{
    size_t          n;
    va_list         args;
    const char     *text;
    referral_buf_t  b;
    referral_str_t  fields[32];

    va_start(args, kind);

    for (n = 0; n < 32; n++) {
        text = va_arg(args, const char *);

        if (text == NULL) {
            break;
        }

        fields[n] = str(text);
    }

    va_end(args);

    referral_buf_init(&b, e, sizeof(entry_t));

    if (referral_entry_compile(&b, kind, fields, n, NULL, NULL)
        != REFERRAL_OK)
    {
        ok(0, "the test's own entry");
    }
}


#define PROGRAM(...)   entry(&program, REFERRAL_ENTRY_PROGRAM, __VA_ARGS__)
#define LINK(...)      entry(&link, REFERRAL_ENTRY_LINK, __VA_ARGS__)
#define REFERRER(...)  entry(&referrer, REFERRAL_ENTRY_REFERRER, __VA_ARGS__)


/* a new click on an existing link in a program that does not exist */

static void
fresh(void)
{
    memset(&click, 0, sizeof(click));
    memset(&values, 0, sizeof(values));

    PROGRAM(NULL);
    LINK("created", "now", NULL);
    REFERRER(NULL);

    allow[0] = str("shop.example.com");
    allow[1] = str("*.example.com");

    click.program = &program.entry;
    click.link = &link.entry;
    click.referrer = &referrer.entry;
    click.code = str("aiko7");
    click.allow = allow;
    click.nallow = 2;
    click.window = 1000;
    click.late = 2000;
    click.attribution = REFERRAL_ATTRIBUTION_FIRST;
    click.offset = 60;

    values.now = NOW;
    values.value[REFERRAL_VALUE_COUNTRY] = str("JP");
}


static void
config(const char *landing, const char *args, const char *fallback)
{
    entry(&configured, REFERRAL_ENTRY_PROGRAM, "landing", landing,
          "landing_args", args, "fallback", fallback, NULL);

    click.landing = referral_entry_field(&configured.entry,
                                         REFERRAL_FIELD_LANDING);
    click.args = referral_entry_field(&configured.entry,
                                      REFERRAL_FIELD_LANDING_ARGS);
    click.fallback = referral_entry_field(&configured.entry,
                                          REFERRAL_FIELD_FALLBACK);
}


static int
goes(unsigned result, unsigned from, const char *want)
{
    int             rc;
    referral_buf_t  b;

    referral_decide(&d, &click, &values);

    referral_buf_init(&b, url, sizeof(url));
    rc = referral_decide_url(&d, &click, &values, &b, &err);

    if (d.result == result
        && d.from == from
        && (rc == REFERRAL_OK) == (want[0] != '\0')
        && (size_t) (b.pos - b.start) == strlen(want)
        && memcmp(url, want, strlen(want)) == 0)
    {
        return 1;
    }

    fprintf(stderr, "# result %u from %u rc %d url \"%.*s\" err %s\n",
            d.result, d.from, rc, (int) (b.pos - b.start), url,
            err ? err : "none");

    return 0;
}


static int
is(const referral_str_t *s, const char *text)
{
    referral_str_t  want;

    want = str(text);

    return referral_str_eq(s, &want);
}


static void
trace(void *data, unsigned line, const char *condition)
{
    size_t  len;

    len = strlen(traced);

    snprintf(traced + len, sizeof(traced) - len, "%s%u:%s,",
             ((referral_decision_t *) data)->from == REFERRAL_FROM_LINK_RULE
             ? "l" : "p",
             line, condition);
}


static void
test_order(void)
{
    static const char  rules[] =
        "country=KR https://kr.example.com/\n"
        "country=JP as=b https://jp.example.com/\n";
    static const char  others[] = "country=US https://us.example.com/\n";

    fresh();
    config("https://shop.example.com/default", "", "");
    PROGRAM("rules", rules, "landing", "https://shop.example.com/p", NULL);
    LINK("rules", rules, "landing", "https://shop.example.com/l", NULL);
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_LINK_RULE,
            "https://jp.example.com/"), "the link's rules first");
    ok(d.line == 2 && is(&d.variant, "b") && d.landed
       && is(&values.value[REFERRAL_VALUE_VARIANT], "b")
       && is(&values.value[REFERRAL_VALUE_RESULT], "landing"),
       "with the rule's line and variant");

    LINK("rules", others, "landing", "https://shop.example.com/l", NULL);
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_LINK_LANDING,
            "https://shop.example.com/l"), "then its landing");
    ok(d.line == 0 && d.variant.len == 0, "without a line or variant");

    LINK("rules", others, NULL);
    click.trace = trace;
    click.trace_data = &d;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_PROGRAM_RULE,
            "https://jp.example.com/"), "then the program's rules");
    ok(strcmp(traced, "l1:country,p1:country,") == 0,
       "the trace tells whose rules failed");
    click.trace = NULL;

    PROGRAM("rules", others, "landing", "https://shop.example.com/p", NULL);
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_PROGRAM_LANDING,
            "https://shop.example.com/p"), "then its landing");

    PROGRAM("rules", others, NULL);
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/default"), "then the configured one");

    PROGRAM(NULL);
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/default"),
       "a program that does not exist is active");

    config("", "", "");
    ok(goes(REFERRAL_RESULT_REFUSED, REFERRAL_FROM_NONE, "")
       && !d.landed && err != NULL, "nowhere to go is refused");

    config("", "", "https://shop.example.com/?why={result}");
    ok(goes(REFERRAL_RESULT_REFUSED, REFERRAL_FROM_DEFAULT_FALLBACK,
            "https://shop.example.com/?why=refused"),
       "and goes to the fallback");
}


static void
test_results(void)
{
    static const char  fallback[] = "https://www.example.org/?{result}";

    fresh();
    config("https://shop.example.com/", "ref={code}", fallback);

    LINK(NULL);
    ok(goes(REFERRAL_RESULT_UNKNOWN, REFERRAL_FROM_DEFAULT_FALLBACK,
            "https://www.example.org/?unknown") && !d.landed,
       "a link that does not exist");

    LINK("state", "disabled", NULL);
    PROGRAM("state", "paused", NULL);
    ok(goes(REFERRAL_RESULT_DISABLED, REFERRAL_FROM_DEFAULT_FALLBACK,
            "https://www.example.org/?disabled"), "a disabled link");

    LINK("created", "now", NULL);
    ok(goes(REFERRAL_RESULT_PAUSED, REFERRAL_FROM_DEFAULT_FALLBACK,
            "https://www.example.org/?paused"), "a paused program");

    click.forward = str("utm=mail");
    PROGRAM("state", "paused", "fallback",
            "https://m.example.com/{result}/{code}", NULL);
    ok(goes(REFERRAL_RESULT_PAUSED, REFERRAL_FROM_PROGRAM_FALLBACK,
            "https://m.example.com/paused/aiko7"),
       "a program's own fallback, and no arguments");
    click.forward.len = 0;

    PROGRAM("state", "paused", "fallback", "https://evil.example.net/", NULL);
    ok(goes(REFERRAL_RESULT_PAUSED, REFERRAL_FROM_DEFAULT_FALLBACK,
            "https://www.example.org/?paused") && err != NULL,
       "a program's fallback that is not allowed");

    PROGRAM(NULL);
    click.link = NULL;
    ok(goes(REFERRAL_RESULT_UNRESOLVED, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/?ref=aiko7") && d.landed,
       "a link that is not known now goes to the configured landing");
    ok(is(&values.value[REFERRAL_VALUE_RESULT], "unresolved"),
       "and says what it is");

    click.program = NULL;
    ok(goes(REFERRAL_RESULT_UNRESOLVED, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/?ref=aiko7"), "nor is the program");

    click.link = &link.entry;
    ok(goes(REFERRAL_RESULT_UNRESOLVED, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/?ref=aiko7"),
       "a program that is not known might be paused");

    config("", "", fallback);
    ok(goes(REFERRAL_RESULT_UNRESOLVED, REFERRAL_FROM_DEFAULT_FALLBACK,
            "https://www.example.org/?unresolved") && !d.landed,
       "or to the fallback");

    config("", "", "");
    ok(goes(REFERRAL_RESULT_UNRESOLVED, REFERRAL_FROM_NONE, "")
       && err == NULL, "or nowhere");
}


static void
test_dates(void)
{
    fresh();
    config("https://shop.example.com/", "", "");

    /* one hour east of UTC a day begins an hour earlier */

    LINK("starts", "2026-12-01", NULL);
    values.now = NOW - 3600000;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/"), "starts with its first second");
    values.now--;
    ok(goes(REFERRAL_RESULT_NOT_STARTED, REFERRAL_FROM_NONE, ""),
       "not before");

    PROGRAM("utc_offset", "+09:00", NULL);
    values.now = NOW - 9 * 3600000;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/") && d.offset == 540
       && values.offset == 540, "in the program's zone");

    LINK("ends", "2026-12-01", NULL);
    values.now = NOW - 9 * 3600000 + DAY - 1;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/"), "ends through its last millisecond");
    values.now++;
    ok(goes(REFERRAL_RESULT_ENDED, REFERRAL_FROM_NONE, ""), "and then ended");

    LINK("created", "now", NULL);
    PROGRAM("ends", "2026-12-01", NULL);
    values.now = NOW + 2 * DAY;
    ok(goes(REFERRAL_RESULT_ENDED, REFERRAL_FROM_NONE, ""),
       "a program's end is the end of its links");

    PROGRAM("starts", "2026-12-09", NULL);
    ok(goes(REFERRAL_RESULT_NOT_STARTED, REFERRAL_FROM_NONE, ""),
       "so is its start");

    LINK("ends", "2026-11-01", NULL);
    ok(goes(REFERRAL_RESULT_ENDED, REFERRAL_FROM_NONE, ""),
       "what ended is not told to wait");

    PROGRAM(NULL);
    LINK("ends", "nonsense", NULL);
    ok(goes(REFERRAL_RESULT_ENDED, REFERRAL_FROM_NONE, ""), "a wrong end");
    LINK("starts", "nonsense", NULL);
    ok(goes(REFERRAL_RESULT_NOT_STARTED, REFERRAL_FROM_NONE, ""),
       "a wrong start");
}


static void
test_refused(void)
{
    char  path[2100];

    fresh();
    config("https://go.example.org/", "", "https://www.example.org/{result}");

    LINK("landing", "https://evil.example.net/", "rules",
         "country=US https://us.example.com/\n", NULL);
    ok(goes(REFERRAL_RESULT_REFUSED, REFERRAL_FROM_DEFAULT_FALLBACK,
            "https://www.example.org/refused") && !d.landed
       && is(&values.value[REFERRAL_VALUE_RESULT], "refused"),
       "a host that is not allowed");
    ok(err && strcmp(err, "host is not allowed") == 0, "is told as that");

    LINK("rules", "as=b https://evil.example.net/\n", NULL);
    ok(goes(REFERRAL_RESULT_REFUSED, REFERRAL_FROM_DEFAULT_FALLBACK,
            "https://www.example.org/refused") && d.variant.len == 0
       && d.line == 0 && values.value[REFERRAL_VALUE_VARIANT].len == 0,
       "nor in a rule, whose variant nobody saw");

    click.any_host = 1;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_LINK_RULE,
            "https://evil.example.net/"), "unless every host is");
    click.any_host = 0;

    click.nallow = 0;
    LINK("landing", "https://shop.example.com/", NULL);
    ok(goes(REFERRAL_RESULT_REFUSED, REFERRAL_FROM_DEFAULT_FALLBACK,
            "https://www.example.org/refused"), "an empty list allows none");

    LINK("created", "now", NULL);
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://go.example.org/"),
       "a host that the configuration names is allowed by that");

    config("https://{country}.example.org/", "", "");
    ok(goes(REFERRAL_RESULT_REFUSED, REFERRAL_FROM_NONE, ""),
       "not one that a value makes");

    click.nallow = 2;
    config("https://{country}.example.com/", "", "");
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://JP.example.com/"), "but by the list");

    values.value[REFERRAL_VALUE_COUNTRY] = str("evil.example.net/");
    ok(goes(REFERRAL_RESULT_REFUSED, REFERRAL_FROM_NONE, ""),
       "no value makes a host out of itself");

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    values.value[REFERRAL_VALUE_CITY] = str(path);
    config("https://shop.example.com/{city}", "", "");
    ok(goes(REFERRAL_RESULT_REFUSED, REFERRAL_FROM_NONE, "")
       && err != NULL, "too long for a Location");

    path[REFERRAL_URL_MAX - 25] = '\0';
    values.value[REFERRAL_VALUE_CITY] = str(path);
    config("https://shop.example.com/{city}", "ref={code}", "");
    referral_decide(&d, &click, &values);
    ok(d.landed && d.args.len, "a landing that just fits");
    {
        referral_buf_t  b;

        referral_buf_init(&b, url, sizeof(url));
        ok(referral_decide_url(&d, &click, &values, &b, &err) == REFERRAL_OK
           && b.pos - b.start == REFERRAL_URL_MAX + 10
           && memcmp(b.pos - 10, "?ref=aiko7", 10) == 0 && !d.cut,
           "its arguments have room behind it");
    }
}


static void
test_args(void)
{
    fresh();
    config("https://shop.example.com/?a=1#top", "ref={code}&a=2&x={city}",
           "");

    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/?a=1&ref=aiko7#top"),
       "arguments go before the fragment, and replace none");

    click.forward = str("utm=mail&a=3&ref=forged&q=a\"b");
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/?a=1&ref=aiko7&utm=mail&q=a%22b#top"),
       "the visitor's own go along, and replace none");
    click.forward.len = 0;

    PROGRAM("landing_args", "p={referrer}", NULL);
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/?a=1&p=aiko7#top"),
       "a program's arguments instead");

    LINK("landing_args", "l=1", NULL);
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/?a=1&l=1#top"), "a link's before them");

    LINK("landing_args", "off", NULL);
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/?a=1#top"), "or off");
}


static void
test_who(void)
{
    fresh();
    config("https://shop.example.com/", "", "");

    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/")
       && is(&d.referrer, "aiko7") && d.name.len == 0 && d.channel.len == 0
       && is(&values.value[REFERRAL_VALUE_REFERRER], "aiko7")
       && is(&values.value[REFERRAL_VALUE_CODE], "aiko7"),
       "a link without a referrer is its own");

    REFERRER("name", "Aiko", "segment", "vip", NULL);
    LINK("referrer", "u1", NULL);
    referral_decide(&d, &click, &values);
    ok(is(&d.referrer, "u1") && is(&d.name, "Aiko") && is(&d.segment, "vip")
       && is(&values.value[REFERRAL_VALUE_NAME], "Aiko")
       && is(&values.value[REFERRAL_VALUE_SEGMENT], "vip"),
       "the referrer's name and segment");

    LINK("referrer", "u1", "name", "Ai", "segment", "new", NULL);
    referral_decide(&d, &click, &values);
    ok(is(&d.name, "Ai") && is(&d.segment, "new"), "the link's own win");

    click.referrer = NULL;
    LINK("referrer", "u1", NULL);
    referral_decide(&d, &click, &values);
    ok(is(&d.referrer, "u1") && d.name.len == 0,
       "a referrer that is not known now");

    values.value[REFERRAL_VALUE_APP] = str("line");
    referral_decide(&d, &click, &values);
    ok(is(&d.channel, "line"), "the channel is the app");

    LINK("channel", "mail", NULL);
    referral_decide(&d, &click, &values);
    ok(is(&d.channel, "mail"), "or the link's");

    click.channel = str("poster");
    referral_decide(&d, &click, &values);
    ok(is(&d.channel, "poster")
       && is(&values.value[REFERRAL_VALUE_CHANNEL], "poster"),
       "or what the request says");

    click.channel = str("FaceBook");
    referral_decide(&d, &click, &values);
    ok(is(&d.channel, "facebook")
       && is(&values.value[REFERRAL_VALUE_CHANNEL], "facebook"),
       "a capital makes no other channel");

    click.channel = str("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG");
    referral_decide(&d, &click, &values);
    ok(is(&d.channel, "other"), "33 are none, whatever their case");

    click.channel = str("Poster Nr. 1");
    referral_decide(&d, &click, &values);
    ok(is(&d.channel, "other"), "if it is a channel");
}


static void
zone(referral_timezones_t *zones, const char *name, const char *data,
    size_t len)
{
    const char      *why;
    referral_str_t   s, file;

    s = str(name);
    file.data = (u_char *) data;
    file.len = len;

    why = "";
    ok(referral_timezones_add(zones, &s, &file, &why) == REFERRAL_OK,
       "%s is a zone: %s", name, why);
}


/* clocks in Berlin are set at 1774746000 and at 1792890000 */

static void
test_timezones(void)
{
    referral_timezones_t  *zones;

    zones = referral_timezones_create();

    zone(zones, "Europe/Berlin", TZIF_BERLIN, sizeof(TZIF_BERLIN) - 1);
    zone(zones, "Asia/Tokyo", TZIF_TOKYO, sizeof(TZIF_TOKYO) - 1);

    fresh();
    config("https://shop.example.com/", "", "");
    click.timezones = zones;

    PROGRAM("timezone", "Europe/Berlin", "utc_offset", "-05:00", NULL);
    values.now = 1774746000000LL;
    referral_decide(&d, &click, &values);
    ok(d.offset == 120 && values.offset == 120
       && d.timezone && values.timezone == d.timezone,
       "a program's zone wins over its offset: summer");
    values.now--;
    referral_decide(&d, &click, &values);
    ok(d.offset == 60, "and winter");

    /* 23:30 of October 24 in summer time, half past midnight before that */

    values.now = 1792890000000LL;
    referral_decide(&d, &click, &values);
    ok(d.offset == 60
       && referral_decide_day(&d, 1792879200000LL) == 20751
       && referral_decide_day(&d, 1792879199999LL) == 20750
       && referral_decide_day(&d, values.now) == 20751
       && referral_decide_day(&d, 1792969199999LL) == 20751
       && referral_decide_day(&d, 1792969200000LL) == 20752,
       "a day of 25 hours, from either side of the change");

    LINK("starts", "2026-10-25T02:30", "ends", "2026-10-25T02:30", NULL);
    values.now = 1792888199999LL;
    ok(goes(REFERRAL_RESULT_NOT_STARTED, REFERRAL_FROM_NONE, ""),
       "a time that comes twice: not before the first");
    values.now++;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/"), "from the first time on");
    values.now = 1792890000000LL;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/"), "between them too");
    values.now = 1792891859999LL;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/"), "to the end of the second time");
    values.now++;
    ok(goes(REFERRAL_RESULT_ENDED, REFERRAL_FROM_NONE, ""), "and no longer");

    LINK("rules", "starts=2026-03-29T02:30 ends=2026-07-01 "
         "https://a.example.com/", NULL);
    values.now = 1774745999999LL;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/"), "a rule that starts in a gap");
    values.now++;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_LINK_RULE,
            "https://a.example.com/"), "starts at its end");
    values.now = 1782943199999LL;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_LINK_RULE,
            "https://a.example.com/"), "and ends at a midnight of summer");
    values.now++;
    ok(goes(REFERRAL_RESULT_LANDING, REFERRAL_FROM_DEFAULT_LANDING,
            "https://shop.example.com/"), "not later");

    LINK("created", "now", NULL);
    PROGRAM("timezone", "Europe/Bonn", "utc_offset", "-05:00", NULL);
    click.timezone = str("Asia/Tokyo");
    referral_decide(&d, &click, &values);
    ok(d.timezone == NULL && d.offset == -300,
       "a name that no zone has: the program's offset");
    PROGRAM("timezone", "Europe/Bonn", NULL);
    referral_decide(&d, &click, &values);
    ok(d.offset == 540, "without one the configuration's zone");
    click.timezone = str("Asia/Kyoto");
    referral_decide(&d, &click, &values);
    ok(d.timezone == NULL && d.offset == 60, "without that its offset");

    click.timezone = str("Asia/Tokyo");
    click.timezones = NULL;
    PROGRAM("timezone", "Europe/Berlin", NULL);
    referral_decide(&d, &click, &values);
    ok(d.timezone == NULL && d.offset == 60 && values.timezone == NULL,
       "a system without time zones");

    referral_timezones_free(zones);
}


static void
test_defaults(void)
{
    referral_str_t  s;

    fresh();
    referral_decide(&d, &click, &values);
    ok(d.window == 1000 && d.late == 2000
       && d.attribution == REFERRAL_ATTRIBUTION_FIRST
       && d.offset == 60, "what the configuration says");

    PROGRAM("window", "1d", "late", "2d", "attribution", "last", "utc_offset", "Z",
            "languages", "en,ja", NULL);
    referral_decide(&d, &click, &values);
    ok(d.window == 86400 && d.late == 2 * 86400
       && d.attribution == REFERRAL_ATTRIBUTION_LAST
       && d.offset == 0 && values.offset == 0, "what the program says");

    s = referral_decide_languages(&program.entry);
    ok(s.len && s.data == (u_char *) &program.entry
                          + program.entry.off[REFERRAL_FIELD_LANGUAGES],
       "its languages");
    s = referral_decide_languages(NULL);
    ok(s.len == 0, "of none none");

    click.program = NULL;
    click.attribution = REFERRAL_ATTRIBUTION_UNSET;
    referral_decide(&d, &click, &values);
    ok(d.attribution == REFERRAL_ATTRIBUTION_LAST && d.window == 1000,
       "an attribution that nobody names is the last");

    s = referral_from_name(REFERRAL_FROM_LINK_RULE);
    ok(is(&s, "link rule"), "a name");
    s = referral_from_name(REFERRAL_FROMS);
    ok(s.len == 0, "no name");
}


int
main(void)
{
    test_order();
    test_results();
    test_dates();
    test_refused();
    test_args();
    test_who();
    test_defaults();
    test_timezones();

    return unit_done();
}
