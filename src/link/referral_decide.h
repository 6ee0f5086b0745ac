
/*
 * Decides what a click on a short link does: its result and its destination.
 * The click handler and the operators' "link test" both call this, so that
 * they always agree.  It allocates nothing and parses nothing.
 */


#ifndef _REFERRAL_DECIDE_H_INCLUDED_
#define _REFERRAL_DECIDE_H_INCLUDED_


#include "referral_rules.h"
#include "referral_link.h"
#include "referral_result.h"
#include "referral_str.h"


/* who chose the destination, in the order in which they are asked */

typedef enum {
    REFERRAL_FROM_NONE = 0,
    REFERRAL_FROM_LINK_RULE,
    REFERRAL_FROM_LINK_LANDING,
    REFERRAL_FROM_PROGRAM_RULE,
    REFERRAL_FROM_PROGRAM_LANDING,
    REFERRAL_FROM_DEFAULT_LANDING,
    REFERRAL_FROM_PROGRAM_FALLBACK,
    REFERRAL_FROM_DEFAULT_FALLBACK,
    REFERRAL_FROMS
} referral_from_e;


/*
 * The input of a decision.  An entry is NULL if it is not known (Redis cannot
 * be reached and the entry is not cached); one that does not exist in Redis
 * has REFERRAL_STATE_ABSENT.  An absent program is treated as active: whether
 * it may be served is for the caller to decide.  "referrer" may be NULL for
 * both reasons.
 *
 * The three templates and "allow" come from the configuration; empty code
 * means none.  "window", "late", "attribution" and "offset" apply if the
 * program sets none.  "timezone", if there is such a zone, wins over "offset"
 * and applies if the program sets neither.
 */

typedef struct {
    const referral_entry_t      *program;
    const referral_entry_t      *link;
    const referral_entry_t      *referrer;

    referral_str_t               code;        /* of the link, as it was looked
                                                 up */
    referral_str_t               channel;     /* of the request, raw; or
                                                 empty */
    referral_str_t               forward;     /* the visitor's arguments to
                                                 pass on, raw; or empty */

    referral_str_t               landing;     /* template code */
    referral_str_t               args;        /* template code */
    referral_str_t               fallback;    /* template code */

    const referral_str_t        *allow;       /* hosts that a landing may have,
                                                 beside those of templates in
                                                 the configuration */
    unsigned                     nallow;
    unsigned                     any_host:1;  /* all hosts are allowed */

    uint32_t                     window;      /* seconds */
    uint32_t                     late;        /* seconds */
    uint8_t                      attribution;
    int16_t                      offset;      /* minutes east */
    referral_str_t               timezone;    /* a name; or empty */
    const referral_timezones_t  *timezones;   /* of this system; NULL: none */

    referral_rules_trace_pt      trace;       /* or NULL; during a call
                                                 decision->from says whose
                                                 rules are tried */
    void                        *trace_data;
} referral_click_t;


/*
 * Strings point into the entries, the click, static memory or the decision
 * itself, which must not be moved; "host" points into the output of
 * referral_decide_url(), and "timezone" into the "timezones" of the click.
 */

typedef struct {
    uint8_t                     result;      /* referral_result_e */
    uint8_t                     from;        /* referral_from_e */
    uint8_t                     attribution; /* never UNSET */
    unsigned                    landed:1;    /* the destination is a landing,
                                                no fallback */
    unsigned                    cut:1;       /* arguments were left out for
                                                lack of space */
    unsigned                    line;        /* of the rule that matched, from
                                                1; 0: none */
    int16_t                     offset;      /* minutes east, when the click
                                                happened */
    uint32_t                    window;
    uint32_t                    late;
    const referral_timezone_t  *timezone;    /* NULL: "offset" is of no zone */
    referral_str_t              template;    /* code; empty: none */
    referral_str_t              args;        /* code; empty: none */
    referral_str_t              referrer;    /* the code if there is none;
                                                empty only if no link has the
                                                code */
    referral_str_t              name;
    referral_str_t              segment;
    referral_str_t              channel;
    referral_str_t              variant;
    u_char                      channel_data[REFERRAL_CHANNEL_MAX];
    referral_str_t              host;        /* of the destination, in "out" of
                                                referral_decide_url() */
} referral_decision_t;


/*
 * Fills the decision.  The caller has set in "values" PROGRAM, CLICK_ID,
 * COUNTRY, REGION, CITY, LANG (chosen from referral_decide_languages()),
 * DEVICE, OS, APP, external, now and bucket.  This function sets CODE,
 * REFERRER, NAME, SEGMENT, CHANNEL, VARIANT, RESULT, offset and timezone.
 */
void referral_decide(referral_decision_t *decision,
    const referral_click_t *click, referral_values_t *values);

/*
 * Writes the destination to "out", an empty buffer of REFERRAL_LOCATION_MAX
 * bytes, and checks it.  A landing that is no URL or whose host is not allowed
 * is replaced by the fallback; then result, from and landed of the decision
 * and RESULT of the values are changed accordingly.  REFERRAL_DECLINED: there
 * is no destination, "out" is empty.  *err: why a destination was refused, or
 * NULL; static memory.
 */
int referral_decide_url(referral_decision_t *decision,
    const referral_click_t *click, referral_values_t *values,
    referral_buf_t *out, const char **err);

/*
 * The number of the day, since 1970, that "ms" lies in, where the click is
 * counted: also of another time than the click's.
 */
int64_t referral_decide_day(const referral_decision_t *decision, int64_t ms);

/*
 * The languages from which LANG is chosen, as code; empty: the visitor's own.
 */
referral_str_t referral_decide_languages(const referral_entry_t *program);

/* "link rule", "default landing" and so on; empty for NONE; static memory */
referral_str_t referral_from_name(unsigned from);


#endif /* _REFERRAL_DECIDE_H_INCLUDED_ */
