# protects: no answered click is lost and none is counted twice when a mark in
# Redis is higher than what was ever written, however many wait, and whatever
# happens before they are sent
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;
use Referral::Clicks;

use JSON::PP;
use Time::HiRes qw(sleep time);

my $soak = $ENV{TEST_SOAK};

alarm 1800 if $soak;


sub instance {
    my (%o) = @_;

    my $t = Referral->new;
    my $c = Referral::Clicks->new($t, shop => '/r/', club => '/s/');
    my %parts = $c->parts(workers => 1, %o);

    $parts{server} .= 'location = /metrics { referral_metrics; }';

    $c->links;
    $t->config(%parts);
    $t->start;

    $c->start(rate => 1000, count => 400);
    $c->exact('before');

    return ($t, $c);
}


# Clicks that Redis does not take; then the marks of these programs are wrong,
# and it takes them.  A Redis that hangs would not do: it may still hold
# a batch, and take it before the mark is wrong.

sub outage {
    my ($t, $c, $clicks, @programs) = @_;

    $t->redis('ACL', 'SETUSER', 'default', '-eval', '-evalsha');
    sleep 0.3;

    $c->start(rate => 0, count => $clicks, connections => 32, seconds => 300);
    $c->wait;

    for my $program (@programs) {
        my $key = "ref:journals:{$program}";

        $t->redis('HSET', $key, $_, 1_000_000_000)
            for @{ $t->redis('HKEYS', $key) };
    }

    $t->redis('ACL', 'SETUSER', 'default', '+eval', '+evalsha');
}


sub told {
    my ($t) = @_;

    return scalar(() = $t->log =~ /somebody else wrote/g);
}


# --- more than memory could hold ---

{
    my ($t, $c) = instance(journal => 'segment=2m max=1g');
    my $clicks = $soak ? 600_000 : 40_000;

    outage($t, $c, $clicks, 'shop', 'club');
    $c->exact("$clicks clicks, then the marks are too high", quiet => 120);
    is(told($t), 2, 'the log tells it of each program, once');

    my $m;
    my $all = $c->known('answered');

    ok(wait_for(sub {
           $m = $t->metrics;
           $m->{referral_recorded_total} == $all
           && $m->{referral_journaled} == 0
       }), 'the metrics have them recorded once')
        or diag("recorded $m->{referral_recorded_total} of $all");

    is($m->{referral_accepted_total}, $all, 'and accepted once');
    is($m->{dropped}, 0, 'none is dropped');

    Referral::Cli->begin($t);
    r('journal', "$t->{dir}/journal", '--json');

    my $unsent = 0;

    $unsent += $_->{unsent} for @{ decode_json($out) };

    is($unsent, 0, 'the command line knows that they are sent');

    # Redis loses all of it: from what is kept it gets it again, once

    if (!$soak) {
        $t->redis('FLUSHALL');
        $c->links;
        $c->exact('and Redis loses everything', quiet => 120);
    }

    $t->finish;
}


# --- what may happen in between ---

for my $event (qw(KILL reload restart)) {
    my ($t, $c) = instance(journal => 'segment=1m max=1g');

    $t->expect_log(qr/exited on signal 9/);
    $t->expect_log(qr/shared memory zone.*was locked by/);

    for my $try (1 .. ($soak ? 5 : 2)) {
        my $before = told($t);

        outage($t, $c, 8_000, 'shop', 'club');

        wait_for { told($t) >= $before + 2 };
        if ($event eq 'restart') {
            $t->stop('QUIT');
            $t->start;
        }

        $c->start(rate => 500);

        kill 'KILL', $t->workers if $event eq 'KILL';
        $t->reload if $event eq 'reload';

        sleep 0.5;
        $c->stop;

        $c->counted("the marks are too high, then $event, $try",
                    quiet => 60);
    }

    # one that is known after the end of the first life, and once more

    kill 'KILL', $t->workers;
    sleep 1;
    $c->counted("and its workers die, after $event", quiet => 30);

    $t->finish;
}

done_testing;
