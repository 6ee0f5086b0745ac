
#include "referral_journal_core.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>


/*
 * An alias is noted on disk as a symbolic link in the journal's directory:
 * "alias-NAME", which points to "FROM-ID".  A link appears complete or not at
 * all, and needs no block on a full disk.
 */

#define REFERRAL_ALIAS_PREFIX  "alias-"
#define REFERRAL_ALIAS_NEW     "new-alias-"
#define REFERRAL_ALIAS_FROM    20
#define REFERRAL_ALIAS_TEXT    (REFERRAL_ALIAS_FROM + 1                       \
                                + REFERRAL_JOURNAL_ID_LEN)
#define REFERRAL_ALIAS_FILE    (sizeof(REFERRAL_ALIAS_NEW)                    \
                                + REFERRAL_ALIAS_NAME_MAX)


static referral_alias_t *referral_alias_add(referral_journal_t *j,
    const referral_str_t *name);
static int referral_alias_write(int dir, const referral_alias_t *alias);
static void referral_alias_file(char *out, const char *prefix,
    const referral_str_t *name);


referral_alias_t *
referral_journal_alias(referral_journal_t *j, const referral_str_t *name)
{
    referral_alias_t  *alias;

    for (alias = j->aliases; alias; alias = alias->next) {

        if (referral_str_eq(&alias->name, name)) {
            return alias;
        }
    }

    return NULL;
}


referral_alias_t *
referral_journal_alias_begin(referral_journals_t *js, referral_journal_t *j,
    const referral_str_t *name, uint64_t from)
{
    u_char             id[REFERRAL_JOURNAL_ID_SIZE];
    referral_alias_t  *alias;

    if (getrandom(id, sizeof(id), 0) != sizeof(id)) {
        return NULL;
    }

    alias = referral_journal_alias(j, name);

    if (alias == NULL) {
        alias = referral_alias_add(j, name);

        if (alias == NULL) {
            return NULL;
        }
    }

    memcpy(alias->id, id, REFERRAL_JOURNAL_ID_SIZE);

    alias->from = from;
    alias->active = 1;
    alias->noted = 0;

    (void) referral_journal_alias_note(js, j);

    return alias;
}


void
referral_journal_alias_end(referral_journals_t *js, referral_journal_t *j,
    referral_alias_t *alias)
{
    alias->active = 0;
    alias->noted = 0;

    (void) referral_journal_alias_note(js, j);
}


int
referral_journal_alias_note(referral_journals_t *js, referral_journal_t *j)
{
    int                rc, opened;
    char               file[REFERRAL_ALIAS_FILE];
    referral_alias_t  *alias;

    for (alias = j->aliases; alias && alias->noted; alias = alias->next) {
        /* void */
    }

    /* a journal that is only in memory cannot be adopted, so needs no note */

    if (alias == NULL || j->unlinked || (j->dir == -1 && j->nsegments == 0)) {
        return REFERRAL_OK;
    }

    opened = (j->dir == -1);

    if (referral_journal_open_dir(js, j) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    rc = REFERRAL_OK;

    for ( /* void */ ; alias; alias = alias->next) {

        if (alias->noted) {
            continue;
        }

        if (alias->active) {
            alias->noted = (referral_alias_write(j->dir, alias)
                            == REFERRAL_OK);

        } else {
            referral_alias_file(file, REFERRAL_ALIAS_PREFIX, &alias->name);

            alias->noted = (unlinkat(j->dir, file, 0) == 0
                            || errno == ENOENT);
        }

        if (!alias->noted) {
            rc = REFERRAL_ERROR;
        }
    }

    if (js->conf.sync != REFERRAL_SYNC_OFF && fsync(j->dir) == -1) {
        rc = REFERRAL_ERROR;
    }

    if (opened) {
        referral_journal_close_dir(j);
    }

    return rc;
}


void
referral_journal_alias_load(referral_journal_t *j, const char *file)
{
    u_char             id[REFERRAL_JOURNAL_ID_SIZE];
    uint64_t           from;
    referral_str_t     name;
    referral_alias_t  *alias;

    if (strncmp(file, REFERRAL_ALIAS_NEW, sizeof(REFERRAL_ALIAS_NEW) - 1)
        == 0)
    {
        (void) unlinkat(j->dir, file, 0);
        return;
    }

    if (referral_journal_alias_read(j->dir, file, &name, &from, id)
        != REFERRAL_OK)
    {
        return;
    }

    alias = referral_alias_add(j, &name);
    if (alias == NULL) {
        return;
    }

    memcpy(alias->id, id, REFERRAL_JOURNAL_ID_SIZE);

    alias->from = from;
    alias->active = 1;
    alias->noted = 1;
}


int
referral_journal_alias_read(int dir, const char *file, referral_str_t *name,
    uint64_t *from, u_char *id)
{
    char            text[REFERRAL_ALIAS_TEXT + 1];
    size_t          len;
    int64_t         n;
    referral_str_t  s;

    len = sizeof(REFERRAL_ALIAS_PREFIX) - 1;

    if (strncmp(file, REFERRAL_ALIAS_PREFIX, len) != 0) {
        return REFERRAL_ERROR;
    }

    name->len = strlen(file) - len;
    name->data = (u_char *) file + len;

    if (name->len == 0 || name->len > REFERRAL_ALIAS_NAME_MAX
        || readlinkat(dir, file, text, sizeof(text)) != REFERRAL_ALIAS_TEXT)
    {
        return REFERRAL_ERROR;
    }

    text[REFERRAL_ALIAS_TEXT] = '\0';

    s.len = REFERRAL_ALIAS_FROM;
    s.data = (u_char *) text;

    n = referral_str_uint(&s, INT64_MAX - 1);

    if (n < 0 || text[s.len] != '-'
        || referral_journal_id_parse(id, text + s.len + 1) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    *from = (uint64_t) n;

    return REFERRAL_OK;
}


void
referral_journal_alias_unlink(referral_journal_t *j)
{
    char               file[REFERRAL_ALIAS_FILE];
    referral_alias_t  *alias;

    for (alias = j->aliases; alias; alias = alias->next) {
        referral_alias_file(file, REFERRAL_ALIAS_PREFIX, &alias->name);
        (void) unlinkat(j->dir, file, 0);
    }
}


static referral_alias_t *
referral_alias_add(referral_journal_t *j, const referral_str_t *name)
{
    referral_alias_t  *alias;

    if (name->len == 0 || name->len > REFERRAL_ALIAS_NAME_MAX
        || memchr(name->data, '/', name->len)
        || memchr(name->data, '\0', name->len))
    {
        errno = EINVAL;
        return NULL;
    }

    alias = calloc(1, sizeof(referral_alias_t) + name->len);
    if (alias == NULL) {
        return NULL;
    }

    alias->name.len = name->len;
    alias->name.data = (u_char *) (alias + 1);

    memcpy(alias->name.data, name->data, name->len);

    alias->next = j->aliases;
    j->aliases = alias;

    return alias;
}


/* a link cannot be overwritten: a new one is renamed to its name */

static int
referral_alias_write(int dir, const referral_alias_t *alias)
{
    int   err;
    char  id[REFERRAL_JOURNAL_ID_LEN + 1], text[REFERRAL_ALIAS_TEXT + 1];
    char  to[REFERRAL_ALIAS_FILE], file[REFERRAL_ALIAS_FILE];

    referral_journal_id_text(id, alias->id);

    (void) snprintf(text, sizeof(text), "%020llu-%s",
                    (unsigned long long) alias->from, id);

    referral_alias_file(file, REFERRAL_ALIAS_NEW, &alias->name);
    referral_alias_file(to, REFERRAL_ALIAS_PREFIX, &alias->name);

    (void) unlinkat(dir, file, 0);

    if (symlinkat(text, dir, file) == -1) {
        return REFERRAL_ERROR;
    }

    if (renameat(dir, file, dir, to) == -1) {
        err = errno;
        (void) unlinkat(dir, file, 0);
        errno = err;

        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


static void
referral_alias_file(char *out, const char *prefix, const referral_str_t *name)
{
    (void) snprintf(out, REFERRAL_ALIAS_FILE, "%s%.*s", prefix,
                    (int) name->len, name->data);
}
