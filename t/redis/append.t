# protects: the script that appends events: each exactly once, credited to the
# right referrer, numbered without a gap, and nothing written if anything is
# in the way

use strict;
use warnings;
no warnings 'portable';

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(sha1_hex sha256_hex);
use POSIX qw(strftime);
use Referral;
use Referral::Append;
use Referral::Clock;

use constant { MINUTE => 60_000, HOUR => 3600_000, DAY => 86400_000 };

my $clock = Referral::Clock->new;
my $t = $clock->with(sub { Referral->new });
my $a = Referral::Append->new($t);

my $NOW = int($clock->time) * 1000;
my $SEED = '0123456789abcdef' x 2;

my @FIELDS = qw(type event who time at given trust friend order amount unit
                refunded quantity product role parties segment order_at new via
                referrer referrer_who code click click_at referrer_segment
                referrer_state program_state known self first first_at last
                last_at channel variant device country place city x signals
                fp);

my $ids = 0;

sub event {
    return { type => 'lead', event_id => 'e' . ++$ids, customer => 'ken',
             received => $NOW, @_ };
}


sub fresh {
    $t->redis('FLUSHALL');
    $a->{marks} = {};
    $t->link('shop', 'aiko7', referrer => 'aiko', segment => 'vip');
}


sub append { return $a->apply({ seed => $SEED }, @_) }
sub entry { return ($a->entries)[-1] }


sub uuid {
    my ($ms, $tail) = @_;

    my $hex = sprintf '%012x7000800000%010x', $ms, $tail // 1;

    return $hex =~ s/^(.{8})(.{4})(.{4})(.{4})(.{12})$/$1-$2-$3-$4-$5/r;
}


sub minute {
    return strftime '%Y-%m-%dT%H:%M', gmtime(hex(substr $_[0] =~ s/-//gr,
                                                 0, 12) / 1000);
}


# as the clicks' script writes it

sub click {
    my ($ms, $value, $tail) = @_;

    my $id = uuid($ms, $tail);

    $t->redis('HSET', 'ref:clicks:{shop}:' . minute($id), $id, $value);

    return $id;
}


my $WORDS = 'V' x 16 . ' = = = = JP mail b mobile';

sub place {
    my ($kind, $id) = @_;

    my $digest = sha256_hex($id);

    return ("ref:$kind:{shop}:" . substr($digest, 0, 3), substr $digest, 3, 22);
}


# one event, key by key

fresh();

my $first = uuid($NOW - 3 * DAY, 7);
my $click = click($NOW - HOUR, 'aiko7 ' . 'V' x 16
                  . " = ken42 - $first JP mail b mobile aiko vip -");

my $reply = append(event(
    type => 'sale', click_id => $click, order_id => 'o/1', amount => 12345,
    currency => 'EUR', quantity => 2, product => 'shoe sock', role => 'guest',
    parties => 'mia kim,x', segment => 'student', at => $NOW - MINUTE,
    order_at => $NOW - HOUR, new => 1, country => 'DE', city => 'Köln am R',
    'x.note' => 'a b&c', 'x.rate' => '1.5', fp => 'feed' x 4));

is_deeply($reply, [ 1, -1, 0, 0, 1, 2 ], 'applied: new, the first, by a click');

my ($stream) = @{ $t->redis('XRANGE', 'ref:conversions:{shop}', '-', '+') };
my @names = map { $stream->[1][2 * $_] } 0 .. @{ $stream->[1] } / 2 - 1;
my %e = @{ $stream->[1] };
my $time = delete $e{time};

is($stream->[0], '1-0', 'its id is its number');
is("@names", "@FIELDS", 'all fields, in their order');
cmp_ok(abs($time - $NOW), '<', 60_000 * patience, 'Redis\'s time');
is_deeply(\%e, {
    type => 'sale', event => 'e1', who => substr(sha1_hex("$SEED:ken"), 0, 16),
    at => $NOW - MINUTE, given => 1, trust => 'signed', friend => 1,
    order => 'o/1', amount => 12345, unit => 'EUR', refunded => '',
    quantity => 2, product => 'shoe,sock', role => 'guest', parties => '3,4',
    segment => 'student', order_at => $NOW - HOUR, new => 1, via => 'click',
    referrer => 2, referrer_who => substr(sha1_hex("$SEED:aiko"), 0, 16),
    code => 'aiko7', click => $click, click_at => $NOW - HOUR,
    referrer_segment => 'vip', referrer_state => 'absent',
    program_state => 'absent', known => 0, self => 0, first => 'ken42',
    first_at => $NOW - 3 * DAY, last => 'aiko7', last_at => $NOW - HOUR,
    channel => 'mail', variant => 'b', device => 'mobile', country => 'JP',
    place => 'DE', city => 'Köln am R', x => 'note=a%20b%26c&rate=1.5',
    signals => 'country', fp => 'feed' x 4 }, 'each with its value');

is_deeply($t->hgetall('ref:person:{shop}'),
          { ken => "1 2 aiko7 @{[ $NOW - MINUTE ]} click", aiko => 2, mia => 3,
            'kim,x' => 4 }, 'people: the friend is bound');
is_deeply($t->hgetall('ref:person:{shop}:names'),
          { 1 => 'ken', 2 => 'aiko', 3 => 'mia', 4 => 'kim,x', next => 4 },
          'and their names');

my ($ids_key, $field) = place('ids', 'e1');

is_deeply($t->hgetall($ids_key), { $field => '1 ' . 'feed' x 4 },
          'its id is claimed, where sha256sum says');
is($t->redis('GET', 'ref:seed:{shop}'), $SEED, 'the seed');
is_deeply($t->hgetall('ref:journals:{shop}'), { 'a1' x 16 => 1 }, 'the mark');

my $claimed = 'ref:claimed:{shop}:' . minute($click);

is_deeply($t->hgetall($claimed), { $click => 1 }, 'the click is the friend\'s');
is($t->redis('EXPIRETIME', $claimed),
   int(($NOW - HOUR) / 1000) + 90 * 86400, 'for window and late');
is($t->redis('DBSIZE'), 10, 'and nothing else is written');

append(event(type => 'cancel', customer => '', order_id => 'o/1'));
is_deeply([ @{ entry() }{qw(N friend who via known self first)} ],
          [ 2, '', '', 'none', 0, 0, '' ], 'without a customer: nobody');

is_deeply([ @{ entry() }{qw(given at)} ], [ '', $NOW ], 'at is not given');

$t->redis('HSET', 'ref:program:{shop}', 'state', ' Paused ');
$t->redis('HSET', 'ref:referrer:{shop}:aiko', 'segment', 'gold');

is_deeply(append(event()), [ 1, 2, 0, 0, 3, 1 ], 'the next one is bound');
is_deeply([ @{ entry() }{qw(referrer referrer_who code click click_at
                            referrer_segment referrer_state program_state
                            channel)} ],
          [ 2, $e{referrer_who}, 'aiko7', '', '', 'vip', 'active', 'paused',
            '' ],
          'to the same referrer, with the states of now');

$t->redis('HSET', 'ref:referrer:{shop}:aiko', 'state', 'banned');
$t->redis('HSET', 'ref:program:{shop}', 'state', '', 'rules', '');
$t->redis('HDEL', 'ref:link:{shop}:aiko7', 'segment');
append(event());
is_deeply([ @{ entry() }{qw(referrer_segment referrer_state program_state)} ],
          [ 'gold', 'disabled', 'active' ], 'the referrer\'s own segment');


# replays and conflicts

fresh();

my $sale = event(type => 'sale', amount => 5, order_id => 'o', currency =>
                 'EUR', 'x.a' => 'b c', code => 'aiko7');

is_deeply(append($sale, $sale, { %$sale, amount => 6 }),
          [ 1, -1, 0, 0, 1, 4, 1, 1, 4, 2, 1, 4 ],
          'in one batch: new, a replay, a conflict');
is_deeply(append($sale, { %$sale, amount => 7 }),
          [ 1, 3, 0, 1, 1, 4, 2, 1, 4 ], 'and in another');
is(scalar($a->entries), 1, 'one entry');

my @rejects = $t->entries('ref:rejects:{shop}');

is(scalar(@rejects), 2, 'conflicts are written down');
is_deeply([ @{ $rejects[1] }{qw(why event position text)} ],
          [ 'id_reused', $sale->{event_id}, 1,
            "type=sale&event_id=$sale->{event_id}&customer=ken&order_id=o&"
            . "code=aiko7&amount=7&currency=EUR&at=$NOW&x.a=b%20c" ],
          'with the whole event');
isnt($rejects[1]{fp}, $rejects[1]{fp_before}, 'and both fingerprints');
($ids_key, $field) = place('ids', $sale->{event_id});
is($t->redis('HGET', $ids_key, "$field!"), $rejects[1]{_id},
   'the last of them is found by the id');
cmp_ok(abs($t->redis('TTL', 'ref:rejects:{shop}') - 90 * 86400), '<', 60,
       'for 90 days');

is_deeply(append(({ %$sale, amount => 7 }) x 3, { %$sale, amount => 8 }),
          [ 1, 5, 0, (2, 1, 4) x 4 ], 'sent again as it was');
is_deeply([ map { $_->{text} =~ /amount=(\d+)/ }
            $t->entries('ref:rejects:{shop}') ], [ 6, 7, 8 ],
          'a conflict that was the last one too is not written down again');

$t->redis('XADD', 'ref:conversions:{shop}', '2-0', 'type', 'tick', 'time',
          $NOW);
$t->redis('XDEL', 'ref:conversions:{shop}', '1-0');
is_deeply(append($sale), [ 1, 9, 0, 1, 1, 32 ],
          'of a replay whose entry is gone the credit is not known');
is_deeply(append(event(customer => 'mia')), [ 1, 10, 0, 0, 3, 0 ],
          'other facts have numbers too');


# the mark

fresh();

is_deeply($a->apply({ expected => 0, seed => $SEED }, event()),
          [ 1, -1, 0, 0, 1, 0 ], 'the first');
is_deeply($a->apply({ expected => 0 }, event()), [ 0, 1, 0 ], 'ahead');
is_deeply($a->apply({ expected => 7 }, event()), [ 0, 1, 0 ], 'behind');
is_deeply($a->apply({ expected => 1 }, event(seq => 5), event(seq => 9)),
          [ 1, 1, 0, 0, 2, 0, 0, 3, 0 ], 'with gaps');
is_deeply($t->hgetall('ref:journals:{shop}'), { 'a1' x 16 => 9 }, 'the last');
is_deeply($a->apply({ journal => 'b2' x 16 }, event()), [ 1, -1, 0, 0, 4, 0 ],
          'each journal has its own');
$t->redis('HDEL', 'ref:journals:{shop}', 'a1' x 16);
is_deeply($a->apply({ expected => 9 }, event()), [ 0, -1, 0 ], 'lost: told');
is(scalar($a->entries), 4, 'what was not applied is not there');

for my $mark ('x', '9999999999999999999999', '9223372036854775807') {
    $t->redis('HSET', 'ref:journals:{shop}', 'a1' x 16, $mark);
    like($a->apply({ expected => 9 }, event()), qr/^MARK /, "no mark: $mark");
}


# who is credited: each order of the four ways, what is asked and what is not

fresh();

$t->link('shop', $_, referrer => "of_$_") for qw(b c k t f);

my @ways = qw(bound click cookie code);
my %code = (bound => 'b', click => 'c', cookie => 'k', code => 't');
my $c = click($NOW - HOUR, "c $WORDS of_c - -");
my $k = uuid($NOW - HOUR, 2);
my $f = uuid($NOW - 2 * HOUR, 3);

append(event(customer => 'eve', code => 'b'));

for my $order (permutations(@ways)) {
    for my $drop (0 .. 3) {
        my @left = @$order[$drop .. 3];

        $t->program('shop', attribution_order => join ',', @left);
        append(event(customer => 'eve', code => 't', click_id => $c,
                     first => "f/$f", last => "k/$k"));

        my $e = entry();

        is("$e->{via} $e->{code}", "$left[0] $code{$left[0]}",
           "order @left: the first of them");
    }
}

is((split ' ', $t->redis('HGET', 'ref:person:{shop}', 'eve'))[2], 'b',
   'a friend stays with who had the first event, whatever else is credited');

for my $bad ('bound,bound', 'click,nobody', 'none', 'click,') {
    $t->program('shop', attribution_order => $bad);
    append(event(customer => 'eve', code => 't'));
    is(entry()->{via}, 'bound', "\"$bad\" is no order: as if not there");
}

$t->program('shop', attribution_order => ' Code , CLICK ');
append(event(customer => 'eve', code => 't', click_id => $c));
is(entry()->{via}, 'code', 'blanks and capitals are nothing');

$t->redis('DEL', 'ref:program:{shop}');

for ([ {}, 'none' ], [ { code => 't' }, 'code' ],
     [ { code => 't', last => "k/$k", first => "f/$f" }, 'cookie' ],
     [ { code => 't', last => "k/$k", click_id => $c }, 'click' ],
     [ { code => 'nope', last => "nope/$k", click_id => uuid($NOW) }, 'none' ],
     [ { code => 't', click_id => uuid($NOW) }, 'code' ],
     [ { code => 't', last => "nope/$k" }, 'code' ])
{
    append(event(customer => 'c' . ++$ids, %{ $_->[0] }));
    is(entry()->{via}, $_->[1], "of @{[ sort keys %{ $_->[0] } ]}: $_->[1]");
}


# of the cookie, the first or the last

for ([ undef, undef, 'k' ], [ undef, 'first', 'f' ], [ 'first', undef, 'f' ],
     [ 'LAST', 'first', 'k' ], [ 'linear', 'first', 'f' ])
{
    my ($program, $default, $want) = @$_;

    $t->program('shop', attribution => $program // '', state => 'active');
    $a->apply({ attribution => $default },
              event(customer => 'c' . ++$ids, first => "f/$f",
                    last => "k/$k"));

    my $e = entry();

    is($e->{code}, $want, 'attribution ' . ($program // '-') . ', default '
                          . ($default // '-') . ": $want");
    is_deeply([ @$e{qw(first first_at last last_at)} ],
              [ 'f', $NOW - 2 * HOUR, 'k', $NOW - HOUR ], 'both are kept');
}

# a cookie's click that is known has its own referrer, not the link's of now

fresh();
$t->link('shop', 'sold', referrer => 'buyer', segment => 'new');

my $old = click($NOW - DAY, "sold $WORDS seller = -", 5);

append(event(customer => 'one', last => "sold/$old"));
is_deeply([ @{ entry() }{qw(via referrer_segment channel)} ],
          [ 'cookie', '=', 'mail' ], 'a cookie, by its click');
is($t->redis('HGET', 'ref:person:{shop}:names', entry()->{referrer}),
   'seller', 'the referrer of then');

append(event(customer => 'two', last => "other/$old"));
is(entry()->{via}, 'none', 'unless that was another link\'s');

for ([ '', 'buyer', 'new', 'older clicks' ], [ ' buyer', 'buyer', 'new',
     'half a referrer' ], [ ' = - u', 'buyer', 'new', 'not looked up then' ],
     [ ' = - nu', 'buyer', 'new', 'without consent' ],
     [ ' = - n', 'sold', '', 'who has the code\'s name' ])
{
    my ($words, $who, $segment, $what) = @$_;
    my $id = click($NOW - DAY, "sold $WORDS$words", 100 + $ids);

    append(event(customer => 'c' . ++$ids, click_id => $id));

    my $e = entry();

    is($t->redis('HGET', 'ref:person:{shop}:names', $e->{referrer}), $who,
       "$what: the referrer");
    is($e->{referrer_segment}, $segment, "$what: the segment");
}

append(event(customer => 'c' . ++$ids, click_id => click($NOW, "gone $WORDS",
                                                         300)));
is(entry()->{via}, 'none', 'an older click of a link that is gone');
append(event(customer => 'c' . ++$ids, click_id => click($NOW, 'rubbish',
                                                         301)));
is(entry()->{via}, 'none', 'a click that is none');


# windows, to the millisecond

fresh();

for my $of ([ 'program', { window => '2d' }, {}, 2 * DAY ],
            [ 'default', {}, { window => 3600 }, HOUR ],
            [ 'wrong', { window => 'soon' }, { window => 3600 }, HOUR ],
            [ 'too long', { window => '401d' }, { window => 60 }, MINUTE ],
            [ 'minutes', { window => " 90m\n" }, {}, 90 * MINUTE ],
            [ 'seconds', { window => '0045' }, {}, 45_000 ],
            [ 'none', { window => '0d' }, {}, 30 * DAY ])
{
    my ($what, $program, $o, $window) = @$of;

    $t->program('shop', %$program, state => 'active');

    my $at = $NOW - 3 * DAY;

    for ([ 0, 'click' ], [ $window, 'click' ], [ $window + 1, 'none' ],
         [ -5 * MINUTE, 'click' ], [ -5 * MINUTE - 1, 'none' ])
    {
        my ($before, $want) = @$_;
        my $id = click($at - $before, "aiko7 $WORDS aiko - -", ++$ids);

        $a->apply($o, event(customer => 'c' . ++$ids, at => $at,
                            click_id => $id));
        is(entry()->{via}, $want, "window, $what: $before ms before: $want");

        my $cookie = uuid($at - $before, ++$ids);

        $a->apply($o, event(customer => 'c' . ++$ids, at => $at,
                            last => "aiko7/$cookie"));
        is(entry()->{via}, $want =~ s/click/cookie/r, 'and of a cookie');
    }
}


# a friend who lapses

fresh();
$t->link('shop', 'mia8', referrer => 'mia');

for my $bind ('ever', 'window') {
    $t->program('shop', window => '10d', bind => $bind);

    my $friend = "f$bind";
    my $at = $NOW - 20 * DAY;

    append(event(customer => $friend, at => $at, code => 'aiko7'));

    append(event(customer => $friend, at => $at + 10 * DAY, code => 'mia8'));
    is(entry()->{code}, 'aiko7', "bind=$bind: its last millisecond");

    append(event(customer => $friend, at => $at + 10 * DAY + 1));
    is(entry()->{via}, $bind eq 'ever' ? 'bound' : 'none',
       "bind=$bind: after it, without a touch");

    append(event(customer => $friend, at => $at + 10 * DAY + 1,
                 code => 'mia8'),
           event(customer => $friend, at => $at + 11 * DAY));
    is(entry()->{code}, $bind eq 'ever' ? 'aiko7' : 'mia8',
       "bind=$bind: and with another's");
}


# self, known, disabled

fresh();
$t->link('shop', 'off', referrer => 'aiko', state => 'disabled');
$t->link('shop', 'odd', referrer => 'aiko', state => 'maybe');
$t->link('shop', 'bare', landing => 'https://shop.example.com/');

is_deeply(append(event(customer => 'aiko', code => 'aiko7')),
          [ 1, -1, 0, 0, 1, 16 ], 'who names itself is not credited');
is_deeply([ @{ entry() }{qw(via self referrer)} ], [ 'none', 1, '' ],
          'and is told of');
append(event(customer => 'aiko', code => 'bare',
             click_id => click($NOW, "aiko7 $WORDS aiko - -", 9)));
is_deeply([ @{ entry() }{qw(via self code)} ], [ 'code', 1, 'bare' ],
          'the next way is asked');
is($t->redis('HGET', 'ref:person:{shop}', 'bare'), 2,
   'a link without a referrer is that of its code');
is(append(event(customer => 'aiko'))->[5], 1, 'bound, and no more self');

$t->redis('HSET', 'ref:person:{shop}', 'loop', '2 2 x 1 code');
append(event(customer => 'loop'));
is_deeply([ @{ entry() }{qw(via self)} ], [ 'none', 1 ],
          'bound to itself by hand: self');

for my $code ('off', 'odd') {
    append(event(customer => 'c' . ++$ids, code => $code));
    is(entry()->{via}, 'none', "the code of a link that is $code");
}

append(event(customer => 'c' . ++$ids, last => 'off/' . uuid($NOW)));
is(entry()->{via}, 'cookie', 'a cookie of when it was not');

my ($known, $digest) = place('known', 'mum');

$t->redis('SADD', $known, $digest);
is(append(event(customer => 'mum', code => 'aiko7'))->[5], 12,
   'a known customer, credited all the same');
is(entry()->{known}, 1, 'and told of');
is(append(event(customer => 'dad', new => 0))->[5], 8, 'said by the shop');
is(append(event(customer => 'kid', new => 1))->[5], 0, 'a new one');


# one click, two friends

fresh();

my $shared = click($NOW - HOUR, "aiko7 $WORDS aiko - -");

for ([ 'one', '' ], [ 'one', '' ], [ 'two', 'shared_click' ]) {
    my ($who, $signals) = @$_;

    $t->redis('HSET', 'ref:program:{shop}', 'attribution_order', 'click');
    append(event(customer => $who, click_id => $shared));
    is(entry()->{signals}, $signals, "$who with the click: \"$signals\"");
}

append(event(customer => 'x', click_id => $shared),
       event(customer => 'y', click_id => click($NOW - HOUR,
                                                "aiko7 $WORDS aiko - -", 8)),
       event(customer => 'z', click_id => uuid($NOW - HOUR, 8)));
is_deeply([ map { $_->{signals} } ($a->entries)[-3 .. -1] ],
          [ 'shared_click', '', 'shared_click' ], 'in one batch too');


# signs of fraud that an event shows by itself

fresh();
$t->link('shop', 'ben7', referrer => 'ben');

sub signs {
    my ($passed, %o) = @_;

    my $made = $NOW - MINUTE;
    my $id = click($made, ($o{link} // 'aiko7') . " $WORDS "
                          . ($o{whose} // 'aiko') . ' - -', 100 + $ids);

    delete @o{qw(link whose)};
    append(event(customer => 'c' . ($ids + 1), click_id => $id,
                 at => $made + $passed, %o));

    return entry()->{signals};
}

is(signs(0), 'fast_lead', 'a sign-up with its click');
is(signs(2999), 'fast_lead', 'nearly three seconds after it');
is(signs(3000), '', 'three seconds: a person may be as quick');
is(signs(-1), '', 'before its click: another clock');
is(signs(0, type => 'sale', order_id => 'o1', amount => 1,
         currency => 'EUR'), '', 'a sale is no sign-up');

append(event(customer => 'typed', code => 'aiko7'));
is(entry()->{signals}, '', 'a code that was typed has no click');

is(signs(5000, country => 'JP'), '', 'the country of the click');
is(signs(5000, country => 'DE'), 'country', 'another one');
is(signs(1, country => 'DE'), 'fast_lead,country', 'two signs');
is(signs(5000, customer => 'mia'), '', 'the shop says no country');
is(signs(5000, customer => 'mia', country => 'DE'), 'country',
   'who is bound: by the click that came with it');
append(event(customer => 'mia', country => 'DE'));
is(entry()->{signals}, '', 'without one nothing is known');
is(signs(5000, customer => 'mia', country => 'DE', link => 'ben7',
         whose => 'ben'), '', 'the click of somebody else\'s link is not asked');

is(signs(5000, customer => 'ben'), '', 'aiko brings ben');
is(signs(5000, customer => 'kid', link => 'ben7', whose => 'ben'), '',
   'ben brings his child by the same tablet');
is(signs(5000, customer => 'aiko', link => 'ben7', whose => 'ben'), 'mutual',
   'ben brings aiko');
append(event(customer => 'xa', code => 'ben7'),
       event(customer => 'ben', code => 'aiko7'));
is_deeply([ map { $_->{signals} } ($a->entries)[-2 .. -1] ], [ '', '' ],
          'a chain is no circle, and who is bound is not asked again');


# an event before its click: not yet, then it is there, then given up

fresh();

sub patient { return append_with({ patience => [ $NOW - 10_000, $NOW ] }, @_) }
sub append_with { return $a->apply({ seed => $SEED, %{ shift() } }, @_) }

my $later = uuid($NOW - MINUTE, 70);
my $early = event(customer => 'early', click_id => $later);
my @three = (event(customer => 'one'), $early, event(customer => 'two'));

is_deeply(patient($early), [ 2, -1, 0 ], 'its click is not there: not yet');
is($t->redis('DBSIZE'), 2, 'and nothing is written beside the link');

is_deeply(patient(@three), [ 2, -1, 1, 0, 1, 0 ],
          'those before it are applied');
is_deeply([ map { $_->{event} } $a->entries ], [ $three[0]{event_id} ],
          'and no other');
is_deeply($t->hgetall('ref:journals:{shop}'), { 'a1' x 16 => 1 },
          'the mark is theirs');
is_deeply($t->hgetall('ref:person:{shop}'), { one => 1 },
          'the one who waits has no number yet');
is_deeply(patient(@three[1, 2]), [ 2, 1, 1 ], 'still not yet');
is_deeply(append_with({ expected => 5 }, $early), [ 0, 1, 0 ],
          'the mark comes first');

click($NOW - MINUTE, "aiko7 $WORDS aiko - -", 70);
is_deeply(patient(@three[1, 2]), [ 1, 1, 0, 0, 2, 2, 0, 3, 0 ],
          'the click is there: credited by it');

my $lost = event(customer => 'lost', click_id => uuid($NOW, 71));

is_deeply(patient(event(seq => 7, customer => 'gap'), { %$lost, seq => 12 },
                  event(seq => 13)),
          [ 2, 3, 11, 0, 4, 0 ], 'past records that are no events');
is_deeply(append_with({ patience => [ $NOW - 10_000, $NOW ] },
                      event(seq => 14, customer => 'gap2'),
                      { %$lost, seq => 20, received => $NOW - 10_001 }),
          [ 1, 11, 0, 0, 5, 0, 0, 6, 0 ], 'it is old: given up, via none');

$a->{marks}{'a1' x 16} = 20;

is_deeply(patient($lost), [ 1, 20, 0, 1, 6, 0 ],
          'one that was there before does not wait');

# nor does any other event than one that the click alone leads to a referrer

my $missing = uuid($NOW, 72);

append(event(customer => 'bound', code => 'aiko7'));

for ([ { customer => 'bound' }, 'bound', 'a customer who is bound' ],
     [ { code => 'aiko7' }, 'code', 'a code' ],
     [ { last => "aiko7/$missing", first => "aiko7/$missing" }, 'cookie',
       'a cookie' ],
     [ { trust => 3 }, 'none', 'a browser' ],
     [ { customer => '', order_id => 'o', type => 'cancel' }, 'none',
       'no customer' ],
     [ { received => $NOW + 1, at => $NOW }, 'none', 'a clock that went back' ],
     [ { click_id => uuid($NOW - 30 * DAY - 1) }, 'none',
       'a click out of the window' ],
     [ { at => $NOW - 20 * DAY, click_id => uuid($NOW) }, 'none',
       'a click after it' ],
     [ { code => 'no', last => "no/$missing", first => "no/$missing" }, undef,
       'a code of no link' ])
{
    my ($more, $via, $what) = @$_;
    my $reply = patient(event(customer => 'c' . ++$ids, click_id => $missing,
                              %$more));

    is($reply->[0] == 1 ? entry()->{via} : undef, $via,
       "$what: " . ($via // 'waits'));
}

$t->program('shop', attribution_order => 'bound,code');
is(patient(event(customer => 'c' . ++$ids, click_id => $missing))->[0], 1,
   'where clicks are not asked');
$t->program('shop', attribution_order => 'click,bound');
patient(event(customer => 'bound', click_id => $missing));
is(entry()->{via}, 'bound', 'bound, whatever is asked before');
$t->program('shop', attribution_order => '');

is(patient(event(customer => 'aiko', code => 'aiko7',
                 click_id => $missing))->[0], 2,
   'a code that leads to the customer decides nothing');

# in one batch: bound by an event before

is_deeply([ @{ patient(event(customer => 'both', code => 'aiko7'),
                       event(customer => 'both', click_id => $missing)) }
            [0, 5, 8] ], [ 1, 4, 1 ], 'an event before it decides');

$t->redis('SET', 'ref:clicks:{shop}:' . minute($missing), 'x');
like(patient(event(click_id => $missing)), qr/^WRONGTYPE/,
     'a key of another type is an error, not a wait');


# forget, then the same again

fresh();

my $forget = event(customer => 'gone', code => 'aiko7');

append($forget);
$t->redis('HDEL', 'ref:person:{shop}', 'gone');
$t->redis('HDEL', 'ref:person:{shop}:names', 1);

is_deeply($a->apply({ journal => 'b2' x 16 }, $forget),
          [ 1, -1, 0, 1, 1, 4 ], 'who was forgotten stays so if a journal is '
          . 'sent again');
is($t->redis('HEXISTS', 'ref:person:{shop}', 'gone'), 0, 'nobody is there');
append(event(customer => 'gone'));
is_deeply([ @{ entry() }{qw(friend via)} ], [ 3, 'none' ],
          'a new event is of a new person; no number is given again');

append(event(customer => 'kid', code => 'aiko7'));
$t->redis('HDEL', 'ref:person:{shop}', 'aiko');
$t->redis('HDEL', 'ref:person:{shop}:names', 2);
append(event(customer => 'kid'));
is_deeply([ @{ entry() }{qw(via referrer referrer_who referrer_state)} ],
          [ 'bound', 2, '', 'absent' ], 'a friend of who was forgotten');


# Redis's clock is set back, and the stream's time is not

fresh();
append(event());

my $before = entry()->{time};

$clock->jump(-3600);
append(event());
is(entry()->{time}, $before, 'time stands still meanwhile');
$clock->jump(3600);

$t->redis('XADD', 'ref:conversions:{shop}', '3-0', 'type', 'rules', 'time',
          $NOW + 40 * DAY);
append(event());
is(entry()->{time}, $NOW + 40 * DAY, 'and never goes back');


# what is in the way: an error, and nothing written

fresh();

my @full = (event(customer => 'full', code => 'aiko7'),
            event(customer => 'mia', click_id => $shared, parties => 'p'));

$click = click($NOW - HOUR, "aiko7 $WORDS aiko - -");
$full[1]{click_id} = $click;

my $conflict = event(code => 'aiko7');

append($conflict);

my @batch = (@full, { %$conflict, type => 'custom' }, { %$conflict });
my ($ids1) = place('ids', $full[0]{event_id});
my ($ids2) = place('ids', $conflict->{event_id});
my ($known1) = place('known', 'full');

$claimed = 'ref:claimed:{shop}:' . minute($click);

my %type = (
    'ref:journals:{shop}' => 'hash', 'ref:conversions:{shop}' => 'stream',
    'ref:person:{shop}' => 'hash', 'ref:person:{shop}:names' => 'hash',
    'ref:rejects:{shop}' => 'stream', 'ref:seed:{shop}' => 'string',
    'ref:program:{shop}' => 'hash', $ids1 => 'hash', $ids2 => 'hash',
    $known1 => 'set', $claimed => 'hash', 'ref:link:{shop}:aiko7' => 'hash',
    'ref:clicks:{shop}:' . minute($click) => 'hash',
    'ref:referrer:{shop}:aiko' => 'hash',
);

for my $key (sort keys %type) {
    my $there = $t->redis('EXISTS', $key);

    $t->redis('RENAME', $key, 'put:away') if $there;
    $t->redis($type{$key} eq 'string' ? ('HSET', $key, 'f', 'v')
                                      : ('SET', $key, 'x'));
    refused(qr/^WRONGTYPE .* in \Q$key\E$/, "$key of another type");
    $t->redis('DEL', $key);
    $t->redis('RENAME', 'put:away', $key) if $there;
}

for ([ 'ref:person:{shop}', 'full', 'x', qr/^PERSON / ],
     [ 'ref:person:{shop}', 'full', '1 2', qr/^PERSON / ],
     [ 'ref:person:{shop}', 'full', '1 2 aiko7 9 code more', qr/^PERSON / ],
     [ 'ref:person:{shop}', 'full', '99', qr/^PERSON / ],
     [ 'ref:person:{shop}', 'full', '1 99 aiko7 9 code', qr/^PERSON / ],
     [ 'ref:person:{shop}:names', 'next', 'x', qr/^NAMES / ],
     [ 'ref:person:{shop}:names', 'next', '9' x 20, qr/^NAMES / ],
     [ $ids1, (place('ids', $full[0]{event_id}))[1], '1', qr/^ID / ],
     [ $ids1, (place('ids', $full[0]{event_id}))[1], '99 ' . '0' x 16,
       qr/^STREAM ends at entry \d+, though it had entry 99/ ],
     [ $claimed, $click, 'x', qr/^CLAIMED / ])
{
    my ($key, $field, $value, $want) = @$_;
    my $there = $t->redis('HGET', $key, $field);

    $t->redis('HSET', $key, $field, $value);
    refused($want, "$key with \"$value\"");
    defined $there ? $t->redis('HSET', $key, $field, $there)
                   : $t->redis('HDEL', $key, $field);
}

my $next = $t->redis('HGET', 'ref:person:{shop}:names', 'next');

$t->redis('HDEL', 'ref:person:{shop}:names', 'next');
refused(qr/^NAMES "next" is missing/, 'numbers would be given again');
$t->redis('HSET', 'ref:person:{shop}:names', 'next', $next);

$t->redis('HSET', 'ref:settled:{shop}', 'position', '99');
refused(qr/^STREAM ends at entry \d+, though entry 99 was settled/,
        'a stream that was replaced');
$t->redis('DEL', 'ref:settled:{shop}');

$t->redis('SET', 'ref:seed:{shop}', 'short');
refused(qr/^SEED /, 'a seed that is none');
$t->redis('SET', 'ref:seed:{shop}', $SEED);

$t->redis('XADD', 'ref:rejects:{shop}', '18446744073709551615-1', 'a', 'b');
refused(qr/^STREAM .*rejects/, 'no room for what is rejected');
$t->redis('DEL', 'ref:rejects:{shop}');

for ([ '5-1', 'time', 'an id that is not N-0' ],
     [ '9007199254740993-0', 'time', 'a number that is not exact' ],
     [ '7-0', 'type', 'an entry without a time' ])
{
    my ($id, $field, $what) = @$_;

    $t->redis('RENAME', 'ref:conversions:{shop}', 'put:away');
    $t->redis('XADD', 'ref:conversions:{shop}', $id, $field, $NOW);
    refused(qr/^STREAM /, $what);
    $t->redis('DEL', 'ref:conversions:{shop}');
    $t->redis('RENAME', 'put:away', 'ref:conversions:{shop}');
}


# what would begin at 1 again is lost when the stream comes back

$t->redis('RENAME', 'ref:conversions:{shop}', 'put:away');
refused(qr/^STREAM is not there/, 'a stream that is away');
is($t->redis('EXISTS', 'ref:conversions:{shop}'), 0, 'and is not made');
$t->redis('RENAME', 'put:away', 'ref:conversions:{shop}');


# A user who may not do all of it, and a server that cannot now.  Redis 6 has
# no way to ask what a user may: there the script tries what does nothing.

my ($line) = $t->read_file("$Referral::ROOT/docs/conversions-keys.md")
             =~ /^    user referral-events (.*)$/m;
my ($password) = $line =~ />(\S+)/;
my @words = split ' ', $line;
my @all = grep { /^\+/ } @words;
my @patterns = grep { /^~/ } @words;

my %writes = (
    hset => [ 'ref:journals:{shop}', 'ref:person:{shop}',
              'ref:person:{shop}:names', $ids1, $ids2, $claimed,
              (place('ids', $full[1]{event_id}))[0] ],
    xadd => [ 'ref:conversions:{shop}', 'ref:rejects:{shop}' ],
);

for my $six (0, 1) {
    my $of = $six ? 'Redis 6: ' : '';

    $t->redis('CONFIG', 'SET', 'maxmemory', 1);
    refused(qr/OOM/, "${of}out of memory", $six);
    $t->redis('CONFIG', 'SET', 'maxmemory', 0);

    $t->redis('REPLICAOF', '127.0.0.1', 1);
    refused(qr/READONLY/, "${of}a replica", $six);
    $t->redis('REPLICAOF', 'NO', 'ONE');

    $t->redis('CONFIG', 'SET', 'min-replicas-to-write', 1);
    refused(qr/NOREPLICAS/, "${of}too few replicas", $six);
    $t->redis('CONFIG', 'SET', 'min-replicas-to-write', 0);

    $t->redis('DEL', 'ref:seed:{shop}');

    # without these what ends ends later, on Redis 6

    for my $command (grep { !/evalsha|hlen/
                            && (!$six || !/pttl|expireat|xtrim/) } @all)
    {
        user($command =~ s/\+/-/r);
        refused(qr/NOPERM|The user/, "${of}without $command", $six);
    }

    for my $pattern (@patterns) {
        user('resetkeys', grep { $_ ne $pattern } @patterns);
        refused(qr/NOPERM|The user|No permissions/, "${of}without $pattern",
                $six);
    }

    # a command on some keys and not on others: Redis 6 has no selectors

    for my $command (sort keys %writes) {
        my @keys = @{ $writes{$command} };

        for my $key (@keys) {
            my @others = map { "~$_" } grep { $_ ne $key } @keys;

            next unless eval {
                user("-$command", "(+$command @others)");
                1;
            };
            refused(qr/NOPERM|The user|No permissions/,
                    "${of}without $command of $key", $six);
        }
    }

    $a->redis->command('AUTH', 'default', '');
    $t->redis('SET', 'ref:seed:{shop}', $SEED);
}

user('-hlen');
$t->redis('RENAME', 'ref:person:{shop}:names', 'put:away');
refused(qr/NOPERM|The user/, 'without +hlen, where there are no people yet');
$t->redis('RENAME', 'put:away', 'ref:person:{shop}:names');

user();
is_deeply(append(@batch), [ 1, 1, 0, 0, 2, 4, 0, 3, 2, 2, 1, 4, 1, 1, 4 ],
          'with these and no other commands it goes through');
$a->redis->command('AUTH', 'default', '');

my %declared = map { $_ => 1 } $a->command({ expected => 0 }, @batch)
               =~ /^\$\d+\r\n(ref:[^\r]*)\r$/mg;

is_deeply([ grep { !$declared{$_} && $_ ne 'ref:links:{shop}' }
            @{ $t->redis('KEYS', '*') } ], [], 'every key is declared');


# a thousand at once, over fifty connections and two journals

fresh();

my $one = event(type => 'sale', order_id => 'o', amount => 5, currency =>
                'EUR', code => 'aiko7');
my @kinds = race(50, 20, sub { $one });

is_deeply(\@kinds, [ 1, 999, 0 ], 'one is new, all others are replays');
is(scalar($a->entries), 1, 'one entry');
is_deeply([ sort map { split ' ' } map { $_->{next} // () }
            $t->hgetall('ref:person:{shop}:names') ], [ 2 ],
          'two people, each with one number');

fresh();

my $n = 0;

@kinds = race(50, 20, sub { +{ %$one, amount => 5 + $_[0] % 2 } });

is_deeply(\@kinds, [ 1, 499, 500 ], 'of two amounts one wins');
is($t->redis('XLEN', 'ref:rejects:{shop}'), 1,
   'what is sent again and again is written down once');
is(scalar($a->entries), 1, 'one entry');


# clients that are killed in the middle

fresh();

my @killed;

for my $child (1 .. 12) {
    push @killed, $t->spawn(sub {
        my $b = Referral::Append->new($t)->fresh;
        my $mark = 0;

        for my $n (1 .. 100_000) {
            my $bytes = $b->command({ expected => $mark, full => 1, seed =>
                                      $SEED, journal => sprintf('%032x',
                                                                $child) },
                                    event(event_id => "k$child-$n"));
            my $cut = $n % 7 ? length $bytes : int rand length $bytes;

            if ($cut < length $bytes && rand() < 0.01) {
                $b->redis->send(substr $bytes, 0, $cut);
                exit 1;
            }

            $b->send($bytes);
            $mark++;
        }
    });
}

for my $pid (@killed) {
    select undef, undef, undef, 0.1;
    $t->end_child($pid);
}

# what they had sent is done, or was never whole

ok((wait_for { 3 > (() = $t->redis('CLIENT', 'LIST') =~ /^id=/mg) }),
   'they are gone');

my @numbers = map { $_->{N} } $a->entries;
my $marks = 0;

$marks += $_ for values %{ $t->hgetall('ref:journals:{shop}') };

cmp_ok(scalar(@numbers), '>', 12, 'some came through: ' . @numbers);
is_deeply(\@numbers, [ 1 .. @numbers ], 'numbers have no gap');
is($marks, scalar(@numbers), 'and what is marked is there');

done_testing;


sub permutations {
    my @list = @_;

    return [ @list ] if @list < 2;

    return map {
        my $i = $_;
        map { [ $list[$i], @$_ ] } permutations(@list[grep { $_ != $i }
                                                      0 .. $#list]);
    } 0 .. $#list;
}


sub user {
    my @less = @_;

    $t->redis('ACL', 'SETUSER', 'referral-events', 'reset', @words, @less);
    $a->redis->command('AUTH', 'referral-events', $password);
}


# The batch is answered with such an error, and every key is as it was.

sub refused {
    my ($want, $name, $six) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $bytes = $a->command({ expected => 1, full => 1, seed => $SEED },
                            @batch);

    if ($six) {
        my ($length) = $bytes =~ /^\*\d+\r\n\$4\r\nEVAL\r\n\$(\d+)\r\n/;
        my $left = $length - length('redis.acl_check_cmd') + length('nil');

        $bytes =~ s/EVAL\r\n\$\K\d+/$left/;
        $bytes =~ s/redis\.acl_check_cmd/nil/ or die;
    }

    my $digest = $t->redis('DEBUG', 'DIGEST');
    my $got = $a->send($bytes);

    like(ref $got ? "applied: @$got" : $got, $want, "$name: an error");
    is($t->redis('DEBUG', 'DIGEST'), $digest, "$name: nothing is written");
}


# So many children, each of which sends so many events; how many were of each
# kind.  Whoever comes too late for a mark takes the one that is there.

sub race {
    my ($children, $each, $make) = @_;

    my @pipes;

    for my $child (0 .. $children - 1) {
        pipe my $in, my $out or die "pipe: $!";
        push @pipes, $in;

        $t->spawn(sub {
            my $b = Referral::Append->new($t)->fresh;
            my $journal = ($child % 2 ? 'a1' : 'b2') x 16;
            my ($mark, @kinds) = (0, 0, 0, 0);

            for my $n (1 .. $each) {
                my $reply;

                do {
                    $reply = $b->send($b->command(
                        { expected => $mark, full => 1, journal => $journal,
                          seed => $SEED }, $make->($child * $each + $n)));

                    die "$reply\n" unless ref $reply;
                    $mark = $reply->[0] ? $mark + 1 : $reply->[1];
                } until $reply->[0];

                $kinds[$reply->[3]]++;
            }

            syswrite $out, "@kinds\n";
        });
    }

    my @sum = (0, 0, 0);

    for my $in (@pipes) {
        my @kinds = split ' ', readline($in) // '';

        $sum[$_] += $kinds[$_] // 0 for 0 .. 2;
    }

    return @sum;
}
