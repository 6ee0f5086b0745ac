
/*
 * Templates of URLs: "https://shop.example.com/{lang|en}/?ref={code}".
 *
 * A template is compiled once into code, bytes without pointers that may be
 * copied anywhere (they lie in the shared link cache), and rendered with the
 * values of one click.  Rendering trusts the code to be what compiling wrote,
 * but never reads or writes past the ends that it is given.
 */


#ifndef _REFERRAL_TEMPLATE_H_INCLUDED_
#define _REFERRAL_TEMPLATE_H_INCLUDED_


#include "referral_str.h"
#include "referral_url.h"


#define REFERRAL_EXTERNAL_MAX  16    /* nginx variables in one template */


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


/*
 * A template is compiled in pieces, so that the configuration can put an
 * nginx variable between two of them; a template from Redis is one text.
 * Both return REFERRAL_OK or, with *err, REFERRAL_ERROR; a full "out" is an
 * error too.  Text: "{name}", "{name|default}"; a brace that is neither is an
 * error, so is a control character, and what is no UTF-8.  Blanks and letters
 * outside ASCII are percent-encoded, as browsers do.
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

/*
 * Can this be a whole URL?  It must start with http:// or https://, have no
 * backslash, and no "@" before its path; where everything up to the path is
 * fixed text, the host is checked as well.  Otherwise REFERRAL_ERROR and
 * *err.  What the values add is checked when they are there.
 */
int referral_template_url(const referral_str_t *code, const char **err);

/* can this be arguments, "a=1&b={code}"?  Otherwise REFERRAL_ERROR and *err */
int referral_template_args(const referral_str_t *text, const char **err);

/* appends to "out"; overflow is told by the buffer */
void referral_template_render(const referral_str_t *code,
    const referral_values_t *values, referral_buf_t *out);


#endif /* _REFERRAL_TEMPLATE_H_INCLUDED_ */
