
#include <netinet/in.h>

#include "referral_address.h"
#include "referral_hash.h"


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
referral_address_hash(uint64_t *hash, const u_char *salt,
    const struct sockaddr *sa, uint64_t agent)
{
    size_t         i, len;
    u_char         hashed[8];
    const u_char  *data;

    len = referral_address_data(sa, &data);

    if (len == 0) {
        return REFERRAL_DECLINED;
    }

    for (i = 0; i < sizeof(hashed); i++) {
        hashed[i] = (u_char) (agent >> (8 * i));
    }

    *hash = referral_siphash(salt, data, len, hashed, sizeof(hashed));

    return REFERRAL_OK;
}
