/* link: referral_visitor.c referral_bots.c referral_automaton.c referral_str.c */

/*
 * A list of words as an operator may write it, up to the first zero byte, and
 * then a User-Agent.
 */

#include "fuzz.h"
#include "referral_visitor.h"


static void
fuzz_seeds(void)
{
    fuzz_seed_text("# machines\nbot googlebot\nbot ^curl/\nbot |bot|\n"
        "preview facebookexternalhit\nperson cubot\nbot crawler$\n\0"
        "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 "
        "Chrome/126.0.0.0 Mobile Safari/537.36");
    fuzz_seed_text("bot a b\nbot ab\nbot ba$\nperson abab\npreview |aba|\n\0"
        "abababab aba ba");
    fuzz_seed_text("bot  x\n\0x");
    fuzz_seed_text("bots xy\n\0xy");
    fuzz_seed_text("bot xy\npreview XY\n\0xy");
    fuzz_seed_text("bot xy\r\n\tperson\tyz\r\n\0wxyz");
    fuzz_seed_text("\0curl/8.5.0");
}


static unsigned
lower(unsigned c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}


/* is the word in the text at all?  flags are ignored */

static int
inside(const referral_str_t *ua, const referral_str_t *word)
{
    size_t  i, n, len;

    len = ua->len < REFERRAL_BOTS_UA_MAX ? ua->len : REFERRAL_BOTS_UA_MAX;

    for (i = 0; i + word->len <= len; i++) {

        for (n = 0; n < word->len; n++) {
            if (lower(ua->data[i + n]) != lower(word->data[n])) {
                break;
            }
        }

        if (n == word->len) {
            return 1;
        }
    }

    return 0;
}


static void
check(const referral_bots_t *bots, unsigned number, unsigned class,
    const referral_str_t *ua)
{
    const referral_bots_word_t  *word;

    if (number == 0) {
        return;
    }

    word = referral_bots_word(bots, number);

    fuzz_check(word != NULL);
    fuzz_check(word->class == class);
    fuzz_check(word->text.len >= 2 && word->text.len <= 64);
    fuzz_check(word->line > 0);
    fuzz_check(inside(ua, &word->text));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t          *end;
    referral_str_t          list, ua;
    referral_bots_t        *bots;
    referral_agent_t        agent;
    referral_bots_error_t   error;
    referral_bots_found_t   found;

    end = size ? memchr(data, '\0', size) : NULL;

    if (end == NULL) {
        end = data + size;
    }

    list = fuzz_copy(data, end - data);
    ua = fuzz_copy(end, data + size - end);

    if (ua.len) {
        ua.data++;
        ua.len--;
    }

    bots = referral_visitor_bots(&list, &error);

    if (bots == NULL) {
        fuzz_check(error.what != NULL && error.what[0] != '\0');
        goto done;
    }

    referral_bots_find(&found, bots, &ua);

    check(bots, found.bot, REFERRAL_BOTS_BOT, &ua);
    check(bots, found.preview, REFERRAL_BOTS_PREVIEW, &ua);
    check(bots, found.person, REFERRAL_BOTS_PERSON, &ua);

    referral_visitor_agent(&agent, bots, &ua);

    fuzz_check(agent.class == REFERRAL_CLASS_HUMAN
               || agent.class == REFERRAL_CLASS_BOT
               || agent.class == REFERRAL_CLASS_PREVIEW);
    fuzz_check((agent.class == REFERRAL_CLASS_HUMAN)
               == (agent.rule == REFERRAL_RULE_NONE));
    fuzz_check(found.preview == 0
               || agent.class == REFERRAL_CLASS_PREVIEW);

    referral_bots_free(bots);

done:

    fuzz_done();

    return 0;
}
