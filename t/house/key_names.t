# protects: the module and the command line give each key in Redis the same name

use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use Test::More;

use lib "$FindBin::Bin/../lib";
use Sources qw(source includes);

chdir "$FindBin::Bin/../.." or die "chdir: $!";

my ($prefix, $program, $suffix) = ('app1:', 'shop.jp', 'SUFFIX');

# referral_key_e, and the same in Keys of store/keys.py

my %same = (
    JOURNALS        => 'keys.journals',
    ERRORS          => 'keys.errors',
    FORGOTTEN       => 'keys.forgotten',
    LINK            => 'keys.link(suffix)',
    STATS           => 'keys.stats()',
    STATS_LINK      => 'keys.stats(suffix)',
    DAY             => 'keys.day(suffix)',
    DAYS            => 'keys.days()',
    DAYS_LINK       => 'keys.days(suffix)',
    HOURS           => 'keys.hours',
    BOARD           => 'keys.board_clicks()',
    BOARD_DAY       => 'keys.board_clicks(suffix)',
    REFERRERS       => 'keys.board_referrers()',
    REFERRERS_MONTH => 'keys.board_referrers(suffix)',
    VISITORS        => 'keys.visitors(suffix)',
    ADDRESSES       => 'keys.addresses(suffix)',
    CLICKS          => 'keys.clicks(suffix)',
    EVENTS          => 'keys.events',
    PROGRAM         => 'keys.program',
    REFERRER        => 'keys.referrer(suffix)',
    CONVERSIONS     => 'keys.conversions',
    IDS             => 'keys.ids(suffix)',
    PERSON          => 'keys.person',
    NAMES           => 'keys.names',
    REJECTS         => 'keys.rejects',
    SEED            => 'keys.seed',
    KNOWN           => 'keys.known(suffix)',
    CLAIMED         => 'keys.claimed(suffix)',
    SETTLED         => 'keys.settled',
);

my @module = qw(SALT);                      # in the module only
my @cli = qw(links referrer_links reset);   # in the command line only

# what the settler writes

my @settled = qw(friend order rules days_of cohort progress board board_people
                 ledger payouts reward review wallet wallet_entries wallets due outbox);

# of webhooks

my @hooks = qw(outbox_marks hooks hook hook_retry hook_tries hook_dead hook_secret);

my $dir = tempdir(CLEANUP => 1);
my $cc = $ENV{CC} // 'gcc';

is(system($cc, qw(-std=gnu11 -Wall -Wextra -Werror -D_FILE_OFFSET_BITS=64),
          includes(), '-o', "$dir/tool", 't/unit/keys_tool.c',
          source('referral_keys.c')),
   0, 'the names of the module compile');

my %module = map { chomp; split /\t/, $_, 2 }
             run("$dir/tool", $prefix, $program, $suffix);

is_deeply([ sort keys %module ], [ sort keys %same, @module ],
          'each key of the module has one in the command line, or is named');

my %cli = map { chomp; split /\t/, $_, 2 }
          run('python3', '-c', <<'END', $prefix, $program, $suffix, %same);
import sys
from nginx_referral.store.keys import DEFAULT_PREFIX, Keys
prefix, program, suffix, *same = sys.argv[1:]
keys = Keys(prefix, program)
for name, key in zip(same[::2], same[1::2]):
    print(name, eval(key), sep="\t")
print("default", DEFAULT_PREFIX, sep="\t")
print("members", *sorted(name for name in vars(Keys) if name[0] != "_"
                         and name not in ("prefix", "program_name")), sep="\t")
END

is($cli{$_}, $module{$_}, "$_: $module{$_}") for sort keys %same;

my %members = map { $_ => 1 } @cli, @settled, @hooks, map { /^keys\.(\w+)/ } values %same;

is_deeply([ split /\t/, $cli{members} ], [ sort keys %members ],
          'each key of the command line is one of the module, or is named');

open my $f, '<', source('referral_keys.h') or die "referral_keys.h: $!";

like(join('', <$f>), qr/REFERRAL_KEY_PREFIX\s+"\Q$cli{default}\E"/,
     'one default of the prefix');

done_testing;


sub run {
    my (@command) = @_;

    local $ENV{PYTHONPATH} = 'scripts';
    local $ENV{PYTHONDONTWRITEBYTECODE} = 1;

    open my $pipe, '-|', @command or die "$command[0]: $!";
    my @lines = <$pipe>;
    close $pipe or die "$command[0] failed\n";

    return @lines;
}
