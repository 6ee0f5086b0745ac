
/*
 * Where an item of the state stands in Redis: the names of keys and fields.
 * They stand here and nowhere else.
 */


#ifndef _REFERRAL_STATE_H_INCLUDED_
#define _REFERRAL_STATE_H_INCLUDED_


#include "referral_name.h"
#include "referral_view.h"


#define REFERRAL_STATE_PREFIX   64       /* bytes of a prefix, at most */
#define REFERRAL_STATE_KEY      384      /* of a key */


/* the strings belong to the caller */

typedef struct {
    referral_str_t          prefix;      /* "ref:"; no braces */
    referral_str_t          program;
} referral_state_t;


/* "ref:stats:{p}:CODE" of an item */
void referral_state_key(referral_buf_t *out, const referral_state_t *state,
    const referral_view_item_t *item);

/* the field, or the member; of FRIEND and OPEN there are several: empty */
referral_str_t referral_state_field(const referral_view_item_t *item);

/* do two items stand in one key? */
int referral_state_together(const referral_view_item_t *a,
    const referral_view_item_t *b);

/* seconds since 1970 at which the key of an item ends; 0: it does not */
int64_t referral_state_ends(const referral_view_item_t *item);

/* "ref:NAME:{p}": conversions, settled, program, rules … */
void referral_state_name(referral_buf_t *out, const referral_state_t *state,
    const char *name);


#endif /* _REFERRAL_STATE_H_INCLUDED_ */
