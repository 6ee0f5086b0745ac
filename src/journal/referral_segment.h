
/*
 * A segment: one file of a journal, a header and then records.
 *
 * Checksums are seeded with the journal's id, so that bytes in a payload, or
 * of another journal, are not taken for a record.  A reader that finds damage
 * searches for the next valid record at every byte: a flipped bit costs one
 * record.  Numbers are in the machine's byte order, because a segment stays on
 * its machine.
 */


#ifndef _REFERRAL_SEGMENT_H_INCLUDED_
#define _REFERRAL_SEGMENT_H_INCLUDED_


#include "referral_id.h"
#include "referral_str.h"


#define REFERRAL_SEGMENT_VERSION   1       /* of segments with clicks */
#define REFERRAL_SEGMENT_EVENTS    2       /* of segments with events */
#define REFERRAL_SEGMENT_HEADER    64      /* bytes in the file */
#define REFERRAL_SEGMENT_N_MAX     999999
#define REFERRAL_SEGMENT_NAME_LEN  (20 + 1 + 6 + sizeof(".seg") - 1)

#define REFERRAL_FRAME_HEADER      32      /* bytes before a payload */
#define REFERRAL_FRAME_PAYLOAD_MAX 16384
#define REFERRAL_FRAME_MAX         (REFERRAL_FRAME_HEADER                     \
                                    + REFERRAL_FRAME_PAYLOAD_MAX)

/* bytes that a record of "len" bytes takes: with its header, aligned to 8 */
#define referral_frame_size(len)                                              \
    (((size_t) (len) + REFERRAL_FRAME_HEADER + 7) & ~(size_t) 7)


typedef struct {
    uint32_t       version;      /* of the records in it */
    u_char         id[REFERRAL_JOURNAL_ID_SIZE];
    uint64_t       first;        /* sequence number of its first record */
    uint64_t       acked;        /* applied in Redis when it was created */
    int64_t        created;      /* wall clock, ms */
} referral_segment_header_t;


typedef struct {
    uint64_t       seq;
    int64_t        at;           /* ms, as given to append */
    const u_char  *data;
    size_t         len;
    size_t         size;         /* of the whole frame */
} referral_frame_t;


/* the seed of all checksums of a journal */
uint32_t referral_segment_seed(const u_char *id);

/* writes REFERRAL_SEGMENT_HEADER bytes */
void referral_segment_header_write(u_char *out,
    const referral_segment_header_t *header);

/*
 * REFERRAL_DECLINED: a segment of another version than "version", which is not
 * to be touched; header->version is set, and nothing else.  REFERRAL_ERROR: no
 * header, or a damaged one; the records may still be valid.
 */
int referral_segment_header_read(referral_segment_header_t *header,
    const u_char *data, size_t len, uint32_t version);

/* writes referral_frame_size(len) bytes; len <= REFERRAL_FRAME_PAYLOAD_MAX */
void referral_frame_write(u_char *out, uint32_t seed, uint64_t seq,
    int64_t at, const void *data, size_t len);

/*
 * Reads the record at the begin of "data".  REFERRAL_AGAIN: there may be one,
 * but "len" is too short; REFERRAL_ERROR: there is none; REFERRAL_DECLINED:
 * the payload is damaged but the header is not, so frame->seq was written
 * here.  frame->data points into "data".
 */
int referral_frame_read(referral_frame_t *frame, uint32_t seed,
    const u_char *data, size_t len);

/*
 * The same for the header alone: REFERRAL_OK, REFERRAL_AGAIN or
 * REFERRAL_ERROR.
 */
int referral_frame_peek(referral_frame_t *frame, uint32_t seed,
    const u_char *data, size_t len);

/*
 * The offset of the next record, if there is one: the first place in "data"
 * from which the bytes look like a record's magic; "len": there is none.
 */
size_t referral_frame_scan(const u_char *data, size_t len);


/*
 * Names: a journal's directory is its id in hexadecimal; a segment's file is
 * its first sequence number and the segment's number, so that names sort in
 * the order of writing.
 */

void referral_journal_id_text(char *out, const u_char *id);   /* LEN + 1 */
int referral_journal_id_parse(u_char *id, const char *name);

/* NAME_LEN + 1 bytes; n from 1 to N_MAX */
void referral_segment_name(char *out, uint64_t first, unsigned n);
int referral_segment_name_parse(uint64_t *first, unsigned *n,
    const char *name);


#endif /* _REFERRAL_SEGMENT_H_INCLUDED_ */
