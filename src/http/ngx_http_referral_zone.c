
#include "ngx_http_referral.h"


/* changes with the layout of the zone */
#define NGX_HTTP_REFERRAL_ZONE_MAGIC  0x4c52464552474e0cULL


static void ngx_http_referral_zone_settled(ngx_http_referral_records_t *sh,
    u_char *id, uint64_t *base, ngx_uint_t *born);
static ngx_http_referral_journal_entry_t *ngx_http_referral_zone_free(
    ngx_http_referral_records_t *sh);
static ngx_uint_t ngx_http_referral_zone_gone(ngx_atomic_uint_t pid);
static void ngx_http_referral_zone_journal_settle(
    ngx_http_referral_records_t *sh, ngx_http_referral_journal_entry_t *entry);


#if (NGX_PTR_SIZE != 8)

/* ngx_current_msec, with the upper bits that it lacks */

int64_t
ngx_http_referral_msec(void)
{
    struct timespec    ts;

    static int64_t     whole;
    static ngx_msec_t  cut;

    if (whole == 0 || cut != ngx_current_msec) {
        cut = ngx_current_msec;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);

        whole = referral_time_whole((int64_t) ts.tv_sec * 1000
                                    + ts.tv_nsec / 1000000, cut);
    }

    return whole;
}

#endif


/*
 * At a reload this runs before the new configuration is accepted, on memory
 * that workers use: it must not write to it.
 */

ngx_int_t
ngx_http_referral_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_referral_main_conf_t *ormcf = data;

    size_t                          size;
    u_char                         *cache;
    uint64_t                        seeds[2];
    ngx_slab_pool_t                *shpool;
    referral_random_t               random;
    ngx_http_referral_zone_t       *sh;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (ormcf) {
        sh = ormcf->zone.sh;

        if (sh->magic != NGX_HTTP_REFERRAL_ZONE_MAGIC
            || sh->size != sizeof(ngx_http_referral_zone_t)
            || referral_cache_attach(&rmcf->zone.cache, sh->cache,
                                     sh->cache_size)
               != REFERRAL_OK)
        {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "\"referral_zone\" was made by another version of "
                          "the module: restart nginx or upgrade its binary");
            return NGX_ERROR;
        }

        rmcf->zone.sh = sh;

        return NGX_OK;
    }

    sh = ngx_slab_calloc(shpool, sizeof(ngx_http_referral_zone_t));
    if (sh == NULL) {
        goto small;
    }

    /* the cache is one block, the largest that the slab allocator gives */

    shpool->log_nomem = 0;
    cache = NULL;

    for (size = shpool->pfree * ngx_pagesize;
         size >= REFERRAL_CACHE_SIZE_MIN;
         size -= ngx_pagesize)
    {
        cache = ngx_slab_alloc(shpool, size);

        if (cache) {
            break;
        }
    }

    /*
     * secret seeds: keys and addresses cannot be chosen so that they collide
     */

    ngx_memzero(&random, sizeof(referral_random_t));

    if (referral_random(&random, (u_char *) seeds, sizeof(seeds))
        != REFERRAL_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "no randomness for \"referral_zone\"");
        return NGX_ERROR;
    }

    if (cache == NULL
        || referral_cache_init(&rmcf->zone.cache, cache, size, seeds[0])
           != REFERRAL_OK)
    {
        goto small;
    }

    sh->magic = NGX_HTTP_REFERRAL_ZONE_MAGIC;
    sh->size = sizeof(ngx_http_referral_zone_t);
    sh->seed = seeds[1];
    sh->cache = cache;
    sh->cache_size = size;

    rmcf->zone.sh = sh;
    shpool->data = sh;

    return NGX_OK;

small:

    ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                  "\"referral_zone\" is too small: 1m is the least");

    return NGX_ERROR;
}


ngx_int_t
ngx_http_referral_zone_journal(ngx_http_referral_records_t *sh, u_char *id,
    ngx_uint_t born, uint64_t base, uint64_t last,
    ngx_http_referral_journal_entry_t **found)
{
    ngx_uint_t                          i, own;
    ngx_atomic_uint_t                   pid;
    ngx_http_referral_journal_entry_t  *entry;

    for (i = 0; i < NGX_HTTP_REFERRAL_JOURNALS; i++) {
        entry = &sh->journals[i];
        pid = entry->state;

        if (pid && ngx_memcmp(entry->id, id, 16) == 0
            && ngx_atomic_cmp_set(&entry->state, pid, ngx_pid))
        {
            *found = entry;
            return NGX_OK;
        }
    }

    own = born;

    ngx_http_referral_zone_settled(sh, id, &base, &born);

    if (base >= last && !own) {
        return NGX_DECLINED;
    }

    entry = ngx_http_referral_zone_free(sh);
    if (entry == NULL) {
        return NGX_BUSY;
    }

    ngx_memcpy(entry->id, id, 16);
    entry->born = born;
    entry->base = base;
    entry->settled = base;
    entry->sent = base;
    ngx_memory_barrier();

    entry->last = base;

    *found = entry;

    return NGX_OK;
}


/* sets *base to the last record of the journal that the totals include */

static void
ngx_http_referral_zone_settled(ngx_http_referral_records_t *sh, u_char *id,
    uint64_t *base, ngx_uint_t *born)
{
    uint64_t                      half, last;
    ngx_uint_t                    i;
    ngx_http_referral_settled_t  *settled;

    ngx_memcpy(&half, id, sizeof(uint64_t));

    for (i = 0; i < NGX_HTTP_REFERRAL_SETTLED; i++) {
        settled = &sh->settled[i];

        if (settled->id != half) {
            continue;
        }

        ngx_memory_barrier();

        last = settled->last;

        /* a journal may have been closed more than once: the largest counts */

        if (last && last >= *base) {
            *base = last;
            *born = settled->born;
        }
    }
}


static ngx_http_referral_journal_entry_t *
ngx_http_referral_zone_free(ngx_http_referral_records_t *sh)
{
    ngx_uint_t                          i;
    ngx_atomic_uint_t                   pid;
    ngx_http_referral_journal_entry_t  *entry;

    for (i = 0; i < NGX_HTTP_REFERRAL_JOURNALS; i++) {
        entry = &sh->journals[i];

        if (entry->state == 0
            && ngx_atomic_cmp_set(&entry->state, 0, ngx_pid))
        {
            return entry;
        }
    }

    /* or the entry of a dead worker whose records are all settled */

    for (i = 0; i < NGX_HTTP_REFERRAL_JOURNALS; i++) {
        entry = &sh->journals[i];
        pid = entry->state;

        if (pid == 0
            || entry->settled < entry->last
            || !ngx_http_referral_zone_gone(pid)
            || !ngx_atomic_cmp_set(&entry->state, pid, ngx_pid))
        {
            continue;
        }

        ngx_http_referral_zone_journal_settle(sh, entry);

        return entry;
    }

    return NULL;
}


static ngx_uint_t
ngx_http_referral_zone_gone(ngx_atomic_uint_t pid)
{
    return pid != (ngx_atomic_uint_t) ngx_pid
           && kill((ngx_pid_t) pid, 0) == -1 && ngx_errno == NGX_ESRCH;
}


ngx_atomic_uint_t
ngx_http_referral_zone_journal_dead(ngx_http_referral_journal_entry_t *entry)
{
    ngx_atomic_uint_t  pid;

    pid = entry->state;

    if (pid == 0 || entry->filed || entry->settled >= entry->last
        || !ngx_http_referral_zone_gone(pid))
    {
        return 0;
    }

    return pid;
}


ngx_uint_t
ngx_http_referral_zone_journal_busy(ngx_http_referral_journal_entry_t *entry)
{
    ngx_atomic_uint_t  pid;

    pid = entry->state;

    return entry->busy && pid && !ngx_http_referral_zone_gone(pid);
}


uint64_t
ngx_http_referral_zone_journal_lost(ngx_http_referral_records_t *sh,
    ngx_http_referral_journal_entry_t *entry, ngx_atomic_uint_t pid)
{
    uint64_t  n;

    if (!ngx_atomic_cmp_set(&entry->state, pid, ngx_pid)) {
        return 0;
    }

    n = entry->last - entry->settled;
    entry->last = entry->settled;

    (void) ngx_atomic_fetch_add(
                              &sh->dropped[NGX_HTTP_REFERRAL_DROP_RECORDER],
                              (ngx_atomic_int_t) n);

    ngx_http_referral_zone_journal_close(sh, entry);

    return n;
}


void
ngx_http_referral_zone_journal_close(ngx_http_referral_records_t *sh,
    ngx_http_referral_journal_entry_t *entry)
{
    ngx_http_referral_zone_journal_settle(sh, entry);

    entry->state = 0;
}


static void
ngx_http_referral_zone_journal_settle(ngx_http_referral_records_t *sh,
    ngx_http_referral_journal_entry_t *entry)
{
    uint64_t                      all, bad;
    ngx_http_referral_settled_t  *settled;

    all = entry->last - entry->base;
    bad = ngx_min(entry->bad, all);

    (void) ngx_atomic_fetch_add(entry->born ? &sh->accepted : &sh->adopted,
                                (ngx_atomic_int_t) all);
    (void) ngx_atomic_fetch_add(&sh->recorded,
                                (ngx_atomic_int_t) (all - bad));
    (void) ngx_atomic_fetch_add(&sh->bad, (ngx_atomic_int_t) bad);

    if (entry->last) {
        settled = &sh->settled[ngx_atomic_fetch_add(&sh->nsettled, 1)
                                 % NGX_HTTP_REFERRAL_SETTLED];

        settled->last = 0;
        ngx_memory_barrier();

        ngx_memcpy(&settled->id, entry->id, sizeof(uint64_t));
        settled->born = entry->born;
        ngx_memory_barrier();

        settled->last = entry->last;
    }

    /* metrics skip an entry whose last number is below its base */

    entry->last = 0;
    ngx_memory_barrier();

    ngx_memzero(entry->id, 16);
    entry->base = 0;
    entry->settled = 0;
    entry->bad = 0;
    entry->sent = 0;
    entry->oldest = 0;
    entry->filed = 0;
    entry->busy = 0;
    ngx_memory_barrier();
}


ngx_http_referral_worker_entry_t *
ngx_http_referral_zone_worker(ngx_http_referral_zone_t *zone)
{
    ngx_uint_t                         i;
    ngx_atomic_uint_t                  pid, old;
    ngx_http_referral_worker_entry_t  *worker, *found;

    found = NULL;
    old = 0;

    for (i = 0; i < NGX_HTTP_REFERRAL_WORKERS; i++) {
        worker = &zone->workers[i];
        pid = worker->pid;

        if (pid == (ngx_atomic_uint_t) ngx_pid) {
            return worker;
        }

        if (found == NULL
            && (pid == 0
                || ngx_http_referral_msec()
                   - ngx_http_referral_load(&worker->seen)
                   > NGX_HTTP_REFERRAL_WORKER_GONE))
        {
            found = worker;
            old = pid;
        }
    }

    if (found == NULL || !ngx_atomic_cmp_set(&found->pid, old, ngx_pid)) {
        return NULL;
    }

    ngx_http_referral_store(&found->seen, ngx_http_referral_msec());
    found->lookup_up = 0;
    found->lookup_latency = 0;
    ngx_memzero(&found->clicks, sizeof(ngx_http_referral_worker_recorder_t));

    return found;
}


void
ngx_http_referral_zone_leave(ngx_http_referral_zone_t *zone)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_REFERRAL_WORKERS; i++) {
        (void) ngx_atomic_cmp_set(&zone->workers[i].pid, ngx_pid, 0);
    }
}
