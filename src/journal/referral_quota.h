
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


#ifndef _REFERRAL_QUOTA_H_INCLUDED_
#define _REFERRAL_QUOTA_H_INCLUDED_


#include <stdint.h>
#include <sys/types.h>


#define REFERRAL_QUOTA_PLACES  256


typedef struct {
    uint64_t                 key;          /* of a journal; 0: free */
    int64_t                  bytes;
    uint64_t                 seq;          /* of the last of its clicks */
    int64_t                  pid;          /* of the process that made it */
} referral_quota_place_t;


/* zeroed at first */

typedef struct {
    int64_t                  max;          /* of the latest configuration */
    int64_t                  bytes;
    uint64_t                 changes;      /* files that went or moved */
    referral_quota_place_t   place[REFERRAL_QUOTA_PLACES];
} referral_quota_t;


void referral_quota_limit(referral_quota_t *quota, int64_t max);
int64_t referral_quota_max(const referral_quota_t *quota);
int64_t referral_quota_bytes(const referral_quota_t *quota);

/*
 * take: before a write; REFERRAL_DECLINED: "n" bytes would go beyond max.
 * add: what was written or given back beside that.  gone: before a file of
 * "n" bytes is removed.  changed: before and after a file moves.
 */
int referral_quota_take(referral_quota_t *quota, int64_t n);
void referral_quota_add(referral_quota_t *quota, int64_t n);
void referral_quota_gone(referral_quota_t *quota, int64_t n);
void referral_quota_changed(referral_quota_t *quota);


/*
 * A count of all files, which others write meanwhile.  It is thrown away when
 * a file went while it was made; what was written while it was made may be
 * counted twice until the next one.  saw: a journal that lies on the disk; a
 * dead process took the others with it.
 */

typedef struct {
    uint64_t                 changes;
    int64_t                  bytes;
    u_char                   seen[REFERRAL_QUOTA_PLACES];
} referral_quota_count_t;


void referral_quota_begin(const referral_quota_t *quota,
    referral_quota_count_t *count);
void referral_quota_saw(const referral_quota_t *quota,
    referral_quota_count_t *count, uint64_t key);
void referral_quota_counted(referral_quota_t *quota,
    const referral_quota_count_t *count, int64_t bytes);


/*
 * Clicks on codes that may not exist: a tenth of max, of all journals.
 * "key": the journal's.  allowed: REFERRAL_DECLINED if "n" more bytes would
 * be too many.  sent: Redis has all up to "seq".
 */
int referral_quota_allowed(referral_quota_t *quota, uint64_t key, int64_t n);
void referral_quota_doubtful(referral_quota_t *quota, uint64_t key,
    int64_t n, uint64_t seq);
void referral_quota_sent(referral_quota_t *quota, uint64_t key, uint64_t seq);


#endif /* _REFERRAL_QUOTA_H_INCLUDED_ */
