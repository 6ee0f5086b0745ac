
/*
 * The grammar of a line of conditions: words of "key=value[,value...]", and as
 * the last word optionally one without "=".  "!" before a value negates it; a
 * word that begins with "#" starts a comment.
 */


#ifndef _REFERRAL_CONDITIONS_H_INCLUDED_
#define _REFERRAL_CONDITIONS_H_INCLUDED_


#include "referral_str.h"


typedef struct {
    referral_str_t   key;        /* [A-Za-z0-9_.-]+ */
    referral_str_t   value;      /* without its "!" */
    unsigned         negated:1;
    unsigned         first:1;    /* the first value of its key */
} referral_pair_t;


/*
 * Any result but REFERRAL_OK ends the parsing; then *err is a static sentence
 * that says what is wrong.
 */

typedef int (*referral_pair_pt)(void *data, const referral_pair_t *pair,
    const char **err);


/*
 * Calls "pair" for each value in order and returns its result if that is not
 * REFERRAL_OK.  *rest is the last word without "=", empty if there is none.
 * Keys and values are never empty; all strings point into "line".
 * REFERRAL_ERROR: the line is malformed, and *err says how.
 */
int referral_conditions_parse(const referral_str_t *line, referral_str_t *rest,
    referral_pair_pt pair, void *data, const char **err);


#endif /* _REFERRAL_CONDITIONS_H_INCLUDED_ */
