#include "referral_rewards_core.h"


/* lines of units are read first: amounts may stand before them */

#define REFERRAL_REWARDS_PASS_UNITS  0
#define REFERRAL_REWARDS_PASS_REST   1

#define REFERRAL_REWARDS_REFUNDS     (400 * REFERRAL_DAY_MS)


static void referral_rewards_lines(referral_rewards_read_t *r, int pass);
static void referral_rewards_line(referral_rewards_read_t *r,
    const referral_str_t *text, int pass);
static int referral_rewards_begin(referral_rewards_read_t *r,
    const referral_str_t *word);
static void referral_rewards_word(referral_rewards_read_t *r);
static int referral_rewards_pair(void *data, const referral_pair_t *pair,
    const char **err);
static int referral_rewards_key(referral_rewards_read_t *r,
    const referral_pair_t *pair);
static void referral_rewards_unknown(referral_rewards_read_t *r,
    const referral_str_t *key);
static void referral_rewards_group(referral_rewards_t *rewards);


unsigned
referral_rewards_parse(referral_rewards_t *rewards, const referral_str_t *text,
    referral_rewards_complain_pt complain, void *data)
{
    referral_rewards_read_t  r;

    memset(rewards, 0, sizeof(referral_rewards_t));
    memset(&r, 0, sizeof(referral_rewards_read_t));

    rewards->text = *text;
    rewards->refunds = REFERRAL_REWARDS_REFUNDS;

    r.rewards = rewards;
    r.complain = complain;
    r.data = data;

    if (text->len > REFERRAL_REWARDS_TEXT) {
        referral_rewards_wrong(&r, "a text of at most 16384 bytes");
        return r.mistakes;
    }

    referral_rewards_lines(&r, REFERRAL_REWARDS_PASS_UNITS);
    referral_rewards_lines(&r, REFERRAL_REWARDS_PASS_REST);

    referral_rewards_group(rewards);
    referral_rewards_check(&r);

    if (r.mistakes == 0) {
        referral_rewards_warn(&r);
    }

    return r.mistakes;
}


static void
referral_rewards_lines(referral_rewards_read_t *r, int pass)
{
    u_char          *p, *end, *last;
    referral_str_t   line;

    r->number = 0;

    p = r->rewards->text.data;
    last = p + r->rewards->text.len;

    for ( /* void */ ; p < last; p = end + 1) {
        end = memchr(p, '\n', last - p);

        if (end == NULL) {
            end = last;
        }

        r->number++;

        line.data = p;
        line.len = end - p;

        referral_str_trim(&line);

        if (line.len && line.data[0] != '#') {
            referral_rewards_line(r, &line, pass);
        }
    }
}


static void
referral_rewards_line(referral_rewards_read_t *r, const referral_str_t *text,
    int pass)
{
    int      units;
    size_t   i, n;

    units = (text->len >= 5 && memcmp(text->data, "unit=", 5) == 0);

    if (units != (pass == REFERRAL_REWARDS_PASS_UNITS)) {
        return;
    }

    r->line = NULL;

    for (i = 0; i < text->len; i += n) {

        for (n = 0; i + n < text->len && text->data[i + n] != ' '
                    && text->data[i + n] != '\t'; n++)
        {
            /* void */
        }

        if (n == 0) {
            n = 1;
            continue;
        }

        if (text->data[i] == '#') {
            break;
        }

        r->word.data = text->data + i;
        r->word.len = n;

        r->first = (r->line == NULL);

        if (r->first
            && referral_rewards_begin(r, &r->word) != REFERRAL_OK)
        {
            return;
        }

        referral_rewards_word(r);
    }
}


/* the first word says which kind of line it is */

static int
referral_rewards_begin(referral_rewards_read_t *r, const referral_str_t *word)
{
    size_t               len;
    unsigned             kind;
    referral_rewards_t  *rewards;

    rewards = r->rewards;

    for (len = 0; len < word->len && word->data[len] != '='; len++) {
        /* void */
    }

    for (kind = 0; kind < REFERRAL_REWARDS_KINDS; kind++) {
        if (len == strlen(referral_rewards_kinds[kind])
            && memcmp(word->data, referral_rewards_kinds[kind], len) == 0)
        {
            break;
        }
    }

    if (len == word->len || kind == REFERRAL_REWARDS_KINDS) {
        referral_rewards_wrong(r, len == 6 && memcmp(word->data, "budget", 6)
                                              == 0
            ? "a line \"cap=NAME per=program amount=\" limits what a program "
              "gives"
            : "a line begins with set= unit= rule= cap= boost= tier= badge= "
              "contest= nudge= fraud= item= goal= or step=");
        return REFERRAL_ERROR;
    }

    if (rewards->nlines == REFERRAL_REWARDS_LINES) {
        referral_rewards_wrong(r, "at most 64 lines, blank ones and comments "
                               "not counted");
        return REFERRAL_ERROR;
    }

    r->line = &rewards->lines[rewards->nlines++];
    r->line->kind = kind;
    r->line->number = r->number;
    r->line->least = (kind == REFERRAL_REWARDS_CONTEST);

    if (kind == REFERRAL_REWARDS_BOOST) {
        r->line->to = REFERRAL_TO_BOTH;
    }

    return REFERRAL_OK;
}


static void
referral_rewards_word(referral_rewards_read_t *r)
{
    const char      *err;
    referral_str_t   rest, right;

    r->row = NULL;
    r->values = 0;
    r->skip = 0;
    err = "";

    if (referral_conditions_parse(&r->word, &rest, referral_rewards_pair, r,
                                  &err)
        != REFERRAL_OK)
    {
        right.data = (u_char *) err;
        right.len = strlen(err);

        referral_rewards_wrong(r, "words are key=value[,value]; here stands "
                               "something else: %V", &right);
        return;
    }

    if (rest.len) {
        referral_rewards_wrong(r, "key=value[,value], without a space; a "
                               "comment begins with #");
    }
}


static int
referral_rewards_pair(void *data, const referral_pair_t *pair,
    const char **err)
{
    referral_rewards_read_t  *r = data;

    (void) err;

    if (r->first) {
        referral_rewards_first(r, pair);
        return REFERRAL_OK;
    }

    if (pair->first && referral_rewards_key(r, pair) != REFERRAL_OK) {
        r->skip = 1;
    }

    if (r->row) {
        referral_rewards_value(r, pair);
    }

    return REFERRAL_OK;
}


/* the word of the table that it is */

static int
referral_rewards_key(referral_rewards_read_t *r, const referral_pair_t *pair)
{
    unsigned                       i, word;
    referral_str_t                 key;
    referral_rewards_line_t       *line;
    const referral_rewards_row_t  *row;

    line = r->line;
    row = referral_rewards_row(line->kind, &pair->key);

    if (row == NULL) {
        referral_rewards_unknown(r, &pair->key);
        return REFERRAL_ERROR;
    }

    r->row = row;
    word = row->word;

    if (word == REFERRAL_REWARDS_XKEY) {
        key.data = pair->key.data + 2;
        key.len = pair->key.len - 2;

        for (i = 0; i < line->nkeys; i++) {
            if (referral_str_eq(&line->key[i], &key)) {
                referral_rewards_wrong(r, "a word stands once in a line; its "
                                       "values make one list");
                return REFERRAL_ERROR;
            }
        }

    } else if (referral_rewards_given(line, word)) {
        referral_rewards_wrong(r, "a word stands once in a line; its values "
                               "make one list");
        return REFERRAL_ERROR;
    }

    line->given |= 1ULL << word;
    line->said[word].at = (uint16_t) (r->word.data - r->rewards->text.data);
    line->said[word].len = (uint16_t) r->word.len;

    return REFERRAL_OK;
}


static void
referral_rewards_unknown(referral_rewards_read_t *r, const referral_str_t *key)
{
    u_char                         words[512];
    unsigned                       i;
    referral_str_t                 kind, right;
    referral_buf_t                 b;
    const referral_rewards_row_t  *row;

    if (referral_str_is(key, "zone") || referral_str_is(key, "timezone")
        || referral_str_is(key, "late") || referral_str_is(key, "bind")
        || referral_str_is(key, "window")
        || referral_str_is(key, "attribution"))
    {
        referral_rewards_wrong(r, "it is a field of the program (timezone, "
                               "utc_offset, window, late, bind, "
                               "attribution_order), not of its rules");
        return;
    }

    kind.data = (u_char *) referral_rewards_kinds[r->line->kind];
    kind.len = strlen(referral_rewards_kinds[r->line->kind]);

    referral_buf_init(&b, words, sizeof(words));

    for (i = 0; i < referral_rewards_nrows; i++) {
        row = &referral_rewards_rows[i];

        if (row->kinds & 1U << r->line->kind) {
            referral_buf_putc(&b, ' ');
            referral_buf_put(&b, row->name, strlen(row->name));
        }
    }

    right.data = words;
    right.len = b.pos - words;

    if (right.len == 0) {
        referral_rewards_wrong(r, "nothing stands behind the first word of a "
                               "line %V=", &kind);
        return;
    }

    referral_rewards_wrong(r, "a line %V= takes%V", &kind, &right);
}


/* the lines of one name are one rule */

static void
referral_rewards_group(referral_rewards_t *rewards)
{
    unsigned                  i, n;
    referral_rewards_line_t  *line;
    referral_rewards_rule_t  *rule;

    for (i = 0; i < rewards->nlines; i++) {
        line = &rewards->lines[i];

        if (line->kind != REFERRAL_REWARDS_RULE || line->name.len == 0) {
            continue;
        }

        for (n = 0; n < rewards->nrules; n++) {
            if (referral_str_eq(&rewards->rules[n].name, &line->name)) {
                break;
            }
        }

        rule = &rewards->rules[n];

        if (n == rewards->nrules) {
            rewards->nrules++;
            rule->name = line->name;
        }

        rule->line[rule->n++] = (uint8_t) i;
    }
}
