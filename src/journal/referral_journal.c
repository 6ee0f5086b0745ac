
#include "referral_journal_core.h"

#include <sys/random.h>


#define REFERRAL_JOURNAL_AHEAD   (1024 * 1024)
#define REFERRAL_JOURNAL_WRITES  16            /* a flush, at most */
#define REFERRAL_JOURNAL_OPEN    8             /* segments not acknowledged */


static referral_journal_t *referral_journal_fresh(void);
static referral_chunk_t *referral_journal_chunk(referral_journals_t *js);
static void referral_journal_release_head(referral_journals_t *js,
    referral_journal_t *j);
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
static int64_t referral_journal_oldest(referral_journal_t *j);


static referral_str_t  referral_drop_names[] = {
    referral_string("space"),
    referral_string("max"),
    referral_string("disk"),
    referral_string("memory"),
    referral_string("size")
};


referral_journals_t *
referral_journals_create(const referral_journals_conf_t *conf, int64_t now,
    int64_t mono)
{
    referral_journals_t  *js;

    (void) now;

    js = calloc(1, sizeof(referral_journals_t));
    if (js == NULL) {
        return NULL;
    }

    js->conf = *conf;
    js->slot = -1;
    js->slot_dir = -1;
    js->lock = -1;
    js->sync_fd = -1;
    js->retry = mono;
    js->why = REFERRAL_DROP_MEMORY;
    js->sync_error = mono - REFERRAL_JOURNAL_RETRY;

    if (js->conf.queue == 0) {
        js->conf.queue = REFERRAL_JOURNAL_QUEUE;
    }

    if (js->conf.segment < REFERRAL_JOURNAL_SEGMENT_MIN) {
        js->conf.segment = REFERRAL_JOURNAL_SEGMENT_MIN;
    }

    js->path = strdup(conf->path);
    js->own = referral_journal_fresh();
    js->quota = conf->quota;

    if (js->quota == NULL) {
        js->alone = calloc(1, sizeof(referral_quota_t));
        js->quota = js->alone;
    }

    if (js->path == NULL || js->own == NULL || js->quota == NULL) {
        free(js->alone);
        free(js->path);
        free(js->own);
        free(js);
        return NULL;
    }

    js->conf.path = js->path;

    referral_quota_limit(js->quota, js->conf.max);

    if (referral_journal_take_slot(js, mono) == REFERRAL_OK) {
        referral_journal_count(js, mono);
    }

    return js;
}


static referral_journal_t *
referral_journal_fresh(void)
{
    u_char               id[REFERRAL_JOURNAL_ID_SIZE];
    referral_journal_t  *j;

    if (getrandom(id, sizeof(id), 0) != sizeof(id)) {
        return NULL;
    }

    j = referral_journal_alloc(id);
    if (j == NULL) {
        return NULL;
    }

    j->own = 1;

    return j;
}


referral_journal_t *
referral_journal_alloc(const u_char *id)
{
    referral_journal_t  *j;

    j = calloc(1, sizeof(referral_journal_t));
    if (j == NULL) {
        return NULL;
    }

    memcpy(j->id, id, REFERRAL_JOURNAL_ID_SIZE);

    j->seed = referral_segment_seed(id);
    j->first = 1;
    j->dir = -1;

    return j;
}


void
referral_journals_destroy(referral_journals_t *js)
{
    referral_journal_t  *j;

    if (js->active) {
        referral_journal_close_segment(js, 0);
    }

    while (js->own) {
        j = js->own;
        js->own = j->next;
        referral_journal_free(js, j);
    }

    referral_journal_leave_slot(js);

    if (js->sync_fd != -1) {
        (void) close(js->sync_fd);
    }

    free(js->alone);
    free(js->spare);
    free(js->path);
    free(js);
}


void
referral_journal_free(referral_journals_t *js, referral_journal_t *j)
{
    unsigned           i;
    referral_chunk_t  *c;

    while (j->head) {
        c = j->head;
        j->head = c->next;
        js->queue_bytes -= sizeof(referral_chunk_t);
        free(c);
    }

    for (i = 0; i < j->nsegments; i++) {
        if (j->segments[i].fd != -1) {
            (void) close(j->segments[i].fd);
        }
    }

    if (j->dir != -1) {
        (void) close(j->dir);
    }

    referral_journal_alias_free(j);

    free(j->segments);
    free(j);
}


referral_journal_t *
referral_journals_own(referral_journals_t *js)
{
    return js->own;
}


referral_quota_t *
referral_journals_quota(referral_journals_t *js)
{
    return js->quota;
}


referral_journal_t *
referral_journals_next(referral_journals_t *js, referral_journal_t *j)
{
    j = (j == NULL) ? js->own : j->next;

    while (j && j->finished) {
        j = j->next;
    }

    return j;
}


referral_str_t
referral_drop_name(unsigned reason)
{
    referral_str_t  none = referral_string("unknown");

    return reason < REFERRAL_DROPS ? referral_drop_names[reason] : none;
}


void
referral_journals_stat(referral_journals_t *js, referral_journals_stat_t *stat)
{
    int64_t              oldest;
    uint64_t             known;
    unsigned             i;
    referral_journal_t  *j;

    memset(stat, 0, sizeof(referral_journals_stat_t));

    stat->appended = js->appended;
    stat->adopted = js->adopted;
    stat->foreign = js->foreign;
    stat->queue_bytes = js->queue_bytes;
    stat->dir_bytes = referral_quota_bytes(js->quota);
    stat->slot = js->slot;
    stat->disk_failed = js->failed;
    stat->full = js->full;
    stat->err = js->err;
    stat->what = js->what;

    memcpy(stat->dropped, js->dropped, sizeof(js->dropped));

    for (j = referral_journals_next(js, NULL);
         j;
         j = referral_journals_next(js, j))
    {
        stat->journals++;
        stat->segments += j->nsegments;

        for (i = 0; i < j->nsegments; i++) {
            stat->bytes += j->segments[i].size;
        }

        if (j->head) {
            known = j->written > j->acked ? j->written : j->acked;
            stat->queued += j->last - known;
        }

        oldest = referral_journal_oldest(j);

        if (oldest && (stat->oldest == 0 || oldest < stat->oldest)) {
            stat->oldest = oldest;
        }
    }
}


/*
 * Samples are a second apart at first; when there is no more room, every
 * other one is left out, so an outage of any length is told with an error of
 * a few percent.
 */

void
referral_journal_sample(referral_journal_t *j, uint64_t seq, int64_t at)
{
    unsigned            i, n;
    referral_sample_t  *s;

    s = j->samples;
    n = j->nsamples;

    if (n && (seq <= s[n - 1].seq || (uint64_t) (at - s[n - 1].at) < 1000)) {
        return;
    }

    if (n == REFERRAL_JOURNAL_SAMPLES) {

        for (i = 0; i + 1 < n && s[i + 1].seq <= j->acked + 1; i++) {
            /* void */
        }

        if (i) {
            n -= i;
            memmove(s, s + i, n * sizeof(referral_sample_t));

        } else {
            for (i = 1; i < n / 2; i++) {
                s[i] = s[2 * i];
            }

            n /= 2;
        }
    }

    s[n].seq = seq;
    s[n].at = at;

    j->nsamples = n + 1;
}


static int64_t
referral_journal_oldest(referral_journal_t *j)
{
    unsigned  i;

    if (j->acked >= j->last || j->nsamples == 0) {
        return 0;
    }

    for (i = 0; i + 1 < j->nsamples; i++) {
        if (j->samples[i + 1].seq > j->acked + 1) {
            break;
        }
    }

    return j->samples[i].at;
}


void
referral_journal_fail(referral_journals_t *js, const char *what, int err,
    int64_t mono)
{
    js->failed = 1;
    js->what = what;
    js->err = err;
    js->retry = mono + REFERRAL_JOURNAL_RETRY;

    switch (err) {

    case 0:
        js->full = 1;
        js->why = REFERRAL_DROP_MAX;
        break;

    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        js->why = REFERRAL_DROP_SPACE;
        break;

    case ENOMEM:
        js->why = REFERRAL_DROP_MEMORY;
        break;

    default:
        js->why = REFERRAL_DROP_DISK;
    }
}


int
referral_journal_append(referral_journals_t *js, const void *data, size_t len,
    int64_t at, uint64_t *seq)
{
    size_t               size;
    referral_chunk_t    *c;
    referral_journal_t  *j;

    if (len > REFERRAL_FRAME_PAYLOAD_MAX) {
        js->dropped[REFERRAL_DROP_SIZE]++;
        return REFERRAL_ERROR;
    }

    j = js->own;
    c = j->tail;
    size = referral_frame_size(len);

    if (c == NULL || REFERRAL_JOURNAL_BUFFER - c->len < size) {
        c = referral_journal_chunk(js);

        if (c == NULL) {
            return REFERRAL_DECLINED;
        }
    }

    j->last++;

    referral_frame_write(c->data + c->len, j->seed, j->last, at, data, len);

    if (c->len == 0) {
        c->first = j->last;
    }

    c->last = j->last;
    c->len += size;

    referral_journal_sample(j, j->last, at);

    js->appended++;
    *seq = j->last;

    return REFERRAL_OK;
}


/* another chunk for the own journal */

static referral_chunk_t *
referral_journal_chunk(referral_journals_t *js)
{
    referral_chunk_t    *c;
    referral_journal_t  *j;

    j = js->own;

    /* what is written and waits for a sync only may go */

    while (js->queue_bytes + sizeof(referral_chunk_t) > js->conf.queue
           && j->head && j->head != j->tail
           && j->head->written == j->head->len)
    {
        referral_journal_release_head(js, j);
    }

    /* one chunk there must be */

    if (j->head
        && js->queue_bytes + sizeof(referral_chunk_t) > js->conf.queue)
    {
        js->dropped[js->failed ? js->why : REFERRAL_DROP_MEMORY]++;
        return NULL;
    }

    c = js->spare;
    js->spare = NULL;

    if (c == NULL) {
        c = malloc(sizeof(referral_chunk_t));

        if (c == NULL) {
            js->dropped[REFERRAL_DROP_MEMORY]++;
            return NULL;
        }
    }

    c->next = NULL;
    c->id = ++js->chunk_id;
    c->len = 0;
    c->written = 0;

    if (j->tail) {
        j->tail->next = c;

    } else {
        j->head = c;
    }

    j->tail = c;

    if (js->writing == NULL) {
        js->writing = c;
    }

    js->queue_bytes += sizeof(referral_chunk_t);

    return c;
}


static void
referral_journal_release_head(referral_journals_t *js, referral_journal_t *j)
{
    referral_chunk_t  *c;

    c = j->head;

    if (js->writing == c) {
        js->writing = c->next;
    }

    j->head = c->next;

    if (j->head == NULL) {
        j->tail = NULL;
    }

    js->queue_bytes -= sizeof(referral_chunk_t);

    if (js->spare == NULL) {
        js->spare = c;

    } else {
        free(c);
    }
}


/* lets go of what the own journal has no need to keep in memory */

void
referral_journal_release(referral_journals_t *js)
{
    referral_chunk_t    *c;
    referral_journal_t  *j;

    j = js->own;

    while (j->head) {
        c = j->head;

        if (c->len == 0) {
            return;
        }

        if (c->last > j->acked
            && (c->written < c->len
                || (js->conf.sync != REFERRAL_SYNC_OFF
                    && c->last > j->synced)))
        {
            return;
        }

        if (c != j->tail) {
            referral_journal_release_head(js, j);
            continue;
        }

        /* a reader that was here must not take what comes for what was */

        c->id = ++js->chunk_id;
        c->len = 0;
        c->written = 0;

        return;
    }
}


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


unsigned
referral_journal_has_room(referral_journals_t *js, int64_t need)
{
    return referral_quota_bytes(js->quota) + need
           <= referral_quota_max(js->quota);
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

    if (js->slot == -1
        && referral_journal_take_slot(js, mono) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    if (j->dir == -1) {
        referral_journal_id_text(id, j->id);

        what = "mkdir() of the journal failed";

        if (mkdirat(js->slot_dir, id, 0700) == -1 && errno != EEXIST) {
            goto failed;
        }

        what = "open() of the journal failed";

        j->dir = openat(js->slot_dir, id,
                        O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);
        if (j->dir == -1) {
            goto failed;
        }

        what = "fsync() of the journal's slot failed";

        if (js->conf.sync != REFERRAL_SYNC_OFF && fsync(js->slot_dir) == -1) {
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


/*
 * A closed segment's descriptor stays while a sync is due; while it is not
 * acknowledged, for somebody may remove the file before it is read, but of
 * many only the last stay; and for good when the file has no name any more.
 */

void
referral_journal_close_files(referral_journals_t *js, referral_journal_t *j)
{
    unsigned             i, kept;
    struct stat          st;
    referral_segment_t  *seg;

    kept = 0;

    for (i = j->nsegments; i; i--) {
        seg = &j->segments[i - 1];

        if (seg->fd == -1 || seg->unsynced
            || (j->own && js->active && i == j->nsegments))
        {
            continue;
        }

        if (seg->acked_at == -1 && kept < REFERRAL_JOURNAL_OPEN) {
            kept++;
            continue;
        }

        if (fstat(seg->fd, &st) == 0 && st.st_nlink == 0) {
            continue;
        }

        (void) close(seg->fd);
        seg->fd = -1;
    }
}


referral_segment_t *
referral_journal_add_segment(referral_journal_t *j)
{
    unsigned             max;
    referral_segment_t  *seg;

    if (j->nsegments == j->segments_max) {
        max = j->segments_max ? j->segments_max * 2 : 8;

        seg = realloc(j->segments, max * sizeof(referral_segment_t));
        if (seg == NULL) {
            return NULL;
        }

        j->segments = seg;
        j->segments_max = max;
    }

    seg = &j->segments[j->nsegments++];

    memset(seg, 0, sizeof(referral_segment_t));

    seg->fd = -1;
    seg->acked_at = -1;

    return seg;
}


/* takes it out of the list; its file is gone already */

void
referral_journal_drop_segment(referral_journal_t *j, unsigned i)
{
    referral_segment_t  *seg;

    seg = &j->segments[i];

    if (seg->fd != -1) {
        (void) close(seg->fd);
    }

    j->nsegments--;

    memmove(seg, seg + 1, (j->nsegments - i) * sizeof(referral_segment_t));

    referral_journal_update_first(j);
}


void
referral_journal_update_first(referral_journal_t *j)
{
    j->first = j->last + 1;

    if (j->head && j->head->len) {
        j->first = j->head->first;
    }

    if (j->nsegments && j->segments[0].first < j->first) {
        j->first = j->segments[0].first;
    }
}


void
referral_journal_ack(referral_journals_t *js, referral_journal_t *j,
    uint64_t seq, int64_t mono)
{
    unsigned             i, settled;
    uint64_t             last;
    referral_segment_t  *seg;

    last = j->own ? j->flushed : j->last;

    if (seq > last) {
        seq = last;
    }

    if (seq < j->acked) {
        j->acked = seq;

        for (i = j->nsegments; i; i--) {
            seg = &j->segments[i - 1];
            last = (i == j->nsegments) ? j->last : seg[1].first - 1;

            if (last > seq) {
                seg->acked_at = -1;
            }
        }

        return;
    }

    j->acked = seq;
    settled = 0;

    for (i = j->nsegments; i; i--) {
        seg = &j->segments[i - 1];

        if (seg->acked_at != -1) {
            break;
        }

        if (i == j->nsegments && j->own && js->active) {
            continue;
        }

        last = (i == j->nsegments) ? j->last : seg[1].first - 1;

        if (last <= seq) {
            seg->acked_at = mono;
            settled = 1;
        }
    }

    if (settled) {
        referral_journal_close_files(js, j);
    }

    if (j->own) {
        referral_journal_release(js);

    } else {
        while (j->head && j->head->last <= seq) {
            referral_journal_release_head(js, j);
        }
    }

    if (j->acked >= j->last) {
        referral_journal_close_dir(j);
    }

    referral_journal_update_first(j);
}


int
referral_journals_renew(referral_journals_t *js, int64_t now, int64_t mono)
{
    referral_journal_t  *j, *old;

    j = referral_journal_fresh();
    if (j == NULL) {
        return REFERRAL_ERROR;
    }

    (void) referral_journal_flush(js, now, mono);

    if (js->active) {
        referral_journal_close_segment(js, mono);
    }

    old = js->own;
    old->own = 0;

    j->next = old;
    js->own = j;

    js->writing = NULL;
    js->sync_stale = js->syncing;

    /* an acknowledged end that was written to until now */

    referral_journal_ack(js, old, old->acked, mono);

    if (js->lost) {

        /* they stay where they are */

        for (j = old; j; j = j->next) {
            (void) referral_journal_open_dir(js, j);
            j->moved = 1;
        }

        js->lost = 0;
        referral_journal_leave_slot(js);
        js->retry = mono;
        (void) referral_journal_take_slot(js, mono);
    }

    return REFERRAL_OK;
}
