
/*
 * A link, a program or a referrer: from the fields of its Redis hash to one
 * flat entry without pointers, ready to use and to be cached.
 */


#ifndef _REFERRAL_LINK_H_INCLUDED_
#define _REFERRAL_LINK_H_INCLUDED_


#include "referral_code.h"
#include "referral_rules.h"
#include "referral_name.h"
#include "referral_str.h"
#include "referral_time.h"


#define REFERRAL_ENTRY_MAX     32768


typedef enum {
    REFERRAL_ENTRY_PROGRAM = 1,
    REFERRAL_ENTRY_LINK,
    REFERRAL_ENTRY_REFERRER
} referral_entry_kind_e;


typedef enum {
    REFERRAL_STATE_ACTIVE = 0,
    REFERRAL_STATE_DISABLED,     /* a link; also a state that is no state */
    REFERRAL_STATE_PAUSED,       /* a program */
    REFERRAL_STATE_ABSENT        /* no such hash */
} referral_state_e;


typedef enum {
    REFERRAL_ATTRIBUTION_UNSET = 0,
    REFERRAL_ATTRIBUTION_LAST,
    REFERRAL_ATTRIBUTION_FIRST
} referral_attribution_e;


/* what an entry holds as bytes; templates and rules as code */

typedef enum {
    REFERRAL_FIELD_REFERRER = 0,
    REFERRAL_FIELD_NAME,
    REFERRAL_FIELD_SEGMENT,
    REFERRAL_FIELD_CHANNEL,
    REFERRAL_FIELD_LANGUAGES,    /* code of referral_lang_compile() */
    REFERRAL_FIELD_LANDING,
    REFERRAL_FIELD_LANDING_ARGS, /* "off" is code of no bytes, and "set" */
    REFERRAL_FIELD_FALLBACK,
    REFERRAL_FIELD_RULES,
    REFERRAL_FIELDS
} referral_field_e;


typedef struct {
    uint32_t            size;        /* of the whole entry, bytes */
    uint8_t             kind;
    uint8_t             state;
    uint8_t             attribution;
    uint8_t             bad;         /* fields and rules that were wrong */
    int16_t             utc_offset;  /* minutes; INT16_MIN if not said */
    uint16_t            set;         /* a bit for each field that is there */
    uint32_t            window;      /* seconds, 0 if not said */
    uint32_t            late;        /* the same */
    referral_date_t     starts;
    referral_date_t     ends;
    uint16_t            off[REFERRAL_FIELDS];   /* from the entry's start */
    uint16_t            len[REFERRAL_FIELDS];
} referral_entry_t;


/*
 * One complaint about a field; line is that of a rule, else 0; both strings
 * live only during the call.
 */

typedef void (*referral_entry_error_pt)(void *data,
    const referral_str_t *field, unsigned line, const char *what);


/*
 * Writes an entry to "out" (aligned to 8) from n names and values that
 * alternate, as HGETALL answers.  Unknown fields are not ours and are passed
 * over.  A field that is wrong is told to "error" (may be NULL) and replaced
 * by the safe choice: a wrong state is disabled (paused for a program), a
 * wrong "starts" has not come, a wrong "ends" is over, anything else is as if
 * it were not there.  n = 0 gives an entry whose state is absent.
 * REFERRAL_ERROR: the entry would not fit.
 */
int referral_entry_compile(referral_buf_t *out, unsigned kind,
    const referral_str_t *fields, size_t n, referral_entry_error_pt error,
    void *data);

/* is this what compiling wrote?  for bytes that lay in shared memory */
int referral_entry_valid(const referral_entry_t *entry, size_t size);


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
