# protects: webhooks keep their ids and bodies, and none is lost, when relays and
# settlers are killed and replaced and Redis loses its last entries

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Append;
use Referral::Cli;
use Referral::Relay qw(message places);
use Referral::Rewards qw(rules);
use Referral::Settler;

use JSON::PP;
use Time::HiRes qw(sleep time);

my $t = Referral->new;
my $r = Referral::Relay->receiver($t);
my $json = JSON::PP->new->canonical;

Referral::Cli->begin($t);

my @QUICK = ('--retries', '1s,1s,1s,1s,1s,1s,1s,1s,1s', '--probe', '1s',
             '--lease', '2s', '--timeout', '2s');


# --- relays that die, two of them, another Redis ---

case 'killed', sub {
    $r->program('killed', 'fine', 'bad');

    my @ids;

    for my $n (1 .. 16) {
        push @ids, places($t, 'killed', 10 * $n, 10 * $n + 4);
        $r->mode('killed-bad', $n % 3 ? '200' : '500');

        my $relay = Referral::Relay->start($t, @QUICK);

        # somewhere between its first write and its last

        wait_for { $r->ids('killed-fine')->{$ids[-5]} };
        sleep 0.006 * $n;
        $relay->kill;
    }

    $r->mode('killed-bad', '200');

    my $relay = Referral::Relay->start($t, @QUICK);
    $r->came('killed-fine', @ids);
    $r->came('killed-bad', @ids);
    ok((wait_for { !grep { $_->{retrying} || $_->{waiting} || $_->{dead} }
                        @{ j(qw(hook list killed)) } }), 'nothing is left');
    $relay->stop;
};


case 'two', sub {
    $r->program('two', 'a', 'b', 'c');

    my $one = Referral::Relay->start($t, @QUICK);
    my $two = Referral::Relay->start($t, @QUICK);
    my @ids = places($t, 'two', 1, 200);

    $r->once("two-$_", @ids) for qw(a b c);

    # one of them dies, one sleeps past its lease

    push @ids, places($t, 'two', 201, 300);
    $one->kill;
    $r->came("two-$_", @ids) for qw(a b c);

    my $three = Referral::Relay->start($t, @QUICK);
    push @ids, places($t, 'two', 301, 400);
    sleep 2.2;
    $two->signal('STOP');
    $r->came("two-$_", @ids) for qw(a b c);
    $two->signal('CONT');
    push @ids, places($t, 'two', 401, 420);
    $r->came("two-$_", @ids) for qw(a b c);
    ok((wait_for { !grep { $_->{retrying} || $_->{waiting} || $_->{dead} }
                        @{ j(qw(hook list two)) } }), 'nothing is left');
    $_->stop for $two, $three;
};


# Redis comes back as it was some moments ago, as after a failover: messages
# that left are lost, and the settler makes them again elsewhere

case 'failover', sub {
    $r->program('over', 'crm');

    my @ids = places($t, 'over', 1, 5);
    my $relay = Referral::Relay->start($t, @QUICK);

    $r->once('over-crm', @ids);
    sleep 0.5;
    $t->redis('SAVE');

    my @more = places($t, 'over', 6, 9);

    $r->once('over-crm', @ids, @more);

    # a message that is too young to have left

    my ($young) = places($t, 'over', 10, 10);

    sleep 1;
    $t->redis_stop;
    $t->redis_start;
    is(scalar @{ $t->redis('XRANGE', 'ref:outbox:{over}', '-', '+') }, 5,
       'the last messages are lost');

    # another fact has the place of the one that was lost

    my ($other) = places($t, 'over', 60, 60);
    my @again = map {
        my $id = sprintf '%032x', $_;

        message($t, 'over', 80 - $_ . '-0', type => 'reward.available',
                at => 1795e9 + $_, owner => 1, reward => 'ab' x 16,
                unit => 'EUR', amount => 100, rule => 'thanks', id => $id,
                detail => 'ripe');
        "msg_$id";
    } reverse 6 .. 9;

    $r->came('over-crm', @ids, @more, $other);
    ok((wait_for { $r->ids('over-crm')->{$more[0]} == 2 }),
       'what left comes again, under its id');
    like($relay->log, qr/trying again until it works/, 'it is told');
    is(join(' ', $r->torn('over-crm')), '', 'and with its content');
    is($r->ids('over-crm')->{$young}, undef,
       'what was lost before it left was never told');
    is_deeply([ map { $r->ids('over-crm')->{$_} } @ids ], [ (1) x 5 ],
              'what was noted does not come again');
    $relay->stop;
};


case 'replicas', sub {
    $r->program('copies', 'crm');

    my @ids = places($t, 'copies', 1, 3);
    my $relay = Referral::Relay->start($t, @QUICK, '--replicas', 1);

    ok($relay->said(qr/fewer than 1 replicas/), 'there is none');
    sleep 3;
    is(scalar(() = $r->got('copies-crm')), 0, 'so nothing leaves');

    my $other = Referral->new(redis => 0);

    $other->redis_start('--replicaof', "127.0.0.1 $t->{redis_port}");
    $r->came('copies-crm', @ids);
    ok($relay->said(qr/replicas have its messages again/), 'told');

    my $began = time;
    my ($more) = places($t, 'copies', 4, 4);

    $r->came('copies-crm', $more);
    cmp_ok(time - $began, '<', 1.9 * patience, 'and it waits no two seconds');
    $relay->stop;
    $other->redis_stop;
};


# --- from the settler on ---

my $TEXT = <<'END';
unit=EUR/2
rule=hello on=lead to=friend give=5.00EUR
rule=thanks on=sale nth=1 to=referrer give=10.00EUR hold=14d
END

my $NOW = int(time) * 1000;


sub event {
    my ($type, $who, %more) = @_;

    return { type => $type, event_id => "$type-$who", customer => $who,
             code => 'ref1', received => $NOW, at => $NOW - 1000, %more };
}


sub sale {
    my ($who) = @_;

    return event('sale', $who, order_id => "o-$who", amount => 5000,
                 currency => 'EUR');
}


sub opens {
    my ($p) = @_;

    $t->program($p, state => 'active', rewards => $TEXT, webhooks => 'on');
    $t->link($p, 'ref1', referrer => 'r1');
    $t->redis('HSET', "ref:referrer:{$p}:r1", 'state', 'active');
    $t->redis('SET', "ref:seed:{$p}", 'cd' x 16);
    rules($t, $p, $TEXT, time => $NOW - 1000, webhooks => 'on');
}


# settlers that are killed and replaced; then the program is lost but for its
# endpoints, and its events come again in another order

case 'settled', sub {
    opens('whole');

    my $a = Referral::Append->new($t);
    my $relay = Referral::Relay->start($t, @QUICK);

    is(r(qw(hook add whole crm), $r->url('whole-crm')), 0, 'an endpoint');

    for my $n (1 .. 4) {
        my $settler = Referral::Settler->start($t, '--program', 'whole',
                                               '--lease', 1);

        $a->apply({ program => 'whole', journal => "a$n" x 16 },
                  event('lead', "c$n"), sale("c$n"));
        sleep 0.2 * $n;
        $settler->signal('KILL');
        $settler->ended;
    }

    my $settle = sub {
        is(scalar Referral::Settler::run($t, '--once', '--program', 'whole',
                                         '--lease', 0), 0, 'settled');
    };

    $settle->();

    my @ids = map { "msg_$_->{id}" } $t->entries('ref:outbox:{whole}');

    is(scalar @ids, 16, 'what four friends and their sales bring');
    $r->once('whole-crm', @ids);

    my %told = map { $json->encode([ @$_{qw(type timestamp)}, $_->{data} ]) => 1 }
               map { $json->decode($_->{body}) } $r->got('whole-crm');
    my ($joined) = grep { /referral.joined/ && /"c1"/ } sort keys %told;
    my (undef, undef, $data) = @{ $json->decode($joined) };

    is_deeply($data, { program => 'whole', customer => 'c1', friend => 'c1',
                       referrer => 'r1', code => 'ref1', via => 'code' },
              'who joined whom') or diag($joined);

    is(scalar Referral::Settler::run($t, '--replay', '--program', 'whole'), 0,
       'a replay');
    sleep 2.5;
    is(scalar(() = $r->got('whole-crm')), 16, 'tells nothing anew');

    # another order of the same

    $t->redis('DEL', grep { !/hooks/ } @{ $t->redis('KEYS', 'ref:*{whole}*') });
    opens('whole');
    $a->apply({ program => 'whole', journal => 'bb' x 16 },
              map { sale("c$_"), event('lead', "c$_") } reverse 1 .. 4);
    $settle->();

    my %new = map { ("msg_$_->{id}" => 1) } $t->entries('ref:outbox:{whole}');

    $r->came('whole-crm', keys %new);
    ok((grep { $r->ids('whole-crm')->{$_} > 1 } keys %new) > 0,
       'many under the ids that they had');
    $relay->stop;
};


case 'kept', sub {
    $r->program('kept', 'crm', 'slow');
    $r->mode('kept-slow', '500');

    my @ids = places($t, 'kept', 1, 10);
    my $relay = Referral::Relay->start($t, @QUICK, '--keep', '3s',
                                       '--metrics', "$t->{dir}/relay.prom");

    $r->once('kept-crm', @ids);
    sleep 8;
    is(scalar(() = $t->entries('ref:outbox:{kept}')), 10,
       'what an endpoint still needs is kept');

    my $metrics = sub { $t->read_file('relay.prom') };

    ok((wait_for {
        -e "$t->{dir}/relay.prom"
            && $metrics->() =~ /^referral_relay_delivered_total
                                \{program="kept",endpoint="crm"\}\ 10$/mx
    } 30), 'metrics');
    like($metrics->(), qr/^referral_relay_failing_seconds
                          \{program="kept",endpoint="slow"\}\ [1-9]/mx,
         'of an endpoint that fails');
    $r->mode('kept-slow', '200');
    $r->came('kept-slow', @ids);
    ok((wait_for { !$t->entries('ref:outbox:{kept}') } 20),
       'then it is removed');

    my @more = places($t, 'kept', 11, 12);

    $r->once('kept-crm', @ids, @more);
    $relay->stop;
};

done_testing;
