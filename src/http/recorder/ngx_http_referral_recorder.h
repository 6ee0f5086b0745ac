
/*
 * Takes records: into the journal at once, and from there to Redis.  A worker
 * has one recorder for each kind of record, with a directory, a connection and
 * numbers in the zone of its own.  Those who hand over records need no more
 * than this.
 */


#ifndef _NGX_HTTP_REFERRAL_RECORDER_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_RECORDER_H_INCLUDED_


#include "ngx_http_referral.h"
#include "referral_append.h"
#include "referral_batch.h"


/*
 * Answers that wait for one write; clicks are decided by as many, so that what
 * they take stays in the processor's second cache.
 */
#define NGX_HTTP_REFERRAL_GROUP  32


/*
 * What one kind of record does in its own way: how its bytes are read, and how
 * records of one program become a command.  "batch" is what create() made; it
 * serves one batch after the other.  Return values are those of the functions
 * of referral_batch.h that are named here.
 */

typedef struct {
    ngx_uint_t       max_records;   /* looked at for one batch */
    ngx_uint_t       max_values;    /* integers in an answer */

    /* NULL without memory */
    void          *(*create)(const void *conf);
    void           (*free)(void *batch);

    /*
     * Whose record it is; "program" may point into "data".  It stays the
     * record that add() takes until the next decode().  REFERRAL_DECLINED: of
     * a newer version, to be kept; REFERRAL_ERROR: damaged.
     */
    int            (*decode)(void *batch, const u_char *data, size_t len,
                             referral_str_t *program);

    /*
     * Is the decoded record one that comes after the clicks that were made
     * before it?  NULL: none of this kind is.  patience: after begin(), as
     * referral_append_patience(); NULL as well.
     */
    ngx_uint_t     (*follows)(void *batch);
    void           (*patience)(void *batch, int64_t from, int64_t to);

    /* referral_batch_begin(), _add(), _records(), _last(), _command() */
    int            (*begin)(void *batch, const referral_str_t *program,
                            const u_char *journal_id, uint64_t expected);
    int            (*add)(void *batch, uint64_t seq);
    unsigned       (*count)(void *batch);
    uint64_t       (*last)(void *batch);
    int            (*command)(void *batch, int full, referral_str_t *command);

    /* referral_batch_reply(), of the batch that is out; and _error() */
    void           (*reply)(void *batch, referral_batch_reply_t *reply,
                            const int64_t *values, size_t n,
                            uint64_t expected, uint64_t written);

    /*
     * What became of the i-th record of the batch that was applied, and its
     * number; 0: there is no such record.  NULL: there is nothing to tell.
     * unmet: how many of them named a click and found no referrer.
     */
    ngx_uint_t     (*outcome)(void *batch, ngx_uint_t i, uint64_t *seq,
                              referral_append_outcome_t *outcome);
    ngx_uint_t     (*unmet)(void *batch);

    referral_batch_error_e
                   (*error)(const referral_str_t *text);

    /*
     * referral_batch_mark_key(), _mark_get(), _mark_delete(); the first is
     * NULL where Redis's error says itself which key it is about.
     */
    void           (*mark_key)(void *batch, referral_buf_t *out,
                               const referral_str_t *program);
    void           (*mark_get)(void *batch, referral_buf_t *out,
                               const referral_str_t *program,
                               const u_char *journal_id);
    void           (*mark_delete)(void *batch, referral_buf_t *out,
                                  const referral_str_t *program,
                                  const u_char *journal_id);
} ngx_http_referral_recorder_kind_t;


/* what it points to must outlive the recorder */

typedef struct {
    const char                          *name;       /* of its connection, for
                                                        the log: "recorder" */
    const char                          *records;    /* the same: "clicks" */
    const char                          *meanwhile;  /* what they are while the
                                                        disk fails: "kept in
                                                        memory" */
    const ngx_http_referral_recorder_kind_t  *kind;
    const void                          *kind_conf;  /* for kind->create() */

    ngx_str_t                            path;       /* of the journal's
                                                        directory, terminated */
    uint32_t                             version;    /* of its segments; 0:
                                                        that of clicks */
    off_t                                segment;    /* bytes */
    off_t                                max;        /* bytes */
    time_t                               retain;     /* s */
    ngx_uint_t                           sync;       /* referral_sync_e */

    ngx_http_referral_redis_conf_t      *redis;

#if (NGX_THREADS)
    ngx_thread_pool_t                   *thread_pool; /* may be NULL */
#endif

    /* in the zone */

    ngx_http_referral_zone_t            *zone;
    ngx_http_referral_records_t         *sh;         /* of this kind */
    ngx_http_referral_directory_t       *directory;  /* may be NULL */
    size_t                               worker;     /* where a worker's line
                                                        has this kind, a
                                                        ..._worker_recorder_t;
                                                        0: nowhere */
    ngx_atomic_t                        *events;     /* ..._record_event_e; or
                                                        NULL */
} ngx_http_referral_recorder_conf_t;


/*
 * By the master, before its workers: the directory in the zone, whose quota is
 * what all workers that write there go by; NULL: its path is too long.
 */
ngx_http_referral_directory_t *ngx_http_referral_recorder_directory(
    ngx_http_referral_records_t *sh, const ngx_str_t *path, off_t max,
    ngx_uint_t generation);

/* NULL without memory; close: it may block for a second, at a worker's end */
ngx_http_referral_recorder_t *ngx_http_referral_recorder_create(
    const ngx_http_referral_recorder_conf_t *conf, ngx_log_t *log);
void ngx_http_referral_recorder_close(ngx_http_referral_recorder_t *recorder);

/* the recorder of clicks */
ngx_http_referral_recorder_t *ngx_http_referral_recorder_clicks(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log);

/*
 * That of events; of "own" the caller sets path, directory and thread_pool.
 * They are kept for 35 days, and durable before they are answered.
 */
ngx_http_referral_recorder_t *ngx_http_referral_recorder_conversions(
    ngx_http_referral_main_conf_t *rmcf,
    const ngx_http_referral_recorder_conf_t *own, ngx_log_t *log);

/*
 * The caller sets handler, data and durable of "commit", which must stay where
 * it is until the handler is called or the wait is cancelled.  NGX_AGAIN: the
 * record is safe when commit->handler is called, in this turn of the event
 * loop or, with "sync=always", after the disk; NGX_OK: it is safe, or counted
 * as dropped.  "at" in ms; "unresolved": the link is not known to exist.
 *
 * With "durable" it is NGX_AGAIN or NGX_ERROR.  NGX_AGAIN: the handler is
 * called when fdatasync() has told of the record, which is one for all that
 * were written meanwhile, or when it is certain that it will not tell; then
 * commit->status is NGX_ERROR.  NGX_ERROR, here or there: it is not kept, and
 * not counted as dropped; the sender is to send it again, under the same id,
 * for it may be on the disk or in Redis all the same.  Nothing of it piles up
 * while the disk fails: but once a second it is NGX_ERROR here, at once.  Only
 * with "sync=interval" or "sync=always"; "unresolved" does not matter.
 */
ngx_int_t ngx_http_referral_recorder_add(
    ngx_http_referral_recorder_t *recorder, u_char *data, size_t len,
    int64_t at, ngx_uint_t unresolved, ngx_http_referral_commit_t *commit);
void ngx_http_referral_recorder_cancel(ngx_http_referral_commit_t *commit);

/* 1: Redis may soon tell what became of a record */
ngx_uint_t ngx_http_referral_recorder_reaches(
    ngx_http_referral_recorder_t *recorder);

/*
 * For who cannot wait: the record is written to the journal's file now, and
 * to the disk soon.  NGX_ERROR: it is not kept.
 */
ngx_int_t ngx_http_referral_recorder_put(
    ngx_http_referral_recorder_t *recorder, u_char *data, size_t len,
    int64_t at);


#endif /* _NGX_HTTP_REFERRAL_RECORDER_H_INCLUDED_ */
