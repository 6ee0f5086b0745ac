
/*
 * Keys and passwords from files, and the key that nginx makes at its first
 * start.
 */


#include "ngx_http_referral_conf_core.h"


#define NGX_HTTP_REFERRAL_KEY_NAME  "referral.key"
#define NGX_HTTP_REFERRAL_KEY_HINT  "\"openssl rand -hex 32\""
#define NGX_HTTP_REFERRAL_FILE_MAX  65536

/* a directory is opened for its path only, and need not be readable */

#ifdef O_PATH
#define NGX_HTTP_REFERRAL_DIR  (O_PATH|O_DIRECTORY|O_CLOEXEC)
#else
#define NGX_HTTP_REFERRAL_DIR  (O_RDONLY|O_DIRECTORY|O_CLOEXEC)
#endif


/* a place for the key that nginx makes */

typedef struct {
    ngx_str_t    path;
    char        *dir;
    char        *name;
} ngx_http_referral_key_place_t;


static ngx_int_t ngx_http_referral_keys_parse(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *file,
    referral_str_t *text);
static ngx_int_t ngx_http_referral_own_key(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *file,
    referral_str_t *text);
static ngx_int_t ngx_http_referral_key_places(ngx_conf_t *cf,
    ngx_str_t *journal, ngx_http_referral_key_place_t *place);
static ngx_fd_t ngx_http_referral_key_dir(const char *path);
static ngx_int_t ngx_http_referral_key_read(ngx_conf_t *cf,
    ngx_http_referral_key_place_t *place, referral_str_t *text);
static ngx_fd_t ngx_http_referral_key_open(ngx_fd_t dir, const char *name,
    const char **foreign);
static ngx_int_t ngx_http_referral_key_make(ngx_conf_t *cf,
    ngx_http_referral_key_place_t *place);
static ngx_int_t ngx_http_referral_key_put(ngx_conf_t *cf, ngx_fd_t dir,
    ngx_http_referral_key_place_t *place);
static ngx_int_t ngx_http_referral_key_write(ngx_fd_t fd,
    referral_random_t *random);
static ngx_int_t ngx_http_referral_read(ngx_conf_t *cf, ngx_pool_t *pool,
    const char *directive, ngx_str_t *file, off_t max, ngx_uint_t secret,
    referral_str_t *text);
static ngx_int_t ngx_http_referral_read_fd(ngx_conf_t *cf, ngx_pool_t *pool,
    const char *directive, ngx_str_t *file, ngx_fd_t fd, off_t max,
    ngx_uint_t secret, referral_str_t *text);


ngx_int_t
ngx_http_referral_keys(ngx_conf_t *cf, ngx_http_referral_main_conf_t *rmcf)
{
    ngx_int_t         rc;
    ngx_str_t         file;
    referral_str_t    text;
    ngx_conf_file_t  *conf_file;

    /* errors name the line of "referral_key_file", or none */

    conf_file = cf->conf_file;
    cf->conf_file = rmcf->keys.place;

    file = rmcf->keys.file;

    if (file.len) {
        rc = ngx_http_referral_read_secret(cf, "referral_key_file", &file,
                                           &text);

    } else if (rmcf->needs & NGX_HTTP_REFERRAL_NEED_COOKIES) {
        rc = ngx_http_referral_own_key(cf, rmcf, &file, &text);

    } else {
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_referral_keys_parse(cf, rmcf, &file, &text);
    }

    cf->conf_file = conf_file;

    return rc == NGX_DECLINED ? NGX_OK : rc;
}


static ngx_int_t
ngx_http_referral_keys_parse(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *file, referral_str_t *text)
{
    unsigned             line;
    const char          *err;
    ngx_pool_cleanup_t  *cln;

    rmcf->keys.keys = referral_keys_create(text, &line, &err);

    ngx_explicit_memzero(text->data, text->len);

    if (rmcf->keys.keys == NULL && line) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral_key_file\": %s in \"%V\", line %ui; "
                           NGX_HTTP_REFERRAL_KEY_HINT " makes one",
                           err, file, (ngx_uint_t) line);
        return NGX_ERROR;
    }

    if (rmcf->keys.keys == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"referral_key_file\": %s in \"%V\"; "
                           NGX_HTTP_REFERRAL_KEY_HINT " makes one",
                           err, file);
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = (ngx_pool_cleanup_pt) referral_keys_free;
    cln->data = rmcf->keys.keys;

    return NGX_OK;
}


/* the key that nginx makes once: enough as long as there is one host */

static ngx_int_t
ngx_http_referral_own_key(ngx_conf_t *cf, ngx_http_referral_main_conf_t *rmcf,
    ngx_str_t *file, referral_str_t *text)
{
    ngx_int_t                      rc;
    ngx_uint_t                     i, made;
    ngx_http_referral_key_place_t  place[2];

    /* "nginx -s" does not sign cookies */

    if (ngx_process == NGX_PROCESS_SIGNALLER) {
        return NGX_DECLINED;
    }

    if (ngx_http_referral_key_places(cf, &rmcf->journal.path->name, place)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (made = 0; made < 2; made++) {

        if (made) {
            rc = ngx_http_referral_key_make(cf, &place[0]);

            if (rc == NGX_DECLINED) {

                /* nginx sets the directory's owner a little later */

                (void) ngx_create_dir((u_char *) place[1].dir, 0700);

                rc = ngx_http_referral_key_make(cf, &place[1]);
            }

            if (rc == NGX_ERROR) {
                return NGX_ERROR;
            }
        }

        for (i = 0; i < 2; i++) {
            rc = ngx_http_referral_key_read(cf, &place[i], text);

            if (rc != NGX_DECLINED) {
                *file = place[i].path;
                return rc;
            }
        }
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "no key to sign cookies can be made in \"%V\": make one "
                  "with " NGX_HTTP_REFERRAL_KEY_HINT " and name its file in "
                  "\"referral_key_file\"", &place[0].path);

    return NGX_ERROR;
}


/*
 * The first place is beside the journal's directory, where the workers' user
 * cannot replace the key.  The second is in the directory: older versions made
 * it there, and it is used if the parent cannot be written.
 */

static ngx_int_t
ngx_http_referral_key_places(ngx_conf_t *cf, ngx_str_t *journal,
    ngx_http_referral_key_place_t *place)
{
    u_char  *p, *slash;
    size_t   len;

    len = journal->len + sizeof("/" NGX_HTTP_REFERRAL_KEY_NAME);

    p = ngx_pnalloc(cf->pool, 4 * len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    place[0].path.data = p;
    place[0].path.len = ngx_sprintf(p, "%V.key%Z", journal) - p - 1;

    slash = p + journal->len;

    while (slash > p + 1 && slash[-1] != '/') {
        slash--;
    }

    place[0].name = (char *) slash;
    place[0].dir = (char *) p + len;

    (void) ngx_cpystrn(p + len, p, slash - p + 1);

    p += 2 * len;

    place[1].path.data = p;
    place[1].path.len = ngx_sprintf(p, "%V/" NGX_HTTP_REFERRAL_KEY_NAME "%Z",
                                    journal)
                        - p - 1;
    place[1].name = (char *) p + journal->len + 1;
    place[1].dir = (char *) journal->data;

    return NGX_OK;
}


/*
 * -1: there is no such directory, or a symlink to it is of an untrusted user
 */

static ngx_fd_t
ngx_http_referral_key_dir(const char *path)
{
    ngx_fd_t     fd;
    struct stat  st;

    fd = open(path, NGX_HTTP_REFERRAL_DIR|O_NOFOLLOW);

    if (fd == -1
        && lstat(path, &st) == 0 && S_ISLNK(st.st_mode)
        && (st.st_uid == 0 || st.st_uid == geteuid()))
    {
        fd = open(path, NGX_HTTP_REFERRAL_DIR);
    }

    return fd;
}


/*
 * NGX_DECLINED: there is no key, or it is not used.  A file that others could
 * have put there is not read, and does not keep nginx from starting.
 */

static ngx_int_t
ngx_http_referral_key_read(ngx_conf_t *cf,
    ngx_http_referral_key_place_t *place, referral_str_t *text)
{
    ngx_fd_t      dir, fd;
    ngx_err_t     err;
    ngx_int_t     rc;
    const char   *foreign;
    struct stat   st;

    dir = ngx_http_referral_key_dir(place->dir);
    if (dir == -1) {
        return NGX_DECLINED;
    }

    fd = ngx_http_referral_key_open(dir, place->name, &foreign);
    err = ngx_errno;

    if (foreign) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "the key in \"%V\" is not used, as it %s: if it is "
                      "yours, name it in \"referral_key_file\", else remove "
                      "it", &place->path, foreign);
        rc = NGX_DECLINED;

    } else if (fd == -1) {
        rc = (err == NGX_ENOENT) ? NGX_DECLINED : NGX_ERROR;

        if (rc == NGX_ERROR) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, err,
                          ngx_open_file_n " \"%V\" failed", &place->path);
        }

    } else if (fstat(fd, &st) == 0 && st.st_size == 0) {

        /* left by a power loss at the first start of an older version */

        (void) unlinkat(dir, place->name, 0);
        rc = NGX_DECLINED;

    } else {
        rc = ngx_http_referral_read_fd(cf, cf->pool, "referral_key_file",
                                       &place->path, fd,
                                       NGX_HTTP_REFERRAL_FILE_MAX, 1, text);
    }

    if (fd != -1) {
        (void) ngx_close_file(fd);
    }

    (void) ngx_close_file(dir);

    return rc;
}


/* *foreign: why another user may have made the file, else NULL */

static ngx_fd_t
ngx_http_referral_key_open(ngx_fd_t dir, const char *name,
    const char **foreign)
{
    ngx_fd_t     fd;
    ngx_uint_t   tries;
    struct stat  st;

    *foreign = NULL;

    fd = openat(dir, name, O_RDONLY|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC);

    if (fd == -1) {
        if (ngx_errno != NGX_ENOENT
            && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0
            && !S_ISREG(st.st_mode))
        {
            *foreign = "is not a regular file";
        }

        return -1;
    }

    /* while a process makes the key, it has two names for a moment */

    for (tries = 0; tries < 50; tries++) {

        if (fstat(fd, &st) == -1) {
            *foreign = "cannot be looked at";

        } else if (!S_ISREG(st.st_mode)) {
            *foreign = "is not a regular file";

        } else if (st.st_uid != 0 && st.st_uid != geteuid()) {
            *foreign = "belongs to another user";

        } else if (st.st_mode & S_IWGRP) {
            *foreign = "may be written by its group";

        } else if (st.st_nlink > 1) {
            *foreign = "has another name too";
            ngx_msleep(10);
            continue;

        } else {
            *foreign = NULL;
        }

        break;
    }

    return fd;
}


/* NGX_OK: there is a key now; NGX_DECLINED: it cannot be made there */

static ngx_int_t
ngx_http_referral_key_make(ngx_conf_t *cf,
    ngx_http_referral_key_place_t *place)
{
    ngx_fd_t   dir;
    ngx_int_t  rc;

    dir = ngx_http_referral_key_dir(place->dir);
    if (dir == -1) {
        return NGX_DECLINED;
    }

    rc = ngx_http_referral_key_put(cf, dir, place);

    (void) ngx_close_file(dir);

    return rc;
}


/* the key gets its name when it is complete, and only if there is none */

static ngx_int_t
ngx_http_referral_key_put(ngx_conf_t *cf, ngx_fd_t dir,
    ngx_http_referral_key_place_t *place)
{
    u_char             raw[8], temp[sizeof(".referral.key.") + 2 * sizeof(raw)];
    ngx_fd_t           fd;
    ngx_err_t          err;
    referral_random_t  random;

    ngx_memzero(&random, sizeof(referral_random_t));

    if (referral_random(&random, raw, sizeof(raw)) != REFERRAL_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "no randomness for \"%V\"",
                      &place->path);
        return NGX_ERROR;
    }

    *ngx_hex_dump(ngx_cpymem(temp, ".referral.key.", 14), raw, sizeof(raw))
        = '\0';

    fd = openat(dir, (char *) temp, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600);

    if (fd == -1) {
        err = ngx_errno;

        if (err == NGX_EACCES || err == NGX_EPERM || err == EROFS) {
            return NGX_DECLINED;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, err,
                      ngx_open_file_n " for a new \"%V\" failed",
                      &place->path);
        return NGX_ERROR;
    }

    err = 0;

    if (ngx_http_referral_key_write(fd, &random) != NGX_OK
        || linkat(dir, (char *) temp, dir, place->name, 0) == -1)
    {
        err = ngx_errno;
    }

    (void) unlinkat(dir, (char *) temp, 0);
    (void) ngx_close_file(fd);

    if (err && err != NGX_EEXIST) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, err,
                      "writing a new \"%V\" failed", &place->path);
        return NGX_ERROR;
    }

    if (err == 0) {
        ngx_log_error(NGX_LOG_NOTICE, cf->log, 0,
                      "cookies are signed with the new key in \"%V\": other "
                      "hosts need the same, see \"referral_key_file\"",
                      &place->path);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_key_write(ngx_fd_t fd, referral_random_t *random)
{
    ssize_t  n;
    u_char   raw[32], text[65];

    if (referral_random(random, raw, sizeof(raw)) != REFERRAL_OK) {
        ngx_set_errno(EIO);
        return NGX_ERROR;
    }

    *ngx_hex_dump(text, raw, sizeof(raw)) = '\n';

    n = ngx_write_fd(fd, text, sizeof(text));

    ngx_explicit_memzero(raw, sizeof(raw));
    ngx_explicit_memzero(text, sizeof(text));

    if (n == -1 || fsync(fd) == -1) {
        return NGX_ERROR;
    }

    if (n != sizeof(text)) {
        ngx_set_errno(ENOSPC);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_read_secret(ngx_conf_t *cf, const char *directive,
    ngx_str_t *file, referral_str_t *text)
{
    return ngx_http_referral_read(cf, cf->pool, directive, file,
                                  NGX_HTTP_REFERRAL_FILE_MAX, 1, text);
}


ngx_int_t
ngx_http_referral_read_file(ngx_conf_t *cf, ngx_pool_t *pool,
    const char *directive, ngx_str_t *file, off_t max, referral_str_t *text)
{
    return ngx_http_referral_read(cf, pool, directive, file, max, 0, text);
}


static ngx_int_t
ngx_http_referral_read(ngx_conf_t *cf, ngx_pool_t *pool, const char *directive,
    ngx_str_t *file, off_t max, ngx_uint_t secret, referral_str_t *text)
{
    ngx_fd_t     fd;
    ngx_int_t    rc;
    const char  *needs;

    /* a FIFO must not hang the reader */

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {

        if (ngx_strcmp(directive, "referral_key_file") == 0) {
            needs = "a key of " NGX_HTTP_REFERRAL_KEY_HINT;

        } else if (ngx_strcmp(directive, "referral_convert_keys") == 0) {
            needs = "a file with a key a line, \"PROGRAM KEY_ID "
                    "whsec_BASE64\"";

        } else if (secret) {
            needs = "a file with the password alone";

        } else {
            needs = "a file that is written like \"bots.list\"";
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%s\" needs %s: " ngx_open_file_n " \"%V\" "
                           "failed", directive, needs, file);
        return NGX_ERROR;
    }

    rc = ngx_http_referral_read_fd(cf, pool, directive, file, fd, max, secret,
                                   text);

    (void) ngx_close_file(fd);

    return rc;
}


static ngx_int_t
ngx_http_referral_read_fd(ngx_conf_t *cf, ngx_pool_t *pool,
    const char *directive, ngx_str_t *file, ngx_fd_t fd, off_t max,
    ngx_uint_t secret, referral_str_t *text)
{
    ssize_t          n;
    ngx_file_info_t  fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%s\": " ngx_fd_info_n " \"%V\" failed",
                           directive, file);
        return NGX_ERROR;
    }

    if (!ngx_is_file(&fi) || ngx_file_size(&fi) > max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\": \"%V\" is not a small regular file",
                           directive, file);
        return NGX_ERROR;
    }

    if (secret && (ngx_file_access(&fi) & 0007)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\": \"%V\" is open to others: \"chmod 600\" "
                           "it", directive, file);
        return NGX_ERROR;
    }

    text->len = (size_t) ngx_file_size(&fi);

    text->data = ngx_pnalloc(pool, text->len + 1);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, text->data, text->len);

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%s\": " ngx_read_fd_n " \"%V\" failed",
                           directive, file);
        return NGX_ERROR;
    }

    text->len = n;

    return NGX_OK;
}
