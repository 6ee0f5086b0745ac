# protects: each way in which nginx runs: as another user, with and without a
# master, as a daemon, without root, under prefixes; whose the journal's files
# are, and that nginx -t says so when they are somebody else's; and an nginx
# that only loads the module

use strict;
use warnings;

use File::Copy;
use File::Find;
use File::Path qw(make_path);
use FindBin;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep);

use lib "$FindBin::Bin/../lib";
use Referral;

plan(skip_all => 'needs root') if $>;

my @short = (server => <<'END');
        referral_landing https://shop.example.com/;

        location /r/ {
            referral shop;
        }
END

my $clicks = 0;

sub click {
    my ($t, $what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($t->get('/r/one', %o)->status, 302, $what);
    $clicks++;
}


sub counted {
    my ($t, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $n;

    wait_for {
        $n = $t->hgetall('ref:stats:{shop}')->{clicks} // 0;
        return $n >= $clicks;
    };

    is($n, $clicks, "$what: counted");
}


# whatever lies under a path: owner and mode of each

sub owners {
    my ($path, $uid) = @_;

    my @wrong;

    find({ no_chdir => 1, wanted => sub {
        my @st = lstat or return;
        my $mode = -d _ ? 0700 : 0600;

        push @wrong, sprintf '%s: %d %o', $_, $st[4], $st[2] & 07777
            if $st[4] != $uid && !/referral\.key$/
               || ($st[2] & 07777) != $mode;
    } }, $path);

    return @wrong;
}


sub segments {
    my @files = glob "$_[0]/slot-*/*/*.seg";

    return scalar @files;
}


# a command as somebody: its output and its status

sub run_as {
    my ($user, @command) = @_;

    my ($uid, $gid) = (getpwnam $user)[2, 3];
    my $pid = open(my $f, '-|') // die "fork: $!";

    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        chdir '/';
        $) = "$gid $gid";
        POSIX::setgid($gid);
        POSIX::setuid($uid);
        exec @command or POSIX::_exit(127);
    }

    my $output = do { local $/; <$f> } // '';

    close $f;

    return ($output, $? >> 8);
}


# with "-e", which is there before the configuration is read; what -t says
# stands in its output and in early.log

sub nginx_t {
    my ($t, $user, $conf) = @_;

    return run_as($user, $t->nginx_command($conf // 'nginx.conf', '-t'));
}


# one that was started as a daemon, or without a master

sub master {
    my ($t) = @_;

    return wait_for {
        my ($pid) = $t->read_file('nginx.pid') =~ /^(\d+)$/m;
        return $pid;
    };
}


sub up {
    my ($t) = @_;

    return wait_for {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $t->port);
    };
}


sub changed {
    my ($t, %change) = @_;

    my $text = $t->read_file('nginx.conf');

    while (my ($from, $to) = each %change) {
        $text =~ s/\Q$from\E/$to/ or die "no \"$from\"";
    }

    $t->write_file('nginx.conf', $text);
}


my $nobody = getpwnam 'nobody';
my $www = getpwnam 'www-data';

# worker processes of a user of their own; no file of keys, one is made

my $t = Referral->new;
my $dir = $t->dir;
my $journal = "$dir/journal";

sub of {
    my ($user, @more) = @_;

    return (main => "user $user;", workers => 'auto', bare => 1, log => 'info',
            http => 'referral_redis %%REDIS%% timeout=500ms;
                     referral_zone 4m untracked=1s;
                     referral_journal %%DIR%%/journal;', @short, @more);
}

$t->link('shop', 'one', referrer => 'aiko');
$t->config(of('nobody nogroup'));

my ($output, $status) = nginx_t($t, 'root');
is($status, 0, 'nginx -t') or diag($output);
is((stat $journal)[4], $nobody, 'gives the directory to the workers');
is((stat _)[2] & 07777, 0700, 'and to them alone');
is((stat "$journal.key")[2] & 07777, 0600, 'as it does with a key');

$t->start;

cmp_ok(scalar($t->workers), '>=', 1, 'workers, as many as there are cores');
is((stat "/proc/" . ($t->workers)[0])[4], $nobody, 'they are nobody');
click($t, 'user nobody');
counted($t, 'user nobody');
ok(segments($journal), 'there are files');
is_deeply([ owners($journal, $nobody) ], [], 'which are theirs alone');

# a directory of another owner is given to them, if it is the journal's

$t->stop;
chown 0, 0, $journal;
(undef, $status) = nginx_t($t, 'root');
is($status, 0, 'a journal that is root\'s');
is((stat $journal)[4], $nobody, 'is given back');

# what another user's workers left is not sent, and nginx -t says so

$t->redis_pause;
$t->start;
click($t, 'while Redis hangs') for 1 .. 3;
$t->stop('QUIT');
$t->redis_continue;

$t->config(of('www-data'));
($output, $status) = nginx_t($t, 'root');
is($status, 0, 'another user');
like($output, qr{\[error\].*/slot-\d+" holds files of user $nobody,.* $www:.*not sent},
     'nginx -t says so');
is((stat $journal)[4], $www, 'they get the directory');

my ($advice) = $output =~ /"(chown -R \d+ \S+)"/;
ok($advice, 'and says what to do') or diag($output);

$t->start;
$clicks++;
is($t->get('/r/one')->status, 302, 'a click there');
ok((wait_for { ($t->hgetall('ref:stats:{shop}')->{clicks} // 0) == 2 }),
   'is counted, not those before');

system "$advice";
($output, $status) = nginx_t($t, 'root');
unlike($output, qr/files of user/, 'after that there is no such line');

counted($t, 'what the other user\'s workers left');
is_deeply([ owners($journal, $www) ], [], 'and all is theirs');
$t->stop;

# a daemon, told by commands

$t->config(of('www-data'));
changed($t, 'daemon off;' => 'daemon on;');

my @nginx = $t->nginx_command('nginx.conf');
is(system("@nginx >>$dir/stdout.log 2>>$dir/stderr.log"), 0, 'a daemon');

my $pid = master($t);

ok((wait_for { $t->workers($pid) }), 'has workers');
click($t, 'daemon on');

my %old = map { $_ => 1 } $t->workers($pid);

is(system("@nginx -s reload 2>>$dir/stderr.log"), 0, 'nginx -s reload');
ok((wait_for { my @now = $t->workers($pid);
               @now && !grep { $old{$_} } @now }), 'reloads');
is(system("@nginx -s reopen 2>>$dir/stderr.log"), 0, 'nginx -s reopen');
click($t, 'after it');
is(system("@nginx -s quit 2>>$dir/stderr.log"), 0, 'nginx -s quit');
ok((wait_for { !-e "/proc/$pid" }), 'and it is gone');
counted($t, 'daemon on');

# one process for everything

$t->config(of('www-data'));
changed($t, 'master_process on;' => 'master_process off;');

for my $signal ('QUIT', 'TERM') {
    my $pid = $t->spawn(sub {
        open STDERR, '>>', "$dir/stderr.log";
        exec @nginx or POSIX::_exit(127);
    });

    ok(up($t), 'master_process off');
    click($t, 'a click');
    counted($t, 'a click') if $signal eq 'TERM';

    kill $signal, $pid;
    ok((wait_for { waitpid($pid, WNOHANG) == $pid }), "ends by SIG$signal");
    is($?, 0, 'well');
}

# its files are root's, as it was itself; those that come after it say so

$t->config(of('www-data'));
($output) = nginx_t($t, 'root');

if ($output =~ /"(chown -R \d+ \S+)"/) {
    system $1;
}

$t->start;
counted($t, 'with a master again');
is_deeply([ owners($journal, $www) ], [], 'all is theirs again');
$t->stop;
ok(!$t->bad_lines, 'and the log has nothing that must not be there');

# nobody at all

my $n = Referral->new;

$n->expect_log(qr/\[emerg\].*journal.*failed \(13/);

# whoever it is must come to what is run

for my $what (qw(binary module)) {
    copy($n->{$what}, "$n->{dir}/$what") or die "copy: $!";
    chmod 0755, $n->{$what} = "$n->{dir}/$what";
}

$clicks = 0;
$n->link('shop', 'one', referrer => 'aiko');
$n->config(bare => 1, log => 'info', main => 'user root;',
           http => 'referral_redis %%REDIS%%;
                    referral_journal %%DIR%%/journal;', @short);
changed($n, 'user root;' => '');

find(sub { chown $nobody, $nobody, $_ unless -S }, $n->dir);

($output, $status) = nginx_t($n, 'nobody');
is($status, 0, 'nginx -t without root') or diag($output);
is_deeply([ owners("$n->{dir}/journal", $nobody) ], [], 'owns what it makes');

$n->spawn(sub {
    run_as('nobody', $n->nginx_command('nginx.conf'));
});

ok(up($n), 'nginx without root');
click($n, 'a click');
counted($n, 'a click');
is_deeply([ owners("$n->{dir}/journal", $nobody) ], [], 'and what it writes');

$pid = master($n);
kill 'QUIT', $pid;
ok((wait_for { !-e "/proc/$pid" }), 'it ends');

chown 0, 0, "$n->{dir}/journal.key";
($output, $status) = nginx_t($n, 'nobody');
is($status, 1, 'a key that is root\'s');
like($output, qr{journal\.key" failed \(13}, 'is named');

chown 0, 0, "$n->{dir}/journal";
($output, $status) = nginx_t($n, 'nobody');
is($status, 1, 'a journal that is root\'s');
like($output, qr{referral_journal.*journal" failed \(13}, 'is named');

# a prefix of its own: the journal is found from there, other files from the
# configuration, as nginx does with its own

my $p = Referral->new;

$clicks = 0;
$p->link('shop', 'one', referrer => 'aiko');
make_path("$p->{dir}/etc/secret", "$p->{dir}/var");
$p->write_file('etc/secret/key', $p->read_file('key'), 0600);
$p->write_file('etc/secret/redis', "pw\n", 0600);
$p->redis('ACL', 'SETUSER', 'u', 'on', '>pw', '~*', '&*', '+@all');

my $text = $p->config_text(bare => 1, log => 'info', http => <<'END',
        referral_redis unix:%%REDIS_SOCKET%% username=u
                       password_file=secret/redis;
        referral_key_file secret/key;
        referral_journal var/referral/;
        include more/*.conf;
END
    @short,
    servers => <<'END',
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name other;
        referral_program shop;
        referral_landing https://other.example.com/;

        location /r/ {
            referral;
        }
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name third;

        location ~ ^/x/(.+)$ {
            referral shop $1;
            referral_landing https://third.example.com/;
        }
    }
END
);

$p->write_file('etc/nginx.conf', $text);
make_path("$p->{dir}/etc/more");

# for those who look for it there

symlink 'etc/nginx.conf', "$p->{dir}/nginx.conf";

@nginx = $p->nginx_command('etc/nginx.conf');
$p->{master} = $p->spawn(sub {
    open STDERR, '>>', "$p->{dir}/stderr.log";
    exec @nginx;
});

ok((wait_for { $p->all_workers && up($p) }), 'nginx with a prefix');

click($p, 'a click', host => 'localhost');
click($p, 'one of another server', host => 'other');
is($p->get('/x/one', host => 'third')->location =~ s/\?.*//r,
   'https://third.example.com/', 'and of a third');
$clicks++;
counted($p, 'several servers');
ok(segments("$p->{dir}/var/referral"), 'the journal is under the prefix');
ok(!-e "$p->{dir}/var/referral.key", 'the keys are not');
kill 'QUIT', delete $p->{master};

# loaded, and no more: what such an nginx has is what it has without it

my $u = Referral->new;
my @has;

for my $load ('', 'load_module %%MODULE%%;') {
    $u->config(bare => 1, load => $load, log => 'info',
               server => 'location / { return 200 ok; }');
    $u->start;
    is($u->get('/')->body, 'ok', 'nginx is nginx');

    my ($worker) = $u->workers;
    my %has;

    # it sleeps until something comes, without a time, which is the fourth
    # argument of epoll_wait; so no client is connected either

    $has{sleeps} = wait_for {
        my @call = split ' ', $u->read_file("/proc/$worker/syscall");

        return @call > 4 && hex(substr $call[4], -8) == 0xffffffff;
    };

    # numbers of sockets and pids differ

    $has{fd} = [ sort map { s/\d+//gr } grep { defined }
                 map { readlink } glob "/proc/$worker/fd/*" ];

    for (split /\n/, $u->read_file("/proc/$worker/maps")) {
        my ($perms, $path) = (split ' ', $_, 6)[1, 5];

        push @{ $has{shared} }, $path if $perms =~ /s$/;
    }

    $has{threads} = () = glob "/proc/$worker/task/*";

    ok($has{sleeps}, 'no timer runs');
    $u->stop;

    $has{files} = [ sort map { s{.*/}{}r } glob "$u->{dir}/*" ];
    push @has, \%has;
}

is_deeply($has[1], $has[0], 'loaded, but not used: nothing that is not there '
                            . 'without it');
is(scalar(split /\n/, $u->redis('CLIENT', 'LIST')), 1,
   'and Redis knows the test alone');

done_testing;
