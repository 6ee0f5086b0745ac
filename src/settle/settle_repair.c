
#include "settle_repair.h"
#include "referral_friend.h"


#define SETTLE_REPAIR_WORDS  20000       /* in a commit, about */


static void settle_repair_key(settle_repair_t *r,
    const settle_repair_field_t *f);
static void settle_repair_head(const settle_repair_t *r, settle_command_t *c);
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
    settle_part_free(&r->part);
    fclose(r->lines);
    free(r->text);
}


static void
settle_repair_empty(settle_repair_t *r)
{
    settle_part_free(&r->part);
    rewind(r->lines);
}


/* the keys that a comparison asks for together still fit */

int
settle_repair_full(const settle_repair_t *r)
{
    return r->part.work.argc > SETTLE_REPAIR_WORDS;
}


void
settle_repair_field(settle_repair_t *r, const settle_repair_field_t *f)
{
    u_char                 data[sizeof("order:") - 1 + REFERRAL_PLACE_LEN];
    size_t                 key;
    referral_buf_t         buf;
    referral_str_t         name;
    settle_command_t       words;
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

    settle_command_begin(&words);
    key = r->part.nkeys + 1;

    if (f->right.len == 0) {
        settle_command_word(&words, name.data, name.len);
        settle_part_operation(&r->part, f->scores ? "R" : "D", key, &words);

    } else if (f->scores) {
        settle_command_word(&words, f->right.data, f->right.len);
        settle_command_word(&words, name.data, name.len);
        settle_part_operation(&r->part, "Z", key, &words);

    } else {
        settle_command_word(&words, name.data, name.len);
        settle_command_word(&words, f->right.data, f->open ? 0 : f->right.len);
        settle_part_operation(&r->part, "S", key, &words);
    }

    if (f->right.len && f->ends) {
        settle_command_number(&words, f->ends);
        settle_part_operation(&r->part, "E", key, &words);
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
    size_t             n, len;
    referral_buf_t     key;
    settle_command_t  *keys;

    keys = &r->part.keys;
    n = keys->argc;
    len = strlen(f->key);

    if (n && keys->argl[n - 1] == len
        && memcmp(keys->argv[n - 1], f->key, len) == 0)
    {
        return;
    }

    key.start = (u_char *) f->key;
    key.pos = key.start + len;

    (void) settle_part_key(&r->part, &key, f->scores ? 'z' : 'h');
}


int
settle_repair_write(settle_repair_t *r)
{
    redisReply        *reply;
    settle_command_t   fields;

    if (r->part.nkeys == 0) {
        return SETTLE_OK;
    }

    settle_command_begin(&fields);
    settle_repair_head(r, &fields);

    reply = settle_part_write(r->program, &r->part, &fields, 0);
    settle_command_free(&fields);

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
settle_repair_head(const settle_repair_t *r, settle_command_t *c)
{
    const settle_program_t  *p;

    p = r->program;

    settle_command_text(c, "repaired");
    settle_command_number(c, p->repaired + 1);
    settle_command_text(c, "engine");
    settle_command_number(c, p->rewards.ledger ? REFERRAL_SETTLE_ENGINE_REWARDS
                                               : REFERRAL_SETTLE_ENGINE);
}
