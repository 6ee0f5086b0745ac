
#include "referral_intake_core.h"


static int referral_intake_single(referral_intake_t *in, unsigned type,
    const referral_str_t *body, const referral_intake_conf_t *conf);
static int referral_intake_batch(referral_intake_t *in, unsigned type,
    const referral_str_t *body, const referral_intake_conf_t *conf);
static int referral_intake_values(referral_intake_t *in,
    const referral_str_t *items, size_t n);
static int referral_intake_items(referral_intake_t *in, size_t n);
static void referral_intake_item(referral_intake_t *in, unsigned i,
    const referral_str_t *text, const referral_intake_conf_t *conf, int form);


int
referral_intake_type(unsigned *type, const referral_str_t *media)
{
    u_char          *p;
    referral_str_t   name, rest;

    name = *media;
    rest.len = 0;

    p = name.len ? memchr(name.data, ';', name.len) : NULL;

    if (p != NULL) {
        rest.data = p + 1;
        rest.len = name.data + name.len - rest.data;
        name.len = p - name.data;

        referral_str_trim(&rest);
    }

    referral_str_trim(&name);

    if (rest.len && !referral_str_is_nocase(&rest, "charset=utf-8")
        && !referral_str_is_nocase(&rest, "charset=\"utf-8\""))
    {
        return REFERRAL_DECLINED;
    }

    if (referral_str_is_nocase(&name, "application/json")) {
        *type = REFERRAL_INTAKE_JSON;

    } else if (referral_str_is_nocase(&name, "application/x-ndjson")
               || referral_str_is_nocase(&name, "application/ndjson"))
    {
        *type = REFERRAL_INTAKE_NDJSON;

    } else if (referral_str_is_nocase(&name,
                                      "application/x-www-form-urlencoded"))
    {
        *type = REFERRAL_INTAKE_FORM;

    } else {
        return REFERRAL_DECLINED;
    }

    return REFERRAL_OK;
}


int
referral_intake_body(referral_intake_t *in, unsigned type,
    const referral_str_t *body, const referral_intake_conf_t *conf)
{
    int             rc;
    referral_str_t  text;

    memset(in, 0, sizeof(referral_intake_t));
    in->body.last = &in->body.errors;

    text = *body;

    /* a mark of the byte order is no part of the text */

    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
        text.data += 3;
        text.len -= 3;
    }

    in->at = text.data;
    in->line = 1;

    referral_str_trim(&text);

    if (text.len == 0) {
        return referral_intake_refused(in, 400, "empty",
                                       "an event, or several, is expected");
    }

    if (type == REFERRAL_INTAKE_NDJSON
        || (type == REFERRAL_INTAKE_JSON && text.data[0] == '['))
    {
        rc = referral_intake_batch(in, type, &text, conf);

    } else {
        rc = referral_intake_single(in, type, &text, conf);
    }

    in->at = NULL;

    return in->failed ? REFERRAL_ERROR : rc;
}


static int
referral_intake_single(referral_intake_t *in, unsigned type,
    const referral_str_t *body, const referral_intake_conf_t *conf)
{
    int  form;

    form = (type == REFERRAL_INTAKE_FORM
            || (type == REFERRAL_INTAKE_HEADER && body->data[0] != '{'));

    if (type == REFERRAL_INTAKE_HEADER
        && body->len > REFERRAL_INTAKE_HEADER_MAX)
    {
        return referral_intake_refused(in, 413, "too_large",
                                       "a header's event has at most 8192 "
                                       "bytes");
    }

    if (body->len > REFERRAL_INTAKE_EVENT_MAX) {
        return referral_intake_refused(in, 413, "too_large",
                                       "an event has at most 65536 bytes");
    }

    if (referral_intake_items(in, 1) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    referral_intake_item(in, 0, body, conf, form);

    return REFERRAL_OK;
}


static int
referral_intake_batch(referral_intake_t *in, unsigned type,
    const referral_str_t *body, const referral_intake_conf_t *conf)
{
    int                      rc;
    unsigned                 i;
    referral_str_t          *items;
    referral_intake_conf_t   one;

    in->batch = 1;

    if (body->len > REFERRAL_INTAKE_BODY_MAX) {
        return referral_intake_refused(in, 413, "too_large",
                                       "several events have at most 1048576 "
                                       "bytes");
    }

    rc = type == REFERRAL_INTAKE_NDJSON
         ? referral_intake_split_lines(in, body, &items)
         : referral_intake_split(in, body, &items);

    if (rc < 0) {
        return rc;
    }

    if (referral_intake_values(in, items, rc) != REFERRAL_OK) {
        return REFERRAL_DECLINED;
    }

    if (referral_intake_items(in, rc) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    one = *conf;
    one.id.len = 0;

    for (i = 0; i < in->n && !in->failed; i++) {
        referral_intake_item(in, i, &items[i], &one, 0);
    }

    return REFERRAL_OK;
}


/* a body that would take long is refused before any of it is parsed */

static int
referral_intake_values(referral_intake_t *in, const referral_str_t *items,
    size_t n)
{
    size_t  i, values;

    values = 0;

    for (i = 0; i < n; i++) {
        values += referral_intake_count(&items[i]);
    }

    if (values > REFERRAL_INTAKE_VALUES) {
        return referral_intake_refused(in, 413, "too_many",
                                       "several events have at most 16384 "
                                       "values: send fewer at once");
    }

    return REFERRAL_OK;
}


static int
referral_intake_items(referral_intake_t *in, size_t n)
{
    in->item = referral_intake_alloc(in, n * sizeof(referral_intake_item_t));
    if (in->item == NULL) {
        return REFERRAL_ERROR;
    }

    memset(in->item, 0, n * sizeof(referral_intake_item_t));
    in->n = (unsigned) n;

    return REFERRAL_OK;
}


static void
referral_intake_item(referral_intake_t *in, unsigned i,
    const referral_str_t *text, const referral_intake_conf_t *conf, int form)
{
    referral_intake_reader_t  r;

    r.in = in;
    r.item = &in->item[i];
    r.conf = conf;
    r.seen = 0;

    r.item->last = &r.item->errors;

    if (text->len > REFERRAL_INTAKE_EVENT_MAX) {
        referral_intake_wrong(in, r.item, 413, NULL, "too_large",
                              "an event has at most 65536 bytes");
        return;
    }

    r.item->event.text[REFERRAL_EVENT_TEXT_PROGRAM] = conf->program;
    r.item->event.received = conf->now;
    r.item->event.at = conf->now;
    r.item->event.trust = (uint8_t) conf->trust;

    if (form) {
        referral_intake_form(&r, text);

    } else {
        referral_intake_json(&r, text);
    }

    /* bytes that are no event at all have no fields to be missed */

    if (r.item->status != 400) {
        referral_intake_finish(&r);
    }
}
