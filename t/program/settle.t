# protects: that each fact of a stream is settled once, whatever dies, is
# stopped, is refused or goes back in time, and that a replay has the same

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Facts qw($T random_events freeze fact_words dump_text);

use JSON::PP;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

my $root = $Referral::ROOT;
my $settle = $ENV{TEST_SETTLE} // "$root/build/nginx-referral-settle";
my $t = Referral->new;
my $dir = $t->dir;
my @redis = ('--redis', "127.0.0.1:$t->{redis_port}");
my $faults = faults();
my $json = JSON::PP->new;
my $number = 0;

srand($ENV{TEST_SEED} // 42);

# one stream, and what it comes to

my @facts = grep { $_->{type} ne 'rules' }
            freeze([ map { @{ random_events() } } 1 .. 4 ], 'bound,click,code');

cmp_ok(scalar(@facts), '>=', 80, 'facts');
$#facts = 79;

my $reference = program();

append($reference, @facts);
is(run('--once'), 0, 'a stream is settled');

my $want = state($reference);

cmp_ok(keys %$want, '>', 20, 'and is written');


subtest 'what is written' => sub {
    my $p = program();

    append($p,
        fact('lead', friend => 1, country => 'JP', click()),
        fact('sale', friend => 1, order => 'o1', amount => 1000, unit => 'EUR',
             via => 'bound', referrer => 9, code => 'aiko7'),
        fact('refund', order => 'o1', amount => 300, unit => 'EUR'));

    is(run('--once'), 0, 'it is settled');

    my $day = '2026-11-18';

    is_deeply(fields("ref:stats:{$p}"),
              { leads => 1, sales => 1, refunds => 1, friends => 1,
                'amount:EUR' => 700, 'leads:country:JP' => 1,
                'sales:country:JP' => 1, 'refunds:country:JP' => 1,
                'amount:EUR:country:JP' => 700 }, 'totals');
    is_deeply(fields("ref:stats:{$p}:aiko7"), fields("ref:stats:{$p}"),
              'those of the link');
    is_deeply(fields("ref:day:{$p}:$day"), fields("ref:stats:{$p}"),
              'those of the day');
    is_deeply(fields("ref:cohort:{$p}:2026-11-17"), fields("ref:stats:{$p}"),
              'those of the day of the click');

    for my $of ("{$p}", "{$p}:aiko7") {
        is_deeply([ map { fields("ref:days:$_:$of") }
                        qw(leads sales refunds amount:EUR) ],
                  [ { $day => 1 }, { $day => 1 }, { $day => 1 },
                    { $day => 700 } ], "the days of $of");
        is($t->redis('TTL', "ref:days:sales:$of"), -1, 'which stay');
    }

    is_deeply(fields("ref:progress:{$p}:9"),
              { leads => 1, sales => 1, refunds => 1, friends => 1,
                'amount:EUR' => 700 }, 'the referrer\'s progress');
    is($t->redis('ZSCORE', "ref:board:{$p}:amount:EUR", 'aiko7'), 700, 'boards');
    is($t->redis('ZSCORE', "ref:board:{$p}:referrers:sales:2026-11", 9), 1,
       'of referrers, by their numbers');
    is($t->redis('TTL', "ref:board:{$p}:leads") // '', -1,
       'that of all time stays');

    my $friend = fields("ref:friend:{$p}:1");

    is("@$friend{qw(state referrer code via)}", 'joined 9 aiko7 click',
       'the friend');

    my $settled = fields("ref:settled:{$p}");

    is($settled->{position}, 4, 'where it stands');
    like($settled->{chain}, qr/^[0-9a-f]{64}$/, 'the chain');
    is_deeply([ grep { /lease/ } keys %$settled ], [], 'nobody has it');

    my ($status) = grep { $_->{program} eq $p } @{ status() };

    is("$status->{position} $status->{end} $status->{lag} $status->{stopped}",
       '4 4 0 ', 'the same by --status');
};


subtest 'rules are facts' => sub {
    my $p = program(timezone => 'Asia/Tokyo', window => '7d', late => '10d',
                    bind => ' Window ');

    append($p, fact('lead', friend => 1, at => $T + 14 * 3_600_000, click()));
    is(run('--once', '--program', $p), 0, 'settled');

    my @rules = grep { $_->{type} eq 'rules' } $t->entries("ref:conversions:{$p}");

    is(scalar(@rules), 1, 'one was appended');
    is("@{$rules[0]}{qw(version zone window late bind state)}",
       '1 Asia/Tokyo 604800 864000 window active', 'with the program\'s fields');
    like($rules[0]{transitions}, qr/^\d+:540$/, 'and the zone\'s offsets');
    ok(exists fields("ref:days:leads:{$p}")->{'2026-11-19'},
       'days are those of the zone, also of what came before');
    is(fields("ref:rules:{$p}")->{1}, 2, 'which version is where');

    is(run('--once', '--program', $p), 0, 'again');
    is(stream_end($p), 2, 'nothing changed: no rules');

    $t->redis('HSET', "ref:program:{$p}", timezone => 'Europe/Berlin');
    run('--once', '--program', $p);
    sleep 1.1;

    my $log = run_for($p, sub { stream_end($p) == 3 });

    is(stream_end($p), 3, 'an edit is a fact');

    ($rules[1]) = grep { ($_->{version} // 0) == 2 }
                  $t->entries("ref:conversions:{$p}");
    like($rules[1]{transitions}, qr/^\d+:120,\d+:60,/, 'with summer time');

    $t->redis('HSET', "ref:program:{$p}", timezone => 'Mars/Base', window => '9d');

    $log = run_for($p, sub { stream_end($p) == 4 });

    my ($last) = reverse $t->entries("ref:conversions:{$p}");

    is("@$last{qw(zone window)}", 'Europe/Berlin 777600',
       'a zone that is none: the former one holds');
    is(() = $log =~ /timezone "Mars\/Base"/g, 1, 'which is said once');
    is(replay($p), 0, 'a replay has the same');
};


subtest 'at once' => sub {
    my $p = program();
    my $daemon = start('--program', $p, '--metrics', "$dir/metrics");

    append($p, fact('lead', friend => 1, click()));

    my $from;

    ok(settled($p), 'a new stream');
    $from = time;
    append($p, fact('lead', friend => 2, click()));
    ok(settled($p), 'another fact');
    cmp_ok(time - $from, '<', 1 * patience, 'within a second');

    waits('metrics are written', sub {
        $t->read_file('metrics') =~ /^referral_settle_position\{program="$p"\} \d+$/m
    });
    like(fields("ref:settled:{$p}")->{lease}, qr/:/, 'somebody has the lease');

    stop($daemon);

    ok(!exists fields("ref:settled:{$p}")->{lease}, 'and gives it back');
};


subtest 'kill -9 at each write' => sub {
    my ($died, $n, $again) = (0, 0, 0);

    for my $when ('before', 'after') {
        for ($n = 1; $n < ($ENV{TEST_KILLS} // 200); $n++) {
            my $p = program();

            append($p, @facts);

            local %ENV = (%ENV, LD_PRELOAD => $faults, FAULT_KILL => $n,
                          FAULT_WHEN => $when, FAULT_FILE => "$dir/killed-$p");

            run('--once', '--program', $p, '--batch', 15, '--lease', 0);

            delete @ENV{qw(LD_PRELOAD FAULT_KILL)};

            last if !-e "$dir/killed-$p";

            $died++;
            run('--once', '--program', $p, '--batch', 15, '--lease', 0);

            next if same($p) && replay($p) == 0;

            fail("killed $when write $n");
            $again++;
            last if $again > 2;
        }
    }

    cmp_ok($died, '>', 20, "it died $died times");
    is($again, 0, 'and nothing was lost or counted twice');
};


subtest 'two settlers, no lease' => sub {
    my $p = program();
    my @both = map { start('--program', $p, '--lease', 0, '--batch', 3) } 1, 2;

    append($p, $_) for @facts;

    ok(settled($p), 'all is settled');
    stop($_) for @both;
    ok(same($p), 'once');
    is(replay($p), 0, 'a replay has the same');
};


subtest 'asleep for longer than the lease' => sub {
    my $p = program();
    my $one = start('--program', $p, '--lease', 1);

    append($p, @facts[0 .. 29]);
    ok(settled($p), 'one settles');

    kill 'STOP', -$one->{pid};

    my $two = start('--program', $p, '--lease', 1);

    append($p, @facts[30 .. 49]);
    ok(settled($p), 'the other takes over');
    append($p, @facts[50 .. 59]);
    kill 'CONT', -$one->{pid};
    append($p, @facts[60 .. $#facts]);

    ok(settled($p), 'the first wakes up');
    stop($_) for $one, $two;
    ok(same($p), 'no second effect');
    is(replay($p), 0, 'a replay has the same');
};


subtest 'a fact that kills the process' => sub {
    for my $how ('crash', 'hang') {
        my ($p, $other) = (program(), program());

        append($p, fact('lead', friend => 1, click()),
               fact('lead', friend => 2, event => "poison-$how", click()),
               fact('lead', friend => 3, click()));
        append($other, @facts);

        my $daemon;

        {
            local %ENV = (%ENV, LD_PRELOAD => $faults, FAULT_HOW => $how,
                          FAULT_POISON => "poison-$how");

            $daemon = start('--program', $p, '--program', $other);
        }

        waits("$how: the program stops", sub {
            fields("ref:settled:{$p}")->{stopped}
        });

        waits('before that fact', sub {
            fields("ref:settled:{$p}")->{position} == 1
        });

        my $settled = fields("ref:settled:{$p}");

        is("@$settled{qw(trying attempts)}", '2 2', 'after two deaths');
        ok(settled($other), 'others go on');
        waits('it is said', sub {
            $daemon->{log}->() =~ /\[crit\] program "$p" stops before entry 2/
        });

        my ($status) = grep { $_->{program} eq $p } @{ status() };

        like($status->{stopped}, qr/^entry 2: /, 'and in the status');

        isnt(run('--skip', 3, '--program', $p, '--reason', 'wrong one'), 0,
             'no other entry can be skipped');
        is(run('--skip', 2, '--program', $p, '--reason', 'it kills'), 0,
           'an operator goes past it');
        ok(settled($p), 'the program goes on');
        is(fields("ref:stats:{$p}")->{leads}, 2, 'without it');

        my ($last) = grep { $_->{type} eq 'skip' } $t->entries("ref:conversions:{$p}");

        is("@$last{qw(position reason)}", '2 it kills', 'which is a fact');
        stop($daemon);
        is(replay($p), 0, 'a replay has the same');
    }
};


subtest 'entries that are none' => sub {
    my $p = program();

    append($p, fact('lead', friend => 1, click()));
    $t->redis('XADD', "ref:conversions:{$p}", '2-0', type => 'sale', time => 5);
    append($p, fact('lead', friend => 2, click()), fact('lead', friend => 3, click()));

    isnt(run('--once', '--program', $p), 0, 'a malformed one stops the program');
    is(fields("ref:settled:{$p}")->{position}, 1, 'before it');
    is(run('--skip', 2, '--program', $p, '--reason', 'x'), 0, 'skipped');

    $t->redis('XDEL', "ref:conversions:{$p}", '3-0');
    isnt(run('--once', '--program', $p), 0, 'so does one that is missing');
    is(run('--skip', 3, '--program', $p, '--reason', 'deleted by hand'), 0,
       'skipped');
    is(run('--once', '--program', $p), 0, 'then it goes on');
    is(fields("ref:stats:{$p}")->{leads}, 2, 'with the others');
    is(replay($p), 0, 'a replay has the same');

    my $next = program();

    append($next, fact('sale', friend => 1, order => 'o', amount => 1,
                       unit => 'EUR', click()));
    run('--once', '--program', $next);
    $t->redis('HSET', "ref:stats:{$next}", 'amount:EUR', '9223372036854775807');
    append($next, fact('sale', friend => 1, order => 'p', amount => 1,
                       unit => 'EUR', via => 'bound', referrer => 9,
                       code => 'aiko7'));

    isnt(run('--once', '--program', $next), 0, 'a sum beyond 2^63 stops it');
    like(fields("ref:settled:{$next}")->{stopped}, qr/2\^63/, 'and says why');
    $t->redis('DEL', "ref:conversions:{$next}", "ref:settled:{$next}");
};


subtest 'a sum of rewards beyond 2^63' => sub {
    my $p = program(rewards => "unit=pt/0\ncap=c per=referrer count=9999\n"
                               . "rule=a on=sale to=referrer each=order cap=c"
                               . " give=9000000000000000pt\n");

    # 1,025 rewards of that size are more: what does not fit is denied

    append($p, map { fact('sale', friend => $_, order => "o$_", amount => 1,
                          unit => 'pt', click()) } 1 .. 1030);

    is(run('--once', '--program', $p), 0, 'the program goes on');
    is(fields("ref:settled:{$p}")->{stopped}, undef, 'and does not stop');
    is($t->redis('HGET', "ref:wallet:{$p}", 'pt:available'),
       '9216000000000000000', 'those before it are given');
    is(run('--replay', '--program', $p), 0, 'a replay has the same');
};


subtest 'a program that is deleted' => sub {
    my $p = program();
    my $daemon = start('--program', $p, '--lease', 1);

    append($p, @facts[0 .. 9]);
    ok(settled($p), 'it is settled');
    $t->redis('DEL', keys_of($p));
    sleep 2.5;
    is_deeply([ keys_of($p) ], [], 'nothing of it comes again');

    $t->redis('HSET', "ref:program:{$p}", state => 'active');
    append($p, @facts[0 .. 9]);
    ok(settled($p), 'a new one of its name is settled');
    stop($daemon);
    is(replay($p), 0, 'a replay has the same');
};


subtest 'a stream that is not what was settled' => sub {
    my $p = program();

    append($p, @facts[0 .. 9]);
    is(run('--once', '--program', $p), 0, 'it is settled');

    my $before = state($p);

    # another one begins at 1 again

    my $daemon = start('--program', $p, '--lease', 1);

    sleep 1;
    $t->redis('DEL', "ref:conversions:{$p}");
    append($p, @facts[10 .. 13]);
    waits('a shorter one is told', sub {
        $daemon->{log}->() =~ /entry \d+ was settled: the stream was replaced/
    });
    append($p, @facts[14 .. 30]);
    stop($daemon);
    is_deeply(state($p), $before, 'and is not counted');

    my ($status, $said) = run('--once', '--program', $p);

    is(fields("ref:settled:{$p}")->{position}, 11, 'nor is a longer one')
        or diag("$status $said");
};


subtest 'a stream that was cut' => sub {
    my $p = program();

    append($p, @facts[0 .. 9]);
    run('--once', '--program', $p);
    $t->redis('XTRIM', "ref:conversions:{$p}", 'MINID', '12-0');
    append($p, { type => 'rules', time => $T, version => 2, engine => 1,
                 transitions => "$T:60", window => 60, late => 60,
                 bind => 'window' });

    my ($status, $said) = run('--once', '--program', $p);

    is($status, 2, 'without the rules that hold nothing is settled');
    like($said, qr/rules that were settled are not in the stream/,
         'which is told');

    my @trouble = ('--program', $p, '--metrics', "$dir/trouble");
    my $daemon = start(@trouble);

    waits('a metric says it', sub {
        -e "$dir/trouble" && $t->read_file('trouble')
                             =~ /^referral_settle_trouble\{program="$p"\} 1$/m
    });
    stop($daemon);

    ($status, $said) = run('--status', '--program', $p);
    is($status, 1, '--status is not well');
    like($json->decode($said)->[0]{trouble}, qr/^the rules that were settled/,
         'and says why');

    # what has it is put back: the same entries and rules

    $t->redis('DEL', grep { $_ ne "ref:program:{$p}" } keys_of($p));
    append($p, @facts[0 .. 9]);
    $t->redis('HSET', "ref:settled:{$p}", trouble => 'of before');
    is(run('--once', '--program', $p), 0, 'when it is over');
    is((run('--status', '--program', $p))[0], 0, 'all is well again');

    # nothing new has to come for that

    $t->redis('HSET', "ref:settled:{$p}", trouble => 'of before');
    run('--once', '--program', $p);
    is((run('--status', '--program', $p))[0], 0, 'also without a new entry');

    # a stream that is away, and no settler that has looked yet

    $t->redis('RENAME', "ref:conversions:{$p}", "away:{$p}");
    ($status, $said) = run('--status', '--program', $p);
    is($status, 1, 'a stream that is away is not well');
    like($json->decode($said)->[0]{trouble}, qr/end at entry 0, but entry/,
         'and why');
    $t->redis('RENAME', "away:{$p}", "ref:conversions:{$p}");

    # fields that cannot be read: a settler that has nothing else to do

    $daemon = start('--program', $p, '--lease', 1);
    ok(settled($p), 'it settles');

    my $fields = $t->redis('DUMP', "ref:program:{$p}");

    $t->redis('SET', "ref:program:{$p}", 'text');
    waits('trouble comes', sub { fields("ref:settled:{$p}")->{trouble} });
    $t->redis('DEL', "ref:program:{$p}");
    $t->redis('RESTORE', "ref:program:{$p}", 0, $fields);
    waits('and goes', sub { !fields("ref:settled:{$p}")->{trouble} });
    is(() = $daemon->{log}->() =~ /WRONGTYPE/g, 1, 'it is said once');
    stop($daemon);
    $t->redis('DEL', keys_of($p));
};


subtest 'a failover that loses the tail' => sub {
    my $p = program();
    my $daemon = start('--program', $p);

    append($p, @facts[0 .. 39]);
    ok(settled($p), 'half of it');

    $t->redis('SAVE');

    # what came after is lost, and comes again in another order

    append($p, @facts[40 .. 69]);
    ok(settled($p), 'some more');

    $t->redis_stop;
    sleep 0.5;
    $t->redis_start;
    is(stream_end($p), 41, 'the tail is lost');
    append($p, reverse @facts[40 .. $#facts]);

    ok(settled($p), 'it settles from there');
    stop($daemon);
    is(replay($p), 0, 'a replay has the same');
};


subtest 'a settler that slept through it' => sub {
    my $p = program();
    my $daemon = start('--program', $p, '--lease', 1);

    append($p, @facts[0 .. 49]);
    ok(settled($p), 'it has settled some');
    kill 'STOP', -$daemon->{pid};

    # meanwhile another past: the same number of other facts

    my $position = fields("ref:settled:{$p}")->{position};

    $t->redis('DEL', grep { $_ ne "ref:program:{$p}" } keys_of($p));
    append($p, @facts[0, 30 .. 28 + $position - 1]);
    run('--once', '--program', $p, '--lease', 0);
    is(fields("ref:settled:{$p}")->{position}, $position,
       'another one has, of others');

    kill 'CONT', -$daemon->{pid};
    append($p, $facts[20]);

    ok(settled($p), 'it goes on');
    stop($daemon);
    is(replay($p), 0, 'on what is there now: the chain tells');
};


subtest 'a key of the wrong type' => sub {
    my @keys = grep { /^ref:/ } keys %$want;
    my %class;

    for my $key (@keys) {
        my $class = $key =~ s/:\{.*?\}//r;

        $class =~ s/\d[\d-]*//g;
        $class{$class} //= $key;
    }

    my $bad = 0;

    for my $key (sort values %class) {
        my $p = program();
        my $mine = $key =~ s/\{[^}]*\}/{$p}/r;

        append($p, @facts);
        $t->redis('SET', $mine, 'text');

        my ($status, $said) = run('--once', '--program', $p, '--lease', 0,
                                  '--batch', 1000);
        my @there = grep { !/:(?:conversions|program|settled)/ && $_ ne $mine }
                    keys_of($p);

        $bad++ if !is("$status @there", '2 ', "$mine: nothing is written");
        like($said, qr/WRONGTYPE/, 'and it is said');

        $t->redis('DEL', $mine);
        run('--once', '--program', $p);
        ok(same($p), 'then all is');
        last if $bad > 2;
    }

    for my $name ('settled', 'conversions', 'rules', 'program') {
        my $p = program();

        append($p, @facts) if $name ne 'conversions';
        $t->redis('SET', "ref:$name:{$p}", 'text');

        my ($status, $said) = run('--once', '--program', $p);

        is($status, 2, "ref:$name:{p}");
        like($said, qr/WRONGTYPE/, 'it is said');
        $t->redis('DEL', "ref:$name:{$p}", "ref:conversions:{$p}");
    }
};


subtest 'what Redis refuses' => sub {
    my $p = program();
    my $daemon = start('--program', $p);

    append($p, @facts[0 .. 9]);
    ok(settled($p), 'it settles');

    my $next = 10;

    for my $trouble ([ 'OOM', sub { $t->redis('CONFIG', 'SET', 'maxmemory', $_[0] ? 1 : 0) } ],
                     [ 'READONLY', sub { $t->redis('REPLICAOF', $_[0] ? ('127.0.0.1', 1) : ('NO', 'ONE')) } ])
    {
        my ($name, $set) = @$trouble;
        append($p, $facts[$next++]);
        ok(settled($p), 'fine');
        $set->(1);

        # the entry is there already in a replica, and where memory is short

        if ($name eq 'OOM') {
            $set->(0);
            kill 'STOP', -$daemon->{pid};
            append($p, $facts[$next++]);
            $set->(1);
            kill 'CONT', -$daemon->{pid};
        }

        waits("$name is said", sub { $daemon->{log}->() =~ /\b$name\b/ });
        sleep 2.5;
        is(() = $daemon->{log}->() =~ /\b$name\b/g, 1, 'once');
        $set->(0);

        append($p, $facts[$next++]) if $name ne 'OOM';
        ok(settled($p), 'then it goes on');
    }

    stop($daemon);
    is(replay($p), 0, 'a replay has the same');
};


subtest 'Redis is away' => sub {
    my $p = program();

    append($p, @facts[0 .. 19]);
    $t->redis('SAVE');

    my $daemon = start('--program', $p);

    ok(settled($p), 'it settles');
    $t->redis('SAVE');
    $t->redis_stop;
    waits('it says so', sub {
        $daemon->{log}->() =~ /trying again until it answers/
    });
    sleep 2;
    is(() = $daemon->{log}->() =~ /trying again/g, 1, 'once') or diag $daemon->{log}->();
    $t->redis_start;
    append($p, @facts[20 .. $#facts]);
    ok(settled($p), 'then it goes on');
    stop($daemon);
    ok(same($p), 'as if nothing had been');
};


subtest 'FLUSHALL' => sub {
    my $p = program();
    my $daemon = start('--program', $p);

    append($p, @facts[0 .. 39]);
    ok(settled($p), 'it settles');
    $t->redis('FLUSHALL');
    $t->redis('HSET', "ref:program:{$p}", state => 'active');
    append($p, @facts);
    ok(settled($p), 'from the start again');
    stop($daemon);
    is(replay($p), 0, 'a replay has the same');

    $reference = $p;
    $want = state($p);
};


subtest 'the user of the manual' => sub {
    my ($line) = $t->read_file("$root/docs/redis.md") =~ /^    user (settle .*)$/m;

    ok($line, 'its line') or return;

    my ($name, @rules) = split ' ', $line;

    $t->redis('ACL', 'SETUSER', $name, @rules);
    $t->write_file('password', "change-this-password\n", 0600);

    my @user = ('--username', $name, '--password_file', "$dir/password");
    my @rewards = (rewards => "unit=EUR/2\ncap=c per=referrer count=1\n"
                   . "rule=a on=never to=referrer give=1.00EUR cap=c");
    my $p = program(@rewards);

    append($p, @facts);
    is(run('--once', '--program', $p, @user), 0, 'it settles');
    ok(same($p), 'all of it');
    is(run('--replay', '--program', $p, @user), 0, 'and replays');

    for my $may (grep { /^\+/ } @rules) {
        $t->redis('ACL', 'SETUSER', $name, 'reset', @rules);
        $t->redis('ACL', 'SETUSER', $name, $may =~ s/^\+/-/r);
        $p = program(@rewards);
        append($p, @facts);

        # asked only by who waits for something new

        if ($may eq '+xread') {
            my $daemon = start('--program', $p, @user);

            $t->redis(qw(ACL LOG RESET));
            waits("$may is needed", sub {
                grep { "@$_" =~ /xread/i } @{ $t->redis(qw(ACL LOG)) };
            });
            stop($daemon);
            next;
        }

        my @said = (run('--once', @user), run('--status', @user),
                    run('--replay', '--program', $p, @user));

        isnt("@said[0, 2, 4]", '0 0 0', "$may is needed");

        next if $may ne '+xrange';

        is((run('--dump', '--program', $p, @user))[0], 2,
           'a dump that is not whole is told');
        is((run('--replay', '--program', $p, @user))[0], 2,
           'as is a replay that reads nothing');
    }

    $t->redis('ACL', 'SETUSER', $name, 'reset', @rules);
    run('--once', @user);
    is((run('--status', '--program', $p, @user))[0], 0,
       'with all of them it goes on');

    $t->redis('ACL', 'DELUSER', $name);
};


subtest 'options' => sub {
    my $file = "$dir/settle.conf";
    my ($status, $said) = run('-c', "$root/conf/settle.conf.example", @redis,
                              '--status', '--program', $reference);

    is($status, 0, 'the example is taken') or diag($said);

    my $text = $t->read_file("$root/conf/settle.conf.example")
               =~ s/^# (?=\w+ {4,})//mgr =~ s/^(?:password_file|db|metrics) .*$//mgr;

    $t->write_file($file, $text);
    chmod 0644, $file;
    ($status, $said) = run('-c', $file, @redis, '--status',
                          '--program', $reference);
    is($status, 2, 'a password that others may read');
    like($said, qr/has a password and mode 644.* 600 is right/, 'is refused');

    $t->write_file("$dir/secret", "change-this-password\n");
    chmod 0664, "$dir/secret";
    like((run('--password_file', "$dir/secret", '--status'))[1],
         qr/has a password and mode 664/, 'so is its own file');

    chmod 0600, $file;
    ($status, $said) = run('-c', $file, @redis, '--status',
                          '--program', $reference);
    like($said, qr/WRONGPASS/, 'and so is all of it');

    # a password may have "#" in it; before a word it begins a comment

    $t->redis('ACL', 'SETUSER', 'hash', 'on', '>pass#word#', '~*', '+@all');
    $t->write_file($file, "username hash # who\npassword pass#word# #it\n"
                          . "\t# nothing\n#\n");
    ($status, $said) = run('-c', $file, @redis, '--status',
                          '--program', $reference);
    is($status, 0, 'a password with "#" in it') or diag($said);

    $t->redis('ACL', 'DELUSER', 'hash');

    for my $wrong ([ 'redis', 'takes one value' ],
                   [ 'redis # 127.0.0.1', 'takes one value' ],
                   [ 'batch 7#', 'number from 1 to 1000' ],
                   [ 'colour red', 'line 3: "colour" is no option;' ],
                   [ 'batch 0', 'number from 1 to 1000' ],
                   [ 'prefix {x}', 'a prefix has no' ],
                   [ 'program Shop', 'no program\'s name' ],
                   [ 'password_file /none', 'No such file' ],
                   [ 'redis 127.0.0.1:port', 'HOST:PORT or unix:PATH' ],
                   [ 'reason ' . 'x' x 600, 'longer than 511 bytes' ],
                   [ 'reason ' . 'x' x 2000, 'line 3: it is longer than' ])
    {
        $t->write_file($file, "# a comment\n\n$wrong->[0]\n");
        ($status, $said) = run('-c', $file, '--status');

        is($status, 2, "$wrong->[0]: refused");
        like($said, qr/\Q$wrong->[1]\E/, 'with words');
    }

    for my $wrong ([ '--password', 'x' ], [ '--what', 'x' ], [ '--lease' ],
                   [ '-c', $dir ], [ 'shop' ], [ '--replay' ], [ '--dump' ],
                   [ '--skip', 1, '--program', 'x' ], [ '-c', '/none' ],
                   [ '--skip', 'x', '--program', 'x' ])
    {
        ($status, $said) = run(@$wrong);

        is($status, 2, "@$wrong: refused");
        like($said, qr/^nginx-referral-settle: \S/, 'with words');
    }

    like((run('--help'))[1], qr/--replay/, '--help');
};


subtest 'a name or a prefix that is wrong' => sub {
    for my $wrong ([ '--replay' ], [ '--dump' ], [ '--status' ]) {
        my ($status, $said) = run(@$wrong, '--program', 'nosuch');

        is($status, 2, "@$wrong: no such program");
        like($said, qr/there is no program "nosuch" under prefix "ref:"/,
             'is said');

        ($status, $said) = run(@$wrong, '--program', $reference,
                               '--prefix', 'xx:');
        is($status, 2, 'nor under that prefix');
        like($said, qr/under prefix "xx:"/, 'is said');
    }

    my ($status, $said) = run('--status', '--prefix', 'xx:');

    is($status, 2, 'no program at all');
    like($said, qr/no program was found under prefix "xx:"/, 'is said');
    like($said, qr/^\[\]$/m, 'and its JSON is whole');

    my $daemon = start('--prefix', 'xx:');

    sleep 2;
    is(() = $daemon->{log}->() =~ /no program was found under prefix "xx:"/g,
       1, 'a settler says it once');
    stop($daemon);

    # a program without a sale is one

    my $p = program();

    is((run('--status', '--program', $p))[0], 0, 'a new program');
    is(replay($p), 0, 'has a replay');
    $t->redis('DEL', "ref:program:{$p}");
};


subtest 'a program that is in no list' => sub {
    my $p = program();

    append($p, $facts[0]);
    $t->redis('SADD', 'ref:programs', $p);
    $t->redis('SREM', 'ref:programs', $p);
    ok((grep { $_->{program} eq $p } @{ status() }), 'is in --status');
    $t->redis('DEL', "ref:program:{$p}");
    ok((grep { $_->{program} eq $p } @{ status() }), 'by its stream alone');
    $t->redis('DEL', keys_of($p));
};


subtest 'a replay finds' => sub {
    my $p = program();

    append($p, @facts);
    run('--once', '--program', $p);

    my ($board) = grep { /:board:.*:sales$/ } keys_of($p);

    for my $edit ([ 'HINCRBY', "ref:stats:{$p}", 'sales', 1 ],
                  [ 'HSET', "ref:friend:{$p}:99", 'code', 'x' ],
                  [ 'DEL', "ref:friend:{$p}:1" ],
                  [ 'ZINCRBY', $board, 1, 'nobody' ],
                  [ 'HSET', "ref:cohort:{$p}:2030-01-01", 'leads', 1 ],
                  [ 'HSET', "ref:settled:{$p}", 'chain', '0' x 64 ])
    {
        my ($command, $key) = @$edit;
        my $old = $t->redis('DUMP', $key);

        $t->redis(@$edit);
        my ($status, $said) = run('--replay', '--program', $p);

        is($status, 1, "@$edit[0, 1]");
        like($said, $key =~ /settled/ ? qr/^different: chain/m
                                      : qr/^different: \Q$key\E /m, 'it is named');
        $t->redis('DEL', $key);
        $t->redis('RESTORE', $key, 0, $old) if defined $old;
    }

    is(replay($p), 0, 'nothing else');

    my ($status, $dump) = run('--dump', '--program', $p);

    $t->write_file('dump', $dump);
    is((run('--replay', "$dir/dump", '--program', $p))[0], 0, 'so has its dump');

    $t->write_file('dump', substr $dump, 0, -20);
    my ($short, $said) = run('--replay', "$dir/dump", '--program', $p);

    is($short, 2, 'a dump that ends within an entry');
    like($said, qr/line \d+: no entry/, 'is told');
    unlike($said, qr/cannot be decided/, 'as what it is');

    $dump =~ s/"amount","(\d)/"amount","1$1/;
    $t->write_file('dump', $dump);
    is((run('--replay', "$dir/dump", '--program', $p))[0], 1,
       'but not one in which an amount was changed');

    $dump =~ s/\n.*\n\z/\n/;
    $t->write_file('dump', $dump);
    like((run('--replay', "$dir/dump", '--program', $p))[1], qr/ends at entry/,
         'or that is cut');
};


# what the version before it wrote: fewer counters, and engine 1

subtest 'after an upgrade' => sub {
    my $p = program();
    my @sold = (
        fact('lead', friend => 1, country => 'JP', click()),
        fact('sale', friend => 1, order => 'o1', amount => 1000, unit => 'EUR',
             via => 'bound', referrer => 9, code => 'aiko7'));

    append($p, @sold);
    is(run('--once', '--program', $p), 0, 'it is settled');

    my $now = fields("ref:settled:{$p}")->{engine};

    for my $key (grep { /^ref:(?:stats|day|cohort)\b/ } keys_of($p)) {
        $t->redis('HDEL', $key, 'amount:EUR:country:JP');
    }

    $t->redis('DEL', map { my $name = $_; ("ref:days:$name:{$p}:aiko7",
                                           "ref:days:$name:{$p}") }
                         qw(amount:EUR));
    $t->redis('DEL', map { "ref:days:$_:{$p}:aiko7" } qw(leads sales));
    $t->redis('HSET', "ref:settled:{$p}", engine => $now - 1);

    append($p, fact('refund', order => 'o1', amount => 300, unit => 'EUR'));

    my ($status, $said) = run('--once', '--program', $p);

    is($status, 0, 'it goes on');
    like($said, qr/an older version settled it up to entry 3 .* --repair/,
         'and says what is missing');
    is(fields("ref:stats:{$p}")->{'amount:EUR'}, 700,
       'what was counted before is right');
    is(fields("ref:settled:{$p}")->{engine}, $now,
       'an older version leaves it alone now');
    is(replay($p), 1, 'a replay finds what is missing');

    ($status, $said) = run('--repair', '--program', $p);
    is($status, 0, 'a repair adds it');
    is(fields("ref:days:amount:EUR:{$p}:aiko7")->{'2026-11-18'}, 700,
       'also the days of the link');
    is(fields("ref:stats:{$p}")->{'amount:EUR:country:JP'}, 700,
       'and amounts by country');
    is(replay($p), 0, 'a replay has the same');

    $t->redis('HSET', "ref:settled:{$p}", engine => $now - 1);
    $t->redis('HSET', "ref:days:refunds:{$p}:nobody", '2026-11-18', 5);
    ($status, $said) = run('--repair', '--program', $p);
    like($said, qr/^repaired: ref:days:refunds:\{$p\}:nobody /m,
         'a link of whom nothing was counted is found');
    is(fields("ref:settled:{$p}")->{engine}, $now, 'a repair tells the version');

    $t->redis('HSET', "ref:settled:{$p}", engine => $now + 2);
    append($p, fact('lead', friend => 2, click()));
    ($status, $said) = run('--once', '--program', $p);
    like($said, qr/a newer version has settled it/, 'one of a newer is left');
    $t->redis('DEL', keys_of($p));
};


subtest 'a repair' => sub {
    my $p = program();
    my $daemon = start('--program', $p);

    append($p, @facts[0 .. 59]);
    ok(settled($p), 'a settler has it in its memory');

    my ($board) = grep { /:board:.*:sales$/ } keys_of($p);
    my ($progress) = grep { /:progress:/ } keys_of($p);

    $t->redis('HINCRBY', "ref:stats:{$p}", 'sales', 5);
    $t->redis('HSET', "ref:friend:{$p}:99", 'code', 'x');
    $t->redis('ZINCRBY', $board, 1, 'nobody');
    $t->redis('DEL', "ref:friend:{$p}:1", $progress);

    my ($status, $said) = run('--repair', '--program', $p);

    is($status, 0, 'succeeds') or diag($said);
    like($said, qr/^repaired: \Q$_\E /m, "and tells $_")
        for $board, $progress, "ref:stats:{$p}", "ref:friend:{$p}:99";

    append($p, @facts[60 .. $#facts]);
    ok(settled($p), 'the settler goes on');
    stop($daemon);
    ok(same($p), 'on what was repaired');
    is(replay($p), 0, 'a replay has the same');

    my $before = fields("ref:settled:{$p}");

    ($status, $said) = run('--repair', '--program', $p);
    is($status, 0, 'nothing to repair');
    is_deeply(fields("ref:settled:{$p}"), $before, 'writes nothing');

    $t->redis('SET', $progress, 'text');
    ($status, $said) = run('--repair', '--program', $p);
    isnt($status, 0, 'a key of another type');
    like($said, qr/not repaired: \Q$progress\E: WRONGTYPE/, 'stays');
    $t->redis('DEL', keys_of($p));

    # a settler that has read what is wrong, and not written yet

    my $tried = 0;

    for my $n (1 .. 60) {
        my $wrong = program();
        my $file = "$dir/stopped-$wrong";

        append($wrong, @facts[0 .. 39]);
        run('--once', '--program', $wrong);
        $t->redis('DEL', grep { /^ref:(?:friend|order)\b/ } keys_of($wrong));
        append($wrong, @facts[40 .. $#facts]);

        local %ENV = (%ENV, LD_PRELOAD => $faults, FAULT_KILL => $n,
                      FAULT_WHEN => 'stop', FAULT_FILE => $file);

        my $one = start('--once', '--program', $wrong, '--lease', 0,
                        '--batch', 1000);

        delete @ENV{qw(LD_PRELOAD FAULT_KILL)};

        wait_for { -s $file || waitpid($one->{pid}, WNOHANG) } 5;
        last if !-s $file;

        my $repaired = run('--repair', '--program', $wrong);

        kill 'CONT', $t->read_file($file);
        waitpid $one->{pid}, 0;

        # what was counted on it cannot be repaired

        next if $repaired != 0;

        $tried++;
        run('--once', '--program', $wrong, '--lease', 0);
        next if same($wrong) && replay($wrong) == 0;

        fail("stopped before write $n");
        last;
    }

    cmp_ok($tried, '>', 3, 'a repair under a settler that has read');
};

done_testing;


# --- programs and their streams ---

# a program of its own for each case; fields as an operator would write them

sub program {
    my (%fields) = @_;

    my $p = 'p' . ++$number;

    $t->redis('HSET', "ref:program:{$p}", state => 'active', %fields);

    return $p;
}


# the settler appends too: then the number is taken, and it is the next one

sub append {
    my ($p, @new) = @_;

    for my $f (@new) {
        for ( ;; ) {
            my $n = stream_end($p) + 1;

            last if eval { $t->redis('XADD', "ref:conversions:{$p}", "$n-0",
                                     fact_words($f)) };
            die $@ if $@ !~ /equal or smaller/;
        }
    }
}


sub fact {
    my ($type, %more) = @_;

    my %f = map { $_ => '' } @Referral::Facts::NAMES;

    return { %f, type => $type, event => 'e' . ++$number, time => $T + 86_400_000,
             at => $T, given => 1, trust => 'signed', via => 'none', known => 0,
             self => 0, %more };
}


sub click {
    return (via => 'click', referrer => 9, code => 'aiko7',
            click_at => $T - 86_400_000);
}


sub stream_end {
    my ($p) = @_;

    my $info = eval { $t->redis('XINFO', 'STREAM', "ref:conversions:{$p}") }
        or return 0;

    return { @$info }->{'last-generated-id'} =~ s/-.*//r;
}


sub fields { return { @{ $t->redis('HGETALL', $_[0]) } } }


sub keys_of {
    my ($p) = @_;

    return grep { /\{\Q$p\E\}/ } @{ $t->redis('KEYS', "*{$p}*") };
}


# all that a settler wrote of a program, under the name of the reference

sub state {
    my ($p) = @_;

    my %state;

    for my $key (grep { !/^ref:(?:conversions|program|rules|settled)/ }
                     keys_of($p))
    {
        my $name = $key =~ s/\{\Q$p\E\}/{p}/r;

        if ($key =~ /^ref:board/) {
            my %of = @{ $t->redis('ZRANGE', $key, 0, -1, 'WITHSCORES') };

            $state{$name} = join ' ', map { "$_=$of{$_}" } sort keys %of;
            next;
        }

        my $of = fields($key);

        # where the sale stands depends on where the rules do

        if ($key =~ /^ref:order/) {
            s/^(\d+) \d+ /$1 N / for values %$of;
        }

        $state{$name} = join ' ', map { "$_=$of->{$_}" } sort keys %$of;
    }

    return \%state;
}


sub same {
    my ($p) = @_;

    my $got = state($p);
    my $good = 1;

    for my $key (sort keys %{ { %$got, %$want } }) {
        my ($g, $w) = map { $_->{$key} // '(none)' } $got, $want;

        next if $g eq $w;

        diag("$key of $p:\n got      $g\n expected $w");
        $good = 0;
    }

    return $good;
}


sub waits {
    my ($name, $sub) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return ok(wait_for(\&$sub), $name);
}


# all of the stream

sub settled {
    my ($p) = @_;

    my $good = wait_for {
        (fields("ref:settled:{$p}")->{position} // 0) == stream_end($p)
    };

    diag("$p: position " . (fields("ref:settled:{$p}")->{position} // 'none'))
        if !$good;

    return $good;
}


# --- the process ---

# status, and what it says on stdout and stderr

sub run {
    my (@options) = @_;

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', "$dir/said";
        open STDERR, '>&', \*STDOUT;
        exec $settle, @redis, @options or POSIX::_exit(127);
    }

    waitpid $pid, 0;

    my $status = WIFEXITED($?) ? WEXITSTATUS($?) : 128 + ($? & 127);

    return wantarray ? ($status, $t->read_file('said')) : $status;
}


sub replay {
    my ($p) = @_;

    my ($status, $said) = run('--replay', '--program', $p);

    diag($said) if $status != 0;

    return $status;
}


sub status {
    my ($status, $said) = run('--status');

    return $json->decode($said =~ s/^\d{4}-.*\n//mgr);
}


sub start {
    my (@options) = @_;

    my $log = "$dir/settle-" . ++$number . '.log';
    my $pid = $t->spawn(sub {
        open STDOUT, '>', $log;
        open STDERR, '>&', \*STDOUT;
        exec $settle, @redis, @options;
    });

    return { pid => $pid, log => sub { $t->read_file($log) } };
}


sub stop {
    my ($daemon) = @_;

    kill 'TERM', $daemon->{pid};

    my $ended = wait_for { waitpid($daemon->{pid}, WNOHANG) != 0 };

    ok($ended && $? == 0, 'it ends when it is told to') or diag($daemon->{log}->());
    kill 'KILL', -$daemon->{pid} if !$ended;
}


# runs until something is so; gives its log

sub run_for {
    my ($p, $so) = @_;

    my $daemon = start('--program', $p);

    wait_for { $so->() };
    sleep 1.5;
    stop($daemon);

    return $daemon->{log}->();
}


sub faults {
    my $out = "$dir/faults.so";
    my @command = ($ENV{CC} // 'gcc', qw(-shared -fPIC -O1 -Wall -Wextra -Werror),
                   '-o', $out, "$root/t/lib/settle_faults.c", '-ldl');

    system(@command) == 0 or die "@command";

    return $out;
}
