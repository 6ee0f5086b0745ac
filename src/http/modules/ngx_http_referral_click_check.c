
/*
 * Checks of short links whose directives are right one by one, but do not work
 * together: errors when a location is merged, and warnings at the end of the
 * configuration, when servers, locations and names are known.
 */


#include "ngx_http_referral_click.h"
#include "referral_template.h"


static void ngx_http_referral_check_prefix(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
static void ngx_http_referral_check_code(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
static ngx_uint_t ngx_http_referral_cuts(ngx_str_t *regex);
static void ngx_http_referral_check_values(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
static void ngx_http_referral_check_fallback(ngx_conf_t *cf,
    ngx_http_referral_short_t *s);
static ngx_http_core_loc_conf_t *ngx_http_referral_named_location(
    ngx_http_core_srv_conf_t *cscf, ngx_str_t *name);
static ngx_uint_t ngx_http_referral_find_location(
    ngx_http_core_loc_conf_t *parent, ngx_str_t *uri,
    ngx_http_core_loc_conf_t **found);
static void ngx_http_referral_find_static(ngx_http_location_tree_node_t *node,
    ngx_str_t *uri, ngx_http_core_loc_conf_t **found);


/* sets the hosts that landings may have, when a short link is merged */

char *
ngx_http_referral_click_check_hosts(ngx_conf_t *cf,
    ngx_http_referral_click_conf_t *conf, ngx_http_referral_loc_conf_t *rlcf)
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
                      "for \"referral\" in %s:%ui", conf->place->file,
                      conf->place->line);
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
                      "for \"referral\" in %s:%ui", conf->place->file,
                      conf->place->line);
        return NGX_CONF_ERROR;
    }

    if (rlcf->landing == NULL && rlcf->allow == NULL) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "no landing is allowed for \"referral\" in %s:%ui: name "
                      "the hosts of the landings in redis with "
                      "\"referral_allow\"", conf->place->file,
                      conf->place->line);
    }

    /* "allow" is not changed: nested locations may have other landings */

    conf->hosts = rlcf->allow;

    if (conf->hosts == NULL && literal) {
        conf->hosts = ngx_array_create(cf->pool, 1, sizeof(referral_str_t));
        if (conf->hosts == NULL) {
            return NGX_CONF_ERROR;
        }

        allow = ngx_array_push(conf->hosts);

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
ngx_http_referral_click_check(ngx_conf_t *cf, ngx_array_t *shorts)
{
    ngx_uint_t                  i;
    ngx_http_referral_short_t  *s;

    s = shorts->elts;

    for (i = 0; i < shorts->nelts; i++) {
        ngx_http_referral_check_prefix(cf, &s[i]);
        ngx_http_referral_check_code(cf, &s[i]);
        ngx_http_referral_check_values(cf, &s[i]);
        ngx_http_referral_check_fallback(cf, &s[i]);
        ngx_http_referral_click_check_cookie(cf, &s[i]);
        ngx_http_referral_click_check_shared(cf, s, i);
    }
}


/* warns of a prefix such as "/r", which takes "/robots.txt" too */

static void
ngx_http_referral_check_prefix(ngx_conf_t *cf, ngx_http_referral_short_t *s)
{
    u_char      last;
    ngx_str_t  *name;

    name = &s->clcf->name;

    if (s->rlcf->link.code || name->len == 0) {
        return;
    }

    last = name->data[name->len - 1] | 0x20;

    if ((last >= 'a' && last <= 'z') || (last >= '0' && last <= '9')) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "location \"%V\" takes every path that begins with it "
                      "for a short link, such as \"%Vx\": \"location %V/\" "
                      "does not, for \"referral\" in %s:%ui",
                      name, name, name, s->conf->place->file,
                      s->conf->place->line);
    }
}


/* warns of "$1" where no regular expression sets it, or one that cuts words */

static void
ngx_http_referral_check_code(ngx_conf_t *cf, ngx_http_referral_short_t *s)
{
    ngx_str_t  *value;

    if (s->rlcf->link.code == NULL || s->rlcf->link.code->lengths == NULL) {
        return;
    }

#if (NGX_PCRE)

    if (s->clcf->regex) {

        if (ngx_http_referral_cuts(&s->clcf->name)) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "location \"%V\" may match only the beginning of a "
                          "code, which may be another's: \"(.+)$\" at its end "
                          "matches all of it, for \"referral\" in %s:%ui",
                          &s->clcf->name, s->conf->place->file,
                          s->conf->place->line);
        }

        return;
    }

#endif

    value = &s->rlcf->link.code->value;

    if (value->len != 2
        || value->data[0] != '$'
        || value->data[1] < '1'
        || value->data[1] > '9')
    {
        return;
    }

    if (s->clcf->named
#if (NGX_PCRE)
        || s->cscf->captures
#endif
        || ngx_http_referral_has_rewrites(cf, s->clcf->loc_conf)
        || ngx_http_referral_has_rewrites(cf, s->cscf->ctx->loc_conf))
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"%V\" is empty here, as location \"%V\" is no regular "
                  "expression: every code is unknown; leave it out, and the "
                  "code is what follows the prefix, for \"referral\" in %s:%ui",
                  value, &s->clcf->name, s->conf->place->file,
                  s->conf->place->line);
}


/*
 * 1 for "(\w+)" and "([a-z0-9]+)" at the end, 0 for "(.+)", "([^/]+)" and
 * "(\w+)$"
 */

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


/* warns of constants where only a variable makes sense */

static void
ngx_http_referral_check_values(ngx_conf_t *cf, ngx_http_referral_short_t *s)
{
    ngx_str_t                       *value;
    referral_str_t                   channel;
    ngx_http_referral_loc_conf_t    *rlcf;
    ngx_http_referral_click_conf_t  *conf;

    rlcf = s->rlcf;
    conf = s->conf;

    if (rlcf->exclude && rlcf->exclude->lengths == NULL) {
        value = &rlcf->exclude->value;

        if (value->len && !(value->len == 1 && value->data[0] == '0')) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"referral_exclude\" \"%V\" is no variable: every "
                          "click is excluded, for \"referral\" in %s:%ui",
                          value, conf->place->file, conf->place->line);
        }
    }

    if (conf->channel && conf->channel->lengths == NULL) {
        value = &conf->channel->value;

        channel.len = value->len;
        channel.data = value->data;

        if (value->len && !referral_word_valid(&channel)) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"referral_channel\" \"%V\" counts as \"other\": "
                          "up to 32 of a-z, 0-9, \"_\", \".\" and \"-\" make "
                          "a channel, for \"referral\" in %s:%ui",
                          value, conf->place->file, conf->place->line);
        }
    }
}


static void
ngx_http_referral_check_fallback(ngx_conf_t *cf, ngx_http_referral_short_t *s)
{
    u_char                          *args;
    ngx_str_t                        uri, host;
    referral_str_t                   text, *landing;
    ngx_http_core_loc_conf_t        *clcf, *found;
    ngx_http_referral_loc_conf_t    *rlcf;
    ngx_http_referral_click_conf_t  *conf, *target;

    rlcf = s->rlcf;
    conf = s->conf;

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

        landing = conf->hosts->elts;
        host.len = landing->len;
        host.data = landing->data;

        if (!ngx_http_referral_click_has_name(s->cscf, &host)) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"referral_fallback\" has a variable before its "
                          "path and may lead to \"%V\" alone, the host of "
                          "\"referral_landing\": name others with "
                          "\"referral_allow\" for \"referral\" in %s:%ui",
                          &host, conf->place->file, conf->place->line);
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
                          &uri, conf->place->file, conf->place->line);
            return;
        }

    } else {

        if (ngx_strlchr(uri.data, uri.data + uri.len, '$')
            || ngx_strlchr(uri.data, uri.data + uri.len, '{'))
        {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"referral_fallback\" \"%V\" is used literally: a "
                          "path has no variables, but its page can use "
                          "$referral_result, for \"referral\" in %s:%ui",
                          &uri, conf->place->file, conf->place->line);
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

    target = found->loc_conf[ngx_http_referral_click_module.ctx_index];

    if (target->place) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"referral_fallback\" \"%V\" leads to a short link "
                      "again, that of %s:%ui: visitors get 404, for "
                      "\"referral\" in %s:%ui",
                      &rlcf->fallback->location, target->place->file,
                      target->place->line,
                      conf->place->file, conf->place->line);
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
 * nginx's search for a location, without a request.  1: "=" or a regular
 * expression matches, and the search is over; 0: "found" is the longest
 * prefix, if it is set.
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


/* names of the tree's nodes are parts, those of their locations are whole */

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
