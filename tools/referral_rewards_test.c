
/*
 * Says what is wrong with the reward rules of a program, with the engine's own
 * code.  "scripts/referral rewards check" runs this program.
 *
 *     referral_rewards_test
 *
 * reads the text from stdin.  Writes a line of JSON for each mistake, or, where
 * there is none, for each warning:
 *
 *     warning             true or false
 *     line column         from 1, columns in bytes; line 0: the whole text
 *     word                as it stands
 *     right               a sentence: what would be right
 *
 * and last one with "mistakes", "warnings", "rules" and "lines", numbers.
 *
 *     referral_rewards_test --words
 *
 * writes the grammar, a line for each word, with tabs between: the kind of
 * line, the word, its values, what holds if it is not said ("!": it must be).
 *
 * Exit code: 0; 1 if there is a mistake; 2 if nothing could be read.
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "referral_rewards.h"


typedef struct {
    unsigned  warnings;
} rewards_test_t;


static int rewards_test_words(void);
static int rewards_test_check(void);
static void rewards_test_complain(void *data,
    const referral_rewards_complaint_t *complaint);
static void rewards_test_json(const referral_str_t *s);
static int rewards_test_flushed(int rc);


int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--words") == 0) {
        return rewards_test_words();
    }

    if (argc != 1) {
        fprintf(stderr, "usage: referral_rewards_test [--words]\n");
        return 2;
    }

    return rewards_test_check();
}


static int
rewards_test_words(void)
{
    unsigned                  n;
    referral_rewards_entry_t  entry;

    for (n = 0; referral_rewards_entry(n, &entry) == REFERRAL_OK; n++) {
        printf("%s\t%s\t%s\t%s\n", entry.kind, entry.word, entry.values,
               entry.standard);
    }

    return rewards_test_flushed(0);
}


static int
rewards_test_check(void)
{
    u_char              *data;
    unsigned             mistakes;
    rewards_test_t       t;
    referral_str_t       text;
    referral_rewards_t  *rewards;

    /* a byte more than is allowed shows that a text is too long */

    data = malloc(REFERRAL_REWARDS_TEXT + 1);
    rewards = malloc(sizeof(referral_rewards_t));

    if (data == NULL || rewards == NULL) {
        fprintf(stderr, "no memory\n");
        free(data);
        free(rewards);
        return 2;
    }

    text.data = data;
    text.len = fread(data, 1, REFERRAL_REWARDS_TEXT + 1, stdin);

    if (ferror(stdin)) {
        fprintf(stderr, "stdin: %s\n", strerror(errno));
        free(data);
        free(rewards);
        return 2;
    }

    t.warnings = 0;

    mistakes = referral_rewards_parse(rewards, &text, rewards_test_complain,
                                      &t);

    printf("{\"mistakes\":%u,\"warnings\":%u,\"rules\":%u,\"lines\":%u}\n",
           mistakes, t.warnings, rewards->nrules, rewards->nlines);

    free(data);
    free(rewards);

    return rewards_test_flushed(mistakes ? 1 : 0);
}


static void
rewards_test_complain(void *data,
    const referral_rewards_complaint_t *complaint)
{
    rewards_test_t *t = data;

    t->warnings += complaint->warning;

    printf("{\"warning\":%s,\"line\":%u,\"column\":%u,\"word\":",
           complaint->warning ? "true" : "false", complaint->line,
           complaint->column);

    rewards_test_json(&complaint->word);
    fputs(",\"right\":", stdout);
    rewards_test_json(&complaint->right);
    fputs("}\n", stdout);
}


/* invalid UTF-8 becomes U+FFFD */

static void
rewards_test_json(const referral_str_t *s)
{
    size_t          i, n, taken;
    referral_str_t  left;

    putchar('"');

    left = *s;

    while (left.len) {
        i = s->len - left.len;

        if (referral_utf8_next(&left) < 0) {
            fputs("\\ufffd", stdout);
            continue;
        }

        taken = s->len - left.len - i;

        if (taken == 1 && (s->data[i] < 0x20 || s->data[i] == 0x7f)) {
            printf("\\u%04x", s->data[i]);
            continue;
        }

        if (s->data[i] == '"' || s->data[i] == '\\') {
            putchar('\\');
        }

        for (n = 0; n < taken; n++) {
            putchar(s->data[i + n]);
        }
    }

    putchar('"');
}


static int
rewards_test_flushed(int rc)
{
    if (fflush(stdout) != 0) {
        fprintf(stderr, "stdout: %s\n", strerror(errno));
        return 2;
    }

    return rc;
}
