
#include <openssl/evp.h>

#include "referral_command.h"


int
referral_command_script(referral_script_t *script, const char *text,
    size_t len)
{
    u_char          md[EVP_MAX_MD_SIZE];
    unsigned        size;
    referral_buf_t  buf;

    if (EVP_Digest(text, len, md, &size, EVP_sha1(), NULL) != 1) {
        return REFERRAL_ERROR;
    }

    script->text.data = (u_char *) text;
    script->text.len = len;

    referral_buf_init(&buf, script->sha1, sizeof(script->sha1));
    referral_buf_hex(&buf, md, sizeof(script->sha1) / 2);

    return REFERRAL_OK;
}


void
referral_command_words(referral_buf_t *out, uint64_t n)
{
    referral_buf_putc(out, '*');
    referral_buf_uint(out, n);
    referral_buf_puts(out, "\r\n");
}


void
referral_command_put(referral_buf_t *out, const void *data, size_t len)
{
    referral_buf_putc(out, '$');
    referral_buf_uint(out, len);
    referral_buf_puts(out, "\r\n");
    referral_buf_put(out, data, len);
    referral_buf_puts(out, "\r\n");
}


void
referral_command_put_number(referral_buf_t *out, uint64_t n)
{
    u_char          data[20];
    referral_buf_t  buf;

    referral_buf_init(&buf, data, sizeof(data));
    referral_buf_uint(&buf, n);

    referral_command_put(out, data, buf.pos - data);
}


void
referral_command_eval(referral_buf_t *out, const referral_script_t *script,
    int full, uint64_t keys, uint64_t args)
{
    referral_command_words(out, 3 + keys + args);

    if (full) {
        referral_command_put(out, "EVAL", 4);
        referral_command_put(out, script->text.data, script->text.len);

    } else {
        referral_command_put(out, "EVALSHA", 7);
        referral_command_put(out, script->sha1, sizeof(script->sha1));
    }

    referral_command_put_number(out, keys);
}
