
#include <stdlib.h>

#include "referral_ledger_core.h"
#include "referral_ledger_draft.h"
#include "referral_time.h"


static void referral_ledger_write_entry(referral_ledger_t *l,
    referral_ledger_writes_t *w, const referral_ledger_entry_t *entry);
static void referral_ledger_write_account(referral_ledger_writes_t *w,
    const referral_ledger_entry_t *entry, unsigned account, int64_t change);
static void referral_ledger_write_counts(referral_ledger_t *l,
    referral_ledger_writes_t *w, const referral_reward_t *r,
    const referral_ledger_entry_t *entry);
static void referral_ledger_write_days(referral_ledger_t *l,
    referral_ledger_writes_t *w, const referral_str_t *code,
    const referral_ledger_entry_t *entry, int64_t change);
static void referral_ledger_write_count(referral_ledger_writes_t *w,
    referral_view_kind_e kind, const referral_str_t *key, const char *name,
    const referral_str_t *unit, int64_t change);
static void referral_ledger_write_grant(referral_ledger_writes_t *w,
    referral_reward_t *r);
static void referral_ledger_write_reward(referral_ledger_writes_t *w,
    const referral_reward_t *r);
static referral_str_t referral_ledger_state(const referral_reward_t *r);
static int64_t referral_ledger_next(const referral_reward_t *r);
static void referral_ledger_write_due(referral_ledger_writes_t *w,
    const referral_reward_t *r);
static void referral_ledger_write_notices(referral_ledger_t *l,
    referral_ledger_writes_t *w);
static void referral_ledger_write_level(referral_ledger_writes_t *w,
    const referral_ledger_notice_t *notice);
static void referral_ledger_write_contest(referral_ledger_writes_t *w,
    const referral_ledger_notice_t *notice);


void
referral_ledger_write(referral_ledger_t *l, referral_ledger_writes_t *w,
    referral_str_t *decided)
{
    size_t                          i, n, from;
    referral_reward_t              *r;
    const referral_ledger_entry_t  *entry;

    from = w->used;
    entry = referral_ledger_entries(l, &n);

    for (i = 0; i < n; i++) {
        referral_ledger_write_entry(l, w, &entry[i]);
    }

    for (i = 0; i < l->touched.n; i++) {
        r = l->touched.item[i];

        if (!r->written) {
            referral_ledger_write_grant(w, r);
        }

        referral_ledger_write_reward(w, r);
        referral_ledger_write_due(w, r);
    }

    referral_ledger_write_customers(l, w);
    referral_ledger_write_reviews(l, w);
    referral_ledger_write_payouts(l, w);
    referral_ledger_write_notices(l, w);
    referral_ledger_outbox(l, w);

    for (i = 0; i < l->touched.n; i++) {
        r = l->touched.item[i];
        r->written = 1;
    }

    decided->data = w->text + from;
    decided->len = w->used - from;
}


static void
referral_ledger_write_entry(referral_ledger_t *l, referral_ledger_writes_t *w,
    const referral_ledger_entry_t *entry)
{
    referral_str_t            name;
    referral_buf_t           *text;
    const referral_reward_t  *r;
    referral_ledger_draft_t   draft;

    referral_ledger_draft(&draft);
    referral_buf_uint(&draft.field, entry->position);
    referral_buf_putc(&draft.field, '-');
    referral_buf_uint(&draft.field, entry->index);

    text = &draft.text;
    name.data = (u_char *) entry->reward;
    name.len = REFERRAL_REWARD_ID;

    referral_ledger_pair(text, "reward", &name);
    referral_ledger_pair_number(text, "owner", entry->owner);
    referral_ledger_pair(text, "unit", &entry->unit);
    name = referral_account_name(entry->from);
    referral_ledger_pair(text, "from", &name);
    name = referral_account_name(entry->to);
    referral_ledger_pair(text, "to", &name);
    referral_ledger_pair_number(text, "amount", entry->amount);
    referral_ledger_pair(text, "rule", &entry->rule);
    referral_ledger_pair_number(text, "version", entry->version);
    referral_ledger_pair_number(text, "at", entry->at);
    referral_ledger_pair_number(text, "due", entry->due);
    referral_ledger_pair_number(text, "expires", entry->expires);
    name.data = (u_char *) entry->why;
    name.len = strlen(entry->why);
    referral_ledger_pair(text, "why", &name);

    referral_ledger_put(w, REFERRAL_VIEW_ENTRY, &draft, 0);

    /* the same id in the history of its owner */

    referral_buf_init(text, draft.text_data, sizeof(draft.text_data));
    referral_buf_uint(text, entry->position);
    referral_buf_putc(&draft.key, ':');
    referral_buf_uint(&draft.key, entry->owner);
    referral_buf_puts(&draft.key, ":entries");

    referral_ledger_put(w, REFERRAL_VIEW_HISTORY, &draft, 0);

    referral_ledger_write_account(w, entry, entry->from, -entry->amount);
    referral_ledger_write_account(w, entry, entry->to, entry->amount);

    r = referral_ledger_look(l, REFERRAL_LEDGER_REWARD, entry->reward,
                             REFERRAL_REWARD_ID);
    if (r) {
        referral_ledger_write_counts(l, w, r, entry);
    }
}


/* of the owner, and of all owners */

static void
referral_ledger_write_account(referral_ledger_writes_t *w,
    const referral_ledger_entry_t *entry, unsigned account, int64_t change)
{
    referral_str_t           name;
    referral_ledger_draft_t  draft;

    name = referral_account_name(account);

    referral_ledger_draft(&draft);
    referral_buf_str(&draft.field, &entry->unit);
    referral_buf_putc(&draft.field, ':');
    referral_buf_str(&draft.field, &name);

    referral_ledger_put(w, REFERRAL_VIEW_WALLET, &draft, change);

    if (account == REFERRAL_BUDGET) {
        return;
    }

    referral_buf_putc(&draft.key, ':');
    referral_buf_uint(&draft.key, entry->owner);

    referral_ledger_put(w, REFERRAL_VIEW_WALLET, &draft, change);
}


/* what rewards cost: granted less cancelled, by the day of the entry */

static void
referral_ledger_write_counts(referral_ledger_t *l, referral_ledger_writes_t *w,
    const referral_reward_t *r, const referral_ledger_entry_t *entry)
{
    u_char                    data[REFERRAL_LEDGER_DRAFT];
    int64_t                   cost, waits;
    referral_buf_t            buf;
    referral_str_t            key;
    const referral_str_t     *code;

    waits = (entry->to == REFERRAL_PENDING ? entry->amount : 0)
            - (entry->from == REFERRAL_PENDING ? entry->amount : 0);
    cost = (entry->to == REFERRAL_CANCELLED ? 0 : entry->amount)
           - (entry->from == REFERRAL_CANCELLED
              || entry->from == REFERRAL_BUDGET ? 0 : entry->amount);

    code = r->friend && r->friend->bound ? &r->friend->bound->code : NULL;

    referral_buf_init(&buf, data, sizeof(data));
    key.data = data;

    if (r->side == REFERRAL_TO_REFERRER && r->line) {
        referral_buf_putc(&buf, ':');
        referral_buf_uint(&buf, entry->owner);
        key.len = buf.pos - data;

        referral_ledger_write_count(w, REFERRAL_VIEW_PROGRESS, &key,
                                    "rewards_pending:", &entry->unit, waits);
        referral_ledger_write_count(w, REFERRAL_VIEW_PROGRESS, &key,
                                    "rewards:", &entry->unit, cost);
    }

    if (cost == 0) {
        return;
    }

    key.len = 0;
    referral_ledger_write_count(w, REFERRAL_VIEW_STATS, &key, "rewards:",
                                &entry->unit, cost);
    referral_ledger_write_days(l, w, NULL, entry, cost);

    if (code && code->len) {
        referral_buf_init(&buf, data, sizeof(data));
        referral_buf_putc(&buf, ':');
        referral_buf_str(&buf, code);
        key.len = buf.pos - data;

        referral_ledger_write_count(w, REFERRAL_VIEW_STATS, &key, "rewards:",
                                    &entry->unit, cost);
        referral_ledger_write_days(l, w, code, entry, cost);
    }
}


static void
referral_ledger_write_days(referral_ledger_t *l, referral_ledger_writes_t *w,
    const referral_str_t *code, const referral_ledger_entry_t *entry,
    int64_t change)
{
    u_char                   day[REFERRAL_DAY_LEN], data[REFERRAL_LEDGER_DRAFT];
    referral_buf_t           buf;
    referral_str_t           key;
    referral_ledger_draft_t  draft;

    referral_time_day(day, entry->at, referral_ledger_minutes(l, entry->at));

    referral_ledger_draft(&draft);
    referral_buf_puts(&draft.key, ":rewards:");
    referral_buf_str(&draft.key, &entry->unit);
    referral_buf_putc(&draft.key, REFERRAL_VIEW_PROGRAM);
    referral_buf_put(&draft.field, day, sizeof(day));

    if (code) {
        referral_buf_putc(&draft.key, ':');
        referral_buf_str(&draft.key, code);
    }

    referral_ledger_put(w, REFERRAL_VIEW_DAYS, &draft, change);

    if (code) {
        return;
    }

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_putc(&buf, ':');
    referral_buf_put(&buf, day, sizeof(day));
    key.data = data;
    key.len = buf.pos - data;

    referral_ledger_write_count(w, REFERRAL_VIEW_DAY, &key, "rewards:",
                                &entry->unit, change);
}


static void
referral_ledger_write_count(referral_ledger_writes_t *w,
    referral_view_kind_e kind, const referral_str_t *key, const char *name,
    const referral_str_t *unit, int64_t change)
{
    referral_ledger_draft_t  draft;

    if (change == 0) {
        return;
    }

    referral_ledger_draft(&draft);
    referral_buf_str(&draft.key, key);
    referral_buf_put(&draft.field, name, strlen(name));
    referral_buf_str(&draft.field, unit);

    referral_ledger_put(w, kind, &draft, change);
}


/* what never changes of a reward */

static void
referral_ledger_write_grant(referral_ledger_writes_t *w, referral_reward_t *r)
{
    referral_str_t            side;
    referral_buf_t           *text;
    referral_ledger_draft_t   draft;

    referral_ledger_draft(&draft);
    referral_buf_putc(&draft.key, ':');
    referral_buf_put(&draft.key, r->id, REFERRAL_REWARD_ID);
    referral_buf_puts(&draft.field, "grant");

    text = &draft.text;

    referral_ledger_pair_number(text, "owner", r->owner->number);
    referral_ledger_pair(text, "unit", &r->unit);
    referral_ledger_pair(text, "rule", &r->rule);
    referral_ledger_pair_number(text, "version", r->rules->version);
    referral_ledger_pair_number(text, "born", r->born);

    if (r->line) {
        referral_str_set(&side, "referrer");

        if (r->side != REFERRAL_TO_REFERRER) {
            referral_str_set(&side, "friend");
        }

        referral_ledger_pair(text, "side", &side);
    }

    if (r->referrer) {
        referral_ledger_pair_number(text, "referrer", r->referrer->number);
    }

    referral_ledger_put(w, REFERRAL_VIEW_REWARD, &draft, 0);
}


static void
referral_ledger_write_reward(referral_ledger_writes_t *w,
    const referral_reward_t *r)
{
    int64_t                   sum, granted;
    unsigned                  account;
    referral_str_t            name, none;
    referral_buf_t           *text;
    referral_ledger_draft_t   draft;

    referral_ledger_draft(&draft);
    referral_buf_putc(&draft.key, ':');
    referral_buf_put(&draft.key, r->id, REFERRAL_REWARD_ID);
    referral_buf_puts(&draft.field, "now");

    text = &draft.text;
    granted = 0;
    none.data = (u_char *) "";
    none.len = 0;

    for (account = 0; account < REFERRAL_ACCOUNTS; account++) {
        sum = r->sum[account];
        w->failed |= __builtin_add_overflow(granted, sum, &granted);
        name = referral_account_name(account);

        referral_buf_str(text, &name);
        referral_buf_putc(text, '\n');

        if (sum) {
            referral_ledger_decimal(text, sum);
        }

        referral_buf_putc(text, '\n');
    }

    name = referral_ledger_state(r);

    referral_ledger_pair_number(text, "granted", granted);
    referral_ledger_pair(text, "state", &name);
    referral_ledger_pair_number(text, "due", r->sum[REFERRAL_PENDING] > 0
                                             ? r->due : -1);
    referral_ledger_pair_number(text, "expires", r->expires);
    referral_ledger_pair_number(text, "choose", r->open);
    referral_ledger_pair(text, "prize", &r->prize);

    if (r->friend) {
        referral_ledger_pair_number(text, "friend", r->friend->number);
    }

    referral_ledger_pair(text, "order", r->event && r->event->order
                                        ? &r->event->order->id : &none);
    referral_ledger_pair_number(text, "position", r->event
                                                  ? (int64_t) r->since : -1);

    referral_ledger_put(w, REFERRAL_VIEW_REWARD, &draft, 0);
}


static referral_str_t
referral_ledger_state(const referral_reward_t *r)
{
    unsigned        account;
    referral_str_t  state;

    if (r->sum[REFERRAL_PENDING] > 0 && r->open != -1) {
        referral_str_set(&state, "choice");
        return state;
    }

    if (r->sum[REFERRAL_PENDING] > 0 && r->event && r->event->friend->review) {
        referral_str_set(&state, "review");
        return state;
    }

    for (account = 0; account < REFERRAL_ACCOUNTS; account++) {
        if (r->sum[account]) {
            return referral_account_name(account);
        }
    }

    referral_str_set(&state, "denied");

    return state;
}


/* the moment at which the reward itself changes; -1: none */

static int64_t
referral_ledger_next(const referral_reward_t *r)
{
    if (r->sum[REFERRAL_PENDING] > 0) {
        return r->open != -1 ? r->open : r->due;
    }

    return r->sum[REFERRAL_AVAILABLE] > 0 ? r->expires : -1;
}


static void
referral_ledger_write_due(referral_ledger_writes_t *w,
    const referral_reward_t *r)
{
    int64_t                  next;
    referral_ledger_draft_t  draft;

    next = referral_ledger_next(r);

    referral_ledger_draft(&draft);
    referral_buf_put(&draft.field, r->id, REFERRAL_REWARD_ID);

    if (next != -1) {
        referral_ledger_decimal(&draft.text, next);
    }

    referral_ledger_put(w, REFERRAL_VIEW_DUE, &draft, 0);
}


/* what was reached, and when; a tier that was lost is taken away */

static void
referral_ledger_write_level(referral_ledger_writes_t *w,
    const referral_ledger_notice_t *notice)
{
    int                      tier, lost;
    referral_ledger_draft_t  draft;

    lost = (strcmp(notice->kind, "tier_lost") == 0);
    tier = lost || strcmp(notice->kind, "tier") == 0;

    if (!tier && strcmp(notice->kind, "badge") != 0) {
        return;
    }

    referral_ledger_draft(&draft);
    referral_buf_putc(&draft.key, ':');
    referral_buf_uint(&draft.key, notice->who);

    if (tier) {
        referral_buf_puts(&draft.field, "tier:");

    } else {
        referral_buf_puts(&draft.field, "badge:");
    }

    referral_buf_str(&draft.field, &notice->name);

    if (notice->detail.len) {
        referral_buf_putc(&draft.field, ':');
        referral_buf_str(&draft.field, &notice->detail);
    }

    if (!lost) {
        referral_ledger_decimal(&draft.text, notice->at);
    }

    referral_ledger_put(w, REFERRAL_VIEW_LEVEL, &draft, 0);
}


/* "PERIOD RANK FRIENDS" of somebody, "PERIOD ROWS" of the table */

static void
referral_ledger_write_contest(referral_ledger_writes_t *w,
    const referral_ledger_notice_t *notice)
{
    size_t                   len;
    referral_ledger_draft_t  draft;

    for (len = 0; len < notice->detail.len; len++) {
        if (notice->detail.data[len] == ' ') {
            break;
        }
    }

    if (len == notice->detail.len) {
        return;
    }

    referral_ledger_draft(&draft);
    referral_buf_putc(&draft.key, ':');
    referral_buf_str(&draft.key, &notice->name);
    referral_buf_putc(&draft.key, ':');
    referral_buf_put(&draft.key, notice->detail.data, len);

    if (notice->who) {
        referral_buf_uint(&draft.field, notice->who);
        referral_buf_put(&draft.text, notice->detail.data + len + 1,
                         notice->detail.len - len - 1);

    } else {
        referral_buf_puts(&draft.field, "closed");
        referral_ledger_decimal(&draft.text, notice->at);
    }

    referral_ledger_put(w, REFERRAL_VIEW_CONTEST, &draft, 0);
}


/* all of them, and the flags, stand in the text that the chain is made of */

static void
referral_ledger_write_notices(referral_ledger_t *l,
    referral_ledger_writes_t *w)
{
    size_t                           i, n;
    referral_ledger_draft_t          draft;
    const referral_ledger_flag_t    *flag;
    const referral_ledger_notice_t  *notice;

    notice = referral_ledger_notices(l, &n);

    for (i = 0; i < n; i++) {

        if (strcmp(notice[i].kind, "contest") == 0) {
            referral_ledger_write_contest(w, &notice[i]);

        } else {
            referral_ledger_write_level(w, &notice[i]);
        }

        referral_ledger_draft(&draft);
        referral_buf_put(&draft.text, notice[i].kind, strlen(notice[i].kind));
        referral_ledger_pair_number(&draft.text, " ", notice[i].who);
        referral_ledger_pair_number(&draft.text, "at", notice[i].at);
        referral_ledger_pair(&draft.text, "name", &notice[i].name);
        referral_ledger_pair(&draft.text, "detail", &notice[i].detail);
        (void) referral_ledger_keep(w, &draft.text);
    }

    flag = referral_ledger_flags(l, &n);

    for (i = 0; i < n; i++) {
        referral_ledger_draft(&draft);
        referral_buf_put(&draft.text, flag[i].word, strlen(flag[i].word));
        referral_buf_putc(&draft.text, '\n');
        (void) referral_ledger_keep(w, &draft.text);
    }
}


void
referral_ledger_apply(const referral_ledger_writes_t *w, size_t from,
    size_t to, referral_view_t *view)
{
    size_t                          i;
    referral_str_t                  key, field, text;
    referral_view_item_t           *item;
    const referral_ledger_write_t  *write;

    for (i = from; i < to; i++) {
        write = &w->write[i];

        /* what was delivered is taken out of it: there is nothing to compare */

        if (view->complete && write->kind == REFERRAL_VIEW_OUTBOX) {
            continue;
        }

        key.data = w->text + write->key.at;
        key.len = write->key.len;
        field.data = w->text + write->field.at;
        field.len = write->field.len;

        item = referral_view_find(view, write->kind, &key, &field);

        if (referral_view_counts(write->kind)) {
            referral_view_add(view, item, write->change);
            continue;
        }

        /* what it was is not asked for: what is gone is taken away all the
           same */

        text.data = w->text + write->text.at;
        text.len = write->text.len;
        referral_view_replace(view, item, &text);
    }
}


void
referral_ledger_writes_free(referral_ledger_writes_t *w)
{
    free(w->write);
    free(w->text);
    memset(w, 0, sizeof(referral_ledger_writes_t));
}
