#include "referral_visitor.h"
#include "referral_automaton.h"


#define REFERRAL_PRODUCTS_MAX  16


/*
 * The traits that a User-Agent can have.  Applications come first, the more
 * specific before the others.
 */

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
    REFERRAL_UA_X11,
    REFERRAL_UA_MOBILE,
    REFERRAL_UA_TABLET,
    REFERRAL_UA_PC,
    REFERRAL_UA_SYSTEM
} referral_ua_e;


#define referral_ua_has(found, what)                                          \
    (((found) >> REFERRAL_UA_##what) & 1)


#define referral_ua_bit(what)  ((uint64_t) 1 << REFERRAL_UA_##what)


#define referral_visitor_begins(s, text)                                      \
    ((s)->len >= sizeof(text) - 1                                             \
     && memcmp((s)->data, text, sizeof(text) - 1) == 0)


#define referral_visitor_ends(s, text)                                        \
    ((s)->len >= sizeof(text) - 1                                             \
     && memcmp((s)->data + (s)->len - (sizeof(text) - 1), text,               \
               sizeof(text) - 1)                                              \
        == 0)


/*
 * Devices on which any application name is accepted, because people use them.
 */

#define REFERRAL_UA_PEOPLE                                                    \
    (referral_ua_bit(BROWSER) | referral_ua_bit(TV)                           \
     | referral_ua_bit(CONSOLE) | referral_ua_bit(IPHONE)                     \
     | referral_ua_bit(IPAD) | referral_ua_bit(ANDROID)                       \
     | referral_ua_bit(WINDOWS_PHONE) | referral_ua_bit(MOBILE))


/*
 * The systems of desktop browsers.  Linux without X11 is not among them,
 * because televisions, readers and cars have it.
 */

#define REFERRAL_UA_DESKTOP                                                   \
    (referral_ua_bit(WINDOWS) | referral_ua_bit(MACOS)                        \
     | referral_ua_bit(CHROMEOS) | referral_ua_bit(X11))

#define REFERRAL_UA_NO_DESKTOP                                                \
    ((REFERRAL_UA_PEOPLE & ~referral_ua_bit(BROWSER))                         \
     | referral_ua_bit(TABLET) | (referral_ua_bit(APPS) - 1))

#define REFERRAL_UA_SYSTEMS                                                   \
    (REFERRAL_UA_DESKTOP | REFERRAL_UA_NO_DESKTOP                             \
     | referral_ua_bit(LINUX) | referral_ua_bit(PC)                           \
     | referral_ua_bit(SYSTEM))


static referral_rule_e referral_visitor_machine(
    const referral_bots_found_t *found, const referral_str_t *ua);
static int referral_visitor_lone(const referral_str_t *ua);
static int referral_visitor_compatible(const referral_str_t *ua);
static int referral_visitor_tail(const referral_str_t *ua);
static int referral_visitor_foreign(const referral_str_t *tail);
static int referral_visitor_browser(const referral_str_t *token);
static int referral_visitor_known(const referral_str_t *name);
static void referral_visitor_device(referral_device_t *device,
    uint64_t found);
static int referral_visitor_navigates(const referral_visitor_headers_t *h);
static int referral_visitor_contains(const referral_str_t *s,
    const char *text);
static int referral_visitor_alnum(u_char c);


/*
 * Words are lower case.  W: at the start of a word, A: anywhere, S: at the
 * start of the text, N: at the start of a word, but not within the name of a
 * phone.
 */

#define W(text, trait)  { text, REFERRAL_WORD_LEFT, REFERRAL_UA_##trait }
#define A(text, trait)  { text, 0, REFERRAL_UA_##trait }
#define S(text, trait)  { text, REFERRAL_WORD_START, REFERRAL_UA_##trait }
#define N(text, trait)                                                        \
    { text, REFERRAL_WORD_LEFT|REFERRAL_BOTS_NO_NAME, REFERRAL_UA_##trait }


static const referral_bots_trait_t  referral_ua_traits[] = {
    S("mozilla/", BROWSER), S("opera/", BROWSER),
    N("fban/messenger", MESSENGER), N("fb_iab/messenger", MESSENGER),
    N("fb_iab/orca", MESSENGER), N("orca-android", MESSENGER),
    N("instagram", INSTAGRAM),
    N("barcelona ", THREADS),
    N("fb_iab/", FACEBOOK), N("fban/", FACEBOOK), N("fbav/", FACEBOOK),
    N("metaiab", FACEBOOK),
    N("line/", LINE),
    N("kakaotalk", KAKAOTALK),
    N("naver(inapp", NAVER),
    N("micromessenger", WECHAT),
    N("weibo", WEIBO),
    N("qq/", QQ),
    N("alipayclient", ALIPAY),
    N("baiduboxapp", BAIDU),
    N("whatsapp", WHATSAPP),
    N("bytedancewebview", TIKTOK), N("bytelocale", TIKTOK),
    N("musical_ly", TIKTOK), N("musically", TIKTOK), N("tiktok", TIKTOK),
    N("trill_", TIKTOK), N("ugc.trill", TIKTOK),
    N("twitter for ", TWITTER), N("twitterandroid", TWITTER),
    N("snapchat", SNAPCHAT),
    N("linkedinapp", LINKEDIN),
    N("pinterest/", PINTEREST), N("pinterest for ", PINTEREST),
    N("telegram", TELEGRAM),
    N("reddit/", REDDIT),
    N("discord/", DISCORD), N("discord-", DISCORD),
    N("viber", VIBER),
    N("zalo", ZALO),
    N("vkandroidapp", VK), N("vkclient", VK),
    N("yjapp-", YAHOO),
    N("gsa/", GOOGLE),
    W("compatible;", COMPATIBLE),
    A("gecko/", ENGINE), A("khtml", ENGINE), W("msie", ENGINE),
    W("trident", ENGINE),
    A("; aft", TV), A("fbdv/aft", TV), A("; atv", TV), A("(dtv)", TV),
    A("; dtv;", TV), A(" box build/", TV), A(" box)", TV), A(" box;", TV),
    A(" tv build/", TV), A(" tv)", TV), A(" tv;", TV), A("_tv build/", TV),
    A("_tv)", TV), A("_tv;", TV), A("(tv;", TV), W("tv box", TV),
    W("tv stick", TV), W("tv safari", TV),
    W("android tv", TV), W("androidtv", TV), W("appletv", TV),
    W("apple tv", TV), W("bravia", TV), W("chromecast", TV), W("crkey", TV),
    W("fire tv", TV), W("firetv", TV), W("freebox", TV), W("google tv", TV),
    W("googletv", TV),
    W("hbbtv", TV), W("large screen", TV), W("mi box", TV), W("mibox", TV),
    W("mitv", TV), W("netcast", TV), A("nettv", TV), W("nexus player", TV),
    W("opera tv", TV), W("philipstv", TV), W("roku", TV),
    W("set-top", TV), W("settop", TV), A("settopbox", TV),
    W("smart tv", TV), W("smart-tv", TV), W("smart_tv", TV),
    W("smarttv", TV), W("stb", TV), A("stb build/", TV), A("stb)", TV),
    A("stb;", TV), W("tvos", TV), W("viera", TV), W("vizio", TV),
    W("web0s", TV), W("webos.tv", TV),
    W("nintendo", CONSOLE), W("playstation", CONSOLE), W("xbox", CONSOLE),
    N("iphone", IPHONE), N("ipod", IPHONE),
    N("ipad", IPAD),
    { "android", REFERRAL_WORD_LEFT|REFERRAL_BOTS_NAMING,
      REFERRAL_UA_ANDROID },
    { "twitterandroid/", REFERRAL_WORD_START|REFERRAL_BOTS_NAMING,
      REFERRAL_UA_ANDROID },
    { "; adr ", REFERRAL_BOTS_NAMING, REFERRAL_UA_ANDROID },
    { "fbpn/com.", REFERRAL_BOTS_NAMING, REFERRAL_UA_ANDROID },
    { "fban/fb4a", REFERRAL_BOTS_NAMING, REFERRAL_UA_ANDROID },
    N("windows phone", WINDOWS_PHONE),
    N("windows", WINDOWS),
    N("macintosh", MACOS),
    N("cros ", CHROMEOS),
    W("linux", LINUX), W("x11", X11),
    W("blackberry", MOBILE), W("ddipocket", MOBILE), W("foma", MOBILE),
    W("j2me", MOBILE), W("jig browser", MOBILE), W("kaios", MOBILE),
    W("mobile", MOBILE), W("opera mini", MOBILE), W("opera mobi", MOBILE),
    W("symbian", MOBILE), W("willcom", MOBILE),
    W("tablet", TABLET),
    A("(pc; openharmony", PC), A("(2in1; openharmony", PC),
    W("beos", SYSTEM), A("bsd ", SYSTEM), W("cobalt/", SYSTEM),
    W("dream", SYSTEM), W("haiku", SYSTEM), W("hp-ux", SYSTEM),
    W("inferno", SYSTEM), W("irix", SYSTEM), W("liberate", SYSTEM),
    W("navio", SYSTEM), W("openharmony", SYSTEM), W("os/2", SYSTEM),
    W("osf1", SYSTEM), W("palmos", SYSTEM), W("planetweb", SYSTEM),
    W("ppc", SYSTEM), W("solaris", SYSTEM), W("sunos", SYSTEM),
    W("webtv", SYSTEM), W("win1", SYSTEM), W("win2", SYSTEM),
    W("win3", SYSTEM), W("win9", SYSTEM), W("winme", SYSTEM),
    W("winnt", SYSTEM),
    { NULL, 0, 0 }
};


/*
 * Products that browsers add behind "Safari/537.36" or "Firefox/128.0", beside
 * those that end in "browser" or "fox"; sorted.
 */

static const char *const  referral_ua_browsers[] = {
    "115chrome", "2345chrome", "2345explorer", "360ee", "360se", "3gpp-gba",
    "7star", "adg", "aloha", "amigo", "aol", "aolbuild", "aolshield", "arc",
    "arora", "atcontent", "atlas", "avant", "avast", "avg", "avira",
    "avirascout", "awox", "baidu", "basilisk", "bdspark", "beaker", "beamrise",
    "beonex", "biyubi", "blackhawk", "borealis", "brave", "brisk", "briskbard",
    "browsec", "build", "camino", "catalyst", "catsxp", "ccleaner", "cent",
    "centaury", "centos", "chedot", "cheshire", "chrome", "chromeplus",
    "chromium", "citrio", "classilla", "cliqz", "coccoc", "colibri",
    "columbus", "comet", "cometbird", "comodo_dragon", "conkeror",
    "coolchrome", "coolnovo", "core", "crios", "crusta", "cunaguaro", "ddg",
    "debian", "decentr", "deepin", "dingtalk", "discord", "dolphinhdcn",
    "dooble", "dorado", "doubao", "douyu", "dragon", "dtb", "duckduckgo",
    "ecosia", "edg", "edga", "edge", "edgios", "electron", "elementary",
    "epic", "epiphany", "examity", "examsoft", "falkon", "fedora", "feishu",
    "fennec", "ferdium", "figma", "flock", "flow", "fluid", "focus", "franz",
    "freeu", "gecko", "gentoo", "ghostery", "gls", "goanna", "googleearth",
    "hancom", "helium", "herond", "herring", "hola", "honor", "honorlock",
    "huawei", "iceape", "icecat", "icedragon", "iceweasel", "ilunascape",
    "impervious", "iridium", "iris", "iron", "itop", "jajak", "juzi",
    "k-meleon", "kakaotalk", "kazehakase", "kindle", "kingsoft", "kinza",
    "kiosk", "klar", "konqueror", "kreatv", "kubuntu", "kylin", "ladybird",
    "language", "lark", "larklocale", "lenovo", "librewolf", "liebao",
    "lieying", "light", "lightning", "like", "likewise", "linkchrome",
    "linspire", "liri", "lockdown", "loongson", "lotus", "luakit", "lulumi",
    "lunascape", "mageia", "mandriva", "master", "mattermost", "maxthon",
    "mercury", "metasr", "metrochrome", "micromessenger", "midori", "mint",
    "motorola", "mozilla", "mrchrome", "mxnitro", "mypal", "nateon", "naver",
    "navigateur", "navigator", "netkiosk", "netscape", "nettype", "nichrome",
    "norton", "notion", "nuanti", "obsidian", "odin", "omniweb", "openkiosk",
    "opera", "opera-gx", "operagx", "oppo", "opr", "opt", "opx", "orbitum",
    "orca", "origin", "otter", "palemoon", "pclinuxos", "perk", "phoenix",
    "polarity", "polypane", "porteus", "pre", "presearch", "presto", "prism",
    "proctorio", "puffin", "qazweb", "qbcore", "qianwen", "qihu",
    "qtwebengine", "quark", "quarkpc", "qupzilla", "qwant", "rambox",
    "raspberry", "raspbian", "redcore", "rekonq", "respondus", "rldb",
    "rockmelt", "rulz", "saayaa", "safari", "salamweb", "samanthadoubao",
    "samsung", "seamonkey", "seb", "self", "shift", "shiira", "sidekick",
    "silk", "silk-accelerated=false", "silk-accelerated=true", "sitekiosk",
    "sizzy", "skyfire", "skype", "slack", "slack_ssb", "slackware", "sleipnir",
    "slimboat", "slimjet", "soc", "sogou", "songbird", "sonic", "spark",
    "spotify", "sputnik", "stainless", "station", "steam", "stream", "sunrise",
    "superbird", "supermium", "surf", "suse", "swing", "sznprohlizec", "teams",
    "tencent", "tesla", "theworld", "thorium", "thunderbird", "torch",
    "trident", "tungsten", "tweakstyle", "twinkstar", "ubuntu", "ubuntu-edge",
    "ulaa", "untrusted", "uos", "uran", "valve", "vendor", "version", "viber",
    "vivaldi", "vivo", "wavebox", "webcatalog", "webdiscover", "webpositive",
    "webview", "weixin", "wexond", "whale", "whaleclient", "whatsapp",
    "windowsstore", "windowswechat", "wolvic", "wps", "wxwork", "xiaomi",
    "xpom", "xvast", "yowser", "yyexplorer", "zen", "zoho", "zoom", "zte",
    "zum"
};


#define REFERRAL_UA_BROWSERS                                                  \
    (sizeof(referral_ua_browsers) / sizeof(referral_ua_browsers[0]))


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

    /*
     * Not sent by a browser: "Mozilla/5.0 (compatible; Something)",
     * "Mozilla/5.0" and "Mozilla/5.0 (Windows NT 10.0; Win64; x64)".
     */

    if (!referral_ua_has(found->traits, ENGINE)
        && (referral_ua_has(found->traits, COMPATIBLE)
            || !(found->traits & REFERRAL_UA_SYSTEMS)
            || (!(found->traits & REFERRAL_UA_NO_DESKTOP)
                && referral_visitor_lone(ua))))
    {
        return REFERRAL_RULE_ENGINE;
    }

    if (referral_ua_has(found->traits, COMPATIBLE)
        && referral_visitor_compatible(ua))
    {
        return REFERRAL_RULE_TAIL;
    }

    if ((found->traits & REFERRAL_UA_DESKTOP)
        && !(found->traits & REFERRAL_UA_NO_DESKTOP)
        && referral_visitor_tail(ua))
    {
        return REFERRAL_RULE_TAIL;
    }

    return REFERRAL_RULE_NONE;
}


/* does the User-Agent end behind the system?  Asked for desktops only */

static int
referral_visitor_lone(const referral_str_t *ua)
{
    const u_char  *p;

    if (!referral_visitor_begins(ua, "Mozilla/5.0 (")) {
        return 0;
    }

    p = memchr(ua->data, ')', ua->len);

    return p == NULL || p == ua->data + ua->len - 1;
}


/*
 * "... Mobile Safari/537.36 (compatible; Something": only MSIE has it at the
 * end.
 */

static int
referral_visitor_compatible(const referral_str_t *ua)
{
    const u_char  *p, *end;

    end = ua->data + (ua->len < REFERRAL_BOTS_UA_MAX ? ua->len
                                                     : REFERRAL_BOTS_UA_MAX);

    p = memchr(ua->data, ')', end - ua->data);

    while (p) {
        p = memchr(p, '(', end - p);

        if (p == NULL) {
            break;
        }

        p++;

        if (end - p > 17
            && strncasecmp((char *) p, "compatible;", 11) == 0
            && strncasecmp((char *) p + 11, " msie", 5) != 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Is there a product behind "Safari/537.36" or "Firefox/128.0" that no browser
 * adds?  Asked for desktops only: apps on phones use any name, and so did
 * extensions of Firefox before version 4.
 */

static int
referral_visitor_tail(const referral_str_t *ua)
{
    size_t          i;
    referral_str_t  s, rest, before;

    s = *ua;

    if (s.len > REFERRAL_BOTS_UA_MAX) {
        s.len = REFERRAL_BOTS_UA_MAX;
    }

    /*
     * The common endings; the last ones have "Edg/138.0.0.0" or
     * "OPR/120.0.0.0".
     */

    if (referral_visitor_ends(&s, " Safari/537.36")
        || referral_visitor_ends(&s, " Safari/605.1.15")
        || referral_visitor_ends(&s, ".0.0.0"))
    {
        return 0;
    }

    before = s;

    for (i = s.len; i-- > 0; /* void */ ) {

        if (s.data[i] != ' ') {
            continue;
        }

        before.len = i;

        rest.data = s.data + i + 1;
        rest.len = s.len - i - 1;

        if ((referral_visitor_begins(&rest, "Safari/")
             && !referral_visitor_ends(&before, ","))
            || (referral_visitor_begins(&rest, "Firefox/")
                && referral_visitor_ends(&before, "/20100101")))
        {
            /*
             * Applications built with Electron add their own names, and people
             * use them.
             */

            return referral_visitor_foreign(&rest)
                   && !referral_visitor_contains(&s, "electron/");
        }
    }

    return 0;
}


static int
referral_visitor_foreign(const referral_str_t *tail)
{
    u_char          c;
    size_t          i;
    unsigned        n, depth;
    referral_str_t  token;

    n = 0;
    depth = 0;
    token.len = 0;
    token.data = NULL;

    for (i = 0; i < tail->len && tail->data[i] != ' '; i++) {
        if (tail->data[i] == ';') {
            break;
        }
    }

    for ( /* void */ ; i <= tail->len; i++) {
        c = (i < tail->len) ? tail->data[i] : ' ';

        if (depth == 0 && c != ' ' && c != ';' && c != ',' && c != '(') {

            if (token.len++ == 0) {
                token.data = tail->data + i;
            }

            continue;
        }

        if (token.len
            && (++n > REFERRAL_PRODUCTS_MAX
                || !referral_visitor_browser(&token)))
        {
            return 1;
        }

        token.len = 0;

        depth += (c == '(');
        depth -= (c == ')' && depth);
    }

    return 0;
}


/*
 * A browser by its name, or by a version as only builds of Chromium have:
 * "128.0.26382.138".
 */

static int
referral_visitor_browser(const referral_str_t *token)
{
    u_char          c;
    size_t          i, dots, letters;
    const u_char   *p;
    referral_str_t  name;

    name = *token;
    p = memchr(token->data, '/', token->len);

    if (p) {
        name.len = p - token->data;
        dots = 0;

        for (i = name.len; i < token->len; i++) {
            dots += (token->data[i] == '.');
        }

        if (dots == 3) {
            return 1;
        }
    }

    /* a number or a mark is no product, unless it is as long as a key */

    for (letters = 0, i = 0; i < name.len; i++) {
        c = name.data[i] | 0x20;
        letters += (c >= 'a' && c <= 'z');
    }

    c = name.data[0] | 0x20;

    if (letters < 3
        || ((c < '0' || c > '9') && (c < 'a' || c > 'z')))
    {
        return name.len < 16;
    }

    return referral_visitor_known(&name)
           || referral_visitor_contains(&name, "browser")
           || referral_visitor_contains(&name, "fox");
}


static int
referral_visitor_known(const referral_str_t *name)
{
    int       rc;
    size_t    len;
    unsigned  from, to, i;

    from = 0;
    to = REFERRAL_UA_BROWSERS;

    while (from < to) {
        i = (from + to) / 2;

        len = strlen(referral_ua_browsers[i]);

        rc = strncasecmp((char *) name->data, referral_ua_browsers[i],
                         name->len);

        if (rc == 0 && len == name->len) {
            return 1;
        }

        if (rc > 0 || (rc == 0 && len < name->len)) {
            from = i + 1;

        } else {
            to = i;
        }
    }

    return 0;
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
 * Loading an image or a script from the link is not a person's click.
 * Browsers that do not send Sec-Fetch headers, and those with a service worker
 * ("empty", "same-origin"), are taken for persons.
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

    /* the order matters, because User-Agents name other systems too */

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

        /* browsers on phones say "Mobile", other apps do not */

        if (referral_ua_has(found, BROWSER)
            ? !referral_ua_has(found, MOBILE)
            : referral_ua_has(found, TABLET))
        {
            referral_str_set(&device->device, "tablet");

        } else {
            referral_str_set(&device->device, "mobile");
        }

    } else if (referral_ua_has(found, PC)) {
        referral_str_set(&device->device, "desktop");

    } else if (referral_ua_has(found, CHROMEOS)) {
        referral_str_set(&device->device, "desktop");
        referral_str_set(&device->os, "chromeos");

    } else if (referral_ua_has(found, WINDOWS)) {
        referral_str_set(&device->device, "desktop");
        referral_str_set(&device->os, "windows");

    } else if (referral_ua_has(found, MACOS)) {
        referral_str_set(&device->device, "desktop");
        referral_str_set(&device->os, "macos");

    } else if (referral_ua_has(found, LINUX) || referral_ua_has(found, X11)) {
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


/* ignores ASCII case and reads only the first bytes of a header */

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

    /* behind the colon is a port, or before it was a user name */

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
