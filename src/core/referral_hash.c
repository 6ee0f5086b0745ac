#include "referral_hash.h"


#define REFERRAL_CRC32C_POLY  0x82f63b78    /* bits reversed */


typedef uint32_t (*referral_crc32c_pt)(uint32_t crc, const u_char *p,
    size_t len);


static uint32_t referral_crc32c_table(uint32_t crc, const u_char *p,
    size_t len);
static void referral_crc32c_fill(void);


static uint32_t            referral_crc32c_slices[8][256];
static referral_crc32c_pt  referral_crc32c_update;


uint32_t
referral_crc32c(uint32_t crc, const void *data, size_t len)
{
    return ~referral_crc32c_update(~crc, data, len);
}


#if defined(__x86_64__)

__attribute__((target("sse4.2")))
static uint32_t
referral_crc32c_sse42(uint32_t crc, const u_char *p, size_t len)
{
    uint32_t  half;
    uint64_t  c, word;

    c = crc;

    for ( /* void */ ; len >= 8; len -= 8, p += 8) {
        memcpy(&word, p, 8);
        c = __builtin_ia32_crc32di(c, word);
    }

    crc = (uint32_t) c;

    if (len >= 4) {
        memcpy(&half, p, 4);
        crc = __builtin_ia32_crc32si(crc, half);
        len -= 4;
        p += 4;
    }

    for ( /* void */ ; len; len--) {
        crc = __builtin_ia32_crc32qi(crc, *p++);
    }

    return crc;
}

#endif


static uint32_t
referral_crc32c_table(uint32_t crc, const u_char *p, size_t len)
{
    uint32_t  (*t)[256];

    t = referral_crc32c_slices;

    for ( /* void */ ; len >= 8; len -= 8, p += 8) {
        crc ^= p[0] | p[1] << 8 | p[2] << 16 | (uint32_t) p[3] << 24;

        crc = t[7][crc & 0xff] ^ t[6][crc >> 8 & 0xff]
              ^ t[5][crc >> 16 & 0xff] ^ t[4][crc >> 24]
              ^ t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
    }

    for ( /* void */ ; len; len--) {
        crc = t[0][(crc ^ *p++) & 0xff] ^ crc >> 8;
    }

    return crc;
}


static void
referral_crc32c_fill(void)
{
    uint32_t    crc;
    unsigned    i, n;
    uint32_t  (*t)[256];

    t = referral_crc32c_slices;

    for (i = 0; i < 256; i++) {
        crc = i;

        for (n = 0; n < 8; n++) {
            crc = crc & 1 ? crc >> 1 ^ REFERRAL_CRC32C_POLY : crc >> 1;
        }

        t[0][i] = crc;
    }

    for (n = 1; n < 8; n++) {
        for (i = 0; i < 256; i++) {
            t[n][i] = t[0][t[n - 1][i] & 0xff] ^ t[n - 1][i] >> 8;
        }
    }
}


/* the choice is made when the module is loaded, before there are threads */

__attribute__((constructor))
static void
referral_crc32c_init(void)
{
#if defined(__x86_64__)

    __builtin_cpu_init();

    if (__builtin_cpu_supports("sse4.2")) {
        referral_crc32c_update = referral_crc32c_sse42;
        return;
    }

#endif

    referral_crc32c_fill();
    referral_crc32c_update = referral_crc32c_table;
}


/* reads little-endian on every processor */

static inline uint64_t
referral_hash_word(const u_char *p)
{
    uint64_t  w;

    memcpy(&w, p, sizeof(w));

#if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
    w = __builtin_bswap64(w);
#endif

    return w;
}


static inline uint64_t
referral_hash_half(const u_char *p)
{
    uint32_t  w;

    memcpy(&w, p, sizeof(w));

#if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
    w = __builtin_bswap32(w);
#endif

    return w;
}


/*
 * The last n bytes, 1 to 7, as a word.  With len of at least 8 it reads the
 * last eight bytes, some of which were hashed before: that does no harm.
 */

static inline uint64_t
referral_hash_tail(const u_char *last, size_t n, size_t len)
{
    const u_char  *p;

    p = last - n;

    if (len >= 8) {
        return referral_hash_word(last - 8) >> (64 - 8 * n);
    }

    if (n >= 4) {
        return referral_hash_half(p)
               | referral_hash_half(last - 4) << (8 * n - 32);
    }

    return p[0] | (uint64_t) p[n / 2] << (8 * (n / 2))
           | (uint64_t) p[n - 1] << (8 * (n - 1));
}


static inline uint64_t
referral_hash64_step(uint64_t h, uint64_t w)
{
    h = (h ^ w) * 0x9fb21c651e98df25;

    return h ^ (h >> 32);
}


uint64_t
referral_hash64(uint64_t seed, const void *data, size_t len)
{
    uint64_t       h;
    const u_char  *p, *last;

    p = data;
    h = seed ^ (len * 0x9e3779b97f4a7c15);

    for (last = p + (len & ~7UL); p != last; p += 8) {
        h = referral_hash64_step(h, referral_hash_word(p));
    }

    if (len & 7) {
        last = p + (len & 7);
        h = referral_hash64_step(h, referral_hash_tail(last, len & 7, len));
    }

    /* MurmurHash3's fmix64 */

    h ^= h >> 33;
    h *= 0xff51afd7ed558ccd;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53;
    h ^= h >> 33;

    return h;
}


#define referral_siphash_rotate(x, n)  ((x) << (n) | (x) >> (64 - (n)))


static inline void
referral_siphash_round(uint64_t *v)
{
    v[0] += v[1];
    v[1] = referral_siphash_rotate(v[1], 13) ^ v[0];
    v[0] = referral_siphash_rotate(v[0], 32);

    v[2] += v[3];
    v[3] = referral_siphash_rotate(v[3], 16) ^ v[2];

    v[0] += v[3];
    v[3] = referral_siphash_rotate(v[3], 21) ^ v[0];

    v[2] += v[1];
    v[1] = referral_siphash_rotate(v[1], 17) ^ v[2];
    v[2] = referral_siphash_rotate(v[2], 32);
}


static inline void
referral_siphash_word(uint64_t *v, uint64_t w)
{
    v[3] ^= w;

    referral_siphash_round(v);
    referral_siphash_round(v);

    v[0] ^= w;
}


uint64_t
referral_siphash(const u_char *key, const void *head, size_t n,
    const void *data, size_t len)
{
    uint64_t       v[4], w, rest;
    unsigned       bits;
    const u_char  *p, *last;

    v[0] = referral_hash_word(key) ^ 0x736f6d6570736575;
    v[1] = referral_hash_word(key + 8) ^ 0x646f72616e646f6d;
    v[2] = referral_hash_word(key) ^ 0x6c7967656e657261;
    v[3] = referral_hash_word(key + 8) ^ 0x7465646279746573;

    for (p = head, last = p + n; last - p >= 8; p += 8) {
        referral_siphash_word(v, referral_hash_word(p));
    }

    /* the bytes that do not fill a word yet, and how many bits they are */

    rest = (p < last) ? referral_hash_tail(last, last - p, n) : 0;
    bits = 8 * (last - p);

    for (p = data, last = p + len; last - p >= 8; p += 8) {
        w = referral_hash_word(p);

        referral_siphash_word(v, rest | w << bits);

        rest = w >> 1 >> (63 - bits);
    }

    w = (p < last) ? referral_hash_tail(last, last - p, len) : 0;
    rest |= w << bits;
    bits += 8 * (last - p);

    if (bits >= 64) {
        referral_siphash_word(v, rest);

        rest = w >> (8 * (last - p) - (bits - 64));
    }

    referral_siphash_word(v, rest | (uint64_t) (n + len) << 56);

    v[2] ^= 0xff;

    referral_siphash_round(v);
    referral_siphash_round(v);
    referral_siphash_round(v);
    referral_siphash_round(v);

    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
