#include <endian.h>

#include "referral_lang.h"
#include "referral_lang_table.h"


#define REFERRAL_LANG_NONE          0x20202020    /* four spaces */
#define REFERRAL_LANG_TAG_MAX       64
#define REFERRAL_LANG_PHRASE_LEN    12

#define REFERRAL_LANG_ACCEPT_MAX    512
#define REFERRAL_LANG_RANGES_MAX    16
#define REFERRAL_LANG_QUALITY_MAX   1000

/* a region, those above it and none: "mx", "419", none */
#define REFERRAL_LANG_CHAIN_MAX     4

/* how badly a language suits: 0 is the same tag, UNFIT does not suit at all */
#define REFERRAL_LANG_UNFIT         UINT32_MAX
#define REFERRAL_LANG_SIBLING       8             /* added behind the regions
                                                     of a chain */
#define REFERRAL_LANG_CUT           (REFERRAL_LANG_SIBLING * 2)
#define REFERRAL_LANG_REGIONS       32            /* more than any rank of a
                                                     region */


typedef struct {
    referral_lang_t  lang;
    referral_str_t   tag;         /* in the program's spelling */
} referral_lang_offer_t;


/* an entry of an Accept-Language header */

typedef struct {
    referral_str_t   tag;
    int              quality;     /* 0 to REFERRAL_LANG_QUALITY_MAX */
    int              kin;         /* related languages may stand in for it */
    referral_lang_t  lang;
} referral_lang_range_t;


typedef struct {
    referral_lang_offer_t  offer[REFERRAL_LANGS_MAX];
    unsigned               noffers;
    referral_lang_range_t  range[REFERRAL_LANG_RANGES_MAX];
    unsigned               nranges;
    uint32_t               refused;     /* a bit for each offer */
} referral_lang_choice_t;


static size_t referral_lang_lower(u_char *out, const referral_str_t *tag,
    size_t max);
static void referral_lang_modifier(referral_lang_t *lang,
    const referral_str_t *tag);
static int referral_lang_read(referral_lang_t *lang, const referral_str_t *tag);
static int referral_lang_primary(referral_lang_t *lang, referral_str_t *rest);
static int referral_lang_phrase(referral_lang_t *lang, referral_str_t *rest);
static void referral_lang_subtags(referral_lang_t *lang, referral_str_t *rest);
static void referral_lang_complete(referral_lang_t *lang);
static int referral_lang_subtag(referral_str_t *rest, referral_str_t *subtag);
static int referral_lang_letters(const referral_str_t *s);
static int referral_lang_digits(const referral_str_t *s);

static size_t referral_lang_first(u_char *out,
    const referral_lang_range_t *range, const referral_str_t *code);
static uint32_t referral_lang_plain(const referral_str_t *tag);
static unsigned referral_lang_best(referral_lang_choice_t *c);
static void referral_lang_refuse(referral_lang_choice_t *c);
static int referral_lang_pass(referral_lang_choice_t *c, int any);
static int referral_lang_lookup(const referral_lang_choice_t *c,
    referral_lang_range_t *range, int any);
static int referral_lang_offered(const referral_lang_choice_t *c,
    const referral_lang_range_t *range);
static uint32_t referral_lang_rank(const referral_lang_t *asked,
    const uint32_t *chain, const referral_lang_t *offer, int any);
static int referral_lang_script_rank(const referral_lang_t *asked,
    const referral_lang_t *offer, int any);
static uint32_t referral_lang_region_rank(const uint32_t *chain,
    const referral_lang_t *offer);
static unsigned referral_lang_chain_find(const uint32_t *chain,
    uint32_t region);
static int referral_lang_names(const referral_lang_t *range,
    const referral_lang_t *offer);
static int referral_lang_offer(referral_str_t *left,
    referral_lang_offer_t *offer);
static int referral_lang_range(referral_lang_range_t *range,
    referral_str_t *rest);
static int referral_lang_quality(referral_str_t params);
static size_t referral_lang_own(u_char *out, const referral_str_t *accept);
static size_t referral_lang_own_tag(u_char *out, const referral_str_t *range);
static int referral_lang_next(referral_str_t *rest, referral_str_t *item,
    u_char separator);

static uint32_t referral_lang_pack(const u_char *p, size_t len);
static uint32_t referral_lang_default_script(uint32_t language,
    uint32_t region);
static uint32_t referral_lang_default_region(const referral_lang_t *lang);
static uint32_t referral_lang_parent(uint32_t language, uint32_t region);
static int referral_lang_group(uint32_t region);
static int referral_lang_kin_of(uint32_t asked, uint32_t offered);
static const u_char *referral_lang_find(const char *table, size_t size,
    size_t width, uint32_t first, uint32_t second);


int
referral_lang_parse(referral_lang_t *lang, const referral_str_t *tag)
{
    if (referral_lang_read(lang, tag) != REFERRAL_OK) {
        return REFERRAL_DECLINED;
    }

    referral_lang_complete(lang);

    return REFERRAL_OK;
}


/* reads a tag and replaces names by the canonical ones */

static int
referral_lang_read(referral_lang_t *lang, const referral_str_t *tag)
{
    u_char          data[REFERRAL_LANG_TAG_MAX];
    referral_str_t  rest;

    lang->language = REFERRAL_LANG_NONE;
    lang->script = REFERRAL_LANG_NONE;
    lang->region = REFERRAL_LANG_NONE;
    lang->rest = 0;
    lang->scripted = 0;

    rest.data = data;
    rest.len = referral_lang_lower(data, tag, sizeof(data));

    if (referral_lang_primary(lang, &rest) != REFERRAL_OK) {
        return REFERRAL_DECLINED;
    }

    referral_lang_subtags(lang, &rest);
    referral_lang_modifier(lang, tag);

    return REFERRAL_OK;
}


/* drops what POSIX locales add: "de_DE.UTF-8@euro" */

static size_t
referral_lang_lower(u_char *out, const referral_str_t *tag, size_t max)
{
    u_char  c;
    size_t  n;

    for (n = 0; n < tag->len && n < max; n++) {
        c = tag->data[n];

        if (c == '.' || c == '@') {
            break;
        }

        if (c >= 'A' && c <= 'Z') {
            c |= 0x20;
        }

        out[n] = c == '_' ? '-' : c;
    }

    return n;
}


/* "@latin" names the script */

static void
referral_lang_modifier(referral_lang_t *lang, const referral_str_t *tag)
{
    u_char          *p;
    referral_str_t   name;

    p = memchr(tag->data, '@', tag->len);

    if (p == NULL || lang->scripted) {
        return;
    }

    name.data = p + 1;
    name.len = tag->data + tag->len - name.data;

    if (referral_str_is_nocase(&name, "latin")) {
        lang->script = referral_lang_pack((u_char *) "latn", 4);
        lang->scripted = 1;

    } else if (referral_str_is_nocase(&name, "cyrillic")) {
        lang->script = referral_lang_pack((u_char *) "cyrl", 4);
        lang->scripted = 1;
    }
}


/* takes the language; "zh-yue" is read as "yue" */

static int
referral_lang_primary(referral_lang_t *lang, referral_str_t *rest)
{
    const u_char    *p;
    referral_str_t   subtag, left, next;

    left = *rest;

    if (!referral_lang_subtag(&left, &subtag)) {
        return REFERRAL_DECLINED;
    }

    next.len = 0;
    *rest = left;

    if (referral_lang_subtag(&left, &next)
        && (next.len == 3 || next.len > 4 || subtag.len == 1)
        && !referral_lang_digits(&next))
    {
        rest->len += rest->data - subtag.data;
        rest->data = subtag.data;

        if (referral_lang_phrase(lang, rest)) {
            return REFERRAL_OK;
        }

        (void) referral_lang_subtag(rest, &subtag);

        if (next.len == 3 && referral_lang_letters(&next)) {
            subtag = next;
            *rest = left;
        }
    }

    if (subtag.len < 2 || subtag.len > 3 || !referral_lang_letters(&subtag)) {
        return REFERRAL_DECLINED;
    }

    lang->language = referral_lang_pack(subtag.data, subtag.len);

    p = referral_lang_find(referral_lang_aliases,
                           sizeof(referral_lang_aliases) - 1, 16,
                           lang->language, 0);

    if (p) {
        lang->language = referral_lang_pack(p + 4, 4);
        lang->script = referral_lang_pack(p + 8, 4);
        lang->region = referral_lang_pack(p + 12, 4);
        lang->scripted = (lang->script != REFERRAL_LANG_NONE);
    }

    return REFERRAL_OK;
}


/* names of several subtags: few, and rarely asked for */

static int
referral_lang_phrase(referral_lang_t *lang, referral_str_t *rest)
{
    size_t         len, found;
    const u_char  *p, *end;

    found = 0;
    p = (const u_char *) referral_lang_phrases;
    end = p + sizeof(referral_lang_phrases) - 1;

    for ( /* void */ ; p < end; p += REFERRAL_LANG_PHRASE_LEN + 12) {
        len = REFERRAL_LANG_PHRASE_LEN;

        while (p[len - 1] == ' ') {
            len--;
        }

        if (len <= found || rest->len < len
            || memcmp(rest->data, p, len) != 0
            || (rest->len > len && rest->data[len] != '-'))
        {
            continue;
        }

        found = len;

        lang->language = referral_lang_pack(p + 12, 4);
        lang->script = referral_lang_pack(p + 16, 4);
        lang->region = referral_lang_pack(p + 20, 4);
        lang->scripted = (lang->script != REFERRAL_LANG_NONE);
    }

    rest->data += found;
    rest->len -= found;

    if (found && rest->len) {
        rest->data++;
        rest->len--;
    }

    return found != 0;
}


static void
referral_lang_subtags(referral_lang_t *lang, referral_str_t *rest)
{
    size_t          i;
    unsigned        region;
    referral_str_t  subtag;

    region = 0;

    while (referral_lang_subtag(rest, &subtag)) {

        if (subtag.len == 4 && !region && lang->rest == 0
            && referral_lang_letters(&subtag))
        {
            lang->script = referral_lang_pack(subtag.data, 4);
            lang->scripted = 1;
            continue;
        }

        if (!region && lang->rest == 0
            && ((subtag.len == 2 && referral_lang_letters(&subtag))
                || (subtag.len == 3 && referral_lang_digits(&subtag))))
        {
            if (referral_str_is(&subtag, "uk")) {
                referral_str_set(&subtag, "gb");
            }

            lang->region = referral_lang_pack(subtag.data, subtag.len);
            region = 1;
            continue;
        }

        if (lang->rest == 0) {
            lang->rest = 2166136261;
        }

        for (i = 0; i < subtag.len; i++) {
            lang->rest = (lang->rest ^ subtag.data[i]) * 16777619;
        }

        /* never 0, and different for "a-bc" and "ab-c" */

        lang->rest = (lang->rest ^ '-') * 16777619 | 1;
    }
}


/* fills in the likely script */

static void
referral_lang_complete(referral_lang_t *lang)
{
    if (lang->script == REFERRAL_LANG_NONE) {
        lang->script = referral_lang_default_script(lang->language,
                                                    lang->region);
    }
}


/* takes a subtag; 0 at the end */

static int
referral_lang_subtag(referral_str_t *rest, referral_str_t *subtag)
{
    return referral_lang_next(rest, subtag, '-');
}


static int
referral_lang_letters(const referral_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 'a' || s->data[i] > 'z') {
            return 0;
        }
    }

    return 1;
}


static int
referral_lang_digits(const referral_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < '0' || s->data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


int
referral_lang_valid(const referral_str_t *tag)
{
    size_t  i, start;
    u_char  c;

    if (tag->len < 2 || tag->len > REFERRAL_LANG_MAX) {
        return 0;
    }

    start = 0;

    for (i = 0; i <= tag->len; i++) {

        if (i == tag->len || tag->data[i] == '-' || tag->data[i] == '_') {

            if (start == 0 ? (i < 2 || i > 3)
                           : (i == start || i - start > 8))
            {
                return 0;
            }

            start = i + 1;
            continue;
        }

        c = tag->data[i] | 0x20;

        if (c >= 'a' && c <= 'z') {
            continue;
        }

        if (start == 0 || tag->data[i] < '0' || tag->data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


int
referral_lang_compile(referral_buf_t *out, const referral_str_t *list,
    const char **err)
{
    u_char           *start;
    unsigned          n;
    referral_str_t    rest, tag;
    referral_lang_t   lang;

    start = out->pos;
    rest = *list;

    for (n = 0; referral_lang_next(&rest, &tag, ','); n++) {

        referral_str_trim(&tag);

        if (n == REFERRAL_LANGS_MAX) {
            *err = "at most 32 languages";
            goto failed;
        }

        if (!referral_lang_valid(&tag)
            || referral_lang_parse(&lang, &tag) != REFERRAL_OK)
        {
            *err = "a language is like \"en\" or \"zh-tw\"";
            goto failed;
        }

        referral_buf_putc(out, (u_char) tag.len);
        referral_buf_put(out, &lang, sizeof(referral_lang_t));
        referral_buf_str(out, &tag);
    }

    if (n == 0 || list->data[list->len - 1] == ',') {
        *err = "a language is like \"en\" or \"zh-tw\"";
        goto failed;
    }

    return REFERRAL_OK;

failed:

    out->pos = start;

    return REFERRAL_DECLINED;
}


size_t
referral_lang_choose(u_char *out, const referral_str_t *accept,
    const referral_str_t *code)
{
    size_t                   len;
    unsigned                 n;
    referral_str_t           rest, left;
    referral_lang_offer_t   *offer;
    referral_lang_choice_t   c;

    if (code->len == 0) {
        return referral_lang_own(out, accept);
    }

    rest = *accept;

    /* only the start of a long header is read */

    if (rest.len > REFERRAL_LANG_ACCEPT_MAX) {
        rest.len = REFERRAL_LANG_ACCEPT_MAX;
    }

    for (n = 0; n < REFERRAL_LANG_RANGES_MAX; n++) {

        if (!referral_lang_range(&c.range[n], &rest)) {
            break;
        }

        if (n == 0) {
            len = referral_lang_first(out, &c.range[0], code);

            if (len) {
                return len;
            }
        }
    }

    c.nranges = n;
    left = *code;

    for (n = 0; n < REFERRAL_LANGS_MAX; n++) {
        if (!referral_lang_offer(&left, &c.offer[n])) {
            break;
        }
    }

    if (n == 0) {
        return 0;
    }

    c.noffers = n;
    offer = &c.offer[referral_lang_best(&c)];

    memcpy(out, offer->tag.data, offer->tag.len);

    return offer->tag.len;
}


/*
 * The common case: the first range is offered with this very tag, or it is a
 * language with a region, of which only the language itself is offered.
 */

static size_t
referral_lang_first(u_char *out, const referral_lang_range_t *range,
    const referral_str_t *code)
{
    uint32_t               language;
    unsigned               n;
    referral_str_t         left, found;
    referral_lang_offer_t  offer;

    if (range->quality != REFERRAL_LANG_QUALITY_MAX) {
        return 0;
    }

    n = 0;
    found.len = 0;
    found.data = NULL;

    left = *code;
    language = referral_lang_plain(&range->tag);

    while (referral_lang_offer(&left, &offer)) {

        if (offer.tag.len == range->tag.len
            && strncasecmp((char *) offer.tag.data, (char *) range->tag.data,
                           offer.tag.len)
               == 0)
        {
            memcpy(out, offer.tag.data, offer.tag.len);
            return offer.tag.len;
        }

        if (offer.lang.language == language) {
            found = offer.tag;
            n++;
        }
    }

    if (n != 1 || found.len != 2) {
        return 0;
    }

    memcpy(out, found.data, 2);

    return 2;
}


/* the language of a tag like "en-US"; 0 for any other */

static uint32_t
referral_lang_plain(const referral_str_t *tag)
{
    u_char  *p, text[2];

    p = tag->data;

    if (tag->len != 5 || (p[2] != '-' && p[2] != '_')) {
        return 0;
    }

    text[0] = p[0] | 0x20;
    text[1] = p[1] | 0x20;

    return referral_lang_pack(text, 2);
}


static unsigned
referral_lang_best(referral_lang_choice_t *c)
{
    int       i;
    unsigned  n, good;

    /* "*" is skipped: it means the program's default, which is used anyway */

    for (n = 0, good = 0; n < c->nranges; n++) {

        if (referral_lang_read(&c->range[n].lang, &c->range[n].tag)
            != REFERRAL_OK)
        {
            continue;
        }

        c->range[n].kin = (referral_lang_find(referral_lang_kin,
                                         sizeof(referral_lang_kin) - 1, 9,
                                         c->range[n].lang.language, 0)
                           != NULL);

        c->range[good++] = c->range[n];
    }

    c->nranges = good;

    referral_lang_refuse(c);

    i = referral_lang_pass(c, 0);

    if (i < 0) {
        i = referral_lang_pass(c, 1);
    }

    if (i >= 0) {
        return i;
    }

    /* the first offer that is not refused, or the first one */

    for (n = 0; n < c->noffers; n++) {
        if (!(c->refused >> n & 1)) {
            return n;
        }
    }

    return 0;
}


/* marks the offers that "q=0" excludes */

static void
referral_lang_refuse(referral_lang_choice_t *c)
{
    unsigned  n, i;

    c->refused = 0;

    for (n = 0; n < c->nranges; n++) {

        if (c->range[n].quality) {
            continue;
        }

        for (i = 0; i < c->noffers; i++) {
            if (referral_lang_names(&c->range[n].lang, &c->offer[i].lang)) {
                c->refused |= (uint32_t) 1 << i;
            }
        }
    }
}


/*
 * Goes through the ranges by falling quality, with "any" regardless of the
 * script.  Returns the index of an offer, or -1.
 */

static int
referral_lang_pass(referral_lang_choice_t *c, int any)
{
    int                     quality, next, found;
    unsigned                n;
    referral_lang_range_t  *range;

    for (quality = REFERRAL_LANG_QUALITY_MAX; quality > 0; quality = next) {
        next = 0;

        for (n = 0; n < c->nranges; n++) {
            range = &c->range[n];

            if (range->quality == quality) {
                found = referral_lang_lookup(c, range, any);

                if (found >= 0) {
                    return found;
                }

            } else if (range->quality < quality && range->quality > next) {
                next = range->quality;
            }
        }
    }

    return -1;
}


static int
referral_lang_lookup(const referral_lang_choice_t *c,
    referral_lang_range_t *range, int any)
{
    int               found;
    unsigned          i;
    uint32_t          rank, best, chain[REFERRAL_LANG_CHAIN_MAX];
    referral_lang_t  *asked;

    if (!referral_lang_offered(c, range)) {
        return -1;
    }

    asked = &range->lang;
    referral_lang_complete(asked);

    /*
     * No region has more than three above it; the end of the chain is no
     * region.
     */

    chain[0] = asked->region;

    for (i = 1; i < REFERRAL_LANG_CHAIN_MAX - 1; i++) {
        chain[i] = referral_lang_parent(asked->language, chain[i - 1]);
    }

    chain[i] = REFERRAL_LANG_NONE;

    found = -1;
    best = REFERRAL_LANG_UNFIT;

    for (i = 0; i < c->noffers; i++) {
        rank = referral_lang_rank(asked, chain, &c->offer[i].lang, any);

        /*
         * With "en-US,en;q=0" an offer close to "en-US" stays, although "en"
         * is refused.
         */

        if (rank < best
            && (rank < REFERRAL_LANG_CUT || !(c->refused >> i & 1)))
        {
            best = rank;
            found = i;
        }
    }

    return found;
}


/* is this language offered, or one that may stand in for it? */

static int
referral_lang_offered(const referral_lang_choice_t *c,
    const referral_lang_range_t *range)
{
    unsigned  i;

    for (i = 0; i < c->noffers; i++) {

        if (c->offer[i].lang.language == range->lang.language
            || (range->kin
                && referral_lang_kin_of(range->lang.language,
                                        c->offer[i].lang.language)
                   > 0))
        {
            return 1;
        }
    }

    return 0;
}


static uint32_t
referral_lang_rank(const referral_lang_t *asked, const uint32_t *chain,
    const referral_lang_t *offer, int any)
{
    int       kin, script;
    uint32_t  region;

    kin = referral_lang_kin_of(asked->language, offer->language);

    if (kin < 0) {
        return REFERRAL_LANG_UNFIT;
    }

    script = referral_lang_script_rank(asked, offer, any);

    if (script < 0) {
        return REFERRAL_LANG_UNFIT;
    }

    region = referral_lang_region_rank(chain, offer);

    return ((kin * 3 + script) * REFERRAL_LANG_REGIONS + region) * 2
           + (asked->rest != offer->rest);
}


/* an offer without script and region suits every script */

static int
referral_lang_script_rank(const referral_lang_t *asked,
    const referral_lang_t *offer, int any)
{
    if (asked->script == offer->script
        || asked->script == REFERRAL_LANG_NONE
        || offer->script == REFERRAL_LANG_NONE)
    {
        return 0;
    }

    if ((!asked->scripted && asked->region == REFERRAL_LANG_NONE)
        || (!offer->scripted && offer->region == REFERRAL_LANG_NONE))
    {
        return 1;
    }

    return any ? 2 : -1;
}


/*
 * First come the regions of the chain, from the one that is asked for up to
 * none.  Then come those that have a region of the chain above them, and last
 * the others, among which the region where most speakers live is preferred.
 */

static uint32_t
referral_lang_region_rank(const uint32_t *chain, const referral_lang_t *offer)
{
    uint32_t  region;
    unsigned  i, likely;

    i = referral_lang_chain_find(chain, offer->region);

    if (i < REFERRAL_LANG_CHAIN_MAX) {
        return i;
    }

    region = offer->region;

    do {
        region = referral_lang_parent(offer->language, region);
        i = referral_lang_chain_find(chain, region);
    } while (i == REFERRAL_LANG_CHAIN_MAX);

    likely = (offer->region == referral_lang_default_region(offer));

    return REFERRAL_LANG_SIBLING + i * 2 + !likely;
}


static unsigned
referral_lang_chain_find(const uint32_t *chain, uint32_t region)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_LANG_CHAIN_MAX && chain[i] != region; i++) {
        /* void */
    }

    return i;
}


/* RFC 4647, section 3.3.1: does the range match this offer? */

static int
referral_lang_names(const referral_lang_t *range, const referral_lang_t *offer)
{
    return range->language == offer->language
           && (!range->scripted || range->script == offer->script)
           && (range->region == REFERRAL_LANG_NONE
               || range->region == offer->region)
           && (range->rest == 0 || range->rest == offer->rest);
}


/* takes an offer from the code; 0 at the end */

static int
referral_lang_offer(referral_str_t *left, referral_lang_offer_t *offer)
{
    size_t  len;

    if (left->len < 1 + sizeof(referral_lang_t)) {
        return 0;
    }

    len = left->data[0];
    left->len -= 1 + sizeof(referral_lang_t);

    if (len > REFERRAL_LANG_MAX || len > left->len) {
        return 0;
    }

    memcpy(&offer->lang, left->data + 1, sizeof(referral_lang_t));

    offer->tag.data = left->data + 1 + sizeof(referral_lang_t);
    offer->tag.len = len;

    left->data = offer->tag.data + len;
    left->len -= len;

    return 1;
}


/* the next entry that can be a language; 0 at the end */

static int
referral_lang_range(referral_lang_range_t *range, referral_str_t *rest)
{
    referral_str_t  item;

    while (referral_lang_next(rest, &item, ',')) {

        if (!referral_lang_next(&item, &range->tag, ';')) {
            continue;
        }

        referral_str_trim(&range->tag);

        range->quality = referral_lang_quality(item);

        if (range->tag.len >= 2 && range->quality >= 0) {
            return 1;
        }
    }

    return 0;
}


/*
 * Reads "q=0.8" among the parameters; the maximum without it, -1 if it is
 * invalid.
 */

static int
referral_lang_quality(referral_str_t params)
{
    int     quality, unit;
    size_t  i;

    referral_str_trim(&params);

    if (params.len == 0) {
        return REFERRAL_LANG_QUALITY_MAX;
    }

    if (params.len < 3
        || (params.data[0] | 0x20) != 'q'
        || params.data[1] != '=')
    {
        return -1;
    }

    i = 2;
    quality = 0;

    if (params.data[i] == '0' || params.data[i] == '1') {
        quality = params.data[i++] == '1' ? REFERRAL_LANG_QUALITY_MAX : 0;

    } else if (params.len == 3) {
        return -1;
    }

    if (i < params.len && params.data[i++] != '.') {
        return -1;
    }

    /*
     * Apps print floating-point numbers such as "0.8999999761581421" and ".8".
     */

    unit = REFERRAL_LANG_QUALITY_MAX / 10;

    for ( /* void */ ; i < params.len; i++) {
        if (params.data[i] < '0' || params.data[i] > '9') {
            return -1;
        }

        quality += (params.data[i] - '0') * unit;
        unit /= 10;
    }

    return quality > REFERRAL_LANG_QUALITY_MAX ? -1 : quality;
}


/* the visitor's first choice; of equal qualities the first */

static size_t
referral_lang_own(u_char *out, const referral_str_t *accept)
{
    int                    best;
    size_t                 len, found;
    unsigned               n;
    referral_str_t         rest;
    u_char                 data[REFERRAL_LANG_MAX];
    referral_lang_range_t  range;

    rest = *accept;

    if (rest.len > REFERRAL_LANG_ACCEPT_MAX) {
        rest.len = REFERRAL_LANG_ACCEPT_MAX;
    }

    best = 0;
    found = 0;

    for (n = 0; n < REFERRAL_LANG_RANGES_MAX; n++) {

        if (!referral_lang_range(&range, &rest)) {
            break;
        }

        if (range.quality <= best) {
            continue;
        }

        len = referral_lang_own_tag(data, &range.tag);

        if (len == 0) {
            continue;
        }

        memcpy(out, data, len);
        found = len;
        best = range.quality;

        if (best == REFERRAL_LANG_QUALITY_MAX) {
            break;
        }
    }

    return found;
}


/* the part of the range that is a valid tag, in lower case */

static size_t
referral_lang_own_tag(u_char *out, const referral_str_t *range)
{
    u_char          data[REFERRAL_LANG_ACCEPT_MAX];
    referral_str_t  tag;

    tag.data = data;
    tag.len = referral_lang_lower(data, range, sizeof(data));

    for ( ;; ) {

        if (referral_lang_valid(&tag)) {
            memcpy(out, tag.data, tag.len);
            return tag.len;
        }

        while (tag.len && tag.data[tag.len - 1] != '-') {
            tag.len--;
        }

        if (tag.len == 0) {
            return 0;
        }

        tag.len--;

        /*
         * A single letter, as in "zh-x-...", is dropped with what followed it.
         */

        while (tag.len >= 2 && tag.data[tag.len - 2] == '-') {
            tag.len -= 2;
        }
    }
}


/* takes the next item of a list; 0 at the end */

static int
referral_lang_next(referral_str_t *rest, referral_str_t *item,
    u_char separator)
{
    u_char  *p;

    if (rest->len == 0) {
        return 0;
    }

    item->data = rest->data;
    p = memchr(rest->data, separator, rest->len);

    if (p == NULL) {
        item->len = rest->len;
        rest->data += rest->len;
        rest->len = 0;
        return 1;
    }

    item->len = p - rest->data;
    rest->len -= item->len + 1;
    rest->data = p + 1;

    return 1;
}


int
referral_lang_matches(const referral_lang_t *rule, const referral_lang_t *lang)
{
    int       kin;
    uint32_t  region;

    kin = referral_lang_kin_of(lang->language, rule->language);

    if (kin < 0 || kin > 1) {
        return 0;
    }

    if (!rule->scripted && rule->region == REFERRAL_LANG_NONE
        && rule->rest == 0)
    {
        return 1;
    }

    if (rule->rest != lang->rest || rule->script != lang->script) {
        return 0;
    }

    if (rule->region == REFERRAL_LANG_NONE || rule->region == lang->region) {
        return 1;
    }

    /* "es-419" is Latin America, to which "es-mx" belongs */

    if (referral_lang_group(rule->region)) {
        region = lang->region;

        while (region != REFERRAL_LANG_NONE) {
            region = referral_lang_parent(lang->language, region);

            if (region == rule->region) {
                return 1;
            }
        }

        return 0;
    }

    /* "zh-Hant" means Taiwan, but "en" does not mean "en-us" */

    return lang->region == REFERRAL_LANG_NONE
           && lang->scripted
           && rule->region == referral_lang_default_region(lang);
}


referral_str_t
referral_lang_key(u_char *out, const referral_str_t *tag)
{
    referral_str_t  key;

    key.data = out;
    key.len = referral_lang_lower(out, tag, REFERRAL_LANG_MAX);

    return key;
}


int
referral_country_right(u_char *code)
{
    const char  *p, *end;

    p = referral_country_aliases;
    end = p + sizeof(referral_country_aliases) - 1;

    for ( /* void */ ; p < end; p += 4) {
        if (memcmp(p, code, 2) == 0 && p[2] != '?') {
            memcpy(code, p + 2, 2);
            return REFERRAL_OK;
        }
    }

    p = referral_countries;
    end = p + sizeof(referral_countries) - 1;

    for ( /* void */ ; p < end; p += 2) {
        if (memcmp(p, code, 2) == 0) {
            return REFERRAL_OK;
        }
    }

    return REFERRAL_DECLINED;
}


/* the code of a language: the country where most of its speakers live */

int
referral_country_guess(u_char *guess, const u_char *code)
{
    uint32_t         region;
    const char      *p, *end;
    referral_str_t   tag;
    referral_lang_t  lang;

    p = referral_country_aliases;
    end = p + sizeof(referral_country_aliases) - 1;

    /* the code of a country that was divided into several */

    for ( /* void */ ; p < end; p += 4) {
        if (memcmp(p, code, 2) == 0) {
            return REFERRAL_DECLINED;
        }
    }

    tag.data = (u_char *) code;
    tag.len = 2;

    if (referral_lang_parse(&lang, &tag) != REFERRAL_OK) {
        return REFERRAL_DECLINED;
    }

    region = referral_lang_default_region(&lang);

    memcpy(guess, &region, 2);

    if (guess[0] < 'a' || guess[0] > 'z') {
        return REFERRAL_DECLINED;
    }

    guess[0] -= 0x20;
    guess[1] -= 0x20;

    return REFERRAL_OK;
}


/* packs a subtag of at most four letters */

static uint32_t
referral_lang_pack(const u_char *p, size_t len)
{
    u_char    data[4];
    size_t    i;
    uint32_t  packed;

    for (i = 0; i < 4; i++) {
        data[i] = i < len ? p[i] : ' ';
    }

    memcpy(&packed, data, 4);

    return packed;
}


static uint32_t
referral_lang_default_script(uint32_t language, uint32_t region)
{
    const u_char  *p;

    p = NULL;

    if (region != REFERRAL_LANG_NONE) {
        p = referral_lang_find(referral_lang_scripts,
                               sizeof(referral_lang_scripts) - 1, 12,
                               language, region);
    }

    if (p == NULL) {
        p = referral_lang_find(referral_lang_scripts,
                               sizeof(referral_lang_scripts) - 1, 12,
                               language, REFERRAL_LANG_NONE);
    }

    return p ? referral_lang_pack(p + 8, 4) : REFERRAL_LANG_NONE;
}


static uint32_t
referral_lang_default_region(const referral_lang_t *lang)
{
    const u_char  *p;

    p = referral_lang_find(referral_lang_regions,
                           sizeof(referral_lang_regions) - 1, 12,
                           lang->language, lang->script);

    return p ? referral_lang_pack(p + 8, 4) : REFERRAL_LANG_NONE;
}


static uint32_t
referral_lang_parent(uint32_t language, uint32_t region)
{
    const u_char  *p;

    if (region == REFERRAL_LANG_NONE) {
        return REFERRAL_LANG_NONE;
    }

    p = referral_lang_find(referral_lang_parents,
                           sizeof(referral_lang_parents) - 1, 12, language,
                           region);

    return p ? referral_lang_pack(p + 8, 4) : REFERRAL_LANG_NONE;
}


/* "419" and "001" are groups of countries */

static int
referral_lang_group(uint32_t region)
{
    u_char  first;

    memcpy(&first, &region, 1);

    return first >= '0' && first <= '9';
}


/* 0: the same, otherwise their distance; -1: not related */

static int
referral_lang_kin_of(uint32_t asked, uint32_t offered)
{
    const u_char  *p;

    if (asked == offered) {
        return 0;
    }

    p = referral_lang_find(referral_lang_kin, sizeof(referral_lang_kin) - 1,
                           9, asked, offered);

    return p ? p[8] - '0' : -1;
}


/* finds the record with both keys, or else with the first key alone */

static const u_char *
referral_lang_find(const char *table, size_t size, size_t width,
    uint32_t first, uint32_t second)
{
    size_t         low, high, middle;
    uint64_t       key, value, mask;
    const u_char  *p;

    mask = second ? UINT64_MAX : UINT64_MAX << 32;
    key = (uint64_t) be32toh(first) << 32 | be32toh(second);

    low = 0;
    high = size / width;

    while (low < high) {
        middle = (low + high) / 2;
        p = (const u_char *) table + middle * width;

        memcpy(&value, p, sizeof(value));
        value = be64toh(value) & mask;

        if (value == key) {
            return p;
        }

        if (value < key) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return NULL;
}
