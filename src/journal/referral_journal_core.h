
/*
 * What the files of the journal share.  Each calls those before it only:
 *
 *     referral_journal_list.c      journals, their segments and directories
 *     referral_journal_alias.c     other ids for a part of a journal
 *     referral_journal_reader.c    records, from disk or memory
 *     referral_journal_memory.c    records in memory
 *     referral_journal_expire.c    what is acknowledged, and files that go
 *     referral_journal_write.c     memory to disk
 *     referral_journal_sync.c      fdatasync
 *     referral_journal_adopt.c     journals of earlier lives
 *     referral_journal.c           begin, tick and end
 *     referral_journal_move.c      to another directory
 */


#ifndef _REFERRAL_JOURNAL_CORE_H_INCLUDED_
#define _REFERRAL_JOURNAL_CORE_H_INCLUDED_


#ifndef _GNU_SOURCE
#define _GNU_SOURCE    /* fallocate(), preadv2() */
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/stat.h>

#include "referral_journal.h"
#include "referral_slot.h"


#define REFERRAL_JOURNAL_RETRY    1000    /* ms */
#define REFERRAL_JOURNAL_RECOUNT  5000    /* ms */


/*
 * Of two neighbours the younger one is right: a segment holds the numbers
 * from its first up to, not including, the first of the one that follows.
 */

struct referral_segment_s {
    uint64_t             first;
    unsigned             n;
    int                  fd;         /* -1: open it by name */
    off_t                size;
    off_t                ahead;      /* allocated */
    int64_t              created;    /* wall clock */
    int64_t              opened;     /* monotonic, own */
    int64_t              acked_at;   /* monotonic, -1: not acknowledged */
    unsigned             unsynced:1;
};


/* frames in memory, as they will be on the disk; never moved */

struct referral_chunk_s {
    referral_chunk_t    *next;
    uint64_t             id;
    uint64_t             first;
    uint64_t             last;
    size_t               len;        /* 0: empty */
    size_t               written;
    u_char               data[REFERRAL_JOURNAL_BUFFER];
};


struct referral_journals_s {
    referral_journals_conf_t   conf;
    char                      *path;

    referral_journal_t        *own;       /* the first of the list */

    referral_slot_t            slot;

    referral_chunk_t          *writing;   /* the first not all written */
    referral_chunk_t          *spare;
    uint64_t                   chunk_id;
    size_t                     queue_bytes;

    int64_t                    retry;     /* the disk is left alone until */
    int64_t                    counted;
    int64_t                    ticked;
    int64_t                    sync_error;
    referral_quota_t          *quota;
    referral_quota_t          *alone;     /* allocated, if it is ours */

    uint64_t                   sync_seq;
    int                        sync_fd;   /* -1: not needed yet */

    unsigned                   active:1;  /* own's last segment is open */
    unsigned                   failed:1;
    unsigned                   full:1;
    unsigned                   lost:1;
    unsigned                   syncing:1;
    unsigned                   sync_stale:1;

    referral_drop_e            why;
    int                        err;
    const char                *what;

    uint64_t                   appended;
    uint64_t                   adopted;
    uint64_t                   foreign;
    uint64_t                   early;
    uint64_t                   dropped[REFERRAL_DROPS];
};


/* referral_journal_list.c */

referral_journal_t *referral_journal_alloc(const u_char *id);
void referral_journal_free(referral_journals_t *js, referral_journal_t *j);
referral_segment_t *referral_journal_add_segment(referral_journal_t *j);
void referral_journal_drop_segment(referral_journal_t *j, unsigned i);
void referral_journal_update_first(referral_journal_t *j);
void referral_journal_sample(referral_journal_t *j, uint64_t seq, int64_t at);
int referral_journal_open_dir(referral_journals_t *js, referral_journal_t *j);
void referral_journal_close_dir(referral_journal_t *j);
void referral_journal_fail(referral_journals_t *js, const char *what, int err,
    int64_t mono);
int referral_journal_take_slot(referral_journals_t *js, int64_t mono);

/* referral_journal_alias.c */

void referral_journal_alias_load(referral_journal_t *j, const char *file);
void referral_journal_alias_unlink(referral_journal_t *j);

/* referral_journal_memory.c */

void referral_journal_release(referral_journals_t *js);
void referral_journal_release_head(referral_journals_t *js,
    referral_journal_t *j);
void referral_journal_requeue(referral_journals_t *js);
void referral_journal_cut(referral_journals_t *js, uint64_t first);

/* referral_journal_expire.c */

void referral_journal_close_files(referral_journals_t *js,
    referral_journal_t *j);
unsigned referral_journal_has_room(referral_journals_t *js, int64_t need);
unsigned referral_journal_pressed(referral_journals_t *js);
int referral_journal_unlink_segment(referral_journals_t *js,
    referral_journal_t *j, unsigned i);
void referral_journal_expire(referral_journals_t *js, referral_journal_t *j,
    int64_t mono);
unsigned referral_journal_reclaim(referral_journals_t *js, int64_t need,
    unsigned last);
void referral_journal_count(referral_journals_t *js, int64_t mono);

/* referral_journal_write.c */

int referral_journal_write(referral_journals_t *js, int64_t now, int64_t mono);
void referral_journal_close_segment(referral_journals_t *js, int64_t mono);


#endif /* _REFERRAL_JOURNAL_CORE_H_INCLUDED_ */
