
#include "referral_record.h"


/*
 * Version 1, integers little-endian:
 *
 *   version 1, class 1, result 1, parts 1, flags 2, offset 2, life 4, at 8,
 *   click_id 16, first_click_id 16, visitor 12, address 8,
 *   REFERRAL_TEXTS times: length 1, bytes
 *
 * The last four of the fixed members are there only where "parts" has their
 * bit.
 */

#define REFERRAL_RECORD_VERSION      1

#define REFERRAL_RECORD_FIXED        20

#define REFERRAL_RECORD_PART_CLICK   0x01
#define REFERRAL_RECORD_PART_FIRST   0x02
#define REFERRAL_RECORD_PART_VISITOR 0x04
#define REFERRAL_RECORD_PART_ADDRESS 0x08
#define REFERRAL_RECORD_PARTS        0x0f

#define REFERRAL_RECORD_FLAGS        0x1ff

/* a day from both ends of the calendar, so that no offset leads out of it */

#define REFERRAL_AT_MIN              REFERRAL_DAY_MS
#define REFERRAL_AT_MAX              (REFERRAL_TIME_MAX + 1 - REFERRAL_DAY_MS)


static int referral_record_valid(const referral_record_t *record,
    unsigned parts);
static int referral_record_texts_valid(const referral_record_t *record);
static unsigned referral_record_controls(const u_char *p, const u_char *end);
static unsigned referral_record_parts(const referral_record_t *record);
static const u_char *referral_record_get_parts(referral_record_t *record,
    const u_char *p, const u_char *end, unsigned parts);
static const u_char *referral_record_copy(u_char *out, size_t len,
    const u_char *p, const u_char *end, unsigned there);
static u_char *referral_record_put(u_char *p, uint64_t n, unsigned size);
static uint64_t referral_record_get(const u_char *p, unsigned size);


ssize_t
referral_record_encode(u_char *out, size_t size,
    const referral_record_t *record)
{
    size_t      len, need;
    u_char     *p;
    unsigned    i, parts;

    parts = referral_record_parts(record);

    if (!referral_record_valid(record, parts)) {
        return REFERRAL_ERROR;
    }

    need = REFERRAL_RECORD_FIXED + REFERRAL_TEXTS;

    need += (parts & REFERRAL_RECORD_PART_CLICK) ? REFERRAL_CLICK_ID_SIZE : 0;
    need += (parts & REFERRAL_RECORD_PART_FIRST) ? REFERRAL_CLICK_ID_SIZE : 0;
    need += (parts & REFERRAL_RECORD_PART_VISITOR) ? REFERRAL_VISITOR_SIZE : 0;
    need += (parts & REFERRAL_RECORD_PART_ADDRESS) ? sizeof(uint64_t) : 0;

    for (i = 0; i < REFERRAL_TEXTS; i++) {
        len = record->text[i].len;
        need += len < 255 ? len : 255;
    }

    if (need > size) {
        return REFERRAL_ERROR;
    }

    p = out;

    *p++ = REFERRAL_RECORD_VERSION;
    *p++ = record->class;
    *p++ = record->result;
    *p++ = (u_char) parts;

    p = referral_record_put(p, record->flags, 2);
    p = referral_record_put(p, (uint16_t) record->offset, 2);
    p = referral_record_put(p, record->life, 4);
    p = referral_record_put(p, (uint64_t) record->at, 8);

    if (parts & REFERRAL_RECORD_PART_CLICK) {
        memcpy(p, record->click_id, REFERRAL_CLICK_ID_SIZE);
        p += REFERRAL_CLICK_ID_SIZE;
    }

    if (parts & REFERRAL_RECORD_PART_FIRST) {
        memcpy(p, record->first_click_id, REFERRAL_CLICK_ID_SIZE);
        p += REFERRAL_CLICK_ID_SIZE;
    }

    if (parts & REFERRAL_RECORD_PART_VISITOR) {
        memcpy(p, record->visitor, REFERRAL_VISITOR_SIZE);
        p += REFERRAL_VISITOR_SIZE;
    }

    if (parts & REFERRAL_RECORD_PART_ADDRESS) {
        p = referral_record_put(p, record->address, 8);
    }

    for (i = 0; i < REFERRAL_TEXTS; i++) {
        len = record->text[i].len < 255 ? record->text[i].len : 255;

        *p++ = (u_char) len;

        if (len) {
            memcpy(p, record->text[i].data, len);
            p += len;
        }
    }

    return p - out;
}


int
referral_record_decode(referral_record_t *record, const u_char *data,
    size_t size)
{
    size_t         len;
    unsigned       i, n, parts;
    const u_char  *p, *end, *texts;

    if (size && data[0] > REFERRAL_RECORD_VERSION) {
        return REFERRAL_DECLINED;
    }

    if (size < REFERRAL_RECORD_FIXED || data[0] != REFERRAL_RECORD_VERSION) {
        return REFERRAL_ERROR;
    }

    p = data;
    end = data + size;

    record->class = p[1];
    record->result = p[2];
    parts = p[3];

    record->flags = (uint16_t) referral_record_get(p + 4, 2);
    record->offset = (int16_t) referral_record_get(p + 6, 2);
    record->life = (uint32_t) referral_record_get(p + 8, 4);
    record->at = (int64_t) referral_record_get(p + 12, 8);

    p += REFERRAL_RECORD_FIXED;

    if (parts & ~REFERRAL_RECORD_PARTS) {
        return REFERRAL_ERROR;
    }

    p = referral_record_get_parts(record, p, end, parts);
    if (p == NULL) {
        return REFERRAL_ERROR;
    }

    /* each record has one encoding only */

    if (parts != referral_record_parts(record)
        || !referral_record_valid(record, parts))
    {
        return REFERRAL_ERROR;
    }

    texts = p;
    n = 0;

    for (i = 0; i < REFERRAL_TEXTS; i++) {

        if (p == end) {
            return REFERRAL_ERROR;
        }

        n += (*p < 0x20 || *p == 0x7f);
        len = *p++;

        if ((size_t) (end - p) < len) {
            return REFERRAL_ERROR;
        }

        record->text[i].len = len;
        record->text[i].data = (u_char *) p;

        p += len;
    }

    /*
     * The only bytes that look like control characters are the counted
     * lengths.
     */

    if (p != end || referral_record_controls(texts, end) != n) {
        return REFERRAL_ERROR;
    }

    return referral_record_texts_valid(record) ? REFERRAL_OK : REFERRAL_ERROR;
}


/*
 * Reads the members of "parts" and zeroes the others.  NULL: the record is too
 * short.
 */

static const u_char *
referral_record_get_parts(referral_record_t *record, const u_char *p,
    const u_char *end, unsigned parts)
{
    u_char  address[sizeof(uint64_t)];

    p = referral_record_copy(record->click_id, REFERRAL_CLICK_ID_SIZE, p, end,
                             parts & REFERRAL_RECORD_PART_CLICK);

    p = referral_record_copy(record->first_click_id, REFERRAL_CLICK_ID_SIZE, p,
                             end, parts & REFERRAL_RECORD_PART_FIRST);

    p = referral_record_copy(record->visitor, REFERRAL_VISITOR_SIZE, p, end,
                             parts & REFERRAL_RECORD_PART_VISITOR);

    p = referral_record_copy(address, sizeof(address), p, end,
                             parts & REFERRAL_RECORD_PART_ADDRESS);

    record->address = referral_record_get(address, sizeof(address));

    return p;
}


/* with "p" NULL, after an earlier member was cut off, it returns NULL */

static const u_char *
referral_record_copy(u_char *out, size_t len, const u_char *p,
    const u_char *end, unsigned there)
{
    if (p == NULL || !there) {
        memset(out, 0, len);
        return p;
    }

    if ((size_t) (end - p) < len) {
        memset(out, 0, len);
        return NULL;
    }

    memcpy(out, p, len);

    return p + len;
}


static int
referral_record_valid(const referral_record_t *record, unsigned parts)
{
    int64_t  ms;

    if (record->class >= REFERRAL_CLASSES
        || record->result >= REFERRAL_RESULTS
        || (record->flags & ~REFERRAL_RECORD_FLAGS)
        || record->offset < -REFERRAL_OFFSET_MAX
        || record->offset > REFERRAL_OFFSET_MAX
        || record->life > REFERRAL_WINDOW_MAX + REFERRAL_LATE_MAX
        || record->at < REFERRAL_AT_MIN
        || record->at > REFERRAL_AT_MAX)
    {
        return 0;
    }

    if (parts & REFERRAL_RECORD_PART_CLICK) {
        ms = referral_click_id_time(record->click_id);

        if (ms < REFERRAL_AT_MIN || ms > REFERRAL_AT_MAX) {
            return 0;
        }
    }

    if (parts & REFERRAL_RECORD_PART_FIRST) {
        ms = referral_click_id_time(record->first_click_id);

        if (ms < REFERRAL_AT_MIN || ms > REFERRAL_AT_MAX) {
            return 0;
        }
    }

    return 1;
}


static int
referral_record_texts_valid(const referral_record_t *record)
{
    const referral_str_t  *text, *code, *first;

    text = record->text;
    code = &text[REFERRAL_TEXT_CODE];
    first = &text[REFERRAL_TEXT_FIRST_CODE];

    return referral_program_valid(&text[REFERRAL_TEXT_PROGRAM])
           && referral_code_valid(code)
           && referral_referrer_valid(&text[REFERRAL_TEXT_REFERRER])
           && (first->len == 0 || referral_str_eq(first, code)
               || referral_code_valid(first));
}


/* counts control characters, eight bytes a step */

static unsigned
referral_record_controls(const u_char *p, const u_char *end)
{
    uint64_t  w, low, high;
    unsigned  n;

    n = 0;

    for ( /* void */ ; end - p >= 8; p += 8) {
        memcpy(&w, p, 8);

        /*
         * In "low" the upper bit of a byte is set if it is not below 0x20, in
         * "high" if it is 0x7f.
         */

        low = w & 0x7f7f7f7f7f7f7f7fULL;
        high = low + 0x0101010101010101ULL;
        low += 0x6060606060606060ULL;

        w = ~w & (~low | high) & 0x8080808080808080ULL;
        n += (w >> 7) * 0x0101010101010101ULL >> 56;
    }

    for ( /* void */ ; p < end; p++) {
        n += (*p < 0x20 || *p == 0x7f);
    }

    return n;
}


static unsigned
referral_record_parts(const referral_record_t *record)
{
    unsigned  parts;
    uint64_t  first[2];

    parts = 0;

    if (record->flags & REFERRAL_RECORD_CLICK_ID) {
        parts |= REFERRAL_RECORD_PART_CLICK;
    }

    memcpy(first, record->first_click_id, REFERRAL_CLICK_ID_SIZE);

    if (first[0] || first[1]) {
        parts |= REFERRAL_RECORD_PART_FIRST;
    }

    if (record->flags & REFERRAL_RECORD_VISITOR) {
        parts |= REFERRAL_RECORD_PART_VISITOR;
    }

    if (record->flags & REFERRAL_RECORD_ADDRESS) {
        parts |= REFERRAL_RECORD_PART_ADDRESS;
    }

    return parts;
}


static inline u_char *
referral_record_put(u_char *p, uint64_t n, unsigned size)
{
#if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
    n = __builtin_bswap64(n);
#endif

    memcpy(p, &n, size);

    return p + size;
}


static inline uint64_t
referral_record_get(const u_char *p, unsigned size)
{
    uint64_t  n;

    n = 0;
    memcpy(&n, p, size);

#if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
    n = __builtin_bswap64(n);
#endif

    return n;
}
