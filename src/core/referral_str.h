
/*
 * Counted strings and output that cannot overflow: the basis of all files that
 * do not know nginx.
 */


#ifndef _REFERRAL_STR_H_INCLUDED_
#define _REFERRAL_STR_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>


/*
 * Files with and without nginx's headers share structures that hold an off_t.
 * nginx defines it with 64 bits, so every other compilation has to pass
 * -D_FILE_OFFSET_BITS=64, as "config" does.
 */

_Static_assert(sizeof(off_t) == 8, "-D_FILE_OFFSET_BITS=64 is missing");


/* return values; the same as nginx's */

#define REFERRAL_OK         0
#define REFERRAL_ERROR     -1
#define REFERRAL_AGAIN     -2
#define REFERRAL_DECLINED  -5


/*
 * A string that is not terminated and does not own its bytes.  Laid out as
 * ngx_str_t.
 */

typedef struct {
    size_t      len;
    u_char     *data;
} referral_str_t;


#define referral_string(str)     { sizeof(str) - 1, (u_char *) str }
#define referral_null_string     { 0, NULL }
#define referral_str_set(s, text)                                             \
    (s)->len = sizeof(text) - 1; (s)->data = (u_char *) text

/* comparisons with a string literal; the second ignores ASCII case */

#define referral_str_is(s, text)                                              \
    ((s)->len == sizeof(text) - 1                                             \
     && memcmp((s)->data, text, sizeof(text) - 1) == 0)

#define referral_str_is_nocase(s, text)                                       \
    ((s)->len == sizeof(text) - 1                                             \
     && strncasecmp((char *) (s)->data, text, sizeof(text) - 1) == 0)


/*
 * Output into memory of the caller.  Nothing is ever written beyond "end": a
 * piece that does not fit is left out whole and sets "overflow", which stays
 * set.
 */

typedef struct {
    u_char     *start;
    u_char     *pos;
    u_char     *end;
    unsigned    overflow:1;
} referral_buf_t;


static inline void
referral_buf_init(referral_buf_t *b, void *data, size_t size)
{
    b->start = data;
    b->pos = data;
    b->end = b->start + size;
    b->overflow = 0;
}


static inline void
referral_buf_put(referral_buf_t *b, const void *data, size_t len)
{
    if ((size_t) (b->end - b->pos) < len) {
        b->overflow = 1;
        return;
    }

    if (len) {
        memcpy(b->pos, data, len);
        b->pos += len;
    }
}


static inline void
referral_buf_putc(referral_buf_t *b, u_char c)
{
    if (b->pos == b->end) {
        b->overflow = 1;
        return;
    }

    *b->pos++ = c;
}


#define referral_buf_puts(b, text)                                            \
    referral_buf_put(b, text, sizeof(text) - 1)

#define referral_buf_str(b, s)                                                \
    referral_buf_put(b, (s)->data, (s)->len)


/* writes a byte as two lower case hexadecimal digits */

extern const u_char  referral_hex_pairs[];

static inline void
referral_hex_put(u_char *out, u_char byte)
{
    memcpy(out, &referral_hex_pairs[2 * byte], 2);
}


static inline int
referral_str_eq(const referral_str_t *a, const referral_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


/* percent-encodes all but the unreserved characters of RFC 3986 */
void referral_buf_escape(referral_buf_t *b, const referral_str_t *s);

/*
 * For text that is part of a URL already: "%" and what may stand in a URL are
 * kept, the rest is percent-encoded (controls, spaces, quotes, "<>\^`{|}" and
 * all bytes from 0x7f).
 */
void referral_buf_escape_uri(referral_buf_t *b, const referral_str_t *s);

/* decimal */
void referral_buf_uint(referral_buf_t *b, uint64_t n);

/* lower case hexadecimal, two digits a byte */
void referral_buf_hex(referral_buf_t *b, const u_char *data, size_t len);

/* base64url without padding, RFC 4648, section 5 */
void referral_buf_base64url(referral_buf_t *b, const u_char *data, size_t len);

/*
 * Decodes only the canonical text of some bytes: no padding, no other
 * alphabet, unused bits zero.  Writes at most "size" bytes and returns their
 * number, or REFERRAL_ERROR.
 */
ssize_t referral_base64url_decode(u_char *out, size_t size,
    const referral_str_t *s);

/*
 * Returns the number of bytes written, len / 2, or REFERRAL_ERROR; takes upper
 * and lower case.
 */
ssize_t referral_hex_decode(u_char *out, size_t size, const referral_str_t *s);

/*
 * The length of the UTF-8 character that begins with this byte; 1 if none
 * does.
 */
size_t referral_utf8_length(u_char first);

/*
 * Takes a character of UTF-8 from a text that is not empty.  REFERRAL_ERROR:
 * an overlong form, a surrogate or an invalid byte; then one byte is taken.
 */
int32_t referral_utf8_next(referral_str_t *s);

/*
 * Reads a decimal from 0 to max, without a sign; REFERRAL_ERROR for anything
 * else.
 */
int64_t referral_str_uint(const referral_str_t *s, int64_t max);

/* removes spaces, tabs and line ends at both ends */
void referral_str_trim(referral_str_t *s);

/* changes the bytes in place, ASCII only */
void referral_str_lower(referral_str_t *s);


#endif /* _REFERRAL_STR_H_INCLUDED_ */
