# protects: Redis, the shared memory, the journal and the workers do not grow
# by what requests invent: codes, sources, languages, query strings, hosts,
# cookies

use strict;
use warnings;

use FindBin;
use Time::HiRes qw(sleep);

use lib "$FindBin::Bin/../lib";
use Referral;

# clicks of one address in a minute that can be looked up; values of a
# dimension in the hash of a program or a day, and of a link
use constant { LISTED => 600, ROOM => 500, ROOM_LINK => 50 };

use constant { CODES => 100_000, CLICKS => 20_000, LONG => 200 };
use constant EVENTS => 2000;

my $t = Referral->new;

$t->link('shop', $_, referrer => 'aiko') for qw(one two);

$t->config(
    workers => 2,
    log => 'notice',
    http => <<'END',
        access_log off;
        referral_journal %%DIR%%/journal segment=256k max=2m retain=10m;
        referral_events maxlen=2000;
END
    server => <<'END',
        referral_landing https://shop.example.com/;
        referral_fallback "https://shop.example.com/?why={result}";
        referral_channel $arg_ch;
        referral_forward_args on;

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

# not over midnight

sleep 60 if time % 86400 > 86350;

$t->start;


# KB of all workers, without what they share; what is freed is kept for a
# while by a sanitizer

sub memory {
    my $sum = 0;

    return 0 if $ENV{ASAN_OPTIONS};

    for my $pid ($t->workers) {
        open my $f, '<', "/proc/$pid/status" or next;
        $sum += $_ for map { /^RssAnon:\s+(\d+)/ } <$f>;
    }

    return $sum;
}


# bytes in its files

sub journal {
    my $sum = 0;

    $sum += -s $_ // 0 for glob "$t->{dir}/journal/*/*/*.seg";

    return $sum;
}


my $head = sub {
    return $t->request_text('GET', '/', keepalive => 1, @_) =~ s/^.*\r\n//r;
};

my $browser = $head->();

sub flood {
    my ($count, $request) = @_;

    my %status;

    $t->flood($count, $request, sub {
        $status{$1}++ while $_[0] =~ /^HTTP\/1\.1 (\d+)/mg;
    });

    return \%status;
}


# as many connections as later, so that each worker has what it needs

flood(4000, sub { "GET /r/x HTTP/1.1\r\n$browser" });

$t->get("/r/$_") for qw(one two);
$t->stats_are('shop', { raw => 2 }, 'two clicks');

# a salt may come at noon

my $keys = sub {
    return join ' ', grep { !/^ref:salt:/ } sort @{ $t->redis('KEYS', '*') };
};

my %before = (keys => $keys->(), journal => journal(), memory => memory(),
              length => $t->redis('XLEN', 'ref:events:{shop}'));


# codes

my $status = flood(CODES, sub {
    my ($n) = @_;

    return sprintf("GET /r/x%x HTTP/1.1\r\n", $n * 2654435761 % 2 ** 40)
           . $browser;
});

is_deeply($status, { 302 => CODES }, CODES . ' random codes are answered');

flood(2000, sub {
    my ($n) = @_;

    return "GET /host/one HTTP/1.1\r\n"
           . $browser =~ s/^Host: .*?\r/Host: h$n.example\r/mr;
});

sleep 0.7;

is($keys->(), $before{keys}, 'no key for a code or a host');
is($t->redis('XLEN', 'ref:events:{shop}'), $before{length}, 'no event');
is(journal(), $before{journal}, 'and no byte in the journal');
cmp_ok(memory() - $before{memory}, '<', 4096,
       'what workers need for it they give back');

$t->get('/r/one');
$t->stats_are('shop', { raw => 3, clicks => 3 }, 'a real link is as before');


# clicks with sources, languages, channels, arguments and cookies

my $long = 'x' x 3000;

$status = flood(CLICKS, sub {
    my ($n) = @_;
    my $code = $n % 2 ? 'one' : 'two';
    my $lang = join '', map { chr(97 + int($n / $_) % 26) } 1, 26, 676;
    my $rest = $browser =~ s/^(Accept-Language:) .*?\r/$1 $lang-A$lang\r/mr;

    return "GET /r/$code?ch=c$n&utm_source=u$n&$n=$n HTTP/1.1\r\n"
         . "Referer: https://s$n.example/$n\r\n"
         . "Cookie: ref_shop=$n; ref_shop_$n=$n\r\n"
         . $rest;
});

is_deeply($status, { 302 => CLICKS }, CLICKS . ' clicks are answered');

# and long ones

flood(LONG, sub {
    my ($n) = @_;
    my $rest = $browser =~ s/^(Accept-Language:) .*?\r/$1 $n$long\r/mr;

    return "GET /r/one?ch=$n$long&$long=$n HTTP/1.1\r\n"
         . "Referer: https://$n$long.example/$long\r\n"
         . "Cookie: ref_shop=$n$long\r\n"
         . $rest;
});

my $raw = 3 + CLICKS + LONG;

wait_for { ($t->hgetall('ref:stats:{shop}')->{raw} // 0) >= $raw } 30;

$t->stats_are('shop', { raw => $raw, clicks => $raw }, 'each is counted');

my @hashes = (['ref:stats:{shop}', ROOM],
              ['ref:stats:{shop}:one', ROOM_LINK],
              map { [ $_, ROOM ] } @{ $t->redis('KEYS', 'ref:day:{shop}:*') });

for (@hashes) {
    my ($key, $room) = @$_;
    my $hash = $t->hgetall($key);

    for my $dimension (qw(source lang channel)) {
        my @fields = grep { /^$dimension:/ } keys %$hash;
        my $sum = 0;

        $sum += $hash->{$_} for @fields;

        cmp_ok(scalar(@fields), '<=', $room + 1,
               "$key: values of $dimension");
        # the long ones are no language at all

        is($sum, $hash->{clicks} - LONG,
           "$key: none of $dimension is lost") if $dimension eq 'lang';
    }

    cmp_ok((sort { $b <=> $a } map { length } keys %$hash)[0], '<=', 80,
           "$key: no name is long");
    cmp_ok($t->redis('MEMORY', 'USAGE', $key), '<', 256 << 10,
           "$key: its memory");
}

my $listed = 0;
my @minutes = @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') };

$listed += $t->redis('HLEN', $_) for @minutes;

# a bound's minute is not one of the wall clock

cmp_ok($listed, '<=', LISTED * (@minutes + 1), 'clicks of one address');
cmp_ok($t->redis('XLEN', 'ref:events:{shop}'), '<=', EVENTS + 200, 'events');
cmp_ok($t->redis('MEMORY', 'USAGE', 'ref:events:{shop}', 'SAMPLES', 0), '<',
       (EVENTS + 200) * 1024, 'an event is less than a kilobyte');

for my $key (@{ $t->redis('KEYS', 'ref:visitors:*') },
             @{ $t->redis('KEYS', 'ref:addresses:*') })
{
    cmp_ok($t->redis('MEMORY', 'USAGE', $key), '<', 16 << 10,
           "$key: its memory");
}

my %known = map { $_ => 1 } split / /, $before{keys};
my @new = grep { !$known{$_} && !/^ref:(?:clicks|day|visitors|addresses|board):
                                  \{shop\}:/x } split / /, $keys->();

is("@new", '', 'no key but those of the minute and the day');

is($t->metric('dropped'), 0, 'no click was dropped');

# each worker knows within seconds what the others wrote

ok(wait_for(sub { journal() <= 2 << 20 }, 15),
   'the journal keeps within its max');
cmp_ok(memory() - $before{memory}, '<', 8192,
       'and workers within their memory');

done_testing;
