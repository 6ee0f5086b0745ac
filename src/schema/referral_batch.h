
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
#define REFERRAL_BATCH_MARK_MAX     512   /* a command about one mark */


typedef struct referral_batch_s  referral_batch_t;


/* the strings belong to the caller and must live as long as the batch */

typedef struct {
    referral_str_t      prefix;          /* "ref:"; no braces */
    uint64_t            events_maxlen;   /* entries; 0: no event stream */
    int64_t             events_age;      /* seconds; 0: not cut by age */
    uint32_t            cap_program;     /* fields a dimension that requests
                                            choose may open in a hash of the
                                            program and of its day */
    uint32_t            cap_link;        /* and of a link */
    uint32_t            uniques_ttl;     /* seconds from the day's start */
    uint32_t            board_ttl;       /* the same, for a day's board */
    uint64_t            seed;            /* of the tables; does not change
                                            what comes out */
} referral_batch_conf_t;


typedef enum {
    REFERRAL_BATCH_APPLIED = 0,
    REFERRAL_BATCH_AHEAD,        /* Redis has more: cut again from found */
    REFERRAL_BATCH_BEHIND,       /* Redis lost its tail: resend from found */
    REFERRAL_BATCH_FOREIGN,      /* more than was ever written: somebody else
                                    wrote under this id */
    REFERRAL_BATCH_INVALID       /* not an answer of the script: keep, retry */
} referral_batch_answer_e;


typedef struct {
    referral_batch_answer_e  answer;
    uint64_t                 found;      /* the mark before, 0 if none */
    uint64_t                 refused;    /* operations set aside */
    unsigned                 none:1;     /* there was no mark */
} referral_batch_reply_t;


/* an error reply to the whole command; nothing of it has been applied */

typedef enum {
    REFERRAL_BATCH_RETRY = 0,    /* a state that passes: keep and retry */
    REFERRAL_BATCH_REROUTE,      /* MOVED, ASK */
    REFERRAL_BATCH_NOSCRIPT,     /* send the command again with "full" */
    REFERRAL_BATCH_DENIED,       /* NOPERM, maybe of these keys only: keep and
                                    retry */
    REFERRAL_BATCH_UNKNOWN       /* keep and retry, and tell the text */
} referral_batch_error_e;


/* the defaults of everything but the prefix and the seed, which stay */
void referral_batch_defaults(referral_batch_conf_t *conf);

/*
 * About 3 MB, allocated here and never again; one serves any number of
 * batches, one after the other.  NULL without memory or with a prefix that is
 * too long or holds a brace.
 */
referral_batch_t *referral_batch_create(const referral_batch_conf_t *conf);
void referral_batch_free(referral_batch_t *b);

/*
 * Forgets what was added before.  "journal_id" is of
 * REFERRAL_JOURNAL_ID_SIZE bytes, copied, as the program is; "expected" is
 * the mark that the batch builds on, 0 for none.  REFERRAL_ERROR: not a
 * program's name.
 */
int referral_batch_begin(referral_batch_t *b, const referral_str_t *program,
    const u_char *journal_id, uint64_t expected);

/*
 * Nothing of the record is referred to afterwards.  REFERRAL_DECLINED: full,
 * nothing was added; send what there is.  An empty batch is never full.
 * REFERRAL_ERROR: this record can never be counted (another program, a time
 * outside of the calendar); the mark moves past it, unless "seq" is not above
 * the last one.
 */
int referral_batch_add(referral_batch_t *b, const referral_record_t *record,
    uint64_t seq);

/* records since begin, and the mark that the batch will leave */
unsigned referral_batch_records(const referral_batch_t *b);
uint64_t referral_batch_last(const referral_batch_t *b);

/*
 * The whole command, in RESP, as EVALSHA, with "full" as EVAL; it stays valid
 * until the next begin, add or command.  REFERRAL_DECLINED: nothing was
 * added.
 */
int referral_batch_command(referral_batch_t *b, int full,
    referral_str_t *command);

/*
 * What the script's array of three integers means for a batch that built on
 * "expected", of a journal whose last record is "written".
 */
void referral_batch_reply(referral_batch_reply_t *reply,
    const int64_t *values, size_t n, uint64_t expected, uint64_t written);

/* the text of an error reply, without its leading "-" */
referral_batch_error_e referral_batch_error(const referral_str_t *text);

/* the key of the marks of a program */
void referral_batch_mark_key(const referral_batch_conf_t *conf,
    referral_buf_t *out, const referral_str_t *program);

/*
 * Commands about the mark of (journal, program), in RESP, into a buffer with
 * room for REFERRAL_BATCH_MARK_MAX: the reply to the first is the mark in
 * decimal or nil.
 */
void referral_batch_mark_get(const referral_batch_conf_t *conf,
    referral_buf_t *out, const referral_str_t *program,
    const u_char *journal_id);
void referral_batch_mark_delete(const referral_batch_conf_t *conf,
    referral_buf_t *out, const referral_str_t *program,
    const u_char *journal_id);


#endif /* _REFERRAL_BATCH_H_INCLUDED_ */
