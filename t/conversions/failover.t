# protects: a replica that lacks Redis's newest entries takes over, and each
# event that was answered by 2xx stands in its stream once, credited to its
# click, in numbers without a gap; settlers count what is there now
#
# TEST_ONLY="port address": these alone
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;
use Referral::Events;
use Referral::Settler;

use JSON::PP;
use Time::HiRes qw(sleep time);

my $stream = 'ref:conversions:{shop}';

# those that the test posts itself, and entries that are no events

my $others = qr/^(?:own|$)/;


# two nginx with one Redis, and another Redis that follows it

sub hosts {
    my @hosts;

    for my $i (0, 1) {
        my $t = Referral->new(beside => $hosts[0]);

        if ($i == 0) {
            $t->program('shop', state => 'active', timezone => 'Europe/Berlin');
            $t->link('shop', 'aiko7', referrer => 'aiko');
        }

        $t->{parts} = {
            log => 'info',
            workers => 2,
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
        };
        $t->config(%{ $t->{parts} });
        $t->expect_log(qr/exited on signal 9/);
        $t->expect_log(qr/shared memory zone.*was locked by/);
        $t->start;

        push @hosts, $t;
    }

    my $replica = Referral->new;

    $hosts[0]->redis('CONFIG', 'SET', 'repl-diskless-sync-delay', 0);
    $replica->redis('REPLICAOF', '127.0.0.1', $hosts[0]{redis_port});

    ok((wait_for { $replica->redis('INFO', 'replication')
                   =~ /master_link_status:up/ }), 'a replica follows');

    return (Referral::Events->new(@hosts), $replica, @hosts);
}


sub settler { return Referral::Settler->start($_[0], '--lease', 1) }


sub settled {
    my ($t, $name) = @_;

    ok((wait_for {
        my $last = Referral::Settler::last_entry($t, 'shop');

        $last && Referral::Settler::position($t, 'shop') == $last
    } 30), $name);
}


# the replica has all, and from here on nothing more

sub cut {
    my ($t, $replica) = @_;

    ok((wait_for { $t->redis('WAIT', 1, 1000) >= 1 }), 'it has all');
    $replica->redis('REPLICAOF', '127.0.0.1', 1);
}


# The hosts' Redis is now what was the replica's; the old one is dead

sub promoted {
    my ($replica, @hosts) = @_;

    for my $t (@hosts) {
        @$t{qw(redis_port redis_socket)} = @$replica{qw(redis_port redis_socket)};
        delete $t->{redis};
    }

    $hosts[0]{redis_pid} = delete $replica->{redis_pid};
    delete $replica->{redis};
}


my $own = 0;

sub body {
    my ($id, @more) = @_;

    return encode_json({ type => 'sale', event_id => $id, customer => "c$id",
                         order_id => "o$id", amount => 4990,
                         currency => 'EUR', @more });
}


sub post {
    my ($t, $id, @more) = @_;

    return $t->request('POST', '/inside', body => body($id, @more),
                       headers => [ 'Content-Type', 'application/json' ]);
}


# Clicks, and a sale of each, by whichever host

sub clicked {
    my ($name, @hosts) = @_;

    my %click;
    my $taken = 0;

    for my $n (0 .. 11) {
        my ($id) = $hosts[$n % @hosts]->get('/r/aiko7')->location
                   =~ /click_id=([0-9a-f-]{36})/;

        $click{'own' . ++$own} = $id;
    }

    # an event may have to wait for a click of the other host

    for my $id (sort keys %click) {
        my $r = post($hosts[rand @hosts], $id, click_id => $click{$id});

        $taken += $r->status =~ /^20[02]$/;
    }

    is($taken, 12, "$name: sales that name their clicks");

    return %click;
}


# What must be so then.  No event of a load is credited; those of clicks all are

sub whole {
    my ($name, $e, $t, %click) = @_;

    $e->exact("$name: each event once, without a gap", quiet => 40,
              others => $others);

    # none of them waits any more

    ok((wait_for {
        my %there = map { $_->{event} => 1 } $t->entries($stream);

        !grep { !$there{$_} } keys %click
    } 30), "$name: so are those that named a click");

    my (%sales, %of);

    for my $entry (grep { $_->{type} eq 'sale' } $t->entries($stream)) {
        $sales{ $entry->{event} }++;
        $of{ $entry->{event} } = $entry if $click{ $entry->{event} };
    }

    is(join(' ', grep { $of{$_}{via} ne 'click' || $of{$_}{code} ne 'aiko7'
                        || $of{$_}{click} ne $click{$_} } sort keys %of), '',
       "$name: credited by their clicks");
    is(scalar(grep { $_ > 1 } values %sales), 0, "$name: none stands twice");

    my $clicks = 0;

    ok((wait_for {
        $clicks = 0;
        $clicks += $t->redis('HLEN', $_)
            for @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') };
        $clicks == keys %click
           && $t->hgetall('ref:stats:{shop}')->{raw} == keys %click
    }), "$name: each click counts once")
        or diag("$clicks of " . scalar(keys %click) . ', raw '
                . $t->hgetall('ref:stats:{shop}')->{raw});

    settled($t, "$name: all is settled");

    my $stats = $t->hgetall('ref:stats:{shop}');
    my $n = keys %click;

    is("$stats->{sales} " . $stats->{'amount:EUR'} . ' '
       . ($stats->{unattributed} // 0),
       "$n " . 4990 * $n . ' ' . (keys(%sales) - $n),
       "$name: sales, their sum and what nobody is credited for");
    is($t->redis('ZSCORE', 'ref:board:{shop}:amount:EUR', 'aiko7'), 4990 * $n,
       "$name: the board of links");

    my ($status, $said) = Referral::Settler::run($t, '--replay',
                                                 '--program', 'shop');

    is($status, 0, "$name: a replay has the same") or diag($said);

    Referral::Cli->begin($t);
    is(r('ledger', 'audit', 'shop'), 0, "$name: so has an audit")
        or diag("$out$err");
}


sub zones {
    my ($t) = @_;

    return join ' ', map { "$_->{version}:$_->{zone}" }
                         grep { $_->{type} eq 'rules' } $t->entries($stream);
}


# The replica takes the port of the primary, which is dead

case port => sub {
    my ($e, $replica, @hosts) = hosts();
    my $t = $hosts[0];
    my $port = $t->{redis_port};
    my @settlers = map { settler($_) } @hosts;

    my %click = clicked('both have it', @hosts);

    $e->start(count => 300);
    whole('both have it', $e, $t, %click);
    cut($t, $replica);

    # What it never sees: clicks, events, other fields of the program, and
    # what is counted.  The journals that hold the events end as well.

    $t->redis('HSET', 'ref:program:{shop}', timezone => 'Asia/Tokyo');
    ok((wait_for { zones($t) eq '1:Europe/Berlin 2:Asia/Tokyo' }),
       'rules are among what is lost');

    %click = (%click, clicked('lost', @hosts));

    my $lost = $e->start(count => 400);

    whole('lost', $e, $t, %click);
    kill 'KILL', $t->workers;
    $hosts[1]->reload;
    $e->start(count => 200);
    whole('lost, of workers that are gone', $e, $t, %click);

    my $had = Referral::Settler::last_entry($t, 'shop');
    my $has = Referral::Settler::last_entry($replica, 'shop');

    cmp_ok($had - $has, '>', 600, "the replica has $has entries of $had");

    # meanwhile shops send, also what they sent before

    $e->start(rate => 150, seconds => 8);
    sleep 1;
    $t->redis_stop;
    %click = (%click, clicked('without Redis', @hosts));
    $hosts[1]->stop('QUIT');
    $hosts[1]->start;
    $e->start(name => $lost->{name}, count => 400, rate => 150);

    $replica->redis('REPLICAOF', 'NO', 'ONE');
    $replica->redis('CONFIG', 'SET', 'port', $port);
    $replica->{redis_port} = $port;
    promoted($replica, @hosts);

    whole('a replica took over', $e, $t, %click);
    is(zones($t), '1:Europe/Berlin', 'by the fields that it has');

    # the second rules are others now

    $t->redis('HSET', 'ref:program:{shop}', timezone => 'America/Lima');
    ok((wait_for { zones($t) eq '1:Europe/Berlin 2:America/Lima' }),
       'an edit is an edit');

    # what is sent once more is known, and where it stands now

    my $last = Referral::Settler::last_entry($t, 'shop');
    my ($entry) = grep { $_->{event} eq "$lost->{name}7" } $t->entries($stream);
    my $r = post($hosts[1], "$lost->{name}7");

    is($r->status . ' ' . ($r->header('Idempotent-Replayed') // ''), '200 true',
       'an event that was lost is known')
        or diag($r->body);
    is(decode_json($r->body)->{position} . '-0', $entry->{_id},
       'where it stands now');
    is(Referral::Settler::last_entry($t, 'shop'), $last, 'and not once more');

    %click = (%click, clicked('afterwards', @hosts));
    $e->start(count => 100);
    whole('afterwards', $e, $t, %click);

    # of the settlers that were there all the time

    $_->stop for @settlers;
    $_->finish for reverse @hosts;
    $replica->finish;
};


# The primary lives, but for itself: the replica takes over under an address
# of its own, and one nginx and one settler learn of it later than the others

case address => sub {
    my ($e, $replica, @hosts) = hosts();
    my $t = $hosts[0];
    my @settlers = map { settler($_) } @hosts;
    my %click = clicked('both have it', @hosts);

    $e->start(count => 200);
    whole('both have it', $e, $t, %click);
    cut($t, $replica);

    %click = (%click, clicked('lost', @hosts));
    $e->start(count => 200);
    whole('lost', $e, $t, %click);

    # sales are older than those that wait for clicks of another host are
    # while all is well

    sleep 11;

    $replica->redis('REPLICAOF', 'NO', 'ONE');

    my $load = $e->start(rate => 200, seconds => 6);

    sleep 1;

    # The second host is told at once, the first one two seconds later: no
    # longer than a sale waits for the click that another host has

    my $old = delete $t->{redis_pid};

    push @{ $t->{children} }, $old;
    @{ $hosts[1] }{qw(redis_port redis_socket)}
        = @$replica{qw(redis_port redis_socket)};
    delete $hosts[1]{redis};
    $hosts[1]->reload(%{ $hosts[1]{parts} });

    my $second = settler($hosts[1]);

    %click = (%click, clicked("host $_ of two", $hosts[$_])) for 0, 1;
    sleep 2;
    promoted($replica, @hosts);
    $t->reload(%{ $t->{parts} });
    $_->stop for @settlers;
    $t->end_child($old);

    my $first = settler($t);

    whole('an address of its own', $e, $t, %click);
    ok($load->{status}{200}, 'many were answered by the one or the other');

    $_->stop for $first, $second;
    $_->finish for reverse @hosts;
    $replica->finish;
};

done_testing;
