
#include "settle_ledger.h"
#include "settle.h"


static const settle_decided_t *settle_ledger_find(const settle_ledger_t *g,
    uint64_t position);
static void settle_ledger_hash(u_char *hash, const referral_fact_t *fact);
static int settle_ledger_decide(settle_ledger_t *g,
    const referral_fact_t *fact);
static void settle_ledger_empty(settle_ledger_t *g);


static const referral_str_t  settle_ledger_nothing = referral_string("");


int
settle_ledger_create(settle_ledger_t *g, const referral_str_t *program)
{
    settle_ledger_drop(g);

    g->ledger = referral_ledger_create(program);

    return g->ledger ? REFERRAL_OK : REFERRAL_ERROR;
}


void
settle_ledger_drop(settle_ledger_t *g)
{
    if (g->ledger) {
        referral_ledger_free(g->ledger);
        g->ledger = NULL;
    }

    settle_ledger_empty(g);

    g->kept = 0;
    g->position = 0;
    g->base = 0;
    memset(g->chain, 0, sizeof(g->chain));
    memset(g->base_chain, 0, sizeof(g->base_chain));
}


static void
settle_ledger_empty(settle_ledger_t *g)
{
    g->nfacts = 0;
    g->writes.n = 0;
    g->writes.used = 0;
}


void
settle_ledger_free(settle_ledger_t *g)
{
    settle_ledger_drop(g);
    referral_ledger_writes_free(&g->writes);
    free(g->fact);
    free(g->skipped);
    memset(g, 0, sizeof(settle_ledger_t));
}


/* without rules nobody gets a reward, but somebody may adjust */

int
settle_ledger_asked(const settle_ledger_t *g, const referral_fact_t *fact)
{
    return g->ledger == NULL
           && ((fact->type >= REFERRAL_FACT_RESERVE
                && fact->type <= REFERRAL_FACT_REJECT)
               || (fact->type == REFERRAL_FACT_RULES
                   && fact->text[REFERRAL_FACT_T_TEXT].len));
}


int
settle_ledger_take(settle_ledger_t *g, const referral_fact_t *fact)
{
    u_char                   hash[REFERRAL_CHAIN_SIZE];
    const settle_decided_t  *decided;

    if (g->ledger == NULL) {
        return REFERRAL_OK;
    }

    if (fact->position == g->position + 1) {
        return settle_ledger_decide(g, fact);
    }

    decided = settle_ledger_find(g, fact->position);

    if (decided) {
        settle_ledger_hash(hash, fact);

        if (memcmp(hash, decided->fact, sizeof(hash)) == 0) {
            return REFERRAL_OK;
        }
    }

    settle_ledger_drop(g);

    return REFERRAL_AGAIN;
}


static int
settle_ledger_decide(settle_ledger_t *g, const referral_fact_t *fact)
{
    size_t             size;
    referral_str_t     text;
    settle_decided_t  *decided;

    if (g->nfacts == g->size) {
        size = g->size ? 2 * g->size : 64;
        decided = realloc(g->fact, size * sizeof(settle_decided_t));

        if (decided == NULL) {
            settle_log("crit", "there is not enough memory");
            exit(SETTLE_FAILED);
        }

        g->fact = decided;
        g->size = size;
    }

    decided = &g->fact[g->nfacts];

    decided->position = fact->position;
    decided->first = g->writes.n;
    settle_ledger_hash(decided->fact, fact);

    if (referral_ledger_take(g->ledger, fact) == REFERRAL_OK) {
        referral_ledger_write(g->ledger, &g->writes, &text);

    } else {
        g->writes.failed = 1;
    }

    if (g->writes.failed) {
        g->writes.failed = 0;
        settle_ledger_drop(g);
        return REFERRAL_ERROR;
    }

    referral_chain_step(g->chain, fact, &text);
    memcpy(decided->chain, g->chain, sizeof(g->chain));

    g->position = fact->position;
    g->nfacts++;

    return REFERRAL_OK;
}


static void
settle_ledger_hash(u_char *hash, const referral_fact_t *fact)
{
    memset(hash, 0, REFERRAL_CHAIN_SIZE);
    referral_chain_step(hash, fact, &settle_ledger_nothing);
}


static const settle_decided_t *
settle_ledger_find(const settle_ledger_t *g, uint64_t position)
{
    size_t  i;

    /* they come one after the other, but for those that were skipped */

    for (i = g->nfacts; i; i--) {
        if (g->fact[i - 1].position == position) {
            return &g->fact[i - 1];
        }
    }

    return NULL;
}


void
settle_ledger_apply(const settle_ledger_t *g, uint64_t position,
    referral_view_t *view)
{
    size_t                   to;
    const settle_decided_t  *decided;

    decided = settle_ledger_find(g, position);

    if (decided) {
        to = decided + 1 < g->fact + g->nfacts ? decided[1].first
                                               : g->writes.n;
        referral_ledger_apply(&g->writes, decided->first, to, view);
    }
}


int
settle_ledger_skip(settle_ledger_t *g, uint64_t position)
{
    size_t   len;
    char    *skipped;

    if (!settle_ledger_skipped(g, position)) {
        len = g->skipped ? strlen(g->skipped) : 0;
        skipped = realloc(g->skipped, len + 24);

        if (skipped == NULL) {
            settle_log("crit", "there is not enough memory");
            exit(SETTLE_FAILED);
        }

        sprintf(skipped + len, "%s%llu", len ? "," : "",
                (unsigned long long) position);
        g->skipped = skipped;
    }

    if (g->ledger == NULL) {
        return REFERRAL_OK;
    }

    if (g->position >= position) {
        settle_ledger_drop(g);
        return REFERRAL_AGAIN;
    }

    g->position = position;

    return REFERRAL_OK;
}


int
settle_ledger_skipped(const settle_ledger_t *g, uint64_t position)
{
    char        *end;
    const char  *p;

    for (p = g->skipped; p && *p; p = *end ? end + 1 : end) {
        if (strtoull(p, &end, 10) == position) {
            return 1;
        }

        if (end == p) {
            break;
        }
    }

    return 0;
}


/* the value behind the last fact up to "position" that has one */

const u_char *
settle_ledger_chain(const settle_ledger_t *g, uint64_t position)
{
    size_t  i;

    for (i = g->nfacts; i; i--) {
        if (g->fact[i - 1].position <= position) {
            return g->fact[i - 1].chain;
        }
    }

    return g->base_chain;
}


void
settle_ledger_committed(settle_ledger_t *g, uint64_t position)
{
    size_t  i, n, first;

    if (g->ledger == NULL) {
        return;
    }

    memcpy(g->base_chain, settle_ledger_chain(g, position),
           sizeof(g->base_chain));
    g->base = position;

    for (n = 0; n < g->nfacts && g->fact[n].position <= position; n++) {
        /* void */
    }

    if (n == g->nfacts) {
        settle_ledger_empty(g);
        return;
    }

    /* what was decided beyond it: its texts stay where they are */

    first = g->fact[n].first;
    g->nfacts -= n;
    g->writes.n -= first;

    memmove(g->fact, g->fact + n, g->nfacts * sizeof(settle_decided_t));
    memmove(g->writes.write, g->writes.write + first,
            g->writes.n * sizeof(referral_ledger_write_t));

    for (i = 0; i < g->nfacts; i++) {
        g->fact[i].first -= first;
    }
}


void
settle_ledger_written(settle_ledger_t *g)
{
    if (g->ledger) {
        memcpy(g->stands, g->base_chain, sizeof(g->stands));
        g->known = 1;
    }
}


void
settle_ledger_stands(settle_ledger_t *g, uint64_t position,
    const u_char *chain)
{
    if (g->ledger == NULL) {
        return;
    }

    if (position < g->base
        || (position <= g->position
            && memcmp(settle_ledger_chain(g, position), chain,
                      REFERRAL_CHAIN_SIZE)
               != 0))
    {
        settle_ledger_drop(g);
        return;
    }

    if (position <= g->position) {
        settle_ledger_committed(g, position);
        return;
    }

    /* somebody else went on: these facts, if they are the same, are ours too */

    memcpy(g->base_chain, g->chain, sizeof(g->chain));
    g->base = g->position;
    g->kept = 1;
    settle_ledger_empty(g);
}


int
settle_ledger_follow(settle_ledger_t *g, const referral_fact_t *fact)
{
    if (settle_ledger_decide(g, fact) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    settle_ledger_committed(g, fact->position);

    return REFERRAL_OK;
}
