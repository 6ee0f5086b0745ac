/* link: referral_rules.c referral_lang.c referral_template.c referral_url.c referral_conditions.c referral_hash.c referral_str.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_name.c */

/*
 * Templates, rules, URLs: what goes into Location.
 */

#include <ctype.h>

#include "referral_rules.h"
#include "unit.h"


#define NOW  1796121015999LL    /* 2026-12-01T10:30:15.999Z */


typedef struct {
    unsigned     n;
    unsigned     line[16];
    const char  *what[16];
} told_t;


static u_char          code_data[65536 * 2];
static referral_buf_t  code_buf;
static const char     *err;


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);

    return s;
}


static int
eq(const referral_str_t *s, const char *text)
{
    return s->len == strlen(text)
           && (s->len == 0 || memcmp(s->data, text, s->len) == 0);
}


static void
told(void *data, unsigned line, const char *what)
{
    told_t  *t = data;

    if (t->n < 16) {
        t->line[t->n] = line;
        t->what[t->n++] = what;
    }
}


/* on the heap with the exact length, so that a sanitizer detects more */

static referral_str_t
exact(const referral_str_t *s)
{
    referral_str_t  copy;

    copy.len = s->len;
    copy.data = malloc(s->len ? s->len : 1);
    memcpy(copy.data, s->data, s->len);

    return copy;
}


static referral_str_t
code(void)
{
    referral_str_t  s;

    s.data = code_buf.start;
    s.len = code_buf.pos - code_buf.start;

    return s;
}


static int
compile(const char *text)
{
    int             rc;
    referral_str_t  t, s;

    t = str(text);
    s = exact(&t);

    err = NULL;
    referral_buf_init(&code_buf, code_data, sizeof(code_data));
    rc = referral_template_text(&code_buf, &s, &err);

    free(s.data);

    return rc;
}


static const char *
render(const referral_values_t *values)
{
    u_char          out[4096];
    referral_buf_t  b;
    referral_str_t  c, own;

    static char  text[4097];

    c = code();
    own = exact(&c);

    referral_buf_init(&b, out, sizeof(out));
    referral_template_render(&own, values, &b);

    free(own.data);

    memcpy(text, out, b.pos - out);
    text[b.pos - out] = '\0';

    return b.overflow ? "overflow" : text;
}


static const char *
rendered(const char *text, const referral_values_t *values)
{
    return compile(text) == REFERRAL_OK ? render(values) : err;
}


static int
has(const char *text, const char *part)
{
    return text && strstr(text, part) != NULL;
}


static void
click(referral_values_t *v)
{
    memset(v, 0, sizeof(referral_values_t));

    v->value[REFERRAL_VALUE_CODE] = str("aiko7");
    v->value[REFERRAL_VALUE_PROGRAM] = str("spring");
    v->value[REFERRAL_VALUE_REFERRER] = str("r1");
    v->value[REFERRAL_VALUE_NAME] = str("A & B/\r\n\xe6\x97\xa5");
    v->value[REFERRAL_VALUE_CLICK_ID] = str("id");
    v->value[REFERRAL_VALUE_COUNTRY] = str("JP");
    v->value[REFERRAL_VALUE_REGION] = str("JP-13");
    v->value[REFERRAL_VALUE_CITY] = str("Tokyo");
    v->value[REFERRAL_VALUE_LANG] = str("zh-tw");
    v->value[REFERRAL_VALUE_DEVICE] = str("mobile");
    v->value[REFERRAL_VALUE_OS] = str("ios");
    v->value[REFERRAL_VALUE_APP] = str("line");
    v->value[REFERRAL_VALUE_CHANNEL] = str("mail");
    v->value[REFERRAL_VALUE_VARIANT] = str("b");
    v->value[REFERRAL_VALUE_SEGMENT] = str("vip");
    v->value[REFERRAL_VALUE_RESULT] = str("landing");

    v->now = NOW;
    v->bucket = 42;
}


static void
test_template(void)
{
    char               longest[REFERRAL_URL_MAX + 2];
    u_char             tight[16];
    size_t             n;
    referral_buf_t     b;
    referral_str_t     c, s, external[2];
    referral_values_t  v;

    click(&v);

    ok(strcmp(rendered("/price list {code}.pdf?q=a b", &v),
              "/price%20list%20aiko7.pdf?q=a%20b") == 0,
       "a blank is encoded");
    ok(strcmp(rendered("/caf\u00e9/\u5546\u54c1?q=\u62b9#\u8336", &v),
              "/caf%C3%A9/%E5%95%86%E5%93%81?q=%E6%8A%B9#%E8%8C%B6") == 0,
       "letters outside ASCII are, as browsers do");
    ok(strcmp(rendered("/caf%C3%A9%20\"<>^`|", &v),
              "/caf%C3%A9%20\"<>^`|") == 0, "all else stays as it is");
    ok(strcmp(rendered("{code}/{program}/{referrer}/{click_id}/{country}/"
                       "{region}/{city}/{lang}/{device}/{os}/{app}/{channel}"
                       "/{variant}/{segment}/{result}", &v),
              "aiko7/spring/r1/id/JP/JP-13/Tokyo/zh-tw/mobile/ios/line/mail/"
              "b/vip/landing") == 0, "every placeholder is its value");
    ok(strcmp(rendered("?n={name}#x", &v),
              "?n=A%20%26%20B%2F%0D%0A%E6%97%A5#x") == 0,
       "a value is escaped where it is put");
    ok(strcmp(rendered("", &v), "") == 0, "an empty template");
    ok(strcmp(rendered("{country|us}{city|x}", &v), "JPTokyo") == 0,
       "a default is for an empty value only");

    v.value[REFERRAL_VALUE_COUNTRY].len = 0;
    ok(strcmp(rendered("/{country|us}/{country}/{country|}/", &v),
              "/us///") == 0, "a default, and none");
    ok(strcmp(rendered("{country|a/b%&|c}", &v), "a%2Fb%25%26%7Cc") == 0,
       "a default is escaped");

    ok(compile("{what}") == REFERRAL_ERROR && has(err, "placeholder")
       && code_buf.pos == code_buf.start, "an unknown placeholder");
    ok(compile("{Code}") == REFERRAL_ERROR, "placeholders are lower case");
    ok(compile("{}") == REFERRAL_ERROR, "an empty placeholder");
    ok(compile("{|x}") == REFERRAL_ERROR, "a default of nothing");
    ok(compile("a{code}{code") == REFERRAL_ERROR && has(err, "without \"}\"")
       && code_buf.pos == code_buf.start, "a brace that stays open");
    ok(compile("{") == REFERRAL_ERROR, "a brace at the very end");
    ok(compile("{code{lang}}") == REFERRAL_ERROR, "a brace in a brace");
    ok(compile("{code|{lang}") == REFERRAL_ERROR, "or in a default");
    ok(compile("a}") == REFERRAL_ERROR && has(err, "without \"{\""),
       "a brace that was never opened");
    ok(compile("caf\xe9") == REFERRAL_ERROR && has(err, "UTF-8")
       && compile("\xe6\x97") == REFERRAL_ERROR
       && compile("\xc0\xaf") == REFERRAL_ERROR, "bytes that are no UTF-8");
    ok(compile("a\tb") == REFERRAL_ERROR
       && compile("a\xc2\x85") == REFERRAL_ERROR
       && compile("a\x7f") == REFERRAL_ERROR, "no control characters");
    ok(compile("a\r\nb") == REFERRAL_ERROR, "no line ends");

    memset(longest, 'a', sizeof(longest));
    longest[REFERRAL_URL_MAX + 1] = '\0';
    ok(compile(longest) == REFERRAL_ERROR && has(err, "2048"),
       "a template that could never be a URL");
    longest[REFERRAL_URL_MAX] = '\0';
    ok(strcmp(rendered(longest, &v), longest) == 0, "the longest");

    s = str("a{code}b");
    (void) compile("a{code}b");
    n = code().len;

    while (n--) {
        referral_buf_init(&b, code_data, n);

        if (referral_template_text(&b, &s, &err) != REFERRAL_ERROR
            || b.pos != b.start)
        {
            break;
        }
    }

    ok(n == (size_t) -1, "a full buffer is an error, wherever it ends");

    (void) compile("https://x/{code}");
    c = code();
    referral_buf_init(&b, tight, 14);
    referral_template_render(&c, &v, &b);
    ok(b.overflow && b.pos <= b.end, "a full output is told");

    ok(compile("{lang}{click_id}x{lang|en}") == REFERRAL_OK, "compiled");
    c = code();
    ok(referral_template_uses(&c)
       == (1U << REFERRAL_VALUE_LANG | 1U << REFERRAL_VALUE_CLICK_ID),
       "what a template uses");

    external[0] = str("/a b?c=%41&d");
    external[1] = str("\r\nX: y");
    v.external = external;
    v.nexternal = 2;

    (void) compile("https://x");
    ok(referral_template_external(&code_buf, 0) == REFERRAL_OK
       && referral_template_external(&code_buf, 1) == REFERRAL_OK
       && referral_template_external(&code_buf, 2) == REFERRAL_OK,
       "variables of nginx");
    ok(strcmp(render(&v), "https://x/a%20b?c=%41&d%0D%0AX:%20y") == 0,
       "are parts of URLs, no line ends; one that is missing is empty");
    ok(referral_template_external(&code_buf, REFERRAL_EXTERNAL_MAX)
       == REFERRAL_ERROR, "too many of them");

    c = code();
    ok(referral_template_host(&c, &s) == REFERRAL_DECLINED,
       "a variable may go on with the host");
}


static int
host(const char *text, const char *want)
{
    int             rc;
    referral_str_t  c, h;

    (void) compile(text);
    c = code();
    rc = referral_template_host(&c, &h);

    return want ? rc == REFERRAL_OK && eq(&h, want) : rc == REFERRAL_DECLINED;
}


static int
url_ok(const char *text)
{
    referral_str_t  c;

    if (compile(text) != REFERRAL_OK) {
        return 0;
    }

    c = code();

    return referral_template_url(&c, &err) == REFERRAL_OK;
}


static void
test_template_url(void)
{
    char      text[REFERRAL_URL_MAX];
    unsigned  i;

    static const char *const  bad[] = {
        "", "/x", "{lang}", "//shop.example.com/", "ftp://shop.example.com/",
        "javascript:alert(1)", "https:/x", "https://", "https:///x",
        "https://?x", "https://a@b/", "https://a:b@c/{lang}",
        "https://{lang}@c/", "https://a\\b/", "https://a/\\b",
        "https://{lang}.a/b\\c", "https://a..b/{code}",
        "https://caf\u00e9.example.com/", "https://a b/",
        "https://a\u3002b/", "https://a.example\uff0f.evil.example/x",
        "https://a:0/", "https://a:99999/", "https://[::1/", "https://a%2eb/",
        "https://{lang}:80@x/", "https://{lang}\\@x/"
    };

    static const char *const  good[] = {
        "https://shop.example.com", "HTTP://Shop.Example.com:8080/{lang}",
        "https://{lang}.shop.example.com/@{code}", "https://a/@b",
        "https://a?x=@", "https://a#@", "https://[2001:db8::1]:8443/",
        "https://a:{code}/", "https://{lang}", "https://a.{country|us}/x@y",
        "https://{lang}/{code}@x", "https://my_shop.example.com/x",
        "https://_a/", "https://a/\u5546\u54c1/{code}?\u62b9=\u8336"
    };

    ok(host("https://shop.example.com/{lang}", "shop.example.com"),
       "a literal host");
    ok(host("https://Shop.example.com:8443?{lang}", "Shop.example.com"),
       "without its port");
    ok(host("http://[::1]/", "[::1]"), "IPv6");
    ok(host("https://shop.example.com", "shop.example.com"), "host only");
    ok(host("https://shop.example.com#{lang}", "shop.example.com"),
       "a fragment ends it");
    ok(host("https://shop.example.com{lang}/", NULL), "a host that goes on");
    ok(host("https://shop.example.com:{lang}/", NULL), "a port that does");
    ok(host("https://{lang}.example.com/", NULL), "a host that is a value");
    ok(host("{lang}", NULL), "all a value");
    ok(host("", NULL), "nothing");
    ok(host("/welcome", NULL), "a path");
    ok(host("https://user@shop.example.com/", NULL), "a user");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err = "not told";
        ok(!url_ok(bad[i]), "no landing: \"%s\" (%s)", bad[i], err);
    }

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(url_ok(good[i]), "a landing: \"%s\"", good[i]);
    }

    ok(!url_ok("https://caf\u00e9.example.com/") && has(err, "xn--"),
       "a host of other letters, and how it is written");

    strcpy(text, "https://x/");

    for (i = 10; i + 6 <= REFERRAL_URL_MAX; i += 6) {
        strcat(text, "\u00e9");
    }

    ok(url_ok(text), "339 letters of six bytes each");
    strcat(text, "\u00e9");
    ok(!url_ok(text) && has(err, "2048"), "one more is told");
}


static int
rules(const char *text, told_t *t)
{
    int             rc;
    told_t          none;
    referral_str_t  r, s;

    r = str(text);
    s = exact(&r);

    memset(&none, 0, sizeof(told_t));
    memset(t ? t : &none, 0, sizeof(told_t));

    referral_buf_init(&code_buf, code_data, sizeof(code_data));
    rc = referral_rules_compile(&code_buf, &s, told, t ? t : &none);

    free(s.data);

    return rc;
}


/* 1: it matches, 0: it does not, -1: the rule is invalid */

static int
matches(const char *conditions, const referral_values_t *v)
{
    int              rc;
    char             text[1024];
    referral_str_t   c, own;
    referral_rule_t  rule;

    snprintf(text, sizeof(text), "%s https://x/", conditions);

    if (rules(text, NULL) != 0) {
        return -1;
    }

    c = code();
    own = exact(&c);

    rc = referral_rules_match(&own, v, &rule, NULL, NULL);

    free(own.data);

    return rc == REFERRAL_OK;
}


static void
test_conditions(void)
{
    unsigned           i;
    referral_values_t  v;

    static const struct {
        const char  *text;
        int          want;
    } cases[] = {

        { "", 1 },
        { "country=JP", 1 }, { "country=jp", 1 }, { "country=KR", 0 },
        { "country=KR,JP", 1 }, { "country=!JP", 0 }, { "country=!KR", 1 },
        { "country=!KR,JP", 1 }, { "country=JP,!JP", 0 },
        { "country=KR,!DE", 0 }, { "country=!KR,!DE", 1 },
        { "country=!KR,!JP", 0 }, { "country=JPN", -1 }, { "country=", -1 },
        { "country=JP,", -1 }, { "country=,JP", -1 }, { "country=!", -1 },
        { "country=!!JP", -1 }, { "country=J1", -1 },
        { "country=JP country=JP", -1 }, { "country=JP\tlang=zh", 1 },

        { "region=JP-13", 1 }, { "region=jp-13", 1 }, { "region=JP-14", 0 },
        { "region=13", -1 }, { "region=JP-", -1 }, { "region=JP-1234", -1 },

        { "lang=zh", 1 }, { "lang=ZH", 1 }, { "lang=zh-tw", 1 },
        { "lang=zh-TW", 1 }, { "lang=zh-cn", 0 }, { "lang=!zh", 0 },
        { "lang=!zh-cn", 1 }, { "lang=z", -1 }, { "lang=zhhh", -1 },
        { "lang=zh-", -1 }, { "lang=zh--tw", -1 }, { "lang=zh_tw", 1 },
        { "lang=zh-tw-x", 0 }, { "lang=zh-123456789", -1 },

        { "device=mobile", 1 }, { "device=Mobile,tablet", 1 },
        { "device=desktop", 0 }, { "device=phone", -1 },
        { "os=ios", 1 }, { "os=!ios", 0 }, { "os=iphone", -1 },
        { "app=line", 1 }, { "app=LINE", 1 }, { "app=instagram", 0 },
        { "channel=mail", 1 }, { "channel=mai", 0 }, { "channel=mails", 0 },
        { "channel=a/b", -1 }, { "segment=vip", 1 }, { "segment=!vip", 0 },
        { "channel=abcdefghijklmnopqrstuvwxyz123456", 0 },
        { "channel=abcdefghijklmnopqrstuvwxyz1234567", -1 },

        { "bucket=42", 1 }, { "bucket=0-49", 1 }, { "bucket=50-99", 0 },
        { "bucket=42-42", 1 }, { "bucket=0-41,43-99", 0 },
        { "bucket=!0-49", 0 }, { "bucket=0-99,!42", 0 }, { "bucket=1,42", 1 },
        { "bucket=100", -1 }, { "bucket=0-100", -1 }, { "bucket=49-0", -1 },
        { "bucket=-1", -1 }, { "bucket=1-", -1 }, { "bucket=a", -1 },
        { "bucket=0-1-2", -1 },

        { "starts=2026-12-01", 1 }, { "starts=2026-12-02", 0 },
        { "starts=2026-12-01T10:30:15", 1 },
        { "starts=2026-12-01T10:30:16", 0 },
        { "ends=2026-12-01", 1 }, { "ends=2026-11-30", 0 },
        { "ends=2026-12-01T10:30:15", 1 }, { "ends=2026-12-01T10:30:14", 0 },
        { "ends=2026-12-01T10:30Z", 1 }, { "ends=2026-12-01T10:29Z", 0 },
        { "starts=2026-12-01 ends=2026-12-01", 1 },
        { "starts=2026-12-02 ends=2026-12-01", -1 },
        { "starts=2026-12-02Z", -1 }, { "starts=!2026-12-01", -1 },
        { "starts=2026-12-01,2026-12-02", -1 }, { "ends=soon", -1 },

        { "as=b", 1 }, { "as=B", -1 }, { "as=b,c", -1 }, { "as=!b", -1 },
        { "as=b as=c", -1 }, { "as=a/b", -1 },
        { "as=abcdefghijklmnopqrstuvwxyz123456", 1 },
        { "as=abcdefghijklmnopqrstuvwxyz1234567", -1 },

        { "country=JP lang=zh device=mobile os=ios app=line channel=mail"
          " segment=vip bucket=0-49 region=JP-13 starts=2026-12-01"
          " ends=2026-12-25 as=b", 1 },
        { "country=JP lang=ko", 0 },

        { "Country=JP", -1 }, { "city=Tokyo", -1 }, { "=JP", -1 },
        { "country", -1 }, { "country=JP x", -1 }, { "country= JP", -1 },
        { "coun=JP", -1 }, { "country\xc2\xa0=JP", -1 }, { "os=i\x01s", -1 }
    };

    click(&v);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(matches(cases[i].text, &v) == cases[i].want, "\"%s\" is %s",
           cases[i].text, cases[i].want < 0 ? "refused"
                          : cases[i].want ? "true" : "false");
    }

    v.value[REFERRAL_VALUE_COUNTRY] = str("GB");
    v.value[REFERRAL_VALUE_REGION] = str("GB-ENG");
    ok(matches("country=UK", &v) == 1 && matches("country=!uk", &v) == 0
       && matches("country=JP,UK", &v) == 1, "a country by its wrong code");
    ok(matches("region=UK-ENG", &v) == 1 && matches("region=UK-SCT", &v) == 0,
       "and its region");
    ok(matches("country=XX", &v) == 0, "a code of no country is of nobody");

    v.value[REFERRAL_VALUE_COUNTRY].len = 0;
    v.value[REFERRAL_VALUE_LANG] = str("zza");
    ok(matches("country=JP", &v) == 0, "an unknown country is none of these");
    ok(matches("country=!JP", &v) == 1, "nor the one that is excluded");
    ok(matches("lang=zh", &v) == 0, "another language that begins like it");
    v.value[REFERRAL_VALUE_LANG] = str("zh");
    ok(matches("lang=zh", &v) == 1 && matches("lang=zh-tw", &v) == 0,
       "a language without a subtag");
    v.value[REFERRAL_VALUE_LANG] = str("zh-tw-x");
    ok(matches("lang=zh", &v) == 1 && matches("lang=zh-tw", &v) == 0,
       "one with two, which is only itself");
    v.value[REFERRAL_VALUE_LANG].len = 0;
    ok(matches("lang=zh", &v) == 0, "no language");

    /* in Tokyo 2026-12-02 begins at 15:00 UTC */

    v.offset = 540;
    v.now = NOW;
    ok(matches("starts=2026-12-02", &v) == 0
       && matches("ends=2026-12-01", &v) == 1, "before midnight in Tokyo");
    v.now = 1796137200000LL;
    ok(matches("starts=2026-12-02", &v) == 1
       && matches("ends=2026-12-01", &v) == 0, "at midnight there");
    ok(matches("starts=2026-12-02T00:00Z", &v) == 0, "but not in UTC");
    v.now--;
    ok(matches("starts=2026-12-02", &v) == 0
       && matches("ends=2026-12-01", &v) == 1, "a millisecond before");
}


static void
test_rules(void)
{
    char               big[70000];
    size_t             n, len;
    told_t             t, traced;
    unsigned           i;
    referral_buf_t     b;
    referral_str_t     c, cut, s;
    referral_rule_t    rule;
    referral_values_t  v;

    static const char  text[] =
        "# spring\r\n"
        "\n"
        "country=KR https://x/kr\r\n"
        "  country=JP,TW  bucket=0-41 as=a\thttps://x/a   # the first half\n"
        "country=JP as=b https://x/{lang}/b#top\n"
        "https://x/all";

    static const struct {
        const char  *text;
        const char  *what;
    } cases[] = {
        { "country=JP", "needs a landing" },
        { "country=JP # https://x/", "needs a landing" },
        { "colour=red https://x/", "channel, segment, bucket, starts" },
        { "bucket=200 https://x/", "bucket must be 0-99 or a range" },
        { "country=japan https://x/", "two letters" },
        { "https://x/{cod}", "code, program, referrer" },
        { "https://x/ country=JP", "last word" },
        { "https://x/ https://y/", "last word" },
        { "country=JP, https://x/", "empty value" },
        { "=JP https://x/", "before \"=\"" },
        { "starts=x https://x/", "starts must be one date" },
        { "ends=2026-02-30 https://x/", "ends must be one date" },
        { "starts=2027-01-01 ends=2026-12-31 https://x/", "before it starts" },
        { "os=ios os=android https://x/", "twice" },
        { "as=b,c https://x/", "as must be" },
        { "/x", "http://" },
        { "{lang}://x/", "http://" },
        { "javascript:alert(1)", "http://" },
        { "https://u@x/", "user name" },
        { "https://x\\y/", "backslash" },
        { "https://x/\xe6\x97", "UTF-8" },
        { "os=\x7f https://x/", "control" }
    };

    click(&v);
    memset(&traced, 0, sizeof(traced));

    ok(rules(text, &t) == 0 && t.n == 0, "rules with comments and CRLF");

    c = code();
    ok(referral_rules_match(&c, &v, &rule, told, &traced) == REFERRAL_OK
       && rule.line == 5 && eq(&rule.variant, "b"), "the first match wins");
    ok(traced.n == 2 && traced.line[0] == 3 && traced.line[1] == 4
       && strcmp(traced.what[0], "country") == 0
       && strcmp(traced.what[1], "bucket") == 0,
       "the trace names lines and conditions");

    referral_buf_init(&b, big, sizeof(big));
    referral_template_render(&rule.landing, &v, &b);
    s.data = b.start;
    s.len = b.pos - b.start;
    ok(eq(&s, "https://x/zh-tw/b#top"), "its landing is a template");

    v.bucket = 7;
    ok(referral_rules_match(&c, &v, &rule, NULL, NULL) == REFERRAL_OK
       && rule.line == 4 && eq(&rule.variant, "a"), "the other half");

    v.value[REFERRAL_VALUE_COUNTRY] = str("DE");
    ok(referral_rules_match(&c, &v, &rule, NULL, NULL) == REFERRAL_OK
       && rule.line == 6 && rule.variant.len == 0, "a rule for everybody");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(big, sizeof(big), "https://good/\n\n%s\ncountry=DE https://d/",
                 cases[i].text);

        ok(rules(big, &t) == 1 && t.n == 1 && t.line[0] == 3
           && has(t.what[0], cases[i].what), "\"%s\": %s", cases[i].text,
           t.n ? t.what[0] : "not told");

        c = code();
        ok(referral_rules_match(&c, &v, &rule, NULL, NULL) == REFERRAL_OK
           && rule.line == 1, "its neighbours stay");
    }

    ok(rules("a\nb\ncountry=DE https://d/\nc", &t) == 3 && t.n == 3,
       "bad rules are counted");
    c = code();
    ok(referral_rules_match(&c, &v, &rule, NULL, NULL) == REFERRAL_OK
       && rule.line == 3, "the good one among them holds");

    ok(rules("", NULL) == 0, "no rules");
    c = code();
    ok(referral_rules_match(&c, &v, &rule, NULL, NULL) == REFERRAL_DECLINED,
       "match nothing");

    /* more values than a block can hold */

    len = snprintf(big, sizeof(big), "country=");

    while (len < sizeof(big) - 64) {
        len += snprintf(big + len, 4, "JP,");
    }

    snprintf(big + len, 32, "JP https://x/");
    ok(rules(big, &t) == 1 && has(t.what[0], "too long"),
       "a rule that is too long");

    memset(big, '\n', sizeof(big));
    memcpy(big + 66000, "https://x/\nhttps://y/", 21);
    s.data = (u_char *) big;
    s.len = 66021;
    memset(&t, 0, sizeof(t));
    referral_buf_init(&b, code_data, sizeof(code_data));
    ok(referral_rules_compile(&b, &s, told, &t) == 1 && t.n == 1
       && has(t.what[0], "65535 lines"), "more lines than can be counted");

    s = str(text);
    (void) rules(text, NULL);
    len = code().len;

    for (n = 0; n < len; n++) {
        referral_buf_init(&b, code_data, n);

        if (referral_rules_compile(&b, &s, NULL, NULL) != REFERRAL_ERROR) {
            break;
        }
    }

    ok(n == len, "a full buffer is an error, wherever it ends");

    /*
     * Code that is cut off or has flipped bits: it may give any result, but
     * nothing is read beyond its end.
     */

    (void) rules(text, NULL);
    c = code();

    for (n = 0; n <= c.len; n++) {
        cut = c;
        cut.len = n;
        cut = exact(&cut);

        v.bucket = 99;
        (void) referral_rules_match(&cut, &v, &rule, told, &traced);
        free(cut.data);
    }

    srandom(7);

    for (n = 0; n < 20000; n++) {
        cut = exact(&c);

        for (i = 0; i < 1 + n % 4; i++) {
            cut.data[random() % cut.len] = (u_char) random();
        }

        if (referral_rules_match(&cut, &v, &rule, NULL, NULL)
            == REFERRAL_OK)
        {
            referral_buf_init(&b, big, 64);
            referral_template_render(&rule.landing, &v, &b);
            (void) referral_template_uses(&rule.landing);
            (void) referral_template_host(&rule.landing, &s);
        }

        free(cut.data);
    }

    ok(1, "damaged code is survived");
}


static void
test_bucket(void)
{
    int             most, least, count[100];
    unsigned        i;
    referral_str_t  spring, autumn;

    static const u_char  visitor[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };

    spring = str("spring");
    autumn = str("autumn");

    ok(referral_bucket(&spring, visitor, 12) == 33
       && referral_bucket(&autumn, visitor, 12) == 82,
       "buckets are stable, and of the program");

    memset(count, 0, sizeof(count));

    for (i = 0; i < 100000; i++) {
        count[referral_bucket(&spring, (u_char *) &i, sizeof(i))]++;
    }

    most = 0;
    least = 100000;

    for (i = 0; i < 100; i++) {
        most = count[i] > most ? count[i] : most;
        least = count[i] < least ? count[i] : least;
    }

    ok(least > 850 && most < 1150, "buckets are even: %d to %d", least, most);
}


static int
parsed(const char *text, const char *scheme, const char *h, const char *port,
    const char *path, const char *args, const char *fragment)
{
    int             rc;
    referral_str_t  t, s;
    referral_url_t  u;

    t = str(text);
    s = exact(&t);

    err = NULL;

    rc = referral_url_parse(&u, &s, &err) == REFERRAL_OK
         && eq(&u.scheme, scheme) && eq(&u.host, h) && eq(&u.port, port)
         && eq(&u.path, path) && eq(&u.args, args)
         && eq(&u.fragment, fragment);

    free(s.data);

    return rc;
}


static int
refused(const referral_str_t *text)
{
    int             rc;
    referral_str_t  s;
    referral_url_t  u;

    s = exact(text);
    err = NULL;
    rc = referral_url_parse(&u, &s, &err) == REFERRAL_ERROR && err != NULL;

    free(s.data);

    return rc;
}


static void
test_url(void)
{
    char            big[REFERRAL_URL_MAX + 2];
    u_char          c;
    unsigned        i, n, wrong;
    referral_str_t  s;

    static const char *const  bad[] = {
        "", "h", "http:", "http:/", "http://", "https://", "https:///x",
        "//evil.example", "/x", "\\\\evil", "https:\\\\evil", "ftp://x/",
        "javascript:alert(1)", "data:text/html,x", "https:x",
        "https://good.example@evil.example/", "https://a:b@c/",
        "https://good.example\\@evil.example/", "https://good.example\\.evil",
        "https://a/\\b", "https://a b/", "https://a/ b", "https://a/\tb",
        "https://a/\r\nSet-Cookie:x=1", "https://a/\x7f",
        "https://a/\xe6\x97\xa5", "https://\xe6\x97\xa5.jp/",
        "https://.a/", "https://a./", "https://a..b/",
        "https://a%2eb/", "https://a%00b/", "https://*.a/", "https://a!/",
        "https://:80/", "https://a:/", "https://a:0/", "https://a:65536/",
        "https://a:+80/", "https://a:8a/", "https://a:80:90/",
        "https://a:99999999999999999999/", "https://[::1/", "https://[]/",
        "https://[::1]x80/", "https://[::1]:/", "https://[::g]/",
        "https://[127.0.0.1]/", "https://[::1%25lo]/", "https://::1/",
        "https://[1:2:3:4:5:6:7:8:9]/", "https://?a", "https://#a",
        "http:///https://x/", " https://a/",
        "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaa.com/"
    };

    ok(parsed("https://shop.example.com/a/b?c=1&d#e?f#g", "https",
              "shop.example.com", "", "/a/b", "c=1&d", "e?f#g"),
       "a URL taken apart");
    ok(parsed("HTTP://A.b:8080", "HTTP", "A.b", "8080", "", "", ""),
       "without a path");
    ok(parsed("http://a?b/c", "http", "a", "", "", "b/c", ""),
       "arguments without a path");
    ok(parsed("http://a#b?c", "http", "a", "", "", "", "b?c"),
       "a fragment only");
    ok(parsed("http://a?#", "http", "a", "", "", "", ""), "empty ends");
    ok(parsed("https://[2001:db8::1]:8443/x", "https", "[2001:db8::1]",
              "8443", "/x", "", ""), "IPv6");
    ok(parsed("https://a/@b:c", "https", "a", "", "/@b:c", "", ""),
       "\"@\" in a path");
    ok(parsed("https://a?u=https://b/", "https", "a", "", "",
              "u=https://b/", ""), "a URL in an argument");
    ok(parsed("https://my_shop.example.com/", "https", "my_shop.example.com",
              "", "/", "", ""), "a low line in a host");
    ok(parsed("https://xn--wgv71a.jp/", "https", "xn--wgv71a.jp", "", "/", "",
              ""), "punycode");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        s = str(bad[i]);
        ok(refused(&s), "no URL: \"%s\" (%s)",
           isprint((u_char) bad[i][s.len ? s.len - 1 : 0])
           && strpbrk(bad[i], "\r\n") == NULL ? bad[i] : "...", err);
    }

    s.data = (u_char *) "https://a/\0b";
    s.len = 12;
    ok(refused(&s), "a zero byte");
    s.data = (u_char *) "https://[::1\0]/";
    s.len = 15;
    ok(refused(&s), "a zero byte in an address");

    memset(big, 'a', sizeof(big));
    memcpy(big, "https://x/", 10);
    s.data = (u_char *) big;

    for (wrong = 0, i = 10; i < 32; i++) {
        for (n = 0; n < 256; n++) {
            c = (u_char) n;
            big[i] = (char) c;

            for (s.len = i + 1; s.len < i + 10; s.len++) {
                wrong += refused(&s)
                         != (c < 0x21 || c > 0x7e || c == '\\');
            }
        }

        big[i] = 'a';
    }

    ok(wrong == 0, "every byte in every place");

    s.data = (u_char *) big;
    s.len = REFERRAL_URL_MAX;
    ok(!refused(&s), "the longest");
    s.len++;
    ok(refused(&s), "a byte longer");
}


static int
allowed(const char *text)
{
    referral_str_t  h, patterns[3];

    h = str(text);
    patterns[0] = str("Shop.example.com");
    patterns[1] = str("*.example.org");
    patterns[2] = str("[::1]");

    return referral_host_allowed(&h, patterns, 3);
}


static int
pattern(const char *text)
{
    referral_str_t  s;

    s = str(text);

    return referral_host_pattern_valid(&s);
}


static void
test_hosts(void)
{
    referral_str_t  s;

    s = str("a");

    ok(allowed("shop.example.com"), "a host, case aside");
    ok(!allowed("xshop.example.com"), "longer in front");
    ok(!allowed("a.shop.example.com"), "its subdomain");
    ok(!allowed("shop.example.com.evil"), "longer behind");
    ok(!allowed("shop.example.co"), "shorter");
    ok(allowed("a.example.org") && allowed("A.B.EXAMPLE.ORG"), "subdomains");
    ok(!allowed("example.org") && !allowed(".example.org"), "not itself");
    ok(!allowed("evilexample.org"), "a name that only ends alike");
    ok(!allowed("a.example.org.evil"), "a name that only holds it");
    ok(allowed("[::1]") && !allowed("[::2]"), "an address");
    ok(!allowed(""), "no host");
    ok(!referral_host_allowed(&s, NULL, 0), "none is allowed");

    ok(pattern("a") && pattern("shop.example.com") && pattern("[::1]")
       && pattern("*.example.com") && pattern("10.0.0.1"), "patterns");
    ok(!pattern("") && !pattern("*") && !pattern("*.") && !pattern("*.*.a")
       && !pattern("a.*") && !pattern("a:80") && !pattern("https://a")
       && !pattern("a/b") && !pattern(".a") && !pattern("*a.b")
       && !pattern("[::1") && !pattern("*.[::1]") && !pattern("a b"),
       "what is no pattern");

    s.data = (u_char *) "[::1\0]";
    s.len = 6;
    ok(!referral_host_pattern_valid(&s), "nor a zero byte in an address");
}


static int
added(const char *url, const char *args, const char *want)
{
    int             rc;
    u_char         *data;
    referral_buf_t  b;
    referral_str_t  s, a;

    data = malloc(REFERRAL_URL_MAX);
    referral_buf_init(&b, data, REFERRAL_URL_MAX);
    referral_buf_put(&b, url, strlen(url));

    s = str(args);
    a = exact(&s);
    referral_url_add_args(&b, &a);

    s.data = b.start;
    s.len = b.pos - b.start;
    rc = eq(&s, want) && !b.overflow;

    free(a.data);
    free(data);

    return rc;
}


static int
forwarded(const char *url, const char *args, const char *query)
{
    int             rc;
    u_char         *data;
    referral_buf_t  b;
    referral_str_t  s, a;

    data = malloc(REFERRAL_LOCATION_MAX);
    referral_buf_init(&b, data, REFERRAL_LOCATION_MAX);
    referral_buf_put(&b, url, strlen(url));

    s = str(args);
    a = exact(&s);
    referral_url_forward_args(&b, &a);

    s.data = memchr(b.start, '?', b.pos - b.start);
    s.len = b.pos - s.data;
    rc = eq(&s, query) && !b.overflow;

    if (!rc) {
        fprintf(stderr, "# it is %.*s\n", (int) s.len, s.data);
    }

    free(a.data);
    free(data);

    return rc;
}


static void
test_args(void)
{
    char            url[REFERRAL_URL_MAX + 1], want[REFERRAL_URL_MAX + 1];
    u_char         *data;
    referral_buf_t  b;
    referral_str_t  s;

    ok(added("https://x/", "a=1&b=2", "https://x/?a=1&b=2"), "arguments");
    ok(added("https://x/?c=3", "a=1&b=2", "https://x/?c=3&a=1&b=2"),
       "behind others");
    ok(added("https://x/?c=3#d?e", "a=1", "https://x/?c=3&a=1#d?e"),
       "before the fragment");
    ok(added("https://x/#d?e", "a=1", "https://x/?a=1#d?e"),
       "a \"?\" in a fragment is none");
    ok(added("https://x", "a=1", "https://x?a=1"), "without a path");
    ok(added("https://x/?", "a=1&b", "https://x/?a=1&b"),
       "behind a bare \"?\"");
    ok(added("https://x/?c&", "a=1", "https://x/?c&a=1"), "behind an \"&\"");
    ok(added("https://x/?#", "a=1", "https://x/?a=1#"), "an empty fragment");
    ok(added("https://x/?a=9&b", "a=1&b=2&c=3", "https://x/?a=9&b&c=3"),
       "never replaces what is there");
    ok(added("https://x/?aa=1&b=a", "a=1", "https://x/?aa=1&b=a&a=1"),
       "names are compared whole");
    ok(added("https://x/?a=1", "A=1", "https://x/?a=1&A=1"), "and by case");
    ok(added("https://x/?b=1#a=2", "a=1", "https://x/?b=1&a=1#a=2"),
       "a name in a fragment is none");
    ok(added("https://x/a=1", "a=1", "https://x/a=1?a=1"),
       "nor is one in a path");
    ok(added("https://x/", "t=1&t=2", "https://x/?t=1&t=2")
       && added("https://x/?c", "t=1&t=2", "https://x/?c&t=1&t=2"),
       "lists stay");
    ok(added("https://x/", "&&a=1&&b&", "https://x/?a=1&b"),
       "empty ones go");
    ok(added("https://x/", "click_id=&=x&=&ref=r", "https://x/?ref=r"),
       "so do those without a value or a name");
    ok(added("https://x/", "", "https://x/")
       && added("https://x/?a#b", "", "https://x/?a#b")
       && added("https://x/#b", "a=", "https://x/#b"), "nothing to add");
    ok(added("https://x/", "a=\r\nb&c=#d&e=\\f&g= h&i=\xff&j=k",
             "https://x/?j=k"), "what may not stand there stays away");
    ok(added("https://x/", "u=a=b", "https://x/?u=a=b"), "\"=\" in a value");

    ok(added("https://x/?r%65f=1&b", "ref=2&%62=3&c=4",
             "https://x/?r%65f=1&b&c=4"), "names are compared decoded");
    ok(added("https://x/?a.b=1", "a_b=2", "https://x/?a.b=1&a_b=2"),
       "of ours no more than that");

    ok(forwarded("https://x/", "promo=&gclid=1&&x", "?promo=&gclid=1&x"),
       "the visitor's go along as they came");
    ok(forwarded("https://x/?ref=a&click_id=b",
                 "ref=&%72ef=1&click%5Fid=1&click%5fid&r%65%66=2&u=1",
                 "?ref=a&click_id=b&u=1"), "not under an encoded name");
    ok(forwarded("https://x/?ref=a&click_id=b",
                 "click.id=1&click%20id=1&click+id=1&click%2Eid=1&click[id=1"
                 "&click%5Bid=1&+ref=1&%20%20ref=1&ref%00x=1&ref[]=1"
                 "&ref[a][b]=1&ref%5B%5D=1&click.id[]=2&+click.id=2&u=1",
                 "?ref=a&click_id=b&u=1"), "nor under one that PHP folds");
    ok(forwarded("https://x/?ref=a", "u=1;ref=2&v=1;2&w;%72ef", "?ref=a&v=1;2"),
       "nor behind a semicolon");
    ok(forwarded("https://x/?a=1;ref=a", "ref=2", "?a=1;ref=a"),
       "where the landing has one too");
    ok(forwarded("https://x/?ref=a",
                 "refs=1&xref=1&REF=1&ref%=1&%2572ef=1&[ref]=1&ref%zz=1",
                 "?ref=a&refs=1&xref=1&REF=1&ref%=1&%2572ef=1&[ref]=1"
                 "&ref%zz=1"), "other names are others");
    ok(forwarded("https://x/?ref=a", "t=1&t=2&t[]=3&=x",
                 "?ref=a&t=1&t=2&t[]=3"), "lists stay, the nameless does not");

    memset(url, 'u', sizeof(url));
    memcpy(url, "https://x/", 10);
    memcpy(url + REFERRAL_URL_MAX - 8, "#f", 3);

    memcpy(want, url, REFERRAL_URL_MAX - 8);
    memcpy(want + REFERRAL_URL_MAX - 8, "?abc=7#f", 9);
    ok(added(url, "abc=78&abc=7&d=1", want), "what fits, to the last byte");

    url[REFERRAL_URL_MAX - 8] = 'u';
    ok(added(url, "a=1234567&b=1234", url), "and nothing beyond");

    data = malloc(REFERRAL_URL_MAX + 64);
    referral_buf_init(&b, data, REFERRAL_URL_MAX + 64);
    referral_buf_put(&b, url, REFERRAL_URL_MAX - 8);
    s = str("a=1234567&b=1234");
    ok(referral_url_add_args(&b, &s) == 0
       && b.pos - b.start == REFERRAL_URL_MAX + 9
       && memcmp(b.pos - 17, "?a=1234567&b=1234", 17) == 0,
       "ours have room behind the longest landing");
    s = str("c=1");
    referral_url_forward_args(&b, &s);
    ok(b.pos - b.start == REFERRAL_URL_MAX + 9, "the visitor's have none");
    free(data);

    data = malloc(2 * REFERRAL_LOCATION_MAX);
    referral_buf_init(&b, data, 2 * REFERRAL_LOCATION_MAX);
    referral_buf_put(&b, url, REFERRAL_URL_MAX - 8);
    memset(data + REFERRAL_URL_MAX - 8, 'x', 1010);
    b.pos += 1010;
    s = str("a=12345678901234567890&b=12345&c=");
    ok(referral_url_add_args(&b, &s) == 1
       && b.pos - b.start == REFERRAL_LOCATION_MAX - 22 + 8
       && memcmp(b.pos - 8, "?b=12345", 8) == 0,
       "what has no room is told, what is empty is not");
    free(data);

    data = malloc(12);
    referral_buf_init(&b, data, 12);
    referral_buf_puts(&b, "https://x/");
    s = str("ab=1&c");
    referral_url_add_args(&b, &s);
    ok(b.pos - b.start == 12 && memcmp(data, "https://x/?c", 12) == 0
       && !b.overflow, "the end of the buffer is the end");
    free(data);
}


typedef struct {
    char  text[512];
    int   stop;
} pairs_t;


static int
pair(void *data, const referral_pair_t *p, const char **e)
{
    pairs_t  *t = data;
    size_t    n;

    n = strlen(t->text);

    snprintf(t->text + n, sizeof(t->text) - n, "%s%.*s%s%.*s;",
             p->first ? "" : "+", (int) p->key.len, p->key.data,
             p->negated ? "!" : "=", (int) p->value.len, p->value.data);

    if (--t->stop == 0) {
        *e = "stop";
        return REFERRAL_DECLINED;
    }

    return REFERRAL_OK;
}


static void
test_pairs(void)
{
    pairs_t         t;
    referral_str_t  s, rest;

    memset(&t, 0, sizeof(t));
    s = str("a=1,!2,x=y  b_c.d-e=! !f=g h");
    ok(referral_conditions_parse(&s, &rest, pair, &t, &err) == REFERRAL_ERROR,
       "an empty value after \"!\"");

    memset(&t, 0, sizeof(t));
    s = str(" a=1,!2,x=y\t b_c.d-e=!3 https://x/?y=z,1  # a=b");
    ok(referral_conditions_parse(&s, &rest, pair, &t, &err) == REFERRAL_OK
       && strcmp(t.text, "a=1;+a!2;+a=x=y;b_c.d-e!3;") == 0
       && eq(&rest, "https://x/?y=z,1"), "pairs, lists and the rest");

    memset(&t, 0, sizeof(t));
    s = str("a=1#2 b=3");
    ok(referral_conditions_parse(&s, &rest, pair, &t, &err) == REFERRAL_OK
       && strcmp(t.text, "a=1#2;b=3;") == 0 && rest.len == 0,
       "\"#\" inside of a word is its own");

    memset(&t, 0, sizeof(t));
    t.stop = 2;
    s = str("a=1 b=2 c=3");
    ok(referral_conditions_parse(&s, &rest, pair, &t, &err) == REFERRAL_DECLINED
       && strcmp(t.text, "a=1;b=2;") == 0 && has(err, "stop"),
       "the callback may stop");

    memset(&t, 0, sizeof(t));
    s = str("");
    ok(referral_conditions_parse(&s, &rest, pair, &t, &err) == REFERRAL_OK
       && rest.len == 0 && t.text[0] == '\0', "an empty line");

    s = str("# a=1 \x01");
    ok(referral_conditions_parse(&s, &rest, pair, &t, &err) == REFERRAL_ERROR,
       "control characters nowhere");
}


int
main(void)
{
    test_template();
    test_template_url();
    test_conditions();
    test_rules();
    test_bucket();
    test_url();
    test_hosts();
    test_args();
    test_pairs();

    return unit_done();
}
