#include "referral_block.h"
#include "referral_template.h"


/* the code of a template: for each piece a type, an index and a block */

#define REFERRAL_OP_TEXT      1    /* the text */
#define REFERRAL_OP_VALUE     2    /* the escaped default, or empty */
#define REFERRAL_OP_EXTERNAL  3    /* empty */


typedef struct {
    unsigned          type;
    unsigned          index;
    referral_str_t    text;
} referral_op_t;


static void referral_template_literal(referral_buf_t *out,
    const referral_str_t *text);
static int referral_template_placeholder(referral_buf_t *out,
    const referral_str_t *text, const char **err);
static int referral_template_next(referral_str_t *code, referral_op_t *op);


static const referral_str_t  referral_value_names[REFERRAL_VALUES] = {
    referral_string("code"),
    referral_string("program"),
    referral_string("referrer"),
    referral_string("name"),
    referral_string("click_id"),
    referral_string("country"),
    referral_string("region"),
    referral_string("city"),
    referral_string("lang"),
    referral_string("device"),
    referral_string("os"),
    referral_string("app"),
    referral_string("channel"),
    referral_string("variant"),
    referral_string("segment"),
    referral_string("result")
};


int
referral_template_text(referral_buf_t *out, const referral_str_t *text,
    const char **err)
{
    size_t          n;
    u_char         *p, *end, *last, *start;
    int32_t         c;
    referral_str_t  part;

    start = out->pos;

    if (text->len > REFERRAL_URL_MAX) {
        *err = "a template longer than 2048 bytes";
        return REFERRAL_ERROR;
    }

    part = *text;

    while (part.len) {
        c = referral_utf8_next(&part);

        if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            *err = "a template must be UTF-8 without control characters";
            return REFERRAL_ERROR;
        }
    }

    last = text->data + text->len;

    for (p = text->data; p < last; p += n) {

        for (n = 0; n < (size_t) (last - p); n++) {
            if (p[n] == '{' || p[n] == '}') {
                break;
            }
        }

        part.data = p;
        part.len = n;

        if (n) {
            referral_template_literal(out, &part);
            continue;
        }

        if (*p == '}') {
            *err = "\"}\" without \"{\" before it";
            goto failed;
        }

        end = memchr(p, '}', last - p);

        if (end == NULL || memchr(p + 1, '{', end - p - 1)) {
            *err = "\"{\" without \"}\" after it";
            goto failed;
        }

        part.data = p + 1;
        part.len = end - p - 1;
        n = end + 1 - p;

        if (referral_template_placeholder(out, &part, err) != REFERRAL_OK) {
            goto failed;
        }
    }

    if (out->overflow) {
        *err = "too long";
        goto failed;
    }

    return REFERRAL_OK;

failed:

    out->pos = start;

    return REFERRAL_ERROR;
}


/*
 * Encodes what may not stand in a URL and keeps the rest as the operator wrote
 * it.
 */

static void
referral_template_literal(referral_buf_t *out, const referral_str_t *text)
{
    u_char         *block;
    size_t          i;
    referral_str_t  c;

    referral_buf_putc(out, REFERRAL_OP_TEXT);
    referral_buf_putc(out, 0);

    block = referral_block_open(out);

    for (i = 0; i < text->len; i++) {

        if (text->data[i] > 0x20 && text->data[i] < 0x7f) {
            referral_buf_putc(out, text->data[i]);
            continue;
        }

        c.data = &text->data[i];
        c.len = 1;

        referral_buf_escape(out, &c);
    }

    (void) referral_block_close(out, block);
}


/* reads what stands between braces */

static int
referral_template_placeholder(referral_buf_t *out, const referral_str_t *text,
    const char **err)
{
    u_char         *bar, *block;
    unsigned        i;
    referral_str_t  name, value;

    name = *text;
    value.len = 0;
    value.data = NULL;

    bar = memchr(name.data, '|', name.len);

    if (bar) {
        value.data = bar + 1;
        value.len = name.data + name.len - value.data;
        name.len = bar - name.data;
    }

    for (i = 0; i < REFERRAL_VALUES; i++) {
        if (referral_str_eq(&name, &referral_value_names[i])) {
            break;
        }
    }

    if (i == REFERRAL_VALUES) {
        *err = "unknown placeholder: there are code, program, referrer, name, "
               "click_id, country, region, city, lang, device, os, app, "
               "channel, variant, segment and result";
        return REFERRAL_ERROR;
    }

    referral_buf_putc(out, REFERRAL_OP_VALUE);
    referral_buf_putc(out, (u_char) i);

    block = referral_block_open(out);
    referral_buf_escape(out, &value);

    if (referral_block_close(out, block) != REFERRAL_OK) {
        *err = "too long";
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


int
referral_template_external(referral_buf_t *out, unsigned index)
{
    u_char  op[4];

    if (index >= REFERRAL_EXTERNAL_MAX) {
        return REFERRAL_ERROR;
    }

    op[0] = REFERRAL_OP_EXTERNAL;
    op[1] = (u_char) index;
    op[2] = 0;
    op[3] = 0;

    referral_buf_put(out, op, sizeof(op));

    return out->overflow ? REFERRAL_ERROR : REFERRAL_OK;
}


uint32_t
referral_template_uses(const referral_str_t *code)
{
    uint32_t        uses;
    referral_op_t   op;
    referral_str_t  left;

    uses = 0;
    left = *code;

    while (referral_template_next(&left, &op)) {
        if (op.type == REFERRAL_OP_VALUE && op.index < REFERRAL_VALUES) {
            uses |= 1U << op.index;
        }
    }

    return uses;
}


int
referral_template_host(const referral_str_t *code, referral_str_t *host)
{
    size_t          n;
    const char     *err;
    referral_op_t   op;
    referral_str_t  left;
    referral_url_t  url;

    left = *code;

    if (!referral_template_next(&left, &op) || op.type != REFERRAL_OP_TEXT) {
        return REFERRAL_DECLINED;
    }

    n = referral_url_scheme(&op.text);

    if (n == 0) {
        return REFERRAL_DECLINED;
    }

    n += referral_url_before_path(op.text.data + n, op.text.len - n);

    if (n == op.text.len && left.len) {
        return REFERRAL_DECLINED;
    }

    op.text.len = n;

    if (referral_url_parse(&url, &op.text, &err) != REFERRAL_OK) {
        return REFERRAL_DECLINED;
    }

    *host = url.host;

    return REFERRAL_OK;
}


int
referral_template_url(const referral_str_t *code, const char **err)
{
    size_t          n, skip, total;
    unsigned        path;
    referral_op_t   op;
    referral_str_t  left, fixed;
    referral_url_t  url;

    left = *code;

    if (!referral_template_next(&left, &op) || op.type != REFERRAL_OP_TEXT
        || referral_url_scheme(&op.text) == 0)
    {
        *err = "a landing must start with http:// or https://";
        return REFERRAL_ERROR;
    }

    skip = referral_url_scheme(&op.text);
    path = 0;

    n = skip + referral_url_before_path(op.text.data + skip,
                                        op.text.len - skip);

    if (n < op.text.len || left.len == 0) {
        fixed.data = op.text.data;
        fixed.len = n;

        if (referral_url_parse(&url, &fixed, err) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }

        path = 1;
    }

    total = 0;

    do {

        if (op.type != REFERRAL_OP_TEXT) {
            continue;
        }

        total += op.text.len;

        if (total > REFERRAL_URL_MAX) {
            *err = "a URL longer than 2048 bytes, each letter outside ASCII"
                   " being six or more";
            return REFERRAL_ERROR;
        }

        if (op.text.len && memchr(op.text.data, '\\', op.text.len)) {
            *err = "a backslash in a landing";
            return REFERRAL_ERROR;
        }

        if (!path) {
            n = referral_url_before_path(op.text.data + skip,
                                         op.text.len - skip);

            if (n && memchr(op.text.data + skip, '@', n)) {
                *err = "a user name or \"@\" before a landing's path";
                return REFERRAL_ERROR;
            }

            path = (skip + n < op.text.len);
        }

        skip = 0;

    } while (referral_template_next(&left, &op));

    return REFERRAL_OK;
}


int
referral_template_args(const referral_str_t *text, const char **err)
{
    if (text->len > REFERRAL_ARGS_MAX) {
        *err = "arguments longer than 1024 bytes";
        return REFERRAL_ERROR;
    }

    if (text->len
        && (text->data[0] == '?' || text->data[0] == '&'
            || memchr(text->data, '#', text->len) != NULL))
    {
        *err = "arguments are like \"a=1&b={code}\", without \"?\" or \"#\"";
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


void
referral_template_render(const referral_str_t *code,
    const referral_values_t *values, referral_buf_t *out)
{
    referral_op_t   op;
    referral_str_t  left;

    left = *code;

    while (referral_template_next(&left, &op)) {

        switch (op.type) {

        case REFERRAL_OP_VALUE:

            if (op.index < REFERRAL_VALUES && values->value[op.index].len) {
                referral_buf_escape(out, &values->value[op.index]);
                break;
            }

            /* fall through */

        case REFERRAL_OP_TEXT:
            referral_buf_str(out, &op.text);
            break;

        case REFERRAL_OP_EXTERNAL:

            if (op.index < values->nexternal) {
                referral_buf_escape_uri(out, &values->external[op.index]);
            }

            break;
        }
    }
}


static int
referral_template_next(referral_str_t *code, referral_op_t *op)
{
    if (code->len < 2) {
        return 0;
    }

    op->type = code->data[0];
    op->index = code->data[1];

    code->data += 2;
    code->len -= 2;

    return referral_block_take(code, &op->text);
}
