
/*
 * One connection to Redis: hiredis on nginx's event loop, without calls that
 * block.  An outage is found here: each command has a time-out for its reply,
 * a lost connection is logged once and opened again with back-off, and its
 * owner is told by "state".
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
 * Called with the reply to a command, which lives only during the call, or
 * with NULL if there will be none; peer->large is set then if the reply was
 * too large.  The handler may send further commands.
 */

typedef void (*ngx_http_referral_redis_reply_pt)(void *data,
    redisReply *reply);

/*
 * called when the connection becomes usable or unusable; must not send
 * commands
 */

typedef void (*ngx_http_referral_redis_state_pt)(void *data, ngx_uint_t up);


/*
 * Called with a message to a listener, which lives only during the call.  If
 * the message is too large, its further strings are empty.
 */

typedef void (*ngx_http_referral_redis_hear_pt)(void *data,
    redisReply *reply);

/* called when the worker shuts down gracefully and closes idle connections */

typedef void (*ngx_http_referral_redis_quit_pt)(void *data);


/*
 * A connection.  Its owner zeroes it, sets the members above the line, and
 * calls ngx_http_referral_redis_open().
 */

struct ngx_http_referral_redis_s {
    /* event ident must be after 3 pointers, as in ngx_connection_t */
    void                             *data;
    ngx_http_referral_redis_conf_t   *conf;
    ngx_log_t                        *log;
    ngx_socket_t                      ident;

    const char                       *name;       /* its user, for the log */
    ngx_msec_t                        timeout;    /* of a reply, ms */
    ngx_http_referral_redis_state_pt  state;      /* may be NULL */
    ngx_http_referral_redis_quit_pt   quit;       /* may be NULL */
    ngx_uint_t                        repeat;     /* commands without a reply
                                                     when Redis closes it are
                                                     sent again, once */

    /* -- */

    redisAsyncContext                *ac;
    ngx_http_referral_redis_hear_pt   hear;       /* not NULL: it is a
                                                     listener */
    ngx_connection_t                 *connection;
    ngx_event_t                       reconnect;
    ngx_event_t                       expire;
    ngx_queue_t                       pending;    /* oldest first */
    ngx_queue_t                       again;      /* to be sent again */
    ngx_queue_t                       free;
    void                             *refuse;     /* the command whose reply is
                                                     too large */
    size_t                            size;       /* of the reply so far */
    ngx_uint_t                        npending;
    ngx_msec_t                        delay;
    ngx_msec_t                        tried;      /* last attempt to connect */
    ngx_msec_t                        since;      /* when "reopened" was 0 */
    ngx_uint_t                        reopened;   /* so often at once since
                                                     then */
    ngx_msec_t                        latency;    /* of the last reply */
    ngx_uint_t                        nsaid;      /* reasons of this outage
                                                     that are in the log */
    uint32_t                          said[4];

    unsigned                          ready:1;    /* the handshake is done */
    unsigned                          failing:1;  /* lost, and not ready
                                                     again */
    unsigned                          refused:1;  /* user, password or db was
                                                     rejected */
    unsigned                          large:1;    /* see ..._reply_pt */
    unsigned                          closed:1;
};


void ngx_http_referral_redis_open(ngx_http_referral_redis_t *peer);

/* closes it for good: handlers that are pending are called with NULL */
void ngx_http_referral_redis_close(ngx_http_referral_redis_t *peer);

/*
 * NGX_OK: "handler" will be called exactly once, later.  NGX_DECLINED: Redis
 * is away or the connection cannot take more; the handler is not called.
 */
ngx_int_t ngx_http_referral_redis_command(ngx_http_referral_redis_t *peer,
    ngx_http_referral_redis_reply_pt handler, void *data, int argc,
    const char **argv, const size_t *argvlen);

/* the same with a command that is encoded already */
ngx_int_t ngx_http_referral_redis_formatted(ngx_http_referral_redis_t *peer,
    ngx_http_referral_redis_reply_pt handler, void *data, const char *command,
    size_t len);

/*
 * Makes the connection a listener until it is lost: it takes no more commands,
 * and "hear" is called for each message.  May be called only from the handler
 * of its last command.
 */
void ngx_http_referral_redis_listen(ngx_http_referral_redis_t *peer,
    ngx_http_referral_redis_hear_pt hear);

/*
 * sends a short encoded command of a listener; if that fails the connection is
 * lost
 */
void ngx_http_referral_redis_say(ngx_http_referral_redis_t *peer,
    const char *data, size_t len);

/* drops the connection and logs why; it is opened again with back-off */
void ngx_http_referral_redis_fail(ngx_http_referral_redis_t *peer,
    const char *why);


/*
 * tries to connect now, unless it has just tried: another connection succeeded
 */
void ngx_http_referral_redis_hurry(ngx_http_referral_redis_t *peer);


#define ngx_http_referral_redis_usable(peer)                                  \
    (!(peer)->failing && !(peer)->closed)


#endif /* _NGX_HTTP_REFERRAL_REDIS_H_INCLUDED_ */
