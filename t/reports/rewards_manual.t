# protects: the manual's texts of reward rules give what it shows, the ledger is
# computed by hand as it says, and its words are those of the engine

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Referral;

my $root = $Referral::ROOT;
my $t = Referral->new;
my $dir = $t->dir;

my %page = map { $_ => slurp("$root/docs/$_.md") } qw(rewards ledger);

mkdir "$dir/$_" for qw(bin work);

symlink "$root/$_", "$dir/work/$_" for qw(scripts conf build);
symlink "$root/scripts/referral", "$dir/bin/nginx-referral";

my ($cli) = grep { -x } map { "/usr/bin/$_-cli" } qw(redis valkey);

$t->write_file('bin/redis-cli', "#!/bin/sh\nexec $cli -p $t->{redis_port}"
               . " \"\$\@\"\n", 0755);

delete @ENV{qw(REFERRAL_TIMEZONE REFERRAL_UTC_OFFSET REFERRAL_TOOLS)};

$ENV{PATH} = "$dir/bin:$ENV{PATH}";


# --- texts, lists of events, and what comes of them ---

my %steps;

for my $page (sort keys %page) {
    for my $block (blocks($page{$page})) {
        my ($language, $file, $text) = @$block;

        if ($file) {
            like($file, qr/^\w+\.(?:rules|csv)$/, "$file: a file of the page");
            ok(!-e "$dir/work/$file", "$page: $file: its only one");
            $t->write_file("work/$file", encoded($text));
            next;
        }

        next if $language ne 'console';

        my @commands = $text =~ /^\$ (.*)$/mg;
        my $shown = join '', map { "\$ $_\n" . run($_) } @commands;

        $shown =~ s/[ \t]+$//mg;

        is($shown, $text, "$page: @commands");
        $steps{$page}++;
    }
}

cmp_ok($steps{rewards}, '>=', 12, 'rewards: steps');
cmp_ok($steps{ledger}, '>=', 1, 'ledger: its example');

like($page{rewards}, qr/^## $_\. /m, "rewards: step $_") for 1 .. 10;


# --- the words of the ledger ---

my $engine = join "\n", map { slurp($_) } glob "$root/src/ledger/*.c";

my %why = map { $_ => 1 } $engine =~
    /^\s+referral_ledger_(?:move|pay|release)\([^;{]*"(\w+)"[^;{]*\);/mg;
my %flag = map { $_ => 1 } $engine =~ /referral_ledger_flag\(l, "(\w+)"\)/g;

my ($section) = $page{ledger} =~ /^## Why\n(.*?)^## /ms;
my ($facts) = $page{ledger} =~ /^## From facts to entries\n(.*?)^## /ms;

is_deeply([ sort $section =~ /^\| `(\w+)` \|/mg ], [ sort keys %why ],
          'each why of the engine has its row, and none is made up');

cmp_ok(scalar(keys %why), '>=', 16, 'whys');

like($facts, qr/`$_`/, "$_: which fact causes it") for sort keys %why;
like($facts, qr/`$_`/, "$_: a flag") for sort keys %flag;

cmp_ok(scalar(keys %flag), '>=', 3, 'flags');


# --- by hand ---

$t->redis_start;

load();

my @shell = map { $_->[2] } grep { $_->[0] eq 'sh' } blocks($page{ledger});
my %silent;

cmp_ok(scalar(@shell), '>=', 12, 'commands for an auditor');

for my $block (@shell) {
    my ($before) = $page{ledger} =~ /([^\n]*\n[^\n]*)\n\n```sh\n\Q$block\E/;
    my ($name) = $page{ledger} =~ /.*\*\*(A\d+)\..*?```sh\n\Q$block\E/s;
    my $out = run($block);

    $name //= ($block =~ /(\S+)/)[0];

    is($? >> 8, 0, "$name: runs") or diag($out);
    unlike($out, qr/error|WRONGTYPE|ERR /i, "$name: without an error");

    $before =~ tr/\n/ /;

    if ($before =~ /prints? nothing|second nothing/i) {
        is($out =~ s/^(\d+)-0\n\g1\n//r, '', "$name: of a right ledger nothing");
        $silent{$name} = $block;
    }
}

is(run($shell[0]), "EUR:available\n200\nEUR:spent\n800\nEUR:cancelled\n1000\n"
                   . "EUR:budget\n-2000\n", 'liability');

my ($sums) = map { run($_) } grep { /budget\$/ } @shell;

is($sums, join('', map { "$_\n" } $page{ledger} =~ /`(2 EUR:\w+ \d+)`/g),
   'the sums that the manual says');

my ($caps) = map { run($_) } grep { /most/ } @shell;

is($caps, "2 1000\n", 'the most that a referrer had');


# each of them says something of a ledger that is wrong

my @pairs = $t->redis('XRANGE', 'ref:ledger:{shop}', '2-0', '2-0')->[0][1]->@*;
my %wrong = (@pairs, from => 'spent', to => 'expired', amount => 9000);

$t->redis('XADD', 'ref:ledger:{shop}', '90-1', map { $_ => $wrong{$_} }
          @pairs[ map { 2 * $_ } 0 .. $#pairs / 2 ]);
$t->redis('XADD', 'ref:ledger:{shop}', '90-2', @pairs);
$t->redis('XADD', 'ref:ledger:{shop}', '90-3', map { $_ => $wrong{$_} }
          @pairs[ map { 2 * $_ } 0 .. $#pairs / 2 ]);

%wrong = (@pairs, from => 'available', to => 'reserved', amount => 9000,
          why => 'reserve');

$t->redis('XADD', 'ref:ledger:{shop}', '90-4', map { $_ => $wrong{$_} }
          @pairs[ map { 2 * $_ } 0 .. $#pairs / 2 ]);

$t->redis('HSET', "ref:reward:{shop}:$wrong{reward}", spent => 77,
          granted => 9000, friend => 3);

my ($table) = grep { /> ledger\.tsv/ } @shell;

run($table);

isnt(run($silent{$_}) =~ s/^\d+-0\n\d+\n//r, '', "$_: of a wrong one something")
    for sort keys %silent;

is(join(' ', sort keys %silent), 'A1 A11 A4 A5 A8 A9', 'those that are silent');

done_testing;


# the example as the settler writes it

sub load {
    my $decided = `cd $root/scripts && PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 - $dir/work/books 2>&1 <<'END'
import json, sys
from datetime import timezone
from nginx_referral.cli.rewards_try import decide
from nginx_referral.store.try_events import Facts, dump, read_events
from nginx_referral.store.zone import offset_zone
from nginx_referral.text.input import open_input

facts = Facts(open(sys.argv[1] + '.rules').read(), offset_zone(0), ())

with open_input(sys.argv[1] + '.csv') as file:
    stream = dump(facts.all(read_events(file), '2027-02-01'))

print(json.dumps([[json.loads(line) for line in stream.splitlines()],
                  decide(stream, facts.events)]))
END`;

    my ($facts, $lines) = eval { decode_json($decided)->@* }
        or die "no entries: $decided";

    $t->redis('XADD', 'ref:conversions:{shop}', $_->[0], $_->[1]->@*)
        for @$facts;

    my (%sum, %reward, %friend);

    for my $e (grep { $_->{id} } @$lines) {
        $t->redis('XADD', 'ref:ledger:{shop}', $e->{id}, map { $_ => $e->{$_}
                  // '' } qw(reward owner unit from to amount rule version at
                             due expires why));
        $t->redis('ZADD', "ref:wallet:{shop}:$e->{owner}:entries",
                  $e->{id} =~ /^(\d+)/, $e->{id});

        $friend{ $e->{reward} } //=
            { $facts->[($e->{id} =~ /^(\d+)/)[0] - 1][1]->@* }->{friend};

        $reward{ $e->{reward} }{ $e->{from} } -= $e->{amount};
        $reward{ $e->{reward} }{ $e->{to} } += $e->{amount};
        $sum{ $e->{unit} }{ $e->{from} } -= $e->{amount};
        $sum{ $e->{unit} }{ $e->{to} } += $e->{amount};
    }

    for my $id (keys %reward) {
        my $sums = $reward{$id};

        $t->redis('HSET', "ref:reward:{shop}:$id", side => 'referrer',
                  granted => -$sums->{budget}, friend => $friend{$id},
                  map { $_ => $sums->{$_} // 0 }
                  qw(pending available reserved spent expired cancelled));
    }

    for my $unit (keys %sum) {
        $t->redis('HSET', 'ref:wallet:{shop}', "$unit:$_", $sum{$unit}{$_})
            for grep { $sum{$unit}{$_} } qw(available spent cancelled budget);
    }

    $t->redis('HSET', 'ref:person:{shop}', bruno => 1, aiko => 2);
}


# a command of the page, and all that it says

sub run {
    my ($command) = @_;

    $t->write_file('command.sh', encoded($command));

    my $out = `cd $dir/work && sh ../command.sh 2>&1`;

    utf8::decode($out);

    return $out;
}


# language, name of a file if it has one, text

sub blocks {
    my ($text) = @_;

    my @blocks;

    while ($text =~ /^```(\w+)(?: (\S+))?\n(.*?)^```$/msg) {
        push @blocks, [ $1, $2, $3 ];
    }

    return @blocks;
}


sub slurp {
    my ($file) = @_;

    open my $f, '<:encoding(UTF-8)', $file or die "$file: $!";
    local $/;

    return scalar <$f>;
}


sub encoded {
    my ($text) = @_;

    utf8::encode($text);

    return $text;
}
