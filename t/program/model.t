# protects: what is counted of conversions: the decision in C against the slow
# plain model of "ledger audit", on random streams, and for every order in which
# the events of an order may come

use strict;
use warnings;

use FindBin;
use IPC::Open2;
use List::Util qw(max);
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
my ($answers, $questions);

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

    @$_ = changed(@$_) for grep { @$_ > 3 && rand() < 0.5 } @streams;

    my @got = settle(@streams);

    for my $i (0 .. $#streams) {
        my $want = model(@{ $streams[$i] });

        # when a day's board ends is the settler's own: it is left out where
        # entries come late

        if ($streams[$i][-1]{time} > $T + 8 * $DAY) {
            delete @$_{grep { /^ref:board:.*-\d\d\t/ } keys %$_} for $got[$i],
                                                                    $want;
        }

        next if is(encode($got[$i]), encode($want), "round $i");

        differences($got[$i], $want);
        write_file('build/unit/model.ndjson', dump_text(@{ $streams[$i] }));
        diag('the stream: build/unit/model.ndjson');
        last;
    }
};


subtest 'how fast' => sub {
    my @facts = map { freeze(random_events(), 'bound,click,code', $_) }
                    1 .. 999;
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


# the same stream of another program: the terms change in the midst, friends
# lapse, entries come very late, and clicks have more words

sub changed {
    my (@facts) = @_;

    my ($rules, @rest) = @facts;
    my %again = (%$rules, version => 2, time => $rest[$#rest / 2]{time},
                 transitions => join(',', $T . ':-' . int rand 700),
                 bind => (qw(ever window))[rand 2],
                 window => 86_400 * (1 + int rand 9));
    my $slow = int rand(3) * rand 20 * $DAY;
    my $n = 0;

    $rules->{late} = 86_400 * (1 + int rand 9);
    $rules->{bind} = (qw(ever window))[rand 2];
    $rules->{window} = 86_400 * (1 + int rand 4);
    splice @rest, $#rest / 2, 0, \%again;

    for my $f ($rules, @rest) {
        $f->{position} = ++$n;
        $f->{time} += $n * $slow;

        next if $f->{type} eq 'rules' || $f->{via} !~ /^(?:click|code)$/;

        $f->{channel} = ('', qw(mail -x))[rand 3];
        $f->{variant} = ('', 'b')[rand 2];
        $f->{click} = "click$n" if $f->{via} eq 'click';
    }

    return $rules, @rest;
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

    local $ENV{PYTHONDONTWRITEBYTECODE} = 1;

    open2($answers, $questions, qw(/usr/bin/python3 t/lib/ledger_model.py))
        if !$questions;

    print $questions dump_text(@facts), "\n";
    $questions->flush;

    my @lines;

    while (defined(my $line = readline $answers)) {
        return state(@lines) if $line eq "\n";
        push @lines, $line;
    }

    die "ledger_model.py ended\n";
}


sub state {
    return { map { chomp;
                   my ($key, $field, $value) = split /\t/, $_, -1;
                   ("$key\t$field" => $value) } @_ };
}


# --- the C ---

# what it makes of each of these streams

sub settle {
    my (@streams) = @_;

    write_file('build/unit/settle.ndjson',
               join "\n", map { dump_text(@$_) } @streams);

    my $text = `$tool < build/unit/settle.ndjson 2>&1`;

    die "settle_tool: $text" if $? != 0;

    return map { state(split /\n/) } split /^\n/m, $text;
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
