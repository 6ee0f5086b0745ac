/* link: referral_append.c referral_keys.c referral_command.c referral_event.c referral_unit.c referral_digest.c referral_batch.c referral_batch_command.c referral_batch_table.c referral_record.c referral_id.c referral_code.c referral_url.c referral_str.c referral_time.c referral_hash.c referral_visitor.c referral_bots.c referral_automaton.c referral_lang.c referral_name.c referral_result.c -lcrypto */

/*
 * What a journal of events may hold, up to the command for Redis; and, with
 * its first byte odd, what Redis may answer to that command.
 */

#include "fuzz.h"
#include "referral_append.h"


#define NOW     1795000000000LL
#define VALUES  (3 + 3 * 4)


static const u_char  id[REFERRAL_JOURNAL_ID_SIZE] = "0123456789abcde";


static void
fuzz_seeds(void)
{
    u_char            buf[1 + REFERRAL_EVENT_MAX];
    int64_t           values[VALUES];
    ssize_t           n;
    unsigned          flags;
    referral_event_t  e;

    buf[0] = 0;

    for (flags = 0; flags <= REFERRAL_EVENT_FLAGS; flags = flags * 2 + 1) {
        memset(&e, 0, sizeof(e));

        e.at = NOW;
        e.received = NOW;
        e.flags = flags & ~(REFERRAL_EVENT_FIRST | REFERRAL_EVENT_LAST
                            | REFERRAL_EVENT_FIRST_OPEN
                            | REFERRAL_EVENT_LAST_OPEN);
        e.amount = flags & REFERRAL_EVENT_AMOUNT ? 1234 : 0;
        e.refunded = flags & REFERRAL_EVENT_REFUNDED ? 12 : 0;
        e.order_at = flags & REFERRAL_EVENT_ORDER_AT ? NOW : 0;

        referral_str_set(&e.text[REFERRAL_EVENT_TEXT_PROGRAM], "shop");
        referral_str_set(&e.text[REFERRAL_EVENT_TEXT_TYPE], "install");
        referral_str_set(&e.text[REFERRAL_EVENT_TEXT_ID], "e1");
        referral_str_set(&e.text[REFERRAL_EVENT_TEXT_CUSTOMER], "ken");
        referral_str_set(&e.text[REFERRAL_EVENT_TEXT_CODE], "aiko7");
        referral_str_set(&e.party[0], "mia");
        referral_str_set(&e.extra[0].key, "note");
        referral_str_set(&e.extra[0].value, "a b");
        e.parties = 1;
        e.extras = 1;

        if (flags & REFERRAL_EVENT_AMOUNT) {
            referral_str_set(&e.text[REFERRAL_EVENT_TEXT_UNIT], "EUR");
        }

        if (flags & REFERRAL_EVENT_CLICK_ID) {
            (void) referral_click_id_make(e.click_id,
                                          &(referral_random_t) { 0 }, NOW);
        }

        n = referral_event_encode(buf + 1, REFERRAL_EVENT_MAX, &e);

        if (n != REFERRAL_ERROR) {
            fuzz_seed(buf, n + 1);
        }
    }

    memset(values, 0, sizeof(values));
    values[0] = 1;
    values[1] = 5;
    values[4] = 1;
    values[5] = 2;

    buf[0] = 1;
    memcpy(buf + 1, values, sizeof(values));
    fuzz_seed(buf, 1 + 6 * sizeof(int64_t));

    values[0] = 2;
    values[2] = 6;
    memcpy(buf + 1, values, sizeof(values));
    fuzz_seed(buf, 1 + 6 * sizeof(int64_t));
}


/* whatever the answer: it is taken whole, or not at all */

static void
reply(const referral_str_t *s)
{
    size_t                     n;
    int64_t                    values[VALUES];
    unsigned                   i, events, applied;
    referral_batch_reply_t     r;
    referral_append_outcome_t  o;

    n = s->len / sizeof(int64_t);
    n = n < VALUES ? n : VALUES;

    memset(values, 0, sizeof(values));

    if (n) {
        memcpy(values, s->data, n * sizeof(int64_t));
    }

    for (events = 0; events < 6; events++) {
        referral_append_reply(&r, values, n, events, 5, 10);

        fuzz_check(r.answer <= REFERRAL_BATCH_INVALID);

        if (r.answer == REFERRAL_BATCH_PART) {
            applied = (n - 3) / 3;
            fuzz_check(applied < events && r.upto < 10
                       && (applied ? r.upto > 5 : r.upto == 5));

        } else if (r.answer == REFERRAL_BATCH_APPLIED) {
            applied = events;

        } else {
            continue;
        }

        fuzz_check(n == 3 + 3 * applied && r.found == 5);

        for (i = 0; i < applied; i++) {
            fuzz_check(referral_append_outcome(values, n, i, &o)
                       == REFERRAL_OK);
            fuzz_check(o.kind < REFERRAL_APPEND_KINDS
                       && o.via < REFERRAL_VIAS && o.position > 0);
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                     rc;
    referral_str_t          s, text;
    referral_event_t        event;
    referral_append_conf_t  conf;

    static referral_append_t  *append;

    if (append == NULL) {
        memset(&conf, 0, sizeof(conf));
        conf.prefix = (referral_str_t) referral_string("ref:");
        referral_append_defaults(&conf);

        append = referral_append_create(&conf);
        if (append == NULL) {
            abort();
        }
    }

    if (size == 0) {
        return 0;
    }

    s = fuzz_copy(data + 1, size - 1);

    if (data[0] & 1) {
        reply(&s);

    } else if (referral_event_decode(&event, s.data, s.len) == REFERRAL_OK) {
        text = event.text[REFERRAL_EVENT_TEXT_PROGRAM];

        if (referral_append_begin(append, &text, id, 5) == REFERRAL_OK) {

            rc = referral_append_add(append, &event, 6);
            fuzz_check(rc == REFERRAL_OK);
            rc = referral_append_add(append, &event, 7);
            fuzz_check(rc == REFERRAL_OK);

            rc = referral_append_command(append, data[0] & 2, &text);
            fuzz_check(rc == REFERRAL_OK && text.len > 100);
        }
    }

    fuzz_done();

    return 0;
}
