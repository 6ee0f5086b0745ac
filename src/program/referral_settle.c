
#include <stdlib.h>

#include "referral_settle_core.h"


static int referral_settle_event(referral_settle_t *s,
    const referral_fact_t *fact, const referral_terms_t *terms,
    const char **why);
static int referral_settle_load(referral_settle_t *s,
    referral_settle_event_t *e, const char **why);
static void referral_settle_items(referral_settle_t *s,
    referral_settle_event_t *e);
static int referral_settle_friend(const referral_view_item_t *item,
    referral_friend_t *f, const char **why);
static int referral_settle_open(referral_settle_t *s,
    referral_settle_event_t *e);
static void referral_settle_order(referral_settle_event_t *e);
static void referral_settle_sale(referral_settle_event_t *e);
static void referral_settle_own(referral_settle_event_t *e);
static void referral_settle_step(referral_settle_event_t *e,
    referral_buf_t *out);
static void referral_settle_write(referral_settle_t *s,
    referral_settle_event_t *e);
static void referral_settle_rules(referral_settle_t *s,
    const referral_fact_t *fact);
static int referral_settle_concerns_order(const referral_fact_t *fact);
static void referral_settle_number(referral_buf_t *buf, referral_str_t *s,
    uint64_t n);


static const referral_str_t  referral_settle_none = referral_null_string;


int
referral_settle_init(referral_settle_t *s, int complete)
{
    memset(s, 0, sizeof(referral_settle_t));

    s->newest_at = -1;
    s->text_size = REFERRAL_SETTLE_TEXT;
    s->text = malloc(s->text_size);

    if (s->text == NULL
        || referral_view_init(&s->view, complete) != REFERRAL_OK)
    {
        referral_settle_free(s);
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


void
referral_settle_free(referral_settle_t *s)
{
    referral_view_free(&s->view);

    free(s->entry);
    free(s->text);

    memset(s, 0, sizeof(referral_settle_t));
}


void
referral_settle_reset(referral_settle_t *s)
{
    referral_view_clear(&s->view);

    s->position = 0;
    s->newest_at = -1;
    s->nentries = 0;

    memset(s->chain, 0, sizeof(s->chain));
}


void
referral_settle_needs(referral_settle_t *s, const referral_fact_t *fact)
{
    referral_settle_event_t  e;

    if (fact->type < REFERRAL_FACT_LEAD || fact->type > REFERRAL_FACT_STEP) {
        return;
    }

    e.fact = fact;

    referral_settle_items(s, &e);
}


int
referral_settle_decide(referral_settle_t *s, const referral_fact_t *fact,
    const referral_terms_t *terms, const char **why)
{
    int  rc;

    if (fact->position != s->position + 1) {
        *why = "an entry is missing before it";
        return REFERRAL_ERROR;
    }

    if (fact->type >= REFERRAL_FACT_LEAD && fact->type <= REFERRAL_FACT_STEP) {
        rc = referral_settle_event(s, fact, terms, why);

    } else {
        referral_chain_step(s->chain, fact, &referral_settle_none);
        rc = REFERRAL_OK;
    }

    if (fact->type == REFERRAL_FACT_RULES) {
        referral_settle_rules(s, fact);
    }

    if (s->view.failed || s->view.overflow) {
        *why = s->view.overflow ? "a sum is larger than 2^63"
                                : "there is not enough memory";
        return REFERRAL_DECLINED;
    }

    if (rc != REFERRAL_OK) {
        return rc;
    }

    s->position = fact->position;

    if (fact->at > s->newest_at) {
        s->newest_at = fact->at;
    }

    return REFERRAL_OK;
}


void
referral_settle_skip(referral_settle_t *s, const referral_fact_t *fact)
{
    static const referral_str_t  skipped = referral_string("skipped\n");

    referral_chain_step(s->chain, fact, &skipped);

    s->position = fact->position;
}


static int
referral_settle_event(referral_settle_t *s, const referral_fact_t *fact,
    const referral_terms_t *terms, const char **why)
{
    int                      rc;
    u_char                   memory[REFERRAL_FRIEND_SIZE];
    referral_buf_t           buf;
    referral_str_t           decided;
    referral_settle_event_t  e;

    e.fact = fact;
    e.at = referral_terms_moment(terms, fact->at);
    e.terms = terms;

    rc = referral_settle_load(s, &e, why);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    referral_buf_init(&buf, memory, sizeof(memory));

    e.after = e.before;

    if (e.friend) {
        referral_friend_event(&e.after, fact, terms, &buf);
    }

    rc = referral_settle_open(s, &e);

    if (rc != REFERRAL_OK) {
        return rc;
    }


    if (e.order) {
        referral_settle_order(&e);
    }

    referral_settle_count(s, &e);

    /* the entries' texts lie in the records, which are written after it */

    if (referral_settle_tell(s, &decided) != REFERRAL_OK) {
        s->view.failed = 1;
        return REFERRAL_OK;
    }

    referral_chain_step(s->chain, fact, &decided);
    referral_settle_write(s, &e);

    return REFERRAL_OK;
}


/* the records of a fact, its order's friend being known only when it is read */

static int
referral_settle_load(referral_settle_t *s, referral_settle_event_t *e,
    const char **why)
{
    u_char                 digits[20];
    referral_buf_t         buf;
    referral_str_t         key;
    referral_view_item_t  *owner;

    referral_settle_items(s, e);

    if (s->view.wanted.n) {
        return REFERRAL_AGAIN;
    }

    if (referral_settle_friend(e->friend, &e->before, why) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    referral_order_init(&e->order_before);

    if (e->order && e->order->text.len
        && referral_order_parse(&e->order_before, &e->order->text)
           != REFERRAL_OK)
    {
        *why = "the order's value in Redis is damaged";
        return REFERRAL_ERROR;
    }

    if (e->order_before.customer == 0
        || e->order_before.customer == e->fact->customer)
    {
        return REFERRAL_OK;
    }

    referral_buf_init(&buf, digits, sizeof(digits));
    referral_settle_number(&buf, &key, e->order_before.customer);

    owner = referral_view_find(&s->view, REFERRAL_VIEW_FRIEND, &key,
                               &referral_settle_none);

    if (!referral_view_need(&s->view, owner)) {
        return REFERRAL_AGAIN;
    }

    return referral_settle_friend(owner, &e->owner, why);
}


static void
referral_settle_items(referral_settle_t *s, referral_settle_event_t *e)
{
    u_char                  digits[20], digest[REFERRAL_PLACE_LEN];
    u_char                  name[sizeof("step:") - 1 + REFERRAL_FACT_TYPE];
    referral_str_t          key, field;
    referral_buf_t          buf;
    const referral_fact_t  *fact;

    fact = e->fact;

    e->friend = NULL;
    e->open = NULL;
    e->step = NULL;
    e->order = NULL;

    if (fact->customer) {
        referral_buf_init(&buf, digits, sizeof(digits));
        referral_settle_number(&buf, &key, fact->customer);

        e->friend = referral_view_find(&s->view, REFERRAL_VIEW_FRIEND, &key,
                                       &referral_settle_none);
        e->open = referral_view_find(&s->view, REFERRAL_VIEW_OPEN, &key,
                                     &referral_settle_none);

        (void) referral_view_need(&s->view, e->friend);

        if (fact->type == REFERRAL_FACT_STEP) {
            referral_buf_init(&buf, name, sizeof(name));
            referral_buf_puts(&buf, "step:");
            referral_buf_str(&buf, &fact->text[REFERRAL_FACT_T_TYPE]);

            field.data = name;
            field.len = buf.pos - name;

            e->step = referral_view_find(&s->view, REFERRAL_VIEW_STEP, &key,
                                         &field);

            (void) referral_view_need(&s->view, e->step);
        }
    }

    if (referral_settle_concerns_order(fact)) {
        referral_chain_place(digest, &fact->text[REFERRAL_FACT_T_ORDER]);

        key.data = digest;
        key.len = REFERRAL_PLACE_BUCKET;
        field.data = digest + REFERRAL_PLACE_BUCKET;
        field.len = REFERRAL_PLACE_FIELD;

        e->order = referral_view_find(&s->view, REFERRAL_VIEW_ORDER, &key,
                                      &field);

        (void) referral_view_need(&s->view, e->order);
    }
}


static int
referral_settle_friend(const referral_view_item_t *item, referral_friend_t *f,
    const char **why)
{
    referral_friend_init(f);

    if (item == NULL || item->text.len == 0) {
        return REFERRAL_OK;
    }

    if (referral_friend_parse(f, &item->text) != REFERRAL_OK) {
        *why = "the friend's fields in Redis are damaged";
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


/* a friend who changes sides takes the open orders along: they are needed */

static int
referral_settle_open(referral_settle_t *s, referral_settle_event_t *e)
{
    size_t                 i;
    referral_str_t         key, field;
    referral_view_item_t  *item;

    e->turned = e->friend && e->before.orders
                && !referral_friend_same(&e->before, &e->after);

    if (!e->turned) {
        return REFERRAL_OK;
    }

    if (!referral_view_need(&s->view, e->open)) {
        return REFERRAL_AGAIN;
    }

    for (i = 0; i + REFERRAL_PLACE_LEN <= e->open->text.len;
         i += REFERRAL_PLACE_LEN)
    {
        key.data = e->open->text.data + i;
        key.len = REFERRAL_PLACE_BUCKET;
        field.data = key.data + REFERRAL_PLACE_BUCKET;
        field.len = REFERRAL_PLACE_FIELD;

        item = referral_view_find(&s->view, REFERRAL_VIEW_ORDER, &key, &field);

        (void) referral_view_need(&s->view, item);
    }

    return s->view.wanted.n ? REFERRAL_AGAIN : REFERRAL_OK;
}


static void
referral_settle_order(referral_settle_event_t *e)
{
    referral_order_t  *order;

    order = &e->order_after;

    memcpy(order, &e->order_before,
           offsetof(referral_order_t, events)
           + e->order_before.nevents * sizeof(referral_order_event_t));

    switch (e->fact->type) {

    case REFERRAL_FACT_SALE:
        referral_settle_sale(e);
        break;

    case REFERRAL_FACT_REFUND:
        referral_order_refund(order, e->fact, &e->at);
        break;

    case REFERRAL_FACT_UPDATE:
        referral_order_update(order, e->fact, &e->at);
        break;

    default: /* CANCEL */
        referral_order_cancel(order, &e->at);
    }
}


/*
 * An order is credited to its friend's binding, but where the program lets a
 * touch win over the binding: then that touch is kept with the order.
 */

static void
referral_settle_sale(referral_settle_event_t *e)
{
    referral_order_t       *order;
    const referral_fact_t  *fact;

    fact = e->fact;
    order = &e->order_after;

    if (referral_order_sale(order, fact, &e->at) != REFERRAL_OK) {
        return;
    }

    order->self = fact->self;

    if (fact->via != REFERRAL_VIA_NONE) {
        referral_settle_own(e);
    }

    if (referral_friend_open(&e->after, fact)) {
        order->open = 1;
        e->after.orders++;

        if (e->after.orders == REFERRAL_FRIEND_ORDERS) {
            e->after.final = 1;
        }
    }
}


/* of a binding that came after the first, the click is known from then */

static void
referral_settle_own(referral_settle_event_t *e)
{
    referral_order_t   *order;
    referral_credit_t   last;

    order = &e->order_after;

    referral_credit_of(&order->credit, e->fact, e->terms);

    order->own = referral_friend_lapsed(&e->after, &e->at)
                 || !referral_credit_alike(&order->credit, &e->after.binding)
                 || referral_friend_clicked(&e->after, e->fact,
                                            &order->credit);

    if (order->own && e->fact->via == REFERRAL_VIA_BOUND
        && referral_credit_parse(&last, &e->after.last_credit) == REFERRAL_OK
        && referral_credit_alike(&last, &order->credit))
    {
        order->credit = last;
    }
}


/* the first time of a step; a friend has a bounded number of them */

static void
referral_settle_step(referral_settle_event_t *e, referral_buf_t *out)
{
    referral_moment_t  old;

    if (e->step->text.len == 0) {

        if (e->after.steps == REFERRAL_FRIEND_STEPS) {
            return;
        }

        e->after.steps++;
        referral_moment_put(out, &e->at);
        return;
    }

    if (referral_moment_parse(&old, &e->step->text) != REFERRAL_OK) {
        old.ms = -1;
    }

    old = referral_moment_first(&e->at, &old);
    referral_moment_put(out, &old);
}


static void
referral_settle_write(referral_settle_t *s, referral_settle_event_t *e)
{
    u_char          digest[REFERRAL_PLACE_LEN];
    referral_buf_t  buf;
    referral_str_t  text;

    referral_buf_init(&buf, s->text, s->text_size);
    text.data = s->text;

    if (e->step) {
        referral_settle_step(e, &buf);
        text.len = buf.pos - buf.start;

        if (text.len) {
            referral_view_set(&s->view, e->step, &text);
        }

        referral_buf_init(&buf, s->text, s->text_size);
    }

    if (e->order) {
        referral_order_put(&buf, &e->order_after);
        text.len = buf.pos - buf.start;

        if (e->order_after.open && !e->order_before.open) {
            memcpy(digest, e->order->name, REFERRAL_PLACE_LEN);
            referral_view_append(&s->view, e->open, digest, sizeof(digest));
        }

        referral_view_set(&s->view, e->order, &text);
        referral_buf_init(&buf, s->text, s->text_size);
    }

    if (e->friend) {
        referral_friend_put(&buf, &e->after);
        text.len = buf.pos - buf.start;

        referral_view_set(&s->view, e->friend, &text);
    }
}


/* which version came where, for those who look a decision up */

static void
referral_settle_rules(referral_settle_t *s, const referral_fact_t *fact)
{
    u_char                 version[20], position[20];
    referral_buf_t         buf;
    referral_str_t         field, text;
    referral_view_item_t  *item;

    referral_buf_init(&buf, version, sizeof(version));
    referral_settle_number(&buf, &field, fact->subject);

    referral_buf_init(&buf, position, sizeof(position));
    referral_settle_number(&buf, &text, fact->position);

    item = referral_view_find(&s->view, REFERRAL_VIEW_RULES,
                              &referral_settle_none, &field);

    referral_view_set(&s->view, item, &text);
}


static int
referral_settle_concerns_order(const referral_fact_t *fact)
{
    return fact->text[REFERRAL_FACT_T_ORDER].len
           && fact->type >= REFERRAL_FACT_SALE
           && fact->type <= REFERRAL_FACT_CANCEL;
}


static void
referral_settle_number(referral_buf_t *buf, referral_str_t *s, uint64_t n)
{
    s->data = buf->pos;
    referral_buf_uint(buf, n);
    s->len = buf->pos - s->data;
}
