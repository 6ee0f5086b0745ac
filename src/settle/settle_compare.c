
/*
 * Key by key: what a replay has against what Redis has, both ways.
 */


#include "settle_replay.h"
#include "referral_friend.h"


#define SETTLE_COMPARE_KEYS    200       /* asked for at once */
#define SETTLE_COMPARE_ENTRY   4096      /* bytes of an entry's texts */


/* a field of a key and its value, from the replay or from Redis */

typedef struct {
    referral_str_t      field;
    referral_str_t      value;
} settle_pair_t;


typedef struct {
    settle_pair_t      *pair;
    size_t              n;
    size_t              size;
    char               *text;            /* of numbers */
    size_t              used;
} settle_pairs_t;


typedef struct {
    settle_program_t       *program;
    referral_view_item_t  **item;        /* sorted by key */
    size_t                  n;
    int64_t                 now;
    int                     print;
    settle_repair_t        *repair;
    int64_t                 different;
    int64_t                 ends;        /* of the key at hand, and its type */
    unsigned                scores:1;
} settle_compare_t;


static void settle_compare_entry(settle_compare_t *c,
    const referral_view_item_t *item, const redisReply *reply);
static int settle_compare_length(settle_compare_t *c);
static int settle_compare_write(settle_compare_t *c);
static int settle_compare_collect(settle_compare_t *c);
static int settle_compare_order(const void *one, const void *two);
static int settle_compare_class(unsigned kind);
static size_t settle_compare_group(const settle_compare_t *c, size_t from);
static int settle_compare_ended(const settle_compare_t *c,
    const referral_view_item_t *item);
static void settle_compare_ask(settle_compare_t *c,
    const referral_view_item_t *item);
static void settle_compare_key(settle_compare_t *c, size_t from, size_t n,
    const redisReply *reply);
static void settle_compare_expand(settle_pairs_t *pairs,
    const referral_view_item_t *item);
static void settle_compare_add(settle_pairs_t *pairs, const u_char *field,
    size_t len, const u_char *value, size_t vlen);
static void settle_compare_number(settle_pairs_t *pairs,
    const referral_str_t *field, int64_t n);
static void settle_compare_reply(settle_pairs_t *pairs,
    const redisReply *reply, unsigned kind);
static int settle_compare_ours(unsigned kind, const referral_str_t *field);
static int settle_compare_pair(const void *one, const void *two);
static void settle_compare_merge(settle_compare_t *c, const char *key,
    const settle_pairs_t *a, const settle_pairs_t *b);
static void settle_compare_tell(settle_compare_t *c, const char *key,
    const referral_str_t *field, const referral_str_t *replay,
    const referral_str_t *redis);
static int settle_compare_others(settle_compare_t *c);
static int settle_compare_other(settle_compare_t *c, const char *key);
static int settle_compare_theirs(const settle_compare_t *c, const char *key,
    unsigned *kind);
static int settle_compare_class_of(const char *name, unsigned *kind);
static int settle_compare_known(const settle_compare_t *c, unsigned kind,
    const char *part, size_t len);
static void settle_compare_name(const settle_compare_t *c,
    const referral_view_item_t *item, char key[REFERRAL_STATE_KEY]);


/*
 * What of a program's keys is a settler's, by the name before "{p}"; with a
 * colon at its end by how that begins.
 */

static const struct {
    const char  *name;
    unsigned     kind;
} settle_classes[] = {
    { "friend", REFERRAL_VIEW_FRIEND },
    { "order", REFERRAL_VIEW_ORDER },
    { "rules", REFERRAL_VIEW_RULES },
    { "stats", REFERRAL_VIEW_STATS },
    { "day", REFERRAL_VIEW_DAY },
    { "days" ":leads", REFERRAL_VIEW_DAYS },
    { "days" ":sales", REFERRAL_VIEW_DAYS },
    { "days" ":refunds", REFERRAL_VIEW_DAYS },
    { "days" ":customers", REFERRAL_VIEW_DAYS },
    { "days" ":amount:", REFERRAL_VIEW_DAYS },
    { "days" ":rewards:", REFERRAL_VIEW_DAYS },
    { "reward", REFERRAL_VIEW_REWARD },
    { "wallet", REFERRAL_VIEW_WALLET },
    { "contest", REFERRAL_VIEW_CONTEST },
    { "review", REFERRAL_VIEW_REVIEW },
    { "payouts", REFERRAL_VIEW_PAYOUT },
    { "due", REFERRAL_VIEW_DUE },
    { "cohort", REFERRAL_VIEW_COHORT },
    { "progress", REFERRAL_VIEW_PROGRESS },
    { "board", REFERRAL_VIEW_BOARD }
};


/* what stands for the value of "order:" and a place, which has none */

static u_char  settle_compare_open[] = "order";


int64_t
settle_compare(settle_program_t *p, int64_t now, int print,
    settle_repair_t *repair)
{
    size_t             i, from, asked, n, start[SETTLE_COMPARE_KEYS];
    size_t             count[SETTLE_COMPARE_KEYS];
    redisReply        *reply;
    settle_compare_t   c;

    memset(&c, 0, sizeof(c));

    c.program = p;
    c.now = now;
    c.print = print;
    c.repair = repair;

    if (settle_compare_collect(&c) != SETTLE_OK) {
        return -1;
    }

    for (from = 0; from < c.n; /* void */ ) {

        for (asked = 0; asked < SETTLE_COMPARE_KEYS && from < c.n; from += n) {
            n = settle_compare_group(&c, from);

            if (settle_compare_ended(&c, c.item[from])) {
                continue;
            }

            start[asked] = from;
            count[asked++] = n;
            settle_compare_ask(&c, c.item[from]);
        }

        for (i = 0; i < asked; i++) {
            reply = settle_redis_reply();

            if (reply == NULL) {
                free(c.item);
                return -1;
            }

            settle_compare_key(&c, start[i], count[i], reply);
            freeReplyObject(reply);
        }

        if (settle_compare_write(&c) != SETTLE_OK) {
            free(c.item);
            return -1;
        }
    }

    if (settle_compare_length(&c) != SETTLE_OK
        || settle_compare_others(&c) != SETTLE_OK
        || (repair && settle_repair_write(repair) != SETTLE_OK))
    {
        c.different = -1;
    }

    free(c.item);

    return c.different;
}


/* all replies were read: what differs may be written */

static int
settle_compare_write(settle_compare_t *c)
{
    return c->repair && settle_repair_full(c->repair)
           ? settle_repair_write(c->repair) : SETTLE_OK;
}


static int
settle_compare_collect(settle_compare_t *c)
{
    size_t            i;
    referral_view_t  *view;

    view = &c->program->settle.view;
    c->item = malloc((view->nitems + 1) * sizeof(referral_view_item_t *));

    if (c->item == NULL) {
        settle_log("crit", "there is not enough memory");
        return SETTLE_FAILED;
    }

    for (i = 0; i < view->nslots; i++) {
        if (view->slots[i]) {
            c->item[c->n++] = view->slots[i];
        }
    }

    qsort(c->item, c->n, sizeof(referral_view_item_t *), settle_compare_order);

    return SETTLE_OK;
}


static int
settle_compare_order(const void *one, const void *two)
{
    int                          rc;
    size_t                       len;
    const referral_view_item_t  *a, *b;

    a = *(referral_view_item_t *const *) one;
    b = *(referral_view_item_t *const *) two;

    rc = settle_compare_class(a->kind) - settle_compare_class(b->kind);

    if (rc) {
        return rc;
    }

    len = a->klen < b->klen ? a->klen : b->klen;
    rc = memcmp(a->name, b->name, len);

    return rc ? rc : (a->klen > b->klen) - (a->klen < b->klen);
}


/* kinds that share keys are one */

static int
settle_compare_class(unsigned kind)
{
    return kind <= REFERRAL_VIEW_OPEN ? REFERRAL_VIEW_FRIEND
           : kind == REFERRAL_VIEW_LEVEL ? REFERRAL_VIEW_WALLET
           : referral_view_scores(kind) ? REFERRAL_VIEW_BOARD : (int) kind;
}


static size_t
settle_compare_group(const settle_compare_t *c, size_t from)
{
    size_t  n;

    if (c->item[from]->kind == REFERRAL_VIEW_ENTRY) {
        return 1;
    }

    for (n = 1; from + n < c->n; n++) {
        if (!referral_state_together(c->item[from], c->item[from + n])) {
            break;
        }
    }

    return n;
}


/* a day's board may be gone by now */

static int
settle_compare_ended(const settle_compare_t *c,
    const referral_view_item_t *item)
{
    int64_t  ends;

    ends = referral_state_ends(item);

    return ends && ends * 1000 < c->now + 60000;
}


static void
settle_compare_name(const settle_compare_t *c,
    const referral_view_item_t *item, char key[REFERRAL_STATE_KEY])
{
    referral_buf_t  buf;

    referral_buf_init(&buf, key, REFERRAL_STATE_KEY - 1);
    referral_state_key(&buf, &c->program->state, item);
    *buf.pos = '\0';
}


static void
settle_compare_ask(settle_compare_t *c, const referral_view_item_t *item)
{
    char              key[REFERRAL_STATE_KEY];
    referral_str_t    id;
    settle_command_t  command;

    settle_compare_name(c, item, key);
    settle_command_begin(&command);

    if (item->kind == REFERRAL_VIEW_ENTRY) {
        id = referral_state_field(item);
        settle_command_text(&command, "XRANGE");
        settle_command_text(&command, key);
        settle_command_word(&command, id.data, id.len);
        settle_command_word(&command, id.data, id.len);

    } else if (referral_view_type(item->kind) == 'z') {
        settle_command_text(&command, "ZRANGE");
        settle_command_text(&command, key);
        settle_command_text(&command, "0");
        settle_command_text(&command, "-1");
        settle_command_text(&command, "WITHSCORES");

    } else {
        settle_command_text(&command, "HGETALL");
        settle_command_text(&command, key);
    }

    settle_redis_append(&command);
    settle_command_free(&command);
}


static void
settle_compare_key(settle_compare_t *c, size_t from, size_t n,
    const redisReply *reply)
{
    char            key[REFERRAL_STATE_KEY];
    size_t          i;
    referral_str_t  none, text;
    settle_pairs_t  a, b;

    settle_compare_name(c, c->item[from], key);

    c->ends = referral_state_ends(c->item[from]);
    c->scores = (referral_view_type(c->item[from]->kind) == 'z');

    none.data = (u_char *) "";
    none.len = 0;

    if (settle_reply_failed(reply)) {
        text.data = (u_char *) reply->str;
        text.len = reply->len;

        if (c->repair) {
            printf("not repaired: %s: %s; remove the key, then repair again\n",
                   key, reply->str);
            c->different++;
            return;
        }

        settle_compare_tell(c, key, &none, &none, &text);
        return;
    }

    if (c->item[from]->kind == REFERRAL_VIEW_ENTRY) {
        settle_compare_entry(c, c->item[from], reply);
        return;
    }

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));

    a.text = malloc(n * 24 + 1);
    b.text = malloc(reply->elements * 24 + 1);

    if (a.text == NULL || b.text == NULL) {
        settle_log("crit", "there is not enough memory");
        exit(SETTLE_FAILED);
    }

    for (i = from; i < from + n; i++) {
        settle_compare_expand(&a, c->item[i]);
    }

    settle_compare_reply(&b, reply, c->item[from]->kind);

    settle_compare_merge(c, key, &a, &b);

    free(a.pair);
    free(a.text);
    free(b.pair);
    free(b.text);
}


/* entries are never changed, also not by a repair */

static void
settle_compare_entry(settle_compare_t *c, const referral_view_item_t *item,
    const redisReply *reply)
{
    char               key[REFERRAL_STATE_KEY];
    u_char             data[SETTLE_COMPARE_ENTRY];
    size_t             i;
    referral_buf_t     buf;
    referral_str_t     id, text;
    const redisReply  *pairs;

    id = referral_state_field(item);
    referral_buf_init(&buf, data, sizeof(data));
    pairs = NULL;

    if (reply->elements == 1 && reply->element[0]->elements == 2) {
        pairs = reply->element[0]->element[1];
    }

    for (i = 0; pairs && i < pairs->elements; i++) {
        referral_buf_put(&buf, settle_reply_text(pairs->element[i]),
                         pairs->element[i]->len);
        referral_buf_putc(&buf, '\n');
    }

    text.data = data;
    text.len = buf.pos - data;

    if (!buf.overflow && referral_str_eq(&text, &item->text)) {
        return;
    }

    settle_compare_name(c, item, key);

    if (c->repair) {
        printf("not repaired: %s %.*s: entries of a ledger are never"
               " changed\n", key, (int) id.len, (char *) id.data);
        return;
    }

    for (i = 0; i < text.len; i++) {
        data[i] = data[i] == '\n' ? ' ' : data[i];
    }

    settle_compare_tell(c, key, &id, &item->text, &text);
}


/* entries that no fact gave */

static int
settle_compare_length(settle_compare_t *c)
{
    size_t             i;
    u_char             data[REFERRAL_STATE_KEY];
    int64_t            n, found;
    redisReply        *reply;
    referral_buf_t     buf;
    settle_command_t   command;

    n = 0;

    for (i = 0; i < c->n; i++) {
        n += (c->item[i]->kind == REFERRAL_VIEW_ENTRY);
    }

    settle_command_begin(&command);
    settle_command_text(&command, "XLEN");
    referral_buf_init(&buf, data, sizeof(data) - 1);
    referral_state_name(&buf, &c->program->state, "ledger");
    *buf.pos = '\0';
    settle_command_text(&command, (char *) data);

    reply = settle_redis_command(&command);
    settle_command_free(&command);

    if (reply == NULL) {
        return SETTLE_FAILED;
    }

    found = settle_reply_failed(reply) ? -1 : settle_reply_number(reply);

    freeReplyObject(reply);

    if (found != n) {
        c->different++;

        if (c->print || c->repair) {
            printf("%s: %s: replay %lld entries, Redis %lld\n",
                   c->repair ? "not repaired" : "different", (char *) data,
                   (long long) n, (long long) found);
        }
    }

    return SETTLE_OK;
}


static void
settle_compare_expand(settle_pairs_t *pairs, const referral_view_item_t *item)
{
    size_t           i;
    unsigned         field;
    referral_str_t   name, rest, value;

    name = referral_state_field(item);

    if (referral_view_counts(item->kind)) {

        if (item->value) {
            settle_compare_number(pairs, &name, item->value);
        }

        return;
    }

    if (item->kind == REFERRAL_VIEW_OPEN) {

        for (i = 0; i < item->text.len; i += REFERRAL_PLACE_LEN) {
            /* their texts lie in the view: without "order:", which is told */

            settle_compare_add(pairs, item->text.data + i, REFERRAL_PLACE_LEN,
                               settle_compare_open, 5);
        }

        return;
    }

    if (referral_view_pairs(item->kind)) {
        rest = item->text;

        while (referral_credit_cut(&rest, '\n', &name)) {
            if (referral_credit_cut(&rest, '\n', &value) && value.len) {
                settle_compare_add(pairs, name.data, name.len, value.data,
                                   value.len);
            }
        }

        return;
    }

    if (item->kind != REFERRAL_VIEW_FRIEND) {

        if (item->text.len) {
            settle_compare_add(pairs, name.data, name.len, item->text.data,
                               item->text.len);
        }

        return;
    }

    rest = item->text;

    for (field = 0; field < REFERRAL_FRIEND_FIELDS && rest.len; field++) {

        if (referral_credit_cut(&rest, '\n', &value) && value.len) {
            name = referral_friend_name(field);
            settle_compare_add(pairs, name.data, name.len, value.data,
                               value.len);
        }
    }
}


static void
settle_compare_add(settle_pairs_t *pairs, const u_char *field, size_t len,
    const u_char *value, size_t vlen)
{
    if (pairs->n == pairs->size) {
        pairs->size = pairs->size ? 2 * pairs->size : 64;
        pairs->pair = realloc(pairs->pair,
                              pairs->size * sizeof(settle_pair_t));

        if (pairs->pair == NULL) {
            settle_log("crit", "there is not enough memory");
            exit(SETTLE_FAILED);
        }
    }

    pairs->pair[pairs->n].field.data = (u_char *) field;
    pairs->pair[pairs->n].field.len = len;
    pairs->pair[pairs->n].value.data = (u_char *) value;
    pairs->pair[pairs->n++].value.len = vlen;
}


static void
settle_compare_number(settle_pairs_t *pairs, const referral_str_t *field,
    int64_t n)
{
    int   len;
    char *text;

    text = pairs->text + pairs->used;
    len = sprintf(text, "%lld", (long long) n);
    pairs->used += len + 1;

    settle_compare_add(pairs, field->data, field->len, (u_char *) text, len);
}


/* scores are read as the settler reads them; clicks' fields are not ours */

static void
settle_compare_reply(settle_pairs_t *pairs, const redisReply *reply,
    unsigned kind)
{
    size_t             i;
    referral_str_t     field;
    const redisReply  *value;

    for (i = 0; i + 1 < reply->elements; i += 2) {
        field.data = (u_char *) settle_reply_text(reply->element[i]);
        field.len = reply->element[i]->len;
        value = reply->element[i + 1];

        if (!settle_compare_ours(kind, &field)) {
            continue;
        }

        if (referral_view_type(kind) == 'z') {
            settle_compare_number(pairs, &field,
                                  (int64_t) strtod(settle_reply_text(value),
                                                   NULL));

        } else if (kind <= REFERRAL_VIEW_OPEN
                   && field.len == 6 + REFERRAL_PLACE_LEN
                   && memcmp(field.data, "order:", 6) == 0)
        {
            settle_compare_add(pairs, field.data + 6, field.len - 6,
                               settle_compare_open, 5);

        } else {
            settle_compare_add(pairs, field.data, field.len,
                               (u_char *) settle_reply_text(value),
                               value->len);
        }
    }
}


static int
settle_compare_ours(unsigned kind, const referral_str_t *field)
{
    size_t  i, len;

    static const char *const  names[] = {
        "leads", "sales", "refunds", "friends", "known", "self",
        "unattributed", "customers", "leads:", "sales:", "refunds:", "amount:",
        "rewards:"
    };

    if (kind != REFERRAL_VIEW_STATS && kind != REFERRAL_VIEW_DAY) {
        return 1;
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        len = strlen(names[i]);

        if (field->len >= len && memcmp(field->data, names[i], len) == 0
            && (field->len == len || names[i][len - 1] == ':'))
        {
            return 1;
        }
    }

    return 0;
}


static int
settle_compare_pair(const void *one, const void *two)
{
    int                   rc;
    size_t                len;
    const settle_pair_t  *a, *b;

    a = one;
    b = two;
    len = a->field.len < b->field.len ? a->field.len : b->field.len;
    rc = memcmp(a->field.data, b->field.data, len);

    return rc ? rc : (a->field.len > b->field.len)
                     - (a->field.len < b->field.len);
}


static void
settle_compare_merge(settle_compare_t *c, const char *key,
    const settle_pairs_t *a, const settle_pairs_t *b)
{
    int             rc;
    size_t          i, j;
    referral_str_t  none;

    none.data = NULL;
    none.len = 0;

    if (a->n) {
        qsort(a->pair, a->n, sizeof(settle_pair_t), settle_compare_pair);
    }

    if (b->n) {
        qsort(b->pair, b->n, sizeof(settle_pair_t), settle_compare_pair);
    }

    for (i = 0, j = 0; i < a->n || j < b->n; /* void */ ) {

        rc = i == a->n ? 1 : j == b->n ? -1
             : settle_compare_pair(&a->pair[i], &b->pair[j]);

        if (rc < 0) {
            settle_compare_tell(c, key, &a->pair[i].field, &a->pair[i].value,
                                &none);
            i++;

        } else if (rc > 0) {
            settle_compare_tell(c, key, &b->pair[j].field, &none,
                                &b->pair[j].value);
            j++;

        } else {

            if (!referral_str_eq(&a->pair[i].value, &b->pair[j].value)) {
                settle_compare_tell(c, key, &a->pair[i].field,
                                    &a->pair[i].value, &b->pair[j].value);
            }

            i++;
            j++;
        }
    }
}


static void
settle_compare_tell(settle_compare_t *c, const char *key,
    const referral_str_t *field, const referral_str_t *replay,
    const referral_str_t *redis)
{
    static const referral_str_t  nothing = referral_string("nothing");

    settle_repair_field_t  f;

    c->different++;

    if (c->repair) {
        f.key = key;
        f.ends = c->ends;
        f.scores = c->scores;
        f.open = (replay->data == settle_compare_open
                  || redis->data == settle_compare_open);
        f.field = *field;
        f.right = *replay;
        f.wrong = *redis;

        settle_repair_field(c->repair, &f);
    }

    if (!c->print) {
        return;
    }

    if (replay->len == 0) {
        replay = &nothing;
    }

    if (redis->len == 0) {
        redis = &nothing;
    }

    printf("different: %s %.*s: replay %.*s, Redis %.*s\n", key,
           (int) field->len, (char *) field->data,
           (int) replay->len, (char *) replay->data,
           (int) redis->len, (char *) redis->data);
}


/* keys of which the replay knows nothing */

static int
settle_compare_others(settle_compare_t *c)
{
    int                rc;
    char               cursor[32], pattern[REFERRAL_STATE_KEY];
    size_t             i;
    redisReply        *reply;
    const redisReply  *keys;
    settle_command_t   command;

    strcpy(cursor, "0");
    snprintf(pattern, sizeof(pattern), "%s*{%s}*", settle_options.prefix,
             c->program->name);
    rc = SETTLE_OK;

    do {
        settle_command_begin(&command);
        settle_command_text(&command, "SCAN");
        settle_command_text(&command, cursor);
        settle_command_text(&command, "MATCH");
        settle_command_text(&command, pattern);
        settle_command_text(&command, "COUNT");
        settle_command_number(&command, 1000);

        reply = settle_redis_command(&command);
        settle_command_free(&command);

        if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
            || reply->elements != 2)
        {
            settle_log("error", "SCAN: %s", settle_reply_text(reply));

            if (reply) {
                freeReplyObject(reply);
            }

            return SETTLE_FAILED;
        }

        snprintf(cursor, sizeof(cursor), "%s",
                 settle_reply_text(reply->element[0]));
        keys = reply->element[1];

        for (i = 0; rc == SETTLE_OK && i < keys->elements; i++) {
            rc = settle_compare_other(c, settle_reply_text(keys->element[i]));
        }

        freeReplyObject(reply);

    } while (rc == SETTLE_OK && strcmp(cursor, "0") != 0);

    return rc;
}


static int
settle_compare_other(settle_compare_t *c, const char *key)
{
    unsigned           kind;
    redisReply        *reply;
    settle_pairs_t     none, pairs;
    settle_command_t   command;

    if (!settle_compare_theirs(c, key, &kind)) {
        return SETTLE_OK;
    }

    settle_command_begin(&command);
    settle_command_text(&command, referral_view_type(kind) == 'z'
                                  ? "ZRANGE" : "HGETALL");
    settle_command_text(&command, key);

    if (referral_view_type(kind) == 'z') {
        settle_command_text(&command, "0");
        settle_command_text(&command, "-1");
        settle_command_text(&command, "WITHSCORES");
    }

    reply = settle_redis_command(&command);
    settle_command_free(&command);

    if (reply == NULL) {
        return SETTLE_FAILED;
    }

    memset(&none, 0, sizeof(none));
    memset(&pairs, 0, sizeof(pairs));

    pairs.text = malloc(reply->elements * 24 + 1);

    if (pairs.text && reply->type == REDIS_REPLY_ARRAY) {
        settle_compare_reply(&pairs, reply, kind);
        c->ends = 0;
        c->scores = (referral_view_type(kind) == 'z');
        settle_compare_merge(c, key, &none, &pairs);
    }

    free(pairs.pair);
    free(pairs.text);
    freeReplyObject(reply);

    return settle_compare_write(c);
}


/*
 * A key of a settler's that the replay does not have.  Boards of clicks are
 * not ours, and those of a day may have ended.
 */

static int
settle_compare_theirs(const settle_compare_t *c, const char *key,
    unsigned *kind)
{
    char         days[REFERRAL_STATE_KEY];
    size_t       len;
    const char  *name, *tail, *part;

    name = key + strlen(settle_options.prefix);
    tail = strchr(name, '}');

    if (tail == NULL || !settle_compare_class_of(name, kind)) {
        return 0;
    }

    part = tail + 1;
    len = strlen(part);

    if (*kind == REFERRAL_VIEW_WALLET && strstr(part, ":entries")) {
        *kind = REFERRAL_VIEW_HISTORY;
    }

    if (*kind == REFERRAL_VIEW_BOARD
        && (strstr(part, ":clicks") || strchr(part, '-')))
    {
        return 0;
    }

    if (*kind == REFERRAL_VIEW_DAYS) {
        len = snprintf(days, sizeof(days), "%.*s%c%s",
                       (int) (strstr(name, ":{") - name - strlen("days")),
                       name + strlen("days"), REFERRAL_VIEW_PROGRAM, part);

        if (len >= sizeof(days)) {
            return 0;
        }

        part = days;

    } else if (*kind <= REFERRAL_VIEW_ORDER) {

        if (len == 0) {
            return 0;
        }

        part++;
        len--;
    }

    return !settle_compare_known(c, *kind, part, len);
}


static int
settle_compare_class_of(const char *name, unsigned *kind)
{
    size_t       i, len;
    const char  *end, *class;

    end = strstr(name, ":{");

    for (i = 0; end
                && i < sizeof(settle_classes) / sizeof(settle_classes[0]); i++)
    {
        class = settle_classes[i].name;
        len = strlen(class);

        if (strncmp(name, class, len) == 0
            && (class[len - 1] == ':' ? name + len < end : name + len == end))
        {
            *kind = settle_classes[i].kind;
            return 1;
        }
    }

    return 0;
}


/* is there an item of that class whose part of the key is that? */

static int
settle_compare_known(const settle_compare_t *c, unsigned kind,
    const char *part, size_t len)
{
    int                          rc;
    size_t                       low, high, middle, min;
    const referral_view_item_t  *item;

    low = 0;
    high = c->n;

    while (low < high) {
        middle = low + (high - low) / 2;
        item = c->item[middle];

        rc = settle_compare_class(kind) - settle_compare_class(item->kind);

        if (rc == 0) {
            min = len < item->klen ? len : item->klen;
            rc = memcmp(part, item->name, min);
            rc = rc ? rc : (len > item->klen) - (len < item->klen);
        }

        if (rc == 0) {
            return 1;
        }

        if (rc < 0) {
            high = middle;

        } else {
            low = middle + 1;
        }
    }

    return 0;
}
