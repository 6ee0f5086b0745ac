# protects: no click is counted twice and each lost one is counted as
# dropped, whatever happens to the journal's disk: full, out of inodes,
# read-only, emptied; afterwards everything works as before
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;

use Errno qw(ENOSPC);
use File::Temp qw(tempdir);
use Time::HiRes qw(sleep time);

my %mounted;


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


{
    my $dir = tempdir(CLEANUP => 1);

    plan(skip_all => 'only root may mount') if $> != 0;
    plan(skip_all => 'mount is not permitted here')
        if !mount($dir, 'size=64k');

    umount($dir);
}


sub instance {
    my ($options, %o) = @_;

    my $t = Referral->new;
    my $c = Referral::Clicks->new($t, shop => '/r/', club => '/s/');
    my $disk = "$t->{dir}/journal";

    mkdir $disk;
    mount($disk, $options) or die "mount of $disk failed\n";

    my %parts = $c->parts(workers => 1,
                          journal => 'segment=128k max=512m', %o);

    $parts{server} .= 'location = /metrics { referral_metrics; }';

    $c->links;
    $t->config(%parts);
    $t->start;

    $c->start(rate => 1000, count => 400);
    $c->exact('before');

    return ($t, $c, $disk);
}


sub finish {
    my ($t, $disk) = @_;

    $t->finish;
    umount($disk);
}


sub balanced {
    my ($t, $name) = @_;

    my ($m, $left, $right);

    wait_for {
        $m = $t->metrics;
        $left = $m->{referral_accepted_total} + $m->{referral_adopted_total};
        $right = $m->{referral_recorded_total} + $m->{referral_journaled}
                 + $m->{referral_bad_records_total} + $m->{dropped};

        $left == $right && $m->{referral_journaled} == 0;
    };

    is($right, $left, "$name: accepted + adopted = recorded + journaled + "
                      . 'dropped + bad');

    return $m;
}


# how often the log has it

sub told {
    my ($t, $re) = @_;

    return scalar(() = $t->log =~ /$re/g);
}


my $failed = qr/the journal in "[^"]*" cannot be written/;
my $again = qr/the journal in "[^"]*" is written again/;


sub fill {
    my ($disk) = @_;

    open my $f, '>:raw', "$disk/filler" or die "$disk/filler: $!";

    for my $size (65536, 4096) {
        1 while syswrite $f, 'x' x $size;
        die "$disk/filler: $!" if $! != ENOSPC;
    }
}


sub recovers {
    my ($t, $name) = @_;

    ok(wait_for(sub { told($t, $again) == told($t, $failed) }),
       "$name: the log tells that the journal is written again");

    is(told($t, $again), 1, "$name: once");
}


sub journal_grows {
    my ($t, $c, $disk, $name) = @_;

    my $size = sub {
        my $n = 0;
        $n += -s $_ // 0 for glob "$disk/slot-*/*/*.seg";
        return $n;
    };

    my $before = $size->();

    $c->start(rate => 1000, count => 500);
    $c->wait;
    cmp_ok($size->(), '>', $before, "$name: clicks go to the disk again");
}


# --- no space ---

{
    my ($t, $c, $disk) = instance('size=2m');

    $t->redis_pause;
    $c->start(rate => 1500, count => 1000);
    $c->wait;
    fill($disk);
    $c->start(rate => 1500, count => 2000);
    $c->wait;

    ok(wait_for(sub { told($t, $failed) }), 'the log tells of a full disk');
    like($t->log, qr/cannot be written.*No space left on device/, 'and why');
    is($t->metrics->{dropped}, 0, 'what memory holds is not dropped');

    # with space, but still without Redis

    unlink "$disk/filler";
    recovers($t, 'space');
    journal_grows($t, $c, $disk, 'space');

    $t->redis_continue;
    $c->exact('the disk is full while Redis hangs', quiet => 15);
    is(balanced($t, 'space')->{dropped}, 0, 'nothing was dropped');

    # the disk is full, Redis is well

    fill($disk);
    $c->start(rate => 1000, count => 2000);
    $c->exact('the disk is full and Redis well', quiet => 15);
    unlink "$disk/filler";

    finish($t, $disk);
}


# --- no space, while what is unsent goes on under another id ---

{
    my ($t, $c, $disk) = instance('size=2m');
    my @noscript = qw(ACL SETUSER default -eval -evalsha);

    $t->redis(@noscript);
    $c->start(rate => 1500, count => 1500);
    $c->wait;
    fill($disk);
    $c->start(rate => 1500, count => 500);
    $c->wait;

    for my $key (qw(ref:journals:{shop} ref:journals:{club})) {
        $t->redis('HSET', $key, $_, 1_000_000_000)
            for @{ $t->redis('HKEYS', $key) };
    }

    $t->redis(qw(ACL SETUSER default +eval +evalsha));

    ok(wait_for(sub { told($t, qr/somebody else wrote/) >= 2 }),
       'the marks are too high');
    is(told($t, qr/cannot be noted/), 0, 'a full disk takes the note');

    # the next life needs it

    $t->expect_log(qr/exited on signal 9/);
    $t->expect_log(qr/shared memory zone.*was locked by/);
    $t->redis_pause;
    sleep 0.3;
    kill 'KILL', $t->workers;
    $t->redis_continue;

    # what memory alone held is gone with the worker

    wait_for { scalar $t->workers };
    sleep 3;
    balanced($t, 'a wrong mark');
    is($t->hgetall('ref:stats:{shop}')->{raw}
       + $t->hgetall('ref:stats:{club}')->{raw} >= 1900 ? 'all' : 'some',
       'all', 'what the disk had is counted');

    unlink "$disk/filler";
    finish($t, $disk);
}


# --- no space and no memory either: what is dropped is told to the click ---

{
    # what memory held finds room afterwards

    my ($t, $c, $disk) = instance('size=32m');

    $t->redis_pause;
    fill($disk);

    my $start = time;
    my $dropped = 0;

    while (time - $start < 40 && !$dropped) {
        $c->start(rate => 0, count => 15_000, connections => 32);
        $c->wait;
        $dropped = $t->metrics->{dropped};
    }

    cmp_ok($dropped, '>', 0, 'clicks are dropped when memory is full');
    like($t->log, qr/clicks are dropped: the journal is full/,
         'which the log tells');
    is($c->{other} + $c->{cut}, 0, 'and visitors are redirected');

    unlink "$disk/filler";
    $t->redis_continue;

    # all that was kept

    my $m;

    wait_for { $m = $t->metrics; $m->{referral_journaled} == 0 } 30;
    $m = balanced($t, 'memory');

    my $missing = $c->known('answered') - $c->total;

    is($m->{dropped}, $missing, 'dropped is exactly what is missing');
    is($m->{'referral_dropped_total{reason="space"}'}, $missing,
       'for want of space');
    note("answered $c->{nanswered}, dropped $missing");

    # where nothing is left to be written, the next click tries the disk

    journal_grows($t, $c, $disk, 'memory');
    recovers($t, 'memory');

    wait_for { $c->known('answered') - $c->total == $missing };
    is($c->known('answered') - $c->total, $missing,
       'nothing is dropped afterwards');
    is(balanced($t, 'afterwards')->{dropped}, $missing, 'nor told to be');

    finish($t, $disk);
}


# --- no inodes ---

{
    my ($t, $c, $disk) = instance('size=16m,nr_inodes=60');

    $t->redis_pause;

    for (1 .. 100) {
        open my $f, '>', "$disk/inode-$_" or last;
    }

    ok($! == ENOSPC, 'there are no inodes');

    $c->start(rate => 1500, count => 3000);
    $c->wait;

    ok(wait_for(sub { told($t, $failed) }), 'the log tells of no inodes');

    unlink glob "$disk/inode-*";
    recovers($t, 'inodes');
    journal_grows($t, $c, $disk, 'inodes');

    $t->redis_continue;
    $c->exact('no inodes while Redis hangs', quiet => 15);
    is(balanced($t, 'inodes')->{dropped}, 0, 'inodes: nothing was dropped');

    finish($t, $disk);
}


# --- read-only ---

{
    my ($t, $c, $disk) = instance('size=16m');

    $t->expect_log(qr/exited on signal 9/);
    $t->redis_pause;
    $c->start(rate => 1500, count => 1000);
    $c->wait;

    # a disk that is being written cannot be made read-only

    my ($worker) = $t->workers;

    $t->signal('STOP');
    kill 'KILL', $worker;

    ok(wait_for(sub {
        system("mount -o remount,ro $disk 2>/dev/null") == 0
    }), 'the disk is read-only');

    $t->signal('CONT');
    wait_for { my ($now) = $t->workers; $now && $now != $worker };

    $c->start(rate => 1500, count => 1500);
    $c->wait;

    ok(wait_for(sub { told($t, $failed) }),
       'the log tells of a read-only disk');

    $t->redis_continue;

    # those of the dead worker cannot be adopted yet

    ok(wait_for(sub { $c->known('answered') - $c->total <= 1000 }),
       'clicks are counted without a disk');

    is(system('mount', '-o', 'remount,rw', $disk), 0, 'and writable again');
    recovers($t, 'read-only');
    journal_grows($t, $c, $disk, 'read-only');
    $c->exact('the disk was read-only', quiet => 20);
    is(balanced($t, 'read-only')->{dropped}, 0,
       'read-only: nothing was dropped');

    finish($t, $disk);
}


# --- emptied ---

{
    my ($t, $c, $disk) = instance('size=16m', workers => 2);

    $c->start(rate => 600);

    for (1 .. 2) {
        sleep 1.2;
        system("find $disk -mindepth 1 -delete 2>/dev/null");
    }

    sleep 1.5;
    $c->stop;
    $c->exact('the directory is emptied', quiet => 10);
    like($t->log, qr/files in "[^"]*" were removed/, 'which the log tells');
    journal_grows($t, $c, $disk, 'emptied');
    $c->exact('and is used again');
    is(balanced($t, 'emptied')->{dropped}, 0, 'emptied: nothing was dropped');

    finish($t, $disk);
}

done_testing;
