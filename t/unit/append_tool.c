/*
 * Appends from lines on stdin, their commands on stdout; for
 * t/redis/append.t.  A line is words with a tab between them:
 *
 *   conf NAME=VALUE...     begin PROGRAM JOURNAL EXPECTED
 *   event NAME=VALUE...    command FULL
 *   patience FROM TO
 *
 * An event has the names of the intake's fields ("x.KEY" among them; lists
 * with spaces), and seq, at and received in ms, trust, first and last as CODE
 * or CODE/CLICK_ID, fp (else the event's own).  A command is written as its
 * length in decimal, a line end, and its bytes.
 *
 * Fails where a function of the append does not return REFERRAL_OK.
 */

#include <stdio.h>
#include <stdlib.h>

#include "referral_append.h"


static const struct {
    const char  *name;
    unsigned     text;
} texts[] = {
    { "program", REFERRAL_EVENT_TEXT_PROGRAM },
    { "type", REFERRAL_EVENT_TEXT_TYPE },
    { "event_id", REFERRAL_EVENT_TEXT_ID },
    { "customer", REFERRAL_EVENT_TEXT_CUSTOMER },
    { "order_id", REFERRAL_EVENT_TEXT_ORDER },
    { "code", REFERRAL_EVENT_TEXT_CODE },
    { "currency", REFERRAL_EVENT_TEXT_UNIT },
    { "role", REFERRAL_EVENT_TEXT_ROLE },
    { "segment", REFERRAL_EVENT_TEXT_SEGMENT },
    { "country", REFERRAL_EVENT_TEXT_COUNTRY },
    { "city", REFERRAL_EVENT_TEXT_CITY }
};


static referral_append_conf_t   conf;
static referral_append_t       *append;


static void
fail(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n", what, text);
    exit(2);
}


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
        fail("bad hex", s);
    }
}


static void
click(u_char *out, char *s)
{
    referral_str_t  str;

    str = string(s);

    if (referral_click_id_parse(out, &str) != REFERRAL_OK) {
        fail("bad click id", s);
    }
}


static void
set_conf(char *name, char *value)
{
    if (strcmp(name, "prefix") == 0) {
        conf.prefix = string(strdup(value));

    } else if (strcmp(name, "window") == 0) {
        conf.window = strtoul(value, NULL, 10);

    } else if (strcmp(name, "late") == 0) {
        conf.late = strtoul(value, NULL, 10);

    } else if (strcmp(name, "attribution") == 0) {
        conf.first = strcmp(value, "first") == 0;

    } else if (strcmp(name, "seed") == 0) {
        hex(conf.seed, sizeof(conf.seed), value);

    } else {
        fail("no such option", name);
    }
}


static void
set_touch(referral_event_t *e, referral_event_touch_t *touch, unsigned flag,
    char *value)
{
    touch->code = string(strsep(&value, "/"));
    click(touch->click_id, value ? value : "");
    e->flags |= flag;
}


static unsigned
set_list(referral_str_t *list, char *value)
{
    unsigned  n;

    for (n = 0; value; n++) {
        list[n] = string(strsep(&value, " "));
    }

    return n;
}


/* "value" stays until the event is added */

static void
set_event(referral_event_t *e, uint64_t *seq, char *name, char *value)
{
    int64_t   n;
    unsigned  i;

    n = strtoll(value, NULL, 10);

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(name, texts[i].name) == 0) {
            e->text[texts[i].text] = string(value);
            return;
        }
    }

    if (strncmp(name, "x.", 2) == 0) {
        e->extra[e->extras].key = string(name + 2);
        e->extra[e->extras++].value = string(value);

    } else if (strcmp(name, "seq") == 0) {
        *seq = n;

    } else if (strcmp(name, "at") == 0) {
        e->at = n;
        e->flags |= REFERRAL_EVENT_AT_GIVEN;

    } else if (strcmp(name, "received") == 0) {
        e->received = n;

    } else if (strcmp(name, "order_at") == 0) {
        e->order_at = n;
        e->flags |= REFERRAL_EVENT_ORDER_AT;

    } else if (strcmp(name, "amount") == 0) {
        e->amount = n;
        e->flags |= REFERRAL_EVENT_AMOUNT;

    } else if (strcmp(name, "total_refunded") == 0) {
        e->refunded = n;
        e->flags |= REFERRAL_EVENT_REFUNDED;

    } else if (strcmp(name, "quantity") == 0) {
        e->quantity = n;

    } else if (strcmp(name, "new") == 0) {
        e->flags |= REFERRAL_EVENT_NEW_SAID | (n ? REFERRAL_EVENT_NEW : 0);

    } else if (strcmp(name, "trust") == 0) {
        e->trust = n;

    } else if (strcmp(name, "product") == 0) {
        e->products = set_list(e->product, value);

    } else if (strcmp(name, "parties") == 0) {
        e->parties = set_list(e->party, value);

    } else if (strcmp(name, "click_id") == 0) {
        click(e->click_id, value);
        e->flags |= REFERRAL_EVENT_CLICK_ID;

    } else if (strcmp(name, "first") == 0) {
        set_touch(e, &e->first, REFERRAL_EVENT_FIRST, value);

    } else if (strcmp(name, "last") == 0) {
        set_touch(e, &e->last, REFERRAL_EVENT_LAST, value);

    } else {
        fail("no such field", name);
    }
}


static void
add(char **word, unsigned n)
{
    char              *p, *fp;
    unsigned           i;
    uint64_t           seq;
    referral_event_t   e;

    memset(&e, 0, sizeof(e));

    fp = NULL;
    seq = 0;

    for (i = 1; i < n; i++) {
        p = word[i];
        strsep(&p, "=");

        if (strcmp(word[i], "fp") == 0) {
            fp = p;

        } else {
            set_event(&e, &seq, word[i], p);
        }
    }

    if (!(e.flags & REFERRAL_EVENT_AT_GIVEN)) {
        e.at = e.received;
    }

    if (fp) {
        hex(e.fingerprint, sizeof(e.fingerprint), fp);

    } else if (referral_event_fingerprint(&e) != REFERRAL_OK) {
        fail("fingerprint", "failed");
    }

    if (referral_append_add(append, &e, seq) != REFERRAL_OK) {
        fail("add", "failed");
    }
}


int
main(void)
{
    char            *line, *p, *word[64];
    u_char           journal[REFERRAL_JOURNAL_ID_SIZE];
    size_t           size;
    unsigned         i, n;
    referral_str_t   command, program;

    line = NULL;
    size = 0;

    referral_str_set(&conf.prefix, "ref:");
    referral_append_defaults(&conf);

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
                set_conf(word[i], p);
            }

        } else if (strcmp(word[0], "begin") == 0 && n == 4) {

            referral_append_free(append);
            append = referral_append_create(&conf);

            if (append == NULL) {
                fail("create", "failed");
            }

            hex(journal, sizeof(journal), word[2]);
            program = string(word[1]);

            if (referral_append_begin(append, &program, journal,
                                      strtoull(word[3], NULL, 10))
                != REFERRAL_OK)
            {
                fail("begin", word[1]);
            }

        } else if (strcmp(word[0], "patience") == 0 && append && n == 3) {
            referral_append_patience(append, strtoll(word[1], NULL, 10),
                                     strtoll(word[2], NULL, 10));

        } else if (strcmp(word[0], "event") == 0 && append) {
            add(word, n);

        } else if (strcmp(word[0], "command") == 0 && append && n == 2) {

            if (referral_append_command(append, word[1][0] == '1', &command)
                != REFERRAL_OK)
            {
                fail("command", "failed");
            }

            printf("%zu\n", command.len);
            fwrite(command.data, 1, command.len, stdout);
            fflush(stdout);

        } else {
            fail("no such line", word[0]);
        }
    }

    return 0;
}
