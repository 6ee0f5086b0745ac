
/*
 * From events to one Redis command: what is appended to the stream of
 * conversions.  The command only carries what the events say; whom each is
 * credited to, its number and its time are found out by referral_append.lua,
 * in the step in which the entry is written.
 *
 * As a batch of clicks (referral_batch.h), and with the same marks, replies
 * and errors: an append belongs to one journal and one program, and its
 * command is a pure function of the configuration, the journal id, the
 * expected mark, the patience and the events added, byte for byte.  Unlike
 * there nothing is set aside: whatever is wrong with any key, none is written.
 */


#ifndef _REFERRAL_APPEND_H_INCLUDED_
#define _REFERRAL_APPEND_H_INCLUDED_


#include "referral_batch.h"
#include "referral_event.h"
#include "referral_str.h"


#define REFERRAL_APPEND_EVENTS     256    /* of one command */
#define REFERRAL_APPEND_SEED_SIZE  16

/*
 * ms that an event waits for the click that it names, at most: more than a
 * host's drain of clicks takes after an outage of Redis, and so little that a
 * shop with wrong click ids is not held up
 */
#define REFERRAL_APPEND_PATIENCE   10000


typedef struct referral_append_s  referral_append_t;


/*
 * The prefix belongs to the caller and must live as long as the append.
 * "window", "late" and "first" hold where the program does not say it.
 */

typedef struct {
    referral_str_t      prefix;          /* "ref:"; no braces */
    uint32_t            window;          /* seconds */
    uint32_t            late;            /* seconds */
    unsigned            first:1;         /* of the cookie's touches the first
                                            is credited, not the last */
    u_char              seed[REFERRAL_APPEND_SEED_SIZE];
                                         /* random: what people's digests are
                                            made with in a program that has no
                                            seed yet */
} referral_append_conf_t;


typedef enum {
    REFERRAL_APPEND_NEW = 0,
    REFERRAL_APPEND_REPLAY,      /* was there before, the same */
    REFERRAL_APPEND_CONFLICT,    /* its id was there before, with another
                                    meaning: rejected */
    REFERRAL_APPEND_KINDS
} referral_append_kind_e;


/* of an event that was there before: of its entry */

typedef struct {
    uint64_t            position;        /* in the stream, from 1 on */
    uint8_t             kind;            /* referral_append_kind_e */
    uint8_t             via;             /* referral_event_via_e */
    unsigned            known:1;         /* a customer from before */
    unsigned            self:1;          /* names itself as its referrer */
    unsigned            gone:1;          /* its entry is not there any more:
                                            none of these three is known */
} referral_append_outcome_t;


/* all but the prefix and the seed, which stay */
void referral_append_defaults(referral_append_conf_t *conf);

/*
 * Less than 2 MB, allocated here and never again; one serves any number of
 * appends, one after the other.  NULL without memory or with a prefix that is
 * too long or holds a brace.
 */
referral_append_t *referral_append_create(const referral_append_conf_t *conf);
void referral_append_free(referral_append_t *a);

/*
 * Forgets what was added before.  "journal_id" is of
 * REFERRAL_JOURNAL_ID_SIZE bytes, copied, as the program is; "expected" is
 * the mark that the append builds on, 0 for none.  REFERRAL_ERROR: not a
 * program's name.
 */
int referral_append_begin(referral_append_t *a, const referral_str_t *program,
    const u_char *journal_id, uint64_t expected);

/*
 * After begin, for the events that follow: one that was received from "from" to
 * "to", both in ms, waits if it names a click that Redis does not have yet, and
 * nothing else leads to a referrer.  The append ends before it then
 * (REFERRAL_BATCH_PART).  A browser's event never waits, for anybody can make
 * those.  Without this no event waits.
 */
void referral_append_patience(referral_append_t *a, int64_t from, int64_t to);

/*
 * Nothing of the event is referred to afterwards.  REFERRAL_DECLINED: full,
 * nothing was added; send what there is.  An empty append is never full.
 * REFERRAL_ERROR: this event can never be appended (another program); the
 * mark moves past it, unless "seq" is not above the last one.
 */
int referral_append_add(referral_append_t *a, const referral_event_t *event,
    uint64_t seq);

/* since begin: what the mark moves past, and the events among it */
unsigned referral_append_records(const referral_append_t *a);
unsigned referral_append_events(const referral_append_t *a);

/* the mark that the append will leave */
uint64_t referral_append_last(const referral_append_t *a);

/*
 * The whole command, in RESP, as EVALSHA, with "full" as EVAL; it stays valid
 * until the next begin, add or command.  REFERRAL_DECLINED: nothing was
 * added.
 */
int referral_append_command(referral_append_t *a, int full,
    referral_str_t *command);

/*
 * What the script's array of integers means, as referral_batch_reply() says
 * it; "events" is how many the append had.  Of REFERRAL_BATCH_PART the first
 * (n - 3) / 3 events were applied.
 */
void referral_append_reply(referral_batch_reply_t *reply,
    const int64_t *values, size_t n, unsigned events, uint64_t expected,
    uint64_t written);

/*
 * What became of the i-th event that was added, from 0 on, by the array of a
 * reply that is REFERRAL_BATCH_APPLIED or _PART.  REFERRAL_ERROR: there is
 * none.
 */
int referral_append_outcome(const int64_t *values, size_t n, unsigned i,
    referral_append_outcome_t *outcome);


#endif /* _REFERRAL_APPEND_H_INCLUDED_ */
