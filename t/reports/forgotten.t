# protects: a customer who wants to be forgotten leaves a number and no name,
# and takes no sum along; a reset of counts leaves alone what is money

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(sha256_hex);
use Referral;
use Referral::Append;
use Referral::Cli;
use Time::HiRes qw(time);

my $t = Referral->new;
my $a = Referral::Append->new($t);
my $NOW = int(time) * 1000;
my $WHO = 'zq77';

Referral::Cli->begin($t);

sub append { $a->apply({}, map { +{ received => $NOW, %$_ } } @_) }


# all of Redis as text

sub everything {
    my $text = '';

    for my $key (sort @{ $t->redis('KEYS', '*') }) {
        my $type = $t->redis('TYPE', $key);
        my @command = $type eq 'hash' ? ('HGETALL', $key)
                    : $type eq 'stream' ? ('XRANGE', $key, '-', '+')
                    : $type eq 'set' ? ('SMEMBERS', $key)
                    : $type eq 'zset' ? ('ZRANGE', $key, 0, -1) : ('GET', $key);

        $text .= join ' ', $key, flat($t->redis(@command)), "\n";
    }

    return $text;
}


sub flat { map { ref ? flat(@$_) : $_ // '' } @_ }


# --- forget ---

$t->program('shop', state => 'active');
$t->program('other', state => 'active');
$t->link('shop', 'aiko7', referrer => 'aiko');
$t->link('shop', 'zq', referrer => $WHO);
$t->redis('ZADD', 'ref:links:{shop}', 1, 'zq');
$t->redis('SADD', "ref:referrer:{shop}:$WHO:links", 'zq');

my @theirs = ({ type => 'lead', event_id => 'l1', customer => $WHO, code => 'aiko7' },
              { type => 'sale', event_id => 's1', customer => $WHO, order_id => 'o1',
                amount => 4990, currency => 'EUR' });

append(@theirs, { type => 'lead', event_id => 'k1', customer => 'kid', code => 'zq' },
       { type => 'lead', event_id => 'p1', customer => 'pia', parties => "$WHO mia" },
       { type => 'lead', event_id => 'f1', customer => "${WHO}x" });

# rejected: one of theirs, one that they took part in, one of somebody else

append({ type => 'sale', event_id => 's1', customer => $WHO, order_id => 'o1',
         amount => 1, currency => 'EUR', city => 'Köln', 'x.mail' => "$WHO\@example.com" },
       { type => 'lead', event_id => 'p1', customer => 'pia', parties => "ann $WHO mia" },
       { type => 'lead', event_id => 'f1', customer => "${WHO}x", 'x.a' => 'b' });

my $number = (split ' ', $t->redis('HGET', 'ref:person:{shop}', $WHO))[0];
my @facts = $a->entries;
my @rejected = @{ j('rejects', 'list', 'shop') };
my $before = everything();

is(@rejected, 3, 'three are rejected');
is(r('forget'), 2, 'whom?');
is(r('forget', 'V' x 16, '--customer', $WHO), 2, 'one of them');
is(r('forget', '--customer', 'nobody'), 1, 'no such customer');
like($err, qr/no customer nobody is known; ids are exact/, 'is told');
is(r('forget', '--customer', $WHO, '--program', 'other'), 1, 'nor in that program');

my $would = j('forget', '--customer', $WHO, '--dry-run');

is_deeply([ @$would{qw(outcome rejected)} ], [ 'would forget', 2 ], 'a rehearsal');
is(everything(), $before, 'changes nothing');

my $did = j('forget', '--customer', $WHO);

is_deeply($did, { outcome => 'forgotten', programs => ['shop'],
                  numbers => { shop => "u$number" }, rejected => 2 }, 'forgotten');
like($err, qr/in program shop they have links .* referrer show shop $WHO/,
     'what is edited elsewhere is told');
like($err, qr/still wait on the disk/, 'and what may come');

# all that is left are their own link, and one who has a similar id

my @left = grep { !/^ref:(?:link|referrer)/ } split /\n/, everything();

unlike(join("\n", @left) =~ s/${WHO}x//gr, qr/$WHO/, 'nothing names them');
is($t->redis('HEXISTS', 'ref:person:{shop}', "${WHO}x"), 1, 'another id stays');
is_deeply([ $a->entries ], \@facts, 'each entry stays as it was');

my %rejected = map { $_->{event_id} => $_ } @{ j('rejects', 'list', 'shop') };

is(delete $rejected{$_}{event}{at}, $NOW, "$_: when it happened stays") for qw(s1 p1);

is_deeply($rejected{s1}{event}, { type => 'sale', event_id => 's1', amount => 1,
                                  currency => 'EUR' }, 'of theirs nothing personal is left');
is_deeply($rejected{p1}{event}, { type => 'lead', event_id => 'p1', customer => 'pia',
                                  parties => 'ann mia' }, 'where they took part, the others');
is($rejected{f1}{event}{'x.a'}, 'b', 'and of others all');
is_deeply([ map { $rejected{$_->{event_id}}{rejected} } @rejected ],
          [ map { $_->{rejected} } @rejected ], 'with the time when it was rejected');

my $digest = sha256_hex('s1');

is($t->redis('HGET', 'ref:ids:{shop}:' . substr($digest, 0, 3), substr($digest, 3, 22) . '!'),
   (grep { $_->[1] && { @{ $_->[1] } }->{event} eq 's1' }
    @{ $t->redis('XRANGE', 'ref:rejects:{shop}', '-', '+') })[0][0],
   'the id leads to the entry that was written again');

is_deeply($a->apply({ journal => 'b2' x 16 }, map { +{ received => $NOW, %$_ } } @theirs),
          [ 1, -1, 0, 1, 1, 4, 1, 2, 1 ], 'sent again, the events are known');
unlike(everything() =~ s/^ref:(?:link|referrer).*$//gmr =~ s/${WHO}x//gr, qr/$WHO/,
       'and bring nobody back');

is(r('conversions', 'show', 'shop', 's1'), 0, 'their sale is shown');
like($out, qr/^customer +u$number$/m, 'as a number\'s');
is(j('conversions', 'show', 'shop', 'k1')->{referrer}, 'u' .
   (split ' ', $t->redis('HGET', 'ref:person:{shop}', 'kid'))[1],
   'whose friend somebody is stays');
is(@{ j('conversions', 'list', 'shop', '--friend', "u$number") }, 2, 'found by the number');
is(r('friend', 'show', 'shop', $WHO), 1, 'not by the id');
is(r('friend', 'show', 'shop', "u$number"), 1, 'of whom nothing is kept');
like($err, qr/conversions list shop --friend u$number/, 'but the entries');
is(r('forget', '--customer', $WHO), 1, 'nothing is left to be forgotten');

append({ type => 'lead', event_id => 'new1', customer => $WHO });
isnt((split ' ', $t->redis('HGET', 'ref:person:{shop}', $WHO))[0], $number,
     'who comes again is another person');
is(r('forget', '--customer', $WHO, '--program', 'shop'), 0, 'and can be forgotten again');

# a program that stands in no list, and a value that is none

$t->redis('HSET', 'ref:person:{hand}', $WHO, '7');
$t->redis('HSET', 'ref:person:{hand}:names', '7', 'somebody else');
is_deeply(j('forget', '--customer', $WHO)->{programs}, ['hand'], 'in no list');
is($t->redis('HGET', 'ref:person:{hand}:names', '7'), 'somebody else',
   'a number of another is left alone');


# --- reset ---

my %money = (leads => 2, sales => 1, refunds => 1, friends => 2, known => 1, self => 1,
             unattributed => 3, 'amount:EUR' => 4990, 'leads:country:JP' => 2);
my %clicks = (clicks => 9, raw => 12, 'country:JP' => 9, visitors => 4);

for my $key ('stats:{shop}', 'stats:{shop}:aiko7', 'day:{shop}:2026-11-22') {
    $t->redis('HSET', "ref:$key", %money, %clicks);
}

$t->redis('HSET', 'ref:stats:{shop}:kim2', %clicks);
$t->redis('HSET', 'ref:days:{shop}', '2026-11-22', 9);
$t->redis('HSET', 'ref:days:leads:{shop}', '2026-11-22', 2);
$t->redis('HSET', 'ref:cohort:{shop}:2026-11-22', %money);
$t->redis('HSET', 'ref:progress:{shop}:2', leads => 2);
$t->redis('ZADD', 'ref:board:{shop}:clicks', 9, 'aiko7');
$t->redis('ZADD', 'ref:board:{shop}:leads', 2, 'aiko7');
$t->redis('HSET', 'ref:settled:{shop}', position => 5);
$t->redis('SET', 'ref:stats:{shop}:odd', 'a string');

my @kept = grep { m{^ref:(?:conversions|ids|person|rejects|seed|claimed|known|settled|cohort
                     |progress|days:leads|board:\{shop\}:leads)}x }
           sort @{ $t->redis('KEYS', '*') };
my %held = map { $_ => $t->redis('DUMP', $_) } @kept;

cmp_ok(scalar @kept, '>=', 10, 'keys of conversions');
is(r('reset', 'shop', '--yes'), 0, 'counts are reset');
like($err, qr/3 keys are still there, with what is counted of conversions/, 'not of money');
is_deeply({ map { $_ => $t->redis('DUMP', $_) } @kept }, \%held,
          'no key of conversions has changed');
is_deeply($t->hgetall("ref:$_"), \%money, "ref:$_: conversions are left")
    for 'stats:{shop}', 'stats:{shop}:aiko7', 'day:{shop}:2026-11-22';
is_deeply([ grep { m{^ref:(?:stats:\{shop\}:(?:kim2|odd)|days:\{shop\}|board:\{shop\}:clicks)} }
            @{ $t->redis('KEYS', '*') } ], [], 'what is of clicks alone is gone');
is(r('conversions', 'show', 'shop', 's1'), 0, 'a sale is there');

done_testing;
