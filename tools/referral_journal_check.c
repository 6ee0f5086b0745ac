/*
 * Verifies the journal, of clicks or of events; never writes to it:
 *
 *     referral_journal_check FILE [JOURNAL_ID]     verifies one segment
 *     referral_journal_check [--marks] DIRECTORY   verifies and lists slots,
 *                                                  journals and segments
 *
 * Writes one JSON object to stdout.  Exit code: 0 all is well, 1 something is
 * damaged, 2 there is nothing to verify.  The segment of a running worker may
 * end in a record that is being written: bytes at its end that are no record
 * are read a second time.
 *
 * For each program of a journal it counts the records beyond the mark.
 * Without marks that is all of them; with --marks it reads them from stdin, as
 * lines "JOURNAL_ID PROGRAM MARK".
 *
 * JOURNAL_ID is needed only for a file with a damaged header that is not in
 * the directory of its journal.
 */


#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>

#include "referral_event.h"
#include "referral_record.h"
#include "referral_journal.h"
#include "referral_segment.h"


#define CHECK_BUFFER   (256 * 1024)
#define CHECK_DAMAGES  20           /* that are listed one by one */
#define CHECK_OWNERS   4096
#define CHECK_NAMES    100000       /* read of one directory, at most */
#define CHECK_PROGRAMS 1000         /* counted separately in one journal */
#define CHECK_MARKS    100000
#define CHECK_AGAIN    50           /* ms before the end of a live segment is
                                       read again */


typedef struct {
    off_t                      offset;
    off_t                      bytes;
} check_damage_t;


typedef struct {
    u_char                     name[REFERRAL_PROGRAM_MAX];
    size_t                     len;
    uint64_t                   mark;
    uint64_t                   last;
    uint64_t                   records;
    uint64_t                   unsent;      /* records beyond the mark */
    int64_t                    unsent_at;   /* time of the first of them */
} check_program_t;


/* a record that is in several segments counts once */

typedef struct {
    const char                *id;
    uint64_t                   first;
    uint64_t                   last;
    uint64_t                   records;
    uint64_t                   missing;
    uint64_t                   unreadable;  /* payloads that are no record */
    uint64_t                   newer;       /* of a newer version */
    uint64_t                   others;      /* of programs beyond
                                               CHECK_PROGRAMS */
    int64_t                    first_at;
    int64_t                    last_at;
    size_t                     recent;
    size_t                     nprograms;
    check_program_t            programs[CHECK_PROGRAMS];
} check_journal_t;


typedef struct {
    char                       id[REFERRAL_JOURNAL_ID_LEN + 1];
    char                       program[REFERRAL_PROGRAM_MAX + 1];
    uint64_t                   mark;
} check_mark_t;


typedef struct {
    check_journal_t           *journal;     /* or NULL */
    int                        header;      /* of header_read() */
    referral_segment_header_t  head;
    off_t                      bytes;
    uint64_t                   records;
    uint64_t                   repeated;    /* a sequence number that was not
                                               the next one */
    uint64_t                   damaged;     /* invalid payloads of valid
                                               headers */
    uint64_t                   missing;     /* sequence numbers between
                                               records */
    uint64_t                   first;
    uint64_t                   last;
    int64_t                    first_at;
    int64_t                    last_at;
    off_t                      lost;        /* bytes that belong to no
                                               record */
    off_t                      tail;        /* those of them at the end */
    unsigned                   ndamages;
    check_damage_t             damages[CHECK_DAMAGES];
} check_t;


typedef struct {
    ino_t                      inode;
    long                       pid;
} check_owner_t;


typedef struct {
    char                     **name;
    size_t                     n;
} check_names_t;


static int check_segment(check_t *c, check_journal_t *journal, int fd,
    uint64_t from, const u_char *id);
static void check_parse(check_t *c, uint32_t seed, u_char *buf, size_t *pos,
    size_t end, off_t offset, int eof);
static void check_record(check_t *c, const referral_frame_t *frame);
static int check_decode(const check_t *c, const referral_frame_t *frame,
    referral_str_t *program);
static check_program_t *check_program(check_journal_t *journal,
    const referral_str_t *name);
static void check_damage(check_t *c, off_t offset, off_t bytes);
static int check_file(const char *path, const char *id_text);
static void check_print_segment(const check_t *c);
static int check_directory(const char *path);
static int check_slot(int root, const char *name, int *comma);
static int check_journal(int slot, const char *name, int held, int *comma);
static void check_print_aliases(int dir, const check_names_t *names);
static void check_print_journal(const check_journal_t *journal);
static int check_marks(void);
static void check_owners(void);
static long check_owner(ino_t inode);
static int check_names(check_names_t *names, int dir, const char *name);
static void check_names_free(check_names_t *names);
static int check_names_cmp(const void *one, const void *two);
static void check_print_string(const char *s);


static check_owner_t     owners[CHECK_OWNERS];
static size_t            nowners;
static int               owners_known;

static check_mark_t     *marks;
static size_t            nmarks;

static check_journal_t   current;       /* too large for the stack */


int
main(int argc, char **argv)
{
    int          with_marks;
    struct stat  st;

    with_marks = (argc > 1 && strcmp(argv[1], "--marks") == 0);

    if (with_marks) {
        argv[1] = argv[0];
        argv++;
        argc--;
    }

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s FILE [JOURNAL_ID] | [--marks] DIRECTORY\n",
                argv[0]);
        return 2;
    }

    if (with_marks && check_marks() != REFERRAL_OK) {
        fprintf(stderr, "the marks are not understood, or too many\n");
        return 2;
    }

    if (stat(argv[1], &st) == -1) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        return 2;
    }

    if (S_ISDIR(st.st_mode)) {
        return check_directory(argv[1]);
    }

    if (!S_ISREG(st.st_mode)) {
        fprintf(stderr, "%s: neither a file nor a directory\n", argv[1]);
        return 2;
    }

    return check_file(argv[1], argc == 3 ? argv[2] : NULL);
}


static int
check_file(const char *path, const char *id_text)
{
    int            fd, known, named, bad;
    char           full[PATH_MAX], text[REFERRAL_JOURNAL_ID_LEN + 1];
    char          *base, *dir;
    u_char         id[REFERRAL_JOURNAL_ID_SIZE];
    check_t        c;
    unsigned       n;
    uint64_t       from;

    if (id_text && referral_journal_id_parse(id, id_text) != REFERRAL_OK) {
        fprintf(stderr, "%s: not a journal's id\n", id_text);
        return 2;
    }

    known = (id_text != NULL);
    named = 0;
    from = 0;

    if (realpath(path, full) != NULL) {
        base = strrchr(full, '/');
        *base++ = '\0';

        named = (referral_segment_name_parse(&from, &n, base) == REFERRAL_OK);

        dir = strrchr(full, '/');

        if (!known && dir) {
            known = (referral_journal_id_parse(id, dir + 1) == REFERRAL_OK);
        }
    }

    fd = open(path, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 2;
    }

    if (check_segment(&c, NULL, fd, named ? from : 1, known ? id : NULL)
        != REFERRAL_OK)
    {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        (void) close(fd);
        return 2;
    }

    (void) close(fd);

    if (c.header == REFERRAL_OK && !known) {
        memcpy(id, c.head.id, REFERRAL_JOURNAL_ID_SIZE);
        known = 1;
    }

    printf("{\"file\":");
    check_print_string(path);

    if (known) {
        referral_journal_id_text(text, id);
        printf(",\"journal\":\"%s\"", text);
    }

    printf(",");
    check_print_segment(&c);
    printf("}\n");

    bad = c.header != REFERRAL_OK || c.lost || c.missing || c.damaged
          || c.repeated;

    return bad;
}


static int
check_segment(check_t *c, check_journal_t *journal, int fd, uint64_t from,
    const u_char *id)
{
    off_t        offset;
    size_t       pos, end;
    u_char      *buf;
    ssize_t      n;
    uint32_t     seed;
    uint64_t     have;
    struct stat  st;

    memset(c, 0, sizeof(check_t));

    c->journal = journal;
    c->header = REFERRAL_ERROR;

    if (fstat(fd, &st) == -1) {
        return REFERRAL_ERROR;
    }

    c->bytes = st.st_size;

    buf = malloc(CHECK_BUFFER);
    if (buf == NULL) {
        return REFERRAL_ERROR;
    }

    n = pread(fd, buf, REFERRAL_SEGMENT_HEADER, 0);

    if (n == -1) {
        free(buf);
        return REFERRAL_ERROR;
    }

    c->header = referral_segment_header_read(&c->head, buf, n,
                                             REFERRAL_SEGMENT_VERSION);

    if (c->header == REFERRAL_DECLINED
        && c->head.version == REFERRAL_SEGMENT_EVENTS)
    {
        c->header = referral_segment_header_read(&c->head, buf, n,
                                                 REFERRAL_SEGMENT_EVENTS);
    }

    if (c->header == REFERRAL_OK) {

        if (id && memcmp(id, c->head.id, REFERRAL_JOURNAL_ID_SIZE) != 0) {
            c->header = REFERRAL_ERROR;

        } else {
            id = c->head.id;
            from = c->head.first;
        }
    }

    if (c->header == REFERRAL_DECLINED || id == NULL) {
        free(buf);
        return REFERRAL_OK;
    }

    if (journal) {

        /*
         * Records that were sent from memory while the disk failed are not
         * missing.
         */

        have = journal->last;

        if (c->header == REFERRAL_OK && have < c->head.acked) {
            have = c->head.acked;
        }

        if (journal->last && have < from - 1) {
            journal->missing += from - 1 - have;
        }

        if (journal->last < from - 1) {
            journal->last = from - 1;
        }
    }

    seed = referral_segment_seed(id);
    offset = 0;
    pos = 0;
    end = 0;

    c->last = from - 1;

    if (c->header == REFERRAL_OK) {
        offset = REFERRAL_SEGMENT_HEADER;
    }

    for ( ;; ) {
        memmove(buf, buf + pos, end - pos);
        offset += pos;
        end -= pos;
        pos = 0;

        n = pread(fd, buf + end, CHECK_BUFFER - end, offset + end);

        if (n == -1) {
            free(buf);
            return REFERRAL_ERROR;
        }

        end += n;

        check_parse(c, seed, buf, &pos, end, offset, n == 0);

        if (n == 0) {
            break;
        }
    }

    free(buf);

    return REFERRAL_OK;
}


static void
check_parse(check_t *c, uint32_t seed, u_char *buf, size_t *pos, size_t end,
    off_t offset, int eof)
{
    int               rc;
    size_t            p, begin;
    referral_frame_t  frame;

    p = *pos;

    while (p < end) {
        rc = referral_frame_read(&frame, seed, buf + p, end - p);

        if (rc == REFERRAL_AGAIN && !eof) {
            break;
        }

        if (rc == REFERRAL_OK) {
            p += frame.size;

            if (frame.seq <= c->last) {
                c->repeated++;
                continue;
            }

            c->missing += frame.seq - c->last - 1;
            c->last = frame.seq;
            c->last_at = frame.at;

            if (c->records++ == 0) {
                c->first = frame.seq;
                c->first_at = frame.at;
            }

            c->tail = 0;

            if (c->journal) {
                check_record(c, &frame);
            }

            continue;
        }

        if (rc == REFERRAL_DECLINED) {
            c->damaged++;
        }

        begin = p++;
        p += referral_frame_scan(buf + p, end - p);

        check_damage(c, offset + begin, p - begin);
    }

    *pos = p;
}


static void
check_record(check_t *c, const referral_frame_t *frame)
{
    referral_str_t    name;
    check_journal_t  *journal;
    check_program_t  *program;

    journal = c->journal;

    if (frame->seq <= journal->last) {
        return;
    }

    if (journal->records++ == 0) {
        journal->first = frame->seq;
        journal->first_at = frame->at;
    }

    journal->last = frame->seq;
    journal->last_at = frame->at;

    switch (check_decode(c, frame, &name)) {

    case REFERRAL_OK:
        break;

    case REFERRAL_DECLINED:
        journal->newer++;
        return;

    default:
        journal->unreadable++;
        return;
    }

    program = check_program(journal, &name);

    if (program == NULL) {
        journal->others++;
        return;
    }

    program->records++;
    program->last = frame->seq;

    if (frame->seq > program->mark && program->unsent++ == 0) {
        program->unsent_at = frame->at;
    }
}


/* where the header is damaged, it is what it can be read as */

static int
check_decode(const check_t *c, const referral_frame_t *frame,
    referral_str_t *program)
{
    int                rc;
    referral_event_t   event;
    referral_record_t  record;

    if (c->header != REFERRAL_OK
        || c->head.version == REFERRAL_SEGMENT_VERSION)
    {
        rc = referral_record_decode(&record, frame->data, frame->len);

        if (rc == REFERRAL_OK) {
            *program = record.text[REFERRAL_TEXT_PROGRAM];
        }

        if (rc == REFERRAL_OK || c->header == REFERRAL_OK) {
            return rc;
        }
    }

    rc = referral_event_decode(&event, frame->data, frame->len);

    if (rc == REFERRAL_OK) {
        *program = event.text[REFERRAL_EVENT_TEXT_PROGRAM];
    }

    return rc;
}


static check_program_t *
check_program(check_journal_t *journal, const referral_str_t *name)
{
    size_t            i;
    check_program_t  *program;

    /* most records are of the same program as the one before */

    for (i = 0; i <= journal->nprograms; i++) {
        program = &journal->programs[i ? i - 1 : journal->recent];

        if (program->len == name->len
            && memcmp(program->name, name->data, name->len) == 0)
        {
            journal->recent = program - journal->programs;
            return program;
        }
    }

    if (journal->nprograms == CHECK_PROGRAMS
        || name->len > REFERRAL_PROGRAM_MAX)
    {
        return NULL;
    }

    journal->recent = journal->nprograms++;
    program = &journal->programs[journal->recent];

    memset(program, 0, sizeof(check_program_t));
    memcpy(program->name, name->data, name->len);
    program->len = name->len;

    for (i = 0; i < nmarks; i++) {

        if (strcmp(marks[i].id, journal->id) == 0
            && strlen(marks[i].program) == name->len
            && memcmp(marks[i].program, name->data, name->len) == 0)
        {
            program->mark = marks[i].mark;
            break;
        }
    }

    return program;
}


static void
check_damage(check_t *c, off_t offset, off_t bytes)
{
    check_damage_t  *d;

    c->lost += bytes;
    c->tail += bytes;

    if (c->ndamages) {
        d = &c->damages[c->ndamages - 1];

        if (d->offset + d->bytes == offset) {
            d->bytes += bytes;
            return;
        }
    }

    if (c->ndamages < CHECK_DAMAGES) {
        d = &c->damages[c->ndamages++];
        d->offset = offset;
        d->bytes = bytes;
    }
}


static void
check_print_segment(const check_t *c)
{
    unsigned  i;

    printf("\"header\":\"%s\",\"bytes\":%lld",
           c->header == REFERRAL_OK ? "ok"
           : c->header == REFERRAL_DECLINED ? "foreign" : "damaged",
           (long long) c->bytes);

    if (c->header == REFERRAL_DECLINED) {
        printf(",\"version\":%u", c->head.version);
        return;
    }

    if (c->header == REFERRAL_OK) {
        printf(",\"version\":%u,\"created\":%lld,\"acknowledged\":%llu",
               c->head.version, (long long) c->head.created,
               (unsigned long long) c->head.acked);
    }

    printf(",\"records\":%llu", (unsigned long long) c->records);

    if (c->records) {
        printf(",\"first\":%llu,\"last\":%llu,\"first_at\":%lld"
               ",\"last_at\":%lld",
               (unsigned long long) c->first, (unsigned long long) c->last,
               (long long) c->first_at, (long long) c->last_at);
    }

    printf(",\"missing\":%llu,\"damaged_payloads\":%llu,\"repeated\":%llu"
           ",\"lost_bytes\":%lld,\"tail_bytes\":%lld,\"damage\":[",
           (unsigned long long) c->missing, (unsigned long long) c->damaged,
           (unsigned long long) c->repeated, (long long) c->lost,
           (long long) c->tail);

    for (i = 0; i < c->ndamages; i++) {
        printf("%s{\"offset\":%lld,\"bytes\":%lld}", i ? "," : "",
               (long long) c->damages[i].offset,
               (long long) c->damages[i].bytes);
    }

    printf("]");
}


static int
check_directory(const char *path)
{
    int            root, comma, bad;
    size_t         i;
    check_names_t  names;

    root = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (root == -1 || check_names(&names, root, ".") != REFERRAL_OK) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 2;
    }

    check_owners();

    comma = 0;
    bad = 0;

    printf("{\"directory\":");
    check_print_string(path);
    printf(",\"slots\":[");

    for (i = 0; i < names.n; i++) {

        if (strncmp(names.name[i], "slot-", 5) == 0) {
            bad |= check_slot(root, names.name[i], &comma);
        }
    }

    printf("]}\n");

    check_names_free(&names);
    (void) close(root);

    return bad;
}


static int
check_slot(int root, const char *name, int *comma)
{
    int            slot, bad, first;
    long           pid;
    size_t         i;
    u_char         id[REFERRAL_JOURNAL_ID_SIZE];
    struct stat    st;
    check_names_t  names;

    slot = openat(root, name, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    if (slot == -1) {
        return 0;
    }

    if (check_names(&names, slot, ".") != REFERRAL_OK) {
        (void) close(slot);
        return 0;
    }

    printf("%s{\"slot\":", *comma ? "," : "");
    check_print_string(name);

    *comma = 1;
    pid = 0;

    if (fstatat(slot, "lock", &st, AT_SYMLINK_NOFOLLOW) == 0) {
        pid = check_owner(st.st_ino);
    }

    /*
     * Pid is 0 if the lock is free, -1 if its owner is in another pid
     * namespace.
     */

    if (!owners_known) {
        printf(",\"held\":null,\"owner\":null");

    } else if (pid > 0) {
        printf(",\"held\":true,\"owner\":%ld", pid);

    } else {
        printf(",\"held\":%s,\"owner\":null", pid ? "true" : "false");
    }

    printf(",\"journals\":[");

    bad = 0;
    first = 0;

    for (i = 0; i < names.n; i++) {

        if (referral_journal_id_parse(id, names.name[i]) == REFERRAL_OK) {
            bad |= check_journal(slot, names.name[i], pid != 0, &first);
        }
    }

    printf("]}");

    check_names_free(&names);
    (void) close(slot);

    return bad;
}


static int
check_journal(int slot, const char *name, int held, int *comma)
{
    int              fd, dir, bad, more, rc, again;
    u_char           id[REFERRAL_JOURNAL_ID_SIZE];
    size_t           i, end;
    check_t          c;
    unsigned         n;
    uint64_t         from;
    long long        bytes;
    struct stat      st;
    check_names_t    names;
    struct timespec  pause;

    dir = openat(slot, name, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    if (dir == -1) {
        return 0;
    }

    if (check_names(&names, dir, ".") != REFERRAL_OK) {
        (void) close(dir);
        return 0;
    }

    (void) referral_journal_id_parse(id, name);

    memset(&current, 0, offsetof(check_journal_t, programs));
    current.programs[0].len = 0;
    current.id = name;

    printf("%s{\"journal\":\"%s\",\"segments\":[", *comma ? "," : "", name);

    *comma = 1;
    more = 0;
    bad = 0;
    bytes = 0;
    end = 0;

    for (i = 0; i < names.n; i++) {
        if (referral_segment_name_parse(&from, &n, names.name[i])
            == REFERRAL_OK)
        {
            end = i;
        }
    }

    for (i = 0; i < names.n; i++) {

        if (referral_segment_name_parse(&from, &n, names.name[i])
            != REFERRAL_OK)
        {
            continue;
        }

        fd = openat(dir, names.name[i], O_RDONLY|O_NOFOLLOW|O_CLOEXEC);

        if (fd == -1) {

            /*
             * The segment was removed after its retention; nothing precedes
             * the next one.
             */

            if (errno == ENOENT && current.last < from) {
                current.last = 0;

            } else {
                bad = 1;
            }

            continue;
        }

        if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
            (void) close(fd);
            continue;
        }

        again = (held && i == end);

        for ( ;; ) {
            rc = check_segment(&c, &current, fd, from, id);

            if (!again || rc != REFERRAL_OK
                || (c.header == REFERRAL_OK && c.tail == 0))
            {
                break;
            }

            again = 0;

            pause.tv_sec = 0;
            pause.tv_nsec = CHECK_AGAIN * 1000000;
            (void) nanosleep(&pause, NULL);
        }

        (void) close(fd);

        if (rc != REFERRAL_OK) {
            bad = 1;
            continue;
        }

        printf("%s{\"file\":\"%s\",", more ? "," : "", names.name[i]);
        check_print_segment(&c);
        printf("}");

        more = 1;
        bytes += c.bytes;
        bad |= c.header == REFERRAL_ERROR || c.lost || c.missing || c.damaged
               || c.repeated;
    }

    printf("],\"aliases\":[");
    check_print_aliases(dir, &names);
    printf("],\"bytes\":%lld", bytes);
    check_print_journal(&current);
    printf("}");

    check_names_free(&names);
    (void) close(dir);

    return bad || current.missing || current.unreadable;
}


/* programs whose marks are under another journal id from some record on */

static void
check_print_aliases(int dir, const check_names_t *names)
{
    char            id_text[REFERRAL_JOURNAL_ID_LEN + 1];
    int             comma;
    u_char          id[REFERRAL_JOURNAL_ID_SIZE];
    size_t          i;
    uint64_t        from;
    referral_str_t  program;

    comma = 0;

    for (i = 0; i < names->n; i++) {

        if (referral_journal_alias_read(dir, names->name[i], &program, &from,
                                        id)
            != REFERRAL_OK
            || !referral_program_valid(&program))
        {
            continue;
        }

        referral_journal_id_text(id_text, id);

        printf("%s{\"program\":\"%.*s\",\"from\":%llu,\"journal\":\"%s\"}",
               comma ? "," : "", (int) program.len, program.data,
               (unsigned long long) from, id_text);

        comma = 1;
    }
}


static void
check_print_journal(const check_journal_t *journal)
{
    size_t                  i;
    const check_program_t  *program;

    printf(",\"records\":%llu,\"missing\":%llu,\"unreadable\":%llu"
           ",\"newer\":%llu,\"others\":%llu",
           (unsigned long long) journal->records,
           (unsigned long long) journal->missing,
           (unsigned long long) journal->unreadable,
           (unsigned long long) journal->newer,
           (unsigned long long) journal->others);

    if (journal->records) {
        printf(",\"first\":%llu,\"last\":%llu,\"first_at\":%lld"
               ",\"last_at\":%lld",
               (unsigned long long) journal->first,
               (unsigned long long) journal->last,
               (long long) journal->first_at, (long long) journal->last_at);
    }

    printf(",\"programs\":[");

    /* names of programs need no escaping: letters, digits and "_.-" */

    for (i = 0; i < journal->nprograms; i++) {
        program = &journal->programs[i];

        printf("%s{\"program\":\"%.*s\",\"records\":%llu,\"last\":%llu"
               ",\"unsent\":%llu",
               i ? "," : "", (int) program->len, program->name,
               (unsigned long long) program->records,
               (unsigned long long) program->last,
               (unsigned long long) program->unsent);

        if (program->unsent) {
            printf(",\"unsent_at\":%lld", (long long) program->unsent_at);
        }

        printf("}");
    }

    printf("]");
}


static int
check_marks(void)
{
    char           line[256], number[20];
    size_t         max;
    check_mark_t  *p, *mark;

    max = 0;

    while (fgets(line, sizeof(line), stdin)) {

        if (nmarks == max) {
            max = max ? max * 2 : 64;

            p = realloc(marks, max * sizeof(check_mark_t));
            if (p == NULL) {
                return REFERRAL_ERROR;
            }

            marks = p;
        }

        mark = &marks[nmarks];

        if (nmarks == CHECK_MARKS
            || sscanf(line, "%32s %64s %19[0-9]", mark->id, mark->program,
                      number)
               != 3)
        {
            return REFERRAL_ERROR;
        }

        mark->mark = strtoull(number, NULL, 10);
        nmarks++;
    }

    return REFERRAL_OK;
}


/*
 * Reads who holds the locks, without trying to take them.  The device is not
 * compared, because some file systems report another one to stat().
 */

static void
check_owners(void)
{
    long                pid;
    char                line[256];
    FILE               *f;
    unsigned long long  inode;

    f = fopen("/proc/locks", "re");
    if (f == NULL) {
        return;
    }

    owners_known = 1;

    while (nowners < CHECK_OWNERS && fgets(line, sizeof(line), f)) {

        if (sscanf(line, "%*s FLOCK %*s WRITE %ld %*[^:]:%*[^:]:%llu", &pid,
                   &inode)
            == 2)
        {
            owners[nowners].pid = pid ? pid : -1;
            owners[nowners].inode = (ino_t) inode;
            nowners++;
        }
    }

    (void) fclose(f);
}


static long
check_owner(ino_t inode)
{
    size_t  i;

    for (i = 0; i < nowners; i++) {

        if (owners[i].inode == inode) {
            return owners[i].pid;
        }
    }

    return 0;
}


/* the names in a directory, sorted */

static int
check_names(check_names_t *names, int dir, const char *name)
{
    int              fd;
    DIR             *d;
    char           **p, *copy;
    size_t           max;
    struct dirent   *de;

    names->name = NULL;
    names->n = 0;
    max = 0;

    fd = openat(dir, name, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    if (fd == -1) {
        return REFERRAL_ERROR;
    }

    d = fdopendir(fd);
    if (d == NULL) {
        (void) close(fd);
        return REFERRAL_ERROR;
    }

    while (names->n < CHECK_NAMES && (de = readdir(d)) != NULL) {

        if (names->n == max) {
            max = max ? max * 2 : 64;

            p = realloc(names->name, max * sizeof(char *));
            if (p == NULL) {
                goto failed;
            }

            names->name = p;
        }

        copy = strdup(de->d_name);
        if (copy == NULL) {
            goto failed;
        }

        names->name[names->n++] = copy;
    }

    (void) closedir(d);

    if (names->n) {
        qsort(names->name, names->n, sizeof(char *), check_names_cmp);
    }

    return REFERRAL_OK;

failed:

    (void) closedir(d);
    check_names_free(names);

    errno = ENOMEM;

    return REFERRAL_ERROR;
}


static void
check_names_free(check_names_t *names)
{
    size_t  i;

    for (i = 0; i < names->n; i++) {
        free(names->name[i]);
    }

    free(names->name);
}


static int
check_names_cmp(const void *one, const void *two)
{
    return strcmp(*(char *const *) one, *(char *const *) two);
}


/* writes each byte beyond ASCII as the code point of its value */

static void
check_print_string(const char *s)
{
    u_char  ch;

    putchar('"');

    for ( /* void */ ; *s; s++) {
        ch = (u_char) *s;

        if (ch < 0x20 || ch > 0x7e || ch == '"' || ch == '\\') {
            printf("\\u%04x", ch);

        } else {
            putchar(ch);
        }
    }

    putchar('"');
}
