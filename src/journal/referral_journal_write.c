
#include "referral_journal_core.h"


#define REFERRAL_JOURNAL_AHEAD   (1024 * 1024)
#define REFERRAL_JOURNAL_WRITES  16            /* a flush, at most */


static uint64_t referral_journal_in_memory(referral_journal_t *j);
static uint64_t referral_journal_nameless(referral_journal_t *j);
static int referral_journal_write_chunk(referral_journals_t *js,
    referral_chunk_t *c, int64_t now, int64_t mono);
static size_t referral_journal_make_room(referral_journals_t *js,
    referral_chunk_t *c, int64_t mono);
static int referral_journal_take(referral_journals_t *js, size_t len);
static size_t referral_journal_fitting(referral_journals_t *js,
    referral_chunk_t *c);
static int referral_journal_write_records(referral_journals_t *js,
    referral_segment_t *seg, referral_chunk_t *c, size_t len);
static int referral_journal_open_segment(referral_journals_t *js,
    uint64_t first, int64_t now, int64_t mono);
static int referral_journal_begin_segment(referral_journals_t *js,
    referral_segment_t *seg, int64_t now, const char **what);
static void referral_journal_allocate(referral_journals_t *js,
    referral_segment_t *seg, size_t len);


int
referral_journal_flush(referral_journals_t *js, int64_t now, int64_t mono)
{
    js->own->flushed = js->own->last;

    return referral_journal_write(js, now, mono);
}


int
referral_journal_write(referral_journals_t *js, int64_t now, int64_t mono)
{
    unsigned           n;
    referral_chunk_t  *c;

    for (n = 0; n < REFERRAL_JOURNAL_WRITES; n++) {
        c = js->writing;

        while (c && c->next && c->written == c->len) {
            c = c->next;
        }

        js->writing = c;

        if (c == NULL || c->written == c->len) {
            return REFERRAL_OK;
        }

        if (js->failed && mono < js->retry) {
            return REFERRAL_DECLINED;
        }

        if (referral_journal_write_chunk(js, c, now, mono) != REFERRAL_OK) {
            return REFERRAL_DECLINED;
        }

        if (c->next == NULL && c->written == c->len) {
            js->failed = 0;
            js->full = 0;
        }

        referral_journal_release(js);
    }

    return js->own->written < js->own->last ? REFERRAL_DECLINED : REFERRAL_OK;
}


static int
referral_journal_write_chunk(referral_journals_t *js, referral_chunk_t *c,
    int64_t now, int64_t mono)
{
    int                  err;
    size_t               len;
    unsigned             again;
    referral_frame_t     frame;
    referral_journal_t  *j;
    referral_segment_t  *seg;

    j = js->own;
    again = 1;

    for ( ;; ) {
        len = referral_journal_make_room(js, c, mono);

        if (len == 0) {
            return REFERRAL_DECLINED;
        }

        if (js->active) {
            seg = &j->segments[j->nsegments - 1];

            if (seg->size > REFERRAL_SEGMENT_HEADER
                && (seg->size + (off_t) len > js->conf.segment
                    || mono - seg->opened >= REFERRAL_JOURNAL_AGE))
            {
                referral_journal_close_segment(js, mono);
            }
        }

        if (!js->active) {
            (void) referral_frame_peek(&frame, j->seed, c->data + c->written,
                                       len);

            if (referral_journal_open_segment(js, frame.seq, now, mono)
                != REFERRAL_OK)
            {
                referral_quota_add(js->quota, -(int64_t) len);

                if (again && (js->err == ENOSPC || js->err == EDQUOT)
                    && referral_journal_reclaim(js, INT64_MAX / 2, 1))
                {
                    again = 0;
                    continue;
                }

                return REFERRAL_DECLINED;
            }
        }

        seg = &j->segments[j->nsegments - 1];

        referral_journal_allocate(js, seg, len);

        err = referral_journal_write_records(js, seg, c, len);

        if (err == 0) {
            return REFERRAL_OK;
        }

        if (ftruncate(seg->fd, seg->size) == 0) {
            seg->ahead = seg->size;
        }

        referral_journal_close_segment(js, mono);

        if (again && (err == ENOSPC || err == EDQUOT)
            && referral_journal_reclaim(js, INT64_MAX / 2, 1))
        {
            again = 0;
            continue;
        }

        referral_journal_fail(js, "write() to the journal failed", err, mono);

        return REFERRAL_DECLINED;
    }
}


/*
 * Inside of "max=": what was acknowledged makes room, oldest first.  Returns
 * how much of the chunk may be written, in whole records.
 */

static size_t
referral_journal_make_room(referral_journals_t *js, referral_chunk_t *c,
    int64_t mono)
{
    size_t   len;
    int64_t  need;

    len = c->len - c->written;
    need = len + REFERRAL_SEGMENT_HEADER;

    if (referral_journal_take(js, len) == REFERRAL_OK) {
        return len;
    }

    (void) referral_journal_reclaim(js, need, 0);

    if (js->active && !referral_journal_has_room(js, need)
        && js->own->written <= js->own->acked)
    {
        referral_journal_close_segment(js, mono);
    }

    (void) referral_journal_reclaim(js, need, !js->active);

    if (referral_journal_take(js, len) == REFERRAL_OK) {
        return len;
    }

    len = referral_journal_fitting(js, c);

    if (len && referral_journal_take(js, len) == REFERRAL_OK) {
        return len;
    }

    referral_journal_fail(js, "max= of the journal is reached", 0, mono);

    return 0;
}


/* a segment that may have to be opened has room too */

static int
referral_journal_take(referral_journals_t *js, size_t len)
{
    if (!referral_journal_has_room(js, len + REFERRAL_SEGMENT_HEADER)) {
        return REFERRAL_DECLINED;
    }

    return referral_quota_take(js->quota, len);
}


/* what is left of max= at its end: the first records of the chunk */

static size_t
referral_journal_fitting(referral_journals_t *js, referral_chunk_t *c)
{
    size_t            len;
    int64_t           room;
    referral_frame_t  frame;

    room = referral_quota_max(js->quota) - referral_quota_bytes(js->quota)
           - REFERRAL_SEGMENT_HEADER;
    len = 0;

    while (c->written + len < c->len
           && referral_frame_peek(&frame, js->own->seed,
                                  c->data + c->written + len,
                                  c->len - c->written - len)
              == REFERRAL_OK
           && (int64_t) (len + frame.size) <= room)
    {
        len += frame.size;
    }

    return len;
}


/* 0, or why not all of "len" is in the file */

static int
referral_journal_write_records(referral_journals_t *js,
    referral_segment_t *seg, referral_chunk_t *c, size_t len)
{
    int                  err;
    size_t               done, whole;
    ssize_t              n;
    referral_frame_t     frame;
    referral_journal_t  *j;

    j = js->own;
    err = 0;

    for (done = 0; done < len; done += n) {
        n = write(seg->fd, c->data + c->written + done, len - done);

        if (n == -1 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            err = n ? errno : ENOSPC;
            break;
        }
    }

    if (c->written + done == c->len) {
        whole = done;
        j->written = c->last;

    } else {

        /* whole records of a torn write stay, the rest is cut off */

        whole = 0;

        while (referral_frame_peek(&frame, j->seed,
                                   c->data + c->written + whole, done - whole)
               == REFERRAL_OK
               && done - whole >= frame.size)
        {
            whole += frame.size;
            j->written = frame.seq;
        }
    }

    c->written += whole;
    seg->size += whole;

    referral_quota_add(js->quota, (int64_t) whole - (int64_t) len);

    if (whole) {
        seg->unsynced = (js->conf.sync != REFERRAL_SYNC_OFF);
    }

    return err;
}


/* blocks in steps: the file system need not look for each write */

static void
referral_journal_allocate(referral_journals_t *js, referral_segment_t *seg,
    size_t len)
{
    off_t  step;

    if (seg->size + (off_t) len <= seg->ahead) {
        return;
    }

    step = js->conf.segment - seg->ahead;

    if (step > REFERRAL_JOURNAL_AHEAD) {
        step = REFERRAL_JOURNAL_AHEAD;
    }

    if (step < (off_t) len) {
        return;
    }

    /* a failure is no harm: write() will tell if there is no space */

    (void) fallocate(seg->fd, FALLOC_FL_KEEP_SIZE, seg->ahead, step);

    seg->ahead += step;
}


static int
referral_journal_open_segment(referral_journals_t *js, uint64_t first,
    int64_t now, int64_t mono)
{
    int                  err;
    char                 id[REFERRAL_JOURNAL_ID_LEN + 1];
    char                 name[REFERRAL_SEGMENT_NAME_LEN + 1];
    const char          *what;
    referral_journal_t  *j;
    referral_segment_t  *seg;

    j = js->own;

    if (js->slot.number == -1
        && referral_journal_take_slot(js, mono) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    if (j->dir == -1) {
        referral_journal_id_text(id, j->id);

        what = "mkdir() of the journal failed";

        if (mkdirat(js->slot.dir, id, 0700) == -1 && errno != EEXIST) {
            goto failed;
        }

        what = "open() of the journal failed";

        j->dir = openat(js->slot.dir, id,
                        O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);
        if (j->dir == -1) {
            goto failed;
        }

        what = "fsync() of the journal's slot failed";

        if (js->conf.sync != REFERRAL_SYNC_OFF && fsync(js->slot.dir) == -1) {
            goto failed;
        }
    }

    what = "no memory for a segment";

    seg = referral_journal_add_segment(j);
    if (seg == NULL) {
        errno = ENOMEM;
        goto failed;
    }

    seg->first = first;
    seg->n = j->serial % REFERRAL_SEGMENT_N_MAX + 1;
    seg->created = now;
    seg->opened = mono;
    seg->size = REFERRAL_SEGMENT_HEADER;

    referral_segment_name(name, first, seg->n);

    seg->fd = openat(j->dir, name,
                     O_RDWR|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600);
    if (seg->fd == -1) {
        what = "open() of a segment failed";
        j->nsegments--;

        if (errno == ENOENT) {
            js->lost = 1;
        }

        goto failed;
    }

    if (referral_journal_begin_segment(js, seg, now, &what) != REFERRAL_OK) {
        err = errno;

        (void) unlinkat(j->dir, name, 0);
        (void) close(seg->fd);

        j->nsegments--;
        errno = err;

        goto failed;
    }

    j->serial = seg->n;

    js->active = 1;
    referral_quota_add(js->quota, seg->size);

    referral_journal_update_first(j);

    return REFERRAL_OK;

failed:

    referral_journal_fail(js, what, errno, mono);

    return REFERRAL_ERROR;
}


static int
referral_journal_begin_segment(referral_journals_t *js,
    referral_segment_t *seg, int64_t now, const char **what)
{
    u_char                     data[REFERRAL_SEGMENT_HEADER];
    ssize_t                    n;
    referral_segment_header_t  header;

    header.version = js->conf.version;
    memcpy(header.id, js->own->id, REFERRAL_JOURNAL_ID_SIZE);

    header.first = seg->first;
    header.acked = js->own->acked;
    header.created = now;

    referral_segment_header_write(data, &header);

    *what = "write() to a new segment failed";

    n = write(seg->fd, data, sizeof(data));

    if (n != sizeof(data)) {
        if (n != -1) {
            errno = ENOSPC;
        }

        return REFERRAL_ERROR;
    }

    if (js->conf.sync != REFERRAL_SYNC_OFF) {
        *what = "fsync() of a new segment failed";

        if (fdatasync(seg->fd) == -1 || fsync(js->own->dir) == -1) {
            return REFERRAL_ERROR;
        }
    }

    return REFERRAL_OK;
}


/* nothing more is written to the active segment */

void
referral_journal_close_segment(referral_journals_t *js, int64_t mono)
{
    char                 name[REFERRAL_SEGMENT_NAME_LEN + 1];
    struct stat          st;
    referral_journal_t  *j;
    referral_segment_t  *seg;

    j = js->own;
    seg = &j->segments[j->nsegments - 1];

    js->active = 0;

    if (seg->size == REFERRAL_SEGMENT_HEADER) {
        referral_segment_name(name, seg->first, seg->n);
        referral_quota_gone(js->quota, seg->size);
        (void) unlinkat(j->dir, name, 0);

        referral_journal_drop_segment(j, j->nsegments - 1);
        return;
    }

    if (seg->ahead > seg->size && ftruncate(seg->fd, seg->size) == -1) {
        /* what was reserved stays so until the file goes */
    }

    if (j->written <= j->acked) {
        seg->acked_at = mono;
    }

    if (fstat(seg->fd, &st) == 0 && st.st_nlink == 0) {
        seg->unsynced = 0;
    }

    referral_journal_close_files(js, j);
}


uint64_t
referral_journals_unwritten(referral_journals_t *js, referral_journal_t *j)
{
    uint64_t             n;
    referral_journal_t  *one;

    n = 0;

    for (one = j ? j : js->own; one; one = one->next) {

        n += referral_journal_in_memory(one) + referral_journal_nameless(one);

        if (j) {
            break;
        }
    }

    return n;
}


static uint64_t
referral_journal_in_memory(referral_journal_t *j)
{
    uint64_t  known;

    if (j->head == NULL) {
        return 0;
    }

    known = j->written > j->acked ? j->written : j->acked;

    return j->last > known ? j->last - known : 0;
}


/* the file was removed while it was open: it ends with this process */

static uint64_t
referral_journal_nameless(referral_journal_t *j)
{
    unsigned             i;
    uint64_t             n, first, last;
    struct stat          st;
    referral_segment_t  *seg;

    if (j->adopted || j->acked >= j->written) {
        return 0;
    }

    n = 0;

    for (i = 0; i < j->nsegments; i++) {
        seg = &j->segments[i];

        if (seg->fd == -1 || fstat(seg->fd, &st) == -1 || st.st_nlink) {
            continue;
        }

        first = seg->first > j->acked ? seg->first : j->acked + 1;
        last = (i + 1 < j->nsegments) ? seg[1].first - 1 : j->written;

        n += last >= first ? last - first + 1 : 0;
    }

    return n;
}


void
referral_journals_save(referral_journals_t *js, int64_t now, int64_t mono)
{
    uint64_t  written;

    js->own->flushed = js->own->last;

    do {
        written = js->own->written;
        js->retry = mono;

        (void) referral_journal_write(js, now, mono);

    } while (js->own->written > written);
}


uint64_t
referral_journal_abandon(referral_journals_t *js, referral_journal_t *j)
{
    uint64_t  n;

    n = referral_journals_unwritten(js, j);

    if (n == 0) {
        return 0;
    }

    js->dropped[js->failed ? js->why : REFERRAL_DROP_DISK] += n;
    js->appended -= n;

    j->last -= n;

    if (j->flushed > j->last) {
        j->flushed = j->last;
    }

    return n;
}


uint64_t
referral_journal_retract(referral_journals_t *js, uint64_t first)
{
    uint64_t             n, known;
    referral_journal_t  *j;

    j = js->own;
    known = j->written > j->acked ? j->written : j->acked;

    if (first <= known) {
        first = known + 1;
    }

    if (first > j->last) {
        return 0;
    }

    n = j->last - first + 1;

    referral_journal_cut(js, first);

    /* files that hold nothing else */

    while (!js->active && j->nsegments
           && j->segments[j->nsegments - 1].first >= first
           && referral_journal_unlink_segment(js, j, j->nsegments - 1)
              == REFERRAL_OK)
    {
        /* void */
    }

    referral_journal_update_first(j);

    js->appended -= n;

    return n;
}
