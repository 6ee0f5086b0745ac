
#include <stdio.h>
#include <stdlib.h>

#include "referral_intake_core.h"


#define REFERRAL_INTAKE_CHUNK  (16 * 1024 - 64)
#define REFERRAL_INTAKE_ALIGN  sizeof(uint64_t)

#define REFERRAL_INTAKE_DETAIL  160      /* with a line and a column */


struct referral_intake_chunk_s {
    referral_intake_chunk_t  *next;
    u_char                   *pos;
    u_char                   *end;
};


static referral_intake_error_t *referral_intake_error(referral_intake_t *in,
    referral_intake_item_t *item, const char *code, const char *detail);
static void referral_intake_name(referral_intake_t *in, referral_str_t *out,
    const referral_str_t *field);


int
referral_intake_refused(referral_intake_t *in, unsigned status,
    const char *code, const char *detail)
{
    referral_intake_wrong(in, &in->body, status, NULL, code, detail);

    return REFERRAL_DECLINED;
}


int
referral_intake_refused_at(referral_intake_t *in, unsigned status,
    const char *code, const char *detail, const u_char *p)
{
    const char  *text;

    text = referral_intake_at(in, detail, p, 1, 1);

    return referral_intake_refused(in, status, code, text ? text : detail);
}


/* the body is counted on from the last place, so only once in all */

const char *
referral_intake_at(referral_intake_t *in, const char *what, const u_char *p,
    unsigned line, unsigned column)
{
    char  *text;

    for ( /* void */ ; in->at < p; in->at++) {

        if (*in->at == '\n') {
            in->line++;
            in->column = 0;

        } else if ((*in->at & 0xc0) != 0x80) {
            in->column++;
        }
    }

    if (line == 1) {
        column += in->column;
    }

    text = referral_intake_alloc(in, REFERRAL_INTAKE_DETAIL);

    if (text != NULL) {
        snprintf(text, REFERRAL_INTAKE_DETAIL, "%s (line %u, column %u)", what,
                 in->line + line - 1, column);
    }

    return text;
}


void
referral_intake_wrong(referral_intake_t *in, referral_intake_item_t *item,
    unsigned status, const referral_str_t *field, const char *code,
    const char *detail)
{
    referral_intake_error_t  *error;

    if (item->more) {
        in->more++;
        return;
    }

    if (item->told == REFERRAL_INTAKE_ERRORS
        || (item->told && in->told >= REFERRAL_INTAKE_TOLD))
    {
        item->more = 1;
        in->more++;

        field = NULL;
        code = "more";
        detail = "there are more mistakes than are told";

    } else {
        in->told++;
    }

    error = referral_intake_error(in, item, code, detail);

    if (error != NULL && field != NULL) {
        referral_intake_name(in, &error->field, field);
    }

    if (item->status == 0) {
        item->status = status;
    }
}


static referral_intake_error_t *
referral_intake_error(referral_intake_t *in, referral_intake_item_t *item,
    const char *code, const char *detail)
{
    referral_intake_error_t  *error;

    error = referral_intake_alloc(in, sizeof(referral_intake_error_t));
    if (error == NULL) {
        return NULL;
    }

    memset(error, 0, sizeof(referral_intake_error_t));

    error->code.data = (u_char *) code;
    error->code.len = strlen(code);
    error->detail.data = (u_char *) detail;
    error->detail.len = strlen(detail);

    *item->last = error;
    item->last = &error->next;
    item->told++;

    return error;
}


void
referral_intake_mistake(referral_intake_reader_t *r,
    const referral_str_t *field, const char *code, const char *detail)
{
    referral_intake_wrong(r->in, r->item, 422, field, code, detail);
}


/* a name of any length, cut where a character ends */

static void
referral_intake_name(referral_intake_t *in, referral_str_t *out,
    const referral_str_t *field)
{
    referral_str_t  name;

    name = *field;

    if (name.len > REFERRAL_INTAKE_NAME) {
        name.len = REFERRAL_INTAKE_NAME;

        while (name.len && (name.data[name.len] & 0xc0) == 0x80) {
            name.len--;
        }
    }

    referral_intake_copy(in, out, &name);
}


void
referral_intake_copy(referral_intake_t *in, referral_str_t *out,
    const referral_str_t *s)
{
    out->len = 0;
    out->data = referral_intake_alloc(in, s->len);

    if (out->data != NULL && s->len) {
        memcpy(out->data, s->data, s->len);
        out->len = s->len;
    }
}


void *
referral_intake_alloc(referral_intake_t *in, size_t size)
{
    size_t                    room;
    u_char                   *p;
    referral_intake_chunk_t  *chunk;

    size = (size + REFERRAL_INTAKE_ALIGN - 1) & ~(REFERRAL_INTAKE_ALIGN - 1);
    chunk = in->chunk;

    if (chunk == NULL || (size_t) (chunk->end - chunk->pos) < size) {
        room = size > REFERRAL_INTAKE_CHUNK ? size : REFERRAL_INTAKE_CHUNK;

        chunk = malloc(sizeof(referral_intake_chunk_t) + room);
        if (chunk == NULL) {
            in->failed = 1;
            return NULL;
        }

        chunk->pos = (u_char *) chunk + sizeof(referral_intake_chunk_t);
        chunk->end = chunk->pos + room;
        chunk->next = in->chunk;

        in->chunk = chunk;
    }

    p = chunk->pos;
    chunk->pos += size;

    return p;
}


void
referral_intake_free(referral_intake_t *in)
{
    referral_intake_chunk_t  *chunk, *next;

    for (chunk = in->chunk; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }

    in->chunk = NULL;
    in->item = NULL;
    in->n = 0;
}
