# protects: a Redis in trouble does not slow redirects down: they take as
# long as without the fault, in pairs of runs on one instance
#
# TEST_SOAK=1: each fault holds for longer
#
# Runs alone: it measures time.
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;

use Time::HiRes qw(sleep time);

my $soak = $ENV{TEST_SOAK};
my $hold = $soak ? 15 : 4;

alarm 1800 if $soak;


# the times of clicks on known links, with the fault and without, in µs

sub pair {
    my ($name, $t, $c, $begin, $end) = @_;

    my ($without, $with, $p50, $p99);

    # a machine that is busy with something else gets three tries

    for my $try (1 .. 3) {
        $c->start(rate => 400, seconds => $hold);
        $c->wait;

        $without = $c->{last};

        $c->start(rate => 400, seconds => $hold + 1);
        sleep 0.5;
        $begin->();
        $c->wait;

        $with = $c->{last};

        $end->();
        $c->exact($name);

        # a noisy machine: no pair is alike to the microsecond

        $p50 = 2 * $without->{p50} + 500;
        $p99 = 3 * $without->{p99} + 5000;

        last if $with->{p50} <= $p50 && $with->{p99} <= $p99;
    }

    cmp_ok($with->{p50}, '<=', $p50,
           "$name: p50 $without->{p50} us without, $with->{p50} with");
    cmp_ok($with->{p99}, '<=', $p99,
           "$name: p99 $without->{p99} us without, $with->{p99} with");
}


sub warm {
    my ($c) = @_;

    $c->start(rate => 1000, count => 400);
    $c->exact('before');
}


{
    my ($t, $c) = Referral::Clicks->instance(redis => 'timeout=500ms');

    warm($c);

    pair('hangs', $t, $c, sub { $t->redis_pause }, sub { $t->redis_continue });

    # at most a second before that everything was well

    sleep 1;

    pair('maxclients', $t, $c, sub {
        $t->redis('CONFIG', 'SET', 'maxclients', 1);
        $t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        $t->redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
    }, sub {
        $t->redis('CONFIG', 'SET', 'maxclients', 1000);
    });

    # loses what it counted, and the journal has it all

    pair('kill -9', $t, $c, sub { $t->redis_stop },
         sub { $t->redis_start; $c->links });

    $t->finish;
}


{
    my ($t, $c) = Referral::Clicks->instance(proxy => 1,
                                             redis => 'timeout=500ms');

    warm($c);
    pair('busy', $t, $c,
         sub { $c->{proxy}->mode('all', '-BUSY Redis is busy\r\n') },
         sub { $c->{proxy}->mode('pass') });
    pair('slow', $t, $c, sub { $c->{proxy}->mode('delay', 0.3) },
         sub { $c->{proxy}->mode('pass') });

    $t->finish;
}

done_testing;
