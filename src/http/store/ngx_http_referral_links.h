
/*
 * Entries of programs, links and referrers: from the cache; from Redis if the
 * cache has none that is fresh; and old ones while Redis is away.
 */


#ifndef _NGX_HTTP_REFERRAL_LINKS_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_LINKS_H_INCLUDED_


#include "ngx_http_referral.h"


/* look-ups that may wait for Redis in one worker */
#define NGX_HTTP_REFERRAL_LOOKUPS_MAX  512


ngx_http_referral_links_t *ngx_http_referral_links_create(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log);
void ngx_http_referral_links_close(ngx_http_referral_links_t *links);

/*
 * the connection of look-ups, for a few commands of others; "wake", which
 * may be NULL, is called when it becomes usable
 */
ngx_http_referral_redis_t *ngx_http_referral_links_redis(
    ngx_http_referral_links_t *links, void (*wake)(void *data), void *data);

/*
 * Looks up an entry.  The caller sets handler, data, pool and literal of
 * "wait".  NGX_OK: done; NGX_AGAIN: wait->handler is called once, later,
 * unless the wait is ended before.  Then wait->entry is the entry, in
 * wait->pool, or NULL if it is not known: Redis does not answer, and the cache
 * has nothing that may serve.
 */
ngx_int_t ngx_http_referral_links_get(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait, ngx_uint_t part, referral_str_t *program,
    referral_str_t *id);

/*
 * Prefetch the cache's memory for a later get() of the same entry, in this
 * order.
 */
void ngx_http_referral_links_prefetch(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait, ngx_uint_t part, referral_str_t *program,
    referral_str_t *id);
void ngx_http_referral_links_prefetch_value(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait);

/*
 * end the wait, at any time; give_up() fills wait->entry with an old entry if
 * the cache has one
 */
void ngx_http_referral_links_cancel(ngx_http_referral_wait_t *wait);
void ngx_http_referral_links_give_up(ngx_http_referral_wait_t *wait);


#endif /* _NGX_HTTP_REFERRAL_LINKS_H_INCLUDED_ */
