
#include "referral_dump.h"


static int referral_dump_blank(referral_str_t *s);
static int referral_dump_take(referral_str_t *s, u_char c);
static int referral_dump_string(referral_str_t *s, referral_str_t *text);
static int referral_dump_unicode(referral_str_t *s, referral_buf_t *out);
static int32_t referral_dump_hex(const u_char *p);
static void referral_dump_utf8(referral_buf_t *out, uint32_t c);


void
referral_dump_put(referral_buf_t *out, const referral_str_t *id,
    const referral_str_t *pair, size_t n)
{
    size_t  i;

    referral_buf_putc(out, '[');
    referral_dump_text(out, id);
    referral_buf_puts(out, ",[");

    for (i = 0; i < n; i++) {

        if (i) {
            referral_buf_putc(out, ',');
        }

        referral_dump_text(out, &pair[i]);
    }

    referral_buf_puts(out, "]]\n");
}


void
referral_dump_text(referral_buf_t *out, const referral_str_t *s)
{
    u_char  c;
    size_t  i;

    referral_buf_putc(out, '"');

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (c == '"' || c == '\\') {
            referral_buf_putc(out, '\\');
            referral_buf_putc(out, c);

        } else if (c < ' ') {
            referral_buf_puts(out, "\\u00");
            referral_buf_hex(out, &c, 1);

        } else {
            referral_buf_putc(out, c);
        }
    }

    referral_buf_putc(out, '"');
}


ssize_t
referral_dump_parse(referral_str_t *line, referral_str_t *id,
    referral_str_t *pair, size_t max)
{
    int             object;
    size_t          n;
    referral_str_t  name;

    object = referral_dump_take(line, '{');

    if (object) {
        if (!referral_dump_string(line, &name) || !referral_str_is(&name, "id")
            || !referral_dump_take(line, ':')
            || !referral_dump_string(line, id))
        {
            return REFERRAL_ERROR;
        }

    } else if (!referral_dump_take(line, '[')
               || !referral_dump_string(line, id)
               || !referral_dump_take(line, ',')
               || !referral_dump_take(line, '['))
    {
        return REFERRAL_ERROR;
    }

    for (n = 0; n < max; n++) {

        if ((n || object)
            && !referral_dump_take(line, object && n % 2 ? ':' : ','))
        {
            break;
        }

        if (!referral_dump_string(line, &pair[n])) {

            if (n || object) {
                return REFERRAL_ERROR;
            }

            break;
        }
    }

    if (object ? n % 2 || !referral_dump_take(line, '}')
               : !referral_dump_take(line, ']')
                 || !referral_dump_take(line, ']'))
    {
        return REFERRAL_ERROR;
    }

    return referral_dump_blank(line) ? REFERRAL_ERROR : (ssize_t) n;
}


/* past the spaces; is there more? */

static int
referral_dump_blank(referral_str_t *s)
{
    while (s->len && (s->data[0] == ' ' || s->data[0] == '\t'
                      || s->data[0] == '\r' || s->data[0] == '\n'))
    {
        s->data++;
        s->len--;
    }

    return s->len != 0;
}


static int
referral_dump_take(referral_str_t *s, u_char c)
{
    if (!referral_dump_blank(s) || s->data[0] != c) {
        return 0;
    }

    s->data++;
    s->len--;

    return 1;
}


/* what stands for a character is never shorter than it: it is done in place */

static int
referral_dump_string(referral_str_t *s, referral_str_t *text)
{
    u_char          c;
    referral_buf_t  out;

    if (!referral_dump_take(s, '"')) {
        return 0;
    }

    referral_buf_init(&out, s->data, s->len);

    while (s->len) {
        c = s->data[0];

        s->data++;
        s->len--;

        if (c == '"') {
            text->data = out.start;
            text->len = out.pos - out.start;
            return 1;
        }

        if (c < ' ') {
            return 0;
        }

        if (c != '\\') {
            *out.pos++ = c;
            continue;
        }

        if (!referral_dump_unicode(s, &out)) {
            return 0;
        }
    }

    return 0;
}


/* what comes after a backslash */

static int
referral_dump_unicode(referral_str_t *s, referral_buf_t *out)
{
    u_char       c;
    int32_t      high, low;
    const char  *p;

    static const char  escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";

    if (s->len == 0) {
        return 0;
    }

    c = s->data[0];
    s->data++;
    s->len--;

    if (c != 'u') {

        for (p = escapes; *p; p += 2) {
            if (*p == (char) c) {
                *out->pos++ = p[1];
                return 1;
            }
        }

        return 0;
    }

    high = s->len < 4 ? REFERRAL_ERROR : referral_dump_hex(s->data);

    if (high < 0 || (high >= 0xdc00 && high <= 0xdfff)) {
        return 0;
    }

    s->data += 4;
    s->len -= 4;

    if (high >= 0xd800 && high <= 0xdbff) {
        low = s->len < 6 || s->data[0] != '\\' || s->data[1] != 'u'
              ? REFERRAL_ERROR : referral_dump_hex(s->data + 2);

        if (low < 0xdc00 || low > 0xdfff) {
            return 0;
        }

        s->data += 6;
        s->len -= 6;
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }

    referral_dump_utf8(out, high);

    return 1;
}


static int32_t
referral_dump_hex(const u_char *p)
{
    u_char          bytes[2];
    referral_str_t  text;

    text.data = (u_char *) p;
    text.len = 4;

    if (referral_hex_decode(bytes, sizeof(bytes), &text) != sizeof(bytes)) {
        return REFERRAL_ERROR;
    }

    return bytes[0] << 8 | bytes[1];
}


static void
referral_dump_utf8(referral_buf_t *out, uint32_t c)
{
    if (c < 0x80) {
        *out->pos++ = (u_char) c;
        return;
    }

    if (c < 0x800) {
        *out->pos++ = (u_char) (0xc0 | c >> 6);

    } else {

        if (c < 0x10000) {
            *out->pos++ = (u_char) (0xe0 | c >> 12);

        } else {
            *out->pos++ = (u_char) (0xf0 | c >> 18);
            *out->pos++ = (u_char) (0x80 | (c >> 12 & 0x3f));
        }

        *out->pos++ = (u_char) (0x80 | (c >> 6 & 0x3f));
    }

    *out->pos++ = (u_char) (0x80 | (c & 0x3f));
}
