/* link: referral_code.c referral_str.c */

#include "referral_code.h"
#include "unit.h"


typedef struct {
    const char  *raw;
    const char  *code;      /* NULL: there is no code */
} case_t;


/*
 * A copy of the exact size, so that a sanitizer detects reading beyond the
 * end.
 */

static const char *
found(const char *raw, size_t len)
{
    int             rc;
    u_char         *data;
    referral_str_t  s, code;
    u_char          buf[REFERRAL_CODE_MAX];

    static char     text[REFERRAL_CODE_MAX + 1];

    data = malloc(len ? len : 1);
    memcpy(data, raw, len);

    s.data = data;
    s.len = len;

    rc = referral_code_find(&s, &code, buf);

    if (rc == REFERRAL_OK) {
        memcpy(text, code.data, code.len);
        text[code.len] = '\0';
    }

    free(data);

    return rc == REFERRAL_OK ? text : NULL;
}


static void
cases(const case_t *c, size_t n)
{
    size_t       i;
    const char  *code;

    for (i = 0; i < n; i++) {
        code = found(c[i].raw, strlen(c[i].raw));

        ok(c[i].code ? code && strcmp(code, c[i].code) == 0 : code == NULL,
           "\"%s\" is %s", c[i].raw, c[i].code ? c[i].code : "no code");

        if (c[i].code ? !code || strcmp(code, c[i].code) : code != NULL) {
            fprintf(stderr, "# it was %s\n", code ? code : "none");
        }
    }
}


#define CASES(c)  cases(c, sizeof(c) / sizeof((c)[0]))


/* what apps, keyboards and people add to a link, behind it and before it */

static void
test_glue(void)
{
    static const case_t  glue[] = {
        { "aiko7", "aiko7" },
        { "ai_ko-7", "ai_ko-7" },
        { "aiko7/", "aiko7" },
        { "aiko7.", "aiko7" },
        { "aiko7/.", "aiko7" },
        { "aiko7&", "aiko7" },
        { "aiko7&amp;utm_source=x;y", "aiko7" },
        { "aiko7&utm_source=x;y", "aiko7" },
        { "aiko7&utm", "aiko7" },
        { "aiko7&;", "aiko7" },
        { "aiko7&nbsp;", "aiko7" },
        { "aiko7&zwnj;", "aiko7" },
        { "aiko7&rsquo;s", "aiko7" },
        { "aiko7)./", "aiko7" },
        { "aiko7!!!?)", "aiko7" },
        { "aiko7'\"", "aiko7" },
        { "aiko7**~~", "aiko7" },
        { "aiko7,;:", "aiko7" },
        { "aiko7's", "aiko7" },
        { "aiko7.Thanks", "aiko7" },
        { "aiko7.svgs", "aiko7" },
        { "aiko7%", "aiko7" },
        { "aiko7%zz", "aiko7" },
        { "aiko7\\", "aiko7" },
        { "aiko7\\n", "aiko7" },
        { "aiko7&utm_source=flyer", "aiko7" },
        { "aiko7&amp;utm_source=flyer", "aiko7" },
        { "aiko7?utm_source=flyer", "aiko7" },
        { "aiko7/?utm_source=flyer", "aiko7" },
        { "aiko7/&utm_source=flyer", "aiko7" },
        { "aiko7#top", "aiko7" },
        { "aiko7=", "aiko7" },
        { "aiko7=20", "aiko7" },
        { "aiko7 ", "aiko7" },
        { "aiko7 is mine", "aiko7" },
        { "aiko7/ is mine", "aiko7" },
        { "aiko7\r\n", "aiko7" },
        { "aiko7\t", "aiko7" },
        { "aiko7\u00a0", "aiko7" },
        { "aiko7\u3000", "aiko7" },
        { "aiko7\u2028", "aiko7" },
        { "aiko7\u3164", "aiko7" },
        { " aiko7", "aiko7" },
        { "\r\n\taiko7", "aiko7" },
        { "\u3000\u00a0aiko7", "aiko7" },
        { "\u200baiko7", "aiko7" },
        { "\ufeffaiko7", "aiko7" },
        { "\u200e\u202aaiko7\u202c", "aiko7" },
        { "aiko7\u00ad", "aiko7" },
        { "aiko7\ufe0f", "aiko7" },
        { "aiko7\u200d/\u2060", "aiko7" },
        { "ai\u00adko\u200b7", "aiko7" },
        { "aiko7\u3002", "aiko7" },
        { "aiko7/\u3002", "aiko7" },
        { "aiko7.\u3002xyz/", "aiko7" },
        { "aiko7\uff09", "aiko7" },
        { "aiko7\u2026", "aiko7" },
        { "aiko7\u2019s", "aiko7" },
        { "aiko7\u2014look", "aiko7" },
        { "aiko7\u3067\u3059", "aiko7" },
        { "aiko7\u3067\u3059x", "aiko7" },
        { "aiko7/\u3067\u3059", "aiko7" },
        { "aiko7\u2014\u00e9", "aiko7" },
        { "aiko7\uc785\ub2c8\ub2e4", "aiko7" },
        { "aiko7\u8fd9\u4e2a", "aiko7" },
        { "aiko7\u0e04\u0e23\u0e31\u0e1a", "aiko7" },
        { "aiko7\u0645\u0631\u062d\u0628\u0627", "aiko7" },
        { "aiko7\U0001f389", "aiko7" },
        { "aiko7\U0001f44d\U0001f3fd", "aiko7" },
        { "aiko7\u2764\ufe0f", "aiko7" },
        { "aiko7\U0001f1ef\U0001f1f5", "aiko7" },
        { "aiko7\U0001f468\u200d\U0001f469", "aiko7" },
        { "aiko7%20", "aiko7" },
        { "aiko7%2520x", "aiko7" },
        { "%E2%80%8Baiko7%e3%80%82", "aiko7" },
        { "aiko7%3Futm_source=flyer", "aiko7" },
        { "%61iko7", "aiko7" },
        { "%252525616iko7", "a6iko7" },
    };

    CASES(glue);
}


/*
 * Full-width and other variants of letters and digits count as those of ASCII.
 */

static void
test_folded(void)
{
    static const case_t  folded[] = {
        { "aiko\uff17", "aiko7" },
        { "\uff41\uff49\uff4b\uff4f\uff17", "aiko7" },
        { "\uff21\uff3a\uff41\uff5a\uff10\uff19", "AZaz09" },
        { "\U0001d422\u212f\U0001d7d5", "ie7" },
        { "\U0001d400\U0001d433\U0001d6a3\U0001d7ce\U0001d7ff", "Azz09" },
        { "a\uff0db\uff3fc", "a-b_c" },
        { "a\u2010b\u2011c\u2013d\u2212e", "a-b-c-d-e" },
        { "aiko\u30fc7", "aiko-7" },
        { "aiko7\uff0d", "aiko7" },
        { "aiko7\u2013\u3002", "aiko7" },
        { "aiko7\u30fc\u3067\u3059", "aiko7" },
        { "aiko7\u2013\u00e9", NULL },
    };

    CASES(folded);
}


/* what may belong to a longer code: the part before it is not taken */

static void
test_others(void)
{
    static const case_t  others[] = {
        { "caf\u00e9", NULL },
        { "cafe\u0301", NULL },
        { "cafe\u200d\u0301", NULL },
        { "caf\u00e9\u3002", NULL },
        { "\u00e9cafe", NULL },
        { "stra\u00dfe", NULL },
        { "fo\ufb01", NULL },
        { "\u0430iko7", NULL },
        { "aik\u043e7", NULL },
        { "aiko7\u0438", NULL },
        { "aiko\u03b1", NULL },
        { "aiko7\u0561", NULL },
        { "aiko\u0667", NULL },
        { "aiko\u06f7", NULL },
        { "aiko\u096d", NULL },
        { "aiko\u0e57", NULL },
        { "aik\u30077", NULL },
        { "aiko\u2460", NULL },
        { "aiko\u2776", NULL },
        { "aiko\u00b2", NULL },
        { "aiko\u2082", NULL },
        { "aiko\u24d0", NULL },
        { "aiko\U0001f170", NULL },
        { "aiko7\ufe0f\u20e3", NULL },
        { "aiko\u2163", NULL },
        { "aiko\u2122", NULL },
        { "aiko\u2139\ufe0f", NULL },
        { "aiko\u0131", NULL },
        { "aiko\u212a", NULL },
        { "caf\ufffd", NULL },
        { "col\u00b7lecci", NULL },
        { "caf\xc3", NULL },
        { "caf\xc3x", NULL },
        { "caf\xe9", NULL },
        { "caf\xc0\xa0", NULL },
        { "caf\xed\xa0\x80", NULL },
        { "caf\xf5\x80\x80\x80", NULL },
        { "caf%C3%A9", NULL },
        { "caf%25C3%25A9", NULL },
        { "caf%C3", NULL },
        { "caf%C", NULL },
        { "caf%u00e9", NULL },
        { "caf\\u00e9", NULL },
        { "caf\\xe9", NULL },
        { "caf=C3=A9", NULL },
        { "caf&#233;", NULL },
        { "caf&eacute;", NULL },
        { "caf%26EACUTE;s", NULL },
        { "stra&szlig;e", NULL },
        { "aik&omicron;", NULL },
        { "ai&shy;ko7", NULL },
        { "aiko&ndash;7", NULL },
        { "", NULL },
        { "/", NULL },
        { "...", NULL },
        { "\u200b", NULL },
        { "(aiko7", NULL },
        { "\u3002" "aiko7", NULL },
        { "&aiko7", NULL },
    };

    CASES(others);
}


static void
test_reserved(void)
{
    static const case_t  reserved[] = {
        { "aiko7+", NULL },
        { "aiko7+.", NULL },
        { "aiko7%2B", NULL },
        { "aiko7.svg", NULL },
        { "aiko7.png", NULL },
        { "aiko7.SVG", NULL },
        { "aiko7.svg)", NULL },
        { "aiko7.png\u3002", NULL },
        { "aiko7/x", NULL },
        { "aiko7/\u200bx", NULL },
        { "aiko7/\uff58", NULL },
        { "aiko7/\u00e9", NULL },
        { "aiko7/+", NULL },
        { "aiko7//", NULL },
    };

    CASES(reserved);
}


static void
test_length(void)
{
    char  text[REFERRAL_CODE_MAX + 8];

    memset(text, 'a', sizeof(text));

    ok(found(text, REFERRAL_CODE_MAX) != NULL, "64 characters");
    ok(found(text, REFERRAL_CODE_MAX + 1) == NULL, "not 65");

    text[REFERRAL_CODE_MAX] = '.';
    ok(found(text, REFERRAL_CODE_MAX + 1) != NULL, "64 and a full stop");

    memcpy(text + REFERRAL_CODE_MAX, "\u2013.", 4);
    ok(found(text, REFERRAL_CODE_MAX + 4) != NULL, "64 and a dash");

    text[REFERRAL_CODE_MAX + 3] = 'b';
    ok(found(text, REFERRAL_CODE_MAX + 4) == NULL, "not 64, a dash and one");
}


/* for every character: behind "aiko", and with text behind it */

static void
test_all(void)
{
    char         raw[16];
    size_t       n;
    int32_t      c;
    unsigned     bad, cut, step;
    const char  *code;

    bad = 0;
    cut = 0;
    step = getenv("UNIT_VALGRIND") ? 97 : 1;

    for (c = 0x80; c < 0x110000; c += step) {

        if (c >= 0xd800 && c <= 0xdfff) {
            continue;
        }

        n = sprintf(raw, "aiko");

        if (c < 0x800) {
            raw[n++] = 0xc0 | c >> 6;

        } else if (c < 0x10000) {
            raw[n++] = 0xe0 | c >> 12;
            raw[n++] = 0x80 | (c >> 6 & 0x3f);

        } else {
            raw[n++] = 0xf0 | c >> 18;
            raw[n++] = 0x80 | (c >> 12 & 0x3f);
            raw[n++] = 0x80 | (c >> 6 & 0x3f);
        }

        raw[n++] = 0x80 | (c & 0x3f);

        code = found(raw, n);

        if (code && strcmp(code, "aiko") == 0) {
            cut++;

            /* Latin, Greek, Cyrillic, Armenian; combining accents */

            bad += (c >= 0xc0 && c < 0x250 && c != 0xd7 && c != 0xf7)
                   || (c >= 0x250 && c < 0x590 && c != 0x34f)
                   || (c >= 0x1ab0 && c < 0x2000)
                   || (c >= 0x2c60 && c < 0x2c80)
                   || (c >= 0xa640 && c < 0xa6a0)
                   || (c >= 0xa720 && c < 0xa800)
                   || (c >= 0xab30 && c < 0xabc0)
                   || (c >= 0xfb00 && c < 0xfb18);

        } else {
            bad += code && (strncmp(code, "aiko", 4) || strlen(code) != 5);
            bad += c >= 0x4e00 && c < 0xa000;
            bad += c >= 0x3041 && c < 0x3097;
            bad += c >= 0xac00 && c < 0xd7a4;
        }
    }

    ok(bad == 0, "no letter is cut off that may be meant, no other stays");
    ok(cut > 100000 / step, "%u characters are no part of a code", cut);
}


int
main(void)
{
    test_glue();
    test_folded();
    test_others();
    test_reserved();
    test_length();
    test_all();

    return unit_done();
}
