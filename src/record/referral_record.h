
/*
 * The record of a click, as bytes for the journal.  The click handler encodes
 * it; the recorder and the journal's tools decode it.
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
 * LANDED: the visitor was sent to a landing (an unresolved click may also go
 * to the fallback).  TOUCHED: a cookie was issued, or would have been with
 * consent, and the click id can be looked up; not set for clicks above the
 * limit of one address.  NEW_...: the visitor is new to the program, the link
 * or the day, according to the cookie.
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
    REFERRAL_TEXT_REFERRER,      /* the code if there is none, never empty */
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


/*
 * Encodes a record in the current version and returns its size.  Texts are cut
 * to 255 bytes.  REFERRAL_ERROR: "size" is too small (REFERRAL_RECORD_MAX is
 * enough for texts within the limits of referral_name.h, referral_code.h and
 * referral_visitor.h), or the record is invalid.
 */
ssize_t referral_record_encode(u_char *out, size_t size,
    const referral_record_t *record);

/*
 * Decodes a record; the texts point into "data".  REFERRAL_DECLINED: a newer
 * version wrote it, which alone can read it.  REFERRAL_ERROR: the bytes are
 * invalid: an unknown version, a length beyond the end, an unknown class or
 * result, an invalid program, code or referrer, control characters in a text,
 * or bytes left over.
 */
int referral_record_decode(referral_record_t *record, const u_char *data,
    size_t size);


#endif /* _REFERRAL_RECORD_H_INCLUDED_ */
