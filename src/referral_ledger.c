
#include "referral_ledger.h"
#include "referral_str.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>


#define REFERRAL_LEDGER_SHARE  10     /* of max, one part */


#define referral_ledger_get(p)     __atomic_load_n(p, __ATOMIC_RELAXED)
#define referral_ledger_set(p, n)  __atomic_store_n(p, n, __ATOMIC_RELAXED)


static referral_ledger_place_t *referral_ledger_place(
    referral_ledger_t *ledger, uint64_t key);
static void referral_ledger_free(referral_ledger_place_t *place);


void
referral_ledger_limit(referral_ledger_t *ledger, int64_t max)
{
    referral_ledger_set(&ledger->max, max);
}


int64_t
referral_ledger_max(const referral_ledger_t *ledger)
{
    return referral_ledger_get(&ledger->max);
}


int64_t
referral_ledger_bytes(const referral_ledger_t *ledger)
{
    int64_t  bytes;

    bytes = referral_ledger_get(&ledger->bytes);

    return bytes > 0 ? bytes : 0;
}


int
referral_ledger_take(referral_ledger_t *ledger, int64_t n)
{
    int64_t  old;

    old = referral_ledger_get(&ledger->bytes);

    do {
        if (old + n > referral_ledger_max(ledger)) {
            return REFERRAL_DECLINED;
        }

    } while (!__atomic_compare_exchange_n(&ledger->bytes, &old, old + n, 0,
                                          __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));

    return REFERRAL_OK;
}


void
referral_ledger_add(referral_ledger_t *ledger, int64_t n)
{
    if (n) {
        (void) __atomic_fetch_add(&ledger->bytes, n, __ATOMIC_SEQ_CST);
    }
}


void
referral_ledger_gone(referral_ledger_t *ledger, int64_t n)
{
    referral_ledger_add(ledger, -n);
    referral_ledger_changed(ledger);
}


void
referral_ledger_changed(referral_ledger_t *ledger)
{
    (void) __atomic_fetch_add(&ledger->changes, 1, __ATOMIC_SEQ_CST);
}


void
referral_ledger_begin(const referral_ledger_t *ledger,
    referral_ledger_count_t *count)
{
    memset(count->seen, 0, sizeof(count->seen));

    count->changes = __atomic_load_n(&ledger->changes, __ATOMIC_SEQ_CST);
    count->bytes = __atomic_load_n(&ledger->bytes, __ATOMIC_SEQ_CST);
}


void
referral_ledger_saw(const referral_ledger_t *ledger,
    referral_ledger_count_t *count, uint64_t key)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_LEDGER_PLACES; i++) {

        if (referral_ledger_get(&ledger->place[i].key) == key) {
            count->seen[i] = 1;
            return;
        }
    }
}


/* of counts that overlap only the first is taken */

void
referral_ledger_counted(referral_ledger_t *ledger,
    const referral_ledger_count_t *count, int64_t bytes)
{
    pid_t                     pid;
    uint64_t                  changes;
    unsigned                  i;
    referral_ledger_place_t  *place;

    changes = count->changes;

    if (!__atomic_compare_exchange_n(&ledger->changes, &changes, changes + 1,
                                     0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    {
        return;
    }

    referral_ledger_add(ledger, bytes - count->bytes);

    for (i = 0; i < REFERRAL_LEDGER_PLACES; i++) {
        place = &ledger->place[i];
        pid = (pid_t) referral_ledger_get(&place->pid);

        if (referral_ledger_get(&place->key) && pid && !count->seen[i]
            && kill(pid, 0) == -1 && errno == ESRCH)
        {
            referral_ledger_free(place);
        }
    }
}


static void
referral_ledger_free(referral_ledger_place_t *place)
{
    referral_ledger_set(&place->seq, 0);
    referral_ledger_set(&place->bytes, 0);
    referral_ledger_set(&place->pid, 0);

    __atomic_store_n(&place->key, 0, __ATOMIC_RELEASE);
}


/* NULL: there is neither one of this journal nor a free one */

static referral_ledger_place_t *
referral_ledger_place(referral_ledger_t *ledger, uint64_t key)
{
    uint64_t                  old;
    unsigned                  i;
    referral_ledger_place_t  *place;

    for (i = 0; i < REFERRAL_LEDGER_PLACES; i++) {
        place = &ledger->place[i];

        if (referral_ledger_get(&place->key) == key) {
            return place;
        }
    }

    for (i = 0; i < REFERRAL_LEDGER_PLACES; i++) {
        place = &ledger->place[i];
        old = 0;

        if (__atomic_compare_exchange_n(&place->key, &old, key, 0,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        {
            referral_ledger_set(&place->pid, getpid());
            return place;
        }
    }

    return NULL;
}


int
referral_ledger_allowed(referral_ledger_t *ledger, uint64_t key, int64_t n)
{
    int64_t   sum;
    unsigned  i;

    sum = n;

    for (i = 0; i < REFERRAL_LEDGER_PLACES; i++) {
        sum += referral_ledger_get(&ledger->place[i].bytes);
    }

    if (sum > referral_ledger_max(ledger) / REFERRAL_LEDGER_SHARE
        || referral_ledger_place(ledger, key) == NULL)
    {
        return REFERRAL_DECLINED;
    }

    return REFERRAL_OK;
}


void
referral_ledger_doubtful(referral_ledger_t *ledger, uint64_t key, int64_t n,
    uint64_t seq)
{
    referral_ledger_place_t  *place;

    place = referral_ledger_place(ledger, key);

    if (place) {
        referral_ledger_set(&place->seq, seq);
        (void) __atomic_fetch_add(&place->bytes, n, __ATOMIC_RELAXED);
    }
}


void
referral_ledger_sent(referral_ledger_t *ledger, uint64_t key, uint64_t seq)
{
    unsigned                  i;
    referral_ledger_place_t  *place;

    for (i = 0; i < REFERRAL_LEDGER_PLACES; i++) {
        place = &ledger->place[i];

        if (referral_ledger_get(&place->key) != key) {
            continue;
        }

        if (referral_ledger_get(&place->seq) <= seq) {
            referral_ledger_free(place);
        }

        return;
    }
}
