# protects: what the command line tells of conversions: each as it stands in
# Redis, with why it is credited so; whose friend somebody is; who is known

use strict;
use warnings;
no warnings 'portable';

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(sha256_hex);
use POSIX qw(strftime);
use Referral;
use Referral::Append;
use Referral::Cli;
use Time::HiRes qw(time);

use constant { MINUTE => 60_000, HOUR => 3600_000, DAY => 86400_000 };

my $t = Referral->new;
my $a = Referral::Append->new($t);
my $NOW = int(time) * 1000;

Referral::Cli->begin($t);

sub append { my $r = $a->apply({}, map { +{ received => $NOW, %$_ } } @_);
             ok(ref $r, 'appended') or diag($r); $r }

sub iso {
    my ($ms) = @_;

    return strftime('%Y-%m-%dT%H:%M:%S', gmtime(int $ms / 1000))
           . sprintf '.%03dZ', $ms % 1000;
}


sub uuid {
    my ($ms, $tail) = @_;

    my $hex = sprintf '%012x7000800000%010x', $ms, $tail // 1;

    return $hex =~ s/^(.{8})(.{4})(.{4})(.{4})(.{12})$/$1-$2-$3-$4-$5/r;
}


# a click of a link, as the clicks' script writes it

sub click {
    my ($ms, $code, $referrer, $tail) = @_;

    my $id = uuid($ms, $tail);
    my $minute = strftime '%Y-%m-%dT%H:%M', gmtime($ms / 1000);

    $t->redis('HSET', "ref:clicks:{shop}:$minute", $id, "$code " . 'V' x 16
              . " = = = = JP mail b mobile $referrer - -");

    return $id;
}


sub said {
    my ($event, @more) = @_;

    my $shown = j('conversions', 'show', 'shop', $event, @more);

    return join "\n", @{ $shown->{why} };
}


# nothing yet

is(r('conversions', 'list', 'nobody'), 1, 'no such program');
$t->program('shop', state => 'active');
$t->link('shop', 'aiko7', referrer => 'aiko', segment => 'vip');
$t->link('shop', 'ken42', referrer => 'ken');
$t->redis('HSET', 'ref:referrer:{shop}:aiko', 'name', 'Aiko');
is(r('conversions', 'list', 'shop'), 0, 'a program without conversions');
like($err, qr/program shop has no conversions; the manual/, 'says so');
is_deeply(j('rejects', 'list', 'shop'), [], 'and nothing is rejected');


# each way to a referrer, and what was not taken

my $click = click($NOW - 2 * HOUR, 'aiko7', 'aiko', 1);
my $older = click($NOW - 40 * DAY, 'ken42', 'ken', 2);
my $other = click($NOW - HOUR, 'ken42', 'ken', 3);

append({ type => 'lead', event_id => 'l1', customer => 'bo', click_id => $click,
         first => "ken42/$other", last => "ken42/$other" },
       { type => 'sale', event_id => 's1', customer => 'bo', order_id => 'o1',
         amount => 4990, currency => 'EUR', at => $NOW - MINUTE,
         last => "ken42/$other", first => "ken42/$older",
         country => 'DE', city => 'Bonn', 'x.plan' => 'gold=1&b', 'x.n' => 'a b',
         product => 'sock shoe', parties => 'mia', quantity => 2 },
       { type => 'refund', event_id => 'r1', order_id => 'o1', total_refunded => 990,
         currency => 'EUR' },
       { type => 'sale', event_id => 's2', customer => 'kim', order_id => 'o2',
         amount => 1200, currency => 'JPY', code => 'aiko7',
         first => "ken42/$older", last => "ken42/$older" },
       { type => 'install', event_id => 'i1', customer => 'lee',
         last => "ken42/$other", first => "aiko7/$click" },
       { type => 'lead', event_id => 'n1', customer => 'max', new => 0,
         trust => 3 },
       { type => 'lead', event_id => 'm1', customer => 'aiko', code => 'aiko7' });

like(said('l1'), qr/^credited to aiko by the click $click of link aiko7, at \Q@{[ iso($NOW - 2 * HOUR) ]}\E, 2 h before the event$/m,
     'by a click, and when');
like(said('l1'), qr/^not taken: the last touch, link ken42 at \Q@{[ iso($NOW - HOUR) ]}\E: click is asked before the cookie$/m,
     'the cookie was not taken, and why');
unlike(said('l1'), qr/first touch/, 'a touch that is both is told once');

like(said('s1'), qr/^credited to aiko, whose friend the customer was already, since \Q@{[ iso($NOW) ]}\E by the click of link aiko7$/m,
     'bound');
like(said('s1'), qr/^not taken: the last touch, link ken42 .*: a friend stays with the first referrer$/m,
     'a later link does not take a friend');
like(said('s1'), qr/^not taken: the first touch, link ken42 .*: it is older than the window of 30d$/m,
     'too old');

is(said('r1'), 'credited to nobody here: it names no customer and belongs to order o1',
   'a refund belongs to its order');
like(said('s2'), qr/^credited to aiko by the code aiko7 that came with it$/m, 'by a code');
like(said('s2'), qr/^not taken: the last touch.*older than the window/m,
     'an old cookie is told');
like(said('i1'), qr/^credited to ken by the last touch of the visitor's cookie: link ken42, .* 1 h before/m,
     'by the cookie');
like(said('i1'), qr/^not taken: the first touch, link aiko7.*credits the last touch$/m,
     'the first touch');
like(said('n1'), qr/^credited to nobody: nothing that counts came with it/, 'by nothing');
like(said('n1'), qr/^the customer was there before the program/m, 'and known');
like(said('n1'), qr/^a browser said so/m, 'by a browser');
like(said('m1'), qr/^a touch that named the customer as the referrer/m, 'themselves');

my $shown = j('conversions', 'show', 'shop', 's1');

delete $shown->{why};
delete $shown->{time};

is_deeply($shown, {
    program => 'shop', position => 2, type => 'sale', event_id => 's1',
    who => $shown->{who}, at => iso($NOW - MINUTE), given => JSON::PP::true,
    trust => 'signed', customer => 'bo', friend => 'u1', order_id => 'o1',
    amount => 4990, currency => 'EUR', quantity => 2, product => [ 'sock', 'shoe' ],
    parties => [ 'mia' ], via => 'bound', referrer => 'aiko', referrer_number => 'u2',
    referrer_who => $shown->{referrer_who}, code => 'aiko7', referrer_segment => $shown->{referrer_segment},
    referrer_state => 'active', program_state => 'active', known => JSON::PP::false,
    self => JSON::PP::false, first => 'ken42', first_at => iso($NOW - 40 * DAY),
    last => 'ken42', last_at => iso($NOW - HOUR), place => 'DE', city => 'Bonn',
    x => { plan => 'gold=1&b', n => 'a b' },
}, 'all of it, as the shop knows it');

is(r('conversions', 'show', 'shop', 's1'), 0, 'for people');
like($out, qr/^amount +49\.90 EUR$/m, 'the amount as people write it');
like($out, qr/^why +credited to aiko/m, 'and why');
is(r('conversions', 'show', 'shop', 'nope'), 1, 'no such event');
like($err, qr/no event nope; one that was answered with 202/, 'may still come');


# lists

sub ids { join ' ', map { $_->{event_id} } @{ j('conversions', 'list', 'shop', @_) } }

is(ids(), 'm1 n1 i1 s2 r1 s1 l1', 'all, the newest first');
is(ids('--type', 'sale'), 's2 s1', 'of a type');
is(ids('--friend', 'bo'), 's1 l1', 'of a friend');
is(ids('--friend', 'u1'), 's1 l1', 'by the number');
is(ids('--referrer', 'aiko'), 's2 s1 l1', 'of a referrer');
is(ids('--via', 'cookie'), 'i1', 'by a way');
is(ids('--via', 'none'), 'm1 n1 r1', 'by none');
is(ids('--order', 'o1'), 'r1 s1', 'of an order');
is(ids('-n', 2), 'm1 n1', 'so many');
like($err, qr/only the newest 2 are shown; --all/, 'and it says so');
is(ids('-n', 7), 'm1 n1 i1 s2 r1 s1 l1', 'as many as there are');
is($err, '', 'without a word');
is(ids('-n', 1, '--all'), 'm1 n1 i1 s2 r1 s1 l1', 'all');
is(ids('--until', iso($NOW - MINUTE)), 's1', 'until a moment');
is(ids('--since', iso($NOW - MINUTE + 1)), 'm1 n1 i1 s2 r1 l1', 'since a moment');
is(ids('--since', 'today', '--type', 'nope'), '', 'none like these');
is(ids('--until', 'yesterday', '--since', '2026-01-01'), '', 'days')
    if strftime('%H:%M', gmtime) ne '00:00';
is(r('conversions', 'list', 'shop', '--since', '2026-11-27T10:30'), 3, 'no offset');
is(r('conversions', 'list', 'shop', '--since', '2026-12-01', '--until', '2026-11-01'),
   2, 'turned round');
is(r('conversions', 'list', 'shop', '--friend', 'nobody'), 1, 'no such friend');
is(r('conversions', 'list', 'shop', '--friend', 'BO'), 1, 'ids are exact');
is(r('conversions', 'list', 'shop', '--via', 'cookies'), 2, 'no way');
like($err, qr/did you mean cookie\?/, 'a similar one');

is_deeply(j('conversions', 'list', 'shop', '--order', 'o1')->[0],
          { position => 3, at => iso($NOW), type => 'refund', event_id => 'r1',
            customer => '', order_id => 'o1', amount => 990, currency => 'EUR',
            via => 'none', referrer => '', code => '', known => JSON::PP::false,
            self => JSON::PP::false }, 'a row');

is(r('conversions', 'list', 'shop'), 0, 'for people');
like($out, qr/^\S+Z +sale +s2 +kim +o2 +1200 JPY +code +aiko +aiko7$/m, 'yen');
like($out, qr/^\S+Z +sale +s1 +bo +o1 +49\.90 EUR +bound +aiko +aiko7$/m, 'euros');

is(r('conversions', 'list', 'shop', '--csv', '--type', 'refund'), 0, 'CSV');
like($out, qr/^position,at,type,.*\n3,\S+,refund,r1,,o1,990,EUR,none,,,False,False\n\z/, 'in its columns');

{
    local $ENV{REFERRAL_TOOLS} = $t->dir;

    is(r('conversions', 'list', 'shop', '--type', 'sale'), 0,
       'without the module\'s program');
    like($out, qr/ 4990 EUR /, 'amounts are shown as they stand there');
}

# more than one reply of Redis holds

append(map { { type => 'step', event_id => "p$_", customer => 'pat' } } 1 .. 250);
append(map { { type => 'step', event_id => "q$_", customer => 'pat' } } 1 .. 250);
append(map { { type => 'step', event_id => "t$_", customer => 'pat' } } 1 .. 250);
append(map { { type => 'step', event_id => "u$_", customer => 'pat' } } 1 .. 250);
is(scalar @{ j('conversions', 'list', 'shop', '--all') }, 1007, 'each once');
is(ids('--type', 'lead'), 'm1 n1 l1', 'far behind');


# friends

my $friend = j('friend', 'show', 'shop', 'bo');

is_deeply($friend, { program => 'shop', customer => 'bo', friend => 'u1',
                     referrer => 'aiko', referrer_number => 'u2', code => 'aiko7',
                     bound_at => iso($NOW), via => 'click' }, 'whose friend');
is_deeply(j('friend', 'show', 'shop', 'u1'), $friend, 'by the number');
is(r('friend', 'show', 'shop', 'max'), 0, 'nobody\'s friend');
like($err, qr/max is nobody's friend/, 'is told');
is(r('friend', 'show', 'shop', $_), 1, "$_: nobody") for 'zoe', 'u999', 'u0';

$t->redis('HSET', 'ref:friend:{shop}:1', state => 'joined', referrer => 2);
is_deeply(j('friend', 'show', 'shop', 'bo')->{progress},
          { state => 'joined', referrer => 2 }, 'how far, as the settler wrote it');


# rejects

append({ type => 'lead', event_id => 'l1', customer => 'eve', 'x.a' => 'b c' });

my $rejects = j('rejects', 'list', 'shop');

is(@$rejects, 1, 'one is rejected');
is($rejects->[0]{why}, 'id_reused', 'why');
is($rejects->[0]{position}, 1, 'the entry that has the id');
is($rejects->[0]{event}{customer}, 'eve', 'what it said');
is($rejects->[0]{event}{'x.a'}, 'b c', 'decoded');
like($rejects->[0]{rejected}, qr/^20\S+Z$/, 'when');
is_deeply(j('rejects', 'list', 'shop', '--event', 'l2'), [], 'by another id');
is(r('rejects', 'list', 'shop'), 0, 'for people');
like($out, qr/^\S+Z +l1 +id_reused +1 +type=lead customer=eve/m, 'on a line');
is(r('conversions', 'show', 'shop', 'l1'), 0, 'the event that has the id');
like($err, qr/another event came with this id, .* rejected at 20/, 'names it');
is(r('rejects', 'list', 'nobody'), 1, 'no such program');


# known customers

sub digest { sha256_hex($_[0]) }

sub is_known {
    my $d = digest($_[0]);

    return $t->redis('SISMEMBER', 'ref:known:{shop}:' . substr($d, 0, 3), substr $d, 3, 22);
}

my $file = $t->write_file('old.txt', "ann\r\nben\n\n  cem \nann\nbad id\n" . 'x' x 129
                                     . "\n\xc3\xa4\n");
my $said = j('known', 'import', 'shop', $file);

is_deeply([ @$said{qw(read added unchanged refused)} ], [ 7, 3, 1, 3 ], 'a list of ids');
is_deeply([ map { "$_->{line}" } @{ $said->{complaints} } ], [ 6, 7, 8 ], 'what is none');
ok(is_known($_), "$_ is known") for qw(ann ben cem);
is(r('known', 'import', 'shop', $file), 3, 'the exit code tells of refused ones');
like($out, qr/^7 read, 0 added, 4 unchanged, 3 refused$/m, 'again');
like($err . $out, qr/conversions that are there already stay/, 'and what it does not do');
is(r('known', 'test', 'shop', 'ann'), 0, 'is known');
is(r('known', 'test', 'shop', 'bo'), 1, 'is not');

$stdin = "\xef\xbb\xbfmail;Customer\nx\@example.com;dan\n;\ny;\"e,f\"\n";
is(r('known', 'import', 'shop', '-'), 0, 'a sheet') or diag($err);
ok(is_known($_), "$_ is known") for 'dan', 'e,f';
ok(!is_known('x@example.com'), 'and nothing of other columns');

$stdin = qq("gus"\n "hal" \nivy\n"j,k"\n"l""m"\n);
is(r('known', 'import', 'shop', '-'), 0, 'ids in quotes') or diag($err);
ok(is_known($_), "$_ is known") for 'gus', 'hal', 'ivy', 'j,k', 'l"m';
$stdin = qq("n,o"\n"p;q"\n);
is(r('known', 'import', 'shop', '-'), 0, 'also in the first line') or diag($err);
ok(is_known($_), "$_ is known") for 'n,o', 'p;q';

# files that are something else

for (["id,name\nkn6,x\n", qr/a column "customer": its first line has 'id', 'name';/],
     ["id;name\nkn6;x\n", qr/first line has 'id', 'name';/],
     ["sep=;\nid\nkn6\n", qr/first line has 'id';/],
     ["\"id\",\"name\"\n\"kn6\",\"x\"\n", qr/first line has 'id', 'name';/])
{
    $stdin = $_->[0];
    is(r('known', 'import', 'shop', '-'), 3, 'a sheet without the column');
    like($err, $_->[1], 'is told');
}

$stdin = "kn5\nkn6,x\n\"kn7\",\"x\"\nkn8;x\nkn9\n";
$said = j('known', 'import', 'shop', '-');
is_deeply([ @$said{qw(added refused)} ], [ 2, 3 ], 'a sheet without a heading');
like($_->{reason}, qr/the first line of CSV names a column "customer"/, "$_->{customer}: why")
    for @{ $said->{complaints} };
ok(!is_known($_), "$_ is not known")
    for 'id', 'id,name', 'kn6', 'kn6,x', '"kn7","x"', 'kn7","x', 'kn8;x', '"gus"';

$stdin = "ann\n";
is(r('known', @$_), 1, "known $_->[0]: a program that is not there"),
    like($err, qr/there is no program nobody/, 'is told')
    for ['import', 'nobody', '-'], ['remove', 'nobody', '-'], ['test', 'nobody', 'ann'];
is(@{ $t->redis('KEYS', 'ref:known:{nobody}:*') }, 0, 'and is not made');

append({ type => 'lead', event_id => 'k1', customer => 'ann', code => 'aiko7' });
is(j('conversions', 'show', 'shop', 'k1')->{known}, JSON::PP::true,
   'the module knows them too');

$stdin = "ann\nzoe\n";
is_deeply([ @{ j('known', 'remove', 'shop', '-') }{qw(removed unchanged)} ], [ 1, 1 ],
          'an import is undone');
ok(!is_known('ann'), 'ann is not known');
is(r('known', 'import', 'shop', "$t->{dir}/nope"), 2, 'no such file');

{
    $t->write_file('many.txt', join '', map { "c$_\n" } 1 .. 2500);
    is(j('known', 'import', 'shop', "$t->{dir}/many.txt")->{added}, 2500, 'many');
    is(j('known', 'import', 'shop', "$t->{dir}/many.txt")->{unchanged}, 2500, 'once');
}

$t->redis('SET', 'ref:known:{shop}:' . substr(digest('pia'), 0, 3), 'x');
$stdin = "pia\n";
is(r('known', 'import', 'shop', '-'), 4, 'a key of another type');
like($err, qr/another type/, 'is told');

done_testing;
