# protects: clicks that are in memory only, because the journal is at max= or
# its disk is full, are counted in Redis or as dropped when their worker
# ends; max= and the tenth of it for unknown codes apply to the directory,
# not to each worker
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;

use File::Temp qw(tempdir);
use Time::HiRes qw(sleep time);

my %mounted;


END {
    if ($$ == $Referral::main) {
        my $status = $?;

        system('umount', '-l', $_) for keys %mounted;
        $? = $status;
    }
}


sub mount {
    my ($dir, $size) = @_;

    return 0
        if system("mount -t tmpfs -o size=$size tmpfs $dir 2>/dev/null");

    return $mounted{$dir} = 1;
}


sub mounts {
    my $dir = tempdir(CLEANUP => 1);

    mount($dir, '64k') or return 0;
    system('umount', '-l', $dir);
    delete $mounted{$dir};

    return 1;
}


my @only = split ' ', $ENV{TEST_ONLY} // '';

sub fault {
    my ($name, $sub) = @_;

    $sub->() if !@only || grep { $_ eq $name } @only;
}


# "shutdown": worker_shutdown_timeout, none if it is empty

sub config {
    my ($t, $c, $shutdown, %o) = @_;

    my %parts = $c->parts(workers => 2, %o);

    $parts{server} .= 'location = /metrics { referral_metrics; }';

    $t->config(%parts);

    my $conf = $t->read_file('nginx.conf');

    $shutdown = $shutdown ? "worker_shutdown_timeout $shutdown;" : '';
    $conf =~ s/worker_shutdown_timeout [^;]*;/$shutdown/ or die;
    $t->write_file('nginx.conf', $conf);
}


sub instance {
    my ($shutdown, %o) = @_;

    my $t = Referral->new;
    my $c = Referral::Clicks->new($t, shop => '/r/', club => '/s/');
    my $size = delete $o{disk};

    $t->expect_log(qr/\[crit\].*drops \d+ clicks/);

    if ($size) {
        mkdir "$t->{dir}/journal";
        mount("$t->{dir}/journal", $size) or die 'mount failed';
    }

    $c->links;
    config($t, $c, $shutdown, %o);
    $t->start;

    $c->start(rate => 1000, count => 400);
    $c->exact('before');

    return ($t, $c);
}


sub balance {
    my ($m) = @_;

    return $m->{referral_accepted_total} + $m->{referral_adopted_total}
           - $m->{referral_recorded_total} - $m->{referral_journaled}
           - $m->{referral_bad_records_total} - $m->{dropped};
}


sub bytes {
    my ($t) = @_;

    my $n = 0;
    $n += -s $_ // 0 for glob "$t->{dir}/journal/slot-*/*/*.seg";

    return $n;
}


# what the log says was dropped

sub said {
    my ($t) = @_;

    my $n = 0;
    $n += $_ for $t->log =~ /this worker ends and drops (\d+) clicks/g;

    return $n;
}


sub all_counted {
    my ($t, $c, $missing) = @_;

    my $want = $c->known('answered') - $missing;

    wait_for { $c->total >= $want } 30;
    sleep 0.5;

    return $c->known('answered') - $c->total;
}


sub more_than_fits {
    my ($t, $c, $count) = @_;

    $t->redis_pause;
    $c->start(rate => 0, count => $count // 16_000, connections => 32);
    $c->wait;
}


my $small = 'segment=128k max=1m';


# the bound, and both kinds of way out

for my $signal ('a larger max=', 'Redis is back') {
    fault $signal => sub {
        my ($t, $c) = instance('', journal => $small);

        more_than_fits($t, $c);

        my $before = $t->metrics;

        cmp_ok(bytes($t), '<=', 1 << 20, 'max= is the directory\'s');
        cmp_ok(bytes($t), '>', 0.9 * (1 << 20), 'and used');

        my @old = $t->workers;

        config($t, $c, '', journal => 'segment=128k max=64m')
            if $signal eq 'a larger max=';
        $t->signal('HUP');

        if ($signal eq 'a larger max=') {
            ok(wait_for(sub { !grep { kill 0, $_ } @old }),
               "$signal: the old workers write what now fits, and go");
            cmp_ok(bytes($t), '>', 2 << 20, 'it is on the disk');

        } else {
            sleep 2;
            is(scalar(grep { kill 0, $_ } @old), 2,
               "$signal: the old workers wait");
            like($t->log, qr/shuts down with \d+ clicks in memory/,
                 'and say so');
        }

        my $m = $t->metrics;

        cmp_ok($m->{referral_accepted_total}, '>=',
               $before->{referral_accepted_total},
               'what was accepted stays so');

        $t->redis_continue;
        $c->exact("a reload at max=: $signal", quiet => 30);

        ok(wait_for(sub { !grep { kill 0, $_ } @old }),
           'the old workers are gone');
        is(said($t), 0, 'nothing was dropped');

        wait_for { $m = $t->metrics; $m->{referral_journaled} == 0 };
        is(balance($m), 0, 'the balance');
        is($m->{dropped}, 0, 'dropped');

        $t->finish;
    };
}


# what must be dropped is told, to the last click

fault timeout => sub {
    my ($t, $c) = instance('1s', journal => $small);

    more_than_fits($t, $c);

    my @old = $t->workers;
    my $before = $t->metrics;

    $t->signal('HUP');
    ok(wait_for(sub { !grep { kill 0, $_ } @old }),
       'worker_shutdown_timeout ends the old workers');

    my $m = $t->metrics;
    my $dropped = $m->{dropped};

    cmp_ok($dropped, '>', 0, 'clicks are dropped');
    is(said($t), $dropped, 'the log has the same number');
    is($m->{'referral_dropped_total{reason="max"}'}, $dropped, 'for max=');
    cmp_ok($m->{referral_accepted_total}, '>=',
           $before->{referral_accepted_total}, 'what was accepted stays so');

    $t->redis_continue;
    is(all_counted($t, $c, $dropped), $dropped,
       'dropped is exactly what is missing');

    wait_for { $m = $t->metrics; $m->{referral_journaled} == 0 };
    is(balance($m), 0, 'the balance');
    is($m->{dropped}, $dropped, 'dropped stays so');
    note("dropped $dropped");

    $t->finish;
};


for my $signal (qw(QUIT TERM)) {
    fault $signal => sub {
        my ($t, $c) = instance('1s', journal => $small);

        more_than_fits($t, $c);
        $t->stop($signal);

        my $dropped = said($t);

        cmp_ok($dropped, '>', 0, "SIG$signal: the log says what is dropped");

        $t->redis_continue;
        $t->start;
        is(all_counted($t, $c, $dropped), $dropped,
           "SIG$signal: dropped is exactly what is missing");

        $t->finish;
    };
}


# Redis is well: what memory holds goes there

for my $signal (qw(QUIT TERM)) {
    fault "well-$signal" => sub {
        my ($t, $c) = instance('', journal => $small);

        more_than_fits($t, $c, 7000);
        $t->redis_continue;
        wait_for { $t->metrics->{'referral_redis_connected{for="recorder"}'} };
        $t->stop($signal);

        my $dropped = said($t);

        is($dropped, 0, 'SIGQUIT drops nothing') if $signal eq 'QUIT';

        $t->start;
        is(all_counted($t, $c, $dropped), $dropped,
           "SIG$signal: and all is counted that is not dropped");

        $t->finish;
    };
}


SKIP: {
    skip 'mount is not permitted here', 1 if $> != 0 || !mounts();

    fault space => sub {
        my ($t, $c) = instance('', disk => '3m', workers => 1,
                               journal => 'segment=1m max=512m');

        more_than_fits($t, $c, 24_000);

        my @old = $t->workers;
        my $disk = "$t->{dir}/journal";

        $t->signal('HUP');
        sleep 1.5;
        is(scalar(grep { kill 0, $_ } @old), 1, 'a full disk: it waits');

        system("mount -o remount,size=64m $disk") == 0 or die;

        ok(wait_for(sub { !grep { kill 0, $_ } @old }),
           'with space it writes, and goes');
        is(said($t), 0, 'nothing is dropped');

        $t->redis_continue;
        $c->exact('a reload with a full disk', quiet => 30);

        $t->finish;
        system('umount', '-l', $disk);
        delete $mounted{$disk};
    };
}


# clicks of a killed worker of whose journal nothing came to the disk

SKIP: {
    skip 'mount is not permitted here', 1 if $> != 0 || !mounts();

    fault fileless => sub {
        my $t = Referral->new;
        my $c = Referral::Clicks->new($t, shop => '/r/', club => '/s/');
        my $disk = "$t->{dir}/journal";
        my $n = 0;

        mkdir $disk;
        mount($disk, '1m,nr_inodes=64') or die 'mount failed';

        $t->expect_log(qr/exited on signal 9/);
        $t->expect_log(qr/cannot be written/);
        $t->expect_log(qr/was killed or crashed with 20 clicks/);

        $c->links;
        config($t, $c, '', workers => 1);
        $t->start;

        wait_for { -e "$disk/slot-000/lock" };

        while (open my $f, '>', "$disk/full-" . $n++) {
            close $f;
        }

        $t->get('/r/c1') for 1 .. 10;
        wait_for { $t->metrics->{referral_recorded_total} == 10 };

        $t->redis_pause;
        $t->get('/r/c1') for 1 .. 20;
        wait_for { $t->metrics->{referral_journaled} == 20 };

        kill 'KILL', $t->workers;
        $t->redis_continue;

        my $m;

        ok(wait_for(sub { $m = $t->metrics; $m->{dropped} == 20 }),
           'a worker that is killed without a file: its clicks are dropped');
        is($m->{referral_journaled}, 0, 'nothing waits for ever');
        is($m->{referral_accepted_total}, 30, 'accepted');
        is($m->{referral_recorded_total}, 10, 'recorded');
        like($t->log, qr/was killed or crashed with 20 clicks/, 'the log says so');

        $t->finish;
        system('umount', '-l', $disk);
        delete $mounted{$disk};
    };
}


# a reload to another directory

fault moved => sub {
    my ($t, $c) = instance('', journal => $small);

    more_than_fits($t, $c);

    my @old = $t->workers;
    my %parts = $c->parts(workers => 2);

    $parts{http} =~ s{%%DIR%%/journal }{%%DIR%%/elsewhere } or die;
    $parts{server} .= 'location = /metrics { referral_metrics; }';
    $t->config(%parts);
    $t->signal('HUP');

    ok(wait_for(sub { !grep { kill 0, $_ } @old }),
       'another directory: the old workers go');

    my $m = $t->metrics;

    is(said($t) + $m->{dropped}, 0, 'nothing was dropped');
    is(balance($m), 0, 'the balance');

    $t->redis_continue;
    wait_for { $c->total > 8000 } 20;

    # what the old directory holds follows when it is named again

    config($t, $c, '', journal => $small);
    $t->signal('HUP');
    $c->exact('another directory, and back', quiet => 30);

    wait_for { $m = $t->metrics; $m->{referral_journaled} == 0 };
    is(balance($m), 0, 'the balance');

    $t->finish;
};


# clicks that a killed worker had in memory

fault killed => sub {
    my ($t, $c) = instance('', journal => $small);

    $t->expect_log(qr/exited on signal 9/);
    more_than_fits($t, $c);
    kill 'KILL', $t->workers;
    $t->redis_continue;

    my $m;

    wait_for { $m = $t->metrics;
               $m->{dropped} && $m->{referral_journaled} == 0 };

    my $dropped = $m->{dropped};

    is(all_counted($t, $c, $dropped), $dropped,
       'a killed worker: dropped is exactly what is missing');
    is(balance($t->metrics), 0, 'the balance');

    $t->finish;
};


# what Redis has stays accepted, also where it never came to the disk

fault recorded => sub {
    my ($t, $c) = instance('', journal => $small);

    $t->expect_log(qr/exited on signal 9/);
    more_than_fits($t, $c);
    $t->redis_continue;
    $c->exact('from memory', quiet => 30);

    my $before;

    wait_for { $before = $t->metrics; $before->{referral_journaled} == 0 };
    is(balance($before), 0, 'the balance');

    kill 'KILL', $t->workers;

    my $m;

    wait_for { $t->workers == 2 };

    for (1 .. 8) {
        sleep 0.5;
        $m = $t->metrics;
        last if $m->{referral_accepted_total}
                < $before->{referral_accepted_total};
    }

    is($m->{referral_accepted_total}, $before->{referral_accepted_total},
       'workers that are killed then: what was accepted stays so');
    is($m->{referral_recorded_total}, $before->{referral_recorded_total},
       'and what was recorded');
    is($m->{dropped}, 0, 'nothing is dropped');
    is(balance($m), 0, 'the balance');

    $t->finish;
};


# --- unknown codes ---

fault unknown => sub {
    my $max = 4 << 20;
    my ($t, $c) = instance('', workers => 6,
                           journal => 'segment=128k max=4m');

    $t->expect_log(qr/exited on signal 9/);
    $t->redis_pause;
    $t->get('/r/c1') for 1 .. 30;
    wait_for { !$t->metrics->{'referral_redis_connected{for="lookups"}'} };

    my $start = bytes($t);
    my $head = $t->request_text('GET', '/', keepalive => 1) =~ s/^.*\r\n//r;

    my $strangers = sub {
        $t->flood(30_000, sub { "GET /r/x$_[0] HTTP/1.1\r\n$head" });
    };

    $strangers->();

    cmp_ok(bytes($t) - $start, '<', 0.11 * $max,
           'unknown codes take a tenth of max=, for six workers');
    cmp_ok(bytes($t) - $start, '>', 0.05 * $max, 'and that they have');

    # those that die leave theirs on the disk, their successors have no other

    for (1 .. 2) {
        my @old = $t->workers;

        kill 'KILL', @old;
        wait_for { my @now = $t->all_workers;
                   @now && !grep { my $n = $_; grep { $n == $_ } @old } @now };
        $t->get('/r/c1') for 1 .. 30;
        $strangers->();
    }

    cmp_ok(bytes($t) - $start, '<', 0.13 * $max,
           'nor any more after workers died');

    my $before = bytes($t);

    $c->start(rate => 0, count => 5000, connections => 32);
    $c->wait;
    cmp_ok(bytes($t) - $before, '>', 5000 * 100,
           'clicks on known links have room on the disk');

    my @old = $t->workers;

    kill 'KILL', @old;
    $t->redis_continue;

    ok(wait_for(sub { $c->total >= $c->known("answered") }, 30),
       'and are counted when their workers are killed');

    $t->finish;
};

done_testing;
