/* link: referral_problem.c referral_intake.c referral_intake_memory.c referral_intake_split.c referral_intake_json.c referral_intake_form.c referral_intake_check.c referral_event.c referral_unit.c referral_digest.c referral_id.c referral_code.c referral_name.c referral_time.c referral_str.c -ljansson -lcrypto */

/*
 * Whatever is posted, or stands in a header: the lowest two bits of its first
 * byte say as what, the next two who is trusted to say it.
 */

#include <jansson.h>

#include "fuzz.h"
#include "referral_problem.h"


#define NOW  1795352709123LL

#define CLICK  "01a2035c-4800-7123-8456-0123456789ab"


static void
fuzz_seeds(void)
{
    fuzz_seed_text("0{\"type\":\"sale\",\"event_id\":\"evt.17\","
                   "\"customer\":\"aiko@x\",\"order_id\":\"17\","
                   "\"click_id\":\"" CLICK "\",\"code\":\"AIKO7\","
                   "\"amount\":1999,\"currency\":\"EUR\",\"quantity\":2,"
                   "\"product\":[\"a\",\"b.2\"],\"role\":\"guest\","
                   "\"parties\":[\"h,1\"],\"segment\":\"vip\","
                   "\"at\":\"2026-11-22T13:25:00+01:00\","
                   "\"order_at\":\"2026-11-21T00:00:00Z\",\"new\":true,"
                   "\"email_domain\":\"Example.COM\",\"country\":\"JP\","
                   "\"city\":\"T\\u014dky\xc5\x8d\","
                   "\"x\":{\"zeta\":\"1 & 2\",\"alpha\":\"\"}}");
    fuzz_seed_text("0[{\"type\":\"lead\",\"event_id\":\"1\","
                   "\"customer\":\"c\"} , {\"type\":\"refund\","
                   "\"order_id\":\"o\",\"total_refunded\":5,"
                   "\"currency\":\"pt\",\"event_id\":\"2\"},7]");
    fuzz_seed_text("1{\"type\":\"lead\",\"event_id\":\"1\"}\r\n\n"
                   "{\"type\":\"cancel\",\"customer\":\"c\",\"a\":1e9}");
    fuzz_seed_text("2type=sale&event_id=e&customer=c%40d&order_id=o"
                   "&amount=1999&currency=JPY&product=a&product=b&x.k=1+2"
                   "&at=2026-11-22T13:05:09%2B00:00&new=0");
    fuzz_seed_text("3{\"type\":\"install\",\"event_id\":\"1\","
                   "\"customer\":\"c\",\"email_hash\":\"0123456789abcdef"
                   "0123456789abcdef0123456789abcdef0123456789abcdef\"}");
    fuzz_seed_text("?type=lead&event_id=1&customer=c&code=x");
}


/* what was taken is an event that a journal may hold, whoever said it */

static void
event_check(const referral_event_t *event, unsigned trust)
{
    u_char            buf[REFERRAL_EVENT_MAX];
    ssize_t           n;
    referral_event_t  again;

    n = referral_event_encode(buf, sizeof(buf), event);

    fuzz_check(n > 0);
    fuzz_check(referral_event_decode(&again, buf, n) == REFERRAL_OK);
    fuzz_check(memcmp(again.fingerprint, event->fingerprint, 8) == 0);
    fuzz_check(again.trust == trust && again.received == NOW);

    if (trust == REFERRAL_TRUST_BROWSER) {
        fuzz_check(event->text[REFERRAL_EVENT_TEXT_UNIT].len == 0);
    }
}


static void
json_check(const referral_buf_t *b)
{
    json_t        *json;
    json_error_t   error;

    fuzz_check(!b->overflow);

    json = json_loadb((char *) b->start, b->pos - b->start,
                      JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, &error);

    fuzz_check(json != NULL);
    json_decref(json);
}


/* the answers have as much room as was foretold */

static void
answer_check(const referral_intake_t *in, int rc)
{
    size_t                      size;
    u_char                     *out;
    unsigned                    i, status;
    referral_buf_t              b;
    referral_problem_outcome_t  outcome[REFERRAL_INTAKE_EVENTS];

    size = referral_problem_intake_max(in);
    out = malloc(size);

    if (out == NULL) {
        abort();
    }

    referral_buf_init(&b, out, size);

    if (rc == REFERRAL_DECLINED
        || (!in->batch && in->item[0].errors != NULL))
    {
        status = referral_problem_intake(&b, in);
        fuzz_check(status == 400 || status == 413 || status == 422);

    } else {
        memset(outcome, 0, sizeof(outcome));

        for (i = 0; i < in->n; i++) {
            outcome[i].outcome = i % (REFERRAL_PROBLEM_UNAVAILABLE + 1);
        }

        referral_problem_results(&b, in, outcome);
    }

    json_check(&b);
    free(out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                     rc;
    unsigned                i, type, trust;
    referral_str_t          body;
    referral_intake_t       in;
    referral_intake_conf_t  conf;

    if (size == 0) {
        return 0;
    }

    type = data[0] & 3;
    trust = data[0] >> 2 & 3;

    memset(&conf, 0, sizeof(conf));
    referral_str_set(&conf.program, "shop");
    conf.now = NOW;
    conf.trust = trust;
    conf.fold = data[0] >> 4 & 1;

    body = fuzz_copy(data + 1, size - 1);

    rc = referral_intake_body(&in, type, &body, &conf);

    /* nothing of it points into the body */

    fuzz_done();

    if (rc == REFERRAL_OK) {
        fuzz_check(in.n > 0 && in.n <= REFERRAL_INTAKE_EVENTS);

        for (i = 0; i < in.n; i++) {
            fuzz_check((in.item[i].errors == NULL)
                       == (in.item[i].status == 0));

            if (in.item[i].errors == NULL) {
                event_check(&in.item[i].event, trust);
            }
        }

    } else {
        fuzz_check(rc == REFERRAL_DECLINED && in.body.errors != NULL);
    }

    answer_check(&in, rc);
    referral_intake_free(&in);

    return 0;
}
