
#include "settle_parts.h"
#include "settle_status.h"
#include "referral_dump.h"


#define SETTLE_STATUS_FIELDS  15


static void settle_status_ask(const referral_state_t *state);
static int settle_status_take(settle_stands_t *s, redisReply *reply[4]);
static int64_t settle_status_waiting(settle_stands_t *s,
    const referral_state_t *state);
static void settle_status_program(const settle_stands_t *s, const char *name);
static void settle_status_text(const char *name, const char *text);
static void settle_status_number(const char *name, int64_t n);


static const char *const  settle_status_fields[SETTLE_STATUS_FIELDS] = {
    "position", "chain", "newest_at", "engine", "lease", "lease_until",
    "trying", "attempts", "stopped", "settled_at", "trouble", "rewards_chain",
    "next_due", "rewards_refused", "writing"
};


int
settle_status_read(settle_stands_t *s, const referral_state_t *state,
    char why[SETTLE_TEXT])
{
    int          rc;
    size_t       i;
    redisReply  *reply[4];

    memset(s, 0, sizeof(settle_stands_t));
    why[0] = '\0';

    settle_status_ask(state);

    rc = SETTLE_OK;

    for (i = 0; i < 4; i++) {
        reply[i] = settle_redis_reply();

        if (reply[i] == NULL) {
            rc = SETTLE_FAILED;
            break;
        }

        if (settle_reply_failed(reply[i])
            && strncmp(reply[i]->str, "ERR no such key", 15) != 0)
        {
            snprintf(why, SETTLE_TEXT, "%s", reply[i]->str);
            rc = SETTLE_FAILED;
        }
    }

    if (rc == SETTLE_OK) {
        rc = settle_status_take(s, reply);
    }

    while (i) {
        freeReplyObject(reply[--i]);
    }

    if (rc == SETTLE_OK && s->position < s->end) {
        s->waiting = settle_status_waiting(s, state);
    }

    return rc;
}


static void
settle_status_ask(const referral_state_t *state)
{
    size_t             i, n;
    u_char             data[REFERRAL_STATE_KEY];
    referral_buf_t     buf;
    settle_command_t   c;

    settle_command_begin(&c);
    settle_command_text(&c, "HMGET");
    referral_buf_init(&buf, data, sizeof(data));
    referral_state_name(&buf, state, "settled");
    settle_command_buf(&c, &buf);

    for (i = 0; i < SETTLE_STATUS_FIELDS; i++) {
        settle_command_text(&c, settle_status_fields[i]);
    }

    settle_redis_append(&c);
    settle_command_free(&c);

    for (n = 0; n < 2; n++) {
        settle_command_text(&c, n ? "XREVRANGE" : "XINFO");

        if (n == 0) {
            settle_command_text(&c, "STREAM");
        }

        referral_buf_init(&buf, data, sizeof(data));
        referral_state_name(&buf, state, "conversions");
        settle_command_buf(&c, &buf);

        if (n) {
            settle_command_text(&c, "+");
            settle_command_text(&c, "-");
            settle_command_text(&c, "COUNT");
            settle_command_text(&c, "1");
        }

        settle_redis_append(&c);
        settle_command_free(&c);
    }

    settle_command_text(&c, "TIME");
    settle_redis_append(&c);
    settle_command_free(&c);
}


static int
settle_status_take(settle_stands_t *s, redisReply *reply[4])
{
    size_t        i;
    const char   *text[SETTLE_STATUS_FIELDS];

    if (reply[0]->elements != SETTLE_STATUS_FIELDS || reply[3]->elements != 2)
    {
        return SETTLE_FAILED;
    }

    for (i = 0; i < SETTLE_STATUS_FIELDS; i++) {
        text[i] = settle_reply_text(reply[0]->element[i]);
    }

    s->position = strtoull(text[0], NULL, 10);
    snprintf(s->chain, sizeof(s->chain), "%s", text[1]);
    s->newest_at = strtoll(text[2], NULL, 10);
    s->engine = strtoll(text[3], NULL, 10);
    snprintf(s->lease, sizeof(s->lease), "%s", text[4]);
    s->lease_until = strtoll(text[5], NULL, 10);
    s->trying = strtoll(text[6], NULL, 10);
    s->attempts = strtoll(text[7], NULL, 10);
    snprintf(s->stopped, sizeof(s->stopped), "%s", text[8]);
    s->settled_at = strtoll(text[9], NULL, 10);
    snprintf(s->trouble, sizeof(s->trouble), "%s", text[10]);
    snprintf(s->rewards_chain, sizeof(s->rewards_chain), "%s", text[11]);
    s->next_due = text[12][0] ? strtoll(text[12], NULL, 10) : -1;
    snprintf(s->refused, sizeof(s->refused), "%s", text[13]);

    /* parts that lie there before the position moves are nobody's business */

    if (settle_parts_moved(text[14])) {
        snprintf(s->writing, sizeof(s->writing), "%s", text[14]);
    }

    for (i = 0; i + 1 < reply[1]->elements; i += 2) {
        if (strcmp(settle_reply_text(reply[1]->element[i]),
                   "last-generated-id") == 0)
        {
            s->end = strtoull(settle_reply_text(reply[1]->element[i + 1]),
                              NULL, 10);
        }
    }

    s->now = settle_reply_number(reply[3]->element[0]) * 1000
             + settle_reply_number(reply[3]->element[1]) / 1000;

    /* the settler says so as soon as it looks; nobody may run */

    if (s->end < s->position && s->trouble[0] == '\0') {
        settle_status_replaced(s->trouble, s->end, s->position);
    }

    return SETTLE_OK;
}


void
settle_status_replaced(char text[SETTLE_TEXT], uint64_t end, uint64_t position)
{
    snprintf(text, SETTLE_TEXT, "its conversions end at entry %llu, but entry"
             " %llu was settled: the stream was replaced",
             (unsigned long long) end, (unsigned long long) position);
}


/* how long the first fact waits that is not settled */

static int64_t
settle_status_waiting(settle_stands_t *s, const referral_state_t *state)
{
    char              text[SETTLE_TEXT];
    int64_t           waiting;
    settle_entries_t  e;

    settle_entries_init(&e, 1);
    waiting = 0;

    if (settle_entries_read(&e, state, s->position + 1, text) == SETTLE_OK
        && e.n && e.entry[0].why == NULL)
    {
        waiting = s->now - e.entry[0].fact.time;
    }

    settle_entries_free(&e);

    return waiting > 0 ? waiting : 0;
}


/* a name or a prefix that is wrong has nothing to tell, which looks well */

int
settle_status_known(const settle_program_t *p)
{
    int                rc;
    u_char             data[REFERRAL_STATE_KEY];
    size_t             i;
    redisReply        *reply;
    referral_buf_t     buf;
    settle_command_t   c;

    static const char *const  names[] = { "program", "conversions", "settled" };

    settle_command_begin(&c);
    settle_command_text(&c, "EXISTS");

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        referral_buf_init(&buf, data, sizeof(data));
        referral_state_name(&buf, &p->state, names[i]);
        settle_command_buf(&c, &buf);
    }

    reply = settle_redis_command(&c);
    settle_command_free(&c);

    rc = SETTLE_FAILED;

    if (reply && settle_reply_failed(reply)) {
        settle_log("error", "%s", reply->str);

    } else if (reply && settle_reply_number(reply) == 0) {
        settle_log("error", "there is no program \"%s\" under prefix \"%s\"",
                   p->name, settle_options.prefix);

    } else if (reply) {
        rc = SETTLE_OK;
    }

    if (reply) {
        freeReplyObject(reply);
    }

    return rc;
}


int
settle_status_print(settle_program_t *const *programs, size_t n)
{
    int               rc;
    char              why[SETTLE_TEXT];
    size_t            i, told;
    settle_stands_t   s;

    rc = SETTLE_OK;

    if (n == 0) {
        settle_log("error", "no program was found under prefix \"%s\"",
                   settle_options.prefix);
        rc = SETTLE_FAILED;
    }

    printf("[");

    for (i = 0, told = 0; i < n; i++) {

        if (settle_status_read(&s, &programs[i]->state, why) != SETTLE_OK) {
            settle_log("error", "program \"%s\": %s", programs[i]->name,
                       why[0] ? why : "no answer");
            rc = SETTLE_FAILED;
            continue;
        }

        if (s.position == 0 && s.end == 0
            && settle_status_known(programs[i]) != SETTLE_OK)
        {
            rc = SETTLE_FAILED;
            continue;
        }

        printf("%s\n  ", told++ ? "," : "");
        settle_status_program(&s, programs[i]->name);

        if ((s.stopped[0] || s.trouble[0]) && rc == SETTLE_OK) {
            rc = SETTLE_DIFFERENT;
        }
    }

    printf("%s]\n", told ? "\n" : "");

    return rc;
}


static void
settle_status_program(const settle_stands_t *s, const char *name)
{
    printf("{");
    settle_status_text("program", name);
    settle_status_number("position", s->position);
    settle_status_number("end", s->end);
    settle_status_number("lag", s->end > s->position ? s->end - s->position
                                                     : 0);
    settle_status_number("waiting_ms", s->waiting);
    settle_status_number("settled_at", s->settled_at);
    settle_status_number("newest_at", s->newest_at);
    settle_status_number("now", s->now);
    settle_status_number("engine", s->engine);
    printf(", ");
    settle_status_text("chain", s->chain);
    printf(", ");
    settle_status_text("lease", s->lease_until > s->now ? s->lease : "");
    settle_status_number("trying", s->trying);
    settle_status_number("attempts", s->attempts);
    printf(", ");
    settle_status_text("stopped", s->stopped);
    printf(", ");
    settle_status_text("trouble", s->trouble);
    printf(", ");
    settle_status_text("rewards_chain", s->rewards_chain);
    printf(", ");
    settle_status_text("rewards_refused", s->refused);
    printf(", ");
    settle_status_text("writing", s->writing);

    if (s->next_due >= 0) {
        printf(", \"due\": %lld}", (long long) s->next_due);

    } else {
        printf(", \"due\": null}");
    }
}


static void
settle_status_text(const char *name, const char *text)
{
    u_char          data[6 * SETTLE_TEXT + 16];
    referral_buf_t  buf;
    referral_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);

    referral_buf_init(&buf, data, sizeof(data));
    referral_dump_text(&buf, &s);

    printf("\"%s\": %.*s", name, (int) (buf.pos - data), (char *) data);
}


static void
settle_status_number(const char *name, int64_t n)
{
    printf(", \"%s\": %lld", name, (long long) n);
}
