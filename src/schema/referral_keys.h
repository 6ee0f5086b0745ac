
/*
 * The names of the keys in Redis that the module reads or writes, and what
 * stands in each.  All but the salt are a prefix, a family, the program in
 * braces and for some a suffix: "ref:stats:{shop}:CODE".  The braces keep all
 * keys of a program in one hash slot of a cluster.
 *
 * The command line has its names in scripts/nginx_referral/store/keys.py;
 * t/house/key_names.t compares the two.
 */


#ifndef _REFERRAL_KEYS_H_INCLUDED_
#define _REFERRAL_KEYS_H_INCLUDED_


#include "referral_name.h"
#include "referral_str.h"


/* without "prefix=" in referral_redis */
#define REFERRAL_KEY_PREFIX  "ref:"

/* set of the names of all programs; behind the prefix */
#define REFERRAL_KEY_PROGRAMS  "programs"

/* bytes of any key without prefix, program and suffix, at most */
#define REFERRAL_KEY_NAME_MAX  32

/* bytes of a program's, link's or referrer's key without the prefix */
#define REFERRAL_KEY_ENTRY_MAX                                                \
    (sizeof("referrer:{}:") + REFERRAL_PROGRAM_MAX + REFERRAL_REFERRER_MAX)


typedef enum {

    /* hash: journal id in hexadecimal -> the last record that was counted */
    REFERRAL_KEY_JOURNALS = 0,

    /* stream: operations that Redis refused, and why */
    REFERRAL_KEY_ERRORS,

    /* hash: SHA-1 of a forgotten click or visitor id -> until when */
    REFERRAL_KEY_FORGOTTEN,

    /* hash, suffix code: the link as its owner wrote it */
    REFERRAL_KEY_LINK,

    /* hash: counters of the program, of all time; suffix code: of a link */
    REFERRAL_KEY_STATS,
    REFERRAL_KEY_STATS_LINK,

    /* hash, suffix day: the same counters of one day */
    REFERRAL_KEY_DAY,

    /* hash: day -> clicks of the program; suffix code: of a link */
    REFERRAL_KEY_DAYS,
    REFERRAL_KEY_DAYS_LINK,

    /* hash: hour in UTC -> clicks of the program */
    REFERRAL_KEY_HOURS,

    /* sorted set: code -> clicks, of all time; suffix day: of one day */
    REFERRAL_KEY_BOARD,
    REFERRAL_KEY_BOARD_DAY,

    /* sorted set: referrer -> clicks, of all time; suffix month: of one */
    REFERRAL_KEY_REFERRERS,
    REFERRAL_KEY_REFERRERS_MONTH,

    /* HyperLogLog, suffix day: visitor ids */
    REFERRAL_KEY_VISITORS,

    /* HyperLogLog, suffix day: salted hashes of address and browser */
    REFERRAL_KEY_ADDRESSES,

    /* hash, suffix minute in UTC: click id -> its attribution */
    REFERRAL_KEY_CLICKS,

    /* stream: an entry for each hit */
    REFERRAL_KEY_EVENTS,

    /* hash: the program as its owner wrote it */
    REFERRAL_KEY_PROGRAM,

    /* hash, suffix id: the referrer as its owner wrote it */
    REFERRAL_KEY_REFERRER,

    /* stream: the facts of conversions, ids N-0 without a gap */
    REFERRAL_KEY_CONVERSIONS,

    /* hash, suffix bucket: digest of an event_id -> its position */
    REFERRAL_KEY_IDS,

    /* hash: customer id -> number, and the binding */
    REFERRAL_KEY_PERSON,

    /* hash: number -> customer id; "next": the last number that was given */
    REFERRAL_KEY_NAMES,

    /* stream: events that were refused when they were appended */
    REFERRAL_KEY_REJECTS,

    /* string: what people's digests are made with */
    REFERRAL_KEY_SEED,

    /* set, suffix bucket: digests of customers from before the program */
    REFERRAL_KEY_KNOWN,

    /* hash, suffix minute in UTC: click id -> whose event it was credited to */
    REFERRAL_KEY_CLAIMED,

    /* hash: how far the settler is */
    REFERRAL_KEY_SETTLED,

    /* string, the day behind the family, no program: salt in hexadecimal */
    REFERRAL_KEY_SALT,

    REFERRAL_KEYS
} referral_key_e;


/* "stats:": what stands between prefix and program; static memory */
const referral_str_t *referral_key_family(referral_key_e key);

/*
 * Appends all that stands between prefix and suffix: "stats:{shop}:".  Not for
 * the salt.  The caller puts the prefix before it and the suffix behind it.
 */
void referral_key_put(referral_buf_t *out, referral_key_e key,
    const referral_str_t *program);


#endif /* _REFERRAL_KEYS_H_INCLUDED_ */
