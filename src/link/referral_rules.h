
/*
 * Where a click goes: rules, which are conditions and a template.  They are
 * compiled and run as templates are.
 */


#ifndef _REFERRAL_RULES_H_INCLUDED_
#define _REFERRAL_RULES_H_INCLUDED_


#include "referral_conditions.h"
#include "referral_str.h"
#include "referral_template.h"
#include "referral_time.h"
#include "referral_url.h"


/* one complaint: line counts from 1, "what" lives as long as the program */

typedef void (*referral_rules_error_pt)(void *data, unsigned line,
    const char *what);


/*
 * Rules: one a line, "#" comments, first match wins.  A bad rule is left out
 * and told to "error".  Returns the number of bad rules, or REFERRAL_ERROR
 * when "out" is full.
 */
int referral_rules_compile(referral_buf_t *out, const referral_str_t *text,
    referral_rules_error_pt error, void *data);


typedef struct {
    referral_str_t   landing;    /* template code, into the rules' code */
    referral_str_t   variant;    /* of "as=", empty if none */
    unsigned         line;
} referral_rule_t;


/* told of each rule that did not match, with its first failed condition */

typedef void (*referral_rules_trace_pt)(void *data, unsigned line,
    const char *condition);


/* REFERRAL_OK, or REFERRAL_DECLINED when no rule matches; trace may be NULL */
int referral_rules_match(const referral_str_t *code,
    const referral_values_t *values, referral_rule_t *rule,
    referral_rules_trace_pt trace, void *data);


/* tells of each country that rules name, or whose region: two letters */

typedef void (*referral_rules_country_pt)(void *data, unsigned line,
    const u_char *code);

void referral_rules_countries(const referral_str_t *code,
    referral_rules_country_pt country, void *data);


/* stable hash of program and visitor (or any bytes) onto 0 to 99 */
int referral_bucket(const referral_str_t *program, const u_char *visitor,
    size_t len);


#endif /* _REFERRAL_RULES_H_INCLUDED_ */
