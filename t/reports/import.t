# protects: links from files as spreadsheets and people make them: what is
# unambiguous is taken, everything else is reported and credits nobody, and
# after an interruption the report says how far the import came

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

use Encode qw(encode);
use JSON::PP;
use POSIX ();

my $t = Referral->new;
my $dir = $t->dir;
my $script = "$Referral::ROOT/scripts/referral";
my $n = 0;

Referral::Cli->begin($t);

sub codes { join ' ', sort @{ $t->redis('ZRANGE', "ref:links:{$_[0]}", 0, -1) } }
sub spew { $t->write_file($_[0], $_[1]) }


# the file, what becomes of it, the links that are there then, what is said

sub file {
    my ($what, $text, $code, $codes, $said) = @_;

    my $program = 'p' . ++$n;
    my $file = spew("$program.csv", $text);

    is(r('link', 'import', $program, $file), $code, $what);
    is(codes($program), $codes, 'and these links are there');
    like($out . $err, $said, 'and it is said') if $said;

    return $program;
}


file("a sheet's empty lines", "code,landing,name\ni1,https://a.example/,n\n"
     . ",,\n , ,\n\n\"\",\"\",\n", 0, 'i1', qr/^1 added.* 0 generated/);
file('values only in cells without a name',
     "code,name,\na1,x,\na2,x\na3,x,,,,\na4,x,y\na5,x,,z\n", 3, 'a1 a3',
     qr/ 5 +has a value in a column without a name/);
file("a column without a name in the middle", "code,,name\nm1,,x\n", 0, 'm1');
file('no name at all', ",,\nx,y,z\n", 3, '', qr/name the columns.*is empty/);

file("Excel's own first line", $_, 0, 'i2')
    for "sep=;\r\ncode;landing\r\ni2;https://a.example/\r\n",
        "\xef\xbb\xbfSEP=,\ncode,name\ni2,\"a;b\"\n",
        "\"sep=\t\"\ncode\tname\ni2\tx\n", "sep=|\r\ncode|name\r\ni2|a,b;c\r\n";

file('separators without it', $_, 0, 'i3')
    for "code;name\ni3;x\n", "code\tname\ni3\tx\n", "code\ni3\n";
file('ends of lines of old Macs', "code,name\rr1,\"a\"\rr2,b\r", 0, 'r1 r2');
file('ends of lines that are mixed', "code,name\r\nr1,a\nr2,b\rr3,c", 0,
     'r1 r2 r3');
file('headings as people spell them', "\xef\xbb\xbf Code ,LANDING ARGS,"
     . "Landing-Args,referrer\n", 3, '', qr/column twice/);
is($t->hgetall('ref:link:{' . file('one of them',
     " Code ,Landing Args, REFERRER\xc2\xa0\nh1,src={code},anna\n", 0, 'h1')
     . '}:h1')->{landing_args}, 'src={code}', 'is that column');
file('a heading that is none', "code,naem\nx,y\n", 3, '',
     qr/it has 'naem'; did you mean name\?/);
file('a key that is none', qq({"code":"x","lnading":"y"}\n), 3, '',
     qr/'lnading' is no field; did you mean landing\?/);
file('keys as people spell them', qq({"Code":"k1","Name":"x"}\n), 0, 'k1');
file('keys that are the same', qq({"Code":"k1","code":"k2"}\n), 3, '',
     qr/names a field twice/);
file('a list in JSON', qq([{"code":"x"}]\n), 3, '', qr/one object a line/);


# encodings: nothing is written of a text that is not UTF-8

my $text = "code,name\ne1,Andr\x{e9}\ne2,Zo\x{eb}\ne3,plain\n";
my $japanese = "code,name\ne1,\x{611b}\x{5b50}\ne2,plain\n";

file("$_->[0]", encode($_->[1], $_->[2]), 1, '',
     qr/the encoding of .* is (?:UTF-16|not UTF-8, as line 2 shows); nothing was written; save it as "CSV UTF-8"/)
    for ['UTF-16, little', 'UTF-16LE', "\x{feff}$text"],
        ['UTF-16, big', 'UTF-16BE', "\x{feff}$text"],
        ['UTF-16 without its mark', 'UTF-16LE', $text],
        ['UTF-16, Japanese', 'UTF-16LE', "\x{feff}$japanese"],
        ['Latin-1', 'iso-8859-1', $text], ['Windows', 'cp1252', $text],
        ['Shift_JIS', 'shiftjis', $japanese], ['EUC', 'euc-jp', $japanese];

$stdin = encode('iso-8859-1', $text);
is(r('link', 'import', 'stream', '-'), 1, 'of a stream too');
is(codes('stream'), '', 'of which nothing is written');

file('late in a long file', "code,name\n"
     . join('', map { "l$_," . 'x' x 100 . "\n" } 1 .. 12_000)
     . "l0,Andr\xe9\n", 1, '', qr/line 12002 shows/);
file('UTF-8, but for one line', encode('UTF-8', $text) . "e4,Andr\xe9\n", 3,
     'e1 e2 e3', qr/ 5 +e4 +not UTF-8/);


# quotes: what a quote may have swallowed is no link

file('a quote that is never closed', "code,name\nq1,x\nq2,\"y\nq3,z\nq4,w\n",
     3, 'q1', qr/ 3 +the quote that opens on line 3 is never closed; all to line 5 is left out\n.*3 refused/s);
like($err, qr/3 of 4 lines were refused/, 'with all that it took');
file('on the last line', "code,name\nq1,x\nq2,\"y", 3, 'q1',
     qr/the quote that opens on line 3 is never closed/);
file('opened within a row of several lines',
     "code,name,rules\nq1,x,\"# a\n# b\",\"\nq2,x,\n", 3, '',
     qr/opens on line 3 is never closed/);
file('closed in another row', "code,name\nq1,\"y\nq2,z\"q\nq3,w\n", 3, 'q3',
     qr/ 2 +the quote that opens on line 2 is closed on line 3, in the middle/);
file('in the middle of a value', qq(code,name\nq1,"Bob "The Man""\nq2,x\n), 3,
     'q2', qr/ 2 +a quote is closed in the middle of a value/);
file('one that means nothing', qq(code,name\nq1,5" tall\nq2,"5"" tall"\n), 0,
     'q1 q2');
file('never closed in a file without end',
     "code,name\nq1,\"x\n" . "abcdefgh,y\n" x 20_000, 3, '',
     qr/opens on line 2 is never closed; all to line 20002 is left out/);

file("a referrer with a plus", "code,referrer\nplus,shop+anna\@example.com\n",
     0, 'plus') if r('link', 'add', 'plus', '--referrer',
                     'shop+anna@example.com') == 0;


# values come back from CSV as they are

my %odd = (cr => "cr\ronly", lf => "a\nb", crlf => "a\r\nb", tab => "a\tb",
           quote => 'a"b', nul => "a\0b", nel => "a\xc2\x85b",
           ls => "a\xe2\x80\xa8b", space => ' a ', formula => "\r=1+1",
           comma => 'a,b');

for my $code (sort keys %odd) {
    $t->redis('HSET', "ref:link:{odd}:$code", name => $odd{$code});
    $t->redis('ZADD', 'ref:links:{odd}', 1, $code);
}

# a reader that takes every way to end a line for one

my $reader = <<'END';
import csv, io, json, sys
text = sys.stdin.buffer.read().decode("utf-8")
rows = list(csv.reader(io.StringIO(text, newline="")))
lines = len(next(csv.reader([text.split("\n")[0]])))
print(json.dumps([rows, [len(row) == lines for row in rows]]))
END

for my $command ([qw(link list odd --csv)], [qw(link export odd)]) {
    is(r(@$command), 0, "@$command");
    spew('reader.py', $reader);
    spew('odd.csv', $out);

    my ($rows, $whole) = @{ decode_json(
        `/usr/bin/python3 $dir/reader.py < $dir/odd.csv`) };

    is(join(' ', map { $_ ? 1 : 0 } @$whole), join(' ', (1) x (1 + keys %odd)),
       'each row has its cells');

    my %name = map { $_->[0] => $_->[2] } @$rows;

    for my $code (sort keys %odd) {
        my $want = $odd{$code};

        utf8::decode($want);
        $want = "'$want" if $code eq 'formula' && $command->[1] eq 'list';
        is($name{$code}, $want, "$code in @$command");
    }

    like($out, qr/^cr,[^"]*"cr\ronly"/m, 'a carriage return is quoted');
}

$t->redis('HSET', 'ref:link:{odd2}:r', rules => "# a\n# \"b\", c", name => '');
r('link', 'set', 'odd2', 'r', '--state', 'active');
r('link', 'export', 'odd2');
$stdin = $out;
is(r('link', 'import', 'odd3', '-'), 0, 'and import takes it');
is_deeply($t->hgetall('ref:link:{odd3}:r'),
          { rules => "# a\n# \"b\", c", state => 'active' }, 'unchanged');


# links that a hand made

$t->redis('HSET', 'ref:link:{hand}:bruno', referrer => 'bruno');
r('link', 'add', 'hand', 'listed');
is(r('link', 'list', 'hand', '--scan'), 0, 'links in no list');
like($out, qr/^bruno /m, 'are found');
unlike($out, qr/^listed /m, 'and only they');
is(r('link', 'export', 'hand'), 0, 'a backup');
like($out, qr/^bruno,bruno,/m, 'has them');
like($err, qr/1 link of these is in no list/, 'and says so');
r('link', 'list', 'hand', '--scan', '--referrer', 'x');
like($err, qr/one of them/, 'not both');
r('link', 'set', 'hand', 'bruno', '--state', 'active');
is(r('link', 'list', 'hand', '--scan'), 0, 'in the list now');
like($err, qr/all links of program hand stand in its list/, 'none is left');


# interrupted

my $big = spew('big.csv', "code,name\n"
               . join '', map { "k$_,Name $_\n" } 1 .. 30_000);
my $codeless = spew('codeless.csv', "name\n" . "x\n" x 200_000);

sub written { $t->redis('ZCARD', "ref:links:{$_[0]}") }

# Lets an import run until it has written so many, then holds it.  It is held
# during each look, too: on a busy machine it could be done before the next.

sub stop_at {
    my ($pid, $program, $least) = @_;

    wait_for {
        kill 'STOP', $pid;
        return 1 if written($program) >= $least;

        kill 'CONT', $pid;
        return 0;
    } 60;
}


sub interrupt {
    my ($signal, $program, @args) = @_;

    my $least = written($program) + 1000;
    my $pid = fork // die;

    if (!$pid) {
        # who is run by nohup ignores it, and so would the import

        $SIG{HUP} = 'DEFAULT';

        open STDIN, '<', $big;
        open STDOUT, '>', "$dir/cli.out";
        open STDERR, '>', "$dir/cli.err";
        exec $script, 'link', 'import', $program, @args or POSIX::_exit(127);
    }

    stop_at($pid, $program, $least);
    kill $signal, $pid;
    kill 'CONT', $pid;
    waitpid $pid, 0;

    ($out, $err) = map { $t->read_file("cli.$_") } qw(out err);

    return $? & 127 ? "signal $?" : $? >> 8;
}

is(interrupt('INT', 'int', $big), 130, 'Ctrl-C');
is($err, 'nginx-referral: interrupted: ' . written('int') . ' of 30000 lines'
         . " are written; the same command with --update goes on\n",
   'how far it came');
like($out, qr/^@{[ written('int') ]} added, 0 changed/, 'and what it did');
cmp_ok(written('int'), '<', 30_000, 'which is not all');
is(interrupt('TERM', 'int', $big, '--update'), 130, 'killed');
like($err, qr/ of 30000 lines are written; the same command goes on$/,
     'the same');
is(r('link', 'import', 'int', $big, '--update'), 0, 'it goes on');
is(written('int'), 30_000, 'to the end');

is(interrupt('INT', 'stream2', '-', '--json'), 130, 'of a stream');
like($err, qr/interrupted: @{[ written('stream2') ]} lines are written; the/,
     'the end is not known');
ok(decode_json($out)->{interrupted}, 'the answer in JSON says it too');

# where the machine itself stood still an import may be over before the signal

my $status = 0;
my $try = 0;

$status = interrupt('HUP', 'codeless' . ++$try, $codeless)
    while $status eq '0' && $try < 3;

is($status, 130, 'lines without a code');

my $line = 1 + written("codeless$try");

like($err, qr/take away those up to line $line, then/, 'would be made again');


# Redis is full, or goes away, on the way

my ($used) = $t->redis('INFO', 'memory') =~ /^used_memory:(\d+)/m;

$t->redis('CONFIG', 'SET', 'maxmemory', $used + 3_000_000);
is(r('link', 'import', 'full', $big), 4, 'no memory');
$t->redis('CONFIG', 'SET', 'maxmemory', 0);
like($err, qr/OOM.*; @{[ written('full') ]} of 30000 lines are written; the same command with --update goes on$/,
     'how far it came');
cmp_ok(written('full'), '>', 0, 'some');

{
    my $pid = fork // die;

    if (!$pid) {
        open STDOUT, '>', "$dir/cli.out";
        open STDERR, '>', "$dir/cli.err";
        exec $script, 'link', 'import', 'away', $big or POSIX::_exit(127);
    }

    stop_at($pid, 'away', 1000);
    $t->redis('CONFIG', 'SET', 'maxclients', 1);
    $t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    kill 'CONT', $pid;
    waitpid $pid, 0;
    is($? >> 8, 4, 'Redis goes away') or diag $t->read_file('cli.err');
    $t->redis('CONFIG', 'SET', 'maxclients', 1000);
    $err = $t->read_file('cli.err');

    my ($said) = $err =~ /; (\d+) of 30000 lines are written/;
    my ($more) = $err =~ /, and perhaps the next (\d+)/;

    cmp_ok($said // -1, '<=', written('away'), 'what is said is there');
    cmp_ok(($said // 0) + ($more // 0), '>=', written('away'),
           'and no more than that') or diag $err;
}

$t->redis('CONFIG', 'SET', 'min-replicas-to-write', 1);
is(r('link', 'import', 'none', $big), 4, 'from the start');
unlike($err, qr/written/, 'it is as ever');
$t->redis('CONFIG', 'SET', 'min-replicas-to-write', 0);

done_testing;
