/*
 * Goes before libc and libcrypto of nginx-referral-settle in t/program/, by
 * LD_PRELOAD:
 *
 *     FAULT_KILL=N FAULT_WHEN=before|after|stop FAULT_FILE=PATH
 *         kill -9 at the N-th write to a socket, before or after Redis has it;
 *         once: then there is the file, with its pid; or it stops before
 *     FAULT_POISON=TEXT FAULT_HOW=crash|hang
 *         a fact with that text kills the process, or keeps it for ever
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>


typedef ssize_t (*write_pt)(int fd, const void *buf, size_t len);
typedef ssize_t (*send_pt)(int fd, const void *buf, size_t len, int flags);
typedef int (*update_pt)(void *ctx, const void *data, size_t len);


static void
end(void)
{
    int  fd;

    fd = open(getenv("FAULT_FILE"), O_CREAT|O_WRONLY|O_EXCL, 0600);

    if (fd != -1) {
        (void) dprintf(fd, "%d", (int) getpid());
        (void) close(fd);
        (void) kill(getpid(), strcmp(getenv("FAULT_WHEN"), "stop") == 0
                              ? SIGSTOP : SIGKILL);
    }
}


/* "done": Redis has what was written */

static void
fault(int fd, int done)
{
    int          type;
    socklen_t    len;
    const char  *at;
    static long  count;

    len = sizeof(type);
    at = getenv("FAULT_KILL");

    if (at == NULL
        || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1)
    {
        return;
    }

    count += !done;

    if (count == atol(at)
        && done == (strcmp(getenv("FAULT_WHEN"), "after") == 0))
    {
        (void) usleep(done ? 20000 : 0);
        end();
    }
}


/* hiredis has used the one and the other */

ssize_t
write(int fd, const void *buf, size_t len)
{
    ssize_t  n;

    fault(fd, 0);
    n = ((write_pt) dlsym(RTLD_NEXT, "write"))(fd, buf, len);
    fault(fd, 1);

    return n;
}


ssize_t
send(int fd, const void *buf, size_t len, int flags)
{
    ssize_t  n;

    fault(fd, 0);
    n = ((send_pt) dlsym(RTLD_NEXT, "send"))(fd, buf, len, flags);
    fault(fd, 1);

    return n;
}


int
SHA256_Update(void *ctx, const void *data, size_t len)
{
    const char  *poison;

    poison = getenv("FAULT_POISON");

    /* an operator's word needs no decision */

    if (poison && memmem(data, len, poison, strlen(poison))
        && memmem(data, len, "skipped", 7) == NULL)
    {

        if (strcmp(getenv("FAULT_HOW"), "hang") == 0) {
            (void) alarm(1);

            for ( ;; ) {
                (void) pause();
            }
        }

        abort();
    }

    return ((update_pt) dlsym(RTLD_NEXT, "SHA256_Update"))(ctx, data, len);
}
