
/*
 * All programs that are settled here: those that options name, or those that
 * Redis has.
 */


#ifndef _SETTLE_PROGRAMS_H_INCLUDED_
#define _SETTLE_PROGRAMS_H_INCLUDED_


#include "settle_program.h"


typedef struct {
    settle_program_t  **program;
    settle_turn_e      *turn;           /* the last one of each */
    size_t              n;
    size_t              size;
    int64_t             looked_at;
    char                cursor[32];     /* of SCAN */
    unsigned            scanned:1;      /* all keys were seen once */
} settle_programs_t;


void settle_programs_init(settle_programs_t *list);

/* and the connection */
void settle_programs_free(settle_programs_t *list);

/*
 * Looks for new programs now and then.  SETTLE_FAILED: Redis does not answer,
 * or refuses it.
 */
int settle_programs_find(settle_programs_t *list);

/*
 * Until one of the streams has something new, or half a second is over.
 * SETTLE_FAILED: there is nothing to wait for.
 */
int settle_programs_wait(settle_programs_t *list);

/* gives leases back; SETTLE_DIFFERENT if a program has stopped */
int settle_programs_end(settle_programs_t *list);


#endif /* _SETTLE_PROGRAMS_H_INCLUDED_ */
