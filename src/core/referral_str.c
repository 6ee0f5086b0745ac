#include "referral_str.h"


/* which escape function keeps a byte as it is */
#define REFERRAL_KEPT_VALUE  1
#define REFERRAL_KEPT_URI    2
#define REFERRAL_KEPT_BOTH   (REFERRAL_KEPT_VALUE|REFERRAL_KEPT_URI)


static void referral_buf_escape_kept(referral_buf_t *b,
    const referral_str_t *s, u_char who);


#define referral_hex_row(high)                                                \
    high "0" high "1" high "2" high "3" high "4" high "5" high "6" high "7"   \
    high "8" high "9" high "a" high "b" high "c" high "d" high "e" high "f"

const u_char  referral_hex_pairs[] =
    referral_hex_row("0") referral_hex_row("1") referral_hex_row("2")
    referral_hex_row("3") referral_hex_row("4") referral_hex_row("5")
    referral_hex_row("6") referral_hex_row("7") referral_hex_row("8")
    referral_hex_row("9") referral_hex_row("a") referral_hex_row("b")
    referral_hex_row("c") referral_hex_row("d") referral_hex_row("e")
    referral_hex_row("f");

static const u_char  referral_base64url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";


/*
 * Values: A-Z a-z 0-9 "-" "." "_" "~".  URLs: 0x21 to 0x7e but for quotes and
 * "<>\^`{|}".
 */

static const u_char  referral_kept[256] = {
    ['!'] = REFERRAL_KEPT_URI,
    ['#' ... '&'] = REFERRAL_KEPT_URI,
    ['(' ... ','] = REFERRAL_KEPT_URI,
    ['-' ... '.'] = REFERRAL_KEPT_BOTH,
    ['/'] = REFERRAL_KEPT_URI,
    ['0' ... '9'] = REFERRAL_KEPT_BOTH,
    [':' ... ';'] = REFERRAL_KEPT_URI,
    ['='] = REFERRAL_KEPT_URI,
    ['?' ... '@'] = REFERRAL_KEPT_URI,
    ['A' ... 'Z'] = REFERRAL_KEPT_BOTH,
    ['['] = REFERRAL_KEPT_URI,
    [']'] = REFERRAL_KEPT_URI,
    ['_'] = REFERRAL_KEPT_BOTH,
    ['a' ... 'z'] = REFERRAL_KEPT_BOTH,
    ['~'] = REFERRAL_KEPT_BOTH
};


void
referral_buf_escape(referral_buf_t *b, const referral_str_t *s)
{
    referral_buf_escape_kept(b, s, REFERRAL_KEPT_VALUE);
}


void
referral_buf_escape_uri(referral_buf_t *b, const referral_str_t *s)
{
    referral_buf_escape_kept(b, s, REFERRAL_KEPT_URI);
}


static void
referral_buf_escape_kept(referral_buf_t *b, const referral_str_t *s,
    u_char who)
{
    size_t         n, len;
    u_char        *p;
    const u_char  *in, *kept;

    p = b->pos;
    in = s->data;
    kept = referral_kept;

    for (len = s->len; len; len -= n, in += n) {

        /* most values need no escaping */

        if (len >= 4 && b->end - p >= 4
            && (kept[in[0]] & kept[in[1]] & kept[in[2]] & kept[in[3]] & who))
        {
            memcpy(p, in, 4);
            p += 4;
            n = 4;
            continue;
        }

        n = 1;

        if (kept[*in] & who) {

            if (p == b->end) {
                b->overflow = 1;
                return;
            }

            *p++ = *in;
            continue;
        }

        if (b->end - p < 3) {
            b->overflow = 1;
            return;
        }

        *p++ = '%';
        *p++ = "0123456789ABCDEF"[*in >> 4];
        *p++ = "0123456789ABCDEF"[*in & 0xf];
    }

    b->pos = p;
}


void
referral_buf_uint(referral_buf_t *b, uint64_t n)
{
    u_char    *p, text[20];
    unsigned   pair;

    p = text + sizeof(text);

    /* two digits a step; 42 is stored as 0x42 */

    for ( /* void */ ; n >= 10; n /= 100) {
        pair = n % 100;
        p -= 2;
        referral_hex_put(p, pair + pair / 10 * 6);
    }

    if (n || p == text + sizeof(text)) {
        *--p = (u_char) (n + '0');
    }

    referral_buf_put(b, p, text + sizeof(text) - p);
}


void
referral_buf_hex(referral_buf_t *b, const u_char *data, size_t len)
{
    size_t   i;
    u_char  *p;

    if ((size_t) (b->end - b->pos) / 2 < len) {
        b->overflow = 1;
        return;
    }

    p = b->pos;

    for (i = 0; i < len; i++, p += 2) {
        referral_hex_put(p, data[i]);
    }

    b->pos = p;
}


void
referral_buf_base64url(referral_buf_t *b, const u_char *data, size_t len)
{
    size_t    i, tail, room;
    u_char   *p;
    uint32_t  n;

    tail = len % 3;
    room = b->end - b->pos;

    if (room / 4 < len / 3
        || room - len / 3 * 4 < (tail ? tail + 1 : 0))
    {
        b->overflow = 1;
        return;
    }

    p = b->pos;

    /* six bits a step, from the top of a 32-bit word */

    for ( /* void */ ; len > 3; len -= 3, data += 3, p += 4) {
        n = (uint32_t) data[0] << 24 | data[1] << 16 | data[2] << 8 | data[3];

        p[0] = referral_base64url[n >> 26];
        p[1] = referral_base64url[n >> 20 & 0x3f];
        p[2] = referral_base64url[n >> 14 & 0x3f];
        p[3] = referral_base64url[n >> 8 & 0x3f];
    }

    if (len) {
        n = (uint32_t) data[0] << 24
            | (len > 1 ? data[1] << 16 : 0)
            | (len > 2 ? data[2] << 8 : 0);

        for (i = 0; i <= len; i++, n <<= 6) {
            *p++ = referral_base64url[n >> 26];
        }
    }

    b->pos = p;
}


static int
referral_base64url_digit(u_char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    if (c == '-') {
        return 62;
    }

    if (c == '_') {
        return 63;
    }

    return -1;
}


ssize_t
referral_base64url_decode(u_char *out, size_t size, const referral_str_t *s)
{
    int       d;
    size_t    i, len;
    unsigned  bits;
    uint32_t  n;

    if (s->len % 4 == 1) {
        return REFERRAL_ERROR;
    }

    len = s->len / 4 * 3 + (s->len % 4 ? s->len % 4 - 1 : 0);

    if (len > size) {
        return REFERRAL_ERROR;
    }

    n = 0;
    bits = 0;

    for (i = 0; i < s->len; i++) {
        d = referral_base64url_digit(s->data[i]);

        if (d < 0) {
            return REFERRAL_ERROR;
        }

        n = (n << 6 | d) & 0xffff;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            *out++ = (u_char) (n >> bits);
        }
    }

    if (n & ((1U << bits) - 1)) {
        return REFERRAL_ERROR;
    }

    return len;
}


static int
referral_hex_digit(u_char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return -1;
}


ssize_t
referral_hex_decode(u_char *out, size_t size, const referral_str_t *s)
{
    int     high, low;
    size_t  i;

    if (s->len % 2 || s->len / 2 > size) {
        return REFERRAL_ERROR;
    }

    for (i = 0; i < s->len; i += 2) {
        high = referral_hex_digit(s->data[i]);
        low = referral_hex_digit(s->data[i + 1]);

        if (high < 0 || low < 0) {
            return REFERRAL_ERROR;
        }

        *out++ = (u_char) (high << 4 | low);
    }

    return s->len / 2;
}


size_t
referral_utf8_length(u_char first)
{
    if (first < 0xc2 || first > 0xf4) {
        return 1;
    }

    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}


int32_t
referral_utf8_next(referral_str_t *s)
{
    size_t    i, n;
    u_char   *p;
    int32_t   c;

    static const int32_t  least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    p = s->data;
    n = referral_utf8_length(p[0]);
    c = n == 1 ? p[0] : p[0] & (0x7f >> n);

    if ((n == 1 && p[0] > 0x7f) || n > s->len) {
        goto failed;
    }

    for (i = 1; i < n; i++) {

        if ((p[i] & 0xc0) != 0x80) {
            goto failed;
        }

        c = c << 6 | (p[i] & 0x3f);
    }

    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        goto failed;
    }

    s->data += n;
    s->len -= n;

    return c;

failed:

    s->data++;
    s->len--;

    return REFERRAL_ERROR;
}


int64_t
referral_str_uint(const referral_str_t *s, int64_t max)
{
    int      d;
    size_t   i;
    int64_t  n;

    if (s->len == 0) {
        return REFERRAL_ERROR;
    }

    n = 0;

    for (i = 0; i < s->len; i++) {

        if (s->data[i] < '0' || s->data[i] > '9') {
            return REFERRAL_ERROR;
        }

        d = s->data[i] - '0';

        if (n > (max - d) / 10 || d > max) {
            return REFERRAL_ERROR;
        }

        n = n * 10 + d;
    }

    return n;
}


static int
referral_blank(u_char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}


void
referral_str_trim(referral_str_t *s)
{
    while (s->len && referral_blank(s->data[0])) {
        s->data++;
        s->len--;
    }

    while (s->len && referral_blank(s->data[s->len - 1])) {
        s->len--;
    }
}


void
referral_str_lower(referral_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] >= 'A' && s->data[i] <= 'Z') {
            s->data[i] |= 0x20;
        }
    }
}
