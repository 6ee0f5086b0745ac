
#include "settle_programs.h"
#include "referral_name.h"
#include "referral_keys.h"


#define SETTLE_PROGRAMS_LOOK   10000     /* ms */
#define SETTLE_PROGRAMS_COUNT  1000      /* keys a step of SCAN */
#define SETTLE_PROGRAMS_STEPS  64        /* and a look, after the first */


static int settle_programs_named(settle_programs_t *list);
static int settle_programs_scan(settle_programs_t *list);
static void settle_programs_key(settle_programs_t *list,
    const redisReply *key);
static void settle_programs_add(settle_programs_t *list, const char *name,
    size_t len);
static int settle_programs_refused(const redisReply *reply);


static char  settle_programs_told[SETTLE_TEXT];


void
settle_programs_init(settle_programs_t *list)
{
    size_t  i;

    memset(list, 0, sizeof(settle_programs_t));
    strcpy(list->cursor, "0");
    list->looked_at = -SETTLE_PROGRAMS_LOOK;

    for (i = 0; i < settle_options.nprograms; i++) {
        settle_programs_add(list, settle_options.programs[i],
                            strlen(settle_options.programs[i]));
    }
}


int
settle_programs_find(settle_programs_t *list)
{
    if (settle_options.nprograms
        || settle_clock() - list->looked_at < SETTLE_PROGRAMS_LOOK)
    {
        return SETTLE_OK;
    }

    if (settle_programs_named(list) != SETTLE_OK
        || settle_programs_scan(list) != SETTLE_OK)
    {
        return SETTLE_FAILED;
    }

    list->looked_at = settle_clock();
    settle_programs_told[0] = '\0';

    return SETTLE_OK;
}


static int
settle_programs_named(settle_programs_t *list)
{
    char               key[REFERRAL_STATE_PREFIX + 16];
    size_t             i;
    redisReply        *reply;
    settle_command_t   c;

    settle_command_begin(&c);
    settle_command_text(&c, "SMEMBERS");
    snprintf(key, sizeof(key), "%s" REFERRAL_KEY_PROGRAMS,
             settle_options.prefix);
    settle_command_text(&c, key);

    reply = settle_redis_command(&c);
    settle_command_free(&c);

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return settle_programs_refused(reply);
    }

    for (i = 0; i < reply->elements; i++) {
        settle_programs_add(list, settle_reply_text(reply->element[i]),
                            reply->element[i]->len);
    }

    freeReplyObject(reply);

    return SETTLE_OK;
}


/*
 * Programs whose streams are there, though nobody named them.  All keys of
 * Redis are gone through once at the start, then a part at a time.
 */

static int
settle_programs_scan(settle_programs_t *list)
{
    char                   pattern[REFERRAL_STATE_PREFIX + 32];
    size_t                 i, step;
    redisReply            *reply;
    const redisReply      *keys;
    settle_command_t       c;
    const referral_str_t  *family;

    family = referral_key_family(REFERRAL_KEY_CONVERSIONS);

    snprintf(pattern, sizeof(pattern), "%s%.*s{*}", settle_options.prefix,
             (int) family->len, (char *) family->data);

    for (step = 0; !settle_ending
                   && (step < SETTLE_PROGRAMS_STEPS || !list->scanned);
         step++)
    {
        settle_command_begin(&c);
        settle_command_text(&c, "SCAN");
        settle_command_text(&c, list->cursor);
        settle_command_text(&c, "MATCH");
        settle_command_text(&c, pattern);
        settle_command_text(&c, "COUNT");
        settle_command_number(&c, SETTLE_PROGRAMS_COUNT);

        reply = settle_redis_command(&c);
        settle_command_free(&c);

        if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
            || reply->elements != 2)
        {
            return settle_programs_refused(reply);
        }

        snprintf(list->cursor, sizeof(list->cursor), "%s",
                 settle_reply_text(reply->element[0]));
        keys = reply->element[1];

        for (i = 0; i < keys->elements; i++) {
            settle_programs_key(list, keys->element[i]);
        }

        freeReplyObject(reply);

        if (strcmp(list->cursor, "0") == 0) {
            list->scanned = 1;
            break;
        }
    }

    return SETTLE_OK;
}


static void
settle_programs_key(settle_programs_t *list, const redisReply *key)
{
    const char  *name, *end;

    name = strchr(settle_reply_text(key), '{');
    end = name ? strchr(name, '}') : NULL;

    if (end && end[1] == '\0') {
        settle_programs_add(list, name + 1, end - name - 1);
    }
}


static void
settle_programs_add(settle_programs_t *list, const char *name, size_t len)
{
    char            text[REFERRAL_PROGRAM_MAX + 1];
    size_t          i;
    referral_str_t  s;

    s.data = (u_char *) name;
    s.len = len;

    if (!referral_program_valid(&s)) {
        return;
    }

    memcpy(text, name, len);
    text[len] = '\0';

    for (i = 0; i < list->n; i++) {
        if (strcmp(list->program[i]->name, text) == 0) {
            return;
        }
    }

    if (list->n == list->size) {
        list->size = list->size ? 2 * list->size : 16;
        list->program = realloc(list->program,
                                list->size * sizeof(settle_program_t *));
        list->turn = realloc(list->turn, list->size * sizeof(settle_turn_e));

        if (list->program == NULL || list->turn == NULL) {
            settle_log("crit", "there is not enough memory");
            exit(SETTLE_FAILED);
        }
    }

    list->turn[list->n] = SETTLE_IDLE;
    list->program[list->n++] = settle_program_create(text);
}


/* the connection ends, so that it is tried again ever more slowly */

static int
settle_programs_refused(const redisReply *reply)
{
    if (reply && strcmp(settle_programs_told, settle_reply_text(reply)) != 0) {
        snprintf(settle_programs_told, sizeof(settle_programs_told), "%s",
                 settle_reply_text(reply));
        settle_log("error", "redis refuses to name the programs: %s",
                   settle_programs_told);
    }

    if (reply) {
        freeReplyObject((void *) reply);
        settle_redis_refused();
    }

    return SETTLE_FAILED;
}


int
settle_programs_wait(settle_programs_t *list)
{
    int                failed;
    size_t             i, n, turn;
    u_char             data[REFERRAL_STATE_KEY];
    redisReply        *reply;
    referral_buf_t     buf;
    settle_command_t   c;

    settle_command_begin(&c);
    settle_command_text(&c, "XREAD");
    settle_command_text(&c, "COUNT");
    settle_command_text(&c, "1");
    settle_command_text(&c, "BLOCK");
    settle_command_number(&c, SETTLE_REDIS_BLOCK);
    settle_command_text(&c, "STREAMS");
    n = 0;

    /* names first, then the positions behind which something is new */

    for (turn = 0; turn < 2; turn++) {

        for (i = 0; i < list->n; i++) {

            if (list->turn[i] != SETTLE_IDLE) {
                continue;
            }

            if (turn == 0) {
                referral_buf_init(&buf, data, sizeof(data));
                referral_state_name(&buf, &list->program[i]->state,
                                    "conversions");
                settle_command_buf(&c, &buf);
                n++;
                continue;
            }

            settle_command_number(&c, list->program[i]->settle.position);
        }
    }

    if (n == 0) {
        settle_command_free(&c);
        return SETTLE_FAILED;
    }

    reply = settle_redis_command(&c);
    settle_command_free(&c);

    failed = (reply == NULL || settle_reply_failed(reply));

    if (reply) {
        freeReplyObject(reply);
    }

    return failed ? SETTLE_FAILED : SETTLE_OK;
}


int
settle_programs_end(settle_programs_t *list)
{
    int     rc;
    size_t  i;

    rc = SETTLE_OK;

    for (i = 0; i < list->n; i++) {

        if (list->turn[i] == SETTLE_TROUBLE
            && settle_options.mode == SETTLE_ONCE)
        {
            rc = SETTLE_FAILED;

        } else if (list->program[i]->stop && rc == SETTLE_OK) {
            rc = SETTLE_DIFFERENT;
        }

        settle_program_leave(list->program[i]);
    }

    settle_programs_free(list);

    return settle_options.mode == SETTLE_ONCE ? rc : SETTLE_OK;
}


void
settle_programs_free(settle_programs_t *list)
{
    size_t  i;

    for (i = 0; i < list->n; i++) {
        settle_program_free(list->program[i]);
    }

    free(list->program);
    free(list->turn);
    settle_redis_close();

    list->n = 0;
}
