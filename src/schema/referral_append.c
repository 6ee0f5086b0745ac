
#include <stdlib.h>

#include "referral_append.h"
#include "referral_command.h"
#include "referral_keys.h"
#include "referral_pack.h"

#include "referral_append_lua.h"


#define REFERRAL_APPEND_WORK         (512 * 1024)
#define REFERRAL_APPEND_KEYS         (256 * 1024)
#define REFERRAL_APPEND_OUT          (1024 * 1024)

/* more than any one event takes: "x" as a form has three bytes for one */

#define REFERRAL_APPEND_ROOM_EXTRA                                            \
    (REFERRAL_EVENT_EXTRAS                                                    \
     * (REFERRAL_EVENT_KEY_MAX + 3 * REFERRAL_EVENT_VALUE_MAX + 2))
#define REFERRAL_APPEND_ROOM_WORK                                             \
    (REFERRAL_EVENT_MAX + REFERRAL_APPEND_ROOM_EXTRA + 1024)
#define REFERRAL_APPEND_ROOM_KEYS                                             \
    (REFERRAL_APPEND_EVENT_KEYS * (REFERRAL_APPEND_KEY_MAX + 8))

/* products, or the customers who are parties */

#define REFERRAL_APPEND_LIST                                                  \
    (REFERRAL_EVENT_PARTIES * (REFERRAL_EVENT_ID_MAX + 1))

#define REFERRAL_APPEND_EVENT_KEYS   11     /* of one event, at most */
#define REFERRAL_APPEND_KEY_MAX      256
#define REFERRAL_APPEND_VALUES       36     /* FIELDS of the script */
#define REFERRAL_APPEND_ARGS         10
#define REFERRAL_APPEND_REPLY_HEAD   3
#define REFERRAL_APPEND_REPLY_PART   2      /* its first number */
#define REFERRAL_APPEND_OUTCOME      3
#define REFERRAL_APPEND_VIA_MASK     7
#define REFERRAL_APPEND_KNOWN        8
#define REFERRAL_APPEND_SELF         16
#define REFERRAL_APPEND_GONE         32


/* the keys of every command, in the script's order, and those of events */

typedef enum {
    REFERRAL_APPEND_KEY_JOURNALS = 0,
    REFERRAL_APPEND_KEY_CONVERSIONS,
    REFERRAL_APPEND_KEY_PERSON,
    REFERRAL_APPEND_KEY_NAMES,
    REFERRAL_APPEND_KEY_REJECTS,
    REFERRAL_APPEND_KEY_SEED,
    REFERRAL_APPEND_KEY_PROGRAM,
    REFERRAL_APPEND_KEY_SETTLED,
    REFERRAL_APPEND_FIXED,
    REFERRAL_APPEND_KEY_IDS = REFERRAL_APPEND_FIXED,
    REFERRAL_APPEND_KEY_KNOWN,
    REFERRAL_APPEND_KEY_CLICKS,
    REFERRAL_APPEND_KEY_CLAIMED,
    REFERRAL_APPEND_KEY_LINK,
    REFERRAL_APPEND_KEY_REFERRER
} referral_append_key_e;


struct referral_append_s {
    referral_append_conf_t   conf;

    referral_script_t        script;
    u_char                   journal[2 * REFERRAL_JOURNAL_ID_SIZE];
    u_char                   program[REFERRAL_PROGRAM_MAX];
    size_t                   program_len;

    uint64_t                 expected;
    uint64_t                 last;
    int64_t                  from;        /* events received then wait */
    int64_t                  to;
    unsigned                 records;
    unsigned                 events;
    unsigned                 nkeys;

    size_t                   work_len;
    size_t                   keys_len;

    u_char                   work[REFERRAL_APPEND_WORK];  /* packed */
    u_char                   keys[REFERRAL_APPEND_KEYS];  /* in RESP */
    u_char                   out[REFERRAL_APPEND_OUT];
};


/* an event on its way into the append, and the places of its keys */

typedef struct {
    const referral_event_t  *event;
    uint64_t                 seq;
    referral_buf_t           work;
    referral_buf_t           keys;
    unsigned                 waits;
    unsigned                 nkeys;
    unsigned                 id;
    unsigned                 known;
    unsigned                 click;
    unsigned                 first;
    unsigned                 last;
    u_char                   id_field[REFERRAL_FIELD_LEN];
    u_char                   known_field[REFERRAL_FIELD_LEN];
} referral_append_event_t;


static void referral_append_reply_part(referral_batch_reply_t *reply,
    const int64_t *values, size_t n, unsigned events, uint64_t expected,
    uint64_t written);
static int referral_append_event_keys(const referral_append_t *a,
    referral_append_event_t *e);
static unsigned referral_append_bucket(const referral_append_t *a,
    referral_append_event_t *e, unsigned type, const referral_str_t *id,
    u_char *field);
static unsigned referral_append_click(const referral_append_t *a,
    referral_append_event_t *e, const u_char *click_id);
static unsigned referral_append_key(const referral_append_t *a,
    referral_append_event_t *e, unsigned type, const void *suffix, size_t len);
static void referral_append_name(const referral_append_t *a,
    referral_buf_t *out, unsigned type);
static void referral_append_put_name(const referral_append_t *a,
    referral_buf_t *out, unsigned type);
static void referral_append_pack(referral_append_event_t *e);
static void referral_append_pack_order(referral_append_event_t *e);
static void referral_append_pack_touches(referral_append_event_t *e);
static void referral_append_pack_data(referral_append_event_t *e,
    const void *data, size_t len);
static void referral_append_pack_text(referral_append_event_t *e,
    const referral_str_t *s);
static void referral_append_pack_number(referral_append_event_t *e, int set,
    int64_t n);
static void referral_append_pack_flag(referral_append_event_t *e, int set,
    int flag);
static void referral_append_pack_hex(referral_append_event_t *e,
    const u_char *data, size_t len);
static void referral_append_pack_list(referral_append_event_t *e,
    const referral_str_t *list, unsigned n, u_char between);
static void referral_append_pack_click(referral_append_event_t *e, int set,
    const u_char *click_id);
static void referral_append_pack_extra(referral_append_event_t *e);


static const referral_key_e  referral_append_names[] = {
    REFERRAL_KEY_JOURNALS,
    REFERRAL_KEY_CONVERSIONS,
    REFERRAL_KEY_PERSON,
    REFERRAL_KEY_NAMES,
    REFERRAL_KEY_REJECTS,
    REFERRAL_KEY_SEED,
    REFERRAL_KEY_PROGRAM,
    REFERRAL_KEY_SETTLED,
    REFERRAL_KEY_IDS,
    REFERRAL_KEY_KNOWN,
    REFERRAL_KEY_CLICKS,
    REFERRAL_KEY_CLAIMED,
    REFERRAL_KEY_LINK,
    REFERRAL_KEY_REFERRER
};


_Static_assert(REFERRAL_KEY_NAME_MAX + REFERRAL_BATCH_PREFIX_MAX
               + REFERRAL_PROGRAM_MAX + REFERRAL_CODE_MAX
               <= REFERRAL_APPEND_KEY_MAX,
               "any key fits in REFERRAL_APPEND_KEY_MAX");
_Static_assert(REFERRAL_APPEND_LIST
               >= REFERRAL_EVENT_PRODUCTS * (REFERRAL_SEGMENT_MAX + 1),
               "any list fits in REFERRAL_APPEND_LIST");
_Static_assert(REFERRAL_APPEND_ROOM_EXTRA <= REFERRAL_PACK_TEXT_MAX
               && REFERRAL_APPEND_ROOM_WORK <= REFERRAL_APPEND_WORK
               && REFERRAL_APPEND_ROOM_KEYS <= REFERRAL_APPEND_KEYS,
               "an empty append has room for any event");
_Static_assert(REFERRAL_APPEND_WORK + REFERRAL_APPEND_KEYS
               + sizeof(referral_append_lua)
               + (REFERRAL_APPEND_FIXED + REFERRAL_APPEND_ARGS + 8)
                 * REFERRAL_APPEND_KEY_MAX
               <= REFERRAL_APPEND_OUT,
               "any command fits in REFERRAL_APPEND_OUT");


void
referral_append_defaults(referral_append_conf_t *conf)
{
    conf->window = REFERRAL_WINDOW_DEFAULT;
    conf->late = REFERRAL_LATE_DEFAULT;
    conf->first = 0;
}


referral_append_t *
referral_append_create(const referral_append_conf_t *conf)
{
    size_t              i;
    referral_append_t  *a;

    if (conf->prefix.len > REFERRAL_BATCH_PREFIX_MAX) {
        return NULL;
    }

    for (i = 0; i < conf->prefix.len; i++) {
        if (conf->prefix.data[i] == '{' || conf->prefix.data[i] == '}') {
            return NULL;
        }
    }

    a = malloc(sizeof(referral_append_t));
    if (a == NULL) {
        return NULL;
    }

    a->conf = *conf;

    if (referral_command_script(&a->script, referral_append_lua,
                                sizeof(referral_append_lua) - 1)
        != REFERRAL_OK)
    {
        free(a);
        return NULL;
    }

    a->program_len = 0;
    a->records = 0;
    a->events = 0;

    return a;
}


void
referral_append_free(referral_append_t *a)
{
    free(a);
}


int
referral_append_begin(referral_append_t *a, const referral_str_t *program,
    const u_char *journal_id, uint64_t expected)
{
    referral_buf_t  buf;

    a->records = 0;
    a->events = 0;
    a->program_len = 0;
    a->nkeys = REFERRAL_APPEND_FIXED;
    a->work_len = 0;
    a->keys_len = 0;

    if (!referral_program_valid(program)) {
        return REFERRAL_ERROR;
    }

    memcpy(a->program, program->data, program->len);
    a->program_len = program->len;

    referral_buf_init(&buf, a->journal, sizeof(a->journal));
    referral_buf_hex(&buf, journal_id, REFERRAL_JOURNAL_ID_SIZE);

    a->expected = expected;
    a->last = expected;

    a->from = INT64_MAX;
    a->to = 0;

    return REFERRAL_OK;
}


void
referral_append_patience(referral_append_t *a, int64_t from, int64_t to)
{
    a->from = from;
    a->to = to;
}


int
referral_append_add(referral_append_t *a, const referral_event_t *event,
    uint64_t seq)
{
    const referral_str_t     *program;
    referral_append_event_t   e;

    if (seq <= a->last) {
        return REFERRAL_ERROR;
    }

    if (a->events == REFERRAL_APPEND_EVENTS
        || a->work_len + REFERRAL_APPEND_ROOM_WORK > REFERRAL_APPEND_WORK
        || a->keys_len + REFERRAL_APPEND_ROOM_KEYS > REFERRAL_APPEND_KEYS)
    {
        return REFERRAL_DECLINED;
    }

    a->last = seq;
    a->records++;

    program = &event->text[REFERRAL_EVENT_TEXT_PROGRAM];

    if (program->len != a->program_len
        || memcmp(program->data, a->program, a->program_len) != 0)
    {
        return REFERRAL_ERROR;
    }

    memset(&e, 0, sizeof(referral_append_event_t));

    e.event = event;
    e.seq = seq;
    e.waits = (event->flags & REFERRAL_EVENT_CLICK_ID)
              && event->trust != REFERRAL_TRUST_BROWSER
              && event->received >= a->from && event->received <= a->to;
    e.nkeys = a->nkeys;

    referral_buf_init(&e.work, a->work + a->work_len,
                      REFERRAL_APPEND_WORK - a->work_len);
    referral_buf_init(&e.keys, a->keys + a->keys_len,
                      REFERRAL_APPEND_KEYS - a->keys_len);

    if (referral_append_event_keys(a, &e) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    referral_append_pack(&e);

    /* of texts within their bounds none is too long */

    if (e.work.overflow || e.keys.overflow) {
        return REFERRAL_ERROR;
    }

    a->work_len = e.work.pos - a->work;
    a->keys_len = e.keys.pos - a->keys;
    a->nkeys = e.nkeys;
    a->events++;

    return REFERRAL_OK;
}


unsigned
referral_append_records(const referral_append_t *a)
{
    return a->records;
}


unsigned
referral_append_events(const referral_append_t *a)
{
    return a->events;
}


uint64_t
referral_append_last(const referral_append_t *a)
{
    return a->last;
}


int
referral_append_command(referral_append_t *a, int full,
    referral_str_t *command)
{
    u_char          seed[2 * REFERRAL_APPEND_SEED_SIZE], head[8];
    unsigned        type;
    referral_buf_t  out, buf;

    if (a->records == 0) {
        return REFERRAL_DECLINED;
    }

    referral_buf_init(&out, a->out, sizeof(a->out));

    referral_command_eval(&out, &a->script, full, a->nkeys,
                          REFERRAL_APPEND_ARGS);

    for (type = 0; type < REFERRAL_APPEND_FIXED; type++) {
        referral_append_put_name(a, &out, type);
    }

    referral_buf_put(&out, a->keys, a->keys_len);

    referral_command_put(&out, a->journal, sizeof(a->journal));
    referral_command_put_number(&out, a->expected);
    referral_command_put_number(&out, a->last);

    referral_buf_init(&buf, head, sizeof(head));
    referral_pack_array(&buf, a->events * REFERRAL_APPEND_VALUES);

    referral_buf_putc(&out, '$');
    referral_buf_uint(&out, buf.pos - head + a->work_len);
    referral_buf_puts(&out, "\r\n");
    referral_buf_put(&out, head, buf.pos - head);
    referral_buf_put(&out, a->work, a->work_len);
    referral_buf_puts(&out, "\r\n");

    referral_buf_init(&buf, seed, sizeof(seed));
    referral_buf_hex(&buf, a->conf.seed, REFERRAL_APPEND_SEED_SIZE);
    referral_command_put(&out, seed, sizeof(seed));

    referral_append_put_name(a, &out, REFERRAL_APPEND_KEY_LINK);
    referral_append_put_name(a, &out, REFERRAL_APPEND_KEY_REFERRER);

    referral_command_put_number(&out, a->conf.window);
    referral_command_put_number(&out, a->conf.late);

    if (a->conf.first) {
        referral_command_put(&out, "first", 5);

    } else {
        referral_command_put(&out, "last", 4);
    }

    command->data = a->out;
    command->len = out.pos - out.start;

    return out.overflow ? REFERRAL_ERROR : REFERRAL_OK;
}


void
referral_append_reply(referral_batch_reply_t *reply, const int64_t *values,
    size_t n, unsigned events, uint64_t expected, uint64_t written)
{
    unsigned                   i;
    referral_append_outcome_t  outcome;

    if (n >= REFERRAL_APPEND_REPLY_HEAD
        && values[0] == REFERRAL_APPEND_REPLY_PART)
    {
        referral_append_reply_part(reply, values, n, events, expected,
                                   written);
        return;
    }

    referral_batch_reply(reply, values,
                         n < REFERRAL_APPEND_REPLY_HEAD
                         ? n : REFERRAL_APPEND_REPLY_HEAD,
                         expected, written);

    if (reply->answer == REFERRAL_BATCH_INVALID) {
        return;
    }

    if (reply->answer != REFERRAL_BATCH_APPLIED) {
        events = 0;
    }

    if (n != REFERRAL_APPEND_REPLY_HEAD
             + (size_t) events * REFERRAL_APPEND_OUTCOME)
    {
        reply->answer = REFERRAL_BATCH_INVALID;
        return;
    }

    for (i = 0; i < events; i++) {
        if (referral_append_outcome(values, n, i, &outcome) != REFERRAL_OK) {
            reply->answer = REFERRAL_BATCH_INVALID;
            return;
        }
    }
}


/* the events before one that waits; without any the mark is as it was */

static void
referral_append_reply_part(referral_batch_reply_t *reply,
    const int64_t *values, size_t n, unsigned events, uint64_t expected,
    uint64_t written)
{
    size_t                     applied;
    unsigned                   i;
    referral_append_outcome_t  outcome;

    memset(reply, 0, sizeof(referral_batch_reply_t));

    reply->answer = REFERRAL_BATCH_INVALID;

    n -= REFERRAL_APPEND_REPLY_HEAD;
    applied = n / REFERRAL_APPEND_OUTCOME;

    if (n % REFERRAL_APPEND_OUTCOME || applied >= events
        || values[1] < -1
        || (uint64_t) (values[1] == -1 ? 0 : values[1]) != expected
        || values[2] < 0
        || (applied ? (uint64_t) values[2] <= expected
                      || (uint64_t) values[2] >= written
                    : (uint64_t) values[2] != expected))
    {
        return;
    }

    for (i = 0; i < applied; i++) {
        if (referral_append_outcome(values, n + REFERRAL_APPEND_REPLY_HEAD, i,
                                    &outcome)
            != REFERRAL_OK)
        {
            return;
        }
    }

    reply->answer = REFERRAL_BATCH_PART;
    reply->none = (values[1] == -1);
    reply->found = expected;
    reply->upto = (uint64_t) values[2];
}


int
referral_append_outcome(const int64_t *values, size_t n, unsigned i,
    referral_append_outcome_t *outcome)
{
    int64_t  how;
    size_t   at;

    at = REFERRAL_APPEND_REPLY_HEAD + (size_t) i * REFERRAL_APPEND_OUTCOME;

    if (at + REFERRAL_APPEND_OUTCOME > n) {
        return REFERRAL_ERROR;
    }

    how = values[at + 2];

    if (values[at] < 0
        || values[at] >= REFERRAL_APPEND_KINDS
        || values[at + 1] <= 0
        || how < 0
        || how > REFERRAL_APPEND_GONE
        || (how & REFERRAL_APPEND_VIA_MASK) >= REFERRAL_VIAS)
    {
        return REFERRAL_ERROR;
    }

    outcome->kind = (uint8_t) values[at];
    outcome->position = (uint64_t) values[at + 1];
    outcome->via = (uint8_t) (how & REFERRAL_APPEND_VIA_MASK);
    outcome->known = (how & REFERRAL_APPEND_KNOWN) != 0;
    outcome->self = (how & REFERRAL_APPEND_SELF) != 0;
    outcome->gone = (how & REFERRAL_APPEND_GONE) != 0;

    return REFERRAL_OK;
}


/* the keys that the script reads or writes for this event */

static int
referral_append_event_keys(const referral_append_t *a,
    referral_append_event_t *e)
{
    const referral_str_t    *text;
    const referral_event_t  *event;

    event = e->event;
    text = event->text;

    e->id = referral_append_bucket(a, e, REFERRAL_APPEND_KEY_IDS,
                                   &text[REFERRAL_EVENT_TEXT_ID], e->id_field);
    if (e->id == 0) {
        return REFERRAL_ERROR;
    }

    /* without a customer nobody can be credited */

    if (text[REFERRAL_EVENT_TEXT_CUSTOMER].len == 0) {
        return REFERRAL_OK;
    }

    e->known = referral_append_bucket(a, e, REFERRAL_APPEND_KEY_KNOWN,
                                      &text[REFERRAL_EVENT_TEXT_CUSTOMER],
                                      e->known_field);
    if (e->known == 0) {
        return REFERRAL_ERROR;
    }

    if (event->flags & REFERRAL_EVENT_CLICK_ID) {
        e->click = referral_append_click(a, e, event->click_id);
    }

    if (event->flags & REFERRAL_EVENT_FIRST) {
        e->first = referral_append_click(a, e, event->first.click_id);
        (void) referral_append_key(a, e, REFERRAL_APPEND_KEY_LINK,
                                   event->first.code.data,
                                   event->first.code.len);
    }

    if (event->flags & REFERRAL_EVENT_LAST) {
        e->last = referral_append_click(a, e, event->last.click_id);
        (void) referral_append_key(a, e, REFERRAL_APPEND_KEY_LINK,
                                   event->last.code.data,
                                   event->last.code.len);
    }

    if (text[REFERRAL_EVENT_TEXT_CODE].len) {
        (void) referral_append_key(a, e, REFERRAL_APPEND_KEY_LINK,
                                   text[REFERRAL_EVENT_TEXT_CODE].data,
                                   text[REFERRAL_EVENT_TEXT_CODE].len);
    }

    return REFERRAL_OK;
}


/* the place of a key, or 0 if libcrypto fails; writes the field in it */

static unsigned
referral_append_bucket(const referral_append_t *a, referral_append_event_t *e,
    unsigned type, const referral_str_t *id, u_char *field)
{
    u_char  bucket[REFERRAL_BUCKET_LEN];

    if (referral_digest_place(bucket, field, id) != REFERRAL_OK) {
        return 0;
    }

    return referral_append_key(a, e, type, bucket, sizeof(bucket));
}


/* the place of "clicks"; "claimed" of the same minute is the next */

static unsigned
referral_append_click(const referral_append_t *a, referral_append_event_t *e,
    const u_char *click_id)
{
    u_char    minute[REFERRAL_MINUTE_LEN];
    unsigned  n;

    referral_time_minute(minute, referral_click_id_time(click_id));

    n = referral_append_key(a, e, REFERRAL_APPEND_KEY_CLICKS, minute,
                            sizeof(minute));
    (void) referral_append_key(a, e, REFERRAL_APPEND_KEY_CLAIMED, minute,
                               sizeof(minute));

    return n;
}


/* the place among the script's KEYS, which count from 1 */

static unsigned
referral_append_key(const referral_append_t *a, referral_append_event_t *e,
    unsigned type, const void *suffix, size_t len)
{
    u_char          key[REFERRAL_APPEND_KEY_MAX];
    referral_buf_t  buf;

    referral_buf_init(&buf, key, sizeof(key));
    referral_append_name(a, &buf, type);
    referral_buf_put(&buf, suffix, len);

    referral_command_put(&e->keys, key, buf.pos - key);

    e->keys.overflow |= buf.overflow;

    return ++e->nkeys;
}


static void
referral_append_name(const referral_append_t *a, referral_buf_t *out,
    unsigned type)
{
    referral_str_t  program;

    program.len = a->program_len;
    program.data = (u_char *) a->program;

    referral_buf_str(out, &a->conf.prefix);
    referral_key_put(out, referral_append_names[type], &program);
}


static void
referral_append_put_name(const referral_append_t *a, referral_buf_t *out,
    unsigned type)
{
    u_char          key[REFERRAL_APPEND_KEY_MAX];
    referral_buf_t  buf;

    referral_buf_init(&buf, key, sizeof(key));
    referral_append_name(a, &buf, type);

    referral_command_put(out, key, buf.pos - key);
}


/* what the script calls ID to WAITS, in its order */

static void
referral_append_pack(referral_append_event_t *e)
{
    referral_str_t           s;
    const referral_str_t    *text;
    const referral_event_t  *event;

    event = e->event;
    text = event->text;

    referral_append_pack_text(e, &text[REFERRAL_EVENT_TEXT_ID]);
    referral_append_pack_text(e, &text[REFERRAL_EVENT_TEXT_TYPE]);
    referral_append_pack_number(e, 1, event->at);
    referral_append_pack_flag(e, event->flags & REFERRAL_EVENT_AT_GIVEN, 1);

    s = referral_event_trust(event->trust);
    referral_append_pack_text(e, &s);

    referral_append_pack_text(e, &text[REFERRAL_EVENT_TEXT_CUSTOMER]);
    referral_append_pack_order(e);
    referral_append_pack_touches(e);

    referral_append_pack_text(e, &text[REFERRAL_EVENT_TEXT_COUNTRY]);
    referral_append_pack_text(e, &text[REFERRAL_EVENT_TEXT_CITY]);
    referral_append_pack_extra(e);

    referral_append_pack_hex(e, event->fingerprint,
                             sizeof(event->fingerprint));
    referral_append_pack_data(e, e->id_field, sizeof(e->id_field));
    referral_append_pack_data(e, e->known_field,
                              e->known ? sizeof(e->known_field) : 0);

    referral_pack_uint(&e->work, e->id);
    referral_pack_uint(&e->work, e->known);
    referral_pack_uint(&e->work, e->click);
    referral_pack_uint(&e->work, e->first);
    referral_pack_uint(&e->work, e->last);

    referral_append_pack_number(e, 1, (int64_t) e->seq);
    referral_append_pack_flag(e, e->waits, 1);
}


static void
referral_append_pack_order(referral_append_event_t *e)
{
    const referral_str_t    *text;
    const referral_event_t  *event;

    event = e->event;
    text = event->text;

    referral_append_pack_text(e, &text[REFERRAL_EVENT_TEXT_ORDER]);
    referral_append_pack_number(e, event->flags & REFERRAL_EVENT_AMOUNT,
                                event->amount);
    referral_append_pack_text(e, &text[REFERRAL_EVENT_TEXT_UNIT]);
    referral_append_pack_number(e, event->flags & REFERRAL_EVENT_REFUNDED,
                                event->refunded);
    referral_append_pack_number(e, event->quantity != 0, event->quantity);
    referral_append_pack_list(e, event->product, event->products, ',');
    referral_append_pack_text(e, &text[REFERRAL_EVENT_TEXT_ROLE]);

    /* an id may hold a comma, and no space */

    referral_append_pack_list(e, event->party, event->parties, ' ');
    referral_append_pack_text(e, &text[REFERRAL_EVENT_TEXT_SEGMENT]);
    referral_append_pack_number(e, event->flags & REFERRAL_EVENT_ORDER_AT,
                                event->order_at);
    referral_append_pack_flag(e, event->flags & REFERRAL_EVENT_NEW_SAID,
                              (event->flags & REFERRAL_EVENT_NEW) != 0);
}


static void
referral_append_pack_touches(referral_append_event_t *e)
{
    const referral_event_t  *event;

    event = e->event;

    referral_append_pack_click(e, event->flags & REFERRAL_EVENT_CLICK_ID,
                               event->click_id);

    referral_append_pack_text(e, &event->first.code);
    referral_append_pack_click(e, event->flags & REFERRAL_EVENT_FIRST,
                               event->first.click_id);
    referral_append_pack_text(e, &event->last.code);
    referral_append_pack_click(e, event->flags & REFERRAL_EVENT_LAST,
                               event->last.click_id);

    referral_append_pack_text(e, &event->text[REFERRAL_EVENT_TEXT_CODE]);
}


static void
referral_append_pack_data(referral_append_event_t *e, const void *data,
    size_t len)
{
    u_char  head[3];

    if (len > REFERRAL_PACK_TEXT_MAX) {
        e->work.overflow = 1;
        return;
    }

    referral_buf_put(&e->work, head, referral_pack_head(head, len) - head);
    referral_buf_put(&e->work, data, len);
}


static void
referral_append_pack_text(referral_append_event_t *e, const referral_str_t *s)
{
    referral_append_pack_data(e, s->data, s->len);
}


/* as a text: a number of Lua is a double */

static void
referral_append_pack_number(referral_append_event_t *e, int set, int64_t n)
{
    u_char          data[20];
    referral_buf_t  buf;

    referral_buf_init(&buf, data, sizeof(data));

    if (set) {
        referral_buf_uint(&buf, (uint64_t) n);
    }

    referral_append_pack_data(e, data, buf.pos - data);
}


static void
referral_append_pack_flag(referral_append_event_t *e, int set, int flag)
{
    referral_append_pack_data(e, flag ? "1" : "0", set ? 1 : 0);
}


static void
referral_append_pack_hex(referral_append_event_t *e, const u_char *data,
    size_t len)
{
    u_char          hex[2 * REFERRAL_FINGERPRINT_SIZE];
    referral_buf_t  buf;

    referral_buf_init(&buf, hex, sizeof(hex));
    referral_buf_hex(&buf, data, len);

    referral_append_pack_data(e, hex, buf.pos - hex);
}


static void
referral_append_pack_list(referral_append_event_t *e,
    const referral_str_t *list, unsigned n, u_char between)
{
    u_char          data[REFERRAL_APPEND_LIST];
    unsigned        i;
    referral_buf_t  buf;

    referral_buf_init(&buf, data, sizeof(data));

    for (i = 0; i < n; i++) {
        if (i) {
            referral_buf_putc(&buf, between);
        }

        referral_buf_str(&buf, &list[i]);
    }

    e->work.overflow |= buf.overflow;

    referral_append_pack_data(e, data, buf.pos - data);
}


static void
referral_append_pack_click(referral_append_event_t *e, int set,
    const u_char *click_id)
{
    u_char  text[REFERRAL_CLICK_ID_LEN];

    referral_click_id_text(text, click_id);
    referral_append_pack_data(e, text, set ? sizeof(text) : 0);
}


/* the shop's own fields as a form: their values may hold anything */

static void
referral_append_pack_extra(referral_append_event_t *e)
{
    u_char                         data[REFERRAL_APPEND_ROOM_EXTRA];
    unsigned                       i;
    referral_buf_t                 buf;
    const referral_event_extra_t  *extra;

    referral_buf_init(&buf, data, sizeof(data));

    for (i = 0; i < e->event->extras; i++) {
        extra = &e->event->extra[i];

        if (i) {
            referral_buf_putc(&buf, '&');
        }

        referral_buf_escape(&buf, &extra->key);
        referral_buf_putc(&buf, '=');
        referral_buf_escape(&buf, &extra->value);
    }

    e->work.overflow |= buf.overflow;

    referral_append_pack_data(e, data, buf.pos - data);
}
