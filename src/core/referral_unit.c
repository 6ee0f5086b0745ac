
#include "referral_unit.h"
#include "referral_unit_table.h"


#define REFERRAL_UNIT_ISO    3        /* bytes of a currency's code */
#define REFERRAL_UNIT_ENTRY  4        /* of the table: code, decimals */
#define REFERRAL_UNIT_ALL    ((sizeof(referral_units) - 1)                    \
                              / REFERRAL_UNIT_ENTRY)


static int referral_unit_name(const referral_str_t *name);
static int referral_unit_upper(const referral_str_t *name);
static int referral_unit_meant(const referral_str_t *name);


int
referral_unit_iso(const referral_str_t *name)
{
    int          rc;
    size_t       low, high, middle;
    const char  *entry;

    if (name->len != REFERRAL_UNIT_ISO) {
        return REFERRAL_DECLINED;
    }

    low = 0;
    high = REFERRAL_UNIT_ALL;

    while (low < high) {
        middle = (low + high) / 2;
        entry = &referral_units[middle * REFERRAL_UNIT_ENTRY];

        rc = memcmp(name->data, entry, REFERRAL_UNIT_ISO);

        if (rc == 0) {
            return entry[REFERRAL_UNIT_ISO] == '-'
                   ? REFERRAL_ERROR : entry[REFERRAL_UNIT_ISO] - '0';
        }

        if (rc < 0) {
            high = middle;

        } else {
            low = middle + 1;
        }
    }

    return REFERRAL_DECLINED;
}


int
referral_unit_valid(const referral_str_t *name)
{
    if (!referral_unit_name(name)) {
        return 0;
    }

    return referral_unit_meant(name) == REFERRAL_DECLINED
           || referral_unit_iso(name) >= 0;
}


const char *
referral_unit_wrong(const referral_str_t *name)
{
    if (!referral_unit_name(name)) {
        return "a currency of ISO 4217 such as \"EUR\", or a unit of the "
               "program's own: a letter, then 1 to 7 letters and digits";
    }

    if (referral_unit_iso(name) == REFERRAL_ERROR) {
        return "it has no minor unit, so nothing can be paid in it";
    }

    if (referral_unit_upper(name)) {
        return "three capitals are a currency, and ISO 4217 has none of that "
               "code";
    }

    return "a currency is written in capitals, such as \"EUR\"";
}


/* [A-Za-z][A-Za-z0-9]{1,7} */

static int
referral_unit_name(const referral_str_t *name)
{
    u_char  c;
    size_t  i;

    if (name->len < 2 || name->len > REFERRAL_UNIT_MAX) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (c >= '0' && c <= '9' && i) {
            continue;
        }

        c |= 0x20;

        if (c < 'a' || c > 'z') {
            return 0;
        }
    }

    return 1;
}


static int
referral_unit_upper(const referral_str_t *name)
{
    size_t  i;

    for (i = 0; i < name->len; i++) {
        if (name->data[i] < 'A' || name->data[i] > 'Z') {
            return 0;
        }
    }

    return name->len == REFERRAL_UNIT_ISO;
}


/* its decimals where a currency is meant, well written or not */

static int
referral_unit_meant(const referral_str_t *name)
{
    u_char          upper[REFERRAL_UNIT_ISO];
    size_t          i;
    referral_str_t  code;

    if (name->len != REFERRAL_UNIT_ISO) {
        return REFERRAL_DECLINED;
    }

    if (referral_unit_upper(name)) {
        return REFERRAL_ERROR;
    }

    for (i = 0; i < REFERRAL_UNIT_ISO; i++) {
        upper[i] = name->data[i];

        if (upper[i] >= 'a' && upper[i] <= 'z') {
            upper[i] &= ~0x20;
        }
    }

    code.data = upper;
    code.len = REFERRAL_UNIT_ISO;

    return referral_unit_iso(&code);
}


int
referral_unit_parse(referral_unit_t *unit, const referral_str_t *text,
    const char **err)
{
    int      decimals, iso;
    u_char  *slash;

    slash = text->len ? memchr(text->data, '/', text->len) : NULL;

    if (slash == NULL || text->data + text->len - slash != 2
        || slash[1] < '0' || slash[1] > '0' + REFERRAL_UNIT_DECIMALS)
    {
        *err = "a unit is its name, \"/\" and how many decimals it has, 0 to "
               "4, such as \"EUR/2\" or \"MB/0\"";
        return REFERRAL_ERROR;
    }

    decimals = slash[1] - '0';

    unit->name.data = text->data;
    unit->name.len = slash - text->data;
    unit->decimals = (uint8_t) decimals;

    if (!referral_unit_valid(&unit->name)) {
        *err = referral_unit_wrong(&unit->name);
        return REFERRAL_ERROR;
    }

    iso = referral_unit_iso(&unit->name);

    if (iso >= 0 && iso != decimals) {
        *err = "a currency has as many decimals as ISO 4217 says: \"EUR/2\", "
               "\"JPY/0\", \"KWD/3\"";
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


int
referral_unit_amount(int64_t *amount, const referral_str_t *text,
    unsigned decimals, const char **err)
{
    u_char          *point;
    int64_t          n, part, scale;
    unsigned         i;
    referral_str_t   whole, fraction;

    static const char  *wrong[REFERRAL_UNIT_DECIMALS + 1] = {
        "an amount of this unit is like \"5\"",
        "an amount of this unit is like \"5.0\"",
        "an amount of this unit is like \"5.00\"",
        "an amount of this unit is like \"5.000\"",
        "an amount of this unit is like \"5.0000\""
    };

    whole = *text;
    fraction.len = 0;
    fraction.data = NULL;

    point = text->len ? memchr(text->data, '.', text->len) : NULL;

    if (point != NULL) {
        whole.len = point - text->data;
        fraction.data = point + 1;
        fraction.len = text->data + text->len - fraction.data;
    }

    scale = 1;

    for (i = 0; i < decimals; i++) {
        scale *= 10;
    }

    n = referral_str_uint(&whole, REFERRAL_AMOUNT_MAX / scale);
    part = decimals ? referral_str_uint(&fraction, scale - 1) : 0;

    if (n < 0 || part < 0 || fraction.len != decimals
        || (point != NULL && decimals == 0)
        || n * scale + part > REFERRAL_AMOUNT_MAX)
    {
        *err = decimals <= REFERRAL_UNIT_DECIMALS ? wrong[decimals] : wrong[0];
        return REFERRAL_ERROR;
    }

    *amount = n * scale + part;

    return REFERRAL_OK;
}


void
referral_unit_put_amount(referral_buf_t *b, int64_t amount, unsigned decimals)
{
    u_char    digits[REFERRAL_UNIT_DECIMALS];
    uint64_t  n;
    unsigned  i;

    n = amount < 0 ? - (uint64_t) amount : (uint64_t) amount;

    if (decimals > REFERRAL_UNIT_DECIMALS) {
        b->overflow = 1;
        return;
    }

    for (i = decimals; i; i--) {
        digits[i - 1] = (u_char) (n % 10 + '0');
        n /= 10;
    }

    if (amount < 0) {
        referral_buf_putc(b, '-');
    }

    referral_buf_uint(b, n);

    if (decimals) {
        referral_buf_putc(b, '.');
        referral_buf_put(b, digits, decimals);
    }
}
