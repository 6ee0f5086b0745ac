
/*
 * Rules for the destination of a click: conditions and a template.  They are
 * compiled into code and evaluated as templates are.
 */


#ifndef _REFERRAL_RULES_H_INCLUDED_
#define _REFERRAL_RULES_H_INCLUDED_


#include "referral_conditions.h"
#include "referral_str.h"
#include "referral_template.h"
#include "referral_time.h"
#include "referral_url.h"


/* receives a complaint; lines count from 1, "what" is static */

typedef void (*referral_rules_error_pt)(void *data, unsigned line,
    const char *what);


/*
 * Compiles rules, one on each line, "#" comments; the first match wins.  An
 * invalid rule is left out and reported to "error".  Returns the number of
 * invalid rules, or REFERRAL_ERROR if "out" is full.
 */
int referral_rules_compile(referral_buf_t *out, const referral_str_t *text,
    referral_rules_error_pt error, void *data);


typedef struct {
    referral_str_t   landing;    /* template code, points into the rules'
                                    code */
    referral_str_t   variant;    /* of "as=", empty: none */
    unsigned         line;
} referral_rule_t;


/*
 * Receives each rule that did not match, with its first condition that failed.
 */

typedef void (*referral_rules_trace_pt)(void *data, unsigned line,
    const char *condition);


/*
 * REFERRAL_OK: a rule matched; REFERRAL_DECLINED: none did.  "trace" may be
 * NULL.
 */
int referral_rules_match(const referral_str_t *code,
    const referral_values_t *values, referral_rule_t *rule,
    referral_rules_trace_pt trace, void *data);


/*
 * Reports the countries, and the countries of regions, that rules name: two
 * letters.
 */

typedef void (*referral_rules_country_pt)(void *data, unsigned line,
    const u_char *code);

void referral_rules_countries(const referral_str_t *code,
    referral_rules_country_pt country, void *data);


/*
 * A number from 0 to 99 for a visitor (or any bytes) of a program; it never
 * changes.
 */
int referral_bucket(const referral_str_t *program, const u_char *visitor,
    size_t len);


#endif /* _REFERRAL_RULES_H_INCLUDED_ */
