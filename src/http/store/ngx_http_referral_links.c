
#include "ngx_http_referral_links.h"
#include "ngx_http_referral_redis.h"
#include "ngx_http_referral_tracking.h"
#include "referral_hash.h"
#include "referral_keys.h"


#define NGX_HTTP_REFERRAL_FETCH_BUCKETS  256
#define NGX_HTTP_REFERRAL_SAID           128


/* the age of an entry in the cache */

typedef enum {
    NGX_HTTP_REFERRAL_AGE_NONE = 0,      /* too old, or not there */
    NGX_HTTP_REFERRAL_AGE_OLD,           /* serves while it is refreshed */
    NGX_HTTP_REFERRAL_AGE_FRESH
} ngx_http_referral_age_e;


/* a query for one key, which all requests that need it wait for */

struct ngx_http_referral_fetch_s {
    ngx_queue_t                  queue;      /* in a bucket */
    ngx_queue_t                  waiters;
    ngx_http_referral_links_t   *links;
    ngx_uint_t                   part;
    ngx_uint_t                   literal;    /* the program's name is
                                                configured */
    uint64_t                     epoch;      /* of the cache, when sent */
    int64_t                      sent;       /* ms */
    referral_str_t               key;        /* without the prefix */
    u_char                       key_data[1];
};


struct ngx_http_referral_links_s {
    ngx_http_referral_main_conf_t  *conf;
    ngx_log_t                      *log;
    ngx_http_referral_redis_t       redis;
    ngx_http_referral_tracking_t   *tracking;
    ngx_uint_t                      fetching;
    ngx_uint_t                      closing;
    ngx_msec_t                      refused;    /* the log had it then */
    void                          (*wake)(void *data);
    void                           *wake_data;
    ngx_queue_t                     buckets[NGX_HTTP_REFERRAL_FETCH_BUCKETS];

    /* hashes of bad fields that are in the log */
    uint64_t                        said[NGX_HTTP_REFERRAL_SAID];
    ngx_uint_t                      nsaid;

    uint64_t                        buf[REFERRAL_ENTRY_MAX / 8];
};


static void ngx_http_referral_links_state(void *data, ngx_uint_t up);
static void ngx_http_referral_links_told(void *data, ngx_uint_t tracked);
static void ngx_http_referral_links_lapse(ngx_http_referral_links_t *links);
static void ngx_http_referral_links_alive(void *data, redisReply *reply);
static void ngx_http_referral_links_key(referral_buf_t *b, ngx_uint_t part,
    referral_str_t *program, referral_str_t *id);
static ngx_uint_t ngx_http_referral_links_cached(
    ngx_http_referral_links_t *links, ngx_http_referral_wait_t *wait,
    ngx_uint_t part, referral_str_t *key, ngx_uint_t away, uint64_t *epoch);
static void ngx_http_referral_links_fill(ngx_http_referral_wait_t *wait,
    const referral_entry_t *entry);
static ngx_http_referral_fetch_t *ngx_http_referral_links_fetch(
    ngx_http_referral_links_t *links, ngx_uint_t part, referral_str_t *key,
    uint64_t epoch);
static void ngx_http_referral_links_reply(void *data, redisReply *reply);
static referral_entry_t *ngx_http_referral_links_compile(
    ngx_http_referral_fetch_t *fetch, redisReply *reply);
static void ngx_http_referral_links_entry(ngx_http_referral_fetch_t *fetch,
    referral_str_t *fields, size_t n);
static void ngx_http_referral_links_bad_field(void *data,
    const referral_str_t *field, unsigned line, const char *what);
static void ngx_http_referral_links_timezone(ngx_http_referral_fetch_t *fetch,
    const referral_entry_t *entry);
static ngx_uint_t ngx_http_referral_links_say(ngx_http_referral_links_t *links,
    referral_str_t *key, const referral_str_t *field);


static const ngx_uint_t  ngx_http_referral_links_kinds[] = {
    REFERRAL_ENTRY_PROGRAM,
    REFERRAL_ENTRY_LINK,
    REFERRAL_ENTRY_REFERRER
};


/* instead of a field, in errors of the whole key */

static const referral_str_t  ngx_http_referral_links_whole =
                                                          referral_string("-");


ngx_http_referral_links_t *
ngx_http_referral_links_create(ngx_http_referral_main_conf_t *rmcf,
    ngx_log_t *log)
{
    ngx_uint_t                  i;
    ngx_http_referral_links_t  *links;

    links = ngx_calloc(sizeof(ngx_http_referral_links_t), log);
    if (links == NULL) {
        return NULL;
    }

    links->conf = rmcf;
    links->log = log;

    for (i = 0; i < NGX_HTTP_REFERRAL_FETCH_BUCKETS; i++) {
        ngx_queue_init(&links->buckets[i]);
    }

    links->redis.data = links;
    links->redis.conf = &rmcf->redis;
    links->redis.log = log;
    links->redis.name = "look-ups";
    links->redis.timeout = rmcf->redis.timeout;
    links->redis.state = ngx_http_referral_links_state;
    links->redis.repeat = 1;

    ngx_http_referral_redis_open(&links->redis);

    links->tracking = ngx_http_referral_tracking_create(rmcf, log,
                                                  ngx_http_referral_links_told,
                                                  links);

    return links;
}


static void
ngx_http_referral_links_state(void *data, ngx_uint_t up)
{
    ngx_http_referral_links_t *links = data;

    ngx_http_referral_worker_entry_t  *worker;

    worker = ngx_http_referral_zone_worker(links->conf->zone.sh);

    if (worker) {
        worker->lookup_up = up;
    }

    if (up && links->wake) {
        links->wake(links->wake_data);
    }
}


/*
 * connects at once when a listener reaches Redis, without the rest of a
 * back-off
 */

static void
ngx_http_referral_links_told(void *data, ngx_uint_t tracked)
{
    ngx_http_referral_links_t *links = data;

    if (tracked) {
        ngx_http_referral_redis_hurry(&links->redis);

    } else {
        ngx_http_referral_links_lapse(links);
    }
}


/*
 * Redis may hang: a PING finds out before a click has to wait.  If a command
 * is pending, that finds out.
 */

static void
ngx_http_referral_links_lapse(ngx_http_referral_links_t *links)
{
    static size_t       len = sizeof("PING") - 1;
    static const char  *ping = "PING";

    if (links->redis.npending == 0) {
        (void) ngx_http_referral_redis_command(&links->redis,
                                               ngx_http_referral_links_alive,
                                               links, 1, &ping, &len);
    }
}


static void
ngx_http_referral_links_alive(void *data, redisReply *reply)
{
    /*
     * the reply says nothing; if it does not come in time the connection ends
     */
}


ngx_http_referral_redis_t *
ngx_http_referral_links_redis(ngx_http_referral_links_t *links,
    void (*wake)(void *data), void *data)
{
    if (wake) {
        links->wake = wake;
        links->wake_data = data;
    }

    return &links->redis;
}


void
ngx_http_referral_links_close(ngx_http_referral_links_t *links)
{
    links->closing = 1;

    if (links->tracking) {
        ngx_http_referral_tracking_close(links->tracking);
    }

    ngx_http_referral_redis_close(&links->redis);
    ngx_free(links);
}


ngx_int_t
ngx_http_referral_links_get(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait, ngx_uint_t part, referral_str_t *program,
    referral_str_t *id)
{
    u_char                          data[REFERRAL_KEY_ENTRY_MAX];
    uint64_t                        epoch;
    ngx_uint_t                      age, hinted;
    ngx_queue_t                    *q, *bucket;
    referral_buf_t                  b;
    referral_str_t                  key;
    ngx_http_referral_fetch_t      *fetch;
    ngx_http_referral_main_conf_t  *rmcf;

    hinted = wait->hinted;

    wait->fetch = NULL;
    wait->entry = NULL;
    wait->hinted = 0;

    rmcf = links->conf;

    referral_buf_init(&b, data, sizeof(data));
    ngx_http_referral_links_key(&b, part, program, id);

    if (b.overflow) {
        return NGX_OK;
    }

    key.data = data;
    key.len = b.pos - data;

    if (!hinted) {
        referral_cache_prefetch(&rmcf->zone.cache, &wait->hint, &key);
    }

    age = ngx_http_referral_links_cached(links, wait, part, &key, 0, &epoch);

    if (age != NGX_HTTP_REFERRAL_AGE_NONE) {
        ngx_http_referral_count(rmcf, NGX_HTTP_REFERRAL_CACHE_HITS);

        if (age == NGX_HTTP_REFERRAL_AGE_FRESH) {
            return NGX_OK;
        }
    }

    bucket = &links->buckets[referral_hash64(0, key.data, key.len)
                             % NGX_HTTP_REFERRAL_FETCH_BUCKETS];

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        fetch = ngx_queue_data(q, ngx_http_referral_fetch_t, queue);

        /* a query that was sent before an edit may not have it */

        if (fetch->epoch == epoch && referral_str_eq(&fetch->key, &key)) {
            goto found;
        }
    }

    fetch = ngx_http_referral_links_fetch(links, part, &key, epoch);

    if (fetch) {
        fetch->literal = wait->literal;

    } else {
        if (age == NGX_HTTP_REFERRAL_AGE_NONE
            && ngx_http_referral_links_cached(links, wait, part, &key, 1,
                                              &epoch))
        {
            ngx_http_referral_count(rmcf, NGX_HTTP_REFERRAL_CACHE_STALE);
        }

        return NGX_OK;
    }

    ngx_queue_insert_tail(bucket, &fetch->queue);

    if (age == NGX_HTTP_REFERRAL_AGE_OLD) {
        ngx_http_referral_count(rmcf, NGX_HTTP_REFERRAL_CACHE_REFRESHED);
    }

found:

    if (age == NGX_HTTP_REFERRAL_AGE_OLD) {

        /* the old entry serves once more, and is refreshed meanwhile */

        return NGX_OK;
    }

    ngx_http_referral_count(rmcf, NGX_HTTP_REFERRAL_CACHE_MISSES);

    wait->fetch = fetch;
    ngx_queue_insert_tail(&fetch->waiters, &wait->queue);

    return NGX_AGAIN;
}


void
ngx_http_referral_links_prefetch(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait, ngx_uint_t part, referral_str_t *program,
    referral_str_t *id)
{
    u_char          data[REFERRAL_KEY_ENTRY_MAX];
    referral_buf_t  b;
    referral_str_t  key;

    referral_buf_init(&b, data, sizeof(data));
    ngx_http_referral_links_key(&b, part, program, id);

    key.data = data;
    key.len = b.pos - data;

    referral_cache_prefetch(&links->conf->zone.cache, &wait->hint, &key);
    wait->hinted = 1;
}


void
ngx_http_referral_links_prefetch_value(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait)
{
    referral_cache_prefetch_value(&links->conf->zone.cache, &wait->hint);
}


/* the name of an entry, which in Redis stands behind the prefix */

static void
ngx_http_referral_links_key(referral_buf_t *b, ngx_uint_t part,
    referral_str_t *program, referral_str_t *id)
{
    static const referral_key_e  keys[NGX_HTTP_REFERRAL_ENTRIES] = {
        [NGX_HTTP_REFERRAL_PROGRAM] = REFERRAL_KEY_PROGRAM,
        [NGX_HTTP_REFERRAL_LINK] = REFERRAL_KEY_LINK,
        [NGX_HTTP_REFERRAL_REFERRER] = REFERRAL_KEY_REFERRER
    };

    referral_key_put(b, keys[part], program);

    if (part != NGX_HTTP_REFERRAL_PROGRAM) {
        referral_buf_str(b, id);
    }
}


/*
 * Fills wait->entry from the cache, and returns the entry's age.  With "away",
 * for when Redis does not answer, an entry as old as "stale=" serves too.
 * *epoch is the key's in any case.
 */

static ngx_uint_t
ngx_http_referral_links_cached(ngx_http_referral_links_t *links,
    ngx_http_referral_wait_t *wait, ngx_uint_t part, referral_str_t *key,
    ngx_uint_t away, uint64_t *epoch)
{
    int64_t                         now, fresh, old;
    ngx_uint_t                      past, tracked, missing;
    referral_cache_info_t           info;
    const referral_entry_t         *entry;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = links->conf;

    past = 0;
    now = ngx_http_referral_msec();

    if (referral_cache_get_prefetched(&rmcf->zone.cache, &wait->hint, key,
        links->buf, sizeof(links->buf), now, &info) != REFERRAL_OK)
    {
        *epoch = info.epoch;

        /*
         * an entry from before a flush may lack an edit, but is better than
         * none
         */

        if (!away
            || referral_cache_get_past(&rmcf->zone.cache, &wait->hint, key,
                                       links->buf, sizeof(links->buf), now,
                                       &info)
               != REFERRAL_OK)
        {
            return NGX_HTTP_REFERRAL_AGE_NONE;
        }

        past = 1;
    }

    *epoch = info.epoch;
    entry = info.value;

    /* a worker's own copy was checked when it was made */

    if (!info.copy && !referral_entry_valid(entry, info.len)) {
        referral_cache_invalidate(&rmcf->zone.cache, key);
        *epoch = referral_cache_epoch(&rmcf->zone.cache, key);

        return NGX_HTTP_REFERRAL_AGE_NONE;
    }

    tracked = ngx_http_referral_tracked(rmcf->zone.sh);
    fresh = (tracked == NGX_HTTP_REFERRAL_TRACKED) ? rmcf->zone.valid
                                                   : rmcf->zone.untracked;
    old = rmcf->zone.stale;

    /* a program need not exist: a negative entry of one is an answer */

    missing = info.negative && part == NGX_HTTP_REFERRAL_LINK;

    if (missing) {

        /* the link may have been created since */

        if (past) {
            return NGX_HTTP_REFERRAL_AGE_NONE;
        }

        fresh = ngx_min(fresh, rmcf->zone.negative);
        old = rmcf->zone.negative;
    }

    /*
     * Without tracking an old entry may lack edits, so Redis is asked instead.
     * If tracking broke just now Redis may hang: an entry that lacks the
     * edits of some seconds is better than a visitor who waits.
     */

    if (!away && (missing || tracked == NGX_HTTP_REFERRAL_UNTRACKED)) {
        old = fresh;
    }

    if (info.age >= ngx_max(old, fresh) * 1000) {
        return NGX_HTTP_REFERRAL_AGE_NONE;
    }

    ngx_http_referral_links_fill(wait, entry);

    return info.age < fresh * 1000 ? NGX_HTTP_REFERRAL_AGE_FRESH
                                   : NGX_HTTP_REFERRAL_AGE_OLD;
}


static void
ngx_http_referral_links_fill(ngx_http_referral_wait_t *wait,
    const referral_entry_t *entry)
{
    wait->entry = ngx_palloc(wait->pool, entry->size);

    if (wait->entry) {
        ngx_memcpy(wait->entry, entry, entry->size);
    }
}


static ngx_http_referral_fetch_t *
ngx_http_referral_links_fetch(ngx_http_referral_links_t *links,
    ngx_uint_t part, referral_str_t *key, uint64_t epoch)
{
    u_char                     *p;
    size_t                      argvlen[2];
    const char                 *argv[2];
    ngx_str_t                  *prefix;
    ngx_http_referral_fetch_t  *fetch;
    u_char                      name[REFERRAL_KEY_ENTRY_MAX + 64];

    prefix = &links->conf->redis.prefix;

    if (links->fetching >= NGX_HTTP_REFERRAL_LOOKUPS_MAX) {
        ngx_http_referral_count(links->conf,
                                NGX_HTTP_REFERRAL_LOOKUPS_REFUSED);
        return NULL;
    }

    if (!ngx_http_referral_redis_usable(&links->redis)) {

        if (ngx_http_referral_tracked(links->conf->zone.sh)
            == NGX_HTTP_REFERRAL_TRACKED)
        {
            ngx_http_referral_redis_hurry(&links->redis);
        }

        return NULL;
    }

    fetch = ngx_alloc(sizeof(ngx_http_referral_fetch_t) + key->len,
                      links->log);
    if (fetch == NULL) {
        return NULL;
    }

    ngx_queue_init(&fetch->waiters);

    fetch->links = links;
    fetch->part = part;
    fetch->epoch = epoch;
    fetch->sent = ngx_http_referral_msec();
    fetch->key.len = key->len;
    fetch->key.data = fetch->key_data;
    ngx_memcpy(fetch->key_data, key->data, key->len);

    p = ngx_cpymem(name, prefix->data, prefix->len);
    p = ngx_cpymem(p, key->data, key->len);

    argv[0] = "HGETALL";
    argvlen[0] = 7;
    argv[1] = (char *) name;
    argvlen[1] = p - name;

    if (ngx_http_referral_redis_command(&links->redis,
                                        ngx_http_referral_links_reply, fetch,
                                        2, argv, argvlen)
        != NGX_OK)
    {
        ngx_free(fetch);
        return NULL;
    }

    links->fetching++;
    ngx_http_referral_count(links->conf, NGX_HTTP_REFERRAL_LOOKUPS);

    return fetch;
}


static void
ngx_http_referral_links_reply(void *data, redisReply *reply)
{
    ngx_http_referral_fetch_t *fetch = data;

    uint64_t                           epoch;
    ngx_uint_t                         negative;
    ngx_queue_t                       *q;
    referral_entry_t                  *entry;
    ngx_http_referral_wait_t          *wait;
    ngx_http_referral_links_t         *links;
    ngx_http_referral_worker_entry_t  *worker;

    links = fetch->links;

    if (links->closing) {
        ngx_free(fetch);
        return;
    }

    worker = ngx_http_referral_zone_worker(links->conf->zone.sh);

    if (worker) {
        worker->lookup_up = links->redis.ready;
        worker->lookup_latency = links->redis.latency;
    }

    entry = NULL;

    if (reply || links->redis.large) {
        entry = ngx_http_referral_links_compile(fetch, reply);
    }

    if (entry) {

        /*
         * Negative entries share one way of the cache if a request can make up
         * their names: those of links, and of programs that are not
         * configured.
         */

        negative = entry->state == REFERRAL_STATE_ABSENT
                   && (fetch->part == NGX_HTTP_REFERRAL_LINK
                       || (fetch->part == NGX_HTTP_REFERRAL_PROGRAM
                           && !fetch->literal));

        (void) referral_cache_put(&links->conf->zone.cache, &fetch->key, entry,
                                  entry->size, negative, fetch->sent,
                                  fetch->epoch);
    } else {
        ngx_http_referral_count(links->conf, NGX_HTTP_REFERRAL_LOOKUPS_FAILED);
    }

    /*
     * requests that come now start a query of their own: an edit may have
     * overtaken this reply
     */

    ngx_queue_remove(&fetch->queue);
    links->fetching--;

    /* fills all waits before a handler runs, which may use links->buf again */

    for (q = ngx_queue_head(&fetch->waiters);
         q != ngx_queue_sentinel(&fetch->waiters);
         q = ngx_queue_next(q))
    {
        wait = ngx_queue_data(q, ngx_http_referral_wait_t, queue);

        if (entry) {
            ngx_http_referral_links_fill(wait, entry);

        } else if (ngx_http_referral_links_cached(links, wait, fetch->part,
                                                  &fetch->key, 1,
                                                  &epoch))
        {
            ngx_http_referral_count(links->conf, NGX_HTTP_REFERRAL_CACHE_STALE);
        }
    }

    /*
     * a handler may end other requests, which remove themselves from the list
     */

    while (!ngx_queue_empty(&fetch->waiters)) {
        q = ngx_queue_head(&fetch->waiters);
        ngx_queue_remove(q);

        wait = ngx_queue_data(q, ngx_http_referral_wait_t, queue);
        wait->fetch = NULL;
        wait->handler(wait->data);
    }

    ngx_free(fetch);
}


/*
 * Compiles a reply into links->buf; NULL if that says nothing of the key.  Bad
 * fields become safe defaults.  If "reply" is NULL it was too large.
 */

static referral_entry_t *
ngx_http_referral_links_compile(ngx_http_referral_fetch_t *fetch,
    redisReply *reply)
{
    size_t                      i, n;
    referral_str_t             *fields;
    referral_entry_t           *entry;
    ngx_http_referral_links_t  *links;

    links = fetch->links;
    fields = NULL;
    n = 0;

    if (reply == NULL) {
        ngx_http_referral_links_bad_field(fetch,
                                          &ngx_http_referral_links_whole, 0,
                                          "the hash is too large");

    } else if (reply->type == REDIS_REPLY_ARRAY) {

        n = reply->elements;

        if (n) {
            fields = ngx_alloc(n * sizeof(referral_str_t), links->log);
            if (fields == NULL) {
                return NULL;
            }
        }

        for (i = 0; i < n; i++) {
            if (reply->element[i]->type != REDIS_REPLY_STRING) {
                ngx_free(fields);
                return NULL;
            }

            fields[i].len = reply->element[i]->len;
            fields[i].data = (u_char *) reply->element[i]->str;
        }

    } else if (reply->type != REDIS_REPLY_ERROR) {
        return NULL;

    } else if (ngx_strncmp(reply->str, "WRONGTYPE", 9) != 0) {
        if (links->refused == 0
            || ngx_current_msec - links->refused >= 60000)
        {
            links->refused = ngx_current_msec;

            ngx_log_error(NGX_LOG_ERR, links->log, 0,
                          "referral: redis \"%V\" refuses look-ups: \"%*s\"",
                          &links->conf->redis.text, ngx_min(reply->len, 200),
                          reply->str);
        }

        return NULL;

    } else {
        ngx_http_referral_links_bad_field(fetch,
                                          &ngx_http_referral_links_whole, 0,
                                          "the key is not a hash");
    }

    ngx_http_referral_links_entry(fetch, fields, n);

    if (fields) {
        ngx_free(fields);
    }

    entry = (referral_entry_t *) links->buf;

    if (referral_entry_has(entry, REFERRAL_FIELD_TIMEZONE)) {
        ngx_http_referral_links_timezone(fetch, entry);
    }

    return entry;
}


/* fills links->buf with a valid entry, whatever the fields are */

static void
ngx_http_referral_links_entry(ngx_http_referral_fetch_t *fetch,
    referral_str_t *fields, size_t n)
{
    size_t                      i;
    ngx_uint_t                  kind;
    referral_buf_t              b;
    ngx_http_referral_links_t  *links;

    static referral_str_t  rules = referral_string("rules");

    links = fetch->links;
    kind = ngx_http_referral_links_kinds[fetch->part];

    referral_buf_init(&b, links->buf, sizeof(links->buf));

    if (referral_entry_compile(&b, kind, fields, n,
                               ngx_http_referral_links_bad_field, fetch)
        == REFERRAL_OK)
    {
        return;
    }

    /* the entry is too large */

    ngx_http_referral_links_bad_field(fetch, &rules, 0,
                                      "too large: as if there were none");

    /* rules take the most space: without them the link still works */

    for (i = 0; i + 1 < n; i += 2) {
        if (referral_str_eq(&fields[i], &rules)) {
            fields[i].len = 0;
            fields[i + 1].len = 0;
        }
    }

    referral_buf_init(&b, links->buf, sizeof(links->buf));

    if (referral_entry_compile(&b, kind, fields, n, NULL, NULL)
        == REFERRAL_OK)
    {
        return;
    }

    ngx_http_referral_links_bad_field(fetch, &ngx_http_referral_links_whole, 0,
                                      "the hash is too large");

    referral_buf_init(&b, links->buf, sizeof(links->buf));

    (void) referral_entry_compile(&b, kind, NULL, 0, NULL, NULL);
}


static void
ngx_http_referral_links_bad_field(void *data, const referral_str_t *field,
    unsigned line, const char *what)
{
    ngx_http_referral_fetch_t *fetch = data;

    ngx_http_referral_links_t  *links;

    links = fetch->links;

    ngx_http_referral_count(links->conf, NGX_HTTP_REFERRAL_BAD_FIELDS);

    if (!ngx_http_referral_links_say(links, &fetch->key, field)) {
        return;
    }

    if (line) {
        ngx_log_error(NGX_LOG_ERR, links->log, 0,
                      "referral: \"%V%*s\", field \"%*s\", line %ui: %s",
                      &links->conf->redis.prefix, fetch->key.len,
                      fetch->key.data, field->len, field->data,
                      (ngx_uint_t) line, what);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, links->log, 0,
                  "referral: \"%V%*s\", field \"%*s\": %s",
                  &links->conf->redis.prefix, fetch->key.len, fetch->key.data,
                  field->len, field->data, what);
}


/* the entry keeps the name: a newer tzdata may have it */

static void
ngx_http_referral_links_timezone(ngx_http_referral_fetch_t *fetch,
    const referral_entry_t *entry)
{
    char                         wrong[REFERRAL_TIMEZONE_WRONG];
    referral_str_t               name;
    const referral_timezones_t  *zones;

    static referral_str_t  field = referral_string("timezone");

    zones = fetch->links->conf->timezone.zones;
    name = referral_entry_field(entry, REFERRAL_FIELD_TIMEZONE);

    if (referral_timezones_find(zones, &name) == NULL) {
        referral_timezones_wrong(zones, &name, wrong);
        ngx_http_referral_links_bad_field(fetch, &field, 0, wrong);
    }
}


static ngx_uint_t
ngx_http_referral_links_say(ngx_http_referral_links_t *links,
    referral_str_t *key, const referral_str_t *field)
{
    uint64_t    hash;
    ngx_uint_t  i;

    hash = referral_hash64(referral_hash64(0, key->data, key->len),
                           field->data, field->len);

    for (i = 0; i < NGX_HTTP_REFERRAL_SAID; i++) {
        if (links->said[i] == hash) {
            return 0;
        }
    }

    links->said[links->nsaid++ % NGX_HTTP_REFERRAL_SAID] = hash;

    return 1;
}


void
ngx_http_referral_links_cancel(ngx_http_referral_wait_t *wait)
{
    if (wait->fetch) {
        wait->fetch = NULL;
        ngx_queue_remove(&wait->queue);
    }
}


void
ngx_http_referral_links_give_up(ngx_http_referral_wait_t *wait)
{
    uint64_t                    epoch;
    ngx_http_referral_fetch_t  *fetch;

    fetch = wait->fetch;

    if (fetch == NULL) {
        return;
    }

    ngx_http_referral_links_cancel(wait);

    if (ngx_http_referral_links_cached(fetch->links, wait, fetch->part,
                                       &fetch->key, 1,
                                       &epoch))
    {
        ngx_http_referral_count(fetch->links->conf,
                                NGX_HTTP_REFERRAL_CACHE_STALE);
    }
}
