# protects: money that leaves to people leaves once, comes back where it did
# not arrive, and is listed meanwhile

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Append;
use Referral::Cli;
use Referral::Rewards qw(rules);
use Referral::Settler;
use Time::HiRes qw(time);

my $t = Referral->new;
my $append = Referral::Append->new($t);
my $NOW = int(time) * 1000;

Referral::Cli->begin($t);

my $text = "unit=EUR/2\nrule=r on=sale each=order to=referrer give=10.00EUR\n";

$t->program('shop', state => 'active', rewards => $text);
$t->link('shop', 'ref1', referrer => 'r1');
$t->redis('HSET', 'ref:referrer:{shop}:r1', 'state', 'active');
rules($t, 'shop', $text, time => $NOW - 1000);

for my $k (1 .. 3) {
    $append->apply({}, { type => 'sale', event_id => "s$k", customer => "c$k",
                         code => 'ref1', order_id => "o$k", amount => 5000,
                         currency => 'EUR', received => $NOW, at => $NOW });
}

my $settler = Referral::Settler->start($t, '--program', 'shop');

sub has {
    my ($what, %want) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $has = j('wallet', 'show', 'shop', 'r1')->{balances}{EUR};

    is_deeply({ map { ($_ => $has->{$_}) } keys %want }, \%want, $what);
}

ok((wait_for { ($t->redis('HGET', 'ref:wallet:{shop}', 'EUR:available') // 0)
               == 3000 }), 'somebody has 30.00 EUR');
is(r('payout', 'list', 'shop'), 0, 'no payouts');
like($err, qr/no payout on its way/, 'is said');

is(r('payout', 'start', 'shop', 'r1', 'EUR', '--min', '30.01', '--wait'), 1,
   'less than the least');
is(r('payout', 'start', 'shop', 'r1', 'USD', '--wait'), 3, 'no such unit');
is(r('payout', 'start', 'shop', 'r1', 'EUR', '5.00', '--min', '6.00'), 3,
   'an amount below the least');

my $one = j('payout', 'start', 'shop', 'r1', 'EUR', '--min', '30.00',
            '--event-id', 'p1', '--wait');

is($one->{done}, JSON::PP::true, 'all of it is on its way');
has('and set aside', available => 0, reserved => 3000);
is(r('payout', 'start', 'shop', 'r1', 'EUR', '--wait'), 1,
   'nothing is left for another');
is(j('payout', 'start', 'shop', 'r1', 'EUR', '--min', '30.00', '--event-id',
     'p1', '--wait')->{replayed}, JSON::PP::true, 'the same again is the same');

my $list = j('payout', 'list', 'shop');

is_deeply([ map { [ @$_{qw(payout owner unit amount)} ] } @$list ],
          [ [ 'p1', 'r1', 'EUR', 3000 ] ], 'it is listed');
is(r('payout', 'list', 'shop'), 0, 'for people');
like($out, qr/^p1 .* r1 .* 30\.00 EUR$/m, 'with decimals');

is(r('wallet', 'release', 'shop', 'p1'), 1, 'it is no reserve of a cart');
is(r('payout', 'failed', 'shop', 'p9'), 1, 'no such payout');
is(r('payout', 'failed', 'shop', 'p1', '--reason', 'account closed', '--wait'),
   0, 'it fails');
has('and goes back', available => 3000, reserved => 0);
is(scalar @{ j('payout', 'list', 'shop') }, 0, 'and is not on its way');
is(r('payout', 'paid', 'shop', 'p1', '--wait'), 1, 'what failed is not paid');
like($err, qr/was paid or has failed already/, 'is said');

is(r('payout', 'start', 'shop', 'r1', 'EUR', '12.50', '--event-id', 'p2',
     '--wait'), 0, 'a part');
is(r('payout', 'paid', 'shop', 'p2', '--reference', 'bank 17', '--wait'), 0,
   'arrives');
has('and is spent, once', available => 1750, reserved => 0, spent => 1250);
is(r('payout', 'paid', 'shop', 'p2', '--wait'), 1, 'not twice');
is(r('payout', 'failed', 'shop', 'p2', '--wait'), 1, 'nor does it fail');
has('nothing moved', available => 1750, reserved => 0, spent => 1250);
r('wallet', 'show', 'shop', 'r1');
like($out, qr/paid out: bank 17$/m, 'the reference is told');
like($out, qr/the payout failed: account closed$/m, 'and the reason');

# ten at once want all of it

my @pids = map {
    my $k = $_;
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec '/usr/bin/python3', 'scripts/referral', 'payout', 'start', 'shop',
             'r1', 'EUR', '--event-id', "q$k", '--redis',
             "127.0.0.1:$t->{redis_port}";
    }

    $pid;
} 1 .. 10;

waitpid $_, 0 for @pids;
ok((wait_for { $t->redis('HGET', 'ref:settled:{shop}', 'position')
               == Referral::Settler::last_entry($t, 'shop') }), 'all settled');
is_deeply([ map { $_->{amount} } @{ j('payout', 'list', 'shop') } ], [ 1750 ],
          'one has it');
has('once', available => 0, reserved => 1750, spent => 1250);

# an entry that is written in parts is not settled before the last of them

$settler->signal('STOP');
$t->redis('HSET', 'ref:settled:{shop}', 'writing', '1/2');
is(r('payout', 'start', 'shop', 'r1', 'EUR', '12.50', '--event-id', 'p2',
     '--wait', '--patience', 0), 4, 'while it is written it is waited for');
$t->redis('HDEL', 'ref:settled:{shop}', 'writing');
is(r('payout', 'start', 'shop', 'r1', 'EUR', '12.50', '--event-id', 'p2',
     '--wait', '--patience', 0), 0, 'and then it is done');
$settler->signal('CONT');

# who is forgotten has nothing any more, also of what comes back later

my ($last) = @{ j('payout', 'list', 'shop') };

$append->apply({}, { type => 'sale', event_id => 's4', customer => 'c4',
                     code => 'ref1', order_id => 'o4', amount => 5000,
                     currency => 'EUR', received => $NOW, at => $NOW });
ok((wait_for { ($t->redis('HGET', 'ref:wallet:{shop}', 'EUR:available') // 0)
               == 1000 }), 'there is 10.00 EUR more');
is(r('forget', '--customer', 'r1', '--program', 'shop'), 0, 'forgotten');
ok((wait_for { !$t->redis('HGET', 'ref:wallet:{shop}', 'EUR:available') }),
   'it is cancelled');
is(r('payout', 'failed', 'shop', $last->{payout}, '--wait'), 0,
   'what was on its way comes back');

my $left = j('wallet', 'show', 'shop', $last->{number})->{balances}{EUR};

is_deeply([ @$left{qw(available reserved spent cancelled)} ],
          [ 0, 0, 1250, 2750 ], 'to nobody');
r('wallet', 'show', 'shop', $last->{number});
like($out, qr/its owner was forgotten/, 'the reason is told');

is(r('ledger', 'replay', 'shop'), 0, 'a replay has the same') or diag($out);
is(r('ledger', 'audit', 'shop'), 0, 'an audit too') or diag($out);
$settler->stop;
$t->finish;
done_testing;
