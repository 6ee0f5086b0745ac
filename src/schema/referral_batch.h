
/*
 * From records to one Redis command: what the counters, boards and streams of
 * a program take from a record.  What is written stands in referral_batch.c
 * and referral_click.lua and nowhere else, the names of keys in
 * referral_keys.h.
 *
 * A batch belongs to one journal and one program.  Its command is a pure
 * function of the configuration, the journal id, the expected mark and the
 * records added, byte for byte.
 */


#ifndef _REFERRAL_BATCH_H_INCLUDED_
#define _REFERRAL_BATCH_H_INCLUDED_


#include "referral_id.h"
#include "referral_record.h"
#include "referral_str.h"


#define REFERRAL_BATCH_RECORDS      1000
#define REFERRAL_BATCH_PREFIX_MAX   64
#define REFERRAL_BATCH_MARK_MAX     512   /* a command about one mark, in
                                             bytes */


typedef struct referral_batch_s  referral_batch_t;


/* the strings belong to the caller and must outlive the batch */

typedef struct {
    referral_str_t      prefix;          /* "ref:"; no braces */
    uint64_t            events_maxlen;   /* entries; 0: no event stream */
    int64_t             events_age;      /* seconds; 0: not cut by age */
    uint32_t            cap_program;     /* how many values of a dimension
                                            that requests choose are counted
                                            in a hash of the program or of
                                            its day */
    uint32_t            cap_link;        /* the same in a hash of a link */
    uint32_t            uniques_ttl;     /* seconds from the day's start */
    uint32_t            board_ttl;       /* the same, for a day's board */
    uint64_t            seed;            /* of the hash tables; the command
                                            does not depend on it */
} referral_batch_conf_t;


typedef enum {
    REFERRAL_BATCH_APPLIED = 0,
    REFERRAL_BATCH_AHEAD,        /* Redis has more records: continue behind
                                    found */
    REFERRAL_BATCH_BEHIND,       /* Redis has lost records: send again from
                                    found */
    REFERRAL_BATCH_FOREIGN,      /* Redis has more records than the journal
                                    ever had: another journal has this id */
    REFERRAL_BATCH_PART,         /* of an append: applied up to "upto", what
                                    follows is to be sent later */
    REFERRAL_BATCH_INVALID       /* not a reply of the script: keep, retry */
} referral_batch_answer_e;


typedef struct {
    referral_batch_answer_e  answer;
    uint64_t                 found;      /* the mark before, 0 if there was
                                            none */
    uint64_t                 refused;    /* operations that Redis refused */
    uint64_t                 upto;       /* of REFERRAL_BATCH_PART */
    unsigned                 none:1;     /* there was no mark */
} referral_batch_reply_t;


/* an error reply to the whole command, of which nothing was applied */

typedef enum {
    REFERRAL_BATCH_RETRY = 0,    /* a temporary state: keep and retry */
    REFERRAL_BATCH_REROUTE,      /* MOVED, ASK */
    REFERRAL_BATCH_NOSCRIPT,     /* send the command again with "full" */
    REFERRAL_BATCH_DENIED,       /* NOPERM, perhaps for these keys only: keep
                                    and retry */
    REFERRAL_BATCH_UNKNOWN       /* keep and retry, and log the text */
} referral_batch_error_e;


/* sets the defaults of all members except the prefix and the seed */
void referral_batch_defaults(referral_batch_conf_t *conf);

/*
 * Allocates about 3 MB, once; a batch is used for any number of commands, one
 * after the other.  NULL: no memory, or the prefix is longer than
 * REFERRAL_BATCH_PREFIX_MAX or has a brace.
 */
referral_batch_t *referral_batch_create(const referral_batch_conf_t *conf);
void referral_batch_free(referral_batch_t *b);

/*
 * Empties the batch.  "journal_id" has REFERRAL_JOURNAL_ID_SIZE bytes; it and
 * the program are copied.  "expected" is the mark that Redis is expected to
 * have, 0 for none.  REFERRAL_ERROR: not a valid name of a program.
 */
int referral_batch_begin(referral_batch_t *b, const referral_str_t *program,
    const u_char *journal_id, uint64_t expected);

/*
 * Copies what it needs of the record.  REFERRAL_DECLINED: the batch is full,
 * the record was not added and belongs into the next one; an empty batch is
 * never full.  REFERRAL_ERROR: the record can never be counted (another
 * program, a time outside the calendar); the mark moves past it, unless "seq"
 * is not above the last one.
 */
int referral_batch_add(referral_batch_t *b, const referral_record_t *record,
    uint64_t seq);

/* the number of records since begin, and the mark after the batch */
unsigned referral_batch_records(const referral_batch_t *b);
uint64_t referral_batch_last(const referral_batch_t *b);

/*
 * The whole command in RESP: EVALSHA, or with "full" EVAL.  It points into the
 * batch and is valid until the next begin, add or command.  REFERRAL_DECLINED:
 * the batch is empty.
 */
int referral_batch_command(referral_batch_t *b, int full,
    referral_str_t *command);

/*
 * Evaluates the script's reply of three integers to a batch that expected the
 * mark "expected", from a journal whose last record is "written".
 */
void referral_batch_reply(referral_batch_reply_t *reply,
    const int64_t *values, size_t n, uint64_t expected, uint64_t written);

/* classifies the text of an error reply, without its leading "-" */
referral_batch_error_e referral_batch_error(const referral_str_t *text);

/* appends the name of the program's hash of marks */
void referral_batch_mark_key(const referral_batch_conf_t *conf,
    referral_buf_t *out, const referral_str_t *program);

/*
 * Append commands, in RESP, that read or delete the mark of a journal in a
 * program; at most REFERRAL_BATCH_MARK_MAX bytes.  The reply to the first is
 * the mark in decimal, or nil.
 */
void referral_batch_mark_get(const referral_batch_conf_t *conf,
    referral_buf_t *out, const referral_str_t *program,
    const u_char *journal_id);
void referral_batch_mark_delete(const referral_batch_conf_t *conf,
    referral_buf_t *out, const referral_str_t *program,
    const u_char *journal_id);


#endif /* _REFERRAL_BATCH_H_INCLUDED_ */
