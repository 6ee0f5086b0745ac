
#ifndef _GNU_SOURCE
#define _GNU_SOURCE    /* memfd_create(), F_ADD_SEALS */
#endif

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "referral_geo.h"


#define REFERRAL_GEO_CHUNK  32768

/* how much of a file is examined to recognise its format */
#define REFERRAL_GEO_NODES    65536
#define REFERRAL_GEO_RECORDS  256
#define REFERRAL_GEO_DEPTH    128


struct referral_geo_s {
    MMDB_s                 mmdb;
    struct stat            st;
    unsigned               known:1;    /* something in it is understood */
    unsigned               flat:1;     /* texts at the top of a record */
    unsigned               network:1;  /* its countries are those of
                                          networks */
};


typedef struct {
    referral_geo_t        *geo;
    unsigned               nodes;      /* left to be visited */
    unsigned               records;
} referral_geo_survey_t;


static int referral_geo_copy(int fd, int memfd, const struct stat *st,
    const char *path, char *err, size_t errlen);
static ssize_t referral_geo_read(int fd, u_char *buf, size_t size);
static int referral_geo_write(int fd, const u_char *buf, size_t len);
static int referral_geo_same(const struct stat *a, const struct stat *b);
static void referral_geo_layout(referral_geo_t *geo);
static void referral_geo_survey(referral_geo_survey_t *survey, uint32_t number,
    unsigned depth);
static void referral_geo_survey_record(referral_geo_survey_t *survey,
    uint8_t type, MMDB_entry_s *entry);
static int referral_geo_contains(const char *text, const char *word);
static int referral_geo_place(referral_geo_t *geo, MMDB_entry_s *entry,
    referral_geo_result_t *result);
static int referral_geo_country(referral_geo_t *geo, MMDB_entry_s *entry,
    referral_str_t *country);
static int referral_geo_two(MMDB_entry_s *entry, const char *const *path,
    referral_str_t *country);
static int referral_geo_region(referral_geo_t *geo, MMDB_entry_s *entry,
    referral_str_t *region);
static uint32_t referral_geo_asn(MMDB_entry_s *entry, const char *const *path);
static uint32_t referral_geo_asn_text(const MMDB_entry_data_s *data);
static int referral_geo_string(MMDB_entry_s *entry, const char *const *path,
    referral_str_t *s);
static int referral_geo_upper(const referral_str_t *s, int digits);
static size_t referral_geo_text(const referral_str_t *s, size_t max);
static size_t referral_geo_character(const u_char *p, size_t len);
static int referral_geo_memo_addr(uint64_t *addr, const struct sockaddr *sa);
static size_t referral_geo_memo_set(const uint64_t *addr);
static unsigned referral_geo_memo_way(const referral_geo_memo_t *memo,
    size_t set, const uint64_t *addr);


/* the format of MaxMind and others */

static const char *const  referral_geo_path_country[] = {
    "country", "iso_code", NULL
};

static const char *const  referral_geo_path_region[] = {
    "subdivisions", "0", "iso_code", NULL
};

static const char *const  referral_geo_path_city[] = {
    "city", "names", "en", NULL
};

static const char *const  referral_geo_path_asn[] = {
    "autonomous_system_number", NULL
};


/*
 * The format of IPinfo, IPLocate and ip-location-db: texts at the top of a
 * record.
 */

static const char *const  referral_geo_flat_country[] = {
    "country_code", NULL
};

static const char *const  referral_geo_flat_country_old[] = {
    "country", NULL
};

static const char *const  referral_geo_flat_region[] = {
    "region_code", NULL
};

static const char *const  referral_geo_flat_city[] = {
    "city", NULL
};

static const char *const  referral_geo_flat_asn[] = {
    "asn", NULL
};


referral_geo_t *
referral_geo_open(const char *path, char *err, size_t errlen)
{
    int              fd, memfd, rc;
    char             name[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
    referral_geo_t  *geo;

    memfd = -1;

    geo = calloc(1, sizeof(referral_geo_t));
    if (geo == NULL) {
        snprintf(err, errlen, "no memory for \"%s\"", path);
        return NULL;
    }

    /* O_NONBLOCK, because opening a named pipe would wait for its writer */

    fd = open(path, O_RDONLY|O_NONBLOCK|O_NOCTTY|O_CLOEXEC);

    if (fd == -1 || fstat(fd, &geo->st) == -1) {
        snprintf(err, errlen, "cannot open \"%s\" (%s)", path,
                 strerror(errno));
        goto failed;
    }

    if (!S_ISREG(geo->st.st_mode)) {
        snprintf(err, errlen, "\"%s\" is not a regular file", path);
        goto failed;
    }

    if (geo->st.st_size == 0) {
        snprintf(err, errlen, "\"%s\" is empty", path);
        goto failed;
    }

    if (geo->st.st_size > REFERRAL_GEO_FILE_MAX) {
        snprintf(err, errlen, "\"%s\" is larger than %ld megabytes", path,
                 REFERRAL_GEO_FILE_MAX / (1024 * 1024));
        goto failed;
    }

    memfd = memfd_create("referral_geo", MFD_CLOEXEC|MFD_ALLOW_SEALING);
    if (memfd == -1) {
        snprintf(err, errlen, "no memory for \"%s\" (%s)", path,
                 strerror(errno));
        goto failed;
    }

    if (referral_geo_copy(fd, memfd, &geo->st, path, err, errlen)
        != REFERRAL_OK)
    {
        goto failed;
    }

    if (fcntl(memfd, F_ADD_SEALS,
              F_SEAL_WRITE|F_SEAL_SHRINK|F_SEAL_GROW|F_SEAL_SEAL)
        == -1)
    {
        snprintf(err, errlen, "cannot seal the copy of \"%s\" (%s)", path,
                 strerror(errno));
        goto failed;
    }

    snprintf(name, sizeof(name), "/proc/self/fd/%d", memfd);

    rc = MMDB_open(name, MMDB_MODE_MMAP, &geo->mmdb);

    if (rc == MMDB_IO_ERROR) {
        snprintf(err, errlen, "cannot map the copy of \"%s\" (%s)", path,
                 strerror(errno));
        goto failed;
    }

    if (rc != MMDB_SUCCESS) {
        snprintf(err, errlen, "\"%s\" is not a valid .mmdb file (%s)", path,
                 MMDB_strerror(rc));
        goto failed;
    }

    (void) close(memfd);
    (void) close(fd);

    referral_geo_layout(geo);

    return geo;

failed:

    if (memfd != -1) {
        (void) close(memfd);
    }

    if (fd != -1) {
        (void) close(fd);
    }

    free(geo);

    return NULL;
}


/* copies as many bytes as the file had when it was opened, not more */

static int
referral_geo_copy(int fd, int memfd, const struct stat *st, const char *path,
    char *err, size_t errlen)
{
    off_t        left;
    u_char       buf[REFERRAL_GEO_CHUNK];
    size_t       size;
    ssize_t      n;
    struct stat  now;

    for (left = st->st_size; left > 0; left -= n) {
        size = left < REFERRAL_GEO_CHUNK ? (size_t) left : sizeof(buf);

        n = referral_geo_read(fd, buf, size);

        if (n == -1) {
            snprintf(err, errlen, "cannot read \"%s\" (%s)", path,
                     strerror(errno));
            return REFERRAL_ERROR;
        }

        if (n == 0) {
            break;
        }

        if (referral_geo_write(memfd, buf, n) != REFERRAL_OK) {
            snprintf(err, errlen, "no memory for \"%s\" (%s)", path,
                     strerror(errno));
            return REFERRAL_ERROR;
        }
    }

    if (left > 0 || fstat(fd, &now) == -1 || !referral_geo_same(st, &now)) {
        snprintf(err, errlen, "\"%s\" changed while it was read", path);
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


static ssize_t
referral_geo_read(int fd, u_char *buf, size_t size)
{
    ssize_t  n;

    do {
        n = read(fd, buf, size);
    } while (n == -1 && errno == EINTR);

    return n;
}


static int
referral_geo_write(int fd, const u_char *buf, size_t len)
{
    ssize_t  n;

    while (len) {
        n = write(fd, buf, len);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            return REFERRAL_ERROR;
        }

        buf += n;
        len -= n;
    }

    return REFERRAL_OK;
}


/*
 * Compares the times to the nanosecond, because a tool may write into the
 * file.
 */

static int
referral_geo_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev
           && a->st_ino == b->st_ino
           && a->st_size == b->st_size
           && a->st_mtim.tv_sec == b->st_mtim.tv_sec
           && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec
           && a->st_ctim.tv_sec == b->st_ctim.tv_sec
           && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}


/*
 * Done once, so that look-ups do not search for paths that the file does not
 * have.
 */

static void
referral_geo_layout(referral_geo_t *geo)
{
    const char             *type;
    referral_geo_survey_t   survey;

    survey.geo = geo;
    survey.nodes = REFERRAL_GEO_NODES;
    survey.records = 0;

    referral_geo_survey(&survey, 0, 0);

    /* a file without records cannot be misunderstood */

    if (survey.records == 0) {
        geo->known = 1;
    }

    type = geo->mmdb.metadata.database_type;

    geo->network = type != NULL
                   && referral_geo_contains(type, "asn")
                   && !referral_geo_contains(type, "country")
                   && !referral_geo_contains(type, "lite")
                   && !referral_geo_contains(type, "location");
}


/*
 * The tree may be malformed, even cyclic, so depth and number of nodes are
 * limited.
 */

static void
referral_geo_survey(referral_geo_survey_t *survey, uint32_t number,
    unsigned depth)
{
    MMDB_search_node_s  node;

    if (survey->nodes == 0
        || survey->records == REFERRAL_GEO_RECORDS
        || depth == REFERRAL_GEO_DEPTH)
    {
        return;
    }

    survey->nodes--;

    if (MMDB_read_node(&survey->geo->mmdb, number, &node) != MMDB_SUCCESS) {
        return;
    }

    if (node.left_record_type == MMDB_RECORD_TYPE_SEARCH_NODE) {
        referral_geo_survey(survey, node.left_record, depth + 1);

    } else {
        referral_geo_survey_record(survey, node.left_record_type,
                                   &node.left_record_entry);
    }

    if (node.right_record_type == MMDB_RECORD_TYPE_SEARCH_NODE) {
        referral_geo_survey(survey, node.right_record, depth + 1);

    } else {
        referral_geo_survey_record(survey, node.right_record_type,
                                   &node.right_record_entry);
    }
}


static void
referral_geo_survey_record(referral_geo_survey_t *survey, uint8_t type,
    MMDB_entry_s *entry)
{
    referral_str_t   s;
    referral_geo_t  *geo;

    if (type != MMDB_RECORD_TYPE_DATA) {
        return;
    }

    geo = survey->geo;
    survey->records++;

    if (referral_geo_two(entry, referral_geo_path_country, &s) == REFERRAL_OK
        || referral_geo_asn(entry, referral_geo_path_asn))
    {
        geo->known = 1;
    }

    if (!geo->flat
        && (referral_geo_two(entry, referral_geo_flat_country, &s)
            == REFERRAL_OK
            || referral_geo_two(entry, referral_geo_flat_country_old, &s)
               == REFERRAL_OK
            || referral_geo_asn(entry, referral_geo_flat_asn)))
    {
        geo->known = 1;
        geo->flat = 1;
    }
}


static int
referral_geo_contains(const char *text, const char *word)
{
    size_t  len;

    len = strlen(word);

    for ( /* void */ ; *text; text++) {
        if (strncasecmp(text, word, len) == 0) {
            return 1;
        }
    }

    return 0;
}


const char *
referral_geo_doubt(const referral_geo_t *geo)
{
    if (geo->known) {
        return NULL;
    }

    return "has neither countries nor networks where they are looked for: "
           "MaxMind's \"country.iso_code\" and \"autonomous_system_number\", "
           "or \"country_code\" and \"asn\", are right";
}


void
referral_geo_close(referral_geo_t *geo)
{
    if (geo == NULL) {
        return;
    }

    MMDB_close(&geo->mmdb);
    free(geo);
}


int
referral_geo_changed(const referral_geo_t *geo, const char *path)
{
    struct stat  st;

    if (stat(path, &st) == -1) {
        return 0;
    }

    return !referral_geo_same(&geo->st, &st);
}


int
referral_geo_lookup(referral_geo_t *geo, const struct sockaddr *sa,
    referral_geo_result_t *result)
{
    int                         rc, err;
    struct sockaddr_in          sin;
    MMDB_lookup_result_s        found;
    const struct sockaddr_in6  *sin6;

    switch (sa->sa_family) {

    case AF_INET:
        break;

    case AF_INET6:
        sin6 = (const struct sockaddr_in6 *) sa;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            memset(&sin, 0, sizeof(struct sockaddr_in));
            sin.sin_family = AF_INET;
            memcpy(&sin.sin_addr, &sin6->sin6_addr.s6_addr[12], 4);
            sa = (const struct sockaddr *) &sin;
            break;
        }

        if (geo->mmdb.metadata.ip_version == 4) {
            return REFERRAL_DECLINED;
        }

        break;

    default:
        return REFERRAL_DECLINED;
    }

    found = MMDB_lookup_sockaddr(&geo->mmdb, sa, &err);

    if (err != MMDB_SUCCESS || !found.found_entry) {
        return REFERRAL_DECLINED;
    }

    rc = referral_geo_place(geo, &found.entry, result);

    if (result->asn) {
        return rc;
    }

    result->asn = referral_geo_asn(&found.entry, referral_geo_path_asn);

    if (result->asn == 0 && geo->flat) {
        result->asn = referral_geo_asn(&found.entry, referral_geo_flat_asn);
    }

    return result->asn ? REFERRAL_OK : rc;
}


/*
 * A region or city is taken only if the file's country does not contradict
 * that of an earlier file.
 */

static int
referral_geo_place(referral_geo_t *geo, MMDB_entry_s *entry,
    referral_geo_result_t *result)
{
    int             rc;
    size_t          len;
    referral_str_t  country, s;

    rc = REFERRAL_DECLINED;

    if (referral_geo_country(geo, entry, &country) != REFERRAL_OK) {
        return REFERRAL_DECLINED;
    }

    if (result->country_len == 0) {
        memcpy(result->country, country.data, country.len);
        result->country_len = country.len;
        rc = REFERRAL_OK;

    } else if (memcmp(result->country, country.data, country.len) != 0) {
        return REFERRAL_DECLINED;
    }

    if (result->region_len == 0
        && referral_geo_region(geo, entry, &s) == REFERRAL_OK)
    {
        memcpy(result->region, country.data, 2);
        result->region[2] = '-';
        memcpy(&result->region[3], s.data, s.len);
        result->region_len = 3 + s.len;
        rc = REFERRAL_OK;
    }

    if (result->city_len == 0
        && (referral_geo_string(entry, referral_geo_path_city, &s)
            == REFERRAL_OK
            || (geo->flat
                && referral_geo_string(entry, referral_geo_flat_city, &s)
                   == REFERRAL_OK)))
    {
        len = referral_geo_text(&s, REFERRAL_GEO_CITY_MAX);

        if (len) {
            memcpy(result->city, s.data, len);
            result->city_len = len;
            rc = REFERRAL_OK;
        }
    }

    return rc;
}


/* the country where a network is registered is not where its visitors are */

static int
referral_geo_country(referral_geo_t *geo, MMDB_entry_s *entry,
    referral_str_t *country)
{
    if (referral_geo_two(entry, referral_geo_path_country, country)
        == REFERRAL_OK)
    {
        return REFERRAL_OK;
    }

    if (!geo->flat || geo->network) {
        return REFERRAL_DECLINED;
    }

    if (referral_geo_two(entry, referral_geo_flat_country, country)
        == REFERRAL_OK)
    {
        return REFERRAL_OK;
    }

    return referral_geo_two(entry, referral_geo_flat_country_old, country);
}


static int
referral_geo_two(MMDB_entry_s *entry, const char *const *path,
    referral_str_t *country)
{
    if (referral_geo_string(entry, path, country) != REFERRAL_OK
        || country->len != 2
        || !referral_geo_upper(country, 0))
    {
        return REFERRAL_DECLINED;
    }

    return REFERRAL_OK;
}


static int
referral_geo_region(referral_geo_t *geo, MMDB_entry_s *entry,
    referral_str_t *region)
{
    if (referral_geo_string(entry, referral_geo_path_region, region)
        != REFERRAL_OK
        && (!geo->flat
            || referral_geo_string(entry, referral_geo_flat_region, region)
               != REFERRAL_OK))
    {
        return REFERRAL_DECLINED;
    }

    if (region->len < 1 || region->len > 3 || !referral_geo_upper(region, 1)) {
        return REFERRAL_DECLINED;
    }

    return REFERRAL_OK;
}


/* 64500, "64500" or "AS64500"; 0 for anything else */

static uint32_t
referral_geo_asn(MMDB_entry_s *entry, const char *const *path)
{
    MMDB_entry_data_s  data;

    if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data)
    {
        return 0;
    }

    switch (data.type) {

    case MMDB_DATA_TYPE_UINT16:
        return data.uint16;

    case MMDB_DATA_TYPE_UINT32:
        return data.uint32;

    case MMDB_DATA_TYPE_UINT64:
        return data.uint64 <= UINT32_MAX ? (uint32_t) data.uint64 : 0;

    case MMDB_DATA_TYPE_INT32:
        return data.int32 > 0 ? (uint32_t) data.int32 : 0;

    case MMDB_DATA_TYPE_UTF8_STRING:
        return referral_geo_asn_text(&data);

    default:
        return 0;
    }
}


static uint32_t
referral_geo_asn_text(const MMDB_entry_data_s *data)
{
    size_t       i;
    uint64_t     n;
    const char  *p;

    p = data->utf8_string;
    i = (data->data_size > 2 && strncasecmp(p, "AS", 2) == 0) ? 2 : 0;

    if (data->data_size == i || data->data_size > i + 10) {
        return 0;
    }

    for (n = 0; i < data->data_size; i++) {

        if (p[i] < '0' || p[i] > '9') {
            return 0;
        }

        n = n * 10 + (p[i] - '0');
    }

    return n <= UINT32_MAX ? (uint32_t) n : 0;
}


/* the string points into the file's copy */

static int
referral_geo_string(MMDB_entry_s *entry, const char *const *path,
    referral_str_t *s)
{
    MMDB_entry_data_s  data;

    if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS
        || !data.has_data
        || data.type != MMDB_DATA_TYPE_UTF8_STRING)
    {
        return REFERRAL_DECLINED;
    }

    s->data = (u_char *) data.utf8_string;
    s->len = data.data_size;

    return REFERRAL_OK;
}


static int
referral_geo_upper(const referral_str_t *s, int digits)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (c >= 'A' && c <= 'Z') {
            continue;
        }

        if (!digits || c < '0' || c > '9') {
            return 0;
        }
    }

    return 1;
}


/*
 * How many bytes make up at most "max" in whole characters; 0 if one is
 * invalid.
 */

static size_t
referral_geo_text(const referral_str_t *s, size_t max)
{
    size_t  len, n;

    for (len = 0; len < s->len; len += n) {
        n = referral_geo_character(s->data + len, s->len - len);

        if (n == 0) {
            return 0;
        }

        if (len + n > max) {
            break;
        }
    }

    return len;
}


/*
 * The length of a UTF-8 character (RFC 3629); 0: invalid, or a control
 * character.
 */

static size_t
referral_geo_character(const u_char *p, size_t len)
{
    size_t    i, n;
    uint32_t  c, least;

    c = p[0];

    if (c < 0x80) {
        return (c < 0x20 || c == 0x7f) ? 0 : 1;
    }

    if (c >= 0xc0 && c < 0xe0) {
        n = 2;
        c &= 0x1f;
        least = 0xa0;

    } else if (c >= 0xe0 && c < 0xf0) {
        n = 3;
        c &= 0x0f;
        least = 0x800;

    } else if (c >= 0xf0 && c < 0xf8) {
        n = 4;
        c &= 0x07;
        least = 0x10000;

    } else {
        return 0;
    }

    if (n > len) {
        return 0;
    }

    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        c = (c << 6) | (p[i] & 0x3f);
    }

    /* with two bytes "least" is above the C1 controls */

    if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        return 0;
    }

    return n;
}


referral_geo_memo_t *
referral_geo_memo_create(void)
{
    void  *p;

    p = mmap(NULL, sizeof(referral_geo_memo_t), PROT_READ|PROT_WRITE,
             MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}


void
referral_geo_memo_forget(referral_geo_memo_t *memo)
{
    memset(memo, 0, sizeof(referral_geo_memo_t));
}


void
referral_geo_memo_free(referral_geo_memo_t *memo)
{
    if (memo) {
        (void) munmap(memo, sizeof(referral_geo_memo_t));
    }
}


const referral_geo_result_t *
referral_geo_memo_find(const referral_geo_memo_t *memo,
    const struct sockaddr *sa)
{
    size_t    set;
    uint64_t  addr[2];
    unsigned  way;

    if (referral_geo_memo_addr(addr, sa) != REFERRAL_OK) {
        return NULL;
    }

    set = referral_geo_memo_set(addr);
    way = referral_geo_memo_way(memo, set, addr);

    return way < REFERRAL_GEO_WAYS ? &memo->result[set][way] : NULL;
}


void
referral_geo_memo_prefetch(const referral_geo_memo_t *memo,
    const struct sockaddr *sa)
{
    uint64_t  addr[2];

    if (referral_geo_memo_addr(addr, sa) == REFERRAL_OK) {
        __builtin_prefetch(memo->addr[referral_geo_memo_set(addr)]);
    }
}


referral_geo_result_t *
referral_geo_memo_add(referral_geo_memo_t *memo, const struct sockaddr *sa)
{
    size_t                  set;
    uint64_t                addr[2];
    unsigned                way;
    referral_geo_result_t  *result;

    static const uint64_t   none[2];

    if (referral_geo_memo_addr(addr, sa) != REFERRAL_OK) {
        return NULL;
    }

    set = referral_geo_memo_set(addr);
    way = referral_geo_memo_way(memo, set, none);

    if (way == REFERRAL_GEO_WAYS) {
        way = memo->next++ % REFERRAL_GEO_WAYS;
    }

    memcpy(memo->addr[set][way], addr, sizeof(addr));

    result = &memo->result[set][way];
    memset(result, 0, sizeof(referral_geo_result_t));

    return result;
}


/* IPv4 is mapped into IPv6, so that both forms of an address are the same */

static int
referral_geo_memo_addr(uint64_t *addr, const struct sockaddr *sa)
{
    const struct sockaddr_in  *sin;

    switch (sa->sa_family) {

    case AF_INET:
        sin = (const struct sockaddr_in *) sa;
        addr[0] = 0;
        addr[1] = htobe64((uint64_t) 0xffff << 32
                          | ntohl(sin->sin_addr.s_addr));
        return REFERRAL_OK;

    case AF_INET6:
        memcpy(addr, &((const struct sockaddr_in6 *) sa)->sin6_addr, 16);
        return REFERRAL_OK;

    default:
        return REFERRAL_DECLINED;
    }
}


/*
 * Fibonacci hashing; the halves are swapped, because IPv4 addresses differ in
 * the upper bits of the second.
 */

static size_t
referral_geo_memo_set(const uint64_t *addr)
{
    uint64_t  h;

    h = addr[0] ^ (addr[1] << 32 | addr[1] >> 32);

    return (h * 0x9e3779b97f4a7c15) >> (64 - REFERRAL_GEO_SET_BITS);
}


/*
 * Returns WAYS if there is none.  Compares all ways without branches, which
 * the processor could not predict.
 */

static unsigned
referral_geo_memo_way(const referral_geo_memo_t *memo, size_t set,
    const uint64_t *addr)
{
    unsigned         i, found;
    const uint64_t  *p;

    found = 1 << REFERRAL_GEO_WAYS;

    for (i = 0; i < REFERRAL_GEO_WAYS; i++) {
        p = memo->addr[set][i];
        found |= ((p[0] ^ addr[0]) | (p[1] ^ addr[1])) == 0 ? 1U << i : 0;
    }

    return __builtin_ctz(found);
}
