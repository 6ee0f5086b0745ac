
#include "settle_entries.h"


static void settle_entries_take(settle_entries_t *e, const redisReply *reply);


void
settle_entries_init(settle_entries_t *e, size_t max)
{
    e->n = 0;
    e->max = max;
    e->reply = NULL;
    e->entry = malloc(max * sizeof(settle_entry_t));
    e->pairs = malloc(max * SETTLE_ENTRY_TEXTS * sizeof(referral_str_t));

    if (e->entry == NULL || e->pairs == NULL) {
        settle_log("crit", "there is not enough memory");
        exit(SETTLE_FAILED);
    }
}


void
settle_entries_free(settle_entries_t *e)
{
    if (e->reply) {
        freeReplyObject(e->reply);
    }

    free(e->entry);
    free(e->pairs);
}


int
settle_entries_read(settle_entries_t *e, const referral_state_t *state,
    uint64_t from, char text[SETTLE_TEXT])
{
    size_t            i;
    u_char            data[REFERRAL_STATE_KEY];
    referral_buf_t    buf;
    settle_command_t  c;

    e->n = 0;
    text[0] = '\0';

    if (e->reply) {
        freeReplyObject(e->reply);
    }

    settle_command_begin(&c);
    settle_command_text(&c, "XRANGE");
    referral_buf_init(&buf, data, sizeof(data));
    referral_state_name(&buf, state, "conversions");
    settle_command_buf(&c, &buf);
    settle_command_number(&c, from);
    settle_command_text(&c, "+");
    settle_command_text(&c, "COUNT");
    settle_command_number(&c, e->max);

    e->reply = settle_redis_command(&c);
    settle_command_free(&c);

    if (e->reply == NULL) {
        return SETTLE_FAILED;
    }

    if (e->reply->type != REDIS_REPLY_ARRAY) {
        snprintf(text, SETTLE_TEXT, "%s", settle_reply_text(e->reply));
        return SETTLE_FAILED;
    }

    for (i = 0; i < e->reply->elements && e->n < e->max; i++) {
        settle_entries_take(e, e->reply->element[i]);
    }

    return SETTLE_OK;
}


static void
settle_entries_take(settle_entries_t *e, const redisReply *reply)
{
    size_t             i, n;
    referral_str_t     id, *pair;
    const redisReply  *texts;

    pair = &e->pairs[e->n * SETTLE_ENTRY_TEXTS];
    n = 0;
    id.len = 0;
    id.data = NULL;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && reply->element[0]->type == REDIS_REPLY_STRING)
    {
        id.data = (u_char *) reply->element[0]->str;
        id.len = reply->element[0]->len;
        texts = reply->element[1];

        /* of an entry with more there is one text too many, or too few */

        for (i = 0; texts->type == REDIS_REPLY_ARRAY && i < texts->elements
                    && i < SETTLE_ENTRY_TEXTS; i++)
        {
            pair[n].data = (u_char *) texts->element[i]->str;
            pair[n++].len = texts->element[i]->len;
        }

        if (texts->elements > SETTLE_ENTRY_TEXTS) {
            n--;
        }
    }

    settle_entry_parse(&e->entry[e->n++], &id, pair, n);
}


void
settle_entry_parse(settle_entry_t *entry, const referral_str_t *id,
    const referral_str_t *pair, size_t n)
{
    uint64_t  position;

    entry->why = NULL;
    position = referral_fact_position(id);

    if (referral_fact_parse(&entry->fact, position, pair, n, &entry->why)
        == REFERRAL_OK)
    {
        entry->why = NULL;
    }

    if (position == 0) {
        entry->why = "its id is not of the form N-0";
    }
}
