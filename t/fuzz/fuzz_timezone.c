/* link: referral_timezone.c referral_timezone_file.c referral_timezone_rule.c referral_timezone_table.c referral_time.c referral_str.c */

/*
 * TZif files.  Whatever is taken for a zone answers: its changes rise, lie
 * where the offset changes, and a local time has a first and a last instant.
 * Behind a first byte "n" comes a name instead.
 */

#include "fuzz.h"
#include "referral_timezone_core.h"


#define CHANGES  64


static union {
    referral_timezone_t  zone;
    uint64_t             align;
    u_char               bytes[REFERRAL_TIMEZONE_SIZE];
} out;


/* version 2, two types, a change and a rule */

#define HEADER(version, changes)                                              \
    "TZif" version "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"                           \
    "\0\0\0\0" "\0\0\0\0" "\0\0\0\0" "\0\0\0" changes "\0\0\0\2" "\0\0\0\4"

#define TYPES  "\0\0\x0e\x10\0\0" "\0\0\x1c\x20\1\0" "CET\0"


static void
fuzz_seeds(void)
{
    fuzz_seed_text(HEADER("2", "\1") "\0\0\1\0" "\1" TYPES
                   HEADER("2", "\1") "\0\0\0\0\0\1\0\0" "\1" TYPES
                   "\nCET-1CEST,M3.5.0,M10.5.0/3\n");
    fuzz_seed_text(HEADER("3", "\0") TYPES HEADER("3", "\0") TYPES
                   "\n<-02>2<-01>,M3.5.0/-1,M10.5.0/0\n");
    fuzz_seed_text(HEADER("2", "\0") TYPES HEADER("2", "\0") TYPES
                   "\nXXX3EDT4,0/0,J365/23\n");
    fuzz_seed_text(HEADER("\0", "\2") "\0\0\1\0" "\1\1\0\0" "\1\0" TYPES);
    fuzz_seed_text("nEurope/Berlin");
}


static void
name(const referral_str_t *s)
{
    size_t  i;

    if (!referral_timezone_valid(s)) {
        return;
    }

    fuzz_check(s->len && s->len <= REFERRAL_TIMEZONE_MAX
               && s->data[0] != '/' && s->data[s->len - 1] != '/');

    for (i = 0; i < s->len; i++) {
        fuzz_check(s->data[i] > ' ' && s->data[i] < 0x7f && s->data[i] != '.');
    }
}


static void
local_times(int64_t local)
{
    int64_t  first, last;

    first = referral_timezone_first(&out.zone, local);
    last = referral_timezone_last(&out.zone, local);

    fuzz_check(first + referral_timezone_offset(&out.zone, first) * 1000LL
               >= local);
    fuzz_check(first - 1
               + referral_timezone_offset(&out.zone, first - 1) * 1000LL
               < local);
    fuzz_check(last + referral_timezone_offset(&out.zone, last) * 1000LL
               <= local);
    fuzz_check(last + 1
               + referral_timezone_offset(&out.zone, last + 1) * 1000LL
               > local);
    fuzz_check(last >= first - 1);
}


static void
changes(int64_t from, int64_t until)
{
    size_t                      i, n;
    int64_t                     at;
    referral_timezone_change_t  c[CHANGES];

    n = referral_timezone_changes(&out.zone, from, until, c, CHANGES);

    fuzz_check(n >= 1 && c[0].at == from);

    for (i = 0; i < n && i < CHANGES; i++) {
        at = c[i].at;

        fuzz_check(referral_timezone_offset(&out.zone, at) == c[i].offset);
        fuzz_check(c[i].offset >= -50400 && c[i].offset <= 50400);

        local_times(at + c[i].offset * 1000LL);

        if (i == 0) {
            continue;
        }

        fuzz_check(at > c[i - 1].at && at <= until);
        fuzz_check(c[i].offset != c[i - 1].offset);
        fuzz_check(referral_timezone_offset(&out.zone, at - 1)
                   == c[i - 1].offset);

        local_times(at + c[i - 1].offset * 1000LL - 1);
        local_times(at);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int              rc;
    const char      *err;
    referral_buf_t   b;
    referral_str_t   s;

    if (size && data[0] == 'n') {
        s = fuzz_copy(data + 1, size - 1);
        name(&s);
        fuzz_done();
        return 0;
    }

    s = fuzz_copy(data, size);

    referral_buf_init(&b, out.bytes, sizeof(out));
    rc = referral_timezone_compile(&b, &s, &err);

    if (rc != REFERRAL_OK) {
        fuzz_check(err[0] && b.pos == b.start);

    } else {
        fuzz_check(b.pos == (u_char *) &out.zone.step[out.zone.n]);
        changes(0, 3000000000000LL);
        changes(1794000000000LL, 4102444800000LL);
        changes(253300000000000LL, INT64_MAX);
    }

    fuzz_done();

    return 0;
}
