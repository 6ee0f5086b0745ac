# protects: what an operator and the shop do with rewards from the command line:
# each command is one entry of the stream, once for each id, that the ledger
# does as it was said; what is wrong is named, and nothing is written

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(sha1_hex sha256_hex);
use JSON::PP;
use Referral;
use Referral::Append;
use Referral::Cli;
use Time::HiRes qw(time);

use constant STREAM => 'ref:conversions:{shop}';

my $t = Referral->new;
my $a = Referral::Append->new($t);
my $NOW = int(time) * 1000;
my $SEED = '0123456789abcdef' x 2;
my $UUID = qr/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

my $TEXT = join "\n", 'unit=EUR/2,pt/0,KWD/3',
    'rule=first on=lead to=friend give=prize:mug|bag choose=7d',
    'cap=year per=referrer amount=500.00EUR every=year',
    'item=mug price=3.00EUR stock=2';

Referral::Cli->begin($t);

sub entries { $a->entries }
sub entry { (entries())[-1] }
sub digest { substr sha1_hex("$SEED:$_[0]"), 0, 16 }


# a program with rules and two customers

is(r(qw(wallet release shop x)), 1, 'no such program');
like($err, qr/there is no program shop/, 'says so');

$t->program('shop', state => 'active', rewards => $TEXT);
$t->link('shop', 'aiko7', referrer => 'aiko');
$t->redis('XADD', STREAM, '1-0', type => 'rules', event => '', who => '',
          time => $NOW - 1000, version => 1, engine => 1, text => $TEXT,
          zone => 'UTC', transitions => '0:0', window => 2592000,
          late => 5184000, bind => 'ever', seed => $SEED);
$t->redis('HSET', 'ref:rules:{shop}', 1, 1);

ok(ref $a->apply({ seed => $SEED }, {
       type => 'lead', event_id => 'l1', customer => 'bo', code => 'aiko7',
       received => $NOW }), 'bo is a friend of aiko');


# --- each of them, key by key ---

my $told = j(qw(reward adjust shop bo 20.00 EUR --state available --event-id a1
                --cap year --reason), 'a parcel came late');

is_deeply($told, {
    program => 'shop', type => 'adjust', event_id => 'a1', position => 3,
    replayed => JSON::PP::false, customer => 'bo', number => 'u1',
    amount => 2000, unit => 'EUR', state => 'available', cap => 'year',
    reason => 'a parcel came late', settled => JSON::PP::false, done => undef,
    entries => [] }, 'adjust');

my %e = %{ entry() };
my $time = delete $e{time};
my $print = delete $e{fp};

cmp_ok(abs($time - time * 1000), '<', 60_000 * patience, 'Redis\'s time');
like($print, qr/^[0-9a-f]{16}$/, 'a fingerprint');
is_deeply(\%e, {
    N => 3, type => 'adjust', event => 'a1', who => digest('bo'), owner => 1,
    amount => 2000, unit => 'EUR', state => 'available', cap => 'year',
    reason => 'a parcel came late' }, 'its entry');

my ($raw) = @{ $t->redis('XRANGE', STREAM, '3-0', '3-0') };

is(join(' ', @{ $raw->[1] }[0, 2, 4, 6]), 'type event who time', 'its head');

my $where = sha256_hex('a1');

is($t->redis('HGET', 'ref:ids:{shop}:' . substr($where, 0, 3),
             substr $where, 3, 22), "3 $print", 'its id');

is(r(qw(wallet reserve shop bo 12.5 EUR --token t1 --order o1 --order-amount
        40 --ttl 2h)), 0, 'reserve');
like($out, qr/^event_id +t1$/m, 'the token');
like($out, qr/^amount +12\.50 EUR$/m, 'the amount as people write it');
like($err, qr/done when the settler comes to it; --wait tells/, 'and what next');
is_deeply([ @{ entry() }{qw(N type owner amount unit order order_amount ttl who)} ],
          [ 4, 'reserve', 1, 1250, 'EUR', 'o1', 4000, 7200_000, digest('bo') ],
          'its entry');
ok(!exists entry()->{item}, 'without what was not said');

is(j(qw(wallet commit shop t1 10.00 --order o1 --event-id c1))->{amount}, 1000,
   'commit a part');
is_deeply([ @{ entry() }{qw(N type token amount unit order who)} ],
          [ 5, 'commit', 't1', 1000, 'EUR', 'o1', '' ], 'its entry');

$told = j(qw(wallet reserve shop bo 3 EUR --item mug));
like($told->{event_id}, $UUID, 'an id is made');
is_deeply([ @{ entry() }{qw(N item amount ttl)} ], [ 6, 'mug', 300, 1800_000 ],
          'an item');

is(r(qw(wallet commit shop), $told->{event_id}), 0, 'commit all');
like($err, qr/its id was made: who sends it again without --event-id/,
     'a made id is told');
is_deeply([ @{ entry() }{qw(N amount)} ], [ 7, 300 ], 'all of it');

j(qw(wallet reserve shop bo 1.00 EUR --event-id t3));
is(j(qw(wallet release shop t3 --event-id r1))->{token}, 't3', 'release');
is_deeply([ @{ entry() }{qw(N type token)} ], [ 9, 'release', 't3' ],
          'its entry');

my $reward = substr sha256_hex('shop:first:friend:friend ' . digest('bo')),
                    0, 16;

is(j(qw(reward choose shop), $reward, 'bag', qw(--event-id ch1))->{prize},
   'bag', 'choose');
is_deeply([ @{ entry() }{qw(N type reward prize)} ],
          [ 10, 'choose', $reward, 'bag' ], 'its entry');

is(j(qw(review reject shop bo --event-id j1))->{number}, 'u1', 'reject');
is_deeply([ @{ entry() }{qw(N type friend who)} ],
          [ 11, 'reject', 1, digest('bo') ], 'its entry');
j(qw(review approve shop bo --event-id j2));
is(entry()->{type}, 'approve', 'approve');


# --- the ledger does what they say ---

my ($moves, $flags, $balances) = decide();

is_deeply($moves, [
    "2 prize budget pending", '3 adjust budget available 2000',
    '4 reserve available reserved 1250', '5 commit reserved spent 1000',
    '5 commit reserved available 250', '6 reserve available reserved 300',
    '7 commit reserved spent 300', '8 reserve available reserved 100',
    '9 cancel reserved available 100', '10 prize pending available',
    '11 prize available cancelled' ], 'what moved');
is_deeply($flags, [ '12 refused' ], 'a friend who is in no review');
is_deeply([ sort map { "@$_" } grep { $_->[1] eq 'EUR' } @$balances ],
          [ '1 EUR available 700', '1 EUR spent 1300' ], 'and what is left');


# --- the same again ---

my $length = entries();

$told = j(qw(reward adjust shop bo 20 EUR --state available --event-id a1
             --cap year --reason), 'a parcel came late');
is_deeply([ @$told{qw(position replayed number)} ],
          [ 3, JSON::PP::true, 'u1' ], 'the same id and meaning: its entry');
is(r(qw(wallet commit shop t1 10 --order o1 --event-id c1)), 0, 'of nobody');
like($err, qr/it was there before/, 'for people');

refused(3, qr/id_reused: entry 3 .* a1 and says something else/,
        'the same id with another amount',
        qw(reward adjust shop bo 21 EUR --state available --event-id a1
           --cap year --reason), 'a parcel came late');
refused(3, qr/id_reused/, 'of another customer',
        qw(reward adjust shop aiko 20 EUR --state available --event-id a1
           --cap year --reason), 'a parcel came late');
refused(3, qr/id_reused: entry 2 /, 'the id of an event',
        qw(review approve shop bo --event-id l1));
is_deeply($a->apply({}, { type => 'lead', event_id => 'a1', customer => 'bo',
                          received => $NOW })->[3], 2,
          'and an event with the id of a command');
is(scalar(entries()), $length, 'nothing is written');

# many at once

my @kids = map {
    my $kid = fork // die "fork: $!";

    if (!$kid) {
        open STDOUT, '>', '/dev/null';
        exec '/usr/bin/python3', "$Referral::ROOT/scripts/referral", qw(wallet
             reserve shop bo 1 EUR --event-id once --quiet);
    }

    $kid;
} 1 .. 4;

my @ended = map { waitpid $_, 0; $? } @kids;

is("@ended", '0 0 0 0', 'four at once');
is(scalar(grep { $_->{event} eq 'once' } entries()), 1, 'are one entry');


# --- whom it is about ---

refused(1, qr/knows no customer or referrer kim;/, 'an unknown customer',
        qw(reward adjust shop kim 1 pt --state spent --reason x));
refused(1, qr/knows no customer or referrer kim;/, 'to reserve',
        qw(wallet reserve shop kim 1 EUR));
refused(1, qr/knows no customer or referrer kim;/, 'to approve',
        qw(review approve shop kim));
refused(1, qr/knows no customer or referrer u9;/, 'an unknown number',
        qw(reward adjust shop u9 1 pt --state spent --reason x --new));

$told = j(qw(reward adjust shop kim 7 pt --state spent --reason x --new
             --event-id k1));
is($told->{number}, 'u3', 'a new one on purpose');
is($t->redis('HGET', 'ref:person:{shop}', 'kim'), 3, 'has a number');
is_deeply([ @{ $t->redis('HMGET', 'ref:person:{shop}:names', 3, 'next') } ],
          [ 'kim', 3 ], 'and a name');
is_deeply([ @{ entry() }{qw(owner who)} ], [ 3, digest('kim') ], 'its entry');
is(r(qw(reward adjust shop kim 7 pt --state spent --reason x --new
        --event-id k1)), 0, 'again');
is($t->redis('HGET', 'ref:person:{shop}:names', 'next'), 3, 'no other number');

ok(ref $a->apply({}, { type => 'lead', event_id => 'l2', customer => 'kim',
                       code => 'aiko7', received => $NOW }), 'kim comes');
is(entry()->{friend}, 3, 'and is the same');

j(qw(wallet reserve shop u1 1 EUR));
is_deeply([ @{ entry() }{qw(owner who)} ], [ 1, digest('bo') ], 'by number');
audited();

is(r(qw(forget --customer kim --program shop)), 0, 'kim is forgotten');
j(qw(reward adjust shop u3 1 pt --state spent --reason x));
is_deeply([ @{ entry() }{qw(owner who)} ], [ 3, '' ],
          'of who was forgotten only the number is left');
is(r(qw(reward adjust shop kim 7 pt --state spent --reason x --new
        --event-id k1)), 0, 'sent again');
is($t->redis('HEXISTS', 'ref:person:{shop}', 'kim'), 0,
   'it does not bring the id back');
audited();


# --- what others show ---

is(join(' ', map { $_->{event_id} } @{ j(qw(conversions list shop)) }),
   'l2 l1', 'commands are no conversions');

my $shown = j(qw(conversions show shop t1));

is_deeply([ @$shown{qw(type owner owner_number amount currency order_amount ttl)} ],
          [ 'reserve', 'bo', 'u1', 1250, 'EUR', 4000, 7200_000 ],
          'but can be looked at');
is_deeply($shown->{why}, [], 'credited to nobody');


# --- what is wrong is named ---

refused(3, qr/the amount '1\.234' is none of EUR: one is like 5\.00/,
        'too many decimals', qw(wallet reserve shop bo 1.234 EUR));
refused(3, qr/the amount is more than 0, and below 90071992547409\.92 EUR/,
        'nothing', qw(wallet reserve shop bo 0 EUR));
refused(3, qr/the amount '1\.5' is none of pt: one is like 5\n/, 'half a point',
        qw(wallet reserve shop bo 1.5 pt));
refused(3, qr/below 90071992547409\.92 EUR/, 'too much',
        qw(wallet reserve shop bo 90071992547409.92 EUR));
refused(3, qr/has no unit EUT: there are EUR, KWD, pt$/m,
        'no unit', qw(wallet reserve shop bo 1 EUT));
refused(3, qr/has no item mugg: there are mug; did you mean mug\?/, 'no item',
        qw(wallet reserve shop bo 3 EUR --item mugg));
refused(3, qr/has no cap yeer: there are year; did you mean year\?/, 'no cap',
        qw(reward adjust shop bo 3 EUR --state spent --reason x --cap yeer));
refused(3, qr/--ttl 'soon' is no time from 1s to 400d/, 'no time',
        qw(wallet reserve shop bo 1 EUR --ttl soon));
refused(3, qr/--ttl '401d' is no time/, 'too long',
        qw(wallet reserve shop bo 1 EUR --ttl 401d));
refused(3, qr/--order 'a b' is none: 1 to 128/, 'no order id',
        qw(wallet reserve shop bo 1 EUR --order), 'a b');
refused(3, qr/--order-amount '1\.234' is none of EUR/, 'no order amount',
        qw(wallet reserve shop bo 1 EUR --order-amount 1.234));
refused(3, qr/--event-id .* is none/, 'no id',
        qw(wallet reserve shop bo 1 EUR --event-id), 'x' x 129);
refused(3, qr/--reason is a line of 1 to 256 bytes/, 'no reason',
        qw(reward adjust shop bo 1 EUR --state spent --reason), ' ');
refused(3, qr/--reason is a line/, 'two lines',
        qw(reward adjust shop bo 1 EUR --state spent --reason), "a\nb");
refused(2, qr/'free' is not one of/, 'no state',
        qw(reward adjust shop bo 1 EUR --state free --reason x));
refused(1, qr/has no reserve nope; the token is the event_id/, 'no token',
        qw(wallet commit shop nope));
refused(1, qr/has no reserve l1;/, 'an event is no reserve',
        qw(wallet release shop l1));
refused(3, qr/12\.51 EUR is more than t1 reserved: 12\.50 EUR/, 'too much of it',
        qw(wallet commit shop t1 12.51));
refused(3, qr/REWARD 'XYZ' is none: an id is 16/, 'no reward',
        qw(reward choose shop XYZ bag));
refused(3, qr/PRIZE 'Bag' is none: a name/, 'no prize',
        qw(reward choose shop), $reward, 'Bag');

$t->program('bare', state => 'active');
refused(3, qr/has no unit EUR: no text of its rewards names one/, 'no rules',
        qw(wallet reserve bare bo 1 EUR));

$t->redis('HSET', 'ref:program:{bare}', 'rewards', "unit=EUR/2\n");
is(j(qw(reward adjust bare mia 1 EUR --state spent --reason x --new))
   ->{position}, 1, 'the text of a program that was never settled');
like($t->redis('GET', 'ref:seed:{bare}'), qr/^[0-9a-f]{32}$/, 'a seed is made');


# --- the keys are in a state that cannot be ---

broken('ids', qr/WRONGTYPE .* in ref:ids/,
       sub { $t->redis('SET', 'ref:ids:{shop}:' . substr(sha256_hex('w'), 0, 3), 'x') });
broken('people', qr/WRONGTYPE .* in ref:person:\{shop\}/,
       sub { $t->redis('SET', 'ref:person:{shop}', 'x') }, 'ref:person:{shop}');
broken('names', qr/WRONGTYPE .* in ref:person:\{shop\}:names/,
       sub { $t->redis('SET', 'ref:person:{shop}:names', 'x') },
       'ref:person:{shop}:names');
broken('the seed', qr/WRONGTYPE .* in ref:seed/,
       sub { $t->redis('LPUSH', 'ref:seed:{shop}', 'x') }, 'ref:seed:{shop}');
broken('another seed', qr/SEED is not 32 hexadecimal digits/,
       sub { $t->redis('SET', 'ref:seed:{shop}', 'x') }, 'ref:seed:{shop}');
broken('what is settled', qr/WRONGTYPE .* in ref:settled/,
       sub { $t->redis('SET', 'ref:settled:{shop}', 'x') }, 'ref:settled:{shop}');
broken('a stream that was longer', qr/though entry 9999 was settled/,
       sub { $t->redis('HSET', 'ref:settled:{shop}', 'position', 9999) },
       'ref:settled:{shop}');
broken('no stream', qr/STREAM is not there, though it had entries/,
       sub { }, STREAM);

my $later = $NOW + 86400_000;

$t->redis('XADD', STREAM, (entry()->{N} + 1) . '-0', type => 'tick',
          event => '', who => '', time => $later);
j(qw(wallet reserve shop bo 1 EUR));
is(entry()->{time}, $later, 'time does not go back');

# a user who may not do all of it does nothing

$t->redis('ACL', 'SETUSER', 'half', 'on', '>pw', '~*', '+@all', '-hset');
$length = entries();

{
    local $ENV{REFERRAL_REDIS} = "unix://half:pw\@$t->{redis_socket}";

    is(r(qw(wallet reserve shop bo 1 EUR)), 4, 'who may not write ids');
    like($err, qr/may not run "HSET" on ref:ids|can't run this command/,
         'is told');
}

is(scalar(entries()), $length, 'and nothing is written');


# --- waiting for the settler ---

my $next = entry()->{N} + 1;

is(r(qw(wallet reserve shop bo 1 EUR --wait --patience 0 --event-id w1)), 4,
   'nothing settles');
like($err, qr/entry $next is not settled after 0 s: is nginx-referral-settle/,
     'says so');

$t->redis('HSET', 'ref:settled:{shop}', 'position', $next - 1, 'stopped',
          'it is damaged');
is(r(qw(wallet reserve shop bo 1 EUR --wait --event-id w1)), 4, 'it stopped');
like($err, qr/the settler stopped: it is damaged/, 'and why');
$t->redis('HDEL', 'ref:settled:{shop}', 'stopped');

# as the settler writes it

sub moved {
    my ($n, $i, $from, $to, $amount, $why) = @_;

    $t->redis('XADD', 'ref:ledger:{shop}', "$n-$i", reward => $reward,
              owner => 1, unit => 'EUR', from => $from, to => $to,
              amount => $amount, rule => '', version => 1, at => $NOW,
              due => '', expires => '', why => $why);
}

moved($next, 0, 'pending', 'available', 5, 'ripe');
$t->redis('HSET', 'ref:settled:{shop}', 'position', $next);
is(r(qw(wallet reserve shop bo 1 EUR --wait --event-id w1)), 1,
   'what was due moved, the reserve did not');
like($err, qr/refused: the customer has not so much to use/, 'and why');
is(j(qw(wallet reserve shop bo 1 EUR --wait --event-id w1))->{done},
   JSON::PP::false, 'also in JSON');

moved($next, 1, 'available', 'reserved', 100, 'reserve');
$told = j(qw(wallet reserve shop bo 1 EUR --wait --event-id w1));
is_deeply([ @$told{qw(settled done)} ], [ JSON::PP::true, JSON::PP::true ],
          'done');
is_deeply($told->{entries}[1], {
    id => "$next-1", reward => $reward, owner => 'bo', unit => 'EUR',
    amount => 100, from => 'available', to => 'reserved', why => 'reserve' },
    'what moved');
is(r(qw(wallet reserve shop bo 1 EUR --wait --event-id w1)), 0, 'for people');
like($out, qr/^$next-1 +$reward +bo +EUR +100 +available +reserved +reserve$/m,
     'a table');

j(qw(reward choose shop), $reward, qw(bag --event-id w2));
$t->redis('HSET', 'ref:settled:{shop}', 'position', $next + 1);
is(r(qw(reward choose shop), $reward, qw(bag --event-id w2 --wait)), 1,
   'not chosen');
$t->redis('HSET', "ref:reward:{shop}:$reward", 'prize', 'bag');
is(r(qw(reward choose shop), $reward, qw(bag --event-id w2 --wait)), 0,
   'chosen');

j(qw(review approve shop bo --event-id w3));
$t->redis('HSET', 'ref:settled:{shop}', 'position', $next + 2);
is(r(qw(review approve shop bo --event-id w3 --wait)), 0, 'what moves nothing');
like($err, qr/no reward moved/, 'says so');

done_testing;


# what the engine makes of the stream

sub decide {
    my $json = JSON::PP->new;
    my $dump = "$t->{dir}/dump";

    open my $f, '>', $dump or die "$dump: $!";
    print {$f} map { $json->encode($_) . "\n" }
               @{ $t->redis('XRANGE', STREAM, '-', '+') };
    close $f;

    my @answers = map { $json->decode($_) }
                  `"$Referral::ROOT/build/referral_ledger_test" shop < "$dump"`;
    my $balances = (pop @answers)->{balances};

    return [ map { my ($n) = $_->{id} =~ /^(\d+)/;
                   $_->{unit} eq 'prize'
                   ? "$n prize $_->{from} $_->{to}"
                   : "$n $_->{why} $_->{from} $_->{to} $_->{amount}" }
             grep { $_->{id} } @answers ],
           [ map { "$_->{position} $_->{flag}" } grep { $_->{flag} } @answers ],
           $balances;
}


# what is not settled counts nowhere yet, and "rules" is of what is

sub audited {
    my $rules = $t->hgetall('ref:rules:{shop}');

    $t->redis('DEL', 'ref:rules:{shop}');
    is(r(qw(ledger audit shop)), 0, 'the audit finds all in order') or diag($out);
    $t->redis('HSET', 'ref:rules:{shop}', %$rules);
}


sub refused {
    my ($code, $like, $what, @command) = @_;

    my $before = entries();

    is(r(@command), $code, $what);
    like($err, $like, "$what: why");
    is(scalar(entries()), $before, "$what: nothing is written");
}


# while a key is as it cannot be, nothing is appended

sub broken {
    my ($what, $like, $break, @keys) = @_;

    my @kept = grep { $t->redis('EXISTS', $_) } @keys;
    my $before = $what eq 'no stream' ? 0 : entries();

    $t->redis('RENAME', $_, "kept:$_") for @kept;
    $break->();
    is(r(qw(wallet reserve shop bo 1 EUR --event-id w)), 4, $what);
    like($err, $like, "$what: why");
    is(scalar($t->redis('EXISTS', STREAM) ? entries() : 0), $before,
       "$what: nothing is written");
    $t->redis('DEL', @keys) if @keys;
    $t->redis('DEL', 'ref:ids:{shop}:' . substr sha256_hex('w'), 0, 3);
    $t->redis('RENAME', "kept:$_", $_) for @kept;
}
