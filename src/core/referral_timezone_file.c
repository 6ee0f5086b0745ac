
#include "referral_timezone_core.h"


#define REFERRAL_TZIF_HEADER   44
#define REFERRAL_TZIF_TYPES    256
#define REFERRAL_TZIF_CHANGES  2000
#define REFERRAL_TZIF_CHARS    2048
#define REFERRAL_TZIF_LEAPS    256
#define REFERRAL_TZIF_TYPE     6         /* bytes of a type */


/* a block of the file, as its header announces it */

typedef struct {
    uint32_t         isut;
    uint32_t         isstd;
    uint32_t         leaps;
    uint32_t         changes;
    uint32_t         types;
    uint32_t         chars;
    size_t           width;              /* bytes of a time: 4 or 8 */
    const u_char    *times;
    const u_char    *indices;
    const u_char    *type;
} referral_tzif_t;


static int referral_tzif_block(referral_tzif_t *block, referral_str_t *left,
    size_t width, const char **err);
static int referral_tzif_bounded(const referral_tzif_t *block);
static int referral_tzif_valid(const referral_tzif_t *block, const char **err);
static int referral_tzif_footer(referral_timezone_rule_t *rule,
    const referral_str_t *left, const char **err);
static int referral_tzif_steps(referral_timezone_t *zone, referral_buf_t *out,
    const referral_tzif_t *block, const char **err);
static int referral_tzif_step(referral_timezone_t *zone, referral_buf_t *out,
    int64_t at, int32_t offset, const char **err);
static void referral_tzif_trim(referral_timezone_t *zone, referral_buf_t *out);
static int64_t referral_tzif_time(const referral_tzif_t *block, size_t i);
static int32_t referral_tzif_offset(const referral_tzif_t *block, size_t type);
static int64_t referral_tzif_number(const u_char *p, size_t n);


int
referral_timezone_compile(referral_buf_t *out, const referral_str_t *file,
    const char **err)
{
    int                   rc;
    u_char                version;
    referral_str_t        left;
    referral_tzif_t       block;
    referral_timezone_t  *zone, head;

    if (file->len < REFERRAL_TZIF_HEADER
        || memcmp(file->data, "TZif", 4) != 0)
    {
        *err = "it is no TZif file";
        return REFERRAL_DECLINED;
    }

    left = *file;
    version = left.data[4];

    memset(&head, 0, sizeof(referral_timezone_t));

    /* of version 2 on the whole comes once more, with times of 64 bits */

    rc = referral_tzif_block(&block, &left, 4, err);

    if (rc == REFERRAL_OK && version >= '2') {
        rc = referral_tzif_block(&block, &left, 8, err);
    }

    if (rc == REFERRAL_OK) {
        rc = referral_tzif_valid(&block, err);
    }

    if (rc == REFERRAL_OK && version >= '2') {
        rc = referral_tzif_footer(&head.rule, &left, err);
    }

    if (rc != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    zone = (referral_timezone_t *) out->pos;

    referral_buf_put(out, &head, sizeof(referral_timezone_t));

    if (out->overflow) {
        *err = "no memory";
        return REFERRAL_ERROR;
    }

    if (referral_tzif_steps(zone, out, &block, err) != REFERRAL_OK) {
        out->pos = (u_char *) zone;
        return REFERRAL_ERROR;
    }

    referral_tzif_trim(zone, out);

    return REFERRAL_OK;
}


/* moves "left" behind the block */

static int
referral_tzif_block(referral_tzif_t *block, referral_str_t *left, size_t width,
    const char **err)
{
    size_t   size;
    u_char  *p;

    *err = "it is cut off or damaged";
    p = left->data;

    if (left->len < REFERRAL_TZIF_HEADER || memcmp(p, "TZif", 4) != 0) {
        return REFERRAL_ERROR;
    }

    block->width = width;
    block->isut = referral_tzif_number(p + 20, 4);
    block->isstd = referral_tzif_number(p + 24, 4);
    block->leaps = referral_tzif_number(p + 28, 4);
    block->changes = referral_tzif_number(p + 32, 4);
    block->types = referral_tzif_number(p + 36, 4);
    block->chars = referral_tzif_number(p + 40, 4);

    if (!referral_tzif_bounded(block)) {
        return REFERRAL_ERROR;
    }

    p += REFERRAL_TZIF_HEADER;
    size = REFERRAL_TZIF_HEADER + block->changes * (width + 1)
           + block->types * REFERRAL_TZIF_TYPE + block->chars
           + block->leaps * (width + 4) + block->isstd + block->isut;

    if (left->len < size) {
        return REFERRAL_ERROR;
    }

    block->times = p;
    block->indices = block->times + block->changes * width;
    block->type = block->indices + block->changes;

    left->data += size;
    left->len -= size;

    return REFERRAL_OK;
}


static int
referral_tzif_bounded(const referral_tzif_t *block)
{
    return block->changes <= REFERRAL_TZIF_CHANGES
           && block->types <= REFERRAL_TZIF_TYPES
           && block->chars <= REFERRAL_TZIF_CHARS
           && block->leaps <= REFERRAL_TZIF_LEAPS
           && block->isstd <= REFERRAL_TZIF_TYPES
           && block->isut <= REFERRAL_TZIF_TYPES;
}


/* are all types whole, and do all changes have one?  Times only rise */

static int
referral_tzif_valid(const referral_tzif_t *block, const char **err)
{
    size_t         i;
    const u_char  *type;

    *err = "it is cut off or damaged";

    if (block->types == 0
        || (block->isstd && block->isstd != block->types)
        || (block->isut && block->isut != block->types))
    {
        return REFERRAL_ERROR;
    }

    if (block->leaps) {
        *err = "it counts leap seconds, as those of \"right/\" do";
        return REFERRAL_ERROR;
    }

    for (i = 0; i < block->types; i++) {
        type = block->type + i * REFERRAL_TZIF_TYPE;

        if (type[4] > 1 || type[5] >= block->chars) {
            return REFERRAL_ERROR;
        }
    }

    for (i = 0; i < block->changes; i++) {

        if (block->indices[i] >= block->types) {
            return REFERRAL_ERROR;
        }

        if (i && referral_tzif_time(block, i)
                 <= referral_tzif_time(block, i - 1))
        {
            return REFERRAL_ERROR;
        }
    }

    return REFERRAL_OK;
}


/* a TZ string between two line ends; an empty one says nothing */

static int
referral_tzif_footer(referral_timezone_rule_t *rule,
    const referral_str_t *left, const char **err)
{
    u_char          *end;
    referral_str_t   line;

    *err = "it is cut off or damaged";

    if (left->len < 2 || left->data[0] != '\n') {
        return REFERRAL_ERROR;
    }

    line.data = left->data + 1;
    end = memchr(line.data, '\n', left->len - 1);

    if (end == NULL) {
        return REFERRAL_ERROR;
    }

    line.len = end - line.data;

    return line.len ? referral_timezone_rule_parse(rule, &line, err)
                    : REFERRAL_OK;
}


/* what happened before 1970 is one offset, that of its end */

static int
referral_tzif_steps(referral_timezone_t *zone, referral_buf_t *out,
    const referral_tzif_t *block, const char **err)
{
    size_t   i;
    int64_t  at;
    int32_t  offset;

    zone->offset = referral_tzif_offset(block, 0);
    zone->since = INT64_MIN;

    for (i = 0; i < block->changes; i++) {
        at = referral_tzif_time(block, i);
        offset = referral_tzif_offset(block, block->indices[i]);
        zone->since = at;

        if (at <= 0) {
            zone->offset = offset;
            continue;
        }

        if (referral_tzif_step(zone, out, at, offset, err) != REFERRAL_OK) {
            return REFERRAL_ERROR;
        }
    }

    if (zone->offset < -REFERRAL_TIMEZONE_OFFSET_MAX
        || zone->offset > REFERRAL_TIMEZONE_OFFSET_MAX)
    {
        *err = "it is more than 14 hours off UTC";
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


/* a change of the name only is none */

static int
referral_tzif_step(referral_timezone_t *zone, referral_buf_t *out, int64_t at,
    int32_t offset, const char **err)
{
    int32_t                   before;
    referral_timezone_step_t  step;

    before = zone->n ? zone->step[zone->n - 1].offset : zone->offset;

    if (offset == before || at > REFERRAL_TIMEZONE_TIME_MAX) {
        return REFERRAL_OK;
    }

    if (offset < -REFERRAL_TIMEZONE_OFFSET_MAX
        || offset > REFERRAL_TIMEZONE_OFFSET_MAX)
    {
        *err = "it is more than 14 hours off UTC";
        return REFERRAL_ERROR;
    }

    memset(&step, 0, sizeof(referral_timezone_step_t));

    step.at = at;
    step.offset = offset;

    referral_buf_put(out, &step, sizeof(referral_timezone_step_t));

    if (out->overflow) {
        *err = "it has more changes than a time zone has";
        return REFERRAL_ERROR;
    }

    zone->n++;

    return REFERRAL_OK;
}


/*
 * Many files list what the rule says anyway, up to 2037.  The last step goes
 * if the rule makes the same one, and none since the step before.
 */

static void
referral_tzif_trim(referral_timezone_t *zone, referral_buf_t *out)
{
    int32_t                    offset;
    referral_timezone_step_t  *step;

    if (!zone->rule.set || zone->n == 0) {
        return;
    }

    step = &zone->step[zone->n - 1];

    if (referral_timezone_rule_next(&zone->rule, step->at) <= zone->since) {
        return;
    }

    zone->since = step->at;

    for ( /* void */ ; zone->n > 1; step--) {

        (void) referral_timezone_rule_last(&zone->rule, step->at, &offset);

        if (offset != step->offset
            || referral_timezone_rule_next(&zone->rule, step[-1].at)
               != step->at)
        {
            return;
        }

        zone->since = step[-1].at;
        zone->n--;
        out->pos -= sizeof(referral_timezone_step_t);
    }
}


static int64_t
referral_tzif_time(const referral_tzif_t *block, size_t i)
{
    return referral_tzif_number(block->times + i * block->width, block->width);
}


static int32_t
referral_tzif_offset(const referral_tzif_t *block, size_t type)
{
    return referral_tzif_number(block->type + type * REFERRAL_TZIF_TYPE, 4);
}


/* n bytes, the first is the highest; with a sign */

static int64_t
referral_tzif_number(const u_char *p, size_t n)
{
    size_t    i;
    uint64_t  value;

    value = (p[0] & 0x80) ? UINT64_MAX : 0;

    for (i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }

    return (int64_t) value;
}
