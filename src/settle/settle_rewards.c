
/*
 * The ledger of a program beside the stream in Redis: it follows what is
 * committed, and facts say that time has passed when something is due.
 */


#include "settle_program.h"


#define SETTLE_REWARDS_ENTRIES  1000     /* read at once */


static settle_turn_e settle_rewards_create(settle_program_t *p);
static settle_turn_e settle_rewards_follows(settle_program_t *p);
static settle_turn_e settle_rewards_agree(settle_program_t *p);
static int settle_rewards_fact(settle_program_t *p,
    const settle_entry_t *entry);


static settle_entries_t  settle_rewards_entries;


settle_turn_e
settle_rewards_begin(settle_program_t *p, const char *chain,
    const char *skipped)
{
    referral_str_t    text;
    settle_ledger_t  *g;

    g = &p->rewards;

    free(g->skipped);
    g->skipped = skipped[0] ? strdup(skipped) : NULL;

    if (skipped[0] && g->skipped == NULL) {
        settle_log("crit", "there is not enough memory");
        exit(SETTLE_FAILED);
    }

    text.data = (u_char *) chain;
    text.len = strlen(chain);

    g->known = (text.len != 0);
    g->wanted = g->known;
    p->rewards_known = 0;

    if (!g->known) {
        settle_ledger_drop(g);
        return SETTLE_BUSY;
    }

    if (referral_hex_decode(g->stands, REFERRAL_CHAIN_SIZE, &text)
        != REFERRAL_CHAIN_SIZE)
    {
        return settle_program_trouble(p, "\"rewards_chain\" in ref:settled is"
                                         " no SHA-256");
    }

    settle_ledger_stands(g, p->settle.position, g->stands);

    return SETTLE_BUSY;
}


int
settle_rewards_behind(const settle_program_t *p)
{
    return p->rewards.wanted
           && (p->rewards.ledger == NULL
               || p->rewards.position < p->position);
}


/* as many facts as are read at once, so that other programs have their turn */

settle_turn_e
settle_rewards_follow(settle_program_t *p)
{
    settle_turn_e  rc;

    if (settle_rewards_entries.max == 0) {
        settle_entries_init(&settle_rewards_entries, SETTLE_REWARDS_ENTRIES);
    }

    if (p->rewards.ledger == NULL) {
        rc = settle_rewards_create(p);

        if (rc != SETTLE_BUSY) {
            return rc;
        }
    }

    if (p->rewards.position < p->position) {
        rc = settle_rewards_follows(p);

        if (rc != SETTLE_BUSY) {
            return rc;
        }
    }

    return p->rewards.position < p->position ? SETTLE_BUSY
                                             : settle_rewards_agree(p);
}


/* facts before the first rules are decided by these */

static settle_turn_e
settle_rewards_create(settle_program_t *p)
{
    char               text[SETTLE_TEXT];
    size_t             i;
    uint64_t           position;
    const char        *why;
    referral_terms_t   terms;
    settle_entries_t  *e;

    if (settle_ledger_create(&p->rewards, &p->state.program) != REFERRAL_OK) {
        settle_log("crit", "there is not enough memory");
        exit(SETTLE_FAILED);
    }

    e = &settle_rewards_entries;
    position = 1;

    do {
        if (settle_entries_read(e, &p->state, position, text) != SETTLE_OK) {
            settle_ledger_drop(&p->rewards);
            return settle_program_trouble(p, text);
        }

        for (i = 0; i < e->n; i++) {
            position = e->entry[i].fact.position + 1;

            if (e->entry[i].why == NULL
                && e->entry[i].fact.type == REFERRAL_FACT_RULES
                && referral_terms_parse(&terms, &e->entry[i].fact, &why)
                   == REFERRAL_OK)
            {
                (void) referral_ledger_ahead(p->rewards.ledger,
                                             &e->entry[i].fact);
                return SETTLE_BUSY;
            }
        }

    } while (e->n);

    return SETTLE_BUSY;
}


static settle_turn_e
settle_rewards_follows(settle_program_t *p)
{
    char               text[SETTLE_TEXT];
    size_t             i;
    settle_entries_t  *e;

    e = &settle_rewards_entries;

    if (settle_entries_read(e, &p->state, p->rewards.position + 1, text)
        != SETTLE_OK)
    {
        return settle_program_trouble(p, text);
    }

    for (i = 0; i < e->n && e->entry[i].fact.position <= p->position; i++) {

        if (settle_rewards_fact(p, &e->entry[i]) != REFERRAL_OK) {
            settle_log("crit", "program \"%s\": there is not enough memory for"
                       " its ledger", p->name);
            exit(SETTLE_FAILED);
        }
    }

    /* what was skipped need not be there */

    if (i == e->n && e->n < e->max) {
        p->rewards.position = p->position;
    }

    return SETTLE_BUSY;
}


/* what is malformed was skipped, or the program would not stand behind it */

static int
settle_rewards_fact(settle_program_t *p, const settle_entry_t *entry)
{
    settle_ledger_t  *g;

    g = &p->rewards;

    if (entry->why
        || settle_ledger_skipped(g, entry->fact.position))
    {
        g->position = entry->fact.position;
        return REFERRAL_OK;
    }

    g->position = entry->fact.position - 1;

    return settle_ledger_follow(g, &entry->fact);
}


/*
 * The same facts gave the same rewards, or nothing is written.  What was known
 * before somebody else went on may be of a stream that is no more: it is made
 * anew before it is told.
 */

static settle_turn_e
settle_rewards_agree(settle_program_t *p)
{
    int               again;
    settle_ledger_t  *g;

    g = &p->rewards;

    settle_ledger_committed(g, p->position);

    if (g->known
        && memcmp(settle_ledger_chain(g, p->position), g->stands,
                  REFERRAL_CHAIN_SIZE)
           != 0)
    {
        again = g->kept;
        settle_ledger_drop(g);

        if (again) {
            return SETTLE_BUSY;
        }

        return settle_program_trouble(p, "the rewards that follow from its"
                   " conversions are not those that were written: was the"
                   " stream changed, or was it settled by another version?"
                   " nginx-referral-settle --replay says what differs");
    }

    return SETTLE_BUSY;
}


settle_turn_e
settle_rewards_tick(settle_program_t *p)
{
    int64_t            due;
    u_char             data[REFERRAL_STATE_KEY];
    unsigned           i;
    redisReply        *reply;
    settle_turn_e      rc;
    referral_buf_t     buf;
    settle_command_t   c;

    static const char *const  names[] = { "conversions", "settled" };

    if (p->rewards.ledger == NULL || p->rewards.position != p->position) {
        return SETTLE_IDLE;
    }

    due = referral_ledger_due(p->rewards.ledger);

    if (due < 0 || p->now + (settle_clock() - p->now_at) < due) {
        return SETTLE_IDLE;
    }

    settle_command_begin(&c);

    for (i = 0; i < 2; i++) {
        referral_buf_init(&buf, data, sizeof(data));
        referral_state_name(&buf, &p->state, names[i]);
        settle_command_buf(&c, &buf);
    }

    settle_command_text(&c, "tick");
    settle_command_number(&c, p->position);
    settle_command_number(&c, due);

    reply = settle_redis_script(SETTLE_SCRIPT_FACT, &c, 2);
    settle_command_free(&c);

    if (reply == NULL || settle_reply_failed(reply)) {
        rc = settle_program_trouble(p, settle_reply_text(reply));

    } else {
        rc = settle_reply_number(reply) ? SETTLE_BUSY : SETTLE_IDLE;
    }

    if (reply) {
        freeReplyObject(reply);
    }

    return rc;
}
