package Referral;

# What every test stands on: a private directory with an nginx, a Redis and
# free ports of its own, clients for both, and at the end a look into the log.
#
#   use lib "$FindBin::Bin/../lib";
#   use Referral;
#
#   my $t = Referral->new(server => 'location /r/ { referral shop; }');
#   $t->link('shop', 'aiko7', landing => 'https://shop.example.com/');
#   is($t->get('/r/aiko7')->location, 'https://shop.example.com/');
#   done_testing;
#
# Environment: TEST_NGINX_BINARY, TEST_NGINX_MODULE, TEST_NGINX_GLOBALS (lines
# at the top of nginx.conf), TEST_NGINX_LOG (level), TEST_REDIS_SERVER (such as
# valkey-server), TEST_KEEP (keeps the directory).

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(:sys_wait_h);
use Socket qw(SOCK_STREAM);
use Test::More ();
use Time::HiRes qw(sleep time);

use Referral::Response;
use Referral::Redis;

our @EXPORT = (grep({ $_ ne 'done_testing' } @Test::More::EXPORT),
               qw(done_testing wait_for patience case));

our $ROOT = dirname(dirname(dirname(abs_path(__FILE__))));

our @instances;
our $main = $$;

# all of Test::More's, but its done_testing

for my $name (@Test::More::EXPORT) {
    no strict 'refs';

    next if $name eq 'done_testing';

    if ($name =~ /^\$(.*)/) {
        *{$1} = \${"Test::More::$1"};

    } else {
        *{$name} = \&{"Test::More::$name"};
    }
}

my $tb = Test::More->builder;
binmode $_, ':utf8'
    for $tb->output, $tb->failure_output, $tb->todo_output;

$SIG{PIPE} = 'IGNORE';
$SIG{INT} = $SIG{TERM} = sub { exit 1 };
$SIG{ALRM} = sub { die "a test file may take ten minutes, not more\n" };
alarm 600;


sub done_testing {
    $_->finish for @instances;
    Test::More::done_testing(@_);
}


END {
    if ($$ == $main) {
        my $status = $?;

        for my $t (@instances) {
            $t->end;

            my $failed = $status || !Test::More->builder->is_passing;

            if ($failed) {
                $t->diag_log;
            }

            if ($ENV{TEST_KEEP}) {
                Test::More::diag("kept: $t->{dir}");

            } else {
                remove_tree($t->{dir}, { safe => 0, error => \my $ignored });
            }
        }

        $? = $status;
    }
}


# A part of a test that can be asked for by its name: TEST_ONLY="full sync".
# What is not possible everywhere says so before the code.

sub case {
    my ($name, @possible) = @_;
    my $sub = pop @possible;

    return if $ENV{TEST_ONLY} && !grep { $_ eq $name }
                                      split ' ', $ENV{TEST_ONLY};

    SKIP: {
        skip("$name: not permitted here", 1) if @possible && !$possible[0];

        note($name);
        $sub->();
    }
}


# how many times longer a machine takes that has more to do than it can

sub patience() {
    open my $f, '<', '/proc/loadavg' or return 1;

    my ($load) = split ' ', <$f>;
    my $cpus = POSIX::sysconf(84) || 1;    # _SC_NPROCESSORS_ONLN of glibc

    return $load > $cpus ? $load / $cpus : 1;
}


# Tries "sub" until it is true, at most so many seconds of a machine that has
# time; gives what it gave.

sub wait_for(&;$) {
    my ($sub, $seconds) = @_;

    my $start = time;

    for ( ;; ) {
        my $r = $sub->();

        return $r if $r || time - $start > ($seconds // 15) * patience;

        sleep 0.02;
    }
}


# Takes the parts of config(); without any nothing but Redis is started.
# "redis => 0" starts no Redis; "beside => $t" takes that of $t, as a second
# host does.

sub new {
    my ($class, %o) = @_;

    my $self = bless {
        dir       => tempdir('referral-XXXXXXXX', TMPDIR => 1),
        binary    => $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx',
        module    => $ENV{TEST_NGINX_MODULE}
                     // "$ROOT/build/ngx_http_referral_module.so",
        expected  => [],
        children  => [],
    }, $class;

    # workers may run as somebody else

    chmod 0755, $self->{dir};
    make_path("$self->{dir}/$_") for qw(html temp);

    $self->{port} = $self->free_port;
    $self->{redis_port} = $self->free_port;
    $self->{redis_socket} = "$self->{dir}/redis.sock";

    $self->write_file('key', unpack('H*', random(32)) . "\n", 0600);

    push @instances, $self;

    my $redis = delete $o{redis} // 1;

    if (my $other = delete $o{beside}) {
        @$self{qw(redis_port redis_socket)}
            = @$other{qw(redis_port redis_socket)};

    } elsif ($redis) {
        $self->redis_start;
    }

    if (%o) {
        $self->config(%o);
        $self->start;
    }

    return $self;
}


sub random {
    my ($n) = @_;

    open my $f, '<:raw', '/dev/urandom' or die "/dev/urandom: $!";
    read($f, my $bytes, $n) == $n or die "/dev/urandom: short";

    return $bytes;
}


# A port below what the kernel gives to outgoing connections.  It stays this
# test's while nothing listens there, as when Redis is stopped: tests that run
# at the same time hold theirs by a UDP socket on another address.

my @held;

sub free_port {
    for (1 .. 1000) {
        my $port = 20000 + int rand 12000;

        my $hold = IO::Socket::INET->new(LocalAddr => '127.0.0.2',
                                         LocalPort => $port, Proto => 'udp')
            or next;

        my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                      LocalPort => $port, Listen => 1,
                                      ReuseAddr => 1)
            or next;

        push @held, $hold;

        return $port;
    }

    die "no free port";
}


sub dir { $_[0]{dir} }
sub port { $_[0]{port} }


sub write_file {
    my ($self, $name, $content, $mode) = @_;

    my $path = $name =~ m{^/} ? $name : "$self->{dir}/$name";

    make_path(dirname($path));
    open my $f, '>:raw', $path or die "$path: $!";
    print $f $content;
    close $f or die "$path: $!";
    chmod $mode, $path if defined $mode;

    return $path;
}


sub read_file {
    my ($self, $name) = @_;

    my $path = $name =~ m{^/} ? $name : "$self->{dir}/$name";

    open my $f, '<:raw', $path or return '';
    local $/;

    return scalar(<$f>) // '';
}


# the test's .mmdb files, made once a test file: city.mmdb and asn.mmdb

sub geo {
    my ($self) = @_;

    return $self->{geo} if $self->{geo};

    my $dir = "$self->{dir}/geo";

    make_path($dir);
    system($^X, "$ROOT/t/lib/mmdb.pl", $dir) == 0 or die "mmdb.pl failed";

    return $self->{geo} = $dir;
}


# --- nginx ---

# The text of an nginx.conf.  main, http, server: lines for these levels;
# servers: whole server blocks beside the first; workers, events; bare: only
# what is given; load: the load_module lines, where more than ours is wanted.
# DIR, PORT, REDIS, REDIS_PORT, REDIS_SOCKET, ROOT, MODULE and GEO between two
# "%%" are replaced.

sub config_text {
    my ($self, %o) = @_;

    my $workers = $o{workers} // 1;
    my $level = $o{log} // $ENV{TEST_NGINX_LOG} // 'debug';
    my $http = $o{http} // '';
    my $main = $o{main} // '';
    my $load = $o{load} // 'load_module %%MODULE%%;';
    my $all = join "\n", $http, $o{server} // '', $o{servers} // '';

    my $globals = $ENV{TEST_NGINX_GLOBALS} // '';
    my $user = $> == 0 && $main !~ /^\s*user\s/m ? 'user root;' : '';

    my $defaults = '';

    unless ($o{bare}) {
        $defaults .= "referral_redis %%REDIS%% timeout=3s;\n"
            unless $all =~ /^\s*referral_redis\s/m;
        # the shortest time that an edit in Redis may stay unseen

        $defaults .= "referral_zone 4m untracked=1s;\n"
            unless $all =~ /^\s*referral_zone\s/m;
        $defaults .= "referral_key_file %%DIR%%/key;\n"
            unless $all =~ /^\s*referral_key_file\s/m;
        $defaults .= "referral_journal %%DIR%%/journal;\n"
            unless $all =~ /^\s*referral_journal\s/m;
    }

    my $text = <<"END";
$globals
$load
$user
daemon off;
master_process on;
worker_processes $workers;
worker_shutdown_timeout 5s;
pid %%DIR%%/nginx.pid;
error_log %%DIR%%/error.log $level;
$main

events {
    worker_connections 512;
    @{[ $o{events} // '' ]}
}

http {
    access_log %%DIR%%/access.log;
    client_body_temp_path %%DIR%%/temp/client;
    proxy_temp_path %%DIR%%/temp/proxy;
    fastcgi_temp_path %%DIR%%/temp/fastcgi;
    uwsgi_temp_path %%DIR%%/temp/uwsgi;
    scgi_temp_path %%DIR%%/temp/scgi;
    large_client_header_buffers 8 32k;
    default_type text/html;

$defaults
$http

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name localhost;
        root %%DIR%%/html;

@{[ $o{server} // '' ]}
    }

@{[ $o{servers} // '' ]}
}
END

    return $self->expand($text);
}


sub expand {
    my ($self, $text) = @_;

    my %value = (
        DIR          => $self->{dir},
        PORT         => $self->{port},
        REDIS        => "127.0.0.1:$self->{redis_port}",
        REDIS_PORT   => $self->{redis_port},
        REDIS_SOCKET => $self->{redis_socket},
        ROOT         => $ROOT,
        MODULE       => $self->{module},
    );

    $text =~ s{%%([A-Z_]+)%%}{
        $1 eq 'GEO' ? $self->geo : $value{$1} // die "%%$1%%?"
    }ge;

    return $text;
}


sub config {
    my ($self, %o) = @_;

    return $self->write_file('nginx.conf', $self->config_text(%o));
}


sub nginx_command {
    my ($self, $conf, @args) = @_;

    # "stderr" before the configuration is read, its error_log after

    return ($self->{binary}, '-e', "$self->{dir}/early.log",
            '-p', "$self->{dir}/", '-c', "$self->{dir}/$conf", @args);
}


# nginx -t: its whole output, in a list its exit status too

sub nginx_t {
    my ($self, %o) = @_;

    $self->write_file('check.conf', $self->config_text(log => 'notice', %o));

    my @command = $self->nginx_command('check.conf', '-t');

    # -t speaks on stderr and in early.log both

    @command = grep { $_ ne '-e' && $_ ne "$self->{dir}/early.log" } @command;

    my $pid = open(my $out, '-|') // die "fork: $!";

    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    my $output = do { local $/; <$out> } // '';
    close $out;

    my $status = $? >> 8;

    if (grep { sanitizer($_) } split /\n/, $output) {
        fail("nginx -t without a sanitizer's report");
        diag($output);
    }

    return wantarray ? ($output, $status) : $output;
}


sub start {
    my ($self) = @_;

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/stdout.log";
        open STDERR, '>>', "$self->{dir}/stderr.log";
        exec $self->nginx_command('nginx.conf') or POSIX::_exit(127);
    }

    $self->{master} = $pid;

    my $up = wait_for {
        return -1 if waitpid($pid, WNOHANG) == $pid;

        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                      PeerPort => $self->{port});
        return defined $s && $self->all_workers;
    } 20;

    if (!$up || $up == -1) {
        delete $self->{master} if $up && $up == -1;
        $self->diag_log;
        die "nginx does not start\n";
    }

    return $self;
}


# QUIT waits for requests and sends what is queued, TERM does not wait

sub stop {
    my ($self, $signal) = @_;

    my $pid = delete $self->{master} or return;

    kill $signal // 'QUIT', $pid;

    my $gone = wait_for { waitpid($pid, WNOHANG) == $pid } 15;

    if (!$gone) {
        my @workers = $self->workers($pid);

        kill 'KILL', $pid, @workers;
        waitpid $pid, 0;

        fail('nginx stops when told to');
        return;
    }

    if ($? != 0) {
        fail("nginx ends with status 0, not $?");
    }
}


# with a new configuration if it is given; returns when the old workers have
# no listening sockets any more

sub reload {
    my ($self, %o) = @_;

    $self->config(%o) if %o;

    my %old = map { $_ => 1 } $self->workers;

    kill 'HUP', $self->{master};

    my $ok = wait_for {
        my @now = $self->all_workers;
        return @now && !grep { $old{$_} } @now;
    } 15;

    ok(0, 'nginx reloads') unless $ok;

    return $ok;
}


sub signal {
    my ($self, $signal) = @_;

    kill $signal, $self->{master} or die "kill: $!";
}


# none until as many are there as are configured

sub all_workers {
    my ($self) = @_;

    my ($n) = $self->read_file('nginx.conf') =~ /worker_processes\s+(\d+)/;
    my @workers = $self->workers;

    return @workers >= ($n // 1) ? @workers : ();
}


sub workers {
    my ($self, $pid) = @_;

    $pid //= $self->{master};

    return unless $pid;

    open my $f, '<', "/proc/$pid/task/$pid/children" or return;

    my @pids = split ' ', <$f> // '';

    # the kernel lists children in no order that lasts

    my @workers = sort { $a <=> $b } grep {
        my $pid = $_;
        my $line = '';
        if (open my $c, '<', "/proc/$pid/cmdline") { $line = <$c> // '' }
        $line =~ /worker process/;
    } @pids;

    return @workers;
}


# kills a worker at its n-th call of this name, entered but not done; 1 if it
# came to that.  The next worker lives for a moment, so that it does something.

sub kill_worker_at {
    my ($self, $call, $n) = @_;

    my $worker = wait_for { ($self->workers)[0] } or return 0;

    my $tracer = $self->spawn(sub {
        open STDERR, '>', '/dev/null';
        exec 'strace', '-f', '-qq', '-o', '/dev/null', '-p', $worker,
             '-e', "trace=$call", '-e', "inject=$call:signal=KILL:when=$n";
    });

    my $dead = wait_for { !grep { $_ == $worker } $self->workers } 10;

    $self->end_child($tracer);

    # what is sent again comes first

    wait_for { scalar $self->workers } 5;
    sleep 0.05 + rand 0.2;

    return $dead ? 1 : 0;
}


# seconds of processor time that the workers have used

sub cpu {
    my ($self) = @_;

    my $ticks = 0;

    for my $pid ($self->workers) {
        open my $f, '<', "/proc/$pid/stat" or next;
        my $line = <$f> // next;

        $line =~ s/^.*\) //;
        $ticks += (split ' ', $line)[$_] for 11, 12;
    }

    return $ticks / POSIX::sysconf(&POSIX::_SC_CLK_TCK);
}


# --- HTTP ---

# A connection; "from": the client's own address, 127.0.x.y stands for a
# country; "port" if not the first server's.

sub connect {
    my ($self, %o) = @_;

    my $s = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $o{port} // $self->{port},
        LocalAddr => $o{from}, Timeout => 5,
    ) or die "connect: $@\n";

    $s->autoflush(1);

    return $s;
}


# The bytes of a request.  headers: a list of pairs or a hash; a value that
# is undef takes a default away.

sub request_text {
    my ($self, $method, $uri, %o) = @_;

    my @given = ref $o{headers} eq 'HASH' ? %{$o{headers}}
                                          : @{$o{headers} // []};
    my %given = map { lc $given[2 * $_] => 1 } 0 .. @given / 2 - 1;

    # as a browser's, so that a test is a person if it does not say otherwise

    my @default = (
        'Host', $o{host} // 'localhost',
        'User-Agent', $o{ua} // 'Mozilla/5.0 (X11; Linux x86_64) '
            . 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 '
            . 'Safari/537.36',
        'Accept', 'text/html,application/xhtml+xml,*/*;q=0.8',
        'Accept-Language', $o{lang} // 'en-US,en;q=0.9',
        'Connection', $o{keepalive} ? 'keep-alive' : 'close',
    );

    push @default, 'Cookie', $o{cookie} if defined $o{cookie};
    push @default, 'Content-Length', length $o{body} if defined $o{body};

    my $text = "$method $uri HTTP/1.1\r\n";

    for my $list (\@default, \@given) {
        for my $i (0 .. @$list / 2 - 1) {
            my ($name, $value) = @$list[2 * $i, 2 * $i + 1];

            next if $list == \@default && $given{lc $name};
            next if !defined $value;

            $text .= "$name: $value\r\n";
        }
    }

    return "$text\r\n" . ($o{body} // '');
}


sub request {
    my ($self, $method, $uri, %o) = @_;

    my $s = $o{connection} // $self->connect(%o);

    return $self->exchange($s, $self->request_text($method, $uri, %o),
                           head => $method eq 'HEAD', %o);
}


sub get { my ($self, $uri, %o) = @_; $self->request('GET', $uri, %o) }
sub head { my ($self, $uri, %o) = @_; $self->request('HEAD', $uri, %o) }


# The page of metrics at /metrics: name with labels => value; "dropped" is the
# sum of referral_dropped_total.

sub metrics {
    my ($self) = @_;

    my %m = (dropped => 0);

    for (split /\n/, $self->get('/metrics')->body) {
        next unless /^(\w+(?:\{[^}]*\})?) (\S+)$/;

        $m{$1} = $2;
        $m{dropped} += $2 if index($1, 'referral_dropped_total') == 0;
    }

    return \%m;
}


# one value of that page, undef if it is not there

sub metric {
    my ($self, $name) = @_;

    return $self->metrics->{$name};
}


# any bytes, on a connection of their own

sub raw {
    my ($self, $bytes, %o) = @_;

    return $self->exchange($self->connect(%o), $bytes, %o);
}


# Many requests, pipelined on connections of so many each.  "request" gives
# the text of the n-th, of a connection that is kept; "answers", if there is
# one, takes all bytes that a connection brought.

sub flood {
    my ($self, $count, $request, $answers) = @_;

    my $n = 0;

    while ($n < $count) {
        my $s = $self->connect;
        my $end = $n + 500 < $count ? $n + 500 : $count;
        my @text = map { $request->($_) } $n .. $end - 1;

        $text[-1] =~ s/^Connection: keep-alive/Connection: close/mi
            or die "a request that does not keep the connection\n";

        my $pid = fork // die "fork: $!";

        if ($pid == 0) {
            syswrite $s, join '', @text;
            POSIX::_exit(0);
        }

        my $got = '';

        1 while sysread $s, $got, 65536, length $got;

        waitpid $pid, 0;
        $answers->($got) if $answers;

        $n = $end;
    }
}


# undef: closed without an answer, or none within "timeout" seconds

sub exchange {
    my ($self, $s, $bytes, %o) = @_;

    my $start = $self->{last_request} = time;

    while (length $bytes) {
        my $n = syswrite $s, $bytes or last;
        substr $bytes, 0, $n, '';
    }

    return Referral::Response->read($s, head => $o{head}, start => $start,
                                    timeout => $o{timeout} // 10);
}


# --- Redis ---

sub redis_start {
    my ($self, @options) = @_;

    my $server = $ENV{TEST_REDIS_SERVER} // 'redis-server';
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/redis.log";
        open STDERR, '>>', "$self->{dir}/redis.log";
        exec $server, '--port', $self->{redis_port},
             '--bind', '127.0.0.1', '--unixsocket', $self->{redis_socket},
             '--save', '', '--appendonly', 'no', '--dir', $self->{dir},
             '--daemonize', 'no', '--enable-debug-command', 'yes', @options
            or POSIX::_exit(127);
    }

    $self->{redis_pid} = $pid;
    delete $self->{redis};

    my $up = wait_for {
        return -1 if waitpid($pid, WNOHANG) == $pid;
        return eval { $self->redis('PING') eq 'PONG' };
    } 10;

    if (!$up || $up == -1) {
        delete $self->{redis_pid} if $up && $up == -1;
        diag($self->read_file('redis.log'));
        die "$server does not start\n";
    }
}


sub redis_stop {
    my ($self, $signal) = @_;

    my $pid = delete $self->{redis_pid} or return;

    delete $self->{redis};

    kill 'CONT', $pid;
    kill $signal // 'KILL', $pid;
    waitpid $pid, 0;
}


sub redis_pause { kill 'STOP', $_[0]{redis_pid} }
sub redis_continue { kill 'CONT', $_[0]{redis_pid} }


# one command; dies with Redis's words when it refuses

sub redis {
    my ($self, @command) = @_;

    for my $try (0, 1) {
        $self->{redis} //= Referral::Redis->new($self->{redis_socket});

        my $reply = eval { $self->{redis}->command(@command) };

        return $reply unless $@;

        my $error = $@;

        die $error if $error =~ /^redis: / || $try;

        delete $self->{redis};
    }
}


sub hgetall {
    my ($self, $key) = @_;

    return { @{ $self->redis('HGETALL', $key) } };
}


# the entries of a stream: a list of hashes

sub entries {
    my ($self, $key) = @_;

    return map { +{ _id => $_->[0], @{ $_->[1] } } }
           @{ $self->redis('XRANGE', $key, '-', '+') };
}


# An edit by hand: returns when nginx can no longer serve what it read before.

sub settle {
    my ($self) = @_;

    my $left = ($self->{last_request} // 0) + 1.1 - time;

    sleep $left if $left > 0;
}


# as an operator would write them; the fields given replace all

sub link {
    my ($self, $program, $code, %fields) = @_;

    my $key = "ref:link:{$program}:$code";

    # a link needs a field to exist

    %fields = (referrer => $code) unless %fields;

    my $known = $self->redis('DEL', $key);
    $self->redis('HSET', $key, %fields);
    $self->redis('ZADD', "ref:links:{$program}", int time, $code);
    $self->settle if $known;
}


sub program {
    my ($self, $program, %fields) = @_;

    my $key = "ref:program:{$program}";

    %fields = (state => 'active') unless %fields;

    $self->redis('DEL', $key);
    $self->redis('HSET', $key, %fields);
    $self->redis('SADD', 'ref:programs', $program);
    $self->settle;
}


# Waits until these fields of a hash have these values (undef or 0: not
# there, or 0), then looks once more whether it stays so.

sub fields_are {
    my ($self, $key, $want, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $same = sub {
        my $got = $self->hgetall($key);

        for my $field (keys %$want) {
            my $w = $want->{$field} // 0;
            my $g = $got->{$field} // 0;

            return 0 if $w ne $g;
        }

        return 1;
    };

    wait_for { $same->() } 5;
    sleep 0.25;

    my $ok = ok($same->(), $name);

    if (!$ok) {
        my $got = $self->hgetall($key);

        diag("$key:");
        for my $field (sort keys %$want) {
            my ($g, $w) = ($got->{$field} // 0, $want->{$field} // 0);
            diag("  $field: got $g, expected $w") if $g ne $w;
        }
        diag('  whole: ' . join ' ', map { "$_=$got->{$_}" }
                                         sort keys %$got);
    }

    return $ok;
}


sub stats_are {
    my ($self, $program, $want, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return $self->fields_are("ref:stats:{$program}", $want, $name);
}


# --- helpers of faults ---

# runs "sub" in a child of its own, ended with the test; returns its pid

sub spawn {
    my ($self, $sub) = @_;

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        setpgrp;
        $SIG{INT} = $SIG{TERM} = 'DEFAULT';
        eval { $sub->(); };
        warn $@ if $@;
        POSIX::_exit($@ ? 1 : 0);
    }

    push @{ $self->{children} }, $pid;

    return $pid;
}


# a server on Redis's port that does to each connection what "sub" says

sub fake_redis {
    my ($self, $sub) = @_;

    my $listen;

    # who had the port before may just be leaving it

    wait_for {
        $listen = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $self->{redis_port},
            Listen => 64, ReuseAddr => 1,
        );
    };

    die "listen: $@" unless $listen;

    my $pid = $self->spawn(sub {
        local $SIG{CHLD} = 'IGNORE';

        while (my $s = $listen->accept) {
            my $child = fork // next;

            if ($child == 0) {
                alarm 60;
                $s->autoflush(1);
                eval { $sub->($s) };
                POSIX::_exit(0);
            }

            close $s;
        }
    });

    close $listen;

    return $pid;
}


sub end_child {
    my ($self, $pid) = @_;

    # with what it started

    kill 'KILL', -$pid, $pid;
    waitpid $pid, 0;
    @{ $self->{children} } = grep { $_ != $pid } @{ $self->{children} };
}


# --- the log ---

sub log { $_[0]->read_file('error.log') }


# A sanitizer's report.  nginx's own files are named without a leading "/",
# and what UBSan thinks of these is not ours.

sub sanitizer {
    my ($line) = @_;

    return $line =~ /Sanitizer/
           || $line =~ /runtime error:/
              && $line !~ m{^src/(?:core|event|http|os)/};
}


# lines that would fail the test but for this

sub expect_log {
    my ($self, $re) = @_;

    push @{ $self->{expected} }, $re;
}


sub bad_lines {
    my ($self) = @_;

    my @bad;

    for my $name (qw(error.log early.log stderr.log)) {
        for my $line (split /\n/, $self->read_file($name)) {
            next unless sanitizer($line)
                        || $line =~ /\[(?:alert|emerg)\]
                                     |exited\ on\ signal
                                     |\*\*\*.*detected/x;
            next if grep { $line =~ $_ } @{ $self->{expected} };

            push @bad, "$name: $line";
        }
    }

    return @bad;
}


# once an instance, before the plan: stops nginx and reads what it said

sub finish {
    my ($self) = @_;

    return if $self->{finished}++;

    $self->stop;

    my @bad = $self->bad_lines;

    ok(!@bad, 'nothing in the log that must not be there')
        or diag(join "\n", @bad > 40 ? @bad[0 .. 39] : @bad);

    $self->end;
}


sub end {
    my ($self) = @_;

    $self->stop('TERM');

    # a copy: each is taken out of the list

    $self->end_child($_) for my @all = @{ $self->{children} };
    $self->redis_stop;
}


sub diag_log {
    my ($self) = @_;

    # of debug lines there are thousands, some of them many lines long

    my @lines = grep { /^\d{4}\/.*?\[(?!debug)|^\s+#\d|^==\d|error:/
                       || /^nginx: / }
                map { split /\n/, $self->read_file($_) }
                qw(early.log stderr.log error.log);

    splice @lines, 0, @lines - 30 if @lines > 30;

    Test::More::diag("the end of nginx's log:");
    Test::More::diag("  $_") for @lines;
}


1;
