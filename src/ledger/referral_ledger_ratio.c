
#include "referral_ledger_core.h"


static void referral_ledger_times(uint32_t *out, const uint32_t *a,
    unsigned n, uint64_t by);
static int referral_ledger_below(const uint32_t *a, const uint32_t *b,
    unsigned n);


/*
 * floor(a * b * c / (d * e)), INT64_MAX at most.  Products of a rate and of
 * boosts have more than 64 bits, and a compiler for 32 bits has no wider type.
 */

int64_t
referral_ledger_ratio(uint64_t a, uint64_t b, uint64_t c, uint64_t d,
    uint64_t e)
{
    int       bit;
    uint32_t  one[2], two[4], top[6], bottom[5], rest[5];
    uint64_t  n, m, quotient, borrow;
    unsigned  i;

    if (!__builtin_mul_overflow(a, b, &n) && !__builtin_mul_overflow(n, c, &n)
        && !__builtin_mul_overflow(d, e, &m))
    {
        return n / m > INT64_MAX ? INT64_MAX : (int64_t) (n / m);
    }

    one[0] = (uint32_t) a;
    one[1] = (uint32_t) (a >> 32);
    referral_ledger_times(two, one, 2, b);
    referral_ledger_times(top, two, 4, c);

    one[0] = (uint32_t) d;
    one[1] = (uint32_t) (d >> 32);
    referral_ledger_times(bottom, one, 2, e);
    bottom[4] = 0;

    memset(rest, 0, sizeof(rest));
    quotient = 0;

    for (bit = 191; bit >= 0; bit--) {

        if (quotient >> 62) {
            return INT64_MAX;
        }

        for (i = 4; i > 0; i--) {
            rest[i] = rest[i] << 1 | rest[i - 1] >> 31;
        }

        rest[0] = rest[0] << 1 | (top[bit / 32] >> bit % 32 & 1);
        quotient <<= 1;

        if (referral_ledger_below(rest, bottom, 5)) {
            continue;
        }

        quotient |= 1;
        borrow = 0;

        for (i = 0; i < 5; i++) {
            m = (uint64_t) rest[i] - bottom[i] - borrow;
            rest[i] = (uint32_t) m;
            borrow = m >> 63;
        }
    }

    return (int64_t) quotient;
}


/* "out" has two more of 32 bits than "a", the lowest first */

static void
referral_ledger_times(uint32_t *out, const uint32_t *a, unsigned n,
    uint64_t by)
{
    uint64_t  sum;
    unsigned  i, k;

    memset(out, 0, (n + 2) * sizeof(uint32_t));

    for (k = 0; k < 2; k++) {
        sum = 0;

        for (i = 0; i < n; i++) {
            sum += (by >> 32 * k & UINT32_MAX) * a[i] + out[i + k];
            out[i + k] = (uint32_t) sum;
            sum >>= 32;
        }

        out[n + k] = (uint32_t) sum;
    }
}


static int
referral_ledger_below(const uint32_t *a, const uint32_t *b, unsigned n)
{
    while (n--) {
        if (a[n] != b[n]) {
            return a[n] < b[n];
        }
    }

    return 0;
}
