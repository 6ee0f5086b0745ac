
#include <errno.h>
#include <sys/stat.h>

#include "settle_status.h"


static void settle_metrics_program(FILE *f, const settle_program_t *p,
    unsigned metric, const settle_stands_t *s);


static const struct {
    const char   *name;
    const char   *type;
    const char   *help;
} settle_metrics[] = {
    { "referral_settle_position", "gauge",
      "Last entry of the program's conversions that is settled." },
    { "referral_settle_end", "gauge",
      "Last entry of the program's conversions." },
    { "referral_settle_waiting_seconds", "gauge",
      "How long the first entry waits that is not settled." },
    { "referral_settle_stopped", "gauge",
      "1 if the program stopped at an entry." },
    { "referral_settle_trouble", "gauge",
      "1 if something keeps the program from being settled." },
    { "referral_settle_facts_total", "counter",
      "Entries that this process settled." },
    { "referral_settle_commits_total", "counter",
      "Writes to Redis, of many entries each." },
    { "referral_settle_conflicts_total", "counter",
      "Writes that Redis refused because another settler was first." }
};


void
settle_metrics_write(settle_program_t *const *programs, size_t n)
{
    char              path[SETTLE_TEXT + 8], why[SETTLE_TEXT];
    size_t            i, m;
    FILE             *f;
    settle_stands_t  *s;

    snprintf(path, sizeof(path), "%s.new", settle_options.metrics);

    f = fopen(path, "w");
    s = calloc(n + 1, sizeof(settle_stands_t));

    if (f == NULL || s == NULL) {
        settle_log("error", "metrics \"%s\": %s", path, strerror(errno));

        if (f) {
            fclose(f);
        }

        free(s);
        return;
    }

    for (i = 0; i < n; i++) {
        (void) settle_status_read(&s[i], &programs[i]->state, why);
    }

    for (m = 0; m < sizeof(settle_metrics) / sizeof(settle_metrics[0]); m++) {
        fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", settle_metrics[m].name,
                settle_metrics[m].help, settle_metrics[m].name,
                settle_metrics[m].type);

        for (i = 0; i < n; i++) {
            settle_metrics_program(f, programs[i], m, &s[i]);
        }
    }

    free(s);

    /* whoever collects it is another user */

    (void) fchmod(fileno(f), 0644);

    if (fclose(f) != 0 || rename(path, settle_options.metrics) != 0) {
        settle_log("error", "metrics \"%s\": %s", settle_options.metrics,
                   strerror(errno));
    }
}


static void
settle_metrics_program(FILE *f, const settle_program_t *p, unsigned metric,
    const settle_stands_t *s)
{
    fprintf(f, "%s{program=\"%s\"} ", settle_metrics[metric].name, p->name);

    switch (metric) {

    case 0:
        fprintf(f, "%llu\n", (unsigned long long) s->position);
        break;

    case 1:
        fprintf(f, "%llu\n", (unsigned long long) s->end);
        break;

    case 2:
        fprintf(f, "%lld.%03d\n", (long long) s->waiting / 1000,
                (int) (s->waiting % 1000));
        break;

    case 3:
        fprintf(f, "%d\n", s->stopped[0] != '\0');
        break;

    case 4:
        fprintf(f, "%d\n", s->trouble[0] || p->told[0]);
        break;

    case 5:
        fprintf(f, "%llu\n", (unsigned long long) p->facts);
        break;

    case 6:
        fprintf(f, "%llu\n", (unsigned long long) p->commits);
        break;

    default:
        fprintf(f, "%llu\n", (unsigned long long) p->conflicts);
    }
}
