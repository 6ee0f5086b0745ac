#include "referral_code.h"


/* what a character means for the code */

typedef enum {
    REFERRAL_CODE_OTHER = 0,    /* may belong to it, so there is no code */
    REFERRAL_CODE_CODE,         /* belongs to it */
    REFERRAL_CODE_DASH,         /* belongs to it if a character of the code
                                   follows */
    REFERRAL_CODE_UNSEEN,       /* is skipped */
    REFERRAL_CODE_BLANK,        /* is skipped in front, ends it behind */
    REFERRAL_CODE_GLUE,         /* ends it */
    REFERRAL_CODE_ASK,          /* ends it, depending on what follows */
    REFERRAL_CODE_END           /* the end of the text */
} referral_code_class_e;


typedef struct {
    uint32_t        first;
    uint32_t        last;
    unsigned char   class;
    u_char          value;      /* the ASCII character of the first one */
} referral_code_range_t;


static unsigned referral_code_next(referral_str_t *rest, u_char *value);
static unsigned referral_code_foreign(referral_str_t *rest, u_char first,
    u_char *value);
static int referral_code_byte(referral_str_t *rest);
static u_char referral_code_value(const referral_code_range_t *range,
    uint32_t c);
static int referral_code_ends(u_char c, referral_str_t rest);
static int referral_code_entity(int c, referral_str_t rest);
static int referral_code_image(referral_str_t rest);
static int referral_code_hex(int c);


#include "referral_code_table.h"


static const u_char  referral_code_ascii[128] = {
    [0 ... ' '] = REFERRAL_CODE_BLANK,
    ['!' ... '$'] = REFERRAL_CODE_GLUE,
    ['%' ... '&'] = REFERRAL_CODE_ASK,
    ['\'' ... '*'] = REFERRAL_CODE_GLUE,
    ['+'] = REFERRAL_CODE_OTHER,
    [','] = REFERRAL_CODE_GLUE,
    ['-'] = REFERRAL_CODE_CODE,
    ['.' ... '/'] = REFERRAL_CODE_ASK,
    ['0' ... '9'] = REFERRAL_CODE_CODE,
    [':' ... '<'] = REFERRAL_CODE_GLUE,
    ['='] = REFERRAL_CODE_ASK,
    ['>' ... '@'] = REFERRAL_CODE_GLUE,
    ['A' ... 'Z'] = REFERRAL_CODE_CODE,
    ['['] = REFERRAL_CODE_GLUE,
    ['\\'] = REFERRAL_CODE_ASK,
    [']' ... '^'] = REFERRAL_CODE_GLUE,
    ['_'] = REFERRAL_CODE_CODE,
    ['`'] = REFERRAL_CODE_GLUE,
    ['a' ... 'z'] = REFERRAL_CODE_CODE,
    ['{' ... '~'] = REFERRAL_CODE_GLUE,
    [0x7f] = REFERRAL_CODE_BLANK
};


int
referral_code_valid(const referral_str_t *s)
{
    size_t  i;
    u_char  c;

    if (s->len == 0 || s->len > REFERRAL_CODE_MAX) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (c > 0x7f || referral_code_ascii[c] != REFERRAL_CODE_CODE) {
            return 0;
        }
    }

    return 1;
}


int
referral_code_find(const referral_str_t *raw, referral_str_t *code,
    u_char *buf)
{
    size_t          n;
    u_char          value;
    unsigned        class;
    referral_str_t  rest;

    *code = *raw;

    if (referral_code_valid(code)) {
        return REFERRAL_OK;
    }

    code->data = buf;
    code->len = 0;

    rest = *raw;
    n = 0;

    for ( ;; ) {
        class = referral_code_next(&rest, &value);

        if (class == REFERRAL_CODE_UNSEEN
            || (class == REFERRAL_CODE_BLANK && n == 0))
        {
            continue;
        }

        if (class != REFERRAL_CODE_CODE && class != REFERRAL_CODE_DASH) {
            break;
        }

        if (n < REFERRAL_CODE_MAX) {
            buf[n++] = value;

        } else if (class == REFERRAL_CODE_CODE) {
            return REFERRAL_DECLINED;
        }

        /* a dash belongs to the code only if more of the code follows */

        if (class == REFERRAL_CODE_CODE) {
            code->len = n;
        }
    }

    if (class == REFERRAL_CODE_OTHER
        || (class == REFERRAL_CODE_ASK && !referral_code_ends(value, rest)))
    {
        return REFERRAL_DECLINED;
    }

    return referral_code_valid(code) ? REFERRAL_OK : REFERRAL_DECLINED;
}


/*
 * Takes a character from "rest" and returns its class; *value is the character
 * of ASCII that it stands for.
 */

static unsigned
referral_code_next(referral_str_t *rest, u_char *value)
{
    int  c;

    c = referral_code_byte(rest);

    if (c == REFERRAL_ERROR) {
        *value = 0;
        return REFERRAL_CODE_END;
    }

    if (c > 0x7f) {
        return referral_code_foreign(rest, (u_char) c, value);
    }

    *value = (u_char) c;

    return referral_code_ascii[c];
}


static unsigned
referral_code_foreign(referral_str_t *rest, u_char first, u_char *value)
{
    int                           c;
    u_char                        data[4];
    size_t                        n, low, high, middle;
    int32_t                       code;
    referral_str_t                s;
    const referral_code_range_t  *range;

    *value = 0;

    data[0] = first;
    s.data = data;

    for (n = 1; n < referral_utf8_length(first); n++) {
        c = referral_code_byte(rest);

        if (c == REFERRAL_ERROR) {
            return REFERRAL_CODE_OTHER;
        }

        data[n] = (u_char) c;
    }

    s.len = n;
    code = referral_utf8_next(&s);

    if (code == REFERRAL_ERROR) {
        return REFERRAL_CODE_OTHER;
    }

    low = 0;
    high = sizeof(referral_code_ranges) / sizeof(referral_code_ranges[0]);

    while (low < high) {
        middle = (low + high) / 2;
        range = &referral_code_ranges[middle];

        if ((uint32_t) code > range->last) {
            low = middle + 1;

        } else if ((uint32_t) code < range->first) {
            high = middle;

        } else {
            *value = referral_code_value(range, code);
            return range->class;
        }
    }

    return REFERRAL_CODE_OTHER;
}


/*
 * Takes a byte; one that was percent-encoded more than once is decoded to the
 * end.
 */

static int
referral_code_byte(referral_str_t *rest)
{
    u_char          c;
    referral_str_t  hex;

    if (rest->len == 0) {
        return REFERRAL_ERROR;
    }

    c = *rest->data++;
    rest->len--;

    while (c == '%' && rest->len >= 2) {
        hex.data = rest->data;
        hex.len = 2;

        if (referral_hex_decode(&c, 1, &hex) == REFERRAL_ERROR) {
            break;
        }

        rest->data += 2;
        rest->len -= 2;
    }

    return c;
}


/*
 * A range of letters continues from "Z" to "a", a range of digits from "9" to
 * "0".
 */

static u_char
referral_code_value(const referral_code_range_t *range, uint32_t c)
{
    unsigned  n;

    if (range->class != REFERRAL_CODE_CODE) {
        return range->value;
    }

    n = c - range->first;

    if (range->value <= '9') {
        return '0' + (range->value - '0' + n) % 10;
    }

    n += range->value >= 'a' ? range->value - 'a' + 26 : range->value - 'A';
    n %= 52;

    return n < 26 ? 'A' + n : 'a' + n - 26;
}


/* does the code end before "c", which "rest" follows? */

static int
referral_code_ends(u_char c, referral_str_t rest)
{
    int       next;
    u_char    value;
    unsigned  class;

    if (c == '/') {

        do {
            class = referral_code_next(&rest, &value);
        } while (class == REFERRAL_CODE_UNSEEN);

        if (class != REFERRAL_CODE_ASK) {
            return class >= REFERRAL_CODE_BLANK;
        }

        if (value == '/') {
            return 0;
        }

        c = value;
    }

    if (c == '.') {
        return !referral_code_image(rest);
    }

    /*
     * Broken encodings of a letter, such as "%u00e9", "\\u00e9", "=C3",
     * "&#233;" and "&eacute;", could belong to a longer code.
     */

    next = referral_code_byte(&rest);

    switch (c) {

    case '%':
        return !referral_code_hex(next) && (next | 0x20) != 'u';

    case '\\':
        return (next | 0x20) != 'u' && (next | 0x20) != 'x';

    case '=':
        return next < 'C' || next > 'F'
               || !referral_code_hex(referral_code_byte(&rest));

    default: /* '&' */
        return next == REFERRAL_ERROR
               || (next != '#' && !referral_code_entity(next, rest));
    }
}


/*
 * Does an HTML entity follow that may stand for a letter, as "&eacute;" does?
 * "c" is the first character of its name.  Those in "glue" are blanks and
 * punctuation, which end the code; the first four of them do so only at the
 * end of the text.
 */

static int
referral_code_entity(int c, referral_str_t rest)
{
    size_t    n;
    u_char    name[8];
    unsigned  i;

    static const char *const  glue[] = {
        "shy", "zwj", "zwnj", "ndash", "amp", "apos", "bull", "copy", "deg",
        "emsp", "ensp", "gt", "hellip", "laquo", "ldquo", "lrm", "lsquo", "lt",
        "mdash", "nbsp", "quot", "raquo", "rdquo", "reg", "rlm", "rsquo",
        "thinsp", "trade", NULL
    };

    for (n = 0; n < 32 && c != ';'; n++) {

        if (c > 0x7f || referral_code_ascii[c] != REFERRAL_CODE_CODE) {
            return 0;
        }

        if (n < sizeof(name)) {
            name[n] = c | 0x20;
        }

        c = referral_code_byte(&rest);

        if (c == REFERRAL_ERROR) {
            return 0;
        }
    }

    if (c != ';') {
        return 0;
    }

    for (i = 0; glue[i]; i++) {
        if (n == strlen(glue[i]) && memcmp(name, glue[i], n) == 0) {
            return i < 4 && rest.len;
        }
    }

    return n != 0;
}


/* is "rest" an image's file extension and nothing more? */

static int
referral_code_image(referral_str_t rest)
{
    size_t    i;
    u_char    value, name[3];
    unsigned  class;

    for (i = 0; i < sizeof(name); i++) {

        if (referral_code_next(&rest, &value) != REFERRAL_CODE_CODE) {
            return 0;
        }

        name[i] = value | 0x20;
    }

    class = referral_code_next(&rest, &value);

    return class != REFERRAL_CODE_CODE
           && (memcmp(name, "svg", 3) == 0 || memcmp(name, "png", 3) == 0);
}


static int
referral_code_hex(int c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}
