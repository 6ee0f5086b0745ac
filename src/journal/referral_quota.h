
/*
 * What processes share that write into one directory of journals, so that its
 * limits hold for all of them together: the bytes of all files, and for each
 * journal those of doubtful clicks, on codes that may not exist, that Redis
 * does not have yet.
 *
 * It is in shared memory, and a process may die between any two steps.  Bytes
 * that a dead process took but did not write are given back by the next count.
 * Doubtful clicks of a dead process are counted under the journal's key,
 * which the process that adopts the journal finds.
 */


#ifndef _REFERRAL_QUOTA_H_INCLUDED_
#define _REFERRAL_QUOTA_H_INCLUDED_


#include <stdint.h>
#include <sys/types.h>


#define REFERRAL_QUOTA_PLACES  256


typedef struct {
    uint64_t                 key;          /* of its journal; 0: free */
    int64_t                  bytes;
    uint64_t                 seq;          /* number of its last doubtful
                                              click */
    int64_t                  pid;          /* process that took this place */
} referral_quota_place_t;


/* the owner of the memory zeroes it */

typedef struct {
    int64_t                  max;          /* of the last configuration */
    int64_t                  bytes;
    uint64_t                 changes;      /* files removed or moved */
    referral_quota_place_t   place[REFERRAL_QUOTA_PLACES];
} referral_quota_t;


void referral_quota_limit(referral_quota_t *quota, int64_t max);
int64_t referral_quota_max(const referral_quota_t *quota);
int64_t referral_quota_bytes(const referral_quota_t *quota);

/*
 * take: before a write; REFERRAL_DECLINED: "n" more bytes would exceed max.
 * add: bytes written or given back otherwise.  gone: before a file of "n"
 * bytes is removed.  changed: before and after a file is moved.
 */
int referral_quota_take(referral_quota_t *quota, int64_t n);
void referral_quota_add(referral_quota_t *quota, int64_t n);
void referral_quota_gone(referral_quota_t *quota, int64_t n);
void referral_quota_changed(referral_quota_t *quota);


/*
 * A count of all files, while others write.  It is dropped if a file was
 * removed meanwhile; bytes written meanwhile may be counted twice until the
 * next count.  saw: this journal is on the disk; those that were not seen died
 * with their process.
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
 * Doubtful clicks, on codes that may not exist: all journals together have a
 * tenth of max.  "key" is the journal's.  allowed: REFERRAL_DECLINED: "n" more
 * bytes would be too many.  sent: Redis has all up to "seq".
 */
int referral_quota_allowed(referral_quota_t *quota, uint64_t key, int64_t n);
void referral_quota_doubtful(referral_quota_t *quota, uint64_t key,
    int64_t n, uint64_t seq);
void referral_quota_sent(referral_quota_t *quota, uint64_t key, uint64_t seq);


#endif /* _REFERRAL_QUOTA_H_INCLUDED_ */
