
/*
 * The process that settles: what its files share.  It is a process of its own,
 * with hiredis' blocking interface: nothing of it runs in nginx.
 */


#ifndef _SETTLE_H_INCLUDED_
#define _SETTLE_H_INCLUDED_


#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referral_settle.h"
#include "referral_state.h"


#define SETTLE_PROGRAMS     256      /* named by options, at most */
#define SETTLE_TEXT         512      /* of a message, a path, an address */

#define SETTLE_OK           0        /* statuses of the process */
#define SETTLE_DIFFERENT    1
#define SETTLE_FAILED       2


typedef enum {
    SETTLE_RUN = 0,
    SETTLE_ONCE,
    SETTLE_STATUS,
    SETTLE_REPLAY,
    SETTLE_REPAIR,
    SETTLE_DUMP,
    SETTLE_SKIP
} settle_mode_e;


typedef struct {
    settle_mode_e   mode;
    char            redis[SETTLE_TEXT];       /* HOST:PORT or unix:PATH */
    char            username[SETTLE_TEXT];
    char            password[SETTLE_TEXT];
    int64_t         db;
    char            prefix[REFERRAL_STATE_PREFIX + 1];
    char            metrics[SETTLE_TEXT];     /* path of a file, or empty */
    int64_t         lease;                    /* ms; 0: no lease is asked */
    int64_t         batch;                    /* facts in a commit, at most */
    char           *programs[SETTLE_PROGRAMS];
    size_t          nprograms;
    char            file[SETTLE_TEXT];        /* of --replay */
    unsigned        chains:1;                 /* no more of it, and no Redis */
    uint64_t        skip;
    char            reason[SETTLE_TEXT];
} settle_options_t;


extern settle_options_t  settle_options;

/* set by a signal: end when what is at hand is done */
extern volatile int      settle_ending;


/* reads options and configuration; an error is told, and SETTLE_FAILED */
int settle_options_read(int argc, char **argv);

/* one line to stderr, with the level before it */
void settle_log(const char *level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* milliseconds of a clock that is never set */
int64_t settle_clock(void);


#endif /* _SETTLE_H_INCLUDED_ */
