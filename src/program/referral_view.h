
/*
 * The part of a program's state that a settler has in memory: records
 * (friends, orders) by which facts are decided, and counters.  A record must
 * be loaded before it is read; a counter is only ever added to, and what it
 * was is needed when it is written.
 *
 * A view that is "complete" holds all of the state, as when a stream is
 * replayed from its first entry: what is not in it does not exist.
 */


#ifndef _REFERRAL_VIEW_H_INCLUDED_
#define _REFERRAL_VIEW_H_INCLUDED_


#include "referral_str.h"


/* kinds of items, and what each is in Redis */

typedef enum {
    REFERRAL_VIEW_FRIEND = 0,  /* text: the fields of friend:{p}:N */
    REFERRAL_VIEW_STEP,        /* text: its field step:NAME */
    REFERRAL_VIEW_OPEN,        /* text: the digests of its fields order:… */
    REFERRAL_VIEW_ORDER,       /* text: a field of order:{p}:HHH */
    REFERRAL_VIEW_RULES,       /* text: a field of rules:{p} */
    REFERRAL_VIEW_REWARD,      /* text: fields of reward:{p}:ID, pairs */
    REFERRAL_VIEW_LEVEL,       /* text: a field of wallet:{p}:N */
    REFERRAL_VIEW_CONTEST,     /* text: a field of contest:{p}:NAME:PERIOD */
    REFERRAL_VIEW_REVIEW,      /* text: a field of review:{p} */
    REFERRAL_VIEW_PAYOUT,      /* text: a field of payouts:{p} */
    REFERRAL_VIEW_ENTRY,       /* text: an entry of ledger:{p}, pairs */
    REFERRAL_VIEW_OUTBOX,      /* text: an entry of outbox:{p}, pairs */
    REFERRAL_VIEW_DUE,         /* text: the score of a member of due:{p} */
    REFERRAL_VIEW_HISTORY,     /* text: of wallet:{p}:N:entries */
    REFERRAL_VIEW_STATS,       /* counters: fields of stats:{p}[:CODE] */
    REFERRAL_VIEW_DAY,         /* day:{p}:DAY */
    REFERRAL_VIEW_DAYS,        /* days:NAME:{p}[:CODE] */
    REFERRAL_VIEW_COHORT,      /* cohort:{p}:DAY */
    REFERRAL_VIEW_PROGRESS,    /* progress:{p}:N */
    REFERRAL_VIEW_WALLET,      /* wallet:{p}[:N] */
    REFERRAL_VIEW_BOARD,       /* scores: members of board:{p}:… */
    REFERRAL_VIEW_BOARD_DAY,   /* those of a day: the key ends */
    REFERRAL_VIEW_KINDS
} referral_view_kind_e;


/* stands for ":{p}" in the names of DAYS: ":leads :aiko7" */

#define REFERRAL_VIEW_PROGRAM  ' '

/* sorted sets hold doubles: a score is exact up to here, and stays here */

#define REFERRAL_VIEW_SCORE_MAX  ((int64_t) 1 << 53)

/* a day's board ends when so many days after its first minute (UTC) are over */

#define REFERRAL_VIEW_BOARD_DAYS  10


typedef struct {
    uint32_t                 hash;
    uint8_t                  kind;
    unsigned                 loaded:1;
    unsigned                 wanted:1;
    unsigned                 changed:1;   /* since the last commit */
    uint16_t                 klen;
    uint16_t                 flen;

    /* counters: what it was, and what came to it since the last commit */
    int64_t                  value;
    int64_t                  change;

    /* texts, empty if there is none; "before" is that of the last commit, of
       OPEN only the length counts */
    referral_str_t           text;
    referral_str_t           before;

    u_char                   name[];      /* of the key, and of the field */
} referral_view_item_t;


typedef struct {
    referral_view_item_t   **item;
    size_t                   n;
    size_t                   size;
} referral_view_list_t;


typedef struct {
    referral_view_item_t   **slots;
    size_t                   nslots;      /* a power of two */
    size_t                   nitems;
    void                    *chunks;
    u_char                  *pos;
    u_char                  *end;
    referral_view_list_t     wanted;
    referral_view_list_t     changed;
    unsigned                 complete:1;
    unsigned                 failed:1;    /* without memory: clear it */
    unsigned                 overflow:1;  /* a counter left int64: clear it */
    referral_view_item_t    *spare;       /* given where there is no memory */
} referral_view_t;


static inline int
referral_view_counts(unsigned kind)
{
    return kind >= REFERRAL_VIEW_STATS;
}


static inline int
referral_view_scores(unsigned kind)
{
    return kind >= REFERRAL_VIEW_BOARD;
}


static inline int
referral_view_streams(unsigned kind)
{
    return kind == REFERRAL_VIEW_ENTRY || kind == REFERRAL_VIEW_OUTBOX;
}


/* texts of pairs: names and values, a line each */

static inline int
referral_view_pairs(unsigned kind)
{
    return kind == REFERRAL_VIEW_REWARD || referral_view_streams(kind);
}


/* 'h' a hash, 'z' a sorted set, 'x' a stream */

static inline char
referral_view_type(unsigned kind)
{
    return referral_view_streams(kind) ? 'x'
           : referral_view_scores(kind) || kind == REFERRAL_VIEW_DUE
             || kind == REFERRAL_VIEW_HISTORY ? 'z' : 'h';
}


/* REFERRAL_ERROR: without memory */
int referral_view_init(referral_view_t *v, int complete);
void referral_view_free(referral_view_t *v);

/* forgets all, and may be used again */
void referral_view_clear(referral_view_t *v);

/* makes it where there is none, never NULL */
referral_view_item_t *referral_view_find(referral_view_t *v,
    referral_view_kind_e kind, const referral_str_t *key,
    const referral_str_t *field);

/* 0: it is not loaded, and stands on the list of the wanted now */
int referral_view_need(referral_view_t *v, referral_view_item_t *item);

/* what Redis has; "text" is copied, NULL if there is nothing */
void referral_view_load(referral_view_t *v, referral_view_item_t *item,
    const referral_str_t *text);
void referral_view_load_number(referral_view_item_t *item, int64_t value);

/* what was decided */
void referral_view_set(referral_view_t *v, referral_view_item_t *item,
    const referral_str_t *text);
/* likewise, also where it is not known what Redis has: it is written */
void referral_view_replace(referral_view_t *v, referral_view_item_t *item,
    const referral_str_t *text);
void referral_view_append(referral_view_t *v, referral_view_item_t *item,
    const u_char *data, size_t len);
void referral_view_add(referral_view_t *v, referral_view_item_t *item,
    int64_t n);

/*
 * What a counter is to be now, "value" being loaded.  REFERRAL_ERROR: more
 * than it can hold.
 */
int referral_view_sum(const referral_view_item_t *item, int64_t *sum);

/* the changed are what Redis has now */
void referral_view_committed(referral_view_t *v);

/* the wanted are loaded */
void referral_view_satisfied(referral_view_t *v);

/* by kind and name, so that what is of one key stands together */
void referral_view_sort(referral_view_list_t *list);


#endif /* _REFERRAL_VIEW_H_INCLUDED_ */
