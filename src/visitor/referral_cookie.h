
/*
 * The attribution cookie: both touches of one visitor in one program, signed.
 */


#ifndef _REFERRAL_COOKIE_H_INCLUDED_
#define _REFERRAL_COOKIE_H_INCLUDED_


#include "referral_code.h"
#include "referral_id.h"
#include "referral_name.h"
#include "referral_str.h"


#define REFERRAL_KEYS_MAX    16
#define REFERRAL_KEY_MIN     32
#define REFERRAL_COOKIE_MAX  512    /* as text */


typedef struct referral_keys_s  referral_keys_t;


/* one click; its time stands in its id */

typedef struct {
    uint8_t             code_len;
    u_char              code[REFERRAL_CODE_MAX];
    u_char              click_id[REFERRAL_CLICK_ID_SIZE];
} referral_touch_t;


/*
 * An open touch is of a click whose link could not be looked up then: it may
 * not exist.
 */

typedef struct {
    u_char              visitor[REFERRAL_VISITOR_SIZE];
    referral_touch_t    first;
    referral_touch_t    last;
    uint8_t             first_open;
    uint8_t             last_open;
} referral_cookie_t;


/* why a cookie is as if absent */

typedef enum {
    REFERRAL_COOKIE_OK = 0,
    REFERRAL_COOKIE_MALFORMED,
    REFERRAL_COOKIE_KEY,         /* no key of that id */
    REFERRAL_COOKIE_SIGNATURE,
    REFERRAL_COOKIE_PROGRAM,     /* made for another program */
    REFERRAL_COOKIE_EXPIRED
} referral_cookie_e;


/*
 * Keys from the text of a key file: one a line, "#" comments, each of at
 * least REFERRAL_KEY_MIN bytes; the first signs, all verify.  *err says what
 * is wrong ("line" 0: the whole file).
 */
referral_keys_t *referral_keys_create(const referral_str_t *text,
    unsigned *line, const char **err);
void referral_keys_free(referral_keys_t *keys);

/* writes at most REFERRAL_COOKIE_MAX bytes; returns their number, or
 * REFERRAL_ERROR */
ssize_t referral_cookie_encode(u_char *out, referral_keys_t *keys,
    const referral_str_t *program, const referral_cookie_t *cookie);

/*
 * One MAC at most.  "now" in ms, "window" in seconds: a last touch older than
 * that is EXPIRED, a first touch older than that is replaced by the last; a
 * touch of up to five minutes in the future is taken.
 */
referral_cookie_e referral_cookie_decode(referral_cookie_t *cookie,
    referral_keys_t *keys, const referral_str_t *program,
    const referral_str_t *text, int64_t now, int64_t window);

/*
 * HMAC-SHA256 with the signing key, cut to "len" <= 32 bytes, over a label
 * (what it is for) and data.
 */
int referral_keys_mac(u_char *out, size_t len, referral_keys_t *keys,
    const referral_str_t *label, const referral_str_t *data);


#endif /* _REFERRAL_COOKIE_H_INCLUDED_ */
