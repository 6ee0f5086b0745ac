
#include <stdlib.h>

#include "referral_bots.h"
#include "referral_words.h"
#include "referral_bots_list.h"


/*
 * Numbers are places in "word", which begins with one that is none.  The
 * list's text lives on behind the array: words point into it.
 */

struct referral_bots_s {
    referral_words_t        *words;
    referral_bots_word_t    *word;
    unsigned                 n;          /* of the list, with the first */
    unsigned                 all;        /* with the traits' words */
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
static void referral_bots_uncover(referral_bots_found_t *found,
    const referral_bots_t *bots, const referral_str_t *ua);
static size_t referral_bots_model(const u_char *data, size_t len,
    size_t *start);


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
        referral_words_free(bots->words);
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

        if (bots->n > REFERRAL_WORDS_MAX - n) {
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


/* "CLASS WORD"; NULL if it is right */

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


/* the line of a word that stands there already, or 0 */

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


/* by text, then by where it counts, then by line */

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
    unsigned          i;
    referral_word_t  *word;

    word = malloc(bots->all * sizeof(referral_word_t));
    if (word == NULL) {
        return REFERRAL_ERROR;
    }

    for (i = 1; i < bots->all; i++) {
        word[i - 1].text = bots->word[i].text;
        word[i - 1].flags = bots->word[i].flags;
    }

    bots->words = referral_words_create(word, bots->all - 1);

    free(word);

    return bots->words ? REFERRAL_OK : REFERRAL_ERROR;
}


void
referral_bots_find(referral_bots_found_t *found, const referral_bots_t *bots,
    const referral_str_t *ua)
{
    unsigned                     i;
    referral_words_scan_t        scan;
    referral_words_match_t       match;
    const referral_bots_word_t  *word;

    memset(found, 0, sizeof(referral_bots_found_t));

    referral_words_scan(&scan, bots->words, ua, REFERRAL_BOTS_UA_MAX);

    while (referral_words_next(&scan, &match)) {
        i = match.word + 1;
        word = &bots->word[i];

        switch (word->class) {

        case REFERRAL_BOTS_BOT:
            if (found->bot == 0) {
                found->bot = i;
            }
            break;

        case REFERRAL_BOTS_PREVIEW:
            if (found->preview == 0) {
                found->preview = i;
            }
            break;

        case REFERRAL_BOTS_PERSON:
            if (found->person == 0) {
                found->person = i;
            }
            break;

        default:
            found->traits |= (uint64_t) 1
                             << (word->class - REFERRAL_BOTS_TRAIT);
        }
    }

    if (found->bot || found->preview) {
        referral_bots_uncover(found, bots, ua);
    }
}


/*
 * A machine's word does not count if all of its bytes are of words of people,
 * or of the model of a phone: makers call theirs what they like.
 */

static void
referral_bots_uncover(referral_bots_found_t *found,
    const referral_bots_t *bots, const referral_str_t *ua)
{
    size_t                       n, start;
    unsigned                     i, pass, class;
    u_char                       person[REFERRAL_BOTS_UA_MAX];
    referral_words_scan_t        scan;
    referral_words_match_t       match;

    n = ua->len < REFERRAL_BOTS_UA_MAX ? ua->len : REFERRAL_BOTS_UA_MAX;

    memset(person, 0, n);

    n = referral_bots_model(ua->data, n, &start);

    if (n) {
        memset(&person[start], 1, n);

    } else if (found->person == 0) {
        return;
    }

    found->bot = 0;
    found->preview = 0;

    for (pass = 0; pass < 2; pass++) {

        referral_words_scan(&scan, bots->words, ua, REFERRAL_BOTS_UA_MAX);

        while (referral_words_next(&scan, &match)) {
            i = match.word + 1;
            class = bots->word[i].class;
            n = match.end - match.start;

            if (pass == 0) {
                if (class == REFERRAL_BOTS_PERSON) {
                    memset(&person[match.start], 1, n);
                }

                continue;
            }

            if (class != REFERRAL_BOTS_BOT && class != REFERRAL_BOTS_PREVIEW) {
                continue;
            }

            if (memchr(&person[match.start], 0, n) == NULL) {
                continue;
            }

            if (class == REFERRAL_BOTS_BOT && found->bot == 0) {
                found->bot = i;
            }

            if (class == REFERRAL_BOTS_PREVIEW && found->preview == 0) {
                found->preview = i;
            }
        }
    }
}


/*
 * "(Linux; Android 10; MODEL Build/…" and "(Linux; U; Android 4.1; en-us;
 * MODEL)": where it stands, and how long it is.
 */

static size_t
referral_bots_model(const u_char *data, size_t len, size_t *start)
{
    size_t         n;
    const u_char  *p, *end, *last;

    p = memchr(data, '(', len);

    if (p == NULL) {
        return 0;
    }

    last = data + len;
    end = memchr(p, ')', last - p);

    if (end) {
        last = end;
    }

    for ( ;; ) {
        p = memchr(p, ' ', last - p);

        if (p == NULL) {
            return 0;
        }

        p++;

        if (last - p > 8 && strncasecmp((char *) p, "android ", 8) == 0) {
            break;
        }
    }

    /* its version, and the language of old ones */

    for (n = 0; n < 2; n++) {
        p = memchr(p, ';', last - p);

        if (p == NULL) {
            return 0;
        }

        p++;

        if (last - p < 7 || p[3] != '-' || p[6] != ';') {
            break;
        }
    }

    for (end = p; end < last && *end != ';'; end++) {

        if (last - end > 7 && strncasecmp((char *) end, " build/", 7) == 0) {
            break;
        }
    }

    *start = p - data;

    return end - p;
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
    return referral_words_size(bots->words);
}
