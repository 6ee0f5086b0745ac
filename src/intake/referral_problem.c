
#include "referral_problem.h"


/* of a result without its event_id and errors, and of an error without texts */

#define REFERRAL_PROBLEM_ITEM   256
#define REFERRAL_PROBLEM_ERROR  96


/* how the value of a fact's field is shown */

typedef enum {
    REFERRAL_PROBLEM_TEXT = 0,
    REFERRAL_PROBLEM_NUMBER,
    REFERRAL_PROBLEM_TIME,
    REFERRAL_PROBLEM_PERSON,
    REFERRAL_PROBLEM_FLAG
} referral_problem_kind_e;


typedef struct {
    referral_str_t   field;      /* in the stream */
    referral_str_t   name;       /* in JSON */
    unsigned         kind;
} referral_problem_field_t;


static referral_str_t referral_problem_title(unsigned status);
static void referral_problem_head(referral_buf_t *b, unsigned status,
    const referral_str_t *code, const referral_str_t *detail);
static void referral_problem_errors(referral_buf_t *b,
    const referral_intake_item_t *item);
static void referral_problem_more(referral_buf_t *b,
    const referral_intake_t *in);
static void referral_problem_code(referral_str_t *code,
    referral_str_t *detail, const referral_intake_item_t *item);
static void referral_problem_refused(referral_buf_t *b,
    const referral_intake_item_t *item);
static unsigned referral_problem_status(
    const referral_problem_outcome_t *outcome);
static void referral_problem_outcome(referral_buf_t *b,
    const referral_event_t *event, const referral_problem_outcome_t *outcome);
static void referral_problem_wrong(const referral_problem_outcome_t *outcome,
    referral_str_t *code, referral_str_t *detail);
static void referral_problem_name(referral_buf_t *b, const char *name);
static void referral_problem_number(referral_buf_t *b, const char *name,
    int64_t n);
static void referral_problem_flag(referral_buf_t *b, const char *name,
    unsigned flag);
static void referral_problem_text(referral_buf_t *b, const char *name,
    const referral_str_t *s);
static void referral_problem_field(referral_buf_t *b,
    const referral_problem_field_t *field, const referral_str_t *value);
static void referral_problem_time(referral_buf_t *b, int64_t ms);
static size_t referral_problem_item_max(const referral_intake_item_t *item);
static size_t referral_problem_length(const referral_str_t *s);


/* what is shown of an entry of the stream */

static const referral_problem_field_t  referral_problem_fields[] = {
    { referral_string("event"), referral_string("event_id"),
      REFERRAL_PROBLEM_TEXT },
    { referral_string("type"), referral_string("type"),
      REFERRAL_PROBLEM_TEXT },
    { referral_string("time"), referral_string("time"),
      REFERRAL_PROBLEM_TIME },
    { referral_string("at"), referral_string("at"),
      REFERRAL_PROBLEM_TIME },
    { referral_string("trust"), referral_string("trust"),
      REFERRAL_PROBLEM_TEXT },
    { referral_string("friend"), referral_string("friend"),
      REFERRAL_PROBLEM_PERSON },
    { referral_string("order"), referral_string("order_id"),
      REFERRAL_PROBLEM_TEXT },
    { referral_string("amount"), referral_string("amount"),
      REFERRAL_PROBLEM_NUMBER },
    { referral_string("unit"), referral_string("currency"),
      REFERRAL_PROBLEM_TEXT },
    { referral_string("refunded"), referral_string("total_refunded"),
      REFERRAL_PROBLEM_NUMBER },
    { referral_string("via"), referral_string("via"),
      REFERRAL_PROBLEM_TEXT },
    { referral_string("referrer"), referral_string("referrer"),
      REFERRAL_PROBLEM_PERSON },
    { referral_string("code"), referral_string("code"),
      REFERRAL_PROBLEM_TEXT },
    { referral_string("click"), referral_string("click_id"),
      REFERRAL_PROBLEM_TEXT },
    { referral_string("click_at"), referral_string("click_at"),
      REFERRAL_PROBLEM_TIME },
    { referral_string("known"), referral_string("known"),
      REFERRAL_PROBLEM_FLAG },
    { referral_string("self"), referral_string("self"),
      REFERRAL_PROBLEM_FLAG },
    { referral_string("signals"), referral_string("signals"),
      REFERRAL_PROBLEM_TEXT }
};


#define REFERRAL_PROBLEM_FIELDS                                               \
    (sizeof(referral_problem_fields) / sizeof(referral_problem_fields[0]))


void
referral_problem_put(referral_buf_t *b, unsigned status,
    const referral_str_t *code, const referral_str_t *detail)
{
    referral_problem_head(b, status, code, detail);
    referral_buf_putc(b, '}');
}


/* without the brace at the end */

static void
referral_problem_head(referral_buf_t *b, unsigned status,
    const referral_str_t *code, const referral_str_t *detail)
{
    referral_str_t  title;

    title = referral_problem_title(status);

    referral_buf_puts(b, "{\"type\":\"about:blank\",\"title\":");
    referral_problem_string(b, &title);
    referral_problem_number(b, "status", status);
    referral_problem_text(b, "code", code);
    referral_problem_text(b, "detail", detail);
}


/* as RFC 9110 and its kin have them; of those that the intake answers */

static referral_str_t
referral_problem_title(unsigned status)
{
    unsigned  i;

    static const struct {
        unsigned        status;
        referral_str_t  title;
    } titles[] = {
        { 400, referral_string("Bad Request") },
        { 401, referral_string("Unauthorized") },
        { 403, referral_string("Forbidden") },
        { 404, referral_string("Not Found") },
        { 405, referral_string("Method Not Allowed") },
        { 409, referral_string("Conflict") },
        { 411, referral_string("Length Required") },
        { 413, referral_string("Content Too Large") },
        { 415, referral_string("Unsupported Media Type") },
        { 422, referral_string("Unprocessable Content") },
        { 425, referral_string("Too Early") },
        { 429, referral_string("Too Many Requests") },
        { 500, referral_string("Internal Server Error") },
        { 503, referral_string("Service Unavailable") }
    };

    for (i = 0; i < sizeof(titles) / sizeof(titles[0]) - 1; i++) {
        if (titles[i].status == status) {
            break;
        }
    }

    return titles[i].title;
}


unsigned
referral_problem_intake(referral_buf_t *b, const referral_intake_t *in)
{
    referral_str_t                 code, detail;
    const referral_intake_item_t  *item;

    item = in->n == 1 && !in->batch ? &in->item[0] : &in->body;

    referral_problem_code(&code, &detail, item);
    referral_problem_head(b, item->status, &code, &detail);
    referral_problem_errors(b, item);
    referral_problem_more(b, in);
    referral_buf_putc(b, '}');

    return item->status;
}


/* of one mistake that is no field's it is that; else they stand in "errors" */

static void
referral_problem_code(referral_str_t *code, referral_str_t *detail,
    const referral_intake_item_t *item)
{
    if (item->errors && item->errors->next == NULL
        && item->errors->field.len == 0)
    {
        *code = item->errors->code;
        *detail = item->errors->detail;
        return;
    }

    referral_str_set(code, "invalid_event");
    referral_str_set(detail, "\"errors\" has what is wrong with the event");
}


static void
referral_problem_errors(referral_buf_t *b, const referral_intake_item_t *item)
{
    const referral_intake_error_t  *error;

    referral_problem_name(b, "errors");
    referral_buf_putc(b, '[');

    for (error = item->errors; error; error = error->next) {

        if (error != item->errors) {
            referral_buf_putc(b, ',');
        }

        referral_buf_puts(b, "{\"field\":");
        referral_problem_string(b, &error->field);
        referral_problem_text(b, "code", &error->code);
        referral_problem_text(b, "detail", &error->detail);
        referral_buf_putc(b, '}');
    }

    referral_buf_putc(b, ']');
}


void
referral_problem_results(referral_buf_t *b, const referral_intake_t *in,
    const referral_problem_outcome_t *outcome)
{
    unsigned                       i;
    const referral_intake_item_t  *item;

    referral_buf_puts(b, "{\"results\":[");

    for (i = 0; i < in->n; i++) {
        item = &in->item[i];

        if (i) {
            referral_buf_putc(b, ',');
        }

        referral_buf_puts(b, "{\"index\":");
        referral_buf_uint(b, i);

        if (item->errors) {
            referral_problem_refused(b, item);

        } else {
            referral_problem_number(b, "status",
                                    referral_problem_status(&outcome[i]));
            referral_problem_outcome(b, &item->event, &outcome[i]);
        }

        referral_buf_putc(b, '}');
    }

    referral_buf_putc(b, ']');
    referral_problem_more(b, in);
    referral_buf_putc(b, '}');
}


static void
referral_problem_more(referral_buf_t *b, const referral_intake_t *in)
{
    if (in->more) {
        referral_problem_number(b, "more", in->more);
    }
}


static void
referral_problem_refused(referral_buf_t *b, const referral_intake_item_t *item)
{
    referral_str_t         code, detail, result;
    const referral_str_t  *id;

    id = &item->event.text[REFERRAL_EVENT_TEXT_ID];

    referral_str_set(&result, "refused");
    referral_problem_code(&code, &detail, item);

    referral_problem_number(b, "status", item->status);
    referral_problem_text(b, "result", &result);

    if (id->len) {
        referral_problem_text(b, "event_id", id);
    }

    referral_problem_text(b, "code", &code);
    referral_problem_errors(b, item);
}


unsigned
referral_problem_result(referral_buf_t *b, const referral_event_t *event,
    const referral_problem_outcome_t *outcome)
{
    unsigned        status;
    referral_str_t  code, detail;

    status = referral_problem_status(outcome);

    if (status >= 400) {
        referral_problem_wrong(outcome, &code, &detail);
        referral_problem_head(b, status, &code, &detail);
        referral_problem_text(b, "event_id",
                              &event->text[REFERRAL_EVENT_TEXT_ID]);

    } else {
        referral_buf_puts(b, "{\"status\":");
        referral_buf_uint(b, status);
        referral_problem_outcome(b, event, outcome);
    }

    referral_buf_putc(b, '}');

    return status;
}


static unsigned
referral_problem_status(const referral_problem_outcome_t *outcome)
{
    switch (outcome->outcome) {

    case REFERRAL_PROBLEM_ACCEPTED:
        return 202;

    case REFERRAL_PROBLEM_RECORDED:
    case REFERRAL_PROBLEM_REPLAYED:
        return outcome->unsettled ? 202 : 200;

    case REFERRAL_PROBLEM_REUSED:
        return 422;

    default:
        return 503;
    }
}


/* what follows the status */

static void
referral_problem_outcome(referral_buf_t *b, const referral_event_t *event,
    const referral_problem_outcome_t *outcome)
{
    referral_str_t         code, detail, result, via;
    const referral_str_t  *id;

    id = &event->text[REFERRAL_EVENT_TEXT_ID];

    if (outcome->outcome == REFERRAL_PROBLEM_ACCEPTED) {
        referral_str_set(&result, "accepted");

    } else if (referral_problem_status(outcome) != 200) {
        referral_str_set(&result, "refused");

    } else if (outcome->via == REFERRAL_VIA_NONE && !outcome->gone
               && event->text[REFERRAL_EVENT_TEXT_CUSTOMER].len)
    {
        referral_str_set(&result, "unattributed");

    } else {
        referral_str_set(&result, "recorded");
    }

    referral_problem_text(b, "result", &result);
    referral_problem_text(b, "event_id", id);

    switch (outcome->outcome) {

    case REFERRAL_PROBLEM_ACCEPTED:
        break;

    case REFERRAL_PROBLEM_RECORDED:
    case REFERRAL_PROBLEM_REPLAYED:
        referral_problem_number(b, "position", outcome->position);

        if (!outcome->gone) {
            via = referral_event_via(outcome->via);

            referral_problem_text(b, "via", &via);
            referral_problem_flag(b, "known", outcome->known);
            referral_problem_flag(b, "self", outcome->self);
        }

        referral_problem_flag(b, "replayed", outcome->outcome
                                             == REFERRAL_PROBLEM_REPLAYED);
        break;

    default:
        referral_problem_wrong(outcome, &code, &detail);
        referral_problem_text(b, "code", &code);
        referral_problem_text(b, "detail", &detail);
        break;
    }
}


static void
referral_problem_wrong(const referral_problem_outcome_t *outcome,
    referral_str_t *code, referral_str_t *detail)
{
    if (outcome->outcome == REFERRAL_PROBLEM_REUSED) {
        referral_str_set(code, "id_reused");
        referral_str_set(detail, "another event has this event_id: what is "
                                 "sent again is sent as it was, what is new "
                                 "has an id of its own");
        return;
    }

    referral_str_set(code, "unavailable");
    referral_str_set(detail, "the event could not be kept: send it again");
}


size_t
referral_problem_intake_max(const referral_intake_t *in)
{
    size_t    size;
    unsigned  i;

    size = REFERRAL_PROBLEM_MAX + referral_problem_item_max(&in->body);

    for (i = 0; i < in->n; i++) {
        size += referral_problem_item_max(&in->item[i]);
    }

    return size;
}


/* the detail of a single mistake may stand above once more */

static size_t
referral_problem_item_max(const referral_intake_item_t *item)
{
    size_t                          size, detail;
    const referral_intake_error_t  *error;

    size = REFERRAL_PROBLEM_ITEM + REFERRAL_PROBLEM_ITEM
           + referral_problem_length(&item->event.text[REFERRAL_EVENT_TEXT_ID]);

    for (error = item->errors; error; error = error->next) {
        detail = referral_problem_length(&error->detail);

        size += REFERRAL_PROBLEM_ERROR + referral_problem_length(&error->field)
                + referral_problem_length(&error->code) + detail;

        if (error == item->errors && error->next == NULL) {
            size += error->code.len + detail;
        }
    }

    return size;
}


/* bytes of a string of JSON, or some more */

static size_t
referral_problem_length(const referral_str_t *s)
{
    size_t  i, n;

    n = s->len;

    for (i = 0; i < s->len; i++) {

        /* a byte from 0x80 on may be none of UTF-8 */

        if (s->data[i] < 0x20 || s->data[i] >= 0x7f) {
            n += 5;

        } else if (s->data[i] == '"' || s->data[i] == '\\') {
            n++;
        }
    }

    return n;
}


void
referral_problem_fact(referral_buf_t *b, int64_t position,
    const referral_str_t *pair, size_t n)
{
    size_t                           i, j;
    unsigned                         credited, customer;
    referral_str_t                   result;
    const referral_problem_field_t  *field;

    credited = 0;
    customer = 0;

    for (i = 0; i < n; i++) {
        credited |= referral_str_is(&pair[2 * i], "referrer")
                    && pair[2 * i + 1].len;
        customer |= referral_str_is(&pair[2 * i], "friend")
                    && pair[2 * i + 1].len;
    }

    if (customer && !credited) {
        referral_str_set(&result, "unattributed");

    } else {
        referral_str_set(&result, "recorded");
    }

    referral_buf_puts(b, "{\"status\":200");
    referral_problem_text(b, "result", &result);
    referral_problem_number(b, "position", position);

    for (i = 0; i < n; i++) {

        if (pair[2 * i + 1].len == 0) {
            continue;
        }

        for (j = 0; j < REFERRAL_PROBLEM_FIELDS; j++) {
            field = &referral_problem_fields[j];

            if (referral_str_eq(&field->field, &pair[2 * i])) {
                referral_problem_field(b, field, &pair[2 * i + 1]);
            }
        }
    }

    referral_buf_putc(b, '}');
}


/* what is no number is shown as it stands there: somebody has edited it */

static void
referral_problem_field(referral_buf_t *b,
    const referral_problem_field_t *field, const referral_str_t *value)
{
    int64_t  n;

    referral_problem_name(b, (char *) field->name.data);

    n = field->kind == REFERRAL_PROBLEM_TEXT
        ? REFERRAL_ERROR : referral_str_uint(value, INT64_MAX);

    if (n < 0) {
        referral_problem_string(b, value);
        return;
    }

    switch (field->kind) {

    case REFERRAL_PROBLEM_NUMBER:
        referral_buf_uint(b, (uint64_t) n);
        return;

    case REFERRAL_PROBLEM_TIME:
        referral_problem_time(b, n);
        return;

    case REFERRAL_PROBLEM_PERSON:
        referral_buf_puts(b, "\"u");
        referral_buf_uint(b, (uint64_t) n);
        referral_buf_putc(b, '"');
        return;

    default:
        if (n) {
            referral_buf_puts(b, "true");

        } else {
            referral_buf_puts(b, "false");
        }

        return;
    }
}


/* "2026-11-22T13:05:09.123Z" */

static void
referral_problem_time(referral_buf_t *b, int64_t ms)
{
    u_char  text[REFERRAL_SECOND_LEN];

    referral_time_second(text, ms);

    referral_buf_putc(b, '"');
    referral_buf_put(b, text, REFERRAL_SECOND_LEN - 1);
    referral_buf_putc(b, '.');
    referral_buf_putc(b, (u_char) ('0' + ms / 100 % 10));
    referral_buf_putc(b, (u_char) ('0' + ms / 10 % 10));
    referral_buf_putc(b, (u_char) ('0' + ms % 10));
    referral_buf_puts(b, "Z\"");
}


static void
referral_problem_name(referral_buf_t *b, const char *name)
{
    referral_buf_puts(b, ",\"");
    referral_buf_put(b, name, strlen(name));
    referral_buf_puts(b, "\":");
}


static void
referral_problem_number(referral_buf_t *b, const char *name, int64_t n)
{
    referral_problem_name(b, name);
    referral_buf_uint(b, n < 0 ? 0 : (uint64_t) n);
}


static void
referral_problem_flag(referral_buf_t *b, const char *name, unsigned flag)
{
    referral_problem_name(b, name);

    if (flag) {
        referral_buf_puts(b, "true");

    } else {
        referral_buf_puts(b, "false");
    }
}


static void
referral_problem_text(referral_buf_t *b, const char *name,
    const referral_str_t *s)
{
    referral_problem_name(b, name);
    referral_problem_string(b, s);
}


void
referral_problem_string(referral_buf_t *b, const referral_str_t *s)
{
    u_char         *p;
    int32_t         c;
    referral_str_t  left;

    left = *s;

    referral_buf_putc(b, '"');

    while (left.len) {
        p = left.data;
        c = referral_utf8_next(&left);

        if (c < 0) {
            referral_buf_puts(b, "\xef\xbf\xbd");

        } else if (c == '"' || c == '\\') {
            referral_buf_putc(b, '\\');
            referral_buf_putc(b, (u_char) c);

        } else if (c < 0x20 || c == 0x7f) {
            referral_buf_puts(b, "\\u00");
            referral_buf_hex(b, p, 1);

        } else {
            referral_buf_put(b, p, left.data - p);
        }
    }

    referral_buf_putc(b, '"');
}
