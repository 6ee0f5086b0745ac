package Referral::Response;

# One HTTP answer as it came, byte for byte.

use strict;
use warnings;

use IO::Select;
use Time::HiRes qw(time);


# undef when the other side closes without an answer, or is too slow

sub read {
    my ($class, $s, %o) = @_;

    my $self = bless { headers => [], body => '' }, $class;
    my $end = time + $o{timeout};
    my $buf = '';

    my $more = sub {
        my $left = $end - time;

        return 0 if $left <= 0 || !IO::Select->new($s)->can_read($left);

        my $n = sysread $s, $buf, 65536, length $buf;

        return $n;
    };

    while ($buf !~ /\r\n\r\n/) {
        $more->() or return;
    }

    $self->{time} = time - ($o{start} // time);

    my ($head, $rest) = split /\r\n\r\n/, $buf, 2;

    $self->{head} = $head;
    $buf = $rest;

    my ($line, @lines) = split /\r\n/, $head;

    $line =~ m{^HTTP/1\.[01] (\d{3})} or die "not HTTP: $line\n";
    $self->{status} = $1;

    for (@lines) {
        my ($name, $value) = /^([^:]+):[ \t]*(.*)$/s
            or die "not a header: $_\n";
        push @{ $self->{headers} }, [ $name, $value ];
    }

    my $length = $self->header('Content-Length');

    if ($o{head} || $self->{status} =~ /^(?:1..|204|304)$/) {
        return $self;
    }

    if (lc($self->header('Transfer-Encoding') // '') eq 'chunked') {
        for ( ;; ) {
            while ($buf !~ /\r\n/) { $more->() or return }

            $buf =~ s/^([0-9a-fA-F]+)[^\r\n]*\r\n// or die "bad chunk\n";

            my $n = hex $1;

            while (length $buf < $n + 2) { $more->() or return }

            $self->{body} .= substr $buf, 0, $n;
            substr $buf, 0, $n + 2, '';

            return $self if $n == 0;
        }
    }

    if (defined $length) {
        while (length $buf < $length) { $more->() or return }

        $self->{body} = substr $buf, 0, $length;
        return $self;
    }

    1 while $more->();
    $self->{body} = $buf;

    return $self;
}


sub status { $_[0]{status} }
sub body { $_[0]{body} }
sub head { $_[0]{head} }
sub time_taken { $_[0]{time} }
sub location { $_[0]->header('Location') }


# all values in a list, the first one otherwise

sub header {
    my ($self, $name) = @_;

    my @values = map { $_->[1] }
                 grep { lc $_->[0] eq lc $name } @{ $self->{headers} };

    return wantarray ? @values : $values[0];
}


# the names of all headers, in their order

sub names { map { $_->[0] } @{ $_[0]{headers} } }


# The cookie of a Set-Cookie: a hash of its attributes in lower case, with
# "name" and "value"; undef if none of that name (or none at all) is set.

sub set_cookie {
    my ($self, $name) = @_;

    for my $value ($self->header('Set-Cookie')) {
        my ($pair, @attributes) = split /;\s*/, $value;
        my ($n, $v) = split /=/, $pair, 2;

        next if defined $name && $n ne $name;

        my %cookie = (name => $n, value => $v);

        for (@attributes) {
            my ($key, $val) = split /=/, $_, 2;
            $cookie{lc $key} = $val // 1;
        }

        return \%cookie;
    }

    return undef;
}


# "name=value", as the browser would send it back; '' if none was set

sub cookie {
    my ($self, $name) = @_;

    my $c = $self->set_cookie($name) or return '';

    return "$c->{name}=$c->{value}";
}


# the value of one argument of the Location, percent-decoded

sub arg {
    my ($self, $name) = @_;

    my $url = $self->location // return undef;

    return undef unless $url =~ /[?&]\Q$name\E=([^&#]*)/;

    my $value = $1;

    $value =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;

    return $value;
}


1;
