
/*
 * The program's own fields become facts: the zone with its changes, and what
 * says how long and to whom an event counts.
 */


#include "settle_program.h"
#include "referral_credit.h"
#include "referral_time.h"
#include "referral_tzdata.h"


#define SETTLE_RULES_TEXT    (16384 + REFERRAL_REWARDS_TEXT)
#define SETTLE_RULES_BACK    (400 * REFERRAL_DAY_MS)
#define SETTLE_RULES_AHEAD   (3653 * REFERRAL_DAY_MS)
#define SETTLE_RULES_AGAIN   (365 * REFERRAL_DAY_MS)
#define SETTLE_RULES_FIELDS  10


/*
 * As they stand in the program's hash, and in the fact from "zone" on; there a
 * seed goes before the text of rewards, which is the last, as it has lines.
 */

typedef enum {
    SETTLE_RULES_TIMEZONE = 0,
    SETTLE_RULES_UTC_OFFSET,
    SETTLE_RULES_WINDOW,
    SETTLE_RULES_LATE,
    SETTLE_RULES_BIND,
    SETTLE_RULES_ATTRIBUTION,
    SETTLE_RULES_ORDER,
    SETTLE_RULES_STATE,
    SETTLE_RULES_WEBHOOKS,
    SETTLE_RULES_REWARDS
} settle_rules_field_e;


static const char *const  settle_rules_fields[SETTLE_RULES_FIELDS] = {
    "timezone", "utc_offset", "window", "late", "bind", "attribution",
    "attribution_order", "state", "webhooks", "rewards"
};

static const referral_fact_text_e  settle_rules_facts[SETTLE_RULES_FACTS] = {
    REFERRAL_FACT_T_ZONE, REFERRAL_FACT_T_TRANSITIONS, REFERRAL_FACT_T_WINDOW,
    REFERRAL_FACT_T_LATE, REFERRAL_FACT_T_BIND, REFERRAL_FACT_T_ATTRIBUTION,
    REFERRAL_FACT_T_ATTRIBUTION_ORDER, REFERRAL_FACT_T_STATE,
    REFERRAL_FACT_T_WEBHOOKS, REFERRAL_FACT_T_SEED, REFERRAL_FACT_T_TEXT
};


static settle_turn_e settle_rules_settled(settle_program_t *p,
    uint64_t *position);
static settle_turn_e settle_rules_ahead(settle_program_t *p);
static settle_turn_e settle_rules_take(settle_program_t *p,
    settle_entries_t *e, uint64_t position, int newest);
static settle_turn_e settle_rules_append(settle_program_t *p,
    const char *text);
static redisReply *settle_rules_ask(settle_program_t *p);
static int settle_rules_text(settle_program_t *p, referral_buf_t *out,
    const redisReply *reply, int64_t from);
static void settle_rules_webhooks(settle_program_t *p, referral_buf_t *out,
    const referral_str_t *value);
static void settle_rules_zone(settle_program_t *p, referral_buf_t *out,
    const referral_str_t *timezone, const referral_str_t *offset,
    int64_t from);
static const referral_timezone_t *settle_rules_timezone(
    const referral_str_t *name);
static void settle_rules_changes(referral_buf_t *out,
    const referral_timezone_t *zone, int minutes, int64_t from);
static void settle_rules_seconds(referral_buf_t *out, const referral_str_t *s,
    int64_t otherwise, int64_t max);
static void settle_rules_wrong(settle_program_t *p, const char *field,
    const referral_str_t *value, const char *instead);
static int64_t settle_rules_from(const referral_str_t *transitions);


static referral_timezones_t    *settle_zones;
static referral_tzdata_mark_t   settle_zones_mark;


/* of the rules that were settled the last hold, before the first the first */

settle_turn_e
settle_rules_find(settle_program_t *p)
{
    uint64_t          position;
    settle_turn_e     rc;
    settle_entries_t  e;

    p->current = 0;

    free(p->rules.text);
    p->rules.text = NULL;

    rc = settle_rules_settled(p, &position);

    if (rc != SETTLE_BUSY) {
        return rc;
    }

    if (position == 0) {
        return settle_rules_ahead(p);
    }

    settle_entries_init(&e, 1);
    rc = settle_rules_take(p, &e, position, 1);
    settle_entries_free(&e);

    return rc == SETTLE_IDLE
           ? settle_program_trouble(p, "the rules that were settled are not in"
                                       " the stream any more")
           : rc;
}


static settle_turn_e
settle_rules_settled(settle_program_t *p, uint64_t *position)
{
    size_t             i;
    u_char             data[REFERRAL_STATE_KEY];
    uint64_t           version, at;
    redisReply        *reply;
    referral_buf_t     buf;
    settle_command_t   c;

    *position = 0;
    p->rules.version = 0;

    settle_command_begin(&c);
    settle_command_text(&c, "HGETALL");
    referral_buf_init(&buf, data, sizeof(data));
    referral_state_name(&buf, &p->state, "rules");
    settle_command_buf(&c, &buf);

    reply = settle_redis_command(&c);
    settle_command_free(&c);

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        (void) settle_program_trouble(p, settle_reply_text(reply));

        if (reply) {
            freeReplyObject(reply);
        }

        return SETTLE_TROUBLE;
    }

    for (i = 0; i + 1 < reply->elements; i += 2) {
        version = settle_reply_number(reply->element[i]);
        at = settle_reply_number(reply->element[i + 1]);

        if (at > *position && at <= p->settle.position) {
            *position = at;
        }

        if (version > p->rules.version) {
            p->rules.version = version;
        }
    }

    freeReplyObject(reply);

    return SETTLE_BUSY;
}


/* reads ahead to the first rules; where there are none, they are appended */

static settle_turn_e
settle_rules_ahead(settle_program_t *p)
{
    uint64_t          position;
    settle_turn_e     rc;
    settle_entries_t  e;

    settle_entries_init(&e, 1000);
    position = 1;

    do {
        rc = settle_rules_take(p, &e, position, 0);

        if (rc == SETTLE_IDLE && e.n == 0) {
            rc = settle_rules_check(p);
            rc = rc == SETTLE_BUSY ? SETTLE_IDLE
                                   : rc == SETTLE_IDLE ? SETTLE_TROUBLE : rc;

        } else if (rc == SETTLE_IDLE) {
            position = e.entry[e.n - 1].fact.position + 1;
        }

    } while (rc == SETTLE_IDLE);

    settle_entries_free(&e);

    return rc;
}


/* SETTLE_IDLE: there are no rules among the entries from "position" on */

static settle_turn_e
settle_rules_take(settle_program_t *p, settle_entries_t *e, uint64_t position,
    int newest)
{
    char         text[SETTLE_TEXT];
    size_t       i;
    const char  *why;

    if (settle_entries_read(e, &p->state, position, text) != SETTLE_OK) {
        return settle_program_trouble(p, text);
    }

    for (i = 0; i < e->n; i++) {

        if (e->entry[i].why
            || (newest && e->entry[i].fact.position != position)
            || e->entry[i].fact.type != REFERRAL_FACT_RULES
            || referral_terms_parse(&p->terms, &e->entry[i].fact, &why)
               != REFERRAL_OK)
        {
            continue;
        }

        if (newest) {
            settle_rules_seen(p, &e->entry[i].fact);

        } else if (e->entry[i].fact.text[REFERRAL_FACT_T_TEXT].len) {
            p->rewards.wanted = 1;
        }

        return SETTLE_BUSY;
    }

    return SETTLE_IDLE;
}


void
settle_rules_seen(settle_program_t *p, const referral_fact_t *fact)
{
    u_char                 data[SETTLE_RULES_TEXT];
    unsigned               i;
    referral_buf_t         buf;

    referral_buf_init(&buf, data, sizeof(data) - 1);

    for (i = 0; i < SETTLE_RULES_FACTS; i++) {
        referral_buf_str(&buf, &fact->text[settle_rules_facts[i]]);
        referral_buf_putc(&buf, '\n');
    }

    *buf.pos = '\0';

    free(p->rules.text);

    p->rules.text = strdup((char *) data);
    p->rules.time = fact->time;
    p->rules.from =
              settle_rules_from(&fact->text[REFERRAL_FACT_T_TRANSITIONS]);

    if (fact->subject > p->rules.version) {
        p->rules.version = fact->subject;
    }
}


static int64_t
settle_rules_from(const referral_str_t *transitions)
{
    referral_str_t  rest, ms;

    rest = *transitions;

    return referral_credit_cut(&rest, ':', &ms)
           ? referral_str_uint(&ms, REFERRAL_FACT_AT - 1) : -1;
}


settle_turn_e
settle_rules_check(settle_program_t *p)
{
    u_char           data[SETTLE_RULES_TEXT];
    int64_t          from;
    redisReply      *reply;
    settle_turn_e    rc;
    referral_buf_t   buf;

    reply = settle_rules_ask(p);

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != SETTLE_RULES_FIELDS)
    {
        rc = settle_program_trouble(p, settle_reply_text(reply));

        if (reply) {
            freeReplyObject(reply);
        }

        return rc;
    }

    /* the same table is made again, so that only what changed differs */

    from = p->rules.text ? p->rules.from : -1;

    if (from < 0 || p->now - p->rules.time > SETTLE_RULES_AGAIN) {
        from = p->now / REFERRAL_DAY_MS * REFERRAL_DAY_MS - SETTLE_RULES_BACK;
        from = from < 0 ? 0 : from;
    }

    referral_buf_init(&buf, data, sizeof(data) - 1);
    rc = settle_rules_text(p, &buf, reply, from);
    *buf.pos = '\0';

    freeReplyObject(reply);

    if (rc != SETTLE_OK) {
        return SETTLE_TROUBLE;
    }

    if (p->rules.text && strcmp(p->rules.text, (char *) data) == 0) {
        return SETTLE_IDLE;
    }

    return settle_rules_append(p, (char *) data);
}


static redisReply *
settle_rules_ask(settle_program_t *p)
{
    u_char             data[REFERRAL_STATE_KEY];
    unsigned           i;
    redisReply        *reply;
    referral_buf_t     buf;
    settle_command_t   c;

    settle_command_begin(&c);
    settle_command_text(&c, "HMGET");
    referral_buf_init(&buf, data, sizeof(data));
    referral_state_name(&buf, &p->state, "program");
    settle_command_buf(&c, &buf);

    for (i = 0; i < SETTLE_RULES_FIELDS; i++) {
        settle_command_text(&c, settle_rules_fields[i]);
    }

    reply = settle_redis_command(&c);
    settle_command_free(&c);

    return reply;
}


/* the values of the fact, a line each; what is wrong has its default */

static int
settle_rules_text(settle_program_t *p, referral_buf_t *out,
    const redisReply *reply, int64_t from)
{
    unsigned         i;
    referral_str_t   value[SETTLE_RULES_FIELDS];

    for (i = 0; i < SETTLE_RULES_FIELDS; i++) {
        value[i].data = (u_char *) settle_reply_text(reply->element[i]);
        value[i].len = strlen((char *) value[i].data);

        if (i == SETTLE_RULES_REWARDS) {
            value[i].len = reply->element[i]->type == REDIS_REPLY_STRING
                           ? reply->element[i]->len : 0;
            continue;
        }

        if (value[i].len > SETTLE_TEXT || strpbrk((char *) value[i].data,
                                                  "\r\n"))
        {
            settle_rules_wrong(p, settle_rules_fields[i], &value[i],
                               "the default holds");
            value[i].len = 0;
        }
    }

    settle_rules_zone(p, out, &value[SETTLE_RULES_TIMEZONE],
                      &value[SETTLE_RULES_UTC_OFFSET], from);

    settle_rules_seconds(out, &value[SETTLE_RULES_WINDOW],
                         REFERRAL_WINDOW_DEFAULT, REFERRAL_WINDOW_MAX);
    settle_rules_seconds(out, &value[SETTLE_RULES_LATE], REFERRAL_TERMS_LATE,
                         REFERRAL_TERMS_LATE_MAX);

    referral_str_trim(&value[SETTLE_RULES_BIND]);

    if (referral_str_is_nocase(&value[SETTLE_RULES_BIND], "window")) {
        referral_buf_puts(out, "window\n");

    } else {
        referral_buf_puts(out, "ever\n");
    }

    for (i = SETTLE_RULES_ATTRIBUTION; i <= SETTLE_RULES_STATE; i++) {

        if (i == SETTLE_RULES_STATE && reply->element[i]->type
                                       == REDIS_REPLY_NIL)
        {
            referral_buf_puts(out, "absent");
        }

        referral_buf_str(out, &value[i]);
        referral_buf_putc(out, '\n');
    }

    settle_rules_webhooks(p, out, &value[SETTLE_RULES_WEBHOOKS]);

    return settle_rewards_text(p, out, &value[SETTLE_RULES_REWARDS]);
}


/* "off" is as if it were not there: then no entry "rules" is appended for it */

static void
settle_rules_webhooks(settle_program_t *p, referral_buf_t *out,
    const referral_str_t *value)
{
    referral_str_t  word;

    word = *value;
    referral_str_trim(&word);

    if (referral_str_is_nocase(&word, "on")) {
        referral_buf_puts(out, "on");

    } else if (word.len && !referral_str_is_nocase(&word, "off")) {
        settle_rules_wrong(p, "webhooks", &word,
                           "\"on\" and \"off\" are right, off holds");
    }

    referral_buf_putc(out, '\n');
}


/* a zone that is none: the one of before holds, and it is said once */

static void
settle_rules_zone(settle_program_t *p, referral_buf_t *out,
    const referral_str_t *timezone, const referral_str_t *offset,
    int64_t from)
{
    int                         minutes;
    char                       *end;
    const referral_timezone_t  *zone;

    zone = NULL;
    minutes = 0;

    if (timezone->len) {
        zone = settle_rules_timezone(timezone);

        if (zone == NULL) {
            settle_rules_wrong(p, "timezone", timezone,
                               "no such zone in tzdata, the former one holds");
        }

    } else if (offset->len
               && referral_offset_parse(&minutes, offset) != REFERRAL_OK)
    {
        settle_rules_wrong(p, "utc_offset", offset,
                           "no offset, UTC holds");
        minutes = 0;
    }

    if (timezone->len && zone == NULL && p->rules.text) {
        end = strchr(p->rules.text, '\n');
        end = end ? strchr(end + 1, '\n') : NULL;

        if (end) {
            referral_buf_put(out, p->rules.text, end + 1 - p->rules.text);
            return;
        }
    }

    if (zone) {
        referral_buf_str(out, timezone);
        p->zone_told[0] = '\0';

    } else if (offset->len && timezone->len == 0) {
        referral_buf_str(out, offset);

    } else {
        referral_buf_puts(out, "UTC");
    }

    referral_buf_putc(out, '\n');
    settle_rules_changes(out, zone, minutes, from);
    referral_buf_putc(out, '\n');
}


static const referral_timezone_t *
settle_rules_timezone(const referral_str_t *name)
{
    char                   err[REFERRAL_TZDATA_ERROR];
    referral_timezones_t  *zones;

    if (settle_zones == NULL
        || referral_tzdata_changed(referral_tzdata_path(),
                                   &settle_zones_mark))
    {
        zones = referral_tzdata_read(referral_tzdata_path(),
                                     &settle_zones_mark, err);

        if (zones) {
            referral_timezones_free(settle_zones);
            settle_zones = zones;

        } else {
            settle_log("error", "time zones: %s", err);
        }
    }

    return referral_timezones_find(settle_zones, name);
}


static void
settle_rules_changes(referral_buf_t *out, const referral_timezone_t *zone,
    int minutes, int64_t from)
{
    int                                offset;
    size_t                             i, n;
    static referral_timezone_change_t  changes[REFERRAL_TERMS_CHANGES];

    if (zone) {
        n = referral_timezone_changes(zone, from,
                                      from + SETTLE_RULES_BACK
                                      + SETTLE_RULES_AHEAD, changes,
                                      REFERRAL_TERMS_CHANGES);

    } else {
        changes[0].offset = minutes * 60;
        n = 1;
    }

    for (i = 0; i < n; i++) {
        offset = changes[i].offset / 60;

        if (i) {
            referral_buf_putc(out, ',');
        }

        referral_buf_uint(out, i ? changes[i].at : from);
        referral_buf_putc(out, ':');

        if (offset < 0) {
            referral_buf_putc(out, '-');
        }

        referral_buf_uint(out, offset < 0 ? -offset : offset);
    }
}


static void
settle_rules_seconds(referral_buf_t *out, const referral_str_t *s,
    int64_t otherwise, int64_t max)
{
    int64_t  n;

    if (s->len == 0 || referral_duration_parse(&n, s, max) != REFERRAL_OK) {
        n = otherwise;
    }

    referral_buf_uint(out, n);
    referral_buf_putc(out, '\n');
}


static void
settle_rules_wrong(settle_program_t *p, const char *field,
    const referral_str_t *value, const char *instead)
{
    char  text[SETTLE_TEXT];

    snprintf(text, sizeof(text), "%s \"%.*s\": %s", field,
             value->len > 64 ? 64 : (int) value->len, (char *) value->data,
             instead);

    if (strcmp(text, p->zone_told) != 0) {
        settle_log("error", "program \"%s\": %s", p->name, text);
        snprintf(p->zone_told, sizeof(p->zone_told), "%s", text);
    }
}


static settle_turn_e
settle_rules_append(settle_program_t *p, const char *text)
{
    u_char             data[REFERRAL_STATE_KEY];
    unsigned           i;
    redisReply        *reply;
    const char        *end;
    settle_turn_e      rc;
    referral_buf_t     buf;
    referral_str_t     name;
    settle_command_t   c;

    static const char *const  names[] = { "conversions", "settled" };

    settle_command_begin(&c);

    for (i = 0; i < 2; i++) {
        referral_buf_init(&buf, data, sizeof(data));
        referral_state_name(&buf, &p->state, names[i]);
        settle_command_buf(&c, &buf);
    }

    settle_command_text(&c, "rules");
    settle_command_text(&c, "");
    settle_command_text(&c, "version");
    settle_command_number(&c, p->rules.version + 1);
    settle_command_text(&c, "engine");
    settle_command_number(&c, REFERRAL_SETTLE_ENGINE);

    for (i = 0; i < SETTLE_RULES_FACTS; i++, text = end + 1) {
        end = i + 1 < SETTLE_RULES_FACTS ? strchr(text, '\n')
                                         : strrchr(text, '\n');

        if (end == NULL) {
            break;
        }

        name = referral_fact_name(settle_rules_facts[i]);
        settle_command_word(&c, name.data, name.len);
        settle_command_word(&c, text, end - text);
    }

    reply = settle_redis_script(SETTLE_SCRIPT_FACT, &c, 2);
    settle_command_free(&c);

    if (reply == NULL || settle_reply_failed(reply)) {
        rc = settle_program_trouble(p, settle_reply_text(reply));

    } else if (settle_reply_number(reply) == 0) {
        rc = SETTLE_AWAY;
        settle_program_forget(p);

    } else {
        rc = SETTLE_BUSY;
        settle_log("notice", "program \"%s\": its fields changed, version %llu"
                   " is entry %s of its conversions", p->name,
                   (unsigned long long) p->rules.version + 1,
                   settle_reply_text(reply));
    }

    if (reply) {
        freeReplyObject(reply);
    }

    /* until it is settled nothing else is compared with it */

    p->current = 0;

    return rc;
}
