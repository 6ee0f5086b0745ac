# protects: the page of metrics adds up however often workers are replaced,
# and a journal that is only retained takes nothing of the quota
#
# Runs without sanitizers: hundreds of processes of them are too many.
#
# TEST_SOAK=1: workers that are killed, too, hundreds of them

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use Time::HiRes qw(sleep);

my $soak = $ENV{TEST_SOAK};
my $workers = 20;
my $reloads = 26;

alarm 900;

my $t = Referral->new;

$t->link('shop', 'one', referrer => 'aiko');
$t->config(
    workers => $workers,
    http => 'referral_journal %%DIR%%/journals retain=2h;',
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


sub is_told {
    my ($clicks, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $m;

    ok((wait_for {
            $m = $t->metrics;
            $m->{referral_accepted_total} == $clicks
            && $m->{referral_recorded_total} == $clicks
        } 30), "$name: the metrics tell of all $clicks clicks")
        or diag(map { "$_ $m->{$_}\n" } grep { !/cache|hits/ } sort keys %$m);

    is($m->{referral_accepted_total} + $m->{referral_adopted_total},
       $m->{referral_recorded_total} + $m->{referral_journaled}
       + $m->{referral_bad_records_total} + $m->{dropped},
       "$name: accepted + adopted = recorded + journaled + dropped + bad");
    is($m->{referral_adopted_total}, 0, "$name: and of no click twice");
    is($m->{referral_journaled}, 0, "$name: nothing waits");

    return $m;
}


sub raw { $t->hgetall('ref:stats:{shop}')->{raw} // 0 }

my $clicks = 0;

sub clicks {
    my ($n) = @_;

    # one that a reload leaves without an answer is asked again

    for (1 .. $n) {
        my $r = wait_for { $t->get('/r/one') };

        $clicks++ if $r && $r->status == 302;
    }
}


# each reload is as many lives, all of which are kept

clicks(30);

for (1 .. $reloads) {
    $t->reload;
    clicks(30);
}

ok((wait_for { raw() == $clicks } 30), "Redis has $clicks clicks");

my $m = is_told($clicks, $workers * (1 + $reloads) . ' lives');

is($m->{referral_untold_journals_total}, 0, 'room for all of them');
cmp_ok($m->{referral_journals}, '>', $workers, 'the old ones are kept');

# what waits now is seen

$t->redis_pause;
clicks(50);
ok((wait_for { $t->metrics->{referral_journaled} == 50 }),
   'a click that waits is seen');
$t->redis_continue;

# killed ones leave their journals to others, who tell the rest

$t->expect_log(qr/exited on signal 9/);
$t->expect_log(qr/shared memory zone.*was locked by/);

for (1 .. ($soak ? 15 : 1)) {
    $t->redis_pause;
    clicks(50);
    kill 'KILL', $t->workers;
    $t->redis_continue;

    wait_for { raw() == $clicks } 30;
    wait_for { $t->workers == $workers } 30;
}

is_told($clicks, 'killed workers');

# a restart begins anew: journals that are only kept are counted as adopted
# once, not again at each reload

$t->stop('QUIT');
$t->start;

ok((wait_for { $t->metrics->{referral_journaled} == 0 } 60),
   'after a restart nothing waits');
sleep 3;
$m = $t->metrics;
is($m->{referral_adopted_total}, $m->{referral_recorded_total},
   'what was adopted is recorded');

my $adopted = $m->{referral_adopted_total};

$t->reload;
sleep 3;
clicks(20);

ok((wait_for {
        $m = $t->metrics;
        $m->{referral_recorded_total} == $adopted + 20
    } 30), 'and not once more after a reload')
    or diag("$adopted + 20, $m->{referral_recorded_total}");

is(raw(), $clicks, 'Redis has each click once');

$t->finish;

done_testing;
