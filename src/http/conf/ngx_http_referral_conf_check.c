
/*
 * What each directive takes, and what cannot work all the same: said at the
 * end of the configuration, when servers, locations and names are known.
 */


#include "ngx_http_referral_conf.h"
#include "referral_template.h"
#include "referral_url.h"


/* the heads of other modules' configurations, which have no header */

typedef struct {
    ngx_array_t                   *codes;
} ngx_http_referral_rewrite_conf_t;

typedef struct {
    void                          *try_files;
} ngx_http_referral_try_files_conf_t;


static void ngx_http_referral_check_prefix(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
static void ngx_http_referral_check_code(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
static ngx_uint_t ngx_http_referral_cuts(ngx_str_t *regex);
static void ngx_http_referral_check_values(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
static void ngx_http_referral_check_reached(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
static void *ngx_http_referral_conf_of(ngx_conf_t *cf, void **loc_conf,
    const char *name);
static const char *ngx_http_referral_check_codes(ngx_array_t *codes,
    ngx_http_core_loc_conf_t *clcf, ngx_uint_t server);
static size_t ngx_http_referral_code_size(const u_char *p);
#if (NGX_PCRE)
static ngx_uint_t ngx_http_referral_rewrites(ngx_http_script_regex_code_t *code,
    ngx_http_core_loc_conf_t *clcf);
#endif
static void ngx_http_referral_check_fallback(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
static ngx_http_core_loc_conf_t *ngx_http_referral_named_location(
    ngx_http_core_srv_conf_t *cscf, ngx_str_t *name);
static ngx_uint_t ngx_http_referral_find_location(
    ngx_http_core_loc_conf_t *parent, ngx_str_t *uri,
    ngx_http_core_loc_conf_t **found);
static void ngx_http_referral_find_static(ngx_http_location_tree_node_t *node,
    ngx_str_t *uri, ngx_http_core_loc_conf_t **found);


/* which hosts may landings have?  Asked of each short link as it is merged. */

char *
ngx_http_referral_check_hosts(ngx_conf_t *cf,
    ngx_http_referral_loc_conf_t *rlcf)
{
    ngx_uint_t      literal;
    referral_str_t  host, *allow;

    host.len = 0;

    if (rlcf->landing
        && referral_template_host(&rlcf->landing->code, &host) != REFERRAL_OK
        && rlcf->allow == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_landing\" has a variable before its path: "
                      "name the hosts it may lead to with \"referral_allow\" "
                      "for \"referral\" in %s:%ui", rlcf->file, rlcf->line);
        return NGX_CONF_ERROR;
    }

    literal = (host.len != 0);

    if (!literal && rlcf->allow == NULL
        && rlcf->fallback && rlcf->fallback->url
        && referral_template_host(&rlcf->fallback->url->code, &host)
           != REFERRAL_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_fallback\" has a variable before its path: "
                      "name the hosts it may lead to with \"referral_allow\" "
                      "for \"referral\" in %s:%ui", rlcf->file, rlcf->line);
        return NGX_CONF_ERROR;
    }

    if (rlcf->landing == NULL && rlcf->allow == NULL) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "no landing is allowed for \"referral\" in %s:%ui: name "
                      "the hosts of the landings in redis with "
                      "\"referral_allow\"", rlcf->file, rlcf->line);
    }

    /* "allow" itself stays: locations inside may have other landings */

    rlcf->hosts = rlcf->allow;

    if (rlcf->hosts == NULL && literal) {
        rlcf->hosts = ngx_array_create(cf->pool, 1, sizeof(referral_str_t));
        if (rlcf->hosts == NULL) {
            return NGX_CONF_ERROR;
        }

        allow = ngx_array_push(rlcf->hosts);

        allow->len = host.len;
        allow->data = ngx_pnalloc(cf->pool, host.len);
        if (allow->data == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_strlow(allow->data, host.data, host.len);
    }

    return NGX_CONF_OK;
}


void
ngx_http_referral_check(ngx_conf_t *cf, ngx_http_referral_main_conf_t *rmcf)
{
    ngx_uint_t                  i;
    ngx_http_referral_short_t  *s;

    s = rmcf->shorts.elts;

    for (i = 0; i < rmcf->shorts.nelts; i++) {
        ngx_http_referral_check_reached(cf, &s[i]);

        if (!s[i].rlcf->short_link) {
            continue;
        }

        ngx_http_referral_check_prefix(cf, &s[i]);
        ngx_http_referral_check_code(cf, &s[i]);
        ngx_http_referral_check_values(cf, &s[i]);
        ngx_http_referral_check_fallback(cf, &s[i]);
        ngx_http_referral_check_cookie(cf, &s[i]);
        ngx_http_referral_check_shared(cf, s, i);
    }
}


/* "/r" takes "/robots.txt" too */

static void
ngx_http_referral_check_prefix(ngx_conf_t *cf, ngx_http_referral_short_t *s)
{
    u_char      last;
    ngx_str_t  *name;

    name = &s->clcf->name;

    if (s->rlcf->short_code || name->len == 0) {
        return;
    }

    last = name->data[name->len - 1] | 0x20;

    if ((last >= 'a' && last <= 'z') || (last >= '0' && last <= '9')) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "location \"%V\" takes all that begins so, such as "
                      "\"%Vx\", for short links: \"location %V/\" does not, "
                      "for \"referral\" in %s:%ui",
                      name, name, name, s->rlcf->file, s->rlcf->line);
    }
}


/* a code from a regular expression that is not there, or that cuts words */

static void
ngx_http_referral_check_code(ngx_conf_t *cf, ngx_http_referral_short_t *s)
{
    ngx_str_t                         *value;
    ngx_http_referral_rewrite_conf_t  *location, *server;

    if (s->rlcf->short_code == NULL || s->rlcf->short_code->lengths == NULL) {
        return;
    }

#if (NGX_PCRE)

    if (s->clcf->regex) {

        if (ngx_http_referral_cuts(&s->clcf->name)) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "location \"%V\" may end inside of a word, whose "
                          "beginning is another's code: \"(.+)$\" at its end "
                          "takes all, for \"referral\" in %s:%ui",
                          &s->clcf->name, s->rlcf->file, s->rlcf->line);
        }

        return;
    }

#endif

    value = &s->rlcf->short_code->value;

    if (value->len != 2
        || value->data[0] != '$'
        || value->data[1] < '1'
        || value->data[1] > '9')
    {
        return;
    }

    location = ngx_http_referral_conf_of(cf, s->clcf->loc_conf,
                                         "ngx_http_rewrite_module");
    server = ngx_http_referral_conf_of(cf, s->cscf->ctx->loc_conf,
                                       "ngx_http_rewrite_module");

    if (s->clcf->named
#if (NGX_PCRE)
        || s->cscf->captures
#endif
        || (location && location->codes)
        || (server && server->codes))
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"%V\" is empty here, as location \"%V\" is no regular "
                  "expression: every code is unknown, without it the code is "
                  "what follows the prefix, for \"referral\" in %s:%ui",
                  value, &s->clcf->name, s->rlcf->file, s->rlcf->line);
}


/* "(\w+)" and "([a-z0-9]+)" at the end do, "(.+)", "([^/]+)", "(\w+)$" not */

static ngx_uint_t
ngx_http_referral_cuts(ngx_str_t *regex)
{
    u_char  *p, *first;

    first = regex->data;
    p = regex->data + regex->len;

    while (p > first && p[-1] == ')') {
        p--;
    }

    if (p - first < 3) {
        return 0;
    }

    if (p[-1] == '}') {

        while (p > first && *--p != '{') {
            /* void */
        }

    } else if (*--p != '+' && *p != '*') {
        return 0;
    }

    if (p - first < 2) {
        return 0;
    }

    if (p[-1] == 'w' || p[-1] == 'd') {
        return p[-2] == '\\';
    }

    if (p[-1] != ']') {
        return 0;
    }

    while (--p > first) {
        if (*p == '[' && p[1] != ':') {
            return p[1] != '^';
        }
    }

    return 0;
}


/* constants where only a variable makes sense */

static void
ngx_http_referral_check_values(ngx_conf_t *cf, ngx_http_referral_short_t *s)
{
    ngx_str_t                     *value;
    referral_str_t                 channel;
    ngx_http_referral_loc_conf_t  *rlcf;

    rlcf = s->rlcf;

    if (rlcf->exclude && rlcf->exclude->lengths == NULL) {
        value = &rlcf->exclude->value;

        if (value->len && !(value->len == 1 && value->data[0] == '0')) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"referral_exclude\" \"%V\" is no variable: every "
                          "click is excluded, for \"referral\" in %s:%ui",
                          value, rlcf->file, rlcf->line);
        }
    }

    if (rlcf->channel && rlcf->channel->lengths == NULL) {
        value = &rlcf->channel->value;

        channel.len = value->len;
        channel.data = value->data;

        if (value->len && !referral_word_valid(&channel)) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"referral_channel\" \"%V\" counts as \"other\": "
                          "up to 32 of a-z, 0-9, \"_\", \".\" and \"-\" make "
                          "a channel, for \"referral\" in %s:%ui",
                          value, rlcf->file, rlcf->line);
        }
    }
}


/* what answers before the contents are made */

static void
ngx_http_referral_check_reached(ngx_conf_t *cf, ngx_http_referral_short_t *s)
{
    const char                          *what, *where;
    ngx_http_referral_rewrite_conf_t    *rewrite;
    ngx_http_referral_try_files_conf_t  *files;

    where = "server";
    what = NULL;

    rewrite = ngx_http_referral_conf_of(cf, s->cscf->ctx->loc_conf,
                                            "ngx_http_rewrite_module");

    if (rewrite && rewrite->codes && !s->clcf->named) {
        what = ngx_http_referral_check_codes(rewrite->codes, s->clcf, 1);
    }

    if (what == NULL) {
        where = "location";

        rewrite = ngx_http_referral_conf_of(cf, s->clcf->loc_conf,
                                                "ngx_http_rewrite_module");

        if (rewrite && rewrite->codes) {
            what = ngx_http_referral_check_codes(rewrite->codes, s->clcf, 0);
        }
    }

    files = ngx_http_referral_conf_of(cf, s->clcf->loc_conf,
                                          "ngx_http_try_files_module");

    if (what == NULL && files && files->try_files) {
        what = "try_files";
    }

    if (what == NULL
        && s->rlcf->metrics
        && s->clcf->handler != ngx_http_referral_metrics_handler)
    {
        what = "another directive";
    }

    if (what) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"%s\" of this %s comes first, no %s would ever reach "
                      "\"%s\" in %s:%ui",
                      what, where, s->rlcf->metrics ? "request" : "click",
                      s->rlcf->metrics ? "referral_metrics" : "referral",
                      s->rlcf->file, s->rlcf->line);
    }
}


/* by its name: nginx may be built without it */

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
 * What surely ends it: "return", or a "rewrite" that leads away whatever the
 * code is.  After an operation that is not known here, as other modules have,
 * nothing is sure any more.
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

            /* how a value ends differs with nginx's versions */

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


/* 0: the end, or not known */

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
 * How many of four it matches: two codes, and what one that adds a slash, say,
 * does not match any more.  1: not known.
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


static void
ngx_http_referral_check_fallback(ngx_conf_t *cf, ngx_http_referral_short_t *s)
{
    u_char                        *args;
    ngx_str_t                      uri, host;
    referral_str_t                 text, *landing;
    ngx_http_core_loc_conf_t      *clcf, *found;
    ngx_http_referral_loc_conf_t  *rlcf, *target;

    rlcf = s->rlcf;

    if (rlcf->fallback == NULL) {
        return;
    }

    if (rlcf->fallback->url) {

        if (rlcf->allow
            || referral_template_host(&rlcf->fallback->url->code, &text)
               == REFERRAL_OK)
        {
            return;
        }

        landing = rlcf->hosts->elts;
        host.len = landing->len;
        host.data = landing->data;

        if (!ngx_http_referral_has_name(s->cscf, &host)) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"referral_fallback\" has a variable before its "
                          "path and may lead to \"%V\" alone, the host of "
                          "\"referral_landing\": name others with "
                          "\"referral_allow\" for \"referral\" in %s:%ui",
                          &host, rlcf->file, rlcf->line);
        }

        return;
    }

    uri = rlcf->fallback->location;
    found = NULL;

    if (uri.data[0] == '@') {
        found = ngx_http_referral_named_location(s->cscf, &uri);

        if (found == NULL) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"referral_fallback\" leads to \"%V\", and this "
                          "server has no such location: visitors get 500, for "
                          "\"referral\" in %s:%ui",
                          &uri, rlcf->file, rlcf->line);
            return;
        }

    } else {

        if (ngx_strlchr(uri.data, uri.data + uri.len, '$')
            || ngx_strlchr(uri.data, uri.data + uri.len, '{'))
        {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"referral_fallback\" \"%V\" is taken as it "
                          "stands: a path has no variables, its page may use "
                          "$referral_result, for \"referral\" in %s:%ui",
                          &uri, rlcf->file, rlcf->line);
        }

        args = ngx_strlchr(uri.data, uri.data + uri.len, '?');

        if (args) {
            uri.len = args - uri.data;
        }

        clcf = s->cscf->ctx->loc_conf[ngx_http_core_module.ctx_index];
        (void) ngx_http_referral_find_location(clcf, &uri, &found);
    }

    if (found == NULL) {
        return;
    }

    target = found->loc_conf[ngx_http_referral_module.ctx_index];

    if (target->short_link) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"referral_fallback\" \"%V\" leads to a short link "
                      "again, that of %s:%ui: visitors get 404, for "
                      "\"referral\" in %s:%ui",
                      &rlcf->fallback->location, target->file, target->line,
                      rlcf->file, rlcf->line);
    }
}


static ngx_http_core_loc_conf_t *
ngx_http_referral_named_location(ngx_http_core_srv_conf_t *cscf,
    ngx_str_t *name)
{
    ngx_http_core_loc_conf_t  **clcfp;

    if (cscf->named_locations) {
        for (clcfp = cscf->named_locations; *clcfp; clcfp++) {
            if ((*clcfp)->name.len == name->len
                && ngx_strncmp((*clcfp)->name.data, name->data, name->len)
                   == 0)
            {
                return *clcfp;
            }
        }
    }

    return NULL;
}


/*
 * As nginx looks for it, without a request.  1: found for good, by "=" or a
 * regex; 0: "found" is the longest prefix, if it is set.
 */

static ngx_uint_t
ngx_http_referral_find_location(ngx_http_core_loc_conf_t *parent,
    ngx_str_t *uri, ngx_http_core_loc_conf_t **found)
{
    ngx_http_core_loc_conf_t   *prefix;
#if (NGX_PCRE)
    ngx_http_core_loc_conf_t  **clcfp;
#endif

    prefix = NULL;
    ngx_http_referral_find_static(parent->static_locations, uri, &prefix);

    if (prefix) {
        *found = prefix;

        if (prefix->exact_match
            || ngx_http_referral_find_location(prefix, uri, found))
        {
            return 1;
        }
    }

#if (NGX_PCRE)

    if (parent->regex_locations && (prefix == NULL || !prefix->noregex)) {

        for (clcfp = parent->regex_locations; *clcfp; clcfp++) {
            if (ngx_regex_exec((*clcfp)->regex->regex, uri, NULL, 0) >= 0) {
                *found = *clcfp;
                (void) ngx_http_referral_find_location(*clcfp, uri, found);
                return 1;
            }
        }
    }

#endif

    return 0;
}


/* the names in the tree are parts, those of the locations are whole */

static void
ngx_http_referral_find_static(ngx_http_location_tree_node_t *node,
    ngx_str_t *uri, ngx_http_core_loc_conf_t **found)
{
    ngx_str_t  *name;

    if (node == NULL) {
        return;
    }

    if (node->exact) {
        name = &node->exact->name;

        if (name->len == uri->len
            && ngx_strncmp(name->data, uri->data, uri->len) == 0)
        {
            *found = node->exact;
            return;
        }
    }

    if (node->inclusive && (*found == NULL || !(*found)->exact_match)) {
        name = &node->inclusive->name;

        if (name->len <= uri->len
            && ngx_strncmp(name->data, uri->data, name->len) == 0
            && (*found == NULL || (*found)->name.len < name->len))
        {
            *found = node->inclusive;
        }
    }

    ngx_http_referral_find_static(node->left, uri, found);
    ngx_http_referral_find_static(node->right, uri, found);
    ngx_http_referral_find_static(node->tree, uri, found);
}
