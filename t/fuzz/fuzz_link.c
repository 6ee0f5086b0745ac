/* link: referral_decide.c referral_record.c referral_link.c referral_code.c referral_visitor.c referral_bots.c referral_automaton.c referral_rules.c referral_template.c referral_conditions.c referral_url.c referral_time.c referral_timezone.c referral_timezone_rule.c referral_timezone_file.c referral_timezone_table.c referral_id.c referral_hash.c referral_str.c referral_lang.c referral_name.c referral_result.c -lcrypto */

/*
 * What may stand in Redis: fields of a program and a link, with rules,
 * templates and URLs, up to the Location of a click.
 *
 * The input is lines.  The first is the code, the second the visitor's
 * arguments, the third the value of all texts of the click; then fields,
 * "+name=value" of the link and "name=value" of the program.  A "\r" in a
 * value is a line end of its rules.
 */

#include "fuzz.h"
#include "referral_decide.h"


#define NOW     1795000000000LL
#define FIELDS  64


static const char       *complaint;
static volatile u_char   torn_sum;


static void
complain(void *data, const referral_str_t *field, unsigned line,
    const char *what)
{
    (void) data;
    (void) field;
    (void) line;

    complaint = what;
    fuzz_check(strlen(what) > 0);
}


static referral_entry_t *
entry(void *buf, size_t size, unsigned kind, referral_str_t *fields, size_t n)
{
    referral_buf_t     b;
    referral_entry_t  *e;

    referral_buf_init(&b, buf, size);

    if (referral_entry_compile(&b, kind, fields, n, complain, NULL)
        != REFERRAL_OK)
    {
        return NULL;
    }

    e = buf;

    fuzz_check(referral_entry_valid(e, e->size));
    fuzz_check(e->size <= size);

    return e;
}


/* an entry of shared memory that was damaged */

static void
torn(const referral_entry_t *e, const uint8_t *data, size_t size)
{
    size_t             i;
    unsigned           f;
    referral_entry_t  *copy;
    referral_str_t     s;
    u_char             sum;

    copy = malloc(e->size);
    if (copy == NULL) {
        abort();
    }

    memcpy(copy, e, e->size);

    for (i = 0; i < size && i < sizeof(referral_entry_t); i++) {
        ((u_char *) copy)[i] ^= data[i];
    }

    sum = 0;

    if (referral_entry_valid(copy, e->size)) {

        for (f = 0; f < REFERRAL_FIELDS; f++) {
            s = referral_entry_field(copy, f);

            for (i = 0; i < s.len; i++) {
                sum += s.data[i];
            }
        }
    }

    torn_sum = sum;

    free(copy);
}


static void
fuzz_seeds(void)
{
    fuzz_seed_text("aiko7\n\nJP\n");
    fuzz_seed_text("aiko7\nutm_source=x&a=%20&ref=1\nJP\n"
        "+landing=https://shop.example.com/{lang|en}/?ref={code}#x\n"
        "+referrer=aiko\n+name=Aiko Tanaka\n+segment=vip\n+channel=mail\n"
        "landing_args=ref={code}&click_id={click_id}&n={name}\n"
        "languages=en,ja,zh-tw\nwindow=30d\nattribution=first\n"
        "utc_offset=+09:00\ntimezone=Europe/Berlin\nstate=active\n"
        "offer=10\noffer:de=zehn\n");
    fuzz_seed_text("x\n\nja\n"
        "+rules=# c\rcountry=JP,KR region=JP-13 lang=ja as=b"
        " https://shop.example.com/jp\rbucket=0-49 !x\r"
        "device=mobile os=ios app=!line channel=mail segment=vip"
        " starts=2026-12-01 ends=2026-12-25T10:30+09:00"
        " https://www.example.com/{country|us}\n"
        "+state=disabled\n+starts=2026-12-01\n+ends=2026-12-31\n");
    fuzz_seed_text("x\na=b\nvalue\n"
        "rules=bucket=0-99 http://[::1]:8080/?{city}\n"
        "fallback=https://shop.example.com/?why={result}\nstate=paused\n"
        "starts=2030-01-01\nends=2020-01-01 00:00:00Z\n");
    fuzz_seed_text("x\n\n\xff\x80\r\n\x01\n"
        "landing=https://{country}.example.com@evil/\\\n"
        "+landing=https://shop.example.com:99999/\n+fallback=/x\n"
        "+landing_args=off\nwindow=999999999d\nlanguages=,,\n");
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                   rc;
    size_t                i, nlink, nprogram;
    u_char               *eq, out[REFERRAL_LOCATION_MAX];
    u_char                code_buf[REFERRAL_CODE_MAX];
    unsigned              v;
    const char           *err;
    referral_str_t        code, raw, line, s;
    referral_buf_t        b;
    referral_url_t        url;
    const uint8_t        *p, *end;
    referral_click_t      click;
    referral_values_t     values;
    referral_decision_t   decision;
    referral_str_t        link[FIELDS], program[FIELDS], word;

    static uint64_t       link_buf[REFERRAL_ENTRY_MAX / 8];
    static uint64_t       program_buf[REFERRAL_ENTRY_MAX / 8];

    static const referral_str_t  allow[] = {
        referral_string("shop.example.com"),
        referral_string("*.example.com")
    };

    p = data;
    end = data + size;

    memset(&click, 0, sizeof(click));
    memset(&values, 0, sizeof(values));

    raw = fuzz_line(&p, end);

    if (referral_code_find(&raw, &code, code_buf) == REFERRAL_OK) {
        fuzz_check(referral_code_valid(&code));

    } else {
        code = (referral_str_t) referral_string("aiko7");
    }

    click.forward = fuzz_line(&p, end);
    word = fuzz_line(&p, end);

    nlink = 0;
    nprogram = 0;

    while (p < end && nlink + 2 < FIELDS && nprogram + 2 < FIELDS) {

        line = fuzz_line(&p, end);
        eq = memchr(line.data, '=', line.len);

        s.data = eq ? eq + 1 : line.data + line.len;
        s.len = line.data + line.len - s.data;
        line.len = (eq ? eq : s.data) - line.data;

        for (i = 0; i < s.len; i++) {
            if (s.data[i] == '\r') {
                s.data[i] = '\n';
            }
        }

        if (line.len && line.data[0] == '+') {
            link[nlink].data = line.data + 1;
            link[nlink++].len = line.len - 1;
            link[nlink++] = s;

        } else {
            program[nprogram++] = line;
            program[nprogram++] = s;
        }
    }

    click.link = entry(link_buf, sizeof(link_buf), REFERRAL_ENTRY_LINK, link,
                       nlink);
    click.program = entry(program_buf, sizeof(program_buf),
                          REFERRAL_ENTRY_PROGRAM, program, nprogram);

    if (click.link) {
        torn(click.link, data, size);
    }

    click.code = code;
    click.allow = allow;
    click.nallow = 2;
    click.window = REFERRAL_WINDOW_DEFAULT;
    click.late = REFERRAL_LATE_DEFAULT;
    click.attribution = REFERRAL_ATTRIBUTION_LAST;

    for (v = 0; v < REFERRAL_VALUES; v++) {
        values.value[v] = word;
    }

    values.now = NOW;
    values.bucket = size % 100;

    referral_decide(&decision, &click, &values);

    fuzz_check(decision.result < REFERRAL_RESULTS);
    fuzz_check(decision.from < REFERRAL_FROMS);
    fuzz_check(decision.referrer.len > 0
               || (click.link
                   && click.link->state == REFERRAL_STATE_ABSENT));
    fuzz_check(decision.window > 0
               && decision.window <= REFERRAL_WINDOW_MAX
               && decision.late > 0
               && decision.late <= REFERRAL_LATE_MAX);

    referral_buf_init(&b, out, sizeof(out));

    rc = referral_decide_url(&decision, &click, &values, &b, &err);

    if (rc == REFERRAL_OK) {
        s.data = b.start;
        s.len = b.pos - b.start;

        for (i = 0; i < s.len; i++) {
            fuzz_check(s.data[i] >= 0x21 && s.data[i] <= 0x7e);
        }

        fuzz_check(referral_host_allowed(&decision.host, allow, 2));
        fuzz_check(s.len > REFERRAL_URL_MAX
                   || referral_url_parse(&url, &s, &err) == REFERRAL_OK);

    } else {
        fuzz_check(!decision.landed);
    }

    fuzz_done();

    return 0;
}
