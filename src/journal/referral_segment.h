
/*
 * A segment: one file of a journal, a header and then records.
 *
 * Every checksum is seeded with the journal's id, so that bytes which look
 * like a record, in a payload or from another journal, are none.  A reader
 * that meets damage looks for the next valid record at every byte: a flipped
 * bit costs one record, wherever it is.  Numbers are in the byte order of the
 * machine: a segment never leaves it.
 */


#ifndef _REFERRAL_SEGMENT_H_INCLUDED_
#define _REFERRAL_SEGMENT_H_INCLUDED_


#include "referral_id.h"
#include "referral_str.h"


#define REFERRAL_SEGMENT_VERSION   1       /* of clicks */
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
    int64_t        at;           /* ms, as told when it was appended */
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
 * REFERRAL_DECLINED: a segment of another version than "version", not to be
 * touched, with its own in header->version and nothing else.  REFERRAL_ERROR:
 * no header, or a damaged one; the records may be good all the same.
 */
int referral_segment_header_read(referral_segment_header_t *header,
    const u_char *data, size_t len, uint32_t version);

/* writes referral_frame_size(len) bytes; len <= REFERRAL_FRAME_PAYLOAD_MAX */
void referral_frame_write(u_char *out, uint32_t seed, uint64_t seq,
    int64_t at, const void *data, size_t len);

/*
 * The record that begins at "data".  REFERRAL_AGAIN: it may be one, but "len"
 * ends too early to say; REFERRAL_ERROR: there is none; REFERRAL_DECLINED:
 * its payload is damaged, but its header is not, so frame->seq was written
 * here.  frame->data points into "data".
 */
int referral_frame_read(referral_frame_t *frame, uint32_t seed,
    const u_char *data, size_t len);

/*
 * The same without the payload: is there a valid header?  REFERRAL_OK,
 * REFERRAL_AGAIN or REFERRAL_ERROR.
 */
int referral_frame_peek(referral_frame_t *frame, uint32_t seed,
    const u_char *data, size_t len);

/*
 * Where the next record may begin: the first place in "data" from which the
 * bytes look like a record's magic; "len" if there is none.
 */
size_t referral_frame_scan(const u_char *data, size_t len);


/*
 * Names: a journal's directory is its id in hexadecimal; a segment's file is
 * its first sequence number and the number of the segment, so that names sort
 * as they were written.
 */

void referral_journal_id_text(char *out, const u_char *id);   /* LEN + 1 */
int referral_journal_id_parse(u_char *id, const char *name);

/* NAME_LEN + 1 bytes; n from 1 to N_MAX */
void referral_segment_name(char *out, uint64_t first, unsigned n);
int referral_segment_name_parse(uint64_t *first, unsigned *n,
    const char *name);


#endif /* _REFERRAL_SEGMENT_H_INCLUDED_ */
