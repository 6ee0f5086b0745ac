# protects: an event counts once, however often and to however many hosts it
# is sent at the same moment, and whatever becomes of workers and of Redis; no
# event is lost that was answered by 2xx
#
# TEST_ONLY="copies killed": these alone
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Events;

use JSON::PP;
use Time::HiRes qw(sleep time);


# hosts with one Redis, each with a journal of its own

sub hosts {
    my ($n, %o) = @_;

    my @hosts;

    for my $i (0 .. $n - 1) {
        my $t = Referral->new(beside => $hosts[0]);

        $t->config(
            log => 'info',
            server => <<'END',
                referral_program shop;

                location /inside {
                    referral_convert;
                    referral_convert_auth location;
                    allow 127.0.0.1;
                    deny all;
                }
END
            %o,
        );
        $t->start;

        push @hosts, $t;
    }

    return (Referral::Events->new(@hosts), @hosts);
}


sub finish { $_->finish for reverse @_ }


# what an answer says, but for that it was said before

sub facts {
    my ($answer) = @_;

    my $json = decode_json($answer->{body});

    delete @$json{qw(result replayed)};

    return JSON::PP->new->canonical->encode($json);
}


case copies => sub {
    my ($e, @hosts) = hosts(2, workers => 2);
    my $t = $hosts[0];

    my $load = $e->start(connections => 50, count => 1000, bodies => [
        '{"type":"sale","event_id":"s1","customer":"bo","order_id":"o1",'
        . '"amount":4990,"currency":"EUR"}' ]);

    $e->wait;

    my @answers = @{ $load->{events} };

    is(scalar(@answers), 1000, 'a thousand answers');
    is($load->{status}{200}, 1000, 'all of them 200')
        or diag(explain($load->{status}));
    is(scalar(grep { !$_->{replayed} } @answers), 1, 'one of them the first');

    my %facts;

    $facts{ facts($_) }++ for @answers;

    is(scalar(keys %facts), 1, 'all of them tell the same')
        or diag(explain(\%facts));
    is($t->redis('XLEN', 'ref:conversions:{shop}'), 1, 'one entry');

    # of a second meaning one is kept

    $load = $e->start(connections => 50, count => 1000, bodies => [
        map { '{"type":"sale","event_id":"s2","customer":"bo",'
              . '"order_id":"o2","amount":' . $_ . ',"currency":"EUR"}' }
            4990, 5990 ]);

    $e->wait;

    my @entries = $t->entries('ref:conversions:{shop}');

    is(scalar(@entries), 2, 'two amounts: one entry more');

    my $won = $entries[1]{amount} == 4990 ? 0 : 1;
    my @right = grep { $_->{n} % 2 == $won } @{ $load->{events} };
    my @wrong = grep { $_->{n} % 2 != $won } @{ $load->{events} };

    is(scalar(grep { $_->{status} == 200 } @right), 500,
       'those of its amount are answered 200');
    is(scalar(grep { $_->{status} == 422
                     && decode_json($_->{body})->{code} eq 'id_reused' }
                   @wrong), 500, 'the others 422');
    is(scalar(grep { $_->{status} == 200 && !$_->{replayed} } @right), 1,
       'one of them was the first');

    my @rejects = $t->entries('ref:rejects:{shop}');

    ok(scalar(@rejects), 'what was refused stands among the rejects');
    is(scalar(grep { $_->{why} ne 'id_reused' || $_->{event} ne 's2'
                     || $_->{position} != 2 } @rejects), 0,
       'with the reason and the position');

    finish(@hosts);
};


# while Redis is away both are accepted: one is kept, the other is told of

case copies_unsent => sub {
    my ($e, @hosts) = hosts(2);
    my $t = $hosts[0];

    $t->redis_stop;

    my $load = $e->start(connections => 50, count => 200, bodies => [
        map { '{"type":"sale","event_id":"s2","customer":"bo",'
              . '"order_id":"o2","amount":' . $_ . ',"currency":"EUR"}' }
            4990, 5990 ]);

    $e->wait;

    is($load->{status}{202}, 200, 'without Redis all are accepted')
        or diag(explain($load->{status}));

    $t->redis_start;

    ok((wait_for {
        my %marks = map { @{ $t->redis('HGETALL', $_) } }
                        'ref:journals:{shop}';
        my $sum = 0;

        $sum += $_ for values %marks;
        $sum == 200;
    }), 'all of them come to Redis');

    my @entries = $t->entries('ref:conversions:{shop}');

    is(scalar(@entries), 1, 'one entry');
    ok(scalar(grep { $_->{event} eq 's2'
                     && $_->{fp_before} eq $entries[0]{fp} }
                   $t->entries('ref:rejects:{shop}')),
       'the other amount is among the rejects');

    finish(@hosts);
};


case killed => sub {
    my ($e, @hosts) = hosts(2, workers => 2);

    $_->expect_log(qr/exited on signal 9/) for @hosts;
    $_->expect_log(qr/shared memory zone.*was locked by/) for @hosts;

    $e->start(connections => 32, seconds => 6);

    for my $i (1 .. 11) {
        sleep 0.5;
        kill 'KILL', ($hosts[$i % 2]->workers)[0] // ();
    }

    $e->exact('kill -9 of workers under load', quiet => 30);

    my $load = $e->{last};

    cmp_ok(scalar(grep { $_->{tries} > 1 } @{ $load->{events} }), '>', 0,
           'some were sent again');
    cmp_ok($load->{done}, '>', 500, 'and many were answered');

    finish(@hosts);
};


case redis => sub {
    my ($e, @hosts) = hosts(2, http => 'referral_redis %%REDIS%% timeout=1s;');
    my $t = $hosts[0];

    # away

    $e->start(connections => 16, rate => 300, seconds => 4);
    sleep 1;
    $t->redis_stop;
    sleep 1.5;
    $t->redis_start;
    $e->exact('Redis is killed, and starts empty');
    cmp_ok($e->{last}{status}{202}, '>', 50, 'meanwhile they are accepted');

    # it hangs

    $e->start(connections => 16, rate => 300, seconds => 4);
    sleep 1;
    $t->redis_pause;
    sleep 2.5;
    $t->redis_continue;
    $e->exact('Redis hangs');
    cmp_ok($e->{last}{status}{202} // 0, '>', 0, 'which some did not wait for');
    cmp_ok($e->{last}{max}, '<', 3_000_000 * patience,
           'and nobody much longer than the timeout');

    # it forgets

    $e->start(connections => 16, rate => 300, seconds => 3);
    sleep 1;
    $t->redis('FLUSHALL');
    $e->exact('FLUSHALL under load');

    $t->redis('SCRIPT', 'FLUSH');
    $e->start(connections => 16, count => 100);
    $e->exact('SCRIPT FLUSH');

    # it goes back

    $t->redis('SAVE');
    $e->start(connections => 16, count => 300);
    $e->exact('before');
    $t->redis_stop;
    $t->redis_start;
    $e->exact('an old RDB is loaded');

    # it refuses

    for my $state ([ 'OOM', [ qw(CONFIG SET maxmemory 1) ],
                            [ qw(CONFIG SET maxmemory 0) ] ],
                   [ 'NOPERM', [ qw(ACL SETUSER default -eval -evalsha) ],
                               [ qw(ACL SETUSER default +@all) ] ],
                   [ 'READONLY', [ qw(REPLICAOF 127.0.0.1 1) ],
                                 [ qw(REPLICAOF NO ONE) ] ])
    {
        my ($name, $on, $off) = @$state;

        $e->start(connections => 16, rate => 200, seconds => 3);
        sleep 0.7;
        $t->redis(@$on);
        sleep 1;
        $t->redis(@$off);
        $e->exact($name);
        ok(!grep({ $_ !~ /^20[02]$/ } keys %{ $e->{last}{status} }),
           "$name: all are answered by 2xx")
            or diag(explain($e->{last}{status}));
    }

    finish(@hosts);
};


# a key that is no stream: nothing is set aside, nothing lost

case wrong_type => sub {
    my ($e, @hosts) = hosts(1, http => 'referral_redis %%REDIS%% timeout=1s;');
    my $t = $hosts[0];

    $t->redis('SET', 'ref:conversions:{shop}', 'an accident');
    $e->start(connections => 8, count => 50);
    $e->wait;
    is($e->{last}{status}{202}, 50, 'what Redis refuses is accepted');
    is($t->redis('GET', 'ref:conversions:{shop}'), 'an accident',
       'and nothing is written');
    $t->redis('DEL', 'ref:conversions:{shop}');
    $e->exact('a key of another type');

    finish(@hosts);
};


case reload => sub {
    my ($e, @hosts) = hosts(1, workers => 2);
    my $t = $hosts[0];

    $e->start(connections => 32, seconds => 5);

    for (1 .. 6) {
        sleep 0.6;
        $t->reload;
    }

    $e->exact('reload under load');

    # nginx goes, and comes again

    $e->start(connections => 16, seconds => 5);
    sleep 1;
    $t->stop('QUIT');
    $t->start;
    sleep 1;
    $t->stop('TERM');
    $t->start;
    $e->exact('stop and start under load');

    finish(@hosts);
};

done_testing;
