/* link: referral_geo.c -lmaxminddb */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include "referral_geo.h"
#include "unit.h"


static char                   dir[] = "/tmp/referral_geo_XXXXXX";
static char                   err[512];
static referral_geo_result_t  result;


static const char *
path(const char *name)
{
    static char  buf[4][256];
    static int   n;

    n = (n + 1) % 4;
    snprintf(buf[n], sizeof(buf[n]), "%s/%s", dir, name);

    return buf[n];
}


static int
lookup(referral_geo_t *geo, const char *address)
{
    union {
        struct sockaddr      sa;
        struct sockaddr_in   in;
        struct sockaddr_in6  in6;
    } u;

    memset(&u, 0, sizeof(u));

    if (inet_pton(AF_INET, address, &u.in.sin_addr) == 1) {
        u.in.sin_family = AF_INET;

    } else if (inet_pton(AF_INET6, address, &u.in6.sin6_addr) == 1) {
        u.in6.sin6_family = AF_INET6;

    } else {
        return -100;
    }

    return referral_geo_lookup(geo, &u.sa, &result);
}


/* "JP JP-13 Tokyo 64501" */

static const char *
place(referral_geo_t *geo, const char *address)
{
    int          rc;
    static char  buf[256];

    memset(&result, 0, sizeof(result));

    rc = lookup(geo, address);

    if (rc != REFERRAL_OK) {
        return rc == REFERRAL_DECLINED ? "nothing" : "error";
    }

    snprintf(buf, sizeof(buf), "%.*s/%.*s/%.*s/%u",
             result.country_len, result.country,
             result.region_len, result.region,
             result.city_len, result.city, result.asn);

    return buf;
}


static int
is(const char *a, const char *b)
{
    if (strcmp(a, b) != 0) {
        fprintf(stderr, "# \"%s\" is not \"%s\"\n", a, b);
        return 0;
    }

    return 1;
}


static size_t
slurp(const char *name, u_char *buf, size_t size)
{
    FILE    *f;
    size_t   n;

    f = fopen(name, "rb");
    if (f == NULL) {
        return 0;
    }

    n = fread(buf, 1, size, f);
    fclose(f);

    return n;
}


static void
spew(const char *name, const u_char *buf, size_t n)
{
    FILE  *f;

    f = fopen(name, "wb");
    if (f == NULL) {
        return;
    }

    fwrite(buf, 1, n, f);
    fclose(f);
}


static void
test_places(void)
{
    referral_geo_t       *city, *asn, *v4;
    struct sockaddr_un    un;
    struct sockaddr       none;

    city = referral_geo_open(path("city.mmdb"), err, sizeof(err));
    asn = referral_geo_open(path("asn.mmdb"), err, sizeof(err));
    v4 = referral_geo_open(path("v4.mmdb"), err, sizeof(err));

    if (!ok(city && asn && v4, "files are opened")) {
        return;
    }

    ok(is(place(city, "127.0.1.7"), "JP/JP-13/Tokyo/0"), "a city");
    ok(is(place(city, "127.0.2.1"), "BR/BR-SP/S\xc3\xa3o Paulo/0"),
       "a city in UTF-8");
    ok(is(place(city, "127.0.5.1"), "GB/GB-ENG/London/0"),
       "a region of three letters");
    ok(is(place(city, "127.0.7.1"), "FR///0"), "a country alone");
    ok(is(place(city, "127.0.8.1"), "nothing"), "a record without country");
    ok(is(place(city, "127.0.99.1"), "nothing"), "an address not listed");
    ok(is(place(city, "8.8.8.8"), "nothing"), "nor this");
    ok(is(place(city, "2001:db8:1::1"), "JP/JP-13/Tokyo/0"), "IPv6");
    ok(is(place(city, "2001:db8:3::1"), "nothing"), "IPv6 not listed");
    ok(is(place(city, "::ffff:127.0.3.9"), "DE/DE-BE/Berlin/0"),
       "IPv4-mapped is IPv4");

    ok(is(place(v4, "127.0.1.7"), "JP/JP-13/Tokyo/0"),
       "a file of IPv4 only knows IPv4");
    ok(is(place(v4, "::ffff:127.0.1.7"), "JP/JP-13/Tokyo/0"),
       "mapped too");
    ok(is(place(v4, "2001:db8:1::1"), "nothing"), "and nothing of IPv6");
    ok(is(place(v4, "::7f00:107"), "nothing"), "however it looks");

    ok(is(place(asn, "127.0.1.7"), "///64501"), "a network");
    ok(is(place(asn, "127.0.9.7"), "///4200000001"), "with a long number");

    memset(&result, 0, sizeof(result));
    ok(lookup(city, "127.0.1.1") == REFERRAL_OK
       && lookup(asn, "127.0.1.1") == REFERRAL_OK
       && result.asn == 64501 && result.country_len == 2,
       "two files add up");
    ok(lookup(city, "127.0.1.1") == REFERRAL_DECLINED,
       "what is known already is not found again");
    ok(lookup(v4, "127.0.3.1") == REFERRAL_DECLINED
       && memcmp(result.country, "JP", 2) == 0
       && memcmp(result.city, "Tokyo", 5) == 0, "nor replaced");

    memset(&result, 0, sizeof(result));
    result.country_len = 2;
    memcpy(result.country, "FR", 2);
    lookup(city, "127.0.1.1");
    ok(result.region_len == 0 && result.city_len == 0,
       "no region and city of another country than the one known");
    memcpy(result.country, "JP", 2);
    lookup(city, "127.0.1.1");
    ok(result.region_len == 5 && result.city_len == 5,
       "but those of the same one");

    memset(&result, 0, sizeof(result));
    memset(&un, 0, sizeof(un));
    un.sun_family = AF_UNIX;
    ok(referral_geo_lookup(city, (struct sockaddr *) &un, &result)
       == REFERRAL_DECLINED, "a client on a socket file is nowhere");
    memset(&none, 0, sizeof(none));
    none.sa_family = AF_UNSPEC;
    ok(referral_geo_lookup(city, &none, &result) == REFERRAL_DECLINED,
       "so is one without address");

    referral_geo_close(city);
    referral_geo_close(asn);
    referral_geo_close(v4);
    referral_geo_close(NULL);
}


static void
test_odd(void)
{
    char             want[256];
    referral_geo_t  *geo;

    geo = referral_geo_open(path("odd.mmdb"), err, sizeof(err));

    if (!ok(geo != NULL, "a file of odd values")) {
        return;
    }

    ok(is(place(geo, "127.0.1.1"), "nothing"), "country in lower case");
    ok(is(place(geo, "127.0.2.1"), "nothing"), "country of three letters");
    ok(is(place(geo, "127.0.3.1"), "DE///0"),
       "region in lower case, city with a line end");
    ok(is(place(geo, "127.0.4.1"), "US///0"),
       "region too long, city with a C1 control");
    ok(is(place(geo, "127.0.5.1"), "GB///0"), "empty region and city");
    snprintf(want, sizeof(want), "KR/KR-11/%.63s/0",
             "\xec\x84\x9c\xec\x9a\xb8\xec\x84\x9c\xec\x9a\xb8\xec\x84\x9c"
             "\xec\x9a\xb8\xec\x84\x9c\xec\x9a\xb8\xec\x84\x9c\xec\x9a\xb8"
             "\xec\x84\x9c\xec\x9a\xb8\xec\x84\x9c\xec\x9a\xb8\xec\x84\x9c"
             "\xec\x9a\xb8\xec\x84\x9c\xec\x9a\xb8\xec\x84\x9c\xec\x9a\xb8"
             "\xec\x84\x9c");
    ok(is(place(geo, "127.0.6.1"), want),
       "a long city is cut between characters");
    place(geo, "127.0.7.1");
    ok(result.city_len == REFERRAL_GEO_CITY_MAX && result.region_len == 6,
       "one in ASCII at the end of its room");
    ok(is(place(geo, "127.0.8.1"), "nothing"), "country with a percent");
    ok(is(place(geo, "127.0.9.1"), "CH///0"),
       "no subdivisions, no name in English");
    ok(is(place(geo, "127.0.10.1"), "nothing"), "network 0");
    place(geo, "127.0.11.1");
    ok(result.city_len == 63, "a character across the end is left out");
    place(geo, "127.0.12.1");
    ok(result.city_len == 64, "one before the end is kept");

    referral_geo_close(geo);

    geo = referral_geo_open(path("string.mmdb"), err, sizeof(err));

    ok(geo && is(place(geo, "127.0.1.1"), "nothing")
       && referral_geo_doubt(geo) != NULL, "a record that is a string");

    referral_geo_close(geo);
}


static void
test_flat(void)
{
    size_t           i;
    referral_geo_t  *geo, *other;

    static const char *const  known[] = {
        "city.mmdb", "asn.mmdb", "v4.mmdb", "odd.mmdb", "flat.mmdb",
        "old.mmdb", "number.mmdb"
    };

    geo = referral_geo_open(path("flat.mmdb"), err, sizeof(err));

    if (!ok(geo != NULL, "a file with texts at the top")) {
        return;
    }

    ok(is(place(geo, "127.0.1.1"), "JP///64501"), "a country and a network");
    ok(is(place(geo, "127.0.2.1"), "BR/BR-SP/S\xc3\xa3o Paulo/64502"),
       "a place, and a number without AS");
    ok(is(place(geo, "127.0.3.1"), "DE///0"),
       "the older name where the newer is none; AS alone");
    ok(is(place(geo, "127.0.4.1"), "nothing"),
       "a country's name is no code, 33 bits are no network");
    ok(is(place(geo, "127.0.5.1"), "GB///0"), "a country alone");
    ok(is(place(geo, "127.0.6.1"), "///4200000001"), "a network alone");
    ok(is(place(geo, "127.0.7.1"), "nothing"), "empty texts");
    ok(is(place(geo, "2001:db8:1::1"), "JP///64501"), "IPv6");

    referral_geo_close(geo);

    geo = referral_geo_open(path("old.mmdb"), err, sizeof(err));
    ok(geo && is(place(geo, "127.0.5.1"), "GB///0"), "a code as \"country\"");
    referral_geo_close(geo);

    geo = referral_geo_open(path("number.mmdb"), err, sizeof(err));
    ok(geo && is(place(geo, "127.0.5.1"), "///64505"),
       "a network's own country is not the visitor's");

    other = referral_geo_open(path("flat.mmdb"), err, sizeof(err));
    memset(&result, 0, sizeof(result));
    ok(geo && other && lookup(other, "127.0.5.1") == REFERRAL_OK
       && lookup(geo, "127.0.5.1") == REFERRAL_OK
       && result.asn == 64505 && result.country_len == 2,
       "two such files add up");
    referral_geo_close(geo);
    referral_geo_close(other);

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        geo = referral_geo_open(path(known[i]), err, sizeof(err));
        ok(geo && referral_geo_doubt(geo) == NULL, "no doubt of %s", known[i]);
        referral_geo_close(geo);
    }

    geo = referral_geo_open(path("other.mmdb"), err, sizeof(err));
    ok(geo && referral_geo_doubt(geo)
       && strstr(referral_geo_doubt(geo), "country_code")
       && is(place(geo, "127.0.5.1"), "nothing"),
       "of what is not understood it is said");
    referral_geo_close(geo);
}


static void
test_files(void)
{
    int              fd;
    u_char           data[65536];
    size_t           n;
    referral_geo_t  *geo, *other;

    n = slurp(path("city.mmdb"), data, sizeof(data));
    spew(path("work.mmdb"), data, n);

    ok(referral_geo_open(path("no.mmdb"), err, sizeof(err)) == NULL
       && strstr(err, path("no.mmdb")) && strstr(err, "No such file"),
       "missing: %s", err);
    ok(referral_geo_open(dir, err, sizeof(err)) == NULL
       && strstr(err, "not a regular file"), "directory: %s", err);
    ok(referral_geo_open("/dev/null", err, sizeof(err)) == NULL
       && strstr(err, "not a regular file"), "device: %s", err);

    mkfifo(path("pipe.mmdb"), 0600);
    ok(referral_geo_open(path("pipe.mmdb"), err, sizeof(err)) == NULL
       && strstr(err, "not a regular file"), "pipe, without waiting: %s", err);

    spew(path("empty.mmdb"), data, 0);
    ok(referral_geo_open(path("empty.mmdb"), err, sizeof(err)) == NULL
       && strstr(err, "is empty"), "empty: %s", err);
    ok(referral_geo_open("CONTRIBUTING.md", err, sizeof(err)) == NULL
       && strstr(err, "not a valid .mmdb file"), "a text: %s", err);

    fd = open(path("huge.mmdb"), O_CREAT|O_WRONLY, 0600);
    ok(fd != -1 && ftruncate(fd, REFERRAL_GEO_FILE_MAX + 1) == 0
       && referral_geo_open(path("huge.mmdb"), err, sizeof(err)) == NULL
       && strstr(err, "larger than 1024 megabytes"), "huge: %s", err);
    close(fd);

    err[9] = 'x';
    ok(referral_geo_open(path("no.mmdb"), err, 9) == NULL
       && strlen(err) == 8 && err[9] == 'x', "reasons keep to their room");

    geo = referral_geo_open(path("work.mmdb"), err, sizeof(err));
    ok(geo != NULL, "a good file");
    ok(!referral_geo_changed(geo, path("work.mmdb")), "not changed");
    ok(!referral_geo_changed(geo, path("no.mmdb")), "gone is not changed");

    usleep(20000);
    ok(truncate(path("work.mmdb"), 10) == 0, "truncated in place");
    ok(is(place(geo, "127.0.1.1"), "JP/JP-13/Tokyo/0"),
       "the copy answers, without a SIGBUS");
    ok(referral_geo_changed(geo, path("work.mmdb")), "the change is seen");
    ok(referral_geo_open(path("work.mmdb"), err, sizeof(err)) == NULL,
       "what is left is refused: %s", err);

    memset(data, 0xff, n);
    spew(path("work.mmdb"), data, n);
    ok(is(place(geo, "127.0.1.1"), "JP/JP-13/Tokyo/0"),
       "overwritten in place, the copy answers as before");
    ok(referral_geo_changed(geo, path("work.mmdb")), "the change is seen");
    ok(referral_geo_open(path("work.mmdb"), err, sizeof(err)) == NULL,
       "rubbish is refused: %s", err);

    n = slurp(path("v4.mmdb"), data, sizeof(data));
    spew(path("work.new"), data, n);
    ok(rename(path("work.new"), path("work.mmdb")) == 0
       && referral_geo_changed(geo, path("work.mmdb")),
       "a file put in its place is a change");
    other = referral_geo_open(path("work.mmdb"), err, sizeof(err));
    ok(other && !referral_geo_changed(other, path("work.mmdb"))
       && is(place(other, "2001:db8:1::1"), "nothing")
       && is(place(geo, "2001:db8:1::1"), "JP/JP-13/Tokyo/0"),
       "old and new side by side");

    referral_geo_close(geo);
    referral_geo_close(other);
}


/* whatever the file holds, results stay within their limits */

static int
result_valid(void)
{
    unsigned  i;

    if (result.country_len != 0 && result.country_len != 2) {
        return 0;
    }

    if (result.region_len > 6 || (result.region_len && result.region_len < 4)
        || result.city_len > REFERRAL_GEO_CITY_MAX)
    {
        return 0;
    }

    for (i = 0; i < result.country_len; i++) {
        if (result.country[i] < 'A' || result.country[i] > 'Z') {
            return 0;
        }
    }

    for (i = 0; i < result.city_len; i++) {
        if (result.city[i] < 0x20 || result.city[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


static void
test_corrupt(void)
{
    u_char              data[65536], bad[65536];
    size_t              i, n;
    unsigned            opened, refused, wrong, step, mask;
    referral_geo_t     *geo;
    const char        **a;

    static const char  *addresses[] = {
        "127.0.1.1", "127.0.2.1", "127.0.8.1", "2001:db8:1::1",
        "2001:db8:2::1", "255.255.255.255", "0.0.0.0", NULL
    };

    static const u_char  masks[] = { 0x01, 0x20, 0xff };

    n = slurp(path("city.mmdb"), data, sizeof(data));
    opened = refused = wrong = 0;

    for (i = 0; i < n * 4; i++) {
        step = i / n;
        memcpy(bad, data, n);

        if (step < 3) {
            mask = masks[step];
            bad[i % n] ^= mask;
            spew(path("bad.mmdb"), bad, n);

        } else {
            spew(path("bad.mmdb"), bad, i % n);
        }

        err[0] = '\0';
        geo = referral_geo_open(path("bad.mmdb"), err, sizeof(err));

        if (geo == NULL) {
            refused++;
            wrong += strstr(err, path("bad.mmdb")) == NULL;
            continue;
        }

        opened++;

        for (a = addresses; *a; a++) {
            memset(&result, 0, sizeof(result));
            lookup(geo, *a);
            wrong += !result_valid();
        }

        referral_geo_close(geo);
    }

    ok(opened > 100 && refused > 100,
       "files with a byte wrong or cut short: %u opened, %u refused",
       opened, refused);
    ok(wrong == 0, "none makes a result that is no result");
}


static unsigned
open_files(void)
{
    int       fd;
    unsigned  n;

    n = 0;

    for (fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) != -1;
    }

    return n;
}


/* the i-th address, and the number in its remembered result */

static const referral_geo_result_t *
memo_find(const referral_geo_memo_t *memo, unsigned i)
{
    struct sockaddr_in  sin;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(0x7f000000 + i);

    return referral_geo_memo_find(memo, (struct sockaddr *) &sin);
}


static void
memo_add(referral_geo_memo_t *memo, unsigned i)
{
    struct sockaddr_in      sin;
    referral_geo_result_t  *place;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(0x7f000000 + i);

    place = referral_geo_memo_add(memo, (struct sockaddr *) &sin);
    place->asn = i;
}


static void
test_memo(void)
{
    unsigned                      i, n, wrong, lost;
    struct sockaddr_un            un;
    struct sockaddr_in6           sin6;
    referral_geo_memo_t          *memo;
    referral_geo_result_t        *place;
    const referral_geo_result_t  *known;

    memo = referral_geo_memo_create();
    if (!ok(memo != NULL, "memory for addresses")) {
        return;
    }

    ok(memo_find(memo, 1) == NULL, "nothing is remembered at first");

    for (n = 1, wrong = 0; n <= 1000; n++) {
        memo_add(memo, n);

        known = memo_find(memo, n);
        wrong += known == NULL || known->asn != n;
    }

    ok(wrong == 0, "an address is remembered at once");

    for (n = 1, lost = 0; n <= 1000; n++) {
        known = memo_find(memo, n);

        if (known == NULL) {
            lost++;

        } else {
            wrong += known->asn != n;
        }
    }

    ok(wrong == 0 && lost <= 10, "1,000 addresses hardly meet: %u lost", lost);

    for (i = 0, lost = 0; i < 50 * REFERRAL_GEO_SETS; i++) {
        n = i * 7 % 50000;

        known = memo_find(memo, n);

        if (known == NULL) {
            lost++;
            memo_add(memo, n);

        } else {
            wrong += known->asn != n;
        }
    }

    ok(wrong == 0 && lost > 50000,
       "more than there is room for: each finds its own or nothing");

    referral_geo_memo_forget(memo);

    memo_add(memo, 5);

    memset(&sin6, 0, sizeof(sin6));
    sin6.sin6_family = AF_INET6;
    inet_pton(AF_INET6, "::ffff:127.0.0.5", &sin6.sin6_addr);

    known = referral_geo_memo_find(memo, (struct sockaddr *) &sin6);

    ok(known != NULL && known->asn == 5, "IPv4 mapped into IPv6 is IPv4");

    for (i = 0, wrong = 0; i < 16; i++) {
        sin6.sin6_addr.s6_addr[i] ^= 1;

        wrong += referral_geo_memo_find(memo, (struct sockaddr *) &sin6)
                 != NULL;

        sin6.sin6_addr.s6_addr[i] ^= 1;
    }

    ok(wrong == 0, "every byte of an address counts");

    inet_pton(AF_INET6, "2001:db8::1", &sin6.sin6_addr);
    place = referral_geo_memo_add(memo, (struct sockaddr *) &sin6);
    place->asn = 7;

    known = referral_geo_memo_find(memo, (struct sockaddr *) &sin6);

    ok(known == place && known->asn == 7, "IPv6");

    memset(&un, 0, sizeof(un));
    un.sun_family = AF_UNIX;

    ok(referral_geo_memo_find(memo, (struct sockaddr *) &un) == NULL
       && referral_geo_memo_add(memo, (struct sockaddr *) &un) == NULL,
       "a client of a unix socket has no address");

    referral_geo_memo_free(memo);
}


int
main(void)
{
    char      command[512];
    unsigned  before;

    if (mkdtemp(dir) == NULL) {
        return 1;
    }

    snprintf(command, sizeof(command), "perl t/lib/mmdb.pl %s", dir);

    if (!ok(system(command) == 0, "the test's files are written")) {
        return unit_done();
    }

    before = open_files();

    test_places();
    test_odd();
    test_flat();
    test_files();
    test_corrupt();
    test_memo();

    ok(open_files() == before, "no descriptor is left open");

    snprintf(command, sizeof(command), "rm -rf %s", dir);

    if (system(command) != 0) {
        return 1;
    }

    return unit_done();
}
