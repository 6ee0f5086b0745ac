
/*
 * Slots: the directories slot-000, slot-001… in the directory of journals.  A
 * process owns a slot, and what is in it, by a lock on its file "lock", which
 * the kernel releases when the process ends.
 *
 * Functions of type int return 0 or an errno.  A slot belongs to one thread.
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


/* iterates over the slots of a directory */

typedef struct {
    int          root;
    DIR         *dir;
} referral_slots_t;


/* a slot that is not held */
void referral_slot_init(referral_slot_t *slot, const char *root);

/*
 * Makes the directory, and takes the first free slot in it.  One that can
 * never be opened (a file or a link of that name, missing rights) counts as
 * taken.  EUSERS: all are taken.  "sync": a new slot survives a power loss.
 * On failure *what is a static text for the log.
 */
int referral_slot_take(referral_slot_t *slot, unsigned sync,
    const char **what);

/* releases the slot; nothing is removed */
void referral_slot_leave(referral_slot_t *slot);

/*
 * 1: its files were removed, so that another process may hold the same number
 */
unsigned referral_slot_lost(const referral_slot_t *slot);

/* a descriptor of the directory, which is made if it is missing */
int referral_slot_root(const char *root, int *fd);

/*
 * next: the name of a slot, valid until the next call; NULL: no more.  Slots
 * that are made or removed meanwhile may or may not be returned.
 */
int referral_slots_open(referral_slots_t *slots, const char *root);
const char *referral_slots_next(referral_slots_t *slots);
void referral_slots_close(referral_slots_t *slots);

/*
 * Takes the slot "name" of a directory that is open as "root", whatever is in
 * it; its number stays -1.  EWOULDBLOCK: another process, or this one, holds
 * it.
 */
int referral_slot_lock(referral_slot_t *slot, int root, const char *name);

/* opens a directory below another one, not through a link; NULL with errno */
DIR *referral_slot_opendir(int dir, const char *name);


#endif /* _REFERRAL_SLOT_H_INCLUDED_ */
