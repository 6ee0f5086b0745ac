#include "referral_name.h"
#include "referral_rewards_core.h"


#define REFERRAL_REWARDS_RATE_MAX   (1000 * REFERRAL_REWARDS_PERCENT)
#define REFERRAL_REWARDS_RATE_POINT 4        /* decimals of a percentage */


static int referral_rewards_gift_next(referral_rewards_read_t *r,
    referral_rewards_gift_t **gift);
static int referral_rewards_percent(referral_rewards_read_t *r,
    const referral_str_t *text);
static int referral_rewards_prizes(referral_rewards_read_t *r,
    const referral_str_t *text);
static int referral_rewards_chance(referral_rewards_read_t *r,
    const referral_str_t *text);
static void referral_rewards_units(const referral_rewards_t *rewards,
    referral_buf_t *b);


/* "10.00USD": with exactly as many decimals as the unit has */

int
referral_rewards_amount(referral_rewards_read_t *r,
    referral_rewards_amount_t *amount, const referral_str_t *text)
{
    u_char               names[256];
    size_t               n;
    unsigned             i;
    const char          *err;
    referral_str_t       number, name, right;
    referral_buf_t       b;
    referral_rewards_t  *rewards;

    rewards = r->rewards;

    for (n = 0; n < text->len; n++) {
        if ((text->data[n] < '0' || text->data[n] > '9')
            && text->data[n] != '.')
        {
            break;
        }
    }

    number.data = text->data;
    number.len = n;
    name.data = text->data + n;
    name.len = text->len - n;

    for (i = 0; i < rewards->nunits; i++) {
        if (referral_str_eq(&rewards->units[i].name, &name)) {
            break;
        }
    }

    if (n == 0 || name.len == 0 || i == rewards->nunits) {
        referral_buf_init(&b, names, sizeof(names));
        referral_rewards_units(rewards, &b);

        right.data = names;
        right.len = b.pos - names;

        referral_rewards_wrong(r, "an amount is a number and a unit without a "
                               "space, such as 5.00EUR; the units of this "
                               "text are %V", &right);
        return REFERRAL_ERROR;
    }

    if (referral_unit_amount(&amount->amount, &number,
                             rewards->units[i].decimals, &err)
        != REFERRAL_OK)
    {
        right.data = (u_char *) err;
        right.len = strlen(err);

        referral_rewards_wrong(r, "%V, then %V", &right, &name);
        return REFERRAL_ERROR;
    }

    if (amount->amount == 0) {
        referral_rewards_wrong(r, "an amount above 0");
        return REFERRAL_ERROR;
    }

    amount->unit = i;

    return REFERRAL_OK;
}


static void
referral_rewards_units(const referral_rewards_t *rewards, referral_buf_t *b)
{
    unsigned  i;

    if (rewards->nunits == 0) {
        referral_buf_puts(b, "none: a line unit=EUR/2 names them");
    }

    for (i = 0; i < rewards->nunits; i++) {

        if (i) {
            referral_buf_puts(b, ", ");
        }

        referral_buf_str(b, &rewards->units[i].name);
        referral_buf_putc(b, '/');
        referral_buf_uint(b, rewards->units[i].decimals);
    }
}


/* a number with at most so many decimals, times ten to the power of them */

int
referral_rewards_decimal(uint32_t *n, const referral_str_t *text,
    unsigned decimals, uint32_t max)
{
    u_char          *point;
    int64_t          whole, part;
    referral_str_t   s, fraction;

    s = *text;
    fraction.len = 0;
    fraction.data = NULL;

    point = text->len ? memchr(text->data, '.', text->len) : NULL;

    if (point) {
        s.len = point - text->data;
        fraction.data = point + 1;
        fraction.len = text->data + text->len - fraction.data;

        if (fraction.len == 0 || fraction.len > decimals) {
            return REFERRAL_ERROR;
        }
    }

    whole = referral_str_uint(&s, max);
    part = point ? referral_str_uint(&fraction, max) : 0;

    if (whole < 0 || part < 0) {
        return REFERRAL_ERROR;
    }

    for ( /* void */ ; decimals; decimals--) {
        whole *= 10;

        if (fraction.len) {
            fraction.len--;

        } else {
            part *= 10;
        }
    }

    if (whole + part == 0 || whole + part > max) {
        return REFERRAL_ERROR;
    }

    *n = (uint32_t) (whole + part);

    return REFERRAL_OK;
}


/*
 * A value of "give": an amount, a percentage, prizes to choose from, or a
 * chance of a draw, which begins with "draw:" and goes on in the next values.
 */

int
referral_rewards_gift(referral_rewards_read_t *r, const referral_str_t *text)
{
    int                       draw;
    referral_str_t            s;
    referral_rewards_gift_t  *gift;
    referral_rewards_line_t  *line;

    line = r->line;

    if (r->values == 1) {
        line->gift = r->rewards->ngifts;
    }

    if (text->data[text->len - 1] == '%') {
        return referral_rewards_percent(r, text);
    }

    if (text->len > 6 && memcmp(text->data, "prize:", 6) == 0) {
        s.data = text->data + 6;
        s.len = text->len - 6;

        return referral_rewards_prizes(r, &s);
    }

    draw = (text->len > 5 && memcmp(text->data, "draw:", 5) == 0);

    if (draw && r->values > 1) {
        referral_rewards_wrong(r, "draw: stands once, before its first "
                               "chance: draw:5.00EUR@80,50.00EUR@20");
        return REFERRAL_ERROR;
    }

    if (draw || (r->values > 1 && line->ngifts
                 && r->rewards->gifts[line->gift].kind == REFERRAL_GIFT_DRAW))
    {
        s.data = text->data + 5 * draw;
        s.len = text->len - 5 * draw;

        return referral_rewards_chance(r, &s);
    }

    if (referral_rewards_gift_next(r, &gift) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    return referral_rewards_amount(r, &gift->amount, text);
}


static int
referral_rewards_gift_next(referral_rewards_read_t *r,
    referral_rewards_gift_t **gift)
{
    if (r->rewards->ngifts == REFERRAL_REWARDS_GIFTS) {
        referral_rewards_wrong(r, "at most 512 gifts in a text");
        return REFERRAL_ERROR;
    }

    *gift = &r->rewards->gifts[r->rewards->ngifts++];
    memset(*gift, 0, sizeof(referral_rewards_gift_t));

    r->line->ngifts++;

    return REFERRAL_OK;
}


static int
referral_rewards_percent(referral_rewards_read_t *r,
    const referral_str_t *text)
{
    uint32_t                  rate;
    referral_str_t            number;
    referral_rewards_gift_t  *gift;

    number.data = text->data;
    number.len = text->len - 1;

    if (referral_rewards_decimal(&rate, &number, REFERRAL_REWARDS_RATE_POINT,
                                 REFERRAL_REWARDS_RATE_MAX)
        != REFERRAL_OK)
    {
        referral_rewards_wrong(r, "a percentage above 0, up to 1000, with at "
                               "most 4 decimals, such as 10% or 7.5%");
        return REFERRAL_ERROR;
    }

    if (referral_rewards_gift_next(r, &gift) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    gift->kind = REFERRAL_GIFT_PERCENT;
    gift->rate = rate;

    return REFERRAL_OK;
}


static int
referral_rewards_prizes(referral_rewards_read_t *r, const referral_str_t *text)
{
    u_char                   *p, *last, *bar;
    referral_str_t            name;
    referral_rewards_gift_t  *gift;

    p = text->data;
    last = text->data + text->len;

    for ( ;; ) {
        bar = memchr(p, '|', last - p);

        name.data = p;
        name.len = (bar ? bar : last) - p;

        if (!referral_word_valid(&name)) {
            referral_rewards_wrong(r, "a prize is named with 1 to 32 of a-z "
                                   "0-9 _ . -, several to choose from with | "
                                   "between: prize:wheels|week");
            return REFERRAL_ERROR;
        }

        if (referral_rewards_gift_next(r, &gift) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }

        gift->kind = REFERRAL_GIFT_PRIZE;
        gift->amount.amount = 1;
        gift->amount.unit = REFERRAL_REWARDS_PRIZE;
        gift->prize = name;

        if (bar == NULL) {
            return REFERRAL_OK;
        }

        if (r->line->kind == REFERRAL_REWARDS_CONTEST) {
            referral_rewards_wrong(r, "one prize for each rank: a contest "
                                   "leaves no choice");
            return REFERRAL_ERROR;
        }

        p = bar + 1;
    }
}


/* "5.00EUR@80": 80 of 100 times */

static int
referral_rewards_chance(referral_rewards_read_t *r, const referral_str_t *text)
{
    u_char                   *at;
    int64_t                   weight;
    referral_str_t            s;
    referral_rewards_gift_t  *gift;

    at = text->len ? memchr(text->data, '@', text->len) : NULL;
    weight = -1;

    if (at) {
        s.data = at + 1;
        s.len = text->data + text->len - s.data;
        weight = referral_str_uint(&s, 100);
    }

    if (weight < 1) {
        referral_rewards_wrong(r, "a chance of a draw is an amount, @ and how "
                               "many times of 100: draw:5.00EUR@80,"
                               "50.00EUR@20");
        return REFERRAL_ERROR;
    }

    if (referral_rewards_gift_next(r, &gift) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    gift->kind = REFERRAL_GIFT_DRAW;
    gift->weight = (unsigned) weight;

    s.data = text->data;
    s.len = at - text->data;

    return referral_rewards_amount(r, &gift->amount, &s);
}
