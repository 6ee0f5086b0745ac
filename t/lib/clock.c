
/*
 * The wall clock of whoever loads this before libc is off by as many
 * milliseconds as the file CLOCK says, at each look.  What is told of time
 * passed stays true, or is more by the file's second number.
 */

#define _GNU_SOURCE

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>


static volatile int64_t  *clock_off;


__attribute__((constructor))
static void
clock_init(void)
{
    int          fd;
    void        *p;
    const char  *name;

    name = getenv("CLOCK");
    if (name == NULL) {
        return;
    }

    fd = open(name, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return;
    }

    p = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);

    if (p != MAP_FAILED) {
        clock_off = p;
    }

    (void) close(fd);
}


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int64_t  off, nsec;

    if (syscall(SYS_clock_gettime, id, ts) == -1) {
        return -1;
    }

    if (clock_off
        && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE
            || id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE))
    {
        off = clock_off[id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE];
        nsec = ts->tv_nsec + off % 1000 * 1000000;

        ts->tv_sec += off / 1000;

        if (nsec < 0) {
            nsec += 1000000000;
            ts->tv_sec--;

        } else if (nsec >= 1000000000) {
            nsec -= 1000000000;
            ts->tv_sec++;
        }

        ts->tv_nsec = nsec;
    }

    return 0;
}


int
gettimeofday(struct timeval *tv, void *tz)
{
    int              rc;
    struct timespec  ts;

    (void) tz;

    rc = clock_gettime(CLOCK_REALTIME, &ts);

    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return rc;
}


time_t
time(time_t *t)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    if (t) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}
