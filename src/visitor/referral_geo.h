
/*
 * Country, region, city and network of an address, from .mmdb files in
 * MaxMind's format or with "country_code" and "asn" at the top of a record.
 */


#ifndef _REFERRAL_GEO_H_INCLUDED_
#define _REFERRAL_GEO_H_INCLUDED_


#include <sys/socket.h>
#include <sys/stat.h>

#include "referral_str.h"


#define REFERRAL_GEO_CITY_MAX    64
#define REFERRAL_GEO_REGION_MAX  8      /* "JP-13", "GB-WBK" */
#define REFERRAL_GEO_FILE_MAX    (1024L * 1024 * 1024)


/*
 * The memo: results of recent addresses, in sets.  An address takes 100 bytes.
 */
#define REFERRAL_GEO_SET_BITS    11
#define REFERRAL_GEO_SETS        (1 << REFERRAL_GEO_SET_BITS)
#define REFERRAL_GEO_WAYS        4


typedef struct referral_geo_s  referral_geo_t;


/*
 * What is not known has length 0.  Texts are valid UTF-8 without control
 * characters.
 */

typedef struct {
    uint8_t             country_len;
    uint8_t             region_len;
    uint8_t             city_len;
    u_char              country[2];      /* A-Z */
    u_char              region[REFERRAL_GEO_REGION_MAX];
    u_char              city[REFERRAL_GEO_CITY_MAX];
    uint32_t            asn;             /* 0: not known */
} referral_geo_result_t;


/*
 * Recent addresses, IPv4 mapped into IPv6, and their results.  Zeroed memory
 * is an empty memo.
 */

typedef struct {
    uint64_t               addr[REFERRAL_GEO_SETS][REFERRAL_GEO_WAYS][2];
    referral_geo_result_t  result[REFERRAL_GEO_SETS][REFERRAL_GEO_WAYS];
    unsigned               next;        /* the way that is replaced next */
} referral_geo_memo_t;


/*
 * Copies the file into sealed memory (memfd_create) and opens the copy, so
 * that look-ups are safe whatever happens to the file later.  Blocks on the
 * disk.  NULL: a reason was written to "err", at most errlen bytes with the
 * terminating zero.
 */
referral_geo_t *referral_geo_open(const char *path, char *err, size_t errlen);
void referral_geo_close(referral_geo_t *geo);

/*
 * A sentence about a file in which nothing is understood, to be printed behind
 * its name; NULL: something is.  The file can be used in both cases.
 */
const char *referral_geo_doubt(const referral_geo_t *geo);

/*
 * Has the file at "path" changed since it was opened?  Calls stat() once; a
 * missing file has not changed.
 */
int referral_geo_changed(const referral_geo_t *geo, const char *path);

/*
 * Adds to "result" what this file knows and earlier files did not.  The caller
 * zeroes "result" before the first file.  Takes AF_INET and AF_INET6,
 * IPv4-mapped addresses as IPv4.  Neither allocates nor reads from the disk.
 * REFERRAL_OK: something was found.
 */
int referral_geo_lookup(referral_geo_t *geo, const struct sockaddr *sa,
    referral_geo_result_t *result);

/*
 * The memo is 820 KB of address space, of which only touched pages take
 * memory; the addresses of a set are one cache line.  NULL: no memory.  forget
 * empties it.
 */
referral_geo_memo_t *referral_geo_memo_create(void);
void referral_geo_memo_forget(referral_geo_memo_t *memo);
void referral_geo_memo_free(referral_geo_memo_t *memo);

/* prefetches the set in which the address would be */
void referral_geo_memo_prefetch(const referral_geo_memo_t *memo,
    const struct sockaddr *sa);

/* the remembered result of an address; NULL: it is not in the memo */
const referral_geo_result_t *referral_geo_memo_find(
    const referral_geo_memo_t *memo, const struct sockaddr *sa);

/*
 * Zeroed memory for the result of an address that is not in the memo; it may
 * replace another address.  NULL: neither IPv4 nor IPv6.
 */
referral_geo_result_t *referral_geo_memo_add(referral_geo_memo_t *memo,
    const struct sockaddr *sa);


#endif /* _REFERRAL_GEO_H_INCLUDED_ */
