
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "settle.h"
#include "referral_name.h"
#include "referral_keys.h"


#define SETTLE_LEASE    10000
#define SETTLE_BATCH    200


static int settle_options_arguments(int argc, char **argv);
static int settle_options_file(const char *path);
static char *settle_options_word(char **rest);
static int settle_options_set(const char *name, const char *value,
    const char *where);
static int settle_options_text(char *to, size_t size, const char *name,
    const char *value);
static int settle_options_number(int64_t *to, const char *name,
    const char *value, int64_t min, int64_t max);
static int settle_options_program(const char *value);
static int settle_options_password(const char *path);
static int settle_options_private(FILE *f, const char *path);
static int settle_options_check(void);
static int settle_options_wrong(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
static void settle_options_usage(FILE *to);


settle_options_t  settle_options;


int
settle_options_read(int argc, char **argv)
{
    const char  *redis;

    memset(&settle_options, 0, sizeof(settle_options));

    redis = getenv("REFERRAL_REDIS");

    if (settle_options_text(settle_options.redis, sizeof(settle_options.redis),
                            "REFERRAL_REDIS",
                            redis && redis[0] ? redis : "127.0.0.1:6379")
        != SETTLE_OK)
    {
        return SETTLE_FAILED;
    }

    strcpy(settle_options.prefix, REFERRAL_KEY_PREFIX);
    settle_options.lease = SETTLE_LEASE;
    settle_options.batch = SETTLE_BATCH;

    if (settle_options_arguments(argc, argv) != SETTLE_OK) {
        return SETTLE_FAILED;
    }

    return settle_options_check();
}


static int
settle_options_arguments(int argc, char **argv)
{
    int          i, rc;
    const char  *name;

    static const struct {
        const char     *name;
        settle_mode_e   mode;
    } modes[] = {
        { "--once", SETTLE_ONCE },
        { "--status", SETTLE_STATUS },
        { "--repair", SETTLE_REPAIR },
        { "--dump", SETTLE_DUMP }
    };

    for (i = 1; i < argc; i++) {
        name = argv[i];

        if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
            settle_options_usage(stdout);
            exit(SETTLE_OK);
        }

        for (rc = 0; rc < 4; rc++) {
            if (strcmp(name, modes[rc].name) == 0) {
                settle_options.mode = modes[rc].mode;
                break;
            }
        }

        if (rc < 4) {
            continue;
        }

        if (strcmp(name, "--chains") == 0) {
            settle_options.chains = 1;
            continue;
        }

        if (strcmp(name, "--replay") == 0) {
            settle_options.mode = SETTLE_REPLAY;

            /* a file may follow; without one the stream in Redis is meant */

            if (i + 1 < argc && argv[i + 1][0] != '-'
                && settle_options_text(settle_options.file,
                                       sizeof(settle_options.file), name,
                                       argv[++i])
                   != SETTLE_OK)
            {
                return SETTLE_FAILED;
            }

            continue;
        }

        if (i + 1 == argc) {
            return settle_options_wrong(name[0] == '-'
                       ? "%s needs a value, or is no option; --help has all"
                       : "\"%s\" is no option; --help has all", name);
        }

        rc = strcmp(name, "-c") == 0 ? settle_options_file(argv[++i])
             : name[0] == '-' && name[1] == '-'
               ? settle_options_set(name + 2, argv[++i], "")
               : settle_options_wrong("\"%s\" is no option; --help has all",
                                      name);

        if (rc != SETTLE_OK) {
            return rc;
        }
    }

    return SETTLE_OK;
}


/*
 * A line: a name and a value.  "#" begins a comment where a word would begin;
 * within a word, as in a password, it is a character.
 */

static int
settle_options_file(const char *path)
{
    int    rc, line, secret;
    char   text[2 * SETTLE_TEXT], where[SETTLE_TEXT + 32];
    char  *name, *value, *rest;
    FILE  *f;

    f = fopen(path, "r");

    if (f == NULL) {
        return settle_options_wrong("\"%s\": %s", path, strerror(errno));
    }

    rc = SETTLE_OK;
    secret = 0;

    for (line = 1; rc == SETTLE_OK && fgets(text, sizeof(text), f); line++) {
        snprintf(where, sizeof(where), "%s, line %d: ", path, line);

        if (strchr(text, '\n') == NULL && !feof(f)) {
            rc = settle_options_wrong("%sit is longer than %zu bytes", where,
                                      sizeof(text) - 2);
            continue;
        }

        text[strcspn(text, "\r\n")] = '\0';

        rest = text;
        name = settle_options_word(&rest);
        value = settle_options_word(&rest);

        if (name == NULL) {
            continue;
        }

        if (value == NULL || settle_options_word(&rest)) {
            rc = settle_options_wrong("%s\"%s\" takes one value", where, name);

        } else {
            rc = settle_options_set(name, value, where);
            secret |= (strcmp(name, "password") == 0);
        }
    }

    if (rc == SETTLE_OK && ferror(f)) {
        rc = settle_options_wrong("\"%s\": %s", path, strerror(errno));
    }

    if (rc == SETTLE_OK && secret) {
        rc = settle_options_private(f, path);
    }

    fclose(f);

    return rc;
}


/* NULL: the line, or what of it is no comment, has no more words */

static char *
settle_options_word(char **rest)
{
    char  *p, *word;

    word = *rest + strspn(*rest, " \t");

    if (*word == '\0' || *word == '#') {
        *word = '\0';
        *rest = word;
        return NULL;
    }

    p = word + strcspn(word, " \t");

    if (*p != '\0') {
        *p++ = '\0';
    }

    *rest = p;

    return word;
}


static int
settle_options_set(const char *name, const char *value, const char *where)
{
    int      rc;
    int64_t  n;

    settle_options_t  *o;

    o = &settle_options;

    if (strcmp(name, "redis") == 0) {
        return settle_options_text(o->redis, sizeof(o->redis), name, value);
    }

    if (strcmp(name, "username") == 0) {
        return settle_options_text(o->username, sizeof(o->username), name,
                                   value);
    }

    /* a command line is seen by everybody */

    if (strcmp(name, "password") == 0 && where[0]) {
        return settle_options_text(o->password, sizeof(o->password), name,
                                   value);
    }

    if (strcmp(name, "password_file") == 0) {
        return settle_options_password(value);
    }

    if (strcmp(name, "db") == 0) {
        return settle_options_number(&o->db, name, value, 0, 999999999);
    }

    if (strcmp(name, "prefix") == 0) {
        return settle_options_text(o->prefix, sizeof(o->prefix), name, value);
    }

    if (strcmp(name, "metrics") == 0) {
        return settle_options_text(o->metrics, sizeof(o->metrics), name,
                                   value);
    }

    if (strcmp(name, "lease") == 0) {
        rc = settle_options_number(&n, name, value, 0, 3600);
        o->lease = n * 1000;
        return rc;
    }

    if (strcmp(name, "batch") == 0) {
        return settle_options_number(&o->batch, name, value, 1, 1000);
    }

    if (strcmp(name, "program") == 0) {
        return settle_options_program(value);
    }

    if (strcmp(name, "reason") == 0) {
        return settle_options_text(o->reason, sizeof(o->reason), name, value);
    }

    if (strcmp(name, "skip") == 0) {
        o->mode = SETTLE_SKIP;
        rc = settle_options_number(&n, name, value, 1, REFERRAL_FACT_AMOUNT);
        o->skip = n;
        return rc;
    }

    return settle_options_wrong("%s\"%s%s\" is no option; --help has all",
                                where, where[0] ? "" : "--", name);
}


static int
settle_options_text(char *to, size_t size, const char *name, const char *value)
{
    size_t  len;

    len = strlen(value);

    if (len >= size) {
        return settle_options_wrong("the value of %s is longer than %zu bytes",
                                    name, size - 1);
    }

    memcpy(to, value, len + 1);

    return SETTLE_OK;
}


static int
settle_options_number(int64_t *to, const char *name, const char *value,
    int64_t min, int64_t max)
{
    referral_str_t  s;

    s.data = (u_char *) value;
    s.len = strlen(value);
    *to = referral_str_uint(&s, max);

    if (*to < min) {
        return settle_options_wrong("%s must be a number from %lld to %lld",
                                    name, (long long) min, (long long) max);
    }

    return SETTLE_OK;
}


static int
settle_options_program(const char *value)
{
    referral_str_t     s;
    settle_options_t  *o;

    o = &settle_options;
    s.data = (u_char *) value;
    s.len = strlen(value);

    if (!referral_program_valid(&s)) {
        return settle_options_wrong("\"%s\" is no program's name: 1 to 64 of"
                                    " a-z 0-9 _ . -", value);
    }

    if (o->nprograms == SETTLE_PROGRAMS) {
        return settle_options_wrong("more than %d programs", SETTLE_PROGRAMS);
    }

    o->programs[o->nprograms] = strdup(value);

    return o->programs[o->nprograms++] ? SETTLE_OK : SETTLE_FAILED;
}


static int
settle_options_password(const char *path)
{
    int                rc;
    FILE              *f;
    size_t             n;
    settle_options_t  *o;

    o = &settle_options;
    f = fopen(path, "r");

    if (f == NULL) {
        return settle_options_wrong("password_file \"%s\": %s", path,
                                    strerror(errno));
    }

    n = fread(o->password, 1, sizeof(o->password) - 1, f);
    rc = settle_options_private(f, path);
    fclose(f);

    if (rc != SETTLE_OK) {
        return rc;
    }

    o->password[n] = '\0';
    o->password[strcspn(o->password, "\r\n")] = '\0';

    if (o->password[0] == '\0') {
        return settle_options_wrong("password_file \"%s\" has no password in"
                                    " its first line", path);
    }

    return SETTLE_OK;
}


/* as a key of nginx's: its owner, and a group that may read it */

static int
settle_options_private(FILE *f, const char *path)
{
    struct stat  st;

    if (fstat(fileno(f), &st) == -1) {
        return settle_options_wrong("\"%s\": %s", path, strerror(errno));
    }

    if (S_ISREG(st.st_mode) && (st.st_mode & (S_IWGRP|S_IRWXO))) {
        return settle_options_wrong("\"%s\" has a password and mode %03o, so"
                                    " that others may read or change it;"
                                    " 600 is right", path,
                                    (unsigned) (st.st_mode & 0777));
    }

    return SETTLE_OK;
}


static int
settle_options_check(void)
{
    size_t             i;
    const char        *colon;
    referral_str_t     port;
    settle_options_t  *o;

    o = &settle_options;
    colon = o->redis[0] == '/' || strncmp(o->redis, "unix:", 5) == 0
            ? NULL : strrchr(o->redis, ':');

    if (colon) {
        port.data = (u_char *) colon + 1;
        port.len = strlen(colon + 1);

        if (referral_str_uint(&port, 65535) < 1) {
            return settle_options_wrong("redis \"%s\": HOST:PORT or unix:PATH"
                                        " is right", o->redis);
        }
    }

    for (i = 0; o->prefix[i]; i++) {
        if (o->prefix[i] <= ' ' || strchr("{}*?[]\\", o->prefix[i])) {
            return settle_options_wrong("a prefix has no spaces and none of"
                                        " {}*?[]\\ in it");
        }
    }

    if ((o->mode == SETTLE_REPLAY || o->mode == SETTLE_REPAIR
         || o->mode == SETTLE_DUMP || o->mode == SETTLE_SKIP)
        && o->nprograms != 1)
    {
        return settle_options_wrong("which program? --program NAME");
    }

    if (o->chains && (o->mode != SETTLE_REPLAY || o->file[0] == '\0')) {
        return settle_options_wrong("--chains goes with --replay FILE");
    }

    if (o->mode == SETTLE_SKIP && o->reason[0] == '\0') {
        return settle_options_wrong("why is it skipped? --reason TEXT, which"
                                    " is kept in the stream");
    }

    return SETTLE_OK;
}


static int
settle_options_wrong(const char *format, ...)
{
    va_list  args;

    fputs("nginx-referral-settle: ", stderr);

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);

    fputc('\n', stderr);

    return SETTLE_FAILED;
}


static void
settle_options_usage(FILE *to)
{
    fputs("usage: nginx-referral-settle [-c FILE] [OPTION VALUE...]\n"
          "\n"
          "Settles the conversions of all programs in Redis until it is told"
          " to end.\n"
          "\n"
          "  --once              ends when nothing is left to settle\n"
          "  --status            where each program stands, as JSON\n"
          "  --replay [FILE]     settles the stream, or a dump of it, in memory"
          " and\n"
          "                      compares it with Redis; status 1: a"
          " difference\n"
          "  --chains            with --replay FILE: tells what it leads to,"
          " without Redis\n"
          "  --repair            the same, and writes what differs as it must"
          " be\n"
          "  --dump              writes a program's stream, an entry a line\n"
          "  --skip N            goes past entry N, at which a program"
          " stopped\n"
          "\n"
          "  -c FILE             these options, a name and a value a line:\n"
          "  --redis ADDRESS     HOST:PORT or unix:PATH (127.0.0.1:6379)\n"
          "  --username NAME     and\n"
          "  --password_file F   the user of Redis\n"
          "  --db N              database (0)\n"
          "  --prefix TEXT       of all keys (ref:)\n"
          "  --program NAME      this program alone; may be repeated\n"
          "  --metrics FILE      metrics for Prometheus, written every ten"
          " seconds\n"
          "  --lease SECONDS     how long a program is one's own (10; 0: take"
          " all)\n"
          "  --batch N           facts in a commit, at most (200)\n"
          "  --reason TEXT       of --skip\n", to);
}
