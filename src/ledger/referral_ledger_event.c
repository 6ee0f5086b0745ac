
#include "referral_ledger_core.h"




/* what events say, and where in the event it stands */

static const struct {
    referral_fact_text_e  text;
    size_t                field;
} referral_ledger_texts[] = {
    { REFERRAL_FACT_T_TYPE, offsetof(referral_ledger_event_t, name) },
    { REFERRAL_FACT_T_EVENT, offsetof(referral_ledger_event_t, id) },
    { REFERRAL_FACT_T_WHO, offsetof(referral_ledger_event_t, who) },
    { REFERRAL_FACT_T_REFERRER_WHO,
      offsetof(referral_ledger_event_t, referrer_who) },
    { REFERRAL_FACT_T_UNIT, offsetof(referral_ledger_event_t, unit) },
    { REFERRAL_FACT_T_PRODUCT, offsetof(referral_ledger_event_t, product) },
    { REFERRAL_FACT_T_ROLE, offsetof(referral_ledger_event_t, role) },
    { REFERRAL_FACT_T_PARTIES, offsetof(referral_ledger_event_t, parties) },
    { REFERRAL_FACT_T_SEGMENT, offsetof(referral_ledger_event_t, segment) },
    { REFERRAL_FACT_T_REFERRER_SEGMENT,
      offsetof(referral_ledger_event_t, referrer_segment) },
    { REFERRAL_FACT_T_REGION, offsetof(referral_ledger_event_t, region) },
    { REFERRAL_FACT_T_CITY, offsetof(referral_ledger_event_t, city) },
    { REFERRAL_FACT_T_CODE, offsetof(referral_ledger_event_t, code) },
    { REFERRAL_FACT_T_CHANNEL, offsetof(referral_ledger_event_t, channel) },
    { REFERRAL_FACT_T_VARIANT, offsetof(referral_ledger_event_t, variant) },
    { REFERRAL_FACT_T_SIGNALS, offsetof(referral_ledger_event_t, signals) },
    { REFERRAL_FACT_T_X, offsetof(referral_ledger_event_t, x) }
};


static void referral_ledger_said(referral_ledger_t *l,
    referral_ledger_event_t *e, const referral_fact_t *fact);
static u_char *referral_ledger_text(referral_str_t *to,
    const referral_str_t *from, u_char *p);
static void referral_ledger_join(referral_ledger_t *l,
    referral_ledger_event_t *e);
static void referral_ledger_order(referral_ledger_t *l,
    referral_ledger_event_t *e, const referral_fact_t *fact);
static void referral_ledger_order_change(referral_ledger_order_t *order,
    const referral_ledger_event_t *e, const referral_fact_t *fact);


referral_ledger_event_t *
referral_ledger_event(referral_ledger_t *l, const referral_fact_t *fact)
{
    referral_ledger_event_t  *e;

    e = referral_ledger_alloc(l, sizeof(referral_ledger_event_t));

    e->position = fact->position;
    e->type = fact->type;
    e->time = fact->time;
    e->at = fact->at;
    e->minutes = referral_ledger_minutes(l, fact->at);
    e->click_at = fact->click_at;
    e->amount = fact->amount;
    e->referrer = fact->referrer;
    e->known = fact->known;
    e->self = fact->self;

    referral_ledger_said(l, e, fact);

    if (fact->customer) {
        e->friend = referral_ledger_person(l, fact->customer);
        referral_ledger_join(l, e);
    }

    if (fact->text[REFERRAL_FACT_T_ORDER].len) {
        referral_ledger_order(l, e, fact);
    }

    referral_ledger_doubt(l, e);

    return e;
}


static void
referral_ledger_said(referral_ledger_t *l, referral_ledger_event_t *e,
    const referral_fact_t *fact)
{
    u_char                *p;
    size_t                 len;
    unsigned               i, n;
    referral_str_t        *field;
    const referral_str_t  *text, *country;

    text = fact->text;
    country = text[REFERRAL_FACT_T_PLACE].len
              ? &text[REFERRAL_FACT_T_PLACE] : &text[REFERRAL_FACT_T_COUNTRY];

    n = sizeof(referral_ledger_texts) / sizeof(referral_ledger_texts[0]);
    len = country->len;

    for (i = 0; i < n; i++) {
        len += text[referral_ledger_texts[i].text].len;
    }

    p = referral_ledger_alloc(l, len);

    if (l->failed) {
        return;
    }

    for (i = 0; i < n; i++) {
        field = (referral_str_t *)
                ((u_char *) e + referral_ledger_texts[i].field);
        p = referral_ledger_text(field, &text[referral_ledger_texts[i].text],
                                 p);
    }

    (void) referral_ledger_text(&e->country, country, p);

    e->order_at = referral_str_uint(&text[REFERRAL_FACT_T_ORDER_AT],
                                    REFERRAL_FACT_AT - 1);

    if (e->order_at < 0) {
        e->order_at = -1;
    }

    e->paused = text[REFERRAL_FACT_T_PROGRAM_STATE].len
                && !referral_str_is(&text[REFERRAL_FACT_T_PROGRAM_STATE],
                                    "active");

    /* whom Redis has nothing of but the link earns as everybody does */

    e->inactive = text[REFERRAL_FACT_T_REFERRER_STATE].len
                  && !referral_str_is(&text[REFERRAL_FACT_T_REFERRER_STATE],
                                      "active")
                  && !referral_str_is(&text[REFERRAL_FACT_T_REFERRER_STATE],
                                      "absent");
}


/* copies the text to p; returns where it ends */

static u_char *
referral_ledger_text(referral_str_t *to, const referral_str_t *from, u_char *p)
{
    to->data = p;
    to->len = from->len;

    if (from->len) {
        memcpy(p, from->data, from->len);
    }

    return p + from->len;
}


/*
 * A friend is bound by the first fact with a referrer.  Whoever signed up or
 * bought before that, by what has come until then, was a customer already; a
 * step without an amount proves nothing.
 */

static void
referral_ledger_join(referral_ledger_t *l, referral_ledger_event_t *e)
{
    size_t                     i;
    referral_ledger_event_t   *old;
    referral_ledger_person_t  *friend, *referrer;

    friend = e->friend;

    if (friend->bound == NULL && e->referrer) {
        friend->bound = e;
        friend->bound_for = l->zone.lapses ? l->zone.window * 1000 : 0;

        for (i = 0; i < friend->events.n; i++) {
            old = friend->events.item[i];

            if (old->at < e->at
                && (old->type == REFERRAL_FACT_LEAD || old->amount >= 0))
            {
                friend->before = 1;
            }
        }
    }

    /* ids of rewards are made with it: the first event decides, for good */

    if (e->referrer) {
        referrer = referral_ledger_person(l, e->referrer);

        if (!referrer->named) {
            referrer->who = e->referrer_who;
            referrer->named = 1;
        }
    }

    friend->signals |= referral_ledger_signals_of(&e->signals);

    if (e->known > friend->known || e->self > friend->self) {
        friend->known |= e->known;
        friend->self |= e->self;

        referral_ledger_doubt_all(l, friend);
    }

    referral_ledger_push(l, &friend->events, e);
}


static void
referral_ledger_order(referral_ledger_t *l, referral_ledger_event_t *e,
    const referral_fact_t *fact)
{
    size_t                    i;
    referral_str_t            id;
    referral_ledger_event_t  *old;
    referral_ledger_order_t  *order;

    id = fact->text[REFERRAL_FACT_T_ORDER];

    order = referral_ledger_find(l, REFERRAL_LEDGER_ORDER, id.data, id.len,
                                 sizeof(referral_ledger_order_t));
    e->order = order;

    if (order->id.len == 0) {
        referral_ledger_copy(l, &order->id, &id);
        order->total = -1;
        order->updated = -1;
    }

    if (order->friend == NULL) {
        order->friend = e->friend;
    }

    if (e->type == REFERRAL_FACT_REFUND || e->type == REFERRAL_FACT_UPDATE
        || e->type == REFERRAL_FACT_CANCEL)
    {
        referral_ledger_order_change(order, e, fact);
        return;
    }

    for (i = 0; i < order->events.n; i++) {
        old = order->events.item[i];
        e->again |= referral_str_eq(&old->name, &e->name);
    }

    referral_ledger_push(l, &order->events, e);

    if (order->sale == NULL && e->amount >= 0) {
        order->sale = e;
    }
}


/* of several updates the one that happened last holds */

static void
referral_ledger_order_change(referral_ledger_order_t *order,
    const referral_ledger_event_t *e, const referral_fact_t *fact)
{
    switch (e->type) {

    case REFERRAL_FACT_CANCEL:
        order->cancelled = 1;
        break;

    case REFERRAL_FACT_UPDATE:

        if (e->at >= order->updated && e->amount >= 0) {
            order->updated = e->at;
            order->total = e->amount;
        }

        break;

    default:

        if (fact->refunded >= 0) {

            if (fact->refunded > order->refunded) {
                order->refunded = fact->refunded;
            }

        } else if (e->amount >= 0
                   && __builtin_add_overflow(order->parts, e->amount,
                                             &order->parts))
        {
            order->parts = INT64_MAX;
        }
    }
}


int64_t
referral_ledger_order_total(const referral_ledger_order_t *order)
{
    return order->total >= 0 ? order->total : order->sale->amount;
}


/* what was refunded is the greater of the sum of parts and the total told */

int64_t
referral_ledger_order_rest(const referral_ledger_order_t *order)
{
    int64_t  total, refunded;

    if (order->cancelled) {
        return 0;
    }

    total = referral_ledger_order_total(order);
    refunded = order->parts > order->refunded ? order->parts : order->refunded;

    return refunded < total ? total - refunded : 0;
}


int64_t
referral_ledger_rest(const referral_ledger_event_t *e)
{
    return e->order && e->order->sale ? referral_ledger_order_rest(e->order)
                                      : e->amount;
}


int
referral_ledger_stands(const referral_ledger_event_t *e)
{
    if (e->order == NULL) {
        return 1;
    }

    if (e->order->cancelled) {
        return 0;
    }

    return e->order->sale == NULL
           || referral_ledger_order_rest(e->order) > 0
           || referral_ledger_order_total(e->order) == 0;
}
