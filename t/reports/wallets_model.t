# protects: "ledger audit" finds nothing wrong with the entries of rewards that
# the engine makes of random programs and streams, and each one that is spoiled

use strict;
use warnings;

use FindBin;

chdir "$FindBin::Bin/../.." or die "chdir: $!";

$ENV{PYTHONDONTWRITEBYTECODE} = 1;

exec '/usr/bin/python3', 't/lib/rewards_audited.py' or die "python3: $!";
