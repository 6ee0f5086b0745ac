
/*
 * Several events in one body are cut apart before they are parsed, so that
 * what is wrong with one, down to its syntax, is no reason to refuse the
 * others, and so that no more than one of them is in the parser's memory.
 */

#include "referral_intake_core.h"


static const u_char *referral_intake_value(const u_char *p,
    const u_char *end);
static const u_char *referral_intake_string(const u_char *p,
    const u_char *end);
static const u_char *referral_intake_blanks(const u_char *p,
    const u_char *end);


/* an array; blanks around it are gone already */

int
referral_intake_split(referral_intake_t *in, const referral_str_t *body,
    referral_str_t **items)
{
    unsigned       n;
    const u_char  *p, *end, *start;

    *items = referral_intake_alloc(in, REFERRAL_INTAKE_EVENTS
                                       * sizeof(referral_str_t));
    if (*items == NULL) {
        return REFERRAL_ERROR;
    }

    end = body->data + body->len;
    p = referral_intake_blanks(body->data + 1, end);

    if (end - p == 1 && *p == ']') {
        return referral_intake_refused(in, 400, "empty",
                                       "an array of at least one event");
    }

    for (n = 0; n < REFERRAL_INTAKE_EVENTS; n++) {
        start = p;
        p = referral_intake_value(p, end);

        if (p == NULL) {
            return referral_intake_refused_at(in, 400, "syntax",
                                              "an array of objects is "
                                              "expected; what begins here has "
                                              "no end, or is nested deeper "
                                              "than 32", start);
        }

        if (p == start) {
            return referral_intake_refused_at(in, 400, "syntax",
                                              "an array of objects is "
                                              "expected, without a comma "
                                              "behind the last one", start);
        }

        (*items)[n].data = (u_char *) start;
        (*items)[n].len = p - start;

        p = referral_intake_blanks(p, end);

        if (end - p == 1 && *p == ']') {
            return (int) n + 1;
        }

        if (p == end || *p != ',') {
            return referral_intake_refused_at(in, 400, "syntax",
                                              "objects in an array have \",\" "
                                              "between them, and \"]\" at the "
                                              "end", p);
        }

        p = referral_intake_blanks(p + 1, end);
    }

    return referral_intake_refused(in, 413, "too_many",
                                   "a body has at most 500 events");
}


/* empty lines are none */

int
referral_intake_split_lines(referral_intake_t *in, const referral_str_t *body,
    referral_str_t **items)
{
    u_char          *p, *end, *eol;
    unsigned         n;
    referral_str_t   line;

    *items = referral_intake_alloc(in, REFERRAL_INTAKE_EVENTS
                                       * sizeof(referral_str_t));
    if (*items == NULL) {
        return REFERRAL_ERROR;
    }

    p = body->data;
    end = p + body->len;

    for (n = 0; p != end; p = eol == end ? end : eol + 1) {
        eol = memchr(p, '\n', end - p);
        eol = eol ? eol : end;

        line.data = p;
        line.len = eol - p;

        referral_str_trim(&line);

        if (line.len == 0) {
            continue;
        }

        if (n == REFERRAL_INTAKE_EVENTS) {
            return referral_intake_refused(in, 413, "too_many",
                                           "a body has at most 500 events");
        }

        (*items)[n++] = line;
    }

    return (int) n;
}


/*
 * How many values the parser would make of an item, or some more: what it
 * costs depends on these far more than on the bytes.
 */

size_t
referral_intake_count(const referral_str_t *item)
{
    size_t         n;
    const u_char  *p, *end;

    n = 1;
    end = item->data + item->len;

    for (p = item->data; p < end; p++) {

        switch (*p) {

        case '"':
            p = referral_intake_string(p, end);

            if (p == NULL) {
                return n;
            }

            break;

        case ',':
        case '[':
        case '{':
            n++;
            break;
        }
    }

    return n;
}


/*
 * Where the value ends that begins at "p"; NULL: it does not end.  Brackets
 * that do not match make a wrong place of the end, so they are looked at;
 * the rest is the parser's.
 */

static const u_char *
referral_intake_value(const u_char *p, const u_char *end)
{
    u_char    c;
    uint32_t  open;          /* a bit each, the lowest is the innermost: { */
    unsigned  depth;

    open = 0;
    depth = 0;

    for ( /* void */ ; p < end; p++) {
        c = *p;

        switch (c) {

        case '"':
            p = referral_intake_string(p, end);

            if (p == NULL) {
                return NULL;
            }

            break;

        case '{':
        case '[':
            if (depth == REFERRAL_INTAKE_DEPTH) {
                return NULL;
            }

            open = open << 1 | (c == '{');
            depth++;
            break;

        case '}':
        case ']':
            if (depth == 0) {
                return c == ']' ? p : NULL;
            }

            if ((open & 1) != (c == '}')) {
                return NULL;
            }

            open >>= 1;
            depth--;

            if (depth == 0) {
                return p + 1;
            }

            break;

        case ',':
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            if (depth == 0) {
                return p;
            }

            break;
        }
    }

    return NULL;
}


/* the quote that ends the string, or NULL */

static const u_char *
referral_intake_string(const u_char *p, const u_char *end)
{
    for (p++; p < end; p++) {

        if (*p == '"') {
            return p;
        }

        if (*p == '\\') {
            p++;
        }
    }

    return NULL;
}


static const u_char *
referral_intake_blanks(const u_char *p, const u_char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) {
        p++;
    }

    return p;
}
