
#include "referral_moment.h"
#include "referral_time.h"


#define REFERRAL_MOMENT_MAX      253402300799999LL
#define REFERRAL_MOMENT_MINUTES  (14 * 60)


int64_t
referral_moment_day(const referral_moment_t *moment)
{
    return referral_time_day_number(moment->ms, moment->minutes);
}


void
referral_moment_put(referral_buf_t *out, const referral_moment_t *moment)
{
    if (moment->ms < 0) {
        referral_buf_putc(out, '-');
        return;
    }

    referral_buf_uint(out, moment->ms);

    if (moment->minutes > 0) {
        referral_buf_putc(out, '+');
        referral_buf_uint(out, moment->minutes);

    } else if (moment->minutes < 0) {
        referral_buf_putc(out, '-');
        referral_buf_uint(out, -moment->minutes);
    }
}


int
referral_moment_parse(referral_moment_t *moment, const referral_str_t *s)
{
    size_t          i;
    int64_t         minutes;
    referral_str_t  part;

    moment->ms = -1;
    moment->minutes = 0;

    if (s->len == 0 || (s->len == 1 && s->data[0] == '-')) {
        return REFERRAL_OK;
    }

    for (i = 0; i < s->len; i++) {
        if (s->data[i] == '+' || s->data[i] == '-') {
            break;
        }
    }

    part.data = s->data;
    part.len = i;
    moment->ms = referral_str_uint(&part, REFERRAL_MOMENT_MAX);

    if (moment->ms < 0) {
        return REFERRAL_ERROR;
    }

    if (i == s->len) {
        return REFERRAL_OK;
    }

    part.data = s->data + i + 1;
    part.len = s->len - i - 1;
    minutes = referral_str_uint(&part, REFERRAL_MOMENT_MINUTES);

    if (minutes < 0) {
        return REFERRAL_ERROR;
    }

    moment->minutes = (int) (s->data[i] == '-' ? -minutes : minutes);

    return REFERRAL_OK;
}


referral_moment_t
referral_moment_first(const referral_moment_t *a, const referral_moment_t *b)
{
    if (a->ms < 0) {
        return *b;
    }

    return b->ms >= 0 && b->ms < a->ms ? *b : *a;
}
