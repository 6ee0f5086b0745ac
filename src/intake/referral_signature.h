
/*
 * Signatures of Standard Webhooks 1.0 (github.com/standard-webhooks), with
 * which shops sign what they post and their keys, a few for each program.
 */


#ifndef _REFERRAL_SIGNATURE_H_INCLUDED_
#define _REFERRAL_SIGNATURE_H_INCLUDED_


#include "referral_digest.h"
#include "referral_name.h"
#include "referral_str.h"


#define REFERRAL_SIGNATURE_SECRET_MIN  24       /* bytes of a key */
#define REFERRAL_SIGNATURE_SECRET_MAX  64
#define REFERRAL_SIGNATURE_KEYS        8        /* of a program, at most */
#define REFERRAL_SIGNATURE_KEYS_MAX    4096     /* of all programs */
#define REFERRAL_SIGNATURE_ID_MAX      128      /* bytes of webhook-id */
#define REFERRAL_SIGNATURE_TOLERANCE   300      /* seconds, either way */
#define REFERRAL_SIGNATURE_TRIED       16       /* of one header, at most */

/* "v1," and 32 bytes in base64 */
#define REFERRAL_SIGNATURE_LEN         47


typedef enum {
    REFERRAL_SIGNATURE_OK = 0,
    REFERRAL_SIGNATURE_ID,           /* no webhook-id, or none that is one */
    REFERRAL_SIGNATURE_TIMESTAMP,    /* likewise */
    REFERRAL_SIGNATURE_OLD,
    REFERRAL_SIGNATURE_AHEAD,
    REFERRAL_SIGNATURE_MISSING,      /* no signature of version 1 */
    REFERRAL_SIGNATURE_KEY,          /* the program has no key */
    REFERRAL_SIGNATURE_MISMATCH,
    REFERRAL_SIGNATURE_FAILED,       /* libcrypto did; nothing is known */
    REFERRAL_SIGNATURES
} referral_signature_e;


typedef struct referral_signature_keys_s  referral_signature_keys_t;

/* is told each mistake of a file; "line" 0: the whole file */
typedef void (*referral_signature_wrong_pt)(void *data, unsigned line,
    const char *what);


/* the three headers, and the body as it came */

typedef struct {
    referral_str_t   id;
    referral_str_t   timestamp;
    referral_str_t   signature;
    referral_str_t   body;
} referral_signature_message_t;


/*
 * Keys from the text of a file: "PROGRAM KEY_ID whsec_BASE64" a line, "#"
 * comments.  A program has several while it changes them: the first signs,
 * all verify.  A secret is of one program only.  NULL: all mistakes were
 * told, or there is no memory, which is told too.  Keeps nothing of "text".
 */
referral_signature_keys_t *referral_signature_keys(const referral_str_t *text,
    referral_signature_wrong_pt wrong, void *data);
void referral_signature_keys_free(referral_signature_keys_t *keys);

/* has the program a key? */
int referral_signature_known(const referral_signature_keys_t *keys,
    const referral_str_t *program);

/*
 * "now" in seconds.  REFERRAL_SIGNATURE_OK, and *key is the id of the key,
 * which lives as long as the keys do; or why not.  Takes one pass over the
 * body for each key of the program.
 */
referral_signature_e referral_signature_verify(
    const referral_signature_keys_t *keys, const referral_str_t *program,
    const referral_signature_message_t *message, int64_t now,
    referral_str_t *key);

/*
 * Signs with the program's first key; writes REFERRAL_SIGNATURE_LEN bytes.
 * message->signature is not looked at.  REFERRAL_DECLINED: there is no key, or
 * id or timestamp are none.
 */
int referral_signature_make(u_char *out, const referral_signature_keys_t *keys,
    const referral_str_t *program,
    const referral_signature_message_t *message);

/* static texts: "signature_old" for programs, and a sentence for people */
referral_str_t referral_signature_code(unsigned result);
referral_str_t referral_signature_detail(unsigned result);


#endif /* _REFERRAL_SIGNATURE_H_INCLUDED_ */
