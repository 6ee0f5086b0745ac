
#include "referral_terms.h"
#include "referral_name.h"
#include "referral_time.h"


#define REFERRAL_TERMS_MINUTES  (14 * 60)


static int referral_terms_seconds(int64_t *seconds, const referral_str_t *s,
    int64_t otherwise, int64_t max);
static int referral_terms_changes(referral_terms_t *terms,
    const referral_str_t *s);
static int referral_terms_change(referral_terms_change_t *change,
    const referral_str_t *s);


int
referral_terms_parse(referral_terms_t *terms, const referral_fact_t *fact,
    const char **why)
{
    const referral_str_t  *bind;

    terms->version = fact->subject;
    bind = &fact->text[REFERRAL_FACT_T_BIND];

    if (referral_terms_seconds(&terms->window,
                               &fact->text[REFERRAL_FACT_T_WINDOW],
                               REFERRAL_WINDOW_DEFAULT, REFERRAL_WINDOW_MAX)
        != REFERRAL_OK
        || referral_terms_seconds(&terms->late,
                                  &fact->text[REFERRAL_FACT_T_LATE],
                                  REFERRAL_TERMS_LATE,
                                  REFERRAL_TERMS_LATE_MAX)
           != REFERRAL_OK)
    {
        *why = "\"window\" or \"late\" is no time such as 30d, at most 400d";
        return REFERRAL_ERROR;
    }

    terms->lapses = referral_str_is(bind, "window");

    if (bind->len && !terms->lapses && !referral_str_is(bind, "ever")) {
        *why = "\"bind\" is neither \"ever\" nor \"window\"";
        return REFERRAL_ERROR;
    }

    if (referral_terms_changes(terms, &fact->text[REFERRAL_FACT_T_TRANSITIONS])
        != REFERRAL_OK)
    {
        *why = "\"transitions\" are no pairs MS:MINUTES in the order of time";
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


static int
referral_terms_seconds(int64_t *seconds, const referral_str_t *s,
    int64_t otherwise, int64_t max)
{
    *seconds = otherwise;

    return s->len ? referral_duration_parse(seconds, s, max) : REFERRAL_OK;
}


static int
referral_terms_changes(referral_terms_t *terms, const referral_str_t *s)
{
    u_char          *comma;
    referral_str_t   rest, pair;

    rest = *s;
    terms->nchanges = 0;

    while (rest.len) {

        if (terms->nchanges == REFERRAL_TERMS_CHANGES) {
            return REFERRAL_ERROR;
        }

        comma = memchr(rest.data, ',', rest.len);

        pair.data = rest.data;
        pair.len = comma ? (size_t) (comma - rest.data) : rest.len;

        rest.data += pair.len;
        rest.len -= pair.len;

        if (comma) {
            rest.data++;
            rest.len--;
        }

        if (referral_terms_change(&terms->changes[terms->nchanges], &pair)
            != REFERRAL_OK)
        {
            return REFERRAL_ERROR;
        }

        if (terms->nchanges && terms->changes[terms->nchanges - 1].ms
                               >= terms->changes[terms->nchanges].ms)
        {
            return REFERRAL_ERROR;
        }

        terms->nchanges++;
    }

    return REFERRAL_OK;
}


static int
referral_terms_change(referral_terms_change_t *change, const referral_str_t *s)
{
    int64_t          minutes;
    unsigned         west;
    u_char          *colon;
    referral_str_t   part;

    colon = memchr(s->data, ':', s->len);

    if (colon == NULL) {
        return REFERRAL_ERROR;
    }

    part.data = s->data;
    part.len = colon - s->data;
    change->ms = referral_str_uint(&part, REFERRAL_FACT_AT - 1);

    part.data = colon + 1;
    part.len = s->len - (part.data - s->data);

    west = (part.len && part.data[0] == '-');

    if (west) {
        part.data++;
        part.len--;
    }

    minutes = referral_str_uint(&part, REFERRAL_TERMS_MINUTES);

    if (change->ms < 0 || minutes < 0) {
        return REFERRAL_ERROR;
    }

    change->minutes = (int) (west ? -minutes : minutes);

    return REFERRAL_OK;
}


/* before the first change holds what holds from it on */

referral_moment_t
referral_terms_moment(const referral_terms_t *terms, int64_t ms)
{
    unsigned           low, high, middle;
    referral_moment_t  moment;

    moment.ms = ms;
    moment.minutes = 0;

    if (terms->nchanges == 0) {
        return moment;
    }

    low = 0;
    high = terms->nchanges;

    while (high - low > 1) {
        middle = (low + high) / 2;

        if (terms->changes[middle].ms <= ms) {
            low = middle;

        } else {
            high = middle;
        }
    }

    moment.minutes = terms->changes[low].minutes;

    return moment;
}
