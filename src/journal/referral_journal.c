
#include "referral_journal_core.h"

#include <sys/random.h>


static referral_journal_t *referral_journal_fresh(void);
static int64_t referral_journal_oldest(referral_journal_t *j);
static void referral_journal_check_lost(referral_journals_t *js);


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
    js->sync_fd = -1;
    js->retry = mono;
    js->why = REFERRAL_DROP_MEMORY;
    js->sync_error = mono - REFERRAL_JOURNAL_RETRY;

    if (js->conf.queue == 0) {
        js->conf.queue = REFERRAL_JOURNAL_QUEUE;
    }

    if (js->conf.version == 0) {
        js->conf.version = REFERRAL_SEGMENT_VERSION;
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

    referral_slot_init(&js->slot, js->path);

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

    referral_slot_leave(&js->slot);

    if (js->sync_fd != -1) {
        (void) close(js->sync_fd);
    }

    free(js->alone);
    free(js->spare);
    free(js->path);
    free(js);
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
    stat->early = js->early;
    stat->queue_bytes = js->queue_bytes;
    stat->dir_bytes = referral_quota_bytes(js->quota);
    stat->slot = js->slot.number;
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


int
referral_journals_tick(referral_journals_t *js, int64_t now, int64_t mono)
{
    referral_journal_t  *j;

    js->ticked = mono;

    if (js->slot.number == -1) {

        if (mono >= js->retry) {
            (void) referral_journal_take_slot(js, mono);
        }

    } else {
        referral_journal_check_lost(js);
    }

    if (mono - js->counted >= (referral_journal_pressed(js)
                               ? REFERRAL_JOURNAL_RETRY
                               : REFERRAL_JOURNAL_RECOUNT))
    {
        referral_journal_count(js, mono);
    }

    for (j = js->own; j; j = j->next) {

        (void) referral_journal_alias_note(js, j);
        referral_journal_expire(js, j, mono);
    }

    if (referral_journal_pressed(js)) {
        (void) referral_journal_reclaim(js, referral_quota_max(js->quota) / 16,
                                        0);
    }

    (void) referral_journal_write(js, now, mono);

    return js->lost ? REFERRAL_DECLINED : REFERRAL_OK;
}


static void
referral_journal_check_lost(referral_journals_t *js)
{
    struct stat          st;
    referral_journal_t  *j;

    if (referral_slot_lost(&js->slot)) {
        js->lost = 1;
        return;
    }

    j = js->own;

    if (js->active
        && fstat(j->segments[j->nsegments - 1].fd, &st) == 0
        && st.st_nlink == 0)
    {
        js->lost = 1;
    }
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

    /*
     * its last segment was in use until now: if it is acknowledged, its
     * retention begins
     */

    referral_journal_ack(js, old, old->acked, mono);

    if (js->lost) {

        /*
         * the old journals stay where they are, and are found by their
         * descriptors
         */

        for (j = old; j; j = j->next) {
            (void) referral_journal_open_dir(js, j);
            j->moved = 1;
        }

        js->lost = 0;
        referral_slot_leave(&js->slot);
        js->retry = mono;
        (void) referral_journal_take_slot(js, mono);
    }

    return REFERRAL_OK;
}
