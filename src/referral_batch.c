
#include "referral_batch_core.h"


/* more than any one record takes */

#define REFERRAL_BATCH_ROOM_OPS     32
#define REFERRAL_BATCH_ROOM_TEXTS   64
#define REFERRAL_BATCH_ROOM_SIZE    (16 * 1024)
#define REFERRAL_BATCH_ROOM_ITEMS   128

#define REFERRAL_BATCH_EVENT_TEXTS  12

#define REFERRAL_BATCH_CAP_PROGRAM  500
#define REFERRAL_BATCH_CAP_LINK     50
#define REFERRAL_BATCH_UNIQUES_TTL  (400 * 86400)
#define REFERRAL_BATCH_BOARD_TTL    (9 * 86400)
#define REFERRAL_BATCH_AT_MAX       253402300799999LL


static int referral_batch_full(const referral_batch_t *b);
static void referral_batch_add_class(referral_batch_t *b,
    const referral_record_t *record, int click, const uint32_t *stats);
static void referral_batch_add_click(referral_batch_t *b,
    const referral_record_t *record, uint32_t group, const uint32_t *stats);
static void referral_batch_add_dates(referral_batch_t *b,
    const referral_record_t *record, uint32_t group);
static void referral_batch_add_touch(referral_batch_t *b,
    const referral_record_t *record, uint32_t group);
static void referral_batch_add_event(referral_batch_t *b,
    const referral_record_t *record, uint32_t group);
static void referral_batch_put_word(referral_buf_t *buf,
    const referral_str_t *s);
static uint32_t referral_batch_bump(referral_batch_t *b, uint32_t group,
    uint32_t type, uint32_t suffix, uint32_t text);
static void referral_batch_count(referral_batch_t *b, uint32_t target,
    uint32_t text);
static void referral_batch_stats(referral_batch_t *b, const uint32_t *stats,
    uint32_t text);
static void referral_batch_expire(referral_batch_t *b, uint32_t target,
    uint64_t start, uint64_t life);
static uint32_t referral_batch_field(referral_batch_t *b, const char *name,
    const referral_str_t *s);


const referral_batch_name_t  referral_batch_names[] = {

    /* REFERRAL_KEY_JOURNALS */
    { referral_string("journals:"), referral_string(""), REFERRAL_OP_IF },

    /* REFERRAL_KEY_ERRORS */
    { referral_string("errors:"), referral_string(""), REFERRAL_OP_IF },

    /* REFERRAL_KEY_FORGOTTEN */
    { referral_string("forgotten:"), referral_string(""), REFERRAL_OP_IF },

    /* REFERRAL_KEY_LINK */
    { referral_string("link:"), referral_string(":"), REFERRAL_OP_IF },

    /* REFERRAL_KEY_STATS */
    { referral_string("stats:"), referral_string(""), REFERRAL_OP_COUNT },

    /* REFERRAL_KEY_STATS_LINK */
    { referral_string("stats:"), referral_string(":"), REFERRAL_OP_COUNT },

    /* REFERRAL_KEY_DAY */
    { referral_string("day:"), referral_string(":"), REFERRAL_OP_COUNT },

    /* REFERRAL_KEY_DAYS */
    { referral_string("days:"), referral_string(""), REFERRAL_OP_COUNT },

    /* REFERRAL_KEY_DAYS_LINK */
    { referral_string("days:"), referral_string(":"), REFERRAL_OP_COUNT },

    /* REFERRAL_KEY_HOURS */
    { referral_string("hours:"), referral_string(""), REFERRAL_OP_COUNT },

    /* REFERRAL_KEY_BOARD */
    { referral_string("board:"), referral_string(":clicks"),
      REFERRAL_OP_SCORE },

    /* REFERRAL_KEY_BOARD_DAY */
    { referral_string("board:"), referral_string(":clicks:"),
      REFERRAL_OP_SCORE },

    /* REFERRAL_KEY_REFERRERS */
    { referral_string("board:"), referral_string(":referrers:clicks"),
      REFERRAL_OP_SCORE },

    /* REFERRAL_KEY_REFERRERS_MONTH */
    { referral_string("board:"), referral_string(":referrers:clicks:"),
      REFERRAL_OP_SCORE },

    /* REFERRAL_KEY_VISITORS */
    { referral_string("visitors:"), referral_string(":day:"),
      REFERRAL_OP_UNIQUE },

    /* REFERRAL_KEY_ADDRESSES */
    { referral_string("addresses:"), referral_string(":day:"),
      REFERRAL_OP_UNIQUE },

    /* REFERRAL_KEY_CLICKS */
    { referral_string("clicks:"), referral_string(":"), REFERRAL_OP_SET },

    /* REFERRAL_KEY_EVENTS */
    { referral_string("events:"), referral_string(""), REFERRAL_OP_EVENTS }
};


static const struct {
    const char         *name;
    referral_text_e     text;
} referral_batch_dimensions[] = {
    { "country:", REFERRAL_TEXT_COUNTRY },
    { "device:", REFERRAL_TEXT_DEVICE },
    { "os:", REFERRAL_TEXT_OS },
    { "app:", REFERRAL_TEXT_APP },
    { "lang:", REFERRAL_TEXT_LANG },
    { "source:", REFERRAL_TEXT_SOURCE },
    { "channel:", REFERRAL_TEXT_CHANNEL },
    { "variant:", REFERRAL_TEXT_VARIANT },
    { "segment:", REFERRAL_TEXT_SEGMENT },
    { NULL, 0 }
};


/* what an event tells of the texts, between "visitor" and "at" */

static const referral_text_e
    referral_batch_event_texts[REFERRAL_BATCH_EVENT_TEXTS] =
{
    REFERRAL_TEXT_COUNTRY,
    REFERRAL_TEXT_REGION,
    REFERRAL_TEXT_CITY,
    REFERRAL_TEXT_LANG,
    REFERRAL_TEXT_DEVICE,
    REFERRAL_TEXT_OS,
    REFERRAL_TEXT_APP,
    REFERRAL_TEXT_SOURCE,
    REFERRAL_TEXT_CHANNEL,
    REFERRAL_TEXT_SEGMENT,
    REFERRAL_TEXT_VARIANT,
    REFERRAL_TEXT_LANDING_HOST
};


void
referral_batch_defaults(referral_batch_conf_t *conf)
{
    conf->events_maxlen = 1000000;
    conf->events_age = 90 * 86400;
    conf->cap_program = REFERRAL_BATCH_CAP_PROGRAM;
    conf->cap_link = REFERRAL_BATCH_CAP_LINK;
    conf->uniques_ttl = REFERRAL_BATCH_UNIQUES_TTL;
    conf->board_ttl = REFERRAL_BATCH_BOARD_TTL;
}


referral_batch_t *
referral_batch_create(const referral_batch_conf_t *conf)
{
    size_t             i;
    referral_batch_t  *b;

    if (conf->prefix.len > REFERRAL_BATCH_PREFIX_MAX) {
        return NULL;
    }

    for (i = 0; i < conf->prefix.len; i++) {
        if (conf->prefix.data[i] == '{' || conf->prefix.data[i] == '}') {
            return NULL;
        }
    }

    b = malloc(sizeof(referral_batch_t));
    if (b == NULL) {
        return NULL;
    }

    b->conf = *conf;

    if (referral_batch_script(b) != REFERRAL_OK) {
        free(b);
        return NULL;
    }

    b->program_len = 0;
    b->records = 0;

    return b;
}


void
referral_batch_free(referral_batch_t *b)
{
    free(b);
}


int
referral_batch_begin(referral_batch_t *b, const referral_str_t *program,
    const u_char *journal_id, uint64_t expected)
{
    referral_buf_t  buf;

    b->records = 0;
    b->program_len = 0;

    if (!referral_program_valid(program)) {
        return REFERRAL_ERROR;
    }

    memcpy(b->program, program->data, program->len);
    b->program_len = program->len;

    referral_buf_init(&buf, b->journal, sizeof(b->journal));
    referral_buf_hex(&buf, journal_id, REFERRAL_JOURNAL_ID_SIZE);

    b->expected = expected;
    b->last = expected;
    b->newest = 0;

    b->ntexts = 1;
    b->nitems = 1;
    b->nkeys = 1;
    b->ntargets = 1;
    b->nops = 1;
    b->ngroups = 1;
    b->nevents = 1;
    b->text_len = 0;
    b->text_size = 0;

    memset(b->text_slots, 0, sizeof(b->text_slots));
    memset(b->item_slots, 0, sizeof(b->item_slots));
    memset(b->groups, 0, sizeof(referral_batch_group_t));

    (void) referral_batch_text(b, "", 0);
    (void) referral_batch_key(b, REFERRAL_KEY_JOURNALS, REFERRAL_BATCH_EMPTY);
    (void) referral_batch_key(b, REFERRAL_KEY_ERRORS, REFERRAL_BATCH_EMPTY);
    (void) referral_batch_key(b, REFERRAL_KEY_FORGOTTEN, REFERRAL_BATCH_EMPTY);

    return REFERRAL_OK;
}


int
referral_batch_add(referral_batch_t *b, const referral_record_t *record,
    uint64_t seq)
{
    int                    click;
    u_char                 day[REFERRAL_DAY_LEN];
    uint32_t               code, date, group, stats[3];
    const referral_str_t  *program;

    program = &record->text[REFERRAL_TEXT_PROGRAM];

    if (seq <= b->last) {
        return REFERRAL_ERROR;
    }

    if (referral_batch_full(b)) {
        return REFERRAL_DECLINED;
    }

    b->last = seq;
    b->records++;

    if (program->len != b->program_len
        || memcmp(program->data, b->program, b->program_len) != 0
        || record->at < 0
        || record->at > REFERRAL_BATCH_AT_MAX)
    {
        return REFERRAL_ERROR;
    }

    if (record->result == REFERRAL_RESULT_UNKNOWN) {
        return REFERRAL_OK;
    }

    if (record->at > b->newest) {
        b->newest = record->at;
    }

    code = referral_batch_str(b, &record->text[REFERRAL_TEXT_CODE]);

    group = 0;

    if (record->result == REFERRAL_RESULT_UNRESOLVED) {
        group = referral_batch_group(b, code);
    }

    click = record->class == REFERRAL_CLASS_HUMAN
            && (record->flags & REFERRAL_RECORD_LANDED)
            && (record->result == REFERRAL_RESULT_LANDING
                || record->result == REFERRAL_RESULT_UNRESOLVED);

    referral_time_day(day, record->at, record->offset);
    date = referral_batch_text(b, day, sizeof(day));

    stats[0] = referral_batch_target(b, group, REFERRAL_KEY_STATS,
                                     REFERRAL_BATCH_EMPTY);
    stats[1] = referral_batch_target(b, group, REFERRAL_KEY_STATS_LINK, code);
    stats[2] = referral_batch_target(b, group, REFERRAL_KEY_DAY, date);

    referral_batch_add_class(b, record, click, stats);

    if (click) {
        referral_batch_add_click(b, record, group, stats);
    }

    if (b->conf.events_maxlen) {
        referral_batch_add_event(b, record, group);
    }

    return REFERRAL_OK;
}


unsigned
referral_batch_records(const referral_batch_t *b)
{
    return b->records;
}


uint64_t
referral_batch_last(const referral_batch_t *b)
{
    return b->last;
}


/* in an empty batch there is room for any record */

static int
referral_batch_full(const referral_batch_t *b)
{
    return b->records == REFERRAL_BATCH_RECORDS
           || b->nops + b->ngroups + REFERRAL_BATCH_ROOM_OPS
              > REFERRAL_BATCH_OPS
           || b->ntexts + REFERRAL_BATCH_ROOM_TEXTS > REFERRAL_BATCH_TEXTS
           || b->nitems + REFERRAL_BATCH_ROOM_ITEMS > REFERRAL_BATCH_ITEMS
           || b->text_size + REFERRAL_BATCH_ROOM_SIZE
              > REFERRAL_BATCH_TEXT_SIZE;
}


/* what every hit on a known code counts */

static void
referral_batch_add_class(referral_batch_t *b, const referral_record_t *record,
    int click, const uint32_t *stats)
{
    referral_str_t  name;

    referral_batch_stats(b, stats, referral_batch_text(b, "raw", 3));

    if (record->flags & REFERRAL_RECORD_NO_CONSENT) {
        referral_batch_stats(b, stats,
                             referral_batch_text(b, "no_consent", 10));
    }

    if (record->class != REFERRAL_CLASS_HUMAN) {
        name = referral_class_name(record->class);
        referral_batch_stats(b, stats, referral_batch_str(b, &name));
        return;
    }

    if (!click) {
        name = referral_result_name(record->result);

        referral_batch_stats(b, stats, referral_batch_text(b, "missed", 6));
        referral_batch_stats(b, stats,
                             referral_batch_field(b, "missed:", &name));
        return;
    }

    referral_batch_stats(b, stats, referral_batch_text(b, "clicks", 6));

    if (record->result == REFERRAL_RESULT_UNRESOLVED) {
        referral_batch_stats(b, stats,
                             referral_batch_text(b, "unresolved", 10));
    }
}


/* what a person who was sent to a landing counts */

static void
referral_batch_add_click(referral_batch_t *b, const referral_record_t *record,
    uint32_t group, const uint32_t *stats)
{
    uint32_t               text;
    unsigned               i;
    const referral_str_t  *value;

    for (i = 0; referral_batch_dimensions[i].name; i++) {
        value = &record->text[referral_batch_dimensions[i].text];

        if (value->len) {
            text = referral_batch_field(b, referral_batch_dimensions[i].name,
                                        value);
            referral_batch_stats(b, stats, text);
        }
    }

    text = referral_batch_text(b, "visitors", 8);

    if (record->flags & REFERRAL_RECORD_NEW_PROGRAM) {
        referral_batch_count(b, stats[0], text);
    }

    if (record->flags & REFERRAL_RECORD_NEW_LINK) {
        referral_batch_count(b, stats[1], text);
    }

    if (record->flags & REFERRAL_RECORD_NEW_DAY) {
        referral_batch_count(b, stats[2], text);
    }

    if ((record->flags & REFERRAL_RECORD_VISITOR)
        && !(record->flags & REFERRAL_RECORD_ADDRESS))
    {
        referral_batch_stats(b, stats,
                             referral_batch_text(b, "no_address", 10));
    }

    referral_batch_add_dates(b, record, group);

    if ((record->flags & REFERRAL_RECORD_TOUCHED)
        && (record->flags & REFERRAL_RECORD_CLICK_ID))
    {
        referral_batch_add_touch(b, record, group);

    } else {
        referral_batch_stats(b, stats, referral_batch_text(b, "unlisted", 8));
    }
}


static void
referral_batch_add_dates(referral_batch_t *b, const referral_record_t *record,
    uint32_t group)
{
    u_char          day[REFERRAL_DAY_LEN], hour[REFERRAL_HOUR_LEN];
    u_char          visitor[REFERRAL_VISITOR_LEN], address[8], hex[16];
    int64_t         start;
    uint32_t        code, date, month, referrer, target, text;
    unsigned        i;
    referral_buf_t  buf;

    referral_time_day(day, record->at, record->offset);
    referral_time_hour(hour, record->at);

    start = referral_time_day_number(record->at, record->offset) * 86400
            - record->offset * 60;

    if (start < 0) {
        start = 0;
    }

    code = referral_batch_str(b, &record->text[REFERRAL_TEXT_CODE]);
    referrer = referral_batch_str(b, &record->text[REFERRAL_TEXT_REFERRER]);
    date = referral_batch_text(b, day, sizeof(day));
    month = referral_batch_text(b, day, sizeof("2026-11") - 1);

    (void) referral_batch_bump(b, group, REFERRAL_KEY_DAYS,
                               REFERRAL_BATCH_EMPTY, date);

    (void) referral_batch_bump(b, group, REFERRAL_KEY_DAYS_LINK, code, date);

    (void) referral_batch_bump(b, group, REFERRAL_KEY_HOURS,
                               REFERRAL_BATCH_EMPTY,
                               referral_batch_text(b, hour, sizeof(hour)));

    (void) referral_batch_bump(b, group, REFERRAL_KEY_BOARD,
                               REFERRAL_BATCH_EMPTY, code);

    target = referral_batch_bump(b, group, REFERRAL_KEY_BOARD_DAY, date, code);
    referral_batch_expire(b, target, start, b->conf.board_ttl);

    (void) referral_batch_bump(b, group, REFERRAL_KEY_REFERRERS,
                               REFERRAL_BATCH_EMPTY, referrer);

    (void) referral_batch_bump(b, group, REFERRAL_KEY_REFERRERS_MONTH, month,
                               referrer);

    if (record->flags & REFERRAL_RECORD_VISITOR) {
        referral_visitor_text(visitor, record->visitor);
        text = referral_batch_text(b, visitor, sizeof(visitor));

        target = referral_batch_bump(b, group, REFERRAL_KEY_VISITORS, date,
                                     text);
        referral_batch_expire(b, target, start, b->conf.uniques_ttl);
    }

    if (record->flags & REFERRAL_RECORD_ADDRESS) {

        for (i = 0; i < sizeof(address); i++) {
            address[i] = (u_char) (record->address >> (56 - 8 * i));
        }

        referral_buf_init(&buf, hex, sizeof(hex));
        referral_buf_hex(&buf, address, sizeof(address));
        text = referral_batch_text(b, hex, sizeof(hex));

        target = referral_batch_bump(b, group, REFERRAL_KEY_ADDRESSES, date,
                                     text);
        referral_batch_expire(b, target, start, b->conf.uniques_ttl);
    }
}


/* the attribution cookie as it was issued, under its click id */

static void
referral_batch_add_touch(referral_batch_t *b, const referral_record_t *record,
    uint32_t group)
{
    u_char                  id[REFERRAL_CLICK_ID_LEN];
    u_char                  data[8 * (REFERRAL_BATCH_CUT + 1)];
    u_char                  minute[REFERRAL_MINUTE_LEN];
    u_char                  second[REFERRAL_SECOND_LEN];
    int64_t                 ms;
    uint32_t                target;
    referral_buf_t          buf;
    const referral_str_t   *text;
    referral_batch_item_t  *item;

    text = record->text;

    referral_buf_init(&buf, data, sizeof(data));

    referral_batch_put_word(&buf, &text[REFERRAL_TEXT_CODE]);
    referral_buf_putc(&buf, ' ');

    if (record->flags & REFERRAL_RECORD_VISITOR) {
        referral_buf_base64url(&buf, record->visitor, REFERRAL_VISITOR_SIZE);

    } else {
        referral_buf_putc(&buf, '-');
    }

    referral_buf_putc(&buf, ' ');

    referral_time_second(second, record->at);
    referral_buf_put(&buf, second, sizeof(second));
    referral_buf_putc(&buf, ' ');

    if (text[REFERRAL_TEXT_FIRST_CODE].len == 0) {
        referral_buf_puts(&buf, "- - -");

    } else if (memcmp(record->first_click_id, record->click_id,
                      REFERRAL_CLICK_ID_SIZE) == 0)
    {
        /* most visitors come once: this halves what Redis keeps of a click */

        referral_buf_puts(&buf, "= = =");

    } else {
        referral_batch_put_word(&buf, &text[REFERRAL_TEXT_FIRST_CODE]);
        referral_buf_putc(&buf, ' ');

        ms = referral_click_id_time(record->first_click_id);
        referral_time_second(second, ms);
        referral_buf_put(&buf, second, sizeof(second));
        referral_buf_putc(&buf, ' ');

        referral_click_id_text(id, record->first_click_id);
        referral_buf_put(&buf, id, sizeof(id));
    }

    referral_buf_putc(&buf, ' ');
    referral_batch_put_word(&buf, &text[REFERRAL_TEXT_COUNTRY]);
    referral_buf_putc(&buf, ' ');
    referral_batch_put_word(&buf, &text[REFERRAL_TEXT_CHANNEL]);
    referral_buf_putc(&buf, ' ');
    referral_batch_put_word(&buf, &text[REFERRAL_TEXT_VARIANT]);
    referral_buf_putc(&buf, ' ');
    referral_batch_put_word(&buf, &text[REFERRAL_TEXT_DEVICE]);

    ms = referral_click_id_time(record->click_id);

    referral_time_minute(minute, ms);
    referral_click_id_text(id, record->click_id);

    target = referral_batch_target(b, group, REFERRAL_KEY_CLICKS,
                                   referral_batch_text(b, minute,
                                                       sizeof(minute)));
    referral_batch_expire(b, target, ms / 1000, record->window);

    item = referral_batch_member(b, target,
                                 referral_batch_text(b, id, sizeof(id)));
    item->value = referral_batch_text(b, data, buf.pos - data);
}


static void
referral_batch_add_event(referral_batch_t *b, const referral_record_t *record,
    uint32_t group)
{
    u_char                   id[REFERRAL_CLICK_ID_LEN];
    u_char                   visitor[REFERRAL_VISITOR_LEN];
    u_char                   second[REFERRAL_SECOND_LEN];
    uint32_t                *value, n;
    unsigned                 i;
    referral_str_t           name;
    const referral_str_t    *text;
    referral_batch_op_t     *op;
    referral_batch_event_t  *event;

    text = record->text;

    n = b->nevents++;
    event = &b->events[n];
    event->next = 0;

    op = referral_batch_op(b, referral_batch_target(b, group,
                                                    REFERRAL_KEY_EVENTS,
                                                    REFERRAL_BATCH_EMPTY));

    if (op->n++) {
        b->events[op->last].next = n;

    } else {
        op->first = n;
    }

    op->last = n;

    value = event->text;

    if (record->flags & REFERRAL_RECORD_CLICK_ID) {
        referral_click_id_text(id, record->click_id);
        *value++ = referral_batch_text(b, id, sizeof(id));

    } else {
        *value++ = REFERRAL_BATCH_EMPTY;
    }

    *value++ = referral_batch_str(b, &text[REFERRAL_TEXT_CODE]);
    *value++ = referral_batch_str(b, &text[REFERRAL_TEXT_REFERRER]);

    name = referral_class_name(record->class);
    *value++ = referral_batch_str(b, &name);

    name = referral_result_name(record->result);
    *value++ = referral_batch_str(b, &name);

    *value++ = referral_batch_str(b, &text[REFERRAL_TEXT_FIRST_CODE]);

    if (record->flags & REFERRAL_RECORD_VISITOR) {
        referral_visitor_text(visitor, record->visitor);
        *value++ = referral_batch_text(b, visitor, sizeof(visitor));

    } else {
        *value++ = REFERRAL_BATCH_EMPTY;
    }

    for (i = 0; i < REFERRAL_BATCH_EVENT_TEXTS; i++) {
        *value++ = referral_batch_str(b, &text[referral_batch_event_texts[i]]);
    }

    referral_time_second(second, record->at);
    *value = referral_batch_text(b, second, sizeof(second));
}


/* a word of a line: never empty, never two */

static void
referral_batch_put_word(referral_buf_t *buf, const referral_str_t *s)
{
    u_char  c;
    size_t  i;

    if (s->len == 0) {
        referral_buf_putc(buf, '-');
        return;
    }

    for (i = 0; i < s->len && i < REFERRAL_BATCH_CUT; i++) {
        c = s->data[i];
        referral_buf_putc(buf, c > ' ' ? c : '_');
    }
}


static uint32_t
referral_batch_bump(referral_batch_t *b, uint32_t group, uint32_t type,
    uint32_t suffix, uint32_t text)
{
    uint32_t  target;

    target = referral_batch_target(b, group, type, suffix);

    referral_batch_count(b, target, text);

    return target;
}


static void
referral_batch_count(referral_batch_t *b, uint32_t target, uint32_t text)
{
    referral_batch_member(b, target, text)->value++;
}


/* of the program, of the link, of the day */

static void
referral_batch_stats(referral_batch_t *b, const uint32_t *stats, uint32_t text)
{
    referral_batch_count(b, stats[0], text);
    referral_batch_count(b, stats[1], text);
    referral_batch_count(b, stats[2], text);
}


static void
referral_batch_expire(referral_batch_t *b, uint32_t target, uint64_t start,
    uint64_t life)
{
    if (b->targets[target].expire < start + life) {
        b->targets[target].expire = start + life;
        b->targets[target].life = life;
    }
}


/* "name" ends with its colon */

static uint32_t
referral_batch_field(referral_batch_t *b, const char *name,
    const referral_str_t *s)
{
    u_char          data[16 + REFERRAL_BATCH_CUT];
    referral_buf_t  buf;

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_put(&buf, name, strlen(name));
    referral_buf_put(&buf, s->data, s->len < REFERRAL_BATCH_CUT
                                    ? s->len : REFERRAL_BATCH_CUT);

    return referral_batch_text(b, data, buf.pos - data);
}
