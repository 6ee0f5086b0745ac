
#include "referral_journal_core.h"

#include <stdio.h>


#define REFERRAL_JOURNAL_OPEN    8             /* segments not acknowledged */


static off_t referral_journal_count_slot(referral_journals_t *js,
    referral_quota_count_t *count, int root, const char *name);
static off_t referral_journal_count_dir(int slot, const char *name);


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


unsigned
referral_journal_has_room(referral_journals_t *js, int64_t need)
{
    return referral_quota_bytes(js->quota) + need
           <= referral_quota_max(js->quota);
}


/* little is left of max=: let go of what may go */

unsigned
referral_journal_pressed(referral_journals_t *js)
{
    return !referral_journal_has_room(js, referral_quota_max(js->quota) / 16);
}


/* what was acknowledged is kept for a while, in case that Redis goes back */

void
referral_journal_expire(referral_journals_t *js, referral_journal_t *j,
    int64_t mono)
{
    referral_segment_t  *seg;

    while (j->nsegments > 1) {
        seg = &j->segments[0];

        if (seg->acked_at == -1 || mono - seg->acked_at < js->conf.retain
            || referral_journal_unlink_segment(js, j, 0) != REFERRAL_OK)
        {
            break;
        }
    }
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
            || referral_journal_unlink_segment(js, oldest, 0) != REFERRAL_OK)
        {
            break;
        }
    }

    return n;
}


int
referral_journal_unlink_segment(referral_journals_t *js,
    referral_journal_t *j, unsigned i)
{
    char                 name[REFERRAL_SEGMENT_NAME_LEN + 1];
    referral_segment_t  *seg;

    seg = &j->segments[i];

    referral_segment_name(name, seg->first, seg->n);
    referral_quota_gone(js->quota, seg->size);

    if ((referral_journal_open_dir(js, j) != REFERRAL_OK
         || unlinkat(j->dir, name, 0) == -1)
        && errno != ENOENT)
    {
        referral_quota_add(js->quota, seg->size);
        return REFERRAL_ERROR;
    }

    if (seg->acked_at != -1 && js->ticked - seg->acked_at < js->conf.retain) {
        js->early++;
    }

    referral_journal_close_dir(j);
    referral_journal_drop_segment(j, i);

    return REFERRAL_OK;
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

        if (referral_journal_unlink_segment(js, j, 0) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }
    }

    referral_journal_id_text(name, j->id);

    if (js->slot.dir != -1
        && referral_journal_open_dir(js, j) != REFERRAL_OK
        && errno != ENOENT)
    {
        return REFERRAL_ERROR;
    }

    if (!j->unlinked && j->dir != -1 && js->slot.dir != -1) {

        /* a power loss must not bring back what has no marks any more */

        (void) fsync(j->dir);

        referral_journal_alias_unlink(j);

        if (unlinkat(js->slot.dir, name, AT_REMOVEDIR) == -1
            && errno != ENOENT)
        {
            if (errno != ENOTEMPTY && errno != EEXIST) {
                return REFERRAL_ERROR;
            }

            err = referral_slot_root(js->path, &root);

            if (err) {
                errno = err;
                return REFERRAL_ERROR;
            }

            (void) mkdirat(root, "damaged", 0700);
            (void) snprintf(to, sizeof(to), "damaged/%s", name);

            damaged = renameat(js->slot.dir, name, root, to);

            if (damaged == -1 && (errno == ENOTEMPTY || errno == EEXIST)) {
                (void) snprintf(to, sizeof(to), "damaged/%s-%lld", name,
                                (long long) (now & 0xffffffffff));
                damaged = renameat(js->slot.dir, name, root, to);
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


void
referral_journal_count(referral_journals_t *js, int64_t mono)
{
    off_t                    bytes;
    const char              *name;
    referral_slots_t         slots;
    referral_quota_count_t   count;

    js->counted = mono;

    if (referral_slots_open(&slots, js->path) != 0) {
        return;
    }

    bytes = 0;
    referral_quota_begin(js->quota, &count);

    for (name = referral_slots_next(&slots);
         name;
         name = referral_slots_next(&slots))
    {
        bytes += referral_journal_count_slot(js, &count, slots.root, name);
    }

    referral_slots_close(&slots);

    referral_quota_counted(js->quota, &count, bytes);
}


static off_t
referral_journal_count_slot(referral_journals_t *js,
    referral_quota_count_t *count, int root, const char *name)
{
    DIR            *d;
    off_t           bytes;
    u_char          id[REFERRAL_JOURNAL_ID_SIZE];
    struct dirent  *de;

    d = referral_slot_opendir(root, name);
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

    d = referral_slot_opendir(slot, name);
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
