/* link: referral_cookie.c referral_link.c referral_code.c referral_visitor.c referral_bots.c referral_automaton.c referral_rules.c referral_template.c referral_conditions.c referral_url.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_id.c referral_hash.c referral_str.c referral_lang.c referral_name.c -lcrypto */

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "referral_cookie.h"
#include "unit.h"


#define NOW     1795300000000LL
#define DAY     86400000LL
#define WINDOW  (30 * 86400)

#define KEY_A   "0123456789abcdef0123456789abcdef"
#define KEY_B   "fedcba9876543210fedcba9876543210"


static referral_random_t  rnd;


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.len = strlen(text);
    s.data = (u_char *) text;

    return s;
}


static referral_keys_t *
keys_of(const char *text)
{
    unsigned         line;
    const char      *err;
    referral_str_t   s;

    s = str(text);

    return referral_keys_create(&s, &line, &err);
}


static void
touch(referral_touch_t *t, const char *code, int64_t at)
{
    memset(t, 0, sizeof(referral_touch_t));

    t->code_len = strlen(code);
    memcpy(t->code, code, t->code_len);
    (void) referral_click_id_make(t->click_id, &rnd, at);
}


static void
make(referral_cookie_t *c, int64_t first, int64_t last)
{
    memset(c, 0, sizeof(referral_cookie_t));

    (void) referral_visitor_make(c->visitor, &rnd);
    touch(&c->first, "aiko7", first);
    touch(&c->last, "Ben_2-x", last);
}


static referral_str_t
encode(u_char *out, referral_keys_t *keys, const char *program,
    const referral_cookie_t *c)
{
    ssize_t         n;
    referral_str_t  p, s;

    p = str(program);
    n = referral_cookie_encode(out, keys, &p, c);

    s.len = n < 0 ? 0 : n;
    s.data = out;

    return s;
}


static referral_cookie_e
decode(referral_cookie_t *c, referral_keys_t *keys, const char *program,
    referral_str_t text, int64_t now)
{
    referral_str_t  p;

    p = str(program);

    return referral_cookie_decode(c, keys, &p, &text, now, WINDOW);
}


static void
test_keys(void)
{
    unsigned          i, line;
    char              text[64 * 18], *p;
    const char       *err;
    referral_str_t    s;
    referral_keys_t  *keys;

    keys = keys_of("# the site's key\n\n  " KEY_A "  \r\n" KEY_B);
    ok(keys != NULL, "comments, empty lines, blanks, no final line end");
    referral_keys_free(keys);

    s = str("# nothing\n");
    keys = referral_keys_create(&s, &line, &err);
    ok(keys == NULL && line == 0, "a file without a key: %s", err);

    s = str("");
    keys = referral_keys_create(&s, &line, &err);
    ok(keys == NULL && line == 0, "an empty file: %s", err);

    s = str(KEY_A "\n\ntoo short, this is\n");
    keys = referral_keys_create(&s, &line, &err);
    ok(keys == NULL && line == 3, "a short key, named with its line: %s", err);

    s = str(KEY_A "\n" KEY_A "\n");
    keys = referral_keys_create(&s, &line, &err);
    ok(keys == NULL && line == 2, "a key twice: %s", err);

    p = text;

    for (i = 0; i < REFERRAL_KEYS_MAX; i++) {
        p += sprintf(p, "%032u\n", i);
    }

    s = str(text);
    keys = referral_keys_create(&s, &line, &err);
    ok(keys != NULL, "as many keys as may be");
    referral_keys_free(keys);

    sprintf(p, "%032u\n", i);

    s = str(text);
    keys = referral_keys_create(&s, &line, &err);
    ok(keys == NULL && line == 17, "one key more: %s", err);

    referral_keys_free(NULL);
}


static void
test_mac(void)
{
    u_char            mac[32], other[32], want[32];
    unsigned          n;
    referral_str_t    label, data;
    referral_keys_t  *keys;

    keys = keys_of(KEY_A "\n" KEY_B "\n");

    label = str("address");
    data = str("some data");

    ok(referral_keys_mac(mac, 32, keys, &label, &data) == REFERRAL_OK,
       "a MAC");

    HMAC(EVP_sha256(), KEY_A, sizeof(KEY_A) - 1,
         (u_char *) "\007addresssome data", 17, want, &n);
    ok(memcmp(mac, want, 32) == 0,
       "is HMAC-SHA256 with the first key over label and data");

    ok(referral_keys_mac(other, 32, keys, &label, &data) == REFERRAL_OK
       && memcmp(mac, other, 32) == 0, "again the same, from a used context");

    ok(referral_keys_mac(other, 8, keys, &label, &data) == REFERRAL_OK
       && memcmp(mac, other, 8) == 0, "cut");

    label = str("addresss");
    data = str("ome data");
    ok(referral_keys_mac(other, 32, keys, &label, &data) == REFERRAL_OK
       && memcmp(mac, other, 32) != 0,
       "the border between label and data counts");

    ok(referral_keys_mac(other, 33, keys, &label, &data) == REFERRAL_ERROR,
       "no more than there is");

    referral_keys_free(keys);
}


/*
 * RFC 4231, test case 7; the first letter of its text is the length of the
 * label.
 */

static void
test_hmac(void)
{
    int               same;
    char              key[132];
    u_char            mac[32], other[32], text[200];
    unsigned          i, k, n;
    referral_str_t    label, data;
    referral_keys_t  *keys;

    static const char    rfc[] =
        "This is a test using a larger than block-size key and a larger than "
        "block-size data. The key needs to be hashed before being used by "
        "the HMAC algorithm.";
    static const u_char  want[] = {
        0x9b, 0x09, 0xff, 0xa7, 0x1b, 0x94, 0x2f, 0xcb,
        0x27, 0x63, 0x5f, 0xbc, 0xd5, 0xb0, 0xe9, 0x44,
        0xbf, 0xdc, 0x63, 0x64, 0x4f, 0x07, 0x13, 0x93,
        0x8a, 0x7f, 0x51, 0x53, 0x5c, 0x3a, 0x35, 0xe2
    };

    memset(key, 0xaa, 131);
    key[131] = '\0';

    keys = keys_of(key);

    label.data = (u_char *) rfc + 1;
    label.len = rfc[0];
    data = str(rfc + 1 + rfc[0]);

    ok(referral_keys_mac(mac, 32, keys, &label, &data) == REFERRAL_OK
       && memcmp(mac, want, 32) == 0, "RFC 4231, 4.8");

    referral_keys_free(keys);

    same = 1;
    label = str("cookie");

    for (k = REFERRAL_KEY_MIN; k < 68; k++) {
        memset(key, 'k', k);
        key[k] = '\0';
        keys = keys_of(key);

        for (i = 0; i < 130; i++) {
            text[0] = 6;
            memcpy(text + 1, "cookie", 6);
            memset(text + 7, (int) i, i);

            data.data = text + 7;
            data.len = i;

            HMAC(EVP_sha256(), key, (int) k, text, 7 + i, other, &n);

            same &= referral_keys_mac(mac, 32, keys, &label, &data)
                    == REFERRAL_OK
                    && memcmp(mac, other, 32) == 0;
        }

        referral_keys_free(keys);
    }

    ok(same, "is OpenSSL's HMAC for keys and data of any size");
}


static void
test_roundtrip(void)
{
    u_char             out[REFERRAL_COOKIE_MAX];
    char               longest[REFERRAL_CODE_MAX + 1];
    referral_str_t     text, once;
    referral_keys_t   *keys;
    referral_cookie_t  c, d;

    keys = keys_of(KEY_A);

    make(&c, NOW - 3 * DAY, NOW - DAY);
    text = encode(out, keys, "spring.jp", &c);
    ok(text.len > 0, "a cookie of %u bytes", (unsigned) text.len);

    memset(&d, 0xa5, sizeof(d));
    ok(decode(&d, keys, "spring.jp", text, NOW) == REFERRAL_COOKIE_OK,
       "comes back");
    ok(memcmp(&c, &d, sizeof(c)) == 0, "as it was, both touches");

    once = text;
    c.first = c.last;
    text = encode(out, keys, "spring.jp", &c);
    ok(text.len > 0 && text.len < once.len, "one touch alone is shorter: %u",
       (unsigned) text.len);

    memset(&d, 0xa5, sizeof(d));
    ok(decode(&d, keys, "spring.jp", text, NOW) == REFERRAL_COOKIE_OK
       && memcmp(&c, &d, sizeof(c)) == 0, "and comes back as both");

    c.first_open = 1;
    c.last_open = 1;
    once = text;
    text = encode(out, keys, "spring.jp", &c);
    ok(text.len == once.len, "open touches take no byte");

    memset(&d, 0xa5, sizeof(d));
    ok(decode(&d, keys, "spring.jp", text, NOW) == REFERRAL_COOKIE_OK
       && memcmp(&c, &d, sizeof(c)) == 0, "and come back");

    make(&c, NOW - 3 * DAY, NOW - DAY);
    c.first_open = 1;
    text = encode(out, keys, "spring.jp", &c);
    ok(decode(&d, keys, "spring.jp", text, NOW) == REFERRAL_COOKIE_OK
       && memcmp(&c, &d, sizeof(c)) == 0, "each by itself");

    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';

    touch(&c.first, longest, NOW - DAY);
    touch(&c.last, longest, NOW);
    memset(longest, 'p', sizeof(longest) - 1);

    text = encode(out, keys, longest, &c);
    ok(text.len > 0 && text.len <= REFERRAL_COOKIE_MAX,
       "the longest fits: %u bytes", (unsigned) text.len);
    ok(decode(&d, keys, longest, text, NOW) == REFERRAL_COOKIE_OK
       && memcmp(&c, &d, sizeof(c)) == 0, "and comes back");

    c.last.code_len = REFERRAL_CODE_MAX + 1;
    ok(encode(out, keys, "p", &c).len == 0, "a code's length is distrusted");

    c.first.code_len = REFERRAL_CODE_MAX + 1;
    ok(encode(out, keys, "p", &c).len == 0, "both codes' lengths");

    c.last.code_len = 0;
    ok(encode(out, keys, "p", &c).len == 0, "a touch without a code");

    make(&c, NOW, NOW);
    ok(encode(out, keys, "", &c).len == 0, "no program");
    ok(encode(out, keys, "Upper", &c).len == 0, "a bad program");

    referral_keys_free(keys);
}


static void
test_refused(void)
{
    u_char             out[REFERRAL_COOKIE_MAX], bad[REFERRAL_COOKIE_MAX + 8];
    size_t             i, accepted;
    unsigned           bit;
    referral_str_t     text, s;
    referral_keys_t   *a, *b, *ba, *ab;
    referral_cookie_t  c, d;

    a = keys_of(KEY_A);
    b = keys_of(KEY_B);
    ba = keys_of(KEY_B "\n" KEY_A);
    ab = keys_of(KEY_A "\n" KEY_B);

    make(&c, NOW - 3 * DAY, NOW - DAY);
    text = encode(out, a, "p", &c);

    ok(decode(&d, b, "p", text, NOW) == REFERRAL_COOKIE_KEY,
       "a key that is not known");
    ok(decode(&d, ba, "p", text, NOW) == REFERRAL_COOKIE_OK,
       "an older key still verifies");
    ok(decode(&d, ab, "p", encode(bad, ba, "p", &c), NOW)
       == REFERRAL_COOKIE_OK, "so does a key that came in before it signs");
    ok(decode(&d, a, "q", text, NOW) == REFERRAL_COOKIE_PROGRAM,
       "of another program");
    ok(decode(&d, a, "pp", text, NOW) == REFERRAL_COOKIE_PROGRAM,
       "a program that only begins alike");

    accepted = 0;

    for (i = 0; i < text.len; i++) {
        for (bit = 0; bit < 8; bit++) {
            memcpy(bad, text.data, text.len);
            bad[i] ^= 1 << bit;

            s.data = bad;
            s.len = text.len;

            if (decode(&d, a, "p", s, NOW) == REFERRAL_COOKIE_OK) {
                accepted++;
            }
        }
    }

    ok(accepted == 0, "no flipped bit of the text is accepted");

    accepted = 0;

    for (i = 0; i < text.len; i++) {
        s.data = malloc(i ? i : 1);
        memcpy(s.data, text.data, i);
        s.len = i;

        if (decode(&d, a, "p", s, NOW) == REFERRAL_COOKIE_OK) {
            accepted++;
        }

        free(s.data);
    }

    ok(accepted == 0, "no cut text is accepted");

    memcpy(bad, text.data, text.len);
    memcpy(bad + text.len, "AAAA", 4);
    s.data = bad;
    s.len = text.len + 4;
    ok(decode(&d, a, "p", s, NOW) == REFERRAL_COOKIE_SIGNATURE,
       "nor one with more behind");

    bad[text.len / 2] = bad[text.len / 2] == 'A' ? 'B' : 'A';
    s.len = text.len;
    ok(decode(&d, a, "p", s, NOW) == REFERRAL_COOKIE_SIGNATURE,
       "a change is a bad signature");

    ok(decode(&d, a, "p", str(""), NOW) == REFERRAL_COOKIE_MALFORMED,
       "nothing");
    ok(decode(&d, a, "p", str("not a cookie"), NOW)
       == REFERRAL_COOKIE_MALFORMED, "rubbish");

    memset(bad, 'A', sizeof(bad));
    s.data = bad;
    s.len = sizeof(bad);
    ok(decode(&d, a, "p", s, NOW) == REFERRAL_COOKIE_MALFORMED,
       "more than any cookie has");

    referral_keys_free(a);
    referral_keys_free(b);
    referral_keys_free(ab);
    referral_keys_free(ba);
}


/*
 * Bytes signed with the key that are no cookie: another writer has the same
 * key.
 */

static void
test_signed_rubbish(void)
{
    u_char             data[128], text[256], bytes[REFERRAL_COOKIE_MAX];
    size_t             size, i, accepted;
    ssize_t            n;
    referral_buf_t     b;
    referral_str_t     label, s;
    referral_keys_t   *keys;
    referral_cookie_t  c, d;

    keys = keys_of(KEY_A);
    label = str("cookie");

    make(&c, NOW, NOW);
    s = encode(text, keys, "p", &c);
    n = referral_base64url_decode(bytes, sizeof(bytes), &s);

    accepted = 0;

    for (size = 7; size + 16 <= (size_t) n; size++) {
        memcpy(data, bytes, size);

        s.data = data;
        s.len = size;
        (void) referral_keys_mac(data + size, 16, keys, &label, &s);

        referral_buf_init(&b, text, sizeof(text));
        referral_buf_base64url(&b, data, size + 16);

        s.data = text;
        s.len = b.pos - b.start;

        if (decode(&d, keys, "p", s, NOW) == REFERRAL_COOKIE_OK) {
            accepted += size + 16 != (size_t) n;
        }
    }

    ok(accepted == 0, "no cut payload is accepted, were it signed");

    memcpy(data, bytes, n - 16);
    data[n - 16] = 0;

    s.data = data;
    s.len = n - 15;
    (void) referral_keys_mac(data + n - 15, 16, keys, &label, &s);

    referral_buf_init(&b, text, sizeof(text));
    referral_buf_base64url(&b, data, n + 1);

    s.data = text;
    s.len = b.pos - b.start;
    ok(decode(&d, keys, "p", s, NOW) == REFERRAL_COOKIE_MALFORMED,
       "nor one with a byte too many");

    for (i = 5; i < (size_t) n - 16; i++) {
        memcpy(data, bytes, n);
        data[i] = 0xff;

        s.data = data;
        s.len = n - 16;
        (void) referral_keys_mac(data + n - 16, 16, keys, &label, &s);

        referral_buf_init(&b, text, sizeof(text));
        referral_buf_base64url(&b, data, n);

        s.data = text;
        s.len = b.pos - b.start;

        if (decode(&d, keys, "p", s, NOW) == REFERRAL_COOKIE_OK) {
            ok(referral_code_valid(&(referral_str_t)
                                   { d.last.code_len, d.last.code }),
               "byte %u: codes stay codes", (unsigned) i);
        }
    }

    referral_keys_free(keys);
}


static void
test_time(void)
{
    u_char             out[REFERRAL_COOKIE_MAX];
    referral_str_t     text;
    referral_keys_t   *keys;
    referral_cookie_t  c, d;

    keys = keys_of(KEY_A);

    make(&c, NOW - 30 * DAY - 1, NOW - 29 * DAY);
    text = encode(out, keys, "p", &c);
    ok(decode(&d, keys, "p", text, NOW) == REFERRAL_COOKIE_OK
       && memcmp(&d.first, &c.last, sizeof(d.first)) == 0,
       "an older first touch is replaced by the last");

    c.last_open = 1;
    text = encode(out, keys, "p", &c);
    ok(decode(&d, keys, "p", text, NOW) == REFERRAL_COOKIE_OK && d.first_open,
       "which stays as open as it was");

    make(&c, NOW - 30 * DAY, NOW - 29 * DAY);
    text = encode(out, keys, "p", &c);
    ok(decode(&d, keys, "p", text, NOW) == REFERRAL_COOKIE_OK
       && memcmp(&d.first, &c.first, sizeof(d.first)) == 0,
       "one as old as the window is not");

    ok(decode(&d, keys, "p", text, NOW + DAY) == REFERRAL_COOKIE_OK,
       "the last touch keeps it to the end of the window");
    ok(decode(&d, keys, "p", text, NOW + DAY + 1) == REFERRAL_COOKIE_EXPIRED,
       "and not longer");

    make(&c, NOW, NOW + 5 * 60 * 1000);
    text = encode(out, keys, "p", &c);
    ok(decode(&d, keys, "p", text, NOW) == REFERRAL_COOKIE_OK,
       "another host's clock may be ahead");
    ok(decode(&d, keys, "p", text, NOW - 1) == REFERRAL_COOKIE_EXPIRED,
       "but not more than five minutes");

    make(&c, NOW + DAY, NOW);
    text = encode(out, keys, "p", &c);
    ok(decode(&d, keys, "p", text, NOW) == REFERRAL_COOKIE_OK
       && memcmp(&d.first, &c.last, sizeof(d.first)) == 0,
       "a first touch of the future is none");

    referral_keys_free(keys);
}


int
main(void)
{
    test_keys();
    test_mac();
    test_hmac();
    test_roundtrip();
    test_refused();
    test_signed_rubbish();
    test_time();

    return unit_done();
}
