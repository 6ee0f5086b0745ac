# protects: time zones that are updated, added, removed or not there at all while
# nginx runs, with a pool of threads and without one

use strict;
use warnings;

use FindBin;
use File::Copy qw(copy);
use File::Path qw(make_path remove_tree);

use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clock;

use constant ZONES => '/usr/share/zoneinfo';

my $clock = Referral::Clock->new;

for my $threads (1, 0) {
    subtest $threads ? 'threads' : 'no threads' => sub { run($threads) };
}

done_testing;


sub run {
    my ($threads) = @_;

    my $t = Referral->new;
    my $dir = $t->dir . '/zones';

    # a moment that has come 14 hours east, and not 12 hours west

    my @now = gmtime(time + 3600);
    my $soon = sprintf '%04d-%02d-%02dT%02d:00', $now[5] + 1900, $now[4] + 1,
                       @now[3, 2];

    $t->program($_, timezone => $_ eq 'shop' ? 'Here' : 'Far/There')
        for qw(shop late);
    $t->link($_, 'a', starts => $soon) for qw(shop late);

    $t->config(log => 'notice',
               http => $threads ? 'referral_geoip %%GEO%%/city.mmdb;' : '',
               server => <<'END');
        referral_landing https://shop.example.com/;
        referral_fallback "https://shop.example.com/{result}";
        referral_landing_args off;
        referral_utc_offset -12:00;

        location ~ ^/r/(\w+)/(\w+)$ {
            referral $1 $2;
        }
END

    # where they are, but nothing is there

    $clock->with(sub {
        local $ENV{TZDIR} = $dir;
        $t->start;
    });

    my $starts = sub {
        my ($program, $yes, $what) = @_;

        is($t->get("/r/$program/a")->location, 'https://shop.example.com/'
           . ($yes ? '' : 'not_started'), "$program: $what");
    };

    # the timer comes with the next hour; each look is one

    my $look = sub {
        my ($re, $n) = @_;

        $clock->lapse(4000);

        ok(wait_for(sub { $t->get('/'); (() = $t->log =~ /$re/g) >= $n }),
           "a look: $re");
    };

    $starts->('shop', 0, 'without time zones the configuration\'s offset');
    like($t->log, qr/\{shop\}", field "timezone":.*package "tzdata"/,
         'and that is said');

    make_path("$dir/Far");
    put('Pacific/Kiritimati', "$dir/Here");

    $look->('1 time zones were read again', 1);
    $starts->('shop', 1, 'time zones that came');
    $starts->('late', 0, 'not all');
    like($t->log, qr/\{late\}", field "timezone": no such time zone/,
         'and that is said');

    put('Pacific/Kiritimati', "$dir/Far/There");
    put('Etc/GMT+12', "$dir/Here");

    $look->('2 time zones were read again', 1);
    $starts->('shop', 0, 'a time zone that changed');
    $starts->('late', 1, 'and one that was added');

    open my $f, '>', "$dir/Bad" or die "Bad: $!";
    print $f 'TZif2';
    print $f "\0" x 60;
    close $f;

    $look->('2 time zones were read again', 2);
    like($t->log, qr/\[warn\].*a time zone cannot be used: "Bad": it is cut/,
         'a damaged file is named');

    remove_tree($dir);

    $look->('time zones cannot be read:.*No such file.*the old ones stay', 1);
    $starts->('shop', 0, 'what is gone stays');
    $starts->('late', 1, 'all of it');

    $clock->lapse(4000);
    $t->get('/') for 1 .. 20;
    is(() = $t->log =~ /cannot be read/g, 1, 'said once');

    make_path($dir);
    put('Pacific/Kiritimati', "$dir/Here");

    $look->('1 time zones were read again', 2);
    $starts->('shop', 1, 'what came again');

    is($t->workers, 1, 'by the worker that was there first');

    $t->finish;
}


# as packages do: a new file under the old name

sub put {
    my ($zone, $file) = @_;

    copy(ZONES . "/$zone", "$file.new") or die "$zone: $!";
    rename "$file.new", $file or die "$file: $!";
}
