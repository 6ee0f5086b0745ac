
/*
 * The terms on which facts are decided: what a fact "rules" says of the
 * program's zone, of how late an event may come and of how long a binding
 * holds.  They hold from that fact on; what stands before the first one is
 * decided by the first.
 */


#ifndef _REFERRAL_TERMS_H_INCLUDED_
#define _REFERRAL_TERMS_H_INCLUDED_


#include "referral_fact.h"
#include "referral_moment.h"


#define REFERRAL_TERMS_CHANGES   256
#define REFERRAL_TERMS_LATE      (60 * 86400)      /* seconds, if not said */
#define REFERRAL_TERMS_LATE_MAX  (400 * 86400)


typedef struct {
    int64_t                  ms;
    int                      minutes;      /* east of UTC, from then on */
} referral_terms_change_t;


typedef struct {
    uint64_t                 version;
    int64_t                  window;       /* s: of a touch, and of a binding
                                              that lapses */
    int64_t                  late;         /* s */
    unsigned                 lapses:1;     /* bind=window */
    unsigned                 nchanges;
    referral_terms_change_t  changes[REFERRAL_TERMS_CHANGES];
} referral_terms_t;


/* of a fact "rules"; REFERRAL_ERROR: malformed, *why is a static text */
int referral_terms_parse(referral_terms_t *terms, const referral_fact_t *fact,
    const char **why);

/* what a clock in the program's zone shows */
referral_moment_t referral_terms_moment(const referral_terms_t *terms,
    int64_t ms);


#endif /* _REFERRAL_TERMS_H_INCLUDED_ */
