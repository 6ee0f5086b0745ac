# protects: all counters agree with what the clients did: each link, class,
# result, day, hour, country and device, over several workers, also when
# workers are killed
#
# TEST_SOAK=1: 200,000 hits each
#
# Runs alone: 50,000 hits and killed workers keep the machine busy.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;

use Time::HiRes qw(sleep time);

my $soak = $ENV{TEST_SOAK};
my $hits = $soak ? 200_000 : 20_000;

alarm 1800 if $soak;

# a day that ends in between is right as well, but for who is new to it

sleep 200 if time % 86400 > 86200;


# a look-up that Redis does not answer in time is answered without the link, so
# that a link that is off has a click: with sanitizers on a busy machine that
# took longer than the 500 ms of a visitor

sub instance {
    return Referral::Clicks->instance(
        mixed => 1, workers => 3, main => 'worker_rlimit_core 0;',
        redis => 'timeout=20s', @_);
}


sub all_kinds {
    my ($c) = @_;

    my %seen;

    for my $program (values %{ $c->{answered} }) {
        for my $link (values %$program) {
            $seen{$_} += $link->{$_} for keys %$link;
        }
    }

    my @missing = grep { !$seen{$_} }
        qw(clicks missed duplicate bot preview prefetch head excluded
           missed:ended missed:not_started missed:disabled missed:paused
           missed:refused device:mobile device:desktop country:JP country:FR);

    is("@missing", '', 'hits of all kinds');
}


{
    my ($t, $c) = instance();

    is(scalar(@{ $c->{paths} }), 50, 'fifty links');

    my $start = time;

    $c->start(rate => 0, count => $hits, connections => 48, seconds => 600);
    $c->wait;

    note(sprintf '%d hits in %.1f s', $c->{nsent}, time - $start);

    cmp_ok($c->{nsent}, '>=', $hits, "$hits hits");
    $c->exact("$hits mixed hits", quiet => 60);
    $c->audited("$hits mixed hits");
    all_kinds($c);

    my $day = $t->hgetall('ref:day:{shop}:' . (
        (sort keys %{ $t->hgetall('ref:days:{shop}') })[0]));

    is($day->{visitors}, $t->hgetall('ref:stats:{shop}')->{visitors},
       'who is new to the program is new to the day, and nobody else')
        if keys %{ $t->hgetall('ref:days:{shop}') } == 1;

    is($t->redis('EXISTS', 'ref:errors:{shop}', 'ref:errors:{club}'), 0,
       'Redis refused nothing');

    $t->finish;
}


{
    my ($t, $c) = instance();
    my $killed = 0;

    $t->expect_log(qr/exited on signal 9/);
    $t->expect_log(qr/shared memory zone.*was locked by/);

    $c->start(rate => $soak ? 6000 : 2500, count => $hits, connections => 48,
              seconds => 600);

    while ($c->running) {
        sleep 1;

        my @workers = $t->workers or next;

        $killed += kill 'KILL', $workers[rand @workers];
    }

    $c->wait;

    cmp_ok($killed, '>=', 4, "$killed workers were killed");
    $c->counted("$hits mixed hits, a worker killed every second",
                quiet => 60);
    $c->audited('while workers are killed');
    all_kinds($c);

    $t->finish;
}

done_testing;
