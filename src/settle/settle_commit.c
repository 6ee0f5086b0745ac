
/*
 * What was decided as one call of referral_commit.lua: the fields that changed,
 * a key after the other, with absolute values.
 */


#include "settle_program.h"
#include "referral_friend.h"


/* the operations of one key on their way, by kind */

typedef struct {
    settle_command_t    keys;
    settle_command_t    work;
    settle_command_t    set;
    settle_command_t    gone;
    char               *type;           /* a letter for each key */
    size_t              nkeys;
    size_t              size;
} settle_work_t;


static void settle_commit_head(settle_program_t *p, settle_command_t *c,
    const char *stopped, int attempts);
static void settle_commit_work(settle_program_t *p, settle_work_t *w);
static void settle_commit_item(settle_work_t *w,
    const referral_view_item_t *item);
static void settle_commit_friend(settle_work_t *w,
    const referral_view_item_t *item);
static void settle_commit_pairs(settle_work_t *w,
    const referral_view_item_t *item);
static void settle_commit_score(settle_work_t *w,
    const referral_view_item_t *item);
static void settle_commit_entry(settle_work_t *w,
    const referral_view_item_t *item);
static void settle_commit_chain(settle_command_t *c, const u_char *chain);
static void settle_commit_open(settle_work_t *w,
    const referral_view_item_t *item);
static void settle_commit_counter(settle_work_t *w,
    const referral_view_item_t *item);
static void settle_commit_key(settle_program_t *p, settle_work_t *w,
    const referral_view_item_t *item);
static void settle_commit_flush(settle_work_t *w,
    const referral_view_item_t *item);
static void settle_commit_operation(settle_work_t *w, const char *what,
    settle_command_t *words);
static void settle_commit_words(settle_command_t *to,
    const settle_command_t *from);
static settle_turn_e settle_commit_answer(settle_program_t *p,
    const redisReply *reply);
static int settle_commit_cut(referral_str_t *s, referral_str_t *field);


settle_turn_e
settle_commit(settle_program_t *p, const char *stopped, int attempts)
{
    u_char             data[REFERRAL_STATE_KEY];
    redisReply        *reply;
    settle_turn_e      rc;
    settle_work_t      w;
    referral_buf_t     buf;
    settle_command_t   c;

    memset(&w, 0, sizeof(w));

    referral_view_sort(&p->settle.view.changed);
    settle_commit_work(p, &w);

    settle_command_begin(&c);
    referral_buf_init(&buf, data, sizeof(data));
    referral_state_name(&buf, &p->state, "settled");
    settle_command_buf(&c, &buf);
    settle_commit_words(&c, &w.keys);

    settle_commit_head(p, &c, stopped, attempts);
    settle_command_word(&c, w.type, w.nkeys);
    settle_commit_words(&c, &w.work);

    reply = settle_redis_script(SETTLE_SCRIPT_COMMIT, &c, w.nkeys + 1);

    settle_command_free(&c);
    settle_command_free(&w.keys);
    settle_command_free(&w.work);
    settle_command_free(&w.set);
    settle_command_free(&w.gone);
    free(w.type);

    if (reply == NULL) {
        return settle_program_trouble(p, "");
    }

    rc = settle_commit_answer(p, reply);

    freeReplyObject(reply);

    return rc;
}


/* what it builds on was kept when the last commit was answered */

void
settle_commit_base(const settle_program_t *p, settle_command_t *c)
{
    settle_command_number(c, p->position);
    settle_command_text(c, p->chain);

    if (p->skip) {
        settle_command_number(c, p->skip);

    } else {
        settle_command_text(c, "");
    }

    if (p->repaired) {
        settle_command_number(c, p->repaired);

    } else {
        settle_command_text(c, "");
    }

    settle_command_text(c, settle_owner);
}


static void
settle_commit_head(settle_program_t *p, settle_command_t *c,
    const char *stopped, int attempts)
{
    int      rewards;
    int64_t  due;

    /* a ledger that is behind says nothing of this position */

    rewards = p->rewards.ledger && p->rewards.position >= p->settle.position;

    settle_commit_base(p, c);
    settle_command_number(c, settle_options.lease);

    /* how many words of fields follow */

    settle_command_number(c, 6 + (p->settle.newest_at >= 0 ? 2 : 0)
                             + (attempts
                                || (p->trying
                                    && p->trying <= p->settle.position)
                                ? 6 : 0)
                             + (rewards ? 4 : 0)
                             + (p->rewards.skipped ? 2 : 0));

    settle_command_text(c, "position");
    settle_command_number(c, p->settle.position);
    settle_command_text(c, "engine");
    settle_command_number(c, p->rewards.wanted ? REFERRAL_SETTLE_ENGINE_REWARDS
                                               : REFERRAL_SETTLE_ENGINE);

    settle_command_text(c, "chain");
    settle_commit_chain(c, p->settle.position ? p->settle.chain : NULL);

    if (rewards) {
        settle_command_text(c, "rewards_chain");
        settle_commit_chain(c, settle_ledger_chain(&p->rewards,
                                                   p->settle.position));

        due = referral_ledger_due(p->rewards.ledger);
        settle_command_text(c, "next_due");

        if (due >= 0) {
            settle_command_number(c, due);

        } else {
            settle_command_text(c, "");
        }
    }

    if (p->rewards.skipped) {
        settle_command_text(c, "skipped");
        settle_command_text(c, p->rewards.skipped);
    }

    if (p->settle.newest_at >= 0) {
        settle_command_text(c, "newest_at");
        settle_command_number(c, p->settle.newest_at);
    }

    if (attempts) {
        settle_command_text(c, "trying");
        settle_command_number(c, p->trying);
        settle_command_text(c, "attempts");
        settle_command_number(c, attempts);
        settle_command_text(c, "stopped");
        settle_command_text(c, stopped);

    } else if (p->trying && p->trying <= p->settle.position) {
        settle_command_text(c, "trying");
        settle_command_text(c, "");
        settle_command_text(c, "attempts");
        settle_command_text(c, "");
        settle_command_text(c, "stopped");
        settle_command_text(c, "");
    }
}


static void
settle_commit_chain(settle_command_t *c, const u_char *chain)
{
    u_char          hex[2 * REFERRAL_CHAIN_SIZE];
    referral_buf_t  buf;

    referral_buf_init(&buf, hex, sizeof(hex));

    if (chain) {
        referral_buf_hex(&buf, chain, REFERRAL_CHAIN_SIZE);
    }

    settle_command_buf(c, &buf);
}


static void
settle_commit_work(settle_program_t *p, settle_work_t *w)
{
    size_t                  i;
    referral_view_list_t   *changed;
    referral_view_item_t  **item;

    changed = &p->settle.view.changed;
    item = changed->item;

    for (i = 0; i < changed->n; i++) {

        if (i == 0 || !referral_state_together(item[i - 1], item[i])) {

            if (i) {
                settle_commit_flush(w, item[i - 1]);
            }

            settle_commit_key(p, w, item[i]);
        }

        settle_commit_item(w, item[i]);
    }

    if (changed->n) {
        settle_commit_flush(w, item[changed->n - 1]);
    }
}


static void
settle_commit_item(settle_work_t *w, const referral_view_item_t *item)
{
    referral_str_t  field;

    switch (item->kind) {

    case REFERRAL_VIEW_FRIEND:
        settle_commit_friend(w, item);
        return;

    case REFERRAL_VIEW_OPEN:
        settle_commit_open(w, item);
        return;

    case REFERRAL_VIEW_REWARD:
        settle_commit_pairs(w, item);
        return;

    case REFERRAL_VIEW_ENTRY:
    case REFERRAL_VIEW_OUTBOX:
        settle_commit_entry(w, item);
        return;

    case REFERRAL_VIEW_DUE:
    case REFERRAL_VIEW_HISTORY:
        settle_commit_score(w, item);
        return;

    case REFERRAL_VIEW_LEVEL:

        if (item->text.len == 0) {
            field = referral_state_field(item);
            settle_command_word(&w->gone, field.data, field.len);
            return;
        }

        /* fall through */

    case REFERRAL_VIEW_STEP:
    case REFERRAL_VIEW_ORDER:
    case REFERRAL_VIEW_RULES:
    case REFERRAL_VIEW_CONTEST:
        field = referral_state_field(item);
        settle_command_word(&w->set, field.data, field.len);
        settle_command_word(&w->set, item->text.data, item->text.len);
        return;

    default:
        settle_commit_counter(w, item);
    }
}


/* the fields that differ from what Redis has; an empty one is not there */

static void
settle_commit_friend(settle_work_t *w, const referral_view_item_t *item)
{
    unsigned        i;
    referral_str_t  now, before, field, old, name;

    now = item->text;
    before = item->before;

    for (i = 0; i < REFERRAL_FRIEND_FIELDS; i++) {

        (void) settle_commit_cut(&now, &field);
        (void) settle_commit_cut(&before, &old);

        if (referral_str_eq(&field, &old)) {
            continue;
        }

        name = referral_friend_name(i);

        if (field.len == 0) {
            settle_command_word(&w->gone, name.data, name.len);
            continue;
        }

        settle_command_word(&w->set, name.data, name.len);
        settle_command_word(&w->set, field.data, field.len);
    }
}


static int
settle_commit_cut(referral_str_t *s, referral_str_t *field)
{
    field->data = s->data;
    field->len = 0;

    return s->len && referral_credit_cut(s, '\n', field);
}


/* a field whose value is empty is not there */

static void
settle_commit_pairs(settle_work_t *w, const referral_view_item_t *item)
{
    referral_str_t  rest, name, value;

    rest = item->text;

    while (rest.len && referral_credit_cut(&rest, '\n', &name)) {

        if (!referral_credit_cut(&rest, '\n', &value) || value.len == 0) {
            settle_command_word(&w->gone, name.data, name.len);
            continue;
        }

        settle_command_word(&w->set, name.data, name.len);
        settle_command_word(&w->set, value.data, value.len);
    }
}


static void
settle_commit_score(settle_work_t *w, const referral_view_item_t *item)
{
    referral_str_t  member;

    member = referral_state_field(item);

    if (item->text.len == 0) {
        settle_command_word(&w->gone, member.data, member.len);
        return;
    }

    settle_command_word(&w->set, item->text.data, item->text.len);
    settle_command_word(&w->set, member.data, member.len);
}


/* an operation of its own; what has no value is there all the same */

static void
settle_commit_entry(settle_work_t *w, const referral_view_item_t *item)
{
    referral_str_t    rest, word;
    settle_command_t  words;

    settle_command_begin(&words);

    word = referral_state_field(item);
    settle_command_word(&words, word.data, word.len);

    rest = item->text;

    while (rest.len) {
        (void) referral_credit_cut(&rest, '\n', &word);
        settle_command_word(&words, word.data, word.len);
    }

    settle_commit_operation(w, "X", &words);
}


static void
settle_commit_open(settle_work_t *w, const referral_view_item_t *item)
{
    u_char          name[sizeof("order:") - 1 + REFERRAL_PLACE_LEN];
    size_t          i;
    referral_buf_t  buf;

    for (i = item->before.len; i < item->text.len; i += REFERRAL_PLACE_LEN) {
        referral_buf_init(&buf, name, sizeof(name));
        referral_buf_puts(&buf, "order:");
        referral_buf_put(&buf, item->text.data + i, REFERRAL_PLACE_LEN);

        settle_command_buf(&w->set, &buf);
        settle_command_text(&w->set, "");
    }
}


/* what is 0 is not there: it is as if it had never been counted */

static void
settle_commit_counter(settle_work_t *w, const referral_view_item_t *item)
{
    int64_t         sum;
    referral_str_t  field;

    field = referral_state_field(item);
    (void) referral_view_sum(item, &sum);

    if (sum == item->value) {
        return;
    }

    if (sum == 0) {
        settle_command_word(&w->gone, field.data, field.len);

    } else if (referral_view_scores(item->kind)) {
        settle_command_number(&w->set, sum);
        settle_command_word(&w->set, field.data, field.len);

    } else {
        settle_command_word(&w->set, field.data, field.len);
        settle_command_number(&w->set, sum);
    }
}


static void
settle_commit_key(settle_program_t *p, settle_work_t *w,
    const referral_view_item_t *item)
{
    u_char          data[REFERRAL_STATE_KEY];
    referral_buf_t  buf;

    referral_buf_init(&buf, data, sizeof(data));
    referral_state_key(&buf, &p->state, item);
    settle_command_buf(&w->keys, &buf);

    if (w->nkeys == w->size) {
        w->size = w->size ? 2 * w->size : 64;
        w->type = realloc(w->type, w->size);

        if (w->type == NULL) {
            settle_log("crit", "there is not enough memory");
            exit(SETTLE_FAILED);
        }
    }

    w->type[w->nkeys++] = referral_view_type(item->kind);
}


static void
settle_commit_flush(settle_work_t *w, const referral_view_item_t *item)
{
    int               scores;
    settle_command_t  ends;

    scores = (referral_view_type(item->kind) == 'z');

    if (w->set.argc && referral_state_ends(item)) {
        settle_command_begin(&ends);
        settle_command_number(&ends, referral_state_ends(item));
        settle_commit_operation(w, scores ? "Z" : "S", &w->set);
        settle_commit_operation(w, "E", &ends);
    }

    settle_commit_operation(w, scores ? "Z" : "S", &w->set);
    settle_commit_operation(w, scores ? "R" : "D", &w->gone);
}


static void
settle_commit_operation(settle_work_t *w, const char *what,
    settle_command_t *words)
{
    if (words->argc == 0) {
        return;
    }

    settle_command_text(&w->work, what);
    settle_command_number(&w->work, w->nkeys + 1);
    settle_command_number(&w->work, words->argc);
    settle_commit_words(&w->work, words);
    settle_command_free(words);
}


static void
settle_commit_words(settle_command_t *to, const settle_command_t *from)
{
    size_t  i;

    for (i = 0; i < from->argc; i++) {
        settle_command_word(to, from->argv[i], from->argl[i]);
    }
}


static settle_turn_e
settle_commit_answer(settle_program_t *p, const redisReply *reply)
{
    if (settle_reply_failed(reply)) {
        return settle_program_trouble(p, reply->str);
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
        return settle_program_trouble(p, "the answer is not understood");
    }

    if (settle_reply_number(reply->element[0]) == 0) {
        p->conflicts++;

        settle_log("notice", "program \"%s\": somebody else settled it up to"
                   " entry %s; it is read again", p->name,
                   reply->elements > 1 ? settle_reply_text(reply->element[1])
                                       : "");
        settle_program_forget(p);

        return SETTLE_AWAY;
    }

    settle_program_well(p);

    if (p->trying && p->trying <= p->settle.position) {
        p->trying = 0;
        p->attempts = 0;
        p->single = 0;
    }

    p->commits++;
    p->leased_at = settle_clock();

    settle_commit_stands(p);
    settle_ledger_committed(&p->rewards, p->position);
    settle_ledger_written(&p->rewards);
    referral_view_committed(&p->settle.view);

    return SETTLE_BUSY;
}


/* what the next commit builds on */

void
settle_commit_stands(settle_program_t *p)
{
    referral_buf_t  buf;

    p->position = p->settle.position;

    referral_buf_init(&buf, p->chain, sizeof(p->chain) - 1);

    if (p->position) {
        referral_buf_hex(&buf, p->settle.chain, REFERRAL_CHAIN_SIZE);
    }

    *buf.pos = '\0';
}
