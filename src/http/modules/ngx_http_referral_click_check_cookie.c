
/*
 * Warnings about the attribution cookie: browsers refuse it, it does not reach
 * the landing, or two programs overwrite each other's.
 */


#include "ngx_http_referral_click.h"
#include "referral_template.h"


static ngx_uint_t ngx_http_referral_domain_refused(ngx_http_server_name_t *sn,
    ngx_str_t *domain);
static void ngx_http_referral_check_reach(ngx_conf_t *cf,
    ngx_http_referral_short_t *s, ngx_str_t *domain);
static void ngx_http_referral_common_domain(ngx_str_t *a, ngx_str_t *b,
    ngx_str_t *common);
static ngx_uint_t ngx_http_referral_same_cookie(ngx_http_referral_short_t *a,
    ngx_http_referral_short_t *b);
static ngx_str_t *ngx_http_referral_literal_program(
    ngx_http_referral_loc_conf_t *rlcf);
static ngx_uint_t ngx_http_referral_same_host(ngx_http_core_srv_conf_t *a,
    ngx_http_core_srv_conf_t *b);
static ngx_uint_t ngx_http_referral_within(ngx_str_t *host, ngx_str_t *domain);
static ngx_uint_t ngx_http_referral_dotted(ngx_str_t *s);
static void ngx_http_referral_cookie_domain(
    ngx_http_referral_cookie_conf_t *cookie, ngx_str_t *domain);


/* warns if browsers refuse the cookie, or if it does not reach the landing */

void
ngx_http_referral_click_check_cookie(ngx_conf_t *cf,
    ngx_http_referral_short_t *s)
{
    ngx_str_t                         domain;
    ngx_uint_t                        i;
    ngx_http_server_name_t           *sn;
    ngx_http_referral_cookie_conf_t  *cookie;

    cookie = s->rlcf->cookie;

    if (!cookie->enabled) {
        return;
    }

    ngx_http_referral_cookie_domain(cookie, &domain);

    if (domain.len) {
        sn = s->cscf->server_names.elts;

        for (i = 0; i < s->cscf->server_names.nelts; i++) {
            if (ngx_http_referral_domain_refused(&sn[i], &domain)) {
                ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                              "browsers refuse \"domain=%V\" from \"%V\": it "
                              "must be that host or a domain that the host "
                              "is in, for \"referral\" in %s:%ui",
                              &cookie->domain, &sn[i].name,
                              s->conf->place->file, s->conf->place->line);
                return;
            }
        }
    }

    ngx_http_referral_check_reach(cf, s, &domain);
}


/* RFC 6265, 5.3; 0 also if the host is not known for certain */

static ngx_uint_t
ngx_http_referral_domain_refused(ngx_http_server_name_t *sn, ngx_str_t *domain)
{
    ngx_str_t   host;
    ngx_uint_t  wildcard;

#if (NGX_PCRE)
    if (sn->regex) {
        return 0;
    }
#endif

    host = sn->name;
    wildcard = 0;

    if (host.len > 2 && host.data[0] == '*') {
        host.data += 2;
        host.len -= 2;
        wildcard = 1;

    } else if (host.len > 1 && host.data[0] == '.') {
        host.data++;
        host.len--;
        wildcard = 1;
    }

    /* "localhost" and "_" stand for any host */

    if (!ngx_http_referral_dotted(&host) || host.data[host.len - 1] == '*') {
        return 0;
    }

    /* browsers refuse a top-level domain, such as "com" */

    if (!ngx_http_referral_dotted(domain)) {
        return 1;
    }

    if (ngx_inet_addr(host.data, host.len) != INADDR_NONE) {
        return host.len != domain->len
               || ngx_strncasecmp(host.data, domain->data, host.len) != 0;
    }

    return !ngx_http_referral_within(&host, domain)
           && !(wildcard && ngx_http_referral_within(domain, &host));
}


static void
ngx_http_referral_check_reach(ngx_conf_t *cf, ngx_http_referral_short_t *s,
    ngx_str_t *domain)
{
    ngx_str_t                      landing, host, common;
    referral_str_t                 text;
    ngx_http_referral_loc_conf_t  *rlcf;

    rlcf = s->rlcf;

    if (rlcf->landing == NULL
        || referral_template_host(&rlcf->landing->code, &text) != REFERRAL_OK)
    {
        return;
    }

    landing.len = text.len;
    landing.data = text.data;

    host = s->cscf->server_name;

    if (host.len > 2 && host.data[0] == '*') {
        host.data += 2;
        host.len -= 2;

        if (ngx_http_referral_within(&landing, &host)) {
            return;
        }
    }

    if (domain->len) {
        if (ngx_http_referral_within(&landing, domain)) {
            return;
        }

    } else if (!ngx_http_referral_dotted(&host)
               || (host.len == landing.len
                   && ngx_strncasecmp(host.data, landing.data, host.len) == 0))
    {
        return;
    }

    ngx_http_referral_common_domain(&landing, &host, &common);

    if (common.len) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "the attribution cookie of \"%s%V\" does not reach the "
                      "landing on \"%V\": set \"referral_cookie\" with "
                      "\"domain=%V\", or let the landing keep click_id, for "
                      "\"referral\" in %s:%ui",
                      domain->len ? "domain=" : "",
                      domain->len ? domain : &host, &landing, &common,
                      s->conf->place->file, s->conf->place->line);
        return;
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "the attribution cookie of \"%s%V\" does not reach the "
                  "landing on \"%V\": let the landing keep click_id, for "
                  "\"referral\" in %s:%ui",
                  domain->len ? "domain=" : "", domain->len ? domain : &host,
                  &landing, s->conf->place->file, s->conf->place->line);
}


/*
 * the longest common domain; none if it may be a registry's, such as "co.uk"
 */

static void
ngx_http_referral_common_domain(ngx_str_t *a, ngx_str_t *b, ngx_str_t *common)
{
    u_char      *p;
    size_t       i, n, last;
    ngx_str_t    text;
    ngx_uint_t   labels;

    common->len = 0;
    common->data = NULL;

    if (ngx_inet_addr(a->data, a->len) != INADDR_NONE) {
        return;
    }

    labels = 0;
    last = 0;

    for (i = a->len; i-- > 0; /* void */ ) {
        p = a->data + i;
        n = a->len - i;

        if (i > 0 && p[-1] != '.') {
            continue;
        }

        text.len = n;
        text.data = p;

        if (!ngx_http_referral_within(b, &text)) {
            return;
        }

        labels++;

        if (labels == 1) {
            last = n;
        }

        if (labels > 2 || (labels == 2 && (last > 2 || n > last + 4))) {
            *common = text;
        }
    }
}


/* warns of two programs with one cookie, which overwrite each other's */

void
ngx_http_referral_click_check_shared(ngx_conf_t *cf,
    ngx_http_referral_short_t *s, ngx_uint_t n)
{
    ngx_uint_t                       i;
    ngx_http_referral_click_conf_t  *conf, *other;

    conf = s[n].conf;

    for (i = 0; i < n; i++) {

        if (!ngx_http_referral_same_cookie(&s[i], &s[n])) {
            continue;
        }

        other = s[i].conf;

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "programs \"%V\" and \"%V\" share the cookie \"%V\", "
                      "and a click on one ends the attribution of the other: "
                      "give each a name of its own with \"referral_cookie\", "
                      "for \"referral\" in %s:%ui and in %s:%ui",
                      ngx_http_referral_literal_program(s[i].rlcf),
                      ngx_http_referral_literal_program(s[n].rlcf),
                      &s[n].rlcf->cookie->name, other->place->file,
                      other->place->line, conf->place->file, conf->place->line);
        return;
    }
}


/* compares name, path and domain, by which browsers tell cookies apart */

static ngx_uint_t
ngx_http_referral_same_cookie(ngx_http_referral_short_t *a,
    ngx_http_referral_short_t *b)
{
    ngx_str_t                        *p, *q, d, e;
    ngx_http_referral_cookie_conf_t  *c, *k;

    c = a->rlcf->cookie;
    k = b->rlcf->cookie;

    if (!c->enabled || !k->enabled
        || c->name.len == 0 || c->name.len != k->name.len
        || ngx_strncmp(c->name.data, k->name.data, c->name.len) != 0
        || c->path.len != k->path.len
        || ngx_strncmp(c->path.data, k->path.data, c->path.len) != 0)
    {
        return 0;
    }

    p = ngx_http_referral_literal_program(a->rlcf);
    q = ngx_http_referral_literal_program(b->rlcf);

    if (p == NULL || q == NULL
        || (p->len == q->len && ngx_strncmp(p->data, q->data, p->len) == 0))
    {
        return 0;
    }

    ngx_http_referral_cookie_domain(c, &d);
    ngx_http_referral_cookie_domain(k, &e);

    if (d.len == 0 && e.len == 0) {
        return ngx_http_referral_same_host(a->cscf, b->cscf);
    }

    return d.len == e.len && ngx_strncasecmp(d.data, e.data, d.len) == 0;
}


/* NULL: the program comes from a variable */

static ngx_str_t *
ngx_http_referral_literal_program(ngx_http_referral_loc_conf_t *rlcf)
{
    ngx_http_complex_value_t  *program;

    program = rlcf->link.program ? rlcf->link.program : rlcf->program;

    return program->lengths ? NULL : &program->value;
}


/* one server, or two that share a name, such as on different ports */

static ngx_uint_t
ngx_http_referral_same_host(ngx_http_core_srv_conf_t *a,
    ngx_http_core_srv_conf_t *b)
{
    ngx_uint_t               i;
    ngx_http_server_name_t  *sn;

    if (a == b) {
        return 1;
    }

    sn = a->server_names.elts;

    for (i = 0; i < a->server_names.nelts; i++) {
        if (sn[i].name.len > 1
            && ngx_http_referral_click_has_name(b, &sn[i].name))
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_referral_click_has_name(ngx_http_core_srv_conf_t *cscf,
    ngx_str_t *name)
{
    ngx_uint_t               i;
    ngx_http_server_name_t  *sn;

    sn = cscf->server_names.elts;

    for (i = 0; i < cscf->server_names.nelts; i++) {
        if (sn[i].name.len == name->len
            && ngx_strncasecmp(sn[i].name.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* the domain itself, or a host in it */

static ngx_uint_t
ngx_http_referral_within(ngx_str_t *host, ngx_str_t *domain)
{
    size_t  n;

    if (host->len < domain->len) {
        return 0;
    }

    n = host->len - domain->len;

    return ngx_strncasecmp(host->data + n, domain->data, domain->len) == 0
           && (n == 0 || host->data[n - 1] == '.');
}


static ngx_uint_t
ngx_http_referral_dotted(ngx_str_t *s)
{
    return ngx_strlchr(s->data, s->data + s->len, '.') != NULL;
}


/* without a dot in front, which browsers ignore */

static void
ngx_http_referral_cookie_domain(ngx_http_referral_cookie_conf_t *cookie,
    ngx_str_t *domain)
{
    *domain = cookie->domain;

    if (domain->len && domain->data[0] == '.') {
        domain->data++;
        domain->len--;
    }
}
