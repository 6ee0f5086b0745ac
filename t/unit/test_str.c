/* link: referral_str.c referral_time.c referral_id.c -lcrypto */

/*
 * Strings, hashes, dates and ids.  The hash is included as source, so that
 * both implementations of the checksum are compared on any processor.
 */

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <time.h>

#include "referral_hash.c"
#include "referral_id.h"
#include "referral_str.h"
#include "referral_time.h"
#include "unit.h"


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);

    return s;
}


static int
is(const referral_buf_t *b, const char *text)
{
    return (size_t) (b->pos - b->start) == strlen(text)
           && memcmp(b->start, text, strlen(text)) == 0;
}


static void
test_buf(void)
{
    int                 good;
    char                text[64];
    u_char              out[64], exact[6];
    unsigned            i;
    referral_str_t      s;
    referral_buf_t      b;
    unsigned long long  n;

    referral_buf_init(&b, out, sizeof(out));
    s = str("aZ09-._~");
    referral_buf_escape(&b, &s);
    ok(is(&b, "aZ09-._~"), "unreserved characters stay");

    referral_buf_init(&b, out, sizeof(out));
    s = str("a b&=/?#%\r\n\xe6\x97");
    referral_buf_escape(&b, &s);
    ok(is(&b, "a%20b%26%3D%2F%3F%23%25%0D%0A%E6%97"),
       "everything else is percent-encoded");

    referral_buf_init(&b, out, sizeof(out));
    s = str("/a?b=1&c=%20#d;[x]@:+,!$*()");
    referral_buf_escape_uri(&b, &s);
    ok(is(&b, "/a?b=1&c=%20#d;[x]@:+,!$*()"), "a part of a URL stays");

    referral_buf_init(&b, out, sizeof(out));
    s = str("\r\n \"'<>\\^`{|}\x7f\xff");
    referral_buf_escape_uri(&b, &s);
    ok(is(&b, "%0D%0A%20%22%27%3C%3E%5C%5E%60%7B%7C%7D%7F%FF"),
       "what may not stand in a URL is encoded");

    s.data = (u_char *) "\0x";
    s.len = 2;
    referral_buf_init(&b, out, sizeof(out));
    referral_buf_escape_uri(&b, &s);
    ok(is(&b, "%00x"), "a zero byte is encoded");

    referral_buf_init(&b, exact, sizeof(exact));
    s = str("ab cd");
    referral_buf_escape(&b, &s);
    ok(is(&b, "") && b.overflow, "what does not fit is left out whole");

    s = str("abcd ");
    referral_buf_escape(&b, &s);
    ok(is(&b, ""), "even where only its last digit would not");

    referral_buf_puts(&b, "abcdef");
    ok(is(&b, "abcdef") && b.overflow, "overflow stays set");

    referral_buf_init(&b, exact, sizeof(exact));
    s = str("ab d");
    referral_buf_escape(&b, &s);
    ok(is(&b, "ab%20d") && !b.overflow, "what fits exactly is no overflow");

    referral_buf_init(&b, out, sizeof(out));
    referral_buf_uint(&b, 0);
    referral_buf_putc(&b, ' ');
    referral_buf_uint(&b, 18446744073709551615ULL);
    ok(is(&b, "0 18446744073709551615"), "numbers from one end to the other");

    good = 1;

    for (i = 0, n = 1; i < 2000; i++, n = n * 3 + i) {
        sprintf(text, "%u %llu", i, n);

        referral_buf_init(&b, out, sizeof(out));
        referral_buf_uint(&b, i);
        referral_buf_putc(&b, ' ');
        referral_buf_uint(&b, n);

        good &= is(&b, text);
    }

    ok(good, "numbers of any length");

    referral_buf_init(&b, out, 1);
    referral_buf_uint(&b, 10);
    ok(is(&b, "") && b.overflow, "a number is not cut");

    referral_buf_init(&b, out, sizeof(out));
    referral_buf_hex(&b, (u_char *) "\x00\xab\xff", 3);
    ok(is(&b, "00abff"), "hexadecimal");

    referral_buf_init(&b, out, 5);
    referral_buf_hex(&b, (u_char *) "\x00\xab\xff", 3);
    ok(is(&b, "") && b.overflow, "hexadecimal is not cut");
}


static void
test_base64(void)
{
    int             ok_all;
    u_char          data[32], out[64], back[32];
    size_t          i, n, want;
    referral_str_t  s;
    referral_buf_t  b;

    static const char *const  bad[] = {
        "A", "AAAAA", "AB", "AAB", "AA==", "A+", "A/", "A ", "=", "AA\n",
        "A\xc0"
    };

    referral_buf_init(&b, out, sizeof(out));
    referral_buf_base64url(&b, (u_char *) "\xfb\xff\xbf", 3);
    ok(is(&b, "-_-_"), "the alphabet of URLs");

    referral_buf_init(&b, out, sizeof(out));
    referral_buf_base64url(&b, (u_char *) "foob", 4);
    ok(is(&b, "Zm9vYg"), "no padding");

    for (i = 0; i < sizeof(data); i++) {
        data[i] = (u_char) (i * 151 + 7);
    }

    ok_all = 1;

    for (n = 0; n <= sizeof(data); n++) {
        want = (n * 8 + 5) / 6;

        referral_buf_init(&b, out, want);
        referral_buf_base64url(&b, data, n);

        s.data = out;
        s.len = b.pos - b.start;

        ok_all &= !b.overflow && s.len == want;
        ok_all &= referral_base64url_decode(back, n, &s) == (ssize_t) n;
        ok_all &= memcmp(back, data, n) == 0;

        if (n) {
            ok_all &= referral_base64url_decode(back, n - 1, &s)
                      == REFERRAL_ERROR;

            referral_buf_init(&b, out, want - 1);
            referral_buf_base64url(&b, data, n);
            ok_all &= b.overflow && b.pos == b.start;
        }
    }

    ok(ok_all, "base64url there and back, for all lengths and tight ends");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        s = str(bad[i]);
        ok(referral_base64url_decode(back, sizeof(back), &s)
           == REFERRAL_ERROR, "base64url that is not canonical, %u",
           (unsigned) i);
    }

    s = str("00aBFf");
    ok(referral_hex_decode(back, 3, &s) == 3
       && memcmp(back, "\x00\xab\xff", 3) == 0, "hexadecimal of either case");
    ok(referral_hex_decode(back, 2, &s) == REFERRAL_ERROR,
       "hexadecimal that has no room");

    s = str("abc");
    ok(referral_hex_decode(back, 8, &s) == REFERRAL_ERROR, "half a byte");
    s = str("0g");
    ok(referral_hex_decode(back, 8, &s) == REFERRAL_ERROR, "no digit");
    s = str("@1");
    ok(referral_hex_decode(back, 8, &s) == REFERRAL_ERROR,
       "no digit either, though its bits look like one");
}


static void
test_text(void)
{
    char            text[] = " \t\r\nAb c\xc9Z\n ";
    referral_str_t  s;

    s = str(text);
    referral_str_trim(&s);
    referral_str_lower(&s);
    ok(referral_str_is(&s, "ab c\xc9z"), "trimmed, ASCII in lower case");
    ok(referral_str_is_nocase(&s, "AB c\xc9Z"), "compared without case");

    s = str(" \n ");
    referral_str_trim(&s);
    ok(s.len == 0, "nothing is left of spaces");

    s = str("0");
    ok(referral_str_uint(&s, 0) == 0, "zero");
    s = str("1");
    ok(referral_str_uint(&s, 0) == REFERRAL_ERROR, "more than the most");
    s = str("9223372036854775807");
    ok(referral_str_uint(&s, INT64_MAX) == INT64_MAX, "the largest");
    s = str("9223372036854775808");
    ok(referral_str_uint(&s, INT64_MAX) == REFERRAL_ERROR,
       "larger than the largest");
    s = str("99999999999999999999999");
    ok(referral_str_uint(&s, INT64_MAX) == REFERRAL_ERROR, "far too large");
    s = str("65535");
    ok(referral_str_uint(&s, 65535) == 65535, "the bound itself");
    s = str("65536");
    ok(referral_str_uint(&s, 65535) == REFERRAL_ERROR, "one beyond the bound");
    s = str("");
    ok(referral_str_uint(&s, 9) == REFERRAL_ERROR, "no number at all");
    s = str("+1");
    ok(referral_str_uint(&s, 9) == REFERRAL_ERROR, "a sign");
    s = str("1 ");
    ok(referral_str_uint(&s, 9) == REFERRAL_ERROR, "a space");
}


static void
test_hash(void)
{
    int       same;
    u_char    data[300], zero[32];
    size_t    i, from;
    uint32_t  crc;
    uint64_t  hash;

    memset(zero, 0, sizeof(zero));

    ok(referral_crc32c(0, "123456789", 9) == 0xe3069283, "the check value");
    ok(referral_crc32c(0, zero, 32) == 0x8a9136aa, "RFC 3720, B.4: zeros");
    ok(referral_crc32c(0, "", 0) == 0, "of nothing");

    referral_crc32c_fill();

    ok(~referral_crc32c_table(~0U, (u_char *) "123456789", 9) == 0xe3069283,
       "the check value, by table");

    for (i = 0; i < sizeof(data); i++) {
        data[i] = (u_char) (i * i * 31 + i * 7 + 3);
    }

    same = 1;

    for (from = 0; from < 9; from++) {
        for (i = 0; from + i <= sizeof(data); i++) {
            crc = referral_crc32c(0, data + from, i);

            same &= crc == (uint32_t) ~referral_crc32c_table(~0U, data + from,
                                                             i);
            same &= crc == referral_crc32c(referral_crc32c(0, data + from,
                                                           i / 3),
                                           data + from + i / 3, i - i / 3);
        }
    }

    ok(same, "processor, table and pieces agree");

    /* stored elsewhere, so these may never change */

    ok(referral_hash64(0, "", 0) == 0, "hash of nothing");
    ok(referral_hash64(0, "spring", 6) == 0x3ed7107085cae465ULL,
       "hash of a name");
    ok(referral_hash64(1, "spring", 6) == 0xac391d66eef19e01ULL,
       "hash with a seed");

    for (hash = 0, i = 0; i <= 32; i++) {
        hash = referral_hash64(hash, data, i);
    }

    ok(hash == 0x10abf465ee3cfe77ULL, "hashes of 0 to 32 bytes");
}


/* as OpenSSL computes it */

static uint64_t
siphash(EVP_MAC *mac, const u_char *key, const u_char *data, size_t len)
{
    int           rc;
    size_t        size, n;
    u_char        out[8];
    OSSL_PARAM    params[2];
    EVP_MAC_CTX  *ctx;

    size = sizeof(out);
    params[0] = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size);
    params[1] = OSSL_PARAM_construct_end();

    ctx = EVP_MAC_CTX_new(mac);

    rc = EVP_MAC_init(ctx, key, 16, params) == 1
         && EVP_MAC_update(ctx, data, len) == 1
         && EVP_MAC_final(ctx, out, &n, sizeof(out)) == 1;

    EVP_MAC_CTX_free(ctx);

    return rc ? referral_hash_word(out) : 0;
}


static void
test_siphash(void)
{
    int       same;
    u_char    key[16], data[64];
    size_t    i, head;
    uint64_t  want;
    EVP_MAC  *mac;

    for (i = 0; i < sizeof(data); i++) {
        data[i] = (u_char) i;
        key[i % sizeof(key)] = (u_char) (i % sizeof(key));
    }

    ok(referral_siphash(key, data, 0, data, 15) == 0xa129ca6149be45e5ULL,
       "SipHash of the paper's example");

    mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    ok(mac != NULL, "OpenSSL has SipHash");

    if (mac == NULL) {
        return;
    }

    same = 1;

    for (i = 0; i <= sizeof(data); i++) {
        want = siphash(mac, key, data, i);

        for (head = 0; head <= i; head++) {
            same &= referral_siphash(key, data, head, data + head, i - head)
                    == want;
        }
    }

    ok(same, "is OpenSSL's, wherever the text is cut");

    EVP_MAC_free(mac);
}


static int
date(const char *text, int last, int64_t *ms, int *local)
{
    int              rc;
    referral_str_t   s;
    referral_date_t  d;

    s = str(text);
    rc = referral_date_parse(&d, &s, last);

    *ms = d.ms;
    *local = d.local;

    return rc == REFERRAL_OK && d.set;
}


/* "2026-12-01 10:30:15.250", computed by the C library */

static int64_t
table_ms(const char *text)
{
    int        ms;
    struct tm  tm;

    memset(&tm, 0, sizeof(tm));

    if (sscanf(text, "%d-%d-%d %d:%d:%d.%d", &tm.tm_year, &tm.tm_mon,
               &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms)
        != 7)
    {
        return -1;
    }

    tm.tm_year -= 1900;
    tm.tm_mon--;

    return (int64_t) timegm(&tm) * 1000 + ms;
}


/*
 * t/lib/dates.txt, with which t/click/dates.t tests the other implementations.
 */

static void
test_table(void)
{
    int              local, offset, good;
    char             line[256], *column[4], *p;
    FILE            *f;
    int64_t          ms;
    unsigned         n;
    referral_str_t   s;

    f = fopen("t/lib/dates.txt", "r");
    if (!ok(f != NULL, "the table of dates")) {
        return;
    }

    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';

        if (line[0] == '#' || line[0] == '\0') {
            continue;
        }

        for (n = 0, p = line; n < 4; n++) {
            column[n] = p;
            p = strstr(p, " | ");

            if (p == NULL) {
                break;
            }

            *p = '\0';
            p += 3;
        }

        if (strncmp(line, "offset ", 7) == 0) {
            s = str(line + 7);
            good = referral_offset_parse(&offset, &s) == REFERRAL_OK;

            ok(n == 1 && (column[1][0] == '-' && column[1][1] == '\0'
                          ? !good : (good && offset == atoi(column[1]))),
               "an offset: \"%s\" is %s", line + 7, column[1]);
            continue;
        }

        if (n == 1) {
            ok(!date(line, 0, &ms, &local) && !date(line, 1, &ms, &local),
               "no date: \"%s\"", line);
            continue;
        }

        ok(n == 3
           && date(line, 0, &ms, &local) && ms == table_ms(column[1])
           && local == (strcmp(column[3], "local") == 0)
           && date(line, 1, &ms, &local) && ms == table_ms(column[2]),
           "a date: \"%s\"", line);
    }

    (void) fclose(f);
}


static void
test_dates(void)
{
    int              local, all, offset;
    char             text[32];
    int64_t          ms, day, seconds;
    referral_str_t   s;
    referral_date_t  d;

    ok(date("2026-12-01", 0, &ms, &local) && ms == 1796083200000LL && local,
       "a day is its first millisecond");
    ok(date("2026-12-01", 1, &ms, &local) && ms == 1796169599999LL,
       "or its last");
    ok(date("2026-12-01T10:30", 0, &ms, &local) && ms == 1796121000000LL
       && local, "a minute");
    ok(date("2026-12-01T10:30", 1, &ms, &local) && ms == 1796121059999LL,
       "to its end");
    ok(date("2026-12-01 10:30:15", 0, &ms, &local) && ms == 1796121015000LL
       && local, "a second, after a space");
    ok(date("2026-12-01T10:30:15", 1, &ms, &local) && ms == 1796121015999LL,
       "to its end");
    ok(date("2026-12-01T10:30Z", 0, &ms, &local) && ms == 1796121000000LL
       && !local, "UTC");
    ok(date("2026-12-01T10:30+09:00", 0, &ms, &local)
       && ms == 1796088600000LL && !local, "east of it");
    ok(date("2026-12-01T10:30:15-03:30", 0, &ms, &local)
       && ms == 1796133615000LL && !local, "west of it");
    ok(date("2024-02-29", 0, &ms, &local) && ms == 1709164800000LL,
       "a leap day");
    ok(date("2000-02-29", 0, &ms, &local) && ms == 951782400000LL,
       "the leap day of a century");
    ok(date("9999-12-31", 1, &ms, &local) && ms == 253402300799999LL,
       "the last day there is");
    ok(date("1970-01-01", 0, &ms, &local) && ms == 0, "the first");
    ok(!date("", 0, &ms, &local) && !date(" 2026-12-01", 0, &ms, &local)
       && !date("2026-12-01T10:30 ", 0, &ms, &local), "none");

    s = str("2026-12-01");
    (void) referral_date_parse(&d, &s, 0);
    ok(!referral_date_reached(&d, 1796083200000LL - 1, 0)
       && referral_date_reached(&d, 1796083200000LL, 0), "reached in UTC");
    ok(!referral_date_reached(&d, 1796050800000LL - 1, 540)
       && referral_date_reached(&d, 1796050800000LL, 540),
       "a date without a zone comes earlier in the east");

    s = str("2026-12-01T00:00Z");
    (void) referral_date_parse(&d, &s, 0);
    ok(!referral_date_reached(&d, 1796083200000LL - 1, 540),
       "a date with a zone does not");

    d.set = 0;
    ok(!referral_date_reached(&d, INT64_MAX / 2, 0), "no date never comes");

    all = 1;

    for (day = 0; day <= 2932896; day++) {
        memset(text, 0, sizeof(text));
        referral_time_day((u_char *) text, day * REFERRAL_DAY_MS, 0);

        all &= date(text, 0, &ms, &local) && ms == day * REFERRAL_DAY_MS;
    }

    ok(all, "every day from 1970 to 9999 has its name and back");

    memset(text, 0, sizeof(text));
    referral_time_second((u_char *) text, 1796121015999LL);
    ok(strcmp(text, "2026-12-01T10:30:15Z") == 0, "the name of a second");

    memset(text, 0, sizeof(text));
    referral_time_minute((u_char *) text, 1796121015999LL);
    ok(strcmp(text, "2026-12-01T10:30") == 0, "of a minute");

    memset(text, 0, sizeof(text));
    referral_time_hour((u_char *) text, 1796121015999LL);
    ok(strcmp(text, "2026-12-01T10") == 0, "of an hour");

    memset(text, 0, sizeof(text));
    referral_time_day((u_char *) text, 1796083199999LL, 0);
    ok(strcmp(text, "2026-11-30") == 0, "of a day's last millisecond");
    referral_time_day((u_char *) text, 1796083199999LL, 1);
    ok(strcmp(text, "2026-12-01") == 0, "of the same in the east");
    referral_time_day((u_char *) text, 1796083200000LL, -1);
    ok(strcmp(text, "2026-11-30") == 0, "of the next in the west");

    memset(text, 0, sizeof(text));
    referral_time_second((u_char *) text, -1);
    ok(strcmp(text, "1970-01-01T00:00:00Z") == 0, "before all time");
    referral_time_second((u_char *) text, INT64_MAX);
    ok(strcmp(text, "9999-12-31T23:59:59Z") == 0, "after all time");
    referral_time_day((u_char *) text, 0, -840);
    ok(strncmp(text, "1970-01-01", 10) == 0, "west of all time");
    referral_time_day((u_char *) text, INT64_MAX, 840);
    ok(strncmp(text, "9999-12-31", 10) == 0, "east of all time");

    /* a 32-bit machine that runs for more than 49 days */

    ok(referral_time_whole(1000, 990) == 990
       && referral_time_whole(1000, 1000) == 1000
       && referral_time_whole(0x1000003e8LL, 0x3e7) == 0x1000003e7LL,
       "a time of 32 bits is made whole");
    ok(referral_time_whole(0x100000002LL, 0xfffffffe) == 0xfffffffeLL
       && referral_time_whole(0x300000000LL, 0xffffffff) == 0x2ffffffffLL,
       "also where it has just wrapped");

    ok(referral_time_day_number(1796083199999LL, 0) == 20787
       && referral_time_day_number(1796083199999LL, 1) == 20788,
       "the number of a day");

    s = str("+09:00");
    ok(referral_offset_parse(&offset, &s) == REFERRAL_OK && offset == 540,
       "an offset");
    s = str("-03:30");
    ok(referral_offset_parse(&offset, &s) == REFERRAL_OK && offset == -210,
       "to the west");
    s = str("+14:00");
    ok(referral_offset_parse(&offset, &s) == REFERRAL_OK && offset == 840,
       "the farthest");
    s = str("+14:01");
    ok(referral_offset_parse(&offset, &s) == REFERRAL_ERROR, "too far");
    s = str("UTC");
    ok(referral_offset_parse(&offset, &s) == REFERRAL_OK && offset == 0,
       "UTC by name");
    s = str("+09:60");
    ok(referral_offset_parse(&offset, &s) == REFERRAL_ERROR, "60 minutes");
    s = str("");
    ok(referral_offset_parse(&offset, &s) == REFERRAL_ERROR, "no offset");

    s = str("30d");
    ok(referral_duration_parse(&seconds, &s, 2592000) == REFERRAL_OK
       && seconds == 2592000, "30 days, the most");
    ok(referral_duration_parse(&seconds, &s, 2591999) == REFERRAL_ERROR,
       "more than the most");
    s = str("12h");
    ok(referral_duration_parse(&seconds, &s, 1 << 20) == REFERRAL_OK
       && seconds == 43200, "hours");
    s = str("90m");
    ok(referral_duration_parse(&seconds, &s, 1 << 20) == REFERRAL_OK
       && seconds == 5400, "minutes");
    s = str("45s");
    ok(referral_duration_parse(&seconds, &s, 45) == REFERRAL_OK
       && seconds == 45, "seconds");
    s = str("45");
    ok(referral_duration_parse(&seconds, &s, 45) == REFERRAL_OK
       && seconds == 45, "seconds without a unit");
    s = str("0d");
    ok(referral_duration_parse(&seconds, &s, 45) == REFERRAL_ERROR, "none");
    s = str("d");
    ok(referral_duration_parse(&seconds, &s, 45) == REFERRAL_ERROR,
       "a unit without a number");
    s = str("1w");
    ok(referral_duration_parse(&seconds, &s, 1 << 30) == REFERRAL_ERROR,
       "an unknown unit");
    s = str("99999999999999999999d");
    ok(referral_duration_parse(&seconds, &s, INT64_MAX) == REFERRAL_ERROR,
       "a number that is too large");
}


static void
test_ids(void)
{
    int                i, good;
    char               upper[] = "019B76DA-A800-7ABC-9DEF-0123456789AB";
    u_char             id[16], other[16], text[REFERRAL_CLICK_ID_LEN];
    u_char             big[REFERRAL_RANDOM_MAX + 1], v[REFERRAL_VISITOR_SIZE];
    u_char             vtext[REFERRAL_VISITOR_LEN];
    referral_str_t     s;
    referral_random_t  r;

    static const char *const  bad[] = {
        "", "019b76da-a800-7abc-9def-0123456789a",
        "019b76da-a800-7abc-9def-0123456789abc",
        "019b76da-a800-4abc-9def-0123456789ab",
        "019b76da-a800-7abc-cdef-0123456789ab",
        "019b76da-a800-7abc-1def-0123456789ab",
        "019b76da_a800-7abc-9def-0123456789ab",
        "019b76da-a800-7abc-9def-0123456789ag",
        "019b76daa-800-7abc-9def-0123456789ab"
    };

    memset(&r, 0, sizeof(r));

    ok(referral_random(&r, big, sizeof(big)) == REFERRAL_ERROR,
       "more than the pool");
    ok(referral_random(&r, big, sizeof(big) - 1) == REFERRAL_OK && r.left == 0,
       "the whole pool");

    s.data = text;
    s.len = sizeof(text);
    good = 1;

    for (i = 0; i < 1000; i++) {
        memcpy(other, id, sizeof(other));

        good &= referral_click_id_make(id, &r, 1796121015999LL + i)
                == REFERRAL_OK;
        good &= id[6] >> 4 == 7 && id[8] >> 6 == 2;
        good &= referral_click_id_time(id) == 1796121015999LL + i;
        good &= i == 0 || memcmp(other, id, 16) < 0;

        referral_click_id_text(text, id);
        good &= referral_click_id_parse(other, &s) == REFERRAL_OK
                && memcmp(other, id, 16) == 0;
    }

    ok(good, "a thousand click ids are in order, and there and back");

    (void) referral_click_id_make(id, &r, 5);
    (void) referral_click_id_make(other, &r, 5);
    ok(memcmp(id, other, 16) != 0, "two of the same millisecond differ");

    s = str(upper);
    ok(referral_click_id_parse(id, &s) == REFERRAL_OK
       && memcmp(id, "\x01\x9b\x76\xda\xa8\x00\x7a\xbc"
                     "\x9d\xef\x01\x23\x45\x67\x89\xab", 16) == 0,
       "upper case is taken");

    referral_click_id_text(text, id);
    ok(memcmp(text, "019b76da-a800-7abc-9def-0123456789ab", 36) == 0,
       "lower case is written");

    for (i = 0; i < (int) (sizeof(bad) / sizeof(bad[0])); i++) {
        s = str(bad[i]);
        ok(referral_click_id_parse(id, &s) == REFERRAL_ERROR,
           "no click id: \"%s\"", bad[i]);
    }

    ok(referral_visitor_make(v, &r) == REFERRAL_OK, "a visitor");
    referral_visitor_text(vtext, v);
    s.data = vtext;
    s.len = sizeof(vtext);
    ok(referral_base64url_decode(other, sizeof(other), &s)
       == REFERRAL_VISITOR_SIZE && memcmp(other, v, sizeof(v)) == 0,
       "there and back");
}


int
main(void)
{
    test_buf();
    test_base64();
    test_text();
    test_hash();
    test_siphash();
    test_dates();
    test_table();
    test_ids();

    return unit_done();
}
