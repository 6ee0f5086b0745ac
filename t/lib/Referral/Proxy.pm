package Referral::Proxy;

# Stands between nginx and Redis and does what networks and bad days do.
#
#   my $proxy = Referral::Proxy->new($t);       # listens on $proxy->{port}
#   $proxy->mode('lose', 3);
#
# What a mode does, it does to batches (EVALSHA, EVAL) or their replies; those
# of look-ups and probes pass.  "N" is every n-th, SECONDS may be a fraction.
#
#   pass
#   lose N              Redis applied it: no reply, the connection ends
#   delay SECONDS       the reply comes later
#   hold SECONDS        the command comes later, whether or not its client is
#                       still there
#   split               every reply comes in single bytes
#   garbage TEXT        comes instead of the reply
#   extra TEXT          comes before the reply
#   error TEXT          comes instead of the reply, and Redis never saw the
#                       command
#   all TEXT            the same for whatever is asked

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(sleep time);


sub new {
    my ($class, $t) = @_;

    my $self = bless {
        t => $t, port => $t->free_port, file => "$t->{dir}/proxy.mode",
    }, $class;

    $self->mode('pass');

    my $listen = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $self->{port},
        Listen => 64, ReuseAddr => 1,
    ) or die "listen: $@";

    $self->{pid} = $t->spawn(sub { $self->serve($listen) });

    return $self;
}


sub mode {
    my ($self, @mode) = @_;

    $self->{t}->write_file("$self->{file}.new", join "\t", @mode);
    rename "$self->{file}.new", $self->{file} or die "rename: $!";

    # until it is read

    sleep 0.05;
}


sub serve {
    my ($self, $listen) = @_;

    $self->{listen} = $listen;
    $self->{select} = IO::Select->new($listen);
    $self->{conns} = {};
    $self->{n} = 0;

    for ( ;; ) {
        my $text = $self->{t}->read_file($self->{file});
        my ($mode, $arg) = split /\t/, $text, 2;

        $arg =~ s/\\r\\n/\r\n/g if defined $arg;

        $self->{mode} = $mode;
        $self->{arg} = $arg;

        for my $s ($self->{select}->can_read(0.01)) {
            $s == $listen ? $self->accept : $self->input($s);
        }

        $self->due($_) for values %{ $self->{conns} };
    }
}


sub accept {
    my ($self) = @_;

    my $c = $self->{listen}->accept or return;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $self->{t}{redis_port});
    return close $c unless $s;

    setsockopt $_, IPPROTO_TCP, TCP_NODELAY, 1 for $c, $s;

    my $conn = { c => $c, s => $s, in => '', out => '', asked => [],
                 to_c => [], to_s => [] };

    $self->{conns}{$c} = $conn;
    $self->{by}{$c} = $self->{by}{$s} = $conn;
    $self->{select}->add($c, $s);
}


sub end {
    my ($self, $conn) = @_;

    for my $side (qw(c s)) {
        my $s = delete $conn->{$side} or next;

        $self->{select}->remove($s);
        delete $self->{by}{$s};
        delete $self->{conns}{$s};
        close $s;
    }
}


sub input {
    my ($self, $sock) = @_;

    my $conn = $self->{by}{$sock} or return;
    my $from = $conn->{c} && $sock == $conn->{c} ? 'in' : 'out';
    my $n = sysread $sock, $conn->{$from}, 65536, length $conn->{$from};

    if (!$n) {

        # a command that is held goes its way without its client

        if ($from eq 'in' && @{ $conn->{to_s} }) {
            $self->{select}->remove($sock);
            $conn->{gone} = 1;
            return;
        }

        return $self->end($conn);
    }

    $from eq 'in' ? $self->commands($conn) : $self->replies($conn);
}


sub commands {
    my ($self, $conn) = @_;

    while (defined(my $len = resp_len($conn->{in}))) {
        my $text = substr $conn->{in}, 0, $len, '';
        my ($name) = $text =~ /^\*\d+\r\n\$\d+\r\n(\w+)/;

        $name = uc($name // '');

        my $batch = $name =~ /^EVAL/;
        my $mode = $self->{mode};
        my $at = 0;

        # its replies are not one for one

        $conn->{listens} = 1 if $name eq 'SUBSCRIBE';

        if ($mode eq 'all' || $mode eq 'error' && $batch) {
            $self->later($conn, 'c', 0, "-$self->{arg}\r\n");
            next;
        }

        if ($mode eq 'hold' && $batch) {
            $at = time + $self->{arg};
        }

        push @{ $conn->{asked} }, $name unless $conn->{listens};

        $self->later($conn, 's', $at, $text);
    }
}


sub replies {
    my ($self, $conn) = @_;

    while (defined(my $len = resp_len($conn->{out}))) {
        my $text = substr $conn->{out}, 0, $len, '';
        my $batch = (shift @{ $conn->{asked} } // '') =~ /^EVAL/;
        my $mode = $self->{mode};
        my $at = 0;

        if ($batch && $text !~ /^-/) {

            if ($mode eq 'lose' && ++$self->{n} % $self->{arg} == 0) {
                return $self->end($conn);
            }

            $at = time + $self->{arg} if $mode eq 'delay';
            $text = $self->{arg} if $mode eq 'garbage';
            $text = $self->{arg} . $text if $mode eq 'extra';
        }

        if ($mode eq 'split') {
            $self->later($conn, 'c', 0, $_) for split //, $text;
            next;
        }

        $self->later($conn, 'c', $at, $text);
    }
}


# in the order in which they came

sub later {
    my ($self, $conn, $side, $at, $text) = @_;

    push @{ $conn->{"to_$side"} }, [ $at, $text ];
    $self->due($conn);
}


sub due {
    my ($self, $conn) = @_;

    for my $side (qw(s c)) {
        my $list = $conn->{"to_$side"};

        while (@$list && $list->[0][0] <= time) {
            my $text = (shift @$list)->[1];

            while (length $text) {
                my $s = $conn->{$side} or last;
                my $n = syswrite $s, $text;

                if (!$n) {
                    $self->end($conn) unless $conn->{gone};
                    last;
                }

                substr $text, 0, $n, '';
            }

            # so that they are read one by one

            sleep 0.0003 if $self->{mode} eq 'split' && $side eq 'c';
        }
    }

    $self->end($conn) if $conn->{gone} && !@{ $conn->{to_s} };
}


# bytes of the first whole value in RESP, undef if it is not all there

sub resp_len {
    my ($buf) = @_;

    my ($pos, $left) = (0, 1);

    while ($left > 0) {
        my $eol = index $buf, "\r\n", $pos;

        return undef if $eol < 0;

        my $type = substr $buf, $pos, 1;
        my $n = substr $buf, $pos + 1, $eol - $pos - 1;

        $pos = $eol + 2;
        $left--;

        if ($type eq '$' && $n >= 0) {
            $pos += $n + 2;

        } elsif ($type eq '*' && $n > 0) {
            $left += $n;
        }

        return undef if $pos > length $buf;
    }

    return $pos;
}


1;
