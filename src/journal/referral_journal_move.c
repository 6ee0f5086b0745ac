
#include "referral_journal_core.h"


static int referral_journal_copy(referral_journals_t *js,
    referral_journals_t *to, uint64_t first, int64_t now, int64_t mono);
static void referral_journal_sync_all(referral_journals_t *js, int64_t now,
    int64_t mono);


referral_journals_t *
referral_journals_move(referral_journals_t *js,
    const referral_journals_conf_t *conf, uint64_t first, int64_t now,
    int64_t mono)
{
    referral_journal_t   *j;
    referral_journals_t  *to;

    to = referral_journals_create(conf, now, mono);
    if (to == NULL) {
        return NULL;
    }

    if (referral_journal_copy(js, to, first, now, mono) == REFERRAL_OK) {
        referral_journal_sync_all(to, now, mono);
        referral_journal_cut(js, first);

        return to;
    }

    /* records that were copied are still here too, and would be sent twice */

    j = to->own;

    if (referral_journals_renew(to, now, mono) == REFERRAL_OK) {
        referral_journal_finish(to, j, now);
    }

    referral_journals_destroy(to);

    return NULL;
}


static int
referral_journal_copy(referral_journals_t *js, referral_journals_t *to,
    uint64_t first, int64_t now, int64_t mono)
{
    int                 rc;
    uint64_t            seq;
    referral_frame_t    frame;
    referral_reader_t  *r;

    r = referral_reader_open(js, js->own, first, 1);
    if (r == NULL) {
        return REFERRAL_ERROR;
    }

    for ( ;; ) {
        rc = referral_reader_next(r, &frame);

        if (rc != REFERRAL_OK) {
            break;
        }

        if (to->queue_bytes > REFERRAL_JOURNAL_BUFFER) {
            rc = referral_journal_flush(to, now, mono);
        }

        if (rc == REFERRAL_OK) {
            rc = referral_journal_append(to, frame.data, frame.len, frame.at,
                                         &seq);
        }

        if (rc != REFERRAL_OK) {
            break;
        }
    }

    referral_reader_close(r);

    if (rc != REFERRAL_AGAIN
        || referral_journal_flush(to, now, mono) != REFERRAL_OK
        || to->own->last != js->own->last - first + 1)
    {
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


static void
referral_journal_sync_all(referral_journals_t *js, int64_t now, int64_t mono)
{
    int  fd;

    while (referral_journal_sync_begin(js, &fd) != REFERRAL_DECLINED) {
        referral_journal_sync_end(js, referral_journal_sync_fd(fd), now, mono);
    }
}
