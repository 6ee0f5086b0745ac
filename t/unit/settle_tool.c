/*
 * Settles a stream in memory for t/program/model.t: reads a dump on stdin,
 * writes what Redis would hold, a line each: key, field, value, separated by
 * tabs.  Built by the test that needs it.
 *
 *     settle_tool [--rate]     instead of it: facts a second of one core
 */


#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "referral_dump.h"
#include "referral_friend.h"
#include "referral_settle.h"
#include "referral_state.h"


#define TEXTS  (2 * REFERRAL_FACT_PAIRS)


typedef struct {
    referral_str_t     line;
    referral_str_t     id;
    referral_str_t     pair[TEXTS];
    ssize_t            n;
} entry_t;


static void
print(const referral_view_item_t *item, const referral_state_t *state)
{
    size_t          i, from;
    unsigned        field;
    u_char          data[REFERRAL_STATE_KEY];
    referral_buf_t  key;
    referral_str_t  name;

    referral_buf_init(&key, data, sizeof(data));
    referral_state_key(&key, state, item);
    name = referral_state_field(item);

#define KEY  (int) (key.pos - key.start), (char *) key.start

    if (referral_view_counts(item->kind)) {

        if (item->value) {
            printf("%.*s\t%.*s\t%lld\n", KEY, (int) name.len, name.data,
                   (long long) item->value);
        }

        return;
    }

    if (item->kind == REFERRAL_VIEW_OPEN) {

        for (i = 0; i < item->text.len; i += REFERRAL_PLACE_LEN) {
            printf("%.*s\torder:%.*s\t\n", KEY, REFERRAL_PLACE_LEN,
                   item->text.data + i);
        }

        return;
    }

    if (item->kind != REFERRAL_VIEW_FRIEND) {

        if (item->text.len) {
            printf("%.*s\t%.*s\t%.*s\n", KEY, (int) name.len, name.data,
                   (int) item->text.len, item->text.data);
        }

        return;
    }

    for (field = 0, i = 0, from = 0; i <= item->text.len; i++) {

        if (i < item->text.len && item->text.data[i] != '\n') {
            continue;
        }

        name = referral_friend_name(field++);

        if (i > from) {
            printf("%.*s\t%.*s\t%.*s\n", KEY, (int) name.len, name.data,
                   (int) (i - from), item->text.data + from);
        }

        from = i + 1;
    }
}


/* a fact of any version, or why there is none */

static int
parse(referral_fact_t *fact, const entry_t *entry, const char **why)
{
    if (entry->n <= 0) {
        *why = "no line of a dump";
        return REFERRAL_ERROR;
    }

    return referral_fact_parse(fact, referral_fact_position(&entry->id),
                               entry->pair, entry->n, why);
}


static int
settle(referral_settle_t *s, const entry_t *entry, size_t n)
{
    size_t             i;
    const char        *why;
    referral_fact_t    fact;
    referral_terms_t   terms;

    memset(&terms, 0, sizeof(terms));
    terms.late = REFERRAL_TERMS_LATE;

    /* what stands before the first rules is decided on them */

    for (i = 0; i < n; i++) {
        if (parse(&fact, &entry[i], &why) == REFERRAL_OK
            && fact.type == REFERRAL_FACT_RULES
            && referral_terms_parse(&terms, &fact, &why) == REFERRAL_OK)
        {
            break;
        }
    }

    for (i = 0; i < n; i++) {

        if (parse(&fact, &entry[i], &why) != REFERRAL_OK
            || (fact.type == REFERRAL_FACT_RULES
                && referral_terms_parse(&terms, &fact, &why) != REFERRAL_OK)
            || referral_settle_decide(s, &fact, &terms, &why) != REFERRAL_OK)
        {
            fprintf(stderr, "entry %zu: %s\n", i + 1, why);
            return 1;
        }
    }

    return 0;
}


/* the streams stand behind each other, an empty line between two */

int
main(int argc, char **argv)
{
    int                rc;
    char              *buf;
    size_t             size, i, n, max;
    entry_t           *entries;
    ssize_t            len;
    struct timespec    from, to;
    referral_settle_t  s;

    static const referral_state_t  state = { referral_string("ref:"),
                                             referral_string("p") };

    (void) argv;

    entries = NULL;
    n = 0;
    max = 0;
    rc = 0;

    if (referral_settle_init(&s, 1) != REFERRAL_OK) {
        return 2;
    }

    do {
        buf = NULL;
        size = 0;
        len = getline(&buf, &size, stdin);

        if (len > 1) {

            if (n == max) {
                max = max ? 2 * max : 1024;
                entries = realloc(entries, max * sizeof(entry_t));
            }

            entries[n].line.data = (u_char *) buf;
            entries[n].line.len = len;
            entries[n].n = referral_dump_parse(&entries[n].line,
                                               &entries[n].id,
                                               entries[n].pair, TEXTS);
            n++;
            continue;
        }

        free(buf);

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        rc |= settle(&s, entries, n);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);

        if (argc > 1) {
            fprintf(stderr, "%.0f\n",
                    n / (to.tv_sec - from.tv_sec
                         + (to.tv_nsec - from.tv_nsec) / 1e9));
            return rc;
        }

        for (i = 0; i < s.view.nslots; i++) {
            if (s.view.slots[i]) {
                print(s.view.slots[i], &state);
            }
        }

        printf("\n");

        referral_settle_reset(&s);
        n = 0;

    } while (len > 0);

    return rc;
}
