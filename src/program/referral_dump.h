
/*
 * A stream of facts as a file: each entry is a line, a JSON array of its id
 * and of its names and values,
 *
 *     ["12-0",["type","sale","event","evt_12"]]
 *
 * or an object whose first name is "id".  Bytes from 0x80 on are taken as they
 * are.
 */


#ifndef _REFERRAL_DUMP_H_INCLUDED_
#define _REFERRAL_DUMP_H_INCLUDED_


#include "referral_str.h"


void referral_dump_put(referral_buf_t *out, const referral_str_t *id,
    const referral_str_t *pair, size_t n);

/* a JSON string in quotes */
void referral_dump_text(referral_buf_t *out, const referral_str_t *s);

/*
 * Takes a line apart, in place: the texts lie in it.  Returns how many texts
 * there are in "pair", REFERRAL_ERROR if it is none or there are more than
 * "max".
 */
ssize_t referral_dump_parse(referral_str_t *line, referral_str_t *id,
    referral_str_t *pair, size_t max);


#endif /* _REFERRAL_DUMP_H_INCLUDED_ */
