# protects: 100,000 random codes during an outage evict no click on a known
# link and leave nothing behind; a known link stays known while Redis comes
# and goes
#
# Runs alone: its 100,000 requests keep the machine busy.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use POSIX ();
use Time::HiRes qw(sleep);

use constant RANDOM => $ENV{TEST_UNRESOLVED} // 100_000;

my $t = Referral->new;

$t->link('shop', 'warm', referrer => 'aiko');

my %conf = (
    log => 'notice',
    http => 'referral_redis %%REDIS%% timeout=500ms;',
    server => <<'END',
        access_log off;

        referral_landing https://shop.example.com/;
        referral_fallback "https://shop.example.com/?why={result}";

        location /r/ {
            referral shop;
        }

        location /host/ {
            referral $http_host;
        }

        location = /metrics {
            referral_metrics;
        }
END
);

$t->config(%conf);
$t->start;
$t->get('/r/nobody');
$t->get('/r/warm');

$t->redis_pause;

# the first one waits, and then everybody knows

$t->get('/r/warm');

my ($answered, $real) = (0, 2);
my $head = $t->request_text('GET', '/', keepalive => 1) =~ s/^.*\r\n//r;

$t->flood(RANDOM, sub {
    my ($n) = @_;
    my $code = $n % 500 == 499 ? 'warm' : sprintf 'x%x', $n;

    $real++ if $code eq 'warm';

    return "GET /r/$code HTTP/1.1\r\n$head";

}, sub {
    $answered++ while $_[0] =~ /^Location: https:\/\/shop\.example\.com\//mg;
});

is($answered, RANDOM, 'all of them are sent to the landing');

# a host that somebody made up is no program

$t->get('/host/x', host => "evil$_.example.com") for 1 .. 20;

$t->redis_continue;

my $counted = sub {
    return $t->hgetall('ref:stats:{shop}:warm')->{raw} // 0;
};

wait_for { $counted->() >= $real } 20;

my $metrics = $t->get('/metrics')->body;
my ($dropped) = $metrics =~ /dropped_total\{reason="unresolved"\} (\d+)/;

is($counted->(), $real, 'each real click counts, once');
ok($dropped > 0, 'what was too much was dropped, and is said')
    or diag($metrics);

my %after = map { $_ => 1 } @{ $t->redis('KEYS', '*') };
my @random = grep { /:x[0-9a-f]+$|evil/ } keys %after;

is("@random", '', 'no key for a code or a program that nobody has');

my ($bytes) = $metrics =~ /^referral_journal_bytes (\d+)/m;

cmp_ok($bytes, '<', 32 << 20, 'the journal did not grow by much');


# --- Redis comes and goes ---

my $links = 300;

%conf = (
    log => 'notice',
    http => 'referral_redis %%REDIS%% timeout=500ms;',
    workers => 2,
    server => <<'END',
        access_log off;

        referral_landing https://shop.example.com/;
        referral_landing_args off;
        referral_fallback "https://shop.example.com/?why={result}";
        referral_allow own.example.com;

        location /r/ {
            referral shop;
        }

        location ~ ^/p/(?<pp>[a-z]+)/(?<cc>.*)$ {
            referral $pp $cc;
        }

        location = /metrics {
            referral_metrics;
        }
END
);

# nothing is under way; the page is a second old

sub quiet {
    sleep 1.2;
    wait_for { $t->metric('referral_journaled') == 0 };
}

# a Redis that keeps what it has

sub restart {
    my ($t, $down) = @_;

    $t->redis('SAVE');
    $t->redis_stop;
    sleep $down if $down;
    $t->redis_start(qw(--dbfilename dump.rdb));
}

sub own { return "https://own.example.com/$_[0]" }

subtest 'there for a moment, and away again' => sub {
    $t->stop;
    $t->config(%conf);
    $t->start;

    my $many = 0;

    $t->program('var', state => 'active');
    $t->link('shop', "k$_", landing => own($_)) for 1 .. $links;
    $t->link('var', "k$_", landing => own($_)) for 1 .. $links;
    $t->get("/r/k$_") for 1 .. $links;
    $t->get("/p/var/k$_") for 1 .. $links;

    ok((wait_for { $t->metric('referral_tracking') }), 'Redis tells of edits');

    my $counted = sub {
        return ($t->redis('HGET', 'ref:stats:{shop}', 'clicks') // 0)
               + ($t->redis('HGET', 'ref:stats:{var}', 'clicks') // 0);
    };

    quiet();

    my $before = $counted->();
    my $dropped = $t->metric('referral_dropped_total{reason="unresolved"}');
    my $flushed = $t->metric('referral_cache_flushed_total');

    restart($t, 2.5);

    ok((wait_for { $t->metric('referral_cache_flushed_total') > $flushed }),
       'the cache was emptied');

    $t->redis('SAVE');
    $t->redis_stop;
    wait_for { $t->metric('referral_redis_connected{for="lookups"}') == 0 };
    sleep 2.5;

    # strangers try codes meanwhile

    $t->flood(5000, sub {
        return sprintf("GET /r/y%x HTTP/1.1\r\n$head", $_[0]);
    });

    my ($own, $var) = (0, 0);

    for my $i (1 .. $links) {
        $own++ if $t->get("/r/k$i")->location eq own($i);
        $var++ if $t->get("/p/var/k$i")->location eq own($i);
    }

    is($own, $links, 'each link that was known leads where it did');
    is($var, $links, 'also of a program from a variable');

    # one that nobody knows has no part of it

    is($t->get('/p/made/up')->location, 'https://shop.example.com/',
       'a code and a program that are made up');
    cmp_ok($t->metric('referral_dropped_total{reason="unresolved"}'), '>',
           $dropped, 'what is not counted is said');

    $t->redis_start(qw(--dbfilename dump.rdb));
    wait_for { $counted->() >= $before + 2 * $links };
    quiet();
    is($counted->(), $before + 2 * $links, 'and each click counts');
    is($t->redis('HGET', 'ref:stats:{shop}', 'unresolved') // 0, 0,
       'none as one of a code that may not exist');
};

subtest 'an edit of the moment between' => sub {
    $t->redis('HSET', 'ref:link:{shop}:k1', landing => own('edited'));
    $t->redis('DEL', 'ref:link:{shop}:k2');

    ok((wait_for { $t->get('/r/k1')->location eq own('edited') }),
       'an edit is seen');
    ok((wait_for { $t->get('/r/k2')->location =~ /why=unknown/ }),
       'and a deletion');

    restart($t, 2.5);
    $t->redis('DEL', 'ref:link:{shop}:k3');
    ok((wait_for { $t->get('/r/k3')->location =~ /why=unknown/ }),
       'a link that was deleted before anybody listened is unknown');
};

subtest 'hot links, and Redis is restarted' => sub {
    for my $down (0, 1, 3) {
        $t->get("/p/var/k$_") for 1 .. 6;
        ok((wait_for { $t->metric('referral_tracking') }),
           'Redis tells of edits');

        my ($reader, $writer, $got);

        pipe $reader, $writer or die;

        my $pid = fork // die;

        if ($pid == 0) {
            my ($n, $bad) = (0, 0);
            my $c = $t->connect;

            kill 'STOP', $$;

            $SIG{TERM} = sub {
                syswrite $writer, "$n $bad\n";
                POSIX::_exit(0);
            };

            for ( ;; ) {
                my $i = 1 + $n % 6;
                my $r = $t->get("/p/var/k$i", connection => $c,
                                keepalive => 1);

                if (!$r) {
                    $c = $t->connect;
                    next;
                }

                $n++;
                $bad++ if $r->location ne own($i);
                sleep 0.001;
            }
        }

        quiet();

        my $before = $t->redis('HGET', 'ref:stats:{var}', 'clicks');

        kill 'CONT', $pid;
        sleep 0.5;
        restart($t, $down);
        sleep 1.5;
        kill 'TERM', $pid;
        waitpid $pid, 0;

        my ($n, $bad) = split ' ', readline $reader;

        is($bad, 0, "down for $down s: each of $n clicks leads to its link");

        quiet();

        wait_for {
            $got = $t->redis('HGET', 'ref:stats:{var}', 'clicks') - $before;
            $got >= $n;
        };

        # the last one may have been cut off

        ok($got == $n || $got == $n + 1, "and counts, once")
            or diag("$got of $n");
    }
};

done_testing;
