
/*
 * The journal: what one process wrote in one life, its own and those of the
 * dead that it adopted.
 *
 *     DIRECTORY/slot-000/lock                          held: its owner lives
 *     DIRECTORY/slot-000/JOURNAL_ID/FIRST_SEQ-N.seg
 *     DIRECTORY/damaged/                               what cannot be read
 *
 * Adopting is one rename of a journal's directory into the own slot, under
 * the locks of both, so a journal always lies whole in one slot and a slot is
 * free again at once.
 *
 * A process has one referral_journals_t, used by one thread, made after fork.
 * It works from the start, whatever the disk does: while there is no slot, no
 * directory or no space, records stay in memory, readable, and the disk is
 * tried again at most once a second.  Nothing logs; the state of the disk is
 * in the statistics.
 *
 * The order of a turn:
 *
 *     referral_journal_append() for each click
 *     referral_journal_flush()             one write(2); then answer
 *     referral_reader_next()...            what was flushed, nothing else
 *     referral_journal_ack()               what Redis applied
 *
 * and once a second referral_journals_tick(), referral_journals_ending(), and
 * with jitter referral_journals_adopt().
 *
 * "now" is the wall clock, "mono" one that never goes back, both in ms.  The
 * process must ignore SIGXFSZ where RLIMIT_FSIZE is set.
 */


#ifndef _REFERRAL_JOURNAL_H_INCLUDED_
#define _REFERRAL_JOURNAL_H_INCLUDED_


#include "referral_quota.h"
#include "referral_segment.h"
#include "referral_str.h"


#define REFERRAL_JOURNAL_BUSY   -3
#define REFERRAL_JOURNAL_DONE   -4

#define REFERRAL_JOURNAL_BUFFER     65536            /* a chunk of memory */
#define REFERRAL_JOURNAL_READ       (256 * 1024)     /* a read, at most */
#define REFERRAL_JOURNAL_QUEUE      (16 * 1024 * 1024)
#define REFERRAL_JOURNAL_AGE        600000           /* of a segment, ms */
#define REFERRAL_JOURNAL_SEGMENT_MIN  (128 * 1024)
#define REFERRAL_JOURNAL_ADOPT      4                /* a call, at most */


typedef enum {
    REFERRAL_SYNC_OFF = 0,
    REFERRAL_SYNC_INTERVAL,
    REFERRAL_SYNC_ALWAYS
} referral_sync_e;


/* why append dropped a record: why the disk did not take those before it */

typedef enum {
    REFERRAL_DROP_SPACE = 0,     /* ENOSPC, EDQUOT, EFBIG */
    REFERRAL_DROP_MAX,           /* max= of the directory is reached */
    REFERRAL_DROP_DISK,          /* any other error of the disk */
    REFERRAL_DROP_MEMORY,        /* no memory */
    REFERRAL_DROP_SIZE,          /* longer than REFERRAL_FRAME_PAYLOAD_MAX */
    REFERRAL_DROPS
} referral_drop_e;


typedef struct referral_journals_s  referral_journals_t;
typedef struct referral_journal_s   referral_journal_t;
typedef struct referral_reader_s    referral_reader_t;
typedef struct referral_segment_s   referral_segment_t;
typedef struct referral_chunk_s     referral_chunk_t;
typedef struct referral_alias_s     referral_alias_t;


typedef struct {
    const char          *path;       /* of the directory, copied */
    uint32_t             version;    /* of its segments; 0: ..._VERSION.
                                        Those of another one are left alone */
    off_t                segment;    /* bytes; at least .._SEGMENT_MIN */
    off_t                max;        /* bytes in all slots */
    size_t               queue;      /* bytes kept in memory, at most; 0:
                                        REFERRAL_JOURNAL_QUEUE */
    int64_t              retain;     /* ms after the acknowledgement */
    referral_sync_e      sync;
    referral_quota_t    *quota;      /* of the directory, of all processes;
                                        NULL: this one is alone */
} referral_journals_conf_t;


/* times of some records, to tell how old the first unacknowledged one is */

#define REFERRAL_JOURNAL_SAMPLES  64

typedef struct {
    uint64_t             seq;
    int64_t              at;
} referral_sample_t;


/*
 * Another id for a part of a journal, which "name" tells: what comes after
 * "from" is sent under "id".
 */

#define REFERRAL_ALIAS_NAME_MAX  128

struct referral_alias_s {
    u_char               id[REFERRAL_JOURNAL_ID_SIZE];
    uint64_t             from;
    unsigned             active:1;   /* 0: the journal's own id is right */

    /* private */

    unsigned             noted:1;    /* the disk has it */
    referral_str_t       name;
    referral_alias_t    *next;
};


/* one journal; all but "data" is to be read only */

struct referral_journal_s {
    u_char               id[REFERRAL_JOURNAL_ID_SIZE];

    uint64_t             first;      /* oldest record that is kept; last + 1
                                        if none is */
    uint64_t             last;       /* last that has a number; exact for an
                                        adopted journal too */
    uint64_t             flushed;    /* own: readers see up to here */
    uint64_t             acked;
    uint64_t             synced;     /* own: fdatasync told so */

    unsigned             own:1;      /* this process appends to it */
    unsigned             adopted:1;  /* another life wrote it */
    unsigned             unlinked:1; /* its files are gone */
    unsigned             finished:1;
    unsigned             moved:1;    /* private: not in the own slot */

    unsigned             foreign;    /* segments of another version, and what
                                        follows them: left alone */

    void                *data;       /* the caller's */

    /* private */

    uint64_t             written;    /* own: the disk has up to here */
    uint32_t             seed;
    int                  dir;
    unsigned             nsegments;
    unsigned             segments_max;
    unsigned             serial;
    referral_segment_t  *segments;
    referral_chunk_t    *head;
    referral_chunk_t    *tail;
    referral_alias_t    *aliases;
    unsigned             nsamples;
    referral_sample_t    samples[REFERRAL_JOURNAL_SAMPLES];
    referral_journal_t  *next;
};


typedef struct {
    uint64_t             appended;       /* records, without the dropped */
    uint64_t             adopted;        /* journals */
    uint64_t             foreign;        /* segments of another version, and
                                            what follows them */
    uint64_t             early;          /* segments that were deleted before
                                            "retain" was over, for space */
    uint64_t             dropped[REFERRAL_DROPS];
    uint64_t             queued;         /* records that are in memory only */
    size_t               queue_bytes;    /* memory that is in use */
    off_t                bytes;          /* files of these journals */
    off_t                dir_bytes;      /* files of all slots */
    unsigned             journals;       /* own and adopted */
    unsigned             segments;
    int                  slot;           /* -1: none */
    int64_t              oldest;         /* wall clock of the oldest record
                                            that is not acknowledged, about;
                                            0 if there is none */
    unsigned             disk_failed:1;
    unsigned             full:1;         /* because of max= */
    int                  err;            /* errno of the last failure */
    const char          *what;           /* what failed, static; NULL if
                                            nothing ever did */
} referral_journals_stat_t;


/*
 * A fresh journal, in the first free slot if the disk is well; otherwise it
 * tries again from flush and tick.  NULL with errno: no memory or no
 * randomness; nothing else makes it fail.
 */
referral_journals_t *referral_journals_create(
    const referral_journals_conf_t *conf, int64_t now, int64_t mono);

/*
 * Closes files and lets go of the lock; what lies on the disk stays for
 * another process.  Flush first.  All readers must be closed.
 */
void referral_journals_destroy(referral_journals_t *js);

/* the own journal, never NULL; another one after referral_journals_renew() */
referral_journal_t *referral_journals_own(referral_journals_t *js);

referral_quota_t *referral_journals_quota(referral_journals_t *js);

/* all of them: first with j NULL, then the next; NULL after the last */
referral_journal_t *referral_journals_next(referral_journals_t *js,
    referral_journal_t *j);

void referral_journals_stat(referral_journals_t *js,
    referral_journals_stat_t *stat);

/* how the quota knows a journal */

static inline uint64_t
referral_journal_key(const u_char *id)
{
    uint64_t  key;

    memcpy(&key, id, sizeof(key));

    return key | 1;
}


/* static text: "space", "max"… */
referral_str_t referral_drop_name(unsigned reason);


/*
 * Copies one record into the buffer of the own journal.  "at" is the click's
 * wall clock.  REFERRAL_DECLINED: dropped and counted, memory is full;
 * REFERRAL_ERROR: dropped and counted, too long.  A dropped record has no
 * sequence number.
 */
int referral_journal_append(referral_journals_t *js, const void *data,
    size_t len, int64_t at, uint64_t *seq);

/*
 * The same for a record whose sender hears whether it is kept, and sends it
 * again if not: nothing counts as dropped.  REFERRAL_DECLINED also while the
 * disk failed and is left alone.
 */
int referral_journal_offer(referral_journals_t *js, const void *data,
    size_t len, int64_t at, int64_t mono, uint64_t *seq);

/*
 * Takes back what was offered: the records of the own journal from "first" on
 * that neither the disk has, as far as it told, nor Redis, so that neither
 * memory nor files pile up while a sender tries again.  No reader may have come
 * to them.  Their numbers are given to others.  What a failed fdatasync left of
 * them in a file with older records may be sent by a later life all the same,
 * unless a younger segment has those numbers.  Returns how many were taken
 * back.
 */
uint64_t referral_journal_retract(referral_journals_t *js, uint64_t first);

/*
 * Writes what was appended: one write(2), more only if the buffer of 64 KB
 * overflowed or the disk was away.  Afterwards readers see the records in
 * either case.  REFERRAL_DECLINED: they (or older ones) are in memory only,
 * for a reason that is in the statistics.
 */
int referral_journal_flush(referral_journals_t *js, int64_t now, int64_t mono);

/*
 * For a process that ends.  unwritten: records that neither Redis nor the
 * disk has, or only in a file without a name, of journal "j", or of all with
 * NULL.  save: writes what fits, however lately the disk failed.  abandon: a
 * journal ends with what the disk has; the rest is counted as dropped.  It
 * returns how many that are.
 */
uint64_t referral_journals_unwritten(referral_journals_t *js,
    referral_journal_t *j);
void referral_journals_save(referral_journals_t *js, int64_t now,
    int64_t mono);
uint64_t referral_journal_abandon(referral_journals_t *js,
    referral_journal_t *j);


/*
 * Where another directory follows this one: what is in memory only, from
 * "first" on, becomes a journal of its own there, for whoever adopts it; its
 * records must never have been sent.  All of them, or NULL and nothing is
 * changed.  What is returned is to be destroyed.
 */
referral_journals_t *referral_journals_move(referral_journals_t *js,
    const referral_journals_conf_t *conf, uint64_t first, int64_t now,
    int64_t mono);


/*
 * Every record up to "seq" is applied.  Frees memory, and starts the
 * retention of segments.  May go back: what Redis has lost is unacknowledged
 * again, and stays until it is acknowledged and retained once more.
 */
void referral_journal_ack(referral_journals_t *js, referral_journal_t *j,
    uint64_t seq, int64_t mono);


/*
 * Housekeeping, once a second: unlinks what was retained long enough, or
 * earlier, oldest first, when space is short; counts the directory; retries
 * the disk.  Never unlinks the last segment of a journal.  REFERRAL_DECLINED:
 * somebody removed the files of the own journal; call
 * referral_journals_renew() after the last flush.
 */
int referral_journals_tick(referral_journals_t *js, int64_t now, int64_t mono);

/*
 * Begins a new own journal.  The old one stays in the list, readable to its
 * end, like an adopted one; its records in memory too.  REFERRAL_ERROR: no
 * memory or no randomness; the old one goes on.
 */
int referral_journals_renew(referral_journals_t *js, int64_t now,
    int64_t mono);

/*
 * Adopts at most REFERRAL_JOURNAL_ADOPT journals of earlier lives: those in
 * the own slot, then those in slots that nobody holds.  A segment of another
 * version, and what follows it in its journal, is left as it is, and such a
 * journal never ends here.  Returns their number;
 * REFERRAL_ERROR if the directory cannot be read or there is no slot.
 */
int referral_journals_adopt(referral_journals_t *js, int64_t mono);

/* 1: the journal lies in no slot of the directory, that is certain */
int referral_journals_miss(referral_journals_t *js, const u_char *id);

/*
 * A journal that may end: not the own one, all of it acknowledged and
 * retained, nothing of another version in it.  NULL if there is none.  Start
 * with j NULL; pass the one before
 * to see the next.  In this order, so that a crash at any point neither loses
 * nor doubles a record:
 *
 *     1 read its marks once more; if Redis went back, referral_journal_ack()
 *       with what it found, and no more of this
 *     2 referral_journal_unlink(): from now on nobody can send it again
 *     3 delete the marks, as often as it takes; they are not to be read again
 *       (a crash before leaves a mark behind, which does no harm)
 *     4 referral_journal_finish()
 *
 * A journal that is between 2 and 4 has "unlinked" set and is told again.
 */
referral_journal_t *referral_journals_ending(referral_journals_t *js,
    referral_journal_t *j, int64_t mono);

/*
 * Removes the files and the directory of a journal that is not the own one,
 * for good.  REFERRAL_ERROR with errno: some cannot be removed now; nothing
 * is settled, the marks must stay.
 */
int referral_journal_unlink(referral_journals_t *js, referral_journal_t *j,
    int64_t now);

/*
 * Frees the journal, which is not the own one, after unlinking it if that was
 * not done; then, if that fails, it stays known but is told no more, so that
 * it is not adopted again.  Its readers must be closed.
 */
void referral_journal_finish(referral_journals_t *js, referral_journal_t *j,
    int64_t now);


/*
 * Somebody else uses the journal's id: the part "name" goes on under another
 * one, which is noted beside the segments for whoever adopts the journal.
 * begin() gives a new id, also to a part that has one; NULL: no memory or no
 * randomness.  end() makes the journal's own id right again.  What cannot be
 * noted now is tried again by referral_journals_tick(), and by note():
 * REFERRAL_ERROR with errno while something is not on the disk.
 */
referral_alias_t *referral_journal_alias(referral_journal_t *j,
    const referral_str_t *name);
referral_alias_t *referral_journal_alias_begin(referral_journals_t *js,
    referral_journal_t *j, const referral_str_t *name, uint64_t from);
void referral_journal_alias_end(referral_journals_t *js,
    referral_journal_t *j, referral_alias_t *alias);
int referral_journal_alias_note(referral_journals_t *js,
    referral_journal_t *j);

/* a note, if "file" is one; "name" points into its name */
int referral_journal_alias_read(int dir, const char *file,
    referral_str_t *name, uint64_t *from, u_char *id);


/*
 * For sync=interval and sync=always.  One at a time:
 *
 *     if (referral_journal_sync_begin(js, &fd) == REFERRAL_OK) {
 *         err = referral_journal_sync_fd(fd);       in another thread
 *         referral_journal_sync_end(js, err, now, mono);
 *     }
 *
 * again until REFERRAL_DECLINED: nothing is left to be synced.  Then (or when
 * own->synced reaches it) a record is safe from a power loss.  After an error
 * the segment is never synced or written again: what is still in memory goes
 * to a new one.  sync_fd() touches nothing but the descriptor, which stays
 * open; it returns 0 or an errno.  REFERRAL_JOURNAL_BUSY of sync_begin(): as
 * REFERRAL_OK, but there is no descriptor for another thread, so sync_fd() is
 * to be called at once, in this one.
 */
int referral_journal_sync_begin(referral_journals_t *js, int *fd);
int referral_journal_sync_fd(int fd);
void referral_journal_sync_end(referral_journals_t *js, int err, int64_t now,
    int64_t mono);


/*
 * A reader, of which a journal may have several; its counters may be read.
 * Records come in the order of their numbers, each at most once, wherever
 * they are, disk or memory.
 */

#define REFERRAL_JOURNAL_PLACES  128

typedef struct {
    uint64_t             seq;
    uint64_t             first;
    unsigned             serial;
    off_t                offset;
} referral_place_t;


struct referral_reader_s {
    uint64_t             next;       /* the number that comes next */
    uint64_t             bad;        /* records that are missing or damaged,
                                        each once, whatever is read again */
    uint64_t             skipped;    /* missing, but acknowledged before */

    /* private */

    referral_journals_t *journals;
    referral_journal_t  *journal;
    unsigned             nowait:1;
    unsigned             cold:1;
    unsigned             gone:1;
    int                  fd;
    uint64_t             high;       /* counted up to here */
    uint64_t             first;      /* of the segment that is read */
    unsigned             serial;     /* its number; 0: none */
    off_t                offset;     /* of buf[0] in the file */
    size_t               pos;
    size_t               end;
    uint64_t             chunk;
    size_t               chunk_pos;
    unsigned             nplaces;
    referral_place_t     places[REFERRAL_JOURNAL_PLACES];
    u_char              *buf;
};


/*
 * Starts at "seq", or at the oldest record that is kept (compare with
 * journal->first).  "nowait": what is not in the page cache is BUSY instead
 * of a wait for the disk.  NULL: no memory.
 */
referral_reader_t *referral_reader_open(referral_journals_t *js,
    referral_journal_t *j, uint64_t seq, unsigned nowait);
void referral_reader_close(referral_reader_t *r);

/*
 * Goes to "seq", forward or back; not before the oldest record that is kept.
 * Cheap within some megabytes of where it was, else a segment may have to be
 * read from its beginning.  What is skipped is not counted.
 */
void referral_reader_seek(referral_reader_t *r, uint64_t seq);

/* lets go of file and memory until something more is wanted */
void referral_reader_rest(referral_reader_t *r);

/*
 * The next record; frame->data is valid until the next call for this reader.
 *
 *     REFERRAL_OK
 *     REFERRAL_AGAIN         nothing more now
 *     REFERRAL_JOURNAL_DONE  never anything more: the end of a journal that
 *                            is not the own one; r->next - 1 may be
 *                            acknowledged when all before it is applied, be
 *                            the last ones bad or not
 *     REFERRAL_JOURNAL_BUSY  there may be more, but this call did its share
 *                            (REFERRAL_JOURNAL_READ bytes), or it is on the
 *                            disk: see referral_reader_cold()
 *     REFERRAL_ERROR         the disk cannot be read now (errno); the same
 *                            place is tried again by the next call.  Pages
 *                            that give EIO count as damaged
 */
int referral_reader_next(referral_reader_t *r, referral_frame_t *frame);

/*
 * After BUSY: REFERRAL_OK if the reader waits for the disk; then *fd is a
 * descriptor to be given to referral_reader_warm() in another thread, which
 * reads REFERRAL_JOURNAL_READ bytes from *offset into the page cache, closes
 * fd and touches nothing else.  The next call of referral_reader_next() then
 * reads, and waits if it must.
 */
int referral_reader_cold(referral_reader_t *r, int *fd, off_t *offset);
void referral_reader_warm(int fd, off_t offset);


#endif /* _REFERRAL_JOURNAL_H_INCLUDED_ */
