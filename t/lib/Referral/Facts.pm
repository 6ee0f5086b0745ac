package Referral::Facts;

# Streams of facts: what shops may send, in any order, and what the append
# script makes of it.
#
#   my @facts = freeze(random_events(), 'bound,click,code');
#
# Each is a hash, "position" its place in the stream; fact_words() has its names
# and values in the order in which they are written.

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(shuffle);

our @EXPORT_OK = qw($T $DAY @NAMES @zone random_events freeze dump_text
                    fact_words);

# a zone that is an hour ahead, then two

our $T = 1_795_000_000_000;
our $DAY = 86_400_000;
our @zone = ([ $T - 400 * $DAY, 60 ], [ $T + 3 * $DAY + 5_000_000, 120 ]);

our @NAMES = qw(type event who time at given trust friend order amount unit
               refunded quantity product role parties segment order_at new via
               referrer referrer_who code click click_at referrer_segment
               referrer_state program_state known self first first_at last
               last_at channel variant device country city place x signals
               fp);


sub random_events {
    my @events;

    for my $customer (1 .. 1 + int rand 6) {
        my @codes = ('', '', map { "code" . int rand 4 } 1 .. 3);
        my $now = $T + int rand 5 * $DAY;

        for (1 .. int rand 3) {
            push @events, { type => ('lead', 'install', 'verify')[rand 3],
                            at => $now + int rand 2 * $DAY };
        }

        for my $order (1 .. int rand 4) {
            my $id = "o$customer-$order";
            my $unit = rand() < 0.8 ? 'EUR' : 'JPY';
            my @kinds = map { (qw(sale sale refund refund refund total update
                                  cancel))[rand 8] } 1 .. 1 + int rand 7;

            for my $kind ('sale', @kinds) {
                my %e = (type => $kind, order => $id,
                         at => $now + int rand 4 * $DAY);

                $e{unit} = rand() < 0.9 ? $unit : 'USD';

                # at most 144 of them in a stream: a board counts up to 2^53,
                # and takes from there if it would have been above

                $e{amount} = int rand(rand() < 0.1 ? 2 ** 45 : 2000);

                if ($kind eq 'total') {
                    $e{type} = 'refund';
                    $e{refunded} = delete $e{amount};
                }

                delete @e{qw(unit amount)} if $kind eq 'cancel';
                push @events, \%e;
            }
        }

        push @events, { type => 'cancel', at => $now + int rand 5 * $DAY }
            if rand() < 0.2;

        for my $e (grep { !$_->{customer} } @events) {
            $e->{customer} = $customer;
            $e->{touch} //= $codes[rand @codes];
            $e->{self} = rand() < 0.05 ? 1 : 0;
            $e->{known} = rand() < 0.05 ? 1 : 0;

            # a shop may not say whose order it is

            delete @$e{qw(customer touch)}
                if $e->{order} && $e->{type} ne 'sale' && rand() < 0.5;
            $e->{customer} //= 0;
        }
    }

    return [ shuffle @events ];
}


# what the append script makes of events in the order in which they come

sub freeze {
    my ($events, $order, $salt) = @_;

    my (%bound, @facts);
    my $n = 1;

    $salt //= '';

    push @facts, {
        position => 1, type => 'rules', time => $T, version => 1, engine => 1,
        transitions => join(',', map { "$_->[0]:$_->[1]" } @zone),
        window => 2_592_000, late => 5_184_000, bind => 'ever',
    };

    for my $e (@$events) {
        my %f = map { $_ => '' } @NAMES;

        $n++;
        %f = (%f, position => $n, type => $e->{type}, event => "e$n",
              time => $T + 6 * $DAY + $n, at => $e->{at}, given => 1,
              trust => 'signed', via => 'none',
              known => $e->{known} // 0, self => $e->{self} // 0);
        $f{friend} = "$e->{customer}$salt" if $e->{customer};
        $f{order} = "$e->{order}$salt" if defined $e->{order};
        $f{$_} = $e->{$_} // '' for qw(amount unit refunded);

        my $old = $bound{$e->{customer}};
        my $touch = $e->{touch};

        # a touch of its own, whatever the event is credited to

        @f{qw(first first_at)} = ($touch, $T - $DAY) if $touch;

        for my $way (split /,/, $order) {
            if ($way eq 'bound' && $old) {
                @f{qw(via referrer code)} = ('bound', @$old);
                last;
            }

            if ($way ne 'bound' && $touch) {
                my $digit = $touch =~ /(\d)$/ ? $1 : 7;

                next if $way eq 'code' && $digit % 2 == 0;
                next if $way eq 'click' && $digit % 2;

                @f{qw(via referrer code click_at country device
                      referrer_segment)}
                    = ($way, 100 + $digit, $touch,
                       $way eq 'code' ? $e->{at} : $T - ($digit + 1) * $DAY,
                       ('JP', 'DE', '')[$digit % 3], 'mobile',
                       $digit % 2 ? 'vip' : '');
                last;
            }
        }

        $bound{$e->{customer}} //= [ @f{qw(referrer code)} ]
            if $f{via} ne 'none';

        push @facts, \%f;
    }

    return @facts;
}


# names and values as they stand in the stream

sub fact_words {
    my ($f) = @_;

    my @names = $f->{type} eq 'rules'
                ? qw(type time version engine transitions window late bind)
                : @NAMES;

    return map { ($_, "$f->{$_}") } @names;
}


sub dump_text {
    return join '', map {
        qq{["$_->{position}-0",[}
        . join(',', map { qq{"$_"} } fact_words($_)) . "]]\n";
    } @_;
}


1;
