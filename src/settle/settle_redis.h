
/*
 * The connection to Redis: one, blocking, with commands that are sent together
 * and their replies read one by one.  hiredis is known in settle_redis.c alone
 * but for redisReply.
 */


#ifndef _SETTLE_REDIS_H_INCLUDED_
#define _SETTLE_REDIS_H_INCLUDED_


#include <hiredis/hiredis.h>

#include "settle.h"


#define SETTLE_REDIS_BLOCK    500    /* ms that a read of streams waits */


/* the scripts, in the order of their texts */

typedef enum {
    SETTLE_SCRIPT_LEASE = 0,
    SETTLE_SCRIPT_COMMIT,
    SETTLE_SCRIPT_FACT,
    SETTLE_SCRIPTS
} settle_script_e;


/* a command under construction: its words are copied */

typedef struct {
    char      **argv;
    size_t     *argl;
    size_t      argc;
    size_t      size;
} settle_command_t;


/*
 * Connects if there is no connection.  SETTLE_FAILED: there is none, and it is
 * not time to try again; it was told once.
 */
int settle_redis_open(void);
void settle_redis_close(void);

/* what was asked first was refused: connects again after a while */
void settle_redis_refused(void);

/* how long until the next try, in ms; 0: there is a connection */
int64_t settle_redis_wait(void);

void settle_command_begin(settle_command_t *c);
void settle_command_word(settle_command_t *c, const void *data, size_t len);
void settle_command_text(settle_command_t *c, const char *text);
void settle_command_number(settle_command_t *c, int64_t n);
void settle_command_buf(settle_command_t *c, const referral_buf_t *buf);
void settle_command_words(settle_command_t *to, const settle_command_t *from);
void settle_command_free(settle_command_t *c);

/* sends it later, together with others */
void settle_redis_append(const settle_command_t *c);

/*
 * The next reply, freed by the caller.  NULL: the connection is lost, and what
 * was sent may or may not have been done.
 */
redisReply *settle_redis_reply(void);

/* one command and its reply; of a script, with its keys and arguments */
redisReply *settle_redis_command(const settle_command_t *c);
redisReply *settle_redis_script(settle_script_e script,
    const settle_command_t *args, size_t nkeys);

/* texts of a reply; "" where it has none */
const char *settle_reply_text(const redisReply *reply);
int64_t settle_reply_number(const redisReply *reply);

/* an error reply; its text stands in reply->str */
int settle_reply_failed(const redisReply *reply);


#endif /* _SETTLE_REDIS_H_INCLUDED_ */
