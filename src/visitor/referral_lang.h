
/*
 * Languages and countries: which of a program's languages suits a visitor
 * best, and whether two tags mean the same.  As RFC 4647 looks languages up,
 * with what CLDR knows of other names, scripts and regions.
 */


#ifndef _REFERRAL_LANG_H_INCLUDED_
#define _REFERRAL_LANG_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_LANG_MAX    16
#define REFERRAL_LANGS_MAX   32


/*
 * A language tag.  Four letters each, filled up with spaces, in lower case,
 * by their right names: "iw-UK" is "he" and "gb".
 */

typedef struct {
    uint32_t            language;
    uint32_t            script;      /* where none was said the likely one */
    uint32_t            region;
    uint32_t            rest;        /* a hash of what else there is, or 0 */
    uint32_t            scripted;    /* a script was said */
} referral_lang_t;


/*
 * "zh-TW", "zh_Hant_TW", "de_DE.UTF-8", "sr_RS@latin".  REFERRAL_DECLINED: no
 * language.
 */
int referral_lang_parse(referral_lang_t *lang, const referral_str_t *tag);

/* [a-z]{2,3}(-[a-z0-9]{1,8})*, at most REFERRAL_LANG_MAX, either case, "_" */
int referral_lang_valid(const referral_str_t *tag);

/*
 * Appends a program's languages ("en,pt-BR") as code.  REFERRAL_DECLINED:
 * *err says what is wrong, and nothing was written.
 */
int referral_lang_compile(referral_buf_t *out, const referral_str_t *list,
    const char **err);

/*
 * The best of a program's languages (code; the first is the default) for an
 * Accept-Language, as the program wrote it; without code the visitor's first
 * choice, in lower case.  Writes at most REFERRAL_LANG_MAX bytes to "out",
 * returns their number; 0 if there is none.
 */
size_t referral_lang_choose(u_char *out, const referral_str_t *accept,
    const referral_str_t *code);

/*
 * Is "lang" what a rule for "rule" is for?  One without script and region is
 * for all that have one.
 */
int referral_lang_matches(const referral_lang_t *rule,
    const referral_lang_t *lang);

/*
 * Countries are two letters in upper case.  right: "UK" becomes "GB", and so
 * with other wrong or former codes that have one meaning; REFERRAL_OK if it is
 * a country's code then.  guess: what somebody may have meant by one that is
 * none, such as "JP" by "JA"; REFERRAL_DECLINED: nothing comes to mind.
 */
int referral_country_right(u_char *code);
int referral_country_guess(u_char *guess, const u_char *code);

/*
 * The spelling that is counted: lower case, "-".  Writes as many bytes as
 * "tag" has, at most REFERRAL_LANG_MAX, and returns them.
 */
referral_str_t referral_lang_key(u_char *out, const referral_str_t *tag);


#endif /* _REFERRAL_LANG_H_INCLUDED_ */
