
#include <errno.h>
#include <sys/time.h>

#include "settle_redis.h"
#include "referral_lease_lua.h"
#include "referral_commit_lua.h"
#include "referral_fact_lua.h"


#define SETTLE_REDIS_CONNECT  5
#define SETTLE_REDIS_ANSWER   15
#define SETTLE_REDIS_BACKOFF  200        /* ms; doubles */
#define SETTLE_REDIS_LONGEST  10000
#define SETTLE_REDIS_REFUSED  1000


static redisContext *settle_redis_connect(const char *address);
static int settle_redis_login(void);
static int settle_redis_must(const char *name, const char *first,
    const char *second);
static void settle_redis_failed(const char *why, int refused);
static void settle_memory(void) __attribute__((noreturn));


static redisContext  *settle_redis;
static int64_t        settle_redis_at;       /* of the next try */
static int64_t        settle_redis_backoff;
static char           settle_redis_told[SETTLE_TEXT];

static const char *const  settle_scripts[SETTLE_SCRIPTS] = {
    referral_lease_lua, referral_commit_lua, referral_fact_lua
};

static char  settle_script_sha[SETTLE_SCRIPTS][41];


int
settle_redis_open(void)
{
    if (settle_redis) {
        return SETTLE_OK;
    }

    if (settle_clock() < settle_redis_at) {
        return SETTLE_FAILED;
    }

    memset(settle_script_sha, 0, sizeof(settle_script_sha));

    settle_redis = settle_redis_connect(settle_options.redis);

    if (settle_redis == NULL || settle_redis->err) {
        settle_redis_failed(settle_redis ? settle_redis->errstr
                                         : "no memory", 0);
        return SETTLE_FAILED;
    }

    if (settle_redis_login() != SETTLE_OK) {
        return SETTLE_FAILED;
    }

    if (settle_redis_told[0]) {
        settle_log("notice", "redis at %s answers again",
                   settle_options.redis);
    }

    settle_redis_told[0] = '\0';
    settle_redis_backoff = 0;

    return SETTLE_OK;
}


static redisContext *
settle_redis_connect(const char *address)
{
    char             host[SETTLE_TEXT];
    char            *colon;
    redisContext    *ctx;
    struct timeval   connect, answer;

    connect.tv_sec = SETTLE_REDIS_CONNECT;
    connect.tv_usec = 0;
    answer.tv_sec = SETTLE_REDIS_ANSWER;
    answer.tv_usec = 0;

    if (strncmp(address, "unix:", 5) == 0 || address[0] == '/') {
        ctx = redisConnectUnixWithTimeout(address
                                          + (address[0] == '/' ? 0 : 5),
                                          connect);

    } else {
        snprintf(host, sizeof(host), "%s", address);
        colon = strrchr(host, ':');

        if (colon) {
            *colon = '\0';
        }

        ctx = redisConnectWithTimeout(host, colon
                                            ? (int) strtol(colon + 1, NULL, 10)
                                            : 6379, connect);
    }

    if (ctx && !ctx->err) {
        (void) redisSetTimeout(ctx, answer);
    }

    return ctx;
}


static int
settle_redis_login(void)
{
    char               db[24];
    settle_options_t  *o;

    o = &settle_options;

    if (o->password[0]
        && settle_redis_must("AUTH", o->username[0] ? o->username
                                                    : o->password,
                             o->username[0] ? o->password : NULL)
           != SETTLE_OK)
    {
        return SETTLE_FAILED;
    }

    snprintf(db, sizeof(db), "%lld", (long long) o->db);

    return o->db ? settle_redis_must("SELECT", db, NULL) : SETTLE_OK;
}


static int
settle_redis_must(const char *name, const char *first, const char *second)
{
    char              text[SETTLE_TEXT];
    redisReply       *reply;
    settle_command_t  c;

    settle_command_begin(&c);
    settle_command_text(&c, name);
    settle_command_text(&c, first);

    if (second) {
        settle_command_text(&c, second);
    }

    reply = settle_redis_command(&c);
    settle_command_free(&c);

    if (reply && !settle_reply_failed(reply)) {
        freeReplyObject(reply);
        return SETTLE_OK;
    }

    if (reply) {
        snprintf(text, sizeof(text), "%s: %s", name, reply->str);
        freeReplyObject(reply);
        settle_redis_failed(text, 1);
    }

    return SETTLE_FAILED;
}


/* an outage is told once, what Redis refuses once for each reason */

static void
settle_redis_failed(const char *why, int refused)
{
    if (settle_redis_told[0] == '\0'
        || (refused && strcmp(settle_redis_told, why) != 0))
    {
        settle_log("error", "redis at %s: %s; trying again until it answers",
                   settle_options.redis, why);
        snprintf(settle_redis_told, sizeof(settle_redis_told), "%s", why);
    }

    settle_redis_close();

    settle_redis_backoff = settle_redis_backoff ? 2 * settle_redis_backoff
                                                : SETTLE_REDIS_BACKOFF;

    if (settle_redis_backoff > SETTLE_REDIS_LONGEST) {
        settle_redis_backoff = SETTLE_REDIS_LONGEST;
    }

    settle_redis_at = settle_clock() + settle_redis_backoff;
}


void
settle_redis_refused(void)
{
    settle_redis_close();
    settle_redis_at = settle_clock() + SETTLE_REDIS_REFUSED;
}


void
settle_redis_close(void)
{
    if (settle_redis) {
        redisFree(settle_redis);
        settle_redis = NULL;
    }
}


int64_t
settle_redis_wait(void)
{
    int64_t  left;

    if (settle_redis) {
        return 0;
    }

    left = settle_redis_at - settle_clock();

    return left > 0 ? left : 0;
}


void
settle_command_begin(settle_command_t *c)
{
    memset(c, 0, sizeof(settle_command_t));
}


void
settle_command_word(settle_command_t *c, const void *data, size_t len)
{
    if (c->argc == c->size) {
        c->size = c->size ? 2 * c->size : 16;
        c->argv = realloc(c->argv, c->size * sizeof(char *));
        c->argl = realloc(c->argl, c->size * sizeof(size_t));

        if (c->argv == NULL || c->argl == NULL) {
            settle_memory();
        }
    }

    c->argv[c->argc] = malloc(len + 1);

    if (c->argv[c->argc] == NULL) {
        settle_memory();
    }

    if (len) {
        memcpy(c->argv[c->argc], data, len);
    }

    c->argl[c->argc++] = len;
}


/* the supervisor starts another one, which begins where Redis stands */

static void
settle_memory(void)
{
    settle_log("crit", "there is not enough memory");
    exit(SETTLE_FAILED);
}


void
settle_command_text(settle_command_t *c, const char *text)
{
    settle_command_word(c, text, strlen(text));
}


void
settle_command_number(settle_command_t *c, int64_t n)
{
    char  text[24];

    snprintf(text, sizeof(text), "%lld", (long long) n);
    settle_command_text(c, text);
}


void
settle_command_buf(settle_command_t *c, const referral_buf_t *buf)
{
    settle_command_word(c, buf->start, buf->pos - buf->start);
}


void
settle_command_words(settle_command_t *to, const settle_command_t *from)
{
    size_t  i;

    for (i = 0; i < from->argc; i++) {
        settle_command_word(to, from->argv[i], from->argl[i]);
    }
}


void
settle_command_free(settle_command_t *c)
{
    size_t  i;

    for (i = 0; i < c->argc; i++) {
        free(c->argv[i]);
    }

    free(c->argv);
    free(c->argl);

    settle_command_begin(c);
}


void
settle_redis_append(const settle_command_t *c)
{
    if (settle_redis
        && redisAppendCommandArgv(settle_redis, (int) c->argc,
                                  (const char **) c->argv, c->argl)
           != REDIS_OK)
    {
        settle_redis_failed(settle_redis->errstr, 0);
    }
}


redisReply *
settle_redis_reply(void)
{
    void  *reply;

    if (settle_redis == NULL) {
        return NULL;
    }

    if (redisGetReply(settle_redis, &reply) != REDIS_OK) {
        settle_redis_failed(settle_redis->err == REDIS_ERR_IO
                            ? errno == EAGAIN ? "no answer" : strerror(errno)
                            : settle_redis->errstr, 0);
        return NULL;
    }

    return reply;
}


redisReply *
settle_redis_command(const settle_command_t *c)
{
    settle_redis_append(c);

    return settle_redis_reply();
}


/* the text of a script goes to Redis once, and again when Redis forgot it */

redisReply *
settle_redis_script(settle_script_e script, const settle_command_t *args,
    size_t nkeys)
{
    size_t             tries;
    redisReply        *reply;
    settle_command_t   c;

    for (tries = 0; tries < 2; tries++) {

        if (settle_script_sha[script][0] == '\0') {
            settle_command_begin(&c);
            settle_command_text(&c, "SCRIPT");
            settle_command_text(&c, "LOAD");
            settle_command_text(&c, settle_scripts[script]);

            reply = settle_redis_command(&c);
            settle_command_free(&c);

            if (reply == NULL || settle_reply_failed(reply)) {
                return reply;
            }

            snprintf(settle_script_sha[script], 41, "%s",
                     settle_reply_text(reply));
            freeReplyObject(reply);
        }

        settle_command_begin(&c);
        settle_command_text(&c, "EVALSHA");
        settle_command_text(&c, settle_script_sha[script]);
        settle_command_number(&c, nkeys);

        settle_command_words(&c, args);

        reply = settle_redis_command(&c);
        settle_command_free(&c);

        if (reply == NULL || !settle_reply_failed(reply)
            || strncmp(reply->str, "NOSCRIPT", 8) != 0 || tries == 1)
        {
            return reply;
        }

        freeReplyObject(reply);
        settle_script_sha[script][0] = '\0';
    }

    return NULL;
}


const char *
settle_reply_text(const redisReply *reply)
{
    return reply && (reply->type == REDIS_REPLY_STRING
                     || reply->type == REDIS_REPLY_STATUS
                     || reply->type == REDIS_REPLY_ERROR)
           ? reply->str : "";
}


int64_t
settle_reply_number(const redisReply *reply)
{
    if (reply && reply->type == REDIS_REPLY_INTEGER) {
        return reply->integer;
    }

    return strtoll(settle_reply_text(reply), NULL, 10);
}


int
settle_reply_failed(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR;
}
