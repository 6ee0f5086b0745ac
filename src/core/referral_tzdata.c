
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

typedef struct {
    referral_timezones_t  *zones;
    char                  *err;
    unsigned               depth;
    DIR                   *dir[REFERRAL_TZDATA_DEPTH];
    size_t                 len[REFERRAL_TZDATA_DEPTH];
    char                   name[REFERRAL_TIMEZONE_MAX + 2];
    u_char                 file[REFERRAL_TIMEZONE_FILE_MAX + 1];
} referral_tzdata_walk_t;


static void referral_tzdata_mark(const char *path,
    referral_tzdata_mark_t *mark);
static void referral_tzdata_walk(referral_tzdata_walk_t *walk);
static void referral_tzdata_entry(referral_tzdata_walk_t *walk,
    const char *name);
static int referral_tzdata_skipped(const char *name);
static void referral_tzdata_enter(referral_tzdata_walk_t *walk, int fd,
    size_t len);
static void referral_tzdata_file(referral_tzdata_walk_t *walk, int fd,
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
    referral_timezones_t    *zones;
    referral_tzdata_walk_t  *walk;

    err[0] = '\0';

    /* what changes meanwhile has another mark, and is read again */

    referral_tzdata_mark(path, mark);

    zones = referral_timezones_create();
    walk = calloc(1, sizeof(referral_tzdata_walk_t));

    if (zones == NULL || walk == NULL) {
        snprintf(err, REFERRAL_TZDATA_ERROR, "no memory");
        referral_timezones_free(zones);
        free(walk);
        return NULL;
    }

    walk->zones = zones;
    walk->err = err;
    walk->dir[0] = opendir(path);

    if (walk->dir[0] == NULL) {
        snprintf(err, REFERRAL_TZDATA_ERROR, "\"%.128s\": %s", path,
                 strerror(errno));

    } else {
        walk->depth = 1;
        referral_tzdata_walk(walk);

        if (referral_timezones_count(zones) == 0 && err[0] == '\0') {
            snprintf(err, REFERRAL_TZDATA_ERROR,
                     "\"%.128s\" has no time zones", path);
        }
    }

    free(walk);

    if (referral_timezones_count(zones) == 0) {
        referral_timezones_free(zones);
        return NULL;
    }

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
referral_tzdata_walk(referral_tzdata_walk_t *walk)
{
    struct dirent  *entry;

    while (walk->depth) {
        entry = readdir(walk->dir[walk->depth - 1]);

        if (entry) {
            referral_tzdata_entry(walk, entry->d_name);
            continue;
        }

        walk->depth--;
        (void) closedir(walk->dir[walk->depth]);
    }
}


static void
referral_tzdata_entry(referral_tzdata_walk_t *walk, const char *name)
{
    int             fd;
    size_t          len, size;
    unsigned        top;
    struct stat     st;
    referral_str_t  s;

    top = walk->depth - 1;
    len = walk->len[top];
    size = strlen(name);

    if (len + size > REFERRAL_TIMEZONE_MAX
        || (top == 0 && referral_tzdata_skipped(name)))
    {
        return;
    }

    memcpy(walk->name + len, name, size + 1);

    s.data = (u_char *) walk->name;
    s.len = len + size;

    if (!referral_timezone_valid(&s)) {
        return;
    }

    /* a pipe must not be waited for */

    fd = openat(dirfd(walk->dir[top]), name, O_RDONLY|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1 || fstat(fd, &st) == -1) {

        if (walk->err[0] == '\0') {
            snprintf(walk->err, REFERRAL_TZDATA_ERROR, "\"%s\": %s",
                     walk->name, strerror(errno));
        }

    } else if (S_ISDIR(st.st_mode)) {
        referral_tzdata_enter(walk, fd, s.len);
        return;

    } else if (S_ISREG(st.st_mode)) {
        referral_tzdata_file(walk, fd, s.len);
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
referral_tzdata_enter(referral_tzdata_walk_t *walk, int fd, size_t len)
{
    DIR  *dir;

    dir = walk->depth < REFERRAL_TZDATA_DEPTH ? fdopendir(fd) : NULL;

    if (dir == NULL) {
        (void) close(fd);
        return;
    }

    walk->name[len] = '/';

    walk->dir[walk->depth] = dir;
    walk->len[walk->depth] = len + 1;
    walk->depth++;
}


static void
referral_tzdata_file(referral_tzdata_walk_t *walk, int fd, size_t len)
{
    size_t          size;
    ssize_t         n;
    const char     *err;
    referral_str_t  name, file;

    size = 0;

    do {
        n = read(fd, walk->file + size, sizeof(walk->file) - size);

        if (n > 0) {
            size += n;
        }

    } while (n > 0 && size < sizeof(walk->file));

    name.data = (u_char *) walk->name;
    name.len = len;
    file.data = walk->file;
    file.len = size;

    if (n == -1) {
        err = strerror(errno);

    } else if (size == sizeof(walk->file)) {
        return;

    } else if (referral_timezones_add(walk->zones, &name, &file, &err)
               != REFERRAL_ERROR)
    {
        return;
    }

    if (walk->err[0] == '\0') {
        snprintf(walk->err, REFERRAL_TZDATA_ERROR, "\"%s\": %s", walk->name,
                 err);
    }
}
