# protects: no answered click is lost and none is counted twice over reloads,
# upgrades of the binary and their rollback, and the death of the master
#
# TEST_SOAK=1: fifty reloads in a minute, and each of the others more often
#
# Runs without sanitizers, unless it is named: it is about time and processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;

use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

my $soak = $ENV{TEST_SOAK};

alarm 1800 if $soak;

my %prctl = (x86_64 => 157, aarch64 => 167);
my $prctl = $prctl{(POSIX::uname())[4]};


sub fault {
    my ($name, $sub) = @_;

    return if $ENV{TEST_ONLY} && !grep { $_ eq $name }
                                      split ' ', $ENV{TEST_ONLY};

    $sub->();
}


# a directory a journal: those of the dead are adopted, not piled up

sub slots_are_few {
    my ($t) = @_;

    my @slots = glob "$t->{dir}/journal/slot-*";

    cmp_ok(scalar @slots, '<=', 12, 'slots are used again');
}


# --- reload ---

fault reload => sub {
    my ($t, $c) = Referral::Clicks->instance;

    $c->start(rate => 500);
    sleep 0.5;

    for (1 .. ($soak ? 50 : 6)) {
        $t->signal('HUP');
        sleep($soak ? 1.2 : 0.7);
    }

    $c->stop;
    cmp_ok($c->{nanswered}, '>', 1000, 'clicks were answered all the while');
    $c->counted('reloads');

    # faster than they can be done

    $c->start(rate => 500);

    for (1 .. 20) {
        $t->signal('HUP');
        sleep 0.05;
    }

    sleep 2;
    $c->stop;
    $c->counted('reloads, one into the other');
    slots_are_few($t);

    $t->finish;
};


fault hang => sub {
    my ($t, $c) = Referral::Clicks->instance;

    $c->start(rate => 300, count => 300);
    $c->exact('before');

    $c->start(rate => 300);
    sleep 0.5;
    $t->redis_pause;

    for (1 .. ($soak ? 50 : 4)) {
        sleep($soak ? 1.2 : 0.7);
        $t->signal('HUP');
    }

    sleep 1;
    $t->redis_continue;
    sleep 0.5;
    $c->stop;
    $c->counted('reloads while Redis hangs', quiet => 10);

    # what nginx is stopped with is sent by the next one

    $t->redis_pause;
    $c->start(rate => 500, count => 500);
    $c->wait;

    my $start = time;

    $t->stop('QUIT');
    cmp_ok(time - $start, '<', 8, 'a Redis that hangs does not hold it up');

    $t->redis_continue;
    $t->start;
    $c->counted('nginx is stopped while Redis hangs', quiet => 10);

    $t->finish;
};


fault zone => sub {
    my ($t, $c) = Referral::Clicks->instance;

    $c->start(rate => 500);

    for my $size (qw(8m 4m 16m)) {
        sleep 0.7;
        $t->config($c->parts(zone => "$size untracked=1s"));
        $t->signal('HUP');
    }

    sleep 1;
    $c->stop;
    $c->counted('a zone of another size');

    # and more workers, or fewer

    $c->start(rate => 500);

    for my $workers (4, 1, 2) {
        sleep 0.7;
        $t->config($c->parts(workers => $workers));
        $t->signal('HUP');
    }

    sleep 1;
    $c->stop;
    $c->counted('more workers, or fewer');

    $t->finish;
};


# --- another build of the module ---

# a reload takes it, with shared memory of its own: it may lay out that in
# another way

fault version => sub {
    my ($t, $c) = Referral::Clicks->instance;
    my $module = $t->{module};

    (my $other = $t->read_file($module)) =~ s/[\x01-\x7e]NGREFRL/\x7fNGREFRL/g
        or die 'the magic of the zone is not where it was';
    $other =~ s/has no append-only file/has no append-only FILE/
        or die 'nor is what a new worker says';

    $t->write_file('other.so', $other, 0644);
    $c->start(rate => 500);
    sleep 0.5;

    for my $file ("$t->{dir}/other.so", $module) {
        $t->{module} = $file;
        $t->reload($c->parts);
        sleep 0.5;
    }

    is(join(' ', $t->log =~ /append-only (file)/gi), 'file FILE file',
       'the workers run what was installed');

    $c->stop;
    $c->counted('the module is replaced, and back');

    $t->finish;
};


# --- the last batch ---

fault stop => sub {
    my ($t, $c) = Referral::Clicks->instance;

    # what a stop has not sent comes when nginx is back; after QUIT that is
    # nothing

    for my $signal (qw(QUIT TERM)) {
        $c->start(rate => 1000, count => 400);
        $c->wait;
        $t->stop($signal);

        is($c->total, $c->known('answered'), 'all is counted after SIGQUIT')
            if $signal eq 'QUIT';

        $t->start;
        $c->exact("SIG$signal and a start");
    }

    # in the midst of it

    for my $signal (qw(TERM QUIT)) {
        $c->start(rate => 600);
        sleep 1;
        $t->stop($signal);
        $t->start;
        sleep 0.5;
        $c->stop;
        $c->counted("SIG$signal under load");
    }

    $t->finish;
};


# --- the binary ---

sub pid_file {
    my ($t) = @_;

    my ($pid) = $t->read_file('nginx.pid') =~ /(\d+)/;

    return $pid;
}


sub gone {
    my ($pid) = @_;

    return wait_for { waitpid($pid, WNOHANG) == $pid || !kill 0, $pid } 15;
}


# the new master's pid, when it has workers

sub upgrade {
    my ($t) = @_;

    my $old = $t->{master};

    kill 'USR2', $old;

    return wait_for {
        my $pid = pid_file($t);
        return $pid && $pid != $old && $t->workers($pid) ? $pid : undef;
    } 15;
}


fault upgrade => sub {
    SKIP: {
        skip 'prctl() has another number here', 1 unless $prctl;
        upgrades();
    }
};


sub upgrades {
    my ($t, $c) = Referral::Clicks->instance;

    # only a daemon can be upgraded; PR_SET_CHILD_SUBREAPER: whose parent has
    # gone is ours

    $t->stop;
    syscall($prctl, 36, 1, 0, 0, 0);

    my $conf = $t->read_file('nginx.conf');

    $conf =~ s/daemon off/daemon on/ or die 'no daemon off';
    $t->write_file('nginx.conf', $conf);

    system($t->nginx_command('nginx.conf')) == 0 or die 'nginx did not start';
    $t->{master} = wait_for { pid_file($t) };

    $c->start(rate => 500);

    for my $try (1 .. ($soak ? 10 : 1)) {
        my $old = $t->{master};

        sleep 0.5;

        my $new = upgrade($t);

        ok($new, 'a new master is there') or return $c->stop;

        sleep 0.3;
        kill 'WINCH', $old;
        sleep 0.7;
        kill 'QUIT', $old;

        ok(gone($old), 'and the old one is gone');

        $t->{master} = $new;
    }

    sleep 0.5;
    $c->stop;
    $c->counted('an upgrade of the binary');

    $c->start(rate => 500);
    sleep 0.5;

    my $new = upgrade($t);

    ok($new, 'a new master is there') or return $c->stop;

    kill 'WINCH', $t->{master};
    sleep 0.7;

    kill 'HUP', $t->{master};
    wait_for { scalar $t->workers };
    kill 'QUIT', $new;

    ok(gone($new), 'the new master is gone');

    sleep 0.5;
    $c->stop;
    $c->counted('an upgrade and its rollback');
    slots_are_few($t);

    $t->finish;
}


fault master => sub {
    my ($t, $c) = Referral::Clicks->instance;

    for my $signal ('KILL', 'QUIT', $soak ? 'TERM' : ()) {
        $c->start(rate => 500);
        sleep 0.7;

        my $master = delete $t->{master};
        my @workers = $t->workers($master);

        kill 'KILL', $master;
        waitpid $master, 0;

        # orphans go on until somebody ends them, as systemd does

        sleep 0.3 if $signal ne 'KILL';
        kill $signal, @workers;

        wait_for { !grep { kill 0, $_ } @workers } 10;

        $t->start;
        sleep 0.7;
        $c->stop;
        $c->counted("SIGKILL for the master, SIG$signal for its workers");
    }

    $t->finish;
};

# --- a backup ---

# the directory as it was some time ago: shorter than its marks in Redis

fault backup => sub {
    my ($t, $c) = Referral::Clicks->instance;
    my $journal = "$t->{dir}/journal";
    my $backup = "$t->{dir}/backup";

    $c->start(rate => 800, count => 800);
    $c->exact('before');
    system('cp', '-a', $journal, $backup) == 0 or die;

    $c->start(rate => 800, count => 800);
    $c->exact('after the backup was made');

    $t->stop('QUIT');
    system('rm', '-rf', $journal) == 0 or die;
    rename $backup, $journal or die;
    $t->start;

    $c->start(rate => 800, count => 800);
    $c->exact('the journal is older than its mark', quiet => 8);
    like($t->log, qr/it is older than what redis knows/, 'and the log says so');

    # and again, with what the last life wrote beside it

    $t->stop('QUIT');
    $t->start;
    $c->start(rate => 800, count => 200);
    $c->exact('after one more restart', quiet => 8);

    $t->finish;
};


done_testing;
