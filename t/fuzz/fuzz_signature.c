/* link: referral_signature.c referral_digest.c referral_name.c referral_str.c -lcrypto */

/*
 * What may stand in a file of keys and in the headers of a signed message;
 * with its first byte odd the headers, a line each: id, timestamp, signature,
 * body.
 */

#define _GNU_SOURCE    /* memmem() */

#include "fuzz.h"
#include "referral_signature.h"


#define NOW  1614265330LL


static void
fuzz_seeds(void)
{
    fuzz_seed_text("0" "shop k1 whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    fuzz_seed_text("0" "# keys\na.b k-2\twhsec_"
                   "c2Vjb25kIHNlY3JldCBvZiB0aGUgdGVzdHMgISE=\r\n"
                   "a.b k-1 whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    fuzz_seed_text("1" "msg_p5jXN8AQM9LWM0D4loKWxJek\n1614265330\n"
                   "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\n"
                   "{\"test\": 2432232314}");
    fuzz_seed_text("1" "a\n1614265300\nv2,x "
                   "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\n{}");
}


static void
wrong(void *data, unsigned line, const char *what)
{
    unsigned  *lines;

    lines = data;

    fuzz_check(line <= *lines && what[0] != '\0');
    lines[1]++;
}


static void
file(const referral_str_t *text)
{
    size_t                      i;
    unsigned                    lines[2] = { 1, 0 };
    referral_signature_keys_t  *keys;

    for (i = 0; i < text->len; i++) {
        lines[0] += text->data[i] == '\n';
    }

    keys = referral_signature_keys(text, wrong, lines);

    fuzz_check((keys == NULL) == (lines[1] > 0));

    if (keys != NULL) {
        referral_signature_keys_free(keys);
    }
}


static void
headers(const u_char *p, const u_char *end)
{
    u_char                          out[REFERRAL_SIGNATURE_LEN];
    referral_str_t                  key, program;
    referral_signature_e            result;
    referral_signature_keys_t      *keys;
    referral_signature_message_t    message;

    static const referral_str_t  text = referral_string(
                       "shop k1 whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    unsigned                        lines[2] = { 1, 0 };

    keys = referral_signature_keys(&text, wrong, lines);
    fuzz_check(keys != NULL);

    referral_str_set(&program, "shop");

    message.id = fuzz_line(&p, end);
    message.timestamp = fuzz_line(&p, end);
    message.signature = fuzz_line(&p, end);
    message.body = fuzz_copy(p, end - p);

    result = referral_signature_verify(keys, &program, &message, NOW, &key);

    fuzz_check(result < REFERRAL_SIGNATURE_FAILED);

    /* what we sign is taken; and what was taken is what we would sign */

    if (referral_signature_make(out, keys, &program, &message)
        == REFERRAL_OK)
    {
        if (result == REFERRAL_SIGNATURE_OK) {
            fuzz_check(memmem(message.signature.data, message.signature.len,
                              out, sizeof(out)) != NULL);
        }

        message.signature.data = out;
        message.signature.len = sizeof(out);

        result = referral_signature_verify(keys, &program, &message, NOW,
                                           &key);

        fuzz_check(result == REFERRAL_SIGNATURE_OK
                   || result == REFERRAL_SIGNATURE_OLD
                   || result == REFERRAL_SIGNATURE_AHEAD);

    } else {
        fuzz_check(result == REFERRAL_SIGNATURE_ID
                   || result == REFERRAL_SIGNATURE_TIMESTAMP);
    }

    referral_signature_keys_free(keys);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    referral_str_t  text;

    if (size == 0) {
        return 0;
    }

    if (data[0] & 1) {
        headers(data + 1, data + size);

    } else {
        text = fuzz_copy(data + 1, size - 1);
        file(&text);
    }

    fuzz_done();

    return 0;
}
