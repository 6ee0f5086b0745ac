
#include "ngx_http_referral_redis.h"


/*
 * back-off between two attempts to connect, ms; a random part of its upper
 * half
 */
#define NGX_HTTP_REFERRAL_REDIS_DELAY_MIN  100
#define NGX_HTTP_REFERRAL_REDIS_DELAY_MAX  1000

/* a connection that Redis closes is opened again at once, so often in 10 s */
#define NGX_HTTP_REFERRAL_REDIS_REOPEN     20
#define NGX_HTTP_REFERRAL_REDIS_REOPEN_MS  10000

/* a larger reply cannot be of a key that is ours, bytes */
#define NGX_HTTP_REFERRAL_REDIS_REPLY_MAX  (4 * 1024 * 1024)

/*
 * memory of an array's element beside its bytes, at least as much as it takes
 */
#define NGX_HTTP_REFERRAL_REDIS_ELEMENT    (sizeof(redisReply) + 32)

/* keys in one message to a listener: hiredis allocates all elements at once */
#define NGX_HTTP_REFERRAL_REDIS_ARRAY_MAX  (1024 * 1024)

#define NGX_HTTP_REFERRAL_REDIS_LARGE      "a reply is too large"
#define NGX_HTTP_REFERRAL_REDIS_FOREIGN    "it does not answer as redis does"


#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_http_referral_redis_elements_t;
#else
typedef int     ngx_http_referral_redis_elements_t;
#endif


typedef struct {
    ngx_queue_t                        queue;
    ngx_http_referral_redis_t         *peer;
    ngx_http_referral_redis_reply_pt   handler;
    void                              *data;
    ngx_msec_t                         sent;
    char                              *command;   /* to send it again; or
                                                     NULL */
    size_t                             len;
    ngx_uint_t                         repeated;
} ngx_http_referral_redis_call_t;


static void ngx_http_referral_redis_connect(ngx_http_referral_redis_t *peer);
static ngx_int_t ngx_http_referral_redis_attach(
    ngx_http_referral_redis_t *peer);
static void *ngx_http_referral_redis_string(const redisReadTask *task,
    char *data, size_t len);
static void *ngx_http_referral_redis_array(const redisReadTask *task,
    ngx_http_referral_redis_elements_t n);
static ngx_uint_t ngx_http_referral_redis_grow(const redisReadTask *task,
    size_t size);
static void ngx_http_referral_redis_refuse(ngx_http_referral_redis_t *peer);
static void ngx_http_referral_redis_handshake(
    ngx_http_referral_redis_t *peer);
static void ngx_http_referral_redis_greeted(void *data, redisReply *reply);
static void ngx_http_referral_redis_checked(void *data, redisReply *reply);
static void ngx_http_referral_redis_ready(ngx_http_referral_redis_t *peer);
static ngx_http_referral_redis_call_t *ngx_http_referral_redis_call(
    ngx_http_referral_redis_t *peer, ngx_http_referral_redis_reply_pt handler,
    void *data);
static ngx_int_t ngx_http_referral_redis_sent(
    ngx_http_referral_redis_call_t *call, int rc);
static void ngx_http_referral_redis_done(ngx_http_referral_redis_call_t *call);
static ngx_uint_t ngx_http_referral_redis_left(redisAsyncContext *ac,
    ngx_http_referral_redis_call_t *call);
static void ngx_http_referral_redis_gone(ngx_http_referral_redis_t *peer,
    int err, const char *why);
static ngx_uint_t ngx_http_referral_redis_may_reopen(
    ngx_http_referral_redis_t *peer, int err);
static void ngx_http_referral_redis_repeat(ngx_http_referral_redis_t *peer);
static const char *ngx_http_referral_redis_why(const redisAsyncContext *ac,
    const char *otherwise);
static void ngx_http_referral_redis_lost(ngx_http_referral_redis_t *peer,
    const char *why);
static ngx_uint_t ngx_http_referral_redis_news(
    ngx_http_referral_redis_t *peer, const char *why);
static void ngx_http_referral_redis_drop(ngx_http_referral_redis_t *peer);
static void ngx_http_referral_redis_on_connect(const redisAsyncContext *ac,
    int status);
static void ngx_http_referral_redis_on_disconnect(const redisAsyncContext *ac,
    int status);
static void ngx_http_referral_redis_on_reply(redisAsyncContext *ac,
    void *reply, void *data);
static void ngx_http_referral_redis_read_handler(ngx_event_t *ev);
static void ngx_http_referral_redis_heard(ngx_http_referral_redis_t *peer);
static void ngx_http_referral_redis_write_handler(ngx_event_t *ev);
static void ngx_http_referral_redis_add_read(void *data);
static void ngx_http_referral_redis_del_read(void *data);
static void ngx_http_referral_redis_add_write(void *data);
static void ngx_http_referral_redis_del_write(void *data);
static void ngx_http_referral_redis_cleanup(void *data);
static void ngx_http_referral_redis_reconnect_handler(ngx_event_t *ev);
static void ngx_http_referral_redis_expire_handler(ngx_event_t *ev);


/* hiredis's functions that make replies, and the same with a limit of size */

static redisReplyObjectFunctions  ngx_http_referral_redis_default;
static redisReplyObjectFunctions  ngx_http_referral_redis_bounded;


void
ngx_http_referral_redis_open(ngx_http_referral_redis_t *peer)
{
    peer->ident = (ngx_socket_t) -1;

    ngx_queue_init(&peer->pending);
    ngx_queue_init(&peer->again);
    ngx_queue_init(&peer->free);

    peer->reconnect.data = peer;
    peer->reconnect.handler = ngx_http_referral_redis_reconnect_handler;
    peer->reconnect.log = peer->log;
    peer->reconnect.cancelable = 1;

    /* not cancelable: it limits how long clients and the last batch wait */

    peer->expire.data = peer;
    peer->expire.handler = ngx_http_referral_redis_expire_handler;
    peer->expire.log = peer->log;

    ngx_http_referral_redis_connect(peer);
}


static void
ngx_http_referral_redis_connect(ngx_http_referral_redis_t *peer)
{
    redisAsyncContext  *ac;

    peer->tried = ngx_current_msec;

    if (peer->conf->port) {
        ac = redisAsyncConnect((char *) peer->conf->host, peer->conf->port);

    } else {
        ac = redisAsyncConnectUnix((char *) peer->conf->host);
    }

    if (ac == NULL) {
        ngx_http_referral_redis_lost(peer, "out of memory");
        return;
    }

    if (ac->err) {
        ngx_http_referral_redis_lost(peer, ac->errstr);
        redisAsyncFree(ac);
        return;
    }

    ac->data = peer;
    peer->ac = ac;
    peer->hear = NULL;
    peer->refuse = NULL;
    peer->refused = 0;

    if (ngx_http_referral_redis_attach(peer) != NGX_OK) {
        ngx_http_referral_redis_lost(peer, "no free connection in the worker");
        peer->ac = NULL;
        redisAsyncFree(ac);
        return;
    }

    redisAsyncSetConnectCallback(ac, ngx_http_referral_redis_on_connect);
    redisAsyncSetDisconnectCallback(ac, ngx_http_referral_redis_on_disconnect);

    ngx_http_referral_redis_handshake(peer);
}


static ngx_int_t
ngx_http_referral_redis_attach(ngx_http_referral_redis_t *peer)
{
    ngx_connection_t  *c;

    if (fcntl(peer->ac->c.fd, F_SETFD, FD_CLOEXEC) == -1) {
        ngx_log_error(NGX_LOG_CRIT, peer->log, ngx_errno,
                      "fcntl(FD_CLOEXEC) failed");
        return NGX_ERROR;
    }

    c = ngx_get_connection(peer->ac->c.fd, peer->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = peer;
    c->log = peer->log;
    c->pool = NULL;

    /*
     * hiredis closes the socket.  "shared" keeps ngx_close_connection() from
     * closing it before: the number could be another file's when hiredis
     * closes it again.
     */

    c->shared = 1;

    /* a worker that exits calls the read handler of idle connections */

    c->idle = 1;

    c->read->log = peer->log;
    c->read->handler = ngx_http_referral_redis_read_handler;
    c->write->log = peer->log;
    c->write->handler = ngx_http_referral_redis_write_handler;

    peer->connection = c;

    ngx_http_referral_redis_default = *peer->ac->c.reader->fn;
    ngx_http_referral_redis_bounded = ngx_http_referral_redis_default;
    ngx_http_referral_redis_bounded.createString =
                                                ngx_http_referral_redis_string;
    ngx_http_referral_redis_bounded.createArray =
                                                ngx_http_referral_redis_array;

    peer->ac->c.reader->fn = &ngx_http_referral_redis_bounded;
    peer->ac->c.reader->privdata = peer;

    peer->ac->ev.data = peer;
    peer->ac->ev.addRead = ngx_http_referral_redis_add_read;
    peer->ac->ev.delRead = ngx_http_referral_redis_del_read;
    peer->ac->ev.addWrite = ngx_http_referral_redis_add_write;
    peer->ac->ev.delWrite = ngx_http_referral_redis_del_write;
    peer->ac->ev.cleanup = ngx_http_referral_redis_cleanup;

    return NGX_OK;
}


/*
 * Counts the size of a reply while hiredis makes it: the size of hiredis's
 * buffer says nothing, because it is consumed meanwhile.  NULL ends the
 * connection, as if there was no memory.
 */

static void *
ngx_http_referral_redis_string(const redisReadTask *task, char *data,
    size_t len)
{
    ngx_http_referral_redis_t  *peer = task->privdata;

    if (!ngx_http_referral_redis_grow(task, len)) {

        if (peer->hear == NULL) {
            return NULL;
        }

        /* a listener gets the message, with empty strings for the rest */

        len = 0;
    }

    return ngx_http_referral_redis_default.createString(task, data, len);
}


static void *
ngx_http_referral_redis_array(const redisReadTask *task,
    ngx_http_referral_redis_elements_t n)
{
    size_t                      size;
    ngx_http_referral_redis_t  *peer = task->privdata;

    size = (size_t) n;

    if (size > NGX_HTTP_REFERRAL_REDIS_ARRAY_MAX) {
        size = SIZE_MAX;

    } else {
        size = peer->hear ? 0 : size * NGX_HTTP_REFERRAL_REDIS_ELEMENT;
    }

    if (!ngx_http_referral_redis_grow(task, size)) {
        return NULL;
    }

    return ngx_http_referral_redis_default.createArray(task, n);
}


/* 0: with "size" more bytes the reply is too large */

static ngx_uint_t
ngx_http_referral_redis_grow(const redisReadTask *task, size_t size)
{
    ngx_http_referral_redis_t  *peer = task->privdata;

    if (task->parent == NULL) {
        peer->size = 0;
    }

    if (size > NGX_HTTP_REFERRAL_REDIS_REPLY_MAX - peer->size) {
        peer->size = NGX_HTTP_REFERRAL_REDIS_REPLY_MAX;

        if (peer->hear == NULL) {
            ngx_http_referral_redis_refuse(peer);
        }

        return 0;
    }

    peer->size += size;

    return 1;
}


/* replies come in order: the one that is read belongs to the oldest command */

static void
ngx_http_referral_redis_refuse(ngx_http_referral_redis_t *peer)
{
    if (!ngx_queue_empty(&peer->pending)) {
        peer->refuse = ngx_queue_data(ngx_queue_head(&peer->pending),
                                      ngx_http_referral_redis_call_t, queue);
    }
}


/*
 * Sent before the first command, which does not wait for the replies.  A Redis
 * that hangs still accepts connections, so only a reply shows that it is back.
 */

static void
ngx_http_referral_redis_handshake(ngx_http_referral_redis_t *peer)
{
    int          argc;
    size_t       argvlen[3];
    u_char       db[NGX_INT_T_LEN];
    const char  *argv[3];

    if (peer->conf->password.len) {
        argc = 0;

        argv[argc] = "AUTH";
        argvlen[argc++] = 4;

        if (peer->conf->username.len) {
            argv[argc] = (char *) peer->conf->username.data;
            argvlen[argc++] = peer->conf->username.len;
        }

        argv[argc] = (char *) peer->conf->password.data;
        argvlen[argc++] = peer->conf->password.len;

        (void) ngx_http_referral_redis_command(peer,
                   ngx_http_referral_redis_checked, peer, argc, argv, argvlen);
    }

    if (peer->conf->db && peer->ac) {
        argv[0] = "SELECT";
        argvlen[0] = 6;
        argv[1] = (char *) db;
        argvlen[1] = ngx_sprintf(db, "%i", peer->conf->db) - db;

        (void) ngx_http_referral_redis_command(peer,
                   ngx_http_referral_redis_checked, peer, 2, argv, argvlen);
    }

    argv[0] = "PING";
    argvlen[0] = 4;

    (void) ngx_http_referral_redis_command(peer,
               ngx_http_referral_redis_greeted, peer, 1, argv, argvlen);
}


static void
ngx_http_referral_redis_checked(void *data, redisReply *reply)
{
    ngx_http_referral_redis_t  *peer = data;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        peer->refused = 1;
        ngx_http_referral_redis_lost(peer, reply->str);
    }
}


static void
ngx_http_referral_redis_greeted(void *data, redisReply *reply)
{
    ngx_http_referral_redis_t  *peer = data;

    if (reply == NULL) {
        return;
    }

    /* a login or a database that was rejected makes the connection useless */

    if (peer->refused) {
        return;
    }

    if (reply->type == REDIS_REPLY_STATUS
        && ngx_strcmp(reply->str, "PONG") == 0)
    {
        ngx_http_referral_redis_ready(peer);
        return;
    }

    /*
     * An error (NOAUTH, LOADING, BUSY, too many clients), or no Redis at all.
     * The connection cannot be freed in its callback: the timer of the
     * reconnect does that.
     */

    ngx_http_referral_redis_lost(peer, reply->type == REDIS_REPLY_ERROR
                                       ? reply->str
                                       : NGX_HTTP_REFERRAL_REDIS_FOREIGN);
}


static void
ngx_http_referral_redis_ready(ngx_http_referral_redis_t *peer)
{
    if (peer->nsaid) {
        ngx_log_error(NGX_LOG_NOTICE, peer->log, 0,
                      "referral: redis \"%V\" is back for the %s",
                      &peer->conf->text, peer->name);
    }

    peer->nsaid = 0;
    peer->delay = 0;
    peer->ready = 1;
    peer->failing = 0;

    if (peer->state) {
        peer->state(peer->data, 1);
    }
}


ngx_int_t
ngx_http_referral_redis_command(ngx_http_referral_redis_t *peer,
    ngx_http_referral_redis_reply_pt handler, void *data, int argc,
    const char **argv, const size_t *argvlen)
{
    ssize_t                          n;
    ngx_http_referral_redis_call_t  *call;

    call = ngx_http_referral_redis_call(peer, handler, data);
    if (call == NULL) {
        return NGX_DECLINED;
    }

    /* the handshake is not sent again: each connection has its own */

    if (peer->repeat && peer->ready) {

        n = redisFormatCommandArgv(&call->command, argc, argv, argvlen);

        if (n < 0) {
            call->command = NULL;
            return ngx_http_referral_redis_sent(call, REDIS_ERR);
        }

        call->len = n;

        return ngx_http_referral_redis_sent(call,
                   redisAsyncFormattedCommand(peer->ac,
                                              ngx_http_referral_redis_on_reply,
                                              call, call->command,
                                              call->len));
    }

    return ngx_http_referral_redis_sent(call,
               redisAsyncCommandArgv(peer->ac, ngx_http_referral_redis_on_reply,
                                     call, argc, argv, argvlen));
}


ngx_int_t
ngx_http_referral_redis_formatted(ngx_http_referral_redis_t *peer,
    ngx_http_referral_redis_reply_pt handler, void *data, const char *command,
    size_t len)
{
    ngx_http_referral_redis_call_t  *call;

    call = ngx_http_referral_redis_call(peer, handler, data);
    if (call == NULL) {
        return NGX_DECLINED;
    }

    return ngx_http_referral_redis_sent(call,
               redisAsyncFormattedCommand(peer->ac,
                                          ngx_http_referral_redis_on_reply,
                                          call, command, len));
}


static ngx_http_referral_redis_call_t *
ngx_http_referral_redis_call(ngx_http_referral_redis_t *peer,
    ngx_http_referral_redis_reply_pt handler, void *data)
{
    ngx_queue_t                     *q;
    ngx_http_referral_redis_call_t  *call;

    if (peer->ac == NULL || peer->hear || peer->closed) {
        return NULL;
    }

    /* while Redis is away only the handshake is sent */

    if (peer->failing && handler != ngx_http_referral_redis_greeted
        && handler != ngx_http_referral_redis_checked)
    {
        return NULL;
    }

    if (ngx_queue_empty(&peer->free)) {
        call = ngx_alloc(sizeof(ngx_http_referral_redis_call_t), peer->log);
        if (call == NULL) {
            return NULL;
        }

    } else {
        q = ngx_queue_head(&peer->free);
        ngx_queue_remove(q);
        call = ngx_queue_data(q, ngx_http_referral_redis_call_t, queue);
    }

    call->peer = peer;
    call->handler = handler;
    call->data = data;
    call->sent = ngx_current_msec;
    call->command = NULL;
    call->repeated = 0;

    return call;
}


static ngx_int_t
ngx_http_referral_redis_sent(ngx_http_referral_redis_call_t *call, int rc)
{
    ngx_http_referral_redis_t  *peer = call->peer;

    if (rc != REDIS_OK) {
        ngx_http_referral_redis_done(call);
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&peer->pending, &call->queue);
    peer->npending++;

    if (!peer->expire.timer_set) {
        ngx_add_timer(&peer->expire, peer->timeout);
    }

    return NGX_OK;
}


static void
ngx_http_referral_redis_on_reply(redisAsyncContext *ac, void *reply,
    void *data)
{
    ngx_http_referral_redis_call_t *call = data;

    void                              *owner;
    ngx_http_referral_redis_t         *peer;
    ngx_http_referral_redis_reply_pt   handler;

    peer = call->peer;
    handler = call->handler;
    owner = call->data;

    if (reply) {
        peer->latency = ngx_current_msec - call->sent;
    }

    ngx_queue_remove(&call->queue);
    peer->npending--;

    if (reply == NULL && ngx_http_referral_redis_left(ac, call)) {
        ngx_queue_insert_tail(&peer->again, &call->queue);
        return;
    }

    peer->large = (reply == NULL && call == peer->refuse);

    ngx_http_referral_redis_done(call);

    if (!ngx_queue_empty(&peer->pending)) {
        handler(owner, reply);
        return;
    }

    if (peer->expire.timer_set) {
        ngx_del_timer(&peer->expire);
    }

    /* more replies than commands: none can be matched any more */

    if (reply && ac->c.reader->pos < ac->c.reader->len) {
        handler(owner, NULL);
        ngx_http_referral_redis_fail(peer, "a reply without a command");
        return;
    }

    handler(owner, reply);
}


static void
ngx_http_referral_redis_done(ngx_http_referral_redis_call_t *call)
{
    if (call->command) {
        redisFreeCommand(call->command);
        call->command = NULL;
    }

    ngx_queue_insert_head(&call->peer->free, &call->queue);
}


/*
 * 1: there was no reply, and the command is sent again on the next connection
 */

static ngx_uint_t
ngx_http_referral_redis_left(redisAsyncContext *ac,
    ngx_http_referral_redis_call_t *call)
{
    ngx_http_referral_redis_t  *peer = call->peer;

    if (call->command == NULL || call->repeated || !peer->ready
        || peer->closed)
    {
        return 0;
    }

    if (peer->refuse) {
        return call != peer->refuse;
    }

    return peer->ac == ac
           && (ac->err == REDIS_ERR_EOF || ac->err == REDIS_ERR_IO);
}


static void
ngx_http_referral_redis_expire_handler(ngx_event_t *ev)
{
    ngx_msec_int_t                   left;
    ngx_queue_t                     *q;
    ngx_http_referral_redis_t       *peer;
    ngx_http_referral_redis_call_t  *call;

    peer = ev->data;

    if (ngx_queue_empty(&peer->pending)) {
        return;
    }

    q = ngx_queue_head(&peer->pending);
    call = ngx_queue_data(q, ngx_http_referral_redis_call_t, queue);

    left = (ngx_msec_int_t) (call->sent + peer->timeout - ngx_current_msec);

    if (left > 0) {
        ngx_add_timer(ev, (ngx_msec_t) left);
        return;
    }

    ngx_http_referral_redis_fail(peer, "no reply in time");
}


void
ngx_http_referral_redis_listen(ngx_http_referral_redis_t *peer,
    ngx_http_referral_redis_hear_pt hear)
{
    peer->hear = hear;
}


void
ngx_http_referral_redis_say(ngx_http_referral_redis_t *peer, const char *data,
    size_t len)
{
    if (peer->ac == NULL) {
        return;
    }

    if (send(peer->ac->c.fd, data, len, 0) != (ssize_t) len) {

        /* if Redis closed it, the read event finds out */

        if (ngx_socket_errno == NGX_EPIPE
            || ngx_socket_errno == NGX_ECONNRESET)
        {
            return;
        }

        ngx_http_referral_redis_fail(peer, "cannot send");
    }
}


void
ngx_http_referral_redis_fail(ngx_http_referral_redis_t *peer, const char *why)
{
    ngx_http_referral_redis_lost(peer, why);
    ngx_http_referral_redis_drop(peer);
}


/*
 * The connection has ended.  If it was ready, and Redis closed it or a reply
 * was too large, that is no outage: it is opened again at once.
 */

static void
ngx_http_referral_redis_gone(ngx_http_referral_redis_t *peer, int err,
    const char *why)
{
    if (peer->ready && !peer->closed
        && ngx_http_referral_redis_may_reopen(peer, err))
    {
        if (peer->refuse == NULL) {
            ngx_log_error(NGX_LOG_NOTICE, peer->log, 0,
                          "referral: redis \"%V\" closed the connection of "
                          "the %s: it is opened again",
                          &peer->conf->text, peer->name);
        }

        peer->ready = 0;

        if (peer->state) {
            peer->state(peer->data, 0);
        }

        ngx_http_referral_redis_connect(peer);

    } else {
        ngx_http_referral_redis_lost(peer, peer->refuse
                                           ? NGX_HTTP_REFERRAL_REDIS_LARGE
                                           : why);
    }

    ngx_http_referral_redis_repeat(peer);
}


/* 0: back-off, also for a connection that is closed again and again */

static ngx_uint_t
ngx_http_referral_redis_may_reopen(ngx_http_referral_redis_t *peer, int err)
{
    if (peer->refuse) {
        if (!peer->repeat) {
            return 0;
        }

    } else if (err != REDIS_ERR_EOF && err != REDIS_ERR_IO) {
        return 0;
    }

    if (ngx_current_msec - peer->since >= NGX_HTTP_REFERRAL_REDIS_REOPEN_MS) {
        peer->since = ngx_current_msec;
        peer->reopened = 0;
    }

    return peer->reopened++ < NGX_HTTP_REFERRAL_REDIS_REOPEN;
}


static void
ngx_http_referral_redis_repeat(ngx_http_referral_redis_t *peer)
{
    int                                rc;
    void                              *owner;
    ngx_queue_t                       *q;
    ngx_http_referral_redis_call_t    *call;
    ngx_http_referral_redis_reply_pt   handler;

    while (!ngx_queue_empty(&peer->again)) {

        q = ngx_queue_head(&peer->again);
        ngx_queue_remove(q);

        call = ngx_queue_data(q, ngx_http_referral_redis_call_t, queue);

        handler = call->handler;
        owner = call->data;
        rc = REDIS_ERR;

        if (peer->ac && !peer->failing) {
            call->sent = ngx_current_msec;
            call->repeated = 1;

            rc = redisAsyncFormattedCommand(peer->ac,
                                            ngx_http_referral_redis_on_reply,
                                            call, call->command, call->len);
        }

        if (ngx_http_referral_redis_sent(call, rc) != NGX_OK) {
            peer->large = 0;
            handler(owner, NULL);
        }
    }
}


static const char *
ngx_http_referral_redis_why(const redisAsyncContext *ac, const char *otherwise)
{
    if (ac->err == REDIS_ERR_PROTOCOL) {
        return NGX_HTTP_REFERRAL_REDIS_FOREIGN;
    }

    return ac->errstr && *ac->errstr ? ac->errstr : otherwise;
}


/* marks the connection as lost: a log line, back-off, and a call of "state" */

static void
ngx_http_referral_redis_lost(ngx_http_referral_redis_t *peer, const char *why)
{
    ngx_uint_t  was;

    was = peer->ready;

    peer->ready = 0;
    peer->failing = 1;

    if (peer->closed) {
        return;
    }

    if (ngx_http_referral_redis_news(peer, why)) {
        ngx_log_error(NGX_LOG_ERR, peer->log, 0,
                      "referral: redis \"%V\" is away for the %s: %*s",
                      &peer->conf->text, peer->name,
                      ngx_min(ngx_strlen(why), 200), why);
    }

    if (!peer->reconnect.timer_set) {
        peer->delay = ngx_min(ngx_max(peer->delay * 2,
                                      NGX_HTTP_REFERRAL_REDIS_DELAY_MIN),
                              NGX_HTTP_REFERRAL_REDIS_DELAY_MAX);

        ngx_add_timer(&peer->reconnect, peer->delay / 2
                                        + ngx_random() % (peer->delay / 2));
    }

    if (was && peer->state) {
        peer->state(peer->data, 0);
    }
}


/* 1: the log does not have this reason for this outage yet */

static ngx_uint_t
ngx_http_referral_redis_news(ngx_http_referral_redis_t *peer, const char *why)
{
    uint32_t    hash;
    ngx_uint_t  i;

    hash = ngx_crc32_short((u_char *) why, ngx_strlen(why));

    for (i = 0; i < peer->nsaid; i++) {
        if (peer->said[i] == hash) {
            return 0;
        }
    }

    if (peer->nsaid == sizeof(peer->said) / sizeof(uint32_t)) {
        return 0;
    }

    peer->said[peer->nsaid++] = hash;

    return 1;
}


/*
 * Frees the connection.  In the callback of a reply hiredis frees it after the
 * return; in the callbacks of connect and disconnect this must not be called.
 * It is reset instead of closed in order: commands that the kernel still
 * holds must not reach Redis after they were given up.
 */

static void
ngx_http_referral_redis_drop(ngx_http_referral_redis_t *peer)
{
    struct linger       linger;
    redisAsyncContext  *ac;

    ac = peer->ac;

    if (ac == NULL) {
        return;
    }

    linger.l_onoff = 1;
    linger.l_linger = 0;

    (void) setsockopt(ac->c.fd, SOL_SOCKET, SO_LINGER,
                      (const void *) &linger, sizeof(struct linger));

    peer->ac = NULL;
    redisAsyncFree(ac);
}


static void
ngx_http_referral_redis_reconnect_handler(ngx_event_t *ev)
{
    ngx_http_referral_redis_t  *peer;

    peer = ev->data;

    if (peer->closed) {
        return;
    }

    ngx_http_referral_redis_drop(peer);
    ngx_http_referral_redis_connect(peer);
}


void
ngx_http_referral_redis_hurry(ngx_http_referral_redis_t *peer)
{
    if (!peer->reconnect.timer_set
        || ngx_current_msec - peer->tried < NGX_HTTP_REFERRAL_REDIS_DELAY_MIN)
    {
        return;
    }

    peer->delay = 0;

    ngx_del_timer(&peer->reconnect);
    ngx_add_timer(&peer->reconnect, 0);
}


void
ngx_http_referral_redis_close(ngx_http_referral_redis_t *peer)
{
    ngx_queue_t  *q;

    if (peer->closed) {
        return;
    }

    peer->closed = 1;
    peer->ready = 0;

    ngx_http_referral_redis_drop(peer);

    if (peer->reconnect.timer_set) {
        ngx_del_timer(&peer->reconnect);
    }

    if (peer->expire.timer_set) {
        ngx_del_timer(&peer->expire);
    }

    while (!ngx_queue_empty(&peer->free)) {
        q = ngx_queue_head(&peer->free);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_http_referral_redis_call_t, queue));
    }
}


/*
 * In hiredis 0.14 neither free nor disconnect is safe here, and ac->err is not
 * set yet; hiredis frees the context after the return.
 */

static void
ngx_http_referral_redis_on_connect(const redisAsyncContext *ac, int status)
{
    ngx_http_referral_redis_t  *peer;

    peer = ac->data;

    if (status != REDIS_OK && peer->ac == ac) {
        peer->ac = NULL;
        ngx_http_referral_redis_lost(peer,
                          ngx_http_referral_redis_why(ac, "cannot connect"));
    }
}


static void
ngx_http_referral_redis_on_disconnect(const redisAsyncContext *ac, int status)
{
    ngx_http_referral_redis_t  *peer;

    peer = ac->data;

    if (peer->ac == ac) {
        peer->ac = NULL;
        ngx_http_referral_redis_gone(peer, ac->err,
                                  ngx_http_referral_redis_why(ac, "closed"));
    }
}


static void
ngx_http_referral_redis_read_handler(ngx_event_t *ev)
{
    u_char                      ch;
    ngx_connection_t           *c;
    ngx_http_referral_redis_t  *peer;

    c = ev->data;
    peer = c->data;

    if (c->close) {

        c->close = 0;

        if (peer->quit) {
            peer->quit(peer->data);
        }

        return;
    }

    if (peer->ac == NULL) {
        return;
    }

    if (peer->hear) {
        ngx_http_referral_redis_heard(peer);
        return;
    }

    /* hiredis aborts on a reply without a command, unless it is an error */

    if (ngx_queue_empty(&peer->pending)
        && recv(peer->ac->c.fd, &ch, 1, MSG_PEEK) == 1
        && ch != '-')
    {
        ngx_http_referral_redis_fail(peer, "a reply without a command");
        return;
    }

    redisAsyncHandleRead(peer->ac);

    if (peer->ac
        && peer->ac->c.reader->len > NGX_HTTP_REFERRAL_REDIS_REPLY_MAX)
    {
        ngx_http_referral_redis_refuse(peer);
        ngx_http_referral_redis_drop(peer);
        ngx_http_referral_redis_gone(peer, REDIS_ERR_OOM,
                                     NGX_HTTP_REFERRAL_REDIS_LARGE);
    }
}


/*
 * Reads a listener's messages without hiredis's code for subscriptions, which
 * asserts that the server sends what it should.
 */

static void
ngx_http_referral_redis_heard(ngx_http_referral_redis_t *peer)
{
    void               *reply;
    ssize_t             n;
    redisAsyncContext  *ac;
    char                buf[4096];

    ac = peer->ac;

    n = recv(ac->c.fd, buf, sizeof(buf), 0);

    if (n == -1 && (ngx_socket_errno == NGX_EAGAIN
                    || ngx_socket_errno == NGX_EINTR))
    {
        return;
    }

    if (n <= 0) {
        ngx_http_referral_redis_drop(peer);
        ngx_http_referral_redis_gone(peer, n ? REDIS_ERR_IO : REDIS_ERR_EOF,
                                     "closed");
        return;
    }

    if (redisReaderFeed(ac->c.reader, buf, n) != REDIS_OK
        || ac->c.reader->len > NGX_HTTP_REFERRAL_REDIS_REPLY_MAX)
    {
        ngx_http_referral_redis_fail(peer, NGX_HTTP_REFERRAL_REDIS_LARGE);
        return;
    }

    while (peer->ac == ac) {

        if (redisReaderGetReply(ac->c.reader, &reply) != REDIS_OK) {
            ngx_http_referral_redis_fail(peer,
                                         NGX_HTTP_REFERRAL_REDIS_FOREIGN);
            return;
        }

        if (reply == NULL) {
            return;
        }

        peer->hear(peer->data, reply);
        freeReplyObject(reply);
    }
}


static void
ngx_http_referral_redis_write_handler(ngx_event_t *ev)
{
    ngx_connection_t           *c;
    ngx_http_referral_redis_t  *peer;

    c = ev->data;
    peer = c->data;

    if (peer->ac) {
        redisAsyncHandleWrite(peer->ac);
    }
}


/* level-triggered, because hiredis reads at most 16 KiB a call */

static void
ngx_http_referral_redis_add_read(void *data)
{
    ngx_http_referral_redis_t *peer = data;

    ngx_event_t  *ev;

    ev = peer->connection->read;

    if (!ev->active) {
        (void) ngx_add_event(ev, NGX_READ_EVENT, 0);
    }
}


static void
ngx_http_referral_redis_del_read(void *data)
{
    ngx_http_referral_redis_t *peer = data;

    ngx_event_t  *ev;

    ev = peer->connection->read;

    if (ev->active) {
        (void) ngx_del_event(ev, NGX_READ_EVENT, 0);
    }
}


static void
ngx_http_referral_redis_add_write(void *data)
{
    ngx_http_referral_redis_t *peer = data;

    ngx_event_t  *ev;

    ev = peer->connection->write;

    if (!ev->active) {
        (void) ngx_add_event(ev, NGX_WRITE_EVENT, 0);
    }
}


static void
ngx_http_referral_redis_del_write(void *data)
{
    ngx_http_referral_redis_t *peer = data;

    ngx_event_t  *ev;

    ev = peer->connection->write;

    if (ev->active) {
        (void) ngx_del_event(ev, NGX_WRITE_EVENT, 0);
    }
}


static void
ngx_http_referral_redis_cleanup(void *data)
{
    ngx_http_referral_redis_t *peer = data;

    ngx_connection_t  *c;

    c = peer->connection;

    if (c == NULL) {
        return;
    }

    peer->connection = NULL;

    /*
     * the events go while the socket is open: epoll knows them by its number
     */

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, 0);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, 0);
    }

    ngx_close_connection(c);
}
