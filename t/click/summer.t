# protects: days of time zones by name: whose midnight it is, also on days of 23
# and 25 hours, in counts, in "starts" and "ends", and in reports

use strict;
use warnings;

use FindBin;
use POSIX qw(strftime);
use Time::Local qw(timegm);

use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;
use Referral::Clock;

use constant { MINUTE => 60, HOUR => 3600, DAY => 86400 };

# how long before midnight a click comes: a busy machine takes a while

use constant BEFORE => 10 * MINUTE;

my %zones = (
    berlin     => 'Europe/Berlin',
    newyork    => 'America/New_York',
    stjohns    => 'America/St_Johns',

    # clocks that are set at midnight

    cairo      => 'Africa/Cairo',
    havana     => 'America/Havana',

    howe       => 'Australia/Lord_Howe',
    kathmandu  => 'Asia/Kathmandu',
    kiritimati => 'Pacific/Kiritimati',
    west       => 'Etc/GMT+12',
    tokyo      => 'Asia/Tokyo',
);

my $clock = Referral::Clock->new;
my $t = $clock->with(sub { Referral->new });

Referral::Cli->begin($t);

# that of "newyork" stands in the configuration, that of "tokyo" in neither;
# "west" says an offset too, which must not count

for my $program (sort keys %zones) {
    next if $program =~ /^(?:newyork|tokyo)$/;

    $t->program($program, timezone => $zones{$program},
                $program eq 'west' ? (utc_offset => '+09:00') : ());
}

$t->program('tokyo', utc_offset => '+09:00', timezone => 'Asia/Edo');
$t->program('again', timezone => $zones{berlin});

$t->config(log => 'notice', http => 'referral_events age=400d;',
           server => <<'END');
        referral_landing https://shop.example.com/;
        referral_fallback "https://shop.example.com/{result}";
        referral_landing_args off;
        referral_timezone America/New_York;

        location ~ ^/r/(\w+)/(\w+)$ {
            referral $1 $2;
        }

        location /east/ {
            referral plain;
            referral_utc_offset +14:00;
        }
END


# what happens at which moment: 10 minutes before a day begins and with its first
# second, and the same at its end

my (@moments, %days, %want, $again);

open my $f, '-|', 'python3', "$FindBin::Bin/../lib/midnights.py", time,
     sort values %zones or die "python3: $!";

my %program = reverse %zones;

while (<$f>) {
    my ($zone, @said) = split;
    my $program = $program{$zone};

    for (@said) {
        my ($day, $first, $last) = /^([\d-]+)=(\d+):(\d+)$/ or die $_;
        my $code = $day =~ tr/-//dr;

        $days{$program}{$day} = $last - $first + 1;

        for ([ $first - BEFORE, 'not_started' ], [ $first, '' ],
             [ $last + 1 - BEFORE, '' ], [ $last + 1, 'ended' ])
        {
            my ($at, $result) = @$_;

            push @moments, [ $at, sub { clicks($program, $day, $result) } ];
        }

        again($day, $first)
            if $program eq 'berlin' && $last - $first > DAY && !$again++;

        $t->link($program, "d$code", starts => $day, ends => $day);
        $t->link($program, "r$code", rules => "starts=$day ends=$day"
                                              . ' https://shop.example.com/r');
    }
}

close $f or die 'midnights.py';

my %hours;

for my $program (keys %days) {
    $hours{$program}{$_ / HOUR} = 1 for values %{ $days{$program} };
}

is_deeply([ sort keys %{ $hours{berlin} } ], [ 23, 24, 25 ],
          'days of Berlin have that many hours');
is_deeply([ sort keys %{ $hours{cairo} } ], [ 23, 24, 25 ],
          'those of Cairo');
is_deeply([ sort keys %{ $hours{howe} } ], [ 23.5, 24, 24.5 ],
          'those of Lord Howe');
is_deeply([ sort keys %{ $hours{kathmandu} } ], [ 24 ],
          'those of Kathmandu');

$clock->with(sub { $t->start });

for (sort { $a->[0] <=> $b->[0] } @moments) {
    my ($at, $what) = @$_;

    $clock->set($at);
    $what->();
}

for my $program (sort keys %want) {
    ok(wait_for { same($t->hgetall("ref:days:{$program}"), $want{$program}) },
       "$program: clicks by day")
        or diag(explain($t->hgetall("ref:days:{$program}"), $want{$program}));
}


# reports: from counters, and from the events

$clock->with(sub {
    for my $program (sort keys %want) {
        my @zone = $program eq 'newyork' ? ('--timezone', $zones{newyork})
                                         : ();
        my $report = j('stats', $program, '--by', 'day', @zone);

        is_deeply({ map { $_->{day} => $_->{clicks} } @{ $report->{rows} } },
                  $want{$program}, "$program: a report by day");
        is($report->{timezone} // $report->{utc_offset},
           $program eq 'tokyo' ? '+09:00' : $zones{$program},
           "$program: says whose days");

        $report = j('stats', $program, '--by', 'day', '--where',
                    'os=linux', @zone);

        is_deeply({ map { $_->{day} => $_->{clicks} } @{ $report->{rows} } },
                  $want{$program}, "$program: the same from the events")
            or diag(explain($report));

        my $audit = j('audit', $program, @zone);

        is($audit->{differences}, 0, "$program: all agree")
            or diag(explain($audit));
    }

    is(r('stats', 'berlin', '--timezone', 'Europe/Bonn'), 3,
       'no such time zone');
    like($err, qr{--timezone 'Europe/Bonn': no such time zone}, 'is told');
    is(r('stats', 'howe', '--by', 'hour', '--from', july()), 2,
       'a day that begins within an hour');

    is(j('link', 'test', 'berlin', 'dnone', '--at', long_day() . 'T02:30',
         '--default-landing', 'https://shop.example.com/')->{utc_offset}, 120,
       'link test is in the program\'s zone');
});


# "west" said two things, "tokyo" one that is none

is(r('program', 'show', 'west'), 0, 'a program that says both');
like($out . $err, qr/utc_offset has no effect/, 'is told that one counts');
is(r('program', 'show', 'berlin'), 0, 'and one that says one');
unlike($out . $err, qr/no effect/, 'is not');

my @told = grep { /"timezone"/ } split /\n/, $t->log;

is(scalar @told, 1, 'a time zone that is none is told once');
like($told[0] // '', qr/ref:program:\{tokyo\}".*no such time zone/,
     'and whose it is');

is(r('program', 'set', 'new', '--timezone', 'Europe/Berlni'), 3,
   'a program of no time zone is refused');
like($err, qr{timezone: no such time zone; is it "Europe/Berlin"\?},
     'with what may be meant');
is(r('program', 'set', 'new', '--timezone', 'Europe/Berlin'), 0, 'one of one');
is($t->redis('HGET', 'ref:program:{new}', 'timezone'), 'Europe/Berlin',
   'is written');
is(r('program', 'set', 'new', '--utc-offset', '+01:00'), 0, 'with an offset');
like($err, qr/utc_offset has no effect/, 'is taken with a note');

$t->finish;

done_testing;


# two people at a moment of this day or beside it

sub clicks {
    my ($program, $day, $result) = @_;

    my $code = $day =~ tr/-//dr;
    my $when = "$program: of $day, " . gmtime $clock->time;

    is($t->get("/r/$program/d$code")->location,
       "https://shop.example.com/$result", "$when: a link");
    is($t->get("/r/$program/r$code")->location,
       'https://shop.example.com/' . ($result ? '' : 'r'), "$when: a rule");

    if ($result eq '') {
        $want{$program}{$day} += 2;

    } else {
        $want{$program}{neighbour($day, $result eq 'ended' ? 1 : -1)}++;
    }
}


# on a day of 25 hours

sub again {
    my ($day, $start) = @_;

    my $cookie;
    my $next = neighbour($day, 1);

    $t->link($_, 'a'), $t->link($_, 'b') for qw(again plain);

    push @moments,
         [ $start + 20 * MINUTE,
           sub { $cookie = $t->get('/r/again/a')->cookie } ],

         # whoever was there in the morning is not new to the day at noon,
         # though by noon's offset the morning was of the day before

         [ $start + 13 * HOUR, sub {
             $cookie = $t->get('/r/again/b', cookie => $cookie)->cookie;
             $t->fields_are("ref:day:{again}:$day",
                            { clicks => 2, visitors => 1 },
                            'one visitor of a day of 25 hours');
         } ],

         [ $start + 25 * HOUR, sub {
             $t->get('/r/again/a', cookie => $cookie);
             $t->fields_are("ref:day:{again}:$next",
                            { clicks => 1, visitors => 1 },
                            'who is new to the next day');
         } ],

         # the nearest directive counts, and an offset may be it

         [ $start + 36 * HOUR, sub {
             $t->get('/r/plain/a');
             $t->get('/east/b');
             $t->fields_are('ref:days:{plain}',
                            { $next => 1, neighbour($day, 2) => 1 },
                            'an offset in the location, a time zone in the'
                            . ' server');

             # hours are kept 90 days

             $clock->with(sub {
                 is(j('stats', 'berlin', '--by', 'hour', '--from', $day,
                      '--to', $day)->{total}{clicks}, 4,
                    'the hours of a day of 25');
             });
         } ];
}


sub long_day {
    return (grep { $days{berlin}{$_} > DAY } sort keys %{ $days{berlin} })[0];
}


sub neighbour {
    my ($day, $by) = @_;

    my ($y, $m, $d) = split /-/, $day;

    return strftime('%Y-%m-%d', gmtime(timegm(0, 0, 12, $d, $m - 1, $y)
                                       + $by * DAY));
}


# Lord Howe's winter

sub july { (grep { /-07-01/ } keys %{ $days{howe} })[0] }


sub same {
    my ($got, $want) = @_;

    return join(' ', map { "$_=$got->{$_}" } sort keys %$got)
           eq join(' ', map { "$_=$want->{$_}" } sort keys %$want);
}
