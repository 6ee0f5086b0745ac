#include "referral_str.h"


/* for whom a byte is kept */
#define REFERRAL_KEPT_VALUE  1
#define REFERRAL_KEPT_URI    2
#define REFERRAL_KEPT_BOTH   (REFERRAL_KEPT_VALUE|REFERRAL_KEPT_URI)


static void referral_buf_escape_kept(referral_buf_t *b,
    const referral_str_t *s, u_char who);


static const u_char  referral_hex_digits[] = "0123456789abcdef";

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

        /* most values need no escape at all */

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
    u_char  *p, text[20];

    p = text + sizeof(text);

    do {
        *--p = (u_char) (n % 10 + '0');
        n /= 10;
    } while (n);

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

    for (i = 0; i < len; i++) {
        *p++ = referral_hex_digits[data[i] >> 4];
        *p++ = referral_hex_digits[data[i] & 0xf];
    }

    b->pos = p;
}


void
referral_buf_base64url(referral_buf_t *b, const u_char *data, size_t len)
{
    size_t    tail, room;
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

    for ( /* void */ ; len >= 3; len -= 3, data += 3) {
        n = (uint32_t) data[0] << 16 | data[1] << 8 | data[2];

        *p++ = referral_base64url[n >> 18];
        *p++ = referral_base64url[n >> 12 & 0x3f];
        *p++ = referral_base64url[n >> 6 & 0x3f];
        *p++ = referral_base64url[n & 0x3f];
    }

    if (len) {
        n = (uint32_t) data[0] << 16 | (len == 2 ? data[1] << 8 : 0);

        *p++ = referral_base64url[n >> 18];
        *p++ = referral_base64url[n >> 12 & 0x3f];

        if (len == 2) {
            *p++ = referral_base64url[n >> 6 & 0x3f];
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
