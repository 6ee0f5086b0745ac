# protects: after 10,000 clicks no address and no User-Agent is in Redis, in
# commands sent to Redis, in the journal or in the module's log; and
# everything about a person expires

use strict;
use warnings;

use File::Find;
use FindBin;
use Socket qw(AF_INET AF_INET6 inet_pton);
use Time::HiRes qw(sleep);

use lib "$FindBin::Bin/../lib";
use Referral;

use constant CLICKS => 10_000;

my $t = Referral->new;

$t->link('shop', $_, referrer => 'aiko') for qw(one two);
$t->link('shop', 'away', landing => 'https://elsewhere.example.net/');
$t->link('no', 'one', referrer => 'aiko');

# all that Redis is told, as text: in full, and what it did

$t->redis('CONFIG', 'SET', 'rdbcompression', 'no');
$t->redis('CONFIG', 'SET', 'appendonly', 'yes');

ok(wait_for { $t->redis('INFO', 'persistence')
              =~ /aof_enabled:1.*aof_rewrite_in_progress:0/s },
   'Redis has an append-only file');

my $monitor = $t->spawn(sub {
    open STDOUT, '>', "$t->{dir}/monitor";
    exec 'redis-cli', '-s', $t->{redis_socket}, 'monitor';
});

ok(wait_for { -s "$t->{dir}/monitor" }, 'and is listened to');

$t->config(
    workers => 2,
    log => 'info',
    http => <<'END',
        access_log off;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Forwarded-For;
        referral_redis %%REDIS%% timeout=500ms;
END
    server => <<'END',
        referral_landing https://shop.example.com/;
        referral_landing_args "click_id={click_id}";
        referral_fallback "https://shop.example.com/?why={result}";

        location /r/ {
            referral shop;
            referral_channel $arg_ch;
            referral_exclude $arg_staff;
        }

        location /no/ {
            referral no;
            referral_consent $arg_may;
        }
END
);

$t->start;

wait_for { @{ $t->redis('KEYS', 'ref:salt:*') } } 10;


# Addresses and User-Agents: each click has its own, one has many.

my $many = '203.0.113.77';

sub address {
    my ($n) = @_;

    return $many if $n % 4 == 0;

    return $n % 2 ? sprintf('198.18.%d.%d', $n >> 8, $n & 255)
                  : sprintf('2001:db8:5eed:beef::%x', 0x10000 + $n);
}


sub agent {
    my ($n) = @_;

    return "Googlebot/2.1 Marked-$n" if $n % 50 == 7;
    return "WhatsApp/2.23 Marked-$n" if $n % 50 == 9;
    return "curl/8.$n Marked-$n" if $n % 50 == 11;
    return '' if $n % 50 == 13;

    return "Mozilla/5.0 (Linux; Android 14; Pixel Marked-$n) "
           . "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.$n.0 "
           . 'Mobile Safari/537.36';
}


sub uri {
    my ($n) = @_;

    return '/no/one' . ('', '?may=denied')[$n / 100 & 1] if $n % 20 == 1;
    return '/r/nobody' if $n % 20 == 2;
    return '/r/away' if $n % 20 == 3;
    return '/r/two?staff=1' if $n % 20 == 5;

    return '/r/' . ('one', 'two')[$n & 1] . '?ch=mail&mail=Marked@example.com';
}


my %status;

sub clicks {
    my ($from, $to) = @_;

    $t->flood($to - $from, sub {
        my $n = $from + shift;

        return $t->request_text('GET', uri($n), keepalive => 1,
            ua => agent($n), headers => [
                'X-Forwarded-For' => address($n),
                Referer => "https://www.example.org/Marked-$n?of=Marked",
                Cookie => "session=Marked-$n",
                $n % 30 == 17 ? ('Sec-Purpose' => 'prefetch') : (),
                $n % 30 == 19 ? ('Sec-GPC' => 1) : (),
            ]);

    }, sub { $status{$1}++ while $_[0] =~ /^HTTP\/1\.1 (\d+)/mg });
}

clicks(0, CLICKS * 0.9);

# the rest while Redis is away

my $raw = sub { $t->hgetall('ref:stats:{shop}')->{raw} // 0 };

wait_for { $raw->() >= CLICKS * 0.8 } 20;

$t->redis_pause;
clicks(CLICKS * 0.9, CLICKS);
$t->redis_continue;

my $expected = grep { uri($_) =~ m{^/r/(?!nobody)} } 0 .. CLICKS - 1;

wait_for { $raw->() >= $expected } 30;

is($status{302} + $status{503}, CLICKS, CLICKS . ' clicks are answered');

$t->stats_are('shop', { raw => $expected }, 'and counted');

my $stats = $t->hgetall('ref:stats:{shop}');

cmp_ok($stats->{$_} // 0, '>', 50, "among them $_")
    for qw(clicks bot preview prefetch excluded missed no_consent unlisted
           visitors);

# without consent nobody is counted as somebody

cmp_ok($t->hgetall('ref:stats:{no}')->{clicks}, '>', 200, 'the other program');
is($t->hgetall('ref:stats:{no}')->{visitors}, undef, 'has no visitors');
is_deeply([ map { @{ $t->redis('KEYS', "ref:$_:{no}:*") } }
            qw(visitors addresses) ], [],
          'and counts no browsers and no addresses, by day either');


# who stands where

my %key = map { $_ => $t->redis('TTL', $_) } @{ $t->redis('KEYS', '*') };

for my $key (sort grep { !/^ref:(?:stats|days?|hours|board|links?|programs?
                                   |journals):/x } keys %key)
{
    cmp_ok($key{$key}, '>', 0, "$key ends");
}

$t->redis('SAVE');
$t->stop;
$t->end_child($monitor);
$t->redis_stop('TERM');

my %files;

find({ no_chdir => 1, wanted => sub {
    my $what = /\.seg$/ ? 'the journal' : /\.rdb$/ ? 'Redis'
             : /\.aof$/ ? "Redis's append-only file"
             : /monitor$/ ? 'what Redis is told' : return;

    push @{ $files{$what} }, $_;
} }, $t->{dir});

my %text = map {
    $_ => join "\n", map { $t->read_file(substr $_, length($t->{dir}) + 1) }
                     @{ $files{$_} }
} keys %files;

# nginx's own lines name whom they are about

$text{'the log'} = join "\n", grep { /referral/ && !/referral-\w{8}/ }
                              split /\n/, $t->log;

my %there = ('the log' => qr/code "away"/);

my $packed = inet_pton(AF_INET, $many);
my $six = inet_pton(AF_INET6, '2001:db8:5eed:beef::');
my ($hex, $decimal) = (unpack('H*', $packed), unpack('N', $packed));

my @never = (
    [ qr/203\.0\.113\.|198\.18\.\d/, 'an address' ],
    [ qr/2001:0?db8|5eed:beef/i, 'an address of IPv6' ],
    [ qr/@{[ quotemeta substr $six, 0, 8 ]}
         |(?:\\x20|\ )\\x01\\r\\xb8/x, 'one in bytes' ],
    [ qr/(?<![0-9a-f])(?:$hex|$decimal)
         (?![0-9a-f])/xi,
      'an address in digits' ],
    [ qr/Mozilla|AppleWebKit|Chrome\/|Googlebot|WhatsApp\/|curl\//i,
      'a User-Agent' ],
    [ qr/Marked/i, "a part of one, a query, a cookie or a source's path" ],
);

for my $where ('Redis', "Redis's append-only file", 'what Redis is told',
               'the journal', 'the log')
{
    my $text = $text{$where} // '';

    # this test can see

    like($text, $there{$where} // qr/shop\.example\.com/,
         "$where: holds what is no secret");

    for (@never) {
        my ($re, $what) = @$_;

        ok($text !~ $re, "$where: not $what")
            or diag(substr($text, $-[0] - 60, 200) =~ s/[^\x20-\x7e]/?/gr);
    }

    # of four bytes a few are there by chance

    my $n = () = $text =~ /\Q$packed\E|@{[ quotemeta reverse $packed ]}/g;

    cmp_ok($n, '<', 10, "$where: nor the bytes of one that came "
                        . CLICKS / 4 . ' times');
}

done_testing;
