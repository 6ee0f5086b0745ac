# protects: whether Redis is down, hangs, is slow or replies nonsense,
# visitors get an answer within timeout=, workers neither crash nor spin, and
# all recovers by itself
#
# Runs alone: it measures time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use Time::HiRes qw(sleep time);

my $t = Referral->new(redis => 0);

my $timeout = 0.4;

# a machine under load may need longer than timeout= says

sub slack() { 0.6 * patience }

$t->config(
    http => 'referral_redis %%REDIS%% timeout=400ms;
             referral_zone 4m untracked=1s negative=2s;',
    server => <<'END');
        referral_landing https://shop.example.com/default;
        referral_fallback "https://shop.example.com/?why={result}";
        referral_allow shop.example.com;
        referral_landing_args "c={click_id}";

        location /r/ {
            referral shop;
        }

        location = /metrics {
            referral_metrics;
        }

        location /page {
            ssi on;
            referral_program shop;
            referral_resolve on;
            try_files /page.html =404;
        }

        location / {
            return 200 "alive";
        }
END

$t->write_file('html/page.html',
               '[<!--# echo var="referral_code" -->|'
               . '<!--# echo var="referral_name" default="" -->]');

$t->start;

my $n = 0;

# a code that nothing can have cached

sub fresh { 'new' . $n++ . 'x' . int rand 1e6 }

# a visitor whose link cannot be read now: to the landing, in time

sub unresolved {
    my ($what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $code = $o{code} // fresh();
    my $r = $t->get("/r/$code");

    if (!$r) {
        fail("$what: no answer");
        return;
    }

    is($r->status, 302, "$what: answered");
    like($r->location, qr{^https://shop\.example\.com/default\?c=[0-9a-f-]{36}$},
         "$what: to the default landing, with a click id");
    ok($r->set_cookie, "$what: with a cookie");

    my $time = $r->time_taken;

    cmp_ok($time, '<', ($o{within} // $timeout) + slack,
           sprintf '%s: in time (%.0f ms)', $what, $time * 1000);

    return $code;
}

# the worker's own time while nothing is asked, and while it is

sub quiet {
    my ($what, $seconds) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $before = $t->cpu;

    sleep $seconds // 2;

    my $used = $t->cpu - $before;

    cmp_ok($used, '<', 0.15 * ($seconds // 2),
           sprintf '%s: the worker does not spin (%.2f s)', $what, $used);
}

# waits for so many clicks

sub reach {
    my ($key, $clicks, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $got;

    wait_for {
        ($got = $t->redis('HGET', $key, 'clicks') // 0) >= $clicks
    };

    is($got, $clicks, $what);
}

# how many a link has when nothing is under way

sub clicks {
    my ($code) = @_;

    sleep 1;
    wait_for { $t->get('/metrics')->body =~ /^referral_journaled 0$/m };

    return $t->redis('HGET', "ref:stats:{shop}:$code", 'clicks') // 0;
}

sub worker { join ' ', $t->workers }

my $worker = worker();

sub well {
    my ($what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $code = fresh();

    $t->link('shop', $code, landing => "https://shop.example.com/$code",
             name => 'Aiko');

    my $r;

    ok(wait_for { $r = $t->get("/r/$code");
                  $r && $r->location =~ m{/$code\?} },
       "$what: all is well again by itself");

    is(worker(), $worker, "$what: with the same worker");

    return $code;
}


subtest 'absent from the start' => sub {
    my @codes = map { unresolved("absent $_", within => 0.05) } 1 .. 3;

    is($t->get('/')->body, 'alive', 'the rest of the site is not concerned');
    quiet('absent');

    my @many = map { $t->connect } 1 .. 50;

    print { $_ } $t->request_text('GET', '/r/' . fresh()) for @many;

    my $answered = grep { $_ && $_->status == 302 }
                   map { Referral::Response->read($_, timeout => 5) } @many;

    is($answered, 50, 'fifty at once');

    # they were counted, and are when Redis is there, if the link is: the
    # worker sees it with the link, not a moment before

    kill 'STOP', worker();
    $t->redis_start('--maxmemory-policy', 'allkeys-random');
    $t->link('shop', $codes[0], referrer => 'late');
    kill 'CONT', worker();

    reach('ref:stats:{shop}', 1,
          'what was not resolved is counted when Redis is there');

    sleep 1;

    is($t->redis('HGET', 'ref:stats:{shop}', 'clicks'), 1,
       'if the link exists');
    is($t->redis('EXISTS', "ref:stats:{shop}:$codes[1]"), 0,
       'and not if it does not');

    well('absent');
};


subtest 'gone, and back' => sub {
    $t->program('shop', state => 'active');

    my $code = well('before');
    my $before = clicks($code);

    $t->redis_stop;

    unresolved('gone');

    sleep 1.2;

    my $r = $t->get("/r/$code");

    like($r->location, qr{/$code\?}, 'what was read before is still served');

    quiet('gone', 3);

    # clicks of the outage are not lost

    $t->get("/r/$code") for 1 .. 5;

    $t->redis_start;
    $t->program('shop', state => 'active');
    $t->link('shop', $code, landing => "https://shop.example.com/$code");

    reach("ref:stats:{shop}:$code", $before + 6,
          'clicks of the time without Redis are counted after it');

    well('gone');
};


subtest 'hangs' => sub {
    my $code = well('before');

    $t->redis_pause;

    my $start = time;

    unresolved("hangs $_") for 1 .. 3;

    my @many = map { $t->connect } 1 .. 100;

    print { $_ } $t->request_text('GET', '/r/' . fresh()) for @many;

    $start = time;

    my $answered = grep { $_ && $_->status == 302 }
                   map { Referral::Response->read($_, timeout => 5) } @many;

    is($answered, 100, 'a hundred at once');
    cmp_ok(time - $start, '<', $timeout + slack + 1, 'in time');

    is($t->get('/')->body, 'alive', 'the rest of the site is not concerned');

    # a page that looks up who shared the link is made all the same

    my $cookie = $t->get("/r/$code")->cookie;
    my $r = $t->get('/page', cookie => $cookie);

    is($r->status, 200, 'a page that looks up a name');
    like($r->body, qr/^\[$code\|/, 'knows the code by the cookie');
    cmp_ok($r->time_taken, '<', $timeout + slack, 'in time');

    # who goes away while waiting

    for (1 .. 20) {
        my $s = $t->connect;
        print $s $t->request_text('GET', '/r/' . fresh());
        sleep 0.01;
        close $s;
    }

    quiet('hangs', 3);

    $t->redis_continue;

    well('hangs');
};


subtest 'hangs while nginx is told to reload and to stop' => sub {
    $t->redis_pause;

    my $s = $t->connect;
    print $s $t->request_text('GET', '/r/' . fresh());

    ok($t->reload, 'a reload goes through');

    my $r = Referral::Response->read($s, timeout => 5);

    is($r && $r->status, 302, 'and who waited is answered');

    $worker = worker();
    unresolved('after the reload');

    $t->redis_continue;
    well('reload');
};


subtest 'slow' => sub {
    $t->redis('SET', 'x', 'y');

    # each command after a second

    $t->spawn(sub {
        my $redis = Referral::Redis->new($t->{redis_socket});
        for (1 .. 4) {
            $redis->command('DEBUG', 'SLEEP', 1);
        }
    });

    sleep 0.2;

    unresolved("slow $_") for 1 .. 3;
    sleep 4;
    well('slow');
};


subtest 'other servers' => sub {
    $t->redis_stop;

    my @servers = (
        [ 'closes at once', sub { } ],
        [ 'closes after a command', sub {
            my ($s) = @_;
            sysread $s, my $buf, 4096;
        } ],
        [ 'says nothing', sub { sleep 30 } ],
        [ 'speaks HTTP', sub {
            my ($s) = @_;
            sysread $s, my $buf, 4096;
            print $s "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            sleep 1;
        } ],
        [ 'sends rubbish', sub {
            my ($s) = @_;
            print $s Referral::random(65536);
            sleep 1;
        } ],
        [ 'sends rubbish for ever', sub {
            my ($s) = @_;
            my $bytes = '$-5' . "\r\n" . Referral::random(4096);
            for (1 .. 10000) { print $s $bytes or last }
        } ],
        [ 'announces a huge reply', sub {
            my ($s) = @_;
            sysread $s, my $buf, 4096;
            print $s "\$999999999999\r\nabc";
            sleep 30;
        } ],
        [ 'announces a huge array', sub {
            my ($s) = @_;
            sysread $s, my $buf, 4096;
            print $s "*2147483647\r\n";
            print $s "\$1\r\na\r\n" x 100000;
            sleep 30;
        } ],
        [ 'nests arrays', sub {
            my ($s) = @_;
            sysread $s, my $buf, 4096;
            print $s "*1\r\n" x 100000;
            sleep 30;
        } ],
        [ 'sends one reply without end', sub {
            my ($s) = @_;
            sysread $s, my $buf, 4096;
            print $s "\$500000000\r\n";
            for (1 .. 100000) { print $s 'x' x 4096 or last }
        } ],
        [ 'answers a byte at a time', sub {
            my ($s) = @_;
            for my $byte (split //, "*2\r\n\$7\r\nlanding\r\n" x 100) {
                print $s $byte or last;
                sleep 0.1;
            }
        } ],
        [ 'answers what was not asked', sub {
            my ($s) = @_;
            for (1 .. 1000) {
                print $s ":1\r\n+OK\r\n\$-1\r\n*-1\r\n*0\r\n-ERR x\r\n" or last;
                sleep 0.01;
            }
        } ],
        [ 'answers with numbers', sub {
            my ($s) = @_;
            while (sysread $s, my $buf, 4096) {
                my $n = () = $buf =~ /^\*\d+\r$/mg;
                print $s ":7\r\n" x $n or last;
            }
        } ],
        [ 'answers with odd arrays', sub {
            my ($s) = @_;
            while (sysread $s, my $buf, 4096) {
                my $n = () = $buf =~ /^\*\d+\r$/mg;
                print $s "*3\r\n\$7\r\nlanding\r\n:5\r\n*0\r\n" x $n or last;
            }
        } ],
        [ 'wants a password', sub {
            my ($s) = @_;
            while (sysread $s, my $buf, 4096) {
                my $n = () = $buf =~ /^\*\d+\r$/mg;
                print $s "-NOAUTH Authentication required.\r\n" x $n or last;
            }
        } ],
        [ 'is loading', sub {
            my ($s) = @_;
            while (sysread $s, my $buf, 4096) {
                my $n = () = $buf =~ /^\*\d+\r$/mg;
                print $s "-LOADING Redis is loading the dataset in memory\r\n"
                         x $n or last;
            }
        } ],
        [ 'has too many clients', sub {
            my ($s) = @_;
            print $s "-ERR max number of clients reached\r\n";
        } ],
    );

    for my $server (@servers) {
        my ($what, $sub) = @$server;
        my $pid = $t->fake_redis($sub);

        # back-off may take a second until somebody connects

        sleep 0.5;

        my $end = time + 2.5;
        my ($ok, $slow, $i) = (1, 0, 0);
        my $cpu = $t->cpu;

        while (time < $end) {
            my $r = $t->get('/r/' . fresh());

            $ok &&= $r && $r->status == 302
                    && ($r->location // '') =~ m{^https://shop\.example\.com/};
            $slow = $r->time_taken if $r && $r->time_taken > $slow;
            $i++;
            sleep 0.1;
        }

        my $used = $t->cpu - $cpu;

        ok($ok, "a server that $what: all are answered ($i)");
        cmp_ok($slow, '<', $timeout + slack,
               sprintf 'in time (%.0f ms)', $slow * 1000);
        cmp_ok($used, '<', 1, sprintf 'no spinning (%.2f s)', $used);
        is(worker(), $worker, 'the worker lives');

        $t->end_child($pid);
    }

    my ($pid) = $t->workers;
    my ($rss) = $t->read_file("/proc/$pid/status") =~ /VmRSS:\s+(\d+)/;

    # AddressSanitizer keeps up to 256 MB of what was freed

    cmp_ok($rss, '<', $ENV{ASAN_OPTIONS} ? 500_000 : 40_000,
           "and has not grown ($rss KB)");

    $t->redis_start;
    well('all of that');
};


subtest 'something else listens there' => sub {
    my @servers = (
        [ 'a web server', "HTTP/1.1 400 Bad Request\r\n\r\n" ],
        [ 'a mail server', "220 mail.example.com ESMTP\r\n" ],
        [ 'an older one', "+OK POP3 ready\r\n" ],
        [ 'TLS', "\x15\x03\x03\x00\x02\x02\x32" ],
    );

    $t->redis_stop;

    for my $server (@servers) {
        my ($what, $bytes) = @$server;
        my $pid = $t->fake_redis(sub {
            my ($s) = @_;
            sysread $s, my $buf, 4096;
            print $s $bytes;
            sleep 2;
        });

        my $read = length $t->log;

        $t->reload;

        ok((wait_for {
            substr($t->log, $read) =~
                /\[error\].*look-ups: it does not answer as redis does$/m
        } 5), "$what: the log says so");

        $t->end_child($pid);
    }

    $t->redis_start;
    $worker = worker();
    well('something else');
};


subtest 'refuses to write' => sub {
    my $code = well('before');
    my $before = clicks($code);

    $t->redis('CONFIG', 'SET', 'maxmemory', '1');

    my $r = $t->get("/r/$code");

    is($r->status, 302, 'out of memory: answered');
    sleep 1;
    $t->redis('CONFIG', 'SET', 'maxmemory', '0');
    reach("ref:stats:{shop}:$code", $before + 1,
          'and counted when there is room again');

    $t->redis('REPLICAOF', '127.0.0.1', '1');
    $r = $t->get("/r/$code");
    is($r->status, 302, 'a replica: answered');
    sleep 1;
    $t->redis('REPLICAOF', 'NO', 'ONE');
    reach("ref:stats:{shop}:$code", $before + 2,
          'and counted when it may be written');

    $t->redis('SCRIPT', 'FLUSH');
    $t->get("/r/$code");
    reach("ref:stats:{shop}:$code", $before + 3,
          'its scripts were forgotten: counted');

    is(clicks($code), $before + 3, 'each once');
};


# what the log got since

my $read = 0;

sub said {
    my $log = $t->log;
    my $new = substr $log, $read;

    $read = length $log;

    return $new;
}

subtest 'says goodbye politely' => sub {
    my $code = well('before');
    my $before = clicks($code);

    wait_for { $t->get('/metrics')->body =~ /^referral_tracking 1$/m };
    said();

    for my $try (1 .. 6) {
        my $cold = fresh();

        $t->link('shop', $cold, landing => "https://shop.example.com/$cold");
        $t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

        like($t->get("/r/$cold")->location, qr{/$cold\?},
             "a cold code at once, $try");
    }

    # many at once, of which some are under way

    my @cold = map { fresh() } 1 .. 100;

    $t->redis('HSET', "ref:link:{shop}:$_", landing =>
              "https://shop.example.com/$_") for @cold;

    my @many = map { $t->connect } @cold;

    kill 'STOP', worker();
    print { $many[$_] } $t->request_text('GET', "/r/$cold[$_]") for 0 .. 49;
    $t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    kill 'CONT', worker();
    print { $many[$_] } $t->request_text('GET', "/r/$cold[$_]") for 50 .. 99;
    $t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

    my $right = grep {
        my $r = Referral::Response->read($many[$_], timeout => 5);
        $r && ($r->location // '') =~ m{/$cold[$_]\?};
    } 0 .. $#cold;

    is($right, 100, 'a hundred cold codes');

    # the recorder's

    $t->get("/r/$code") for 1 .. 5;
    $t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    is(clicks($code), $before + 5, 'clicks are counted, once');

    # the listener's

    my $flushed = sub {
        my ($n) = $t->get('/metrics')->body
                      =~ /^referral_cache_flushed_total (\d+)$/m;
        return $n;
    };

    my $was = $flushed->();

    $t->redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
    sleep 3;
    ok((wait_for { $t->get('/metrics')->body =~ /^referral_tracking 1$/m }),
       'Redis tells of edits again');
    cmp_ok($flushed->(), '<=', $was + 1, 'the cache is emptied once at most');

    my $log = said();

    like($log, qr/\[notice\].* closed the connection of the look-ups: it is/,
         'the log says it');
    like($log, qr/\[notice\].* closed the connection of the tracking of edits: /,
         'of each connection');
    unlike($log, qr/\[error\]/, 'as no error');
    well('goodbye');
};


subtest 'has a reply that is too large' => sub {
    my $code = well('before');

    my $huge = sub {
        my ($key, $fields, $value) = @_;

        # not so large that Redis itself hangs over it

        $t->redis('EVAL', 'for i = 1, ARGV[1] do redis.call("HSET", KEYS[1],'
                          . ' "f" .. i, ARGV[2]) end', 1, $key, $fields,
                  $value);
    };

    $huge->('ref:link:{shop}:fields', 60_000, 'x');
    $huge->('ref:link:{shop}:bytes', 250, 'x' x 20_000);
    $huge->('ref:link:{shop}:value', 1, 'x' x 5_000_000);

    my ($pid) = $t->workers;
    my $rss = sub {
        return ($t->read_file("/proc/$pid/status") =~ /VmHWM:\s+(\d+)/)[0];
    };

    my $was = $rss->();

    said();

    for my $name (qw(fields bytes value)) {
        for my $try (1 .. 3) {
            my $cold = fresh();
            my @both = map { $t->connect } 1 .. 2;

            $t->redis('HSET', "ref:link:{shop}:$cold", landing =>
                      "https://shop.example.com/$cold");

            print { $both[0] } $t->request_text('GET', "/r/$name");
            print { $both[1] } $t->request_text('GET', "/r/$cold");

            my @r = map { Referral::Response->read($_, timeout => 5) } @both;

            like($r[0]->location, qr/why=unknown/, "$name: $try");
            like($r[1]->location, qr{/$cold\?}, 'and others see nothing of it');
        }
    }

    my $log = said();

    for my $name (qw(fields bytes value)) {
        my @said = $log =~ /link:\{shop\}:$name", field "-": the hash is too/g;

        is(scalar(@said), 1, "$name: said once");
    }

    unlike($log, qr/\[error\].* is away for/, 'no outage');

    cmp_ok($rss->() - $was, '<', $ENV{ASAN_OPTIONS} ? 500_000 : 20_000,
           'the worker took little for it');

    # of many edits at once the listener is told by one message

    $t->redis('EVAL', 'for i = 1, 9000 do redis.call("HSET", "ref:link:{shop}:"'
                      . ' .. string.rep("k", 600) .. i, "state", "x") end'
                      . ' redis.call("HSET", KEYS[1], "landing",'
                      . ' "https://shop.example.com/edited")',
              1, "ref:link:{shop}:$code");

    ok((wait_for { $t->get("/r/$code")->location =~ m{/edited\?} } 3),
       'an edit among many with long names is seen');
    unlike(said(), qr/\[error\]/, 'no outage');

    $t->redis('DEL', map { "ref:link:{shop}:$_" } qw(fields bytes value));
    well('too large');
};


subtest 'closes again and again' => sub {
    my $cpu = $t->cpu;
    my $end = time + 2;

    while (time < $end) {
        $t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        sleep 0.005;
    }

    cmp_ok($t->cpu - $cpu, '<', 1, 'no spinning');
    well('again and again');
};


subtest 'what the log says' => sub {
    my @lines = grep { /\[(?:error|crit|warn)\]/ && /redis/i }
                split /\n/, $t->log;

    ok(scalar(@lines), 'an outage is said');
    cmp_ok(scalar(@lines), '<', 400, 'and not by every click ('
           . scalar(@lines) . ' lines)');

    like($t->log, qr/\[error\].* has no append-only file: .*"appendonly yes"/,
         'so is a Redis that may lose what it has');
    like($t->log, qr/\[error\].* may evict any key \("allkeys-random"\)/,
         'and one that may evict it');
};

done_testing;
