# protects: that the counts do not depend on the order in which a shop sends
# what happened to an order: each order of arrival, from nginx to the settler

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Settler;

use JSON::PP;
use POSIX qw(floor strftime);
use Time::HiRes qw(time);

my @KINDS = qw(lead sale part total update);

my $json = JSON::PP->new->canonical;
my $now = floor(time * 1000);
my $day = strftime('%Y-%m-%d', gmtime($now / 1000 - 60));

# an order's life, a second between its moments

my %at = map { $KINDS[$_] => $now - 60_000 + 1000 * $_ } 0 .. $#KINDS;

# all in one day, whatever the time of it

%at = map { $_ => $at{$_} - 3_600_000 } keys %at
    if strftime('%d', gmtime($now / 1000 - 60)) ne strftime('%d', gmtime);

my $t = Referral->new;

$t->link('shop', 'aiko7', referrer => 'aiko');
$t->link('shop', 'ben22', referrer => 'ben');
$t->program('shop', state => 'active');
$t->config(server => <<'END');
    referral_program shop;
    referral_landing "https://shop.example.com/";

    location /r/ {
        referral;
    }

    location /inside {
        referral_convert;
        referral_convert_auth location;
        allow 127.0.0.1;
        deny all;
    }
END
$t->start;

my $click = $t->get('/r/aiko7')->location =~ /click_id=([0-9a-f-]{36})/
            ? $1 : '';

ok($click, 'a click');
ok((wait_for { grep { $t->redis('HEXISTS', $_, $click) }
                    @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') } }),
   'which is in Redis');

# who comes with what: each event that has a customer has it, or the lead or
# the sale alone

for my $case ([ 'a click', 'click_id', $click, qw(lead sale) ],
              [ 'a code', 'code', 'ben22', qw(lead sale) ],
              [ 'a click with the lead', 'click_id', $click, 'lead' ],
              [ 'a code with the lead', 'code', 'ben22', 'lead' ])
{
    my ($name, $field, $value, @with) = @$case;

    subtest $name => sub {
        arrivals($name =~ s/\W//gr, sub {
            my ($kind) = @_;

            return (grep { $_ eq $kind } @with) ? ($field => $value) : ();
        });
    };
}

done_testing;


# 120 orders, each in an order of arrival of its own; they come in five bodies

sub arrivals {
    my ($prefix, $touch) = @_;

    my @orders = permutations(@KINDS);
    my $before = $t->hgetall('ref:stats:{shop}');

    for my $place (0 .. $#KINDS) {
        my @body = map { event("$prefix$_", $orders[$_][$place], $touch) }
                   0 .. $#orders;
        my $r = $t->request('POST', '/inside', body => $json->encode(\@body),
                            headers => [ 'Content-Type', 'application/json' ]);

        is(scalar(grep { $_->{status} == 200 }
                       @{ $json->decode($r->body)->{results} }),
           scalar(@orders), 'all are taken: ' . ($place + 1)) or diag($r->body);
    }

    is(Referral::Settler::run($t, '--once'), 0, 'they are settled');
    is(Referral::Settler::run($t, '--replay', '--program', 'shop'), 0,
       'a replay has the same');

    my (%friends, %values);

    for my $i (0 .. $#orders) {
        my ($friend, $order) = stands("$prefix$i");

        push @{ $friends{$friend} }, $i;
        push @{ $values{$order} }, $i;
    }

    one("$prefix: friends", \%friends, @orders);
    one("$prefix: orders", \%values, @orders);

    # what is left of an order: 700 - max(250, 400); both refunds took some

    my $after = $t->hgetall('ref:stats:{shop}');
    my $n = @orders;

    my %want = (leads => $n, sales => $n, friends => $n, refunds => 2 * $n,
                'amount:EUR' => 300 * $n, unattributed => 0, known => 0);

    for my $counter (sort keys %want) {
        is(($after->{$counter} // 0) - ($before->{$counter} // 0),
           $want{$counter}, "$counter: all of them alike");
    }
}


sub event {
    my ($i, $kind, $touch) = @_;

    my %e = (event_id => "$kind-$i", type => $kind, order_id => "o-$i",
             at => moment($at{$kind}), $touch->($kind));

    if ($kind eq 'part' || $kind eq 'total') {
        $e{type} = 'refund';
    }

    $e{customer} = "c-$i" if $kind eq 'lead' || $kind eq 'sale';
    delete $e{order_id} if $kind eq 'lead';
    $e{currency} = 'EUR' if $kind ne 'lead';
    $e{amount} = { sale => 1000, part => 250, update => 700 }->{$kind}
        if $kind =~ /^(?:sale|part|update)$/;
    $e{total_refunded} = 400 if $kind eq 'total';

    return \%e;
}


sub moment {
    my ($ms) = @_;

    return strftime('%Y-%m-%dT%H:%M:%S', gmtime(floor($ms / 1000)))
           . sprintf('.%03dZ', $ms % 1000);
}


# a friend and its order as they stand in Redis, without numbers

sub stands {
    my ($i) = @_;

    my ($n) = split ' ', $t->redis('HGET', 'ref:person:{shop}', "c-$i");
    my $friend = $t->hgetall("ref:friend:{shop}:$n");
    my ($place) = map { /^order:(.*)/ ? $1 : () } keys %$friend;

    delete $friend->{"order:$place"} if defined $place;

    my $order = defined $place
                ? $t->redis('HGET', 'ref:order:{shop}:' . substr($place, 0, 3),
                            substr($place, 3)) : '(none)';

    $order =~ s/^\d+ \d+ /N N /;

    return (join(' ', map { "$_=$friend->{$_}" } sort keys %$friend), $order);
}


sub one {
    my ($name, $values, @orders) = @_;

    return if is(scalar(keys %$values), 1, "$name end in one state");

    for my $value (sort keys %$values) {
        my $i = $values->{$value}[0];

        diag(scalar(@{ $values->{$value} }) . " of them, as @{ $orders[$i] }:"
             . "\n    $value");
    }
}


sub permutations {
    my (@list) = @_;

    return [] if !@list;

    return map {
        my @rest = @list;
        my ($one) = splice @rest, $_, 1;
        map { [ $one, @$_ ] } permutations(@rest);
    } 0 .. $#list;
}
