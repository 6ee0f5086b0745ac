/* link: referral_lang.c referral_str.c */

#include "referral_lang.h"
#include "unit.h"


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.len = text ? strlen(text) : 0;
    s.data = (u_char *) text;

    return s;
}


static int
language(const char *accept, const char *languages, const char *want)
{
    u_char          out[REFERRAL_LANG_MAX], *memory;
    size_t          n;
    const char     *err;
    referral_buf_t  b;
    referral_str_t  a, l, code;

    a.len = accept ? strlen(accept) : 0;
    a.data = malloc(a.len + 1);
    memcpy(a.data, accept ? accept : "", a.len);

    memory = malloc(4096);
    referral_buf_init(&b, memory, 4096);
    code.data = memory;
    code.len = 0;

    if (languages && languages[0]) {
        l = str(languages);

        if (referral_lang_compile(&b, &l, &err) != REFERRAL_OK) {
            fprintf(stderr, "# \"%s\": %s\n", languages, err);
            return 0;
        }

        /*
         * A copy of the exact size, so that a sanitizer detects reading beyond
         * the end.
         */

        code.len = b.pos - b.start;
        code.data = malloc(code.len);
        memcpy(code.data, memory, code.len);
        free(memory);
    }

    n = referral_lang_choose(out, &a, &code);

    if (n != strlen(want) || memcmp(out, want, n) != 0) {
        fprintf(stderr, "# it is \"%.*s\"\n", (int) n, out);
    }

    free(a.data);
    free(code.data);

    return n == strlen(want) && memcmp(out, want, n) == 0;
}


static void
test_languages(void)
{
    char            text[4096];
    size_t          i;
    referral_str_t  s;

    static const struct {
        const char  *accept;
        const char  *languages;
        const char  *want;
    } cases[] = {
        { "ja,en;q=0.8", "en,ja", "ja" },
        { "en;q=0.8, ja", "en,ja", "ja" },
        { "en;q=0.8, ja;q=0.9", "en,ja", "ja" },
        { "fr;q=1.0, ja;q=0.001, en;q=0", "en,ja", "ja" },
        { "JA-jp", "en,ja", "ja" },
        { "zh-Hant-TW", "en,zh,zh-hant", "zh-hant" },
        { "zh-x-private", "en,zh", "zh" },
        { "zh-tw", "en,zh", "zh" },
        { "zh", "en,zh-tw", "zh-tw" },
        { "ja;q=0", "en,ja", "en" },
        { "fr-FR,fr;q=0.9", "en,ja", "en" },
        { "*", "en,ja", "en" },
        { "*;q=0.5, ja;q=0.1", "en,ja", "ja" },
        { "", "en,ja", "en" },
        { NULL, "de", "de" },
        { "ja;q=2", "en,ja", "en" },
        { "ja;q=1.5, fr", "en,fr,ja", "fr" },
        { "ja;q=x", "en,ja", "en" },
        { "ja;q=0.123", "en,ja", "ja" },
        { "ja;q=0.1234", "en,ja", "ja" },
        { "ja;q=0.8999999761581421,fr", "en,ja", "ja" },
        { "en;q=.7,ja;q=.8", "en,ja", "ja" },
        { "ja;q=.", "en,ja", "en" },
        { "ja;q=8", "en,ja", "en" },
        { "ja ; q=0.9 , fr", "en,ja", "ja" },
        { "en,ja", "ja,en", "en" },
        { "e", "ja,en", "ja" },
        { ",,;,ja", "en,ja", "ja" },
        { "en-", "fr,en", "en" },

        /* in the program's spelling */

        { "pt-br", "en,pt-BR", "pt-BR" },
        { "pt", "en,pt-BR", "pt-BR" },
        { "zh-tw", "en,zh_TW", "zh_TW" },
        { "de", "EN,De", "De" },

        /* other regions, and no region */

        { "en-GB,en;q=0.9,fr;q=0.8", "en-us,fr", "en-us" },
        { "en-GB,fr;q=0.8", "en-us,fr", "en-us" },
        { "fr-CA", "en,fr-fr", "fr-fr" },
        { "pt-PT", "en,pt-br", "pt-br" },
        { "pt-AO", "en,pt-br,pt-pt", "pt-pt" },
        { "pt-AO", "en,pt,pt-pt", "pt-pt" },
        { "en", "fr,en-gb,en-us", "en-us" },
        { "de-LI", "en,de-at,de-de", "de-de" },
        { "en-AU", "fr,en-us,en-gb", "en-gb" },
        { "en-AU", "fr,en-gb,en", "en" },
        { "en-CH", "fr,en-us,en-150", "en-150" },
        { "es-MX,es;q=0.9", "en,es-es,es-419", "es-419" },
        { "es-MX", "en,es,es-419", "es-419" },
        { "es-MX", "en,es-es,es-ar", "es-ar" },
        { "es-ES", "en,es-419", "es-419" },
        { "en-UK", "fr,en-us,en-gb", "en-gb" },
        { "de-CH", "en,fr-ch,de", "de" },
        { "de-CH", "en,fr-ch,it-ch", "en" },
        { "fy-NL,nl;q=0.9", "en,nl-nl", "nl-nl" },
        { "fy-NL", "en,nl-nl", "en" },
        { "en-001", "fr,en-gb", "en-gb" },

        /* a script instead of a region, and the reverse */

        { "zh-TW,zh;q=0.9,en-US;q=0.8,en;q=0.7", "en,zh-hant,zh-hans",
          "zh-hant" },
        { "zh-CN,zh;q=0.9,en;q=0.8", "en,zh-hant,zh-hans", "zh-hans" },
        { "zh-HK", "en,zh-hans,zh-hant", "zh-hant" },
        { "zh-HK", "en,zh-cn,zh-tw", "zh-tw" },
        { "zh-MO", "en,zh-tw,zh-hk", "zh-hk" },
        { "zh-SG", "en,zh-tw,zh-cn", "zh-cn" },
        { "zh", "en,zh-tw,zh-cn", "zh-cn" },
        { "zh", "en,zh-hant,zh-hans", "zh-hans" },
        { "zh-Hant", "en,zh-cn,zh-tw", "zh-tw" },
        { "zh-Hans", "en,zh-tw,zh-cn", "zh-cn" },
        { "zh-Hant-HK", "en,zh-tw,zh-hk", "zh-hk" },
        { "zh-TW", "en,zh,zh-hant", "zh-hant" },
        { "zh-TW", "en,zh,zh-hk", "zh-hk" },
        { "zh-TW,en;q=0.5", "en,zh-cn", "en" },
        { "zh-TW,fr;q=0.5", "en,zh-cn", "zh-cn" },
        { "sr-Latn", "en,sr", "sr" },
        { "sr-Latn", "en,sr,sr-latn", "sr-latn" },
        { "sr", "en,sr-latn", "sr-latn" },
        { "sr-RS", "en,sr-latn,sr-cyrl", "sr-cyrl" },
        { "sr-ME", "en,sr-cyrl,sr-latn", "sr-latn" },
        { "uz-Cyrl", "en,uz", "uz" },
        { "uz-UZ", "en,uz-cyrl,uz-latn", "uz-latn" },
        { "uz-AF", "en,uz-latn,uz-arab", "uz-arab" },
        { "pa-PK", "en,pa-guru,pa-arab", "pa-arab" },
        { "az-Latn-AZ", "en,az", "az" },
        { "ja-Jpan-JP", "en,ja", "ja" },
        { "hi-Latn", "en,hi", "hi" },

        /* other names */

        { "nb-NO,nb;q=0.9,en-US;q=0.5", "en,no", "no" },
        { "nn-NO,en;q=0.5", "en,no", "no" },
        { "no", "en,nb", "nb" },
        { "no-NO", "en,nb-no", "nb-no" },
        { "nn", "en,nb,nn", "nn" },
        { "nb", "en,nn,no", "no" },
        { "nn", "en,nb", "nb" },
        { "no-bok", "en,nb", "nb" },
        { "iw-IL", "en,he", "he" },
        { "he", "en,iw", "iw" },
        { "in", "en,id", "id" },
        { "id-ID", "en,in", "in" },
        { "ji", "en,yi", "yi" },
        { "sh", "en,sr-latn", "sr-latn" },
        { "sh", "en,sr", "sr" },
        { "sr-Latn", "en,sh", "sh" },
        { "tl-PH", "en,fil", "fil" },
        { "fil", "en,tl", "tl" },
        { "mo", "en,ro", "ro" },
        { "ro-MD", "en,mo", "mo" },
        { "deu", "en,de", "de" },
        { "ger-DE", "en,de", "de" },
        { "cmn-Hans-CN", "en,zh", "zh" },
        { "zh-cmn-Hant", "en,zh-hans,zh-hant", "zh-hant" },
        { "zh-yue-HK", "en,zh", "zh" },
        { "zh-yue-HK", "en,zh,yue", "yue" },
        { "yue-HK", "en,zh-hans,zh-hant", "zh-hant" },
        { "zh-min-nan", "en,zh", "zh" },
        { "arz-EG", "en,ar", "ar" },
        { "zsm", "en,ms", "ms" },
        { "i-lux", "en,lb", "lb" },
        { "id", "en,ms", "en" },
        { "da", "en,no", "en" },
        { "hr", "en,bs", "en" },
        { "gsw", "en,de", "en" },

        /* variants */

        { "ca-valencia", "en,ca", "ca" },
        { "ca-valencia", "en,ca,ca-valencia", "ca-valencia" },
        { "ca-ES-valencia", "en,ca-es-valencia", "ca-es-valencia" },
        { "de-DE-u-co-phonebk", "en,de-at,de-de", "de-de" },
        { "en-US-x-twain", "fr,en-us", "en-us" },

        /* POSIX locales */

        { "de_DE;q=0.9,en-CA;q=0.1", "en,de,ja", "de" },
        { "ja_JP", "en,de,ja", "ja" },
        { "zh_Hant_TW", "en,zh-cn,zh-tw", "zh-tw" },
        { "zh_TW", "en,zh-hans,zh-hant", "zh-hant" },
        { "de_DE.UTF-8", "en,de", "de" },
        { "de_AT@euro", "en,de-de", "de-de" },
        { "sr_RS@latin", "en,sr-cyrl,sr-latn", "sr-latn" },
        { "C.UTF-8", "en,de", "en" },
        { "en_US_POSIX", "fr,en", "en" },

        /* quality */

        { "fr;q=0.1,de;q=0.9", "en,fr,de", "de" },
        { "fr-FR;q=0.5,de-DE;q=0.5", "en,de,fr", "fr" },
        { "en;q=0", "en,ja", "ja" },
        { "en;q=0,*;q=0.5", "en,ja", "ja" },
        { "en;q=0,ja;q=0", "en,ja", "en" },
        { "en-GB,en;q=0", "en-us,fr", "fr" },
        { "en-GB,en;q=0", "fr,en-gb", "en-gb" },
        { "en-US;q=0,en", "en-us,en-gb", "en-gb" },
        { "zh-Hant;q=0,zh", "en,zh-tw,zh-cn", "zh-cn" },
        { "fr,*;q=0.5,ja;q=0.1", "en,ja", "ja" },
        { "en;q=0.1,*", "en", "en" },
        { "de;q=,fr", "en,de,fr", "fr" },
        { "de;q=0;q=1,fr;q=0.2", "en,de,fr", "fr" },

        { "ja-JP,ja;q=0.9", "", "ja-jp" },
        { "en;q=0.5,de-AT", NULL, "de-at" },
        { "en_US", NULL, "en-us" },
        { "en_US.UTF-8@euro,fr;q=0.3", NULL, "en-us" },
        { "C,POSIX,fr;q=0.3", NULL, "fr" },
        { "fr;q=0,de;q=0.1", NULL, "de" },
        { "zh-Hant-TW-x-abcdefgh", NULL, "zh-hant-tw" },
        { "de-DE-1901-x-y-abcd", NULL, "de-de-1901" },
        { "12,fr;q=0.3", NULL, "fr" },
        { "*", NULL, "" },
        { "", NULL, "" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(language(cases[i].accept, cases[i].languages, cases[i].want),
           "\"%s\" of \"%s\" is \"%s\"",
           cases[i].accept ? cases[i].accept : "(none)",
           cases[i].languages ? cases[i].languages : "", cases[i].want);
    }

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    ok(language(text, "en", "en") && language(text, NULL, ""),
       "one very long word");

    for (i = 0; i + 3 < sizeof(text); i += 3) {
        memcpy(text + i, "xx,", 3);
    }
    strcpy(text + i - 3, "ja");
    ok(language(text, "en,ja", "en"), "of a long list only the first count");

    memset(text, '-', sizeof(text) - 1);
    ok(language(text, "en", "en") && language(text, NULL, ""), "only hyphens");

    s = str("en");
    ok(referral_lang_valid(&s), "en");
    s = str("gsw-ch-1996");
    ok(referral_lang_valid(&s), "gsw-ch-1996");
    s = str("zh-hant-tw-12345");
    ok(referral_lang_valid(&s), "sixteen bytes");
    s = str("zh-hant-tw-123456");
    ok(!referral_lang_valid(&s), "not seventeen");
    s = str("EN-us");
    ok(referral_lang_valid(&s), "upper case");
    s = str("zh_Hant_TW");
    ok(referral_lang_valid(&s), "an underscore");
    s = str("@@-us");
    ok(!referral_lang_valid(&s), "what is next to the letters");
    s = str("e");
    ok(!referral_lang_valid(&s), "too short");
    s = str("engl");
    ok(!referral_lang_valid(&s), "too long");
    s = str("en-");
    ok(!referral_lang_valid(&s), "nothing behind the hyphen");
    s = str("en--us");
    ok(!referral_lang_valid(&s), "two hyphens");
    s = str("-en");
    ok(!referral_lang_valid(&s), "a hyphen in front");
    s = str("e1");
    ok(!referral_lang_valid(&s), "a digit in front");
    s = str("en-123456789");
    ok(!referral_lang_valid(&s), "a part of nine");
    s = str("");
    ok(!referral_lang_valid(&s), "nothing");
}


static int
rule(const char *rule, const char *lang)
{
    referral_str_t   r, l;
    referral_lang_t  a, b;

    r = str(rule);
    l = str(lang);

    return referral_lang_parse(&a, &r) == REFERRAL_OK
           && referral_lang_parse(&b, &l) == REFERRAL_OK
           && referral_lang_matches(&a, &b);
}


static void
test_rules(void)
{
    size_t  i;

    static const struct {
        const char  *rule;
        const char  *lang;
        int          want;
    } cases[] = {
        { "zh", "zh", 1 }, { "zh", "zh-tw", 1 }, { "zh", "zh-hant", 1 },
        { "zh", "zh-yue-hk", 1 }, { "zh", "zho", 1 }, { "zh", "za", 0 },
        { "zh-tw", "zh-tw", 1 }, { "zh-tw", "zh", 0 },
        { "zh-tw", "zh-cn", 0 }, { "zh-tw", "zh-hk", 0 },
        { "zh-tw", "zh-hant", 1 }, { "zh-tw", "zh-hans", 0 },
        { "zh-tw", "zh-hant-tw", 1 }, { "zh-tw", "zh_Hant_TW", 1 },
        { "zh-cn", "zh-hans", 1 }, { "zh-cn", "zh", 0 },
        { "zh-hk", "zh-hant", 0 }, { "zh-hant", "zh-tw", 1 },
        { "zh-hant", "zh-hk", 1 }, { "zh-hant", "zh-cn", 0 },
        { "zh-hans", "zh-cn", 1 }, { "zh-hans", "zh", 1 },
        { "en", "en-gb", 1 }, { "en-us", "en", 0 }, { "en-us", "en-gb", 0 },
        { "en-gb", "en-UK", 1 }, { "pt-br", "pt", 0 }, { "pt-BR", "pt_br", 1 },
        { "sr-rs", "sr-latn", 0 }, { "sr", "sr-latn", 1 },
        { "sr-latn", "sh", 1 }, { "sh", "sr", 0 },
        { "he", "iw-il", 1 }, { "iw", "he", 1 }, { "id", "in", 1 },
        { "no", "nb", 1 }, { "nb", "no", 1 }, { "no", "nn", 1 },
        { "es-419", "es-mx", 1 }, { "es-419", "es_AR", 1 },
        { "es-419", "es-es", 0 }, { "es-419", "es", 0 },
        { "es-mx", "es-419", 0 }, { "en-001", "en-gb", 1 },
        { "en-150", "en-de", 1 }, { "en-001", "en-us", 0 },
        { "nn", "no", 0 }, { "nn", "nb", 0 }, { "nb", "nn", 0 },
        { "ca", "ca-valencia", 1 }, { "ca-valencia", "ca", 0 },
        { "ca-valencia", "ca-valencia", 1 },
        { "fr-ch", "de-ch", 0 }, { "ms", "id", 0 }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(rule(cases[i].rule, cases[i].lang) == cases[i].want,
           "lang=%s is %s\"%s\"", cases[i].rule,
           cases[i].want ? "" : "not ", cases[i].lang);
    }
}


/* compiled languages that were damaged in shared memory */

static void
test_damaged(void)
{
    u_char          data[64], out[REFERRAL_LANG_MAX];
    size_t          i, n;
    unsigned        wrong;
    const char     *err;
    referral_buf_t  b;
    referral_str_t  list, accept, code;

    referral_buf_init(&b, data, sizeof(data));
    list = str("en,ja");
    accept = str("ja-JP");
    (void) referral_lang_compile(&b, &list, &err);

    for (i = 0, wrong = 0; i <= (size_t) (b.pos - b.start); i++) {
        code.len = i;
        code.data = malloc(i + 1);
        memcpy(code.data, data, i);

        n = referral_lang_choose(out, &accept, &code);
        wrong += n > REFERRAL_LANG_MAX;

        if (i) {
            code.data[0] = 0xff;
            wrong += referral_lang_choose(out, &accept, &code) != 0;
        }

        free(code.data);
    }

    ok(wrong == 0, "a list that is cut anywhere");
}


static void
test_key(void)
{
    u_char          out[REFERRAL_LANG_MAX];
    referral_str_t  tag, key;

    tag = str("zh_Hant-TW");
    key = referral_lang_key(out, &tag);
    ok(referral_str_is(&key, "zh-hant-tw"), "the spelling that is counted");
}


static void
test_countries(void)
{
    size_t  i;
    u_char  code[2], guess[2];

    static const struct {
        const char  *code;
        const char  *right;    /* NULL: there is none */
        const char  *guess;
    } cases[] = {
        { "GB", "GB", NULL }, { "JP", "JP", NULL }, { "AD", "AD", NULL },
        { "ZW", "ZW", NULL }, { "XK", "XK", NULL }, { "UK", "GB", NULL },
        { "EL", "GR", NULL }, { "FX", "FR", NULL }, { "DD", "DE", NULL },
        { "TP", "TL", NULL }, { "ZR", "CD", NULL }, { "BU", "MM", NULL },
        { "JA", NULL, "JP" }, { "EN", NULL, "US" }, { "DA", NULL, "DK" },
        { "CS", NULL, NULL }, { "AN", NULL, NULL }, { "SU", NULL, NULL },
        { "XX", NULL, NULL }, { "AP", NULL, NULL },
        { "ZZ", NULL, NULL }, { "??", NULL, NULL }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(code, cases[i].code, 2);

        if (cases[i].right) {
            ok(referral_country_right(code) == REFERRAL_OK
               && memcmp(code, cases[i].right, 2) == 0, "%s is %s",
               cases[i].code, cases[i].right);
            continue;
        }

        ok(referral_country_right(code) == REFERRAL_DECLINED
           && memcmp(code, cases[i].code, 2) == 0, "%s is no country",
           cases[i].code);
        ok(cases[i].guess
           ? (referral_country_guess(guess, code) == REFERRAL_OK
              && memcmp(guess, cases[i].guess, 2) == 0)
           : referral_country_guess(guess, code) == REFERRAL_DECLINED,
           "%s may be %s", cases[i].code,
           cases[i].guess ? cases[i].guess : "anything");
    }
}


int
main(void)
{
    test_languages();
    test_rules();
    test_damaged();
    test_key();
    test_countries();

    return unit_done();
}
