
/*
 * The cautious count of people: one number for an address and a User-Agent,
 * by a salt that nobody keeps.
 */


#ifndef _REFERRAL_ADDRESS_H_INCLUDED_
#define _REFERRAL_ADDRESS_H_INCLUDED_


#include <sys/socket.h>

#include "referral_str.h"


#define REFERRAL_SALT_SIZE  16


/*
 * The bytes that make an address: of IPv6 its /64, which is one household;
 * IPv4-mapped as IPv4.  0: any other family.
 */
size_t referral_address_data(const struct sockaddr *sa, const u_char **data);

/*
 * SipHash of the address and of "agent", a hash of the User-Agent, under the
 * salt.  REFERRAL_DECLINED: has no address.
 */
int referral_address_hash(uint64_t *hash, const u_char *salt,
    const struct sockaddr *sa, uint64_t agent);


#endif /* _REFERRAL_ADDRESS_H_INCLUDED_ */
