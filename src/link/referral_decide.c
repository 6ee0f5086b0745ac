#include "referral_decide.h"


#define REFERRAL_DECIDE_ARGS_MAX  (2 * REFERRAL_URL_MAX)


static void referral_decide_program(referral_decision_t *decision,
    const referral_click_t *click);
static void referral_decide_timezone(referral_decision_t *decision,
    const referral_click_t *click, int64_t now);
static void referral_decide_owner(referral_decision_t *decision,
    const referral_click_t *click, const referral_values_t *values);
static void referral_decide_channel(referral_decision_t *decision,
    const referral_str_t *raw);
static void referral_decide_args(referral_decision_t *decision,
    const referral_click_t *click);
static referral_str_t referral_decide_field(const referral_entry_t *entry,
    unsigned field);
static unsigned referral_decide_result(const referral_decision_t *decision,
    const referral_click_t *click, int64_t now);
static int referral_decide_started(const referral_decision_t *decision,
    const referral_entry_t *entry, int64_t now);
static int referral_decide_ended(const referral_decision_t *decision,
    const referral_entry_t *entry, int64_t now);
static void referral_decide_landing(referral_decision_t *decision,
    const referral_click_t *click, const referral_values_t *values);
static int referral_decide_entry(referral_decision_t *decision,
    const referral_entry_t *entry, unsigned rule, unsigned landing,
    const referral_click_t *click, const referral_values_t *values);
static void referral_decide_fallback(referral_decision_t *decision,
    const referral_click_t *click, referral_values_t *values);
static int referral_decide_render(referral_decision_t *decision,
    const referral_click_t *click, const referral_values_t *values,
    referral_buf_t *out, const char **err);
static void referral_decide_add_args(referral_decision_t *decision,
    const referral_click_t *click, const referral_values_t *values,
    referral_buf_t *out);
static int referral_decide_configured(const referral_decision_t *decision);


void
referral_decide(referral_decision_t *decision, const referral_click_t *click,
    referral_values_t *values)
{
    memset(decision, 0, sizeof(referral_decision_t));

    referral_decide_program(decision, click);
    referral_decide_timezone(decision, click, values->now);
    referral_decide_owner(decision, click, values);

    values->offset = decision->offset;
    values->timezone = decision->timezone;
    values->value[REFERRAL_VALUE_CODE] = click->code;
    values->value[REFERRAL_VALUE_REFERRER] = decision->referrer;
    values->value[REFERRAL_VALUE_NAME] = decision->name;
    values->value[REFERRAL_VALUE_SEGMENT] = decision->segment;
    values->value[REFERRAL_VALUE_CHANNEL] = decision->channel;

    decision->result = referral_decide_result(decision, click, values->now);

    if (decision->result == REFERRAL_RESULT_LANDING) {
        referral_decide_landing(decision, click, values);

        if (decision->template.len == 0) {
            decision->result = REFERRAL_RESULT_REFUSED;
        }

    } else if (decision->result == REFERRAL_RESULT_UNRESOLVED
               && click->landing.len)
    {
        decision->from = REFERRAL_FROM_DEFAULT_LANDING;
        decision->template = click->landing;
    }

    values->value[REFERRAL_VALUE_VARIANT] = decision->variant;
    values->value[REFERRAL_VALUE_RESULT] =
                                       referral_result_name(decision->result);

    if (decision->template.len == 0) {
        referral_decide_fallback(decision, click, values);
        return;
    }

    decision->landed = 1;

    referral_decide_args(decision, click);
}


/* what the program sets, otherwise the configuration */

static void
referral_decide_program(referral_decision_t *decision,
    const referral_click_t *click)
{
    const referral_entry_t  *program;

    program = click->program;

    decision->window = click->window;
    decision->late = click->late;
    decision->attribution = click->attribution;

    if (program != NULL) {

        if (program->window) {
            decision->window = program->window;
        }

        if (program->late) {
            decision->late = program->late;
        }

        if (program->attribution != REFERRAL_ATTRIBUTION_UNSET) {
            decision->attribution = program->attribution;
        }
    }

    if (decision->attribution == REFERRAL_ATTRIBUTION_UNSET) {
        decision->attribution = REFERRAL_ATTRIBUTION_LAST;
    }
}


/* a name that there is no zone of is ignored */

static void
referral_decide_timezone(referral_decision_t *decision,
    const referral_click_t *click, int64_t now)
{
    referral_str_t              name;
    const referral_timezone_t  *zone;

    zone = NULL;
    decision->offset = click->offset;

    name = referral_decide_field(click->program, REFERRAL_FIELD_TIMEZONE);

    if (name.len) {
        zone = referral_timezones_find(click->timezones, &name);
    }

    if (zone == NULL) {

        if (click->program && click->program->utc_offset != INT16_MIN) {
            decision->offset = click->program->utc_offset;
            return;
        }

        if (click->timezone.len) {
            zone = referral_timezones_find(click->timezones, &click->timezone);
        }
    }

    if (zone) {
        decision->timezone = zone;
        decision->offset = referral_timezone_minutes(zone, now);
    }
}


/* the referrer of the link, and the channel */

static void
referral_decide_owner(referral_decision_t *decision,
    const referral_click_t *click, const referral_values_t *values)
{
    const referral_entry_t  *link;

    link = click->link;

    decision->referrer = referral_decide_field(link, REFERRAL_FIELD_REFERRER);
    decision->name = referral_decide_field(link, REFERRAL_FIELD_NAME);
    decision->segment = referral_decide_field(link, REFERRAL_FIELD_SEGMENT);

    /*
     * A code that does not exist has no referrer, as anybody may have made it
     * up.
     */

    if (decision->referrer.len == 0
        && (link == NULL || link->state != REFERRAL_STATE_ABSENT))
    {
        decision->referrer = click->code;
    }

    if (decision->name.len == 0) {
        decision->name = referral_decide_field(click->referrer,
                                               REFERRAL_FIELD_NAME);
    }

    if (decision->segment.len == 0) {
        decision->segment = referral_decide_field(click->referrer,
                                                  REFERRAL_FIELD_SEGMENT);
    }

    if (click->channel.len) {
        referral_decide_channel(decision, &click->channel);

    } else {
        decision->channel = referral_decide_field(link,
                                                  REFERRAL_FIELD_CHANNEL);

        if (decision->channel.len == 0) {
            decision->channel = values->value[REFERRAL_VALUE_APP];
        }
    }
}


/* the request's channel in lower case */

static void
referral_decide_channel(referral_decision_t *decision,
    const referral_str_t *raw)
{
    decision->channel = *raw;

    if (referral_word_valid(raw)) {
        return;
    }

    if (raw->len <= REFERRAL_CHANNEL_MAX) {
        decision->channel.data = decision->channel_data;
        memcpy(decision->channel_data, raw->data, raw->len);

        referral_str_lower(&decision->channel);

        if (referral_word_valid(&decision->channel)) {
            return;
        }
    }

    referral_str_set(&decision->channel, "other");
}


static void
referral_decide_args(referral_decision_t *decision,
    const referral_click_t *click)
{
    const referral_entry_t  *program, *link;

    program = click->program;
    link = click->link;

    if (link != NULL && referral_entry_has(link, REFERRAL_FIELD_LANDING_ARGS))
    {
        decision->args = referral_entry_field(link,
                                              REFERRAL_FIELD_LANDING_ARGS);

    } else if (program != NULL
               && referral_entry_has(program, REFERRAL_FIELD_LANDING_ARGS))
    {
        decision->args = referral_entry_field(program,
                                              REFERRAL_FIELD_LANDING_ARGS);

    } else {
        decision->args = click->args;
    }
}


static referral_str_t
referral_decide_field(const referral_entry_t *entry, unsigned field)
{
    referral_str_t  none = referral_null_string;

    if (entry == NULL || !referral_entry_has(entry, field)) {
        return none;
    }

    return referral_entry_field(entry, field);
}


/* what an operator closed comes first, then what is over for good */

static unsigned
referral_decide_result(const referral_decision_t *decision,
    const referral_click_t *click, int64_t now)
{
    const referral_entry_t  *program, *link;

    program = click->program;
    link = click->link;

    if (program == NULL || link == NULL) {
        return REFERRAL_RESULT_UNRESOLVED;
    }

    if (link->state == REFERRAL_STATE_ABSENT) {
        return REFERRAL_RESULT_UNKNOWN;
    }

    if (link->state != REFERRAL_STATE_ACTIVE) {
        return REFERRAL_RESULT_DISABLED;
    }

    if (program->state != REFERRAL_STATE_ACTIVE
        && program->state != REFERRAL_STATE_ABSENT)
    {
        return REFERRAL_RESULT_PAUSED;
    }

    if (referral_decide_ended(decision, link, now)
        || referral_decide_ended(decision, program, now))
    {
        return REFERRAL_RESULT_ENDED;
    }

    if (!referral_decide_started(decision, link, now)
        || !referral_decide_started(decision, program, now))
    {
        return REFERRAL_RESULT_NOT_STARTED;
    }

    return REFERRAL_RESULT_LANDING;
}


static int
referral_decide_started(const referral_decision_t *decision,
    const referral_entry_t *entry, int64_t now)
{
    return !entry->starts.set
           || referral_timezone_reached(decision->timezone, decision->offset,
                                        &entry->starts, now, 0);
}


/* "ends" is the last millisecond that counts */

static int
referral_decide_ended(const referral_decision_t *decision,
    const referral_entry_t *entry, int64_t now)
{
    return entry->ends.set
           && referral_timezone_reached(decision->timezone, decision->offset,
                                        &entry->ends, now, 1);
}


static void
referral_decide_landing(referral_decision_t *decision,
    const referral_click_t *click, const referral_values_t *values)
{
    if (referral_decide_entry(decision, click->link, REFERRAL_FROM_LINK_RULE,
                              REFERRAL_FROM_LINK_LANDING, click, values)
        == REFERRAL_OK)
    {
        return;
    }

    if (referral_decide_entry(decision, click->program,
                              REFERRAL_FROM_PROGRAM_RULE,
                              REFERRAL_FROM_PROGRAM_LANDING, click, values)
        == REFERRAL_OK)
    {
        return;
    }

    decision->template = click->landing;
    decision->from = click->landing.len ? REFERRAL_FROM_DEFAULT_LANDING
                                        : REFERRAL_FROM_NONE;
}


static int
referral_decide_entry(referral_decision_t *decision,
    const referral_entry_t *entry, unsigned rule, unsigned landing,
    const referral_click_t *click, const referral_values_t *values)
{
    referral_str_t   code;
    referral_rule_t  match;

    code = referral_decide_field(entry, REFERRAL_FIELD_RULES);

    if (code.len) {
        decision->from = rule;

        if (referral_rules_match(&code, values, &match, click->trace,
                                 click->trace_data)
            == REFERRAL_OK)
        {
            decision->template = match.landing;
            decision->variant = match.variant;
            decision->line = match.line;
            return REFERRAL_OK;
        }
    }

    code = referral_decide_field(entry, REFERRAL_FIELD_LANDING);

    if (code.len) {
        decision->from = landing;
        decision->template = code;
        return REFERRAL_OK;
    }

    return REFERRAL_DECLINED;
}


static void
referral_decide_fallback(referral_decision_t *decision,
    const referral_click_t *click, referral_values_t *values)
{
    referral_str_t  none = referral_null_string;

    decision->landed = 0;
    decision->line = 0;
    decision->args = none;
    decision->variant = none;

    values->value[REFERRAL_VALUE_VARIANT] = none;
    values->value[REFERRAL_VALUE_RESULT] =
                                       referral_result_name(decision->result);

    decision->template = referral_decide_field(click->program,
                                               REFERRAL_FIELD_FALLBACK);
    if (decision->template.len) {
        decision->from = REFERRAL_FROM_PROGRAM_FALLBACK;
        return;
    }

    decision->template = click->fallback;
    decision->from = click->fallback.len ? REFERRAL_FROM_DEFAULT_FALLBACK
                                         : REFERRAL_FROM_NONE;
}


int
referral_decide_url(referral_decision_t *decision,
    const referral_click_t *click, referral_values_t *values,
    referral_buf_t *out, const char **err)
{
    const char      *why;
    referral_str_t   none = referral_null_string;

    *err = NULL;

    if (decision->result == REFERRAL_RESULT_REFUSED) {
        *err = "no landing";
    }

    /*
     * Three rounds at most: a landing, the program's fallback, the default
     * fallback.
     */

    while (decision->template.len) {

        if (referral_decide_render(decision, click, values, out, &why)
            == REFERRAL_OK)
        {
            return REFERRAL_OK;
        }

        if (*err == NULL) {
            *err = why;
        }

        if (decision->landed) {

            if (decision->result == REFERRAL_RESULT_LANDING) {
                decision->result = REFERRAL_RESULT_REFUSED;
            }

            referral_decide_fallback(decision, click, values);

        } else if (decision->from == REFERRAL_FROM_PROGRAM_FALLBACK
                   && click->fallback.len)
        {
            decision->template = click->fallback;
            decision->from = REFERRAL_FROM_DEFAULT_FALLBACK;

        } else {
            decision->template = none;
            decision->from = REFERRAL_FROM_NONE;
        }
    }

    out->pos = out->start;
    out->overflow = 0;

    return REFERRAL_DECLINED;
}


static int
referral_decide_render(referral_decision_t *decision,
    const referral_click_t *click, const referral_values_t *values,
    referral_buf_t *out, const char **err)
{
    referral_str_t  text;
    referral_url_t  url;

    out->pos = out->start;
    out->overflow = 0;

    decision->cut = 0;

    referral_template_render(&decision->template, values, out);

    if (out->overflow) {
        *err = "a URL longer than 2048 bytes";
        return REFERRAL_ERROR;
    }

    text.len = out->pos - out->start;
    text.data = out->start;

    if (referral_url_parse(&url, &text, err) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    if (!click->any_host
        && !referral_host_allowed(&url.host, click->allow, click->nallow)
        && !referral_decide_configured(decision))
    {
        *err = "host is not allowed";
        return REFERRAL_ERROR;
    }

    decision->host = url.host;

    if (decision->landed) {
        referral_decide_add_args(decision, click, values, out);
    }

    return REFERRAL_OK;
}


static void
referral_decide_add_args(referral_decision_t *decision,
    const referral_click_t *click, const referral_values_t *values,
    referral_buf_t *out)
{
    u_char          data[REFERRAL_DECIDE_ARGS_MAX];
    referral_buf_t  args;
    referral_str_t  text;

    if (decision->args.len) {
        referral_buf_init(&args, data, sizeof(data));
        referral_template_render(&decision->args, values, &args);

        text.len = args.pos - args.start;
        text.data = args.start;

        if (args.overflow || referral_url_add_args(out, &text)) {
            decision->cut = 1;
        }
    }

    if (click->forward.len) {
        referral_buf_init(&args, data, sizeof(data));
        referral_buf_escape_uri(&args, &click->forward);

        if (!args.overflow) {
            text.len = args.pos - args.start;
            text.data = args.start;
            referral_url_forward_args(out, &text);
        }
    }
}


/* hosts of templates in the configuration are allowed without a list */

static int
referral_decide_configured(const referral_decision_t *decision)
{
    referral_str_t  host;

    return (decision->from == REFERRAL_FROM_DEFAULT_LANDING
            || decision->from == REFERRAL_FROM_DEFAULT_FALLBACK)
           && referral_template_host(&decision->template, &host)
              == REFERRAL_OK;
}


int64_t
referral_decide_day(const referral_decision_t *decision, int64_t ms)
{
    int  offset;

    offset = decision->timezone
             ? referral_timezone_minutes(decision->timezone, ms)
             : decision->offset;

    return referral_time_day_number(ms, offset);
}


referral_str_t
referral_decide_languages(const referral_entry_t *program)
{
    return referral_decide_field(program, REFERRAL_FIELD_LANGUAGES);
}


referral_str_t
referral_from_name(unsigned from)
{
    static const referral_str_t  names[REFERRAL_FROMS + 1] = {
        referral_string(""),
        referral_string("link rule"),
        referral_string("link landing"),
        referral_string("program rule"),
        referral_string("program landing"),
        referral_string("default landing"),
        referral_string("program fallback"),
        referral_string("default fallback"),
        referral_string("")
    };

    return names[from < REFERRAL_FROMS ? from : REFERRAL_FROMS];
}
