
/*
 * Searches a text for many words in one pass, regardless of ASCII case: an
 * Aho-Corasick automaton with a dense table, so that each byte of the text
 * costs one step.
 */


#ifndef _REFERRAL_AUTOMATON_H_INCLUDED_
#define _REFERRAL_AUTOMATON_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_WORD_MAX      64        /* bytes of a word */
#define REFERRAL_AUTOMATON_MAX     16384
#define REFERRAL_AUTOMATON_MEMORY  (4 * 1024 * 1024)


/* where a word counts as found; without flags anywhere */

#define REFERRAL_WORD_START    1         /* the text begins with it */
#define REFERRAL_WORD_END      2         /* the text ends with it */
#define REFERRAL_WORD_LEFT     4         /* no letter or digit before it */
#define REFERRAL_WORD_RIGHT    8         /* no letter or digit behind it */


typedef struct referral_automaton_s  referral_automaton_t;


typedef struct {
    referral_str_t           text;
    unsigned                 flags;
} referral_automaton_word_t;


typedef struct {
    size_t                   start;
    size_t                   end;        /* the first byte behind the word */
    unsigned                 word;       /* its index in the array */
} referral_automaton_match_t;


typedef struct {
    const referral_automaton_t  *words;
    const u_char                *start;
    const u_char                *pos;
    const u_char                *last;       /* scanned up to here */
    const u_char                *end;        /* of what is scanned */
    uint32_t                     state;
    uint32_t                     found;      /* words that end at "pos" and
                                                were not returned yet */
} referral_automaton_scan_t;


/*
 * Builds the automaton in memory of its own; "word" may be freed afterwards.
 * NULL: no memory, the table would need more than REFERRAL_AUTOMATON_MEMORY, a
 * word is empty or longer than REFERRAL_WORD_MAX, or there are too many words.
 */
referral_automaton_t *
    referral_automaton_create(const referral_automaton_word_t *word, size_t n);
void referral_automaton_free(referral_automaton_t *words);

/* bytes that the automaton takes in memory */
size_t referral_automaton_size(const referral_automaton_t *words);

/*
 * Starts a scan of the first "max" bytes of the text.  The automaton and the
 * text must outlive the scan.
 */
void referral_automaton_scan(referral_automaton_scan_t *scan,
    const referral_automaton_t *words, const referral_str_t *text, size_t max);

/*
 * Returns 1 and the next word found, in the order of their ends; 0 when there
 * are no more.
 */
int referral_automaton_next(referral_automaton_scan_t *scan,
    referral_automaton_match_t *match);


#endif /* _REFERRAL_AUTOMATON_H_INCLUDED_ */
