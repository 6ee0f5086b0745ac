
/*
 * The grammar of a line of conditions: words of "key=value[,value…]", and at
 * the end one word that is not.  "!" before a value negates it; a word that
 * begins with "#" ends the line.
 */


#ifndef _REFERRAL_CONDITIONS_H_INCLUDED_
#define _REFERRAL_CONDITIONS_H_INCLUDED_


#include "referral_str.h"


typedef struct {
    referral_str_t   key;        /* [A-Za-z0-9_.-]+ */
    referral_str_t   value;      /* one of the list, without its "!" */
    unsigned         negated:1;
    unsigned         first:1;    /* of its key's list */
} referral_pair_t;


/* anything but REFERRAL_OK ends the parsing; then *err says what is wrong */

typedef int (*referral_pair_pt)(void *data, const referral_pair_t *pair,
    const char **err);


/*
 * Calls "pair" for each value, in order; returns what it does when that is
 * not REFERRAL_OK.  *rest is the last word, of no bytes if there is none.
 * A key or value is never empty.  REFERRAL_ERROR with *err: not such a line.
 */
int referral_conditions_parse(const referral_str_t *line, referral_str_t *rest,
    referral_pair_pt pair, void *data, const char **err);


#endif /* _REFERRAL_CONDITIONS_H_INCLUDED_ */
