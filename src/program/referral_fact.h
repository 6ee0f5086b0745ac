
/*
 * An entry of a program's stream of facts, taken apart.  Nothing is believed
 * of it: what is no number, too long or missing makes it a malformed fact,
 * which stops the program instead of counting something else.
 */


#ifndef _REFERRAL_FACT_H_INCLUDED_
#define _REFERRAL_FACT_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_FACT_PAIRS    128         /* names in one entry, at most */
#define REFERRAL_FACT_TEXT     65536       /* bytes of a value, at most */
#define REFERRAL_FACT_AMOUNT   ((int64_t) 1 << 53)         /* below it */
#define REFERRAL_FACT_AT       253402300800000LL           /* ms, below it */

#define REFERRAL_FACT_TYPE     32          /* bytes of a type's name */
#define REFERRAL_FACT_UNIT     8
#define REFERRAL_FACT_WORD     64          /* of code, channel, country … */
#define REFERRAL_FACT_ID       128         /* of an order or an event */


typedef enum {
    REFERRAL_FACT_NOTHING = 0,     /* a type that this build does not know */
    REFERRAL_FACT_LEAD,
    REFERRAL_FACT_SALE,
    REFERRAL_FACT_REFUND,
    REFERRAL_FACT_UPDATE,
    REFERRAL_FACT_CANCEL,
    REFERRAL_FACT_STEP,            /* an event of the program's own type */
    REFERRAL_FACT_RULES,
    REFERRAL_FACT_SKIP,
    REFERRAL_FACT_TICK,            /* time has passed, nothing else */
    REFERRAL_FACT_RESERVE,
    REFERRAL_FACT_COMMIT,
    REFERRAL_FACT_RELEASE,
    REFERRAL_FACT_ADJUST,
    REFERRAL_FACT_CHOOSE,
    REFERRAL_FACT_PAYOUT,
    REFERRAL_FACT_PAID,
    REFERRAL_FACT_FAILED,
    REFERRAL_FACT_FORGET,
    REFERRAL_FACT_APPROVE,
    REFERRAL_FACT_REJECT
} referral_fact_type_e;


typedef enum {
    REFERRAL_VIA_NONE = 0,
    REFERRAL_VIA_BOUND,
    REFERRAL_VIA_CLICK,
    REFERRAL_VIA_COOKIE,
    REFERRAL_VIA_CODE
} referral_via_e;


/* the values that are kept as texts; those left out of an entry are empty */

typedef enum {
    REFERRAL_FACT_T_TYPE = 0,
    REFERRAL_FACT_T_EVENT,
    REFERRAL_FACT_T_WHO,
    REFERRAL_FACT_T_TIME,
    REFERRAL_FACT_T_AT,
    REFERRAL_FACT_T_GIVEN,
    REFERRAL_FACT_T_TRUST,
    REFERRAL_FACT_T_FRIEND,
    REFERRAL_FACT_T_ORDER,
    REFERRAL_FACT_T_AMOUNT,
    REFERRAL_FACT_T_UNIT,
    REFERRAL_FACT_T_REFUNDED,
    REFERRAL_FACT_T_QUANTITY,
    REFERRAL_FACT_T_PRODUCT,
    REFERRAL_FACT_T_ROLE,
    REFERRAL_FACT_T_PARTIES,
    REFERRAL_FACT_T_SEGMENT,
    REFERRAL_FACT_T_ORDER_AT,
    REFERRAL_FACT_T_NEW,
    REFERRAL_FACT_T_VIA,
    REFERRAL_FACT_T_REFERRER,
    REFERRAL_FACT_T_REFERRER_WHO,
    REFERRAL_FACT_T_CODE,
    REFERRAL_FACT_T_CLICK,
    REFERRAL_FACT_T_CLICK_AT,
    REFERRAL_FACT_T_REFERRER_SEGMENT,
    REFERRAL_FACT_T_REFERRER_STATE,
    REFERRAL_FACT_T_PROGRAM_STATE,
    REFERRAL_FACT_T_KNOWN,
    REFERRAL_FACT_T_SELF,
    REFERRAL_FACT_T_FIRST,
    REFERRAL_FACT_T_FIRST_AT,
    REFERRAL_FACT_T_LAST,
    REFERRAL_FACT_T_LAST_AT,
    REFERRAL_FACT_T_CHANNEL,
    REFERRAL_FACT_T_VARIANT,
    REFERRAL_FACT_T_DEVICE,
    REFERRAL_FACT_T_COUNTRY,
    REFERRAL_FACT_T_CITY,
    REFERRAL_FACT_T_PLACE,
    REFERRAL_FACT_T_X,
    REFERRAL_FACT_T_SIGNALS,
    REFERRAL_FACT_T_FP,

    /* of "rules" and "skip" */
    REFERRAL_FACT_T_VERSION,
    REFERRAL_FACT_T_ENGINE,
    REFERRAL_FACT_T_TEXT,
    REFERRAL_FACT_T_ZONE,
    REFERRAL_FACT_T_TRANSITIONS,
    REFERRAL_FACT_T_WINDOW,
    REFERRAL_FACT_T_LATE,
    REFERRAL_FACT_T_BIND,
    REFERRAL_FACT_T_ATTRIBUTION,
    REFERRAL_FACT_T_ATTRIBUTION_ORDER,
    REFERRAL_FACT_T_STATE,
    REFERRAL_FACT_T_WEBHOOKS,
    REFERRAL_FACT_T_POSITION,
    REFERRAL_FACT_T_REASON,

    /* of what is done with rewards */
    REFERRAL_FACT_T_OWNER,
    REFERRAL_FACT_T_TOKEN,
    REFERRAL_FACT_T_TTL,
    REFERRAL_FACT_T_ORDER_AMOUNT,
    REFERRAL_FACT_T_LEAST,
    REFERRAL_FACT_T_CAP,
    REFERRAL_FACT_T_REWARD,
    REFERRAL_FACT_T_PRIZE,
    REFERRAL_FACT_T_SEED,
    REFERRAL_FACT_T_ITEM,
    REFERRAL_FACT_T_REGION,

    REFERRAL_FACT_TEXTS
} referral_fact_text_e;


/*
 * The texts, and the pairs with them, lie in the memory of the entry, which
 * must live as long as the fact.  Numbers that were left out are -1, those of
 * people 0.
 */

typedef struct {
    uint64_t                 position;    /* N of the entry's id N-0 */
    const referral_str_t    *pair;        /* name, value, name, value … */
    size_t                   npairs;      /* names and values together */

    referral_fact_type_e     type;
    referral_via_e           via;
    int64_t                  time;        /* ms: Redis's, at the append */
    int64_t                  at;          /* ms: when it happened */
    int64_t                  amount;
    int64_t                  refunded;    /* of the order, up to now */
    int64_t                  click_at;
    uint64_t                 customer;    /* number of the friend */
    uint64_t                 referrer;    /* number, as a person */
    uint64_t                 subject;     /* the version, or what is skipped */
    unsigned                 known:1;     /* the shop or an import says so */
    unsigned                 self:1;

    referral_str_t           text[REFERRAL_FACT_TEXTS];
} referral_fact_t;


/*
 * "pair" are n texts, names and values by turns.  REFERRAL_ERROR: malformed,
 * *why is a static text.
 */
int referral_fact_parse(referral_fact_t *fact, uint64_t position,
    const referral_str_t *pair, size_t n, const char **why);

/* "N-0" as the id of an entry; 0: it is none */
uint64_t referral_fact_position(const referral_str_t *id);

/* the name of a text, "type" first */
referral_str_t referral_fact_name(referral_fact_text_e text);


#endif /* _REFERRAL_FACT_H_INCLUDED_ */
