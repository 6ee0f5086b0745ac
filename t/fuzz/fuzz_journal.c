/* link: referral_journal.c referral_journal_adopt.c referral_journal_expire.c referral_journal_list.c referral_journal_memory.c referral_journal_write.c referral_slot.c referral_journal_alias.c referral_journal_move.c referral_journal_reader.c referral_journal_sync.c referral_quota.c referral_segment.c referral_hash.c referral_str.c */

/*
 * The directory of a journal after a crash, a disk error or a foreign write:
 * it is adopted, read to its end, acknowledged and removed.
 *
 * The input is steps of one byte and its arguments.  Bits 0 to 2 of the byte:
 *
 *     0, 1  a record with correct checksums, of as many bytes as follow
 *     2     one with a wrong number
 *     3     one that is cut off
 *     4     bytes as they are
 *     5     the next segment
 *     6     changes a byte of what was written so far
 *     7     zeros
 */

#define _GNU_SOURCE

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "referral_journal.h"
#include "../lib/rm_tree.h"


#define NOW       1795000000000LL
#define SEGMENTS  4
#define SIZE      65536


static char             root[64];
static volatile u_char  read_sum;
static const u_char     id[REFERRAL_JOURNAL_ID_SIZE] = "0123456789abcde";


static void
cleanup(void)
{
    rm_tree(root);
}


static void
fuzz_seeds(void)
{
    /* three records; one that is cut off; a torn one and a good one */

    fuzz_seed_text("\x00\x05hello\x08\x03" "abc\x00\x00");
    fuzz_seed_text("\x00\x05hello\x05\x00\x05hello\x03\x05hello");
    fuzz_seed_text("\x00\x05hello\x00\x05world\x06\x50\x10\x00\x05" "after");
    fuzz_seed_text("\x02\x05hello\x00\x05world\x04\x08\xc1Rj\x9e\0\0\0\0"
                   "\x07\x20\x00\x05" "after\x05\x04\x03xyz");
    fuzz_seed_text("\x05\x05\x05\x00\x01x");
}


/* frame by frame, in memory that ends where the bytes end */

static void
frames(const u_char *data, size_t size)
{
    size_t                      n;
    uint32_t                    seed;
    referral_str_t              s;
    referral_frame_t            frame;
    referral_segment_header_t   header;

    s = fuzz_copy(data, size);
    seed = referral_segment_seed(id);

    (void) referral_segment_header_read(&header, s.data, s.len,
                                        REFERRAL_SEGMENT_VERSION);

    while (s.len) {

        switch (referral_frame_read(&frame, seed, s.data, s.len)) {

        case REFERRAL_OK:
            n = frame.size < s.len ? frame.size : s.len;
            break;

        case REFERRAL_DECLINED:
            fuzz_check(frame.seq > 0);

            /* fall through */

        default:
            n = 1;
        }

        s.data += n;
        s.len -= n;

        n = referral_frame_scan(s.data, s.len);
        fuzz_check(n <= s.len);

        s.data += n;
        s.len -= n;
    }

    fuzz_done();
}


static void
segment(const char *dir, unsigned n, uint64_t first, const u_char *data,
    size_t size)
{
    int   fd;
    char  path[256], name[REFERRAL_SEGMENT_NAME_LEN + 1];

    frames(data, size);

    referral_segment_name(name, first, n);
    snprintf(path, sizeof(path), "%s/%s", dir, name);

    fd = open(path, O_WRONLY|O_CREAT|O_TRUNC, 0600);

    if (fd == -1 || write(fd, data, size) != (ssize_t) size || close(fd)) {
        perror(path);
        abort();
    }
}


static void
make(const uint8_t *p, const uint8_t *end)
{
    char                       dir[128], text[REFERRAL_JOURNAL_ID_LEN + 1];
    size_t                     len, at, cut;
    uint8_t                    step;
    uint32_t                   seed;
    uint64_t                   seq, first;
    unsigned                   n;
    referral_segment_header_t  header;

    static u_char  data[SIZE + 1024];

    (void) mkdir(root, 0700);
    snprintf(dir, sizeof(dir), "%s/slot-000", root);
    (void) mkdir(dir, 0700);
    referral_journal_id_text(text, id);
    snprintf(dir, sizeof(dir), "%s/slot-000/%s", root, text);
    (void) mkdir(dir, 0700);

    seed = referral_segment_seed(id);
    seq = 1;
    n = 1;
    at = 0;

    for ( ;; ) {

        if (at == 0) {
            memset(&header, 0, sizeof(header));
            memcpy(header.id, id, sizeof(id));
            header.version = REFERRAL_SEGMENT_VERSION;
            header.first = first = seq;
            header.created = NOW;

            referral_segment_header_write(data, &header);
            at = REFERRAL_SEGMENT_HEADER;
        }

        if (p == end) {
            segment(dir, n, first, data, at);
            return;
        }

        step = fuzz_byte(&p, end);
        len = fuzz_byte(&p, end);

        if (at + len + 512 > SIZE) {
            step = 5;
        }

        switch (step & 7) {

        case 0:
        case 1:
        case 2:
        case 3:
            if (len > (size_t) (end - p)) {
                len = end - p;
            }

            referral_frame_write(data + at, seed,
                                 (step & 7) == 2 ? seq + (step >> 3) - 8
                                                 : seq,
                                 NOW + seq, p, len);

            cut = (step & 7) == 3 ? (size_t) step >> 3 : 0;

            at += referral_frame_size(len) - cut;
            p += len;
            seq++;
            break;

        case 4:
            if (len > (size_t) (end - p)) {
                len = end - p;
            }

            memcpy(data + at, p, len);
            at += len;
            p += len;
            break;

        case 5:
            segment(dir, n, first, data, at);
            n++;

            if (n > SEGMENTS) {
                return;
            }

            seq += step >> 6;
            at = 0;
            break;

        case 6:
            len = (len << 3 | step >> 5) % at;
            data[len] ^= 1 << (step >> 3 & 7);
            break;

        default:
            memset(data + at, 0, len);
            at += len;
        }
    }
}


static void
read_all(referral_journals_t *js, referral_journal_t *j)
{
    int                 rc;
    unsigned            calls;
    uint64_t            last;
    u_char              sum;
    size_t              i;
    referral_frame_t    frame;
    referral_reader_t  *r;

    r = referral_reader_open(js, j, 1, 0);
    if (r == NULL) {
        abort();
    }

    last = 0;
    sum = 0;

    for (calls = 0; calls < 100000; calls++) {

        rc = referral_reader_next(r, &frame);

        if (rc == REFERRAL_OK) {
            fuzz_check(frame.seq > last);
            fuzz_check(frame.len <= REFERRAL_FRAME_PAYLOAD_MAX);
            last = frame.seq;

            for (i = 0; i < frame.len; i++) {
                sum ^= frame.data[i];
            }

            continue;
        }

        if (rc == REFERRAL_JOURNAL_BUSY) {
            continue;
        }

        break;
    }

    read_sum = sum;

    fuzz_check(calls < 100000);
    fuzz_check(rc == REFERRAL_JOURNAL_DONE || rc == REFERRAL_ERROR);
    fuzz_check(last <= j->last);
    fuzz_check(r->next > last);

    /* from the middle: the same records again, and none is counted twice */

    referral_reader_seek(r, last / 2 + 1);
    (void) referral_reader_next(r, &frame);

    referral_reader_close(r);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    referral_journal_t        *j;
    referral_journals_t       *js;
    referral_journals_conf_t   conf;

    if (size > SIZE) {
        return 0;
    }

    if (root[0] == '\0') {
        snprintf(root, sizeof(root), "%s/fuzz-journal-%d",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
                 (int) getpid());
        atexit(cleanup);
    }

    make(data, data + size);

    memset(&conf, 0, sizeof(conf));
    conf.path = root;
    conf.segment = REFERRAL_JOURNAL_SEGMENT_MIN;
    conf.max = 1 << 24;
    conf.retain = 1000;

    js = referral_journals_create(&conf, NOW, 0);
    if (js == NULL) {
        abort();
    }

    (void) referral_journals_adopt(js, 0);

    for (j = referral_journals_next(js, NULL);
         j;
         j = referral_journals_next(js, j))
    {
        if (j->adopted) {
            read_all(js, j);
            referral_journal_ack(js, j, j->last, 10);
        }
    }

    (void) referral_journals_tick(js, NOW + 5000, 5000);

    j = referral_journals_ending(js, NULL, 5000);

    if (j) {
        if (referral_journal_unlink(js, j, NOW + 5000) == REFERRAL_OK) {
            referral_journal_finish(js, j, NOW + 5000);
        }
    }

    referral_journals_destroy(js);

    cleanup();

    return 0;
}
