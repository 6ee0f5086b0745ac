
#include "referral_click_value.h"


static int referral_click_value_word(referral_str_t *rest,
    referral_str_t *word);


int
referral_click_value_parse(referral_click_value_t *click,
    const u_char *click_id, const referral_str_t *value)
{
    referral_str_t  rest, visitor, at, id;

    rest = *value;

    if (referral_click_value_word(&rest, &click->code) != REFERRAL_OK
        || referral_click_value_word(&rest, &visitor) != REFERRAL_OK
        || referral_click_value_word(&rest, &at) != REFERRAL_OK
        || referral_click_value_word(&rest, &click->first_code) != REFERRAL_OK
        || referral_click_value_word(&rest, &at) != REFERRAL_OK
        || referral_click_value_word(&rest, &id) != REFERRAL_OK
        || !referral_code_valid(&click->code))
    {
        return REFERRAL_ERROR;
    }

    click->has_visitor = referral_base64url_decode(click->visitor,
                                             REFERRAL_VISITOR_SIZE, &visitor)
                         == REFERRAL_VISITOR_SIZE;

    if (referral_str_is(&click->first_code, "=")
        || referral_str_is(&click->first_code, "-"))
    {
        click->first_code = click->code;
        memcpy(click->first_click_id, click_id, REFERRAL_CLICK_ID_SIZE);

        return REFERRAL_OK;
    }

    if (!referral_code_valid(&click->first_code)
        || referral_click_id_parse(click->first_click_id, &id) != REFERRAL_OK)
    {
        return REFERRAL_ERROR;
    }

    return REFERRAL_OK;
}


static int
referral_click_value_word(referral_str_t *rest, referral_str_t *word)
{
    u_char  *p;

    if (rest->len == 0) {
        return REFERRAL_ERROR;
    }

    word->data = rest->data;

    p = memchr(rest->data, ' ', rest->len);

    if (p == NULL) {
        word->len = rest->len;
        rest->len = 0;

    } else {
        word->len = p - rest->data;
        rest->len -= word->len + 1;
        rest->data = p + 1;
    }

    return word->len ? REFERRAL_OK : REFERRAL_ERROR;
}
