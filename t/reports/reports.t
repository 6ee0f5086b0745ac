# protects: reports: each against the clicks that were made, sums that add
# up, an audit that finds a single wrong number, and a forgotten person who
# stays forgotten

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

use Digest::SHA qw(sha1_base64);
use List::Util qw(sum0);
use POSIX qw(strftime);

my $t = Referral->new;

Referral::Cli->begin($t);


# it is noon for the program, so no day ends meanwhile

my $offset = 12 - (gmtime)[2];
my $zone = sprintf '%s%02d:00', $offset < 0 ? '-' : '+', abs $offset;

sub day { strftime '%Y-%m-%d', gmtime(time + 3600 * $offset - 86400 * $_[0]) }

$t->config(
    workers => 2,
    http => 'referral_geoip %%GEO%%/city.mmdb;',
    server => <<'END',
        referral_landing  https://shop.example.com/;
        referral_fallback https://shop.example.com/over;
        referral_channel  $arg_ch;
        referral_exclude  $arg_staff;

        location /r/ {
            referral shop;
        }
END
);

$t->program('shop', languages => 'en,ja', utc_offset => $zone);
$t->link('shop', "c$_", referrer => 'r' . $_ % 3) for 1 .. 7;
$t->link('shop', 'off', state => 'disabled');
$t->start;

wait_for { @{ $t->redis('KEYS', 'ref:salt*') } };


# what clients know of their hits; "person" is a number

my (@hits, %cookie);

sub hit {
    my ($kind, $code, $person, %o) = @_;

    my ($net, $lang) = (1 + $person % 3, (qw(ja en de))[$person % 4] // 'en');
    my %hit = (
        code => $code, class => $kind, result => 'landing',
        referrer => $code eq 'off' ? 'off' : 'r' . substr($code, 1) % 3,
        country => (qw(JP BR DE))[$net - 1], person => $person,
        lang => $lang eq 'ja' ? 'ja' : 'en', channel => $o{channel},
        consent => 1,
    );

    my @args = map { ($o{$_->[0]} ? "$_->[1]=$o{$_->[0]}" : ()) }
               [ channel => 'ch' ], [ staff => 'staff' ];

    my $method = delete $o{method} // 'GET';
    my $cookie = $cookie{$person};
    my $uri = "/r/$code" . (@args ? '?' . join '&', @args : '');

    my $r = $t->request($method, $uri, from => "127.0.$net.5", lang => $lang,
                        defined $cookie ? (cookie => $cookie) : (), %o);

    $cookie{$person} = $r->cookie || $cookie;
    push @hits, \%hit;

    return \%hit;
}

my @sort = (
    sub { hit('human', @_) },
    sub { hit('human', @_, channel => 'mail') },
    sub { hit('human', @_, channel => 'print') },
    sub { hit('bot', @_, ua => 'Googlebot/2.1') },
    sub { hit('preview', @_, ua => 'facebookexternalhit/1.1') },
    sub { hit('prefetch', @_, headers => [ 'Sec-Purpose' => 'prefetch' ]) },
    sub { hit('head', @_, method => 'HEAD') },
    sub { hit('excluded', @_, staff => 1, headers => [ 'Sec-GPC' => 1 ]) },
    sub { hit('human', 'off', $_[1])->{result} = 'disabled' },
    sub {
        my $hit = hit('human', @_, headers => [ 'Sec-GPC' => 1 ]);
        delete @$hit{qw(consent person)};
    },
);

my $person = 0;

srand 5;

for my $i (1 .. 150) {
    my $code = 'c' . (1 + int rand 7);

    $sort[$i < 40 ? $i % 3 : rand @sort]->($code, ++$person);

    # some click again, the same or another

    hit('duplicate', $code, $person) if $i < 10;
    hit('human', 'c' . (1 + substr($code, 1) % 7), $person) if $i < 15;
}

$t->stats_are('shop', { raw => scalar @hits }, scalar(@hits) . ' hits');


# an independent count: hits that are so, by a name

sub is_click { $_[0]{class} eq 'human' && $_[0]{result} eq 'landing' }

sub by {
    my ($name, $takes) = @_;
    my %n;

    for my $hit (grep { ($takes // \&is_click)->($_) } @hits) {
        $n{ join '|', map { $hit->{$_} // '(none)' } split /\|/, $name }++;
    }

    return \%n;
}

sub in_all { scalar grep { $_[0]->($_) } @hits }


# a report's rows as names => number

sub rows {
    my ($report, @by) = @_;

    my ($n) = grep { defined $report->{total}{$_} } qw(clicks hits people);

    return { map { my $row = $_;
                   join('|', map { $row->{$_} } @by) => $row->{$n} }
             @{ $report->{rows} } };
}

sub total {
    my ($report) = @_;

    my ($n) = grep { defined $report->{total}{$_} } qw(clicks hits people);

    is(sum0(map { $_->{$n} } @{ $report->{rows} }), $report->{total}{$n},
       'the rows are the total');

    return $report->{total}{$n};
}


# totals

my $clicks = in_all(\&is_click);
my $people = keys %{{ map { $_->{person} => 1 }
                      grep { is_click($_) && $_->{person} } @hits }};
my $stats = j('stats', 'shop');
my %class = %{ by('class', sub { 1 }) };
my %want = (
    raw => scalar @hits, clicks => $clicks, visitors => $people,
    missed => $class{human} - $clicks,
    no_consent => in_all(sub { !$_[0]{consent} }),
    daily_visitors => $people, daily_addresses => 3,
    map { $_ => $class{$_} } qw(duplicate bot preview prefetch head excluded),
);

is_deeply({ map { $_ => $stats->{$_} } keys %want }, \%want, 'totals');
is_deeply([ grep { !$want{$_} } keys %want ], [], 'of all kinds');
is_deeply($stats->{by}{country}, by('country'), 'with their parts');
is(sum0(values %{ $stats->{by}{$_} }), $clicks, "$_ adds up")
    for qw(country lang channel device os);

is(r('stats', 'shop'), 0, 'for people');
like($out, qr/^visitors: browsers.*^addresses: pairs/ms,
     'who are told what the two counts of people mean');
like($out, qr/$people visitors at 3 addresses/, 'and why they differ');


# from counters, and from events

for my $of ([ 'country' ], [ 'lang' ], [ 'channel', '--from', 'today' ]) {
    my $name = $of->[0];
    my $report = j('stats', 'shop', '--by', @$of);

    is_deeply(rows($report, $name), by($name), "by @$of");
    is($report->{source}, 'counters', 'from counters');
    is(total($report), $clicks, 'all clicks');
    is(sprintf('%.1f', sum0(map { $_->{share} } @{ $report->{rows} })),
       '100.0', 'and all of them');
}

my $report = j('stats', 'shop', '--by', 'class');

is_deeply(rows($report, 'class'), \%class, 'by class');
is(total($report), @hits, 'all hits');

$report = j('stats', 'shop', '--by', 'result');
is_deeply(rows($report, 'result'),
          by('result', sub { $_[0]{class} eq 'human' }), 'by result');

my $of_c1 = sub { is_click($_[0]) && $_[0]{code} eq 'c1' };

$report = j('stats', 'shop', 'c1', '--by', 'country');
is_deeply(rows($report, 'country'), by('country', $of_c1), 'of a link');
is($report->{source}, 'counters', 'of all time');

$report = j('stats', 'shop', 'c1', '--by', 'country', '--from', 'today');
is_deeply(rows($report, 'country'), by('country', $of_c1), 'of a range');
is($report->{source}, 'events', 'from events');
is($report->{since}, day(0), 'which reach back so far');

is(j('stats', 'shop', 'c1', '--from', 'today')->{clicks}, in_all($of_c1),
   "a link's totals of a range");

for my $names ('country|channel', 'code', 'referrer') {
    my @names = split /\|/, $names;

    $report = j('stats', 'shop', map { ('--by', $_) } @names);
    is_deeply(rows($report, @names), by($names), "by @names");
    is(total($report), $clicks, 'all clicks');
}

is_deeply(rows(j('stats', 'shop', '--by', 'country', '--where', 'channel=mail'),
               'country'),
          by('country', sub { is_click($_[0])
                              && ($_[0]{channel} // '') eq 'mail' }),
          'only one channel');
is_deeply(rows(j('stats', 'shop', '--by', 'code', '--where', 'class=bot'),
               'code'),
          by('code', sub { $_[0]{class} eq 'bot' }), 'bots by link');

is(total(j('stats', 'shop', '--by', 'hour')), $clicks, 'by hour');
is(total(j('stats', 'shop', '--by', 'day')), $clicks, 'by day');
is(r('stats', 'shop', '--by', 'day', '--where', 'colour=red'), 2, 'by what?');


# boards

for my $of ([ 'links' ], [ 'links', '--day', 'today' ],
            [ 'links', '--month', 'this' ], [ 'referrers' ],
            [ 'referrers', '--week', 'this' ],
            [ 'referrers', '--month', 'this' ])
{
    my $column = $of->[0] eq 'links' ? 'code' : 'referrer';
    my $want = by($column);
    my $top = j('top', 'shop', '--by', @$of);

    is_deeply({ map { $_->{$column} => $_->{clicks} } @$top }, $want,
              "top @$of");
    is_deeply([ map { $_->{rank} } @$top ],
              [ map { my $n = $_->{clicks};
                      1 + grep { $_ > $n } values %$want } @$top ], 'rank');
    cmp_ok(abs($top->[0]{share} - 100 * $top->[0]{clicks} / $clicks), '<',
           0.1, 'share');
}

is(@{ j('top', 'shop', '-n', 2) }, 2, 'so many');


# other forms

is(r('stats', 'shop', '--by', 'country', '--csv'), 0, 'CSV');
is_deeply({ $out =~ /^(\w\w),(\d+),/mg }, by('country'), 'has the rows');

SKIP: {
    skip 'no script', 1 if system('command -v script >/dev/null') != 0;

    like(scalar `script -qc '$Referral::ROOT/scripts/referral stats shop \\
                 --by country' /dev/null </dev/null 2>&1`,
         qr/\x{e2}\x{96}\x{88}/, 'a chart on the terminal');
}


# audit: green, and red for each counter that is changed by hand

sub audit_is {
    my ($want, $name) = @_;

    my $audit = j('audit', 'shop');

    is_deeply([ sort map { "$_->{key} $_->{field} $_->{difference}" }
                     @{ $audit->{rows} } ], [ sort @$want ], $name);

    return $audit;
}

my $audit = audit_is([], 'the counters agree with the events');

is($audit->{events}, @hits, 'all of them');
is($audit->{totals}, 'checked', 'since the first');
cmp_ok($audit->{numbers}, '>', 150, "$audit->{numbers} numbers");
is(r('audit', 'shop'), 0, 'which is the exit code');

my $day = day(0);
my $month = substr $day, 0, 7;
my ($hour) = @{ $t->redis('HKEYS', 'ref:hours:{shop}') };

my @counters = (
    [ "ref:board:{shop}:clicks", 'c4' ],
    [ "ref:board:{shop}:clicks:$day", 'c5' ],
    [ 'ref:board:{shop}:referrers:clicks', 'r2' ],
    [ "ref:board:{shop}:referrers:clicks:$month", 'r1' ],
    [ "ref:day:{shop}:$day", 'country:JP' ],
    [ "ref:day:{shop}:$day", 'visitors' ], [ 'ref:days:{shop}', $day ],
    [ 'ref:days:{shop}:c3', $day ], [ 'ref:hours:{shop}', $hour ],
    [ 'ref:stats:{shop}', 'bot' ], [ 'ref:stats:{shop}:c2', 'raw' ],
);

sub change {
    my ($key, $field, $n) = @_;

    $key =~ /board/ ? $t->redis('ZINCRBY', $key, $n, $field)
                    : $t->redis('HINCRBY', $key, $field, $n);
}

change(@{ $counters[0] }, 1);
audit_is([ "@{ $counters[0] } 1" ], 'one too many is seen');
change(@$_, 1) for @counters[1 .. $#counters];
audit_is([ map { "@$_ 1" } @counters ], 'in every key');
change(@$_, -1) for @counters;

$t->redis('HDEL', 'ref:stats:{shop}', 'duplicate');
is(r('audit', 'shop'), 1, 'one that is gone, too');
like($out, qr/ref:stats:\{shop\} +duplicate +0 +$class{duplicate} /, 'by name');
$t->redis('HSET', 'ref:stats:{shop}', 'duplicate', $class{duplicate});


# a program of twelve days, whose stream then loses its begin

my @old;

{
    my ($id, %new) = (0);

    for my $i (0 .. 599) {
        my $at = time - 86400 * 11 + int($i / 50) * 86400 + $i % 50
                 - ($i % 50) * 700;
        my %event = (
            type => 'click', click_id => '', code => 'k' . $i % 5,
            referrer => 's' . $i % 2,
            class => $i % 7 ? 'human' : 'bot',
            result => $i % 11 ? 'landing' : 'ended', first => '',
            visitor => $i % 9 ? sprintf('%016d', $i % 300) : '',
            country => (qw(JP DE FR), '')[$i % ($i > 500 ? 2 : 4)],
            region => '', city => '', lang => 'en', device => 'mobile',
            os => 'ios', app => '', source => '', channel => '',
            segment => '', variant => '', landing_host => 'x',
            at => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $at),
        );

        $event{_time} = $at;
        $event{_day} = strftime '%Y-%m-%d', gmtime($at + 3600 * $offset);
        push @old, \%event;
    }

    my @fields = qw(type click_id code referrer class result first visitor
                    country region city lang device os app source channel
                    segment variant landing_host at);
    my %n;

    for my $event (sort { $a->{_time} <=> $b->{_time} } @old) {
        my ($day, $code) = @$event{qw(_day code)};
        my @names = 'raw';
        my $human = $event->{class} eq 'human';
        my $click = $human && $event->{result} eq 'landing';

        push @names, 'no_consent' if $human && !$event->{visitor};
        push @names, $event->{class} if !$human;
        push @names, 'missed', "missed:$event->{result}"
            if $human && !$click;
        push @names, 'clicks', map { "$_:$event->{$_}" }
                               grep { $event->{$_} ne '' }
                               qw(country lang device os) if $click;

        for my $key ('stats:{old}', "stats:{old}:$code", "day:{old}:$day") {
            $n{h}{$key}{$_}++ for @names;

            $n{h}{$key}{visitors}++
                if $click && $event->{visitor}
                && !$new{$key, $event->{visitor}}++;

            $n{h}{$key}{'fields:lang'} = 1 if $click;
        }

        if ($click) {
            my $hour = substr $event->{at}, 0, 13;

            $n{h}{$_->[0]}{$_->[1]}++
                for [ 'days:{old}', $day ], [ "days:{old}:$code", $day ],
                    [ 'hours:{old}', $hour ];
            $n{z}{"board:{old}:$_->[0]"}{$_->[1]}++
                for [ 'clicks', $code ], [ "clicks:$day", $code ],
                    [ 'referrers:clicks', $event->{referrer} ],
                    [ 'referrers:clicks:' . substr($day, 0, 7),
                      $event->{referrer} ];
            $t->redis('PFADD', "ref:visitors:{old}:day:$day",
                      $event->{visitor}) if $event->{visitor};
        }

        $t->redis('XADD', 'ref:events:{old}',
                  $event->{_time} . '000-' . ++$id,
                  map { $_ => $event->{$_} } @fields);
    }

    $t->redis('HSET', "ref:$_", %{ $n{h}{$_} }) for keys %{ $n{h} };
    $t->redis('ZADD', "ref:$_", reverse %{ $n{z}{$_} }) for keys %{ $n{z} };
    $t->program('old', utc_offset => $zone);
    $t->link('old', "k$_") for 0 .. 4;
}

sub old {
    my ($name, $from, $to, $takes) = @_;
    my %n;

    for (grep { is_click($_) && $_->{_day} ge $from && $_->{_day} le $to
                && (!$takes || $takes->($_)) } @old)
    {
        $n{ $_->{$name} eq '' ? '(none)' : $_->{$name} }++;
    }

    return \%n;
}

my @days = (day(8), day(5));

$audit = j('audit', 'old');
is($audit->{differences}, 0, 'twelve days agree') or diag explain $audit;

$report = j('stats', 'old', '--by', 'day', '--from', $days[0], '--to',
            $days[1]);
is_deeply(rows($report, 'day'), old('_day', @days), 'some days');
is(total($report), sum0(values %{ old('_day', @days) }), 'and their sum');

$report = j('stats', 'old', '--by', 'country', '--from', $days[0], '--to',
            $days[1]);
is_deeply(rows($report, 'country'), old('country', @days), 'by country');

my @range = ('--from', $days[0], '--to', $days[1]);
my $of_k1 = sub { $_[0]{code} eq 'k1' };

is_deeply(rows(j('stats', 'old', 'k1', '--by', 'country', @range), 'country'),
          old('country', @days, $of_k1), "a link's countries in some days");

# the change of each section is that of the program

my $compare = j('compare', 'old', day(2), day(1));
my %change;

$change{$_->{of}}{$_->{what}} = $_->{change} for @{ $compare->{rows} };

my $moved = sum0(values %{ old('code', day(1), day(1)) })
            - sum0(values %{ old('code', day(2), day(2)) });

is($change{total}{clicks}, $moved, 'compare: clicks');
is(sum0(values %{ $change{$_} }), $moved, "the changes by $_ add up")
    for qw(link country lang device);
is(sum0(values %{ $change{class} }), $change{total}{raw}, 'those by class');
is($change{country}{FR},
   (old('country', day(1), day(1))->{FR} // 0)
   - old('country', day(2), day(2))->{FR}, 'France is gone');
is(r('compare', 'old', day(2), day(1), '-n', 2), 0, 'for people');
like($out, qr/clicks by country +/, 'by section');
is(r('compare', 'old', '2020-01-01', '2020-01-02'), 1, 'of nothing');

# now it begins within a day

my ($cut) = sort { $a <=> $b } map { $_->{_time} }
            grep { $_->{_day} eq day(6) } @old;

$t->redis('XTRIM', 'ref:events:{old}', 'MINID', ($cut + 60) . '000');

is(r('stats', 'old', 'k1', '--by', 'country', @range), 1,
   'a range that begins earlier is refused');
like($err, qr/reach back to \Q@{[ day(5) ]}\E/, 'which says since when');
is(r('stats', 'old', 'k1', '--by', 'country', '--from', day(6)), 1,
   'a day that is not whole, too');

$report = j('stats', 'old', 'k1', '--by', 'country', '--from', day(5));
is_deeply(rows($report, 'country'), old('country', day(5), day(0), $of_k1),
          'from the first whole day on it is answered');
is($report->{since}, day(5), 'with the day since when');
is(r('stats', 'old', '--by', 'country', @range), 0, 'counters hold all days');
is(r('top', 'old', '--by', 'referrers', '--day', day(7)), 1,
   'no referrers of a day that is cut');

$audit = j('audit', 'old');
is($audit->{differences}, 0, 'what is left agrees') or diag explain $audit;
is($audit->{from}, day(5), 'since the first whole day');
is($audit->{totals}, 'not checked', 'and nothing more is claimed');

$t->redis('HINCRBY', 'ref:day:{old}:' . day(7), 'clicks', 1);
is(r('audit', 'old'), 0, 'a day before is not checked');
$t->redis('HINCRBY', 'ref:day:{old}:' . day(4), 'clicks', 1);
is(r('audit', 'old'), 1, 'a day after is');
is(r('audit', 'nobody'), 1, 'a program without events');


# the analyst's questions in the manual: each line is understood

my ($page) = $t->read_file("$Referral::ROOT/docs/reports.md")
    =~ /^# Questions and reports\n(.*?)^\*\*What adds up/ms;
my @lines = grep { @$_ == 4 && $_->[1] !~ /^(?:question|-+)$/ }
            map { [ split / *\| */ ] } grep { /^\|/ } split /\n/, $page;

cmp_ok(scalar(@lines), '>=', 20, 'questions');

for my $line (@lines) {
    my (undef, $question, $redis, $command) = @$line;

    if ($redis =~ /^`([A-Z].*)`$/) {
        ok(eval { $t->redis(map { s/^'|'$//gr } split ' ', $1); 1 },
           "$question redis-cli") or diag($@);
    }

    my @words = split ' ', ($command =~ /^`(.*)`$/)[0];

    s/CLICK_ID/00000000-0000-7000-8000-000000000000/ for @words;
    push @words, '--no-follow' if $words[0] eq 'tail';

    cmp_ok(r(@words), '<', 2, $question) or diag($err);
}


# how far off a day's estimate is; always the same ids, so always the same

for my $n (1000, 10_000, 100_000) {
    my $key = "ref:visitors:{many}:day:$n";
    my @left = map { substr sha1_base64("$n $_"), 0, 16 } 1 .. $n;

    $t->redis('PFADD', $key, splice @left, 0, 1000) while @left;

    my $off = 100 * ($t->redis('PFCOUNT', $key) / $n - 1);

    cmp_ok(abs $off, '<=', 2.5, sprintf '%d people: %+.2f %% off', $n, $off);
}


# all that Redis holds of a program, as text

sub everything {
    my %read = (hash => [ 'HGETALL' ], zset => [ 'ZRANGE', 0, -1 ],
                set => [ 'SMEMBERS' ], stream => [ 'XRANGE', '-', '+' ],
                string => [ 'GET' ]);
    my $flat;
    $flat = sub { map { ref ? $flat->(@$_) : $_ // '' } @_ };

    return join "\n", map {
        my ($command, @more) = @{ $read{ $t->redis('TYPE', $_) } };
        ($_, $flat->($t->redis($command, $_, @more)));
    } @{ $t->redis('KEYS', 'ref:*{shop}*') };
}

sub counts {
    return { map { $_ => $t->hgetall($_) }
             grep { !/clicks|forgotten|journals/ }
             map { @{ $t->redis('KEYS', "ref:$_:{shop}*") } }
                 qw(stats day days hours) };
}


# a person who clicked twice or more

my @events = $t->entries('ref:events:{shop}');
my ($who) = grep { my $v = $_->{visitor};
                   $v && 1 < grep { $_->{visitor} eq $v } @events } @events;
my @theirs = grep { $_->{visitor} eq $who->{visitor} } @events;
my @ids = ($who->{visitor}, map { $_->{click_id} } @theirs);
my ($else) = grep { $_->{visitor} && $_->{visitor} ne $who->{visitor}
                    && $_->{class} eq 'human' && $_->{result} eq 'landing' }
             @events;
my $before = counts();

my $known = everything();

like($known, qr/\Q$_\E/, 'it is there') for @ids;

my $answer = j('forget', $who->{visitor}, '--dry-run');

is($answer->{events}, @theirs, 'a rehearsal');
is(everything(), $known, 'changes nothing');

$answer = j('forget', $ids[1], '--program', 'shop');

is($answer->{events}, @theirs, "a click's id forgets all of its visitor");
is_deeply($answer->{programs}, ['shop'], 'there');

my $left = everything();

unlike($left, qr/\Q$_\E/, 'nothing is left of the person') for @ids;
is_deeply(counts(), $before, 'the counts stay');
audit_is([], 'and agree');
is_deeply(rows(j('stats', 'shop', 'c1', '--by', 'country', '--from', day(3)),
               'country'), by('country', $of_c1),
          'and the stream is as whole as it was');
is(r('click', $ids[1]), 1, 'the click is not found');
is(r('click', $else->{click_id}), 0, 'that of somebody else is');

# who gave no consent has only the click's id

my ($bare) = grep { $_->{click_id} && !$_->{visitor}
                    && $_->{result} eq 'landing' } @events;

is(j('forget', $bare->{click_id})->{clicks}, 1, 'a click without a visitor');
unlike(everything(), qr/\Q$bare->{click_id}\E/, 'is gone');
audit_is([], 'and counts as before');

# Redis loses all counts, and the journal is sent again

$t->expect_log(qr/went back/);
$t->redis('DEL', grep { !/:(link|links|program|referrer|forgotten):/ }
                 @{ $t->redis('KEYS', 'ref:*{shop}*') });

$t->stats_are('shop', { raw => scalar @hits }, 'the journal is sent again')
    if wait_for {
        ($t->hgetall('ref:stats:{shop}')->{raw} // 0) == @hits
    } 20;

$left = everything();

unlike($left, qr/\Q$_\E/, 'but does not bring the person back')
    for @ids, $bare->{click_id};
is(r('click', $else->{click_id}), 0, 'all others are back');
is_deeply(counts(), $before, 'and all counts');
audit_is([], 'which agree');
is($t->redis('EXISTS', 'ref:errors:{shop}'), 0, 'nothing was refused');
cmp_ok($t->redis('TTL', 'ref:forgotten:{shop}'), '<=', 90 * 86400 + 300,
       'what forgets is forgotten, too');

is(r('forget', $ids[0]), 1, 'it is not known any more');
is(r('forget', '-A' . 'x' x 14), 1, 'an id may look like an option');
is(r('forget', 'nonsense'), 3, 'neither an id');


# what is typed wrong, or was put among the counts by hand, is no fault of the
# program, and takes nothing away from the rest

is(r('stats', 'shop', '--from', $_), 3, 'no day') for "1\xd9\xa3\xd9\xa3\xd9"
    . "\xa4-01-01", "2026-11-2\xef\xbc\x92", '0000-00-00', '9999-12-31';
is(r('top', 'shop', '--week', $_), 3, 'no week') for '9999-W52', '2026-W60';
is(r('stats', 'shop', '--utc-offset', "+09:0\xd9\xa0"), 3, 'no offset');
is(r('stats', 'shop', '--utc-offset', $_), 3, "nor is $_")
    for qw(+14:01 +15:00 -99:00 +09:60);
is(r('stats', 'shop', '--utc-offset', $_), 0, "but $_")
    for qw(+14:00 -14:00 +13:59 Z);
is(r('stats', 'shop', "a\xff", '--from', 'today'), 0, 'a code of no text');

my $total = j('stats', 'shop', '--by', 'day')->{total}{clicks};

$t->redis('HSET', 'ref:days:{shop}', 'x', 9, "2026-11-2\xff", 2);
$t->redis('HSET', 'ref:hours:{shop}', 'x', 9);
$t->redis('ZADD', 'ref:board:{shop}:clicks', 'inf', 'endless');
$t->redis('HSET', "ref:link:{shop}:$_->[0]", 'name', $_->[1])
    for [ c1 => "-1+cmd|' /C calc'!A0" ], [ c2 => '=A1' ], [ c3 => '-4' ];

is(j('stats', 'shop', '--by', $_)->{total}{clicks}, $total,
   "a field that is no time is no part of the report by $_")
    for qw(day hour);
is(r('stats', 'shop'), 0, 'nor of the totals');
is(r('top', 'shop'), 0, 'a board has one without end');
is(r('compare', 'shop', 'yesterday', 'today'), 0, 'two days can be compared');
is(r('audit', 'shop', '--csv'), 1, 'the audit');
like($out, qr/ref:days:\{shop\}.*\bx\b/, 'names what is no day');

is(r('top', 'shop', '--csv'), 0, 'a leaderboard for a spreadsheet');
like($out, qr/,'-1\+cmd.*,/, 'holds no formula');
like($out, qr/,'=A1,/, 'nor a short one');
like($out, qr/,-4,/, 'and a number as it is');
is(r('link', 'export', 'shop'), 0, 'what is to be read again');
like($out, qr/,-4,/, 'is as it is');

# who does not read the answer, or reads it on a narrow terminal

my $by_day = "$Referral::ROOT/scripts/referral stats shop --by day";

like(`bash -c '$by_day | true; echo "\${PIPESTATUS[0]}"'`, qr/^0$/,
     'a closed pipe is no "not found"');
is(`bash -c '$by_day 2>&1 >&-; echo \$?'`, "0\n", 'nor is no output at all');
like(`script -qc 'stty cols 40; $by_day' /dev/null < /dev/null`,
     qr/\d{4}-\d\d-\d\d +$total /, 'no day and no number in two lines');

done_testing;
