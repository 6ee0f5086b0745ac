#include <ctype.h>

#include "referral_block.h"
#include "referral_hash.h"
#include "referral_lang.h"
#include "referral_rules.h"
#include "referral_name.h"


/*
 * Rules are compiled into blocks:
 *
 *     rules      = *block( line(2) block( *condition ) block( variant )
 *                          block( template ) )
 *     condition  = key block( *( negated block( value ) ) )
 */


#define REFERRAL_LINE_MAX       65535
#define REFERRAL_CONDITION_MAX  32       /* bytes of a value */
#define REFERRAL_DATE_SIZE      9        /* local(1) ms(8) */

#define REFERRAL_CONDITIONS                                                   \
    (sizeof(referral_conditions) / sizeof(referral_condition_t))


typedef struct {
    const char       *name;
    unsigned          index;    /* which value of the click it is compared
                                   with */
    int             (*compile)(const referral_str_t *value,
                               referral_buf_t *out);
    int             (*match)(const referral_str_t *value,
                             const referral_values_t *values,
                             unsigned index);
    unsigned          upper:1;  /* compared in upper case, others in lower
                                   case */
    unsigned          single:1; /* takes one value, as it stands, and no "!" */
    const char       *wrong;
} referral_condition_t;


typedef struct {
    referral_buf_t   *out;
    u_char           *group;    /* the block of values that is open, or NULL */
    u_char           *starts;
    u_char           *ends;
    uint32_t          seen;
    unsigned          named:1;
    referral_str_t    variant;
} referral_rule_ctx_t;


static int referral_rule_compile(referral_buf_t *out,
    const referral_str_t *text, unsigned line, const char **err);
static int referral_rule_pair(void *data, const referral_pair_t *pair,
    const char **err);
static int referral_rule_variant(referral_rule_ctx_t *ctx,
    const referral_pair_t *pair, const char **err);
static int referral_rule_dates_crossed(const referral_rule_ctx_t *ctx);
static const char *referral_rule_failed(const referral_str_t *code,
    const referral_values_t *values);
static int referral_condition_holds(const referral_condition_t *cond,
    const referral_str_t *list, const referral_values_t *values);

static int referral_country_compile(const referral_str_t *value,
    referral_buf_t *out);
static int referral_region_compile(const referral_str_t *value,
    referral_buf_t *out);
static int referral_lang_rule_compile(const referral_str_t *value,
    referral_buf_t *out);
static int referral_device_compile(const referral_str_t *value,
    referral_buf_t *out);
static int referral_os_compile(const referral_str_t *value,
    referral_buf_t *out);
static int referral_word_compile(const referral_str_t *value,
    referral_buf_t *out);
static int referral_bucket_compile(const referral_str_t *value,
    referral_buf_t *out);
static int referral_starts_compile(const referral_str_t *value,
    referral_buf_t *out);
static int referral_ends_compile(const referral_str_t *value,
    referral_buf_t *out);
static int referral_date_compile(const referral_str_t *value,
    referral_buf_t *out, int last);

static int referral_text_match(const referral_str_t *value,
    const referral_values_t *values, unsigned index);
static int referral_lang_rule_match(const referral_str_t *value,
    const referral_values_t *values, unsigned index);
static int referral_bucket_match(const referral_str_t *value,
    const referral_values_t *values, unsigned index);
static int referral_starts_match(const referral_str_t *value,
    const referral_values_t *values, unsigned index);
static int referral_ends_match(const referral_str_t *value,
    const referral_values_t *values, unsigned index);
static int referral_date_get(referral_date_t *date,
    const referral_str_t *value);

static int referral_among(const referral_str_t *value,
    const char *const *list);
static int referral_upper(u_char c);
static int referral_digit(u_char c);


/* the index of a condition is its key in the code */

static const referral_condition_t  referral_conditions[] = {

    { "country", REFERRAL_VALUE_COUNTRY,
      referral_country_compile, referral_text_match, 1, 0,
      "country must be two letters, such as JP" },

    { "region", REFERRAL_VALUE_REGION,
      referral_region_compile, referral_text_match, 1, 0,
      "region must be a country and its subdivision, such as JP-13" },

    { "lang", REFERRAL_VALUE_LANG,
      referral_lang_rule_compile, referral_lang_rule_match, 0, 0,
      "lang must be a language, such as ja or zh-tw" },

    { "device", REFERRAL_VALUE_DEVICE,
      referral_device_compile, referral_text_match, 0, 0,
      "device must be mobile, tablet, desktop, tv, console or other" },

    { "os", REFERRAL_VALUE_OS,
      referral_os_compile, referral_text_match, 0, 0,
      "os must be ios, android, windows, macos, linux, chromeos or other" },

    { "app", REFERRAL_VALUE_APP,
      referral_word_compile, referral_text_match, 0, 0,
      "app must be at most 32 of a-z 0-9 _ . -" },

    { "channel", REFERRAL_VALUE_CHANNEL,
      referral_word_compile, referral_text_match, 0, 0,
      "channel must be at most 32 of a-z 0-9 _ . -" },

    { "segment", REFERRAL_VALUE_SEGMENT,
      referral_word_compile, referral_text_match, 0, 0,
      "segment must be at most 32 of a-z 0-9 _ . -" },

    { "bucket", 0,
      referral_bucket_compile, referral_bucket_match, 0, 0,
      "bucket must be 0-99 or a range, such as 7 or 0-49" },

    { "starts", 0,
      referral_starts_compile, referral_starts_match, 0, 1,
      "starts must be one date without spaces, like " REFERRAL_DATE_RIGHT },

    { "ends", 0,
      referral_ends_compile, referral_ends_match, 0, 1,
      "ends must be one date without spaces, like " REFERRAL_DATE_RIGHT }
};


int
referral_rules_compile(referral_buf_t *out, const referral_str_t *text,
    referral_rules_error_pt error, void *data)
{
    int             bad;
    u_char         *p, *end, *last;
    unsigned        line;
    const char     *err;
    referral_str_t  rule;

    bad = 0;
    line = 0;

    p = text->data;
    last = text->data + text->len;

    for ( /* void */ ; p < last; p = end + 1) {
        end = memchr(p, '\n', last - p);

        if (end == NULL) {
            end = last;
        }

        rule.data = p;
        rule.len = end - p;
        line++;

        referral_str_trim(&rule);

        if (rule.len == 0 || rule.data[0] == '#') {
            continue;
        }

        if (referral_rule_compile(out, &rule, line, &err) == REFERRAL_OK) {
            continue;
        }

        if (out->overflow) {
            return REFERRAL_ERROR;
        }

        bad++;

        if (error) {
            error(data, line, err);
        }

        if (line > REFERRAL_LINE_MAX) {
            break;
        }
    }

    return bad;
}


static int
referral_rule_compile(referral_buf_t *out, const referral_str_t *text,
    unsigned line, const char **err)
{
    u_char              *start, *rule, *block;
    referral_str_t       landing, code;
    referral_rule_ctx_t  ctx;

    if (line > REFERRAL_LINE_MAX) {
        *err = "more than 65535 lines";
        return REFERRAL_ERROR;
    }

    start = out->pos;

    memset(&ctx, 0, sizeof(referral_rule_ctx_t));

    ctx.out = out;

    rule = referral_block_open(out);

    referral_buf_putc(out, (u_char) line);
    referral_buf_putc(out, (u_char) (line >> 8));

    block = referral_block_open(out);

    if (referral_conditions_parse(text, &landing, referral_rule_pair, &ctx, err)
        != REFERRAL_OK)
    {
        goto failed;
    }

    if (landing.len == 0) {
        *err = "a rule needs a landing";
        goto failed;
    }

    if (referral_rule_dates_crossed(&ctx)) {
        *err = "a rule ends before it starts";
        goto failed;
    }

    *err = "a rule is too long";

    if ((ctx.group && referral_block_close(out, ctx.group) != REFERRAL_OK)
        || referral_block_close(out, block) != REFERRAL_OK)
    {
        goto failed;
    }

    if (referral_block_put(out, &ctx.variant) != REFERRAL_OK) {
        goto failed;
    }

    block = referral_block_open(out);

    if (referral_template_text(out, &landing, err) != REFERRAL_OK
        || referral_block_close(out, block) != REFERRAL_OK)
    {
        goto failed;
    }

    code.data = block + REFERRAL_BLOCK_SIZE;
    code.len = out->pos - code.data;

    if (referral_template_url(&code, err) != REFERRAL_OK) {
        goto failed;
    }

    *err = "a rule is too long";

    if (referral_block_close(out, rule) != REFERRAL_OK) {
        goto failed;
    }

    return REFERRAL_OK;

failed:

    out->pos = start;

    return REFERRAL_ERROR;
}


static int
referral_rule_pair(void *data, const referral_pair_t *pair, const char **err)
{
    referral_rule_ctx_t *ctx = data;

    u_char                      *block, text[REFERRAL_CONDITION_MAX];
    size_t                       i;
    referral_buf_t              *out;
    referral_str_t               value;
    const referral_condition_t  *cond;

    if (referral_str_is(&pair->key, "as")) {
        return referral_rule_variant(ctx, pair, err);
    }

    for (i = 0; i < REFERRAL_CONDITIONS; i++) {
        cond = &referral_conditions[i];

        if (pair->key.len == strlen(cond->name)
            && memcmp(pair->key.data, cond->name, pair->key.len) == 0)
        {
            break;
        }
    }

    if (i == REFERRAL_CONDITIONS) {
        *err = "unknown condition: there are country, region, lang, device, "
               "os, app, channel, segment, bucket, starts and ends, and as";
        return REFERRAL_ERROR;
    }

    out = ctx->out;

    if (pair->first) {

        if (ctx->seen & (1U << i)) {
            *err = "a condition stands twice; its values make one list";
            return REFERRAL_ERROR;
        }

        ctx->seen |= 1U << i;

        if (ctx->group
            && referral_block_close(out, ctx->group) != REFERRAL_OK)
        {
            *err = "a rule is too long";
            return REFERRAL_ERROR;
        }

        referral_buf_putc(out, (u_char) i);
        ctx->group = referral_block_open(out);
    }

    if (cond->single ? (pair->negated || !pair->first)
                     : pair->value.len > sizeof(text))
    {
        *err = cond->wrong;
        return REFERRAL_ERROR;
    }

    value = pair->value;

    if (!cond->single) {
        for (i = 0; i < value.len; i++) {
            text[i] = cond->upper ? toupper(value.data[i])
                                  : tolower(value.data[i]);
        }

        value.data = text;
    }

    referral_buf_putc(out, pair->negated);

    block = referral_block_open(out);

    if (cond->compile(&value, out) != REFERRAL_OK) {
        *err = cond->wrong;
        return REFERRAL_ERROR;
    }

    if (referral_block_close(out, block) != REFERRAL_OK) {
        *err = "a rule is too long";
        return REFERRAL_ERROR;
    }

    if (cond->compile == referral_starts_compile) {
        ctx->starts = block + REFERRAL_BLOCK_SIZE;

    } else if (cond->compile == referral_ends_compile) {
        ctx->ends = block + REFERRAL_BLOCK_SIZE;
    }

    return REFERRAL_OK;
}


static int
referral_rule_variant(referral_rule_ctx_t *ctx, const referral_pair_t *pair,
    const char **err)
{
    if (ctx->named || pair->negated || !referral_word_valid(&pair->value)) {
        *err = "as must be one word of at most 32 of a-z 0-9 _ . -";
        return REFERRAL_ERROR;
    }

    ctx->named = 1;
    ctx->variant = pair->value;

    return REFERRAL_OK;
}


static int
referral_rule_dates_crossed(const referral_rule_ctx_t *ctx)
{
    referral_str_t   value;
    referral_date_t  starts, ends;

    if (ctx->starts == NULL || ctx->ends == NULL) {
        return 0;
    }

    value.len = REFERRAL_DATE_SIZE;
    value.data = ctx->starts;

    if (referral_date_get(&starts, &value) != REFERRAL_OK) {
        return 0;
    }

    value.data = ctx->ends;

    if (referral_date_get(&ends, &value) != REFERRAL_OK) {
        return 0;
    }

    return starts.local == ends.local && ends.ms < starts.ms;
}


int
referral_rules_match(const referral_str_t *code,
    const referral_values_t *values, referral_rule_t *rule,
    referral_rules_trace_pt trace, void *data)
{
    const char     *failed;
    referral_str_t  left, body, conditions;

    left = *code;

    while (referral_block_take(&left, &body)) {

        if (body.len < 2) {
            break;
        }

        rule->line = body.data[0] | body.data[1] << 8;

        body.data += 2;
        body.len -= 2;

        if (!referral_block_take(&body, &conditions)
            || !referral_block_take(&body, &rule->variant)
            || !referral_block_take(&body, &rule->landing))
        {
            break;
        }

        failed = referral_rule_failed(&conditions, values);

        if (failed == NULL) {
            return REFERRAL_OK;
        }

        if (trace) {
            trace(data, rule->line, failed);
        }
    }

    return REFERRAL_DECLINED;
}


void
referral_rules_countries(const referral_str_t *code,
    referral_rules_country_pt country, void *data)
{
    unsigned         line, key;
    referral_str_t   left, body, conditions, list, value;

    left = *code;

    while (referral_block_take(&left, &body) && body.len >= 2) {
        line = body.data[0] | body.data[1] << 8;

        body.data += 2;
        body.len -= 2;

        if (!referral_block_take(&body, &conditions)) {
            return;
        }

        while (conditions.len) {
            key = *conditions.data++;
            conditions.len--;

            if (key >= REFERRAL_CONDITIONS
                || !referral_block_take(&conditions, &list))
            {
                return;
            }

            if (referral_conditions[key].match != referral_text_match
                || !referral_conditions[key].upper)
            {
                continue;
            }

            while (list.len) {
                list.data++;
                list.len--;

                if (!referral_block_take(&list, &value) || value.len < 2) {
                    return;
                }

                country(data, line, value.data);
            }
        }
    }
}


/* the name of the first condition that fails, or NULL */

static const char *
referral_rule_failed(const referral_str_t *code,
    const referral_values_t *values)
{
    unsigned                     key;
    referral_str_t               left, list;
    const referral_condition_t  *cond;

    left = *code;

    while (left.len) {
        key = *left.data++;
        left.len--;

        if (key >= REFERRAL_CONDITIONS
            || !referral_block_take(&left, &list))
        {
            return "damaged";
        }

        cond = &referral_conditions[key];

        if (!referral_condition_holds(cond, &list, values)) {
            return cond->name;
        }
    }

    return NULL;
}


/*
 * Holds if one of the values without "!" matches, or there are none, and no
 * value with "!" does.
 */

static int
referral_condition_holds(const referral_condition_t *cond,
    const referral_str_t *list, const referral_values_t *values)
{
    unsigned        negated, wanted, found;
    referral_str_t  left, value;

    left = *list;
    wanted = 0;
    found = 0;

    while (left.len) {
        negated = *left.data++;
        left.len--;

        if (!referral_block_take(&left, &value)) {
            return 0;
        }

        if (!negated) {
            wanted = 1;

            if (found) {
                continue;
            }
        }

        if (!cond->match(&value, values, cond->index)) {
            continue;
        }

        if (negated) {
            return 0;
        }

        found = 1;
    }

    return found || !wanted;
}


int
referral_bucket(const referral_str_t *program, const u_char *visitor,
    size_t len)
{
    uint64_t  hash;

    hash = referral_hash64(0, program->data, program->len);
    hash = referral_hash64(hash, visitor, len);

    return hash % 100;
}


static int
referral_country_compile(const referral_str_t *value, referral_buf_t *out)
{
    if (value->len != 2 || !referral_upper(value->data[0])
        || !referral_upper(value->data[1]))
    {
        return REFERRAL_ERROR;
    }

    /* .mmdb files have the right codes only */

    (void) referral_country_right(value->data);

    referral_buf_str(out, value);

    return REFERRAL_OK;
}


static int
referral_region_compile(const referral_str_t *value, referral_buf_t *out)
{
    size_t   i;
    u_char  *p;

    p = value->data;

    if (value->len < 4 || value->len > 6 || !referral_upper(p[0])
        || !referral_upper(p[1]) || p[2] != '-')
    {
        return REFERRAL_ERROR;
    }

    for (i = 3; i < value->len; i++) {
        if (!referral_upper(p[i]) && !referral_digit(p[i])) {
            return REFERRAL_ERROR;
        }
    }

    (void) referral_country_right(p);

    referral_buf_str(out, value);

    return REFERRAL_OK;
}


static int
referral_lang_rule_compile(const referral_str_t *value, referral_buf_t *out)
{
    referral_lang_t  lang;

    if (!referral_lang_valid(value)
        || referral_lang_parse(&lang, value) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    referral_buf_put(out, &lang, sizeof(referral_lang_t));

    return REFERRAL_OK;
}


static int
referral_device_compile(const referral_str_t *value, referral_buf_t *out)
{
    static const char *const  devices[] = {
        "mobile", "tablet", "desktop", "tv", "console", "other", NULL
    };

    if (!referral_among(value, devices)) {
        return REFERRAL_ERROR;
    }

    referral_buf_str(out, value);

    return REFERRAL_OK;
}


static int
referral_os_compile(const referral_str_t *value, referral_buf_t *out)
{
    static const char *const  systems[] = {
        "ios", "android", "windows", "macos", "linux", "chromeos", "other",
        NULL
    };

    if (!referral_among(value, systems)) {
        return REFERRAL_ERROR;
    }

    referral_buf_str(out, value);

    return REFERRAL_OK;
}


static int
referral_word_compile(const referral_str_t *value, referral_buf_t *out)
{
    if (!referral_word_valid(value)) {
        return REFERRAL_ERROR;
    }

    referral_buf_str(out, value);

    return REFERRAL_OK;
}


static int
referral_bucket_compile(const referral_str_t *value, referral_buf_t *out)
{
    u_char         *dash;
    int64_t         low, high;
    referral_str_t  first, last;

    first = *value;
    last = *value;

    dash = memchr(value->data, '-', value->len);

    if (dash) {
        first.len = dash - value->data;
        last.data = dash + 1;
        last.len = value->len - first.len - 1;
    }

    low = referral_str_uint(&first, 99);
    high = referral_str_uint(&last, 99);

    if (low < 0 || high < low) {
        return REFERRAL_ERROR;
    }

    referral_buf_putc(out, (u_char) low);
    referral_buf_putc(out, (u_char) high);

    return REFERRAL_OK;
}


static int
referral_starts_compile(const referral_str_t *value, referral_buf_t *out)
{
    return referral_date_compile(value, out, 0);
}


static int
referral_ends_compile(const referral_str_t *value, referral_buf_t *out)
{
    return referral_date_compile(value, out, 1);
}


static int
referral_date_compile(const referral_str_t *value, referral_buf_t *out,
    int last)
{
    int              i;
    referral_date_t  date;

    if (referral_date_parse(&date, value, last) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    referral_buf_putc(out, date.local);

    for (i = 0; i < 64; i += 8) {
        referral_buf_putc(out, (u_char) (date.ms >> i));
    }

    return REFERRAL_OK;
}


static int
referral_text_match(const referral_str_t *value,
    const referral_values_t *values, unsigned index)
{
    return referral_str_eq(value, &values->value[index]);
}


/*
 * All rules of a click compare the same language, so its parsed form is kept.
 */

static int
referral_lang_rule_match(const referral_str_t *value,
    const referral_values_t *values, unsigned index)
{
    referral_str_t   lang;
    referral_lang_t  rule;

    static __thread size_t           len;
    static __thread u_char           text[REFERRAL_LANG_MAX];
    static __thread referral_lang_t  known;

    lang = values->value[index];

    if (lang.len == 0 || lang.len > sizeof(text)
        || value->len != sizeof(referral_lang_t))
    {
        return 0;
    }

    if (lang.len != len || memcmp(lang.data, text, len) != 0) {
        len = 0;

        if (referral_lang_parse(&known, &lang) != REFERRAL_OK) {
            return 0;
        }

        len = lang.len;
        memcpy(text, lang.data, len);
    }

    memcpy(&rule, value->data, sizeof(referral_lang_t));

    return referral_lang_matches(&rule, &known);
}


static int
referral_bucket_match(const referral_str_t *value,
    const referral_values_t *values, unsigned index)
{
    (void) index;

    return value->len == 2
           && values->bucket >= value->data[0]
           && values->bucket <= value->data[1];
}


static int
referral_starts_match(const referral_str_t *value,
    const referral_values_t *values, unsigned index)
{
    referral_date_t  date;

    (void) index;

    return referral_date_get(&date, value) == REFERRAL_OK
           && referral_timezone_reached(values->timezone, values->offset,
                                        &date, values->now, 0);
}


/* the date is the last millisecond in which the rule holds */

static int
referral_ends_match(const referral_str_t *value,
    const referral_values_t *values, unsigned index)
{
    referral_date_t  date;

    (void) index;

    return referral_date_get(&date, value) == REFERRAL_OK
           && !referral_timezone_reached(values->timezone, values->offset,
                                         &date, values->now, 1);
}


static int
referral_date_get(referral_date_t *date, const referral_str_t *value)
{
    int       i;
    uint64_t  ms;

    if (value->len != REFERRAL_DATE_SIZE) {
        return REFERRAL_ERROR;
    }

    ms = 0;

    for (i = REFERRAL_DATE_SIZE - 1; i > 0; i--) {
        ms = ms << 8 | value->data[i];
    }

    date->ms = (int64_t) ms;
    date->set = 1;
    date->local = value->data[0];

    return REFERRAL_OK;
}


static int
referral_among(const referral_str_t *value, const char *const *list)
{
    for ( /* void */ ; *list; list++) {
        if (value->len == strlen(*list)
            && memcmp(value->data, *list, value->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static int
referral_upper(u_char c)
{
    return c >= 'A' && c <= 'Z';
}


static int
referral_digit(u_char c)
{
    return c >= '0' && c <= '9';
}
