
#include "referral_ledger_core.h"


static referral_ledger_counter_t *referral_ledger_counter(
    referral_ledger_t *l, const referral_rewards_line_t *line,
    uint64_t referrer);
static void referral_ledger_count_by(referral_ledger_t *l,
    referral_ledger_ordinal_t *one, const referral_ledger_line_t *line,
    referral_ledger_event_t *e);
static uint32_t referral_ledger_counted(const referral_ledger_t *l,
    referral_ledger_counter_t *counter);
static int referral_ledger_ordinal_counts(const referral_ledger_t *l,
    const referral_ledger_ordinal_t *one);


/*
 * The number of a friend, or of an order, under the referrer's counter: given
 * once, whether something is paid or not.
 */

int
referral_ledger_numbered(referral_ledger_t *l,
    const referral_ledger_line_t *line, referral_ledger_event_t *e)
{
    const referral_rewards_line_t  *said;
    referral_ledger_counter_t      *counter;
    referral_ledger_ordinal_t      *one, **first;

    said = line->line;
    counter = referral_ledger_counter(l, said, e->friend->bound->referrer);

    first = said->each != REFERRAL_EACH_ORDER ? &e->friend->ordinals
            : e->order ? &e->order->ordinals : &counter->orderless;

    for (one = *first; one; one = one->next) {
        if (one->counter == counter) {
            break;
        }
    }

    if (one == NULL) {
        one = referral_ledger_alloc(l, sizeof(referral_ledger_ordinal_t));

        if (l->failed) {
            return 0;
        }

        one->counter = counter;
        one->number = 1 + referral_ledger_counted(l, counter);
        one->next = *first;
        *first = one;

        referral_ledger_push(l, &counter->ordinals, one);
        referral_ledger_count_by(l, one, line, e);

    } else if (!referral_ledger_ordinal_counts(l, one)) {
        referral_ledger_count_by(l, one, line, e);
    }

    return said->friends.from <= one->number
           && (said->friends.to == 0 || one->number <= said->friends.to);
}


/* it counts by its event, which may be another one than before */

static void
referral_ledger_count_by(referral_ledger_t *l, referral_ledger_ordinal_t *one,
    const referral_ledger_line_t *line, referral_ledger_event_t *e)
{
    referral_ledger_ordinal_t  **p;

    if (one->event) {
        for (p = &one->event->ordinals; *p != one; p = &(*p)->beside) {
            /* void */
        }

        *p = one->beside;
    }

    one->line = *line;
    one->event = e;
    one->beside = e->ordinals;
    e->ordinals = one;

    if (referral_ledger_depends(line)) {
        referral_ledger_push(l, &e->friend->numbers, one);
    }

    referral_ledger_doubt_ordinal(l, one);
}


static referral_ledger_counter_t *
referral_ledger_counter(referral_ledger_t *l,
    const referral_rewards_line_t *line, uint64_t referrer)
{
    u_char                 name[sizeof(uint64_t) + 256];
    referral_buf_t         buf;
    const referral_str_t  *text;

    text = line->counter.len ? &line->counter : &line->name;

    referral_buf_init(&buf, name, sizeof(name));
    referral_buf_put(&buf, &referrer, sizeof(uint64_t));
    referral_buf_str(&buf, text);

    return referral_ledger_find(l, REFERRAL_LEDGER_COUNTER, name,
                                buf.pos - name,
                                sizeof(referral_ledger_counter_t));
}


/* asks only of what may have changed; of all if there are new rules */

static uint32_t
referral_ledger_counted(const referral_ledger_t *l,
    referral_ledger_counter_t *counter)
{
    size_t                      i;
    referral_ledger_list_t     *ask;
    referral_ledger_ordinal_t  *one;

    ask = counter->versions == l->versions.n ? &counter->doubtful
                                             : &counter->ordinals;
    counter->versions = l->versions.n;

    for (i = 0; i < ask->n; i++) {
        one = ask->item[i];

        counter->n -= one->counts;
        one->counts = referral_ledger_ordinal_counts(l, one);
        one->doubtful = 0;
        counter->n += one->counts;
    }

    counter->doubtful.n = 0;

    return counter->n;
}


/* does the friend, or the order, stand? */

static int
referral_ledger_ordinal_counts(const referral_ledger_t *l,
    const referral_ledger_ordinal_t *one)
{
    const referral_ledger_event_t  *e;

    e = one->event;

    return referral_ledger_eligible(l, e, one->line.line)
           && referral_ledger_still(l, &one->line, e)
           && e->friend->closed < e->position;
}


int
referral_ledger_reached(referral_ledger_t *l, const referral_reward_t *r)
{
    uint32_t                        n;
    const referral_rewards_line_t  *line;

    line = r->asked.line;

    if (line->friends.from == 0 && line->each != REFERRAL_EACH_REFERRER) {
        return referral_ledger_still(l, &r->asked, r->event);
    }

    n = referral_ledger_counted(l, referral_ledger_counter(l, line,
                                    r->event->friend->bound->referrer));

    return n >= (line->friends.from ? line->friends.from : 1);
}
