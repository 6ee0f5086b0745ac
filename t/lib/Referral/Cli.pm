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
use JSON::PP;
use POSIX ();
use Test::More ();

our @EXPORT = qw(r j $out $err $stdin);
our ($out, $err, $stdin);

my $t;


sub begin {
    (my $class, $t) = @_;

    $ENV{REFERRAL_REDIS} = "unix://$t->{redis_socket}";
    $ENV{PYTHONPYCACHEPREFIX} = "$t->{dir}/pycache";
    delete @ENV{qw(REFERRAL_PREFIX REFERRAL_PASSWORD REFERRAL_PASSWORD_FILE
                   REFERRAL_CASE_SENSITIVE REFERRAL_UTC_OFFSET
                   PYTHONDONTWRITEBYTECODE)};
}


sub r {
    my @args = @_;

    my $in = $t->write_file('cli.in', $stdin // '');
    undef $stdin;

    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDIN, '<', $in;
        open STDOUT, '>', "$t->{dir}/cli.out";
        open STDERR, '>', "$t->{dir}/cli.err";
        exec "$Referral::ROOT/scripts/referral", @args or POSIX::_exit(127);
    }

    waitpid $pid, 0;

    my $code = $? & 127 ? "signal $?" : $? >> 8;

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
