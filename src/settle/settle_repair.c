
#include "settle_repair.h"
#include "referral_friend.h"


#define SETTLE_REPAIR_WORDS  20000       /* in a commit, about */


static void settle_repair_key(settle_repair_t *r,
    const settle_repair_field_t *f);
static void settle_repair_operation(settle_repair_t *r, const char *what,
    size_t words);
static void settle_repair_head(settle_repair_t *r, settle_command_t *c);
static void settle_repair_words(settle_command_t *to,
    const settle_command_t *from);
static void settle_repair_empty(settle_repair_t *r);


void
settle_repair_init(settle_repair_t *r, settle_program_t *p)
{
    memset(r, 0, sizeof(settle_repair_t));

    r->program = p;
    r->lines = open_memstream(&r->text, &r->len);

    if (r->lines == NULL) {
        settle_log("crit", "there is not enough memory");
        exit(SETTLE_FAILED);
    }

    settle_repair_empty(r);
}


void
settle_repair_free(settle_repair_t *r)
{
    settle_command_free(&r->keys);
    settle_command_free(&r->work);
    fclose(r->lines);
    free(r->text);
}


static void
settle_repair_empty(settle_repair_t *r)
{
    settle_command_free(&r->keys);
    settle_command_free(&r->work);
    rewind(r->lines);
}


/* the keys that a comparison asks for together still fit */

int
settle_repair_full(const settle_repair_t *r)
{
    return r->work.argc > SETTLE_REPAIR_WORDS
           || r->keys.argc >= SETTLE_REPAIR_KEYS / 2;
}


void
settle_repair_field(settle_repair_t *r, const settle_repair_field_t *f)
{
    u_char                 data[sizeof("order:") - 1 + REFERRAL_PLACE_LEN];
    referral_buf_t         buf;
    referral_str_t         name;
    const referral_str_t  *right, *wrong;

    static const referral_str_t  nothing = referral_string("nothing");

    settle_repair_key(r, f);

    name = f->field;

    if (f->open) {
        referral_buf_init(&buf, data, sizeof(data));
        referral_buf_puts(&buf, "order:");
        referral_buf_put(&buf, name.data, name.len < REFERRAL_PLACE_LEN
                                          ? name.len : REFERRAL_PLACE_LEN);
        name.data = data;
        name.len = buf.pos - data;
    }

    if (f->right.len == 0) {
        settle_repair_operation(r, f->scores ? "R" : "D", 1);
        settle_command_word(&r->work, name.data, name.len);

    } else if (f->scores) {
        settle_repair_operation(r, "Z", 2);
        settle_command_word(&r->work, f->right.data, f->right.len);
        settle_command_word(&r->work, name.data, name.len);

    } else {
        settle_repair_operation(r, "S", 2);
        settle_command_word(&r->work, name.data, name.len);
        settle_command_word(&r->work, f->right.data,
                            f->open ? 0 : f->right.len);
    }

    if (f->right.len && f->ends) {
        settle_repair_operation(r, "E", 1);
        settle_command_number(&r->work, f->ends);
    }

    right = f->right.len ? &f->right : &nothing;
    wrong = f->wrong.len ? &f->wrong : &nothing;

    fprintf(r->lines, "repaired: %s %.*s: %.*s, was %.*s\n", f->key,
            (int) name.len, (char *) name.data,
            (int) right->len, (char *) right->data,
            (int) wrong->len, (char *) wrong->data);
}


/* fields of a key come one after the other */

static void
settle_repair_key(settle_repair_t *r, const settle_repair_field_t *f)
{
    size_t  n;

    n = r->keys.argc;

    if (n && r->keys.argl[n - 1] == strlen(f->key)
        && memcmp(r->keys.argv[n - 1], f->key, r->keys.argl[n - 1]) == 0)
    {
        return;
    }

    r->type[n] = f->scores ? 'z' : 'h';
    settle_command_text(&r->keys, f->key);
}


static void
settle_repair_operation(settle_repair_t *r, const char *what, size_t words)
{
    settle_command_text(&r->work, what);
    settle_command_number(&r->work, r->keys.argc + 1);
    settle_command_number(&r->work, words);
}


int
settle_repair_write(settle_repair_t *r)
{
    u_char             data[REFERRAL_STATE_KEY];
    redisReply        *reply;
    referral_buf_t     buf;
    settle_command_t   c;

    if (r->keys.argc == 0) {
        return SETTLE_OK;
    }

    settle_command_begin(&c);
    referral_buf_init(&buf, data, sizeof(data));
    referral_state_name(&buf, &r->program->state, "settled");
    settle_command_buf(&c, &buf);
    settle_repair_words(&c, &r->keys);
    settle_repair_head(r, &c);
    settle_command_word(&c, r->type, r->keys.argc);
    settle_repair_words(&c, &r->work);

    reply = settle_redis_script(SETTLE_SCRIPT_COMMIT, &c, r->keys.argc + 1);
    settle_command_free(&c);

    if (reply == NULL || settle_reply_failed(reply)) {
        settle_log("error", "program \"%s\": %s; nothing was written",
                   r->program->name, reply ? reply->str : "no answer");
        r->failed = 1;

    } else if (reply->elements == 0
               || settle_reply_number(reply->element[0]) == 0)
    {
        r->away = 1;

    } else {
        r->program->repaired++;
        fflush(r->lines);
        fwrite(r->text, 1, r->len, stdout);
    }

    if (reply) {
        freeReplyObject(reply);
    }

    settle_repair_empty(r);

    return r->failed || r->away ? SETTLE_FAILED : SETTLE_OK;
}


/*
 * A settler that knows what was wrong is refused by the count of repairs, one
 * that counts less by the number of the engine.
 */

static void
settle_repair_head(settle_repair_t *r, settle_command_t *c)
{
    settle_program_t  *p;

    p = r->program;

    settle_commit_base(p, c);
    settle_command_text(c, "0");
    settle_command_text(c, "4");
    settle_command_text(c, "repaired");
    settle_command_number(c, p->repaired + 1);
    settle_command_text(c, "engine");
    settle_command_number(c, p->rewards.ledger ? REFERRAL_SETTLE_ENGINE_REWARDS
                                               : REFERRAL_SETTLE_ENGINE);
}


static void
settle_repair_words(settle_command_t *to, const settle_command_t *from)
{
    size_t  i;

    for (i = 0; i < from->argc; i++) {
        settle_command_word(to, from->argv[i], from->argl[i]);
    }
}
