
#include "referral_quota.h"
#include "referral_str.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>


#define REFERRAL_QUOTA_SHARE  10     /* doubtful clicks may take max / 10 */


#define referral_quota_get(p)     __atomic_load_n(p, __ATOMIC_RELAXED)
#define referral_quota_set(p, n)  __atomic_store_n(p, n, __ATOMIC_RELAXED)


static referral_quota_place_t *referral_quota_place(referral_quota_t *quota,
    uint64_t key);
static void referral_quota_free(referral_quota_place_t *place);


void
referral_quota_limit(referral_quota_t *quota, int64_t max)
{
    referral_quota_set(&quota->max, max);
}


int64_t
referral_quota_max(const referral_quota_t *quota)
{
    return referral_quota_get(&quota->max);
}


int64_t
referral_quota_bytes(const referral_quota_t *quota)
{
    int64_t  bytes;

    bytes = referral_quota_get(&quota->bytes);

    return bytes > 0 ? bytes : 0;
}


int
referral_quota_take(referral_quota_t *quota, int64_t n)
{
    int64_t  old;

    old = referral_quota_get(&quota->bytes);

    do {
        if (old + n > referral_quota_max(quota)) {
            return REFERRAL_DECLINED;
        }

    } while (!__atomic_compare_exchange_n(&quota->bytes, &old, old + n, 0,
                                          __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));

    return REFERRAL_OK;
}


void
referral_quota_add(referral_quota_t *quota, int64_t n)
{
    if (n) {
        (void) __atomic_fetch_add(&quota->bytes, n, __ATOMIC_SEQ_CST);
    }
}


void
referral_quota_gone(referral_quota_t *quota, int64_t n)
{
    referral_quota_add(quota, -n);
    referral_quota_changed(quota);
}


void
referral_quota_changed(referral_quota_t *quota)
{
    (void) __atomic_fetch_add(&quota->changes, 1, __ATOMIC_SEQ_CST);
}


void
referral_quota_begin(const referral_quota_t *quota,
    referral_quota_count_t *count)
{
    memset(count->seen, 0, sizeof(count->seen));

    count->changes = __atomic_load_n(&quota->changes, __ATOMIC_SEQ_CST);
    count->bytes = __atomic_load_n(&quota->bytes, __ATOMIC_SEQ_CST);
}


void
referral_quota_saw(const referral_quota_t *quota,
    referral_quota_count_t *count, uint64_t key)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_QUOTA_PLACES; i++) {

        if (referral_quota_get(&quota->place[i].key) == key) {
            count->seen[i] = 1;
            return;
        }
    }
}


/* if counts overlap, only the first one to end is used */

void
referral_quota_counted(referral_quota_t *quota,
    const referral_quota_count_t *count, int64_t bytes)
{
    pid_t                    pid;
    uint64_t                 changes;
    unsigned                 i;
    referral_quota_place_t  *place;

    changes = count->changes;

    if (!__atomic_compare_exchange_n(&quota->changes, &changes, changes + 1,
                                     0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    {
        return;
    }

    referral_quota_add(quota, bytes - count->bytes);

    for (i = 0; i < REFERRAL_QUOTA_PLACES; i++) {
        place = &quota->place[i];
        pid = (pid_t) referral_quota_get(&place->pid);

        if (referral_quota_get(&place->key) && pid && !count->seen[i]
            && kill(pid, 0) == -1 && errno == ESRCH)
        {
            referral_quota_free(place);
        }
    }
}


static void
referral_quota_free(referral_quota_place_t *place)
{
    referral_quota_set(&place->seq, 0);
    referral_quota_set(&place->bytes, 0);
    referral_quota_set(&place->pid, 0);

    __atomic_store_n(&place->key, 0, __ATOMIC_RELEASE);
}


/* the place of this journal, made if needed; NULL: none is free */

static referral_quota_place_t *
referral_quota_place(referral_quota_t *quota, uint64_t key)
{
    uint64_t                 old;
    unsigned                 i;
    referral_quota_place_t  *place;

    for (i = 0; i < REFERRAL_QUOTA_PLACES; i++) {
        place = &quota->place[i];

        if (referral_quota_get(&place->key) == key) {
            return place;
        }
    }

    for (i = 0; i < REFERRAL_QUOTA_PLACES; i++) {
        place = &quota->place[i];
        old = 0;

        if (__atomic_compare_exchange_n(&place->key, &old, key, 0,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        {
            referral_quota_set(&place->pid, getpid());
            return place;
        }
    }

    return NULL;
}


int
referral_quota_allowed(referral_quota_t *quota, uint64_t key, int64_t n)
{
    int64_t   sum;
    unsigned  i;

    sum = n;

    for (i = 0; i < REFERRAL_QUOTA_PLACES; i++) {
        sum += referral_quota_get(&quota->place[i].bytes);
    }

    if (sum > referral_quota_max(quota) / REFERRAL_QUOTA_SHARE
        || referral_quota_place(quota, key) == NULL)
    {
        return REFERRAL_DECLINED;
    }

    return REFERRAL_OK;
}


void
referral_quota_doubtful(referral_quota_t *quota, uint64_t key, int64_t n,
    uint64_t seq)
{
    referral_quota_place_t  *place;

    place = referral_quota_place(quota, key);

    if (place) {
        referral_quota_set(&place->seq, seq);
        (void) __atomic_fetch_add(&place->bytes, n, __ATOMIC_RELAXED);
    }
}


void
referral_quota_sent(referral_quota_t *quota, uint64_t key, uint64_t seq)
{
    unsigned                 i;
    referral_quota_place_t  *place;

    for (i = 0; i < REFERRAL_QUOTA_PLACES; i++) {
        place = &quota->place[i];

        if (referral_quota_get(&place->key) != key) {
            continue;
        }

        if (referral_quota_get(&place->seq) <= seq) {
            referral_quota_free(place);
        }

        return;
    }
}
