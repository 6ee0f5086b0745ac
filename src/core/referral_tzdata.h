
/*
 * The system's time zones: the directory of TZif files that the package tzdata
 * installs, read as a whole.  These calls block: they are for configuration, a
 * thread of its own, or a tool.
 */


#ifndef _REFERRAL_TZDATA_H_INCLUDED_
#define _REFERRAL_TZDATA_H_INCLUDED_


#include "referral_timezone.h"


#define REFERRAL_TZDATA_PATH   "/usr/share/zoneinfo"
#define REFERRAL_TZDATA_ERROR  256       /* bytes of a message */


typedef struct referral_tzdata_s  referral_tzdata_t;


/* what tells one edition of the directory from another */

typedef struct {
    int64_t     word[6];
} referral_tzdata_mark_t;


/* the environment's TZDIR, as for libc, or REFERRAL_TZDATA_PATH */
const char *referral_tzdata_path(void);

/*
 * All zones below the directory, but those of "posix" and "right", which are
 * the others once more, and "localtime" and "posixrules", which are names of
 * others.  What is no TZif file is passed over.  "mark" is that of before the
 * reading.  NULL: err says why.  "err" is also set, otherwise empty, where a
 * file could not be used: the name of the first one and why.
 */
referral_timezones_t *referral_tzdata_read(const char *path,
    referral_tzdata_mark_t *mark, char err[REFERRAL_TZDATA_ERROR]);

/*
 * The same in steps, of which each reads one small file at most, until it is
 * no longer REFERRAL_AGAIN.  NULL of open: no memory.
 */
referral_tzdata_t *referral_tzdata_open(const char *path,
    referral_tzdata_mark_t *mark);
int referral_tzdata_step(referral_tzdata_t *tzdata);
referral_timezones_t *referral_tzdata_close(referral_tzdata_t *tzdata,
    char err[REFERRAL_TZDATA_ERROR]);

/* is the directory another one than that which "mark" is of? */
int referral_tzdata_changed(const char *path,
    const referral_tzdata_mark_t *mark);


#endif /* _REFERRAL_TZDATA_H_INCLUDED_ */
