# protects: the page of metrics: its format, and that its counters add up
# whatever the result of a click

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new;

$t->link('shop', 'one', referrer => 'aiko');

$t->config(
    workers => 2,
    server => <<'END',
        referral_landing https://shop.example.com/;

        location /r/ {
            referral shop;
        }

        location = /metrics {
            referral_metrics;
        }
END
);

$t->start;


sub balance {
    my ($m) = @_;

    return ($m->{referral_accepted_total} + $m->{referral_adopted_total},
            $m->{referral_recorded_total} + $m->{referral_journaled}
            + $m->{referral_bad_records_total} + $m->{dropped});
}


sub balanced {
    my ($t, $what, $check) = @_;

    my $m;

    wait_for { $m = $t->metrics; $check->($m) };

    my ($left, $right) = balance($m);

    ok($check->($m), "$what: as it should be")
        or diag(map { "$_ $m->{$_}\n" } sort keys %$m);
    is($left, $right, "$what: accepted + adopted = recorded + journaled + "
                      . 'dropped + bad');

    return $m;
}


my $r = $t->get('/metrics');

is($r->status, 200, 'a page');
like($r->header('Content-Type'), qr{^text/plain; version=0\.0\.4},
     'of the format that Prometheus reads');

my @bad = grep { !/^# (?:HELP|TYPE) \w+ \S/
                 && !/^\w+(?:\{\w+="[^"]*"(?:,\w+="[^"]*")*\})? [\d.]+$/ }
          split /\n/, $r->body;

is("@bad", '', 'each line is of its grammar');

SKIP: {
    my ($promtool) = grep { -x } map { "$_/promtool" } split /:/, $ENV{PATH};

    skip 'no promtool', 1 unless $promtool;

    $t->write_file('metrics.txt', $r->body);
    is(system("$promtool check metrics < " . $t->dir . '/metrics.txt'), 0,
       'and promtool has nothing to say');
}

is($t->request('POST', '/metrics', body => '')->status, 405, 'to be read only');

$t->get('/r/one') for 1 .. 20;
$t->get('/r/nobody') for 1 .. 5;
$t->get('/r/one', ua => 'curl/8.0');

my $m = balanced($t, 'a quiet second', sub {
    $_[0]{referral_recorded_total} == 21 && $_[0]{referral_journaled} == 0
});

is($m->{'referral_hits_total{result="landing",class="human"}'}, 20,
   'people by result');
is($m->{'referral_hits_total{result="landing",class="bot"}'}, 1, 'machines');
is($m->{'referral_hits_total{result="unknown",class="human"}'}, 5,
   'codes that nobody has');
is($m->{'referral_redis_connected{for="recorder"}'}, 2, 'all reach Redis');

# a killed worker's clicks are another one's

$t->redis_pause;
$t->get('/r/one') for 1 .. 10;

my @workers = $t->workers;

$t->expect_log(qr/exited on signal 9/);
kill 'KILL', @workers;
my %killed = map { $_ => 1 } @workers;

wait_for { my @now = $t->workers; @now == 2 && !grep { $killed{$_} } @now };

$t->redis_continue;

$m = balanced($t, 'after kill -9', sub {
    $_[0]{referral_recorded_total} == 31 && $_[0]{referral_journaled} == 0
});

is($t->hgetall('ref:stats:{shop}')->{raw}, 31, 'and Redis says the same');

# the zone's counters outlive a reload

ok((wait_for { $t->metrics->{referral_workers} == 2 }),
   'killed workers are soon none');

$t->reload;
$t->get('/r/one') for 1 .. 5;

# sooner than those that were killed

ok((wait_for { $t->metrics->{referral_workers} == 2 } 3),
   'those that ended at once');

balanced($t, 'after a reload', sub {
    $_[0]{referral_recorded_total} == 36 && $_[0]{referral_journaled} == 0
});

# as do clicks outlive nginx: a new one adopts, and counts that apart

$t->redis_pause;
$t->get('/r/one') for 1 .. 7;
$t->stop;
$t->redis_continue;
$t->start;

balanced($t, 'after a restart', sub {
    $_[0]{referral_accepted_total} == 0
    && $_[0]{referral_adopted_total} >= 7
    && $_[0]{referral_journaled} == 0
    && $t->hgetall('ref:stats:{shop}')->{raw} == 43
});

# what Redis refuses is set aside, and said

$t->redis('SET', 'ref:stats:{shop}:odd', 'no hash');
$t->link('shop', 'odd', referrer => 'aiko');
$t->get('/r/odd');

$m = balanced($t, 'a wrong type in Redis', sub {
    $_[0]{referral_quarantined_total} > 0 && $_[0]{referral_journaled} == 0
});

is($m->{referral_quarantined_total}, $t->redis('XLEN', 'ref:errors:{shop}'),
   'each has its entry in ref:errors');

# wrong fields and cookies

$t->link('shop', 'shut', referrer => 'aiko', state => 'ajar', ends => 'soon');
$t->get('/r/shut');
$t->get('/r/one', cookie => 'ref_shop=forged');

$m = $t->metrics;

is($m->{referral_bad_fields_total}, 2, 'wrong fields in Redis');
is($m->{referral_bad_cookies_total}, 1, 'a cookie that does not verify');

# no more than 512 look-ups wait for a Redis that hangs

$t->config(
    http => 'referral_redis %%REDIS%% timeout=5s;',
    server => <<'END',
        location ~ ^/v/(?<p>[^/]+)/(?<c>[^/]+)$ {
            referral $p $c;
            referral_allow shop.example.com;
            referral_fallback "https://shop.example.com/?why={result}";
        }

        location = /metrics {
            referral_metrics;
        }
END
);

$t->reload;
wait_for { $t->workers == 1 } 20;
$t->get('/v/p/c');

my $refused = $t->metrics->{referral_lookups_refused_total};

$t->redis_pause;

# a program and a link each

my @waiting = map { $t->connect } 1 .. 300;

for my $i (0 .. $#waiting) {
    print { $waiting[$i] } $t->request_text('GET', "/v/p$i/c$i");
}

ok((wait_for {
       $t->metrics->{referral_lookups_refused_total} > $refused
   } 3), 'more than 512 are not asked');

$r = Referral::Response->read($waiting[-1], timeout => 2);

is($r && $r->location, 'https://shop.example.com/?why=unresolved',
   'and fall back at once');

$t->redis_continue;

done_testing;
