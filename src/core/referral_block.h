
/*
 * Blocks, the building stones of compiled templates and rules: two bytes of
 * length, little-endian, and as many bytes of content.
 */


#ifndef _REFERRAL_BLOCK_H_INCLUDED_
#define _REFERRAL_BLOCK_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_BLOCK_MAX   65535
#define REFERRAL_BLOCK_SIZE  2        /* bytes of the length */


/*
 * Begins a block at the end of "out" and returns its start.  What is appended
 * until it is closed is its content.  Blocks nest.
 */

static inline u_char *
referral_block_open(referral_buf_t *out)
{
    u_char  *block;

    block = out->pos;

    referral_buf_put(out, "\0\0", REFERRAL_BLOCK_SIZE);

    return block;
}


/*
 * Writes the length.  REFERRAL_ERROR: the content is too long for two bytes,
 * or "out" overflowed.
 */

static inline int
referral_block_close(referral_buf_t *out, u_char *block)
{
    size_t  len;

    if (out->overflow) {
        return REFERRAL_ERROR;
    }

    len = out->pos - block - REFERRAL_BLOCK_SIZE;

    if (len > REFERRAL_BLOCK_MAX) {
        return REFERRAL_ERROR;
    }

    block[0] = (u_char) len;
    block[1] = (u_char) (len >> 8);

    return REFERRAL_OK;
}


static inline int
referral_block_put(referral_buf_t *out, const referral_str_t *s)
{
    u_char  *block;

    block = referral_block_open(out);
    referral_buf_str(out, s);

    return referral_block_close(out, block);
}


/*
 * Takes the block that "code" begins with and moves "code" behind it.  0:
 * "code" does not begin with a complete block.
 */

static inline int
referral_block_take(referral_str_t *code, referral_str_t *block)
{
    size_t  len;

    if (code->len < REFERRAL_BLOCK_SIZE) {
        return 0;
    }

    len = code->data[0] | code->data[1] << 8;

    if (code->len - REFERRAL_BLOCK_SIZE < len) {
        return 0;
    }

    block->data = code->data + REFERRAL_BLOCK_SIZE;
    block->len = len;

    code->data = block->data + len;
    code->len -= REFERRAL_BLOCK_SIZE + len;

    return 1;
}


#endif /* _REFERRAL_BLOCK_H_INCLUDED_ */
