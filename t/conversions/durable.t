# protects: no event is answered by 2xx that the disk does not have: while the
# journal is full, unwritable or does not sync it is 503 with Retry-After,
# clicks go on, and it comes back by itself; a worker that is killed at a write
# or a sync loses none
#
# TEST_ONLY="full sync": these alone
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Events;

use Errno qw(ENOSPC);
use File::Temp qw(tempdir);
use Time::HiRes qw(sleep time);

my %mounted;
my $root = $> == 0;


# a test that dies leaves no mount behind

END {
    if ($$ == $Referral::main) {
        my $status = $?;

        system('umount', '-l', $_) for keys %mounted;
        $? = $status;
    }
}


sub mount {
    my ($dir, $options) = @_;

    return 0 if system("mount -t tmpfs -o $options tmpfs $dir 2>/dev/null");

    return $mounted{$dir} = 1;
}


sub umount {
    my ($dir) = @_;

    system('umount', '-l', $dir);
    delete $mounted{$dir};
}


my $mounts = do {
    my $dir = tempdir(CLEANUP => 1);
    my $ok = $root && mount($dir, 'size=64k');

    umount($dir) if $ok;
    $ok;
};

my $traces = system('strace -o /dev/null true 2>/dev/null') == 0;


sub instance {
    my (%o) = @_;

    my $t = Referral->new;
    my $size = delete $o{mount};
    my $journal = delete $o{journal} // '';
    my $redis = delete $o{redis} // '';

    if ($size) {
        mkdir "$t->{dir}/journal";
        mount("$t->{dir}/journal", $size) or die "mount failed\n";
    }

    $t->link('shop', 'aiko7', referrer => 'aiko');
    $t->config(
        log => 'info',
        http => "referral_journal %%DIR%%/journal segment=128k $journal;
                 referral_redis %%REDIS%% timeout=1s $redis;",
        server => <<'END',
            referral_program shop;
            referral_landing "https://shop.example.com/";

            location /r/ {
                referral;
            }

            location /inside {
                referral_convert;
                referral_convert_auth location;
                allow 127.0.0.1;
                deny all;
            }

            location /checkout {
                referral_convert_from $upstream_http_x_referral_event;
                proxy_pass http://127.0.0.1:%%PORT%%/shop/;
            }

            location /shop {
                add_header X-Referral-Event "type=sale&event_id=$arg_id&customer=c$arg_id&order_id=o$arg_id&amount=4990&currency=EUR";
                return 200 thanks;
            }
END
        %o,
    );
    $t->start;

    return ($t, Referral::Events->new($t));
}


my $failed = qr/the journal in "[^"]*events" cannot be written.*events are refused/;
my $again = qr/the journal in "[^"]*events" is written again/;

my $event = 0;


sub post {
    my ($t) = @_;

    return $t->request('POST', '/inside',
        headers => [ 'Content-Type', 'application/json' ],
        body => '{"type":"lead","event_id":"p' . ++$event
                . '","customer":"c"}');
}


# what an event gets now, and that a click gets what it always gets

sub refused {
    my ($t, $name) = @_;

    my $r;

    ok((wait_for { $r = post($t); $r->status == 503 }),
       "$name: an event is refused") or diag($r->status);
    like($r->header('Retry-After') // '', qr/^\d+$/, "$name: for now");
    is($r->header('Content-Type'), 'application/problem+json',
       "$name: as a problem");
    is($t->get('/r/aiko7')->status, 302, "$name: clicks go on");
}


sub well {
    my ($t, $name) = @_;

    ok((wait_for { post($t)->status == 200 }), "$name: events are taken again");
}


# Redis goes, and comes back with all that it had

sub redis_goes {
    my ($t) = @_;

    $t->redis('SAVE');
    $t->redis_stop;
}


sub fill {
    my ($file) = @_;

    open my $f, '>:raw', $file or die "$file: $!";

    for my $size (65536, 4096) {
        1 while syswrite $f, 'x' x $size;
        die "$file: $!" if $! != ENOSPC;
    }
}


# --- no space ---

case full => $mounts, sub {
    my ($t, $e) = instance(mount => 'size=2m');
    my $filler = "$t->{dir}/journal/.filler";
    my $load = $e->start(connections => 8, rate => 200, seconds => 6);

    sleep 1;

    # what is already the journal's it may still write

    fill($filler);

    ok((wait_for { $t->log =~ $failed }), 'the log tells of a full disk');
    is($t->get('/r/aiko7')->status, 302, 'clicks go on');
    sleep 2;
    unlink $filler;

    $e->exact('a full disk', quiet => 15);
    cmp_ok(scalar(grep { $_->{tries} > 1 } @{ $load->{events} }), '>', 0,
           'some were refused');

    ok((wait_for { $t->log =~ $again }), 'and the log tells of its end');

    # without Redis as well

    redis_goes($t);
    $load = $e->start(connections => 8, rate => 200, seconds => 5);
    sleep 1;
    fill($filler);
    sleep 2;
    refused($t, 'no disk and no Redis');
    unlink $filler;
    $e->wait;
    $t->redis_start;
    $e->exact('neither disk nor Redis', quiet => 15, others => qr/^p/);

    $t->finish;
    umount("$t->{dir}/journal");
};


# --- max= ---

case max => 1, sub {
    my ($t, $e) = instance(journal => 'max=1m');

    # what Redis has makes room

    $e->start(connections => 16, count => 8000);
    $e->exact('more than max=, while Redis has them');
    is($e->{last}{status}{200}, 8000, 'none is refused');

    redis_goes($t);
    $e->start(connections => 16, seconds => 60, count => 8000);
    ok((wait_for { $t->log =~ /has reached its "max": events are refused/ }),
       'without Redis max= is reached');
    refused($t, 'max=');

    $t->redis_start;
    $e->exact('max= is reached', quiet => 30, others => qr/^p/);

    $t->finish;
};


# --- no right to write ---

case rights => $root, sub {
    my ($t, $e) = instance(main => 'user nobody nogroup;');

    well($t, 'before');

    # a worker that has a file goes on with it

    chmod 0, "$t->{dir}/journal/events";
    $t->expect_log(qr/exited on signal 9/);

    my ($worker) = $t->workers;

    kill 'KILL', $worker;
    wait_for { my ($now) = $t->workers; $now && $now != $worker };

    refused($t, 'no rights');
    like($t->log, qr/$failed/, 'the log tells of it');
    like($t->log, qr/cannot be written[^\n]*Permission denied/, 'and why');

    chmod 0700, "$t->{dir}/journal/events";

    well($t, 'with rights');
    ok((wait_for { $t->log =~ $again }), 'which the log tells');

    $t->finish;
};


# --- it does not sync ---

case sync => $traces, sub {
    my ($t, $e) = instance();

    $e->start(connections => 8, count => 100);
    $e->exact('before');

    my ($worker) = $t->workers;

    my $tracer = $t->spawn(sub {
        open STDERR, '>', '/dev/null';
        exec 'strace', '-f', '-qq', '-o', '/dev/null', '-p', $worker,
             '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO';
    });

    wait_for {
        open my $f, '<', "/proc/$worker/status" or return;
        return grep { /^TracerPid:\s+[1-9]/ } <$f>;
    };

    my $load = $e->start(connections => 8, rate => 200, seconds => 4);

    ok((wait_for { $t->log =~ $failed }), 'the log tells of it');
    refused($t, 'EIO');
    $t->end_child($tracer);
    well($t, 'it syncs');

    $e->exact('fdatasync failed', quiet => 15, others => qr/^p/);
    cmp_ok(scalar(grep { $_->{tries} > 1 } @{ $load->{events} }), '>', 0,
           'some were sent again');

    # slow: it is waited for, also by a worker that quits

    $tracer = $t->spawn(sub {
        open STDERR, '>', '/dev/null';
        exec 'strace', '-f', '-qq', '-o', '/dev/null', '-p', $worker,
             '-e', 'trace=fdatasync',
             '-e', 'inject=fdatasync:delay_enter=1000000';
    });

    wait_for {
        open my $f, '<', "/proc/$worker/status" or return;
        return grep { /^TracerPid:\s+[1-9]/ } <$f>;
    };

    my $s = $t->connect;

    $s->syswrite($t->request_text('POST', '/inside',
        headers => [ 'Content-Type', 'application/json' ],
        body => '{"type":"lead","event_id":"slow","customer":"c"}'));
    sleep 0.2;
    my $start = time;

    is($t->get('/r/aiko7')->status, 302, 'a click does not wait for a sync');
    cmp_ok(time - $start, '<', 0.5 * patience, 'of an event');
    $t->signal('HUP');

    my $r = Referral::Response->read($s, timeout => 10);

    is($r && $r->status, 200, 'an answer waits for it, in a worker that quits');
    $t->end_child($tracer);

    $t->finish;
};


# --- a worker is killed at its n-th write, or sync ---

case killed => $traces, sub {
    my ($t, $e) = instance(main => 'worker_rlimit_core 0;');

    $t->expect_log(qr/exited on signal 9/);
    $t->expect_log(qr/shared memory zone.*was locked by/);

    # batches to Redis and answers are writes too

    $e->start(connections => 12, rate => 300, seconds => 300);

    for my $call (qw(write writev fdatasync)) {
        my $killed = 0;

        $killed += $t->kill_worker_at($call, $_) for 1 .. 5, 8, 13, 21;

        cmp_ok($killed, '>=', 7, "killed at many a $call()");
    }

    my $load = $e->stop->{last};

    cmp_ok(scalar(grep { $_->{tries} > 1 } @{ $load->{events} }), '>', 10,
           'events were cut off, and sent again');
    $e->exact('kill -9 at the n-th write and sync', quiet => 30);

    $t->finish;
};


# --- emptied ---

case emptied => 1, sub {
    my ($t, $e) = instance(workers => 2);

    $e->start(connections => 8, rate => 300, seconds => 5);

    for (1 .. 2) {
        sleep 1.2;

        # workers make new files meanwhile, which remove_tree() dies of

        system("find $t->{dir}/journal/events -mindepth 1 -delete 2>/dev/null");
    }

    $e->exact('the directory is emptied', quiet => 15);
    like($t->log, qr/files in "[^"]*events" were removed/,
         'which the log tells');

    $t->finish;
};


# --- a worker quits that has events in its memory ---

case memory => $mounts, sub {
    my ($t, $e) = instance(mount => 'size=2m');

    is($t->get('/checkout?id=m1')->body, 'thanks', 'a shop says an event');
    ok((wait_for { $e->length == 1 }), 'which is taken');

    my $filler = "$t->{dir}/journal/.filler";

    # of its segment the journal has reserved what follows

    fill($filler);
    $t->redis_pause;

    my $n = 1;

    for (1 .. 4000) {
        is($t->get("/checkout?id=m" . ++$n)->body, 'thanks',
           'visitors get the answer') if $_ == 1;
        last if $t->log =~ $failed;
        $t->get("/checkout?id=m" . ++$n);
    }

    ok((wait_for { $t->log =~ $failed }), 'the disk is full');

    $t->signal('HUP');
    ok((wait_for { $t->log =~ /shuts down with \d+ events in memory/ }),
       'a worker that quits waits');
    $t->redis_continue;
    ok((wait_for { $e->length == $n }, 20), 'until Redis has them')
        or diag($e->length . " of $n");

    unlink $filler;
    $t->finish;
    umount("$t->{dir}/journal");
};

done_testing;
