# protects: what reports tell of leads, sales and amounts: totals, days,
# boards, what moved, and what became of the clicks of a day, against the
# events that were sent

use strict;
use warnings;
no warnings 'portable';

use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX qw(strftime);
use Referral;
use Referral::Append;
use Referral::Cli;
use Referral::Settler;
use Time::HiRes qw(time);

use constant { HOUR => 3600_000, DAY => 86400_000 };

my $t = Referral->new;
my $a = Referral::Append->new($t);

# noon of this day, UTC: no day ends within an hour of it

my $NOON = int(time / 86400) * 86400_000 + 12 * HOUR;
my $ticks = 0;

Referral::Cli->begin($t);

sub day { strftime '%Y-%m-%d', gmtime(($NOON - $_[0] * DAY) / 1000) }


# clicks as the module writes them: the click id, and what is counted

sub click {
    my ($ago, $code, $referrer, %of) = @_;

    my $ms = $NOON - $ago * DAY - HOUR;
    my $id = sprintf('%012x7000800000%010x', $ms, ++$ticks)
             =~ s/^(.{8})(.{4})(.{4})(.{4})(.{12})$/$1-$2-$3-$4-$5/r;
    my $minute = strftime '%Y-%m-%dT%H:%M', gmtime($ms / 1000);
    my ($country, $channel) = ($of{country} // '-', $of{channel} // '-');

    $t->redis('HSET', "ref:clicks:{shop}:$minute", $id, "$code " . 'V' x 16
              . " = = = = $country $channel b mobile $referrer vip -");

    for my $key ('stats:{shop}', "stats:{shop}:$code", 'day:{shop}:' . day($ago)) {
        $t->redis('HINCRBY', "ref:$key", $_, 1)
            for 'raw', 'clicks', 'visitors', 'device:mobile', 'variant:b',
                'segment:vip', $country eq '-' ? () : "country:$country",
                $channel eq '-' ? () : "channel:$channel";
    }

    $t->redis('HINCRBY', $_, day($ago), 1)
        for 'ref:days:{shop}', "ref:days:{shop}:$code";
    $t->redis('ZINCRBY', $_, 1, $code)
        for 'ref:board:{shop}:clicks', 'ref:board:{shop}:clicks:' . day($ago);
    $t->redis('ZINCRBY', 'ref:board:{shop}:referrers:clicks', 1, $referrer);

    return $id;
}


sub append {
    my $r = $a->apply({}, map { +{ received => $NOON, %$_ } } @_);

    ok(ref $r, 'appended') or diag($r);
}


sub settle {
    is(scalar Referral::Settler::run($t, '--once'), 0, 'settled');
}


sub event {
    my ($type, $id, $ago, %of) = @_;

    return { type => $type, event_id => $id, at => $NOON - $ago * DAY, %of };
}


sub sale {
    my ($id, $ago, $customer, $amount, %of) = @_;

    return event('sale', $id, $ago, customer => $customer, order_id => "o$id",
                 amount => $amount, currency => 'EUR', %of);
}


# before there is anything

is(r('funnel', 'nobody'), 1, 'no such program');

$t->program('shop', state => 'active', timezone => 'UTC', window => '7d',
            late => '10d');
$t->link('shop', 'aiko7', referrer => 'aiko');
$t->link('shop', 'ken42', referrer => 'ken');

my $before = click(40, 'aiko7', 'aiko', country => 'JP', channel => 'mail');

is(r('stats', 'shop'), 0, 'clicks alone');
unlike($out, qr/leads|sales/, 'say nothing of conversions');
is(r('stats'), 0, 'all programs');
unlike($out, qr/leads|sales/, 'neither');
is(r('stats', 'shop', '--by', 'day'), 0, 'days');
unlike($out, qr/leads|sales|amount/, 'neither');
is(r('top', 'shop', '--of', 'sales'), 0, 'no sales');
like($err, qr/no sales yet/, 'says so');
is(r('top', 'shop', '--of', 'amount:EUR'), 1, 'no amounts');
is(r('funnel', 'shop'), 0, 'a funnel without clicks in its days');


# aiko brings bo and kim, ken brings lee; ten clicks, of two days

my @click = map { click(2, 'aiko7', 'aiko', country => 'JP', channel => 'mail') } 1 .. 3;

push @click, click(2, 'aiko7', 'aiko', country => 'DE');
push @click, map { click(1, 'ken42', 'ken', country => 'DE', channel => 'mail') } 1 .. 4;
push @click, click(1, 'aiko7', 'aiko');

append(
    event('lead', 'l0', 38, customer => 'amy', click_id => $before),
    sale('0', 37, 'amy', 9900),
    event('lead', 'l1', 1, customer => 'bo', click_id => $click[0]),
    sale('1', 1, 'bo', 4990),
    sale('2', 0, 'bo', 1000, currency => 'JPY'),
    event('refund', 'r1', 0, order_id => 'o1', amount => 990, currency => 'EUR'),
    sale('3', 0, 'kim', 2000, click_id => $click[3]),
    event('lead', 'l2', 0, customer => 'lee', click_id => $click[4]),
    event('lead', 'n1', 0, customer => 'max'),
);
settle();


# stats

my $stats = j('stats', 'shop');

is_deeply({ map { $_ => $stats->{$_} } grep { /^(?:leads|sales|refunds|friends|known|unattributed|self|amount.*)$/ }
            keys %$stats },
          { leads => 3, sales => 4, refunds => 1, friends => 4, known => 0,
            unattributed => 1, self => 0, 'amount:EUR' => 9900 + 4000 + 2000,
            'amount:JPY' => 1000 }, 'totals');
is($stats->{clicks}, 10, 'beside the clicks');
is_deeply($stats->{by}{'sales:country'}, { JP => 3, DE => 1 }, 'sales by country');
is_deeply($stats->{by}{'leads:channel'}, { mail => 3 }, 'leads by channel');
is_deeply($stats->{by}{'amount:EUR:country'}, { JP => 13900, DE => 2000 },
          'amounts by country, net of refunds');
is_deeply($stats->{by}{'refunds:country'}, { JP => 1 }, 'refunds by country');
ok(!exists $stats->{'amount:EUR:country:JP'}, 'which are no unit');

is(r('stats', 'shop'), 0, 'for people');
like($out, qr/^amount:EUR +159\.00 EUR$/m, 'an amount as people write it');
like($out, qr/^amount:JPY +1000 JPY$/m, 'yen have no parts');
like($out, qr/^sales by country +JP 3\n +DE 1$/m, 'sales by country');
like($out, qr/^amount:EUR by country +JP 139\.00 EUR\n +DE 20\.00 EUR$/m,
     'amounts by country');

# a sum that no float holds, and a unit of three decimals

$t->redis('HINCRBY', 'ref:stats:{shop}', 'amount:EUR', '1152921504606846976');
$t->redis('HSET', 'ref:stats:{shop}', 'amount:KWD', '1234');
is(j('stats', 'shop')->{'amount:EUR'}, 1152921504606862876, 'to the last cent');
r('stats', 'shop');
like($out, qr/^amount:EUR +11529215046068628\.76 EUR$/m, 'for people');
like($out, qr/^amount:KWD +1\.234 KWD$/m, 'thousandths');
$t->redis('HINCRBY', 'ref:stats:{shop}', 'amount:EUR', '-1152921504606846976');
$t->redis('HDEL', 'ref:stats:{shop}', 'amount:KWD');

is(r('stats', 'shop', '--csv'), 0, 'CSV');
like($out, qr/,amount:EUR,/, 'has the amount');
like($out, qr/,sales:country:JP,/, 'and the parts');

is_deeply([ @{ j('stats', 'shop', 'ken42') }{qw(clicks leads sales)} ], [ 4, 1, 0 ],
          'a link');

my $linked = j('stats', 'shop', 'aiko7', '--by', 'day');

is_deeply([ map { [ @$_{qw(day clicks leads sales refunds amount:EUR amount:JPY)} ] }
            @{ $linked->{rows} } ],
          [ [ day(40), 1, 0, 0, 0, 0, 0 ], [ day(38), 0, 1, 0, 0, 0, 0 ],
            [ day(37), 0, 0, 1, 0, 9900, 0 ], [ day(2), 4, 0, 0, 0, 0, 0 ],
            [ day(1), 1, 1, 1, 0, 4000, 0 ], [ day(0), 0, 0, 2, 1, 2000, 1000 ] ],
          'days of a link, a refund at its own');
is_deeply([ @{ $linked->{total} }{qw(clicks leads sales refunds amount:EUR)} ],
          [ 6, 2, 4, 1, 15900 ], 'and their totals');
is_deeply([ map { [ @$_{qw(day sales)} ] }
            @{ j('stats', 'shop', 'aiko7', '--by', 'day', '--from', day(1))->{rows} } ],
          [ [ day(1), 1 ], [ day(0), 2 ] ], 'some days of it');
is(r('stats', 'shop', 'aiko7', '--by', 'day'), 0, 'for people');
like($out, qr/139\.00 EUR|159\.00 EUR/, 'amounts as people write them');
is_deeply([ @{ j('stats')->[0] }{qw(program clicks leads sales)} ],
          [ 'shop', 10, 3, 4 ], 'all programs');

my $days = j('stats', 'shop', '--by', 'day');

is_deeply([ map { [ @$_{qw(day clicks leads sales refunds amount:EUR amount:JPY)} ] }
            @{ $days->{rows} } ],
          [ [ day(40), 1, 0, 0, 0, 0, 0 ], [ day(38), 0, 1, 0, 0, 0, 0 ],
            [ day(37), 0, 0, 1, 0, 9900, 0 ], [ day(2), 4, 0, 0, 0, 0, 0 ],
            [ day(1), 5, 1, 1, 0, 4000, 0 ], [ day(0), 0, 1, 2, 1, 2000, 1000 ] ],
          'each at its day, the amount at that of the sale');
is_deeply([ @{ $days->{total} }{qw(leads sales refunds amount:EUR)} ],
          [ 3, 4, 1, 15900 ], 'days add up to the totals');

my $range = j('stats', 'shop', '--from', day(1), '--to', day(0));

is_deeply([ @$range{qw(leads sales amount:EUR)} ], [ 2, 3, 6000 ], 'some days');

my $parts = j('stats', 'shop', '--by', 'country', '--from', day(0));

is_deeply([ map { [ @$_{qw(country clicks leads sales)} ] } @{ $parts->{rows} } ],
          [ [ 'DE', 0, 1, 1 ], [ 'JP', 0, 0, 1 ] ],
          'a day with sales of the clicks of days before');
is_deeply([ map { [ @$_{qw(country clicks leads sales)} ] }
            @{ j('stats', 'shop', '--by', 'country')->{rows} } ],
          [ [ 'DE', 5, 1, 1 ], [ 'JP', 4, 2, 3 ], [ '(none)', 1, 0, 0 ] ],
          'of all time');


# boards

sub top { [ map { [ @$_{'rank', 'code', $_[0]} ] }
            @{ j('top', 'shop', '--of', @_) } ] }

is_deeply(top('sales'), [ [ 1, 'aiko7', 4 ] ], 'links by sales');
is_deeply(top('leads'), [ [ 1, 'aiko7', 2 ], [ 2, 'ken42', 1 ] ], 'by leads');
is_deeply(top('amount:EUR'), [ [ 1, 'aiko7', 15900 ] ], 'by amounts');
is_deeply(top('leads', '--day', 'today'), [ [ 1, 'ken42', 1 ] ], 'of a day');
is_deeply([ map { [ @$_{qw(referrer leads)} ] }
            @{ j('top', 'shop', '--of', 'leads', '--by', 'referrers') } ],
          [ [ 'aiko', 2 ], [ 'ken', 1 ] ], 'referrers by their ids');

my ($month) = day(0) =~ /^(\d+-\d+)/;

is_deeply([ map { [ @$_{qw(referrer sales)} ] }
            @{ j('top', 'shop', '--of', 'sales', '--by', 'referrers',
                 '--month', $month) } ],
          [ [ 'aiko', 2 + (index(day(1), $month) == 0) ] ], 'of a month');
is(r('top', 'shop', '--of', 'amount:EUR'), 0, 'for people');
like($out, qr/^ +1 +aiko7 +159\.00 EUR +100\.0$/m, 'as people write it');
like($out, qr/of amount:EUR/, 'and says of what');
is(r('top', 'shop', '--of', 'amount:USD'), 1, 'no such unit');
like($err, qr/there are leads, sales, amount:EUR, amount:JPY/, 'names those that there are');
is(r('top', 'shop', '--of', 'visits'), 2, 'no such measure');
is(r('top', 'shop', '--of', 'sales', '--week', 'this'), 2, 'no board of a week');
is(r('top', 'shop', '--of', 'sales', '--by', 'referrers', '--day', 'today'), 2,
   'nor of referrers of a day');
is(r('top', 'shop', '--of', 'sales', '--day', day(37)), 1, 'an old board');
like($err, qr/is gone: those of days are kept/, 'is gone');


# what moved

my %moved = map { ("$_->{of} $_->{what}" => $_) }
            @{ j('compare', 'shop', day(1), day(0))->{rows} };

is_deeply([ @{ $moved{'total sales'} }{qw(before after change)} ], [ 1, 2, 1 ],
          'sales moved');
is_deeply([ @{ $moved{'total amount:EUR'} }{qw(before after)} ], [ 4000, 2000 ],
          'amounts');
is_deeply([ @{ $moved{'sales:country DE'} }{qw(before after share)} ], [ 0, 1, 100 ],
          'by country of the click');
is(r('compare', 'shop', day(1), day(0)), 0, 'for people');
like($out, qr/^sales by country +DE /m, 'under a heading');
is_deeply([ @{ $moved{'amount:EUR:country DE'} }{qw(before after)} ], [ 0, 2000 ],
          'amounts by country');


# what became of clicks

my $funnel = j('funnel', 'shop');

is_deeply([ @$funnel{qw(program by window late)} ], [ 'shop', 'day', '7 d', '10 d' ],
          'on these terms');
is_deeply($funnel->{rows}, [
    { day => day(2), clicks => 4, leads => 1, sales => 3, refunds => 1,
      'amount:EUR' => 6000, 'amount:JPY' => 1000, leads_percent => 25,
      sales_of_leads_percent => 300, sales_percent => 75, open => JSON::PP::true },
    { day => day(1), clicks => 5, leads => 1, sales => 0, refunds => 0,
      'amount:EUR' => 0, 'amount:JPY' => 0, leads_percent => 20,
      sales_of_leads_percent => 0, sales_percent => 0, open => JSON::PP::true } ],
    'by the day of the click');
is_deeply([ @{ $funnel->{total} }{qw(clicks leads sales amount:EUR)} ], [ 9, 2, 3, 6000 ],
          'the sums');
like("@{ $funnel->{notes} }", qr/open since \Q${\ day(2) }\E: more new friends may come/,
     'and what is open');
like("@{ $funnel->{notes} }", qr/more sales than leads: a friend may order/, 'why above 100');

$funnel = j('funnel', 'shop', '--from', day(45));
is_deeply([ map { [ @$_{qw(day clicks leads sales open)} ] } @{ $funnel->{rows} } ],
          [ [ day(40), 1, 1, 1, JSON::PP::false ], [ day(2), 4, 1, 3, JSON::PP::true ],
            [ day(1), 5, 1, 0, JSON::PP::true ] ], 'a day that is over');
like("@{ $funnel->{notes} }", qr/of the days that are over 100\.0 % led to a lead and 100\.0 %/,
     'tells what to expect');

# the end of the day, 7 days of the window and 10 of "late"

for my $of ([ 17, 1 ], [ 18, 0 ]) {
    my ($ago, $open) = @$of;

    click($ago, 'ken42', 'ken');

    my ($row) = @{ j('funnel', 'shop', '--from', day($ago), '--to', day($ago))->{rows} };

    is($row->{open} ? 1 : 0, $open, "$ago days ago");
}

is(r('funnel', 'shop', '--from', day(40), '--to', day(2)), 0, 'for people');
like($out, qr/^day +clicks +leads +sales +refunds +amount:EUR +amount:JPY +leads % +sales of leads % +sales % +open$/m,
     'its columns');
like($out, qr/^\Q${\ day(40) }\E +1 +1 +1 +0 +99\.00 EUR +0 JPY +100\.0 +100\.0 +100\.0$/m, 'over');
like($out, qr/^\Q${\ day(2) }\E +4 .* open$/m, 'open');
is(r('funnel', 'shop', '--csv', '--from', day(2), '--to', day(2)), 0, 'CSV');
like($out, qr/^day,clicks,leads,sales,refunds,amount:EUR,amount:JPY,leads_percent,sales_of_leads_percent,sales_percent,open\n\Q${\ day(2) }\E,4,1,3,1,6000,1000,25\.0,300\.0,75\.0,True\n\z/,
     'its columns');

$funnel = j('funnel', 'shop', '--by', 'country', '--from', day(2));
is_deeply([ map { [ @$_{qw(country clicks leads sales)} ] } @{ $funnel->{rows} } ],
          [ [ 'DE', 5, 1, 1 ], [ 'JP', 3, 1, 2 ], [ '(none)', 1, 0, 0 ] ],
          'by the country of the click');
is($funnel->{open_since}, day(2), 'open since');
is_deeply([ @{ $funnel->{total} }{qw(clicks leads sales)} ], [ 9, 2, 3 ], 'the sums');

# a counter has room for so many values; conversions have room for all

my @crowd = ('HINCRBY', 'ref:day:{shop}:' . day(1), 'channel:other');

$t->redis(@crowd, 1);
like("@{ j('funnel', 'shop', '--by', 'channel')->{notes} }",
     qr/"other": clicks of values of channel beyond/, 'clicks of other channels');
$t->redis(@crowd, -1);

for my $by (qw(channel variant device segment)) {
    my $total = j('funnel', 'shop', '--by', $by, '--from', day(45))->{total};

    is_deeply([ @$total{qw(clicks leads sales)} ], [ 12, 3, 4 ], "$by adds up");
}

is_deeply([ map { [ @$_{qw(link clicks leads sales)} ] }
            @{ j('funnel', 'shop', '--by', 'link')->{rows} } ],
          [ [ 'aiko7', 6, 2, 4 ], [ 'ken42', 6, 1, 0 ] ], 'links');
is_deeply([ map { [ @$_{qw(referrer clicks leads sales leads_percent)} ] }
            @{ j('funnel', 'shop', '--by', 'referrer')->{rows} } ],
          [ [ 'aiko', 6, 2, 4, 33.3 ], [ 'ken', 6, 1, 0, 16.7 ] ], 'referrers');
is(r('funnel', 'shop', '--by', 'link', '--from', day(2)), 2, 'not of some days');
like($err, qr/of all time: leave out --from/, 'says so');
is(r('funnel', 'shop', '--from', day(-1)), 2, 'days to come');

# a code that was typed has no click; it stands at its own day

append(event('lead', 'l9', 4, customer => 'zoe', code => 'ken42'));
settle();
$funnel = j('funnel', 'shop', '--from', day(4), '--to', day(4));
is_deeply([ @{ $funnel->{rows}[0] }{qw(clicks leads leads_percent sales)} ],
          [ 0, 1, undef, 0 ], 'a code that was typed');
like("@{ $funnel->{notes} }", qr/a code that was typed has no click/, 'is told');

# a referrer who was forgotten is a number; the sums stay

is(r('forget', '--customer', 'ken', '--program', 'shop'), 0, 'ken is forgotten');
is_deeply([ map { [ @$_{qw(referrer leads)} ] }
            @{ j('top', 'shop', '--of', 'leads', '--by', 'referrers') } ],
          [ [ 'aiko', 2 ], [ 'u6', 2 ] ], 'on a board');
is_deeply([ map { [ @$_{qw(referrer leads)} ] }
            @{ j('funnel', 'shop', '--by', 'referrer')->{rows} } ],
          [ [ 'aiko', 2 ], [ 'ken', 0 ], [ 'u6', 2 ] ], 'and beside the clicks');

done_testing;
