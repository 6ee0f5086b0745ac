# protects: that what shops were answered is what is counted: events go through
# two nginx and two settlers while workers, settlers and Redis fail, and each
# counts once
#
# TEST_ONLY="faults flushed": these alone; TEST_SEED=N the same events again
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Events;
use Referral::Settler;

use JSON::PP;
use List::Util qw(max min shuffle sum0);
use POSIX qw(floor strftime);
use Time::HiRes qw(sleep time);

my $seed = $ENV{TEST_SEED} // time;

srand $seed;
diag("TEST_SEED=$seed");

my $json = JSON::PP->new->canonical;
my @codes = map { "code$_" } 0 .. 5;


case(faults => sub {
    my ($e, @hosts) = hosts(2, workers => 2);
    my $t = $hosts[0];
    my %clicks;

    for my $code (@codes) {
        for my $host (@hosts) {
            push @{ $clicks{$code} }, click($host, $code);
        }
    }

    ok((wait_for { clicks($t) == 2 * @codes }), 'clicks are in Redis');

    my @events = events(sub {
        my ($code) = @_;

        return rand() < 0.5 ? (code => $code)
               : (click_id => $clicks{$code}[rand @{ $clicks{$code} }]);
    }, 330);

    my $load = load($e, \@events, connections => 24, rate => 110);
    my @settlers = map { settler($t, '--lease', 1) } 0, 1;
    my @answered = (2 * @codes) x 2;

    # what happens when, in seconds; each once

    my $asleep = 0;

    my @faults = (
        [ 1.5, sub { $settlers[0]->signal('STOP'); $asleep = 1 } ],
        [ 4.5, sub { $settlers[0]->signal('CONT'); $asleep = 0 } ],
        [ 3, sub { $t->redis(qw(CLIENT PAUSE 1500 ALL)) } ],
        [ 6, sub { $t->redis('SAVE') } ],
        [ 8, sub { $t->redis_stop; $t->redis_start } ],
        [ 10, sub { $t->redis(qw(CONFIG SET maxmemory 1)) } ],
        [ 11, sub { told($t, 'OOM');
                    $t->redis(qw(CONFIG SET maxmemory 0)) } ],
        [ 12, sub { $t->redis(qw(REPLICAOF 127.0.0.1 1)) } ],
        [ 13, sub { told($t, 'READONLY');
                    $t->redis(qw(REPLICAOF NO ONE)) } ],
        [ 14.5, sub { restarted_slowly($t) } ],
    );

    my ($start, $turn) = (time, 0);

    while ($e->running && time - $start < 60) {
        my $at = time - $start;

        while (@faults && $faults[0][0] <= $at) {
            (shift @faults)->[1]->();
        }

        # a worker each half second, a settler each second

        kill 'KILL', ($hosts[$turn / 2 % 2]->workers)[rand 2] // ()
            if $turn % 2 == 0;

        if ($turn % 4 == 3) {
            my $victim = $settlers[1];

            if ($turn % 8 == 3) {
                $victim->signal('KILL');

            } elsif (my $child = $victim->child) {
                kill 'KILL', $child;
            }
        }

        for my $i (0, 1) {
            $settlers[$i] = settler($t, '--lease', 1)
                if !($asleep && $i == 0) && $settlers[$i]->ended;
        }

        # both believe that they have it

        eval { $t->redis('HDEL', 'ref:settled:{shop}', 'lease', 'lease_until') }
            if $at > 5;

        $answered[1]++;
        $answered[0]++ if eval { click($hosts[$turn % 2], $codes[rand @codes]) };

        $turn++;
        sleep max(0, 0.25 * $turn - (time - $start));
    }

    ok(!@faults, 'all faults came while events did')
        or diag(scalar(@faults) . ' were left');

    whole($t, $e, $load, \@events);

    my $clicked = 0;

    wait_for {
        $clicked = $t->hgetall('ref:stats:{shop}')->{clicks};
        $clicked >= $answered[0];
    };

    ok($clicked >= $answered[0] && $clicked <= $answered[1],
       'so does each click') or diag("$clicked, $answered[0] were answered");

    $_->stop for @settlers;

    my $died = () = glob "$t->{dir}/killed-*";

    cmp_ok($died, '>', 1, "$died settlers died at a write of their own");

    for my $what ('OOM', 'READONLY', 'LOADING',
                  'trying again until it answers')
    {
        ok(told($t, $what, 0), "a settler told: $what");
    }

    settled_again($t);
    $_->finish for reverse @hosts;
});


# Everything is lost, but for links and journals; nobody keeps a lease

case(flushed => sub {
    my ($e, @hosts) = hosts(2);
    my $t = $hosts[0];
    my @events = events(sub { (code => $_[0]) }, 90);
    my $load = load($e, \@events, connections => 16, rate => 150);
    my @settlers = map { settler($t, '--lease', 0, '--batch', 7) } 0, 1;

    sleep 1.5;
    $t->redis('MULTI');
    $t->redis('FLUSHALL');
    links($t);
    $t->redis('EXEC');

    whole($t, $e, $load, \@events);
    $_->stop for @settlers;
    settled_again($t);
    $_->finish for reverse @hosts;
});

done_testing;


# --- nginx, Redis, settlers ---

sub hosts {
    my ($n, %o) = @_;

    my @hosts;

    for my $i (0 .. $n - 1) {
        my $t = Referral->new(beside => $hosts[0]);

        # a host's clicks are resolved wherever it comes first

        links($t) if $i == 0;

        $t->config(
            log => 'info',
            http => 'referral_redis %%REDIS%% timeout=1s;',
            server => <<'END',
                referral_program shop;
                referral_landing "https://shop.example.com/";

                location /r/ {
                    referral;
                }

                location /inside {
                    referral_convert;
                    referral_convert_auth location;
                    allow 127.0.0.1;
                    deny all;
                }
END
            %o,
        );
        $t->expect_log(qr/exited on signal 9/);
        $t->expect_log(qr/shared memory zone.*was locked by/);
        $t->start;

        push @hosts, $t;
    }

    return (Referral::Events->new(@hosts), @hosts);
}


# three referrers, with two links each

sub links {
    my ($t) = @_;

    $t->redis('HSET', 'ref:program:{shop}', state => 'active');
    $t->redis('SADD', 'ref:programs', 'shop');
    $t->redis('HSET', "ref:link:{shop}:$codes[$_]",
              referrer => referrer($codes[$_])) for 0 .. $#codes;
}


sub referrer { return 'r' . $_[0] =~ s/\D//gr % 3 }


sub click {
    my ($t, $code) = @_;

    my ($id) = $t->get("/r/$code")->location =~ /click_id=([0-9a-f-]{36})/;

    return $id;
}


sub clicks {
    my ($t) = @_;

    return sum0 map { $t->redis('HLEN', $_) }
                    @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') };
}


# it dies at one of its first writes, before or after Redis has it

my $faults;
my $killed = 0;

sub settler {
    my ($t, @options) = @_;

    $faults //= Referral::Settler::faults($t);

    return Referral::Settler->start($t, {
        LD_PRELOAD => $faults, FAULT_KILL => 5 + int rand 60,
        FAULT_WHEN => (qw(before after))[rand 2],
        FAULT_FILE => "$t->{dir}/killed-" . ++$killed,
    }, @options);
}


sub told {
    my ($t, $what, $seconds) = @_;

    return wait_for {
        grep { index($t->read_file($_), $what) >= 0 } glob "$t->{dir}/settle-*"
    } $seconds // 3;
}


# meanwhile Redis answers everybody with LOADING

sub restarted_slowly {
    my ($t) = @_;

    my $keys = $t->redis('DBSIZE');

    $t->redis('SAVE');
    $t->redis_stop;
    $t->redis_start('--key-load-delay', int 1_500_000 / $keys,
                    '--loading-process-events-interval-bytes', 1024);
}


# --- what is sent ---

# The events of some friends, in any order.  All that a friend has comes by one
# link: who is credited does not depend on which of them comes first.

sub events {
    my ($touch, $friends) = @_;

    my @events;

    for my $friend (1 .. $friends) {
        my $code = $codes[rand @codes];
        my %touch = $touch->($code);
        my $add = sub {
            push @events, { event_id => "$friend-" . @events, at => at(),
                            code_is => $code, @_ };
        };

        $add->(type => 'lead', customer => "c$friend", %touch)
            for 1 .. int(rand 2.8);

        for my $n (1 .. 1 + int rand 2) {
            my @order = (order_id => "o$friend-$n");
            my @money = (@order, currency => 'EUR');

            $add->(type => 'sale', customer => "c$friend", %touch, @money,
                   amount => 100 + int rand 5000);
            $add->(type => 'update', @money, amount => 50 + int rand 5000)
                for 1 .. int rand 1.6;
            $add->(type => 'refund', @money, amount => 1 + int rand 900)
                for 1 .. int rand 2.5;
            $add->(type => 'refund', @money, total_refunded => 1 + int rand 3000)
                for 1 .. int rand 1.5;
            $add->(type => 'cancel', @order) for 1 .. int rand 1.1;
        }
    }

    return shuffle @events;
}


# no two events happen at one moment: an order's end would depend on more

my %taken;

sub at {
    my $ms;

    do {
        $ms = floor(time * 1000) - int rand 120_000;
    } while $taken{$ms}++;

    return $ms;
}


sub body {
    my ($event) = @_;

    my %e = %$event;
    my $ms = $e{at};

    delete $e{code_is};
    $e{at} = strftime('%Y-%m-%dT%H:%M:%S', gmtime(floor($ms / 1000)))
             . sprintf('.%03dZ', $ms % 1000);

    return $json->encode(\%e);
}


# some of them are sent twice

sub load {
    my ($e, $events, %o) = @_;

    my @bodies = map { body($_) } @$events;

    push @bodies, grep { rand() < 0.1 } @bodies;

    my $load = $e->start(bodies => \@bodies, count => scalar @bodies, %o);

    $load->{bodies} = \@bodies;

    return $load;
}


# --- what must be so then ---

sub whole {
    my ($t, $e, $load, $events) = @_;

    $e->wait;

    my %status = %{ $load->{status} };

    is(join(' ', grep { $_ !~ /^20[02]$/ } sort keys %status), '',
       'each event is taken') or diag(explain(\%status));
    note(join ' ', map { "$_:$status{$_}" } sort keys %status);

    my %sent = map { $_->{event_id} => $_ } @$events;

    my $all = wait_for {
        my $in = eval { scalar grep { $_->{event} ne '' }
                        $t->entries('ref:conversions:{shop}') } // 0;

        $in >= keys %sent
    } 30;

    ok($all, 'all of them come to Redis');
    ok((wait_for {
        Referral::Settler::position($t, 'shop')
            == Referral::Settler::last_entry($t, 'shop')
    } 30), 'and all is settled');

    in_stream($t, \%sent);
    counted($t, $events);
}


sub in_stream {
    my ($t, $sent) = @_;

    my ($n, $time, %seen, @wrong) = (0, 0);

    for ($t->entries('ref:conversions:{shop}')) {
        $n++;

        push @wrong, "entry $n has the number $_->{_id}" if $_->{_id} ne "$n-0";
        push @wrong, "the time of $_->{_id} goes back" if $_->{time} < $time;
        $time = $_->{time};

        next if $_->{type} eq 'rules';

        my $event = $sent->{ $_->{event} };

        push @wrong, "$_->{event} was never sent" if !$event;
        push @wrong, "$_->{event} stands there twice" if $seen{ $_->{event} }++;
        push @wrong, "$_->{event} is not what was sent"
            if $event && "$_->{type} $_->{at} $_->{order} $_->{amount}"
                         ne join ' ', map { $event->{$_} // '' }
                                          qw(type at order_id amount);
    }

    push @wrong, map { "$_ is lost" } grep { !$seen{$_} } sort keys %$sent;

    is(scalar(@wrong), 0, 'each stands in the stream once, without a gap')
        or diag(join "\n", splice @wrong, 0, 20);
}


# all of it counted once more, from what was sent

sub counted {
    my ($t, $events) = @_;

    my (%of, %order, %code, %lead, %joined);

    for my $event (@$events) {
        my $id = $event->{order_id};

        push @{ $order{$id} }, $event if defined $id;
        $code{$id} = $event->{code_is} if defined $id;

        next if !$event->{customer};

        $joined{ $event->{customer} } = $event->{code_is};
        $lead{ $event->{customer} } = $event->{code_is}
            if $event->{type} eq 'lead';
    }

    $of{$_}{friends}++ for values %joined;
    $of{$_}{leads}++ for values %lead;

    for my $id (keys %order) {
        my ($left, $refunds) = left(@{ $order{$id} });
        my $count = $of{ $code{$id} } //= {};

        $count->{sales}++;
        $count->{'amount:EUR'} += $left;
        $count->{refunds} += $refunds;
    }

    my (%total, %by);

    for my $code (keys %of) {
        for my $name (keys %{ $of{$code} }) {
            $total{$name} += $of{$code}{$name};
            $by{ referrer($code) }{$name} += $of{$code}{$name};
        }
    }

    my @names = qw(leads sales refunds friends amount:EUR);
    my $fields = sub {
        my $all = $t->hgetall($_[0]);

        return join ' ', map { "$_=" . ($all->{$_} // 0) } @names;
    };
    my $want = sub {
        my ($count) = @_;

        return join ' ', map { "$_=" . ($count->{$_} // 0) } @names;
    };

    is($fields->('ref:stats:{shop}'), $want->(\%total), 'totals');

    my $others = $t->hgetall('ref:stats:{shop}');

    is(join(' ', grep { $others->{$_} } qw(known unattributed self)), '',
       'nothing is credited to nobody');

    for my $code (sort keys %of) {
        is($fields->("ref:stats:{shop}:$code"), $want->($of{$code}), $code);

        for my $board (qw(leads sales amount:EUR)) {
            is($t->redis('ZSCORE', "ref:board:{shop}:$board", $code) // 0,
               $of{$code}{$board} // 0, "$code on the board of $board");
        }
    }

    for my $referrer (sort keys %by) {
        my ($n) = split ' ', $t->redis('HGET', 'ref:person:{shop}', $referrer);

        is($fields->("ref:progress:{shop}:$n"), $want->($by{$referrer}),
           "the progress of $referrer");
        is($t->redis('ZSCORE', 'ref:board:{shop}:referrers:amount:EUR', $n) // 0,
           $by{$referrer}{'amount:EUR'} // 0, 'and the board of referrers');
    }
}


# what is left of an order, and how many refunds took something

sub left {
    my (@events) = @_;

    my ($total) = map { $_->{amount} } grep { $_->{type} eq 'sale' } @events;

    @events = sort { $a->{at} <=> $b->{at} } @events;
    $total = $_->{amount} for grep { $_->{type} eq 'update' } @events;

    my ($sum, $most, $taken, $refunds) = (0, 0, 0, 0);

    for my $event (grep { $_->{type} =~ /^(?:refund|cancel)$/ } @events) {
        $sum += $event->{amount} // 0;
        $most = max($most, $event->{total_refunded} // 0);
        $most = max($most, $total) if $event->{type} eq 'cancel';

        my $now = min($total, max($sum, $most));

        $refunds++ if $now > $taken;
        $taken = max($taken, $now);
    }

    return ($total - $taken, $refunds);
}


# a replay of the stream, one of its dump, and a Redis that has nothing else

sub settled_again {
    my ($t) = @_;

    my @shop = ('--program', 'shop');
    my ($status, $said) = Referral::Settler::run($t, '--replay', @shop);

    is($status, 0, 'a replay of the stream has the same') or diag($said);

    ($status, $said) = Referral::Settler::run($t, '--dump', @shop);
    $t->write_file('dump', $said);
    ($status, $said) = Referral::Settler::run($t, '--replay', "$t->{dir}/dump",
                                              @shop);

    is($status, 0, 'so has one of its dump') or diag($said);

    my $fresh = Referral->new;

    $fresh->redis('HSET', 'ref:program:{shop}', state => 'active');
    $fresh->redis('XADD', 'ref:conversions:{shop}', $_->[0], @{ $_->[1] })
        for @{ $t->redis('XRANGE', 'ref:conversions:{shop}', '-', '+') };

    is(Referral::Settler::run($fresh, '--once'), 0, 'another Redis settles it');
    is_deeply(Referral::Settler::state($fresh, 'shop'),
              Referral::Settler::state($t, 'shop'), 'to the same state');
    is($fresh->redis('HGET', 'ref:settled:{shop}', 'chain'),
       $t->redis('HGET', 'ref:settled:{shop}', 'chain'), 'and chain');
    $fresh->finish;
}
