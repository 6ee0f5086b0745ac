package Referral::Relay;

# nginx-referral-relay beside a test's Redis, and a receiver of webhooks.
#
#   my $r = Referral::Relay->receiver($t);        http://127.0.0.1:$r->{port}
#   $r->mode('crm', '500');                       what POST /crm/… gets
#   my @got = $r->got('crm');                     what came
#   $r->program('shop', 'crm'); $r->came('shop-crm', @ids); $r->once(…)
#   my $relay = Referral::Relay->start($t, '--replicas', 1);
#   $relay->kill; $relay->stop; $relay->log;
#   message($t, 'shop', type => 'reward.available', id => 'a' x 32);

use strict;
use warnings;

use Exporter 'import';
use JSON::PP;
use Referral::Cli ();
use POSIX qw(:sys_wait_h);
use Test::More ();

our @EXPORT_OK = qw(message places);

my @FIELDS = qw(id type at owner reward unit amount rule version due expires
                friend order detail);
my $number = 0;


sub receiver {
    my ($class, $t, @certificate) = @_;

    my $self = bless { t => $t, port => $t->free_port,
                       dir => "$t->{dir}/receiver" }, $class;

    mkdir $self->{dir};
    $self->up(@certificate);

    return $self;
}


sub up {
    my ($self, @certificate) = @_;

    $self->{pid} = $self->{t}->spawn(sub {
        exec '/usr/bin/python3', '-B',
             "$Referral::ROOT/t/lib/webhook_receiver.py", $self->{dir},
             $self->{port}, @certificate;
    });

    Referral::wait_for {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                              PeerPort => $self->{port});
    };
}


sub down { $_[0]{t}->end_child($_[0]{pid}) }
sub url { return "http://127.0.0.1:$_[0]{port}/$_[1]" }


sub mode {
    my ($self, $name, $mode) = @_;

    $self->{t}->write_file("receiver/$name.new", "$mode\n");
    rename "$self->{dir}/$name.new", "$self->{dir}/$name.mode" or die;
}


sub got {
    my ($self, $name) = @_;

    my @lines;

    if (open my $f, '<', "$self->{dir}/$name.got") {
        @lines = grep { /\n\z/ } <$f>;
    }

    return map { JSON::PP->new->decode($_) } @lines;
}


# the webhook ids that came, each with how often

sub ids {
    my ($self, $name) = @_;
    my %ids;

    $ids{$_->{headers}{'webhook-id'}}++ for $self->got($name);

    return \%ids;
}


# ids that came under two contents; there must be none

sub torn {
    my ($self, $name) = @_;
    my %bodies;

    $bodies{$_->{headers}{'webhook-id'}}{$_->{body}} = 1 for $self->got($name);

    return grep { keys %{ $bodies{$_} } > 1 } sort keys %bodies;
}


# a program with webhooks, two people, and endpoints at paths of this receiver

sub program {
    my ($self, $p, @names) = @_;
    my $t = $self->{t};

    $t->program($p, state => 'active', webhooks => 'on');
    $t->redis('HSET', "ref:person:{$p}:names", 1, 'aiko', 2, 'bo');

    for my $name (@names) {
        Test::More::is(Referral::Cli::r(qw(hook add), $p, $name,
                                        $self->url("$p-$name")), 0,
                       "$p: an endpoint $name")
            or Test::More::diag($Referral::Cli::err);
    }
}


# all of these came to that path, each at least once

sub came {
    my ($self, $path, @ids) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $all = Referral::wait_for {
        my $ids = $self->ids($path);

        !grep { !$ids->{$_} } @ids;
    } 40;

    Test::More::ok($all, scalar(@ids) . " messages came to $path")
        or Test::More::diag('only ' . keys %{ $self->ids($path) });
    Test::More::is(join(' ', $self->torn($path)), '',
                   'each id with one content');
}


sub once {
    my ($self, $path, @ids) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $self->came($path, @ids);
    Test::More::is_deeply($self->ids($path), { map { $_ => 1 } @ids },
                          'each once');
}


sub start {
    my ($class, $t, @options) = @_;

    my $env = ref $options[0] ? shift @options : {};
    my $self = bless { t => $t, log => "$t->{dir}/relay-" . ++$number },
                     $class;

    $self->{pid} = $t->spawn(sub {
        @ENV{keys %$env} = values %$env;
        $ENV{PYTHONPYCACHEPREFIX} = "$Referral::ROOT/build/pycache";
        open STDOUT, '>', $self->{log};
        open STDERR, '>&', \*STDOUT;
        exec '/usr/bin/python3', "$Referral::ROOT/scripts/relay", '--redis',
             "127.0.0.1:$t->{redis_port}", '--loopback', 'on', @options
            or POSIX::_exit(127);
    });

    return $self;
}


sub log { return $_[0]{t}->read_file($_[0]{log}) }


sub said {
    my ($self, $pattern) = @_;

    return Referral::wait_for { $self->log =~ $pattern };
}


sub kill {
    my ($self) = @_;

    CORE::kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    $self->{ended} = 1;
}


sub signal { return CORE::kill $_[1], $_[0]{pid} }


sub stop {
    my ($self) = @_;

    CORE::kill 'TERM', $self->{pid};

    my $ended = Referral::wait_for {
        waitpid($self->{pid}, WNOHANG) == $self->{pid};
    } 25;

    Test::More::ok($ended, 'a relay ends when it is told to')
        or Test::More::diag($self->log);
    $self->kill if !$ended;
}


# a message of the outbox, as the settler writes it

sub message {
    my ($t, $p, $place, %m) = @_;

    return $t->redis('XADD', "ref:outbox:{$p}", $place,
                     map { $_ => $m{$_} // '' } @FIELDS);
}


# so many messages, of places N-0; returns their webhook ids

sub places {
    my ($t, $p, $from, $to, %more) = @_;

    return map {
        my $id = sprintf '%032x', $_;

        message($t, $p, "$_-0", type => 'reward.available', at => 1795e9 + $_,
                owner => 1, reward => 'ab' x 16, unit => 'EUR', amount => 100,
                rule => 'thanks', id => $id, detail => 'ripe', %more);
        "msg_$id";
    } $from .. $to;
}


1;
