/* link: referral_batch.c referral_batch_command.c referral_command.c referral_batch_table.c referral_keys.c referral_record.c referral_id.c referral_link.c referral_code.c referral_rules.c referral_template.c referral_url.c referral_conditions.c referral_str.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_hash.c referral_visitor.c referral_bots.c referral_automaton.c referral_lang.c referral_name.c referral_result.c -lcrypto */

#define _GNU_SOURCE

#include <openssl/evp.h>

#include "referral_batch.h"
#include "unit.h"


#define ALL  (REFERRAL_RECORD_LANDED | REFERRAL_RECORD_TOUCHED                \
              | REFERRAL_RECORD_NO_CONSENT | REFERRAL_RECORD_NEW_PROGRAM      \
              | REFERRAL_RECORD_NEW_LINK | REFERRAL_RECORD_NEW_DAY            \
              | REFERRAL_RECORD_VISITOR | REFERRAL_RECORD_ADDRESS             \
              | REFERRAL_RECORD_CLICK_ID)


/* a parsed command, with the numbers of its work */

typedef struct {
    unsigned         nwords;
    unsigned         nkeys;
    unsigned         noperations;
    unsigned         arguments;      /* of the longest operation */
    referral_str_t   word[4096];
    size_t           ntexts;
    size_t           nnumbers;
    uint64_t         numbers[200000];
} parsed_t;


static parsed_t               parsed;
static referral_batch_conf_t  conf;
static referral_str_t         shop = referral_string("shop");
static u_char                 journal[] = "0123456789abcdef";
static u_char                 keep[1024 * 1024];
static char                   pool[64 * 1024];
static size_t                 used;


static void
set(referral_record_t *r, unsigned text, const char *fmt, unsigned n)
{
    int  len;

    len = snprintf(pool + used, sizeof(pool) - used, fmt, n);

    r->text[text].data = (u_char *) pool + used;
    r->text[text].len = len;

    used += len;
}


/* the n-th click: all members that may differ do */

static void
click(referral_record_t *r, unsigned n)
{
    unsigned  i;

    memset(r, 0, sizeof(referral_record_t));

    used = 0;

    r->at = 1795352709123LL + n * 1000;
    r->life = 30 * 86400;
    r->offset = 540;
    r->flags = ALL;
    r->address = n * 0x9e3779b97f4a7c15ULL;

    for (i = 0; i < 6; i++) {
        r->click_id[i] = r->first_click_id[i] = r->at >> (40 - 8 * i);
    }

    memcpy(r->click_id + 10, &n, sizeof(n));
    memcpy(r->visitor, &n, sizeof(n));

    set(r, REFERRAL_TEXT_PROGRAM, "shop", 0);
    set(r, REFERRAL_TEXT_CODE, "code%u", n);
    set(r, REFERRAL_TEXT_REFERRER, "who%u", n);
    set(r, REFERRAL_TEXT_COUNTRY, "JP", 0);
    set(r, REFERRAL_TEXT_REGION, "JP-13", 0);
    set(r, REFERRAL_TEXT_CITY, "Tokyo", 0);
    set(r, REFERRAL_TEXT_LANG, "ja", 0);
    set(r, REFERRAL_TEXT_DEVICE, "mobile", 0);
    set(r, REFERRAL_TEXT_OS, "ios", 0);
    set(r, REFERRAL_TEXT_APP, "line", 0);
    set(r, REFERRAL_TEXT_SOURCE, "s%u.example", n);
    set(r, REFERRAL_TEXT_CHANNEL, "mail", 0);
    set(r, REFERRAL_TEXT_SEGMENT, "vip", 0);
    set(r, REFERRAL_TEXT_VARIANT, "b", 0);
    set(r, REFERRAL_TEXT_LANDING_HOST, "h%u.example", n);
    set(r, REFERRAL_TEXT_FIRST_CODE, "first%u", n);
}


static uint64_t
be(const u_char *p, unsigned size)
{
    uint64_t  n;

    for (n = 0; size; size--) {
        n = n << 8 | *p++;
    }

    return n;
}


/*
 * Parses the head of one value and returns its size, 0 if there is none; *n is
 * a number or a length.
 */

static size_t
pack(const u_char *p, const u_char *end, char *type, uint64_t *n)
{
    size_t  size;

    if (p == end) {
        return 0;
    }

    size = 0;
    *type = 'n';

    if (*p < 0x80) {
        *n = *p;
        return 1;

    } else if ((*p & 0xf0) == 0x90) {
        *type = 'a';
        *n = *p & 0x0f;
        return 1;

    } else if ((*p & 0xe0) == 0xa0) {
        *type = 's';
        *n = *p & 0x1f;
        return 1;

    } else if (*p >= 0xcc && *p <= 0xcf) {
        size = 1 << (*p - 0xcc);

    } else if (*p == 0xd9 || *p == 0xda) {
        *type = 's';
        size = *p - 0xd8;

    } else if (*p == 0xdc || *p == 0xdd) {
        *type = 'a';
        size = *p == 0xdc ? 2 : 4;

    } else {
        return 0;
    }

    if ((size_t) (end - p) < 1 + size) {
        return 0;
    }

    *n = be(p + 1, size);

    return 1 + size;
}


static int
parse_work(const referral_str_t *work)
{
    char           type;
    size_t         i, len;
    u_char        *p, *end;
    uint64_t       n, *op;
    unsigned       arguments;

    p = work->data;
    end = p + work->len;

    len = pack(p, end, &type, &n);
    if (len == 0 || type != 'a' || n != 3) {
        return 0;
    }

    p += len;

    len = pack(p, end, &type, &n);
    if (len == 0 || type != 'a') {
        return 0;
    }

    p += len;
    parsed.ntexts = n;

    for (i = 0; i < parsed.ntexts; i++) {
        len = pack(p, end, &type, &n);

        if (len == 0 || type != 's' || (size_t) (end - p) < len + n) {
            return 0;
        }

        p += len + n;
    }

    len = pack(p, end, &type, &n);

    if (len == 0 || type != 'a'
        || n > sizeof(parsed.numbers) / sizeof(uint64_t))
    {
        return 0;
    }

    p += len;
    parsed.nnumbers = n;

    for (i = 0; i < parsed.nnumbers; i++) {
        len = pack(p, end, &type, &parsed.numbers[i]);

        if (len == 0 || type != 'n') {
            return 0;
        }

        p += len;
    }

    len = pack(p, end, &type, &n);

    if (len == 0 || type != 's' || p + len + n != end) {
        return 0;
    }

    parsed.noperations = 0;
    parsed.arguments = 0;

    for (i = 0; i + 4 <= parsed.nnumbers; i += 4 + op[3]) {
        op = &parsed.numbers[i];

        if (op[0] > 7 || op[1] < 1 || op[1] > parsed.nkeys) {
            return 0;
        }

        arguments = op[3] + 2;

        if (op[0] == 5) {
            arguments = 45;
        }

        if (parsed.arguments < arguments) {
            parsed.arguments = arguments;
        }

        parsed.noperations++;
    }

    return i == parsed.nnumbers;
}


static int
parse(const referral_str_t *command)
{
    char    *next;
    u_char  *p, *end;
    size_t   len;

    p = command->data;
    end = p + command->len;

    if (p == end || *p++ != '*') {
        return 0;
    }

    len = strtoul((char *) p, &next, 10);
    p = (u_char *) next + 2;

    for (parsed.nwords = 0; p < end && parsed.nwords < 4096; parsed.nwords++) {

        if (*p++ != '$') {
            return 0;
        }

        parsed.word[parsed.nwords].len = strtoul((char *) p, &next, 10);
        parsed.word[parsed.nwords].data = (u_char *) next + 2;

        p = (u_char *) next + 2 + parsed.word[parsed.nwords].len;

        if (end - p < 2 || memcmp(p, "\r\n", 2) != 0) {
            return 0;
        }

        p += 2;
    }

    if (p != end || parsed.nwords != len || len < 7) {
        return 0;
    }

    parsed.nkeys = strtoul((char *) parsed.word[2].data, NULL, 10);

    if (parsed.nkeys + 7 != parsed.nwords) {
        return 0;
    }

    return parse_work(&parsed.word[parsed.nwords - 1]);
}


static void
test_create(void)
{
    static char  big[100];

    memset(&conf, 0, sizeof(conf));
    referral_str_set(&conf.prefix, "ref:");
    conf.seed = 7;
    referral_batch_defaults(&conf);

    ok(conf.events_maxlen == 1000000 && conf.events_age == 90 * 86400
       && conf.cap_program == 500 && conf.cap_link == 50
       && conf.uniques_ttl == 400 * 86400 && conf.board_ttl == 9 * 86400
       && conf.seed == 7,
       "defaults");

    referral_str_set(&conf.prefix, "a{b}");
    ok(referral_batch_create(&conf) == NULL, "no braces in a prefix");

    memset(big, 'x', sizeof(big));
    conf.prefix.data = (u_char *) big;
    conf.prefix.len = REFERRAL_BATCH_PREFIX_MAX + 1;
    ok(referral_batch_create(&conf) == NULL, "no endless prefix");

    referral_str_set(&conf.prefix, "ref:");

    referral_batch_free(NULL);
}


static void
test_command(void)
{
    u_char              md[EVP_MAX_MD_SIZE], hex[40];
    unsigned            i, len, good;
    referral_buf_t      buf;
    referral_str_t      a;
    referral_batch_t   *b;
    referral_record_t   r;
    referral_str_t      wrong = referral_string("a}b");

    b = referral_batch_create(&conf);

    ok(b != NULL, "a batch");

    ok(referral_batch_begin(b, &wrong, journal, 0) == REFERRAL_ERROR,
       "a program outside its grammar");
    ok(referral_batch_command(b, 0, &a) == REFERRAL_DECLINED,
       "has no command");

    ok(referral_batch_begin(b, &shop, journal, 41) == REFERRAL_OK, "begun");
    ok(referral_batch_command(b, 0, &a) == REFERRAL_DECLINED,
       "an empty batch has no command");

    click(&r, 1);
    ok(referral_batch_add(b, &r, 41) == REFERRAL_ERROR
       && referral_batch_records(b) == 0 && referral_batch_last(b) == 41,
       "a record at or below the mark is not taken");
    ok(referral_batch_add(b, &r, 43) == REFERRAL_OK
       && referral_batch_records(b) == 1 && referral_batch_last(b) == 43,
       "a record is");
    ok(referral_batch_command(b, 1, &a) == REFERRAL_OK && parse(&a),
       "its command is well-formed");
    ok(referral_str_is(&parsed.word[0], "EVAL"), "in full");

    EVP_Digest(parsed.word[1].data, parsed.word[1].len, md, &len, EVP_sha1(),
               NULL);
    referral_buf_init(&buf, hex, sizeof(hex));
    referral_buf_hex(&buf, md, len);

    ok(referral_batch_command(b, 0, &a) == REFERRAL_OK && parse(&a)
       && referral_str_is(&parsed.word[0], "EVALSHA")
       && parsed.word[1].len == 40
       && memcmp(parsed.word[1].data, hex, 40) == 0,
       "or by the script's hash");

    ok(referral_str_is(&parsed.word[3], "ref:journals:{shop}")
       && referral_str_is(&parsed.word[4], "ref:errors:{shop}")
       && referral_str_is(&parsed.word[5], "ref:forgotten:{shop}"),
       "the first three keys");

    i = 3 + parsed.nkeys;

    ok(referral_str_is(&parsed.word[i], "30313233343536373839616263646566")
       && referral_str_is(&parsed.word[i + 1], "41")
       && referral_str_is(&parsed.word[i + 2], "43"),
       "journal, expected mark, new mark");

    good = 1;

    for (i = 3; i < 3 + parsed.nkeys; i++) {
        if (memmem(parsed.word[i].data, parsed.word[i].len, "{shop}", 6)
            == NULL)
        {
            good = 0;
        }
    }

    ok(good, "every key has the program's tag");

    set(&r, REFERRAL_TEXT_PROGRAM, "other", 0);
    ok(referral_batch_add(b, &r, 50) == REFERRAL_ERROR
       && referral_batch_last(b) == 50,
       "a record of another program is refused, the mark moves past it");

    click(&r, 1);
    r.at = -5;
    ok(referral_batch_add(b, &r, 51) == REFERRAL_ERROR
       && referral_batch_last(b) == 51,
       "so is one outside of the calendar");

    ok(referral_batch_begin(b, &shop, journal, 0) == REFERRAL_OK
       && referral_batch_records(b) == 0 && referral_batch_last(b) == 0,
       "begun again");

    click(&r, 1);
    r.result = REFERRAL_RESULT_UNKNOWN;
    ok(referral_batch_add(b, &r, 9) == REFERRAL_OK
       && referral_batch_command(b, 0, &a) == REFERRAL_OK && parse(&a)
       && parsed.nkeys == 3 && parsed.nnumbers == 0,
       "an unknown code only moves the mark");

    referral_batch_free(b);
}


static void
test_pure(void)
{
    size_t              len;
    unsigned            i;
    referral_str_t      a;
    referral_batch_t   *b, *c;
    referral_record_t   r;

    b = referral_batch_create(&conf);

    conf.seed = 99;
    c = referral_batch_create(&conf);
    conf.seed = 7;

    (void) referral_batch_begin(b, &shop, journal, 0);
    (void) referral_batch_begin(c, &shop, journal, 3);

    /* an expiry in the past for one of them */

    for (i = 1; i < 200; i++) {
        click(&r, i * 7);
        (void) referral_batch_add(c, &r, i + 3);
    }

    (void) referral_batch_command(c, 1, &a);
    (void) referral_batch_begin(c, &shop, journal, 0);

    for (i = 1; i < 400; i++) {
        click(&r, i % 50);
        r.class = (i % 5) ? 0 : i % REFERRAL_CLASSES;
        r.result = (i % 7) ? 0 : REFERRAL_RESULT_UNRESOLVED;

        (void) referral_batch_add(b, &r, i);
        (void) referral_batch_add(c, &r, i);

        if (i == 100) {
            (void) referral_batch_command(c, 0, &a);
        }
    }

    (void) referral_batch_command(b, 0, &a);
    len = a.len;
    memcpy(keep, a.data, len);

    ok(parse(&a), "a mixed batch is well-formed");

    (void) referral_batch_command(c, 0, &a);

    ok(a.len == len && memcmp(a.data, keep, len) == 0,
       "the bytes depend on the records alone");

    referral_batch_free(b);
    referral_batch_free(c);
}


/* the tables grow on the way, and what was in them is still found */

static void
test_once(void)
{
    int                 rc;
    size_t              first;
    unsigned            i;
    referral_str_t      a;
    referral_batch_t   *b;
    referral_record_t   r;

    b = referral_batch_create(&conf);

    (void) referral_batch_begin(b, &shop, journal, 0);

    rc = REFERRAL_OK;
    first = 0;

    for (i = 0; i < 300; i++) {

        if (i == 150) {
            (void) referral_batch_command(b, 0, &a);
            (void) parse(&a);
            first = parsed.ntexts;
        }

        click(&r, i % 150);
        rc |= referral_batch_add(b, &r, i + 1);
    }

    ok(rc == REFERRAL_OK, "there is room for 300 clicks of 150 links");

    (void) referral_batch_command(b, 0, &a);

    ok(parse(&a) && first > 1024 && parsed.ntexts == first + 3 * 150,
       "the same clicks again: ids, visitors and cookies, no other text");

    referral_batch_free(b);
}


/* the numbers of a link's counters in pairs, "n" of them, or NULL */

static uint64_t *
counters(unsigned code, uint64_t *n)
{
    char             key[64];
    size_t           i;
    uint64_t        *op;
    referral_str_t   want;

    want.data = (u_char *) key;
    want.len = snprintf(key, sizeof(key), "ref:stats:{shop}:code%u", code);

    for (i = 0; i + 4 <= parsed.nnumbers; i += 4 + op[3]) {
        op = &parsed.numbers[i];

        if (op[0] == 1 && referral_str_eq(&parsed.word[2 + op[1]], &want)) {
            *n = op[3] / 2;
            return op + 4;
        }
    }

    return NULL;
}


/* more fields than are searched one by one, in changing order */

static void
test_fields(void)
{
    int                 rc;
    char                seen[1024];
    unsigned            i, code, twice, wrong;
    uint64_t           *p, j, tens, n = 0;
    referral_str_t      a;
    referral_batch_t   *b;
    referral_record_t   r;

    b = referral_batch_create(&conf);

    (void) referral_batch_begin(b, &shop, journal, 0);

    rc = REFERRAL_OK;

    for (i = 0; i < 900; i++) {
        click(&r, i % 3);

        set(&r, REFERRAL_TEXT_SOURCE, "s%u.example", i * 7 % 30);
        set(&r, REFERRAL_TEXT_COUNTRY, i % 2 ? "JP" : "BR", 0);

        if (i % 9 < 3) {
            r.flags &= ~REFERRAL_RECORD_NEW_LINK;
            r.text[REFERRAL_TEXT_APP].len = 0;
        }

        rc |= referral_batch_add(b, &r, i + 1);
    }

    (void) referral_batch_command(b, 0, &a);

    if (!ok(rc == REFERRAL_OK && parse(&a), "900 clicks of three links")) {
        return;
    }

    for (code = 0; code < 3; code++) {

        p = counters(code, &n);

        if (!ok(p != NULL, "the counters of a link")) {
            continue;
        }

        memset(seen, 0, sizeof(seen));

        twice = 0;
        wrong = 0;
        tens = 0;

        for (j = 0; j < n; j++) {

            if (p[2 * j] >= sizeof(seen)) {
                wrong++;
                continue;
            }

            twice += seen[p[2 * j]]++;

            switch (p[2 * j + 1]) {

            case 300:    /* raw, clicks, no_consent, lang, ... */
            case 200:    /* visitors, app */
            case 150:    /* the countries */
                break;

            case 30:     /* the sources that a third of the clicks have */
                tens++;
                break;

            default:
                wrong++;
            }
        }

        ok(twice == 0 && wrong == 0 && tens == 10 && p[1] == 300,
           "each field once, with its count: %u twice, %u wrong, %u sources",
           twice, wrong, (unsigned) tens);
    }

    referral_batch_free(b);
}


/* what a batch left in the tables is not found by the next ones */

static void
test_past(void)
{
    size_t              len;
    unsigned            i, n, good, last;
    referral_str_t      a;
    referral_batch_t   *b, *c;
    referral_record_t   r;

    b = referral_batch_create(&conf);
    c = referral_batch_create(&conf);

    /* the last clicks of the first batch are at the end of its tables */

    (void) referral_batch_begin(c, &shop, journal, 0);

    for (i = 1; i < REFERRAL_BATCH_RECORDS; i++) {
        click(&r, i);
        (void) referral_batch_add(c, &r, i);
    }

    last = referral_batch_records(c) - 1;
    good = 1;

    for (n = 1; n < 65540; n++) {

        (void) referral_batch_begin(c, &shop, journal, 0);

        if (n < 65530) {
            continue;
        }

        (void) referral_batch_begin(b, &shop, journal, 0);

        for (i = 1; i < 20; i++) {
            click(&r, last--);
            (void) referral_batch_add(b, &r, i);
            (void) referral_batch_add(c, &r, i);
        }

        (void) referral_batch_command(b, 0, &a);
        len = a.len;
        memcpy(keep, a.data, len);

        (void) referral_batch_command(c, 0, &a);

        if (a.len != len || memcmp(a.data, keep, len) != 0) {
            good = 0;
        }
    }

    ok(good, "a batch knows nothing of those before it, however many");

    referral_batch_free(b);
    referral_batch_free(c);
}


/* adds records until the batch is full and returns their number */

static unsigned
fill(referral_batch_t *b, void (*make)(referral_record_t *r, unsigned n))
{
    int                rc;
    size_t             len;
    unsigned           n;
    referral_str_t     a;
    referral_record_t  r;

    (void) referral_batch_begin(b, &shop, journal, 0);

    for (n = 0; n < 2000; n++) {
        make(&r, n);

        rc = referral_batch_add(b, &r, n + 1);

        if (rc != REFERRAL_OK) {
            break;
        }
    }

    ok(rc == REFERRAL_DECLINED, "full after %u records", n);

    if (referral_batch_command(b, 1, &a) != REFERRAL_OK || !parse(&a)) {
        return 0;
    }

    len = a.len;
    memcpy(keep, a.data, len);

    (void) referral_batch_add(b, &r, n + 1);
    (void) referral_batch_command(b, 1, &a);

    ok(a.len == len && memcmp(a.data, keep, len) == 0
       && referral_batch_last(b) == n && referral_batch_records(b) == n,
       "what was declined left nothing behind");

    ok(parsed.noperations <= 1000, "%u operations", parsed.noperations);
    ok(parsed.arguments <= 1000, "an operation of at most %u arguments",
       parsed.arguments);

    return n;
}


static void
make_same(referral_record_t *r, unsigned n)
{
    click(r, 1);

    memcpy(r->click_id + 10, &n, sizeof(n));
    memcpy(r->visitor, &n, sizeof(n));
    r->address = n;
}


static void
make_links(referral_record_t *r, unsigned n)
{
    click(r, n);
}


static void
make_unresolved(referral_record_t *r, unsigned n)
{
    click(r, n);

    r->result = REFERRAL_RESULT_UNRESOLVED;
}


/* all texts differ and are longer than the limit */

static void
make_hostile(referral_record_t *r, unsigned n)
{
    int                len;
    unsigned           i;
    static char        big[REFERRAL_TEXTS][300];

    click(r, n);

    r->at += n * 86400000LL;

    for (i = REFERRAL_TEXT_CODE; i < REFERRAL_TEXTS; i++) {
        memset(big[i], 'x', sizeof(big[i]));
        len = snprintf(big[i], sizeof(big[i]), "%u.%u.", i, n);
        big[i][len] = 'x';

        r->text[i].data = (u_char *) big[i];
        r->text[i].len = sizeof(big[i]);
    }
}


static void
test_full(void)
{
    unsigned           n;
    referral_batch_t  *b;

    b = referral_batch_create(&conf);

    n = fill(b, make_same);
    ok(n == REFERRAL_BATCH_RECORDS, "clicks of one link: %u", n);

    n = fill(b, make_links);
    ok(n > 300, "clicks of as many links: %u", n);

    n = fill(b, make_unresolved);
    ok(n > 50, "unresolved clicks of as many codes: %u", n);

    n = fill(b, make_hostile);
    ok(n >= 1, "records that are as large as can be: %u", n);

    referral_batch_free(b);

    referral_str_set(&conf.prefix, "0123456789012345678901234567890123456789"
                                   "01234567890123456789:");

    b = referral_batch_create(&conf);

    n = fill(b, make_links);
    ok(n > 300, "with a long prefix: %u", n);

    n = fill(b, make_hostile);
    ok(n >= 1, "with both: %u", n);

    referral_batch_free(b);

    referral_str_set(&conf.prefix, "ref:");
}


static void
test_reply(void)
{
    unsigned                i;
    referral_batch_reply_t  reply;

    static const struct {
        int64_t                  values[3];
        size_t                   n;
        referral_batch_answer_e  answer;
        uint64_t                 found;
        const char              *what;
    } cases[] = {
        { { 1, 40, 0 }, 3, REFERRAL_BATCH_APPLIED, 40, "applied" },
        { { 1, 40, 2 }, 3, REFERRAL_BATCH_APPLIED, 40, "but for two" },
        { { 0, 41, 0 }, 3, REFERRAL_BATCH_AHEAD, 41, "ahead" },
        { { 0, 90, 0 }, 3, REFERRAL_BATCH_AHEAD, 90, "ahead, to the end" },
        { { 0, 91, 0 }, 3, REFERRAL_BATCH_FOREIGN, 91, "foreign" },
        { { 0, 39, 0 }, 3, REFERRAL_BATCH_BEHIND, 39, "behind" },
        { { 0, -1, 0 }, 3, REFERRAL_BATCH_BEHIND, 0, "no mark" },
        { { 0, 40, 0 }, 3, REFERRAL_BATCH_INVALID, 40, "no reason" },
        { { 1, 39, 0 }, 3, REFERRAL_BATCH_INVALID, 39, "wrong reason" },
        { { 2, 40, 0 }, 3, REFERRAL_BATCH_INVALID, 0, "no boolean" },
        { { 1, -2, 0 }, 3, REFERRAL_BATCH_INVALID, 0, "no such mark" },
        { { 1, 40, -1 }, 3, REFERRAL_BATCH_INVALID, 0, "no such number" },
        { { 1, 40, 0 }, 2, REFERRAL_BATCH_INVALID, 0, "too short" },
        { { 1, 40, 0 }, 0, REFERRAL_BATCH_INVALID, 0, "empty" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        referral_batch_reply(&reply, cases[i].values, cases[i].n, 40, 90);

        ok(reply.answer == cases[i].answer && reply.found == cases[i].found,
           "reply: %s", cases[i].what);
    }

    referral_batch_reply(&reply, cases[1].values, 3, 40, 90);
    ok(reply.refused == 2 && !reply.none, "refused operations are told");

    referral_batch_reply(&reply, cases[6].values, 3, 40, 90);
    ok(reply.none, "so is that there was no mark");

    referral_batch_reply(&reply, (int64_t[]) { 1, -1, 0 }, 3, 0, 90);
    ok(reply.answer == REFERRAL_BATCH_APPLIED, "a first batch");
}


static void
test_error(void)
{
    unsigned        i;
    referral_str_t  s;

    static const struct {
        const char              *text;
        referral_batch_error_e   error;
    } cases[] = {
        { "LOADING Redis is loading the dataset in memory",
          REFERRAL_BATCH_RETRY },
        { "BUSY Redis is busy running a script", REFERRAL_BATCH_RETRY },
        { "MASTERDOWN Link with MASTER is down", REFERRAL_BATCH_RETRY },
        { "READONLY You can't write", REFERRAL_BATCH_RETRY },
        { "CLUSTERDOWN Hash slot not served", REFERRAL_BATCH_RETRY },
        { "TRYAGAIN Multiple keys", REFERRAL_BATCH_RETRY },
        { "OOM command not allowed", REFERRAL_BATCH_RETRY },
        { "MISCONF Errors writing to the AOF file", REFERRAL_BATCH_RETRY },
        { "NOREPLICAS Not enough", REFERRAL_BATCH_RETRY },
        { "NOAUTH Authentication required.", REFERRAL_BATCH_RETRY },
        { "WRONGPASS invalid", REFERRAL_BATCH_RETRY },
        { "NOPERM this user", REFERRAL_BATCH_DENIED },
        { "ERR max number of clients reached", REFERRAL_BATCH_RETRY },
        { "ERR Error running script (call to f_0a): @user_script:12: "
          "@user_script: 12: -OOM command not allowed", REFERRAL_BATCH_RETRY },
        { "MOVED 3999 127.0.0.1:6381", REFERRAL_BATCH_REROUTE },
        { "ASK 3999 127.0.0.1:6381", REFERRAL_BATCH_REROUTE },
        { "NOSCRIPT No matching script. Please use EVAL.",
          REFERRAL_BATCH_NOSCRIPT },
        { "ERR Error running script (call to f_0a): oh",
          REFERRAL_BATCH_UNKNOWN },
        { "ERR Error running script", REFERRAL_BATCH_UNKNOWN },
        { "ERR Error running: -", REFERRAL_BATCH_UNKNOWN },
        { "ERR unknown command", REFERRAL_BATCH_UNKNOWN },
        { "WRONGTYPE Operation against a key", REFERRAL_BATCH_UNKNOWN },
        { "OOMPH", REFERRAL_BATCH_UNKNOWN },
        { "MARK is not a number", REFERRAL_BATCH_UNKNOWN },
        { "", REFERRAL_BATCH_UNKNOWN }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        /*
         * Without a terminating zero, so that a sanitizer detects reading
         * beyond the end.
         */

        s.len = strlen(cases[i].text);
        s.data = malloc(s.len + 1);
        if (s.data == NULL) {
            return;
        }

        memcpy(s.data, cases[i].text, s.len);
        s.data = realloc(s.data, s.len ? s.len : 1);

        ok(referral_batch_error(&s) == cases[i].error, "error: \"%s\"",
           cases[i].text);

        free(s.data);
    }
}


static void
test_mark(void)
{
    u_char           out[REFERRAL_BATCH_MARK_MAX];
    referral_buf_t   buf;
    referral_str_t   s;

    referral_buf_init(&buf, out, sizeof(out));
    referral_batch_mark_get(&conf, &buf, &shop, journal);

    s.data = out;
    s.len = buf.pos - out;

    ok(referral_str_is(&s, "*3\r\n$4\r\nHGET\r\n$19\r\nref:journals:{shop}\r\n"
                           "$32\r\n30313233343536373839616263646566\r\n"),
       "the command that reads a mark");

    referral_buf_init(&buf, out, sizeof(out));
    referral_batch_mark_delete(&conf, &buf, &shop, journal);

    s.len = buf.pos - out;

    ok(referral_str_is(&s, "*3\r\n$4\r\nHDEL\r\n$19\r\nref:journals:{shop}\r\n"
                           "$32\r\n30313233343536373839616263646566\r\n"),
       "the command that deletes it");
}


int
main(void)
{
    test_create();
    test_command();
    test_pure();
    test_once();
    test_fields();
    test_past();
    test_full();
    test_reply();
    test_error();
    test_mark();

    return unit_done();
}
