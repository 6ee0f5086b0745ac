# protects: what people have is shown as the ledger has it, with the why, and
# "ledger audit" finds each number of rewards that is wrong

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Referral;
use Referral::Append;
use Referral::Cli;
use Referral::Rewards qw(rules fact);
use Referral::Settler;
use Time::HiRes qw(time);

my $t = Referral->new;
my $a = Referral::Append->new($t);
my $NOW = int(time) * 1000;

Referral::Cli->begin($t);

my $text = <<'END';
unit=EUR/2,pt/1
cap=year per=referrer count=3 every=year
cap=money per=referrer amount=25.00EUR
rule=hello on=lead to=friend give=5.00EUR life=30d
rule=thanks on=sale nth=1 min=20.00EUR to=referrer give=10.00EUR hold=14d cap=year
rule=share on=sale each=order to=referrer give=10% cap=money over=clip
rule=points on=sale to=both each=order give=10.0pt
END

$t->program('shop', state => 'active');
$t->link('shop', 'ref1', referrer => 'r1');
$t->link('shop', 'ref2', referrer => 'r2');

$t->redis('HSET', "ref:referrer:{shop}:$_", 'state', 'active') for qw(r1 r2);

is(r('wallet', 'list', 'none'), 1, 'no such program');
is(r('wallet', 'list', 'shop'), 0, 'no wallets yet');
like($err, qr/has given nothing yet/, 'is said');
is(r('reward', 'list', 'shop'), 0, 'no rewards yet');
is(r('rewards', 'show', 'shop'), 1, 'no rules yet');

$t->redis('HSET', 'ref:program:{shop}', 'rewards', $text);
rules($t, 'shop', $text, time => $NOW - 1000);

sub event {
    my ($type, $who, %more) = @_;

    my $order = $more{order_id} // '';

    return { type => $type, event_id => "$type-$who-$order", customer => $who,
             received => $NOW, at => $NOW - 1000, %more };
}

sub sale {
    my ($who, $order, $amount) = @_;

    return event('sale', $who, order_id => $order, amount => $amount,
                 currency => 'EUR');
}

ok(ref $a->apply({},
    (map { event('lead', "c$_", code => $_ < 6 ? 'ref1' : 'ref2') } 1 .. 8),
    sale('c1', 'o1', 5000), sale('c1', 'o2', 9000), sale('c2', 'o3', 4000),
    sale('c3', 'o4', 4000), sale('c4', 'o5', 4000), sale('c6', 'o6', 2500),
    { type => 'refund', event_id => 'back-o3', order_id => 'o3',
      amount => 4000, currency => 'EUR', received => $NOW }), 'events');

my %number = map { ($_ => $t->redis('HGET', 'ref:person:{shop}', $_)
                              =~ s/ .*//r) } qw(r1 c1 c2);

fact($t, 'shop', type => 'tick', time => $NOW + 15 * 86400_000);
fact($t, 'shop', type => 'reserve', event => 'use1', owner => $number{r1},
     amount => 2500, unit => 'EUR', order => 'own1', ttl => 86400_000,
     time => $NOW + 15 * 86400_000 + 1);
fact($t, 'shop', type => 'commit', event => 'use1-done', token => 'use1',
     amount => 2200, order => 'own1', time => $NOW + 15 * 86400_000 + 2);
fact($t, 'shop', type => 'adjust', event => 'gift1', owner => $number{c1},
     amount => 300, unit => 'EUR', state => 'available',
     reason => 'a parcel came late', time => $NOW + 15 * 86400_000 + 3);
fact($t, 'shop', type => 'tick', time => $NOW + 31 * 86400_000);

is(scalar Referral::Settler::run($t, '--once'), 0, 'settled');
cmp_ok($t->redis('XLEN', 'ref:ledger:{shop}'), '>', 20, 'entries');

is(r('ledger', 'audit', 'shop'), 0, 'all is right') or diag($out);


# --- what is shown ---

my $list = j('wallet', 'list', 'shop');
my %has = map { ("$_->{owner} $_->{unit}" => $_) } @{ $list->{rows} };

is_deeply([ @{ $has{'r1 EUR'} }{qw(number available spent cancelled)} ],
          ['u2', 1900, 2200, 1400], 'what r1 has');
is_deeply([ @{ $list->{total}{pt} }{qw(available cancelled)} ], [1000, 200],
          'what all have');
is(scalar(grep { $_->{unit} ne 'pt' }
               @{ j('wallet', 'list', 'shop', '--unit', 'pt')->{rows} }), 0,
   'of one unit');
r('wallet', 'list', 'shop');
like($out, qr/^total +pt +100\.0 pt +20\.0 pt$/m, 'for people, with decimals');

my $wallet = j('wallet', 'show', 'shop', 'r1');

is_deeply([ @$wallet{qw(customer owner)}, $wallet->{balances}{EUR}{spent} ],
          ['r1', 'u2', 2200], 'the wallet of r1');
is(scalar @{ $wallet->{rewards} }, 13, 'and its rewards');
is_deeply(j('wallet', 'show', 'shop', 'u2'), $wallet, 'the same by number');
r('wallet', 'show', 'shop', 'r1', '--limit', 14);
like($out, qr/10\.00 EUR +pending to cancelled +taken back: .*, by refund back-o3, order o3$/m,
     'why something was taken back');
like($out, qr/4\.00 EUR +reserved to spent +used for order own1$/m,
     'and used');
like($err, qr/only the newest 14 of 37 entries/, 'not all of it');
r('wallet', 'show', 'shop', 'c1');
like($out, qr/given by hand: a parcel came late$/m, 'what an operator said');
is(r('wallet', 'show', 'shop', 'c99'), 1, 'nobody');

my $rewards = j('reward', 'list', 'shop', '--owner', 'r1', '--rule', 'thanks',
                '--state', 'cancelled');

is_deeply([ map { [ @$_{qw(owner friend order granted)} ] } @$rewards ],
          [ ['r1', 'c2', 'o3', 1000] ], 'rewards by owner, rule and state');

my $reward = j('reward', 'show', 'shop', $rewards->[0]{reward});

is_deeply([ @$reward{qw(cancelled state event)} ],
          [1000, 'cancelled', 'sale sale-c2-o3 of c2, order o3'],
          'and by what it stands');
is_deeply([ map { "$_->{from} $_->{to} $_->{word}" } @{ $reward->{entries} } ],
          ['budget pending granted', 'pending cancelled reversed'],
          'and each entry');
is(r('reward', 'show', 'shop', $rewards->[0]{reward}), 0, 'for people');
like($out, qr/^cancelled +10\.00 EUR$/m, 'with decimals');
is(r('reward', 'show', 'shop', '0' x 16), 1, 'no such reward');
is(r('reward', 'show', 'shop', 'x'), 3, 'no id of one');
is(r('reward', 'list', 'shop', '--limit', 5), 0, 'a few');
like($err, qr/only the newest 5 are shown/, 'says so');

is(j('stats', 'shop')->{'rewards:EUR'}, 9650, 'stats have what was given');

# the order of c2 was paid back whole

is_deeply([ @{ j('stats', 'shop') }{qw(customers cost_per_customer:EUR)} ],
          [4, 2412], 'to how many new customers, and what one of them cost');
is_deeply([ map { $t->redis('HGET', @$_) }
            ['ref:stats:{shop}:ref1', 'customers'],
            ['ref:progress:{shop}:2', 'customers'],
            ['ref:stats:{shop}:ref2', 'customers'] ], [3, 3, 1],
          'by link and by referrer');
is_deeply([ map { eval { join '+', @{ $t->redis('HVALS', $_) } } }
            'ref:days:customers:{shop}', 'ref:days:customers:{shop}:ref2' ],
          [4, 1], 'and by day');
r('stats', 'shop');
like($out, qr/^rewards:pt +100\.0 pt$/m, 'for people too');


# --- the books ---

is(r('ledger', 'export', 'shop'), 0, 'entries for the books');

my $lines = () = $out =~ /^\d+-\d+,.*$/mg;

is($lines, j('ledger', 'audit', 'shop')->{ledger}, 'all of them');
is(r('ledger', 'export', 'shop', '--format', 'jsonl'), 0, 'as JSON');

my @exported = map { decode_json($_) } split /\n/, $out;

is_deeply([ @{ $exported[0] }{qw(id owner from to amount why)} ],
          [qw(2-0 c1 budget pending 500 granted)], 'the first of them');
is(r('ledger', 'export', 'shop', '--balance-sheet'), 0, 'a balance sheet');

my %owed;

for (map { [ split /,/ ] } grep { /^\d/ } split /\n/, $out) {
    my ($day, $unit, $opening, $granted, $spent, $expired, $cancelled, $lost,
        $closing, @owed) = @$_;

    is($opening, $owed{$unit} // 0, "$day $unit opens as it closed");
    is($opening + $granted - $spent - $expired - $cancelled + $lost, $closing,
       "$day $unit adds up");
    is($owed[0] + $owed[1] + $owed[2], $closing, "$day $unit by state");
    $owed{$unit} = $closing;
}

is_deeply(\%owed, { EUR => 3450, pt => 1000 }, 'and closes with what all have');


# --- each thing that may be wrong, undone again ---

my %stream = map { ($_ => $t->redis('XRANGE', "ref:$_:{shop}", '-', '+')) }
             qw(ledger conversions);

sub write_stream {
    my ($name, $entries) = @_;

    $t->redis('DEL', "ref:$name:{shop}");
    $t->redis('XADD', "ref:$name:{shop}", $_->[0], @{ $_->[1] }) for @$entries;
}


# the entries changed by a function of id and fields, which takes one away if
# it returns nothing

sub rewritten {
    my ($name, $change) = @_;

    my @changed;

    for my $entry (@{ $stream{$name} }) {
        my @words = @{ $entry->[1] };
        my @names = map { $words[2 * $_] } 0 .. $#words / 2;
        my %fields = @words;

        push @changed, [ $entry->[0], [ map { ($_, $fields{$_}) } @names ] ]
            if $change->($entry->[0], \%fields);
    }

    write_stream($name, \@changed);
}


sub finds {
    my ($what, $wrong, $undo, @expected) = @_;

    $wrong->();

    is(r('ledger', 'audit', 'shop', '--json'), 1,
       "$what: the exit code tells");

    my $found = decode_json($out);
    my @rows = map { join ' ', map { $_ // '' } @$_{qw(key field counted
                                                       recomputed)} }
               @{ $found->{rows} };

    for my $row (@expected) {
        ok(scalar(grep { /$row/ } @rows), "$what: finds $row")
            or diag(join "\n", @rows);
    }

    $undo->();
    is(r('ledger', 'audit', 'shop'), 0, "$what: undone") or diag($out);
}


sub ledger {
    my ($what, $change, @expected) = @_;

    finds($what, sub { rewritten('ledger', $change) },
          sub { write_stream('ledger', $stream{ledger}) }, @expected);
}


# the first entry for which it holds

sub first {
    my ($holds) = @_;

    for (@{ $stream{ledger} }) {
        my %fields = @{ $_->[1] };

        return ($_->[0], \%fields) if $holds->(\%fields);
    }
}


my ($granted) = first(sub { $_[0]{rule} eq 'share' });
my ($reversed, $taken) = first(sub { $_[0]{why} eq 'reversed' });
my ($used) = first(sub { $_[0]{why} eq 'reserve' });
my $next = $granted =~ s/(\d+)$/$1 + 1/er;

ledger('A1, an entry is gone', sub { $_[0] ne $granted },
       "$next $next $granted before it");
finds('A1, an entry of a fact that is not settled',
      sub { $t->redis('XADD', 'ref:ledger:{shop}', '9999-0',
                      @{ $stream{ledger}[0][1] }) },
      sub { write_stream('ledger', $stream{ledger}) }, '9999-0 9999-0');
ledger('A2, an amount of nothing',
       sub { $_[1]{amount} = 0 if $_[0] eq $granted; 1 },
       "$granted 0 from budget to pending");
ledger('A2, an account that there is not',
       sub { $_[1]{to} = 'pocket' if $_[0] eq $granted; 1 },
       "$granted \\d+ from budget to pocket");
ledger('a damaged entry', sub { $_[1]{amount} = '' if $_[0] eq $granted; 1 },
       "$granted amount");
ledger('A5, more leaves an account than there is',
       sub { $_[1]{amount} += 5000 if $_[0] eq $next; 1 },
       "$next pending -5000 0 or more");
ledger('A5, a debt beside what there is',
       sub { $_[1]{amount} += 50000 if $_[0] eq $used; 1 },
       'available of u2 .*a debt that is filled');
ledger('A7, more is taken back than was given',
       sub { $_[1]{amount} += 5000 if $_[0] eq $reversed; 1 },
       "$reversed cancelled");
ledger('A8, granted twice',
       sub { @{ $_[1] }{qw(from why)} = qw(budget granted) if $_[0] eq $next;
             1 }, "$next reward \\w+ a reward that is granted once");
ledger('A8, an id of no reward',
       sub { $_[1]{reward} = 'f' x 16 if $_[1]{reward} eq $taken->{reward};
             1 }, 'reward f{16} the id of a reward');
ledger('A11, a rule twice for a friend',
       sub { $_[1]{rule} = 'thanks' if $_[1]{rule} eq 'share'; 1 },
       'thanks for u1 once');

# A6: what was given is more than the text leaves

for (['cap year', 'count=3', 'count=2'], ['cap money', '25.00', '15.00']) {
    my ($cap, $old, $new) = @$_;

    finds("A6, $cap",
          sub { rewritten('conversions', sub {
                    $_[1]{text} =~ s/$old/$new/ if $_[1]{text}; 1 }) },
          sub { write_stream('conversions', $stream{conversions}) },
          "ref:ledger:.shop. \\S+ $cap");
}

# A3 and A4: what is written of it

sub changed_hash {
    my ($what, $key, $field, $value) = @_;

    my $old = $t->redis('HGET', $key, $field);

    finds("$what, $field of $key", sub { $t->redis('HSET', $key, $field,
                                                   $value) },
          sub { defined $old ? $t->redis('HSET', $key, $field, $old)
                             : $t->redis('HDEL', $key, $field) },
          "\Q$key $field $value ");
}


my $id = $reward->{reward};

changed_hash('A3', 'ref:wallet:{shop}:2', 'EUR:available', 1901);
changed_hash('A3', 'ref:wallet:{shop}:2', 'USD:pending', 5);
changed_hash('A3', 'ref:wallet:{shop}:77', 'EUR:pending', 5);
changed_hash('A2', 'ref:wallet:{shop}', 'EUR:budget', -5);
changed_hash('A3', 'ref:wallet:{shop}', 'pt:available', 999);
changed_hash('A4', "ref:reward:{shop}:$id", $_, 7)
    for qw(granted pending cancelled owner version);
changed_hash('A4', "ref:reward:{shop}:$id", 'state', 'available');
changed_hash('counts', 'ref:stats:{shop}', 'rewards:EUR', 1);
changed_hash('counts', 'ref:days:rewards:EUR:{shop}', '2026-01-01', 1);
changed_hash('counts', 'ref:progress:{shop}:2', 'rewards:EUR', 1);

my ($entry, $n) = @{ $t->redis('ZRANGE', 'ref:wallet:{shop}:2:entries', 0, 0,
                               'WITHSCORES') };

finds('A3, an entry that is not in the list',
      sub { $t->redis('ZREM', 'ref:wallet:{shop}:2:entries', $entry) },
      sub { $t->redis('ZADD', 'ref:wallet:{shop}:2:entries', $n, $entry) },
      "entries $entry");


# --- rules ---

my $file = $t->write_file('shop.rules', $text);

is(r('rewards', 'set', 'shop', $file), 0, 'rules are set');
is($t->redis('HGET', 'ref:program:{shop}', 'rewards'), $text, 'as they are');
is(r('rewards', 'set', 'none', $file), 1, 'of a program that there is');

my $wrong = $t->write_file('wrong.rules', $text . "rule=x on=lead give=5USD\n");

is(r('rewards', 'set', 'shop', $wrong), 3, 'a mistake is refused');
like($err, qr/wrong\.rules:8: /, 'with its line');
is($t->redis('HGET', 'ref:program:{shop}', 'rewards'), $text,
   'and nothing is written');
is(r('rewards', 'set', 'shop', $wrong =~ s/wrong/none/r), 2, 'no such file');

# the settler takes it, or says why not

my $settler = Referral::Settler->start($t, '--program', 'shop');
my $more = $text . "rule=late on=lead to=friend give=1.00EUR\n";

$t->write_file('more.rules', $more);
$t->write_file('cap.rules', $more =~ s/cap=year per=referrer/cap=year per=program/r);

my $set = j('rewards', 'set', 'shop', "$t->{dir}/more.rules", '--wait');

is($set->{outcome}, 'taken', 'the settler takes new rules');
is(j('rewards', 'show', 'shop')->{version}, $set->{version},
   'and they hold from then on');
is(r('rewards', 'set', 'shop', "$t->{dir}/cap.rules", '--wait'), 3,
   'or it refuses them');
like($err, qr/the rules before hold: a cap has another/, 'says why');
is(j('rewards', 'show', 'shop')->{text}, $more, 'and those before hold');
like($err, qr/says something else: it was refused/, 'which is told');
like(j('settle', 'status', 'shop')->{rewards_refused}, qr/a cap has another/,
     'there too');
is(r('ledger', 'audit', 'shop'), 0, 'all is right still') or diag($out);
is(r('ledger', 'replay', 'shop'), 0, 'and comes to the same again')
    or diag($out);
$settler->stop;

my $history = j('rewards', 'history', 'shop', '--diff');

is($history->[-1]{version}, '1', 'the first version');
is($history->[-1]{lines}, 7, 'its lines');
like($history->[-1]{diff}, qr/^\+rule=hello /m, 'which are new');
is(j('rewards', 'show', 'shop', '--version', 1)->{text}, $text, 'its text');
is(r('rewards', 'show', 'shop', '--version', 9), 1, 'no such version');

my $status = j('settle', 'status', 'shop');

is_deeply([ @$status{qw(position end lag trouble)} ],
          [ (Referral::Settler::last_entry($t, 'shop')) x 2, 0, undef ],
          'how far the settler is');
$t->redis('HSET', 'ref:settled:{shop}', 'stopped', 'entry 3 is malformed');
is(r('settle', 'status', 'shop'), 1, 'it stopped');
like($out, qr/^stopped +entry 3 is malformed$/m, 'says why');
is(r('settle', 'status', 'none'), 1, 'no such program');

done_testing;
