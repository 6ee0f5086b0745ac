/* link: referral_batch.c referral_batch_command.c referral_command.c referral_batch_table.c referral_keys.c referral_record.c referral_id.c referral_link.c referral_code.c referral_rules.c referral_template.c referral_url.c referral_conditions.c referral_str.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_hash.c referral_visitor.c referral_bots.c referral_automaton.c referral_lang.c referral_name.c referral_result.c -lcrypto */

/*
 * A record as a journal may hold it, up to the command for Redis.  If the
 * first byte is odd, it is a reply of Redis to that command.
 */

#include "fuzz.h"
#include "referral_batch.h"


#define NOW  1795000000000LL


static const u_char  id[REFERRAL_JOURNAL_ID_SIZE] = "0123456789abcde";


static void
fuzz_seeds(void)
{
    u_char             buf[1 + REFERRAL_RECORD_MAX];
    ssize_t            n;
    unsigned           i, flags;
    referral_record_t  record;

    static const unsigned  classes[] = {
        REFERRAL_CLASS_HUMAN, REFERRAL_CLASS_BOT, REFERRAL_CLASS_DUPLICATE
    };

    buf[0] = 0;

    for (flags = 0; flags < 0x200; flags = flags * 2 + 1) {

        for (i = 0; i < 3; i++) {
            memset(&record, 0, sizeof(record));

            record.at = NOW;
            record.life = REFERRAL_WINDOW_DEFAULT;
            record.offset = 540;
            record.flags = flags;
            record.class = classes[i];
            record.result = i == 1 ? REFERRAL_RESULT_UNRESOLVED
                                   : REFERRAL_RESULT_LANDING;
            record.address = 0x123456789abcdef0ULL;

            referral_str_set(&record.text[REFERRAL_TEXT_PROGRAM], "shop");
            referral_str_set(&record.text[REFERRAL_TEXT_CODE], "aiko7");
            referral_str_set(&record.text[REFERRAL_TEXT_REFERRER], "aiko");
            referral_str_set(&record.text[REFERRAL_TEXT_COUNTRY], "JP");
            referral_str_set(&record.text[REFERRAL_TEXT_CITY], "Tokyo");
            referral_str_set(&record.text[REFERRAL_TEXT_LANG], "ja");
            referral_str_set(&record.text[REFERRAL_TEXT_DEVICE], "mobile");
            referral_str_set(&record.text[REFERRAL_TEXT_SOURCE], "line.me");
            referral_str_set(&record.text[REFERRAL_TEXT_CHANNEL], "mail");
            referral_str_set(&record.text[REFERRAL_TEXT_FIRST_CODE],
                             "bruno");

            n = referral_record_encode(buf + 1, REFERRAL_RECORD_MAX, &record);

            if (n != REFERRAL_ERROR) {
                fuzz_seed(buf, n + 1);
            }
        }
    }

    fuzz_seed_text("1" "NOSCRIPT No matching script.");
    fuzz_seed_text("1" "MOVED 1234 127.0.0.1:6379");
    fuzz_seed_text("1" "OOM command not allowed");
    fuzz_seed_text("1" "18446744073709551615");
}


/*
 * There are as many bulk strings as the command says, and nothing behind them.
 */

static void
command(const referral_str_t *s)
{
    size_t   i, n, len, *number;
    u_char  *p, *end;

    p = s->data;
    end = p + s->len;

    fuzz_check(p < end && *p++ == '*');

    n = 0;
    len = 0;
    number = &n;

    for (i = 0; /* void */; i++) {
        *number = 0;

        while (p < end && *p >= '0' && *p <= '9') {
            *number = *number * 10 + (*p++ - '0');
        }

        fuzz_check(end - p >= 2 && p[0] == '\r' && p[1] == '\n');
        p += 2;

        if (i > 0) {
            fuzz_check((size_t) (end - p) >= len + 2);
            fuzz_check(p[len] == '\r' && p[len + 1] == '\n');
            p += len + 2;
        }

        if (i == n) {
            break;
        }

        fuzz_check(p < end && *p++ == '$');
        number = &len;
    }

    fuzz_check(p == end);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                     rc;
    u_char                  buf[REFERRAL_RECORD_MAX + 4096];
    ssize_t                 n;
    int64_t                 values[4];
    uint64_t                last;
    unsigned                i;
    referral_str_t          s, text;
    referral_record_t       record, again;
    referral_batch_conf_t   conf;
    referral_batch_reply_t  reply;

    static referral_batch_t  *batch;

    if (batch == NULL) {
        memset(&conf, 0, sizeof(conf));
        conf.prefix = (referral_str_t) referral_string("ref:");
        conf.seed = 1;
        referral_batch_defaults(&conf);

        batch = referral_batch_create(&conf);
        if (batch == NULL) {
            abort();
        }
    }

    if (size == 0) {
        return 0;
    }

    s = fuzz_copy(data + 1, size - 1);

    if (data[0] & 1) {
        (void) referral_batch_error(&s);

        memset(values, 0, sizeof(values));
        memcpy(values, s.data, s.len < sizeof(values) ? s.len
                                                      : sizeof(values));

        for (i = 0; i <= 4; i++) {
            referral_batch_reply(&reply, values, i, 5, 10);
            fuzz_check(reply.answer <= REFERRAL_BATCH_INVALID);
            fuzz_check(i == 3 || reply.answer == REFERRAL_BATCH_INVALID);
            fuzz_check(reply.answer != REFERRAL_BATCH_AHEAD
                       || (reply.found > 5 && reply.found <= 10));
            fuzz_check(reply.answer != REFERRAL_BATCH_BEHIND
                       || reply.found < 5);
        }

        fuzz_done();
        return 0;
    }

    if (referral_record_decode(&record, s.data, s.len) == REFERRAL_OK) {

        n = referral_record_encode(buf, sizeof(buf), &record);
        fuzz_check(n > 0);
        fuzz_check(referral_record_decode(&again, buf, n) == REFERRAL_OK);
        fuzz_check(again.at == record.at && again.flags == record.flags);

        for (i = 0; i < REFERRAL_TEXTS; i++) {
            fuzz_check(referral_str_eq(&again.text[i], &record.text[i]));
        }

        text = record.text[REFERRAL_TEXT_PROGRAM];

        if (referral_batch_begin(batch, &text, id, 5) == REFERRAL_OK) {

            rc = referral_batch_add(batch, &record, 6);
            fuzz_check(rc != REFERRAL_DECLINED);

            rc = referral_batch_add(batch, &record, 7);
            last = referral_batch_last(batch);
            fuzz_check(last == 7);

            if (referral_batch_command(batch, data[0] & 2, &text)
                == REFERRAL_OK)
            {
                command(&text);
            }
        }
    }

    fuzz_done();

    return 0;
}
