/* link: referral_rewards.c referral_rewards_word.c referral_rewards_say.c referral_rewards_value.c referral_rewards_amount.c referral_rewards_check.c referral_rewards_warn.c referral_conditions.c referral_unit.c referral_name.c referral_code.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_str.c */

/*
 * protects: that reward rules mean what was written, and that a mistake is
 * found where it stands
 */

#include "referral_rewards.h"
#include "unit.h"


typedef struct {
    unsigned  mistakes;
    unsigned  warnings;
    unsigned  line;          /* of the first */
    unsigned  column;
    char      word[256];
    char      right[1025];
} told_t;


static referral_rewards_t  rewards;
static told_t              told;


static void
complain(void *data, const referral_rewards_complaint_t *c)
{
    told_t *t = data;

    if (t->mistakes + t->warnings == 0) {
        t->line = c->line;
        t->column = c->column;

        snprintf(t->word, sizeof(t->word), "%.*s", (int) c->word.len,
                 c->word.data);
        snprintf(t->right, sizeof(t->right), "%.*s", (int) c->right.len,
                 c->right.data);
    }

    t->warnings += c->warning;
    t->mistakes += !c->warning;
}


static unsigned
parse(const char *s)
{
    referral_str_t  text;

    text.data = (u_char *) s;
    text.len = strlen(s);

    memset(&told, 0, sizeof(told_t));

    return referral_rewards_parse(&rewards, &text, complain, &told);
}


/* a line among others that it may name */

static const char *
among(const char *line)
{
    static char  text[4096];

    snprintf(text, sizeof(text),
             "%s\nunit=EUR/2,pt/0\ncap=c per=friend count=3\n"
             "cap=a per=referrer amount=9.00EUR\n"
             "rule=base on=txn to=friend give=1pt hold=1d\n"
             "tier=gold friends=3 of=base\n", line);

    return text;
}


#define RULE  "rule=r on=sale to=referrer give=1.00EUR "


/* each line is right by itself, and wrong with the word that follows */

static const char *const  lines[][2] = {

    { "set=terms:lead", "set=terms:never" },
    { "set=terms:event,boosts:multiply,debt:yes,refunds:9d", "set=debt:9" },
    { "set=boosts:max", "set=zone:+08:00" },
    { "set=refunds:400d", "set=refunds:400" },
    { "set=debt:yes", "set=late:60d" },
    { "set=debt:no", "set=debt:maybe" },
    { "set=debt:yes", "set=bind:ever" },
    { "set=debt:yes", "set=attribution:bound" },
    { "unit=MB/0", "unit=MB" },
    { "unit=JPY/0", "unit=JPY/2" },
    { "unit=KWD/3", "unit=prize/0" },
    { "unit=USD/2", "unit=EUR/2" },

    { RULE, "rule=R on=sale to=referrer give=1.00EUR" },
    { RULE, "rule=r,s on=sale to=referrer give=1.00EUR" },
    { RULE, "rule=!r on=sale to=referrer give=1.00EUR" },
    { RULE, "rule=r to=referrer give=1.00EUR" },
    { RULE, "rule=r on=sale give=1.00EUR" },
    { RULE, "rule=r on=sale to=referrer" },
    { RULE, "rul=r on=sale to=referrer give=1.00EUR" },

    { "rule=r on=lead,sale to=both give=1pt",
      "rule=r on=refund to=both give=1pt" },
    { "rule=r on=a+b to=both give=1pt", "rule=r on=a+ to=both give=1pt" },
    { "rule=r on=rule:base to=both give=1pt",
      "rule=r on=rule:none to=both give=1pt" },
    { "rule=r on=rule:base to=both give=1pt",
      "rule=r on=rule:base,sale to=both give=1pt" },
    { "rule=r on=rule:base to=both give=1pt",
      "rule=r on=rule:r to=both give=1pt" },
    { "rule=r on=rule:base friends=3 to=both give=1pt",
      "rule=r on=rule:base nth=3 to=both give=1pt" },
    { "rule=r on=sale sum=5.00EUR to=both give=1pt",
      "rule=r on=rule:base sum=5.00EUR to=both give=1pt" },

    { RULE "nth=1", RULE "nth=0" },
    { RULE "sum=5.00EUR", RULE "sum=5EUR" },
    { RULE "friends=1-2", RULE "friends=2-1" },
    { RULE "friends=6-", RULE "friends=-6" },
    { RULE "friends=3", RULE "friends=3-0" },
    { RULE "within=30d", RULE "within=30" },
    { RULE "within=30d since=lead", RULE "since=lead" },
    { RULE "within=30d since=sale", RULE "within=30d since=a-b" },
    { RULE "min=5.00EUR", RULE "min=5.00USD" },
    { RULE "min=5.00EUR max=5.00EUR", RULE "min=5.00EUR max=4.99EUR" },
    { RULE "max=5pt", RULE "max=5.00pt" },
    { RULE "product=a,b", RULE "product=a,B" },
    { RULE "product=!a", RULE "product=" },
    { RULE "role=guest", RULE "role=Guest" },
    { RULE "segment=vip", RULE "segment=a/b" },
    { RULE "friend=student", RULE "friend=Student" },
    { RULE "tier=gold", RULE "tier=lead" },
    { RULE "country=JP,!KR", RULE "country=jp" },
    { RULE "region=JP-13", RULE "region=JP" },
    { RULE "city=San_Francisco", RULE "city=,x" },
    { RULE "channel=mail", RULE "channel=Mail" },
    { RULE "variant=b", RULE "variant=B" },
    { RULE "code=Aiko7", RULE "code=Ai.ko" },
    { RULE "party=!referrer", RULE "party=host" },
    { RULE "known=yes", RULE "known=maybe" },
    { RULE "starts=2026-12-01", RULE "starts=1.12.2026" },
    { RULE "starts=2026-12-01 ends=2026-12-01",
      RULE "starts=2026-12-02 ends=2026-12-01" },
    { RULE "ends=2026-12-01T10:30Z", RULE "ends=2026-02-30" },
    { RULE "clock=order", RULE "clock=utc" },
    { RULE "place=event", RULE "place=click" },
    { RULE "x.size=L,XL x.kind=a", RULE "x.size=L x.size=XL" },
    { RULE "x.size=L", RULE "x.Size=L" },
    { RULE "x.a=1 x.b=1 x.c=1 x.d=1", RULE "x.a=1 x.b=1 x.c=1 x.d=1 x.e=1" },

    { "rule=r on=sale to=friend give=1pt", "rule=r on=sale to=us give=1pt" },
    { "rule=r on=sale to=both give=7.5%", "rule=r on=sale to=both give=0%" },
    { "rule=r on=sale to=both give=10% upto=5.00EUR",
      "rule=r on=sale to=both give=10pt upto=5.00EUR" },
    { "rule=r on=sale to=both give=10%",
      "rule=r on=rule:base to=both give=10%" },
    { "rule=r on=sale to=both give=prize:a|b choose=30d",
      "rule=r on=sale to=both give=prize:a|b" },
    { "rule=r on=sale to=both give=prize:a",
      "rule=r on=sale to=both give=prize:a choose=30d" },
    { "rule=r on=sale to=both give=prize:a",
      "rule=r on=sale to=both give=prize:a|" },
    { "rule=r on=sale to=both give=draw:5.00EUR@80,50.00EUR@20",
      "rule=r on=sale to=both give=draw:5.00EUR@80,50.00EUR@19" },
    { "rule=r on=sale to=both give=draw:5.00EUR@80,50.00EUR@20",
      "rule=r on=sale to=both give=draw:5.00EUR@80,50pt@20" },
    { "rule=r on=sale to=both give=1pt",
      "rule=r on=sale to=both give=1pt,2pt" },
    { "rule=r on=sale to=both give=1pt", "rule=r on=sale to=both give=0pt" },
    { RULE "hold=7d", RULE "hold=7" },
    { RULE "hold=until:checkout", RULE "hold=until:" },
    { RULE "life=365d", RULE "life=3651d" },
    { RULE "life=365d slide=yes", RULE "slide=yes" },
    { RULE "use=once", RULE "use=twice" },
    { RULE "use_min=75.00EUR", RULE "use_min=75" },
    { RULE "restore=yes", RULE "restore=1" },
    { RULE "pay=webhook", RULE "pay=cash" },
    { RULE "pay=code:gift", RULE "pay=code" },
    { RULE "pay=credit", "rule=r on=sale to=both give=prize:a pay=code:g" },
    { RULE "cap=c", RULE "cap=d" },
    { RULE "cap=a over=clip", RULE "cap=c over=clip" },
    { RULE "cap=a over=deny", RULE "over=deny" },
    { RULE "cap=a", "rule=r on=sale to=both give=1pt cap=a" },
    { RULE "undo=share", RULE "undo=half" },
    { RULE "count=p9", RULE "count=P9" },
    { RULE "each=order", RULE "each=day" },
    { RULE "each=order friends=3", RULE "each=event friends=3" },
    { RULE "each=order months=12", RULE "months=12" },
    { RULE "nth=1", RULE "nth=1 nth=2" },
    { RULE "nth=1", RULE "nth=1,2" },
    { RULE "nth=1", RULE "nth=!1" },
    { RULE "nth=1 # first", RULE "first" },
    { RULE "nth=1", RULE "=1" },
    { RULE "nth=1", RULE "window=30d" },

    { "cap=x per=program count=1 every=day", "cap=x count=1" },
    { "cap=x per=friend amount=1pt every=ever", "cap=x per=friend" },
    { "cap=x per=friend count=1",
      "cap=x per=friend count=1 amount=1pt" },
    { "cap=x per=friend count=1", "cap=c per=friend count=1" },
    { "cap=x per=friend count=1 every=week",
      "cap=x per=friend count=1 every=hour" },

    { "boost=b rule=base x=2", "boost=b rule=none x=2" },
    { "boost=b rule=base x=1.5 to=friend", "boost=b rule=base x=1.2345" },
    { "boost=b rule=base x=0.5 segment=vip tier=gold", "boost=b rule=base" },
    { "boost=b rule=base x=2 starts=2026-01-01 ends=2026-01-02 clock=lead",
      "boost=b rule=!base x=2" },
    { "tier=t friends=3 of=base every=year", "tier=t friends=1-3 of=base" },
    { "badge=t friends=3 of=base every=ever", "badge=t friends=3" },

    { "contest=k of=base every=week min=5 rank=1-2 give=2pt,prize:bag "
      "tie=first grace=24h life=30d hold=1d pay=webhook",
      "contest=k of=base every=week rank=1-3 give=2pt,1pt" },
    { "contest=k of=base every=month rank=1-10",
      "contest=k of=base every=month rank=2-10" },
    { "contest=k of=base every=ever starts=2026-12-01 ends=2026-12-31",
      "contest=k of=base every=ever" },
    { "contest=k of=base every=day rank=1 give=5.00EUR cap=a",
      "contest=k of=base every=day rank=1 give=5% cap=a" },
    { "contest=k of=base every=day", "contest=k of=base every=day life=9d" },
    { "contest=k of=base every=day", "contest=k of=base every=day tie=share" },

    { "nudge=n missing=base after=7d", "nudge=n missing=none after=7d" },
    { "nudge=n missing=txn after=7d on=rule:base since=lead",
      "nudge=n missing=txn after=7d on=txn" },
    { "nudge=n missing=txn after=7d", "nudge=n missing=txn" },
    { "step=paid on=txn", "step=paid" },
    { "step=paid on=txn,bill", "step=paid on=rule:base" },

    { "fraud=self,same_email do=reject", "fraud=guess do=reject" },
    { "fraud=same_address do=score:20", "fraud=same_address do=reject" },
    { "fraud=mutual do=hold review=14d then=approve",
      "fraud=mutual do=hold then=approve" },
    { "fraud=mutual do=reject", "fraud=mutual do=reject review=14d" },
    { "fraud=mutual,self do=hold", "fraud=self,mutual,self do=hold" },
    { "fraud=mutual do=score:120", "fraud=mutual do=score:1001" },

    { "item=i price=4000pt stock=200", "item=i price=4000" },
    { "goal=g metric=rate target=5 every=month",
      "goal=g metric=rate target=5 every=ever" },
    { "goal=g metric=leads target=5 every=day",
      "goal=g metric=clicks target=5 every=day" },
    { NULL, NULL }
};


static void
test_words(void)
{
    unsigned  i;

    for (i = 0; lines[i][0]; i++) {
        ok(parse(among(lines[i][0])) == 0, "right: %s (%s)", lines[i][0],
           told.right);
        ok(parse(among(lines[i][1])) > 0 && told.right[0]
           && (told.line == 1 || strncmp(lines[i][1], "cap=c", 5) == 0
               || strncmp(lines[i][1], "unit=EUR", 8) == 0),
           "wrong: %s: %s", lines[i][1], told.right);
    }
}


/* each word of the table stands in a right line above */

static void
test_all_words(void)
{
    char                      key[64];
    unsigned                  n, i, found;
    const char               *line;
    referral_rewards_entry_t  entry;

    for (n = 0; referral_rewards_entry(n, &entry) == REFERRAL_OK; n++) {

        snprintf(key, sizeof(key), "%s%.*s",
                 strcmp(entry.kind, entry.word) == 0 ? "" : " ",
                 (int) strcspn(entry.word, "K"), entry.word);

        for (i = 0, found = 0; lines[i][0] && !found; i++) {
            line = lines[i][0];

            found = strncmp(line, entry.kind, strlen(entry.kind)) == 0
                    && strstr(line, key) != NULL;
        }

        ok(found, "%s %s is tried", entry.kind, entry.word);
    }

    ok(n > 80, "the table has all words: %u", n);
}


static void
test_values(void)
{
    referral_rewards_line_t   *line;
    referral_rewards_gift_t   *gift;
    referral_rewards_value_t  *value;

    ok(parse("unit=KWD/3\n"
             "set=boosts:multiply,refunds:9d,debt:yes,terms:event\n"
             "rule=r on=a+b,c within=90m nth=2 min=1.234KWD city=!San_Jose "
             "starts=2026-12-01 ends=2026-12-31 to=both give=7.125% "
             "hold=1d cap=k each=order\n"
             "rule=s on=a to=friend give=draw:5.000KWD@80,6.000KWD@20\n"
             "rule=r on=d to=friend give=prize:a|b choose=1d\n"
             "cap=k per=program amount=0.001KWD every=month\n"
             "boost=b rule=r,s x=1.5\n") == 0, "a text: %s", told.right);

    ok(rewards.boosts == REFERRAL_BOOSTS_MULTIPLY
       && rewards.terms == REFERRAL_TERMS_EVENT
       && rewards.refunds == 9 * REFERRAL_DAY_MS, "set");

    ok(rewards.nrules == 2 && rewards.rules[0].n == 2
       && rewards.rules[1].n == 1
       && rewards.lines[rewards.rules[0].line[1]].number == 5,
       "lines of a name are alternatives in order");

    line = &rewards.lines[rewards.rules[0].line[0]];
    value = &rewards.values[line->on.first];

    ok(line->on.n == 3 && value[0].group == 0 && value[1].group == 0
       && value[2].group == 1, "all of a+b, or c");
    ok(line->within == 90 * 60000 && line->nth == 2
       && line->min.amount == 1234 && line->hold == REFERRAL_DAY_MS,
       "durations, numbers and amounts");
    ok(line->starts.local && line->ends.ms - line->starts.ms
       == 31 * REFERRAL_DAY_MS - 1, "a day ends before midnight");
    ok(rewards.values[line->city.first].negated, "!");
    ok(line->to == REFERRAL_TO_BOTH && line->each == REFERRAL_EACH_ORDER
       && rewards.lines[line->cap_line].kind == REFERRAL_REWARDS_CAP
       && rewards.lines[line->cap_line].limit.amount == 1,
       "sides, and the cap by its index");

    gift = &rewards.gifts[line->gift];
    ok(line->ngifts == 1 && gift->kind == REFERRAL_GIFT_PERCENT
       && gift->rate == 71250, "7.125 %% is exact");

    line = &rewards.lines[rewards.rules[1].line[0]];
    gift = &rewards.gifts[line->gift];
    ok(line->ngifts == 2 && gift[1].kind == REFERRAL_GIFT_DRAW
       && gift[1].weight == 20 && gift[1].amount.amount == 6000, "a draw");

    line = &rewards.lines[rewards.rules[0].line[1]];
    gift = &rewards.gifts[line->gift];
    ok(line->ngifts == 2 && gift[1].amount.unit == REFERRAL_REWARDS_PRIZE
       && gift[1].amount.amount == 1 && gift[1].prize.data[0] == 'b',
       "prizes");

    line = &rewards.lines[rewards.nlines - 1];
    ok(line->factor == 1500 && line->to == REFERRAL_TO_BOTH, "a boost");
}


/* "r0" waits for an event, and each other rule for the one before it */

static unsigned
chain(unsigned others)
{
    unsigned  i;
    char      text[4096];

    strcpy(text, "unit=pt/0\nrule=r0 on=x to=friend give=1pt\n");

    for (i = 1; i <= others; i++) {
        sprintf(text + strlen(text),
                "rule=r%u on=rule:r%u to=friend give=1pt\n", i, i - 1);
    }

    return parse(text);
}


static void
test_mistakes(void)
{
    unsigned  i;
    char      text[REFERRAL_REWARDS_TEXT + 2];

    ok(parse("# all\nunit=EUR/2\r\n  rule=r on=sale to=us give=5EUR nht=1\n"
             "cap=x\n") == 5 && told.mistakes == 5,
       "each mistake of a text is told: %u", told.mistakes);
    ok(told.line == 3 && told.column == 18 && strcmp(told.word, "to=us") == 0
       && strstr(told.right, "referrer, friend, both"),
       "with line, column, word and what would be right");

    (void) parse("unit=EUR/2\nset=late:60d\n");
    ok(strstr(told.right, "field late"), "a program's field is named");

    memset(text, '#', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    ok(parse(text) == 1 && told.line == 0, "16,385 bytes are too many");

    text[0] = '\0';
    for (i = 0; i < 65; i++) {
        sprintf(text + strlen(text), "step=s%u on=a\n", i);
    }
    ok(parse(text) == 1 && told.line == 65, "65 lines are too many");

    text[0] = '\0';
    for (i = 0; i < 300; i++) {
        strcat(text, "bad=1\n");
    }
    ok(parse(text) == 300 && told.mistakes == REFERRAL_REWARDS_MISTAKES,
       "mistakes are bounded");

    ok(parse("unit=pt/0\nrule=a on=rule:b to=friend give=1pt\n"
             "rule=b on=rule:a to=friend give=1pt\n") == 2, "a circle");
    ok(chain(8) == 0, "a rule behind 8 others");
    ok(chain(9) == 1 && told.line == 11 && strstr(told.right, "\"r9\""),
       "a rule behind 9 others is one too many: line %u, %s", told.line,
       told.right);
    ok(chain(20) == 1 && told.line == 11, "a longer chain is told once");

    ok(parse("step=a on=x\nunit=pt/0\nrule=a on=y to=friend give=1pt\n"
             "nudge=n missing=a after=1d\n") == 1
       && strstr(told.right, "both"), "a step and a rule of one name");
    ok(parse("fraud=self do=reject\nfraud=self do=hold\n") == 1,
       "a signal twice");
    ok(parse("") == 0 && rewards.nlines == 0, "an empty text has no rules");
}


static void
warned(const char *text, const char *what, int expected)
{
    ok(parse(text) == 0 && (told.warnings == 1) == expected
       && (!expected || strstr(told.right, what)), "%s: %u, %s", what,
       told.warnings, told.right);
}


#define UNIT  "unit=EUR/2\n"
#define CAP   "cap=c per=referrer count=9\n"
#define FREE  " to=friend give=5.00EUR hold=9d "


static void
test_warnings(void)
{
    warned(UNIT "rule=r on=lead" FREE, "farmed", 1);
    warned(UNIT "rule=r on=lead,x" FREE, "farmed", 1);
    warned(UNIT "rule=r on=lead+x" FREE, "farmed", 0);
    warned(UNIT "rule=r on=lead to=friend give=5.00EUR hold=until:sale",
           "farmed", 0);
    warned(UNIT "rule=r on=x to=referrer give=5.00EUR", "without cap=", 1);
    warned(UNIT CAP "rule=r on=x to=referrer give=5.00EUR cap=c",
           "without cap=", 0);
    warned(UNIT "rule=r on=sale to=friend give=5.00EUR", "refunded", 1);
    warned(UNIT "rule=r on=sale" FREE, "refunded", 0);
    warned(UNIT "rule=r on=x to=friend give=5% hold=9d", "grows", 1);
    warned(UNIT CAP, "limits nothing", 1);
    warned(UNIT "rule=r on=x region=JP-13" FREE, "never matches", 1);
    warned(UNIT "rule=r on=x country=JP" FREE, "never matches", 0);
    warned(UNIT "rule=r on=x pay=webhook" FREE, "stays available", 1);
    warned(UNIT "rule=r on=x pay=code:g" FREE, "no vouchers", 1);
    warned(UNIT "rule=r on=x pay=credit" FREE, "stays available", 0);
    warned(UNIT "rule=r on=x" FREE "\ncontest=c of=r every=week rank=1 "
           "give=5.00EUR pay=webhook", "stays available", 1);
    warned("fraud=self do=hold", "themselves", 1);

    warned(UNIT "rule=r on=x,y" FREE "\nrule=r on=x city=A" FREE,
           "never does", 1);
    warned(UNIT "rule=r on=x city=A" FREE "\nrule=r on=x" FREE,
           "never does", 0);
    warned(UNIT "rule=r on=x" FREE "\nrule=r on=x,y" FREE, "never does", 0);
    warned(UNIT "rule=r on=x country=JP,KR" FREE
           "\nrule=r on=x country=KR" FREE, "never does", 1);
    warned(UNIT "rule=r on=x country=!JP" FREE
           "\nrule=r on=x country=!KR" FREE, "never does", 0);
    warned(UNIT "rule=r on=x min=5.00EUR" FREE
           "\nrule=r on=x min=6.00EUR" FREE, "never does", 1);
    warned(UNIT "rule=r on=x nth=1 min=5.00EUR" FREE
           "\nrule=r on=x nth=1 min=6.00EUR" FREE, "never does", 0);
    warned(UNIT "rule=r on=x friends=1-3" FREE
           "\nrule=r on=x friends=2" FREE, "never does", 1);
    warned(UNIT "rule=r on=x starts=2026-01-01" FREE
           "\nrule=r on=x starts=2026-01-02 clock=lead" FREE, "never does", 0);
}


/* the programs that the grammar was made for, as short as can be */

static const char *const  programs[][2] = {

    { "uber",
      "unit=SGD/2,USD/2\n"
      "rule=invite on=ride nth=1 within=90d since=lead city=Singapore "
      "to=both give=10.00SGD life=90d\n"
      "rule=invite on=ride nth=1 within=90d since=lead "
      "city=San_Francisco to=both give=15.00USD life=90d\n"
      "rule=invite on=ride nth=1 within=90d since=lead to=both "
      "give=5.00USD life=90d\n"
      "rule=invite on=trip nth=20 within=30d since=lead "
      "city=Singapore to=referrer give=150.00SGD hold=7d pay=webhook\n"
      "rule=invite on=trip nth=50 within=30d since=lead "
      "city=San_Francisco to=referrer give=300.00USD hold=7d "
      "pay=webhook\n"
      "contest=weekly of=invite every=week min=5 rank=1-3 "
      "give=300.00SGD,200.00SGD,100.00SGD tie=first grace=24h\n"
      "fraud=self do=reject\n" },

    { "dropbox",
      "unit=MB/0\n"
      "cap=space per=referrer count=32\n"
      "rule=sender on=install+verify segment=plus to=referrer "
      "give=1000MB cap=space\n"
      "rule=sender on=install+verify to=referrer give=500MB cap=space\n"
      "rule=friend on=install+verify to=friend give=500MB\n"
      "fraud=same_device do=reject\n"
      "nudge=install missing=install after=3d since=lead\n" },

    { "airbnb",
      "unit=USD/2\n"
      "cap=travel per=referrer amount=5000.00USD\n"
      "rule=welcome on=lead to=friend give=40.00USD life=365d "
      "use=once use_min=75.00USD restore=no\n"
      "rule=guest on=checkout role=guest nth=1 min=75.00USD "
      "party=!referrer starts=2026-12-01 ends=2026-12-31 clock=lead "
      "to=referrer give=40.00USD life=365d cap=travel over=clip\n"
      "rule=guest on=checkout role=guest nth=1 min=75.00USD "
      "party=!referrer to=referrer give=20.00USD life=365d cap=travel "
      "over=clip\n"
      "rule=host on=checkout role=host nth=1 min=100.00USD "
      "party=!referrer within=180d since=lead to=referrer "
      "give=75.00USD life=365d cap=travel over=clip\n" },

    { "prime",
      "set=boosts:multiply\n"
      "unit=USD/2\n"
      "cap=year per=referrer count=50 every=year\n"
      "rule=prime on=sale product=prime nth=1 min=10.00USD "
      "to=referrer give=5.00USD hold=7d pay=code:gift cap=year\n"
      "rule=hello on=sale product=prime nth=1 min=10.00USD to=friend "
      "give=5.00USD hold=7d\n"
      "boost=student rule=prime segment=student x=2\n"
      "boost=primeday rule=prime starts=2026-07-07 ends=2026-07-08 "
      "clock=lead x=2\n" },

    { "tesla",
      "unit=pt/0\n"
      "cap=ten per=referrer count=10 every=year\n"
      "rule=ladder on=delivery product=vehicle each=order count=p9 "
      "friends=1-2 starts=2026-05-01 ends=2026-07-15 clock=order "
      "to=referrer give=prize:wall_connector|kids_car choose=30d\n"
      "rule=ladder on=delivery product=vehicle each=order count=p9 "
      "friends=3 starts=2026-05-01 ends=2026-07-15 clock=order "
      "to=referrer give=prize:solar_token\n"
      "rule=ladder on=delivery product=vehicle each=order count=p9 "
      "friends=4 starts=2026-05-01 ends=2026-07-15 clock=order "
      "to=referrer give=prize:wheels|week choose=30d\n"
      "rule=ladder on=delivery product=vehicle each=order count=p9 "
      "friends=5 starts=2026-05-01 ends=2026-07-15 clock=order "
      "to=referrer give=prize:powerwall\n"
      "rule=perk on=delivery product=vehicle each=order count=p9 "
      "friends=1-5 starts=2026-05-01 ends=2026-07-15 clock=order "
      "to=friend give=prize:charging\n"
      "rule=points on=delivery product=model3,modely "
      "starts=2026-07-16 clock=order each=order to=referrer "
      "give=2000pt cap=ten life=365d slide=yes\n"
      "rule=points on=delivery product=models,modelx "
      "starts=2026-07-16 clock=order each=order to=referrer "
      "give=3500pt cap=ten life=365d slide=yes\n"
      "rule=points on=permission product=solar_roof starts=2026-07-16 "
      "clock=order each=order to=referrer give=9000pt cap=ten "
      "life=365d slide=yes\n"
      "item=charger price=4000pt stock=200\n" },

    { "bank",
      "unit=pt/0,EUR/2\n"
      "cap=month per=referrer amount=6000pt every=month\n"
      "rule=open on=lead to=friend give=100pt\n"
      "rule=first on=txn nth=1 min=5.00EUR within=30d since=lead "
      "to=both give=500pt cap=month over=clip\n"
      "rule=spend on=txn sum=500.00EUR within=60d since=lead to=both "
      "give=1000pt cap=month over=clip\n"
      "rule=trio on=rule:spend friends=3 each=referrer to=both "
      "give=1500pt hold=14d cap=month over=clip\n"
      "tier=silver friends=3 of=spend every=year\n"
      "boost=silver rule=first,spend to=referrer tier=silver x=1.5\n"
      "badge=connector friends=3 of=spend\n"
      "contest=board of=spend every=month rank=1-10\n"
      "nudge=first missing=first after=7d since=lead\n"
      "nudge=spend missing=spend after=30d since=lead\n"
      "goal=rate metric=rate target=5 every=month\n" }
};


static void
test_programs(void)
{
    unsigned  i;

    for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        ok(parse(programs[i][1]) == 0 && rewards.nrules > 0, "%s: %s",
           programs[i][0], told.mistakes ? told.right : "right");
    }
}


int
main(void)
{
    test_words();
    test_all_words();
    test_programs();
    test_values();
    test_mistakes();
    test_warnings();

    return unit_done();
}
