
/*
 * Languages and countries: which of a program's languages suits a visitor
 * best, and whether two tags mean the same language.  Look-up follows RFC
 * 4647; other names, likely scripts and parent regions come from CLDR.
 */


#ifndef _REFERRAL_LANG_H_INCLUDED_
#define _REFERRAL_LANG_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_LANG_MAX    16
#define REFERRAL_LANGS_MAX   32


/*
 * A language tag.  Each member is four lower case letters, padded with spaces,
 * of the canonical name: "iw-UK" becomes "he" and "gb".
 */

typedef struct {
    uint32_t            language;
    uint32_t            script;      /* the likely one, if the tag has none */
    uint32_t            region;
    uint32_t            rest;        /* hash of the other subtags, or 0 */
    uint32_t            scripted;    /* the tag names its script */
} referral_lang_t;


/*
 * Reads tags such as "zh-TW", "zh_Hant_TW", "de_DE.UTF-8" and "sr_RS@latin".
 * REFERRAL_DECLINED: it is no language.
 */
int referral_lang_parse(referral_lang_t *lang, const referral_str_t *tag);

/*
 * [a-z]{2,3}(-[a-z0-9]{1,8})*, at most REFERRAL_LANG_MAX bytes, upper and
 * lower case, "_" as "-".
 */
int referral_lang_valid(const referral_str_t *tag);

/*
 * Compiles a program's languages ("en,pt-BR") and appends the code.
 * REFERRAL_DECLINED: *err is a static sentence that says what is wrong, and
 * nothing was written.
 */
int referral_lang_compile(referral_buf_t *out, const referral_str_t *list,
    const char **err);

/*
 * Chooses the best of a program's languages for an Accept-Language header, in
 * the program's spelling; the first one is the default.  With empty "code" it
 * is the visitor's first choice, in lower case.  Writes at most
 * REFERRAL_LANG_MAX bytes to "out" and returns their number; 0 if there is
 * none.
 */
size_t referral_lang_choose(u_char *out, const referral_str_t *accept,
    const referral_str_t *code);

/*
 * Does a rule for the language "rule" match "lang"?  A rule without script and
 * region matches all scripts and regions of its language.
 */
int referral_lang_matches(const referral_lang_t *rule,
    const referral_lang_t *lang);

/*
 * Countries are two upper case letters.  right: replaces a wrong or former
 * code of one meaning ("UK") by the right one ("GB"); REFERRAL_OK if the
 * result is a country.  guess: the code that an unknown one was probably meant
 * to be ("JP" for "JA"); REFERRAL_DECLINED if there is no guess.
 */
int referral_country_right(u_char *code);
int referral_country_guess(u_char *guess, const u_char *code);

/*
 * The spelling under which a language is counted: lower case with "-".  Writes
 * as many bytes to "out" as "tag" has, at most REFERRAL_LANG_MAX, and returns
 * them.
 */
referral_str_t referral_lang_key(u_char *out, const referral_str_t *tag);


#endif /* _REFERRAL_LANG_H_INCLUDED_ */
