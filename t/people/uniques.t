# protects: the counts of different people: visitors by their cookie,
# addresses beside them, and the limits for a client that invents people

use strict;
use warnings;

use FindBin;
use POSIX qw(strftime);
use Time::HiRes qw(sleep clock_gettime CLOCK_MONOTONIC);

use lib "$FindBin::Bin/../lib";
use Referral;

# clicks of one address in a minute that can be looked up
my $LISTED = 600;

my $phone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) '
    . 'AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 '
    . 'Safari/604.1';

my $t = Referral->new;

for my $program (qw(shop club away many)) {
    $t->link($program, $_, referrer => 'aiko') for qw(one two three);
}

$t->config(
    workers => 2,
    log => 'notice',
    server => <<'END',
        referral_landing "https://shop.example.com/";

        location /r/ {
            referral shop;
        }

        location /c/ {
            referral club;
        }

        location /a/ {
            referral away;
        }

        location /m/ {
            referral many;
            set_real_ip_from 127.0.0.1;
            real_ip_header X-Forwarded-For;
        }

        location = /metrics {
            referral_metrics;
        }
END
);

$t->start;

sub day { strftime '%Y-%m-%d', gmtime }

sub pfcount {
    my ($what, $program) = @_;

    return $t->redis('PFCOUNT', "ref:$what:{$program}:day:" . day());
}


# one connection, many requests

sub many {
    my ($n, $from, $sub) = @_;

    my $s = $t->connect(from => $from);

    return map {
        my ($uri, %o) = $sub->($_);
        $t->get($uri, %o, connection => $s, keepalive => 1);
    } 1 .. $n;
}


# the day's salt is there, and every worker has it

sub salted {
    wait_for { @{ $t->redis('KEYS', 'ref:salt:*') } } 10;
    sleep 1.2;
}


sleep 130 if time % 86400 > 86280;

salted();


# a carrier's phones: one address, one User-Agent

my @first = many(300, '127.0.1.1', sub { '/r/one', ua => $phone });

my %cookies = map { $_->cookie => 1 } @first;

is(scalar(keys %cookies), 300, '300 equal phones have 300 cookies');

$t->stats_are('shop', { clicks => 300, visitors => 300, raw => 300,
                        no_address => 0, unlisted => 0 },
              'and are 300 visitors');
is(pfcount('addresses', 'shop'), 1, 'of one address');
cmp_ok(abs(pfcount('visitors', 'shop') - 300), '<=', 12, 'different for the day');

# each of them comes again, by another link

many(250, '127.0.1.1', sub {
    '/r/two', ua => $phone, cookie => $first[$_[0] - 1]->cookie;
});

$t->stats_are('shop', { clicks => 550, visitors => 300 },
              'who comes again is no new visitor');
$t->fields_are('ref:stats:{shop}:two', { clicks => 250, visitors => 250 },
               'but new to that link');
$t->fields_are('ref:day:{shop}:' . day(), { clicks => 550, visitors => 300 },
               'and not new to the day');


# the same click twice

my $r = $t->get('/r/three', ua => $phone);
my $cookie = $r->cookie;
my $twice = $t->get('/r/three', ua => $phone, cookie => $cookie);

is($twice->arg('click_id'), $r->arg('click_id'),
   'a duplicate keeps the id of its click');
is($twice->set_cookie, undef, 'and does not refresh the touch');

$t->stats_are('shop', { clicks => 551, duplicate => 1, raw => 552,
                        visitors => 301 }, 'it counts aside');

my @events = grep { $_->{code} eq 'three' } $t->entries('ref:events:{shop}');

is($events[0]{visitor}, $events[1]{visitor}, 'as the same visitor');
isnt($events[0]{visitor}, '', 'of some name');

# who has no cookie is never a duplicate

$t->get('/r/three', ua => $phone) for 1 .. 2;

$t->stats_are('shop', { clicks => 553, duplicate => 1, visitors => 303 },
              'without a cookie there are no duplicates');


# a client that refuses cookies, not over the end of the minute in which an
# address is bounded

my $left = 60 - clock_gettime(CLOCK_MONOTONIC) % 60;

sleep $left + 0.2 if $left < 10;

my @clicks = many(1000, '127.0.2.2', sub { '/c/one', ua => $phone });

$t->stats_are('club', { clicks => 1000, visitors => 1000, raw => 1000,
                        unlisted => 1000 - $LISTED, no_address => 0 },
              'a client that refuses cookies: 1,000 visitors');
is(pfcount('addresses', 'club'), 1, 'one address');
cmp_ok(abs(pfcount('visitors', 'club') - 1000), '<=', 40,
       'the day says the same');

for my $key ('ref:stats:{club}:one', 'ref:day:{club}:' . day()) {
    is($t->redis('HGET', $key, 'unlisted'), 1000 - $LISTED,
       "$key says how many cannot be looked up");
}

my %listed = map { %{ $t->hgetall($_) } }
             @{ $t->redis('KEYS', 'ref:clicks:{club}:*') };

is(scalar(keys %listed), $LISTED, 'its entries are bounded');
ok($listed{ $clicks[0]->arg('click_id') }, 'the first can be looked up');
ok(!$listed{ $clicks[999]->arg('click_id') }, 'the last cannot');
ok($clicks[999]->set_cookie, 'but has a cookie');
is($t->metric('referral_unlisted_total'), 1000 - $LISTED, 'the metrics say it');

my @said = $t->log =~ /\[warn\].*more than (\d+) clicks of one address/g;

is("@said", $LISTED, 'and the log, once');

# the cookie works as any other

$t->get('/c/two', from => '127.0.2.2', ua => $phone,
        cookie => $clicks[999]->cookie);

$t->stats_are('club', { clicks => 1001, visitors => 1000 },
              'a click that is not listed is known by its cookie');

# others are not touched by it

my $unlisted = $t->hgetall('ref:stats:{club}')->{unlisted};

$t->get('/c/one', from => '127.0.3.9');

$t->stats_are('club', { clicks => 1002, unlisted => $unlisted },
              'another address has its own bound');


# without Redis the address count is left out, and said so

$t->stop;
$t->write_file('error.log', '');
$t->redis('CONFIG', 'SET', 'requirepass', 'x');
$t->start;

# links are not known, clicks go to the default landing

$t->get('/a/one', from => '127.0.1.5') for 1 .. 3;

my $said = sub {
    my ($re) = @_;

    return wait_for { $t->log =~ $re } 10;
};

ok($said->(qr/\[warn\].*addresses are not counted: redis .* has not returned/),
   'the log says that addresses are not counted');

my $clicks = $t->metric('referral_no_address_total');

cmp_ok($clicks, '>=', 3, 'the metrics say how many');

$t->redis('CONFIG', 'SET', 'requirepass', '');

ok($said->(qr/\[notice\].*addresses are counted again/),
   'and that they are again');

$t->stats_are('away', { clicks => $clicks, unresolved => $clicks,
                        visitors => $clicks, no_address => $clicks },
              'clicks of that time count, and how many have no address');
is(pfcount('addresses', 'away'), 0, 'none is among the addresses');

my @lines = $t->log =~ /addresses are not counted/g;

cmp_ok(scalar(@lines), '<=', 2, 'a line a change and worker');

salted();
$t->get('/a/one', from => '127.0.1.5') for 1 .. 2;

$t->stats_are('away', { clicks => $clicks + 2, no_address => $clicks },
              'later ones have an address');
is(pfcount('addresses', 'away'), 1, 'counted once');


# many people: estimates within what the manual says, with TEST_SOAK=1, for
# both are of other random numbers each time

if ($ENV{TEST_SOAK}) {
    my $n = 0;

    for my $people (1000, 10_000, 100_000) {
        $t->flood($people - $n, sub {
            my $i = $n + shift;

            return $t->request_text('GET', '/m/one', keepalive => 1,
                headers => [ 'X-Forwarded-For' =>
                             join '.', 10, $i >> 16, $i >> 8 & 255, $i & 255 ]);
        });

        $n = $people;

        wait_for { ($t->hgetall('ref:stats:{many}')->{raw} // 0) >= $n } 60;

        $t->stats_are('many', { clicks => $n, visitors => $n, unlisted => 0 },
                      "$n people: visitors, exactly");

        for my $what (qw(visitors addresses)) {
            my $found = pfcount($what, 'many');

            note(sprintf '%s: %d of %d, %+.2f %%', $what, $found, $n,
                 100 * ($found - $n) / $n);
            cmp_ok(abs($found - $n), '<=', $n * 0.025, "$n people: $what");
        }
    }
}


# the salt

my $key = 'ref:salt:' . day();

cmp_ok($t->redis('TTL', $key), '<=', 172800, 'a salt ends within 48 hours');
cmp_ok($t->redis('TTL', $key), '>', 0, 'by itself');

done_testing;
