
#include <stdio.h>

#include "referral_hash.h"
#include "referral_segment.h"


/*
 * header:  0 magic, 8 version, 12 checksum of these 12 bytes (the same in
 *          every version), 16 id, 32 first, 40 acked, 48 created, 56 zero,
 *          60 checksum of the 60 bytes
 * frame:   0 magic, 4 length, 8 number, 16 time, 24 checksum of the payload,
 *          28 checksum of these 28 bytes, 32 payload
 */

#define REFERRAL_MAGIC_LEN  4


static const u_char  referral_segment_magic[8] = "\x89REFJ\r\n\x1a";
static const u_char  referral_frame_magic[REFERRAL_MAGIC_LEN] =
    { 0xc1, 'R', 'j', 0x9e };


static uint32_t
referral_segment_get32(const u_char *p)
{
    uint32_t  n;

    memcpy(&n, p, sizeof(n));

    return n;
}


static uint64_t
referral_segment_get64(const u_char *p)
{
    uint64_t  n;

    memcpy(&n, p, sizeof(n));

    return n;
}


static void
referral_segment_set32(u_char *p, uint32_t n)
{
    memcpy(p, &n, sizeof(n));
}


static void
referral_segment_set64(u_char *p, uint64_t n)
{
    memcpy(p, &n, sizeof(n));
}


uint32_t
referral_segment_seed(const u_char *id)
{
    return referral_crc32c(0, id, REFERRAL_JOURNAL_ID_SIZE);
}


void
referral_segment_header_write(u_char *out,
    const referral_segment_header_t *header)
{
    uint32_t  seed;

    seed = referral_segment_seed(header->id);

    memset(out, 0, REFERRAL_SEGMENT_HEADER);

    memcpy(out, referral_segment_magic, 8);
    referral_segment_set32(out + 8, header->version);
    referral_segment_set32(out + 12, referral_crc32c(0, out, 12));
    memcpy(out + 16, header->id, REFERRAL_JOURNAL_ID_SIZE);
    referral_segment_set64(out + 32, header->first);
    referral_segment_set64(out + 40, header->acked);
    referral_segment_set64(out + 48, (uint64_t) header->created);
    referral_segment_set32(out + 60, referral_crc32c(seed, out, 60));
}


int
referral_segment_header_read(referral_segment_header_t *header,
    const u_char *data, size_t len, uint32_t version)
{
    uint32_t  seed;

    if (len < 16
        || memcmp(data, referral_segment_magic, 8) != 0
        || referral_segment_get32(data + 12) != referral_crc32c(0, data, 12))
    {
        return REFERRAL_ERROR;
    }

    header->version = referral_segment_get32(data + 8);

    if (header->version != version) {
        return REFERRAL_DECLINED;
    }

    if (len < REFERRAL_SEGMENT_HEADER) {
        return REFERRAL_ERROR;
    }

    seed = referral_segment_seed(data + 16);

    if (referral_segment_get32(data + 60) != referral_crc32c(seed, data, 60)) {
        return REFERRAL_ERROR;
    }

    memcpy(header->id, data + 16, REFERRAL_JOURNAL_ID_SIZE);
    header->first = referral_segment_get64(data + 32);
    header->acked = referral_segment_get64(data + 40);
    header->created = (int64_t) referral_segment_get64(data + 48);

    return REFERRAL_OK;
}


void
referral_frame_write(u_char *out, uint32_t seed, uint64_t seq, int64_t at,
    const void *data, size_t len)
{
    size_t  size;

    size = referral_frame_size(len);

    memset(out + size - 8, 0, 8);

    if (len) {
        memcpy(out + REFERRAL_FRAME_HEADER, data, len);
    }

    memcpy(out, referral_frame_magic, REFERRAL_MAGIC_LEN);
    referral_segment_set32(out + 4, (uint32_t) len);
    referral_segment_set64(out + 8, seq);
    referral_segment_set64(out + 16, (uint64_t) at);
    referral_segment_set32(out + 24,
                   referral_crc32c(seed, out + REFERRAL_FRAME_HEADER, len));
    referral_segment_set32(out + 28, referral_crc32c(seed, out, 28));
}


int
referral_frame_peek(referral_frame_t *frame, uint32_t seed,
    const u_char *data, size_t len)
{
    if (memcmp(data, referral_frame_magic,
               len < REFERRAL_MAGIC_LEN ? len : REFERRAL_MAGIC_LEN)
        != 0)
    {
        return REFERRAL_ERROR;
    }

    if (len < REFERRAL_FRAME_HEADER) {
        return REFERRAL_AGAIN;
    }

    if (referral_segment_get32(data + 28)
        != referral_crc32c(seed, data, 28))
    {
        return REFERRAL_ERROR;
    }

    frame->len = referral_segment_get32(data + 4);
    frame->seq = referral_segment_get64(data + 8);
    frame->at = (int64_t) referral_segment_get64(data + 16);
    frame->data = data + REFERRAL_FRAME_HEADER;

    if (frame->len > REFERRAL_FRAME_PAYLOAD_MAX
        || frame->seq == 0 || frame->seq == UINT64_MAX)
    {
        return REFERRAL_ERROR;
    }

    frame->size = referral_frame_size(frame->len);

    return REFERRAL_OK;
}


int
referral_frame_read(referral_frame_t *frame, uint32_t seed,
    const u_char *data, size_t len)
{
    int  rc;

    rc = referral_frame_peek(frame, seed, data, len);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    if (len - REFERRAL_FRAME_HEADER < frame->len) {
        return REFERRAL_AGAIN;
    }

    /* the padding at the end of a file may be missing, it has no data */

    if (frame->size > len) {
        frame->size = len;
    }

    if (referral_segment_get32(data + 24)
        != referral_crc32c(seed, frame->data, frame->len))
    {
        return REFERRAL_DECLINED;
    }

    return REFERRAL_OK;
}


size_t
referral_frame_scan(const u_char *data, size_t len)
{
    size_t         n;
    const u_char  *p, *last;

    p = data;
    last = data + len;

    while (p < last) {

        p = memchr(p, referral_frame_magic[0], last - p);

        if (p == NULL) {
            return len;
        }

        n = last - p;

        if (n > REFERRAL_MAGIC_LEN) {
            n = REFERRAL_MAGIC_LEN;
        }

        if (memcmp(p, referral_frame_magic, n) == 0) {
            return p - data;
        }

        p++;
    }

    return len;
}


void
referral_journal_id_text(char *out, const u_char *id)
{
    referral_buf_t  b;

    referral_buf_init(&b, out, REFERRAL_JOURNAL_ID_LEN);
    referral_buf_hex(&b, id, REFERRAL_JOURNAL_ID_SIZE);

    out[REFERRAL_JOURNAL_ID_LEN] = '\0';
}


int
referral_journal_id_parse(u_char *id, const char *name)
{
    char            text[REFERRAL_JOURNAL_ID_LEN + 1];
    referral_str_t  s;

    s.len = strlen(name);
    s.data = (u_char *) name;

    if (s.len != REFERRAL_JOURNAL_ID_LEN
        || referral_hex_decode(id, REFERRAL_JOURNAL_ID_SIZE, &s)
           != REFERRAL_JOURNAL_ID_SIZE)
    {
        return REFERRAL_ERROR;
    }

    referral_journal_id_text(text, id);

    return strcmp(text, name) == 0 ? REFERRAL_OK : REFERRAL_ERROR;
}


void
referral_segment_name(char *out, uint64_t first, unsigned n)
{
    (void) snprintf(out, REFERRAL_SEGMENT_NAME_LEN + 1, "%020llu-%06u.seg",
                    (unsigned long long) first,
                    n % (REFERRAL_SEGMENT_N_MAX + 1));
}


int
referral_segment_name_parse(uint64_t *first, unsigned *n, const char *name)
{
    int64_t         value;
    char            text[REFERRAL_SEGMENT_NAME_LEN + 1];
    referral_str_t  s;

    if (strlen(name) != REFERRAL_SEGMENT_NAME_LEN) {
        return REFERRAL_ERROR;
    }

    s.len = 20;
    s.data = (u_char *) name;

    value = referral_str_uint(&s, INT64_MAX - 1);
    if (value <= 0) {
        return REFERRAL_ERROR;
    }

    *first = (uint64_t) value;

    s.len = 6;
    s.data = (u_char *) name + 21;

    value = referral_str_uint(&s, REFERRAL_SEGMENT_N_MAX);
    if (value <= 0) {
        return REFERRAL_ERROR;
    }

    *n = (unsigned) value;

    referral_segment_name(text, *first, *n);

    return strcmp(text, name) == 0 ? REFERRAL_OK : REFERRAL_ERROR;
}
