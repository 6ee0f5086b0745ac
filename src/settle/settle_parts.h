
/*
 * What is too much for one call of referral_commit.lua, so that Redis does not
 * stand still: its operations lie in Redis as parts before the position moves,
 * and are done one after the other behind it, by whoever has the lease.
 *
 * The field "writing" of ref:settled:{p} says how far that is: "OWNER N" while
 * N parts lie in ref:writing:{p} and nothing is decided by them yet, "I/N" when
 * the position has moved and part I is the next to be done.
 */


#ifndef _SETTLE_PARTS_H_INCLUDED_
#define _SETTLE_PARTS_H_INCLUDED_


#include "settle_program.h"


/* keys, a letter of its type for each, and operations on them */

typedef struct {
    settle_command_t    keys;
    settle_command_t    work;
    char               *type;
    size_t              nkeys;
    size_t              size;
} settle_part_t;

typedef struct {
    settle_part_t      *part;
    size_t              n;
    size_t              size;
} settle_parts_t;


/* an operation on a key, by its number; "words" are empty then */
void settle_part_operation(settle_part_t *part, const char *what, size_t key,
    settle_command_t *words);
void settle_part_free(settle_part_t *part);

/* a new one behind the others, which is empty */
settle_part_t *settle_parts_add(settle_parts_t *parts);
void settle_parts_free(settle_parts_t *parts);

/* "key" is copied; its number in operations */
size_t settle_part_key(settle_part_t *part, const referral_buf_t *key,
    char type);

/*
 * One call of referral_commit.lua: "fields" are names and values of
 * ref:settled:{p}, "lease" as the script has it.
 */
redisReply *settle_part_write(settle_program_t *p, const settle_part_t *part,
    const settle_command_t *fields, int64_t lease);

/* SETTLE_BUSY: it was written */
settle_turn_e settle_part_answer(settle_program_t *p, redisReply *reply);

/* puts all of them into Redis: SETTLE_BUSY, the position may move */
settle_turn_e settle_parts_lay(settle_program_t *p,
    const settle_parts_t *parts);

/* does what "writing" says is to be done: SETTLE_BUSY when all of it is */
settle_turn_e settle_parts_do(settle_program_t *p);

static inline int
settle_parts_moved(const char *writing)
{
    return strchr(writing, '/') != NULL;
}


#endif /* _SETTLE_PARTS_H_INCLUDED_ */
