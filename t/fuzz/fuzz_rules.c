/* link: referral_rules.c referral_lang.c referral_template.c referral_url.c referral_conditions.c referral_hash.c referral_str.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_name.c */

/*
 * Each grammar by itself.  The first byte selects it: a template, rules, a URL
 * with arguments, a pattern of hosts, a date, a duration.
 */

#include "fuzz.h"
#include "referral_rules.h"


#define NOW  1795000000000LL


static void
complain(void *data, unsigned line, const char *what)
{
    (void) data;

    fuzz_check(line > 0 && what[0] != '\0');
}


static void
traced(void *data, unsigned line, const char *condition)
{
    (void) data;

    fuzz_check(line > 0 && condition[0] != '\0');
}


static void
fuzz_seeds(void)
{
    fuzz_seed_text("0" "https://shop.example.com/{lang|en}/?ref={code}#{name}");
    fuzz_seed_text("0" "https://{country|us}.example.com:443/a{{b}}");
    fuzz_seed_text("1" "# comment\ncountry=JP,!KR lang=zh as=b https://a/\n"
        "bucket=0-49 region=JP-13 app=line device=mobile os=ios "
        "channel=mail segment=vip https://shop.example.com/{city}\n"
        "starts=2026-12-01 ends=2026-12-25T10:30Z http://b.example.com/\n");
    fuzz_seed_text("2" "https://shop.example.com:8443/p/a?b=c&d#e\n"
        "x=1&b=2&=3&y=%zz");
    fuzz_seed_text("2" "https://shop.example.com/?a=b&%63=d\n"
        "ref=1&c=2\n%72ef=2&r.e+f[]=3;a=1&b=");
    fuzz_seed_text("2" "http://[2001:db8::1]/?\na=1");
    fuzz_seed_text("3" "*.example.com\nshop.example.com");
    fuzz_seed_text("4" "2026-12-01T10:30:15+09:00");
    fuzz_seed_text("4" "2026-02-29 23:59Z");
    fuzz_seed_text("5" "30d");
    fuzz_seed_text("5" "+09:00");
}


static void
template(const referral_str_t *text)
{
    uint32_t           uses;
    u_char            *code_data;
    unsigned           v;
    const char        *err;
    referral_str_t     code, host;
    referral_buf_t     out, b;
    referral_values_t  values;
    u_char             buf[8192], rendered[512];

    referral_buf_init(&out, buf, sizeof(buf));

    if (referral_template_text(&out, text, &err) != REFERRAL_OK) {
        fuzz_check(err && err[0]);
        return;
    }

    fuzz_check(referral_template_external(&out, 3) == REFERRAL_OK
               || out.pos - out.start > 8000);

    code_data = buf;
    code = fuzz_copy(code_data, out.pos - out.start);

    uses = referral_template_uses(&code);
    fuzz_check((uses >> REFERRAL_VALUES) == 0);

    (void) referral_template_host(&code, &host);
    (void) referral_template_url(&code, &err);

    memset(&values, 0, sizeof(values));

    for (v = 0; v < REFERRAL_VALUES; v += 2) {
        values.value[v] = *text;
    }

    referral_buf_init(&b, rendered, sizeof(rendered));
    referral_template_render(&code, &values, &b);
    fuzz_check(b.pos <= b.end);
}


/* code in shared memory may be damaged: nothing is read beyond its end */

static void
code(const referral_str_t *text)
{
    const char         *err;
    u_char              rendered[512];
    referral_str_t      host;
    referral_buf_t      b;
    referral_rule_t     rule;
    referral_values_t   values;

    memset(&values, 0, sizeof(values));

    referral_buf_init(&b, rendered, sizeof(rendered));

    referral_template_render(text, &values, &b);
    (void) referral_template_uses(text);
    (void) referral_template_host(text, &host);
    (void) referral_template_url(text, &err);
    (void) referral_rules_match(text, &values, &rule, NULL, NULL);
}


static void
rules(const referral_str_t *text)
{
    unsigned           v;
    referral_str_t     compiled;
    referral_buf_t     out, b;
    referral_rule_t    rule;
    referral_values_t  values;
    u_char             rendered[512];

    static u_char      buf[32768];

    referral_buf_init(&out, buf, sizeof(buf));

    if (referral_rules_compile(&out, text, complain, NULL) < 0) {
        return;
    }

    compiled = fuzz_copy(buf, out.pos - out.start);

    memset(&values, 0, sizeof(values));

    values.value[REFERRAL_VALUE_COUNTRY] =
                                      (referral_str_t) referral_string("JP");
    values.value[REFERRAL_VALUE_REGION] =
                                   (referral_str_t) referral_string("JP-13");
    values.value[REFERRAL_VALUE_LANG] =
                                   (referral_str_t) referral_string("zh-tw");
    values.now = NOW;

    for (v = 0; v < 100; v += 33) {
        values.bucket = v;

        if (referral_rules_match(&compiled, &values, &rule, traced, NULL)
            == REFERRAL_OK)
        {
            fuzz_check(rule.line > 0);

            referral_buf_init(&b, rendered, sizeof(rendered));
            referral_template_render(&rule.landing, &values, &b);
        }
    }
}


/* the arguments of a text: decoded name, "=" and value, if there is one */

static unsigned
names(referral_str_t *name, const u_char *p, const u_char *last)
{
    u_char          c;
    unsigned        n;
    referral_str_t  hex;

    for (n = 0; p < last && n < 64; n++, p++) {

        name[n] = fuzz_copy(p, last - p);
        name[n].len = 0;

        for ( /* void */ ; p < last && *p != '&' && *p != '='; p++) {
            c = *p == '+' ? ' ' : *p;
            hex.data = (u_char *) p + 1;
            hex.len = 2;

            if (c == '%' && last - p > 2
                && referral_hex_decode(&c, 1, &hex) == 1)
            {
                p += 2;
            }

            name[n].data[name[n].len++] = c;
        }

        while (p < last && *p != '&') {
            p++;
        }
    }

    return n;
}


/* no added argument has a name that was there before */

static void
no_name_twice(const referral_buf_t *b, size_t query, size_t known)
{
    unsigned        i, j, nold, nnew;
    referral_str_t  old[64], new[64];

    if (query >= known || (size_t) (b->pos - b->start) <= known) {
        return;
    }

    nold = names(old, b->start + query, b->start + known);
    nnew = names(new, b->start + known + 1, b->pos);

    for (i = 0; i < nold; i++) {
        for (j = 0; j < nnew; j++) {
            fuzz_check(!referral_str_eq(&old[i], &new[j]) || !old[i].len);
        }
    }
}


static void
url(const uint8_t *p, const uint8_t *end)
{
    size_t           i, query, known;
    u_char          *buf;
    const char      *err;
    referral_url_t   u;
    referral_buf_t   b;
    referral_str_t   text, args, foreign;

    text = fuzz_line(&p, end);
    args = fuzz_line(&p, end);
    foreign = fuzz_line(&p, end);

    if (referral_url_parse(&u, &text, &err) != REFERRAL_OK) {
        fuzz_check(err && err[0]);
        return;
    }

    fuzz_check(u.host.len > 0);

    buf = malloc(REFERRAL_LOCATION_MAX);
    if (buf == NULL) {
        abort();
    }

    referral_buf_init(&b, buf, REFERRAL_LOCATION_MAX);
    referral_buf_str(&b, &text);

    /* for a URL that ends with its arguments */

    query = u.args.data && !u.fragment.data ? u.args.data - text.data : 0;
    known = b.pos - b.start;

    (void) referral_url_add_args(&b, &args);

    if (query) {
        no_name_twice(&b, query, known);
    }

    known = b.pos - b.start;

    referral_url_forward_args(&b, &foreign);

    if (query) {
        no_name_twice(&b, query, known);
    }

    text.data = b.start;
    text.len = b.pos - b.start;

    for (i = 0; i < text.len; i++) {
        fuzz_check(text.data[i] >= 0x21 && text.data[i] <= 0x7e);
    }

    fuzz_check(!b.overflow);
    fuzz_check(text.len > REFERRAL_URL_MAX
               || referral_url_parse(&u, &text, &err) == REFERRAL_OK);

    free(buf);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int              minutes;
    int64_t          seconds;
    uint8_t          which;
    const uint8_t   *p, *end;
    referral_str_t   text, host;
    referral_date_t  date;

    p = data;
    end = data + size;

    which = fuzz_byte(&p, end);

    switch (which % 8) {

    case 0:    /* "0" */
        text = fuzz_copy(p, end - p);
        template(&text);
        break;

    case 1:
        text = fuzz_copy(p, end - p);
        rules(&text);
        break;

    case 2:
        url(p, end);
        break;

    case 3:
        text = fuzz_line(&p, end);
        host = fuzz_line(&p, end);
        if (referral_host_pattern_valid(&text)) {
            (void) referral_host_allowed(&host, &text, 1);
        }
        break;

    case 4:
        text = fuzz_copy(p, end - p);

        if (referral_date_parse(&date, &text, which & 16) == REFERRAL_OK) {
            fuzz_check(date.set && date.ms >= 0
                       && date.ms <= 253402300799999LL);
            (void) referral_date_reached(&date, NOW, 540);
        }

        break;

    case 5:
        text = fuzz_copy(p, end - p);

        if (referral_duration_parse(&seconds, &text, 86400 * 400)
            == REFERRAL_OK)
        {
            fuzz_check(seconds >= 1 && seconds <= 86400 * 400);
        }

        if (referral_offset_parse(&minutes, &text) == REFERRAL_OK) {
            fuzz_check(minutes >= -840 && minutes <= 840);
        }

        break;

    default:
        text = fuzz_copy(p, end - p);
        code(&text);
    }

    fuzz_done();

    return 0;
}
