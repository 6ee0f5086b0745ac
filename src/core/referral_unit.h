
/*
 * Units of amounts: the currencies of ISO 4217, and a program's own, such as
 * points or megabytes.  Amounts are whole numbers of the minor unit: 1234 of
 * EUR is 12.34 euros, 1234 of JPY is 1234 yen.
 */


#ifndef _REFERRAL_UNIT_H_INCLUDED_
#define _REFERRAL_UNIT_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_UNIT_MAX       8       /* bytes of a name */
#define REFERRAL_UNIT_DECIMALS  4       /* at most */

/* what every reader of JSON and Lua holds exactly: 2^53 - 1 */
#define REFERRAL_AMOUNT_MAX     9007199254740991LL

/* the longest text of referral_unit_put_amount() */
#define REFERRAL_AMOUNT_LEN     (sizeof("-9223372036854775808.") - 1)


typedef struct {
    referral_str_t   name;
    uint8_t          decimals;
} referral_unit_t;


/*
 * How many decimals a currency of ISO 4217 has.  REFERRAL_DECLINED: it is no
 * code of that list; REFERRAL_ERROR: it is one without a minor unit, such as
 * gold, in which nothing can be paid.
 */
int referral_unit_iso(const referral_str_t *name);

/*
 * May amounts be in this unit?  A currency of ISO 4217, or a name that a
 * program gave, [A-Za-z][A-Za-z0-9]{1,7}.  Three capitals are always meant as
 * a currency, and a currency is always in capitals: "EURO" is a name, "eur" and
 * "UDS" are mistakes.
 */
int referral_unit_valid(const referral_str_t *name);

/* a static sentence for what is not valid: what would be right */
const char *referral_unit_wrong(const referral_str_t *name);

/*
 * "MB/0", "EUR/2": a unit and its decimals, as a program's rules name it.  The
 * name points into "text".  A currency has the decimals of ISO 4217.  *err is
 * a static sentence.
 */
int referral_unit_parse(referral_unit_t *unit, const referral_str_t *text,
    const char **err);

/*
 * "12.34" with exactly so many decimals, without a sign: 1234, at most
 * REFERRAL_AMOUNT_MAX.  *err is a static sentence.
 */
int referral_unit_amount(int64_t *amount, const referral_str_t *text,
    unsigned decimals, const char **err);

/* the other way; also below zero */
void referral_unit_put_amount(referral_buf_t *b, int64_t amount,
    unsigned decimals);


#endif /* _REFERRAL_UNIT_H_INCLUDED_ */
