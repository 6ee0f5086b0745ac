# protects: the files that do not know nginx, each by its test in t/unit/, once
# with AddressSanitizer and UBSan, once under valgrind

use strict;
use warnings;

use FindBin;
use POSIX ();
use Test::More;

use lib "$FindBin::Bin/../lib";
use Sources qw(sources includes);

chdir "$FindBin::Bin/../.." or die "chdir: $!";

my $cc = $ENV{CC} // 'gcc';
my @common = (qw(-std=gnu11 -D_FILE_OFFSET_BITS=64 -g -Wall -Wextra -Werror
                -It/unit -Ibuild/unit), includes());
my @only = split ' ', $ENV{TEST_UNIT} // '';

# a file of src/ by its name

my %path = map { m{([^/]+)$} => $_ } sources('*.c', '*.lua');

my @all = map { m{test_(\w+)\.c$} } sort glob 't/unit/test_*.c';
my @names = @only ? @only : @all;

my ($cores) = `nproc` =~ /(\d+)/;
my $valgrind = grep { -x "$_/valgrind" } split /:/, $ENV{PATH};

my %flags = (
    sanitizers => '-O1 -fsanitize=address,undefined -fno-sanitize-recover',
    valgrind   => '-O2',
);

my @kinds = ('sanitizers', $valgrind ? 'valgrind' : ());

ok(@names > 0, 'there are unit tests');

my %made = make();

# as many at a time as there are cores

my @jobs = map { my $name = $_; map { [ $name, $_ ] } @kinds } @names;
my (%running, %status);

for my $job (grep { $made{"@$_"} } @jobs) {
    reap() if keys %running >= $cores;

    $running{ start(@$job) } = "@$job";
}

reap() while %running;

for my $name (@names) {
    for my $kind ('sanitizers', 'valgrind') {
        SKIP: {
            skip 'no valgrind', 1 if $kind eq 'valgrind' && !$valgrind;

            subtest "$name, $kind" => sub { check($name, $kind) };
        }
    }
}

# both halves of the module share structures with an off_t: on 32 bits a build
# that leaves nginx's size of it out must not come about

SKIP: {
    my $probe = `echo '#include <sys/types.h>' | $cc -m32 -xc -fsyntax-only - 2>&1`;

    skip 'no headers of 32 bits', 1 if $? != 0;

    subtest '32 bits' => sub {
        my @sources = grep { !/_(?:address|chain|command|cookie|digest|geo|id|intake_json)\.c$/ }
                           sources('referral_*.c');
        my @compile = ($cc, '-m32', '-fsyntax-only', @common);
        my $output = `@compile @sources 2>&1`;

        is($?, 0, 'all files without a library compile') or diag($output);

        my @without = grep { !/_FILE_OFFSET_BITS/ } @compile;

        for my $source (grep { /journal/ } @sources) {
            $output = `@without $source 2>&1`;

            isnt($?, 0, "$source does not without the size of off_t");
        }
    };
}

done_testing;


sub binary { "build/unit/$_[1]/test_$_[0]" }


# Builds all that is older than its sources; each of them once for each kind,
# however many tests link it.

sub make {
    my @embedded = (
        map({ [ m{([^/]+)\.lua$} && "$1_lua", $_ ] } sources('*.lua')),
        [ 'referral_bots_list', 'conf/bots.list' ],
    );

    my $rules = ".DELETE_ON_ERROR:\n";

    for my $header (@embedded) {
        my ($name, $file) = @$header;

        $rules .= "build/unit/$name.h: $file auto/embed\n"
                . "\tsh auto/embed $name $file > \$@\n";
    }

    for my $kind (@kinds) {
        my %objects;

        system('mkdir', '-p', "build/unit/$kind") == 0 or die 'mkdir';

        for my $name (@all) {
            my ($sources, $libraries) = links("t/unit/test_$name.c") or next;
            my @objects;

            for my $source ("t/unit/test_$name.c", @$sources) {
                my ($object) = $source =~ m{([^/]+)\.c$};

                push @objects, "build/unit/$kind/$object.o";
                $objects{$objects[-1]} = $source;
            }

            $rules .= binary($name, $kind) . ": @objects\n"
                    . "\t$cc $flags{$kind} -o \$@ @objects @$libraries\n";
        }

        for my $object (sort keys %objects) {
            my $source = $objects{$object};
            my $headers = $object =~ s/o$/d/r;

            # a source that was moved: the old path would be missed

            unlink $object, $headers
                if -e $headers && read_file($headers) !~ / \Q$source\E\b/;

            $rules .= "$object: $source build/unit/flags |"
                    . join('', map { " build/unit/$_->[0].h" } @embedded)
                    . "\n\t$cc @common $flags{$kind} -MMD -MP -c -o \$@"
                    . " $source\n-include $headers\n";
        }
    }

    # flags that changed are a reason to compile, a new test is none

    my $flags = join ' ', $cc, @common, %flags{@kinds};

    write_file('build/unit/flags', $flags)
        if !-e 'build/unit/flags' || read_file('build/unit/flags') ne $flags;

    write_file('build/unit/Makefile', $rules);

    my @make = ('make', '-s', '-f', 'build/unit/Makefile');
    my @binaries = map { my $name = $_; map { binary($name, $_) } @kinds }
                       @names;

    system("@make -k -j$cores @binaries > build/unit/make.log 2>&1");

    my %made;

    for my $name (@names) {
        for my $kind (@kinds) {
            my $binary = binary($name, $kind);

            $made{"$name $kind"} = system("@make -q $binary > /dev/null 2>&1")
                                   == 0;
        }
    }

    return %made;
}


# what the first line of a test says that it links: sources and libraries

sub links {
    my ($test) = @_;

    my ($line) = read_file($test) =~ m{\A/\* link: (.*?) \*/\n}
        or return;

    my @words = split ' ', $line;

    my @libraries = grep { /^-/ } @words;
    my @sources = map { $path{$_} // die "src/ has no $_\n" }
                  grep { !/^-/ } @words;

    return (\@sources, \@libraries);
}


sub read_file {
    my ($path) = @_;

    open my $f, '<', $path or die "$path: $!";
    local $/;

    return scalar(<$f>) // '';
}


sub write_file {
    my ($path, $text) = @_;

    open my $f, '>', $path or die "$path: $!";
    print $f $text;
    close $f or die "$path: $!";
}


sub start {
    my ($name, $kind) = @_;

    my $binary = binary($name, $kind);
    my @command = "./$binary";

    unshift @command, 'valgrind', '--quiet', '--error-exitcode=99',
                      '--leak-check=full',
                      '--errors-for-leak-kinds=definite', '--track-fds=no'
        if $kind eq 'valgrind';

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        $ENV{ASAN_OPTIONS} = 'detect_leaks=1:strict_string_checks=1';
        $ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';
        $ENV{UNIT_VALGRIND} = 1 if $kind eq 'valgrind';

        open STDOUT, '>', "$binary.out";
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    return $pid;
}


sub reap {
    my $pid = waitpid -1, 0;

    die "wait: $!" if $pid < 0;

    my $job = delete $running{$pid};

    $status{$job} = $? if defined $job;
}


# its TAP becomes ours

sub check {
    my ($name, $kind) = @_;

    my $test = "t/unit/test_$name.c";

    ok(links($test), "$test says in its first line what it links") or return;

    if (!$made{"$name $kind"}) {
        fail("$test compiles without a warning");
        diag(read_file('build/unit/make.log'));
        return;
    }

    pass("$test compiles without a warning");

    my ($count, $plan, @rest) = (0, -1);

    for my $line (split /\n/, read_file(binary($name, $kind) . '.out')) {
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

    my $ok = ok($plan == $count, "ran all its checks ($count)");
    $ok &= is($status{"$name $kind"}, 0, 'ends well');

    diag(join "\n", @rest) if !$ok && @rest;
}
