/* link: referral_code.c referral_str.c */

/* the path of a short link as chat apps and people may send it */

#include "fuzz.h"
#include "referral_code.h"


typedef struct {
    int             rc;
    u_char          buf[REFERRAL_CODE_MAX];
    referral_str_t  code;
} found_t;


static void
find(found_t *f, const void *data, size_t len, const char *more)
{
    u_char          *p;
    referral_str_t   raw;

    p = malloc(len + strlen(more) + 1);
    if (p == NULL) {
        abort();
    }

    memcpy(p, data, len);
    memcpy(p + len, more, strlen(more));

    raw = fuzz_copy(p, len + strlen(more));
    free(p);

    f->rc = referral_code_find(&raw, &f->code, f->buf);

    if (f->rc == REFERRAL_OK) {
        fuzz_check(referral_code_valid(&f->code));
        fuzz_check(f->code.data == raw.data || f->code.data == f->buf);
    }
}


static int
same(const found_t *a, const found_t *b)
{
    return a->rc == b->rc
           && (a->rc != REFERRAL_OK || referral_str_eq(&a->code, &b->code));
}


static void
fuzz_seeds(void)
{
    fuzz_seed_text("aiko7");
    fuzz_seed_text("aiko7)./\xe3\x80\x82");
    fuzz_seed_text(" \xef\xbb\xbf" "aiko\xef\xbc\x97\xe3\x81\xa7x");
    fuzz_seed_text("caf\xc3\xa9");
    fuzz_seed_text("a\xe2\x80\x93z\xe3\x83\xbc%25E3%2581%25A7.svg");
    fuzz_seed_text("aiko7&#8203;\\u200b=E2%u200b+/x");
    fuzz_seed_text("\xf0\x9d\x90\x80\xf0\x9f\x87\xaf\xed\xa0\x80\xf5");
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          i;
    char           *text;
    found_t         f, g;
    referral_buf_t  b;

    find(&f, data, size, "");

    /*
     * Punctuation behind a code changes nothing, and a letter is never cut
     * off.
     */

    if (f.rc == REFERRAL_OK) {
        find(&g, data, size, " ");
        fuzz_check(same(&f, &g));

        find(&g, data, size, "\xe2\x80\x8b");
        fuzz_check(same(&f, &g));

        find(&g, f.code.data, f.code.len, "\xe3\x80\x82");
        fuzz_check(same(&f, &g));

        find(&g, f.code.data, f.code.len, "\xc3\xa9");
        fuzz_check(g.rc == REFERRAL_DECLINED);

        find(&g, f.code.data, f.code.len, "\xcc\x81.");
        fuzz_check(g.rc == REFERRAL_DECLINED);
    }

    /* percent-encoding changes nothing, however often */

    if (memchr(data, '%', size) == NULL && size < 4096) {

        text = malloc(5 * size + 1);
        if (text == NULL) {
            abort();
        }

        referral_buf_init(&b, text, 5 * size + 1);

        for (i = 0; i < size; i++) {
            referral_buf_puts(&b, "%");

            if (size & 1) {
                referral_buf_puts(&b, "25");
            }

            referral_buf_hex(&b, &data[i], 1);
        }

        find(&g, text, b.pos - b.start, "");
        fuzz_check(same(&f, &g));

        free(text);
    }

    fuzz_done();

    return 0;
}
