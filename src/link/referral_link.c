#include "referral_lang.h"
#include "referral_link.h"


/* one compilation; "field" and "index" are those of the value being read */

typedef struct {
    referral_buf_t           *out;
    referral_entry_t         *entry;
    unsigned                  index;
    referral_str_t            field;
    referral_entry_error_pt   error;
    void                     *data;
} referral_compile_t;


/*
 * Reads a value, which is trimmed and not empty.  REFERRAL_DECLINED: *err says
 * what is wrong, and the entry has the safe value.
 */

typedef int (*referral_set_pt)(referral_compile_t *c,
    const referral_str_t *value, const char **err);


typedef struct {
    referral_str_t            name;
    unsigned                  kinds;    /* a bit for each kind of entry that
                                           has it */
    unsigned                  index;    /* referral_field_e, if it is one of
                                           these */
    referral_set_pt           set;
} referral_setter_t;


static const referral_setter_t *referral_entry_setter(unsigned kind,
    const referral_str_t *name);
static void referral_entry_complain(referral_compile_t *c, unsigned line,
    const char *what);
static int referral_entry_offers(referral_compile_t *c,
    const referral_str_t *fields, size_t n);
static int referral_entry_offer_set(referral_compile_t *c,
    const referral_str_t *tag, const referral_str_t *text, const char **err);
static int referral_entry_offer_next(referral_str_t *rest,
    referral_str_t *tag, referral_str_t *text);
static int referral_entry_put(referral_compile_t *c, const void *data,
    size_t len);
static int referral_entry_set(referral_compile_t *c, const u_char *start);
static int referral_set_referrer(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_name(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_word(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_channel(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_languages(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_url(referral_compile_t *c, const referral_str_t *value,
    const char **err);
static int referral_set_args(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_template(referral_compile_t *c,
    const referral_str_t *value, u_char **code, const char **err);
static int referral_set_rules(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static void referral_set_rules_error(void *data, unsigned line,
    const char *what);
static int referral_set_state(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_starts(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_ends(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_offset(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_timezone(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_window(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_late(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_attribution(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_bind(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_webhooks(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static int referral_set_order(referral_compile_t *c,
    const referral_str_t *value, const char **err);
static unsigned referral_set_order_way(const referral_str_t *word);
static int referral_set_text_valid(const referral_str_t *value);


#define REFERRAL_KIND(kind)  (1U << REFERRAL_ENTRY_##kind)
#define REFERRAL_OPENED      (REFERRAL_KIND(PROGRAM) | REFERRAL_KIND(LINK))
#define REFERRAL_NAMED       (REFERRAL_KIND(LINK) | REFERRAL_KIND(REFERRER))


static const referral_setter_t  referral_setters[] = {

    { referral_string("referrer"), REFERRAL_KIND(LINK),
      REFERRAL_FIELD_REFERRER, referral_set_referrer },

    { referral_string("name"), REFERRAL_NAMED,
      REFERRAL_FIELD_NAME, referral_set_name },

    { referral_string("segment"), REFERRAL_NAMED,
      REFERRAL_FIELD_SEGMENT, referral_set_word },

    { referral_string("channel"), REFERRAL_KIND(LINK),
      REFERRAL_FIELD_CHANNEL, referral_set_channel },

    { referral_string("languages"), REFERRAL_KIND(PROGRAM),
      REFERRAL_FIELD_LANGUAGES, referral_set_languages },

    { referral_string("landing"), REFERRAL_OPENED,
      REFERRAL_FIELD_LANDING, referral_set_url },

    { referral_string("landing_args"), REFERRAL_OPENED,
      REFERRAL_FIELD_LANDING_ARGS, referral_set_args },

    { referral_string("fallback"), REFERRAL_KIND(PROGRAM),
      REFERRAL_FIELD_FALLBACK, referral_set_url },

    { referral_string("rules"), REFERRAL_OPENED,
      REFERRAL_FIELD_RULES, referral_set_rules },

    { referral_string("state"), REFERRAL_OPENED,
      0, referral_set_state },

    { referral_string("starts"), REFERRAL_OPENED,
      0, referral_set_starts },

    { referral_string("ends"), REFERRAL_OPENED,
      0, referral_set_ends },

    { referral_string("utc_offset"), REFERRAL_KIND(PROGRAM),
      0, referral_set_offset },

    { referral_string("timezone"), REFERRAL_KIND(PROGRAM),
      REFERRAL_FIELD_TIMEZONE, referral_set_timezone },

    { referral_string("window"), REFERRAL_KIND(PROGRAM),
      0, referral_set_window },

    { referral_string("late"), REFERRAL_KIND(PROGRAM),
      0, referral_set_late },

    { referral_string("attribution"), REFERRAL_KIND(PROGRAM),
      0, referral_set_attribution },

    { referral_string("bind"), REFERRAL_KIND(PROGRAM),
      0, referral_set_bind },

    { referral_string("attribution_order"), REFERRAL_KIND(PROGRAM),
      0, referral_set_order },

    { referral_string("webhooks"), REFERRAL_KIND(PROGRAM),
      0, referral_set_webhooks },

    { referral_null_string, 0, 0, NULL }
};


int
referral_entry_compile(referral_buf_t *out, unsigned kind,
    const referral_str_t *fields, size_t n, referral_entry_error_pt error,
    void *data)
{
    size_t                    i;
    const char               *err;
    referral_buf_t            b;
    referral_str_t            value;
    referral_entry_t         *entry;
    referral_compile_t        c;
    const referral_setter_t  *setter;

    b.start = out->pos;
    b.pos = out->pos;
    b.end = out->end;
    b.overflow = 0;

    if (b.end - b.start > REFERRAL_ENTRY_MAX) {
        b.end = b.start + REFERRAL_ENTRY_MAX;
    }

    if ((size_t) (b.end - b.start) < sizeof(referral_entry_t)) {
        return REFERRAL_ERROR;
    }

    /*
     * Padding is zeroed too, because entries are compared and copied as bytes.
     */

    memset(b.start, 0, sizeof(referral_entry_t));
    b.pos += sizeof(referral_entry_t);

    entry = (referral_entry_t *) b.start;

    entry->kind = kind;
    entry->utc_offset = INT16_MIN;

    if (n == 0) {
        entry->state = REFERRAL_STATE_ABSENT;
    }

    c.out = &b;
    c.entry = entry;
    c.error = error;
    c.data = data;

    for (i = 0; i + 1 < n; i += 2) {

        setter = referral_entry_setter(kind, &fields[i]);

        if (setter == NULL) {
            continue;
        }

        value = fields[i + 1];

        referral_str_trim(&value);

        if (value.len == 0) {
            continue;
        }

        c.field = fields[i];
        c.index = setter->index;

        if (setter->set(&c, &value, &err) == REFERRAL_DECLINED) {
            referral_entry_complain(&c, 0, err);
        }

        if (b.overflow) {
            return REFERRAL_ERROR;
        }
    }

    if (kind == REFERRAL_ENTRY_PROGRAM
        && referral_entry_offers(&c, fields, n) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    if (entry->starts.set && entry->ends.set
        && entry->starts.local == entry->ends.local
        && entry->starts.ms != INT64_MAX && entry->ends.ms
        && entry->ends.ms < entry->starts.ms)
    {
        referral_str_set(&c.field, "ends");
        referral_entry_complain(&c, 0, "ends before it starts");
    }

    entry->size = b.pos - b.start;
    out->pos = b.pos;

    return REFERRAL_OK;
}


static const referral_setter_t *
referral_entry_setter(unsigned kind, const referral_str_t *name)
{
    const referral_setter_t  *s;

    for (s = referral_setters; s->set; s++) {
        if ((s->kinds >> kind & 1) && referral_str_eq(&s->name, name)) {
            return s;
        }
    }

    return NULL;
}


static void
referral_entry_complain(referral_compile_t *c, unsigned line, const char *what)
{
    if (c->entry->bad < UINT8_MAX) {
        c->entry->bad++;
    }

    if (c->error) {
        c->error(c->data, &c->field, line, what);
    }
}


/*
 * All fields "offer" and "offer:LANG", which Redis replies in any order, as
 * one field of the entry.
 */

static int
referral_entry_offers(referral_compile_t *c, const referral_str_t *fields,
    size_t n)
{
    size_t           i;
    u_char          *start;
    const char      *err;
    referral_str_t   tag, value;

    static const referral_str_t  offer = referral_string("offer");

    start = c->out->pos;

    for (i = 0; i + 1 < n; i += 2) {

        tag = fields[i];

        if (tag.len < offer.len || memcmp(tag.data, offer.data, offer.len) != 0
            || (tag.len > offer.len && tag.data[offer.len] != ':'))
        {
            continue;
        }

        value = fields[i + 1];

        referral_str_trim(&value);

        if (value.len == 0) {
            continue;
        }

        /* a field whose tag is not valid may have any bytes in its name */

        c->field = offer;

        if (tag.len == offer.len) {
            tag.len = 0;

        } else {
            tag.data += offer.len + 1;
            tag.len -= offer.len + 1;

            if (!referral_lang_valid(&tag)) {
                referral_entry_complain(c, 0, "the language of \"offer:LANG\""
                                        " is like \"en\" or \"zh-tw\"");
                continue;
            }

            c->field = fields[i];
        }

        if (referral_entry_offer_set(c, &tag, &value, &err) != REFERRAL_OK) {
            referral_entry_complain(c, 0, err);
        }
    }

    if (c->out->pos == start) {
        return c->out->overflow ? REFERRAL_ERROR : REFERRAL_OK;
    }

    c->index = REFERRAL_FIELD_OFFERS;

    return referral_entry_set(c, start);
}


/*
 * Appends an offer: the length of the tag in a byte, that of the text in two,
 * the tag, which is empty for the field "offer", and the text.
 */

static int
referral_entry_offer_set(referral_compile_t *c, const referral_str_t *tag,
    const referral_str_t *text, const char **err)
{
    if (text->len > REFERRAL_OFFER_MAX) {
        *err = "an offer has at most 256 bytes";
        return REFERRAL_DECLINED;
    }

    if (!referral_set_text_valid(text)) {
        *err = "an offer is UTF-8 without control characters, and without "
               "those that turn the direction of text (U+202A to U+202E, "
               "U+2066 to U+2069)";
        return REFERRAL_DECLINED;
    }

    referral_buf_putc(c->out, (u_char) tag->len);
    referral_buf_putc(c->out, (u_char) (text->len >> 8));
    referral_buf_putc(c->out, (u_char) text->len);
    referral_buf_str(c->out, tag);
    referral_buf_str(c->out, text);

    return REFERRAL_OK;
}


referral_str_t
referral_entry_offer(const referral_entry_t *program,
    const referral_str_t *lang)
{
    size_t           len;
    referral_str_t   rest, tag, text, found;
    referral_lang_t  visitor, offered;

    found.len = 0;
    found.data = NULL;

    if (program == NULL || !referral_entry_has(program, REFERRAL_FIELD_OFFERS))
    {
        return found;
    }

    if (referral_lang_parse(&visitor, lang) != REFERRAL_OK) {
        memset(&visitor, 0, sizeof(visitor));
    }

    len = 0;
    rest = referral_entry_field(program, REFERRAL_FIELD_OFFERS);

    while (referral_entry_offer_next(&rest, &tag, &text)) {

        if (tag.len == 0) {

            if (len == 0) {
                found = text;
            }

            continue;
        }

        if (tag.len == lang->len
            && strncasecmp((char *) tag.data, (char *) lang->data, tag.len)
               == 0)
        {
            return text;
        }

        if (tag.len > len
            && visitor.language
            && referral_lang_parse(&offered, &tag) == REFERRAL_OK
            && referral_lang_matches(&offered, &visitor))
        {
            len = tag.len;
            found = text;
        }
    }

    return found;
}


/* returns 0 at the end, and where the bytes are no offers */

static int
referral_entry_offer_next(referral_str_t *rest, referral_str_t *tag,
    referral_str_t *text)
{
    size_t  len;

    if (rest->len < 3) {
        return 0;
    }

    tag->len = rest->data[0];
    tag->data = rest->data + 3;

    text->len = (size_t) rest->data[1] << 8 | rest->data[2];
    text->data = tag->data + tag->len;

    len = 3 + tag->len + text->len;

    if (len > rest->len) {
        return 0;
    }

    rest->data += len;
    rest->len -= len;

    return 1;
}


/* "overflow" of the buffer is checked once at the end */

static int
referral_entry_put(referral_compile_t *c, const void *data, size_t len)
{
    u_char  *start;

    start = c->out->pos;
    referral_buf_put(c->out, data, len);

    return referral_entry_set(c, start);
}


/* the field is what was appended behind "start" */

static int
referral_entry_set(referral_compile_t *c, const u_char *start)
{
    if (c->out->overflow) {
        return REFERRAL_ERROR;
    }

    c->entry->off[c->index] = start - c->out->start;
    c->entry->len[c->index] = c->out->pos - start;
    c->entry->set |= 1U << c->index;

    return REFERRAL_OK;
}


static int
referral_set_referrer(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    if (!referral_referrer_valid(value)) {
        *err = "a referrer is 1 to 64 letters, digits, \"_\", \".\", \"@\", "
               "\"+\" or \"-\"";
        return REFERRAL_DECLINED;
    }

    return referral_entry_put(c, value->data, value->len);
}


static int
referral_set_name(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    if (value->len > REFERRAL_NAME_MAX) {
        *err = "a name has at most 128 bytes";
        return REFERRAL_DECLINED;
    }

    if (!referral_set_text_valid(value)) {
        *err = "a name is UTF-8 without control characters, and without those "
               "that turn the direction of text (U+202A to U+202E, U+2066 to "
               "U+2069)";
        return REFERRAL_DECLINED;
    }

    return referral_entry_put(c, value->data, value->len);
}


static int
referral_set_word(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    if (!referral_word_valid(value)) {
        *err = "must be 1 to 32 lower case letters, digits, \"_\", \".\" "
               "or \"-\"";
        return REFERRAL_DECLINED;
    }

    return referral_entry_put(c, value->data, value->len);
}


/* channels are in lower case, as those of requests */

static int
referral_set_channel(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    u_char          data[REFERRAL_CHANNEL_MAX];
    referral_str_t  word;

    word = *value;

    if (word.len <= sizeof(data)) {
        memcpy(data, word.data, word.len);
        word.data = data;
        referral_str_lower(&word);
    }

    return referral_set_word(c, &word, err);
}


static int
referral_set_languages(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    u_char  *start;

    start = c->out->pos;

    if (referral_lang_compile(c->out, value, err) != REFERRAL_OK) {
        return REFERRAL_DECLINED;
    }

    return referral_entry_set(c, start);
}


static int
referral_set_url(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    int              rc;
    u_char          *start;
    referral_str_t   code;

    rc = referral_set_template(c, value, &start, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    code.data = start;
    code.len = c->out->pos - start;

    if (referral_template_url(&code, err) != REFERRAL_OK) {
        c->out->pos = start;
        return REFERRAL_DECLINED;
    }

    return referral_entry_set(c, start);
}


static int
referral_set_args(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    int      rc;
    u_char  *start;

    if (referral_str_is(value, "off")) {
        return referral_entry_put(c, NULL, 0);
    }

    if (referral_template_args(value, err) != REFERRAL_OK) {
        return REFERRAL_DECLINED;
    }

    rc = referral_set_template(c, value, &start, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    return referral_entry_set(c, start);
}


/* compiles the template and appends its code behind *code */

static int
referral_set_template(referral_compile_t *c, const referral_str_t *value,
    u_char **code, const char **err)
{
    *code = c->out->pos;

    if (value->len > REFERRAL_URL_MAX) {
        *err = "longer than 2048 bytes";
        return REFERRAL_DECLINED;
    }

    if (referral_template_text(c->out, value, err) == REFERRAL_OK) {
        return REFERRAL_OK;
    }

    if (c->out->overflow) {
        return REFERRAL_ERROR;
    }

    c->out->pos = *code;

    return REFERRAL_DECLINED;
}


static int
referral_set_rules(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    u_char  *start;

    (void) err;

    start = c->out->pos;

    if (referral_rules_compile(c->out, value, referral_set_rules_error, c)
        == REFERRAL_ERROR)
    {
        c->out->overflow = 1;
        return REFERRAL_ERROR;
    }

    if (c->out->pos == start) {
        return REFERRAL_OK;
    }

    return referral_entry_set(c, start);
}


static void
referral_set_rules_error(void *data, unsigned line, const char *what)
{
    referral_entry_complain(data, line, what);
}


static int
referral_set_state(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    if (referral_str_is_nocase(value, "active")) {
        c->entry->state = REFERRAL_STATE_ACTIVE;
        return REFERRAL_OK;
    }

    if (c->entry->kind == REFERRAL_ENTRY_PROGRAM) {
        c->entry->state = REFERRAL_STATE_PAUSED;

        if (referral_str_is_nocase(value, "paused")) {
            return REFERRAL_OK;
        }

        *err = "a program is \"active\" or \"paused\"";

    } else {
        c->entry->state = REFERRAL_STATE_DISABLED;

        if (referral_str_is_nocase(value, "disabled")) {
            return REFERRAL_OK;
        }

        *err = "a link is \"active\" or \"disabled\"";
    }

    return REFERRAL_DECLINED;
}


static int
referral_set_starts(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    if (referral_date_parse(&c->entry->starts, value, 0) == REFERRAL_OK) {
        return REFERRAL_OK;
    }

    c->entry->starts.ms = INT64_MAX;
    c->entry->starts.set = 1;
    c->entry->starts.local = 0;

    *err = "a date is like " REFERRAL_DATE_RIGHT;

    return REFERRAL_DECLINED;
}


static int
referral_set_ends(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    if (referral_date_parse(&c->entry->ends, value, 1) == REFERRAL_OK) {
        return REFERRAL_OK;
    }

    c->entry->ends.ms = 0;
    c->entry->ends.set = 1;
    c->entry->ends.local = 0;

    *err = "a date is like " REFERRAL_DATE_RIGHT;

    return REFERRAL_DECLINED;
}


static int
referral_set_offset(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    int  minutes;

    if (referral_offset_parse(&minutes, value) != REFERRAL_OK) {
        *err = referral_offset_wrong(value);
        return REFERRAL_DECLINED;
    }

    c->entry->utc_offset = minutes;

    return REFERRAL_OK;
}


static int
referral_set_timezone(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    if (!referral_timezone_valid(value)) {
        *err = REFERRAL_TIMEZONE_RIGHT;
        return REFERRAL_DECLINED;
    }

    return referral_entry_put(c, value->data, value->len);
}


static int
referral_set_window(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    int64_t  seconds;

    if (referral_duration_parse(&seconds, value, REFERRAL_WINDOW_MAX)
        != REFERRAL_OK)
    {
        *err = "a window is like \"30d\" or \"12h\", at most 400d";
        return REFERRAL_DECLINED;
    }

    c->entry->window = seconds;

    return REFERRAL_OK;
}


static int
referral_set_late(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    int64_t  seconds;

    if (referral_duration_parse(&seconds, value, REFERRAL_LATE_MAX)
        != REFERRAL_OK)
    {
        *err = "late is like \"60d\" or \"12h\", at most 400d";
        return REFERRAL_DECLINED;
    }

    c->entry->late = seconds;

    return REFERRAL_OK;
}


static int
referral_set_attribution(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    if (referral_str_is_nocase(value, "last")) {
        c->entry->attribution = REFERRAL_ATTRIBUTION_LAST;
        return REFERRAL_OK;
    }

    if (referral_str_is_nocase(value, "first")) {
        c->entry->attribution = REFERRAL_ATTRIBUTION_FIRST;
        return REFERRAL_OK;
    }

    *err = "an attribution is \"last\" or \"first\"";

    return REFERRAL_DECLINED;
}


/* the entry does not keep it: conversions are credited in Redis */

static int
referral_set_bind(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    (void) c;

    if (referral_str_is_nocase(value, "ever")
        || referral_str_is_nocase(value, "window"))
    {
        return REFERRAL_OK;
    }

    *err = "a friend's bind is \"ever\" or \"window\"";

    return REFERRAL_DECLINED;
}


/* likewise */

static int
referral_set_webhooks(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    (void) c;

    if (referral_str_is_nocase(value, "on")
        || referral_str_is_nocase(value, "off"))
    {
        return REFERRAL_OK;
    }

    *err = "webhooks are \"on\" or \"off\"";

    return REFERRAL_DECLINED;
}


/* likewise; the same words as in referral_append.lua */

static int
referral_set_order(referral_compile_t *c, const referral_str_t *value,
    const char **err)
{
    u_char          *p;
    unsigned         way, seen;
    referral_str_t   rest, word;

    (void) c;

    rest = *value;
    seen = 0;

    for ( ;; ) {
        p = rest.len ? memchr(rest.data, ',', rest.len) : NULL;

        word.data = rest.data;
        word.len = p ? (size_t) (p - rest.data) : rest.len;

        referral_str_trim(&word);

        way = referral_set_order_way(&word);

        if (way == 0 || (seen & way)) {
            *err = "an order is some of \"bound\", \"click\", \"cookie\" and"
                   " \"code\" with commas between them, each once";
            return REFERRAL_DECLINED;
        }

        if (p == NULL) {
            return REFERRAL_OK;
        }

        seen |= way;
        rest.len -= p + 1 - rest.data;
        rest.data = p + 1;
    }
}


/* a bit for each; 0: it is none */

static unsigned
referral_set_order_way(const referral_str_t *word)
{
    return referral_str_is_nocase(word, "bound") ? 1
           : referral_str_is_nocase(word, "click") ? 2
           : referral_str_is_nocase(word, "cookie") ? 4
           : referral_str_is_nocase(word, "code") ? 8 : 0;
}


/*
 * Refuses control characters, line separators and characters that change the
 * direction of the text behind them.
 */

static int
referral_set_text_valid(const referral_str_t *value)
{
    int32_t         c;
    referral_str_t  rest;

    rest = *value;

    while (rest.len) {
        c = referral_utf8_next(&rest);

        if (c < 0x20
            || (c >= 0x7f && c < 0xa0)
            || (c >= 0x2028 && c <= 0x202e)
            || (c >= 0x2066 && c <= 0x2069))
        {
            return 0;
        }
    }

    return 1;
}


int
referral_entry_valid(const referral_entry_t *entry, size_t size)
{
    unsigned  i;

    if (size < sizeof(referral_entry_t)
        || size > REFERRAL_ENTRY_MAX
        || entry->size != size)
    {
        return 0;
    }

    if (entry->kind < REFERRAL_ENTRY_PROGRAM
        || entry->kind > REFERRAL_ENTRY_REFERRER
        || entry->state > REFERRAL_STATE_ABSENT
        || entry->attribution > REFERRAL_ATTRIBUTION_FIRST
        || entry->window > REFERRAL_WINDOW_MAX
        || entry->late > REFERRAL_LATE_MAX
        || entry->starts.set > 1
        || entry->ends.set > 1
        || entry->set >> REFERRAL_FIELDS)
    {
        return 0;
    }

    if (entry->utc_offset != INT16_MIN
        && (entry->utc_offset < -REFERRAL_OFFSET_MAX
            || entry->utc_offset > REFERRAL_OFFSET_MAX))
    {
        return 0;
    }

    for (i = 0; i < REFERRAL_FIELDS; i++) {

        if (!referral_entry_has(entry, i)) {

            if (entry->off[i] || entry->len[i]) {
                return 0;
            }

            continue;
        }

        if (entry->off[i] < sizeof(referral_entry_t)
            || entry->off[i] > size
            || entry->len[i] > size - entry->off[i])
        {
            return 0;
        }
    }

    return 1;
}
