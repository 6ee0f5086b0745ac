# protects: no memory of master and workers leaks over reloads, an outage of
# Redis and a new geo database; under valgrind
#
# Runs under scripts/test --soak: nginx takes fifty times as long.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

plan skip_all => 'half a minute of valgrind: scripts/test --soak' unless $ENV{TEST_SOAK};

plan skip_all => 'sanitizers and valgrind exclude each other'
    if $ENV{TEST_NGINX_BINARY};

# a process of valgrind's keeps its command line

no warnings 'redefine';

*Referral::workers = sub {
    my $pid = $_[1] // $_[0]{master} or return;

    open my $f, '<', "/proc/$pid/task/$pid/children" or return;

    my @pids = sort { $a <=> $b } split ' ', <$f> // '';

    return @pids;
};

use warnings 'redefine';

my $t = Referral->new;
my $dir = $t->dir;

$t->write_file('nginx', <<"END", 0755);
#!/bin/sh
exec valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect \\
    --keep-debuginfo=yes --num-callers=30 --log-file=$dir/valgrind.%p \\
    /usr/sbin/nginx "\$@"
END

$t->{binary} = "$dir/nginx";

my %conf = (
    workers => 2,
    log     => 'warn',
    http    => 'referral_geoip %%GEO%%/city.mmdb reload=1s;',
    server  => <<'END',
        referral_landing "https://shop.example.com/{country|xx}/{lang}";

        location /r/ {
            referral shop;
        }

        location = /page {
            referral_program shop;
            referral_resolve on;
            add_header X-Who "$referral_referrer $referral_name";
            empty_gif;
        }

        location = /metrics {
            referral_metrics;
        }
END
);

$t->link('shop', 'aiko7', referrer => 'aiko',
         rules => "lang=ja https://shop.example.com/ja as=b\n"
                  . 'country=JP https://shop.example.com/jp');
$t->program('shop', languages => 'en,ja');

$t->config(%conf);
$t->start;

for my $turn (1 .. 5) {

    for (1 .. 20) {
        $t->get('/page', cookie => $t->get('/r/aiko7')->cookie);
        $t->get("/r/nobody-$turn-$_");
    }

    $t->get('/metrics');

    if ($turn == 2) {
        $t->redis_stop;
        $t->get('/r/aiko7');
        $t->get('/r/other');
        $t->redis_start;
        $t->link('shop', 'aiko7', referrer => 'aiko');
    }

    if ($turn == 3) {
        my $city = $t->geo . '/city.mmdb';

        system('cp', $city, "$city.new") == 0 or die;
        rename "$city.new", $city or die;
        sleep 2;
        $t->get('/r/aiko7');
    }

    if ($turn < 5) {
        ok(wait_for(sub { $t->reload(%conf) }, 30), "reload $turn");
    }
}

$t->stop;

my ($processes, @reports) = (0);

for my $file (glob "$dir/valgrind.*") {

    open my $f, '<', $file or die "$file: $!";

    my $text = do { local $/; <$f> } // '';

    $processes++;

    # a report is lines with something between two that are empty

    $text =~ s/^==\d+== ?//mg;

    push @reports, grep { /\S/ && touches($_) } split /\n\s*\n/, $text;
}

# what nginx does by itself is not ours

sub touches { $_[0] =~ /referral|hiredis|redis|maxminddb|MMDB/i }

cmp_ok($processes, '>=', 11, 'a master and five times two workers');

is(scalar(@reports), 0, 'valgrind has nothing to say')
    or diag(join "\n\n", @reports[0 .. ($#reports > 5 ? 5 : $#reports)]);

done_testing;
