# protects: dates and offsets: the module, its tools and the command line
# read each line of t/lib/dates.txt in the same way

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

use JSON::PP;
use Time::Local qw(timegm);

my $t = Referral->new;

Referral::Cli->begin($t);

open my $f, '<:raw', "$Referral::ROOT/t/lib/dates.txt" or die "dates.txt: $!";

my (@dates, @offsets, @zones);

while (my $line = <$f>) {
    chomp $line;

    next if $line =~ /^(?:#|$)/;

    my ($text, @columns) = split / \| /, $line, -1;

    if ($text =~ s/^offset //) {
        push @offsets, [ $text, @columns ];

    } elsif ($text =~ s/^timezone //) {
        push @zones, [ $text, @columns ];

    } else {
        push @dates, [ $text, @columns ];
    }
}

ok(@dates > 100 && @offsets > 20 && @zones > 10, 'the table was read');

sub ms {
    my ($text) = @_;

    my ($year, $month, $day, $hour, $min, $sec, $ms)
        = $text =~ /^(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)\.(\d+)$/ or die $text;

    return 1000 * timegm($sec, $min, $hour, $day, $month - 1, $year) + $ms;
}


# the tool

sub tool {
    my ($what, @texts) = @_;

    my $in = "@{[$t->dir]}/in";

    open my $o, '>:raw', $in or die "$in: $!";
    print $o join '', map { length($what) . ":$what," . length($_) . ":$_,"
                            . '0:,0:,' } @texts;
    close $o;

    return map { decode_json($_) }
           split /\n/, `$Referral::ROOT/build/referral_link_test --read < $in`;
}

my @read = tool('date', map { $_->[0] } @dates);

is(scalar @read, scalar @dates, 'an answer for each date');

for my $date (@dates) {
    my ($text, $first, $last, $zone) = @$date;
    my $read = shift @read;

    if ($first eq '-') {
        like($read->{problem}, qr/2026-12-01T10:30/, "tool: no date: $text");

    } else {
        is(($read->{ms} // '') . ($read->{local} ? 'local' : 'utc'),
           ms($first) . $zone, "tool: $text");
    }
}

@read = tool('offset', map { $_->[0] } @offsets);

is($_->[0] . ' ' . ((shift @read)->{minutes} // '-'), "$_->[0] $_->[1]",
   "tool: offset $_->[0]") for @offsets;

@read = tool('timezone', map { $_->[0] } @zones);

for my $zone (@zones) {
    my ($text, $right) = @$zone;
    my $read = shift @read;

    if ($right =~ s/^- //) {
        like($read->{problem}, qr/\Q$right\E/, "tool: no time zone: $text");

    } else {
        is($read->{timezone}, $right, "tool: time zone $text");
    }
}


# the command line: the same are taken, and the same refused

$stdin = join '', "code;starts;created\n",
                  map { "d$_;$dates[$_][0];$dates[$_][0]\n" } 0 .. $#dates;

my $a = j('link', 'import', 'shop', '-');
my %refused = map { $_->{code} => $_->{reason} } @{ $a->{complaints} };

for my $i (0 .. $#dates) {
    my ($text, $first) = @{ $dates[$i] };

    if ($first eq '-') {
        like($refused{"d$i"} // '', qr/2026-12-01T10:30/,
             "import: no date: $text");

    } else {
        is($refused{"d$i"}, undef, "import: $text");
        is($t->redis('ZSCORE', 'ref:links:{shop}', "d$i"),
           int(ms($first) / 1000), "import: created $text");
    }
}

$t->program('shop', state => 'active');
$t->redis('HSET', "ref:stats:{$_}", raw => 1, clicks => 1) for qw(p q shop);

for (@offsets) {
    my ($text, $minutes) = @$_;
    my $good = $minutes ne '-';

    is(r('stats', 'shop', "--utc-offset=$text"), $good ? 0 : 3,
       "stats --utc-offset $text");
    is(r('program', 'set', "p", "--utc-offset=$text"), $good ? 0 : 3,
       "program set --utc-offset $text");

    next if !$good;

    is(j('stats', 'p', '--by', 'country')->{utc_offset},
       sprintf('%s%02d:%02d', $minutes < 0 ? '-' : '+', abs($minutes) / 60,
               abs($minutes) % 60), "a program's utc_offset $text");
}

for (@zones) {
    my ($text, $right) = @$_;
    my $good = $right !~ s/^- //;

    for my $command ([ 'stats', 'shop' ], [ 'program', 'set', 'q' ]) {
        is(r(@$command, "--timezone=$text"), $good ? 0 : 3,
           "@$command --timezone $text");
        like($err, qr/\Q$right\E/, 'is told what would be right') if !$good;
    }

    next if !$good;

    is(j('stats', 'q', '--by', 'country')->{timezone}, $text,
       "a program's timezone $text");
    is(j('stats', 'shop', '--by', 'country', '--timezone', $text)->{timezone},
       $text, "a report's timezone $text");
}

for my $command ([ 'program', 'set', 'p' ], [ 'stats', 'shop' ]) {
    is(r(@$command, '--utc-offset', 'Europe/Berlin'), 3,
       "@$command: the name of a zone");
    like($err, qr/time zones.*"\+01:00"/, 'is told what would be right');
}

is(j('stats', 'shop', '--by', 'country', '--from', '20261201', '--to',
     '2026-W49-2')->{to},
   '2026-12-01', "a report's days");
is(r('stats', 'shop', '--from', '2026-12-01T10:30'), 3, 'are no times');
isnt(r('top', 'shop', '--week', '20261201'), 3, 'a week of such a day');


# the module, whose clock is now

$t->config(server => <<'END');
        referral_landing https://shop.example.com/;
        referral_fallback "https://shop.example.com/{result}";
        referral_landing_args off;

        location /r/ {
            referral shop;
        }
END

my $now = 1000 * time;

for my $i (0 .. $#dates) {
    $t->link('shop', "s$i", starts => $dates[$i][0]);
    $t->link('shop', "e$i", ends => $dates[$i][0]);
    $t->link('shop', "r$i", rules => "starts=$dates[$i][0]"
                                     . ' https://shop.example.com/rule');
}

$t->start;

for my $i (0 .. $#dates) {
    my ($text, $first, $last) = @{ $dates[$i] };
    my $good = $first ne '-';
    my $come = $good && ms($first) < $now;
    my $over = !$good || ms($last) < $now;

    is($t->get("/r/s$i")->location, 'https://shop.example.com/'
       . ($come ? '' : 'not_started'), "starts $text");
    is($t->get("/r/e$i")->location, 'https://shop.example.com/'
       . ($over ? 'ended' : ''), "ends $text");

    # a rule's words end at a space

    next if $text =~ / /;

    is($t->get("/r/r$i")->location, 'https://shop.example.com/'
       . ($come ? 'rule' : ''), "a rule that starts $text");
}

my $log = $t->log;

like($log, qr/"ref:link:\{shop\}:e\d+", field "ends": a date is like/,
     'the log says what would be right');

for (@offsets) {
    my ($text, $minutes) = @$_;

    my ($output, $status) = $t->nginx_t(server => "location /r/ {"
        . " referral shop; referral_landing https://shop.example.com/;"
        . " referral_utc_offset \"$text\"; }");

    is($status, $minutes eq '-' ? 1 : 0, "referral_utc_offset $text");
    like($output, qr/\[emerg\].*(?:time zones|\+09:00)/,
         'and what would be right') if $status;
}

for (@zones) {
    my ($text, $right) = @$_;
    my $good = $right !~ s/^- //;

    my ($output, $status) = $t->nginx_t(server => "location /r/ {"
        . " referral shop; referral_landing https://shop.example.com/;"
        . " referral_timezone \"$text\"; }");

    is($status, $good ? 0 : 1, "referral_timezone $text");
    like($output, qr/\[emerg\].*\Q$right\E/, 'and what would be right')
        if !$good;
}

done_testing;
