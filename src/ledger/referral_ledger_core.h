
/*
 * What the files of referral_ledger.h share: the state of a program, in
 * memory.
 */


#ifndef _REFERRAL_LEDGER_CORE_H_INCLUDED_
#define _REFERRAL_LEDGER_CORE_H_INCLUDED_


#include "referral_digest.h"
#include "referral_ledger.h"
#include "referral_terms.h"


/* bytes of the name of a period, at most */

#define REFERRAL_LEDGER_PERIOD  REFERRAL_DAY_LEN


typedef struct referral_ledger_event_s   referral_ledger_event_t;
typedef struct referral_ledger_order_s   referral_ledger_order_t;
typedef struct referral_ledger_person_s  referral_ledger_person_t;
typedef struct referral_ledger_reserve_s referral_ledger_reserve_t;
typedef struct referral_ledger_contest_s referral_ledger_contest_t;
typedef struct referral_ledger_nudge_s   referral_ledger_nudge_t;
typedef struct referral_ledger_goal_s    referral_ledger_goal_t;
typedef struct referral_ledger_tally_s   referral_ledger_tally_t;
typedef struct referral_ledger_ordinal_s referral_ledger_ordinal_t;
typedef struct referral_reward_s         referral_reward_t;


/* grows by itself; memory of the ledger */

typedef struct {
    void                    **item;
    size_t                    n;
    size_t                    size;
} referral_ledger_list_t;


typedef struct {
    uint64_t                  position;  /* of the fact "rules" */
    uint64_t                  version;
    int64_t                   time;      /* of the fact */
    referral_hmac_t           seed;      /* of what is drawn */
    unsigned                  levels;    /* 1: there are tiers or badges */
    uint8_t                   order[REFERRAL_REWARDS_LINES];
                                         /* of its rules, each after those it
                                            waits for */
    referral_rewards_t        rewards;
} referral_ledger_rules_t;


/* a line of a version */

typedef struct {
    const referral_ledger_rules_t *rules;
    const referral_rewards_line_t *line;
} referral_ledger_line_t;


/* an event as its fact says it */

struct referral_ledger_event_s {
    uint64_t                  position;
    referral_fact_type_e      type;
    int64_t                   time;
    int64_t                   at;
    int                       minutes;   /* the zone's offset then */
    int64_t                   order_at;  /* -1: not said */
    int64_t                   click_at;  /* -1 */
    int64_t                   amount;    /* -1 */
    uint64_t                  referrer;  /* 0: nobody */
    referral_ledger_person_t *friend;    /* NULL: the fact names none */
    referral_ledger_order_t  *order;     /* NULL */
    referral_reward_t        *rewards;   /* that stand by it: "beside" */
    referral_ledger_ordinal_t *ordinals; /* numbers that do */
    referral_str_t            name;      /* of the type */
    referral_str_t            id;
    referral_str_t            who;
    referral_str_t            referrer_who;
    referral_str_t            unit;
    referral_str_t            product;
    referral_str_t            role;
    referral_str_t            parties;
    referral_str_t            segment;   /* the friend's */
    referral_str_t            referrer_segment;
    referral_str_t            country;   /* the event's own, or the click's */
    referral_str_t            region;
    referral_str_t            city;
    referral_str_t            code;
    referral_str_t            channel;
    referral_str_t            variant;
    referral_str_t            x;
    referral_str_t            signals;
    unsigned                  known:1;
    unsigned                  self:1;
    unsigned                  counts:1;  /* in goals */
    unsigned                  again:1;   /* its order had this type before */
    unsigned                  paused:1;  /* the program was */
    unsigned                  inactive:1; /* the referrer was */
};


struct referral_ledger_order_s {
    referral_str_t            id;
    referral_ledger_event_t  *sale;      /* the first event with an amount */
    referral_ledger_person_t *friend;    /* of the first event that says it */
    referral_ledger_list_t    events;    /* but refunds, updates, cancels */
    referral_ledger_list_t    reserves;
    referral_ledger_ordinal_t *ordinals; /* its numbers: "next" */
    int64_t                   total;     /* by the latest update; -1: none */
    int64_t                   updated;   /* that update's moment */
    int64_t                   parts;     /* of refunds */
    int64_t                   refunded;  /* the greatest figure */
    unsigned                  cancelled:1;
    unsigned                  bought:1;  /* counts among the friend's sales */
};


/* a customer, as a friend and as somebody who owns rewards */

struct referral_ledger_person_s {
    uint64_t                  number;
    referral_str_t            who;       /* a digest, as a referrer */
    referral_ledger_list_t    events;
    referral_ledger_event_t  *bound;     /* the first one with a referrer */
    int64_t                   bound_for; /* ms from then on; 0: for ever */
    referral_ledger_list_t    earned;    /* rewards of either side by what
                                            this friend did, by number; some
                                            stand by another friend now */
    referral_ledger_list_t    depending; /* those of them that depend on all
                                            that the friend did; some stand by
                                            another friend now */
    referral_ledger_list_t    numbers;   /* numbers that do */
    referral_ledger_list_t    restless;  /* rewards that the next event may
                                            change */
    referral_ledger_ordinal_t *ordinals; /* the friend's numbers: "next" */
    referral_ledger_list_t    doubtful;  /* rewards of "brought" that may not
                                            stand as they did */
    referral_ledger_list_t    levels;    /* periods of tiers and badges whose
                                            friends changed */
    size_t                    versions;  /* of rules by which they count */
    referral_ledger_list_t    counted;   /* events of goals */
    size_t                    applied;   /* the first so many of them count as
                                            "counts" says */
    referral_ledger_list_t    owned;
    referral_ledger_list_t    brought;   /* rewards of either side by what the
                                            friends of this referrer did */
    uint64_t                  closed;    /* position; 0: the account is not */
    uint32_t                  signals;   /* bits: what events have said */
    uint32_t                  cleared;   /* those that were approved */
    uint32_t                  review_signals;
    unsigned                  review_score;
    unsigned                  chain;     /* rewards that are being asked, each
                                            for the one before it */
    int64_t                   review_since;
    int64_t                   review_ends; /* -1: it does not by itself */
    unsigned                  review:1;  /* is in review */
    unsigned                  review_approves:1;
    unsigned                  rejected:1;
    unsigned                  known:1;   /* some event says so */
    unsigned                  self:1;
    unsigned                  lead:1;    /* had one */
    unsigned                  before:1;  /* a customer before the binding */
    unsigned                  counts:1;  /* in goals */
    unsigned                  changed:1; /* a reward of theirs moved */
    unsigned                  named:1;   /* "who" stays as it is */
    unsigned                  forgotten:1; /* as an owner */
    uint32_t                  debts;     /* owned rewards below 0 */
    uint32_t                  usable;    /* and above it */
    uint32_t                  bought;    /* sales that stand */
    referral_ledger_event_t  *customer_by; /* "bound" when it became one */
    int64_t                   customer_at; /* what made one of the friend */
    int                       customer_minutes;
    unsigned                  customer:1; /* whom the referrer brought */
    unsigned                  customer_told:1;
};


/* how much of a cap is used */

typedef struct {
    int64_t                   count;
    int64_t                   amount;
} referral_ledger_used_t;


/* numbers that friends or orders have under a counter */

typedef struct {
    referral_ledger_list_t    ordinals;
    referral_ledger_list_t    doubtful;  /* those that may not count as they
                                            did */
    referral_ledger_ordinal_t *orderless; /* what has no order has one number */
    size_t                    versions;  /* of rules by which "n" was counted */
    uint32_t                  n;         /* how many count */
} referral_ledger_counter_t;


struct referral_ledger_ordinal_s {
    referral_ledger_counter_t *counter;
    referral_ledger_ordinal_t *next;     /* under another counter */
    referral_ledger_event_t  *event;     /* by which it stands */
    referral_ledger_ordinal_t *beside;   /* by the same event */
    referral_ledger_line_t    line;
    uint32_t                  number;
    unsigned                  counts:1;
    unsigned                  doubtful:1;
};


typedef struct {
    referral_reward_t        *reward;
    int64_t                   amount;
    int64_t                   spent;
} referral_ledger_part_t;


struct referral_ledger_reserve_s {
    referral_str_t            token;
    referral_str_t            item;      /* of the catalogue; empty: none */
    referral_str_t            unit;
    referral_ledger_person_t *owner;
    int64_t                   since;
    int64_t                   price;
    int64_t                   ends;      /* -1: a payout, which does not */
    referral_ledger_list_t    parts;
    referral_ledger_order_t  *order;     /* it pays; NULL: none is named */
    unsigned                  open:1;
    unsigned                  committed:1;
    unsigned                  restored:1;
    unsigned                  payout:1;  /* money on its way to the owner */
};


/* a contest in one period, and the rewards that it may look at, each once */

struct referral_ledger_contest_s {
    referral_str_t            name;
    referral_str_t            period;
    referral_ledger_list_t    rewards;
    int64_t                   closing;   /* as it runs now; -1: it does not */
    size_t                    version;   /* by which rules: the index */
    const referral_rewards_line_t *line; /* of those */
    unsigned                  closed:1;
};


/* of a friend, under the name of its line */

struct referral_ledger_nudge_s {
    referral_ledger_person_t *friend;
    referral_str_t            name;
    int64_t                   at;        /* planned; -1: not yet */
    unsigned                  told:1;
};


/* a goal in one period */

struct referral_ledger_goal_s {
    referral_str_t            name;
    referral_str_t            period;
    int64_t                   at;        /* its end, as planned; -1: not yet */
    unsigned                  told:1;
};


/* what goals count in one period */

struct referral_ledger_tally_s {
    unsigned                  every;
    referral_str_t            period;
    int64_t                   leads;
    int64_t                   sales;
    referral_ledger_list_t    events;    /* those of no new friend too */
    unsigned                  changed:1; /* since goals were looked at */
};


/*
 * A rate is a fraction: several boosts are floored once, with the amount.
 * "line" is by which it was granted, "asked" what has to stand.
 */

struct referral_reward_s {
    u_char                    id[REFERRAL_REWARD_ID];
    uint64_t                  number;    /* from 1, in order of the grants */
    const referral_ledger_rules_t *rules;
    const referral_rewards_line_t *line; /* NULL: an adjustment */
    referral_ledger_line_t    asked;
    const referral_rewards_line_t *cap;  /* NULL: none that binds it */
    referral_ledger_used_t   *used;      /* of the cap */
    referral_str_t            rule;
    referral_str_t            unit;
    referral_str_t            prize;     /* empty: none, or not chosen */
    referral_ledger_person_t *owner;
    referral_ledger_person_t *referrer;
    referral_ledger_person_t *friend;    /* NULL: an adjustment, or the prize
                                            of a contest */
    referral_ledger_event_t  *event;
    referral_reward_t        *beside;    /* by the same event */
    referral_ledger_list_t    reserves;  /* that have a part of it */
    uint64_t                  top;
    uint64_t                  bottom;
    unsigned                  drawn;     /* which gift of its line it is */
    uint64_t                  since;     /* position of what it stands by */
    int64_t                   born;      /* moment */
    int64_t                   sum[REFERRAL_ACCOUNTS];
    int64_t                   first;     /* the amount of its grant */
    int64_t                   due;       /* -1: none, as the next two */
    int64_t                   open;      /* until when a prize is chosen */
    int64_t                   expires;
    int64_t                   clock;     /* of the periods that it counts in */
    int                       minutes;
    const char               *denied;    /* NULL: it is not */
    uint8_t                   side;      /* REFERRAL_TO_REFERRER, _FRIEND */
    unsigned                  down:1;    /* taken back as a whole */
    unsigned                  clipped:1;
    unsigned                  written:1; /* its grant is told */
    unsigned                  asking:1;  /* whether it is upheld */
    uint64_t                  touched;   /* position: it changed there */
    referral_ledger_person_t *counts;    /* in tiers and badges, for that
                                            friend; NULL: it does not */
    referral_ledger_person_t *restless;  /* among those of that friend */
    unsigned                  stands:1;  /* by the event, among its rewards */
    unsigned                  doubtful:1;
    unsigned                  moved:1;   /* by this fact, or what was due */
};


typedef enum {
    REFERRAL_DUE_REVIEW = 0,
    REFERRAL_DUE_CHOICE,
    REFERRAL_DUE_HOLD,
    REFERRAL_DUE_RESERVE,
    REFERRAL_DUE_EXPIRY,
    REFERRAL_DUE_NUDGE,
    REFERRAL_DUE_CONTEST,
    REFERRAL_DUE_GOAL
} referral_due_e;


typedef struct {
    int64_t                   at;
    unsigned                  kind;      /* referral_due_e */
    void                     *what;      /* a reward, reserve, contest … */
} referral_ledger_due_t;


typedef enum {
    REFERRAL_LEDGER_PERSON = 0,
    REFERRAL_LEDGER_ORDER,
    REFERRAL_LEDGER_REWARD,
    REFERRAL_LEDGER_COUNTER,
    REFERRAL_LEDGER_USED,
    REFERRAL_LEDGER_RESERVE,
    REFERRAL_LEDGER_TURNS,
    REFERRAL_LEDGER_LEVEL,
    REFERRAL_LEDGER_FRIENDS,
    REFERRAL_LEDGER_MEMBER,
    REFERRAL_LEDGER_CONTEST,
    REFERRAL_LEDGER_NUDGE,
    REFERRAL_LEDGER_TALLY,
    REFERRAL_LEDGER_GOAL,
    REFERRAL_LEDGER_BALANCE,
    REFERRAL_LEDGER_GRANTED
} referral_ledger_kind_e;


typedef struct referral_ledger_node_s  referral_ledger_node_t;
typedef struct referral_ledger_chunk_s referral_ledger_chunk_t;


struct referral_ledger_s {
    referral_str_t            program;

    referral_ledger_list_t    versions;  /* referral_ledger_rules_t */
    referral_ledger_rules_t  *unused;    /* memory of a text that was refused */
    referral_terms_t          zone;
    uint64_t                  ahead;     /* position of the first rules, if
                                            they were taken ahead */

    uint64_t                  position;
    int64_t                   now;       /* the fact's time */
    int64_t                   moment;    /* of what is decided: a due time, or
                                            now */

    referral_str_t            cause;     /* the fact's id, while it is taken */
    int64_t                   cause_at;  /* when it happened, which stays when
                                            it is appended once more */
    referral_ledger_person_t *friend;    /* whose event it is; NULL: nobody's */
    size_t                    due_entries; /* so many come of what was due */
    size_t                    due_notices;
    unsigned                  messages;  /* of the fact, for others */

    referral_ledger_list_t    changed;   /* people whose rewards moved */
    referral_ledger_list_t    touched;   /* rewards that the fact changed */
    referral_ledger_list_t    moved;     /* these rewards */
    referral_ledger_list_t    asked;     /* rewards, in a call */
    referral_ledger_list_t    reviewed;  /* friends whose review began, changed
                                            or ended: not told yet */
    referral_ledger_list_t    payouts;   /* reserves that began or ended: not
                                            told yet */
    referral_ledger_list_t    customers; /* friends who are one now, or none
                                            any more: not told yet */

    referral_ledger_due_t    *heap;
    size_t                    nheap;
    size_t                    heap_size;

    referral_ledger_entry_t  *entries;
    size_t                    nentries;
    size_t                    entries_size;

    referral_ledger_flag_t   *flags;
    size_t                    nflags;
    size_t                    flags_size;

    referral_ledger_notice_t *notices;
    size_t                    nnotices;
    size_t                    notices_size;

    referral_ledger_balance_t *balances;

    uint64_t                  rewards;   /* how many there are */
    referral_ledger_list_t    people;
    referral_ledger_list_t    granted;   /* rewards by what friends did */
    referral_ledger_list_t    contests;
    referral_ledger_list_t    entered;   /* contests, in a call */
    referral_ledger_list_t    tallies;
    referral_ledger_list_t    changes;   /* tallies that changed since goals
                                            were looked at */
    size_t                    looked;    /* versions of rules then */
    referral_ledger_list_t    reserves;

    referral_ledger_node_t  **slots;
    size_t                    nslots;
    size_t                    nnodes;
    referral_ledger_chunk_t  *chunks;
    u_char                   *pos;
    u_char                   *end;

    unsigned                  webhooks:1; /* others are told */
    unsigned                  failed:1;
};


/* memory, which is never NULL: where there is none l->failed is set, and what
   comes back is of no use but may be written to */

void *referral_ledger_alloc(referral_ledger_t *l, size_t size);
void referral_ledger_copy(referral_ledger_t *l, referral_str_t *to,
    const referral_str_t *from);
void referral_ledger_push(referral_ledger_t *l, referral_ledger_list_t *list,
    void *item);

/* the record of that name, zeroed if it is new */
void *referral_ledger_find(referral_ledger_t *l, unsigned kind,
    const void *name, size_t len, size_t size);
referral_ledger_person_t *referral_ledger_person(referral_ledger_t *l,
    uint64_t number);

/* NULL: there is none */
void *referral_ledger_look(referral_ledger_t *l, unsigned kind,
    const void *name, size_t len);


void referral_ledger_flag(referral_ledger_t *l, const char *word);

void referral_ledger_notice(referral_ledger_t *l, const char *kind,
    uint64_t who, const referral_str_t *name, const referral_str_t *detail);


/* tiers and badges */

/* positions of facts: reached by "from", given up by "to", 0: not given up */

typedef struct {
    uint64_t                  from;
    uint64_t                  to;
} referral_ledger_level_t;

/* when the referrer had the tier, or the badge, of that period */
referral_ledger_list_t *referral_ledger_levels(referral_ledger_t *l,
    const referral_rewards_line_t *line, uint64_t referrer,
    const u_char *period, size_t len);
referral_str_t referral_ledger_tier(const referral_ledger_t *l,
    const referral_ledger_event_t *e);
void referral_ledger_reach(referral_ledger_t *l,
    referral_ledger_person_t *friend);

/* tiers that a rejected friend carried */
void referral_ledger_lose(referral_ledger_t *l,
    referral_ledger_person_t *friend);


/* customers that referrers brought */

void referral_ledger_customers(referral_ledger_t *l,
    referral_ledger_event_t *e);
void referral_ledger_customer_rejected(referral_ledger_t *l,
    referral_ledger_person_t *friend);


/* contests */

void referral_ledger_enter(referral_ledger_t *l, referral_reward_t *r);
void referral_ledger_contests_again(referral_ledger_t *l,
    const referral_ledger_rules_t *rules);
int referral_ledger_contest_closes(const referral_ledger_contest_t *c,
    int64_t at);
void referral_ledger_contest_close(referral_ledger_t *l,
    referral_ledger_contest_t *c);


/* fraud: signals are bits, by their index in the table */

#define REFERRAL_FRAUD_SIGNALS  18
#define REFERRAL_FRAUD_SELF     0       /* "self" */
#define REFERRAL_FRAUD_KNOWN    2       /* "known" */

/* what is done at a signal */

typedef struct {
    unsigned                        act;     /* REFERRAL_DO_* */
    unsigned                        score;
    const referral_rewards_line_t  *line;    /* NULL: none says so */
} referral_ledger_action_t;

void referral_ledger_action(const referral_ledger_t *l, unsigned signal,
    referral_ledger_action_t *action);
const referral_str_t *referral_ledger_signal_name(unsigned signal);
uint32_t referral_ledger_signals_of(const referral_str_t *text);
int referral_ledger_self(const referral_ledger_t *l,
    const referral_ledger_person_t *friend);
void referral_ledger_look_at(referral_ledger_t *l,
    referral_ledger_person_t *friend);
void referral_ledger_review_end(referral_ledger_t *l,
    referral_ledger_person_t *friend);
void referral_ledger_forfeit(referral_ledger_t *l, referral_reward_t *r);
void referral_ledger_lapse(referral_ledger_t *l, referral_reward_t *r);
void referral_ledger_judge(referral_ledger_t *l, const referral_fact_t *fact);


/* what may not stand, or count, as it did */

void referral_ledger_doubt(referral_ledger_t *l,
    const referral_ledger_event_t *e);
void referral_ledger_doubt_event(referral_ledger_t *l,
    const referral_ledger_event_t *e);
void referral_ledger_doubt_friend(referral_ledger_t *l,
    const referral_ledger_person_t *friend);
void referral_ledger_doubt_all(referral_ledger_t *l,
    const referral_ledger_person_t *friend);
void referral_ledger_rouse(referral_ledger_t *l, referral_reward_t *r);
void referral_ledger_doubt_of(referral_ledger_t *l, referral_reward_t *r);
void referral_ledger_doubt_reward(referral_ledger_t *l, referral_reward_t *r);
void referral_ledger_doubt_ordinal(referral_ledger_t *l,
    referral_ledger_ordinal_t *one);


/* nudges and goals */

void referral_ledger_nudges(referral_ledger_t *l,
    referral_ledger_person_t *friend);
int referral_ledger_nudge_holds(const referral_ledger_t *l,
    const referral_ledger_nudge_t *nudge, int64_t at);
void referral_ledger_nudge(referral_ledger_t *l,
    referral_ledger_nudge_t *nudge);

void referral_ledger_goal_event(referral_ledger_t *l,
    referral_ledger_event_t *e);
void referral_ledger_goal_friend(referral_ledger_t *l,
    referral_ledger_person_t *friend);
void referral_ledger_goals_again(referral_ledger_t *l);
void referral_ledger_goals_reach(referral_ledger_t *l);
int referral_ledger_goal_ends(referral_ledger_t *l,
    const referral_ledger_goal_t *goal, int64_t at);
void referral_ledger_goal_end(referral_ledger_t *l,
    referral_ledger_goal_t *goal);


/* events and orders */

referral_ledger_event_t *referral_ledger_event(referral_ledger_t *l,
    const referral_fact_t *fact);

/* what an event is worth now; -1: it says no amount */
int64_t referral_ledger_rest(const referral_ledger_event_t *e);

/* not refunded in full, not cancelled */
int referral_ledger_stands(const referral_ledger_event_t *e);

/* of an order with a sale */
int64_t referral_ledger_order_total(const referral_ledger_order_t *order);
int64_t referral_ledger_order_rest(const referral_ledger_order_t *order);


/* the program's calendar */

int referral_ledger_dated(const referral_ledger_t *l,
    const referral_rewards_line_t *line, int64_t ms);
int64_t referral_ledger_months(const referral_ledger_t *l, int64_t ms,
    unsigned months);

/* the name of the period, empty for ever; returns its length */
size_t referral_ledger_period(u_char *out, unsigned every, int64_t ms,
    int minutes);

/* midnight of the first day of a period, by the program's clock */
int64_t referral_ledger_wall(const referral_str_t *period);

/* the first moment at which that clock shows it, or has passed it */
int64_t referral_ledger_instant(const referral_ledger_t *l, int64_t wall);

/* the first moment behind a period */
int64_t referral_ledger_period_end(const referral_ledger_t *l, unsigned every,
    const referral_str_t *period);

/* the zone's offset then */
int referral_ledger_minutes(const referral_ledger_t *l, int64_t ms);


/* lines */

int referral_ledger_listed(const referral_rewards_t *rewards,
    const referral_rewards_list_t *list, const referral_str_t *text);

/* is the referrer's tier on the list, when the event came? */
int referral_ledger_tiered(const referral_ledger_t *l,
    const referral_rewards_t *rewards, const referral_rewards_list_t *tiers,
    const referral_ledger_event_t *e);

/* the conditions that concern the event alone */
int referral_ledger_fits(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e);

/* the whole line, with what it counts, at this moment */
int referral_ledger_holds(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e);

/* does that stand by which the event had qualified? */
int referral_ledger_still(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e);
int referral_ledger_together(const referral_ledger_line_t *line);

/* does it need more than its own event and order? */
int referral_ledger_depends(const referral_ledger_line_t *line);

/* "on=rule:NAME"; a milestone is not given for each order or event */
int referral_ledger_waits(const referral_ledger_line_t *line);
int referral_ledger_milestone(const referral_ledger_line_t *line);

/* the first moment of an event of that name, and when it came to be known: the
   sign-up if it is empty; -1: not yet */
int64_t referral_ledger_since(const referral_ledger_person_t *friend,
    const referral_str_t *name, int64_t *known);

/* an event of that name that stands */
int referral_ledger_had(const referral_ledger_person_t *friend,
    const referral_str_t *name);

/* has the friend reached the rule, paid or denied; "e": by this event? */
int referral_ledger_has(const referral_ledger_t *l,
    const referral_str_t *rule, const referral_ledger_person_t *friend,
    const referral_ledger_event_t *e);

int64_t referral_ledger_clock(const referral_rewards_line_t *line,
    const referral_ledger_event_t *e);


/* grants */

/* the first digits of the SHA-256 of "PROGRAM:NAME": the same after a failover
   that lost what was decided */
int referral_ledger_id(const referral_ledger_t *l, u_char *id,
    const referral_str_t *name);

/* a digest, or where a fact has none the number */
void referral_ledger_who(referral_buf_t *buf, const referral_str_t *who,
    uint64_t number);

const referral_rewards_gift_t *referral_ledger_gift(
    const referral_reward_t *r);

/* which gift of a draw it is; REFERRAL_ERROR if libcrypto fails */
int referral_ledger_draw(referral_reward_t *r,
    const referral_rewards_gift_t *gift);

/* the boosts that hold for it, as one fraction */
void referral_ledger_boost(const referral_ledger_t *l, referral_reward_t *r);

/* grants what the caps leave of it */
void referral_ledger_start(referral_ledger_t *l, referral_reward_t *r);

/* does it stand, and its friend too? */
int referral_ledger_upheld(const referral_ledger_t *l,
    const referral_reward_t *r);

/* bound, and no customer of before */
int referral_ledger_newcomer(const referral_ledger_t *l,
    const referral_ledger_person_t *friend);

const referral_ledger_rules_t *referral_ledger_terms(
    const referral_ledger_t *l, const referral_ledger_person_t *friend);

/* may the event earn anything by this line? */
int referral_ledger_eligible(const referral_ledger_t *l,
    const referral_ledger_event_t *e, const referral_rewards_line_t *line);

/* the number of a friend, or an order, under the line's counter: is it one of
   those that the line names? */
int referral_ledger_numbered(referral_ledger_t *l,
    const referral_ledger_line_t *line, referral_ledger_event_t *e);

/* asks all rules of the friend's terms of these events */
void referral_ledger_ask(referral_ledger_t *l,
    referral_ledger_person_t *friend, referral_ledger_event_t **e, size_t n);

/* floor(a * b * c / (d * e)), INT64_MAX at most; d and e are not 0 */
int64_t referral_ledger_ratio(uint64_t a, uint64_t b, uint64_t c, uint64_t d,
    uint64_t e);

/* what the reward is by its own line, of what is left */
int64_t referral_ledger_target(const referral_reward_t *r);
int64_t referral_ledger_capped(referral_ledger_t *l,
    const referral_reward_t *r, int64_t amount, int fresh);

/* all that was ever granted of a unit */
int64_t *referral_ledger_granted(referral_ledger_t *l,
    const referral_str_t *unit);

void referral_ledger_pay(referral_ledger_t *l, referral_reward_t *r,
    int64_t amount, const referral_ledger_event_t *e, const char *why,
    unsigned from);

referral_reward_t *referral_ledger_reward(referral_ledger_t *l,
    const u_char *id);
void referral_ledger_cap(referral_ledger_t *l, referral_reward_t *r,
    const referral_rewards_line_t *cap);

/* the reward stands by this event now */
void referral_ledger_through(referral_ledger_t *l, referral_reward_t *r,
    referral_ledger_event_t *e);

/* does that which a milestone counts still reach its line? */
int referral_ledger_reached(referral_ledger_t *l, const referral_reward_t *r);


/* reversal and return */

void referral_ledger_ask_again(referral_ledger_t *l,
    referral_ledger_person_t *friend);
void referral_ledger_come_back(referral_ledger_t *l, referral_reward_t *r,
    const referral_ledger_line_t *line, referral_ledger_event_t *e);
void referral_ledger_close(referral_ledger_t *l,
    const referral_ledger_event_t *e);


/* moves */

/* what is told of it is not what it was */
void referral_ledger_touch(referral_ledger_t *l, referral_reward_t *r);

/* granted less cancelled */
int64_t referral_ledger_net(const referral_reward_t *r);
void referral_ledger_move(referral_ledger_t *l, referral_reward_t *r,
    unsigned from, unsigned to, int64_t amount, const char *why);
void referral_ledger_fill_debts(referral_ledger_t *l);

/* which is used first: 1 if "a" */
int referral_ledger_sooner(const referral_reward_t *a,
    const referral_reward_t *b);


/* what is due */

void referral_ledger_schedule(referral_ledger_t *l, unsigned kind,
    int64_t at, void *what);
void referral_ledger_schedule_reward(referral_ledger_t *l,
    referral_reward_t *r);
void referral_ledger_due_pop(referral_ledger_t *l);
void referral_ledger_run(referral_ledger_t *l, int64_t until);
void referral_ledger_ripen(referral_ledger_t *l, referral_reward_t *r);

/* if nothing keeps it pending any more */
void referral_ledger_ripen_if(referral_ledger_t *l, referral_reward_t *r);
void referral_ledger_choose(referral_ledger_t *l, referral_reward_t *r,
    unsigned n);


/* what customers, operators and the shop do with rewards */

void referral_ledger_command(referral_ledger_t *l, const referral_fact_t *fact);
void referral_ledger_release(referral_ledger_t *l,
    referral_ledger_reserve_t *reserve, const char *why);
void referral_ledger_restore(referral_ledger_t *l,
    const referral_ledger_event_t *e);


#endif /* _REFERRAL_LEDGER_CORE_H_INCLUDED_ */
