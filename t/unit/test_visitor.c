/* link: referral_visitor.c referral_bots.c referral_words.c referral_str.c */

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

    /* just as many bytes as there are, so that reading on is seen */

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
        "Banca Caboto s.p.a.)"
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
        CHROME("X11; Linux x86_64") " ourrobotics"
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
    test_long();
    test_sources();

    referral_bots_free(bots);

    return unit_done();
}
