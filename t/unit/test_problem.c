/* link: referral_problem.c referral_intake.c referral_intake_memory.c referral_intake_split.c referral_intake_json.c referral_intake_form.c referral_intake_check.c referral_event.c referral_unit.c referral_digest.c referral_id.c referral_code.c referral_name.c referral_time.c referral_str.c -ljansson -lcrypto */

/* protects: that every answer of the intake is JSON, and says what happened */

#include <jansson.h>

#include "referral_problem.h"
#include "unit.h"


static u_char                  out[1024 * 1024];
static referral_buf_t          b;
static referral_intake_t       in;
static referral_intake_conf_t  conf;


static referral_str_t
text(const char *s)
{
    referral_str_t  t;

    t.data = (u_char *) s;
    t.len = strlen(s);

    return t;
}


static void
start(void)
{
    referral_buf_init(&b, out, sizeof(out));
}


static void
take(const char *s)
{
    referral_str_t  body;

    referral_intake_free(&in);

    body = text(s);
    (void) referral_intake_body(&in, REFERRAL_INTAKE_JSON, &body, &conf);
}


static int
wrote(const char *s)
{
    size_t  len;

    len = b.pos - out;

    if (b.overflow || len != strlen(s) || memcmp(out, s, len) != 0) {
        fprintf(stderr, "# wrote \"%.*s\"\n", (int) len, (char *) out);
        return 0;
    }

    return 1;
}


/* it is JSON, and no object has a name twice */

static int
valid(void)
{
    json_t        *json;
    json_error_t   error;

    json = json_loadb((char *) out, b.pos - out,
                      JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, &error);

    if (json == NULL || b.overflow) {
        fprintf(stderr, "# no JSON: %.*s\n", (int) (b.pos - out),
                (char *) out);
        return 0;
    }

    json_decref(json);

    return 1;
}


static int
has(const char *words)
{
    referral_buf_putc(&b, '\0');
    b.pos--;

    return strstr((char *) out, words) != NULL;
}


static void
test_string(void)
{
    u_char          bytes[256], small[8];
    unsigned        i, good;
    referral_str_t  s;

    start();
    s = text("a\"b\\c\nd\x7f" "e/\xc3\xa4\xf0\x9f\x98\x80");
    referral_problem_string(&b, &s);

    ok(wrote("\"a\\\"b\\\\c\\u000ad\\u007fe/\xc3\xa4\xf0\x9f\x98\x80\""),
       "quotes, controls, and what is kept");

    start();
    s = text("\xff\xed\xa0\x80x");
    referral_problem_string(&b, &s);

    ok(wrote("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""),
       "what is no UTF-8 is replaced");

    good = 1;

    for (i = 0; i < 65536; i++) {
        bytes[0] = 'x';
        bytes[1] = (u_char) i;
        bytes[2] = (u_char) (i >> 8);
        bytes[3] = 'y';

        s.data = bytes;
        s.len = 4;

        start();
        referral_buf_putc(&b, '[');
        referral_problem_string(&b, &s);
        referral_buf_putc(&b, ']');

        good &= valid() && b.pos - out <= 2 + 2 + 4 * 6;
    }

    ok(good, "any two bytes become JSON");

    referral_buf_init(&b, small, sizeof(small));
    s = text("too long for it");
    referral_problem_string(&b, &s);

    ok(b.overflow && b.pos <= small + sizeof(small), "too little room");
}


static void
test_problem(void)
{
    unsigned        i, good;
    referral_str_t  code, detail;

    static const unsigned  statuses[] = { 400, 401, 403, 404, 405, 409, 411,
                                          413, 415, 422, 425, 429, 500, 503 };

    code = text("signature_old");
    detail = text("it was");

    start();
    referral_problem_put(&b, 401, &code, &detail);

    ok(wrote("{\"type\":\"about:blank\",\"title\":\"Unauthorized\","
             "\"status\":401,\"code\":\"signature_old\","
             "\"detail\":\"it was\"}"), "a problem");

    good = 1;

    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        start();
        referral_problem_put(&b, statuses[i], &code, &detail);
        good &= valid() && !has("title\":\"\"");
    }

    ok(good, "each status has a title");
}


static void
test_mistakes(void)
{
    take("{\"type\":\"lead\",\"customer\":\"c\",\"ammount\":1}");
    start();

    ok(referral_problem_intake(&b, &in) == 422
       && wrote("{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\""
                ",\"status\":422,\"code\":\"invalid_event\",\"detail\":"
                "\"\\\"errors\\\" has what is wrong with the event\","
                "\"errors\":[{\"field\":\"ammount\",\"code\":"
                "\"unknown_field\",\"detail\":\"there is no such field: is "
                "\\\"amount\\\" meant\"},{\"field\":\"event_id\",\"code\":"
                "\"missing\",\"detail\":\"an event has an id of its own, so "
                "that sent again it is still one event\"}]}"),
       "all mistakes of an event");
    ok((size_t) (b.pos - out) <= referral_problem_intake_max(&in),
       "within the room that was foretold");

    take("{\"type\":");
    start();
    ok(referral_problem_intake(&b, &in) == 400 && valid()
       && has("\"code\":\"syntax\""), "broken JSON");

    take("");
    start();
    ok(referral_problem_intake(&b, &in) == 400 && valid()
       && has("\"code\":\"empty\""), "nothing");

    take("[{}");
    start();
    ok(referral_problem_intake(&b, &in) == 400 && valid()
       && (size_t) (b.pos - out) <= referral_problem_intake_max(&in),
       "an array that is none");
}


static void
test_results(void)
{
    referral_str_t              id;
    referral_problem_outcome_t  outcome[6];

    memset(outcome, 0, sizeof(outcome));

    outcome[0].outcome = REFERRAL_PROBLEM_ACCEPTED;
    outcome[2].outcome = REFERRAL_PROBLEM_RECORDED;
    outcome[2].position = 17;
    outcome[2].via = REFERRAL_VIA_CLICK;
    outcome[2].known = 1;
    outcome[3].outcome = REFERRAL_PROBLEM_REPLAYED;
    outcome[3].position = 4;
    outcome[4].outcome = REFERRAL_PROBLEM_REUSED;
    outcome[5].outcome = REFERRAL_PROBLEM_UNAVAILABLE;

    take("[{\"type\":\"lead\",\"event_id\":\"a\",\"customer\":\"c\"},"
         "{\"event_id\":\"\\\"\",\"type\":7},"
         "{\"type\":\"lead\",\"event_id\":\"c\",\"customer\":\"c\"},"
         "{\"type\":\"lead\",\"event_id\":\"d\",\"customer\":\"c\"},"
         "{\"type\":\"lead\",\"event_id\":\"e\",\"customer\":\"c\"},"
         "{\"type\":\"lead\",\"event_id\":\"f\",\"customer\":\"c\"}]");
    start();
    referral_problem_results(&b, &in, outcome);

    ok(wrote("{\"results\":["
             "{\"index\":0,\"status\":202,\"result\":\"accepted\","
             "\"event_id\":\"a\"},"
             "{\"index\":1,\"status\":422,\"result\":\"refused\","
             "\"event_id\":\"\\\"\",\"code\":\"invalid_event\",\"errors\":["
             "{\"field\":\"type\",\"code\":\"wrong_type\",\"detail\":"
             "\"a text in quotes: \\\"17\\\", not 17\"}]},"
             "{\"index\":2,\"status\":200,\"result\":\"recorded\","
             "\"event_id\":\"c\",\"position\":17,\"via\":\"click\","
             "\"known\":true,\"self\":false,\"replayed\":false},"
             "{\"index\":3,\"status\":200,\"result\":\"unattributed\","
             "\"event_id\":\"d\",\"position\":4,\"via\":\"none\","
             "\"known\":false,\"self\":false,\"replayed\":true},"
             "{\"index\":4,\"status\":422,\"result\":\"refused\","
             "\"event_id\":\"e\",\"code\":\"id_reused\",\"detail\":\"another "
             "event has this event_id: what is sent again is sent as it was, "
             "what is new has an id of its own\"},"
             "{\"index\":5,\"status\":503,\"result\":\"refused\","
             "\"event_id\":\"f\",\"code\":\"unavailable\",\"detail\":\"the "
             "event could not be kept: send it again\"}]}") && valid(),
       "one result for each, in order");
    ok((size_t) (b.pos - out) <= referral_problem_intake_max(&in),
       "within the room that was foretold");

    id = text("a");
    ok(referral_str_eq(&id, &in.item[0].event.text[REFERRAL_EVENT_TEXT_ID]),
       "the events are as they were");

    start();
    ok(referral_problem_result(&b, &in.item[0].event, &outcome[0]) == 202
       && wrote("{\"status\":202,\"result\":\"accepted\","
                "\"event_id\":\"a\"}"), "a single one, accepted");

    start();
    ok(referral_problem_result(&b, &in.item[0].event, &outcome[2]) == 200
       && valid() && b.pos - out <= REFERRAL_PROBLEM_RESULT_MAX, "recorded");

    start();
    ok(referral_problem_result(&b, &in.item[4].event, &outcome[4]) == 422
       && valid() && b.pos - out <= REFERRAL_PROBLEM_RESULT_MAX
       && memcmp(out, "{\"type\":\"about:blank\"", 20) == 0,
       "a reused id is a problem");

    start();
    ok(referral_problem_result(&b, &in.item[5].event, &outcome[5]) == 503
       && valid(), "so is what could not be kept");

    start();
    outcome[3].gone = 1;
    ok(referral_problem_result(&b, &in.item[3].event, &outcome[3]) == 200
       && wrote("{\"status\":200,\"result\":\"recorded\","
                "\"event_id\":\"d\",\"position\":4,\"replayed\":true}"),
       "one whose entry is gone: nothing is said about its referrer");

    take("{\"type\":\"cancel\",\"event_id\":\"a\",\"order_id\":\"o\"}");
    outcome[0].outcome = REFERRAL_PROBLEM_RECORDED;
    start();
    ok(referral_problem_result(&b, &in.item[0].event, &outcome[0]) == 200
       && has("\"recorded\""),
       "of an event without a customer nobody is missed");
}


static void
test_fact(void)
{
    unsigned        i;
    referral_str_t  pair[40];

    static const char  *pairs[] = {
        "type", "sale", "event", "e\"1", "who", "0123456789abcdef",
        "time", "1795352709123", "at", "1795352709000", "trust", "signed",
        "friend", "17", "order", "o-1", "amount", "1999", "unit", "EUR",
        "refunded", "", "via", "click", "referrer", "3", "code", "aiko7",
        "known", "0", "self", "1", "fp", "00", "click_at", "x"
    };

    for (i = 0; i < 36; i++) {
        pair[i] = text(pairs[i]);
    }

    start();
    referral_problem_fact(&b, 42, pair, 18);

    ok(wrote("{\"status\":200,\"result\":\"recorded\",\"position\":42,"
             "\"type\":\"sale\",\"event_id\":\"e\\\"1\","
             "\"time\":\"2026-11-22T13:05:09.123Z\","
             "\"at\":\"2026-11-22T13:05:09.000Z\",\"trust\":\"signed\","
             "\"friend\":\"u17\",\"order_id\":\"o-1\",\"amount\":1999,"
             "\"currency\":\"EUR\",\"via\":\"click\",\"referrer\":\"u3\","
             "\"code\":\"aiko7\",\"known\":false,\"self\":true,"
             "\"click_at\":\"x\"}") && valid(),
       "what became of an event, by its entry");

    pair[25].len = 0;
    start();
    referral_problem_fact(&b, 42, pair, 18);
    ok(has("\"unattributed\"") && valid(),
       "nobody is credited");
}


int
main(void)
{
    memset(&conf, 0, sizeof(conf));
    referral_str_set(&conf.program, "shop");
    conf.now = 1795352709123LL;

    test_string();
    test_problem();
    test_mistakes();
    test_results();
    test_fact();

    referral_intake_free(&in);

    return unit_done();
}
