
/*
 * Events, posted as a shop does: each again until it is answered for good.
 *
 *     events PORTS URI CONNECTIONS RATE SECONDS COUNT FILE BODY...
 *
 * PORTS are one or several, with commas: connections take turns.  RATE is
 * events a second, 0: as many as the connections take.  COUNT bounds the
 * events, 0: only the time does.  The n-th event, from 0, is the BODY at n
 * modulo their number, with n for each "#" in it.  After 503, or without an
 * answer, it is sent again.  SIGTERM ends it early: what is out is waited for,
 * what was refused is given up.  Into FILE, when all is done:
 *
 *     event N STATUS REPLAYED TRIES BODY    STATUS 0: given up
 *     total EVENTS SECONDS                  answered by 2xx
 *     latency P50 P99 MAX                   microseconds, of those
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


#define ANSWER_MAX  8192
#define BODY_MAX    8192
#define PORTS_MAX   16
#define PAUSE       0.05      /* s before an event is sent again */
#define TIMEOUT     30.0      /* s for one answer */
#define GIVE_UP     60.0      /* s for one event */


enum { CLOSED, CONNECTING, IDLE, WAITING };


typedef struct {
    int        fd;
    int        state;
    int        port;
    int        has;           /* an event that is not answered for good */
    uint64_t   n;
    unsigned   tries;
    double     first;         /* sent */
    double     sent;
    double     again;         /* not before */
    size_t     len;
    char       buf[ANSWER_MAX + 1];
} client_t;


static int        epoll;
static int        ports[PORTS_MAX], nports;
static char      *uri, **bodies;
static unsigned   nbodies;
static FILE      *file;
static uint64_t   next, count, done;
static double     rate, start, end;

static uint32_t  *latency;
static size_t     nlatency, latency_max;

static volatile sig_atomic_t  stop;


static void
on_term(int signo)
{
    (void) signo;

    stop = 1;
}


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec + ts.tv_nsec / 1e9;
}


static void *
grown(void *list, size_t n, size_t *max, size_t size)
{
    if (n < *max) {
        return list;
    }

    *max = *max ? *max * 2 : 4096;
    list = realloc(list, *max * size);

    if (list == NULL) {
        fprintf(stderr, "events: no memory\n");
        exit(1);
    }

    return list;
}


static void
cut(client_t *c)
{
    if (c->fd != -1) {
        close(c->fd);
        c->fd = -1;
    }

    c->state = CLOSED;
    c->again = now() + PAUSE;
}


static void
finished(client_t *c, int status, int replayed, const char *body)
{
    double  took;

    fprintf(file, "event %llu %d %d %u %s\n", (unsigned long long) c->n,
            status, replayed, c->tries, body);

    if (status >= 200 && status < 300) {
        took = now() - c->first;
        latency = grown(latency, nlatency, &latency_max, sizeof(uint32_t));
        latency[nlatency++] = took * 1e6;
        done++;
    }

    c->has = 0;
}


static void
opened(client_t *c, int i)
{
    struct epoll_event  ev;
    struct sockaddr_in  sin;

    c->port = (c->port + 1) % nports;
    c->fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK, 0);

    if (c->fd == -1) {
        perror("events: socket");
        exit(1);
    }

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(ports[c->port]);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int) { 1 }, sizeof(int));

    if (connect(c->fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        && errno != EINPROGRESS)
    {
        cut(c);
        return;
    }

    ev.events = EPOLLIN|EPOLLOUT|EPOLLET|EPOLLRDHUP;
    ev.data.u32 = i;
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev);

    c->state = CONNECTING;
    c->sent = now();
    c->len = 0;
}


static void
post(client_t *c)
{
    int          len, n;
    char         body[BODY_MAX], text[BODY_MAX + 512];
    const char  *p, *type;

    len = 0;

    for (p = bodies[c->n % nbodies]; *p && len < BODY_MAX - 32; p++) {
        if (*p == '#') {
            len += sprintf(body + len, "%llu", (unsigned long long) c->n);

        } else {
            body[len++] = *p;
        }
    }

    type = body[0] == '{' || body[0] == '[' ? "json"
                                             : "x-www-form-urlencoded";

    n = snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\nHost: localhost\r\n"
                 "Content-Type: application/%s\r\nContent-Length: %d\r\n\r\n"
                 "%.*s", uri, type, len, len, body);

    c->tries++;
    c->sent = now();
    c->len = 0;
    c->state = WAITING;

    if (c->tries == 1) {
        c->first = c->sent;
    }

    /* a socket that has just been idle takes a few kilobytes whole */

    if (send(c->fd, text, n, MSG_NOSIGNAL) != n) {
        cut(c);
    }
}


static void
answered(client_t *c)
{
    int      status, replayed;
    char    *p, *body;
    size_t   length;

    c->buf[c->len] = '\0';

    body = strstr(c->buf, "\r\n\r\n");
    if (body == NULL) {
        return;
    }

    body += 4;

    p = strcasestr(c->buf, "\r\nContent-Length:");

    if (p == NULL || p > body || sscanf(c->buf, "HTTP/1.1 %d", &status) != 1) {
        fprintf(stderr, "events: what an answer: %.400s\n", c->buf);
        cut(c);
        return;
    }

    length = strtoul(p + 17, NULL, 10);

    if ((size_t) (c->buf + c->len - body) < length) {
        return;
    }

    body[length] = '\0';

    p = strcasestr(c->buf, "\r\nIdempotent-Replayed: true");
    replayed = p && p < body;

    p = strcasestr(c->buf, "\r\nConnection: close");

    c->state = IDLE;

    if (p && p < body) {
        cut(c);
        c->again = 0;
    }

    if (status == 503 || status >= 500) {
        c->again = now() + PAUSE;
        return;
    }

    while ((p = strpbrk(body, "\r\n"))) {
        *p = ' ';
    }

    finished(c, status, replayed, body);
}


static void
readable(client_t *c)
{
    ssize_t  n;

    while (c->state == WAITING) {
        n = recv(c->fd, c->buf + c->len, ANSWER_MAX - c->len, 0);

        if (n == -1 && errno == EAGAIN) {
            return;
        }

        if (n <= 0) {
            cut(c);
            return;
        }

        c->len += n;
        answered(c);
    }

    if (c->state == IDLE && recv(c->fd, c->buf, 1, MSG_PEEK) == 0) {
        cut(c);
        c->again = 0;
    }
}


/* the next thing that this connection can do */

static void
turn(client_t *c, int i, double t)
{
    if ((c->state == WAITING || c->state == CONNECTING)
        && t - c->sent > TIMEOUT)
    {
        cut(c);
    }

    if (c->has && c->state != WAITING
        && ((stop && c->tries) || t - c->first > GIVE_UP) && c->tries)
    {
        finished(c, 0, 0, "-");
    }

    if (!c->has) {

        if (stop || t >= end || (count && next >= count)
            || (rate > 0 && next >= (t - start) * rate))
        {
            return;
        }

        c->has = 1;
        c->n = next++;
        c->tries = 0;
    }

    if (t < c->again) {
        return;
    }

    if (c->state == CLOSED) {
        opened(c, i);

    } else if (c->state == IDLE) {
        post(c);
    }
}


static int
by_size(const void *a, const void *b)
{
    const uint32_t  *one = a, *two = b;

    return *one < *two ? -1 : *one > *two;
}


int
main(int argc, char **argv)
{
    int                  i, n, nclients, busy;
    char                *p;
    double               t;
    client_t            *clients, *c;
    struct epoll_event   events[256];

    if (argc < 9) {
        fprintf(stderr, "usage: events PORTS URI CONNECTIONS RATE SECONDS "
                "COUNT FILE BODY...\n");
        return 2;
    }

    for (p = strtok(argv[1], ","); p && nports < PORTS_MAX;
         p = strtok(NULL, ","))
    {
        ports[nports++] = atoi(p);
    }

    uri = argv[2];
    nclients = atoi(argv[3]);
    rate = atof(argv[4]);
    count = strtoull(argv[6], NULL, 10);
    bodies = argv + 8;
    nbodies = argc - 8;

    file = fopen(argv[7], "w");
    clients = calloc(nclients, sizeof(client_t));
    epoll = epoll_create1(0);

    if (file == NULL || clients == NULL || epoll == -1 || nports == 0) {
        perror("events");
        return 1;
    }

    signal(SIGTERM, on_term);
    signal(SIGPIPE, SIG_IGN);

    for (i = 0; i < nclients; i++) {
        clients[i].fd = -1;
        clients[i].port = i;
    }

    start = now();
    end = start + atof(argv[5]);

    for ( ;; ) {
        t = now();
        busy = 0;

        for (i = 0; i < nclients; i++) {
            turn(&clients[i], i, t);
            busy += clients[i].has;
        }

        if (!busy && (stop || t >= end || (count && next >= count))) {
            break;
        }

        n = epoll_wait(epoll, events, 256, rate > 0 ? 1 : 10);

        for (i = 0; i < n; i++) {
            c = &clients[events[i].data.u32];

            if (c->fd == -1) {
                continue;
            }

            if (c->state == CONNECTING) {

                if (events[i].events & (EPOLLERR|EPOLLHUP)) {
                    cut(c);
                    continue;
                }

                if (events[i].events & EPOLLOUT) {
                    c->state = IDLE;
                }
            }

            readable(c);
        }
    }

    t = now() - start;

    fprintf(file, "total %llu %.3f\n", (unsigned long long) done, t);

    qsort(latency, nlatency, sizeof(uint32_t), by_size);

    if (nlatency) {
        fprintf(file, "latency %u %u %u\n", latency[nlatency / 2],
                latency[nlatency * 99 / 100], latency[nlatency - 1]);
    }

    return fclose(file) == 0 ? 0 : 1;
}
