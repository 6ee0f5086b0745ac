
/*
 * nginx-referral-settle.  The process that settles is a child: when it dies,
 * the parent sees which fact it was deciding, and the next child knows it.
 */


#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "settle_program.h"
#include "settle_programs.h"
#include "settle_replay.h"
#include "settle_status.h"


#define SETTLE_METRICS    10000      /* ms */
#define SETTLE_PAUSE      200        /* ms, when nothing can be waited for */
#define SETTLE_RESTART    1000       /* ms; doubles */
#define SETTLE_RESTARTS   30000


static int settle_supervise(void);
static int settle_child(pid_t parent, const settle_shared_t *crash);
static int settle_run(const settle_shared_t *crash);
static settle_turn_e settle_turns(settle_programs_t *list);
static void settle_crashed(settle_programs_t *list,
    const settle_shared_t *crash);
static int settle_tell(void);
static int settle_skip(void);
static void settle_sleep(int64_t ms);
static void settle_signals(void);
static void settle_signal(int signo);
static void settle_name(void);


volatile int             settle_ending;

static volatile pid_t    settle_pid;       /* the child, in the parent */


int
main(int argc, char **argv)
{
    if (settle_options_read(argc, argv) != SETTLE_OK) {
        return SETTLE_FAILED;
    }

    (void) signal(SIGPIPE, SIG_IGN);

    settle_name();

    switch (settle_options.mode) {

    case SETTLE_RUN:
    case SETTLE_ONCE:
        return settle_supervise();

    case SETTLE_STATUS:
        return settle_tell();

    case SETTLE_REPLAY:
        return settle_replay();

    case SETTLE_REPAIR:
        return settle_repair();

    case SETTLE_DUMP:
        return settle_dump();

    default:
        return settle_skip();
    }
}


static int
settle_supervise(void)
{
    int               status;
    pid_t             parent;
    int64_t           pause, started;
    settle_shared_t   crash;

    settle_shared = mmap(NULL, sizeof(settle_shared_t), PROT_READ|PROT_WRITE,
                         MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    if (settle_shared == MAP_FAILED) {
        settle_log("crit", "mmap: %s", strerror(errno));
        return SETTLE_FAILED;
    }

    settle_signals();

    memset(&crash, 0, sizeof(crash));
    parent = getpid();
    pause = SETTLE_RESTART;

    for ( ;; ) {
        started = settle_clock();
        settle_shared->deciding = 0;
        settle_pid = fork();

        if (settle_pid == -1) {
            settle_log("crit", "fork: %s", strerror(errno));
            return SETTLE_FAILED;
        }

        if (settle_pid == 0) {
            exit(settle_child(parent, &crash));
        }

        /* a signal that came before the child was there */

        if (settle_ending) {
            (void) kill(settle_pid, SIGTERM);
        }

        while (waitpid(settle_pid, &status, 0) == -1 && errno == EINTR) {
            /* void */
        }

        memcpy(&crash, settle_shared, sizeof(crash));

        if (WIFEXITED(status)
            && (WEXITSTATUS(status) != SETTLE_FAILED || settle_ending
                || settle_options.mode == SETTLE_ONCE))
        {
            return WEXITSTATUS(status);
        }

        if (WIFSIGNALED(status)) {
            settle_log("error", "the process died of signal %d%s",
                       WTERMSIG(status), WTERMSIG(status) == SIGALRM
                       ? ", it took too long" : "");
        }

        if (settle_ending) {
            return SETTLE_FAILED;
        }

        if (settle_clock() - started > SETTLE_RESTARTS) {
            pause = SETTLE_RESTART;
        }

        settle_sleep(crash.deciding ? 0 : pause);
        pause = pause * 2 > SETTLE_RESTARTS ? SETTLE_RESTARTS : pause * 2;
    }
}


static int
settle_child(pid_t parent, const settle_shared_t *crash)
{
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);

    if (getppid() != parent) {
        return SETTLE_FAILED;
    }

    return settle_run(crash);
}


static int
settle_run(const settle_shared_t *crash)
{
    int                 told, none;
    int64_t             metrics;
    settle_turn_e       rc;
    settle_programs_t   list;

    settle_programs_init(&list);

    told = !crash->deciding;
    metrics = 0;
    none = 0;

    while (!settle_ending) {

        if (settle_redis_open() != SETTLE_OK) {

            if (settle_options.mode == SETTLE_ONCE) {
                return SETTLE_FAILED;
            }

            settle_sleep(settle_redis_wait());
            continue;
        }

        if (settle_programs_find(&list) != SETTLE_OK) {

            if (settle_options.mode == SETTLE_ONCE) {
                return SETTLE_FAILED;
            }

            continue;
        }

        if (list.n == 0 && !none) {
            settle_log("notice", "no program was found under prefix \"%s\";"
                       " new ones are looked for", settle_options.prefix);
            none = 1;
        }

        if (!told) {
            settle_crashed(&list, crash);
            told = 1;
        }

        rc = settle_turns(&list);

        if (settle_options.metrics[0]
            && (metrics == 0 || settle_clock() - metrics > SETTLE_METRICS))
        {
            metrics = settle_clock();
            settle_metrics_write(list.program, list.n);
        }

        if (rc == SETTLE_BUSY) {
            continue;
        }

        if (settle_options.mode == SETTLE_ONCE) {
            break;
        }

        if (settle_programs_wait(&list) != SETTLE_OK) {
            settle_sleep(SETTLE_PAUSE);
        }
    }

    return settle_programs_end(&list);
}


/* each program in its turn, so that a busy one does not keep the others */

static settle_turn_e
settle_turns(settle_programs_t *list)
{
    size_t         i;
    settle_turn_e  rc;

    rc = SETTLE_IDLE;

    for (i = 0; i < list->n && !settle_ending; i++) {
        list->turn[i] = settle_program_turn(list->program[i]);

        if (list->turn[i] == SETTLE_BUSY) {
            rc = SETTLE_BUSY;
        }
    }

    return rc;
}


static void
settle_crashed(settle_programs_t *list, const settle_shared_t *crash)
{
    size_t  i;

    for (i = 0; i < list->n; i++) {
        if (strcmp(list->program[i]->name, crash->program) == 0) {
            settle_program_crashed(list->program[i], crash->position);
        }
    }
}


static int
settle_tell(void)
{
    int                 rc;
    settle_programs_t   list;

    settle_programs_init(&list);

    rc = SETTLE_FAILED;

    if (settle_redis_open() == SETTLE_OK
        && settle_programs_find(&list) == SETTLE_OK)
    {
        rc = settle_status_print(list.program, list.n);
    }

    settle_programs_free(&list);

    return rc;
}


static int
settle_skip(void)
{
    int                 rc;
    u_char              data[REFERRAL_STATE_KEY];
    size_t              i;
    redisReply         *reply;
    referral_buf_t      buf;
    settle_program_t   *p;
    settle_command_t    c;

    static const char *const  names[] = { "conversions", "settled" };

    if (settle_redis_open() != SETTLE_OK) {
        return SETTLE_FAILED;
    }

    p = settle_program_create(settle_options.programs[0]);

    settle_command_begin(&c);

    for (i = 0; i < 2; i++) {
        referral_buf_init(&buf, data, sizeof(data));
        referral_state_name(&buf, &p->state, names[i]);
        settle_command_buf(&c, &buf);
    }

    settle_command_text(&c, "skip");
    settle_command_number(&c, settle_options.skip);
    settle_command_text(&c, "position");
    settle_command_number(&c, settle_options.skip);
    settle_command_text(&c, "reason");
    settle_command_text(&c, settle_options.reason);

    reply = settle_redis_script(SETTLE_SCRIPT_FACT, &c, 2);
    settle_command_free(&c);

    rc = SETTLE_FAILED;

    if (reply && settle_reply_failed(reply)) {
        settle_log("error", "%s", reply->str);

    } else if (reply && settle_reply_number(reply) == 0) {
        settle_log("error", "program \"%s\" did not stop before entry %llu:"
                   " nothing is skipped; --status tells where it stands",
                   p->name, (unsigned long long) settle_options.skip);
        rc = SETTLE_DIFFERENT;

    } else if (reply) {
        printf("program \"%s\" goes past entry %llu; entry %s says so\n",
               p->name, (unsigned long long) settle_options.skip,
               settle_reply_text(reply));
        rc = SETTLE_OK;
    }

    if (reply) {
        freeReplyObject(reply);
    }

    settle_program_free(p);
    settle_redis_close();

    return rc;
}


/* ends early when a signal comes */

static void
settle_sleep(int64_t ms)
{
    struct timespec  ts;

    ts.tv_sec = ms / 1000;
    ts.tv_nsec = ms % 1000 * 1000000;

    if (!settle_ending) {
        (void) nanosleep(&ts, NULL);
    }
}


static void
settle_signals(void)
{
    size_t            i;
    struct sigaction  sa;

    static const int  signals[] = { SIGTERM, SIGINT, SIGQUIT };

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = settle_signal;

    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        (void) sigaction(signals[i], &sa, NULL);
    }
}


static void
settle_signal(int signo)
{
    (void) signo;

    settle_ending = 1;

    if (settle_pid > 0) {
        (void) kill(settle_pid, SIGTERM);
    }
}


/* two processes never have the same: after a restart a lease is another's */

static void
settle_name(void)
{
    char             host[128];
    struct timespec  ts;

    if (gethostname(host, sizeof(host)) == -1) {
        strcpy(host, "?");
    }

    host[sizeof(host) - 1] = '\0';
    clock_gettime(CLOCK_REALTIME, &ts);

    snprintf(settle_owner, sizeof(settle_owner), "%s:%ld:%lx", host,
             (long) getpid(), (long) ts.tv_nsec);
}
