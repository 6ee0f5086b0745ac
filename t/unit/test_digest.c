/* link: referral_digest.c referral_str.c -lcrypto */

/* protects: that digests are those of everybody else's SHA-256 and HMAC, so
 * that an id is found by hand */

#include "referral_digest.h"
#include "unit.h"


static int
is_hex(const u_char *data, const char *hex)
{
    u_char          out[2 * REFERRAL_SHA256_SIZE];
    referral_buf_t  b;

    referral_buf_init(&b, out, sizeof(out));
    referral_buf_hex(&b, data, REFERRAL_SHA256_SIZE);

    return memcmp(out, hex, sizeof(out)) == 0;
}


/* what "sha256sum" and "openssl mac" say, and RFC 4231's second test case */

int
main(void)
{
    u_char           out[REFERRAL_SHA256_SIZE], key[65];
    u_char           bucket[REFERRAL_BUCKET_LEN], field[REFERRAL_FIELD_LEN];
    referral_str_t   part[3] = { referral_string("what do ya "),
                                 referral_null_string,
                                 referral_string("want for nothing?") };
    referral_hmac_t  hmac;

    ok(referral_digest(out, "abc", 3) == REFERRAL_OK
       && is_hex(out, "ba7816bf8f01cfea414140de5dae2223"
                      "b00361a396177a9cb410ff61f20015ad"), "SHA-256");
    ok(referral_digest(out, NULL, 0) == REFERRAL_OK
       && is_hex(out, "e3b0c44298fc1c149afbf4c8996fb924"
                      "27ae41e4649b934ca495991b7852b855"), "of nothing");

    part[2] = (referral_str_t) referral_string("order-17");

    ok(referral_digest_place(bucket, field, &part[2]) == REFERRAL_OK
       && memcmp(bucket, "72a", 3) == 0
       && memcmp(field, "90ea3da8b5dd01bde2f273", 22) == 0,
       "an id's bucket and field");

    part[2] = (referral_str_t) referral_string("want for nothing?");

    ok(referral_digest_key(&hmac, (u_char *) "Jefe", 4) == REFERRAL_OK
       && referral_digest_mac(out, &hmac, part, 3) == REFERRAL_OK
       && is_hex(out, "5bdcc146bf60754e6a042426089575c7"
                      "5a003f089d2739839dec58b964ec3843"),
       "HMAC of parts is that of the whole");
    ok(referral_digest_mac(out, &hmac, part, 1) == REFERRAL_OK
       && !is_hex(out, "5bdcc146bf60754e6a042426089575c7"
                       "5a003f089d2739839dec58b964ec3843"),
       "and of all of it");

    memset(key, 7, sizeof(key));

    ok(referral_digest_key(&hmac, key, 64) == REFERRAL_OK
       && referral_digest_key(&hmac, key, 65) == REFERRAL_ERROR,
       "a key is at most a block");

    ok(referral_digest_equal((u_char *) "abcd", (u_char *) "abcd", 4)
       && !referral_digest_equal((u_char *) "abcd", (u_char *) "abce", 4),
       "equal");

    referral_digest_wipe(key, sizeof(key));

    ok(key[0] == 0 && key[64] == 0, "wiped");

    return unit_done();
}
