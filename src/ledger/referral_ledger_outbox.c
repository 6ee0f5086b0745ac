
/*
 * What others are told of: the moves of rewards, friends who joined, and what
 * is no money.  Nothing is told while the program has no webhooks.
 *
 * A message has an id of what it is about and of what caused it, never of a
 * position in the stream: when the end of a stream is lost and comes again in
 * another order, it has the same id, and the same time.
 */


#include "referral_ledger_core.h"
#include "referral_ledger_draft.h"
#include "referral_digest.h"


#define REFERRAL_OUTBOX_ID     32        /* hexadecimal digits */
#define REFERRAL_OUTBOX_CAUSE  2048      /* bytes of all that makes an id */


/* fields in the order of the outbox; NULL and -1: there is none */

typedef struct {
    const char                *type;
    int64_t                    at;       /* of what was due */
    uint64_t                   owner;    /* 0: nobody */
    const referral_reward_t   *reward;
    int64_t                    amount;
    const char                *from;     /* of the move */
    referral_str_t             name;     /* of what is no reward */
    referral_str_t             detail;
    unsigned                   due:1;    /* its time had come */
} referral_ledger_message_t;


static void referral_ledger_outbox_entry(referral_ledger_t *l,
    referral_ledger_writes_t *w, size_t n);
static void referral_ledger_outbox_reward(referral_ledger_t *l,
    referral_ledger_writes_t *w, const referral_reward_t *r);
static void referral_ledger_outbox_notice(referral_ledger_t *l,
    referral_ledger_writes_t *w, size_t n);
static void referral_ledger_outbox_joined(referral_ledger_t *l,
    referral_ledger_writes_t *w);
static const char *referral_ledger_outbox_type(
    const referral_ledger_notice_t *notice, referral_str_t *detail);
static void referral_ledger_outbox_put(referral_ledger_t *l,
    referral_ledger_writes_t *w, const referral_ledger_message_t *m);
static int referral_ledger_outbox_id(referral_ledger_t *l, u_char *id,
    const referral_ledger_message_t *m);


static const char *const  referral_outbox_moves[REFERRAL_ACCOUNTS] = {
    "reward.pending", "reward.available", "reward.reserved", "reward.spent",
    "reward.expired", "reward.cancelled", NULL
};


void
referral_ledger_outbox(referral_ledger_t *l, referral_ledger_writes_t *w)
{
    size_t  i;

    if (!l->webhooks) {
        return;
    }

    l->messages = 0;

    referral_ledger_outbox_joined(l, w);

    for (i = 0; i < l->nentries; i++) {
        referral_ledger_outbox_entry(l, w, i);
    }

    for (i = 0; i < l->touched.n; i++) {
        referral_ledger_outbox_reward(l, w, l->touched.item[i]);
    }

    for (i = 0; i < l->nnotices; i++) {
        referral_ledger_outbox_notice(l, w, i);
    }
}


/*
 * Debts are moved between rewards of one owner, who has the same as before;
 * what is written off is the program's.
 */

static void
referral_ledger_outbox_entry(referral_ledger_t *l, referral_ledger_writes_t *w,
    size_t n)
{
    referral_str_t                  from;
    referral_ledger_message_t       m;
    const referral_ledger_entry_t  *entry;

    entry = &l->entries[n];

    if (referral_outbox_moves[entry->to] == NULL
        || entry->from == REFERRAL_WRITTEN_OFF
        || strcmp(entry->why, "debt") == 0)
    {
        return;
    }

    /* without a hold it does not wait */

    if (entry->to == REFERRAL_PENDING && n + 1 < l->nentries
        && entry[1].from == REFERRAL_PENDING
        && entry[1].to == REFERRAL_AVAILABLE
        && memcmp(entry[1].reward, entry->reward, REFERRAL_REWARD_ID) == 0)
    {
        return;
    }

    memset(&m, 0, sizeof(m));

    from = referral_account_name(entry->from);

    m.type = referral_outbox_moves[entry->to];
    m.at = entry->at;
    m.owner = entry->owner;
    m.amount = entry->amount;
    m.from = (char *) from.data;
    m.detail.data = (u_char *) entry->why;
    m.detail.len = strlen(entry->why);
    m.due = n < l->due_entries;
    m.reward = referral_ledger_look(l, REFERRAL_LEDGER_REWARD, entry->reward,
                                    REFERRAL_REWARD_ID);

    if (m.reward) {
        referral_ledger_outbox_put(l, w, &m);
    }
}


/* a reward without an entry, and the first one that a friend brings */

static void
referral_ledger_outbox_reward(referral_ledger_t *l,
    referral_ledger_writes_t *w, const referral_reward_t *r)
{
    referral_ledger_message_t  m;

    if (r->written) {
        return;
    }

    memset(&m, 0, sizeof(m));

    m.owner = r->owner->number;

    if (r->denied) {
        m.type = "reward.denied";
        m.reward = r;
        m.detail.data = (u_char *) r->denied;
        m.detail.len = strlen(r->denied);

    } else if (r->friend && r->friend->earned.n
               && r->friend->earned.item[0] == r)
    {
        m.type = "referral.done";
        m.owner = r->friend->number;
        m.name = r->rule;

    } else {
        return;
    }

    referral_ledger_outbox_put(l, w, &m);
}


static void
referral_ledger_outbox_notice(referral_ledger_t *l,
    referral_ledger_writes_t *w, size_t n)
{
    referral_ledger_message_t        m;
    const referral_ledger_notice_t  *notice;

    notice = &l->notices[n];

    memset(&m, 0, sizeof(m));

    m.type = referral_ledger_outbox_type(notice, &m.detail);
    m.at = notice->at;
    m.owner = notice->who;
    m.name = notice->name;
    m.due = n < l->due_notices;

    referral_ledger_outbox_put(l, w, &m);
}


static const char *
referral_ledger_outbox_type(const referral_ledger_notice_t *notice,
    referral_str_t *detail)
{
    size_t       len;
    unsigned     i;
    const char  *kind;

    static const struct {
        const char  *kind;
        const char  *type;
    } types[] = {
        { "tier", "tier.reached" },
        { "tier_lost", "tier.lost" },
        { "badge", "badge.earned" },
        { "nudge", "nudge.due" }
    };

    kind = notice->kind;
    *detail = notice->detail;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(kind, types[i].kind) == 0) {
            return types[i].type;
        }
    }

    if (strcmp(kind, "contest") == 0) {
        return notice->who ? "contest.placed" : "contest.closed";
    }

    if (strcmp(kind, "goal") == 0) {
        len = detail->len;

        while (len && detail->data[len - 1] != ' ') {
            len--;
        }

        kind = detail->data[len] == 'r' ? "goal.reached" : "goal.missed";
        detail->len = len ? len - 1 : 0;

        return kind;
    }

    /* a review: what became of it */

    *detail = notice->name;

    return referral_str_is(&notice->name, "opened") ? "review.opened"
           : referral_str_is(&notice->name, "reminder") ? "review.reminder"
           : "review.closed";
}


static void
referral_ledger_outbox_joined(referral_ledger_t *l,
    referral_ledger_writes_t *w)
{
    referral_ledger_message_t        m;
    const referral_ledger_event_t   *bound;
    const referral_ledger_person_t  *friend;

    friend = l->friend;
    bound = friend ? friend->bound : NULL;

    if (bound == NULL || bound->position != l->position) {
        return;
    }

    memset(&m, 0, sizeof(m));

    m.type = "referral.joined";
    m.owner = friend->number;
    m.detail = bound->code;

    referral_ledger_outbox_put(l, w, &m);
}


static void
referral_ledger_outbox_put(referral_ledger_t *l, referral_ledger_writes_t *w,
    const referral_ledger_message_t *m)
{
    u_char                    digits[REFERRAL_OUTBOX_ID];
    referral_str_t            none, id, type, order;
    referral_buf_t           *text;
    const referral_reward_t  *r;
    referral_ledger_draft_t   draft;

    if (referral_ledger_outbox_id(l, digits, m) != REFERRAL_OK) {
        w->failed = 1;
        return;
    }

    referral_ledger_draft(&draft);
    referral_buf_uint(&draft.field, l->position);
    referral_buf_putc(&draft.field, '-');
    referral_buf_uint(&draft.field, l->messages++);

    referral_str_set(&none, "");

    r = m->reward;
    id.data = digits;
    id.len = sizeof(digits);
    type.data = (u_char *) m->type;
    type.len = strlen(m->type);
    order = r && r->event && r->event->order ? r->event->order->id : none;
    text = &draft.text;

    referral_ledger_pair(text, "id", &id);
    referral_ledger_pair(text, "type", &type);
    referral_ledger_pair_number(text, "at", m->due ? m->at : l->cause_at);
    referral_ledger_pair_number(text, "owner", m->owner ? (int64_t) m->owner
                                                        : -1);
    id.data = r ? (u_char *) r->id : none.data;
    id.len = r ? REFERRAL_REWARD_ID : 0;
    referral_ledger_pair(text, "reward", &id);
    referral_ledger_pair(text, "unit", r ? &r->unit : &none);
    referral_ledger_pair_number(text, "amount", r ? m->amount : -1);
    referral_ledger_pair(text, "rule", r ? &r->rule : &m->name);
    referral_ledger_pair_number(text, "version",
                                r ? (int64_t) r->rules->version : -1);
    referral_ledger_pair_number(text, "due", r ? r->due : -1);
    referral_ledger_pair_number(text, "expires", r ? r->expires : -1);
    referral_ledger_pair_number(text, "friend",
                                r && r->friend ? (int64_t) r->friend->number
                                               : -1);
    referral_ledger_pair(text, "order", &order);
    referral_ledger_pair(text, "detail", &m->detail);

    referral_ledger_put(w, REFERRAL_VIEW_OUTBOX, &draft, 0);
}


/* two moves that nothing tells apart are one message */

static int
referral_ledger_outbox_id(referral_ledger_t *l, u_char *id,
    const referral_ledger_message_t *m)
{
    u_char                           text[REFERRAL_OUTBOX_CAUSE];
    u_char                           hash[REFERRAL_SHA256_SIZE];
    unsigned                         i;
    referral_buf_t                   buf;
    const referral_ledger_person_t  *person;

    referral_buf_init(&buf, text, sizeof(text));
    referral_buf_str(&buf, &l->program);
    referral_buf_putc(&buf, '\n');
    referral_buf_put(&buf, m->type, strlen(m->type));
    referral_buf_putc(&buf, '\n');

    if (m->reward) {
        referral_buf_put(&buf, m->reward->id, REFERRAL_REWARD_ID);
        referral_buf_putc(&buf, '\n');

        if (m->from) {
            referral_buf_put(&buf, m->from, strlen(m->from));
        }

        referral_buf_putc(&buf, ' ');
        referral_ledger_decimal(&buf, m->amount);

    } else if (m->owner) {
        person = referral_ledger_person(l, m->owner);
        referral_ledger_who(&buf, person->bound ? &person->bound->who
                                                : &person->who, m->owner);
    }

    referral_buf_putc(&buf, '\n');
    referral_buf_str(&buf, &m->name);
    referral_buf_putc(&buf, '\n');
    referral_buf_str(&buf, &m->detail);
    referral_buf_putc(&buf, '\n');

    if (m->due) {
        referral_ledger_decimal(&buf, m->at);

    } else {
        referral_buf_str(&buf, &l->cause);
    }

    if (buf.overflow
        || referral_digest(hash, text, buf.pos - text) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    for (i = 0; i < REFERRAL_OUTBOX_ID / 2; i++) {
        referral_hex_put(id + 2 * i, hash[i]);
    }

    return REFERRAL_OK;
}
