/* link: referral_record.c referral_id.c referral_link.c referral_code.c referral_rules.c referral_template.c referral_url.c referral_conditions.c referral_str.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_hash.c referral_visitor.c referral_bots.c referral_automaton.c referral_lang.c referral_name.c referral_result.c -lcrypto */

#include "referral_lang.h"
#include "referral_record.h"
#include "unit.h"


static referral_record_t  sample;
static u_char             out[REFERRAL_RECORD_MAX];


static void
set(referral_record_t *r, unsigned text, const char *value)
{
    r->text[text].data = (u_char *) value;
    r->text[text].len = strlen(value);
}


static void
sample_set(void)
{
    static const char  *value[] = {
        "shop", "aiko7", "a.b@example", "JP", "JP-13", "T\xc5\x8dky\xc5\x8d",
        "ja", "mobile", "ios", "line", "line.me", "mail", "vip", "b",
        "shop.example.com", "ken42"
    };

    unsigned  i;

    memset(&sample, 0, sizeof(sample));

    sample.at = 1795352709123;
    sample.life = 30 * 86400;
    sample.offset = -210;
    sample.flags = 0x1ff;
    sample.class = REFERRAL_CLASS_DUPLICATE;
    sample.result = REFERRAL_RESULT_PAUSED;
    sample.address = 0x0123456789abcdefULL;

    for (i = 0; i < REFERRAL_CLICK_ID_SIZE; i++) {
        sample.click_id[i] = i + 1;
        sample.first_click_id[i] = 16 - i;
    }

    memcpy(sample.click_id, "\x01\xa2\x00\x00\x00\x01", 6);
    memcpy(sample.first_click_id, "\x01\xa1\x00\x00\x00\x01", 6);

    for (i = 0; i < REFERRAL_VISITOR_SIZE; i++) {
        sample.visitor[i] = 200 + i;
    }

    for (i = 0; i < REFERRAL_TEXTS; i++) {
        set(&sample, i, value[i]);
    }
}


static int
same(const referral_record_t *a, const referral_record_t *b)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_TEXTS; i++) {
        if (!referral_str_eq(&a->text[i], &b->text[i])) {
            return 0;
        }
    }

    return a->at == b->at && a->life == b->life
           && a->offset == b->offset && a->flags == b->flags
           && a->class == b->class && a->result == b->result
           && a->address == b->address
           && memcmp(a->click_id, b->click_id, sizeof(a->click_id)) == 0
           && memcmp(a->first_click_id, b->first_click_id,
                     sizeof(a->first_click_id))
              == 0
           && memcmp(a->visitor, b->visitor, sizeof(a->visitor)) == 0;
}


/* decodes from memory of the exact size, so that a sanitizer detects more */

static int
decode(referral_record_t *r, const u_char *data, size_t size)
{
    int      rc;
    u_char  *copy;

    copy = malloc(size ? size : 1);
    if (copy == NULL) {
        return REFERRAL_OK;
    }

    memcpy(copy, data, size);
    rc = referral_record_decode(r, copy, size);
    free(copy);

    return rc;
}


static void
test_round(void)
{
    ssize_t            n, m;
    u_char             again[REFERRAL_RECORD_MAX];
    unsigned           flags, good;
    referral_record_t  r, s;

    sample_set();

    n = referral_record_encode(out, sizeof(out), &sample);

    ok(n > 0, "a full record is written");
    ok(referral_record_decode(&r, out, n) == REFERRAL_OK, "and read");
    ok(same(&r, &sample), "what is read is what was written");
    ok(r.text[0].data > out && r.text[0].data < out + n,
       "texts point into the bytes");

    good = 1;

    for (flags = 0; flags < 0x200; flags++) {
        sample_set();
        sample.flags = flags;

        s = sample;

        if (!(flags & REFERRAL_RECORD_CLICK_ID)) {
            memset(s.click_id, 0, sizeof(s.click_id));
        }

        if (!(flags & REFERRAL_RECORD_VISITOR)) {
            memset(s.visitor, 0, sizeof(s.visitor));
        }

        if (!(flags & REFERRAL_RECORD_ADDRESS)) {
            s.address = 0;
        }

        n = referral_record_encode(out, sizeof(out), &sample);

        if (n < 0 || referral_record_decode(&r, out, n) != REFERRAL_OK
            || !same(&r, &s))
        {
            good = 0;
            continue;
        }

        m = referral_record_encode(again, sizeof(again), &r);

        if (m != n || memcmp(out, again, n) != 0) {
            good = 0;
        }
    }

    ok(good, "under all flags; what a flag does not cover is zero; one click "
             "has one form");
}


static void
test_bounds(void)
{
    size_t             i;
    ssize_t            n;
    unsigned           good;
    referral_record_t  r;
    static char        big[400];

    static const size_t  longest[] = {
        REFERRAL_PROGRAM_MAX, REFERRAL_CODE_MAX, REFERRAL_REFERRER_MAX, 2, 8,
        64, REFERRAL_LANG_MAX, 16, 16, 16, REFERRAL_SOURCE_MAX,
        REFERRAL_CHANNEL_MAX, REFERRAL_SEGMENT_MAX, 32, 255, REFERRAL_CODE_MAX
    };

    sample_set();

    n = referral_record_encode(out, sizeof(out), &sample);

    good = 1;

    for (i = 0; i < (size_t) n; i++) {
        if (referral_record_encode(out, i, &sample) != REFERRAL_ERROR) {
            good = 0;
        }
    }

    ok(good, "too small a buffer is an error");

    n = referral_record_encode(out, sizeof(out), &sample);

    good = 1;

    for (i = 0; i < (size_t) n; i++) {
        if (decode(&r, out, i) != REFERRAL_ERROR) {
            good = 0;
        }
    }

    ok(good, "every shorter one is refused");

    out[n] = 0;

    ok(decode(&r, out, n + 1) == REFERRAL_ERROR, "so is a byte left over");

    memset(big, 'x', sizeof(big) - 1);

    set(&sample, REFERRAL_TEXT_LANDING_HOST, big);

    n = referral_record_encode(out, sizeof(out), &sample);

    ok(n > 0 && referral_record_decode(&r, out, n) == REFERRAL_OK
       && r.text[REFERRAL_TEXT_LANDING_HOST].len == 255,
       "a long text is cut to 255 bytes");

    for (i = 0; i < REFERRAL_TEXTS; i++) {
        set(&sample, i, big);
        sample.text[i].len = longest[i];
    }

    n = referral_record_encode(out, sizeof(out), &sample);

    ok(n > 0 && referral_record_decode(&r, out, n) == REFERRAL_OK,
       "the longest texts of all rooms fit in REFERRAL_RECORD_MAX");
}


static int
refused(size_t offset, const void *bytes, size_t len)
{
    u_char             copy[REFERRAL_RECORD_MAX];
    ssize_t            n;
    referral_record_t  r;

    sample_set();

    n = referral_record_encode(copy, sizeof(copy), &sample);
    if (n < 0) {
        return 0;
    }

    memcpy(copy + offset, bytes, len);

    return decode(&r, copy, n) == REFERRAL_ERROR;
}


static int
refused_text(unsigned text, const char *value)
{
    ssize_t            n;
    referral_record_t  r;

    sample_set();
    set(&sample, text, value);

    n = referral_record_encode(out, sizeof(out), &sample);

    return n > 0 && decode(&r, out, n) == REFERRAL_ERROR;
}


/*
 * Any byte at any place of a text, with lengths that look like control
 * characters.
 */

static int
controls(void)
{
    int                bad;
    ssize_t            n;
    unsigned           i, c, len;
    u_char             value[256];
    referral_record_t  r;

    static const unsigned  lens[] = { 1, 8, 31, 32, 127, 0 };

    for (i = 0; lens[i]; i++) {

        for (len = 0; len < lens[i]; len++) {

            for (c = 0; c < 256; c++) {
                sample_set();

                memset(value, 'x', sizeof(value));
                value[len] = c;

                sample.text[REFERRAL_TEXT_CITY].data = value;
                sample.text[REFERRAL_TEXT_CITY].len = lens[i];

                n = referral_record_encode(out, sizeof(out), &sample);
                bad = (c < 0x20 || c == 0x7f);

                if (n < 0 || decode(&r, out, n)
                             != (bad ? REFERRAL_ERROR : REFERRAL_OK))
                {
                    return 0;
                }
            }
        }
    }

    return 1;
}


static void
test_hostile(void)
{
    u_char             copy[REFERRAL_RECORD_MAX];
    ssize_t            n;
    unsigned           i, bit, good;
    uint64_t           seed;
    referral_record_t  r;

    ok(refused(0, "\x00", 1), "a version that never was");
    ok(decode(&r, (u_char *) "\x02", 1) == REFERRAL_DECLINED
       && decode(&r, (u_char *) "\xff rest", 6) == REFERRAL_DECLINED
       && decode(&r, (u_char *) "", 0) == REFERRAL_ERROR,
       "a newer version is told from damage, whatever its form");
    ok(refused(1, "\x07", 1), "a class that is none");
    ok(refused(2, "\x08", 1), "a result that is none");
    ok(refused(3, "\x1f", 1), "an unknown part");
    ok(refused(3, "\x0d", 1), "a part that is not announced");
    ok(refused(4, "\xff\x03", 2), "an unknown flag");
    ok(refused(6, "\x49\x03", 2) && refused(6, "\xb7\xfc", 2),
       "an offset beyond 14 hours");
    ok(refused(8, "\xff\xff\xff\xff", 4)
       && refused(8, "\x01\xb0\x1e\x04", 4), "a life beyond the longest");
    ok(!refused(8, "\x00\xb0\x1e\x04", 4), "the longest");
    ok(refused(12, "\xff\xff\xff\xff\xff\xff\xff\xff", 8)
       && refused(12, "\x00\x00\x00\x00\x00\x00\x00\x00", 8)
       && refused(12, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8),
       "a time outside of the calendar");
    ok(refused(20, "\xff\xff\xff\xff\xff\xff", 6)
       && refused(36, "\xff\xff\xff\xff\xff\xff", 6),
       "click ids of such a time");

    ok(refused_text(REFERRAL_TEXT_PROGRAM, "")
       && refused_text(REFERRAL_TEXT_PROGRAM, "Shop")
       && refused_text(REFERRAL_TEXT_PROGRAM, "a}b"),
       "a program outside its grammar");
    ok(refused_text(REFERRAL_TEXT_CODE, "")
       && refused_text(REFERRAL_TEXT_CODE, "a:b")
       && refused_text(REFERRAL_TEXT_FIRST_CODE, "a b"),
       "a code");
    ok(refused_text(REFERRAL_TEXT_REFERRER, "")
       && refused_text(REFERRAL_TEXT_REFERRER, "a b"),
       "a referrer");
    ok(!refused_text(REFERRAL_TEXT_FIRST_CODE, ""),
       "no first code is no error");

    good = 1;

    for (i = 0; i < REFERRAL_TEXTS; i++) {
        if (!refused_text(i, "a\n") || !refused_text(i, "\x7f")
            || !refused_text(i, "\x01"))
        {
            good = 0;
        }
    }

    ok(good, "control bytes in any text");
    ok(controls(), "at any place, and no other byte");

    /* any bytes: an error, or a record that is encoded to the same bytes */

    sample_set();
    n = referral_record_encode(out, sizeof(out), &sample);

    good = 1;

    for (i = 0; i < (unsigned) n; i++) {
        for (bit = 0; bit < 8; bit++) {
            memcpy(copy, out, n);
            copy[i] ^= 1 << bit;

            if (referral_record_decode(&r, copy, n) == REFERRAL_OK) {
                u_char  again[REFERRAL_RECORD_MAX];

                if (referral_record_encode(again, sizeof(again), &r) != n
                    || memcmp(again, copy, n) != 0)
                {
                    good = 0;
                }
            }
        }
    }

    ok(good, "every bit flipped: refused, or another record's one form");

    seed = 88172645463325252ULL;

    for (i = 0; i < 20000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;

        memcpy(copy, out, n);
        copy[seed % n] = seed >> 32;
        copy[(seed >> 16) % n] = seed >> 40;

        (void) decode(&r, copy, seed % (n + 1));
    }

    ok(1, "noise is survived");
}


static void
test_invalid(void)
{
    referral_record_t  r;

    sample_set();

    r = sample;
    r.class = REFERRAL_CLASSES;
    ok(referral_record_encode(out, sizeof(out), &r) == REFERRAL_ERROR,
       "what could not be read is not written: class");

    r = sample;
    r.at = -1;
    ok(referral_record_encode(out, sizeof(out), &r) == REFERRAL_ERROR,
       "time");

    r = sample;
    r.offset = 841;
    ok(referral_record_encode(out, sizeof(out), &r) == REFERRAL_ERROR,
       "offset");
}


static void
test_names(void)
{
    unsigned            i;
    referral_str_t      name;
    static const char  *names[] = {
        "landing", "ended", "not_started", "disabled", "paused", "refused",
        "unresolved", "unknown"
    };

    for (i = 0; i < REFERRAL_RESULTS; i++) {
        name = referral_result_name(i);

        ok(name.len == strlen(names[i])
           && memcmp(name.data, names[i], name.len) == 0,
           "result %s", names[i]);
    }

    ok(referral_result_name(REFERRAL_RESULTS).len == 0, "no such result");
}


int
main(void)
{
    test_round();
    test_bounds();
    test_hostile();
    test_invalid();
    test_names();

    return unit_done();
}
