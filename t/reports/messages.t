# protects: messages of the command line: which word is wrong, what was
# probably meant, what a number does not include; and an impossible question
# is refused instead of answered with a zero

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

use POSIX qw(strftime);

my $t = Referral->new;

Referral::Cli->begin($t);

my ($yesterday, $today) = map { strftime '%Y-%m-%d', gmtime(time - 86400 * $_) }
                          1, 0;


sub refused {
    my ($code, $said, @args) = @_;

    is(r(@args), $code, "@args") or diag $out, $err;
    like($err, $said, 'and the right thing is said');
}

sub lacks { unlike($out . $err, $_[0], $_[1]) }


$t->program('shop', landing => 'https://shop.example.com/');
r('link', 'add', 'shop', 'kim2', '--referrer', 'kim');
r('link', 'add', 'shop', 'aiko7');

my %event = (
    type => 'click', click_id => '', code => 'kim2', referrer => 'kim',
    class => 'human', result => 'landing', first => '', visitor => '',
    country => 'JP', region => 'JP-13', city => 'Tokyo', lang => 'ja',
    device => 'mobile', os => 'ios', app => 'line', source => 'line.me',
    channel => 'mail', segment => 'vip', variant => 'b',
    landing_host => 'shop.example.com',
    at => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime),
);
my @order = qw(type click_id code referrer class result first visitor country
               region city lang device os app source channel segment variant
               landing_host at);

sub click {
    my %e = (%event, @_);
    my $human = $e{class} eq 'human';
    my @dimensions = map { "$_:$e{$_}" }
                     qw(country device os app lang source channel variant
                        segment);

    $t->redis('XADD', 'ref:events:{shop}', '*', map { $_ => $e{$_} } @order);

    for my $key ('stats:{shop}', "day:{shop}:$today", "stats:{shop}:$e{code}") {
        $t->redis('HINCRBY', "ref:$key", $_, 1)
            for 'raw', $human ? ('clicks', 'no_consent', @dimensions)
                              : $e{class};
    }

    return if !$human;

    $t->redis('HINCRBY', "ref:days:{shop}", $today, 1);
    $t->redis('HINCRBY', "ref:days:{shop}:$e{code}", $today, 1);
    $t->redis('ZINCRBY', "ref:board:{shop}:$_", 1, $e{code})
        for 'clicks', "clicks:$today";
}

click();


# a filter that no click can pass

my @where = (
    ['device=phone', qr/device must be mobile, tablet/],
    ['device=phones', qr/device must be mobile/],
    ['os=win11', qr/os must be ios, android/],
    ['country=Japan', qr/country must be two letters/],
    ['region=Tokyo', qr/region must be .* JP-13/],
    ['class=humans', qr/there are human .*did you mean human\?/],
    ['result=refusd', qr/there are landing .*did you mean refused\?/],
    ['app=insta', qr/there are messenger instagram .*did you mean instagram/],
    ['channel=A B', qr/one channel, like mail/],
    ['device=mobile,tablet', qr/one device, like mobile/],
    ['device=!mobile', qr/one device, like mobile/],
    ['code=a/b', qr/a code is 1 to 64/], ['first=a b', qr/a code is 1 to 64/],
    ['source=https://line.me/', qr/source is a host/],
    ['landing_host=a/b', qr/landing_host is a host/],
);

refused(3, qr/^nginx-referral: not tried: --where \Q$_->[0]\E: .*$_->[1]/i,
        'stats', 'shop', '--where', $_->[0]) for @where;

for my $where ('country=jp', 'region=jp-13', 'device=Mobile', 'os=iOS',
               'lang=JA', 'source=www.LINE.me', 'code=KIM2',
               'channel=Mail', 'city=Tokyo', 'Country=JP',
               'landing_host=Shop.example.com', 'variant=B', 'referrer=kim')
{
    is(j('stats', 'shop', '--where', $where)->{total}{clicks}, 1,
       "$where is what is meant");
}

is(j('stats', 'shop', '--where', $_)->{total}{clicks}, 0, "$_ may be asked")
    for 'country=(none)', 'app=', 'device=tv', 'app=WhatsApp', 'app=google';

my ($traits) = $t->read_file("$Referral::ROOT/src/visitor/referral_visitor.c")
               =~ /^static .*referral_ua_apps\[.*?\{(.*?)\};/ms;

ok($traits, 'the apps of the module\'s list');
j('stats', 'shop', '--where', "app=$_") for $traits =~ /string\("(\w+)"\)/g;

refused(2, qr/did you mean country\?/, 'stats', 'shop', '--where',
        'contry=JP');
refused(2, qr/; say device=VALUE/, 'stats', 'shop', '--where', 'device');
refused(2, qr/did you mean country\?/, 'stats', 'shop', '--by', 'contry');
is(r('stats', 'shop', '--by', 'Country'), 0, 'by Country');

{
    local $ENV{REFERRAL_TOOLS} = $t->dir;

    is(r('stats', 'shop', '--where', 'country=JP'), 0,
       'without the program that checks');
    like($err, qr/was not checked/, 'it says so, and counts');
}


# the word that is wrong

refused(3, qr/rules, line 2: unknown condition: .*'contry' is none of them; did you mean country\?/,
        'link', 'add', 'shop', 'x1', '--rules',
        "country=JP https://a.example/?contra=1\ncontry=JP https://a.example/");
refused(3, qr/'lagn' is none of them; did you mean lang\?/, 'program', 'set',
        'shop', '--landing', 'https://a.example/{code}/{lagn|en}');
refused(3, qr/device must be .*; 'phone' is none of them/, 'link', 'add',
        'shop', 'x1', '--rules', 'device=mobile,!phone https://a.example/');
refused(2, qr/No such command 'stat'; did you mean stats\?/, 'stat');
refused(2, qr/No such command 'lst'; did you mean list\?/, 'link', 'lst');
refused(2, qr/No such command 'zzz';/, 'zzz');
lacks(qr/mean/, 'of what is like nothing nothing is guessed');
refused(3, qr/'tomorrow' is no day like 2026-11-22, today or yesterday/,
        'stats', 'shop', '--from', 'tomorrow');


# what nginx may say, and what a link's state is

$t->link('shop', 'old', state => 'active', ends => '2024-08-31');
$t->link('shop', 'new', state => 'active', starts => '2031-08-31');
$t->link('shop', 'off', state => 'disabled', ends => '2024-08-31');
$t->link('shop', 'odd', state => 'active', ends => 'soon');
r('link', 'set', 'shop', $_, '--name', 'x') for qw(old new off odd);

refused(1, qr/say it with --default-fallback$/m, 'link', 'test', 'shop', $_)
    for 'old', 'nope';
is(r('link', 'test', 'shop', 'old', '--default-fallback',
     'https://a.example/'), 1, 'said');
lacks(qr/--default-/, 'it is not asked for again');
r('link', 'test', 'none', 'nope');
lacks(qr/--default-landing/, 'nor what would not help');

is_deeply({ map { $_->{code} => $_->{state} } @{ j('link', 'list', 'shop') } },
          { kim2 => 'active', aiko7 => 'active', old => 'ended',
            new => 'not_started', off => 'disabled', odd => 'ended' },
          'what becomes of a click now');
r('link', 'list', 'shop');
like($out, qr/^old .* ended .* 2024-08-31$/m, 'for people too');
like($out, qr/^new .* not yet /m, 'with plain words');

$t->program('east', utc_offset => '+14:00');
$t->program('west', utc_offset => '-12:00');

for my $program ('east', 'west') {
    my $zone = $program eq 'east' ? 14 : -12;
    my $day = strftime '%Y-%m-%d', gmtime(time + 3600 * $zone);

    $t->link($program, 'l', state => 'active', ends => $day);
    r('link', 'set', $program, 'l', '--name', 'x');
    is(j('link', 'list', $program)->[0]{state}, 'active',
       "$program: through its last second");
    $t->redis('HSET', "ref:link:{$program}:l", ends => strftime '%Y-%m-%d',
              gmtime(time + 3600 * $zone - 86400));
    is(j('link', 'list', $program)->[0]{state}, 'ended', 'and no longer');
}

$t->redis('HSET', 'ref:link:{shop}:bad3', state => 'offf');
r('link', 'show', 'shop', 'bad3');
my ($advice) = $err =~ /"nginx-referral (link set [^"]+)" puts it there/;
is(r(split / /, $advice), 0, "what is suggested is taken: $advice");

r('link', 'import', '--help');
(my $help = $out) =~ s/\s+/ /g;
like($help, qr/\b$_\b/, "import --help names $_")
    for qw(code referrer name landing landing_args rules state starts ends
           segment channel created);


# numbers

r('stats', 'shop', '--from', 'today', '--to', 'today');
lacks(qr/several days|estimated/, 'the number of one day is exact');
is(j('stats', 'shop', '--by', 'day')->{visitors}, 0, 'by day too');
$t->redis('HSET', "ref:day:{shop}:$today", visitors => 1);
$t->redis('PFADD', "ref:visitors:{shop}:day:$today", 1 .. 5);
is(j('stats', 'shop', '--from', 'today')->{visitors}, 1,
   'it is that of the counter');
is(j('stats', 'shop', '--by', 'day')->{visitors}, 1, 'by day too');

refused(2, qr/a day is not compared with itself: both are $today/, 'compare',
        'shop', 'today', $today);
refused(1, qr/there is no program nope; "nginx-referral program list"/,
        'audit', 'nope');

$t->redis('HINCRBY', "ref:$_", 'no_address', 1)
    for 'stats:{shop}', "day:{shop}:$today";
$t->redis('HSET', 'ref:stats:{shop}', unlisted => 1);
r('stats', 'shop');
like($out, qr/^1 click is in no count of addresses/m, 'one click is');
like($out, qr/^1 click counted without an entry.* does not find it$/m, 'it');
like($out, qr/^1 hit of people without consent is in neither$/m, 'one hit is');
lacks(qr/\b1 (?:clicks|hits|addresses|visitors|days|others|lines|links)\b/,
      'one is not many');
r('compare', 'shop', $yesterday, $today, '-n', 1);
lacks(qr/\b1 (?:clicks|hits|others)\b|\(1 others\)/, 'nor here');

$stdin = "code,name\nx1,\e\n";
is(r('link', 'import', 'shop', '-'), 3, 'one line');
like($err, qr/1 of 1 line was refused/, 'was');
is(r('link', 'rm', 'shop', 'nope'), 1, 'none');
r('link', 'list', 'shop', '-n', 1);
like($err, qr/only the newest 1 of 7 is shown/, 'one is shown');
r('reset', 'shop');
lacks(qr/\b1 keys\b/, 'nor of keys');

$t->redis('HSET', 'ref:stats:{shop}', 'channel:other' => 1, clicks => 2,
          'fields:channel' => 1);
r('stats', 'shop', '--by', 'channel');
like($out, qr/"other": channels that were none .*, and values/,
     'what is in "other"');

r('top', 'shop', '--day', $today);
like($out, qr/^program shop .. by links .. day $today\nrank /m,
     'in its first line');
r('top', 'shop', '--month', 'this');
like($out, qr/^program shop .. by links .. from \S+-01 .. to \S+\n/m, 'a month');
is(r('top', 'shop', '--by', 'referrers', '--month', '2020-01'), 0, 'an old one');
like($err, qr/no clicks from 2020-01-01 to 2020-01-31/, 'says so, too');
is(ref j('top', 'shop'), 'ARRAY', 'in JSON it is what it was');

$t->redis('HSET', 'ref:stats:{thirds}', clicks => 3, raw => 3,
          'country:JP' => 1, 'country:DE' => 1, 'country:FR' => 1);
r('stats', 'thirds', '--by', 'country');
like($out, qr/^share: rounded so that all add up to 100\.0/m,
     'equal numbers with unequal shares are explained');
r('stats', 'shop', '--by', 'country');
lacks(qr/rounded/, 'and only they');


# for cron

is(r('stats', 'shop', '--by', 'country', '--csv', '--quiet'), 0, 'quiet');
is($err, '', 'says nothing');
is(r('--quiet', 'stats', 'shop', '--by', 'day'), 0, 'before the command too');
lacks(qr/^visitors: /m, 'nor below a table');
is(r('link', 'list', 'shop', '-n', 1, '--quiet'), 0, 'nor of what is left');
is($err, '', 'out');
is(r('stats', 'nope', '--quiet'), 1, 'what went wrong');
like($err, qr/no program/, 'is said all the same');
r('audit', 'shop', '--quiet');
lacks(qr/not checked:/, 'no notes of an audit');


# the version

is(r('--version'), 0, 'which version');

my ($version) = $t->read_file("$Referral::ROOT/debian/changelog")
                =~ /\((.+)-\d+\)/;

is($out, "nginx-referral $version\n", 'that of the package');

done_testing;
