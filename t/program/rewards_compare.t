# protects: the engine decides on rewards as the slow plain model does: each
# entry, flag, notice and balance of random programs and streams

use strict;
use warnings;

use FindBin;

chdir "$FindBin::Bin/../.." or die "chdir: $!";

$ENV{PYTHONDONTWRITEBYTECODE} = 1;

exec 'python3', 't/lib/rewards_compare.py' or die "python3: $!";
