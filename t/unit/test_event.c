/* link: referral_event.c referral_unit.c referral_digest.c referral_id.c referral_code.c referral_name.c referral_time.c referral_str.c -lcrypto */

/* protects: that an event is read as it was written, and that no byte of a
 * journal is believed */

#include "referral_event.h"
#include "unit.h"


#define NOW  1795352709123LL


static referral_event_t  sample;
static u_char            out[REFERRAL_EVENT_MAX];


static void
set(referral_str_t *s, const char *value)
{
    s->data = (u_char *) value;
    s->len = strlen(value);
}


static void
sample_set(void)
{
    unsigned            i;
    static const char  *value[REFERRAL_EVENT_TEXTS] = {
        "shop", "sale", "evt.17", "aiko@example.com", "order/17", "aiko7",
        "EUR", "guest", "vip",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
        "mail.example.com", "JP", "T\xc5\x8dky\xc5\x8d"
    };

    memset(&sample, 0, sizeof(sample));

    sample.received = NOW;
    sample.at = NOW - 5000;
    sample.order_at = NOW - 86400000;
    sample.amount = 1234;
    sample.quantity = 3;
    sample.flags = REFERRAL_EVENT_FLAGS & ~REFERRAL_EVENT_REFUNDED;
    sample.trust = REFERRAL_TRUST_UPSTREAM;

    for (i = 0; i < REFERRAL_CLICK_ID_SIZE; i++) {
        sample.click_id[i] = i + 1;
        sample.first.click_id[i] = 16 - i;
        sample.last.click_id[i] = i * 3;
    }

    memcpy(sample.click_id, "\x01\xa2\x00\x00\x00\x01\x71\x23\x80", 9);
    memcpy(sample.first.click_id, "\x01\xa1\x00\x00\x00\x01\x72\x34\x91", 9);
    memcpy(sample.last.click_id, "\x01\xa1\x90\x00\x00\x01\x73\x45\xbf", 9);

    set(&sample.first.code, "ken42");
    set(&sample.last.code, "Mio_9");

    for (i = 0; i < REFERRAL_VISITOR_SIZE; i++) {
        sample.visitor[i] = 200 + i;
    }

    for (i = 0; i < REFERRAL_EVENT_TEXTS; i++) {
        set(&sample.text[i], value[i]);
    }

    sample.products = 2;
    set(&sample.product[0], "vehicle");
    set(&sample.product[1], "model.3");

    sample.parties = 1;
    set(&sample.party[0], "host-9");

    sample.extras = 2;
    set(&sample.extra[0].key, "plan");
    set(&sample.extra[0].value, "g\xc3\xb6ld");
    set(&sample.extra[1].key, "plan_2");
    set(&sample.extra[1].value, "");

    (void) referral_event_fingerprint(&sample);
}


static int
same(const referral_event_t *a, const referral_event_t *b)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_EVENT_TEXTS; i++) {
        if (!referral_str_eq(&a->text[i], &b->text[i])) {
            return 0;
        }
    }

    for (i = 0; i < a->products; i++) {
        if (!referral_str_eq(&a->product[i], &b->product[i])) {
            return 0;
        }
    }

    for (i = 0; i < a->parties; i++) {
        if (!referral_str_eq(&a->party[i], &b->party[i])) {
            return 0;
        }
    }

    for (i = 0; i < a->extras; i++) {
        if (!referral_str_eq(&a->extra[i].key, &b->extra[i].key)
            || !referral_str_eq(&a->extra[i].value, &b->extra[i].value))
        {
            return 0;
        }
    }

    return a->products == b->products && a->parties == b->parties
           && a->extras == b->extras
           && a->received == b->received && a->at == b->at
           && a->order_at == b->order_at && a->amount == b->amount
           && a->refunded == b->refunded && a->quantity == b->quantity
           && a->flags == b->flags && a->trust == b->trust
           && memcmp(a->click_id, b->click_id, 16) == 0
           && memcmp(a->visitor, b->visitor, sizeof(a->visitor)) == 0
           && memcmp(a->fingerprint, b->fingerprint, 8) == 0
           && memcmp(a->first.click_id, b->first.click_id, 16) == 0
           && memcmp(a->last.click_id, b->last.click_id, 16) == 0
           && referral_str_eq(&a->first.code, &b->first.code)
           && referral_str_eq(&a->last.code, &b->last.code);
}


/* decodes from memory of exactly that size, so that a sanitizer sees more */

static int
decode(referral_event_t *e, const u_char *data, size_t size)
{
    int      rc;
    u_char  *copy;

    copy = malloc(size ? size : 1);
    if (copy == NULL) {
        return REFERRAL_OK;
    }

    memcpy(copy, data, size);
    rc = referral_event_decode(e, copy, size);
    free(copy);

    return rc;
}


static void
test_round(void)
{
    ssize_t           n;
    unsigned          flags, good;
    referral_event_t  e, s;

    sample_set();
    n = referral_event_encode(out, sizeof(out), &sample);

    ok(n > 0, "a full event is written");
    ok(referral_event_decode(&e, out, n) == REFERRAL_OK && same(&e, &sample),
       "and read as it was");

    good = 1;

    for (flags = 0; flags <= REFERRAL_EVENT_FLAGS; flags++) {
        sample_set();
        set(&sample.text[REFERRAL_EVENT_TEXT_TYPE], "refund");
        sample.refunded = 99;
        sample.flags = flags;

        s = sample;

        if (!(flags & REFERRAL_EVENT_AT_GIVEN)) {
            sample.at = s.at = NOW;
        }

        if (!(flags & (REFERRAL_EVENT_AMOUNT|REFERRAL_EVENT_REFUNDED))
            || ((flags & REFERRAL_EVENT_FIRST_OPEN)
                && !(flags & REFERRAL_EVENT_FIRST))
            || ((flags & REFERRAL_EVENT_LAST_OPEN)
                && !(flags & REFERRAL_EVENT_LAST))
            || ((flags & REFERRAL_EVENT_NEW)
                && !(flags & REFERRAL_EVENT_NEW_SAID)))
        {
            good &= referral_event_encode(out, sizeof(out), &sample)
                    == REFERRAL_ERROR;
            continue;
        }

        s.order_at = flags & REFERRAL_EVENT_ORDER_AT ? s.order_at : 0;
        s.amount = flags & REFERRAL_EVENT_AMOUNT ? s.amount : 0;
        s.refunded = flags & REFERRAL_EVENT_REFUNDED ? s.refunded : 0;

        if (!(flags & REFERRAL_EVENT_CLICK_ID)) {
            memset(s.click_id, 0, sizeof(s.click_id));
        }

        if (!(flags & REFERRAL_EVENT_VISITOR)) {
            memset(s.visitor, 0, sizeof(s.visitor));
        }

        if (!(flags & REFERRAL_EVENT_FIRST)) {
            memset(&s.first, 0, sizeof(s.first));
        }

        if (!(flags & REFERRAL_EVENT_LAST)) {
            memset(&s.last, 0, sizeof(s.last));
        }

        n = referral_event_encode(out, sizeof(out), &sample);

        good &= n > 0 && decode(&e, out, n) == REFERRAL_OK
                && referral_event_decode(&e, out, n) == REFERRAL_OK
                && same(&e, &s);
    }

    ok(good, "under all flags; what a flag does not cover is zero");
}


static void
test_bounds(void)
{
    size_t            i;
    ssize_t           n;
    unsigned          good;
    referral_event_t  e;
    static char       big[400], keys[REFERRAL_EVENT_EXTRAS][65];

    static const size_t  longest[REFERRAL_EVENT_TEXTS] = {
        64, 32, 128, 128, 128, 64, 8, 32, 32, 64, 64, 253, 2, 64
    };

    sample_set();
    n = referral_event_encode(out, sizeof(out), &sample);

    good = 1;

    for (i = 0; i < (size_t) n; i++) {
        good &= referral_event_encode(out, i, &sample) == REFERRAL_ERROR;
    }

    ok(good, "too small a buffer is an error");

    n = referral_event_encode(out, sizeof(out), &sample);

    good = 1;

    for (i = 0; i < (size_t) n; i++) {
        good &= decode(&e, out, i) == REFERRAL_ERROR;
    }

    ok(good, "every shorter one is refused");

    out[n] = 0;

    ok(decode(&e, out, n + 1) == REFERRAL_ERROR, "so is a byte left over");

    memset(big, 'a', sizeof(big) - 1);

    sample.refunded = REFERRAL_AMOUNT_MAX;
    sample.flags |= REFERRAL_EVENT_REFUNDED;

    for (i = 0; i < REFERRAL_EVENT_TEXTS; i++) {
        set(&sample.text[i], big);
        sample.text[i].len = longest[i];
    }

    set(&sample.text[REFERRAL_EVENT_TEXT_TYPE], "refund");
    set(&sample.text[REFERRAL_EVENT_TEXT_COUNTRY], "AA");
    set(&sample.text[REFERRAL_EVENT_TEXT_UNIT], "abcdefgh");

    sample.products = REFERRAL_EVENT_PRODUCTS;
    sample.parties = REFERRAL_EVENT_PARTIES;
    sample.extras = REFERRAL_EVENT_EXTRAS;

    for (i = 0; i < REFERRAL_EVENT_PRODUCTS; i++) {
        set(&sample.product[i], big);
        sample.product[i].len = 32;
    }

    for (i = 0; i < REFERRAL_EVENT_PARTIES; i++) {
        set(&sample.party[i], big);
        sample.party[i].len = 128;
    }

    for (i = 0; i < REFERRAL_EVENT_EXTRAS; i++) {
        memset(keys[i], 'k', 64);
        keys[i][63] = (char) ('a' + i);
        set(&sample.extra[i].key, keys[i]);
        set(&sample.extra[i].value, big);
        sample.extra[i].value.len = 256;
    }

    set(&sample.first.code, big);
    sample.first.code.len = 64;
    sample.last.code = sample.first.code;

    n = referral_event_encode(out, sizeof(out), &sample);

    ok(n > 7900 && referral_event_decode(&e, out, n) == REFERRAL_OK
       && same(&e, &sample) && referral_event_fingerprint(&e) == REFERRAL_OK,
       "the longest of all fits, whole (%d bytes)", (int) n);

    good = 1;

    for (i = 0; i < REFERRAL_EVENT_TEXTS; i++) {
        sample.text[i].len = i == REFERRAL_EVENT_TEXT_COUNTRY ? 3
                             : longest[i] + 1;
        set(&e.text[0], big);
        e.text[0].len = sample.text[i].len;

        good &= !referral_event_text_valid((unsigned) i, &e.text[0]);
    }

    ok(good, "a longer text is never cut: it is refused");
}


static int
refused(size_t offset, const void *bytes, size_t len)
{
    u_char            copy[REFERRAL_EVENT_MAX];
    ssize_t           n;
    referral_event_t  e;

    sample_set();

    n = referral_event_encode(copy, sizeof(copy), &sample);

    if (n < 0) {
        return 0;
    }

    memcpy(copy + offset, bytes, len);

    return decode(&e, copy, n) == REFERRAL_ERROR;
}


/* a text is not written; and its bytes, set in what was written, not read */

static int
refused_text(unsigned text, const char *value)
{
    sample_set();
    set(&sample.text[text], value);

    return referral_event_encode(out, sizeof(out), &sample) == REFERRAL_ERROR;
}


static void
test_hostile(void)
{
    u_char            copy[REFERRAL_EVENT_MAX], again[REFERRAL_EVENT_MAX];
    ssize_t           n, m;
    unsigned          i, bit, good;
    uint64_t          seed;
    referral_event_t  e;

    ok(refused(0, "\x00", 1), "a version that never was");
    ok(decode(&e, (u_char *) "\x02", 1) == REFERRAL_DECLINED
       && decode(&e, (u_char *) "\xff rest", 6) == REFERRAL_DECLINED
       && decode(&e, (u_char *) "", 0) == REFERRAL_ERROR,
       "a newer version is told from damage, whatever its form");
    ok(refused(1, "\x04", 1), "a trust that is none");
    ok(refused(1, "\x03", 1), "money that a browser says");
    ok(refused(3, "\x10", 1), "an unknown flag");
    ok(refused(4, "\x41\x42\x0f\x00", 4), "a quantity beyond a million");
    ok(refused(8, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8)
       && refused(16, "\0\0\0\0\0\0\0\0", 8)
       && refused(32, "\xff\xff\xff\xff\xff\xff\xff\xff", 8),
       "times outside of the calendar");
    ok(refused(40, "\x00\x00\x00\x00\x00\x00\x20\x00", 8)
       && refused(40, "\xff\xff\xff\xff\xff\xff\xff\xff", 8),
       "amounts beyond 2^53 - 1, and below zero");
    ok(refused(48 + 6, "\x41", 1) && refused(48 + 8, "\x00", 1)
       && refused(48, "\xff\xff\xff", 3), "click ids that are none");

    ok(refused_text(REFERRAL_EVENT_TEXT_PROGRAM, "")
       && refused_text(REFERRAL_EVENT_TEXT_PROGRAM, "a}b")
       && refused_text(REFERRAL_EVENT_TEXT_TYPE, "")
       && refused_text(REFERRAL_EVENT_TEXT_TYPE, "Sale")
       && refused_text(REFERRAL_EVENT_TEXT_TYPE, "a-b")
       && refused_text(REFERRAL_EVENT_TEXT_ID, "")
       && refused_text(REFERRAL_EVENT_TEXT_ID, "a b")
       && refused_text(REFERRAL_EVENT_TEXT_CUSTOMER, "\xc3\xa4")
       && refused_text(REFERRAL_EVENT_TEXT_CODE, "a:b")
       && refused_text(REFERRAL_EVENT_TEXT_UNIT, "eur")
       && refused_text(REFERRAL_EVENT_TEXT_ROLE, "A")
       && refused_text(REFERRAL_EVENT_TEXT_SEGMENT, "a b")
       && refused_text(REFERRAL_EVENT_TEXT_EMAIL_HASH, "12ab")
       && refused_text(REFERRAL_EVENT_TEXT_EMAIL_DOMAIN, ".example.com")
       && refused_text(REFERRAL_EVENT_TEXT_EMAIL_DOMAIN, "a..b")
       && refused_text(REFERRAL_EVENT_TEXT_EMAIL_DOMAIN, "a.-b")
       && refused_text(REFERRAL_EVENT_TEXT_EMAIL_DOMAIN, "a-.b")
       && refused_text(REFERRAL_EVENT_TEXT_EMAIL_DOMAIN, "a.b.")
       && refused_text(REFERRAL_EVENT_TEXT_EMAIL_DOMAIN, "a@b")
       && refused_text(REFERRAL_EVENT_TEXT_COUNTRY, "jp")
       && refused_text(REFERRAL_EVENT_TEXT_CITY, "a\nb")
       && refused_text(REFERRAL_EVENT_TEXT_CITY, "a\xc2\x85")
       && refused_text(REFERRAL_EVENT_TEXT_CITY, "\xff"),
       "texts outside their grammar");
    ok(refused_text(REFERRAL_EVENT_TEXT_TYPE, "adjust")
       && refused_text(REFERRAL_EVENT_TEXT_TYPE, "rules")
       && refused_text(REFERRAL_EVENT_TEXT_TYPE, "tick"),
       "an event that would pass for an operator's entry");
    ok(refused_text(REFERRAL_EVENT_TEXT_CUSTOMER, "")
       && refused_text(REFERRAL_EVENT_TEXT_ORDER, "")
       && refused_text(REFERRAL_EVENT_TEXT_UNIT, ""),
       "a sale without what a sale has");

    sample_set();
    sample.flags &= ~REFERRAL_EVENT_AMOUNT;
    ok(referral_event_encode(out, sizeof(out), &sample) == REFERRAL_ERROR,
       "a unit without an amount");

    sample_set();
    sample.flags &= ~REFERRAL_EVENT_AT_GIVEN;
    ok(referral_event_encode(out, sizeof(out), &sample) == REFERRAL_ERROR,
       "a time that was not given and is not that of arrival");

    sample_set();
    set(&sample.extra[0].key, "plan_2");
    ok(referral_event_encode(out, sizeof(out), &sample) == REFERRAL_ERROR,
       "a key twice");
    set(&sample.extra[0].key, "quota");
    ok(referral_event_encode(out, sizeof(out), &sample) == REFERRAL_ERROR,
       "keys out of order");

    /* whatever comes: an error, or an event that is written the same way */

    sample_set();
    n = referral_event_encode(out, sizeof(out), &sample);

    good = 1;

    for (i = 0; i < (unsigned) n; i++) {
        for (bit = 0; bit < 8; bit++) {
            memcpy(copy, out, n);
            copy[i] ^= 1 << bit;

            if (referral_event_decode(&e, copy, n) == REFERRAL_OK) {
                m = referral_event_encode(again, sizeof(again), &e);
                good &= m == n && memcmp(again, copy, n) == 0;
            }
        }
    }

    ok(good, "every bit flipped: refused, or another event's one form");

    seed = 88172645463325252ULL;

    for (i = 0; i < 20000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;

        memcpy(copy, out, n);
        copy[seed % n] = seed >> 32;
        copy[(seed >> 16) % n] = seed >> 40;

        (void) decode(&e, copy, seed % (n + 1));
    }

    ok(1, "noise is survived");
}


/* each of these by itself is another meaning; none of the others is */

static void
test_fingerprint(void)
{
    u_char            before[REFERRAL_FINGERPRINT_SIZE];
    unsigned          i, good;
    referral_event_t  e;

    sample_set();
    memcpy(before, sample.fingerprint, sizeof(before));

    e = sample;
    e.trust = REFERRAL_TRUST_SIGNED;
    e.received++;
    e.flags &= ~(REFERRAL_EVENT_FIRST|REFERRAL_EVENT_LAST
                 |REFERRAL_EVENT_FIRST_OPEN|REFERRAL_EVENT_LAST_OPEN
                 |REFERRAL_EVENT_VISITOR);

    ok(referral_event_fingerprint(&e) == REFERRAL_OK
       && memcmp(e.fingerprint, before, sizeof(before)) == 0,
       "how and when it came is no part of the meaning");

    e.flags &= ~REFERRAL_EVENT_AT_GIVEN;
    (void) referral_event_fingerprint(&e);
    memcpy(before, e.fingerprint, sizeof(before));
    e.at++;

    ok(referral_event_fingerprint(&e) == REFERRAL_OK
       && memcmp(e.fingerprint, before, sizeof(before)) == 0,
       "nor is a time that nobody gave");

    memcpy(before, sample.fingerprint, sizeof(before));

    good = 1;

    for (i = REFERRAL_EVENT_TEXT_TYPE; i < REFERRAL_EVENT_TEXTS; i++) {
        sample_set();
        sample.text[i].len--;
        (void) referral_event_fingerprint(&sample);
        good &= memcmp(sample.fingerprint, before, sizeof(before)) != 0;
    }

    ok(good, "each text is");

    good = 1;

    for (i = 0; i < 12; i++) {
        sample_set();

        switch (i) {
        case 0: sample.amount++; break;
        case 1: sample.quantity++; break;
        case 2: sample.at++; break;
        case 3: sample.order_at++; break;
        case 4: sample.flags &= ~REFERRAL_EVENT_NEW; break;
        case 5: sample.flags &= ~REFERRAL_EVENT_NEW_SAID; break;
        case 6: sample.click_id[15]++; break;
        case 7: sample.product[1].len--; break;
        case 8: sample.products--; break;
        case 9: sample.party[0].len--; break;
        case 10: sample.extra[0].value.len = 1; break;
        case 11: sample.extras--; break;
        }

        (void) referral_event_fingerprint(&sample);
        good &= memcmp(sample.fingerprint, before, sizeof(before)) != 0;
    }

    ok(good, "so is each number and each entry");

    /* amount and total_refunded do not stand for each other */

    sample_set();
    sample.refunded = sample.amount;
    sample.flags = (sample.flags & ~REFERRAL_EVENT_AMOUNT)
                   | REFERRAL_EVENT_REFUNDED;
    (void) referral_event_fingerprint(&sample);

    ok(memcmp(sample.fingerprint, before, sizeof(before)) != 0,
       "a number's field too");
    sample_set();

    ok(memcmp(sample.fingerprint, "\xbd\x73\xcb\x75\xc6\x4a\x69\x0c", 8) == 0,
       "a fingerprint never changes from version to version");
}


static void
test_types(void)
{
    referral_str_t  s;

    set(&s, "lead");
    ok(referral_event_type(&s) == REFERRAL_EVENT_LEAD, "lead");
    set(&s, "cancel");
    ok(referral_event_type(&s) == REFERRAL_EVENT_CANCEL, "cancel");
    set(&s, "install");
    ok(referral_event_type(&s) == REFERRAL_EVENT_CUSTOM
       && !referral_event_type_reserved(&s), "a word of the shop's");
    set(&s, "adjust");
    ok(referral_event_type_reserved(&s), "a reserved one");
    ok(referral_event_needs(REFERRAL_EVENT_TYPES) == 0, "no such type");
    s = referral_event_trust(REFERRAL_TRUST_BROWSER);
    ok(referral_str_is(&s, "browser")
       && referral_event_trust(REFERRAL_TRUSTS).len == 0, "trust by name");
    s = referral_event_via(REFERRAL_VIA_COOKIE);
    ok(referral_str_is(&s, "cookie")
       && referral_event_via(REFERRAL_VIAS).len == 0, "via by name");
}


int
main(void)
{
    test_round();
    test_bounds();
    test_hostile();
    test_fingerprint();
    test_types();

    return unit_done();
}
