# protects: what becomes of friends and rewards is told once in ref:outbox,
# under ids that stay the same when facts come again in another order, and only
# while the program wants it

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Append;
use Referral::Rewards qw(rules fact);
use Referral::Settler;
use Time::HiRes qw(time);

my $t = Referral->new;
my $a = Referral::Append->new($t);
my $NOW = int(time) * 1000;
my $DAY = 86400_000;

my $text = <<'END';
unit=EUR/2
cap=two per=referrer count=2
rule=hello on=lead to=friend give=5.00EUR life=30d
rule=thanks on=sale nth=1 to=referrer give=10.00EUR hold=14d cap=two
tier=silver friends=2 of=thanks
badge=first friends=1 of=thanks
nudge=buy missing=sale after=3d since=lead
fraud=disposable do=hold
END

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

sub begin {
    my ($p, %more) = @_;

    $t->program($p, state => 'active', rewards => $text, %more);
    $t->link($p, 'ref1', referrer => 'r1');
    $t->redis('HSET', "ref:referrer:{$p}:r1", 'state', 'active');
    $t->redis('SET', "ref:seed:{$p}", 'cd' x 16);
    rules($t, $p, $text, time => $NOW - 1000, %more);
}

sub messages {
    my ($p) = @_;

    return map { { n => $_->[0], @{ $_->[1] } } }
               @{ $t->redis('XRANGE', "ref:outbox:{$p}", '-', '+') };
}

sub settle {
    my ($p) = @_;

    is(scalar Referral::Settler::run($t, '--once', '--program', $p), 0,
       "$p is settled");
}

begin('shop', webhooks => 'on');
ok(ref $a->apply({}, event('lead', 'c1'), event('lead', 'c2'), sale('c1'),
                 sale('c2'), sale('c3')), 'two friends sign up, three buy');
settle('shop');

my @said = messages('shop');

is_deeply([ map { "$_->{type} $_->{rule} $_->{amount} $_->{detail}" } @said ],
          [ 'referral.joined   ref1', 'reward.available hello 500 ripe',
            'referral.done hello  ',
            'referral.joined   ref1', 'reward.available hello 500 ripe',
            'referral.done hello  ',
            'reward.pending thanks 1000 granted', 'badge.earned first  ',
            'reward.pending thanks 1000 granted', 'tier.reached silver  ',
            'referral.joined   ref1', 'reward.denied thanks 0 cap' ],
          'what they were told')
    or diag(join "\n", map { "$_->{n} $_->{type} $_->{rule} $_->{amount}"
                             . " $_->{detail}" } @said);

is(scalar(grep { $_->{id} !~ /^[0-9a-f]{32}$/ } @said), 0, 'ids');
is_deeply([ $said[1]{n}, @{ $said[1] }{qw(owner unit friend)} ],
          [ '2-1', 1, 'EUR', 1 ], 'a reward');
cmp_ok($said[1]{expires}, '>=', $NOW + 30 * $DAY, 'and its end');

# by time, and by commands

fact($t, 'shop', type => 'tick', time => $NOW + 15 * $DAY);
fact($t, 'shop', type => 'reserve', event => 'use1', owner => 2, amount => 900,
     unit => 'EUR', ttl => $DAY, time => $NOW + 15 * $DAY + 1);
fact($t, 'shop', type => 'release', event => 'use1-x', token => 'use1',
     time => $NOW + 15 * $DAY + 2);
fact($t, 'shop', type => 'tick', time => $NOW + 40 * $DAY);
settle('shop');

my @more = messages('shop');
splice @more, 0, scalar @said;

is_deeply([ map { "$_->{type} $_->{amount} $_->{detail}" } @more ],
          [ ('reward.available 1000 ripe') x 2,
            'reward.reserved 900 reserve', 'reward.available 900 cancel',
            ('reward.expired 500 expired') x 2 ], 'later')
    or diag(join "\n", map { "$_->{n} $_->{type} $_->{amount} $_->{detail}" }
                           @more);

is(scalar Referral::Settler::run($t, '--replay', '--program', 'shop'), 0,
   'a replay has the same');

# the end of the stream comes again in another order

begin('again', webhooks => 'on');
ok(ref $a->apply({ program => 'again', journal => 'b2' x 16 }, event('lead', 'c1'),
                 sale('c2'), sale('c3')), 'one order');
settle('again');

my %id = map { ("$_->{type} $_->{rule} $_->{detail}" => $_->{id}) }
             messages('again');
my %at = map { ($_->{id} => $_->{at}) } messages('again');

# and once more: the first events never came

$t->redis('DEL', map { "ref:$_:{again}" }
               qw(conversions ledger outbox settled rules wallet person seed
                  stats due), 'person:{again}:names');
$t->redis('DEL', @{ $t->redis('KEYS', 'ref:*:{again}:*') });
begin('again', webhooks => 'on');
ok(ref $a->apply({ program => 'again', journal => 'd4' x 16 }, sale('c2'),
                 event('lead', 'c1'), sale('c3')), 'another order');
settle('again');

my %other = map { ("$_->{type} $_->{rule} $_->{detail}" => $_->{id}) }
                messages('again');

is_deeply([ map { $other{$_} // '' } grep { /^(referral|badge)/ }
                                     sort keys %other ],
          [ map { $id{$_} // '' } grep { /^(referral|badge)/ }
                                  sort keys %other ],
          'the same ids, other positions');
is_deeply([ grep { defined $at{$_->{id}} && $at{$_->{id}} != $_->{at} }
                 messages('again') ], [],
          'and the same times, though they were appended later');

# delivered messages are gone, and new ones come behind them

$t->redis('XTRIM', 'ref:outbox:{shop}', 'MAXLEN', 0);
ok(ref $a->apply({}, event('lead', 'c4')), 'one more');
settle('shop');
is_deeply([ map { $_->{type} } messages('shop') ],
          [ qw(referral.joined reward.available referral.done) ],
          'after they were taken out');

# nobody asked

begin('quiet');
ok(ref $a->apply({ program => 'quiet', journal => 'c3' x 16 }, event('lead', 'c1')), 'a lead');
settle('quiet');
is($t->redis('EXISTS', 'ref:ledger:{quiet}'), 1, 'rewards are given');
is($t->redis('EXISTS', 'ref:outbox:{quiet}'), 0, 'and nothing is told');

done_testing;
