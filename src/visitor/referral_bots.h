
/*
 * The list of words by which a User-Agent is a machine's or a person's, and
 * what of it a User-Agent holds.  conf/bots.list says how it is written.
 */


#ifndef _REFERRAL_BOTS_H_INCLUDED_
#define _REFERRAL_BOTS_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_BOTS_LIST_MAX  (1024 * 1024)    /* bytes of a list */
#define REFERRAL_BOTS_UA_MAX    1024             /* looked at, of an agent */


typedef struct referral_bots_s  referral_bots_t;


typedef enum {
    REFERRAL_BOTS_BOT = 0,
    REFERRAL_BOTS_PREVIEW,
    REFERRAL_BOTS_PERSON,
    REFERRAL_BOTS_TRAIT                          /* a word that is not of a
                                                    list */
} referral_bots_class_e;


/*
 * Beside REFERRAL_WORD_...: how a trait goes with names.  Makers call phones
 * what they like, and agents name maker, model, codename and carrier.
 */

#define REFERRAL_BOTS_NAMING    16               /* names may follow */
#define REFERRAL_BOTS_NO_NAME   32               /* not counted in a name */


/* words of the caller's own that are found in the same pass */

typedef struct {
    const char      *text;
    unsigned         flags;                      /* REFERRAL_WORD_...,
                                                    REFERRAL_BOTS_... */
    unsigned         trait;                      /* 0 to 63 */
} referral_bots_trait_t;


/* a word of the list; "text" without the marks */

typedef struct {
    referral_str_t   text;
    unsigned         class;
    unsigned         flags;                      /* REFERRAL_WORD_... */
    unsigned         line;
} referral_bots_word_t;


/* of each class the number of the first word that counts; 0: none */

typedef struct {
    uint64_t         traits;                     /* a bit for each */
    unsigned         bot;
    unsigned         preview;
    unsigned         person;
} referral_bots_found_t;


typedef struct {
    unsigned         line;                       /* 0: of no line */
    unsigned         other;                      /* that has the word, or 0 */
    const char      *what;
} referral_bots_error_t;


/*
 * "list" NULL: the one that the module was built with.  Traits end with an
 * empty text, and are copied.  NULL: "error" says why.
 */
referral_bots_t *referral_bots_create(const referral_str_t *list,
    const referral_bots_trait_t *traits, referral_bots_error_t *error);
void referral_bots_free(referral_bots_t *bots);

void referral_bots_find(referral_bots_found_t *found,
    const referral_bots_t *bots, const referral_str_t *ua);

/* by the number that was found; NULL if there is none */
const referral_bots_word_t *referral_bots_word(const referral_bots_t *bots,
    unsigned number);

/* words of the list, and bytes of the automaton */
unsigned referral_bots_words(const referral_bots_t *bots);
size_t referral_bots_size(const referral_bots_t *bots);


#endif /* _REFERRAL_BOTS_H_INCLUDED_ */
