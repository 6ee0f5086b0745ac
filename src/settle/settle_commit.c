
/*
 * What was decided as a call of referral_commit.lua: the fields that changed, a
 * key after the other, with absolute values.  What is too much for one call is
 * done in parts.
 */


#include "settle_parts.h"
#include "referral_friend.h"


#define SETTLE_PART_WORDS    30000       /* some 25 ms of Redis */
#define SETTLE_COMMIT_WHOLE  (SETTLE_CHANGES + 500)


/* the operations of one key on their way, by kind */

typedef struct {
    settle_program_t   *program;
    settle_parts_t      parts;
    size_t              key;             /* its number in the last part */
    settle_command_t    set;
    settle_command_t    gone;
} settle_work_t;


static settle_turn_e settle_commit_parts(settle_program_t *p, settle_work_t *w,
    settle_command_t *fields);
static void settle_commit_head(settle_program_t *p, settle_command_t *c,
    const char *stopped, int attempts);
static void settle_commit_work(settle_work_t *w);
static int settle_commit_full(const settle_work_t *w);
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
static void settle_commit_key(settle_work_t *w,
    const referral_view_item_t *item);
static void settle_commit_flush(settle_work_t *w,
    const referral_view_item_t *item);
static void settle_commit_operation(settle_work_t *w, const char *what,
    settle_command_t *words);
static void settle_commit_written(settle_program_t *p);
static int settle_commit_cut(referral_str_t *s, referral_str_t *field);


settle_turn_e
settle_commit(settle_program_t *p, const char *stopped, int attempts)
{
    settle_turn_e     rc;
    settle_work_t     w;
    settle_command_t  fields;

    memset(&w, 0, sizeof(w));
    w.program = p;

    (void) settle_parts_add(&w.parts);

    referral_view_sort(&p->settle.view.changed);
    settle_commit_work(&w);

    settle_command_begin(&fields);
    settle_commit_head(p, &fields, stopped, attempts);

    if (w.parts.n > 1) {
        rc = settle_commit_parts(p, &w, &fields);

    } else {
        rc = settle_part_answer(p, settle_part_write(p, &w.parts.part[0],
                                                     &fields,
                                                     settle_options.lease));

        if (rc == SETTLE_BUSY) {
            settle_commit_written(p);
        }
    }

    settle_command_free(&fields);
    settle_command_free(&w.set);
    settle_command_free(&w.gone);
    settle_parts_free(&w.parts);

    return rc;
}


/* when the position has moved, whoever has the lease does what is left */

static settle_turn_e
settle_commit_parts(settle_program_t *p, settle_work_t *w,
    settle_command_t *fields)
{
    char           writing[SETTLE_WRITING];
    settle_part_t  none;
    settle_turn_e  rc;

    rc = settle_parts_lay(p, &w->parts);

    if (rc != SETTLE_BUSY) {
        return rc;
    }

    memset(&none, 0, sizeof(none));

    snprintf(writing, sizeof(writing), "1/%zu", w->parts.n);
    settle_command_text(fields, "writing");
    settle_command_text(fields, writing);

    rc = settle_part_answer(p, settle_part_write(p, &none, fields,
                                                 settle_options.lease));

    if (rc != SETTLE_BUSY) {
        return rc;
    }

    settle_commit_written(p);
    memcpy(p->writing, writing, sizeof(p->writing));

    return settle_parts_do(p);
}


static void
settle_commit_head(settle_program_t *p, settle_command_t *c,
    const char *stopped, int attempts)
{
    int      rewards;
    int64_t  due;

    /* a ledger that is behind says nothing of this position */

    rewards = p->rewards.ledger && p->rewards.position >= p->settle.position;

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
settle_commit_work(settle_work_t *w)
{
    int                     full;
    size_t                  i;
    referral_view_list_t   *changed;
    referral_view_item_t  **item;

    changed = &w->program->settle.view.changed;
    item = changed->item;

    for (i = 0; i < changed->n; i++) {

        full = settle_commit_full(w);

        if (i == 0 || full || !referral_state_together(item[i - 1], item[i])) {

            if (i) {
                settle_commit_flush(w, item[i - 1]);
            }

            if (full) {
                (void) settle_parts_add(&w->parts);
            }

            settle_commit_key(w, item[i]);
        }

        settle_commit_item(w, item[i]);
    }

    if (changed->n) {
        settle_commit_flush(w, item[changed->n - 1]);
    }
}


static int
settle_commit_full(const settle_work_t *w)
{
    if (w->program->settle.view.changed.n <= SETTLE_COMMIT_WHOLE) {
        return 0;
    }

    return w->parts.part[w->parts.n - 1].work.argc + w->set.argc
           + w->gone.argc > SETTLE_PART_WORDS;
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
    case REFERRAL_VIEW_REVIEW:
    case REFERRAL_VIEW_PAYOUT:

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
settle_commit_key(settle_work_t *w, const referral_view_item_t *item)
{
    u_char          data[REFERRAL_STATE_KEY];
    referral_buf_t  buf;

    referral_buf_init(&buf, data, sizeof(data));
    referral_state_key(&buf, &w->program->state, item);

    w->key = settle_part_key(&w->parts.part[w->parts.n - 1], &buf,
                             referral_view_type(item->kind));
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
    settle_part_operation(&w->parts.part[w->parts.n - 1], what, w->key, words);
}


static void
settle_commit_written(settle_program_t *p)
{
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
