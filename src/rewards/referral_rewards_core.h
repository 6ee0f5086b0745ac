
/*
 * What the files of the reward rules share: the table of words, the state of
 * a text that is read, and complaints.
 */


#ifndef _REFERRAL_REWARDS_CORE_H_INCLUDED_
#define _REFERRAL_REWARDS_CORE_H_INCLUDED_


#include "referral_conditions.h"
#include "referral_rewards.h"


typedef enum {
    REFERRAL_REWARDS_T_AMOUNT = 0,
    REFERRAL_REWARDS_T_CHOICE,
    REFERRAL_REWARDS_T_CITY,
    REFERRAL_REWARDS_T_CODE,
    REFERRAL_REWARDS_T_COUNTRY,
    REFERRAL_REWARDS_T_DO,
    REFERRAL_REWARDS_T_DURATION,
    REFERRAL_REWARDS_T_ENDS,
    REFERRAL_REWARDS_T_EVENT,
    REFERRAL_REWARDS_T_FACTOR,
    REFERRAL_REWARDS_T_GIFT,
    REFERRAL_REWARDS_T_HOLD,
    REFERRAL_REWARDS_T_NAME,
    REFERRAL_REWARDS_T_NUMBER,
    REFERRAL_REWARDS_T_ON,
    REFERRAL_REWARDS_T_PARTY,
    REFERRAL_REWARDS_T_PAY,
    REFERRAL_REWARDS_T_RANGE,
    REFERRAL_REWARDS_T_REGION,
    REFERRAL_REWARDS_T_SIGNAL,
    REFERRAL_REWARDS_T_STARTS,
    REFERRAL_REWARDS_T_TEXT,
    REFERRAL_REWARDS_T_WORDS
} referral_rewards_type_e;


typedef struct {
    const char                   *name;
    unsigned                      word;     /* referral_rewards_word_e */
    unsigned                      kinds;    /* bits */
    unsigned                      needed;   /* bits: kinds that must say it */
    unsigned                      type;     /* referral_rewards_type_e */
    size_t                        field;    /* in referral_rewards_line_t */
    const char                   *values;   /* of a choice: "a|b|c" */
    const char                   *standard;
} referral_rewards_row_t;


typedef struct {
    referral_rewards_t           *rewards;
    referral_rewards_line_t      *line;     /* that is being read */
    referral_str_t                word;     /* of it, whole */
    const referral_rewards_row_t *row;      /* of the word; NULL: the first */
    unsigned                      number;   /* of the line */
    unsigned                      values;   /* of the word, so far */
    unsigned                      mistakes;
    unsigned                      first:1;  /* it is the line's first word */
    unsigned                      skip:1;   /* the rest of the word is not
                                               looked at */
    referral_rewards_complain_pt  complain;
    void                         *data;
} referral_rewards_read_t;


/* the table */

extern const referral_rewards_row_t  referral_rewards_rows[];
extern const unsigned                referral_rewards_nrows;
extern const char *const             referral_rewards_kinds[];
extern const char                    referral_rewards_signals[];

const referral_rewards_row_t *referral_rewards_row(unsigned kind,
    const referral_str_t *name);


/* is s the n-th of "a|b|c"?  REFERRAL_ERROR: it is none */
int referral_rewards_choice(const char *values, const referral_str_t *s);


/*
 * Complaints.  "%V" in the text stands for the next referral_str_t *.  The
 * first is about the word that is being read, the others about a word of a
 * line, or about the line's first if nothing is said of the word.
 */

void referral_rewards_wrong(referral_rewards_read_t *r, const char *right,
    ...);
void referral_rewards_wrong_at(referral_rewards_read_t *r,
    const referral_rewards_line_t *line, unsigned word, const char *right,
    ...);
void referral_rewards_warn_at(referral_rewards_read_t *r,
    const referral_rewards_line_t *line, unsigned word, const char *right,
    ...);


/* amounts; each complains and returns REFERRAL_ERROR, or REFERRAL_OK */

int referral_rewards_amount(referral_rewards_read_t *r,
    referral_rewards_amount_t *amount, const referral_str_t *text);
int referral_rewards_decimal(uint32_t *n, const referral_str_t *text,
    unsigned decimals, uint32_t max);
int referral_rewards_gift(referral_rewards_read_t *r,
    const referral_str_t *text);


/* takes a value of the word that is being read */
void referral_rewards_value(referral_rewards_read_t *r,
    const referral_pair_t *pair);

/* of a line's first word */
void referral_rewards_first(referral_rewards_read_t *r,
    const referral_pair_t *pair);


/* what one line, and what lines say together */
void referral_rewards_check(referral_rewards_read_t *r);

/* of a text without a mistake: what farms, leaks or never matches */
void referral_rewards_warn(referral_rewards_read_t *r);


#endif /* _REFERRAL_REWARDS_CORE_H_INCLUDED_ */
