
/*
 * Templates of URLs: "https://shop.example.com/{lang|en}/?ref={code}".
 *
 * A template is compiled once into code: bytes without pointers, which may be
 * copied and lie in the shared link cache.  Rendering inserts the values of a
 * click.  It relies on code that compiling wrote, but never reads or writes
 * beyond the given ends.
 */


#ifndef _REFERRAL_TEMPLATE_H_INCLUDED_
#define _REFERRAL_TEMPLATE_H_INCLUDED_


#include "referral_str.h"
#include "referral_timezone.h"
#include "referral_url.h"


#define REFERRAL_EXTERNAL_MAX  16    /* nginx variables in one template */


/* the names that may stand in braces, in alphabetical order */

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
 * The values of one click.  Strings belong to the caller and are raw:
 * rendering escapes them.  "external" are the nginx variables of a configured
 * template by their index; they are parts of URLs already and are escaped as
 * such.
 */

typedef struct {
    referral_str_t              value[REFERRAL_VALUES];
    referral_str_t             *external;
    unsigned                    nexternal;
    int64_t                     now;         /* ms */
    int                         offset;      /* minutes east, for dates without
                                                a time zone */
    const referral_timezone_t  *timezone;    /* wins over the offset; NULL:
                                                none */
    int                         bucket;      /* 0 to 99 */
} referral_values_t;


/*
 * Compile a template piece by piece, so that the configuration can put an
 * nginx variable between two texts; a template from Redis is one text.
 * REFERRAL_ERROR: *err is a static sentence that says what is wrong, or "out"
 * is full.
 *
 * A text holds "{name}" and "{name|default}"; other braces, control characters
 * and invalid UTF-8 are errors.  Blanks and letters outside ASCII are
 * percent-encoded, as browsers do.
 */
int referral_template_text(referral_buf_t *out, const referral_str_t *text,
    const char **err);
int referral_template_external(referral_buf_t *out, unsigned index);

/* a bit, 1 << referral_value_e, for each value that the template uses */
uint32_t referral_template_uses(const referral_str_t *code);

/*
 * If everything before the path is fixed text, *host is the host, which points
 * into the code; otherwise REFERRAL_DECLINED.
 */
int referral_template_host(const referral_str_t *code, referral_str_t *host);

/*
 * Can the template yield a URL?  It must begin with http:// or https://,
 * without backslashes, and without "@" before the path.  If everything before
 * the path is fixed text, the host is checked too.  REFERRAL_ERROR: *err says
 * what is wrong.  The values are checked after rendering.
 */
int referral_template_url(const referral_str_t *code, const char **err);

/*
 * Can the text be arguments, "a=1&b={code}"?  If not REFERRAL_ERROR and *err.
 */
int referral_template_args(const referral_str_t *text, const char **err);

/* appends the result to "out", and sets its "overflow" if it does not fit */
void referral_template_render(const referral_str_t *code,
    const referral_values_t *values, referral_buf_t *out);


#endif /* _REFERRAL_TEMPLATE_H_INCLUDED_ */
