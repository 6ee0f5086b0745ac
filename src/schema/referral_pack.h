
/*
 * MessagePack, always in the shortest form: texts, numbers from 0 on, and the
 * head of an array, whose elements follow it.
 */


#ifndef _REFERRAL_PACK_H_INCLUDED_
#define _REFERRAL_PACK_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_PACK_NUMBER    9       /* bytes of a number, at most */
#define REFERRAL_PACK_TEXT_MAX  65535   /* bytes of a text */


/* the number's lowest bytes, the highest of them first */

static inline u_char *
referral_pack_bytes(u_char *p, uint64_t n, unsigned size)
{
    while (size--) {
        *p++ = (u_char) (n >> (8 * size));
    }

    return p;
}


/* the head of a text, of 3 bytes at most */

static inline u_char *
referral_pack_head(u_char *p, size_t len)
{
    if (len < 32) {
        *p++ = (u_char) (0xa0 | len);

    } else if (len < 0x100) {
        *p++ = 0xd9;
        *p++ = (u_char) len;

    } else {
        *p++ = 0xda;
        *p++ = (u_char) (len >> 8);
        *p++ = (u_char) len;
    }

    return p;
}


/* REFERRAL_PACK_NUMBER bytes at most */

static inline u_char *
referral_pack_number(u_char *p, uint64_t n)
{
    if (n < 0x80) {
        *p++ = (u_char) n;
        return p;
    }

    if (n < 0x100) {
        *p++ = 0xcc;
        *p++ = (u_char) n;
        return p;
    }

    if (n < 0x10000) {
        *p++ = 0xcd;
        return referral_pack_bytes(p, n, 2);
    }

    if (n < 0x100000000ULL) {
        *p++ = 0xce;
        return referral_pack_bytes(p, n, 4);
    }

    *p++ = 0xcf;
    return referral_pack_bytes(p, n, 8);
}


static inline void
referral_pack_uint(referral_buf_t *out, uint64_t n)
{
    if (out->end - out->pos < REFERRAL_PACK_NUMBER) {
        out->overflow = 1;
        return;
    }

    out->pos = referral_pack_number(out->pos, n);
}


static inline void
referral_pack_array(referral_buf_t *out, uint32_t n)
{
    u_char  *p, head[5];

    p = head;

    if (n < 16) {
        *p++ = (u_char) (0x90 | n);

    } else if (n < 0x10000) {
        *p++ = 0xdc;
        p = referral_pack_bytes(p, n, 2);

    } else {
        *p++ = 0xdd;
        p = referral_pack_bytes(p, n, 4);
    }

    referral_buf_put(out, head, p - head);
}


#endif /* _REFERRAL_PACK_H_INCLUDED_ */
