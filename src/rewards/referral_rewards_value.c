#include "referral_code.h"
#include "referral_name.h"
#include "referral_rewards_core.h"


#define REFERRAL_REWARDS_NUMBER_MAX    1000000
#define REFERRAL_REWARDS_DURATION_MAX  (3650 * 86400LL)
#define REFERRAL_REWARDS_SCORE_MAX     1000
#define REFERRAL_REWARDS_FACTOR_MAX    (1000 * REFERRAL_REWARDS_FACTOR)
#define REFERRAL_REWARDS_CITY_MAX      64
#define REFERRAL_REWARDS_KEY_MAX       64

#define referral_rewards_field(r, type)                                       \
    ((type *) ((u_char *) (r)->line + (r)->row->field))


static void referral_rewards_single(referral_rewards_read_t *r,
    const referral_str_t *value);
static void referral_rewards_listed(referral_rewards_read_t *r,
    const referral_pair_t *pair);
static const char *referral_rewards_item(unsigned type,
    const referral_str_t *value);
static referral_rewards_list_t *referral_rewards_list(
    referral_rewards_read_t *r, const referral_pair_t *pair);
static int referral_rewards_key_valid(const referral_str_t *key);
static void referral_rewards_add(referral_rewards_read_t *r,
    referral_rewards_list_t *list, const referral_str_t *text,
    unsigned negated, unsigned rule);
static void referral_rewards_on(referral_rewards_read_t *r,
    const referral_str_t *value);
static void referral_rewards_range(referral_rewards_read_t *r,
    const referral_str_t *value);
static void referral_rewards_time(referral_rewards_read_t *r,
    const referral_str_t *value);
static void referral_rewards_do(referral_rewards_read_t *r,
    const referral_str_t *value);
static void referral_rewards_pay(referral_rewards_read_t *r,
    const referral_str_t *value);
static void referral_rewards_pick(referral_rewards_read_t *r,
    const referral_str_t *value);
static void referral_rewards_set(referral_rewards_read_t *r,
    const referral_str_t *value);
static void referral_rewards_unit(referral_rewards_read_t *r,
    const referral_str_t *value);
static int referral_rewards_event(const referral_str_t *s);
static int referral_rewards_prefix(const referral_str_t *value,
    const char *prefix, referral_str_t *rest);
static referral_str_t referral_rewards_text(const char *s);


static const char  referral_rewards_name_right[] =
    "a name is 1 to 32 of a-z 0-9 _ . -";
static const char  referral_rewards_event_right[] =
    "an event is 1 to 32 of a-z 0-9 _ ., such as lead, sale or a name of "
    "your own";


void
referral_rewards_value(referral_rewards_read_t *r, const referral_pair_t *pair)
{
    r->values++;

    if (r->skip) {
        return;
    }

    switch (r->row->type) {

    case REFERRAL_REWARDS_T_CITY:
    case REFERRAL_REWARDS_T_CODE:
    case REFERRAL_REWARDS_T_COUNTRY:
    case REFERRAL_REWARDS_T_PARTY:
    case REFERRAL_REWARDS_T_REGION:
    case REFERRAL_REWARDS_T_TEXT:
        referral_rewards_listed(r, pair);
        return;

    case REFERRAL_REWARDS_T_WORDS:

        if (r->row->word != REFERRAL_REWARDS_RULES || !pair->negated) {
            referral_rewards_listed(r, pair);
            return;
        }

        break;

    default:
        break;
    }

    if (pair->negated) {
        referral_rewards_wrong(r, "! negates words that a line compares with, "
                               "such as product=!gift or country=!JP");
        r->skip = 1;
        return;
    }

    if (r->row->type == REFERRAL_REWARDS_T_ON) {
        referral_rewards_on(r, &pair->value);
        return;
    }

    if (r->row->type == REFERRAL_REWARDS_T_GIFT) {
        r->skip = (referral_rewards_gift(r, &pair->value) != REFERRAL_OK);
        return;
    }

    if (!pair->first) {
        referral_rewards_wrong(r, "one value without a comma");
        r->skip = 1;
        return;
    }

    referral_rewards_single(r, &pair->value);
}


static void
referral_rewards_single(referral_rewards_read_t *r,
    const referral_str_t *value)
{
    int64_t  n;

    switch (r->row->type) {

    case REFERRAL_REWARDS_T_AMOUNT:
        (void) referral_rewards_amount(r,
                      referral_rewards_field(r, referral_rewards_amount_t),
                      value);
        return;

    case REFERRAL_REWARDS_T_CHOICE:
        referral_rewards_pick(r, value);
        return;

    case REFERRAL_REWARDS_T_DO:
        referral_rewards_do(r, value);
        return;

    case REFERRAL_REWARDS_T_PAY:
        referral_rewards_pay(r, value);
        return;

    case REFERRAL_REWARDS_T_RANGE:
        referral_rewards_range(r, value);
        return;

    case REFERRAL_REWARDS_T_NUMBER:
        n = referral_str_uint(value, REFERRAL_REWARDS_NUMBER_MAX);

        if (n < 1) {
            referral_rewards_wrong(r, "a whole number from 1 to 1000000");
            return;
        }

        *referral_rewards_field(r, uint32_t) = (uint32_t) n;
        return;

    case REFERRAL_REWARDS_T_FACTOR:

        if (referral_rewards_decimal(referral_rewards_field(r, uint32_t),
                                     value, 3, REFERRAL_REWARDS_FACTOR_MAX)
            != REFERRAL_OK)
        {
            referral_rewards_wrong(r, "a factor above 0, up to 1000, with at "
                                   "most 3 decimals, such as 2 or 1.5");
        }

        return;

    case REFERRAL_REWARDS_T_NAME:

        if (!referral_word_valid(value)) {
            referral_rewards_wrong(r, referral_rewards_name_right);
            return;
        }

        *referral_rewards_field(r, referral_str_t) = *value;
        return;

    case REFERRAL_REWARDS_T_EVENT:

        if (!referral_rewards_event(value)) {
            referral_rewards_wrong(r, referral_rewards_event_right);
            return;
        }

        *referral_rewards_field(r, referral_str_t) = *value;
        return;

    default:
        referral_rewards_time(r, value);
    }
}


/* durations and dates */

static void
referral_rewards_time(referral_rewards_read_t *r, const referral_str_t *value)
{
    int              last;
    int64_t          seconds;
    referral_str_t   event;

    if (r->row->type == REFERRAL_REWARDS_T_STARTS
        || r->row->type == REFERRAL_REWARDS_T_ENDS)
    {
        last = (r->row->type == REFERRAL_REWARDS_T_ENDS);

        if (referral_date_parse(referral_rewards_field(r, referral_date_t),
                                value, last)
            != REFERRAL_OK)
        {
            referral_rewards_wrong(r, "a date without spaces, like "
                                   REFERRAL_DATE_RIGHT);
        }

        return;
    }

    if (r->row->type == REFERRAL_REWARDS_T_HOLD
        && referral_rewards_prefix(value, "until:", &event))
    {
        if (referral_rewards_event(&event)) {
            r->line->until = event;

        } else {
            referral_rewards_wrong(r, referral_rewards_event_right);
        }

        return;
    }

    if (value->data[value->len - 1] < 'a'
        || referral_duration_parse(&seconds, value,
                                   REFERRAL_REWARDS_DURATION_MAX)
           != REFERRAL_OK)
    {
        referral_rewards_wrong(r, r->row->type == REFERRAL_REWARDS_T_HOLD
            ? "a duration of at most 3650 days, such as 7d, 12h or 90m, or an "
              "event: until:checkout"
            : "a duration of at most 3650 days, such as 7d, 12h, 90m or 45s");
        return;
    }

    *referral_rewards_field(r, int64_t) = seconds * 1000;
}


static void
referral_rewards_range(referral_rewards_read_t *r, const referral_str_t *value)
{
    u_char                    *dash;
    int64_t                    from, to;
    referral_str_t             s;
    referral_rewards_range_t  *range;

    dash = memchr(value->data, '-', value->len);

    s = *value;

    if (dash) {
        s.len = dash - value->data;
    }

    from = referral_str_uint(&s, REFERRAL_REWARDS_NUMBER_MAX);
    to = from;

    if (dash) {
        s.data = dash + 1;
        s.len = value->data + value->len - s.data;

        to = s.len ? referral_str_uint(&s, REFERRAL_REWARDS_NUMBER_MAX) : 0;
    }

    if (from < 1 || to < 0 || (to && to < from)
        || (dash && s.len && to == 0))
    {
        referral_rewards_wrong(r, "a number from 1 or a range of them: 3, 1-2 "
                               "or 6- for \"6 and more\"");
        return;
    }

    range = referral_rewards_field(r, referral_rewards_range_t);

    range->from = (uint32_t) from;
    range->to = (uint32_t) to;
}


static void
referral_rewards_pick(referral_rewards_read_t *r, const referral_str_t *value)
{
    int             n;
    u_char          list[128], *p;
    const char     *values;
    referral_str_t  right;

    values = r->row->values;
    n = referral_rewards_choice(values, value);

    if (n >= 0) {
        *referral_rewards_field(r, uint8_t) = (uint8_t) n;
        return;
    }

    for (p = list; *values && p < list + sizeof(list) - 2; values++) {

        if (*values == '|') {
            *p++ = ',';
            *p++ = ' ';

        } else {
            *p++ = (u_char) *values;
        }
    }

    right.data = list;
    right.len = p - list;

    referral_rewards_wrong(r, "one of: %V", &right);
}


static void
referral_rewards_do(referral_rewards_read_t *r, const referral_str_t *value)
{
    int64_t         n;
    referral_str_t  score;

    if (referral_str_is(value, "reject")) {
        r->line->act = REFERRAL_DO_REJECT;
        return;
    }

    if (referral_str_is(value, "hold")) {
        r->line->act = REFERRAL_DO_HOLD;
        return;
    }

    n = referral_rewards_prefix(value, "score:", &score)
        ? referral_str_uint(&score, REFERRAL_REWARDS_SCORE_MAX) : -1;

    if (n < 0) {
        referral_rewards_wrong(r, "do=reject, do=hold or do=score:N with 0 to "
                               "1000: 50 hold for a review, 120 reject");
        return;
    }

    r->line->act = REFERRAL_DO_SCORE;
    r->line->score = (uint32_t) n;
}


static void
referral_rewards_pay(referral_rewards_read_t *r, const referral_str_t *value)
{
    if (referral_str_is(value, "credit")) {
        r->line->pay = REFERRAL_PAY_CREDIT;
        return;
    }

    if (referral_str_is(value, "webhook")) {
        r->line->pay = REFERRAL_PAY_WEBHOOK;
        return;
    }

    if (referral_rewards_prefix(value, "code:", &r->line->pool)
        && referral_word_valid(&r->line->pool))
    {
        r->line->pay = REFERRAL_PAY_CODE;
        return;
    }

    referral_rewards_wrong(r, "pay=credit, pay=webhook or pay=code:POOL, where "
                           "POOL is the name of a list of vouchers");
}


static void
referral_rewards_on(referral_rewards_read_t *r, const referral_str_t *value)
{
    u_char                   *p, *last, *plus;
    unsigned                  rule;
    referral_str_t            event, name;
    referral_rewards_list_t  *on;

    p = value->data;
    last = value->data + value->len;

    for ( ;; ) {
        plus = memchr(p, '+', last - p);

        event.data = p;
        event.len = (plus ? plus : last) - p;

        rule = referral_rewards_prefix(&event, "rule:", &name);

        if (rule ? !referral_word_valid(&name)
                 : !referral_rewards_event(&event))
        {
            referral_rewards_wrong(r, rule ? referral_rewards_name_right
                                           : referral_rewards_event_right);
            return;
        }

        if (!rule && (referral_str_is(&event, "refund")
                      || referral_str_is(&event, "update")
                      || referral_str_is(&event, "cancel")))
        {
            referral_rewards_wrong(r, "an event that can be rewarded: refund, "
                                   "update and cancel change what was given "
                                   "by themselves");
            return;
        }

        on = &r->line->on;

        if ((rule && (plus || on->n))
            || (on->n && r->rewards->values[on->first].rule))
        {
            referral_rewards_wrong(r, "rule:NAME stands alone in on=");
            r->skip = 1;
            return;
        }

        referral_rewards_add(r, on, rule ? &name : &event, 0, rule);

        if (plus == NULL) {
            return;
        }

        p = plus + 1;
    }
}


static void
referral_rewards_listed(referral_rewards_read_t *r,
    const referral_pair_t *pair)
{
    const char               *wrong;
    referral_rewards_list_t  *list;

    wrong = referral_rewards_item(r->row->type, &pair->value);

    if (wrong) {
        referral_rewards_wrong(r, wrong);
        return;
    }

    list = referral_rewards_list(r, pair);

    if (list) {
        referral_rewards_add(r, list, &pair->value, pair->negated, 0);
    }
}


/* what would be right instead of the value of a list, NULL: it is right */

static const char *
referral_rewards_item(unsigned type, const referral_str_t *value)
{
    size_t  i;
    u_char  c;

    switch (type) {

    case REFERRAL_REWARDS_T_WORDS:
        return referral_word_valid(value) ? NULL : referral_rewards_name_right;

    case REFERRAL_REWARDS_T_CODE:
        return referral_code_valid(value)
               ? NULL : "a link's code is 1 to 64 of A-Z a-z 0-9 _ -";

    case REFERRAL_REWARDS_T_PARTY:
        return referral_str_is(value, "referrer")
               || referral_str_is(value, "friend")
               ? NULL : "one of: referrer, friend; mostly party=!referrer";

    case REFERRAL_REWARDS_T_CITY:
        return value->len <= REFERRAL_REWARDS_CITY_MAX
               ? NULL : "a place of at most 64 bytes";

    case REFERRAL_REWARDS_T_TEXT:
        return value->len <= 256 ? NULL : "a text of at most 256 bytes";

    default:
        break;
    }

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if ((c >= 'A' && c <= 'Z') || (i > 2 && c >= '0' && c <= '9')
            || (i == 2 && c == '-'))
        {
            continue;
        }

        break;
    }

    if (type == REFERRAL_REWARDS_T_COUNTRY) {
        return i == 2 && value->len == 2
               ? NULL : "a country is two capitals, such as JP";
    }

    return i == value->len && i > 3 && i < 7 && value->data[2] == '-'
           ? NULL : "a region is a country and its subdivision, such as JP-13";
}


/* of x.KEY each key has a list of its own */

static referral_rewards_list_t *
referral_rewards_list(referral_rewards_read_t *r, const referral_pair_t *pair)
{
    referral_str_t            key;
    referral_rewards_line_t  *line;

    line = r->line;

    if (r->row->word != REFERRAL_REWARDS_XKEY) {
        return referral_rewards_field(r, referral_rewards_list_t);
    }

    if (!pair->first) {
        return line->nkeys ? &line->x[line->nkeys - 1] : NULL;
    }

    key.data = pair->key.data + 2;
    key.len = pair->key.len - 2;

    if (!referral_rewards_key_valid(&key)) {
        referral_rewards_wrong(r, "a field of the event is x. and 1 to 64 of "
                               "a-z 0-9 _, such as x.size");
        r->skip = 1;
        return NULL;
    }

    if (line->nkeys == REFERRAL_REWARDS_KEYS) {
        referral_rewards_wrong(r, "at most 4 words x.KEY in a line");
        r->skip = 1;
        return NULL;
    }

    line->key[line->nkeys] = key;

    return &line->x[line->nkeys++];
}


/* [a-z0-9_]{1,64}, as in events */

static int
referral_rewards_key_valid(const referral_str_t *key)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < key->len; i++) {
        c = key->data[i];

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_') {
            return 0;
        }
    }

    return key->len > 0 && key->len <= REFERRAL_REWARDS_KEY_MAX;
}


static void
referral_rewards_add(referral_rewards_read_t *r, referral_rewards_list_t *list,
    const referral_str_t *text, unsigned negated, unsigned rule)
{
    referral_rewards_t        *rewards;
    referral_rewards_value_t  *value;

    rewards = r->rewards;

    if (rewards->nvalues == REFERRAL_REWARDS_VALUES || r->values > 255) {
        referral_rewards_wrong(r, "at most 255 values of a word, and 2048 of "
                               "all words");
        r->skip = 1;
        return;
    }

    if (list->n == 0) {
        list->first = (uint16_t) rewards->nvalues;
    }

    value = &rewards->values[rewards->nvalues++];

    value->text = *text;
    value->negated = (uint8_t) negated;
    value->rule = (uint8_t) rule;
    value->group = (uint8_t) (r->values - 1);

    list->n++;
}


void
referral_rewards_first(referral_rewards_read_t *r, const referral_pair_t *pair)
{
    referral_str_t  signals;

    r->values++;

    if (r->skip) {
        return;
    }

    if (pair->negated) {
        referral_rewards_wrong(r, "no ! in the first word of a line");
        return;
    }

    switch (r->line->kind) {

    case REFERRAL_REWARDS_SET:
        referral_rewards_set(r, &pair->value);
        return;

    case REFERRAL_REWARDS_UNIT:
        referral_rewards_unit(r, &pair->value);
        return;

    case REFERRAL_REWARDS_FRAUD:

        if (referral_rewards_choice(referral_rewards_signals, &pair->value)
            < 0)
        {
            signals = referral_rewards_text(referral_rewards_signals);

            referral_rewards_wrong(r, "a signal is one of %V", &signals);
            return;
        }

        referral_rewards_add(r, &r->line->signals, &pair->value, 0, 0);
        return;

    default:
        break;
    }

    if (!pair->first) {
        referral_rewards_wrong(r, "one name without a comma");
        r->skip = 1;
        return;
    }

    if (!referral_word_valid(&pair->value)) {
        referral_rewards_wrong(r, referral_rewards_name_right);
        return;
    }

    r->line->name = pair->value;
}


/* what is a field of the program, not of its rules */

static const char *const  referral_rewards_fields[][2] = {
    { "zone:", "timezone or utc_offset" },
    { "timezone:", "timezone" },
    { "utc_offset:", "utc_offset" },
    { "late:", "late" },
    { "bind:", "bind" },
    { "window:", "window" },
    { "attribution:", "attribution_order" },
    { "attribution_order:", "attribution_order" }
};


static void
referral_rewards_set(referral_rewards_read_t *r, const referral_str_t *value)
{
    int                  n;
    size_t               i;
    int64_t              seconds;
    unsigned             bit;
    referral_str_t       s;
    referral_rewards_t  *rewards;

    rewards = r->rewards;

    for (i = 0; i < sizeof(referral_rewards_fields)
                    / sizeof(referral_rewards_fields[0]); i++)
    {
        if (referral_rewards_prefix(value, referral_rewards_fields[i][0], &s))
        {
            s = referral_rewards_text(referral_rewards_fields[i][1]);

            referral_rewards_wrong(r, "that is no word of the rules: set the "
                                   "program's field %V", &s);
            return;
        }
    }

    n = -1;
    bit = 0;

    if (referral_rewards_prefix(value, "terms:", &s)) {
        n = referral_rewards_choice("lead|event", &s);
        rewards->terms = (uint8_t) n;
        bit = 1;

    } else if (referral_rewards_prefix(value, "boosts:", &s)) {
        n = referral_rewards_choice("max|multiply", &s);
        rewards->boosts = (uint8_t) n;
        bit = 2;

    } else if (referral_rewards_prefix(value, "debt:", &s)) {
        n = referral_rewards_choice("yes|no", &s);
        rewards->debt = (uint8_t) n;
        bit = 4;

    } else if (referral_rewards_prefix(value, "refunds:", &s)
               && s.data[s.len - 1] >= 'a'
               && referral_duration_parse(&seconds, &s,
                                          REFERRAL_REWARDS_DURATION_MAX)
                  == REFERRAL_OK)
    {
        n = 0;
        rewards->refunds = seconds * 1000;
        bit = 8;
    }

    if (n < 0) {
        referral_rewards_wrong(r, "set=terms:lead or terms:event, boosts:max "
                               "or boosts:multiply, debt:yes or debt:no, or "
                               "refunds:400d");
        return;
    }

    if (rewards->set & bit) {
        referral_rewards_wrong(r, "it is said once in a text");
    }

    rewards->set |= (uint8_t) bit;
}


static void
referral_rewards_unit(referral_rewards_read_t *r, const referral_str_t *value)
{
    unsigned             i;
    const char          *err;
    referral_unit_t      unit;
    referral_str_t       s;
    referral_rewards_t  *rewards;

    rewards = r->rewards;

    if (referral_unit_parse(&unit, value, &err) != REFERRAL_OK) {
        s = referral_rewards_text(err);

        referral_rewards_wrong(r, "%V", &s);
        return;
    }

    if (referral_str_is(&unit.name, "prize")) {
        referral_rewards_wrong(r, "another name: prizes are counted in the "
                               "unit \"prize\" without being declared");
        return;
    }

    for (i = 0; i < rewards->nunits; i++) {
        if (referral_str_eq(&rewards->units[i].name, &unit.name)) {
            referral_rewards_wrong(r, "a unit is named once in a text");
            return;
        }
    }

    if (rewards->nunits == REFERRAL_REWARDS_UNITS) {
        referral_rewards_wrong(r, "at most 16 units");
        return;
    }

    rewards->units[rewards->nunits++] = unit;
}


/* [a-z0-9_.]{1,32}, as the type of an event */

static int
referral_rewards_event(const referral_str_t *s)
{
    return referral_word_valid(s) && memchr(s->data, '-', s->len) == NULL;
}


/* the rest is not empty */

static int
referral_rewards_prefix(const referral_str_t *value, const char *prefix,
    referral_str_t *rest)
{
    size_t  len;

    len = strlen(prefix);

    if (value->len <= len || memcmp(value->data, prefix, len) != 0) {
        return 0;
    }

    rest->data = value->data + len;
    rest->len = value->len - len;

    return 1;
}


static referral_str_t
referral_rewards_text(const char *s)
{
    referral_str_t  text;

    text.data = (u_char *) s;
    text.len = strlen(s);

    return text;
}
