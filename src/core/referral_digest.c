
/* why the deprecated functions: see referral_cookie.c */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "referral_digest.h"


static int referral_digest_pad(SHA256_CTX *ctx, const u_char *key, size_t len,
    u_char byte);


_Static_assert(sizeof(SHA256_CTX)
               == sizeof(((referral_hmac_t *) NULL)->inner),
               "referral_hmac_t holds two of libcrypto's contexts");


int
referral_digest(u_char *out, const void *data, size_t len)
{
    return SHA256(len ? data : (const void *) "", len, out) != NULL
           ? REFERRAL_OK : REFERRAL_ERROR;
}


int
referral_digest_place(u_char *bucket, u_char *field, const referral_str_t *id)
{
    u_char          hash[REFERRAL_SHA256_SIZE];
    u_char          text[2 * REFERRAL_SHA256_SIZE];
    referral_buf_t  b;

    if (referral_digest(hash, id->data, id->len) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    referral_buf_init(&b, text, sizeof(text));
    referral_buf_hex(&b, hash, sizeof(hash));

    memcpy(bucket, text, REFERRAL_BUCKET_LEN);
    memcpy(field, text + REFERRAL_BUCKET_LEN, REFERRAL_FIELD_LEN);

    return REFERRAL_OK;
}


int
referral_digest_key(referral_hmac_t *hmac, const u_char *key, size_t len)
{
    SHA256_CTX  inner, outer;

    if (len > SHA256_CBLOCK
        || referral_digest_pad(&inner, key, len, 0x36) != REFERRAL_OK
        || referral_digest_pad(&outer, key, len, 0x5c) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    memcpy(hmac->inner, &inner, sizeof(inner));
    memcpy(hmac->outer, &outer, sizeof(outer));

    OPENSSL_cleanse(&inner, sizeof(inner));
    OPENSSL_cleanse(&outer, sizeof(outer));

    return REFERRAL_OK;
}


static int
referral_digest_pad(SHA256_CTX *ctx, const u_char *key, size_t len,
    u_char byte)
{
    int     rc;
    size_t  i;
    u_char  block[SHA256_CBLOCK];

    for (i = 0; i < SHA256_CBLOCK; i++) {
        block[i] = (i < len ? key[i] : 0) ^ byte;
    }

    rc = SHA256_Init(ctx) == 1
         && SHA256_Update(ctx, block, SHA256_CBLOCK) == 1;

    OPENSSL_cleanse(block, sizeof(block));

    return rc ? REFERRAL_OK : REFERRAL_ERROR;
}


int
referral_digest_mac(u_char *out, const referral_hmac_t *hmac,
    const referral_str_t *part, size_t n)
{
    size_t      i;
    u_char      hash[REFERRAL_SHA256_SIZE];
    SHA256_CTX  ctx;

    memcpy(&ctx, hmac->inner, sizeof(ctx));

    for (i = 0; i < n; i++) {
        if (part[i].len
            && SHA256_Update(&ctx, part[i].data, part[i].len) != 1)
        {
            return REFERRAL_ERROR;
        }
    }

    if (SHA256_Final(hash, &ctx) != 1) {
        return REFERRAL_ERROR;
    }

    memcpy(&ctx, hmac->outer, sizeof(ctx));

    if (SHA256_Update(&ctx, hash, sizeof(hash)) != 1
        || SHA256_Final(out, &ctx) != 1)
    {
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


int
referral_digest_equal(const u_char *a, const u_char *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}


void
referral_digest_wipe(void *data, size_t len)
{
    OPENSSL_cleanse(data, len);
}
