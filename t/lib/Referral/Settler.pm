package Referral::Settler;

# nginx-referral-settle beside a test's Redis.
#
#   my ($status, $said) = Referral::Settler::run($t, '--once');
#   my $settler = Referral::Settler->start($t, '--lease', 1);
#   $settler->kill('KILL');                       its process and its child
#   $settler->stop;
#   Referral::Settler::state($t, 'shop')          what stands in Redis of it
#
# Its Redis is that of $t.  "env" are variables: start($t, { NAME => 1 }, …).

use strict;
use warnings;

use POSIX qw(:sys_wait_h);
use Test::More ();

my $number = 0;


sub binary {
    return $ENV{TEST_SETTLE} // "$Referral::ROOT/build/nginx-referral-settle";
}


# what goes before libc, to kill it at a write: t/lib/settle_faults.c

sub faults {
    my ($t) = @_;

    my $out = "$t->{dir}/faults.so";
    my @command = ($ENV{CC} // 'gcc', qw(-shared -fPIC -O1 -Wall -Wextra
                   -Werror -o), $out,
                   "$Referral::ROOT/t/lib/settle_faults.c", '-ldl');

    system(@command) == 0 or die "@command";

    return $out;
}


sub run {
    my ($t, @options) = @_;

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', "$t->{dir}/said";
        open STDERR, '>', "$t->{dir}/said.err";
        exec binary(), '--redis', "127.0.0.1:$t->{redis_port}", @options
            or POSIX::_exit(127);
    }

    waitpid $pid, 0;

    my $status = WIFEXITED($?) ? WEXITSTATUS($?) : 128 + ($? & 127);

    return wantarray ? ($status, $t->read_file('said'),
                        $t->read_file('said.err')) : $status;
}


sub start {
    my ($class, $t, @options) = @_;

    my $env = ref $options[0] ? shift @options : {};
    my $self = bless { t => $t, log => "$t->{dir}/settle-" . ++$number },
                     $class;

    $self->{pid} = $t->spawn(sub {
        @ENV{keys %$env} = values %$env;
        open STDOUT, '>', $self->{log};
        open STDERR, '>&', \*STDOUT;
        exec binary(), '--redis', "127.0.0.1:$t->{redis_port}", @options;
    });

    return $self;
}


sub log { return $_[0]{t}->read_file($_[0]{log}) }


# has it ended by itself?

sub ended {
    my ($self) = @_;

    $self->{ended} ||= waitpid($self->{pid}, WNOHANG) == $self->{pid};

    return $self->{ended};
}


# to its whole group

sub signal { return kill $_[1], -$_[0]{pid} }


sub child {
    my ($self) = @_;

    open my $f, '<', "/proc/$self->{pid}/task/$self->{pid}/children"
        or return;

    return (split ' ', <$f> // '')[0];
}


sub stop {
    my ($self) = @_;

    $self->signal('CONT');
    kill 'TERM', $self->{pid};

    my $ended = Referral::wait_for { $self->ended };

    Test::More::ok($ended, 'a settler ends when it is told to')
        or Test::More::diag($self->log);
    $self->signal('KILL') if !$ended;
}


# the keys that it writes, but for where it stands, each as one text

sub state {
    my ($t, $p) = @_;

    my %state;

    for my $key (@{ $t->redis('KEYS', "ref:*{$p}*") }) {
        next if $key !~ /^ref:(?:friend|order|progress|cohort|rules|stats
                                |days|day|board)\b/x;

        my %of = $key =~ /^ref:board/
                 ? @{ $t->redis('ZRANGE', $key, 0, -1, 'WITHSCORES') }
                 : @{ $t->redis('HGETALL', $key) };

        # of what clicks and settler count together its part

        delete @of{grep { !/^(?:leads|sales|refunds|friends|unattributed
                              |known|self|amount)(?:$|:)/x } keys %of}
            if $key =~ /^ref:(?:stats|day|cohort)\b/;

        next if $key =~ /^ref:days:\{/ || $key =~ /:(?:referrers:)?clicks\b/
                || !%of;

        $state{$key} = join ' ', map { "$_=$of{$_}" } sort keys %of;
    }

    return \%state;
}


sub position {
    my ($t, $p) = @_;

    return eval { $t->redis('HGET', "ref:settled:{$p}", 'position') } // 0;
}


# the number of the stream's last entry

sub last_entry {
    my ($t, $p) = @_;

    my $info = eval { $t->redis('XINFO', 'STREAM', "ref:conversions:{$p}") }
        or return 0;

    return { @$info }->{'last-generated-id'} =~ s/-.*//r;
}


1;
