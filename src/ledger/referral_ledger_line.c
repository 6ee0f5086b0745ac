
#include "referral_ledger_core.h"


#define REFERRAL_LEDGER_TEXT   1024      /* of a value of x.KEY */


#define referral_ledger_unit_of(line, word)                                   \
    (&(line)->rules->rewards.units[(line)->line->word.unit].name)


static int referral_ledger_backs(const referral_ledger_t *l,
    const referral_str_t *rule, referral_reward_t *r);
static int referral_ledger_on(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e);
static int referral_ledger_is(const referral_ledger_t *l,
    const referral_rewards_value_t *value, const referral_ledger_event_t *e);
static int referral_ledger_fits_words(const referral_ledger_line_t *line,
    const referral_ledger_event_t *e);
static int referral_ledger_in_city(const referral_rewards_t *rewards,
    const referral_rewards_list_t *cities, const referral_str_t *city);
static referral_str_t referral_ledger_segment(
    const referral_ledger_person_t *friend);
static int referral_ledger_fits_products(const referral_ledger_line_t *line,
    const referral_ledger_event_t *e);
static int referral_ledger_fits_parties(const referral_ledger_line_t *line,
    const referral_ledger_event_t *e);
static int referral_ledger_party(const referral_str_t *list, uint64_t number);
static int referral_ledger_fits_keys(const referral_ledger_line_t *line,
    const referral_ledger_event_t *e);
static void referral_ledger_key(const referral_str_t *x,
    const referral_str_t *key, referral_buf_t *out);
static int referral_ledger_hex(u_char c);
static int referral_ledger_fits_times(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e);
static int referral_ledger_fits_amounts(const referral_ledger_line_t *line,
    const referral_ledger_event_t *e);
static int referral_ledger_steps(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_person_t *f,
    const referral_ledger_event_t *by);
static int64_t referral_ledger_sum(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_person_t *f);
static int referral_ledger_counts(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e);


int
referral_ledger_had(const referral_ledger_person_t *friend,
    const referral_str_t *name)
{
    size_t                          i;
    const referral_ledger_event_t  *e;

    for (i = 0; i < friend->events.n; i++) {
        e = friend->events.item[i];

        if (referral_str_eq(&e->name, name) && !e->again
            && referral_ledger_stands(e))
        {
            return 1;
        }
    }

    return 0;
}


/* a list without "!" names what fits, one with it what does not */

int
referral_ledger_listed(const referral_rewards_t *rewards,
    const referral_rewards_list_t *list, const referral_str_t *text)
{
    unsigned                         i, named, found;
    const referral_rewards_value_t  *value;

    named = 0;
    found = 0;

    for (i = 0; i < list->n; i++) {
        value = &rewards->values[list->first + i];

        if (!value->negated) {
            named = 1;
            found |= referral_str_eq(&value->text, text);

        } else if (referral_str_eq(&value->text, text)) {
            return 0;
        }
    }

    return found || !named;
}


int
referral_ledger_fits(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e)
{
    return e->friend && e->friend->bound
           && !e->again
           && referral_ledger_on(l, line, e)
           && referral_ledger_fits_words(line, e)
           && referral_ledger_fits_products(line, e)
           && referral_ledger_fits_parties(line, e)
           && referral_ledger_fits_keys(line, e)
           && referral_ledger_fits_times(l, line, e)
           && referral_ledger_tiered(l, &line->rules->rewards,
                                     &line->line->tier, e)
           && referral_ledger_fits_amounts(line, e);
}


int
referral_ledger_tiered(const referral_ledger_t *l,
    const referral_rewards_t *rewards, const referral_rewards_list_t *tiers,
    const referral_ledger_event_t *e)
{
    referral_str_t  tier;

    if (tiers->n == 0) {
        return 1;
    }

    tier = referral_ledger_tier(l, e);

    return referral_ledger_listed(rewards, tiers, &tier);
}


static int
referral_ledger_on(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e)
{
    unsigned                         i;
    const referral_rewards_value_t  *value;

    if (e->type == REFERRAL_FACT_REFUND || e->type == REFERRAL_FACT_UPDATE
        || e->type == REFERRAL_FACT_CANCEL)
    {
        return 0;
    }

    for (i = 0; i < line->line->on.n; i++) {
        value = &line->rules->rewards.values[line->line->on.first + i];

        if (referral_ledger_is(l, value, e)) {
            return 1;
        }
    }

    return 0;
}


/* an event of that type, or one by which a rule was reached */

static int
referral_ledger_is(const referral_ledger_t *l,
    const referral_rewards_value_t *value, const referral_ledger_event_t *e)
{
    return value->rule ? referral_ledger_has(l, &value->text, e->friend, e)
                       : referral_str_eq(&value->text, &e->name);
}


/*
 * One text has no circles and no long chains of on=rule:, but rewards of
 * several versions may be asked by each other's lines.  A reward that upholds
 * itself, or stands behind too many others, does not count as reached.
 */

int
referral_ledger_has(const referral_ledger_t *l, const referral_str_t *rule,
    const referral_ledger_person_t *friend, const referral_ledger_event_t *e)
{
    size_t              i;
    referral_reward_t  *r;

    if (e) {

        for (r = e->rewards; r; r = r->beside) {
            if (referral_ledger_backs(l, rule, r)) {
                return 1;
            }
        }

        return 0;
    }

    for (i = 0; i < friend->earned.n; i++) {
        r = friend->earned.item[i];

        if (r->event->friend == friend && referral_ledger_backs(l, rule, r)) {
            return 1;
        }
    }

    return 0;
}


/* what would uphold itself does not, nor what stands behind too many others */

static int
referral_ledger_backs(const referral_ledger_t *l, const referral_str_t *rule,
    referral_reward_t *r)
{
    int                        upheld;
    referral_ledger_person_t  *friend;

    friend = r->event->friend;

    if (r->asking || friend->chain > REFERRAL_REWARDS_CHAIN
        || !referral_str_eq(&r->rule, rule))
    {
        return 0;
    }

    friend->chain++;
    r->asking = 1;

    upheld = referral_ledger_upheld(l, r);

    r->asking = 0;
    friend->chain--;

    return upheld;
}


int
referral_ledger_upheld(const referral_ledger_t *l, const referral_reward_t *r)
{
    return !r->down
           && referral_ledger_eligible(l, r->event, r->asked.line)
           && referral_ledger_still(l, &r->asked, r->event);
}


int
referral_ledger_waits(const referral_ledger_line_t *line)
{
    unsigned  i;

    for (i = 0; i < line->line->on.n; i++) {
        if (line->rules->rewards.values[line->line->on.first + i].rule) {
            return 1;
        }
    }

    return 0;
}


int
referral_ledger_milestone(const referral_ledger_line_t *line)
{
    return line->line && line->line->each != REFERRAL_EACH_ORDER
           && line->line->each != REFERRAL_EACH_EVENT
           && referral_ledger_waits(line);
}


/* steps, sums and other rules: any event of the friend may change them */

int
referral_ledger_depends(const referral_ledger_line_t *line)
{
    return referral_ledger_waits(line)
           || referral_rewards_given(line->line, REFERRAL_REWARDS_SUM)
           || referral_ledger_together(line);
}


/* the place is that of the sign-up, if the line does not say otherwise */

static int
referral_ledger_fits_words(const referral_ledger_line_t *line,
    const referral_ledger_event_t *e)
{
    referral_str_t                  segment;
    const referral_rewards_t       *rewards;
    const referral_rewards_line_t  *said;
    const referral_ledger_event_t  *bound, *place;

    rewards = &line->rules->rewards;
    said = line->line;
    bound = e->friend->bound;
    place = said->place == REFERRAL_PLACE_EVENT ? e : bound;
    segment = said->friend.n ? referral_ledger_segment(e->friend) : e->segment;

    return referral_ledger_listed(rewards, &said->role, &e->role)
           && referral_ledger_listed(rewards, &said->code, &bound->code)
           && referral_ledger_listed(rewards, &said->segment,
                                     &e->referrer_segment)
           && referral_ledger_listed(rewards, &said->friend, &segment)
           && referral_ledger_listed(rewards, &said->country, &place->country)
           && referral_ledger_listed(rewards, &said->region, &place->region)
           && referral_ledger_in_city(rewards, &said->city, &place->city)
           && referral_ledger_listed(rewards, &said->channel, &bound->channel)
           && referral_ledger_listed(rewards, &said->variant, &bound->variant);
}


/* as referral_ledger_listed(), but that "_" of the rules stands for a space */

static int
referral_ledger_in_city(const referral_rewards_t *rewards,
    const referral_rewards_list_t *cities, const referral_str_t *city)
{
    u_char                           said;
    size_t                           k;
    unsigned                         i, named, found;
    const referral_rewards_value_t  *value;

    named = 0;
    found = 0;

    for (i = 0; i < cities->n; i++) {
        value = &rewards->values[cities->first + i];
        named |= !value->negated;

        if (value->text.len != city->len) {
            continue;
        }

        for (k = 0; k < city->len; k++) {
            said = value->text.data[k];

            if (city->data[k] != (said == '_' ? ' ' : said)) {
                break;
            }
        }

        if (k < city->len) {
            continue;
        }

        if (value->negated) {
            return 0;
        }

        found = 1;
    }

    return found || !named;
}


/* the newest that is known of the friend */

static referral_str_t
referral_ledger_segment(const referral_ledger_person_t *friend)
{
    size_t                          i;
    referral_str_t                  none = referral_null_string;
    const referral_ledger_event_t  *e;

    for (i = friend->events.n; i > 0; i--) {
        e = friend->events.item[i - 1];

        if (e->segment.len) {
            return e->segment;
        }
    }

    return none;
}


static int
referral_ledger_fits_products(const referral_ledger_line_t *line,
    const referral_ledger_event_t *e)
{
    u_char                          *p, *comma, *end;
    unsigned                         i, named, found;
    referral_str_t                   one;
    const referral_rewards_value_t  *value;

    named = 0;
    found = 0;

    for (i = 0; i < line->line->product.n; i++) {
        value = &line->rules->rewards.values[line->line->product.first + i];
        named |= !value->negated;

        end = e->product.data + e->product.len;

        for (p = e->product.data; p < end; p = comma + 1) {
            comma = memchr(p, ',', end - p);
            comma = comma ? comma : end;

            one.data = p;
            one.len = comma - p;

            if (!referral_str_eq(&value->text, &one)) {
                continue;
            }

            if (value->negated) {
                return 0;
            }

            found = 1;
        }
    }

    return found || !named;
}


static int
referral_ledger_fits_parties(const referral_ledger_line_t *line,
    const referral_ledger_event_t *e)
{
    int                              part;
    unsigned                         i, named, found;
    uint64_t                         number;
    const referral_rewards_value_t  *value;

    named = 0;
    found = 0;

    for (i = 0; i < line->line->party.n; i++) {
        value = &line->rules->rewards.values[line->line->party.first + i];

        number = referral_str_is(&value->text, "friend")
                 ? e->friend->number : e->friend->bound->referrer;

        part = referral_ledger_party(&e->parties, number);

        if (part && value->negated) {
            return 0;
        }

        named |= !value->negated;
        found |= part;
    }

    return found || !named;
}


static int
referral_ledger_party(const referral_str_t *list, uint64_t number)
{
    u_char          *p, *comma, *end;
    referral_str_t   one;

    end = list->data + list->len;

    for (p = list->data; p < end; p = comma + 1) {
        comma = memchr(p, ',', end - p);
        comma = comma ? comma : end;

        one.data = p;
        one.len = comma - p;

        if (referral_str_uint(&one, INT64_MAX) == (int64_t) number) {
            return 1;
        }
    }

    return 0;
}


static int
referral_ledger_fits_keys(const referral_ledger_line_t *line,
    const referral_ledger_event_t *e)
{
    u_char          text[REFERRAL_LEDGER_TEXT];
    unsigned        i;
    referral_str_t  s;
    referral_buf_t  buf;

    for (i = 0; i < line->line->nkeys; i++) {
        referral_buf_init(&buf, text, sizeof(text));
        referral_ledger_key(&e->x, &line->line->key[i], &buf);

        s.data = text;
        s.len = buf.pos - text;

        if (!referral_ledger_listed(&line->rules->rewards, &line->line->x[i],
                                    &s))
        {
            return 0;
        }
    }

    return 1;
}


/* "k=v&k=v", the values percent-encoded */

static void
referral_ledger_key(const referral_str_t *x, const referral_str_t *key,
    referral_buf_t *out)
{
    u_char  *p, *end, *last, *equals;

    last = x->data + x->len;

    for (p = x->data; p < last; p = end + 1) {
        end = memchr(p, '&', last - p);
        end = end ? end : last;
        equals = memchr(p, '=', end - p);

        if (equals == NULL || (size_t) (equals - p) != key->len
            || memcmp(p, key->data, key->len) != 0)
        {
            continue;
        }

        for (p = equals + 1; p < end; p++) {

            if (*p == '%' && end - p > 2 && referral_ledger_hex(p[1]) >= 0
                && referral_ledger_hex(p[2]) >= 0)
            {
                referral_buf_putc(out, referral_ledger_hex(p[1]) * 16
                                       + referral_ledger_hex(p[2]));
                p += 2;

            } else {
                referral_buf_putc(out, *p);
            }
        }

        return;
    }
}


static int
referral_ledger_hex(u_char c)
{
    return c >= '0' && c <= '9' ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


static int
referral_ledger_fits_times(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e)
{
    int64_t                         since, known;
    const referral_rewards_line_t  *said;

    said = line->line;

    if (!referral_ledger_dated(l, said, referral_ledger_clock(said, e))) {
        return 0;
    }

    if (said->within == 0 && said->months == 0) {
        return 1;
    }

    since = referral_ledger_since(e->friend, &said->since, &known);

    return since >= 0
           && (said->within == 0 || e->at - since <= said->within)
           && (said->months == 0
               || e->at <= referral_ledger_months(l, since, said->months));
}


/* the sign-up is the moment of the friend's first attributed event */

int64_t
referral_ledger_since(const referral_ledger_person_t *friend,
    const referral_str_t *name, int64_t *known)
{
    size_t                          i;
    int64_t                         since;
    const referral_ledger_event_t  *e;

    *known = friend->bound->time;

    if (name->len == 0 || referral_str_is(name, "lead")) {
        return friend->bound->at;
    }

    if (referral_str_is(name, "click")) {
        return friend->bound->click_at;
    }

    since = -1;

    for (i = 0; i < friend->events.n; i++) {
        e = friend->events.item[i];

        if (referral_str_eq(&e->name, name) && (since == -1 || e->at < since))
        {
            since = e->at;
            *known = e->time;
        }
    }

    return since;
}


int64_t
referral_ledger_clock(const referral_rewards_line_t *line,
    const referral_ledger_event_t *e)
{
    if (line->clock == REFERRAL_CLOCK_LEAD) {
        return e->friend->bound->at;
    }

    return line->clock == REFERRAL_CLOCK_ORDER && e->order_at > 0
           ? e->order_at : e->at;
}


/* only these compare units: in another one the line does not fit */

static int
referral_ledger_fits_amounts(const referral_ledger_line_t *line,
    const referral_ledger_event_t *e)
{
    int64_t                         rest;
    const referral_rewards_line_t  *said;

    said = line->line;
    rest = referral_ledger_rest(e);

    if (referral_rewards_given(said, REFERRAL_REWARDS_MIN)
        && (rest < said->min.amount
            || !referral_str_eq(&e->unit, referral_ledger_unit_of(line, min))))
    {
        return 0;
    }

    if (referral_rewards_given(said, REFERRAL_REWARDS_MAX)
        && (rest < 0 || rest > said->max.amount
            || !referral_str_eq(&e->unit, referral_ledger_unit_of(line, max))))
    {
        return 0;
    }

    if (referral_rewards_given(said, REFERRAL_REWARDS_SUM)
        && (rest < 0
            || !referral_str_eq(&e->unit, referral_ledger_unit_of(line, sum))))
    {
        return 0;
    }

    return rest >= 0 || line->rules->rewards.gifts[said->gift].kind
                        != REFERRAL_GIFT_PERCENT;
}


/* several steps are needed: "on=a+b" */

int
referral_ledger_together(const referral_ledger_line_t *line)
{
    unsigned                         i;
    const referral_rewards_value_t  *value;

    value = &line->rules->rewards.values[line->line->on.first];

    for (i = 1; i < line->line->on.n; i++) {
        if (value[i].group == value[i - 1].group) {
            return 1;
        }
    }

    return 0;
}


/*
 * Are all steps of a group there that "by" is one of?  Without it: of any
 * group.
 */

static int
referral_ledger_steps(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_person_t *f,
    const referral_ledger_event_t *by)
{
    size_t                           k;
    unsigned                         i, n, wanted, all;
    const referral_ledger_event_t   *e;
    const referral_rewards_value_t  *value;

    value = &line->rules->rewards.values[line->line->on.first];
    n = line->line->on.n;

    for (i = 0; i < n; /* void */ ) {
        wanted = (by == NULL);
        all = 1;

        do {
            wanted |= by && referral_ledger_is(l, &value[i], by);

            for (k = 0; k < f->events.n; k++) {
                e = f->events.item[k];

                if (referral_ledger_is(l, &value[i], e)
                    && referral_ledger_fits(l, line, e)
                    && referral_ledger_stands(e))
                {
                    break;
                }
            }

            all &= (k < f->events.n);
            i++;

        } while (i < n && value[i].group == value[i - 1].group);

        if (wanted && all) {
            return 1;
        }
    }

    return 0;
}


/* an order counts once, by what is left of it; no more than is needed */

static int64_t
referral_ledger_sum(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_person_t *f)
{
    size_t                          i, k;
    int64_t                         sum;
    const referral_ledger_event_t  *e, *old;

    sum = 0;

    for (i = 0; i < f->events.n; i++) {
        e = f->events.item[i];

        if (!referral_ledger_fits(l, line, e) || !referral_ledger_stands(e)) {
            continue;
        }

        for (k = 0; e->order && k < e->order->events.n; k++) {
            old = e->order->events.item[k];

            if (old == e || (old->friend == f
                             && referral_ledger_fits(l, line, old)))
            {
                break;
            }
        }

        if (e->order && k < e->order->events.n
            && e->order->events.item[k] != e)
        {
            continue;
        }

        if (__builtin_add_overflow(sum, referral_ledger_rest(e), &sum)) {
            return INT64_MAX;
        }

        if (sum >= line->line->sum.amount) {
            break;
        }
    }

    return sum;
}


int
referral_ledger_holds(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e)
{
    return referral_ledger_fits(l, line, e)
           && referral_ledger_stands(e)
           && (!referral_ledger_together(line)
               || referral_ledger_steps(l, line, e->friend, e))
           && (line->line->nth == 0 || referral_ledger_counts(l, line, e))
           && (!referral_rewards_given(line->line, REFERRAL_REWARDS_SUM)
               || referral_ledger_sum(l, line, e->friend)
                  >= line->line->sum.amount);
}


/* is it the n-th of those that stand, in the order of the stream? */

static int
referral_ledger_counts(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e)
{
    size_t                          i;
    uint32_t                        n;
    const referral_ledger_event_t  *one;

    n = 0;

    for (i = 0; i < e->friend->events.n; i++) {
        one = e->friend->events.item[i];

        if (one->position <= e->position
            && referral_ledger_fits(l, line, one)
            && referral_ledger_stands(one)
            && ++n > line->line->nth)
        {
            return 0;
        }
    }

    return n == line->line->nth;
}


/*
 * Does that stand by which the event had qualified?  Of steps and sums other
 * events may carry it; what waits for a rule stands as long as that does.
 */

int
referral_ledger_still(const referral_ledger_t *l,
    const referral_ledger_line_t *line, const referral_ledger_event_t *e)
{
    unsigned                         i, sum;
    const referral_rewards_value_t  *value;

    for (i = 0; i < line->line->on.n; i++) {
        value = &line->rules->rewards.values[line->line->on.first + i];

        if (value->rule) {
            return referral_ledger_has(l, &value->text, e->friend,
                                       referral_ledger_milestone(line) ? NULL
                                                                       : e);
        }
    }

    sum = referral_rewards_given(line->line, REFERRAL_REWARDS_SUM);

    if (!referral_ledger_stands(e) && !sum && !referral_ledger_together(line))
    {
        return 0;
    }

    if (!sum && referral_rewards_given(line->line, REFERRAL_REWARDS_MIN)
        && referral_ledger_rest(e) < line->line->min.amount)
    {
        return 0;
    }

    return (!referral_ledger_together(line)
            || referral_ledger_steps(l, line, e->friend, NULL))
           && (!sum
               || referral_ledger_sum(l, line, e->friend)
                  >= line->line->sum.amount);
}
