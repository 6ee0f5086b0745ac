# protects: what operators see of the journal, that reading it changes
# nothing, and that counts of forgotten people stay forgotten

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

use File::Find ();
use JSON::PP;

my $t = Referral->new;
my $dir = $t->dir;
my $journal = "$dir/journals";

Referral::Cli->begin($t);

$ENV{REFERRAL_REDIS} .= '?socket_timeout=3';
$ENV{REFERRAL_JOURNAL} = $journal;


# the listing, all journals of all slots

sub listing {
    r('journal', '--json');
    my $rows = eval { decode_json($out) } // [];

    return @$rows;
}


sub unsent {
    my $sum = 0;

    $sum += $_->{unsent} // return -1 for listing();

    return $sum;
}


# names, sizes, times and contents of all files of the journal

sub picture {
    my %file;

    File::Find::find({ no_chdir => 1, wanted => sub {
        my @st = lstat $_ or return;

        $file{$_} = "@st[1, 2, 4, 5, 7, 9, 10] "
                    . (-f _ ? $t->read_file($_) : '');
    } }, $journal);

    return \%file;
}


sub clicks {
    my ($uri, $n) = @_;

    my $bad = grep { ($t->get($uri)->status // 0) != 302 } 1 .. $n;

    is($bad, 0, "$n clicks on $uri are answered");
}


sub number { $t->hgetall($_[0])->{$_[1]} // 0 }


my @config = (
    workers => 1,
    http => "referral_journal $journal;",
    server => <<'END',
        referral_landing https://shop.example.com/;

        location /r/ {
            referral shop;
        }

        location /o/ {
            referral other;
        }
END
);

# before anything is there

is(r('journal'), 2, 'no directory');
like($err, qr/^nginx-referral: the journal cannot be read: .*No such file/,
     'and it says so');

$t->config(@config);
$t->link($_, 'one', referrer => 'aiko') for qw(shop other);
$t->link('shop', 'two', referrer => 'aiko');
$t->program($_) for qw(shop other);
$t->start;

clicks('/r/one', 20);
clicks('/r/two', 5);
clicks('/o/one', 7);

$t->stats_are('shop', { clicks => 25 }, 'counted');
$t->stats_are('other', { clicks => 7 }, 'counted in the other program');


# the listing

my ($worker) = $t->workers;
my $before = picture();
my @rows = listing();

is_deeply(picture(), $before, 'the listing changes nothing');
is(scalar(@rows), 1, 'one worker, one journal');

my %row = %{ $rows[0] // {} };

is($row{owner}, $worker, "its owner is the worker's pid");
ok($row{held}, 'who is alive');
is($row{records}, 32, 'its records');
is($row{last}, 32, 'the last of them');
is($row{unsent}, 0, 'none is unsent');
is($row{waiting}, undef, 'and none waits');
ok(!$row{damaged}, 'nothing is damaged');
is_deeply([ map { "$_->{program} $_->{records} $_->{unsent}" }
            sort { $a->{program} cmp $b->{program} } @{ $row{programs} } ],
          [ 'other 7 0', 'shop 25 0' ], 'program by program');

is(r('journal'), 0, 'for people');
like($out, qr/^slot \s+owner \s+journal \s+segments \s+bytes \s+records
              \s+age \s+unsent \s+waiting$/mx, 'a table');
like($out, qr/^slot-000 \s+$worker \s+$row{journal} \s/mx, 'with its line');
is(r('journal', $journal, '--csv'), 0, 'as CSV, the directory named');
like($out, qr/^slot,held,owner,journal,.*\nslot-000,True,$worker,/,
     'with names and values');
is(r('journal', 'list', '--dir', $journal), 0, 'by its whole name');


# a program whose mark is below its last number, behind another's

$t->redis('CLIENT', 'PAUSE', 60000, 'WRITE');

clicks('/r/one', 4);
is(unsent(), 4, 'unsent clicks while Redis takes none');
clicks('/o/one', 3);
is(unsent(), 7, 'more of them');

my ($now) = listing();
my %left = map { $_->{program} => $_->{unsent} } @{ $now->{programs} };

is_deeply(\%left, { shop => 4, other => 3 }, 'each with its program');
ok(defined $now->{waiting}, 'and how long the oldest waits');
is(r('reset', 'shop', '--dry-run'), 0, 'a rehearsal of a reset');
like($err, qr/: 4 clicks of this machine are unsent/, 'tells of them');

$t->redis('CLIENT', 'UNPAUSE');
ok((wait_for { unsent() == 0 } 15), 'and none, when they are sent');
$t->stats_are('shop', { clicks => 29 }, 'all are counted');

$t->redis_pause;
clicks('/r/one', 2);
is(r('journal', '--json'), 4, 'Redis hangs');
like($err, qr/how many clicks are unsent is unknown: Redis cannot be reached/,
     'it says so');
is(decode_json($out)->[0]{unsent}, undef, 'and does not guess');
is(decode_json($out)->[0]{records}, 41, 'the records are there');
is(r('journal'), 4, 'the same for people');
like($out, qr/ unknown$/m, 'unknown');
$t->redis_continue;
ok((wait_for { unsent() == 0 } 15), 'Redis goes on');
$t->stats_are('shop', { clicks => 31 }, 'and has them');


# verifying

is(r('journal', 'check', $journal), 0, 'a directory is good');
like($out, qr/^slot-000 .* good /m, 'it says so');

my ($segment) = glob "$journal/slot-000/$row{journal}/*.seg";

is(r('journal', 'check', $segment), 0, 'a segment is good');
like($out, qr/^verdict +good$/m, 'it says so');

my $bytes = $t->read_file($segment);
my $good = $t->write_file('copy/good.seg', $bytes);

is(r('journal', 'check', $good), 0, 'a good copy is good');

substr($bytes, length($bytes) / 2, 1) ^= "\x10";
my $damaged = $t->write_file('copy/damaged.seg', $bytes);

is(r('journal', 'check', $damaged, '--json'), 1, 'a damaged copy is not');

my $told = decode_json($out);
is($told->{verdict}, 'damaged', 'it says so');
is($told->{records}, 40, 'one record is lost');
is(scalar(@{ $told->{damage} }), 1, 'and where');

# the same in a directory, where nobody owns it

my $orphan = "$dir/copies/slot-003/$row{journal}";
$t->write_file("$orphan/" . ($segment =~ m{([^/]+)$})[0], $bytes);
$t->write_file("$dir/copies/slot-003/lock", '');
mkdir "$dir/copies/slot-001";

is(r('journal', 'check', "$dir/copies"), 1, 'a directory is damaged');
is(r('journal', "$dir/copies"), 0, 'and can be listed');
like($out, qr/^slot-001 +nobody +0 /m, 'an empty slot');
like($out, qr/^slot-003 +nobody +$row{journal} .* 40 /m,
     'a slot that nobody owns');
like($err, qr/journal $row{journal} is damaged/, 'and a word of it');

is(r('journal', 'check', "$dir/nothing"), 2, 'no such file');
is(r('journal', 'check', "$dir/html"), 2, 'no journal in it');
is(r('journal', 'check', "$dir/key", '--id', 'x'), 2, 'no id');
is(r('journal', '--', '--marks'), 2, 'a directory is no option');


# reset

my @all = sort @{ $t->redis('KEYS', '*') };
my @kept = grep { !m{^ref:(?:stats|day|days|hours|board|visitors|addresses
                             |clicks|events|errors):\{shop\}}x } @all;

# counts of a link that stands in no list, and neighbours in name

$t->redis('HSET', 'ref:stats:{shop}:gone', 'clicks', 5);
$t->redis('SET', 'ref:board:{shop}:leads', 'x');
$t->redis('SET', 'ref:conversions:{shop}', 'x');
$t->redis('HSET', 'ref:stats:{shop2}', 'clicks', 5);
$t->redis('HSET', 'refx:stats:{shop}', 'clicks', 5);
push @kept, 'ref:board:{shop}:leads', 'ref:conversions:{shop}',
            'ref:stats:{shop2}', 'refx:stats:{shop}';

is(r('reset', 'nobody', '--yes'), 1, 'a program that is not there');
is(r('reset', 'shop'), 2, 'not without a yes where nobody can be asked');
like($err, qr/--yes/, 'which it says');
is(number('ref:stats:{shop}', 'clicks'), 31, 'nothing is gone');

is(r('reset', 'shop', '--dry-run', '--json'), 0, 'what would go');
my %would = map { $_->{kind} => $_->{keys} } @{ decode_json($out) };
is($would{stats}, 1, 'its totals');
is($would{links}, 5, "its links', also of one that is in no list");
is($would{boards}, 4, 'its boards');
ok($would{clicks} && $would{events} && $would{hours}, 'and the rest');
is(number('ref:stats:{shop}', 'clicks'), 31, 'nothing is gone yet');

my $marks = $t->hgetall('ref:journals:{shop}');

is(r('reset', 'shop', '--yes', '--json'), 0, 'reset');
is(decode_json($out)->{unsent}, 0, 'nothing was unsent');
is_deeply([ sort @{ $t->redis('KEYS', '*') } ],
          [ sort @kept, 'ref:reset:{shop}' ],
          'gone are the counts, and only they; and it is written down');
is_deeply($t->hgetall('ref:journals:{shop}'), $marks, 'the marks are there');
is(number('ref:stats:{other}', 'clicks'), 10, 'the other program counts on');

# the journal still has these clicks; a new worker takes it over

ok($t->reload, 'reloaded');

my $adopted = wait_for {
    my ($old) = grep { ($_->{journal} // '') eq $row{journal} } listing();
    my ($new) = $t->workers;

    return $old && $new != $worker && ($old->{owner} // 0) == $new;
} 15;

ok($adopted, "the new worker adopts the old one's journal");

select undef, undef, undef, 5;

is($t->redis('EXISTS', 'ref:stats:{shop}'), 0, 'old counts stay away');
is(unsent(), 0, 'and do not wait either');

clicks('/r/one', 3);
$t->stats_are('shop', { clicks => 3, raw => 3 }, 'it counts from zero');
is($t->redis('ZSCORE', 'ref:board:{shop}:clicks', 'one'), 3, 'everywhere');
is(r('audit', 'shop'), 0, 'and the events agree');

is(r('reset', 'shop', '--yes'), 0, 'once more');
clicks('/r/two', 2);
$t->stats_are('shop', { clicks => 2 }, 'the same without a reload');

$t->stop;

is(r('journal'), 0, 'when nginx is gone');
unlike($out, qr/^slot-\S+ +\d+ +[0-9a-f]{32}/m, 'nobody owns the journals');

is(r('reset', 'shop', '--yes', '--dir', "$dir/nothing"), 0,
   'a reset without a journal');
like($err, qr/unsent is not known/, 'says what it cannot know');

done_testing;
