
/*
 * Many words looked for in one pass over a text, regardless of ASCII case: an
 * Aho-Corasick automaton with a dense table.  A step a byte, whatever the
 * text holds.
 */


#ifndef _REFERRAL_AUTOMATON_H_INCLUDED_
#define _REFERRAL_AUTOMATON_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_WORD_MAX      64        /* bytes of one */
#define REFERRAL_AUTOMATON_MAX     16384
#define REFERRAL_AUTOMATON_MEMORY  (4 * 1024 * 1024)


/* where a word counts; without any of these it does everywhere */

#define REFERRAL_WORD_START    1         /* the text begins with it */
#define REFERRAL_WORD_END      2         /* … ends with it */
#define REFERRAL_WORD_LEFT     4         /* no letter or digit before it */
#define REFERRAL_WORD_RIGHT    8         /* … behind it */


typedef struct referral_automaton_s  referral_automaton_t;


typedef struct {
    referral_str_t           text;
    unsigned                 flags;
} referral_automaton_word_t;


typedef struct {
    size_t                   start;
    size_t                   end;        /* the first byte behind */
    unsigned                 word;       /* its place in the array */
} referral_automaton_match_t;


typedef struct {
    const referral_automaton_t  *words;
    const u_char                *start;
    const u_char                *pos;
    const u_char                *last;       /* looked at until here */
    const u_char                *end;        /* of the text */
    uint32_t                     state;
    uint32_t                     found;      /* words that end at "pos" */
} referral_automaton_scan_t;


/*
 * Keeps nothing of "word".  NULL: no memory, or the table would need more than
 * REFERRAL_AUTOMATON_MEMORY, or a word is empty or too long, or they are too
 * many.
 */
referral_automaton_t *
    referral_automaton_create(const referral_automaton_word_t *word, size_t n);
void referral_automaton_free(referral_automaton_t *words);

/* bytes that it takes */
size_t referral_automaton_size(const referral_automaton_t *words);

/* at most "max" bytes are looked at */
void referral_automaton_scan(referral_automaton_scan_t *scan,
    const referral_automaton_t *words, const referral_str_t *text, size_t max);

/* the next word that is there, by where it ends; 0: there are no more */
int referral_automaton_next(referral_automaton_scan_t *scan,
    referral_automaton_match_t *match);


#endif /* _REFERRAL_AUTOMATON_H_INCLUDED_ */
