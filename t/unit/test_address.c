/* link: referral_address.c referral_hash.c */

/*
 * Protects: addresses are counted by a salted hash that reveals nothing else.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "referral_address.h"
#include "referral_hash.h"
#include "unit.h"


static uint64_t
hash(const char *salt, const char *address, const char *agent)
{
    int                  rc;
    uint64_t             h, ua;
    struct sockaddr_in   in;
    struct sockaddr_in6  in6;

    memset(&in, 0, sizeof(in));
    memset(&in6, 0, sizeof(in6));

    in.sin_family = AF_INET;
    in6.sin6_family = AF_INET6;

    ua = referral_hash64(0, agent, strlen(agent));

    h = 0;

    if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
        rc = referral_address_hash(&h, (const u_char *) salt,
                                   (struct sockaddr *) &in, ua);

    } else {
        inet_pton(AF_INET6, address, &in6.sin6_addr);
        rc = referral_address_hash(&h, (const u_char *) salt,
                                   (struct sockaddr *) &in6, ua);
    }

    ok(rc == REFERRAL_OK, "%s is hashed", address);

    return h;
}


int
main(void)
{
    uint64_t             one, h;
    struct sockaddr_un   un;

    static const char  today[] = "0123456789abcdef";
    static const char  tomorrow[] = "0123456789abcdeg";

    one = hash(today, "192.0.2.1", "agent");

    ok(one == hash(today, "192.0.2.1", "agent"), "the same is the same");
    ok(one != hash(today, "192.0.2.2", "agent"), "another address");
    ok(one != hash(today, "192.0.2.1", "agents"), "another browser");
    ok(one != hash(tomorrow, "192.0.2.1", "agent"), "another day's salt");
    ok(one == hash(today, "::ffff:192.0.2.1", "agent"),
       "IPv4-mapped is IPv4");

    h = hash(today, "2001:db8:1:2::1", "agent");

    ok(h == hash(today, "2001:db8:1:2:ffff::9", "agent"),
       "a /64 is one household");
    ok(h != hash(today, "2001:db8:1:3::1", "agent"), "the next is another");

    memset(&un, 0, sizeof(un));
    un.sun_family = AF_UNIX;

    ok(referral_address_hash(&h, (const u_char *) today,
                             (struct sockaddr *) &un, 1)
       == REFERRAL_DECLINED, "a unix socket has no address");

    return unit_done();
}
