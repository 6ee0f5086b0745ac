
#include "referral_journal_core.h"

#include <sys/uio.h>


#define REFERRAL_READER_HOPS   16       /* segments that one call may read
                                           from */
#define REFERRAL_READER_PLACE  32768    /* bytes between two places that are
                                           remembered */
#define REFERRAL_READER_PAGE   4096
#define REFERRAL_READER_COLD   -2


static int referral_reader_memory(referral_reader_t *r,
    referral_frame_t *frame);
static int referral_reader_disk(referral_reader_t *r, referral_frame_t *frame,
    unsigned *filled);
static int referral_reader_parse(referral_reader_t *r,
    referral_frame_t *frame, uint64_t bound, unsigned eof);
static void referral_reader_found(referral_reader_t *r, uint64_t seq,
    int64_t at);
static void referral_reader_place(referral_reader_t *r, uint64_t seq);
static void referral_reader_missed(referral_reader_t *r, uint64_t to);
static ssize_t referral_reader_fill(referral_reader_t *r);
static ssize_t referral_reader_read(referral_reader_t *r, u_char *buf,
    size_t size, off_t offset);
static unsigned referral_reader_after(referral_reader_t *r, uint64_t first,
    unsigned n);
static int referral_reader_enter(referral_reader_t *r,
    referral_segment_t *seg);
static int referral_reader_open_segment(referral_reader_t *r,
    referral_segment_t *seg);
static void referral_reader_leave(referral_reader_t *r);


referral_reader_t *
referral_reader_open(referral_journals_t *js, referral_journal_t *j,
    uint64_t seq, unsigned nowait)
{
    referral_reader_t  *r;

    r = calloc(1, sizeof(referral_reader_t));
    if (r == NULL) {
        return NULL;
    }

    r->journals = js;
    r->journal = j;
    r->nowait = nowait ? 1 : 0;
    r->fd = -1;

    referral_reader_seek(r, seq);

    return r;
}


void
referral_reader_close(referral_reader_t *r)
{
    referral_reader_rest(r);

    free(r);
}


void
referral_reader_rest(referral_reader_t *r)
{
    referral_reader_leave(r);

    free(r->buf);
    r->buf = NULL;
}


void
referral_reader_seek(referral_reader_t *r, uint64_t seq)
{
    unsigned           i;
    referral_place_t  *place;

    if (seq < r->journal->first) {
        seq = r->journal->first;
    }

    if (seq == r->next) {
        return;
    }

    if (r->high < seq - 1) {
        r->high = seq - 1;
    }

    r->chunk = 0;
    r->cold = 0;

    for (i = r->nplaces; i; i--) {

        if (r->places[i - 1].seq <= seq) {
            break;
        }
    }

    r->nplaces = i;

    if (i == 0) {
        referral_reader_leave(r);
        r->next = seq;
        return;
    }

    place = &r->places[i - 1];

    if (place->serial == r->serial && place->first == r->first) {

        if (seq < r->next || place->offset > r->offset + (off_t) r->pos) {

            if (place->offset >= r->offset
                && place->offset <= r->offset + (off_t) r->end)
            {
                r->pos = place->offset - r->offset;

            } else {
                r->offset = place->offset;
                r->pos = 0;
                r->end = 0;
            }
        }

    } else if (seq < r->next) {
        referral_reader_leave(r);

        r->first = place->first;
        r->serial = place->serial;
        r->offset = place->offset;
    }

    r->next = seq;
}


int
referral_reader_next(referral_reader_t *r, referral_frame_t *frame)
{
    int                  rc;
    unsigned             hops, filled;
    uint64_t             limit;
    referral_journal_t  *j;

    j = r->journal;
    filled = 0;

    if (r->buf == NULL && r->next <= (j->own ? j->flushed : j->last)) {

        /* records from memory are copied behind the data from the disk */

        r->buf = malloc(REFERRAL_JOURNAL_READ + REFERRAL_FRAME_MAX);
        if (r->buf == NULL) {
            errno = ENOMEM;
            return REFERRAL_ERROR;
        }
    }

    for (hops = 0; hops < REFERRAL_READER_HOPS; hops++) {

        limit = j->own ? j->flushed : j->last;

        if (r->next > limit) {
            return j->own ? REFERRAL_AGAIN : REFERRAL_JOURNAL_DONE;
        }

        if (j->adopted || r->next <= j->written) {
            rc = referral_reader_disk(r, frame, &filled);

            if (rc != REFERRAL_DECLINED) {
                return rc;
            }

            continue;
        }

        /* a record that was acknowledged while in memory is gone */

        if (j->head == NULL || j->head->len == 0) {
            referral_reader_missed(r, limit);
            continue;
        }

        if (r->next < j->head->first) {
            referral_reader_missed(r, j->head->first - 1);
            continue;
        }

        return referral_reader_memory(r, frame);
    }

    return REFERRAL_JOURNAL_BUSY;
}


static int
referral_reader_memory(referral_reader_t *r, referral_frame_t *frame)
{
    size_t             pos;
    u_char            *p;
    referral_chunk_t  *c;

    c = r->journal->head;

    while (c->next && c->last < r->next) {
        c = c->next;
    }

    pos = (r->chunk == c->id) ? r->chunk_pos : 0;

    do {
        if (referral_frame_peek(frame, r->journal->seed, c->data + pos,
                                c->len - pos)
            != REFERRAL_OK)
        {
            errno = EFAULT;
            return REFERRAL_ERROR;
        }

        pos += frame->size;

    } while (frame->seq < r->next);

    p = r->buf + REFERRAL_JOURNAL_READ;

    memcpy(p, frame->data, frame->len);

    frame->data = p;

    r->chunk = c->id;
    r->chunk_pos = pos;

    referral_reader_found(r, frame->seq, frame->at);

    return REFERRAL_OK;
}


/* REFERRAL_DECLINED: the record is not here, look again */

static int
referral_reader_disk(referral_reader_t *r, referral_frame_t *frame,
    unsigned *filled)
{
    unsigned             i;
    ssize_t              n;
    uint64_t             bound;
    referral_journal_t  *j;
    referral_segment_t  *next;

    j = r->journal;

    i = referral_reader_after(r, r->first, r->serial);
    next = (i < j->nsegments) ? &j->segments[i] : NULL;

    /* enters the last segment that begins at or before r->next */

    if (r->serial == 0 || (next && next->first <= r->next)) {

        i = referral_reader_after(r, r->next, REFERRAL_SEGMENT_N_MAX);

        if (i) {
            i--;
        }

        if (i == j->nsegments) {
            referral_reader_missed(r, j->adopted ? j->last : j->written);
            return REFERRAL_DECLINED;
        }

        if (referral_reader_enter(r, &j->segments[i]) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }

        next = (i + 1 < j->nsegments) ? &j->segments[i + 1] : NULL;

    } else if (r->fd == -1 && !r->gone) {

        /* returns to a segment whose file was closed */

        i = (i && j->segments[i - 1].n == r->serial
               && j->segments[i - 1].first == r->first) ? i - 1 : j->nsegments;

        if (i == j->nsegments) {
            r->gone = 1;

        } else if (referral_reader_open_segment(r, &j->segments[i])
                   != REFERRAL_OK)
        {
            return REFERRAL_ERROR;
        }
    }

    bound = next ? next->first : UINT64_MAX;

    while (referral_reader_parse(r, frame, bound, 0) != REFERRAL_OK) {

        if (*filled) {
            return REFERRAL_JOURNAL_BUSY;
        }

        n = referral_reader_fill(r);

        if (n > 0) {
            *filled = 1;
            continue;
        }

        if (n < 0) {
            return n == REFERRAL_READER_COLD ? REFERRAL_JOURNAL_BUSY
                                             : REFERRAL_ERROR;
        }

        /* at the end of the file an incomplete record is damage */

        if (referral_reader_parse(r, frame, bound, 1) == REFERRAL_OK) {
            break;
        }

        if (next) {
            return referral_reader_enter(r, next) == REFERRAL_OK
                   ? REFERRAL_DECLINED : REFERRAL_ERROR;
        }

        referral_reader_missed(r, j->adopted ? j->last : j->written);

        return REFERRAL_DECLINED;
    }

    return REFERRAL_OK;
}


static int
referral_reader_parse(referral_reader_t *r, referral_frame_t *frame,
    uint64_t bound, unsigned eof)
{
    int     rc;
    size_t  len;

    while (r->pos < r->end) {
        len = r->end - r->pos;

        rc = referral_frame_read(frame, r->journal->seed, r->buf + r->pos,
                                 len);

        if (rc == REFERRAL_AGAIN && !eof) {
            return REFERRAL_AGAIN;
        }

        if (rc != REFERRAL_OK) {
            r->pos++;
            r->pos += referral_frame_scan(r->buf + r->pos, len - 1);
            continue;
        }

        if (frame->seq >= r->next && frame->seq < bound) {
            referral_reader_place(r, frame->seq);
            referral_reader_found(r, frame->seq, frame->at);
            r->pos += frame->size;
            return REFERRAL_OK;
        }

        r->pos += frame->size;
    }

    return REFERRAL_AGAIN;
}


static void
referral_reader_found(referral_reader_t *r, uint64_t seq, int64_t at)
{
    referral_reader_missed(r, seq - 1);

    r->next = seq + 1;

    if (r->high < seq) {
        r->high = seq;
    }

    if (r->journal->adopted) {
        referral_journal_sample(r->journal, seq, at);
    }
}


/* the records up to "to" are missing: counts each once */

static void
referral_reader_missed(referral_reader_t *r, uint64_t to)
{
    uint64_t  from, acked;

    if (to < r->next) {
        return;
    }

    from = r->next;
    r->next = to + 1;

    if (from <= r->high) {
        from = r->high + 1;
    }

    if (to < from) {
        return;
    }

    r->high = to;

    acked = r->journal->acked;

    if (acked >= from) {

        if (acked >= to) {
            r->skipped += to - from + 1;
            return;
        }

        r->skipped += acked - from + 1;
        from = acked + 1;
    }

    r->bad += to - from + 1;
}


/* remembers the place of a record from time to time, for a later seek */

static void
referral_reader_place(referral_reader_t *r, uint64_t seq)
{
    off_t              offset;
    referral_place_t  *place;

    offset = r->offset + r->pos;

    if (r->nplaces) {
        place = &r->places[r->nplaces - 1];

        if (seq <= place->seq
            || (place->serial == r->serial && place->first == r->first
                && offset - place->offset < REFERRAL_READER_PLACE))
        {
            return;
        }
    }

    if (r->nplaces == REFERRAL_JOURNAL_PLACES) {
        r->nplaces /= 2;

        memmove(r->places, r->places + r->nplaces,
                r->nplaces * sizeof(referral_place_t));
    }

    place = &r->places[r->nplaces++];

    place->seq = seq;
    place->first = r->first;
    place->serial = r->serial;
    place->offset = offset;
}


/* 0: the end of the file; -1: error; or REFERRAL_READER_COLD */

static ssize_t
referral_reader_fill(referral_reader_t *r)
{
    off_t    offset;
    size_t   size;
    ssize_t  n;
    u_char  *p;

    if (r->fd == -1) {
        return 0;
    }

    if (r->pos) {
        memmove(r->buf, r->buf + r->pos, r->end - r->pos);

        r->offset += r->pos;
        r->end -= r->pos;
        r->pos = 0;
    }

    p = r->buf + r->end;
    size = REFERRAL_JOURNAL_READ - r->end;
    offset = r->offset + r->end;

    n = referral_reader_read(r, p, size, offset);

    if (n == -1 && errno == EIO) {

        /* only one page may be bad */

        size = REFERRAL_READER_PAGE - offset % REFERRAL_READER_PAGE;
        n = pread(r->fd, p, size, offset);

        if (n == -1 && errno == EIO) {
            memset(p, 0, size);
            n = size;
        }
    }

    if (n > 0) {
        r->end += n;
    }

    return n;
}


static ssize_t
referral_reader_read(referral_reader_t *r, u_char *buf, size_t size,
    off_t offset)
{
    ssize_t       n;
    struct iovec  iov;

    if (r->nowait && !r->cold) {
        iov.iov_base = buf;
        iov.iov_len = size;

        n = preadv2(r->fd, &iov, 1, offset, RWF_NOWAIT);

        if (n != -1) {
            return n;
        }

        if (errno == EAGAIN) {
            r->cold = 1;
            return REFERRAL_READER_COLD;
        }

        if (errno == EOPNOTSUPP || errno == ENOSYS) {
            r->nowait = 0;
        }
    }

    r->cold = 0;

    do {
        n = pread(r->fd, buf, size, offset);
    } while (n == -1 && errno == EINTR);

    return n;
}


/* the index of the first segment behind (first, n) */

static unsigned
referral_reader_after(referral_reader_t *r, uint64_t first, unsigned n)
{
    unsigned             low, high, middle;
    referral_segment_t  *seg;

    low = 0;
    high = r->journal->nsegments;

    while (low < high) {
        middle = low + (high - low) / 2;
        seg = &r->journal->segments[middle];

        if (seg->first < first || (seg->first == first && seg->n <= n)) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return low;
}


/* opens a segment at its begin; counts records that are missing before it */

static int
referral_reader_enter(referral_reader_t *r, referral_segment_t *seg)
{
    u_char                     data[REFERRAL_SEGMENT_HEADER];
    ssize_t                    n;
    uint64_t                   acked;
    referral_segment_header_t  header;

    referral_reader_leave(r);

    if (referral_reader_open_segment(r, seg) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    r->first = seg->first;
    r->serial = seg->n;

    if (r->next >= seg->first) {
        return REFERRAL_OK;
    }

    /* records that were acknowledged when it was created are not lost */

    if (r->fd != -1) {
        n = pread(r->fd, data, sizeof(data), 0);

        if (n > 0
            && referral_segment_header_read(&header, data, n,
                                            r->journals->conf.version)
               == REFERRAL_OK
            && memcmp(header.id, r->journal->id, REFERRAL_JOURNAL_ID_SIZE)
               == 0)
        {
            acked = header.acked < seg->first - 1 ? header.acked
                                                  : seg->first - 1;

            if (acked >= r->next) {

                if (acked > r->high) {
                    r->skipped += acked - (r->high >= r->next ? r->high
                                                              : r->next - 1);
                    r->high = acked;
                }

                r->next = acked + 1;
            }
        }
    }

    referral_reader_missed(r, seg->first - 1);

    return REFERRAL_OK;
}


static int
referral_reader_open_segment(referral_reader_t *r, referral_segment_t *seg)
{
    char  name[REFERRAL_SEGMENT_NAME_LEN + 1];

    if (seg->fd != -1) {
        r->fd = fcntl(seg->fd, F_DUPFD_CLOEXEC, 0);

    } else {
        if (referral_journal_open_dir(r->journals, r->journal) == REFERRAL_OK) {
            referral_segment_name(name, seg->first, seg->n);

            r->fd = openat(r->journal->dir, name,
                           O_RDONLY|O_NOFOLLOW|O_CLOEXEC);
        }

        if (r->fd == -1 && errno == ENOENT) {
            r->gone = 1;
            return REFERRAL_OK;
        }
    }

    return r->fd == -1 ? REFERRAL_ERROR : REFERRAL_OK;
}


static void
referral_reader_leave(referral_reader_t *r)
{
    if (r->fd != -1) {
        (void) close(r->fd);
        r->fd = -1;
    }

    r->first = 0;
    r->serial = 0;
    r->gone = 0;
    r->cold = 0;
    r->offset = 0;
    r->pos = 0;
    r->end = 0;
}


int
referral_reader_cold(referral_reader_t *r, int *fd, off_t *offset)
{
    if (!r->cold || r->fd == -1) {
        return REFERRAL_DECLINED;
    }

    *fd = fcntl(r->fd, F_DUPFD_CLOEXEC, 0);

    if (*fd == -1) {
        return REFERRAL_DECLINED;
    }

    *offset = r->offset + r->end;

    return REFERRAL_OK;
}


void
referral_reader_warm(int fd, off_t offset)
{
    off_t    end;
    u_char   buf[16384];
    ssize_t  n;

    end = offset + REFERRAL_JOURNAL_READ;

    while (offset < end) {
        n = pread(fd, buf, sizeof(buf), offset);

        if (n <= 0) {
            break;
        }

        offset += n;
    }

    (void) close(fd);
}
