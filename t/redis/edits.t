# protects: an edit in Redis is live at once on every worker; none is missed
# while listeners die, Redis restarts or nginx reloads; and a link whose
# entry is stale does not wait for a Redis that hangs
#
# Runs alone: it measures time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use Time::HiRes qw(sleep time);

my $t = Referral->new;

# without tracking an edit would be seen after a minute

my %conf = (
    workers => 4,
    http => 'referral_redis %%REDIS%% timeout=500ms;
             referral_zone 4m untracked=60s negative=60s valid=10m;',
    server => <<'END',
        referral_landing https://shop.example.com/;
        referral_landing_args off;
        referral_allow *.example.com;
        add_header X-Worker $pid always;
        keepalive_requests 1000000;

        location /r/ {
            referral shop;
        }

        location = /metrics {
            referral_metrics;
        }
END
);

$t->config(%conf);
$t->start;

sub listeners {
    my @lines = split /\n/, $t->redis('CLIENT', 'LIST', 'TYPE', 'pubsub');

    return scalar @lines;
}

# a connection to each worker

sub everybody {
    my %connection;
    my $workers = $t->workers;

    wait_for {
        my $c = $t->connect;
        my $r = $t->get('/r/none', connection => $c, keepalive => 1) // return;

        $connection{$r->header('X-Worker')} //= $c;
        return keys %connection == $workers;
    } 20;

    return values %connection;
}

sub landing {
    my ($code, $connection) = @_;

    return $t->get("/r/$code", connection => $connection,
                   keepalive => 1)->location // 'none';
}

# how long until all give the answer?

sub live {
    my ($code, $landing, @connections) = @_;

    my $start = time;

    for my $c (@connections) {
        until (landing($code, $c) eq $landing) {
            return 99 if time - $start > 15;
            sleep 0.001;
        }
    }

    return time - $start;
}

ok((wait_for { $t->metric('referral_tracking') }), 'Redis tells of edits');

subtest 'edits by hand' => sub {
    my @all = everybody();
    my @times;

    is(scalar(@all), 4, 'a connection to each of four workers');
    is(listeners(), 2, 'two of them listen for all');

    # a machine that is busy with something else gets three tries

    for my $try (1 .. 3) {
        @times = ();

        for my $i (1 .. 200) {
            my $url = "https://shop.example.com/$try/$i";

            $t->redis('HSET', 'ref:link:{shop}:one', landing => $url);
            push @times, live('one', $url, @all);
        }

        @times = sort { $a <=> $b } @times;

        cmp_ok($times[199], '<', 2 * patience, 'no edit is missed');
        last if $times[197] < 0.05;
    }

    cmp_ok($times[197], '<', 0.05, '99 of 100 are live on all within 50 ms');

    $t->redis('HSET', 'ref:link:{shop}:one',
              landing => 'https://shop.example.com/200');
    live('one', 'https://shop.example.com/200', @all);

    my @edits = (
        [ 'a link that is disabled', 'none',
          'HSET', 'ref:link:{shop}:one', state => 'disabled' ],
        [ 'and enabled', 'https://shop.example.com/200',
          'HSET', 'ref:link:{shop}:one', state => 'active' ],
        [ 'a program that is paused', 'none',
          'HSET', 'ref:program:{shop}', state => 'paused' ],
        [ 'and goes on', 'https://shop.example.com/200',
          'DEL', 'ref:program:{shop}' ],
        [ 'a link that is deleted', 'none',
          'DEL', 'ref:link:{shop}:one' ],
        [ 'and made anew, with a referrer', 'https://shop.example.com/',
          'HSET', 'ref:link:{shop}:one', referrer => 'aiko',
          landing => 'https://shop.example.com/{name}' ],
        [ 'a referrer who gets a name', 'https://shop.example.com/Aiko',
          'HSET', 'ref:referrer:{shop}:aiko', name => 'Aiko' ],
        [ 'all that is flushed', 'none', 'FLUSHALL' ],
    );

    for my $edit (@edits) {
        my ($name, $landing, @command) = @$edit;

        $t->redis(@command);
        cmp_ok(live('one', $landing, @all), '<', 1, $name);
    }
};

subtest 'listeners that die' => sub {
    $t->expect_log(qr/exited on signal 9/);
    $t->link('shop', 'two', landing => 'https://shop.example.com/a');
    live('two', 'https://shop.example.com/a', everybody());

    for my $round (1 .. 3) {
        my ($first, $second) = $t->workers;

        kill 'KILL', $first, $second;

        # an edit while perhaps nobody listens

        my $url = "https://shop.example.com/round$round";

        $t->redis('HSET', 'ref:link:{shop}:two', landing => $url);

        my $started = wait_for {
            my @now = $t->workers;
            return @now == 4 && !grep { $_ == $first || $_ == $second } @now;
        };

        ok($started, 'the master starts others');

        my $time = live('two', $url, everybody());
        cmp_ok($time, '<', 4, 'an edit during it is live soon');
    }

    ok((wait_for { listeners() == 2 }), 'two listen again');
};

subtest 'reloads' => sub {

    # whoever died held a lease for two seconds at most

    sleep 2.5;

    my $before = $t->metric('referral_cache_flushed_total');

    for my $round (1 .. 5) {
        $t->reload;

        my $url = "https://shop.example.com/reload$round";

        $t->redis('HSET', 'ref:link:{shop}:two', landing => $url);
        cmp_ok(live('two', $url, everybody()), '<', 1, 'an edit is live');
        ok((wait_for { listeners() == 2 }), 'two listen');
    }

    is($t->metric('referral_cache_flushed_total'), $before,
       'the cache was never emptied for it');
};

subtest 'a restart of Redis' => sub {
    $t->config(%conf, workers => 16);
    $t->reload;

    ok((wait_for { $t->metric('referral_tracking') && listeners() == 2 }),
       'two of sixteen listen');

    my $before = $t->metric('referral_cache_flushed_total');

    is($t->get('/r/two')->location, 'https://shop.example.com/reload5',
       'what Redis does not have after it');

    $t->redis_stop;

    is($t->get('/r/two')->location, 'https://shop.example.com/reload5',
       'is served while it is away');

    $t->redis_start;

    ok((wait_for { $t->get('/r/two')->status == 404 }),
       'and not when it is back');
    ok((wait_for { $t->metric('referral_tracking') && listeners() == 2 }),
       'two listen');

    sleep 1.5;

    my $flushed = $t->metric('referral_cache_flushed_total') - $before;

    cmp_ok($flushed, '>=', 1, 'the cache was emptied');
    cmp_ok($flushed, '<=', 2, 'not by each worker');
};

subtest 'old entries' => sub {
    $t->config(%conf, workers => 1, http => 'referral_redis %%REDIS%%;
        referral_zone 4m untracked=60s valid=1s;');
    $t->reload;
    $t->link('shop', 'old', landing => 'https://shop.example.com/');

    ok((wait_for { $t->metric('referral_tracking') }), 'Redis tells of edits');
    $t->get('/r/old');

    my $refreshed = $t->metric('referral_cache_refreshed_total');
    my $misses = $t->metric('referral_cache_misses_total');

    sleep 1.2;
    $t->redis_pause;

    my $r = $t->get('/r/old');

    is($r->location, 'https://shop.example.com/',
       'one that is older than valid= is served once more');
    cmp_ok($r->time_taken, '<', 0.3, 'without a wait');
    $t->redis_continue;

    ok((wait_for { $t->metric('referral_cache_refreshed_total') > $refreshed }),
       'and asked for behind');
    is($t->metric('referral_cache_misses_total'), $misses, 'nobody waited');

    # link, program and referrer, which grow old a few times at most

    my $asked = $t->metric('referral_lookups_total');
    my $start = time;

    $t->get('/r/old') for 1 .. 100;

    cmp_ok($t->metric('referral_lookups_total') - $asked, '<=',
           3 * (2 + time - $start), 'and once for all who come then');
};

subtest 'a Redis that hangs' => sub {
    $t->config(%conf, workers => 2, http =>
        "referral_redis %%REDIS%% timeout=500ms;
         referral_zone 4m untracked=1s valid=10m;");
    $t->reload;
    wait_for { $t->metric('referral_tracking') };

    my @all = everybody();

    $t->link('shop', "hang$_") for 1 .. 50;
    landing("hang$_", $all[0]) for 1 .. 50;

    my $misses = $t->metric('referral_cache_misses_total');

    landing("hang$_", $all[1]) for 1 .. 50;
    is($t->metric('referral_cache_misses_total'), $misses,
       'links whose referrer has no hash are cached all the same');

    sleep 1.2;
    $t->redis_pause;

    # each is asked for once, at some moment of the outage

    my @times;

    for my $i (1 .. 50) {
        my $start = time;
        my $landing = landing("hang$i", $all[$i % 2]);

        push @times, time - $start if $landing ne 'none';
        sleep 0.1;
    }

    $t->redis_continue;
    @times = sort { $a <=> $b } @times;

    is(scalar(@times), 50, 'all known links are answered');
    cmp_ok($times[-1], '<', 0.3, 'and none waits for its time-out');
};

subtest 'a Redis that is away for long' => sub {
    my $own = 'https://own.example.com/';

    for my $stale (1, 60) {
        $t->config(%conf, workers => 1, http =>
            "referral_redis %%REDIS%% timeout=500ms;
             referral_zone 4m untracked=1s valid=1s stale=${stale}s;");
        $t->reload;

        my ($c) = everybody();

        # a listener that begins empties the cache, and the news of this edit
        # may come after the first look

        wait_for { $t->metric('referral_tracking') && listeners() == 1 };
        $t->link('shop', "long$stale", landing => $own);
        landing("long$stale", $c);
        sleep 0.3;
        is(landing("long$stale", $c), $own, 'cached');

        $t->redis_pause;
        sleep 1.2;

        # the first one that waits finds out, and is not held to

        landing('none', $c);

        is(landing("long$stale", $c),
           $stale == 1 ? 'https://shop.example.com/' : $own,
           "after more than a second, with stale=${stale}s");

        $t->redis_continue;
        wait_for { landing("long$stale", $c) eq $own };
    }
};


subtest 'a Redis that refuses' => sub {
    $t->redis('ACL', 'SETUSER', 'poor', 'on', '>secret', '~*', '+@all',
              '-client', 'resetchannels');
    $t->write_file('password', "secret\n", 0600);

    $t->config(%conf, workers => 2, http => 'referral_redis %%REDIS%%
        username=poor password_file=%%DIR%%/password;
        referral_zone 4m untracked=1s;');
    $t->stop;
    $t->start;

    $t->link('shop', 'slow', landing => 'https://shop.example.com/a');

    ok((wait_for { $t->log =~ /does not track edits: "NOPERM/ }),
       'is said in the log');

    is($t->get('/r/slow')->location, 'https://shop.example.com/a', 'a link');
    $t->redis('HSET', 'ref:link:{shop}:slow', landing =>
              'https://shop.example.com/b');
    ok((wait_for { $t->get('/r/slow')->location
                   eq 'https://shop.example.com/b' } 3),
       'an edit is live after untracked=');

    my @said = $t->log =~ /does not track edits/g;
    is(scalar(@said), 1, 'said once');
    is($t->metric('referral_tracking'), 0, 'the page says so');
};

done_testing;
