/* link: referral_visitor.c referral_bots.c referral_automaton.c referral_str.c */

/*
 * Headers as a browser may send them.  Lines: User-Agent, Referer,
 * Sec-Purpose, Sec-Fetch-Mode.
 */

#include "fuzz.h"
#include "referral_visitor.h"


static void
fuzz_seeds(void)
{
    fuzz_seed_text("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) "
        "AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
        "Line/14.9.0\n"
        "https://www.line.me/x\n\nnavigate");
    fuzz_seed_text("Mozilla/5.0 (Linux; Android 14; Pixel 8) "
        "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 "
        "Mobile Safari/537.36 [FBAN/EMA;FBAV/1;]\n"
        "android-app://com.google.android.gm/\nprefetch;prerender\ncors");
    fuzz_seed_text("facebookexternalhit/1.1 (+http://www.facebook.com/)\n"
        "http://user@[::1]:80/\npreview");
    fuzz_seed_text("curl/8.5.0\nnone");
    fuzz_seed_text("Mozilla/5.0 (compatible; Googlebot/2.1; "
        "+http://www.google.com/bot.html)\n//\n");
    fuzz_seed_text("");
}


static int
word(const referral_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (!((s->data[i] >= 'a' && s->data[i] <= 'z')
              || (s->data[i] >= '0' && s->data[i] <= '9')
              || s->data[i] == '-' || s->data[i] == '.'
              || s->data[i] == '_'))
        {
            return 0;
        }
    }

    return 1;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char                      *source;
    size_t                       n;
    const uint8_t               *p, *end;
    referral_str_t               ua, referer, s;
    referral_agent_t             agent;
    referral_class_e             class;
    referral_bots_error_t        error;
    referral_visitor_headers_t   h;

    static referral_bots_t      *bots;

    p = data;
    end = data + size;

    ua = fuzz_line(&p, end);
    referer = fuzz_line(&p, end);

    memset(&h, 0, sizeof(h));
    h.head = size & 1;
    h.no_accept = (size >> 1) & 1;
    h.purpose[0] = fuzz_line(&p, end);
    h.fetch_mode = fuzz_line(&p, end);

    if (bots == NULL) {
        bots = referral_visitor_bots(NULL, &error);
        fuzz_check(bots != NULL);
    }

    referral_visitor_agent(&agent, bots, &ua);

    fuzz_check(agent.device.device.len && word(&agent.device.device));
    fuzz_check(agent.device.os.len && word(&agent.device.os));
    fuzz_check(word(&agent.device.app));

    class = referral_visitor_class(&h, &agent);
    fuzz_check(class < REFERRAL_CLASSES && class != REFERRAL_CLASS_DUPLICATE);

    source = malloc(REFERRAL_SOURCE_MAX);

    if (source == NULL) {
        abort();
    }

    n = referral_visitor_source(source, &referer);
    s.len = n;
    s.data = source;

    fuzz_check(n <= REFERRAL_SOURCE_MAX && word(&s));

    free(source);

    fuzz_done();

    return 0;
}
