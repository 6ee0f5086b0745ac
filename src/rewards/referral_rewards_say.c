#include <stdarg.h>

#include "referral_rewards_core.h"


#define REFERRAL_REWARDS_RIGHT  1024     /* bytes of what would be right */


static void referral_rewards_say(referral_rewards_read_t *r, unsigned line,
    const referral_str_t *word, unsigned warning, const char *right,
    va_list args);
static referral_str_t referral_rewards_said(const referral_rewards_read_t *r,
    const referral_rewards_line_t *line, unsigned word);


void
referral_rewards_wrong(referral_rewards_read_t *r, const char *right, ...)
{
    va_list  args;

    va_start(args, right);
    referral_rewards_say(r, r->number, &r->word, 0, right, args);
    va_end(args);
}


void
referral_rewards_wrong_at(referral_rewards_read_t *r,
    const referral_rewards_line_t *line, unsigned word, const char *right, ...)
{
    va_list         args;
    referral_str_t  said;

    said = referral_rewards_said(r, line, word);

    va_start(args, right);
    referral_rewards_say(r, line->number, &said, 0, right, args);
    va_end(args);
}


void
referral_rewards_warn_at(referral_rewards_read_t *r,
    const referral_rewards_line_t *line, unsigned word, const char *right, ...)
{
    va_list         args;
    referral_str_t  said;

    said = referral_rewards_said(r, line, word);

    va_start(args, right);
    referral_rewards_say(r, line->number, &said, 1, right, args);
    va_end(args);
}


/* a word of the line as it stands in the text; the first if it is not said */

static referral_str_t
referral_rewards_said(const referral_rewards_read_t *r,
    const referral_rewards_line_t *line, unsigned word)
{
    size_t          n;
    u_char         *p, *last;
    referral_str_t  said, *text;

    text = &r->rewards->text;

    if (word < REFERRAL_REWARDS_WORDS && referral_rewards_given(line, word)) {
        said.data = text->data + line->said[word].at;
        said.len = line->said[word].len;

        return said;
    }

    p = text->data;
    last = text->data + text->len;

    for (n = 1; n < line->number; n++) {
        p = (u_char *) memchr(p, '\n', last - p) + 1;
    }

    while (p < last && (*p == ' ' || *p == '\t' || *p == '\r')) {
        p++;
    }

    said.data = p;

    while (p < last && *p > ' ') {
        p++;
    }

    said.len = p - said.data;

    return said;
}


static void
referral_rewards_say(referral_rewards_read_t *r, unsigned line,
    const referral_str_t *word, unsigned warning, const char *right,
    va_list args)
{
    u_char                        *p, *start, out[REFERRAL_REWARDS_RIGHT];
    referral_buf_t                 b;
    const referral_str_t          *s;
    referral_rewards_complaint_t   complaint;

    if (!warning && r->mistakes++ >= REFERRAL_REWARDS_MISTAKES) {
        return;
    }

    if (r->complain == NULL) {
        return;
    }

    referral_buf_init(&b, out, sizeof(out));

    for ( /* void */ ; *right; right++) {

        if (right[0] != '%' || right[1] != 'V') {
            referral_buf_putc(&b, *right);
            continue;
        }

        right++;

        s = va_arg(args, const referral_str_t *);
        referral_buf_str(&b, s);
    }

    complaint.line = line;
    complaint.column = 0;
    complaint.warning = warning;
    complaint.word = *word;
    complaint.right.data = out;
    complaint.right.len = b.pos - out;

    start = r->rewards->text.data;

    if (line && word->data) {
        for (p = word->data; p > start && p[-1] != '\n'; p--) { /* void */ }

        complaint.column = word->data - p + 1;
    }

    r->complain(r->data, &complaint);
}
