
/*
 * Where a click goes: templates, rules and URL checks.
 *
 * Templates and rules are compiled once into code, bytes without pointers
 * that may be copied anywhere (they lie in the shared link cache), and run on
 * the values of one click.  Running trusts the code to be what compiling
 * wrote, but never reads or writes past the ends that it is given.
 */


#ifndef _REFERRAL_LANDING_H_INCLUDED_
#define _REFERRAL_LANDING_H_INCLUDED_


#include "referral_str.h"
#include "referral_time.h"


#define REFERRAL_URL_MAX       2048    /* a Location, whole */
#define REFERRAL_EXTERNAL_MAX  16      /* nginx variables in one template */


/* what a template's {name} may be; the order is that of their names */

typedef enum {
    REFERRAL_VALUE_CODE = 0,
    REFERRAL_VALUE_PROGRAM,
    REFERRAL_VALUE_REFERRER,
    REFERRAL_VALUE_NAME,
    REFERRAL_VALUE_CLICK_ID,
    REFERRAL_VALUE_COUNTRY,
    REFERRAL_VALUE_REGION,
    REFERRAL_VALUE_CITY,
    REFERRAL_VALUE_LANG,
    REFERRAL_VALUE_DEVICE,
    REFERRAL_VALUE_OS,
    REFERRAL_VALUE_APP,
    REFERRAL_VALUE_CHANNEL,
    REFERRAL_VALUE_VARIANT,
    REFERRAL_VALUE_SEGMENT,
    REFERRAL_VALUE_RESULT,
    REFERRAL_VALUES
} referral_value_e;


/*
 * The values of one click.  Strings belong to the caller and are raw: they
 * are escaped where they are put.  "external" are those of the nginx
 * variables in a configured template, by their index; they were parts of URLs
 * already and are escaped as such.
 */

typedef struct {
    referral_str_t   value[REFERRAL_VALUES];
    referral_str_t  *external;
    unsigned         nexternal;
    int64_t          now;        /* ms */
    int              offset;     /* minutes east, for dates without a zone */
    int              bucket;     /* 0 to 99 */
} referral_values_t;


/* one complaint: line counts from 1, "what" lives as long as the program */

typedef void (*referral_landing_error_pt)(void *data, unsigned line,
    const char *what);


/*
 * A template is compiled in pieces, so that the configuration can put an
 * nginx variable between two of them; a template from Redis is one text.
 * Both return REFERRAL_OK or, with *err, REFERRAL_ERROR; a full "out" is an
 * error too.  Text: "{name}", "{name|default}"; a brace that is neither is an
 * error, so are bytes outside of 0x21 to 0x7e.
 */
int referral_template_text(referral_buf_t *out, const referral_str_t *text,
    const char **err);
int referral_template_external(referral_buf_t *out, unsigned index);

/* a bit (1 << referral_value_e) for each value that it names */
uint32_t referral_template_uses(const referral_str_t *code);

/*
 * Is everything up to the path fixed text?  Then *host (into the code) is the
 * literal host; otherwise REFERRAL_DECLINED.
 */
int referral_template_host(const referral_str_t *code, referral_str_t *host);

/* appends to "out"; overflow is told by the buffer */
void referral_template_render(const referral_str_t *code,
    const referral_values_t *values, referral_buf_t *out);


/*
 * Rules: one a line, "#" comments, first match wins.  A bad rule is left out
 * and told to "error".  Returns the number of bad rules, or REFERRAL_ERROR
 * when "out" is full.
 */
int referral_rules_compile(referral_buf_t *out, const referral_str_t *text,
    referral_landing_error_pt error, void *data);


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


/* stable hash of program and visitor (or any bytes) onto 0 to 99 */
int referral_bucket(const referral_str_t *program, const u_char *visitor,
    size_t len);


/* a destination taken apart; all parts point into the text */

typedef struct {
    referral_str_t   scheme;
    referral_str_t   host;       /* no port; brackets kept around IPv6 */
    referral_str_t   port;       /* digits, may be empty */
    referral_str_t   path;       /* "/…" or empty */
    referral_str_t   args;       /* without "?" */
    referral_str_t   fragment;   /* without "#" */
} referral_url_t;


/*
 * An absolute http or https URL of at most REFERRAL_URL_MAX bytes, all of
 * 0x21 to 0x7e, no userinfo, no backslash, a host of letters, digits, "-",
 * "." (or an IPv6 literal), a port of 1 to 65535.  *err says what is wrong.
 */
int referral_url_parse(referral_url_t *url, const referral_str_t *text,
    const char **err);

/* patterns: "shop.example.com", "*.example.com" (its subdomains, not itself) */
int referral_host_allowed(const referral_str_t *host,
    const referral_str_t *patterns, size_t n);

/* may this stand in a list of allowed hosts? */
int referral_host_pattern_valid(const referral_str_t *pattern);

/*
 * Adds arguments ("a=1&b=2", escaped already) to a URL in "out", which lies
 * there whole from out->start, before its fragment.  An argument whose name
 * the URL has already is left out, compared by its raw name; so is an empty
 * one, and one that would make the URL longer than REFERRAL_URL_MAX.
 */
void referral_url_add_args(referral_buf_t *out, const referral_str_t *args);


/*
 * The grammar of a rule's line, for those that have lines like it: words of
 * "key=value[,value…]", and at the end one word that is not.  Calls "pair"
 * for each; returns what pair does when that is not REFERRAL_OK.
 */

typedef struct {
    referral_str_t   key;
    referral_str_t   value;      /* one of the list, without its "!" */
    unsigned         negated:1;
    unsigned         first:1;    /* of its key's list */
} referral_pair_t;


typedef int (*referral_pair_pt)(void *data, const referral_pair_t *pair,
    const char **err);

int referral_pairs_parse(const referral_str_t *line, referral_str_t *rest,
    referral_pair_pt pair, void *data, const char **err);


#endif /* _REFERRAL_LANDING_H_INCLUDED_ */
