
/*
 * Country, region, city and network of an address, from .mmdb files: as
 * MaxMind writes them, or with "country_code" and "asn" at the top.
 */


#ifndef _REFERRAL_GEO_H_INCLUDED_
#define _REFERRAL_GEO_H_INCLUDED_


#include <sys/socket.h>
#include <sys/stat.h>

#include "referral_str.h"


#define REFERRAL_GEO_CITY_MAX    64
#define REFERRAL_GEO_REGION_MAX  8      /* "JP-13", "GB-WBK" */
#define REFERRAL_GEO_FILE_MAX    (1024L * 1024 * 1024)


/* addresses that are remembered, in sets: 100 bytes each */
#define REFERRAL_GEO_SET_BITS    11
#define REFERRAL_GEO_SETS        (1 << REFERRAL_GEO_SET_BITS)
#define REFERRAL_GEO_WAYS        4


typedef struct referral_geo_s  referral_geo_t;


/* what is not known is of length 0; text is valid UTF-8 without controls */

typedef struct {
    uint8_t             country_len;
    uint8_t             region_len;
    uint8_t             city_len;
    u_char              country[2];      /* A-Z */
    u_char              region[REFERRAL_GEO_REGION_MAX];
    u_char              city[REFERRAL_GEO_CITY_MAX];
    uint32_t            asn;             /* 0 if not known */
} referral_geo_result_t;


/* addresses of late, as IPv6, and what is known of them; zeroed: none */

typedef struct {
    uint64_t               addr[REFERRAL_GEO_SETS][REFERRAL_GEO_WAYS][2];
    referral_geo_result_t  result[REFERRAL_GEO_SETS][REFERRAL_GEO_WAYS];
    unsigned               next;        /* way to give up */
} referral_geo_memo_t;


/*
 * Copies one file into sealed memory (memfd_create) and opens that, so
 * nothing done to the file later can harm a look-up.  Blocks on the disk.
 * Writes a reason to err, at most errlen bytes with its terminator.  NULL on
 * error.
 */
referral_geo_t *referral_geo_open(const char *path, char *err, size_t errlen);
void referral_geo_close(referral_geo_t *geo);

/*
 * NULL, or what is wrong with a file that can be opened, but of which nothing
 * is understood; to be said behind its name.
 */
const char *referral_geo_doubt(const referral_geo_t *geo);

/* has the file at "path" changed since it was opened?  one stat(); a file
 * that is not there has not changed */
int referral_geo_changed(const referral_geo_t *geo, const char *path);

/*
 * Adds to "result", zeroed by the caller before the first of several files,
 * what this file knows and no earlier file told.  Takes AF_INET and AF_INET6,
 * IPv4-mapped as IPv4; knows nothing of any other family.  No allocation, no
 * file access.  REFERRAL_OK when something was found.
 */
int referral_geo_lookup(referral_geo_t *geo, const struct sockaddr *sa,
    referral_geo_result_t *result);

/*
 * 820 KB, of which the system gives what is used; a set's addresses are one
 * cache line.  NULL without memory.  forget: of all addresses.
 */
referral_geo_memo_t *referral_geo_memo_create(void);
void referral_geo_memo_forget(referral_geo_memo_t *memo);
void referral_geo_memo_free(referral_geo_memo_t *memo);

/* begins to bring from memory what tells whether an address is remembered */
void referral_geo_memo_prefetch(const referral_geo_memo_t *memo,
    const struct sockaddr *sa);

/* what is remembered of an address; NULL: nothing */
const referral_geo_result_t *referral_geo_memo_find(
    const referral_geo_memo_t *memo, const struct sockaddr *sa);

/*
 * A place for the result of an address that is not remembered yet, zeroed;
 * another one may be forgotten for it.  NULL: of this family nothing is known.
 */
referral_geo_result_t *referral_geo_memo_add(referral_geo_memo_t *memo,
    const struct sockaddr *sa);


#endif /* _REFERRAL_GEO_H_INCLUDED_ */
