
/*
 * Destinations: URLs taken apart and checked, the hosts that are allowed,
 * arguments added.
 */


#ifndef _REFERRAL_URL_H_INCLUDED_
#define _REFERRAL_URL_H_INCLUDED_


#include "referral_str.h"


#define REFERRAL_URL_MAX       2048    /* a landing, without its arguments */
#define REFERRAL_ARGS_MAX      1024    /* these, as they are written */
#define REFERRAL_LOCATION_MAX  3072    /* both, so that both have room */


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
 * "_", "." (or an IPv6 literal), a port of 1 to 65535.  *err says what is
 * wrong.
 */
int referral_url_parse(referral_url_t *url, const referral_str_t *text,
    const char **err);

/* the length of "http://" or "https://" in front, 0 if it is neither */
size_t referral_url_scheme(const referral_str_t *text);

/* the length of what is before "/", "?" or "#", or the whole */
size_t referral_url_before_path(const u_char *p, size_t len);

/*
 * Patterns: "shop.example.com", "*.example.com" (its subdomains, not itself).
 * Returns 1 or 0.
 */
int referral_host_allowed(const referral_str_t *host,
    const referral_str_t *patterns, size_t n);

/* may this stand in a list of allowed hosts?  1 or 0 */
int referral_host_pattern_valid(const referral_str_t *pattern);

/*
 * Both add arguments ("a=1&b=2", escaped already) to a URL in "out", which
 * lies there whole from out->start, before its fragment.  Left out is an
 * argument whose name the URL had already, compared decoded; one without a
 * name; one with bytes that may not stand in arguments; and one that would
 * make the URL too long, which is no overflow.
 *
 * Ours: without those that have nothing after "=", up to
 * REFERRAL_LOCATION_MAX.  Returns how many had no room.
 */
unsigned referral_url_add_args(referral_buf_t *out,
    const referral_str_t *args);

/*
 * The visitor's, up to REFERRAL_URL_MAX.  Names are compared as the programs
 * that read them may: in PHP "a.b", "a b", " a_b" and "a[b" are "a_b", "a[]"
 * replaces "a"; some take ";" for "&".
 */
void referral_url_forward_args(referral_buf_t *out,
    const referral_str_t *args);


#endif /* _REFERRAL_URL_H_INCLUDED_ */
