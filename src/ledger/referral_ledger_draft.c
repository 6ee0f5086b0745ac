
#include <stdlib.h>

#include "referral_ledger_draft.h"


void
referral_ledger_pair(referral_buf_t *buf, const char *name,
    const referral_str_t *value)
{
    referral_buf_put(buf, name, strlen(name));
    referral_buf_putc(buf, '\n');
    referral_buf_str(buf, value);
    referral_buf_putc(buf, '\n');
}


/* -1: there is no such number, and the value is empty */

void
referral_ledger_pair_number(referral_buf_t *buf, const char *name, int64_t n)
{
    referral_buf_put(buf, name, strlen(name));
    referral_buf_putc(buf, '\n');

    if (n != -1) {
        referral_ledger_decimal(buf, n);
    }

    referral_buf_putc(buf, '\n');
}


void
referral_ledger_decimal(referral_buf_t *buf, int64_t n)
{
    if (n < 0) {
        referral_buf_putc(buf, '-');
        referral_buf_uint(buf, -(uint64_t) n);
        return;
    }

    referral_buf_uint(buf, n);
}


void
referral_ledger_draft(referral_ledger_draft_t *draft)
{
    referral_buf_init(&draft->key, draft->key_data, sizeof(draft->key_data));
    referral_buf_init(&draft->field, draft->field_data,
                      sizeof(draft->field_data));
    referral_buf_init(&draft->text, draft->text_data,
                      sizeof(draft->text_data));
}


void
referral_ledger_put(referral_ledger_writes_t *w, referral_view_kind_e kind,
    const referral_ledger_draft_t *draft, int64_t change)
{
    size_t                    size;
    referral_ledger_write_t  *write;

    if (w->n == w->size) {
        size = w->size ? 2 * w->size : 64;
        write = realloc(w->write, size * sizeof(referral_ledger_write_t));

        if (write == NULL) {
            w->failed = 1;
            return;
        }

        w->write = write;
        w->size = size;
    }

    write = &w->write[w->n];

    write->kind = kind;
    write->change = change;
    write->key = referral_ledger_keep(w, &draft->key);
    write->field = referral_ledger_keep(w, &draft->field);
    write->text = referral_ledger_keep(w, &draft->text);

    w->n += !w->failed;
}


referral_ledger_piece_t
referral_ledger_keep(referral_ledger_writes_t *w, const referral_buf_t *buf)
{
    size_t                   len, size;
    u_char                  *text;
    referral_ledger_piece_t  piece;

    len = buf->pos - buf->start;
    piece.at = w->used;
    piece.len = len;

    if (buf->overflow || w->used + len > UINT32_MAX) {
        w->failed = 1;
        return piece;
    }

    if (w->used + len > w->text_size) {
        size = 2 * (w->used + len) + 4096;
        text = realloc(w->text, size);

        if (text == NULL) {
            w->failed = 1;
            return piece;
        }

        w->text = text;
        w->text_size = size;
    }

    memcpy(w->text + w->used, buf->start, len);
    w->used += len;

    return piece;
}
