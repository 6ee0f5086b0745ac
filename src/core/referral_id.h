
/*
 * The ids that the module makes, of clicks and visitors, and the sizes of
 * these and of a journal's id.
 */


#ifndef _REFERRAL_ID_H_INCLUDED_
#define _REFERRAL_ID_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_CLICK_ID_SIZE      16
#define REFERRAL_CLICK_ID_LEN       36    /* 8-4-4-4-12 */
#define REFERRAL_JOURNAL_ID_SIZE    16
#define REFERRAL_JOURNAL_ID_LEN     32    /* hexadecimal */
#define REFERRAL_VISITOR_SIZE       12
#define REFERRAL_VISITOR_LEN        16    /* base64url */


/*
 * The most bytes that one call of referral_random() may ask for, and the size
 * of its block, which serves some ninety clicks.
 */
#define REFERRAL_RANDOM_MAX         2048


/*
 * A pool of random bytes that are fetched from OpenSSL by the block, because a
 * call for each id costs more than the id.  One for each process: zeroed
 * memory is an empty pool, and a child process must start with an empty one.
 */

typedef struct {
    size_t      left;
    u_char      pool[REFERRAL_RANDOM_MAX];
} referral_random_t;


/* REFERRAL_ERROR: OpenSSL gave no random bytes */
int referral_random(referral_random_t *r, u_char *out, size_t len);

/*
 * Makes a UUIDv7 (RFC 9562, section 5.7) with "ms" as its time.
 * REFERRAL_ERROR as referral_random().
 */
int referral_click_id_make(u_char *id, referral_random_t *r, int64_t ms);

/* the time of a click id, in milliseconds since 1970 */
int64_t referral_click_id_time(const u_char *id);

/* writes REFERRAL_CLICK_ID_LEN bytes */
void referral_click_id_text(u_char *out, const u_char *id);

/*
 * Reads the text of a UUIDv7, in lower or upper case; REFERRAL_ERROR for
 * anything else.
 */
int referral_click_id_parse(u_char *id, const referral_str_t *s);

int referral_visitor_make(u_char *visitor, referral_random_t *r);

/* writes REFERRAL_VISITOR_LEN bytes */
void referral_visitor_text(u_char *out, const u_char *visitor);


#endif /* _REFERRAL_ID_H_INCLUDED_ */
