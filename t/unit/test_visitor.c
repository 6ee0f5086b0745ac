/* link: referral_visitor.c referral_bots.c referral_automaton.c referral_str.c */

#include "referral_visitor.h"
#include "unit.h"


#define SAFARI                                                                \
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) "               \
    "AppleWebKit/605.1.15 (KHTML, like Gecko) "

#define ANDROID(model)                                                        \
    "Mozilla/5.0 (Linux; Android 14; " model "; wv) AppleWebKit/537.36 "      \
    "(KHTML, like Gecko) Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36"

#define CHROME(system)                                                        \
    "Mozilla/5.0 (" system ") AppleWebKit/537.36 (KHTML, like Gecko) "        \
    "Chrome/126.0.0.0 Safari/537.36"


static referral_bots_t  *bots;


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.len = text ? strlen(text) : 0;
    s.data = (u_char *) text;

    return s;
}


static referral_class_e
class(const char *ua, const char *purpose, const char *mode, int head)
{
    referral_str_t              s;
    referral_class_e            class;
    referral_agent_t            agent;
    referral_visitor_headers_t  h;

    memset(&h, 0, sizeof(h));

    /*
     * A copy of the exact size, so that a sanitizer detects reading beyond the
     * end.
     */

    h.head = head;
    s.len = strlen(ua);
    s.data = malloc(s.len + !s.len);
    memcpy(s.data, ua, s.len);
    h.purpose[REFERRAL_PURPOSES - 1] = str(purpose);
    h.fetch_mode = str(mode);

    referral_visitor_agent(&agent, bots, &s);
    class = referral_visitor_class(&h, &agent);

    free(s.data);

    return class;
}


static void
test_people(void)
{
    size_t  i;

    static const char  *people[] = {
        SAFARI "Version/17.5 Mobile/15E148 Safari/604.1",
        CHROME("Windows NT 10.0; Win64; x64"),
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 "
        "Firefox/128.0",
        "Opera/9.80 (J2ME/MIDP; Opera Mini/8.0.35626/191.249; U; en) "
        "Presto/2.12.423 Version/12.16",
        "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)",
        "Mozilla/5.0 (compatible; Konqueror/4.14; Linux) KHTML/4.14 "
        "(like Gecko)",
        SAFARI "Mobile/15E148 Safari Line/13.15.0",
        SAFARI "Mobile/21F90 Instagram 337.0.0.29.84 (iPhone13,2; iOS 17_5)",
        SAFARI "Mobile/21F90 [FBAN/FBIOS;FBAV/471.0.0.33.106;FBDV/iPhone13,2]",
        ANDROID("Pixel 10") " MetaIAB Facebook",
        ANDROID("SM-S918B") " MicroMessenger/8.0.49 NetType/WIFI",
        ANDROID("SM-S918B") " trill_2023305010 AppName/musical_ly",
        ANDROID("SM-S918N") ";KAKAOTALK 2410680",
        SAFARI "Mobile/15E148 Snapchat/12.89 (like Safari/604.1)",
        SAFARI "Mobile/15E148 [LinkedInApp]",
        ANDROID("CUBOT_X30"),
        ANDROID("CUBOT NOTE 20"),
        ANDROID("M BOT 551"),
        ANDROID("IDbot553"),
        ANDROID("htc_botdugls"),
        ANDROID("Spider 8"),
        "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0; "
        "Banca Caboto s.p.a.)",

        /* what follows the browser's name on desktops */

        CHROME("Windows NT 10.0; Win64; x64") " Edg/126.0.2592.87",
        CHROME("Windows NT 10.0; Win64; x64") " OPR/112.0.0.0 (Edition beta)",
        CHROME("Windows NT 10.0; Win64; x64") " OurBrowser/1.2",
        CHROME("Windows NT 10.0; Win64; x64") " Unheard/126.0.6478.127",
        CHROME("Windows NT 10.0; Win64; x64") " QIHU 360SE",
        CHROME("Windows NT 10.0; Win64; x64") " Lark/7.1 LarkLocale/en_US",
        CHROME("Windows NT 10.0; Win64; x64") " Aloha/4.7",
        CHROME("X11; Linux x86_64") " NetType/WIFI Language/zh_CN",
        CHROME("Windows NT 6.1") " SE 2.X MetaSr 1.0",
        CHROME("Windows NT 10.0; Win64; x64") " NetType/WIFI "
        "MicroMessenger/7.0.20.1781(0x6700143B) WindowsWechat(0x63090a13) "
        "UnifiedPCWindowsWechat(0xf254032b) XWEB/13655 Flue",
        CHROME("Macintosh; Intel Mac OS X 10_15_7") " Vivaldi/6.8",
        CHROME("Macintosh; Intel Mac OS X 10_15_7") " Sleipnir/6.2.14",
        CHROME("X11; Linux x86_64") " (Chromium GOST) Falkon/3.2.0",
        CHROME("X11; Linux x86_64; ") " Puffin/9.7.2.51367PP",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/17.4 Safari/605.1.15 Ddg/17.4",
        "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 "
        "Firefox/115.0 Waterfox/115.0",
        "Mozilla/5.0 (Windows; U; Windows NT 5.1; en; rv:1.9.2) "
        "Gecko/20100115 Firefox/3.6 SomeToolbar/1.4 (.NET CLR 3.5.30729)",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, "
        "like Gecko) SomeEditor/1.9 Chrome/126.0.0.0 Electron/31.0 "
        "Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, "
        "like Gecko) Chrome/126.0.0.0 Electron/31.0 Safari/537.36 Some/1.9",
        "Mozilla/5.0 (Linux; U; armv7l) AppleWebKit/534.34 (KHTML, like "
        "Gecko) Version/5.0 Safari/534.34 SomeReader/6.3",

        /* and on phones, where apps use any name */

        ANDROID("Pixel 10") " SomeShop/7.1.2",
        SAFARI "Version/17.5 Mobile/15E148 Safari/604.1 SomeBank-App",

        /* neither an engine nor a usual system, but another product */

        "Mozilla/4.08 [en] (WinNT; U)",
        "Mozilla/4.76 [en] (X11; U; SunOS 5.7 sun4u)",
        "Mozilla/4.61 [de] (OS/2; I)",
        "Mozilla/3.0(DDIPOCKET;KYOCERA/AH-K3001V/1.4.1/0.1/C100) Opera 7.0",
        "Mozilla/5.0 (OpenBSD 7.1 amd64; U) Opera 6.03  [en]",
        "Opera/9.80 (Windows NT 6.1; U; en) Presto/2.10.289 Version/12.01",
        "Mozilla/5.0 (Linux; Android 9; AFTT) AppleWebKit/537.36 (KHTML, like "
        "Gecko) Silk/120.4 like Chrome/120.0 Safari/537.36",
        "Nokia7110/1.0 (05.01) Profile/MIDP-1.0",
        "Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/50.0.2661.102 Safari/537.36,gzip(gfe) (via "
        "translate.google.com)"
    };

    for (i = 0; i < sizeof(people) / sizeof(people[0]); i++) {
        ok(class(people[i], NULL, NULL, 0) == REFERRAL_CLASS_HUMAN,
           "a person: %s", people[i]);
    }
}


static void
test_machines(void)
{
    size_t  i;

    static const char  *machines[] = {
        "",
        "-",
        "curl/8.5.0",
        "Wget/1.21.3",
        "python-requests/2.32.3",
        "Go-http-client/1.1",
        "okhttp/4.12.0",
        "Java/17.0.2",
        "mozilla",
        "Mozilla/5.0 (compatible; Googlebot/2.1; "
        "+http://www.google.com/bot.html)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; "
        "bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 "
        "Safari/537.36",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0)",
        "Mozilla/5.0 (compatible; SomeThing/1.0)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
        "(KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; cludo.com bot) AppleWebKit/537.36 "
        "(KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
        CHROME("X11; Linux x86_64") " Playwright/1.40.0",
        CHROME("X11; Linux x86_64") " some-crawler",
        CHROME("X11; Linux x86_64") " ourrobotics",

        /* no engine and no system */

        "Mozilla/5.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
        "Mozilla/5.0 (X11; Linux x86_64)",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7",
        "Mozilla/4.0",
        "Mozilla/5.0 Something/1.0",
        "Mozilla/5.0 (Something/1.0)",
        "Mozilla/5.0 (compatible)",
        "Mozilla/5.0 (Something; U; en)",

        /* a product that no browser adds */

        CHROME("Windows NT 10.0; Win64; x64") " Something/1.0",
        CHROME("Windows NT 10.0; Win64; x64") " Something",
        CHROME("Windows NT 10.0; Win64; x64") " Edge/13.10586 Some-sampling",
        CHROME("Windows NT 10.0; Win64; x64") " Some-Name/1.2 Edg/126.0",
        CHROME("Windows NT 10.0; Win64; x64") ";Something;",
        CHROME("Windows NT 10.0; Win64; x64") "; Something",
        CHROME("Windows NT 10.0; Win64; x64")
        " 36b1546a5700e52eb2972b3f92b314fa",
        CHROME("Macintosh; Intel Mac OS X 10_15_7") " 7Somethings/0.1 (x)",
        CHROME("X11; Linux x86_64") " (a comment) Something/2",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/17.4 Safari/605.1.15 Something/1.0",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 "
        "Firefox/128.0 Something/1.0",
        CHROME("X11; CrOS x86_64 14541.0.0") " Something/1.0",

        /* "compatible" where no browser has it */

        CHROME("Windows NT 10.0; Win64; x64") " (compatible; Something/1.0)",
        ANDROID("Pixel 10") " (compatible; Something/1.0)",
        SAFARI "Version/17.5 Mobile/15E148 Safari/604.1 (compatible; "
        "Something/1.0)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; "
        "Something/1.0) Chrome/119.0.6045.214 Safari/537.36",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; "
        "Something/1.0",

        /* in front of everything */

        "Something/1.0 " CHROME("Windows NT 10.0; Win64; x64"),

        /* not within a name that a maker gave */

        ANDROID("Pixel 10") " Somebot/1.0",
        ANDROID("Pixel 10") " (Somebot; +http://example.com/)",
        "Mozilla/5.0 (Linux; Android 14; Pixel 10; Somebot/1.0) "
        "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile "
        "Safari/537.36",
        "Mozilla/5.0 (Linux; Android 14; http://example.com/) "
        "AppleWebKit/537.36",
        "okhttp/4.12.0 (Linux; Android 14; Pixel 10)"
    };

    static const char  *previews[] = {
        "facebookexternalhit/1.1 "
        "(+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 "
        "(KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 "
        "facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        "Twitterbot/1.0",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Slack-ImgProxy (+https://api.slack.com/robots)",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "TelegramBot (like TwitterBot)",
        "WhatsApp/2.23.20.0 A",
        "WhatsApp",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient "
        "+http://www.linkedin.com)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
        "facebookexternalhit/1.1;line-poker/1.0",
        "facebookexternalhit/1.1; kakaotalk-scrap/1.0; "
        "+https://devtalk.kakao.com/",
        "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com)",
        "Viber/12.8.0.1",
        "http.rb/5.1.1 (Mastodon/4.2.8; +https://mastodon.social/)",
        "Mozilla/5.0 (compatible; Bluesky Cardyb/1.1)"
    };

    for (i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        ok(class(machines[i], NULL, NULL, 0) == REFERRAL_CLASS_BOT,
           "a bot: %s", machines[i]);
    }

    for (i = 0; i < sizeof(previews) / sizeof(previews[0]); i++) {
        ok(class(previews[i], NULL, NULL, 0) == REFERRAL_CLASS_PREVIEW,
           "a preview: %s", previews[i]);
    }
}


static void
test_dest(void)
{
    size_t                      i;
    referral_str_t              ua;
    referral_agent_t            agent;
    referral_class_e            is;
    referral_visitor_headers_t  h;

    static const struct {
        const char        *dest;
        referral_class_e   class;
    } tests[] = {
        { NULL, REFERRAL_CLASS_HUMAN },
        { "document", REFERRAL_CLASS_HUMAN },
        { "iframe", REFERRAL_CLASS_HUMAN },
        { "empty", REFERRAL_CLASS_HUMAN },
        { "image", REFERRAL_CLASS_BOT },
        { "script", REFERRAL_CLASS_BOT },
        { "style", REFERRAL_CLASS_BOT }
    };

    memset(&h, 0, sizeof(h));

    ua = str(CHROME("Windows NT 10.0; Win64; x64"));
    referral_visitor_agent(&agent, bots, &ua);

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        h.fetch_dest = str(tests[i].dest);
        is = referral_visitor_class(&h, &agent);

        ok(is == tests[i].class, "Sec-Fetch-Dest: %s: class %u",
           tests[i].dest ? tests[i].dest : "none", is);
    }

    h.fetch_dest = str(NULL);
    h.no_accept = 1;
    is = referral_visitor_class(&h, &agent);

    ok(is == REFERRAL_CLASS_BOT, "every browser says what it accepts");

    for (i = 0; i < REFERRAL_PURPOSES; i++) {
        memset(h.purpose, 0, sizeof(h.purpose));
        h.purpose[0] = str("other");
        h.purpose[i] = str("prefetch");
        is = referral_visitor_class(&h, &agent);

        ok(is == REFERRAL_CLASS_PREFETCH, "each header of a purpose");
    }
}


static void
test_requests(void)
{
    size_t             i;
    referral_str_t     name;

    static const char  person[] = CHROME("Windows NT 10.0; Win64; x64");

    static const char  *prefetches[] = {
        "prefetch", "prefetch;prerender", "Prefetch;anonymous-client-ip",
        "prerender", "preview"
    };

    for (i = 0; i < sizeof(prefetches) / sizeof(prefetches[0]); i++) {
        ok(class(person, prefetches[i], NULL, 0) == REFERRAL_CLASS_PREFETCH,
           "a prefetch: %s", prefetches[i]);
    }

    ok(class("curl/8.5.0", "prefetch", NULL, 1) == REFERRAL_CLASS_PREFETCH,
       "a prefetch before anything else");
    ok(class("curl/8.5.0", NULL, NULL, 1) == REFERRAL_CLASS_HEAD,
       "a HEAD before the User-Agent");
    ok(class(person, "", NULL, 0) == REFERRAL_CLASS_HUMAN
       && class(person, "pre", NULL, 0) == REFERRAL_CLASS_HUMAN,
       "another purpose is none");

    ok(class(person, NULL, "navigate", 0) == REFERRAL_CLASS_HUMAN,
       "a navigation");
    ok(class(person, NULL, "same-origin", 0) == REFERRAL_CLASS_HUMAN,
       "one through a service worker");
    ok(class(person, NULL, "no-cors", 0) == REFERRAL_CLASS_BOT,
       "an image whose source is the link");
    ok(class(person, NULL, "CORS", 0) == REFERRAL_CLASS_BOT,
       "a script that fetches it");

    test_dest();

    name = referral_class_name(REFERRAL_CLASS_HUMAN);
    ok(referral_str_is(&name, "human"), "human by name");
    name = referral_class_name(REFERRAL_CLASS_EXCLUDED);
    ok(referral_str_is(&name, "excluded"), "excluded by name");
    name = referral_class_name(REFERRAL_CLASSES);
    ok(name.len == 0, "no class, no name");
    name = referral_class_name(-1);
    ok(name.len == 0, "any number");
}


static void
test_devices(void)
{
    char               got[64];
    size_t             i;
    referral_str_t     ua;
    referral_device_t  d;
    referral_agent_t   agent;

    static const struct {
        const char  *ua;
        const char  *want;
    } cases[] = {
        { SAFARI "Version/17.5 Mobile/15E148 Safari/604.1", "mobile ios " },
        { "Mozilla/5.0 (iPad; CPU OS 15_3_1 like Mac OS X) "
          "AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
          "tablet ios " },
        { ANDROID("Pixel 8"), "mobile android " },
        { CHROME("Linux; Android 13; SM-X906C"), "tablet android " },
        { CHROME("Windows NT 10.0; Win64; x64"), "desktop windows " },
        { CHROME("Macintosh; Intel Mac OS X 10_15_7"), "desktop macos " },
        { CHROME("X11; Linux x86_64"), "desktop linux " },
        { CHROME("X11; CrOS x86_64 14541.0.0"), "desktop chromeos " },
        { "Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; "
          "Lumia 650) AppleWebKit/537.36 (KHTML, like Gecko) Mobile",
          "mobile windows " },
        { CHROME("SMART-TV; Linux; Tizen 6.0"), "tv linux " },
        { CHROME("Web0S; Linux/SmartTV"), "tv linux " },
        { CHROME("Linux; Android 9; BRAVIA 4K UR2"), "tv android " },
        { CHROME("Linux; Android 7.1.2; AFTMM Build/NS6265"), "tv android " },
        { "Mozilla/5.0 (PlayStation 5 3.03/SmartTV) AppleWebKit/605.1.15 "
          "(KHTML, like Gecko)", "console other " },
        { CHROME("Windows NT 10.0; Win64; x64; Xbox; Xbox Series X"),
          "console windows " },
        { "Mozilla/5.0 (Nintendo Switch; WebApplet) AppleWebKit/609.4 "
          "(KHTML, like Gecko)", "console other " },
        { "Mozilla/5.0 (Mobile; Nokia_800_Tough; rv:48.0) Gecko/48.0 "
          "Firefox/48.0 KAIOS/2.5.2", "mobile other " },
        { ANDROID("AFTZZ21 Build/X1"), "tv android " },
        { CHROME("Linux; Android 11; SHIELD Android TV Build/X1"),
          "tv android " },
        { CHROME("Linux; Android 7.0; SHIELD Tablet K1"), "tablet android " },
        { ANDROID("Chromecast"), "tv android " },
        { CHROME("Linux; Android 14; Google TV Streamer"), "tv android " },
        { CHROME("Linux; Android 12; OURMAKE 4K TV Build/X1"),
          "tv android " },
        { CHROME("Linux; Android 12; Our Play Box Build/X1"),
          "tv android " },
        { CHROME("Linux; Android 9; ATV R7"), "tv android " },
        { CHROME("Linux; Android 9; OURSTB Build/X1"), "tv android " },
        { CHROME("SMART-TV; LINUX; Tizen 6.5"), "tv linux " },
        { "Mozilla/5.0 (Linux; Tizen 2.3) AppleWebKit/538.1 (KHTML, like "
          "Gecko) Version/2.3 TV Safari/538.1", "tv linux " },
        { "HbbTV/1.5.1 (+DRM; Maker; Model; 1.0; ; )", "tv other " },
        { "Roku/DVP-12.5 (12.5.0.4181-C2)", "tv other " },
        { ANDROID("Pixel 8") " Aftonbladet/7.1", "mobile android " },
        { ANDROID("moto g(7) DTV"), "mobile android " },
        { "Mozilla/5.0 (PC; OpenHarmony 5.1) AppleWebKit/537.36 (KHTML, like "
          "Gecko) Chrome/138.0.0.0 Safari/537.36 ArkWeb/4.1.6.1",
          "desktop other " },
        { "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, "
          "like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile",
          "mobile other " },
        { "Mozilla/5.0 (Tablet; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, "
          "like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1",
          "tablet other " },
        { CHROME("Linux; Android 12; HarmonyOS; OUR-W09; HMSCore 6.14"),
          "tablet android " },
        { "[FBAN/FB4A;FBAV/520.0;FBMF/maker;FBPN/com.facebook.katana;"
          "FBDV/Model 7;FBSV/13;]", "mobile android facebook" },
        { "[FBAN/Orca-Android;FBAV/410.0;FBPN/com.facebook.orca;"
          "FBDV/Model 7;FBSV/13;]", "mobile android messenger" },
        { "[FBAN/FBIOS;FBAV/520.0;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;]",
          "mobile ios facebook" },
        { "[FBAN/FBIOS;FBAV/520.0;FBDV/iPad13,1;FBMD/iPad;FBSN/iPadOS;]",
          "tablet ios facebook" },
        { "Instagram 390.0.0.28.85 Android (33/13; 420dpi; 1080x2176; Maker; "
          "Model 7; code; chip; nl_NL; 7)", "mobile android instagram" },
        { "Barcelona 390.0.0.28.85 Android (33/13; 420dpi; 1080x2176; Maker; "
          "Model 7; code; chip; nl_NL; 7)", "mobile android threads" },
        { "TwitterAndroid/10.40.0-release.0 (3104-r-0) Model 7/13 (Maker;"
          "Model 7;Maker;code;0;;1;2016)", "mobile android twitter" },
        { ANDROID("Barcelona Build/X1"), "mobile android " },
        { ANDROID("iphone C600"), "mobile android " },
        { ANDROID("Viber Phone X"), "mobile android " },
        { ANDROID("Viber Phone X") " Line/14.9.0/IAB", "mobile android line" },
        { "[FBAN/FB4A;FBAV/520.0;FBMF/maker;FBDV/iphone C600;FBSV/13;]",
          "mobile android facebook" },
        { "curl/8.5.0", "other other " },
        { "", "other other " },

        { SAFARI "Safari Line/13.15.0", "mobile ios line" },
        { ANDROID("Pixel 8") " Online/1.0", "mobile android " },
        { SAFARI "Mobile/21F90 Instagram 337.0.0.29.84",
          "mobile ios instagram" },
        { ANDROID("Pixel 8") " Instagram 406.0.0.58.159 Android "
          "(35/15; IABMV/1) [FBAN/x]", "mobile android instagram" },
        { SAFARI "Mobile/21F90 [FBAN/FBIOS;FBAV/471.0]",
          "mobile ios facebook" },
        { ANDROID("Pixel 8") " [FB_IAB/FB4A;FBAV/192.0.0.34.85;]",
          "mobile android facebook" },
        { ANDROID("Pixel 8") " MetaIAB Facebook", "mobile android facebook" },
        { SAFARI "[FBAN/MessengerForiOS;FBAV/410.0]", "mobile ios messenger" },
        { ANDROID("Pixel 8") " [FB_IAB/Orca-Android;FBAV/192.0]",
          "mobile android messenger" },
        { ANDROID("Pixel 8") " MicroMessenger/8.0.49",
          "mobile android wechat" },
        { ANDROID("Pixel 8") " trill_202 AppName/musical_ly",
          "mobile android tiktok" },
        { ANDROID("Pixel 8") ";KAKAOTALK 2410680",
          "mobile android kakaotalk" },
        { SAFARI "Twitter for iPhone/10.44", "mobile ios twitter" },
        { ANDROID("Pixel 8") " TwitterAndroid", "mobile android twitter" },
        { SAFARI "Snapchat/12.89.0.40", "mobile ios snapchat" },
        { SAFARI "[LinkedInApp]/9.29", "mobile ios linkedin" },
        { SAFARI "[Pinterest/iOS]", "mobile ios pinterest" },
        { ANDROID("Pixel 8") " Telegram-Android/10.14.5",
          "mobile android telegram" },
        { SAFARI "WhatsApp/2.24.10", "mobile ios whatsapp" },
        { SAFARI "GSA/320.0.643507324 Mobile/15E148", "mobile ios google" },
        { SAFARI "Reddit/Version 2024.21", "mobile ios reddit" },
        { SAFARI "NAVER(inapp; search; 2000; 12.3.6)", "mobile ios naver" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ua = str(cases[i].ua);
        referral_visitor_agent(&agent, bots, &ua);
        d = agent.device;

        snprintf(got, sizeof(got), "%.*s %.*s %.*s",
                 (int) d.device.len, d.device.data, (int) d.os.len, d.os.data,
                 (int) d.app.len, d.app.data);

        ok(strcmp(got, cases[i].want) == 0, "%s: %s", cases[i].want,
           cases[i].ua);
    }
}


/*
 * Makers give phones any name: \1 is the maker, \2 the model, \3 the codename.
 * None of them may turn a person into a machine.
 */

static const char  names_wv[] =
    "Mozilla/5.0 (Linux; Android 13; \2 Build/TP1A.221105.002; wv) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
    "Chrome/138.0.7204.63 Mobile Safari/537.36";

/* "+": behind what a WebView sends */

static const struct {
    const char    *form;
    const char    *app;
} names_forms[] = {
    { "+", "" },
    { "+ Instagram 390.0.0.28.85 Android (33/13; 420dpi; 1080x2176; \1; "
      "\2; \3; qcom; nl_NL; 700000001)", "instagram" },
    { "+ Barcelona 390.0.0.28.85 Android (33/13; 420dpi; 1080x2176; "
      "\1/\1; \2; \3; qcom; nl_NL; 700000001)", "threads" },
    { "Instagram 390.0.0.28.85 Android (33/13; 420dpi; 1080x2176; \1; "
      "\2; \3; qcom; nl_NL; 700000001)", "instagram" },
    { "[FBAN/FB4A;FBAV/520.0.0.41.85;FBBV/700000002;FBDM/{density=2.0,"
      "width=720,height=1480};FBLC/nl_NL;FBCR/\3;FBMF/\1;FBBD/\1;"
      "FBPN/com.facebook.katana;FBDV/\2;FBSV/13;FBOP/1;"
      "FBCA/arm64-v8a:;]", "facebook" },
    { "Dalvik/2.1.0 (Linux; U; Android 13; \2 Build/X1) [FBAN/FB4A;"
      "FBAV/520.0;FBCR/\3;FBMF/\1;FBBD/\1;FBDV/\2]", "facebook" },
    { "+ [FB_IAB/FB4A;FBAV/520.0.0.41.85;]", "facebook" },
    { "+ [FB_IAB/Orca-Android;FBAV/410.0.0.31.107;]", "messenger" },
    { "Mozilla/5.0 (Linux; Android 13; \2) AppleWebKit/537.36 (KHTML, "
      "like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36", "" },
    { "Mozilla/5.0 (Linux; Android 13; \2 Build/\3) AppleWebKit/537.36 "
      "(KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36", "" },
    { "Mozilla/5.0 (Linux; U; Android 4.1.2; en-us; \2 Build/JZO54K) "
      "AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile "
      "Safari/534.30", "" },
    { "Mozilla/5.0 (Linux; U; Android 13; zh_Hant_TW; \2) "
      "AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36", "" },
    { "Mozilla/5.0 (Linux; arm_64; Android 13; \2) AppleWebKit/537.36 "
      "(KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36", "" },
    { "Mozilla/5.0 (Linux; Android 12; HarmonyOS; \2; HMSCore 6.14) "
      "AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36", "" },
    { "+ NAVER(inapp; search; 2000; 12.5.3; \2)", "naver" },
    { "UCWEB/2.0 (MIDP-2.0; U; Adr 9; en-US; \2) U2/1.0.0 "
      "UCBrowser/10.7.9.856 U2/1.0.0 Mobile", "" },
    { "+ trill_2023 AppName/musical_ly ByteLocale/nl "
      "BytedanceWebview/d8a21c6", "tiktok" },
    { "com.zhiliaoapp.musically/2023 (Linux; U; Android 13; nl_NL; \2; "
      "Build/TP1A; Cronet/TTNetVersion:4df3ca9d)", "tiktok" },
    { "+ Snapchat/12.89.0.40 (\2; Android 13#S918#33; gzip; )",
      "snapchat" },
    { "Snapchat/12.89.0.40 (\2; Android 13#S918#33; gzip; )",
      "snapchat" },
    { "+ Line/14.9.0/IAB", "line" },
    { "+ MMWEBID/3427 MicroMessenger/8.0.49.2600(0x28003137) "
      "WeChat/arm64", "wechat" },
    { "+;KAKAOTALK 2410680", "kakaotalk" },
    { "+ [Pinterest/Android]", "pinterest" },
    { "Pinterest for Android/12.5.0 (\3; 13)", "pinterest" },
    { "+ TwitterAndroid", "twitter" },
    { "TwitterAndroid/10.40.0-release.0 (310400000-r-0) \2/13 (\1;\2;"
      "\1;\3;0;;1;2016)", "twitter" },
    { "+ Telegram-Android/11.2.3 (\1 \2; Android 13; SDK 33; HIGH)",
      "telegram" },
    { "+ Weibo (\1-\2__weibo__13.1.0__android__android13)", "weibo" },
    { "+ VKAndroidApp/8.70-20000 (Android 13; SDK 33; arm64-v8a; \1 \2; "
      "ru; 2400x1080)", "vk" }
};

static const char *const  names_phones[] = {
    "CUBOT NOTE 77", "ruby", "Robot 5", "M BOT 551", "Spider", "Crawler X",
    "crawl", "Scan 7 Pro", "scanner", "python", "curl/9", "java1.7", "go",
    "perl", "okhttp", "node", "wget", "Preview 2", "Link Preview",
    "monitor", "Agent-7", "testing", "test", "Check 3", "check", "ping",
    "fetch", "Archive S", "headless", "Lighthouse", "Probe(2)",
    "moto bot(5) plus", "httpclient", "Discovery 4G", "survey", "sentry/1",
    "finder", "capture", "validator", "Expanse", "Harvest.com",
    "seo", "php/8", "Nutch", "Twitterbot", "facebookexternalhit",
    "Google-Bot", "Viber 9", "iPhone 77", "iPad-like", "Windows Phone Z",
    "Instagram One", "QQ/7", "Telegram Tab", "www.phone", "bot"
};


static size_t
names_fill(char *ua, const char *form, const char *const *name)
{
    char   *p;
    size_t  n;

    p = ua;

    for ( /* void */ ; *form; form++) {

        if (*form > 3) {
            *p++ = *form;
            continue;
        }

        n = strlen(name[*form - 1]);
        memcpy(p, name[*form - 1], n);
        p += n;
    }

    return p - ua;
}


static int
names_right(const char *ua, size_t len, const char *app)
{
    int               right;
    referral_str_t    s, want;
    referral_agent_t  agent;

    s.len = len;
    s.data = malloc(len);
    memcpy(s.data, ua, len);
    want = str(app);

    referral_visitor_agent(&agent, bots, &s);

    free(s.data);

    right = (agent.class == REFERRAL_CLASS_HUMAN
             && referral_str_is(&agent.device.device, "mobile")
             && referral_str_is(&agent.device.os, "android")
             && referral_str_eq(&agent.device.app, &want));

    if (!right) {
        printf("# class %u, %.*s, %.*s, \"%.*s\": %.*s\n", agent.class,
               (int) agent.device.device.len, agent.device.device.data,
               (int) agent.device.os.len, agent.device.os.data,
               (int) agent.device.app.len, agent.device.app.data,
               (int) len, ua);
    }

    return right;
}


static void
test_names(void)
{
    int          wrong;
    char         ua[1024];
    size_t       i, k, n, names;
    const char  *form, *name[3];

    names = sizeof(names_phones) / sizeof(names_phones[0]);

    for (i = 0; i < sizeof(names_forms) / sizeof(names_forms[0]); i++) {
        wrong = 0;

        for (k = 0; k < names; k++) {
            name[0] = names_phones[(k + 1) % names];
            name[1] = names_phones[k];
            name[2] = names_phones[(k + 2) % names];

            n = 0;
            form = names_forms[i].form;

            if (*form == '+') {
                n = names_fill(ua, names_wv, name);
                form++;
            }

            n += names_fill(ua + n, form, name);

            wrong += !names_right(ua, n, names_forms[i].app);
        }

        ok(wrong == 0, "%zu names in form %zu of phones: %d are not right",
           names, i, wrong);
    }
}


static void
test_long(void)
{
    char               ua[9000];
    referral_str_t     s;
    referral_device_t  d;
    referral_agent_t   agent;

    memset(ua, 'b', sizeof(ua));
    memcpy(ua, "Mozilla/5.0 ", 12);
    memcpy(ua + 2000, "Googlebot Line/1.0", 18);

    s.data = (u_char *) ua;
    s.len = sizeof(ua);

    referral_visitor_agent(&agent, bots, &s);
    d = agent.device;
    ok(d.app.len == 0, "what comes after the first 1024 bytes is not seen");

    memcpy(ua + 1000, " Android", 8);
    referral_visitor_agent(&agent, bots, &s);
    d = agent.device;
    ok(referral_str_is(&d.os, "android"), "what comes before is");

    s.data = NULL;
    s.len = 0;
    referral_visitor_agent(&agent, bots, &s);
    d = agent.device;
    ok(referral_str_is(&d.device, "other") && d.app.len == 0, "no User-Agent");
}


static int
source(const char *referer, const char *want)
{
    u_char          out[REFERRAL_SOURCE_MAX];
    size_t          n;
    referral_str_t  s;

    s.len = strlen(referer);
    s.data = malloc(s.len + 1);
    memcpy(s.data, referer, s.len);

    n = referral_visitor_source(out, &s);

    free(s.data);

    return n == strlen(want) && memcmp(out, want, n) == 0;
}


static void
test_sources(void)
{
    char    text[128];
    size_t  i;

    static const struct {
        const char  *referer;
        const char  *want;
    } cases[] = {
        { "https://line.me/R/msg", "line.me" },
        { "https://line.me", "line.me" },
        { "http://WWW.Example.COM/x?y#z", "example.com" },
        { "HTTPS://t.co", "t.co" },
        { "https://example.com:8443/", "example.com" },
        { "https://example.com?q", "example.com" },
        { "https://example.com#f", "example.com" },
        { "https://example.com.", "example.com" },
        { "https://wwwx.example.com", "wwwx.example.com" },
        { "android-app://com.google.android.gm/",
          "com.google.android.gm" },
        { "https://127.0.0.1/", "127.0.0.1" },
        { "https://julia_b.blog.example.net/x", "julia_b.blog.example.net" },
        { "https://_x.example.net:80/", "_x.example.net" },
        { "android-app://com.example.my_app/", "com.example.my_app" },
        { "https://", "" },
        { "https:///path", "" },
        { "https://./", "" },
        { "https://-/", "" },
        { "https://www./", "" },
        { "https://user@example.com/", "" },
        { "https://user:1@example.com/", "" },
        { "https://example.com:80x/", "" },
        { "https://[::1]/", "" },
        { "https://exa mple.com/", "" },
        { "https://ex\xc3\xa4mple.com/", "" },
        { "https://example.com%0d%0a/", "" },
        { "ftp://example.com/", "" },
        { "about:blank", "" },
        { "example.com", "" },
        { "", "" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(source(cases[i].referer, cases[i].want), "source \"%s\" of \"%s\"",
           cases[i].want, cases[i].referer);
    }

    memset(text, 'a', sizeof(text));
    memcpy(text, "https://", 8);
    text[8 + REFERRAL_SOURCE_MAX] = '\0';
    ok(source(text, text + 8), "the longest");
    text[8 + REFERRAL_SOURCE_MAX] = 'a';
    text[8 + REFERRAL_SOURCE_MAX + 1] = '\0';
    ok(source(text, ""), "longer is none, not another host");
}


int
main(void)
{
    referral_bots_error_t  error;

    bots = referral_visitor_bots(NULL, &error);
    if (bots == NULL) {
        ok(0, "the built-in list, line %u: %s", error.line, error.what);
        return unit_done();
    }

    test_people();
    test_machines();
    test_requests();
    test_devices();
    test_names();
    test_long();
    test_sources();

    referral_bots_free(bots);

    return unit_done();
}
