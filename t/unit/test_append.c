/* link: referral_append.c referral_keys.c referral_command.c referral_event.c referral_unit.c referral_digest.c referral_batch.c referral_batch_command.c referral_batch_table.c referral_record.c referral_id.c referral_code.c referral_url.c referral_str.c referral_time.c referral_hash.c referral_visitor.c referral_bots.c referral_automaton.c referral_lang.c referral_name.c referral_result.c -lcrypto */

/* protects: that an append's command is whole whatever its events hold, and
 * that no reply of Redis is taken for what it is not */

#include "referral_append.h"
#include "unit.h"


#define NOW     1795752709123LL
#define VALUES  36      /* of an event, in the work */


/* a command taken apart again; the work is counted through to its end */

typedef struct {
    unsigned         nwords;
    unsigned         nkeys;
    unsigned         nvalues;
    referral_str_t   word[4096];
    referral_str_t   text[256 * VALUES];
    uint64_t         number[256 * VALUES];
} parsed_t;


static parsed_t                 parsed;
static referral_append_conf_t   conf;
static referral_str_t           shop = referral_string("shop");
static u_char                   journal[] = "0123456789abcdef";
static u_char                   keep[1024 * 1024];
static u_char                   fill[512];


static referral_str_t
str(const char *s)
{
    referral_str_t  text;

    text.data = (u_char *) s;
    text.len = strlen(s);

    return text;
}


static void
lead(referral_event_t *e, const char *id)
{
    memset(e, 0, sizeof(referral_event_t));

    e->at = NOW;
    e->received = NOW;
    e->text[REFERRAL_EVENT_TEXT_PROGRAM] = shop;
    e->text[REFERRAL_EVENT_TEXT_TYPE] = str("lead");
    e->text[REFERRAL_EVENT_TEXT_ID] = str(id);
    e->text[REFERRAL_EVENT_TEXT_CUSTOMER] = str("ken");
}


/* all that an event may hold, and of each as much as it may; "x" of bytes
 * that take three each as a form */

static void
longest(referral_event_t *e)
{
    unsigned  i;

    memset(fill, 0xc3, sizeof(fill));
    lead(e, "");

    e->flags = REFERRAL_EVENT_FLAGS;
    e->amount = REFERRAL_AMOUNT_MAX;
    e->refunded = REFERRAL_AMOUNT_MAX;
    e->order_at = NOW;
    e->quantity = REFERRAL_EVENT_QUANTITY_MAX;

    for (i = 0; i < REFERRAL_EVENT_TEXTS; i++) {
        e->text[i].data = fill;
        e->text[i].len = REFERRAL_EVENT_ID_MAX;
    }

    e->text[REFERRAL_EVENT_TEXT_PROGRAM] = shop;
    e->text[REFERRAL_EVENT_TEXT_CODE].len = REFERRAL_CODE_MAX;

    e->first.code = e->text[REFERRAL_EVENT_TEXT_CODE];
    e->last.code = e->text[REFERRAL_EVENT_TEXT_CODE];

    for (i = 0; i < REFERRAL_EVENT_PRODUCTS; i++) {
        e->product[i].data = fill;
        e->product[i].len = REFERRAL_SEGMENT_MAX;
    }

    for (i = 0; i < REFERRAL_EVENT_PARTIES; i++) {
        e->party[i].data = fill;
        e->party[i].len = REFERRAL_EVENT_ID_MAX;
    }

    for (i = 0; i < REFERRAL_EVENT_EXTRAS; i++) {
        e->extra[i].key = str("0123456789abcdef0123456789abcdef"
                              "0123456789abcdef0123456789abcdef");
        e->extra[i].value.data = fill;
        e->extra[i].value.len = REFERRAL_EVENT_VALUE_MAX;
    }

    e->products = REFERRAL_EVENT_PRODUCTS;
    e->parties = REFERRAL_EVENT_PARTIES;
    e->extras = REFERRAL_EVENT_EXTRAS;
}


static uint64_t
number(u_char **p, unsigned size)
{
    uint64_t  n;

    for (n = 0; size; size--) {
        n = n << 8 | *(*p)++;
    }

    return n;
}


static int
parse_work(const referral_str_t *work)
{
    u_char    *p, *end, c;
    uint64_t   n;
    unsigned   i;

    p = work->data;
    end = p + work->len;
    c = *p++;

    parsed.nvalues = (unsigned) (c == 0xdc ? number(&p, 2)
                                 : c == 0xdd ? number(&p, 4) : c & 0x0f);

    for (i = 0; i < parsed.nvalues && p < end; i++) {
        c = *p++;

        memset(&parsed.text[i], 0, sizeof(referral_str_t));
        parsed.number[i] = 0;

        if (c < 0x80) {
            parsed.number[i] = c;

        } else if (c == 0xcc || c == 0xcd) {
            parsed.number[i] = number(&p, c == 0xcc ? 1 : 2);

        } else {
            n = c == 0xd9 ? number(&p, 1) : c == 0xda ? number(&p, 2)
                : c & 0x1f;

            parsed.text[i].data = p;
            parsed.text[i].len = n;
            p += n;
        }
    }

    return p == end && i == parsed.nvalues;
}


static int
parse(const referral_str_t *command)
{
    char      *p;
    u_char    *end;
    size_t     len;
    unsigned   i;

    p = (char *) command->data;
    end = command->data + command->len;

    if (*p++ != '*') {
        return 0;
    }

    parsed.nwords = strtoul(p, &p, 10);

    if (parsed.nwords > sizeof(parsed.word) / sizeof(parsed.word[0])) {
        return 0;
    }

    p += 2;

    for (i = 0; i < parsed.nwords; i++) {

        if ((u_char *) p >= end || *p++ != '$') {
            return 0;
        }

        len = strtoul(p, &p, 10);
        p += 2;

        parsed.word[i].data = (u_char *) p;
        parsed.word[i].len = len;

        p += len + 2;
    }

    parsed.nkeys = strtoul((char *) parsed.word[2].data, NULL, 10);

    return (u_char *) p == end
           && parsed.nwords == 3 + parsed.nkeys + 10
           && parse_work(&parsed.word[3 + parsed.nkeys + 3]);
}


static int
is(const referral_str_t *s, const char *text)
{
    return s->len == strlen(text) && memcmp(s->data, text, s->len) == 0;
}


static void
test_create(void)
{
    char                     prefix[REFERRAL_BATCH_PREFIX_MAX + 2];
    referral_str_t           name;
    referral_append_t       *a;
    referral_append_conf_t   bad;

    memset(&conf, 0, sizeof(conf));
    referral_str_set(&conf.prefix, "ref:");
    referral_append_defaults(&conf);

    ok(conf.window == 30 * 86400 && conf.late == 60 * 86400 && !conf.first,
       "the defaults");

    bad = conf;
    referral_str_set(&bad.prefix, "r{f");
    ok(referral_append_create(&bad) == NULL, "no brace in a prefix");

    memset(prefix, 'x', sizeof(prefix));
    bad.prefix.data = (u_char *) prefix;
    bad.prefix.len = REFERRAL_BATCH_PREFIX_MAX + 1;
    ok(referral_append_create(&bad) == NULL, "nor too long a one");

    a = referral_append_create(&conf);

    ok(a != NULL, "an append");

    referral_str_set(&name, "a}b");
    ok(referral_append_begin(a, &name, journal, 0) == REFERRAL_ERROR,
       "not a program");

    referral_append_free(a);
    referral_append_free(NULL);
}


static void
test_command(void)
{
    referral_str_t      command, again;
    referral_event_t    e;
    referral_append_t  *a;

    a = referral_append_create(&conf);

    (void) referral_append_begin(a, &shop, journal, 7);

    ok(referral_append_command(a, 0, &command) == REFERRAL_DECLINED,
       "of nothing there is no command");

    lead(&e, "e1");
    ok(referral_append_add(a, &e, 7) == REFERRAL_ERROR
       && referral_append_records(a) == 0, "not above the mark");

    e.text[REFERRAL_EVENT_TEXT_PROGRAM] = str("club");
    ok(referral_append_add(a, &e, 8) == REFERRAL_ERROR
       && referral_append_records(a) == 1 && referral_append_events(a) == 0
       && referral_append_last(a) == 8, "another program's: the mark moves");

    ok(referral_append_command(a, 1, &command) == REFERRAL_OK
       && parse(&command) && parsed.nvalues == 0 && parsed.nkeys == 8,
       "past it, without an event");

    lead(&e, "e1");
    e.click_id[0] = 1;
    e.flags = REFERRAL_EVENT_CLICK_ID | REFERRAL_EVENT_NEW_SAID
              | REFERRAL_EVENT_AMOUNT;
    e.amount = REFERRAL_AMOUNT_MAX;
    e.text[REFERRAL_EVENT_TEXT_CODE] = str("aiko7");

    ok(referral_append_add(a, &e, 9) == REFERRAL_OK
       && referral_append_command(a, 0, &command) == REFERRAL_OK
       && parse(&command), "an event");

    memcpy(keep, command.data, command.len);
    again = command;
    again.data = keep;

    ok(is(&parsed.word[0], "EVALSHA") && parsed.word[1].len == 40
       && parsed.nkeys == 13, "by the script's name");
    ok(is(&parsed.word[3], "ref:journals:{shop}")
       && is(&parsed.word[6], "ref:person:{shop}:names")
       && is(&parsed.word[15], "ref:link:{shop}:aiko7"), "its keys");
    ok(is(&parsed.word[16], "30313233343536373839616263646566")
       && is(&parsed.word[17], "7") && is(&parsed.word[18], "9"), "its mark");
    ok(parsed.nvalues == VALUES && is(&parsed.text[0], "e1")
       && is(&parsed.text[7], "9007199254740991")
       && is(&parsed.text[16], "0") && parsed.number[29] == 9
       && parsed.number[31] == 11 && parsed.number[33] == 0, "its values");
    ok(is(&parsed.word[21], "ref:link:{shop}:")
       && is(&parsed.word[23], "2592000") && is(&parsed.word[25], "last"),
       "what holds where the program does not say it");

    ok(referral_append_command(a, 1, &command) == REFERRAL_OK
       && parse(&command) && is(&parsed.word[0], "EVAL")
       && parsed.word[1].len > 10000, "and by its text");

    (void) referral_append_begin(a, &shop, journal, 7);
    (void) referral_append_add(a, &e, 9);
    (void) referral_append_command(a, 0, &command);

    ok(command.len == again.len
       && memcmp(command.data, again.data, command.len) == 0,
       "the bytes depend on the events alone");

    referral_append_free(a);
}


/* who may wait, and from when to when */

static void
test_patience(void)
{
    unsigned            i;
    referral_str_t      command;
    referral_event_t    e;
    referral_append_t  *a;

    static const struct {
        int64_t        from;
        int64_t        to;
        uint16_t       flags;
        uint8_t        trust;
        const char    *waits;
        const char    *what;
    } cases[] = {
        { NOW, NOW, REFERRAL_EVENT_CLICK_ID, REFERRAL_TRUST_SIGNED, "1",
          "it names a click" },
        { NOW, NOW, REFERRAL_EVENT_CLICK_ID, REFERRAL_TRUST_UPSTREAM, "1",
          "so does one from the shop's answer" },
        { NOW, NOW, REFERRAL_EVENT_CLICK_ID, REFERRAL_TRUST_BROWSER, "",
          "nobody holds up others from a browser" },
        { NOW, NOW, 0, REFERRAL_TRUST_SIGNED, "", "no click is named" },
        { NOW + 1, NOW + 9, REFERRAL_EVENT_CLICK_ID, REFERRAL_TRUST_SIGNED, "",
          "it is old enough" },
        { 0, NOW - 1, REFERRAL_EVENT_CLICK_ID, REFERRAL_TRUST_SIGNED, "",
          "of a clock that went back: it does not wait for it" }
    };

    a = referral_append_create(&conf);
    lead(&e, "e1");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        e.flags = cases[i].flags;
        e.trust = cases[i].trust;

        (void) referral_append_begin(a, &shop, journal, 7);
        referral_append_patience(a, cases[i].from, cases[i].to);
        (void) referral_append_add(a, &e, 9);

        ok(referral_append_command(a, 0, &command) == REFERRAL_OK
           && parse(&command) && is(&parsed.text[34], "9")
           && is(&parsed.text[35], cases[i].waits), "%s", cases[i].what);
    }

    e.flags = REFERRAL_EVENT_CLICK_ID;
    e.trust = REFERRAL_TRUST_SIGNED;

    (void) referral_append_begin(a, &shop, journal, 7);
    (void) referral_append_add(a, &e, 9);
    (void) referral_append_command(a, 0, &command);

    ok(parse(&command) && is(&parsed.text[35], ""),
       "where nobody asks for it none waits");

    referral_append_free(a);
}


static void
test_full(void)
{
    int                 rc;
    char                prefix[REFERRAL_BATCH_PREFIX_MAX];
    unsigned            i;
    u_char              program[REFERRAL_PROGRAM_MAX];
    referral_str_t      command, name;
    referral_event_t    e;
    referral_append_t  *a;

    a = referral_append_create(&conf);

    (void) referral_append_begin(a, &shop, journal, 0);

    lead(&e, "e1");

    for (i = 1, rc = REFERRAL_OK; rc == REFERRAL_OK; i++) {
        rc = referral_append_add(a, &e, i);
    }

    ok(rc == REFERRAL_DECLINED
       && referral_append_events(a) == REFERRAL_APPEND_EVENTS
       && referral_append_last(a) == REFERRAL_APPEND_EVENTS,
       "so many small events");
    ok(referral_append_command(a, 1, &command) == REFERRAL_OK
       && parse(&command)
       && parsed.nvalues == REFERRAL_APPEND_EVENTS * VALUES,
       "and their command is whole");

    referral_append_free(a);

    /* everything as long as it may be */

    memset(prefix, 'x', sizeof(prefix));
    memset(program, 'p', sizeof(program));

    conf.prefix.data = (u_char *) prefix;
    conf.prefix.len = sizeof(prefix);
    name.data = program;
    name.len = sizeof(program);

    a = referral_append_create(&conf);

    (void) referral_append_begin(a, &name, journal, 0);

    longest(&e);
    e.text[REFERRAL_EVENT_TEXT_PROGRAM] = name;

    for (i = 1, rc = REFERRAL_OK; rc == REFERRAL_OK; i++) {
        rc = referral_append_add(a, &e, i);
    }

    ok(rc == REFERRAL_DECLINED && referral_append_events(a) > 20
       && referral_append_last(a) == referral_append_events(a),
       "the longest: %u of them", referral_append_events(a));
    ok(referral_append_command(a, 1, &command) == REFERRAL_OK
       && parse(&command)
       && parsed.nvalues == referral_append_events(a) * VALUES
       && parsed.text[25].len == 16 * (64 + 1 + 3 * 256) + 15,
       "and their command is whole");

    referral_append_free(a);

    referral_str_set(&conf.prefix, "ref:");
}


static referral_batch_answer_e
answer(const int64_t *values, size_t n, unsigned events)
{
    referral_batch_reply_t  reply;

    referral_append_reply(&reply, values, n, events, 5, 10);

    return reply.answer;
}


/* the same of a batch of which a part was applied; the journal ends at 10 */

static void
test_part(int64_t *values)
{
    unsigned                i;
    referral_batch_reply_t  reply;

    static const struct {
        int64_t    found;
        int64_t    upto;
        size_t     n;
        unsigned   events;
    } wrong[] = {
        { 5, 7, 9, 2 }, { 5, 7, 8, 3 }, { 5, 5, 9, 3 }, { 5, 4, 9, 3 },
        { 5, 10, 9, 3 }, { 5, INT64_MAX, 9, 3 }, { 5, -1, 9, 3 },
        { 6, 7, 9, 3 }, { -1, 7, 9, 3 }, { -2, 7, 9, 3 }, { 5, 6, 3, 3 },
        { 5, 5, 3, 0 }, { 5, 7, 12, 4 }
    };

    values[0] = 2;
    values[1] = 5;
    values[2] = 7;

    referral_append_reply(&reply, values, 9, 3, 5, 10);
    ok(reply.answer == REFERRAL_BATCH_PART && reply.upto == 7
       && reply.found == 5 && reply.refused == 0, "two of three");

    values[2] = 5;
    ok(answer(values, 3, 3) == REFERRAL_BATCH_PART, "none of three");

    values[1] = -1;
    values[2] = 0;
    referral_append_reply(&reply, values, 3, 1, 0, 10);
    ok(reply.answer == REFERRAL_BATCH_PART && reply.upto == 0 && reply.none,
       "none of a journal that Redis does not know");

    values[9] = values[10] = values[11] = -1;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        values[1] = wrong[i].found;
        values[2] = wrong[i].upto;

        ok(answer(values, wrong[i].n, wrong[i].events)
           == REFERRAL_BATCH_INVALID, "no part: %u", i);
    }

    values[2] = 0;
}


static void
test_reply(void)
{
    int64_t                    wrong;
    unsigned                   i;
    referral_append_outcome_t  o;

    int64_t  values[12] = { 1, 5, 0, 0, 41, 2 + 8, 2, 7, 4 + 16 };

    static const int64_t  outside[][2] = {
        { 3, -1 }, { 3, 3 }, { 4, 0 }, { 4, -1 }, { 5, -1 }, { 5, 33 },
        { 5, 5 }, { 5, 7 }, { 8, INT64_MAX }, { 6, INT64_MIN }
    };

    ok(answer(values, 9, 2) == REFERRAL_BATCH_APPLIED, "applied");
    ok(answer(values, 9, 1) == REFERRAL_BATCH_INVALID
       && answer(values, 9, 3) == REFERRAL_BATCH_INVALID
       && answer(values, 8, 2) == REFERRAL_BATCH_INVALID
       && answer(values, 3, 2) == REFERRAL_BATCH_INVALID
       && answer(values, 2, 0) == REFERRAL_BATCH_INVALID
       && answer(values, 0, 0) == REFERRAL_BATCH_INVALID,
       "an outcome for each event, no more and no less");
    ok(answer(values, 3, 0) == REFERRAL_BATCH_APPLIED, "without an event");

    ok(referral_append_outcome(values, 9, 0, &o) == REFERRAL_OK
       && o.kind == REFERRAL_APPEND_NEW && o.position == 41
       && o.via == REFERRAL_VIA_CLICK && o.known && !o.self && !o.gone,
       "the first");
    ok(referral_append_outcome(values, 9, 1, &o) == REFERRAL_OK
       && o.kind == REFERRAL_APPEND_CONFLICT && o.position == 7
       && o.via == REFERRAL_VIA_CODE && !o.known && o.self, "the second");
    ok(referral_append_outcome(values, 9, 2, &o) == REFERRAL_ERROR
       && referral_append_outcome(values, 9, UINT32_MAX, &o)
          == REFERRAL_ERROR, "there is no third");

    values[5] = 32;
    ok(referral_append_outcome(values, 9, 0, &o) == REFERRAL_OK
       && o.via == REFERRAL_VIA_NONE && !o.known && !o.self && o.gone,
       "one whose entry is gone");
    values[5] = 2 + 8;

    for (i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        wrong = values[outside[i][0]];
        values[outside[i][0]] = outside[i][1];

        ok(answer(values, 9, 2) == REFERRAL_BATCH_INVALID,
           "%lld in place %lld is no outcome", (long long) outside[i][1],
           (long long) outside[i][0]);

        values[outside[i][0]] = wrong;
    }

    test_part(values);

    values[0] = 0;
    values[1] = 7;
    ok(answer(values, 3, 2) == REFERRAL_BATCH_AHEAD
       && answer(values, 9, 2) == REFERRAL_BATCH_INVALID,
       "not applied: no outcomes");
    values[1] = 3;
    ok(answer(values, 3, 2) == REFERRAL_BATCH_BEHIND, "behind");
    values[1] = 11;
    ok(answer(values, 3, 2) == REFERRAL_BATCH_FOREIGN, "foreign");
}


int
main(void)
{
    test_create();
    test_command();
    test_patience();
    test_full();
    test_reply();

    return unit_done();
}
