
/*
 * The ledger of a program that has rules of rewards.  All of it is in memory:
 * it is made of the stream when the program is taken over, and what each fact
 * changes is kept until Redis has it.
 */


#ifndef _SETTLE_LEDGER_H_INCLUDED_
#define _SETTLE_LEDGER_H_INCLUDED_


#include "referral_chain.h"
#include "referral_ledger_write.h"


/* a fact that was decided, and is not committed yet */

typedef struct {
    uint64_t                   position;
    size_t                     first;    /* of its writes */
    u_char                     fact[REFERRAL_CHAIN_SIZE];
    u_char                     chain[REFERRAL_CHAIN_SIZE];
} settle_decided_t;


typedef struct {
    referral_ledger_t         *ledger;   /* NULL: there is none yet */
    uint64_t                   position; /* of the last fact it has */
    u_char                     chain[REFERRAL_CHAIN_SIZE];

    uint64_t                   base;     /* what Redis has of it */
    u_char                     base_chain[REFERRAL_CHAIN_SIZE];
    settle_decided_t          *fact;
    size_t                     nfacts;
    size_t                     size;
    referral_ledger_writes_t   writes;

    u_char                     stands[REFERRAL_CHAIN_SIZE];  /* Redis's */
    unsigned                   known:1;  /* it has one */
    unsigned                   wanted:1;
    unsigned                   kept:1;   /* others went on meanwhile */
    char                      *skipped;  /* "12,99": facts that were */
} settle_ledger_t;


void settle_ledger_free(settle_ledger_t *g);

/* does this fact, in a program without a ledger, ask for one? */
int settle_ledger_asked(const settle_ledger_t *g, const referral_fact_t *fact);

/*
 * Decides a fact, or finds what was decided of it.  REFERRAL_ERROR: a sum
 * leaves int64, or there is no memory, and the ledger is dropped, with what is
 * not committed; REFERRAL_AGAIN: the ledger is to be made anew.
 */
int settle_ledger_take(settle_ledger_t *g, const referral_fact_t *fact);

/* what the fact changed, into the view */
void settle_ledger_apply(const settle_ledger_t *g, uint64_t position,
    referral_view_t *view);

/* an operator goes past a fact.  REFERRAL_AGAIN: as above */
int settle_ledger_skip(settle_ledger_t *g, uint64_t position);
int settle_ledger_skipped(const settle_ledger_t *g, uint64_t position);

/* the chain behind a fact that is not committed yet, or the base */
const u_char *settle_ledger_chain(const settle_ledger_t *g,
    uint64_t position);

/* Redis has all up to there */
void settle_ledger_committed(settle_ledger_t *g, uint64_t position);

/* Redis has the base's chain, too */
void settle_ledger_written(settle_ledger_t *g);

/*
 * Redis stands there, with that chain.  What is known of the ledger is kept if
 * it agrees; else it is made anew.
 */
void settle_ledger_stands(settle_ledger_t *g, uint64_t position,
    const u_char *chain);

/* forgets all of it; it is wanted still, if it was */
void settle_ledger_drop(settle_ledger_t *g);

/* a fact that is committed already; REFERRAL_ERROR: without memory */
int settle_ledger_follow(settle_ledger_t *g, const referral_fact_t *fact);
int settle_ledger_create(settle_ledger_t *g, const referral_str_t *program);


#endif /* _SETTLE_LEDGER_H_INCLUDED_ */
