
/*
 * Where programs stand, as Redis says: JSON for people and programs, a file of
 * metrics for Prometheus.
 */


#ifndef _SETTLE_STATUS_H_INCLUDED_
#define _SETTLE_STATUS_H_INCLUDED_


#include "settle_program.h"


/* what stands in Redis of one program */

typedef struct {
    uint64_t             position;
    uint64_t             end;           /* of the stream */
    int64_t              now;           /* ms: Redis's time */
    int64_t              waiting;       /* ms that the first fact waits */
    int64_t              settled_at;
    int64_t              newest_at;
    int64_t              engine;
    int64_t              trying;
    int64_t              attempts;
    int64_t              lease_until;
    char                 chain[2 * REFERRAL_CHAIN_SIZE + 1];
    char                 rewards_chain[2 * REFERRAL_CHAIN_SIZE + 1];
    int64_t              next_due;      /* ms; -1: nothing */
    char                 refused[SETTLE_TEXT];  /* a text of rewards, and why */
    char                 writing[SETTLE_WRITING];  /* part I of N is next */
    char                 lease[SETTLE_TEXT];
    char                 stopped[SETTLE_TEXT];
    char                 trouble[SETTLE_TEXT];  /* that is tried again */
} settle_stands_t;


/* SETTLE_FAILED: Redis does not say; "why" has its words */
int settle_status_read(settle_stands_t *s, const referral_state_t *state,
    char why[SETTLE_TEXT]);

/*
 * SETTLE_OK: Redis has something of the program.  SETTLE_FAILED: nothing at
 * all, or no answer; it was told.
 */
int settle_status_known(const settle_program_t *p);

/* what to say where the stream ends before what was settled */
void settle_status_replaced(char text[SETTLE_TEXT], uint64_t end,
    uint64_t position);

/* one JSON array on stdout */
int settle_status_print(settle_program_t *const *programs, size_t n);

/* a whole new file, then a rename: who reads it never sees half of one */
void settle_metrics_write(settle_program_t *const *programs, size_t n);


#endif /* _SETTLE_STATUS_H_INCLUDED_ */
