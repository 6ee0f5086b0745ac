/* link: referral_settle.c referral_settle_count.c referral_view.c referral_state.c referral_friend.c referral_order.c referral_credit.c referral_chain.c referral_fact.c referral_terms.c referral_moment.c referral_str.c referral_time.c referral_hash.c referral_name.c -lcrypto */

#include "referral_friend.h"
#include "referral_order.h"
#include "referral_settle.h"
#include "referral_state.h"
#include "unit.h"


#define DAY    86400000LL
#define T      1795000000000LL

#define TEXTS  (2 * REFERRAL_FACT_PAIRS)


static referral_settle_t   whole;         /* as a replay has it */
static referral_settle_t   live;          /* as the process has it */
static referral_view_t     redis;         /* what the process wrote */
static referral_terms_t    terms;
static referral_fact_t     fact;
static referral_str_t      pair[TEXTS];
static char                memory[8192];
static const char         *why;


static void
begin(void)
{
    referral_settle_reset(&whole);
    referral_settle_reset(&live);
    referral_view_clear(&redis);

    memset(&terms, 0, sizeof(terms));
    terms.late = REFERRAL_TERMS_LATE;
    terms.window = 30 * 86400;
}


static void
parse(uint64_t position, const char *text)
{
    char    *p, *word, *value;
    size_t   n;

    snprintf(memory, sizeof(memory), "%s", text);
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

    if (referral_fact_parse(&fact, position, pair, n, &why) != REFERRAL_OK) {
        printf("# %s: %s\n", text, why);
        exit(1);
    }
}


static referral_view_item_t *
stored(const referral_view_item_t *item)
{
    referral_str_t  key, field;

    key.data = (u_char *) item->name;
    key.len = item->klen;
    field.data = key.data + key.len;
    field.len = item->flen;

    return referral_view_find(&redis, item->kind, &key, &field);
}


static void
load(void)
{
    size_t                 i;
    referral_view_item_t  *item;

    for (i = 0; i < live.view.wanted.n; i++) {
        item = live.view.wanted.item[i];
        referral_view_load(&live.view, item, &stored(item)->text);
    }

    referral_view_satisfied(&live.view);
}


static void
commit(void)
{
    size_t                 i;
    int64_t                sum;
    referral_view_item_t  *item, *to;

    for (i = 0; i < live.view.changed.n; i++) {
        item = live.view.changed.item[i];
        to = stored(item);

        if (referral_view_counts(item->kind)) {
            referral_view_load_number(item, to->value);
            (void) referral_view_sum(item, &sum);
            to->value = sum;

        } else if (item->kind == REFERRAL_VIEW_OPEN) {
            referral_view_append(&redis, to,
                                 item->text.data + item->before.len,
                                 item->text.len - item->before.len);

        } else {
            referral_view_set(&redis, to, &item->text);
        }
    }

    referral_view_committed(&live.view);
}


/* decides it both ways; the first time what is needed is loaded */

static int
feed(const char *text)
{
    int  rc, again;

    parse(whole.position + 1, text);

    if (fact.type == REFERRAL_FACT_RULES
        && referral_terms_parse(&terms, &fact, &why) != REFERRAL_OK)
    {
        return 0;
    }

    if (referral_settle_decide(&whole, &fact, &terms, &why) != REFERRAL_OK) {
        return 0;
    }

    again = 0;

    do {
        load();
        rc = referral_settle_decide(&live, &fact, &terms, &why);

    } while (rc == REFERRAL_AGAIN && again++ < 4);

    return rc == REFERRAL_OK
           && memcmp(whole.chain, live.chain, REFERRAL_CHAIN_SIZE) == 0;
}


static int64_t
count(referral_view_kind_e kind, const char *key, const char *field)
{
    referral_str_t  k, f;

    k.data = (u_char *) key;
    k.len = strlen(key);
    f.data = (u_char *) field;
    f.len = strlen(field);

    return referral_view_find(&whole.view, kind, &k, &f)->value;
}


#define stats(field)  count(REFERRAL_VIEW_STATS, "", field)


static const char *
friend_field(const char *number, referral_friend_field_e field)
{
    size_t                 i;
    unsigned               n;
    referral_str_t         key, none;
    referral_view_item_t  *item;
    static char            text[REFERRAL_FRIEND_SIZE];

    key.data = (u_char *) number;
    key.len = strlen(number);
    none.data = NULL;
    none.len = 0;

    item = referral_view_find(&whole.view, REFERRAL_VIEW_FRIEND, &key, &none);
    n = 0;
    text[0] = '\0';

    for (i = 0; i < item->text.len; i++) {

        if (item->text.data[i] == '\n') {
            n++;

        } else if (n == (unsigned) field) {
            text[strlen(text) + 1] = '\0';
            text[strlen(text)] = (char) item->text.data[i];
        }
    }

    return text;
}


#define HEAD(at)  " time=1795600000000 trust=signed at=" at
#define CLICK     " via=click referrer=9 code=aiko7 click_at=1794900000000"
#define BOUND     " via=bound referrer=9 code=aiko7"


static void
life(void)
{
    begin();

    ok(feed("type=lead friend=1 country=JP" HEAD("1795000000000") CLICK),
       "a lead by a click");
    ok(stats("leads") == 1 && stats("friends") == 1
       && stats("leads:country:JP") == 1, "is counted");
    ok(feed("type=sale friend=1 order=o1 amount=1000 unit=EUR"
            HEAD("1795100000000") BOUND), "a sale");
    ok(stats("sales") == 1 && stats("amount:EUR") == 1000
       && stats("sales:country:JP") == 1
       && stats("amount:EUR:country:JP") == 1000,
       "is counted under the words of the click");
    ok(feed("type=refund order=o1 amount=300 unit=EUR"
            HEAD("1795200000000")), "a refund");
    ok(stats("amount:EUR") == 700 && stats("refunds") == 1
       && stats("amount:EUR:country:JP") == 700
       && stats("refunds:country:JP") == 1,
       "takes its part");
    ok(feed("type=sale friend=1 order=o1 amount=5 unit=EUR"
            HEAD("1795200000000") BOUND)
       && stats("sales") == 1 && stats("amount:EUR") == 700,
       "another sale of the order is not counted");
    ok(feed("type=refund order=o1 refunded=5000 unit=EUR"
            HEAD("1795300000000"))
       && stats("amount:EUR") == 0 && stats("refunds") == 2,
       "more than there is takes what there is");
    ok(feed("type=cancel order=o1" HEAD("1795400000000"))
       && stats("refunds") == 2 && stats("sales") == 1,
       "a cancel of nothing takes nothing, the sale stays");
    ok(feed("type=update order=o1 amount=6000 unit=EUR"
            HEAD("1795400000000"))
       && stats("amount:EUR") == 0, "a cancelled order stays so");
    ok(feed("type=tick time=1795600000000") && feed("type=lead friend=2"
            HEAD("1795000000000")), "what it does not know is passed");
    ok(stats("unattributed") == 1, "a lead of no link");
    ok(feed("type=lead friend=3 self=1" HEAD("1795000000000"))
       && stats("self") == 1, "a lead of the referrer");
    ok(count(REFERRAL_VIEW_DAY, ":2026-11-18", "leads") == 1
       && count(REFERRAL_VIEW_COHORT, ":2026-11-17", "leads") == 1
       && count(REFERRAL_VIEW_DAYS, ":leads ", "2026-11-18") == 1
       && count(REFERRAL_VIEW_DAYS, ":leads :aiko7", "2026-11-18") == 1
       && count(REFERRAL_VIEW_PROGRESS, ":9", "sales") == 1
       && count(REFERRAL_VIEW_BOARD, ":referrers:sales:2026-11", "9") == 1
       && count(REFERRAL_VIEW_BOARD_DAY, ":leads:2026-11-18", "aiko7") == 1
       && count(REFERRAL_VIEW_STATS, ":aiko7", "friends") == 1,
       "where it is counted");
}


static void
customers_of_before(void)
{
    begin();

    ok(feed("type=sale friend=1 order=a amount=1 unit=EUR"
            HEAD("1795000000000"))
       && feed("type=sale friend=1 order=b amount=1 unit=EUR"
               HEAD("1795000000001") CLICK)
       && stats("known") == 1 && stats("sales") == 0
       && stats("unattributed") == 2, "an earlier sale proves a customer");
    ok(feed("type=install friend=2" HEAD("1795000000000"))
       && feed("type=lead friend=2" HEAD("1795000000001") CLICK)
       && stats("leads") == 1, "an earlier step proves nothing");
    ok(feed("type=lead friend=3 known=1" HEAD("1795000000001") CLICK)
       && stats("known") == 2, "the shop says so");
    ok(feed("type=lead friend=4" HEAD("1795000000001") CLICK)
       && feed("type=lead friend=4 known=1" HEAD("1795000000002") BOUND)
       && stats("leads") == 2, "a customer since the binding is none of before");
    ok(feed("type=sale friend=5 order=c amount=7 unit=EUR"
            HEAD("1795000000001") CLICK)
       && stats("sales") == 1
       && feed("type=sale friend=5 order=d amount=7 unit=EUR"
               HEAD("1795000000000") BOUND)
       && stats("sales") == 0 && stats("known") == 3
       && stats("amount:EUR") == 0,
       "the earlier sale may come later: what was counted is taken back");
}


/* a friend cannot change sides for ever */

static void
aging(void)
{
    begin();

    ok(feed("type=sale friend=1 order=a amount=1 unit=EUR"
            HEAD("1795000000000") CLICK), "a friend");
    ok(feed("type=sale friend=1 order=b amount=1 unit=EUR trust=signed"
            " time=1804000000000 at=1803000000000" BOUND), "years later");
    ok(friend_field("1", REFERRAL_FRIEND_FINAL)[0] == '1', "it is final");
    ok(feed("type=sale friend=1 order=c amount=1 unit=EUR trust=signed"
            " time=1804000000000 at=1794000000000" BOUND)
       && stats("sales") == 3, "and nothing makes it a customer of before");

    ok(feed("type=sale friend=2 order=d amount=1 unit=EUR"
            HEAD("1795000000000"))
       && feed("type=sale friend=2 order=e amount=1 unit=EUR trust=signed"
               " time=1804000000000 at=1803000000000")
       && feed("type=lead friend=2 trust=signed"
               " time=1804000000000 at=1794000000000" CLICK)
       && stats("known") == 1, "nor the other way round");
    ok(strcmp(friend_field("2", REFERRAL_FRIEND_STATE), "known") == 0,
       "its state says so");
}


static void
lapse(void)
{
    begin();

    ok(feed("type=rules time=1 version=1 bind=window window=1d")
       && feed("type=lead friend=1" HEAD("1795000000000") CLICK),
       "a binding of a day");
    ok(feed("type=sale friend=1 order=a amount=1 unit=EUR"
            HEAD("1795086400000") BOUND) && stats("sales") == 1,
       "its last moment counts");
    ok(feed("type=sale friend=1 order=b amount=1 unit=EUR"
            HEAD("1795086400001")) && stats("sales") == 1
       && stats("unattributed") == 1, "the next does not");
    ok(feed("type=sale friend=1 order=c amount=1 unit=EUR"
            HEAD("1795090000000")
            " via=code referrer=8 code=bo click_at=1795090000000")
       && stats("sales") == 2
       && count(REFERRAL_VIEW_PROGRESS, ":8", "sales") == 1,
       "another one may bring the friend again");
    ok(feed("type=sale friend=1 order=d amount=1 unit=EUR"
            HEAD("1795090000001") " via=bound referrer=8 code=bo")
       && count(REFERRAL_VIEW_PROGRESS, ":8", "sales") == 2
       && count(REFERRAL_VIEW_COHORT, ":2026-11-19", "sales") == 2,
       "and is credited with what follows, at the day of that touch");
    ok(count(REFERRAL_VIEW_RULES, "", "1") == 0, "rules are no counter");
}


static void
accounts(void)
{
    begin();

    ok(feed("type=lead friend=1" HEAD("1795000000000") CLICK)
       && feed("type=sale friend=1 order=a amount=500 unit=EUR"
               HEAD("1795000000001") BOUND)
       && feed("type=sale friend=1 order=b amount=70 unit=EUR"
               HEAD("1795000000009") BOUND)
       && feed("type=cancel friend=1" HEAD("1795000000005"))
       && stats("amount:EUR") == 70 && stats("refunds") == 1,
       "a closed account takes back what was ordered before");
    ok(feed("type=cancel friend=1" HEAD("1795000000020"))
       && stats("amount:EUR") == 0 && stats("refunds") == 2
       && stats("sales") == 2, "closed again, the rest");
    ok(feed("type=lead friend=2" HEAD("1700000000000") CLICK)
       && feed("type=sale friend=2 order=c amount=9 unit=EUR"
               HEAD("1700000000000") BOUND)
       && feed("type=cancel friend=2" HEAD("1735000000000"))
       && stats("amount:EUR") == 9, "but not after 400 days");
}


static void
bounds(void)
{
    int       good;
    char      text[512];
    int64_t   before;
    unsigned  i;

    begin();

    good = feed("type=lead friend=1" HEAD("1795000000000") CLICK)
           && feed("type=sale friend=1 order=a amount=100000 unit=EUR"
                   HEAD("1795000000000") BOUND);

    for (i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "type=refund order=a amount=%u unit=%s"
                 " time=1795600000000 trust=signed at=%llu", i % 3 + 1,
                 i % 50 == 0 ? "JPY" : "EUR", T + i % 7 * 1000);
        good &= feed(text);
    }

    ok(good, "200 refunds of an order");
    ok(stats("amount:EUR") == 100000 - 392, "none of their amounts is lost");

    good = feed("type=sale friend=1 order=full amount=100000 unit=EUR"
                HEAD("1795086400000") BOUND);
    before = stats("amount:EUR");

    for (i = 0; i < REFERRAL_ORDER_EVENTS; i++) {
        snprintf(text, sizeof(text), "type=refund order=full amount=10"
                 " unit=EUR" HEAD("%llu"), T + 90000000ULL + i);
        good &= feed(text);
    }

    ok(good && stats("amount:EUR")
               == before - 10LL * (long long) REFERRAL_ORDER_EVENTS,
       "as many refunds as an order keeps");
    ok(feed("type=refund order=full refunded=60000 unit=EUR"
            HEAD("1795200000000"))
       && stats("amount:EUR") == before - 60000,
       "one of another kind is not lost then");
    ok(feed("type=refund order=full amount=60000 unit=EUR"
            HEAD("1795200000001"))
       && stats("amount:EUR")
          == before - 60000 - 10LL * (long long) REFERRAL_ORDER_EVENTS,
       "nor are the parts");

    good = 1;

    for (i = 0; i < 600; i++) {
        snprintf(text, sizeof(text), "type=sale friend=2 order=x%u amount=1"
                 " unit=EUR" HEAD("1795000000001"), i);
        good &= feed(text);
    }

    ok(good, "600 orders of a customer");
    ok(strcmp(friend_field("2", REFERRAL_FRIEND_ORDERS_OPEN), "500") == 0,
       "500 of them are looked at again");
    ok(feed("type=lead friend=2" HEAD("1794900000000") CLICK)
       && stats("known") == 1 && stats("unattributed") == 601,
       "who has more is a customer of before");

    good = 1;

    for (i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "type=step.%u friend=3"
                 HEAD("1795000000001"), i);
        good &= feed(text);
    }

    ok(good && strcmp(friend_field("3", REFERRAL_FRIEND_STEPS_SEEN), "64")
               == 0, "100 steps, 64 are kept");
    ok(feed("type=step.5 friend=3" HEAD("1794000000001")), "an earlier one");

    for (i = 0; i < 12; i++) {
        snprintf(text, sizeof(text), "type=cancel friend=4"
                 " time=1795600000000 trust=signed at=%llu", T + i);
        good &= feed(text);
    }

    ok(good, "12 closed accounts of a friend");

    good = 1;

    for (i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "type=sale friend=5 order=y%u"
                 " amount=9007199254740991 unit=BIG"
                 HEAD("1795000000001") CLICK, i);
        good &= feed(text);
    }

    ok(good && stats("amount:BIG") == 3 * 9007199254740991LL,
       "sums beyond 2^53 are exact");
    ok(count(REFERRAL_VIEW_BOARD, ":amount:BIG", "aiko7")
       == REFERRAL_VIEW_SCORE_MAX, "a board's score stays at 2^53");
}


static void
refused(void)
{
    u_char                 chain[REFERRAL_CHAIN_SIZE];
    referral_str_t         key, field, text;
    referral_view_item_t  *item;

    begin();

    ok(feed("type=lead friend=1" HEAD("1795000000000") CLICK), "a fact");

    memcpy(chain, whole.chain, sizeof(chain));
    parse(3, "type=tick time=5");

    ok(referral_settle_decide(&whole, &fact, &terms, &why) == REFERRAL_ERROR
       && whole.position == 1
       && memcmp(chain, whole.chain, sizeof(chain)) == 0,
       "an entry is missing: nothing is decided");

    referral_str_set(&key, "");
    referral_str_set(&field, "amount:EUR");
    item = referral_view_find(&whole.view, REFERRAL_VIEW_STATS, &key, &field);
    item->value = INT64_MAX;

    parse(2, "type=sale friend=1 order=a amount=1 unit=EUR"
             HEAD("1795000000001") BOUND);

    ok(referral_settle_decide(&whole, &fact, &terms, &why)
       == REFERRAL_DECLINED, "a sum that leaves int64");

    begin();

    referral_str_set(&key, "1");
    referral_str_set(&text, "joined\n1");
    item = referral_view_find(&whole.view, REFERRAL_VIEW_FRIEND, &key,
                              &(referral_str_t) referral_null_string);
    referral_view_load(&whole.view, item, &text);

    parse(1, "type=lead friend=1" HEAD("1795000000000") CLICK);

    ok(referral_settle_decide(&whole, &fact, &terms, &why) == REFERRAL_ERROR,
       "a friend whose fields are damaged");

    referral_settle_skip(&whole, &fact);

    ok(whole.position == 1 && memcmp(chain, whole.chain, sizeof(chain)) != 0,
       "is passed by an operator's word");
}


static void
orders(void)
{
    size_t            i;
    u_char            out[REFERRAL_ORDER_SIZE];
    referral_buf_t    buf;
    referral_str_t    s;
    referral_order_t  order;

    static const char *const  right[] = {
        "7 12 1795000000000+60 300 EUR 400 250 1795000000009 - = axo"
        " p1795000000001:250 t1795000000002+60:400",
        "- - - - - 0 0 - 1795000000000 - - p5:1:EUR u6:2:JPY",
        "7 12 5 0 JPY 0 0 - - 9,aiko7,5+60,JP,-,-,mobile,- s",
        "7 12 5 0 JPY 0 0 - - -,--x,-,-,-,-,-,--- m"
    };

    static const char *const  wrong[] = {
        "", "7", "7 12 5 0 JPY 0 0 - - =", "7 12 5 0 JPY 0 0 - - = z",
        "7 12 - 0 JPY 0 0 - - = -", "7 12 5 - JPY 0 0 - - = -",
        "7 12 5 0 - 0 0 - - = -", "x 12 5 0 JPY 0 0 - - = -",
        "7 12 5 0 JPY 0 0 - - 9,aiko7 -", "7 12 5 0 JPY 0 0 - - = - p5",
        "7 12 5 0 JPY 0 0 - - = - x5:1", "7 12 5 0 JPY 0 0 - - = - p-:1",
        "7 12 5 0 JPY 0 0 - - = - p6:1 p5:1",
        "7 12 5 0 ABCDEFGHI 0 0 - - = -"
    };

    for (i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        s.data = (u_char *) right[i];
        s.len = strlen(right[i]);

        ok(referral_order_parse(&order, &s) == REFERRAL_OK, "%s", right[i]);

        referral_buf_init(&buf, out, sizeof(out));
        referral_order_put(&buf, &order);

        ok((size_t) (buf.pos - out) == s.len
           && memcmp(out, s.data, s.len) == 0, "is written as it was read");
    }

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        s.data = (u_char *) wrong[i];
        s.len = strlen(wrong[i]);

        ok(referral_order_parse(&order, &s) == REFERRAL_ERROR, "\"%s\"",
           wrong[i]);
    }
}


/* what the process wrote is what the replay has, item by item */

static void
written(void)
{
    int                    good;
    char                   text[512];
    size_t                 i;
    unsigned               n, random;
    const char            *touch;
    referral_view_item_t  *item, *to;

    begin();

    good = 1;
    random = 1;

    for (n = 0; n < 4000; n++) {
        random = random * 1103515245 + 12345;
        i = random >> 16;

        touch = i % 3 ? i % 2 ? CLICK : BOUND : "";

        switch (i % 7) {
        case 0:
            snprintf(text, sizeof(text), "type=lead friend=%zu time=%llu"
                     " trust=signed at=%llu%s", i % 97 + 1, T + 5 * DAY,
                     T + i * 5000, touch);
            break;

        case 1:
            snprintf(text, sizeof(text), "type=refund order=o%zu amount=%zu"
                     " unit=EUR time=%llu trust=signed at=%llu", i % 301,
                     i % 50, T + 5 * DAY, T + i * 5000);
            break;

        case 2:
            snprintf(text, sizeof(text), "type=cancel friend=%zu time=%llu"
                     " trust=signed at=%llu", i % 97 + 1, T + 5 * DAY,
                     T + i * 5000);
            break;

        case 3:
            snprintf(text, sizeof(text), "type=install friend=%zu time=%llu"
                     " trust=signed at=%llu%s", i % 97 + 1, T + 5 * DAY,
                     T + i * 5000, touch);
            break;

        default:
            snprintf(text, sizeof(text), "type=sale friend=%zu order=o%zu"
                     " amount=%zu unit=EUR time=%llu trust=signed at=%llu%s",
                     i % 97 + 1, i % 301, i % 1000, T + 5 * DAY,
                     T + i * 5000, touch);
        }

        good &= feed(text);

        if (i % 11 == 0) {
            commit();
        }

        /* another one may have settled meanwhile: all is read again */

        if (i % 97 == 0) {
            commit();
            referral_view_clear(&live.view);
        }
    }

    commit();

    ok(good, "4000 facts have the same chain both ways");

    good = 1;

    for (i = 0; i < whole.view.nslots; i++) {
        item = whole.view.slots[i];

        if (item == NULL) {
            continue;
        }

        to = stored(item);

        if (item->kind == REFERRAL_VIEW_OPEN) {
            good &= (item->text.len == to->text.len);
            continue;
        }

        good &= (item->value == to->value
                 && referral_str_eq(&item->text, &to->text));
    }

    ok(good, "and what was written is what a replay has");
}


/* the value that a stream has today is the one that it has for ever */

static void
chain(void)
{
    u_char          hex[2 * REFERRAL_CHAIN_SIZE];
    referral_buf_t  buf;
    referral_str_t  s;

    begin();

    (void) feed("type=rules time=1 version=1 transitions=0:60");
    (void) feed("type=lead friend=1 country=JP" HEAD("1795000000000") CLICK);
    (void) feed("type=sale friend=1 order=o1 amount=1000 unit=EUR"
                HEAD("1795100000000") BOUND);

    referral_buf_init(&buf, hex, sizeof(hex));
    referral_buf_hex(&buf, whole.chain, REFERRAL_CHAIN_SIZE);
    s.data = hex;
    s.len = sizeof(hex);

    ok(referral_str_is(&s, "cabc6beb3517106db57ecf3de9517fc4"
                           "5f63831601356d1e41e9b7e3fa9daa12"),
       "the chain: %.*s", (int) s.len,
       (char *) s.data);
}


int
main(void)
{
    if (referral_settle_init(&whole, 1) != REFERRAL_OK
        || referral_settle_init(&live, 0) != REFERRAL_OK
        || referral_view_init(&redis, 1) != REFERRAL_OK)
    {
        return 1;
    }

    life();
    customers_of_before();
    aging();
    lapse();
    accounts();
    bounds();
    refused();
    orders();
    written();
    chain();

    referral_settle_free(&whole);
    referral_settle_free(&live);
    referral_view_free(&redis);

    return unit_done();
}
