
#include "referral_journal_core.h"


int
referral_journal_sync_begin(referral_journals_t *js, int *fd)
{
    int                  rc;
    unsigned             i;
    referral_journal_t  *j;
    referral_segment_t  *seg;

    if (js->syncing) {
        return REFERRAL_DECLINED;
    }

    j = js->own;

    for (i = 0; i < j->nsegments; i++) {
        seg = &j->segments[i];

        if (!seg->unsynced) {
            continue;
        }

        /* the descriptor was reserved with the slot: now none may be free */

        do {
            *fd = dup3(seg->fd, js->sync_fd, O_CLOEXEC);
        } while (*fd == -1 && (errno == EINTR || errno == EBUSY));

        rc = REFERRAL_OK;

        if (*fd == -1) {
            *fd = seg->fd;
            rc = REFERRAL_JOURNAL_BUSY;
        }

        seg->unsynced = 0;

        js->syncing = 1;
        js->sync_stale = 0;
        js->sync_seq = (i + 1 == j->nsegments) ? j->written
                                               : seg[1].first - 1;

        return rc;
    }

    return REFERRAL_DECLINED;
}


int
referral_journal_sync_fd(int fd)
{
    return fdatasync(fd) == -1 ? errno : 0;
}


void
referral_journal_sync_end(referral_journals_t *js, int err, int64_t now,
    int64_t mono)
{
    unsigned             i;
    referral_journal_t  *j;
    referral_segment_t  *seg;

    js->syncing = 0;

    /* the reserved descriptor must not keep a removed file on the disk */

    if (js->slot.dir != -1) {
        (void) dup3(js->slot.dir, js->sync_fd, O_CLOEXEC);
    }

    if (js->sync_stale) {
        return;
    }

    j = js->own;

    if (err == 0) {

        if (js->sync_seq > j->synced) {
            j->synced = js->sync_seq;
        }

        referral_journal_close_files(js, j);
        referral_journal_release(js);

        return;
    }

    if (js->active) {
        referral_journal_close_segment(js, mono);
    }

    for (i = 0; i < j->nsegments; i++) {
        seg = &j->segments[i];

        if (seg->unsynced) {
            seg->unsynced = 0;
            (void) close(seg->fd);
            seg->fd = -1;
        }
    }

    referral_journal_requeue(js);

    i = (mono - js->sync_error < REFERRAL_JOURNAL_RETRY);

    referral_journal_fail(js, "fdatasync() of the journal failed", err, mono);

    js->sync_error = mono;

    /*
     * writes to a new segment at once after a first failure, then once a
     * second
     */

    if (!i) {
        js->retry = mono;
        (void) referral_journal_write(js, now, mono);
    }
}
