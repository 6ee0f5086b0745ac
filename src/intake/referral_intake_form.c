
/*
 * The fields of a form, application/x-www-form-urlencoded: a list's entries
 * one by one under the same name, "x" as "x.KEY".
 */

#include "referral_intake_core.h"


static void referral_intake_form_pair(referral_intake_reader_t *r,
    const referral_str_t *pair);
static int referral_intake_form_decode(referral_intake_t *in,
    referral_str_t *out, const referral_str_t *s);
static int referral_intake_form_hex(const u_char *p, const u_char *end);


void
referral_intake_form(referral_intake_reader_t *r, const referral_str_t *text)
{
    u_char          *p, *end, *stop;
    referral_str_t   pair;

    p = text->data;
    end = p + text->len;

    for ( /* void */ ; p < end && !r->in->failed; p = stop + 1) {
        stop = memchr(p, '&', end - p);
        stop = stop ? stop : end;

        pair.data = p;
        pair.len = stop - p;

        /* a long list of mistakes takes memory, and is not told */

        if (r->item->told > REFERRAL_INTAKE_ERRORS) {
            return;
        }

        if (pair.len) {
            referral_intake_form_pair(r, &pair);
        }
    }
}


static void
referral_intake_form_pair(referral_intake_reader_t *r,
    const referral_str_t *pair)
{
    u_char                         *equal;
    referral_str_t                  name, value, key;
    referral_intake_value_t         v;
    const referral_intake_field_t  *field;

    name = *pair;
    value.len = 0;
    value.data = pair->data + pair->len;

    equal = memchr(pair->data, '=', pair->len);

    if (equal != NULL) {
        name.len = equal - name.data;
        value.data = equal + 1;
        value.len = pair->data + pair->len - value.data;
    }

    if (referral_intake_form_decode(r->in, &name, &name) != REFERRAL_OK
        || referral_intake_form_decode(r->in, &v.text, &value) != REFERRAL_OK)
    {
        referral_intake_mistake(r, &name, "encoding",
                                "a form is in UTF-8, other characters as %XX "
                                "of its bytes");
        return;
    }

    v.kind = REFERRAL_INTAKE_DIGITS;
    v.number = 0;

    if (name.len > 2 && memcmp(name.data, "x.", 2) == 0) {
        key.data = name.data + 2;
        key.len = name.len - 2;

        referral_intake_set_extra(r, &key, &v);
        return;
    }

    field = referral_intake_find(r, &name);

    if (field == NULL) {
        return;
    }

    if (referral_intake_shape(field) == REFERRAL_INTAKE_EXTRAS) {
        referral_intake_mistake(r, &name, "format",
                                "in a form it is \"x.KEY=VALUE\"");
        return;
    }

    referral_intake_set(r, field, &v);
}


static int
referral_intake_form_decode(referral_intake_t *in, referral_str_t *out,
    const referral_str_t *s)
{
    int              byte;
    u_char          *d;
    const u_char    *p, *end;
    referral_str_t   left;

    p = s->data;
    end = p + s->len;

    d = referral_intake_alloc(in, s->len);
    if (d == NULL) {
        return REFERRAL_ERROR;
    }

    left.data = d;

    while (p < end) {

        if (*p != '%') {
            *d++ = *p == '+' ? ' ' : *p;
            p++;
            continue;
        }

        byte = referral_intake_form_hex(p + 1, end);

        if (byte < 0) {
            return REFERRAL_ERROR;
        }

        *d++ = (u_char) byte;
        p += 3;
    }

    left.len = d - left.data;
    *out = left;

    while (left.len) {
        if (referral_utf8_next(&left) < 0) {
            return REFERRAL_ERROR;
        }
    }

    return REFERRAL_OK;
}


/* the byte of two digits, or -1 */

static int
referral_intake_form_hex(const u_char *p, const u_char *end)
{
    u_char          byte;
    referral_str_t  digits;

    if (end - p < 2) {
        return -1;
    }

    digits.data = (u_char *) p;
    digits.len = 2;

    return referral_hex_decode(&byte, 1, &digits) == 1 ? byte : -1;
}
