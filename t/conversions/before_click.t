# protects: a sale that names its click is credited to that click's referrer
# whichever of the two comes to Redis first, on one host and on two; a click
# that never comes holds its sale up for a while, and nothing longer
#
# TEST_ONLY="outage late": these alone
#
# Runs without sanitizers, unless it is named: it is about time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Proxy;

use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64;
use Time::HiRes qw(sleep time);

use constant PATIENCE => 10;

my $RAW = 'shop-secret-0123456789abcdef0123';
my $SECRET = 'whsec_' . encode_base64($RAW, '');


# hosts with one Redis

sub hosts {
    my ($n, %o) = @_;

    my @hosts;

    for my $i (0 .. $n - 1) {
        my $t = Referral->new(beside => $hosts[0]);

        $t->write_file('shops', "shop key1 $SECRET\n");
        chmod 0600, "$t->{dir}/shops";

        $t->{conf} = {
            %o,
            http => "referral_convert_keys $t->{dir}/shops;\n"
                    . ($o{http} // ''),
            server => <<'END',
                referral_program shop;
                referral_landing https://shop.example.com/;

                location /r/ { referral; }
                location /events { referral_convert; }
                location /club {
                    referral_program club;
                    referral_convert;
                    referral_convert_auth location;
                    allow 127.0.0.1;
                    deny all;
                }
                location /metrics { referral_metrics; }
END
        };

        $t->config(%{ $t->{conf} });
        $t->start;

        push @hosts, $t;
    }

    links($hosts[0]);

    return @hosts;
}


sub links {
    $_[0]->link('shop', $_, referrer => "of_$_") for qw(aiko7 mia8);
}


sub finish { $_->finish for reverse @_ }


sub click {
    my ($t, %o) = @_;

    return $t->get('/r/aiko7', %o)->arg('click_id');
}


sub uuid {
    my $hex = sprintf '%012x7000800000%010x', int(1000 * time), $_[0];

    return $hex =~ s/^(.{8})(.{4})(.{4})(.{4})(.{12})$/$1-$2-$3-$4-$5/r;
}


my $n = 0;

sub sale {
    my ($t, $customer, %more) = @_;

    my $to = delete $more{to} // 'events';
    my $body = JSON::PP->new->canonical->encode({
        type => 'sale', event_id => "e$customer", customer => $customer,
        order_id => "o$customer", amount => 4990, currency => 'EUR', %more });
    my ($id, $at) = ('msg_' . ++$n, int time);

    return $t->request('POST', "/$to", body => $body, headers => [
        'Content-Type' => 'application/json', 'webhook-id' => $id,
        'webhook-timestamp' => $at, 'webhook-signature' =>
        'v1,' . encode_base64(hmac_sha256("$id.$at.$body", $RAW), '') ]);
}


sub entries {
    my ($t) = @_;

    return map { $_->{event} => $_ } $t->entries('ref:conversions:{shop}');
}


sub arrived {
    my ($t, $want) = @_;

    return wait_for { ($t->redis('XLEN', 'ref:conversions:{shop}') // 0)
                      >= $want } 3 * PATIENCE;
}


# all of them with their click; "c1 c2": those of %$click, if not all

sub credited {
    my ($t, $click, $what) = @_;

    my @who = sort keys %$click;
    my $there = wait_for {
        my %e = entries($t);

        !grep { !$e{"e$_"} } @who
    } 4 * PATIENCE;

    ok($there, "$what: all sales come to Redis");

    my %e = entries($t);

    is_deeply({ map { $_ => join ' ', @{ $e{"e$_"} // {} }{qw(via click)} }
                    @who },
              { map { $_ => "click $click->{$_}" } @who },
              "$what: each with its click");
}


# Redis comes back empty, and clicks and sales go there at once, those of the
# rounds before as well; a code would be taken at once if the click was not
# there

for my $workers (1, 3) {
    case outage => sub {
        my ($t) = hosts(1, workers => $workers);
        my %click;

        for my $round (1 .. 3) {
            my @late;

            click($t);
            $t->redis_stop;

            for my $i (1 .. 10) {
                my $who = "r$round-$i";

                $click{$who} = click($t);

                my $answer = sale($t, $who, click_id => $click{$who},
                                  $i % 2 ? (code => 'mia8') : ());

                push @late, $who if $answer->status != 202;
            }

            is("@late", '', "$workers workers, round $round: accepted");

            $t->redis_start;
            links($t);
            credited($t, \%click, "$workers workers, round $round");
        }

        finish($t);
    };
}


# Redis loses everything while it is connected; both are sent again

case flushed => sub {
    my ($t) = hosts(1, workers => 2);
    my %click = map { ("f$_" => click($t)) } 1 .. 10;

    sale($t, $_, click_id => $click{$_}, code => 'mia8') for sort keys %click;
    credited($t, \%click, 'before');

    for my $round (1, 2) {
        sleep 3 * rand;
        $t->redis('FLUSHALL');
        links($t);
        credited($t, \%click, "FLUSHALL, round $round");
    }

    finish($t);
};


# the click's batch goes out 200 ms after it, the sale at once

case young => sub {
    my ($t) = hosts(1, workers => 2);
    my (@via, @status);

    sleep 1.5;

    for my $i (1 .. 10) {
        my $answer = sale($t, "y$i", click_id => click($t),
                          $i % 2 ? (code => 'mia8') : ());

        push @status, $answer->status;
        push @via, eval { decode_json($answer->body)->{via} } // '-';
    }

    is("@status", join(' ', (200) x 10), 'a sale right after its click');
    is("@via", join(' ', ('click') x 10), 'is credited by it');
    ok($t->metric('referral_events_waited_total') > 0, 'it waited');
    is($t->metric('referral_events_unmet_total'), 0, 'and not in vain');

    finish($t);
};


# the clicks of another host are late; another program does not wait

case hosts => sub {
    my $proxy;
    my @hosts = hosts(2, http => 'referral_redis %%REDIS%% timeout=500ms;');
    my ($a, $b) = @hosts;

    $a->expect_log(qr/does not take clicks/);

    $proxy = Referral::Proxy->new($a);
    $a->{redis_port} = $proxy->{port};
    $a->config(%{ $a->{conf} });
    $a->reload;

    $proxy->mode('error', 'LOADING Redis is loading the dataset in memory');

    my %click = map { ("h$_" => click($a)) } 1 .. 5;

    # the time of the outage before it, which is the start, must be over

    sleep PATIENCE + 1;

    $click{h6} = click($a);

    is(sale($b, $_, click_id => $click{$_})->status, 202,
       "$_: accepted, whose it is is not known yet") for sort keys %click;

    my $answer = sale($b, 'club1', to => 'club');

    is($answer->status, 200, 'a sale of another program does not wait');

    $proxy->mode('pass');
    credited($b, \%click, 'two hosts');

    finish(@hosts);
};


# a click that never comes: its sale is taken after a while, as are the others
# that came with it, and no wait is added to another

case wrong => sub {
    my ($t) = hosts(1, http => 'referral_redis %%REDIS%% timeout=500ms;');

    sleep PATIENCE + 1;

    my $began = time;

    is(sale($t, "w$_", click_id => uuid($_))->status, 202,
       "w$_: accepted") for 1 .. 4;
    is(sale($t, 'plain')->status, 202, 'the one behind them waits as well');

    ok(arrived($t, 5), 'all of them come to Redis');

    my $took = time - $began;
    my %e = entries($t);

    is_deeply([ map { $_->{via} } values %e ], [ ('none') x 5 ], 'via none');

    # each sent 0.5 s after the one before: the last one has waited for itself

    cmp_ok($_->{time} - $_->{at}, '<', 1000 * (PATIENCE + 2 * patience),
           "$_->{event}: not longer than the patience") for values %e;
    cmp_ok($e{ew1}{time} - $e{ew1}{at}, '>=', 1000 * PATIENCE,
           'and not less');
    cmp_ok($took, '<', PATIENCE + 3 + 4 * patience, 'all in that time');

    is($t->metric('referral_events_unmet_total'), 4,
       'those that found no referrer are counted');
    is(sale($t, 'plain2')->status, 200, 'then nothing waits any more');

    finish($t);
};


# a worker that ends leaves what waits in the journal, and does not hang

case ends => sub {
    my ($t) = hosts(1, http => 'referral_redis %%REDIS%% timeout=100ms;');

    for my $how ('reload', 'QUIT', 'TERM') {
        my $who = lc $how;

        is(sale($t, $who, click_id => uuid(99))->status, 202,
           "$how: accepted");

        my $began = time;

        if ($how eq 'reload') {
            my @old = $t->workers;

            $t->reload;
            ok((wait_for { !grep { kill 0, $_ } @old } 4),
               "$how: the worker ends at once");

        } else {
            $t->stop($how);
            cmp_ok(time - $began, '<', 4 * patience,
                   "$how: nginx ends at once");
            $t->start;
        }
    }

    ok(arrived($t, 3), 'all of them come to Redis');
    is(join(' ', sort map { $_->{event} } $t->entries(
                                               'ref:conversions:{shop}')),
       'equit ereload eterm', 'each once');

    finish($t);
};


# clicks in the journals of workers that are gone, and of a former nginx

case gone => sub {
    my ($t) = hosts(1);
    my %click;

    $t->expect_log(qr/exited on signal 9/);
    $t->expect_log(qr/shared memory zone.*was locked by/);

    for my $how (qw(killed stopped)) {
        click($t);
        $t->redis_stop;
        $click{"$how$_"} = click($t) for 1 .. 5;

        if ($how eq 'killed') {
            my ($worker) = $t->workers;

            kill 'KILL', $worker;
            wait_for { ($t->workers)[0] // 0 } 5;
            wait_for { !grep { $_ == $worker } $t->workers } 5;

        } else {
            $t->stop('TERM');
            $t->start;
        }

        sale($t, $_, click_id => $click{$_}, code => 'mia8')
            for grep { /$how/ } keys %click;

        $t->redis_start;
        links($t);
        credited($t, \%click, $how);
    }

    finish($t);
};


# clicks that are in memory only: the journal is at its max=

case memory => sub {
    my ($t) = hosts(1, http => 'referral_journal %%DIR%%/journal segment=128k'
                               . ' max=512k;');
    my $request = $t->request_text('GET', '/r/aiko7',
                                   headers => [ Connection => 'keep-alive' ]);
    my %click;

    $t->expect_log(qr/has reached its "max"/);
    click($t);
    $t->redis('SAVE');
    $t->redis_stop;

    for (1 .. 20) {
        $t->flood(1000, sub { $request });
        last if $t->log =~ /has reached its "max"/;
    }

    # an address has so many click ids that can be looked up

    $click{"m$_"} = click($t, from => '127.0.0.9') for 1 .. 5;
    sale($t, $_, click_id => $click{$_}, code => 'mia8') for sort keys %click;

    $t->redis_start;
    credited($t, \%click, 'memory');
    like($t->log, qr/has reached its "max"/, 'the journal was full');

    finish($t);
};


# clicks that Redis refuses, and only those: their sales do not wait for them
# longer than for any other click

case refused => sub {
    my ($t) = hosts(1);

    $t->expect_log(qr/does not take clicks/);
    $t->redis(qw(ACL SETUSER default -hincrby));

    my $id = click($t);

    sleep 2;
    sale($t, 'ref1', click_id => $id);
    ok(arrived($t, 1), 'its sale is taken');

    my %e = entries($t);

    cmp_ok($e{eref1}{time} - $e{eref1}{at}, '<',
           1000 * (PATIENCE + 2 * patience), 'after the patience');

    $t->redis(qw(ACL SETUSER default +@all));

    finish($t);
};


sub halt {
    my ($pid) = @_;

    kill 'STOP', $pid;

    return wait_for { my $f = "/proc/$pid/stat";
                      open my $stat, '<', $f or die "$f: $!";
                      readline($stat) =~ /\) T / };
}


# a worker that hangs has clicks: its clicks are waited for, and then not

case stuck => sub {
    my ($t) = hosts(1, workers => 2);
    my ($one, $two) = $t->workers;
    my %click;

    $t->expect_log(qr/a journal of clicks has not got on for 30 s/);
    $t->redis_stop;

    halt($two);
    click($t);
    kill 'CONT', $two;
    halt($one);

    $click{s1} = click($t);
    sale($t, 's1', click_id => $click{s1});
    $t->redis_start;
    links($t);

    my $began = time;

    ok(!wait_for(sub { $t->redis('XLEN', 'ref:conversions:{shop}') }, 5
                 / patience), 'its sale waits for the clicks of all workers');
    ok(arrived($t, 1), 'but not for ever');
    cmp_ok(time - $began, '>=', 29, 'for 30 seconds');

    my %e = entries($t);

    is($e{es1}{via}, 'click', 'its click was there');

    $click{s2} = click($t);
    is(sale($t, 's2', click_id => $click{s2})->status, 200,
       'the next one does not wait for the worker that hangs');
    credited($t, \%click, 'stuck');

    kill 'CONT', $one;

    finish($t);
};

done_testing;
