# protects: the list that tells machines from people: the built-in one, an
# operator's own, and the errors of a wrong one; a person's click counts
# whatever requested the same link before

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

my $root = "$FindBin::Bin/../..";
my $t = Referral->new;

Referral::Cli->begin($t);

my $chrome = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 '
    . '(KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36';

my %server = (server => <<'END');
        referral_landing https://shop.example.com/;

        location /r/ {
            referral shop;
        }

        location /class {
            return 200 $referral_class;
        }
END

# what nginx -t says of a list

sub says {
    my ($list, $want, $what) = @_;

    my $file = $t->write_file('a.list', $list);

    my ($output, $status) = $t->nginx_t(%server, http => <<"END");
    referral_bots $file;
END

    isnt($status, 0, "$what: refused");
    like($output, qr/\[emerg\] \S+ "referral_bots": $want/, '… with what is wrong');
}

says("bot one\n\nrobot two\n",
     qr/a line begins with "bot", "preview" or "person".*a\.list", line 3 in \S+check\.conf:/,
     'another class');
says("bot x\n", qr/a word has at least 2 characters.* line 1 in \S+check\.conf:/,
     'a short word');
says("bot one\nbot two\npreview ONE\n",
     qr/this word stands in the list twice in .* line 1 and line 3 in \S+check\.conf:/,
     'a word twice');
says("bot caf\xc3\xa9\n", qr/only printable ASCII.* line 1 in \S+check\.conf:/, 'letters');
says('bot ' . 'x' x 65, qr/a word has at most 64.* line 1 in \S+check\.conf:/, 'a long word');
says("# later\n", qr/there is no word in the list.*like "bot googlebot"/,
     'an empty list');
says("#\n" x 600_000, qr/.*a\.list" is not a small regular file/,
     'a large file');

my ($output, $status) = $t->nginx_t(%server,
                                    http => 'referral_bots none.list;');

isnt($status, 0, 'no file: refused');
like($output, qr/none\.list" failed \(2: No such file/, '… by its path');

($output, $status) = $t->nginx_t(%server, http => <<"END");
    referral_bots $root/conf/bots.list;
    referral_bots $root/conf/bots.list;
END

isnt($status, 0, 'two lists: refused');
like($output, qr/"referral_bots" directive is duplicate/, '… as such');

# without a directive: the built-in list

$t->config(%server);
$t->link('shop', $_) for qw(a b c d);
$t->start;

my $shop = 'OurShop-Watch/2.0';

sub class {
    my ($ua, @headers) = @_;
    return $t->get('/class', ua => $ua, headers => [ @headers ])->body;
}

is(class($chrome), 'human', 'a browser');
is(class($shop), 'bot', 'no browser');
is(class("$chrome Googlebot/2.1"), 'bot', 'one that says what it is');
is(class('Slackbot-LinkExpanding 1.0'), 'preview', 'a card in a chat');
is(class($chrome, Accept => undef), 'bot', 'a browser that accepts nothing');
is(class($chrome, 'Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Dest' => 'image'),
   'bot', 'an image whose address is the link');
is(class($chrome, 'Sec-Fetch-Mode' => 'cors'), 'bot', 'a script, by mode');
is(class($chrome, 'Sec-Fetch-Dest' => 'image'), 'bot',
   'an image, by destination');
is(class($chrome, 'Sec-Fetch-Mode' => 'navigate',
         'Sec-Fetch-Dest' => 'document'), 'human', 'a navigation');
is(class($chrome, Purpose => 'x', 'X-Moz' => 'prefetch'), 'prefetch',
   'any header of the four says a prefetch');

# what came before takes nothing from the person who comes then

my %want = (raw => 0);

sub then_a_person {
    my ($code, $class, $what, @o) = @_;

    my $r = $t->request($class eq 'head' ? 'HEAD' : 'GET', "/r/$code", @o);

    is($r->status, $class eq 'prefetch' ? 503 : 302, "$what is answered");
    is($r->set_cookie, undef, '… without a cookie');

    $r = $t->get("/r/$code", ua => $chrome);

    is($r->status, 302, 'then a person');
    ok($r->set_cookie, '… with a cookie');

    $t->fields_are("ref:stats:{shop}:$code",
                   { raw => 2, clicks => 1, visitors => 1, $class => 1 },
                   'both count, each as what it is');

    $want{raw} += 2;
    $want{clicks}++;
    $want{$class}++;
}

then_a_person('a', 'prefetch', 'a prefetch', ua => $chrome,
              headers => [ 'Sec-Purpose' => 'prefetch' ]);
then_a_person('b', 'preview', 'a messenger', ua => 'WhatsApp/2.23.20.0 A');
then_a_person('c', 'head', 'a HEAD', ua => $chrome);
then_a_person('d', 'bot', 'a scanner of mails', ua => 'curl/8.5.0');

$t->fields_are('ref:stats:{shop}', \%want, 'of the program too');

# a list of one's own, by a reload: nothing of the old one is remembered

my $list = $t->write_file('own.list', <<'END');
# ours
bot      ^mozilla/5.0 (windows
preview  googlebot
person   ^ourshop-
END

$t->config(%server, http => "referral_bots $list;");
$t->reload;

is(class($chrome), 'bot', 'one\'s own list');
is(class("Googlebot/2.1"), 'preview', '… with its classes');
is(class($shop), 'human', '… and its people');

# a wrong one: the old one stays

$t->write_file('own.list', "nonsense\n");
$t->signal('HUP');

wait_for { $t->log =~ /own\.list", line 1/ };

is(class($shop), 'human', 'a reload with a wrong list changes nothing');
$t->expect_log(qr/\[emerg\].*"referral_bots"/);

# the command line says why

is(r('bots', 'test', $chrome, "$chrome Googlebot/2.1", 'x', ''), 0, 'asked');
like($out, qr/^human .*nothing says a machine/m, 'a person');
like($out, qr/^bot .*line \d+ of the list: bot /m, 'a word and its line');
like($out, qr/^bot .*neither begins like a browser/m, 'no browser');
like($out, qr/^bot .*there is no User-Agent/m, 'nothing');

$list = $t->write_file('own.list', "bot x\x24\nperson ^ourshop-\nbot |windows\n");
$stdin = "$shop\n$chrome\r\n\xff\n";

is(r('bots', 'test', '--list', $list, '--file', '-', '--csv'), 3,
   'a list that is wrong is refused');
like($err, qr/own\.list:1: a word has at least 2/, '… with its line');

$t->write_file('own.list', "bot xx\$\nperson ^ourshop-\nbot |windows|\n");
$stdin = "$shop\n$chrome\r\n\xff\n";

my $got = j('bots', 'test', '--list', $list, '--file', '-');

is_deeply([ map { "$_->{class} $_->{os}" } @$got ],
          [ 'human other', 'bot windows', 'bot other' ],
          'a file of User-Agents, by a list of one\'s own');
is($got->[1]{why}, "line 3 of $list: bot |windows|", 'and why');

is(r('bots', 'test', '--list', "$root/conf/bots.list"), 0,
   'the list that is built in is right');
is(r('bots', 'test'), 2, 'nothing asked');
is(r('bots', 'test', '--file', 'none'), 2, 'no file');

# a usual User-Agent takes less than a microsecond; with a factor for a machine
# that is busy, this sees a list or an automaton that went wrong

my $agents = $t->write_file('agents', "$chrome\n");
my ($ns) = split /\t/, `$root/build/referral_bots_test --time < $agents`;

cmp_ok($ns, '<', 5000, "a browser's User-Agent is classed in $ns ns");

done_testing;
