/* link: referral_rewards.c referral_rewards_word.c referral_rewards_say.c referral_rewards_value.c referral_rewards_amount.c referral_rewards_check.c referral_rewards_warn.c referral_conditions.c referral_unit.c referral_name.c referral_code.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_str.c */

/*
 * Reward rules of a program, which anybody who may edit it wrote: what is
 * taken stays within the text and the bounds, what is refused was told.
 */

#include "fuzz.h"
#include "referral_rewards.h"


typedef struct {
    const referral_str_t  *text;
    unsigned               mistakes;
    unsigned               warnings;
} told_t;


static int
inside(const referral_str_t *text, const referral_str_t *s)
{
    return s->len == 0
           || (s->data >= text->data
               && s->data + s->len <= text->data + text->len);
}


static void
complain(void *data, const referral_rewards_complaint_t *c)
{
    told_t *t = data;

    fuzz_check(c->right.len > 0 && inside(t->text, &c->word));
    fuzz_check(c->line == 0 || c->column > 0);

    t->warnings += c->warning;
    t->mistakes += !c->warning;
}


static void
fuzz_seeds(void)
{
    fuzz_seed_text("unit=SGD/2,USD/2\ncap=c per=referrer amount=9.00SGD "
        "every=year\nrule=invite on=ride nth=1 within=90d since=lead "
        "city=San_Francisco to=both give=10.00SGD life=90d cap=c over=clip\n"
        "contest=w of=invite every=week min=5 rank=1-2 give=3.00SGD,1.00SGD "
        "tie=first grace=24h\nfraud=self,same_email do=reject\n");
    fuzz_seed_text("set=terms:event,refunds:60d\nunit=pt/0\n"
        "rule=a on=lead+x,y x.k=v,!w starts=2026-12-01 ends=2026-12-31 "
        "clock=order to=referrer give=prize:a|b choose=30d\n"
        "rule=b on=rule:a friends=1-2 to=both give=draw:5pt@80,9pt@20 "
        "hold=until:x pay=code:g undo=share\nboost=s rule=a,b x=1.5\n"
        "tier=t friends=3 of=b every=year\nstep=s on=x\n"
        "nudge=n missing=s on=rule:a after=3d\nitem=i price=4pt stock=2\n"
        "goal=g metric=rate target=5 every=month\nbadge=d friends=3 of=a\n");
    fuzz_seed_text("unit=EUR/2\nrule=r on=sale each=order months=12 "
        "to=referrer give=7.5% upto=9.00EUR country=!JP region=JP-13\n"
        "fraud=mutual do=score:20 review=14d then=approve\nset=late:60d\n");
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    told_t                     told;
    unsigned                   i, mistakes;
    referral_str_t             text;
    referral_rewards_line_t   *line;

    static referral_rewards_t  rewards;

    text = fuzz_copy(data, size);

    memset(&told, 0, sizeof(told_t));
    told.text = &text;

    mistakes = referral_rewards_parse(&rewards, &text, complain, &told);

    fuzz_check(mistakes ? told.mistakes > 0 && told.warnings == 0
                        : told.mistakes == 0);
    fuzz_check(told.mistakes <= REFERRAL_REWARDS_MISTAKES);
    fuzz_check(rewards.nlines <= REFERRAL_REWARDS_LINES
               && rewards.nrules <= rewards.nlines
               && rewards.nunits <= REFERRAL_REWARDS_UNITS
               && rewards.nvalues <= REFERRAL_REWARDS_VALUES
               && rewards.ngifts <= REFERRAL_REWARDS_GIFTS);

    for (i = 0; i < rewards.nvalues; i++) {
        fuzz_check(inside(&text, &rewards.values[i].text));
    }

    for (i = 0; i < rewards.nlines && mistakes == 0; i++) {
        line = &rewards.lines[i];

        fuzz_check(inside(&text, &line->name) && inside(&text, &line->pool));
        fuzz_check(line->gift + line->ngifts <= rewards.ngifts);
        fuzz_check(line->on.first + line->on.n <= rewards.nvalues);
        fuzz_check(line->within >= 0 && line->hold >= 0 && line->life >= 0);
        fuzz_check(line->min.amount >= 0
                   && line->min.amount <= REFERRAL_AMOUNT_MAX);

        if (line->kind == REFERRAL_REWARDS_RULE) {
            fuzz_check(line->ngifts > 0 && line->on.n > 0);
        }

        if (line->cap.len) {
            fuzz_check(rewards.lines[line->cap_line].kind
                       == REFERRAL_REWARDS_CAP);
        }
    }

    fuzz_done();

    return 0;
}
