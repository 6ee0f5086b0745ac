/* link: referral_geo.c -lmaxminddb */

/*
 * An .mmdb file as an operator may install it: opened as the module opens it,
 * and searched for addresses.  Its seeds come from t/lib/mmdb.pl.
 */

#define _GNU_SOURCE    /* memfd_create() */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "referral_geo.h"


static void
fuzz_seeds(void)
{
    fuzz_seed_text("\xab\xcd\xefMaxMind.com");
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                     fd;
    char                    path[64], err[256];
    unsigned                i;
    referral_geo_t         *geo;
    struct sockaddr_in      sin;
    struct sockaddr_in6     sin6;
    referral_geo_result_t   result;

    fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd == -1 || write(fd, data, size) != (ssize_t) size) {
        abort();
    }

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    err[0] = '\0';

    geo = referral_geo_open(path, err, sizeof(err));

    close(fd);

    if (geo == NULL) {
        fuzz_check(err[0] != '\0');
        return 0;
    }

    memset(&sin, 0, sizeof(sin));
    memset(&sin6, 0, sizeof(sin6));
    sin.sin_family = AF_INET;
    sin6.sin6_family = AF_INET6;

    /* 127.0.0.1 to 127.0.31.1, for which the seeds have records */

    for (i = 0; i < 32; i++) {
        memset(&result, 0, sizeof(result));
        sin.sin_addr.s_addr = htonl(0x7f000001 + (i << 8));

        (void) referral_geo_lookup(geo, (struct sockaddr *) &sin, &result);

        fuzz_check(result.country_len == 0 || result.country_len == 2);
        fuzz_check(result.region_len <= REFERRAL_GEO_REGION_MAX);
        fuzz_check(result.city_len <= REFERRAL_GEO_CITY_MAX);
    }

    for (i = 0; i < 4; i++) {
        memset(&result, 0, sizeof(result));
        memset(&sin6.sin6_addr, i == 3 ? 0xff : 0, 16);

        if (i > 0 && size >= 16) {
            memcpy(&sin6.sin6_addr, data + (i == 1 ? 0 : size - 16), 16);
        }

        (void) referral_geo_lookup(geo, (struct sockaddr *) &sin6, &result);

        fuzz_check(result.country_len == 0 || result.country_len == 2);
        fuzz_check(result.region_len <= REFERRAL_GEO_REGION_MAX);
        fuzz_check(result.city_len <= REFERRAL_GEO_CITY_MAX);
    }

    referral_geo_close(geo);

    return 0;
}
