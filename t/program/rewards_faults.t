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
    my $kills = $ENV{TEST_KILLS} // 8;

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


# protects: what changes so much that Redis would stand still is done in parts,
# whoever dies or comes meanwhile

case parts => sub {
    my $from = ending();

    # the supervisor has another process go on

    my @left;

    for my $when ('before', 'after') {
        for my $n (map { 3 * $_ + ($when eq 'after') } 5 .. 8) {
            my $x = copy_of($from, 'p' . ++$number . ':');

            {
                local %ENV = (%ENV, LD_PRELOAD => $faults, FAULT_KILL => $n,
                              FAULT_WHEN => $when,
                              FAULT_FILE => "$t->{dir}/killed-$x");

                run($x, '--once', '--lease', 0);
            }

            ok(-e "$t->{dir}/killed-$x", "killed $when write $n of parts");
            push @left, $x if $t->redis('EXISTS', "${x}writing:{shop}")
                              || exists settled($x)->{writing};
            whole("killed $when write $n of parts", $x, audit => $n == 21);
        }
    }

    is("@left", '', 'nothing is left of the parts');

    # two that both believe that they have the program

    my $x = copy_of($from, 'q' . ++$number . ':');
    my @both = map { start($x, '--lease', 0) } 0, 1;

    settled_all($x, 'two settle parts');
    wait_for { !exists settled($x)->{writing} };
    $_->stop for @both;
    whole('two settle parts', $x);

    # one that stands still in the middle, and goes on when all is done

    my %seen;

    for my $n (13, 15, 16, 18, 20, 21, 23) {
        my $x = copy_of($from, 'r' . ++$number . ':');
        my $name = "stopped before write $n of parts";
        my $file = "stopped-$x";
        my $s = start($x, { LD_PRELOAD => $faults, FAULT_KILL => $n,
                            FAULT_WHEN => 'stop',
                            FAULT_FILE => "$t->{dir}/$file" }, '--lease', 0);

        ok((wait_for { -s "$t->{dir}/$file" }), $name);

        my $writing = settled($x)->{writing} // '';
        my $moved = $writing =~ /^\d+\//;

        $seen{ $moved ? 'moved' : $writing ? 'laid' : 'none' }++;

        if ($moved) {
            local $ENV{REFERRAL_PREFIX} = $x;

            is(r('ledger', 'audit', 'shop'), 1, "$name: an audit");
            like($err, qr/entry 1202 is being written/, 'waits');
            is(j('settle', 'status', 'shop')->{writing}, $writing,
               'the status tells it');

            my ($status, $said) = run($x, '--replay');

            is($status, 2, 'a replay');
            like($said, qr/being written, part \Q$writing\E/, 'waits too');
        }

        run($x, $n % 2 ? '--once' : '--repair', '--lease', 0);
        kill 'CONT', $t->read_file($file);
        settled_all($x, "$name: it goes on");
        ok((wait_for { !exists settled($x)->{writing} }), 'all is written');
        $s->stop;
        whole($name, $x, audit => 0);
    }

    cmp_ok($seen{$_} // 0, '>', 0, "stopped: $_") for qw(none laid moved);

    # a part that somebody removed

    $x = copy_of($from, 's' . ++$number . ':');

    my $s = start($x, { LD_PRELOAD => $faults, FAULT_KILL => 20,
                        FAULT_WHEN => 'stop',
                        FAULT_FILE => "$t->{dir}/gone" }, '--lease', 0);

    wait_for { -s "$t->{dir}/gone" };
    like(settled($x)->{writing}, qr/^\d+\/\d+$/, 'in the middle');
    $t->redis('DEL', "${x}writing:{shop}");
    kill 'KILL', $t->read_file('gone');
    ok((wait_for { $s->log =~ /a part of what is being written is/ }),
       'a part that is gone is told');
    $s->stop;
};


# protects: Redis refuses writes between two parts, then takes them again

case refused_parts => sub {
    my $from = ending();

    for my $trouble ([ 'OOM', [ qw(CONFIG SET maxmemory 1) ],
                              [ qw(CONFIG SET maxmemory 0) ] ],
                     [ 'READONLY', [ qw(REPLICAOF 127.0.0.1 1) ],
                                   [ qw(REPLICAOF NO ONE) ] ])
    {
        my ($what, $begin, $end) = @$trouble;
        my $x = copy_of($from, 't' . ++$number . ':');
        my $file = "stopped-$x";
        my $s = start($x, { LD_PRELOAD => $faults, FAULT_KILL => 20,
                            FAULT_WHEN => 'stop',
                            FAULT_FILE => "$t->{dir}/$file" });

        ok((wait_for { -s "$t->{dir}/$file" }), "$what between parts");

        my $writing = settled($x)->{writing} // '';

        like($writing, qr/^\d+\/\d+$/, 'the position has moved');
        $t->redis(@$begin);
        kill 'CONT', $t->read_file($file);
        ok((wait_for { $s->log =~ /\Q$what\E/ }), 'the settler tells it');
        is(settled($x)->{writing}, $writing, 'no part is written');
        $t->redis(@$end);
        ok((wait_for { !exists settled($x)->{writing} }), 'then all are');
        $s->stop;
        whole("$what between parts", $x);
    }
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


# protects: two settlers that both believe that they have the program

case two => sub {
    my $x = program();
    my @facts = @{ $streams[1] };
    my @both = map { start($x, '--lease', 0, '--batch', 3 + $_) } 0, 1;

    append($x, splice @facts, 0, 1 + int rand 8) while @facts;

    settled_all($x, 'two settle');
    $_->stop for @both;
    whole('two settlers', $x);
};


# protects: what Redis refuses is told once and comes once, when it may

case refused => sub {
    my $x = program(rules_fact($rules), sale(10), sale(11));
    my $s = start($x);

    settled_all($x, 'it settles');

    # the ids of rewards that come: of the same facts elsewhere

    my @next = (sale(12), sale(13), sale(14));
    my $y = program(rules_fact($rules), @next[0 .. 1]);

    run($y, '--once');

    my ($reward) = map { $_->{reward} }
                   reverse $t->entries("${y}ledger:{shop}");

    for my $key ('ledger:{shop}', 'wallet:{shop}', 'wallet:{shop}:1',
                 'wallet:{shop}:1:entries', 'due:{shop}',
                 "reward:{shop}:$reward")
    {
        my $is = $t->redis('DUMP', "$x$key");

        $t->redis('SET', "$x$key", 'text');

        my @sales = $key =~ /^reward/ ? $next[1] : sale(100 + $events);

        append($x, @sales);
        ok((wait_for { $s->log =~ /WRONGTYPE \Q$x$key\E/ }), "$key is named");
        sleep 1.3;
        is(() = $s->log =~ /WRONGTYPE \Q$x$key\E/g, 1, 'once');
        is(settled($x)->{position} + 1, stream_end($x), 'nothing is written');
        $t->redis('DEL', "$x$key");
        $t->redis('RESTORE', "$x$key", 0, $is) if defined $is;
        settled_all($x, 'then it goes on');
    }

    for my $trouble ([ 'OOM', sub { $t->redis('CONFIG', 'SET', 'maxmemory',
                                              $_[0] ? 1 : 0) } ],
                     [ 'READONLY', sub { $t->redis('REPLICAOF', $_[0]
                                         ? ('127.0.0.1', 1)
                                         : ('NO', 'ONE')) } ])
    {
        my ($name, $set) = @$trouble;

        $s->signal('STOP');
        append($x, sale(300 + $events), sale(301 + $events));
        $set->(1);
        $s->signal('CONT');
        ok((wait_for { $s->log =~ /\b$name\b/ }), "$name is said");
        sleep 1.3;
        is(() = $s->log =~ /\b$name\b/g, 1, 'once');
        $set->(0);
        settled_all($x, 'then it goes on');
    }

    $s->stop;
    whole('what was refused', $x);
};


# protects: Redis has an older past, in which other facts have those numbers

case past => sub {
    my $x = program(@{ $streams[2] }[0 .. 29]);
    my $s = start($x, '--lease', 1);

    settled_all($x, 'half of it');
    $t->redis('SAVE');
    append($x, @{ $streams[2] }[30 .. 45]);
    settled_all($x, 'some more');

    my $had = stream_end($x);

    $t->redis_stop;
    $clock->with(sub { $t->redis_start });
    cmp_ok(stream_end($x), '<', $had, 'the tail is lost');
    append($x, map { sale($_) } 400 .. 400 + $had - stream_end($x) + 5);
    settled_all($x, 'it settles from there');

    # while it slept another one settled: other facts, and more of them

    $s->signal('STOP');
    $t->redis('DEL', "${x}$_") for grep { !/program|seed/ }
                                   map { substr $_, length $x }
                                   @{ $t->redis('KEYS', "$x*") };
    $t->redis('HSET', "${x}person:{shop}:names", next => 1000);
    append($x, @{ $streams[3] }, map { sale($_) } 500 .. 540);
    run($x, '--once', '--lease', 0);
    $s->signal('CONT');
    append($x, sale(541), sale(542));
    settled_all($x, 'it wakes up');
    $s->stop;
    unlike($s->log, qr/rewards that follow/, 'what it knew is forgotten');
    whole('an older past', $x);
};


# protects: a settler that sleeps for longer than its lease

case asleep => sub {
    my $x = program(@{ $streams[4] }[0 .. 19]);
    my $one = start($x, '--lease', 1);

    settled_all($x, 'one settles');
    $one->signal('STOP');

    my $two = start($x, '--lease', 1);

    append($x, @{ $streams[4] }[20 .. 39]);
    settled_all($x, 'the other takes over');
    $one->signal('CONT');
    append($x, @{ $streams[4] }[40 .. 60]);
    settled_all($x, 'the first wakes up');
    $two->signal('KILL');
    append($x, sale(10), sale(11));
    settled_all($x, 'and has it again');
    $one->stop;
    whole('asleep', $x);
};


# protects: all is lost, and the stream begins again

case flushed => sub {
    my $x = program(@{ $streams[5] }[0 .. 39]);
    my $s = start($x, '--lease', 1);

    settled_all($x, 'it settles');
    $t->redis('HSET', "${x}program:{shop}", rewards => "rule=\n");
    ok((wait_for { settled($x)->{rewards_refused} }), 'a text is refused');

    my $program = $t->hgetall("${x}program:{shop}");

    $t->redis('FLUSHALL');
    $t->redis('HSET', "${x}program:{shop}", %$program);
    $t->redis('HSET', "${x}person:{shop}:names", next => 1000);
    append($x, @{ $streams[6] });
    settled_all($x, 'from the start again');
    ok((wait_for { settled($x)->{rewards_refused} }),
       'and is told to be refused');
    $s->stop;
    whole('flushed', $x);
};


# protects: an operator goes past a fact that the ledger has decided, or not

case skip => sub {
    for my $how ('poison', 'counts') {
        for my $restart (0, 1) {
            my $name = $how . ($restart ? ', a new settler' : '');
            my @bad = { %{ sale(11) }, event => "poison-$restart" };

            $bad[0]{amount} = '9223372036854775807' if $how eq 'counts';

            my $x = program(rules_fact($rules), sale(10));
            my $s = start($x, $how eq 'poison' ? {
                LD_PRELOAD => $faults, FAULT_HOW => 'crash',
                FAULT_POISON => 'poison-',
            } : {});

            settled_all($x, "$name: it settles");

            # the batch has facts before it and behind it

            $s->signal('STOP');
            append($x, adjust(10, 100), @bad, sale(12), sale(10));
            $s->signal('CONT');
            ok((wait_for { my $is = settled($x);
                           $is->{stopped}
                           && $is->{position} + 1 == $is->{trying} }),
               "$name: it stops");

            my $at = settled($x)->{position} + 1;
            my ($fact) = map { +{ @{ $_->[1] } } }
                         @{ $t->redis('XRANGE', "${x}conversions:{shop}", $at,
                                      $at) };

            is($fact->{event}, $bad[-1]{event}, "$name: before that fact");
            whole("$name: stopped", $x, other => 1, audit => 0);

            if ($restart) {
                $s->stop;
                $s = start($x);
            }

            is(run($x, '--skip', $at, '--reason', 'wrong'), 0,
               "$name: skipped");
            settled_all($x, "$name: it goes on");
            append($x, sale(10), sale(13), adjust(12, 50));
            settled_all($x, "$name: and on");
            whole("$name: past it", $x, other => 1, audit => 0);
            $s->stop;

            # another one makes the ledger of the stream

            append($x, sale(14));
            run($x, '--once');
            is(settled($x)->{position}, stream_end($x), "$name: a later one");
            whole("$name: a later one", $x, other => 1);
        }
    }
};


# protects: a text of rules holds as a whole from one fact on, or not at all

case text => sub {
    my $x = program(rules_fact($rules), sale(10));
    my $s = start($x);

    settled_all($x, 'it settles');

    my $friend = 20;
    my $given = '2.00';
    my $try = sub {
        my ($name, $text, $refused, $now) = @_;
        my $before = grep { $_->{type} eq 'rules' } stream($x);

        append($x, sale($friend++));
        $t->redis('HSET', "${x}program:{shop}", rewards => $text);
        append($x, sale($friend++));

        if (defined $refused) {
            ok((wait_for { (settled($x)->{rewards_refused} // '')
                           =~ $refused }), "$name: refused")
                or diag(settled($x)->{rewards_refused});
            sleep 1.3;
            is(() = $s->log =~ /text of rewards is refused.*$refused/g, 1,
               "$name: said once");
            is(scalar(grep { $_->{type} eq 'rules' } stream($x)), $before,
               "$name: no rules");

        } else {
            ok((wait_for { (grep { $_->{type} eq 'rules' } stream($x))
                           > $before }), "$name: taken");
            ok((wait_for { !settled($x)->{rewards_refused} }),
               "$name: nothing is refused");
            $given = $now;
        }

        append($x, sale($friend));
        settled_all($x, "$name: it goes on");

        my $wallet = $t->hgetall("${x}wallet:{shop}:" . $friend++);

        is($wallet->{'USD:available'} // 0, $given * 100,
           "$name: a friend gets $given");
    };

    my $other = $rules =~ s/2\.00/3.00/r;

    $try->('a mistake', $rules =~ s/2\.00USD/2.00EUR/r, qr/line 4/);
    $try->('another text', $other, undef, '3.00');
    $try->('a cap of friends', $other =~ s/per=referrer/per=friend/r,
           qr/a cap has another "per"/);
    $try->('16,385 bytes', $rules . '#' x (16385 - length $rules),
           qr/more than 16384 bytes/);
    $try->('16,384 bytes', $rules . '#' x (16384 - length $rules), undef,
           '2.00');
    $try->('a zero byte', "$other\0", qr/zero byte/);
    $try->('nothing', '', undef, '0.00');
    $try->('the first again', $rules, undef, '2.00');

    $s->stop;
    whole('rules', $x);
};


# protects: time passes by a fact, one, when something is due and not before

case tick => sub {
    my $x = program(rules_fact($rules =~ s/hold=1s/hold=2s/r));
    my @settlers = map { start($x, '--lease', $_) } 10, 0;
    my $passed = sub {
        return map { $_->{time} } grep { $_->{type} eq 'tick' } stream($x);
    };

    settled_all($x, 'it settles');
    append($x, sale(10));
    settled_all($x, 'a sale');

    my $due = settled($x)->{next_due};

    is(scalar($passed->()), 0, 'nothing was due');
    ok($due > $clock->time * 1000, 'something is');
    ok((wait_for { $passed->() }), 'time passes');
    settled_all($x, 'that is a fact');
    sleep 1.2;

    my @ticks = $passed->();

    is(scalar(@ticks), 1, 'one');
    ok($ticks[0] >= $due, 'not before');
    cmp_ok($ticks[0] - $due, '<', 1000 * patience, 'and not late');
    is(settled($x)->{next_due}, undef, 'nothing is due any more');

    my $wallet = $t->hgetall("${x}wallet:{shop}:1");

    is("$wallet->{'USD:available'} " . ($wallet->{'USD:pending'} // 0),
       '500 0', 'what was pending is available');

    # Redis's clock goes back by a day, and comes again

    append($x, sale(11));
    settled_all($x, 'another sale');
    $clock->jump(-86_400);
    sleep 3.2;
    is(scalar($passed->()), 1, 'it is not due for a clock of yesterday');
    $clock->jump(86_400);
    ok((wait_for { $passed->() == 2 }), 'then it is');

    # and goes ahead

    append($x, sale(12));
    settled_all($x, 'a third');
    $clock->jump(86_400);
    ok((wait_for { $passed->() == 3 }), 'due by a clock of tomorrow');
    settled_all($x, 'is decided');
    $clock->jump(-86_400);
    append($x, sale(13));
    settled_all($x, 'a fourth');
    sleep 1.2;
    is(scalar($passed->()), 3, 'a clock that goes back makes none');

    $_->stop for @settlers;
    whole('ticks', $x);
    $clock->off(0);
};


# protects: entries of a ledger that no settler wrote are told, not passed over

case forged => sub {
    my $x = program(rules_fact($rules), sale(10));
    my $s = start($x, '--program', 'other');

    settled_all($x, 'it settles');

    my $ledger = "${x}ledger:{shop}";
    my $is = $t->redis('DUMP', $ledger);

    $t->redis('XADD', $ledger, '*', reward => 'x', amount => 5);
    append($x, sale(11));
    ok((wait_for { (settled($x)->{trouble} // '') =~ /\Q$ledger\E/ }),
       'it is told in Redis');

    $t->redis('XADD', "${x}conversions:{other}", '1-0',
              map { ($_, sale(10)->{$_}) } 'type', grep { $_ ne 'type' }
                                                   sort keys %{ sale(10) });
    ok((wait_for { ($t->redis('HGET', "${x}settled:{other}", 'position')
                    // 0) >= 1 }), 'others go on');
    is(() = $s->log =~ /\Q$ledger\E has entries behind/g, 1,
       'and in the log, once');
    $t->redis('DEL', "${x}conversions:{other}");
    $t->redis('DEL', $ledger);
    $t->redis('RESTORE', $ledger, 0, $is);
    settled_all($x, 'then it goes on');
    $s->stop;
    $t->redis('DEL', grep { /other/ } @{ $t->redis('KEYS', "$x*") });
    whole('forged', $x);
};


# protects: a cap is what it says, however the facts come and whoever settles

case cap => sub {
    my $x = program(rules_fact($rules));
    my @settlers = map { start($x, '--lease', 0, '--batch', 1 + int rand 20) }
                       0, 1;
    my @friends = (10 .. 209);

    append($x, map { sale($_) } splice @friends, 0, 1 + int rand 20)
        while @friends;

    settled_all($x, '200 friends');
    $_->stop for @settlers;

    my @given = grep { $_->{from} eq 'budget' }
                $t->entries("${x}ledger:{shop}");

    is(scalar(grep { $_->{rule} eq 'r' } @given), 32,
       'their referrer gets 32 rewards');
    is(scalar(grep { $_->{rule} eq 'f' } @given), 200, 'each of them one');
    run($x, '--once');
    whole('a cap', $x);
};


# protects: what is damaged in Redis is found, and what can be mended is

case repair => sub {
    my $x = program(rules_fact($rules =~ s/hold=1s/hold=9d/r), sale(10),
                    sale(11));
    my $s = start($x);

    settled_all($x, 'it settles');

    my ($due) = @{ $t->redis('ZRANGE', "${x}due:{shop}", 0, 0) };
    my ($own) = map { $_->{reward} } grep { $_->{rule} eq 'f' }
                $t->entries("${x}ledger:{shop}");

    $t->redis('HINCRBY', "${x}wallet:{shop}:1", 'USD:pending', 1);
    $t->redis('HSET', "${x}wallet:{shop}:77", 'USD:available', 5);
    $t->redis('HDEL', "${x}wallet:{shop}", 'USD:budget');
    $t->redis('HSET', "${x}reward:{shop}:$own", state => 'spent');
    $t->redis('HDEL', "${x}reward:{shop}:$due", 'owner');
    $t->redis('ZINCRBY', "${x}due:{shop}", 5, $due);
    $t->redis('ZREM', "${x}wallet:{shop}:1:entries", '2-0');
    $t->redis('HINCRBY', "${x}stats:{shop}", 'rewards:USD', 5);

    is(run($x, '--replay'), 1, 'a replay finds it');

    my ($status, $said) = run($x, '--repair');

    is($status, 0, 'a repair mends it') or diag($said);
    like($said, qr/^repaired: \Q$x$_\E /m, "$_ is told")
        for 'wallet:{shop}:1', 'wallet:{shop}:77', 'wallet:{shop}',
            "reward:{shop}:$own", "reward:{shop}:$due", 'due:{shop}',
            'wallet:{shop}:1:entries', 'stats:{shop}';
    append($x, sale(12));
    settled_all($x, 'the settler goes on');
    whole('a repair', $x);

    # what is gone of a ledger stays so

    my $ledger = "${x}ledger:{shop}";
    my $is = $t->redis('DUMP', $ledger);

    $t->redis('XDEL', $ledger, '2-0');
    ($status, $said) = run($x, '--repair');
    isnt($status, 0, 'an entry that is gone');
    like($said, qr/not repaired: \Q$ledger\E 2-0/, 'is told');
    $t->redis('DEL', $ledger);
    $t->redis('RESTORE', $ledger, 0, $is);
    append($x, sale(13));
    settled_all($x, 'the settler goes on again');
    $s->stop;
    whole('an entry that is gone', $x);
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


# rewards that end together, behind the tick at which they do

sub ending {
    my $from = program(rules_fact("unit=USD/2\nrule=f on=lead to=friend"
                                  . " give=1.00USD life=1d\n"));
    my $stream = "${from}conversions:{shop}";
    my $now = now();

    $t->redis('XADD', $stream, "$_-0", type => 'lead', event => "l$_",
              time => $now, at => $now, who => sprintf('%016x', $_),
              friend => $_, referrer => 1, referrer_state => 'active',
              via => 'code', code => 'x', known => 0, self => 0,
              trust => 'signed', program_state => 'active', fp => '0' x 16)
        for 2 .. 1201;

    known($from, $_, { event => "l$_", fp => '0' x 16 }) for 2 .. 1201;
    $t->redis('HSET', "${from}person:{shop}:names", next => 2000);

    run($from, '--once');
    is($t->hgetall("${from}wallet:{shop}")->{'USD:available'}, 120000,
       'rewards that end together');
    $t->redis('XADD', $stream, '1202-0', type => 'tick', event => '', who => '',
              time => $now + 2 * 86400_000);

    return $from;
}


# the same keys under another prefix

sub copy_of {
    my ($from, $to) = @_;

    $t->redis('EVAL', "for _, k in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do"
              . " redis.call('COPY', k, ARGV[2] .. string.sub(k, 1 + #ARGV[1]))"
              . ' end', 0, $from, $to);

    return $to;
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
        run($x, '--once');

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

        r('ledger', 'audit', 'shop');

        # boards of days end, earlier or later than their day is nine days old
        # where zones change within the stream

        my $ended = () = $out =~ /^\S+board:\S+:\d{4}-\d\d-\d\d\s/mg;
        my ($found) = $out =~ /differences\s+(\d+)/;

        $good &= is($found, $ended, "$name: so has an audit")
            or diag(substr "$out$err", 0, 2000);
    }

    return $good;
}
