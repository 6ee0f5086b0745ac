
/*
 * A command for Redis, in RESP: the number of its words, and the words.  What
 * runs a script begins with its text, or with the SHA-1 by which Redis knows
 * it.
 */


#ifndef _REFERRAL_COMMAND_H_INCLUDED_
#define _REFERRAL_COMMAND_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_SHA1_LEN  40


/* a script's text, which must stay, and its SHA-1 in hexadecimal */

typedef struct {
    referral_str_t      text;
    u_char              sha1[REFERRAL_SHA1_LEN];
} referral_script_t;


/* REFERRAL_ERROR if libcrypto fails */
int referral_command_script(referral_script_t *script, const char *text,
    size_t len);

/* so many words follow */
void referral_command_words(referral_buf_t *out, uint64_t n);

void referral_command_put(referral_buf_t *out, const void *data, size_t len);
void referral_command_put_number(referral_buf_t *out, uint64_t n);

/*
 * The first words of a command with "keys" keys and "args" arguments, which
 * follow: EVALSHA and the SHA-1, with "full" EVAL and the text.
 */
void referral_command_eval(referral_buf_t *out,
    const referral_script_t *script, int full, uint64_t keys, uint64_t args);


#endif /* _REFERRAL_COMMAND_H_INCLUDED_ */
