#include <arpa/inet.h>

#include "referral_url.h"


#define REFERRAL_HOST_MAX       253
#define REFERRAL_DNS_LABEL_MAX  63

/* a byte times this is a word of eight such bytes */
#define REFERRAL_URL_EACH   0x0101010101010101ULL


/* reads the name of an argument byte by byte */

typedef struct {
    const u_char   *pos;
    const u_char   *last;
    unsigned        foreign:1;
    unsigned        list:1;      /* a "[" in the name was closed */
} referral_name_t;


static int referral_url_clean(const u_char *p, size_t len, u_char other);
static inline uint64_t referral_url_dirt(const u_char *p, u_char other);
static int referral_url_authority(referral_url_t *url, u_char *p,
    u_char *last, const char **err);
static size_t referral_host_name(const u_char *p, size_t len);
static int referral_host_name_valid(const referral_str_t *host);
static int referral_host_ipv6_valid(const referral_str_t *host);
static unsigned referral_args_add(referral_buf_t *out,
    const referral_str_t *args, size_t max, int foreign);
static int referral_args_have(const u_char *p, const u_char *last,
    const u_char *arg, const u_char *end, int foreign);
static int referral_args_same(const u_char *a, const u_char *alast,
    const u_char *b, const u_char *blast, int foreign);
static void referral_name_init(referral_name_t *name, const u_char *p,
    const u_char *last, int foreign);
static int referral_name_next(referral_name_t *name);
static int referral_name_byte(referral_name_t *name);


int
referral_url_parse(referral_url_t *url, const referral_str_t *text,
    const char **err)
{
    size_t   n;
    u_char  *p, *end, *last;

    memset(url, 0, sizeof(referral_url_t));

    if (text->len > REFERRAL_URL_MAX) {
        *err = "a URL longer than 2048 bytes";
        return REFERRAL_ERROR;
    }

    if (!referral_url_clean(text->data, text->len, '\\')) {
        *err = memchr(text->data, '\\', text->len)
               ? "a backslash in a URL"
               : "a URL holds a byte that is not printable ASCII";
        return REFERRAL_ERROR;
    }

    n = referral_url_scheme(text);

    if (n == 0) {
        *err = "a URL must start with http:// or https://";
        return REFERRAL_ERROR;
    }

    url->scheme.data = text->data;
    url->scheme.len = n - 3;

    p = text->data + n;
    last = text->data + text->len;

    n = referral_host_name(p, last - p);
    end = p + n;

    if (n && (end == last || referral_url_before_path(end, 1) == 0)) {
        url->host.data = p;
        url->host.len = n;

    } else {
        end = p + referral_url_before_path(p, last - p);

        if (referral_url_authority(url, p, end, err) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }
    }

    p = end;
    end = memchr(p, '#', last - p);

    if (end) {
        url->fragment.data = end + 1;
        url->fragment.len = last - end - 1;
        last = end;
    }

    end = memchr(p, '?', last - p);

    if (end) {
        url->args.data = end + 1;
        url->args.len = last - end - 1;
        last = end;
    }

    url->path.data = p;
    url->path.len = last - p;

    return REFERRAL_OK;
}


/* are all bytes 0x21 to 0x7e, no backslash and not "other"? */

static int
referral_url_clean(const u_char *p, size_t len, u_char other)
{
    u_char         c;
    uint64_t       bad;
    const u_char  *last;

    if (len < 8) {

        for ( /* void */ ; len; len--) {
            c = *p++;

            if (c < 0x21 || c > 0x7e || c == '\\' || c == other) {
                return 0;
            }
        }

        return 1;
    }

    last = p + len - 8;

    for (bad = 0; p < last; p += 8) {
        bad |= referral_url_dirt(p, other);
    }

    bad |= referral_url_dirt(last, other);

    return (bad & 0x80 * REFERRAL_URL_EACH) == 0;
}


/*
 * Checks eight bytes at once.  A top bit that is set in the result means that
 * at least one of them is not allowed; it does not tell which.
 */

static inline uint64_t
referral_url_dirt(const u_char *p, u_char other)
{
    uint64_t  w;

    memcpy(&w, p, 8);

    return w
           | (w - 0x21 * REFERRAL_URL_EACH)
           | (w + REFERRAL_URL_EACH)
           | ((w ^ '\\' * REFERRAL_URL_EACH) - REFERRAL_URL_EACH)
           | ((w ^ other * REFERRAL_URL_EACH) - REFERRAL_URL_EACH);
}


size_t
referral_url_scheme(const referral_str_t *text)
{
    size_t   n;
    u_char  *p;

    p = text->data;

    if (text->len < 7
        || (p[0] | 0x20) != 'h' || (p[1] | 0x20) != 't'
        || (p[2] | 0x20) != 't' || (p[3] | 0x20) != 'p')
    {
        return 0;
    }

    n = (p[4] | 0x20) == 's' ? 5 : 4;

    if (text->len < n + 3 || memcmp(p + n, "://", 3) != 0) {
        return 0;
    }

    return n + 3;
}


size_t
referral_url_before_path(const u_char *p, size_t len)
{
    size_t  n;

    for (n = 0; n < len; n++) {
        if (p[n] == '/' || p[n] == '?' || p[n] == '#') {
            break;
        }
    }

    return n;
}


static int
referral_url_authority(referral_url_t *url, u_char *p, u_char *last,
    const char **err)
{
    u_char  *end;

    if (memchr(p, '@', last - p)) {
        *err = "a user name or \"@\" before a URL's path";
        return REFERRAL_ERROR;
    }

    url->host.data = p;

    if (p < last && *p == '[') {
        end = memchr(p, ']', last - p);

        if (end == NULL) {
            *err = "a URL's host has \"[\" without \"]\"";
            return REFERRAL_ERROR;
        }

        end++;
        url->host.len = end - p;

        if (!referral_host_ipv6_valid(&url->host)) {
            *err = "a URL's host is not an IPv6 address";
            return REFERRAL_ERROR;
        }

    } else {
        end = memchr(p, ':', last - p);

        if (end == NULL) {
            end = last;
        }

        url->host.len = end - p;

        if (url->host.len == 0) {
            *err = "a URL without a host";
            return REFERRAL_ERROR;
        }

        if (!referral_host_name_valid(&url->host)) {
            *err = memchr(p, '%', end - p)
                   ? "a URL's host must be ASCII: other letters are written"
                     " in Punycode, \"xn--...\""
                   : "a URL's host must be labels of letters, digits, \"-\""
                     " and \"_\" with dots between them";
            return REFERRAL_ERROR;
        }
    }

    if (end == last) {
        return REFERRAL_OK;
    }

    url->port.data = end + 1;
    url->port.len = last - end - 1;

    if (*end != ':' || referral_str_uint(&url->port, 65535) < 1) {
        *err = "a URL's port must be 1 to 65535";
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


/* the length of the host name at the start; 0: there is no valid one */

static size_t
referral_host_name(const u_char *p, size_t len)
{
    size_t  i, label;

    static const u_char  letter[256] = {
        ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['-'] = 1,
        ['_'] = 1
    };

    label = 0;

    for (i = 0; i < len; i++) {

        if (letter[p[i]]) {
            label++;
            continue;
        }

        if (p[i] != '.') {
            break;
        }

        if (label == 0 || label > REFERRAL_DNS_LABEL_MAX) {
            return 0;
        }

        label = 0;
    }

    if (label == 0 || label > REFERRAL_DNS_LABEL_MAX
        || i > REFERRAL_HOST_MAX)
    {
        return 0;
    }

    return i;
}


static int
referral_host_name_valid(const referral_str_t *host)
{
    return host->len && referral_host_name(host->data, host->len) == host->len;
}


/* "host" includes the brackets */

static int
referral_host_ipv6_valid(const referral_str_t *host)
{
    u_char  addr[16];
    char    text[INET6_ADDRSTRLEN];
    size_t  len;

    if (host->len < 3 || host->data[0] != '['
        || host->data[host->len - 1] != ']')
    {
        return 0;
    }

    len = host->len - 2;

    if (len >= sizeof(text) || memchr(host->data + 1, '\0', len)) {
        return 0;
    }

    memcpy(text, host->data + 1, len);
    text[len] = '\0';

    return inet_pton(AF_INET6, text, addr) == 1;
}


int
referral_host_allowed(const referral_str_t *host,
    const referral_str_t *patterns, size_t n)
{
    size_t   i, len, skip;
    u_char  *p;

    for (i = 0; i < n; i++) {
        p = patterns[i].data;
        len = patterns[i].len;
        skip = 0;

        if (len > 2 && p[0] == '*' && p[1] == '.') {
            p++;
            len--;

            if (host->len <= len) {
                continue;
            }

            skip = host->len - len;
        }

        if (len && host->len - skip == len
            && strncasecmp((char *) host->data + skip, (char *) p, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


int
referral_host_pattern_valid(const referral_str_t *pattern)
{
    referral_str_t  host;

    host = *pattern;

    if (host.len > 2 && host.data[0] == '*' && host.data[1] == '.') {
        host.data += 2;
        host.len -= 2;

        return referral_host_name_valid(&host);
    }

    return referral_host_name_valid(&host) || referral_host_ipv6_valid(&host);
}


unsigned
referral_url_add_args(referral_buf_t *out, const referral_str_t *args)
{
    return referral_args_add(out, args, REFERRAL_LOCATION_MAX, 0);
}


void
referral_url_forward_args(referral_buf_t *out, const referral_str_t *args)
{
    (void) referral_args_add(out, args, REFERRAL_URL_MAX, 1);
}


static unsigned
referral_args_add(referral_buf_t *out, const referral_str_t *args, size_t max,
    int foreign)
{
    size_t    len, tail, room;
    u_char    join, *p, *last, *end, *eq, *query, *known;
    u_char    fragment[REFERRAL_URL_MAX];
    unsigned  left;

    len = out->pos - out->start;

    if (args->len == 0 || len == 0) {
        return 0;
    }

    tail = 0;
    end = memchr(out->start, '#', len);

    if (end) {
        tail = out->pos - end;

        if (tail > sizeof(fragment)) {
            return 0;
        }

        memcpy(fragment, end, tail);
        out->pos = end;
    }

    query = memchr(out->start, '?', out->pos - out->start);

    if (query == NULL) {
        query = out->pos;
        join = '?';

    } else {
        query++;
        join = (query == out->pos || out->pos[-1] == '&') ? '\0' : '&';
    }

    /*
     * Only names that the URL had before are compared: two added arguments may
     * have the same name, to pass a list.
     */

    known = out->pos;

    room = out->end - out->start;

    if (room > max) {
        room = max;
    }

    left = 0;
    p = args->data;
    last = args->data + args->len;

    for ( /* void */ ; p < last; p = end + 1) {
        end = memchr(p, '&', last - p);

        if (end == NULL) {
            end = last;
        }

        eq = memchr(p, '=', end - p);

        if (eq == NULL) {
            eq = end;
        }

        len = end - p;

        if (eq == p || (end - eq == 1 && !foreign)
            || !referral_url_clean(p, len, '#')
            || referral_args_have(query, known, p, end, foreign))
        {
            continue;
        }

        if (out->pos - out->start + (join != '\0') + len + tail > room) {
            left++;
            continue;
        }

        if (join) {
            *out->pos++ = join;
        }

        memcpy(out->pos, p, len);
        out->pos += len;
        join = '&';
    }

    if (tail) {
        memcpy(out->pos, fragment, tail);
        out->pos += tail;
    }

    return left;
}


/*
 * Is the name of the argument, or of a part of it behind ";", in the URL
 * already?
 */

static int
referral_args_have(const u_char *p, const u_char *last, const u_char *arg,
    const u_char *end, int foreign)
{
    const u_char  *next, *part, *stop;

    for ( /* void */ ; p < last; p = next + 1) {

        for (next = p; next < last; next++) {
            if (*next == '&' || (foreign && *next == ';')) {
                break;
            }
        }

        for (part = arg; part < end; part = stop + 1) {
            stop = foreign ? memchr(part, ';', end - part) : NULL;

            if (stop == NULL) {
                stop = end;
            }

            if (referral_args_same(p, next, part, stop, foreign)) {
                return 1;
            }
        }
    }

    return 0;
}


static int
referral_args_same(const u_char *a, const u_char *alast, const u_char *b,
    const u_char *blast, int foreign)
{
    int              c;
    referral_name_t  first, second;

    referral_name_init(&first, a, alast, foreign);
    referral_name_init(&second, b, blast, foreign);

    do {
        c = referral_name_next(&first);

        if (c != referral_name_next(&second)) {
            return 0;
        }

    } while (c != REFERRAL_ERROR);

    return 1;
}


static void
referral_name_init(referral_name_t *name, const u_char *p, const u_char *last,
    int foreign)
{
    int              c;
    unsigned         open;
    const u_char    *eq;
    referral_name_t  ahead;

    eq = p < last ? memchr(p, '=', last - p) : NULL;

    name->pos = p;
    name->last = eq ? eq : last;
    name->foreign = foreign;
    name->list = 0;

    if (!foreign) {
        return;
    }

    /* PHP skips blanks at the start of a name */

    ahead = *name;

    while (referral_name_byte(&ahead) == ' ') {
        name->pos = ahead.pos;
    }

    ahead = *name;
    open = 0;

    while ((c = referral_name_byte(&ahead)) > 0) {
        open |= (c == '[');
        name->list |= (open && c == ']');
    }
}


/* the next byte as PHP reads it; REFERRAL_ERROR at the end of the name */

static int
referral_name_next(referral_name_t *name)
{
    int  c;

    c = referral_name_byte(name);

    if (!name->foreign) {
        return c;
    }

    switch (c) {

    case '\0':
        name->pos = name->last;
        return REFERRAL_ERROR;

    case '[':

        if (name->list) {
            name->pos = name->last;
            return REFERRAL_ERROR;
        }

        return '_';

    case ' ':
    case '.':
        return '_';
    }

    return c;
}


/* a byte, decoded as in a form */

static int
referral_name_byte(referral_name_t *name)
{
    u_char          c;
    referral_str_t  hex;

    if (name->pos == name->last) {
        return REFERRAL_ERROR;
    }

    c = *name->pos++;

    if (c == '+') {
        return ' ';
    }

    if (c == '%' && name->last - name->pos >= 2) {
        hex.data = (u_char *) name->pos;
        hex.len = 2;

        if (referral_hex_decode(&c, 1, &hex) != REFERRAL_ERROR) {
            name->pos += 2;
        }
    }

    return c;
}
