/* link: referral_fact.c referral_terms.c referral_moment.c referral_credit.c referral_friend.c referral_order.c referral_dump.c referral_str.c referral_time.c */

/*
 * What stands in a stream, in a dump of one, and in the settler's own keys,
 * where somebody may have edited it.
 */

#include "fuzz.h"
#include "referral_dump.h"
#include "referral_friend.h"
#include "referral_order.h"


#define TEXTS  (2 * REFERRAL_FACT_PAIRS + 2)


static void
fuzz_seeds(void)
{
    fuzz_seed_text("d[\"7-0\",[\"type\",\"sale\",\"event\",\"e\",\"time\",\"5\""
                   ",\"at\",\"4\",\"trust\",\"signed\",\"friend\",\"1\","
                   "\"order\",\"o\",\"amount\",\"100\",\"unit\",\"EUR\",\"via\""
                   ",\"click\",\"referrer\",\"9\",\"code\",\"aiko7\"]]");
    fuzz_seed_text("d{\"id\":\"1-0\",\"type\":\"rules\",\"time\":\"5\","
                   "\"version\":\"1\",\"transitions\":\"5:60,9:-210\","
                   "\"window\":\"30d\",\"bind\":\"window\"}");
    fuzz_seed_text("d[\"2-0\",[\"type\",\"\\u00e9\\ud83d\\ude00\\n\"]]");
    fuzz_seed_text("o7 12 1795000000000+60 300 EUR 400 250 1795000000009 - ="
                   " axo p1795000000001:250 t1795000000002+60:400");
    fuzz_seed_text("o- - - - - 0 0 - 1795000000000 - - p5:1:EUR u6:2:JPY");
    fuzz_seed_text("o7 12 5 0 JPY 0 0 - - 9,aiko7,5+60,JP,-,-,mobile,- s");
    fuzz_seed_text("fjoined\n9\naiko7\nclick\n\n5\nJP\n\n\n\n\n5\n\n5\n\n5\n5,6"
                   "\n\n1\n\n");
}


static void
dump(referral_str_t *text)
{
    u_char             out[1 << 16];
    size_t             i;
    ssize_t            n, again;
    const char        *why;
    referral_buf_t     buf;
    referral_str_t     id, line, other;
    referral_fact_t    fact;
    referral_terms_t   terms;

    static referral_str_t  pair[TEXTS], copy[TEXTS];

    n = referral_dump_parse(text, &id, pair, TEXTS);

    if (n < 0) {
        return;
    }

    /* what was read is written as one that reads the same */

    referral_buf_init(&buf, out, sizeof(out));
    referral_dump_put(&buf, &id, pair, n);

    if (!buf.overflow) {
        line.data = out;
        line.len = buf.pos - out;
        again = referral_dump_parse(&line, &other, copy, TEXTS);

        fuzz_check(again == n && referral_str_eq(&id, &other));

        for (i = 0; i < (size_t) n; i++) {
            fuzz_check(referral_str_eq(&pair[i], &copy[i]));
        }
    }

    why = NULL;

    if (referral_fact_parse(&fact, referral_fact_position(&id), pair, n, &why)
        != REFERRAL_OK)
    {
        fuzz_check(why != NULL);
        return;
    }

    fuzz_check(fact.time >= 0 && fact.amount < REFERRAL_FACT_AMOUNT);

    if (fact.type == REFERRAL_FACT_RULES
        && referral_terms_parse(&terms, &fact, &why) == REFERRAL_OK)
    {
        fuzz_check(terms.late > 0 && terms.window > 0);
        fuzz_check(referral_terms_moment(&terms, fact.time).minutes <= 840);
    }
}


static void
order(const referral_str_t *text)
{
    u_char                 out[REFERRAL_ORDER_SIZE];
    referral_buf_t         buf;
    referral_str_t         s;
    referral_order_t       one, two;
    referral_moment_t      closed;
    referral_order_rest_t  rest;

    if (referral_order_parse(&one, text) != REFERRAL_OK) {
        return;
    }

    closed.ms = one.at.ms;
    closed.minutes = 0;

    referral_order_rest(&rest, &one, &closed);

    if (one.customer) {
        fuzz_check(rest.left >= 0 && rest.left <= one.amount);
    }

    fuzz_check(rest.ndays <= REFERRAL_ORDER_EVENTS + 1);

    referral_buf_init(&buf, out, sizeof(out));
    referral_order_put(&buf, &one);

    if (buf.overflow) {
        return;
    }

    s.data = out;
    s.len = buf.pos - out;

    fuzz_check(referral_order_parse(&two, &s) == REFERRAL_OK);
    fuzz_check(one.nevents == two.nevents && one.amount == two.amount
               && one.customer == two.customer);
}


static void
person(const referral_str_t *text)
{
    u_char             out[REFERRAL_FRIEND_SIZE];
    referral_buf_t     buf;
    referral_str_t     s;
    referral_friend_t  one, two;

    if (referral_friend_parse(&one, text) != REFERRAL_OK) {
        return;
    }

    referral_buf_init(&buf, out, sizeof(out));
    referral_friend_put(&buf, &one);

    if (buf.overflow) {
        return;
    }

    s.data = out;
    s.len = buf.pos - out;

    fuzz_check(referral_friend_parse(&two, &s) == REFERRAL_OK);
    fuzz_check(referral_friend_same(&one, &two));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    referral_str_t  text;

    if (size == 0) {
        return 0;
    }

    text = fuzz_copy(data + 1, size - 1);

    switch (data[0]) {

    case 'd':
        dump(&text);
        break;

    case 'o':
        order(&text);
        break;

    default:
        person(&text);
    }

    fuzz_done();

    return 0;
}
