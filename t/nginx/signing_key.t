# protects: the key that is made where "referral_key_file" names none: whoever
# owns the journal's directory cannot make root read a file of others, nor keep
# nginx from starting; it is made once, whole, and only if a cookie needs it

use strict;
use warnings;

use File::Path qw(remove_tree);
use FindBin;
use POSIX qw(mkfifo :sys_wait_h);

use lib "$FindBin::Bin/../lib";
use Referral;

plan(skip_all => 'needs root') if $> != 0;

my $t = Referral->new(redis => 0);
my $dir = $t->dir;
my $journal = "$dir/journal";
my $made = "$journal.key";
my $old = "$journal/referral.key";
my $nobody = getpwnam('nobody');

my $short = 'location /r/ { referral shop; '
            . 'referral_landing https://localhost/; }';

my @conf = (bare => 1, log => 'info', main => 'user nobody nogroup;',
            http => 'referral_journal %%DIR%%/journal;', server => $short);

sub key { join '', map { sprintf '%02x', rand 256 } 1 .. 32 }

sub fresh {
    remove_tree($journal);
    unlink $made;
    mkdir $journal, 0700;
    chown $nobody, -1, $journal;
}

sub no_rest {
    my ($what) = @_;

    my @rest = (glob("$dir/.referral*"), glob("$journal/.referral*"));

    is("@rest", '', "$what: nothing is left beside it");
}


# --- made once ---

fresh();

my ($output, $status) = $t->nginx_t(@conf);

is($status, 0, 'without a key: taken') or diag($output);
like($output, qr/\[notice\].*new key in "\Q$made\E"/, 'one is made, and said');
like($t->read_file($made), qr/^[0-9a-f]{64}\n$/, 'it is a key');
is((stat $made)[4], 0, 'it is root\'s');
is((stat _)[2] & 07777, 0600, 'and root\'s alone');
ok(!-e $old, 'not where the workers\' user may put what it likes');
no_rest('made');

my $key = $t->read_file($made);

($output, $status) = $t->nginx_t(@conf);
is($t->read_file($made), $key, 'it stays');
unlike($output, qr/new key/, 'in silence');

# what older versions made goes on

fresh();
$t->write_file($old, key() . "\n", 0600);
($output, $status) = $t->nginx_t(@conf);
is($status, 0, 'a key of an older version: taken');
ok(!-e $made, 'and used: no other is made');
unlike($output, qr/\[warn\]/, 'in silence');

$t->write_file($old, '', 0600);
($output, $status) = $t->nginx_t(@conf);
is($status, 0, 'one that a power loss left empty');
like($t->read_file($made), qr/^[0-9a-f]{64}\n$/, 'is as none');

# "nginx -s" makes none

fresh();
$t->write_file('nginx.conf', $t->config_text(@conf));
system('"' . join('" "', $t->nginx_command('nginx.conf', '-s', 'reload'))
       . '" 2>/dev/null');
ok(!-e $made && !-e $old, 'nginx -s makes none');


# --- many at once ---

for my $round (1 .. 15) {
    fresh();

    $t->write_file('check.conf', $t->config_text(@conf));

    my @command = $t->nginx_command('check.conf', '-t');
    my @pids;

    for my $n (1 .. 4) {
        my $pid = fork // die "fork: $!";

        if ($pid == 0) {
            open STDERR, '>', "$dir/t$n";
            exec @command or POSIX::_exit(127);
        }

        push @pids, $pid;
    }

    my $failed = 0;

    for my $pid (@pids) {
        waitpid($pid, 0);
        $failed++ if $?;
    }

    my $new = () = join('', map { $t->read_file("t$_") } 1 .. 4) =~ /new key/g;
    $new += () = $t->read_file('early.log') =~ /new key/g;
    unlink "$dir/early.log";

    if ($failed || $new != 1) {
        fail("round $round: $failed of 4 failed, $new keys were made");
        diag(map { $t->read_file("t$_") } 1 .. 4);
        last;
    }

    pass("round $round: one key, none failed");
}

no_rest('many at once');


# --- what the workers' user may put there ---

my $secret = $t->write_file('secret', 'a line that only root can read ' x 3,
                            0600);
my %trap = (
    'a symbolic link' => sub { symlink $secret, $old },
    'a link to nothing' => sub { symlink "$dir/nowhere", $old },
    'a hard link' => sub { link $secret, $old },
    'a pipe' => sub { mkfifo($old, 0600) },
    'a directory' => sub { mkdir $old },
    'a socket' => sub {
        IO::Socket::UNIX->new(Local => $old, Listen => 1) or die "$old: $!";
    },
    'a file of its own' => sub {
        $t->write_file($old, key() . "\n", 0600);
        chown $nobody, -1, $old;
    },
    'a file that a group may write' => sub {
        $t->write_file($old, key() . "\n", 0660);
    },
);

for my $what (sort keys %trap) {
    fresh();
    $trap{$what}->();

    my @before = lstat $old;

    my $begun = time;
    ($output, $status) = $t->nginx_t(@conf);

    cmp_ok(time - $begun, '<', 5, "$what: nginx does not hang");
    is($status, 0, "$what: nginx starts") or diag($output);
    like($output, qr/\[warn\] .*"\Q$old\E" is not used/, "$what: not used");
    like($t->read_file($made), qr/^[0-9a-f]{64}\n$/, "$what: a key is made");
    is(join(',', (lstat $old)[0 .. 5]), join(',', @before[0 .. 5]),
       "$what: it stays as it is");

    unlike(scalar($t->nginx_t(@conf)), qr/referral\.key/,
           "$what: then nobody looks there");
}

like($t->read_file($secret), qr/^a line.*3?/, 'what only root can read stays');
unlink $old;

# the directory itself; what root made of it is root's business

fresh();
mkdir "$dir/foreign";
my $theirs = $t->write_file('foreign/referral.key', key() . "\n", 0600);
rename $journal, "$journal.was";
symlink "$dir/foreign", $journal;
chown $nobody, -1, "$dir/foreign";
system('chown', '-h', 'nobody', $journal);
($output, $status) = $t->nginx_t(@conf);
is($status, 0, 'another directory in its place: nginx starts')
    or diag($output);
ok(-s $made, 'and makes a key');

unlink $journal, $made;
symlink "$dir/foreign", $journal;
($output, $status) = $t->nginx_t(@conf);
is($status, 0, 'a link that root made: taken') or diag($output);
ok(!-e $made, 'with the key in it');
unlink $journal;
remove_tree("$dir/foreign");

# a trap beside the directory needs a directory that is not root's: said

fresh();
symlink $secret, $made;
($output, $status) = $t->nginx_t(@conf);
is($status, 1, 'a link where the key is to be: refused');
like($output, qr/\[emerg\].*openssl rand -hex 32.*"referral_key_file"/,
     'with what to do');
unlink $made;


# --- where the parent is not ours ---

mkdir "$dir/closed";
mkdir "$dir/closed/journal", 0700;
chown $nobody, -1, "$dir/closed/journal";
$t->write_file('key', $t->read_file('key'), 0644);

my $text = $t->config_text(bare => 1, log => 'info', server => $short,
                           http => 'referral_journal %%DIR%%/closed/journal;');
$text =~ s/^user .*//m;
$t->write_file('closed.conf', $text);
chown $nobody, -1, $dir, "$dir/temp";
unlink glob("$dir/*.log"), "$dir/nginx.pid";

my $pid = fork // die "fork: $!";

if ($pid == 0) {
    open STDERR, '>', "$dir/closed.log";
    POSIX::setgid((getpwnam('nobody'))[3]);
    POSIX::setuid($nobody);
    exec $t->{binary}, '-p', "$dir/", '-c', "$dir/closed.conf", '-t'
        or POSIX::_exit(127);
}

waitpid($pid, 0);
is($?, 0, 'a parent that cannot be written: taken')
    or diag($t->read_file('closed.log'));
like($t->read_file('closed/journal/referral.key'), qr/^[0-9a-f]{64}\n$/,
     'the key is in the directory then');
chown 0, -1, $dir;


# --- no cookie, no key ---

for my $case (
    [ 'cookies are off', 0,
      "referral_cookie off; $short" ],
    [ 'they are off in the short link, and nothing else has a program', 0,
      $short =~ s/shop;/shop; referral_cookie off;/r ],
    [ 'they are off there, a page reads them', 1,
      $short =~ s/shop;/shop; referral_cookie off;/r
      . ' location /p { referral_program shop; }' ],
    [ 'they are off, but in another short link', 1,
      $short =~ s/shop;/shop; referral_cookie off;/r
      . ' location /o/ { referral o; referral_landing https://localhost/; }' ],
) {
    my ($what, $needed, $server) = @$case;

    fresh();
    ($output, $status) = $t->nginx_t(@conf, server => $server);

    is($status, 0, "$what: taken") or diag($output);
    is(-e $made ? 1 : 0, $needed, "$what: " . ($needed ? 'a' : 'no') . ' key');
}

done_testing;
