
/*
 * What happens to a click on a short link: its result and its destination.
 * The click handler and the operators' "link test" both ask here, so that
 * both always say the same.  No allocation, no parsing.
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
 * What is known of the click.  An entry that is NULL is not known now (Redis
 * is away and it is not cached); one that does not exist is an entry whose
 * state is REFERRAL_STATE_ABSENT.  A program that does not exist is active;
 * whether it may be served at all is the caller's business.  A referrer may
 * be either.  The three templates and "allow" are what the configuration
 * says; code of no bytes: none.  "window", "late", "attribution" and "offset"
 * hold where the program does not say.
 */

typedef struct {
    const referral_entry_t   *program;
    const referral_entry_t   *link;
    const referral_entry_t   *referrer;

    referral_str_t            code;        /* of the link, as looked up */
    referral_str_t            channel;     /* with the request, raw; or
                                              empty */
    referral_str_t            forward;     /* the visitor's own query, raw,
                                              to go along; or empty */

    referral_str_t            landing;     /* template code */
    referral_str_t            args;        /* template code */
    referral_str_t            fallback;    /* template code */

    const referral_str_t     *allow;       /* hosts that a landing may have */
    unsigned                  nallow;
    unsigned                  any_host:1;  /* hosts are not checked */

    uint32_t                  window;      /* seconds */
    uint32_t                  late;        /* seconds */
    uint8_t                   attribution;
    int16_t                   offset;      /* minutes east */

    referral_rules_trace_pt   trace;       /* or NULL; meanwhile "from" of
                                              the decision says whose rules */
    void                     *trace_data;
} referral_click_t;


/*
 * Strings point into the entries, the click, static memory or the decision
 * itself, which must stay where it is; host does not.
 */

typedef struct {
    uint8_t                   result;      /* referral_result_e */
    uint8_t                   from;        /* referral_from_e */
    uint8_t                   attribution; /* never UNSET */
    unsigned                  landed:1;    /* to a landing, not a fallback */
    unsigned                  cut:1;       /* some arguments had no room */
    unsigned                  line;        /* of the rule that matched */
    int16_t                   offset;
    uint32_t                  window;
    uint32_t                  late;
    referral_str_t            template;    /* code; empty: none */
    referral_str_t            args;        /* code; empty: none */
    referral_str_t            referrer;    /* else the code; empty only if
                                              no link has it */
    referral_str_t            name;
    referral_str_t            segment;
    referral_str_t            channel;
    referral_str_t            variant;
    u_char                    channel_data[REFERRAL_CHANNEL_MAX];
    referral_str_t            host;        /* of the destination, in "out" of
                                              referral_decide_url() */
} referral_decision_t;


/*
 * Fills the decision.  Of "values" the caller has filled PROGRAM, CLICK_ID,
 * COUNTRY, REGION, CITY, LANG (see referral_decide_languages()), DEVICE, OS,
 * APP, external, now and bucket; filled here are CODE, REFERRER, NAME,
 * SEGMENT, CHANNEL, VARIANT, RESULT and offset.
 */
void referral_decide(referral_decision_t *decision,
    const referral_click_t *click, referral_values_t *values);

/*
 * Writes the destination to "out", empty and of REFERRAL_LOCATION_MAX bytes,
 * and checks it.  A landing that is no URL or whose host is not allowed is
 * replaced by the fallback, with result, from and landed of the decision (and
 * RESULT of the values) changed to match.  REFERRAL_DECLINED: nothing to
 * write, "out" is empty: the caller's own answer.  *err: why a destination
 * was refused, NULL if none was.
 */
int referral_decide_url(referral_decision_t *decision,
    const referral_click_t *click, referral_values_t *values,
    referral_buf_t *out, const char **err);

/* the languages to choose LANG of, as code; empty: the visitor's own */
referral_str_t referral_decide_languages(const referral_entry_t *program);

/* static text: "link rule", "default landing"…; empty for NONE */
referral_str_t referral_from_name(unsigned from);


#endif /* _REFERRAL_DECIDE_H_INCLUDED_ */
