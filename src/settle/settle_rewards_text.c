
/*
 * The program's text of rules: it becomes a fact as a whole, or it is refused
 * as a whole, and the former one holds.
 */


#include "settle_program.h"


typedef struct {
    char        text[SETTLE_TEXT];
    unsigned    mistakes;
} settle_refused_t;


static int settle_rewards_check(settle_refused_t *refused,
    const referral_str_t *former, const referral_str_t *text);
static void settle_rewards_complain(void *data,
    const referral_rewards_complaint_t *complaint);
static referral_str_t settle_rewards_former(const settle_program_t *p,
    referral_str_t *seed);
static int settle_rewards_seed(settle_program_t *p, referral_buf_t *out);
static void settle_rewards_tell(settle_program_t *p, const char *text);


int
settle_rewards_text(settle_program_t *p, referral_buf_t *out,
    const referral_str_t *text)
{
    referral_str_t    former, seed;
    settle_refused_t  refused;

    former = settle_rewards_former(p, &seed);

    if (referral_str_eq(text, &former)) {
        settle_rewards_tell(p, "");

    } else if (settle_rewards_check(&refused, &former, text) == SETTLE_OK) {
        settle_rewards_tell(p, "");
        former = *text;
        seed.len = 0;

    } else {
        settle_rewards_tell(p, refused.text);
    }

    if (former.len && seed.len == 0 && settle_rewards_seed(p, out) != SETTLE_OK)
    {
        return SETTLE_FAILED;
    }

    referral_buf_str(out, &seed);
    referral_buf_putc(out, '\n');
    referral_buf_str(out, &former);
    referral_buf_putc(out, '\n');

    return SETTLE_OK;
}


/* what the newest fact says: the last two of its lines */

static referral_str_t
settle_rewards_former(const settle_program_t *p, referral_str_t *seed)
{
    unsigned         i;
    const char      *line, *end;
    referral_str_t   text;

    text.data = (u_char *) "";
    text.len = 0;
    *seed = text;

    line = p->rules.text;

    for (i = 0; line && i < SETTLE_RULES_LINES; i++) {
        end = strchr(line, '\n');

        if (i + 1 == SETTLE_RULES_LINES && end) {
            seed->data = (u_char *) line;
            seed->len = end - line;
        }

        line = end ? end + 1 : NULL;
    }

    if (line && *line) {
        text.data = (u_char *) line;
        text.len = strlen(line) - 1;
    }

    return text;
}


static int
settle_rewards_check(settle_refused_t *refused, const referral_str_t *former,
    const referral_str_t *text)
{
    int                        rc;
    static referral_rewards_t  rewards, old;

    memset(refused, 0, sizeof(settle_refused_t));

    if (text->len == 0) {
        return SETTLE_OK;
    }

    if (text->len > REFERRAL_REWARDS_TEXT) {
        snprintf(refused->text, sizeof(refused->text), "it has more than %d"
                 " bytes", REFERRAL_REWARDS_TEXT);
        return SETTLE_FAILED;
    }

    if (memchr(text->data, '\0', text->len)) {
        snprintf(refused->text, sizeof(refused->text), "there is a zero byte"
                 " in it");
        return SETTLE_FAILED;
    }

    if (referral_rewards_parse(&rewards, text, settle_rewards_complain,
                               refused)
        != 0)
    {
        return SETTLE_FAILED;
    }

    rc = REFERRAL_OK;

    if (former->len && referral_rewards_parse(&old, former, NULL, NULL) == 0) {
        rc = referral_ledger_edit(&old, &rewards);
    }

    if (rc != REFERRAL_OK) {
        snprintf(refused->text, sizeof(refused->text), "a cap has another"
                 " \"per\", \"every\" or unit than it had under the same name:"
                 " give it a new name");
        return SETTLE_FAILED;
    }

    return SETTLE_OK;
}


/* the first mistake; the command line tells all of them */

static void
settle_rewards_complain(void *data,
    const referral_rewards_complaint_t *complaint)
{
    settle_refused_t  *refused;

    refused = data;

    if (complaint->warning || refused->mistakes++) {
        return;
    }

    snprintf(refused->text, sizeof(refused->text), "line %u, \"%.*s\": %.*s",
             complaint->line,
             complaint->word.len > 64 ? 64 : (int) complaint->word.len,
             (char *) complaint->word.data,
             complaint->right.len > 256 ? 256 : (int) complaint->right.len,
             (char *) complaint->right.data);
}


/* draws are made with it: it goes into the facts, so that a replay has it */

static int
settle_rewards_seed(settle_program_t *p, referral_buf_t *out)
{
    int                rc;
    u_char             data[REFERRAL_STATE_KEY];
    redisReply        *reply;
    referral_buf_t     buf;
    settle_command_t   c;

    settle_command_begin(&c);
    settle_command_text(&c, "GET");
    referral_buf_init(&buf, data, sizeof(data));
    referral_state_name(&buf, &p->state, "seed");
    settle_command_buf(&c, &buf);

    reply = settle_redis_command(&c);
    settle_command_free(&c);

    rc = SETTLE_OK;

    if (reply == NULL || settle_reply_failed(reply)) {
        (void) settle_program_trouble(p, settle_reply_text(reply));
        rc = SETTLE_FAILED;

    } else if (reply->type == REDIS_REPLY_STRING && reply->len <= 64) {
        referral_buf_put(out, reply->str, reply->len);
    }

    if (reply) {
        freeReplyObject(reply);
    }

    return rc;
}


/* once; Redis has it too, for whoever looks at the program */

static void
settle_rewards_tell(settle_program_t *p, const char *text)
{
    int                changed;
    u_char             data[REFERRAL_STATE_KEY];
    redisReply        *reply;
    referral_buf_t     buf;
    settle_command_t   c;

    changed = (strcmp(text, p->rewards_told) != 0);

    if (p->rewards_known && !changed) {
        return;
    }

    if (changed && text[0]) {
        settle_log("error", "program \"%s\": its new text of rewards is"
                   " refused, the former one holds: %s; \"nginx-referral"
                   " rewards check\" tells all that is wrong", p->name, text);

    } else if (changed) {
        settle_log("notice", "program \"%s\": its text of rewards is right"
                   " again", p->name);
    }

    settle_command_begin(&c);
    settle_command_text(&c, text[0] ? "HSET" : "HDEL");
    referral_buf_init(&buf, data, sizeof(data));
    referral_state_name(&buf, &p->state, "settled");
    settle_command_buf(&c, &buf);
    settle_command_text(&c, "rewards_refused");

    if (text[0]) {
        settle_command_text(&c, text);
    }

    reply = settle_redis_command(&c);
    settle_command_free(&c);

    snprintf(p->rewards_told, sizeof(p->rewards_told), "%s", text);
    p->rewards_known = (reply && !settle_reply_failed(reply));

    if (reply) {
        freeReplyObject(reply);
    }
}
