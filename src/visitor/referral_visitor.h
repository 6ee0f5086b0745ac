
/*
 * What a request says about its sender: device, application, and whether it is
 * a person or a machine.  All results are short texts of a fixed set or of a
 * checked grammar, whatever the request contains.
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
    referral_str_t      app;     /* line instagram ...; empty: a browser */
} referral_device_t;


/* which rule recognised a machine */

typedef enum {
    REFERRAL_RULE_NONE = 0,              /* none: it is a person */
    REFERRAL_RULE_EMPTY,                 /* there is no User-Agent */
    REFERRAL_RULE_PREVIEW,               /* a word of class "preview" */
    REFERRAL_RULE_BOT,                   /* a word of class "bot" */
    REFERRAL_RULE_BEGIN,                 /* it starts like no browser and names
                                            no phone or similar */
    REFERRAL_RULE_ENGINE,                /* "compatible;" without an engine, or
                                            neither engine nor system */
    REFERRAL_RULE_TAIL                   /* behind a browser's name is a
                                            product that belongs to no
                                            browser */
} referral_rule_e;


/* what the User-Agent alone says; strings are static */

typedef struct {
    referral_device_t   device;
    referral_class_e    class;           /* HUMAN, BOT or PREVIEW */
    referral_rule_e     rule;
    unsigned            word;            /* number of the word in the list;
                                            0 */
} referral_agent_t;


/*
 * The other things by which persons and machines are told apart.  The data of
 * an absent header is NULL.
 */

typedef struct {
    unsigned            head:1;          /* the method is HEAD */
    unsigned            no_accept:1;     /* no Accept, which every browser
                                            sends */
    referral_str_t      purpose[REFERRAL_PURPOSES];
                                         /* Sec-Purpose, Purpose, X-Purpose,
                                            X-Moz */
    referral_str_t      fetch_mode;      /* Sec-Fetch-Mode */
    referral_str_t      fetch_dest;      /* Sec-Fetch-Dest */
} referral_visitor_headers_t;


/* "human", "bot" and so on, of referral_class_e; static memory */
referral_str_t referral_class_name(unsigned class);

/*
 * The searcher for referral_visitor_agent(): referral_bots_create() with the
 * traits that it looks for.
 */
referral_bots_t *referral_visitor_bots(const referral_str_t *list,
    referral_bots_error_t *error);

/*
 * Linear in the length of "ua", of which REFERRAL_BOTS_UA_MAX bytes are read.
 */
void referral_visitor_agent(referral_agent_t *agent,
    const referral_bots_t *bots, const referral_str_t *ua);

/*
 * Returns HUMAN, BOT, PREVIEW, PREFETCH or HEAD; the other two classes depend
 * on more than headers.
 */
referral_class_e referral_visitor_class(const referral_visitor_headers_t *h,
    const referral_agent_t *agent);

/*
 * The host of a Referer in lower case without "www." and port, [a-z0-9.-]; of
 * an app ("android-app://com.example") its package.  Writes at most
 * REFERRAL_SOURCE_MAX bytes and returns their number; 0: empty, or not a host.
 */
size_t referral_visitor_source(u_char *out, const referral_str_t *referer);


#endif /* _REFERRAL_VISITOR_H_INCLUDED_ */
