
/*
 * A link, a program or a referrer: compiles the fields of its hash in Redis
 * into one flat entry without pointers, which is used and cached as it is.
 */


#ifndef _REFERRAL_LINK_H_INCLUDED_
#define _REFERRAL_LINK_H_INCLUDED_


#include "referral_code.h"
#include "referral_rules.h"
#include "referral_name.h"
#include "referral_str.h"
#include "referral_time.h"
#include "referral_timezone.h"


#define REFERRAL_ENTRY_MAX     32768


typedef enum {
    REFERRAL_ENTRY_PROGRAM = 1,
    REFERRAL_ENTRY_LINK,
    REFERRAL_ENTRY_REFERRER
} referral_entry_kind_e;


typedef enum {
    REFERRAL_STATE_ACTIVE = 0,
    REFERRAL_STATE_DISABLED,     /* a link; also any invalid state */
    REFERRAL_STATE_PAUSED,       /* a program */
    REFERRAL_STATE_ABSENT        /* there is no such hash */
} referral_state_e;


typedef enum {
    REFERRAL_ATTRIBUTION_UNSET = 0,
    REFERRAL_ATTRIBUTION_LAST,
    REFERRAL_ATTRIBUTION_FIRST
} referral_attribution_e;


/* the fields of an entry that are bytes; templates and rules are compiled */

typedef enum {
    REFERRAL_FIELD_REFERRER = 0,
    REFERRAL_FIELD_NAME,
    REFERRAL_FIELD_SEGMENT,
    REFERRAL_FIELD_CHANNEL,
    REFERRAL_FIELD_LANGUAGES,    /* code of referral_lang_compile() */
    REFERRAL_FIELD_LANDING,
    REFERRAL_FIELD_LANDING_ARGS, /* "off" is empty code that is set */
    REFERRAL_FIELD_FALLBACK,
    REFERRAL_FIELD_RULES,
    REFERRAL_FIELD_TIMEZONE,     /* a name; if there is such a zone, it wins
                                    over utc_offset */
    REFERRAL_FIELD_OFFERS,       /* of all languages, for
                                    referral_entry_offer() */
    REFERRAL_FIELDS
} referral_field_e;


typedef struct {
    uint32_t            size;        /* bytes of the whole entry */
    uint8_t             kind;
    uint8_t             state;
    uint8_t             attribution;
    uint8_t             bad;         /* number of invalid fields and rules */
    int16_t             utc_offset;  /* minutes; INT16_MIN: not set */
    uint16_t            set;         /* a bit for each field that is set */
    uint32_t            window;      /* seconds; 0: not set */
    uint32_t            late;        /* the same */
    referral_date_t     starts;
    referral_date_t     ends;
    uint16_t            off[REFERRAL_FIELDS];   /* from the entry's start */
    uint16_t            len[REFERRAL_FIELDS];
} referral_entry_t;


/*
 * Receives a complaint about a field; "line" is that of a rule, 0 for others.
 * The strings are valid only during the call.
 */

typedef void (*referral_entry_error_pt)(void *data,
    const referral_str_t *field, unsigned line, const char *what);


/*
 * Compiles n strings, names and values by turns as HGETALL replies, and
 * appends the entry to "out", which is aligned to 8.  Unknown fields are
 * skipped.  An invalid field is reported to "error" (or NULL) and replaced by
 * the safe value: an invalid state is disabled (paused for a program), an
 * invalid "starts" is in the future, an invalid "ends" is over, any other is
 * not set.  With n = 0 the entry's state is absent.  REFERRAL_ERROR: the entry
 * does not fit.
 */
int referral_entry_compile(referral_buf_t *out, unsigned kind,
    const referral_str_t *fields, size_t n, referral_entry_error_pt error,
    void *data);

/* checks bytes from shared memory: are they an entry that compiling wrote? */
int referral_entry_valid(const referral_entry_t *entry, size_t size);

/*
 * What a program offers a friend, in the language "lang": of the fields
 * "offer:LANG" the one with this very tag, else the longest tag that matches
 * it as "lang=" in a rule does, else the field "offer".  Empty: it has none.
 * Points into the entry.
 */
referral_str_t referral_entry_offer(const referral_entry_t *program,
    const referral_str_t *lang);


static inline referral_str_t
referral_entry_field(const referral_entry_t *entry, unsigned field)
{
    referral_str_t  s;

    s.len = entry->len[field];
    s.data = (u_char *) entry + entry->off[field];

    return s;
}


static inline int
referral_entry_has(const referral_entry_t *entry, unsigned field)
{
    return (entry->set >> field) & 1;
}


#endif /* _REFERRAL_LINK_H_INCLUDED_ */
