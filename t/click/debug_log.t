# protects: the debug log, which has each decision about a click on a line of
# its own

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new(http => 'referral_zone 4m untracked=60s;',
                      server => <<'END');
        referral_landing https://shop.example.com/;
        referral_landing_args off;

        location /r/ {
            referral shop;
        }

        location /back/ {
            referral shop;
            referral_fallback /sorry;
        }

        location = /sorry {
            return 200 sorry;
        }

        location = /metrics {
            referral_metrics;
        }
END

$t->link('shop', 'aiko7', referrer => 'aiko',
         rules => "lang=de https://shop.example.com/de\n"
                  . 'lang=ja os=ios https://shop.example.com/ja');
$t->program('shop', languages => 'en,ja', timezone => 'Asia/Tokyo');

my $phone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) '
    . 'AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 '
    . 'Safari/604.1';

# what is fetched before Redis tells of edits is fetched again

ok(wait_for { $t->get('/metrics')->body =~ /^referral_tracking 1$/m },
   'Redis tells of edits');

# the first click of a worker's life asks Redis

my $r = $t->get('/r/aiko7', ua => $phone,
                headers => [ 'Accept-Language' => 'ja' ]);

is($r->location, 'https://shop.example.com/ja', 'redirected');

# whose midnight ends a day

use constant ZONE => 'click: 540 minutes east of UTC, by a time zone';

my $id = qr/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}/;

told('a click, from the request to the answer',
    'click: program "shop" code "aiko7"',
    'lookup: waits for 2 answers of redis',
    'click: link active, program active, referrer "aiko"',
    qr/click: class human, visitor new, click id "$id"/,
    'click: country "" region "" lang "ja"',
    'click: device "mobile" os "ios" app "" channel ""',
    ZONE,
    'click: result landing, by "link rule" line 2, '
        . 'to "https://shop.example.com/ja"',
    'click: sets cookie "ref_shop" for 2592000 s',
    qr/click: \d+ bytes go to the journal/,
    'click: the journal has been written',
    'click: answers 302');

# and the worker's part, when it has sent it

wait_for { $t->log =~ /referral batch: applied/ };

my @batch = map { /referral (batch: .*)/ } split /\n/, $t->log;

like($batch[0], qr/^batch: program "shop" records 1 bytes \d+$/,
     'what a worker sends to Redis');
like($batch[-1], qr/^batch: applied up to 1 in \d+ ms$/,
     'and that Redis has it');

# the same browser again

my $value = $r->set_cookie('ref_shop')->{value};
my $cookie = "ref_shop=$value";

$t->get('/r/aiko7', ua => $phone, cookie => $cookie);

told('a click from the cache, by somebody who is known',
    'click: program "shop" code "aiko7"',
    'click: link active, program active, referrer "aiko"',
    qr/click: class duplicate, visitor known, click id "$id"/,
    'click: country "" region "" lang "en"',
    'click: device "mobile" os "ios" app "" channel ""',
    ZONE,
    'click: result landing, by "default landing" line 0, '
        . 'to "https://shop.example.com/"',
    qr/click: \d+ bytes go to the journal/,
    'click: the journal has been written',
    'click: answers 302');

$t->get('/r/aiko7', ua => 'curl/8.5.0');

told('a machine',
    'click: program "shop" code "aiko7"',
    'click: link active, program active, referrer "aiko"',
    'click: class bot, visitor unknown, click id ""',
    'click: country "" region "" lang "en"',
    'click: device "other" os "other" app "" channel ""',
    ZONE,
    'click: result landing, by "default landing" line 0, '
        . 'to "https://shop.example.com/"',
    qr/click: \d+ bytes go to the journal/,
    'click: the journal has been written',
    'click: answers 302');

$t->get('/back/nobody', ua => $phone, cookie => $cookie);

told('a code that nobody has',
    'click: program "shop" code "nobody"',
    'lookup: waits for 1 answers of redis',
    'click: link absent, program active, referrer ""',
    'click: class human, visitor unknown, click id ""',
    'click: country "" region "" lang "en"',
    'click: device "mobile" os "ios" app "" channel ""',
    ZONE,
    'click: result unknown, by "" line 0, to ""',
    'click: falls back to "/sorry"');

$t->get('/r/' . 'x' x 65, ua => $phone,
        headers => [ 'Accept-Language' => 'de' ]);

told('what is no code',
    'click: no program or no code',
    'click: link absent, program absent, referrer ""',
    'click: class human, visitor unknown, click id ""',
    'click: country "" region "" lang "de"',
    'click: device "mobile" os "ios" app "" channel ""',
    'click: 0 minutes east of UTC, by an offset',
    'click: result unknown, by "" line 0, to ""',
    'click: no fallback');

my $other = substr($value, -1) eq 'A' ? 'Q' : 'A';

$t->get('/r/aiko7', ua => $phone,
        cookie => 'ref_shop=' . substr($value, 0, -1) . $other);

is((story())[1], 'cookie: "ref_shop" is ignored: '
   . 'its signature is wrong', 'why a cookie is ignored');

my $id_part = substr $value, 0, 24;

is(scalar(grep { /referral \w+: .*\Q$id_part\E/ } split /\n/, $t->log), 0,
   'no line tells a cookie');

done_testing;


# the lines of the last request

sub story {
    my @lines = map { /\*(\d+) referral (.*?)(?:, client: .*)?$/ ? [$1, $2]
                                                                  : () }
                    split /\n/, $t->log;

    return map { $_->[1] } grep { $_->[0] == $lines[-1][0] } @lines;
}


sub told {
    my ($name, @want) = @_;

    my @got = story();

    for my $i (0 .. $#want) {
        next unless ref $want[$i] && ($got[$i] // '') =~ /^$want[$i]$/;
        $want[$i] = $got[$i];
    }

    is_deeply(\@got, \@want, $name) or diag(explain(\@got));
}
