
/*
 * Setters of the core's directives for all servers: Redis, the zone, the
 * journal, databases of places, machines, events.
 */


#include "ngx_http_referral_conf_core.h"
#include "ngx_http_referral_request.h"
#include "referral_journal.h"
#include "referral_keys.h"


static ngx_int_t ngx_http_referral_redis_password(ngx_conf_t *cf,
    ngx_http_referral_redis_conf_t *redis, ngx_str_t *file);
static ngx_int_t ngx_http_referral_redis_timeout(ngx_conf_t *cf,
    ngx_http_referral_redis_conf_t *redis, ngx_str_t *arg);
static ngx_int_t ngx_http_referral_redis_address(ngx_conf_t *cf,
    ngx_http_referral_redis_conf_t *redis, ngx_str_t *value);
static ngx_int_t ngx_http_referral_journal_ours(ngx_conf_t *cf,
    ngx_str_t *path);
static ngx_int_t ngx_http_referral_journal_parent(ngx_conf_t *cf,
    ngx_str_t *path);
static void ngx_http_referral_journal_slots(ngx_cycle_t *cycle,
    ngx_str_t *path, uid_t uid, const char *records);
static ngx_uint_t ngx_http_referral_journal_foreign(ngx_str_t *slot, uid_t uid,
    uid_t *owner);
static ngx_int_t ngx_http_referral_bytes(ngx_conf_t *cf, ngx_str_t *arg,
    const char *name, off_t min, off_t *value);


char *
ngx_http_referral_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_int_t                        n;
    ngx_str_t                       *value, s;
    ngx_uint_t                       i;
    ngx_http_referral_redis_conf_t  *redis;

    redis = &rmcf->redis;

    if (redis->host) {
        return "is duplicate";
    }

    value = cf->args->elts;

    redis->timeout = 500;
    ngx_str_set(&redis->prefix, REFERRAL_KEY_PREFIX);

    if (ngx_http_referral_redis_address(cf, redis, &value[1]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "username=", 9) == 0) {
            redis->username.len = value[i].len - 9;
            redis->username.data = value[i].data + 9;
            continue;
        }

        if (ngx_strncmp(value[i].data, "password_file=", 14) == 0) {
            s.len = value[i].len - 14;
            s.data = value[i].data + 14;

            if (ngx_http_referral_redis_password(cf, redis, &s) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        if (ngx_strncmp(value[i].data, "db=", 3) == 0) {
            n = ngx_atoi(value[i].data + 3, value[i].len - 3);

            if (n == NGX_ERROR || n > 65535) {
                ngx_http_referral_bad(cf, &value[i],
                                      "\"db=0\" to \"db=65535\" are right");
                return NGX_CONF_ERROR;
            }

            redis->db = n;
            continue;
        }

        if (ngx_strncmp(value[i].data, "prefix=", 7) == 0) {
            s.len = value[i].len - 7;
            s.data = value[i].data + 7;

            if (s.len == 0 || s.len > 32
                || ngx_strlchr(s.data, s.data + s.len, '{')
                || ngx_strlchr(s.data, s.data + s.len, '}'))
            {
                ngx_http_referral_bad(cf, &value[i],
                           "\"prefix=\" and 1 to 32 characters, no braces, "
                           "are right");
                return NGX_CONF_ERROR;
            }

            redis->prefix = s;
            continue;
        }

        if (ngx_strncmp(value[i].data, "timeout=", 8) == 0) {
            if (ngx_http_referral_redis_timeout(cf, redis, &value[i])
                != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        ngx_http_referral_bad(cf, &value[i], "\"username=\", "
                  "\"password_file=\", \"db=\", \"prefix=\" and \"timeout=\" "
                  "are right");
        return NGX_CONF_ERROR;
    }

    if (redis->username.len && redis->password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"username=\" needs a \"password_file=\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_referral_redis_password(ngx_conf_t *cf,
    ngx_http_referral_redis_conf_t *redis, ngx_str_t *file)
{
    referral_str_t  text;

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK
        || ngx_http_referral_read_secret(cf, "password_file", file, &text)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    referral_str_trim(&text);

    if (text.len == 0 || ngx_strlchr(text.data, text.data + text.len, '\n')) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"password_file\": \"%V\" should hold one line, "
                           "the password alone", file);
        return NGX_ERROR;
    }

    redis->password.len = text.len;
    redis->password.data = text.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_redis_timeout(ngx_conf_t *cf,
    ngx_http_referral_redis_conf_t *redis, ngx_str_t *arg)
{
    ngx_int_t  n;
    ngx_str_t  s;

    s.len = arg->len - 8;
    s.data = arg->data + 8;

    n = ngx_parse_time(&s, 0);

    if (n == NGX_ERROR || n < 1 || n > 60000) {
        return ngx_http_referral_bad(cf, arg, "\"timeout=1ms\" to "
                     "\"timeout=60s\" are right, a bare number is seconds");
    }

    if (n >= 10000 && ngx_http_referral_digits(&s)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" is %i seconds, for which a visitor may "
                           "wait: milliseconds are \"%Vms\"",
                           arg, n / 1000, arg);
    }

    redis->timeout = n;

    return NGX_OK;
}


/* resolves a name now: hiredis would block the event loop with it */

static ngx_int_t
ngx_http_referral_redis_address(ngx_conf_t *cf,
    ngx_http_referral_redis_conf_t *redis, ngx_str_t *value)
{
    size_t            len;
    ngx_url_t         u;
    struct sockaddr  *sa;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *value;
    u.default_port = 6379;

    /* a port alone would be an address: 6379 is 0.0.24.235 */

    if (ngx_http_referral_digits(value)
        || ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in address \"%V\": \"127.0.0.1:6379\", "
                           "\"[::1]:6379\", \"redis.example.com\" and "
                           "\"unix:/path\" are right, and \"db=\" behind it",
                           u.err ? u.err : "no host", value);
        return NGX_ERROR;
    }

    redis->text = *value;
    sa = u.addrs[0].sockaddr;

#if (NGX_HAVE_UNIX_DOMAIN)

    if (sa->sa_family == AF_UNIX) {
        redis->host = (u_char *) ((struct sockaddr_un *) sa)->sun_path;

    } else

#endif
    {
        redis->host = ngx_pcalloc(cf->pool, NGX_SOCKADDR_STRLEN + 1);
        if (redis->host == NULL) {
            return NGX_ERROR;
        }

        len = ngx_sock_ntop(sa, u.addrs[0].socklen, redis->host,
                            NGX_SOCKADDR_STRLEN, 0);

        /* hiredis takes an IPv6 address without brackets */

        if (len > 2 && redis->host[0] == '[') {
            ngx_memmove(redis->host, redis->host + 1, len - 2);
            redis->host[len - 2] = '\0';
        }

        redis->port = ngx_inet_get_port(sa);
    }

    return NGX_OK;
}


char *
ngx_http_referral_zone_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    off_t        size;
    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (rmcf->zone.set) {
        return "is duplicate";
    }

    rmcf->zone.set = 1;

    value = cf->args->elts;

    size = ngx_parse_offset(&value[1]);

    if (size == NGX_ERROR || size < 1024 * 1024
        || size > NGX_MAX_SIZE_T_VALUE / 2)
    {
        ngx_http_referral_bad(cf, &value[1],
                              "a size of 1m or more comes first");
        return NGX_CONF_ERROR;
    }

    rmcf->zone.size = size;

    for (i = 2; i < cf->args->nelts; i++) {

        rc = ngx_http_referral_seconds(cf, &value[i], "valid=", 1,
                                       30 * 86400, &rmcf->zone.valid);

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_seconds(cf, &value[i], "untracked=", 1,
                                           3600, &rmcf->zone.untracked);
        }

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_seconds(cf, &value[i], "negative=", 1,
                                           3600, &rmcf->zone.negative);
        }

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_seconds(cf, &value[i], "stale=", 0,
                                           365 * 86400, &rmcf->zone.stale);
        }

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_bad(cf, &value[i], "\"valid=\", "
                              "\"untracked=\", \"negative=\" and \"stale=\" "
                              "are right");
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_journal(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    off_t        scale;
    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;
    const char  *unit;

    if (rmcf->journal.path) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0
        || ngx_strcasecmp(value[1].data, (u_char *) "off") == 0
        || ngx_strcasecmp(value[1].data, (u_char *) "on") == 0)
    {
        return "needs the path of a directory: there is always a journal";
    }

    if (ngx_http_referral_journal_path(cf, rmcf, &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "sync=off") == 0) {
            rmcf->journal.sync = REFERRAL_SYNC_OFF;
            continue;
        }

        if (ngx_strcmp(value[i].data, "sync=interval") == 0) {
            rmcf->journal.sync = REFERRAL_SYNC_INTERVAL;
            continue;
        }

        if (ngx_strcmp(value[i].data, "sync=always") == 0) {
            rmcf->journal.sync = REFERRAL_SYNC_ALWAYS;
            continue;
        }

        rc = ngx_http_referral_bytes(cf, &value[i], "segment=",
                                     REFERRAL_JOURNAL_SEGMENT_MIN,
                                     &rmcf->journal.segment);

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_bytes(cf, &value[i], "max=",
                                         4 * REFERRAL_JOURNAL_SEGMENT_MIN,
                                         &rmcf->journal.max);
        }

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_seconds(cf, &value[i], "retain=", 0,
                                           30 * 86400, &rmcf->journal.retain);
        }

        ngx_http_referral_unit(cf, &value[i], "retain=", 60, "h");

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_bad(cf, &value[i], "\"segment=\", "
                      "\"max=\", \"retain=\" and \"sync=off\", "
                      "\"sync=interval\" or \"sync=always\" are right");
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (rmcf->journal.max < 4 * rmcf->journal.segment) {
        scale = rmcf->journal.segment % (1024 * 1024) == 0 ? 1024 * 1024
                : rmcf->journal.segment % 1024 == 0 ? 1024 : 1;
        unit = scale == 1 ? "" : scale == 1024 ? "k" : "m";

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"max=\" must be at least four times \"segment=\""
                           ", which is %O%s: \"max=%O%s\" or more is right",
                           rmcf->journal.segment / scale, unit,
                           4 * rmcf->journal.segment / scale, unit);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_journal_path(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *name)
{
    ngx_path_t  *path;

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NGX_CONF_ERROR;
    }

    path->name = *name;

    if (path->name.len > 1 && path->name.data[path->name.len - 1] == '/') {
        path->name.len--;
        path->name.data[path->name.len] = '\0';
    }

    if (ngx_conf_full_name(cf->cycle, &path->name, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_referral_journal_ours(cf, &path->name) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (cf->conf_file) {
        path->conf_file = cf->conf_file->file.name.data;
        path->line = cf->conf_file->line;
    }

    if (ngx_add_path(cf, &path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rmcf->journal.path = path;

    return NGX_CONF_OK;
}


/*
 * nginx gives the directory to the workers' user.  A typo must not give away a
 * directory of the system, so it may hold nothing but a journal.
 */

static ngx_int_t
ngx_http_referral_journal_ours(ngx_conf_t *cf, ngx_str_t *path)
{
    char             *name;
    ngx_dir_t         dir;
    ngx_file_info_t   fi;

    if (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR) {
        return ngx_errno == NGX_ENOENT
               ? ngx_http_referral_journal_parent(cf, path) : NGX_OK;
    }

    if (!ngx_is_dir(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral_journal\": \"%V\" is not a directory",
                           path);
        return NGX_ERROR;
    }

    if (ngx_open_dir(path, &dir) == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"referral_journal\": " ngx_open_dir_n " \"%V\" "
                           "failed", path);
        return NGX_ERROR;
    }

    while (ngx_read_dir(&dir) == NGX_OK) {
        name = (char *) ngx_de_name(&dir);

        if (name[0] == '.'
            || ngx_strncmp(name, "slot-", 5) == 0
            || ngx_strcmp(name, "damaged") == 0
            || ngx_strcmp(name, "events") == 0
            || ngx_strcmp(name, "lost+found") == 0
            || ngx_strcmp(name, "referral.key") == 0)
        {
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral_journal\": \"%V\" holds \"%s\", "
                           "which is not the journal's: it needs a directory "
                           "of its own", path, name);

        (void) ngx_close_dir(&dir);
        return NGX_ERROR;
    }

    (void) ngx_close_dir(&dir);

    return NGX_OK;
}


/* nginx makes the directory, but its error would not say what to do */

static ngx_int_t
ngx_http_referral_journal_parent(ngx_conf_t *cf, ngx_str_t *path)
{
    u_char     *p, parent[NGX_MAX_PATH];
    ngx_err_t   err;

    if (path->len >= NGX_MAX_PATH || ngx_process == NGX_PROCESS_SIGNALLER) {
        return NGX_OK;
    }

    p = path->data + path->len;

    while (p > path->data + 1 && p[-1] != '/') {
        p--;
    }

    if (p > path->data + 1) {
        p--;
    }

    (void) ngx_cpystrn(parent, path->data, p - path->data + 1);

    if (access((char *) parent, F_OK) == -1) {
        err = ngx_errno;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                           "\"referral_journal\": \"%V\" cannot be made, "
                           "\"mkdir -p %s\" first: \"%s\" is not there",
                           path, parent, parent);
        return NGX_ERROR;
    }

    if (access((char *) parent, W_OK|X_OK) == -1) {
        err = ngx_errno;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                           "\"referral_journal\": \"%V\" cannot be made, make "
                           "it for nginx's user or name another place: \"%s\" "
                           "cannot be written", path, parent);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * A journal that the new configuration does not name is not sent any more.
 * The master remembers the name: the last configuration may be of another
 * build.
 */

void
ngx_http_referral_journal_left(ngx_cycle_t *cycle, ngx_str_t *path)
{
    static u_char  used[NGX_MAX_PATH];

    if (used[0] && (path == NULL || ngx_strcmp(used, path->data) != 0)) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "the journal in \"%s\" is not used any more: clicks and "
                      "events in it that redis does not have are not sent "
                      "until \"referral_journal\" names it again", used);
    }

    used[0] = '\0';

    if (path) {
        (void) ngx_cpystrn(used, path->data, NGX_MAX_PATH);
    }
}


/*
 * nginx gives the directory to the workers' user, but not the slots in it:
 * clicks that workers of another user left there would never be sent.
 */

void
ngx_http_referral_journal_owner(ngx_cycle_t *cycle, ngx_str_t *path)
{
    uid_t             uid;
    u_char            text[NGX_MAX_PATH];
    ngx_str_t         events;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    uid = geteuid();

    /* root can open everything; without a master the worker stays root */

    if (uid == 0) {
        uid = ccf->master ? ccf->user : 0;
    }

    if (uid == 0) {
        return;
    }

    events.data = text;
    events.len = ngx_snprintf(text, sizeof(text) - 1, "%V/events", path)
                 - text;
    text[events.len] = '\0';

    ngx_http_referral_journal_slots(cycle, path, uid, "clicks");
    ngx_http_referral_journal_slots(cycle, &events, uid, "events");
}


static void
ngx_http_referral_journal_slots(ngx_cycle_t *cycle, ngx_str_t *path,
    uid_t uid, const char *records)
{
    uid_t      owner;
    u_char     text[NGX_MAX_PATH];
    ngx_str_t  slot;
    ngx_dir_t  dir;

    if (ngx_open_dir(path, &dir) == NGX_ERROR) {
        return;
    }

    while (ngx_read_dir(&dir) == NGX_OK) {

        if (ngx_strncmp(ngx_de_name(&dir), "slot-", 5) != 0) {
            continue;
        }

        slot.data = text;
        slot.len = ngx_snprintf(text, sizeof(text) - 1, "%V/%s", path,
                                ngx_de_name(&dir))
                   - text;
        text[slot.len] = '\0';

        if (ngx_http_referral_journal_foreign(&slot, uid, &owner)) {
            ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                          "\"referral_journal\": \"%V\" holds files of user "
                          "%ui, the workers are user %ui: %s in there are "
                          "not sent; \"chown -R %ui %V/slot-*\" when no other "
                          "worker runs",
                          &slot, (ngx_uint_t) owner, (ngx_uint_t) uid, records,
                          (ngx_uint_t) uid, path);
            break;
        }
    }

    (void) ngx_close_dir(&dir);
}


/* 1: the slot, or a file in it, is of another user */

static ngx_uint_t
ngx_http_referral_journal_foreign(ngx_str_t *slot, uid_t uid, uid_t *owner)
{
    ngx_dir_t    dir;
    ngx_uint_t   foreign;
    struct stat  st;

    if (lstat((char *) slot->data, &st) == -1) {
        return 0;
    }

    *owner = st.st_uid;
    foreign = (st.st_uid != uid);

    if (foreign
        || !S_ISDIR(st.st_mode)
        || ngx_open_dir(slot, &dir) == NGX_ERROR)
    {
        return foreign;
    }

    while (!foreign && ngx_read_dir(&dir) == NGX_OK) {

        if (ngx_de_name(&dir)[0] != '.'
            && fstatat(dirfd(dir.dir), (char *) ngx_de_name(&dir), &st,
                       AT_SYMLINK_NOFOLLOW)
               == 0)
        {
            *owner = st.st_uid;
            foreign = (st.st_uid != uid);
        }
    }

    (void) ngx_close_dir(&dir);

    return foreign;
}


char *
ngx_http_referral_key_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_str_t  *value;

    if (rmcf->keys.file.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs the name of a file";
    }

    rmcf->keys.place = ngx_http_referral_conf_place(cf);

    if (rmcf->keys.place == NULL
        || ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    rmcf->keys.file = value[1];

    return NGX_CONF_OK;
}


ngx_conf_file_t *
ngx_http_referral_conf_place(ngx_conf_t *cf)
{
    ngx_conf_file_t  *place;

    place = ngx_palloc(cf->pool, sizeof(ngx_conf_file_t));

    if (place) {
        *place = *cf->conf_file;
    }

    return place;
}


char *
ngx_http_referral_geoip(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_int_t    rc;
    ngx_str_t   *value, *path;
    ngx_uint_t   i;

    if (rmcf->geo.files) {
        return "is duplicate";
    }

    rmcf->geo.files = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    rmcf->geo.place = ngx_http_referral_conf_place(cf);

    if (rmcf->geo.files == NULL || rmcf->geo.place == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        rc = ngx_http_referral_seconds(cf, &value[i], "reload=", 0,
                                       30 * 86400, &rmcf->geo.reload);

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_OK) {
            continue;
        }

        path = ngx_array_push(rmcf->geo.files);
        if (path == NULL) {
            return NGX_CONF_ERROR;
        }

        *path = value[i];

        if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (rmcf->geo.files->nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral_geoip\" names no .mmdb file, such as "
                           "/usr/share/GeoIP/GeoLite2-City.mmdb");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_bots(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_str_t  *value;

    if (rmcf->bots) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK
        || ngx_http_referral_set_bots(cf, rmcf, &value[1]) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_referral_set_bots(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *file)
{
    referral_str_t          list;
    ngx_pool_cleanup_t     *cln;
    referral_bots_error_t   error;

    if (file
        && ngx_http_referral_read_file(cf, cf->temp_pool, "referral_bots",
                                       file, REFERRAL_BOTS_LIST_MAX, &list)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rmcf->worker->agents = ngx_pcalloc(cf->pool, NGX_HTTP_REFERRAL_AGENTS
                                         * sizeof(ngx_http_referral_agent_t));

    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (rmcf->worker->agents == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    rmcf->bots = referral_visitor_bots(file ? &list : NULL, &error);

    if (rmcf->bots) {
        cln->handler = (ngx_pool_cleanup_pt) referral_bots_free;
        cln->data = rmcf->bots;

        return NGX_OK;
    }

    if (file == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_bots\": %s in the built-in list, line %ui",
                      error.what, (ngx_uint_t) error.line);

    } else if (error.other) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral_bots\": %s in \"%V\", line %ui and line "
                           "%ui", error.what, file, (ngx_uint_t) error.other,
                           (ngx_uint_t) error.line);

    } else if (error.line) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral_bots\": %s in \"%V\", line %ui",
                           error.what, file, (ngx_uint_t) error.line);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral_bots\": %s in \"%V\"", error.what, file);
    }

    return NGX_ERROR;
}


char *
ngx_http_referral_events(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    u_char       last;
    ngx_int_t    rc, n, scale;
    ngx_str_t   *value, s;
    ngx_uint_t   i;

    if (rmcf->events_maxlen != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    rmcf->events_maxlen = 1000000;

    value = cf->args->elts;

    if (ngx_strcasecmp(value[1].data, (u_char *) "off") == 0
        && cf->args->nelts == 2)
    {
        rmcf->events_maxlen = 0;
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "maxlen=", 7) == 0) {
            s.len = value[i].len - 7;
            s.data = value[i].data + 7;
            scale = 1;

            if (s.len) {
                last = s.data[s.len - 1] | 0x20;

                if (last == 'k' || last == 'm') {
                    scale = (last == 'k') ? 1000 : 1000000;
                    s.len--;
                }
            }

            n = ngx_atoi(s.data, s.len);

            if (n == NGX_ERROR || n == 0 || n > 1000000000 / scale) {
                ngx_http_referral_bad(cf, &value[i],
                        "1 to 1000m entries are right, or \"off\" for none");
                return NGX_CONF_ERROR;
            }

            rmcf->events_maxlen = n * scale;
            continue;
        }

        rc = ngx_http_referral_seconds(cf, &value[i], "age=", 60,
                                       3650 * 86400, &rmcf->events_age);

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_bad(cf, &value[i], "\"maxlen=\", \"age=\" "
                                       "or \"off\" alone are right");
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        ngx_http_referral_unit(cf, &value[i], "age=", 86400, "d");
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_referral_bytes(ngx_conf_t *cf, ngx_str_t *arg, const char *name,
    off_t min, off_t *value)
{
    off_t      n;
    size_t     len;
    ngx_str_t  s;

    len = ngx_strlen(name);

    if (arg->len < len || ngx_strncmp(arg->data, name, len) != 0) {
        return NGX_DECLINED;
    }

    s.len = arg->len - len;
    s.data = arg->data + len;

    n = ngx_parse_offset(&s);

    if (n == NGX_ERROR || n < min) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": a size of at least %O bytes is "
                           "right, with \"k\", \"m\" or \"g\", such as "
                           "\"%s1g\"", arg, min, name);
        return NGX_ERROR;
    }

    *value = n;

    return NGX_OK;
}
