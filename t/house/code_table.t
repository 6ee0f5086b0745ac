# protects: the module's table of characters around a code is what auto/codes
# makes of the Unicode Character Database

use strict;
use warnings;

use FindBin;
use Test::More;

chdir "$FindBin::Bin/../.." or die "chdir: $!";

open my $f, '<', 'src/core/referral_code_table.h' or die "table: $!";
my $table = do { local $/; <$f> };

my ($wanted) = $table =~ /^ \* ([0-9.]+)\.$/m;

ok($wanted, 'the table says which Unicode it is of');

chomp(my $version = `python3 -c 'import unicodedata as u
print(u.unidata_version)'`);

SKIP: {
    skip "python3 has Unicode $version, the table $wanted", 1
        if $version ne $wanted;

    is(scalar(`python3 auto/codes`), $table, 'it is what auto/codes writes');
}

my $last = -1;
my @wrong;

while ($table =~ /\{ 0x(\w+), 0x(\w+),/g) {
    push @wrong, $1 if hex $1 <= $last || hex $2 < hex $1;
    $last = hex $2;
}

is("@wrong", '', 'ranges in their order, for who searches by halves');

done_testing;
