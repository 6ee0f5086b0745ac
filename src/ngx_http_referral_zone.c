
#include "ngx_http_referral.h"


/* changes with the layout of the zone */
#define NGX_HTTP_REFERRAL_ZONE_MAGIC  0x4c52464552474e04ULL


/*
 * At a reload this runs on live memory before the new configuration is
 * accepted: nothing is written to what was there.
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
        sh = ormcf->sh;

        if (sh->magic != NGX_HTTP_REFERRAL_ZONE_MAGIC
            || sh->size != sizeof(ngx_http_referral_zone_t)
            || referral_cache_attach(&rmcf->cache, sh->cache, sh->cache_size)
               != REFERRAL_OK)
        {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "\"referral_zone\" was made by another version of "
                          "the module: restart nginx or upgrade its binary");
            return NGX_ERROR;
        }

        rmcf->sh = sh;

        return NGX_OK;
    }

    sh = ngx_slab_calloc(shpool, sizeof(ngx_http_referral_zone_t));
    if (sh == NULL) {
        goto small;
    }

    /* one piece, as large as the slab allocator can give */

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

    /* against keys and addresses that are chosen to collide */

    ngx_memzero(&random, sizeof(referral_random_t));

    if (referral_random(&random, (u_char *) seeds, sizeof(seeds))
        != REFERRAL_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "no randomness for \"referral_zone\"");
        return NGX_ERROR;
    }

    if (cache == NULL
        || referral_cache_init(&rmcf->cache, cache, size, seeds[0])
           != REFERRAL_OK)
    {
        goto small;
    }

    sh->magic = NGX_HTTP_REFERRAL_ZONE_MAGIC;
    sh->size = sizeof(ngx_http_referral_zone_t);
    sh->seed = seeds[1];
    sh->cache = cache;
    sh->cache_size = size;

    rmcf->sh = sh;
    shpool->data = sh;

    return NGX_OK;

small:

    ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                  "\"referral_zone\" is too small: 1m is the least");

    return NGX_ERROR;
}


ngx_http_referral_journal_entry_t *
ngx_http_referral_zone_journal(ngx_http_referral_zone_t *zone, u_char *id,
    ngx_uint_t born, uint64_t base)
{
    ngx_uint_t                          i;
    ngx_http_referral_journal_entry_t  *entry;

    for (i = 0; i < NGX_HTTP_REFERRAL_JOURNALS; i++) {
        entry = &zone->journals[i];

        if (entry->state && ngx_memcmp(entry->id, id, 16) == 0) {
            return entry;
        }
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_JOURNALS; i++) {
        entry = &zone->journals[i];

        if (entry->state == 0
            && ngx_atomic_cmp_set(&entry->state, 0, ngx_pid))
        {
            ngx_memcpy(entry->id, id, 16);
            entry->born = born;
            entry->base = base;
            entry->last = base;
            entry->settled = base;
            entry->bad = 0;
            entry->oldest = 0;

            return entry;
        }
    }

    return NULL;
}


void
ngx_http_referral_zone_journal_close(ngx_http_referral_zone_t *zone,
    ngx_http_referral_journal_entry_t *entry)
{
    uint64_t  all, bad;

    all = entry->last - entry->base;
    bad = ngx_min(entry->bad, all);

    (void) ngx_atomic_fetch_add(entry->born ? &zone->accepted : &zone->adopted,
                                (ngx_atomic_int_t) all);
    (void) ngx_atomic_fetch_add(&zone->recorded,
                                (ngx_atomic_int_t) (all - bad));
    (void) ngx_atomic_fetch_add(&zone->bad, (ngx_atomic_int_t) bad);

    ngx_memzero(entry->id, 16);
    ngx_memory_barrier();
    entry->state = 0;
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
                || (ngx_msec_int_t) (ngx_current_msec - worker->seen)
                   > NGX_HTTP_REFERRAL_WORKER_GONE))
        {
            found = worker;
            old = pid;
        }
    }

    if (found == NULL || !ngx_atomic_cmp_set(&found->pid, old, ngx_pid)) {
        return NULL;
    }

    found->seen = ngx_current_msec;
    found->lookup_up = 0;
    found->recorder_up = 0;
    found->lookup_latency = 0;
    found->recorder_latency = 0;
    found->disk_failed = 0;

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
