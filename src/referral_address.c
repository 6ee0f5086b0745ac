
#include <netinet/in.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "referral_address.h"


struct referral_address_s {
    EVP_MAC_CTX  *ctx;
};


referral_address_t *
referral_address_create(void)
{
    size_t               size;
    EVP_MAC             *mac;
    OSSL_PARAM           params[2];
    referral_address_t  *a;

    a = calloc(1, sizeof(referral_address_t));
    if (a == NULL) {
        return NULL;
    }

    mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);

    if (mac != NULL) {
        a->ctx = EVP_MAC_CTX_new(mac);
        EVP_MAC_free(mac);
    }

    size = sizeof(uint64_t);

    params[0] = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size);
    params[1] = OSSL_PARAM_construct_end();

    if (a->ctx == NULL || EVP_MAC_CTX_set_params(a->ctx, params) != 1) {
        referral_address_free(a);
        return NULL;
    }

    return a;
}


void
referral_address_free(referral_address_t *a)
{
    EVP_MAC_CTX_free(a->ctx);
    free(a);
}


size_t
referral_address_data(const struct sockaddr *sa, const u_char **data)
{
    const struct in6_addr  *in6;

    switch (sa->sa_family) {

    case AF_INET:
        *data = (const u_char *) &((const struct sockaddr_in *) sa)->sin_addr;
        return 4;

    case AF_INET6:
        in6 = &((const struct sockaddr_in6 *) sa)->sin6_addr;
        *data = in6->s6_addr;

        if (IN6_IS_ADDR_V4MAPPED(in6)) {
            *data += 12;
            return 4;
        }

        return 8;

    default:
        return 0;
    }
}


int
referral_address_hash(referral_address_t *a, uint64_t *hash,
    const u_char *salt, const struct sockaddr *sa, const referral_str_t *ua)
{
    size_t         len, n;
    const u_char  *data;

    len = referral_address_data(sa, &data);

    if (len == 0) {
        return REFERRAL_DECLINED;
    }

    if (EVP_MAC_init(a->ctx, salt, REFERRAL_SALT_SIZE, NULL) != 1
        || EVP_MAC_update(a->ctx, data, len) != 1
        || EVP_MAC_update(a->ctx, ua->data, ua->len) != 1
        || EVP_MAC_final(a->ctx, (u_char *) hash, &n, sizeof(uint64_t)) != 1
        || n != sizeof(uint64_t))
    {
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


void
referral_address_forget(referral_address_t *a)
{
    static const u_char  none[REFERRAL_SALT_SIZE];

    (void) EVP_MAC_init(a->ctx, none, sizeof(none), NULL);
}
