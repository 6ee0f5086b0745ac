#include "referral_rewards_core.h"


#define R  (1U << REFERRAL_REWARDS_RULE)
#define C  (1U << REFERRAL_REWARDS_CAP)
#define B  (1U << REFERRAL_REWARDS_BOOST)
#define T  (1U << REFERRAL_REWARDS_TIER)
#define G  (1U << REFERRAL_REWARDS_BADGE)
#define K  (1U << REFERRAL_REWARDS_CONTEST)
#define N  (1U << REFERRAL_REWARDS_NUDGE)
#define F  (1U << REFERRAL_REWARDS_FRAUD)
#define I  (1U << REFERRAL_REWARDS_ITEM)
#define O  (1U << REFERRAL_REWARDS_GOAL)
#define S  (1U << REFERRAL_REWARDS_STEP)

#define referral_rewards_def(name, word, kinds, needed, type, field, values,  \
    standard)                                                                 \
    { name, REFERRAL_REWARDS_##word, kinds, needed,                           \
      REFERRAL_REWARDS_T_##type, offsetof(referral_rewards_line_t, field),    \
      values, standard }


static const char *const  referral_rewards_set_values[] = {
    "terms:lead or terms:event", "boosts:max or boosts:multiply",
    "debt:yes or debt:no", "refunds:400d"
};

static const char *const  referral_rewards_set_standard[] = {
    "terms:lead", "boosts:max", "debt:yes", "refunds:400d"
};


/* the names of referral_rewards_kind_e */

const char *const  referral_rewards_kinds[] = {
    "set", "unit", "rule", "cap", "boost", "tier", "badge", "contest", "nudge",
    "fraud", "item", "goal", "step"
};


const char  referral_rewards_signals[] =
    "self|same_email|known|same_device|same_payment|"
    "same_address_browser|same_address|shared_click|fast_lead|fast_sale|"
    "lead_flood|address_flood|hosting|country|disposable|coupon_site|"
    "paid_click|mutual";


/* what a line's first word takes, by referral_rewards_kind_e */

static const char *const  referral_rewards_firsts[] = {
    "", "NAME/DECIMALS, several: EUR/2,pt/0", "a name", "a name", "a name",
    "a name", "a name", "a name", "a name", referral_rewards_signals, "a name",
    "a name", "a name"
};


/* a name that stands twice has two meanings, in other kinds of lines */

const referral_rewards_row_t  referral_rewards_rows[] = {

    referral_rewards_def("on", ON, R, R, ON, on,
        "events; a,b: one of them; a+b: all; rule:NAME", ""),
    referral_rewards_def("on", ON, N, 0, ON, on, "rule:NAME", ""),
    referral_rewards_def("on", ON, S, S, ON, on, "events", ""),
    referral_rewards_def("nth", NTH, R, 0, NUMBER, nth, "1 to 1000000", ""),
    referral_rewards_def("sum", SUM, R, 0, AMOUNT, sum, "an amount", ""),
    referral_rewards_def("friends", FRIENDS, R, 0, RANGE, friends,
        "3, 1-2 or 6-", ""),
    referral_rewards_def("friends", FRIENDS, T|G, T|G, NUMBER, friends.from,
        "1 to 1000000", ""),
    referral_rewards_def("within", WITHIN, R, 0, DURATION, within,
        "a duration", ""),
    referral_rewards_def("since", SINCE, R|N, 0, EVENT, since, "an event",
        "lead"),
    referral_rewards_def("min", MIN, R, 0, AMOUNT, min, "an amount", ""),
    referral_rewards_def("min", MIN, K, 0, NUMBER, least, "1 to 1000000",
        "1"),
    referral_rewards_def("max", MAX, R, 0, AMOUNT, max, "an amount", ""),
    referral_rewards_def("product", PRODUCT, R, 0, WORDS, product, "words",
        ""),
    referral_rewards_def("role", ROLE, R, 0, WORDS, role, "words", ""),
    referral_rewards_def("segment", SEGMENT, R|B, 0, WORDS, segment, "words",
        ""),
    referral_rewards_def("friend", FRIEND, R, 0, WORDS, friend, "words", ""),
    referral_rewards_def("tier", TIERS, R|B, 0, WORDS, tier, "names of tiers",
        ""),
    referral_rewards_def("country", COUNTRY, R, 0, COUNTRY, country,
        "two capitals", ""),
    referral_rewards_def("region", REGION, R, 0, REGION, region,
        "a country and its part", ""),
    referral_rewards_def("city", CITY, R, 0, CITY, city,
        "places, \"_\" for a space", ""),
    referral_rewards_def("channel", CHANNEL, R, 0, WORDS, channel, "words",
        ""),
    referral_rewards_def("variant", VARIANT, R, 0, WORDS, variant, "words",
        ""),
    referral_rewards_def("code", CODE, R, 0, CODE, code, "codes of links", ""),
    referral_rewards_def("party", PARTY, R, 0, PARTY, party,
        "referrer or friend", ""),
    referral_rewards_def("known", KNOWN, R, 0, CHOICE, known, "no|yes", "no"),
    referral_rewards_def("starts", STARTS, R|B|K, 0, STARTS, starts, "a date",
        ""),
    referral_rewards_def("ends", ENDS, R|B|K, 0, ENDS, ends, "a date", ""),
    referral_rewards_def("clock", CLOCK, R|B, 0, CHOICE, clock,
        "event|lead|order", "event"),
    referral_rewards_def("place", PLACE, R, 0, CHOICE, place, "lead|event",
        "lead"),
    referral_rewards_def("x.KEY", XKEY, R, 0, TEXT, x, "texts", ""),

    referral_rewards_def("to", TO, R, R, CHOICE, to, "referrer|friend|both",
        "!"),
    referral_rewards_def("to", TO, B, 0, CHOICE, to, "referrer|friend|both",
        "both"),
    referral_rewards_def("give", GIVE, R, R, GIFT, gift,
        "an amount, 10%, prize:NAME|NAME, draw:AMOUNT@80,AMOUNT@20", ""),
    referral_rewards_def("give", GIVE, K, 0, GIFT, gift,
        "for each rank an amount or prize:NAME", ""),
    referral_rewards_def("upto", UPTO, R, 0, AMOUNT, upto, "an amount", ""),
    referral_rewards_def("hold", HOLD, R, 0, HOLD, hold,
        "a duration or until:EVENT", ""),
    referral_rewards_def("hold", HOLD, K, 0, DURATION, hold, "a duration",
        ""),
    referral_rewards_def("life", LIFE, R|K, 0, DURATION, life, "a duration",
        ""),
    referral_rewards_def("slide", SLIDE, R, 0, CHOICE, slide, "no|yes", "no"),
    referral_rewards_def("use", USE, R, 0, CHOICE, use, "many|once", "many"),
    referral_rewards_def("use_min", USE_MIN, R, 0, AMOUNT, use_min,
        "an amount", ""),
    referral_rewards_def("restore", RESTORE, R, 0, CHOICE, restore, "no|yes",
        "no"),
    referral_rewards_def("choose", CHOOSE, R, 0, DURATION, choose,
        "a duration", ""),
    referral_rewards_def("pay", PAY, R|K, 0, PAY, pay,
        "credit, webhook or code:POOL", "credit"),
    referral_rewards_def("cap", CAPPED, R|K, 0, NAME, cap, "the name of a cap",
        ""),
    referral_rewards_def("over", OVER, R, 0, CHOICE, over, "deny|clip",
        "deny"),
    referral_rewards_def("undo", UNDO, R, 0, CHOICE, undo, "full|share|keep",
        "full"),
    referral_rewards_def("count", COUNT, R, 0, NAME, counter, "a name",
        "the rule"),
    referral_rewards_def("each", EACH, R, 0, CHOICE, each,
        "friend|order|event|referrer", "friend"),
    referral_rewards_def("months", MONTHS, R, 0, NUMBER, months,
        "1 to 1000000", ""),

    referral_rewards_def("per", PER, C, C, CHOICE, per,
        "referrer|friend|program", "!"),
    referral_rewards_def("count", COUNT, C, 0, NUMBER, count, "1 to 1000000",
        ""),
    referral_rewards_def("amount", AMOUNT, C, 0, AMOUNT, limit, "an amount",
        ""),
    referral_rewards_def("every", EVERY, C|T|G, 0, CHOICE, every,
        "ever|year|month|week|day", "ever"),
    referral_rewards_def("every", EVERY, K|O, K|O, CHOICE, every,
        "ever|year|month|week|day", "!"),

    referral_rewards_def("rule", RULES, B, B, WORDS, rules, "names of rules",
        "!"),
    referral_rewards_def("x", X, B, B, FACTOR, factor, "0.001 to 1000", "!"),

    referral_rewards_def("of", OF, T|G|K, T|G|K, NAME, of,
        "the name of a rule", "!"),
    referral_rewards_def("rank", RANK, K, 0, RANGE, rank, "1 or 1-3", ""),
    referral_rewards_def("tie", TIE, K, 0, CHOICE, tie, "first", "first"),
    referral_rewards_def("grace", GRACE, K, 0, DURATION, grace, "a duration",
        ""),

    referral_rewards_def("missing", MISSING, N, N, NAME, missing,
        "the name of a step, of an event or of a rule", "!"),
    referral_rewards_def("after", AFTER, N, N, DURATION, after, "a duration",
        "!"),

    referral_rewards_def("do", DO, F, F, DO, act, "score:N, hold or reject",
        "!"),
    referral_rewards_def("review", REVIEW, F, 0, DURATION, review,
        "a duration", ""),
    referral_rewards_def("then", THEN, F, 0, CHOICE, then, "wait|approve",
        "wait"),

    referral_rewards_def("price", PRICE, I, I, AMOUNT, price, "an amount",
        "!"),
    referral_rewards_def("stock", STOCK, I, 0, NUMBER, stock, "1 to 1000000",
        ""),

    referral_rewards_def("metric", METRIC, O, O, CHOICE, metric,
        "leads|sales|rate", "!"),
    referral_rewards_def("target", TARGET, O, O, NUMBER, target,
        "1 to 1000000", "!")
};

const unsigned  referral_rewards_nrows = sizeof(referral_rewards_rows)
                                         / sizeof(referral_rewards_row_t);


const referral_rewards_row_t *
referral_rewards_row(unsigned kind, const referral_str_t *name)
{
    unsigned                       i;
    const referral_rewards_row_t  *row;

    for (i = 0; i < referral_rewards_nrows; i++) {
        row = &referral_rewards_rows[i];

        if (!(row->kinds & 1U << kind)) {
            continue;
        }

        if (row->word == REFERRAL_REWARDS_XKEY
            ? name->len > 2 && memcmp(name->data, "x.", 2) == 0
            : name->len == strlen(row->name)
              && memcmp(name->data, row->name, name->len) == 0)
        {
            return row;
        }
    }

    return NULL;
}


int
referral_rewards_choice(const char *values, const referral_str_t *s)
{
    int     n;
    size_t  len;

    for (n = 0; *values; n++) {
        len = strcspn(values, "|");

        if (len == s->len && memcmp(values, s->data, len) == 0) {
            return n;
        }

        values += len;
        values += (*values == '|');
    }

    return REFERRAL_ERROR;
}


int
referral_rewards_entry(unsigned n, referral_rewards_entry_t *entry)
{
    unsigned                       kind, i;
    const referral_rewards_row_t  *row;

    for (kind = 0; kind < REFERRAL_REWARDS_KINDS; kind++) {
        entry->kind = referral_rewards_kinds[kind];
        entry->word = entry->kind;
        entry->standard = "";

        if (kind == REFERRAL_REWARDS_SET) {

            if (n < 4) {
                entry->values = referral_rewards_set_values[n];
                entry->standard = referral_rewards_set_standard[n];
                return REFERRAL_OK;
            }

            n -= 4;
            continue;
        }

        if (n-- == 0) {
            entry->values = referral_rewards_firsts[kind];
            entry->standard = "!";
            return REFERRAL_OK;
        }

        for (i = 0; i < referral_rewards_nrows; i++) {
            row = &referral_rewards_rows[i];

            if (row->kinds & 1U << kind && n-- == 0) {
                entry->word = row->name;
                entry->values = row->values;
                entry->standard = row->needed & 1U << kind ? "!"
                                                           : row->standard;
                return REFERRAL_OK;
            }
        }
    }

    return REFERRAL_DECLINED;
}
