/* link: referral_lang.c referral_str.c */

/*
 * Languages.  Lines: Accept-Language, the program's languages and two tags;
 * the rest is compiled languages as from damaged shared memory.
 */

#include "fuzz.h"
#include "referral_lang.h"


static void
fuzz_seeds(void)
{
    fuzz_seed_text("ja-JP,ja;q=0.9,en-US;q=0.8,en;q=0.7\nen,ja\nzh\nzh-tw\n");
    fuzz_seed_text("zh-Hant-TW, *;q=0.1\nen,zh,zh-TW\nsr_RS@latin\nsh\n");
    fuzz_seed_text("zh-cmn-Hans-CN,zh-min-nan,i-lux\nno,nb_NO\nnb\nnn\n");
    fuzz_seed_text("en;q=1.000,de;q=,fr;q=2,,;;\nfr\nen-u-x\nen-001\n");
    fuzz_seed_text("en-CH,en;q=0\nen-gb,en-150,en-us\nes-MX\nes-419\n");
    fuzz_seed_text("de_DE.UTF-8;q=0.5\nde\niw\nhe\n\2abcdabcdabcdabcdabcden");
    fuzz_seed_text("");
}


static void
choose(const referral_str_t *accept, const referral_str_t *code)
{
    u_char          *out;
    referral_str_t   s, key;

    out = malloc(2 * REFERRAL_LANG_MAX);
    if (out == NULL) {
        abort();
    }

    s.data = out;
    s.len = referral_lang_choose(out, accept, code);

    fuzz_check(s.len <= REFERRAL_LANG_MAX);
    fuzz_check(s.len == 0 || code->len || referral_lang_valid(&s));

    key = referral_lang_key(out + REFERRAL_LANG_MAX, &s);
    fuzz_check(key.len <= s.len);

    free(out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char          *memory;
    const char      *err;
    const uint8_t   *p, *end;
    referral_buf_t   b;
    referral_str_t   accept, languages, one, other, code, none;
    referral_lang_t  a, c;

    p = data;
    end = data + size;

    accept = fuzz_line(&p, end);
    languages = fuzz_line(&p, end);
    one = fuzz_line(&p, end);
    other = fuzz_line(&p, end);
    code = fuzz_copy(p, end - p);

    none.len = 0;
    none.data = NULL;

    choose(&accept, &none);
    choose(&accept, &code);

    memory = malloc(2048);
    if (memory == NULL) {
        abort();
    }

    referral_buf_init(&b, memory, 2048);

    if (languages.len
        && referral_lang_compile(&b, &languages, &err) == REFERRAL_OK)
    {
        fuzz_check(!b.overflow && b.pos > b.start);

        code.data = memory;
        code.len = b.pos - b.start;
        choose(&accept, &code);
    }

    free(memory);

    if (referral_lang_parse(&a, &one) == REFERRAL_OK) {
        fuzz_check(referral_lang_matches(&a, &a));

        if (referral_lang_parse(&c, &other) == REFERRAL_OK) {
            (void) referral_lang_matches(&a, &c);
        }
    }

    fuzz_done();

    return 0;
}
