package Referral::Clock;

# A wall clock that can be set, of the programs that are started with it.
#
#   my $clock = Referral::Clock->new;
#   my $t = $clock->with(sub { Referral->new });     Redis has it
#   $clock->with(sub { $t->start });                 and nginx
#   $clock->set($seconds);                           since 1970
#   $clock->jump(-3600);
#   $clock->time;
#   $clock->lapse(3600);                             timers see an hour go by

use strict;
use warnings;

use File::Temp qw(tempdir);
use POSIX qw(ceil);
use Time::HiRes ();

use Referral;


sub new {
    my ($class) = @_;

    my $dir = tempdir('referral-clock-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $self = bless { file => "$dir/clock", lib => "$dir/clock.so" }, $class;

    system($ENV{CC} // 'cc', qw(-std=gnu11 -O2 -Wall -Wextra -Werror -shared
           -fPIC -o), $self->{lib}, "$Referral::ROOT/t/lib/clock.c") == 0
        or die "clock.c does not compile\n";

    $self->off(0);

    return $self;
}


sub with {
    my ($self, $sub) = @_;

    local $ENV{LD_PRELOAD} = $self->{lib};
    local $ENV{CLOCK} = $self->{file};

    # a sanitizer wants to be the first that is loaded

    local %ENV = %ENV;
    $ENV{ASAN_OPTIONS} = join ':', 'verify_asan_link_order=0',
                         grep { defined } $ENV{ASAN_OPTIONS};

    return $sub->();
}


# milliseconds, rather one too many: never before what was set; in place, for
# it is mapped where it is used

sub off {
    my ($self, $off) = @_;

    open my $f, -e $self->{file} ? '+<' : '>', $self->{file}
        or die "$self->{file}: $!";
    syswrite $f, pack 'q2', $self->{off} = ceil($off), $self->{passed} // 0;
}


sub lapse {
    my ($self, $seconds) = @_;

    $self->{passed} += $seconds * 1000;
    $self->off($self->{off});
}


sub set {
    my ($self, $seconds) = @_;

    $self->off(($seconds - Time::HiRes::time) * 1000);
}


sub jump {
    my ($self, $seconds) = @_;

    $self->off($self->{off} + $seconds * 1000);
}


sub time { Time::HiRes::time + $_[0]{off} / 1000 }


1;
