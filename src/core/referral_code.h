
/*
 * Finds the code in the path of a short link, to which chat apps, keyboards
 * and copying may have attached other text.
 */


#ifndef _REFERRAL_CODE_H_INCLUDED_
#define _REFERRAL_CODE_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_CODE_MAX  64


/* [A-Za-z0-9_-]{1,64} */
int referral_code_valid(const referral_str_t *s);

/*
 * Finds the code at the start of "raw", the decoded rest of the path.  Blanks
 * before it and invisible characters are skipped; full-width and other
 * variants of ASCII letters and digits count as these.  The code ends before a
 * blank, before punctuation and before a word in a script without Latin
 * letters.
 *
 * REFERRAL_DECLINED: there is no code, or what follows could belong to another
 * code (an accent, a digit of another script, bytes that are no UTF-8), or it
 * is "CODE+", "CODE/...", "CODE.svg" or "CODE.png", which are reserved.
 *
 * *code points into "raw", or into "buf" of REFERRAL_CODE_MAX bytes.
 */
int referral_code_find(const referral_str_t *raw, referral_str_t *code,
    u_char *buf);


#endif /* _REFERRAL_CODE_H_INCLUDED_ */
