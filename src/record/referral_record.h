
/*
 * A click as bytes: what stands in the journal.  The click writes it; the
 * recorder, the journal's tools and the fuzzer read it.
 */


#ifndef _REFERRAL_RECORD_H_INCLUDED_
#define _REFERRAL_RECORD_H_INCLUDED_


#include "referral_code.h"
#include "referral_id.h"
#include "referral_name.h"
#include "referral_result.h"
#include "referral_str.h"
#include "referral_time.h"
#include "referral_visitor.h"


#define REFERRAL_RECORD_MAX  1024


/*
 * "landed": the visitor was sent to a landing (an unresolved click may go to
 * the default landing or to the fallback).  "touched": an attribution cookie
 * was issued, or would have been but for consent, and the click id can be
 * looked up; not so where one address has too many.  The three "new" are what
 * the cookie tells of uniques.
 */

#define REFERRAL_RECORD_LANDED       0x01
#define REFERRAL_RECORD_TOUCHED      0x02
#define REFERRAL_RECORD_NO_CONSENT   0x04
#define REFERRAL_RECORD_NEW_PROGRAM  0x08
#define REFERRAL_RECORD_NEW_LINK     0x10
#define REFERRAL_RECORD_NEW_DAY      0x20
#define REFERRAL_RECORD_VISITOR      0x40    /* visitor is set */
#define REFERRAL_RECORD_ADDRESS      0x80    /* address is set */
#define REFERRAL_RECORD_CLICK_ID     0x100   /* click_id is set */


typedef enum {
    REFERRAL_TEXT_PROGRAM = 0,
    REFERRAL_TEXT_CODE,
    REFERRAL_TEXT_REFERRER,      /* never empty: the code if there is none */
    REFERRAL_TEXT_COUNTRY,
    REFERRAL_TEXT_REGION,
    REFERRAL_TEXT_CITY,
    REFERRAL_TEXT_LANG,
    REFERRAL_TEXT_DEVICE,
    REFERRAL_TEXT_OS,
    REFERRAL_TEXT_APP,
    REFERRAL_TEXT_SOURCE,
    REFERRAL_TEXT_CHANNEL,
    REFERRAL_TEXT_SEGMENT,
    REFERRAL_TEXT_VARIANT,
    REFERRAL_TEXT_LANDING_HOST,
    REFERRAL_TEXT_FIRST_CODE,    /* of the first touch */
    REFERRAL_TEXTS
} referral_text_e;


typedef struct {
    int64_t             at;              /* ms */
    uint32_t            life;            /* seconds that it can be looked up:
                                            the program's window and late */
    int16_t             offset;          /* the program's day, minutes east */
    uint16_t            flags;
    uint8_t             class;           /* referral_class_e */
    uint8_t             result;          /* referral_result_e */
    u_char              click_id[REFERRAL_CLICK_ID_SIZE];
    u_char              first_click_id[REFERRAL_CLICK_ID_SIZE];
    u_char              visitor[REFERRAL_VISITOR_SIZE];
    uint64_t            address;         /* salted hash, for the day's
                                            HyperLogLog of addresses */
    referral_str_t      text[REFERRAL_TEXTS];
} referral_record_t;


/* versioned; each text cut to 255 bytes.  The bytes written, or
 * REFERRAL_ERROR if size is too small; REFERRAL_RECORD_MAX always suffices
 * for texts within the bounds of their rooms */
ssize_t referral_record_encode(u_char *out, size_t size,
    const referral_record_t *record);

/*
 * The texts point into "data".  REFERRAL_DECLINED: a newer version wrote it,
 * and only that can read it.  Every byte is distrusted: REFERRAL_ERROR for a
 * version that never was, a length past the end, a class or result that is
 * none, a program, code or referrer outside its grammar, a text with control
 * bytes, bytes left over.
 */
int referral_record_decode(referral_record_t *record, const u_char *data,
    size_t size);


#endif /* _REFERRAL_RECORD_H_INCLUDED_ */
