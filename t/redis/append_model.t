# protects: who an event is credited to, in any mixture of clicks, cookies,
# codes, bindings and settings: the script and a plain model say the same of
# every field

use strict;
use warnings;
no warnings 'portable';

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(sha1_hex sha256_hex);
use List::Util qw(min shuffle);
use POSIX qw(strftime);
use Referral;
use Referral::Append;

use constant { MINUTE => 60_000, HOUR => 3600_000, DAY => 86400_000 };

my $t = Referral->new;
my $a = Referral::Append->new($t);

my $NOW = int(time) * 1000;
my $SEED = 'fedcba9876543210' x 2;
my $seed = $ENV{TEST_SEED} // time;

srand $seed;
note("TEST_SEED=$seed");

my @CODES = map { "l$_" } 0 .. 7;
my @PEOPLE = map { "p$_" } 0 .. 9;
my @SAME = qw(type trust order amount unit refunded quantity role segment
              order_at new place city);
my %FIELD = (order => 'order_id', unit => 'currency', place => 'country',
             refunded => 'total_refunded');

my ($program, %link, %referrer, %click, %known, $o);    # what there is
my (%state, @made);                                     # what the model made

for my $round (1 .. 12) {
    world();

    my @events = map { event($_) } 1 .. 250;
    my ($patient, $waited) = (1, 0);
    my (@want, $wrong);

    while (@events) {
        my $journal = (qw(a1 b2))[rand 2] x 16;
        my @batch = splice @events, 0, 1 + int rand 40;
        my $reply = $a->apply({ seed => $SEED, %$o, journal => $journal,
                                patience => [ 0, $patient ? $NOW : 0 ] },
                              @batch);

        if (!ref $reply) {
            $wrong = $reply;
            last;
        }

        my @outcomes;

        while (@batch && !($patient && waits($batch[0]))) {
            push @outcomes, outcome(shift @batch);
        }

        $wrong = "outcomes @$reply, not @outcomes"
            if "@$reply[3 .. $#$reply]" ne "@outcomes"
               || $reply->[0] != (@batch ? 2 : 1);
        last if $wrong;

        # what waits is given up at the next try, or its click has come

        $waited += @batch ? 1 : 0;
        $patient = @batch ? 0 : maybe(0.7);

        if (@batch && maybe(0.3)) {
            late_click($batch[0]{click_id});
            $patient = 1;
        }

        unshift @events, @batch;
    }

    is($wrong, undef, "round $round: outcomes, $waited waited");

    my @entries = $a->entries;
    my ($last, $differ) = (0);

    for my $entry (@entries) {
        my $time = delete $entry->{time};
        my $want = shift @made;

        $differ //= "time of $entry->{N}" if $time < $last;
        $last = $time;

        for my $name (sort keys %$want) {
            $differ //= "$name of $entry->{N}: $entry->{$name}, not"
                        . " $want->{$name}"
                if ($entry->{$name} // '-') ne $want->{$name};
        }

        $differ //= "fields of $entry->{N}"
            if join(' ', sort keys %$entry) ne join ' ', sort keys %$want;
    }

    is($differ, undef, "round $round: @{[ scalar @entries ]} entries");
    is(scalar(@made), 0, "round $round: no more of them");
    is_deeply($t->hgetall('ref:person:{shop}'), people(),
              "round $round: people");

    my %claimed = map { %{ $t->hgetall($_) } }
                  @{ $t->redis('KEYS', 'ref:claimed:{shop}:*') };

    is_deeply(\%claimed, $state{claimed}, "round $round: clicks of friends");
    is($t->redis('EXISTS', 'ref:rejects:{shop}')
       ? $t->redis('XLEN', 'ref:rejects:{shop}') : 0, $state{rejects},
       "round $round: $state{rejects} rejected");
}

done_testing;


sub any { return $_[rand @_] }
sub maybe { return rand() < $_[0] }


sub uuid {
    my ($ms, $tail) = @_;

    my $hex = sprintf '%012x7000800000%010x', $ms, $tail;

    return $hex =~ s/^(.{8})(.{4})(.{4})(.{4})(.{12})$/$1-$2-$3-$4-$5/r;
}


sub at_of { hex substr $_[0] =~ s/-//gr, 0, 12 }


sub world {
    $t->redis('FLUSHALL');
    $a->{marks} = {};
    @made = ();
    %state = (claimed => {}, rejects => 0);

    $o = { window => any(3600, 86400), attribution => any('first', 'last') };
    $program = maybe(0.2) ? {} : {
        maybe(0.5) ? (window => any('1h', '3d', '90m', 'x', '0')) : (),
        maybe(0.5) ? (bind => any('window', 'ever', 'Window', '')) : (),
        maybe(0.5) ? (attribution => any('first', 'last', 'FIRST', '?')) : (),
        maybe(0.5) ? (state => any('active', 'paused', 'odd', '')) : (),
        maybe(0.7) ? (attribution_order => join ',', (shuffle(
                      qw(bound click cookie code)))[0 .. rand 4]) : (),
        name => 'x',
    };

    %link = map { $_ => {
        maybe(0.7) ? (referrer => any(@PEOPLE)) : (),
        maybe(0.3) ? (segment => any('vip', 'BAD!', ' gold ')) : (),
        maybe(0.3) ? (state => any('active', 'disabled', 'Active', 'no'))
                   : (),
        landing => 'https://shop.example.com/' } } grep { maybe(0.8) } @CODES;

    %referrer = map { $_ => {
        maybe(0.7) ? (segment => any('star', 'Not One')) : (),
        maybe(0.4) ? (state => any('active', 'disabled', 'banned')) : (),
        name => 'x' } } grep { maybe(0.5) } @PEOPLE, @CODES;

    %known = map { $_ => 1 } grep { maybe(0.2) } @PEOPLE;

    %click = ();

    for my $n (1 .. 60) {
        my $id = uuid($NOW - int rand 5 * DAY, $n);
        my $code = any(@CODES);

        $click{$id} = join ' ', $code, 'V' x 16, '=',
            any('= = =', '- - -', 'l1 x ' . uuid($NOW - 9 * DAY, $n)),
            any('JP', '-'), any('mail', '-'), any('a', '-'),
            any('mobile', '-'),
            maybe(0.3) ? () : (any('=', @PEOPLE), any('-', 'vip'),
                               any('-', '-', 'n', 'u', 'nu'));
    }

    store();
}


sub store {
    my %all = (%$program ? ('ref:program:{shop}' => $program) : (),
               map({ ("ref:link:{shop}:$_" => $link{$_}) } keys %link),
               map({ ("ref:referrer:{shop}:$_" => $referrer{$_}) }
                   keys %referrer));

    $t->redis('HSET', $_, %{ $all{$_} }) for keys %all;

    for my $id (grep { maybe(0.9) || !delete $click{$_} } keys %click) {
        $t->redis('HSET', 'ref:clicks:{shop}:'
                  . strftime('%Y-%m-%dT%H:%M', gmtime(at_of($id) / 1000)),
                  $id, $click{$id});
    }

    for my $who (keys %known) {
        my $digest = sha256_hex($who);

        $t->redis('SADD', 'ref:known:{shop}:' . substr($digest, 0, 3),
                  substr $digest, 3, 22);
    }
}


my @sent;

sub event {
    my ($n) = @_;

    @sent = () if $n == 1;

    # now and then one that was there before, maybe with another meaning

    if (@sent && maybe(0.15)) {
        return { %{ any(@sent) }, maybe(0.5) ? (fp => '0' x 16) : () };
    }

    my @ids = sort keys %click;
    my $type = any(qw(lead sale sale refund update install));
    my %e = (
        type => $type, event_id => "e$n", trust => int rand 4,
        received => $NOW, fp => sprintf('%016x', $n),
        maybe(0.95) ? (customer => maybe(0.4) ? "n$n" : any(@PEOPLE)) : (),
        maybe(0.5) ? (at => $NOW - int rand 8 * DAY) : (),
        maybe(0.4) ? (click_id => maybe(0.7) ? any(@ids)
                                  : uuid($NOW - HOUR, 990 + int rand 10)) : (),
        maybe(0.3) ? (code => any(@CODES)) : (),
        maybe(0.1) ? (new => int rand 2) : (),
        maybe(0.2) ? (parties => join ' ', map { any(@PEOPLE, 'q') } 1 .. 3)
                   : (),
        maybe(0.2) ? (product => 'a b.c') : (),
        maybe(0.2) ? (country => 'DE', city => 'Bonn', 'x.k' => 'v w') : (),
        maybe(0.2) ? (role => 'guest', segment => 'new', quantity => 3) : (),
        maybe(0.2) ? (order_at => $NOW - DAY) : (),
        $type eq 'lead' ? () : (order_id => "o$n", amount => int rand 1e6,
                                currency => 'EUR'),
        $type eq 'refund' ? (total_refunded => 9_007_199_254_740_991) : (),
    );

    if (maybe(0.4)) {
        $e{$_} = any(map({ (split / /, $click{$_})[0] . "/$_" } @ids),
                     any(@CODES) . '/' . uuid($NOW - int rand 5 * DAY,
                                              1000 + $n))
            for qw(first last);
    }

    push @sent, \%e;

    return \%e;
}


# --- the model: one event after the other, as the manual says it ---

sub outcome {
    my ($e) = @_;

    my $had = $state{ids}{$e->{event_id}};

    if ($had) {
        my $same = $had->{fp} eq $e->{fp};

        # the last one that was rejected for this id is not written down again

        if (!$same && ($had->{reject} // '') ne $e->{fp}) {
            $state{rejects}++;
            $had->{reject} = $e->{fp};
        }

        return ($same ? 1 : 2, @$had{qw(n how)});
    }

    my %entry = (model($e), N => ++$state{n});
    my %via = (none => 0, bound => 1, click => 2, cookie => 3, code => 4);
    my $how = $via{$entry{via}} + 8 * $entry{known} + 16 * $entry{self};

    push @made, \%entry;
    $state{ids}{$e->{event_id}} = { fp => $e->{fp}, n => $state{n},
                                    how => $how };

    return (0, $state{n}, $how);
}


sub number {
    my ($who) = @_;

    return $state{people}{$who}{n} //= do {
        $state{name}[++$state{next}] = $who;
        $state{next};
    };
}


sub people {
    return { map {
        my $p = $state{people}{$_};

        ($_ => join ' ', $p->{n}, $p->{bound} ? @{ $p->{bound} } : ())
    } keys %{ $state{people} } };
}


sub window {
    my %says = ('1h' => HOUR, '3d' => 3 * DAY, '90m' => 90 * MINUTE);

    return $says{$program->{window} // ''} // 1000 * $o->{window};
}


sub word { ($_[0] // '') =~ /^\s*([a-z0-9_.-]+)\s*$/ ? $1 : '' }


sub own_segment { word(($referrer{$_[0]} // {})->{segment}) }


sub now_of {
    my ($code) = @_;

    my $l = $link{$code} or return;
    my $who = $l->{referrer} // $code;

    return { who => $who, code => $code,
             segment => word($l->{segment})
                        || own_segment($who),
             active => (($l->{state} // 'active') =~ /^active$/i) ? 1 : 0 };
}


sub of_click {
    my ($id) = @_;

    my @w = split ' ', $click{$id} // return;
    my $now = now_of($w[0]);
    my $frozen = @w > 10 && $w[12] !~ /u/;

    return if !$frozen && !$now;

    my %touch = (code => $w[0], id => $id, at => at_of($id), words => \@w);

    @touch{qw(country channel variant device)} =
        map { $_ eq '-' ? '' : $_ } @w[6 .. 9];

    return { %touch, who => $w[10] eq '=' ? $w[0] : $w[10],
             segment => $w[11] eq '-' ? '' : $w[11] } if $frozen;

    return { %$now, %touch };
}


sub late_click {
    my ($id) = @_;

    $click{$id} = 'l1 ' . 'V' x 16 . ' = = = = JP mail a mobile p1 vip -';
    $t->redis('HSET', 'ref:clicks:{shop}:'
              . strftime('%Y-%m-%dT%H:%M', gmtime(at_of($id) / 1000)),
              $id, $click{$id});
}


# does it wait for its click?  Only if nothing else names a referrer.

sub waits {
    my ($e) = @_;

    my $at = $e->{at} // $e->{received};
    my @ways = split /,/, $program->{attribution_order}
                          // 'bound,click,cookie,code';

    return if $state{ids}{$e->{event_id}} || $e->{trust} == 3
              || !defined $e->{customer} || !defined $e->{click_id}
              || $click{$e->{click_id}} || !grep { $_ eq 'click' } @ways;

    my $made = at_of($e->{click_id});

    return if $made > $at + 5 * MINUTE || $at > $made + window();

    my $bound = ($state{people}{$e->{customer}} // {})->{bound};

    undef $bound if $bound && lc($program->{bind} // '') eq 'window'
                    && $at > $bound->[2] + window();

    return if $bound && grep { $_ eq 'bound' } @ways;

    for my $way (grep { !/bound/ } @ways) {
        my $try = touch($way, $e, $at) or next;

        return if $try->{at} <= $at + 5 * MINUTE
                  && $at <= $try->{at} + window()
                  && $try->{who} ne $e->{customer};
    }

    return 1;
}


sub touch {
    my ($way, $e, $at) = @_;

    return of_click($e->{click_id} // '') if $way eq 'click';

    if ($way eq 'code') {
        my $now = now_of($e->{code} // '');

        return $now && $now->{active} ? { %$now, at => $at } : undef;
    }

    my $which = lc($program->{attribution} // '');

    $which = $o->{attribution} unless $which =~ /^(?:first|last)$/;

    $which = 'last' if defined $e->{first}
                       && $at > at_of((split m{/}, $e->{first})[1]) + window();

    my ($code, $id) = split m{/}, $e->{$which} // return;
    my $touch = of_click($id);

    return $touch if $touch && $touch->{code} eq $code;

    my $now = now_of($code);

    return $now && { %$now, id => $id, at => at_of($id) };
}


sub model {
    my ($e) = @_;

    my $at = $e->{at} // $e->{received};
    my %m = map { $_ => $e->{$FIELD{$_} // $_} // '' } @SAME;

    %m = (%m, event => $e->{event_id}, at => $at, fp => $e->{fp},
          given => defined $e->{at} ? 1 : '',
          trust => (qw(signed location upstream browser))[$e->{trust}],
          product => ($e->{product} // '') =~ tr/ /,/r,
          x => defined $e->{'x.k'} ? 'k=v%20w' : '',
          program_state => !%$program ? 'absent'
                           : ($program->{state} || 'active') eq 'active'
                             ? 'active' : 'paused',
          via => 'none', known => 0, self => 0,
          map { $_ => '' } qw(who friend referrer referrer_who code click
                              click_at referrer_segment referrer_state first
                              first_at last last_at channel variant device
                              country signals));

    credit($e, $at, \%m) if defined $e->{customer};

    $m{parties} = join ',', map { number($_) } split / /, $e->{parties} // '';

    return %m;
}


sub credit {
    my ($e, $at, $m) = @_;

    my $who = $e->{customer};
    my $n = number($who);
    my $p = $state{people}{$who};
    my $lapses = lc($program->{bind} // '') eq 'window';
    my $bound = $p->{bound};

    undef $bound if $bound && $lapses && $at > $bound->[2] + window();

    $m->{who} = substr sha1_hex("$SEED:$who"), 0, 16;
    $m->{friend} = $n;
    $m->{known} = 1 if $known{$who} || ($e->{new} // 1) eq '0';

    my ($touch, $way, $own);

    for (split /,/, $program->{attribution_order}
                    // 'bound,click,cookie,code')
    {
        if ($_ eq 'bound') {
            next unless $bound && !$touch;
            $way = 'bound';
            $touch = { bound => 1, code => $bound->[1], n => $bound->[0] };
            next;
        }

        my $try = touch($_, $e, $at) or next;

        next if $try->{at} > $at + 5 * MINUTE
                || $at > $try->{at} + window();

        if ($try->{who} eq $who) {
            $m->{self} = 1 if !$touch;
            next;
        }

        # of its own, also behind the binding

        $way = $_ if !$touch;
        $touch //= $try;
        $own = $try;
        last;
    }

    if (defined $e->{first}) {
        for my $which (qw(first last)) {
            my ($code, $id) = split m{/}, $e->{$which};

            $m->{$which} = $code;
            $m->{"${which}_at"} = at_of($id);
        }

    } elsif ($own) {
        my @w = @{ $own->{words} // [ ('=') x 4 ] };

        @$m{qw(last last_at)} = @$own{qw(code at)};
        @$m{qw(first first_at)} = $w[3] eq '-' ? ('', '')
                                : $w[3] eq '=' ? @$own{qw(code at)}
                                : ($w[3], at_of($w[5]));
    }

    return unless $touch;

    signs($e, $at, $m, $touch, $own);

    @$m{qw(via code)} = ($way, $touch->{code});

    if ($touch->{bound}) {
        my $id = $state{name}[$touch->{n}];
        my $now = now_of($touch->{code});

        $m->{referrer} = $touch->{n};
        $m->{referrer_who} = substr sha1_hex("$SEED:$id"), 0, 16;
        $m->{referrer_state} = state_of($id);
        $m->{referrer_segment} = $now && $now->{who} eq $id
                                 ? $now->{segment}
                                 : own_segment($id);
        return;
    }

    $m->{referrer} = number($touch->{who});
    $m->{referrer_who} = substr sha1_hex("$SEED:$touch->{who}"), 0, 16;
    $m->{referrer_state} = state_of($touch->{who});
    $m->{referrer_segment} = $touch->{segment};
    $m->{click} = $touch->{id} // '';
    $m->{click_at} = $touch->{at};
    $m->{$_} = $touch->{$_} // '' for qw(channel variant device country);

    $p->{bound} = [ $m->{referrer}, $touch->{code}, $at, $way ] unless $bound;
}


# the signs of fraud, before the friend is bound

sub signs {
    my ($e, $at, $m, $touch, $own) = @_;

    my ($id, @signs) = $touch->{id} // '';
    my $who = $touch->{bound} ? $state{name}[$touch->{n}] : $touch->{who};

    if ($id ne '') {
        my $first = $state{claimed}{$id} //= $m->{friend};
        my $passed = $at - $touch->{at};

        push @signs, 'shared_click' if $first != $m->{friend};
        push @signs, 'fast_lead' if $e->{type} eq 'lead' && $passed >= 0
                                    && $passed < 3000;
    }

    my $from = $own && $own->{who} eq $who ? $own->{country} // '' : '';
    my $place = $e->{country} // '';

    push @signs, 'country' if $from ne '' && $place ne '' && $from ne $place;

    if (!$touch->{bound}) {
        my $theirs = ($state{people}{$who} // {})->{bound};

        push @signs, 'mutual' if $theirs && $theirs->[0] == $m->{friend};
    }

    $m->{signals} = join ',', @signs;
}


sub state_of {
    my $r = $referrer{$_[0]} or return 'absent';

    return ($r->{state} // 'active') eq 'active' ? 'active' : 'disabled';
}
