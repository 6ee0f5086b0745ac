
/*
 * Takes clicks: into the journal at once, and from there to Redis.  One of a
 * worker.  Those who hand over records need no more than this.
 */


#ifndef _NGX_HTTP_REFERRAL_RECORDER_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_RECORDER_H_INCLUDED_


#include "ngx_http_referral.h"


/*
 * Answers that wait for one write; clicks are decided by as many, so that what
 * they take stays in the processor's second cache.
 */
#define NGX_HTTP_REFERRAL_GROUP  32


/* by the master, before its workers: whose directory the journal is in */
void ngx_http_referral_recorder_directory(ngx_http_referral_main_conf_t *rmcf);

/* NULL without memory; close: it may block for a second, at a worker's end */
ngx_http_referral_recorder_t *ngx_http_referral_recorder_create(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log);
void ngx_http_referral_recorder_close(ngx_http_referral_recorder_t *recorder);

/*
 * The caller sets handler and data of "commit", which must stay where it is
 * until the handler is called or the wait is cancelled.  NGX_AGAIN: the record
 * is safe when commit->handler is called, in this turn of the event loop or,
 * with "sync=always", after the disk; NGX_OK: it is safe, or counted as
 * dropped.  "at" in ms; "unresolved": the link is not known to exist.
 */
ngx_int_t ngx_http_referral_recorder_add(
    ngx_http_referral_recorder_t *recorder, u_char *data, size_t len,
    int64_t at, ngx_uint_t unresolved, ngx_http_referral_commit_t *commit);
void ngx_http_referral_recorder_cancel(ngx_http_referral_commit_t *commit);


#endif /* _NGX_HTTP_REFERRAL_RECORDER_H_INCLUDED_ */
