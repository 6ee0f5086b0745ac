
/*
 * What friends and orders count, and the counters and boards that it goes to.
 */


#include <stdlib.h>

#include "referral_settle_core.h"
#include "referral_time.h"


#define REFERRAL_SETTLE_NAME    32       /* "amount:" and a unit */
#define REFERRAL_SETTLE_SUFFIX  128      /* of a key, or a dimension's field */

_Static_assert(REFERRAL_SETTLE_SUFFIX >= REFERRAL_SETTLE_NAME
               + sizeof(":country:") + REFERRAL_FACT_WORD, "names fit");

#define REFERRAL_SETTLE_MONTH   (sizeof("2026-11") - 1)


/* the names that one entry needs, made once */

typedef struct {
    const referral_settle_entry_t  *entry;
    int64_t                         time;        /* the fact's */
    referral_str_t                  name;
    u_char                          name_data[REFERRAL_SETTLE_NAME];
    u_char                          day[REFERRAL_DAY_LEN];
    u_char                          click_day[REFERRAL_DAY_LEN];
} referral_settle_names_t;


static int referral_settle_alike(const referral_friend_t *a,
    const referral_friend_t *b);
static void referral_settle_count_friend(referral_settle_t *s,
    const referral_friend_t *f, int sign);
static void referral_settle_count_open(referral_settle_t *s,
    referral_settle_event_t *e);
static void referral_settle_count_order(referral_settle_t *s,
    const referral_order_t *order, const referral_friend_t *f, int sign);
static void referral_settle_enter(referral_settle_t *s,
    referral_settle_field_e field, const referral_moment_t *at,
    const referral_credit_t *credit, int64_t n);
static referral_settle_entry_t *referral_settle_entry(referral_settle_t *s);
static void referral_settle_merge(referral_settle_t *s);
static int referral_settle_compare(const void *one, const void *two);
static void referral_settle_apply(referral_settle_t *s,
    const referral_settle_entry_t *entry, int64_t time);
static void referral_settle_apply_days(referral_settle_t *s,
    const referral_settle_names_t *names, const referral_str_t *code);
static void referral_settle_apply_credit(referral_settle_t *s,
    const referral_settle_names_t *names);
static void referral_settle_apply_words(referral_settle_t *s,
    const referral_settle_names_t *names);
static void referral_settle_apply_boards(referral_settle_t *s,
    const referral_settle_names_t *names);
static void referral_settle_add(referral_settle_t *s,
    referral_view_kind_e kind, const referral_buf_t *key,
    const referral_str_t *field, int64_t n);
static void referral_settle_name(referral_buf_t *buf,
    const referral_settle_entry_t *entry);


static const referral_str_t  referral_settle_fields[REFERRAL_SETTLE_FIELDS] = {
    referral_string("leads"),
    referral_string("sales"),
    referral_string("amount"),
    referral_string("refunds"),
    referral_string("friends"),
    referral_string("known"),
    referral_string("self"),
    referral_string("unattributed")
};


static const referral_str_t  referral_settle_words[REFERRAL_CREDIT_WORDS] = {
    referral_string(":country:"),
    referral_string(":channel:"),
    referral_string(":variant:"),
    referral_string(":device:"),
    referral_string(":segment:")
};


void
referral_settle_count(referral_settle_t *s, referral_settle_event_t *e)
{
    size_t                    i;
    const referral_friend_t  *owner;

    s->nentries = 0;

    if (e->friend && !referral_settle_alike(&e->before, &e->after)) {
        referral_settle_count_friend(s, &e->before, -1);
        referral_settle_count_friend(s, &e->after, 1);
    }

    if (e->turned) {
        referral_settle_count_open(s, e);
    }

    if (e->order) {
        owner = e->order_before.customer == e->fact->customer ? &e->before
                                                              : &e->owner;
        referral_settle_count_order(s, &e->order_before, owner, -1);

        owner = e->order_after.customer == e->fact->customer ? &e->after
                                                             : &e->owner;
        referral_settle_count_order(s, &e->order_after, owner, 1);
    }

    if (e->fact->type == REFERRAL_FACT_LEAD && e->fact->self) {
        referral_settle_enter(s, REFERRAL_SETTLE_SELF, &e->at, NULL, 1);
    }

    referral_settle_merge(s);

    for (i = 0; i < s->nentries; i++) {
        referral_settle_apply(s, &s->entry[i], e->fact->time);
    }
}


/* most facts change nothing of what their friend counts */

static int
referral_settle_alike(const referral_friend_t *a, const referral_friend_t *b)
{
    return a->bound.ms == b->bound.ms && a->lead.ms == b->lead.ms
           && referral_friend_known(a) == referral_friend_known(b);
}


static void
referral_settle_count_friend(referral_settle_t *s, const referral_friend_t *f,
    int sign)
{
    referral_credit_t  credit;

    credit = referral_friend_credit(f);

    if (f->bound.ms >= 0) {
        referral_settle_enter(s, referral_friend_known(f)
                                 ? REFERRAL_SETTLE_KNOWN
                                 : REFERRAL_SETTLE_FRIENDS,
                              &f->bound, &credit, sign);
    }

    if (f->lead.ms < 0) {
        return;
    }

    if (referral_friend_counts(f)) {
        referral_settle_enter(s, REFERRAL_SETTLE_LEADS, &f->lead, &credit,
                              sign);

    } else {
        referral_settle_enter(s, REFERRAL_SETTLE_UNATTRIBUTED, &f->lead, NULL,
                              sign);
    }
}


/* the friend's orders but that of the fact, which is counted for itself */

static void
referral_settle_count_open(referral_settle_t *s, referral_settle_event_t *e)
{
    size_t                 i;
    referral_str_t         key, field;
    referral_order_t       order;
    referral_view_item_t  *item;

    for (i = 0; i + REFERRAL_PLACE_LEN <= e->open->text.len;
         i += REFERRAL_PLACE_LEN)
    {
        key.data = e->open->text.data + i;
        key.len = REFERRAL_PLACE_BUCKET;
        field.data = key.data + REFERRAL_PLACE_BUCKET;
        field.len = REFERRAL_PLACE_FIELD;

        item = referral_view_find(&s->view, REFERRAL_VIEW_ORDER, &key, &field);

        if (item == e->order
            || referral_order_parse(&order, &item->text) != REFERRAL_OK
            || order.customer != e->fact->customer || !order.open)
        {
            continue;
        }

        referral_settle_count_order(s, &order, &e->before, -1);
        referral_settle_count_order(s, &order, &e->after, 1);
    }
}


static void
referral_settle_count_order(referral_settle_t *s,
    const referral_order_t *order, const referral_friend_t *f, int sign)
{
    unsigned               i;
    referral_moment_t      closed, day;
    referral_credit_t      credit;
    referral_order_rest_t  rest;

    if (order->customer == 0) {
        return;
    }

    if (order->self) {
        referral_settle_enter(s, REFERRAL_SETTLE_SELF, &order->at, NULL, sign);
        return;
    }

    if (!referral_friend_counts(f)
        || (!order->own && referral_friend_lapsed(f, &order->at)))
    {
        referral_settle_enter(s, REFERRAL_SETTLE_UNATTRIBUTED, &order->at,
                              NULL, sign);
        return;
    }

    credit = order->own ? order->credit : referral_friend_credit(f);
    closed.ms = -1;
    closed.minutes = 0;

    if (order->open) {
        closed = referral_friend_closed(f, &order->at);
    }

    referral_order_rest(&rest, order, &closed);

    referral_settle_enter(s, REFERRAL_SETTLE_SALES, &order->at, &credit, sign);

    if (rest.left) {
        referral_settle_enter(s, REFERRAL_SETTLE_AMOUNT, &order->at, &credit,
                              sign * rest.left);
        s->entry[s->nentries - 1].unit = order->unit;
    }

    day.minutes = 0;

    for (i = 0; i < rest.ndays; i++) {
        day.ms = rest.days[i] * REFERRAL_DAY_MS;
        referral_settle_enter(s, REFERRAL_SETTLE_REFUNDS, &day, &credit, sign);
    }
}


static void
referral_settle_enter(referral_settle_t *s, referral_settle_field_e field,
    const referral_moment_t *at, const referral_credit_t *credit, int64_t n)
{
    referral_settle_entry_t  *entry;

    entry = referral_settle_entry(s);

    entry->field = field;
    entry->unit.len = 0;
    entry->unit.data = NULL;
    entry->day = referral_moment_day(at);
    entry->n = n;
    entry->credited = (credit != NULL);

    if (credit) {
        entry->credit = *credit;
        entry->credit.click.ms = referral_moment_day(&credit->click)
                                 * REFERRAL_DAY_MS;
        entry->credit.click.minutes = 0;
    }
}


/* there is always one: without memory the last, and the view says so */

static referral_settle_entry_t *
referral_settle_entry(referral_settle_t *s)
{
    size_t                           size;
    referral_settle_entry_t         *entry;
    static referral_settle_entry_t   none;

    if (s->nentries < s->size) {
        return &s->entry[s->nentries++];
    }

    size = s->size ? 2 * s->size : 64;
    entry = realloc(s->entry, size * sizeof(referral_settle_entry_t));

    if (entry == NULL) {
        s->view.failed = 1;
        return s->nentries ? &s->entry[s->nentries - 1] : &none;
    }

    s->entry = entry;
    s->size = size;

    return &s->entry[s->nentries++];
}


/* what was taken back and added again is nothing */

static void
referral_settle_merge(referral_settle_t *s)
{
    size_t                    i, n;
    referral_settle_entry_t  *last;

    if (s->nentries > 1) {
        qsort(s->entry, s->nentries, sizeof(referral_settle_entry_t),
              referral_settle_compare);
    }

    last = NULL;
    n = 0;

    for (i = 0; i < s->nentries; i++) {

        if (last && referral_settle_compare(last, &s->entry[i]) == 0) {
            last->n += s->entry[i].n;
            continue;
        }

        if (last && last->n == 0) {
            n--;
        }

        s->entry[n] = s->entry[i];
        last = &s->entry[n++];
    }

    if (last && last->n == 0) {
        n--;
    }

    s->nentries = n;
}


static int
referral_settle_compare(const void *one, const void *two)
{
    int                             rc;
    const referral_settle_entry_t  *a, *b;

    a = one;
    b = two;

    if (a->field != b->field) {
        return a->field < b->field ? -1 : 1;
    }

    if (a->day != b->day) {
        return a->day < b->day ? -1 : 1;
    }

    if (a->credited != b->credited) {
        return a->credited < b->credited ? -1 : 1;
    }

    if (a->unit.len != b->unit.len) {
        return a->unit.len < b->unit.len ? -1 : 1;
    }

    rc = a->unit.len ? memcmp(a->unit.data, b->unit.data, a->unit.len) : 0;

    if (rc || !a->credited) {
        return rc;
    }

    if (a->credit.click.ms != b->credit.click.ms) {
        return a->credit.click.ms < b->credit.click.ms ? -1 : 1;
    }

    return referral_credit_compare(&a->credit, &b->credit);
}


static void
referral_settle_apply(referral_settle_t *s,
    const referral_settle_entry_t *entry, int64_t time)
{
    u_char                   data[REFERRAL_SETTLE_SUFFIX];
    referral_buf_t           buf;
    referral_settle_names_t  names;

    names.entry = entry;
    names.time = time;

    referral_buf_init(&buf, names.name_data, sizeof(names.name_data));
    referral_settle_name(&buf, entry);
    names.name.data = names.name_data;
    names.name.len = buf.pos - buf.start;

    referral_time_day(names.day, entry->day * REFERRAL_DAY_MS, 0);

    referral_buf_init(&buf, data, sizeof(data));
    referral_settle_add(s, REFERRAL_VIEW_STATS, &buf, &names.name, entry->n);

    referral_buf_putc(&buf, ':');
    referral_buf_put(&buf, names.day, sizeof(names.day));
    referral_settle_add(s, REFERRAL_VIEW_DAY, &buf, &names.name, entry->n);

    if (entry->field <= REFERRAL_SETTLE_REFUNDS) {
        referral_settle_apply_days(s, &names, NULL);
    }

    if (entry->credited) {
        referral_time_day(names.click_day, entry->credit.click.ms, 0);
        referral_settle_apply_credit(s, &names);
    }
}


/* the days of the program, or of a link */

static void
referral_settle_apply_days(referral_settle_t *s,
    const referral_settle_names_t *names, const referral_str_t *code)
{
    u_char          data[REFERRAL_SETTLE_SUFFIX];
    referral_buf_t  buf;
    referral_str_t  day;

    day.data = (u_char *) names->day;
    day.len = sizeof(names->day);

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_putc(&buf, ':');
    referral_buf_str(&buf, &names->name);
    referral_buf_putc(&buf, REFERRAL_VIEW_PROGRAM);

    if (code) {
        referral_buf_putc(&buf, ':');
        referral_buf_str(&buf, code);
    }

    referral_settle_add(s, REFERRAL_VIEW_DAYS, &buf, &day, names->entry->n);
}


/* what is counted for a link, for its referrer and for the day of the click */

static void
referral_settle_apply_credit(referral_settle_t *s,
    const referral_settle_names_t *names)
{
    u_char                          data[REFERRAL_SETTLE_SUFFIX];
    referral_buf_t                  buf;
    const referral_settle_entry_t  *entry;

    entry = names->entry;

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_putc(&buf, ':');
    referral_buf_str(&buf, &entry->credit.code);
    referral_settle_add(s, REFERRAL_VIEW_STATS, &buf, &names->name, entry->n);

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_putc(&buf, ':');
    referral_buf_put(&buf, names->click_day, sizeof(names->click_day));
    referral_settle_add(s, REFERRAL_VIEW_COHORT, &buf, &names->name, entry->n);

    if (entry->credit.referrer && entry->field <= REFERRAL_SETTLE_FRIENDS) {
        referral_buf_init(&buf, data, sizeof(data));
        referral_buf_putc(&buf, ':');
        referral_buf_uint(&buf, entry->credit.referrer);
        referral_settle_add(s, REFERRAL_VIEW_PROGRESS, &buf, &names->name,
                            entry->n);
    }

    if (entry->field <= REFERRAL_SETTLE_REFUNDS) {
        referral_settle_apply_words(s, names);
        referral_settle_apply_days(s, names, &entry->credit.code);
    }

    if (entry->field <= REFERRAL_SETTLE_AMOUNT) {
        referral_settle_apply_boards(s, names);
    }
}


/* by country, channel and so on */

static void
referral_settle_apply_words(referral_settle_t *s,
    const referral_settle_names_t *names)
{
    u_char                          data[REFERRAL_SETTLE_SUFFIX];
    u_char                          field_data[REFERRAL_SETTLE_SUFFIX];
    unsigned                        i;
    referral_buf_t                  buf, key;
    referral_str_t                  field;
    const referral_settle_entry_t  *entry;

    entry = names->entry;

    for (i = 0; i < REFERRAL_CREDIT_WORDS; i++) {

        if (entry->credit.word[i].len == 0) {
            continue;
        }

        referral_buf_init(&buf, field_data, sizeof(field_data));
        referral_buf_str(&buf, &names->name);
        referral_buf_str(&buf, &referral_settle_words[i]);
        referral_buf_str(&buf, &entry->credit.word[i]);
        field.data = field_data;
        field.len = buf.pos - buf.start;

        referral_buf_init(&key, data, sizeof(data));
        referral_settle_add(s, REFERRAL_VIEW_STATS, &key, &field, entry->n);

        referral_buf_putc(&key, ':');
        referral_buf_put(&key, names->day, sizeof(names->day));
        referral_settle_add(s, REFERRAL_VIEW_DAY, &key, &field, entry->n);

        referral_buf_init(&key, data, sizeof(data));
        referral_buf_putc(&key, ':');
        referral_buf_put(&key, names->click_day, sizeof(names->click_day));
        referral_settle_add(s, REFERRAL_VIEW_COHORT, &key, &field, entry->n);

        referral_buf_init(&key, data, sizeof(data));
        referral_buf_putc(&key, ':');
        referral_buf_str(&key, &entry->credit.code);
        referral_settle_add(s, REFERRAL_VIEW_STATS, &key, &field, entry->n);
    }
}


/*
 * Of links: of all time and of the day, while the day's board is there.  Of
 * referrers, by their numbers: of all time and of the month.
 */

static void
referral_settle_apply_boards(referral_settle_t *s,
    const referral_settle_names_t *names)
{
    u_char                          data[REFERRAL_SETTLE_SUFFIX];
    u_char                          digits[20];
    referral_buf_t                  buf, number;
    referral_str_t                  member;
    const referral_settle_entry_t  *entry;

    entry = names->entry;

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_putc(&buf, ':');
    referral_buf_str(&buf, &names->name);
    referral_settle_add(s, REFERRAL_VIEW_BOARD, &buf, &entry->credit.code,
                        entry->n);

    if (names->time < (entry->day + REFERRAL_VIEW_BOARD_DAYS)
                      * REFERRAL_DAY_MS)
    {
        referral_buf_putc(&buf, ':');
        referral_buf_put(&buf, names->day, sizeof(names->day));
        referral_settle_add(s, REFERRAL_VIEW_BOARD_DAY, &buf,
                            &entry->credit.code, entry->n);
    }

    if (entry->credit.referrer == 0) {
        return;
    }

    referral_buf_init(&number, digits, sizeof(digits));
    referral_buf_uint(&number, entry->credit.referrer);
    member.data = digits;
    member.len = number.pos - number.start;

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_puts(&buf, ":referrers:");
    referral_buf_str(&buf, &names->name);
    referral_settle_add(s, REFERRAL_VIEW_BOARD, &buf, &member, entry->n);

    referral_buf_putc(&buf, ':');
    referral_buf_put(&buf, names->day, REFERRAL_SETTLE_MONTH);
    referral_settle_add(s, REFERRAL_VIEW_BOARD, &buf, &member, entry->n);
}


static void
referral_settle_add(referral_settle_t *s, referral_view_kind_e kind,
    const referral_buf_t *key, const referral_str_t *field, int64_t n)
{
    referral_str_t  name;

    name.data = key->start;
    name.len = key->pos - key->start;

    referral_view_add(&s->view, referral_view_find(&s->view, kind, &name,
                                                   field), n);
}


static void
referral_settle_name(referral_buf_t *buf,
    const referral_settle_entry_t *entry)
{
    referral_buf_str(buf, &referral_settle_fields[entry->field]);

    if (entry->field == REFERRAL_SETTLE_AMOUNT) {
        referral_buf_putc(buf, ':');
        referral_buf_str(buf, &entry->unit);
    }
}


/* the text goes into the chain: its form must never change */

int
referral_settle_tell(referral_settle_t *s, referral_str_t *text)
{
    size_t                          i, size;
    u_char                         *p;
    referral_buf_t                  buf;
    const referral_settle_entry_t  *entry;

    size = s->nentries * (REFERRAL_SETTLE_NAME + 8 * REFERRAL_FACT_WORD + 128);

    if (size > s->text_size) {
        p = realloc(s->text, size);

        if (p == NULL) {
            return REFERRAL_ERROR;
        }

        s->text = p;
        s->text_size = size;
    }

    referral_buf_init(&buf, s->text, s->text_size);

    for (i = 0; i < s->nentries; i++) {
        entry = &s->entry[i];

        referral_settle_name(&buf, entry);
        referral_buf_putc(&buf, ' ');
        referral_buf_uint(&buf, entry->day);
        referral_buf_putc(&buf, ' ');

        if (entry->n < 0) {
            referral_buf_putc(&buf, '-');
        }

        referral_buf_uint(&buf, entry->n < 0 ? 0 - (uint64_t) entry->n
                                             : (uint64_t) entry->n);

        if (entry->credited) {
            referral_buf_putc(&buf, ' ');
            referral_credit_put(&buf, &entry->credit);
        }

        referral_buf_putc(&buf, '\n');
    }

    text->data = s->text;
    text->len = buf.pos - buf.start;

    return buf.overflow ? REFERRAL_ERROR : REFERRAL_OK;
}
