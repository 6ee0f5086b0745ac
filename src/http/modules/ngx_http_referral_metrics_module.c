
/*
 * The metrics page: reads the counters of all workers from the zone.
 */


#include "ngx_http_referral_conf.h"
#include "ngx_http_referral_tracking.h"


#define NGX_HTTP_REFERRAL_PAGE         32768


typedef struct {
    uint64_t                           accepted;
    uint64_t                           adopted;
    uint64_t                           recorded;
    uint64_t                           journaled;
    uint64_t                           bad;
    uint64_t                           dropped;
    int64_t                            oldest;
} ngx_http_referral_balance_t;


typedef struct {
    ngx_str_t                          name;
    ngx_str_t                          help;
    ngx_uint_t                         counter;
} ngx_http_referral_metric_t;


static ngx_int_t ngx_http_referral_metrics_handler(ngx_http_request_t *r);
static void ngx_http_referral_metrics_balance(
    ngx_http_referral_records_t *records,
    ngx_http_referral_balance_t *balance);
static u_char *ngx_http_referral_metrics_clicks(u_char *p, u_char *last,
    ngx_http_referral_zone_t *zone);
static uint64_t ngx_http_referral_metrics_age(
    ngx_http_referral_balance_t *balance);
static u_char *ngx_http_referral_metrics_events(u_char *p, u_char *last,
    ngx_http_referral_zone_t *zone);
static u_char *ngx_http_referral_metrics_workers(u_char *p, u_char *last,
    ngx_http_referral_zone_t *zone);
static u_char *ngx_http_referral_metrics_hits(u_char *p, u_char *last,
    ngx_http_referral_zone_t *zone);
static u_char *ngx_http_referral_metrics_cache(u_char *p, u_char *last,
    ngx_http_referral_main_conf_t *rmcf);
static u_char *ngx_http_referral_metrics_one(u_char *p, u_char *last,
    const char *name, const char *type, const char *help, uint64_t value);
static char *ngx_http_referral_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_referral_metrics_commands[] = {

    { ngx_string("referral_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_referral_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_referral_metrics_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_referral_metrics_module = {
    NGX_MODULE_V1,
    &ngx_http_referral_metrics_module_ctx,  /* module context */
    ngx_http_referral_metrics_commands,     /* module directives */
    NGX_HTTP_MODULE,                        /* module type */
    NULL,                                   /* init master */
    NULL,                                   /* init module */
    NULL,                                   /* init process */
    NULL,                                   /* init thread */
    NULL,                                   /* exit thread */
    NULL,                                   /* exit process */
    NULL,                                   /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_referral_metric_t  ngx_http_referral_metrics_counters[] = {

    { ngx_string("referral_resent_total"),
      ngx_string("Clicks sent again because Redis lost them."),
      NGX_HTTP_REFERRAL_RESENT },

    { ngx_string("referral_lost_by_redis_total"),
      ngx_string("Clicks that Redis lost and the journal no longer had, "
                 "at most."),
      NGX_HTTP_REFERRAL_LOST_BY_REDIS },

    { ngx_string("referral_quarantined_total"),
      ngx_string("Operations that Redis refused for their own reason, see "
                 "the errors stream."),
      NGX_HTTP_REFERRAL_QUARANTINED },

    { ngx_string("referral_cache_hits_total"),
      ngx_string("Look-ups answered by the cache."),
      NGX_HTTP_REFERRAL_CACHE_HITS },

    { ngx_string("referral_cache_stale_total"),
      ngx_string("Look-ups answered by an old entry, Redis being away."),
      NGX_HTTP_REFERRAL_CACHE_STALE },

    { ngx_string("referral_cache_refreshed_total"),
      ngx_string("Old entries that were served once more and asked for "
                 "again."),
      NGX_HTTP_REFERRAL_CACHE_REFRESHED },

    { ngx_string("referral_cache_misses_total"),
      ngx_string("Look-ups that waited for Redis."),
      NGX_HTTP_REFERRAL_CACHE_MISSES },

    { ngx_string("referral_lookups_total"),
      ngx_string("Questions asked of Redis."),
      NGX_HTTP_REFERRAL_LOOKUPS },

    { ngx_string("referral_lookups_failed_total"),
      ngx_string("Questions that Redis did not answer."),
      NGX_HTTP_REFERRAL_LOOKUPS_FAILED },

    { ngx_string("referral_lookups_refused_total"),
      ngx_string("Look-ups not asked: too many were waiting."),
      NGX_HTTP_REFERRAL_LOOKUPS_REFUSED },

    { ngx_string("referral_bad_fields_total"),
      ngx_string("Fields in Redis that were wrong."),
      NGX_HTTP_REFERRAL_BAD_FIELDS },

    { ngx_string("referral_bad_cookies_total"),
      ngx_string("Cookies that did not verify, or were out of date."),
      NGX_HTTP_REFERRAL_BAD_COOKIES },

    { ngx_string("referral_unlisted_total"),
      ngx_string("Clicks whose id cannot be looked up: too many came from "
                 "one address in a minute."),
      NGX_HTTP_REFERRAL_UNLISTED },

    { ngx_string("referral_no_address_total"),
      ngx_string("Clicks that are missing among the addresses."),
      NGX_HTTP_REFERRAL_NO_ADDRESS },

    { ngx_string("referral_untold_journals_total"),
      ngx_string("Journals whose clicks these numbers lacked, at least for a "
                 "while: too many had clicks that wait."),
      NGX_HTTP_REFERRAL_UNTOLD },

    { ngx_string("referral_journal_early_total"),
      ngx_string("Segments of clicks that Redis has, deleted before retain= "
                 "was over for want of space."),
      NGX_HTTP_REFERRAL_EARLY },

    { ngx_null_string, ngx_null_string, 0 }
};


static ngx_int_t
ngx_http_referral_metrics_handler(ngx_http_request_t *r)
{
    u_char                         *p, *last;
    ngx_int_t                       rc;
    ngx_buf_t                      *b;
    ngx_chain_t                     out;
    ngx_http_referral_main_conf_t  *rmcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    b = ngx_create_temp_buf(r->pool, NGX_HTTP_REFERRAL_PAGE);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = b->last;
    last = b->end;

    if (rmcf->zone.sh) {
        p = ngx_http_referral_metrics_clicks(p, last, rmcf->zone.sh);
        p = ngx_http_referral_metrics_events(p, last, rmcf->zone.sh);
        p = ngx_http_referral_metrics_workers(p, last, rmcf->zone.sh);
        p = ngx_http_referral_metrics_hits(p, last, rmcf->zone.sh);
        p = ngx_http_referral_metrics_cache(p, last, rmcf);
    }

    b->last = p;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type, "text/plain; version=0.0.4");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (b->last == b->pos) {
        return ngx_http_send_special(r, NGX_HTTP_LAST);
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/*
 * accepted + adopted = recorded + journaled + dropped + bad, by construction:
 * a record with a sequence number is settled or in a journal.
 */

static void
ngx_http_referral_metrics_balance(ngx_http_referral_records_t *records,
    ngx_http_referral_balance_t *balance)
{
    uint64_t                            last, settled, bad;
    ngx_uint_t                          i;
    ngx_http_referral_journal_entry_t  *entry;

    ngx_memzero(balance, sizeof(ngx_http_referral_balance_t));

    balance->accepted = records->accepted;
    balance->adopted = records->adopted;
    balance->recorded = records->recorded;
    balance->bad = records->bad;

    for (i = 0; i < NGX_HTTP_REFERRAL_JOURNALS; i++) {
        entry = &records->journals[i];

        if (entry->state == 0 || entry->last < entry->base) {
            continue;
        }

        last = entry->last - entry->base;
        settled = ngx_min(entry->settled - entry->base, last);
        bad = ngx_min(entry->bad, settled);

        if (entry->born) {
            balance->accepted += last;
        } else {
            balance->adopted += last;
        }

        balance->recorded += settled - bad;
        balance->journaled += last - settled;
        balance->bad += bad;

        if (entry->oldest
            && (balance->oldest == 0 || entry->oldest < balance->oldest))
        {
            balance->oldest = entry->oldest;
        }
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_DROPS; i++) {
        balance->dropped += records->dropped[i];
    }

    /* dropped clicks have no sequence number, but were accepted */

    balance->accepted += balance->dropped;
}


static u_char *
ngx_http_referral_metrics_clicks(u_char *p, u_char *last,
    ngx_http_referral_zone_t *zone)
{
    ngx_uint_t                    i;
    referral_str_t                name;
    ngx_http_referral_balance_t   balance;

    static char  *drops[] = { "unresolved", "recorder" };

    ngx_http_referral_metrics_balance(&zone->clicks, &balance);

    p = ngx_http_referral_metrics_one(p, last, "referral_accepted_total",
                      "counter", "Clicks on links that may exist.",
                      balance.accepted);
    p = ngx_http_referral_metrics_one(p, last, "referral_adopted_total",
                      "counter", "Clicks found in journals of earlier lives.",
                      balance.adopted);
    p = ngx_http_referral_metrics_one(p, last, "referral_recorded_total",
                      "counter", "Clicks that Redis has.", balance.recorded);
    p = ngx_http_referral_metrics_one(p, last, "referral_journaled",
                      "gauge", "Clicks that wait for Redis.",
                      balance.journaled);
    p = ngx_http_referral_metrics_one(p, last, "referral_bad_records_total",
                      "counter", "Damaged records in journals.", balance.bad);

    p = ngx_slprintf(p, last,
                     "# HELP referral_dropped_total Clicks that are not "
                     "counted, by reason.\n"
                     "# TYPE referral_dropped_total counter\n");

    for (i = 0; i < NGX_HTTP_REFERRAL_DROPS; i++) {

        if (i < REFERRAL_DROPS) {
            name = referral_drop_name(i);

        } else {
            name.data = (u_char *) drops[i - REFERRAL_DROPS];
            name.len = ngx_strlen(name.data);
        }

        p = ngx_slprintf(p, last,
                         "referral_dropped_total{reason=\"%*s\"} %uA\n",
                         name.len, name.data, zone->clicks.dropped[i]);
    }

    p = ngx_http_referral_metrics_one(p, last,
                      "referral_oldest_unsent_seconds", "gauge",
                      "Age of the oldest click that waits for Redis.",
                      ngx_http_referral_metrics_age(&balance));
    p = ngx_http_referral_metrics_one(p, last, "referral_journal_bytes",
                      "gauge", "Size of the journal's directory.",
                      zone->clicks.journal_bytes);
    for (i = 0; ngx_http_referral_metrics_counters[i].name.len; i++) {
        p = ngx_http_referral_metrics_one(p, last,
                (char *) ngx_http_referral_metrics_counters[i].name.data,
                "counter",
                (char *) ngx_http_referral_metrics_counters[i].help.data,
                zone->counters[ngx_http_referral_metrics_counters[i].counter]);
    }

    return p;
}


/* seconds; 0: nothing waits */

static uint64_t
ngx_http_referral_metrics_age(ngx_http_referral_balance_t *balance)
{
    int64_t      age;
    ngx_time_t  *tp;

    if (balance->oldest == 0) {
        return 0;
    }

    tp = ngx_timeofday();
    age = (int64_t) tp->sec * 1000 + tp->msec - balance->oldest;

    return ngx_max(age, 0) / 1000;
}


/* conversions; nothing where no location takes any */

static u_char *
ngx_http_referral_metrics_events(u_char *p, u_char *last,
    ngx_http_referral_zone_t *zone)
{
    ngx_uint_t                    i;
    ngx_http_referral_balance_t   balance;

    static char  *answers[] = { "accepted", "recorded", "replayed", "reused",
                                "invalid", "unauthorized", "unavailable" };

    if (zone->events.directories[0].generation == 0) {
        return p;
    }

    ngx_http_referral_metrics_balance(&zone->events, &balance);

    p = ngx_http_referral_metrics_one(p, last,
                      "referral_events_recorded_total", "counter",
                      "Conversions' events that Redis has.",
                      balance.recorded);
    p = ngx_http_referral_metrics_one(p, last, "referral_events_journaled",
                      "gauge", "Events that wait for Redis.",
                      balance.journaled);
    p = ngx_http_referral_metrics_one(p, last,
                      "referral_events_bad_records_total", "counter",
                      "Damaged events in journals.", balance.bad);
    p = ngx_http_referral_metrics_one(p, last,
                      "referral_events_oldest_unsent_seconds", "gauge",
                      "Age of the oldest event that waits for Redis.",
                      ngx_http_referral_metrics_age(&balance));
    p = ngx_http_referral_metrics_one(p, last,
                      "referral_events_journal_bytes", "gauge",
                      "Size of the directory of the events' journal.",
                      zone->events.journal_bytes);
    p = ngx_http_referral_metrics_one(p, last,
                      "referral_events_journal_early_total", "counter",
                      "Segments of events that Redis has, deleted before 35 "
                      "days were over for want of space.",
                      zone->event_counters[NGX_HTTP_REFERRAL_EARLY]);
    p = ngx_http_referral_metrics_one(p, last,
                      "referral_events_resent_total", "counter",
                      "Events sent again because Redis lost them.",
                      zone->event_counters[NGX_HTTP_REFERRAL_RESENT]);
    p = ngx_http_referral_metrics_one(p, last,
                      "referral_events_lost_by_redis_total", "counter",
                      "Events that Redis lost and the journal no longer had, "
                      "at most.",
                      zone->event_counters[NGX_HTTP_REFERRAL_LOST_BY_REDIS]);
    p = ngx_http_referral_metrics_one(p, last,
                      "referral_events_waited_total", "counter",
                      "Times that an event waited for clicks.",
                      zone->event_counters[NGX_HTTP_REFERRAL_WAITED]);
    p = ngx_http_referral_metrics_one(p, last,
                      "referral_events_unmet_total", "counter",
                      "Events that named a click and found no referrer.",
                      zone->event_counters[NGX_HTTP_REFERRAL_UNMET]);

    p = ngx_slprintf(p, last,
                     "# HELP referral_events_total Events that were sent, by "
                     "how they were answered.\n"
                     "# TYPE referral_events_total counter\n");

    for (i = 0; i < NGX_HTTP_REFERRAL_EVENT_ANSWERS; i++) {
        p = ngx_slprintf(p, last,
                         "referral_events_total{answer=\"%s\"} %uA\n",
                         answers[i], zone->event_answers[i]);
    }

    return p;
}


static u_char *
ngx_http_referral_metrics_workers(u_char *p, u_char *last,
    ngx_http_referral_zone_t *zone)
{
    uint64_t                           foreign;
    ngx_uint_t                         i, workers, lookups, recorders, disks;
    ngx_uint_t                         journals;
    ngx_msec_t                         lookup, recorder;
    ngx_http_referral_worker_entry_t  *worker;

    workers = 0;
    lookups = 0;
    recorders = 0;
    disks = 0;
    journals = 0;
    foreign = 0;
    lookup = 0;
    recorder = 0;

    for (i = 0; i < NGX_HTTP_REFERRAL_WORKERS; i++) {
        worker = &zone->workers[i];

        if (worker->pid == 0
            || ngx_http_referral_msec()
               - ngx_http_referral_load(&worker->seen)
               > NGX_HTTP_REFERRAL_WORKER_GONE)
        {
            continue;
        }

        workers++;
        lookups += worker->lookup_up;
        recorders += worker->clicks.up;
        disks += worker->clicks.disk_failed || worker->events.disk_failed;
        journals += worker->clicks.journals;
        foreign += worker->clicks.foreign;
        lookup = ngx_max(lookup, worker->lookup_latency);
        recorder = ngx_max(recorder, worker->clicks.latency);
    }

    p = ngx_http_referral_metrics_one(p, last, "referral_workers", "gauge",
                      "Workers that were heard of lately.", workers);

    p = ngx_slprintf(p, last,
                     "# HELP referral_redis_connected Workers that reach "
                     "Redis.\n"
                     "# TYPE referral_redis_connected gauge\n"
                     "referral_redis_connected{for=\"lookups\"} %ui\n"
                     "referral_redis_connected{for=\"recorder\"} %ui\n"
                     "# HELP referral_redis_latency_seconds Longest of the "
                     "workers' last waits for Redis.\n"
                     "# TYPE referral_redis_latency_seconds gauge\n"
                     "referral_redis_latency_seconds{for=\"lookups\"} "
                     "%M.%03M\n"
                     "referral_redis_latency_seconds{for=\"recorder\"} "
                     "%M.%03M\n",
                     lookups, recorders, lookup / 1000, lookup % 1000,
                     recorder / 1000, recorder % 1000);

    p = ngx_http_referral_metrics_one(p, last, "referral_journals", "gauge",
                      "Journals that are kept.", journals);
    p = ngx_http_referral_metrics_one(p, last, "referral_journal_foreign",
                      "gauge", "Segments and journals that are kept for "
                      "another version of the module.", foreign);

    return ngx_http_referral_metrics_one(p, last,
                      "referral_journal_failed", "gauge",
                      "Workers whose journal of clicks or of events cannot be "
                      "written.", disks);
}


static u_char *
ngx_http_referral_metrics_hits(u_char *p, u_char *last,
    ngx_http_referral_zone_t *zone)
{
    ngx_uint_t      i, j;
    referral_str_t  result, class;

    p = ngx_slprintf(p, last,
                     "# HELP referral_hits_total Answers on short links, by "
                     "result and class.\n"
                     "# TYPE referral_hits_total counter\n");

    for (i = 0; i < REFERRAL_RESULTS; i++) {
        for (j = 0; j < REFERRAL_CLASSES; j++) {

            if (zone->hits[i][j] == 0) {
                continue;
            }

            result = referral_result_name(i);
            class = referral_class_name(j);

            p = ngx_slprintf(p, last,
                             "referral_hits_total{result=\"%*s\","
                             "class=\"%*s\"} %uA\n",
                             result.len, result.data, class.len, class.data,
                             zone->hits[i][j]);
        }
    }

    return p;
}


static u_char *
ngx_http_referral_metrics_cache(u_char *p, u_char *last,
    ngx_http_referral_main_conf_t *rmcf)
{
    referral_cache_counters_t  counters;

    referral_cache_counters(&rmcf->zone.cache, &counters);

    p = ngx_http_referral_metrics_one(p, last, "referral_cache_stored_total",
                      "counter", "Entries put into the cache.",
                      counters.stored);
    p = ngx_http_referral_metrics_one(p, last, "referral_cache_evicted_total",
                      "counter", "Entries that made room for others.",
                      counters.evicted);
    p = ngx_http_referral_metrics_one(p, last,
                      "referral_cache_oversized_total", "counter",
                      "Entries too large for the cache.",
                      counters.oversized);
    p = ngx_http_referral_metrics_one(p, last,
                      "referral_cache_invalidated_total", "counter",
                      "Entries that left because Redis told of an edit.",
                      counters.invalidated);
    p = ngx_http_referral_metrics_one(p, last, "referral_cache_flushed_total",
                      "counter", "Times that the whole cache was emptied.",
                      counters.flushed);
    p = ngx_http_referral_metrics_one(p, last, "referral_tracking", "gauge",
                      "1 while edits in Redis are live at once.",
                      ngx_http_referral_tracked(rmcf->zone.sh)
                      == NGX_HTTP_REFERRAL_TRACKED);
    p = ngx_http_referral_metrics_one(p, last,
                      "referral_cache_recovered_total", "counter",
                      "Buckets taken over from a worker that died.",
                      counters.recovered);

    return ngx_http_referral_metrics_one(p, last,
                      "referral_cache_broken_total", "counter",
                      "Entries with a wrong checksum.", counters.broken);
}


static u_char *
ngx_http_referral_metrics_one(u_char *p, u_char *last, const char *name,
    const char *type, const char *help, uint64_t value)
{
    return ngx_slprintf(p, last, "# HELP %s %s\n# TYPE %s %s\n%s %uL\n",
                        name, help, name, type, name, value);
}


static char *
ngx_http_referral_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_referral_content(cf, ngx_http_referral_metrics_handler,
                                     "request", NULL);
}
