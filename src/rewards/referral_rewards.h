
/*
 * The reward rules of a program, as a text says them: which events of a friend
 * give what to whom.  A line of words "key=value[,value]", as those of landing
 * rules (referral_conditions.h); the first key of a line is its kind.
 *
 * A text with one mistake is refused as a whole: a line that is skipped would
 * let a later, perhaps more generous line match.
 */


#ifndef _REFERRAL_REWARDS_H_INCLUDED_
#define _REFERRAL_REWARDS_H_INCLUDED_


#include "referral_str.h"
#include "referral_time.h"
#include "referral_unit.h"


#define REFERRAL_REWARDS_TEXT      16384    /* bytes of a text */
#define REFERRAL_REWARDS_LINES     64       /* without blank ones, comments */
#define REFERRAL_REWARDS_UNITS     16
#define REFERRAL_REWARDS_VALUES    2048     /* of all lists of a text */
#define REFERRAL_REWARDS_GIFTS     512
#define REFERRAL_REWARDS_KEYS      4        /* x.KEY of a line */
#define REFERRAL_REWARDS_CHAIN     8        /* rules that one waits behind */
#define REFERRAL_REWARDS_MISTAKES  100      /* that are told of a text */

#define REFERRAL_REWARDS_PERCENT   10000    /* 1 % in millionths */
#define REFERRAL_REWARDS_FACTOR    1000     /* x=1 in thousandths */

/* the unit of a prize, which no text declares */
#define REFERRAL_REWARDS_PRIZE     REFERRAL_REWARDS_UNITS


typedef enum {
    REFERRAL_REWARDS_SET = 0,
    REFERRAL_REWARDS_UNIT,
    REFERRAL_REWARDS_RULE,
    REFERRAL_REWARDS_CAP,
    REFERRAL_REWARDS_BOOST,
    REFERRAL_REWARDS_TIER,
    REFERRAL_REWARDS_BADGE,
    REFERRAL_REWARDS_CONTEST,
    REFERRAL_REWARDS_NUDGE,
    REFERRAL_REWARDS_FRAUD,
    REFERRAL_REWARDS_ITEM,
    REFERRAL_REWARDS_GOAL,
    REFERRAL_REWARDS_STEP,
    REFERRAL_REWARDS_KINDS
} referral_rewards_kind_e;


/* the words behind the first, bits of "given" of a line */

typedef enum {
    REFERRAL_REWARDS_AFTER = 0,
    REFERRAL_REWARDS_AMOUNT,
    REFERRAL_REWARDS_CAPPED,         /* cap= */
    REFERRAL_REWARDS_CHANNEL,
    REFERRAL_REWARDS_CHOOSE,
    REFERRAL_REWARDS_CITY,
    REFERRAL_REWARDS_CLOCK,
    REFERRAL_REWARDS_CODE,
    REFERRAL_REWARDS_COUNT,
    REFERRAL_REWARDS_COUNTRY,
    REFERRAL_REWARDS_DO,
    REFERRAL_REWARDS_EACH,
    REFERRAL_REWARDS_ENDS,
    REFERRAL_REWARDS_EVERY,
    REFERRAL_REWARDS_FRIEND,
    REFERRAL_REWARDS_FRIENDS,
    REFERRAL_REWARDS_GIVE,
    REFERRAL_REWARDS_GRACE,
    REFERRAL_REWARDS_HOLD,
    REFERRAL_REWARDS_KNOWN,
    REFERRAL_REWARDS_LIFE,
    REFERRAL_REWARDS_MAX,
    REFERRAL_REWARDS_METRIC,
    REFERRAL_REWARDS_MIN,
    REFERRAL_REWARDS_MISSING,
    REFERRAL_REWARDS_MONTHS,
    REFERRAL_REWARDS_NTH,
    REFERRAL_REWARDS_OF,
    REFERRAL_REWARDS_ON,
    REFERRAL_REWARDS_OVER,
    REFERRAL_REWARDS_PARTY,
    REFERRAL_REWARDS_PAY,
    REFERRAL_REWARDS_PER,
    REFERRAL_REWARDS_PLACE,
    REFERRAL_REWARDS_PRICE,
    REFERRAL_REWARDS_PRODUCT,
    REFERRAL_REWARDS_RANK,
    REFERRAL_REWARDS_REGION,
    REFERRAL_REWARDS_RESTORE,
    REFERRAL_REWARDS_REVIEW,
    REFERRAL_REWARDS_ROLE,
    REFERRAL_REWARDS_RULES,          /* rule= */
    REFERRAL_REWARDS_SEGMENT,
    REFERRAL_REWARDS_SINCE,
    REFERRAL_REWARDS_SLIDE,
    REFERRAL_REWARDS_STARTS,
    REFERRAL_REWARDS_STOCK,
    REFERRAL_REWARDS_SUM,
    REFERRAL_REWARDS_TARGET,
    REFERRAL_REWARDS_THEN,
    REFERRAL_REWARDS_TIE,
    REFERRAL_REWARDS_TIERS,          /* tier= */
    REFERRAL_REWARDS_TO,
    REFERRAL_REWARDS_UNDO,
    REFERRAL_REWARDS_UPTO,
    REFERRAL_REWARDS_USE,
    REFERRAL_REWARDS_USE_MIN,
    REFERRAL_REWARDS_VARIANT,
    REFERRAL_REWARDS_WITHIN,
    REFERRAL_REWARDS_X,
    REFERRAL_REWARDS_XKEY,           /* x.KEY= */
    REFERRAL_REWARDS_WORDS
} referral_rewards_word_e;

#define referral_rewards_given(line, word)                                    \
    (((line)->given >> (word)) & 1)


/*
 * Values of words that choose one of some; what is 0 holds if nothing is said.
 * "per", "metric", "to" of a rule, and "every" of a contest or a goal have to
 * be said; "to" of a boost is REFERRAL_TO_BOTH if it is not.
 */

enum { REFERRAL_TO_REFERRER = 0, REFERRAL_TO_FRIEND, REFERRAL_TO_BOTH };
enum { REFERRAL_PER_REFERRER = 0, REFERRAL_PER_FRIEND, REFERRAL_PER_PROGRAM };
enum { REFERRAL_EVERY_EVER = 0, REFERRAL_EVERY_YEAR, REFERRAL_EVERY_MONTH,
       REFERRAL_EVERY_WEEK, REFERRAL_EVERY_DAY };
enum { REFERRAL_EACH_FRIEND = 0, REFERRAL_EACH_ORDER, REFERRAL_EACH_EVENT,
       REFERRAL_EACH_REFERRER };
enum { REFERRAL_CLOCK_EVENT = 0, REFERRAL_CLOCK_LEAD, REFERRAL_CLOCK_ORDER };
enum { REFERRAL_PLACE_LEAD = 0, REFERRAL_PLACE_EVENT };
enum { REFERRAL_OVER_DENY = 0, REFERRAL_OVER_CLIP };
enum { REFERRAL_UNDO_FULL = 0, REFERRAL_UNDO_SHARE, REFERRAL_UNDO_KEEP };
enum { REFERRAL_USE_MANY = 0, REFERRAL_USE_ONCE };
enum { REFERRAL_METRIC_LEADS = 0, REFERRAL_METRIC_SALES,
       REFERRAL_METRIC_RATE };
enum { REFERRAL_THEN_WAIT = 0, REFERRAL_THEN_APPROVE };
enum { REFERRAL_TERMS_LEAD = 0, REFERRAL_TERMS_EVENT };
enum { REFERRAL_BOOSTS_MAX = 0, REFERRAL_BOOSTS_MULTIPLY };
enum { REFERRAL_DEBT_YES = 0, REFERRAL_DEBT_NO };

enum { REFERRAL_PAY_CREDIT = 0, REFERRAL_PAY_WEBHOOK, REFERRAL_PAY_CODE };
enum { REFERRAL_DO_REJECT = 0, REFERRAL_DO_HOLD, REFERRAL_DO_SCORE };
enum { REFERRAL_GIFT_AMOUNT = 0, REFERRAL_GIFT_PERCENT, REFERRAL_GIFT_PRIZE,
       REFERRAL_GIFT_DRAW };


/* minor units of a unit of the text; "unit" is an index */

typedef struct {
    int64_t                   amount;
    unsigned                  unit;
} referral_rewards_amount_t;


/* what is given; the unit of a percentage is that of the order */

typedef struct {
    unsigned                  kind;      /* REFERRAL_GIFT_*; of a draw each
                                            is an amount */
    unsigned                  weight;    /* of a draw: of 100 */
    unsigned                  rate;      /* of a percentage: millionths */
    referral_rewards_amount_t amount;    /* of a prize: 1 prize */
    referral_str_t            prize;     /* its name */
} referral_rewards_gift_t;


typedef struct {
    referral_str_t            text;      /* an event, a word, a code; a rule's
                                            name without "rule:" */
    uint8_t                   negated;
    uint8_t                   rule;      /* of on=: "rule:NAME" */
    uint8_t                   group;     /* of on=: those of one group are
                                            needed all, one group is enough */
} referral_rewards_value_t;


/* values first ... first + n - 1 of the text; n is 0 where nothing is said */

typedef struct {
    uint16_t                  first;
    uint16_t                  n;
} referral_rewards_list_t;


/* from ... to, "to" is 0 for "6-" */

typedef struct {
    uint32_t                  from;
    uint32_t                  to;
} referral_rewards_range_t;


/*
 * One line.  Which fields a kind has is in the table of words; a field that
 * nothing is said of is 0.  Durations are in milliseconds.
 */

typedef struct {
    unsigned                  kind;      /* referral_rewards_kind_e */
    unsigned                  number;    /* of the line, from 1 */
    uint64_t                  given;     /* bits: referral_rewards_word_e */
    referral_str_t            name;      /* empty for set, unit, fraud */

    referral_rewards_list_t   signals;   /* of fraud= */
    referral_rewards_list_t   on;
    referral_rewards_list_t   product;
    referral_rewards_list_t   role;
    referral_rewards_list_t   segment;
    referral_rewards_list_t   friend;
    referral_rewards_list_t   tier;
    referral_rewards_list_t   country;
    referral_rewards_list_t   region;
    referral_rewards_list_t   city;      /* "_" stands for a space */
    referral_rewards_list_t   channel;
    referral_rewards_list_t   variant;
    referral_rewards_list_t   code;
    referral_rewards_list_t   party;
    referral_rewards_list_t   rules;     /* of a boost */

    unsigned                  nkeys;
    referral_str_t            key[REFERRAL_REWARDS_KEYS];
    referral_rewards_list_t   x[REFERRAL_REWARDS_KEYS];

    referral_rewards_amount_t sum;
    referral_rewards_amount_t min;
    referral_rewards_amount_t max;
    referral_rewards_amount_t upto;
    referral_rewards_amount_t use_min;
    referral_rewards_amount_t limit;     /* of a cap: amount= */
    referral_rewards_amount_t price;

    referral_date_t           starts;    /* "local": in the program's zone */
    referral_date_t           ends;      /* the last millisecond */

    int64_t                   within;
    int64_t                   hold;
    int64_t                   life;
    int64_t                   choose;
    int64_t                   grace;
    int64_t                   after;
    int64_t                   review;

    referral_rewards_range_t  friends;
    referral_rewards_range_t  rank;

    referral_str_t            since;     /* an event; empty: the lead */
    referral_str_t            until;     /* the event of hold=until: */
    referral_str_t            pool;      /* of pay=code: */
    referral_str_t            counter;   /* of count=; empty: the rule's own */
    referral_str_t            of;
    referral_str_t            missing;
    referral_str_t            cap;

    unsigned                  cap_line;  /* its index, if "cap" is said */
    unsigned                  gift;      /* gifts gift ... gift + ngifts - 1:
                                            the choices of a prize, the chances
                                            of a draw, the ranks of a contest */
    unsigned                  ngifts;

    uint32_t                  nth;
    uint32_t                  months;
    uint32_t                  count;     /* of a cap */
    uint32_t                  least;     /* of a contest: min=, else 1 */
    uint32_t                  stock;
    uint32_t                  target;
    uint32_t                  score;
    uint32_t                  factor;    /* thousandths */

    uint8_t                   to;
    uint8_t                   per;
    uint8_t                   every;
    uint8_t                   each;
    uint8_t                   clock;
    uint8_t                   place;
    uint8_t                   over;
    uint8_t                   undo;
    uint8_t                   use;
    uint8_t                   metric;
    uint8_t                   then;
    uint8_t                   pay;
    uint8_t                   act;       /* of do= */
    uint8_t                   known;     /* the flags: 0 no, 1 yes */
    uint8_t                   slide;
    uint8_t                   restore;
    uint8_t                   tie;       /* 0: who got there first */

    /* where each word stands in the text */
    struct {
        uint16_t              at;
        uint16_t              len;
    } said[REFERRAL_REWARDS_WORDS];
} referral_rewards_line_t;


/* lines of one name are alternatives, of which the first that matches holds */

typedef struct {
    referral_str_t            name;
    unsigned                  n;
    uint8_t                   line[REFERRAL_REWARDS_LINES];    /* indices */
} referral_rewards_rule_t;


typedef struct {
    referral_str_t            text;      /* all strings point into it */

    uint8_t                   terms;     /* REFERRAL_TERMS_LEAD, ... */
    uint8_t                   boosts;    /* REFERRAL_BOOSTS_MAX, ... */
    uint8_t                   debt;      /* REFERRAL_DEBT_YES, ... */
    uint8_t                   set;       /* bits: which of set= were said */
    int64_t                   refunds;   /* ms */

    unsigned                  nunits;
    referral_unit_t           units[REFERRAL_REWARDS_UNITS];

    unsigned                  nlines;
    referral_rewards_line_t   lines[REFERRAL_REWARDS_LINES];

    unsigned                  nrules;    /* in the order of their first line */
    referral_rewards_rule_t   rules[REFERRAL_REWARDS_LINES];

    unsigned                  nvalues;
    referral_rewards_value_t  values[REFERRAL_REWARDS_VALUES];

    unsigned                  ngifts;
    referral_rewards_gift_t   gifts[REFERRAL_REWARDS_GIFTS];
} referral_rewards_t;


/* a mistake, or a warning; the strings hold during the call only */

typedef struct {
    unsigned                  line;      /* from 1; 0: of the whole text */
    unsigned                  column;    /* in bytes, from 1 */
    unsigned                  warning:1;
    referral_str_t            word;      /* as it stands, may be empty */
    referral_str_t            right;     /* what would be right */
} referral_rewards_complaint_t;

typedef void (*referral_rewards_complain_pt)(void *data,
    const referral_rewards_complaint_t *complaint);


/*
 * Reads a text, which has to outlive *rewards, a structure of some 200 KB that
 * is the caller's and needs no initialization.  Returns the number of
 * mistakes; if it is not 0, *rewards must not be used.  Every mistake is told,
 * at most REFERRAL_REWARDS_MISTAKES, and warnings if there is none.
 */
unsigned referral_rewards_parse(referral_rewards_t *rewards,
    const referral_str_t *text, referral_rewards_complain_pt complain,
    void *data);

/*
 * The grammar, a word at a time: its kind of line, the word, which values it
 * takes, and which holds if it is not said ("" : none; "!": it must be said).
 * All static.  REFERRAL_DECLINED: there are no more.
 */

typedef struct {
    const char               *kind;
    const char               *word;
    const char               *values;
    const char               *standard;
} referral_rewards_entry_t;

int referral_rewards_entry(unsigned n, referral_rewards_entry_t *entry);


#endif /* _REFERRAL_REWARDS_H_INCLUDED_ */
