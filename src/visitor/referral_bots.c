
#include <stdlib.h>

#include "referral_bots.h"
#include "referral_automaton.h"
#include "referral_bots_list.h"


/* marks of the bytes of a User-Agent */

#define REFERRAL_BOTS_IN_NAME    1
#define REFERRAL_BOTS_IN_PERSON  2
#define REFERRAL_BOTS_COVERED                                                 \
    (REFERRAL_BOTS_IN_NAME | REFERRAL_BOTS_IN_PERSON)


#define referral_bots_bit(word)                                               \
    ((uint64_t) 1 << ((word)->class - REFERRAL_BOTS_TRAIT))


/*
 * The number of a word is its index in "word", of which [0] is not used.
 * Words point into "text", a copy of the list.
 */

struct referral_bots_s {
    referral_automaton_t    *words;
    referral_bots_word_t    *word;
    unsigned                 n;          /* words of the list, with [0] */
    unsigned                 all;        /* the same with the words of
                                            traits */
    u_char                  *text;
};


static int referral_bots_parse(referral_bots_t *bots,
    const referral_bots_trait_t *traits, size_t len,
    referral_bots_error_t *error);
static const char *referral_bots_line(referral_bots_word_t *word,
    referral_str_t line);
static void referral_bots_add_traits(referral_bots_t *bots,
    const referral_bots_trait_t *traits);
static unsigned referral_bots_twice(const referral_bots_t *bots,
    unsigned *other);
static int referral_bots_order(const void *one, const void *two);
static int referral_bots_compile(referral_bots_t *bots);
static void referral_bots_again(referral_bots_found_t *found,
    const referral_bots_t *bots, const referral_str_t *ua);
static void referral_bots_person(referral_bots_found_t *found,
    const referral_bots_word_t *word, const referral_automaton_match_t *match,
    u_char *covered);
static int referral_bots_bare(const u_char *covered,
    const referral_automaton_match_t *match, u_char of);
static size_t referral_bots_names(u_char *covered, const referral_str_t *ua);
static size_t referral_bots_model(u_char *covered, const referral_str_t *ua,
    size_t start, size_t end);
static size_t referral_bots_fields(u_char *covered, const referral_str_t *ua);
static size_t referral_bots_close(const referral_str_t *ua, size_t start);
static size_t referral_bots_cover(u_char *covered, const referral_str_t *ua,
    size_t start, size_t end);
static int referral_bots_system(const u_char *data, size_t len);
static int referral_bots_language(const u_char *data, size_t len);
static int referral_bots_begins(const u_char *data, size_t len,
    const char *text);
static int referral_bots_has(const u_char *data, size_t len,
    const char *text);


referral_bots_t *
referral_bots_create(const referral_str_t *list,
    const referral_bots_trait_t *traits, referral_bots_error_t *error)
{
    referral_str_t    s;
    referral_bots_t  *bots;

    memset(error, 0, sizeof(referral_bots_error_t));

    if (list) {
        s = *list;

    } else {
        s.data = (u_char *) referral_bots_list;
        s.len = sizeof(referral_bots_list) - 1;
    }

    if (s.len > REFERRAL_BOTS_LIST_MAX) {
        error->what = "the list is longer than 1 megabyte";
        return NULL;
    }

    error->what = "no memory";

    bots = calloc(1, sizeof(referral_bots_t));
    if (bots == NULL) {
        return NULL;
    }

    bots->text = malloc(s.len + 1);
    if (bots->text == NULL) {
        free(bots);
        return NULL;
    }

    if (s.len) {
        memcpy(bots->text, s.data, s.len);
    }

    if (referral_bots_parse(bots, traits, s.len, error) != REFERRAL_OK) {
        referral_bots_free(bots);
        return NULL;
    }

    if (referral_bots_compile(bots) != REFERRAL_OK) {
        error->what = "the words need more than 4 megabytes of memory: name "
                      "fewer, or shorter ones";
        referral_bots_free(bots);
        return NULL;
    }

    return bots;
}


void
referral_bots_free(referral_bots_t *bots)
{
    if (bots->words) {
        referral_automaton_free(bots->words);
    }

    free(bots->word);
    free(bots->text);
    free(bots);
}


static int
referral_bots_parse(referral_bots_t *bots,
    const referral_bots_trait_t *traits, size_t len,
    referral_bots_error_t *error)
{
    u_char                *p, *end, *next;
    unsigned               n, lines, line;
    const char            *what;
    referral_str_t         s;
    referral_bots_word_t   word;

    p = bots->text;
    end = p + len;

    for (lines = 1, next = p; next != end; next++) {
        lines += (*next == '\n');
    }

    for (n = 0; traits[n].text; n++) { /* void */ }

    bots->word = calloc(1 + lines + n, sizeof(referral_bots_word_t));
    if (bots->word == NULL) {
        return REFERRAL_ERROR;
    }

    bots->n = 1;

    for (line = 1; p != end; line++, p = next) {

        next = memchr(p, '\n', end - p);

        s.data = p;
        s.len = (next ? next : end) - p;

        next = next ? next + 1 : end;

        referral_str_trim(&s);

        if (s.len == 0 || s.data[0] == '#') {
            continue;
        }

        error->line = line;

        what = referral_bots_line(&word, s);

        if (what) {
            error->what = what;
            return REFERRAL_ERROR;
        }

        if (bots->n > REFERRAL_AUTOMATON_MAX - n) {
            error->what = "too many words: at most 16 thousand";
            return REFERRAL_ERROR;
        }

        word.line = line;
        bots->word[bots->n++] = word;
    }

    line = referral_bots_twice(bots, &error->other);

    if (line) {
        error->line = line;
        error->what = "this word stands in the list twice";
        return REFERRAL_ERROR;
    }

    error->line = 0;

    if (bots->n == 1) {
        error->what = "there is no word in the list; a line is a class and a "
                      "word, like \"bot googlebot\"";
        return REFERRAL_ERROR;
    }

    referral_bots_add_traits(bots, traits);

    return REFERRAL_OK;
}


/* reads "CLASS WORD"; NULL: right, else what is wrong */

static const char *
referral_bots_line(referral_bots_word_t *word, referral_str_t line)
{
    size_t          i;
    referral_str_t  class, *text;

    for (i = 0; i < line.len; i++) {

        if (line.data[i] == '\t') {
            line.data[i] = ' ';
        }

        if (line.data[i] < 0x20 || line.data[i] > 0x7e) {
            return "only printable ASCII characters may stand in a list";
        }
    }

    referral_str_lower(&line);

    for (i = 0; i < line.len && line.data[i] != ' '; i++) { /* void */ }

    class.data = line.data;
    class.len = i;

    if (referral_str_is(&class, "bot")) {
        word->class = REFERRAL_BOTS_BOT;

    } else if (referral_str_is(&class, "preview")) {
        word->class = REFERRAL_BOTS_PREVIEW;

    } else if (referral_str_is(&class, "person")) {
        word->class = REFERRAL_BOTS_PERSON;

    } else {
        return "a line begins with \"bot\", \"preview\" or \"person\", and a "
               "word follows; a comment begins with \"#\"";
    }

    text = &word->text;

    text->data = line.data + i;
    text->len = line.len - i;

    referral_str_trim(text);

    word->flags = 0;

    if (text->len && (text->data[0] == '^' || text->data[0] == '|')) {
        word->flags |= text->data[0] == '^' ? REFERRAL_WORD_START
                                            : REFERRAL_WORD_LEFT;
        text->data++;
        text->len--;
    }

    if (text->len && (text->data[text->len - 1] == '$'
                      || text->data[text->len - 1] == '|'))
    {
        word->flags |= text->data[text->len - 1] == '$' ? REFERRAL_WORD_END
                                                        : REFERRAL_WORD_RIGHT;
        text->len--;
    }

    if (text->len < 2) {
        return "a word has at least 2 characters, without \"^\", \"$\" and "
               "\"|\" at its ends";
    }

    if (text->len > REFERRAL_WORD_MAX) {
        return "a word has at most 64 characters";
    }

    if (memchr(text->data, '^', text->len)
        || memchr(text->data, '$', text->len)
        || memchr(text->data, '|', text->len))
    {
        return "\"^\" stands only before a word, \"$\" only behind it, \"|\" "
               "only at its ends";
    }

    return NULL;
}


static void
referral_bots_add_traits(referral_bots_t *bots,
    const referral_bots_trait_t *traits)
{
    referral_bots_word_t  *word;

    bots->all = bots->n;

    for ( /* void */ ; traits->text; traits++) {
        word = &bots->word[bots->all++];

        word->text.data = (u_char *) traits->text;
        word->text.len = strlen(traits->text);
        word->flags = traits->flags;
        word->class = REFERRAL_BOTS_TRAIT + traits->trait;
    }
}


/* the line of an equal word before this one, or 0 */

static unsigned
referral_bots_twice(const referral_bots_t *bots, unsigned *other)
{
    unsigned                     i, line;
    const referral_bots_word_t  *a, *b, **order;

    order = malloc(bots->n * sizeof(referral_bots_word_t *));

    if (order == NULL) {
        return 0;
    }

    for (i = 1; i < bots->n; i++) {
        order[i - 1] = &bots->word[i];
    }

    qsort(order, bots->n - 1, sizeof(referral_bots_word_t *),
          referral_bots_order);

    line = 0;

    for (i = 1; i + 1 < bots->n; i++) {
        a = order[i - 1];
        b = order[i];

        if (a->flags == b->flags
            && referral_str_eq(&a->text, &b->text)
            && (line == 0 || b->line < line))
        {
            line = b->line;
            *other = a->line;
        }
    }

    free(order);

    return line;
}


/* orders by text, then by flags, then by line */

static int
referral_bots_order(const void *one, const void *two)
{
    int                          rc;
    size_t                       len;
    const referral_bots_word_t  *a, *b;

    a = *(const referral_bots_word_t *const *) one;
    b = *(const referral_bots_word_t *const *) two;

    len = a->text.len < b->text.len ? a->text.len : b->text.len;
    rc = memcmp(a->text.data, b->text.data, len);

    if (rc) {
        return rc;
    }

    if (a->text.len != b->text.len) {
        return a->text.len < b->text.len ? -1 : 1;
    }

    if (a->flags != b->flags) {
        return a->flags < b->flags ? -1 : 1;
    }

    return a->line < b->line ? -1 : 1;
}


static int
referral_bots_compile(referral_bots_t *bots)
{
    unsigned                    i;
    referral_automaton_word_t  *word;

    word = malloc(bots->all * sizeof(referral_automaton_word_t));
    if (word == NULL) {
        return REFERRAL_ERROR;
    }

    for (i = 1; i < bots->all; i++) {
        word[i - 1].text = bots->word[i].text;
        word[i - 1].flags = bots->word[i].flags;
    }

    bots->words = referral_automaton_create(word, bots->all - 1);

    free(word);

    return bots->words ? REFERRAL_OK : REFERRAL_ERROR;
}


void
referral_bots_find(referral_bots_found_t *found, const referral_bots_t *bots,
    const referral_str_t *ua)
{
    size_t                       named;
    unsigned                     i, flags;
    referral_automaton_scan_t    scan;
    referral_automaton_match_t   match;
    const referral_bots_word_t  *word;

    memset(found, 0, sizeof(referral_bots_found_t));

    flags = 0;
    named = 0;

    referral_automaton_scan(&scan, bots->words, ua, REFERRAL_BOTS_UA_MAX);

    while (referral_automaton_next(&scan, &match)) {
        i = match.word + 1;
        word = &bots->word[i];

        if (word->class >= REFERRAL_BOTS_TRAIT) {
            found->traits |= referral_bots_bit(word);

            if ((word->flags & ~flags) & REFERRAL_BOTS_NO_NAME) {
                named = match.end;
            }

            flags |= word->flags;

        } else if (word->class == REFERRAL_BOTS_BOT) {

            if (found->bot == 0) {
                found->bot = i;
            }

        } else if (word->class == REFERRAL_BOTS_PREVIEW) {

            if (found->preview == 0) {
                found->preview = i;
            }

        } else if (found->person == 0) {
            found->person = i;
        }
    }

    /*
     * Apps put their own name behind the first comment, in which the model is.
     */

    if (found->bot || found->preview
        || ((flags & REFERRAL_BOTS_NAMING) && named
            && memchr(ua->data, ')', named) == NULL))
    {
        referral_bots_again(found, bots, ua);
    }
}


/*
 * A word of a machine does not count if all of its bytes belong to words of
 * persons or to names that makers gave.
 */

static void
referral_bots_again(referral_bots_found_t *found, const referral_bots_t *bots,
    const referral_str_t *ua)
{
    u_char                       covered[REFERRAL_BOTS_UA_MAX];
    unsigned                     i, pass;
    referral_str_t               s;
    referral_automaton_scan_t    scan;
    referral_automaton_match_t   match;
    const referral_bots_word_t  *word;

    s = *ua;

    if (s.len > REFERRAL_BOTS_UA_MAX) {
        s.len = REFERRAL_BOTS_UA_MAX;
    }

    memset(covered, 0, s.len);

    if (referral_bots_names(covered, &s) == 0 && found->person == 0) {
        return;
    }

    found->bot = 0;
    found->preview = 0;
    found->traits = 0;

    for (pass = 0; pass < 2; pass++) {

        referral_automaton_scan(&scan, bots->words, ua, REFERRAL_BOTS_UA_MAX);

        while (referral_automaton_next(&scan, &match)) {
            i = match.word + 1;
            word = &bots->word[i];

            if (pass == 0) {
                referral_bots_person(found, word, &match, covered);

            } else if (word->class == REFERRAL_BOTS_BOT && found->bot == 0
                       && referral_bots_bare(covered, &match,
                                             REFERRAL_BOTS_COVERED))
            {
                found->bot = i;

            } else if (word->class == REFERRAL_BOTS_PREVIEW
                       && found->preview == 0
                       && referral_bots_bare(covered, &match,
                                             REFERRAL_BOTS_COVERED))
            {
                found->preview = i;
            }
        }
    }
}


/* the first pass: marks words of persons and collects traits */

static void
referral_bots_person(referral_bots_found_t *found,
    const referral_bots_word_t *word, const referral_automaton_match_t *match,
    u_char *covered)
{
    size_t  i;

    if (word->class == REFERRAL_BOTS_PERSON) {

        for (i = match->start; i < match->end; i++) {
            covered[i] |= REFERRAL_BOTS_IN_PERSON;
        }

    } else if (word->class >= REFERRAL_BOTS_TRAIT
               && (!(word->flags & REFERRAL_BOTS_NO_NAME)
                   || referral_bots_bare(covered, match,
                                         REFERRAL_BOTS_IN_NAME)))
    {
        found->traits |= referral_bots_bit(word);
    }
}


/* is there a byte of the word that has none of these marks? */

static int
referral_bots_bare(const u_char *covered,
    const referral_automaton_match_t *match, u_char of)
{
    size_t  i;

    for (i = match->start; i < match->end; i++) {
        if (!(covered[i] & of)) {
            return 1;
        }
    }

    return 0;
}


/*
 * Marks the names that makers and carriers chose.  Browsers name the model in
 * their first comment; apps have comments and fields of their own.  Returns
 * the number of bytes that were marked.
 */

static size_t
referral_bots_names(u_char *covered, const referral_str_t *ua)
{
    int       android;
    size_t    i, end, n;
    unsigned  comment;

    n = referral_bots_fields(covered, ua);

    /* "TwitterAndroid/10.40.0 (…) MODEL/13 (MAKER;MODEL;…)" */

    if (referral_bots_begins(ua->data, ua->len, "twitterandroid/")) {
        return n + referral_bots_cover(covered, ua, 15, ua->len);
    }

    android = 0;
    comment = 0;

    for (i = 0; i < ua->len; i++) {

        if (ua->data[i] != '(') {
            android |= referral_bots_begins(&ua->data[i], ua->len - i,
                                            "android");
            continue;
        }

        end = referral_bots_close(ua, i);

        if (comment++ == 0
            && (referral_bots_begins(ua->data, ua->len, "mozilla/")
                || referral_bots_begins(ua->data, ua->len, "ucweb/")))
        {
            n += referral_bots_model(covered, ua, i + 1, end);

        } else if ((android
                    || referral_bots_begins(&ua->data[i], end - i, "(inapp;")
                    || referral_bots_has(&ua->data[i], end - i, "android"))
                   && !referral_bots_has(&ua->data[i], end - i, "compatible"))
        {
            /* "(33/13; 420dpi; 1080x2176; MAKER; MODEL; CODENAME; …)" */

            n += referral_bots_cover(covered, ua, i + 1, end);
        }

        i = end;
    }

    return n;
}


/*
 * "(Linux; Android 10; MODEL Build/…; wv)", "(Linux; U; Android 4.1; en-us;
 * MODEL)", "(Linux; Android 12; HarmonyOS; MODEL)", "(Mobile; MODEL; rv:48.0)",
 * "(MIDP-2.0; U; Adr 9; en-US; MODEL)"
 */

static size_t
referral_bots_model(u_char *covered, const referral_str_t *ua, size_t start,
    size_t end)
{
    int            named;
    size_t         n;
    const u_char  *p, *last, *next;

    p = ua->data + start;
    last = ua->data + end;
    named = 0;

    for ( /* void */ ; p < last; p = next + 1) {

        while (p < last && *p == ' ') {
            p++;
        }

        next = memchr(p, ';', last - p);

        if (next == NULL) {
            next = last;
        }

        n = next - p;

        if (referral_bots_system(p, n)) {
            named = 1;

        } else if (named && !referral_bots_language(p, n)) {
            return referral_bots_cover(covered, ua, p - ua->data,
                                       next - ua->data);
        }
    }

    return 0;
}


/* "[FBAN/FB4A;…;FBCR/CARRIER;FBMF/MAKER;FBBD/BRAND;FBDV/MODEL;…" */

static size_t
referral_bots_fields(u_char *covered, const referral_str_t *ua)
{
    size_t    i, end, n;
    unsigned  k;

    static const char *const  fields[] = { "FBBD/", "FBCR/", "FBDV/", "FBMF/" };

    n = 0;

    for (i = 0; i + 5 < ua->len; i++) {

        if (ua->data[i] != 'F' || ua->data[i + 1] != 'B') {
            continue;
        }

        for (k = 0; k < 4 && memcmp(&ua->data[i], fields[k], 5) != 0; k++) {
            /* void */
        }

        if (k == 4) {
            continue;
        }

        for (end = i + 5; end < ua->len; end++) {
            if (ua->data[end] == ';' || ua->data[end] == ']') {
                break;
            }
        }

        n += referral_bots_cover(covered, ua, i + 5, end);
    }

    return n;
}


/* where the comment that starts at "start" ends; comments may be nested */

static size_t
referral_bots_close(const referral_str_t *ua, size_t start)
{
    size_t    i;
    unsigned  depth;

    depth = 0;

    for (i = start; i < ua->len; i++) {

        if (ua->data[i] == '(') {
            depth++;

        } else if (ua->data[i] == ')' && --depth == 0) {
            break;
        }
    }

    return i;
}


/*
 * Marks the name and the byte on either side of it.  A text with a URL in it
 * is no name.
 */

static size_t
referral_bots_cover(u_char *covered, const referral_str_t *ua, size_t start,
    size_t end)
{
    size_t  i;

    if (start == end
        || referral_bots_has(&ua->data[start], end - start, "://"))
    {
        return 0;
    }

    for (i = start - 1; i < end + (end < ua->len); i++) {
        covered[i] |= REFERRAL_BOTS_IN_NAME;
    }

    return end - start;
}


/* is it the name of a system, behind which the model follows? */

static int
referral_bots_system(const u_char *data, size_t len)
{
    return referral_bots_begins(data, len, "android")
           || referral_bots_begins(data, len, "adr ")
           || referral_bots_begins(data, len, "harmonyos")
           || referral_bots_begins(data, len, "tizen")
           || (len == 6 && referral_bots_begins(data, len, "mobile"));
}


/* "en", "en-us", "zh_Hant_TW" */

static int
referral_bots_language(const u_char *data, size_t len)
{
    size_t  n;

    for (n = 0; n < len; n++) {
        if ((data[n] | 0x20) < 'a' || (data[n] | 0x20) > 'z') {
            break;
        }
    }

    if (n == len) {
        return n == 2;
    }

    return (n == 2 || n == 3) && len <= 11
           && (data[n] == '-' || data[n] == '_');
}


/* "text" is lower case; its first two letters differ most often */

static int
referral_bots_begins(const u_char *data, size_t len, const char *text)
{
    size_t  n;

    n = strlen(text);

    return len >= n
           && (data[0] | 0x20) == (text[0] | 0x20)
           && (data[1] | 0x20) == (text[1] | 0x20)
           && strncasecmp((char *) data, text, n) == 0;
}


static int
referral_bots_has(const u_char *data, size_t len, const char *text)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (referral_bots_begins(&data[i], len - i, text)) {
            return 1;
        }
    }

    return 0;
}


const referral_bots_word_t *
referral_bots_word(const referral_bots_t *bots, unsigned number)
{
    if (number == 0 || number >= bots->n) {
        return NULL;
    }

    return &bots->word[number];
}


unsigned
referral_bots_words(const referral_bots_t *bots)
{
    return bots->n - 1;
}


size_t
referral_bots_size(const referral_bots_t *bots)
{
    return referral_automaton_size(bots->words);
}
