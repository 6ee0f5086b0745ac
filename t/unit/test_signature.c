/* link: referral_signature.c referral_digest.c referral_name.c referral_str.c -lcrypto */

/* protects: that nobody but the shop writes to its program */

#include "referral_signature.h"
#include "unit.h"


#define NOW  1614265330LL

/*
 * The message and the signature that the libraries of Standard Webhooks test
 * themselves with; its secret has the fewest bytes that one may have.
 */

#define SECRET     "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SIGNATURE  "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

#define OTHER      "whsec_c2Vjb25kIHNlY3JldCBvZiB0aGUgdGVzdHMgISE="


static referral_signature_message_t  message;
static char                          told[2048];
static referral_str_t                shop = referral_string("shop");


static referral_str_t
text(const char *s)
{
    referral_str_t  t;

    t.data = (u_char *) s;
    t.len = strlen(s);

    return t;
}


static void
wrong(void *data, unsigned line, const char *what)
{
    size_t  n;

    (void) data;

    n = strlen(told);
    snprintf(told + n, sizeof(told) - n, "%s%u %s", n ? "; " : "", line, what);
}


static referral_signature_keys_t *
keys_of(const char *s)
{
    referral_str_t  t;

    told[0] = '\0';
    t = text(s);

    return referral_signature_keys(&t, wrong, NULL);
}


/* the lines that have mistakes, each with the start of its words */

static int
mistakes(const char *s, const char *wanted)
{
    referral_signature_keys_t  *keys;

    keys = keys_of(s);

    if (keys != NULL) {
        referral_signature_keys_free(keys);
        return 0;
    }

    if (strncmp(told, wanted, strlen(wanted)) != 0) {
        fprintf(stderr, "# told \"%s\"\n", told);
        return 0;
    }

    return 1;
}


static void
message_set(void)
{
    message.id = text("msg_p5jXN8AQM9LWM0D4loKWxJek");
    message.timestamp = text("1614265330");
    message.signature = text(SIGNATURE);
    message.body = text("{\"test\": 2432232314}");
}


static void
test_keys(void)
{
    char                        many[2048];
    size_t                      n;
    unsigned                    i;
    referral_str_t              program;
    referral_signature_keys_t  *keys;

    keys = keys_of("# keys\n\n  shop\tk1  " SECRET "\r\n"
                   "shop k2 " OTHER "\n"
                   "zoo a whsec_ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICA=");

    ok(keys != NULL, "a file of keys");

    if (keys == NULL) {
        return;
    }

    program = text("zoo");
    ok(referral_signature_known(keys, &program), "a program has a key");
    program = text("sho");
    ok(!referral_signature_known(keys, &program), "another has none");

    referral_signature_keys_free(keys);

    ok(mistakes("", "0 no key") && mistakes("# none\n", "0 no key"),
       "a file without keys");
    ok(mistakes("shop " SECRET, "1 a line is")
       && mistakes("shop k1 " SECRET " x", "1 a line is"), "words");
    ok(mistakes("Shop k1 " SECRET, "1 a program is")
       && mistakes("shop K1 " SECRET, "1 the id of a key is"), "names");
    ok(mistakes("shop k1 MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "1 a secret beg")
       && mistakes("shop k1 whsec_M*KQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                   "1 behind \"whsec_\"")
       && mistakes("shop k1 whsec_MfKQ9r8GKYqrTwjUPD8I-PZIo2LaLaSw",
                   "1 behind \"whsec_\"")
       && mistakes("shop k1 whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ",
                   "1 a secret has 24")
       && mistakes("shop k1 whsec_", "1 a secret has 24"), "secrets");
    ok(mistakes("shop k1 whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
                "1 a secret has 24"), "65 bytes are too many");

    keys = keys_of("shop k1 whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==");
    ok(keys != NULL, "64 are not");

    if (keys != NULL) {
        referral_signature_keys_free(keys);
    }

    keys = keys_of("\xef\xbb\xbfshop k1 " SECRET);
    ok(keys != NULL, "a mark of the byte order before the first line");

    if (keys != NULL) {
        referral_signature_keys_free(keys);
    }

    ok(mistakes("a k1 " SECRET "\na k2 " SECRET, "2 the program has this")
       && mistakes("a k1 " SECRET "\na k1 " OTHER, "2 the program has a key")
       && mistakes("a k1 " SECRET "\nb k1 " SECRET, "2 this secret is anot"),
       "what stands twice");
    ok(mistakes("\nA k1 " SECRET "\n#\nb k\nc k1 " SECRET "\nd k whsec_%",
                "2 a program is 1 to 64 of a-z, 0-9, \"_\", \".\", \"-\"; "
                "4 a line is \"PROGRAM KEY_ID whsec_SECRET\"; "
                "6 behind"), "all mistakes, by line");

    n = 0;

    for (i = 0; i < 9; i++) {
        n += snprintf(many + n, sizeof(many) - n, "a k%u whsec_"
                      "%uAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", i, i);
    }

    ok(mistakes(many, "9 a program has at most 8 keys"), "too many keys");
}


static void
test_verify(void)
{
    unsigned                    i, good;
    referral_str_t              key, zoo;
    referral_signature_keys_t  *keys;

    static const char  *ids[] = { "", "a.b", "a b", "\x7f", "\xc3\xa4", NULL };
    static const char  *times[] = { "", "-1", "1614265330.5", "0x60", " 1",
                                    "1614265330000000", NULL };

    keys = keys_of("shop k0 " OTHER "\nshop k1 " SECRET "\n");

    if (keys == NULL) {
        ok(0, "keys");
        return;
    }

    message_set();

    key.len = 0;
    ok(referral_signature_verify(keys, &shop, &message, NOW, &key)
       == REFERRAL_SIGNATURE_OK && referral_str_is(&key, "k1"),
       "the published message, under the second key");

    ok(referral_signature_verify(keys, &shop, &message, NOW + 300, &key)
       == REFERRAL_SIGNATURE_OK
       && referral_signature_verify(keys, &shop, &message, NOW - 300, &key)
          == REFERRAL_SIGNATURE_OK
       && referral_signature_verify(keys, &shop, &message, NOW + 301, &key)
          == REFERRAL_SIGNATURE_OLD
       && referral_signature_verify(keys, &shop, &message, NOW - 301, &key)
          == REFERRAL_SIGNATURE_AHEAD, "five minutes either way");

    message.signature = text("v2,abc v1,short v1a,x "
                             "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= "
                             SIGNATURE
                             " v1,BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    ok(referral_signature_verify(keys, &shop, &message, NOW, &key)
       == REFERRAL_SIGNATURE_OK, "one of several signatures");

    message.signature = text("v1a," SIGNATURE);
    ok(referral_signature_verify(keys, &shop, &message, NOW, &key)
       == REFERRAL_SIGNATURE_MISSING, "none of version 1");
    message.signature = text("");
    ok(referral_signature_verify(keys, &shop, &message, NOW, &key)
       == REFERRAL_SIGNATURE_MISSING, "none at all");

    good = 1;

    for (i = 0; i < sizeof(SIGNATURE) - 1; i++) {
        char  flipped[] = SIGNATURE;

        flipped[i] ^= 1;
        message.signature = text(flipped);

        good &= referral_signature_verify(keys, &shop, &message, NOW, &key)
                != REFERRAL_SIGNATURE_OK;
    }

    ok(good, "a signature with any character changed");

    message_set();
    message.body = text("{\"test\": 2432232315}");
    ok(referral_signature_verify(keys, &shop, &message, NOW, &key)
       == REFERRAL_SIGNATURE_MISMATCH, "another body");

    message_set();
    message.timestamp = text("1614265331");
    ok(referral_signature_verify(keys, &shop, &message, NOW, &key)
       == REFERRAL_SIGNATURE_MISMATCH, "another time");

    message_set();
    message.id = text("msg_p5jXN8AQM9LWM0D4loKWxJel");
    ok(referral_signature_verify(keys, &shop, &message, NOW, &key)
       == REFERRAL_SIGNATURE_MISMATCH, "another id");

    message_set();
    zoo = text("zoo");
    ok(referral_signature_verify(keys, &zoo, &message, NOW, &key)
       == REFERRAL_SIGNATURE_KEY, "a program without a key");

    good = 1;

    for (i = 0; ids[i]; i++) {
        message.id = text(ids[i]);
        good &= referral_signature_verify(keys, &shop, &message, NOW, &key)
                == REFERRAL_SIGNATURE_ID;
    }

    message_set();

    for (i = 0; times[i]; i++) {
        message.timestamp = text(times[i]);
        good &= referral_signature_verify(keys, &shop, &message, NOW, &key)
                == REFERRAL_SIGNATURE_TIMESTAMP;
    }

    ok(good, "ids and times that are none");

    referral_signature_keys_free(keys);

    keys = keys_of("shop k0 " OTHER "\nzoo k1 " SECRET "\n");

    if (keys != NULL) {
        message_set();
        ok(referral_signature_verify(keys, &shop, &message, NOW, &key)
           == REFERRAL_SIGNATURE_MISMATCH
           && referral_signature_verify(keys, &zoo, &message, NOW, &key)
              == REFERRAL_SIGNATURE_OK,
           "a key of one program does not write to another");
        referral_signature_keys_free(keys);
    }
}


static void
test_make(void)
{
    u_char                      out[REFERRAL_SIGNATURE_LEN];
    unsigned                    i, good;
    referral_str_t              key, zoo, code;
    referral_signature_keys_t  *keys;

    keys = keys_of("shop k1 " SECRET "\nshop k0 " OTHER "\n");

    if (keys == NULL) {
        ok(0, "keys");
        return;
    }

    message_set();

    ok(referral_signature_make(out, keys, &shop, &message) == REFERRAL_OK
       && memcmp(out, SIGNATURE, sizeof(out)) == 0,
       "signed by the first key it is the published signature");

    message.body = text("");
    message.signature.data = out;
    message.signature.len = sizeof(out);

    ok(referral_signature_make(out, keys, &shop, &message) == REFERRAL_OK
       && referral_signature_verify(keys, &shop, &message, NOW, &key)
          == REFERRAL_SIGNATURE_OK, "what is made is taken; an empty body");

    zoo = text("zoo");
    message.id = text("a.b");
    ok(referral_signature_make(out, keys, &shop, &message)
       == REFERRAL_DECLINED
       && referral_signature_make(out, keys, &zoo, &message)
          == REFERRAL_DECLINED, "what cannot be signed");

    referral_signature_keys_free(keys);

    good = 1;

    for (i = 0; i <= REFERRAL_SIGNATURES; i++) {
        code = referral_signature_code(i);
        good &= code.len > 10 && memcmp(code.data, "signature_", 10) == 0
                && referral_signature_detail(i).len > 10;
    }

    ok(good, "each result has words");
}


int
main(void)
{
    test_keys();
    test_verify();
    test_make();

    return unit_done();
}
