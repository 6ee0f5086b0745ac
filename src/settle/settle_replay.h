
/*
 * A stream settled in memory once more, and compared with what Redis holds.
 */


#ifndef _SETTLE_REPLAY_H_INCLUDED_
#define _SETTLE_REPLAY_H_INCLUDED_


#include "settle_repair.h"


/* statuses of the process: SETTLE_DIFFERENT, and each difference on stdout */
int settle_replay(void);

/* the same, and writes what differs as the replay has it */
int settle_repair(void);

/* the stream on stdout */
int settle_dump(void);

/*
 * Compares each key of the program; prints the differences if "print", writes
 * them with "repair" if it is not NULL.  Returns how many there are, -1: Redis
 * does not answer, or the repair did not succeed.
 */
int64_t settle_compare(settle_program_t *p, int64_t now, int print,
    settle_repair_t *repair);


#endif /* _SETTLE_REPLAY_H_INCLUDED_ */
