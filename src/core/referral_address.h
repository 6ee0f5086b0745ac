
/*
 * Hashes of client addresses, for the day's estimate of how many addresses
 * clicked: one number for an address and a User-Agent under a salt that is
 * thrown away after two days.
 */


#ifndef _REFERRAL_ADDRESS_H_INCLUDED_
#define _REFERRAL_ADDRESS_H_INCLUDED_


#include <sys/socket.h>

#include "referral_str.h"


#define REFERRAL_SALT_SIZE  16


/*
 * Sets *data to the bytes of the address that are hashed, in "sa", and returns
 * their number: 4 of IPv4 and of IPv4-mapped IPv6; of IPv6 the first 8,
 * because one household has a /64.  0: another family.
 */
size_t referral_address_data(const struct sockaddr *sa, const u_char **data);

/*
 * SipHash of the address and of "agent", a hash of the User-Agent, under a
 * salt of REFERRAL_SALT_SIZE bytes.  REFERRAL_DECLINED: no IP address.
 */
int referral_address_hash(uint64_t *hash, const u_char *salt,
    const struct sockaddr *sa, uint64_t agent);


#endif /* _REFERRAL_ADDRESS_H_INCLUDED_ */
