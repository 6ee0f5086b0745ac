# protects: time zones: every one of the system's, at every change and at many
# other moments, says what Python's zoneinfo says, which is another program

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/../lib";
use File::Temp qw(tempdir);
use Sources qw(includes sources);

chdir "$FindBin::Bin/../.." or die "chdir: $!";

my $dir = tempdir('referral-timezones-XXXXXX', TMPDIR => 1, CLEANUP => 1);

my @sources = grep { m{/referral_(?:timezone\w*|tzdata|time|str)\.c$} }
                   sources('referral_*.c');

is(system($ENV{CC} // 'cc', qw(-std=gnu11 -O2 -Wall -Wextra -Werror
          -D_FILE_OFFSET_BITS=64), includes(), '-o', "$dir/timezones",
          't/lib/timezones.c', @sources), 0, 'timezones.c compiles');

my $seed = $ENV{TEST_SEED} // int rand 1e9;

is(system("python3 t/lib/timezones.py $seed > $dir/right"), 0,
   'what zoneinfo says');

my ($same, $wrong) = compare("$dir/right");

cmp_ok($same, '>', 100_000, "the same at $same moments");
is($wrong, 0, 'nowhere another') or diag("TEST_SEED=$seed");

# a comparison that finds nothing would say the same

open my $f, '<', "$dir/right" or die "right: $!";
open my $o, '>', "$dir/wrong" or die "wrong: $!";

my (%kinds, %names);

while (<$f>) {
    my ($name, $kind, $at, $answer) = split;

    $names{$name} = 1;

    next if $kinds{$kind}++;

    $answer++;
    print $o "$name $kind $at $answer\n";
}

close $o or die "wrong: $!";

is(join(' ', sort keys %kinds), 'first last next offset',
   'all kinds of questions');
is_deeply([ compare("$dir/wrong") ], [ 0, 4 ], 'what is wrong is found');

my @names = split /\n/, `$dir/timezones names`;

is_deeply([ sort @names ], [ sort keys %names ], 'all names, and no other');

done_testing;


sub compare {
    my ($file) = @_;

    my $out = `$dir/timezones < $file`;

    diag($out) if $file =~ /right/ && $? != 0;

    return $out =~ /^(\d+) same, (\d+) wrong$/m;
}
