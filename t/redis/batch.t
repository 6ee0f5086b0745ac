#!/usr/bin/perl

# The script of a batch against a real Redis: every key that section "Redis"
# of the manual promises, to the letter, and what happens when something is in
# the way.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::MD5 qw(md5_hex);
use Digest::SHA qw(sha1_hex);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep time);

use lib dirname(dirname(abs_path(__FILE__))) . '/lib';
use Sources qw(source sources includes);

my $root = abs_path(dirname(__FILE__) . '/../..');
my $dir = tempdir('referral-batch-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $redis = $ENV{TEST_REDIS_SERVER} // 'redis-server';
my $server;

END {
    my $status = $?;
    stop();
    $? = $status;
}

use constant {
    LANDED => 0x01, TOUCHED => 0x02, NO_CONSENT => 0x04, NEW_PROGRAM => 0x08,
    NEW_LINK => 0x10, NEW_DAY => 0x20, VISITOR => 0x40, ADDRESS => 0x80,
    CLICK_ID => 0x100,
};

my @CLASSES = qw(human duplicate bot preview prefetch head excluded);
my @RESULTS = qw(landing ended not_started disabled paused refused unresolved
                 unknown);

my %CLASS = map { $CLASSES[$_] => $_ } 0 .. $#CLASSES;
my %RESULT = map { $RESULTS[$_] => $_ } 0 .. $#RESULTS;

if (system("$redis --version >/dev/null 2>&1") != 0) {
    plan skip_all => "no $redis";
}

build();
start();


# one click, key by key

my $J = 'a1' x 16;
my $now = int(time());

# five seconds later it is the same minute

my $at = ($now - 7200 - ($now % 60 > 50 ? 10 : 0)) * 1000;

my $day = strftime('%Y-%m-%d', gmtime($at / 1000 + 9 * 3600));
my $month = substr($day, 0, 7);
my $hour = strftime('%Y-%m-%dT%H', gmtime($at / 1000));
my $minute = strftime('%Y-%m-%dT%H:%M', gmtime($at / 1000));
my $second = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($at / 1000));
my $first_at = $at - 86400_000;
my $midnight = int(($at / 1000 + 9 * 3600) / 86400) * 86400 - 9 * 3600;

my %click = (
    program => 'shop', code => 'aiko7', referrer => 'aiko', at => $at,
    life => 30 * 86400, offset => 540, class => 0, result => 0,
    flags => LANDED | TOUCHED | NEW_PROGRAM | NEW_DAY | VISITOR | ADDRESS
             | CLICK_ID,
    click_id => id($at, 1), first_click_id => id($first_at, 2),
    visitor => '00' x 12, address => '00ff00ff00ff00ff', country => 'JP',
    region => 'JP-13', city => 'Tokyo', lang => 'ja', device => 'mobile',
    os => 'ios', app => 'line', source => 'line.me', channel => 'mail',
    segment => 'vip', variant => 'b', landing_host => 'shop.example.com',
    first_code => 'ken42',
);

like(error(batch({ full => 0 }, { %click })), qr/^NOSCRIPT /,
     'an unknown script says so');
is_deeply(call('DBSIZE'), 0, 'and nothing is written');

my $reply = batch({ full => 1 }, { %click });

is_deeply($reply, [ 1, -1, 0 ], 'the first batch applies, no mark before');

my %dims = map { $_ => 1 } qw(country:JP device:mobile os:ios app:line lang:ja
                              source:line.me channel:mail variant:b
                              segment:vip fields:source fields:lang
                              fields:channel);

is_deeply(hash('ref:stats:{shop}'),
          { raw => 1, clicks => 1, visitors => 1, %dims }, 'stats');
is_deeply(hash('ref:stats:{shop}:aiko7'), { raw => 1, clicks => 1, %dims },
          'stats of the link, not a new visitor there');
is_deeply(hash("ref:day:{shop}:$day"),
          { raw => 1, clicks => 1, visitors => 1, %dims },
          'the day, in the zone of the program');
is_deeply(hash('ref:days:{shop}'), { $day => 1 }, 'days');
is_deeply(hash('ref:days:{shop}:aiko7'), { $day => 1 }, 'days of the link');
is_deeply(hash('ref:hours:{shop}'), { $hour => 1 }, 'hours, in UTC');
is_deeply(call('ZRANGE', 'ref:board:{shop}:clicks', 0, -1, 'WITHSCORES'),
          [ 'aiko7', 1 ], 'the board of links');
is_deeply(call('ZRANGE', "ref:board:{shop}:clicks:$day", 0, -1, 'WITHSCORES'),
          [ 'aiko7', 1 ], 'of a day');
is_deeply(call('ZRANGE', 'ref:board:{shop}:referrers:clicks', 0, -1,
               'WITHSCORES'), [ 'aiko', 1 ], 'the board of referrers');
is_deeply(call('ZRANGE', "ref:board:{shop}:referrers:clicks:$month", 0, -1,
               'WITHSCORES'), [ 'aiko', 1 ], 'of a month');
is(call('PFCOUNT', "ref:visitors:{shop}:day:$day"), 1, 'visitors of the day');
is(call('PFADD', "ref:visitors:{shop}:day:$day", 'AAAAAAAAAAAAAAAA'), 0,
   'by the text of the visitor id');
is(call('PFCOUNT', "ref:addresses:{shop}:day:$day"), 1,
   'addresses of the day');
is(call('PFADD', "ref:addresses:{shop}:day:$day", '00ff00ff00ff00ff'), 0,
   'by the hash in hexadecimal');
is_deeply(hash("ref:clicks:{shop}:$minute"),
          { uuid($click{click_id}) => join ' ', 'aiko7', 'A' x 16, '=', 'ken42',
                strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($first_at / 1000)),
                uuid($click{first_click_id}), 'JP', 'mail', 'b', 'mobile',
                'aiko', 'vip', '-' },
          'the touch, under the click id, in its minute');

my $events = call('XRANGE', 'ref:events:{shop}', '-', '+');

is(scalar @$events, 1, 'one event');
is_deeply($events->[0][1], [
    type => 'click', click_id => uuid($click{click_id}), code => 'aiko7',
    referrer => 'aiko', class => 'human', result => 'landing',
    first => 'ken42', visitor => 'A' x 16, country => 'JP',
    region => 'JP-13', city => 'Tokyo', lang => 'ja', device => 'mobile',
    os => 'ios', app => 'line', source => 'line.me', channel => 'mail',
    segment => 'vip', variant => 'b', landing_host => 'shop.example.com',
    at => $second ], 'all fields of an event, in their order');

is_deeply(hash('ref:journals:{shop}'), { $J => 1 }, 'the mark');
is(call('EXISTS', 'ref:errors:{shop}'), 0, 'no errors');

is(expires("ref:clicks:{shop}:$minute"), $at / 1000 + 30 * 86400,
   'touches end with their life');
is(expires("ref:board:{shop}:clicks:$day"), $midnight + 9 * 86400,
   'the board of a day after nine days');
is(expires("ref:visitors:{shop}:day:$day"), $midnight + 400 * 86400,
   'visitors after 400 days');
is(expires("ref:addresses:{shop}:day:$day"), $midnight + 400 * 86400,
   'addresses after 400 days');

for my $key ("ref:day:{shop}:$day", 'ref:stats:{shop}', 'ref:hours:{shop}',
             "ref:board:{shop}:referrers:clicks:$month")
{
    is(call('TTL', $key), -1, "$key stays");
}

cmp_ok(abs(expires('ref:events:{shop}') - time - 90 * 86400), '<', 60,
       'events end by themselves when no more come');

is(scalar @{ call('KEYS', '*') }, 15, 'and no other key');


# the mark

is_deeply(batch({}, { %click }), [ 0, 1, 0 ],
          'the same command again does nothing');
is(hash('ref:stats:{shop}')->{raw}, 1, 'it counts once');
is_deeply(batch({ expected => 7 }, { %click, seq => 8 }), [ 0, 1, 0 ],
          'a batch beyond the mark is not applied');
is_deeply(batch({ expected => 1 }, { %click, seq => 5 },
                { %click, seq => 9 }), [ 1, 1, 0 ],
          'the next one is, with gaps');
is_deeply(hash('ref:journals:{shop}'), { $J => 9 }, 'the mark is the last');
is(hash('ref:stats:{shop}')->{raw}, 3, 'both counted');
is_deeply(batch({ journal => 'b2' x 16 }, { %click }), [ 1, -1, 0 ],
          'another journal has its own mark');

call('HDEL', 'ref:journals:{shop}', $J);
is_deeply(batch({ expected => 9 }, { %click, seq => 10 }), [ 0, -1, 0 ],
          'a lost mark is told, not assumed');

call('HSET', 'ref:journals:{shop}', $J, 'x');
like(error(batch({}, { %click })), qr/^MARK /, 'a mark that is none');

for my $mark ('9999999999999999999999', '18446744073709551615',
              '9223372036854775807')
{
    call('HSET', 'ref:journals:{shop}', $J, $mark);
    like(error(batch({}, { %click })), qr/^MARK /,
         "a mark that no click has: $mark");
}

call('DEL', 'ref:journals:{shop}');
call('SET', 'ref:journals:{shop}', 'x');
like(error(batch({}, { %click })), qr/^WRONGTYPE /,
     'marks of a wrong type: an error before anything');
is(hash('ref:stats:{shop}')->{raw}, 4, 'nothing counted');


# classes and results

fresh();

my %base = (%click, flags => LANDED | CLICK_ID | TOUCHED | VISITOR);

is_deeply(batch({}, map { { %base, class => $_, seq => 1 + $_ } }
                    0 .. $#CLASSES), [ 1, -1, 0 ], 'a hit of each class');

my $stats = hash('ref:stats:{shop}');

is($stats->{raw}, 7, 'raw counts all');
is($stats->{clicks}, 1, 'clicks people only');
is($stats->{$_}, 1, "$_ is counted") for @CLASSES[1 .. 6];
is($stats->{'country:JP'}, 1, 'dimensions are of people');
is(call('ZSCORE', 'ref:board:{shop}:clicks', 'aiko7'), 1, 'so are boards');
is(call('XLEN', 'ref:events:{shop}'), 7, 'events of all');
is(call('PFCOUNT', "ref:visitors:{shop}:day:$day"), 1, 'visitors of people');
is_deeply(hash('ref:hours:{shop}'), { $hour => 1 }, 'hours of people');

fresh();

batch({}, map { { %base, flags => NO_CONSENT | NEW_PROGRAM | VISITOR,
                  result => $_, seq => 1 + $_ } } 1 .. 5);

is_deeply(hash('ref:stats:{shop}:aiko7'),
          { raw => 5, missed => 5, no_consent => 5,
            map { ("missed:$_" => 1) } @RESULTS[1 .. 5] },
          'missed, by result, and nothing else of them');
is_deeply([ sort @{ call('KEYS', '*') } ],
          [ "ref:day:{shop}:$day", 'ref:events:{shop}',
            'ref:journals:{shop}', 'ref:stats:{shop}',
            'ref:stats:{shop}:aiko7' ], 'no other key of missed hits');

fresh();

is_deeply(batch({}, { %base, result => $RESULT{unknown} }), [ 1, -1, 0 ],
          'an unknown code');
is_deeply(call('KEYS', '*'), [ 'ref:journals:{shop}' ],
          'creates no key, but moves the mark');

fresh();

batch({}, { %base, flags => LANDED | TOUCHED | CLICK_ID | NO_CONSENT,
            map { $_ => '' } qw(country region city lang device os app source
                                channel segment variant landing_host
                                first_code) });

is_deeply(hash('ref:stats:{shop}'),
          { raw => 1, clicks => 1, no_consent => 1 },
          'empty values open no fields');
is_deeply([ values %{ hash("ref:clicks:{shop}:$minute") } ],
          [ 'aiko7 - = - - - - - - - aiko - n' ],
          'a touch without consent, a visitor, a first touch, and more');
is(call('EXISTS', "ref:visitors:{shop}:day:$day"), 0, 'nobody is unique');
is({ @{ call('XRANGE', 'ref:events:{shop}', '-', '+')->[0][1] } }->{city}, '',
   'an event has its empty fields');

fresh();

batch({}, { %base, flags => LANDED | NEW_LINK },
      { %base, flags => LANDED | NEW_DAY | NEW_LINK, seq => 2 },
      { %base, flags => LANDED | NEW_PROGRAM, seq => 3 });

is(hash('ref:stats:{shop}')->{visitors}, 1, 'new to the program');
is(hash('ref:stats:{shop}:aiko7')->{visitors}, 2, 'new to the link');
is(hash("ref:day:{shop}:$day")->{visitors}, 1, 'new to the day');

fresh();

batch({}, { %base, first_code => 'aiko7', first_click_id => id($at, 1) });

is((values %{ hash("ref:clicks:{shop}:$minute") })[0],
   'aiko7 ' . 'A' x 16 . ' = = = = JP mail b mobile aiko vip -',
   'the first touch is this click: its words are not written twice');

fresh();

batch({}, { %base, at => $at + 999 }, { %base, at => $at + 1000, seq => 2,
                                        click_id => id($at - 1, 2) });

is_deeply({ map { (split)[2] => 1 }
            map { values %{ hash("ref:clicks:{shop}:$_") } }
            $minute, strftime('%Y-%m-%dT%H:%M', gmtime(($at - 1) / 1000)) },
          { '=' => 1, strftime('%Y-%m-%dT%H:%M:%SZ',
                               gmtime($at / 1000 + 1)) => 1 },
          'the time is written where it is not that of the click id');

fresh();

batch({}, { %base, country => 'a b', variant => "x y" });

is((split / /, (values %{ hash("ref:clicks:{shop}:$minute") })[0]) + 0, 13,
   'a touch is always thirteen words');

for ([ 'aiko7', '', 'landing', '= - -' ], [ 'aiko', 'vip', 'landing',
     'aiko vip -' ], [ 'aiko7', '', 'unresolved', '= - u' ],
     [ 'aiko7', '', 'unresolved', '= - nu', NO_CONSENT ])
{
    my ($referrer, $segment, $result, $want, $flags) = @$_;

    fresh();
    call('HSET', 'ref:link:{shop}:aiko7', 'referrer', 'somebody else');
    batch({}, { %base, referrer => $referrer, segment => $segment,
                result => $RESULT{$result},
                flags => $base{flags} | ($flags || 0) });

    like((values %{ hash("ref:clicks:{shop}:$minute") })[0], qr/ \Q$want\E$/,
         "whose click it was when it was made: $want");
}


# unresolved clicks count if the link is there

fresh();

call('HSET', 'ref:link:{shop}:real', 'referrer', 'x');

my %un = (%base, result => $RESULT{unresolved}, referrer => 'r');

is_deeply(batch({},
                { %un, code => 'gone', seq => 1 },
                { %un, code => 'real', seq => 2 },
                { %click, seq => 3 },
                { %un, code => 'gone', seq => 4, class => $CLASS{bot} },
                { %un, code => 'real', seq => 5, flags => 0 },
                { %un, code => 'gone2', seq => 6 }),
          [ 1, -1, 0 ], 'unresolved clicks of links that are there or not');

$stats = hash('ref:stats:{shop}');

is($stats->{raw}, 3, 'only those of the link that exists');
is($stats->{clicks}, 2, 'landed');
is($stats->{unresolved}, 1, 'and told apart');
is($stats->{'missed:unresolved'}, 1, 'or missed');
is_deeply([ grep { /gone/ } @{ call('KEYS', '*') } ], [],
          'the others leave nothing behind');
is(call('XLEN', 'ref:events:{shop}'), 3, 'also in the events');
is(call('ZCARD', 'ref:board:{shop}:clicks'), 2, 'and on the boards');
is(hash('ref:journals:{shop}')->{$J}, 6, 'the mark is past all of them');


# keys of a wrong type: what they hit is set aside, neighbours count

my @wrong = (
    [ 'ref:stats:{shop}', 'HINCRBY' ],
    [ 'ref:stats:{shop}:aiko7', 'HINCRBY' ],
    [ "ref:day:{shop}:$day", 'HINCRBY' ],
    [ 'ref:days:{shop}', 'HINCRBY' ],
    [ 'ref:days:{shop}:aiko7', 'HINCRBY' ],
    [ 'ref:hours:{shop}', 'HINCRBY' ],
    [ 'ref:board:{shop}:clicks', 'ZINCRBY' ],
    [ "ref:board:{shop}:clicks:$day", 'ZINCRBY' ],
    [ 'ref:board:{shop}:referrers:clicks', 'ZINCRBY' ],
    [ "ref:board:{shop}:referrers:clicks:$month", 'ZINCRBY' ],
    [ "ref:visitors:{shop}:day:$day", 'PFADD' ],
    [ "ref:addresses:{shop}:day:$day", 'PFADD' ],
    [ "ref:clicks:{shop}:$minute", 'HSET' ],
    [ 'ref:events:{shop}', 'XADD' ],
);

for my $wrong (@wrong) {
    my ($key, $op) = @$wrong;

    fresh();
    call('SET', $key, 'x');

    my $r = batch({}, { %click }, { %click, seq => 2 });

    is_deeply($r, [ 1, -1, 1 ], "$key is a string: one operation refused");
    is(scalar @{ call('KEYS', '*') }, 16, 'all others counted');

    my $entry = call('XRANGE', 'ref:errors:{shop}', '-', '+');

    is(scalar @$entry, 1, 'one error entry');

    my %entry = @{ $entry->[0][1] };

    is("$entry{op} $entry{key}", "$op $key", 'that names it');
    like($entry{error}, qr/^(-?WRONGTYPE|-?INVALIDOBJ) /, 'and says why');
    unlike(join(' ', %entry), qr/AAAAAAAA|@{[ uuid($click{click_id}) ]}/,
           'without naming a visitor');
}

fresh();
call('SET', $_->[0], 'x') for @wrong;
call('SET', 'ref:errors:{shop}', 'x');

is_deeply(batch({}, { %click }), [ 1, -1, scalar @wrong ],
          'everything is wrong, the errors too: the batch still ends');

fresh();

call('HSET', 'ref:stats:{shop}', 'clicks', 'many', 'raw', '9223372036854775807',
     'country:JP', '1.5', 'os:ios', '9007199254740993', 'app:line', '-5');

is_deeply(batch({}, { %click }), [ 1, -1, 3 ], 'fields that are no integers');

$stats = hash('ref:stats:{shop}');

is_deeply([ @$stats{qw(clicks raw country:JP os:ios app:line visitors)} ],
          [ 'many', '9223372036854775807', '1.5', '9007199254740994', -4, 1 ],
          'are left alone, neighbours are exact');
like({ @{ call('XRANGE', 'ref:errors:{shop}', '-', '+')->[1][1] } }->{args},
     qr/^\w+(:\w+)? 1$/, 'the error tells what was not counted');


# caps

fresh();

my $n = 0;

for my $round (1 .. 2) {
    batch({ expected => $n, conf => [ 'cap_link=3', 'cap_program=5' ] },
          map { { %base, seq => ++$n, source => "s$_.example", lang => 'ja',
                  channel => 'other' } } 1 .. 8);
}

my $link = hash('ref:stats:{shop}:aiko7');

is_deeply([ sort grep { /^source:/ } keys %$link ],
          [ qw(source:other source:s1.example source:s2.example
               source:s3.example) ], 'a link opens no more than its cap');
is($link->{'source:other'}, 10, 'the rest is other');
is($link->{'fields:source'}, 3, 'opened fields are counted');
is($link->{'lang:ja'}, 16, 'another dimension has a cap of its own');
is($link->{'channel:other'}, 16, '"other" itself opens nothing');
is($link->{'fields:channel'}, undef, 'and is not counted as opened');
is(hash('ref:stats:{shop}')->{'source:other'}, 6, 'so has the program');
is(hash("ref:day:{shop}:$day")->{'source:other'}, 6, 'and its day');
is($link->{'country:JP'}, 16, 'what no request chooses has no cap');

call('HSET', 'ref:stats:{shop}:aiko7', 'fields:source', 'x');
batch({ expected => $n }, { %base, seq => ++$n, source => 'new.example' });
is(hash('ref:stats:{shop}:aiko7')->{'source:other'}, 11,
   'a broken count of fields opens nothing');


# late records

fresh();

my $old = ($now - 500 * 86400) * 1000;
my $then = strftime('%Y-%m-%d', gmtime($old / 1000 + 9 * 3600));

is_deeply(batch({}, { %click, at => $old, click_id => id($old, 3) }),
          [ 1, -1, 0 ], 'a click of long ago');
is_deeply([ sort grep { /clicks:\{|visitors|addresses|clicks:\d{4}-\d\d-/ }
                 @{ call('KEYS', '*') } ], [],
          'creates no key whose time is over');
is(hash("ref:day:{shop}:$then")->{clicks}, 1, 'and counts in its day');

fresh();

batch({}, { %click, life => 40 * 86400 });
batch({ expected => 1 }, { %click, seq => 2, click_id => id($at, 9) });
is(expires("ref:clicks:{shop}:$minute"), $at / 1000 + 40 * 86400,
   'a shorter life does not shorten what is there');
batch({ expected => 2 }, { %click, seq => 3, click_id => id($at, 8),
                           life => 50 * 86400 });
is(expires("ref:clicks:{shop}:$minute"), $at / 1000 + 50 * 86400,
   'a longer one extends it');


# a host whose clock is a year ahead, for a minute

fresh();

my $ahead = ($now + 365 * 86400) * 1000;

is_deeply(batch({}, { %click, at => $ahead, click_id => id($ahead, 3) }),
          [ 1, -1, 0 ], 'a click of a clock that is a year ahead');

for ([ "ref:clicks:*", 30 ], [ "ref:visitors:*", 400 ],
     [ "ref:addresses:*", 400 ], [ "ref:board:*:clicks:????-??-??", 9 ],
     [ 'ref:events:*', 90 ])
{
    my ($pattern, $days) = @$_;
    my ($key) = @{ call('KEYS', $pattern) };

    cmp_ok(abs(expires($key) - time - $days * 86400), '<', 60,
           "$key ends as if it were of now");
}


# uniques: the HyperLogLogs of a day

fresh();

($n, my $counted) = (0, 0);

for my $people (1000, 10_000, 100_000) {
    next if $people > 10_000 && !$ENV{TEST_SOAK};

    while ($counted < $people) {
        batch({ expected => $n }, map {
            { %click, seq => ++$n, click_id => id($at, ++$counted),
              visitor => substr(md5_hex("visitor $counted"), 0, 24),
              address => substr(md5_hex("address $counted"), 0, 16) }
        } 1 .. 500);
    }

    for my $what (qw(visitors addresses)) {
        my $found = call('PFCOUNT', "ref:$what:{shop}:day:$day");

        note(sprintf '%s: %d of %d, %+.2f %%', $what, $found, $people,
             100 * ($found - $people) / $people);
        cmp_ok(abs($found - $people), '<=', $people * 0.025,
               "$what of $people people: $found");
    }

    is(hash('ref:stats:{shop}')->{visitors}, $people, 'exactly, as fields');
}


# trimming

fresh();

for my $i (0 .. 2399) {
    call('HSET', 'ref:hours:{shop}',
         strftime('%Y-%m-%dT%H', gmtime($now - $i * 3600)), 1);
}

batch({}, { %click, at => ($now + 3 * 86400) * 1000 });
is(call('HLEN', 'ref:hours:{shop}'), 2401,
   'a clock that runs ahead cuts no hours');
batch({ expected => 1 }, { %click, seq => 2 });
is(call('HLEN', 'ref:hours:{shop}'), 90 * 24 + 1 + 2 + 1,
   'hours older than 90 days before the newest click go');

fresh();

$n = 0;

for (1 .. 10) {
    batch({ expected => $n, conf => [ 'maxlen=1000' ] },
          map { { %base, seq => ++$n } } 1 .. 500);
}

cmp_ok(call('XLEN', 'ref:events:{shop}'), '<=', 1100, 'events by length');

call('DEL', 'ref:events:{shop}');
call('XADD', 'ref:events:{shop}', '1-' . $_, 'a', 'b') for 1 .. 1000;
batch({ expected => $n, conf => [ 'age=864000' ] },
      { %base, at => ($now + 3 * 86400) * 1000, seq => ++$n });
is(call('XLEN', 'ref:events:{shop}'), 1001,
   'a clock that runs ahead cuts no events');
batch({ expected => $n, conf => [ 'age=864000' ] }, { %base, seq => ++$n });
cmp_ok(call('XLEN', 'ref:events:{shop}'), '<', 110, 'events by age');

fresh();

batch({ conf => [ 'maxlen=0' ] }, { %click });
is(call('EXISTS', 'ref:events:{shop}'), 0, 'no event stream where it is off');

fresh();

batch({ conf => [ 'prefix=x:' ] }, { %click });
is_deeply([ grep { !/^x:/ } @{ call('KEYS', '*') } ], [],
          'another prefix everywhere');


# who was forgotten

{
    fresh();

    my %other = (%click, visitor => '11' x 12, click_id => id($at, 3));
    my %later = (%click, at => $at + 5000, click_id => id($at + 5000, 4));
    my %bare = (%click, flags => $click{flags} & ~(VISITOR|ADDRESS),
                click_id => id($at, 5));
    my @all = map { { %{ (\%click, \%other, \%later, \%bare)[$_] },
                      seq => $_ + 1 } } 0 .. 3;

    batch({ full => 1 }, @all);

    my $whole = snapshot();
    my @named = events();

    is(scalar(grep { $_->{visitor} eq 'A' x 16 } @named), 2,
       'two of one visitor');

    fresh();
    call('HSET', 'ref:forgotten:{shop}', sha1_hex('A' x 16), $second,
         sha1_hex(uuid($bare{click_id})), $second);
    is_deeply(batch({}, @all), [ 1, -1, 0 ], 'sent again');

    my @left = events();

    is_deeply([ map { $_->{visitor} } @left ],
              [ '-', 'ER' x 8, 'A' x 16, '' ],
              'up to a time a visitor, or a click, has no name');
    is_deeply([ @{ $left[0] }{qw(type click_id first region city country)} ],
              [ 'click', '', '', '', '', 'JP' ],
              'and nothing that tells of it');
    is($left[3]{click_id}, '', 'nor has that of the click');
    is_deeply([ @left[1, 2] ], [ @named[1, 2] ], 'all others are as they were');
    is_deeply([ sort keys %{ hash("ref:clicks:{shop}:$minute") } ],
              [ sort map { uuid($_->{click_id}) } \%other, \%later ],
              'nobody finds the click');

    my $now_seen = snapshot();

    delete @{$_}{grep { /clicks:\{|events|forgotten/ } keys %$_}
        for $whole, $now_seen;
    is_deeply($now_seen, $whole, 'it counts as before');

    fresh();
    call('HSET', 'ref:forgotten:{shop}', sha1_hex('A' x 16), $second);
    is_deeply(batch({}, { %click }), [ 1, -1, 0 ], 'alone in its minute');
    is(call('EXISTS', "ref:clicks:{shop}:$minute", 'ref:errors:{shop}'), 0,
       'there is no minute, and nothing failed');

    fresh();
    call('SET', 'ref:forgotten:{shop}', 'x');
    is_deeply(batch({}, { %click }), [ 1, -1, 0 ], 'a key of another type');
    is(call('HLEN', "ref:clicks:{shop}:$minute"), 1, 'forgets nobody');
}


# a random history, however it is cut, adds up to the same

my @history = history(1500);
my %seen;

for my $cut (1, 2, 3) {
    fresh();
    call('HSET', 'ref:link:{shop}:code1', 'referrer', 'x');

    my ($pos, $refused) = (0, 0);
    srand($cut);

    while ($pos < @history) {
        my $len = 1 + int(rand($cut == 1 ? 20 : 400));
        my $end = $pos + $len > @history ? @history : $pos + $len;
        my @part = @history[$pos .. $end - 1];
        my $r = batch({ expected => $pos }, @part);

        $refused += $r->[2];
        $pos += @part;
    }

    is($refused, 0, "cut $cut: nothing refused");

    my $all = snapshot();

    if ($cut == 1) {
        %seen = %$all;
        is_deeply({ map { $_ => $all->{$_} } grep { /stats/ } keys %$all },
                  model(@history), 'counters are those of a plain model');

        for my $key (grep { /stats|:day:/ && ref $all->{$_} } keys %$all) {
            my $h = $all->{$key};
            my $sum = 0;
            $sum += $h->{$_} || 0
                for qw(clicks missed), @CLASSES[1 .. $#CLASSES];
            is($h->{raw}, $sum, "$key: raw is the sum of its classes");
        }

    } else {
        is_deeply($all, \%seen, "cut $cut: the same in every key");
    }
}


# every key is declared, and a user with no more than these commands suffices

fresh();

my $bytes = command({ full => 1 }, { %click }, { %un, seq => 2 });
my @words = $bytes =~ /^\$\d+\r\n(ref:[^\r]*)\r$/mg;
my %declared = map { $_ => 1 } @words;

call('HSET', 'ref:link:{shop}:aiko7', 'referrer', 'x');
raw($bytes);
is_deeply([ grep { !$declared{$_} } @{ call('KEYS', '*') } ], [],
          'every key is declared');
ok($declared{'ref:link:{shop}:aiko7'}, 'also the link that is asked for');
is_deeply([ grep { !/\{shop\}/ } keys %declared ], [],
          'all in the slot of the program');

fresh();

call('ACL', 'SETUSER', 'module', 'on', '>secret', 'resetkeys', '~ref:*',
     '-@all', map { "+$_" } qw(eval evalsha time exists pttl expireat hget
                               hset hmget hincrby hlen hkeys hdel zincrby
                               pfadd xadd xtrim));
call('AUTH', 'module', 'secret');
is_deeply(batch({ full => 1 }, { %click }), [ 1, -1, 0 ],
          'the commands that a restricted user needs');
call('AUTH', 'default', '');


# states of the server: an error, nothing applied

fresh();

call('CONFIG', 'SET', 'maxmemory', '1');
like(error(batch({ full => 1 }, { %click })), qr/^OOM /, 'out of memory');
call('CONFIG', 'SET', 'maxmemory', '0');
is(call('DBSIZE'), 0, 'nothing is counted');

call('REPLICAOF', '127.0.0.1', '1');
like(error(batch({ full => 1 }, { %click })), qr/^READONLY /, 'a replica');
call('REPLICAOF', 'NO', 'ONE');
is(call('DBSIZE'), 0, 'nothing is counted there');

call('CONFIG', 'SET', 'min-replicas-to-write', '1');
like(error(batch({ full => 1 }, { %click })), qr/^NOREPLICAS /,
     'too few replicas');
call('CONFIG', 'SET', 'min-replicas-to-write', '0');
is(call('DBSIZE'), 0, 'nothing is counted then');

is_deeply(batch({ full => 1 }, { %click }), [ 1, -1, 0 ],
          'afterwards the same batch applies');

done_testing();


sub id {
    my ($ms, $tail) = @_;

    return sprintf('%012x7000800000%010x', $ms, $tail);
}


sub uuid {
    my ($hex) = @_;

    $hex =~ s/^(.{8})(.{4})(.{4})(.{4})(.{12})$/$1-$2-$3-$4-$5/;

    return $hex;
}


sub hash {
    my ($key) = @_;

    return { @{ call('HGETALL', $key) } };
}


sub events {
    return map { +{ @{ $_->[1] } } }
           @{ call('XRANGE', 'ref:events:{shop}', '-', '+') };
}


sub expires {
    my ($key) = @_;

    return call('EXPIRETIME', $key);
}


sub fresh {
    call('FLUSHALL');
    raw(command({ full => 1, journal => 'ff' x 16 }, { %click }));
    call('FLUSHALL');
}


# all that does not depend on when Redis was told

sub snapshot {
    my %all;

    for my $key (@{ call('KEYS', '*') }) {
        my $type = call('TYPE', $key);

        if ($type eq 'hash') {
            $all{$key} = hash($key) if $key !~ /journals/;

        } elsif ($type eq 'zset') {
            $all{$key} = { @{ call('ZRANGE', $key, 0, -1, 'WITHSCORES') } };

        } elsif ($type eq 'stream') {
            $all{$key} = [ sort map { join ' ', @{ $_->[1] } }
                           @{ call('XRANGE', $key, '-', '+') } ];

        } else {
            $all{$key} = call('PFCOUNT', $key);
        }

        $all{"$key ttl"} = expires($key) if $key !~ /events/;
    }

    return \%all;
}


sub history {
    my ($count) = @_;
    my @list;

    srand(42);

    for my $seq (1 .. $count) {
        my $class = rand() < 0.7 ? 0 : int(rand(@CLASSES));
        my $result = rand() < 0.8 ? 0 : int(rand(@RESULTS));
        my $ms = $at - int(rand(3 * 86400_000));

        push @list, {
            %click, seq => $seq, code => 'code' . int(rand(40)),
            referrer => 'who' . int(rand(9)), class => $class,
            result => $result, at => $ms, click_id => id($ms, $seq),
            flags => int(rand(0x200)), visitor => sprintf('%024x', $seq % 300),
            address => sprintf('%016x', $seq % 200),
            country => (qw(JP DE US), '')[rand 4],
            device => (qw(mobile desktop))[rand 2], source => '',
            lang => (qw(ja de en))[rand 3], channel => '',
        };
    }

    return @list;
}


sub model {
    my %all;

    for my $r (@_) {
        my $result = $RESULTS[$r->{result}];

        next if $result eq 'unknown';
        next if $result eq 'unresolved' && $r->{code} ne 'code1';

        my $flags = $r->{flags};
        my @fields = ('raw');
        my $click = 0;

        push @fields, 'no_consent' if $flags & NO_CONSENT;

        if ($r->{class}) {
            push @fields, $CLASSES[$r->{class}];

        } elsif (($flags & LANDED)
                 && ($result eq 'landing' || $result eq 'unresolved'))
        {
            $click = 1;
            push @fields, 'clicks';
            push @fields, 'unresolved' if $result eq 'unresolved';
            push @fields, map { "$_:$r->{$_}" } grep { length $r->{$_} }
                qw(country device os app lang source channel variant segment);
            push @fields, 'no_address'
                if ($flags & VISITOR) && !($flags & ADDRESS);
            push @fields, 'unlisted'
                unless ($flags & TOUCHED) && ($flags & CLICK_ID);

        } else {
            push @fields, 'missed', "missed:$result";
        }

        $all{'ref:stats:{shop}'}{$_}++ for @fields;
        $all{"ref:stats:{shop}:$r->{code}"}{$_}++ for @fields;

        if ($click) {
            $all{'ref:stats:{shop}'}{visitors}++ if $flags & NEW_PROGRAM;
            $all{"ref:stats:{shop}:$r->{code}"}{visitors}++
                if $flags & NEW_LINK;
        }
    }

    for my $h (values %all) {
        my $langs = grep { /^lang:/ } keys %$h;
        $h->{'fields:lang'} = $langs if $langs;
    }

    $all{"$_ ttl"} = -1 for keys %all;

    return \%all;
}


sub command {
    my ($opt, @records) = @_;

    my $seq = 0;
    my @lines = map { "conf\t$_" } @{ $opt->{conf} || [] };

    push @lines, join "\t", 'begin', $opt->{program} || 'shop',
        $opt->{journal} || $J, $opt->{expected} || 0;

    for my $r (@records) {
        $r->{seq} ||= ++$seq;
        push @lines, join "\t", 'rec', map { "$_=$r->{$_}" } sort keys %$r;
    }

    push @lines, "command\t" . ($opt->{full} ? 1 : 0);

    open my $in, '>', "$dir/in" or die "in: $!";
    print $in map { "$_\n" } @lines;
    close $in;

    my $out = `$dir/tool < $dir/in`;
    die "tool failed" if $?;

    return $out;
}


sub batch {
    return raw(command(@_));
}


sub error {
    my ($reply) = @_;

    return ref $reply eq 'SCALAR' ? $$reply : 'no error: '
        . (ref $reply ? join(',', @$reply) : $reply);
}


sub call {
    my $bytes = '*' . @_ . "\r\n" . join '',
        map { '$' . length($_) . "\r\n$_\r\n" } @_;
    my $reply = raw($bytes);

    die "$_[0]: $$reply" if ref $reply eq 'SCALAR';

    return $reply;
}


{
    my ($socket, $buf);

    sub raw {
        my ($bytes) = @_;

        if (!$socket) {
            $socket = IO::Socket::UNIX->new(Peer => "$dir/redis.sock")
                or die "connect: $!";
            $buf = '';
        }

        while (length $bytes) {
            my $sent = syswrite $socket, $bytes;
            die "write: $!" if !defined $sent;
            substr($bytes, 0, $sent, '');
        }

        return reply();
    }

    sub line {
        my $end;

        while (($end = index $buf, "\r\n") < 0) {
            more();
        }

        my $line = substr $buf, 0, $end;
        substr($buf, 0, $end + 2, '');

        return $line;
    }

    sub more {
        sysread($socket, $buf, 65536, length $buf) or die 'redis went away';
    }

    sub reply {
        my $line = line();
        my $type = substr $line, 0, 1, '';

        return \$line if $type eq '-';
        return $line if $type eq '+' || $type eq ':';

        if ($type eq '$') {
            return undef if $line < 0;

            more() while length $buf < $line + 2;

            my $data = substr $buf, 0, $line;
            substr($buf, 0, $line + 2, '');

            return $data;
        }

        return undef if $line < 0;
        return [ map { reply() } 1 .. $line ];
    }
}


sub build {
    my $cc = $ENV{CC} || 'gcc';
    my $src = join ' ', map { "$root/$_" } map { sources("referral_$_.c") }
        qw(batch batch_table batch_command command keys record str hash id time visitor
           bots automaton link name result rules template conditions url code lang
           timezone timezone_rule);

    my $includes = join ' ', map { "-I$root/$_" }
                             map { s/^-I//r } includes();
    my $script = "$root/" . source('referral_click.lua');

    system("$root/auto/embed referral_click_lua $script"
           . " > $dir/referral_click_lua.h") == 0 or die 'embed failed';
    system("$root/auto/embed referral_bots_list $root/conf/bots.list"
           . " > $dir/referral_bots_list.h") == 0 or die 'embed failed';

    system("$cc -std=gnu11 -O1 -g -Wall $includes -I$dir -o $dir/tool"
           . " $root/t/unit/batch_tool.c $src -lcrypto") == 0
        or die 'the tool does not compile';
}


sub start {
    $server = fork();
    die "fork: $!" if !defined $server;

    if ($server == 0) {
        open STDOUT, '>', "$dir/redis.log";
        exec $redis, '--port', 0, '--unixsocket', "$dir/redis.sock",
            '--dir', $dir, '--save', '', '--appendonly', 'no';
        exit 1;
    }

    for (1 .. 100) {
        return if -S "$dir/redis.sock"
                  && IO::Socket::UNIX->new(Peer => "$dir/redis.sock");
        sleep 0.05;
    }

    die 'redis did not start';
}


sub stop {
    return if !$server;

    kill 'TERM', $server;
    waitpid $server, 0;
    $server = 0;
}
