
#include "referral_name.h"


/* one bit for each kind of name; bytes from 0x80 are in none */

#define REFERRAL_CHAR_WORD      0x01
#define REFERRAL_CHAR_REFERRER  0x02
#define REFERRAL_CHAR_ANY       0x03

static const u_char  referral_chars[256] = {
    ['+'] = REFERRAL_CHAR_REFERRER,
    ['-' ... '.'] = REFERRAL_CHAR_ANY,
    ['0' ... '9'] = REFERRAL_CHAR_ANY,
    ['@'] = REFERRAL_CHAR_REFERRER,
    ['A' ... 'Z'] = REFERRAL_CHAR_REFERRER,
    ['_'] = REFERRAL_CHAR_ANY,
    ['a' ... 'z'] = REFERRAL_CHAR_ANY
};


static int referral_chars_valid(const referral_str_t *s, size_t max,
    u_char kind);


int
referral_program_valid(const referral_str_t *s)
{
    return referral_chars_valid(s, REFERRAL_PROGRAM_MAX, REFERRAL_CHAR_WORD);
}


int
referral_word_valid(const referral_str_t *s)
{
    return referral_chars_valid(s, REFERRAL_CHANNEL_MAX, REFERRAL_CHAR_WORD);
}


int
referral_referrer_valid(const referral_str_t *s)
{
    return referral_chars_valid(s, REFERRAL_REFERRER_MAX,
                                REFERRAL_CHAR_REFERRER);
}


static int
referral_chars_valid(const referral_str_t *s, size_t max, u_char kind)
{
    size_t  i;

    if (s->len == 0 || s->len > max) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        if (!(referral_chars[s->data[i]] & kind)) {
            return 0;
        }
    }

    return 1;
}
