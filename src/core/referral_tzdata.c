
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "referral_tzdata.h"


#define REFERRAL_TZDATA_DEPTH  3


/* directories that are open, one in the other; their names end with "/" */

struct referral_tzdata_s {
    referral_timezones_t  *zones;
    unsigned               depth;
    DIR                   *dir[REFERRAL_TZDATA_DEPTH];
    size_t                 len[REFERRAL_TZDATA_DEPTH];
    char                   name[REFERRAL_TIMEZONE_MAX + 2];
    char                   err[REFERRAL_TZDATA_ERROR];
    u_char                 file[REFERRAL_TIMEZONE_FILE_MAX + 1];
};


static void referral_tzdata_mark(const char *path,
    referral_tzdata_mark_t *mark);
static void referral_tzdata_entry(referral_tzdata_t *tzdata,
    const char *name);
static int referral_tzdata_skipped(const char *name);
static void referral_tzdata_enter(referral_tzdata_t *tzdata, int fd,
    size_t len);
static void referral_tzdata_file(referral_tzdata_t *tzdata, int fd,
    size_t len);


const char *
referral_tzdata_path(void)
{
    const char  *path;

    path = getenv("TZDIR");

    return path && path[0] == '/' ? path : REFERRAL_TZDATA_PATH;
}


referral_timezones_t *
referral_tzdata_read(const char *path, referral_tzdata_mark_t *mark,
    char err[REFERRAL_TZDATA_ERROR])
{
    referral_tzdata_t  *tzdata;

    tzdata = referral_tzdata_open(path, mark);

    if (tzdata == NULL) {
        snprintf(err, REFERRAL_TZDATA_ERROR, "no memory");
        return NULL;
    }

    while (referral_tzdata_step(tzdata) == REFERRAL_AGAIN) { /* void */ }

    return referral_tzdata_close(tzdata, err);
}


referral_tzdata_t *
referral_tzdata_open(const char *path, referral_tzdata_mark_t *mark)
{
    referral_tzdata_t  *tzdata;

    /* what changes meanwhile has another mark, and is read again */

    referral_tzdata_mark(path, mark);

    tzdata = calloc(1, sizeof(referral_tzdata_t));
    if (tzdata == NULL) {
        return NULL;
    }

    tzdata->zones = referral_timezones_create();

    if (tzdata->zones == NULL) {
        free(tzdata);
        return NULL;
    }

    tzdata->dir[0] = opendir(path);

    if (tzdata->dir[0]) {
        tzdata->depth = 1;

    } else {
        snprintf(tzdata->err, REFERRAL_TZDATA_ERROR, "\"%.128s\": %s", path,
                 strerror(errno));
    }

    return tzdata;
}


int
referral_tzdata_step(referral_tzdata_t *tzdata)
{
    struct dirent  *entry;

    if (tzdata->depth == 0) {
        return REFERRAL_OK;
    }

    entry = readdir(tzdata->dir[tzdata->depth - 1]);

    if (entry) {
        referral_tzdata_entry(tzdata, entry->d_name);

    } else {
        tzdata->depth--;
        (void) closedir(tzdata->dir[tzdata->depth]);
    }

    return REFERRAL_AGAIN;
}


referral_timezones_t *
referral_tzdata_close(referral_tzdata_t *tzdata,
    char err[REFERRAL_TZDATA_ERROR])
{
    referral_timezones_t  *zones;

    zones = tzdata->zones;

    if (referral_timezones_count(zones) == 0) {

        if (tzdata->err[0] == '\0') {
            snprintf(tzdata->err, REFERRAL_TZDATA_ERROR,
                     "there are no time zones");
        }

        referral_timezones_free(zones);
        zones = NULL;
    }

    memcpy(err, tzdata->err, REFERRAL_TZDATA_ERROR);

    while (tzdata->depth) {
        tzdata->depth--;
        (void) closedir(tzdata->dir[tzdata->depth]);
    }

    free(tzdata);

    return zones;
}


int
referral_tzdata_changed(const char *path, const referral_tzdata_mark_t *mark)
{
    referral_tzdata_mark_t  now;

    referral_tzdata_mark(path, &now);

    return memcmp(&now, mark, sizeof(referral_tzdata_mark_t)) != 0;
}


/* packages rename new files into the directory; tzdata.zi has the release */

static void
referral_tzdata_mark(const char *path, referral_tzdata_mark_t *mark)
{
    int          i, fd;
    int64_t     *word;
    struct stat  st;

    static const char *const  names[] = { ".", "tzdata.zi" };

    memset(mark, 0, sizeof(referral_tzdata_mark_t));

    fd = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    if (fd == -1) {
        return;
    }

    for (i = 0; i < 2; i++) {

        if (fstatat(fd, names[i], &st, 0) == 0) {
            word = &mark->word[i * 3];
            word[0] = st.st_ino;
            word[1] = st.st_mtim.tv_sec;
            word[2] = st.st_mtim.tv_nsec;
        }
    }

    (void) close(fd);
}


static void
referral_tzdata_entry(referral_tzdata_t *tzdata, const char *name)
{
    int             fd;
    size_t          len, size;
    unsigned        top;
    struct stat     st;
    referral_str_t  s;

    top = tzdata->depth - 1;
    len = tzdata->len[top];
    size = strlen(name);

    if (len + size > REFERRAL_TIMEZONE_MAX
        || (top == 0 && referral_tzdata_skipped(name)))
    {
        return;
    }

    memcpy(tzdata->name + len, name, size + 1);

    s.data = (u_char *) tzdata->name;
    s.len = len + size;

    if (!referral_timezone_valid(&s)) {
        return;
    }

    /* a pipe must not be waited for */

    fd = openat(dirfd(tzdata->dir[top]), name, O_RDONLY|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1 || fstat(fd, &st) == -1) {

        if (tzdata->err[0] == '\0') {
            snprintf(tzdata->err, REFERRAL_TZDATA_ERROR, "\"%s\": %s",
                     tzdata->name, strerror(errno));
        }

    } else if (S_ISDIR(st.st_mode)) {
        referral_tzdata_enter(tzdata, fd, s.len);
        return;

    } else if (S_ISREG(st.st_mode)) {
        referral_tzdata_file(tzdata, fd, s.len);
    }

    if (fd != -1) {
        (void) close(fd);
    }
}


static int
referral_tzdata_skipped(const char *name)
{
    size_t  i;

    static const char *const  names[] = {
        "posix", "right", "localtime", "posixrules"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return 1;
        }
    }

    return 0;
}


/* takes the descriptor */

static void
referral_tzdata_enter(referral_tzdata_t *tzdata, int fd, size_t len)
{
    DIR  *dir;

    dir = tzdata->depth < REFERRAL_TZDATA_DEPTH ? fdopendir(fd) : NULL;

    if (dir == NULL) {
        (void) close(fd);
        return;
    }

    tzdata->name[len] = '/';

    tzdata->dir[tzdata->depth] = dir;
    tzdata->len[tzdata->depth] = len + 1;
    tzdata->depth++;
}


static void
referral_tzdata_file(referral_tzdata_t *tzdata, int fd, size_t len)
{
    size_t          size;
    ssize_t         n;
    const char     *err;
    referral_str_t  name, file;

    size = 0;

    do {
        n = read(fd, tzdata->file + size, sizeof(tzdata->file) - size);

        if (n > 0) {
            size += n;
        }

    } while (n > 0 && size < sizeof(tzdata->file));

    name.data = (u_char *) tzdata->name;
    name.len = len;
    file.data = tzdata->file;
    file.len = size;

    if (n == -1) {
        err = strerror(errno);

    } else if (size == sizeof(tzdata->file)
               || referral_timezones_add(tzdata->zones, &name, &file, &err)
                  != REFERRAL_ERROR)
    {
        return;
    }

    if (tzdata->err[0] == '\0') {
        snprintf(tzdata->err, REFERRAL_TZDATA_ERROR, "\"%s\": %s", tzdata->name,
                 err);
    }
}
