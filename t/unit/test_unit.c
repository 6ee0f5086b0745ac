/* link: referral_unit.c referral_str.c */

/* protects: that an amount means what was written, in each currency */

#include "referral_unit.h"
#include "unit.h"


static referral_str_t
text(const char *s)
{
    referral_str_t  t;

    t.data = (u_char *) s;
    t.len = strlen(s);

    return t;
}


static int
iso(const char *name)
{
    referral_str_t  s;

    s = text(name);

    return referral_unit_iso(&s);
}


static int
valid(const char *name)
{
    int             rc;
    referral_str_t  s;

    s = text(name);
    rc = referral_unit_valid(&s);

    if (!rc && strlen(referral_unit_wrong(&s)) < 10) {
        return -1;
    }

    return rc;
}


static void
test_iso(void)
{
    unsigned             i, good;
    static const char   *none[] = { "BIF", "CLP", "DJF", "GNF", "ISK", "JPY",
                                    "KMF", "KRW", "PYG", "RWF", "UGX", "UYI",
                                    "VND", "VUV", "XAF", "XOF", "XPF", NULL };
    static const char   *three[] = { "BHD", "IQD", "JOD", "KWD", "LYD", "OMR",
                                     "TND", NULL };

    good = 1;

    for (i = 0; none[i]; i++) {
        good &= iso(none[i]) == 0;
    }

    ok(good, "currencies without decimals");

    good = 1;

    for (i = 0; three[i]; i++) {
        good &= iso(three[i]) == 3;
    }

    ok(good, "currencies with three");
    ok(iso("CLF") == 4 && iso("UYW") == 4, "with four");
    ok(iso("AED") == 2 && iso("EUR") == 2 && iso("USD") == 2
       && iso("ZWL") == 2 && iso("MGA") == 2, "with two, from end to end");
    ok(iso("XAU") == REFERRAL_ERROR && iso("XXX") == REFERRAL_ERROR
       && iso("XTS") == REFERRAL_ERROR, "gold and the like have none");
    ok(iso("UDS") == REFERRAL_DECLINED && iso("eur") == REFERRAL_DECLINED
       && iso("AAA") == REFERRAL_DECLINED && iso("ZZZ") == REFERRAL_DECLINED
       && iso("EURO") == REFERRAL_DECLINED && iso("EU") == REFERRAL_DECLINED
       && iso("") == REFERRAL_DECLINED, "what is no code");
}


static void
test_valid(void)
{
    ok(valid("EUR") == 1 && valid("JPY") == 1, "currencies");
    ok(valid("MB") == 1 && valid("pt") == 1 && valid("pts") == 1
       && valid("Miles") == 1 && valid("points12") == 1, "own units");
    ok(valid("eur") == 0 && valid("Eur") == 0 && valid("uSD") == 0,
       "a currency in small letters is a mistake, not a unit of its own");
    ok(valid("UDS") == 0 && valid("XAU") == 0 && valid("xau") == 0,
       "three capitals that are no currency, and gold");
    ok(valid("") == 0 && valid("E") == 0 && valid("2pt") == 0
       && valid("points123") == 0 && valid("p-t") == 0 && valid("p t") == 0
       && valid("\xc3\xa4\xc3\xb6") == 0, "what is no name");
}


/* 1: so; 0: refused, with words */

static int
parse(const char *s, const char *name, int decimals)
{
    int               rc;
    const char       *err;
    referral_str_t    t, n;
    referral_unit_t   unit;

    t = text(s);
    n = text(name);
    err = NULL;

    rc = referral_unit_parse(&unit, &t, &err);

    if (rc != REFERRAL_OK) {
        return err == NULL ? -2 : 0;
    }

    return referral_str_eq(&unit.name, &n) && unit.decimals == decimals
           ? 1 : -3;
}


static void
test_parse(void)
{
    ok(parse("EUR/2", "EUR", 2) == 1 && parse("JPY/0", "JPY", 0) == 1
       && parse("MB/0", "MB", 0) == 1 && parse("kWh/4", "kWh", 4) == 1,
       "a unit and its decimals");
    ok(parse("EUR/0", "", 0) == 0 && parse("JPY/2", "", 0) == 0
       && parse("KWD/2", "", 0) == 0, "a currency's are those of ISO 4217");
    ok(parse("EUR", "", 0) == 0 && parse("", "", 0) == 0
       && parse("/2", "", 0) == 0 && parse("MB/", "", 0) == 0
       && parse("MB/5", "", 0) == 0 && parse("MB/12", "", 0) == 0
       && parse("MB/-1", "", 0) == 0 && parse("UDS/2", "", 0) == 0
       && parse("M/2/2", "", 0) == 0, "mistakes, each with words");
}


static int
amount(const char *s, unsigned decimals, int64_t n)
{
    int64_t          got;
    const char      *err;
    referral_str_t   t;

    t = text(s);
    err = NULL;

    if (referral_unit_amount(&got, &t, decimals, &err) != REFERRAL_OK) {
        return err == NULL ? -2 : 0;
    }

    return got == n ? 1 : -3;
}


static int
shown(int64_t n, unsigned decimals, const char *s)
{
    u_char          out[REFERRAL_AMOUNT_LEN];
    referral_buf_t  b;

    referral_buf_init(&b, out, sizeof(out));
    referral_unit_put_amount(&b, n, decimals);

    return !b.overflow && (size_t) (b.pos - out) == strlen(s)
           && memcmp(out, s, strlen(s)) == 0;
}


static void
test_amount(void)
{
    ok(amount("12.34", 2, 1234) == 1 && amount("0.05", 2, 5) == 1
       && amount("5", 0, 5) == 1 && amount("1.234", 3, 1234) == 1
       && amount("0.00", 2, 0) == 1, "amounts with just their decimals");
    ok(amount("5", 2, 0) == 0 && amount("5.0", 2, 0) == 0
       && amount("5.000", 2, 0) == 0 && amount("5.00", 0, 0) == 0
       && amount("5.", 0, 0) == 0 && amount("5.", 2, 0) == 0
       && amount(".50", 2, 0) == 0, "others are refused: a factor of 100 is "
       "not guessed");
    ok(amount("", 2, 0) == 0 && amount("-1.00", 2, 0) == 0
       && amount("+1.00", 2, 0) == 0 && amount("1,00", 2, 0) == 0
       && amount("1e2", 0, 0) == 0 && amount(" 1.00", 2, 0) == 0
       && amount("1.0 ", 2, 0) == 0 && amount("1.-1", 2, 0) == 0,
       "what is no number");
    ok(amount("9007199254740991", 0, REFERRAL_AMOUNT_MAX) == 1
       && amount("90071992547409.91", 2, REFERRAL_AMOUNT_MAX) == 1
       && amount("9007199254740992", 0, 0) == 0
       && amount("90071992547409.92", 2, 0) == 0
       && amount("99999999999999999999", 2, 0) == 0, "2^53 - 1 is the most");

    ok(shown(1234, 2, "12.34") && shown(5, 2, "0.05") && shown(0, 0, "0")
       && shown(1234, 0, "1234") && shown(1, 4, "0.0001"), "the other way");
    ok(shown(-5, 2, "-0.05") && shown(-1234, 3, "-1.234")
       && shown(INT64_MIN, 0, "-9223372036854775808")
       && shown(INT64_MIN, 4, "-922337203685477.5808"), "below zero");
}


int
main(void)
{
    test_iso();
    test_valid();
    test_parse();
    test_amount();

    return unit_done();
}
