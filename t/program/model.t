# protects: what is counted of conversions: the decision in C against a slow
# plain model, on random streams, and for every order in which the events of an
# order may come

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use FindBin;
use List::Util qw(max min);
use POSIX qw(floor strftime);
use Test::More;

use lib "$FindBin::Bin/../lib";
use Referral::Facts qw($T $DAY @NAMES @zone random_events freeze dump_text);
use Sources qw(sources includes);

chdir "$FindBin::Bin/../.." or die "chdir: $!";

my $seed = $ENV{TEST_SEED} // time;
my $rounds = $ENV{TEST_ROUNDS} // 300;

srand $seed;
diag("TEST_SEED=$seed");

my $tool = build();

subtest 'every order of arrival' => sub {
    my %hour = (lead => 0, sale => 30, part => 40, total => 70, update => 90,
                cancel => 120, lead2 => 20, close => 150);

    my @lists = (
        [ qw(lead sale part total) ],
        [ qw(sale part total update) ],
        [ qw(lead sale part update cancel) ],
        [ qw(lead sale part total update cancel) ],
        [ qw(lead lead2 sale close part) ],
    );

    # who has a touch, and whether times go with the words or against them

    for my $list (@lists) {
        for my $touched ('all', 'lead', 'sale', 'part', 'none') {
            for my $times ('as said', 'reversed', 'random', 'known') {
                next if @$list > 5 && $touched ne 'all' && $times ne 'random';

                my %at = map { $_ => $T + 3_600_000 * $hour{$_} } @$list;
                my @reversed = reverse @$list;

                @at{@$list} = @at{@reversed} if $times eq 'reversed';
                @at{@$list} = map { $T + int rand 6 * $DAY } @$list
                    if $times eq 'random';

                my @events = map {
                    event($_, $at{$_},
                          $touched eq 'all' || $touched eq $_ ? 'aiko4' : '',
                          $times eq 'known' && $_ eq 'lead')
                } @$list;

                same($list, $touched, $times, @events);
            }
        }
    }
};


subtest 'random streams' => sub {
    my @streams = map { [ freeze(random_events(), $_ % 3 == 0
                                 ? 'code,bound,click' : 'bound,click,code') ] }
                      1 .. $rounds;
    my @got = settle(@streams);

    for my $i (0 .. $#streams) {
        my $want = model(@{ $streams[$i] });

        next if is(encode($got[$i]), encode($want), "round $i");

        differences($got[$i], $want);
        write_file('build/unit/model.ndjson', dump_text(@{ $streams[$i] }));
        diag('the stream: build/unit/model.ndjson');
        last;
    }
};


subtest 'how fast' => sub {
    my @facts = map { freeze(random_events(), 'bound,click,code', $_) } 1 .. 999;
    my $n = 0;

    $_->{position} = ++$n for @facts;

    write_file('build/unit/rate.ndjson', dump_text(@facts));

    my $rate = `$tool --rate < build/unit/rate.ndjson 2>&1`;

    like($rate, qr/^\d+$/, 'it is measured');
    diag("$n facts, $rate facts a second");
};

done_testing;


# --- the streams ---

sub event {
    my ($what, $at, $code, $known) = @_;

    my %e = (type => $what =~ s/\d//r, at => $at, customer => 1, touch => $code,
             known => $known ? 1 : 0);

    $e{type} = 'refund' if $what eq 'part' || $what eq 'total';
    $e{type} = 'cancel' if $what eq 'close';
    $e{order} = 'o1' if $what !~ /^(?:lead|close)/;
    @e{qw(amount unit)} = (1000, 'EUR') if $what eq 'sale';
    @e{qw(amount unit)} = (250, 'EUR') if $what eq 'part';
    @e{qw(refunded unit)} = (400, 'EUR') if $what eq 'total';
    @e{qw(amount unit)} = (700, 'EUR') if $what eq 'update';

    return \%e;
}


# all permutations end in one state, and that is the model's

sub same {
    my ($list, $touched, $times, @events) = @_;

    my @orders = permutations(0 .. $#events);
    my @streams = map { [ freeze([ @events[@$_] ], 'bound,click,code') ] }
                      @orders;
    my @got = map { unplaced($_) } settle(@streams);
    my $want = unplaced(model(@{ $streams[0] }));
    my ($bad) = grep { encode($got[$_]) ne encode($want) } 0 .. $#got;

    if (defined $bad) {
        differences($got[$bad], $want);
        $bad = "@$list[@{ $orders[$bad] }]";
    }

    is($bad, undef, @orders . " orders of @$list; touched: $touched;"
                    . " times: $times");
}


sub permutations {
    my (@list) = @_;

    return [] if !@list;

    return map {
        my $i = $_;
        my @rest = @list;
        my ($one) = splice @rest, $i, 1;
        map { [ $one, @$_ ] } permutations(@rest);
    } 0 .. $#list;
}


# where the sale stands in the stream is no part of what it counts

sub unplaced {
    my ($state) = @_;

    return { map {
        my $value = $state->{$_};
        $value =~ s/^(\d+) \d+ /$1 N / if /^ref:order:/;
        ($_ => $value);
    } keys %$state };
}


# --- the model: all of it again, from all the facts ---

sub model {
    my (@facts) = @_;

    my (%friend, %order, %state);

    for my $f (@facts) {
        if ($f->{type} eq 'rules') {
            $state{"ref:rules:{p}\t$f->{version}"} = $f->{position};
            next;
        }

        push @{ $friend{$f->{friend}} }, $f if $f->{friend} ne '';
        push @{ $order{$f->{order}} }, $f
            if $f->{order} ne '' && $f->{type} =~ /^(?:sale|refund|update|cancel)$/;
    }

    my %is = map { $_ => person($_, $friend{$_}, \%state) } keys %friend;

    order($_, $order{$_}, \%is, \%state) for keys %order;

    for my $n (keys %is) {
        my $key = "ref:friend:{p}:$n\torders_open";

        $state{$key} = $is{$n}{orders} if $is{$n}{orders};
    }

    delete @state{grep { $state{$_} eq '0' && !/friend|order|rules/ } keys %state};

    return \%state;
}


sub person {
    my ($n, $facts, $state) = @_;

    my %p = (n => $n, orders => 0);
    my ($binding) = grep { $_->{via} ne 'none' } @$facts;
    my @money = grep { $_->{type} eq 'lead' || $_->{amount} ne ''
                       || $_->{refunded} ne '' } @$facts;
    my @leads = grep { $_->{type} eq 'lead' } @$facts;
    my $key = "ref:friend:{p}:$n\t";

    $p{first} = earliest(@money);
    $p{known} = earliest(grep { $_->{known} } @$facts);
    $p{lead} = earliest(grep { !$_->{self} } @leads);
    $p{closed} = [ sort { $a <=> $b } map { $_->{at} }
                   grep { $_->{type} eq 'cancel' && $_->{order} eq '' } @$facts ];

    # only a touch that came after the binding, or made it

    if ($binding) {
        my ($bound, $last) = (0);

        for my $f (@$facts) {
            $bound ||= $f == $binding;
            next if !$bound || $f->{via} eq 'none';

            $p{bound} = $f->{at} if $f->{first} ne ''
                                    && $f->{at} < ($p{bound} // 9e18);
        }

        $p{binding} = $binding;
        $p{counts} = !(defined $p{first} && $p{first} < $p{bound})
                     && !(defined $p{known} && $p{known} <= $p{bound});

        my $credit = credit(\%p, $binding, 1);

        count($state, $p{counts} ? 'friends' : 'known', $p{bound}, $credit, 1);

        $state->{"${key}referrer"} = $binding->{referrer};
        $state->{"$key$_"} = $binding->{$_}
            for grep { $binding->{$_} ne '' } qw(code via country device);
        $state->{"${key}segment"} = $binding->{referrer_segment}
            if $binding->{referrer_segment} ne '';
        $state->{"${key}click_at"} = moment($binding->{click_at})
            if $binding->{via} ne 'code';
        $state->{"${key}bound_at"} = moment($p{bound});

        for my $f (@$facts) {
            $last = $f if $f->{via} ne 'none' && $f->{via} ne 'bound'
                          && other($f, $binding);
        }

        $state->{"${key}last_credit"} = inline($last) if $last;
    }

    count($state, $p{counts} ? 'leads' : 'unattributed', $p{lead},
          $p{counts} ? credit(\%p, $binding, 1) : undef, 1)
        if defined $p{lead};

    count($state, 'self', $_->{at}, undef, 1) for grep { $_->{self} } @leads;

    $state->{"${key}state"} = !$binding ? 'seen' : $p{counts} ? 'joined' : 'known';
    $state->{"${key}first_at"} = moment($p{first}) if defined $p{first};
    $state->{"${key}known_at"} = moment($p{known}) if defined $p{known};
    $state->{"${key}lead_at"} = moment($p{lead}) if defined $p{lead};

    splice @{ $p{closed} }, 8;
    $state->{"${key}closed_at"} = join ',', map { moment($_) } @{ $p{closed} }
        if @{ $p{closed} };

    my %step;

    for my $f (grep { $_->{type} =~ /^(?:install|verify)$/ } @$facts) {
        $step{$f->{type}} = min($f->{at}, $step{$f->{type}} // 9e18);
    }

    $state->{"${key}step:$_"} = moment($step{$_}) for keys %step;
    $state->{"${key}steps_seen"} = keys %step if %step;

    return \%p;
}


sub order {
    my ($id, $facts, $is, $state) = @_;

    my $digest = sha256_hex($id);
    my $key = 'ref:order:{p}:' . substr($digest, 0, 3) . "\t"
              . substr($digest, 3, 22);
    my ($sale, @again) = grep { $_->{type} eq 'sale' } @$facts;
    my @cancels = sort { $a <=> $b }
                  map { $_->{at} } grep { $_->{type} eq 'cancel' } @$facts;
    my $own = $sale ? $sale->{unit} : '';
    my ($updated, %update, @events);

    for my $f (@$facts) {
        if ($f->{type} eq 'update') {
            my $old = $update{$f->{unit}};

            $update{$f->{unit}} = $f
                if !$old || $f->{at} > $old->{at}
                   || $f->{at} == $old->{at} && $f->{amount} < $old->{amount};
        }

        next if $f->{type} ne 'refund';

        push @events, [ $f->{at}, 'p', $f->{amount}, $f->{unit} ]
            if $f->{amount} ne '' && $f->{amount} > 0;
        push @events, [ $f->{at}, 't', $f->{refunded}, $f->{unit} ]
            if $f->{refunded} ne '' && $f->{refunded} > 0;
    }

    my $total = $sale ? $sale->{amount} : '-';

    if ($sale && $update{$own}) {
        ($updated, $total) = @{ delete $update{$own} }{qw(at amount)};
    }

    push @events, map { [ $_->{at}, 'u', $_->{amount}, $_->{unit} ] }
                  values %update;
    $_->[3] = '' for grep { $_->[3] eq $own } @events;
    @events = sort { $a->[0] <=> $b->[0] || $a->[1] cmp $b->[1]
                     || $a->[2] <=> $b->[2] || length($a->[3]) <=> length($b->[3])
                     || $a->[3] cmp $b->[3] } @events;

    # what refunds took, day by day

    my ($sum, $most, $taken, @days) = (0, 0, 0);
    my $person = $sale && $is->{$sale->{friend}};
    my $end = $cancels[0];

    if ($sale && $person->{binding}) {
        my ($closed) = grep { $_ >= $sale->{at}
                              && $_ - $person->{bound} <= 400 * $DAY }
                       @{ $person->{closed} };

        $end = $closed if defined $closed && $closed < ($end // 9e18);
    }

    my $shut = 0;

    if ($sale) {
        for my $e (grep { $_->[1] ne 'u' && $_->[3] eq '' } @events) {
            if (defined $end && !$shut && $e->[0] > $end) {
                push @days, $end if $total > $taken;
                ($taken, $shut) = ($total, 1);
            }

            $sum += $e->[2] if $e->[1] eq 'p';
            $most = max($most, $e->[2]) if $e->[1] eq 't';

            my $now = min($total, max($sum, $most));

            if ($now > $taken) {
                push @days, $e->[0];
                $taken = $now;
            }
        }

        if (defined $end && !$shut) {
            push @days, $end if $total > $taken;
            $taken = $total;
        }
    }

    my $credit = '-';

    if ($sale) {
        $person->{orders}++;
        $state->{"ref:friend:{p}:$sale->{friend}\torder:"
                 . substr($digest, 0, 25)} = '';

        my ($whose, $from) = ('=', $person->{binding});

        if ($sale->{via} ne 'none' && other($sale, $from)) {
            $from = $sale;
            $whose = inline($sale);
        }

        $credit = $whose;

        if ($sale->{self}) {
            count($state, 'self', $sale->{at}, undef, 1);

        } elsif (!$person->{counts}) {
            count($state, 'unattributed', $sale->{at}, undef, 1);

        } else {
            my $c = credit($person, $from, $from == $person->{binding});

            count($state, 'sales', $sale->{at}, $c, 1);
            count($state, "amount:$own", $sale->{at}, $c, $total - $taken);
            count($state, 'refunds', $_, $c, 1) for @days;
        }
    }

    my $flags = ($sale && $sale->{self} ? 's' : '') . (@again ? 'a' : '')
                . ($sale && max($sum, $most) > $total ? 'x' : '')
                . ($sale ? 'o' : '');

    $state->{$key} = join ' ',
        $sale ? ($sale->{friend}, $sale->{position}, moment($sale->{at}), $total,
                 $own) : ('-', '-', '-', '-', '-'),
        $most, $sum, defined $updated ? moment($updated) : '-',
        @cancels ? moment($cancels[0]) : '-', $credit, $flags || '-',
        map { $_->[1] . moment($_->[0]) . ":$_->[2]"
              . ($_->[3] ne '' ? ":$_->[3]" : '') } @events;
}


# is it another link, or another click, than that of the binding?

sub other {
    my ($f, $binding) = @_;

    return $f->{code} ne $binding->{code}
           || $f->{via} eq 'click' && $binding->{via} eq 'click'
              && $f->{click_at} != $binding->{click_at};
}


sub earliest { @_ ? min(map { $_->{at} } @_) : undef }


# the offset that holds, and the day

sub minutes {
    my ($ms) = @_;

    my ($found) = ($zone[0]);

    $found = $_ for grep { $_->[0] <= $ms } @zone;

    return $found->[1];
}


sub moment { my ($ms) = @_; return "$ms+" . minutes($ms) }


sub day {
    my ($ms) = @_;

    return strftime('%Y-%m-%d',
                    gmtime(floor(($ms + 60_000 * minutes($ms)) / 1000)));
}


sub credit {
    my ($p, $f, $binding) = @_;

    return {
        code => $f->{code}, referrer => $f->{referrer},
        click => day($binding && $f->{via} eq 'code' ? $p->{bound}
                                                     : $f->{click_at}),
        words => { country => $f->{country}, device => $f->{device},
                   segment => $f->{referrer_segment} },
    };
}


sub inline {
    my ($f) = @_;

    return join ',', $f->{referrer}, $f->{code}, moment($f->{click_at}),
        map { $_ eq '' ? '-' : $_ } $f->{country}, '', '', $f->{device},
                                    $f->{referrer_segment};
}


sub count {
    my ($state, $name, $at, $credit, $n) = @_;

    my $day = day($at);
    my $add = sub { $state->{"ref:$_[0]\t$_[1]"} += $n };
    my @hashes = ('stats:{p}', "day:{p}:$day");

    push @hashes, "stats:{p}:$credit->{code}", "cohort:{p}:$credit->{click}"
        if $credit;

    $add->($_, $name) for @hashes;
    $add->("days:$name:{p}", $day) if $name =~ /^(?:leads|sales)$/;

    return if !$credit;

    $add->("progress:{p}:$credit->{referrer}", $name) if $name ne 'known';

    if ($name =~ /^(?:leads|sales)$/) {
        for my $word (grep { $credit->{words}{$_} ne '' }
                           keys %{ $credit->{words} })
        {
            $add->($_, "$name:$word:$credit->{words}{$word}") for @hashes;
        }
    }

    if ($name =~ /^(?:leads|sales|amount:)/) {
        $add->("board:{p}:$name", $credit->{code});
        $add->("board:{p}:$name:$day", $credit->{code});
        $add->("board:{p}:referrers:$name", $credit->{referrer});
        $add->("board:{p}:referrers:$name:" . substr($day, 0, 7),
               $credit->{referrer});
    }
}


# --- the C ---

# what it makes of each of these streams

sub settle {
    my (@streams) = @_;

    write_file('build/unit/settle.ndjson',
               join "\n", map { dump_text(@$_) } @streams);

    my $text = `$tool < build/unit/settle.ndjson 2>&1`;

    die "settle_tool: $text" if $? != 0;

    my @states;

    for my $part (split /^\n/m, $text) {
        my %state;

        for my $line (split /\n/, $part) {
            my ($key, $field, $value) = split /\t/, $line, -1;
            $state{"$key\t$field"} = $value;
        }

        push @states, \%state;
    }

    return @states;
}


sub encode { join "\n", map { "$_\t$_[0]{$_}" } sort keys %{ $_[0] } }


sub differences {
    my ($got, $want) = @_;

    for my $key (sort keys %{ { %$got, %$want } }) {
        my ($g, $w) = map { $_->{$key} // '(none)' } $got, $want;

        diag("$key: got $g, expected $w") if $g ne $w;
    }
}


sub write_file {
    my ($path, $text) = @_;

    open my $f, '>', $path or die "$path: $!";
    print $f $text;
    close $f or die "$path: $!";
}


sub build {
    my $out = 'build/unit/settle_tool';
    my @sources = ('t/unit/settle_tool.c', sources('referral_*.c'));

    @sources = grep { m{t/unit/|src/program/}
                      || m{/referral_(?:str|time|hash|name)\.c$} } @sources;

    system('mkdir', '-p', 'build/unit') == 0 or die 'mkdir';

    my $newest = max map { (stat $_)[9] } @sources, sources('*.h');

    if (!-e $out || (stat $out)[9] < $newest) {
        my @command = ($ENV{CC} // 'gcc', qw(-std=gnu11 -D_FILE_OFFSET_BITS=64
                       -O2 -g -Wall -Wextra -Werror), includes(), @sources,
                       '-lcrypto', '-o', $out);

        system(@command) == 0 or die "@command";
    }

    return $out;
}
