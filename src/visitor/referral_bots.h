
/*
 * The list of words by which a User-Agent is recognised as a machine's or a
 * person's, and the search for them.  conf/bots.list documents its format.
 */


#ifndef _REFERRAL_BOTS_H_INCLUDED_
#define _REFERRAL_BOTS_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_BOTS_LIST_MAX  (1024 * 1024)    /* bytes of a list */
#define REFERRAL_BOTS_UA_MAX    1024             /* bytes of an agent that are
                                                    searched */


typedef struct referral_bots_s  referral_bots_t;


typedef enum {
    REFERRAL_BOTS_BOT = 0,
    REFERRAL_BOTS_PREVIEW,
    REFERRAL_BOTS_PERSON,
    REFERRAL_BOTS_TRAIT                          /* and above: words of the
                                                    caller */
} referral_bots_class_e;


/*
 * More flags of a trait, beside REFERRAL_WORD_...: what it means for the names
 * of makers, models and carriers in the User-Agent, which may contain any
 * word.
 */

#define REFERRAL_BOTS_NAMING    16               /* such names may follow in
                                                    this User-Agent */
#define REFERRAL_BOTS_NO_NAME   32               /* not found within such a
                                                    name */


/* a word of the caller's own, found in the same pass */

typedef struct {
    const char      *text;
    unsigned         flags;                      /* REFERRAL_WORD_...,
                                                    REFERRAL_BOTS_... */
    unsigned         trait;                      /* the bit that it sets, 0 to
                                                    63 */
} referral_bots_trait_t;


/* a word of the list; "text" without the marks for flags */

typedef struct {
    referral_str_t   text;
    unsigned         class;
    unsigned         flags;                      /* REFERRAL_WORD_... */
    unsigned         line;
} referral_bots_word_t;


/* for each class the number of the first word that counts; 0: none */

typedef struct {
    uint64_t         traits;                     /* the bits of the traits that
                                                    were found */
    unsigned         bot;
    unsigned         preview;
    unsigned         person;
} referral_bots_found_t;


typedef struct {
    unsigned         line;                       /* 0: of no single line */
    unsigned         other;                      /* the line that has the same
                                                    word, or 0 */
    const char      *what;
} referral_bots_error_t;


/*
 * Builds the searcher from a list; with NULL from the list that the module was
 * built with.  Traits end with an empty text and are copied, as the list is.
 * NULL: "error" says what is wrong with which line.
 */
referral_bots_t *referral_bots_create(const referral_str_t *list,
    const referral_bots_trait_t *traits, referral_bots_error_t *error);
void referral_bots_free(referral_bots_t *bots);

void referral_bots_find(referral_bots_found_t *found,
    const referral_bots_t *bots, const referral_str_t *ua);

/* the word of this number in referral_bots_found_t; NULL if there is none */
const referral_bots_word_t *referral_bots_word(const referral_bots_t *bots,
    unsigned number);

/* how many words the list has, and how many bytes the automaton takes */
unsigned referral_bots_words(const referral_bots_t *bots);
size_t referral_bots_size(const referral_bots_t *bots);


#endif /* _REFERRAL_BOTS_H_INCLUDED_ */
