
#include <unistd.h>

#include "settle_program.h"
#include "settle_parts.h"
#include "settle_status.h"


#define SETTLE_AGAIN      1000       /* ms after something was refused */
#define SETTLE_CHECK      1000       /* ms between looks at the program */
#define SETTLE_ITEMS      200000     /* of a view, before it is forgotten */
#define SETTLE_DECIDE     60         /* s, of a batch */
#define SETTLE_CRASHES    2
#define SETTLE_KEEP       600000     /* ms that a ledger is kept for nothing */
#define SETTLE_LATER      3          /* the ledger first, then this fact */

/* words of the lease's reply */

#define SETTLE_LEASE_MINE      0
#define SETTLE_LEASE_WHOSE     1
#define SETTLE_LEASE_NOW       3
#define SETTLE_LEASE_POSITION  4
#define SETTLE_LEASE_CHAIN     5
#define SETTLE_LEASE_SKIP      6
#define SETTLE_LEASE_NEWEST    7
#define SETTLE_LEASE_ENGINE    8
#define SETTLE_LEASE_TRYING    9
#define SETTLE_LEASE_ATTEMPTS  10
#define SETTLE_LEASE_STOPPED   11
#define SETTLE_LEASE_REPAIRED  12
#define SETTLE_LEASE_REWARDS   13
#define SETTLE_LEASE_SKIPPED   14
#define SETTLE_LEASE_WRITING   15
#define SETTLE_LEASE_WORDS     16


static settle_turn_e settle_program_exists(settle_program_t *p);
static settle_turn_e settle_program_reaches(settle_program_t *p,
    uint64_t position);
static int64_t settle_program_renew(void);
static settle_turn_e settle_program_lease(settle_program_t *p, int64_t life);
static redisReply *settle_program_ask(settle_program_t *p, int64_t life,
    int force);
static settle_turn_e settle_program_leased(settle_program_t *p,
    const redisReply *reply);
static settle_turn_e settle_program_begin(settle_program_t *p,
    const redisReply *reply);
static settle_turn_e settle_program_batch(settle_program_t *p,
    settle_entries_t *e);
static size_t settle_program_count(settle_program_t *p, settle_entries_t *e);
static int settle_program_decide(settle_program_t *p, settle_entries_t *e,
    size_t n, size_t *decided, const char **why);
static int settle_program_fact(settle_program_t *p, settle_entry_t *entry,
    const char **why);
static int settle_program_skip(settle_program_t *p,
    const referral_fact_t *fact);
static int settle_program_beyond(const settle_program_t *p);
static settle_turn_e settle_program_stop(settle_program_t *p,
    uint64_t position, const char *why, int attempts);


settle_shared_t  *settle_shared;
char              settle_owner[SETTLE_TEXT];


settle_program_t *
settle_program_create(const char *name)
{
    settle_program_t  *p;

    p = calloc(1, sizeof(settle_program_t));

    if (p == NULL || referral_settle_init(&p->settle, 0) != REFERRAL_OK) {
        settle_log("crit", "there is not enough memory");
        exit(SETTLE_FAILED);
    }

    snprintf(p->name, sizeof(p->name), "%s", name);

    p->state.prefix.data = (u_char *) settle_options.prefix;
    p->state.prefix.len = strlen(settle_options.prefix);
    p->state.program.data = (u_char *) p->name;
    p->state.program.len = strlen(p->name);

    return p;
}


void
settle_program_free(settle_program_t *p)
{
    referral_settle_free(&p->settle);
    settle_ledger_free(&p->rewards);
    free(p->rules.text);
    free(p);
}


settle_turn_e
settle_program_turn(settle_program_t *p)
{
    int64_t                  now;
    char                     text[SETTLE_TEXT];
    settle_turn_e            rc;
    static settle_entries_t  entries;

    now = settle_clock();

    if (now < p->again_at) {
        return SETTLE_TROUBLE;
    }

    if (!p->loaded || now - p->leased_at > settle_program_renew()) {
        rc = settle_program_exists(p);

        if (rc == SETTLE_BUSY) {
            rc = settle_program_lease(p, settle_options.lease);
        }

        if (rc != SETTLE_BUSY) {
            return rc;
        }
    }

    if (!p->mine) {
        return SETTLE_AWAY;
    }

    if (settle_rewards_behind(p)) {
        return settle_rewards_follow(p);
    }

    if (entries.max == 0) {
        settle_entries_init(&entries, settle_options.batch);
    }

    if (settle_entries_read(&entries, &p->state, p->settle.position + 1, text)
        != SETTLE_OK)
    {
        return settle_program_trouble(p, text);
    }

    if (p->current && now - p->checked_at > SETTLE_CHECK) {
        rc = settle_rules_check(p);
        p->checked_at = now;

        if (rc != SETTLE_IDLE) {
            return rc;
        }

        /* all of it was read, and the program's fields */

        if (entries.n == 0) {
            settle_program_well(p);
        }
    }

    if (entries.n == 0) {
        p->current = 1;
        p->well |= (p->told[0] == '\0');
        return settle_rewards_tick(p);
    }

    return settle_program_batch(p, &entries);
}


/* nothing is written about a program that has no conversions any more */

static settle_turn_e
settle_program_exists(settle_program_t *p)
{
    int                exists;
    u_char             data[REFERRAL_STATE_KEY];
    redisReply        *reply;
    referral_buf_t     buf;
    settle_command_t   c;

    settle_command_begin(&c);
    settle_command_text(&c, "EXISTS");
    referral_buf_init(&buf, data, sizeof(data));
    referral_state_name(&buf, &p->state, "conversions");
    settle_command_buf(&c, &buf);

    reply = settle_redis_command(&c);
    settle_command_free(&c);

    if (reply == NULL || settle_reply_failed(reply)) {
        (void) settle_program_trouble(p, settle_reply_text(reply));

        if (reply) {
            freeReplyObject(reply);
        }

        return SETTLE_TROUBLE;
    }

    exists = (settle_reply_number(reply) == 1);

    freeReplyObject(reply);

    if (!exists) {
        settle_program_forget(p);
        return SETTLE_IDLE;
    }

    return SETTLE_BUSY;
}


/* what is settled must be in the stream: else a new entry had an old number */

static settle_turn_e
settle_program_reaches(settle_program_t *p, uint64_t position)
{
    char             text[SETTLE_TEXT];
    settle_stands_t  stands;

    if (settle_status_read(&stands, &p->state, text) != SETTLE_OK) {
        return settle_program_trouble(p, text);
    }

    if (stands.end < position) {
        settle_status_replaced(text, stands.end, position);
        return settle_program_trouble(p, text);
    }

    return SETTLE_BUSY;
}


/* a lease is renewed long before it ends; who has none looks now and then */

static int64_t
settle_program_renew(void)
{
    return settle_options.lease ? settle_options.lease / 3 : SETTLE_CHECK;
}


/* what was known is still so if nobody else settled: the commit compares */

static settle_turn_e
settle_program_lease(settle_program_t *p, int64_t life)
{
    redisReply     *reply;
    settle_turn_e   rc;

    /* who takes all needs no lease to be kept */

    reply = settle_program_ask(p, life ? life : 1, settle_options.lease == 0);

    if (reply == NULL) {
        return settle_program_trouble(p, "");
    }

    rc = settle_program_leased(p, reply);

    freeReplyObject(reply);

    return rc;
}


static redisReply *
settle_program_ask(settle_program_t *p, int64_t life, int force)
{
    u_char             data[REFERRAL_STATE_KEY];
    redisReply        *reply;
    referral_buf_t     buf;
    settle_command_t   c;

    settle_command_begin(&c);
    referral_buf_init(&buf, data, sizeof(data));
    referral_state_name(&buf, &p->state, "settled");
    settle_command_buf(&c, &buf);
    settle_command_text(&c, settle_owner);
    settle_command_number(&c, life);
    settle_command_text(&c, force ? "1" : "0");

    /* a settler that just began leaves what the last one told */

    if (p->told[0] || p->well) {
        settle_command_text(&c, p->told);
    }

    reply = settle_redis_script(SETTLE_SCRIPT_LEASE, &c, 1);
    settle_command_free(&c);

    return reply;
}


static settle_turn_e
settle_program_leased(settle_program_t *p, const redisReply *reply)
{
    int       mine;
    uint64_t  stop, position;

    if (settle_reply_failed(reply)) {
        return settle_program_trouble(p, reply->str);
    }

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements != SETTLE_LEASE_WORDS)
    {
        return settle_program_trouble(p, "the answer is not understood");
    }

    mine = (int) settle_reply_number(reply->element[SETTLE_LEASE_MINE]);

    if (mine != (int) p->mine) {
        settle_log("notice", "program \"%s\": %s", p->name,
                   mine ? "is settled here" : "is settled elsewhere");
    }

    p->mine = (mine != 0);
    p->leased_at = settle_clock();
    p->now = settle_reply_number(reply->element[SETTLE_LEASE_NOW]);
    p->now_at = p->leased_at;

    if (mine) {
        p->mine_at = p->leased_at;

    } else if (p->leased_at - p->mine_at > SETTLE_KEEP) {
        settle_ledger_drop(&p->rewards);
    }

    if (!mine) {
        p->told[0] = '\0';
        p->well = 0;
        p->again_at = settle_clock() + SETTLE_AGAIN;
        settle_program_forget(p);
        return SETTLE_AWAY;
    }

    position = settle_reply_number(reply->element[SETTLE_LEASE_POSITION]);

    if (settle_program_reaches(p, position) != SETTLE_BUSY) {
        return SETTLE_TROUBLE;
    }

    p->trying = settle_reply_number(reply->element[SETTLE_LEASE_TRYING]);
    p->attempts =
              (int) settle_reply_number(reply->element[SETTLE_LEASE_ATTEMPTS]);

    stop = settle_reply_text(reply->element[SETTLE_LEASE_STOPPED])[0]
           ? p->trying : 0;

    if (p->stop && stop != p->stop) {
        settle_log("notice", "program \"%s\" goes on", p->name);
        settle_program_forget(p);
    }

    p->stop = stop;

    /* Redis may have gone back in time, or somebody else may have settled */

    if (p->loaded
        && (position != p->position
            || strcmp(settle_reply_text(reply->element[SETTLE_LEASE_CHAIN]),
                      p->chain)
               != 0
            || settle_reply_number(reply->element[SETTLE_LEASE_REPAIRED])
               != (int64_t) p->repaired
            || strcmp(settle_reply_text(reply->element[SETTLE_LEASE_WRITING]),
                      p->writing)
               != 0))
    {
        settle_log("notice", "program \"%s\": Redis stands elsewhere than it"
                   " did; it is read again", p->name);
        settle_program_forget(p);
    }

    return p->loaded ? SETTLE_BUSY : settle_program_begin(p, reply);
}


/* takes over where Redis stands */

static settle_turn_e
settle_program_begin(settle_program_t *p, const redisReply *reply)
{
    int64_t          engine;
    settle_turn_e    rc;
    referral_str_t   chain;

    engine = settle_reply_number(reply->element[SETTLE_LEASE_ENGINE]);

    if (engine > REFERRAL_SETTLE_ENGINE_REWARDS) {
        return settle_program_trouble(p, "a newer version has settled it:"
                                         " upgrade this one");
    }

    referral_settle_reset(&p->settle);

    p->settle.position =
                    settle_reply_number(reply->element[SETTLE_LEASE_POSITION]);
    p->skip = settle_reply_number(reply->element[SETTLE_LEASE_SKIP]);
    p->repaired =
                settle_reply_number(reply->element[SETTLE_LEASE_REPAIRED]);

    chain.data = (u_char *)
                 settle_reply_text(reply->element[SETTLE_LEASE_CHAIN]);
    chain.len = strlen((char *) chain.data);

    if (p->settle.position
        && referral_hex_decode(p->settle.chain, REFERRAL_CHAIN_SIZE, &chain)
           != REFERRAL_CHAIN_SIZE)
    {
        return settle_program_trouble(p, "\"chain\" in ref:settled is no"
                                         " SHA-256");
    }

    if (settle_reply_text(reply->element[SETTLE_LEASE_NEWEST])[0]) {
        p->settle.newest_at =
                      settle_reply_number(reply->element[SETTLE_LEASE_NEWEST]);
    }

    settle_commit_stands(p);

    snprintf(p->writing, sizeof(p->writing), "%s",
             settle_reply_text(reply->element[SETTLE_LEASE_WRITING]));

    rc = settle_parts_do(p);

    if (rc != SETTLE_BUSY) {
        return rc;
    }

    rc = settle_rewards_begin(p,
              settle_reply_text(reply->element[SETTLE_LEASE_REWARDS]),
              settle_reply_text(reply->element[SETTLE_LEASE_SKIPPED]));

    if (rc != SETTLE_BUSY) {
        return rc;
    }

    rc = settle_rules_find(p);

    if (rc == SETTLE_BUSY) {
        p->loaded = 1;

        if (p->position && engine < REFERRAL_SETTLE_ENGINE) {
            settle_log("error", "program \"%s\": an older version settled it"
                       " up to entry %llu and did not count all that this one"
                       " does: nginx-referral-settle --repair adds what is"
                       " missing", p->name, (unsigned long long) p->position);
        }
    }

    return rc;
}


static settle_turn_e
settle_program_batch(settle_program_t *p, settle_entries_t *e)
{
    int            rc;
    size_t         i, n, decided;
    uint64_t       bad;
    const char    *why;
    settle_turn_e  turn;

    n = settle_program_count(p, e);

    if (n == 0) {
        return SETTLE_AWAY;
    }

    for (i = 0; i < n; i++) {
        if (e->entry[i].why == NULL) {
            referral_settle_needs(&p->settle, &e->entry[i].fact);
        }
    }

    if (settle_load_wanted(p) != SETTLE_OK) {
        return SETTLE_TROUBLE;
    }

    rc = settle_program_decide(p, e, n, &decided, &why);

    if (rc == SETTLE_FAILED) {
        return SETTLE_TROUBLE;
    }

    if (rc == REFERRAL_DECLINED || settle_load_counters(p) != SETTLE_OK) {

        if (p->settle.view.failed) {
            settle_log("crit", "there is not enough memory");
            exit(SETTLE_FAILED);
        }

        if (!p->settle.view.overflow) {
            return SETTLE_TROUBLE;
        }

        /* which of them is it? */

        bad = e->entry[0].fact.position;
        settle_program_forget(p);
        settle_ledger_drop(&p->rewards);

        if (p->single) {
            turn = settle_program_lease(p, settle_options.lease);

            return turn == SETTLE_BUSY
                   ? settle_program_stop(p, bad, "a sum is larger than 2^63",
                                         1)
                   : turn;
        }

        p->single = 1;
        return SETTLE_BUSY;
    }

    if (rc == REFERRAL_ERROR && settle_program_beyond(p)) {
        settle_ledger_drop(&p->rewards);

        /* those before it are decided once more, each alone */

        if (decided) {
            settle_program_forget(p);
            p->single = 1;
            return SETTLE_BUSY;
        }
    }

    if (decided) {
        turn = settle_commit(p, "", 0);

        if (turn != SETTLE_BUSY) {
            return turn;
        }

        p->facts += decided;

        if (decided == e->n && e->n < e->max) {
            p->current = 1;
        }
    }

    if (rc == REFERRAL_ERROR) {
        return settle_program_stop(p, p->settle.position + 1, why, 1);
    }

    if (p->settle.view.nitems > SETTLE_ITEMS) {
        referral_view_clear(&p->settle.view);
    }

    return SETTLE_BUSY;
}


/* how many of the entries are to be decided now */

static size_t
settle_program_count(settle_program_t *p, settle_entries_t *e)
{
    size_t  n;

    n = p->single ? 1 : e->n;

    while (n && p->stop && e->entry[n - 1].fact.position >= p->stop) {
        n--;
    }

    return n;
}


/*
 * REFERRAL_ERROR: the fact behind the "decided" ones cannot be decided.  A
 * fact that kills the process, or keeps it for too long, is found by the
 * supervisor: it sees which one that was.
 */

static int
settle_program_decide(settle_program_t *p, settle_entries_t *e, size_t n,
    size_t *decided, const char **why)
{
    int              rc;
    size_t           i;
    settle_entry_t   missing;

    snprintf(settle_shared->program, sizeof(settle_shared->program), "%s",
             p->name);

    rc = REFERRAL_OK;
    *decided = 0;

    for (i = 0; i < n; /* void */ ) {

        if (p->settle.view.changed.n > SETTLE_CHANGES) {
            break;
        }

        /* an operator goes past an entry that is not there */

        if (p->skip == p->settle.position + 1
            && e->entry[i].fact.position > p->skip)
        {
            memset(&missing, 0, sizeof(missing));
            missing.fact.position = p->skip;

            rc = settle_program_skip(p, &missing.fact);
            *decided += (rc == REFERRAL_OK);
            break;
        }

        settle_shared->position = p->settle.position + 1;
        settle_shared->deciding = 1;
        (void) alarm(SETTLE_DECIDE);

        rc = settle_program_fact(p, &e->entry[i], why);

        (void) alarm(0);
        settle_shared->deciding = 0;

        if (rc == SETTLE_LATER) {
            rc = REFERRAL_OK;
            break;
        }

        if (rc == REFERRAL_AGAIN) {

            if (settle_load_wanted(p) != SETTLE_OK) {
                return SETTLE_FAILED;
            }

            continue;
        }

        if (rc != REFERRAL_OK) {
            break;
        }

        i++;
        *decided = i;
    }

    return rc;
}


static int
settle_program_fact(settle_program_t *p, settle_entry_t *entry,
    const char **why)
{
    int                     rc;
    referral_terms_t        terms;
    const referral_fact_t  *fact;

    fact = &entry->fact;

    if (fact->position == p->skip && p->skip == p->settle.position + 1) {
        return settle_program_skip(p, fact);
    }

    if (entry->why) {
        *why = entry->why;
        return REFERRAL_ERROR;
    }

    terms = p->terms;

    if (fact->type == REFERRAL_FACT_RULES
        && referral_terms_parse(&terms, fact, why) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    p->rewards.wanted |= settle_ledger_asked(&p->rewards, fact);

    if (p->rewards.wanted && p->rewards.ledger == NULL) {
        return SETTLE_LATER;
    }

    if (fact->position == p->settle.position + 1) {
        rc = settle_ledger_take(&p->rewards, fact);

        if (rc == REFERRAL_AGAIN) {
            settle_program_forget(p);
            return SETTLE_FAILED;
        }

        /* the ledger is gone: facts before this one are decided anew */

        if (rc != REFERRAL_OK) {
            p->settle.view.overflow = 1;
            return REFERRAL_DECLINED;
        }
    }

    rc = referral_settle_decide(&p->settle, fact, &terms, why);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    settle_ledger_apply(&p->rewards, fact->position, &p->settle.view);

    if (fact->type == REFERRAL_FACT_RULES) {
        p->terms = terms;
        settle_rules_seen(p, fact);
    }

    return REFERRAL_OK;
}


/* a ledger that has decided the fact is made anew, without it */

static int
settle_program_skip(settle_program_t *p, const referral_fact_t *fact)
{
    if (settle_ledger_skip(&p->rewards, fact->position) != REFERRAL_OK) {
        settle_program_forget(p);
        return SETTLE_FAILED;
    }

    referral_settle_skip(&p->settle, fact);

    return REFERRAL_OK;
}


/* has the ledger a fact that could not be decided, or some of it? */

static int
settle_program_beyond(const settle_program_t *p)
{
    return p->rewards.wanted
           && (p->rewards.ledger == NULL
               || p->rewards.position > p->settle.position);
}


static settle_turn_e
settle_program_stop(settle_program_t *p, uint64_t position, const char *why,
    int attempts)
{
    char           text[SETTLE_TEXT];
    settle_turn_e  rc;

    snprintf(text, sizeof(text), "entry %llu: %s",
             (unsigned long long) position, why);

    p->trying = position;
    rc = settle_commit(p, text, attempts);

    if (rc != SETTLE_BUSY) {
        return rc;
    }

    p->stop = position;

    settle_log("crit", "program \"%s\" stops before entry %llu of its"
               " conversions: %s; it goes on after \"nginx-referral-settle"
               " --skip %llu --program %s --reason TEXT\"", p->name,
               (unsigned long long) position, why,
               (unsigned long long) position, p->name);

    return SETTLE_AWAY;
}


void
settle_program_crashed(settle_program_t *p, uint64_t position)
{
    int  attempts;

    if (settle_program_lease(p, settle_options.lease) != SETTLE_BUSY
        || p->settle.position >= position)
    {
        return;
    }

    attempts = p->trying == position ? p->attempts + 1 : 1;

    settle_log("error", "program \"%s\": the process died when it decided"
               " entry %llu, %s", p->name, (unsigned long long) position,
               attempts < SETTLE_CRASHES ? "which is tried again"
                                         : "for the second time");

    if (attempts >= SETTLE_CRASHES) {
        (void) settle_program_stop(p, position, "the process dies of it",
                                   attempts);
        return;
    }

    p->trying = position;
    (void) settle_commit(p, "", attempts);
}


int
settle_program_hold(settle_program_t *p, int64_t life)
{
    redisReply  *reply;

    reply = settle_program_ask(p, life, 1);

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != SETTLE_LEASE_WORDS)
    {
        settle_log("error", "program \"%s\": %s", p->name,
                   reply ? settle_reply_text(reply) : "no answer");

        if (reply) {
            freeReplyObject(reply);
        }

        return SETTLE_FAILED;
    }

    p->mine = 1;
    p->skip = settle_reply_number(reply->element[SETTLE_LEASE_SKIP]);
    p->repaired = settle_reply_number(reply->element[SETTLE_LEASE_REPAIRED]);
    snprintf(p->writing, sizeof(p->writing), "%s",
             settle_reply_text(reply->element[SETTLE_LEASE_WRITING]));

    freeReplyObject(reply);

    return SETTLE_OK;
}


void
settle_program_leave(settle_program_t *p)
{
    redisReply  *reply;

    if (!p->mine) {
        return;
    }

    reply = settle_program_ask(p, 0, 0);

    if (reply) {
        freeReplyObject(reply);
    }

    p->mine = 0;
}
