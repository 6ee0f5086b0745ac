#include "referral_visitor.h"
#include "referral_words.h"


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

    REFERRAL_UA_BROWSER = REFERRAL_UA_APPS,
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


#define referral_ua_bit(what)  ((uint64_t) 1 << REFERRAL_UA_##what)


/* an app may call itself what it likes on what people hold in their hands */

#define REFERRAL_UA_PEOPLE                                                    \
    (referral_ua_bit(BROWSER) | referral_ua_bit(TV)                           \
     | referral_ua_bit(CONSOLE) | referral_ua_bit(IPHONE)                     \
     | referral_ua_bit(IPAD) | referral_ua_bit(ANDROID)                       \
     | referral_ua_bit(WINDOWS_PHONE) | referral_ua_bit(MOBILE))


static referral_rule_e referral_visitor_machine(
    const referral_bots_found_t *found, const referral_str_t *ua);
static void referral_visitor_device(referral_device_t *device,
    uint64_t found);
static int referral_visitor_navigates(const referral_visitor_headers_t *h);
static int referral_visitor_contains(const referral_str_t *s,
    const char *text);
static int referral_visitor_alnum(u_char c);


/*
 * Words are lower case.  W: at a word's start, A: anywhere, S: at the text's
 * start.
 */

#define W(text, trait)  { text, REFERRAL_WORD_LEFT, REFERRAL_UA_##trait }
#define A(text, trait)  { text, 0, REFERRAL_UA_##trait }
#define S(text, trait)  { text, REFERRAL_WORD_START, REFERRAL_UA_##trait }


static const referral_bots_trait_t  referral_ua_traits[] = {
    S("mozilla/", BROWSER), S("opera/", BROWSER),
    W("fban/messenger", MESSENGER), W("fb_iab/messenger", MESSENGER),
    W("fb_iab/orca", MESSENGER), W("orca-", MESSENGER),
    W("instagram", INSTAGRAM),
    W("barcelona ", THREADS),
    W("fb_iab/", FACEBOOK), W("fban/", FACEBOOK), W("fbav/", FACEBOOK),
    W("metaiab", FACEBOOK),
    W("line/", LINE),
    W("kakaotalk", KAKAOTALK),
    W("naver(inapp", NAVER),
    W("micromessenger", WECHAT),
    W("weibo", WEIBO),
    W("qq/", QQ),
    W("alipayclient", ALIPAY),
    W("baiduboxapp", BAIDU),
    W("whatsapp", WHATSAPP),
    W("bytedancewebview", TIKTOK), W("bytelocale", TIKTOK),
    W("musical_ly", TIKTOK), W("tiktok", TIKTOK), W("trill_", TIKTOK),
    W("twitter for ", TWITTER), W("twitterandroid", TWITTER),
    W("snapchat", SNAPCHAT),
    W("linkedinapp", LINKEDIN),
    W("pinterest/", PINTEREST),
    W("telegram", TELEGRAM),
    W("reddit/", REDDIT),
    W("discord/", DISCORD),
    W("viber", VIBER),
    W("zalo", ZALO),
    W("vkandroidapp", VK), W("vkclient", VK),
    W("yjapp-", YAHOO),
    W("gsa/", GOOGLE),
    W("compatible;", COMPATIBLE),
    A("gecko/", ENGINE), A("khtml", ENGINE), W("msie", ENGINE),
    W("trident", ENGINE),
    W("aftb", TV), W("aftm", TV), W("aftt", TV), W("afts", TV),
    W("appletv", TV), W("apple tv", TV), W("bravia", TV), W("crkey", TV),
    W("googletv", TV), W("hbbtv", TV), W("mibox", TV), W("mitv", TV),
    W("netcast", TV), W("philipstv", TV), W("roku", TV), W("smart-tv", TV),
    W("smarttv", TV), W("viera", TV), W("vizio", TV), W("web0s", TV),
    W("webos.tv", TV),
    W("nintendo", CONSOLE), W("playstation", CONSOLE), W("xbox", CONSOLE),
    W("iphone", IPHONE), W("ipod", IPHONE),
    W("ipad", IPAD),
    W("android", ANDROID),
    W("windows phone", WINDOWS_PHONE),
    W("windows", WINDOWS),
    W("macintosh", MACOS),
    W("cros ", CHROMEOS),
    W("linux", LINUX), W("x11", LINUX),
    W("blackberry", MOBILE), W("j2me", MOBILE), W("kaios", MOBILE),
    W("mobile", MOBILE), W("opera mini", MOBILE), W("opera mobi", MOBILE),
    W("symbian", MOBILE),
    W("tablet", TABLET),
    { NULL, 0, 0 }
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


referral_bots_t *
referral_visitor_bots(const referral_str_t *list, referral_bots_error_t *error)
{
    return referral_bots_create(list, referral_ua_traits, error);
}


void
referral_visitor_agent(referral_agent_t *agent, const referral_bots_t *bots,
    const referral_str_t *ua)
{
    referral_bots_found_t  found;

    referral_bots_find(&found, bots, ua);

    agent->word = 0;
    agent->rule = referral_visitor_machine(&found, ua);

    switch (agent->rule) {

    case REFERRAL_RULE_NONE:
        agent->class = REFERRAL_CLASS_HUMAN;
        break;

    case REFERRAL_RULE_PREVIEW:
        agent->class = REFERRAL_CLASS_PREVIEW;
        agent->word = found.preview;
        break;

    case REFERRAL_RULE_BOT:
        agent->class = REFERRAL_CLASS_BOT;
        agent->word = found.bot;
        break;

    default:
        agent->class = REFERRAL_CLASS_BOT;
    }

    referral_visitor_device(&agent->device, found.traits);
}


static referral_rule_e
referral_visitor_machine(const referral_bots_found_t *found,
    const referral_str_t *ua)
{
    if (ua->len == 0) {
        return REFERRAL_RULE_EMPTY;
    }

    if (found->preview) {
        return REFERRAL_RULE_PREVIEW;
    }

    if (found->bot) {
        return REFERRAL_RULE_BOT;
    }

    if (found->person) {
        return REFERRAL_RULE_NONE;
    }

    if (!(found->traits & REFERRAL_UA_PEOPLE)) {
        return REFERRAL_RULE_BEGIN;
    }

    /* "Mozilla/5.0 (compatible; Something)", and no engine: no browser */

    if (referral_ua_has(found->traits, COMPATIBLE)
        && !referral_ua_has(found->traits, ENGINE))
    {
        return REFERRAL_RULE_ENGINE;
    }

    return REFERRAL_RULE_NONE;
}


referral_class_e
referral_visitor_class(const referral_visitor_headers_t *h,
    const referral_agent_t *agent)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_PURPOSES; i++) {
        if (referral_visitor_contains(&h->purpose[i], "prefetch")
            || referral_visitor_contains(&h->purpose[i], "prerender")
            || referral_visitor_contains(&h->purpose[i], "preview"))
        {
            return REFERRAL_CLASS_PREFETCH;
        }
    }

    if (h->head) {
        return REFERRAL_CLASS_HEAD;
    }

    if (agent->class == REFERRAL_CLASS_HUMAN
        && (h->no_accept || !referral_visitor_navigates(h)))
    {
        return REFERRAL_CLASS_BOT;
    }

    return agent->class;
}


/*
 * An image or a script that names the link is not a person's click.  Browsers
 * that do not say what they do, and those behind a service worker ("empty",
 * "same-origin"), are believed.
 */

static int
referral_visitor_navigates(const referral_visitor_headers_t *h)
{
    const referral_str_t  *mode, *dest;

    mode = &h->fetch_mode;
    dest = &h->fetch_dest;

    if (referral_str_is_nocase(mode, "no-cors")
        || referral_str_is_nocase(mode, "cors")
        || referral_str_is_nocase(mode, "websocket"))
    {
        return 0;
    }

    return dest->len == 0
           || referral_str_is_nocase(dest, "document")
           || referral_str_is_nocase(dest, "empty")
           || referral_str_is_nocase(dest, "iframe")
           || referral_str_is_nocase(dest, "frame")
           || referral_str_is_nocase(dest, "fencedframe");
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


static int
referral_visitor_alnum(u_char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
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

        if (!referral_visitor_alnum(c) && c != '.' && c != '-' && c != '_') {
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

    return (n && out[0] != '.' && out[0] != '-') ? n : 0;
}
