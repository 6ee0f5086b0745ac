# protects: "ledger audit" and "ledger replay": of a right ledger they find
# nothing, and of a wrong one each number that is wrong

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(sha256_hex);
use Referral;
use Referral::Append;
use Referral::Cli;
use Referral::Facts qw(random_events);
use Referral::Settler;
use Time::HiRes qw(sleep time);

my $seed = $ENV{TEST_SEED} // time;

srand $seed;
diag("TEST_SEED=$seed");

my $t = Referral->new;
my $a = Referral::Append->new($t);
my $NOW = int(time) * 1000;
my $n = 0;

Referral::Cli->begin($t);

sub settle { is(scalar Referral::Settler::run($t, '--once', @_), 0, 'settled') }

is(r('ledger', 'audit', 'shop'), 1, 'no such program');
is(r('ledger', 'replay', 'shop'), 1, 'no such program');

$t->program('shop', state => 'active', timezone => 'Europe/Berlin');
$t->link('shop', "code$_", referrer => "r$_", segment => 'vip') for 0 .. 3;

is(r('ledger', 'audit', 'shop'), 0, 'no conversions');
like($out, qr/nothing is settled yet/, 'says so');
is(j('ledger', 'replay', 'shop')->{position}, 0, 'nothing to replay');


# what shops may send, in any order, appended and settled by the programs
# themselves; some of it before the first settling

sub append_random {
    my @events = map {
        my $e = $_;
        my %of = (type => $e->{type}, event_id => 'e' . ++$n, received => $NOW,
                  at => $NOW - int rand 9 * 86400_000);

        $of{customer} = "c$e->{customer}" if $e->{customer};
        $of{order_id} = $e->{order} if $e->{order};
        $of{amount} = $e->{amount} if defined $e->{amount};
        $of{total_refunded} = $e->{refunded} if defined $e->{refunded};
        $of{currency} = $e->{unit} if $e->{unit};
        $of{new} = 0 if $e->{known} && $e->{customer};
        $of{code} = $e->{touch} =~ s/.*(\d)$/code$1/r
            if $e->{touch} && $e->{touch} =~ /[0-3]$/;

        $of{type} eq 'cancel' && !$of{order_id} && !$of{customer} ? () : \%of;
    } @{ random_events() };

    while (my @some = splice @events, 0, 100) {
        my $r = $a->apply({}, @some);

        ok(ref $r, 'appended') or diag($r);
    }
}

sub plain {
    my ($n) = @_;

    $a->apply({}, { type => 'sale', event_id => "plain$n",
                    customer => "plain$n", order_id => "plain$n",
                    amount => 1000 + $n, currency => 'EUR', code => 'code1',
                    received => $NOW });
}

append_random() for 1 .. 3;
plain($_) for 1 .. 2;
settle();

is(r('ledger', 'audit', 'shop'), 0, 'what the settler wrote is right')
    or diag($out);
like($out, qr/^no difference$/m, 'says so');

my $audit = j('ledger', 'audit', 'shop');

cmp_ok($audit->{values}, '>', 50, 'many values');
is($audit->{settled}, $audit->{entries}, 'of all entries');
is_deeply($audit->{rows}, [], 'none differs');

append_random();
plain(3);
$audit = j('ledger', 'audit', 'shop');
is_deeply($audit->{rows}, [], 'entries that wait are no difference')
    or diag($out);
like("@{ $audit->{notes} }", qr/\d+ entr(?:y is|ies are) not settled yet/, 'but are told');

# clocks go forward, terms change

$t->program('shop', state => 'active', timezone => 'Asia/Kathmandu',
            bind => 'window', window => '2d');
settle();
append_random();
settle();
$audit = j('ledger', 'audit', 'shop');
is_deeply($audit->{rows}, [], 'nor on other terms') or diag($out);

my $replay = j('ledger', 'replay', 'shop');

is_deeply([ @$replay{qw(same chain)}, $replay->{rows} ],
          [ JSON::PP::true, $t->redis('HGET', 'ref:settled:{shop}', 'chain'), [] ],
          'and a replay comes to the same chain');
is($replay->{position}, $audit->{settled}, 'up to the same entry');
is(r('ledger', 'replay', 'shop'), 0, 'for people');
like($out, qr/^the replay comes to the same$/m, 'says so');


# each thing that may be wrong, undone again

my $entries = $audit->{entries};
my $stats = 'ref:stats:{shop}';

sub finds {
    my ($what, $wrong, $undo, @expected) = @_;

    $wrong->();

    my $found = j('ledger', 'audit', 'shop');
    my %rows = map { ("$_->{key} $_->{field}" => $_) } @{ $found->{rows} };

    for my $row (@expected) {
        ok(delete $rows{$row}, "$what: finds $row") or diag($out);
    }

    is(join(' ', sort keys %rows), '', "$what: and nothing else");
    is(r('ledger', 'audit', 'shop'), 1, "$what: the exit code tells");
    $undo->();
    is(r('ledger', 'audit', 'shop'), 0, "$what: undone") or diag($out);
}


sub changed_hash {
    my ($key, $field, $by) = @_;
    my $old = $t->redis('HGET', $key, $field);

    finds("$key $field", sub { $t->redis('HINCRBY', $key, $field, $by) },
          sub { defined $old ? $t->redis('HSET', $key, $field, $old)
                             : $t->redis('HDEL', $key, $field) }, "$key $field");
}


my ($day) = keys %{ { @{ $t->redis('HGETALL', 'ref:days:sales:{shop}') } } };
my ($cohort) = @{ $t->redis('KEYS', 'ref:cohort:{shop}:*') };
my ($progress) = @{ $t->redis('KEYS', 'ref:progress:{shop}:*') };

changed_hash($stats, 'sales', 1);
changed_hash($stats, 'amount:EUR', -1);
changed_hash("$stats:code1", 'leads:segment:vip', 2);
changed_hash('ref:days:sales:{shop}', $day, 1);
changed_hash('ref:days:sales:{shop}:code1', $day, 1);
changed_hash('ref:days:amount:EUR:{shop}:code1', $day, 1);
changed_hash('ref:days:refunds:{shop}:code9', $day, 1);
changed_hash($stats, 'amount:EUR:country:JP', 1);
changed_hash("$stats:code1", 'refunds:segment:vip', 1);
changed_hash($cohort, 'friends', 1);
changed_hash($progress, 'sales', -1);
changed_hash('ref:progress:{shop}:99999', 'sales', 1);
changed_hash('ref:stats:{shop}:code9', 'refunds', 1);

my $board = 'ref:board:{shop}:amount:EUR';

finds('a board', sub { $t->redis('ZINCRBY', $board, 5, 'code1') },
      sub { $t->redis('ZINCRBY', $board, -5, 'code1') }, "$board code1");
finds('a board that should not be',
      sub { $t->redis('ZADD', 'ref:board:{shop}:referrers:sales:2020-01', 1, 7) },
      sub { $t->redis('DEL', 'ref:board:{shop}:referrers:sales:2020-01') },
      'ref:board:{shop}:referrers:sales:2020-01 7');

my $plain = sha256_hex('plain1');
my ($orders, $order) = ('ref:order:{shop}:' . substr($plain, 0, 3),
                        substr $plain, 3, 22);
my $value = $t->redis('HGET', $orders, $order);

finds('an order', sub { $t->redis('HSET', $orders, $order,
                                  $value =~ s/ 1001 EUR/ 1002 EUR/r) },
      sub { $t->redis('HSET', $orders, $order, $value) }, "$orders $order");

my ($number) = split / /, $t->redis('HGET', 'ref:person:{shop}', 'plain1');
my $friend = "ref:friend:{shop}:$number";
my $state = $t->redis('HGET', $friend, 'state');

finds('a friend', sub { $t->redis('HSET', $friend, 'state', 'forged') },
      sub { $t->redis('HSET', $friend, 'state', $state) }, "$friend state");

# ids

my $digest = sha256_hex('plain2');
my ($ids, $id) = ('ref:ids:{shop}:' . substr($digest, 0, 3),
                  substr $digest, 3, 22);
my $stands = $t->redis('HGET', $ids, $id);

finds('an id that is gone', sub { $t->redis('HDEL', $ids, $id) },
      sub { $t->redis('HSET', $ids, $id, $stands) }, "$ids $id");
finds('an id of another entry', sub { $t->redis('HSET', $ids, $id, "1 $stands") },
      sub { $t->redis('HSET', $ids, $id, $stands) }, "$ids $id");
finds('a forged id', sub { $t->redis('HSET', $ids, 'f' x 22, $stands) },
      sub { $t->redis('HDEL', $ids, 'f' x 22) }, "$ids " . 'f' x 22);

# people

my $person = $t->redis('HGET', 'ref:person:{shop}', 'plain2');

finds('a binding',
      sub { $t->redis('HSET', 'ref:person:{shop}', 'plain2', $person =~ s/code1/code2/r) },
      sub { $t->redis('HSET', 'ref:person:{shop}', 'plain2', $person) },
      'ref:person:{shop} plain2');
finds('a binding that is gone',
      sub { $t->redis('HSET', 'ref:person:{shop}', 'plain2', $person =~ s/ .*//r) },
      sub { $t->redis('HSET', 'ref:person:{shop}', 'plain2', $person) },
      'ref:person:{shop} plain2');
finds('a name', sub { $t->redis('HSET', 'ref:person:{shop}:names', $number, 'plain9') },
      sub { $t->redis('HSET', 'ref:person:{shop}:names', $number, 'plain1') },
      "ref:person:{shop}:names $number", 'ref:person:{shop} plain9',
      map { "ref:conversions:{shop} $_->{N}-0 who" }
      grep { ($_->{friend} // '') eq $number } $a->entries);

# somebody who was forgotten is no difference

is(r('forget', '--customer', 'plain1', '--program', 'shop'), 0, 'plain1 is forgotten');
is(r('ledger', 'audit', 'shop'), 0, 'and the ledger is right') or diag($out);

# a key that was changed: the replay finds the key, and the chain is right

$t->redis('HINCRBY', $stats, 'sales', 3);
$replay = j('ledger', 'replay', 'shop');
is_deeply($replay->{rows}, [ { key => $stats, field => 'sales',
                               redis => $t->redis('HGET', $stats, 'sales'),
                               replay => $t->redis('HGET', $stats, 'sales') - 3 } ],
          'a replay finds it too');
is($replay->{same}, JSON::PP::false, 'it is not the same');
is(r('ledger', 'replay', 'shop'), 1, 'the exit code tells');
like($out, qr/^\Q$stats\E +sales +\d+ +\d+$/m, 'for people');
is(r('ledger', 'replay', 'shop', '--csv'), 1, 'CSV');
like($out, qr/^key,field,redis,replay\n"?\Q$stats\E"?,sales,\d+,\d+\n\z/, 'its columns');
$t->redis('HINCRBY', $stats, 'sales', -3);


# a backup of the stream; other entries than those that were settled

my ($status, $dump) = Referral::Settler::run($t, '--dump', '--program', 'shop');

is($status, 0, 'a dump');

my $file = $t->write_file('shop.ndjson', $dump);

$replay = j('ledger', 'replay', 'shop', '--file', $file);
is($replay->{same}, JSON::PP::true, 'the dump is the same') or diag($out);
is($replay->{from}, $file, 'and says what was replayed');

my $forged = $t->write_file('forged.ndjson', $dump =~ s/"x",""/"x","a=b"/r);

$replay = j('ledger', 'replay', 'shop', '--file', $forged);
is_deeply([ map { $_->{field} } @{ $replay->{rows} } ], [ 'chain' ],
          'an entry that was changed, though nothing counts otherwise');
isnt($replay->{chain}, $replay->{settled_chain}, 'both chains are told');

my $short = $t->write_file('short.ndjson', $dump =~ s/\n.*\n\z/\n/r);

$replay = j('ledger', 'replay', 'shop', '--file', $short);
is($replay->{chain}, undef, 'a dump that ends early has no chain');
like($replay->{rows}[0]{field}, qr/the stream ends at entry/, 'and why');
is(r('ledger', 'replay', 'shop', '--file', "$t->{dir}/nope"), 2, 'no such file');


# an address with a database and a password

$t->redis('ACL', 'SETUSER', 'look', 'on', '>secret word', '~*', '+@all');
{
    local $ENV{REFERRAL_REDIS} = "redis://look\@127.0.0.1:$t->{redis_port}/0";
    local $ENV{REFERRAL_PASSWORD} = 'secret word';

    is(r('ledger', 'replay', 'shop'), 0, 'a user with a password') or diag($err);

    $ENV{REFERRAL_PASSWORD} = 'wrong';
    is(r('ledger', 'replay', 'shop'), 4, 'a wrong one');
}

{
    local $ENV{REFERRAL_REDIS} = "rediss://127.0.0.1:$t->{redis_port}";

    is(r('ledger', 'replay', 'shop'), 4, 'TLS to a Redis without');
}

{
    local $ENV{REFERRAL_TOOLS} = $t->dir;
    local $ENV{PATH} = '/usr/bin:/bin';

    is(r('ledger', 'replay', 'shop'), 5, 'without the settler');
    like($err, qr/nginx-referral-settle, which counts conversions, is not in/, 'says what is missing');
}


# entries that are gone; nothing puts them back

$t->redis('XDEL', 'ref:conversions:{shop}', '3-0', '4-0');
$audit = j('ledger', 'audit', 'shop');

my ($gap) = grep { $_->{field} eq '3-0' } @{ $audit->{rows} };

is_deeply([ @$gap{qw(counted recomputed)} ], [ undef, '2 entries up to 4-0' ],
          'numbers that are missing');
is(scalar(grep { $_->{key} =~ /^ref:ids/ } @{ $audit->{rows} }), 2,
   'and their ids are of nothing');
$t->redis('XDEL', 'ref:conversions:{shop}', "$entries-0");
$audit = j('ledger', 'audit', 'shop');
ok((grep { $_->{field} eq "$entries-0" } @{ $audit->{rows} }),
   'the last one, which leaves no gap');

# an entry that is gone, and that an operator went past

$t->program('gone', state => 'active');
$t->link('gone', 'code1', referrer => 'r1');
$a->apply({ program => 'gone', journal => 'b2' x 16 }, map { +{
    type => 'sale', event_id => "g$_", customer => "g$_", code => 'code1',
    order_id => "g$_", amount => 100, currency => 'EUR', received => $NOW } } 1 .. 3);
$t->redis('XDEL', 'ref:conversions:{gone}', '2-0');
Referral::Settler::run($t, '--once', '--program', 'gone');
$audit = j('ledger', 'audit', 'gone');
is_deeply([ sort map { $_->{field} } @{ $audit->{rows} } ],
          [ sort '2-0', substr(sha256_hex('g2'), 3, 22), 'g2' ],
          'an entry that is gone, its id, and whose friend that made somebody')
    or diag($out);
like("@{ $audit->{notes} }", qr/the settler stopped/, 'the settler stopped there');
Referral::Settler::run($t, '--skip', 2, '--program', 'gone', '--reason', 'gone');
settle('--program', 'gone');
$audit = j('ledger', 'audit', 'gone');
is_deeply($audit->{rows}, [], 'went past on purpose') or diag($out);
like("@{ $audit->{notes} }", qr/1 entry was skipped on purpose/, 'and is told');
is($t->redis('HGET', 'ref:stats:{gone}', 'sales'), 2, 'two are counted');

# a board that was above 2^53 and stopped there; the sums in hashes are exact

my $most = 9007199254740991;

$t->program('large', state => 'active');
$t->link('large', 'code1', referrer => 'r1');
$a->apply({ program => 'large', journal => 'c3' x 16 },
          (map { +{ type => 'sale', event_id => "v$_", customer => "v$_",
                    code => 'code1', order_id => "v$_", amount => $most,
                    currency => 'EUR', segment => 'above 2^53',
                    received => $NOW } } 1 .. 3),
          { type => 'refund', event_id => 'w1', order_id => 'v1', amount => $most,
            currency => 'EUR', received => $NOW });
settle('--program', 'large');
$audit = j('ledger', 'audit', 'large');
is_deeply($audit->{rows}, [], 'a board above 2^53 is no difference') or diag($out);
like("@{ $audit->{notes} }", qr/above 2\^53/, 'it is told');
$t->redis('HINCRBY', 'ref:stats:{large}', 'amount:EUR', 1);
$audit = j('ledger', 'audit', 'large');
is_deeply([ map { [ @$_{qw(key field difference)} ] } @{ $audit->{rows} } ],
          [ [ 'ref:stats:{large}', 'amount:EUR', 1 ] ],
          'a cent among them is one') or diag($out);
is(j('stats', 'large')->{'amount:EUR'} - 2 * $most, 1, 'stats tells the cent too');
$t->redis('HINCRBY', 'ref:stats:{large}', 'amount:EUR', -1);

# what no settler writes is a difference, and ends no audit

$t->redis('HSET', 'ref:progress:{large}:8', 'sales', '9' x 5000);
$t->redis('ZADD', 'ref:board:{large}:sales', '3.5', 'code1');
$t->redis('HSET', 'ref:cohort:{large}:x', 'sales', "\e[2J");
$audit = j('ledger', 'audit', 'large');
is_deeply([ map { [ @$_{qw(key field)} ] } @{ $audit->{rows} } ],
          [ [ 'ref:board:{large}:sales', 'code1' ], [ 'ref:cohort:{large}:x', 'sales' ],
            [ 'ref:progress:{large}:8', 'sales' ] ], 'a half, a text, many digits')
    or diag($out, $err);
is(r('ledger', 'audit', 'large'), 1, 'for people');
unlike($out, qr/\e/, 'no terminal is commanded');

# a busy program: the audit runs while events are appended and settled

$t->program('busy', state => 'active');
$t->link('busy', 'code1', referrer => 'r1');

my $busy = $t->spawn(sub {
    my $b = Referral::Append->new($t)->fresh;

    for (my $i = 1; ; $i++) {
        $b->apply({ program => 'busy' }, map { +{
            type => 'sale', event_id => "b$i-$_", customer => "b$i",
            code => 'code1', order_id => "b$i-$_", amount => 100,
            currency => 'EUR', received => $NOW } } 1 .. 2);
        sleep 0.01;
    }
});

my $settler = Referral::Settler->start($t, '--program', 'busy', '--batch', 3);
my ($wrong, %positions) = (0);

wait_for { $t->redis('HGET', 'ref:settled:{busy}', 'position') };

for (1 .. 8) {
    $audit = j('ledger', 'audit', 'busy');
    $positions{ $audit->{settled} } = 1;
    $wrong += @{ $audit->{rows} };
    diag($out) if @{ $audit->{rows} };
}

kill 'KILL', $busy;
is($wrong, 0, 'audits meanwhile find nothing');
cmp_ok(scalar(keys %positions), '>=', 3, 'at several positions');
$settler->stop;

done_testing;
