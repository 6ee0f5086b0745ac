package Referral::Redis;

# Speaks RESP2 to a Redis on a unix socket; bytes in, bytes out.

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);


sub new {
    my ($class, $path) = @_;

    my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path)
        or die "connect to redis: $!\n";

    return bless { s => $s, buf => '' }, $class;
}


# Status and bulk replies are strings, nil is undef, arrays are references;
# an error dies as "redis: …", a lost connection as anything else.

sub command {
    my ($self, @words) = @_;

    my $text = '*' . @words . "\r\n";

    for my $word (@words) {
        my $w = "$word";

        utf8::encode($w) if utf8::is_utf8($w);
        $text .= '$' . length($w) . "\r\n$w\r\n";
    }

    $self->send($text);

    return $self->reply;
}


# the bytes of a command

sub send {
    my ($self, $text) = @_;

    while (length $text) {
        my $n = syswrite $self->{s}, $text
            or die "write to redis: $!\n";
        substr $text, 0, $n, '';
    }
}


sub more {
    my ($self) = @_;

    IO::Select->new($self->{s})->can_read(10)
        or die "redis does not answer\n";

    sysread $self->{s}, $self->{buf}, 65536, length $self->{buf}
        or die "redis closed the connection\n";
}


sub reply {
    my ($self) = @_;

    $self->more while $self->{buf} !~ /\r\n/;

    $self->{buf} =~ s/^(.)([^\r]*)\r\n//s or die "not RESP\n";

    my ($type, $rest) = ($1, $2);

    return $rest if $type eq '+' || $type eq ':';

    die "redis: $rest\n" if $type eq '-';

    if ($type eq '$') {
        return undef if $rest < 0;

        $self->more while length $self->{buf} < $rest + 2;

        my $value = substr $self->{buf}, 0, $rest;

        substr $self->{buf}, 0, $rest + 2, '';

        return $value;
    }

    if ($type eq '*') {
        return undef if $rest < 0;

        return [ map { $self->reply } 1 .. $rest ];
    }

    die "not RESP: $type\n";
}


1;
