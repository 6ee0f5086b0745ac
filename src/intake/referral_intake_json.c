
/*
 * The fields of a JSON object.  jansson refuses what is no UTF-8, what is no
 * character, NUL, and a key that comes twice.
 */

#include <jansson.h>

#include "referral_intake_core.h"


/* how a message of jansson's begins, and what is told in its place */

typedef struct {
    const char  *begins;
    const char  *words;
} referral_intake_json_syntax_t;


static void referral_intake_json_failed(referral_intake_reader_t *r,
    const referral_str_t *text, json_error_t *error);
static const char *referral_intake_json_words(const json_error_t *error);
static void referral_intake_json_wrong(referral_intake_reader_t *r,
    const referral_str_t *text, const json_error_t *error,
    const referral_str_t *field, const char *code, const char *what);
static void referral_intake_json_key(referral_str_t *key,
    const referral_str_t *text, size_t position);
static void referral_intake_json_field(referral_intake_reader_t *r,
    const referral_str_t *name, json_t *json);
static void referral_intake_json_list(referral_intake_reader_t *r,
    const referral_intake_field_t *field, json_t *json);
static void referral_intake_json_extras(referral_intake_reader_t *r,
    const referral_str_t *name, json_t *json);
static int referral_intake_json_value(referral_intake_value_t *v,
    json_t *json);


void
referral_intake_json(referral_intake_reader_t *r, const referral_str_t *text)
{
    json_t          *root, *value;
    const char      *key;
    json_error_t     error;
    referral_str_t   name;

    root = json_loadb((char *) text->data, text->len, JSON_REJECT_DUPLICATES,
                      &error);
    if (root == NULL) {
        referral_intake_json_failed(r, text, &error);
        return;
    }

    if (!json_is_object(root)) {
        referral_intake_wrong(r->in, r->item, 400, NULL, "wrong_type",
                              "an event is a JSON object");
    }

    json_object_foreach(root, key, value) {
        name.data = (u_char *) key;
        name.len = strlen(key);

        referral_intake_json_field(r, &name, value);
    }

    json_decref(root);
}


static void
referral_intake_json_failed(referral_intake_reader_t *r,
    const referral_str_t *text, json_error_t *error)
{
    referral_str_t  key;

    switch (json_error_code(error)) {

    case json_error_out_of_memory:
        r->in->failed = 1;
        return;

    case json_error_duplicate_key:
        referral_intake_json_key(&key, text, error->position);
        referral_intake_json_wrong(r, text, error, &key, "duplicate",
                                   "a field stands once");
        return;

    case json_error_numeric_overflow:
        referral_intake_json_wrong(r, text, error, NULL, "range",
                                   "a number that is too large: numbers are "
                                   "whole, 0 to 9007199254740991");
        return;

    case json_error_stack_overflow:
        referral_intake_json_wrong(r, text, error, NULL, "nesting",
                                   "an event has lists and \"x\", and nothing "
                                   "in these");
        return;

    case json_error_invalid_utf8:
        referral_intake_json_wrong(r, text, error, NULL, "encoding",
                                   "JSON is in UTF-8, and this is none");
        return;

    case json_error_null_character:
    case json_error_null_byte_in_key:
        referral_intake_json_wrong(r, text, error, NULL, "encoding",
                                   "\\u0000 may not stand in a text");
        return;

    case json_error_premature_end_of_input:
        referral_intake_json_wrong(r, text, error, NULL, "syntax",
                                   "JSON that ends before its object does");
        return;

    case json_error_end_of_input_expected:
        referral_intake_json_wrong(r, text, error, NULL, "syntax",
                                   "one object is expected: several stand in "
                                   "an array, or one a line as "
                                   "application/x-ndjson");
        return;

    default:
        referral_intake_json_wrong(r, text, error, NULL, "syntax",
                                   referral_intake_json_words(error));
        return;
    }
}


/*
 * One code of jansson's stands for all of these.  Its message itself is not
 * told, since it repeats bytes of the body.
 */

static const char *
referral_intake_json_words(const json_error_t *error)
{
    size_t  i;

    static const referral_intake_json_syntax_t  syntax[] = {
        { "unexpected newline",
          "a text ends on its line: a line break in it is \\n" },
        { "control character",
          "a control character in a text is written as \\t or \\u001f" },
        { "invalid escape",
          "\\ in a text is followed by one of \" \\ / b f n r t, or by u and "
          "four hexadecimal digits" },
        { "invalid Unicode",
          "half a character: one beyond \\uffff is a pair, such as "
          "\\ud83d\\ude00" },
        { "invalid token",
          "neither a text in double quotes, nor a number, true, false or "
          "null" },
        { "unexpected token",
          "a value is expected: a text, a number, true, false or null" },
        { "string or '}' expected",
          "a field's name in double quotes is expected; behind the last "
          "field stands no comma" },
        { "':' expected",
          "\":\" is expected between a field's name and its value" },
        { "'}' expected",
          "\",\" or \"}\" is expected after a field's value" },
        { "']' expected",
          "\",\" or \"]\" is expected after a value of a list" },
        { "'[' or '{' expected", "a JSON object is expected" }
    };

    for (i = 0; i < sizeof(syntax) / sizeof(syntax[0]); i++) {
        if (strncmp(error->text, syntax[i].begins, strlen(syntax[i].begins))
            == 0)
        {
            return syntax[i].words;
        }
    }

    return "this is no JSON";
}


static void
referral_intake_json_wrong(referral_intake_reader_t *r,
    const referral_str_t *text, const json_error_t *error,
    const referral_str_t *field, const char *code, const char *what)
{
    const char  *detail;

    detail = referral_intake_at(r->in, what, text->data, error->line,
                                error->column);

    if (detail != NULL) {
        referral_intake_wrong(r->in, r->item, 400, field, code, detail);
    }
}


/* jansson tells where the key ends that came again, not which one it is */

static void
referral_intake_json_key(referral_str_t *key, const referral_str_t *text,
    size_t position)
{
    size_t  start;

    key->len = 0;
    key->data = text->data;

    if (position < 2 || position > text->len
        || text->data[position - 1] != '"')
    {
        return;
    }

    for (start = position - 2; start; start--) {

        if (text->data[start] == '"' && text->data[start - 1] != '\\') {
            key->data = text->data + start + 1;
            key->len = position - 1 - (start + 1);
            return;
        }
    }
}


static void
referral_intake_json_field(referral_intake_reader_t *r,
    const referral_str_t *name, json_t *json)
{
    referral_intake_value_t         v;
    const referral_intake_field_t  *field;

    field = referral_intake_find(r, name);

    if (field == NULL || json_is_null(json)) {
        return;
    }

    switch (referral_intake_shape(field)) {

    case REFERRAL_INTAKE_LIST:
        referral_intake_json_list(r, field, json);
        return;

    case REFERRAL_INTAKE_EXTRAS:
        referral_intake_json_extras(r, name, json);
        return;

    default:
        (void) referral_intake_json_value(&v, json);
        referral_intake_set(r, field, &v);
        return;
    }
}


/* one text is a list of one */

static void
referral_intake_json_list(referral_intake_reader_t *r,
    const referral_intake_field_t *field, json_t *json)
{
    size_t                    i;
    json_t                   *entry;
    referral_intake_value_t   v;

    if (!json_is_array(json)) {
        (void) referral_intake_json_value(&v, json);
        referral_intake_set(r, field, &v);
        return;
    }

    json_array_foreach(json, i, entry) {
        if (referral_intake_json_value(&v, entry) == REFERRAL_OK) {
            referral_intake_set(r, field, &v);
        }
    }
}


static void
referral_intake_json_extras(referral_intake_reader_t *r,
    const referral_str_t *name, json_t *json)
{
    json_t                   *value;
    const char               *text;
    referral_str_t            key;
    referral_intake_value_t   v;

    if (!json_is_object(json)) {
        referral_intake_mistake(r, name, "wrong_type",
                                "an object of texts: {\"plan\":\"gold\"}");
        return;
    }

    json_object_foreach(json, text, value) {
        key.data = (u_char *) text;
        key.len = strlen(text);

        if (referral_intake_json_value(&v, value) == REFERRAL_OK) {
            referral_intake_set_extra(r, &key, &v);
        }
    }
}


/* REFERRAL_DECLINED: null, which is as if it were not there */

static int
referral_intake_json_value(referral_intake_value_t *v, json_t *json)
{
    v->number = 0;
    v->text.len = 0;
    v->text.data = NULL;

    switch (json_typeof(json)) {

    case JSON_STRING:
        v->kind = REFERRAL_INTAKE_TEXT;
        v->text.data = (u_char *) json_string_value(json);
        v->text.len = json_string_length(json);
        break;

    case JSON_INTEGER:
        v->kind = REFERRAL_INTAKE_NUMBER;
        v->number = json_integer_value(json);
        break;

    case JSON_REAL:
        v->kind = REFERRAL_INTAKE_FRACTION;
        break;

    case JSON_TRUE:
    case JSON_FALSE:
        v->kind = REFERRAL_INTAKE_BOOLEAN;
        v->number = json_is_true(json);
        break;

    case JSON_NULL:
        return REFERRAL_DECLINED;

    default:
        v->kind = REFERRAL_INTAKE_NESTED;
        break;
    }

    return REFERRAL_OK;
}
