# protects: 100,000 random codes in an outage push out no click on a link that
# is known, and leave no trace

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Referral;

use constant RANDOM => $ENV{TEST_UNRESOLVED} // 100_000;

my $t = Referral->new;

$t->link('shop', 'warm', referrer => 'aiko');

$t->config(
    log => 'notice',
    http => 'referral_redis %%REDIS%% timeout=500ms;',
    server => <<'END',
        access_log off;

        referral_landing https://shop.example.com/;
        referral_fallback "https://shop.example.com/?why={result}";

        location /r/ {
            referral shop;
        }

        location /host/ {
            referral $http_host;
        }

        location = /metrics {
            referral_metrics;
        }
END
);

$t->start;
$t->get('/r/nobody');
$t->get('/r/warm');

$t->redis_pause;

# the first one waits, and then everybody knows

$t->get('/r/warm');

my ($answered, $real) = (0, 2);
my $head = $t->request_text('GET', '/', keepalive => 1) =~ s/^.*\r\n//r;

$t->flood(RANDOM, sub {
    my ($n) = @_;
    my $code = $n % 500 == 499 ? 'warm' : sprintf 'x%x', $n;

    $real++ if $code eq 'warm';

    return "GET /r/$code HTTP/1.1\r\n$head";

}, sub {
    $answered++ while $_[0] =~ /^Location: https:\/\/shop\.example\.com\//mg;
});

is($answered, RANDOM, 'all of them are sent to the landing');

# a host that somebody made up is no program

$t->get('/host/x', host => "evil$_.example.com") for 1 .. 20;

$t->redis_continue;

my $counted = sub {
    return $t->hgetall('ref:stats:{shop}:warm')->{raw} // 0;
};

wait_for { $counted->() >= $real } 20;

my $metrics = $t->get('/metrics')->body;
my ($dropped) = $metrics =~ /dropped_total\{reason="unresolved"\} (\d+)/;

is($counted->(), $real, 'each real click counts, once');
ok($dropped > 0, 'what was too much was dropped, and is said')
    or diag($metrics);

my %after = map { $_ => 1 } @{ $t->redis('KEYS', '*') };
my @random = grep { /:x[0-9a-f]+$|evil/ } keys %after;

is("@random", '', 'no key for a code or a program that nobody has');

my ($bytes) = $metrics =~ /^referral_journal_bytes (\d+)/m;

cmp_ok($bytes, '<', 32 << 20, 'the journal did not grow by much');

done_testing;
