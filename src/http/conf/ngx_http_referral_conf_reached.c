
/*
 * Warns of what answers in a location before its handler, such as "return": no
 * request would reach the feature, which is noticed only when clicks are
 * missing.
 */


#include "ngx_http_referral_conf_core.h"


/* the first members of other modules' configurations, which have no header */

typedef struct {
    ngx_array_t                   *codes;
} ngx_http_referral_rewrite_conf_t;

typedef struct {
    void                          *try_files;
} ngx_http_referral_try_files_conf_t;

typedef struct {
    ngx_array_t                   *rules;
#if (NGX_HAVE_INET6)
    ngx_array_t                   *rules6;
#endif
#if (NGX_HAVE_UNIX_DOMAIN)
    ngx_array_t                   *rules_un;
#endif
} ngx_http_referral_access_conf_t;

typedef struct {
    ngx_str_t                      uri;
} ngx_http_referral_auth_request_conf_t;

typedef struct {
    ngx_http_complex_value_t      *realm;
} ngx_http_referral_auth_basic_conf_t;


static void ngx_http_referral_limit_except(ngx_http_referral_place_t *place);
static void ngx_http_referral_check_place(ngx_conf_t *cf,
    ngx_http_referral_place_t *place);
static void *ngx_http_referral_conf_of(ngx_conf_t *cf, void **loc_conf,
    const char *name);
static ngx_uint_t ngx_http_referral_denies(ngx_array_t *rules);
static const char *ngx_http_referral_check_codes(ngx_array_t *codes,
    ngx_http_core_loc_conf_t *clcf, ngx_uint_t server);
static size_t ngx_http_referral_code_size(const u_char *p);
#if (NGX_PCRE)
static ngx_uint_t ngx_http_referral_rewrites(ngx_http_script_regex_code_t *code,
    ngx_http_core_loc_conf_t *clcf);
#endif


void
ngx_http_referral_check_reached(ngx_conf_t *cf, ngx_array_t *places)
{
    ngx_uint_t                   i;
    ngx_http_referral_place_t  **place;

    place = places->elts;

    for (i = 0; i < places->nelts; i++) {
        ngx_http_referral_limit_except(place[i]);
        ngx_http_referral_check_place(cf, place[i]);
    }
}


/*
 * "limit_except" makes a location of its own for the other methods, which
 * nginx gives no handler: those that it lets through would get 404
 */

static void
ngx_http_referral_limit_except(ngx_http_referral_place_t *place)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (place->clcf->limit_except_loc_conf == NULL) {
        return;
    }

    clcf = place->clcf->limit_except_loc_conf[ngx_http_core_module.ctx_index];

    if (clcf->handler == NULL) {
        clcf->handler = place->clcf->handler;
    }
}


static void
ngx_http_referral_check_place(ngx_conf_t *cf, ngx_http_referral_place_t *place)
{
    const char                          *first, *where;
    ngx_http_core_loc_conf_t            *clcf;
    ngx_http_referral_rewrite_conf_t    *rewrite;
    ngx_http_referral_try_files_conf_t  *files;

    clcf = place->clcf;
    where = "server";
    first = NULL;

    rewrite = ngx_http_referral_conf_of(cf, place->cscf->ctx->loc_conf,
                                        "ngx_http_rewrite_module");

    if (rewrite && rewrite->codes && !clcf->named) {
        first = ngx_http_referral_check_codes(rewrite->codes, clcf, 1);
    }

    if (first == NULL) {
        where = "location";

        rewrite = ngx_http_referral_conf_of(cf, clcf->loc_conf,
                                            "ngx_http_rewrite_module");

        if (rewrite && rewrite->codes) {
            first = ngx_http_referral_check_codes(rewrite->codes, clcf, 0);
        }
    }

    files = ngx_http_referral_conf_of(cf, clcf->loc_conf,
                                      "ngx_http_try_files_module");

    if (first == NULL && files && files->try_files) {
        first = "try_files";
    }

    if (first == NULL && clcf->handler != place->handler) {
        first = "another directive";
    }

    if (first) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"%s\" of this %s comes first, no %s would ever reach "
                      "\"%V\" in %s:%ui",
                      first, where, place->what, &place->directive,
                      place->file, place->line);
    }
}


ngx_uint_t
ngx_http_referral_asks_who(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_http_core_srv_conf_t *cscf)
{
#if (NGX_HTTP_SSL)
    ngx_http_ssl_srv_conf_t                *ssl;
#endif
    ngx_http_referral_access_conf_t        *access;
    ngx_http_referral_auth_basic_conf_t    *basic;
    ngx_http_referral_auth_request_conf_t  *request;

    access = ngx_http_referral_conf_of(cf, clcf->loc_conf,
                                       "ngx_http_access_module");

    if (access
        && (ngx_http_referral_denies(access->rules)
#if (NGX_HAVE_INET6)
            || ngx_http_referral_denies(access->rules6)
#endif
#if (NGX_HAVE_UNIX_DOMAIN)
            || ngx_http_referral_denies(access->rules_un)
#endif
           ))
    {
        return 1;
    }

    request = ngx_http_referral_conf_of(cf, clcf->loc_conf,
                                        "ngx_http_auth_request_module");

    if (request && request->uri.len) {
        return 1;
    }

    basic = ngx_http_referral_conf_of(cf, clcf->loc_conf,
                                      "ngx_http_auth_basic_module");

    if (basic
        && basic->realm
        && basic->realm != NGX_CONF_UNSET_PTR
        && (basic->realm->lengths
            || basic->realm->value.len != 3
            || ngx_strncmp(basic->realm->value.data, "off", 3) != 0))
    {
        return 1;
    }

#if (NGX_HTTP_SSL)

    ssl = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    if (ssl && ssl->verify == 1) {
        return 1;
    }

#endif

    return 0;
}


/* whoever no "deny" names is let in; the flag is the last of each rule */

static ngx_uint_t
ngx_http_referral_denies(ngx_array_t *rules)
{
    u_char      *p;
    ngx_uint_t   i, deny;

    if (rules == NULL || rules == NGX_CONF_UNSET_PTR) {
        return 0;
    }

    p = rules->elts;

    for (i = 0; i < rules->nelts; i++) {
        p += rules->size;

        ngx_memcpy(&deny, p - sizeof(ngx_uint_t), sizeof(ngx_uint_t));

        if (deny) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_referral_has_rewrites(ngx_conf_t *cf, void **loc_conf)
{
    ngx_http_referral_rewrite_conf_t  *rewrite;

    rewrite = ngx_http_referral_conf_of(cf, loc_conf,
                                        "ngx_http_rewrite_module");

    return rewrite && rewrite->codes;
}


/* finds the module by its name: nginx may be built without it */

static void *
ngx_http_referral_conf_of(ngx_conf_t *cf, void **loc_conf,
    const char *name)
{
    ngx_uint_t  i;

    for (i = 0; cf->cycle->modules[i]; i++) {
        if (cf->cycle->modules[i]->type == NGX_HTTP_MODULE
            && ngx_strcmp(cf->cycle->modules[i]->name, name) == 0)
        {
            return loc_conf[cf->cycle->modules[i]->ctx_index];
        }
    }

    return NULL;
}


/*
 * Returns the directive that certainly answers: "return", or a "rewrite" that
 * leads away whatever the code is.  NULL, too, after the operation of another
 * module, which may do anything.
 */

static const char *
ngx_http_referral_check_codes(ngx_array_t *codes,
    ngx_http_core_loc_conf_t *clcf, ngx_uint_t server)
{
    size_t                         size;
    u_char                        *p, *last;
    ngx_uint_t                     value;
    ngx_http_script_code_pt        code;
#if (NGX_PCRE)
    ngx_uint_t                     n;
    ngx_http_script_regex_code_t  *regex;
#endif

    value = 0;
    p = codes->elts;
    last = p + codes->nelts * codes->size;

    while (p + sizeof(uintptr_t) <= last) {
        code = *(ngx_http_script_code_pt *) p;

        if (code == ngx_http_script_return_code) {
            return "return";
        }

        if (code == ngx_http_script_break_code) {
            return NULL;
        }

        if (code == ngx_http_script_if_code) {
            value = 0;
            p += ((ngx_http_script_if_code_t *) p)->next;
            continue;
        }

#if (NGX_PCRE)

        if (code == ngx_http_script_regex_start_code) {
            regex = (ngx_http_script_regex_code_t *) p;

            if (regex->test) {
                p += sizeof(ngx_http_script_regex_code_t);
                continue;
            }

            n = ngx_http_referral_rewrites(regex, clcf);

            if (!regex->redirect && (server || regex->break_cycle)) {
                if (n != 0) {
                    return NULL;
                }

            } else if (n == 4 || (regex->redirect && n >= 2)) {
                return "rewrite";
            }

            p += regex->next;
            continue;
        }

#endif

        size = ngx_http_referral_code_size(p);

        if (size == 0 && value && code) {

            /* the operation that ends a value differs with nginx's versions */

            size = sizeof(uintptr_t);

        } else if (size == 0) {
            return NULL;

        } else if (code == ngx_http_script_complex_value_code) {
            value = 1;

        } else if (code == ngx_http_script_set_var_code) {
            value = 0;
        }

        p += size;
    }

    return NULL;
}


/* the size of an operation; 0: the end, or not known */

static size_t
ngx_http_referral_code_size(const u_char *p)
{
    ngx_http_script_code_pt  code;

    code = *(ngx_http_script_code_pt *) p;

    if (code == ngx_http_script_nop_code
        || code == ngx_http_script_equal_code
        || code == ngx_http_script_not_equal_code
        || code == ngx_http_script_start_args_code)
    {
        return sizeof(uintptr_t);
    }

    if (code == ngx_http_script_var_code
        || code == ngx_http_script_set_var_code
        || code == ngx_http_script_copy_var_code)
    {
        return sizeof(ngx_http_script_var_code_t);
    }

    if (code == ngx_http_script_var_set_handler_code) {
        return sizeof(ngx_http_script_var_handler_code_t);
    }

    if (code == ngx_http_script_value_code) {
        return sizeof(ngx_http_script_value_code_t);
    }

    if (code == ngx_http_script_complex_value_code) {
        return sizeof(ngx_http_script_complex_value_code_t);
    }

    if (code == ngx_http_script_copy_capture_code) {
        return sizeof(ngx_http_script_copy_capture_code_t);
    }

    if (code == ngx_http_script_copy_code) {
        return sizeof(ngx_http_script_copy_code_t)
               + ngx_align(((ngx_http_script_copy_code_t *) p)->len,
                           sizeof(uintptr_t));
    }

    if (code == ngx_http_script_file_code) {
        return sizeof(ngx_http_script_file_code_t);
    }

    return 0;
}


#if (NGX_PCRE)

/*
 * How many of four URIs the expression matches: two codes, and two that it
 * does not match if it, say, adds a slash.  1: not known.
 */

static ngx_uint_t
ngx_http_referral_rewrites(ngx_http_script_regex_code_t *code,
    ngx_http_core_loc_conf_t *clcf)
{
    u_char      buf[256];
    ngx_str_t   uri;
    ngx_uint_t  n;

    static const char  *samples[] = { "a1", "Zz9_-", "a1/", "a1/b" };

    if (clcf->named || clcf->regex || clcf->name.len > 200) {
        return 1;
    }

    uri.data = buf;

    for (n = 0; n < 4; n++) {

        if (clcf->exact_match) {
            uri = clcf->name;

        } else {
            uri.len = ngx_snprintf(buf, sizeof(buf), "%V%s", &clcf->name,
                                   samples[n])
                      - buf;
        }

        if (ngx_regex_exec(code->regex->regex, &uri, NULL, 0) < 0) {
            break;
        }
    }

    return n;
}

#endif
