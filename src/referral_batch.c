
#include <stdlib.h>

#include <openssl/evp.h>

#include "referral_batch.h"
#include "referral_hash.h"
#include "referral_time.h"

#include "referral_apply_lua.h"


/*
 * The work goes to the script in MessagePack: the texts, each once, and the
 * operations, in which a text is its number.  A text's number is its place in
 * Lua's array: from 1, and 1 is the empty one.
 *
 * One table of items serves all look-ups: a counter of a key (owner: the
 * target), a target (owner: kind, type and group), a key (owner: kind and
 * type) and a group (owner: kind).
 */

#define REFERRAL_BATCH_OPS          1000
#define REFERRAL_BATCH_OP_ITEMS     400     /* HSET: 802 arguments */
#define REFERRAL_BATCH_TEXTS        16384
#define REFERRAL_BATCH_TEXT_SIZE    (512 * 1024)
#define REFERRAL_BATCH_ITEMS        24576
#define REFERRAL_BATCH_SLOT_BITS    15
#define REFERRAL_BATCH_SLOTS        (1 << REFERRAL_BATCH_SLOT_BITS)
#define REFERRAL_BATCH_OUT          (1024 * 1024)
#define REFERRAL_BATCH_GAP          16      /* "$1048576\r\n" */

/* more than any one record takes */

#define REFERRAL_BATCH_ROOM_OPS     32
#define REFERRAL_BATCH_ROOM_TEXTS   64
#define REFERRAL_BATCH_ROOM_SIZE    (16 * 1024)
#define REFERRAL_BATCH_ROOM_ITEMS   128

#define REFERRAL_BATCH_CUT          255     /* bytes of a record's text */
#define REFERRAL_BATCH_KEY_SIZE     40      /* what every key may have */
#define REFERRAL_BATCH_VALUES       20      /* of an event */
#define REFERRAL_BATCH_EVENT_TEXTS  12
#define REFERRAL_BATCH_OP_HEAD      4
#define REFERRAL_BATCH_EMPTY        1       /* the empty text */

#define REFERRAL_BATCH_OWNER_KEY    0x80000000u
#define REFERRAL_BATCH_OWNER_TARGET 0x40000000u
#define REFERRAL_BATCH_OWNER_GROUP  0xffffffffu

#define REFERRAL_BATCH_CAP_PROGRAM  500
#define REFERRAL_BATCH_CAP_LINK     50
#define REFERRAL_BATCH_UNIQUES_TTL  (400 * 86400)
#define REFERRAL_BATCH_BOARD_TTL    (9 * 86400)
#define REFERRAL_BATCH_HOURS_MS     (90 * REFERRAL_DAY_MS)
#define REFERRAL_BATCH_AT_MAX       253402300799999LL


/* the script's names for what is to be done */

typedef enum {
    REFERRAL_OP_IF = 0,
    REFERRAL_OP_COUNT,
    REFERRAL_OP_SCORE,
    REFERRAL_OP_SET,
    REFERRAL_OP_UNIQUE,
    REFERRAL_OP_EVENTS,
    REFERRAL_OP_HOURS,
    REFERRAL_OP_TRIM
} referral_op_e;


typedef enum {
    REFERRAL_KEY_JOURNALS = 0,
    REFERRAL_KEY_ERRORS,
    REFERRAL_KEY_FORGOTTEN,
    REFERRAL_KEY_LINK,
    REFERRAL_KEY_STATS,
    REFERRAL_KEY_STATS_LINK,
    REFERRAL_KEY_DAY,
    REFERRAL_KEY_DAYS,
    REFERRAL_KEY_DAYS_LINK,
    REFERRAL_KEY_HOURS,
    REFERRAL_KEY_BOARD,
    REFERRAL_KEY_BOARD_DAY,
    REFERRAL_KEY_REFERRERS,
    REFERRAL_KEY_REFERRERS_MONTH,
    REFERRAL_KEY_VISITORS,
    REFERRAL_KEY_ADDRESSES,
    REFERRAL_KEY_CLICKS,
    REFERRAL_KEY_EVENTS
} referral_key_e;


/* a key is the prefix, "before", "{program}", "after" and a suffix */

typedef struct {
    referral_str_t      before;
    referral_str_t      after;
    referral_op_e       op;
} referral_batch_name_t;


typedef struct {
    uint32_t            off;
    uint32_t            len;
    uint32_t            hash;
} referral_batch_text_t;


/* "next" chains the items of one operation */

typedef struct {
    uint32_t            owner;
    uint32_t            text;
    uint32_t            value;
    uint32_t            next;
} referral_batch_item_t;


typedef struct {
    uint32_t            type;
    uint32_t            suffix;
} referral_batch_key_t;


/* a key under one condition, and its last operation */

typedef struct {
    uint64_t            expire;      /* seconds; 0: never */
    uint64_t            life;        /* of it, from its click or day on */
    uint32_t            type;
    uint32_t            key;
    uint32_t            group;
    uint32_t            op;
} referral_batch_target_t;


/* "first" and "last": items, of REFERRAL_OP_EVENTS events */

typedef struct {
    uint32_t            target;
    uint32_t            first;
    uint32_t            last;
    uint32_t            n;
    uint32_t            next;        /* of the group */
} referral_batch_op_t;


/* operations under one condition; the first group has none */

typedef struct {
    uint32_t            key;
    uint32_t            first;
    uint32_t            last;
    uint32_t            n;
} referral_batch_group_t;


typedef struct {
    uint32_t            next;
    uint32_t            text[REFERRAL_BATCH_VALUES];
} referral_batch_event_t;


/* indices of 0 mean none: the first element of each array is not used */

struct referral_batch_s {
    referral_batch_conf_t    conf;

    u_char                   sha1[40];
    u_char                   journal[2 * REFERRAL_JOURNAL_ID_SIZE];
    u_char                   program[REFERRAL_PROGRAM_MAX];
    size_t                   program_len;

    uint64_t                 expected;
    uint64_t                 last;
    int64_t                  newest;         /* ms */
    unsigned                 records;

    uint32_t                 ntexts;
    uint32_t                 nitems;
    uint32_t                 nkeys;
    uint32_t                 ntargets;
    uint32_t                 nops;
    uint32_t                 ngroups;
    uint32_t                 nevents;
    size_t                   text_len;
    size_t                   text_size;      /* the keys' bytes as well */

    uint32_t                 text_slots[REFERRAL_BATCH_SLOTS];
    uint32_t                 item_slots[REFERRAL_BATCH_SLOTS];

    referral_batch_text_t    texts[REFERRAL_BATCH_TEXTS];
    referral_batch_item_t    items[REFERRAL_BATCH_ITEMS];
    referral_batch_key_t     keys[2 * REFERRAL_BATCH_OPS];
    referral_batch_target_t  targets[REFERRAL_BATCH_OPS];
    referral_batch_op_t      ops[REFERRAL_BATCH_OPS];
    referral_batch_group_t   groups[REFERRAL_BATCH_OPS];
    referral_batch_event_t   events[REFERRAL_BATCH_RECORDS + 1];

    u_char                   text[REFERRAL_BATCH_TEXT_SIZE];
    u_char                   out[REFERRAL_BATCH_OUT];
};


static void referral_batch_mark(const referral_batch_conf_t *conf,
    referral_buf_t *out, const char *command, const referral_str_t *program,
    const u_char *journal_id);

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

static uint32_t referral_batch_group(referral_batch_t *b, uint32_t code);
static uint32_t referral_batch_target(referral_batch_t *b, uint32_t group,
    uint32_t type, uint32_t suffix);
static uint32_t referral_batch_key(referral_batch_t *b, uint32_t type,
    uint32_t suffix);
static referral_batch_op_t *referral_batch_op(referral_batch_t *b, uint32_t n);
static referral_batch_item_t *referral_batch_member(referral_batch_t *b,
    uint32_t target, uint32_t text);
static uint32_t referral_batch_bump(referral_batch_t *b, uint32_t group,
    uint32_t type, uint32_t suffix, uint32_t text);
static void referral_batch_count(referral_batch_t *b, uint32_t target,
    uint32_t text);
static void referral_batch_stats(referral_batch_t *b, const uint32_t *stats,
    uint32_t text);
static void referral_batch_expire(referral_batch_t *b, uint32_t target,
    uint64_t start, uint64_t life);
static referral_batch_item_t *referral_batch_item(referral_batch_t *b,
    uint32_t owner, uint32_t text);
static uint32_t referral_batch_text(referral_batch_t *b, const void *data,
    size_t len);
static uint32_t referral_batch_str(referral_batch_t *b,
    const referral_str_t *s);
static uint32_t referral_batch_field(referral_batch_t *b, const char *name,
    const referral_str_t *s);

static void referral_batch_put_work(const referral_batch_t *b,
    referral_buf_t *out);
static void referral_batch_put_group(const referral_batch_t *b,
    referral_buf_t *out, uint32_t n);
static void referral_batch_put_head(referral_buf_t *out, uint32_t kind,
    uint32_t key, uint64_t option, uint32_t n);
static uint32_t referral_batch_op_size(const referral_batch_t *b,
    const referral_batch_op_t *op);
static void referral_batch_put_op(const referral_batch_t *b,
    referral_buf_t *out, const referral_batch_op_t *op);
static void referral_batch_put_key(const referral_batch_conf_t *conf,
    referral_buf_t *out, uint32_t type, const referral_str_t *program,
    const referral_str_t *suffix);
static void referral_batch_put_bulk(referral_buf_t *out, const void *data,
    size_t len);
static void referral_batch_put_number(referral_buf_t *out, uint64_t n);

static void referral_pack_array(referral_buf_t *out, uint32_t n);
static void referral_pack_uint(referral_buf_t *out, uint64_t n);
static void referral_pack_text(referral_buf_t *out, const u_char *data,
    size_t len);
static void referral_pack_bytes(referral_buf_t *out, u_char type, uint64_t n,
    unsigned size);


static const referral_batch_name_t  referral_batch_names[] = {

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


/* error replies that tell of a state, not of the command */

static const char  *referral_batch_states[] = {
    "LOADING", "BUSY", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN",
    "OOM", "MISCONF", "NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM",
    "ERR max number of clients", NULL
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
    u_char             md[EVP_MAX_MD_SIZE];
    unsigned           len;
    referral_buf_t     buf;
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

    if (EVP_Digest(referral_apply_lua, sizeof(referral_apply_lua) - 1, md,
                   &len, EVP_sha1(), NULL)
        != 1)
    {
        free(b);
        return NULL;
    }

    referral_buf_init(&buf, b->sha1, sizeof(b->sha1));
    referral_buf_hex(&buf, md, sizeof(b->sha1) / 2);

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


int
referral_batch_command(referral_batch_t *b, int full, referral_str_t *command)
{
    u_char                 *head, *work;
    size_t                  len;
    uint32_t                i;
    referral_buf_t          out;
    referral_str_t          program, suffix;
    referral_batch_text_t  *text;

    if (b->records == 0) {
        return REFERRAL_DECLINED;
    }

    program.data = b->program;
    program.len = b->program_len;

    referral_buf_init(&out, b->out, sizeof(b->out));

    referral_buf_putc(&out, '*');
    referral_buf_uint(&out, 3 + (b->nkeys - 1) + 4);
    referral_buf_puts(&out, "\r\n");

    if (full) {
        referral_batch_put_bulk(&out, "EVAL", 4);
        referral_batch_put_bulk(&out, referral_apply_lua,
                                sizeof(referral_apply_lua) - 1);

    } else {
        referral_batch_put_bulk(&out, "EVALSHA", 7);
        referral_batch_put_bulk(&out, b->sha1, sizeof(b->sha1));
    }

    referral_batch_put_number(&out, b->nkeys - 1);

    for (i = 1; i < b->nkeys; i++) {
        text = &b->texts[b->keys[i].suffix];

        suffix.data = b->text + text->off;
        suffix.len = text->len;

        referral_batch_put_key(&b->conf, &out, b->keys[i].type, &program,
                               &suffix);
    }

    referral_batch_put_bulk(&out, b->journal, sizeof(b->journal));
    referral_batch_put_number(&out, b->expected);
    referral_batch_put_number(&out, b->last);

    /* the length stands before the work and is known after it */

    head = out.pos;

    if (out.end - out.pos < REFERRAL_BATCH_GAP) {
        return REFERRAL_ERROR;
    }

    out.pos += REFERRAL_BATCH_GAP;
    work = out.pos;

    referral_batch_put_work(b, &out);

    len = out.pos - work;
    out.pos = head;

    referral_buf_putc(&out, '$');
    referral_buf_uint(&out, len);
    referral_buf_puts(&out, "\r\n");

    memmove(out.pos, work, len);
    out.pos += len;

    referral_buf_puts(&out, "\r\n");

    command->data = b->out;
    command->len = out.pos - out.start;

    return out.overflow ? REFERRAL_ERROR : REFERRAL_OK;
}


void
referral_batch_reply(referral_batch_reply_t *reply, const int64_t *values,
    size_t n, uint64_t expected, uint64_t written)
{
    memset(reply, 0, sizeof(referral_batch_reply_t));

    reply->answer = REFERRAL_BATCH_INVALID;

    if (n != 3 || values[0] < 0 || values[0] > 1 || values[1] < -1
        || values[2] < 0)
    {
        return;
    }

    reply->none = (values[1] == -1);
    reply->found = reply->none ? 0 : (uint64_t) values[1];
    reply->refused = (uint64_t) values[2];

    if (values[0] == 1) {

        if (reply->found == expected) {
            reply->answer = REFERRAL_BATCH_APPLIED;
        }

    } else if (reply->found > written) {
        reply->answer = REFERRAL_BATCH_FOREIGN;

    } else if (reply->found > expected) {
        reply->answer = REFERRAL_BATCH_AHEAD;

    } else if (reply->found < expected) {
        reply->answer = REFERRAL_BATCH_BEHIND;
    }
}


referral_batch_error_e
referral_batch_error(const referral_str_t *text)
{
    size_t          len;
    const char    **state;
    referral_str_t  s;

    s = *text;

    /*
     * Before Redis 7 the error that a command raised inside of a script
     * follows a description of where: "ERR Error running script (...): -OOM ".
     */

    if (s.len > 17 && memcmp(s.data, "ERR Error running", 17) == 0) {

        while (s.len > 3 && memcmp(s.data, ": -", 3) != 0) {
            s.data++;
            s.len--;
        }

        s.data += 3;
        s.len -= 3;
    }

    for (state = referral_batch_states; *state; state++) {
        len = strlen(*state);

        if (s.len >= len && memcmp(s.data, *state, len) == 0
            && (s.len == len || s.data[len] == ' '))
        {
            return REFERRAL_BATCH_RETRY;
        }
    }

    if (s.len > 6 && memcmp(s.data, "MOVED ", 6) == 0) {
        return REFERRAL_BATCH_REROUTE;
    }

    if (s.len > 4 && memcmp(s.data, "ASK ", 4) == 0) {
        return REFERRAL_BATCH_REROUTE;
    }

    if (s.len >= 8 && memcmp(s.data, "NOSCRIPT", 8) == 0) {
        return REFERRAL_BATCH_NOSCRIPT;
    }

    return REFERRAL_BATCH_UNKNOWN;
}


void
referral_batch_mark_get(const referral_batch_conf_t *conf,
    referral_buf_t *out, const referral_str_t *program,
    const u_char *journal_id)
{
    referral_batch_mark(conf, out, "HGET", program, journal_id);
}


void
referral_batch_mark_delete(const referral_batch_conf_t *conf,
    referral_buf_t *out, const referral_str_t *program,
    const u_char *journal_id)
{
    referral_batch_mark(conf, out, "HDEL", program, journal_id);
}


static void
referral_batch_mark(const referral_batch_conf_t *conf, referral_buf_t *out,
    const char *command, const referral_str_t *program,
    const u_char *journal_id)
{
    u_char                 id[2 * REFERRAL_JOURNAL_ID_SIZE];
    referral_buf_t         buf;
    static referral_str_t  none = referral_string("");

    referral_buf_puts(out, "*3\r\n");
    referral_batch_put_bulk(out, command, 4);
    referral_batch_put_key(conf, out, REFERRAL_KEY_JOURNALS, program, &none);

    referral_buf_init(&buf, id, sizeof(id));
    referral_buf_hex(&buf, journal_id, REFERRAL_JOURNAL_ID_SIZE);
    referral_batch_put_bulk(out, id, sizeof(id));
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


/*
 * Clicks whose link nobody could look up count only if the link exists when
 * they are applied, so they are never added to those of anybody else.
 */

static uint32_t
referral_batch_group(referral_batch_t *b, uint32_t code)
{
    referral_batch_item_t  *item;

    item = referral_batch_item(b, REFERRAL_BATCH_OWNER_GROUP, code);

    if (item->value == 0) {
        item->value = b->ngroups;

        memset(&b->groups[b->ngroups], 0, sizeof(referral_batch_group_t));

        b->groups[b->ngroups].key = referral_batch_key(b, REFERRAL_KEY_LINK,
                                                       code);
        b->ngroups++;
    }

    return item->value;
}


static uint32_t
referral_batch_target(referral_batch_t *b, uint32_t group, uint32_t type,
    uint32_t suffix)
{
    referral_batch_item_t    *item;
    referral_batch_target_t  *target;

    item = referral_batch_item(b, REFERRAL_BATCH_OWNER_TARGET | (group << 8)
                                  | type, suffix);

    if (item->value == 0) {
        item->value = b->ntargets;

        target = &b->targets[b->ntargets++];

        target->expire = 0;
        target->life = 0;
        target->type = type;
        target->key = referral_batch_key(b, type, suffix);
        target->group = group;
        target->op = 0;
    }

    return item->value;
}


/* the number of a key among the script's KEYS */

static uint32_t
referral_batch_key(referral_batch_t *b, uint32_t type, uint32_t suffix)
{
    referral_batch_key_t   *key;
    referral_batch_item_t  *item;

    item = referral_batch_item(b, REFERRAL_BATCH_OWNER_KEY | type, suffix);

    if (item->value == 0) {
        item->value = b->nkeys;

        key = &b->keys[b->nkeys++];

        key->type = type;
        key->suffix = suffix;

        b->text_size += REFERRAL_BATCH_KEY_SIZE + b->conf.prefix.len
                        + b->program_len + b->texts[suffix].len;
    }

    return item->value;
}


/* the operation that takes what comes next for a key */

static referral_batch_op_t *
referral_batch_op(referral_batch_t *b, uint32_t n)
{
    referral_batch_op_t      *op;
    referral_batch_group_t   *group;
    referral_batch_target_t  *target;

    target = &b->targets[n];

    if (target->op
        && (target->type == REFERRAL_KEY_EVENTS
            || b->ops[target->op].n < REFERRAL_BATCH_OP_ITEMS))
    {
        return &b->ops[target->op];
    }

    target->op = b->nops++;

    op = &b->ops[target->op];
    memset(op, 0, sizeof(referral_batch_op_t));
    op->target = n;

    group = &b->groups[target->group];

    if (group->n++) {
        b->ops[group->last].next = target->op;

    } else {
        group->first = target->op;
    }

    group->last = target->op;

    return op;
}


static referral_batch_item_t *
referral_batch_member(referral_batch_t *b, uint32_t target, uint32_t text)
{
    uint32_t                n;
    referral_batch_op_t    *op;
    referral_batch_item_t  *item;

    n = b->nitems;
    item = referral_batch_item(b, target, text);

    if (b->nitems == n) {
        return item;
    }

    op = referral_batch_op(b, target);

    if (op->n++) {
        b->items[op->last].next = n;

    } else {
        op->first = n;
    }

    op->last = n;

    return item;
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


/* finds or makes; what is new is zero */

static referral_batch_item_t *
referral_batch_item(referral_batch_t *b, uint32_t owner, uint32_t text)
{
    uint32_t                slot;
    uint64_t                hash;
    referral_batch_item_t  *item;

    hash = ((uint64_t) owner << 32 | text) * 0x9e3779b97f4a7c15ULL;
    slot = hash >> (64 - REFERRAL_BATCH_SLOT_BITS);

    while (b->item_slots[slot]) {
        item = &b->items[b->item_slots[slot]];

        if (item->owner == owner && item->text == text) {
            return item;
        }

        slot = (slot + 1) & (REFERRAL_BATCH_SLOTS - 1);
    }

    b->item_slots[slot] = b->nitems;

    item = &b->items[b->nitems++];

    item->owner = owner;
    item->text = text;
    item->value = 0;
    item->next = 0;

    return item;
}


/* the number of a text */

static uint32_t
referral_batch_text(referral_batch_t *b, const void *data, size_t len)
{
    uint32_t                hash, slot;
    referral_batch_text_t  *text;

    hash = (uint32_t) referral_hash64(b->conf.seed, data, len);
    slot = hash & (REFERRAL_BATCH_SLOTS - 1);

    while (b->text_slots[slot]) {
        text = &b->texts[b->text_slots[slot]];

        if (text->hash == hash && text->len == len
            && memcmp(b->text + text->off, data, len) == 0)
        {
            return b->text_slots[slot];
        }

        slot = (slot + 1) & (REFERRAL_BATCH_SLOTS - 1);
    }

    b->text_slots[slot] = b->ntexts;

    text = &b->texts[b->ntexts];

    text->off = b->text_len;
    text->len = len;
    text->hash = hash;

    memcpy(b->text + b->text_len, data, len);

    b->text_len += len;
    b->text_size += len;

    return b->ntexts++;
}


static uint32_t
referral_batch_str(referral_batch_t *b, const referral_str_t *s)
{
    if (s->len == 0) {
        return REFERRAL_BATCH_EMPTY;
    }

    return referral_batch_text(b, s->data, s->len < REFERRAL_BATCH_CUT
                                           ? s->len : REFERRAL_BATCH_CUT);
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


/* the texts, the operations, and the first hour to keep */

static void
referral_batch_put_work(const referral_batch_t *b, referral_buf_t *out)
{
    u_char                        hour[REFERRAL_HOUR_LEN];
    int64_t                       oldest;
    uint32_t                      i, n, events, hours;
    const referral_batch_text_t  *text;

    referral_pack_array(out, 3);

    referral_pack_array(out, b->ntexts - 1);

    for (i = 1; i < b->ntexts; i++) {
        text = &b->texts[i];
        referral_pack_text(out, b->text + text->off, text->len);
    }

    events = 0;
    hours = 0;

    for (i = 1; i < b->nkeys; i++) {
        if (b->keys[i].type == REFERRAL_KEY_EVENTS) {
            events = i;

        } else if (b->keys[i].type == REFERRAL_KEY_HOURS) {
            hours = i;
        }
    }

    n = (b->nops - 1 + b->ngroups - 1) * REFERRAL_BATCH_OP_HEAD;

    for (i = 1; i < b->nops; i++) {
        n += referral_batch_op_size(b, &b->ops[i]);
    }

    n += hours ? REFERRAL_BATCH_OP_HEAD : 0;
    n += events ? REFERRAL_BATCH_OP_HEAD + 2 : 0;

    referral_pack_array(out, n);

    for (i = 0; i < b->ngroups; i++) {
        referral_batch_put_group(b, out, i);
    }

    if (hours) {
        referral_batch_put_head(out, REFERRAL_OP_HOURS, hours,
                                b->newest / 1000, 0);
    }

    if (events) {
        referral_batch_put_head(out, REFERRAL_OP_TRIM, events,
                                b->newest / 1000, 2);
        referral_pack_uint(out, b->conf.events_maxlen);
        referral_pack_uint(out, b->conf.events_age);
    }

    oldest = b->newest > REFERRAL_BATCH_HOURS_MS
             ? b->newest - REFERRAL_BATCH_HOURS_MS : 0;

    referral_time_hour(hour, oldest);
    referral_pack_text(out, hour, sizeof(hour));
}


static void
referral_batch_put_group(const referral_batch_t *b, referral_buf_t *out,
    uint32_t n)
{
    uint32_t                       i, size;
    const referral_batch_group_t  *group;

    group = &b->groups[n];

    if (n) {
        size = 0;

        for (i = group->first; i; i = b->ops[i].next) {
            size += REFERRAL_BATCH_OP_HEAD
                    + referral_batch_op_size(b, &b->ops[i]);
        }

        referral_batch_put_head(out, REFERRAL_OP_IF, group->key, size, 0);
    }

    for (i = group->first; i; i = b->ops[i].next) {
        referral_batch_put_op(b, out, &b->ops[i]);
    }
}


/* kind, key, option, and how many numbers follow */

static void
referral_batch_put_head(referral_buf_t *out, uint32_t kind, uint32_t key,
    uint64_t option, uint32_t n)
{
    referral_pack_uint(out, kind);
    referral_pack_uint(out, key);
    referral_pack_uint(out, option);
    referral_pack_uint(out, n);
}


static uint32_t
referral_batch_op_size(const referral_batch_t *b,
    const referral_batch_op_t *op)
{
    switch (referral_batch_names[b->targets[op->target].type].op) {

    case REFERRAL_OP_EVENTS:
        return op->n * REFERRAL_BATCH_VALUES;

    case REFERRAL_OP_COUNT:
        return op->n * 2;

    case REFERRAL_OP_UNIQUE:
        return 1 + op->n;

    default: /* REFERRAL_OP_SCORE, REFERRAL_OP_SET */
        return 1 + op->n * 2;
    }
}


static void
referral_batch_put_op(const referral_batch_t *b, referral_buf_t *out,
    const referral_batch_op_t *op)
{
    uint32_t                        i, n, kind;
    uint64_t                        option;
    const referral_batch_item_t    *item;
    const referral_batch_event_t   *event;
    const referral_batch_target_t  *target;

    target = &b->targets[op->target];
    kind = referral_batch_names[target->type].op;

    switch (target->type) {

    case REFERRAL_KEY_STATS:
    case REFERRAL_KEY_DAY:
        option = b->conf.cap_program;
        break;

    case REFERRAL_KEY_STATS_LINK:
        option = b->conf.cap_link;
        break;

    default:
        option = target->expire;
    }

    referral_batch_put_head(out, kind, target->key, option,
                            referral_batch_op_size(b, op));

    if (kind == REFERRAL_OP_EVENTS) {

        for (i = op->first; i; i = event->next) {
            event = &b->events[i];

            for (n = 0; n < REFERRAL_BATCH_VALUES; n++) {
                referral_pack_uint(out, event->text[n]);
            }
        }

        return;
    }

    if (kind != REFERRAL_OP_COUNT) {
        referral_pack_uint(out, target->life);
    }

    for (i = op->first; i; i = item->next) {
        item = &b->items[i];

        referral_pack_uint(out, item->text);

        if (kind != REFERRAL_OP_UNIQUE) {
            referral_pack_uint(out, item->value);
        }
    }
}


static void
referral_batch_put_key(const referral_batch_conf_t *conf, referral_buf_t *out,
    uint32_t type, const referral_str_t *program, const referral_str_t *suffix)
{
    size_t                        len;
    const referral_batch_name_t  *name;

    name = &referral_batch_names[type];

    len = conf->prefix.len + name->before.len + 1 + program->len + 1
          + name->after.len + suffix->len;

    referral_buf_putc(out, '$');
    referral_buf_uint(out, len);
    referral_buf_puts(out, "\r\n");

    referral_buf_str(out, &conf->prefix);
    referral_buf_str(out, &name->before);
    referral_buf_putc(out, '{');
    referral_buf_str(out, program);
    referral_buf_putc(out, '}');
    referral_buf_str(out, &name->after);
    referral_buf_str(out, suffix);

    referral_buf_puts(out, "\r\n");
}


static void
referral_batch_put_bulk(referral_buf_t *out, const void *data, size_t len)
{
    referral_buf_putc(out, '$');
    referral_buf_uint(out, len);
    referral_buf_puts(out, "\r\n");
    referral_buf_put(out, data, len);
    referral_buf_puts(out, "\r\n");
}


static void
referral_batch_put_number(referral_buf_t *out, uint64_t n)
{
    u_char          data[20];
    referral_buf_t  buf;

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_uint(&buf, n);

    referral_batch_put_bulk(out, data, buf.pos - data);
}


/* MessagePack, always in the shortest form */

static void
referral_pack_array(referral_buf_t *out, uint32_t n)
{
    if (n < 16) {
        referral_buf_putc(out, 0x90 | n);

    } else if (n < 0x10000) {
        referral_pack_bytes(out, 0xdc, n, 2);

    } else {
        referral_pack_bytes(out, 0xdd, n, 4);
    }
}


static void
referral_pack_uint(referral_buf_t *out, uint64_t n)
{
    if (n < 0x80) {
        referral_buf_putc(out, n);

    } else if (n < 0x100) {
        referral_pack_bytes(out, 0xcc, n, 1);

    } else if (n < 0x10000) {
        referral_pack_bytes(out, 0xcd, n, 2);

    } else if (n < 0x100000000ULL) {
        referral_pack_bytes(out, 0xce, n, 4);

    } else {
        referral_pack_bytes(out, 0xcf, n, 8);
    }
}


static void
referral_pack_text(referral_buf_t *out, const u_char *data, size_t len)
{
    if (len < 32) {
        referral_buf_putc(out, 0xa0 | len);

    } else if (len < 0x100) {
        referral_pack_bytes(out, 0xd9, len, 1);

    } else {
        referral_pack_bytes(out, 0xda, len, 2);
    }

    referral_buf_put(out, data, len);
}


static void
referral_pack_bytes(referral_buf_t *out, u_char type, uint64_t n,
    unsigned size)
{
    referral_buf_putc(out, type);

    while (size--) {
        referral_buf_putc(out, (u_char) (n >> (8 * size)));
    }
}
