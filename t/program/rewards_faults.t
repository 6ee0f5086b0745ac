# protects: that each fact changes rewards, wallets and the ledger once,
# whatever dies, is refused, goes back in time or is damaged, and that the
# ledger in a settler's memory is always that of the stream
#
# TEST_ONLY="kill skip": these alone; TEST_KILLS=N: writes at which it dies
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;
use Referral::Clock;
use Referral::Settler;

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Time::HiRes qw(sleep time);

$ENV{PYTHONDONTWRITEBYTECODE} = 1;

my $lib = "$FindBin::Bin/../lib";
my $clock = Referral::Clock->new;
my $t = $clock->with(sub { Referral->new });
my $faults = Referral::Settler::faults($t);
my $json = JSON::PP->new;
my $number = 0;
my $events = 0;

# of each program the name is the same, for the ids of rewards have it in them;
# what tells them apart is the prefix

my @shop = ('--program', 'shop');

srand($ENV{TEST_SEED} // 42);
Referral::Cli->begin($t);

my @streams = map { [ map { +{ @$_ } } @{ $json->decode($_) } ] }
              split /\n/, `/usr/bin/python3 $lib/rewards_stream.py 0 12`;

is(scalar(@streams), 12, 'random streams');

my $rules = <<'END';
unit=USD/2
cap=c per=referrer count=32
rule=r on=sale to=referrer give=5.00USD cap=c hold=1s
rule=f on=sale to=friend give=2.00USD
END


# protects: a settler that dies at any write

case kill => sub {
    my ($died, $bad) = (0, 0);
    my $kills = $ENV{TEST_KILLS} // 25;

    for my $when ('before', 'after') {
        for my $n (1 .. $kills) {
            my $x = program(@{ $streams[$n % @streams] });
            my $file = "$t->{dir}/killed-$x";

            {
                local %ENV = (%ENV, LD_PRELOAD => $faults, FAULT_KILL => $n,
                              FAULT_WHEN => $when, FAULT_FILE => $file);

                run($x, '--once', '--batch', 10, '--lease', 0);
            }

            $died += -e $file;
            run($x, '--once', '--batch', 10, '--lease', 0);

            next if whole("killed $when write $n", $x, audit => $n % 6 == 0);
            last if ++$bad == 2;
        }
    }

    is($died, 2 * $kills, "it died $died times");
};


# protects: another process writes what the last one did not: also what is gone

case due => sub {
    my $x = program(rules_fact($rules), sale(10));

    run($x, '--once');
    is($t->redis('ZCARD', "${x}due:{shop}"), 1, 'a reward is due');
    sleep 1.2;
    run($x, '--once');
    is($t->hgetall("${x}wallet:{shop}:1")->{'USD:available'}, 500,
       'the next settler makes it available');
    is($t->redis('ZCARD', "${x}due:{shop}"), 0, 'and takes it from the list');
    whole('due', $x);
};


$t->finish;
done_testing;


# --- programs and their streams ---

# a prefix of its own, with the facts of a stream

sub program {
    my (@facts) = @_;

    my $x = 'c' . ++$number . ':';
    my ($text) = map { $_->{text} } grep { $_->{type} eq 'rules' }
                                    reverse @facts;

    $t->redis('HSET', "${x}program:{shop}", state => 'active',
              rewards => $text // $rules);
    $t->redis('SET', "${x}seed:{shop}", '00112233445566778899aabbccddeeff');
    $t->redis('HSET', "${x}person:{shop}:names", next => 1000);
    append($x, @facts);

    return $x;
}


# as the intake does: the next number, and a time that never goes back

sub append {
    my ($x, @facts) = @_;

    my $stream = "${x}conversions:{shop}";

    for my $fact (@facts) {
        for ( ;; ) {
            my $last = $t->redis('XREVRANGE', $stream, '+', '-', 'COUNT', 1);
            my $n = @$last ? 1 + $last->[0][0] =~ s/-.*//r : 1;
            my %f = (%$fact, fp => '0' x 16);

            if (@$last) {
                my %of = @{ $last->[0][1] };

                $f{time} = $of{time} if $of{time} > $f{time};
            }

            my @words = map { ($_, $f{$_}) } 'type', grep { $_ ne 'type' }
                                                     sort keys %f;

            if (eval { $t->redis('XADD', $stream, "$n-0", @words) }) {
                known($x, $n, \%f) if $f{event};
                last;
            }

            die $@ if $@ !~ /equal or smaller/;
        }
    }
}


sub known {
    my ($x, $n, $fact) = @_;
    my ($bucket, $field) = sha256_hex($fact->{event}) =~ /^(.{3})(.{22})/;

    $t->redis('HSET', "${x}ids:{shop}:$bucket", $field, "$n $fact->{fp}");
}


sub stream { return $t->entries("$_[0]conversions:{shop}") }


sub rules_fact {
    my ($text) = @_;

    return { type => 'rules', event => '', time => now(), version => 1,
             engine => 1, text => $text, zone => 'UTC',
             transitions => '0:0', window => 2592000, late => 5184000,
             bind => 'ever', state => 'active',
             seed => '00112233445566778899aabbccddeeff' };
}


sub fact {
    my ($type, %more) = @_;
    my $now = now();

    return { type => $type, event => 'f' . ++$events, time => $now,
             at => $now, trust => 'signed', program_state => 'active',
             fp => '0' x 16, %more };
}


sub sale {
    my ($friend) = @_;

    return fact('sale', friend => $friend, who => sprintf('%016x', $friend),
                referrer => 1, referrer_state => 'active', via => 'code',
                code => 'x', known => 0, self => 0, unit => 'USD',
                amount => 1000, order => "o$events", order_at => now());
}


sub adjust {
    my ($owner, $amount) = @_;

    my $fact = fact('adjust', owner => $owner, unit => 'USD',
                    who => sprintf('%016x', $owner), amount => $amount);

    delete @$fact{qw(trust program_state)};

    return $fact;
}


sub now { return int($clock->time * 1000) }


# each fact, and what the settler itself adds

sub settled_all {
    my ($x, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $s = {};

    ok((wait_for { $s = settled($x);
                   ($s->{position} // 0) == stream_end($x) }), $name)
        or diag(($s->{position} // 'nothing') . ' of ' . stream_end($x) . ' '
                . ($s->{trouble} // '') . ($s->{stopped} // ''));
}



sub stream_end {
    my ($x) = @_;

    my $info = eval { $t->redis('XINFO', 'STREAM', "${x}conversions:{shop}") }
        or return 0;

    return { @$info }->{'last-generated-id'} =~ s/-.*//r;
}


sub settled { return $t->hgetall("$_[0]settled:{shop}") }


# --- the process ---

sub run {
    my ($x, @options) = @_;

    my ($status, $said, $err)
        = Referral::Settler::run($t, '--prefix', $x, @shop, @options);

    return wantarray ? ($status, $said . $err) : $status;
}


sub start {
    my ($x, @options) = @_;

    my $env = ref $options[0] ? shift @options : {};

    return Referral::Settler->start($t, $env, '--prefix', $x, @shop, @options);
}


# --- what must be so ---

# all keys of a program, each as one text

sub state {
    my ($x) = @_;

    my %state;

    for my $key (@{ $t->redis('KEYS', "$x*") }) {
        my $name = substr $key, length $x;

        next if $name =~ /^(?:conversions|program|seed|person|ids):/;

        my $type = $t->redis('TYPE', $key);
        my %of;

        if ($type eq 'hash') {
            %of = @{ $t->redis('HGETALL', $key) };

        } elsif ($type eq 'zset') {
            %of = @{ $t->redis('ZRANGE', $key, 0, -1, 'WITHSCORES') };

        } elsif ($type eq 'stream') {
            %of = map { ($_->[0] => "@{ $_->[1] }") }
                  @{ $t->redis('XRANGE', $key, '-', '+') };
        }

        delete @of{qw(settled_at lease lease_until repaired trouble
                      rewards_refused skip)} if $name =~ /^settled:/;

        $state{$name} = join "\n  ", $type, map { "$_=$of{$_}" } sort keys %of;
    }

    return \%state;
}


# the same stream, where nothing happens

sub undisturbed {
    my ($x, $again) = @_;

    my $u = "u$x";

    for my $name ('conversions', 'program', 'seed') {
        my $is = $t->redis('DUMP', "${x}$name:{shop}") // next;

        $t->redis('DEL', "${u}$name:{shop}");
        $t->redis('RESTORE', "${u}$name:{shop}", 0, $is);
    }

    my ($status, $said) = run($u, '--once');
    my $state = state($u);
    my $end = stream_end($u);

    diag("undisturbed: $status $said") if $status;
    $t->redis('DEL', @{ $t->redis('KEYS', "$u*") });

    return $state if $end == stream_end($x) || $again;

    # it looked at the program's fields, or something is due meanwhile

    my $s = start($x);

    wait_for { (settled($x)->{position} // 0) >= $end
               && settled($x)->{position} == stream_end($x) };
    $s->stop;

    return undisturbed($x, 1);
}


sub whole {
    my ($name, $x, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $good = 1;

    if (!$o{other}) {
        my $want = undisturbed($x);
        my $got = state($x);
        my $text = '';

        for my $key (sort keys %{ { %$got, %$want } }) {
            my ($g, $w) = map { $_->{$key} // '(none)' } $got, $want;

            $text .= "$key: got $g\nexpected $w\n" if $g ne $w;
        }

        $good &= ok($text eq '', "$name: as if nothing had been")
            or diag(substr $text, 0, 3000);
    }

    my ($status, $said) = run($x, '--replay');

    $good &= is($status, 0, "$name: a replay has the same") or diag($said);

    if ($o{audit} // 1) {
        local $ENV{REFERRAL_PREFIX} = $x;

        $good &= is(r('ledger', 'audit', 'shop'), 0, "$name: so has an audit")
            or diag(substr "$out$err", 0, 2000);
    }

    return $good;
}
