/* link: referral_ledger.c referral_ledger_calendar.c referral_ledger_contest.c referral_ledger_customer.c referral_ledger_doubt.c referral_ledger_due.c referral_ledger_event.c referral_ledger_goal.c referral_ledger_grant.c referral_ledger_heap.c referral_ledger_level.c referral_ledger_line.c referral_ledger_move.c referral_ledger_nudge.c referral_ledger_ordinal.c referral_ledger_ratio.c referral_ledger_reverse.c referral_ledger_review.c referral_ledger_reward.c referral_ledger_ripen.c referral_ledger_signal.c referral_ledger_state.c referral_ledger_terms.c referral_ledger_tier.c referral_ledger_use.c referral_rewards.c referral_rewards_amount.c referral_rewards_check.c referral_rewards_say.c referral_rewards_value.c referral_rewards_warn.c referral_rewards_word.c referral_conditions.c referral_unit.c referral_name.c referral_code.c referral_fact.c referral_terms.c referral_moment.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_digest.c referral_hash.c referral_str.c -lcrypto */

/*
 * protects: that the ledger of rewards keeps two sides of each entry, and what
 * caps, holds, refunds, debts and milestones do to the sums
 */

#include "referral_ledger_core.h"
#include "unit.h"


#define DAY    86400000LL
#define T      1793059200000LL

#define TEXTS  64
#define FACTS  2048


static referral_ledger_t  *ledger;
static referral_str_t      pair[FACTS][TEXTS];
static char                memory[4 * 1024 * 1024];
static size_t              used;
static unsigned            position;
static unsigned            wrong;             /* entries that do not add up */
static int64_t             budget;            /* of all units */
static int64_t             open[REFERRAL_ACCOUNTS];


static referral_str_t
keep(const char *s)
{
    referral_str_t  text;

    text.len = strlen(s);
    text.data = (u_char *) memory + used;

    memcpy(text.data, s, text.len + 1);
    used += text.len + 1;

    return text;
}


/* the entries of a fact against what everybody has */

static void
audit(void)
{
    size_t                            i, n;
    int64_t                           sum[REFERRAL_ACCOUNTS];
    unsigned                          k;
    const referral_ledger_entry_t    *e;
    const referral_ledger_balance_t  *b;

    e = referral_ledger_entries(ledger, &n);

    for (i = 0; i < n; i++, e++) {
        wrong += (e->amount <= 0 || e->from == e->to || e->index != i);

        if (e->from == REFERRAL_BUDGET) {
            budget -= e->amount;

        } else {
            open[e->from] -= e->amount;
        }

        open[e->to] += e->amount;
    }

    memset(sum, 0, sizeof(sum));
    wrong += (referral_ledger_balances(ledger, &b, &n) != REFERRAL_OK);

    for (i = 0; i < n; i++) {
        for (k = 0; k < REFERRAL_ACCOUNTS; k++) {
            sum[k] += b[i].sum[k];
            wrong += (k == REFERRAL_WRITTEN_OFF ? b[i].sum[k] > 0
                      : k != REFERRAL_AVAILABLE && b[i].sum[k] < 0);
        }
    }

    wrong += (memcmp(sum, open, sizeof(sum)) != 0);

    for (k = 0; k < REFERRAL_ACCOUNTS; k++) {
        sum[0] += k ? sum[k] : 0;
    }

    wrong += (sum[0] + budget != 0);
}


/* a fact, of words "name=value" with "|" between; its first flag, or "" */

static const char *
say(const char *type, int64_t day, const char *words)
{
    char                          *word, *value, *next, *copy;
    size_t                         n, flags;
    const char                    *why;
    char                           now[24], id[24];
    referral_fact_t                fact;
    referral_str_t                *p;
    const referral_ledger_flag_t  *flag;

    p = pair[position++];
    n = 0;

    snprintf(now, sizeof(now), "%lld", T + (long long) day * DAY);
    snprintf(id, sizeof(id), "e%u", position);

    p[n++] = keep("type");
    p[n++] = keep(type);
    p[n++] = keep("time");
    p[n++] = keep(now);
    p[n++] = keep("at");
    p[n++] = keep(now);

    /* what an operator or the settler appends did not come by the intake */

    if (strstr("lead sale refund update cancel", type)) {
        p[n++] = keep("trust");
        p[n++] = keep("signed");
    }

    if (strncmp(words, "event=", 6) != 0) {
        p[n++] = keep("event");
        p[n++] = keep(id);
    }

    copy = (char *) keep(words).data;

    for (word = copy; *word; word = next) {
        next = strchr(word, '|');
        next = next ? next : word + strlen(word);

        if (*next) {
            *next++ = '\0';
        }

        value = strchr(word, '=');
        *value++ = '\0';

        p[n++] = keep(word);
        p[n++] = keep(value);
    }

    if (referral_fact_parse(&fact, position, p, n, &why) != REFERRAL_OK) {
        ok(0, "fact %u: %s", position, why);
        return why;
    }

    if (referral_ledger_take(ledger, &fact) != REFERRAL_OK) {
        ok(0, "fact %u is decided", position);
        return "failed";
    }

    audit();

    flag = referral_ledger_flags(ledger, &flags);

    return flags ? flag[0].word : "";
}


#define UNITS  "unit=EUR/2,JPY/0,KWD/3,pt/0\n"

/* friends 2, 3 … of referrer 1 */

#define BY1    "|referrer=1|via=code|code=aiko"


static void
begin(const char *rules)
{
    char            text[2048];
    referral_str_t  program = referral_string("shop");

    if (ledger) {
        referral_ledger_free(ledger);
    }

    ledger = referral_ledger_create(&program);
    position = 0;
    used = 0;
    budget = 0;
    memset(open, 0, sizeof(open));

    snprintf(text, sizeof(text), "version=1|text=%s%s", UNITS, rules);

    ok(*say("rules", 0, text) == '\0', "these rules are taken");
}


static int64_t
has(uint64_t owner, const char *unit, unsigned account)
{
    size_t                            i, n;
    const referral_ledger_balance_t  *b;

    if (referral_ledger_balances(ledger, &b, &n) != REFERRAL_OK) {
        return -1;
    }

    for (i = 0; i < n; i++) {
        if (b[i].owner == owner && b[i].unit.len == strlen(unit)
            && memcmp(b[i].unit.data, unit, strlen(unit)) == 0)
        {
            return b[i].sum[account];
        }
    }

    return 0;
}


static void
test_caps(void)
{
    begin("cap=c per=referrer amount=25.00EUR\n"
          "cap=n per=friend count=1\n"
          "rule=clip on=sale each=order to=referrer give=10.00EUR cap=c "
          "over=clip\n"
          "rule=deny on=sale each=order to=friend give=3pt cap=n\n");

    say("sale", 1, "friend=2|order=a|amount=100|unit=EUR" BY1);
    say("sale", 1, "friend=2|order=b|amount=100|unit=EUR");
    say("sale", 1, "friend=2|order=c|amount=100|unit=EUR");
    say("sale", 1, "friend=2|order=d|amount=100|unit=EUR");

    ok(has(1, "EUR", REFERRAL_AVAILABLE) == 2500,
       "the third reward is clipped, the fourth is nothing");
    ok(has(2, "pt", REFERRAL_AVAILABLE) == 3, "the second one is denied");

    say("cancel", 2, "order=a");
    ok(has(1, "EUR", REFERRAL_AVAILABLE) == 1500
       && has(1, "EUR", REFERRAL_CANCELLED) == 1000, "one is cancelled");

    say("sale", 3, "friend=2|order=e|amount=100|unit=EUR");
    ok(has(1, "EUR", REFERRAL_AVAILABLE) == 2500
       && has(2, "pt", REFERRAL_AVAILABLE) == 3,
       "what is cancelled frees the cap for later rewards alone");
}


/* a share of nothing takes no place under a cap, until it rises */

static void
test_count(void)
{
    begin("cap=one per=referrer count=1\n"
          "rule=r on=sale each=order to=referrer give=10% cap=one\n");

    say("sale", 1, "friend=2|order=a|amount=4|unit=EUR" BY1);
    say("sale", 1, "friend=2|order=b|amount=1000|unit=EUR");
    say("update", 2, "order=a|amount=9000|unit=EUR");
    ok(has(1, "EUR", REFERRAL_AVAILABLE) == 100, "there is no place for it");

    say("update", 3, "order=b|amount=2000|unit=EUR");
    ok(has(1, "EUR", REFERRAL_AVAILABLE) == 200, "what has one rises");

    say("cancel", 4, "order=b");
    say("update", 5, "order=a|amount=9500|unit=EUR");
    ok(has(1, "EUR", REFERRAL_AVAILABLE) == 0
       && has(1, "EUR", REFERRAL_CANCELLED) == 200, "a place comes too late");
}


static void
test_hold(void)
{
    begin("rule=a on=sale each=order to=referrer give=5.00EUR hold=14d "
          "life=10d\n");

    say("sale", 1, "friend=2|order=a|amount=100|unit=EUR" BY1);
    say("tick", 14, "");
    ok(has(1, "EUR", REFERRAL_PENDING) == 500, "pending during its hold");

    say("tick", 15, "");
    ok(has(1, "EUR", REFERRAL_AVAILABLE) == 500, "available at its end");

    say("tick", 24, "");
    ok(has(1, "EUR", REFERRAL_AVAILABLE) == 500
       && referral_ledger_due(ledger) == T + 25 * DAY,
       "the end of its life is what is due next");

    say("tick", 40, "");
    ok(has(1, "EUR", REFERRAL_EXPIRED) == 500
       && has(1, "EUR", REFERRAL_AVAILABLE) == 0, "expired at the end");
}


/* in parts of every size, the last one is what is left */

static void
refund(const char *unit, int64_t amount, unsigned parts, uint64_t seed)
{
    char      text[256];
    int64_t   left, part;
    unsigned  i;

    begin("rule=p on=sale each=order to=referrer give=7.125%\n"
          "rule=s on=sale each=order to=friend give=9.99EUR undo=share\n"
          "boost=b rule=p x=1.333\n");

    snprintf(text, sizeof(text), "friend=2|order=a|amount=%lld|unit=%s" BY1,
             (long long) amount, unit);
    say("sale", 1, text);

    ok(has(1, unit, REFERRAL_AVAILABLE)
       == referral_ledger_ratio(amount, 71250, 1333, 1000000, 1000)
       && has(2, "EUR", REFERRAL_AVAILABLE) == 999,
       "%lld %s: a share of it and an amount", (long long) amount, unit);

    for (i = 1, left = amount; left; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        part = i >= parts ? left
               : (int64_t) ((seed >> 11) % (uint64_t) left) + 1;
        left -= part;

        snprintf(text, sizeof(text), "order=a|amount=%lld|unit=%s",
                 (long long) part, unit);
        say("refund", 1 + i, text);

        if (has(1, unit, REFERRAL_AVAILABLE)
            != referral_ledger_ratio(left, 71250, 1333, 1000000, 1000)
            || has(2, "EUR", REFERRAL_AVAILABLE)
               != referral_ledger_ratio(999, left, 1, amount, 1))
        {
            ok(0, "%lld of %s are left", (long long) left, unit);
        }
    }

    ok(has(1, unit, REFERRAL_AVAILABLE) == 0
       && has(2, "EUR", REFERRAL_AVAILABLE) == 0
       && has(2, "EUR", REFERRAL_CANCELLED) == 999,
       "refunds in %u parts end at zero", i - 1);
}


static void
test_refunds(void)
{
    refund("JPY", 997, 1, 1);
    refund("JPY", 10007, 9, 2);
    refund("EUR", 1, 1, 3);
    refund("EUR", 4999, 4, 4);
    refund("KWD", 1234567, 12, 5);
    refund("KWD", (1LL << 53) - 1, 20, 6);
    refund("EUR", (1LL << 53) - 1, 40, 7);
    refund("pt", (1LL << 53) - 111, 3, 8);
}


static void
test_debt(void)
{
    begin("rule=a on=sale each=order to=referrer give=10.00EUR\n");

    say("sale", 1, "friend=2|order=a|amount=100|unit=EUR" BY1);
    say("reserve", 2, "event=t|owner=1|unit=EUR|amount=800");
    ok(has(1, "EUR", REFERRAL_RESERVED) == 800, "reserved");
    ok(strcmp(say("reserve", 2, "event=t|owner=1|unit=EUR|amount=100"),
              "refused") == 0 && has(1, "EUR", REFERRAL_RESERVED) == 800,
       "the same token again is refused");

    say("commit", 2, "token=t|amount=700");
    ok(has(1, "EUR", REFERRAL_SPENT) == 700
       && has(1, "EUR", REFERRAL_AVAILABLE) == 300, "spent in part");

    say("refund", 3, "order=a|amount=100|unit=EUR");
    ok(has(1, "EUR", REFERRAL_AVAILABLE) == -700
       && has(1, "EUR", REFERRAL_SPENT) == 700
       && has(1, "EUR", REFERRAL_CANCELLED) == 1000,
       "what was spent and is taken back is a debt");
    ok(strcmp(say("reserve", 3, "event=u|owner=1|unit=EUR|amount=1"),
              "refused") == 0, "with a debt nothing is reserved");

    say("sale", 4, "friend=2|order=b|amount=100|unit=EUR");
    ok(has(1, "EUR", REFERRAL_AVAILABLE) == 300, "the next one fills it");

    say("adjust", 5, "event=j|owner=1|unit=EUR|amount=50|state=available");
    ok(strcmp(say("adjust", 5, "event=j|owner=1|unit=EUR|amount=50|"
                  "state=available"), "refused") == 0
       && has(1, "EUR", REFERRAL_AVAILABLE) == 350,
       "the same adjustment again is refused");
    ok(strcmp(say("adjust", 5, "event=k|owner=1|unit=EUR|"
                  "amount=9223372036854775807|state=available"), "refused")
       == 0, "no adjustment of more than an event may say");
}


/* sums of all owners are the largest: what would leave them is not given */

static void
test_most(void)
{
    unsigned      i, refused, last;
    char          words[128];
    const char   *flag;

    begin("rule=a on=lead to=friend give=10.00EUR\n");
    refused = 0;
    last = 0;

    for (i = 1; i <= 1030; i++) {
        snprintf(words, sizeof(words), "event=m%u|owner=%u|unit=EUR|"
                 "amount=9007199254740991|state=available", i, 1 + i % 3);
        flag = say("adjust", 1, words);
        refused += (strcmp(flag, "refused") == 0);
        last = refused ? last : i;
    }

    ok(last == 1024 && refused == 6, "no sum leaves 63 bits");

    say("lead", 2, "friend=9" BY1);
    ok(has(9, "EUR", REFERRAL_AVAILABLE) == 1000, "what still fits is given");
    say("adjust", 2, "event=n|owner=1|unit=EUR|amount=24|state=available");
    say("lead", 2, "friend=10" BY1);
    ok(has(10, "EUR", REFERRAL_AVAILABLE) == 0, "a reward that does not is not");
    ok(strcmp(say("adjust", 2, "event=o|owner=1|unit=EUR|amount=1|cap=none"),
              "refused") == 0, "nor one against a cap that there is not");
}


static void
test_milestone(void)
{
    static const char  rules[] =
        "rule=a on=sale to=friend give=1.00EUR\n"
        "rule=two on=rule:a friends=2 each=referrer to=referrer give=40pt "
        "hold=10d\n";

    begin(rules);
    say("sale", 1, "friend=2|order=a|amount=100|unit=EUR" BY1);
    ok(has(1, "pt", REFERRAL_PENDING) == 0, "one friend is none");

    say("sale", 2, "friend=3|order=b|amount=100|unit=EUR" BY1);
    ok(has(1, "pt", REFERRAL_PENDING) == 40, "two reach the milestone");

    say("cancel", 3, "order=a");
    ok(has(1, "pt", REFERRAL_PENDING) == 40,
       "a reversal during its hold changes nothing");

    say("tick", 20, "");
    ok(has(1, "pt", REFERRAL_CANCELLED) == 40,
       "at the end of the hold it has to stand");

    begin(rules);
    say("sale", 1, "friend=2|order=a|amount=100|unit=EUR" BY1);
    say("sale", 2, "friend=3|order=b|amount=100|unit=EUR" BY1);
    say("tick", 20, "");
    say("cancel", 21, "order=a");
    ok(has(1, "pt", REFERRAL_AVAILABLE) == 40, "after that it stays");
}


/* "x" of the first order comes to wait for "r", which waited for "x" */

static void
test_circle(void)
{
    begin("set=terms:event\n"
          "rule=x on=sale min=9.00EUR each=order to=friend give=1pt "
          "undo=keep\n"
          "rule=r on=rule:x to=friend give=100pt undo=keep\n");

    say("sale", 1, "friend=2|order=a|amount=1000|unit=EUR" BY1);
    say("sale", 1, "friend=2|order=b|amount=1000|unit=EUR");
    say("refund", 2, "order=a|amount=500|unit=EUR");

    ok(*say("rules", 3, "version=2|text=" UNITS "set=terms:event\n"
            "rule=x on=rule:r each=order to=friend give=1pt undo=keep\n"
            "rule=r on=sale to=friend give=100pt undo=keep\n") == '\0',
       "a text that turns the rules round is taken");

    say("update", 4, "order=a|amount=1000|unit=EUR");
    say("cancel", 5, "order=b");
    say("sale", 6, "friend=2|order=c|amount=1000|unit=EUR");

    ok(has(2, "pt", REFERRAL_AVAILABLE) == 103,
       "rewards that wait for each other are decided");
}


static void
test_ratio(void)
{
#ifdef __SIZEOF_INT128__
    uint64_t           a, b, c, d, e, seed;
    unsigned           i, differ;
    unsigned __int128  wide;

    differ = 0;
    seed = 1;

    for (i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        a = seed >> (11 + i % 40);
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        b = seed >> 44;
        c = (seed & ((1ULL << (1 + i % 50)) - 1)) | 1;
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        d = 1 + (seed >> 44);
        e = (seed & ((1ULL << (1 + i % 49)) - 1)) | 1;

        wide = (unsigned __int128) a * b * c / ((unsigned __int128) d * e);
        wide = wide > INT64_MAX ? INT64_MAX : wide;

        differ += (referral_ledger_ratio(a, b, c, d, e) != (int64_t) wide);
    }

    ok(differ == 0, "products of 128 bits are divided exactly: %u", differ);
#endif

    ok(referral_ledger_ratio(UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
                             UINT64_MAX) == INT64_MAX
       && referral_ledger_ratio(INT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                UINT64_MAX) == INT64_MAX
       && referral_ledger_ratio(7, UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                UINT64_MAX) == 7
       && referral_ledger_ratio(0, UINT64_MAX, UINT64_MAX, 1, 1) == 0,
       "products of 192 bits, and what is beyond int64");
}


int
main(void)
{
    test_caps();
    test_count();
    test_hold();
    test_refunds();
    test_debt();
    test_most();
    test_milestone();
    test_circle();
    test_ratio();

    ok(wrong == 0, "each entry has two sides, and all accounts and the budget "
       "are zero together: %u are not", wrong);

    referral_ledger_free(ledger);

    return unit_done();
}
