
/*
 * What the fields of an event may be, and what an event must have.
 */

#include "referral_intake_core.h"


#define REFERRAL_INTAKE_NEAR     24      /* the longest name that is guessed */
#define REFERRAL_INTAKE_GUESSES  4       /* of an event */


typedef void (*referral_intake_setter_pt)(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);


struct referral_intake_field_s {
    referral_str_t              name;
    referral_intake_setter_pt   set;
    unsigned                    text;    /* referral_event_text_e, or a flag */
    size_t                      max;     /* bytes */
    const char                 *right;
};


static void referral_intake_set_text(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
static void referral_intake_set_type(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
static void referral_intake_set_unit(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
static void referral_intake_set_lower(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
static void referral_intake_set_click(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
static void referral_intake_set_amount(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
static void referral_intake_set_quantity(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
static void referral_intake_set_new(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
static void referral_intake_set_time(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
static void referral_intake_set_product(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
static void referral_intake_set_party(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);

static int referral_intake_text(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
static int referral_intake_number(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v,
    int64_t max, int64_t *n);
static int referral_intake_digits(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_str_t *text,
    int64_t max, int64_t *n);
static void referral_intake_unknown(referral_intake_reader_t *r,
    const referral_str_t *name);
static unsigned referral_intake_distance(const referral_str_t *a,
    const referral_str_t *b);
static void referral_intake_extra_name(referral_str_t *name, u_char *buf,
    const referral_str_t *key);
static void referral_intake_put_extra(referral_intake_reader_t *r,
    const referral_str_t *name, const referral_str_t *key,
    const referral_str_t *value);
static int referral_intake_compare(const referral_str_t *a,
    const referral_str_t *b);

static void referral_intake_finish_id(referral_intake_reader_t *r);
static void referral_intake_finish_missing(referral_intake_reader_t *r);
static void referral_intake_finish_money(referral_intake_reader_t *r);
static void referral_intake_finish_times(referral_intake_reader_t *r);
static void referral_intake_missing(referral_intake_reader_t *r,
    unsigned field, const char *detail);


/* their places in the table */

typedef enum {
    REFERRAL_INTAKE_F_TYPE = 0,
    REFERRAL_INTAKE_F_ID,
    REFERRAL_INTAKE_F_CUSTOMER,
    REFERRAL_INTAKE_F_ORDER,
    REFERRAL_INTAKE_F_CLICK,
    REFERRAL_INTAKE_F_CODE,
    REFERRAL_INTAKE_F_AMOUNT,
    REFERRAL_INTAKE_F_UNIT,
    REFERRAL_INTAKE_F_REFUNDED,
    REFERRAL_INTAKE_F_QUANTITY,
    REFERRAL_INTAKE_F_PRODUCT,
    REFERRAL_INTAKE_F_ROLE,
    REFERRAL_INTAKE_F_PARTIES,
    REFERRAL_INTAKE_F_SEGMENT,
    REFERRAL_INTAKE_F_AT,
    REFERRAL_INTAKE_F_ORDER_AT,
    REFERRAL_INTAKE_F_NEW,
    REFERRAL_INTAKE_F_EMAIL_HASH,
    REFERRAL_INTAKE_F_PAYMENT_HASH,
    REFERRAL_INTAKE_F_EMAIL_DOMAIN,
    REFERRAL_INTAKE_F_COUNTRY,
    REFERRAL_INTAKE_F_CITY,
    REFERRAL_INTAKE_F_EXTRAS,
    REFERRAL_INTAKE_FIELDS
} referral_intake_field_e;


#define REFERRAL_INTAKE_RIGHT_ID                                              \
    "1 to 128 characters of ASCII without blanks: \"!\" to \"~\""
#define REFERRAL_INTAKE_RIGHT_WORD                                            \
    "1 to 32 of a-z, 0-9, \"_\", \".\", \"-\""
#define REFERRAL_INTAKE_RIGHT_HASH                                            \
    "a SHA-256 as 64 hexadecimal digits"
#define REFERRAL_INTAKE_RIGHT_AMOUNT                                          \
    "a whole number of the minor unit, 0 to 9007199254740991: 12.34 EUR is "  \
    "1234, 1234 JPY is 1234"
#define REFERRAL_INTAKE_RIGHT_TIME                                            \
    "a moment with its offset, as RFC 3339 has it: \"2026-11-27T10:30:00Z\""

#define REFERRAL_INTAKE_SEEN(r, field)  ((r)->seen & 1U << (field))


static const referral_intake_field_t
    referral_intake_fields[REFERRAL_INTAKE_FIELDS] =
{
    { referral_string("type"), referral_intake_set_type,
      REFERRAL_EVENT_TEXT_TYPE, REFERRAL_EVENT_TYPE_MAX,
      "lead, sale, refund, update, cancel, or a word of your own: 1 to 32 of "
      "a-z, 0-9, \"_\", \".\"" },

    { referral_string("event_id"), referral_intake_set_text,
      REFERRAL_EVENT_TEXT_ID, REFERRAL_EVENT_ID_MAX,
      REFERRAL_INTAKE_RIGHT_ID },

    { referral_string("customer"), referral_intake_set_text,
      REFERRAL_EVENT_TEXT_CUSTOMER, REFERRAL_EVENT_ID_MAX,
      REFERRAL_INTAKE_RIGHT_ID },

    { referral_string("order_id"), referral_intake_set_text,
      REFERRAL_EVENT_TEXT_ORDER, REFERRAL_EVENT_ID_MAX,
      REFERRAL_INTAKE_RIGHT_ID },

    { referral_string("click_id"), referral_intake_set_click,
      REFERRAL_EVENT_CLICK_ID, REFERRAL_CLICK_ID_LEN,
      "a click id as the landing page got it: a UUID of version 7" },

    { referral_string("code"), referral_intake_set_text,
      REFERRAL_EVENT_TEXT_CODE, REFERRAL_CODE_MAX,
      "1 to 64 of A-Z, a-z, 0-9, \"_\", \"-\"" },

    { referral_string("amount"), referral_intake_set_amount,
      REFERRAL_EVENT_AMOUNT, 0, REFERRAL_INTAKE_RIGHT_AMOUNT },

    { referral_string("currency"), referral_intake_set_unit,
      REFERRAL_EVENT_TEXT_UNIT, 0,
      "a currency of ISO 4217, such as \"EUR\", or a unit of the program's "
      "own" },

    { referral_string("total_refunded"), referral_intake_set_amount,
      REFERRAL_EVENT_REFUNDED, 0, REFERRAL_INTAKE_RIGHT_AMOUNT },

    { referral_string("quantity"), referral_intake_set_quantity,
      0, 0, "a whole number, 1 to 1000000" },

    { referral_string("product"), referral_intake_set_product,
      0, REFERRAL_SEGMENT_MAX, REFERRAL_INTAKE_RIGHT_WORD },

    { referral_string("role"), referral_intake_set_text,
      REFERRAL_EVENT_TEXT_ROLE, REFERRAL_SEGMENT_MAX,
      REFERRAL_INTAKE_RIGHT_WORD },

    { referral_string("parties"), referral_intake_set_party,
      0, REFERRAL_EVENT_ID_MAX, REFERRAL_INTAKE_RIGHT_ID },

    { referral_string("segment"), referral_intake_set_text,
      REFERRAL_EVENT_TEXT_SEGMENT, REFERRAL_SEGMENT_MAX,
      REFERRAL_INTAKE_RIGHT_WORD },

    { referral_string("at"), referral_intake_set_time,
      REFERRAL_EVENT_AT_GIVEN, 64, REFERRAL_INTAKE_RIGHT_TIME },

    { referral_string("order_at"), referral_intake_set_time,
      REFERRAL_EVENT_ORDER_AT, 64, REFERRAL_INTAKE_RIGHT_TIME },

    { referral_string("new"), referral_intake_set_new,
      0, 0, "1 for a new customer, 0 for a known one" },

    { referral_string("email_hash"), referral_intake_set_lower,
      REFERRAL_EVENT_TEXT_EMAIL_HASH, REFERRAL_EVENT_HASH_LEN,
      REFERRAL_INTAKE_RIGHT_HASH },

    { referral_string("payment_hash"), referral_intake_set_lower,
      REFERRAL_EVENT_TEXT_PAYMENT_HASH, REFERRAL_EVENT_HASH_LEN,
      REFERRAL_INTAKE_RIGHT_HASH },

    { referral_string("email_domain"), referral_intake_set_lower,
      REFERRAL_EVENT_TEXT_EMAIL_DOMAIN, REFERRAL_EVENT_DOMAIN_MAX,
      "what stands behind the \"@\", such as \"example.com\"" },

    { referral_string("country"), referral_intake_set_text,
      REFERRAL_EVENT_TEXT_COUNTRY, 2,
      "two capitals, as ISO 3166 has them: \"JP\"" },

    { referral_string("city"), referral_intake_set_text,
      REFERRAL_EVENT_TEXT_CITY, REFERRAL_EVENT_CITY_MAX,
      "UTF-8 without control characters" },

    { referral_string("x"), NULL, 0, 0, "" }
};


const referral_intake_field_t *
referral_intake_find(referral_intake_reader_t *r, const referral_str_t *name)
{
    unsigned                        i;
    const referral_intake_field_t  *field;

    for (i = 0; i < REFERRAL_INTAKE_FIELDS; i++) {
        field = &referral_intake_fields[i];

        if (referral_str_eq(&field->name, name)) {
            return field;
        }
    }

    referral_intake_unknown(r, name);

    return NULL;
}


unsigned
referral_intake_shape(const referral_intake_field_t *field)
{
    switch (field - referral_intake_fields) {

    case REFERRAL_INTAKE_F_PRODUCT:
    case REFERRAL_INTAKE_F_PARTIES:
        return REFERRAL_INTAKE_LIST;

    case REFERRAL_INTAKE_F_EXTRAS:
        return REFERRAL_INTAKE_EXTRAS;
    }

    return REFERRAL_INTAKE_SCALAR;
}


/* a name that is nearly right is told */

static void
referral_intake_unknown(referral_intake_reader_t *r,
    const referral_str_t *name)
{
    u_char           detail[64];
    unsigned         i, n, near, least;
    referral_buf_t   b;
    referral_str_t   text, copy;

    static const char  head[] = "there is no such field: is \"";

    near = 0;
    least = (unsigned) name->len;

    /* of a few: a guess takes longer than the rest of the event */

    for (i = 0;
         i < REFERRAL_INTAKE_F_EXTRAS && name->len <= REFERRAL_INTAKE_NEAR
         && r->item->told < REFERRAL_INTAKE_GUESSES
         && r->in->told < REFERRAL_INTAKE_TOLD;
         i++)
    {
        n = referral_intake_distance(name, &referral_intake_fields[i].name);

        if (n < least) {
            least = n;
            near = i;
        }
    }

    if (least > 2 || least * 2 >= name->len) {
        referral_intake_mistake(r, name, "unknown_field",
                                "there is no such field; what is the shop's "
                                "own stands in \"x\"");
        return;
    }

    referral_buf_init(&b, detail, sizeof(detail));

    referral_buf_put(&b, head, sizeof(head) - 1);
    referral_buf_str(&b, &referral_intake_fields[near].name);
    referral_buf_put(&b, "\" meant", sizeof("\" meant"));

    text.data = b.start;
    text.len = b.pos - b.start;

    referral_intake_copy(r->in, &copy, &text);

    if (!r->in->failed) {
        referral_intake_mistake(r, name, "unknown_field", (char *) copy.data);
    }
}


/* Levenshtein's: how many letters are to be changed, put in or taken out */

static unsigned
referral_intake_distance(const referral_str_t *a, const referral_str_t *b)
{
    u_char    row[REFERRAL_INTAKE_NEAR + 1], last, above, n;
    size_t    i, j;

    for (i = 0; i <= a->len; i++) {
        row[i] = (u_char) i;
    }

    for (j = 0; j < b->len; j++) {
        last = row[0];
        row[0] = (u_char) (j + 1);

        for (i = 0; i < a->len; i++) {
            above = row[i + 1];
            n = last + (a->data[i] != b->data[j]);

            if (row[i] + 1 < n) {
                n = row[i] + 1;
            }

            if (above + 1 < n) {
                n = above + 1;
            }

            row[i + 1] = n;
            last = above;
        }
    }

    return row[a->len];
}


void
referral_intake_set(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    uint32_t  bit;

    if (v->kind <= REFERRAL_INTAKE_DIGITS && v->text.len == 0) {
        return;
    }

    bit = 1U << (field - referral_intake_fields);

    if ((r->seen & bit)
        && referral_intake_shape(field) == REFERRAL_INTAKE_SCALAR)
    {
        referral_intake_mistake(r, &field->name, "duplicate",
                                "a field stands once");
        return;
    }

    r->seen |= bit;

    field->set(r, field, v);
}


/* REFERRAL_DECLINED, and a mistake: it is no text, or a longer one */

static int
referral_intake_text(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    if (v->kind == REFERRAL_INTAKE_NUMBER) {
        referral_intake_mistake(r, &field->name, "wrong_type",
                                "a text in quotes: \"17\", not 17");
        return REFERRAL_DECLINED;
    }

    if (v->kind > REFERRAL_INTAKE_DIGITS) {
        referral_intake_mistake(r, &field->name, "wrong_type", field->right);
        return REFERRAL_DECLINED;
    }

    if (field->max && v->text.len > field->max) {
        referral_intake_mistake(r, &field->name, "too_long", field->right);
        return REFERRAL_DECLINED;
    }

    return REFERRAL_OK;
}


static void
referral_intake_set_text(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    referral_str_t  *text;

    if (referral_intake_text(r, field, v) != REFERRAL_OK) {
        return;
    }

    if (!referral_event_text_valid(field->text, &v->text)) {
        referral_intake_mistake(r, &field->name, "format", field->right);
        return;
    }

    text = &r->item->event.text[field->text];

    referral_intake_copy(r->in, text, &v->text);

    if (field->text == REFERRAL_EVENT_TEXT_CODE && r->conf->fold) {
        referral_str_lower(text);
    }
}


static void
referral_intake_set_type(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    unsigned  type;

    if (referral_intake_text(r, field, v) != REFERRAL_OK) {
        return;
    }

    if (referral_event_type_reserved(&v->text)) {
        referral_intake_mistake(r, &field->name, "reserved",
                                "the program keeps this word for itself: "
                                "take another");
        return;
    }

    type = referral_event_type(&v->text);

    if (r->conf->trust == REFERRAL_TRUST_BROWSER
        && type != REFERRAL_EVENT_LEAD && type != REFERRAL_EVENT_CUSTOM)
    {
        referral_intake_mistake(r, &field->name, "not_allowed",
                                "a browser may say \"lead\" or a word of your "
                                "own; what is about money is said by the "
                                "shop's server");
        return;
    }

    referral_intake_set_text(r, field, v);
}


static void
referral_intake_set_unit(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    size_t                   i;
    const referral_str_t    *name;
    const referral_unit_t   *unit;

    if (referral_intake_text(r, field, v) != REFERRAL_OK) {
        return;
    }

    name = &v->text;

    if (!referral_unit_valid(name)) {
        referral_intake_mistake(r, &field->name, "unit",
                                referral_unit_wrong(name));
        return;
    }

    unit = r->conf->unit;

    if (unit != NULL && referral_unit_iso(name) < 0) {

        for (i = 0; i < r->conf->units; i++) {
            if (referral_str_eq(&unit[i].name, name)) {
                break;
            }
        }

        if (i == r->conf->units) {
            referral_intake_mistake(r, &field->name, "unit",
                                    "the program has no such unit, and no "
                                    "currency of ISO 4217 has this code");
            return;
        }
    }

    referral_intake_copy(r->in, &r->item->event.text[field->text], name);
}


/* what is the same in capitals */

static void
referral_intake_set_lower(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    referral_intake_value_t  lower;

    if (referral_intake_text(r, field, v) != REFERRAL_OK) {
        return;
    }

    lower = *v;

    referral_intake_copy(r->in, &lower.text, &v->text);
    referral_str_lower(&lower.text);

    referral_intake_set_text(r, field, &lower);
}


static void
referral_intake_set_click(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    referral_event_t  *event;

    if (referral_intake_text(r, field, v) != REFERRAL_OK) {
        return;
    }

    event = &r->item->event;

    if (referral_click_id_parse(event->click_id, &v->text) != REFERRAL_OK
        || !referral_event_time_valid(
                                   referral_click_id_time(event->click_id)))
    {
        referral_intake_mistake(r, &field->name, "format", field->right);
        return;
    }

    event->flags |= REFERRAL_EVENT_CLICK_ID;
}


/* REFERRAL_DECLINED, and a mistake: it is no whole number up to "max" */

static int
referral_intake_number(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v,
    int64_t max, int64_t *n)
{
    const char  *code;

    switch (v->kind) {

    case REFERRAL_INTAKE_DIGITS:
        return referral_intake_digits(r, field, &v->text, max, n);

    case REFERRAL_INTAKE_NUMBER:
        *n = v->number;

        if (*n >= 0 && *n <= max) {
            return REFERRAL_OK;
        }

        code = "range";
        break;

    case REFERRAL_INTAKE_FRACTION:
        code = "not_whole";
        break;

    default:
        code = "wrong_type";
        break;
    }

    referral_intake_mistake(r, &field->name, code, field->right);

    return REFERRAL_DECLINED;
}


static int
referral_intake_digits(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_str_t *text,
    int64_t max, int64_t *n)
{
    size_t       i;
    unsigned     points, others;
    const char  *code;

    *n = referral_str_uint(text, max);

    if (*n >= 0) {
        return REFERRAL_OK;
    }

    points = 0;
    others = 0;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] == '.' || text->data[i] == ',') {
            points++;

        } else if ((text->data[i] < '0' || text->data[i] > '9')
                   && (i || text->data[i] != '-'))
        {
            others++;
        }
    }

    code = others ? "format" : points ? "not_whole" : "range";

    referral_intake_mistake(r, &field->name, code, field->right);

    return REFERRAL_DECLINED;
}


static void
referral_intake_set_amount(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    int64_t            n;
    referral_event_t  *event;

    if (referral_intake_number(r, field, v, REFERRAL_AMOUNT_MAX, &n)
        != REFERRAL_OK)
    {
        return;
    }

    event = &r->item->event;
    event->flags |= field->text;

    if (field->text == REFERRAL_EVENT_AMOUNT) {
        event->amount = n;

    } else {
        event->refunded = n;
    }
}


static void
referral_intake_set_quantity(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    int64_t  n;

    if (referral_intake_number(r, field, v, REFERRAL_EVENT_QUANTITY_MAX, &n)
        != REFERRAL_OK)
    {
        return;
    }

    if (n == 0) {
        referral_intake_mistake(r, &field->name, "range", field->right);
        return;
    }

    r->item->event.quantity = (uint32_t) n;
}


static void
referral_intake_set_new(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    int64_t  n;

    if (v->kind == REFERRAL_INTAKE_BOOLEAN) {
        n = v->number;

    } else if (referral_intake_number(r, field, v, 1, &n) != REFERRAL_OK) {
        return;
    }

    r->item->event.flags |= REFERRAL_EVENT_NEW_SAID
                            | (n ? REFERRAL_EVENT_NEW : 0);
}


static void
referral_intake_set_time(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    referral_date_t    date;
    referral_event_t  *event;

    if (v->kind == REFERRAL_INTAKE_NUMBER) {
        referral_intake_mistake(r, &field->name, "wrong_type", field->right);
        return;
    }

    if (referral_intake_text(r, field, v) != REFERRAL_OK) {
        return;
    }

    if (referral_date_parse(&date, &v->text, 0) != REFERRAL_OK || date.local) {
        referral_intake_mistake(r, &field->name, "format", field->right);
        return;
    }

    if (date.ms > r->conf->now + REFERRAL_EVENT_AHEAD) {
        referral_intake_mistake(r, &field->name, "at_ahead",
                                "it is more than 5 minutes ahead of this "
                                "host's clock");
        return;
    }

    event = &r->item->event;
    event->flags |= field->text;

    if (field->text == REFERRAL_EVENT_AT_GIVEN) {
        event->at = date.ms;
        return;
    }

    if (!referral_event_time_valid(date.ms)) {
        referral_intake_mistake(r, &field->name, "range",
                                "a day after 1970-01-01");
        return;
    }

    event->order_at = date.ms;
}


static void
referral_intake_set_product(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    referral_event_t  *event;

    if (referral_intake_text(r, field, v) != REFERRAL_OK) {
        return;
    }

    event = &r->item->event;

    if (!referral_word_valid(&v->text)) {
        referral_intake_mistake(r, &field->name, "format", field->right);
        return;
    }

    if (event->products == REFERRAL_EVENT_PRODUCTS) {
        referral_intake_mistake(r, &field->name, "too_many", "at most 16");
        return;
    }

    referral_intake_copy(r->in, &event->product[event->products++], &v->text);
}


static void
referral_intake_set_party(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v)
{
    referral_event_t  *event;

    if (referral_intake_text(r, field, v) != REFERRAL_OK) {
        return;
    }

    event = &r->item->event;

    if (!referral_event_id_valid(&v->text)) {
        referral_intake_mistake(r, &field->name, "format", field->right);
        return;
    }

    if (event->parties == REFERRAL_EVENT_PARTIES) {
        referral_intake_mistake(r, &field->name, "too_many", "at most 8");
        return;
    }

    referral_intake_copy(r->in, &event->party[event->parties++], &v->text);
}


void
referral_intake_set_extra(referral_intake_reader_t *r,
    const referral_str_t *key, const referral_intake_value_t *v)
{
    u_char          buf[2 + REFERRAL_INTAKE_NAME];
    referral_str_t  name;

    referral_intake_extra_name(&name, buf, key);

    if (!referral_event_key_valid(key)) {
        referral_intake_mistake(r, &name, "format",
                                "a key is 1 to 64 of a-z, 0-9, \"_\"");
        return;
    }

    if (v->kind > REFERRAL_INTAKE_DIGITS) {
        referral_intake_mistake(r, &name, "wrong_type",
                                "a text in quotes: \"17\", not 17");
        return;
    }

    if (v->text.len > REFERRAL_EVENT_VALUE_MAX) {
        referral_intake_mistake(r, &name, "too_long", "at most 256 bytes");
        return;
    }

    if (!referral_event_value_valid(&v->text)) {
        referral_intake_mistake(r, &name, "format",
                                "UTF-8 without control characters");
        return;
    }

    referral_intake_put_extra(r, &name, key, &v->text);
}


/* as it is told: "x.KEY" */

static void
referral_intake_extra_name(referral_str_t *name, u_char *buf,
    const referral_str_t *key)
{
    size_t  len;

    len = key->len < REFERRAL_INTAKE_NAME ? key->len : REFERRAL_INTAKE_NAME;

    buf[0] = 'x';
    buf[1] = '.';

    if (len) {
        memcpy(buf + 2, key->data, len);
    }

    name->data = buf;
    name->len = 2 + len;
}


/* by key, so that the order of the sender means nothing */

static void
referral_intake_put_extra(referral_intake_reader_t *r,
    const referral_str_t *name, const referral_str_t *key,
    const referral_str_t *value)
{
    int                      rc;
    unsigned                 i, n;
    referral_event_t        *event;
    referral_event_extra_t   extra;

    event = &r->item->event;
    n = event->extras;
    rc = 1;

    for (i = 0; i < n; i++) {
        rc = referral_intake_compare(key, &event->extra[i].key);

        if (rc <= 0) {
            break;
        }
    }

    if (rc == 0) {
        referral_intake_mistake(r, name, "duplicate", "a key stands once");
        return;
    }

    if (n == REFERRAL_EVENT_EXTRAS) {
        referral_intake_mistake(r, name, "too_many", "at most 16 keys");
        return;
    }

    referral_intake_copy(r->in, &extra.key, key);
    referral_intake_copy(r->in, &extra.value, value);

    memmove(&event->extra[i + 1], &event->extra[i],
            (n - i) * sizeof(referral_event_extra_t));

    event->extra[i] = extra;
    event->extras++;
}


static int
referral_intake_compare(const referral_str_t *a, const referral_str_t *b)
{
    int  rc;

    rc = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);

    if (rc == 0) {
        rc = (a->len > b->len) - (a->len < b->len);
    }

    return rc;
}


void
referral_intake_finish(referral_intake_reader_t *r)
{
    if (r->in->failed) {
        return;
    }

    if (!REFERRAL_INTAKE_SEEN(r, REFERRAL_INTAKE_F_ID) && r->conf->id.len
        && referral_event_id_valid(&r->conf->id))
    {
        referral_intake_copy(r->in,
                             &r->item->event.text[REFERRAL_EVENT_TEXT_ID],
                             &r->conf->id);
        r->seen |= 1U << REFERRAL_INTAKE_F_ID;
    }

    referral_intake_finish_id(r);
    referral_intake_finish_missing(r);
    referral_intake_finish_money(r);
    referral_intake_finish_times(r);

    if (r->item->errors == NULL
        && referral_event_fingerprint(&r->item->event) != REFERRAL_OK)
    {
        r->in->failed = 1;
    }
}


/*
 * Anybody can send a browser's event, so its id is another one than that of the
 * shop's or of another visitor's event: none of these can be used up.
 */

static void
referral_intake_finish_id(referral_intake_reader_t *r)
{
    u_char                text[REFERRAL_VISITOR_LEN + 1
                               + REFERRAL_EVENT_ID_MAX];
    u_char                name[REFERRAL_EVENT_ID_MAX];
    u_char                digest[REFERRAL_SHA256_SIZE];
    referral_buf_t        b;
    referral_str_t       *id, full;

    static const referral_str_t  own
                                = referral_string(REFERRAL_INTAKE_BROWSER);

    id = &r->item->event.text[REFERRAL_EVENT_TEXT_ID];

    if (r->conf->trust != REFERRAL_TRUST_BROWSER) {

        if (id->len >= own.len && memcmp(id->data, own.data, own.len) == 0) {
            referral_intake_mistake(r,
                          &referral_intake_fields[REFERRAL_INTAKE_F_ID].name,
                          "reserved", "ids of browsers' events begin with "
                          "\"browser:\"; take another");
        }

        return;
    }

    if (id->len == 0) {
        return;
    }

    if (id->len > REFERRAL_INTAKE_BROWSER_ID) {
        referral_intake_mistake(r,
                          &referral_intake_fields[REFERRAL_INTAKE_F_ID].name,
                          "too_long", "of a browser 1 to 103 characters");
        return;
    }

    referral_buf_init(&b, text, sizeof(text));
    referral_buf_str(&b, &r->conf->visitor);
    referral_buf_putc(&b, ' ');
    referral_buf_str(&b, id);

    if (b.overflow
        || referral_digest(digest, text, b.pos - text) != REFERRAL_OK)
    {
        r->in->failed = 1;
        return;
    }

    referral_buf_init(&b, name, sizeof(name));
    referral_buf_str(&b, &own);
    referral_buf_hex(&b, digest, 8);
    referral_buf_putc(&b, ':');
    referral_buf_str(&b, id);

    full.data = name;
    full.len = b.pos - name;

    referral_intake_copy(r->in, id, &full);
}


/* what was said and is wrong is told already, and is not missing */

static void
referral_intake_finish_missing(referral_intake_reader_t *r)
{
    unsigned         needs, amount, refunded;
    referral_str_t  *type;

    type = &r->item->event.text[REFERRAL_EVENT_TEXT_TYPE];

    referral_intake_missing(r, REFERRAL_INTAKE_F_TYPE,
                            "an event says what happened: \"lead\", \"sale\"");
    referral_intake_missing(r, REFERRAL_INTAKE_F_ID,
                            "an event has an id of its own, so that sent "
                            "again it is still one event");

    if (type->len == 0) {
        return;
    }

    needs = referral_event_needs(referral_event_type(type));
    amount = REFERRAL_INTAKE_SEEN(r, REFERRAL_INTAKE_F_AMOUNT);
    refunded = REFERRAL_INTAKE_SEEN(r, REFERRAL_INTAKE_F_REFUNDED);

    if (needs & REFERRAL_EVENT_NEED_CUSTOMER) {
        referral_intake_missing(r, REFERRAL_INTAKE_F_CUSTOMER,
                                "this type needs to know whose it is");
    }

    if (needs & REFERRAL_EVENT_NEED_ORDER) {
        referral_intake_missing(r, REFERRAL_INTAKE_F_ORDER,
                                "this type is about an order");
    }

    if (needs & REFERRAL_EVENT_NEED_AMOUNT) {
        referral_intake_missing(r, REFERRAL_INTAKE_F_AMOUNT,
                                "this type has the order's amount");
    }

    if ((needs & REFERRAL_EVENT_NEED_REFUND) && !amount && !refunded) {
        referral_intake_missing(r, REFERRAL_INTAKE_F_AMOUNT,
                                "a refund has its amount, or the order's "
                                "\"total_refunded\" with it");
    }

    if ((needs & REFERRAL_EVENT_NEED_WHOSE)
        && !REFERRAL_INTAKE_SEEN(r, REFERRAL_INTAKE_F_CUSTOMER))
    {
        referral_intake_missing(r, REFERRAL_INTAKE_F_ORDER,
                                "what is cancelled is an order, or without "
                                "one the account of a \"customer\"");
    }

    if (refunded && !(needs & REFERRAL_EVENT_NEED_REFUND)
        && r->conf->trust != REFERRAL_TRUST_BROWSER)
    {
        referral_intake_mistake(r,
                   &referral_intake_fields[REFERRAL_INTAKE_F_REFUNDED].name,
                   "not_allowed", "it is a refund's");
    }
}


static void
referral_intake_finish_money(referral_intake_reader_t *r)
{
    unsigned               i, amounts;

    static const unsigned  money[] = {
        REFERRAL_INTAKE_F_AMOUNT, REFERRAL_INTAKE_F_UNIT,
        REFERRAL_INTAKE_F_REFUNDED
    };

    if (r->conf->trust == REFERRAL_TRUST_BROWSER) {

        for (i = 0; i < sizeof(money) / sizeof(money[0]); i++) {

            if (REFERRAL_INTAKE_SEEN(r, money[i])) {
                referral_intake_mistake(r,
                                   &referral_intake_fields[money[i]].name,
                                   "not_allowed",
                                   "money is said by the shop's server, never "
                                   "by a browser");
            }
        }

        return;
    }

    amounts = REFERRAL_INTAKE_SEEN(r, REFERRAL_INTAKE_F_AMOUNT)
              | REFERRAL_INTAKE_SEEN(r, REFERRAL_INTAKE_F_REFUNDED);

    if (amounts) {
        referral_intake_missing(r, REFERRAL_INTAKE_F_UNIT,
                                "an amount has its currency");
        return;
    }

    /* of a type that must have an amount it is told already */

    if (REFERRAL_INTAKE_SEEN(r, REFERRAL_INTAKE_F_UNIT)
        && !(referral_event_needs(referral_event_type(
                         &r->item->event.text[REFERRAL_EVENT_TEXT_TYPE]))
             & (REFERRAL_EVENT_NEED_AMOUNT|REFERRAL_EVENT_NEED_REFUND)))
    {
        referral_intake_missing(r, REFERRAL_INTAKE_F_AMOUNT,
                                "a currency is that of an amount");
    }
}


static void
referral_intake_finish_times(referral_intake_reader_t *r)
{
    int64_t            late;
    referral_event_t  *event;

    event = &r->item->event;
    late = r->conf->late > 0 ? r->conf->late : REFERRAL_LATE_DEFAULT;

    if ((event->flags & REFERRAL_EVENT_AT_GIVEN)
        && (event->at < r->conf->now - late * 1000
            || !referral_event_time_valid(event->at)))
    {
        referral_intake_mistake(r,
                          &referral_intake_fields[REFERRAL_INTAKE_F_AT].name,
                          "at_late",
                          "it is longer ago than the program takes events");
    }

    if ((event->flags & REFERRAL_EVENT_CLICK_ID)
        && (event->flags & REFERRAL_EVENT_AT_GIVEN
            || !REFERRAL_INTAKE_SEEN(r, REFERRAL_INTAKE_F_AT))
        && referral_click_id_time(event->click_id)
           > event->at + REFERRAL_EVENT_AHEAD)
    {
        referral_intake_mistake(r,
                       &referral_intake_fields[REFERRAL_INTAKE_F_CLICK].name,
                       "click_ahead",
                       "this click came more than 5 minutes after the event");
    }
}


static void
referral_intake_missing(referral_intake_reader_t *r, unsigned field,
    const char *detail)
{
    if (!REFERRAL_INTAKE_SEEN(r, field)) {
        referral_intake_mistake(r, &referral_intake_fields[field].name,
                                "missing", detail);
    }
}
