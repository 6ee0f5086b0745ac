
/*
 * Checksums and hashes that are written down or shared between processes, so
 * their results must never change.
 */


#ifndef _REFERRAL_HASH_H_INCLUDED_
#define _REFERRAL_HASH_H_INCLUDED_


#include "referral_str.h"


/*
 * CRC-32C (Castagnoli, RFC 3720, appendix B.4), by the processor where it
 * can.  "crc" is 0 or the result for the bytes before: the checksum of "ab"
 * is crc32c(crc32c(0, "a"), "b").
 */
uint32_t referral_crc32c(uint32_t crc, const void *data, size_t len);

/*
 * Eight bytes a step, with a final avalanche; the same on every processor; not
 * for hostile keys unseeded.
 */
uint64_t referral_hash64(uint64_t seed, const void *data, size_t len);

/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012) under a key of 16 bytes, of a
 * head and what follows it as one text: for hostile texts under a secret key.
 * OpenSSL has it, at three times the cost for a text of this size.
 */
uint64_t referral_siphash(const u_char *key, const void *head, size_t n,
    const void *data, size_t len);


#endif /* _REFERRAL_HASH_H_INCLUDED_ */
