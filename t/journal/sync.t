# protects: sync=always and sync=interval lose and double nothing when
# fdatasync fails, is slow, or is waited for while nginx reloads, and no answer
# goes out without it because a worker has no free descriptor
#
# TEST_SOAK=1: fifty reloads
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;

use Time::HiRes qw(sleep time);

plan(skip_all => 'no strace that can trace here')
    if system('strace -o /dev/null true 2>/dev/null') != 0;

my $soak = $ENV{TEST_SOAK};


# the calls of a process and of those it starts, until the tracer ends

sub trace {
    my ($t, $pid, $inject, $output) = @_;

    my $tracer = $t->spawn(sub {
        open STDERR, '>', '/dev/null';
        exec 'strace', '-f', '-qq', '-o', $output // '/dev/null', '-p', $pid,
             '-e', 'trace=fdatasync', '-e', "inject=fdatasync:$inject";
    });

    wait_for {
        open my $f, '<', "/proc/$pid/status" or return;
        return grep { /^TracerPid:\s+[1-9]/ } <$f>;
    };

    return $tracer;
}


# --- EIO ---

for my $sync (qw(always interval)) {
    my ($t, $c) = Referral::Clicks->instance(
        workers => 1, journal => "sync=$sync segment=1m");

    $c->start(rate => 800, count => 400);
    $c->exact("sync=$sync");

    my ($worker) = $t->workers;
    my $output = "$t->{dir}/strace";
    my $tracer = trace($t, $worker, 'error=EIO', $output);

    $c->start(rate => 400, count => 1200);
    $c->wait;

    my $calls = () = $t->read_file($output) =~ /INJECTED/g;

    cmp_ok($calls, '>', 0, "sync=$sync: fdatasync fails");
    is($c->{cut} + $c->{other}, 0, 'everybody is redirected');
    $c->exact("EIO from fdatasync, sync=$sync");

    my @said = $t->log =~ /(the journal in "[^"]*" cannot be written.*)/g;

    is(scalar(@said), 1, 'the log tells of it once') or diag(@said);
    like($said[0] // '', qr/Input\/output error/, 'and why');

    $t->end_child($tracer);

    $c->start(rate => 800, count => 400);
    $c->exact('and is well again');

    ok(wait_for(sub { $t->log =~ /the journal in "[^"]*" is written again/ }),
       'which the log tells');

    is(() = $t->log =~ /is written again/g, 1, 'once');

    # a restart finds nothing that was counted already

    $t->stop;
    $t->start;
    $c->start(rate => 800, count => 100);
    $c->exact('after a restart');

    $t->finish;
}


# --- no free descriptor ---

# "low": the limit is below all that the worker has; otherwise as many as
# there may be are in use

for my $low (0, 1) {
    my ($t, $c) = Referral::Clicks->instance(
        workers => 1, journal => 'sync=always',
        main => 'worker_rlimit_nofile 64;');

    $c->start(rate => 400, count => 40);
    $c->exact('before');

    my $s = $t->connect;
    my $click = $t->request_text('GET', '/r/c1', keepalive => 1);
    my ($worker) = $t->workers;
    my @others;

    my $clicks = sub {
        my ($name) = @_;

        my $output = "$t->{dir}/strace." . ++$t->{traces};
        my $tracer = trace($t, $worker, 'delay_enter=1', $output);

        for (1 .. 20) {
            $s->syswrite($click);
            $s->sysread(my $answer, 4096);
            $answer =~ / 302 / or diag($answer);
        }

        $t->end_child($tracer);

        my $calls = () = $t->read_file("strace.$t->{traces}")
                    =~ /fdatasync\(/g;

        cmp_ok($calls, '>=', 20, "$name: fdatasync for each click");
    };

    $clicks->('descriptors are free');

    if ($low) {
        system('prlimit', '--pid', $worker, '--nofile=3:64') == 0
            or die 'prlimit failed';

    } else {
        push @others, $t->connect for 1 .. 60;
        wait_for { scalar(() = glob "/proc/$worker/fd/*") >= 64 } 5;
    }

    $clicks->('no descriptor is free');

    is(scalar(() = $t->log =~ /no descriptor for fdatasync/g), $low,
       'said once, if the worker waits itself');

    @others = ();
    system('prlimit', '--pid', $worker, '--nofile=64:64');
    sleep 0.3;

    $clicks->('and again');

    is(scalar(() = $t->log =~ /descriptors for fdatasync again/g), $low,
       'and that it is over');

    my $want = $c->known('answered') + 60;

    ok(wait_for(sub { $c->total >= $want }), 'all are counted');
    is($c->total, $want, 'once');

    $t->expect_log(qr/Too many open files/);
    $t->finish;
}


# --- slow, and nginx reloads ---

{
    my ($t, $c) = Referral::Clicks->instance(
        workers => 2, journal => 'sync=always');

    $c->start(rate => 800, count => 100);
    $c->exact('before');

    my $tracer = trace($t, $t->{master}, 'delay_enter=30000');
    my $done = "$t->{dir}/done";
    my @files;

    for my $n (1 .. 4) {
        my $file = "$t->{dir}/answers.$n";
        my $codes = 20;

        push @files, [ $file, $t->spawn(sub {
            my ($asked, $answered) = (0, 0);

            until (-e $done) {
                my $r = $t->get('/r/c' . (1 + $asked++ % $codes));

                $answered++ if $r && $r->status == 302;
            }

            open my $f, '>', $file or die;
            print $f "$asked $answered\n";
            close $f;
        }) ];
    }

    for (1 .. ($soak ? 50 : 8)) {
        $t->reload;
        sleep 0.2;
    }

    $t->write_file('done', '');

    my ($asked, $answered) = (0, 0);

    for my $file (@files) {
        waitpid $file->[1], 0;

        my ($a, $b) = split ' ', $t->read_file($file->[0]);

        $asked += $a;
        $answered += $b;
    }

    $t->end_child($tracer);

    cmp_ok($asked, '>', 100, 'clicks while nginx reloads, each synced');
    is($answered, $asked, 'all that were taken are answered');

    my $want = $c->known('answered') + $answered;

    ok(wait_for(sub { $c->total >= $want }), 'and counted');
    is($c->total, $want, 'once');

    $t->finish;
}

done_testing;
