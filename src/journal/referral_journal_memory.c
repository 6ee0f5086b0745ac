
#include "referral_journal_core.h"


static int referral_journal_put(referral_journals_t *js, const void *data,
    size_t len, int64_t at, uint64_t *seq, referral_drop_e *why);
static referral_chunk_t *referral_journal_chunk(referral_journals_t *js,
    referral_drop_e *why);


int
referral_journal_append(referral_journals_t *js, const void *data, size_t len,
    int64_t at, uint64_t *seq)
{
    int              rc;
    referral_drop_e  why;

    rc = referral_journal_put(js, data, len, at, seq, &why);

    if (rc != REFERRAL_OK) {
        js->dropped[why]++;
    }

    return rc;
}


int
referral_journal_offer(referral_journals_t *js, const void *data, size_t len,
    int64_t at, int64_t mono, uint64_t *seq)
{
    referral_drop_e  why;

    if (js->failed && mono < js->retry) {
        return REFERRAL_DECLINED;
    }

    return referral_journal_put(js, data, len, at, seq, &why);
}


static int
referral_journal_put(referral_journals_t *js, const void *data, size_t len,
    int64_t at, uint64_t *seq, referral_drop_e *why)
{
    size_t               size;
    referral_chunk_t    *c;
    referral_journal_t  *j;

    if (len > REFERRAL_FRAME_PAYLOAD_MAX) {
        *why = REFERRAL_DROP_SIZE;
        return REFERRAL_ERROR;
    }

    j = js->own;
    c = j->tail;
    size = referral_frame_size(len);

    if (c == NULL || REFERRAL_JOURNAL_BUFFER - c->len < size) {
        c = referral_journal_chunk(js, why);

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
referral_journal_chunk(referral_journals_t *js, referral_drop_e *why)
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
        *why = js->failed ? js->why : REFERRAL_DROP_MEMORY;
        return NULL;
    }

    c = js->spare;
    js->spare = NULL;

    if (c == NULL) {
        c = malloc(sizeof(referral_chunk_t));

        if (c == NULL) {
            *why = REFERRAL_DROP_MEMORY;
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


void
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


/* what the disk did not keep for sure, and memory still has, is unwritten */

void
referral_journal_requeue(referral_journals_t *js)
{
    size_t               pos;
    referral_chunk_t    *c;
    referral_frame_t     frame;
    referral_journal_t  *j;

    j = js->own;

    for (c = j->head; c; c = c->next) {

        if (c->len && c->last > j->synced) {
            break;
        }
    }

    if (c == NULL || c->written == 0) {
        return;
    }

    js->writing = c;

    for (pos = 0; pos < c->written; pos += frame.size) {

        if (referral_frame_peek(&frame, j->seed, c->data + pos, c->len - pos)
            != REFERRAL_OK
            || frame.seq > j->synced)
        {
            break;
        }
    }

    if (pos < c->written) {
        j->written = frame.seq - 1;
        c->written = pos;
    }

    for (c = c->next; c; c = c->next) {
        c->written = 0;
    }
}


/* the own journal ends before "first", which the disk does not have */

void
referral_journal_cut(referral_journals_t *js, uint64_t first)
{
    size_t               pos;
    referral_chunk_t    *c, *next;
    referral_frame_t     frame;
    referral_journal_t  *j;

    j = js->own;

    for (c = j->head; c && c->last < first; c = c->next) {
        /* void */
    }

    if (c == NULL) {
        return;
    }

    for (pos = 0; pos < c->len; pos += frame.size) {

        if (referral_frame_peek(&frame, j->seed, c->data + pos, c->len - pos)
            != REFERRAL_OK
            || frame.seq >= first)
        {
            break;
        }
    }

    c->len = pos;
    c->last = first - 1;

    for (next = c->next; next; next = c->next) {
        c->next = next->next;
        js->queue_bytes -= sizeof(referral_chunk_t);

        if (js->writing == next) {
            js->writing = c;
        }

        free(next);
    }

    j->tail = c;
    j->last = first - 1;
    j->flushed = j->last;

    while (j->nsamples && j->samples[j->nsamples - 1].seq >= first) {
        j->nsamples--;
    }
}
