
#include "ngx_http_referral_redis.h"
#include "ngx_http_referral_tracking.h"
#include "referral_keys.h"


/*
 * Redis sends the names of keys that were edited (CLIENT TRACKING in broadcast
 * mode, redirected to the connection that asked for it), and their entries
 * leave the cache.  The workers share the cache, so two listeners are enough
 * for all of them.  Messages come in order: a listener that gets the reply to
 * its heartbeat has all edits before that, and renews its lease.
 */

#define NGX_HTTP_REFERRAL_TRACKING_LISTENERS  2
#define NGX_HTTP_REFERRAL_TRACKING_TICK       500     /* ms */
#define NGX_HTTP_REFERRAL_TRACKING_LEASE      2000
#define NGX_HTTP_REFERRAL_TRACKING_HEARTBEAT  1000    /* until its reply */
#define NGX_HTTP_REFERRAL_TRACKING_GONE       3000    /* listener not seen */
#define NGX_HTTP_REFERRAL_TRACKING_DEAF       10000   /* one without lease */
#define NGX_HTTP_REFERRAL_TRACKING_LEAVE      200
#define NGX_HTTP_REFERRAL_TRACKING_REFUSED    60000

/* so long after the end of all leases, Redis is thought to hang */
#define NGX_HTTP_REFERRAL_TRACKING_LAPSE      5000

/* a message with more keys empties the cache, which is faster */
#define NGX_HTTP_REFERRAL_TRACKING_KEYS       10000

#define NGX_HTTP_REFERRAL_TRACKING_CHANNEL    "__redis__:invalidate"


typedef enum {
    NGX_HTTP_REFERRAL_LEAVE_NOT = 0,
    NGX_HTTP_REFERRAL_LEAVE_ASKED,       /* waits to send the last heartbeat */
    NGX_HTTP_REFERRAL_LEAVE_LAST
} ngx_http_referral_leave_e;


struct ngx_http_referral_tracking_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    ngx_http_referral_main_conf_t    *conf;
    ngx_log_t                        *log;
    ngx_http_referral_told_pt         told;
    ngx_socket_t                      ident;

    void                             *told_data;
    ngx_http_referral_redis_t         redis;
    ngx_event_t                       tick;
    ngx_http_referral_listener_t     *slot;       /* NULL: it does not listen */
    ngx_uint_t                        tracked;    /* at the last tick */
    int64_t                           since;      /* has all edits since then */
    int64_t                           sent;       /* the last heartbeat */
    ngx_uint_t                        waiting;    /* for its reply */
    ngx_uint_t                        subscribed;
    ngx_uint_t                        covered;    /* no edit before "since"
                                                     is missing */
    ngx_uint_t                        leaving;    /* ..._leave_e */
};


static void ngx_http_referral_tracking_handler(ngx_event_t *ev);
static void ngx_http_referral_tracking_elect(
    ngx_http_referral_tracking_t *tracking);
static ngx_uint_t ngx_http_referral_tracking_free(
    ngx_http_referral_tracking_t *tracking, ngx_http_referral_listener_t *slot);
static ngx_uint_t ngx_http_referral_tracking_unwanted(
    ngx_http_referral_tracking_t *tracking);
static void ngx_http_referral_tracking_retire(
    ngx_http_referral_tracking_t *tracking);
static void ngx_http_referral_tracking_step(
    ngx_http_referral_tracking_t *tracking);
static void ngx_http_referral_tracking_state(void *data, ngx_uint_t up);
static void ngx_http_referral_tracking_ask(
    ngx_http_referral_tracking_t *tracking);
static void ngx_http_referral_tracking_id(void *data, redisReply *reply);
static void ngx_http_referral_tracking_on(void *data, redisReply *reply);
static void ngx_http_referral_tracking_refused(
    ngx_http_referral_tracking_t *tracking, redisReply *reply);
static void ngx_http_referral_tracking_heartbeat(
    ngx_http_referral_tracking_t *tracking);
static void ngx_http_referral_tracking_hear(void *data, redisReply *reply);
static void ngx_http_referral_tracking_heard(
    ngx_http_referral_tracking_t *tracking);
static void ngx_http_referral_tracking_cover(
    ngx_http_referral_tracking_t *tracking);
static void ngx_http_referral_tracking_edited(
    ngx_http_referral_tracking_t *tracking, redisReply *keys);
static void ngx_http_referral_tracking_quit(void *data);
static void ngx_http_referral_tracking_release(
    ngx_http_referral_tracking_t *tracking);


ngx_http_referral_tracking_t *
ngx_http_referral_tracking_create(ngx_http_referral_main_conf_t *rmcf,
    ngx_log_t *log, ngx_http_referral_told_pt told, void *data)
{
    ngx_http_referral_tracking_t  *tracking;

    tracking = ngx_calloc(sizeof(ngx_http_referral_tracking_t), log);
    if (tracking == NULL) {
        return NULL;
    }

    tracking->conf = rmcf;
    tracking->log = log;
    tracking->told = told;
    tracking->told_data = data;
    tracking->ident = (ngx_socket_t) -1;

    tracking->tick.data = tracking;
    tracking->tick.handler = ngx_http_referral_tracking_handler;
    tracking->tick.log = log;
    tracking->tick.cancelable = 1;

    ngx_add_timer(&tracking->tick, 1);

    return tracking;
}


void
ngx_http_referral_tracking_close(ngx_http_referral_tracking_t *tracking)
{
    ngx_http_referral_tracking_release(tracking);

    if (tracking->tick.timer_set) {
        ngx_del_timer(&tracking->tick);
    }

    ngx_free(tracking);
}


ngx_uint_t
ngx_http_referral_tracked(ngx_http_referral_zone_t *zone)
{
    int64_t     now, lease, latest;
    ngx_uint_t  i;

    now = ngx_http_referral_msec();
    latest = 0;

    for (i = 0; i < NGX_HTTP_REFERRAL_LISTENERS; i++) {
        lease = ngx_http_referral_load(&zone->listeners[i].lease);
        latest = ngx_max(latest, lease);
    }

    if (latest > now) {
        return NGX_HTTP_REFERRAL_TRACKED;
    }

    if (latest && latest + NGX_HTTP_REFERRAL_TRACKING_LAPSE > now) {
        return NGX_HTTP_REFERRAL_LAPSED;
    }

    return NGX_HTTP_REFERRAL_UNTRACKED;
}


static void
ngx_http_referral_tracking_handler(ngx_event_t *ev)
{
    ngx_uint_t                     tracked;
    ngx_http_referral_tracking_t  *tracking;

    tracking = ev->data;

    if (tracking->leaving) {

        /* the last heartbeat was answered, or waited for long enough */

        ngx_http_referral_tracking_release(tracking);
        return;
    }

    if (tracking->slot == NULL) {
        ngx_http_referral_tracking_elect(tracking);

    } else {
        ngx_http_referral_tracking_retire(tracking);
    }

    if (tracking->slot) {
        ngx_http_referral_tracking_step(tracking);
    }

    tracked = (ngx_http_referral_tracked(tracking->conf->zone.sh)
               == NGX_HTTP_REFERRAL_TRACKED);

    if (tracking->tracked != tracked) {
        tracking->told(tracking->told_data, tracked);
    }

    tracking->tracked = tracked;

    if (!ev->timer_set) {
        ngx_add_timer(ev, NGX_HTTP_REFERRAL_TRACKING_TICK
                          + ngx_random() % (NGX_HTTP_REFERRAL_TRACKING_TICK
                                            / 5));
    }
}


/*
 * Two workers of each configuration listen.  At a reload those of the new one
 * begin while those of the old one still listen, so that no edit is missed.
 */

static void
ngx_http_referral_tracking_elect(ngx_http_referral_tracking_t *tracking)
{
    ngx_uint_t                     i, n;
    ngx_atomic_uint_t              old;
    ngx_http_referral_zone_t      *zone;
    ngx_http_referral_listener_t  *slot, *found;

    zone = tracking->conf->zone.sh;

    if (ngx_exiting || ngx_http_referral_tracking_unwanted(tracking)) {
        return;
    }

    n = 0;
    old = 0;
    found = NULL;

    for (i = 0; i < NGX_HTTP_REFERRAL_LISTENERS; i++) {
        slot = &zone->listeners[i];

        if (ngx_http_referral_tracking_free(tracking, slot)) {
            if (found == NULL) {
                found = slot;
                old = slot->pid;
            }

        } else if (slot->generation == tracking->conf->zone.generation) {
            n++;
        }
    }

    if (n >= NGX_HTTP_REFERRAL_TRACKING_LISTENERS || found == NULL
        || !ngx_atomic_cmp_set(&found->pid, old, ngx_pid))
    {
        return;
    }

    found->generation = tracking->conf->zone.generation;
    ngx_http_referral_store(&found->seen, ngx_http_referral_msec());

    if (ngx_http_referral_load(&found->lease) == 0) {
        ngx_http_referral_store(&found->lease, ngx_http_referral_msec());
    }

    tracking->slot = found;

    ngx_memzero(&tracking->redis, sizeof(ngx_http_referral_redis_t));

    tracking->redis.data = tracking;
    tracking->redis.conf = &tracking->conf->redis;
    tracking->redis.log = tracking->log;
    tracking->redis.name = "tracking of edits";
    tracking->redis.timeout = tracking->conf->redis.timeout;
    tracking->redis.state = ngx_http_referral_tracking_state;
    tracking->redis.quit = ngx_http_referral_tracking_quit;

    ngx_http_referral_redis_open(&tracking->redis);
}


/*
 * a slot is free if it has no owner, if its owner is dead, or if it has no
 * lease while this worker reaches Redis
 */

static ngx_uint_t
ngx_http_referral_tracking_free(ngx_http_referral_tracking_t *tracking,
    ngx_http_referral_listener_t *slot)
{
    int64_t                            now;
    ngx_http_referral_worker_entry_t  *worker;

    now = ngx_http_referral_msec();

    if (slot->pid == 0
        || now > ngx_http_referral_load(&slot->seen)
                 + NGX_HTTP_REFERRAL_TRACKING_GONE)
    {
        return 1;
    }

    if (ngx_http_referral_load(&slot->lease) + NGX_HTTP_REFERRAL_TRACKING_DEAF
        > now)
    {
        return 0;
    }

    if (ngx_http_referral_tracked(tracking->conf->zone.sh)
        == NGX_HTTP_REFERRAL_TRACKED)
    {
        return 0;
    }

    worker = ngx_http_referral_zone_worker(tracking->conf->zone.sh);

    return worker && worker->lookup_up;
}


/* 1: Redis refused less than a minute ago */

static ngx_uint_t
ngx_http_referral_tracking_unwanted(ngx_http_referral_tracking_t *tracking)
{
    return ngx_http_referral_load(&tracking->conf->zone.sh->refused)
           > ngx_http_referral_msec();
}


/* stops listening if there is one too many, elected at the same time */

static void
ngx_http_referral_tracking_retire(ngx_http_referral_tracking_t *tracking)
{
    ngx_uint_t                     i, n;
    ngx_http_referral_listener_t  *slot;

    if (tracking->slot->pid != (ngx_atomic_uint_t) ngx_pid
        || ngx_http_referral_tracking_unwanted(tracking))
    {
        ngx_http_referral_tracking_release(tracking);
        return;
    }

    n = 0;

    for (i = 0; i < NGX_HTTP_REFERRAL_LISTENERS; i++) {
        slot = &tracking->conf->zone.sh->listeners[i];

        if (slot == tracking->slot) {
            break;
        }

        if (slot->generation == tracking->conf->zone.generation
            && !ngx_http_referral_tracking_free(tracking, slot))
        {
            n++;
        }
    }

    if (n >= NGX_HTTP_REFERRAL_TRACKING_LISTENERS) {
        ngx_http_referral_tracking_release(tracking);
    }
}


static void
ngx_http_referral_tracking_step(ngx_http_referral_tracking_t *tracking)
{
    ngx_http_referral_store(&tracking->slot->seen, ngx_http_referral_msec());

    if (!tracking->redis.ready) {
        return;
    }

    if (!tracking->subscribed) {

        /* a command that is pending has the connection's time-out */

        if (tracking->redis.npending == 0) {
            ngx_http_referral_tracking_ask(tracking);
        }

        return;
    }

    if (!tracking->waiting) {
        ngx_http_referral_tracking_heartbeat(tracking);

    } else if (ngx_http_referral_msec()
               > tracking->sent + NGX_HTTP_REFERRAL_TRACKING_HEARTBEAT)
    {
        ngx_http_referral_redis_fail(&tracking->redis, "no reply in time");
        return;
    }

    if (tracking->since && !tracking->covered) {
        ngx_http_referral_tracking_cover(tracking);
    }
}


static void
ngx_http_referral_tracking_state(void *data, ngx_uint_t up)
{
    ngx_http_referral_tracking_t *tracking = data;

    tracking->since = 0;
    tracking->waiting = 0;
    tracking->subscribed = 0;
    tracking->covered = 0;

    if (up) {
        tracking->told(tracking->told_data, 1);
        ngx_add_timer(&tracking->tick, 1);
    }
}


static void
ngx_http_referral_tracking_ask(ngx_http_referral_tracking_t *tracking)
{
    static size_t       lens[] = { sizeof("CLIENT") - 1, sizeof("ID") - 1 };
    static const char  *args[] = { "CLIENT", "ID" };

    (void) ngx_http_referral_redis_command(&tracking->redis,
                                           ngx_http_referral_tracking_id,
                                           tracking, 2, args, lens);
}


static void
ngx_http_referral_tracking_id(void *data, redisReply *reply)
{
    ngx_http_referral_tracking_t *tracking = data;

    u_char                *p;
    size_t                 lens[12];
    ngx_str_t             *prefix;
    ngx_uint_t             i, n;
    const char            *args[12];
    const referral_str_t  *family;
    u_char                 id[NGX_INT64_LEN], keys[3][80];

    static const referral_key_e  kinds[] = {
        REFERRAL_KEY_PROGRAM, REFERRAL_KEY_LINK, REFERRAL_KEY_REFERRER
    };

    if (reply == NULL || tracking->slot == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_referral_tracking_refused(tracking, reply);
        return;
    }

    n = 0;
    args[n++] = "CLIENT";
    args[n++] = "TRACKING";
    args[n++] = "ON";
    args[n++] = "REDIRECT";
    args[n++] = (char *) id;

    *ngx_sprintf(id, "%L", (int64_t) reply->integer) = '\0';

    args[n++] = "BCAST";

    prefix = &tracking->conf->redis.prefix;

    for (i = 0; i < 3; i++) {
        family = referral_key_family(kinds[i]);
        p = ngx_snprintf(keys[i], sizeof(keys[i]) - 1, "%V%*s", prefix,
                         family->len, family->data);
        *p = '\0';

        args[n++] = "PREFIX";
        args[n++] = (char *) keys[i];
    }

    for (i = 0; i < n; i++) {
        lens[i] = ngx_strlen(args[i]);
    }

    (void) ngx_http_referral_redis_command(&tracking->redis,
                                           ngx_http_referral_tracking_on,
                                           tracking, n, args, lens);
}


static void
ngx_http_referral_tracking_on(void *data, redisReply *reply)
{
    ngx_http_referral_tracking_t *tracking = data;

    if (reply == NULL || tracking->slot == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_referral_tracking_refused(tracking, reply);
        return;
    }

    ngx_http_referral_redis_listen(&tracking->redis,
                                   ngx_http_referral_tracking_hear);

    tracking->subscribed = 1;
    ngx_http_referral_tracking_heartbeat(tracking);
}


/* logged once until it works; one attempt a minute is made */

static void
ngx_http_referral_tracking_refused(ngx_http_referral_tracking_t *tracking,
    redisReply *reply)
{
    int64_t                    until, none;
    ngx_http_referral_zone_t  *zone;

    zone = tracking->conf->zone.sh;
    none = 0;
    until = ngx_http_referral_msec() + NGX_HTTP_REFERRAL_TRACKING_REFUSED;

    if (__atomic_compare_exchange_n(&zone->refused, &none, until, 0,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    {
        ngx_log_error(NGX_LOG_WARN, tracking->log, 0,
                      "referral: redis \"%V\" does not track edits: \"%*s\"; "
                      "they take effect after %T seconds",
                      &tracking->conf->redis.text,
                      (size_t) ngx_min(reply->len, 200), reply->str,
                      tracking->conf->zone.untracked);

    } else {
        ngx_http_referral_store(&zone->refused, until);
    }

    ngx_add_timer(&tracking->tick, 0);
}


/*
 * SUBSCRIBE is repeated as a heartbeat: every version of Redis replies at
 * once, and in order with the messages about edits.
 */

static void
ngx_http_referral_tracking_heartbeat(ngx_http_referral_tracking_t *tracking)
{
    static const char  subscribe[] =
        "*2\r\n$9\r\nSUBSCRIBE\r\n"
        "$20\r\n" NGX_HTTP_REFERRAL_TRACKING_CHANNEL "\r\n";

    tracking->waiting = 1;
    tracking->sent = ngx_http_referral_msec();

    ngx_http_referral_redis_say(&tracking->redis, subscribe,
                                sizeof(subscribe) - 1);
}


static void
ngx_http_referral_tracking_hear(void *data, redisReply *reply)
{
    ngx_http_referral_tracking_t *tracking = data;

    if (tracking->slot == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_referral_tracking_refused(tracking, reply);
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        goto odd;
    }

    if (ngx_strcmp(reply->element[0]->str, "subscribe") == 0) {
        ngx_http_referral_tracking_heard(tracking);
        return;
    }

    if (ngx_strcmp(reply->element[0]->str, "message") == 0) {
        ngx_http_referral_tracking_edited(tracking, reply->element[2]);
        return;
    }

odd:

    ngx_http_referral_redis_fail(&tracking->redis,
                                 "it does not answer as redis does");
}


static void
ngx_http_referral_tracking_heard(ngx_http_referral_tracking_t *tracking)
{
    tracking->waiting = 0;

    if (tracking->slot->pid != (ngx_atomic_uint_t) ngx_pid) {

        /*
         * another worker has taken the slot: the next tick closes the
         * connection
         */

        return;
    }

    if (tracking->since == 0) {

        /* the time of this reply, not of the turn's start */

        ngx_time_update();
        tracking->since = ngx_http_referral_msec();

        if (ngx_http_referral_load(&tracking->conf->zone.sh->refused)) {
            ngx_http_referral_store(&tracking->conf->zone.sh->refused, 0);
            ngx_log_error(NGX_LOG_NOTICE, tracking->log, 0,
                          "referral: redis \"%V\" tracks edits again",
                          &tracking->conf->redis.text);
        }
    }

    if (!tracking->covered) {
        ngx_http_referral_tracking_cover(tracking);
    }

    if (tracking->covered) {
        ngx_http_referral_store(&tracking->slot->lease,
                                tracking->sent
                                + NGX_HTTP_REFERRAL_TRACKING_LEASE);
    }

    switch (tracking->leaving) {

    case NGX_HTTP_REFERRAL_LEAVE_NOT:
        break;

    case NGX_HTTP_REFERRAL_LEAVE_ASKED:
        tracking->leaving = NGX_HTTP_REFERRAL_LEAVE_LAST;
        ngx_http_referral_tracking_heartbeat(tracking);
        break;

    default: /* NGX_HTTP_REFERRAL_LEAVE_LAST */

        /*
         * the tick closes the connection, which cannot be closed in its
         * callback
         */

        ngx_add_timer(&tracking->tick, 0);
    }
}


/*
 * Finds out whether an edit before "since" may be missing in the cache.  None
 * is if another listener got the reply to a heartbeat that it sent after
 * "since", or if the cache was flushed after it.  If nobody else listens, the
 * cache is flushed.
 */

static void
ngx_http_referral_tracking_cover(ngx_http_referral_tracking_t *tracking)
{
    int64_t                        since, lease, flushed;
    ngx_uint_t                     i, others;
    ngx_http_referral_zone_t      *zone;
    ngx_http_referral_listener_t  *slot;

    zone = tracking->conf->zone.sh;
    since = tracking->since;
    others = 0;

    flushed = ngx_http_referral_load(&zone->flushed);

    if (flushed && flushed >= since) {
        goto covered;
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_LISTENERS; i++) {
        slot = &zone->listeners[i];

        lease = ngx_http_referral_load(&slot->lease);

        if (slot == tracking->slot || lease == 0) {
            continue;
        }

        if (lease >= since + NGX_HTTP_REFERRAL_TRACKING_LEASE) {
            goto covered;
        }

        if (lease > ngx_http_referral_msec()) {
            others = 1;
        }
    }

    if (others) {
        return;
    }

    /* entries from before the flush still serve while Redis is away */

    referral_cache_flush(&tracking->conf->zone.cache);

    ngx_time_update();
    ngx_http_referral_store(&zone->flushed, ngx_http_referral_msec());

covered:

    tracking->covered = 1;
}


static void
ngx_http_referral_tracking_edited(ngx_http_referral_tracking_t *tracking,
    redisReply *keys)
{
    size_t           i;
    ngx_str_t       *prefix;
    redisReply      *reply;
    referral_str_t   key;

    if (keys->type != REDIS_REPLY_ARRAY
        || keys->elements > NGX_HTTP_REFERRAL_TRACKING_KEYS)
    {
        /* the message for FLUSHALL, for one, has no keys */

        referral_cache_flush(&tracking->conf->zone.cache);
        return;
    }

    prefix = &tracking->conf->redis.prefix;

    for (i = 0; i < keys->elements; i++) {
        reply = keys->element[i];

        /* in a message that is too large the other names are empty */

        if (reply->type == REDIS_REPLY_STRING && reply->len == 0) {
            referral_cache_flush(&tracking->conf->zone.cache);
            return;
        }

        if (reply->type != REDIS_REPLY_STRING
            || (size_t) reply->len <= prefix->len)
        {
            continue;
        }

        key.data = (u_char *) reply->str + prefix->len;
        key.len = reply->len - prefix->len;

        referral_cache_invalidate(&tracking->conf->zone.cache, &key);
    }
}


/*
 * The workers of the new configuration listen already: a last heartbeat after
 * they began shows that no edit is missing.
 */

static void
ngx_http_referral_tracking_quit(void *data)
{
    ngx_http_referral_tracking_t *tracking = data;

    if (tracking->leaving) {
        return;
    }

    if (!tracking->covered) {
        ngx_http_referral_tracking_release(tracking);
        return;
    }

    tracking->tick.cancelable = 0;
    ngx_add_timer(&tracking->tick, NGX_HTTP_REFERRAL_TRACKING_LEAVE);

    if (tracking->waiting) {
        tracking->leaving = NGX_HTTP_REFERRAL_LEAVE_ASKED;
        return;
    }

    tracking->leaving = NGX_HTTP_REFERRAL_LEAVE_LAST;
    ngx_http_referral_tracking_heartbeat(tracking);
}


/* the lease stays, because it holds until its end */

static void
ngx_http_referral_tracking_release(ngx_http_referral_tracking_t *tracking)
{
    ngx_http_referral_listener_t  *slot;

    slot = tracking->slot;

    if (slot == NULL) {
        return;
    }

    tracking->slot = NULL;

    ngx_http_referral_redis_close(&tracking->redis);
    ngx_http_referral_tracking_state(tracking, 0);

    (void) ngx_atomic_cmp_set(&slot->pid, ngx_pid, 0);
}
