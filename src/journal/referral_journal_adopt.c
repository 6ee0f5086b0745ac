
#include "referral_journal_core.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/file.h>


static int referral_journal_root(referral_journals_t *js);
static int referral_journal_lock_slot(int root, const char *name, int *dir,
    int *lock);
static DIR *referral_journal_opendir(int dir, const char *name);
static int referral_journal_adopt_slot(referral_journals_t *js, int from,
    unsigned *n, int64_t mono);
static int referral_journal_adopt_orphans(referral_journals_t *js,
    unsigned *n, int64_t mono);
static int referral_journal_holds_any(int dir);
static int referral_journal_holds(int root, const char *slot,
    const char *name);
static int referral_journal_known(referral_journals_t *js, const u_char *id);
static int referral_journal_load(referral_journals_t *js, const u_char *id,
    int64_t mono);
static int referral_journal_load_files(referral_journal_t *j);
static int referral_journal_load_segment(referral_journal_t *j,
    const char *name, uint64_t first, unsigned n);
static int referral_journal_cmp_segments(const void *one, const void *two);
static int referral_journal_find_last(referral_journal_t *j);
static uint64_t referral_journal_last_in(const u_char *data, size_t len,
    uint32_t seed);
static off_t referral_journal_count_slot(referral_journals_t *js,
    referral_quota_count_t *count, int root, const char *name);
static off_t referral_journal_count_dir(int slot, const char *name);
static int referral_journal_unlink_first(referral_journals_t *js,
    referral_journal_t *j);
static void referral_journal_check_lost(referral_journals_t *js);
static int referral_journal_pressed(referral_journals_t *js);


static int
referral_journal_root(referral_journals_t *js)
{
    int  fd;

    fd = open(js->path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1 && errno == ENOENT && mkdir(js->path, 0700) == 0) {
        fd = open(js->path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    }

    return fd;
}


int
referral_journal_take_slot(referral_journals_t *js, int64_t mono)
{
    int       rc, err, root;
    char      name[REFERRAL_SLOT_NAME_MAX];
    unsigned  n;

    root = referral_journal_root(js);

    if (root == -1) {
        referral_journal_fail(js, "open() of the journal's directory failed",
                              errno, mono);
        return REFERRAL_ERROR;
    }

    errno = EUSERS;

    for (n = 0; n < REFERRAL_JOURNAL_SLOTS; n++) {
        (void) snprintf(name, sizeof(name), "slot-%03u", n);

        if (mkdirat(root, name, 0700) == -1 && errno != EEXIST) {
            break;
        }

        rc = referral_journal_lock_slot(root, name, &js->slot_dir, &js->lock);

        if (rc == REFERRAL_ERROR) {
            break;
        }

        if (rc == REFERRAL_OK) {

            if (js->conf.sync != REFERRAL_SYNC_OFF) {
                (void) fsync(root);

                if (js->sync_fd == -1) {
                    js->sync_fd = fcntl(js->slot_dir, F_DUPFD_CLOEXEC, 0);
                }

                if (js->sync_fd == -1) {
                    err = errno;
                    referral_journal_leave_slot(js);
                    errno = err;
                    break;
                }
            }

            js->slot = n;
            js->failed = 0;

            (void) close(root);

            return REFERRAL_OK;
        }

        errno = EUSERS;
    }

    referral_journal_fail(js, "no slot of the journal can be taken", errno,
                          mono);
    (void) close(root);

    return REFERRAL_ERROR;
}


/* REFERRAL_DECLINED: somebody holds it, or it is not for us */

static int
referral_journal_lock_slot(int root, const char *name, int *dir, int *lock)
{
    int          err;
    struct stat  st;

    *lock = -1;

    *dir = openat(root, name, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    if (*dir != -1) {
        *lock = openat(*dir, "lock", O_RDWR|O_CREAT|O_NOFOLLOW|O_CLOEXEC,
                       0600);
    }

    /* the file may have been removed between open() and flock() */

    if (*lock != -1
        && flock(*lock, LOCK_EX|LOCK_NB) == 0
        && fstat(*lock, &st) == 0
        && st.st_nlink)
    {
        return REFERRAL_OK;
    }

    err = errno;

    if (*lock != -1) {
        (void) close(*lock);
        *lock = -1;
        err = EWOULDBLOCK;
    }

    if (*dir != -1) {
        (void) close(*dir);
        *dir = -1;
    }

    errno = err;

    switch (err) {

    case EWOULDBLOCK:
    case EACCES:
    case EPERM:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENOENT:
        return REFERRAL_DECLINED;

    default:
        return REFERRAL_ERROR;
    }
}


void
referral_journal_leave_slot(referral_journals_t *js)
{
    if (js->slot_dir != -1) {
        (void) close(js->slot_dir);
    }

    if (js->lock != -1) {
        (void) close(js->lock);
    }

    js->slot = -1;
    js->slot_dir = -1;
    js->lock = -1;
}


/*
 * The directory of a journal that others wrote is open only while something is
 * wanted of it: hundreds may be kept, and a worker has few descriptors.
 */

int
referral_journal_open_dir(referral_journals_t *js, referral_journal_t *j)
{
    char  name[REFERRAL_JOURNAL_ID_LEN + 1];

    if (j->dir != -1) {
        return REFERRAL_OK;
    }

    referral_journal_id_text(name, j->id);

    j->dir = openat(js->slot_dir, name,
                    O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    return j->dir == -1 ? REFERRAL_ERROR : REFERRAL_OK;
}


void
referral_journal_close_dir(referral_journal_t *j)
{
    if (j->dir != -1 && !j->own && !j->moved) {
        (void) close(j->dir);
        j->dir = -1;
    }
}


static DIR *
referral_journal_opendir(int dir, const char *name)
{
    int   fd;
    DIR  *d;

    fd = openat(dir, name, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);
    if (fd == -1) {
        return NULL;
    }

    d = fdopendir(fd);
    if (d == NULL) {
        (void) close(fd);
    }

    return d;
}


int
referral_journals_adopt(referral_journals_t *js, int64_t mono)
{
    unsigned  n;

    if (js->slot == -1 || js->lost) {
        return REFERRAL_ERROR;
    }

    n = 0;

    if (referral_journal_adopt_slot(js, js->slot_dir, &n, mono) != REFERRAL_OK
        || referral_journal_adopt_orphans(js, &n, mono) != REFERRAL_OK)
    {
        return n ? (int) n : REFERRAL_ERROR;
    }

    return n;
}


/* "from" is the directory of a slot whose lock we hold, maybe our own */

static int
referral_journal_adopt_slot(referral_journals_t *js, int from, unsigned *n,
    int64_t mono)
{
    int             rc;
    DIR            *d;
    u_char          id[REFERRAL_JOURNAL_ID_SIZE];
    struct dirent  *de;

    d = referral_journal_opendir(from, ".");
    if (d == NULL) {
        return REFERRAL_ERROR;
    }

    rc = REFERRAL_OK;

    while (*n < REFERRAL_JOURNAL_ADOPT) {
        de = readdir(d);

        if (de == NULL) {
            break;
        }

        if (referral_journal_id_parse(id, de->d_name) != REFERRAL_OK
            || referral_journal_known(js, id))
        {
            continue;
        }

        if (from != js->slot_dir) {

            referral_quota_changed(js->quota);

            if (renameat(from, de->d_name, js->slot_dir, de->d_name) == -1) {
                rc = REFERRAL_ERROR;
                continue;
            }

            referral_quota_changed(js->quota);

            if (js->conf.sync != REFERRAL_SYNC_OFF) {
                (void) fsync(js->slot_dir);
                (void) fsync(from);
            }
        }

        switch (referral_journal_load(js, id, mono)) {

        case REFERRAL_OK:
            (*n)++;
            break;

        case REFERRAL_ERROR:
            rc = REFERRAL_ERROR;
            break;
        }
    }

    (void) closedir(d);

    return rc;
}


static int
referral_journal_adopt_orphans(referral_journals_t *js, unsigned *n,
    int64_t mono)
{
    int             rc, root, slot, lock;
    DIR            *d;
    struct dirent  *de;

    root = referral_journal_root(js);
    if (root == -1) {
        return REFERRAL_ERROR;
    }

    d = referral_journal_opendir(root, ".");
    if (d == NULL) {
        (void) close(root);
        return REFERRAL_ERROR;
    }

    rc = REFERRAL_OK;

    while (*n < REFERRAL_JOURNAL_ADOPT) {
        de = readdir(d);

        if (de == NULL) {
            break;
        }

        if (strncmp(de->d_name, "slot-", 5) != 0) {
            continue;
        }

        /* a lock is not even tried where there is nothing to be had */

        slot = openat(root, de->d_name,
                      O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

        if (slot == -1) {
            continue;
        }

        if (!referral_journal_holds_any(slot)) {
            (void) close(slot);
            continue;
        }

        (void) close(slot);

        if (referral_journal_lock_slot(root, de->d_name, &slot, &lock)
            != REFERRAL_OK)
        {
            continue;
        }

        if (referral_journal_adopt_slot(js, slot, n, mono) != REFERRAL_OK) {
            rc = REFERRAL_ERROR;
        }

        (void) close(lock);
        (void) close(slot);
    }

    (void) closedir(d);
    (void) close(root);

    return rc;
}


static int
referral_journal_holds_any(int dir)
{
    int             found;
    DIR            *d;
    u_char          id[REFERRAL_JOURNAL_ID_SIZE];
    struct dirent  *de;

    d = referral_journal_opendir(dir, ".");
    if (d == NULL) {
        return 0;
    }

    found = 0;

    while (!found && (de = readdir(d)) != NULL) {
        found = (referral_journal_id_parse(id, de->d_name) == REFERRAL_OK);
    }

    (void) closedir(d);

    return found;
}


int
referral_journals_miss(referral_journals_t *js, const u_char *id)
{
    int                      root, found;
    DIR                     *d;
    char                     name[REFERRAL_JOURNAL_ID_LEN + 1];
    uint64_t                 changes;
    struct dirent           *de;
    referral_quota_count_t   count;

    root = referral_journal_root(js);
    if (root == -1) {
        return 0;
    }

    found = 1;
    d = referral_journal_opendir(root, ".");

    if (d) {
        referral_journal_id_text(name, id);

        /* a journal that moves meanwhile may be seen in neither slot */

        referral_quota_begin(js->quota, &count);

        changes = count.changes;
        found = 0;

        while (!found && (de = readdir(d)) != NULL) {

            if (strncmp(de->d_name, "slot-", 5) == 0) {
                found = referral_journal_holds(root, de->d_name, name);
            }
        }

        referral_quota_begin(js->quota, &count);

        found |= (count.changes != changes);

        (void) closedir(d);
    }

    (void) close(root);

    return !found;
}


/* also if that cannot be told */

static int
referral_journal_holds(int root, const char *slot, const char *name)
{
    int          fd, found;
    struct stat  st;

    fd = openat(root, slot, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    if (fd == -1) {
        return errno != ENOENT && errno != ENOTDIR && errno != ELOOP;
    }

    found = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0
            || errno != ENOENT;

    (void) close(fd);

    return found;
}


/* the own one, one that was adopted, or one that could not be removed */

static int
referral_journal_known(referral_journals_t *js, const u_char *id)
{
    referral_journal_t  *j;

    for (j = js->own; j; j = j->next) {

        if (memcmp(j->id, id, REFERRAL_JOURNAL_ID_SIZE) == 0) {
            return 1;
        }
    }

    return 0;
}


/*
 * A journal that lies in the own slot.  REFERRAL_DECLINED: there is nothing
 * in it that can be read.  It was put away, or stays for another version.
 */

static int
referral_journal_load(referral_journals_t *js, const u_char *id, int64_t mono)
{
    referral_journal_t  *j;

    j = referral_journal_alloc(id);
    if (j == NULL) {
        return REFERRAL_ERROR;
    }

    j->adopted = 1;

    if (referral_journal_open_dir(js, j) != REFERRAL_OK
        || referral_journal_load_files(j) != REFERRAL_OK)
    {
        goto failed;
    }

    js->foreign += j->foreign;

    if (j->nsegments == 0) {
        j->next = js->own->next;
        js->own->next = j;

        if (j->foreign) {
            referral_journal_close_dir(j);
            j->finished = 1;

        } else {
            referral_journal_finish(js, j, mono);
        }

        return REFERRAL_DECLINED;
    }

    if (referral_journal_find_last(j) != REFERRAL_OK) {
        goto failed;
    }

    referral_journal_update_first(j);
    referral_journal_sample(j, j->first, j->segments[0].created);

    /* what came before the oldest segment was acknowledged once */

    referral_journal_ack(js, j, j->first - 1, mono);

    j->next = js->own->next;
    js->own->next = j;

    referral_journal_close_dir(j);

    js->adopted++;

    return REFERRAL_OK;

failed:

    referral_journal_free(js, j);

    return REFERRAL_ERROR;
}


/* segments, sorted, up to the first of another version; and aliases */

static int
referral_journal_load_files(referral_journal_t *j)
{
    int             rc;
    DIR            *d;
    unsigned        n, foreign;
    uint64_t        first, barred;
    struct dirent  *de;

    d = referral_journal_opendir(j->dir, ".");
    if (d == NULL) {
        return REFERRAL_ERROR;
    }

    rc = REFERRAL_OK;
    barred = 0;

    while (rc == REFERRAL_OK && (de = readdir(d)) != NULL) {

        if (referral_segment_name_parse(&first, &n, de->d_name)
            == REFERRAL_OK)
        {
            foreign = j->foreign;
            rc = referral_journal_load_segment(j, de->d_name, first, n);

            if (j->foreign > foreign && (barred == 0 || first < barred)) {
                barred = first;
            }

        } else {
            referral_journal_alias_load(j, de->d_name);
        }
    }

    (void) closedir(d);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    if (j->nsegments) {
        qsort(j->segments, j->nsegments, sizeof(referral_segment_t),
              referral_journal_cmp_segments);
    }

    /* what follows must not be sent before what cannot be read */

    while (barred && j->nsegments
           && j->segments[j->nsegments - 1].first >= barred)
    {
        j->nsegments--;
        j->foreign++;
    }

    return REFERRAL_OK;
}


static int
referral_journal_load_segment(referral_journal_t *j, const char *name,
    uint64_t first, unsigned n)
{
    int                        fd, rc;
    u_char                     data[REFERRAL_SEGMENT_HEADER];
    ssize_t                    len;
    uint32_t                   version;
    struct stat                st;
    referral_segment_t        *seg;
    referral_segment_header_t  header;

    fd = openat(j->dir, name, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1) {
        return (errno == ENOENT || errno == ELOOP) ? REFERRAL_OK
                                                   : REFERRAL_ERROR;
    }

    if (fstat(fd, &st) == -1) {
        (void) close(fd);
        return REFERRAL_ERROR;
    }

    if (!S_ISREG(st.st_mode)) {
        (void) close(fd);
        return REFERRAL_OK;
    }

    len = pread(fd, data, sizeof(data), 0);

    (void) close(fd);

    rc = REFERRAL_ERROR;

    if (len > 0) {
        rc = referral_segment_header_read(&header, data, len, &version);
    }

    if (rc == REFERRAL_DECLINED) {
        j->foreign++;
        return REFERRAL_OK;
    }

    seg = referral_journal_add_segment(j);
    if (seg == NULL) {
        return REFERRAL_ERROR;
    }

    seg->first = first;
    seg->n = n;
    seg->size = st.st_size;
    seg->created = (rc == REFERRAL_OK) ? header.created
                                       : (int64_t) st.st_mtime * 1000;

    return REFERRAL_OK;
}


static int
referral_journal_cmp_segments(const void *one, const void *two)
{
    const referral_segment_t  *a, *b;

    a = one;
    b = two;

    if (a->first != b->first) {
        return a->first < b->first ? -1 : 1;
    }

    return (a->n > b->n) - (a->n < b->n);
}


/* the last number whose record, whole or damaged, is in the last segment */

static int
referral_journal_find_last(referral_journal_t *j)
{
    int                  fd;
    off_t                offset;
    char                 name[REFERRAL_SEGMENT_NAME_LEN + 1];
    u_char              *buf;
    ssize_t              n;
    uint64_t             seq;
    referral_segment_t  *seg;

    seg = &j->segments[j->nsegments - 1];

    j->last = seg->first - 1;

    buf = malloc(REFERRAL_JOURNAL_READ);
    if (buf == NULL) {
        return REFERRAL_ERROR;
    }

    referral_segment_name(name, seg->first, seg->n);

    fd = openat(j->dir, name, O_RDONLY|O_NOFOLLOW|O_CLOEXEC);

    if (fd == -1) {
        free(buf);
        return errno == ENOENT ? REFERRAL_OK : REFERRAL_ERROR;
    }

    offset = seg->size;
    seq = 0;

    while (offset > 0 && seq < seg->first) {

        offset -= REFERRAL_JOURNAL_READ;

        if (offset < 0) {
            offset = 0;
        }

        n = pread(fd, buf, REFERRAL_JOURNAL_READ, offset);

        if (n > 0) {
            seq = referral_journal_last_in(buf, n, j->seed);
        }

        /* a header that lies across both blocks is found in the next one */

        if (offset) {
            offset += REFERRAL_FRAME_HEADER;
        }
    }

    if (seq > j->last) {
        j->last = seq;
    }

    (void) close(fd);
    free(buf);

    return REFERRAL_OK;
}


static uint64_t
referral_journal_last_in(const u_char *data, size_t len, uint32_t seed)
{
    int               rc;
    size_t            pos;
    uint64_t          last;
    referral_frame_t  frame;

    last = 0;

    for (pos = referral_frame_scan(data, len);
         pos < len;
         pos += referral_frame_scan(data + pos, len - pos))
    {
        rc = referral_frame_peek(&frame, seed, data + pos, len - pos);

        if (rc == REFERRAL_OK && frame.seq > last) {
            last = frame.seq;
        }

        rc = referral_frame_read(&frame, seed, data + pos, len - pos);

        pos += (rc == REFERRAL_OK) ? frame.size : 1;
    }

    return last;
}


int
referral_journals_tick(referral_journals_t *js, int64_t now, int64_t mono)
{
    referral_journal_t  *j;
    referral_segment_t  *seg;

    if (js->slot == -1) {

        if (mono >= js->retry) {
            (void) referral_journal_take_slot(js, mono);
        }

    } else {
        referral_journal_check_lost(js);
    }

    if (mono - js->counted >= (referral_journal_pressed(js)
                               ? REFERRAL_JOURNAL_RETRY
                               : REFERRAL_JOURNAL_RECOUNT))
    {
        referral_journal_count(js, mono);
    }

    for (j = js->own; j; j = j->next) {

        (void) referral_journal_alias_note(js, j);

        while (j->nsegments > 1) {
            seg = &j->segments[0];

            if (seg->acked_at == -1 || mono - seg->acked_at < js->conf.retain
                || referral_journal_unlink_first(js, j) != REFERRAL_OK)
            {
                break;
            }
        }
    }

    if (referral_journal_pressed(js)) {
        (void) referral_journal_reclaim(js, referral_quota_max(js->quota) / 16,
                                        0);
    }

    (void) referral_journal_write(js, now, mono);

    return js->lost ? REFERRAL_DECLINED : REFERRAL_OK;
}


static void
referral_journal_check_lost(referral_journals_t *js)
{
    struct stat          st;
    referral_journal_t  *j;

    if (fstat(js->lock, &st) == -1 || st.st_nlink == 0) {
        js->lost = 1;
        return;
    }

    j = js->own;

    if (js->active
        && fstat(j->segments[j->nsegments - 1].fd, &st) == 0
        && st.st_nlink == 0)
    {
        js->lost = 1;
    }
}


/* little is left of max=: let go of what may go */

static int
referral_journal_pressed(referral_journals_t *js)
{
    return !referral_journal_has_room(js, referral_quota_max(js->quota) / 16);
}


void
referral_journal_count(referral_journals_t *js, int64_t mono)
{
    int                      root;
    DIR                     *d;
    off_t                    bytes;
    struct dirent           *de;
    referral_quota_count_t   count;

    js->counted = mono;

    root = referral_journal_root(js);
    if (root == -1) {
        return;
    }

    d = referral_journal_opendir(root, ".");

    if (d) {
        bytes = 0;
        referral_quota_begin(js->quota, &count);

        while ((de = readdir(d)) != NULL) {

            if (strncmp(de->d_name, "slot-", 5) == 0) {
                bytes += referral_journal_count_slot(js, &count, root,
                                                     de->d_name);
            }
        }

        (void) closedir(d);

        referral_quota_counted(js->quota, &count, bytes);
    }

    (void) close(root);
}


static off_t
referral_journal_count_slot(referral_journals_t *js,
    referral_quota_count_t *count, int root, const char *name)
{
    DIR            *d;
    off_t           bytes;
    u_char          id[REFERRAL_JOURNAL_ID_SIZE];
    struct dirent  *de;

    d = referral_journal_opendir(root, name);
    if (d == NULL) {
        return 0;
    }

    bytes = 0;

    while ((de = readdir(d)) != NULL) {

        if (referral_journal_id_parse(id, de->d_name) == REFERRAL_OK) {
            referral_quota_saw(js->quota, count, referral_journal_key(id));
            bytes += referral_journal_count_dir(dirfd(d), de->d_name);
        }
    }

    (void) closedir(d);

    return bytes;
}


static off_t
referral_journal_count_dir(int slot, const char *name)
{
    DIR            *d;
    off_t           bytes;
    struct stat     st;
    struct dirent  *de;

    d = referral_journal_opendir(slot, name);
    if (d == NULL) {
        return 0;
    }

    bytes = 0;

    while ((de = readdir(d)) != NULL) {

        if (fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
            && S_ISREG(st.st_mode))
        {
            bytes += st.st_size;
        }
    }

    (void) closedir(d);

    return bytes;
}


static int
referral_journal_unlink_first(referral_journals_t *js, referral_journal_t *j)
{
    char                 name[REFERRAL_SEGMENT_NAME_LEN + 1];
    referral_segment_t  *seg;

    seg = &j->segments[0];

    referral_segment_name(name, seg->first, seg->n);
    referral_quota_gone(js->quota, seg->size);

    if ((referral_journal_open_dir(js, j) != REFERRAL_OK
         || unlinkat(j->dir, name, 0) == -1)
        && errno != ENOENT)
    {
        referral_quota_add(js->quota, seg->size);
        return REFERRAL_ERROR;
    }

    referral_journal_close_dir(j);
    referral_journal_drop_segment(j, 0);

    return REFERRAL_OK;
}


/*
 * Unlinks acknowledged segments, the oldest first, until "need" bytes are
 * free below max=.  "last": the last one of the own journal may go too, for
 * another will follow at once.  Returns how many were unlinked.
 */

unsigned
referral_journal_reclaim(referral_journals_t *js, int64_t need, unsigned last)
{
    unsigned             n;
    referral_journal_t  *j, *oldest;

    for (n = 0; !referral_journal_has_room(js, need); n++) {

        oldest = NULL;

        for (j = js->own; j; j = j->next) {

            if (j->nsegments > (last && j == js->own ? 0 : 1)
                && j->segments[0].acked_at != -1
                && (oldest == NULL
                    || j->segments[0].created < oldest->segments[0].created))
            {
                oldest = j;
            }
        }

        if (oldest == NULL
            || referral_journal_unlink_first(js, oldest) != REFERRAL_OK)
        {
            break;
        }
    }

    return n;
}


referral_journal_t *
referral_journals_ending(referral_journals_t *js, referral_journal_t *j,
    int64_t mono)
{
    referral_segment_t  *seg;

    j = (j == NULL) ? js->own : j;

    for (j = j->next; j; j = j->next) {

        if (j->finished || j->foreign || j->acked < j->last) {
            continue;
        }

        if (j->nsegments == 0) {
            return j;
        }

        seg = &j->segments[j->nsegments - 1];

        if (seg->acked_at != -1
            && (mono - seg->acked_at >= js->conf.retain
                || referral_journal_pressed(js)))
        {
            return j;
        }
    }

    return NULL;
}


/*
 * What is no segment of ours, somebody's file, is not deleted: the directory
 * goes to "damaged" with it.
 */

int
referral_journal_unlink(referral_journals_t *js, referral_journal_t *j,
    int64_t now)
{
    int   err, root, damaged;
    char  name[REFERRAL_JOURNAL_ID_LEN + 1], to[sizeof(name) + 40];

    if (j->own) {
        errno = EINVAL;
        return REFERRAL_ERROR;
    }

    while (j->nsegments) {

        if (referral_journal_unlink_first(js, j) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }
    }

    referral_journal_id_text(name, j->id);

    if (js->slot_dir != -1
        && referral_journal_open_dir(js, j) != REFERRAL_OK
        && errno != ENOENT)
    {
        return REFERRAL_ERROR;
    }

    if (!j->unlinked && j->dir != -1 && js->slot_dir != -1) {

        /* a power loss must not bring back what has no marks any more */

        (void) fsync(j->dir);

        referral_journal_alias_unlink(j);

        if (unlinkat(js->slot_dir, name, AT_REMOVEDIR) == -1
            && errno != ENOENT)
        {
            if (errno != ENOTEMPTY && errno != EEXIST) {
                return REFERRAL_ERROR;
            }

            root = referral_journal_root(js);
            if (root == -1) {
                return REFERRAL_ERROR;
            }

            (void) mkdirat(root, "damaged", 0700);
            (void) snprintf(to, sizeof(to), "damaged/%s", name);

            damaged = renameat(js->slot_dir, name, root, to);

            if (damaged == -1 && (errno == ENOTEMPTY || errno == EEXIST)) {
                (void) snprintf(to, sizeof(to), "damaged/%s-%lld", name,
                                (long long) (now & 0xffffffffff));
                damaged = renameat(js->slot_dir, name, root, to);
            }

            err = errno;
            (void) close(root);

            if (damaged == -1) {
                errno = err;
                return REFERRAL_ERROR;
            }
        }
    }

    j->unlinked = 1;

    return REFERRAL_OK;
}


void
referral_journal_finish(referral_journals_t *js, referral_journal_t *j,
    int64_t now)
{
    referral_journal_t  **p;

    if (j->own) {
        return;
    }

    if (!j->unlinked && referral_journal_unlink(js, j, now) != REFERRAL_OK) {
        j->finished = 1;
        return;
    }

    for (p = &js->own; *p; p = &(*p)->next) {

        if (*p == j) {
            *p = j->next;
            break;
        }
    }

    referral_journal_free(js, j);
}
