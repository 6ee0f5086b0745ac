
#include <openssl/evp.h>

#include "referral_batch_core.h"

#include "referral_apply_lua.h"


#define REFERRAL_BATCH_GAP          16      /* "$1048576\r\n" */
#define REFERRAL_BATCH_OP_HEAD      4
#define REFERRAL_BATCH_HOURS_MS     (90 * REFERRAL_DAY_MS)


static void referral_batch_mark(const referral_batch_conf_t *conf,
    referral_buf_t *out, const char *command, const referral_str_t *program,
    const u_char *journal_id);
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


/* error replies that tell of a state, not of the command */

static const char  *referral_batch_states[] = {
    "LOADING", "BUSY", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN",
    "OOM", "MISCONF", "NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM",
    "ERR max number of clients", NULL
};


int
referral_batch_script(referral_batch_t *b)
{
    u_char          md[EVP_MAX_MD_SIZE];
    unsigned        len;
    referral_buf_t  buf;

    if (EVP_Digest(referral_apply_lua, sizeof(referral_apply_lua) - 1, md,
                   &len, EVP_sha1(), NULL)
        != 1)
    {
        return REFERRAL_ERROR;
    }

    referral_buf_init(&buf, b->sha1, sizeof(b->sha1));
    referral_buf_hex(&buf, md, sizeof(b->sha1) / 2);

    return REFERRAL_OK;
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
