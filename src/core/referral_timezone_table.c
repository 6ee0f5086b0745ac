
#include <stdio.h>
#include <stdlib.h>

#include "referral_timezone_core.h"


#define REFERRAL_TIMEZONES_MAX     4096
#define REFERRAL_TIMEZONES_STEP    256       /* names, when more are needed */
#define REFERRAL_TIMEZONES_MEMORY  16384     /* bytes, likewise */
#define REFERRAL_TIMEZONES_NEAR    2         /* letters that may be wrong */


/* where a name and its zone lie in "memory"; a zone is aligned to 8 */

typedef struct {
    uint32_t                     name;
    uint32_t                     len;
    uint32_t                     zone;
    uint32_t                     size;
} referral_timezones_entry_t;


struct referral_timezones_s {
    size_t                       n;
    size_t                       nalloc;
    size_t                       used;
    size_t                       size;
    u_char                      *memory;
    referral_timezones_entry_t  *entry;      /* sorted by name */
};


static int referral_timezones_room(referral_timezones_t *zones, size_t size);
static uint32_t referral_timezones_put(referral_timezones_t *zones,
    const void *data, size_t len);
static int referral_timezones_same(const referral_timezones_t *zones,
    const void *data, size_t len, uint32_t *zone);
static size_t referral_timezones_place(const referral_timezones_t *zones,
    const referral_str_t *name, int *found);
static size_t referral_timezones_distance(const referral_str_t *a,
    const referral_str_t *b);
static referral_str_t referral_timezones_last(const referral_str_t *name);
static u_char referral_timezones_fold(u_char c);


referral_timezones_t *
referral_timezones_create(void)
{
    return calloc(1, sizeof(referral_timezones_t));
}


void
referral_timezones_free(referral_timezones_t *zones)
{
    if (zones == NULL) {
        return;
    }

    free(zones->memory);
    free(zones->entry);
    free(zones);
}


int
referral_timezones_add(referral_timezones_t *zones,
    const referral_str_t *name, const referral_str_t *file, const char **err)
{
    int                          rc, found;
    size_t                       i, len;
    uint32_t                     zone;
    referral_buf_t               out;
    referral_timezones_entry_t  *entry;

    union {
        u_char                   data[REFERRAL_TIMEZONE_SIZE];
        uint64_t                 align;
    } memory;

    if (!referral_timezone_valid(name)) {
        *err = "its name is not one of a time zone";
        return REFERRAL_ERROR;
    }

    referral_buf_init(&out, memory.data, sizeof(memory.data));

    rc = referral_timezone_compile(&out, file, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    len = out.pos - out.start;
    i = referral_timezones_place(zones, name, &found);

    if (found || zones->n == REFERRAL_TIMEZONES_MAX) {
        *err = found ? "it is there twice" : "there are too many time zones";
        return REFERRAL_ERROR;
    }

    if (referral_timezones_room(zones, len + name->len) != REFERRAL_OK) {
        *err = "no memory";
        return REFERRAL_ERROR;
    }

    if (!referral_timezones_same(zones, out.start, len, &zone)) {
        zone = referral_timezones_put(zones, out.start, len);
    }

    entry = &zones->entry[i];

    memmove(entry + 1, entry,
            (zones->n - i) * sizeof(referral_timezones_entry_t));

    entry->zone = zone;
    entry->size = len;
    entry->name = referral_timezones_put(zones, name->data, name->len);
    entry->len = name->len;
    zones->n++;

    return REFERRAL_OK;
}


/* for one entry more, and as many bytes in two pieces */

static int
referral_timezones_room(referral_timezones_t *zones, size_t size)
{
    void  *p;

    size += 2 * sizeof(uint64_t);

    if (zones->size - zones->used < size) {
        size += zones->used + REFERRAL_TIMEZONES_MEMORY;

        p = realloc(zones->memory, size);
        if (p == NULL) {
            return REFERRAL_ERROR;
        }

        zones->memory = p;
        zones->size = size;
    }

    if (zones->n == zones->nalloc) {
        size = zones->nalloc + REFERRAL_TIMEZONES_STEP;

        p = realloc(zones->entry, size * sizeof(referral_timezones_entry_t));
        if (p == NULL) {
            return REFERRAL_ERROR;
        }

        zones->entry = p;
        zones->nalloc = size;
    }

    return REFERRAL_OK;
}


static uint32_t
referral_timezones_put(referral_timezones_t *zones, const void *data,
    size_t len)
{
    uint32_t  place;

    place = zones->used;

    memcpy(zones->memory + place, data, len);

    zones->used += (len + 7) & ~(size_t) 7;

    return place;
}


/* many names are of one zone, and many zones are alike since 1970 */

static int
referral_timezones_same(const referral_timezones_t *zones, const void *data,
    size_t len, uint32_t *zone)
{
    size_t                       i;
    referral_timezones_entry_t  *entry;

    for (i = 0; i < zones->n; i++) {
        entry = &zones->entry[i];

        if (entry->size == len
            && memcmp(zones->memory + entry->zone, data, len) == 0)
        {
            *zone = entry->zone;
            return 1;
        }
    }

    return 0;
}


size_t
referral_timezones_count(const referral_timezones_t *zones)
{
    return zones->n;
}


referral_str_t
referral_timezones_name(const referral_timezones_t *zones, size_t i)
{
    referral_str_t  name;

    name.len = zones->entry[i].len;
    name.data = zones->memory + zones->entry[i].name;

    return name;
}


size_t
referral_timezones_size(const referral_timezones_t *zones)
{
    return sizeof(referral_timezones_t) + zones->size
           + zones->nalloc * sizeof(referral_timezones_entry_t);
}


const referral_timezone_t *
referral_timezones_find(const referral_timezones_t *zones,
    const referral_str_t *name)
{
    int     found;
    size_t  i;

    if (zones == NULL) {
        return NULL;
    }

    i = referral_timezones_place(zones, name, &found);

    if (!found) {
        return NULL;
    }

    return (const referral_timezone_t *)
           (zones->memory + zones->entry[i].zone);
}


/* of the name, or where it would be */

static size_t
referral_timezones_place(const referral_timezones_t *zones,
    const referral_str_t *name, int *found)
{
    int             diff;
    size_t          low, high, middle;
    referral_str_t  other;

    *found = 0;
    low = 0;
    high = zones->n;

    while (low < high) {
        middle = (low + high) / 2;
        other = referral_timezones_name(zones, middle);

        diff = memcmp(name->data, other.data,
                      name->len < other.len ? name->len : other.len);

        if (diff == 0 && name->len == other.len) {
            *found = 1;
            return middle;
        }

        if (diff > 0 || (diff == 0 && name->len > other.len)) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return low;
}


/* "europe/berlin", "Berlin" and "Europe/Belrin" are Europe/Berlin */

referral_str_t
referral_timezones_near(const referral_timezones_t *zones,
    const referral_str_t *name)
{
    size_t          i, distance, least;
    referral_str_t  near, last, other, end;

    near.len = 0;
    near.data = NULL;

    if (zones == NULL || name->len == 0 || name->len > REFERRAL_TIMEZONE_MAX) {
        return near;
    }

    least = REFERRAL_TIMEZONES_NEAR + 1;
    last = referral_timezones_last(name);

    for (i = 0; i < zones->n; i++) {
        other = referral_timezones_name(zones, i);
        end = referral_timezones_last(&other);

        distance = referral_timezones_distance(name, &other);

        /* a city alone, or behind another continent */

        if (distance && referral_timezones_distance(&last, &end) == 0) {
            distance = 1;
        }

        if (distance < least) {
            least = distance;
            near = other;
        }
    }

    return near;
}


void
referral_timezones_wrong(const referral_timezones_t *zones,
    const referral_str_t *name, char text[REFERRAL_TIMEZONE_WRONG])
{
    referral_str_t  near;

    near = referral_timezones_near(zones, name);

    if (zones == NULL) {
        snprintf(text, REFERRAL_TIMEZONE_WRONG, "this system knows no time "
                 "zones: the package \"tzdata\" has them");

    } else if (near.len) {
        snprintf(text, REFERRAL_TIMEZONE_WRONG, "no such time zone; is it "
                 "\"%.*s\"?", (int) near.len, (char *) near.data);

    } else if (!referral_timezone_valid(name)) {
        snprintf(text, REFERRAL_TIMEZONE_WRONG, "%s", REFERRAL_TIMEZONE_RIGHT);

    } else {
        snprintf(text, REFERRAL_TIMEZONE_WRONG, "no such time zone; they have "
                 "names such as \"Europe/Berlin\" and \"America/New_York\"");
    }
}


/* how many letters are too many, missing or wrong; case does not count */

static size_t
referral_timezones_distance(const referral_str_t *a, const referral_str_t *b)
{
    u_char  c;
    size_t  i, j, above, corner, cost, row[REFERRAL_TIMEZONE_MAX + 1];

    if (a->len > b->len + REFERRAL_TIMEZONES_NEAR
        || b->len > a->len + REFERRAL_TIMEZONES_NEAR)
    {
        return REFERRAL_TIMEZONE_MAX;
    }

    for (j = 0; j <= b->len; j++) {
        row[j] = j;
    }

    for (i = 0; i < a->len; i++) {
        c = referral_timezones_fold(a->data[i]);
        corner = i;
        row[0] = i + 1;

        for (j = 0; j < b->len; j++) {
            above = row[j + 1];
            cost = corner + (c != referral_timezones_fold(b->data[j]));

            if (above + 1 < cost) {
                cost = above + 1;
            }

            if (row[j] + 1 < cost) {
                cost = row[j] + 1;
            }

            row[j + 1] = cost;
            corner = above;
        }
    }

    return row[b->len];
}


/* what stands behind the last "/" */

static referral_str_t
referral_timezones_last(const referral_str_t *name)
{
    size_t          n;
    referral_str_t  last;

    for (n = name->len; n && name->data[n - 1] != '/'; n--) { /* void */ }

    last.len = name->len - n;
    last.data = name->data + n;

    return last;
}


static u_char
referral_timezones_fold(u_char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c | 0x20;
    }

    return c == ' ' || c == '-' ? '_' : c;
}
