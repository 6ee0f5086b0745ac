
#include "referral_fact.h"


static int referral_fact_collect(referral_fact_t *fact, const char **why);
static unsigned referral_fact_find(const referral_str_t *name);
static int referral_fact_kind(referral_fact_t *fact, const char **why);
static int referral_fact_event(referral_fact_t *fact, const char **why);
static int referral_fact_numbers(referral_fact_t *fact, const char **why);
static int referral_fact_words(const referral_fact_t *fact, const char **why);
static int referral_fact_needs(const referral_fact_t *fact, const char **why);
static int referral_fact_number(const referral_fact_t *fact,
    referral_fact_text_e text, int64_t max, int64_t *number);
static int referral_fact_flag(const referral_fact_t *fact,
    referral_fact_text_e text, unsigned *flag);
static int referral_fact_word(const referral_str_t *s, size_t max,
    u_char not);


static const referral_str_t  referral_fact_names[REFERRAL_FACT_TEXTS] = {
    referral_string("type"),
    referral_string("event"),
    referral_string("who"),
    referral_string("time"),
    referral_string("at"),
    referral_string("given"),
    referral_string("trust"),
    referral_string("friend"),
    referral_string("order"),
    referral_string("amount"),
    referral_string("unit"),
    referral_string("refunded"),
    referral_string("quantity"),
    referral_string("product"),
    referral_string("role"),
    referral_string("parties"),
    referral_string("segment"),
    referral_string("order_at"),
    referral_string("new"),
    referral_string("via"),
    referral_string("referrer"),
    referral_string("referrer_who"),
    referral_string("code"),
    referral_string("click"),
    referral_string("click_at"),
    referral_string("referrer_segment"),
    referral_string("referrer_state"),
    referral_string("program_state"),
    referral_string("known"),
    referral_string("self"),
    referral_string("first"),
    referral_string("first_at"),
    referral_string("last"),
    referral_string("last_at"),
    referral_string("channel"),
    referral_string("variant"),
    referral_string("device"),
    referral_string("country"),
    referral_string("city"),
    referral_string("place"),
    referral_string("x"),
    referral_string("signals"),
    referral_string("fp"),
    referral_string("version"),
    referral_string("engine"),
    referral_string("text"),
    referral_string("zone"),
    referral_string("transitions"),
    referral_string("window"),
    referral_string("late"),
    referral_string("bind"),
    referral_string("attribution"),
    referral_string("attribution_order"),
    referral_string("state"),
    referral_string("webhooks"),
    referral_string("position"),
    referral_string("reason"),
    referral_string("owner"),
    referral_string("token"),
    referral_string("ttl"),
    referral_string("order_amount"),
    referral_string("least"),
    referral_string("cap"),
    referral_string("reward"),
    referral_string("prize"),
    referral_string("seed"),
    referral_string("item"),
    referral_string("region")
};


static const struct {
    referral_str_t        name;
    referral_fact_type_e  type;
} referral_fact_types[] = {
    { referral_string("lead"), REFERRAL_FACT_LEAD },
    { referral_string("sale"), REFERRAL_FACT_SALE },
    { referral_string("refund"), REFERRAL_FACT_REFUND },
    { referral_string("update"), REFERRAL_FACT_UPDATE },
    { referral_string("cancel"), REFERRAL_FACT_CANCEL },
    { referral_string("rules"), REFERRAL_FACT_RULES },
    { referral_string("skip"), REFERRAL_FACT_SKIP },
    { referral_string("tick"), REFERRAL_FACT_TICK },
    { referral_string("reserve"), REFERRAL_FACT_RESERVE },
    { referral_string("commit"), REFERRAL_FACT_COMMIT },
    { referral_string("release"), REFERRAL_FACT_RELEASE },
    { referral_string("adjust"), REFERRAL_FACT_ADJUST },
    { referral_string("choose"), REFERRAL_FACT_CHOOSE },
    { referral_string("payout"), REFERRAL_FACT_PAYOUT },
    { referral_string("paid"), REFERRAL_FACT_PAID },
    { referral_string("failed"), REFERRAL_FACT_FAILED },
    { referral_string("forget"), REFERRAL_FACT_FORGET },
    { referral_string("approve"), REFERRAL_FACT_APPROVE },
    { referral_string("reject"), REFERRAL_FACT_REJECT }
};


static const referral_str_t  referral_fact_vias[] = {
    referral_string("none"),
    referral_string("bound"),
    referral_string("click"),
    referral_string("cookie"),
    referral_string("code")
};


int
referral_fact_parse(referral_fact_t *fact, uint64_t position,
    const referral_str_t *pair, size_t n, const char **why)
{
    fact->position = position;
    fact->pair = pair;
    fact->npairs = n;

    fact->type = REFERRAL_FACT_NOTHING;
    fact->via = REFERRAL_VIA_NONE;
    fact->at = -1;
    fact->amount = -1;
    fact->refunded = -1;
    fact->click_at = -1;
    fact->customer = 0;
    fact->referrer = 0;
    fact->subject = 0;
    fact->known = 0;
    fact->self = 0;

    memset(fact->text, 0, sizeof(fact->text));

    if (n == 0 || n % 2 || n / 2 > REFERRAL_FACT_PAIRS) {
        *why = "names and values do not go in pairs, or are too many";
        return REFERRAL_ERROR;
    }

    if (referral_fact_collect(fact, why) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    return referral_fact_kind(fact, why);
}


/* entries are written in one order: each name is looked for where it is next */

static int
referral_fact_collect(referral_fact_t *fact, const char **why)
{
    size_t                 i;
    uint64_t               seen[2];
    unsigned               at, next;
    const referral_str_t  *name, *value;

    _Static_assert(REFERRAL_FACT_TEXTS <= 128, "bits of \"seen\"");

    seen[0] = 0;
    seen[1] = 0;
    next = 0;

    for (i = 0; i < fact->npairs; i += 2) {
        name = &fact->pair[i];
        value = &fact->pair[i + 1];

        if (value->len > REFERRAL_FACT_TEXT) {
            *why = "a value is longer than 65536 bytes";
            return REFERRAL_ERROR;
        }

        at = next < REFERRAL_FACT_TEXTS
             && referral_str_eq(name, &referral_fact_names[next])
             ? next : referral_fact_find(name);

        /* a newer version may have more names */

        if (at == REFERRAL_FACT_TEXTS) {
            continue;
        }

        if (seen[at / 64] & (uint64_t) 1 << at % 64) {
            *why = "a name stands twice";
            return REFERRAL_ERROR;
        }

        seen[at / 64] |= (uint64_t) 1 << at % 64;
        fact->text[at] = *value;
        next = at + 1;
    }

    return REFERRAL_OK;
}


static unsigned
referral_fact_find(const referral_str_t *name)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_FACT_TEXTS; i++) {
        if (referral_str_eq(name, &referral_fact_names[i])) {
            break;
        }
    }

    return i;
}


/*
 * What has "trust" came through the intake: an event, whatever its type, and
 * no command.  All else that is not known here is of a newer version.
 */

static int
referral_fact_kind(referral_fact_t *fact, const char **why)
{
    size_t                 i;
    int64_t                n;
    const referral_str_t  *type;

    type = &fact->text[REFERRAL_FACT_T_TYPE];

    for (i = 0; i < type->len; i++) {
        if (!(type->data[i] >= 'a' && type->data[i] <= 'z')
            && !(type->data[i] >= '0' && type->data[i] <= '9')
            && type->data[i] != '_' && type->data[i] != '.')
        {
            break;
        }
    }

    if (type->len == 0 || type->len > REFERRAL_FACT_TYPE || i < type->len) {
        *why = "\"type\" is not 1 to 32 of a-z 0-9 _ .";
        return REFERRAL_ERROR;
    }

    if (referral_fact_number(fact, REFERRAL_FACT_T_TIME, REFERRAL_FACT_AT - 1,
                             &fact->time)
        != REFERRAL_OK || fact->time < 0)
    {
        *why = "\"time\" is no time in milliseconds";
        return REFERRAL_ERROR;
    }

    for (i = 0;
         i < sizeof(referral_fact_types) / sizeof(referral_fact_types[0]);
         i++)
    {
        if (referral_str_eq(type, &referral_fact_types[i].name)) {
            fact->type = referral_fact_types[i].type;
            break;
        }
    }

    if (fact->type == REFERRAL_FACT_RULES || fact->type == REFERRAL_FACT_SKIP) {

        if (referral_fact_number(fact, fact->type == REFERRAL_FACT_RULES
                                       ? REFERRAL_FACT_T_VERSION
                                       : REFERRAL_FACT_T_POSITION,
                                 REFERRAL_FACT_AMOUNT - 1, &n)
            != REFERRAL_OK || n < 1)
        {
            *why = "\"version\" or \"position\" is no number from 1";
            return REFERRAL_ERROR;
        }

        fact->subject = n;

        return REFERRAL_OK;
    }

    if (fact->type == REFERRAL_FACT_NOTHING
        || fact->type > REFERRAL_FACT_SKIP)
    {
        if (fact->text[REFERRAL_FACT_T_TRUST].len == 0) {
            return REFERRAL_OK;
        }

        fact->type = REFERRAL_FACT_STEP;
    }

    return referral_fact_event(fact, why);
}


static int
referral_fact_event(referral_fact_t *fact, const char **why)
{
    unsigned               i;
    const referral_str_t  *via;

    if (referral_fact_numbers(fact, why) != REFERRAL_OK
        || referral_fact_words(fact, why) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    via = &fact->text[REFERRAL_FACT_T_VIA];

    for (i = REFERRAL_VIA_NONE; i <= REFERRAL_VIA_CODE; i++) {
        if (referral_str_eq(via, &referral_fact_vias[i])) {
            break;
        }
    }

    if (i > REFERRAL_VIA_CODE && via->len) {
        *why = "\"via\" is none of none, bound, click, cookie, code";
        return REFERRAL_ERROR;
    }

    fact->via = i > REFERRAL_VIA_CODE ? REFERRAL_VIA_NONE : i;

    if (fact->via != REFERRAL_VIA_NONE
        && (fact->text[REFERRAL_FACT_T_CODE].len == 0 || fact->customer == 0))
    {
        *why = "\"via\" needs \"code\" and \"friend\"";
        return REFERRAL_ERROR;
    }

    /* a code that was typed is its own click */

    if (fact->click_at < 0 && fact->via != REFERRAL_VIA_NONE) {
        fact->click_at = fact->at;
    }

    return referral_fact_needs(fact, why);
}


static int
referral_fact_numbers(referral_fact_t *fact, const char **why)
{
    int64_t   customer, referrer, ignored;
    unsigned  known, self;

    customer = 0;
    referrer = 0;

    if (referral_fact_number(fact, REFERRAL_FACT_T_AT, REFERRAL_FACT_AT - 1,
                             &fact->at)
        != REFERRAL_OK || fact->at < 0
        || referral_fact_number(fact, REFERRAL_FACT_T_CLICK_AT,
                                REFERRAL_FACT_AT - 1, &fact->click_at)
           != REFERRAL_OK
        || referral_fact_number(fact, REFERRAL_FACT_T_ORDER_AT,
                                REFERRAL_FACT_AT - 1, &ignored)
           != REFERRAL_OK)
    {
        *why = "\"at\", \"click_at\" or \"order_at\" is no time in"
               " milliseconds";
        return REFERRAL_ERROR;
    }

    if (referral_fact_number(fact, REFERRAL_FACT_T_AMOUNT,
                             REFERRAL_FACT_AMOUNT - 1, &fact->amount)
        != REFERRAL_OK
        || referral_fact_number(fact, REFERRAL_FACT_T_REFUNDED,
                                REFERRAL_FACT_AMOUNT - 1, &fact->refunded)
           != REFERRAL_OK)
    {
        *why = "\"amount\" or \"refunded\" is no whole number below 2^53";
        return REFERRAL_ERROR;
    }

    if (referral_fact_number(fact, REFERRAL_FACT_T_FRIEND,
                             REFERRAL_FACT_AMOUNT - 1, &customer)
        != REFERRAL_OK
        || referral_fact_number(fact, REFERRAL_FACT_T_REFERRER,
                                REFERRAL_FACT_AMOUNT - 1, &referrer)
           != REFERRAL_OK
        || customer == 0 || referrer == 0)
    {
        *why = "\"friend\" or \"referrer\" is no number of a person";
        return REFERRAL_ERROR;
    }

    fact->customer = customer < 0 ? 0 : customer;
    fact->referrer = referrer < 0 ? 0 : referrer;

    if (referral_fact_flag(fact, REFERRAL_FACT_T_KNOWN, &known) != REFERRAL_OK
        || referral_fact_flag(fact, REFERRAL_FACT_T_SELF, &self)
           != REFERRAL_OK)
    {
        *why = "\"known\" or \"self\" is neither 0 nor 1";
        return REFERRAL_ERROR;
    }

    fact->known = known & 1;
    fact->self = self & 1;

    return REFERRAL_OK;
}


/* what becomes part of a key, a field or a word of a value */

static int
referral_fact_words(const referral_fact_t *fact, const char **why)
{
    size_t                 i;
    const referral_str_t  *unit;

    static const struct {
        size_t                max;
        referral_fact_text_e  text;
        u_char                not;
    } words[] = {
        { REFERRAL_FACT_ID, REFERRAL_FACT_T_ORDER, ' ' },
        { REFERRAL_FACT_ID, REFERRAL_FACT_T_EVENT, ' ' },
        { REFERRAL_FACT_WORD, REFERRAL_FACT_T_CODE, ',' },
        { REFERRAL_FACT_WORD, REFERRAL_FACT_T_CLICK, ',' },
        { REFERRAL_FACT_WORD, REFERRAL_FACT_T_REFERRER_SEGMENT, ',' },
        { REFERRAL_FACT_WORD, REFERRAL_FACT_T_CHANNEL, ',' },
        { REFERRAL_FACT_WORD, REFERRAL_FACT_T_VARIANT, ',' },
        { REFERRAL_FACT_WORD, REFERRAL_FACT_T_DEVICE, ',' },
        { REFERRAL_FACT_WORD, REFERRAL_FACT_T_COUNTRY, ',' }
    };

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!referral_fact_word(&fact->text[words[i].text], words[i].max,
                                words[i].not))
        {
            *why = "an id, a code or a word is too long or has a space, a"
                   " comma or a control character in it";
            return REFERRAL_ERROR;
        }
    }

    unit = &fact->text[REFERRAL_FACT_T_UNIT];

    for (i = 0; i < unit->len; i++) {
        if (!(unit->data[i] >= 'A' && unit->data[i] <= 'Z')
            && !(unit->data[i] >= 'a' && unit->data[i] <= 'z')
            && !(unit->data[i] >= '0' && unit->data[i] <= '9'))
        {
            break;
        }
    }

    if (i < unit->len || unit->len > REFERRAL_FACT_UNIT) {
        *why = "\"unit\" is not at most 8 letters and digits";
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


/* what an event of each type cannot be without */

static int
referral_fact_needs(const referral_fact_t *fact, const char **why)
{
    int  customer, order, money;

    customer = (fact->customer != 0);
    order = (fact->text[REFERRAL_FACT_T_ORDER].len != 0);
    money = ((fact->amount >= 0 || fact->refunded >= 0)
             && fact->text[REFERRAL_FACT_T_UNIT].len != 0);

    switch (fact->type) {

    case REFERRAL_FACT_SALE:

        if (!customer || !order || !money || fact->amount < 0) {
            *why = "a sale needs \"friend\", \"order\", \"amount\" and"
                   " \"unit\"";
            return REFERRAL_ERROR;
        }

        break;

    case REFERRAL_FACT_REFUND:

        if (!order || !money) {
            *why = "a refund needs \"order\", \"unit\" and \"amount\" or"
                   " \"refunded\"";
            return REFERRAL_ERROR;
        }

        break;

    case REFERRAL_FACT_UPDATE:

        if (!order || !money || fact->amount < 0) {
            *why = "an update needs \"order\", \"amount\" and \"unit\"";
            return REFERRAL_ERROR;
        }

        break;

    case REFERRAL_FACT_CANCEL:

        if (!customer && !order) {
            *why = "a cancel needs \"order\" or \"friend\"";
            return REFERRAL_ERROR;
        }

        break;

    default: /* LEAD, STEP */

        if (!customer) {
            *why = "\"friend\" is missing";
            return REFERRAL_ERROR;
        }
    }

    return REFERRAL_OK;
}


/* an empty text leaves -1 */

static int
referral_fact_number(const referral_fact_t *fact, referral_fact_text_e text,
    int64_t max, int64_t *number)
{
    const referral_str_t  *s;

    s = &fact->text[text];
    *number = -1;

    if (s->len == 0) {
        return REFERRAL_OK;
    }

    *number = referral_str_uint(s, max);

    return *number < 0 ? REFERRAL_ERROR : REFERRAL_OK;
}


static int
referral_fact_flag(const referral_fact_t *fact, referral_fact_text_e text,
    unsigned *flag)
{
    const referral_str_t  *s;

    s = &fact->text[text];
    *flag = (s->len == 1 && s->data[0] == '1');

    return s->len == 0 || (s->len == 1 && (*flag || s->data[0] == '0'))
           ? REFERRAL_OK : REFERRAL_ERROR;
}


static int
referral_fact_word(const referral_str_t *s, size_t max, u_char not)
{
    size_t  i;

    if (s->len > max) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        if (s->data[i] <= ' ' || s->data[i] == not || s->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


uint64_t
referral_fact_position(const referral_str_t *id)
{
    int64_t         n;
    referral_str_t  number;

    if (id->len < 3 || id->data[id->len - 1] != '0'
        || id->data[id->len - 2] != '-' || id->data[0] == '0')
    {
        return 0;
    }

    number.data = id->data;
    number.len = id->len - 2;

    n = referral_str_uint(&number, REFERRAL_FACT_AMOUNT - 1);

    return n < 0 ? 0 : n;
}


referral_str_t
referral_fact_name(referral_fact_text_e text)
{
    return referral_fact_names[text];
}
