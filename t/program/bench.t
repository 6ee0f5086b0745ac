# protects: scripts/bench --program: it runs, and each of its figures is one

use strict;
use warnings;

use FindBin;
use Test::More;

use JSON::PP;

# what it loads nginx with is no package of the tests

plan skip_all => 'wrk is not installed'
    if !grep { -x "$_/wrk" } split /:/, $ENV{PATH};

chdir "$FindBin::Bin/../.." or die "chdir: $!";

my $file = "/tmp/referral-bench-$$.json";

is(system('/usr/bin/python3', '-B', '-m', 'bench', '--program', '--quick',
          '--json', $file), 0, 'it runs');

open my $f, '<', $file or die "$file: $!";
my $figures = decode_json(do { local $/; <$f> });
unlink $file;

is(scalar @$figures, 20, 'figures');

for my $one (@$figures) {
    # a sale may be counted before its answer has arrived

    ok($one->{value} >= 0 && $one->{n} > 0, "$one->{name}: $one->{value}");
}

done_testing;
