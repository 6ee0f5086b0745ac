
/*
 * Says whether User-Agents are those of persons, with the module's own code.
 * "scripts/referral bots test" runs this program.
 *
 *     referral_bots_test [--list FILE]
 *
 * reads User-Agents from stdin, one on each line.  FILE is the list of words;
 * without it the list is the one that the module was built with.  Writes a
 * line for each, with tabs between:
 *
 *     class               "human", "bot" or "preview"
 *     rule                "word": a word of the list; "empty"; "begin": it
 *                         neither begins like a browser nor names a phone,
 *                         tablet, television or console; "engine": it says
 *                         "compatible;" and names no engine, or names neither
 *                         engine nor system; "tail": behind a browser's name
 *                         is a product that no browser adds; "none"
 *     line                of that word in the list, else 0
 *     word                with its marks, else empty
 *     device os app       as $referral_device and the others
 *
 *     referral_bots_test --time [--list FILE]
 *
 * classifies the same User-Agents repeatedly for half a second, and writes one
 * line about the time and the list:
 *
 *     nanoseconds         for one User-Agent, on average
 *     words               in the list
 *     bytes               of memory that the automaton takes
 *
 * Exit code: 0; 2 if the list is wrong, with its name, the line and a sentence
 * on stderr.
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "referral_visitor.h"
#include "referral_automaton.h"


#define BOTS_TEST_TIME  500000000        /* ns */


typedef struct {
    size_t           n;
    size_t           size;
    referral_str_t  *line;
} bots_test_lines_t;


static referral_bots_t *bots_test_list(const char *file);
static int bots_test_print(const referral_bots_t *bots);
static void bots_test_agent(const referral_bots_t *bots,
    const referral_str_t *ua);
static int bots_test_time(const referral_bots_t *bots);
static int bots_test_lines(bots_test_lines_t *lines);
static ssize_t bots_test_line(char **line, size_t *size);
static int64_t bots_test_now(void);
static int bots_test_error(const char *file, const char *what);


/* names of referral_rule_e */

static const char *const  bots_test_rules[] = {
    "none", "empty", "word", "word", "begin", "engine", "tail"
};


int
main(int argc, char **argv)
{
    int               i, rc, timed;
    const char       *file;
    referral_bots_t  *bots;

    file = NULL;
    timed = 0;

    for (i = 1; i < argc; i++) {

        if (strcmp(argv[i], "--time") == 0) {
            timed = 1;

        } else if (strcmp(argv[i], "--list") == 0 && i + 1 < argc) {
            file = argv[++i];

        } else {
            fprintf(stderr,
                    "usage: referral_bots_test [--time] [--list FILE]\n");
            return 2;
        }
    }

    bots = bots_test_list(file);
    if (bots == NULL) {
        return 2;
    }

    rc = timed ? bots_test_time(bots) : bots_test_print(bots);

    referral_bots_free(bots);

    return rc;
}


static referral_bots_t *
bots_test_list(const char *file)
{
    FILE                   *f;
    u_char                 *data;
    referral_str_t          text;
    referral_bots_t        *bots;
    referral_bots_error_t   error;

    f = NULL;
    bots = NULL;
    data = NULL;

    if (file) {
        f = fopen(file, "r");
        data = malloc(REFERRAL_BOTS_LIST_MAX + 1);

        if (f == NULL || data == NULL) {
            (void) bots_test_error(file, strerror(errno));
            goto done;
        }

        text.data = data;
        text.len = fread(data, 1, REFERRAL_BOTS_LIST_MAX + 1, f);

        if (ferror(f)) {
            (void) bots_test_error(file, strerror(errno));
            goto done;
        }
    }

    bots = referral_visitor_bots(file ? &text : NULL, &error);

    if (bots == NULL) {

        if (error.line) {
            fprintf(stderr, "%s:%u: ", file ? file : "the built-in list",
                    error.line);
        } else {
            fprintf(stderr, "%s: ", file ? file : "the built-in list");
        }

        fprintf(stderr, "%s", error.what);

        if (error.other) {
            fprintf(stderr, ", first in line %u", error.other);
        }

        fprintf(stderr, "\n");
    }

done:

    if (f) {
        fclose(f);
    }

    free(data);

    return bots;
}


static int
bots_test_print(const referral_bots_t *bots)
{
    char            *line;
    size_t           size;
    ssize_t          n;
    referral_str_t   ua;

    line = NULL;
    size = 0;

    while ((n = bots_test_line(&line, &size)) >= 0) {
        ua.data = (u_char *) line;
        ua.len = n;

        bots_test_agent(bots, &ua);
    }

    free(line);

    return fflush(stdout) == 0 ? 0 : bots_test_error("stdout",
                                                     strerror(errno));
}


static void
bots_test_agent(const referral_bots_t *bots, const referral_str_t *ua)
{
    unsigned                     flags;
    referral_str_t               class;
    referral_agent_t             agent;
    const referral_bots_word_t  *word;

    referral_visitor_agent(&agent, bots, ua);

    class = referral_class_name(agent.class);
    word = referral_bots_word(bots, agent.word);

    printf("%.*s\t%s\t%u\t", (int) class.len, class.data,
           bots_test_rules[agent.rule], word ? word->line : 0);

    if (word) {
        flags = word->flags;

        printf("%s%.*s%s",
               (flags & REFERRAL_WORD_START) ? "^"
               : (flags & REFERRAL_WORD_LEFT) ? "|" : "",
               (int) word->text.len, word->text.data,
               (flags & REFERRAL_WORD_END) ? "$"
               : (flags & REFERRAL_WORD_RIGHT) ? "|" : "");
    }

    printf("\t%.*s\t%.*s\t%.*s\n",
           (int) agent.device.device.len, agent.device.device.data,
           (int) agent.device.os.len, agent.device.os.data,
           (int) agent.device.app.len, agent.device.app.data);
}


static int
bots_test_time(const referral_bots_t *bots)
{
    size_t             i;
    int64_t            start, spent;
    uint64_t           done;
    referral_agent_t   agent;
    bots_test_lines_t  lines;

    memset(&lines, 0, sizeof(bots_test_lines_t));

    if (bots_test_lines(&lines) != REFERRAL_OK) {
        return 2;
    }

    done = 0;
    start = bots_test_now();

    do {
        for (i = 0; i < lines.n; i++) {
            referral_visitor_agent(&agent, bots, &lines.line[i]);
        }

        done += lines.n;
        spent = bots_test_now() - start;

    } while (spent < BOTS_TEST_TIME);

    printf("%.0f\t%u\t%zu\n", (double) spent / done,
           referral_bots_words(bots), referral_bots_size(bots));

    for (i = 0; i < lines.n; i++) {
        free(lines.line[i].data);
    }

    free(lines.line);

    return 0;
}


static int
bots_test_lines(bots_test_lines_t *lines)
{
    char            *line;
    size_t           size;
    ssize_t          n;
    referral_str_t  *more;

    for ( ;; ) {
        line = NULL;
        size = 0;

        n = bots_test_line(&line, &size);

        if (n < 0) {
            free(line);
            break;
        }

        if (lines->n == lines->size) {
            lines->size = lines->size ? lines->size * 2 : 1024;
            more = realloc(lines->line,
                           lines->size * sizeof(referral_str_t));

            if (more == NULL) {
                return bots_test_error("stdin", strerror(errno));
            }

            lines->line = more;
        }

        lines->line[lines->n].data = (u_char *) line;
        lines->line[lines->n].len = n;
        lines->n++;
    }

    if (lines->n == 0) {
        return bots_test_error("stdin", "there is no User-Agent");
    }

    return REFERRAL_OK;
}


/* the next line without its end; -1: there is none */

static ssize_t
bots_test_line(char **line, size_t *size)
{
    ssize_t  n;

    n = getline(line, size, stdin);

    if (n > 0 && (*line)[n - 1] == '\n') {
        n--;
    }

    if (n > 0 && (*line)[n - 1] == '\r') {
        n--;
    }

    return n;
}


static int64_t
bots_test_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


static int
bots_test_error(const char *file, const char *what)
{
    fprintf(stderr, "%s: %s\n", file, what);

    return 2;
}
