# protects: output on a terminal: tables that fit it whatever they contain,
# headings above their values, and an output that cannot be written

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

use POSIX qw(strftime);

my $t = Referral->new;
my $dir = $t->dir;
my $script = "$Referral::ROOT/scripts/referral";

Referral::Cli->begin($t);

plan(skip_all => 'no script') if system('command -v script >/dev/null') != 0;

my $code = 'abcdefgh' x 8;
my $name = "\xe6\x84\x9b\xe5\xad\x90" x 20;
my @days = map { strftime '%Y-%m-%d', gmtime(time - 86400 * $_) } 1, 0;

$t->program('shop', landing => 'https://shop.example.com/' . 'x' x 90);
$t->program($_) for 'a', 'b' x 64;
$t->link('shop', $code, name => $name, referrer => 'r' x 64,
         landing => 'https://shop.example.com/' . 'y' x 90,
         ends => '2031-08-31');
$t->link('shop', 'kim2', name => 'Kim');
r('link', 'set', 'shop', $_, '--state', 'active') for $code, 'kim2';

my @totals = qw(clicks visitors raw missed duplicate bot preview prefetch head
                excluded no_consent);

$t->redis('HSET', "ref:stats:{$_}", map { $_ => 123456 } @totals)
    for 'a', 'b' x 64;
$t->redis('HSET', 'ref:stats:{shop}', clicks => 900, raw => 1000,
          'missed:ended' => 100, missed => 100, 'country:JP' => 300,
          'source:' . 's' x 60 . '.example.com' => 3);

for my $day (@days) {
    my $n = $day eq $days[0] ? 600 : 300;

    $t->redis('HSET', "ref:day:{shop}:$day", clicks => $n, raw => $n + 20,
              missed => 20, 'missed:ended' => 20, visitors => $n,
              'country:JP' => 75, 'country:DE' => $n - 75,
              'source:' . 's' x 60 . '.example.com' => 3);
    $t->redis('HSET', 'ref:days:{shop}', $day => $n);
    $t->redis('HSET', "ref:days:{shop}:$code", $day => $n);
}

$t->redis('ZADD', 'ref:board:{shop}:clicks', 600, $code, 300, 'kim2');

my %event = (
    type => 'click', code => $code, class => 'duplicate',
    result => 'not_started', country => 'SE', lang => 'zh-tw',
    device => 'desktop', os => 'chromeos', app => 'instagram',
    source => 's' x 60, channel => 'c' x 32, variant => 'v' x 32,
    landing_host => 'h' x 60, at => '2026-11-22T13:05:09Z',
);

$t->redis('XADD', 'ref:events:{shop}', '*', %event) for 1 .. 2;


# how many columns a line takes

sub columns {
    my ($line) = @_;

    utf8::decode($line);

    my $wide = () = $line =~ /[\x{1100}-\x{115f}\x{2e80}-\x{9fff}\x{ff00}-\x{ff60}]/g;

    return $wide + length $line;
}


sub terminal {
    my ($width, @args) = @_;

    my $args = join ' ', map { "'$_'" } @args;
    my $seen = `TERM=xterm script -qc "stty cols $width; $script $args" /dev/null </dev/null 2>&1`;

    $seen =~ s/\e\[[0-9;]*m//g;
    $seen =~ s/\r//g;

    return $seen;
}


for my $width (60, 80, 120) {

    # each command takes its time to start
    next if $width == 120 && !$ENV{TEST_SOAK};

    for my $command ([qw(link list shop)], [qw(stats)], [qw(stats shop)],
                     [qw(stats shop --by day)], [qw(stats shop --by country)],
                     [qw(stats shop --by day --by country)],
                     [qw(compare shop yesterday today)], [qw(top shop)],
                     [qw(tail shop --no-follow)], [qw(program list)],
                     [qw(referrer list shop)], [qw(audit shop)],
                     [qw(bots test curl/8.5.0 Mozilla)],
                     [qw(reset shop --dry-run --quiet)])
    {
        my $seen = terminal($width, @$command);
        my @wide = grep { columns($_) > $width } split /\n/, $seen;

        is("@wide", '', "$width columns are enough for @$command");
    }
}

my $seen = terminal(80, 'link', 'list', 'shop');

like($seen, qr/^abcdef\w*\x{e2}\x{80}\x{a6} /m, 'a long code is cut, and so it says');
is(scalar(() = $seen =~ /^\S/mg), 4, 'a line for each link');
like($seen, qr/ \d{4}-\d\d-\d\d /, 'of the time when it was made the day');
like($seen, qr/ 2031-08-31$/m, 'and a date as it is');
unlike($seen, qr/\bclicks\b/, 'what is nought everywhere is left out');
like(terminal(400, 'link', 'list', 'shop'), qr/clicks .*T\d\d:\d\d:\d\dZ/s,
     'where there is room it is there');

like(terminal(80, 'stats', 'shop', '--by', 'day'),
     qr/^$days[0] +600 .* (?:\x{e2}\x{96}\x{88})+$/m, 'with a short bar');
like(terminal(60, 'stats'), qr/too narrow for .*excluded/s,
     'what has no room is named');
unlike(terminal(60, 'stats', '--quiet'), qr/too narrow/, 'unless --quiet');
like(terminal(60, 'compare', 'shop', 'yesterday', 'today'),
     qr/^clicks by country +DE +525 +225 +-300/m, 'numbers and kinds are whole');


# in a pipe every column is there, as wide as it must be

is(r('link', 'list', 'shop'), 0, 'in a pipe');
like($out, qr/^$code .* \Q$name\E .*2031-08-31$/m, 'nothing is cut');

delete @event{qw(code source channel variant landing_host)};
$t->redis('XADD', 'ref:events:{shop}', '*', %event, code => 'kim2',
          source => 'line.me', channel => 'mail', variant => 'b',
          landing_host => 'shop.example.com');
is(r('tail', 'shop', '--no-follow', '-n', 1), 0, 'tail');

my ($head, $line) = split /\n/, $out;

is(index($head, $_->[0]), index($line, $_->[1]), "$_->[0] over its values")
    for [ 'country', 'SE' ], [ 'lang', 'zh-tw' ], [ 'device', 'desktop' ],
        [ 'os', 'chromeos' ], [ 'app', 'instagram' ], [ 'source', 'line.me' ],
        [ 'channel', 'mail' ], [ 'variant', 'b ' ],
        [ 'landing_host', 'shop.example' ];

# no control byte of an event moves the next column

$t->redis('XADD', 'ref:events:{shop}', '*', %event, code => "k\e[2J",
          source => "\xe6\x84\x9b");
r('tail', 'shop', '--no-follow', '-n', 1);
($head, $line) = split /\n/, $out;
is(index($head, 'class'), index($line, 'duplicate'), 'nor a code that is none');


# an answer that cannot be written, and one that is not read

for my $command (qw(--help --version), 'stats', 'stats shop --json',
                 'stats shop --by day', 'stats shop --by day --csv',
                 'link list shop', 'link export shop', 'link export --json shop',
                 'link show shop kim2', 'program list --csv',
                 'program set shop', 'top shop', 'compare shop yesterday today',
                 'tail shop --no-follow', 'tail shop --no-follow --json',
                 'audit shop', 'bots test x', 'link enable shop kim2')
{
    my $said = `$script $command 2>&1 >/dev/full; echo "rc \$?"`;

    like($said, qr/^nginx-referral:\ the\ answer\ cannot\ be\ written:
                   \ No\ space\ left\ on\ device\nrc\ 5\n\z/mx,
         "$command on a full disk");
    unlike($said, qr/Traceback|Exception|Errno/, 'in a sentence');
}

is(`$script $_ 2>&1 | true`, '', "$_ | head is quiet")
    for '--help', 'stats shop', 'tail shop --no-follow', 'link export shop';

is(`$script program show nope 2>/dev/full; echo \$?`, "1\n",
   'what is said may be lost, the exit code is not');
is(`$script link list nope --csv 2>/dev/full >&2; echo \$?`, "5\n",
   'nor when both are full');
is(`env -u PYTHONUNBUFFERED $script link rm shop kim2 nope 2>&1 >/dev/full; echo \$?`,
   "nginx-referral: program shop has no link nope; \"nginx-referral link list"
   . " shop\" shows what there is\nnginx-referral: the answer cannot be"
   . " written: No space left on device\n5\n", 'both are said');

SKIP: {
    my $disk = "$dir/disk";

    mkdir $disk;
    skip 'no mount', 2
        if system("mount -t tmpfs -o size=4k tmpfs $disk 2>/dev/null") != 0;

    $t->link('shop', "n$_", name => 'x' x 100) for 1 .. 100;

    is(r('link', 'export', 'shop', '-o', "$disk/out.csv"), 5,
       'an export to a full disk');
    like($err, qr/out\.csv cannot be written: No space .*nothing is left/,
         'says so');
    ok(!-e "$disk/out.csv", 'and leaves no half backup');
    system('umount', $disk);
}

done_testing;
