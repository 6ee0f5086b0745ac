# protects: what a web team does on a Debian 12 and a Debian 13 that never saw
# the module: installs the package, pastes the first configuration of
# docs/install.md, and its first click works and is counted; and what the package may not do to an
# nginx that runs
#
#     scripts/test --package [12|13]

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use IPC::Open2;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'scripts/test --package' unless $ENV{TEST_PACKAGE};

my $root = dirname(dirname(dirname(abs_path(__FILE__))));

my %suite = (12 => 'bookworm', 13 => 'trixie');
my @wanted = @ARGV ? @ARGV : sort keys %suite;

my $PACKAGE = 'libnginx-mod-http-referral';
my $JOURNAL = '/var/lib/nginx/referral';
my $CONF = '/etc/nginx/conf.d/referral.conf';

die "$0: needs root\n" if $>;
die "$0: no Debian \"$_\"\n" for grep { !$suite{$_} } @wanted;

chdir $root or die "$root: $!";

my ($host) = slurp('/etc/os-release') =~ /^ID=debian$/m
             ? slurp('/etc/os-release') =~ /^VERSION_ID="?(\d+)/m : ();

my @steps = first_configuration();

for my $release (@wanted) {
    subtest "Debian $release" => sub { on($release) };
    subtest "Debian $release, without a package" => sub { recipe($release) };
}

done_testing;


sub on {
    my ($release) = @_;

    my $deb = package_for($release);
    my $dir = "build/fresh$release";

    like(basename($deb), qr/^\Q$PACKAGE\E_.*\+deb$release\_/,
         'the package says for which Debian it is');

    chroot_('remove', $dir);
    chroot_('make', $suite{$release}, $dir);
    copy($deb, "$dir/srv") or die "$dir/srv: $!";

    # what the steps install is fetched here: they have no network

    $deb = '/srv/' . basename($deb);

    chroot_('run', $dir, 'sh', '-euc', 'apt-get -qq update
        apt-get -qq -y --no-install-recommends --download-only install \
            nginx redis-server redis-tools curl openssl "$1"',
        'fetch', $deb);

    my $s = Session->new($dir);

    # nobody is there to say yes, and services start without systemd

    $s->must('DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND
              echo "APT::Get::Assume-Yes yes;" > /etc/apt/apt.conf.d/yes
              echo "APT::Install-Recommends no;" >> /etc/apt/apt.conf.d/yes
              printf "#!/bin/sh\nexit 0\n" > /usr/sbin/policy-rc.d
              chmod 755 /usr/sbin/policy-rc.d
              apt-get -qq install nginx curl');

    like($s->page, qr/Welcome to nginx/, 'an nginx runs');


    # do no harm

    my $before = $s->traces;

    my $told = $s->must("apt-get -qq install $deb");

    like($told, qr/Triggering nginx reload/, 'installing reloads nginx');

    ok($s->until(sub { $s->loaded }), 'its workers have the module');
    like($s->page, qr/Welcome to nginx/, 'nginx serves as before');
    is($s->traces, $before, 'no file, no connection, nothing in the log');


    # the first configuration of docs/install.md

    my $answer;

    for my $step (@steps) {
        if ($step->{file}) {
            $s->write($step->{file}, $step->{text});
            next;
        }

        my $out = $s->must($step->{text});

        $answer = $out if $out =~ m{^HTTP/}m;
    }

    like($answer, qr{^HTTP/1.1 302 }m, 'the first click works');
    like($answer, qr{^Location:\ https://shop\.example\.com/welcome
                     \?ref=aiko7&click_id=[0-9a-f-]{36}\r?$}mx,
         'it leads to the landing');
    like($answer, qr/^Set-Cookie: ref_shop=.*domain=example\.com/mi,
         'with a cookie');

    is($s->clicks(1), 1, 'and it is counted');

    is($s->must("stat -c '%U %a' $JOURNAL"), "www-data 700\n",
       'the journal belongs to nginx\'s workers alone');
    is($s->must("find $JOURNAL ! -user www-data -o -perm /077"), '',
       'and all in it');
    is($s->complaints, '', 'nothing in the log');


    # the command line where it is installed

    like($s->must('nginx-referral stats shop'), qr/clicks\D+1\b/,
         'nginx-referral tells it');
    like($s->must('nginx-referral link test shop aiko7 --json'
                  . ' --default-landing https://shop.example.com/'),
         qr{https://shop\.example\.com/}, 'it finds the module\'s rules');
    like($s->must('nginx-referral journal'), qr/\d/, 'and the journal');
    like($s->must('nginx-referral bots test'
                  . ' --list /usr/share/nginx-referral/bots.list curl/8.0'),
         qr/\bbot\b/, 'and the words of machines');
    like($s->must('zcat /usr/share/man/man1/nginx-referral.1.gz'),
         qr/^\.SS "link test /m, 'it has a manual');
    like($s->must("cat /usr/share/doc/$PACKAGE/docs/directives.md"),
         qr/^### referral$/m, 'and so has the module');


    # the same again while nginx runs, a restart, another day

    $s->must("apt-get -qq --reinstall install $deb");
    $s->click;
    is($s->clicks(2), 2, 'a click after an upgrade');

    $s->must('service nginx restart');
    $s->click;
    is($s->clicks(3), 3, 'a click after a restart');


    # what Debian's systemd unit does, and no file writable but the
    # paths of docs/operations.md: as with ProtectSystem=strict

    $s->must('service nginx stop');
    $s->must("rm -r $JOURNAL");
    $s->must('for d in /etc /usr /var /srv /root /home; do
                  mount --bind $d $d; mount -o remount,bind,ro $d
              done
              for d in ' . writable() . '; do
                  mount --bind $d $d; mount -o remount,bind,rw $d
              done');
    like($s->try('touch /var/lib/x'), qr/Read-only/, 'little can be written');

    $s->unit('ExecStartPre');
    is($s->must("stat -c '%U %a' $JOURNAL"), "www-data 700\n",
       'the journal is made before nginx starts');

    $s->unit('ExecStart');
    $s->click;
    is($s->clicks(4), 4, 'a click under the unit');

    $s->unit('ExecReload');
    $s->must('sleep 1');
    $s->click;
    is($s->clicks(5), 5, 'a click after a reload');

    is($s->complaints, '', 'nothing in the log');

    # a stop waits for nobody: what Redis does not have yet stays in the journal

    $s->must('kill -STOP $(pidof redis-server)');
    $s->click;
    $s->unit('ExecStop');
    is($s->must('pidof nginx || :'), '', 'it stops');
    $s->must('kill -CONT $(pidof redis-server)');

    $s->unit('ExecStart');
    is($s->clicks(6), 6, 'the click from before is counted');

    $s->must('for d in ' . writable() . ' /etc /usr /var /srv /root /home; do
                  umount -l $d
              done');


    # removed too early: nginx goes on, and is told

    $told = $s->must("apt-get -qq remove $PACKAGE");

    like($told, qr/still uses the referral module/,
         'removing says what is in the way');
    like($s->page, qr/Welcome to nginx/, 'nginx runs on');

    $s->must("rm $CONF");
    $s->must('nginx -t');
    $s->must('service nginx restart');

    like($s->page, qr/Welcome to nginx/, 'a working nginx is left');
    ok(!$s->loaded, 'without the module');


    # installed once more, and removed for good

    $s->must("apt-get -qq install $deb");
    ok($s->until(sub { $s->loaded }), 'installed again, it is loaded again');

    $told = $s->must("apt-get -qq purge $PACKAGE");

    unlike($told, qr/still uses/, 'nothing to say');
    is($s->must("dpkg-query -W -f '\${Status}' $PACKAGE 2>&1 || :")
       =~ /installed/ ? 'there' : 'gone', 'gone', 'purged');
    is($s->must('find / -xdev \( -path /srv -o -path /proc -o -path /sys'
                . ' -o -path /dev -o -path /var/cache/apt'
                . ' -o -path /var/lib/apt \) -prune'
                . ' -o -iname "*referral*" -print'),
       "/etc/nginx/referral.key\n", 'what is left is the operator\'s');

    $s->must('service nginx restart');
    like($s->page, qr/Welcome to nginx/, 'and a working nginx');

    $s->end;
    chroot_('remove', $dir);
}


# the manual's way without a package, line by line, beside an nginx that runs

sub recipe {
    my ($release) = @_;

    my $dir = "build/recipe$release";

    chroot_('remove', $dir);
    chroot_('make', $suite{$release}, $dir);
    chroot_('copy', $dir);

    my ($lines) = slurp("$root/docs/install.md")
                  =~ /^\*\*From the build\*\*.*\n\n((?:^ {4}.*\n)+)/m
        or die "docs/install.md does not say how to do without a package\n";

    $lines =~ s/^ {4}//mg;

    my $said = chroot_('run', $dir, 'sh', '-euc', '
        export DEBIAN_FRONTEND=noninteractive
        echo "APT::Get::Assume-Yes yes;" > /etc/apt/apt.conf.d/yes
        printf "#!/bin/sh\nexit 101\n" > /usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        apt-get -qq update
        apt-get -qq --no-install-recommends install nginx
        nginx
        cd /srv/referral
        ' . $lines . '
        nginx -t
        nginx -s reload
        sleep 1
        grep -c ngx_http_referral /proc/$(cat /run/nginx.pid)/maps
        nginx-referral --help');

    like($said, qr/syntax is ok/, 'nginx starts again');
    like($said, qr/^[1-9]\d*$/m, 'with the module');
    like($said, qr/link/, 'and the command line is there');

    chroot_('remove', $dir);
}


# of this checkout, for that Debian: built here or in a chroot that is kept

sub package_for {
    my ($release) = @_;

    my $out = "$root/build/package";

    if (defined $host && $host == $release) {
        run("$root/scripts/package", '--lint');

    } else {
        my $dir = "build/debian$release";

        chroot_('make', $suite{$release}, $dir);
        chroot_('copy', $dir, '/srv/package');
        chroot_('run', $dir, '/srv/package/scripts/package', '--lint');

        $out = "$root/$dir/srv/package/build/package";
    }

    my @debs = glob "$out/${PACKAGE}_*.deb";

    die "no package in $out\n" if @debs != 1;

    return $debs[0];
}


# the section as its reader takes it: commands are run, files are written

sub first_configuration {
    my ($section) = slurp("$root/docs/install.md")
                    =~ /^## A first configuration\n(.*?)(?:^## |\z)/ms
        or die "docs/install.md has no first configuration\n";

    my (@steps, $file);

    while ($section =~ /\G(?:^```nginx\n(?<conf>(?s:.*?))^```\n
                            |(?<commands>(?:^\ {4}.*\n)+)
                            |(?<text>.*\n))/gmx)
    {
        if (defined $+{conf}) {
            die "docs/install.md: where does this go?\n" unless $file;
            push @steps, { file => $file, text => $+{conf} };

        } elsif (defined $+{commands}) {
            push @steps, { text => $+{commands} =~ s/^ {4}//gmr };

        } elsif ($+{text} =~ m{`(/etc/nginx/\S+\.conf)`}) {
            $file = $1;
        }
    }

    die "docs/install.md: no steps\n" unless @steps > 3;

    return @steps;
}


# what the manual says an nginx must write where systemd protects the rest

sub writable {
    my ($paths) = slurp("$root/docs/operations.md") =~ /^ +ReadWritePaths=(.*)/m
        or die "docs/operations.md has no ReadWritePaths\n";

    # /run is a file system of its own here

    return join ' ', grep { $_ ne '/run' } split ' ', $paths;
}


sub slurp {
    my ($file) = @_;

    open my $f, '<', $file or die "$file: $!";
    local $/;

    return scalar <$f>;
}


sub run {
    my (@command) = @_;

    open my $pipe, '-|', 'sh', '-c', 'exec "$@" 2>&1 < /dev/null', 'run',
                         @command
        or die "$command[0]: $!";

    my $out = join '', <$pipe>;

    close $pipe or die "@command: status " . ($? >> 8) . "\n$out";

    return $out;
}


sub chroot_ { return run("$root/scripts/chroot", @_) }


# A shell in a chroot, with processes and a loopback of its own: ports 80 and
# 6379 are free there, and nobody outside sees them.

package Session;

use Time::HiRes qw(sleep time);

sub new {
    my ($class, $dir) = @_;

    my $pid = IPC::Open2::open2(my $out, my $in, "$root/scripts/chroot",
                                'run', '--no-network', $dir, 'sh');

    return bless { pid => $pid, in => $in, out => $out }, $class;
}


# what a command says; its status is in {status}

sub try {
    my ($self, $command) = @_;

    my $mark = "done-$$-" . ++$self->{count};

    print {$self->{in}} "{ $command\n} 2>&1 < /dev/null\n"
                        . "printf '%s %s\\n' $mark \$?\n";
    $self->{in}->flush;

    my $said = '';

    while (my $line = readline $self->{out}) {
        if ($line =~ /^(.*)\Q$mark\E (\d+)$/) {
            $self->{status} = $2;
            return $said . $1;
        }

        $said .= $line;
    }

    die "the shell is gone\n$said";
}


sub must {
    my ($self, $command) = @_;

    my $said = $self->try($command);

    die "$command\nstatus $self->{status}\n$said" if $self->{status};

    return $said;
}


sub write {
    my ($self, $file, $text) = @_;

    $self->must("cat > $file << 'END-OF-FILE'\n${text}END-OF-FILE");
}


sub until {
    my ($self, $sub) = @_;

    my $end = time + 30;

    for ( ;; ) {
        my $r = $sub->();

        return $r if $r || time > $end;
        sleep 0.1;
    }
}


# a line of Debian's unit, as systemd runs it

sub unit {
    my ($self, $name) = @_;

    my $line = $self->must("sed -n 's/^$name=-\\?//p'"
                           . ' /lib/systemd/system/nginx.service');

    die "no $name\n" unless $line;

    return $self->must($line);
}


sub page { return $_[0]->must('curl -sS http://127.0.0.1/') }


sub click {
    my ($self) = @_;

    my ($command) = map { $_->{text} =~ /^(curl (?:.*\\\n)*.*\n)/m } @steps;

    return $self->must($command);
}


# of all workers; those of before may still be leaving

sub loaded {
    my ($self) = @_;

    my $said = $self->must('
        for p in /proc/[0-9]*; do
            case $(tr "\0" " " < $p/cmdline) in
            "nginx: worker process "*|"nginx: worker process") ;;
            *) continue ;;
            esac
            if grep -q ngx_http_referral_module $p/maps; then
                echo with
            else
                echo without
            fi
        done');

    return $said =~ /with\n/ && $said !~ /without/;
}


# what an nginx leaves where somebody might look: files, connections, log lines

sub traces {
    my ($self) = @_;

    return $self->must('find /var/lib/nginx /var/log/nginx /run /tmp /var/tmp \
            ! -name "*.pid" ! -path "/run/systemd*" | sort
        grep " 0[12A] " /proc/net/tcp | cut -c1-40
        grep -v "signal process started\|signal .SIG\|reconfiguring\|using in" \
            /var/log/nginx/error.log || :');
}


sub complaints {
    my ($self) = @_;

    return $self->must('grep "\[\(warn\|error\|crit\|alert\|emerg\)\]" \
                            /var/log/nginx/error.log || :');
}


sub clicks {
    my ($self, $wanted) = @_;

    my $count = '';

    $self->until(sub {
        $count = $self->must("redis-cli HGET 'ref:stats:{shop}' clicks");
        chomp $count;
        $count eq $wanted;
    });

    return $count;
}


sub end {
    my ($self) = @_;

    close $self->{in};
    waitpid $self->{pid}, 0;
}
