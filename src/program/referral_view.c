
#include <stdlib.h>

#include "referral_view.h"
#include "referral_hash.h"


#define REFERRAL_VIEW_SLOTS   1024
#define REFERRAL_VIEW_CHUNK   (64 * 1024)
#define REFERRAL_VIEW_NAME    1024      /* bytes of a name, at most */


typedef struct referral_view_chunk_s  referral_view_chunk_t;

struct referral_view_chunk_s {
    referral_view_chunk_t   *next;
    u_char                   data[];
};


static referral_view_item_t *referral_view_make(referral_view_t *v,
    uint32_t hash, referral_view_kind_e kind, const referral_str_t *key,
    const referral_str_t *field);
static void *referral_view_alloc(referral_view_t *v, size_t size);
static int referral_view_grow(referral_view_t *v);
static void referral_view_change(referral_view_t *v,
    referral_view_item_t *item);
static void referral_view_push(referral_view_t *v, referral_view_list_t *list,
    referral_view_item_t *item);
static void referral_view_copy(referral_view_t *v, referral_str_t *to,
    const referral_str_t *from);
static void referral_view_drop(referral_view_t *v);
static int referral_view_compare_ids(const referral_view_item_t *a,
    const referral_view_item_t *b);
static int referral_view_compare(const void *one, const void *two);


int
referral_view_init(referral_view_t *v, int complete)
{
    memset(v, 0, sizeof(referral_view_t));

    v->complete = (complete != 0);
    v->nslots = REFERRAL_VIEW_SLOTS;
    v->slots = calloc(v->nslots, sizeof(referral_view_item_t *));
    v->spare = calloc(1, sizeof(referral_view_item_t) + REFERRAL_VIEW_NAME);

    if (v->slots == NULL || v->spare == NULL) {
        referral_view_free(v);
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


void
referral_view_free(referral_view_t *v)
{
    referral_view_drop(v);

    free(v->slots);
    free(v->spare);
    free(v->wanted.item);
    free(v->changed.item);

    memset(v, 0, sizeof(referral_view_t));
}


void
referral_view_clear(referral_view_t *v)
{
    referral_view_drop(v);

    memset(v->slots, 0, v->nslots * sizeof(referral_view_item_t *));

    v->nitems = 0;
    v->wanted.n = 0;
    v->changed.n = 0;
    v->failed = 0;
    v->overflow = 0;
}


/* items lie in chunks, their texts each for itself */

static void
referral_view_drop(referral_view_t *v)
{
    size_t                  i;
    referral_view_chunk_t  *chunk, *next;

    for (i = 0; v->slots && i < v->nslots; i++) {
        if (v->slots[i]) {
            free(v->slots[i]->text.data);
            free(v->slots[i]->before.data);
        }
    }

    for (chunk = v->chunks; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }

    if (v->spare) {
        free(v->spare->text.data);
        free(v->spare->before.data);
        memset(v->spare, 0, sizeof(referral_view_item_t));
    }

    v->chunks = NULL;
    v->pos = NULL;
    v->end = NULL;
}


referral_view_item_t *
referral_view_find(referral_view_t *v, referral_view_kind_e kind,
    const referral_str_t *key, const referral_str_t *field)
{
    size_t                 i;
    u_char                 name[REFERRAL_VIEW_NAME];
    uint32_t               hash;
    referral_buf_t         buf;
    referral_view_item_t  *item;

    referral_buf_init(&buf, name, sizeof(name));
    referral_buf_str(&buf, key);
    referral_buf_str(&buf, field);

    hash = (uint32_t) referral_hash64(kind + 64 * key->len, name,
                                      buf.pos - name);

    for (i = hash & (v->nslots - 1); v->slots[i];
         i = (i + 1) & (v->nslots - 1))
    {
        item = v->slots[i];

        if (item->hash == hash && item->kind == kind && item->klen == key->len
            && item->flen == field->len
            && memcmp(item->name, name, buf.pos - name) == 0)
        {
            return item;
        }
    }

    return buf.overflow ? v->spare
                        : referral_view_make(v, hash, kind, key, field);
}


static referral_view_item_t *
referral_view_make(referral_view_t *v, uint32_t hash,
    referral_view_kind_e kind, const referral_str_t *key,
    const referral_str_t *field)
{
    size_t                 i;
    referral_buf_t         buf;
    referral_view_item_t  *item;

    if (v->nitems >= v->nslots / 2 && referral_view_grow(v) != REFERRAL_OK) {
        v->failed = 1;
        return v->spare;
    }

    item = referral_view_alloc(v, sizeof(referral_view_item_t) + key->len
                                  + field->len);
    if (item == NULL) {
        v->failed = 1;
        return v->spare;
    }

    memset(item, 0, sizeof(referral_view_item_t));

    item->hash = hash;
    item->kind = kind;
    item->klen = (uint16_t) key->len;
    item->flen = (uint16_t) field->len;
    item->loaded = v->complete;

    referral_buf_init(&buf, item->name, key->len + field->len);
    referral_buf_str(&buf, key);
    referral_buf_str(&buf, field);

    i = hash & (v->nslots - 1);

    while (v->slots[i]) {
        i = (i + 1) & (v->nslots - 1);
    }

    v->slots[i] = item;
    v->nitems++;

    return item;
}


static void *
referral_view_alloc(referral_view_t *v, size_t size)
{
    void                   *p;
    referral_view_chunk_t  *chunk;

    size = (size + 7) & ~(size_t) 7;

    if ((size_t) (v->end - v->pos) < size) {
        chunk = malloc(sizeof(referral_view_chunk_t) + REFERRAL_VIEW_CHUNK);

        if (chunk == NULL) {
            return NULL;
        }

        chunk->next = v->chunks;
        v->chunks = chunk;
        v->pos = chunk->data;
        v->end = chunk->data + REFERRAL_VIEW_CHUNK;
    }

    p = v->pos;
    v->pos += size;

    return p;
}


static int
referral_view_grow(referral_view_t *v)
{
    size_t                  i, j, n;
    referral_view_item_t  **slots;

    n = v->nslots * 2;
    slots = calloc(n, sizeof(referral_view_item_t *));

    if (slots == NULL) {
        return REFERRAL_ERROR;
    }

    for (i = 0; i < v->nslots; i++) {

        if (v->slots[i] == NULL) {
            continue;
        }

        j = v->slots[i]->hash & (n - 1);

        while (slots[j]) {
            j = (j + 1) & (n - 1);
        }

        slots[j] = v->slots[i];
    }

    free(v->slots);

    v->slots = slots;
    v->nslots = n;

    return REFERRAL_OK;
}


int
referral_view_need(referral_view_t *v, referral_view_item_t *item)
{
    if (item->loaded) {
        return 1;
    }

    if (!item->wanted) {
        item->wanted = 1;
        referral_view_push(v, &v->wanted, item);
    }

    return 0;
}


/* digests that were appended before the list was read come after what it has */

void
referral_view_load(referral_view_t *v, referral_view_item_t *item,
    const referral_str_t *text)
{
    referral_str_t  added, old;

    static const referral_str_t  nothing = referral_null_string;

    old = item->text;
    item->text.data = NULL;
    item->text.len = 0;

    referral_view_copy(v, &item->text, text ? text : &nothing);

    if (item->kind == REFERRAL_VIEW_OPEN && old.len > item->before.len) {
        added.data = old.data + item->before.len;
        added.len = old.len - item->before.len;
        item->before.len = item->text.len;

        referral_view_append(v, item, added.data, added.len);

    } else {
        item->before.len = item->text.len;
    }

    free(old.data);

    if (item->kind != REFERRAL_VIEW_OPEN) {
        item->before.len = 0;
        referral_view_copy(v, &item->before, &item->text);
    }

    item->loaded = 1;
}


void
referral_view_load_number(referral_view_item_t *item, int64_t value)
{
    item->value = value;
    item->loaded = 1;
}


void
referral_view_set(referral_view_t *v, referral_view_item_t *item,
    const referral_str_t *text)
{
    if (referral_str_eq(&item->text, text)) {
        return;
    }

    referral_view_copy(v, &item->text, text);
    referral_view_change(v, item);
}


void
referral_view_replace(referral_view_t *v, referral_view_item_t *item,
    const referral_str_t *text)
{
    if (item->loaded) {
        referral_view_set(v, item, text);
        return;
    }

    item->loaded = 1;

    referral_view_copy(v, &item->text, text);
    referral_view_change(v, item);
}


void
referral_view_append(referral_view_t *v, referral_view_item_t *item,
    const u_char *data, size_t len)
{
    u_char  *p;

    p = realloc(item->text.data, item->text.len + len);

    if (p == NULL) {
        v->failed = 1;
        return;
    }

    memcpy(p + item->text.len, data, len);

    item->text.data = p;
    item->text.len += len;

    referral_view_change(v, item);
}


void
referral_view_add(referral_view_t *v, referral_view_item_t *item, int64_t n)
{
    int64_t  sum;

    if (__builtin_add_overflow(item->change, n, &item->change)) {
        v->overflow = 1;
        return;
    }

    if (v->complete) {

        if (referral_view_sum(item, &sum) != REFERRAL_OK) {
            v->overflow = 1;
            return;
        }

        item->value = sum;
        item->change = 0;
        return;
    }

    referral_view_change(v, item);
}


int
referral_view_sum(const referral_view_item_t *item, int64_t *sum)
{
    if (__builtin_add_overflow(item->value, item->change, sum)) {
        return REFERRAL_ERROR;
    }

    if (referral_view_scores(item->kind)) {

        if (*sum > REFERRAL_VIEW_SCORE_MAX) {
            *sum = REFERRAL_VIEW_SCORE_MAX;

        } else if (*sum < -REFERRAL_VIEW_SCORE_MAX) {
            *sum = -REFERRAL_VIEW_SCORE_MAX;
        }
    }

    return REFERRAL_OK;
}


void
referral_view_committed(referral_view_t *v)
{
    size_t                 i;
    referral_view_item_t  *item;

    for (i = 0; i < v->changed.n; i++) {
        item = v->changed.item[i];
        item->changed = 0;

        if (referral_view_counts(item->kind)) {
            (void) referral_view_sum(item, &item->value);
            item->change = 0;

        } else if (item->kind == REFERRAL_VIEW_OPEN) {
            item->before.len = item->text.len;

        } else {
            referral_view_copy(v, &item->before, &item->text);
        }
    }

    v->changed.n = 0;
}


void
referral_view_satisfied(referral_view_t *v)
{
    size_t  i;

    for (i = 0; i < v->wanted.n; i++) {
        v->wanted.item[i]->wanted = 0;
    }

    v->wanted.n = 0;
}


/* a complete view is never written: there is no list of what changed */

static void
referral_view_change(referral_view_t *v, referral_view_item_t *item)
{
    if (!item->changed && !v->complete) {
        item->changed = 1;
        referral_view_push(v, &v->changed, item);
    }
}


static void
referral_view_push(referral_view_t *v, referral_view_list_t *list,
    referral_view_item_t *item)
{
    size_t                  size;
    referral_view_item_t  **items;

    if (list->n == list->size) {
        size = list->size ? 2 * list->size : 64;
        items = realloc(list->item, size * sizeof(referral_view_item_t *));

        if (items == NULL) {
            v->failed = 1;
            return;
        }

        list->item = items;
        list->size = size;
    }

    list->item[list->n++] = item;
}


static void
referral_view_copy(referral_view_t *v, referral_str_t *to,
    const referral_str_t *from)
{
    u_char  *p;

    if (from->len > to->len) {
        p = realloc(to->data, from->len);

        if (p == NULL) {
            v->failed = 1;
            return;
        }

        to->data = p;
    }

    if (from->len) {
        memcpy(to->data, from->data, from->len);
    }

    to->len = from->len;
}


void
referral_view_sort(referral_view_list_t *list)
{
    if (list->n > 1) {
        qsort(list->item, list->n, sizeof(referral_view_item_t *),
              referral_view_compare);
    }
}


/* "9-10" is before "10-0" */

static int
referral_view_compare_ids(const referral_view_item_t *a,
    const referral_view_item_t *b)
{
    int            rc;
    size_t         one, two;
    const u_char  *dash;

    dash = memchr(a->name + a->klen, '-', a->flen);
    one = dash ? (size_t) (dash - a->name - a->klen) : a->flen;
    dash = memchr(b->name + b->klen, '-', b->flen);
    two = dash ? (size_t) (dash - b->name - b->klen) : b->flen;

    if (one != two) {
        return one < two ? -1 : 1;
    }

    rc = memcmp(a->name + a->klen, b->name + b->klen, one);

    if (rc == 0 && a->flen != b->flen) {
        return a->flen < b->flen ? -1 : 1;
    }

    return rc ? rc : memcmp(a->name + a->klen, b->name + b->klen, a->flen);
}


static int
referral_view_compare(const void *one, const void *two)
{
    int                          rc;
    size_t                       len;
    const referral_view_item_t  *a, *b;

    a = *(referral_view_item_t *const *) one;
    b = *(referral_view_item_t *const *) two;

    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }

    len = a->klen < b->klen ? a->klen : b->klen;
    rc = memcmp(a->name, b->name, len);

    if (rc == 0) {
        rc = (a->klen > b->klen) - (a->klen < b->klen);
    }

    if (rc) {
        return rc;
    }

    if (referral_view_streams(a->kind)) {
        return referral_view_compare_ids(a, b);
    }

    len = a->flen < b->flen ? a->flen : b->flen;
    rc = memcmp(a->name + a->klen, b->name + b->klen, len);

    return rc ? rc : (a->flen > b->flen) - (a->flen < b->flen);
}
