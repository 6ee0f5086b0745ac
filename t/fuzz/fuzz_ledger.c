/* link: referral_ledger.c referral_ledger_calendar.c referral_ledger_contest.c referral_ledger_customer.c referral_ledger_doubt.c referral_ledger_due.c referral_ledger_event.c referral_ledger_goal.c referral_ledger_grant.c referral_ledger_heap.c referral_ledger_level.c referral_ledger_line.c referral_ledger_move.c referral_ledger_nudge.c referral_ledger_ordinal.c referral_ledger_ratio.c referral_ledger_reverse.c referral_ledger_review.c referral_ledger_reward.c referral_ledger_ripen.c referral_ledger_signal.c referral_ledger_state.c referral_ledger_terms.c referral_ledger_tier.c referral_ledger_use.c referral_rewards.c referral_rewards_amount.c referral_rewards_check.c referral_rewards_say.c referral_rewards_value.c referral_rewards_warn.c referral_rewards_word.c referral_conditions.c referral_unit.c referral_name.c referral_code.c referral_fact.c referral_terms.c referral_moment.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_digest.c referral_hash.c referral_str.c -lcrypto */

/*
 * Any facts in any order, with any rules: the entries are a ledger in which
 * nothing is lost, and what is due changes nothing by being decided late.
 */

#include "fuzz.h"
#include "referral_ledger.h"


#define PAIRS    32
#define FACTS    120
#define REWARDS  4096
#define VERSIONS 3
#define TEXT     4096
#define HOUR     3600000ULL
#define START    1793059200000ULL


/* what the entries say of a reward */

typedef struct {
    u_char          id[REFERRAL_REWARD_ID];
    uint64_t        owner;
    referral_str_t  unit;
    int64_t         granted;
    int64_t         sum[REFERRAL_ACCOUNTS];
} kept_t;


static const char *const  lines[] = {
    "rule=a on=sale to=both give=10% each=order cap=sum over=clip life=9d",
    "rule=a on=sale nth=1 to=referrer give=5.00EUR hold=3d undo=share",
    "rule=b on=lead to=both give=700JPY hold=until:sale",
    "rule=b on=sale,ride to=friend give=1.500KWD use=once restore=yes",
    "rule=c on=rule:a friends=2 each=referrer to=both give=40pt hold=5d",
    "rule=c on=rule:b to=both give=draw:5pt@80,9pt@20 hold=2d slide=yes "
        "life=4d",
    "rule=d on=lead+ride to=referrer give=prize:wheels|week choose=3d",
    "rule=d on=rule:c to=friend give=9.99EUR cap=few",
    "rule=e on=sale sum=90.00EUR to=referrer give=20.00EUR undo=keep",
    "rule=e on=sale each=event to=both give=7.125% upto=4.00EUR cap=few",
    "rule=e on=rule:d each=event to=both give=3pt undo=keep",
    "rule=f on=sale min=20.00EUR to=both give=6.00EUR each=order months=1",
    "rule=f on=sale to=friend give=100% each=order undo=share restore=yes",
    "rule=f on=rule:e each=order to=both give=1JPY undo=keep",
    "rule=a on=rule:f each=order to=both give=1JPY undo=keep",
    "rule=g on=sale known=yes to=friend give=2pt party=!referrer",
    "rule=g on=sale tier=gold to=referrer give=900pt within=20d",
    "tier=gold friends=1 of=a every=month",
    "badge=first friends=2 of=b",
    "boost=x rule=a,b,e x=1.333 segment=plus",
    "boost=y rule=a x=1000 tier=gold",
    "boost=z rule=a,f x=0.007 to=friend",
    "contest=w of=a every=day rank=1-2 give=9.00EUR,prize:bag hold=1d "
        "grace=6h cap=sum",
    "contest=v of=b every=week min=2 rank=1 give=5pt life=3d pay=webhook",
    "nudge=n missing=a after=1d",
    "goal=g metric=rate target=60 every=day",
    "goal=h metric=sales target=2 every=week",
    "item=mug price=30pt stock=2",
    "fraud=self do=hold review=2d then=approve",
    "fraud=same_device do=hold review=1d then=approve",
    "fraud=paid_click,country do=score:50 review=1d",
    "fraud=mutual do=reject",
    "set=terms:event",
    "set=boosts:multiply",
    "set=refunds:9d"
};

#define LINES  (sizeof(lines) / sizeof(lines[0]))


static kept_t   rewards[REWARDS];
static size_t   nrewards;
static int      versions;
static int64_t  budget[4];           /* by unit, below 0 */

static const char *const  units[] = { "EUR", "JPY", "KWD", "pt" };


/*
 * A life by two lines: friend 2 of referrer 8 buys twice, both use what they
 * have, one order is refunded, another friend comes, time passes.
 */

static void
life(uint8_t one, uint8_t two, uint8_t unit)
{
    size_t   n;
    uint8_t  seed[128];

    const uint8_t  facts[][5] = {
        { 4, 1, 0x11, 0, unit },               /* lead, friend 2 */
        { 2, 1, 0x11, 200, unit },             /* sale, order 1 */
        { 5, 1, 0x0d, 0, unit },               /* ride, without an order */
        { 0x02, 1, 0x15, 120, unit },          /* sale, order 2 */
        { 0x09, 40, 0x02 | unit << 2, 50, 0 }, /* reserve, referrer 8 */
        { 0x19, 0, 0x41 | unit << 2, 60, 2 },  /* reserve, friend 2 */
        { 0x0a, 0, 0x02 | unit << 2, 45, 0 },  /* commit of the first */
        { 0x06, 0, 0x01, 150, unit },          /* refund of a part */
        { 0x06, 1, 0x01, 200, unit },          /* and of the rest */
        { 0x0a, 0, 0x41 | unit << 2, 10, 0 },  /* commit of the second */
        { 0x02, 2, 0x1a, 240, unit },          /* friend 3, order 3 */
        { 0x07, 2, 0x01, 230, unit },          /* update of order 1 */
        { 0x0c, 2, 0x02 | unit << 2, 30, 4 },  /* adjust */
        { 0x0d, 2, 0x02, 1, 1 },               /* choose */
        { 0x02, 34, 0x19, 100, 0x0c | unit },  /* in review */
        { 0x0e, 35, 0x01, 1, 0 },              /* approve */
        { 0x08, 40, 0x05, 0, unit },           /* cancel of order 2 */
        { 0x0f, 40, 0x01, 1, 0 }               /* reject */
    };

    n = 0;
    seed[n++] = 0;
    seed[n++] = 1;
    seed[n++] = 0;
    seed[n++] = 1;
    seed[n++] = one;
    seed[n++] = two;

    memcpy(seed + n, facts, sizeof(facts));

    fuzz_seed(seed, n + sizeof(facts));
}


static void
fuzz_seeds(void)
{
    uint8_t  i;

    for (i = 0; i < LINES; i++) {
        life(i, (uint8_t) ((i * 7 + 1) % LINES), 0);
        life((uint8_t) ((i + 9) % LINES), i, i % 4);
    }

    fuzz_seed_text("\0\1\1unit=EUR/2\nrule=a on=sale to=both give=10%\0"
                   "\2\1\21\310\0\2\1\25\310\0");
}


static void
add(referral_str_t *pair, size_t *n, const char *name, const char *value)
{
    if (*value == '\0') {
        return;
    }

    pair[*n].data = (u_char *) name;
    pair[(*n)++].len = strlen(name);
    pair[*n].data = (u_char *) value;
    pair[(*n)++].len = strlen(value);
}


/* small amounts, and those next to the largest one */

static const char *
amount(uint8_t c)
{
    static char  text[4][24];
    static int   n;

    n = (n + 1) % 4;

    if (c < 240) {
        snprintf(text[n], sizeof(text[n]), "%u", c * c / 8);

    } else {
        snprintf(text[n], sizeof(text[n]), "%llu",
                 (1ULL << 53) - 1 - (c - 240) * 7);
    }

    return text[n];
}


/* lines of the list, or a text as it comes */

static const char *
rules(const uint8_t **p, const uint8_t *end)
{
    size_t        n, len;
    uint8_t       count;
    const u_char *last;

    static char   text[TEXT];

    if (fuzz_byte(p, end) % 8 == 1) {
        last = *p < end ? memchr(*p, '\0', end - *p) : NULL;
        len = *p < end ? (size_t) ((last ? last : end) - *p) : 0;
        len = len < TEXT ? len : TEXT - 1;

        if (len) {
            memcpy(text, *p, len);
        }

        text[len] = '\0';
        *p += len + (last ? 1 : 0);

        return text;
    }

    n = snprintf(text, TEXT, "unit=EUR/2,JPY/0,KWD/3,pt/0\n"
                 "cap=few per=friend count=2\n"
                 "cap=sum per=referrer amount=30.00EUR every=month\n"
                 "rule=a on=sale,lead x.k=v to=both give=1.00EUR\n"
                 "rule=b on=txn to=both give=1.00EUR\n"
                 "rule=c on=txn to=both give=1.00EUR\n"
                 "rule=d on=txn to=both give=1.00EUR\n"
                 "rule=e on=txn to=both give=1.00EUR\n"
                 "rule=f on=txn to=both give=1.00EUR\n");

    for (count = 1 + fuzz_byte(p, end) % 8; count; count--) {
        n += snprintf(text + n, TEXT - n, "%s\n",
                      lines[fuzz_byte(p, end) % LINES]);
    }

    return text;
}


/* what an event says beyond its type and its friend */

static void
event(const uint8_t **p, const uint8_t *end, referral_str_t *pair, size_t *n)
{
    uint8_t  c;

    static const char *const  orders[] = { "o1", "o2", "o3", "" };
    static const char *const  signals[] = {
        "", "", "", "same_device", "paid_click,country", "mutual", "self",
        "fast_sale"
    };

    c = fuzz_byte(p, end);
    add(pair, n, "friend", &"1\0002\0003\0004"[2 * (c & 3)]);
    add(pair, n, "order", orders[c >> 2 & 3]);

    if (c & 16) {
        add(pair, n, "via", "code");
        add(pair, n, "code", "aiko");
        add(pair, n, "referrer", c & 32 ? "9" : c & 64 ? "1" : "8");
        add(pair, n, "referrer_segment", c & 64 ? "plus" : "");
    }

    add(pair, n, "who", c & 128 ? &"w1\0w2\0w3\0w4"[3 * (c & 3)] : "");

    c = fuzz_byte(p, end);

    if (c) {
        add(pair, n, "amount", amount(c));
    }

    c = fuzz_byte(p, end);
    add(pair, n, "unit", units[c & 3]);
    add(pair, n, "signals", signals[c >> 2 & 7]);
    add(pair, n, "known", c >> 5 == 1 ? "1" : "");
    add(pair, n, "self", c >> 5 == 2 ? "1" : "");
    add(pair, n, "program_state", c >> 5 == 3 ? "paused" : "");
    add(pair, n, "referrer_state", c >> 5 == 4 ? "inactive" : "");
    add(pair, n, "parties", c >> 5 == 5 ? "1,8" : "");
    add(pair, n, "x", c >> 5 == 6 ? "k=v" : "");

    if (c >> 5 == 7) {
        add(pair, n, "refunded", amount(fuzz_byte(p, end)));
    }
}


/* what is done with rewards */

static void
command(const uint8_t **p, const uint8_t *end, referral_str_t *pair, size_t *n)
{
    uint8_t  c;

    static char  id[REFERRAL_REWARD_ID + 1];

    static const char *const  owners[] = { "1", "2", "8", "9" };
    static const char *const  tokens[] = { "t0", "t1", "t2", "t3" };
    static const char *const  prizes[] = { "wheels", "week" };

    c = fuzz_byte(p, end);
    add(pair, n, "owner", owners[c & 3]);
    add(pair, n, "unit", c & 16 ? "prize" : units[c >> 2 & 3]);
    add(pair, n, "token", tokens[c >> 6]);
    add(pair, n, "friend", owners[c & 1]);
    add(pair, n, "state", c & 32 ? "spent" : "available");

    add(pair, n, "amount", amount(fuzz_byte(p, end)));

    c = fuzz_byte(p, end);
    add(pair, n, "order", c & 1 ? "o1" : "");
    add(pair, n, "ttl", c & 2 ? "7200000" : "");
    add(pair, n, "cap", c & 4 ? "sum" : c & 8 ? "few" : "");
    add(pair, n, "item", c >> 4 == 1 ? "mug" : "");
    add(pair, n, "prize", prizes[c >> 5 & 1]);

    if (nrewards) {
        memcpy(id, rewards[c % nrewards].id, REFERRAL_REWARD_ID);
        add(pair, n, "reward", id);
    }
}


/* a byte a choice: type, how much time has passed, the rest */

static int
fact(const uint8_t **p, const uint8_t *end, uint64_t position,
    uint64_t *now, referral_fact_t *f)
{
    size_t       n;
    uint8_t      c, time;
    const char  *why, *type;

    static char            at[24], time_at[24], id[24];
    static referral_str_t  pair[2 * PAIRS];

    static const char *const  types[] = {
        "rules", "rules", "sale", "sale", "lead", "ride", "refund", "update",
        "cancel", "reserve", "commit", "release", "adjust", "choose",
        "approve", "reject"
    };

    /* the same of money that is paid out */

    static const char *const  payouts[] = { "payout", "paid", "failed" };

    c = fuzz_byte(p, end);
    time = fuzz_byte(p, end);

    /* a text takes as long as a hundred other facts */

    if ((c & 15) < 2 && versions++ == VERSIONS) {
        versions = VERSIONS;
        c += 2;
    }

    type = (c & 15) >= 9 && (c & 15) < 12 && c & 128 ? payouts[(c & 15) - 9]
                                                    : types[c & 15];

    *now += (time & 31) * (time & 32 ? 24 : 1) * HOUR;

    snprintf(time_at, sizeof(time_at), "%llu", (unsigned long long) *now);
    snprintf(at, sizeof(at), "%llu", (unsigned long long) *now
             - (time >> 6) * 5 * HOUR);

    if (strcmp(type, "reserve") == 0 || strcmp(type, "payout") == 0) {
        snprintf(id, sizeof(id), "t%u", c >> 4 & 3);

    } else if (strcmp(type, "adjust") == 0) {
        snprintf(id, sizeof(id), "a%u", c >> 4);

    } else {
        snprintf(id, sizeof(id), "e%llu", (unsigned long long) position);
    }

    n = 0;
    add(pair, &n, "type", type);
    add(pair, &n, "event", id);
    add(pair, &n, "time", time_at);
    add(pair, &n, "at", at);

    if ((c & 15) < 2) {
        add(pair, &n, "version", "1");
        add(pair, &n, "transitions", "5:840");
        add(pair, &n, "seed", "000102030405060708090a0b0c0d0e0f");
        add(pair, &n, "text", rules(p, end));

    } else if ((c & 15) < 9) {
        add(pair, &n, "trust", "signed");
        event(p, end, pair, &n);

    } else {
        command(p, end, pair, &n);
    }

    return referral_fact_parse(f, position, pair, n, &why);
}


static int
tick(uint64_t position, uint64_t now, referral_fact_t *f)
{
    size_t       n;
    const char  *why;

    static char            time[24];
    static referral_str_t  pair[4];

    snprintf(time, sizeof(time), "%llu", (unsigned long long) now);

    n = 0;
    add(pair, &n, "type", "tick");
    add(pair, &n, "time", time);

    return referral_fact_parse(f, position, pair, n, &why);
}


static unsigned
unit_number(const referral_str_t *unit)
{
    unsigned  i;

    for (i = 0; i < 4; i++) {
        if (unit->len == strlen(units[i])
            && memcmp(unit->data, units[i], unit->len) == 0)
        {
            break;
        }
    }

    return i;
}


static kept_t *
keep(const referral_ledger_entry_t *e)
{
    size_t  i;

    for (i = 0; i < nrewards; i++) {
        if (memcmp(rewards[i].id, e->reward, REFERRAL_REWARD_ID) == 0) {
            break;
        }
    }

    fuzz_check(i < REWARDS);

    if (i == nrewards) {
        memset(&rewards[i], 0, sizeof(kept_t));
        memcpy(rewards[i].id, e->reward, REFERRAL_REWARD_ID);
        rewards[i].owner = e->owner;
        rewards[i].unit = e->unit;
        nrewards++;

        fuzz_check(e->from == REFERRAL_BUDGET);
    }

    return &rewards[i];
}


/* the entries of a fact, one after the other */

static void
enter(referral_ledger_t *l, const referral_fact_t *f)
{
    size_t                          i, n;
    kept_t                         *r;
    unsigned                        unit;
    const referral_ledger_entry_t  *e;

    e = referral_ledger_entries(l, &n);

    for (i = 0; i < n; i++, e++) {
        fuzz_check(e->position == f->position && e->index == i);
        fuzz_check(e->amount > 0 && e->from != e->to);
        fuzz_check(e->from <= REFERRAL_BUDGET && e->to < REFERRAL_ACCOUNTS);
        fuzz_check(e->at <= f->time && e->version > 0 && e->unit.len);

        r = keep(e);

        fuzz_check(r->owner == e->owner
                   && referral_str_eq(&r->unit, &e->unit));

        if (e->from == REFERRAL_BUDGET) {
            r->granted += e->amount;
            unit = unit_number(&e->unit);

            if (unit < 4) {
                budget[unit] -= e->amount;
            }

        } else {
            r->sum[e->from] -= e->amount;
        }

        r->sum[e->to] += e->amount;
    }
}


/* each reward, and what is made of it for its owner */

static void
sums(referral_ledger_t *l)
{
    size_t                            i, k, n;
    int64_t                           all, total[4];
    unsigned                          account, unit, debt, credit;
    referral_ledger_balance_t         own;
    const referral_ledger_balance_t  *b;

    for (i = 0; i < nrewards; i++) {
        all = 0;

        for (account = 0; account < REFERRAL_ACCOUNTS; account++) {
            all += rewards[i].sum[account];

            fuzz_check(account == REFERRAL_AVAILABLE
                       || rewards[i].sum[account] >= 0);
        }

        fuzz_check(all == rewards[i].granted);
    }

    fuzz_check(referral_ledger_balances(l, &b, &n) == REFERRAL_OK);

    memcpy(total, budget, sizeof(total));

    for (k = 0; k < n; k++) {
        memset(&own, 0, sizeof(own));
        unit = unit_number(&b[k].unit);
        debt = 0;
        credit = 0;

        for (i = 0; i < nrewards; i++) {

            if (rewards[i].owner != b[k].owner
                || !referral_str_eq(&rewards[i].unit, &b[k].unit))
            {
                continue;
            }

            debt |= (rewards[i].sum[REFERRAL_AVAILABLE] < 0);
            credit |= (rewards[i].sum[REFERRAL_AVAILABLE] > 0);

            for (account = 0; account < REFERRAL_ACCOUNTS; account++) {
                own.sum[account] += rewards[i].sum[account];
            }
        }

        /* what is available fills a debt in the same fact */

        fuzz_check(!debt || !credit);
        fuzz_check(memcmp(own.sum, b[k].sum, sizeof(own.sum)) == 0);

        for (account = 0; unit < 4 && account < REFERRAL_ACCOUNTS; account++) {
            total[unit] += b[k].sum[account];
        }
    }

    for (unit = 0; unit < 4; unit++) {
        fuzz_check(total[unit] == 0);
    }
}


/* both have the same of everybody */

static void
same(referral_ledger_t *one, referral_ledger_t *two)
{
    size_t                            i, k, n, m;
    const referral_ledger_balance_t  *a, *b;

    fuzz_check(referral_ledger_balances(one, &a, &n) == REFERRAL_OK);
    fuzz_check(referral_ledger_balances(two, &b, &m) == REFERRAL_OK);
    fuzz_check(n == m);

    for (i = 0; i < n; i++) {
        for (k = 0; k < m; k++) {
            if (a[i].owner == b[k].owner
                && referral_str_eq(&a[i].unit, &b[k].unit))
            {
                break;
            }
        }

        fuzz_check(k < m && memcmp(a[i].sum, b[k].sum, sizeof(a[i].sum)) == 0);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                 rc;
    uint64_t            n, now, before;
    referral_str_t      program = referral_string("p");
    const uint8_t      *p, *end;
    referral_fact_t     f, t;
    referral_ledger_t  *prompt, *late;

    p = data;
    end = data + size;
    now = START;
    before = START;
    rc = REFERRAL_OK;

    nrewards = 0;
    versions = 0;
    memset(budget, 0, sizeof(budget));

    prompt = referral_ledger_create(&program);
    late = referral_ledger_create(&program);

    if (prompt == NULL || late == NULL) {
        abort();
    }

    for (n = 1; p < end && n < FACTS; n++) {

        if (fact(&p, end, 2 * n, &now, &f) != REFERRAL_OK) {
            continue;
        }

        if (n % 2) {
            fuzz_check(tick(2 * n - 1, (before + now) / 2, &t) == REFERRAL_OK);
            fuzz_check(referral_ledger_take(prompt, &t) == REFERRAL_OK);
            enter(prompt, &t);
            sums(prompt);

            fuzz_check(referral_ledger_due(prompt) == -1
                       || referral_ledger_due(prompt) > t.time);
        }

        before = now;
        rc = referral_ledger_take(prompt, &f);

        fuzz_check(referral_ledger_take(late, &f) == rc);

        /* boosts of the largest amounts are beyond int64 soon */

        if (rc != REFERRAL_OK) {
            break;
        }

        enter(prompt, &f);
        sums(prompt);
    }

    if (rc == REFERRAL_OK) {
        same(prompt, late);
    }

    referral_ledger_free(prompt);
    referral_ledger_free(late);

    return 0;
}
