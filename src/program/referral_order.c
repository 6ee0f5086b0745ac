
#include "referral_order.h"


#define REFERRAL_ORDER_WORDS  11          /* before the events */


static int referral_order_parse_word(referral_order_t *order, unsigned n,
    const referral_str_t *word);
static int referral_order_parse_credit(referral_order_t *order,
    const referral_str_t *word);
static int referral_order_parse_flags(referral_order_t *order,
    const referral_str_t *word);
static int referral_order_parse_event(referral_order_t *order,
    const referral_str_t *word);
static void referral_order_put_head(referral_buf_t *out,
    const referral_order_t *order);
static void referral_order_put_flags(referral_buf_t *out,
    const referral_order_t *order, unsigned above);
static void referral_order_put_number(referral_buf_t *out, int64_t n);
static void referral_order_add(referral_order_t *order,
    const referral_order_event_t *event);
static void referral_order_insert(referral_order_t *order,
    const referral_order_event_t *event);
static void referral_order_merge(referral_order_t *order,
    const referral_order_event_t *event);
static unsigned referral_order_alike(const referral_order_t *order,
    const referral_order_event_t *event, unsigned n);
static void referral_order_fold(referral_order_event_t *old,
    const referral_order_event_t *event);
static void referral_order_remove(referral_order_t *order, unsigned n);
static int referral_order_own_unit(const referral_order_t *order,
    referral_str_t *unit);
static int referral_order_before(const referral_order_event_t *a,
    const referral_order_event_t *b);
static int referral_order_newer(const referral_moment_t *a, int64_t amount,
    const referral_moment_t *b, int64_t than);


void
referral_order_init(referral_order_t *order)
{
    memset(order, 0, offsetof(referral_order_t, events));

    order->at.ms = -1;
    order->amount = -1;
    order->updated.ms = -1;
    order->cancelled.ms = -1;
}


int
referral_order_parse(referral_order_t *order, const referral_str_t *s)
{
    unsigned        n;
    referral_str_t  rest, word;

    referral_order_init(order);

    rest = *s;

    for (n = 0; referral_credit_cut(&rest, ' ', &word); n++) {

        if (n < REFERRAL_ORDER_WORDS) {
            if (referral_order_parse_word(order, n, &word) != REFERRAL_OK) {
                return REFERRAL_ERROR;
            }

            continue;
        }

        if (referral_order_parse_event(order, &word) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }
    }

    if (n < REFERRAL_ORDER_WORDS
        || (order->customer && (order->at.ms < 0 || order->amount < 0
                                || order->unit.len == 0)))
    {
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


static int
referral_order_parse_word(referral_order_t *order, unsigned n,
    const referral_str_t *word)
{
    int64_t  number;

    if (n == 9) {
        return referral_order_parse_credit(order, word);
    }

    if (n == 10) {
        return referral_order_parse_flags(order, word);
    }

    if (referral_str_is(word, "-")) {
        return REFERRAL_OK;
    }

    switch (n) {

    case 0:
    case 1:
    case 3:
        number = referral_str_uint(word, REFERRAL_FACT_AMOUNT - 1);

        if (number < 0) {
            return REFERRAL_ERROR;
        }

        if (n == 0) {
            order->customer = number;

        } else if (n == 1) {
            order->position = number;

        } else {
            order->amount = number;
        }

        return REFERRAL_OK;

    case 2:
        return referral_moment_parse(&order->at, word);

    case 4:
        order->unit = *word;
        return word->len <= REFERRAL_FACT_UNIT ? REFERRAL_OK : REFERRAL_ERROR;

    case 7:
        return referral_moment_parse(&order->updated, word);

    case 8:
        return referral_moment_parse(&order->cancelled, word);

    default: /* 5, 6: computed from the events */
        return REFERRAL_OK;
    }
}


static int
referral_order_parse_credit(referral_order_t *order,
    const referral_str_t *word)
{
    if (referral_str_is(word, "-") || referral_str_is(word, "=")) {
        return REFERRAL_OK;
    }

    order->own = 1;

    return referral_credit_parse(&order->credit, word);
}


static int
referral_order_parse_flags(referral_order_t *order, const referral_str_t *word)
{
    size_t  i;

    for (i = 0; i < word->len; i++) {

        switch (word->data[i]) {

        case 's':
            order->self = 1;
            break;

        case 'a':
            order->again = 1;
            break;

        case 'o':
            order->open = 1;
            break;

        case 'm':
            order->many = 1;
            break;

        case 'x':
        case '-':
            break;

        default:
            return REFERRAL_ERROR;
        }
    }

    return REFERRAL_OK;
}


static int
referral_order_parse_event(referral_order_t *order, const referral_str_t *word)
{
    referral_str_t           rest, part;
    referral_order_event_t  *event;

    if (order->nevents == REFERRAL_ORDER_EVENTS || word->len < 2) {
        return REFERRAL_ERROR;
    }

    event = &order->events[order->nevents];
    event->kind = word->data[0];

    if (event->kind != 'p' && event->kind != 't' && event->kind != 'u') {
        return REFERRAL_ERROR;
    }

    rest.data = word->data + 1;
    rest.len = word->len - 1;

    if (!referral_credit_cut(&rest, ':', &part)
        || referral_moment_parse(&event->at, &part) != REFERRAL_OK
        || event->at.ms < 0
        || !referral_credit_cut(&rest, ':', &part))
    {
        return REFERRAL_ERROR;
    }

    event->amount = referral_str_uint(&part, INT64_MAX - 9);

    if (event->amount < 0 || rest.len > REFERRAL_FACT_UNIT) {
        return REFERRAL_ERROR;
    }

    event->unit = rest;

    if (order->nevents
        && referral_order_before(event, &order->events[order->nevents - 1]))
    {
        return REFERRAL_ERROR;
    }

    order->nevents++;

    return REFERRAL_OK;
}


void
referral_order_put(referral_buf_t *out, const referral_order_t *order)
{
    unsigned                       i;
    referral_order_rest_t          rest;
    const referral_order_event_t  *event;

    static const referral_moment_t  open = { -1, 0 };

    referral_order_rest(&rest, order, &open);

    referral_order_put_head(out, order);
    referral_buf_uint(out, rest.total);
    referral_buf_putc(out, ' ');
    referral_buf_uint(out, rest.sum);
    referral_buf_putc(out, ' ');
    referral_moment_put(out, &order->updated);
    referral_buf_putc(out, ' ');
    referral_moment_put(out, &order->cancelled);
    referral_buf_putc(out, ' ');

    if (order->customer == 0) {
        referral_buf_putc(out, '-');

    } else if (order->own) {
        referral_credit_put(out, &order->credit);

    } else {
        referral_buf_putc(out, '=');
    }

    referral_buf_putc(out, ' ');
    referral_order_put_flags(out, order, rest.above);

    for (i = 0; i < order->nevents; i++) {
        event = &order->events[i];

        referral_buf_putc(out, ' ');
        referral_buf_putc(out, event->kind);
        referral_moment_put(out, &event->at);
        referral_buf_putc(out, ':');
        referral_buf_uint(out, event->amount);

        if (event->unit.len) {
            referral_buf_putc(out, ':');
            referral_buf_str(out, &event->unit);
        }
    }
}


static void
referral_order_put_head(referral_buf_t *out, const referral_order_t *order)
{
    referral_order_put_number(out, order->customer ? (int64_t) order->customer
                                                   : -1);
    referral_buf_putc(out, ' ');
    referral_order_put_number(out, order->customer ? (int64_t) order->position
                                                   : -1);
    referral_buf_putc(out, ' ');
    referral_moment_put(out, &order->at);
    referral_buf_putc(out, ' ');
    referral_order_put_number(out, order->amount);
    referral_buf_putc(out, ' ');

    if (order->unit.len) {
        referral_buf_str(out, &order->unit);

    } else {
        referral_buf_putc(out, '-');
    }

    referral_buf_putc(out, ' ');
}


static void
referral_order_put_flags(referral_buf_t *out, const referral_order_t *order,
    unsigned above)
{
    if (order->self) {
        referral_buf_putc(out, 's');
    }

    if (order->again) {
        referral_buf_putc(out, 'a');
    }

    if (above) {
        referral_buf_putc(out, 'x');
    }

    if (order->open) {
        referral_buf_putc(out, 'o');
    }

    if (order->many) {
        referral_buf_putc(out, 'm');
    }

    if (!order->self && !order->again && !above && !order->open
        && !order->many)
    {
        referral_buf_putc(out, '-');
    }
}


static void
referral_order_put_number(referral_buf_t *out, int64_t n)
{
    if (n < 0) {
        referral_buf_putc(out, '-');

    } else {
        referral_buf_uint(out, n);
    }
}


/* what came before the sale may be of its unit: that is known only now */

int
referral_order_sale(referral_order_t *order, const referral_fact_t *fact,
    const referral_moment_t *at)
{
    unsigned                i, n;
    referral_order_event_t  events[REFERRAL_ORDER_EVENTS];

    if (order->customer) {
        order->again = 1;
        return REFERRAL_DECLINED;
    }

    order->customer = fact->customer;
    order->position = fact->position;
    order->at = *at;
    order->amount = fact->amount;
    order->unit = fact->text[REFERRAL_FACT_T_UNIT];

    n = order->nevents;
    order->nevents = 0;

    memcpy(events, order->events, n * sizeof(referral_order_event_t));

    for (i = 0; i < n; i++) {

        if (referral_order_own_unit(order, &events[i].unit)
            && events[i].kind == 'u')
        {
            order->amount = events[i].amount;
            order->updated = events[i].at;
            continue;
        }

        referral_order_add(order, &events[i]);
    }

    return REFERRAL_OK;
}


void
referral_order_refund(referral_order_t *order, const referral_fact_t *fact,
    const referral_moment_t *at)
{
    referral_order_event_t  event;

    event.at = *at;
    event.unit = fact->text[REFERRAL_FACT_T_UNIT];

    (void) referral_order_own_unit(order, &event.unit);

    if (fact->amount > 0) {
        event.kind = 'p';
        event.amount = fact->amount;
        referral_order_add(order, &event);
    }

    if (fact->refunded > 0) {
        event.kind = 't';
        event.amount = fact->refunded;
        referral_order_add(order, &event);
    }
}


/* of several updates the latest holds, of those of one moment the lowest */

void
referral_order_update(referral_order_t *order, const referral_fact_t *fact,
    const referral_moment_t *at)
{
    unsigned                 i;
    referral_order_event_t   event, *old;

    event.kind = 'u';
    event.at = *at;
    event.amount = fact->amount;
    event.unit = fact->text[REFERRAL_FACT_T_UNIT];

    if (order->customer && referral_order_own_unit(order, &event.unit)) {

        if (referral_order_newer(at, fact->amount, &order->updated,
                                 order->amount))
        {
            order->amount = fact->amount;
            order->updated = *at;
        }

        return;
    }

    for (i = 0; i < order->nevents; i++) {
        old = &order->events[i];

        if (old->kind != 'u' || !referral_str_eq(&old->unit, &event.unit)) {
            continue;
        }

        if (!referral_order_newer(at, event.amount, &old->at, old->amount)) {
            return;
        }

        referral_order_remove(order, i);
        break;
    }

    referral_order_add(order, &event);
}


void
referral_order_cancel(referral_order_t *order, const referral_moment_t *at)
{
    order->cancelled = referral_moment_first(&order->cancelled, at);
}


static void
referral_order_add(referral_order_t *order,
    const referral_order_event_t *event)
{
    if (order->nevents == REFERRAL_ORDER_EVENTS) {
        referral_order_merge(order, event);

    } else {
        referral_order_insert(order, event);
    }
}


/* they stand in an order that does not depend on which came first */

static void
referral_order_insert(referral_order_t *order,
    const referral_order_event_t *event)
{
    unsigned  i;

    for (i = order->nevents; i; i--) {

        if (!referral_order_before(event, &order->events[i - 1])) {
            break;
        }

        order->events[i] = order->events[i - 1];
    }

    order->events[i] = *event;
    order->nevents++;
}


/*
 * No amount is lost, only the number of refunds and their days: the latest of
 * its kind takes the event, else the latest two of another kind become one.
 */

static void
referral_order_merge(referral_order_t *order,
    const referral_order_event_t *event)
{
    unsigned                i, n;
    referral_order_event_t  old;

    order->many = 1;

    n = referral_order_alike(order, event, order->nevents);

    if (n) {
        old = order->events[n - 1];

        referral_order_fold(&old, event);
        referral_order_remove(order, n - 1);
        referral_order_insert(order, &old);
        return;
    }

    for (n = order->nevents; n; n--) {
        old = order->events[n - 1];
        i = referral_order_alike(order, &old, n - 1);

        if (i) {
            referral_order_fold(&old, &order->events[i - 1]);
            referral_order_remove(order, n - 1);
            referral_order_remove(order, i - 1);
            referral_order_insert(order, &old);
            referral_order_insert(order, event);
            return;
        }
    }
}


/* the last of the first "n" that has the kind and the unit, from 1; 0: none */

static unsigned
referral_order_alike(const referral_order_t *order,
    const referral_order_event_t *event, unsigned n)
{
    const referral_order_event_t  *old;

    for ( /* void */ ; n; n--) {
        old = &order->events[n - 1];

        if (old->kind == event->kind
            && referral_str_eq(&old->unit, &event->unit))
        {
            break;
        }
    }

    return n;
}


static void
referral_order_fold(referral_order_event_t *old,
    const referral_order_event_t *event)
{
    if (event->kind == 'p' && old->amount < REFERRAL_FACT_AMOUNT) {
        old->amount += event->amount;

    } else if (event->kind == 't' && old->amount < event->amount) {
        old->amount = event->amount;
    }
}


static void
referral_order_remove(referral_order_t *order, unsigned n)
{
    order->nevents--;

    memmove(&order->events[n], &order->events[n + 1],
            (order->nevents - n) * sizeof(referral_order_event_t));
}


/* the order's own unit is left out */

static int
referral_order_own_unit(const referral_order_t *order, referral_str_t *unit)
{
    if (order->customer && referral_str_eq(unit, &order->unit)) {
        unit->len = 0;
    }

    return order->customer && unit->len == 0;
}


static int
referral_order_before(const referral_order_event_t *a,
    const referral_order_event_t *b)
{
    size_t  len;

    if (a->at.ms != b->at.ms) {
        return a->at.ms < b->at.ms;
    }

    if (a->kind != b->kind) {
        return a->kind < b->kind;
    }

    if (a->amount != b->amount) {
        return a->amount < b->amount;
    }

    len = a->unit.len;

    if (len != b->unit.len) {
        return len < b->unit.len;
    }

    return len && memcmp(a->unit.data, b->unit.data, len) < 0;
}


static int
referral_order_newer(const referral_moment_t *a, int64_t amount,
    const referral_moment_t *b, int64_t than)
{
    return b->ms < 0 || a->ms > b->ms || (a->ms == b->ms && amount < than);
}


/*
 * Refunds take what they can in the order of time, a cancel the rest.  The
 * greater of the cumulative figure and the sum of the parts holds.
 */

void
referral_order_rest(referral_order_rest_t *rest, const referral_order_t *order,
    const referral_moment_t *closed)
{
    int64_t                        taken, most;
    unsigned                       i;
    referral_moment_t              end;
    const referral_order_event_t  *event;

    memset(rest, 0, offsetof(referral_order_rest_t, days));

    end = referral_moment_first(&order->cancelled, closed);
    taken = 0;

    for (i = 0; i <= order->nevents; i++) {
        event = &order->events[i];

        if (end.ms >= 0 && (i == order->nevents || event->at.ms > end.ms)) {

            if (order->amount > taken) {
                taken = order->amount;
                rest->days[rest->ndays++] = referral_moment_day(&end);
            }

            end.ms = -1;
        }

        if (i == order->nevents) {
            break;
        }

        if (event->unit.len || event->kind == 'u') {
            continue;
        }

        if (event->kind == 't') {
            rest->total = event->amount > rest->total ? event->amount
                                                      : rest->total;

        } else if (__builtin_add_overflow(rest->sum, event->amount,
                                          &rest->sum))
        {
            rest->sum = INT64_MAX;
        }

        most = rest->total > rest->sum ? rest->total : rest->sum;

        if (most > order->amount) {
            rest->above = (order->customer != 0);
            most = order->amount;
        }

        if (most > taken) {
            taken = most;
            rest->days[rest->ndays++] = referral_moment_day(&event->at);
        }
    }

    rest->left = order->amount - taken;
}
