
#include "referral_batch_core.h"


/* limits of one record, generously: with less left the batch is full */

#define REFERRAL_BATCH_ROOM_OPS     32
#define REFERRAL_BATCH_ROOM_TEXTS   64
#define REFERRAL_BATCH_ROOM_SIZE    (16 * 1024)
#define REFERRAL_BATCH_ROOM_ITEMS   128

#define REFERRAL_BATCH_EVENT_TEXTS  12
#define REFERRAL_BATCH_DIMENSIONS   9

#define REFERRAL_BATCH_CAP_PROGRAM  500
#define REFERRAL_BATCH_CAP_LINK     50
#define REFERRAL_BATCH_UNIQUES_TTL  (400 * 86400)
#define REFERRAL_BATCH_BOARD_TTL    (9 * 86400)


/* a record while it is added, and the numbers of its texts */

typedef struct {
    const referral_record_t  *record;
    uint32_t                  group;
    uint32_t                  stats[3];    /* targets: program, day, link */
    uint32_t                  date;
    uint32_t                  id;
    uint32_t                  visitor;
    uint32_t                  text[REFERRAL_TEXTS];
} referral_batch_click_t;


static int referral_batch_full(const referral_batch_t *b);
static void referral_batch_look_up(referral_batch_t *b,
    referral_batch_click_t *c);
static void referral_batch_add_class(referral_batch_t *b,
    const referral_batch_click_t *c, int click);
static void referral_batch_add_click(referral_batch_t *b,
    const referral_batch_click_t *c);
static void referral_batch_add_dates(referral_batch_t *b,
    const referral_batch_click_t *c);
static void referral_batch_add_touch(referral_batch_t *b,
    const referral_batch_click_t *c);
static void referral_batch_add_event(referral_batch_t *b,
    const referral_batch_click_t *c);
static void referral_batch_put_owner(referral_buf_t *buf,
    const referral_record_t *record);
static void referral_batch_put_word(referral_buf_t *buf,
    const referral_str_t *s);
static uint32_t referral_batch_bump(referral_batch_t *b, uint32_t group,
    uint32_t type, uint32_t suffix, uint32_t text);
static void referral_batch_count(referral_batch_t *b, uint32_t target,
    uint32_t text);
static void referral_batch_stats(referral_batch_t *b,
    const referral_batch_click_t *c, uint32_t text);
static void referral_batch_expire(referral_batch_t *b, uint32_t target,
    uint64_t start, uint64_t life);
static uint32_t referral_batch_word(referral_batch_t *b, unsigned word);
static uint32_t referral_batch_dimension(referral_batch_t *b, unsigned n,
    uint32_t value);
static uint32_t referral_batch_field(referral_batch_t *b,
    const referral_str_t *name, const u_char *data, size_t len);
static uint32_t referral_batch_day(referral_batch_t *b, int64_t number);
static uint32_t referral_batch_time(referral_batch_t *b,
    referral_batch_time_t *last, int64_t ms, int64_t unit,
    void (*name)(u_char *out, int64_t ms), size_t len);


static const referral_str_t  referral_batch_words[REFERRAL_WORD_CLASS] = {
    referral_string("raw"),
    referral_string("clicks"),
    referral_string("missed"),
    referral_string("unresolved"),
    referral_string("no_consent"),
    referral_string("no_address"),
    referral_string("unlisted"),
    referral_string("visitors")
};


/*
 * The operation for each key; REFERRAL_OP_IF if there is none, because the
 * script only reads the key or writes it by itself.
 */

const referral_op_e  referral_batch_ops[REFERRAL_BATCH_KEYS] = {
    [REFERRAL_KEY_JOURNALS] = REFERRAL_OP_IF,
    [REFERRAL_KEY_ERRORS] = REFERRAL_OP_IF,
    [REFERRAL_KEY_FORGOTTEN] = REFERRAL_OP_IF,
    [REFERRAL_KEY_LINK] = REFERRAL_OP_IF,
    [REFERRAL_KEY_STATS] = REFERRAL_OP_COUNT,
    [REFERRAL_KEY_STATS_LINK] = REFERRAL_OP_COUNT,
    [REFERRAL_KEY_DAY] = REFERRAL_OP_COUNT,
    [REFERRAL_KEY_DAYS] = REFERRAL_OP_COUNT,
    [REFERRAL_KEY_DAYS_LINK] = REFERRAL_OP_COUNT,
    [REFERRAL_KEY_HOURS] = REFERRAL_OP_COUNT,
    [REFERRAL_KEY_BOARD] = REFERRAL_OP_SCORE,
    [REFERRAL_KEY_BOARD_DAY] = REFERRAL_OP_SCORE,
    [REFERRAL_KEY_REFERRERS] = REFERRAL_OP_SCORE,
    [REFERRAL_KEY_REFERRERS_MONTH] = REFERRAL_OP_SCORE,
    [REFERRAL_KEY_VISITORS] = REFERRAL_OP_UNIQUE,
    [REFERRAL_KEY_ADDRESSES] = REFERRAL_OP_UNIQUE,
    [REFERRAL_KEY_CLICKS] = REFERRAL_OP_SET,
    [REFERRAL_KEY_EVENTS] = REFERRAL_OP_EVENTS
};


static const struct {
    referral_str_t      name;
    referral_text_e     text;
} referral_batch_dimensions[REFERRAL_BATCH_DIMENSIONS] = {
    { referral_string("country:"), REFERRAL_TEXT_COUNTRY },
    { referral_string("device:"), REFERRAL_TEXT_DEVICE },
    { referral_string("os:"), REFERRAL_TEXT_OS },
    { referral_string("app:"), REFERRAL_TEXT_APP },
    { referral_string("lang:"), REFERRAL_TEXT_LANG },
    { referral_string("source:"), REFERRAL_TEXT_SOURCE },
    { referral_string("channel:"), REFERRAL_TEXT_CHANNEL },
    { referral_string("variant:"), REFERRAL_TEXT_VARIANT },
    { referral_string("segment:"), REFERRAL_TEXT_SEGMENT }
};


/* the texts of an event between "visitor" and "at" */

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
    b->gap = 0;

    b->text_slots.size = REFERRAL_BATCH_SLOTS_MIN;
    b->text_slots.used = 0;
    b->item_slots.size = REFERRAL_BATCH_SLOTS_MIN;
    b->item_slots.used = 0;

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

    b->day.number = -1;
    b->hour.number = -1;
    b->minute.number = -1;
    b->second.number = -1;

    memset(b->words, 0, sizeof(b->words));

    referral_batch_reset(b);

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
    int                     click, event;
    const referral_str_t   *program;
    referral_batch_click_t  c;

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
        || record->at > REFERRAL_TIME_MAX
        || record->class >= REFERRAL_CLASSES
        || record->result >= REFERRAL_RESULTS)
    {
        return REFERRAL_ERROR;
    }

    if (record->result == REFERRAL_RESULT_UNKNOWN) {
        return REFERRAL_OK;
    }

    if (record->at > b->newest) {
        b->newest = record->at;
    }

    click = record->class == REFERRAL_CLASS_HUMAN
            && (record->flags & REFERRAL_RECORD_LANDED)
            && (record->result == REFERRAL_RESULT_LANDING
                || record->result == REFERRAL_RESULT_UNRESOLVED);

    event = (b->conf.events_maxlen != 0);

    c.record = record;
    c.text[REFERRAL_TEXT_CODE] =
                      referral_batch_str(b, &record->text[REFERRAL_TEXT_CODE]);

    if (click || event) {
        referral_batch_look_up(b, &c);
    }

    c.group = 0;

    if (record->result == REFERRAL_RESULT_UNRESOLVED) {
        c.group = referral_batch_group(b, c.text[REFERRAL_TEXT_CODE]);
    }

    c.date = referral_batch_day(b, referral_time_day_number(record->at,
                                                            record->offset));

    c.stats[0] = referral_batch_target(b, c.group, REFERRAL_KEY_STATS,
                                       REFERRAL_BATCH_EMPTY);
    c.stats[1] = referral_batch_target(b, c.group, REFERRAL_KEY_DAY, c.date);
    c.stats[2] = referral_batch_target_link(b, c.group,
                                            REFERRAL_KEY_STATS_LINK,
                                            c.text[REFERRAL_TEXT_CODE]);

    referral_batch_add_class(b, &c, click);

    if (click) {
        referral_batch_add_click(b, &c);
    }

    if (event) {
        referral_batch_add_event(b, &c);
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


/* an empty batch has space for any record */

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


/* the texts that a click and an event need of a record */

static void
referral_batch_look_up(referral_batch_t *b, referral_batch_click_t *c)
{
    u_char                    id[REFERRAL_CLICK_ID_LEN];
    u_char                    visitor[REFERRAL_VISITOR_LEN];
    unsigned                  i;
    const referral_str_t     *code, *first;
    const referral_record_t  *record;

    record = c->record;

    for (i = REFERRAL_TEXT_REFERRER; i < REFERRAL_TEXT_FIRST_CODE; i++) {
        c->text[i] = referral_batch_str(b, &record->text[i]);
    }

    code = &record->text[REFERRAL_TEXT_CODE];
    first = &record->text[REFERRAL_TEXT_FIRST_CODE];

    c->text[REFERRAL_TEXT_FIRST_CODE] = referral_str_eq(first, code)
                                        ? c->text[REFERRAL_TEXT_CODE]
                                        : referral_batch_str(b, first);

    c->id = REFERRAL_BATCH_EMPTY;

    if (record->flags & REFERRAL_RECORD_CLICK_ID) {
        referral_click_id_text(id, record->click_id);
        c->id = referral_batch_text_append(b, id, sizeof(id));
    }

    c->visitor = REFERRAL_BATCH_EMPTY;

    if (record->flags & REFERRAL_RECORD_VISITOR) {
        referral_visitor_text(visitor, record->visitor);
        c->visitor = referral_batch_text_append(b, visitor,
                                                sizeof(visitor));
    }
}


/* the counters of every hit on a known code */

static void
referral_batch_add_class(referral_batch_t *b, const referral_batch_click_t *c,
    int click)
{
    referral_str_t            name;
    const referral_record_t  *record;

    static const referral_str_t  missed = referral_string("missed:");

    record = c->record;

    referral_batch_stats(b, c, referral_batch_word(b, REFERRAL_WORD_RAW));

    if (record->flags & REFERRAL_RECORD_NO_CONSENT) {
        referral_batch_stats(b, c, referral_batch_word(b,
                                                 REFERRAL_WORD_NO_CONSENT));
    }

    if (record->class != REFERRAL_CLASS_HUMAN) {
        referral_batch_stats(b, c, referral_batch_word(b,
                                       REFERRAL_WORD_CLASS + record->class));
        return;
    }

    if (!click) {
        name = referral_result_name(record->result);

        referral_batch_stats(b, c, referral_batch_word(b,
                                                       REFERRAL_WORD_MISSED));
        referral_batch_stats(b, c, referral_batch_field(b, &missed, name.data,
                                                        name.len));
        return;
    }

    referral_batch_stats(b, c, referral_batch_word(b, REFERRAL_WORD_CLICKS));

    if (record->result == REFERRAL_RESULT_UNRESOLVED) {
        referral_batch_stats(b, c, referral_batch_word(b,
                                                 REFERRAL_WORD_UNRESOLVED));
    }
}


/* the counters of a person who was sent to a landing */

static void
referral_batch_add_click(referral_batch_t *b, const referral_batch_click_t *c)
{
    uint32_t  text;
    unsigned  i, flags;

    flags = c->record->flags;

    for (i = 0; i < REFERRAL_BATCH_DIMENSIONS; i++) {
        text = c->text[referral_batch_dimensions[i].text];

        if (text != REFERRAL_BATCH_EMPTY) {
            referral_batch_stats(b, c, referral_batch_dimension(b, i, text));
        }
    }

    text = referral_batch_word(b, REFERRAL_WORD_VISITORS);

    if (flags & REFERRAL_RECORD_NEW_PROGRAM) {
        referral_batch_count(b, c->stats[0], text);
    }

    if (flags & REFERRAL_RECORD_NEW_DAY) {
        referral_batch_count(b, c->stats[1], text);
    }

    if (flags & REFERRAL_RECORD_NEW_LINK) {
        referral_batch_member_few(b, c->stats[2], text)->value++;
    }

    if ((flags & REFERRAL_RECORD_VISITOR) && !(flags & REFERRAL_RECORD_ADDRESS))
    {
        referral_batch_stats(b, c, referral_batch_word(b,
                                                 REFERRAL_WORD_NO_ADDRESS));
    }

    referral_batch_add_dates(b, c);

    if ((flags & REFERRAL_RECORD_TOUCHED) && (flags & REFERRAL_RECORD_CLICK_ID))
    {
        referral_batch_add_touch(b, c);

    } else {
        referral_batch_stats(b, c, referral_batch_word(b,
                                                       REFERRAL_WORD_UNLISTED));
    }
}


static void
referral_batch_add_dates(referral_batch_t *b, const referral_batch_click_t *c)
{
    u_char                    address[8], hex[16];
    int64_t                   start;
    uint32_t                  code, hour, referrer, target;
    unsigned                  i;
    referral_buf_t            buf;
    const referral_record_t  *record;

    record = c->record;

    start = referral_time_day_number(record->at, record->offset) * 86400
            - record->offset * 60;

    if (start < 0) {
        start = 0;
    }

    code = c->text[REFERRAL_TEXT_CODE];
    referrer = c->text[REFERRAL_TEXT_REFERRER];
    hour = referral_batch_time(b, &b->hour, record->at, 3600000,
                               referral_time_hour, REFERRAL_HOUR_LEN);

    (void) referral_batch_bump(b, c->group, REFERRAL_KEY_DAYS,
                               REFERRAL_BATCH_EMPTY, c->date);

    target = referral_batch_target_link(b, c->group, REFERRAL_KEY_DAYS_LINK,
                                        code);
    referral_batch_member_few(b, target, c->date)->value++;

    (void) referral_batch_bump(b, c->group, REFERRAL_KEY_HOURS,
                               REFERRAL_BATCH_EMPTY, hour);

    (void) referral_batch_bump(b, c->group, REFERRAL_KEY_BOARD,
                               REFERRAL_BATCH_EMPTY, code);

    target = referral_batch_bump(b, c->group, REFERRAL_KEY_BOARD_DAY, c->date,
                                 code);
    referral_batch_expire(b, target, start, b->conf.board_ttl);

    (void) referral_batch_bump(b, c->group, REFERRAL_KEY_REFERRERS,
                               REFERRAL_BATCH_EMPTY, referrer);

    (void) referral_batch_bump(b, c->group, REFERRAL_KEY_REFERRERS_MONTH,
                               b->month, referrer);

    if (record->flags & REFERRAL_RECORD_VISITOR) {
        target = referral_batch_target(b, c->group, REFERRAL_KEY_VISITORS,
                                       c->date);
        (void) referral_batch_member_append(b, target, c->visitor);
        referral_batch_expire(b, target, start, b->conf.uniques_ttl);
    }

    if (record->flags & REFERRAL_RECORD_ADDRESS) {

        for (i = 0; i < sizeof(address); i++) {
            address[i] = (u_char) (record->address >> (56 - 8 * i));
        }

        referral_buf_init(&buf, hex, sizeof(hex));
        referral_buf_hex(&buf, address, sizeof(address));

        target = referral_batch_bump(b, c->group, REFERRAL_KEY_ADDRESSES,
                                     c->date,
                                     referral_batch_text(b, hex, sizeof(hex)));
        referral_batch_expire(b, target, start, b->conf.uniques_ttl);
    }
}


/* the attribution of the click, under its click id */

static void
referral_batch_add_touch(referral_batch_t *b, const referral_batch_click_t *c)
{
    u_char                    id[REFERRAL_CLICK_ID_LEN];
    u_char                    data[9 * (REFERRAL_BATCH_CUT + 1)];
    u_char                    second[REFERRAL_SECOND_LEN];
    int64_t                   ms;
    uint32_t                  target, minute;
    referral_buf_t            buf;
    const referral_str_t     *text;
    referral_batch_item_t    *item;
    const referral_record_t  *record;

    record = c->record;
    text = record->text;

    referral_buf_init(&buf, data, sizeof(data));

    referral_batch_put_word(&buf, &text[REFERRAL_TEXT_CODE]);
    referral_buf_putc(&buf, ' ');

    if (record->flags & REFERRAL_RECORD_VISITOR) {
        referral_buf_put(&buf, b->text + b->texts[c->visitor].off,
                         REFERRAL_VISITOR_LEN);

    } else {
        referral_buf_putc(&buf, '-');
    }

    referral_buf_putc(&buf, ' ');

    /* the click id holds the time, so "=" stands for an equal one */

    ms = referral_click_id_time(record->click_id);

    if (record->at / 1000 == ms / 1000) {
        referral_buf_putc(&buf, '=');

    } else {
        referral_time_second(second, record->at);
        referral_buf_put(&buf, second, sizeof(second));
    }

    referral_buf_putc(&buf, ' ');

    if (text[REFERRAL_TEXT_FIRST_CODE].len == 0) {
        referral_buf_puts(&buf, "- - -");

    } else if (memcmp(record->first_click_id, record->click_id,
                      REFERRAL_CLICK_ID_SIZE) == 0)
    {
        referral_buf_puts(&buf, "= = =");

    } else {
        referral_batch_put_word(&buf, &text[REFERRAL_TEXT_FIRST_CODE]);
        referral_buf_putc(&buf, ' ');

        referral_time_second(second,
                           referral_click_id_time(record->first_click_id));
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
    referral_batch_put_owner(&buf, record);

    minute = referral_batch_time(b, &b->minute, ms, 60000,
                                 referral_time_minute, REFERRAL_MINUTE_LEN);

    target = referral_batch_target(b, c->group, REFERRAL_KEY_CLICKS, minute);
    referral_batch_expire(b, target, ms / 1000, record->life);

    item = referral_batch_member_append(b, target, c->id);
    item->value = referral_batch_text_append(b, data, buf.pos - data);
}


/*
 * Whose click it was when it was made, for a conversion that comes when the
 * link is somebody else's.
 */

static void
referral_batch_put_owner(referral_buf_t *buf, const referral_record_t *record)
{
    const referral_str_t  *referrer;

    referrer = &record->text[REFERRAL_TEXT_REFERRER];

    referral_buf_putc(buf, ' ');

    if (referral_str_eq(referrer, &record->text[REFERRAL_TEXT_CODE])) {
        referral_buf_putc(buf, '=');

    } else {
        referral_batch_put_word(buf, referrer);
    }

    referral_buf_putc(buf, ' ');
    referral_batch_put_word(buf, &record->text[REFERRAL_TEXT_SEGMENT]);
    referral_buf_putc(buf, ' ');

    if (record->flags & REFERRAL_RECORD_NO_CONSENT) {
        referral_buf_putc(buf, 'n');
    }

    if (record->result == REFERRAL_RESULT_UNRESOLVED) {
        referral_buf_putc(buf, 'u');
    }

    if (buf->pos[-1] == ' ') {
        referral_buf_putc(buf, '-');
    }
}


static void
referral_batch_add_event(referral_batch_t *b, const referral_batch_click_t *c)
{
    uint32_t                *value, n;
    unsigned                 i;
    referral_batch_op_t     *op;
    referral_batch_event_t  *event;

    n = b->nevents++;
    event = &b->events[n];
    event->next = 0;

    op = referral_batch_op(b, referral_batch_target(b, c->group,
                                                    REFERRAL_KEY_EVENTS,
                                                    REFERRAL_BATCH_EMPTY));

    if (op->n++) {
        b->events[op->last].next = n;

    } else {
        op->first = n;
    }

    op->last = n;

    value = event->text;

    *value++ = c->id;
    *value++ = c->text[REFERRAL_TEXT_CODE];
    *value++ = c->text[REFERRAL_TEXT_REFERRER];
    *value++ = referral_batch_word(b, REFERRAL_WORD_CLASS + c->record->class);
    *value++ = referral_batch_word(b, REFERRAL_WORD_RESULT
                                      + c->record->result);
    *value++ = c->text[REFERRAL_TEXT_FIRST_CODE];
    *value++ = c->visitor;

    for (i = 0; i < REFERRAL_BATCH_EVENT_TEXTS; i++) {
        *value++ = c->text[referral_batch_event_texts[i]];
    }

    *value = referral_batch_time(b, &b->second, c->record->at, 1000,
                                 referral_time_second, REFERRAL_SECOND_LEN);
}


/* a word of the line; "-" for an empty one, and without spaces */

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


static void
referral_batch_stats(referral_batch_t *b, const referral_batch_click_t *c,
    uint32_t text)
{
    unsigned                i;
    uint16_t               *known;
    referral_batch_item_t  *item;

    for (i = 0; i < 2; i++) {
        known = &b->texts[text].stats[i];
        item = &b->items[*known];

        if (item->owner != c->stats[i]) {
            item = referral_batch_member(b, c->stats[i], text);
            *known = (uint16_t) (item - b->items);
        }

        item->value++;
    }

    referral_batch_member_few(b, c->stats[2], text)->value++;
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


static uint32_t
referral_batch_word(referral_batch_t *b, unsigned word)
{
    referral_str_t  s;

    if (b->words[word]) {
        return b->words[word];
    }

    if (word < REFERRAL_WORD_CLASS) {
        s = referral_batch_words[word];

    } else if (word < REFERRAL_WORD_RESULT) {
        s = referral_class_name(word - REFERRAL_WORD_CLASS);

    } else {
        s = referral_result_name(word - REFERRAL_WORD_RESULT);
    }

    b->words[word] = referral_batch_str(b, &s);

    return b->words[word];
}


/*
 * The field of a value, such as "country:JP".  A text nearly always belongs to
 * one dimension, so its last field is kept.
 */

static uint32_t
referral_batch_dimension(referral_batch_t *b, unsigned n, uint32_t value)
{
    referral_batch_text_t  *text;

    text = &b->texts[value];

    if (text->field == 0 || text->dimension != n) {
        text->field = (uint16_t) referral_batch_field(b,
                                           &referral_batch_dimensions[n].name,
                                           b->text + text->off, text->len);
        text->dimension = (uint16_t) n;
    }

    return text->field;
}


/* "name" includes the colon */

static uint32_t
referral_batch_field(referral_batch_t *b, const referral_str_t *name,
    const u_char *data, size_t len)
{
    u_char          field[16 + REFERRAL_BATCH_CUT];
    referral_buf_t  buf;

    referral_buf_init(&buf, field, sizeof(field));
    referral_buf_str(&buf, name);
    referral_buf_put(&buf, data, len);

    return referral_batch_text(b, field, buf.pos - field);
}


/*
 * Records are roughly in the order of time, so the last name of each unit is
 * kept.
 */

static uint32_t
referral_batch_day(referral_batch_t *b, int64_t number)
{
    u_char  day[REFERRAL_DAY_LEN];

    if (b->day.number != number) {
        referral_time_day(day, number * REFERRAL_DAY_MS, 0);

        b->day.number = number;
        b->day.text = referral_batch_text(b, day, sizeof(day));
        b->month = referral_batch_text(b, day, sizeof("2026-11") - 1);
    }

    return b->day.text;
}


static inline uint32_t
referral_batch_time(referral_batch_t *b, referral_batch_time_t *last,
    int64_t ms, int64_t unit, void (*name)(u_char *out, int64_t ms), size_t len)
{
    u_char  data[REFERRAL_SECOND_LEN];

    if (last->number != ms / unit) {
        name(data, ms);

        last->number = ms / unit;
        last->text = referral_batch_text(b, data, len);
    }

    return last->text;
}
