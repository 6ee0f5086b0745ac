# protects: the code from what clang-tidy, cppcheck and mypy know to be wrong
#
# Runs under scripts/test --lint, for minutes.  What is looked for, and what
# is not, stands with its reasons in .clang-tidy; a single finding that is
# none stands here, with its own.

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/../lib";
use Sources qw(source sources includes);

plan skip_all => 'scripts/test --lint' unless $ENV{TEST_LINT};

chdir "$FindBin::Bin/../.." or die "chdir: $!";

# file, check, the line that it is found on, why it is none

my @none = (
    [source('ngx_http_referral_links.c'), 'clang-analyzer-core.NullDereference',
     'ngx_queue_remove(q);', 'the analyzer does not see that the head of a'
     . ' queue is the next one after it was removed'],
    [source('ngx_http_referral_redis.c'), 'clang-analyzer-unix.Malloc',
     'ngx_queue_remove(q);', 'the same'],
    [source('referral_segment.c'), 'bugprone-not-null-terminated-result',
     'memcpy(out, referral_segment_magic, 8);', 'eight bytes, no string'],
    [source('referral_code.c'), 'uninitvar',
     'if (n == strlen(glue[i]) && memcmp(name, glue[i], n) == 0) {',
     'n bytes of it are set'],
    [source('referral_code.c'), 'uninitvar',
     '&& (memcmp(name, "svg", 3) == 0', 'the loop before sets each byte'],
    [source('referral_signature.c'), 'bugprone-not-null-terminated-result',
     'memcpy(out, "v1,", 3);', 'three bytes, no string'],
    [source('ngx_http_referral_ask.c'), 'uninitvar',
     'while (depth && next[depth - 1] == array[depth - 1]->elements) {',
     'what is below depth is set'],
    [source('referral_geo.c'), 'misc-no-recursion', 'referral_geo_survey(',
     'as deep as REFERRAL_GEO_DEPTH'],
    (map { [source('referral_ledger_line.c'), 'misc-no-recursion',
            "referral_ledger_$_(", 'as deep as REFERRAL_REWARDS_CHAIN'] }
         qw(fits on is has backs upheld steps sum still)),
    [source('ngx_http_referral_click_check.c'), 'misc-no-recursion',
     'ngx_http_referral_find_location(', 'at nginx -t only, as deep as'
     . ' locations stand in each other'],
    [source('ngx_http_referral_click_check.c'), 'misc-no-recursion',
     'ngx_http_referral_find_static(', 'nginx\'s own tree of locations'],
    [source('referral_dump.c'), 'misc-redundant-expression',
     '|| !referral_dump_take(line, \']\'))', 'each takes a bracket'],
    ['tools/referral_journal_check.c', 'cert-err34-c',
     'if (sscanf(line, "%*s FLOCK', 'numbers of the kernel\'s own'],
);

my @sources = (sources('*.c'), glob 'tools/*.c');

my (%seen, %found);

lint('clang-tidy', 'xargs', '-P2', '-n1', 'clang-tidy', '--quiet',
     '-p', 'build');

lint('cppcheck', 'xargs', 'cppcheck', '--quiet', '-j2', '--std=c11',
     '--enable=warning,performance,portability', '--inconclusive',
     includes(), '-Ibuild/nginx/objs');

is(join("\n", sort keys %found), '', 'nothing is wrong');

# the command line; mypy.ini says what is asked

my $types = `mypy 2>&1`;

is($?, 0, 'mypy finds nothing') or diag($types);

for my $i (0 .. $#none) {
    ok($seen{$i}, "still found, and none: $none[$i][0]: $none[$i][1]");
}

done_testing;


sub lint {
    my ($name, @command) = @_;

    open my $list, '>', 'build/lint.list' or die "build/lint.list: $!";
    print $list map { "$_\n" } @sources;
    close $list;

    my @lines = `@command < build/lint.list 2>&1`;

    # 123: one of them found something

    ok($? >> 8 == 0 || $? >> 8 == 123, "$name runs") or diag(@lines);

    for my $line (@lines) {
        my ($file, $number, $what, $check) = $line =~
            m{^(?:\Q$ENV{PWD}\E/)?(\S+?):(\d+):\d+:\s
              (?:fatal\s)?(?:error|warning|performance|portability):\s
              (.*)\s\[([\w.,-]+)\]$}x
            or next;

        my ($i) = grep {
            $none[$_][0] eq $file && $none[$_][1] eq $check
                && index(text($file, $number), $none[$_][2]) == 0
        } 0 .. $#none;

        if (defined $i) {
            $seen{$i} = 1;

        } else {
            $found{"$file:$number: $what [$check]"} = 1;
        }
    }
}


sub text {
    my ($file, $number) = @_;

    open my $f, '<', $file or die "$file: $!";

    my @lines = <$f>;

    return $lines[$number - 1] =~ s/^\s+//r;
}
