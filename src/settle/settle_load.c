
/*
 * What a batch needs of the state, in as few round trips as there can be: all
 * commands are sent before the first reply is read.
 */


#include "settle_program.h"
#include "referral_friend.h"


#define SETTLE_LOAD_FIELDS  500      /* in one command */


static void settle_load_ask(settle_program_t *p,
    const referral_view_item_t *item);
static int settle_load_take(settle_program_t *p, referral_view_item_t *item,
    const redisReply *reply);
static int settle_load_friend(settle_program_t *p, referral_view_item_t *item,
    const redisReply *reply);
static int settle_load_open(settle_program_t *p, referral_view_item_t *item,
    const redisReply *reply);
static size_t settle_load_group(settle_program_t *p,
    referral_view_item_t **item, size_t n, int ask);
static int settle_load_number(referral_view_item_t *item,
    const redisReply *reply);
static void settle_load_failed(char text[SETTLE_TEXT],
    const redisReply *reply);
static int settle_load_sums(settle_program_t *p);


int
settle_load_wanted(settle_program_t *p)
{
    char                   text[SETTLE_TEXT];
    size_t                 i;
    redisReply            *reply;
    referral_view_list_t  *wanted;

    text[0] = '\0';
    wanted = &p->settle.view.wanted;

    for (i = 0; i < wanted->n; i++) {
        settle_load_ask(p, wanted->item[i]);
    }

    /* each reply is read, so that the next command has its own */

    for (i = 0; i < wanted->n; i++) {
        reply = settle_redis_reply();

        if (reply == NULL) {
            (void) settle_program_trouble(p, "");
            return SETTLE_FAILED;
        }

        if (text[0] == '\0'
            && settle_load_take(p, wanted->item[i], reply) != SETTLE_OK)
        {
            settle_load_failed(text, reply);
        }

        freeReplyObject(reply);
    }

    if (text[0]) {
        (void) settle_program_trouble(p, text);
        return SETTLE_FAILED;
    }

    referral_view_satisfied(&p->settle.view);

    return SETTLE_OK;
}


static void
settle_load_ask(settle_program_t *p, const referral_view_item_t *item)
{
    u_char             data[REFERRAL_STATE_KEY];
    unsigned           i;
    referral_buf_t     buf;
    referral_str_t     field;
    settle_command_t   c;

    referral_buf_init(&buf, data, sizeof(data));
    referral_state_key(&buf, &p->state, item);
    field = referral_state_field(item);

    settle_command_begin(&c);

    switch (item->kind) {

    case REFERRAL_VIEW_FRIEND:
        settle_command_text(&c, "HMGET");
        settle_command_buf(&c, &buf);

        for (i = 0; i < REFERRAL_FRIEND_FIELDS; i++) {
            field = referral_friend_name(i);
            settle_command_word(&c, field.data, field.len);
        }

        break;

    case REFERRAL_VIEW_OPEN:
        settle_command_text(&c, "HKEYS");
        settle_command_buf(&c, &buf);
        break;

    default:
        settle_command_text(&c, "HGET");
        settle_command_buf(&c, &buf);
        settle_command_word(&c, field.data, field.len);
    }

    settle_redis_append(&c);
    settle_command_free(&c);
}


static int
settle_load_take(settle_program_t *p, referral_view_item_t *item,
    const redisReply *reply)
{
    referral_str_t  text;

    if (item->kind == REFERRAL_VIEW_FRIEND) {
        return settle_load_friend(p, item, reply);
    }

    if (item->kind == REFERRAL_VIEW_OPEN) {
        return settle_load_open(p, item, reply);
    }

    if (reply->type == REDIS_REPLY_NIL) {
        referral_view_load(&p->settle.view, item, NULL);
        return SETTLE_OK;
    }

    if (reply->type != REDIS_REPLY_STRING) {
        return SETTLE_FAILED;
    }

    text.data = (u_char *) reply->str;
    text.len = reply->len;
    referral_view_load(&p->settle.view, item, &text);

    return SETTLE_OK;
}


/* a friend of whom no field is there is none */

static int
settle_load_friend(settle_program_t *p, referral_view_item_t *item,
    const redisReply *reply)
{
    size_t           i, n;
    u_char           data[REFERRAL_FRIEND_SIZE];
    referral_buf_t   buf;
    referral_str_t   text;

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements != REFERRAL_FRIEND_FIELDS)
    {
        return SETTLE_FAILED;
    }

    referral_buf_init(&buf, data, sizeof(data));
    n = 0;

    for (i = 0; i < reply->elements; i++) {

        if (i) {
            referral_buf_putc(&buf, '\n');
        }

        if (reply->element[i]->type == REDIS_REPLY_STRING) {
            referral_buf_put(&buf, reply->element[i]->str,
                             reply->element[i]->len);
            n++;
        }
    }

    text.data = data;
    text.len = buf.pos - data;
    referral_view_load(&p->settle.view, item, n ? &text : NULL);

    return SETTLE_OK;
}


static int
settle_load_open(settle_program_t *p, referral_view_item_t *item,
    const redisReply *reply)
{
    size_t           i;
    u_char          *data;
    referral_str_t   text;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return SETTLE_FAILED;
    }

    data = malloc(reply->elements * REFERRAL_PLACE_LEN + 1);

    if (data == NULL) {
        p->settle.view.failed = 1;
        return SETTLE_FAILED;
    }

    text.data = data;
    text.len = 0;

    for (i = 0; i < reply->elements; i++) {

        if (reply->element[i]->type == REDIS_REPLY_STRING
            && (size_t) reply->element[i]->len
               == sizeof("order:") - 1 + REFERRAL_PLACE_LEN
            && memcmp(reply->element[i]->str, "order:", sizeof("order:") - 1)
               == 0)
        {
            memcpy(data + text.len,
                   reply->element[i]->str + sizeof("order:") - 1,
                   REFERRAL_PLACE_LEN);
            text.len += REFERRAL_PLACE_LEN;
        }
    }

    referral_view_load(&p->settle.view, item, &text);
    free(data);

    return SETTLE_OK;
}


/* counters that were added to, a key after the other */

int
settle_load_counters(settle_program_t *p)
{
    char                    text[SETTLE_TEXT];
    size_t                  i, j, n, members;
    redisReply             *reply;
    referral_view_list_t   *changed;
    referral_view_item_t  **item;

    changed = &p->settle.view.changed;
    referral_view_sort(changed);

    for (i = 0; i < changed->n; i += n) {
        n = settle_load_group(p, &changed->item[i], changed->n - i, 1);
    }

    text[0] = '\0';

    for (i = 0; i < changed->n; i += n) {
        item = &changed->item[i];
        n = settle_load_group(p, item, changed->n - i, 0);

        if (!referral_view_counts(item[0]->kind) || item[0]->loaded) {
            continue;
        }

        reply = settle_redis_reply();

        if (reply == NULL) {
            (void) settle_program_trouble(p, "");
            return SETTLE_FAILED;
        }

        members = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 1;

        if (text[0] == '\0' && (settle_reply_failed(reply) || members != n)) {
            settle_load_failed(text, reply);
        }

        for (j = 0; text[0] == '\0' && j < n; j++) {

            if (settle_load_number(item[j], reply->type == REDIS_REPLY_ARRAY
                                            ? reply->element[j] : reply)
                != SETTLE_OK)
            {
                settle_load_failed(text, reply);
            }
        }

        freeReplyObject(reply);
    }

    if (text[0]) {
        (void) settle_program_trouble(p, text);
        return SETTLE_FAILED;
    }

    return settle_load_sums(p);
}


static int
settle_load_sums(settle_program_t *p)
{
    size_t             i;
    int64_t            sum;
    referral_view_t   *view;

    view = &p->settle.view;

    for (i = 0; i < view->changed.n; i++) {

        if (referral_view_counts(view->changed.item[i]->kind)
            && referral_view_sum(view->changed.item[i], &sum) != REFERRAL_OK)
        {
            view->overflow = 1;
            return SETTLE_FAILED;
        }
    }

    return SETTLE_OK;
}


/*
 * How many of the items are asked for with one command, which is sent if
 * "ask": fields of one hash, or one member of a board; one item if there is
 * nothing to ask.
 */

static size_t
settle_load_group(settle_program_t *p, referral_view_item_t **item, size_t n,
    int ask)
{
    u_char            data[REFERRAL_STATE_KEY];
    size_t            i, count;
    referral_buf_t    buf;
    referral_str_t    field;
    settle_command_t  c;

    if (!referral_view_counts(item[0]->kind) || item[0]->loaded) {
        return 1;
    }

    count = 1;

    while (!referral_view_scores(item[0]->kind) && count < n
           && count < SETTLE_LOAD_FIELDS && !item[count]->loaded
           && referral_state_together(item[0], item[count]))
    {
        count++;
    }

    if (!ask) {
        return count;
    }

    referral_buf_init(&buf, data, sizeof(data));
    referral_state_key(&buf, &p->state, item[0]);

    settle_command_begin(&c);
    settle_command_text(&c, referral_view_scores(item[0]->kind) ? "ZSCORE"
                                                                : "HMGET");
    settle_command_buf(&c, &buf);

    for (i = 0; i < count; i++) {
        field = referral_state_field(item[i]);
        settle_command_word(&c, field.data, field.len);
    }

    settle_redis_append(&c);
    settle_command_free(&c);

    return count;
}


static int
settle_load_number(referral_view_item_t *item, const redisReply *reply)
{
    char    *end;
    double   score;
    int64_t  n;

    if (reply->type == REDIS_REPLY_NIL) {
        referral_view_load_number(item, 0);
        return SETTLE_OK;
    }

    if (reply->type != REDIS_REPLY_STRING || reply->len == 0) {
        return SETTLE_FAILED;
    }

    if (referral_view_scores(item->kind)) {
        score = strtod(reply->str, &end);

        if (!(score >= -9.1e15 && score <= 9.1e15)) {
            return SETTLE_FAILED;
        }

        n = (int64_t) score;

    } else {
        n = strtoll(reply->str, &end, 10);
    }

    if (*end) {
        return SETTLE_FAILED;
    }

    referral_view_load_number(item, n);

    return SETTLE_OK;
}


static void
settle_load_failed(char text[SETTLE_TEXT], const redisReply *reply)
{
    snprintf(text, SETTLE_TEXT, "%s", settle_reply_failed(reply) ? reply->str
             : "a value of it in Redis is none of the settler's");
}
