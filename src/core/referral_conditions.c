#include "referral_conditions.h"


static int referral_conditions_word(referral_str_t *left, referral_str_t *word);
static size_t referral_conditions_key(const referral_str_t *word);
static int referral_conditions_list(const referral_str_t *word, size_t len,
    referral_pair_pt pair, void *data, const char **err);


int
referral_conditions_parse(const referral_str_t *line, referral_str_t *rest,
    referral_pair_pt pair, void *data, const char **err)
{
    int             rc;
    size_t          i, len;
    referral_str_t  left, word;

    rest->len = 0;
    rest->data = line->data;

    for (i = 0; i < line->len; i++) {
        if ((line->data[i] < ' ' && line->data[i] != '\t')
            || line->data[i] == 0x7f)
        {
            *err = "a control character";
            return REFERRAL_ERROR;
        }
    }

    left = *line;

    while (referral_conditions_word(&left, &word)) {

        if (rest->len) {
            *err = "only the last word may be without \"key=\"; a blank in a "
                   "URL is \"%20\"";
            return REFERRAL_ERROR;
        }

        len = referral_conditions_key(&word);

        if (len == word.len || word.data[len] != '=') {
            *rest = word;
            continue;
        }

        if (len == 0) {
            *err = "nothing stands before \"=\"";
            return REFERRAL_ERROR;
        }

        rc = referral_conditions_list(&word, len, pair, data, err);

        if (rc != REFERRAL_OK) {
            return rc;
        }
    }

    return REFERRAL_OK;
}


/* takes the next word from "left"; 0 at the end of the line or at a comment */

static int
referral_conditions_word(referral_str_t *left, referral_str_t *word)
{
    size_t   n, len;
    u_char  *p;

    p = left->data;
    len = left->len;

    for (n = 0; n < len && (p[n] == ' ' || p[n] == '\t'); n++) { /* void */ }

    p += n;
    len -= n;

    if (len == 0 || *p == '#') {
        return 0;
    }

    for (n = 0; n < len && p[n] != ' ' && p[n] != '\t'; n++) { /* void */ }

    word->data = p;
    word->len = n;

    left->data = p + n;
    left->len = len - n;

    return 1;
}


/* how many bytes at the start of the word may stand in a key */

static size_t
referral_conditions_key(const referral_str_t *word)
{
    size_t  n;
    u_char  c;

    for (n = 0; n < word->len; n++) {
        c = word->data[n];

        if ((c < '0' || c > '9') && (c < 'A' || c > 'Z')
            && (c < 'a' || c > 'z') && c != '_' && c != '.' && c != '-')
        {
            break;
        }
    }

    return n;
}


static int
referral_conditions_list(const referral_str_t *word, size_t len,
    referral_pair_pt pair, void *data, const char **err)
{
    int              rc;
    u_char          *p, *last, *comma;
    referral_pair_t  v;

    v.key.data = word->data;
    v.key.len = len;
    v.first = 1;

    p = word->data + len + 1;
    last = word->data + word->len;

    for ( ;; ) {
        comma = memchr(p, ',', last - p);

        if (comma == NULL) {
            comma = last;
        }

        v.negated = (p < comma && *p == '!');
        p += v.negated;

        if (p == comma) {
            *err = "an empty value";
            return REFERRAL_ERROR;
        }

        v.value.data = p;
        v.value.len = comma - p;

        rc = pair(data, &v, err);

        if (rc != REFERRAL_OK || comma == last) {
            return rc;
        }

        v.first = 0;
        p = comma + 1;
    }
}
