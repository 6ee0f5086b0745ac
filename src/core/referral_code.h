
/*
 * The code of a short link in what stands in its place: chat apps, keyboards
 * and copying glue text to links.
 */


#ifndef _REFERRAL_CODE_H_INCLUDED_
#define _REFERRAL_CODE_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_CODE_MAX  64


/* [A-Za-z0-9_-]{1,64} */
int referral_code_valid(const referral_str_t *s);

/*
 * The code at the start of "raw", the decoded rest of the path.  Left out are
 * blanks before it and what is not seen; letters and digits of another width
 * or font are those of ASCII.  It ends before a blank, before punctuation and
 * before a word in a script that has no Latin letters.  REFERRAL_DECLINED:
 * none, or what may be the beginning of another: an accent, a digit of
 * another script, bytes that are no UTF-8; or "CODE+", "CODE/…", "CODE.svg"
 * and "CODE.png", which are reserved.  *code lies in "raw", or in "buf" of
 * REFERRAL_CODE_MAX bytes.
 */
int referral_code_find(const referral_str_t *raw, referral_str_t *code,
    u_char *buf);


#endif /* _REFERRAL_CODE_H_INCLUDED_ */
