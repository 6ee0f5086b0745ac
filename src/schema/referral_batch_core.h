
/*
 * Private to the batch: referral_batch.c (what a record writes to Redis),
 * referral_batch_table.c (the tables in which that is collected) and
 * referral_batch_command.c (the command made of them, and its reply).
 */


#ifndef _REFERRAL_BATCH_CORE_H_INCLUDED_
#define _REFERRAL_BATCH_CORE_H_INCLUDED_


#include <stdlib.h>

#include "referral_batch.h"
#include "referral_command.h"
#include "referral_hash.h"
#include "referral_keys.h"
#include "referral_pack.h"
#include "referral_time.h"


/*
 * The script gets its work in MessagePack: all texts, each once, and
 * operations, which name a text by its number.  That is its index in Lua's
 * array: from 1, and 1 is the empty text.
 *
 * One hash table of items serves four kinds of look-up: a counter of a key
 * (owner: the target), a target (owner: kind, type and group), a key (owner:
 * kind and type) and a group (owner: kind).
 */

#define REFERRAL_BATCH_KEYS       (REFERRAL_KEY_EVENTS + 1)
#define REFERRAL_BATCH_OPS        1000
#define REFERRAL_BATCH_TEXTS      16384
#define REFERRAL_BATCH_TEXT_SIZE  (512 * 1024)
#define REFERRAL_BATCH_ITEMS      24576
#define REFERRAL_BATCH_SLOTS_MIN  1024
#define REFERRAL_BATCH_SLOTS_MAX  32768
#define REFERRAL_BATCH_OUT        (1024 * 1024)

#define REFERRAL_BATCH_CUT        255     /* bytes of a record's text */
#define REFERRAL_BATCH_VALUES     20      /* texts of an event */
#define REFERRAL_BATCH_EMPTY      1       /* number of the empty text */
#define REFERRAL_BATCH_FEW        16      /* items of a link that are not in
                                             the hash table */


/* the script's kinds of operations */

typedef enum {
    REFERRAL_OP_IF = 0,
    REFERRAL_OP_COUNT,
    REFERRAL_OP_SCORE,
    REFERRAL_OP_SET,
    REFERRAL_OP_UNIQUE,
    REFERRAL_OP_EVENTS,
    REFERRAL_OP_HOURS,
    REFERRAL_OP_TRIM
} referral_op_e;


/* texts that are the same in all batches */

typedef enum {
    REFERRAL_WORD_RAW = 0,
    REFERRAL_WORD_CLICKS,
    REFERRAL_WORD_MISSED,
    REFERRAL_WORD_UNRESOLVED,
    REFERRAL_WORD_NO_CONSENT,
    REFERRAL_WORD_NO_ADDRESS,
    REFERRAL_WORD_UNLISTED,
    REFERRAL_WORD_VISITORS,
    REFERRAL_WORD_CLASS,         /* the names of the classes, then of the
                                    results */
    REFERRAL_WORD_RESULT = REFERRAL_WORD_CLASS + REFERRAL_CLASSES,
    REFERRAL_WORDS = REFERRAL_WORD_RESULT + REFERRAL_RESULTS
} referral_word_e;


/*
 * A text, with what most clicks look up by it: the items in the counters of
 * the program and of the day, and the field of a dimension with the text as
 * its value; of a code also the targets for its counters and its days.
 */

typedef struct {
    uint64_t            hash;
    uint32_t            off;
    uint16_t            len;
    uint16_t            slotted;     /* it is in the hash table */
    uint16_t            stats[2];
    uint16_t            field;
    uint16_t            dimension;
    uint16_t            link[2];
} referral_batch_text_t;


/*
 * "next" chains the items of an operation.  Owner 0: it is not in the hash
 * table, because it is not looked up, or because it is one of a link's first.
 */

typedef struct {
    uint32_t            owner;
    uint32_t            text;
    uint32_t            value;
    uint32_t            next;
} referral_batch_item_t;


typedef struct {
    uint32_t            type;
    uint32_t            suffix;
} referral_batch_key_t;


/*
 * A key under one condition, and its last operation.  Of a link also its first
 * items, and the one that the next field probably is: the fields of a link
 * come in the same order with each click.
 */

typedef struct {
    uint64_t            expire;      /* when the key ends, in seconds; 0:
                                        never */
    uint64_t            life;        /* how long the key lives, from its click
                                        or day on */
    uint32_t            type;
    uint32_t            suffix;
    uint32_t            key;
    uint32_t            group;
    uint32_t            op;
    uint32_t            few;
    uint32_t            first;
    uint32_t            likely;
} referral_batch_target_t;


/*
 * "first" and "last" are indices of items, with REFERRAL_OP_EVENTS of events.
 */

typedef struct {
    uint32_t            target;
    uint32_t            first;
    uint32_t            last;
    uint32_t            n;
    uint32_t            next;        /* the next one of the group */
} referral_batch_op_t;


/* operations under one condition; group 0 has none */

typedef struct {
    uint32_t            key;
    uint32_t            first;
    uint32_t            last;
    uint32_t            n;
} referral_batch_group_t;


typedef struct {
    uint32_t            next;
    uint32_t            text[REFERRAL_BATCH_VALUES];
} referral_batch_event_t;


/*
 * A hash table: the index of a text or an item, 0 in an empty slot.  Its size
 * is a power of two, as small as a batch needs, so that the part that most
 * clicks touch stays in the processor's cache.
 */

typedef struct {
    uint32_t            size;
    uint32_t            used;
    uint16_t            slot[REFERRAL_BATCH_SLOTS_MAX];
} referral_batch_slots_t;


/*
 * The last day, hour, minute or second that was needed, and the number of its
 * name.
 */

typedef struct {
    int64_t             number;
    uint32_t            text;
} referral_batch_time_t;


/* index 0 means none: the first element of each array is not used */

struct referral_batch_s {
    referral_batch_conf_t    conf;

    referral_script_t        script;
    u_char                   journal[2 * REFERRAL_JOURNAL_ID_SIZE];
    u_char                   program[REFERRAL_PROGRAM_MAX];
    size_t                   program_len;

    size_t                   gap;            /* bytes of the length before the
                                                work, in the command before */

    uint64_t                 expected;
    uint64_t                 last;
    int64_t                  newest;         /* ms */
    unsigned                 records;

    uint32_t                 ntexts;
    uint32_t                 nitems;
    uint32_t                 nkeys;
    uint32_t                 ntargets;
    uint32_t                 nops;
    uint32_t                 ngroups;
    uint32_t                 nevents;
    size_t                   text_len;
    size_t                   text_size;      /* including the bytes of keys */

    referral_batch_time_t    day;
    referral_batch_time_t    hour;
    referral_batch_time_t    minute;
    referral_batch_time_t    second;
    uint32_t                 month;          /* of the day */

    uint32_t                 words[REFERRAL_WORDS];
    uint32_t                 recent[REFERRAL_BATCH_KEYS];  /* last targets */

    referral_batch_slots_t   text_slots;
    referral_batch_slots_t   item_slots;

    referral_batch_text_t    texts[REFERRAL_BATCH_TEXTS];
    referral_batch_item_t    items[REFERRAL_BATCH_ITEMS];
    referral_batch_key_t     keys[2 * REFERRAL_BATCH_OPS];
    referral_batch_target_t  targets[REFERRAL_BATCH_OPS];
    referral_batch_op_t      ops[REFERRAL_BATCH_OPS];
    referral_batch_group_t   groups[REFERRAL_BATCH_OPS];
    referral_batch_event_t   events[REFERRAL_BATCH_RECORDS + 1];

    u_char                   text[REFERRAL_BATCH_TEXT_SIZE];  /* in
                                                                 MessagePack */
    u_char                   out[REFERRAL_BATCH_OUT];
};


/* referral_batch.c */

extern const referral_op_e  referral_batch_ops[];

/* referral_batch_table.c */

void referral_batch_reset(referral_batch_t *b);
uint32_t referral_batch_group(referral_batch_t *b, uint32_t code);
uint32_t referral_batch_target(referral_batch_t *b, uint32_t group,
    uint32_t type, uint32_t suffix);
uint32_t referral_batch_target_link(referral_batch_t *b, uint32_t group,
    uint32_t type, uint32_t code);
referral_batch_op_t *referral_batch_op(referral_batch_t *b, uint32_t n);
referral_batch_item_t *referral_batch_member_few(referral_batch_t *b,
    uint32_t target, uint32_t text);
referral_batch_item_t *referral_batch_member(referral_batch_t *b,
    uint32_t target, uint32_t text);
referral_batch_item_t *referral_batch_member_append(referral_batch_t *b,
    uint32_t target, uint32_t text);
uint32_t referral_batch_key(referral_batch_t *b, uint32_t type,
    uint32_t suffix);
uint32_t referral_batch_text(referral_batch_t *b, const void *data,
    size_t len);
uint32_t referral_batch_text_append(referral_batch_t *b, const void *data,
    size_t len);
uint32_t referral_batch_str(referral_batch_t *b,
    const referral_str_t *s);

/* referral_batch_command.c: the script, to b->script */

int referral_batch_script(referral_batch_t *b);


#endif /* _REFERRAL_BATCH_CORE_H_INCLUDED_ */
