# protects: what Redis has of rewards is what the plain model has of random
# programs and streams, and a replay has the same

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

$ENV{PYTHONDONTWRITEBYTECODE} = 1;

my $t = Referral->new;
my ($first, $last) = split /-/, $ENV{REWARDS_SEEDS} // '0-60';

is(system('/usr/bin/python3', "$FindBin::Bin/../lib/rewards_settled.py",
          $t->{redis_port}, $first, $last) >> 8, 0,
   "streams $first to $last");

$t->finish;
done_testing;
