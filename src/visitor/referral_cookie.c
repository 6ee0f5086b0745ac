/*
 * SHA256_Init() and the like are deprecated in favour of EVP, which allocates
 * and searches by name for each MAC: 160 ns instead of 95.  All of OpenSSL 3
 * has them.  If a later version has not, EVP_MAC with a context for each key
 * gives the same MACs and so the same cookies.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "referral_cookie.h"


#define REFERRAL_COOKIE_VERSION  1

/*
 * SAME: the first touch is the last one.  The others: that touch is open.  An
 * older build that does not know a flag treats the cookie as absent, so open
 * touches are flagged only where they occur.
 */

#define REFERRAL_COOKIE_SAME        0x01
#define REFERRAL_COOKIE_FIRST_OPEN  0x02
#define REFERRAL_COOKIE_LAST_OPEN   0x04
#define REFERRAL_COOKIE_FLAGS       0x07

#define REFERRAL_KEY_ID_SIZE     4
#define REFERRAL_MAC_SIZE        16
#define REFERRAL_LABEL_MAX       255

#define REFERRAL_COOKIE_FUTURE   (5 * 60 * 1000)

/*
 * The bytes of a cookie: version, key id, flags, the program with its length
 * in front, visitor, the last touch, the first touch unless it is the same,
 * MAC.
 */

#define REFERRAL_TOUCH_SIZE                                                   \
    (1 + REFERRAL_CODE_MAX + REFERRAL_CLICK_ID_SIZE)
#define REFERRAL_COOKIE_SIZE                                                  \
    (1 + REFERRAL_KEY_ID_SIZE + 1 + 1 + REFERRAL_PROGRAM_MAX                  \
     + REFERRAL_VISITOR_SIZE + 2 * REFERRAL_TOUCH_SIZE + REFERRAL_MAC_SIZE)


/* HMAC (RFC 2104): the states of both hashes after the key was read */

typedef struct {
    u_char               id[REFERRAL_KEY_ID_SIZE];
    SHA256_CTX           inner;
    SHA256_CTX           outer;
} referral_key_t;


struct referral_keys_s {
    unsigned             n;
    referral_key_t       key[REFERRAL_KEYS_MAX];
};


static int referral_keys_add(referral_keys_t *keys, const referral_str_t *text,
    const char **err);
static int referral_key_pad(SHA256_CTX *ctx, const u_char *key, u_char byte);
static int referral_key_mac(u_char *out, size_t len,
    const referral_key_t *key, const referral_str_t *label,
    const u_char *data, size_t size);
static const u_char *referral_touch_read(referral_touch_t *touch,
    const u_char *p, const u_char *end);
static int referral_touch_put(referral_buf_t *b,
    const referral_touch_t *touch);
static int referral_touch_fresh(const referral_touch_t *touch, int64_t now,
    int64_t window);


static const referral_str_t  referral_cookie_label =
    referral_string("cookie");


referral_keys_t *
referral_keys_create(const referral_str_t *text, unsigned *line,
    const char **err)
{
    u_char           *p, *end, *eol;
    referral_str_t    key;
    referral_keys_t  *keys;

    *line = 0;

    keys = calloc(1, sizeof(referral_keys_t));
    if (keys == NULL) {
        *err = "no memory";
        return NULL;
    }

    p = text->data;
    end = p + text->len;

    while (p != end) {
        (*line)++;

        eol = memchr(p, '\n', end - p);

        key.data = p;
        key.len = (eol ? eol : end) - p;

        p = eol ? eol + 1 : end;

        referral_str_trim(&key);

        if (key.len == 0 || key.data[0] == '#') {
            continue;
        }

        if (referral_keys_add(keys, &key, err) != REFERRAL_OK) {
            goto failed;
        }
    }

    *line = 0;

    if (keys->n == 0) {
        *err = "no key";
        goto failed;
    }

    return keys;

failed:

    referral_keys_free(keys);

    return NULL;
}


static int
referral_keys_add(referral_keys_t *keys, const referral_str_t *text,
    const char **err)
{
    u_char           hash[SHA256_DIGEST_LENGTH], block[SHA256_CBLOCK];
    unsigned         i;
    referral_key_t  *key;

    if (text->len < REFERRAL_KEY_MIN) {
        *err = "a key has at least 32 bytes";
        return REFERRAL_ERROR;
    }

    if (keys->n == REFERRAL_KEYS_MAX) {
        *err = "more than 16 keys";
        return REFERRAL_ERROR;
    }

    if (SHA256(text->data, text->len, hash) == NULL) {
        *err = "OpenSSL has no SHA-256";
        return REFERRAL_ERROR;
    }

    for (i = 0; i < keys->n; i++) {
        if (memcmp(keys->key[i].id, hash, REFERRAL_KEY_ID_SIZE) == 0) {
            *err = "the same key twice";
            return REFERRAL_ERROR;
        }
    }

    key = &keys->key[keys->n++];

    memcpy(key->id, hash, REFERRAL_KEY_ID_SIZE);

    /* a key longer than a block is replaced by its hash */

    memset(block, 0, sizeof(block));

    if (text->len > sizeof(block)) {
        memcpy(block, hash, sizeof(hash));

    } else {
        memcpy(block, text->data, text->len);
    }

    i = referral_key_pad(&key->inner, block, 0x36)
        && referral_key_pad(&key->outer, block, 0x5c);

    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(hash, sizeof(hash));

    if (!i) {
        *err = "OpenSSL does not take this key";
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


/* "key" is one block; returns 0 if OpenSSL fails */

static int
referral_key_pad(SHA256_CTX *ctx, const u_char *key, u_char byte)
{
    int       rc;
    u_char    block[SHA256_CBLOCK];
    unsigned  i;

    for (i = 0; i < sizeof(block); i++) {
        block[i] = key[i] ^ byte;
    }

    rc = SHA256_Init(ctx) == 1 && SHA256_Update(ctx, block, sizeof(block)) == 1;

    OPENSSL_cleanse(block, sizeof(block));

    return rc;
}


void
referral_keys_free(referral_keys_t *keys)
{
    if (keys == NULL) {
        return;
    }

    OPENSSL_cleanse(keys, sizeof(referral_keys_t));
    free(keys);
}


int
referral_keys_mac(u_char *out, size_t len, referral_keys_t *keys,
    const referral_str_t *label, const referral_str_t *data)
{
    return referral_key_mac(out, len, &keys->key[0], label, data->data,
                            data->len);
}


/*
 * The label is hashed with its length in front, so that no label and data are
 * those of another purpose.
 */

static int
referral_key_mac(u_char *out, size_t len, const referral_key_t *key,
    const referral_str_t *label, const u_char *data, size_t size)
{
    u_char      n, mac[SHA256_DIGEST_LENGTH];
    SHA256_CTX  ctx;

    if (label->len > REFERRAL_LABEL_MAX || len > sizeof(mac)) {
        return REFERRAL_ERROR;
    }

    n = (u_char) label->len;

    ctx = key->inner;

    if (SHA256_Update(&ctx, &n, 1) != 1
        || SHA256_Update(&ctx, label->data, label->len) != 1
        || SHA256_Update(&ctx, data, size) != 1
        || SHA256_Final(mac, &ctx) != 1)
    {
        return REFERRAL_ERROR;
    }

    ctx = key->outer;

    if (SHA256_Update(&ctx, mac, sizeof(mac)) != 1
        || SHA256_Final(mac, &ctx) != 1)
    {
        return REFERRAL_ERROR;
    }

    memcpy(out, mac, len);

    return REFERRAL_OK;
}


ssize_t
referral_cookie_encode(u_char *out, referral_keys_t *keys,
    const referral_str_t *program, const referral_cookie_t *cookie)
{
    u_char           data[REFERRAL_COOKIE_SIZE], mac[REFERRAL_MAC_SIZE];
    u_char           flags;
    unsigned         same;
    referral_buf_t   b, text;
    referral_key_t  *key;

    if (!referral_program_valid(program)) {
        return REFERRAL_ERROR;
    }

    key = &keys->key[0];

    same = cookie->first.code_len == cookie->last.code_len
           && cookie->last.code_len <= REFERRAL_CODE_MAX
           && memcmp(cookie->first.code, cookie->last.code,
                     cookie->last.code_len)
              == 0
           && memcmp(cookie->first.click_id, cookie->last.click_id,
                     REFERRAL_CLICK_ID_SIZE)
              == 0;

    flags = (same ? REFERRAL_COOKIE_SAME : 0)
            | (cookie->first_open ? REFERRAL_COOKIE_FIRST_OPEN : 0)
            | (cookie->last_open ? REFERRAL_COOKIE_LAST_OPEN : 0);

    referral_buf_init(&b, data, sizeof(data));

    referral_buf_putc(&b, REFERRAL_COOKIE_VERSION);
    referral_buf_put(&b, key->id, REFERRAL_KEY_ID_SIZE);
    referral_buf_putc(&b, flags);
    referral_buf_putc(&b, (u_char) program->len);
    referral_buf_str(&b, program);
    referral_buf_put(&b, cookie->visitor, REFERRAL_VISITOR_SIZE);

    if (referral_touch_put(&b, &cookie->last) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    if (!same && referral_touch_put(&b, &cookie->first) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    if (referral_key_mac(mac, sizeof(mac), key, &referral_cookie_label,
                         b.start, b.pos - b.start)
        != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    referral_buf_put(&b, mac, sizeof(mac));

    referral_buf_init(&text, out, REFERRAL_COOKIE_MAX);
    referral_buf_base64url(&text, b.start, b.pos - b.start);

    if (b.overflow || text.overflow) {
        return REFERRAL_ERROR;
    }

    return text.pos - text.start;
}


static int
referral_touch_put(referral_buf_t *b, const referral_touch_t *touch)
{
    referral_str_t  code;

    code.len = touch->code_len;
    code.data = (u_char *) touch->code;

    if (!referral_code_valid(&code)) {
        return REFERRAL_ERROR;
    }

    referral_buf_putc(b, touch->code_len);
    referral_buf_str(b, &code);
    referral_buf_put(b, touch->click_id, REFERRAL_CLICK_ID_SIZE);

    return REFERRAL_OK;
}


referral_cookie_e
referral_cookie_decode(referral_cookie_t *cookie, referral_keys_t *keys,
    const referral_str_t *program, const referral_str_t *text, int64_t now,
    int64_t window)
{
    u_char           data[REFERRAL_COOKIE_SIZE], mac[REFERRAL_MAC_SIZE];
    u_char           flags;
    size_t           left;
    ssize_t          size;
    unsigned         i;
    const u_char    *p, *end;
    referral_str_t   name;

    size = referral_base64url_decode(data, sizeof(data), text);

    if (size < 1 + REFERRAL_KEY_ID_SIZE + 1 + 1 + REFERRAL_MAC_SIZE
        || data[0] != REFERRAL_COOKIE_VERSION)
    {
        return REFERRAL_COOKIE_MALFORMED;
    }

    for (i = 0; i < keys->n; i++) {
        if (memcmp(keys->key[i].id, &data[1], REFERRAL_KEY_ID_SIZE) == 0) {
            break;
        }
    }

    if (i == keys->n) {
        return REFERRAL_COOKIE_KEY;
    }

    size -= REFERRAL_MAC_SIZE;

    if (referral_key_mac(mac, sizeof(mac), &keys->key[i],
                         &referral_cookie_label, data, size)
        != REFERRAL_OK
        || CRYPTO_memcmp(mac, &data[size], sizeof(mac)) != 0)
    {
        return REFERRAL_COOKIE_SIGNATURE;
    }

    p = &data[1 + REFERRAL_KEY_ID_SIZE];
    end = &data[size];

    flags = *p++;

    name.len = *p++;
    name.data = (u_char *) p;

    left = end - p;

    if (flags & ~REFERRAL_COOKIE_FLAGS
        || left < name.len + REFERRAL_VISITOR_SIZE)
    {
        return REFERRAL_COOKIE_MALFORMED;
    }

    if (!referral_str_eq(&name, program)) {
        return REFERRAL_COOKIE_PROGRAM;
    }

    p += name.len;

    memcpy(cookie->visitor, p, REFERRAL_VISITOR_SIZE);
    p += REFERRAL_VISITOR_SIZE;

    p = referral_touch_read(&cookie->last, p, end);

    if (p != NULL) {

        if (flags & REFERRAL_COOKIE_SAME) {
            cookie->first = cookie->last;

        } else {
            p = referral_touch_read(&cookie->first, p, end);
        }
    }

    if (p != end) {
        return REFERRAL_COOKIE_MALFORMED;
    }

    cookie->first_open = (flags & REFERRAL_COOKIE_FIRST_OPEN) != 0;
    cookie->last_open = (flags & REFERRAL_COOKIE_LAST_OPEN) != 0;

    if (!referral_touch_fresh(&cookie->last, now, window)) {
        return REFERRAL_COOKIE_EXPIRED;
    }

    if (!referral_touch_fresh(&cookie->first, now, window)) {
        cookie->first = cookie->last;
        cookie->first_open = cookie->last_open;
    }

    return REFERRAL_COOKIE_OK;
}


/* returns the byte behind the touch, NULL if it is invalid */

static const u_char *
referral_touch_read(referral_touch_t *touch, const u_char *p,
    const u_char *end)
{
    referral_str_t  code;

    if (p == end) {
        return NULL;
    }

    code.len = *p++;
    code.data = (u_char *) p;

    if ((size_t) (end - p) < code.len + REFERRAL_CLICK_ID_SIZE
        || !referral_code_valid(&code))
    {
        return NULL;
    }

    /*
     * Unused bytes are zeroed too, so that touches can be compared with
     * memcmp().
     */

    memset(touch, 0, sizeof(referral_touch_t));

    touch->code_len = (uint8_t) code.len;
    memcpy(touch->code, code.data, code.len);
    memcpy(touch->click_id, p + code.len, REFERRAL_CLICK_ID_SIZE);

    return p + code.len + REFERRAL_CLICK_ID_SIZE;
}


static int
referral_touch_fresh(const referral_touch_t *touch, int64_t now,
    int64_t window)
{
    int64_t  at;

    at = referral_click_id_time(touch->click_id);

    return at <= now + REFERRAL_COOKIE_FUTURE
           && now - at <= window * 1000;
}
