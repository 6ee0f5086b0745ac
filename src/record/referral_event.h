
/*
 * A conversion's event as bytes: what stands in the journal of events.  The
 * intake writes it; the recorder, the journal's tools and the fuzzer read it.
 */


#ifndef _REFERRAL_EVENT_H_INCLUDED_
#define _REFERRAL_EVENT_H_INCLUDED_


#include "referral_code.h"
#include "referral_digest.h"
#include "referral_id.h"
#include "referral_name.h"
#include "referral_str.h"
#include "referral_time.h"
#include "referral_unit.h"


#define REFERRAL_EVENT_MAX           8192    /* bytes of the longest one */

/* bytes at most */

#define REFERRAL_EVENT_TYPE_MAX      32
#define REFERRAL_EVENT_ID_MAX        128     /* event, customer, order */
#define REFERRAL_EVENT_DOMAIN_MAX    253
#define REFERRAL_EVENT_CITY_MAX      64
#define REFERRAL_EVENT_KEY_MAX       64      /* of "x" */
#define REFERRAL_EVENT_VALUE_MAX     256

/* entries at most */

#define REFERRAL_EVENT_PRODUCTS      16
#define REFERRAL_EVENT_PARTIES       8
#define REFERRAL_EVENT_EXTRAS        16

#define REFERRAL_EVENT_QUANTITY_MAX  1000000
#define REFERRAL_EVENT_HASH_LEN      (2 * REFERRAL_SHA256_SIZE)
#define REFERRAL_FINGERPRINT_SIZE    8

/* how far ahead of the intake's clock an event or a click may be, ms */
#define REFERRAL_EVENT_AHEAD         (5 * 60 * 1000)


/* who says so */

typedef enum {
    REFERRAL_TRUST_SIGNED = 0,   /* a signature with a key of the program */
    REFERRAL_TRUST_LOCATION,     /* the location lets the shop in only */
    REFERRAL_TRUST_UPSTREAM,     /* a header of the shop's own answer */
    REFERRAL_TRUST_BROWSER,      /* the visitor's browser: never money */
    REFERRAL_TRUSTS
} referral_trust_e;


typedef enum {
    REFERRAL_EVENT_LEAD = 0,
    REFERRAL_EVENT_SALE,
    REFERRAL_EVENT_REFUND,
    REFERRAL_EVENT_UPDATE,
    REFERRAL_EVENT_CANCEL,
    REFERRAL_EVENT_CUSTOM,       /* the shop's own word, such as "install" */
    REFERRAL_EVENT_TYPES
} referral_event_type_e;


/* what led to the referrer who is credited */

typedef enum {
    REFERRAL_VIA_NONE = 0,
    REFERRAL_VIA_BOUND,          /* the customer's referrer from before */
    REFERRAL_VIA_CLICK,
    REFERRAL_VIA_COOKIE,
    REFERRAL_VIA_CODE,
    REFERRAL_VIAS
} referral_event_via_e;


/* what is set; where the bit is not, the member is zero */

#define REFERRAL_EVENT_AT_GIVEN      0x001   /* "at" was said */
#define REFERRAL_EVENT_ORDER_AT      0x002
#define REFERRAL_EVENT_AMOUNT        0x004
#define REFERRAL_EVENT_REFUNDED      0x008
#define REFERRAL_EVENT_CLICK_ID      0x010
#define REFERRAL_EVENT_VISITOR       0x020
#define REFERRAL_EVENT_FIRST         0x040
#define REFERRAL_EVENT_LAST          0x080
#define REFERRAL_EVENT_FIRST_OPEN    0x100   /* the link of that touch could */
#define REFERRAL_EVENT_LAST_OPEN     0x200   /* not be looked up then */
#define REFERRAL_EVENT_NEW_SAID      0x400   /* "new" was said … */
#define REFERRAL_EVENT_NEW           0x800   /* … and is 1 */
#define REFERRAL_EVENT_FLAGS         0xfff


/* what a type must have; of a refund one of two amounts is enough */

#define REFERRAL_EVENT_NEED_CUSTOMER  0x01
#define REFERRAL_EVENT_NEED_ORDER     0x02
#define REFERRAL_EVENT_NEED_AMOUNT    0x04
#define REFERRAL_EVENT_NEED_REFUND    0x08   /* amount or total_refunded */
#define REFERRAL_EVENT_NEED_WHOSE     0x10   /* customer or order_id */


typedef enum {
    REFERRAL_EVENT_TEXT_PROGRAM = 0,
    REFERRAL_EVENT_TEXT_TYPE,
    REFERRAL_EVENT_TEXT_ID,
    REFERRAL_EVENT_TEXT_CUSTOMER,
    REFERRAL_EVENT_TEXT_ORDER,
    REFERRAL_EVENT_TEXT_CODE,            /* typed by the friend */
    REFERRAL_EVENT_TEXT_UNIT,            /* "currency" */
    REFERRAL_EVENT_TEXT_ROLE,
    REFERRAL_EVENT_TEXT_SEGMENT,
    REFERRAL_EVENT_TEXT_EMAIL_HASH,      /* 64 lower case digits */
    REFERRAL_EVENT_TEXT_PAYMENT_HASH,
    REFERRAL_EVENT_TEXT_EMAIL_DOMAIN,    /* lower case */
    REFERRAL_EVENT_TEXT_COUNTRY,
    REFERRAL_EVENT_TEXT_CITY,
    REFERRAL_EVENT_TEXTS
} referral_event_text_e;


/* what the cookie said; its time stands in the click id */

typedef struct {
    referral_str_t          code;
    u_char                  click_id[REFERRAL_CLICK_ID_SIZE];
} referral_event_touch_t;


typedef struct {
    referral_str_t          key;
    referral_str_t          value;       /* may be empty */
} referral_event_extra_t;


typedef struct {
    int64_t                 received;    /* ms, the intake's clock */
    int64_t                 at;          /* ms; "received" if not given */
    int64_t                 order_at;    /* ms */
    int64_t                 amount;      /* of "unit", its minor one */
    int64_t                 refunded;    /* "total_refunded" */
    uint32_t                quantity;    /* 0: not said */
    uint16_t                flags;
    uint8_t                 trust;       /* referral_trust_e */
    uint8_t                 products;
    uint8_t                 parties;
    uint8_t                 extras;
    u_char                  click_id[REFERRAL_CLICK_ID_SIZE];
    u_char                  visitor[REFERRAL_VISITOR_SIZE];
    u_char                  fingerprint[REFERRAL_FINGERPRINT_SIZE];
    referral_event_touch_t  first;
    referral_event_touch_t  last;
    referral_str_t          text[REFERRAL_EVENT_TEXTS];
    referral_str_t          product[REFERRAL_EVENT_PRODUCTS];
    referral_str_t          party[REFERRAL_EVENT_PARTIES];
    referral_event_extra_t  extra[REFERRAL_EVENT_EXTRAS];    /* by key */
} referral_event_t;


/*
 * Versioned; nothing is cut.  The bytes written, or REFERRAL_ERROR: "size" is
 * too small (REFERRAL_EVENT_MAX always suffices), or the event is one that
 * could not be read again.
 */
ssize_t referral_event_encode(u_char *out, size_t size,
    const referral_event_t *event);

/*
 * The texts point into "data".  REFERRAL_DECLINED: a newer version wrote it,
 * and only that can read it.  Every byte is distrusted: REFERRAL_ERROR for
 * whatever encode does not write, so one event has one form.
 */
int referral_event_decode(referral_event_t *event, const u_char *data,
    size_t size);

/*
 * Sets the fingerprint: what the sender said, and nothing of how or when it
 * came here.  Left out are trust, "received", touches, visitor, and "at" if
 * it was not given.  Events with one id and one fingerprint are one event.
 */
int referral_event_fingerprint(referral_event_t *event);

/* referral_event_type_e */
unsigned referral_event_type(const referral_str_t *type);

/* the words of the stream's other entries: never an event's type */
int referral_event_type_reserved(const referral_str_t *type);

/* bits REFERRAL_EVENT_NEED_* of a referral_event_type_e */
unsigned referral_event_needs(unsigned type);

/* static text: "signed", "location", "upstream", "browser" */
referral_str_t referral_event_trust(unsigned trust);

/* static text: "none", "bound", "click", "cookie", "code" */
referral_str_t referral_event_via(unsigned via);

/* may this stand in such a text (referral_event_text_e)?  Empty: no */
int referral_event_text_valid(unsigned text, const referral_str_t *s);

/* [!-~]{1,128} */
int referral_event_id_valid(const referral_str_t *s);

/* [a-z0-9_]{1,64}, and UTF-8 without control characters, 0 to 256 bytes */
int referral_event_key_valid(const referral_str_t *s);
int referral_event_value_valid(const referral_str_t *s);

/* a moment that an event may have: not within a day of the calendar's ends */
int referral_event_time_valid(int64_t ms);


#endif /* _REFERRAL_EVENT_H_INCLUDED_ */
