
#include <errno.h>

#include "settle_replay.h"
#include "settle_parts.h"
#include "settle_status.h"
#include "referral_dump.h"


#define SETTLE_REPLAY_ENTRIES  1000
#define SETTLE_REPLAY_TRIES    5         /* while it is being settled */
#define SETTLE_REPLAY_SKIPS    100000
#define SETTLE_REPAIR_LEASE    30000     /* ms */


/* a stream, from Redis or from a file */

typedef struct {
    settle_program_t   *program;
    FILE               *file;
    char               *line;
    size_t              size;
    size_t              lines;
    uint64_t            position;        /* last entry that was read */
    size_t              at;
    unsigned            failed:1;        /* what follows cannot be read */
    settle_entries_t    entries;
    settle_entry_t      entry;           /* of a file */
} settle_source_t;


static int settle_replay_run(int (*handler)(settle_source_t *s));
static int settle_source_open(settle_source_t *s, settle_program_t *p);
static void settle_source_close(settle_source_t *s);
static void settle_source_rewind(settle_source_t *s, uint64_t position);
static settle_entry_t *settle_source_next(settle_source_t *s);
static settle_entry_t *settle_source_line(settle_source_t *s);
static int settle_replay_ahead(settle_source_t *s);
static int settle_replay_skipped(uint64_t position);
static int settle_replay_to(settle_source_t *s, uint64_t position);
static int settle_replay_fact(settle_program_t *p, settle_entry_t *entry);
static int settle_replay_compare(settle_source_t *s);
static int settle_replay_chains(settle_source_t *s);
static void settle_replay_rewards_chain(const settle_program_t *p, char *chain);
static int settle_replay_repair(settle_source_t *s);
static int settle_replay_hold(settle_source_t *s, settle_stands_t *is);
static int settle_replay_state(settle_program_t *p, const settle_stands_t *is,
    int print);


static uint64_t  settle_skips[SETTLE_REPLAY_SKIPS];
static size_t    settle_nskips;

/* the first entry that asks for a ledger, 0: none does */
static uint64_t  settle_rewards_from;


int
settle_replay(void)
{
    return settle_replay_run(settle_options.chains ? settle_replay_chains
                                                   : settle_replay_compare);
}


int
settle_repair(void)
{
    settle_options.file[0] = '\0';

    return settle_replay_run(settle_replay_repair);
}


static int
settle_replay_run(int (*handler)(settle_source_t *s))
{
    int                rc;
    settle_source_t    source;
    settle_program_t  *p;

    if (!settle_options.chains && settle_redis_open() != SETTLE_OK) {
        return SETTLE_FAILED;
    }

    p = settle_program_create(settle_options.programs[0]);

    referral_settle_free(&p->settle);

    if (referral_settle_init(&p->settle, 1) != REFERRAL_OK) {
        settle_log("crit", "there is not enough memory");
        return SETTLE_FAILED;
    }

    rc = settle_source_open(&source, p);

    if (rc == SETTLE_OK && !settle_options.chains) {
        rc = settle_status_known(p);
    }

    if (rc == SETTLE_OK) {
        rc = settle_replay_ahead(&source);
    }

    if (rc == SETTLE_OK) {
        rc = handler(&source);
    }

    settle_source_close(&source);

    return rc;
}


static void
settle_source_close(settle_source_t *s)
{
    if (s->file) {
        fclose(s->file);
    }

    free(s->line);
    settle_entries_free(&s->entries);
    settle_program_free(s->program);
    settle_redis_close();
}


static int
settle_source_open(settle_source_t *s, settle_program_t *p)
{
    memset(s, 0, sizeof(settle_source_t));

    s->program = p;
    settle_entries_init(&s->entries, SETTLE_REPLAY_ENTRIES);

    if (settle_options.file[0] == '\0') {
        return SETTLE_OK;
    }

    s->file = fopen(settle_options.file, "r");

    if (s->file == NULL) {
        settle_log("error", "\"%s\": %s", settle_options.file,
                   strerror(errno));
        return SETTLE_FAILED;
    }

    return SETTLE_OK;
}


static void
settle_source_rewind(settle_source_t *s, uint64_t position)
{
    if (s->file) {
        rewind(s->file);
        s->lines = 0;
    }

    s->position = position;
    s->entries.n = 0;
    s->at = 0;
}


/* NULL at the end, or if it failed; an entry of a file ends with the next */

static settle_entry_t *
settle_source_next(settle_source_t *s)
{
    char             text[SETTLE_TEXT];
    settle_entry_t  *entry;

    if (s->file) {

        do {
            entry = settle_source_line(s);
        } while (entry && entry->fact.position
                 && entry->fact.position <= s->position);

    } else {

        if (s->at == s->entries.n) {
            s->at = 0;

            if (settle_entries_read(&s->entries, &s->program->state,
                                    s->position + 1, text)
                != SETTLE_OK)
            {
                if (text[0]) {
                    settle_log("error", "%s", text);
                }

                s->failed = 1;
                return NULL;
            }
        }

        entry = s->at < s->entries.n ? &s->entries.entry[s->at++] : NULL;
    }

    if (entry && entry->fact.position > s->position) {
        s->position = entry->fact.position;
    }

    return entry;
}


static settle_entry_t *
settle_source_line(settle_source_t *s)
{
    ssize_t          len;
    referral_str_t   line, id;

    do {
        len = getline(&s->line, &s->size, s->file);
        s->lines++;

        if (len < 0) {
            s->failed = (ferror(s->file) != 0);
            return NULL;
        }

    } while (len == 1);

    line.data = (u_char *) s->line;
    line.len = len;
    id.len = 0;

    len = referral_dump_parse(&line, &id, s->entries.pairs,
                              SETTLE_ENTRY_TEXTS);

    if (len < 0) {
        settle_log("error", "%s, line %zu: no entry", settle_options.file,
                   s->lines);
        s->failed = 1;
        return NULL;
    }

    settle_entry_parse(&s->entry, &id, s->entries.pairs, len);

    return &s->entry;
}


/* what an operator went past, and the terms of what comes before the first */

static int
settle_replay_ahead(settle_source_t *s)
{
    int                found;
    const char        *why;
    settle_entry_t    *entry;
    settle_ledger_t   *g;
    referral_terms_t  *terms;

    static const settle_ledger_t  none;

    g = &s->program->rewards;
    terms = &s->program->terms;
    terms->late = REFERRAL_TERMS_LATE;
    found = 0;
    settle_rewards_from = 0;

    for ( ;; ) {
        entry = settle_source_next(s);

        if (entry == NULL) {
            break;
        }

        if (entry->why) {
            continue;
        }

        if (entry->fact.type == REFERRAL_FACT_SKIP
            && settle_nskips < SETTLE_REPLAY_SKIPS)
        {
            settle_skips[settle_nskips++] = entry->fact.subject;
        }

        if (settle_rewards_from == 0
            && settle_ledger_asked(&none, &entry->fact))
        {
            settle_rewards_from = entry->fact.position;
        }

        if (!found && entry->fact.type == REFERRAL_FACT_RULES
            && referral_terms_parse(terms, &entry->fact, &why) == REFERRAL_OK)
        {
            found = 1;

            if (settle_ledger_create(g, &s->program->state.program)
                != REFERRAL_OK
                || referral_ledger_ahead(g->ledger, &entry->fact)
                   != REFERRAL_OK)
            {
                settle_log("crit", "there is not enough memory");
                return SETTLE_FAILED;
            }
        }
    }

    if (settle_rewards_from == 0) {
        settle_ledger_drop(g);
    }

    settle_source_rewind(s, 0);

    return s->failed ? SETTLE_FAILED : SETTLE_OK;
}


static int
settle_replay_skipped(uint64_t position)
{
    size_t  i;

    for (i = 0; i < settle_nskips; i++) {
        if (settle_skips[i] == position) {
            return 1;
        }
    }

    return 0;
}


/* SETTLE_DIFFERENT: the stream does not lead there */

static int
settle_replay_to(settle_source_t *s, uint64_t position)
{
    settle_entry_t     *entry, missing;
    settle_program_t   *p;

    p = s->program;

    while (p->settle.position < position) {
        entry = settle_source_next(s);

        if (entry == NULL && s->failed) {
            return SETTLE_FAILED;
        }

        if (entry == NULL && settle_options.chains) {
            break;
        }

        if (entry == NULL) {
            printf("different: the stream ends at entry %llu, Redis has"
                   " settled it up to %llu\n",
                   (unsigned long long) p->settle.position,
                   (unsigned long long) position);
            return SETTLE_DIFFERENT;
        }

        while (entry->fact.position > p->settle.position + 1
               && settle_replay_skipped(p->settle.position + 1))
        {
            memset(&missing, 0, sizeof(missing));
            missing.fact.position = p->settle.position + 1;
            (void) settle_ledger_skip(&p->rewards, missing.fact.position);
            referral_settle_skip(&p->settle, &missing.fact);
        }

        if (settle_replay_fact(p, entry) != SETTLE_OK) {
            return SETTLE_DIFFERENT;
        }
    }

    return SETTLE_OK;
}


static int
settle_replay_fact(settle_program_t *p, settle_entry_t *entry)
{
    int          rc;
    const char  *why;

    if (entry->fact.position == p->settle.position + 1
        && settle_replay_skipped(entry->fact.position))
    {
        (void) settle_ledger_skip(&p->rewards, entry->fact.position);
        referral_settle_skip(&p->settle, &entry->fact);
        return SETTLE_OK;
    }

    why = entry->why;
    rc = why ? REFERRAL_ERROR : REFERRAL_OK;

    if (rc == REFERRAL_OK && entry->fact.type == REFERRAL_FACT_RULES) {
        rc = referral_terms_parse(&p->terms, &entry->fact, &why);
    }

    if (rc == REFERRAL_OK && entry->fact.position == p->settle.position + 1) {
        rc = settle_ledger_take(&p->rewards, &entry->fact);
        why = "a sum of rewards is larger than 2^63, or there is not enough"
              " memory";
    }

    if (rc == REFERRAL_OK) {
        rc = referral_settle_decide(&p->settle, &entry->fact, &p->terms, &why);
    }

    if (rc == REFERRAL_OK && p->rewards.ledger) {

        /* what would be written is in the chain: keys are only compared */

        if (!settle_options.chains) {
            settle_ledger_apply(&p->rewards, entry->fact.position,
                                &p->settle.view);
        }

        settle_ledger_committed(&p->rewards, entry->fact.position);
    }

    if (rc != REFERRAL_OK) {
        printf("different: entry %llu cannot be decided: %s\n",
               (unsigned long long) entry->fact.position, why);
        return SETTLE_DIFFERENT;
    }

    return SETTLE_OK;
}


/* who settles meanwhile changes what is compared: then it is done again */

static int
settle_replay_compare(settle_source_t *s)
{
    int               rc, tries;
    char              why[SETTLE_TEXT];
    int64_t           started;
    settle_stands_t   is, after;

    started = settle_clock();
    memset(&after, 0, sizeof(after));

    for (tries = 0; ; tries++) {

        if (settle_status_read(&is, &s->program->state, why) != SETTLE_OK) {
            settle_log("error", "%s", why);
            return SETTLE_FAILED;
        }

        if (is.writing[0]) {
            settle_log("error", "program \"%s\": entry %llu is being written,"
                       " part %s is next: ask again when its settler has done"
                       " so", s->program->name,
                       (unsigned long long) is.position, is.writing);
            return SETTLE_FAILED;
        }

        rc = settle_replay_to(s, is.position);

        if (rc != SETTLE_OK) {
            return rc;
        }

        if (tries == 0) {
            fprintf(stderr, "%llu entries replayed in %lld ms\n",
                    (unsigned long long) is.position,
                    (long long) (settle_clock() - started));
        }

        rc = settle_replay_state(s->program, &is, 0);

        if (rc != SETTLE_DIFFERENT) {
            break;
        }

        if (settle_status_read(&after, &s->program->state, why) != SETTLE_OK) {
            return SETTLE_FAILED;
        }

        if (after.position == is.position || tries == SETTLE_REPLAY_TRIES) {
            rc = settle_replay_state(s->program, &is, 1);
            break;
        }
    }

    if (rc == SETTLE_OK) {
        printf("the same up to entry %llu, chain %s\n",
               (unsigned long long) is.position, is.chain);
    }

    return rc;
}


/* what a file leads to, wherever it is: Redis is not asked */

static int
settle_replay_chains(settle_source_t *s)
{
    int                rc;
    char               chain[2 * REFERRAL_CHAIN_SIZE + 1];
    int64_t            started;
    settle_program_t  *p;

    p = s->program;
    started = settle_clock();

    rc = settle_replay_to(s, UINT64_MAX);

    if (rc != SETTLE_OK) {
        return rc;
    }

    fprintf(stderr, "%llu entries replayed in %lld ms\n",
            (unsigned long long) p->settle.position,
            (long long) (settle_clock() - started));

    settle_commit_stands(p);
    chain[0] = '\0';

    if (p->rewards.ledger) {
        settle_replay_rewards_chain(p, chain);
    }

    printf("position %llu\nchain %s\nrewards_chain %s\n",
           (unsigned long long) p->position, p->chain[0] ? p->chain : "none",
           chain[0] ? chain : "none");

    return SETTLE_OK;
}


static void
settle_replay_rewards_chain(const settle_program_t *p, char *chain)
{
    referral_buf_t  buf;

    referral_buf_init(&buf, chain, 2 * REFERRAL_CHAIN_SIZE);
    referral_buf_hex(&buf, p->rewards.base_chain, REFERRAL_CHAIN_SIZE);
    *buf.pos = '\0';
}


static int
settle_replay_state(settle_program_t *p, const settle_stands_t *is, int print)
{
    char     chain[2 * REFERRAL_CHAIN_SIZE + 1];
    int64_t  different;

    settle_commit_stands(p);

    different = settle_compare(p, is->now, print, NULL);
    chain[0] = '\0';

    if (different < 0) {
        return SETTLE_FAILED;
    }

    /* before the first entry that asks for one there need be none */

    if (p->rewards.ledger && is->position
        && (is->rewards_chain[0] || is->position >= settle_rewards_from))
    {
        settle_replay_rewards_chain(p, chain);
    }

    if (strcmp(chain, is->rewards_chain) != 0) {
        different++;

        if (print) {
            printf("different: chain of rewards at entry %llu: replay %s,"
                   " Redis %s\n", (unsigned long long) is->position,
                   chain[0] ? chain : "none",
                   is->rewards_chain[0] ? is->rewards_chain : "none");
        }
    }

    if (is->position && strcmp(p->chain, is->chain) != 0) {
        different++;

        if (print) {
            printf("different: chain at entry %llu: replay %s, Redis %s\n",
                   (unsigned long long) is->position, p->chain, is->chain);
        }
    }

    return different ? SETTLE_DIFFERENT : SETTLE_OK;
}


/*
 * What a settler writes meanwhile makes the repair be refused: it is done
 * again.  In the end all is compared once more.
 */

static int
settle_replay_repair(settle_source_t *s)
{
    int                rc, tries;
    int64_t            different;
    settle_repair_t    repair;
    settle_stands_t    is;
    settle_program_t  *p;

    p = s->program;
    settle_repair_init(&repair, p);

    for (tries = 0; ; tries++) {
        rc = settle_replay_hold(s, &is);

        if (rc != SETTLE_OK) {
            break;
        }

        repair.away = 0;
        different = settle_compare(p, is.now, 0, &repair);

        if (different >= 0) {
            break;
        }

        if (!repair.away || tries == SETTLE_REPLAY_TRIES) {
            settle_log("error", "program \"%s\": %s", p->name, repair.away
                       ? "it was settled all the while: stop its settler"
                       : "it is not repaired");
            rc = SETTLE_FAILED;
            break;
        }
    }

    settle_program_leave(p);
    settle_repair_free(&repair);

    return rc == SETTLE_OK ? settle_replay_compare(s) : rc;
}


/* most is replayed before the lease, so that the program waits little */

static int
settle_replay_hold(settle_source_t *s, settle_stands_t *is)
{
    int                rc, held;
    char               why[SETTLE_TEXT];
    settle_program_t  *p;

    p = s->program;

    for (held = 0; held < 2; held++) {

        if (held && settle_program_hold(p, SETTLE_REPAIR_LEASE) != SETTLE_OK) {
            return SETTLE_FAILED;
        }

        if (settle_status_read(is, &p->state, why) != SETTLE_OK) {
            settle_log("error", "%s", why);
            return SETTLE_FAILED;
        }

        rc = settle_replay_to(s, is->position);

        if (rc != SETTLE_OK) {
            return rc;
        }
    }

    settle_commit_stands(p);

    if (is->position && strcmp(p->chain, is->chain) != 0) {
        printf("different: chain at entry %llu: replay %s, Redis %s; the"
               " entries are not those that were settled, nothing is"
               " repaired\n", (unsigned long long) is->position, p->chain,
               is->chain);
        return SETTLE_DIFFERENT;
    }

    /* what a settler began is done first */

    return settle_parts_do(p) == SETTLE_BUSY ? SETTLE_OK : SETTLE_FAILED;
}


int
settle_dump(void)
{
    int                rc;
    u_char             id[24];
    size_t             size;
    u_char            *data, *bigger;
    settle_entry_t    *entry;
    settle_source_t    source;
    referral_buf_t     buf, number;
    referral_str_t     text;

    if (settle_redis_open() != SETTLE_OK) {
        return SETTLE_FAILED;
    }

    settle_options.file[0] = '\0';
    (void) settle_source_open(&source, settle_program_create(
                                           settle_options.programs[0]));

    if (settle_status_known(source.program) != SETTLE_OK) {
        settle_source_close(&source);
        return SETTLE_FAILED;
    }

    size = 65536;
    data = malloc(size);

    if (data == NULL) {
        settle_log("crit", "there is not enough memory");
        return SETTLE_FAILED;
    }

    while ((entry = settle_source_next(&source)) != NULL) {

        referral_buf_init(&number, id, sizeof(id));
        referral_buf_uint(&number, entry->fact.position);
        referral_buf_puts(&number, "-0");
        text.data = id;
        text.len = number.pos - id;

        for ( ;; ) {
            referral_buf_init(&buf, data, size);
            referral_dump_put(&buf, &text, entry->fact.pair,
                              entry->fact.npairs);

            if (!buf.overflow) {
                break;
            }

            size *= 2;
            bigger = realloc(data, size);

            if (bigger == NULL) {
                free(data);
                return SETTLE_FAILED;
            }

            data = bigger;
        }

        fwrite(data, 1, buf.pos - data, stdout);
    }

    free(data);

    rc = fflush(stdout) == 0 && !ferror(stdout) && !source.failed
         ? SETTLE_OK : SETTLE_FAILED;
    settle_source_close(&source);

    return rc;
}
