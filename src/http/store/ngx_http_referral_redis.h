
/*
 * hiredis on nginx's event loop: one connection that comes back by itself,
 * commands with a reply time-out, and nothing that blocks.
 */


#ifndef _NGX_HTTP_REFERRAL_REDIS_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <hiredis/hiredis.h>
#include <hiredis/async.h>

#include "ngx_http_referral_redis_conf.h"


/*
 * What became of a command: a reply, which lives only during the call, or
 * NULL when none will come; "large" of the peer tells if it was too large.
 * The handler may send further commands.
 */

typedef void (*ngx_http_referral_redis_reply_pt)(void *data,
    redisReply *reply);

/* told of each change: usable or not; must not send commands itself */

typedef void (*ngx_http_referral_redis_state_pt)(void *data, ngx_uint_t up);


/*
 * Of a listener: what Redis says unasked; the reply lives during the call.
 * Where a reply is too large, its further strings are empty.
 */

typedef void (*ngx_http_referral_redis_hear_pt)(void *data,
    redisReply *reply);

/* the worker is told to quit and closes what is idle */

typedef void (*ngx_http_referral_redis_quit_pt)(void *data);


/*
 * One connection of a worker.  The owner zeroes it, sets what stands above
 * the line, and calls ngx_http_referral_redis_open().
 */

struct ngx_http_referral_redis_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    void                             *data;
    ngx_http_referral_redis_conf_t   *conf;
    ngx_log_t                        *log;
    ngx_socket_t                      ident;

    const char                       *name;       /* for the log */
    ngx_msec_t                        timeout;    /* of a reply */
    ngx_http_referral_redis_state_pt  state;      /* may be NULL */
    ngx_http_referral_redis_quit_pt   quit;       /* may be NULL */
    ngx_uint_t                        repeat;     /* what meets a connection
                                                     that Redis closed is sent
                                                     once more */

    /* -- */

    redisAsyncContext                *ac;
    ngx_http_referral_redis_hear_pt   hear;       /* a listener's */
    ngx_connection_t                 *connection;
    ngx_event_t                       reconnect;
    ngx_event_t                       expire;
    ngx_queue_t                       pending;    /* oldest first */
    ngx_queue_t                       again;      /* to be sent once more */
    ngx_queue_t                       free;
    void                             *refuse;     /* the command whose reply is
                                                     too large */
    size_t                            size;       /* of the reply so far */
    ngx_uint_t                        npending;
    ngx_msec_t                        delay;
    ngx_msec_t                        tried;      /* to connect */
    ngx_msec_t                        since;      /* of "reopened" */
    ngx_uint_t                        reopened;   /* at once, of late */
    ngx_msec_t                        latency;    /* of the last reply */
    ngx_uint_t                        nsaid;      /* reasons the log knows */
    uint32_t                          said[4];

    unsigned                          ready:1;    /* the handshake is done */
    unsigned                          failing:1;  /* since the last ready */
    unsigned                          refused:1;  /* user, password or db */
    unsigned                          large:1;    /* see above */
    unsigned                          closed:1;
};


void ngx_http_referral_redis_open(ngx_http_referral_redis_t *peer);

/* ends it for good: what is pending gets NULL */
void ngx_http_referral_redis_close(ngx_http_referral_redis_t *peer);

/*
 * NGX_OK: "handler" will be called exactly once, later.  NGX_DECLINED: Redis
 * is away or the connection cannot take more; the handler is not called.
 */
ngx_int_t ngx_http_referral_redis_command(ngx_http_referral_redis_t *peer,
    ngx_http_referral_redis_reply_pt handler, void *data, int argc,
    const char **argv, const size_t *argvlen);

/* the same with a command in the protocol's own bytes */
ngx_int_t ngx_http_referral_redis_formatted(ngx_http_referral_redis_t *peer,
    ngx_http_referral_redis_reply_pt handler, void *data, const char *command,
    size_t len);

/*
 * The connection answers no commands from now on, until it is lost: all that
 * comes is for "hear".  Only from within the reply to its last command.
 */
void ngx_http_referral_redis_listen(ngx_http_referral_redis_t *peer,
    ngx_http_referral_redis_hear_pt hear);

/* a listener's own words: a few bytes of the protocol, or the end of it */
void ngx_http_referral_redis_say(ngx_http_referral_redis_t *peer,
    const char *data, size_t len);

/* gives up on the connection, whose replies are of no use any more */
void ngx_http_referral_redis_fail(ngx_http_referral_redis_t *peer,
    const char *why);


/* somebody else reached Redis: tries now, unless it has just tried */
void ngx_http_referral_redis_hurry(ngx_http_referral_redis_t *peer);


#define ngx_http_referral_redis_usable(peer)                                  \
    (!(peer)->failing && !(peer)->closed)


#endif /* _NGX_HTTP_REFERRAL_REDIS_H_INCLUDED_ */
