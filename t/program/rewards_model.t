# protects: the slow plain model of rewards: lives of programs with sums worked
# out by hand, and a ledger that adds up after each fact of random streams

use strict;
use warnings;

use FindBin;

chdir "$FindBin::Bin/../.." or die "chdir: $!";

$ENV{PYTHONDONTWRITEBYTECODE} = 1;

exec 'python3', 't/lib/rewards_stories.py' or die "python3: $!";
