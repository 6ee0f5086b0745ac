/* link: referral_slot.c */

/*
 * protects: a slot has one owner, whatever process it is and however it ended;
 * and what is wrong with a slot or its directory is told, or the next one is
 * taken, without a descriptor that stays behind
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "referral_slot.h"
#include "unit.h"
#include "../lib/rm_tree.h"


static char         root[64];
static int          mkdir_error;     /* of the next mkdirat() */
static int          flock_error;     /* of each flock() */
static const char  *what;


/* what the disk answers is made up here */

int
mkdirat(int dir, const char *name, mode_t mode)
{
    if (mkdir_error) {
        errno = mkdir_error;
        mkdir_error = 0;
        return -1;
    }

    return (int) syscall(SYS_mkdirat, dir, name, mode);
}


int
flock(int fd, int operation)
{
    if (flock_error) {
        errno = flock_error;
        return -1;
    }

    return (int) syscall(SYS_flock, fd, operation);
}


static unsigned
descriptors(void)
{
    int       fd;
    unsigned  n;

    n = 0;

    for (fd = 0; fd < 256; fd++) {
        n += (fcntl(fd, F_GETFD) != -1);
    }

    return n;
}


static void
fresh_root(void)
{
    rm_tree(root);
    (void) mkdir(root, 0700);
}


static void
path_of(char *path, size_t size, const char *name)
{
    (void) snprintf(path, size, "%s/%s", root, name);
}


/* 1: "slot" is the one with this number, and no descriptor is lost */

static int
takes(referral_slot_t *slot, int number)
{
    int  err;

    err = referral_slot_take(slot, 1, &what);

    return err == 0 && slot->number == number && slot->dir != -1
           && slot->lock != -1;
}


static int
fails(int err)
{
    int              got;
    unsigned         before;
    referral_slot_t  slot;

    referral_slot_init(&slot, root);

    before = descriptors();
    got = referral_slot_take(&slot, 1, &what);

    return got == err && slot.number == -1 && slot.dir == -1
           && slot.lock == -1 && what != NULL && descriptors() == before;
}


static void
one_process(void)
{
    unsigned         before;
    struct stat      st;
    referral_slot_t  one, two;

    rm_tree(root);

    before = descriptors();

    referral_slot_init(&one, root);
    referral_slot_init(&two, root);

    ok(takes(&one, 0), "the directory is made, and the first slot taken");
    ok(stat(root, &st) == 0 && (st.st_mode & 0777) == 0700,
       "the directory is its owner's alone");
    ok(takes(&two, 1), "what is held is passed over, in one process too");

    referral_slot_leave(&one);

    ok(one.number == -1 && one.dir == -1 && one.lock == -1,
       "a slot that was left is none");
    ok(takes(&one, 0), "a slot that was left is free");

    referral_slot_leave(&one);
    referral_slot_leave(&two);
    referral_slot_leave(&two);

    ok(descriptors() == before, "no descriptor stays behind");
}


static void
two_processes(void)
{
    int              go[2], ready[2], status;
    char             c;
    pid_t            pid;
    referral_slot_t  slot;

    fresh_root();

    if (pipe(go) == -1 || pipe(ready) == -1) {
        ok(0, "pipes");
        return;
    }

    pid = fork();

    if (pid == 0) {
        referral_slot_init(&slot, root);
        c = takes(&slot, 0);
        (void) !write(ready[1], &c, 1);
        (void) !read(go[0], &c, 1);
        _exit(0);
    }

    c = 0;
    ok(read(ready[0], &c, 1) == 1 && c == 1, "another process has the first");

    referral_slot_init(&slot, root);

    ok(takes(&slot, 1), "this one gets the next");
    referral_slot_leave(&slot);

    (void) kill(pid, SIGKILL);
    (void) waitpid(pid, &status, 0);

    ok(takes(&slot, 0), "what a killed process held is free");
    referral_slot_leave(&slot);

    (void) close(go[0]);
    (void) close(go[1]);
    (void) close(ready[0]);
    (void) close(ready[1]);
}


/* a lock survives no exec, but a child has it until it ends */

static void
children(void)
{
    int              status;
    pid_t            pid;
    referral_slot_t  slot, other;

    fresh_root();

    referral_slot_init(&slot, root);
    referral_slot_init(&other, root);

    ok(takes(&slot, 0)
       && (fcntl(slot.lock, F_GETFD) & FD_CLOEXEC)
       && (fcntl(slot.dir, F_GETFD) & FD_CLOEXEC),
       "nothing goes along with an exec()");

    pid = fork();

    if (pid == 0) {
        (void) pause();
        _exit(0);
    }

    referral_slot_leave(&slot);

    ok(takes(&other, 1), "a slot is held as long as a child has its lock");
    referral_slot_leave(&other);

    (void) kill(pid, SIGKILL);
    (void) waitpid(pid, &status, 0);

    ok(takes(&other, 0), "and no longer");
    referral_slot_leave(&other);
}


static void
unusable(void)
{
    int              fd;
    char             path[128];
    struct stat      st;
    referral_slot_t  slot;

    fresh_root();

    /* 0: a file; 1: a link to a directory; 2: its lock is a directory; 3: its
       lock is a link */

    path_of(path, sizeof(path), "slot-000");
    fd = open(path, O_WRONLY|O_CREAT, 0600);
    (void) close(fd);

    path_of(path, sizeof(path), "elsewhere");
    (void) mkdir(path, 0700);
    path_of(path, sizeof(path), "slot-001");
    (void) !symlink("elsewhere", path);

    path_of(path, sizeof(path), "slot-002");
    (void) mkdir(path, 0700);
    path_of(path, sizeof(path), "slot-002/lock");
    (void) mkdir(path, 0700);

    path_of(path, sizeof(path), "slot-003");
    (void) mkdir(path, 0700);
    path_of(path, sizeof(path), "slot-003/lock");
    (void) !symlink("../victim", path);

    referral_slot_init(&slot, root);

    ok(takes(&slot, 4), "what cannot be a slot is passed over");

    path_of(path, sizeof(path), "victim");
    ok(stat(path, &st) == -1, "no link is followed to make a file elsewhere");

    path_of(path, sizeof(path), "elsewhere/lock");
    ok(stat(path, &st) == -1, "nor to a directory elsewhere");

    referral_slot_leave(&slot);
}


static void
lost(void)
{
    char             path[128];
    referral_slot_t  slot, other;

    fresh_root();

    referral_slot_init(&slot, root);
    referral_slot_init(&other, root);

    ok(takes(&slot, 0) && !referral_slot_lost(&slot), "a slot is there");

    path_of(path, sizeof(path), "slot-000/lock");
    (void) unlink(path);

    ok(referral_slot_lost(&slot), "that its lock was removed is noticed");
    ok(takes(&other, 0) && !referral_slot_lost(&other),
       "others may take it then");

    referral_slot_leave(&slot);
    referral_slot_leave(&other);
}


static void
errors(void)
{
    int               fd;
    char              saved[sizeof(root)];
    unsigned          before;
    struct rlimit     old, rl;
    referral_slots_t  slots;

    fresh_root();

    mkdir_error = ENOSPC;
    ok(fails(ENOSPC) && strstr(what, "no slot"), "a full disk is told");

    mkdir_error = EROFS;
    ok(fails(EROFS), "a disk that is read-only is told");

    flock_error = EWOULDBLOCK;
    ok(fails(EUSERS), "that all slots are held is told");
    flock_error = 0;

    fresh_root();

    /* the directory can be opened, the slot's lock cannot */

    (void) getrlimit(RLIMIT_NOFILE, &old);
    rl = old;

    fd = dup(0);
    (void) close(fd);

    rl.rlim_cur = fd + 2;
    (void) setrlimit(RLIMIT_NOFILE, &rl);
    ok(fails(EMFILE) && strstr(what, "no slot"),
       "that there are no descriptors is told");

    rl.rlim_cur = fd;
    (void) setrlimit(RLIMIT_NOFILE, &rl);
    ok(fails(EMFILE) && strstr(what, "directory"),
       "also for the directory itself");

    rl.rlim_cur = fd + 1;
    (void) setrlimit(RLIMIT_NOFILE, &rl);
    before = descriptors();
    ok(referral_slots_open(&slots, root) == EMFILE
       && descriptors() == before, "and for what is in it");

    (void) setrlimit(RLIMIT_NOFILE, &old);

    memcpy(saved, root, sizeof(root));

    (void) snprintf(root, sizeof(root), "%.40s/no/where", saved);
    ok(fails(ENOENT) && strstr(what, "directory"),
       "a directory whose parent is missing is told");

    (void) snprintf(root, sizeof(root), "/dev/null");
    ok(fails(ENOTDIR) && strstr(what, "directory"),
       "a file in its place is told");

    memcpy(root, saved, sizeof(root));
}


static void
list(void)
{
    char              path[128];
    unsigned          before, n, odd;
    const char       *name;
    referral_slot_t   slot, other;
    referral_slots_t  slots;

    fresh_root();

    before = descriptors();

    path_of(path, sizeof(path), "damaged");
    (void) mkdir(path, 0700);

    referral_slot_init(&slot, root);
    referral_slot_init(&other, root);

    (void) takes(&slot, 0);
    (void) takes(&other, 1);
    referral_slot_leave(&other);

    ok(referral_slots_open(&slots, root) == 0, "a directory has its slots");

    n = 0;
    odd = 0;

    for (name = referral_slots_next(&slots);
         name;
         name = referral_slots_next(&slots))
    {
        n++;
        odd += strcmp(name, "slot-000") != 0 && strcmp(name, "slot-001") != 0;
    }

    ok(n == 2 && odd == 0, "each is told, and nothing else");

    ok(referral_slot_lock(&other, slots.root, "slot-000") == EWOULDBLOCK
       && other.dir == -1 && other.lock == -1,
       "one that is held cannot be held");
    ok(referral_slot_lock(&other, slots.root, "slot-002") == ENOENT,
       "nor one that is not there");
    ok(referral_slot_lock(&other, slots.root, "slot-001") == 0
       && other.number == -1, "one that is free can");

    referral_slot_leave(&other);
    referral_slot_leave(&slot);
    referral_slots_close(&slots);

    ok(descriptors() == before, "a list leaves no descriptor behind");

    memcpy(path, root, sizeof(root));
    (void) snprintf(root, sizeof(root), "/dev/null");
    ok(referral_slots_open(&slots, root) == ENOTDIR,
       "a file has none, which is told");
    memcpy(root, path, sizeof(root));
}


int
main(void)
{
    (void) snprintf(root, sizeof(root), "/tmp/referral_slot_XXXXXX");

    if (mkdtemp(root) == NULL) {
        return 1;
    }

    one_process();
    two_processes();
    children();
    unusable();
    lost();
    errors();
    list();

    rm_tree(root);

    return unit_done();
}
