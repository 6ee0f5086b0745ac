
#include "ngx_http_referral_conf.h"


#define NGX_HTTP_REFERRAL_KEY_FILE  "referral.key"
#define NGX_HTTP_REFERRAL_FILE_MAX  65536


static ngx_int_t ngx_http_referral_make_key(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *file);
static ngx_int_t ngx_http_referral_read(ngx_conf_t *cf, ngx_pool_t *pool,
    const char *directive, ngx_str_t *file, off_t max, ngx_uint_t secret,
    referral_str_t *text);


ngx_int_t
ngx_http_referral_keys(ngx_conf_t *cf, ngx_http_referral_main_conf_t *rmcf)
{
    unsigned             line;
    ngx_str_t            file;
    const char          *err;
    referral_str_t       text;
    ngx_pool_cleanup_t  *cln;

    file = rmcf->key_file;

    if (file.len) {
        if (ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (ngx_http_referral_make_key(cf, rmcf, &file) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_referral_read_secret(cf, "referral_key_file", &file, &text)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rmcf->keys = referral_keys_create(&text, &line, &err);

    ngx_explicit_memzero(text.data, text.len);

    if (rmcf->keys == NULL) {
        if (line) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"referral_key_file\": %s in \"%V\", line %ui",
                          err, &file, (ngx_uint_t) line);
        } else {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"referral_key_file\": %s in \"%V\"", err, &file);
        }

        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = (ngx_pool_cleanup_pt) referral_keys_free;
    cln->data = rmcf->keys;

    return NGX_OK;
}


/* one of our own, made once: enough as long as there is one host */

static ngx_int_t
ngx_http_referral_make_key(ngx_conf_t *cf, ngx_http_referral_main_conf_t *rmcf,
    ngx_str_t *file)
{
    u_char              *p;
    ngx_fd_t             fd;
    ngx_err_t            err;
    ngx_str_t           *path;
    u_char               raw[32], text[65];
    ngx_file_info_t      fi;
    referral_random_t    random;

    path = &rmcf->journal->name;

    file->len = path->len + 1 + sizeof(NGX_HTTP_REFERRAL_KEY_FILE) - 1;
    file->data = ngx_pnalloc(cf->pool, file->len + 1);
    if (file->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(file->data, path->data, path->len);
    *p++ = '/';
    ngx_memcpy(p, NGX_HTTP_REFERRAL_KEY_FILE,
               sizeof(NGX_HTTP_REFERRAL_KEY_FILE));

    /* nginx makes and owns it properly a little later */

    if (ngx_create_dir(path->data, 0700) == NGX_FILE_ERROR) {
        err = ngx_errno;

        if (err != NGX_EEXIST) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, err,
                          ngx_create_dir_n " \"%V\" failed: "
                          "\"referral_journal\" needs a directory whose "
                          "parent exists", path);
            return NGX_ERROR;
        }
    }

    /* an empty one is what a power loss left of the first start */

    if (ngx_file_info(file->data, &fi) != NGX_FILE_ERROR
        && ngx_is_file(&fi) && ngx_file_size(&fi) == 0)
    {
        (void) ngx_delete_file(file->data);
    }

    fd = ngx_open_file(file->data, NGX_FILE_WRONLY,
                       NGX_FILE_CREATE_OR_OPEN|O_EXCL, 0600);

    if (fd == NGX_INVALID_FILE) {
        err = ngx_errno;

        if (err == NGX_EEXIST) {
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, err,
                      ngx_open_file_n " \"%V\" failed", file);
        return NGX_ERROR;
    }

    ngx_memzero(&random, sizeof(referral_random_t));

    if (referral_random(&random, raw, sizeof(raw)) != REFERRAL_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no randomness for \"%V\"", file);
        goto failed;
    }

    p = ngx_hex_dump(text, raw, sizeof(raw));
    *p = '\n';

    if (ngx_write_fd(fd, text, sizeof(text)) != (ssize_t) sizeof(text)
        || fsync(fd) == -1)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      ngx_write_fd_n " to \"%V\" failed", file);
        goto failed;
    }

    (void) ngx_close_file(fd);

    ngx_log_error(NGX_LOG_NOTICE, cf->log, 0,
                  "cookies are signed with the new key in \"%V\": other hosts "
                  "need the same, see \"referral_key_file\"", file);

    return NGX_OK;

failed:

    (void) ngx_close_file(fd);
    (void) ngx_delete_file(file->data);

    return NGX_ERROR;
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
    size_t           size;
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_file_info_t  fi;

    /* what is no file must not hang the reader */

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "\"%s\": " ngx_open_file_n " \"%V\" failed",
                      directive, file);
        return NGX_ERROR;
    }

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "\"%s\": " ngx_fd_info_n " \"%V\" failed",
                      directive, file);
        goto failed;
    }

    if (!ngx_is_file(&fi) || ngx_file_size(&fi) > max) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\": \"%V\" is not a small regular file",
                      directive, file);
        goto failed;
    }

    if (secret && (ngx_file_access(&fi) & 0007)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\": \"%V\" is open to others: \"chmod 600\" it",
                      directive, file);
        goto failed;
    }

    size = (size_t) ngx_file_size(&fi);

    text->data = ngx_pnalloc(pool, size + 1);
    if (text->data == NULL) {
        goto failed;
    }

    n = ngx_read_fd(fd, text->data, size);

    if (n == -1) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "\"%s\": " ngx_read_fd_n " \"%V\" failed",
                      directive, file);
        goto failed;
    }

    text->len = n;

    (void) ngx_close_file(fd);

    return NGX_OK;

failed:

    (void) ngx_close_file(fd);

    return NGX_ERROR;
}
