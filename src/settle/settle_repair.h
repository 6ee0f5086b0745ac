
/*
 * What a comparison found different, on its way back into Redis: the values
 * of the replay, written by the commit script.
 */


#ifndef _SETTLE_REPAIR_H_INCLUDED_
#define _SETTLE_REPAIR_H_INCLUDED_


#include "settle_parts.h"


typedef struct {
    settle_program_t   *program;
    settle_part_t       part;
    FILE               *lines;          /* told when they are written */
    char               *text;
    size_t              len;
    unsigned            away:1;         /* the program was settled meanwhile */
    unsigned            failed:1;       /* Redis refuses it; it was told */
} settle_repair_t;


/* a field of a key, and where it lies */

typedef struct {
    const char         *key;
    int64_t             ends;           /* s; 0: the key stays */
    unsigned            scores:1;       /* a sorted set */
    unsigned            open:1;         /* "order:" and a place, no value */
    referral_str_t      field;
    referral_str_t      right;          /* of the replay; empty: no field */
    referral_str_t      wrong;          /* of Redis */
} settle_repair_field_t;


void settle_repair_init(settle_repair_t *r, settle_program_t *p);
void settle_repair_free(settle_repair_t *r);

/* whether it is time for settle_repair_write() */
int settle_repair_full(const settle_repair_t *r);

void settle_repair_field(settle_repair_t *r, const settle_repair_field_t *f);

/*
 * Writes the fields if the program still stands at p->position and p->chain,
 * and tells each on stdout.  SETTLE_FAILED: nothing of them was written, see
 * "away" and "failed".  No reply of another command may be due.
 */
int settle_repair_write(settle_repair_t *r);


#endif /* _SETTLE_REPAIR_H_INCLUDED_ */
