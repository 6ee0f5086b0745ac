
#include "referral_event.h"


/*
 * Version 1, integers little-endian:
 *
 *   version 1, trust 1, flags 2, quantity 4, received 8, at 8, fingerprint 8,
 *   order_at 8, amount 8, refunded 8, click_id 16, visitor 12,
 *   first click_id 16, last click_id 16: each where "flags" has its bit,
 *   REFERRAL_EVENT_TEXTS times: length 1, bytes,
 *   the first code, the last code: likewise, where "flags" has their bit,
 *   products, parties: count 1, and each: length 1, bytes,
 *   extras: count 1, and each: length 1, key, length 2, value
 */

#define REFERRAL_EVENT_VERSION  1

#define REFERRAL_EVENT_FIXED    (32 + 3 * 8 + 3 * REFERRAL_CLICK_ID_SIZE      \
                                 + REFERRAL_VISITOR_SIZE)

/* a day from either end of the calendar, so that no zone leaves it */

#define REFERRAL_EVENT_AT_MIN   REFERRAL_DAY_MS
#define REFERRAL_EVENT_AT_MAX   (253402300800000LL - REFERRAL_DAY_MS)

/* each longest text with its length, lists with their count */

#define REFERRAL_EVENT_LONGEST                                                \
    (REFERRAL_EVENT_FIXED                                                     \
     + REFERRAL_EVENT_TEXTS + REFERRAL_PROGRAM_MAX + REFERRAL_EVENT_TYPE_MAX  \
     + 3 * REFERRAL_EVENT_ID_MAX + REFERRAL_CODE_MAX + REFERRAL_UNIT_MAX      \
     + 2 * REFERRAL_SEGMENT_MAX + 2 * REFERRAL_EVENT_HASH_LEN                 \
     + REFERRAL_EVENT_DOMAIN_MAX + 2 + REFERRAL_EVENT_CITY_MAX                \
     + 2 * (1 + REFERRAL_CODE_MAX)                                            \
     + 1 + REFERRAL_EVENT_PRODUCTS * (1 + REFERRAL_SEGMENT_MAX)               \
     + 1 + REFERRAL_EVENT_PARTIES * (1 + REFERRAL_EVENT_ID_MAX)               \
     + 1 + REFERRAL_EVENT_EXTRAS * (3 + REFERRAL_EVENT_KEY_MAX                \
                                    + REFERRAL_EVENT_VALUE_MAX))

_Static_assert(REFERRAL_EVENT_LONGEST <= REFERRAL_EVENT_MAX,
               "an event within its bounds fits in REFERRAL_EVENT_MAX");


/* what is left of the bytes; "failed" where they were too few, and stays */

typedef struct {
    const u_char  *pos;
    const u_char  *end;
    unsigned       failed;
} referral_event_reader_t;


static void referral_event_put(referral_buf_t *b, uint64_t n, unsigned size);
static void referral_event_put_text(referral_buf_t *b, const referral_str_t *s,
    unsigned size);
static void referral_event_put_list(referral_buf_t *b, const referral_str_t *s,
    unsigned n);
static uint64_t referral_event_get(referral_event_reader_t *r, unsigned size);
static void referral_event_get_bytes(referral_event_reader_t *r, u_char *out,
    size_t len);
static void referral_event_get_text(referral_event_reader_t *r,
    referral_str_t *s, unsigned size);
static unsigned referral_event_get_list(referral_event_reader_t *r,
    referral_str_t *s, unsigned max);
static void referral_event_get_fixed(referral_event_reader_t *r,
    referral_event_t *event);
static void referral_event_get_texts(referral_event_reader_t *r,
    referral_event_t *event);
static int referral_event_valid(const referral_event_t *event);
static int referral_event_numbers_valid(const referral_event_t *event);
static int referral_event_texts_valid(const referral_event_t *event);
static int referral_event_lists_valid(const referral_event_t *event);
static int referral_event_needs_met(const referral_event_t *event);
static int referral_event_click_valid(const u_char *id);
static int referral_event_touch_valid(const referral_event_touch_t *touch,
    const referral_event_t *event, unsigned flag, unsigned open);
static int referral_event_type_valid(const referral_str_t *s);
static int referral_event_hash_valid(const referral_str_t *s);
static int referral_event_domain_valid(const referral_str_t *s);
static int referral_event_country_valid(const referral_str_t *s);
static int referral_event_utf8_valid(const referral_str_t *s, size_t max);
static void referral_event_mean(referral_buf_t *b, u_char tag,
    const referral_str_t *s);
static void referral_event_mean_number(referral_buf_t *b, u_char tag,
    int64_t n);


ssize_t
referral_event_encode(u_char *out, size_t size, const referral_event_t *event)
{
    unsigned        i, flags;
    referral_buf_t  b;

    if (!referral_event_valid(event)) {
        return REFERRAL_ERROR;
    }

    flags = event->flags;

    referral_buf_init(&b, out, size);

    referral_buf_putc(&b, REFERRAL_EVENT_VERSION);
    referral_buf_putc(&b, event->trust);

    referral_event_put(&b, flags, 2);
    referral_event_put(&b, event->quantity, 4);
    referral_event_put(&b, event->received, 8);
    referral_event_put(&b, event->at, 8);

    referral_buf_put(&b, event->fingerprint, REFERRAL_FINGERPRINT_SIZE);

    if (flags & REFERRAL_EVENT_ORDER_AT) {
        referral_event_put(&b, event->order_at, 8);
    }

    if (flags & REFERRAL_EVENT_AMOUNT) {
        referral_event_put(&b, event->amount, 8);
    }

    if (flags & REFERRAL_EVENT_REFUNDED) {
        referral_event_put(&b, event->refunded, 8);
    }

    if (flags & REFERRAL_EVENT_CLICK_ID) {
        referral_buf_put(&b, event->click_id, REFERRAL_CLICK_ID_SIZE);
    }

    if (flags & REFERRAL_EVENT_VISITOR) {
        referral_buf_put(&b, event->visitor, REFERRAL_VISITOR_SIZE);
    }

    if (flags & REFERRAL_EVENT_FIRST) {
        referral_buf_put(&b, event->first.click_id, REFERRAL_CLICK_ID_SIZE);
    }

    if (flags & REFERRAL_EVENT_LAST) {
        referral_buf_put(&b, event->last.click_id, REFERRAL_CLICK_ID_SIZE);
    }

    for (i = 0; i < REFERRAL_EVENT_TEXTS; i++) {
        referral_event_put_text(&b, &event->text[i], 1);
    }

    if (flags & REFERRAL_EVENT_FIRST) {
        referral_event_put_text(&b, &event->first.code, 1);
    }

    if (flags & REFERRAL_EVENT_LAST) {
        referral_event_put_text(&b, &event->last.code, 1);
    }

    referral_event_put_list(&b, event->product, event->products);
    referral_event_put_list(&b, event->party, event->parties);

    referral_buf_putc(&b, event->extras);

    for (i = 0; i < event->extras; i++) {
        referral_event_put_text(&b, &event->extra[i].key, 1);
        referral_event_put_text(&b, &event->extra[i].value, 2);
    }

    return b.overflow ? REFERRAL_ERROR : b.pos - b.start;
}


static void
referral_event_put(referral_buf_t *b, uint64_t n, unsigned size)
{
#if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
    n = __builtin_bswap64(n);
#endif

    referral_buf_put(b, &n, size);
}


static void
referral_event_put_text(referral_buf_t *b, const referral_str_t *s,
    unsigned size)
{
    referral_event_put(b, s->len, size);
    referral_buf_str(b, s);
}


static void
referral_event_put_list(referral_buf_t *b, const referral_str_t *s, unsigned n)
{
    unsigned  i;

    referral_buf_putc(b, (u_char) n);

    for (i = 0; i < n; i++) {
        referral_event_put_text(b, &s[i], 1);
    }
}


int
referral_event_decode(referral_event_t *event, const u_char *data, size_t size)
{
    referral_event_reader_t  r;

    if (size && data[0] > REFERRAL_EVENT_VERSION) {
        return REFERRAL_DECLINED;
    }

    if (size == 0 || data[0] != REFERRAL_EVENT_VERSION) {
        return REFERRAL_ERROR;
    }

    memset(event, 0, sizeof(referral_event_t));

    r.pos = data + 1;
    r.end = data + size;
    r.failed = 0;

    referral_event_get_fixed(&r, event);
    referral_event_get_texts(&r, event);

    if (r.failed || r.pos != r.end || !referral_event_valid(event)) {
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


static void
referral_event_get_fixed(referral_event_reader_t *r, referral_event_t *event)
{
    unsigned  flags;

    event->trust = (uint8_t) referral_event_get(r, 1);

    flags = (unsigned) referral_event_get(r, 2);

    event->flags = (uint16_t) flags;
    event->quantity = (uint32_t) referral_event_get(r, 4);
    event->received = (int64_t) referral_event_get(r, 8);
    event->at = (int64_t) referral_event_get(r, 8);

    referral_event_get_bytes(r, event->fingerprint, REFERRAL_FINGERPRINT_SIZE);

    if (flags & REFERRAL_EVENT_ORDER_AT) {
        event->order_at = (int64_t) referral_event_get(r, 8);
    }

    if (flags & REFERRAL_EVENT_AMOUNT) {
        event->amount = (int64_t) referral_event_get(r, 8);
    }

    if (flags & REFERRAL_EVENT_REFUNDED) {
        event->refunded = (int64_t) referral_event_get(r, 8);
    }

    if (flags & REFERRAL_EVENT_CLICK_ID) {
        referral_event_get_bytes(r, event->click_id, REFERRAL_CLICK_ID_SIZE);
    }

    if (flags & REFERRAL_EVENT_VISITOR) {
        referral_event_get_bytes(r, event->visitor, REFERRAL_VISITOR_SIZE);
    }

    if (flags & REFERRAL_EVENT_FIRST) {
        referral_event_get_bytes(r, event->first.click_id,
                                 REFERRAL_CLICK_ID_SIZE);
    }

    if (flags & REFERRAL_EVENT_LAST) {
        referral_event_get_bytes(r, event->last.click_id,
                                 REFERRAL_CLICK_ID_SIZE);
    }
}


static void
referral_event_get_texts(referral_event_reader_t *r, referral_event_t *event)
{
    unsigned  i, n;

    for (i = 0; i < REFERRAL_EVENT_TEXTS; i++) {
        referral_event_get_text(r, &event->text[i], 1);
    }

    if (event->flags & REFERRAL_EVENT_FIRST) {
        referral_event_get_text(r, &event->first.code, 1);
    }

    if (event->flags & REFERRAL_EVENT_LAST) {
        referral_event_get_text(r, &event->last.code, 1);
    }

    n = referral_event_get_list(r, event->product, REFERRAL_EVENT_PRODUCTS);
    event->products = (uint8_t) n;

    n = referral_event_get_list(r, event->party, REFERRAL_EVENT_PARTIES);
    event->parties = (uint8_t) n;

    n = (unsigned) referral_event_get(r, 1);

    if (n > REFERRAL_EVENT_EXTRAS) {
        r->failed = 1;
        return;
    }

    event->extras = (uint8_t) n;

    for (i = 0; i < n; i++) {
        referral_event_get_text(r, &event->extra[i].key, 1);
        referral_event_get_text(r, &event->extra[i].value, 2);
    }
}


/* 0 where the bytes are too few */

static uint64_t
referral_event_get(referral_event_reader_t *r, unsigned size)
{
    uint64_t  n;

    n = 0;
    referral_event_get_bytes(r, (u_char *) &n, size);

#if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
    n = __builtin_bswap64(n);
#endif

    return n;
}


static void
referral_event_get_bytes(referral_event_reader_t *r, u_char *out, size_t len)
{
    if (r->failed || (size_t) (r->end - r->pos) < len) {
        r->failed = 1;
        return;
    }

    memcpy(out, r->pos, len);
    r->pos += len;
}


static void
referral_event_get_text(referral_event_reader_t *r, referral_str_t *s,
    unsigned size)
{
    size_t  len;

    len = referral_event_get(r, size);

    if (r->failed || (size_t) (r->end - r->pos) < len) {
        r->failed = 1;
        return;
    }

    s->len = len;
    s->data = (u_char *) r->pos;

    r->pos += len;
}


static unsigned
referral_event_get_list(referral_event_reader_t *r, referral_str_t *s,
    unsigned max)
{
    unsigned  i, n;

    n = (unsigned) referral_event_get(r, 1);

    if (n > max) {
        r->failed = 1;
        return 0;
    }

    for (i = 0; i < n; i++) {
        referral_event_get_text(r, &s[i], 1);
    }

    return n;
}


static int
referral_event_valid(const referral_event_t *event)
{
    return referral_event_numbers_valid(event)
           && referral_event_texts_valid(event)
           && referral_event_lists_valid(event)
           && referral_event_needs_met(event);
}


/* the members whose bit is not set are not looked at: they are not written */

static int
referral_event_numbers_valid(const referral_event_t *event)
{
    unsigned  flags;

    flags = event->flags;

    if (event->trust >= REFERRAL_TRUSTS
        || (flags & ~REFERRAL_EVENT_FLAGS)
        || event->quantity > REFERRAL_EVENT_QUANTITY_MAX
        || !referral_event_time_valid(event->received)
        || !referral_event_time_valid(event->at))
    {
        return 0;
    }

    if (!(flags & REFERRAL_EVENT_AT_GIVEN) && event->at != event->received) {
        return 0;
    }

    if ((flags & REFERRAL_EVENT_NEW) && !(flags & REFERRAL_EVENT_NEW_SAID)) {
        return 0;
    }

    if ((flags & REFERRAL_EVENT_ORDER_AT)
        && !referral_event_time_valid(event->order_at))
    {
        return 0;
    }

    if ((flags & REFERRAL_EVENT_AMOUNT)
        && (event->amount < 0 || event->amount > REFERRAL_AMOUNT_MAX))
    {
        return 0;
    }

    if ((flags & REFERRAL_EVENT_REFUNDED)
        && (event->refunded < 0 || event->refunded > REFERRAL_AMOUNT_MAX))
    {
        return 0;
    }

    return !(flags & REFERRAL_EVENT_CLICK_ID)
           || referral_event_click_valid(event->click_id);
}


static int
referral_event_texts_valid(const referral_event_t *event)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_EVENT_TEXTS; i++) {

        if (event->text[i].len == 0 && i > REFERRAL_EVENT_TEXT_ID) {
            continue;
        }

        if (!referral_event_text_valid(i, &event->text[i])) {
            return 0;
        }
    }

    return referral_event_touch_valid(&event->first, event,
                                      REFERRAL_EVENT_FIRST,
                                      REFERRAL_EVENT_FIRST_OPEN)
           && referral_event_touch_valid(&event->last, event,
                                         REFERRAL_EVENT_LAST,
                                         REFERRAL_EVENT_LAST_OPEN);
}


static int
referral_event_lists_valid(const referral_event_t *event)
{
    int                    rc;
    size_t                 len;
    unsigned               i;
    const referral_str_t  *key, *last;

    if (event->products > REFERRAL_EVENT_PRODUCTS
        || event->parties > REFERRAL_EVENT_PARTIES
        || event->extras > REFERRAL_EVENT_EXTRAS)
    {
        return 0;
    }

    for (i = 0; i < event->products; i++) {
        if (!referral_word_valid(&event->product[i])) {
            return 0;
        }
    }

    for (i = 0; i < event->parties; i++) {
        if (!referral_event_id_valid(&event->party[i])) {
            return 0;
        }
    }

    for (i = 0; i < event->extras; i++) {
        key = &event->extra[i].key;

        if (!referral_event_key_valid(key)
            || !referral_event_value_valid(&event->extra[i].value))
        {
            return 0;
        }

        if (i == 0) {
            continue;
        }

        /* in order, each once */

        last = &event->extra[i - 1].key;
        len = last->len < key->len ? last->len : key->len;
        rc = memcmp(last->data, key->data, len);

        if (rc > 0 || (rc == 0 && last->len >= key->len)) {
            return 0;
        }
    }

    return 1;
}


/* an amount always has its unit, and no unit stands alone */

static int
referral_event_needs_met(const referral_event_t *event)
{
    unsigned               needs, amount, refunded, customer, order;
    const referral_str_t  *text;

    text = event->text;
    needs = referral_event_needs(
                       referral_event_type(&text[REFERRAL_EVENT_TEXT_TYPE]));

    amount = event->flags & REFERRAL_EVENT_AMOUNT;
    refunded = event->flags & REFERRAL_EVENT_REFUNDED;
    customer = text[REFERRAL_EVENT_TEXT_CUSTOMER].len > 0;
    order = text[REFERRAL_EVENT_TEXT_ORDER].len > 0;

    if ((text[REFERRAL_EVENT_TEXT_UNIT].len > 0) != (amount || refunded)
        || (refunded && !(needs & REFERRAL_EVENT_NEED_REFUND))
        || (event->trust == REFERRAL_TRUST_BROWSER && (amount || refunded)))
    {
        return 0;
    }

    return (customer || !(needs & REFERRAL_EVENT_NEED_CUSTOMER))
           && (order || !(needs & REFERRAL_EVENT_NEED_ORDER))
           && (amount || !(needs & REFERRAL_EVENT_NEED_AMOUNT))
           && (amount || refunded || !(needs & REFERRAL_EVENT_NEED_REFUND))
           && (customer || order || !(needs & REFERRAL_EVENT_NEED_WHOSE));
}


static int
referral_event_click_valid(const u_char *id)
{
    return id[6] >> 4 == 7 && id[8] >> 6 == 2
           && referral_event_time_valid(referral_click_id_time(id));
}


/* a touch that is open is one */

static int
referral_event_touch_valid(const referral_event_touch_t *touch,
    const referral_event_t *event, unsigned flag, unsigned open)
{
    if (!(event->flags & flag)) {
        return !(event->flags & open);
    }

    return referral_code_valid(&touch->code)
           && referral_event_click_valid(touch->click_id);
}


unsigned
referral_event_type(const referral_str_t *type)
{
    unsigned  i;

    static const referral_str_t  names[] = {
        referral_string("lead"),
        referral_string("sale"),
        referral_string("refund"),
        referral_string("update"),
        referral_string("cancel")
    };

    for (i = 0; i < REFERRAL_EVENT_CUSTOM; i++) {
        if (referral_str_eq(type, &names[i])) {
            break;
        }
    }

    return i;
}


/*
 * An event named so would be read as what an operator or the settler has
 * appended, which moves money.  A version that needs more words must read the
 * records of versions that did not know them.
 */

int
referral_event_type_reserved(const referral_str_t *type)
{
    unsigned  i;

    static const referral_str_t  words[] = {
        referral_string("ack"),
        referral_string("adjust"),
        referral_string("approve"),
        referral_string("choose"),
        referral_string("commit"),
        referral_string("failed"),
        referral_string("forget"),
        referral_string("merge"),
        referral_string("paid"),
        referral_string("payout"),
        referral_string("pool"),
        referral_string("quote"),
        referral_string("reject"),
        referral_string("release"),
        referral_string("reserve"),
        referral_string("rules"),
        referral_string("skip"),
        referral_string("tick")
    };

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (referral_str_eq(type, &words[i])) {
            return 1;
        }
    }

    return 0;
}


unsigned
referral_event_needs(unsigned type)
{
    static const u_char  needs[REFERRAL_EVENT_TYPES] = {
        [REFERRAL_EVENT_LEAD] = REFERRAL_EVENT_NEED_CUSTOMER,
        [REFERRAL_EVENT_SALE] = REFERRAL_EVENT_NEED_CUSTOMER
                                |REFERRAL_EVENT_NEED_ORDER
                                |REFERRAL_EVENT_NEED_AMOUNT,
        [REFERRAL_EVENT_REFUND] = REFERRAL_EVENT_NEED_ORDER
                                  |REFERRAL_EVENT_NEED_REFUND,
        [REFERRAL_EVENT_UPDATE] = REFERRAL_EVENT_NEED_ORDER
                                  |REFERRAL_EVENT_NEED_AMOUNT,
        [REFERRAL_EVENT_CANCEL] = REFERRAL_EVENT_NEED_WHOSE,
        [REFERRAL_EVENT_CUSTOM] = REFERRAL_EVENT_NEED_CUSTOMER
    };

    return type < REFERRAL_EVENT_TYPES ? needs[type] : 0;
}


referral_str_t
referral_event_trust(unsigned trust)
{
    static const referral_str_t  none = referral_null_string;

    static const referral_str_t  names[REFERRAL_TRUSTS] = {
        referral_string("signed"),
        referral_string("location"),
        referral_string("upstream"),
        referral_string("browser")
    };

    return trust < REFERRAL_TRUSTS ? names[trust] : none;
}


referral_str_t
referral_event_via(unsigned via)
{
    static const referral_str_t  none = referral_null_string;

    static const referral_str_t  names[REFERRAL_VIAS] = {
        referral_string("none"),
        referral_string("bound"),
        referral_string("click"),
        referral_string("cookie"),
        referral_string("code")
    };

    return via < REFERRAL_VIAS ? names[via] : none;
}


int
referral_event_text_valid(unsigned text, const referral_str_t *s)
{
    switch (text) {

    case REFERRAL_EVENT_TEXT_PROGRAM:
        return referral_program_valid(s);

    case REFERRAL_EVENT_TEXT_TYPE:
        return referral_event_type_valid(s)
               && !referral_event_type_reserved(s);

    case REFERRAL_EVENT_TEXT_ID:
    case REFERRAL_EVENT_TEXT_CUSTOMER:
    case REFERRAL_EVENT_TEXT_ORDER:
        return referral_event_id_valid(s);

    case REFERRAL_EVENT_TEXT_CODE:
        return referral_code_valid(s);

    case REFERRAL_EVENT_TEXT_UNIT:
        return referral_unit_valid(s);

    case REFERRAL_EVENT_TEXT_ROLE:
    case REFERRAL_EVENT_TEXT_SEGMENT:
        return referral_word_valid(s);

    case REFERRAL_EVENT_TEXT_EMAIL_HASH:
    case REFERRAL_EVENT_TEXT_PAYMENT_HASH:
        return referral_event_hash_valid(s);

    case REFERRAL_EVENT_TEXT_EMAIL_DOMAIN:
        return referral_event_domain_valid(s);

    case REFERRAL_EVENT_TEXT_COUNTRY:
        return referral_event_country_valid(s);

    case REFERRAL_EVENT_TEXT_CITY:
        return s->len && referral_event_utf8_valid(s, REFERRAL_EVENT_CITY_MAX);
    }

    return 0;
}


/* [a-z0-9_.]{1,32} */

static int
referral_event_type_valid(const referral_str_t *s)
{
    return s->len <= REFERRAL_EVENT_TYPE_MAX && referral_word_valid(s)
           && memchr(s->data, '-', s->len) == NULL;
}


int
referral_event_id_valid(const referral_str_t *s)
{
    size_t  i;

    if (s->len == 0 || s->len > REFERRAL_EVENT_ID_MAX) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < '!' || s->data[i] > '~') {
            return 0;
        }
    }

    return 1;
}


int
referral_event_key_valid(const referral_str_t *s)
{
    u_char  c;
    size_t  i;

    if (s->len == 0 || s->len > REFERRAL_EVENT_KEY_MAX) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_') {
            return 0;
        }
    }

    return 1;
}


int
referral_event_value_valid(const referral_str_t *s)
{
    return referral_event_utf8_valid(s, REFERRAL_EVENT_VALUE_MAX);
}


int
referral_event_time_valid(int64_t ms)
{
    return ms >= REFERRAL_EVENT_AT_MIN && ms <= REFERRAL_EVENT_AT_MAX;
}


static int
referral_event_hash_valid(const referral_str_t *s)
{
    u_char  c;
    size_t  i;

    if (s->len != REFERRAL_EVENT_HASH_LEN) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
            return 0;
        }
    }

    return 1;
}


/* labels of lower case letters, digits and dashes, with a point between */

static int
referral_event_domain_valid(const referral_str_t *s)
{
    u_char  c, last;
    size_t  i;

    if (s->len == 0 || s->len > REFERRAL_EVENT_DOMAIN_MAX) {
        return 0;
    }

    last = '.';

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (c == '.' || c == '-') {

            if (last == '.' || (c == '.' && last == '-')) {
                return 0;
            }

        } else if ((c < 'a' || c > 'z') && (c < '0' || c > '9')) {
            return 0;
        }

        last = c;
    }

    return last != '.' && last != '-';
}


static int
referral_event_country_valid(const referral_str_t *s)
{
    return s->len == 2 && s->data[0] >= 'A' && s->data[0] <= 'Z'
           && s->data[1] >= 'A' && s->data[1] <= 'Z';
}


/* without control characters, those of 0x80 to 0x9f included */

static int
referral_event_utf8_valid(const referral_str_t *s, size_t max)
{
    int32_t         c;
    referral_str_t  left;

    if (s->len > max) {
        return 0;
    }

    left = *s;

    while (left.len) {
        c = referral_utf8_next(&left);

        if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            return 0;
        }
    }

    return 1;
}


/*
 * Each field that is set: its tag, its length, its bytes.  A field that a
 * later version adds has a new tag, so that events without it keep their
 * fingerprint.
 */

int
referral_event_fingerprint(referral_event_t *event)
{
    u_char          hash[REFERRAL_SHA256_SIZE], bytes[REFERRAL_EVENT_MAX];
    unsigned        i, flags;
    referral_buf_t  b;
    referral_str_t  click;

    flags = event->flags;

    referral_buf_init(&b, bytes, sizeof(bytes));

    for (i = REFERRAL_EVENT_TEXT_TYPE; i < REFERRAL_EVENT_TEXTS; i++) {
        referral_event_mean(&b, (u_char) ('A' + i), &event->text[i]);
    }

    if (flags & REFERRAL_EVENT_CLICK_ID) {
        click.data = event->click_id;
        click.len = REFERRAL_CLICK_ID_SIZE;
        referral_event_mean(&b, 'a', &click);
    }

    if (flags & REFERRAL_EVENT_AMOUNT) {
        referral_event_mean_number(&b, 'b', event->amount);
    }

    if (flags & REFERRAL_EVENT_REFUNDED) {
        referral_event_mean_number(&b, 'c', event->refunded);
    }

    if (event->quantity) {
        referral_event_mean_number(&b, 'd', event->quantity);
    }

    if (flags & REFERRAL_EVENT_AT_GIVEN) {
        referral_event_mean_number(&b, 'e', event->at);
    }

    if (flags & REFERRAL_EVENT_ORDER_AT) {
        referral_event_mean_number(&b, 'f', event->order_at);
    }

    if (flags & REFERRAL_EVENT_NEW_SAID) {
        referral_event_mean_number(&b, 'g', (flags & REFERRAL_EVENT_NEW) != 0);
    }

    for (i = 0; i < event->products; i++) {
        referral_event_mean(&b, 'h', &event->product[i]);
    }

    for (i = 0; i < event->parties; i++) {
        referral_event_mean(&b, 'i', &event->party[i]);
    }

    for (i = 0; i < event->extras; i++) {
        referral_event_mean(&b, 'j', &event->extra[i].key);
        referral_event_mean(&b, 'k', &event->extra[i].value);
    }

    if (b.overflow
        || referral_digest(hash, b.start, b.pos - b.start) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    memcpy(event->fingerprint, hash, REFERRAL_FINGERPRINT_SIZE);

    return REFERRAL_OK;
}


static void
referral_event_mean(referral_buf_t *b, u_char tag, const referral_str_t *s)
{
    if (s->len == 0 && tag != 'k') {
        return;
    }

    referral_buf_putc(b, tag);
    referral_event_put_text(b, s, 2);
}


static void
referral_event_mean_number(referral_buf_t *b, u_char tag, int64_t n)
{
    referral_buf_putc(b, tag);
    referral_event_put(b, (uint64_t) n, 8);
}
