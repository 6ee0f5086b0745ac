
/*
 * Destinations: parsing and checking of URLs, the list of allowed hosts, and
 * adding arguments.
 */


#ifndef _REFERRAL_URL_H_INCLUDED_
#define _REFERRAL_URL_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_URL_MAX       2048    /* a landing, without added arguments */
#define REFERRAL_ARGS_MAX      1024    /* the arguments, as written */
#define REFERRAL_LOCATION_MAX  3072    /* a landing with its arguments */


/* a parsed destination; all parts point into its text */

typedef struct {
    referral_str_t   scheme;
    referral_str_t   host;       /* no port; IPv6 with its brackets */
    referral_str_t   port;       /* digits, or empty */
    referral_str_t   path;       /* begins with "/", or is empty */
    referral_str_t   args;       /* without "?" */
    referral_str_t   fragment;   /* without "#" */
} referral_url_t;


/*
 * Accepts an absolute http or https URL of at most REFERRAL_URL_MAX bytes of
 * 0x21 to 0x7e, without userinfo and backslashes, with a host of letters,
 * digits, "-", "_" and "." (or an IPv6 literal) and a port of 1 to 65535, if
 * any.  REFERRAL_ERROR: *err is a static sentence that says what is wrong.
 */
int referral_url_parse(referral_url_t *url, const referral_str_t *text,
    const char **err);

/* the length of "http://" or "https://" at the start, 0 if there is neither */
size_t referral_url_scheme(const referral_str_t *text);

/* how many bytes come before the first "/", "?" or "#" */
size_t referral_url_before_path(const u_char *p, size_t len);

/*
 * Does one of the patterns match?  "shop.example.com" matches itself,
 * "*.example.com" its subdomains only.
 */
int referral_host_allowed(const referral_str_t *host,
    const referral_str_t *patterns, size_t n);

/* is it a host or a pattern as referral_host_allowed() takes it? */
int referral_host_pattern_valid(const referral_str_t *pattern);

/*
 * Both functions add arguments ("a=1&b=2", already escaped) to the URL that
 * "out" holds from out->start on, before its fragment.  Left out are arguments
 * without a name, with bytes that may not stand in arguments, those whose name
 * the URL already has (compared decoded), and those that would make the URL
 * too long, which does not set "overflow".
 *
 * This one adds the operator's arguments, up to REFERRAL_LOCATION_MAX; those
 * with an empty value are left out.  Returns how many did not fit.
 */
unsigned referral_url_add_args(referral_buf_t *out,
    const referral_str_t *args);

/*
 * Adds the visitor's arguments, up to REFERRAL_URL_MAX.  Names are compared as
 * the landing's program may read them: PHP takes "a.b", "a b", " a_b" and
 * "a[b" for "a_b", and "a[]" replaces "a"; some programs take ";" for "&".
 */
void referral_url_forward_args(referral_buf_t *out,
    const referral_str_t *args);


#endif /* _REFERRAL_URL_H_INCLUDED_ */
