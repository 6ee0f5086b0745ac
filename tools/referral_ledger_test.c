
/*
 * Decides a stream of facts in memory, with the engine's own code, and says
 * what it makes of each: "scripts/referral rewards try" runs this program.
 *
 *     referral_ledger_test [-q] PROGRAM
 *
 * reads a dump of a stream from stdin, a line for each entry
 * (referral_dump.h).  Writes a line of JSON for each entry of the ledger
 *
 *     id                  of the entry: POSITION-INDEX
 *     reward owner unit rule version
 *     from to amount      accounts, and an amount above 0
 *     at due expires      milliseconds; due and expires may be null
 *     why                 a word
 *
 * one with "position" and "flag" for each fact that could not be done as it
 * says, and last one with "balances": a list of lists of owner, unit, account
 * and sum.
 *
 * With -q, for measurements, one line only: "facts", "entries" of the ledger,
 * the "microseconds" of CPU that the decisions took, and the "bytes" by which
 * the memory of the process grew meanwhile.
 *
 * Exit code: 0; 1 if a line is no fact; 2 without memory.
 */


#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "referral_dump.h"
#include "referral_ledger.h"


#define LEDGER_TEST_LINE  (1024 * 1024)


typedef struct {
    referral_fact_t    fact;
    referral_str_t    *pair;
    char              *line;
} ledger_test_fact_t;


typedef struct {
    ledger_test_fact_t  *fact;
    size_t               n;
} ledger_test_facts_t;


static int ledger_test_facts(ledger_test_facts_t *facts);
static void ledger_test_free(ledger_test_facts_t *facts);
static int ledger_test_read(ledger_test_fact_t *f, const char *line,
    uint64_t number);
static int ledger_test_ahead(referral_ledger_t *l,
    const ledger_test_fact_t *facts, size_t n);
static int ledger_test_decide(referral_ledger_t *l,
    const ledger_test_fact_t *facts, size_t n, int quiet);
static int64_t ledger_test_clock(void);
static long ledger_test_memory(void);
static void ledger_test_tell(referral_ledger_t *l);
static void ledger_test_text(const char *name, const referral_str_t *s);
static void ledger_test_moment(const char *name, int64_t ms);
static int ledger_test_balances(referral_ledger_t *l);


int
main(int argc, char **argv)
{
    int                  rc, quiet;
    referral_str_t       program;
    referral_ledger_t   *l;
    ledger_test_facts_t  facts;

    quiet = argc == 3 && strcmp(argv[1], "-q") == 0;

    if (argc != 2 + quiet) {
        fprintf(stderr, "usage: referral_ledger_test [-q] PROGRAM\n");
        return 2;
    }

    program.data = (u_char *) argv[1 + quiet];
    program.len = strlen(argv[1 + quiet]);

    l = referral_ledger_create(&program);

    if (l == NULL) {
        return 2;
    }

    memset(&facts, 0, sizeof(facts));

    rc = ledger_test_facts(&facts);

    if (rc == 0
        && (ledger_test_ahead(l, facts.fact, facts.n) != 0
            || ledger_test_decide(l, facts.fact, facts.n, quiet) != 0
            || (!quiet && ledger_test_balances(l) != 0)))
    {
        rc = 2;
    }

    ledger_test_free(&facts);
    referral_ledger_free(l);

    return rc;
}


/* all of stdin: 0; 1 if a line is no fact; 2 without memory */

static int
ledger_test_facts(ledger_test_facts_t *facts)
{
    int                  rc;
    char                *line;
    size_t               size;
    ssize_t              len;
    ledger_test_fact_t  *more;

    line = NULL;
    size = 0;
    rc = 0;

    while (rc == 0 && (len = getline(&line, &size, stdin)) > 0) {

        if (facts->n % 1024 == 0) {
            more = realloc(facts->fact,
                           (facts->n + 1024) * sizeof(ledger_test_fact_t));

            if (more == NULL) {
                rc = 2;
                break;
            }

            facts->fact = more;
        }

        if (line[len - 1] == '\n') {
            line[len - 1] = '\0';
        }

        more = &facts->fact[facts->n++];
        memset(more, 0, sizeof(ledger_test_fact_t));

        rc = ledger_test_read(more, line, facts->n) == 0 ? 0 : 1;
    }

    free(line);

    return rc;
}


static void
ledger_test_free(ledger_test_facts_t *facts)
{
    size_t  i;

    for (i = 0; i < facts->n; i++) {
        free(facts->fact[i].pair);
        free(facts->fact[i].line);
    }

    free(facts->fact);
}


static int
ledger_test_read(ledger_test_fact_t *f, const char *line, uint64_t number)
{
    ssize_t          n;
    const char      *why;
    referral_str_t   text, id;

    static referral_str_t  pair[2 * REFERRAL_FACT_PAIRS];

    f->line = strdup(line);

    if (f->line == NULL) {
        return -1;
    }

    text.data = (u_char *) f->line;
    text.len = strlen(f->line);

    n = referral_dump_parse(&text, &id, pair, 2 * REFERRAL_FACT_PAIRS);

    why = "no line of a dump";

    if (n != REFERRAL_ERROR) {
        f->pair = malloc((n + 1) * sizeof(referral_str_t));

        if (f->pair == NULL) {
            return -1;
        }

        memcpy(f->pair, pair, n * sizeof(referral_str_t));
    }

    if (n == REFERRAL_ERROR
        || referral_fact_parse(&f->fact, referral_fact_position(&id), f->pair,
                               n, &why) != REFERRAL_OK)
    {
        fprintf(stderr, "line %llu: %s\n", (unsigned long long) number, why);
        return -1;
    }

    return 0;
}


static int
ledger_test_ahead(referral_ledger_t *l, const ledger_test_fact_t *facts,
    size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (facts[i].fact.type == REFERRAL_FACT_RULES) {
            return i == 0 || referral_ledger_ahead(l, &facts[i].fact)
                             == REFERRAL_OK ? 0 : -1;
        }
    }

    return 0;
}


static int
ledger_test_decide(referral_ledger_t *l, const ledger_test_fact_t *facts,
    size_t n, int quiet)
{
    long     memory;
    size_t   i, some, all;
    int64_t  begun;

    all = 0;
    memory = ledger_test_memory();
    begun = ledger_test_clock();

    for (i = 0; i < n; i++) {
        if (referral_ledger_take(l, &facts[i].fact) != REFERRAL_OK) {
            fprintf(stderr, "entry %zu: without memory, or a sum left 64 "
                    "bits\n", i + 1);
            return -1;
        }

        if (!quiet) {
            ledger_test_tell(l);
        }

        (void) referral_ledger_entries(l, &some);
        all += some;
    }

    if (quiet) {
        printf("{\"facts\":%zu,\"entries\":%zu,\"microseconds\":%lld,"
               "\"bytes\":%ld}\n", n, all,
               (long long) (ledger_test_clock() - begun),
               ledger_test_memory() - memory);
    }

    return 0;
}


static int64_t
ledger_test_clock(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}


/* bytes of the process that are resident; 0: it is not known */

static long
ledger_test_memory(void)
{
    FILE  *file;
    char   line[256], *resident;
    long   pages;

    pages = 0;
    file = fopen("/proc/self/statm", "r");

    if (file) {
        resident = fgets(line, sizeof(line), file) ? strchr(line, ' ') : NULL;

        if (resident) {
            pages = strtol(resident, NULL, 10);
        }

        fclose(file);
    }

    return pages * sysconf(_SC_PAGESIZE);
}


static void
ledger_test_tell(referral_ledger_t *l)
{
    size_t                          i, n;
    referral_str_t                  s;
    const referral_ledger_flag_t   *flag;
    const referral_ledger_entry_t  *e;
    const referral_ledger_notice_t *notice;

    e = referral_ledger_entries(l, &n);

    for (i = 0; i < n; i++, e++) {
        printf("{\"id\":\"%llu-%u\"", (unsigned long long) e->position,
               e->index);

        s.data = (u_char *) e->reward;
        s.len = REFERRAL_REWARD_ID;
        ledger_test_text("reward", &s);

        printf(",\"owner\":\"%llu\"", (unsigned long long) e->owner);
        ledger_test_text("unit", &e->unit);
        ledger_test_text("rule", &e->rule);
        printf(",\"version\":\"%llu\"", (unsigned long long) e->version);

        s = referral_account_name(e->from);
        ledger_test_text("from", &s);
        s = referral_account_name(e->to);
        ledger_test_text("to", &s);

        printf(",\"amount\":%lld", (long long) e->amount);
        ledger_test_moment("at", e->at);
        ledger_test_moment("due", e->due);
        ledger_test_moment("expires", e->expires);
        printf(",\"why\":\"%s\"}\n", e->why);
    }

    notice = referral_ledger_notices(l, &n);

    for (i = 0; i < n; i++) {
        printf("{\"position\":%llu,\"notice\":\"%s\",\"at\":%lld,"
               "\"who\":\"%llu\"", (unsigned long long) notice[i].position,
               notice[i].kind, (long long) notice[i].at,
               (unsigned long long) notice[i].who);
        ledger_test_text("name", &notice[i].name);
        ledger_test_text("detail", &notice[i].detail);
        printf("}\n");
    }

    flag = referral_ledger_flags(l, &n);

    for (i = 0; i < n; i++) {
        printf("{\"position\":%llu,\"flag\":\"%s\"}\n",
               (unsigned long long) flag[i].position, flag[i].word);
    }
}


static void
ledger_test_text(const char *name, const referral_str_t *s)
{
    u_char          text[1024];
    referral_buf_t  buf;

    referral_buf_init(&buf, text, sizeof(text));
    referral_dump_text(&buf, s);

    printf(",\"%s\":%.*s", name, (int) (buf.pos - text), text);
}


static void
ledger_test_moment(const char *name, int64_t ms)
{
    if (ms == -1) {
        printf(",\"%s\":null", name);

    } else {
        printf(",\"%s\":%lld", name, (long long) ms);
    }
}


static int
ledger_test_balances(referral_ledger_t *l)
{
    size_t                            i, n;
    unsigned                          k;
    const char                       *comma;
    referral_str_t                    account;
    const referral_ledger_balance_t  *b;

    if (referral_ledger_balances(l, &b, &n) != REFERRAL_OK) {
        return -1;
    }

    comma = "";
    printf("{\"balances\":[");

    for (i = 0; i < n; i++) {
        for (k = 0; k < REFERRAL_ACCOUNTS; k++) {

            if (b[i].sum[k] == 0) {
                continue;
            }

            account = referral_account_name(k);

            printf("%s[\"%llu\",\"%.*s\",\"%.*s\",%lld]", comma,
                   (unsigned long long) b[i].owner, (int) b[i].unit.len,
                   b[i].unit.data, (int) account.len, account.data,
                   (long long) b[i].sum[k]);
            comma = ",";
        }
    }

    printf("]}\n");

    return fflush(stdout) == 0 ? 0 : -1;
}
