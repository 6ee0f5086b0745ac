
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "referral_slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/stat.h>


#define REFERRAL_SLOT_PREFIX    "slot-"
#define REFERRAL_SLOT_NAME_MAX  sizeof(REFERRAL_SLOT_PREFIX "4294967295")


static unsigned referral_slot_taken(int err);


void
referral_slot_init(referral_slot_t *slot, const char *root)
{
    slot->root = root;
    slot->number = -1;
    slot->dir = -1;
    slot->lock = -1;
}


int
referral_slot_take(referral_slot_t *slot, unsigned sync, const char **what)
{
    int       err, root;
    char      name[REFERRAL_SLOT_NAME_MAX];
    unsigned  n;

    *what = "open() of the journal's directory failed";

    err = referral_slot_root(slot->root, &root);
    if (err) {
        return err;
    }

    *what = "no slot of the journal can be taken";
    err = EUSERS;

    for (n = 0; n < REFERRAL_SLOTS; n++) {
        (void) snprintf(name, sizeof(name), REFERRAL_SLOT_PREFIX "%03u", n);

        if (mkdirat(root, name, 0700) == -1 && errno != EEXIST) {
            err = errno;
            break;
        }

        err = referral_slot_lock(slot, root, name);

        if (err == 0) {
            slot->number = n;

            if (sync) {
                (void) fsync(root);
            }

            break;
        }

        if (!referral_slot_taken(err)) {
            break;
        }

        err = EUSERS;
    }

    (void) close(root);

    return err;
}


/*
 * 1: another process holds the slot, or it is unusable: the next may be free
 */

static unsigned
referral_slot_taken(int err)
{
    switch (err) {

    case EWOULDBLOCK:
    case EACCES:
    case EPERM:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENOENT:
        return 1;

    default:
        return 0;
    }
}


int
referral_slot_lock(referral_slot_t *slot, int root, const char *name)
{
    int          err;
    struct stat  st;

    slot->number = -1;
    slot->lock = -1;
    slot->dir = openat(root, name, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    if (slot->dir != -1) {
        slot->lock = openat(slot->dir, "lock",
                            O_RDWR|O_CREAT|O_NOFOLLOW|O_CLOEXEC, 0600);
    }

    /* the file may have been removed between open() and flock() */

    if (slot->lock != -1
        && flock(slot->lock, LOCK_EX|LOCK_NB) == 0
        && fstat(slot->lock, &st) == 0
        && st.st_nlink)
    {
        return 0;
    }

    err = (slot->lock == -1) ? errno : EWOULDBLOCK;

    referral_slot_leave(slot);

    return err;
}


void
referral_slot_leave(referral_slot_t *slot)
{
    if (slot->dir != -1) {
        (void) close(slot->dir);
    }

    if (slot->lock != -1) {
        (void) close(slot->lock);
    }

    slot->number = -1;
    slot->dir = -1;
    slot->lock = -1;
}


unsigned
referral_slot_lost(const referral_slot_t *slot)
{
    struct stat  st;

    return fstat(slot->lock, &st) == -1 || st.st_nlink == 0;
}


int
referral_slot_root(const char *root, int *fd)
{
    *fd = open(root, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (*fd == -1 && errno == ENOENT && mkdir(root, 0700) == 0) {
        *fd = open(root, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    }

    return *fd == -1 ? errno : 0;
}


int
referral_slots_open(referral_slots_t *slots, const char *root)
{
    int  err;

    err = referral_slot_root(root, &slots->root);
    if (err) {
        return err;
    }

    slots->dir = referral_slot_opendir(slots->root, ".");

    if (slots->dir == NULL) {
        err = errno;
        (void) close(slots->root);
    }

    return err;
}


const char *
referral_slots_next(referral_slots_t *slots)
{
    size_t          len;
    struct dirent  *de;

    len = sizeof(REFERRAL_SLOT_PREFIX) - 1;

    do {
        de = readdir(slots->dir);
    } while (de && strncmp(de->d_name, REFERRAL_SLOT_PREFIX, len) != 0);

    return de ? de->d_name : NULL;
}


void
referral_slots_close(referral_slots_t *slots)
{
    (void) closedir(slots->dir);
    (void) close(slots->root);
}


DIR *
referral_slot_opendir(int dir, const char *name)
{
    int   fd, err;
    DIR  *d;

    fd = openat(dir, name, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);
    if (fd == -1) {
        return NULL;
    }

    d = fdopendir(fd);

    if (d == NULL) {
        err = errno;
        (void) close(fd);
        errno = err;
    }

    return d;
}
