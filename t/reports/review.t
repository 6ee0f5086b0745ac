# protects: who is in review, why, until when, and what waits for it

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Append;
use Referral::Cli;
use Referral::Rewards qw(rules fact);
use Referral::Settler;
use Time::HiRes qw(time);

my $t = Referral->new;
my $append = Referral::Append->new($t);
my $NOW = int(time) * 1000;
my $DAY = 86400_000;

Referral::Cli->begin($t);

my $text = <<'END';
unit=EUR/2
rule=both on=sale to=both give=10.00EUR hold=2d
fraud=coupon_site do=score:50 review=5d then=approve
fraud=same_device do=hold review=3d
END

$t->program('shop', state => 'active', rewards => $text);
$t->link('shop', 'ref1', referrer => 'r1');
$t->redis('HSET', 'ref:referrer:{shop}:r1', 'state', 'active');

is(r('review', 'list', 'none'), 1, 'no such program');
is(r('review', 'list', 'shop'), 0, 'nobody');
like($err, qr/nobody in review/, 'is said');
is(r('review', 'show', 'shop', 'c9'), 1, 'no such friend');

rules($t, 'shop', $text, time => $NOW - 1000);

for my $k (1 .. 4) {
    $append->apply({}, { type => 'lead', event_id => "l$k", customer => "c$k",
                    code => 'ref1', received => $NOW, at => $NOW - 1000 });
}

sub number { return $t->redis('HGET', 'ref:person:{shop}', $_[0]) =~ s/ .*//r }

sub who {
    return substr sha1_hex($t->redis('GET', 'ref:seed:{shop}') . ":$_[0]"), 0,
                  16;
}

sub sale {
    my ($k, $signals) = @_;

    fact($t, 'shop', type => 'sale', event => "s$k", order => "o$k",
         friend => number("c$k"), who => who("c$k"),
         referrer => number('r1'), referrer_state => 'active', via => 'bound',
         code => 'ref1', amount => 5000, unit => 'EUR', known => 0, self => 0,
         trust => 'signed', program_state => 'active', at => $NOW,
         time => $NOW + 5000 + 1000 * $k, signals => $signals);
}

sale(1, 'coupon_site');
sale(2, 'same_device,country');
sale(3, '');
sale(4, 'mutual,fast_lead');
Referral::Settler::run($t, '--once', '--program', 'shop');

my $list = j('review', 'list', 'shop');

is_deeply([ map { [ @$_{qw(friend score signals then)} ] } @$list ],
          [ [ 'c2', 10, 'same_device country', 'wait' ],
            [ 'c1', 50, 'coupon_site', 'approve' ],
            [ 'c4', 80, 'fast_lead mutual', 'wait' ] ],
          'what ends first is first, and why');
like($list->[0]{ends}, qr/^\d{4}-/, 'one ends by itself');
is($list->[2]{ends}, undef, 'another does not');
is(r('review', 'list', 'shop'), 0, 'for people');
like($out, qr/^c1 .*coupon_site .* approve$/m, 'too');

my $one = j('review', 'show', 'shop', 'c4');

is_deeply([ @$one{qw(friend score signals)},
            [ map { [ @$_{qw(owner side rule unit pending)} ] }
              sort { $a->{owner} cmp $b->{owner} } @{ $one->{rows} } ] ],
          [ 'c4', 80, 'fast_lead mutual',
            [ [ 'c4', 'friend', 'both', 'EUR', 1000 ],
              [ 'r1', 'referrer', 'both', 'EUR', 1000 ] ] ],
          'both sides wait');
is(r('review', 'show', 'shop', 'c3'), 1, 'who is not in review');
like($err, qr/is not in review/, 'is told');

is(r('review', 'approve', 'shop', 'c4'), 0, 'one is approved');
is(r('review', 'reject', 'shop', 'c2'), 0, 'one is rejected');
Referral::Settler::run($t, '--once', '--program', 'shop');
is_deeply([ map { $_->{friend} } @{ j('review', 'list', 'shop') } ], [ 'c1' ],
          'and one is left');
is(r('ledger', 'replay', 'shop'), 0, 'a replay has the same') or diag($out);
is(r('ledger', 'audit', 'shop'), 0, 'an audit too') or diag($out);

$t->redis('HSET', 'ref:review:{shop}', number('c2'), 'x');
is(r('ledger', 'replay', 'shop'), 1, 'what somebody added is found');
is(scalar @{ j('review', 'list', 'shop') }, 1, 'and is not shown');

$t->finish;
done_testing;
