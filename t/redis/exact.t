# protects: no answered click is lost and none is counted twice, whatever
# Redis and the network to it do
#
# TEST_SOAK=1: each fault lasts longer
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;

use Time::HiRes qw(sleep time);

my $soak = $ENV{TEST_SOAK};
my $hold = $soak ? 8 : 1;

alarm 3600 if $soak;


# TEST_ONLY="flush slow": these alone

sub fault {
    my ($name, $sub) = @_;

    return if $ENV{TEST_ONLY} && !grep { $_ eq $name }
                                      split ' ', $ENV{TEST_ONLY};

    $sub->();
}


# some clicks on every code, so that the cache knows them

sub warm {
    my ($c) = @_;

    $c->start(rate => 1000, count => 400);
    $c->exact('before');
}


# --- Redis is away ---

fault pause => sub {
    my ($t, $c) = Referral::Clicks->instance;

    warm($c);

    $c->start(rate => 400);
    sleep 1;
    $t->redis_pause;
    sleep($soak ? 30 : 8);
    $t->redis_continue;
    sleep 1;
    $c->stop;

    $c->exact('SIGSTOP of Redis');
    cmp_ok($c->{last}{p50}, '<', 50_000, 'hardly anybody waited for it');

    $t->finish;
};


fault aof => sub {
    my ($t, $c) = Referral::Clicks->instance;

    $t->redis_stop;
    $t->redis_start(qw(--appendonly yes --appendfsync everysec));
    $c->links;

    warm($c);

    for my $try (1 .. ($soak ? 10 : 1)) {
        $c->start(rate => 500);
        sleep 1;
        $t->redis_stop;
        sleep 0.5;
        $t->redis_start(qw(--appendonly yes --appendfsync everysec));
        sleep 0.5;
        $c->stop;
        $c->exact("kill -9 of Redis, AOF everysec, $try");
    }

    # What a power loss takes: the marks go back with the counts.  Redis 7.0
    # leaves the begin of a cut transaction in the file, and at its next start
    # applies that with what follows: only a rewrite makes the file whole.

    for my $try (1 .. ($soak ? 10 : 2)) {
        $c->start(rate => 500);
        sleep 1;
        $t->redis_stop;

        my ($aof) = glob "$t->{dir}/appendonlydir/*.incr.aof";
        my $cut = 20_000 * $try + int rand 50_000;

        truncate $aof, (-s $aof) - $cut;

        $t->redis_start(qw(--appendonly yes --appendfsync everysec
                           --aof-load-truncated yes));
        $t->redis('BGREWRITEAOF');
        wait_for {
            $t->redis('INFO', 'persistence')
                !~ /aof_rewrite_(?:in_progress|scheduled):1/;
        };
        $c->stop;
        $c->exact("the AOF's last $cut bytes are lost");
    }

    like($t->log, qr/went back from \d+ to \d+/, 'and the log says so');

    $t->finish;
};


fault flush => sub {
    my ($t, $c) = Referral::Clicks->instance;

    warm($c);

    $c->start(rate => 500);
    sleep 1;

    # the links are an operator's, who has them from somewhere

    $t->redis('MULTI');
    $t->redis('FLUSHALL');
    $c->links;
    $t->redis('EXEC');

    sleep 1;
    $c->stop;
    $c->exact('FLUSHALL under load');

    $t->redis('MULTI');
    $t->redis('FLUSHALL');
    $c->links;
    $t->redis('EXEC');

    $c->exact('FLUSHALL while nobody clicks');

    # of the dead too, whose journals the living keep

    kill 'KILL', $t->workers;
    sleep 1;
    $c->start(rate => 500, count => 300);
    $c->counted('after the workers died');

    $t->redis('MULTI');
    $t->redis('FLUSHALL');
    $c->links;
    $t->redis('EXEC');

    $c->counted('FLUSHALL with the journals of the dead');

    $t->expect_log(qr/exited on signal 9/);
    $t->finish;
};


fault rdb => sub {
    my ($t, $c) = Referral::Clicks->instance;

    warm($c);
    $t->redis('SAVE');

    for my $try (1 .. ($soak ? 5 : 1)) {
        $c->start(rate => 600, count => 1200);
        $c->exact('before');
        $t->redis_stop;
        $t->redis_start;
        $c->exact("an old RDB is loaded, $try");
    }

    $t->finish;
};


# Redis lost more than the journal keeps: what is gone is said and counted

fault retained => sub {
    my $t = Referral->new;
    my $c = Referral::Clicks->new($t, shop => '/r/');
    my %parts = $c->parts(workers => 1,
                          journal => 'segment=128k max=1m retain=0');

    $parts{server} .= 'location = /metrics { referral_metrics; }';

    my $number = sub { return $t->metric("referral_$_[0]") // 0 };
    my $raw = sub { $t->redis('HGET', 'ref:stats:{shop}', 'raw') // 0 };

    $c->links;
    $t->config(%parts);
    $t->start;

    $c->start(rate => 1500, count => 2000);
    $c->exact('before');

    my $sent = $number->('recorded_total');

    $t->redis('MULTI');
    $t->redis('FLUSHALL');
    $c->links;
    $t->redis('EXEC');

    ok((wait_for { $t->log =~ /\[crit\].*older than what the journal keeps/ }),
       'what the journal keeps no more is said');

    my $lost = $number->('lost_by_redis_total');

    cmp_ok($lost, '>', 0, "and counted: $lost");
    cmp_ok($lost, '<', $sent, 'the rest comes again');

    ok((wait_for { $raw->() == $sent - $lost }), 'whole')
        or diag($raw->() . " of $sent, $lost lost");
    is($number->('resent_total'), $sent - $lost, 'and is counted as resent');

    $t->get('/r/c1') for 1 .. 3;

    ok((wait_for { $raw->() == $sent - $lost + 3 }), 'and it goes on')
        or diag($raw->());

    $t->finish;
};


fault script => sub {
    my ($t, $c) = Referral::Clicks->instance;

    warm($c);
    $c->start(rate => 500);

    for (1 .. ($soak ? 200 : 12)) {
        sleep 0.25;
        $t->redis('SCRIPT', 'FLUSH');
    }

    $c->stop;
    $c->exact('SCRIPT FLUSH');
    $t->finish;
};


# --- Redis refuses ---

fault states => sub {
    my ($t, $c) = Referral::Clicks->instance;

    warm($c);

    my @states = (
        [ OOM        => [ qw(CONFIG SET maxmemory 1) ],
                        [ qw(CONFIG SET maxmemory 0) ] ],
        [ NOREPLICAS => [ qw(CONFIG SET min-replicas-to-write 1) ],
                        [ qw(CONFIG SET min-replicas-to-write 0) ] ],
        [ READONLY   => [ qw(REPLICAOF 127.0.0.1 1) ],
                        [ qw(REPLICAOF NO ONE) ] ],
        [ MASTERDOWN => [ qw(CONFIG SET replica-serve-stale-data no) ],
                        [ qw(REPLICAOF 127.0.0.1 1) ],
                        [ qw(REPLICAOF NO ONE) ] ],
        [ NOPERM     => [ qw(ACL SETUSER default -eval -evalsha) ],
                        [ qw(ACL SETUSER default +@all) ] ],
        [ NOAUTH     => [ qw(ACL SETUSER default resetpass >secret) ],
                        [ qw(CLIENT KILL TYPE normal SKIPME yes) ],
                        [ qw(CLIENT KILL TYPE pubsub) ],
                        [ qw(ACL SETUSER default nopass) ] ],
        [ maxclients => [ qw(CONFIG SET maxclients 1) ],
                        [ qw(CLIENT KILL TYPE normal SKIPME yes) ],
                        [ qw(CLIENT KILL TYPE pubsub) ],
                        [ qw(CONFIG SET maxclients 1000) ] ],
        [ MISCONF    => [ 'CONFIG', 'SET', 'save', '3600 1' ],
                        [ qw(BGSAVE) ],
                        [ 'CONFIG', 'SET', 'save', '' ] ],
    );

    # which BGSAVE cannot replace

    mkdir "$t->{dir}/dump.rdb";

    for my $state (@states) {
        my ($name, @commands) = @$state;
        my $last = pop @commands;

        $c->start(rate => 400);
        sleep 0.3;
        $t->redis(@$_) for @commands;
        sleep $hold;
        $t->redis(@$last);
        sleep 0.3;
        $c->stop;

        $c->exact("$name");
    }

    for my $word (qw(OOM NOREPLICAS READONLY NOPERM NOAUTH MISCONF)) {
        like($t->log, qr/[" ]$word /, "the log tells of $word");
    }

    like($t->log, qr/max number of clients/, 'the log tells of maxclients');

    # a script that somebody else runs

    $t->redis(qw(CONFIG SET busy-reply-threshold 10));
    $c->start(rate => 400);
    sleep 0.3;

    my $busy = $t->spawn(sub {
        my $redis = Referral::Redis->new($t->{redis_socket});
        eval { $redis->command('EVAL', 'while true do end', 0) };
    });

    sleep $hold;
    $t->redis('SCRIPT', 'KILL');
    sleep 0.3;
    $c->stop;
    $t->end_child($busy);
    $c->exact('BUSY');

    $t->finish;
};


fault loading => sub {
    my ($t, $c) = Referral::Clicks->instance;

    warm($c);

    $t->redis('EVAL', <<'END', 0);
        for i = 1, 3000 do redis.call('SET', 'filler:' .. i, ('x'):rep(99)) end
END
    $t->redis('SAVE');

    $c->start(rate => 400);
    sleep 0.3;
    $t->redis_stop;

    # the clicks since are sent again

    my $start = time;

    eval {
        $t->redis_start('--key-load-delay', $soak ? 3000 : 700,
                        '--loading-process-events-interval-bytes', 1024);
    };

    wait_for { eval { $t->redis('PING') eq 'PONG' } } 30;
    cmp_ok(time - $start, '>', 1, 'Redis took its time to load');

    sleep 0.5;
    $c->stop;
    $c->exact('LOADING');
    like($t->log, qr/LOADING/, 'and the log tells of it');

    $t->finish;
};


# --- what Redis refuses for a key's sake ---

fault poison => sub {
    my ($t, $c) = Referral::Clicks->instance;
    my $day = POSIX::strftime('%Y-%m-%d', gmtime);

    $t->redis('SET', 'ref:stats:{shop}:c3', 'not a hash');
    $t->redis('HSET', 'ref:stats:{shop}:c5', 'raw', '9223372036854775807');
    $t->redis('HSET', 'ref:stats:{shop}:c7', 'clicks', 'many');
    $t->redis('SET', "ref:visitors:{club}:day:$day", 'not a HyperLogLog');
    $t->redis('SADD', "ref:addresses:{club}:day:$day", 'nor this');

    $c->except('shop', qw(c3 c5 c7));

    $c->start(rate => 800, count => 1600);
    $c->exact('poisoned keys');

    is($t->redis('GET', 'ref:stats:{shop}:c3'), 'not a hash',
       'what is not ours is left alone');

    my $h = $t->hgetall('ref:stats:{shop}:c7');

    is($h->{raw}, $c->{answered}{shop}{c7}{raw},
       'a field that cannot be counted spares its neighbours');

    my %errors;

    for my $program (qw(shop club)) {
        $errors{"$_->{key}"} = $_->{error}
            for $t->entries("ref:errors:{$program}");
    }

    like($errors{'ref:stats:{shop}:c3'}, qr/^WRONGTYPE/, 'WRONGTYPE is told');
    like($errors{'ref:stats:{shop}:c5'}, qr/overflow/, 'overflow is told');
    like($errors{'ref:stats:{shop}:c7'}, qr/not an integer/,
         'a value that is no number is told');
    like($errors{"ref:visitors:{club}:day:$day"}, qr/HyperLogLog/,
         'what is no HyperLogLog is told');

    $t->finish;
};


fault foreign => sub {
    my ($t, $c) = Referral::Clicks->instance(workers => 1);

    warm($c);
    $c->start(rate => 400);

    for (1 .. 3) {
        sleep 0.7;

        my @ids = @{ $t->redis('HKEYS', 'ref:journals:{shop}') };

        $t->redis('HSET', 'ref:journals:{shop}', $_, 1_000_000_000)
            for @ids;
    }

    sleep 1;
    $c->stop;
    $c->exact('a foreign writer under the own id');
    like($t->log, qr/somebody else wrote/, 'and the log says so');

    # of the old journals nothing comes again

    kill 'KILL', $t->workers;
    $t->expect_log(qr/exited on signal 9/);
    sleep 3;
    $c->exact('and its worker dies');

    $t->finish;
};


# --- the network ---

fault network => sub {
    my ($t, $c) = Referral::Clicks->instance(proxy => 1);
    my $proxy = $c->{proxy};

    warm($c);

    my @modes = (
        [ 'the reply is lost, always', 'lose', 1 ],
        [ 'every third reply is lost', 'lose', 3 ],
        [ 'replies come in single bytes', 'split' ],
        [ 'garbage', 'garbage', "\x00\xffHTTP/1.1 400 Bad Request\\r\\n\\r\\n" ],
        [ 'a reply of another type', 'garbage', '+OK\\r\\n' ],
        [ 'numbers that make no sense', 'garbage',
          '*3\\r\\n:1\\r\\n:99\\r\\n:-1\\r\\n' ],
        [ 'a bulk without end', 'garbage', "\$100000000\\r\\nx" ],
        [ 'an array without end', 'garbage', "*100000\\r\\n" ],
        [ 'a reply that nobody asked for', 'extra', '+OK\\r\\n' ],
        [ 'a reply too many, like ours', 'extra',
          '*3\\r\\n:0\\r\\n:-1\\r\\n:0\\r\\n' ],
    );

    my @errors = ('MOVED 1 127.0.0.1:1', 'ERR of no known kind');

    push @errors, 'CLUSTERDOWN The cluster is down', 'TRYAGAIN Multiple keys',
                  'ASK 1 127.0.0.1:1', 'WRONGPASS no', 'BUSY now' if $soak;

    for my $error (@errors) {
        my ($word) = split / /, $error;
        push @modes, [ "$word for a batch", 'error', $error ];
    }

    push @modes, [ 'LOADING for all', 'all', 'LOADING Redis is loading' ];

    for my $mode (@modes) {
        my ($name, @mode) = @$mode;

        $c->start(rate => 300);
        sleep 0.2;
        $proxy->mode(@mode);
        sleep($soak ? 5 : 0.7);
        $proxy->mode('pass');
        sleep 0.2;
        $c->stop;

        $c->exact($name, quiet => 12);
    }

    $t->finish;
};


fault late => sub {
    my ($t, $c) = Referral::Clicks->instance(proxy => 1);
    my $proxy = $c->{proxy};

    warm($c);

    # longer than a reply is waited for

    for (['the reply comes too late', 'delay', 5.5],
         ['the command comes too late', 'hold', 6])
    {
        my ($name, @mode) = @$_;

        $c->start(rate => 200);
        sleep 0.2;
        $proxy->mode(@mode);
        sleep 0.6;
        $proxy->mode('pass');
        sleep 6;
        $c->stop;

        $c->exact($name, quiet => 12);
    }

    like($t->log, qr/no reply in time/, 'which the log tells');

    $t->finish;
};


# Two programs, of which the second has its first click late in a chunk, and a
# Redis so slow that chunks become smaller meanwhile

fault slow => sub {
    for my $first (250, 400) {
        my ($t, $c) = Referral::Clicks->instance(proxy => 1, workers => 1);
        my $proxy = $c->{proxy};
        my @shop = grep { m{^/r/} } @{ $c->{paths} };
        my @club = grep { m{^/s/} } @{ $c->{paths} };

        warm($c);

        # one batch hangs, and the others gather behind it

        kill 'STOP', $proxy->{pid};
        $c->start(rate => 1000, count => 1, paths => \@shop);
        $c->wait;
        sleep 0.4;
        $c->start(rate => 1000, count => $first, paths => \@shop);
        $c->wait;
        $c->start(rate => 1000, count => 600, paths => \@club);
        $c->wait;

        $proxy->mode('delay', 0.6);
        kill 'CONT', $proxy->{pid};
        sleep 4;
        $proxy->mode('pass');

        $c->exact("a slow Redis, $first", quiet => 10);
        $t->finish;
    }
};

done_testing;
