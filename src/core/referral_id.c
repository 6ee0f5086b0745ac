#include <openssl/rand.h>

#include "referral_id.h"


int
referral_random(referral_random_t *r, u_char *out, size_t len)
{
    if (len > sizeof(r->pool)) {
        return REFERRAL_ERROR;
    }

    if (r->left < len) {
        r->left = 0;

        if (RAND_bytes(r->pool, sizeof(r->pool)) != 1) {
            return REFERRAL_ERROR;
        }

        r->left = sizeof(r->pool);
    }

    r->left -= len;
    memcpy(out, r->pool + r->left, len);

    return REFERRAL_OK;
}


int
referral_click_id_make(u_char *id, referral_random_t *r, int64_t ms)
{
    int  i;

    if (referral_random(r, id + 6, REFERRAL_CLICK_ID_SIZE - 6)
        != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    for (i = 5; i >= 0; i--) {
        id[i] = (u_char) ms;
        ms >>= 8;
    }

    id[6] = 0x70 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);

    return REFERRAL_OK;
}


int64_t
referral_click_id_time(const u_char *id)
{
    uint64_t  n;

    /* the time is the first 48 bits; compilers turn this into one load */

    n = (uint64_t) id[0] << 56 | (uint64_t) id[1] << 48
        | (uint64_t) id[2] << 40 | (uint64_t) id[3] << 32
        | (uint64_t) id[4] << 24 | (uint64_t) id[5] << 16
        | (uint64_t) id[6] << 8 | id[7];

    return n >> 16;
}


void
referral_click_id_text(u_char *out, const u_char *id)
{
    int  i;

#pragma GCC unroll 16

    for (i = 0; i < REFERRAL_CLICK_ID_SIZE; i++) {

        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }

        referral_hex_put(out, id[i]);
        out += 2;
    }
}


int
referral_click_id_parse(u_char *id, const referral_str_t *s)
{
    int             i;
    size_t          len;
    u_char         *p, bytes[REFERRAL_CLICK_ID_SIZE];
    referral_str_t  part;

    static const u_char  parts[] = { 4, 2, 2, 2, 6 };

    if (s->len != REFERRAL_CLICK_ID_LEN) {
        return REFERRAL_ERROR;
    }

    p = bytes;
    part.data = s->data;

    for (i = 0; i < 5; i++) {

        if (i && *part.data++ != '-') {
            return REFERRAL_ERROR;
        }

        len = parts[i];
        part.len = len * 2;

        if (referral_hex_decode(p, len, &part) == REFERRAL_ERROR) {
            return REFERRAL_ERROR;
        }

        p += len;
        part.data += part.len;
    }

    if (bytes[6] >> 4 != 7 || bytes[8] >> 6 != 2) {
        return REFERRAL_ERROR;
    }

    memcpy(id, bytes, sizeof(bytes));

    return REFERRAL_OK;
}


int
referral_visitor_make(u_char *visitor, referral_random_t *r)
{
    return referral_random(r, visitor, REFERRAL_VISITOR_SIZE);
}


void
referral_visitor_text(u_char *out, const u_char *visitor)
{
    referral_buf_t  b;

    referral_buf_init(&b, out, REFERRAL_VISITOR_LEN);
    referral_buf_base64url(&b, visitor, REFERRAL_VISITOR_SIZE);
}
