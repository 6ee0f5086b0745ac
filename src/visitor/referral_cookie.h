
/*
 * The attribution cookie: the first and the last touch of one visitor in one
 * program, signed.
 */


#ifndef _REFERRAL_COOKIE_H_INCLUDED_
#define _REFERRAL_COOKIE_H_INCLUDED_


#include "referral_code.h"
#include "referral_id.h"
#include "referral_name.h"
#include "referral_str.h"


#define REFERRAL_KEYS_MAX    16
#define REFERRAL_KEY_MIN     32
#define REFERRAL_COOKIE_MAX  512    /* bytes of its text */


typedef struct referral_keys_s  referral_keys_t;


/* one click; its time is part of its id */

typedef struct {
    uint8_t             code_len;
    u_char              code[REFERRAL_CODE_MAX];
    u_char              click_id[REFERRAL_CLICK_ID_SIZE];
} referral_touch_t;


/*
 * "open": the link could not be looked up at the time of the click, so the
 * code may not exist.
 */

typedef struct {
    u_char              visitor[REFERRAL_VISITOR_SIZE];
    referral_touch_t    first;
    referral_touch_t    last;
    uint8_t             first_open;
    uint8_t             last_open;
} referral_cookie_t;


/* why a cookie is treated as absent */

typedef enum {
    REFERRAL_COOKIE_OK = 0,
    REFERRAL_COOKIE_MALFORMED,
    REFERRAL_COOKIE_KEY,         /* no key has its id */
    REFERRAL_COOKIE_SIGNATURE,
    REFERRAL_COOKIE_PROGRAM,     /* it was made for another program */
    REFERRAL_COOKIE_EXPIRED
} referral_cookie_e;


/*
 * Reads a key file: one key on each line, "#" comments, each of at least
 * REFERRAL_KEY_MIN bytes.  The first key signs, all verify.  NULL: *err is a
 * static sentence that says what is wrong in line *line; 0: in the whole file.
 */
referral_keys_t *referral_keys_create(const referral_str_t *text,
    unsigned *line, const char **err);
void referral_keys_free(referral_keys_t *keys);

/*
 * Writes at most REFERRAL_COOKIE_MAX bytes and returns their number, or
 * REFERRAL_ERROR.
 */
ssize_t referral_cookie_encode(u_char *out, referral_keys_t *keys,
    const referral_str_t *program, const referral_cookie_t *cookie);

/*
 * Computes at most one MAC.  "now" is in ms, "window" in seconds: a cookie
 * whose last touch is older is EXPIRED, a first touch that is older is
 * replaced by the last.  A touch may lie up to five minutes in the future.
 */
referral_cookie_e referral_cookie_decode(referral_cookie_t *cookie,
    referral_keys_t *keys, const referral_str_t *program,
    const referral_str_t *text, int64_t now, int64_t window);

/*
 * HMAC-SHA256 with the signing key over a label, which names the purpose, and
 * "data"; cut to "len" bytes, 32 at most.
 */
int referral_keys_mac(u_char *out, size_t len, referral_keys_t *keys,
    const referral_str_t *label, const referral_str_t *data);


#endif /* _REFERRAL_COOKIE_H_INCLUDED_ */
