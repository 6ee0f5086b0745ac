/* link: referral_event.c referral_unit.c referral_digest.c referral_id.c referral_code.c referral_name.c referral_time.c referral_str.c -lcrypto */

/*
 * What a journal of events may hold.
 */

#include "fuzz.h"
#include "referral_event.h"


#define NOW  1795000000000LL


static void
fuzz_seeds(void)
{
    u_char            buf[REFERRAL_EVENT_MAX];
    ssize_t           n;
    unsigned          flags;
    referral_event_t  event;

    for (flags = 0; flags <= REFERRAL_EVENT_FLAGS; flags = flags * 2 + 1) {
        memset(&event, 0, sizeof(event));

        event.received = NOW;
        event.at = NOW;
        event.order_at = NOW;
        event.amount = 1999;
        event.refunded = 500;
        event.quantity = 2;
        event.flags = flags | REFERRAL_EVENT_AMOUNT;
        event.trust = REFERRAL_TRUST_UPSTREAM;

        memcpy(event.click_id, "\x01\xa1\xee\x00\x00\x00\x70\x00\x80", 9);
        memcpy(event.first.click_id, event.click_id, 16);
        memcpy(event.last.click_id, event.click_id, 16);

        referral_str_set(&event.first.code, "aiko7");
        referral_str_set(&event.last.code, "ken42");
        referral_str_set(&event.text[REFERRAL_EVENT_TEXT_PROGRAM], "shop");
        referral_str_set(&event.text[REFERRAL_EVENT_TEXT_TYPE], "refund");
        referral_str_set(&event.text[REFERRAL_EVENT_TEXT_ID], "e-1");
        referral_str_set(&event.text[REFERRAL_EVENT_TEXT_CUSTOMER], "aiko");
        referral_str_set(&event.text[REFERRAL_EVENT_TEXT_ORDER], "17");
        referral_str_set(&event.text[REFERRAL_EVENT_TEXT_UNIT], "EUR");
        referral_str_set(&event.text[REFERRAL_EVENT_TEXT_COUNTRY], "JP");
        referral_str_set(&event.text[REFERRAL_EVENT_TEXT_CITY], "Tokyo");
        referral_str_set(&event.text[REFERRAL_EVENT_TEXT_EMAIL_DOMAIN],
                         "a-b.example.com");

        event.products = 1;
        referral_str_set(&event.product[0], "vehicle");
        event.parties = 1;
        referral_str_set(&event.party[0], "host");
        event.extras = 2;
        referral_str_set(&event.extra[0].key, "a");
        referral_str_set(&event.extra[0].value, "1");
        referral_str_set(&event.extra[1].key, "b");
        referral_str_set(&event.extra[1].value, "");

        n = referral_event_encode(buf, sizeof(buf), &event);

        if (n != REFERRAL_ERROR) {
            fuzz_seed(buf, n);
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char            buf[REFERRAL_EVENT_MAX], before[8];
    ssize_t           n;
    referral_str_t    s;
    referral_event_t  event;

    s = fuzz_copy(data, size);

    if (referral_event_decode(&event, s.data, s.len) == REFERRAL_OK) {

        /* one event has one form */

        n = referral_event_encode(buf, sizeof(buf), &event);

        fuzz_check(n == (ssize_t) s.len && memcmp(buf, s.data, n) == 0);

        /* and a fingerprint that does not hang on the one it has */

        fuzz_check(referral_event_fingerprint(&event) == REFERRAL_OK);
        memcpy(before, event.fingerprint, sizeof(before));
        fuzz_check(referral_event_fingerprint(&event) == REFERRAL_OK);
        fuzz_check(memcmp(before, event.fingerprint, sizeof(before)) == 0);
    }

    fuzz_done();

    return 0;
}
