/* link: referral_journal.c referral_journal_adopt.c referral_journal_expire.c referral_journal_list.c referral_journal_memory.c referral_journal_write.c referral_slot.c referral_journal_alias.c referral_journal_move.c referral_journal_reader.c referral_journal_sync.c referral_quota.c referral_segment.c referral_hash.c referral_str.c */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "referral_hash.h"
#include "referral_journal.h"
#include "unit.h"
#include "../lib/rm_tree.h"


#define NOW      1795000000000LL
#define RECORDS  1000
#define FLIPS    2000
#define HOUR     3600000
#define MANY     60


typedef struct {
    uint64_t    got;         /* records that were read */
    uint64_t    wrong;       /* those of them that differ from what was
                                written */
    uint64_t    bad;
    int         rc;          /* of the last call */
    u_char      seen[RECORDS + 2];
} result_t;


static char      root[64];
static char      image_id[REFERRAL_JOURNAL_ID_LEN + 1];
static char      image_name[REFERRAL_SEGMENT_NAME_LEN + 1];
static u_char   *image;
static size_t    image_size;
static size_t    image_at[RECORDS + 2];    /* of each record; then the end */


static void
fresh_root(void)
{
    rm_tree(root);
    (void) mkdir(root, 0700);
}


static int
make_root(const char *where)
{
    (void) snprintf(root, sizeof(root), "%s/referral_journal_XXXXXX", where);

    return mkdtemp(root) == NULL ? -1 : 0;
}


static size_t
payload(u_char *out, uint64_t seq)
{
    size_t  i, len;

    len = 20 + seq * 37 % 280;

    for (i = 0; i < len; i++) {
        out[i] = (u_char) (seq * 131 + i * 7 + (i >> 3));
    }

    memcpy(out, &seq, sizeof(seq));

    return len;
}


/* is it what payload() wrote for this number? */

static int
genuine(const referral_frame_t *frame, uint64_t number)
{
    size_t  len;
    u_char  want[512];

    len = payload(want, number);

    return frame->len == len && memcmp(frame->data, want, len) == 0;
}


static referral_journals_t *
open_with(off_t max, size_t queue, referral_sync_e sync, off_t segment)
{
    referral_journals_conf_t  conf;

    memset(&conf, 0, sizeof(conf));

    conf.path = root;
    conf.segment = segment;
    conf.max = max;
    conf.queue = queue;
    conf.retain = HOUR;
    conf.sync = sync;

    return referral_journals_create(&conf, NOW, 0);
}


static referral_journals_t *
open_plain(void)
{
    return open_with(1 << 30, 0, REFERRAL_SYNC_OFF, 16 << 20);
}


static uint64_t
append(referral_journals_t *js, unsigned n)
{
    u_char    buf[512];
    size_t    len;
    uint64_t  seq, next;

    for (seq = 0; n; n--) {
        next = referral_journals_own(js)->last + 1;
        len = payload(buf, next);

        if (referral_journal_append(js, buf, len, NOW + next, &seq)
            != REFERRAL_OK)
        {
            return 0;
        }
    }

    return seq;
}


static referral_journals_t *
open_version(uint32_t version)
{
    referral_journals_conf_t  conf;

    memset(&conf, 0, sizeof(conf));

    conf.path = root;
    conf.version = version;
    conf.segment = 16 << 20;
    conf.max = 1 << 30;
    conf.retain = HOUR;

    return referral_journals_create(&conf, NOW, 0);
}


static int
next_of(referral_reader_t *r, referral_frame_t *frame)
{
    int       rc;
    unsigned  busy;

    busy = 0;

    do {
        rc = referral_reader_next(r, frame);
    } while (rc == REFERRAL_JOURNAL_BUSY && busy++ < 10000);

    return rc;
}


/* reads everything from "from" on, without waiting */

static void
drain(result_t *res, referral_journals_t *js, referral_journal_t *j,
    uint64_t from)
{
    uint64_t            last;
    referral_frame_t    frame;
    referral_reader_t  *r;

    memset(res, 0, sizeof(result_t));

    r = referral_reader_open(js, j, from, 0);
    if (r == NULL) {
        res->rc = REFERRAL_ERROR;
        return;
    }

    last = 0;

    for ( ;; ) {
        res->rc = next_of(r, &frame);

        if (res->rc != REFERRAL_OK) {
            break;
        }

        res->got++;

        if (frame.seq <= last || !genuine(&frame, frame.seq)
            || frame.at != (int64_t) (NOW + frame.seq))
        {
            res->wrong++;
        }

        if (frame.seq < sizeof(res->seen)) {
            res->seen[frame.seq] = 1;
        }

        last = frame.seq;
    }

    res->bad = r->bad;

    referral_reader_close(r);
}


static referral_journal_t *
adopted(referral_journals_t *js)
{
    referral_journal_t  *j;

    j = referral_journals_next(js, NULL);

    return referral_journals_next(js, j);
}


static int
put_file(const char *dir, const char *name, const u_char *data, size_t len)
{
    int   fd;
    char  path[256];

    (void) snprintf(path, sizeof(path), "%s/slot-000", root);
    (void) mkdir(path, 0700);
    (void) snprintf(path, sizeof(path), "%s/slot-000/%s", root, dir);
    (void) mkdir(path, 0700);
    (void) snprintf(path, sizeof(path), "%s/slot-000/%s/%s", root, dir, name);

    fd = open(path, O_WRONLY|O_CREAT|O_TRUNC, 0600);

    if (fd == -1 || write(fd, data, len) != (ssize_t) len) {
        return -1;
    }

    return close(fd);
}


/* adopts the only journal in the directory, reads it and releases it */

static void
recover(result_t *res, const u_char *data, size_t len)
{
    referral_journal_t   *j;
    referral_journals_t  *js;

    memset(res, 0, sizeof(result_t));
    res->rc = REFERRAL_ERROR;

    fresh_root();

    if (put_file(image_id, image_name, data, len) != 0) {
        return;
    }

    js = open_plain();
    if (js == NULL) {
        return;
    }

    if (referral_journals_adopt(js, 0) == 1) {
        j = adopted(js);
        drain(res, js, j, 0);
        res->bad += (res->rc == REFERRAL_JOURNAL_DONE
                     && res->got + res->bad != j->last) ? 1000000 : 0;
    }

    referral_journals_destroy(js);
}


static void
other_version(void)
{
    result_t                  res;
    referral_journals_t      *js;
    referral_journals_stat_t  stat_;

    fresh_root();

    js = open_version(7);
    (void) append(js, 20);
    (void) referral_journal_flush(js, NOW, 0);
    referral_journals_destroy(js);

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 0 && adopted(js) == NULL,
       "a journal of another kind of record is left alone");
    referral_journals_stat(js, &stat_);
    ok(stat_.foreign == 1, "and counted");
    referral_journals_destroy(js);

    js = open_version(7);
    ok(referral_journals_adopt(js, 0) == 1, "its own kind adopts it");
    drain(&res, js, adopted(js), 0);
    ok(res.got == 20 && res.bad == 0 && res.wrong == 0, "and reads it");
    referral_journals_destroy(js);

    fresh_root();

    js = open_version(REFERRAL_SEGMENT_VERSION);
    (void) append(js, 20);
    (void) referral_journal_flush(js, NOW, 0);
    referral_journals_destroy(js);

    js = open_version(7);
    ok(referral_journals_adopt(js, 0) == 0, "nor does it touch clicks");
    referral_journals_destroy(js);

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 1,
       "no version is that of clicks");
    referral_journals_destroy(js);
}


/* a journal of RECORDS records in one file, and the position of each */

static void
make_image(void)
{
    int                   fd, rc;
    char                  path[256];
    size_t                pos, n;
    uint32_t              seed;
    struct stat           st;
    referral_frame_t      frame;
    referral_journals_t  *js;

    fresh_root();

    js = open_plain();
    seed = referral_segment_seed(referral_journals_own(js)->id);

    referral_journal_id_text(image_id, referral_journals_own(js)->id);

    for (n = 0; n < RECORDS / 20; n++) {
        (void) append(js, 20);
        (void) referral_journal_flush(js, NOW, 0);
    }

    referral_journals_destroy(js);

    referral_segment_name(image_name, 1, 1);

    (void) snprintf(path, sizeof(path), "%s/slot-000/%s/%s", root, image_id,
                    image_name);

    fd = open(path, O_RDONLY);
    ok(fd != -1 && fstat(fd, &st) == 0, "a segment is where it belongs");

    image_size = st.st_size;
    image = malloc(image_size);

    ok(read(fd, image, image_size) == (ssize_t) image_size,
       "a segment can be read");
    (void) close(fd);

    pos = REFERRAL_SEGMENT_HEADER;

    for (n = 1; n <= RECORDS; n++) {
        rc = referral_frame_read(&frame, seed, image + pos, image_size - pos);

        if (rc != REFERRAL_OK || frame.seq != n) {
            break;
        }

        image_at[n] = pos;
        pos += frame.size;
    }

    image_at[n] = pos;

    ok(n == RECORDS + 1 && pos == image_size,
       "the file is a header and its records, nothing else");
}


static void
test_names(void)
{
    char      name[REFERRAL_SEGMENT_NAME_LEN + 1];
    u_char    id[REFERRAL_JOURNAL_ID_SIZE];
    unsigned  n;
    uint64_t  first;

    referral_segment_name(name, 123456789, 42);

    ok(strlen(name) == REFERRAL_SEGMENT_NAME_LEN
       && referral_segment_name_parse(&first, &n, name) == REFERRAL_OK
       && first == 123456789 && n == 42, "a segment's name can be read back");

    ok(referral_segment_name_parse(&first, &n,
                                   "00000000000000000000-000001.seg")
       == REFERRAL_ERROR, "no segment begins at 0");
    ok(referral_segment_name_parse(&first, &n,
                                   "99999999999999999999-000001.seg")
       == REFERRAL_ERROR, "a number that is too large is none");
    ok(referral_segment_name_parse(&first, &n,
                                   "00000000000000000001-000001.sex")
       == REFERRAL_ERROR, "a foreign ending is foreign");
    ok(referral_segment_name_parse(&first, &n, "") == REFERRAL_ERROR,
       "an empty name is none");

    ok(referral_journal_id_parse(id, "00112233445566778899aabbccddeeff")
       == REFERRAL_OK && id[15] == 0xff, "a directory's name is an id");
    ok(referral_journal_id_parse(id, "00112233445566778899AABBCCDDEEFF")
       == REFERRAL_ERROR, "there is one way only to write an id");
    ok(referral_journal_id_parse(id, "..") == REFERRAL_ERROR,
       "a parent directory is no journal");
}


static void
test_write_and_read(void)
{
    unsigned                  i;
    uint64_t                  seq;
    result_t                  res;
    referral_frame_t          frame;
    referral_reader_t        *r;
    referral_journal_t       *own;
    referral_journals_t      *js;
    referral_journals_stat_t  stat;

    fresh_root();

    js = open_plain();
    own = referral_journals_own(js);

    r = referral_reader_open(js, own, 0, 0);

    ok(referral_reader_next(r, &frame) == REFERRAL_AGAIN,
       "an empty journal has nothing now");

    (void) append(js, 16);

    ok(referral_reader_next(r, &frame) == REFERRAL_AGAIN,
       "what is not flushed is not seen");
    ok(referral_journal_flush(js, NOW, 0) == REFERRAL_OK, "flush writes");

    for (i = 1; i <= 16; i++) {
        if (referral_reader_next(r, &frame) != REFERRAL_OK
            || frame.seq != i || !genuine(&frame, i))
        {
            break;
        }
    }

    ok(i == 17, "what is flushed is read, in order");
    ok(referral_reader_next(r, &frame) == REFERRAL_AGAIN, "and no more");

    for (i = 0; i < 500; i++) {
        (void) append(js, 16);
        (void) referral_journal_flush(js, NOW, i);
    }

    drain(&res, js, own, 0);
    ok(res.got == 8016 && res.wrong == 0 && res.bad == 0
       && res.rc == REFERRAL_AGAIN, "many groups come back");

    referral_reader_seek(r, 4000);
    ok(next_of(r, &frame) == REFERRAL_OK && frame.seq == 4000,
       "a reader goes forward");

    for (i = 0; i < 3000; i++) {
        (void) next_of(r, &frame);
    }

    referral_reader_seek(r, 6000);
    ok(next_of(r, &frame) == REFERRAL_OK && frame.seq == 6000
       && genuine(&frame, 6000), "a reader goes back");
    referral_reader_seek(r, 7);
    ok(next_of(r, &frame) == REFERRAL_OK && frame.seq == 7,
       "and to the begin");
    ok(r->bad == 0 && r->skipped == 0, "what is passed over is not bad");

    referral_reader_close(r);

    referral_journals_stat(js, &stat);
    ok(stat.appended == 8016 && stat.queued == 0 && stat.journals == 1
       && stat.slot == 0 && !stat.disk_failed && stat.bytes > 8016 * 50
       && stat.dir_bytes == stat.bytes, "the statistics are true");
    ok(stat.oldest == NOW + 1, "the oldest record's time is known");

    referral_journal_ack(js, own, 8000, 0);
    referral_journals_stat(js, &stat);
    ok(stat.oldest >= NOW + 7000 && stat.oldest <= NOW + 8001,
       "the oldest record moves with the acknowledgement");
    referral_journal_ack(js, own, 8016, 0);
    referral_journals_stat(js, &stat);
    ok(stat.oldest == 0, "nothing is old when all is acknowledged");

    ok(referral_journal_append(js, "", REFERRAL_FRAME_PAYLOAD_MAX + 1, NOW,
                               &seq) == REFERRAL_ERROR
       && own->last == 8016, "a record that is too long is refused");
    ok(referral_journal_append(js, "", 0, NOW, &seq) == REFERRAL_OK
       && seq == 8017 && referral_journal_flush(js, NOW, 0) == REFERRAL_OK,
       "an empty record is one");

    referral_journals_stat(js, &stat);
    ok(stat.dropped[REFERRAL_DROP_SIZE] == 1, "and counted");

    referral_journals_destroy(js);
}


/*
 * A child writes and reports what counts as answered; it is killed at any
 * time.
 */

static void
test_kill(void)
{
    int                   fds[2], round, status;
    pid_t                 pid;
    uint64_t              told, seq, lost, wrong, bad, rounds;
    result_t              res;
    struct timespec       ts;
    referral_journals_t  *js;

    lost = 0;
    wrong = 0;
    bad = 0;
    rounds = 0;

    fresh_root();

    js = open_plain();

    for (round = 0; round < 40; round++) {

        if (pipe(fds) != 0) {
            break;
        }

        pid = fork();

        if (pid == 0) {
            (void) close(fds[0]);
            referral_journals_t  *child;

            child = open_with(1 << 30, 0, REFERRAL_SYNC_OFF, 128 * 1024);

            for ( ;; ) {
                seq = append(child, 1 + rand() % 16);

                if (referral_journal_flush(child, NOW, 0) == REFERRAL_OK
                    && write(fds[1], &seq, sizeof(seq)) != sizeof(seq))
                {
                    _exit(1);
                }
            }
        }

        (void) close(fds[1]);

        told = 0;

        if (read(fds[0], &seq, sizeof(seq)) == sizeof(seq)) {
            told = seq;
        }

        ts.tv_sec = 0;
        ts.tv_nsec = 200000 * (round + 1);
        (void) nanosleep(&ts, NULL);

        /* the journal of a live writer must not be adopted */

        if (round % 8 == 0) {
            wrong += (referral_journals_adopt(js, 0) != 0);
        }

        (void) kill(pid, SIGKILL);

        while (read(fds[0], &seq, sizeof(seq)) == sizeof(seq)) {
            told = seq;
        }

        (void) close(fds[0]);
        (void) waitpid(pid, &status, 0);

        if (referral_journals_adopt(js, 0) != 1) {
            wrong++;
            continue;
        }

        drain(&res, js, adopted(js), 0);

        lost += (res.got < told) ? told - res.got : 0;
        wrong += res.wrong + (res.rc != REFERRAL_JOURNAL_DONE);
        bad += res.bad;
        rounds++;

        referral_journal_ack(js, adopted(js), adopted(js)->last, 0);
        referral_journal_finish(js, adopted(js), NOW);
    }

    ok(rounds == 40, "each of 40 killed writers left a journal to adopt");
    ok(lost == 0, "no flushed record is lost by SIGKILL");
    ok(wrong == 0, "no record comes back changed or twice, no live journal "
       "is taken");
    ok(bad <= rounds, "at most the torn write itself is bad");
    ok(adopted(js) == NULL, "finished journals are gone");

    referral_journals_destroy(js);
}


static void
test_slots(void)
{
    int                        fds[2], status;
    char                       c, path[256];
    pid_t                      pid;
    result_t                   res;
    referral_journals_t       *js, *other;
    referral_journals_stat_t   stat;

    fresh_root();

    if (pipe(fds) != 0) {
        return;
    }

    pid = fork();

    if (pid == 0) {
        js = open_plain();
        (void) append(js, 100);
        (void) referral_journal_flush(js, NOW, 0);
        (void) !write(fds[1], "x", 1);

        for ( ;; ) {
            (void) pause();
        }
    }

    ok(read(fds[0], &c, 1) == 1, "a child holds a slot");

    js = open_plain();
    other = open_plain();

    referral_journals_stat(js, &stat);
    ok(stat.slot == 1, "the next process takes the next slot");
    referral_journals_stat(other, &stat);
    ok(stat.slot == 2, "and so on");
    ok(memcmp(referral_journals_own(js)->id, referral_journals_own(other)->id,
              REFERRAL_JOURNAL_ID_SIZE) != 0, "ids differ");

    ok(referral_journals_adopt(js, 0) == 0, "the living are left alone");

    (void) kill(pid, SIGKILL);
    (void) waitpid(pid, &status, 0);

    ok(referral_journals_adopt(js, 0) == 1, "the dead are adopted");
    ok(referral_journals_adopt(other, 0) == 0, "once");

    drain(&res, js, adopted(js), 0);
    ok(res.got == 100 && res.rc == REFERRAL_JOURNAL_DONE
       && adopted(js)->last == 100, "with all that they had");

    (void) snprintf(path, sizeof(path), "%s/slot-000/lock", root);
    ok(access(path, F_OK) == 0, "the lock file stays");

    /* the adopter is killed too, and its journals are adopted in turn */

    referral_journals_destroy(js);

    ok(referral_journals_adopt(other, 0) == 1, "the adopted are adopted");
    drain(&res, other, adopted(other), 51);
    ok(res.got == 50 && res.wrong == 0, "from where the mark is");

    referral_journals_destroy(other);
    (void) close(fds[0]);
    (void) close(fds[1]);
}


static void
test_truncated(void)
{
    size_t    len;
    unsigned  n, wrong;
    result_t  res;

    wrong = 0;

    for (len = image_at[RECORDS - 3]; len < image_size; len++) {
        recover(&res, image, len);

        /* a record needs its payload, but not its padding */

        for (n = RECORDS - 4; n < RECORDS; n++) {
            u_char    buf[512];
            unsigned  r;

            r = n + 1;

            if (image_at[r] + REFERRAL_FRAME_HEADER + payload(buf, r) > len) {
                break;
            }
        }

        if (res.got != n || res.wrong || res.rc != REFERRAL_JOURNAL_DONE
            || res.bad > 1
            || (res.bad && len < image_at[n + 1] + REFERRAL_FRAME_HEADER))
        {
            wrong++;
        }
    }

    ok(wrong == 0, "cut at each byte of the last records: every whole record "
       "is recovered (%u wrong)", wrong);

    wrong = 0;

    for (len = 0; len <= REFERRAL_SEGMENT_HEADER; len++) {
        recover(&res, image, len);
        wrong += (res.got != 0 || res.bad != 0);
    }

    ok(wrong == 0, "cut at each byte of the header: nothing, and no harm");
}


static void
test_flips(void)
{
    size_t    pos, in;
    u_char   *copy, buf[512];
    unsigned  i, n, wrong, delivered, miscounted, hit, flips;
    result_t  res;

    copy = malloc(image_size);

    wrong = 0;
    delivered = 0;
    miscounted = 0;

    srand(20261122);

    flips = getenv("UNIT_VALGRIND") ? FLIPS / 20 : FLIPS;

    for (i = 0; i < flips; i++) {

        if (i < 200) {
            /* magic, length, number, time and checksums of some records */
            n = 1 + i * 5;
            pos = image_at[n] + rand() % REFERRAL_FRAME_HEADER;

        } else if (i < 264) {
            pos = i - 200;

        } else {
            pos = rand() % image_size;
        }

        memcpy(copy, image, image_size);
        copy[pos] ^= 1 << rand() % 8;

        for (hit = RECORDS; hit && image_at[hit] > pos; hit--) {
            /* void */
        }

        if (hit) {
            in = pos - image_at[hit];

            if (in >= REFERRAL_FRAME_HEADER + payload(buf, hit)) {
                hit = 0;
            }
        }

        recover(&res, copy, image_size);

        for (n = 1; n <= RECORDS; n++) {

            if (n != hit && !res.seen[n]) {

                /* with another version the file is treated as foreign */

                if (!(pos < 16 && res.got == 0)) {
                    wrong++;
                }
            }
        }

        delivered += res.wrong + (hit && res.seen[hit]);

        /* not even the number of the last record may be left */

        if (res.bad != (hit ? 1 : 0) && hit != RECORDS) {
            miscounted++;
        }
    }

    ok(wrong == 0, "%u bit flips cost no record but the one that is hit "
       "(%u did)", flips, wrong);
    ok(delivered == 0, "no damaged record is ever delivered");
    ok(miscounted == 0, "each damaged record is counted once");

    free(copy);
}


static void
test_forged(void)
{
    u_char                   *copy, forged[4096];
    size_t                    n, pos;
    uint32_t                  seed;
    uint64_t                  seq;
    unsigned                  i, other;
    char                      id[REFERRAL_JOURNAL_ID_LEN + 1];
    u_char                    fake[REFERRAL_JOURNAL_ID_SIZE];
    referral_frame_t          frame;
    referral_reader_t        *r;
    referral_journal_t       *j;
    referral_journals_t      *js;

    /* payloads that contain records of other journals and with other seeds */

    fresh_root();

    js = open_plain();
    referral_journal_id_text(id, referral_journals_own(js)->id);

    memset(fake, 0x5a, sizeof(fake));

    for (i = 0; i < 30; i++) {
        n = i % 8;
        memset(forged, 'x', sizeof(forged));

        for (seq = 1; seq <= 10; seq++) {
            seed = (seq & 1) ? referral_segment_seed(fake) : 0;
            referral_frame_write(forged + n, seed, i + 1 + seq, NOW,
                                 "forged!!", 8);
            n += referral_frame_size(8);
        }

        (void) referral_journal_append(js, forged, n, NOW, &seq);
        (void) referral_journal_flush(js, NOW, 0);
    }

    referral_journals_destroy(js);

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 1, "a journal of forgeries");

    j = adopted(js);
    r = referral_reader_open(js, j, 0, 0);
    other = 0;

    for (n = 0; next_of(r, &frame) == REFERRAL_OK; n++) {
        other += (frame.len == 8);
    }

    ok(n == 30 && other == 0, "records are read, not what is in them");
    referral_reader_close(r);
    referral_journals_destroy(js);

    /* after damage the reader searches payloads: still no record is in them */

    {
        int          fd;
        char         path[256];
        struct stat  st;

        (void) snprintf(path, sizeof(path),
                        "%s/slot-000/%s/00000000000000000001-000001.seg",
                        root, id);

        fd = open(path, O_RDWR);
        (void) fstat(fd, &st);
        copy = malloc(st.st_size);
        (void) !read(fd, copy, st.st_size);

        pos = REFERRAL_SEGMENT_HEADER;

        for (i = 0; i < 30; i++) {
            uint32_t  len;

            memcpy(&len, copy + pos + 4, 4);
            copy[pos + 4 + i % 20] ^= 0x10;
            pos += referral_frame_size(len);
        }

        (void) !pwrite(fd, copy, st.st_size, 0);
        (void) close(fd);
        free(copy);
    }

    js = open_plain();

    i = referral_journals_adopt(js, 0);
    j = adopted(js);
    n = 0;

    if (i == 1 && j) {
        r = referral_reader_open(js, j, 0, 0);

        while (next_of(r, &frame) == REFERRAL_OK) {
            n++;
        }

        referral_reader_close(r);
    }

    ok(n == 0, "nor when all the records around them are damaged");

    referral_journals_destroy(js);
}


static void
test_damage(void)
{
    char                      name[REFERRAL_SEGMENT_NAME_LEN + 1], path[256];
    size_t                    pos, len, n;
    u_char                   *copy, id[REFERRAL_JOURNAL_ID_SIZE];
    unsigned                  i, hit, wrong;
    uint32_t                  crc;
    result_t                  res;
    struct stat               st;
    referral_journal_t       *j;
    referral_journals_t      *js;
    referral_journals_stat_t  stat_;

    copy = malloc(image_size + 100000);

    /* a page that was not written */

    memcpy(copy, image, image_size);
    pos = 4096 * 10;
    memset(copy + pos, 0, 4096);

    hit = 0;
    recover(&res, copy, image_size);
    wrong = 0;

    for (i = 1; i <= RECORDS; i++) {
        u_char  buf[512];

        len = REFERRAL_FRAME_HEADER + payload(buf, i);

        if (image_at[i] < pos + 4096 && image_at[i] + len > pos) {
            hit++;
            wrong += res.seen[i];

        } else {
            wrong += !res.seen[i];
        }
    }

    ok(wrong == 0 && res.bad == hit && hit > 5,
       "a zeroed page costs the %u records in it", hit);

    /* lost bytes shift the records behind them */

    memcpy(copy, image, image_size);
    pos = image_at[300] + 13;
    memmove(copy + pos, copy + pos + 1001, image_size - pos - 1001);
    recover(&res, copy, image_size - 1001);
    ok(res.wrong == 0 && res.seen[299] && !res.seen[300] && res.seen[310]
       && res.seen[RECORDS] && res.bad == RECORDS - res.got,
       "bytes that are missing cost what they belonged to");

    for (i = 1; i < 5000; i = i * 3 + 1) {
        for (n = 0; n < i; n++) {
            copy[n] = (u_char) (n * 193 + 0xc1);
        }

        memcpy(copy + i, image, image_size);
        recover(&res, copy, image_size + i);

        if (res.got != RECORDS || res.bad) {
            break;
        }
    }

    ok(i >= 5000, "garbage before costs nothing, whatever its length");

    memcpy(copy, image, image_size);
    srand(7);

    for (n = 0; n < 70000; n++) {
        copy[image_size + n] = (n % 50 == 0) ? 0xc1 : (u_char) rand();
    }

    recover(&res, copy, image_size + 70000);
    ok(res.got == RECORDS && res.bad == 0, "garbage after costs nothing");

    /* the same bytes twice are the same records */

    memcpy(copy, image, image_at[200]);
    memcpy(copy + image_at[200], image + image_at[100],
           image_size - image_at[100]);
    recover(&res, copy, image_size + image_at[200] - image_at[100]);
    ok(res.got == RECORDS && res.bad == 0 && res.wrong == 0,
       "what was written twice comes once");

    /*
     * A record that the end of the file cuts off, and a whole one in its
     * place.
     */

    {
        size_t    end;
        u_char    buf[512];
        uint32_t  seed;

        (void) referral_journal_id_parse(id, image_id);
        seed = referral_segment_seed(id);

        memcpy(copy, image, image_size);
        end = image_size;

        referral_frame_write(copy + end, seed, RECORDS + 1, NOW, copy, 16000);
        end += 100;
        len = payload(buf, RECORDS + 2);
        referral_frame_write(copy + end, seed, RECORDS + 2,
                             NOW + RECORDS + 2, buf, len);
        end += referral_frame_size(len);

        recover(&res, copy, end);
        ok(res.got == RECORDS + 1 && res.bad == 1 && res.wrong == 0,
           "a length that leads past the end hides nothing");
    }

    /* two segments with the same numbers: the newer one counts */

    {
        referral_segment_header_t  header;

        fresh_root();

        memcpy(copy, image, image_size);
        copy[image_at[500] + 50] ^= 4;
        copy[image_at[501] + 3] ^= 4;
        copy[image_at[700] + 3] ^= 4;
        (void) put_file(image_id, image_name, copy, image_size);

        memcpy(header.id, id, REFERRAL_JOURNAL_ID_SIZE);
        header.version = REFERRAL_SEGMENT_VERSION;
        header.first = 501;
        header.acked = 0;
        header.created = NOW;

        referral_segment_header_write(copy, &header);
        memcpy(copy + REFERRAL_SEGMENT_HEADER, image + image_at[501],
               image_size - image_at[501]);
        referral_segment_name(name, 501, 2);
        (void) put_file(image_id, name, copy,
                        REFERRAL_SEGMENT_HEADER + image_size - image_at[501]);

        js = open_plain();
        (void) referral_journals_adopt(js, 0);
        drain(&res, js, adopted(js), 0);
        ok(res.got == RECORDS - 1 && res.bad == 1 && res.wrong == 0
           && !res.seen[500],
           "what was written anew is read from there");
        referral_journals_destroy(js);

        /* a gap of which a part was acknowledged */

        (void) put_file(image_id, image_name, image, image_at[401]);
        js = open_plain();
        (void) referral_journals_adopt(js, 0);
        referral_journal_ack(js, adopted(js), 450, 0);

        {
            referral_frame_t    frame;
            referral_reader_t  *r;

            r = referral_reader_open(js, adopted(js), 0, 0);

            while (next_of(r, &frame) == REFERRAL_OK) {
                /* void */
            }

            ok(r->skipped == 50 && r->bad == 50,
               "what was acknowledged is not bad when it is missing");
            referral_reader_close(r);
        }

        referral_journals_destroy(js);
    }

    /* a segment of another version beside one of ours */

    fresh_root();

    memcpy(copy, image, image_size);
    copy[8] = 2;
    crc = referral_crc32c(0, copy, 12);
    memcpy(copy + 12, &crc, 4);

    referral_segment_name(name, 5000, 2);
    (void) put_file(image_id, image_name, image, image_size);
    (void) put_file(image_id, name, copy, image_size);

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 1, "a journal with a segment of "
       "another version is adopted");
    j = adopted(js);
    drain(&res, js, j, 0);
    ok(res.got == RECORDS && res.bad == 0, "what is ours is read");
    referral_journals_stat(js, &stat_);
    ok(stat_.foreign == 1, "the other is counted");
    referral_journal_ack(js, j, j->last, 0);
    (void) referral_journals_tick(js, NOW, 10 * HOUR);
    ok(j->acked == j->last
       && referral_journals_ending(js, NULL, 10 * HOUR) == NULL,
       "and its journal never ends");
    referral_journals_destroy(js);

    (void) snprintf(path, sizeof(path), "%s/slot-000/%s/%s", root, image_id,
                    name);
    ok(stat(path, &st) == 0 && (size_t) st.st_size == image_size,
       "it stays where it is");

    /*
     * The records behind it wait, because a mark above it would count it as
     * applied.
     */

    fresh_root();

    referral_segment_name(name, 5000, 2);
    (void) put_file(image_id, image_name, copy, image_size);
    (void) put_file(image_id, name, image, image_size);

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 0
       && referral_journals_adopt(js, 0) == 0 && adopted(js) == NULL,
       "a journal that begins with another version is left alone");
    referral_journals_stat(js, &stat_);
    ok(stat_.foreign == 2, "each segment counts once");
    referral_journals_destroy(js);

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 0, "by the next life too");
    referral_journals_destroy(js);

    (void) snprintf(path, sizeof(path), "%s/slot-000/%s/%s", root, image_id,
                    name);
    ok(stat(path, &st) == 0 && (size_t) st.st_size == image_size,
       "all of it stays where it is");
    (void) snprintf(path, sizeof(path), "%s/damaged", root);
    ok(stat(path, &st) == -1, "and is not called damaged");

    /* a kind of record with segments of its own version, and clicks */

    other_version();

    /* empty files and directories, invalid names, a missing segment */

    fresh_root();

    referral_segment_name(name, 1500, 3);
    (void) put_file(image_id, name, (u_char *) "", 0);
    (void) put_file(image_id, "notes.txt", (u_char *) "hello", 5);
    (void) put_file("0123456789abcdef0123456789abcdef", "x",
                    (u_char *) "", 0);
    (void) put_file("not-a-journal", "x", (u_char *) "", 0);
    (void) put_file(image_id, image_name, image, image_size);

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 1, "rubbish beside it does no harm");
    drain(&res, js, adopted(js), 0);
    ok(res.got == RECORDS && res.rc == REFERRAL_JOURNAL_DONE
       && res.bad == 499, "a gap that a later segment tells of is counted");

    /* the file disappears after it was adopted */

    (void) snprintf(path, sizeof(path), "%s/slot-000/%s/%s", root, image_id,
                    image_name);
    ok(unlink(path) == 0, "a file is removed");
    drain(&res, js, adopted(js), 0);
    ok(res.got == 0 && res.rc == REFERRAL_JOURNAL_DONE,
       "a segment that vanished ends the reading, not the reader");
    referral_journals_destroy(js);

    free(copy);
}


static void
test_disk_full(void)
{
    int                       status;
    char                      why[64];
    pid_t                     pid;
    uint64_t                  n, queued;
    result_t                  res;
    struct rlimit             rl;
    referral_journal_t       *own;
    referral_journals_t      *js;
    referral_journals_stat_t  stat;

    fresh_root();
    fflush(stdout);

    pid = fork();

    if (pid == 0) {
        (void) signal(SIGXFSZ, SIG_IGN);

        rl.rlim_cur = 50001;
        rl.rlim_max = RLIM_INFINITY;
        (void) setrlimit(RLIMIT_FSIZE, &rl);

        js = open_with(1 << 30, 10 * 66000, REFERRAL_SYNC_OFF, 16 << 20);
        own = referral_journals_own(js);

        /*
         * The segment is full, and creating the next is not tried within a
         * second.
         */

        while (referral_journal_append(js, "0123456789abcdef", 16, NOW, &n)
               == REFERRAL_OK)
        {
            (void) referral_journal_flush(js, NOW, 0);
        }

        referral_journals_stat(js, &stat);

        queued = own->last - stat.queued;

        strcpy(why, "queue");
        if (stat.dropped[REFERRAL_DROP_SPACE] != 1 || !stat.disk_failed
            || stat.err != EFBIG || stat.queued < 10000
            || queued < 50000 / 48 - 2)
        {
            goto failed;
        }

        /* no part of a record is left in the file */

        {
            char         id[REFERRAL_JOURNAL_ID_LEN + 1], path[256];
            struct stat  st;

            referral_journal_id_text(id, own->id);
            (void) snprintf(path, sizeof(path),
                            "%s/slot-000/%s/00000000000000000001-000001.seg",
                            root, id);

            strcpy(why, "torn");
            if (lstat(path, &st) != 0
                || (st.st_size - REFERRAL_SEGMENT_HEADER) % 48 != 0)
            {
                goto failed;
            }
        }

        /* all records can be read, from disk and from memory */

        {
            referral_frame_t    frame;
            referral_reader_t  *r;

            r = referral_reader_open(js, own, 0, 0);
            n = 0;

            for ( ;; ) {
                status = next_of(r, &frame);

                if (status != REFERRAL_OK || frame.seq != n + 1) {
                    break;
                }

                n++;
            }

            strcpy(why, "read");
            if (status != REFERRAL_AGAIN || n != own->last || r->bad) {
                goto failed;
            }

            referral_reader_close(r);
        }

        /* acknowledged records free memory */

        referral_journal_ack(js, own, queued + 5000, 0);

        strcpy(why, "room");
        if (referral_journal_append(js, "0123456789abcdef", 16, NOW, &n)
            != REFERRAL_OK)
        {
            goto failed;
        }

        /* the disk has space again */

        rl.rlim_cur = RLIM_INFINITY;
        (void) setrlimit(RLIMIT_FSIZE, &rl);

        strcpy(why, "early");
        if (referral_journal_flush(js, NOW, 999) != REFERRAL_DECLINED) {
            goto failed;
        }

        strcpy(why, "late");
        if (referral_journal_flush(js, NOW, 1000) != REFERRAL_OK) {
            goto failed;
        }

        referral_journals_stat(js, &stat);

        strcpy(why, "healed");
        if (stat.disk_failed || stat.queued || stat.segments != 2) {
            goto failed;
        }

        _exit(0);

    failed:

        fprintf(stderr, "# disk full: %s\n", why);
        _exit(1);
    }

    (void) waitpid(pid, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
       "a full disk: records stay in memory, are read, and are written when "
       "space returns");

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 1, "the journal is adopted");

    {
        referral_frame_t    frame;
        referral_reader_t  *r;

        r = referral_reader_open(js, adopted(js), 0, 0);
        n = 0;

        while (next_of(r, &frame) == REFERRAL_OK) {
            n++;
        }

        ok(r->bad == 0 && r->next == adopted(js)->last + 1
           && n + r->skipped == adopted(js)->last && r->skipped > 1000,
           "what was acknowledged from memory is no gap");

        referral_reader_close(r);
    }

    referral_journals_destroy(js);

    /* the directory does not exist and cannot be created */

    fresh_root();
    rm_tree(root);

    {
        int  fd;

        fd = open(root, O_WRONLY|O_CREAT, 0600);
        (void) close(fd);
    }

    js = open_plain();
    ok(js != NULL, "a journal without a directory is one");
    own = referral_journals_own(js);

    (void) append(js, 100);
    ok(referral_journal_flush(js, NOW, 10) == REFERRAL_DECLINED,
       "in memory only, and it says so");
    drain(&res, js, own, 0);
    ok(res.got == 100 && res.wrong == 0, "readable");

    referral_journals_stat(js, &stat);
    ok(stat.disk_failed && stat.err == ENOTDIR && stat.what
       && stat.slot == -1 && stat.queued == 100, "the reason is told");

    fresh_root();
    (void) remove(root);
    (void) mkdir(root, 0700);

    (void) referral_journals_tick(js, NOW, 1500);
    referral_journals_stat(js, &stat);
    ok(!stat.disk_failed && stat.slot == 0 && stat.queued == 0,
       "a tick brings it back");
    drain(&res, js, own, 0);
    ok(res.got == 100 && res.wrong == 0, "from the disk now");

    referral_journals_destroy(js);
}


static void
test_max(void)
{
    unsigned                  i, declined;
    result_t                  res;
    referral_journal_t       *own;
    referral_journals_t      *js;
    referral_journals_stat_t  stat;

    fresh_root();

    js = open_with(1 << 20, 3 * 66000, REFERRAL_SYNC_OFF, 128 * 1024);
    own = referral_journals_own(js);

    declined = 0;

    for (i = 0; i < 8000; i++) {
        if (append(js, 1) == 0) {
            declined++;
        }

        if (i % 16 == 0) {
            (void) referral_journal_flush(js, NOW, i);
        }
    }

    referral_journals_stat(js, &stat);
    ok(stat.full && stat.dir_bytes <= 1 << 20, "max= is held");
    ok(declined && stat.dropped[REFERRAL_DROP_MAX] == declined
       && stat.appended == 8000 - declined, "every drop is counted");

    drain(&res, js, own, 0);
    ok(res.got == stat.appended - (own->last - own->flushed)
       && res.wrong == 0 && res.bad == 0, "all that was taken is there");

    referral_journal_ack(js, own, own->flushed, 9000);

    ok(append(js, 100) != 0
       && referral_journal_flush(js, NOW, 20000) == REFERRAL_OK,
       "acknowledged segments make room before their time");
    referral_journals_stat(js, &stat);
    ok(!stat.full && stat.segments < 9 && own->first > 1,
       "the oldest went first");
    ok(stat.early, "and are counted as too early");

    drain(&res, js, own, 0);
    ok(res.wrong == 0 && res.bad == 0, "the rest is whole");

    referral_journals_destroy(js);

    /* a single segment, all of it acknowledged */

    fresh_root();

    js = open_with(100000, 3 * 66000, REFERRAL_SYNC_OFF, 128 * 1024);
    own = referral_journals_own(js);

    for (i = 0; !declined || i < 600; i++) {
        (void) append(js, 1);
        declined = (referral_journal_flush(js, NOW, 0) != REFERRAL_OK);
    }

    referral_journals_stat(js, &stat);
    ok(stat.segments == 1 && stat.full, "the only segment fills max=");

    referral_journal_ack(js, own, own->flushed, 0);
    (void) append(js, 10);
    ok(referral_journal_flush(js, NOW, 1000) == REFERRAL_OK
       && own->written == own->last, "it makes room for the next one");
    drain(&res, js, own, own->last - 9);
    ok(res.got == 10 && res.bad == 0, "which is read");

    referral_journals_destroy(js);
}


/* a process that ends with records in memory */

static void
test_ends(void)
{
    char                       path[300];
    uint64_t                   first, kept, n;
    result_t                   res;
    referral_frame_t           frame;
    referral_reader_t         *r;
    referral_journal_t        *own;
    referral_journals_t       *js, *to;
    referral_journals_conf_t   conf;

    fresh_root();

    js = open_with(512 * 1024, 0, REFERRAL_SYNC_ALWAYS, 128 * 1024);
    own = referral_journals_own(js);

    while (referral_journals_unwritten(js, NULL) < 2000) {
        (void) append(js, 16);
        (void) referral_journal_flush(js, NOW, 0);
    }

    ok(own->last - own->written == referral_journals_unwritten(js, NULL)
       && referral_quota_bytes(referral_journals_quota(js)) > 511 * 1024
       && referral_quota_bytes(referral_journals_quota(js)) <= 512 * 1024,
       "max= is used to its last record, the others are in memory");

    /* moving to another directory is all or nothing */

    (void) snprintf(path, sizeof(path), "%s.to", root);

    memset(&conf, 0, sizeof(conf));
    conf.path = path;
    conf.segment = 128 * 1024;
    conf.max = 128 * 1024;
    conf.retain = HOUR;
    conf.sync = REFERRAL_SYNC_ALWAYS;

    first = own->written + 501;
    n = own->last - first + 1;

    ok(referral_journals_move(js, &conf, first, NOW, 0) == NULL
       && own->last == first + n - 1, "it does not fit there: nothing moves");

    conf.max = 1 << 20;
    to = referral_journals_move(js, &conf, first, NOW, 0);

    ok(to != NULL && referral_journals_own(to)->written == n
       && referral_journals_own(to)->synced == n, "it fits: all is there");
    ok(own->last == first - 1 && own->flushed == own->last
       && referral_journals_unwritten(js, NULL) == 500, "and here no more");

    referral_journals_destroy(to);

    conf.sync = REFERRAL_SYNC_OFF;
    to = referral_journals_create(&conf, NOW, 0);

    ok(referral_journals_adopt(to, 0) == 1, "one journal is adopted there");

    r = referral_reader_open(to, adopted(to), 0, 0);

    for (kept = 0; next_of(r, &frame) == REFERRAL_OK; kept++) {
        if (!genuine(&frame, first + kept)) {
            break;
        }
    }

    ok(kept == n, "with those records and no others");

    referral_reader_close(r);
    referral_journals_destroy(to);
    rm_tree(path);

    drain(&res, js, own, 0);
    ok(res.got == first - 1 && res.bad == 0 && res.wrong == 0,
       "what stayed is read");

    /*
     * With enough space it is written at once, although the disk failed just
     * before.
     */

    (void) append(js, 300);
    kept = own->last;

    referral_quota_limit(referral_journals_quota(js), 600 * 1024);
    referral_journals_save(js, NOW, 0);

    n = referral_journals_unwritten(js, NULL);
    ok(n > 0 && n < 800, "a larger max= takes more");

    ok(referral_journal_abandon(js, own) == n && own->last == kept - n
       && own->flushed == own->last && own->written == own->last,
       "the journal ends with what the disk has");

    kept = own->last;

    referral_journals_destroy(js);

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 1 && adopted(js)->last == kept,
       "and so it is adopted");
    drain(&res, js, adopted(js), 0);
    ok(res.got == kept && res.bad == 0 && res.wrong == 0, "each comes once");

    referral_journals_destroy(js);
}


static void
test_retention(void)
{
    char                      path[256];
    unsigned                  i, segments;
    uint64_t                  first;
    result_t                  res;
    struct stat               st;
    referral_journal_t       *j, *own;
    referral_journals_t      *js;
    referral_journals_stat_t  stat_;

    fresh_root();

    js = open_with(1 << 30, 0, REFERRAL_SYNC_OFF, 128 * 1024);

    for (i = 0; i < 300; i++) {
        (void) append(js, 10);
        (void) referral_journal_flush(js, NOW, 0);
    }

    referral_journals_destroy(js);

    js = open_with(1 << 30, 0, REFERRAL_SYNC_OFF, 128 * 1024);
    own = referral_journals_own(js);

    ok(referral_journals_adopt(js, 0) == 1, "an earlier life in its own slot");
    j = adopted(js);

    referral_journals_stat(js, &stat_);
    segments = stat_.segments;
    ok(segments > 4 && j->last == 3000 && j->first == 1 && j->acked == 0,
       "in several segments, its end known at once");

    drain(&res, js, j, 0);
    ok(res.got == 3000 && res.rc == REFERRAL_JOURNAL_DONE, "read whole");

    first = j->first;
    referral_journal_ack(js, j, 2999, 1000);
    (void) referral_journals_tick(js, NOW, 1000 + HOUR - 1);
    ok(j->first == first, "nothing is unlinked before its time");
    ok(referral_journals_ending(js, NULL, 1000 + HOUR) == NULL,
       "what is not all acknowledged does not end");

    /* Redis lost records */

    referral_journal_ack(js, j, 1500, 1500);
    referral_journals_tick(js, NOW, 1000 + HOUR);
    ok(j->first > first && j->first <= 1501,
       "what became unacknowledged again stays, the older goes");
    drain(&res, js, j, 1501);
    ok(res.got == 1500 && res.bad == 0 && res.wrong == 0,
       "it can be sent again");

    referral_journal_ack(js, j, 3000, 2000);
    (void) referral_journals_tick(js, NOW, 2000 + HOUR);
    referral_journals_stat(js, &stat_);
    ok(stat_.segments == 1, "the last segment stays for its mark");
    ok(referral_journals_ending(js, NULL, 2000 + HOUR - 1) == NULL
       && referral_journals_ending(js, NULL, 2000 + HOUR) == j
       && referral_journals_ending(js, j, 2000 + HOUR) == NULL,
       "then it may end");

    ok(referral_journal_unlink(js, j, NOW) == REFERRAL_OK && j->unlinked
       && referral_journals_ending(js, NULL, 2000 + HOUR) == j,
       "unlinked, and told until it is finished");
    ok(referral_journals_adopt(js, 0) == 0, "it is not found again");
    referral_journal_finish(js, j, NOW);
    ok(adopted(js) == NULL, "and gone");

    ok(referral_journal_unlink(js, own, NOW) == REFERRAL_ERROR,
       "the own journal is not unlinked");

    /* a journal in use keeps its last segment, however old that is */

    for (i = 0; i < 300; i++) {
        (void) append(js, 10);
        (void) referral_journal_flush(js, NOW, i);
    }

    referral_journal_ack(js, own, own->last, 300);
    (void) referral_journals_tick(js, NOW, 300 + HOUR);
    referral_journals_stat(js, &stat_);
    ok(stat_.segments == 1 && own->first <= own->last,
       "the own journal keeps a segment");

    /* removal by age */

    (void) append(js, 1);
    (void) referral_journal_flush(js, NOW, 300 + REFERRAL_JOURNAL_AGE);
    referral_journals_stat(js, &stat_);
    ok(stat_.segments == 2, "an old segment is closed");

    (void) snprintf(path, sizeof(path), "%s/slot-000", root);
    ok(stat(path, &st) == 0, "the slot stays");

    referral_journals_destroy(js);
}


static void
test_emptied(void)
{
    char                  path[256];
    result_t              res;
    referral_journal_t   *own, *old;
    referral_journals_t  *js;

    fresh_root();

    js = open_plain();
    own = referral_journals_own(js);

    (void) append(js, 100);
    (void) referral_journal_flush(js, NOW, 0);
    ok(referral_journals_tick(js, NOW, 1000) == REFERRAL_OK, "all is well");

    (void) snprintf(path, sizeof(path), "%s/slot-000", root);
    rm_tree(path);

    (void) append(js, 10);
    ok(referral_journals_tick(js, NOW, 2000) == REFERRAL_DECLINED,
       "a directory that was emptied is noticed");
    ok(referral_journals_renew(js, NOW, 2000) == REFERRAL_OK
       && referral_journals_own(js) != own, "a new journal begins");

    old = adopted(js);
    ok(old == own && !old->own && old->last == 110, "the old one is kept");
    drain(&res, js, old, 0);
    ok(res.got == 110 && res.wrong == 0 && res.bad == 0
       && res.rc == REFERRAL_JOURNAL_DONE,
       "and readable to its end: its file lives as long as it is open");

    (void) append(js, 10);
    ok(referral_journal_flush(js, NOW, 2001) == REFERRAL_OK
       && referral_journals_tick(js, NOW, 3000) == REFERRAL_OK,
       "the new one is on the disk");

    referral_journal_ack(js, old, 110, 3000);
    ok(referral_journals_ending(js, NULL, 3000 + HOUR) == old, "it ends");
    referral_journal_finish(js, old, NOW);

    /* all files are gone, and the directory too */

    rm_tree(root);
    ok(referral_journals_tick(js, NOW, 4000) == REFERRAL_DECLINED
       && referral_journals_renew(js, NOW, 4000) == REFERRAL_OK,
       "a directory that is gone is noticed");
    (void) append(js, 10);
    ok(referral_journal_flush(js, NOW, 5001) == REFERRAL_OK,
       "and made again");

    /* only the file being written */

    own = referral_journals_own(js);
    referral_journal_id_text(path, own->id);

    {
        char  file[512];

        (void) snprintf(file, sizeof(file),
                        "%s/slot-000/%s/00000000000000000001-000001.seg",
                        root, path);
        ok(unlink(file) == 0, "a segment is removed");
    }

    ok(referral_journals_tick(js, NOW, 6000) == REFERRAL_DECLINED
       && referral_journals_renew(js, NOW, 6000) == REFERRAL_OK
       && referral_journals_tick(js, NOW, 7000) == REFERRAL_OK,
       "and noticed");

    (void) snprintf(path, sizeof(path), "%s/slot-000/lock", root);
    ok(unlink(path) == 0, "a lock is removed");
    ok(referral_journals_tick(js, NOW, 8000) == REFERRAL_DECLINED,
       "and noticed: somebody else could hold the slot now");

    referral_journals_destroy(js);
}


static int
open_files(void)
{
    int             n;
    DIR            *d;
    struct dirent  *e;

    d = opendir("/proc/self/fd");
    if (d == NULL) {
        return -1;
    }

    for (n = 0, e = readdir(d); e; e = readdir(d)) {
        n++;
    }

    (void) closedir(d);

    return n;
}


/* segments that are closed, but not yet applied in Redis */

static void
test_emptied_closed(void)
{
    char                      path[256];
    int                       fds;
    unsigned                  n, segments;
    result_t                  res;
    referral_journal_t       *own, *old;
    referral_journals_t      *js;
    referral_journals_stat_t  stat;

    fresh_root();

    js = open_with(1 << 30, 0, REFERRAL_SYNC_OFF, 128 * 1024);
    own = referral_journals_own(js);
    fds = open_files();

    for (n = 0, segments = 0; segments < 4; n += 100) {
        (void) append(js, 100);
        (void) referral_journal_flush(js, NOW, 0);
        referral_journals_stat(js, &stat);
        segments = stat.segments;
    }

    (void) snprintf(path, sizeof(path), "%s/slot-000", root);
    rm_tree(path);

    ok(referral_journals_tick(js, NOW, 1000) == REFERRAL_DECLINED
       && referral_journals_renew(js, NOW, 1000) == REFERRAL_OK,
       "emptied while closed segments are not acknowledged");

    old = adopted(js);
    drain(&res, js, old, 0);
    ok(old == own && res.got == n && res.wrong == 0 && res.bad == 0,
       "they are read to their end");

    referral_journal_ack(js, old, old->last, 1000);
    ok(referral_journals_ending(js, NULL, 1000 + HOUR) == old, "they end");
    referral_journal_finish(js, old, NOW);

    /* an outage of Redis does not use up the descriptors */

    own = referral_journals_own(js);

    for (n = 0, segments = 0; segments < 20; n += 100) {
        (void) append(js, 100);
        (void) referral_journal_flush(js, NOW, 2000);
        referral_journals_stat(js, &stat);
        segments = stat.segments;
    }

    ok(open_files() - fds < 15, "of many segments the last are held open");

    drain(&res, js, own, 0);
    ok(res.got == n && res.bad == 0, "and all are read");

    referral_journal_ack(js, own, own->last, 2000);
    ok(open_files() - fds < 5, "none is, once they are acknowledged");

    referral_journals_destroy(js);
}


/* a worker that restarts repeatedly leaves a journal each time */

static void
test_many(void)
{
    int                   fds;
    unsigned              n, good;
    referral_frame_t      frame;
    referral_reader_t    *r[MANY];
    referral_journal_t   *j, *next;
    referral_journals_t  *js;

    fresh_root();

    for (n = 0; n < MANY; n++) {
        js = open_plain();
        (void) append(js, 2);
        (void) referral_journal_flush(js, NOW, 0);
        referral_journals_destroy(js);
    }

    js = open_plain();
    fds = open_files();

    while (referral_journals_adopt(js, 0) > 0) { /* void */ }

    good = 0;
    n = 0;

    for (j = adopted(js); j && n < MANY; j = referral_journals_next(js, j)) {
        r[n] = referral_reader_open(js, j, 0, 0);
        good += next_of(r[n], &frame) == REFERRAL_OK && frame.seq == 1
                && next_of(r[n], &frame) == REFERRAL_OK && frame.seq == 2;
        referral_journal_ack(js, j, 2, 0);
        referral_reader_rest(r[n++]);
    }

    ok(n == MANY && good == MANY, "many journals are adopted and read");
    ok(open_files() - fds < 5, "none is held open while it is kept");

    /* Redis lost what it had of the last journal */

    j = adopted(js);
    referral_journal_ack(js, j, 1, 0);
    referral_reader_seek(r[0], 2);
    ok(next_of(r[0], &frame) == REFERRAL_OK && frame.seq == 2
       && genuine(&frame, 2), "one that was let go is read again");
    referral_journal_ack(js, j, 2, 0);

    while (n) {
        referral_reader_close(r[--n]);
    }

    for ( /* void */ ; j; j = next) {
        next = referral_journals_next(js, j);
        referral_journal_finish(js, j, NOW);
    }

    ok(adopted(js) == NULL && open_files() - fds < 5, "and all end");

    referral_journals_destroy(js);

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 0, "their files too");
    referral_journals_destroy(js);
}


static void
test_renew(void)
{
    result_t              res;
    referral_journal_t   *old, *own;
    referral_journals_t  *js;

    /* another journal used the same id: the files are kept */

    fresh_root();

    js = open_plain();
    old = referral_journals_own(js);

    (void) append(js, 50);
    (void) referral_journal_flush(js, NOW, 0);
    (void) append(js, 5);

    ok(referral_journals_renew(js, NOW, 0) == REFERRAL_OK, "renewed");
    own = referral_journals_own(js);
    ok(own != old && own->own && own->last == 0, "under another id");
    drain(&res, js, old, 0);
    ok(res.got == 55 && res.rc == REFERRAL_JOURNAL_DONE,
       "the old one has all, the unflushed too");
    ok(referral_journals_adopt(js, 0) == 0, "and is not adopted from itself");

    referral_journal_ack(js, old, 55, 0);
    ok(referral_journals_ending(js, NULL, HOUR) == old, "it ends in time");
    referral_journal_finish(js, old, NOW);

    (void) append(js, 5);
    ok(referral_journal_flush(js, NOW, 0) == REFERRAL_OK && own->last == 5,
       "the new one is written");

    referral_journals_destroy(js);
}


static void
test_sync(void)
{
    int                       fd, i;
    result_t                  res;
    referral_journal_t       *own;
    referral_journals_t      *js;
    referral_journals_stat_t  stat;

    fresh_root();

    js = open_with(1 << 30, 0, REFERRAL_SYNC_ALWAYS, 128 * 1024);
    own = referral_journals_own(js);

    ok(referral_journal_sync_begin(js, &fd) == REFERRAL_DECLINED,
       "nothing is to be synced");

    (void) append(js, 10);
    (void) referral_journal_flush(js, NOW, 0);

    ok(referral_journal_sync_begin(js, &fd) == REFERRAL_OK, "now there is");
    ok(referral_journal_sync_begin(js, &i) == REFERRAL_DECLINED,
       "one at a time");

    (void) append(js, 10);
    (void) referral_journal_flush(js, NOW, 0);

    referral_journal_sync_end(js, referral_journal_sync_fd(fd), NOW, 0);
    ok(own->synced == 10, "what was written before is safe, not what came "
       "after");

    ok(referral_journal_sync_begin(js, &fd) == REFERRAL_OK, "that is next");
    referral_journal_sync_end(js, referral_journal_sync_fd(fd), NOW, 0);
    ok(own->synced == 20
       && referral_journal_sync_begin(js, &fd) == REFERRAL_DECLINED,
       "all is safe");

    /* across segments */

    for (i = 0; i < 100; i++) {
        (void) append(js, 16);
        (void) referral_journal_flush(js, NOW, 0);
    }

    for (i = 0; referral_journal_sync_begin(js, &fd) == REFERRAL_OK; i++) {
        referral_journal_sync_end(js, referral_journal_sync_fd(fd), NOW, 0);
    }

    referral_journals_stat(js, &stat);
    ok(i >= 2 && own->synced == own->last && own->last == 1620
       && stat.segments == (unsigned) i, "each segment is synced");

    /* EIO: the file is not synced again */

    (void) append(js, 30);
    (void) referral_journal_flush(js, NOW, 5000);
    (void) referral_journal_sync_begin(js, &fd);
    (void) append(js, 20);
    (void) referral_journal_flush(js, NOW, 5000);
    (void) referral_journal_sync_fd(fd);
    referral_journal_sync_end(js, EIO, NOW, 5000);

    referral_journals_stat(js, &stat);
    ok(stat.segments == (unsigned) i + 1 && stat.queued == 0,
       "after EIO what is in memory goes to a new segment, at once");
    ok(own->synced == 1620, "nothing was called safe");

    drain(&res, js, own, 0);
    ok(res.got == 1670 && res.bad == 0 && res.wrong == 0, "each comes once");

    (void) referral_journal_sync_begin(js, &fd);
    (void) referral_journal_sync_fd(fd);
    referral_journal_sync_end(js, EIO, NOW, 5500);
    referral_journals_stat(js, &stat);
    ok(stat.disk_failed && stat.queued == 50 && stat.err == EIO,
       "a second EIO within a second: memory");

    drain(&res, js, own, 0);
    ok(res.got == 1670 && res.bad == 0 && res.wrong == 0,
       "each comes once, from memory");

    (void) referral_journals_tick(js, NOW, 6500);
    referral_journals_stat(js, &stat);
    ok(!stat.disk_failed && stat.queued == 0, "and out again");

    (void) referral_journal_sync_begin(js, &fd);
    referral_journal_sync_end(js, referral_journal_sync_fd(fd), NOW, 6500);
    ok(own->synced == 1670, "safe at last");

    referral_journals_destroy(js);

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 1, "adopted");
    drain(&res, js, adopted(js), 0);
    ok(res.got == 1670 && res.bad == 0 && res.wrong == 0
       && res.rc == REFERRAL_JOURNAL_DONE,
       "records that are in two segments come once");
    referral_journals_destroy(js);
}


static void
test_bad_once(void)
{
    u_char               *copy;
    unsigned              i;
    referral_frame_t      frame;
    referral_reader_t    *r;
    referral_journals_t  *js;

    fresh_root();

    copy = malloc(image_size);
    memcpy(copy, image, image_size);

    copy[image_at[500] + 40] ^= 1;
    copy[image_at[RECORDS] + 40] ^= 1;

    (void) put_file(image_id, image_name, copy, image_size);
    free(copy);

    js = open_plain();
    (void) referral_journals_adopt(js, 0);

    ok(adopted(js)->last == RECORDS,
       "the last record is damaged, its number is not");

    r = referral_reader_open(js, adopted(js), 0, 1);

    for (i = 0; i < 3; i++) {
        int  rc;

        referral_reader_seek(r, 400);

        do {
            rc = next_of(r, &frame);
        } while (rc == REFERRAL_OK);

        if (rc != REFERRAL_JOURNAL_DONE || r->next != RECORDS + 1) {
            break;
        }
    }

    ok(i == 3 && r->bad == 2, "what is bad is counted once, however often it "
       "is read");

    referral_reader_close(r);
    referral_journals_destroy(js);
}


static void
test_alias(void)
{
    char                      path[256];
    u_char                    id[REFERRAL_JOURNAL_ID_SIZE];
    struct stat               st;
    referral_str_t            shop = referral_string("shop");
    referral_str_t            club = referral_string("club.2");
    referral_str_t            evil = referral_string("../x");
    referral_alias_t         *alias;
    referral_journal_t       *j;
    referral_journals_t      *js;

    fresh_root();

    js = open_plain();
    j = referral_journals_own(js);

    ok(referral_journal_alias(j, &shop) == NULL, "no alias at first");
    ok(referral_journal_alias_begin(js, j, &evil, 1) == NULL,
       "what cannot be a file's name has none");

    alias = referral_journal_alias_begin(js, j, &shop, 3);
    ok(alias && alias->active && alias->from == 3
       && referral_journal_alias(j, &shop) == alias
       && memcmp(alias->id, j->id, sizeof(id)) != 0,
       "an alias, before there is anything on the disk");

    (void) append(js, 10);
    (void) referral_journal_flush(js, NOW, 0);
    (void) referral_journals_tick(js, NOW, 0);

    alias = referral_journal_alias_begin(js, j, &club, 5);
    ok(referral_journal_alias_note(js, j) == REFERRAL_OK, "it is noted");
    memcpy(id, alias->id, sizeof(id));

    alias = referral_journal_alias_begin(js, j, &club, 7);
    ok(memcmp(id, alias->id, sizeof(id)) != 0, "another one takes its place");
    memcpy(id, alias->id, sizeof(id));

    referral_journals_destroy(js);

    js = open_plain();
    ok(referral_journals_adopt(js, 0) == 1, "the journal is adopted");
    j = adopted(js);

    alias = referral_journal_alias(j, &shop);
    ok(alias && alias->active && alias->from == 3,
       "with the alias that was noted later");

    alias = referral_journal_alias(j, &club);
    ok(alias && alias->from == 7 && memcmp(alias->id, id, sizeof(id)) == 0,
       "and the last one of each name");

    referral_journal_alias_end(js, j, alias);
    ok(!alias->active, "one ends");
    referral_journals_destroy(js);

    js = open_plain();
    (void) referral_journals_adopt(js, 0);
    j = adopted(js);
    ok(referral_journal_alias(j, &shop)
       && referral_journal_alias(j, &club) == NULL,
       "and is not there in the next life");

    referral_journal_ack(js, j, j->last, 0);
    ok(referral_journal_unlink(js, j, NOW) == REFERRAL_OK,
       "a journal with an alias ends");
    referral_journal_finish(js, j, NOW);

    (void) snprintf(path, sizeof(path), "%s/damaged", root);
    ok(stat(path, &st) == -1, "and leaves nothing");

    referral_journals_destroy(js);
}


/* a reader without work holds no memory for reading */

static void
test_rest(void)
{
    unsigned              i;
    referral_frame_t      frame;
    referral_reader_t    *r;
    referral_journals_t  *js;

    fresh_root();

    js = open_plain();
    r = referral_reader_open(js, referral_journals_own(js), 0, 0);

    ok(r->buf == NULL, "nothing to read needs no memory");
    ok(referral_reader_next(r, &frame) == REFERRAL_AGAIN && r->buf == NULL,
       "nor does an empty journal");

    (void) append(js, 10);
    (void) referral_journal_flush(js, NOW, 0);

    for (i = 1; i <= 10; i++) {

        if (referral_reader_next(r, &frame) != REFERRAL_OK
            || frame.seq != i || !genuine(&frame, i) || r->buf == NULL)
        {
            break;
        }

        if (i % 3 == 0) {
            referral_reader_rest(r);

            if (r->buf) {
                break;
            }
        }
    }

    ok(i == 11, "it goes on after each rest where it was");

    referral_reader_rest(r);
    referral_reader_seek(r, 4);
    ok(referral_reader_next(r, &frame) == REFERRAL_OK && frame.seq == 4
       && genuine(&frame, 4) && r->bad == 0, "and goes back");

    referral_reader_close(r);
    referral_journals_destroy(js);
}


/* what a process did to its journal and left: how often each record is there */

static unsigned
left_behind(result_t *res)
{
    unsigned              n;
    referral_journals_t  *js;

    js = open_with(1 << 30, 0, REFERRAL_SYNC_ALWAYS, 16 << 20);

    memset(res, 0, sizeof(result_t));
    n = referral_journals_adopt(js, 0);

    if (n == 1) {
        drain(res, js, adopted(js), 0);
    }

    referral_journals_destroy(js);

    return n;
}


static int
sync_all(referral_journals_t *js, int err, int64_t mono)
{
    int       fd;
    unsigned  n;

    for (n = 0; n < 10; n++) {

        if (referral_journal_sync_begin(js, &fd) == REFERRAL_DECLINED) {
            break;
        }

        referral_journal_sync_end(js, err, NOW, mono);
    }

    return n;
}


/*
 * Records whose sender is told: while the disk fails nothing of them piles up,
 * and no number tells of another record than the one that has it.
 */

static void
test_offer(void)
{
    int                       status;
    char                      why[64];
    u_char                    buf[512];
    pid_t                     pid;
    size_t                    bytes;
    int64_t                   mono;
    uint64_t                  seq;
    unsigned                  i;
    result_t                  res;
    struct rlimit             rl, old;
    referral_journal_t       *own;
    referral_journals_t      *js;
    referral_journals_stat_t  stat;

    /* the disk takes nothing for an hour, in which a sender tries each turn */

    fresh_root();
    fflush(stdout);

    pid = fork();

    if (pid == 0) {
        (void) signal(SIGXFSZ, SIG_IGN);

        js = open_with(1 << 30, 0, REFERRAL_SYNC_ALWAYS, 16 << 20);
        own = referral_journals_own(js);

        (void) append(js, 5);
        (void) referral_journal_flush(js, NOW, 0);
        (void) sync_all(js, 0, 0);

        (void) getrlimit(RLIMIT_FSIZE, &old);
        rl = old;
        rl.rlim_cur = 1;
        (void) setrlimit(RLIMIT_FSIZE, &rl);

        referral_journals_stat(js, &stat);
        bytes = stat.queue_bytes;
        i = 0;

        for (mono = 0; mono < HOUR; mono += 250) {

            if (referral_journal_offer(js, buf, payload(buf, 99), NOW, mono,
                                       &seq)
                != REFERRAL_OK)
            {
                continue;
            }

            i++;
            strcpy(why, "number");
            if (seq != 6) {
                goto failed;
            }

            strcpy(why, "written");
            if (referral_journal_flush(js, NOW, mono) == REFERRAL_OK
                || sync_all(js, 0, mono) != 0 || own->synced != 5)
            {
                goto failed;
            }

            strcpy(why, "retracted");
            if (referral_journal_retract(js, 6) != 1 || own->last != 5
                || own->flushed != 5
                || referral_journals_unwritten(js, NULL) != 0)
            {
                goto failed;
            }
        }

        strcpy(why, "tries");
        if (i < HOUR / 1000 - 1 || i > HOUR / 1000 + 1) {
            goto failed;
        }

        referral_journals_stat(js, &stat);

        strcpy(why, "statistics");
        if (stat.queue_bytes != bytes || stat.dropped[REFERRAL_DROP_SPACE]
            || stat.dropped[REFERRAL_DROP_DISK] || stat.appended != 5
            || stat.segments != 1)
        {
            goto failed;
        }

        (void) setrlimit(RLIMIT_FSIZE, &old);

        strcpy(why, "well again");
        mono = 2 * HOUR;
        if (referral_journal_offer(js, buf, payload(buf, 6), NOW + 6, mono,
                                   &seq)
            != REFERRAL_OK
            || seq != 6
            || referral_journal_flush(js, NOW, mono) != REFERRAL_OK
            || sync_all(js, 0, mono) == 0 || own->synced != 6
            || referral_journal_retract(js, 1) != 0 || own->last != 6)
        {
            goto failed;
        }

        drain(&res, js, own, 0);

        strcpy(why, "read");
        if (res.got != 6 || res.bad || res.wrong) {
            goto failed;
        }

        _exit(0);

    failed:

        fprintf(stderr, "# offer: %s\n", why);
        _exit(1);
    }

    (void) waitpid(pid, &status, 0);
    ok(status == 0, "nothing piles up of what a full disk refused");
    ok(left_behind(&res) == 1 && res.got == 6 && res.bad == 0
       && res.wrong == 0, "and nothing of it is found by a later life");

    /* fdatasync fails: in a file with older records, then in files alone */

    fresh_root();

    js = open_with(1 << 30, 0, REFERRAL_SYNC_ALWAYS, 16 << 20);
    own = referral_journals_own(js);

    (void) append(js, 5);
    (void) referral_journal_flush(js, NOW, 0);
    (void) sync_all(js, 0, 0);

    for (mono = 0; mono < 100000; mono += 1000) {

        if (referral_journal_offer(js, buf, payload(buf, 99), NOW, mono, &seq)
            != REFERRAL_OK
            || seq != 6
            || referral_journal_flush(js, NOW, mono) != REFERRAL_OK
            || sync_all(js, EIO, mono) == 0
            || referral_journal_retract(js, 1) != 1)
        {
            break;
        }
    }

    referral_journals_stat(js, &stat);

    ok(mono == 100000 && own->last == 5 && own->synced == 5,
       "what fdatasync does not tell of is taken back");
    ok(stat.segments == 1 && stat.appended == 5, "with its files");
    ok(stat.dropped[REFERRAL_DROP_DISK] == 0, "and is not dropped");

    ok(referral_journal_offer(js, buf, payload(buf, 6), NOW + 6, mono, &seq)
       == REFERRAL_OK && seq == 6
       && referral_journal_flush(js, NOW, mono) == REFERRAL_OK
       && sync_all(js, 0, mono) == 1 && own->synced == 6,
       "the next one has its number");
    drain(&res, js, own, 0);
    ok(res.got == 6 && res.wrong == 0, "and is what is read");
    referral_journals_destroy(js);

    ok(left_behind(&res) == 1 && res.got == 6 && res.bad == 0
       && res.wrong == 0, "and what is found by a later life");

    /* what has no file, what is acknowledged, how old the oldest is */

    js = open_with(1 << 30, 0, REFERRAL_SYNC_ALWAYS, 16 << 20);
    own = referral_journals_own(js);

    (void) append(js, 40);
    ok(referral_journal_retract(js, 31) == 10 && own->last == 30,
       "the end alone is taken back");
    (void) referral_journal_flush(js, NOW, 0);
    ok(referral_journal_retract(js, 1) == 0 && own->last == 30,
       "what is written stays");

    (void) referral_journal_offer(js, buf, payload(buf, 31), NOW + 60000, 0,
                                  &seq);
    (void) referral_journal_retract(js, 31);
    (void) referral_journal_offer(js, buf, payload(buf, 31), NOW + 120000, 0,
                                  &seq);
    referral_journal_ack(js, own, 30, 0);
    referral_journals_stat(js, &stat);
    ok(stat.oldest == NOW + 120000, "its time is forgotten too");

    ok(referral_journal_offer(js, NULL, REFERRAL_FRAME_PAYLOAD_MAX + 1, NOW, 0,
                              &seq)
       == REFERRAL_ERROR, "what is too long is refused");
    referral_journals_stat(js, &stat);
    ok(stat.dropped[REFERRAL_DROP_SIZE] == 0, "and not counted");
    referral_journals_destroy(js);
}


int
main(void)
{
    if (make_root("/dev/shm") != 0 && make_root("/tmp") != 0) {
        return 1;
    }

    /* thousands of small files */

    test_names();
    make_image();
    test_truncated();
    test_flips();
    test_forged();
    test_damage();
    test_bad_once();

    /* on a disk, if the machine has one */

    rm_tree(root);

    if (make_root("/tmp") != 0) {
        return 1;
    }

    test_write_and_read();

    /* valgrind is no good at signals and limits */

    if (getenv("UNIT_VALGRIND") == NULL) {
        test_kill();
        test_disk_full();
        test_offer();
    }

    test_slots();
    test_max();
    test_ends();
    test_retention();
    test_emptied();
    test_emptied_closed();
    test_many();
    test_renew();
    test_alias();
    test_rest();
    test_sync();

    rm_tree(root);
    free(image);

    return unit_done();
}
