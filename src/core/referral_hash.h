
/*
 * Checksums and hashes that are written to disk or to Redis, or shared between
 * processes of different versions: their results must never change.
 */


#ifndef _REFERRAL_HASH_H_INCLUDED_
#define _REFERRAL_HASH_H_INCLUDED_


#include "referral_str.h"


/*
 * CRC-32C (Castagnoli, RFC 3720, appendix B.4), with the processor's own
 * instruction if it has one.  "crc" is 0 or the result for the bytes before:
 * the checksum of "ab" is crc32c(crc32c(0, "a"), "b").
 */
uint32_t referral_crc32c(uint32_t crc, const void *data, size_t len);

/*
 * Reads eight bytes a step and mixes the result at the end; the same on every
 * processor.  If clients choose the texts, "seed" must be random.
 */
uint64_t referral_hash64(uint64_t seed, const void *data, size_t len);

/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012) under a key of 16 bytes, of
 * "head" and "data" as one text: for texts that clients choose, under a secret
 * key.  OpenSSL's takes three times as long for texts of this size.
 */
uint64_t referral_siphash(const u_char *key, const void *head, size_t n,
    const void *data, size_t len);


#endif /* _REFERRAL_HASH_H_INCLUDED_ */
