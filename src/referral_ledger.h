
/*
 * What the processes that write into one journal's directory share, so that
 * its bounds hold for all of them together: the bytes of all files, and, of
 * each journal, those of clicks on codes that may not exist and that Redis
 * does not have yet.
 *
 * It lies in shared memory, and a process may die between any two steps.
 * What a dead process took and did not write is given back by the next count.
 * What belongs to a journal is found under the journal's key by whoever
 * adopts it.
 */


#ifndef _REFERRAL_LEDGER_H_INCLUDED_
#define _REFERRAL_LEDGER_H_INCLUDED_


#include <stdint.h>
#include <sys/types.h>


#define REFERRAL_LEDGER_PLACES  256


typedef struct {
    uint64_t                  key;         /* of a journal; 0: free */
    int64_t                   bytes;
    uint64_t                  seq;         /* of the last of its clicks */
    int64_t                   pid;         /* of the process that made it */
} referral_ledger_place_t;


/* zeroed at first */

typedef struct {
    int64_t                   max;         /* of the latest configuration */
    int64_t                   bytes;
    uint64_t                  changes;     /* files that went or moved */
    referral_ledger_place_t   place[REFERRAL_LEDGER_PLACES];
} referral_ledger_t;


void referral_ledger_limit(referral_ledger_t *ledger, int64_t max);
int64_t referral_ledger_max(const referral_ledger_t *ledger);
int64_t referral_ledger_bytes(const referral_ledger_t *ledger);

/*
 * take: before a write; REFERRAL_DECLINED: "n" bytes would go beyond max.
 * add: what was written or given back beside that.  gone: before a file of
 * "n" bytes is removed.  changed: before and after a file moves.
 */
int referral_ledger_take(referral_ledger_t *ledger, int64_t n);
void referral_ledger_add(referral_ledger_t *ledger, int64_t n);
void referral_ledger_gone(referral_ledger_t *ledger, int64_t n);
void referral_ledger_changed(referral_ledger_t *ledger);


/*
 * A count of all files, which others write meanwhile.  It is thrown away when
 * a file went while it was made; what was written while it was made may be
 * counted twice until the next one.  saw: a journal that lies on the disk; a
 * dead process took the others with it.
 */

typedef struct {
    uint64_t                  changes;
    int64_t                   bytes;
    u_char                    seen[REFERRAL_LEDGER_PLACES];
} referral_ledger_count_t;


void referral_ledger_begin(const referral_ledger_t *ledger,
    referral_ledger_count_t *count);
void referral_ledger_saw(const referral_ledger_t *ledger,
    referral_ledger_count_t *count, uint64_t key);
void referral_ledger_counted(referral_ledger_t *ledger,
    const referral_ledger_count_t *count, int64_t bytes);


/*
 * Clicks on codes that may not exist: a tenth of max, of all journals.
 * "key": the journal's.  allowed: REFERRAL_DECLINED if "n" more bytes would
 * be too many.  sent: Redis has all up to "seq".
 */
int referral_ledger_allowed(referral_ledger_t *ledger, uint64_t key,
    int64_t n);
void referral_ledger_doubtful(referral_ledger_t *ledger, uint64_t key,
    int64_t n, uint64_t seq);
void referral_ledger_sent(referral_ledger_t *ledger, uint64_t key,
    uint64_t seq);


#endif /* _REFERRAL_LEDGER_H_INCLUDED_ */
