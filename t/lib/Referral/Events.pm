package Referral::Events;

# Events posted to Referral instances, and what must be so afterwards.
#
#   my $e = Referral::Events->new($t);                     one host, or several
#   my $load = $e->start(count => 1000);
#   …                                                      the fault
#   $e->wait;
#   $e->exact('worker killed');
#
# exact: each event that was answered by 2xx stands in the stream exactly once,
# with the customer and the amount that were sent; nothing stands there that
# was not sent, and the numbers are 1, 2, 3 …

use strict;
use warnings;

use POSIX qw(:sys_wait_h);
use Test::More ();
use Time::HiRes qw(sleep time);

my $loads = 0;


sub new {
    my ($class, @hosts) = @_;

    return bless { hosts => \@hosts, t => $hosts[0], running => [],
                   answered => {}, sent => {} }, $class;
}


# built once for all tests

sub binary {
    my $source = "$Referral::ROOT/t/lib/events.c";
    my $binary = "$Referral::ROOT/build/events";

    if (!-x $binary || -M $source < -M $binary) {
        mkdir "$Referral::ROOT/build";

        system($ENV{CC} // 'cc', qw(-std=gnu11 -O2 -Wall -Wextra -Werror -o),
               "$binary.$$", $source) == 0
            or die "$source does not compile\n";

        rename "$binary.$$", $binary or die "$binary: $!\n";
    }

    return $binary;
}


# "bodies": templates with "#" for the number; without them sales, each of a
# name of its own

sub start {
    my ($self, %o) = @_;

    my $t = $self->{t};
    my $binary = binary();
    my $name = $o{name} // 'e' . ++$loads . '-';

    my $load = { name => $name, file => "$t->{dir}/events." . ++$self->{n},
                 own => !$o{bodies} };

    my @bodies = @{ $o{bodies} // [ <<"END" =~ s/\s+//gr ] };
        { "type": "sale", "event_id": "$name#", "customer": "c$name#",
          "order_id": "o$name#", "amount": 4990, "currency": "EUR" }
END

    $load->{pid} = $t->spawn(sub {
        exec $binary, join(',', map { $_->port } @{ $self->{hosts} }),
             $o{uri} // '/inside', $o{connections} // 16, $o{rate} // 0,
             $o{seconds} // 120, $o{count} // 0, $load->{file}, @bodies;
        die "$binary: $!";
    });

    push @{ $self->{running} }, $load;

    return $load;
}


sub running {
    my ($self) = @_;

    return scalar grep {
        $_->{ended} ||= waitpid($_->{pid}, WNOHANG) == $_->{pid};
        !$_->{ended};
    } @{ $self->{running} };
}


sub stop {
    my ($self) = @_;

    kill 'TERM', $_->{pid} for grep { !$_->{ended} } @{ $self->{running} };

    return $self->wait;
}


# for all loads; the answers of each are then in $load->{events}

sub wait {
    my ($self) = @_;

    my $t = $self->{t};

    for my $load (splice @{ $self->{running} }) {
        waitpid $load->{pid}, 0 unless $load->{ended};
        @{ $t->{children} } = grep { $_ != $load->{pid} } @{ $t->{children} };

        $self->read($load);
    }

    return $self;
}


sub read {
    my ($self, $load) = @_;

    $load->{events} = [];

    for (split /\n/, $self->{t}->read_file($load->{file})) {
        my ($what, @v) = split / /, $_, 6;

        if ($what eq 'total') {
            @$load{qw(done seconds)} = @v;

        } elsif ($what eq 'latency') {
            @$load{qw(p50 p99 max)} = @v;

        } elsif ($what eq 'event') {
            my ($n, $status, $replayed, $tries, $body) = @v;

            push @{ $load->{events} }, { n => $n, status => $status,
                                         replayed => $replayed,
                                         tries => $tries, body => $body };
            $load->{status}{$status}++;

            next unless $load->{own};

            $self->{sent}{"$load->{name}$n"} = 1;
            $self->{answered}{"$load->{name}$n"} = $status
                if $status =~ /^2/;
        }
    }

    die "the load of events failed\n" unless defined $load->{done};

    $self->{last} = $load;
}


sub length {
    my ($self) = @_;

    return eval { $self->{t}->redis('XLEN', 'ref:conversions:{shop}') } // 0;
}


# until all that was answered is there, and nothing comes after it

sub quiet {
    my ($self, $seconds) = @_;

    my $want = keys %{ $self->{answered} };
    my $end = time + ($seconds // 10) * Referral::patience();
    my ($n, $since) = (-1, time);

    while (time < $end) {
        my $now = $self->length;

        ($n, $since) = ($now, time) if $now != $n;

        last if $n >= $want && time - $since > 0.6;

        sleep 0.05;
    }
}


sub exact {
    my ($self, $name, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $self->wait;
    $self->quiet($o{quiet});

    my $t = $self->{t};
    my (%seen, %orders, @wrong);
    my ($position, $time) = (0, 0);

    for ($t->entries('ref:conversions:{shop}')) {
        $position++;

        push @wrong, "position $position has the number $_->{_id}"
            if $_->{_id} ne "$position-0";
        push @wrong, "the time of $_->{_id} is before that of the one before"
            if $_->{time} < $time;

        $time = $_->{time};

        next if $o{others} && $_->{event} =~ $o{others};

        push @wrong, "$_->{event} was never sent"
            unless $self->{sent}{ $_->{event} };
        push @wrong, "$_->{event} stands there twice"
            if $seen{ $_->{event} }++;
        push @wrong, "$_->{event} is not what was sent"
            if $_->{order} ne "o$_->{event}" || $_->{amount} ne '4990'
               || $_->{unit} ne 'EUR' || $_->{type} ne 'sale';
    }

    my @lost = grep { !$seen{$_} } sort keys %{ $self->{answered} };

    push @wrong, scalar(@lost) . ' answered events are lost: '
                 . join ' ', grep { defined } @lost[0 .. 4]
        if @lost;

    my $ok = Test::More::ok(!@wrong, $name);

    if (!$ok) {
        splice @wrong, 20 if @wrong > 20;
        Test::More::diag($_) for @wrong;
    }

    my $load = $self->{last};

    Test::More::note(sprintf '%-36s sent %6d  answered %6d  stream %6d  p50 '
        . '%.1f  p99 %.1f ms  %.0f/s  %s', $name,
        scalar keys %{ $self->{sent} }, scalar keys %{ $self->{answered} },
        $position, ($load->{p50} // 0) / 1000, ($load->{p99} // 0) / 1000,
        $load->{done} / ($load->{seconds} || 1),
        join ' ', map { "$_:$load->{status}{$_}" }
                      sort keys %{ $load->{status} // {} });

    return $ok;
}


1;
