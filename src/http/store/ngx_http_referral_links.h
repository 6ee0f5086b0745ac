
/*
 * Programs, links and referrers as entries: from the cache, from Redis where
 * it has none that is fresh, and old ones while Redis is away.
 */


#ifndef _NGX_HTTP_REFERRAL_LINKS_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_LINKS_H_INCLUDED_


#include "ngx_http_referral.h"


/* how many look-ups may wait for Redis in one worker */
#define NGX_HTTP_REFERRAL_LOOKUPS_MAX  512


ngx_http_referral_links_t *ngx_http_referral_links_create(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log);
void ngx_http_referral_links_close(ngx_http_referral_links_t *links);

/*
 * The connection, for others who ask little.  "wake", if there is one: it is
 * there (again).
 */
ngx_http_referral_redis_t *ngx_http_referral_links_redis(
    ngx_http_referral_links_t *links, void (*wake)(void *data), void *data);

/*
 * The caller sets handler, data, pool and literal of "wait".  NGX_OK:
 * wait->entry is filled; NGX_AGAIN: wait->handler is called once, later, unless
 * the wait is ended first.  An entry that is NULL is not known now.
 */
ngx_int_t ngx_http_referral_links_get(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait, ngx_uint_t part, referral_str_t *program,
    referral_str_t *id);

/*
 * A get will come, of the same: it need not wait for the memory then; in this
 * order.
 */
void ngx_http_referral_links_prefetch(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait, ngx_uint_t part, referral_str_t *program,
    referral_str_t *id);
void ngx_http_referral_links_prefetch_value(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait);

/* both may be called at any time; the second takes what the cache has left */
void ngx_http_referral_links_cancel(ngx_http_referral_wait_t *wait);
void ngx_http_referral_links_give_up(ngx_http_referral_wait_t *wait);


#endif /* _NGX_HTTP_REFERRAL_LINKS_H_INCLUDED_ */
