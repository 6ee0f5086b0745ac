
#include <stdlib.h>

#include "referral_signature.h"


#define REFERRAL_SIGNATURE_MAC  44       /* 32 bytes in base64 */
#define REFERRAL_SIGNATURE_TIME 12       /* digits of a timestamp, at most */

/* base64 of the longest secret, without padding */
#define REFERRAL_SIGNATURE_TEXT 86


typedef struct {
    uint8_t                    program_len;
    uint8_t                    id_len;
    u_char                     program[REFERRAL_PROGRAM_MAX];
    u_char                     id[REFERRAL_CHANNEL_MAX];
    unsigned                   line;
    referral_hmac_t            hmac;
} referral_signature_key_t;


struct referral_signature_keys_s {
    size_t                     n;        /* by program, then by line */
    referral_signature_key_t   key[];
};


typedef struct {
    referral_signature_wrong_pt   wrong;
    void                         *data;
    unsigned                      line;
    unsigned                      mistakes;
} referral_signature_reader_t;


static size_t referral_signature_lines(const referral_str_t *text);
static void referral_signature_read(referral_signature_keys_t *keys,
    referral_signature_reader_t *r, const referral_str_t *text);
static void referral_signature_line(referral_signature_keys_t *keys,
    referral_signature_reader_t *r, const referral_str_t *line);
static void referral_signature_word(referral_str_t *word,
    referral_str_t *left);
static const char *referral_signature_add(referral_signature_keys_t *keys,
    unsigned line, const referral_str_t *program, const referral_str_t *id,
    const referral_str_t *secret);
static const char *referral_signature_secret(referral_hmac_t *hmac,
    const referral_str_t *secret);
static ssize_t referral_signature_base64(u_char *out, size_t size,
    const referral_str_t *text);
static const char *referral_signature_twice(
    const referral_signature_keys_t *keys, const referral_signature_key_t *key);
static void referral_signature_wrong(referral_signature_reader_t *r,
    unsigned line, const char *what);
static int referral_signature_order(const void *one, const void *two);
static const referral_signature_key_t *referral_signature_find(
    const referral_signature_keys_t *keys, const referral_str_t *program,
    size_t *n);
static int referral_signature_compare(const referral_signature_key_t *key,
    const referral_str_t *program);
static int referral_signature_id_valid(const referral_str_t *id);
static int64_t referral_signature_time(const referral_str_t *timestamp);
static unsigned referral_signature_candidates(referral_str_t *candidate,
    const referral_str_t *header);
static int referral_signature_sign(u_char *out,
    const referral_signature_key_t *key,
    const referral_signature_message_t *message);


static const char  referral_signature_form[] =
    "a line is \"PROGRAM KEY_ID whsec_SECRET\"";


referral_signature_keys_t *
referral_signature_keys(const referral_str_t *text,
    referral_signature_wrong_pt wrong, void *data)
{
    size_t                        n;
    referral_signature_keys_t    *keys;
    referral_signature_reader_t   r;

    r.wrong = wrong;
    r.data = data;
    r.line = 0;
    r.mistakes = 0;

    n = referral_signature_lines(text);

    if (n > REFERRAL_SIGNATURE_KEYS_MAX) {
        referral_signature_wrong(&r, 0, "a file has at most 4096 keys");
        return NULL;
    }

    keys = calloc(1, sizeof(referral_signature_keys_t)
                     + n * sizeof(referral_signature_key_t));
    if (keys == NULL) {
        referral_signature_wrong(&r, 0, "no memory");
        return NULL;
    }

    referral_signature_read(keys, &r, text);

    if (keys->n == 0 && r.mistakes == 0) {
        referral_signature_wrong(&r, 0, "no key");
    }

    if (r.mistakes) {
        referral_signature_keys_free(keys);
        return NULL;
    }

    qsort(keys->key, keys->n, sizeof(referral_signature_key_t),
          referral_signature_order);

    return keys;
}


void
referral_signature_keys_free(referral_signature_keys_t *keys)
{
    referral_digest_wipe(keys->key, keys->n * sizeof(referral_signature_key_t));

    free(keys);
}


/* those that are not empty and no comment */

static size_t
referral_signature_lines(const referral_str_t *text)
{
    int      blank;
    size_t   i, n;

    n = 0;
    blank = 1;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] == '\n') {
            blank = 1;

        } else if (blank && text->data[i] != ' ' && text->data[i] != '\t'
                   && text->data[i] != '\r')
        {
            n += text->data[i] != '#';
            blank = 0;
        }
    }

    return n;
}


static void
referral_signature_read(referral_signature_keys_t *keys,
    referral_signature_reader_t *r, const referral_str_t *text)
{
    u_char          *p, *end, *eol;
    referral_str_t   line;

    p = text->data;
    end = p + text->len;

    /* some editors put a mark of the byte order before a text */

    if (text->len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        p += 3;
    }

    while (p != end) {
        eol = memchr(p, '\n', end - p);

        line.data = p;
        line.len = (eol ? eol : end) - p;

        p = eol ? eol + 1 : end;

        r->line++;

        referral_str_trim(&line);

        if (line.len && line.data[0] != '#') {
            referral_signature_line(keys, r, &line);
        }
    }
}


static void
referral_signature_line(referral_signature_keys_t *keys,
    referral_signature_reader_t *r, const referral_str_t *line)
{
    const char      *what;
    referral_str_t   left, program, id, secret;

    left = *line;

    referral_signature_word(&program, &left);
    referral_signature_word(&id, &left);
    referral_signature_word(&secret, &left);

    if (secret.len == 0 || left.len) {
        what = referral_signature_form;

    } else if (!referral_program_valid(&program)) {
        what = "a program is 1 to 64 of a-z, 0-9, \"_\", \".\", \"-\"";

    } else if (!referral_word_valid(&id)) {
        what = "the id of a key is 1 to 32 of a-z, 0-9, \"_\", \".\", \"-\"";

    } else {
        what = referral_signature_add(keys, r->line, &program, &id, &secret);
    }

    if (what != NULL) {
        referral_signature_wrong(r, r->line, what);
    }
}


/* the first word of what is left, and the blanks behind it go */

static void
referral_signature_word(referral_str_t *word, referral_str_t *left)
{
    size_t  n;

    for (n = 0; n < left->len; n++) {
        if (left->data[n] == ' ' || left->data[n] == '\t') {
            break;
        }
    }

    word->data = left->data;
    word->len = n;

    left->data += n;
    left->len -= n;

    referral_str_trim(left);
}


static const char *
referral_signature_add(referral_signature_keys_t *keys, unsigned line,
    const referral_str_t *program, const referral_str_t *id,
    const referral_str_t *secret)
{
    const char                *what;
    referral_signature_key_t  *key;

    key = &keys->key[keys->n];

    what = referral_signature_secret(&key->hmac, secret);

    if (what != NULL) {
        return what;
    }

    key->program_len = (uint8_t) program->len;
    key->id_len = (uint8_t) id->len;
    key->line = line;

    memcpy(key->program, program->data, program->len);
    memcpy(key->id, id->data, id->len);

    what = referral_signature_twice(keys, key);

    if (what == NULL) {
        keys->n++;
    }

    return what;
}


static const char *
referral_signature_secret(referral_hmac_t *hmac, const referral_str_t *secret)
{
    u_char           key[REFERRAL_SIGNATURE_SECRET_MAX];
    ssize_t          n;
    const char      *what;
    referral_str_t   text;

    static const char  prefix[] = "whsec_";

    if (secret->len < sizeof(prefix) - 1
        || memcmp(secret->data, prefix, sizeof(prefix) - 1) != 0)
    {
        return "a secret begins with \"whsec_\"";
    }

    text.data = secret->data + sizeof(prefix) - 1;
    text.len = secret->len - (sizeof(prefix) - 1);

    n = referral_signature_base64(key, sizeof(key), &text);
    what = NULL;

    if (n == REFERRAL_ERROR) {
        what = "behind \"whsec_\" a secret is base64";

    } else if (n < REFERRAL_SIGNATURE_SECRET_MIN
               || n > REFERRAL_SIGNATURE_SECRET_MAX)
    {
        what = "a secret has 24 to 64 bytes: \"openssl rand -base64 32\" "
               "makes one";

    } else if (referral_digest_key(hmac, key, n) != REFERRAL_OK) {
        what = "libcrypto does not take it";
    }

    referral_digest_wipe(key, sizeof(key));

    return what;
}


/*
 * RFC 4648, section 4, padded or not.  How many bytes it is, of which as many
 * are written as there are bytes in "out"; REFERRAL_ERROR: it is none.
 */

static ssize_t
referral_signature_base64(u_char *out, size_t size, const referral_str_t *text)
{
    u_char          url[REFERRAL_SIGNATURE_TEXT];
    size_t          i;
    ssize_t         n;
    referral_str_t  s;

    s = *text;

    if (s.len % 4 == 0 && s.len && s.data[s.len - 1] == '=') {
        s.len--;
        s.len -= s.data[s.len - 1] == '=';
    }

    if (s.len > sizeof(url)) {
        return (ssize_t) size + 1;
    }

    for (i = 0; i < s.len; i++) {

        if (s.data[i] == '-' || s.data[i] == '_') {
            return REFERRAL_ERROR;
        }

        url[i] = s.data[i] == '+' ? '-' : s.data[i] == '/' ? '_' : s.data[i];
    }

    s.data = url;

    n = referral_base64url_decode(out, size, &s);

    referral_digest_wipe(url, sizeof(url));

    return n;
}


/* against all lines before */

static const char *
referral_signature_twice(const referral_signature_keys_t *keys,
    const referral_signature_key_t *key)
{
    int                              program;
    size_t                           i, n;
    referral_str_t                   name;
    const referral_signature_key_t  *other;

    n = 0;

    name.data = (u_char *) key->program;
    name.len = key->program_len;

    for (i = 0; i < keys->n; i++) {
        other = &keys->key[i];

        program = referral_signature_compare(other, &name) == 0;
        n += program;

        if (memcmp(&other->hmac, &key->hmac, sizeof(referral_hmac_t)) == 0) {
            return program ? "the program has this secret already"
                           : "this secret is another program's, and would "
                             "write to both";
        }

        if (program && other->id_len == key->id_len
            && memcmp(other->id, key->id, key->id_len) == 0)
        {
            return "the program has a key of this id already";
        }
    }

    return n < REFERRAL_SIGNATURE_KEYS ? NULL
                                       : "a program has at most 8 keys";
}


static void
referral_signature_wrong(referral_signature_reader_t *r, unsigned line,
    const char *what)
{
    r->mistakes++;
    r->wrong(r->data, line, what);
}


static int
referral_signature_order(const void *one, const void *two)
{
    int                              rc;
    referral_str_t                   program;
    const referral_signature_key_t  *a, *b;

    a = one;
    b = two;

    program.data = (u_char *) b->program;
    program.len = b->program_len;

    rc = referral_signature_compare(a, &program);

    return rc ? rc : (a->line > b->line) - (a->line < b->line);
}


static int
referral_signature_compare(const referral_signature_key_t *key,
    const referral_str_t *program)
{
    if (key->program_len != program->len) {
        return key->program_len < program->len ? -1 : 1;
    }

    return memcmp(key->program, program->data, program->len);
}


int
referral_signature_known(const referral_signature_keys_t *keys,
    const referral_str_t *program)
{
    size_t  n;

    return referral_signature_find(keys, program, &n) != NULL;
}


/* the program's first key, and how many it has; or NULL */

static const referral_signature_key_t *
referral_signature_find(const referral_signature_keys_t *keys,
    const referral_str_t *program, size_t *n)
{
    size_t                           low, high, middle;
    const referral_signature_key_t  *key;

    low = 0;
    high = keys->n;

    while (low < high) {
        middle = (low + high) / 2;

        if (referral_signature_compare(&keys->key[middle], program) < 0) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    key = &keys->key[low];

    for (*n = 0; low + *n < keys->n; (*n)++) {
        if (referral_signature_compare(&key[*n], program) != 0) {
            break;
        }
    }

    return *n ? key : NULL;
}


referral_signature_e
referral_signature_verify(const referral_signature_keys_t *keys,
    const referral_str_t *program, const referral_signature_message_t *message,
    int64_t now, referral_str_t *key_id)
{
    size_t                           i, j, n, found;
    u_char                           mac[REFERRAL_SIGNATURE_MAC];
    int64_t                          sent;
    unsigned                         tried;
    referral_str_t                   candidate[REFERRAL_SIGNATURE_TRIED];
    const referral_signature_key_t  *key;

    if (!referral_signature_id_valid(&message->id)) {
        return REFERRAL_SIGNATURE_ID;
    }

    sent = referral_signature_time(&message->timestamp);

    if (sent < 0) {
        return REFERRAL_SIGNATURE_TIMESTAMP;
    }

    if (sent < now - REFERRAL_SIGNATURE_TOLERANCE) {
        return REFERRAL_SIGNATURE_OLD;
    }

    if (sent > now + REFERRAL_SIGNATURE_TOLERANCE) {
        return REFERRAL_SIGNATURE_AHEAD;
    }

    tried = referral_signature_candidates(candidate, &message->signature);

    if (tried == 0) {
        return REFERRAL_SIGNATURE_MISSING;
    }

    key = referral_signature_find(keys, program, &n);

    if (key == NULL) {
        return REFERRAL_SIGNATURE_KEY;
    }

    for (i = 0; i < n; i++) {

        if (referral_signature_sign(mac, &key[i], message) != REFERRAL_OK) {
            return REFERRAL_SIGNATURE_FAILED;
        }

        /* all of them, so that time does not tell which one it was */

        found = 0;

        for (j = 0; j < tried; j++) {
            found |= referral_digest_equal(candidate[j].data, mac,
                                           REFERRAL_SIGNATURE_MAC);
        }

        if (found) {
            key_id->data = (u_char *) key[i].id;
            key_id->len = key[i].id_len;

            return REFERRAL_SIGNATURE_OK;
        }
    }

    return REFERRAL_SIGNATURE_MISMATCH;
}


int
referral_signature_make(u_char *out, const referral_signature_keys_t *keys,
    const referral_str_t *program, const referral_signature_message_t *message)
{
    size_t                           n;
    const referral_signature_key_t  *key;

    key = referral_signature_find(keys, program, &n);

    if (key == NULL || !referral_signature_id_valid(&message->id)
        || referral_signature_time(&message->timestamp) < 0)
    {
        return REFERRAL_DECLINED;
    }

    memcpy(out, "v1,", 3);

    return referral_signature_sign(out + 3, key, message);
}


/* without a point: it would end the id in what is signed */

static int
referral_signature_id_valid(const referral_str_t *id)
{
    size_t  i;

    if (id->len == 0 || id->len > REFERRAL_SIGNATURE_ID_MAX) {
        return 0;
    }

    for (i = 0; i < id->len; i++) {
        if (id->data[i] < '!' || id->data[i] > '~' || id->data[i] == '.') {
            return 0;
        }
    }

    return 1;
}


static int64_t
referral_signature_time(const referral_str_t *timestamp)
{
    if (timestamp->len > REFERRAL_SIGNATURE_TIME) {
        return REFERRAL_ERROR;
    }

    return referral_str_uint(timestamp, INT64_MAX);
}


/* those of version 1; a sender that changes its key sends several */

static unsigned
referral_signature_candidates(referral_str_t *candidate,
    const referral_str_t *header)
{
    unsigned        n;
    referral_str_t  left, word;

    n = 0;
    left = *header;

    referral_str_trim(&left);

    while (left.len && n < REFERRAL_SIGNATURE_TRIED) {
        referral_signature_word(&word, &left);

        if (word.len == REFERRAL_SIGNATURE_LEN
            && memcmp(word.data, "v1,", 3) == 0)
        {
            candidate[n].data = word.data + 3;
            candidate[n].len = REFERRAL_SIGNATURE_MAC;
            n++;
        }
    }

    return n;
}


/* the MAC in base64, REFERRAL_SIGNATURE_MAC bytes */

static int
referral_signature_sign(u_char *out, const referral_signature_key_t *key,
    const referral_signature_message_t *message)
{
    u_char          mac[REFERRAL_SHA256_SIZE];
    size_t          i;
    referral_buf_t  b;
    referral_str_t  part[5];

    part[0] = message->id;
    part[1] = (referral_str_t) referral_string(".");
    part[2] = message->timestamp;
    part[3] = part[1];
    part[4] = message->body;

    if (referral_digest_mac(mac, &key->hmac, part, 5) != REFERRAL_OK) {
        return REFERRAL_ERROR;
    }

    referral_buf_init(&b, out, REFERRAL_SIGNATURE_MAC);
    referral_buf_base64url(&b, mac, sizeof(mac));
    referral_buf_putc(&b, '=');

    for (i = 0; i < REFERRAL_SIGNATURE_MAC; i++) {

        if (out[i] == '-') {
            out[i] = '+';

        } else if (out[i] == '_') {
            out[i] = '/';
        }
    }

    return b.overflow ? REFERRAL_ERROR : REFERRAL_OK;
}


referral_str_t
referral_signature_code(unsigned result)
{
    static const referral_str_t  codes[REFERRAL_SIGNATURES] = {
        referral_string("signature_ok"),
        referral_string("signature_id"),
        referral_string("signature_timestamp"),
        referral_string("signature_old"),
        referral_string("signature_ahead"),
        referral_string("signature_missing"),
        referral_string("signature_key"),
        referral_string("signature_mismatch"),
        referral_string("signature_failed")
    };

    return codes[result < REFERRAL_SIGNATURES ? result
                                              : REFERRAL_SIGNATURE_FAILED];
}


referral_str_t
referral_signature_detail(unsigned result)
{
    static const referral_str_t  details[REFERRAL_SIGNATURES] = {
        referral_string("the signature is right"),
        referral_string("\"webhook-id\" is 1 to 128 characters of ASCII "
                        "without blanks and \".\""),
        referral_string("\"webhook-timestamp\" is in seconds since 1970"),
        referral_string("it was signed more than 5 minutes ago: sent again, "
                        "it is signed again"),
        referral_string("it was signed more than 5 minutes ahead of this "
                        "host's clock"),
        referral_string("\"webhook-signature\" is \"v1,\" and the base64 of "
                        "an HMAC-SHA256 of id, \".\", timestamp, \".\" and "
                        "body"),
        referral_string("no key of this program is known here"),
        referral_string("the signature is not that of this body under a key "
                        "of this program"),
        referral_string("the signature could not be looked at")
    };

    return details[result < REFERRAL_SIGNATURES ? result
                                                : REFERRAL_SIGNATURE_FAILED];
}
