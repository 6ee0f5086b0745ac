
#include "referral_batch_core.h"

#include "referral_click_lua.h"


#define REFERRAL_BATCH_GAP          16      /* "$1048576\r\n" */
#define REFERRAL_BATCH_OP_HEAD      4
#define REFERRAL_BATCH_NAME_MAX     192     /* bytes of a key without its
                                               suffix */
#define REFERRAL_BATCH_NAMES_SIZE                                             \
    (REFERRAL_BATCH_KEYS * REFERRAL_BATCH_NAME_MAX)
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
static void referral_batch_put_keys(const referral_batch_t *b,
    referral_buf_t *out);
static void referral_batch_put_name(const referral_batch_conf_t *conf,
    referral_buf_t *out, uint32_t type, const referral_str_t *program);


/* error replies about the state of Redis, not about the command */

static const char  *referral_batch_states[] = {
    "LOADING", "BUSY", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN",
    "OOM", "MISCONF", "NOREPLICAS", "NOAUTH", "WRONGPASS",
    "ERR max number of clients", NULL
};


int
referral_batch_script(referral_batch_t *b)
{
    return referral_command_script(&b->script, referral_click_lua,
                                   sizeof(referral_click_lua) - 1);
}


int
referral_batch_command(referral_batch_t *b, int full, referral_str_t *command)
{
    u_char           gap[REFERRAL_BATCH_GAP], *head, *work;
    size_t           n, len;
    referral_buf_t   out, buf;

    if (b->records == 0) {
        return REFERRAL_DECLINED;
    }

    referral_buf_init(&out, b->out, sizeof(b->out));

    referral_command_eval(&out, &b->script, full, b->nkeys - 1, 4);

    referral_batch_put_keys(b, &out);

    referral_command_put(&out, b->journal, sizeof(b->journal));
    referral_command_put_number(&out, b->expected);
    referral_command_put_number(&out, b->last);

    /*
     * The length of the work stands before it, but is known only afterwards.
     * The space left for it is that of the command before, which is usually
     * right.
     */

    head = out.pos;

    if (out.end - out.pos < REFERRAL_BATCH_GAP) {
        return REFERRAL_ERROR;
    }

    work = head + b->gap;
    out.pos = work;

    referral_batch_put_work(b, &out);

    len = out.pos - work;

    referral_buf_init(&buf, gap, sizeof(gap));
    referral_buf_putc(&buf, '$');
    referral_buf_uint(&buf, len);
    referral_buf_puts(&buf, "\r\n");

    n = buf.pos - gap;

    if (n != b->gap) {

        if ((size_t) (out.end - head) < n + len) {
            return REFERRAL_ERROR;
        }

        memmove(head + n, work, len);
        b->gap = n;
    }

    memcpy(head, gap, n);

    out.pos = head + n + len;

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
     * Before Redis 7 an error that a command raised in a script comes behind a
     * description of the place: "ERR Error running script (...): -OOM ".
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

    if (s.len >= 6 && memcmp(s.data, "NOPERM", 6) == 0) {
        return REFERRAL_BATCH_DENIED;
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
referral_batch_mark_key(const referral_batch_conf_t *conf,
    referral_buf_t *out, const referral_str_t *program)
{
    referral_batch_put_name(conf, out, REFERRAL_KEY_JOURNALS, program);
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
    u_char          id[2 * REFERRAL_JOURNAL_ID_SIZE];
    u_char          key[REFERRAL_BATCH_NAME_MAX];
    referral_buf_t  buf;

    referral_command_words(out, 3);
    referral_command_put(out, command, 4);

    referral_buf_init(&buf, key, sizeof(key));
    referral_batch_mark_key(conf, &buf, program);
    referral_command_put(out, key, buf.pos - buf.start);

    referral_buf_init(&buf, id, sizeof(id));
    referral_buf_hex(&buf, journal_id, REFERRAL_JOURNAL_ID_SIZE);
    referral_command_put(out, id, sizeof(id));
}


/* texts, operations and the first hour to keep */

static void
referral_batch_put_work(const referral_batch_t *b, referral_buf_t *out)
{
    u_char    hour[1 + REFERRAL_HOUR_LEN];
    int64_t   oldest;
    uint32_t  i, n, events, hours;

    referral_pack_array(out, 3);

    referral_pack_array(out, b->ntexts - 1);
    referral_buf_put(out, b->text, b->text_len);

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

    referral_time_hour(referral_pack_head(hour, REFERRAL_HOUR_LEN), oldest);
    referral_buf_put(out, hour, sizeof(hour));
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


/* kind, key, option, and the number of numbers that follow */

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
    switch (referral_batch_ops[b->targets[op->target].type]) {

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
    u_char                         *p;
    uint32_t                        i, n, kind;
    uint64_t                        option;
    const referral_batch_item_t    *item;
    const referral_batch_event_t   *event;
    const referral_batch_target_t  *target;

    target = &b->targets[op->target];
    kind = referral_batch_ops[target->type];

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

            if (out->end - out->pos
                < REFERRAL_BATCH_VALUES * REFERRAL_PACK_NUMBER)
            {
                out->overflow = 1;
                return;
            }

            p = out->pos;

            for (n = 0; n < REFERRAL_BATCH_VALUES; n++) {
                p = referral_pack_number(p, event->text[n]);
            }

            out->pos = p;
        }

        return;
    }

    if (kind != REFERRAL_OP_COUNT) {
        referral_pack_uint(out, target->life);
    }

    for (i = op->first; i; i = item->next) {
        item = &b->items[i];

        if (out->end - out->pos < 2 * REFERRAL_PACK_NUMBER) {
            out->overflow = 1;
            return;
        }

        p = referral_pack_number(out->pos, item->text);

        if (kind != REFERRAL_OP_UNIQUE) {
            p = referral_pack_number(p, item->value);
        }

        out->pos = p;
    }
}


static void
referral_batch_put_keys(const referral_batch_t *b, referral_buf_t *out)
{
    u_char                        data[REFERRAL_BATCH_NAMES_SIZE];
    uint32_t                      i, type;
    referral_buf_t                buf;
    referral_str_t                program, names[REFERRAL_BATCH_KEYS];
    const referral_batch_text_t  *text;

    program.data = (u_char *) b->program;
    program.len = b->program_len;

    referral_buf_init(&buf, data, sizeof(data));

    for (type = 0; type < REFERRAL_BATCH_KEYS; type++) {
        names[type].data = buf.pos;
        referral_batch_put_name(&b->conf, &buf, type, &program);
        names[type].len = buf.pos - names[type].data;
    }

    for (i = 1; i < b->nkeys; i++) {
        type = b->keys[i].type;
        text = &b->texts[b->keys[i].suffix];

        referral_buf_putc(out, '$');
        referral_buf_uint(out, names[type].len + text->len);
        referral_buf_puts(out, "\r\n");

        referral_buf_str(out, &names[type]);
        referral_buf_put(out, b->text + text->off, text->len);
        referral_buf_puts(out, "\r\n");
    }
}


/* all of the name but the suffix, which all keys of a type share */

static void
referral_batch_put_name(const referral_batch_conf_t *conf, referral_buf_t *out,
    uint32_t type, const referral_str_t *program)
{
    referral_buf_str(out, &conf->prefix);
    referral_key_put(out, type, program);
}
