
/*
 * Slots: the directories slot-000, slot-001… in the directory of a journal.
 * A process holds one by the lock on its file "lock", which the kernel lets
 * go of when the process ends; whoever gets the lock owns what lies beside it.
 *
 * What returns an int returns 0 or an errno.  A slot belongs to one thread.
 */


#ifndef _REFERRAL_SLOT_H_INCLUDED_
#define _REFERRAL_SLOT_H_INCLUDED_


#include <dirent.h>

#include "referral_str.h"


#define REFERRAL_SLOTS  4096


/* to be read only */

typedef struct {
    const char  *root;       /* path of the directory, the caller's: it must
                                live as long */
    int          number;     /* -1: none is held, or not one of our own */
    int          dir;        /* of the slot; -1: none is held */
    int          lock;
} referral_slot_t;


/* the slots of a directory, one after the other */

typedef struct {
    int          root;
    DIR         *dir;
} referral_slots_t;


/* none is held */
void referral_slot_init(referral_slot_t *slot, const char *root);

/*
 * Makes the directory and takes the first slot in it that is free; what cannot
 * be opened for good (a file or a link of that name, missing rights) counts
 * as taken.  EUSERS: all are.  "sync": a new slot survives a power loss.
 * Where it fails, *what is a static text for the log.
 */
int referral_slot_take(referral_slot_t *slot, unsigned sync,
    const char **what);

/* lets go of it; nothing is removed */
void referral_slot_leave(referral_slot_t *slot);

/* 1: somebody removed its files, so that others may hold the same number */
unsigned referral_slot_lost(const referral_slot_t *slot);

/* a descriptor of the directory, which is made if it is missing */
int referral_slot_root(const char *root, int *fd);

/*
 * next: the name of a slot, valid until the next call, or NULL.  Slots that
 * come or go meanwhile may be told or not.
 */
int referral_slots_open(referral_slots_t *slots, const char *root);
const char *referral_slots_next(referral_slots_t *slots);
void referral_slots_close(referral_slots_t *slots);

/*
 * Holds the slot "name" of a directory that is open as "root", whatever is in
 * it; its number stays -1.  EWOULDBLOCK: another process, or this one, holds
 * it.
 */
int referral_slot_lock(referral_slot_t *slot, int root, const char *name);

/* a directory below another one, never by a link; NULL with errno */
DIR *referral_slot_opendir(int dir, const char *name);


#endif /* _REFERRAL_SLOT_H_INCLUDED_ */
