# protects: the rooms that know nothing of nginx, each by its test in t/unit/,
# once with AddressSanitizer and UBSan, once under valgrind

use strict;
use warnings;

use FindBin;
use List::Util qw(max);
use Test::More;

use lib "$FindBin::Bin/../lib";
use Sources qw(source sources includes);

chdir "$FindBin::Bin/../.." or die "chdir: $!";

my $cc = $ENV{CC} // 'gcc';
my @common = (qw(-std=gnu11 -D_FILE_OFFSET_BITS=64 -g -Wall -Wextra -Werror
                -It/unit -Ibuild/unit), includes());
my @only = split ' ', $ENV{TEST_UNIT} // '';

my @tests = @only ? map { "t/unit/test_$_.c" } @only
                  : sort glob 't/unit/test_*.c';

system('mkdir', '-p', 'build/unit') == 0 or die;

# the script that Redis runs and the list of bots, as the build makes them

system('sh auto/embed referral_click_lua ' . source('referral_click.lua')
       . ' > build/unit/referral_click_lua.h') == 0 or die;
system('sh auto/embed referral_bots_list conf/bots.list'
       . ' > build/unit/referral_bots_list.h') == 0 or die;

my $newest = max map { (stat $_)[9] }
                     sources('*.[ch]', '*.lua'),
                     glob('conf/bots.list t/unit/* t/lib/*.pl t/lib/*.h');

my $valgrind = grep { -x "$_/valgrind" } split /:/, $ENV{PATH};

ok(@tests > 0, 'there are unit tests');

for my $test (@tests) {
    my ($name) = $test =~ m{test_(\w+)\.c$} or die "$test?";

    subtest "$name, sanitizers" => sub {
        my $binary = build($test, "build/unit/$name.asan", '-O1',
                           '-fsanitize=address,undefined',
                           '-fno-sanitize-recover')
            or return;

        run($binary);
    };

    SKIP: {
        skip 'no valgrind', 1 unless $valgrind;

        subtest "$name, valgrind" => sub {
            my $binary = build($test, "build/unit/$name", '-O2') or return;

            local $ENV{UNIT_VALGRIND} = 1;

            run('valgrind', '--quiet', '--error-exitcode=99',
                '--leak-check=full', '--errors-for-leak-kinds=definite',
                '--track-fds=no', "./$binary");
        };
    }
}

# both halves of the module share structures with an off_t: on 32 bits a build
# that leaves nginx's size of it out must not come about

SKIP: {
    my $probe = `echo '#include <sys/types.h>' | $cc -m32 -xc -fsyntax-only - 2>&1`;

    skip 'no headers of 32 bits', 1 if $? != 0;

    subtest '32 bits' => sub {
        my @sources = grep { !/_(?:address|batch_command|cookie|geo|id)\.c$/ }
                           sources('referral_*.c');
        my @compile = ($cc, '-m32', '-fsyntax-only', @common);
        my $output = `@compile @sources 2>&1`;

        is($?, 0, 'all rooms without a library compile') or diag($output);

        my @without = grep { !/_FILE_OFFSET_BITS/ } @compile;

        for my $source (grep { /journal/ } @sources) {
            $output = `@without $source 2>&1`;

            isnt($?, 0, "$source does not without the size of off_t");
        }
    };
}

done_testing;


sub build {
    my ($test, $binary, @flags) = @_;

    open my $f, '<', $test or die "$test: $!";
    my $line = <$f>;

    if ($line !~ m{^/\* link: (.*?) \*/$}) {
        fail("$test says in its first line what it links");
        return;
    }

    my @words = split ' ', $1;
    my @sources = map { source($_) } grep { !/^-/ } @words;
    my @libraries = grep { /^-/ } @words;

    if (-e $binary && (stat $binary)[9] > $newest) {
        pass("$binary is up to date");
        return $binary;
    }

    my @command = ($cc, @common, @flags, $test, @sources, @libraries,
                   '-o', "$binary.new");

    my $output = `@command 2>&1`;

    if ($? != 0) {
        fail("$test compiles without a warning");
        diag("@command\n$output");
        return;
    }

    rename "$binary.new", $binary or die "rename: $!";
    pass("$test compiles without a warning");

    return $binary;
}


# its TAP becomes ours

sub run {
    my (@command) = @_;

    local $ENV{ASAN_OPTIONS} = 'detect_leaks=1:strict_string_checks=1';
    local $ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';

    my $pid = open(my $out, '-|') // die "fork: $!";

    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec @command;
        die "exec $command[0]: $!";
    }

    my ($count, $plan, @rest) = (0, -1);

    while (my $line = <$out>) {
        chomp $line;

        if ($line =~ /^ok \d+/) {
            $count++;

        } elsif ($line =~ /^not ok \d+ - (.*)/) {
            $count++;
            fail($1);

        } elsif ($line =~ /^1\.\.(\d+)/) {
            $plan = $1;

        } else {
            push @rest, $line;
        }
    }

    close $out;

    my $status = $?;

    my $ok = ok($plan == $count, "ran all its checks ($count)");
    $ok &= is($status, 0, 'ends well');

    diag(join "\n", @rest) if !$ok && @rest;
}
