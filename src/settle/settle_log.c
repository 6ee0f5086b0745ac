
#include <stdarg.h>
#include <time.h>

#include "settle.h"


/* systemd's journal takes the level from "<N>" at the start of a line */

void
settle_log(const char *level, const char *format, ...)
{
    char         text[2048], when[32];
    size_t       i;
    time_t       now;
    va_list      args;
    struct tm    tm;

    static const char *const  levels[] = { "crit", "error", "warn", "notice" };
    static const char         numbers[] = "2345";

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    /* fields of a program have whatever bytes somebody wrote into them */

    for (i = 0; text[i]; i++) {
        if ((u_char) text[i] < 0x20 || text[i] == 0x7f) {
            text[i] = '?';
        }
    }

    if (getenv("JOURNAL_STREAM")) {

        for (i = 0; i < 3; i++) {
            if (strcmp(level, levels[i]) == 0) {
                break;
            }
        }

        fprintf(stderr, "<%c>[%s] %s\n", numbers[i], level, text);
        return;
    }

    now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);

    fprintf(stderr, "%s [%s] %s\n", when, level, text);
}


int64_t
settle_clock(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}
