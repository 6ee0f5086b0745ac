/* link: referral_intake.c referral_intake_memory.c referral_intake_split.c referral_intake_json.c referral_intake_form.c referral_intake_check.c referral_event.c referral_unit.c referral_digest.c referral_id.c referral_code.c referral_name.c referral_time.c referral_str.c -ljansson -lcrypto */

/* protects: that what a shop sends becomes the event that it meant, or all
 * its mistakes by name */

#include <time.h>

#include "referral_intake.h"
#include "unit.h"


#define NOW    1795352709123LL           /* 2026-11-22T13:05:09.123Z */
#define CLICK  "019aab8e-1e00-7123-8456-0123456789ab"


static referral_intake_conf_t  conf;
static referral_intake_t       in;


static referral_str_t
text(const char *s)
{
    referral_str_t  t;

    t.data = (u_char *) s;
    t.len = strlen(s);

    return t;
}


static void
conf_set(void)
{
    memset(&conf, 0, sizeof(conf));

    referral_str_set(&conf.program, "shop");
    conf.now = NOW;
    conf.trust = REFERRAL_TRUST_SIGNED;
}


/* from memory of exactly that size, which is gone before the result is read */

static int
take_n(unsigned type, const char *s, size_t len)
{
    int             rc;
    u_char         *copy;
    referral_str_t  body;

    referral_intake_free(&in);

    copy = malloc(len ? len : 1);
    if (copy == NULL) {
        return REFERRAL_ERROR;
    }

    memcpy(copy, s, len);

    body.data = copy;
    body.len = len;

    rc = referral_intake_body(&in, type, &body, &conf);

    free(copy);

    return rc;
}


static int
take(unsigned type, const char *s)
{
    return take_n(type, s, strlen(s));
}


static int
is(const referral_str_t *s, const char *value)
{
    return s->len == strlen(value) && memcmp(s->data, value, s->len) == 0;
}


/* "field code, field code": just these mistakes, in this order */

static int
item_says(const referral_intake_item_t *item, const char *wanted)
{
    char                      got[4096];
    size_t                    n;
    referral_intake_error_t  *error;

    n = 0;
    got[0] = '\0';

    for (error = item->errors; error; error = error->next) {

        if (error->detail.len < 5) {
            return 0;
        }

        n += snprintf(got + n, sizeof(got) - n, "%s%.*s %.*s", n ? ", " : "",
                      (int) error->field.len, (char *) error->field.data,
                      (int) error->code.len, (char *) error->code.data);
    }

    if (strcmp(got, wanted) != 0) {
        fprintf(stderr, "# got \"%s\", wanted \"%s\"\n", got, wanted);
        return 0;
    }

    return (item->errors == NULL) == (item->status == 0);
}


static int
says(unsigned type, const char *body, const char *wanted)
{
    return take(type, body) == REFERRAL_OK && in.n == 1
           && item_says(&in.item[0], wanted);
}


static int
json(const char *body, const char *wanted)
{
    return says(REFERRAL_INTAKE_JSON, body, wanted);
}


static int
form(const char *body, const char *wanted)
{
    return says(REFERRAL_INTAKE_FORM, body, wanted);
}


/* the first mistake's words have these among them */

static int
item_told(const referral_intake_item_t *item, const char *words)
{
    char             detail[512];
    referral_str_t  *text;

    if (item->errors == NULL) {
        return 0;
    }

    text = &item->errors->detail;

    snprintf(detail, sizeof(detail), "%.*s", (int) text->len,
             (char *) text->data);

    if (strstr(detail, words) == NULL) {
        fprintf(stderr, "# got \"%s\", wanted \"%s\"\n", detail, words);
        return 0;
    }

    return 1;
}


static int
told(const char *words)
{
    return item_told(&in.item[0], words);
}


/* a body that is no JSON, and what is told of it */

static int
no_json(const char *body, const char *words)
{
    return json(body, " syntax") && told(words);
}


/* a lead with one more field */

static int
lead(const char *field, const char *wanted)
{
    char  body[8192];

    snprintf(body, sizeof(body),
             "{\"type\":\"lead\",\"event_id\":\"e\",\"customer\":\"c\",%s}",
             field);

    return json(body, wanted);
}


static const char  full_json[] =
    "{\"type\":\"sale\",\"event_id\":\"evt.17\",\"customer\":\"aiko@x\","
    "\"order_id\":\"17\",\"click_id\":\"" CLICK "\",\"code\":\"AIKO7\","
    "\"amount\":1999,\"currency\":\"EUR\",\"quantity\":2,"
    "\"product\":[\"a\",\"b.2\"],\"role\":\"guest\",\"parties\":[\"h,1\"],"
    "\"segment\":\"vip\",\"at\":\"2026-11-22T13:25:00+01:00\","
    "\"order_at\":\"2026-11-21T00:00:00Z\",\"new\":1,"
    "\"email_hash\":\"0123456789ABCDEF0123456789abcdef"
                     "0123456789abcdef0123456789abcdef\","
    "\"email_domain\":\"Example.COM\",\"country\":\"JP\","
    "\"city\":\"T\\u014dky\xc5\x8d\","
    "\"x\":{\"zeta\":\"1 & 2\",\"alpha\":\"\"}}";

static const char  full_form[] =
    "x.alpha=&type=sale&event_id=evt.17&customer=aiko%40x&order_id=17"
    "&click_id=" CLICK "&code=AIKO7&amount=1999&currency=EUR&quantity=2"
    "&product=a&product=b.2&role=guest&parties=h%2C1&segment=vip"
    "&at=2026-11-22T13:25:00%2B01:00&order_at=2026-11-21T00:00:00Z&new=1"
    "&email_hash=0123456789ABCDEF0123456789abcdef"
                "0123456789abcdef0123456789abcdef"
    "&email_domain=Example.COM&country=JP&city=T%C5%8Dky%c5%8d"
    "&x.zeta=1+%26+2";


static void
test_full(void)
{
    u_char             bytes[REFERRAL_EVENT_MAX], print[8];
    ssize_t            n;
    referral_event_t  *e, again;

    ok(json(full_json, ""), "an event with all its fields");

    e = &in.item[0].event;

    ok(!in.batch && is(&e->text[REFERRAL_EVENT_TEXT_PROGRAM], "shop")
       && is(&e->text[REFERRAL_EVENT_TEXT_TYPE], "sale")
       && is(&e->text[REFERRAL_EVENT_TEXT_ID], "evt.17")
       && is(&e->text[REFERRAL_EVENT_TEXT_CUSTOMER], "aiko@x")
       && is(&e->text[REFERRAL_EVENT_TEXT_ORDER], "17")
       && is(&e->text[REFERRAL_EVENT_TEXT_CODE], "AIKO7")
       && is(&e->text[REFERRAL_EVENT_TEXT_UNIT], "EUR")
       && is(&e->text[REFERRAL_EVENT_TEXT_ROLE], "guest")
       && is(&e->text[REFERRAL_EVENT_TEXT_SEGMENT], "vip")
       && is(&e->text[REFERRAL_EVENT_TEXT_EMAIL_DOMAIN], "example.com")
       && e->text[REFERRAL_EVENT_TEXT_EMAIL_HASH].data[10] == 'a'
       && is(&e->text[REFERRAL_EVENT_TEXT_COUNTRY], "JP")
       && is(&e->text[REFERRAL_EVENT_TEXT_CITY], "T\xc5\x8dky\xc5\x8d"),
       "texts");
    ok(e->amount == 1999 && e->quantity == 2 && e->received == NOW
       && e->at == 1795350300000LL && e->order_at == 1795219200000LL
       && e->trust == REFERRAL_TRUST_SIGNED
       && e->flags == (REFERRAL_EVENT_AT_GIVEN|REFERRAL_EVENT_ORDER_AT
                       |REFERRAL_EVENT_AMOUNT|REFERRAL_EVENT_CLICK_ID
                       |REFERRAL_EVENT_NEW_SAID|REFERRAL_EVENT_NEW),
       "numbers and times");
    ok(e->products == 2 && is(&e->product[1], "b.2") && e->parties == 1
       && is(&e->party[0], "h,1") && e->extras == 2
       && is(&e->extra[0].key, "alpha") && e->extra[0].value.len == 0
       && is(&e->extra[1].key, "zeta") && is(&e->extra[1].value, "1 & 2"),
       "lists, and \"x\" by key");

    n = referral_event_encode(bytes, sizeof(bytes), e);

    ok(n > 0 && referral_event_decode(&again, bytes, n) == REFERRAL_OK,
       "becomes bytes");

    memcpy(print, e->fingerprint, sizeof(print));

    ok(form(full_form, "")
       && memcmp(in.item[0].event.fingerprint, print, sizeof(print)) == 0,
       "as a form it is the same event");
    ok(says(REFERRAL_INTAKE_HEADER, full_json, "")
       && says(REFERRAL_INTAKE_HEADER, full_form, "")
       && memcmp(in.item[0].event.fingerprint, print, sizeof(print)) == 0,
       "and in a header, either way");

    conf.fold = 1;
    ok(json(full_json, "")
       && is(&in.item[0].event.text[REFERRAL_EVENT_TEXT_CODE], "aiko7"),
       "codes in lower case, where links are");
    conf.fold = 0;
}


static void
test_least(void)
{
    referral_event_t  *e;

    ok(json("{\"type\":\"lead\",\"event_id\":\"1\",\"customer\":\"c\"}", ""),
       "the least that a lead is");

    e = &in.item[0].event;
    ok(e->at == NOW && e->received == NOW && e->flags == 0,
       "what is not said is now, and not given");

    ok(json("\xef\xbb\xbf {\"type\":\"install\",\"event_id\":\"1\","
            "\"customer\":\"c\"}\r\n", ""), "a mark of the byte order");
    ok(lead("\"code\":\"\",\"city\":null,\"product\":null,\"x\":null,"
            "\"parties\":[null,\"\"]", "")
       && in.item[0].event.parties == 0,
       "an empty text and null are as if left out");
    ok(lead("\"product\":\"a\"", "") && in.item[0].event.products == 1,
       "one text for a list of one");
    ok(lead("\"new\":false", "")
       && in.item[0].event.flags == REFERRAL_EVENT_NEW_SAID, "new: false");
    ok(json("{\"type\":\"refund\",\"event_id\":\"1\",\"order_id\":\"o\","
            "\"total_refunded\":0,\"currency\":\"JPY\"}", "")
       && in.item[0].event.flags == REFERRAL_EVENT_REFUNDED,
       "a refund by its total");
    ok(json("{\"type\":\"cancel\",\"event_id\":\"1\",\"customer\":\"c\"}", "")
       && json("{\"type\":\"cancel\",\"event_id\":\"1\",\"order_id\":\"c\"}",
               ""), "a cancel of an order or of an account");
    ok(json("{\"type\":\"sale\",\"event_id\":\"1\",\"customer\":\"c\","
            "\"order_id\":\"o\",\"amount\":9007199254740991,"
            "\"currency\":\"pts\"}", ""),
       "2^53 - 1 points");

    conf.id = text("msg_1");
    ok(json("{\"type\":\"lead\",\"customer\":\"c\"}", "")
       && is(&in.item[0].event.text[REFERRAL_EVENT_TEXT_ID], "msg_1"),
       "the id of the message is that of an event without one");
    ok(take(REFERRAL_INTAKE_JSON, "[{\"type\":\"lead\",\"customer\":\"c\"}]")
       == REFERRAL_OK && item_says(&in.item[0], "event_id missing"),
       "not so of several");
    conf.id.len = 0;
}


static void
test_missing(void)
{
    ok(json("{}", "type missing, event_id missing"), "nothing");
    ok(json("{\"type\":\"lead\",\"event_id\":\"e\"}", "customer missing"),
       "a lead");
    ok(json("{\"type\":\"sale\",\"event_id\":\"e\"}",
            "customer missing, order_id missing, amount missing"), "a sale");
    ok(json("{\"type\":\"refund\",\"event_id\":\"e\"}",
            "order_id missing, amount missing"), "a refund");
    ok(json("{\"type\":\"update\",\"event_id\":\"e\"}",
            "order_id missing, amount missing"), "an update");
    ok(json("{\"type\":\"cancel\",\"event_id\":\"e\"}", "order_id missing"),
       "a cancel");
    ok(json("{\"type\":\"ride\",\"event_id\":\"e\"}", "customer missing"),
       "a word of the shop's");
    ok(lead("\"amount\":5", "currency missing")
       && lead("\"currency\":\"EUR\"", "amount missing")
       && json("{\"type\":\"sale\",\"event_id\":\"e\",\"customer\":\"c\","
               "\"order_id\":\"o\",\"currency\":\"EUR\"}", "amount missing"),
       "an amount has its currency, a currency its amount, told once");
    ok(lead("\"total_refunded\":5,\"currency\":\"EUR\"",
            "total_refunded not_allowed"), "a total of refunds elsewhere");
    ok(json("{\"type\":\"sale\",\"event_id\":\"\",\"customer\":\"a b\","
            "\"order_id\":17,\"ammount\":5,\"amount\":1.5,"
            "\"at\":\"yesterday\",\"x\":{\"A\":\"1\"}}",
            "customer format, order_id wrong_type, ammount unknown_field, "
            "amount not_whole, at format, x.A format, event_id missing, "
            "currency missing"),
       "all mistakes at once, and what is wrong is not missing too");
}


static void
test_amounts(void)
{
    ok(lead("\"amount\":12.34,\"currency\":\"EUR\"", "amount not_whole")
       && lead("\"amount\":1e3,\"currency\":\"EUR\"", "amount not_whole")
       && lead("\"amount\":5.0,\"currency\":\"EUR\"", "amount not_whole"),
       "a point or an exponent");
    ok(told("1234"), "it is told what would be right");
    ok(lead("\"amount\":-1,\"currency\":\"EUR\"", "amount range")
       && lead("\"amount\":9007199254740992,\"currency\":\"EUR\"",
               "amount range")
       && lead("\"amount\":9223372036854775807,\"currency\":\"EUR\"",
               "amount range"), "below zero and above 2^53 - 1");
    ok(lead("\"amount\":9223372036854775808,\"currency\":\"EUR\"", " range")
       && lead("\"amount\":1e400,\"currency\":\"EUR\"", " range"),
       "numbers that are none in 64 bits");
    ok(lead("\"amount\":NaN", " syntax") && lead("\"amount\":Infinity",
                                                 " syntax")
       && lead("\"amount\":01", " syntax") && lead("\"amount\":+1", " syntax"),
       "what is no number of JSON's");
    ok(lead("\"amount\":\"1234\",\"currency\":\"EUR\"", "amount wrong_type")
       && lead("\"amount\":true,\"currency\":\"EUR\"", "amount wrong_type")
       && lead("\"amount\":[5],\"currency\":\"EUR\"", "amount wrong_type"),
       "a text is no number");
    ok(lead("\"quantity\":0", "quantity range")
       && lead("\"quantity\":1000001", "quantity range")
       && lead("\"new\":2", "new range")
       && lead("\"new\":\"1\"", "new wrong_type"), "other numbers");
    ok(lead("\"amount\":5,\"currency\":\"eur\"", "currency unit")
       && lead("\"amount\":5,\"currency\":\"XAU\"", "currency unit")
       && lead("\"amount\":5,\"currency\":978", "currency wrong_type"),
       "currencies that are none");
    ok(form("type=lead&event_id=e&customer=c&amount=12.34&currency=EUR",
            "amount not_whole")
       && form("type=lead&event_id=e&customer=c&amount=-5&currency=EUR",
               "amount range")
       && form("type=lead&event_id=e&customer=c&amount=5e2&currency=EUR",
               "amount format")
       && form("type=lead&event_id=e&customer=c&amount=99999999999999999999"
               "&currency=EUR", "amount range")
       && form("type=lead&event_id=e&customer=c&new=yes", "new format"),
       "in a form");
}


static void
test_units(void)
{
    static const referral_unit_t  units[] = {
        { referral_string("pt"), 0 }, { referral_string("MB"), 0 }
    };

    conf.unit = units;
    conf.units = 2;

    ok(lead("\"amount\":5,\"currency\":\"MB\"", "")
       && lead("\"amount\":5,\"currency\":\"CHF\"", ""),
       "the program's units, and any currency");
    ok(lead("\"amount\":5,\"currency\":\"EURO\"", "currency unit"),
       "a unit that the program has not");

    conf.unit = NULL;
    conf.units = 0;

    ok(lead("\"amount\":5,\"currency\":\"EURO\"", ""),
       "where they are not known it is not refused");
}


static void
test_fields(void)
{
    char  body[8192], big[400];

    memset(big, 'a', sizeof(big));
    big[129] = '\0';

    snprintf(body, sizeof(body), "\"order_id\":\"%s\"", big);
    ok(lead(body, "order_id too_long"), "what is too long is not cut");

    memset(big, 'a', sizeof(big));
    big[257] = '\0';
    snprintf(body, sizeof(body), "\"x\":{\"k\":\"%s\"}", big);
    ok(lead(body, "x.k too_long"), "nor in \"x\"");

    ok(lead("\"customer \":\"c\"", "customer  unknown_field")
       && told("\"customer\" meant"),
       "a name that is nearly right is told");
    ok(lead("\"foo\":{\"bar\":[1,{}]}", "foo unknown_field"),
       "an unknown field, whatever it holds");
    ok(lead("\"code\":\"a b\",\"role\":\"A\",\"segment\":\"\xc3\xa9\","
            "\"country\":\"jp\",\"city\":\"a\\nb\",\"email_hash\":\"12\","
            "\"email_domain\":\"a@b\",\"click_id\":\"17\"",
            "code format, role format, segment format, country format, "
            "city format, email_hash format, email_domain format, "
            "click_id format"), "grammars");
    ok(lead("\"city\":[\"a\"],\"code\":{},\"role\":true,\"at\":1795352709",
            "city wrong_type, code wrong_type, role wrong_type, "
            "at wrong_type"), "types");
    ok(lead("\"product\":[\"a\",\"B\",3,[]],\"parties\":[\"a b\"]",
            "product format, product wrong_type, product wrong_type, "
            "parties format"), "entries of lists");
    ok(lead("\"product\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
            "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"],"
            "\"parties\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
            "\"a\"]", "product too_many, parties too_many"), "too many");
    ok(lead("\"x\":{\"a\":\"1\",\"B\":\"2\",\"c\":3,\"d\":\"\\u0007\","
            "\"e\":null}", "x.B format, x.c wrong_type, x.d format")
       && lead("\"x\":\"a\"", "x wrong_type"), "entries of \"x\"");
    ok(lead("\"x\":{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\",\"e\":\"\","
            "\"f\":\"\",\"g\":\"\",\"h\":\"\",\"i\":\"\",\"j\":\"\","
            "\"k\":\"\",\"l\":\"\",\"m\":\"\",\"n\":\"\",\"o\":\"\","
            "\"p\":\"\",\"q\":\"\"}", "x.q too_many"), "too many of these");
    ok(json("{\"type\":\"adjust\",\"event_id\":\"e\",\"customer\":\"c\"}",
            "type reserved")
       && json("{\"type\":\"Sale\",\"event_id\":\"e\",\"customer\":\"c\"}",
               "type format"), "types of events");
    ok(lead("\"\":\"1\"", " unknown_field"), "a field without a name");
}


static void
test_times(void)
{
    ok(lead("\"at\":\"2026-11-22T13:10:09.123Z\"", "")
       && lead("\"at\":\"2026-11-22T13:10:09.124Z\"", "at at_ahead"),
       "five minutes ahead, and more");
    ok(lead("\"order_at\":\"2026-11-22T13:10:10Z\"", "order_at at_ahead"),
       "the order's too");
    ok(lead("\"at\":\"2026-09-23T13:05:09.123Z\"", "")
       && lead("\"at\":\"2026-09-23T13:05:09.122Z\"", "at at_late")
       && lead("\"at\":\"1969-01-01T00:00:00Z\"", "at at_late"),
       "60 days late, and more");

    conf.late = 86400;
    ok(lead("\"at\":\"2026-11-21T13:05:09.123Z\"", "")
       && lead("\"at\":\"2026-11-21T13:05:09Z\"", "at at_late"),
       "as late as the program says");
    conf.late = 0;

    ok(lead("\"at\":\"2026-11-22T13:10:09\"", "at format")
       && lead("\"at\":\"2026-11-22\"", "at format")
       && lead("\"order_at\":\"2026-11-22\"", "order_at format"),
       "a moment has its offset");
    ok(lead("\"order_at\":\"1970-01-01T12:00:00Z\"", "order_at range"),
       "the first day of the calendar");

    /* a click of 13:05:09.120 */

    ok(lead("\"click_id\":\"01a2035c-4800-7123-8456-0123456789ab\","
            "\"at\":\"2026-11-22T13:00:09.120Z\"", "")
       && lead("\"click_id\":\"01a2035c-4800-7123-8456-0123456789ab\","
               "\"at\":\"2026-11-22T13:00:09.000Z\"", "click_id click_ahead"),
       "a click that came after the event");
    ok(lead("\"click_id\":\"01a30304-a320-7123-8456-0123456789ab\"",
            "click_id click_ahead"), "or that is still to come");
    ok(lead("\"click_id\":\"ffffffff-ffff-7123-8456-0123456789ab\"",
            "click_id format"), "or is out of the calendar");
    ok(lead("\"click_id\":\"01a30304-a320-4123-8456-0123456789ab\"",
            "click_id format"), "a UUID of another version");
}


static void
test_syntax(void)
{
    ok(lead("\"code\":\"a\",\"code\":\"b\"", "code duplicate")
       && in.item[0].status == 400, "a field twice");
    ok(lead("\"x\":{\"k\":\"a\",\"k\":\"b\"}", "k duplicate"),
       "a key of \"x\" twice");
    ok(lead("\"code\":\"a", " syntax") && lead("\"code\":", " syntax")
       && lead("'code':1", " syntax") && lead("", " syntax")
       && lead("\"a\":1}{", " syntax"), "broken JSON");
    ok(lead("\"city\":\"\\u0000\"", " encoding")
       && lead("\"a\\u0000b\":1", " encoding"), "NUL in a text or a key");
    ok(lead("\"city\":\"\xff\"", " encoding")
       && lead("\"city\":\"\xc0\xaf\"", " encoding")
       && lead("\"city\":\"\xed\xa0\x80\"", " encoding"), "what is no UTF-8");
    ok(lead("\"city\":\"\\ud800\"", " syntax")
       && lead("\"city\":\"\\udc00\\ud800\"", " syntax")
       && lead("\"city\":\"\\ud800\\u0041\"", " syntax"),
       "half of a character");
    ok(lead("\"city\":\"\\ud83d\\ude00\"", ""), "a whole one");
    ok(json("7", " syntax") && json("\"a\"", " syntax")
       && json("null", " syntax"), "no object");
    ok(no_json("{'a':1}", "a field's name in double quotes")
       && no_json("{\"a\":1,}", "behind the last field stands no comma "
                  "(line 1, column 8)")
       && no_json("{\"a\" 1}", "\":\" is expected")
       && no_json("{\"a\":1\n \"b\":2}", "\",\" or \"}\" is expected after a "
                  "field's value (line 2, column 4)")
       && no_json("{\"a\":[1 2]}", "\",\" or \"]\" is expected")
       && no_json("{\"a\":}", "a value is expected")
       && no_json("{\"a\":yes}", "nor a number, true, false or null")
       && no_json("{\"a\":\"b\nc\"}", "a line break in it is \\n")
       && no_json("{\"a\":\"b\tc\"}", "a control character")
       && no_json("{\"a\":\"\\x\"}", "is followed by one of")
       && no_json("{\"a\":\"\\u12g4\"}", "four hexadecimal digits")
       && no_json("{\"a\":\"\\ud800\"}", "half a character")
       && no_json("{\"a\":\"b", "ends before its object does")
       && no_json("7", "a JSON object is expected"),
       "each mistake of JSON has words of its own");
    ok(no_json("\xef\xbb\xbf\n  {\"\xc3\xa9\":1 2}", "(line 2, column 10)"),
       "line and column are the body's, in characters");
    ok(take(REFERRAL_INTAKE_JSON, "[{},\n {\"a\" 1}, {\"a\":\n1 2}]")
       == REFERRAL_OK && item_told(&in.item[1], "(line 2, column 7)")
       && item_told(&in.item[2], "(line 3, column 3)"), "also of an array");
    ok(take(REFERRAL_INTAKE_NDJSON, "{}\n\n  {\"a\" 1}\r\n{\"a\"}")
       == REFERRAL_OK && item_told(&in.item[1], "(line 3, column 8)")
       && item_told(&in.item[2], "(line 4, column 5)"), "and of lines");
    ok(take(REFERRAL_INTAKE_JSON, "[{},\n {} {}]") == REFERRAL_DECLINED
       && item_told(&in.body, "(line 2, column 5)")
       && take(REFERRAL_INTAKE_JSON, "[{},\n {\"a\":1]") == REFERRAL_DECLINED
       && item_told(&in.body, "has no end, or is nested deeper than 32 "
                    "(line 2, column 2)"), "and of an array that is none");
    ok(json("{\"a\":1}{\"a\":1}", " syntax")
       && told("x-ndjson"),
       "several, not said to be");
    ok(take_n(REFERRAL_INTAKE_JSON, "{\"type\":\"lead\"\0}", 16)
       == REFERRAL_OK && item_says(&in.item[0], " syntax"),
       "a byte of NUL");
    ok(take(REFERRAL_INTAKE_JSON, "") == REFERRAL_DECLINED
       && item_says(&in.body, " empty")
       && take(REFERRAL_INTAKE_FORM, " \n") == REFERRAL_DECLINED,
       "nothing at all");
}


static void
test_form(void)
{
    ok(form("type=lead&&event_id=e&customer=c&", ""), "empty pairs");
    ok(form("type=lead&event_id=e&customer=c&customer=d",
            "customer duplicate"), "a field twice");
    ok(form("type=lead&event_id=e&customer=c&x.a=1&x.a=1", "x.a duplicate"),
       "a key twice");
    ok(form("type=lead&event_id=e&customer=c&city=%zz&code=%4",
            "city encoding, code encoding"), "broken escapes");
    ok(form("type=lead&event_id=e&customer=c&city=%ff&city=%ed%a0%80",
            "city encoding, city encoding"), "no UTF-8");
    ok(form("type=lead&event_id=e&customer=c&city=%00", "city format"),
       "NUL");
    ok(form("type=lead&event_id=e&customer=c&foo&x=1&x.=1",
            "foo unknown_field, x format, x. unknown_field"), "names");
    ok(form("type=lead&event_id=e&customer=c&product=a,b", "product format"),
       "a list is no text with commas");
}


static void
test_batch(void)
{
    char    *big;
    size_t   n;
    unsigned i;

    ok(take(REFERRAL_INTAKE_JSON,
            " [ {\"type\":\"lead\",\"event_id\":\"1\",\"customer\":\"c\"} ,\n"
            "{\"type\":\"lead\",\"event_id\":\"2\",\"event_id\":\"3\"},"
            "{\"type\":\"le]ad\\\"\",\"a\":[1}},17,\"],\",[{}],{\"x\" 1},"
            "{\"type\":\"lead\",\"event_id\":\"4\",\"customer\":\"d\"}]")
       == REFERRAL_DECLINED && item_says(&in.body, " syntax"),
       "brackets that do not match refuse the whole");
    ok(take(REFERRAL_INTAKE_JSON,
            " [ {\"type\":\"lead\",\"event_id\":\"1\",\"customer\":\"c\"} ,\n"
            "{\"type\":\"lead\",\"event_id\":\"2\",\"event_id\":\"3\"},"
            "{\"type\":\"le]ad\\\"\"},17,\"],\",[{}],{\"x\" 1},"
            "{\"type\":\"lead\",\"event_id\":\"4\",\"customer\":\"d\"}]")
       == REFERRAL_OK && in.batch && in.n == 8
       && item_says(&in.item[0], "")
       && item_says(&in.item[1], "event_id duplicate")
       && item_says(&in.item[2], "type format, event_id missing")
       && item_says(&in.item[3], " syntax")
       && item_says(&in.item[4], " syntax")
       && item_says(&in.item[5], " wrong_type")
       && item_says(&in.item[6], " syntax")
       && item_says(&in.item[7], "")
       && is(&in.item[7].event.text[REFERRAL_EVENT_TEXT_CUSTOMER], "d"),
       "what is wrong with one does not stop the others");
    ok(take(REFERRAL_INTAKE_NDJSON,
            "{\"type\":\"lead\",\"event_id\":\"1\",\"customer\":\"c\"}\r\n"
            "\n{\"type\":\n[1]\n"
            "{\"type\":\"lead\",\"event_id\":\"4\",\"customer\":\"d\"}")
       == REFERRAL_OK && in.batch && in.n == 4
       && item_says(&in.item[0], "") && item_says(&in.item[1], " syntax")
       && item_says(&in.item[2], " wrong_type")
       && item_says(&in.item[3], ""), "the same of lines");
    ok(take(REFERRAL_INTAKE_JSON, "[]") == REFERRAL_DECLINED
       && item_says(&in.body, " empty"), "an empty array");
    ok(take(REFERRAL_INTAKE_JSON, "[{}") == REFERRAL_DECLINED
       && take(REFERRAL_INTAKE_JSON, "[{} {}]") == REFERRAL_DECLINED
       && take(REFERRAL_INTAKE_JSON, "[{},]") == REFERRAL_DECLINED
       && take(REFERRAL_INTAKE_JSON, "[,{}]") == REFERRAL_DECLINED
       && take(REFERRAL_INTAKE_JSON, "[{}]]") == REFERRAL_DECLINED
       && take(REFERRAL_INTAKE_JSON, "[\"a]") == REFERRAL_DECLINED
       && take(REFERRAL_INTAKE_JSON, "[\"\\") == REFERRAL_DECLINED
       && take(REFERRAL_INTAKE_JSON, "[") == REFERRAL_DECLINED,
       "arrays that are none");

    big = malloc(2 * 1024 * 1024);
    if (big == NULL) {
        return;
    }

    n = sprintf(big, "[");

    for (i = 0; i < 501; i++) {
        n += sprintf(big + n, "%s{\"type\":\"lead\",\"event_id\":\"%u\","
                     "\"customer\":\"c\"}", i ? "," : "", i);
    }

    memcpy(big + n, "]", 1);

    ok(take_n(REFERRAL_INTAKE_JSON, big, n + 1) == REFERRAL_DECLINED
       && item_says(&in.body, " too_many") && in.body.status == 413,
       "501 are too many");

    n = 1;

    for (i = 0; i < 500; i++) {
        n += sprintf(big + n, "%s{\"type\":\"lead\",\"event_id\":\"%u\","
                     "\"customer\":\"c\"}", i ? "," : "", i);
    }

    memcpy(big + n, "]", 1);

    ok(take_n(REFERRAL_INTAKE_JSON, big, n + 1) == REFERRAL_OK && in.n == 500
       && item_says(&in.item[499], ""), "500 are not");

    memset(big, ' ', 2 * 1024 * 1024);
    big[0] = '[';
    big[1024 * 1024] = ']';
    ok(take_n(REFERRAL_INTAKE_JSON, big, 1024 * 1024 + 1)
       == REFERRAL_DECLINED && item_says(&in.body, " too_large"),
       "more than a megabyte is too large");

    big[0] = '{';
    big[65536] = '}';
    ok(take_n(REFERRAL_INTAKE_JSON, big, 65537) == REFERRAL_DECLINED
       && item_says(&in.body, " too_large") && in.body.status == 413,
       "so are 64 KB for one event");
    big[8192] = '}';
    ok(take_n(REFERRAL_INTAKE_HEADER, big, 8193) == REFERRAL_DECLINED
       && item_says(&in.body, " too_large"), "and 8 KB for a header");

    memset(big, ' ', 65600);
    memcpy(big, "[{", 2);
    big[65600] = '}';
    memcpy(big + 65601, ",{}]", 4);
    ok(take_n(REFERRAL_INTAKE_JSON, big, 65605) == REFERRAL_OK
       && item_says(&in.item[0], " too_large")
       && item_says(&in.item[1], "type missing, event_id missing"),
       "or for one of several");

    memset(big, '[', 5000);
    memset(big + 5000, ']', 5000);
    ok(take_n(REFERRAL_INTAKE_JSON, big, 10000) == REFERRAL_DECLINED
       && item_says(&in.body, " syntax"), "a deep nest");

    n = sprintf(big, "{\"city\":");
    memset(big + n, '[', 5000);
    ok(take_n(REFERRAL_INTAKE_JSON, big, 5000) == REFERRAL_OK
       && item_says(&in.item[0], " nesting"), "in one event too");

    /* of a flood of mistakes some are told */

    n = sprintf(big, "{");

    for (i = 0; i < 5000; i++) {
        n += sprintf(big + n, "%s\"a%u\":1", i ? "," : "", i);
    }

    big[n++] = '}';
    ok(take_n(REFERRAL_INTAKE_JSON, big, n) == REFERRAL_OK
       && in.item[0].told == REFERRAL_INTAKE_ERRORS + 1,
       "of 5000 mistakes 32 are told");
    ok(in.more == 5002 - REFERRAL_INTAKE_ERRORS, "and how many are not");

    free(big);
}


/* "n" events a line each, with "values" fields that there are not */

static size_t
flood(char *big, unsigned n, unsigned values)
{
    size_t    len;
    unsigned  i, j;

    len = 0;

    for (i = 0; i < n; i++) {
        big[len++] = '{';

        for (j = 0; j < values; j++) {
            len += sprintf(big + len, "%s\"typ%u\":1", j ? "," : "", j);
        }

        len += sprintf(big + len, "}\n");
    }

    return len;
}


/* what a body costs is bound by what it may make, whatever stands in it */

static void
test_flood(void)
{
    char      *big;
    size_t     n;
    unsigned   i, told, good;

    big = malloc(1024 * 1024);
    if (big == NULL) {
        return;
    }

    n = flood(big, 500, 31);
    ok(take_n(REFERRAL_INTAKE_NDJSON, big, n) == REFERRAL_OK && in.n == 500,
       "many mistakes in 500 events");

    told = 0;
    good = 1;

    for (i = 0; i < in.n; i++) {
        told += in.item[i].told;
        good &= in.item[i].status == 422
                && is(&in.item[i].errors->code, "unknown_field");
    }

    ok(good, "each is told its first mistake");
    ok(told <= REFERRAL_INTAKE_TOLD + 2 * REFERRAL_INTAKE_EVENTS,
       "and few more are told");
    ok(in.told + in.more == 500 * (31 + 2), "none is left out of the count");

    n = flood(big, 500, 32);
    ok(take_n(REFERRAL_INTAKE_NDJSON, big, n) == REFERRAL_DECLINED
       && item_says(&in.body, " too_many") && in.body.status == 413
       && in.n == 0, "more values are refused before they are parsed");

    n = 0;

    while (n < 1000000) {
        n += sprintf(big + n, "%s[{}]", n ? "," : "[{\"product\":[");
    }

    n += sprintf(big + n, "]}]");
    ok(take_n(REFERRAL_INTAKE_JSON, big, n) == REFERRAL_DECLINED
       && item_says(&in.body, " too_many"), "so are lists and objects");

    n = sprintf(big, "[{\"type\":\"lead\",\"event_id\":\"1\","
                "\"customer\":\"c\",\"city\":\"");
    memset(big + n, ',', 20000);
    n += 20000;
    n += sprintf(big + n, "\"}]");
    ok(take_n(REFERRAL_INTAKE_JSON, big, n) == REFERRAL_OK
       && item_says(&in.item[0], "city too_long"), "commas of a text are none");

    n = flood(big, 100, 1);
    ok(take_n(REFERRAL_INTAKE_NDJSON, big, n) == REFERRAL_OK
       && item_says(&in.item[20], "typ0 unknown_field, type missing, "
                    "event_id missing") && in.told > 100,
       "while few are told, all of an event are");

    free(big);
}


static void
test_browser(void)
{
    conf.trust = REFERRAL_TRUST_BROWSER;

    ok(lead("\"code\":\"a\"", "")
       && in.item[0].event.trust == REFERRAL_TRUST_BROWSER
       && json("{\"type\":\"install\",\"event_id\":\"e\",\"customer\":\"c\"}",
               ""), "a browser may say lead, and words of the shop's");
    ok(json("{\"type\":\"sale\",\"event_id\":\"e\",\"customer\":\"c\","
            "\"order_id\":\"o\",\"amount\":5,\"currency\":\"EUR\"}",
            "type not_allowed, amount not_allowed, currency not_allowed")
       && json("{\"type\":\"refund\",\"event_id\":\"e\"}", "type not_allowed")
       && json("{\"type\":\"cancel\",\"event_id\":\"e\"}", "type not_allowed")
       && lead("\"amount\":0,\"currency\":\"pt\"",
               "amount not_allowed, currency not_allowed")
       && lead("\"total_refunded\":1",
               "total_refunded not_allowed"),
       "never money");

    conf.trust = REFERRAL_TRUST_SIGNED;
}


static int
media(const char *s)
{
    unsigned        type;
    referral_str_t  t;

    t = text(s);

    return referral_intake_type(&type, &t) == REFERRAL_OK ? (int) type : -1;
}


static void
test_media(void)
{
    ok(media("application/json") == REFERRAL_INTAKE_JSON
       && media("Application/JSON ; charset=UTF-8") == REFERRAL_INTAKE_JSON
       && media("application/json; charset=\"utf-8\"") == REFERRAL_INTAKE_JSON
       && media("application/x-ndjson") == REFERRAL_INTAKE_NDJSON
       && media("application/x-www-form-urlencoded") == REFERRAL_INTAKE_FORM,
       "what is taken");
    ok(media("") == -1 && media("text/plain") == -1
       && media("application/json; charset=latin1") == -1
       && media("application/jsonx") == -1
       && media("multipart/form-data; boundary=x") == -1, "what is not");
}


/* what an event costs, from body to bytes: told, not judged */

static void
measure(void)
{
    u_char           bytes[REFERRAL_EVENT_MAX];
    unsigned         i, n, good;
    double           us;
    struct timespec  start, end;

    static const char  plain[] =
        "{\"type\":\"sale\",\"event_id\":\"evt_1\",\"customer\":\"c-17\","
        "\"order_id\":\"o-17\",\"amount\":1999,\"currency\":\"EUR\","
        "\"click_id\":\"" CLICK "\"}";

    n = getenv("UNIT_MEASURE") ? 100000 : 100;
    good = 1;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);

    for (i = 0; i < n; i++) {
        good &= take(REFERRAL_INTAKE_JSON, plain) == REFERRAL_OK
                && referral_event_encode(bytes, sizeof(bytes),
                                         &in.item[0].event) > 0;
    }

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);

    us = (end.tv_sec - start.tv_sec) * 1e6
         + (end.tv_nsec - start.tv_nsec) / 1e3;

    ok(good, "a plain sale, body to bytes: %.2f us", us / n);

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);

    for (i = 0; i < n; i++) {
        good &= take(REFERRAL_INTAKE_JSON, full_json) == REFERRAL_OK
                && referral_event_encode(bytes, sizeof(bytes),
                                         &in.item[0].event) > 0;
    }

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);

    us = (end.tv_sec - start.tv_sec) * 1e6
         + (end.tv_nsec - start.tv_nsec) / 1e3;

    ok(good, "one with all its fields: %.2f us", us / n);
}


int
main(void)
{
    conf_set();

    test_full();
    test_least();
    test_missing();
    test_amounts();
    test_units();
    test_fields();
    test_times();
    test_syntax();
    test_form();
    test_batch();
    test_flood();
    test_browser();
    test_media();
    measure();

    referral_intake_free(&in);

    return unit_done();
}
