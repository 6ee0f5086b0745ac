
/*
 * Clicks on short links, and what is known of them: which were sent, and
 * which were answered with all that such a click gets.
 *
 *     clicks PORT SEED CONNECTIONS RATE SECONDS COUNT FILE [mixed] PATH...
 *
 * RATE is requests a second, 0: as many as the connections take.  COUNT bounds
 * the requests, 0: only the time does.  People without a cookie and a crawler
 * click; with "mixed" all kinds, and PATH=RESULT is a link that leads nowhere:
 * its fallback ends with the result.  SIGTERM ends it early; what is out is
 * waited for.  Into FILE, when all is done:
 *
 *     total SENT ANSWERED OTHER CUT             OTHER: not as they should be
 *     latency P50 P99 MAX                       microseconds
 *     hits PATH KIND NET AGENT SENT ANSWERED    NET: x of 127.0.x.0/24
 *     new PATH SENT ANSWERED                    people new to that link
 *     id PATH CLICK_ID                          each click that was answered
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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


#define PATHS_MAX    1024
#define NETS         8
#define AGENTS       6
#define JARS         4        /* cookies of a client, one a program */
#define COOKIE_MAX   512
#define FRESH        4.0      /* s in which a second click is a duplicate */
#define ID_LEN       36
#define ANSWER_MAX   4096
#define TIMEOUT      30.0     /* s for one answer */


enum { CLOSED, CONNECTING, IDLE, WAITING };

enum { PERSON, AGAIN, DUPLICATE, BOT, PREVIEW, PREFETCH, HEAD, EXCLUDED,
       KINDS };


/* what a browser keeps of a program */

typedef struct {
    char       text[COOKIE_MAX];
    unsigned   first;         /* paths */
    unsigned   last;
    double     at;
} jar_t;


typedef struct {
    int        fd;
    int        state;
    int        left;          /* requests before it is closed */
    unsigned   path;
    unsigned   kind;
    unsigned   agent;
    unsigned   net;
    unsigned   new;           /* to the link */
    jar_t      jars[JARS];
    jar_t     *jar;           /* of "path" */
    double     sent;
    double     again;         /* not to be opened before */
    size_t     len;
    char       buf[ANSWER_MAX + 1];
} client_t;


typedef struct {
    unsigned   path;
    char       id[ID_LEN + 1];
} answer_t;


static const char  *people[] = {
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) "
        "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 "
        "Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) "
        "AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari "
        "Line/14.9.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, "
        "like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 "
        "Firefox/131.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/17.6 Safari/605.1.15"
};

static const char  *kinds[] = {
    "person", "again", "duplicate", "bot", "preview", "prefetch", "head",
    "excluded"
};

static const char  *machine =
    "Mozilla/5.0 (compatible; Googlebot/2.1; "
    "+http://www.google.com/bot.html)";

static const char  *preview =
    "facebookexternalhit/1.1 "
    "(+http://www.facebook.com/externalhit_uatext.php)";

static const char  *languages[] = { "en-US,en;q=0.9", "ja", "de-DE,de;q=0.8" };

static int          epoll, port, mixed;
static char       **paths;
static char        *results[PATHS_MAX];   /* NULL: a landing */
static unsigned     programs[PATHS_MAX];
static unsigned     npaths;
static uint64_t     seed;

static uint64_t     sent[PATHS_MAX][KINDS][NETS][AGENTS];
static uint64_t     answered[PATHS_MAX][KINDS][NETS][AGENTS];
static uint64_t     new_sent[PATHS_MAX], new_answered[PATHS_MAX];
static uint64_t     nsent, nanswered, nother, ncut;

static answer_t    *answers;
static size_t       nanswers, answers_max;

static uint32_t    *latency;
static size_t       nlatency, latency_max;

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

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


/* splitmix64 */

static uint64_t
pick(uint64_t n)
{
    uint64_t  z;

    z = (seed += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

    return (z ^ (z >> 31)) % n;
}


static void *
more(void *list, size_t n, size_t *max, size_t size)
{
    if (n < *max) {
        return list;
    }

    *max = *max ? *max * 2 : 4096;
    list = realloc(list, *max * size);

    if (list == NULL) {
        perror("realloc");
        exit(1);
    }

    return list;
}


static void
client_close(client_t *c)
{
    if (c->state == WAITING) {
        ncut++;
    }

    if (c->fd != -1) {
        (void) close(c->fd);
        c->fd = -1;
    }

    c->state = CLOSED;
}


static void
client_open(client_t *c, double t)
{
    int                 on, rc;
    struct epoll_event  ev;
    struct sockaddr_in  sin;

    c->again = t + 0.02;

    c->fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    if (c->fd == -1) {
        return;
    }

    on = 1;
    (void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void) setsockopt(c->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on,
                      sizeof(on));

    c->net = 1 + pick(NETS - 1);
    c->left = 1 + pick(100);
    c->len = 0;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(0x7f000000 | c->net << 8 | (1 + pick(250)));

    rc = bind(c->fd, (struct sockaddr *) &sin, sizeof(sin));

    if (rc == 0) {
        sin.sin_port = htons(port);
        sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

        rc = connect(c->fd, (struct sockaddr *) &sin, sizeof(sin));
    }

    if (rc == -1 && errno != EINPROGRESS) {
        client_close(c);
        return;
    }

    c->state = rc == 0 ? IDLE : CONNECTING;

    ev.events = EPOLLIN|EPOLLOUT|EPOLLRDHUP|EPOLLET;
    ev.data.ptr = c;

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev) == -1) {
        client_close(c);
    }
}


/* who clicks next, and where; a link that leads nowhere leaves no cookie */

static void
client_choose(client_t *c, double t)
{
    unsigned  n, i;

    c->path = pick(npaths);
    c->kind = PERSON;
    c->agent = pick(AGENTS);
    c->jar = &c->jars[programs[c->path]];

    if (!mixed) {
        c->kind = pick(16) == 0 ? BOT : PERSON;

    } else {
        n = pick(32);

        if (n < KINDS) {
            c->kind = n;

        } else if (n < KINDS + 4) {
            c->kind = AGAIN;
        }
    }

    if (c->kind == DUPLICATE) {

        if (c->jar->text[0] && t - c->jar->at < FRESH) {
            c->path = c->jar->last;

        } else {
            c->kind = PERSON;
        }
    }

    if (c->kind == AGAIN) {

        for (i = 0; i < 16; i++) {

            if (c->jar->text[0] && results[c->path] == NULL
                && programs[c->path] == programs[c->jar->last]
                && c->path != c->jar->last)
            {
                break;
            }

            c->path = pick(npaths);
            c->jar = &c->jars[programs[c->path]];
        }

        if (i == 16) {
            c->kind = PERSON;
        }
    }

    c->new = results[c->path] == NULL
             && (c->kind == PERSON
                 || (c->kind == AGAIN && c->path != c->jar->first));
}


static int
client_send(client_t *c, double t)
{
    int          len;
    char         text[2048], cookie[COOKIE_MAX + 16];
    const char  *agent;

    client_choose(c, t);

    agent = c->kind == BOT ? machine
            : c->kind == PREVIEW ? preview : people[c->agent];

    cookie[0] = '\0';

    if (c->kind == AGAIN || c->kind == DUPLICATE) {
        (void) snprintf(cookie, sizeof(cookie), "Cookie: %s\r\n",
                        c->jar->text);
    }

    len = snprintf(text, sizeof(text),
                   "%s %s HTTP/1.1\r\n"
                   "Host: localhost\r\n"
                   "User-Agent: %s\r\n"
                   "Accept: text/html\r\n"
                   "Accept-Language: %s\r\n%s%s%s\r\n",
                   c->kind == HEAD ? "HEAD" : "GET", paths[c->path], agent,
                   languages[pick(3)], cookie,
                   c->kind == PREFETCH ? "Sec-Purpose: prefetch\r\n" : "",
                   c->kind == EXCLUDED ? "X-Staff: 1\r\n" : "");

    /* a connection that turns out to be closed took nothing */

    if (send(c->fd, text, len, MSG_NOSIGNAL) != len) {
        client_close(c);
        return 0;
    }

    nsent++;
    sent[c->path][c->kind][c->net][c->agent]++;
    new_sent[c->path] += c->new;

    c->state = WAITING;
    c->sent = t;
    c->len = 0;
    c->left--;

    return 1;
}


/* the value of a header of the answer; its length in "len" */

static char *
client_header(client_t *c, char *end, const char *name, size_t *len)
{
    char  *p;

    p = strcasestr(c->buf, name);

    if (p == NULL || p >= end) {
        return NULL;
    }

    p += strlen(name);
    *len = strcspn(p, "\r");

    return p;
}


/* what a click of this kind gets, and nothing that it does not get */

static int
client_right(client_t *c, char *end)
{
    int         person, landed;
    char       *location, *cookie, *id;
    jar_t      *jar;
    size_t      len, n;
    answer_t   *answer;

    if (c->kind == PREFETCH) {
        return strncmp(c->buf, "HTTP/1.1 503 ", 13) == 0;
    }

    location = client_header(c, end, "\r\nLocation: ", &len);

    if (strncmp(c->buf, "HTTP/1.1 302 ", 13) != 0 || location == NULL) {
        return 0;
    }

    landed = results[c->path] == NULL;
    person = c->kind == PERSON || c->kind == AGAIN;

    if (!landed) {
        n = strlen(results[c->path]);

        if (len < n || memcmp(location + len - n, results[c->path], n) != 0) {
            return 0;
        }
    }

    id = memmem(location, len, "click_id=", 9);

    if (id && (size_t) (location + len - id) < 9 + ID_LEN) {
        id = NULL;
    }

    if (landed && person && id) {
        answers = more(answers, nanswers, &answers_max, sizeof(answer_t));

        answer = &answers[nanswers++];
        answer->path = c->path;
        memcpy(answer->id, id + 9, ID_LEN);
        answer->id[ID_LEN] = '\0';
    }

    if (!mixed) {
        return 1;
    }

    if ((id != NULL) != (landed && (person || c->kind == DUPLICATE))) {
        return 0;
    }

    cookie = client_header(c, end, "\r\nSet-Cookie: ", &len);

    if ((cookie != NULL) != (landed && person)) {
        return 0;
    }

    if (cookie) {
        jar = c->jar;

        len = strcspn(cookie, ";\r");

        if (len >= COOKIE_MAX) {
            return 0;
        }

        memcpy(jar->text, cookie, len);
        jar->text[len] = '\0';

        if (c->kind == PERSON) {
            jar->first = c->path;
        }

        jar->last = c->path;
        jar->at = c->sent;
    }

    return 1;
}


/* 0: not whole yet */

static int
client_answer(client_t *c, double t)
{
    char    *end, *p;
    long     length;
    size_t   len;

    c->buf[c->len] = '\0';

    end = strstr(c->buf, "\r\n\r\n");
    if (end == NULL) {
        return 0;
    }

    end += 4;

    p = client_header(c, end, "\r\nContent-Length:", &len);
    length = (p && c->kind != HEAD) ? strtol(p, NULL, 10) : 0;

    if (c->len < (size_t) (end - c->buf) + length) {
        return 0;
    }

    c->state = IDLE;

    if (!client_right(c, end)) {
        nother++;

    } else {
        nanswered++;
        answered[c->path][c->kind][c->net][c->agent]++;
        new_answered[c->path] += c->new;

        latency = more(latency, nlatency, &latency_max, sizeof(uint32_t));
        latency[nlatency++] = (t - c->sent) * 1e6;
    }

    if (c->left <= 0
        || client_header(c, end, "\r\nConnection: close", &len))
    {
        client_close(c);
    }

    return 1;
}


static void
client_read(client_t *c, double t)
{
    ssize_t  n;

    for ( ;; ) {
        n = recv(c->fd, c->buf + c->len, ANSWER_MAX - c->len, 0);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1 && errno == EAGAIN) {
            return;
        }

        if (n <= 0 || c->state != WAITING) {
            client_close(c);
            return;
        }

        c->len += n;

        if (client_answer(c, t)) {

            if (c->state == CLOSED) {
                return;
            }

        } else if (c->len == ANSWER_MAX) {
            client_close(c);
            return;
        }
    }
}


static void
client_event(client_t *c, uint32_t events, double t)
{
    int        err;
    socklen_t  len;

    if (c->state == CONNECTING) {
        err = 0;
        len = sizeof(err);

        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1 || err)
        {
            client_close(c);
            return;
        }

        if (!(events & EPOLLOUT)) {
            return;
        }

        c->state = IDLE;
    }

    if (events & (EPOLLIN|EPOLLRDHUP|EPOLLHUP|EPOLLERR)) {
        client_read(c, t);
    }
}


static int
compare(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(const uint32_t *) one;
    b = *(const uint32_t *) two;

    return (a > b) - (a < b);
}


static int
report(const char *file)
{
    FILE      *f;
    size_t     i;
    unsigned   path, kind, net, agent;

    f = fopen(file, "w");
    if (f == NULL) {
        perror(file);
        return 1;
    }

    fprintf(f, "total %llu %llu %llu %llu\n", (unsigned long long) nsent,
            (unsigned long long) nanswered, (unsigned long long) nother,
            (unsigned long long) ncut);

    if (nlatency) {
        qsort(latency, nlatency, sizeof(uint32_t), compare);

        fprintf(f, "latency %u %u %u\n", latency[nlatency / 2],
                latency[nlatency - 1 - nlatency / 100],
                latency[nlatency - 1]);
    }

    for (path = 0; path < npaths; path++) {

        if (new_sent[path]) {
            fprintf(f, "new %s %llu %llu\n", paths[path],
                    (unsigned long long) new_sent[path],
                    (unsigned long long) new_answered[path]);
        }

        for (kind = 0; kind < KINDS; kind++) {
            for (net = 0; net < NETS; net++) {
                for (agent = 0; agent < AGENTS; agent++) {

                    if (sent[path][kind][net][agent] == 0) {
                        continue;
                    }

                    fprintf(f, "hits %s %s %u %u %llu %llu\n", paths[path],
                            kinds[kind], net, agent, (unsigned long long)
                            sent[path][kind][net][agent], (unsigned long long)
                            answered[path][kind][net][agent]);
                }
            }
        }
    }

    for (i = 0; i < nanswers; i++) {
        fprintf(f, "id %s %s\n", paths[answers[i].path], answers[i].id);
    }

    return fclose(f) == 0 ? 0 : 1;
}


int
main(int argc, char **argv)
{
    int                 i, n, waiting;
    double              t, start, end, rate;
    uint64_t            count, due;
    unsigned            nclients, k, next;
    client_t           *clients, *c;
    struct sigaction    sa;
    struct epoll_event  events[256];

    mixed = argc > 8 && strcmp(argv[8], "mixed") == 0;

    if (argc < 9 + mixed || argc - 8 - mixed > PATHS_MAX) {
        fprintf(stderr, "usage: clicks PORT SEED CONNECTIONS RATE SECONDS "
                "COUNT FILE [mixed] PATH...\n");
        return 2;
    }

    port = atoi(argv[1]);
    seed = strtoull(argv[2], NULL, 10);
    nclients = atoi(argv[3]);
    rate = atof(argv[4]);
    start = now();
    end = start + atof(argv[5]);
    count = strtoull(argv[6], NULL, 10);
    paths = &argv[8 + mixed];
    npaths = argc - 8 - mixed;

    for (k = 0; k < npaths; k++) {
        results[k] = strchr(paths[k], '=');

        if (results[k]) {
            *results[k]++ = '\0';
        }

        /* programs have a location of one letter each */

        programs[k] = (unsigned char) paths[k][1] % JARS;
    }

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = on_term;
    (void) sigaction(SIGTERM, &sa, NULL);

    epoll = epoll_create1(EPOLL_CLOEXEC);
    clients = calloc(nclients, sizeof(client_t));

    if (epoll == -1 || clients == NULL || nclients == 0) {
        perror("clicks");
        return 1;
    }

    for (k = 0; k < nclients; k++) {
        clients[k].fd = -1;
    }

    next = 0;

    for ( ;; ) {
        t = now();

        if (t >= end || (count && nsent >= count)) {
            stop = 1;
        }

        due = rate > 0 ? (uint64_t) ((t - start) * rate) : UINT64_MAX;

        if (count && due > count) {
            due = count;
        }

        /* what could not be sent in time is not made up for in a burst */

        if (rate > 0 && due > nsent + rate / 10) {
            start += (double) (due - nsent - (uint64_t) (rate / 10)) / rate;
            due = nsent + rate / 10;
        }

        waiting = 0;

        for (k = 0; k < nclients; k++) {
            c = &clients[next++ % nclients];

            if (c->state == WAITING && t - c->sent > TIMEOUT) {
                client_close(c);
            }

            if (!stop && c->state == CLOSED && t >= c->again) {
                client_open(c, t);
            }

            if (!stop && c->state == IDLE && nsent < due) {
                (void) client_send(c, t);
            }

            waiting += c->state == WAITING;
        }

        next++;

        if (stop && waiting == 0) {
            break;
        }

        n = epoll_wait(epoll, events, 256, 1);
        t = now();

        for (i = 0; i < n; i++) {
            c = events[i].data.ptr;

            if (c->state != CLOSED) {
                client_event(c, events[i].events, t);
            }
        }
    }

    return report(argv[7]);
}
