# protects: what people have is used once, whoever asks at the same time and
# in whatever order reserve, commit, release and refund come

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(sha256_hex);
use List::Util qw(shuffle sum0);
use POSIX ();
use Referral;
use Referral::Append;
use Referral::Cli;
use Referral::Rewards qw(rules);
use Referral::Settler;
use Time::HiRes qw(time);

my ($WORKERS, $FRIENDS, $REFERRERS) = (4, $ENV{TORTURE_FRIENDS} // 50, 5);

my $t = Referral->new;
my $a = Referral::Append->new($t);
my $script = $t->read_file("$Referral::ROOT/scripts/nginx_referral/store/"
                           . "append_command.lua");
my $NOW = int(time) * 1000;
my $seed = $ENV{TORTURE_SEED} // int rand 1e6;

diag("TORTURE_SEED=$seed") if $ENV{TORTURE_SEED};
Referral::Cli->begin($t);

$t->program('shop', state => 'active');

for (1 .. $REFERRERS) {
    $t->link('shop', "ref$_", referrer => "r$_");
    $t->redis('HSET', "ref:referrer:{shop}:r$_", 'state', 'active');
}

my $text = <<'RULES';
unit=EUR/2
rule=thanks on=sale each=order to=both give=10.00EUR
RULES

$t->redis('HSET', 'ref:program:{shop}', 'rewards', $text);
rules($t, 'shop', $text, time => $NOW - 1000);

sub event {
    my ($type, $who, %more) = @_;

    return { type => $type, event_id => "$type-$who", customer => $who,
             received => $NOW, at => $NOW - 1000, %more };
}

ok(ref $a->apply({}, map {
    (event('lead', "c$_", code => 'ref' . referrer($_)),
     event('sale', "c$_", order_id => "o$_", amount => 5000,
           currency => 'EUR'))
} 1 .. $FRIENDS), 'each friend has something, and so has who sent them');

my $settler = Referral::Settler->start($t, '--program', 'shop');

settled();


# --- several tabs want all that a customer has ---

together(sub {
    my ($w) = @_;

    return map { [ ['reserve', "tab-$_-$w", "c$_", amount => 1000,
                    unit => 'EUR', ttl => 1800_000] ] } 1 .. $FRIENDS;
});

my %got;

$got{$_->{fact}{event} =~ /^(tab-\d+)/ ? $1 : ''}++
    for grep { $_->{why} eq 'reserve' } ledger();

is_deeply(\%got, { map { ("tab-$_" => 1) } 1 .. $FRIENDS },
          'one of them gets it, for each customer');
is($t->redis('HGET', 'ref:wallet:{shop}', 'EUR:reserved'), 1000 * $FRIENDS,
   'and no more is reserved');


# --- all in any order, while orders are refunded ---

together(sub {
    my ($w) = @_;

    return map {
        my $own = "tab-$_-$w";
        my $cart = "cart-$_";

        ([ shuffle(['commit', "commit-$own", '', token => $own, amount => 600,
                    unit => 'EUR'],
                   ['release', "release-$own", '', token => $own]) ],

         # the same cart from all of them, under one id

         [ ['reserve', $cart, 'r' . referrer($_), amount => 500, unit => 'EUR',
            ttl => $_ % 3 ? 1800_000 : 1],
           shuffle(['commit', "commit-$cart-$w", '', token => $cart,
                    amount => 300, unit => 'EUR'],
                   ['release', "release-$cart-$w", '', token => $cart]) ]);
    } 1 .. $FRIENDS;
}, sub {
    $a->fresh;

    for (shuffle(1 .. $FRIENDS)) {
        ref $a->apply({}, {
            type => 'refund', event_id => "back-$_", order_id => "o$_",
            amount => 5000, currency => 'EUR', received => $NOW })
            or return 1;
    }

    return 0;
});

is(command('reserve', 'tab-1-0', 'c1', amount => 400, unit => 'EUR',
           ttl => 1800_000), 'conflict', 'an id that says something else');

$settler->stop;

my @facts = facts();
my @ledger = ledger();
my (%of, %times, %does, @negative);

$times{$_->{event}}++ for grep { $_->{event} } @facts;
is(scalar(grep { $_ > 1 } values %times), 0, 'each id is there once');

for (@ledger) {
    my ($reward, $amount) = @$_{qw(reward amount)};

    $of{$reward}{$_->{from}} -= $amount;
    $of{$reward}{$_->{to}} += $amount;
    $does{$_->{why}}++;

    my @below = grep { ($of{$reward}{$_} // 0) < 0 }
                qw(pending reserved spent expired cancelled),
                $_->{why} eq 'reserve' ? 'available' : ();

    push @negative, "$_->{id}: @below of $reward" if @below;
}

is_deeply(\@negative, [], 'nothing is below 0, or reserved twice');
cmp_ok($does{$_} // 0, '>=', 5, "there was $_")
    for qw(reserve commit cancel reversed ended);


# --- each token has one end, and is worth what it was ---

my (%ends, @wrong);

for my $fact (grep { $_->{token} } @facts) {
    my @moves = grep { $_->{fact} == $fact || $_->{n} == $fact->{n} } @ledger;
    my @done = grep { $_->{why} eq ($fact->{type} eq 'commit' ? 'commit'
                                                              : 'cancel') }
               @moves;

    next if !@done;

    $ends{$fact->{token}}++;

    my $spent = sum0 map { $_->{amount} } grep { $_->{to} eq 'spent' } @done;
    my $all = sum0 map { $_->{amount} } grep { $_->{from} eq 'reserved' } @done;

    push @wrong, "$fact->{type} of $fact->{token}: $spent of $all"
        if $all != ($fact->{token} =~ /^tab/ ? 1000 : 500)
           || $spent != ($fact->{type} eq 'commit' ? $fact->{amount} : 0);
}

is_deeply([ grep { $ends{$_} > 1 } sort keys %ends ], [],
          'a token is committed or released once');
is_deeply(\@wrong, [], 'with all that it reserved');
cmp_ok(scalar keys %ends, '>=', $FRIENDS, 'most were');
cmp_ok(scalar(grep { $_->{type} =~ /^(?:reserve|commit|release)$/ } @facts),
       '>=', 700, 'of many commands');

is(r('ledger', 'audit', 'shop'), 0, 'all is right') or diag($out);
is(r('ledger', 'replay', 'shop'), 0, 'and comes to the same again')
    or diag($out);

diag("TORTURE_SEED=$seed") if !Test::More->builder->is_passing;

$t->finish;
done_testing;


sub referrer { return 1 + $_[0] % $REFERRERS }


# as the command line appends it; what became of it

sub command {
    my ($kind, $id, $customer, @fields) = @_;

    my ($bucket, $place) = sha256_hex($id) =~ /^(.{3})(.{22})/;

    return $t->redis('EVAL', $script, 6,
        map({ "ref:$_" } 'conversions:{shop}', "ids:{shop}:$bucket",
            'person:{shop}', 'person:{shop}:names', 'seed:{shop}',
            'settled:{shop}'),
        $kind, $id, $place, substr(sha256_hex("@_"), 0, 16),
        $customer ? 'owner' : '', $customer, '', 'ab' x 16, @fields)->[0];
}


# the chains of commands of each worker, mixed; "beside" runs with them

sub together {
    my ($chains, $beside) = @_;

    my @pids = map { my $w = $_; child($w, sub {
        my @chains = $chains->($w);

        while (@chains) {
            my $n = int rand @chains;
            my $command = shift @{ $chains[$n] };

            splice @chains, $n, 1 if !@{ $chains[$n] };

            my $done = command(@$command);

            if ($done !~ /^(?:new|replay)$/) {
                print {*STDERR} "@$command: $done\n";
                return 1;
            }
        }

        return 0;
    }) } 0 .. $WORKERS - 1;

    push @pids, child($WORKERS, $beside) if $beside;

    my $failed = 0;

    for (@pids) {
        waitpid $_, 0;
        $failed++ if $?;
    }

    is($failed, 0, 'all were taken');
    settled();
}


sub child {
    my ($w, $code) = @_;

    my $pid = fork // die "fork: $!";

    return $pid if $pid;

    srand $seed + $w;

    # files and connection of its own

    $t->{dir} .= "/w$w";
    mkdir $t->{dir};
    delete $t->{redis};

    my $status = eval { $code->($w) } // 1;

    print {*STDERR} $@ if $@;
    POSIX::_exit($status);
}


sub settled {
    ok(Referral::wait_for { Referral::Settler::position($t, 'shop')
                            >= Referral::Settler::last_entry($t, 'shop') },
       'settled');
}


sub facts {
    return map { { n => $_->[0] =~ s/-.*//r, @{ $_->[1] } } }
           @{ $t->redis('XRANGE', 'ref:conversions:{shop}', '-', '+') };
}


sub ledger {
    my %fact = map { ($_->{n} => $_) } facts();

    return map {
        my ($n) = $_->[0] =~ /^(\d+)/;

        { id => $_->[0], n => $n, fact => $fact{$n}, @{ $_->[1] } }
    } @{ $t->redis('XRANGE', 'ref:ledger:{shop}', '-', '+') };
}
