/*
 * Reads a batch from stdin and writes its command to stdout, for
 * t/redis/batch.t.  A line is words with tabs between:
 *
 *   conf NAME=VALUE...     begin PROGRAM JOURNAL EXPECTED
 *   rec NAME=VALUE...      command FULL
 *
 * Exits with an error if a function of the batch does not return REFERRAL_OK.
 */

#include <stdio.h>
#include <stdlib.h>

#include "referral_batch.h"


static const char  *texts[] = {
    "program", "code", "referrer", "country", "region", "city", "lang",
    "device", "os", "app", "source", "channel", "segment", "variant",
    "landing_host", "first_code"
};

_Static_assert(sizeof(texts) / sizeof(texts[0]) == REFERRAL_TEXTS,
               "each text has its name, in the order of the enum");


static referral_batch_conf_t   conf;
static referral_batch_t       *batch;


static referral_str_t
string(char *s)
{
    referral_str_t  str;

    str.data = (u_char *) s;
    str.len = strlen(s);

    return str;
}


static void
hex(u_char *out, size_t size, char *s)
{
    referral_str_t  str;

    str = string(s);

    if (referral_hex_decode(out, size, &str) != (ssize_t) size) {
        fprintf(stderr, "bad hex: %s\n", s);
        exit(2);
    }
}


static void
set_conf(char *name, char *value)
{
    uint64_t  n;

    n = strtoull(value, NULL, 10);

    if (strcmp(name, "prefix") == 0) {
        conf.prefix = string(value);

    } else if (strcmp(name, "maxlen") == 0) {
        conf.events_maxlen = n;

    } else if (strcmp(name, "age") == 0) {
        conf.events_age = n;

    } else if (strcmp(name, "cap_program") == 0) {
        conf.cap_program = n;

    } else if (strcmp(name, "cap_link") == 0) {
        conf.cap_link = n;

    } else {
        fprintf(stderr, "no such option: %s\n", name);
        exit(2);
    }
}


static void
set_record(referral_record_t *r, uint64_t *seq, char *name, char *value)
{
    long long  n;
    unsigned   i;

    n = strtoll(value, NULL, 10);

    for (i = 0; i < REFERRAL_TEXTS; i++) {
        if (strcmp(name, texts[i]) == 0) {
            r->text[i] = string(value);
            return;
        }
    }

    if (strcmp(name, "seq") == 0) {
        *seq = n;

    } else if (strcmp(name, "at") == 0) {
        r->at = n;

    } else if (strcmp(name, "life") == 0) {
        r->life = n;

    } else if (strcmp(name, "offset") == 0) {
        r->offset = n;

    } else if (strcmp(name, "flags") == 0) {
        r->flags = n;

    } else if (strcmp(name, "class") == 0) {
        r->class = n;

    } else if (strcmp(name, "result") == 0) {
        r->result = n;

    } else if (strcmp(name, "address") == 0) {
        r->address = strtoull(value, NULL, 16);

    } else if (strcmp(name, "click_id") == 0) {
        hex(r->click_id, sizeof(r->click_id), value);

    } else if (strcmp(name, "first_click_id") == 0) {
        hex(r->first_click_id, sizeof(r->first_click_id), value);

    } else if (strcmp(name, "visitor") == 0) {
        hex(r->visitor, sizeof(r->visitor), value);

    } else {
        fprintf(stderr, "no such member: %s\n", name);
        exit(2);
    }
}


int
main(void)
{
    int                rc;
    char              *line, *p, *word[64];
    u_char             journal[REFERRAL_JOURNAL_ID_SIZE];
    size_t             size;
    unsigned           i, n;
    uint64_t           seq;
    referral_str_t     command, program;
    referral_record_t  r;

    line = NULL;
    size = 0;

    referral_str_set(&conf.prefix, "ref:");
    referral_batch_defaults(&conf);
    conf.seed = 1;

    while (getline(&line, &size, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';

        n = 0;

        for (p = line; p && n < 64; n++) {
            word[n] = strsep(&p, "\t");
        }

        if (strcmp(word[0], "conf") == 0) {

            for (i = 1; i < n; i++) {
                p = word[i];
                strsep(&p, "=");
                set_conf(word[i], strdup(p));
            }

        } else if (strcmp(word[0], "begin") == 0 && n == 4) {

            batch = referral_batch_create(&conf);
            if (batch == NULL) {
                fprintf(stderr, "no batch\n");
                return 2;
            }

            hex(journal, sizeof(journal), word[2]);
            program = string(word[1]);

            rc = referral_batch_begin(batch, &program, journal,
                                      strtoull(word[3], NULL, 10));

            if (rc != REFERRAL_OK) {
                fprintf(stderr, "begin: %d\n", rc);
                return 2;
            }

        } else if (strcmp(word[0], "rec") == 0 && batch) {

            memset(&r, 0, sizeof(r));
            seq = 0;

            for (i = 1; i < n; i++) {
                p = word[i];
                strsep(&p, "=");
                set_record(&r, &seq, word[i], p);
            }

            rc = referral_batch_add(batch, &r, seq);

            if (rc != REFERRAL_OK) {
                fprintf(stderr, "add: %d\n", rc);
                return 2;
            }

        } else if (strcmp(word[0], "command") == 0 && batch && n == 2) {

            rc = referral_batch_command(batch, word[1][0] == '1', &command);

            if (rc != REFERRAL_OK) {
                fprintf(stderr, "command: %d\n", rc);
                return 2;
            }

            fwrite(command.data, 1, command.len, stdout);

        } else {
            fprintf(stderr, "no such line: %s\n", word[0]);
            return 2;
        }
    }

    return 0;
}
