
#include "referral_journal_core.h"


static void referral_journal_free_aliases(referral_journal_t *j);


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

    referral_journal_free_aliases(j);

    free(j->segments);
    free(j);
}


static void
referral_journal_free_aliases(referral_journal_t *j)
{
    referral_alias_t  *alias;

    while (j->aliases) {
        alias = j->aliases;
        j->aliases = alias->next;
        free(alias);
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


/* removes segment i from the list; its file is removed already */

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


/*
 * Samples are a second apart at first.  When the array is full every other one
 * is dropped, so that the age of the oldest record is known to a few percent
 * after an outage of any length.
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


/*
 * The directory of an adopted journal is open only while it is used: there may
 * be hundreds of them, and a worker has few descriptors.
 */

int
referral_journal_open_dir(referral_journals_t *js, referral_journal_t *j)
{
    char  name[REFERRAL_JOURNAL_ID_LEN + 1];

    if (j->dir != -1) {
        return REFERRAL_OK;
    }

    referral_journal_id_text(name, j->id);

    j->dir = openat(js->slot.dir, name,
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
referral_journal_take_slot(referral_journals_t *js, int64_t mono)
{
    int          err;
    unsigned     sync;
    const char  *what;

    sync = (js->conf.sync != REFERRAL_SYNC_OFF);

    err = referral_slot_take(&js->slot, sync, &what);

    if (err == 0 && sync && js->sync_fd == -1) {
        js->sync_fd = fcntl(js->slot.dir, F_DUPFD_CLOEXEC, 0);

        if (js->sync_fd == -1) {
            err = errno;
            referral_slot_leave(&js->slot);
        }
    }

    if (err) {
        referral_journal_fail(js, what, err, mono);
        return REFERRAL_ERROR;
    }

    js->failed = 0;

    return REFERRAL_OK;
}
