
/*
 * Says where a click would go and whether values are valid, with the module's
 * own code.  scripts/referral runs this program.
 *
 * Reads strings from stdin, each written as its length in bytes, a colon, the
 * bytes and a comma (4:name,5:value,); names and values alternate.
 *
 *     referral_link_test
 *
 * reads a click, another one behind an empty name and an empty value (0:,0:,),
 * and so on.  Names:
 *
 *     program.FIELD link.FIELD referrer.FIELD
 *                         the hashes, as HGETALL replies; a hash without any
 *                         field does not exist
 *     default.FIELD       the configuration: landing, landing_args, fallback,
 *                         window, attribution, utc_offset, timezone
 *     default.allow       hosts, with spaces between; without it every host
 *                         is allowed
 *     click.program click.code
 *                         required
 *     click.at            a date as in "starts"; without it now
 *     click.user_agent    gives device, os, app and class
 *     click.accept_language
 *                         gives lang
 *     click.country click.region click.city click.lang click.device click.os
 *     click.app           replace what the headers give
 *     click.channel click.args
 *                         the channel and the arguments of the request
 *     click.visitor       16 characters; gives bucket
 *     click.bucket        0 to 99; without both it is that of click_id
 *     click.click_id
 *
 * Writes one JSON object for each click, on a line of its own.
 *
 *     result              "landing", "ended" and so on
 *     landed              true: a landing; false: a fallback, or none
 *     from                "link rule", "link landing", "program rule",
 *                         "program landing", "default landing", "program
 *                         fallback", "default fallback"; null: there is no
 *                         destination
 *     line                of the rule that matched, else null
 *     variant             of that rule, else null
 *     landing             the template with its values, without arguments
 *     url                 the Location, null if there is none
 *     refused             why a destination was refused, else null
 *     rules               [{"of", "line", "matched", "why"}], each rule that
 *                         was tried; why: its first condition that failed
 *     values              of all placeholders, and bucket
 *     class               of the User-Agent, null without one
 *     window attribution utc_offset
 *                         seconds, "last" or "first", minutes east at the
 *                         click's time
 *     timezone            the name of the zone that gave the offset; null:
 *                         none did
 *     complaints          [{"of", "field", "line", "problem"}]; line of a
 *                         rule, else 0; of a hash, the defaults or the
 *                         rendered landing
 *
 * Exit code: 0 all landed, 1 one did not, 2 the input is invalid; then the
 * last object is {"error"}.
 *
 *     referral_link_test --check program | link | referrer
 *
 * reads the fields of a hash, of another one behind an empty name and an empty
 * value (0:,0:,), and so on.  "@program", "@code" and "@referrer" are no
 * fields: their values must be valid names of these kinds.  Writes a line for
 * each hash as soon as it was read: a JSON list of complaints [{"field",
 * "line", "problem"}].  An empty value is valid and means that the field is
 * not set; unknown fields are valid too.  Exit code: 0 all valid, 1
 * complaints, 2 the input is invalid; then the last line is {"error"}.
 *
 *     referral_link_test --read
 *
 * reads names and values up to the end of the input.  Names: "date", "day" (a
 * date without a time), "offset", "timezone" and "unit".  Writes a JSON object
 * for each value, on a line of its own: {"ms", "local"} for a date ("local":
 * without an offset, in the program's time zone), {"day": "2026-12-01"} for a
 * day, {"minutes"} east of UTC for an offset, {"timezone"} for a name that this
 * system has a zone of, {"decimals"} for a currency of ISO 4217, or
 * {"problem"}.  Exit code: 0, or 2 if the input is invalid; then the last line
 * is {"error"}.
 */


#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "referral_decide.h"
#include "referral_id.h"
#include "referral_lang.h"
#include "referral_tzdata.h"
#include "referral_unit.h"
#include "referral_visitor.h"


#define LINK_TEST_STRINGS  1024
#define LINK_TEST_MEMORY   (1024 * 1024)

/*
 * The last complaint of a click, because it shows only when the destination is
 * written.
 */

#define LINK_TEST_CUT                                                         \
    "{\"of\": \"landing\", \"field\": \"landing_args\", \"line\": 0, "        \
    "\"problem\": \"some are left out: with them the URL would be longer "      \
    "than 3072 bytes\"}"


typedef struct {
    size_t           n;                  /* number of names and values */
    referral_str_t   string[LINK_TEST_STRINGS];
    referral_buf_t   memory;
    u_char           data[LINK_TEST_MEMORY];
} link_test_input_t;


/* a list in the output to which callbacks append */

typedef struct {
    char            *text;
    size_t           size;
    FILE            *file;
    unsigned         n;
} link_test_list_t;


typedef struct {
    link_test_list_t        *list;
    const char              *of;         /* whose fields are read, or NULL */
} link_test_complain_t;


typedef struct {
    link_test_list_t         list;
    referral_decision_t     *decision;
} link_test_trace_t;


typedef union {
    referral_entry_t         entry;
    uint64_t                 memory[REFERRAL_ENTRY_MAX / 8];
} link_test_entry_t;


/* all about one click */

typedef struct {
    referral_click_t         click;
    referral_values_t        values;
    referral_decision_t      decision;
    referral_device_t        device;
    link_test_list_t         complaints;
    link_test_trace_t        trace;
    const char              *class;
    size_t                   class_len;
    u_char                   lang[REFERRAL_LANG_MAX];
    u_char                   visitor[REFERRAL_VISITOR_SIZE];
    u_char                   click_id[REFERRAL_CLICK_ID_SIZE];
    u_char                   click_id_text[REFERRAL_CLICK_ID_LEN];
    referral_str_t           allow[LINK_TEST_STRINGS];
    link_test_entry_t        program;
    link_test_entry_t        link;
    link_test_entry_t        referrer;
    link_test_entry_t        defaults;
} link_test_t;


static int link_test_clicks(link_test_input_t *in, link_test_t *t);
static int link_test_click(link_test_input_t *in, link_test_t *t);
static const char *link_test_entries(link_test_input_t *in, link_test_t *t);
static const char *link_test_compile(link_test_entry_t *entry, unsigned kind,
    link_test_input_t *in, const char *of, link_test_t *t);
static void link_test_timezone(const referral_entry_t *entry,
    link_test_complain_t *complain);
static const referral_timezones_t *link_test_timezones(void);
static const char *link_test_allow(link_test_input_t *in, link_test_t *t);
static const char *link_test_visitor(link_test_input_t *in, link_test_t *t);
static const char *link_test_bucket(link_test_input_t *in, link_test_t *t);
static const char *link_test_names(link_test_input_t *in);
static void link_test_print(link_test_t *t);
static int link_test_check(link_test_input_t *in, unsigned kind);
static void link_test_check_names(link_test_input_t *in,
    link_test_list_t *list);
static int link_test_values_read(link_test_input_t *in);
static const char *link_test_value_read(const referral_str_t *name,
    const referral_str_t *value);
static const char *link_test_read(link_test_input_t *in, int *end);
static const char *link_test_string(link_test_input_t *in, int *end);
static int link_test_get(link_test_input_t *in, const char *name,
    referral_str_t *value);
static void link_test_complain(void *data, const referral_str_t *field,
    unsigned line, const char *what);
static void link_test_countries(const referral_entry_t *entry,
    link_test_complain_t *complain);
static void link_test_country(void *data, unsigned line, const u_char *code);
static void link_test_country_right(referral_str_t *value);
static void link_test_rule(void *data, unsigned line, const char *condition);
static int link_test_list_open(link_test_list_t *list);
static void link_test_list_close(link_test_list_t *list);
static int link_test_error(const char *what);
static void link_test_json(FILE *f, const referral_str_t *s);
static size_t link_test_utf8(const u_char *p, size_t len);


static const struct {
    const char      *name;
    unsigned         kind;
} link_test_kinds[] = {
    { "program", REFERRAL_ENTRY_PROGRAM },
    { "link", REFERRAL_ENTRY_LINK },
    { "referrer", REFERRAL_ENTRY_REFERRER },
    { NULL, 0 }
};


/* the names behind "click.", by the index of their value in a template */

static const char *const  link_test_values[REFERRAL_VALUES] = {
    "code", "program", "referrer", "name", "click_id", "country", "region",
    "city", "lang", "device", "os", "app", "channel", "variant", "segment",
    "result"
};


int
main(int argc, char **argv)
{
    unsigned  i;

    static link_test_t        test;
    static link_test_input_t  input;

    if (argc == 1) {
        return link_test_clicks(&input, &test);
    }

    if (argc == 3 && strcmp(argv[1], "--check") == 0) {
        for (i = 0; link_test_kinds[i].name; i++) {
            if (strcmp(argv[2], link_test_kinds[i].name) == 0) {
                return link_test_check(&input, link_test_kinds[i].kind);
            }
        }
    }

    if (argc == 2 && strcmp(argv[1], "--read") == 0) {
        return link_test_values_read(&input);
    }

    fprintf(stderr, "usage: referral_link_test "
                    "[--check program | link | referrer | --read]\n");

    return 2;
}


static int
link_test_clicks(link_test_input_t *in, link_test_t *t)
{
    int          end, rc, missed;
    const char  *err;

    missed = 0;

    do {
        err = link_test_read(in, &end);

        if (err) {
            return link_test_error(err);
        }

        memset(t, 0, sizeof(link_test_t));

        rc = link_test_click(in, t);

        if (rc == 2) {
            return rc;
        }

        missed |= rc;

    } while (!end);

    return missed;
}


static int
link_test_click(link_test_input_t *in, link_test_t *t)
{
    const char  *err;

    err = link_test_names(in);

    if (err) {
        return link_test_error(err);
    }

    if (link_test_list_open(&t->complaints) != REFERRAL_OK
        || link_test_list_open(&t->trace.list) != REFERRAL_OK)
    {
        return link_test_error("no memory");
    }

    err = link_test_entries(in, t);

    if (err == NULL) {
        err = link_test_allow(in, t);
    }

    if (err == NULL) {
        err = link_test_visitor(in, t);
    }

    if (err == NULL) {
        err = link_test_bucket(in, t);
    }

    if (err == NULL) {
        t->trace.decision = &t->decision;
        t->click.trace = link_test_rule;
        t->click.trace_data = &t->trace;

        referral_decide(&t->decision, &t->click, &t->values);

        if (t->decision.line) {
            link_test_rule(&t->trace, t->decision.line, NULL);
        }
    }

    link_test_list_close(&t->complaints);
    link_test_list_close(&t->trace.list);

    if (err) {
        (void) link_test_error(err);

    } else {
        link_test_print(t);
    }

    free(t->complaints.text);
    free(t->trace.list.text);

    return err ? 2 : (t->decision.landed ? 0 : 1);
}


/*
 * A misspelt name is an error, because ignoring it would give a wrong result.
 */

static const char *
link_test_names(link_test_input_t *in)
{
    size_t          i, j, len;
    referral_str_t  name;

    static const char *const  hashes[] = {
        "program.", "link.", "referrer.", NULL
    };

    static const char *const  names[] = {
        "default.landing", "default.landing_args", "default.fallback",
        "default.window", "default.attribution", "default.utc_offset",
        "default.timezone", "default.allow", "click.program", "click.code",
        "click.at", "click.user_agent", "click.accept_language",
        "click.country", "click.region", "click.city", "click.lang",
        "click.device", "click.os", "click.app", "click.channel",
        "click.args", "click.visitor", "click.bucket", "click.click_id",
        NULL
    };

    for (i = 0; i < in->n; i += 2) {
        name = in->string[i];

        for (j = 0; hashes[j]; j++) {
            len = strlen(hashes[j]);

            if (name.len >= len && memcmp(name.data, hashes[j], len) == 0) {
                break;
            }
        }

        if (hashes[j]) {
            continue;
        }

        for (j = 0; names[j]; j++) {
            len = strlen(names[j]);

            if (name.len == len && memcmp(name.data, names[j], len) == 0) {
                break;
            }
        }

        if (names[j] == NULL) {
            return "a name that is none";
        }
    }

    return NULL;
}


static const char *
link_test_entries(link_test_input_t *in, link_test_t *t)
{
    const char        *err;
    referral_entry_t  *d;

    err = link_test_compile(&t->program, REFERRAL_ENTRY_PROGRAM, in,
                            "program", t);

    if (err == NULL) {
        err = link_test_compile(&t->link, REFERRAL_ENTRY_LINK, in, "link", t);
    }

    if (err == NULL) {
        err = link_test_compile(&t->referrer, REFERRAL_ENTRY_REFERRER, in,
                                "referrer", t);
    }

    if (err == NULL) {
        err = link_test_compile(&t->defaults, REFERRAL_ENTRY_PROGRAM, in,
                                "default", t);
    }

    if (err) {
        return err;
    }

    d = &t->defaults.entry;

    t->click.program = &t->program.entry;
    t->click.link = &t->link.entry;
    t->click.referrer = &t->referrer.entry;

    t->click.landing = referral_entry_field(d, REFERRAL_FIELD_LANDING);
    t->click.args = referral_entry_field(d, REFERRAL_FIELD_LANDING_ARGS);
    t->click.fallback = referral_entry_field(d, REFERRAL_FIELD_FALLBACK);

    t->click.window = d->window ? d->window : REFERRAL_WINDOW_DEFAULT;
    t->click.late = REFERRAL_LATE_DEFAULT;
    t->click.attribution = d->attribution;
    t->click.offset = d->utc_offset != INT16_MIN ? d->utc_offset : 0;
    t->click.timezone = referral_entry_field(d, REFERRAL_FIELD_TIMEZONE);

    if (t->click.timezone.len
        || referral_entry_has(&t->program.entry, REFERRAL_FIELD_TIMEZONE))
    {
        t->click.timezones = link_test_timezones();
    }

    return NULL;
}


static const char *
link_test_compile(link_test_entry_t *entry, unsigned kind,
    link_test_input_t *in, const char *of, link_test_t *t)
{
    size_t                 i, n, len;
    referral_buf_t         b;
    referral_str_t         name;
    link_test_complain_t   complain;

    static referral_str_t  fields[LINK_TEST_STRINGS];

    n = 0;
    len = strlen(of);

    for (i = 0; i < in->n; i += 2) {
        name = in->string[i];

        if (name.len > len
            && memcmp(name.data, of, len) == 0
            && name.data[len] == '.')
        {
            fields[n].data = name.data + len + 1;
            fields[n].len = name.len - len - 1;
            fields[n + 1] = in->string[i + 1];
            n += 2;
        }
    }

    complain.list = &t->complaints;
    complain.of = of;

    referral_buf_init(&b, entry, sizeof(link_test_entry_t));

    if (referral_entry_compile(&b, kind, fields, n, link_test_complain,
                               &complain)
        != REFERRAL_OK)
    {
        return "more text than fits into one link or program";
    }

    link_test_timezone(&entry->entry, &complain);

    return NULL;
}


/* a name that there is no zone of is kept, but ignored */

static void
link_test_timezone(const referral_entry_t *entry,
    link_test_complain_t *complain)
{
    char                         wrong[REFERRAL_TIMEZONE_WRONG];
    referral_str_t               name, field;
    const referral_timezones_t  *zones;

    if (!referral_entry_has(entry, REFERRAL_FIELD_TIMEZONE)) {
        return;
    }

    zones = link_test_timezones();
    name = referral_entry_field(entry, REFERRAL_FIELD_TIMEZONE);

    if (referral_timezones_find(zones, &name) == NULL) {
        referral_timezones_wrong(zones, &name, wrong);
        referral_str_set(&field, "timezone");
        link_test_complain(complain, &field, 0, wrong);
    }
}


/* of the system, read when the first one is needed; NULL: there are none */

static const referral_timezones_t *
link_test_timezones(void)
{
    char                    err[REFERRAL_TZDATA_ERROR];
    referral_tzdata_mark_t  mark;

    static int                    known;
    static referral_timezones_t  *zones;

    if (!known) {
        known = 1;
        zones = referral_tzdata_read(referral_tzdata_path(), &mark, err);
    }

    return zones;
}


static const char *
link_test_allow(link_test_input_t *in, link_test_t *t)
{
    u_char          *p, *end;
    referral_str_t   list, host;

    if (!link_test_get(in, "default.allow", &list)) {
        t->click.any_host = 1;
        return NULL;
    }

    t->click.allow = t->allow;

    p = list.data;
    end = list.data + list.len;

    for ( ;; ) {

        while (p != end && *p == ' ') {
            p++;
        }

        if (p == end) {
            return NULL;
        }

        host.data = p;

        while (p != end && *p != ' ') {
            p++;
        }

        host.len = p - host.data;

        if (!referral_host_pattern_valid(&host)) {
            return "a host that is none in default.allow";
        }

        if (t->click.nallow == LINK_TEST_STRINGS) {
            return "too many hosts in default.allow";
        }

        t->allow[t->click.nallow++] = host;
    }
}


/* what the headers give, and what replaces it */

static const char *
link_test_visitor(link_test_input_t *in, link_test_t *t)
{
    char                         name[64];
    unsigned                     i;
    referral_str_t               s, accept, languages;
    referral_date_t              at;
    struct timespec              ts;
    referral_bots_t             *bots;
    referral_agent_t             agent;
    referral_values_t           *v;
    referral_bots_error_t        error;
    referral_visitor_headers_t   h;

    v = &t->values;

    if (!link_test_get(in, "click.program", &v->value[REFERRAL_VALUE_PROGRAM])
        || !referral_program_valid(&v->value[REFERRAL_VALUE_PROGRAM]))
    {
        return "click.program is no program's name";
    }

    if (!link_test_get(in, "click.code", &t->click.code)
        || !referral_code_valid(&t->click.code))
    {
        return "click.code is no code";
    }

    if (link_test_get(in, "click.user_agent", &s)) {
        memset(&h, 0, sizeof(h));

        bots = referral_visitor_bots(NULL, &error);
        if (bots == NULL) {
            return error.what;
        }

        referral_visitor_agent(&agent, bots, &s);

        referral_bots_free(bots);

        s = referral_class_name(referral_visitor_class(&h, &agent));
        t->class = (char *) s.data;
        t->class_len = s.len;
        t->device = agent.device;

        v->value[REFERRAL_VALUE_DEVICE] = t->device.device;
        v->value[REFERRAL_VALUE_OS] = t->device.os;
        v->value[REFERRAL_VALUE_APP] = t->device.app;
    }

    if (!link_test_get(in, "click.accept_language", &accept)) {
        accept.len = 0;
        accept.data = NULL;
    }

    languages = referral_decide_languages(t->click.program);

    v->value[REFERRAL_VALUE_LANG].data = t->lang;
    v->value[REFERRAL_VALUE_LANG].len = referral_lang_choose(t->lang, &accept,
                                                             &languages);

    for (i = REFERRAL_VALUE_COUNTRY; i <= REFERRAL_VALUE_APP; i++) {
        snprintf(name, sizeof(name), "click.%s", link_test_values[i]);

        if (link_test_get(in, name, &s)) {

            if (i == REFERRAL_VALUE_COUNTRY || i == REFERRAL_VALUE_REGION) {
                link_test_country_right(&s);
            }

            v->value[i] = s;
        }
    }

    (void) link_test_get(in, "click.channel", &t->click.channel);
    (void) link_test_get(in, "click.args", &t->click.forward);

    if (!link_test_get(in, "click.at", &s)) {
        clock_gettime(CLOCK_REALTIME, &ts);
        v->now = (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
        return NULL;
    }

    if (referral_date_parse(&at, &s, 0) != REFERRAL_OK) {
        return "click.at is no date like 2026-12-01T10:30";
    }

    v->now = at.ms;

    if (at.local) {
        /* to know the zone: what else it decides is decided again */

        referral_decide(&t->decision, &t->click, v);

        v->now = t->decision.timezone
                 ? referral_timezone_first(t->decision.timezone, at.ms)
                 : at.ms - t->decision.offset * 60000LL;
    }

    return NULL;
}


static const char *
link_test_bucket(link_test_input_t *in, link_test_t *t)
{
    int64_t          n;
    referral_str_t   s, *program;

    program = &t->values.value[REFERRAL_VALUE_PROGRAM];

    t->values.bucket = referral_bucket(program, t->click_id, 0);

    if (link_test_get(in, "click.click_id", &s)) {

        if (referral_click_id_parse(t->click_id, &s) != REFERRAL_OK) {
            return "click.click_id is no click id";
        }

        referral_click_id_text(t->click_id_text, t->click_id);

        t->values.value[REFERRAL_VALUE_CLICK_ID].data = t->click_id_text;
        t->values.value[REFERRAL_VALUE_CLICK_ID].len = REFERRAL_CLICK_ID_LEN;

        t->values.bucket = referral_bucket(program, t->click_id,
                                           REFERRAL_CLICK_ID_SIZE);
    }

    if (link_test_get(in, "click.visitor", &s)) {

        if (referral_base64url_decode(t->visitor, sizeof(t->visitor), &s)
            != REFERRAL_VISITOR_SIZE)
        {
            return "click.visitor is no visitor id";
        }

        t->values.bucket = referral_bucket(program, t->visitor,
                                           REFERRAL_VISITOR_SIZE);
    }

    if (link_test_get(in, "click.bucket", &s)) {
        n = referral_str_uint(&s, 99);

        if (n == REFERRAL_ERROR) {
            return "click.bucket is not 0 to 99";
        }

        t->values.bucket = n;
    }

    return NULL;
}


static void
link_test_print(link_test_t *t)
{
    u_char                data[2 * REFERRAL_URL_MAX];
    u_char                url[REFERRAL_LOCATION_MAX];
    unsigned              i, from, line;
    const char           *err, *cut;
    referral_buf_t        b, text;
    referral_str_t        s, variant;
    referral_decision_t  *d;

    d = &t->decision;

    /* the rule that chose the landing is reported even if that is refused */

    from = d->from;
    line = d->line;
    variant = d->variant;

    referral_buf_init(&text, data, sizeof(data));
    referral_template_render(&d->template, &t->values, &text);

    referral_buf_init(&b, url, sizeof(url));

    if (referral_decide_url(d, &t->click, &t->values, &b, &err)
        != REFERRAL_OK)
    {
        b.pos = b.start;
    }

    cut = t->complaints.n ? ", " LINK_TEST_CUT : LINK_TEST_CUT;

    s = referral_result_name(d->result);
    printf("{\"result\": ");
    link_test_json(stdout, &s);

    printf(", \"landed\": %s, \"from\": ", d->landed ? "true" : "false");
    s = referral_from_name(from);
    link_test_json(stdout, s.len ? &s : NULL);

    if (line) {
        printf(", \"line\": %u", line);

    } else {
        printf(", \"line\": null");
    }

    printf(", \"variant\": ");
    link_test_json(stdout, variant.len ? &variant : NULL);

    s.data = text.start;
    s.len = text.pos - text.start;
    printf(", \"landing\": ");
    link_test_json(stdout, s.len ? &s : NULL);

    s.data = b.start;
    s.len = b.pos - b.start;
    printf(", \"url\": ");
    link_test_json(stdout, s.len ? &s : NULL);

    s.data = (u_char *) err;
    s.len = err ? strlen(err) : 0;
    printf(", \"refused\": ");
    link_test_json(stdout, err ? &s : NULL);

    printf(", \"rules\": [%s], \"values\": {", t->trace.list.text);

    for (i = 0; i < REFERRAL_VALUES; i++) {
        printf("\"%s\": ", link_test_values[i]);
        link_test_json(stdout, &t->values.value[i]);
        printf(", ");
    }

    s.data = (u_char *) t->class;
    s.len = t->class_len;
    printf("\"bucket\": %d}, \"class\": ", t->values.bucket);
    link_test_json(stdout, t->class ? &s : NULL);

    printf(", \"window\": %u, \"attribution\": \"%s\", \"utc_offset\": %d, "
           "\"timezone\": ", (unsigned) d->window,
           d->attribution == REFERRAL_ATTRIBUTION_FIRST ? "first" : "last",
           d->offset);

    s = referral_entry_field(&t->program.entry, REFERRAL_FIELD_TIMEZONE);

    if (d->timezone != referral_timezones_find(t->click.timezones, &s)) {
        s = t->click.timezone;
    }

    link_test_json(stdout, d->timezone ? &s : NULL);

    printf(", \"complaints\": [%s%s]}\n", t->complaints.text,
           d->cut ? cut : "");
}


static int
link_test_check(link_test_input_t *in, unsigned kind)
{
    int                    end, rc;
    const char            *err;
    referral_buf_t         b;
    referral_str_t         whole;
    link_test_list_t       list;
    link_test_complain_t   complain;

    static link_test_entry_t  entry;

    rc = 0;

    do {
        err = link_test_read(in, &end);

        if (err) {
            return link_test_error(err);
        }

        /* nothing follows the last separator */

        if (end && in->n == 0) {
            break;
        }

        if (link_test_list_open(&list) != REFERRAL_OK) {
            return link_test_error("no memory");
        }

        complain.list = &list;
        complain.of = NULL;

        link_test_check_names(in, &list);

        referral_buf_init(&b, &entry, sizeof(entry));

        if (referral_entry_compile(&b, kind, in->string, in->n,
                                   link_test_complain, &complain)
            != REFERRAL_OK)
        {
            referral_str_set(&whole, "");
            link_test_complain(&complain, &whole, 0,
                               "all fields together are too long");

        } else {
            link_test_countries(&entry.entry, &complain);
            link_test_timezone(&entry.entry, &complain);
        }

        link_test_list_close(&list);

        printf("[%s]\n", list.text);
        fflush(stdout);

        if (list.n) {
            rc = 1;
        }

        free(list.text);

    } while (!end);

    return rc;
}


static void
link_test_check_names(link_test_input_t *in, link_test_list_t *list)
{
    size_t                 i;
    referral_str_t        *name, *value;
    link_test_complain_t   complain;

    complain.list = list;
    complain.of = NULL;

    for (i = 0; i < in->n; i += 2) {
        name = &in->string[i];
        value = &in->string[i + 1];

        if (referral_str_is(name, "@program")
            && !referral_program_valid(value))
        {
            link_test_complain(&complain, name, 0,
                               "a program is 1 to 64 lower case letters, "
                               "digits, \"_\", \".\" or \"-\"");
        }

        if (referral_str_is(name, "@code") && !referral_code_valid(value)) {
            link_test_complain(&complain, name, 0,
                               "a code is 1 to 64 letters, digits, \"_\" or "
                               "\"-\"");
        }

        if (referral_str_is(name, "@referrer")
            && !referral_referrer_valid(value))
        {
            link_test_complain(&complain, name, 0,
                               "a referrer is 1 to 64 letters, digits, "
                               "\"_\", \".\", \"@\" or \"-\"");
        }
    }
}


static int
link_test_values_read(link_test_input_t *in)
{
    int          end;
    size_t       i;
    const char  *err;

    do {
        err = link_test_read(in, &end);

        for (i = 0; err == NULL && i < in->n; i += 2) {
            err = link_test_value_read(&in->string[i], &in->string[i + 1]);
        }

        if (err) {
            return link_test_error(err);
        }

    } while (!end);

    return 0;
}


static const char *
link_test_value_read(const referral_str_t *name, const referral_str_t *value)
{
    int              minutes, decimals;
    char             sentence[REFERRAL_TIMEZONE_WRONG];
    u_char           text[REFERRAL_DAY_LEN];
    const char      *wrong;
    referral_str_t   s;
    referral_date_t  first, last;

    s = *value;
    referral_str_trim(&s);

    if (referral_str_is(name, "offset")) {
        wrong = referral_offset_wrong(&s);

        if (referral_offset_parse(&minutes, &s) == REFERRAL_OK) {
            printf("{\"minutes\": %d}\n", minutes);
            return NULL;
        }

    } else if (referral_str_is(name, "date")) {
        wrong = "a date is like " REFERRAL_DATE_RIGHT;

        if (referral_date_parse(&first, &s, 0) == REFERRAL_OK) {
            printf("{\"ms\": %lld, \"local\": %s}\n", (long long) first.ms,
                   first.local ? "true" : "false");
            return NULL;
        }

    } else if (referral_str_is(name, "unit")) {
        wrong = referral_unit_wrong(&s);
        decimals = referral_unit_iso(&s);

        if (decimals >= 0) {
            printf("{\"decimals\": %d}\n", decimals);
            return NULL;
        }

    } else if (referral_str_is(name, "timezone")) {
        wrong = sentence;
        referral_timezones_wrong(link_test_timezones(), &s, sentence);

        if (referral_timezones_find(link_test_timezones(), &s)) {
            printf("{\"timezone\": \"%.*s\"}\n", (int) s.len,
                   (char *) s.data);
            return NULL;
        }

    } else if (referral_str_is(name, "day")) {
        wrong = "a day is like \"2026-12-01\"";

        if (referral_date_parse(&first, &s, 0) == REFERRAL_OK
            && referral_date_parse(&last, &s, 1) == REFERRAL_OK
            && last.ms - first.ms == REFERRAL_DAY_MS - 1)
        {
            referral_time_day(text, first.ms, 0);
            printf("{\"day\": \"%.*s\"}\n", (int) sizeof(text), text);
            return NULL;
        }

    } else {
        return "a name that is none";
    }

    s.data = (u_char *) wrong;
    s.len = strlen(wrong);

    printf("{\"problem\": ");
    link_test_json(stdout, &s);
    printf("}\n");

    return NULL;
}


/*
 * Reads pairs up to an empty one, or to the end of the input; then *end is 1.
 */

static const char *
link_test_read(link_test_input_t *in, int *end)
{
    const char      *err;
    referral_str_t  *name;

    in->n = 0;
    referral_buf_init(&in->memory, in->data, sizeof(in->data));

    for ( ;; ) {

        if (in->n + 2 > LINK_TEST_STRINGS) {
            return "too many strings";
        }

        err = link_test_string(in, end);

        if (err || *end) {
            return err;
        }

        err = link_test_string(in, end);

        if (err) {
            return err;
        }

        if (*end) {
            return "a name without a value";
        }

        name = &in->string[in->n - 2];

        if (name->len == 0) {
            in->n -= 2;
            return name[1].len ? "a value without a name" : NULL;
        }
    }
}


static const char *
link_test_string(link_test_input_t *in, int *end)
{
    int              c;
    size_t           len, digits;
    referral_str_t  *s;

    *end = 0;
    len = 0;

    for (digits = 0; ; digits++) {
        c = getchar();

        if (c == EOF && digits == 0) {
            *end = 1;
            return ferror(stdin) ? "the input cannot be read" : NULL;
        }

        if (c == ':' && digits) {
            break;
        }

        if (c < '0' || c > '9' || digits == 7) {
            return "a string must be LENGTH:BYTES,";
        }

        len = len * 10 + (c - '0');
    }

    s = &in->string[in->n];
    s->data = in->memory.pos;
    s->len = len;

    if ((size_t) (in->memory.end - in->memory.pos) < len) {
        return "too much input";
    }

    if (fread(in->memory.pos, 1, len, stdin) != len || getchar() != ',') {
        return "a string must be LENGTH:BYTES,";
    }

    in->memory.pos += len;
    in->n++;

    return NULL;
}


/* the first value of a name; 0: the name is not there */

static int
link_test_get(link_test_input_t *in, const char *name, referral_str_t *value)
{
    size_t          i;
    referral_str_t  s;

    s.data = (u_char *) name;
    s.len = strlen(name);

    for (i = 0; i < in->n; i += 2) {
        if (referral_str_eq(&in->string[i], &s)) {
            *value = in->string[i + 1];
            return 1;
        }
    }

    return 0;
}


static void
link_test_complain(void *data, const referral_str_t *field, unsigned line,
    const char *what)
{
    link_test_complain_t *complain = data;

    FILE            *f;
    referral_str_t   s;

    f = complain->list->file;

    fprintf(f, "%s{", complain->list->n++ ? ", " : "");

    if (complain->of) {
        fprintf(f, "\"of\": \"%s\", ", complain->of);
    }

    fprintf(f, "\"field\": ");
    link_test_json(f, field);

    s.data = (u_char *) what;
    s.len = strlen(what);
    fprintf(f, ", \"line\": %u, \"problem\": ", line);
    link_test_json(f, &s);

    fprintf(f, "}");
}


/* countries that the module accepts, but that are in no database */

static void
link_test_countries(const referral_entry_t *entry,
    link_test_complain_t *complain)
{
    referral_str_t  code;

    if (referral_entry_has(entry, REFERRAL_FIELD_RULES)) {
        code = referral_entry_field(entry, REFERRAL_FIELD_RULES);
        referral_rules_countries(&code, link_test_country, complain);
    }
}


static void
link_test_country(void *data, unsigned line, const u_char *code)
{
    char             text[128];
    u_char           right[2], guess[2];
    referral_str_t   field;

    memcpy(right, code, 2);

    if (referral_country_right(right) == REFERRAL_OK) {
        return;
    }

    if (referral_country_guess(guess, code) == REFERRAL_OK) {
        snprintf(text, sizeof(text), "\"%.2s\" is no country of ISO 3166; "
                 "is it \"%.2s\"?", code, guess);

    } else {
        snprintf(text, sizeof(text), "\"%.2s\" is no country of ISO 3166, "
                 "such as \"JP\" or \"GB\"", code);
    }

    referral_str_set(&field, "rules");
    link_test_complain(data, &field, line, text);
}


/* countries as rules are compiled with them */

static void
link_test_country_right(referral_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] >= 'a' && value->data[i] <= 'z') {
            value->data[i] -= 0x20;
        }
    }

    if (value->len >= 2) {
        (void) referral_country_right(value->data);
    }
}


/* without a failed condition the rule matched */

static void
link_test_rule(void *data, unsigned line, const char *condition)
{
    link_test_trace_t *trace = data;

    FILE            *f;
    referral_str_t   s;

    f = trace->list.file;

    fprintf(f, "%s{\"of\": \"%s\", \"line\": %u, \"matched\": %s, \"why\": ",
            trace->list.n++ ? ", " : "",
            trace->decision->from == REFERRAL_FROM_LINK_RULE ? "link"
                                                             : "program",
            line, condition ? "false" : "true");

    s.data = (u_char *) condition;
    s.len = condition ? strlen(condition) : 0;
    link_test_json(f, condition ? &s : NULL);

    fprintf(f, "}");
}


static int
link_test_list_open(link_test_list_t *list)
{
    list->n = 0;
    list->file = open_memstream(&list->text, &list->size);

    return list->file ? REFERRAL_OK : REFERRAL_ERROR;
}


static void
link_test_list_close(link_test_list_t *list)
{
    fclose(list->file);
}


static int
link_test_error(const char *what)
{
    printf("{\"error\": \"%s\"}\n", what);

    return 2;
}


/* NULL becomes null; invalid UTF-8 becomes U+FFFD */

static void
link_test_json(FILE *f, const referral_str_t *s)
{
    size_t  i, n;
    u_char  c;

    if (s == NULL) {
        fputs("null", f);
        return;
    }

    putc('"', f);

    for (i = 0; i < s->len; i += n) {
        c = s->data[i];
        n = 1;

        if (c == '"' || c == '\\') {
            fprintf(f, "\\%c", c);
            continue;
        }

        if (c < 0x20) {
            fprintf(f, "\\u%04x", c);
            continue;
        }

        if (c >= 0x80) {
            n = link_test_utf8(s->data + i, s->len - i);

            if (n == 0) {
                fputs("\\ufffd", f);
                n = 1;
                continue;
            }
        }

        fwrite(s->data + i, 1, n, f);
    }

    putc('"', f);
}


/*
 * The length of a character of more than one byte at the start; 0: there is
 * none.
 */

static size_t
link_test_utf8(const u_char *p, size_t len)
{
    u_char  low, high;
    size_t  i, n;

    low = 0x80;
    high = 0xbf;

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        n = 2;

    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        n = 3;
        low = p[0] == 0xe0 ? 0xa0 : 0x80;
        high = p[0] == 0xed ? 0x9f : 0xbf;

    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        n = 4;
        low = p[0] == 0xf0 ? 0x90 : 0x80;
        high = p[0] == 0xf4 ? 0x8f : 0xbf;

    } else {
        return 0;
    }

    if (len < n || p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }

    return n;
}
