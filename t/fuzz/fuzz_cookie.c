/* link: referral_cookie.c referral_link.c referral_code.c referral_visitor.c referral_bots.c referral_automaton.c referral_rules.c referral_template.c referral_conditions.c referral_url.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_id.c referral_hash.c referral_str.c referral_lang.c referral_name.c -lcrypto */

/*
 * A cookie as a browser may send it.  If the first byte is odd, the input is
 * the content of a cookie that is signed here, so that the code behind the MAC
 * is reached too.
 */

#include "fuzz.h"
#include "referral_cookie.h"


#define NOW     1795000000000LL
#define WINDOW  (30 * 86400)


static referral_keys_t  *keys;
static referral_str_t    program = referral_string("shop");
static referral_str_t    label = referral_string("cookie");


static void
start(void)
{
    unsigned        line;
    const char     *err;
    referral_str_t  text = referral_string(
        "0123456789abcdef0123456789abcdef\n"
        "fedcba9876543210fedcba9876543210\n");

    keys = referral_keys_create(&text, &line, &err);

    if (keys == NULL) {
        abort();
    }
}


static void
make(referral_cookie_t *cookie, unsigned same)
{
    memset(cookie, 0, sizeof(referral_cookie_t));
    memset(cookie->visitor, 7, sizeof(cookie->visitor));

    cookie->last.code_len = 5;
    memcpy(cookie->last.code, "aiko7", 5);

    /* the first 48 bits of a click id are its time */

    cookie->last.click_id[0] = (NOW - 1000) >> 40;
    cookie->last.click_id[1] = (NOW - 1000) >> 32 & 0xff;
    cookie->last.click_id[2] = (NOW - 1000) >> 24 & 0xff;
    cookie->last.click_id[3] = (NOW - 1000) >> 16 & 0xff;
    cookie->last.click_id[4] = (NOW - 1000) >> 8 & 0xff;
    cookie->last.click_id[5] = (NOW - 1000) & 0xff;
    cookie->last.click_id[6] = 0x70;
    cookie->last.click_id[8] = 0x80;

    cookie->first = cookie->last;

    if (!same) {
        memcpy(cookie->first.code, "bruno", 5);
    }
}


static void
fuzz_seeds(void)
{
    u_char             text[REFERRAL_COOKIE_MAX + 1];
    u_char             bytes[REFERRAL_COOKIE_MAX + 1];
    ssize_t            n, size;
    unsigned           same;
    referral_str_t     s;
    referral_cookie_t  cookie;

    start();

    for (same = 0; same < 2; same++) {
        make(&cookie, same);

        n = referral_cookie_encode(text + 1, keys, &program, &cookie);

        text[0] = 0;
        fuzz_seed(text, n + 1);

        s.len = n;
        s.data = text + 1;

        size = referral_base64url_decode(bytes + 1, REFERRAL_COOKIE_MAX, &s);

        bytes[0] = 1;
        fuzz_seed(bytes, size + 1 - 16);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char              bytes[1024], text[2048];
    referral_buf_t      b;
    referral_str_t      s, signed_part;
    referral_cookie_e   rc;
    referral_cookie_t   cookie, again;

    if (keys == NULL) {
        start();
    }

    if (size == 0 || size > 900) {
        return 0;
    }

    if (data[0] & 1) {
        signed_part = fuzz_copy(data + 1, size - 1);

        memcpy(bytes, signed_part.data, signed_part.len);

        if (referral_keys_mac(bytes + signed_part.len, 16, keys, &label,
                              &signed_part)
            != REFERRAL_OK)
        {
            abort();
        }

        referral_buf_init(&b, text, sizeof(text));
        referral_buf_base64url(&b, bytes, signed_part.len + 16);

        s = fuzz_copy(text, b.pos - b.start);

    } else {
        s = fuzz_copy(data + 1, size - 1);
    }

    rc = referral_cookie_decode(&cookie, keys, &program, &s, NOW, WINDOW);

    if (rc == REFERRAL_COOKIE_OK) {
        fuzz_check(cookie.first.code_len >= 1
                   && cookie.first.code_len <= REFERRAL_CODE_MAX);
        fuzz_check(cookie.last.code_len >= 1
                   && cookie.last.code_len <= REFERRAL_CODE_MAX);

        /* what was decoded is encoded to the same bytes */

        s.len = referral_cookie_encode(text, keys, &program, &cookie);
        s.data = text;

        fuzz_check(s.len <= REFERRAL_COOKIE_MAX);
        fuzz_check(referral_cookie_decode(&again, keys, &program, &s, NOW,
                                          WINDOW)
                   == REFERRAL_COOKIE_OK);
        fuzz_check(memcmp(again.visitor, cookie.visitor,
                          REFERRAL_VISITOR_SIZE) == 0);
        fuzz_check(memcmp(again.last.click_id, cookie.last.click_id,
                          REFERRAL_CLICK_ID_SIZE) == 0);
        fuzz_check(again.first.code_len == cookie.first.code_len
                   && memcmp(again.first.code, cookie.first.code,
                             cookie.first.code_len) == 0);
    }

    fuzz_done();

    return 0;
}
