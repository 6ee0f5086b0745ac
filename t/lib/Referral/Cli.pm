package Referral::Cli;

# Runs scripts/referral against a test's Redis.
#
#   Referral::Cli->begin($t);
#   is(r('stats', 'shop'), 0);      the exit code; what it wrote: $out, $err
#   j('stats', 'shop')->{clicks};   the answer in JSON
#
# $stdin is what the next one reads.

use strict;
use warnings;

use Exporter 'import';
use IPC::Open2;
use JSON::PP;
use POSIX ();
use Test::More ();

our @EXPORT = qw(r j $out $err $stdin);
our ($out, $err, $stdin);

my $t;

# the process that runs commands, with the environment that it began in

my ($host, $requests, $answers, %began);


sub begin {
    (my $class, $t) = @_;

    $ENV{REFERRAL_REDIS} = "unix://$t->{redis_socket}";
    $ENV{PYTHONPYCACHEPREFIX} = "$Referral::ROOT/build/pycache";
    delete @ENV{qw(REFERRAL_PREFIX REFERRAL_PASSWORD REFERRAL_PASSWORD_FILE
                   REFERRAL_CASE_SENSITIVE REFERRAL_UTC_OFFSET
                   REFERRAL_TIMEZONE
                   PYTHONDONTWRITEBYTECODE)};
}


# what Python and the C library read when a program begins

sub beginning {
    return map { $_ => $ENV{$_} } grep { /^(?:PYTHON|LANG|LC_|LD_|TZ(?:DIR)?$)/ }
                                       keys %ENV;
}


sub host {
    my @command = ('/usr/bin/python3', "$Referral::ROOT/t/lib/cli_host.py",
                   "$Referral::ROOT/scripts/referral");

    $host = open2($answers, $requests, @command);
    %began = beginning();
}


END {
    my $status = $?;

    if ($host && $$ == $Referral::main) {
        close $requests;
        waitpid $host, 0;
    }

    $? = $status;
}


# a command in a child of the process that has loaded all it needs

sub hosted {
    my (%request) = @_;

    host() unless $requests;

    my %now = beginning();

    return undef if join("\0", map { ($_, $now{$_}) } sort keys %now)
                    ne join("\0", map { ($_, $began{$_}) } sort keys %began);

    $request{env} = { map { bytes($_) => bytes($ENV{$_}) }
                         grep { defined $ENV{$_} } keys %ENV };
    $_ = bytes($_) for @{ $request{args} };

    print $requests encode_json(\%request), "\n";
    $requests->flush;

    my $status = <$answers>;

    die "the commands' host ended\n" unless defined $status;

    return $status;
}


# what exec() would hand over

sub bytes {
    my ($text) = @_;

    utf8::encode($text) if utf8::is_utf8($text);

    return "$text";
}


sub started {
    my (%request) = @_;

    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDIN, '<', $request{stdin};
        open STDOUT, '>', $request{stdout};
        open STDERR, '>', $request{stderr};
        exec "$Referral::ROOT/scripts/referral", @{ $request{args} }
            or POSIX::_exit(127);
    }

    waitpid $pid, 0;

    return $?;
}


sub r {
    my @args = @_;

    my %request = (
        args => [ @args ], stdin => $t->write_file('cli.in', $stdin // ''),
        stdout => "$t->{dir}/cli.out", stderr => "$t->{dir}/cli.err",
    );

    undef $stdin;

    my $status = hosted(%request) // started(%request);
    my $code = $status & 127 ? "signal $status" : $status >> 8;

    ($out, $err) = map { $t->read_file("cli.$_") } qw(out err);

    Test::More::unlike($err, qr/Traceback|fault of this program/,
                       'no trace for the operator: '
                       . join ' ', @args[0 .. ($#args > 2 ? 2 : $#args)]);

    return $code;
}


sub j {
    r(@_, '--json');

    my $answer = eval { decode_json($out) };

    Test::More::ok(defined $answer,
                   'JSON: ' . join ' ', grep { defined } @_[0, 1])
        or Test::More::diag($out, $err);

    return $answer;
}

1;
