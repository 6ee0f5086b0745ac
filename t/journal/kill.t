# protects: no answered click is lost and none is counted twice when workers
# are killed, at any moment and at any write
#
# TEST_SOAK=1: a minute each, and many more places
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;

use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

my $soak = $ENV{TEST_SOAK};

alarm 1800 if $soak;


sub instance {
    my ($t, $c) = Referral::Clicks->instance(
        main => 'worker_rlimit_core 0;', @_);

    $t->expect_log(qr/exited on signal (?:9|11)/);

    # what they held when they died

    $t->expect_log(qr/shared memory zone.*was locked by/);

    return ($t, $c);
}


for my $signal (qw(KILL SEGV)) {
    my ($t, $c) = instance();
    my $end = time + ($soak ? 60 : $signal eq 'KILL' ? 10 : 5);
    my $killed = 0;

    $c->start(rate => 600, connections => 24);

    while (time < $end) {
        sleep 0.5;

        my @workers = $t->workers or next;

        $killed += kill $signal, $workers[rand @workers];
    }

    $c->stop;

    cmp_ok($killed, '>=', 5, "workers were killed with SIG$signal");
    cmp_ok($c->{nanswered}, '>', 1000, 'and the others went on answering');
    $c->counted("SIG$signal every 500 ms");

    # nothing of the dead is left lying around, and nothing comes later

    $c->start(rate => 200, count => 200);
    $c->counted("after SIG$signal");

    $t->finish;
}


# A signal on entering the n-th call: what the call would have done is not
# done.  The batches to Redis are writes too.

SKIP: {
    skip 'no strace that can trace here', 9
        if system('strace -o /dev/null true 2>/dev/null') != 0;

    my @few = (1 .. 6, 9, 14, 22, 35);
    my @many = (1 .. 40, map { 40 + 7 * $_ } 1 .. 40);

    for my $try (
        [ 'write', '', 'off' ],
        [ 'writev', '', 'off' ],
        [ 'fdatasync', 'sync=always', 'always' ],
    ) {
        my ($call, $journal, $sync) = @$try;
        my ($t, $c) = instance(workers => 1, journal => $journal);
        my $killed = 0;

        $c->start(rate => 300, connections => 12, seconds => 300);

        for my $n ($soak ? @many : @few) {
            $killed += $t->kill_worker_at($call, $n);
        }

        $c->stop;

        cmp_ok($killed, '>=', 8, "killed at many a $call(), sync=$sync");
        cmp_ok($c->{cut}, '>', 3, 'and requests were cut off');
        $c->counted("SIGKILL at the n-th $call(), sync=$sync");

        $t->finish;
    }
}

done_testing;
