
/*
 * SHA-256, HMAC-SHA256, and the digests by which ids are filed in Redis.
 */


#ifndef _REFERRAL_DIGEST_H_INCLUDED_
#define _REFERRAL_DIGEST_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_SHA256_SIZE   32

/*
 * Where an id is filed: hexadecimal digits of its SHA-256, the first three
 * for the bucket, the next 22 for the field in it.  By hand:
 * printf %s ID | sha256sum
 */

#define REFERRAL_BUCKET_LEN    3
#define REFERRAL_FIELD_LEN     22


/* what HMAC (RFC 2104) makes of a key, once for all messages */

typedef struct {
    uint32_t   inner[28];
    uint32_t   outer[28];
} referral_hmac_t;


/* REFERRAL_ERROR if libcrypto fails */
int referral_digest(u_char *out, const void *data, size_t len);

/* writes REFERRAL_BUCKET_LEN and REFERRAL_FIELD_LEN digits */
int referral_digest_place(u_char *bucket, u_char *field,
    const referral_str_t *id);

/* a key of at most 64 bytes */
int referral_digest_key(referral_hmac_t *hmac, const u_char *key, size_t len);

/* of the n parts as one text; writes REFERRAL_SHA256_SIZE bytes */
int referral_digest_mac(u_char *out, const referral_hmac_t *hmac,
    const referral_str_t *part, size_t n);

/* 1 if equal; takes as long wherever they differ */
int referral_digest_equal(const u_char *a, const u_char *b, size_t len);

/* forgets a secret: no compiler leaves this out */
void referral_digest_wipe(void *data, size_t len);


#endif /* _REFERRAL_DIGEST_H_INCLUDED_ */
