/* link: referral_settle.c referral_settle_count.c referral_view.c referral_friend.c referral_order.c referral_credit.c referral_chain.c referral_fact.c referral_terms.c referral_moment.c referral_str.c referral_time.c referral_hash.c -lcrypto */

/*
 * Any facts in any order: what is counted stays what it is by definition, and
 * what the process has in parts is what a replay has as a whole.
 */

#include "fuzz.h"
#include "referral_friend.h"
#include "referral_order.h"
#include "referral_settle.h"


#define PAIRS  32
#define TEXTS  (2 * PAIRS)


static referral_settle_t  whole, live;
static referral_view_t    redis;
static int                ready;


static void
fuzz_seeds(void)
{
    static const uint8_t  all[] = {
        0, 1, 0, 0, 0, 1, 1, 1, 0, 9, 2, 1, 0, 5, 0, 3, 0, 0, 7, 0, 4, 1, 1, 2,
        0, 5, 2, 0, 0, 0, 6, 1, 0, 3, 2
    };

    fuzz_seed(all, sizeof(all));
    fuzz_seed("\1\1\1\1\1\2\1\1\1\1\3\1\1\1\1", 15);
    fuzz_seed("\2\0\7\1\0\0\0\7\1\0\1\3\0\2\1", 15);
}


static void
add(referral_str_t *pair, size_t *n, const char *name, const char *value)
{
    pair[*n].data = (u_char *) name;
    pair[(*n)++].len = strlen(name);
    pair[*n].data = (u_char *) value;
    pair[(*n)++].len = strlen(value);
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
            fuzz_check(referral_view_sum(item, &sum) == REFERRAL_OK);
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
    referral_view_clear(&live.view);
}


/* a byte a choice: type, friend, order, time, amount, touch */

static int
fact(const uint8_t **p, const uint8_t *end, uint64_t position,
    referral_fact_t *f)
{
    size_t       n;
    uint8_t      touch;
    const char  *why;

    static char            at[24], time[24], amount[24];
    static referral_str_t  pair[TEXTS];

    static const char *const  types[] = {
        "lead", "sale", "refund", "update", "cancel", "install", "rules"
    };
    static const char *const  friends[] = { "1", "2", "3", "" };
    static const char *const  orders[] = { "a", "b", "", "c" };
    static const char *const  units[] = { "EUR", "JPY" };

    n = 0;
    add(pair, &n, "type", types[fuzz_byte(p, end) % 7]);
    add(pair, &n, "friend", friends[fuzz_byte(p, end) % 4]);
    add(pair, &n, "order", orders[fuzz_byte(p, end) % 4]);

    snprintf(at, sizeof(at), "%llu",
             1795000000000ULL + fuzz_byte(p, end) * 7200000ULL);
    snprintf(time, sizeof(time), "%llu", 1797000000000ULL
             + (position % 7 == 6 ? 20000000000ULL : 0));
    snprintf(amount, sizeof(amount), "%u", fuzz_byte(p, end));

    touch = fuzz_byte(p, end);

    add(pair, &n, "at", at);
    add(pair, &n, "time", time);
    add(pair, &n, "trust", "signed");
    add(pair, &n, touch & 1 ? "amount" : "refunded", amount);
    add(pair, &n, "unit", units[touch >> 1 & 1]);
    add(pair, &n, "known", touch & 64 ? "1" : "0");
    add(pair, &n, "self", touch & 128 ? "1" : "0");
    add(pair, &n, "version", "1");
    add(pair, &n, "bind", touch & 32 ? "window" : "ever");
    add(pair, &n, "window", "2d");
    add(pair, &n, "transitions", touch & 16 ? "5:-720" : "5:840");

    if (touch >> 2 & 3) {
        add(pair, &n, "via", (touch >> 2 & 3) == 1 ? "click"
                             : (touch >> 2 & 3) == 2 ? "bound" : "code");
        add(pair, &n, "code", touch & 4 ? "aiko" : "bo");
        add(pair, &n, "referrer", touch & 4 ? "9" : "8");
        add(pair, &n, "click_at", "1794900000000");
        add(pair, &n, "country", touch & 8 ? "JP" : "");
    }

    return referral_fact_parse(f, position, pair, n, &why);
}


static int64_t
stats(const char *field)
{
    referral_str_t  key, name;

    key.data = NULL;
    key.len = 0;
    name.data = (u_char *) field;
    name.len = strlen(field);

    return referral_view_find(&whole.view, REFERRAL_VIEW_STATS, &key, &name)
           ->value;
}


/* from all the records: leads that somebody had, orders that were sold */

static void
sums(int64_t self)
{
    size_t                 i;
    int64_t                events, friends, known;
    referral_order_t       order;
    referral_friend_t      person;
    referral_view_item_t  *item;

    events = self;
    friends = 0;
    known = 0;

    for (i = 0; i < whole.view.nslots; i++) {
        item = whole.view.slots[i];

        if (item == NULL) {
            continue;
        }

        if (item->kind == REFERRAL_VIEW_ORDER && item->text.len) {
            fuzz_check(referral_order_parse(&order, &item->text)
                       == REFERRAL_OK);
            events += (order.customer != 0);
        }

        if (item->kind == REFERRAL_VIEW_FRIEND && item->text.len) {
            fuzz_check(referral_friend_parse(&person, &item->text)
                       == REFERRAL_OK);
            events += (person.lead.ms >= 0);
            friends += referral_friend_counts(&person);
            known += (person.bound.ms >= 0
                      && referral_friend_known(&person));
        }

        if (item->kind == REFERRAL_VIEW_STATS) {
            fuzz_check(item->value >= 0);
        }
    }

    fuzz_check(stats("leads") + stats("sales") + stats("unattributed")
               + stats("self") == events);
    fuzz_check(stats("friends") == friends && stats("known") == known);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                 rc;
    int64_t             self;
    uint64_t            n;
    const char         *why;
    const uint8_t      *p, *end;
    referral_fact_t     f;
    referral_terms_t    terms;

    if (!ready) {
        if (referral_settle_init(&whole, 1) != REFERRAL_OK
            || referral_settle_init(&live, 0) != REFERRAL_OK
            || referral_view_init(&redis, 1) != REFERRAL_OK)
        {
            abort();
        }

        ready = 1;
    }

    referral_settle_reset(&whole);
    referral_settle_reset(&live);
    referral_view_clear(&redis);

    memset(&terms, 0, sizeof(terms));
    terms.late = 86400;

    p = data;
    end = data + size;
    self = 0;
    n = 0;

    while (p < end && n < 200) {

        if (fact(&p, end, n + 1, &f) != REFERRAL_OK) {
            continue;
        }

        if (f.type == REFERRAL_FACT_RULES) {
            fuzz_check(referral_terms_parse(&terms, &f, &why) == REFERRAL_OK);
        }

        n++;
        fuzz_check(referral_settle_decide(&whole, &f, &terms, &why)
                   == REFERRAL_OK);

        referral_settle_needs(&live, &f);

        do {
            load();
            rc = referral_settle_decide(&live, &f, &terms, &why);
        } while (rc == REFERRAL_AGAIN);

        fuzz_check(rc == REFERRAL_OK);
        fuzz_check(memcmp(whole.chain, live.chain, REFERRAL_CHAIN_SIZE) == 0);

        self += (f.type == REFERRAL_FACT_LEAD && f.self);

        if (n % 3 == 0) {
            commit();
        }
    }

    sums(self);

    return 0;
}
