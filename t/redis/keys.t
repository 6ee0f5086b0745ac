# protects: the keys of docs/redis-keys.md, after hits of every kind: names, types, contents, ends of life

use strict;
use warnings;
no warnings 'portable';

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use POSIX qw(strftime);

my $t = Referral->new;

$t->config(
    http => 'referral_geoip %%GEO%%/city.mmdb;',
    server => <<'END');
        referral_landing https://shop.example.com/;
        referral_allow shop.example.com;
        referral_fallback https://shop.example.com/gone;
        referral_channel $arg_ch;

        location /r/ {
            referral shop;
        }

        location ~ ^/p/(?<p>[^/]+)/(?<c>.*)$ {
            referral $p $c;
        }
END

$t->program('shop', languages => 'en,ja', window => '2h', late => '1h');
$t->link('shop', 'one', referrer => 'aiko', segment => 'vip',
         rules => "country=JP as=b https://shop.example.com/jp");
$t->link('shop', 'two', referrer => 'aiko');
$t->link('shop', 'off', state => 'disabled');
$t->link('shop', 'self', channel => 'print');
$t->start;

# addresses are counted once the day's salt is there

wait_for { @{ $t->redis('KEYS', 'ref:salt*') } } or diag('no salt');
select undef, undef, undef, 0.3;

# not over midnight

sleep 130 if time % 86400 > 86280;

my $start = time;

my $iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) '
    . 'AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 '
    . 'Safari Line/13.20.0';

my $first = $t->get('/r/one?ch=mail', from => '127.0.1.5', lang => 'ja',
                    ua => $iphone,
                    headers => [ Referer => 'https://www.line.me:443/x?y' ]);

my $second = $t->get('/r/two', from => '127.0.1.5', lang => 'ja',
                     ua => $iphone, cookie => $first->cookie);

my $third = $t->get('/r/one', from => '127.0.1.5', lang => 'ja',
                    ua => $iphone, cookie => $second->cookie);

$t->get('/r/one', from => '127.0.1.5', cookie => $third->cookie);
$t->get('/r/two', from => '127.0.2.5') for 1 .. 3;
$t->get('/r/self');
$t->get('/r/off');
$t->get('/r/two', ua => 'Googlebot/2.1');
$t->get('/r/two', ua => 'WhatsApp/2.2');
$t->get('/r/two', headers => [ 'Sec-Purpose' => 'prefetch' ]);
$t->head('/r/two');
$t->get('/r/nobody') for 1 .. 3;

# one: 127.0.1.5 twice (and a duplicate); two: once from there, three of
# 127.0.2.5; self: one

my $clicks = 7;
my $raw = 13;

my $day = strftime '%Y-%m-%d', gmtime $start;
my $hour = strftime '%Y-%m-%dT%H', gmtime $start;
my $month = strftime '%Y-%m', gmtime $start;

my %program = (
    clicks => $clicks, raw => $raw, missed => 1, 'missed:disabled' => 1,
    duplicate => 1, bot => 1, preview => 1, prefetch => 1, head => 1,
    excluded => 0, no_consent => 0, visitors => 5,
    'country:JP' => 3, 'country:BR' => 3, 'device:mobile' => 3,
    'device:desktop' => 4, 'os:ios' => 3, 'os:linux' => 4, 'app:line' => 3,
    'lang:ja' => 3, 'lang:en' => 4, 'source:line.me' => 1,
    'channel:mail' => 1, 'channel:line' => 2, 'channel:print' => 1,
    'variant:b' => 2, 'segment:vip' => 2,
);

$t->stats_are('shop', \%program, 'ref:stats:{p}');

my $stats = $t->hgetall('ref:stats:{shop}');

# "fields:…" tells how many names a dimension has, for its bound

is_deeply([ sort grep { !/^fields:/ } keys %$stats ],
          [ sort grep { $program{$_} } keys %program ],
          'and nothing else');

$t->fields_are('ref:stats:{shop}:one',
               { clicks => 2, raw => 3, duplicate => 1, visitors => 1,
                 'variant:b' => 2, 'country:JP' => 2, 'segment:vip' => 2 },
               'ref:stats:{p}:CODE');
$t->fields_are('ref:stats:{shop}:off',
               { clicks => 0, raw => 1, missed => 1, 'missed:disabled' => 1 },
               'of a link that is off');
is($t->redis('EXISTS', 'ref:stats:{shop}:nobody'), 0,
   'an unknown code has no key');

$t->fields_are("ref:day:{shop}:$day", \%program, 'ref:day:{p}:DAY');
$t->fields_are('ref:days:{shop}', { $day => $clicks }, 'ref:days:{p}');
$t->fields_are('ref:days:{shop}:two', { $day => 4 }, 'ref:days:{p}:CODE');

my $hours = $t->hgetall('ref:hours:{shop}');
my $sum = 0;
$sum += $_ for values %$hours;
is($sum, $clicks, 'ref:hours:{p}');
ok(exists $hours->{$hour}, 'by the hour of UTC');

is($t->redis('PFCOUNT', "ref:visitors:{shop}:day:$day"), 5,
   'ref:visitors: unique browsers');
is($t->redis('PFCOUNT', "ref:addresses:{shop}:day:$day"), 3,
   'ref:addresses: unique addresses and browsers');

my %board = @{ $t->redis('ZRANGE', 'ref:board:{shop}:clicks', 0, -1,
                         'WITHSCORES') };

is_deeply(\%board, { one => 2, two => 4, self => 1 }, 'ref:board, by code');

%board = @{ $t->redis('ZRANGE', "ref:board:{shop}:clicks:$day", 0, -1,
                      'WITHSCORES') };
is_deeply(\%board, { one => 2, two => 4, self => 1 }, 'of the day');

%board = @{ $t->redis('ZRANGE', 'ref:board:{shop}:referrers:clicks', 0, -1,
                      'WITHSCORES') };
is_deeply(\%board, { aiko => 6, self => 1 },
          'by referrer; a link without one is its own');

%board = @{ $t->redis('ZRANGE', "ref:board:{shop}:referrers:clicks:$month",
                      0, -1, 'WITHSCORES') };
is_deeply(\%board, { aiko => 6, self => 1 }, 'of the month');


# every click id can be looked up by the minute that stands in it

my @events = $t->entries('ref:events:{shop}');

is(scalar(@events), $raw, 'ref:events: an entry for each hit');

my @fields = qw(type click_id code referrer class result first visitor country
    region city lang device os app source channel segment variant landing_host
    at);

my $same = 1;

for my $entry (@{ $t->redis('XRANGE', 'ref:events:{shop}', '-', '+') }) {
    my @names = map { $entry->[1][2 * $_] } 0 .. @{ $entry->[1] } / 2 - 1;
    $same &= "@names" eq "@fields";
}

ok($same, 'all fields, in one order');

my ($e) = @events;

is_deeply({ map { $_ => $e->{$_} } qw(type code referrer class result country
                                      region city lang device os app source
                                      channel segment variant landing_host) },
          { type => 'click', code => 'one', referrer => 'aiko',
            class => 'human', result => 'landing', country => 'JP',
            region => 'JP-13', city => 'Tokyo', lang => 'ja',
            device => 'mobile', os => 'ios', app => 'line',
            source => 'line.me', channel => 'mail', segment => 'vip',
            variant => 'b', landing_host => 'shop.example.com' },
          'each with its word');

for my $event (grep { $_->{class} eq 'human' && $_->{result} eq 'landing' }
               @events)
{
    my $id = $event->{click_id};
    my $ms = hex join '', (split /-/, $id)[0, 1];
    my $minute = strftime '%Y-%m-%dT%H:%M', gmtime $ms / 1000;
    my $key = "ref:clicks:{shop}:$minute";

    cmp_ok(abs($ms / 1000 - $start), '<', 60, 'the time in the click id');

    my @touch = split ' ', $t->redis('HGET', $key, $id) // '';

    is($touch[0], $event->{code}, 'ref:clicks: found by the click id');
    like($touch[1], qr/^[A-Za-z0-9_-]{16}$/, 'with its visitor');

    my $ttl = $t->redis('TTL', $key);

    ok($ttl > 10600 && $ttl <= 10800 + 180, 'kept for window and late')
        or diag($ttl);
}

my $ms = hex join '', (split /-/, $events[0]{click_id})[0, 1];
my @touch = split ' ', $t->redis('HGET', 'ref:clicks:{shop}:'
    . strftime('%Y-%m-%dT%H:%M', gmtime $ms / 1000), $events[0]{click_id});

is("@touch[3 .. 5]", '= = =', 'a first touch is itself');

$ms = hex join '', (split /-/, $events[2]{click_id})[0, 1];
@touch = split ' ', $t->redis('HGET', 'ref:clicks:{shop}:'
    . strftime('%Y-%m-%dT%H:%M', gmtime $ms / 1000), $events[2]{click_id});

is($touch[3], 'one', 'its first touch: the code');
is($touch[5], $events[0]{click_id}, 'and the click id');
is_deeply([ @touch[6 .. 12] ],
          [ 'JP', 'line', 'b', 'mobile', 'aiko', 'vip', '-' ],
          'country, channel, variant, device, referrer, segment, flags');


# what ends, and what does not

my %ttl = map { $_ => $t->redis('TTL', $_) } @{ $t->redis('KEYS', 'ref:*') };

for my $key (sort keys %ttl) {
    my $ends = $key =~ /^ref:(?:clicks|visitors|addresses):
                        |^ref:board:\{shop\}:clicks:\d/x;

    if ($ends) {
        ok($ttl{$key} > 0, "$key ends");

    } elsif ($key =~ /^ref:(?:stats|days|hours|link|program|journals|board)/
             && $key !~ /:referrers:clicks:/)
    {
        is($ttl{$key}, -1, "$key stays");
    }
}


# nobody's address or browser stands anywhere

my $dump = '';

for my $key (keys %ttl) {
    my $type = $t->redis('TYPE', $key);

    $dump .= join ' ', $key,
        $type eq 'hash' ? @{ $t->redis('HGETALL', $key) }
      : $type eq 'zset' ? @{ $t->redis('ZRANGE', $key, 0, -1) }
      : $type eq 'stream' ? map { @{ $_->[1] } }
                            @{ $t->redis('XRANGE', $key, '-', '+') }
      : $type eq 'string' ? $t->redis('GET', $key)
      : ();
}

unlike($dump, qr/127\.0\.[12]\.5/, 'no address');
unlike($dump, qr/Mozilla|AppleWebKit/, 'no User-Agent');


# another program's day

$t->program('east', utc_offset => '+14:00');
$t->program('west', utc_offset => '-12:00');
$t->link($_, 'x', referrer => 'r') for qw(east west);
$t->get("/p/$_/x") for qw(east west);

my $east = strftime '%Y-%m-%d', gmtime time + 14 * 3600;
my $west = strftime '%Y-%m-%d', gmtime time - 12 * 3600;

$t->fields_are('ref:days:{east}', { $east => 1 }, "days are the program's");
$t->fields_are('ref:days:{west}', { $west => 1 }, 'on both sides');


# names as people write them

$t->program('names', landing_args => 'r={referrer}&n={name}');
$t->link('names', 'anna', referrer => 'shop+anna@example.com',
         channel => 'Print');
$t->redis('HSET', 'ref:referrer:{names}:shop+anna@example.com',
          name => 'Anna');

my $anna = $t->get('/p/names/anna?ch=FaceBook', headers =>
                   [ Referer => 'https://julia_b.blog.example.net/x' ]);

is($anna->location,
   'https://shop.example.com/?r=shop%2Banna%40example.com&n=Anna',
   'an address with a plus is a referrer, with a name');

$t->get('/p/names/anna');

$t->fields_are('ref:stats:{names}',
               { clicks => 2, 'channel:facebook' => 1, 'channel:print' => 1,
                 'channel:other' => 0, 'source:julia_b.blog.example.net' => 1 },
               'capitals make no other channel; a source with a low line');
is($t->redis('ZSCORE', 'ref:board:{names}:referrers:clicks',
             'shop+anna@example.com'), 2, 'the address has the credit');


# nothing gets lost at a reload or a stop

for my $i (1 .. 100) {
    $t->get('/r/two');
    $t->reload if $i == 50;
}

$t->stop;

is($t->redis('HGET', 'ref:stats:{shop}', 'clicks'), $clicks + 100,
   'a stop waits for what is counted');

done_testing;
