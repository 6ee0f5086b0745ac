
#include "referral_friend.h"


static int referral_friend_parse_field(referral_friend_t *f, unsigned field,
    const referral_str_t *s);
static int referral_friend_parse_closed(referral_friend_t *f,
    const referral_str_t *s);
static int referral_friend_parse_number(int64_t *n, const referral_str_t *s);
static void referral_friend_put_moment(referral_buf_t *out,
    const referral_moment_t *moment);
static void referral_friend_put_number(referral_buf_t *out, int64_t n);
static void referral_friend_put_binding(referral_buf_t *out,
    const referral_friend_t *f);
static void referral_friend_bind(referral_friend_t *f,
    const referral_fact_t *fact, const referral_terms_t *terms,
    const referral_moment_t *at);
static void referral_friend_touch(referral_friend_t *f,
    const referral_fact_t *fact, const referral_terms_t *terms,
    const referral_moment_t *at, referral_buf_t *buf);
static void referral_friend_close(referral_friend_t *f,
    const referral_moment_t *at);
static void referral_friend_age(referral_friend_t *f,
    const referral_fact_t *fact, const referral_terms_t *terms);


static const referral_str_t  referral_friend_names[REFERRAL_FRIEND_FIELDS] = {
    referral_string("state"),
    referral_string("referrer"),
    referral_string("code"),
    referral_string("via"),
    referral_string("click"),
    referral_string("click_at"),
    referral_string("country"),
    referral_string("channel"),
    referral_string("variant"),
    referral_string("device"),
    referral_string("segment"),
    referral_string("bound_at"),
    referral_string("bound_for"),
    referral_string("first_at"),
    referral_string("known_at"),
    referral_string("lead_at"),
    referral_string("closed_at"),
    referral_string("last_credit"),
    referral_string("orders_open"),
    referral_string("steps_seen"),
    referral_string("final")
};


void
referral_friend_init(referral_friend_t *f)
{
    memset(f, 0, sizeof(referral_friend_t));

    f->binding.click.ms = -1;
    f->bound.ms = -1;
    f->first.ms = -1;
    f->known.ms = -1;
    f->lead.ms = -1;
}


int
referral_friend_parse(referral_friend_t *f, const referral_str_t *s)
{
    u_char          *p;
    unsigned         i;
    referral_str_t   rest, field;

    referral_friend_init(f);

    rest = *s;

    for (i = 0; i < REFERRAL_FRIEND_FIELDS; i++) {
        p = rest.len ? memchr(rest.data, '\n', rest.len) : NULL;

        if ((p == NULL) != (i == REFERRAL_FRIEND_FIELDS - 1)) {
            return REFERRAL_ERROR;
        }

        field.data = rest.data;
        field.len = p ? (size_t) (p - rest.data) : rest.len;

        rest.data += field.len + (p != NULL);
        rest.len -= field.len + (p != NULL);

        if (referral_friend_parse_field(f, i, &field) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }
    }

    return f->bound.ms < 0 || f->binding.code.len ? REFERRAL_OK
                                                  : REFERRAL_ERROR;
}


static int
referral_friend_parse_field(referral_friend_t *f, unsigned field,
    const referral_str_t *s)
{
    int      rc;
    int64_t  n;

    switch (field) {

    case REFERRAL_FRIEND_STATE:
        return REFERRAL_OK;

    case REFERRAL_FRIEND_REFERRER:
        rc = referral_friend_parse_number(&n, s);
        f->binding.referrer = n;
        return rc;

    case REFERRAL_FRIEND_CODE:
        f->binding.code = *s;
        return REFERRAL_OK;

    case REFERRAL_FRIEND_VIA:
        f->via = *s;
        return REFERRAL_OK;

    case REFERRAL_FRIEND_CLICK:
        f->click = *s;
        return REFERRAL_OK;

    case REFERRAL_FRIEND_CLICK_AT:
        return referral_moment_parse(&f->binding.click, s);

    case REFERRAL_FRIEND_BOUND_AT:
        return referral_moment_parse(&f->bound, s);

    case REFERRAL_FRIEND_BOUND_FOR:
        return referral_friend_parse_number(&f->bound_for, s);

    case REFERRAL_FRIEND_FIRST_AT:
        return referral_moment_parse(&f->first, s);

    case REFERRAL_FRIEND_KNOWN_AT:
        return referral_moment_parse(&f->known, s);

    case REFERRAL_FRIEND_LEAD_AT:
        return referral_moment_parse(&f->lead, s);

    case REFERRAL_FRIEND_CLOSED_AT:
        return referral_friend_parse_closed(f, s);

    case REFERRAL_FRIEND_LAST_CREDIT:
        f->last_credit = *s;
        return REFERRAL_OK;

    case REFERRAL_FRIEND_ORDERS_OPEN:
        return referral_friend_parse_number(&f->orders, s);

    case REFERRAL_FRIEND_STEPS_SEEN:
        return referral_friend_parse_number(&f->steps, s);

    case REFERRAL_FRIEND_FINAL:
        f->final = (s->len != 0);
        return REFERRAL_OK;

    default: /* COUNTRY … SEGMENT */
        f->binding.word[field - REFERRAL_FRIEND_COUNTRY] = *s;
        return REFERRAL_OK;
    }
}


static int
referral_friend_parse_closed(referral_friend_t *f, const referral_str_t *s)
{
    referral_str_t  rest, part;

    rest = *s;

    while (referral_credit_cut(&rest, ',', &part)) {

        if (f->nclosed == REFERRAL_FRIEND_CLOSED
            || referral_moment_parse(&f->closed[f->nclosed], &part)
               != REFERRAL_OK
            || f->closed[f->nclosed].ms < 0)
        {
            return REFERRAL_ERROR;
        }

        f->nclosed++;
    }

    return REFERRAL_OK;
}


static int
referral_friend_parse_number(int64_t *n, const referral_str_t *s)
{
    *n = s->len ? referral_str_uint(s, REFERRAL_FACT_AMOUNT - 1) : 0;

    return *n < 0 ? REFERRAL_ERROR : REFERRAL_OK;
}


void
referral_friend_put(referral_buf_t *out, const referral_friend_t *f)
{
    unsigned  i;

    if (f->bound.ms < 0) {
        referral_buf_puts(out, "seen");

    } else if (referral_friend_known(f)) {
        referral_buf_puts(out, "known");

    } else {
        referral_buf_puts(out, "joined");
    }

    referral_friend_put_binding(out, f);
    referral_friend_put_moment(out, &f->bound);
    referral_friend_put_number(out, f->bound_for);
    referral_friend_put_moment(out, &f->first);
    referral_friend_put_moment(out, &f->known);
    referral_friend_put_moment(out, &f->lead);

    for (i = 0; i < f->nclosed; i++) {
        referral_buf_putc(out, i ? ',' : '\n');
        referral_moment_put(out, &f->closed[i]);
    }

    if (f->nclosed == 0) {
        referral_buf_putc(out, '\n');
    }

    referral_buf_putc(out, '\n');
    referral_buf_str(out, &f->last_credit);

    referral_friend_put_number(out, f->orders);
    referral_friend_put_number(out, f->steps);
    referral_friend_put_number(out, f->final);
}


static void
referral_friend_put_binding(referral_buf_t *out, const referral_friend_t *f)
{
    unsigned  i;

    referral_friend_put_number(out, f->binding.referrer);
    referral_buf_putc(out, '\n');
    referral_buf_str(out, &f->binding.code);
    referral_buf_putc(out, '\n');
    referral_buf_str(out, &f->via);
    referral_buf_putc(out, '\n');
    referral_buf_str(out, &f->click);
    referral_friend_put_moment(out, &f->binding.click);

    for (i = 0; i < REFERRAL_CREDIT_WORDS; i++) {
        referral_buf_putc(out, '\n');
        referral_buf_str(out, &f->binding.word[i]);
    }
}


/* of what there is not, the field is empty */

static void
referral_friend_put_moment(referral_buf_t *out,
    const referral_moment_t *moment)
{
    referral_buf_putc(out, '\n');

    if (moment->ms >= 0) {
        referral_moment_put(out, moment);
    }
}


static void
referral_friend_put_number(referral_buf_t *out, int64_t n)
{
    referral_buf_putc(out, '\n');

    if (n) {
        referral_buf_uint(out, n);
    }
}


referral_str_t
referral_friend_name(referral_friend_field_e field)
{
    return referral_friend_names[field];
}


/*
 * A lead, and an event with an amount, prove a customer of then; a step
 * without an amount proves nothing.  The shop's own word counts from the
 * event that has it: an order after the binding is no first one either.
 */

void
referral_friend_event(referral_friend_t *f, const referral_fact_t *fact,
    const referral_terms_t *terms, referral_buf_t *buf)
{
    referral_moment_t  at;

    at = referral_terms_moment(terms, fact->at);

    referral_friend_age(f, fact, terms);

    if (!f->final) {

        if (fact->type == REFERRAL_FACT_LEAD || fact->amount >= 0
            || fact->refunded >= 0)
        {
            f->first = referral_moment_first(&f->first, &at);
        }

        if (fact->known) {
            f->known = referral_moment_first(&f->known, &at);
        }
    }

    if (fact->via != REFERRAL_VIA_NONE) {

        if (f->bound.ms < 0) {
            referral_friend_bind(f, fact, terms, &at);

        } else {
            referral_friend_touch(f, fact, terms, &at, buf);
        }
    }

    if (fact->type == REFERRAL_FACT_LEAD && !fact->self) {
        f->lead = referral_moment_first(&f->lead, &at);
    }

    if (fact->type == REFERRAL_FACT_CANCEL
        && fact->text[REFERRAL_FACT_T_ORDER].len == 0)
    {
        referral_friend_close(f, &at);
    }
}


/*
 * What is older than an event can be on its way was decided: it does not
 * change when "late" is raised.
 */

static void
referral_friend_age(referral_friend_t *f, const referral_fact_t *fact,
    const referral_terms_t *terms)
{
    referral_moment_t  first;

    first = referral_moment_first(&f->first, &f->bound);

    if (first.ms >= 0
        && fact->time - first.ms > (terms->late + REFERRAL_FRIEND_LAG) * 1000)
    {
        f->final = 1;
    }
}


static void
referral_friend_bind(referral_friend_t *f, const referral_fact_t *fact,
    const referral_terms_t *terms, const referral_moment_t *at)
{
    static const referral_str_t  vias[] = {
        referral_string("none"),
        referral_string("bound"),
        referral_string("click"),
        referral_string("cookie"),
        referral_string("code")
    };

    referral_credit_of(&f->binding, fact, terms);

    f->via = vias[fact->via];
    f->click = fact->text[REFERRAL_FACT_T_CLICK];
    f->bound = *at;
    f->bound_for = terms->lapses ? terms->window : 0;

    /* a code that is typed has no click: its time is that of the binding */

    if (fact->via == REFERRAL_VIA_CODE) {
        f->binding.click.ms = -1;
    }

    /* a customer of long ago, whose orders are not looked at again */

    if (f->final) {
        f->known = referral_moment_first(&f->known, at);
    }
}


/*
 * An event that is credited to the binding tells with "first" and "last"
 * whether it had a touch of its own: only then is it as good a first event as
 * the one that came before it.
 */

static void
referral_friend_touch(referral_friend_t *f, const referral_fact_t *fact,
    const referral_terms_t *terms, const referral_moment_t *at,
    referral_buf_t *buf)
{
    referral_credit_t  credit;

    if (!f->final
        && (fact->via != REFERRAL_VIA_BOUND
            || fact->text[REFERRAL_FACT_T_FIRST].len
            || fact->text[REFERRAL_FACT_T_LAST].len
            || fact->text[REFERRAL_FACT_T_CLICK].len))
    {
        f->bound = referral_moment_first(&f->bound, at);
    }

    referral_credit_of(&credit, fact, terms);

    if (fact->via != REFERRAL_VIA_BOUND
        && (referral_friend_lapsed(f, at)
            || !referral_credit_alike(&credit, &f->binding)
            || referral_friend_clicked(f, fact, &credit)))
    {
        f->last_credit.data = buf->pos;
        referral_credit_put(buf, &credit);
        f->last_credit.len = buf->pos - f->last_credit.data;
    }
}


static void
referral_friend_close(referral_friend_t *f, const referral_moment_t *at)
{
    unsigned  i;

    if (f->nclosed == REFERRAL_FRIEND_CLOSED) {
        return;
    }

    for (i = f->nclosed; i && f->closed[i - 1].ms > at->ms; i--) {
        f->closed[i] = f->closed[i - 1];
    }

    f->closed[i] = *at;
    f->nclosed++;
}


int
referral_friend_known(const referral_friend_t *f)
{
    return (f->first.ms >= 0 && f->first.ms < f->bound.ms)
           || (f->known.ms >= 0 && f->known.ms <= f->bound.ms);
}


int
referral_friend_counts(const referral_friend_t *f)
{
    return f->bound.ms >= 0 && !referral_friend_known(f);
}


referral_credit_t
referral_friend_credit(const referral_friend_t *f)
{
    referral_credit_t  credit;

    credit = f->binding;

    if (referral_str_is(&f->via, "code")) {
        credit.click = f->bound;
    }

    return credit;
}


int
referral_friend_lapsed(const referral_friend_t *f, const referral_moment_t *at)
{
    return f->bound.ms >= 0 && f->bound_for
           && at->ms - f->bound.ms > f->bound_for * 1000;
}


int
referral_friend_clicked(const referral_friend_t *f,
    const referral_fact_t *fact, const referral_credit_t *credit)
{
    return (fact->via == REFERRAL_VIA_CLICK
            || fact->via == REFERRAL_VIA_COOKIE)
           && f->binding.click.ms >= 0
           && f->binding.click.ms != credit->click.ms;
}


referral_moment_t
referral_friend_closed(const referral_friend_t *f, const referral_moment_t *at)
{
    unsigned           i;
    referral_moment_t  none;

    for (i = 0; i < f->nclosed; i++) {

        if (f->closed[i].ms >= at->ms
            && f->closed[i].ms - f->bound.ms
               <= REFERRAL_FRIEND_REFUNDS * 1000LL)
        {
            return f->closed[i];
        }
    }

    none.ms = -1;
    none.minutes = 0;

    return none;
}


int
referral_friend_open(const referral_friend_t *f, const referral_fact_t *fact)
{
    if (f->orders >= REFERRAL_FRIEND_ORDERS) {
        return 0;
    }

    if (!f->final) {
        return 1;
    }

    return referral_friend_counts(f)
           && fact->time - f->bound.ms
              <= (REFERRAL_FRIEND_REFUNDS + REFERRAL_FRIEND_LAG) * 1000LL;
}


int
referral_friend_same(const referral_friend_t *a, const referral_friend_t *b)
{
    unsigned  i;

    if (referral_friend_counts(a) != referral_friend_counts(b)) {
        return 0;
    }

    if (!referral_friend_counts(a)) {
        return 1;
    }

    if (a->bound.ms != b->bound.ms || a->bound.minutes != b->bound.minutes
        || a->nclosed != b->nclosed)
    {
        return 0;
    }

    for (i = 0; i < a->nclosed; i++) {
        if (a->closed[i].ms != b->closed[i].ms) {
            return 0;
        }
    }

    return 1;
}
