# The operators' command line: every command, good and bad input, what it
# leaves in Redis, and its exit codes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

use IPC::Open3;
use JSON::PP;
use POSIX ();
use Symbol qw(gensym);

my $t = Referral->new;
my $dir = $t->dir;
my $script = "$Referral::ROOT/scripts/referral";

Referral::Cli->begin($t);


sub slurp {
    open my $f, '<:raw', $_[0] or die "$_[0]: $!";
    local $/;
    return <$f> // '';
}


sub spew {
    my ($name, $text) = @_;

    open my $f, '>:raw', "$dir/$name" or die;
    print $f $text;
    close $f;

    return "$dir/$name";
}


sub link_of { $t->hgetall("ref:link:{shop}:$_[0]") }
sub score { $t->redis('ZSCORE', 'ref:links:{shop}', $_[0]) }
sub codes_of {
    return join ' ', sort @{ $t->redis('SMEMBERS',
                                       "ref:referrer:{shop}:$_[0]:links") };
}


# help and usage

is(r('--help'), 0, 'help');
like($out, qr/Exit codes:\n\s+0 .*\n\s+1 .*\n\s+2 .*\n\s+3 .*\n\s+4 /,
     'help tells the exit codes');
is(r('nonsense'), 2, 'unknown command');
is(r('link', 'add'), 2, 'missing argument');
is(r('link', 'list', 'shop', '--bogus'), 2, 'unknown option');
like($err, qr/^nginx-referral: .*--help" tells more\n\z/, 'says where to read');


# program

is(r('program', 'list'), 0, 'no programs: no failure');
is($out, '', 'and no table');
like($err, qr/program set/, 'but a hint');
is_deeply(j('program', 'list'), [], 'an empty list in JSON');

my $rules = "# Japan\ncountry=JP lang=ja https://jp.example.com/{code}\n"
            . "os=ios as=b https://shop.example.com/ios";

is(r('program', 'set', 'shop', '--landing',
     'https://shop.example.com/{lang}/welcome', '--languages', 'en,ja',
     '--landing-args', 'ref={code}', '--rules', $rules), 0, 'program set');
is_deeply($t->hgetall('ref:program:{shop}'),
          { landing => 'https://shop.example.com/{lang}/welcome',
            languages => 'en,ja', landing_args => 'ref={code}',
            rules => $rules, state => 'active' }, 'its hash');
is_deeply($t->redis('SMEMBERS', 'ref:programs'), ['shop'], 'and its list');

is(r('program', 'set', 'shop', '--window', '7d', '--languages', ''), 0,
   'changed');
is($t->redis('HGET', 'ref:program:{shop}', 'window'), '7d', 'a field more');
is($t->redis('HEXISTS', 'ref:program:{shop}', 'languages'), 0,
   'an empty text removes one');
r('program', 'set', 'shop', '--languages', 'en,ja');

for my $bad ([landing => 'javascript:alert(1)'], [landing => '{nonsense}'],
             [state => 'maybe'], [starts => 'soon'], [window => '900d'],
             [late => '401d'],
             ['utc-offset' => '+99:00'], [attribution => 'both'],
             [bind => 'first'], ['attribution-order' => 'code,click,code'],
             [offer => "10\n20"], [offer => "10 \xff"], [offer => 'x' x 257],
             [rules => 'colour=red https://x.example.com/'],
             [landing => "https://x/\r\nSet-Cookie: a=b"])
{
    is(r('program', 'set', 'shop', "--$bad->[0]", $bad->[1]), 3,
       "refused: $bad->[0]");
    like($err, qr/^nginx-referral: refused, nothing was written: \w+/,
         'and told why');
}

is(r('program', 'set', 'shop', '--bind', 'window', '--attribution-order',
     'code,bound'), 0, 'whom conversions are credited to');
is_deeply([ @{ j('program', 'show', 'shop') }{qw(bind attribution_order)} ],
          [ 'window', 'code,bound' ], 'is shown');
r('program', 'set', 'shop', '--bind', '', '--attribution-order', '');

is(r('program', 'set', 'shop', '--offer', '10 <b>', '--offer-in', 'DE', 'zehn',
     '--offer-in', 'pt-br', 'dez'), 0, 'what friends get');
is_deeply([ @{ j('program', 'show', 'shop') }{'offer', 'offer:de', 'offer:pt-br'} ],
          [ '10 <b>', 'zehn', 'dez' ], 'is shown');
is(r('program', 'set', 'shop', '--offer-in', 'd!', 'x'), 3, 'in no language');
is(r('program', 'set', 'shop', '--offer-in', 'de', "a\tb"), 3, 'a control');
is($t->redis('HGET', 'ref:program:{shop}', 'offer:de'), 'zehn',
   'of that nothing was written');
r('program', 'set', 'shop', '--offer', '', '--offer-in', 'de', '',
  '--offer-in', 'pt-br', '');
is_deeply([ @{ j('program', 'show', 'shop') }{'offer', 'offer:de'} ],
          [ undef, undef ], 'an empty text removes an offer');

is($t->redis('HGET', 'ref:program:{shop}', 'rules'), $rules,
   'nothing of that was written');
is(r('program', 'set', 'Shop!'), 3, 'a name that is none');
is(r('program', 'show', 'nope'), 1, 'a program that is not there');

my $a = j('program', 'show', 'shop');
is($a->{rules}, $rules, 'program show');
is($a->{links}, 0, 'counts links');
is(j('program', 'list')->[0]{program}, 'shop', 'program list');


# link add, set, show

is(r('link', 'add', 'shop', 'Aiko7', '--referrer', 'aiko', '--name',
     "Aiko \xe5\xb0\x8f"), 0, 'link add');
like($err, qr/kept as aiko7/, 'the case is told');
is_deeply(link_of('aiko7'), { referrer => 'aiko', state => 'active',
                              name => "Aiko \xe5\xb0\x8f" },
          'kept in lower case');
ok(abs(score('aiko7') - time) < 60, 'in the list, with its time');
is(codes_of('aiko'), 'aiko7', "in the referrer's list");

is(r('link', 'add', 'shop', 'AIKO7'), 3, 'no second one of that code');
is(link_of('aiko7')->{referrer}, 'aiko', 'the first stays');

is(r('link', 'add', 'shop', 'MiXed', '--case-sensitive'), 0,
   'case kept on demand');
ok(score('MiXed'), 'as it is');
is(r('link', 'show', 'shop', 'MiXed'), 1, 'not found in lower case');
is(r('--case-sensitive', 'link', 'show', 'shop', 'MiXed'), 0, 'found as is');

my %seen;

for (1 .. 5) {
    $a = j('link', 'add', 'shop');
    like($a->{code}, qr/^[a-hjkmnp-z2-9]{9,}$/,
         'a made code: lower case, no look-alikes');
    ok(!$seen{ $a->{code} }++, 'never the same');
    is(link_of($a->{code})->{state}, 'active', 'and its link is there');
    r('link', 'rm', 'shop', $a->{code});
}

for my $bad (['bad/code'], ['x' x 65], ['good', '--state', 'paused'],
             ['good', '--referrer', 'a b'], ['good', '--name', "a\eb"],
             ['good', '--name', "Eve \xe2\x80\xaegnp.exe"],
             ['good', '--channel', 'A B'], [''],
             ['good', '--rules', "\ncountry=Japan https://x.example.com/"],
             ['good', '--landing', 'https://user@x.example.com/'])
{
    is(r('link', 'add', 'shop', @$bad), 3, 'link refused');
    unlike($err, qr/\e/, 'and nothing of it commands the terminal');
}

is(score('good'), undef, 'nothing of that was written');

is(r('link', 'set', 'shop', 'aiko7', '--referrer', 'kenji', '--channel',
     'mail'), 0, 'link set');
is(codes_of('aiko'), '', 'left the old referrer');
is(codes_of('kenji'), 'aiko7', 'came to the new one');
is(r('link', 'set', 'shop', 'nope', '--name', 'x'), 1, 'not there: 1');
is($t->redis('EXISTS', 'ref:link:{shop}:nope'), 0, 'and not made');
is(r('link', 'set', 'shop', 'aiko7'), 2, 'nothing to change: 2');

my $file = spew('rules.txt', "# phones\r\nos=ios https://x.example.com/i\r\n");
is(r('link', 'set', 'shop', 'aiko7', '--rules-file', $file), 0,
   'rules from a file');
is(link_of('aiko7')->{rules}, "# phones\nos=ios https://x.example.com/i",
   'line ends mended');
is(r('link', 'set', 'shop', 'aiko7', '--rules-file', "$dir/none"), 2,
   'no such file');
r('link', 'set', 'shop', 'aiko7', '--rules', '');

$t->redis('HSET', 'ref:link:{shop}:hand', name => "Ha\e[31mnd\x{ff}");
is(r('link', 'show', 'shop', 'hand'), 0, 'a link made by hand is shown');
like($out, qr/Ha\\x1b\[31mnd/, 'its control bytes made visible');
unlike($out . $err, qr/\e/, 'none goes out');
like($err, qr/not in the program's list/, 'and what it lacks');
like($err, qr/does not take this: name/, 'and what is wrong with it');
ok(j('link', 'show', 'shop', 'hand'), 'as JSON too');
is(r('link', 'set', 'shop', 'hand', '--name', 'Hand'), 0, 'mended');
ok(score('hand'), 'and listed now');
$t->redis('HDEL', 'ref:link:{shop}:hand', 'state');
r('link', 'set', 'shop', 'hand', '--name', '');
is_deeply(link_of('hand'), { state => 'active' },
          'taking the last field away leaves a link');


# several at once

is(r('link', 'disable', 'shop', 'aiko7', 'hand'), 0, 'disable');
is(link_of('aiko7')->{state}, 'disabled', 'disabled');
is(r('link', 'enable', 'shop', 'aiko7', 'nope'), 1, 'one is not there');
is(link_of('aiko7')->{state}, 'active', 'the other was done');
is($t->redis('EXISTS', 'ref:link:{shop}:nope'), 0, 'none was made');

$a = j('link', 'list', 'shop');
is(scalar @$a, 3, 'link list');
is_deeply([map { $_->{code} } @{ j('link', 'list', 'shop', '--referrer',
                                   'kenji') }], ['aiko7'], 'of a referrer');
is(r('link', 'list', 'shop', '-n', '1'), 0, 'limited');
like($err, qr/1 of 3/, 'and says so');
is(r('link', 'list', 'shop', '--csv', '--all'), 0, 'as CSV');
like($out, qr/^code,referrer,name,state,clicks,created,landing,ends\n/,
     'CSV');
is(r('link', 'list', 'shop'), 0, 'as a table');
unlike($out, qr/[^\x00-\x7f\xe5\xb0\x8f]|\e/,
       'no colours, no lines without a terminal');

is(r('link', 'rm', 'shop', 'hand', 'MiXed', '--case-sensitive'), 0, 'rm');
is($t->redis('EXISTS', 'ref:link:{shop}:hand'), 0, 'gone');
is(score('hand'), undef, 'from the list too');
is(r('link', 'rm', 'shop', 'hand'), 1, 'twice: 1');


# referrers

is(r('referrer', 'set', 'shop', 'kenji', '--name', 'Kenji', '--segment',
     'vip'), 0, 'referrer set');
is_deeply($t->hgetall('ref:referrer:{shop}:kenji'),
          { name => 'Kenji', segment => 'vip' }, 'its hash');
is(r('referrer', 'set', 'shop', 'a b', '--name', 'x'), 3, 'no such id');

my $anna = 'shop+anna@example.com';

is(r('referrer', 'set', 'shop', $anna, '--name', 'Anna'), 0, 'an address');
is(r('link', 'add', 'shop', 'anna', '--referrer', $anna, '--channel', 'Print'),
   0, 'that a link names');
is(codes_of($anna), 'anna', 'in its list');
is(r('link', 'rm', 'shop', 'anna'), 0, 'gone');
$t->redis('DEL', "ref:referrer:{shop}:$anna");
is(r('referrer', 'set', 'shop', 'x', '--segment', 'V I P'), 3,
   'no such segment');
is(r('referrer', 'set', 'shop', 'x'), 2, 'nothing to set');
is_deeply(j('referrer', 'show', 'shop', 'kenji')->{links}, ['aiko7'],
          'referrer show');
is(r('referrer', 'show', 'shop', 'nobody'), 1, 'nobody');
is_deeply(j('referrer', 'list', 'shop'),
          [{ referrer => 'kenji', name => 'Kenji', segment => 'vip',
             links => 1, clicks => 0 }], 'referrer list');


# link test

$a = j('link', 'test', 'shop', 'AIKO7', '--country', 'JP', '--lang',
       'ja-JP,ja;q=0.9');
is($a->{url}, 'https://jp.example.com/aiko7?ref=aiko7', 'link test');
is($a->{from}, 'program rule', 'which');
is($a->{line}, 2, 'where');
is($a->{values}{segment}, 'vip', "the referrer's own fields count");

is(r('link', 'test', 'shop', 'aiko7', '--os', 'ios'), 0, 'for people');
like($out, qr/variant\s+b\n/, 'tells the variant');
like($out, qr/line 2: no, /, 'and why not another rule');
is(j('link', 'test', 'shop', 'aiko7', '--lang', 'fr')->{url},
   'https://shop.example.com/en/welcome?ref=aiko7', 'the default language');
is(r('link', 'test', 'shop', 'aiko7', '--allow', 'other.example.com'), 1,
   'a host that is not allowed');
r('link', 'set', 'shop', 'aiko7', '--ends', '2026-12-01');
is(r('link', 'test', 'shop', 'aiko7', '--at', '2026-12-02'), 1, 'ended');
like($out, qr/result\s+ended/, 'and says so');
is(r('link', 'test', 'shop', 'aiko7', '--at', '2026-12-01'), 0, 'not yet');
is(r('link', 'test', 'shop', 'nope'), 1, 'no such link');
is(r('link', 'test', 'shop', 'aiko7', '--at', 'yesterday'), 3, 'no date');
is(r('link', 'test', 'shop', 'aiko7', '--bucket', '100'), 2, 'no bucket');

for (['--country', 'JPN', qr/two letters/], ['--os', 'win11', qr/windows/],
     ['--device', 'phone', qr/mobile/], ['--region', 'Tokyo', qr/JP-13/])
{
    is(r('link', 'test', 'shop', 'aiko7', @$_[0, 1]), 3, "no such @$_[0, 1]");
    like($err, $_->[2], 'what would be right');
}
r('link', 'set', 'shop', 'aiko7', '--ends', '');


# import

$file = spew('links.csv', <<"CSV");
\xef\xbb\xbfcode,referrer,name,rules\r
Csv1,r1,"Smith, \xc3\x84nne","# two lines
country=JP https://jp.example.com/"\r
bad/code,r1,x,\r
csv1,r2,again,\r
,r2,Generated,\r
csv2,r2\r
csv3,r 3,x,\r
csv4,r1,\xff,\r
csv5,r1,,\r
CSV

is(r('link', 'import', 'shop', $file, '--dry-run'), 3, 'a dry run');
is(score('csv1'), undef, 'writes nothing');
like($out, qr/would be: 3 added, 0 changed, 5 refused, 1 generated/,
     'and tells what would be');

$a = j('link', 'import', 'shop', $file);
is_deeply([@$a{qw(added changed refused generated)}], [3, 0, 5, 1],
          'the bad lines do not stop the good ones');
is_deeply([map { $_->{line} } @{ $a->{complaints} }], [4, 5, 7, 8, 9],
          'each told by its line');
is_deeply(link_of('csv1'),
          { referrer => 'r1', name => "Smith, \xc3\x84nne",
            rules => "# two lines\ncountry=JP https://jp.example.com/",
            state => 'active' }, 'an imported link');
is(codes_of('r1'), 'csv1 csv5', 'lists are kept');

is(r('link', 'import', 'shop', $file), 3, 'a second time');
like($out, qr/csv1\s+exists already/, 'existing ones are refused');
$stdin = "code;name;referrer\ncsv1;New;r9\n";
is(r('link', 'import', 'shop', '-', '--update'), 0, 'unless asked to update');
is(link_of('csv1')->{name}, 'New', 'changed');
like(link_of('csv1')->{rules}, qr/JP/, 'other fields stay');
is(codes_of('r1') . ' ' . codes_of('r9'), 'csv5 csv1', 'lists follow');

$stdin = "code,name\ns1,x\ns2,\e\ns3,x\n";
is(r('link', 'import', 'shop', '-', '--strict'), 3, 'strict');
ok(score('s1'), 'what stands before is written');
is(score('s3'), undef, 'what stands behind is not');
$stdin = "code,name\ns4,x\ns1,x\ns5,x\n";
is(r('link', 'import', 'shop', '-', '--strict'), 3, 'strict, one exists');
ok(score('s4') && !defined score('s5'), 'stops there');

$stdin = qq({"code":"j1","name":"\\u00e4","created":"2026-01-02T03:04:05Z"}\n)
         . qq(\n{"code":"j2","name":7}\n[]\n{"code":"j3","nmae":"x"}\nnull\n)
         . qq({"code":"j4","name":"\\ud800"}\n{nonsense\n)
         . ('[' x 5000) . qq(\n{"code":"j5","created":"soon"}\n{}\n);
$a = j('link', 'import', 'shop', '-');
is_deeply([@$a{qw(added refused generated)}], [2, 8, 1], 'JSON lines');
is(score('j1'), 1767323045, 'created is kept');
is(link_of('j1')->{name}, "\xc3\xa4", 'characters are');

$stdin = "code,colour\nx,red\n";
is(r('link', 'import', 'shop', '-'), 3, 'an unknown column');
$stdin = '';
is(r('link', 'import', 'shop', '-'), 3, 'an empty file');
$stdin = "code,name\nq1," . ('x' x 300_000) . "\n";
is(r('link', 'import', 'shop', '-'), 3, 'an endless line');
$stdin = "code,name\n\"q2,x\n" . ("y,\"z\n" x 40_000) . "q3,x\n";
is(r('link', 'import', 'shop', '-'), 3, 'a quote that never ends');
is(r('link', 'import', 'shop', "$dir/none"), 2, 'no such file');
is(r('link', 'import', 'shop', $dir), 2, 'not a file');

my $links = $t->redis('ZCARD', 'ref:links:{shop}');
spew('many.csv', "code,referrer\n"
                 . join('', map { "m$_,r" . $_ % 7 . "\n" } 1 .. 2500));
is(r('link', 'import', 'shop', "$dir/many.csv"), 0, 'many');
is($t->redis('ZCARD', 'ref:links:{shop}'), $links + 2500, 'all there');
unlike($err, qr/\e|lines/, 'no progress bar without a terminal');


is(r('link', 'set', 'shop', 'csv1', '--landing-args', 'src={code}'), 0,
   "a link's own arguments");
is(link_of('csv1')->{landing_args}, 'src={code}', 'as the module reads them');
is(r('link', 'set', 'shop', 'csv1', '--landing-args', 'a={what}'), 3,
   'checked like all fields');


# export, and back

for my $form ([], ['--json']) {
    is(r('link', 'export', 'shop', @$form, '-o', "$dir/export@$form"), 0,
       'export');
    is(r('link', 'export', 'shop', @$form, '-o', "$dir/export@$form"), 3,
       'never over a file');

    my $before = { map { $_ => [link_of($_), score($_)] }
                   @{ $t->redis('ZRANGE', 'ref:links:{shop}', 0, -1) } };
    my $r9 = codes_of('r9');

    $t->redis('RENAME', 'ref:program:{shop}', 'saved');
    is(r('program', 'rm', 'shop'), 3, 'a program with links stays');
    is(r('program', 'rm', 'shop', '--links'), 0, 'unless told');
    is_deeply($t->redis('KEYS', 'ref:*'), [], 'and leaves nothing');
    $t->redis('RENAME', 'saved', 'ref:program:{shop}');

    is(r('link', 'import', 'shop', "$dir/export@$form"), 0, 'back again');

    my $after = { map { $_ => [link_of($_), score($_)] }
                  @{ $t->redis('ZRANGE', 'ref:links:{shop}', 0, -1) } };

    is_deeply($after, $before, 'all as it was');
    is(codes_of('r9'), $r9, 'the lists too');
    is_deeply($t->redis('SMEMBERS', 'ref:programs'), ['shop'], 'and programs');
}

is(r('program', 'rm', 'nope'), 1, 'rm of nothing');


# what the module counts

$t->redis('HSET', 'ref:stats:{shop}', clicks => 200, raw => 230,
          visitors => 150, missed => 10, 'missed:ended' => 10, bot => 20,
          'country:JP' => 150, 'country:DE' => 50, 'fields:source' => 3,
          "source:e\e[2J.example" => 1);
$t->redis('HSET', 'ref:days:{shop}', '2026-11-21' => 80, '2026-11-22' => 120);
$t->redis('HSET', 'ref:days:{shop}:j1', '2026-11-22' => 40);
$t->redis('HSET', 'ref:hours:{shop}', '2026-11-22T13' => 120,
          '2026-11-21T01' => 80);
$t->redis('HSET', 'ref:stats:{shop}:j1', clicks => 40);
$t->redis('ZADD', 'ref:board:{shop}:clicks', 50, 'j1', 100, 'csv1', 50, 's1');
$t->redis('ZADD', 'ref:board:{shop}:clicks:2026-11-22', 60, 'j1');
$t->redis('ZADD', 'ref:board:{shop}:referrers:clicks', 150, 'kenji');
$t->redis('ZADD', 'ref:board:{shop}:referrers:clicks:2026-11', 50, 'r9');
r('referrer', 'set', 'shop', 'kenji', '--name', 'Kenji');

is(j('stats')->[0]{clicks}, 200, 'stats of all programs');
$a = j('stats', 'shop');
is($a->{raw}, 230, 'of one');
is_deeply($a->{by}{country}, { JP => 150, DE => 50 }, 'its dimensions');
is($a->{by}{fields}, undef, "the module's own fields stay out");
is(r('stats', 'shop'), 0, 'for people');
unlike($out, qr/\e/, 'a source cannot command the terminal');
is(j('stats', 'shop', 'J1')->{clicks}, 40, 'of a link');
is(j('stats', 'shop', 'm7')->{clicks}, 0, 'of a link without clicks');
is(r('stats', 'shop', 'nope'), 1, 'of none');
is(r('stats', 'nope'), 1, 'of no program');
is_deeply([map { [@$_{qw(day clicks)}] }
               @{ j('stats', 'shop', '--by', 'day', '--from', '2026-11-22')
                  ->{rows} }],
          [['2026-11-22', 120]], 'by day');
is_deeply(j('stats', 'shop', '--by', 'hour', '--from', '2026-11-22', '--to',
            '2026-11-22')->{rows},
          [{ hour => '2026-11-22T13', clicks => 120 }], 'by hour');
is(j('stats', 'shop', 'j1', '--by', 'day')->{rows}[0]{clicks}, 40,
   "a link's days");
is(r('stats', 'shop', 'j1', '--by', 'hour'), 1, 'links have no hours');
like($err, qr/no events/, 'but events would tell them');
is(r('stats', '--from', '2026-11-22'), 2, 'of what?');
is(r('stats', 'shop', '--by', 'day', '--from', 'monday'), 3, 'no date');
is(r('stats', 'shop', '--csv'), 0, 'as CSV');
like($out, qr/^program,days,clicks,.*country:JP/, 'CSV');

is_deeply([map { [@$_{qw(rank code clicks share)}] } @{ j('top', 'shop') }],
          [[1, 'csv1', 100, 50], [2, 'j1', 50, 25], [2, 's1', 50, 25]],
          'top: rank and share');
is_deeply(j('top', 'shop', '--by', 'referrers'),
          [{ rank => 1, referrer => 'kenji', name => 'Kenji', clicks => 150,
             share => 75 }], 'top referrers');
is(j('top', 'shop', '--day', '2026-11-22')->[0]{share}, 33.3,
   'of a day whose board is not whole: from the days of the links');
is(j('top', 'shop', '--by', 'referrers', '--month', '2026-11')->[0]{share},
   25, 'of a month');
is(r('top', 'shop', '--day', 'today'), 0, 'of today');
is(r('top', 'shop', '--month', 'this'), 0, 'of this month');
is(r('top', 'shop', '--by', 'referrers', '--day', '2026-11-22'), 1,
   'referrers of a day that no event tells of');
is(r('top', 'shop', '--day', 'today', '--week', 'this'), 2, 'of one time');
is(r('top', 'shop', '--day', '22.11.'), 3, 'no day');
is(r('top', 'nope'), 1, 'no program');

# 0x019ab3c45d6e ms
my $id = '019ab3c4-5d6e-7f80-9123-456789abcdef';

$t->redis('HSET', 'ref:clicks:{shop}:2025-11-24T02:49', $id,
          'j1 AAAAAAAAAAAAAAAA 2025-11-24T02:49:41Z s1 2025-11-23T00:00:00Z'
          . " $id JP - b mobile aiko vip nux later");

$a = j('click', uc $id);
is($a->{code}, 'j1', 'a click, in all programs');
is($a->{first_code}, 's1', 'its first touch');
is($a->{channel}, undef, 'none is null');
is($a->{device}, 'mobile', 'its device');
is("@$a{qw(referrer segment flags)}", 'aiko vip no_consent unresolved x',
   'whose link it was, and its flags; what follows is ignored');

(my $other = $id) =~ s/.$/0/;
$t->redis('HSET', 'ref:clicks:{shop}:2025-11-24T02:49', $other,
          'j1 AAAAAAAAAAAAAAAA 2025-11-24T02:49:41Z = = = JP - - mobile');
$a = j('click', $other);
is("@$a{qw(first_code first_at first_click_id)}",
   "j1 2025-11-24T02:49:41Z $other", 'a click that is the first itself');
ok(!exists $a->{referrer}, 'of a version that did not know its referrer');

$t->redis('HSET', 'ref:clicks:{shop}:2025-11-24T02:49', $other,
          'j1 AAAAAAAAAAAAAAAA = = = = JP - - mobile = - -');
$a = j('click', $other);
is($a->{referrer}, 'j1', 'a referrer with the name of the code');
is($a->{flags}, undef, 'without flags');
is("@$a{qw(at first_code first_at first_click_id)}",
   "2025-11-24T02:49:41Z j1 2025-11-24T02:49:41Z $other",
   'and whose time is that of its id');

is(r('click', $id, '--program', 'shop'), 0, 'in one program');
is(r('click', '019ab3c4-5d6e-7f80-9123-456789abcd00'), 1, 'not there');
is(r('click', '019ab3c4-5d6e-4f80-9123-456789abcdef'), 3, 'not a UUIDv7');
is(r('click', 'ffffffff-ffff-7fff-bfff-ffffffffffff'), 1, 'not of this age');


# events

my @event = (type => 'click', click_id => $id, code => 'j1', class => 'human',
             result => 'landing', country => 'JP', source => "a\e[2Jb",
             at => '2026-11-22T13:05:09Z');

$t->redis('XADD', 'ref:events:{shop}', '*', @event) for 1 .. 3;

is(r('tail', 'shop', '--no-follow', '-n', '2'), 0, 'tail');
is(scalar(() = $out =~ /\n/g), 3, 'a line for each, and a head');
unlike($out, qr/\e/, 'no byte commands the terminal');
is(r('tail', 'shop', '--no-follow', '--json'), 0, 'as JSON lines');
is(scalar(grep { decode_json($_)->{code} eq 'j1' } split /\n/, $out), 3,
   'each line an object');
is(r('tail', 'shop', '--no-follow', '--csv'), 0, 'as CSV');
like($out, qr/^type,click_id,code,/, 'with a head');
is(r('tail', 'nope', '--no-follow'), 1, 'no program');

my $pid = open3(my $in, my $reader, my $errors = gensym, $script, 'tail',
                'shop', '--json', '-n', '0');

# events come until it has begun to follow and shows one

my $followed = wait_for {
    my $ready = '';

    $t->redis('XADD', 'ref:events:{shop}', '*', @event, 'code', 'live');
    vec($ready, fileno $reader, 1) = 1;

    return select($ready, undef, undef, 0.2);
} 60;

ok($followed, 'tail follows');
like($followed ? scalar <$reader> : '', qr/"live"/, 'and shows what comes');

kill 'INT', $pid;
waitpid $pid, 0;
is($? >> 8, 130, 'until it is interrupted');
like(join('', <$errors>), qr/^\n?\z/, 'without a word');

is(system("$script link list shop --all | head -1 >/dev/null 2>$dir/pipe"), 0,
   'a reader that goes away');
is(slurp("$dir/pipe"), '', 'is no fault');


# prefix, addresses, secrets

is(r('program', 'set', 'other', '--prefix', 'x:'), 0, 'another prefix');
is($t->redis('EXISTS', 'x:program:{other}'), 1, 'is used');
$ENV{REFERRAL_PREFIX} = 'x:';
is_deeply([map { $_->{program} } @{ j('program', 'list') }], ['other'],
          'also from the environment');
delete $ENV{REFERRAL_PREFIX};
is(r('program', 'list', '--prefix', 'a{b}'), 2, 'no braces in it');

my $port = $t->{redis_port};

is(r('--redis', "127.0.0.1:$port", 'program', 'list'), 0, 'host:port');
is(r('--redis', "redis://127.0.0.1:$port/0", 'program', 'list'), 0, 'redis:');
is(r('--redis', "unix:$t->{redis_socket}", 'program', 'list'), 0, 'unix:');
is(r('--redis', "unix:$dir/none", 'program', 'list'), 4, 'nobody there');
like($err, qr/^nginx-referral: Redis cannot be reached: .*\n\z/, 'in one sentence');

for my $bad ('http://x', 'redis://:hush-hush@h:bad/', 'redis://', '::') {
    is(r('--redis', $bad, 'program', 'list'), 2, 'no address');
    unlike($out . $err, qr/hush/, 'no secret goes out');
}

$t->redis('CONFIG', 'SET', 'requirepass', 'hush-hush');
is(r('program', 'list'), 4, 'Redis wants a password');
like($err, qr/password/, 'and so it says');
my $secret = spew('password', "hush-hush\n");
is(r('program', 'list', '--password-file', $secret), 0, 'from a file');
is(r('--redis', "redis://:hush-hush\@127.0.0.1:$port", 'program', 'list'), 0,
   'in the address');
is(r('--redis', "redis://:hush-no\@127.0.0.1:$port", 'program', 'list'), 4,
   'a wrong one');
unlike($out . $err, qr/hush/, 'no secret goes out');
is(r('program', 'list', '--password-file', "$dir/none"), 2, 'no such file');
$ENV{REFERRAL_PASSWORD} = 'hush-hush';
is(r('program', 'list'), 0, 'from the environment');
$t->redis('CONFIG', 'SET', 'requirepass', '');
delete $ENV{REFERRAL_PASSWORD};


# Redis refuses

$t->redis('CONFIG', 'SET', 'min-replicas-to-write', 1);
is(r('link', 'add', 'shop', 'late'), 4, 'Redis refuses to write');
$t->redis('CONFIG', 'SET', 'min-replicas-to-write', 0);
is(score('late'), undef, 'and nothing was');

$t->redis('SET', 'ref:link:{shop}:odd', 'x');
is(r('link', 'show', 'shop', 'odd'), 4, 'a key of another type');
like($err, qr/another type/, 'is told');


# the program that checks

{
    local $ENV{REFERRAL_TOOLS} = $dir;

    is(r('link', 'add', 'shop', 'unchecked'), 5, 'nothing unchecked');
    like($err, qr/scripts\/build/, 'says how to build it');
    is(score('unchecked'), undef, 'is written');
    is(r('link', 'list', 'shop'), 0, 'reading needs no checks');

    chmod 0755, spew('referral_link_test', "#!/bin/sh\necho what; exit 1\n");
    is(r('link', 'add', 'shop', 'unchecked'), 5, 'a tool gone mad');
    is(score('unchecked'), undef, 'lets nothing through');
}


# slips that are no mistakes are told

is(r('link', 'add', 'shpo', 'aiko7'), 0, 'a program that is not known');
like($err, qr/program shpo is new/, 'is told');
is(r('link', 'add', 'shpo', 'aiko8'), 0, 'the next one');
is($err, '', 'is not');
is(r('link', 'test', 'shpo', 'aiko7'), 1, 'nothing says where to');
like($err, qr/--default-landing/, 'but nginx may');
is(r('program', 'set', 'shpo', '--window', '30'), 0, 'a window without a unit');
like($err, qr/30d is days/, 'is told');
is(r('program', 'set', 'shpo', '--window', '30d'), 0, 'with one');
is($err, '', 'is not');
is(r('program', 'rm', 'shpo', '--links'), 0, 'away with it');

# two at once never make half a change

{
    my @pids = map {
        my $n = $_;
        my $pid = fork // die;

        if (!$pid) {
            open STDOUT, '>', '/dev/null';
            open STDERR, '>', '/dev/null';
            exec $script, 'link', 'add', 'shop', 'race', '--referrer', "p$n"
                or POSIX::_exit(127);
        }

        $pid;
    } 1 .. 4;

    my $won = 0;

    for my $pid (@pids) {
        waitpid $pid, 0;
        $won++ if $? == 0;
    }

    is($won, 1, 'one of four gets the code');
    is(join(' ', grep { codes_of($_) ne '' } map { "p$_" } 1 .. 4),
       link_of('race')->{referrer}, 'and the lists say who');
}

done_testing;
