# protects: a dump leads to the same chains whatever compiler, and however much
# it optimized, made the settler: no result depends on undefined behaviour

use strict;
use warnings;

use FindBin;
use File::Temp qw(tempdir);
use Test::More;

use lib "$FindBin::Bin/../lib";
use Sources qw(sources includes);

chdir "$FindBin::Bin/../.." or die "chdir: $!";

$ENV{PYTHONDONTWRITEBYTECODE} = 1;

my @builds = grep { installed($_->[0]) }
             ([qw(gcc -O0)], [qw(gcc -O3)], [qw(clang -O2)]);
my $dir = tempdir(CLEANUP => 1);
my @pure = grep { m{/(core|program|rewards|ledger)/|referral_keys} }
           sources('referral_*.c');
my @settle = glob 'src/settle/*.c';

plan(skip_all => 'no compiler') if !@builds;

for my $script (qw(commit fact lease)) {
    is(system("auto/embed referral_${script}_lua src/settle/referral_$script.lua"
              . " > $dir/referral_${script}_lua.h"), 0, "the script $script");
}

my $dump = "$dir/shop.ndjson";

is(system("python3 t/lib/rewards_dump.py 60 > $dump"), 0, 'a dump');

my @children = map { build($_) } 0 .. $#builds;

waitpid($_, 0) for @children;

my $want = chains($ENV{TEST_SETTLE} // 'build/nginx-referral-settle');

like($want, qr/^position \d{3,}\nchain [0-9a-f]{64}\nrewards_chain [0-9a-f]{64}$/m,
     'what it leads to');

for my $k (0 .. $#builds) {
    is(chains("$dir/settle$k"), $want, "the same by @{$builds[$k]}");
}

done_testing;


sub installed {
    my ($name) = @_;

    return scalar grep { -x "$_/$name" } split /:/, $ENV{PATH};
}


# a compiler runs beside the others

sub build {
    my ($k) = @_;

    my $pid = fork // die "fork: $!";

    return $pid if $pid;

    exec @{$builds[$k]}, qw(-std=gnu11 -D_FILE_OFFSET_BITS=64), includes(),
         "-I$dir", '-o', "$dir/settle$k", @settle, @pure,
         qw(-lhiredis -lcrypto)
        or die "$builds[$k][0]: $!";
}


sub chains {
    my ($settle) = @_;

    return qx($settle --replay $dump --chains --program shop 2>$dir/log);
}
