/* link: referral_fact.c referral_terms.c referral_moment.c referral_dump.c referral_str.c referral_time.c */

#include "referral_dump.h"
#include "referral_terms.h"
#include "unit.h"


#define TEXTS  (2 * REFERRAL_FACT_PAIRS + 2)


static referral_fact_t   fact;
static const char       *why;
static char              memory[4096];


/* "name=value name=value"; the texts lie in "memory" */

static int
parse(const char *text)
{
    char            *p, *word, *value;
    size_t           n;
    static referral_str_t  pair[TEXTS];

    snprintf(memory, sizeof(memory), "%s", text);
    why = "";
    n = 0;

    for (word = strtok_r(memory, " ", &p); word;
         word = strtok_r(NULL, " ", &p))
    {
        value = strchr(word, '=');
        *value++ = '\0';

        pair[n].data = (u_char *) word;
        pair[n++].len = strlen(word);
        pair[n].data = (u_char *) value;
        pair[n++].len = strlen(value);
    }

    return referral_fact_parse(&fact, 7, pair, n, &why);
}


#define HEAD  "time=5000 at=4000 trust=signed "
#define SALE  "type=sale " HEAD "friend=3 order=o1 amount=100 unit=EUR "


static void
types(void)
{
    ok(parse(SALE "via=click referrer=9 code=aiko7 click_at=3000")
       == REFERRAL_OK, "a sale");
    ok(fact.type == REFERRAL_FACT_SALE && fact.position == 7
       && fact.time == 5000 && fact.at == 4000 && fact.amount == 100
       && fact.refunded == -1 && fact.customer == 3 && fact.referrer == 9
       && fact.via == REFERRAL_VIA_CLICK && fact.click_at == 3000,
       "its numbers");
    ok(referral_str_is(&fact.text[REFERRAL_FACT_T_CODE], "aiko7"),
       "its texts");

    ok(parse("type=lead " HEAD "friend=1") == REFERRAL_OK
       && fact.type == REFERRAL_FACT_LEAD && fact.via == REFERRAL_VIA_NONE,
       "a lead");
    ok(parse("type=later time=5") == REFERRAL_OK
       && fact.type == REFERRAL_FACT_NOTHING, "of a newer version: nothing");
    ok(parse("type=tick time=5") == REFERRAL_OK
       && fact.type == REFERRAL_FACT_TICK, "tick");
    ok(parse("type=adjust time=5 event=a owner=3") == REFERRAL_OK
       && fact.type == REFERRAL_FACT_ADJUST
       && referral_str_is(&fact.text[REFERRAL_FACT_T_OWNER], "3"),
       "a command");
    ok(parse("type=approve " HEAD "friend=1") == REFERRAL_OK
       && fact.type == REFERRAL_FACT_STEP,
       "what came through the intake is no command");
    ok(parse("type=tick " HEAD "friend=1") == REFERRAL_OK
       && fact.type == REFERRAL_FACT_STEP, "an event of that name: a step");
    ok(parse("type=skip time=5 position=3 reason=x") == REFERRAL_OK
       && fact.type == REFERRAL_FACT_SKIP && fact.subject == 3, "skip");
    ok(parse("type=lead " HEAD "friend=1 new_name=5") == REFERRAL_OK,
       "a name of a newer version is no error");
    ok(parse("unit=EUR amount=5 order=o friend=1 " HEAD "type=sale")
       == REFERRAL_OK && fact.amount == 5, "in any order");
    ok(parse("type=lead " HEAD "friend=1 via=code code=x") == REFERRAL_OK
       && fact.click_at == 4000, "a code that is typed is its own click");
}


static void
malformed(void)
{
    size_t                  i;
    static referral_str_t   pair[TEXTS];

    static const char *const  wrong[] = {
        "time=5",
        "type=Lead time=5",
        "type=a123456789012345678901234567890123 time=5",
        "type=lead at=4 trust=signed friend=1",
        "type=lead time=x at=4 trust=signed friend=1",
        "type=lead time=-5 at=4 trust=signed friend=1",
        "type=lead time=5 trust=signed friend=1",
        "type=lead time=5 at=253402300800000 trust=signed friend=1",
        "type=lead " HEAD,
        "type=lead " HEAD "friend=0",
        "type=lead " HEAD "friend=1 friend=1",
        "type=lead " HEAD "friend=x",
        "type=lead " HEAD "friend=1 known=2",
        "type=lead " HEAD "friend=1 self=yes",
        "type=lead " HEAD "friend=1 via=sms",
        "type=lead " HEAD "friend=1 via=click",
        "type=lead " HEAD "friend=1 via=click code=a,b",
        "type=lead " HEAD "friend=1 referrer=0",
        "type=lead " HEAD "friend=1 click_at=x",
        "type=sale " HEAD "friend=1 order=o1 amount=1",
        "type=sale " HEAD "friend=1 order=o1 unit=EUR",
        "type=sale " HEAD "friend=1 order=o1 unit=EUR refunded=1",
        "type=sale " HEAD "friend=1 amount=1 unit=EUR",
        "type=sale " HEAD "order=o1 amount=1 unit=EUR",
        "type=sale " HEAD "friend=1 order=o1 amount=-1 unit=EUR",
        "type=sale " HEAD "friend=1 order=o1 amount=1.5 unit=EUR",
        "type=sale " HEAD "friend=1 order=o1 amount=9007199254740992 unit=EUR",
        "type=sale " HEAD "friend=1 order=o1 amount=1 unit=E:R",
        "type=sale " HEAD "friend=1 order=o1 amount=1 unit=ABCDEFGHI",
        "type=refund " HEAD "order=o1 unit=EUR",
        "type=refund " HEAD "amount=1 unit=EUR",
        "type=update " HEAD "order=o1 unit=EUR refunded=1",
        "type=cancel " HEAD,
        "type=step " HEAD "order=o1",
        "type=skip time=5 position=0",
        "type=skip time=5",
        "type=rules time=5 version=x"
    };

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ok(parse(wrong[i]) == REFERRAL_ERROR && why[0], "%s", wrong[i]);
    }

    ok(parse("type=sale " HEAD "friend=1 order=o1 amount=9007199254740991"
             " unit=EUR") == REFERRAL_OK && fact.amount == 9007199254740991,
       "2^53 - 1 is the most");

    for (i = 0; i < TEXTS; i++) {
        referral_str_set(&pair[i], "n");
    }

    ok(referral_fact_parse(&fact, 1, pair, 3, &why) == REFERRAL_ERROR,
       "names and values in pairs");
    ok(referral_fact_parse(&fact, 1, pair, TEXTS, &why) == REFERRAL_ERROR,
       "too many");
    ok(referral_fact_parse(&fact, 1, pair, 0, &why) == REFERRAL_ERROR, "none");
}


static void
positions(void)
{
    size_t  i;

    static const struct {
        referral_str_t  id;
        uint64_t        position;
    } ids[] = {
        { referral_string("1-0"), 1 },
        { referral_string("9007199254740991-0"), 9007199254740991 },
        { referral_string("9007199254740992-0"), 0 },
        { referral_string("0-0"), 0 },
        { referral_string("01-0"), 0 },
        { referral_string("1-1"), 0 },
        { referral_string("1"), 0 },
        { referral_string("-0"), 0 },
        { referral_string("x-0"), 0 },
        { referral_string(""), 0 }
    };

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        ok(referral_fact_position(&ids[i].id) == ids[i].position, "id %.*s",
           (int) ids[i].id.len, (char *) ids[i].id.data);
    }
}


static void
zones(void)
{
    static referral_terms_t  terms;

    ok(parse("type=rules time=5 version=3 transitions=1000:60,5000:-210,9000:0"
             " window=30d late=60 bind=window") == REFERRAL_OK
       && referral_terms_parse(&terms, &fact, &why) == REFERRAL_OK,
       "a fact of rules");
    ok(terms.version == 3 && terms.window == 30 * 86400 && terms.late == 60
       && terms.lapses, "what it says");
    ok(referral_terms_moment(&terms, 0).minutes == 60, "before the first");
    ok(referral_terms_moment(&terms, 4999).minutes == 60, "before a change");
    ok(referral_terms_moment(&terms, 5000).minutes == -210, "at a change");
    ok(referral_terms_moment(&terms, 99999999).minutes == 0, "after the last");

    ok(parse("type=rules time=5 version=1") == REFERRAL_OK
       && referral_terms_parse(&terms, &fact, &why) == REFERRAL_OK
       && terms.late == REFERRAL_TERMS_LATE && !terms.lapses
       && referral_terms_moment(&terms, 5).minutes == 0, "what is not said");

#define wrong(text)                                                           \
    ok(parse("type=rules time=5 version=1 " text) == REFERRAL_OK              \
       && referral_terms_parse(&terms, &fact, &why) == REFERRAL_ERROR, text)

    wrong("transitions=5:60,5:0");
    wrong("transitions=5:60,4:0");
    wrong("transitions=5");
    wrong("transitions=5:x");
    wrong("transitions=5:1000");
    wrong("transitions=,");
    wrong("bind=always");
    wrong("late=500d");
    wrong("window=x");
}


static void
moments(void)
{
    size_t             i;
    u_char             text[64];
    referral_buf_t     buf;
    referral_str_t     s;
    referral_moment_t  moment;

    static const struct {
        referral_str_t  text;
        int64_t         ms;
        int             minutes;
    } right[] = {
        { referral_string("-"), -1, 0 },
        { referral_string("0"), 0, 0 },
        { referral_string("1795000000000+120"), 1795000000000, 120 },
        { referral_string("5-210"), 5, -210 }
    };

    static const char *const  bad[] = {
        "x", "+5", "5+", "5+x", "5+900", "5++1", "253402300800000"
    };

    for (i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        ok(referral_moment_parse(&moment, &right[i].text) == REFERRAL_OK
           && moment.ms == right[i].ms && moment.minutes == right[i].minutes,
           "%s is read", right[i].text.data);

        referral_buf_init(&buf, text, sizeof(text));
        referral_moment_put(&buf, &moment);
        s.data = text;
        s.len = buf.pos - text;

        ok(referral_str_eq(&s, &right[i].text), "and written");
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        s.data = (u_char *) bad[i];
        s.len = strlen(bad[i]);

        ok(referral_moment_parse(&moment, &s) == REFERRAL_ERROR, "%s is none",
           bad[i]);
    }

    moment.ms = 86400000 - 1;
    moment.minutes = 1;

    ok(referral_moment_day(&moment) == 1, "the day is that of the zone");
}


static void
dumps(void)
{
    char            line[512];
    size_t          i;
    u_char          out[512];
    ssize_t         n;
    referral_buf_t  buf;
    referral_str_t  s, id, pair[8];

    static const struct {
        const char  *text;
        ssize_t      n;
    } lines[] = {
        { "[\"7-0\",[\"type\",\"a\\u00e9\\ud83d\\ude00\\n\\\"\\\\\"]]\n", 2 },
        { " [ \"7-0\" , [ \"a\" , \"b\" , \"c\" , \"d\" ] ] \r\n", 4 },
        { "{\"id\":\"7-0\",\"type\":\"x\"}", 2 },
        { "{\"id\": \"7-0\"}", 0 },
        { "[\"7-0\",[]]", 0 },
        { "", REFERRAL_ERROR },
        { "[\"7-0\",[\"a\",\"b\"]", REFERRAL_ERROR },
        { "[\"7-0\",[\"a\",\"b\"]]]", REFERRAL_ERROR },
        { "[\"7-0\",[\"a\",]]", REFERRAL_ERROR },
        { "[\"7-0\",[\"a\" \"b\"]]", REFERRAL_ERROR },
        { "[\"7-0\",[\"a]]", REFERRAL_ERROR },
        { "[\"7-0\",[\"\\x\"]]", REFERRAL_ERROR },
        { "[\"7-0\",[\"\\ud83d\"]]", REFERRAL_ERROR },
        { "[\"7-0\",[\"\\udc00\"]]", REFERRAL_ERROR },
        { "[\"7-0\",[\"\\u12\"]]", REFERRAL_ERROR },
        { "[\"7-0\",[\"a\tb\"]]", REFERRAL_ERROR },
        { "[7,[]]", REFERRAL_ERROR },
        { "{\"type\":\"x\"}", REFERRAL_ERROR },
        { "{\"id\":\"7-0\",\"type\"}", REFERRAL_ERROR },
        { "[\"7-0\",[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]]",
          REFERRAL_ERROR }
    };

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        snprintf(line, sizeof(line), "%s", lines[i].text);
        s.data = (u_char *) line;
        s.len = strlen(line);
        n = referral_dump_parse(&s, &id, pair, 8);

        ok(n == lines[i].n, "%s", lines[i].text[0] ? "a line" : "no line");

        if (n < 0) {
            continue;
        }

        ok(referral_str_is(&id, "7-0"), "its id");

        if (i == 0) {
            ok(referral_str_is(&pair[1], "a\xc3\xa9\xf0\x9f\x98\x80\n\"\\"),
               "escapes");
        }

        /* written and read again it is the same */

        referral_buf_init(&buf, out, sizeof(out));
        referral_dump_put(&buf, &id, pair, n);
        s.data = out;
        s.len = buf.pos - out;

        ok(referral_dump_parse(&s, &id, pair, 8) == n
           && (i || referral_str_is(&pair[1],
                                    "a\xc3\xa9\xf0\x9f\x98\x80\n\"\\")),
           "written and read again");
    }
}


int
main(void)
{
    types();
    malformed();
    positions();
    zones();
    moments();
    dumps();

    return unit_done();
}
