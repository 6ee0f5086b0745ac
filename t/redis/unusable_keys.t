# protects: a program whose keys in Redis are unusable delays no other: their
# clicks are counted, none is lost, and the log names the program and its key
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

alarm 1800 if $soak;


sub told {
    my ($t, $re) = @_;

    return scalar(() = $t->log =~ /$re/g);
}


sub raw { $_[0]->hgetall("ref:stats:{$_[1]}")->{raw} // 0 }


my $key = 'ref:journals:{shop}';
my %marks;

my %fault = (
    'a mark that is too large' => [
        sub { $_[0]->redis('HSET', $key, $_, '9999999999999999999999')
                  for keys %marks },
        sub { $_[0]->redis('HSET', $key, %marks) },
    ],
    'a mark beyond 64 bits' => [
        sub { $_[0]->redis('HSET', $key, $_, '18446744073709551615')
                  for keys %marks },
        sub { $_[0]->redis('HSET', $key, %marks) },
    ],
    'a string in place of the marks' => [
        sub { $_[0]->redis('SET', $key, 'x') },
        sub { $_[0]->redis('DEL', $key);
              $_[0]->redis('HSET', $key, %marks) },
    ],
    'keys that the user may not touch' => [
        sub { $_[0]->redis('ACL', 'SETUSER', 'default', 'resetkeys',
                           '~ref:*{club}*', '~ref:link:*', '~ref:salt:*',
                           '~ref:program:*') },
        sub { $_[0]->redis('ACL', 'SETUSER', 'default', 'allkeys') },
    ],
);

for my $name (sort keys %fault) {
    my ($break, $cure) = @{ $fault{$name} };
    my ($t, $c) = Referral::Clicks->instance(
        workers => 1, journal => 'segment=1m max=64m');
    my @shop = grep { m{^/r/} } @{ $c->{paths} };
    my @club = grep { m{^/s/} } @{ $c->{paths} };

    $c->start(rate => 1000, count => 400);
    $c->exact("$name: before");

    %marks = %{ $t->hgetall($key) };
    $break->($t);

    # both in one journal, and more than one chunk of them

    $c->start(rate => 0, count => 6000, connections => 16);
    $c->wait;

    my $of = sub {
        my ($program) = @_;
        my $n = 0;

        $n += $_->{raw} // 0 for values %{ $c->{answered}{$program} };

        return $n;
    };

    my $want = $of->('club');

    cmp_ok($want, '>', 2000, "$name: clicks of another program");
    ok(wait_for(sub { raw($t, 'club') == $want }, 20),
       "$name: are counted")
        or diag(raw($t, 'club') . " of $want");

    ok(wait_for(sub { told($t, qr/those of program "shop" are kept/) }),
       "$name: the log names the program");
    like($t->log, qr/\[error\].*"shop".*"ref:journals:\{shop\}"/,
         "$name: and the key");

    # while it waits: more clicks, and one tries again and again

    $c->start(rate => 500, count => 1000);
    $c->wait;
    sleep($soak ? 60 : 3);

    $want = $of->('club');
    is(raw($t, 'club'), $want, "$name: and so it goes on");
    is(told($t, qr/those of program "shop" are kept/), 1,
       "$name: said once");
    is(told($t, qr/program "club"/), 0, "$name: nothing of the other");

    $cure->($t);
    $c->exact("$name: and all is counted when it is cured", quiet => 20);
    ok(wait_for(sub {
           told($t, qr/takes clicks of program "shop" again/) == 1
       }), "$name: which the log tells");

    # nothing waits that need not

    $c->start(rate => 1000, count => 400);
    $c->exact("$name: as before");

    $t->finish;
}


# another life takes over while it waits, and the disk keeps what is unsent

for my $event (qw(KILL reload)) {
    my ($t, $c) = Referral::Clicks->instance(workers => 2,
                                journal => 'segment=128k max=64m retain=1s');

    $t->expect_log(qr/exited on signal 9/);
    $t->expect_log(qr/shared memory zone.*was locked by/);

    $c->start(rate => 1000, count => 400);
    $c->exact("before $event");

    %marks = %{ $t->hgetall($key) };
    $t->redis('SET', $key, 'x');

    $c->start(rate => 2000, count => 4000);
    $c->wait;
    sleep 3;

    $event eq 'KILL' ? kill 'KILL', $t->workers : $t->reload;

    $c->start(rate => 1000, count => 500);
    $c->wait;
    sleep 3;

    $t->redis('DEL', $key);
    $t->redis('HSET', $key, %marks);
    $c->exact("$event while a program waits", quiet => 20);

    $t->finish;
}

done_testing;
