
#include "referral_result.h"


static const referral_str_t  referral_results[] = {
    referral_string("landing"),
    referral_string("ended"),
    referral_string("not_started"),
    referral_string("disabled"),
    referral_string("paused"),
    referral_string("refused"),
    referral_string("unresolved"),
    referral_string("unknown")
};


referral_str_t
referral_result_name(unsigned result)
{
    static const referral_str_t  none = referral_string("");

    return result < REFERRAL_RESULTS ? referral_results[result] : none;
}
