/* link: ngx_http_referral_redis.c ngx_http_referral_links.c ngx_http_referral_tracking.c referral_keys.c referral_cache.c referral_cache_local.c referral_link.c referral_code.c referral_visitor.c referral_bots.c referral_automaton.c referral_rules.c referral_template.c referral_conditions.c referral_url.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_timezone_file.c referral_timezone_table.c referral_hash.c referral_str.c referral_lang.c referral_name.c -l:libhiredis.a -lcrypto */

/*
 * Replies as Redis, or something in its place, may send them: through hiredis
 * and the unchanged files that read replies, with an event loop of a few lines
 * instead of nginx's.
 *
 * The input: the first byte configures the connection; then steps of one byte
 * and its arguments.  Bits 0 to 2 of the byte:
 *
 *     0, 1, 2  bytes to the look-ups, as many as the next byte says
 *     3, 4     bytes to the listener for edits
 *     5        time passes
 *     6        a click asks for a link, its program or its referrer
 *     7        the other end closes, or replies as Redis would
 */

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ngx_http_referral_links.h"
#include "ngx_http_referral_redis.h"
#include "fuzz.h"

#define CONNECTIONS  8
#define TIMERS       32
#define WAITS        16


typedef struct {
    ngx_connection_t  c;
    ngx_event_t       read;
    ngx_event_t       write;
    int               peer;       /* the server's end, -1: none */
    unsigned          used;
} fuzz_connection_t;


/* the functions of nginx that these files call */

volatile ngx_msec_t      ngx_current_msec;
volatile ngx_time_t     *ngx_cached_time;
ngx_pid_t                ngx_pid = 1;
ngx_uint_t               ngx_exiting;
ngx_rbtree_t             ngx_event_timer_rbtree;
ngx_event_actions_t      ngx_event_actions;
uint32_t                *ngx_crc32_table_short;

static uint32_t          crc_table[16];
static ngx_time_t        the_time;
static ngx_rbtree_node_t  *timers[TIMERS];
static fuzz_connection_t  connections[CONNECTIONS];
static void             *pool[1024];
static unsigned          npool;

static int               listener = -1;
static char              path[64];

static ngx_log_t         the_log;
static ngx_http_referral_zone_t           zone;
static ngx_http_referral_worker_entry_t   worker;
static ngx_http_referral_main_conf_t      rmcf;
static uint64_t                           cache[512 * 1024 / 8];
static ngx_http_referral_wait_t           waits[WAITS];
static unsigned                           waiting;


void *
ngx_alloc(size_t size, ngx_log_t *log)
{
    (void) log;

    return malloc(size);
}


void *
ngx_calloc(size_t size, ngx_log_t *log)
{
    (void) log;

    return calloc(1, size);
}


void *
ngx_palloc(ngx_pool_t *unused, size_t size)
{
    (void) unused;

    fuzz_check(npool < 1024);

    return pool[npool++] = malloc(size);
}


/* the conversions that these files use */

static u_char *
format(u_char *p, u_char *last, const char *fmt, va_list args)
{
    char         number[32];
    size_t       len;
    ngx_str_t   *v;
    const char  *s;

    for ( /* void */; *fmt && p < last; fmt++) {

        if (*fmt != '%') {
            *p++ = *fmt;
            continue;
        }

        fmt++;
        s = number;

        switch (*fmt) {

        case 'V':
            v = va_arg(args, ngx_str_t *);
            s = (char *) v->data;
            len = v->len;
            break;

        case '*':
            fmt++;
            len = va_arg(args, size_t);
            s = va_arg(args, char *);
            break;

        case 's':
            s = va_arg(args, char *);
            len = strlen(s);
            break;

        case 'u':
            fmt++;
            len = snprintf(number, sizeof(number), "%lu",
                           va_arg(args, unsigned long));
            break;

        case 'i':
        case 'L':
        case 'T':
            len = snprintf(number, sizeof(number), "%ld",
                           va_arg(args, long));
            break;

        default:
            fprintf(stderr, "conversion %%%c\n", *fmt);
            abort();
        }

        if (len > (size_t) (last - p)) {
            len = last - p;
        }

        memcpy(p, s, len);
        p += len;
    }

    return p;
}


u_char * ngx_cdecl
ngx_sprintf(u_char *buf, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    p = format(buf, buf + 65536, fmt, args);
    va_end(args);

    return p;
}


u_char * ngx_cdecl
ngx_snprintf(u_char *buf, size_t max, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    p = format(buf, buf + max, fmt, args);
    va_end(args);

    return p;
}


/* an alert in the log is a bug */

void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    va_list  args;
    u_char   line[2048];

    (void) log;
    (void) err;

    va_start(args, fmt);
    (void) format(line, line + sizeof(line), fmt, args);
    va_end(args);

    fuzz_check(level > NGX_LOG_ALERT);
}


void
ngx_time_update(void)
{
    /* void */
}


void
ngx_rbtree_insert(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    unsigned  i;

    (void) tree;

    for (i = 0; i < TIMERS && timers[i]; i++) { /* void */ }

    fuzz_check(i < TIMERS);
    timers[i] = node;
}


void
ngx_rbtree_delete(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    unsigned  i;

    (void) tree;

    for (i = 0; i < TIMERS && timers[i] != node; i++) { /* void */ }

    fuzz_check(i < TIMERS);
    timers[i] = NULL;
}


static ngx_int_t
add_event(ngx_event_t *ev, ngx_int_t event, ngx_uint_t flags)
{
    (void) event;
    (void) flags;

    ev->active = 1;

    return NGX_OK;
}


static ngx_int_t
del_event(ngx_event_t *ev, ngx_int_t event, ngx_uint_t flags)
{
    (void) event;
    (void) flags;

    ev->active = 0;

    return NGX_OK;
}


ngx_connection_t *
ngx_get_connection(ngx_socket_t s, ngx_log_t *log)
{
    unsigned            i;
    fuzz_connection_t  *fc;

    for (i = 0; i < CONNECTIONS && connections[i].used; i++) { /* void */ }

    if (i == CONNECTIONS) {
        return NULL;
    }

    fc = &connections[i];

    memset(fc, 0, sizeof(fuzz_connection_t));
    fc->used = 1;
    fc->c.fd = s;
    fc->c.log = log;
    fc->c.read = &fc->read;
    fc->c.write = &fc->write;
    fc->read.data = &fc->c;
    fc->write.data = &fc->c;

    /* connects at once, in the order of the requests */

    fc->peer = accept(listener, NULL, NULL);

    if (fc->peer != -1) {
        (void) fcntl(fc->peer, F_SETFL, O_NONBLOCK);
    }

    return &fc->c;
}


void
ngx_close_connection(ngx_connection_t *c)
{
    fuzz_connection_t  *fc = (fuzz_connection_t *) c;

    fuzz_check(fc->used && c->shared);
    fuzz_check(!fc->read.active && !fc->write.active);

    if (fc->peer != -1) {
        close(fc->peer);
    }

    fc->used = 0;
}


ngx_http_referral_worker_entry_t *
ngx_http_referral_zone_worker(ngx_http_referral_zone_t *unused)
{
    (void) unused;

    return &worker;
}


/* the events that epoll would report */

static void
turn(void)
{
    char                drain[4096];
    unsigned            i, n;
    fuzz_connection_t  *fc;

    for (n = 0; n < 4; n++) {

        for (i = 0; i < CONNECTIONS; i++) {
            fc = &connections[i];

            if (fc->used && fc->write.active) {
                fc->write.handler(&fc->write);
            }

            if (fc->used && fc->peer != -1) {
                while (recv(fc->peer, drain, sizeof(drain), 0) > 0) {
                    /* void */
                }
            }

            if (fc->used && fc->read.active
                && (recv(fc->c.fd, drain, 1, MSG_PEEK|MSG_DONTWAIT) >= 0))
            {
                fc->read.handler(&fc->read);
            }
        }
    }
}


static void
pass(ngx_msec_t ms)
{
    unsigned            i;
    ngx_event_t        *ev;
    ngx_rbtree_node_t  *node;

    ngx_current_msec += ms;
    the_time.sec = ngx_current_msec / 1000;

    for (i = 0; i < TIMERS; i++) {
        node = timers[i];

        if (node == NULL
            || (ngx_msec_int_t) (node->key - ngx_current_msec) > 0)
        {
            continue;
        }

        ev = (ngx_event_t *) ((char *) node - offsetof(ngx_event_t, timer));

        timers[i] = NULL;
        ev->timer_set = 0;
        ev->timedout = 1;
        ev->handler(ev);
    }

    turn();
}


/* the first open connection: of the look-ups (0) or of the others (1) */

static fuzz_connection_t *
opened(unsigned which)
{
    unsigned                    i;
    fuzz_connection_t          *fc;
    ngx_http_referral_redis_t  *peer;

    for (i = 0; i < CONNECTIONS; i++) {
        fc = &connections[i];

        if (!fc->used || fc->peer == -1) {
            continue;
        }

        peer = fc->c.data;

        if ((peer->name[0] == 'l') == (which == 0)) {
            return fc;
        }
    }

    return NULL;
}


static void
say(unsigned which, const void *data, size_t len)
{
    fuzz_connection_t  *fc;

    fc = opened(which);

    if (fc) {
        (void) send(fc->peer, data, len, MSG_NOSIGNAL);
    }

    turn();
}


static void
end(unsigned which)
{
    fuzz_connection_t  *fc;

    fc = opened(which);

    if (fc) {
        close(fc->peer);
        fc->peer = -1;
    }

    turn();
}


static void
found(void *data)
{
    ngx_http_referral_wait_t  *wait = data;

    fuzz_check(waiting > 0);
    fuzz_check(wait->fetch == NULL);
    waiting--;

    if (wait->entry) {
        fuzz_check(referral_entry_valid(wait->entry, wait->entry->size));
    }
}


static void
seed_bulk(referral_buf_t *b, const char *text)
{
    referral_buf_puts(b, "$");
    referral_buf_uint(b, strlen(text));
    referral_buf_puts(b, "\r\n");
    referral_buf_put(b, text, strlen(text));
    referral_buf_puts(b, "\r\n");
}


static void
seed_say(referral_buf_t *b, unsigned step, const char *data, size_t len)
{
    referral_buf_putc(b, step);
    referral_buf_putc(b, len);
    referral_buf_put(b, data, len);
}


#define seed_steps(b, steps)  referral_buf_put(b, steps, sizeof(steps) - 1)


static void
fuzz_seeds(void)
{
    unsigned        i;
    u_char          buf[2048], reply[256];
    referral_buf_t  b, r;

    static const char  *replies[] = {
        "-WRONGTYPE Operation against a key\r\n", "*0\r\n", "*-1\r\n",
        "$-1\r\n", ":5\r\n", "-NOPERM no\r\n", "*2\r\n*1\r\n:1\r\n$1\r\na\r\n",
        "+OK\r\n", "$1000000\r\n", "*1048576\r\n", "%2\r\n+a\r\n:1\r\n"
    };

    /* a link with all its fields */

    referral_buf_init(&r, reply, sizeof(reply));
    referral_buf_puts(&r, "*6\r\n");
    seed_bulk(&r, "landing");
    seed_bulk(&r, "https://shop.example.com/{lang|en}");
    seed_bulk(&r, "rules");
    seed_bulk(&r, "country=JP as=b https://shop.example.com/jp");
    seed_bulk(&r, "state");
    seed_bulk(&r, "active");

    referral_buf_init(&b, buf, sizeof(buf));
    seed_steps(&b, "\x00" "\x07\x00" "\x06\x00" "\x06\x01");
    seed_say(&b, 0, (char *) reply, r.pos - r.start);
    fuzz_seed(b.start, b.pos - b.start);

    for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        referral_buf_init(&b, buf, sizeof(buf));
        seed_steps(&b, "\x00" "\x07\x00" "\x06\x00");
        seed_say(&b, 0, replies[i], strlen(replies[i]));
        fuzz_seed(b.start, b.pos - b.start);
    }

    /* the handshake, with a password and a database */

    referral_buf_init(&b, buf, sizeof(buf));
    seed_steps(&b, "\x03" "\x06\x00");
    seed_say(&b, 0, "+OK\r\n+OK\r\n+PONG\r\n", 17);
    fuzz_seed(b.start, b.pos - b.start);

    referral_buf_init(&b, buf, sizeof(buf));
    seed_steps(&b, "\x03" "\x06\x00");
    seed_say(&b, 0, "-WRONGPASS x\r\n-ERR DB index\r\n+PONG\r\n", 36);
    fuzz_seed(b.start, b.pos - b.start);

    /* the listener: its id, "OK", subscribed, an edit, a flush */

    referral_buf_init(&b, buf, sizeof(buf));
    seed_steps(&b, "\x00" "\x07\x00" "\x0f\x00" "\x05\x08");
    seed_say(&b, 3, ":77\r\n", 5);
    seed_say(&b, 3, "+OK\r\n", 5);
    seed_say(&b, 3, "*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n"
             ":1\r\n", 50);

    for (i = 0; i < 3; i++) {
        referral_buf_init(&r, reply, sizeof(reply));
        referral_buf_puts(&r, "*3\r\n");
        seed_bulk(&r, "message");
        seed_bulk(&r, "__redis__:invalidate");

        if (i == 0) {
            referral_buf_puts(&r, "*1\r\n");
            seed_bulk(&r, "ref:link:{shop}:aiko7");

        } else if (i == 1) {
            referral_buf_puts(&r, "*-1\r\n");

        } else {
            referral_buf_puts(&r, ":1\r\n");
        }

        seed_say(&b, 3, (char *) reply, r.pos - r.start);
    }

    fuzz_seed(b.start, b.pos - b.start);
}


static void
start(void)
{
    unsigned            i, j;
    uint32_t            crc;
    struct sockaddr_un  sun;

    for (i = 0; i < 16; i++) {
        crc = i;

        for (j = 0; j < 4; j++) {
            crc = (crc & 1) ? crc >> 1 ^ 0xedb88320 : crc >> 1;
        }

        crc_table[i] = crc;
    }

    ngx_crc32_table_short = crc_table;
    ngx_cached_time = &the_time;
    ngx_event_actions.add = add_event;
    ngx_event_actions.del = del_event;

    snprintf(path, sizeof(path), "/tmp/fuzz-redis-%d", (int) getpid());

    memset(&sun, 0, sizeof(sun));
    sun.sun_family = AF_UNIX;
    memcpy(sun.sun_path, path, strlen(path));

    listener = socket(AF_UNIX, SOCK_STREAM, 0);

    if (listener == -1
        || bind(listener, (struct sockaddr *) &sun, sizeof(sun)) == -1
        || listen(listener, 16) == -1
        || fcntl(listener, F_SETFL, O_NONBLOCK) == -1)
    {
        perror(path);
        abort();
    }
}


static void
leave(void)
{
    unlink(path);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                      len;
    uint8_t                     step;
    unsigned                    i, n;
    const uint8_t              *p, *last;
    referral_str_t              program, id;
    ngx_http_referral_wait_t   *wait;
    ngx_http_referral_links_t  *links;

    if (listener == -1) {
        start();
        atexit(leave);
    }

    if (size == 0) {
        return 0;
    }

    p = data;
    last = data + size;

    ngx_current_msec = 1000000;
    the_time.sec = 1000;
    srandom(1);

    memset(&zone, 0, sizeof(zone));
    memset(&worker, 0, sizeof(worker));
    memset(&rmcf, 0, sizeof(rmcf));
    memset(timers, 0, sizeof(timers));
    memset(waits, 0, sizeof(waits));
    waiting = 0;

    step = fuzz_byte(&p, last);

    rmcf.zone.sh = &zone;
    rmcf.zone.valid = 600;
    rmcf.zone.untracked = 2;
    rmcf.zone.negative = 10;
    rmcf.zone.stale = 86400;
    rmcf.redis.host = (u_char *) path;
    rmcf.redis.timeout = 500;
    ngx_str_set(&rmcf.redis.text, "redis");
    ngx_str_set(&rmcf.redis.prefix, "ref:");

    if (step & 1) {
        ngx_str_set(&rmcf.redis.password, "secret");
    }

    if (step & 2) {
        rmcf.redis.db = 3;
    }

    (void) referral_cache_init(&rmcf.zone.cache, cache, sizeof(cache), 1);

    links = ngx_http_referral_links_create(&rmcf, &the_log);
    fuzz_check(links != NULL);

    program = (referral_str_t) referral_string("shop");
    id = (referral_str_t) referral_string("aiko7");

    n = 0;
    turn();
    pass(10);

    while (p < last) {

        step = fuzz_byte(&p, last);
        len = fuzz_byte(&p, last);

        switch (step & 7) {

        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
            if (len > (size_t) (last - p)) {
                len = last - p;
            }

            say((step & 7) > 2, p, len);
            p += len;
            break;

        case 5:
            pass(len * 10);
            break;

        case 6:
            if (n == WAITS) {
                break;
            }

            wait = &waits[n++];
            wait->handler = found;
            wait->data = wait;
            waiting++;

            if (ngx_http_referral_links_get(links, wait, len % 3, &program,
                                            &id)
                != NGX_AGAIN)
            {
                waiting--;
            }

            turn();
            break;

        default:
            if (step & 16) {
                end(step & 8);

            } else {
                say(step & 8, "+PONG\r\n", 7);
            }
        }
    }

    /* after some time every waiting look-up was answered */

    for (i = 0; i < 4 && waiting; i++) {
        pass(500);
    }

    fuzz_check(waiting == 0);

    ngx_http_referral_links_close(links);

    for (i = 0; i < CONNECTIONS; i++) {
        fuzz_check(!connections[i].used);
    }

    for (i = 0; i < TIMERS; i++) {
        fuzz_check(timers[i] == NULL);
    }

    while (npool) {
        free(pool[--npool]);
    }

    return 0;
}
