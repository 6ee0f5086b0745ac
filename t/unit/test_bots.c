/* link: referral_visitor.c referral_bots.c referral_automaton.c referral_str.c */

#include "referral_visitor.h"
#include "referral_automaton.h"
#include "unit.h"


#define BROWSER  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "        \
                 "(KHTML, like Gecko) "


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.len = strlen(text);
    s.data = (u_char *) text;

    return s;
}


static void
wrong(const char *list, unsigned line, unsigned other, const char *what)
{
    referral_str_t          s;
    referral_bots_t        *bots;
    referral_bots_error_t   error;

    s = str(list);
    bots = referral_visitor_bots(&s, &error);

    ok(bots == NULL, "refused: %.40s", what);
    ok(error.line == line && error.other == other, "… in line %u (%u)",
       error.line, error.other);
    ok(strstr(error.what, what) != NULL, "… because: %s", error.what);

    if (bots) {
        referral_bots_free(bots);
    }
}


static void
test_errors(void)
{
    char  list[128];

    wrong("", 0, 0, "no word in the list");
    wrong("# nothing\n\n", 0, 0, "no word in the list");
    wrong("bot good\n\nrobot bad\n", 3, 0, "a line begins with");
    wrong("good", 1, 0, "a line begins with");
    wrong("bot\n", 1, 0, "at least 2");
    wrong("bot x", 1, 0, "at least 2");
    wrong("bot ^x$", 1, 0, "at least 2");
    wrong("bot ^", 1, 0, "at least 2");
    wrong("bot a\x01" "b", 1, 0, "printable");
    wrong("bot caf\xc3\xa9", 1, 0, "printable");
    wrong("bot a^b", 1, 0, "stands only");
    wrong("bot ||ab", 1, 0, "stands only");
    wrong("bot one\nperson two\npreview ONE\n", 3, 1, "twice");

    memset(list, 'a', sizeof(list));
    memcpy(list, "bot ", 4);

    list[4 + REFERRAL_WORD_MAX + 1] = '\0';
    wrong(list, 1, 0, "at most 64");
}


static referral_class_e
class(const referral_bots_t *bots, const char *ua, unsigned *line)
{
    referral_str_t               s;
    referral_agent_t             agent;
    const referral_bots_word_t  *word;

    s = str(ua);
    referral_visitor_agent(&agent, bots, &s);
    word = referral_bots_word(bots, agent.word);

    *line = word ? word->line : 0;

    return agent.class;
}


static void
test_marks(void)
{
    size_t                  i;
    unsigned                line;
    referral_str_t          s;
    referral_bots_t        *bots;
    referral_class_e        is;
    referral_bots_error_t   error;

    static const struct {
        const char        *ua;
        unsigned           line;
        referral_class_e   class;
    } tests[] = {
        { BROWSER, 0, REFERRAL_CLASS_HUMAN },
        { BROWSER "ANYwhere", 2, REFERRAL_CLASS_BOT },
        { BROWSER "xanywherex", 2, REFERRAL_CLASS_BOT },
        { "first " BROWSER, 3, REFERRAL_CLASS_BOT },
        { BROWSER "first", 0, REFERRAL_CLASS_HUMAN },
        { BROWSER "last", 4, REFERRAL_CLASS_BOT },
        { BROWSER "last 1", 0, REFERRAL_CLASS_HUMAN },
        { BROWSER "(left1", 5, REFERRAL_CLASS_BOT },
        { BROWSER "xleft", 0, REFERRAL_CLASS_HUMAN },
        { BROWSER "xright/1", 6, REFERRAL_CLASS_BOT },
        { BROWSER "right1", 0, REFERRAL_CLASS_HUMAN },
        { BROWSER "one two", 7, REFERRAL_CLASS_BOT },
        { BROWSER "two sides", 0, REFERRAL_CLASS_HUMAN },
        { BROWSER "card", 8, REFERRAL_CLASS_PREVIEW },
        { BROWSER "anywhere card", 8, REFERRAL_CLASS_PREVIEW },
        { BROWSER "not-anywhere", 0, REFERRAL_CLASS_HUMAN },
        { BROWSER "not-anywhere anywhere", 2, REFERRAL_CLASS_BOT },
        { BROWSER "Android 10; anywhere Build/1", 2, REFERRAL_CLASS_BOT },
        { "Mozilla/5.0 (Linux; Android 10; anywhere Build/1)", 0,
          REFERRAL_CLASS_HUMAN },
        { "Mozilla/5.0 (Linux; Android 10; anywhere) anywhere", 2,
          REFERRAL_CLASS_BOT },
        { "myshop/1", 0, REFERRAL_CLASS_HUMAN },
        { "othershop/1", 0, REFERRAL_CLASS_BOT },
        { "othershop/1 (iPhone; iOS 17)", 0, REFERRAL_CLASS_HUMAN }
    };

    s = str("# a list\n"
            "bot anywhere\n"
            "bot ^first\n"
            "bot last$ \r\n"
            "  BOT\t|left\n"
            "bot right|\n"
            "bot |one two|\n"
            "preview card\n"
            "person not-anywhere\n"
            "person ^myshop/");

    bots = referral_visitor_bots(&s, &error);

    if (!ok(bots != NULL, "a list with all marks: %u %s", error.line,
            bots ? "" : error.what))
    {
        return;
    }

    ok(referral_bots_words(bots) == 9, "its words are counted");

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        is = class(bots, tests[i].ua, &line);

        ok(is == tests[i].class && line == tests[i].line,
           "%s: class %u of line %u", tests[i].ua, is, line);
    }

    referral_bots_free(bots);
}


/* the automaton finds the same words as a search for one after the other */

static void
test_words(void)
{
    char                         text[9], word[16][4];
    size_t                       i, k, n, len;
    unsigned                     round, wrong, found, naive, seed;
    referral_str_t               s;
    referral_automaton_word_t    words[16];
    referral_automaton_t        *automaton;
    referral_automaton_scan_t    scan;
    referral_automaton_match_t   match;

    seed = 1;
    wrong = 0;
    naive = 0;

    for (round = 0; round < 3000; round++) {
        n = 1 + round % 16;

        for (i = 0; i < n; i++) {
            len = 1 + rand_r(&seed) % 3;

            for (k = 0; k < len; k++) {
                word[i][k] = 'a' + rand_r(&seed) % 2;
            }

            words[i].text.data = (u_char *) word[i];
            words[i].text.len = len;
            words[i].flags = 0;
        }

        for (k = 0; k < sizeof(text); k++) {
            text[k] = 'a' + rand_r(&seed) % 3;
        }

        automaton = referral_automaton_create(words, n);
        if (automaton == NULL) {
            wrong++;
            continue;
        }

        s.data = (u_char *) text;
        s.len = sizeof(text);
        found = 0;

        referral_automaton_scan(&scan, automaton, &s, sizeof(text));

        while (referral_automaton_next(&scan, &match)) {
            found++;

            len = words[match.word].text.len;

            wrong += (match.end - match.start != len
                      || memcmp(&text[match.start], word[match.word], len));
        }

        for (i = 0; i < n; i++) {
            for (k = 0; k + words[i].text.len <= sizeof(text); k++) {
                if (memcmp(&text[k], word[i], words[i].text.len) == 0) {
                    naive++;
                    found--;
                }
            }
        }

        wrong += (found != 0);

        referral_automaton_free(automaton);
    }

    ok(naive > 10000 && wrong == 0,
       "%u words in random texts, each found once where it is (%u not)",
       naive, wrong);
}


static void
test_bounds(void)
{
    char                   *text, *p;
    size_t                  i, k;
    unsigned                line, seed;
    referral_str_t          s;
    referral_bots_t        *bots;
    referral_class_e        is;
    referral_bots_error_t   error;

    seed = 1;

    text = malloc(REFERRAL_BOTS_LIST_MAX + 1);
    if (text == NULL) {
        return;
    }

    /* many short words */

    p = text;

    for (i = 0; i <= REFERRAL_AUTOMATON_MAX; i++) {
        p += sprintf(p, "bot %zx.\n", i + 16);
    }

    s.data = (u_char *) text;
    s.len = p - text;
    bots = referral_visitor_bots(&s, &error);

    ok(bots == NULL && strstr(error.what, "too many"), "too many words: %s",
       error.what);

    /* long words without common beginnings */

    p = text;

    for (i = 0; i < 12000; i++) {
        p += sprintf(p, "bot ");

        for (k = 0; k < REFERRAL_WORD_MAX; k++) {
            *p++ = "abcdefghijklmnopqrstuvwxyz0123456789"[rand_r(&seed) % 36];
        }

        *p++ = '\n';
    }

    s.len = p - text;
    bots = referral_visitor_bots(&s, &error);

    ok(bots == NULL && strstr(error.what, "4 megabytes") && error.line == 0,
       "too much memory: %s", error.what);

    s.len = REFERRAL_BOTS_LIST_MAX + 1;
    bots = referral_visitor_bots(&s, &error);

    ok(bots == NULL && strstr(error.what, "longer"), "too long: %s",
       error.what);

    /* the built-in list, and User-Agents of 8 KB */

    bots = referral_visitor_bots(NULL, &error);

    if (!ok(bots != NULL, "the list that is built in, line %u", error.line)) {
        free(text);
        return;
    }

    ok(referral_bots_size(bots) < 1024 * 1024, "takes %zu bytes",
       referral_bots_size(bots));
    ok(referral_bots_word(bots, 0) == NULL
       && referral_bots_word(bots, referral_bots_words(bots) + 1) == NULL,
       "no word has a number that is none");

    for (i = 0; i < 256; i++) {
        memset(text, (int) i ? (int) i : 'b', 8192);
        text[8192] = '\0';
        (void) class(bots, text, &line);
    }

    memset(text, 'x', 8192);
    memcpy(text, BROWSER, sizeof(BROWSER) - 1);
    memcpy(&text[REFERRAL_BOTS_UA_MAX - 7], "crawler", 7);

    is = class(bots, text, &line);
    ok(is == REFERRAL_CLASS_BOT, "what is in the first bytes counts");

    memcpy(&text[REFERRAL_BOTS_UA_MAX - 7], "xxxcraw", 7);
    memcpy(&text[REFERRAL_BOTS_UA_MAX], "ler", 3);

    is = class(bots, text, &line);
    ok(is == REFERRAL_CLASS_HUMAN, "what lies behind is not looked at");

    referral_bots_free(bots);
    free(text);
}


int
main(void)
{
    test_errors();
    test_marks();
    test_words();
    test_bounds();

    return unit_done();
}
