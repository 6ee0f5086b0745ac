
#include "referral_journal_core.h"

#include <stdio.h>


static int referral_journal_adopt_slot(referral_journals_t *js, int from,
    unsigned *n, int64_t mono);
static int referral_journal_adopt_orphans(referral_journals_t *js,
    unsigned *n, int64_t mono);
static int referral_journal_holds_any(int root, const char *slot);
static int referral_journal_holds(int root, const char *slot,
    const char *name);
static int referral_journal_known(referral_journals_t *js, const u_char *id);
static int referral_journal_load(referral_journals_t *js, const u_char *id,
    int64_t mono);
static int referral_journal_load_files(referral_journals_t *js,
    referral_journal_t *j);
static int referral_journal_load_segment(referral_journals_t *js,
    referral_journal_t *j, const char *name, uint64_t first, unsigned n);
static int referral_journal_cmp_segments(const void *one, const void *two);
static int referral_journal_find_last(referral_journal_t *j);
static uint64_t referral_journal_last_in(const u_char *data, size_t len,
    uint32_t seed);


int
referral_journals_adopt(referral_journals_t *js, int64_t mono)
{
    unsigned  n;

    if (js->slot.number == -1 || js->lost) {
        return REFERRAL_ERROR;
    }

    n = 0;

    if (referral_journal_adopt_slot(js, js->slot.dir, &n, mono) != REFERRAL_OK
        || referral_journal_adopt_orphans(js, &n, mono) != REFERRAL_OK)
    {
        return n ? (int) n : REFERRAL_ERROR;
    }

    return n;
}


/*
 * "from" is the directory of a slot whose lock this process holds, also its
 * own
 */

static int
referral_journal_adopt_slot(referral_journals_t *js, int from, unsigned *n,
    int64_t mono)
{
    int             rc;
    DIR            *d;
    u_char          id[REFERRAL_JOURNAL_ID_SIZE];
    struct dirent  *de;

    d = referral_slot_opendir(from, ".");
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

        if (from != js->slot.dir) {

            referral_quota_changed(js->quota);

            if (renameat(from, de->d_name, js->slot.dir, de->d_name) == -1) {
                rc = REFERRAL_ERROR;
                continue;
            }

            referral_quota_changed(js->quota);

            if (js->conf.sync != REFERRAL_SYNC_OFF) {
                (void) fsync(js->slot.dir);
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
    int                rc;
    const char        *name;
    referral_slot_t    slot;
    referral_slots_t   slots;

    if (referral_slots_open(&slots, js->path) != 0) {
        return REFERRAL_ERROR;
    }

    rc = REFERRAL_OK;

    referral_slot_init(&slot, js->path);

    while (*n < REFERRAL_JOURNAL_ADOPT) {
        name = referral_slots_next(&slots);

        if (name == NULL) {
            break;
        }

        /* a slot without journals is not locked */

        if (!referral_journal_holds_any(slots.root, name)
            || referral_slot_lock(&slot, slots.root, name) != 0)
        {
            continue;
        }

        if (referral_journal_adopt_slot(js, slot.dir, n, mono)
            != REFERRAL_OK)
        {
            rc = REFERRAL_ERROR;
        }

        referral_slot_leave(&slot);
    }

    referral_slots_close(&slots);

    return rc;
}


static int
referral_journal_holds_any(int root, const char *slot)
{
    int             found;
    DIR            *d;
    u_char          id[REFERRAL_JOURNAL_ID_SIZE];
    struct dirent  *de;

    d = referral_slot_opendir(root, slot);
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
    int                      found;
    char                     name[REFERRAL_JOURNAL_ID_LEN + 1];
    uint64_t                 changes;
    const char              *slot;
    referral_slots_t         slots;
    referral_quota_count_t   count;

    if (referral_slots_open(&slots, js->path) != 0) {
        return 0;
    }

    referral_journal_id_text(name, id);

    /* a journal that is moved meanwhile may be missed in both slots */

    referral_quota_begin(js->quota, &count);

    changes = count.changes;
    found = 0;

    for (slot = referral_slots_next(&slots);
         slot && !found;
         slot = referral_slots_next(&slots))
    {
        found = referral_journal_holds(slots.root, slot, name);
    }

    referral_quota_begin(js->quota, &count);

    found |= (count.changes != changes);

    referral_slots_close(&slots);

    return !found;
}


/* 1: the slot has it, or that cannot be found out */

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


/* 1: the journal is the own one, was adopted, or could not be removed */

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
 * Loads a journal that is in the own slot.  REFERRAL_DECLINED: nothing in it
 * can be read; it was moved to "damaged", or stays for another version.
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
        || referral_journal_load_files(js, j) != REFERRAL_OK)
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

    /* records before the oldest segment were acknowledged */

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


/*
 * loads the segments, sorted, up to the first of another version, and aliases
 */

static int
referral_journal_load_files(referral_journals_t *js, referral_journal_t *j)
{
    int             rc;
    DIR            *d;
    unsigned        n, foreign;
    uint64_t        first, barred;
    struct dirent  *de;

    d = referral_slot_opendir(j->dir, ".");
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
            rc = referral_journal_load_segment(js, j, de->d_name, first, n);

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

    /*
     * records behind a segment that cannot be read must not be sent before it
     */

    while (barred && j->nsegments
           && j->segments[j->nsegments - 1].first >= barred)
    {
        j->nsegments--;
        j->foreign++;
    }

    return REFERRAL_OK;
}


static int
referral_journal_load_segment(referral_journals_t *js, referral_journal_t *j,
    const char *name, uint64_t first, unsigned n)
{
    int                        fd, rc;
    u_char                     data[REFERRAL_SEGMENT_HEADER];
    ssize_t                    len;
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
        rc = referral_segment_header_read(&header, data, len,
                                          js->conf.version);
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


/* finds the last number in the last segment, of a valid or damaged record */

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

        /* the blocks overlap by a header, which may lie across their border */

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
