#include "referral_visitor.h"


#define REFERRAL_UA_MAX       1024
#define REFERRAL_ACCEPT_MAX   512
#define REFERRAL_RANGES_MAX   16

#define REFERRAL_UA_WORD      1    /* nothing but a word's start counts */


/* what a User-Agent may tell; applications first, the more telling before */

typedef enum {
    REFERRAL_UA_MESSENGER = 0,
    REFERRAL_UA_INSTAGRAM,
    REFERRAL_UA_THREADS,
    REFERRAL_UA_FACEBOOK,
    REFERRAL_UA_LINE,
    REFERRAL_UA_KAKAOTALK,
    REFERRAL_UA_NAVER,
    REFERRAL_UA_WECHAT,
    REFERRAL_UA_WEIBO,
    REFERRAL_UA_QQ,
    REFERRAL_UA_ALIPAY,
    REFERRAL_UA_BAIDU,
    REFERRAL_UA_WHATSAPP,
    REFERRAL_UA_TIKTOK,
    REFERRAL_UA_TWITTER,
    REFERRAL_UA_SNAPCHAT,
    REFERRAL_UA_LINKEDIN,
    REFERRAL_UA_PINTEREST,
    REFERRAL_UA_TELEGRAM,
    REFERRAL_UA_REDDIT,
    REFERRAL_UA_DISCORD,
    REFERRAL_UA_VIBER,
    REFERRAL_UA_ZALO,
    REFERRAL_UA_VK,
    REFERRAL_UA_YAHOO,
    REFERRAL_UA_GOOGLE,
    REFERRAL_UA_APPS,

    REFERRAL_UA_MACHINE = REFERRAL_UA_APPS,
    REFERRAL_UA_BOT,
    REFERRAL_UA_SPIDER,
    REFERRAL_UA_PREVIEW,
    REFERRAL_UA_COMPATIBLE,
    REFERRAL_UA_ENGINE,

    REFERRAL_UA_TV,
    REFERRAL_UA_CONSOLE,
    REFERRAL_UA_IPHONE,
    REFERRAL_UA_IPAD,
    REFERRAL_UA_ANDROID,
    REFERRAL_UA_WINDOWS_PHONE,
    REFERRAL_UA_WINDOWS,
    REFERRAL_UA_MACOS,
    REFERRAL_UA_CHROMEOS,
    REFERRAL_UA_LINUX,
    REFERRAL_UA_MOBILE,
    REFERRAL_UA_TABLET
} referral_ua_e;


#define referral_ua_has(found, what)                                          \
    (((found) >> REFERRAL_UA_##what) & 1)


typedef struct {
    uint8_t      len;
    uint8_t      what;
    uint8_t      flags;
    const char  *text;
} referral_ua_word_t;


typedef struct {
    size_t       len;
    u_char       data[REFERRAL_UA_MAX];
} referral_ua_t;


/* one entry of an Accept-Language */

typedef struct {
    referral_str_t  tag;
    unsigned        quality;    /* 0 to 1000 */
} referral_range_t;


static void referral_visitor_read(referral_ua_t *ua, const referral_str_t *s);
static uint64_t referral_visitor_scan(const referral_ua_t *ua);
static referral_class_e referral_visitor_machine(const referral_ua_t *ua,
    uint64_t found);
static void referral_visitor_device(referral_device_t *device,
    uint64_t found);
static int referral_visitor_phone(const referral_ua_t *ua, size_t i,
    unsigned what);
static int referral_visitor_at(const referral_ua_t *ua, size_t i,
    const char *text);
static int referral_visitor_alnum(u_char c);
static int referral_visitor_contains(const referral_str_t *s,
    const char *text);
static size_t referral_visitor_ranges(referral_range_t *ranges,
    const referral_str_t *accept);
static unsigned referral_visitor_quality(referral_str_t params);
static size_t referral_visitor_lookup(u_char *out, const referral_str_t *range,
    const referral_str_t *languages);
static int referral_visitor_next(referral_str_t *rest, referral_str_t *item,
    u_char separator);


#define M(text)     { sizeof(text) - 1, REFERRAL_UA_MACHINE, 0, text }
#define P(text)     { sizeof(text) - 1, REFERRAL_UA_PREVIEW, 0, text }
#define W(text, w)  { sizeof(text) - 1, REFERRAL_UA_##w, REFERRAL_UA_WORD,    \
                      text }
#define A(text, w)  { sizeof(text) - 1, REFERRAL_UA_##w, 0, text }
#define END         { 0, 0, 0, NULL }


/*
 * Lower case, by their first letter.  M: a machine.  P: it fetches a link to
 * show a preview of it.  W and A: another trait, at a word's start or
 * anywhere.
 */

static const referral_ua_word_t  referral_words_a[] = {
    M("acunetix"), M("appinsights"), M("archiv"), M("auditor"), M("axios"),
    W("aftb", TV), W("aftm", TV), W("aftt", TV), W("afts", TV),
    W("alipayclient", ALIPAY), W("android", ANDROID),
    W("appletv", TV), W("apple tv", TV), END
};

static const referral_ua_word_t  referral_words_b[] = {
    A("bot", BOT),
    W("baiduboxapp", BAIDU), W("barcelona ", THREADS), W("blackberry", MOBILE),
    W("bravia", TV), W("bytedancewebview", TIKTOK), W("bytelocale", TIKTOK),
    END
};

static const referral_ua_word_t  referral_words_c[] = {
    M("catchpoint"), M("censys"), M("checker"), M("crawl"),
    M("curl/"),
    P("cardyb"),
    W("compatible;", COMPATIBLE), W("cros ", CHROMEOS), W("crkey", TV), END
};

static const referral_ua_word_t  referral_words_d[] = {
    M("dareboost"), M("datadog"), M("dataprovider"), M("daumoa"),
    P("discordbot"),
    W("discord/", DISCORD), END
};

static const referral_ua_word_t  referral_words_e[] = {
    M("extractor"),
    P("embedly"), END
};

static const referral_ua_word_t  referral_words_f[] = {
    M("favicon"), M("feedfetcher"), M("feedly"), M("fetcher"),
    P("facebookexternal"), P("facebot"),
    W("fb_iab/", FACEBOOK), W("fban/", FACEBOOK), W("fbav/", FACEBOOK),
    W("fban/messenger", MESSENGER), W("fb_iab/messenger", MESSENGER),
    W("fb_iab/orca", MESSENGER), END
};

static const referral_ua_word_t  referral_words_g[] = {
    M("gecko; compatible"), M("go-http-client"), M("google-ads"),
    M("google-adwords"), M("google-agent"), M("google-inspection"),
    M("google-physicalweb"), M("google-read-aloud"), M("google-site-"),
    M("googleagent"), M("gtmetrix"),
    P("googleimageproxy"),
    A("gecko/", ENGINE), W("googletv", TV), W("gsa/", GOOGLE), END
};

static const referral_ua_word_t  referral_words_h[] = {
    M("hardenize"), M("harvest"), M("headless"), M("http://"), M("https://"),
    M("http-client"), M("httpclient"), M("httpagent"), M("httrack"),
    W("hbbtv", TV), END
};

static const referral_ua_word_t  referral_words_i[] = {
    M("indy library"), M("inspector"), M("ips-agent"),
    P("iframely"),
    W("instagram", INSTAGRAM), W("ipad", IPAD), W("iphone", IPHONE),
    W("ipod", IPHONE), END
};

static const referral_ua_word_t  referral_words_j[] = {
    W("j2me", MOBILE), END
};

static const referral_ua_word_t  referral_words_k[] = {
    P("kakaotalk-scrap"),
    A("khtml", ENGINE), W("kaios", MOBILE), W("kakaotalk", KAKAOTALK), END
};

static const referral_ua_word_t  referral_words_l[] = {
    M("libwww"), M("lighthouse"), M("linkcheck"), M("linktiger"),
    P("line-poker"), P("linkedinbot"), P("linkpreview"),
    W("line/", LINE), W("linkedinapp", LINKEDIN), W("linux", LINUX), END
};

static const referral_ua_word_t  referral_words_m[] = {
    M("mailto:"), M("masscan"), M("mediapartners-google"), M("monitor"),
    P("mastodon"), P("meta-external"),
    W("macintosh", MACOS), W("metaiab", FACEBOOK), W("mibox", TV),
    W("micromessenger", WECHAT), W("mitv", TV), W("mobile", MOBILE),
    W("msie", ENGINE), W("musical_ly", TIKTOK), END
};

static const referral_ua_word_t  referral_words_n[] = {
    M("nessus"), M("netcraft"), M("newrelic"), M("nikto"), M("nmap"),
    M("node-fetch"),
    W("naver(inapp", NAVER), W("netcast", TV), W("nintendo", CONSOLE), END
};

static const referral_ua_word_t  referral_words_o[] = {
    M("openvas"), M("optimizer"), M("outbrain"),
    W("opera mini", MOBILE), W("opera mobi", MOBILE), W("orca-", MESSENGER),
    END
};

static const referral_ua_word_t  referral_words_p[] = {
    M("phantomjs"), M("pingdom"), M("playwright"), M("printfriendly"),
    M("ptst/"), M("puppeteer"), M("python-"), M("python/"),
    P("pinterestbot"), P("preview"),
    W("philipstv", TV), W("pinterest/", PINTEREST),
    W("playstation", CONSOLE), END
};

static const referral_ua_word_t  referral_words_q[] = {
    W("qq/", QQ), END
};

static const referral_ua_word_t  referral_words_r[] = {
    P("redditbot"),
    W("reddit/", REDDIT), W("roku", TV), END
};

static const referral_ua_word_t  referral_words_s[] = {
    A("spider", SPIDER),
    M("scrap"), M("securityheaders"), M("selenium"), M("silktide"),
    M("siteimprove"), M("sitemap"), M("slurp"), M("sqlmap"), M("statuscake"),
    M("subscribers"), M("synthetics"),
    P("slack-imgproxy"), P("slackbot"), P("skypeuripreview"), P("synapse"),
    W("smart-tv", TV), W("smarttv", TV), W("snapchat", SNAPCHAT),
    W("symbian", MOBILE), END
};

static const referral_ua_word_t  referral_words_t[] = {
    M("thousandeyes"),
    P("telegrambot"), P("tumblr/"), P("twitterbot"),
    W("tablet", TABLET), W("telegram", TELEGRAM), W("tiktok", TIKTOK),
    W("trident", ENGINE), W("trill_", TIKTOK),
    W("twitter for ", TWITTER), W("twitterandroid", TWITTER), END
};

static const referral_ua_word_t  referral_words_u[] = {
    M("uptime"), END
};

static const referral_ua_word_t  referral_words_v[] = {
    M("validator"), M("verification"), M("verifier"),
    P("vkshare"),
    W("viber", VIBER), W("viera", TV), W("vizio", TV),
    W("vkandroidapp", VK), W("vkclient", VK), END
};

static const referral_ua_word_t  referral_words_w[] = {
    M("watcher"), M("watchtowr"), M("webcapture"), M("wget/"), M("www."),
    W("web0s", TV), W("webos.tv", TV), W("weibo", WEIBO),
    W("whatsapp", WHATSAPP), W("windows", WINDOWS),
    W("windows phone", WINDOWS_PHONE), END
};

static const referral_ua_word_t  referral_words_x[] = {
    W("x11", LINUX), W("xbox", CONSOLE), END
};

static const referral_ua_word_t  referral_words_y[] = {
    P("yahoomailproxy"),
    W("yjapp-", YAHOO), END
};

static const referral_ua_word_t  referral_words_z[] = {
    M("zgrab"),
    W("zalo", ZALO), END
};


static const referral_ua_word_t  *const referral_ua_words[26] = {
    referral_words_a, referral_words_b, referral_words_c, referral_words_d,
    referral_words_e, referral_words_f, referral_words_g, referral_words_h,
    referral_words_i, referral_words_j, referral_words_k, referral_words_l,
    referral_words_m, referral_words_n, referral_words_o, referral_words_p,
    referral_words_q, referral_words_r, referral_words_s, referral_words_t,
    referral_words_u, referral_words_v, referral_words_w, referral_words_x,
    referral_words_y, referral_words_z
};


static const referral_str_t  referral_ua_apps[REFERRAL_UA_APPS] = {
    referral_string("messenger"),
    referral_string("instagram"),
    referral_string("threads"),
    referral_string("facebook"),
    referral_string("line"),
    referral_string("kakaotalk"),
    referral_string("naver"),
    referral_string("wechat"),
    referral_string("weibo"),
    referral_string("qq"),
    referral_string("alipay"),
    referral_string("baidu"),
    referral_string("whatsapp"),
    referral_string("tiktok"),
    referral_string("twitter"),
    referral_string("snapchat"),
    referral_string("linkedin"),
    referral_string("pinterest"),
    referral_string("telegram"),
    referral_string("reddit"),
    referral_string("discord"),
    referral_string("viber"),
    referral_string("zalo"),
    referral_string("vk"),
    referral_string("yahoo"),
    referral_string("google")
};


referral_str_t
referral_class_name(unsigned class)
{
    static const referral_str_t  names[REFERRAL_CLASSES + 1] = {
        referral_string("human"),
        referral_string("duplicate"),
        referral_string("bot"),
        referral_string("preview"),
        referral_string("prefetch"),
        referral_string("head"),
        referral_string("excluded"),
        referral_string("")
    };

    return names[class < REFERRAL_CLASSES ? class : REFERRAL_CLASSES];
}


void
referral_visitor_agent(referral_agent_t *agent, const referral_str_t *s)
{
    uint64_t       found;
    referral_ua_t  ua;

    referral_visitor_read(&ua, s);
    found = referral_visitor_scan(&ua);

    agent->class = referral_visitor_machine(&ua, found);
    referral_visitor_device(&agent->device, found);
}


referral_class_e
referral_visitor_class(const referral_visitor_headers_t *h,
    const referral_agent_t *agent)
{
    if (referral_visitor_contains(&h->purpose, "prefetch")
        || referral_visitor_contains(&h->purpose, "prerender")
        || referral_visitor_contains(&h->purpose, "preview"))
    {
        return REFERRAL_CLASS_PREFETCH;
    }

    if (h->head) {
        return REFERRAL_CLASS_HEAD;
    }

    /* an image or a script that names the link is not a person's click */

    if (agent->class == REFERRAL_CLASS_HUMAN
        && (referral_str_is_nocase(&h->fetch_mode, "no-cors")
            || referral_str_is_nocase(&h->fetch_mode, "cors")))
    {
        return REFERRAL_CLASS_BOT;
    }

    return agent->class;
}


static referral_class_e
referral_visitor_machine(const referral_ua_t *ua, uint64_t found)
{
    if (referral_ua_has(found, PREVIEW)
        || referral_visitor_at(ua, 0, "whatsapp/")
        || referral_visitor_at(ua, 0, "viber"))
    {
        return REFERRAL_CLASS_PREVIEW;
    }

    if (referral_ua_has(found, MACHINE)
        || referral_ua_has(found, BOT)
        || referral_ua_has(found, SPIDER))
    {
        return REFERRAL_CLASS_BOT;
    }

    if (!referral_visitor_at(ua, 0, "mozilla/")
        && !referral_visitor_at(ua, 0, "opera/"))
    {
        return REFERRAL_CLASS_BOT;
    }

    /* "Mozilla/5.0 (compatible; Something)", and no engine: no browser */

    if (referral_ua_has(found, COMPATIBLE) && !referral_ua_has(found, ENGINE))
    {
        return REFERRAL_CLASS_BOT;
    }

    return REFERRAL_CLASS_HUMAN;
}


static void
referral_visitor_device(referral_device_t *device, uint64_t found)
{
    unsigned  i;

    referral_str_set(&device->device, "other");
    referral_str_set(&device->os, "other");
    referral_str_set(&device->app, "");

    for (i = 0; i < REFERRAL_UA_APPS; i++) {
        if ((found >> i) & 1) {
            device->app = referral_ua_apps[i];
            break;
        }
    }

    /* the names of systems stand in each other's User-Agents: order matters */

    if (referral_ua_has(found, WINDOWS_PHONE)) {
        referral_str_set(&device->device, "mobile");
        referral_str_set(&device->os, "windows");

    } else if (referral_ua_has(found, IPAD)) {
        referral_str_set(&device->device, "tablet");
        referral_str_set(&device->os, "ios");

    } else if (referral_ua_has(found, IPHONE)) {
        referral_str_set(&device->device, "mobile");
        referral_str_set(&device->os, "ios");

    } else if (referral_ua_has(found, ANDROID)) {
        referral_str_set(&device->os, "android");

        if (referral_ua_has(found, MOBILE)) {
            referral_str_set(&device->device, "mobile");

        } else {
            referral_str_set(&device->device, "tablet");
        }

    } else if (referral_ua_has(found, CHROMEOS)) {
        referral_str_set(&device->device, "desktop");
        referral_str_set(&device->os, "chromeos");

    } else if (referral_ua_has(found, WINDOWS)) {
        referral_str_set(&device->device, "desktop");
        referral_str_set(&device->os, "windows");

    } else if (referral_ua_has(found, MACOS)) {
        referral_str_set(&device->device, "desktop");
        referral_str_set(&device->os, "macos");

    } else if (referral_ua_has(found, LINUX)) {
        referral_str_set(&device->device, "desktop");
        referral_str_set(&device->os, "linux");

        if (referral_ua_has(found, MOBILE)) {
            referral_str_set(&device->device, "mobile");
        }

    } else if (referral_ua_has(found, TABLET)) {
        referral_str_set(&device->device, "tablet");

    } else if (referral_ua_has(found, MOBILE)) {
        referral_str_set(&device->device, "mobile");
    }

    if (referral_ua_has(found, CONSOLE)
        && !referral_ua_has(found, WINDOWS_PHONE))
    {
        referral_str_set(&device->device, "console");

    } else if (referral_ua_has(found, TV)) {
        referral_str_set(&device->device, "tv");
    }
}


static void
referral_visitor_read(referral_ua_t *ua, const referral_str_t *s)
{
    u_char  c;
    size_t  i;

    ua->len = s->len < REFERRAL_UA_MAX ? s->len : REFERRAL_UA_MAX;

    for (i = 0; i < ua->len; i++) {
        c = s->data[i];
        ua->data[i] = (c >= 'A' && c <= 'Z') ? (c | 0x20) : c;
    }
}


/* a bit for each referral_ua_e that the text names */

static uint64_t
referral_visitor_scan(const referral_ua_t *ua)
{
    u_char                     c;
    size_t                     i;
    uint64_t                   found;
    const referral_ua_word_t  *w;

    found = 0;

    for (i = 0; i + 1 < ua->len; i++) {
        c = ua->data[i];

        if (c < 'a' || c > 'z') {
            continue;
        }

        for (w = referral_ua_words[c - 'a']; w->len; w++) {

            if (ua->data[i + 1] != (u_char) w->text[1]
                || w->len > ua->len - i
                || memcmp(&ua->data[i], w->text, w->len) != 0)
            {
                continue;
            }

            if ((w->flags & REFERRAL_UA_WORD)
                && i && referral_visitor_alnum(ua->data[i - 1]))
            {
                continue;
            }

            if (referral_visitor_phone(ua, i, w->what)) {
                continue;
            }

            found |= (uint64_t) 1 << w->what;
        }
    }

    return found;
}


/*
 * Phones and people that a machine's word hides in: CUBOT, "M BOT 551",
 * IDbot553, HTC_Bot…, "Spider 8", and "bot" inside of a longer word.
 */

static int
referral_visitor_phone(const referral_ua_t *ua, size_t i, unsigned what)
{
    u_char  before, after, second;

    if (what == REFERRAL_UA_SPIDER) {
        return i + 7 < ua->len
               && ua->data[i + 6] == ' '
               && ua->data[i + 7] >= '0' && ua->data[i + 7] <= '9';
    }

    if (what != REFERRAL_UA_BOT) {
        return 0;
    }

    before = i ? ua->data[i - 1] : ' ';
    after = i + 3 < ua->len ? ua->data[i + 3] : ' ';
    second = i + 4 < ua->len ? ua->data[i + 4] : ' ';

    if (i >= 2
        && referral_visitor_at(ua, i - 2, "cubot")
        && (i == 2 || !referral_visitor_alnum(ua->data[i - 3])))
    {
        return 1;
    }

    if (i >= 2
        && referral_visitor_at(ua, i - 2, "m bot ")
        && second >= '0' && second <= '9'
        && (i == 2 || !referral_visitor_alnum(ua->data[i - 3])))
    {
        return 1;
    }

    if (i >= 2
        && referral_visitor_at(ua, i - 2, "idbot")
        && after >= '0' && after <= '9')
    {
        return 1;
    }

    if (i >= 4 && referral_visitor_at(ua, i - 4, "htc_bot")) {
        return 1;
    }

    return before >= 'a' && before <= 'z'
           && after >= 'a' && after <= 'z' && after != 's'
           && !(i >= 2 && referral_visitor_at(ua, i - 2, "robot"));
}


static int
referral_visitor_at(const referral_ua_t *ua, size_t i, const char *text)
{
    size_t  len;

    len = strlen(text);

    return i <= ua->len
           && ua->len - i >= len
           && memcmp(&ua->data[i], text, len) == 0;
}


static int
referral_visitor_alnum(u_char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}


/* regardless of ASCII case, in the first bytes of a header */

static int
referral_visitor_contains(const referral_str_t *s, const char *text)
{
    size_t  i, len, end;

    len = strlen(text);
    end = s->len < 256 ? s->len : 256;

    for (i = 0; i + len <= end; i++) {
        if (strncasecmp((char *) s->data + i, text, len) == 0) {
            return 1;
        }
    }

    return 0;
}


size_t
referral_visitor_language(u_char *out, const referral_str_t *accept,
    const referral_str_t *languages)
{
    size_t            i, n, len, best;
    referral_str_t    rest, tag;
    referral_range_t  ranges[REFERRAL_RANGES_MAX];

    n = referral_visitor_ranges(ranges, accept);

    for ( ;; ) {
        best = n;

        for (i = 0; i < n; i++) {
            if (ranges[i].quality
                && (best == n || ranges[i].quality > ranges[best].quality))
            {
                best = i;
            }
        }

        if (best == n) {
            break;
        }

        len = referral_visitor_lookup(out, &ranges[best].tag, languages);

        if (len) {
            return len;
        }

        ranges[best].quality = 0;
    }

    rest = *languages;

    if (!referral_visitor_next(&rest, &tag, ',')
        || tag.len == 0
        || tag.len > REFERRAL_LANG_MAX)
    {
        return 0;
    }

    memcpy(out, tag.data, tag.len);

    return tag.len;
}


/* the entries that are language tags; of a long header only the first */

static size_t
referral_visitor_ranges(referral_range_t *ranges, const referral_str_t *accept)
{
    size_t          n;
    referral_str_t  rest, item, tag;

    rest = *accept;

    if (rest.len > REFERRAL_ACCEPT_MAX) {
        rest.len = REFERRAL_ACCEPT_MAX;
    }

    n = 0;

    while (n < REFERRAL_RANGES_MAX && referral_visitor_next(&rest, &item, ','))
    {
        if (!referral_visitor_next(&item, &tag, ';')) {
            continue;
        }

        referral_str_trim(&tag);

        if (tag.len < 2) {
            continue;
        }

        ranges[n].tag = tag;
        ranges[n].quality = referral_visitor_quality(item);
        n++;
    }

    return n;
}


/* of parameters as in "q=0.8"; 1000 without, 0 for what is no quality */

static unsigned
referral_visitor_quality(referral_str_t params)
{
    size_t    i;
    unsigned  quality, unit;

    referral_str_trim(&params);

    if (params.len == 0) {
        return 1000;
    }

    if (params.len < 3
        || params.len > 7
        || (params.data[0] | 0x20) != 'q'
        || params.data[1] != '=')
    {
        return 0;
    }

    if (params.data[2] != '0' && params.data[2] != '1') {
        return 0;
    }

    quality = params.data[2] == '1' ? 1000 : 0;

    if (params.len > 3 && params.data[3] != '.') {
        return 0;
    }

    unit = 100;

    for (i = 4; i < params.len; i++) {
        if (params.data[i] < '0' || params.data[i] > '9') {
            return 0;
        }

        quality += (params.data[i] - '0') * unit;
        unit /= 10;
    }

    return quality > 1000 ? 0 : quality;
}


/*
 * RFC 4647, section 3.4: the range, then shorter and shorter, until one of the
 * languages is just that.  Without languages: the range itself.
 */

static size_t
referral_visitor_lookup(u_char *out, const referral_str_t *range,
    const referral_str_t *languages)
{
    u_char          data[REFERRAL_ACCEPT_MAX];
    referral_str_t  tag, rest, item;

    if (range->len > sizeof(data)) {
        return 0;
    }

    memcpy(data, range->data, range->len);

    tag.len = range->len;
    tag.data = data;

    referral_str_lower(&tag);

    for ( ;; ) {

        if (languages->len == 0) {

            if (referral_language_valid(&tag)) {
                memcpy(out, tag.data, tag.len);
                return tag.len;
            }

        } else {
            rest = *languages;

            while (referral_visitor_next(&rest, &item, ',')) {

                if (item.len
                    && item.len <= REFERRAL_LANG_MAX
                    && referral_str_eq(&item, &tag))
                {
                    memcpy(out, item.data, item.len);
                    return item.len;
                }
            }
        }

        while (tag.len && tag.data[tag.len - 1] != '-') {
            tag.len--;
        }

        if (tag.len == 0) {
            return 0;
        }

        tag.len--;

        /* a lone letter, as in "zh-x-…", goes with what followed it */

        while (tag.len >= 2 && tag.data[tag.len - 2] == '-') {
            tag.len -= 2;
        }
    }
}


/* the next item of a list, and what comes after it; 0 at the end */

static int
referral_visitor_next(referral_str_t *rest, referral_str_t *item,
    u_char separator)
{
    u_char  *p;

    if (rest->len == 0) {
        return 0;
    }

    item->data = rest->data;
    p = memchr(rest->data, separator, rest->len);

    if (p == NULL) {
        item->len = rest->len;
        rest->data += rest->len;
        rest->len = 0;
        return 1;
    }

    item->len = p - rest->data;
    rest->len -= item->len + 1;
    rest->data = p + 1;

    return 1;
}


int
referral_language_valid(const referral_str_t *s)
{
    size_t  i, start;
    u_char  c;

    if (s->len < 2 || s->len > REFERRAL_LANG_MAX) {
        return 0;
    }

    start = 0;

    for (i = 0; i <= s->len; i++) {

        if (i == s->len || s->data[i] == '-') {

            if (start == 0 ? (i < 2 || i > 3)
                           : (i == start || i - start > 8))
            {
                return 0;
            }

            start = i + 1;
            continue;
        }

        c = s->data[i];

        if (c >= 'a' && c <= 'z') {
            continue;
        }

        if (start == 0 || c < '0' || c > '9') {
            return 0;
        }
    }

    return 1;
}


size_t
referral_visitor_source(u_char *out, const referral_str_t *referer)
{
    u_char          c;
    size_t          i, n;
    referral_str_t  host;

    static const referral_str_t  schemes[] = {
        referral_string("https://"),
        referral_string("http://"),
        referral_string("android-app://"),
        referral_null_string
    };

    for (i = 0; schemes[i].len; i++) {
        if (referer->len > schemes[i].len
            && strncasecmp((char *) referer->data, (char *) schemes[i].data,
                           schemes[i].len)
               == 0)
        {
            break;
        }
    }

    if (schemes[i].len == 0) {
        return 0;
    }

    host.data = referer->data + schemes[i].len;
    host.len = referer->len - schemes[i].len;

    if (host.len > 4 && strncasecmp((char *) host.data, "www.", 4) == 0) {
        host.data += 4;
        host.len -= 4;
    }

    n = 0;

    for (i = 0; i < host.len; i++) {
        c = host.data[i];

        if (c == '/' || c == '?' || c == '#' || c == ':') {
            break;
        }

        if (c >= 'A' && c <= 'Z') {
            c |= 0x20;
        }

        if (!referral_visitor_alnum(c) && c != '.' && c != '-') {
            return 0;
        }

        if (n == REFERRAL_SOURCE_MAX) {
            return 0;
        }

        out[n++] = c;
    }

    /* what follows a colon is a port, or all before it was a user */

    if (i < host.len && host.data[i] == ':') {

        for (i++; i < host.len; i++) {
            c = host.data[i];

            if (c == '/' || c == '?' || c == '#') {
                break;
            }

            if (c < '0' || c > '9') {
                return 0;
            }
        }
    }

    if (n && out[n - 1] == '.') {
        n--;
    }

    return (n && referral_visitor_alnum(out[0])) ? n : 0;
}
