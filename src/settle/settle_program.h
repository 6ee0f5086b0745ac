
/*
 * A program that is settled: where it stands, what is known of its state, and
 * the way of a batch: read, load, decide, commit.
 */


#ifndef _SETTLE_PROGRAM_H_INCLUDED_
#define _SETTLE_PROGRAM_H_INCLUDED_


#include "settle_entries.h"
#include "settle_ledger.h"
#include "referral_rewards.h"
#include "referral_terms.h"


typedef enum {
    SETTLE_IDLE = 0,       /* nothing is left */
    SETTLE_BUSY,           /* something was settled: there may be more */
    SETTLE_AWAY,           /* another settler has it, or it stopped */
    SETTLE_TROUBLE         /* Redis refuses something: later again */
} settle_turn_e;


/*
 * What a fact "rules" says, as the lines of settle_newest_t.text: the last is
 * the text of rewards, which may have lines of its own, before it is the seed.
 */

#define SETTLE_RULES_FACTS  11
#define SETTLE_RULES_LINES  (SETTLE_RULES_FACTS - 1)

#define SETTLE_WRITING      (SETTLE_TEXT + 24)

/* in a commit, about; a fact that alone makes many more is done in parts */

#define SETTLE_CHANGES      5000


/* what is known of the newest fact "rules" */

typedef struct {
    uint64_t             version;
    int64_t              time;          /* ms */
    int64_t              from;          /* ms: its table of offsets begins */
    char                *text;          /* what it says, a value a line */
} settle_newest_t;


typedef struct {
    char                 name[REFERRAL_PROGRAM_MAX + 1];
    referral_state_t     state;

    referral_settle_t    settle;
    referral_terms_t     terms;
    settle_newest_t      rules;
    settle_ledger_t      rewards;

    uint64_t             position;      /* and chain: as Redis has them */
    char                 chain[2 * REFERRAL_CHAIN_SIZE + 1];
    char                 writing[SETTLE_WRITING];  /* see settle_parts.h */

    unsigned             loaded:1;      /* position and terms are Redis's */
    unsigned             mine:1;        /* the lease */
    unsigned             current:1;     /* all of the stream was seen once */
    unsigned             well:1;        /* nothing was refused of late */
    unsigned             single:1;      /* fact by fact: one of them is wrong */
    unsigned             named:1;       /* by somebody, at the last look */
    unsigned             rewards_known:1;  /* Redis has "rewards_told" */

    uint64_t             repaired;      /* so often */
    uint64_t             skip;          /* by an operator's word */
    uint64_t             stop;          /* it stops before this one, or 0 */
    uint64_t             trying;        /* the process died of this one */
    int                  attempts;      /* so often */
    int64_t              now;           /* ms: Redis's, at the last lease */

    int64_t              now_at;        /* settle_clock(): then */
    int64_t              leased_at;
    int64_t              mine_at;
    int64_t              checked_at;
    int64_t              again_at;
    char                 told[SETTLE_TEXT];
    char                 zone_told[SETTLE_TEXT];
    char                 rewards_told[SETTLE_TEXT];

    uint64_t             facts;         /* since the start */
    uint64_t             commits;
    uint64_t             conflicts;
} settle_program_t;


/* what the supervisor knows of its child; lies in memory that both have */

typedef struct {
    volatile int         deciding;
    volatile uint64_t    position;
    char                 program[REFERRAL_PROGRAM_MAX + 1];
} settle_shared_t;

extern settle_shared_t  *settle_shared;

/* who holds leases: host, process, and what makes it unique */
extern char              settle_owner[SETTLE_TEXT];


settle_program_t *settle_program_create(const char *name);
void settle_program_free(settle_program_t *p);

/* one batch */
settle_turn_e settle_program_turn(settle_program_t *p);

/* the last settler died when it decided the fact at "position" */
void settle_program_crashed(settle_program_t *p, uint64_t position);

/*
 * Takes the lease for "life" ms, also from who has it, and p->skip and
 * p->repaired.  SETTLE_FAILED: it was told.
 */
int settle_program_hold(settle_program_t *p, int64_t life);

/* gives the lease back */
void settle_program_leave(settle_program_t *p);

/* "text" is told, once as long as it stays the same; tries later again */
settle_turn_e settle_program_trouble(settle_program_t *p, const char *text);

/* what was told is over; Redis has it at the next lease */
void settle_program_well(settle_program_t *p);

/* forgets what is known of the state: Redis is asked again */
void settle_program_forget(settle_program_t *p);

/* loads what the view wants: SETTLE_FAILED after settle_program_trouble() */
int settle_load_wanted(settle_program_t *p);
int settle_load_counters(settle_program_t *p);

/*
 * Writes what changed, and where the program stands; SETTLE_BUSY.  With
 * "attempts" also that the fact p->trying was tried so often, and that the
 * program stops before it if "stopped" is not empty.
 */
settle_turn_e settle_commit(settle_program_t *p, const char *stopped,
    int attempts);

/* Redis has what p->settle has */
void settle_commit_stands(settle_program_t *p);

/*
 * Appends a fact "rules" if the program's fields, or tzdata, say otherwise
 * than the newest.  SETTLE_BUSY if it did.
 */
settle_turn_e settle_rules_check(settle_program_t *p);

/* finds the terms that hold at the program's position */
settle_turn_e settle_rules_find(settle_program_t *p);

/* must the ledger follow what is committed before anything is decided? */
int settle_rewards_behind(const settle_program_t *p);

/* some facts at a time: SETTLE_BUSY */
settle_turn_e settle_rewards_follow(settle_program_t *p);
/* a line of the seed, then the text of rewards: the program's, or the former
   one if there is a mistake in it, which is told; SETTLE_FAILED after
   settle_program_trouble() */
int settle_rewards_text(settle_program_t *p, referral_buf_t *out,
    const referral_str_t *text);

settle_turn_e settle_rewards_begin(settle_program_t *p, const char *chain,
    const char *skipped);

/* if something is due, a fact says that time has passed */
settle_turn_e settle_rewards_tick(settle_program_t *p);

void settle_rules_seen(settle_program_t *p, const referral_fact_t *fact);


#endif /* _SETTLE_PROGRAM_H_INCLUDED_ */
