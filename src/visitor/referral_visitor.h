
/*
 * What a request says about who sends it: device, application, and whether it
 * is a person or a machine.  All results are short texts of a
 * fixed set or of a checked grammar, whatever the request holds.
 */


#ifndef _REFERRAL_VISITOR_H_INCLUDED_
#define _REFERRAL_VISITOR_H_INCLUDED_


#include "referral_bots.h"


#define REFERRAL_SOURCE_MAX  64
#define REFERRAL_PURPOSES    4


typedef enum {
    REFERRAL_CLASS_HUMAN = 0,
    REFERRAL_CLASS_DUPLICATE,
    REFERRAL_CLASS_BOT,
    REFERRAL_CLASS_PREVIEW,
    REFERRAL_CLASS_PREFETCH,
    REFERRAL_CLASS_HEAD,
    REFERRAL_CLASS_EXCLUDED,
    REFERRAL_CLASSES
} referral_class_e;


typedef struct {
    referral_str_t      device;  /* mobile tablet desktop tv console other */
    referral_str_t      os;      /* ios android windows macos linux chromeos
                                    other */
    referral_str_t      app;     /* line instagram …; empty in a browser */
} referral_device_t;


/* why a User-Agent is a machine's */

typedef enum {
    REFERRAL_RULE_NONE = 0,              /* nothing says so: a person */
    REFERRAL_RULE_EMPTY,                 /* there is none */
    REFERRAL_RULE_PREVIEW,               /* a word of the list */
    REFERRAL_RULE_BOT,                   /* a word of the list */
    REFERRAL_RULE_BEGIN,                 /* it does not begin like a browser,
                                            and names no phone or the like */
    REFERRAL_RULE_ENGINE,                /* "compatible;" and no engine, or
                                            neither engine nor system */
    REFERRAL_RULE_TAIL                   /* behind a browser's name stands one
                                            that is of no browser */
} referral_rule_e;


/* what a User-Agent alone tells; strings are static */

typedef struct {
    referral_device_t   device;
    referral_class_e    class;           /* HUMAN, BOT or PREVIEW */
    referral_rule_e     rule;
    unsigned            word;            /* of the list, by its number; 0 */
} referral_agent_t;


/* what else tells a person from a machine; an absent header has data NULL */

typedef struct {
    unsigned            head:1;          /* the method */
    unsigned            no_accept:1;     /* every browser sends one */
    referral_str_t      purpose[REFERRAL_PURPOSES];
                                         /* Sec-Purpose, Purpose, X-Purpose,
                                            X-Moz */
    referral_str_t      fetch_mode;      /* Sec-Fetch-Mode */
    referral_str_t      fetch_dest;      /* Sec-Fetch-Dest */
} referral_visitor_headers_t;


/* static text: "human", "bot"… */
referral_str_t referral_class_name(unsigned class);

/* "list" NULL: the one that is built in; as referral_bots_create() */
referral_bots_t *referral_visitor_bots(const referral_str_t *list,
    referral_bots_error_t *error);

/* linear in the length of "ua", of which REFERRAL_BOTS_UA_MAX are looked at */
void referral_visitor_agent(referral_agent_t *agent,
    const referral_bots_t *bots, const referral_str_t *ua);

/* HUMAN, BOT, PREVIEW, PREFETCH or HEAD; the other two need more than this */
referral_class_e referral_visitor_class(const referral_visitor_headers_t *h,
    const referral_agent_t *agent);

/*
 * The host of a Referer, lower case, without "www." and port, [a-z0-9.-];
 * an app's ("android-app://com.example") is its package.  Writes at most
 * REFERRAL_SOURCE_MAX bytes, returns their number; 0: none, or not a host.
 */
size_t referral_visitor_source(u_char *out, const referral_str_t *referer);


#endif /* _REFERRAL_VISITOR_H_INCLUDED_ */
