# protects: the manual's tables of reward rules have each word of the grammar
# and no other, their examples and the programs to begin with are right, and a
# mistake is told where it stands

use strict;
use warnings;

use FindBin;
use File::Temp qw(tempfile);
use JSON::PP;
use Test::More;

chdir "$FindBin::Bin/../.." or die "chdir: $!";

delete $ENV{REFERRAL_TOOLS};
$ENV{PYTHONPYCACHEPREFIX} = 'build/pycache';

my $page = slurp('docs/rewards-words.md');

sub slurp {
    my ($path) = @_;

    open my $f, '<', $path or die "$path: $!";
    local $/;
    return scalar <$f>;
}


# what the C program says of a text, and what the command says

sub engine {
    my $file = file(@_);
    my $out = `build/referral_rewards_test < $file`;

    return ($? >> 8, $out);
}


sub file {
    my ($text) = @_;

    my ($f, $file) = tempfile(UNLINK => 1);

    print $f $text;
    close $f;

    return $file;
}


sub check {
    my $file = file(@_);
    my $out = `scripts/referral rewards check $file --json`;

    return ($? >> 8, decode_json($out || '{}'));
}


# --- the tables ---

# kind, word and default of each; values of a choice

my (@said, @there, %values, @examples);
my $kind = '';

for my $line (split /\n/, $page) {
    $kind = $line =~ /^## (\w+)$/ ? $1 : '' if $line =~ /^## /;

    next unless $kind && $line =~ /^\| `/;

    my (undef, $word, $says, $values, $default, $example) =
        map { s/^ | $//gr =~ s/\\\|/|/gr } split /(?<!\\)\|/, $line;

    $word =~ tr/`//d;
    $default =~ tr/`//d;
    $example =~ tr/`//d;
    $default = '!' if $default eq 'must be said';
    $default = '' if $default eq "\xe2\x80\x93";

    push @said, "$kind $word $default";
    push @examples, [ $kind, $word, $example ];
    $values{"$kind $word $default"} = $values;

    cmp_ok(length $says, '>=', 10, "$kind $word: what it says");
}

for my $line (split /\n/, `build/referral_rewards_test --words`) {
    my ($of, $word, $values, $default) = split /\t/, $line, -1;

    push @there, "$of $word $default";

    next if $values !~ /^[a-z_]+(?:\|[a-z_]+)+$/;

    my @missing = grep { ($values{$there[-1]} // '') !~ /`\Q$_\E`/ }
                  split /\|/, $values;

    is("@missing", '', "$of $word: each choice");
}

cmp_ok(scalar(@there), '>', 90, 'the grammar has words');
is_deeply([ sort @said ], [ sort @there ],
          'each word has its row, and none is made up');


# --- the other tables ---

sub table {
    my ($heading) = @_;

    my ($section) = $page =~ /^## \Q$heading\E\n(.*?)(?:^## |\z)/ms;

    return [ map { s/ /: /r } sort map { tr/`|//d; s/^ | $//gr =~ s/ +/ /gr }
             $section =~ /^(\| `.*)$/mg ];
}

my %kinds;

for my $line (split /\n/, `build/referral_rewards_test --words`) {
    my ($of, $word) = split /\t/, $line;

    $kinds{$word} .= " $of" if ($kinds{$word} // '') !~ / \Q$of\E\b/;
}

is_deeply(table('Each word once'), [ map { "$_:$kinds{$_}" } sort keys %kinds ],
          'each word with its lines');

my %default = slurp('src/ledger/referral_ledger_signal.c')
              =~ /\{ referral_string\("(\w+)"\), (\d+, \d) \}/g;

for my $does (values %default) {
    my ($score, $reject) = split /, /, $does;

    $does = $reject ? 'reject' : $score ? "score $score" : 'nothing';
}

my %signal = map { /^(\w+):.* (reject|nothing|score \d+)$/ ? ($1 => $2) : () }
             table('Signals of fraud')->@*;

is_deeply(\%signal, \%default, 'each signal with its score');
cmp_ok(scalar(keys %default), '>=', 18, 'signals');


# --- the examples ---

# a line of each kind that an example is put into

my %line = (
    set     => 'set=debt:yes',
    unit    => 'unit=USD/2',
    rule    => 'rule=try on=sale to=both give=1.00EUR',
    cap     => 'cap=try per=friend',
    boost   => 'boost=try rule=base x=2',
    tier    => 'tier=try friends=3 of=base',
    badge   => 'badge=try friends=3 of=base',
    contest => 'contest=try of=base every=month',
    nudge   => 'nudge=try missing=base after=7d',
    fraud   => 'fraud=mutual do=hold',
    item    => 'item=try price=10pt',
    goal    => 'goal=try metric=leads target=9 every=month',
    step    => 'step=try on=sale',
);

my $around = <<'END';
cap=month per=referrer amount=9.00EUR
rule=base on=txn to=friend give=1pt
tier=silver friends=2 of=base
END

for my $try (@examples) {
    my ($of, $word, $example) = @$try;

    my @words = split / /, $line{$of};

    for my $new (split / /, $example) {
        my ($key) = $new =~ /^([^=]+=)/;
        my ($at) = grep { index($words[$_], $key) == 0 } 0 .. $#words;

        $words[$at // @words] = $new;
    }

    push @words, 'count=1' if $of eq 'cap' && !grep { /^(?:count|amount)=/ } @words;

    my $text = "@words\n$around";

    $text = "unit=EUR/2,pt/0\n$text" unless $text =~ /^unit=EUR/m;

    my ($status, $out) = engine($text);
    my ($key) = $word =~ /^(x\.|\w+)/;

    like($example, qr/(?:^| )\Q$key\E/, "$of $word: its example has it");
    is($status, 0, "$of $word: @words") or diag($out);
}


# --- programs to begin with ---

my @programs = map { m{/(\w+)\.rules$} } sort glob 'conf/programs/*.rules';

is("@programs", 'airbnb bank dropbox prime saas shop tesla uber',
   'the programs that the manual names');

for my $program (@programs) {
    my $text = slurp("conf/programs/$program.rules");
    my ($status, $answer) = check($text);

    is($status, 0, "$program: no mistake");
    cmp_ok($answer->{rules} // 0, '>', 0, "$program: it has rules");

    my $comments = () = $text =~ /^#/mg;
    my $lines = () = $text =~ /^[a-z]/mg;

    cmp_ok(2 * $comments, '>', $lines, "$program: it says what it does");
}


# --- mistakes ---

my ($status, $answer) = check("unit=EUR/2\n\n"
    . "rule=a on=sale to=us give=5EUR nht=1\nset=zone:+08:00\n");

is($status, 1, 'a mistake ends with 1');
is_deeply([ map { "$_->{line}:$_->{column} $_->{word}" } @{ $answer->{rows} } ],
          [ '3:16 to=us', '3:22 give=5EUR', '3:32 nht=1', '4:1 set=zone:+08:00' ],
          'each with its place');
like($answer->{rows}[2]{right}, qr/did you mean nth\?/, 'what was meant');
like($answer->{rows}[3]{right}, qr/field timezone/, 'the field that is right');

my $people = `printf 'unit=EUR/2\\nrule=a on=sale to=us give=1.00EUR\\n' \\
              | scripts/referral rewards check -`;

is($? >> 8, 1, 'for people too');
like($people, qr/^-:2:16: mistake: 'to=us': one of: referrer/m, 'a line');

($status, $answer) = check("unit=pt/0\nrule=a on=lead to=friend give=9pt\n");

is($status, 0, 'a warning is no mistake');
like($answer->{rows}[0]{right}, qr/farmed/, 'a sign-up alone');

my $missing = `scripts/referral rewards check conf/programs/none 2>&1`;

is($? >> 8, 2, 'a file that is not there');
like($missing, qr/cannot be read/, 'is said');


# --- a list of events ---

# the fields of an event, and the line: not those of the facts behind them

my $events = file("at,type,customer,referrer,amount,currency\n"
                  . "2026-12-01,sale,c1,aiko,900,EUR\n");
my $rules = file(" unit=EUR/2   # not pt/0\nrule=a on=sale to=both give=5.00EUR\n");
my $refused = `scripts/referral rewards try $rules $events 2>&1`;

is($? >> 8, 3, 'an event that lacks a field');
like($refused, qr/line 2: a sale needs "customer", "order_id", "amount" and "currency"/,
     'is named by its line and fields');

for (['"currency": "eur"', 'written in capitals'],
     ['"currency": "EUR", "signals": "same_devic"', 'did you mean same_device'],
     ['"currency": "EUR", "event_id": "e1"', 'another line has the "event_id"'])
{
    my ($words, $right) = @$_;
    my $line = '{"at": "2026-12-01", "type": "sale", "customer": "c1", '
               . '"referrer": "aiko", "order_id": "1", "amount": 900, ';

    my $file = file("$line\"currency\": \"EUR\", \"event_id\": \"e1\"}\n"
                    . "$line$words}\n");
    my $out = `scripts/referral rewards try $rules $file 2>&1`;

    is($? >> 8, 3, "$words: is refused");
    like($out, qr/line 2: .*\Q$right\E/, "$words: with what is right");
}

my $bytes = file("# \xff\nunit=EUR/2\nrule=a on=sale to=both give=5.00EUR\n");

like(`scripts/referral rewards try $bytes $events 2>&1`, qr/byte 3 is not UTF-8/,
     'a text that is no UTF-8');

my $japan = file("unit=EUR/2\nrule=a on=sale region=JP-13 to=both give=5.00EUR\n");

$events = file("at,type,customer,referrer,order_id,amount,currency,region\n"
               . "2026-12-01,sale,c1,aiko,1,900,EUR,JP-13\n");

is(decode_json(`scripts/referral rewards try $japan $events --json`)->{entries},
   4, 'a region of the click');

$events = file("at,type,customer,referrer,order_id,amount,currency\n"
               . "2026-12-01,sale,c1,aiko,1,900,EUR\n");

my $given = decode_json(`scripts/referral rewards try $rules $events --json`);

is($given->{rows}[0]{amount}, '5.00 EUR', 'decimals of a unit in a line that is set in');
like($given->{rows}[0]{reward}, qr/^[0-9a-f]{16}$/, 'the id of a reward');

done_testing;
