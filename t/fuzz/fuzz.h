
/*
 * Shared by the fuzz targets: the check of their claims, taking input apart,
 * and seeds.  With FUZZ_SEEDS=DIRECTORY a target writes its seeds there and
 * exits.
 */


#ifndef _FUZZ_H_INCLUDED_
#define _FUZZ_H_INCLUDED_


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referral_str.h"


/* a claim that holds for any input; libFuzzer saves inputs that break it */

#define fuzz_check(claim)                                                     \
    do {                                                                      \
        if (!(claim)) {                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,        \
                    #claim);                                                  \
            __builtin_trap();                                                 \
        }                                                                     \
    } while (0)


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* each target defines it and calls fuzz_seed() for each seed */
static void fuzz_seeds(void);


static inline void
fuzz_seed(const void *data, size_t size)
{
    FILE             *f;
    char              name[4096];
    static unsigned   n;

    snprintf(name, sizeof(name), "%s/seed-%03u", getenv("FUZZ_SEEDS"), n++);

    f = fopen(name, "w");

    if (f == NULL || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
        perror(name);
        exit(1);
    }
}


#define fuzz_seed_text(text)  fuzz_seed(text, sizeof(text) - 1)


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void) argc;
    (void) argv;

    if (getenv("FUZZ_SEEDS")) {
        fuzz_seeds();
        exit(0);
    }

    return 0;
}


/* the next byte, 0 at the end */

static inline uint8_t
fuzz_byte(const uint8_t **p, const uint8_t *end)
{
    return *p < end ? *(*p)++ : 0;
}


/*
 * The text up to the next "\n" or the end, in memory of its own, so that
 * reading beyond it is detected; freed by fuzz_done().
 */

static void     *fuzz_pieces[256];
static unsigned  fuzz_npieces;


static inline referral_str_t
fuzz_copy(const void *data, size_t len)
{
    referral_str_t  s;

    s.len = len;
    s.data = malloc(len ? len : 1);

    if (s.data == NULL || fuzz_npieces == 256) {
        abort();
    }

    if (len) {
        memcpy(s.data, data, len);
    }

    fuzz_pieces[fuzz_npieces++] = s.data;

    return s;
}


static inline referral_str_t
fuzz_line(const uint8_t **p, const uint8_t *end)
{
    const uint8_t   *nl;
    referral_str_t   s;

    nl = *p < end ? memchr(*p, '\n', end - *p) : NULL;

    if (nl == NULL) {
        nl = end;
    }

    s = fuzz_copy(*p, nl - *p);
    *p = nl < end ? nl + 1 : end;

    return s;
}


static inline void
fuzz_done(void)
{
    while (fuzz_npieces) {
        free(fuzz_pieces[--fuzz_npieces]);
    }
}


#endif /* _FUZZ_H_INCLUDED_ */
