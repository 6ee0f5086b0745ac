/* link: referral_link.c referral_code.c referral_visitor.c referral_bots.c referral_automaton.c referral_rules.c referral_template.c referral_conditions.c referral_url.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_hash.c referral_str.c referral_lang.c referral_name.c */

#include "referral_lang.h"
#include "referral_link.h"
#include "unit.h"


#define FIELDS_MAX  40


static uint64_t        memory[REFERRAL_ENTRY_MAX / 4];
static char            complaints[65536];
static referral_buf_t  out;


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.len = strlen(text);
    s.data = (u_char *) text;

    return s;
}


/* "field:line," for each complaint */

static void
complain(void *data, const referral_str_t *field, unsigned line,
    const char *what)
{
    size_t  len;

    len = strlen(complaints);

    snprintf(complaints + len, sizeof(complaints) - len, "%.*s:%u,",
             (int) field->len, field->data, line);

    *(unsigned *) data += what != NULL && what[0] != '\0';
}


static const referral_entry_t *
compile_n(unsigned kind, const referral_str_t *fields, size_t n)
{
    unsigned  told;

    told = 0;
    complaints[0] = '\0';
    referral_buf_init(&out, memory, sizeof(memory));

    if (referral_entry_compile(&out, kind, fields, n, complain, &told)
        != REFERRAL_OK)
    {
        return NULL;
    }

    return (referral_entry_t *) memory;
}


/* name, value, name, value, NULL */

static const referral_entry_t *
compile(unsigned kind, ...)
{
    size_t                   n;
    va_list                  args;
    const char              *text;
    referral_str_t           fields[FIELDS_MAX];
    const referral_entry_t  *e;

    va_start(args, kind);

    for (n = 0; n < FIELDS_MAX; n++) {
        text = va_arg(args, const char *);

        if (text == NULL) {
            break;
        }

        fields[n] = str(text);
    }

    va_end(args);

    e = compile_n(kind, fields, n);

    if (e == NULL || !referral_entry_valid(e, e->size)
        || e->size != (size_t) (out.pos - out.start))
    {
        ok(0, "an entry is what a valid entry is");
    }

    return e;
}


#define LINK(...)      compile(REFERRAL_ENTRY_LINK, __VA_ARGS__, NULL)
#define PROGRAM(...)   compile(REFERRAL_ENTRY_PROGRAM, __VA_ARGS__, NULL)
#define REFERRER(...)  compile(REFERRAL_ENTRY_REFERRER, __VA_ARGS__, NULL)


static int
field_is(const referral_entry_t *e, unsigned field, const char *text)
{
    referral_str_t  s, want;

    if (!referral_entry_has(e, field)) {
        return 0;
    }

    s = referral_entry_field(e, field);
    want = str(text);

    return referral_str_eq(&s, &want);
}


/* the language that is chosen for a visitor */

static int
best_is(const referral_entry_t *e, const char *accept, const char *want)
{
    u_char          out[REFERRAL_LANG_MAX];
    referral_str_t  a, w, code, best;

    a = str(accept);
    w = str(want);
    code = referral_entry_field(e, REFERRAL_FIELD_LANGUAGES);

    best.data = out;
    best.len = referral_lang_choose(out, &a, &code);

    return referral_str_eq(&best, &w);
}


static int
told(const char *what)
{
    if (strcmp(complaints, what) == 0) {
        return 1;
    }

    fprintf(stderr, "# told \"%s\", not \"%s\"\n", complaints, what);

    return 0;
}


static void
test_names(void)
{
    char            text[80];
    referral_str_t  s;

    memset(text, 'a', sizeof(text));

    s.data = (u_char *) text;
    s.len = 64;
    ok(referral_code_valid(&s) && referral_program_valid(&s)
       && referral_referrer_valid(&s), "64 bytes");
    s.len = 65;
    ok(!referral_code_valid(&s) && !referral_program_valid(&s)
       && !referral_referrer_valid(&s), "not 65");
    s.len = 32;
    ok(referral_word_valid(&s), "a word of 32");
    s.len = 33;
    ok(!referral_word_valid(&s), "not of 33");
    s.len = 0;
    ok(!referral_code_valid(&s) && !referral_program_valid(&s)
       && !referral_referrer_valid(&s) && !referral_word_valid(&s),
       "nothing is no name");
}


/* every byte, in each of the four grammars */

static void
test_alphabets(void)
{
    int             c, alnum, lower, wrong;
    u_char          b;
    referral_str_t  s;

    wrong = 0;
    s.data = &b;
    s.len = 1;

    for (c = 0; c < 256; c++) {
        b = c;
        lower = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        alnum = lower || (c >= 'A' && c <= 'Z');

        wrong += referral_code_valid(&s) != (alnum || c == '_' || c == '-');
        wrong += referral_program_valid(&s)
                 != (lower || c == '_' || c == '-' || c == '.');
        wrong += referral_word_valid(&s)
                 != (lower || c == '_' || c == '-' || c == '.');
        wrong += referral_referrer_valid(&s)
                 != (alnum || c == '_' || c == '-' || c == '.' || c == '@'
                     || c == '+');
    }

    ok(wrong == 0, "each grammar takes just its bytes");
}


static void
test_link(void)
{
    const referral_entry_t  *e;

    e = compile(REFERRAL_ENTRY_LINK, NULL);
    ok(e->state == REFERRAL_STATE_ABSENT && e->bad == 0,
       "no fields: no such link");

    e = LINK("created", "2026-11-22");
    ok(e->state == REFERRAL_STATE_ACTIVE && e->set == 0 && told(""),
       "a link needs only to exist; foreign fields are passed over");

    e = LINK("referrer", "aiko@example.com", "name", "愛子", "segment", "vip",
             "channel", "mail", "landing", "https://shop.example.com/{code}",
             "rules", "country=JP https://jp.example.com/\n",
             "state", "disabled");
    ok(e->bad == 0 && told(""), "a whole link is right");
    ok(field_is(e, REFERRAL_FIELD_REFERRER, "aiko@example.com"), "referrer");
    ok(field_is(e, REFERRAL_FIELD_NAME, "愛子"), "name");
    ok(field_is(e, REFERRAL_FIELD_SEGMENT, "vip"), "segment");
    ok(field_is(e, REFERRAL_FIELD_CHANNEL, "mail"), "channel");
    ok(referral_entry_has(e, REFERRAL_FIELD_LANDING)
       && referral_entry_field(e, REFERRAL_FIELD_LANDING).len, "landing");
    ok(referral_entry_has(e, REFERRAL_FIELD_RULES)
       && referral_entry_field(e, REFERRAL_FIELD_RULES).len, "rules");
    ok(e->state == REFERRAL_STATE_DISABLED, "state");
    ok(e->utc_offset == INT16_MIN && e->window == 0 && e->late == 0
       && e->attribution == REFERRAL_ATTRIBUTION_UNSET,
       "what only programs say is unsaid");

    e = LINK("window", "1d", "late", "1d", "utc_offset", "+09:00",
             "fallback", "rubbish", "languages", "!");
    ok(e->window == 0 && e->late == 0 && e->utc_offset == INT16_MIN
       && e->set == 0 && told(""),
       "a program's fields in a link are foreign fields");

    e = LINK("name", "  Aiko \n", "segment", "", "state", " ", "ends", "");
    ok(field_is(e, REFERRAL_FIELD_NAME, "Aiko")
       && !referral_entry_has(e, REFERRAL_FIELD_SEGMENT)
       && e->state == REFERRAL_STATE_ACTIVE && !e->ends.set && told(""),
       "blanks around are nothing, and nothing is as if not there");

    e = LINK("landing_args", "a=1");
    ok(referral_entry_has(e, REFERRAL_FIELD_LANDING_ARGS)
       && referral_entry_field(e, REFERRAL_FIELD_LANDING_ARGS).len,
       "arguments");

    e = LINK("landing_args", "off");
    ok(referral_entry_has(e, REFERRAL_FIELD_LANDING_ARGS)
       && referral_entry_field(e, REFERRAL_FIELD_LANDING_ARGS).len == 0,
       "\"off\" is there, and empty");
}


static void
test_program(void)
{
    referral_str_t           host, want, code;
    const referral_entry_t  *e;

    e = PROGRAM("state", "active", "starts", "2026-12-01",
                "ends", "2026-12-25", "utc_offset", "-03:30", "window", "45d",
                "late", "3d", "attribution", "first",
                "languages", "EN, ja ,zh-TW",
                "landing", "https://shop.example.com/{lang}/",
                "fallback", "https://www.example.com/?why={result}",
                "landing_args", "ref={code}");
    ok(e->bad == 0 && told(""), "a whole program is right");
    ok(e->state == REFERRAL_STATE_ACTIVE, "state");
    ok(e->utc_offset == -210 && e->window == 45 * 86400
       && e->late == 3 * 86400, "offset, window, late");
    ok(e->attribution == REFERRAL_ATTRIBUTION_FIRST, "attribution");
    ok(best_is(e, "zh-tw", "zh-TW") && best_is(e, "ja-JP", "ja")
       && best_is(e, "fr", "EN"), "languages, as they are written");
    ok(e->starts.set && e->starts.local
       && e->starts.ms == 1796083200000LL, "starts with its first second");
    ok(e->ends.set && e->ends.local
       && e->ends.ms == 1796083200000LL + 25 * REFERRAL_DAY_MS - 1,
       "ends through its last");

    code = referral_entry_field(e, REFERRAL_FIELD_FALLBACK);
    want = str("www.example.com");
    ok(referral_template_host(&code, &host) == REFERRAL_OK
       && referral_str_eq(&host, &want), "each template in its own place");

    ok(PROGRAM("state", "Paused")->state == REFERRAL_STATE_PAUSED
       && told(""), "paused");
    ok(PROGRAM("window", "400d")->window == REFERRAL_WINDOW_MAX,
       "the longest window");
    ok(PROGRAM("late", "400d")->late == REFERRAL_LATE_MAX,
       "as late as can be");

    e = REFERRER("name", "Aiko", "segment", "vip", "state", "banned",
                 "landing", "rubbish");
    ok(field_is(e, REFERRAL_FIELD_NAME, "Aiko")
       && field_is(e, REFERRAL_FIELD_SEGMENT, "vip")
       && e->state == REFERRAL_STATE_ACTIVE && told(""),
       "a referrer has a name and a segment, and no more");
}


static void
test_wrong(void)
{
    char                     name[REFERRAL_NAME_MAX + 2], text[1024];
    unsigned                 i;
    size_t                   size;
    const referral_entry_t  *e;

    e = LINK("state", "paused");
    ok(e->state == REFERRAL_STATE_DISABLED && e->bad == 1 && told("state:0,"),
       "a wrong state of a link is disabled");

    e = PROGRAM("state", "disabled");
    ok(e->state == REFERRAL_STATE_PAUSED && told("state:0,"),
       "of a program paused");

    e = LINK("starts", "tomorrow");
    ok(e->starts.set && !referral_date_reached(&e->starts, 253402300799999LL,
                                               0)
       && told("starts:0,"), "a wrong start has not come");

    e = LINK("ends", "2026-02-30");
    ok(e->ends.set && referral_date_reached(&e->ends, 0, 0)
       && told("ends:0,"), "a wrong end is over");

    e = LINK("starts", "2026-12-02", "ends", "2026-12-01");
    ok(e->bad == 1 && told("ends:0,"), "an end before its start is told");

    e = LINK("starts", "2026-12-01", "ends", "2026-12-01");
    ok(e->bad == 0 && told(""), "one day is right");

    ok(PROGRAM("window", "401d")->window == 0 && told("window:0,"),
       "a window that is too long");
    ok(PROGRAM("window", "-1d")->window == 0 && told("window:0,"),
       "a window that is none");
    ok(PROGRAM("late", "401d")->late == 0 && told("late:0,"), "too late");
    ok(PROGRAM("late", "soon")->late == 0 && told("late:0,"),
       "late that is no time");
    ok(PROGRAM("utc_offset", "9")->utc_offset == INT16_MIN
       && told("utc_offset:0,"), "an offset that is none");
    ok(PROGRAM("timezone", "+01:00")->set == 0 && told("timezone:0,")
       && PROGRAM("timezone", "a/b/c/d")->set == 0 && told("timezone:0,"),
       "a time zone that is no name");
    e = PROGRAM("timezone", " Europe/Berlin ");
    ok(e->set == 1U << REFERRAL_FIELD_TIMEZONE && told("")
       && field_is(e, REFERRAL_FIELD_TIMEZONE, "Europe/Berlin"),
       "a name, whether there is such a zone or not");
    ok(LINK("timezone", "Europe/Berlin")->set == 0 && told(""),
       "no field of a link");
    ok(PROGRAM("attribution", "linear")->attribution
       == REFERRAL_ATTRIBUTION_UNSET && told("attribution:0,"),
       "an attribution that is none");
    ok(PROGRAM("bind", "Ever", "attribution_order", "Code")->bad == 0
       && told("")
       && PROGRAM("bind", "window", "attribution_order",
                  "code, bound,click ,cookie")->bad == 0 && told(""),
       "whom conversions are credited to");
    ok(PROGRAM("bind", "first")->bad == 1 && told("bind:0,"),
       "a bind that is none");
    ok(PROGRAM("attribution_order", "code,,click")->bad == 1
       && told("attribution_order:0,")
       && PROGRAM("attribution_order", "code,")->bad == 1
       && told("attribution_order:0,")
       && PROGRAM("attribution_order", "code,click,Code")->bad == 1
       && told("attribution_order:0,")
       && PROGRAM("attribution_order", "code,none")->bad == 1
       && told("attribution_order:0,"),
       "orders that are none");
    ok(PROGRAM("webhooks", "On")->bad == 0
       && PROGRAM("webhooks", "yes")->bad == 1 && told("webhooks:0,"),
       "webhooks are on or off");
    ok(LINK("bind", "first")->bad == 0 && told(""), "no field of a link");

    ok(PROGRAM("languages", "en,")->set == 0 && told("languages:0,"),
       "a language too many commas make");
    ok(PROGRAM("languages", "en,english_gb")->set == 0 && told("languages:0,"),
       "a language that is none");

    text[0] = '\0';
    for (i = 0; i < 33; i++) {
        strcat(text, i ? ",aaa-12345678-abc" : "aaa-12345678-abc");
    }
    ok(PROGRAM("languages", text)->set == 0 && told("languages:0,"),
       "more languages than anyone speaks");
    text[strlen(text) - 17] = '\0';
    ok(best_is(PROGRAM("languages", text), "fr", "aaa-12345678-abc"),
       "as many as may be, and long");

    ok(LINK("referrer", "a b")->set == 0 && told("referrer:0,"), "referrer");
    ok(LINK("segment", "VIP")->set == 0 && told("segment:0,"), "segment");
    ok(LINK("channel", "e mail")->set == 0 && told("channel:0,"), "channel");

    memset(name, 'n', sizeof(name));
    name[REFERRAL_NAME_MAX] = '\0';
    ok(field_is(LINK("name", name), REFERRAL_FIELD_NAME, name),
       "the longest name");
    name[REFERRAL_NAME_MAX] = 'n';
    name[REFERRAL_NAME_MAX + 1] = '\0';
    ok(LINK("name", name)->set == 0 && told("name:0,"), "a longer name");

    ok(field_is(LINK("channel", "FaceBook"), REFERRAL_FIELD_CHANNEL,
                "facebook"), "a channel with capitals");
    ok(field_is(LINK("referrer", "shop+anna@example.com"),
                REFERRAL_FIELD_REFERRER, "shop+anna@example.com"),
       "an address with a plus");

    for (i = 0x202a; i <= 0x202e; i++) {
        snprintf(name, sizeof(name), "Eve \xe2\x80%cgnp.exe", i - 0x1f80);
        ok(LINK("name", name)->set == 0 && told("name:0,"),
           "a name that turns the text: U+%04X", i);
    }

    for (i = 0x2066; i <= 0x2069; i++) {
        snprintf(name, sizeof(name), "a\xe2\x81%c", i - 0x1fc0);
        ok(LINK("name", name)->set == 0 && told("name:0,"),
           "or sets a part of it apart: U+%04X", i);
    }

    ok(LINK("name", "a\xe2\x80\xa8" "b")->set == 0 && told("name:0,"),
       "a line end of Unicode");
    ok(field_is(LINK("name", "\xd7\x90\xe2\x80\x8f!\xe2\x80\x8d\xd8\x9c"),
                REFERRAL_FIELD_NAME,
                "\xd7\x90\xe2\x80\x8f!\xe2\x80\x8d\xd8\x9c"),
       "marks of direction and joiners are part of a name");

    ok(LINK("name", "a\x01")->set == 0 && told("name:0,"), "a control");
    ok(LINK("name", "a\x7f")->set == 0 && told("name:0,"), "delete");
    ok(LINK("name", "a\xc2\x85z")->set == 0 && told("name:0,"),
       "a control of Latin-1");
    ok(LINK("name", "a\xc0\xaf")->set == 0 && told("name:0,"), "overlong");
    ok(LINK("name", "a\xe0\x80\xaf")->set == 0 && told("name:0,"),
       "overlong in three");
    ok(LINK("name", "a\xed\xa0\x80")->set == 0 && told("name:0,"),
       "a surrogate");
    ok(LINK("name", "a\xf4\x90\x80\x80")->set == 0 && told("name:0,"),
       "past the last code point");
    ok(LINK("name", "a\xe6\x84")->set == 0 && told("name:0,"), "cut");
    ok(LINK("name", "a\x80")->set == 0 && told("name:0,"), "a lone tail");
    ok(field_is(LINK("name", "\xf0\x9f\x8e\x81 \xc3\xa9\xef\xbf\xbd"),
                REFERRAL_FIELD_NAME, "\xf0\x9f\x8e\x81 \xc3\xa9\xef\xbf\xbd"),
       "what is UTF-8 is taken");

    ok(LINK("landing", "shop.example.com/x")->set == 0 && told("landing:0,"),
       "a landing without a scheme");
    ok(LINK("landing", "https://shop.example.com/{nobody}")->set == 0
       && told("landing:0,"), "an unknown placeholder");
    ok(LINK("landing", "https://user@example.com/")->set == 0
       && told("landing:0,"), "userinfo");
    ok(LINK("landing_args", "?a=1")->set == 0 && told("landing_args:0,"),
       "arguments with their question mark");
    ok(LINK("landing_args", "a=1#x")->set == 0 && told("landing_args:0,"),
       "arguments with a fragment");

    size = LINK("name", "Aiko", "segment", "vip")->size;
    e = LINK("landing", "rubbish", "name", "Aiko", "landing_args", "{nobody}",
             "segment", "vip");
    ok(field_is(e, REFERRAL_FIELD_NAME, "Aiko")
       && field_is(e, REFERRAL_FIELD_SEGMENT, "vip") && e->bad == 2
       && e->size == size && told("landing:0,landing_args:0,"),
       "a wrong field leaves nothing behind, its neighbours stay");

    e = LINK("rules", "# ours\nplanet=mars https://a.example.com/\n"
             "country=JP https://jp.example.com/\n\nlang=ja nowhere\n");
    ok(referral_entry_has(e, REFERRAL_FIELD_RULES) && e->bad == 2
       && told("rules:2,rules:5,"), "bad rules are left out, with their line");

    e = LINK("rules", "rubbish");
    ok(e->bad == 1 && told("rules:1,"), "rules that are none");
}


static int
offer_is(const referral_entry_t *e, const char *lang, const char *want)
{
    referral_str_t  l, w, found;

    l = str(lang);
    w = str(want);
    found = referral_entry_offer(e, &l);

    return referral_str_eq(&found, &w);
}


static void
test_offer(void)
{
    size_t             i, size, wrong;
    char               text[REFERRAL_OFFER_MAX + 2];
    u_char             copy[1024], bit;
    referral_str_t     lang, found;
    referral_entry_t  *e;

    e = (referral_entry_t *) PROGRAM("offer:de-AT", "at", "offer", " 10 \xe2"
                                     "\x82\xac <b>&</b> ", "window", "30d",
                                     "offer:de", "de", "offer:zh_Hant", "zh");

    ok(told("") && e->window == 30 * 86400, "offers");
    ok(offer_is(e, "de", "de") && offer_is(e, "de-at", "at")
       && offer_is(e, "de-ch", "de") && offer_is(e, "zh-tw", "zh")
       && offer_is(e, "DE-at", "at"), "in the language, the nearest");
    ok(offer_is(e, "fr", "10 \xe2\x82\xac <b>&</b>")
       && offer_is(e, "zh-cn", "10 \xe2\x82\xac <b>&</b>")
       && offer_is(e, "", "10 \xe2\x82\xac <b>&</b>")
       && offer_is(e, "!", "10 \xe2\x82\xac <b>&</b>"),
       "otherwise that of all, as it was written");

    e = (referral_entry_t *) PROGRAM("offer:de", "de", "offer", " ");
    ok(offer_is(e, "de", "de") && offer_is(e, "en", ""), "there may be none");
    ok(offer_is(NULL, "de", "") && offer_is(PROGRAM("state", "active"), "de",
                                            ""), "nor any");
    ok(LINK("offer", "x")->set == 0 && told(""), "links have none");
    ok(PROGRAM("offers", "x", "offe", "x", "offer_", "x")->set == 0
       && told(""), "other fields");

    ok(PROGRAM("offer:", "x")->set == 0 && told("offer:0,")
       && PROGRAM("offer:d\n", "x")->set == 0 && told("offer:0,")
       && PROGRAM("offer:english_gb", "x")->set == 0 && told("offer:0,"),
       "no languages, whose names are not told");
    ok(PROGRAM("offer", "a\nb")->set == 0 && told("offer:0,")
       && PROGRAM("offer:de", "a\x80")->set == 0 && told("offer:de:0,")
       && PROGRAM("offer", "a\xe2\x80\xae" "b")->set == 0
       && told("offer:0,"), "no line ends, broken UTF-8, turned text");

    memset(text, 'x', sizeof(text));
    text[REFERRAL_OFFER_MAX] = '\0';
    ok(offer_is(PROGRAM("offer", text), "de", text), "the longest");
    text[REFERRAL_OFFER_MAX] = 'x';
    text[REFERRAL_OFFER_MAX + 1] = '\0';
    ok(PROGRAM("offer", text)->set == 0 && told("offer:0,"), "a longer one");
    ok(offer_is(PROGRAM("offer", text, "offer:de", "de"), "de", "de"),
       "leaves the others");

    /* bytes of shared memory that were damaged */

    size = PROGRAM("offer", "all", "offer:de", "de")->size;
    lang = str("de");
    wrong = 0;

    for (i = sizeof(referral_entry_t); i < size; i++) {
        for (bit = 0; bit < 8; bit++) {
            memcpy(copy, memory, size);
            copy[i] ^= 1 << bit;

            found = referral_entry_offer((referral_entry_t *) copy, &lang);

            wrong += found.len && (found.data < copy
                                   || found.data + found.len > copy + size);
        }
    }

    ok(wrong == 0, "never points out of the entry");
}


static void
test_many_bad(void)
{
    char      rules[300 * 2 + 1];
    unsigned  i;

    for (i = 0; i < 300; i++) {
        memcpy(&rules[i * 2], "x\n", 2);
    }

    rules[sizeof(rules) - 1] = '\0';

    ok(LINK("rules", rules)->bad == 255, "bad ones are counted to 255");
}


static void
test_room(void)
{
    size_t           i, fits, wrong;
    char            *big;
    u_char          *room;
    referral_buf_t   b;
    referral_str_t   fields[10];

    fields[0] = str("name");
    fields[1] = str("Aiko");
    fields[2] = str("landing");
    fields[3] = str("https://shop.example.com/{code}");
    fields[4] = str("rules");
    fields[5] = str("country=JP as=b https://jp.example.com/{name|you}\n");
    fields[6] = str("landing_args");
    fields[7] = str("ref={code}");
    fields[8] = str("segment");
    fields[9] = str("vip");

    fits = 0;
    wrong = 0;

    for (i = 0; i < 1024; i++) {
        room = malloc(i ? i : 1);
        referral_buf_init(&b, room, i);

        if (referral_entry_compile(&b, REFERRAL_ENTRY_LINK, fields, 10, NULL,
                                   NULL)
            == REFERRAL_OK)
        {
            wrong += ((referral_entry_t *) room)->bad != 0
                     || ((referral_entry_t *) room)->set
                        != (1 << REFERRAL_FIELD_NAME
                            | 1 << REFERRAL_FIELD_LANDING
                            | 1 << REFERRAL_FIELD_RULES
                            | 1 << REFERRAL_FIELD_LANDING_ARGS
                            | 1 << REFERRAL_FIELD_SEGMENT);
            fits++;

        } else {
            wrong += fits != 0;
        }

        free(room);
    }

    ok(fits > 0 && wrong == 0, "an entry is whole or an error, never a part");

    big = malloc(REFERRAL_ENTRY_MAX * 2);
    i = 0;

    while (i < REFERRAL_ENTRY_MAX + 4096) {
        i += sprintf(big + i, "country=JP https://jp.example.com/%zu\n", i);
    }

    fields[0] = str("rules");
    fields[1] = str(big);
    ok(compile_n(REFERRAL_ENTRY_LINK, fields, 2) == NULL,
       "more rules than an entry holds");

    fields[0] = str("landing");
    memset(big, 'x', REFERRAL_URL_MAX + 1);
    memcpy(big, "https://a.example.com/", 22);
    big[REFERRAL_URL_MAX + 1] = '\0';
    fields[1] = str(big);
    ok(compile_n(REFERRAL_ENTRY_LINK, fields, 2) != NULL
       && told("landing:0,"), "a landing longer than a URL may be");

    free(big);

    fields[0] = str("name");
    ok(compile_n(REFERRAL_ENTRY_LINK, fields, 1) != NULL && told(""),
       "a name without its value is passed over");
}


static void
test_valid(void)
{
    size_t             i, size, wrong;
    unsigned           bit, f;
    uint64_t           copy[64];
    referral_str_t     s;
    referral_entry_t  *e;

    size = LINK("name", "Aiko", "segment", "vip", "landing",
                "https://shop.example.com/{code}")->size;

    ok(size <= sizeof(copy), "a small entry: %zu bytes", size);

    e = (referral_entry_t *) copy;

    memcpy(copy, memory, size);
    ok(referral_entry_valid(e, size), "is valid where it was copied to");
    ok(!referral_entry_valid(e, size - 1) && !referral_entry_valid(e, 0),
       "not with another size");

    wrong = 0;

    for (i = 0; i < sizeof(referral_entry_t); i++) {
        for (bit = 0; bit < 8; bit++) {
            memcpy(copy, memory, size);
            ((u_char *) copy)[i] ^= 1 << bit;

            if (!referral_entry_valid(e, size)) {
                continue;
            }

            for (f = 0; f < REFERRAL_FIELDS; f++) {
                s = referral_entry_field(e, f);

                wrong += referral_entry_has(e, f)
                         && (s.data < (u_char *) copy
                             || s.data + s.len > (u_char *) copy + size);
            }
        }
    }

    ok(wrong == 0, "what passes never points out of itself");
}


int
main(void)
{
    test_names();
    test_alphabets();
    test_link();
    test_program();
    test_wrong();
    test_offer();
    test_many_bad();
    test_room();
    test_valid();

    return unit_done();
}
