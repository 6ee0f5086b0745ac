
/*
 * Names that the module makes: click ids and visitor ids; the size of a
 * journal's id.
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


/* of one call; a block is worth some ninety clicks */
#define REFERRAL_RANDOM_MAX         2048


/*
 * Random bytes by the block from OpenSSL: a call for each id costs more than
 * the id.  One a process; zeroed memory is a valid start, and a child must
 * start with zeroed memory again.
 */

typedef struct {
    size_t      left;
    u_char      pool[REFERRAL_RANDOM_MAX];
} referral_random_t;


/* REFERRAL_ERROR if the system has no randomness to give */
int referral_random(referral_random_t *r, u_char *out, size_t len);

/* a UUIDv7 (RFC 9562, section 5.7) of the millisecond "ms" */
int referral_click_id_make(u_char *id, referral_random_t *r, int64_t ms);

/* the millisecond that stands in it */
int64_t referral_click_id_time(const u_char *id);

/* writes REFERRAL_CLICK_ID_LEN bytes */
void referral_click_id_text(u_char *out, const u_char *id);

/* takes a UUIDv7 in lower or upper case, nothing else */
int referral_click_id_parse(u_char *id, const referral_str_t *s);

int referral_visitor_make(u_char *visitor, referral_random_t *r);

/* writes REFERRAL_VISITOR_LEN bytes */
void referral_visitor_text(u_char *out, const u_char *visitor);


#endif /* _REFERRAL_ID_H_INCLUDED_ */
