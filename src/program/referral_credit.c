
#include "referral_credit.h"


static void referral_credit_put_word(referral_buf_t *out,
    const referral_str_t *s);
static int referral_credit_compare_text(const referral_str_t *a,
    const referral_str_t *b);


static const referral_fact_text_e
    referral_credit_texts[REFERRAL_CREDIT_WORDS] =
{
    REFERRAL_FACT_T_COUNTRY,
    REFERRAL_FACT_T_CHANNEL,
    REFERRAL_FACT_T_VARIANT,
    REFERRAL_FACT_T_DEVICE,
    REFERRAL_FACT_T_REFERRER_SEGMENT
};


void
referral_credit_of(referral_credit_t *credit, const referral_fact_t *fact,
    const referral_terms_t *terms)
{
    unsigned  i;

    credit->referrer = fact->referrer;
    credit->code = fact->text[REFERRAL_FACT_T_CODE];
    credit->click = referral_terms_moment(terms, fact->click_at);

    for (i = 0; i < REFERRAL_CREDIT_WORDS; i++) {
        credit->word[i] = fact->text[referral_credit_texts[i]];
    }
}


void
referral_credit_put(referral_buf_t *out, const referral_credit_t *credit)
{
    unsigned  i;

    if (credit->referrer) {
        referral_buf_uint(out, credit->referrer);

    } else {
        referral_buf_putc(out, '-');
    }

    referral_buf_putc(out, ',');
    referral_credit_put_word(out, &credit->code);
    referral_buf_putc(out, ',');
    referral_moment_put(out, &credit->click);

    for (i = 0; i < REFERRAL_CREDIT_WORDS; i++) {
        referral_buf_putc(out, ',');
        referral_credit_put_word(out, &credit->word[i]);
    }
}


/* a word that begins with "-" gets another one before it: "-" is none */

static void
referral_credit_put_word(referral_buf_t *out, const referral_str_t *s)
{
    if (s->len == 0 || s->data[0] == '-') {
        referral_buf_putc(out, '-');
    }

    referral_buf_str(out, s);
}


int
referral_credit_parse(referral_credit_t *credit, const referral_str_t *s)
{
    int64_t          n;
    unsigned         i;
    referral_str_t   rest, part, *word;

    rest = *s;

    if (!referral_credit_cut(&rest, ',', &part)) {
        return REFERRAL_ERROR;
    }

    n = 0;

    if (!referral_str_is(&part, "-")) {
        n = referral_str_uint(&part, REFERRAL_FACT_AMOUNT - 1);
    }

    if (n < 0) {
        return REFERRAL_ERROR;
    }

    credit->referrer = n;

    for (i = 0; i < REFERRAL_CREDIT_WORDS + 2; i++) {

        if (!referral_credit_cut(&rest, ',', &part)) {
            return REFERRAL_ERROR;
        }

        if (i == 1) {
            if (referral_moment_parse(&credit->click, &part) != REFERRAL_OK) {
                return REFERRAL_ERROR;
            }

            continue;
        }

        if (part.len && part.data[0] == '-') {
            part.data++;
            part.len--;
        }

        word = i == 0 ? &credit->code : &credit->word[i - 2];
        *word = part;
    }

    return rest.len ? REFERRAL_ERROR : REFERRAL_OK;
}


int
referral_credit_alike(const referral_credit_t *a, const referral_credit_t *b)
{
    return a->referrer == b->referrer && referral_str_eq(&a->code, &b->code);
}


int
referral_credit_compare(const referral_credit_t *a, const referral_credit_t *b)
{
    int       rc;
    unsigned  i;

    if (a->referrer != b->referrer) {
        return a->referrer < b->referrer ? -1 : 1;
    }

    rc = referral_credit_compare_text(&a->code, &b->code);

    for (i = 0; rc == 0 && i < REFERRAL_CREDIT_WORDS; i++) {
        rc = referral_credit_compare_text(&a->word[i], &b->word[i]);
    }

    return rc;
}


static int
referral_credit_compare_text(const referral_str_t *a, const referral_str_t *b)
{
    int     rc;
    size_t  len;

    len = a->len < b->len ? a->len : b->len;
    rc = len ? memcmp(a->data, b->data, len) : 0;

    return rc ? rc : (a->len > b->len) - (a->len < b->len);
}


int
referral_credit_cut(referral_str_t *s, u_char c, referral_str_t *part)
{
    u_char  *p;

    if (s->len == 0) {
        return 0;
    }

    p = memchr(s->data, c, s->len);

    part->data = s->data;
    part->len = p ? (size_t) (p - s->data) : s->len;

    s->data += part->len + (p != NULL);
    s->len -= part->len + (p != NULL);

    return 1;
}
