
#include "settle_parts.h"


#define SETTLE_PARTS_MOST  100000        /* of one fact */


static settle_turn_e settle_parts_old(settle_program_t *p,
    settle_part_t *part, size_t key);
static void settle_parts_text(settle_command_t *to, const settle_part_t *part);
static void settle_parts_put(FILE *f, const settle_command_t *words);
static int settle_parts_read(settle_part_t *part, const redisReply *reply);
static int settle_parts_word(referral_str_t *rest, referral_str_t *word);
static settle_turn_e settle_parts_one(settle_program_t *p, unsigned long i,
    unsigned long n);
static void settle_parts_name(const settle_program_t *p, referral_buf_t *buf,
    u_char *data);
static void settle_parts_field(char *name, unsigned long i);


settle_part_t *
settle_parts_add(settle_parts_t *parts)
{
    size_t          size;
    settle_part_t  *part;

    if (parts->n == parts->size) {
        size = parts->size ? 2 * parts->size : 4;
        part = realloc(parts->part, size * sizeof(settle_part_t));

        if (part == NULL) {
            settle_log("crit", "there is not enough memory");
            exit(SETTLE_FAILED);
        }

        parts->part = part;
        parts->size = size;
    }

    part = &parts->part[parts->n++];
    memset(part, 0, sizeof(settle_part_t));

    return part;
}


void
settle_parts_free(settle_parts_t *parts)
{
    while (parts->n) {
        settle_part_free(&parts->part[--parts->n]);
    }

    free(parts->part);
    memset(parts, 0, sizeof(settle_parts_t));
}


void
settle_part_free(settle_part_t *part)
{
    settle_command_free(&part->keys);
    settle_command_free(&part->work);
    free(part->type);
    memset(part, 0, sizeof(settle_part_t));
}


size_t
settle_part_key(settle_part_t *part, const referral_buf_t *key, char type)
{
    if (part->nkeys == part->size) {
        part->size = part->size ? 2 * part->size : 64;
        part->type = realloc(part->type, part->size);

        if (part->type == NULL) {
            settle_log("crit", "there is not enough memory");
            exit(SETTLE_FAILED);
        }
    }

    settle_command_buf(&part->keys, key);
    part->type[part->nkeys++] = type;

    /* the first of a call is ref:settled:{p} */

    return part->nkeys + 1;
}


void
settle_part_operation(settle_part_t *part, const char *what, size_t key,
    settle_command_t *words)
{
    if (words->argc == 0) {
        return;
    }

    settle_command_text(&part->work, what);
    settle_command_number(&part->work, key);
    settle_command_number(&part->work, words->argc);
    settle_command_words(&part->work, words);
    settle_command_free(words);
}


redisReply *
settle_part_write(settle_program_t *p, const settle_part_t *part,
    const settle_command_t *fields, int64_t lease)
{
    u_char             data[REFERRAL_STATE_KEY];
    redisReply        *reply;
    referral_buf_t     buf;
    settle_command_t   c;

    settle_command_begin(&c);
    referral_buf_init(&buf, data, sizeof(data));
    referral_state_name(&buf, &p->state, "settled");
    settle_command_buf(&c, &buf);
    settle_command_words(&c, &part->keys);

    /* what it builds on was kept when the last one was answered */

    settle_command_number(&c, p->position);
    settle_command_text(&c, p->chain);

    if (p->skip) {
        settle_command_number(&c, p->skip);

    } else {
        settle_command_text(&c, "");
    }

    if (p->repaired) {
        settle_command_number(&c, p->repaired);

    } else {
        settle_command_text(&c, "");
    }

    settle_command_text(&c, p->writing);
    settle_command_text(&c, settle_owner);
    settle_command_number(&c, lease);
    settle_command_number(&c, fields->argc);
    settle_command_words(&c, fields);
    settle_command_word(&c, part->type ? part->type : "", part->nkeys);
    settle_command_words(&c, &part->work);

    reply = settle_redis_script(SETTLE_SCRIPT_COMMIT, &c, part->nkeys + 1);
    settle_command_free(&c);

    return reply;
}


settle_turn_e
settle_part_answer(settle_program_t *p, redisReply *reply)
{
    settle_turn_e  rc;

    if (reply == NULL) {
        return settle_program_trouble(p, "");
    }

    rc = SETTLE_BUSY;

    if (settle_reply_failed(reply)) {
        rc = settle_program_trouble(p, reply->str);

    } else if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
        rc = settle_program_trouble(p, "the answer is not understood");

    } else if (settle_reply_number(reply->element[0]) == 0) {
        p->conflicts++;

        settle_log("notice", "program \"%s\": somebody else settled it up to"
                   " entry %s; it is read again", p->name,
                   reply->elements > 1 ? settle_reply_text(reply->element[1])
                                       : "");
        settle_program_forget(p);
        rc = SETTLE_AWAY;
    }

    freeReplyObject(reply);

    return rc;
}


/* a settler that was overtaken is refused: it does not know the owner */

settle_turn_e
settle_parts_lay(settle_program_t *p, const settle_parts_t *parts)
{
    char              name[24], writing[SETTLE_WRITING];
    size_t            i, key;
    u_char            data[REFERRAL_STATE_KEY];
    settle_part_t     lay;
    settle_turn_e     rc;
    referral_buf_t    buf;
    settle_command_t  fields, words;

    for (i = 0; i < parts->n; i++) {
        memset(&lay, 0, sizeof(lay));
        settle_command_begin(&fields);
        settle_command_begin(&words);

        settle_parts_name(p, &buf, data);
        key = settle_part_key(&lay, &buf, 'h');

        rc = i ? SETTLE_BUSY : settle_parts_old(p, &lay, key);

        snprintf(writing, sizeof(writing), "%s %zu", settle_owner, i + 1);
        settle_command_text(&fields, "writing");
        settle_command_text(&fields, writing);

        settle_parts_field(name, i + 1);
        settle_command_text(&words, name);
        settle_parts_text(&words, &parts->part[i]);
        settle_part_operation(&lay, "S", key, &words);

        if (rc == SETTLE_BUSY) {
            rc = settle_part_answer(p, settle_part_write(p, &lay, &fields,
                                                     settle_options.lease));
        }

        settle_command_free(&fields);
        settle_part_free(&lay);

        if (rc != SETTLE_BUSY) {
            return rc;
        }

        memcpy(p->writing, writing, sizeof(p->writing));
    }

    return SETTLE_BUSY;
}


/* what a settler left that did not come to move the position */

static settle_turn_e
settle_parts_old(settle_program_t *p, settle_part_t *part, size_t key)
{
    size_t             i;
    u_char             data[REFERRAL_STATE_KEY];
    redisReply        *reply;
    settle_turn_e      rc;
    referral_buf_t     buf;
    settle_command_t   c;

    settle_command_begin(&c);
    settle_command_text(&c, "HKEYS");
    settle_parts_name(p, &buf, data);
    settle_command_buf(&c, &buf);

    reply = settle_redis_command(&c);
    settle_command_free(&c);

    rc = SETTLE_BUSY;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        rc = settle_program_trouble(p, settle_reply_text(reply));

    } else {
        for (i = 0; i < reply->elements; i++) {
            settle_command_word(&c, reply->element[i]->str,
                                reply->element[i]->len);
        }
    }

    settle_part_operation(part, "D", key, &c);

    if (reply) {
        freeReplyObject(reply);
    }

    return rc;
}


/* as one word: types, keys, operations, each word of them behind its length */

static void
settle_parts_text(settle_command_t *to, const settle_part_t *part)
{
    FILE              *f;
    char              *text;
    size_t             len;
    settle_command_t   c;

    text = NULL;
    f = open_memstream(&text, &len);

    if (f == NULL) {
        settle_log("crit", "there is not enough memory");
        exit(SETTLE_FAILED);
    }

    settle_command_begin(&c);
    settle_command_word(&c, part->type, part->nkeys);
    settle_command_words(&c, &part->keys);

    settle_parts_put(f, &c);
    settle_parts_put(f, &part->work);

    settle_command_free(&c);

    if (ferror(f) || fclose(f) != 0) {
        settle_log("crit", "there is not enough memory");
        exit(SETTLE_FAILED);
    }

    settle_command_word(to, text, len);
    free(text);
}


static void
settle_parts_put(FILE *f, const settle_command_t *words)
{
    size_t  i;

    for (i = 0; i < words->argc; i++) {
        fprintf(f, "%zu:", words->argl[i]);
        fwrite(words->argv[i], 1, words->argl[i], f);
    }
}


settle_turn_e
settle_parts_do(settle_program_t *p)
{
    char           *end;
    unsigned long   i, n;
    settle_turn_e   rc;

    if (!settle_parts_moved(p->writing)) {
        return SETTLE_BUSY;
    }

    i = strtoul(p->writing, &end, 10);
    n = *end == '/' ? strtoul(end + 1, &end, 10) : 0;

    if (*end || i == 0 || i > n || n > SETTLE_PARTS_MOST) {
        return settle_program_trouble(p, "\"writing\" in ref:settled is not"
                                         " understood");
    }

    do {
        rc = settle_parts_one(p, i, n);

    } while (rc == SETTLE_BUSY && i++ < n);

    return rc;
}


static settle_turn_e
settle_parts_one(settle_program_t *p, unsigned long i, unsigned long n)
{
    char              name[24], writing[SETTLE_WRITING];
    u_char            data[REFERRAL_STATE_KEY];
    redisReply       *reply;
    settle_part_t     part;
    settle_turn_e     rc;
    referral_buf_t    buf;
    settle_command_t  c, fields, gone;

    settle_command_begin(&c);
    settle_command_begin(&fields);
    settle_command_begin(&gone);
    memset(&part, 0, sizeof(part));

    settle_parts_name(p, &buf, data);
    settle_parts_field(name, i);

    settle_command_text(&c, "HGET");
    settle_command_buf(&c, &buf);
    settle_command_text(&c, name);

    reply = settle_redis_command(&c);
    settle_command_free(&c);

    if (reply == NULL || settle_reply_failed(reply)) {
        rc = settle_program_trouble(p, settle_reply_text(reply));

    } else if (settle_parts_read(&part, reply) != SETTLE_OK) {
        rc = settle_program_trouble(p, "a part of what is being written is not"
                                       " in ref:writing any more: remove the"
                                       " field \"writing\" of ref:settled, and"
                                       " have --repair write it");

    } else {
        settle_command_text(&gone, name);
        settle_part_operation(&part, "D", settle_part_key(&part, &buf, 'h'),
                              &gone);

        writing[0] = '\0';

        if (i < n) {
            snprintf(writing, sizeof(writing), "%lu/%lu", i + 1, n);
        }

        settle_command_text(&fields, "writing");
        settle_command_text(&fields, writing);

        rc = settle_part_answer(p, settle_part_write(p, &part, &fields,
                                                     settle_options.lease));

        if (rc == SETTLE_BUSY) {
            memcpy(p->writing, writing, sizeof(p->writing));
        }
    }

    if (reply) {
        freeReplyObject(reply);
    }

    settle_command_free(&fields);
    settle_part_free(&part);

    return rc;
}


static int
settle_parts_read(settle_part_t *part, const redisReply *reply)
{
    size_t          i;
    referral_buf_t  key;
    referral_str_t  rest, types, word;

    if (reply->type != REDIS_REPLY_STRING) {
        return SETTLE_FAILED;
    }

    rest.data = (u_char *) reply->str;
    rest.len = reply->len;

    if (settle_parts_word(&rest, &types) != SETTLE_OK) {
        return SETTLE_FAILED;
    }

    for (i = 0; i < types.len; i++) {

        if (settle_parts_word(&rest, &word) != SETTLE_OK) {
            return SETTLE_FAILED;
        }

        key.start = word.data;
        key.pos = word.data + word.len;

        (void) settle_part_key(part, &key, types.data[i]);
    }

    while (rest.len) {

        if (settle_parts_word(&rest, &word) != SETTLE_OK) {
            return SETTLE_FAILED;
        }

        settle_command_word(&part->work, word.data, word.len);
    }

    return SETTLE_OK;
}


/* "5:words" */

static int
settle_parts_word(referral_str_t *rest, referral_str_t *word)
{
    u_char         *colon;
    int64_t         len;
    referral_str_t  number;

    colon = rest->len ? memchr(rest->data, ':', rest->len) : NULL;

    if (colon == NULL) {
        return SETTLE_FAILED;
    }

    number.data = rest->data;
    number.len = colon - rest->data;

    rest->data = colon + 1;
    rest->len -= number.len + 1;

    len = referral_str_uint(&number, INT32_MAX);

    if (len < 0 || (size_t) len > rest->len) {
        return SETTLE_FAILED;
    }

    word->data = rest->data;
    word->len = len;

    rest->data += len;
    rest->len -= len;

    return SETTLE_OK;
}


static void
settle_parts_name(const settle_program_t *p, referral_buf_t *buf, u_char *data)
{
    referral_buf_init(buf, data, REFERRAL_STATE_KEY);
    referral_state_name(buf, &p->state, "writing");
}


static void
settle_parts_field(char *name, unsigned long i)
{
    sprintf(name, "%lu", i);
}
