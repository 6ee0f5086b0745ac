
/*
 * Entries of a stream as they come from Redis, or from a dump: facts, one
 * after the other.
 */


#ifndef _SETTLE_ENTRIES_H_INCLUDED_
#define _SETTLE_ENTRIES_H_INCLUDED_


#include "settle_redis.h"


#define SETTLE_ENTRY_TEXTS  (2 * REFERRAL_FACT_PAIRS)


/* of an entry that is malformed "why" says how; "fact" has what there is */

typedef struct {
    referral_fact_t    fact;
    const char        *why;
} settle_entry_t;


/*
 * Some entries, and the memory of their texts.  "pairs" has
 * SETTLE_ENTRY_TEXTS for each.
 */

typedef struct {
    settle_entry_t    *entry;
    size_t             n;
    size_t             max;
    referral_str_t    *pairs;
    redisReply        *reply;
} settle_entries_t;


void settle_entries_init(settle_entries_t *e, size_t max);
void settle_entries_free(settle_entries_t *e);

/*
 * XRANGE from a position on, at most "max".  SETTLE_FAILED: without a
 * connection, or refused: then "text" says why.
 */
int settle_entries_read(settle_entries_t *e, const referral_state_t *state,
    uint64_t from, char text[SETTLE_TEXT]);

/* takes one apart; "pair" must live as long */
void settle_entry_parse(settle_entry_t *entry, const referral_str_t *id,
    const referral_str_t *pair, size_t n);


#endif /* _SETTLE_ENTRIES_H_INCLUDED_ */
