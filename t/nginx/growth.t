# protects: memory and descriptors of workers and master do not grow under
# clicks, faults of Redis and reloads
#
# TEST_SOAK=1: three minutes and fifty reloads
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;

use List::Util qw(max min);
use Time::HiRes qw(sleep time);

my $soak = $ENV{TEST_SOAK};

alarm 1200 if $soak;


# KB that are a process's own

sub memory {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/status" or die "$pid: $!";
    my ($kb) = join('', <$f>) =~ /^RssAnon:\s+(\d+)/m;

    return $kb;
}


sub descriptors {
    my ($pid) = @_;

    my @fds = glob "/proc/$pid/fd/*";

    return scalar @fds;
}


{
    my ($t, $c) = Referral::Clicks->instance(
        journal => 'segment=256k retain=5s');

    my $seconds = $soak ? 180 : 24;
    my @workers = $t->workers;
    my $start = time;
    my (@middle, @end);
    my $n = 0;

    $c->start(rate => 600, seconds => $seconds + 60);

    while ((my $now = time - $start) < $seconds) {
        sleep 0.5;

        # a fault every two seconds, one after the other

        if (++$n % 4 == 0) {
            my $fault = $n / 4 % 3;

            if ($fault == 0) {
                $t->redis_pause;
                sleep 0.8;
                $t->redis_continue;

            } elsif ($fault == 1) {
                $t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

            } else {
                $t->redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
            }
        }

        # the first third warms up

        next if $now < $seconds / 3;

        my $list = $now < 2 * $seconds / 3 ? \@middle : \@end;

        push @$list, [ map { (memory($_), descriptors($_)) } @workers ];
    }

    $c->stop;
    $c->counted('clicks and faults');

    is_deeply([ $t->workers ], \@workers, 'the workers are those of the start');

    for my $i (0 .. $#workers) {
        my ($kb, $kb_end) = map { max(map { $_->[2 * $i] } @$_) }
                                \@middle, \@end;

        # the least: a pause leaves clients and segments open for a while

        my ($fd, $fd_end) = map { min(map { $_->[2 * $i + 1] } @$_) }
                                \@middle, \@end;

        cmp_ok($kb_end, '<=', $kb + 512, "memory is flat ($kb to $kb_end KB)");
        cmp_ok($fd_end, '<=', $fd + 3, "descriptors are ($fd to $fd_end)");
    }

    $t->finish;
}


{
    my ($t, $c) = Referral::Clicks->instance(journal => 'retain=2s');

    my $reloads = $soak ? 50 : 12;
    my (@kb, @fd);
    my $open = sub { max(map { descriptors($_) } $t->workers) };
    my $before = $open->();

    $c->start(rate => 400, seconds => 600);

    for (1 .. $reloads) {
        $t->reload;
        sleep 0.6;
        push @kb, memory($t->{master});
        push @fd, descriptors($t->{master});
    }

    $c->stop;
    $c->counted('reloads');

    # what earlier configurations held is in use again after some of them

    cmp_ok($kb[-1], '<=', max(@kb[0 .. $reloads / 2]) + 256,
           "the master's memory is flat over reloads ($kb[0] to $kb[-1] KB)");
    cmp_ok($fd[-1], '<=', max(@fd[0 .. 2]),
           "its descriptors are ($fd[0] to $fd[-1])");

    # a journal that is kept is open until it has been kept for long enough

    my $after;

    wait_for { ($after = $open->()) <= $before + 8 } 20;

    cmp_ok($after, '<=', $before + 8,
           "and those of its workers, once no journal is kept ($before to "
           . "$after)");

    $t->finish;
}

done_testing;
