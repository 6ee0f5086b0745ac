
/*
 * OpenSSL 3 takes its older interface only with this; the newer one looks an
 * algorithm up and allocates for each text.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/sha.h>

#include "referral_chain.h"


#define REFERRAL_CHAIN_BUFFER  8192


typedef struct {
    SHA256_CTX   ctx;
    size_t       used;
    u_char       data[REFERRAL_CHAIN_BUFFER];
} referral_chain_t;


static void referral_chain_put(referral_chain_t *c, const void *data,
    size_t len);
static void referral_chain_number(referral_chain_t *c, uint64_t n);


void
referral_chain_place(u_char *out, const referral_str_t *id)
{
    u_char          hash[REFERRAL_CHAIN_SIZE], text[2 * REFERRAL_CHAIN_SIZE];
    referral_buf_t  buf;

    SHA256(id->data, id->len, hash);

    referral_buf_init(&buf, text, sizeof(text));
    referral_buf_hex(&buf, hash, sizeof(hash));

    memcpy(out, text, REFERRAL_PLACE_LEN);
}


/* each text with its length before it: no two entries have the same bytes */

void
referral_chain_step(u_char *chain, const referral_fact_t *fact,
    const referral_str_t *decided)
{
    size_t            i;
    referral_chain_t  c;

    SHA256_Init(&c.ctx);
    c.used = 0;

    referral_chain_put(&c, chain, REFERRAL_CHAIN_SIZE);
    referral_chain_number(&c, fact->position);
    referral_chain_number(&c, fact->npairs);

    for (i = 0; i < fact->npairs; i++) {
        referral_chain_number(&c, fact->pair[i].len);
        referral_chain_put(&c, fact->pair[i].data, fact->pair[i].len);
    }

    referral_chain_put(&c, decided->data, decided->len);

    SHA256_Update(&c.ctx, c.data, c.used);
    SHA256_Final(chain, &c.ctx);
}


/* OpenSSL is asked once for all the short texts of an entry */

static void
referral_chain_put(referral_chain_t *c, const void *data, size_t len)
{
    if (len > REFERRAL_CHAIN_BUFFER - c->used) {
        SHA256_Update(&c->ctx, c->data, c->used);
        c->used = 0;

        if (len > REFERRAL_CHAIN_BUFFER) {
            SHA256_Update(&c->ctx, data, len);
            return;
        }
    }

    if (len) {
        memcpy(c->data + c->used, data, len);
        c->used += len;
    }
}


/* little-endian, eight bytes on every machine */

static void
referral_chain_number(referral_chain_t *c, uint64_t n)
{
    u_char    bytes[8];
    unsigned  i;

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (u_char) (n >> (8 * i));
    }

    referral_chain_put(c, bytes, sizeof(bytes));
}
