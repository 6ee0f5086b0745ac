# protects: each file that reads foreign bytes, by its libFuzzer target in
# t/fuzz/, with AddressSanitizer and UBSan
#
# Runs under scripts/test --fuzz.  FUZZ_SECONDS: how long each (30); FUZZ:
# which ("cookie geo").  What was found before lies in build/fuzz/corpus/ and
# is where the next run begins.

use strict;
use warnings;

use FindBin;
use List::Util qw(max);
use Test::More;

use lib "$FindBin::Bin/../lib";
use Sources qw(source sources);

plan skip_all => 'scripts/test --fuzz' unless $ENV{TEST_FUZZ};

chdir "$FindBin::Bin/../.." or die "chdir: $!";

my $seconds = $ENV{FUZZ_SECONDS} // 30;
my $dir = 'build/fuzz';

my @targets = split ' ', $ENV{FUZZ} // '';

@targets = map { m{fuzz_(\w+)\.c$} } sort glob 't/fuzz/fuzz_*.c' if !@targets;

# what scripts/build told the compiler, and the sanitizers

open my $f, '<', 'build/compile_flags.txt' or die "scripts/build first: $!";
chomp(my @flags = <$f>);

push @flags, '-fsanitize=fuzzer,address,undefined',
     qw(-fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1 -Werror
        -It/fuzz);

system('mkdir', '-p', $dir) == 0 or die;

my $newest = max map { (stat $_)[9] }
                     sources('*.[ch]', '*.lua'),
                     glob('conf/bots.list t/fuzz/*.[ch] t/lib/*.h');

$ENV{LSAN_OPTIONS} = 'suppressions=t/fuzz/lsan.supp:print_suppressions=0';
$ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';

for my $target (@targets) {
    subtest $target => sub { fuzz($target) };
}

done_testing;


sub fuzz {
    my ($target) = @_;

    my $source = "t/fuzz/fuzz_$target.c";
    my $binary = "$dir/$target";
    my $seeds = "$dir/seeds/$target";
    my $corpus = "$dir/corpus/$target";
    my $log = "$dir/$target.log";

    open my $f, '<', $source or die "$source: $!";

    if (<$f> !~ m{^/\* link: (.*?) \*/$}) {
        fail("$source says in its first line what it links");
        return;
    }

    my @words = split ' ', $1;

    # where there is no static one

    @words = map { $_ eq '-l:libhiredis.a'
                   && !glob('/usr/lib/*/libhiredis.a') ? '-lhiredis' : $_ }
             @words;

    if (!-e $binary || (stat $binary)[9] < $newest) {
        my @command = ('clang', @flags, $source,
                       (map { source($_) } grep { !/^-/ } @words),
                       (grep { /^-/ } @words), '-o', "$binary.new");

        my $output = `@command 2>&1`;

        if ($? != 0) {
            fail("$source compiles without a warning");
            diag("@command\n$output");
            return;
        }

        rename "$binary.new", $binary or die "rename: $!";
    }

    system('mkdir', '-p', $seeds, $corpus) == 0 or die;

    {
        local $ENV{FUZZ_SEEDS} = $seeds;
        is(system("./$binary"), 0, 'writes its seeds');
    }

    if ($target eq 'geo') {
        is(system($^X, 't/lib/mmdb.pl', $seeds), 0, 'databases as seeds');
    }

    my $status = system("./$binary -max_total_time=$seconds -timeout=10"
                        . " -rss_limit_mb=2048 -print_final_stats=1"
                        . " -artifact_prefix=$dir/found-$target-"
                        . " $corpus $seeds > $log 2>&1");

    open my $out, '<', $log or die "$log: $!";
    my @lines = <$out>;

    my ($runs) = map { /number_of_executed_units: (\d+)/ } @lines;

    if (!is($status, 0, ($runs // 'no') . " executions in $seconds s")) {
        diag(grep { !/^#\d+\s+(?:NEW|REDUCE|pulse|RELOAD)/ } @lines);
        return;
    }

    cmp_ok($runs, '>', 0, 'it ran');
    diag("$target: $runs executions");
}
