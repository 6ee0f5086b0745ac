
/*
 * Setters of the core's directives that locations have, and what setters of
 * features are made of.
 */


#include "ngx_http_referral_conf_core.h"
#include "referral_template.h"
#include "referral_url.h"


#define NGX_HTTP_REFERRAL_TEMPLATE_MAX  8192


typedef struct {
    ngx_str_t    name;
    size_t       offset;
    ngx_uint_t   value;
} ngx_http_referral_cookie_option_t;


typedef struct {
    ngx_str_t    name;
    unsigned     host:1;        /* no Domain, "/" as Path */
    unsigned     http:1;        /* HttpOnly */
} ngx_http_referral_cookie_prefix_t;


static char *ngx_http_referral_program_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv);
static char *ngx_http_referral_url(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_referral_template_t **template);
static u_char *ngx_http_referral_template_name(u_char *p, u_char *last,
    ngx_str_t *name);
static ngx_int_t ngx_http_referral_template_variable(ngx_conf_t *cf,
    ngx_http_referral_template_t *template, referral_buf_t *b,
    ngx_str_t *name);
static ngx_uint_t ngx_http_referral_cookie_word(ngx_str_t *word);
static char *ngx_http_referral_cookie_check(ngx_conf_t *cf,
    ngx_http_referral_cookie_conf_t *cookie);
static ngx_uint_t ngx_http_referral_cookie_domain_valid(ngx_str_t *domain);
static ngx_int_t ngx_http_referral_cookie_prefix(ngx_conf_t *cf,
    ngx_http_referral_cookie_conf_t *cookie);


static ngx_http_referral_cookie_option_t  ngx_http_referral_cookie_options[] = {

    { ngx_string("samesite=lax"),
      offsetof(ngx_http_referral_cookie_conf_t, samesite),
      NGX_HTTP_REFERRAL_SAMESITE_LAX },

    { ngx_string("samesite=strict"),
      offsetof(ngx_http_referral_cookie_conf_t, samesite),
      NGX_HTTP_REFERRAL_SAMESITE_STRICT },

    { ngx_string("samesite=none"),
      offsetof(ngx_http_referral_cookie_conf_t, samesite),
      NGX_HTTP_REFERRAL_SAMESITE_NONE },

    { ngx_string("samesite=off"),
      offsetof(ngx_http_referral_cookie_conf_t, samesite),
      NGX_HTTP_REFERRAL_SAMESITE_OFF },

    { ngx_string("secure=auto"),
      offsetof(ngx_http_referral_cookie_conf_t, secure),
      NGX_HTTP_REFERRAL_SECURE_AUTO },

    { ngx_string("secure=on"),
      offsetof(ngx_http_referral_cookie_conf_t, secure),
      NGX_HTTP_REFERRAL_SECURE_ON },

    { ngx_string("secure=off"),
      offsetof(ngx_http_referral_cookie_conf_t, secure),
      NGX_HTTP_REFERRAL_SECURE_OFF },

    { ngx_string("httponly=on"),
      offsetof(ngx_http_referral_cookie_conf_t, httponly), 1 },

    { ngx_string("httponly=off"),
      offsetof(ngx_http_referral_cookie_conf_t, httponly), 0 },

    { ngx_null_string, 0, 0 }
};


/* a longer name stands before the names that it begins with */

static ngx_http_referral_cookie_prefix_t
    ngx_http_referral_cookie_prefixes[] =
{
    { ngx_string("__Host-Http-"), 1, 1 },
    { ngx_string("__Host-"), 1, 0 },
    { ngx_string("__Http-"), 0, 1 },
    { ngx_string("__Secure-"), 0, 0 },
    { ngx_null_string, 0, 0 }
};


void
ngx_http_referral_need(ngx_conf_t *cf, ngx_uint_t needs)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    rmcf->enabled = 1;
    rmcf->needs |= needs;
}


char *
ngx_http_referral_content(ngx_conf_t *cf, ngx_http_handler_pt handler,
    const char *what, ngx_http_referral_place_t **place)
{
    ngx_str_t                      *value;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_referral_place_t      *p, **pp;
    ngx_http_referral_main_conf_t  *rmcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "stands in a location that has other contents already";
    }

    clcf->handler = handler;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    p = ngx_palloc(cf->pool, sizeof(ngx_http_referral_place_t));
    pp = ngx_array_push(&rmcf->places);

    if (p == NULL || pp == NULL) {
        return NGX_CONF_ERROR;
    }

    *pp = p;

    value = cf->args->elts;

    p->handler = handler;
    p->what = what;
    p->directive = value[0];
    p->file = cf->conf_file->file.name.data;
    p->line = cf->conf_file->line;
    p->clcf = clcf;
    p->cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    if (place) {
        *place = p;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_link(ngx_conf_t *cf)
{
    ngx_str_t                         *value;
    referral_str_t                     code;
    ngx_http_core_loc_conf_t          *clcf;
    ngx_http_referral_loc_conf_t      *rlcf;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    rlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_referral_module);

    if (cf->args->nelts < 3
        && (clcf->exact_match || clcf->named || clcf->noname
#if (NGX_PCRE)
            || clcf->regex
#endif
           ))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" in a location that is no prefix "
                           "needs an explicit code: \"%V PROGRAM $1;\"",
                           &value[0], &value[0]);
        return NGX_CONF_ERROR;
    }

    ngx_http_referral_need(cf, 0);

    rlcf->link.set = 1;

    if (cf->args->nelts > 1
        && ngx_http_referral_program_value(cf, &value[1], &rlcf->link.program)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts < 3) {
        return NGX_CONF_OK;
    }

    if (ngx_http_script_variables_count(&value[2]) == 0) {
        code.len = value[2].len;
        code.data = value[2].data;

        if (!referral_code_valid(&code)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid code \"%V\": up to 64 letters, "
                               "digits, \"_\" and \"-\" make one",
                               &value[2]);
            return NGX_CONF_ERROR;
        }
    }

    rlcf->link.code = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (rlcf->link.code == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[2];
    ccv.complex_value = rlcf->link.code;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


char *
ngx_http_referral_program(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_str_t  *value;

    if (rlcf->program != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    ngx_http_referral_need(cf, 0);

    return ngx_http_referral_program_value(cf, &value[1], &rlcf->program);
}


static char *
ngx_http_referral_program_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv)
{
    referral_str_t                     name;
    ngx_http_compile_complex_value_t   ccv;

    if (ngx_http_script_variables_count(value) == 0) {
        name.len = value->len;
        name.data = value->data;

        if (!referral_program_valid(&name)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid program \"%V\": up to 64 of a-z, 0-9, "
                               "\"_\", \".\" and \"-\" make a name", value);
            return NGX_CONF_ERROR;
        }
    }

    *cv = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = *cv;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


char *
ngx_http_referral_landing(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_str_t  *value;

    if (rlcf->landing != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].data[0] != '$'
        && ngx_strncasecmp(value[1].data, (u_char *) "http://", 7) != 0
        && ngx_strncasecmp(value[1].data, (u_char *) "https://", 8) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid landing \"%V\": it must be a URL that "
                           "begins with \"https://\" or \"http://\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_http_referral_url(cf, &value[1], &rlcf->landing);
}


/* compiles a URL, and checks as much of it as is fixed text */

static char *
ngx_http_referral_url(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_referral_template_t **template)
{
    const char  *err;

    if (ngx_http_referral_template(cf, value, template) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (value->data[0] != '$'
        && referral_template_url(&(*template)->code, &err) != REFERRAL_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in \"%V\"", err, value);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * placeholders are compiled by the template; each nginx variable has an index
 */

char *
ngx_http_referral_template(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_referral_template_t **template)
{
    u_char                        *p, *last, *start;
    ngx_str_t                      name;
    const char                    *err;
    referral_buf_t                 b;
    referral_str_t                 text;
    ngx_http_referral_template_t  *t;

    t = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_template_t));
    if (t == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_array_init(&t->variables, cf->pool, 1, sizeof(ngx_uint_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    t->code.data = ngx_pnalloc(cf->pool, NGX_HTTP_REFERRAL_TEMPLATE_MAX);
    if (t->code.data == NULL) {
        return NGX_CONF_ERROR;
    }

    referral_buf_init(&b, t->code.data, NGX_HTTP_REFERRAL_TEMPLATE_MAX);

    p = value->data;
    last = p + value->len;

    while (p < last) {
        start = p;

        while (p < last && *p != '$') {
            p++;
        }

        text.len = p - start;
        text.data = start;

        if (text.len
            && referral_template_text(&b, &text, &err) != REFERRAL_OK)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in \"%V\"", err,
                               value);
            return NGX_CONF_ERROR;
        }

        if (p == last) {
            break;
        }

        p = ngx_http_referral_template_name(p + 1, last, &name);

        if (name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid variable name in \"%V\"", value);
            return NGX_CONF_ERROR;
        }

        if (ngx_http_referral_template_variable(cf, t, &b, &name) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (b.overflow) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "too long \"%V\"", value);
        return NGX_CONF_ERROR;
    }

    t->code.len = b.pos - b.start;

    *template = t;

    return NGX_CONF_OK;
}


/* parses "name" or "{name}" after a "$"; returns where the text goes on */

static u_char *
ngx_http_referral_template_name(u_char *p, u_char *last, ngx_str_t *name)
{
    name->data = p;

    if (p < last && *p == '{') {
        name->data = ++p;

        while (p < last && *p != '}') {
            p++;
        }

        name->len = (p < last) ? (size_t) (p - name->data) : 0;

        return (p < last) ? p + 1 : last;
    }

    while (p < last && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
                        || (*p >= '0' && *p <= '9') || *p == '_'))
    {
        p++;
    }

    name->len = p - name->data;

    return p;
}


static ngx_int_t
ngx_http_referral_template_variable(ngx_conf_t *cf,
    ngx_http_referral_template_t *template, referral_buf_t *b, ngx_str_t *name)
{
    ngx_int_t                       index, *external;
    ngx_uint_t                      i, *position;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    index = ngx_http_get_variable_index(cf, name);
    if (index == NGX_ERROR) {
        return NGX_ERROR;
    }

    external = rmcf->externals.elts;

    for (i = 0; i < rmcf->externals.nelts; i++) {
        if (external[i] == index) {
            break;
        }
    }

    if (i == rmcf->externals.nelts) {

        if (i == REFERRAL_EXTERNAL_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "landings and fallbacks use more than %d "
                               "different variables", REFERRAL_EXTERNAL_MAX);
            return NGX_ERROR;
        }

        external = ngx_array_push(&rmcf->externals);
        if (external == NULL) {
            return NGX_ERROR;
        }

        *external = index;
    }

    position = ngx_array_push(&template->variables);
    if (position == NULL) {
        return NGX_ERROR;
    }

    *position = i;

    return referral_template_external(b, i) == REFERRAL_OK ? NGX_OK
                                                           : NGX_ERROR;
}


char *
ngx_http_referral_fallback(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_str_t                     *value;
    ngx_http_referral_fallback_t  *fallback;

    if (rlcf->fallback != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    fallback = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_fallback_t));
    if (fallback == NULL) {
        return NGX_CONF_ERROR;
    }

    rlcf->fallback = fallback;

    value = cf->args->elts;

    if ((value[1].data[0] == '@' && value[1].len > 1)
        || (value[1].data[0] == '/' && value[1].data[1] != '/'))
    {
        fallback->location = value[1];
        return NGX_CONF_OK;
    }

    if (ngx_strncasecmp(value[1].data, (u_char *) "http://", 7) != 0
        && ngx_strncasecmp(value[1].data, (u_char *) "https://", 8) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid fallback \"%V\": a URL that begins with "
                           "\"https://\", \"/path\" or \"@name\" are right",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_http_referral_url(cf, &value[1], &fallback->url);
}


char *
ngx_http_referral_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_str_t       *value;
    ngx_uint_t       i;
    referral_str_t  *pattern;

    value = cf->args->elts;

    if (rlcf->allow == NGX_CONF_UNSET_PTR) {
        rlcf->allow = ngx_array_create(cf->pool, cf->args->nelts,
                                       sizeof(referral_str_t));
        if (rlcf->allow == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    for (i = 1; i < cf->args->nelts; i++) {
        pattern = ngx_array_push(rlcf->allow);
        if (pattern == NULL) {
            return NGX_CONF_ERROR;
        }

        pattern->len = value[i].len;
        pattern->data = value[i].data;

        referral_str_lower(pattern);

        if (!referral_host_pattern_valid(pattern)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid host \"%V\": \"shop.example.com\" "
                               "and \"*.example.com\" are right", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_cookie(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_int_t                           rc;
    ngx_str_t                          *value;
    ngx_uint_t                          i;
    ngx_http_referral_cookie_conf_t    *cookie;
    ngx_http_referral_cookie_option_t  *option;

    if (rlcf->cookie != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    cookie = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_cookie_conf_t));
    if (cookie == NULL) {
        return NGX_CONF_ERROR;
    }

    rlcf->cookie = cookie;

    cookie->samesite = NGX_HTTP_REFERRAL_SAMESITE_LAX;
    cookie->httponly = 1;
    ngx_str_set(&cookie->path, "/");

    value = cf->args->elts;

    if (ngx_strcasecmp(value[1].data, (u_char *) "off") == 0) {
        return cf->args->nelts == 2 ? NGX_CONF_OK
                                    : "takes no parameters after \"off\"";
    }

    if (ngx_http_referral_cookie_word(&value[1])) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"referral_cookie\": \"%V\" is taken for the name "
                           "of the cookie; parameters are like \"secure=on\", "
                           "and without a name it is \"ref_PROGRAM\"",
                           &value[1]);
    }

    cookie->enabled = 1;
    i = 1;

    /* the name may be left out */

    if (ngx_strlchr(value[1].data, value[1].data + value[1].len, '=')
        == NULL)
    {
        cookie->name = value[1];
        i = 2;
    }

    for ( /* void */ ; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "domain=", 7) == 0) {
            cookie->domain.len = value[i].len - 7;
            cookie->domain.data = value[i].data + 7;
            continue;
        }

        if (ngx_strncmp(value[i].data, "path=", 5) == 0) {
            cookie->path.len = value[i].len - 5;
            cookie->path.data = value[i].data + 5;
            continue;
        }

        option = ngx_http_referral_cookie_options;

        while (option->name.len
               && (option->name.len != value[i].len
                   || ngx_memcmp(option->name.data, value[i].data,
                                 value[i].len)
                      != 0))
        {
            option++;
        }

        if (option->name.len) {
            *(ngx_uint_t *) ((char *) cookie + option->offset) = option->value;
            continue;
        }

        rc = ngx_http_referral_seconds(cf, &value[i], "max_age=", 1,
                                       REFERRAL_WINDOW_MAX, &cookie->max_age);

        ngx_http_referral_unit(cf, &value[i], "max_age=", 3600, "d");

        if (rc == NGX_DECLINED) {
            rc = ngx_http_referral_bad(cf, &value[i], "\"domain=\", "
                  "\"path=\", \"max_age=\", \"samesite=lax|strict|none|off\", "
                  "\"secure=auto|on|off\" and \"httponly=on|off\" are right");
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_referral_cookie_check(cf, cookie);
}


/* 1: the word is hardly meant as the cookie's name */

static ngx_uint_t
ngx_http_referral_cookie_word(ngx_str_t *word)
{
    ngx_uint_t  i;

    static const char  *words[] = {
        "on", "secure", "httponly", "lax", "strict", "none", "auto",
        "samesite", "domain", "path", "max_age"
    };

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (ngx_strcasecmp(word->data, (u_char *) words[i]) == 0) {
            return 1;
        }
    }

    return 0;
}


static char *
ngx_http_referral_cookie_check(ngx_conf_t *cf,
    ngx_http_referral_cookie_conf_t *cookie)
{
    size_t   i;
    u_char   ch;

    for (i = 0; i < cookie->name.len; i++) {
        ch = cookie->name.data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9')
              || ch == '_' || ch == '-' || ch == '.'))
        {
            break;
        }
    }

    if (i < cookie->name.len || i > 64) {
        ngx_http_referral_bad(cf, &cookie->name, "a cookie's name is of up "
                              "to 64 letters, digits, \"_\", \"-\" and \".\"");
        return NGX_CONF_ERROR;
    }

    if (cookie->domain.len
        && !ngx_http_referral_cookie_domain_valid(&cookie->domain))
    {
        ngx_http_referral_bad(cf, &cookie->domain,
                              "\"domain=example.com\" is right");
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < cookie->path.len; i++) {
        ch = cookie->path.data[i];

        if (ch < 0x21 || ch > 0x7e || ch == ';') {
            break;
        }
    }

    if (i < cookie->path.len || i == 0 || cookie->path.data[0] != '/') {
        ngx_http_referral_bad(cf, &cookie->path, "\"path=/\" is right");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_referral_cookie_prefix(cf, cookie) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (cookie->samesite == NGX_HTTP_REFERRAL_SAMESITE_NONE
        && cookie->secure != NGX_HTTP_REFERRAL_SECURE_ON)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"samesite=none\" needs \"secure=on\": browsers "
                           "do not take it otherwise");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* labels with dots between them, and maybe a dot in front */

static ngx_uint_t
ngx_http_referral_cookie_domain_valid(ngx_str_t *domain)
{
    size_t  i;
    u_char  ch, last;

    last = '.';

    for (i = (domain->data[0] == '.'); i < domain->len; i++) {
        ch = domain->data[i];

        if (ch == '.' || ch == '-') {
            if (last == '.' || (ch == '.' && last == '-')) {
                return 0;
            }

        } else if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
                     || (ch >= '0' && ch <= '9') || ch == '_'))
        {
            return 0;
        }

        last = ch;
    }

    return last != '.' && last != '-';
}


/*
 * prefixes of names that browsers take only with some attributes, in any case
 */

static ngx_int_t
ngx_http_referral_cookie_prefix(ngx_conf_t *cf,
    ngx_http_referral_cookie_conf_t *cookie)
{
    ngx_http_referral_cookie_prefix_t  *prefix;

    prefix = ngx_http_referral_cookie_prefixes;

    while (prefix->name.len
           && (cookie->name.len < prefix->name.len
               || ngx_strncasecmp(cookie->name.data, prefix->name.data,
                                  prefix->name.len)
                  != 0))
    {
        prefix++;
    }

    if (prefix->name.len == 0) {
        return NGX_OK;
    }

    if (prefix->host && (cookie->domain.len || cookie->path.len != 1)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "browsers take a cookie \"%V\" only without "
                           "\"domain=\" and with \"path=/\"", &cookie->name);
        return NGX_ERROR;
    }

    if (cookie->secure == NGX_HTTP_REFERRAL_SECURE_OFF) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "browsers do not take a cookie \"%V\" with "
                           "\"secure=off\"", &cookie->name);
        return NGX_ERROR;
    }

    if (prefix->http && !cookie->httponly) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "browsers do not take a cookie \"%V\" with "
                           "\"httponly=off\"", &cookie->name);
        return NGX_ERROR;
    }

    /* even over plain HTTP: TLS may end in front of nginx */

    cookie->secure = NGX_HTTP_REFERRAL_SECURE_ON;

    return NGX_OK;
}


char *
ngx_http_referral_utc_offset(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    int              minutes;
    ngx_str_t       *value;
    referral_str_t   text;

    if (rlcf->utc_offset != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    text.len = value[1].len;
    text.data = value[1].data;

    if (referral_offset_parse(&minutes, &text) != REFERRAL_OK) {
        ngx_http_referral_bad(cf, &value[1], referral_offset_wrong(&text));
        return NGX_CONF_ERROR;
    }

    if (rlcf->timezone != NGX_CONF_UNSET_PTR) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" has no effect beside "
                           "\"referral_timezone\"", &cmd->name);
    }

    rlcf->utc_offset = minutes;

    return NGX_CONF_OK;
}


char *
ngx_http_referral_timezone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    char                            wrong[REFERRAL_TIMEZONE_WRONG];
    ngx_str_t                      *value;
    referral_str_t                  name;
    ngx_http_referral_main_conf_t  *rmcf;

    if (rlcf->timezone != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    if (ngx_http_referral_timezone_init(cf, &rmcf->timezone) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    name.len = value[1].len;
    name.data = value[1].data;

    if (referral_timezones_find(rmcf->timezone.zones, &name) == NULL) {
        referral_timezones_wrong(rmcf->timezone.zones, &name, wrong);

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid value \"%V\" in "
                           "\"%V\": %s", &value[1], &cmd->name, wrong);
        return NGX_CONF_ERROR;
    }

    if (rlcf->utc_offset != NGX_CONF_UNSET) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"referral_utc_offset\" has no effect beside "
                           "\"%V\"", &cmd->name);
    }

    rlcf->timezone = ngx_palloc(cf->pool, sizeof(ngx_str_t));
    if (rlcf->timezone == NULL) {
        return NGX_CONF_ERROR;
    }

    *rlcf->timezone = value[1];

    return NGX_CONF_OK;
}


/* like ngx_conf_set_enum_slot(), but the error says what is right */

char *
ngx_http_referral_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t        *value;
    ngx_uint_t       *np;
    ngx_conf_enum_t  *e;

    np = (ngx_uint_t *) (p + cmd->offset);

    if (*np != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (e = cmd->post; e->name.len; e++) {
        if (e->name.len == value[1].len
            && ngx_strcasecmp(e->name.data, value[1].data) == 0)
        {
            *np = e->value;
            return NGX_CONF_OK;
        }
    }

    e = cmd->post;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\": \"%V\" and \"%V\" are "
                       "right", &value[1], &cmd->name, &e[0].name, &e[1].name);

    return NGX_CONF_ERROR;
}


/* parses "name=30s"; NGX_DECLINED: it has another name */

ngx_int_t
ngx_http_referral_seconds(ngx_conf_t *cf, ngx_str_t *arg, const char *name,
    time_t min, time_t max, time_t *value)
{
    size_t     len;
    ngx_int_t  n;
    ngx_str_t  s;

    len = ngx_strlen(name);

    if (arg->len < len || ngx_strncmp(arg->data, name, len) != 0) {
        return NGX_DECLINED;
    }

    s.len = arg->len - len;
    s.data = arg->data + len;

    n = ngx_parse_time(&s, 1);

    if (n == NGX_ERROR || n < min || n > max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": a time of %T to %T seconds is "
                           "right, such as \"%s90s\" or \"%s30d\"",
                           arg, min, max, name, name);
        return NGX_ERROR;
    }

    *value = n;

    return NGX_OK;
}


/* nginx reads a bare number as seconds: warns if that is hardly meant */

void
ngx_http_referral_unit(ngx_conf_t *cf, ngx_str_t *arg, const char *name,
    time_t least, const char *unit)
{
    size_t     len;
    ngx_int_t  n;
    ngx_str_t  s;

    len = ngx_strlen(name);

    if (arg->len < len || ngx_strncmp(arg->data, name, len) != 0) {
        return;
    }

    s.len = arg->len - len;
    s.data = arg->data + len;

    if (!ngx_http_referral_digits(&s)) {
        return;
    }

    n = ngx_atoi(s.data, s.len);

    if (n > 0 && n < least) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" is %i seconds: \"%V%s\" is more likely to "
                           "be meant", arg, n, arg, unit);
    }
}


ngx_uint_t
ngx_http_referral_digits(ngx_str_t *s)
{
    return s->len && ngx_atoi(s->data, s->len) != NGX_ERROR;
}


ngx_int_t
ngx_http_referral_bad(ngx_conf_t *cf, ngx_str_t *arg, const char *right)
{
    ngx_str_t   shown, *directive;

    directive = cf->args->elts;

    /* a long argument must not push "right" out of the log's line */

    shown.len = ngx_min(arg->len, 256);
    shown.data = arg->data;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"%V\": %s",
                       &shown, directive, right);

    return NGX_ERROR;
}
