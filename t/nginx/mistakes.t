# protects: mistakes of operators: a system directory is not taken for a
# journal, nginx -t does not hang, and a second cookie or too many rules do
# not lose a visitor

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX qw(mkfifo);
use Referral;

my $t = Referral->new;
my $dir = $t->dir;


sub refused {
    my ($what, $pattern, %o) = @_;

    local $SIG{ALRM} = sub { die "nginx -t hangs\n" };

    alarm 20;
    my ($output, $status) = $t->nginx_t(%o);
    alarm 0;

    is($status, 1, "$what: refused");
    like($output, $pattern, "$what: said so");
}


my $short = 'location /r/ { referral shop; '
            . 'referral_landing https://shop.example.com/; }';

mkdir "$dir/other";
$t->write_file('other/passwd', 'x');
$t->write_file('file', 'x');

my $owner = (stat "$dir/other")[4];

refused('a directory of others', qr/holds "passwd".*directory of its own/,
        http => 'referral_journal %%DIR%%/other;', server => $short);

is((stat "$dir/other")[4], $owner, 'and it keeps its owner');

refused('a file for a journal', qr/is not a directory/,
        http => 'referral_journal %%DIR%%/file;', server => $short);

mkfifo("$dir/fifo", 0600);

refused('a pipe for a key', qr/is not a small regular file/,
        http => 'referral_key_file %%DIR%%/fifo;', server => $short);

refused('consent without a variable', qr/needs a variable/,
        server => 'location /r/ { referral shop; referral_consent off; }');

refused('two contents', qr/other contents already/,
        server => 'location /r/ { referral shop; referral_metrics; }');

refused('other contents afterwards', qr/another directive.*check\.conf:\d+/,
        server => 'location /r/ { referral shop; '
                  . 'proxy_pass http://127.0.0.1:%%PORT%%; }');

$t->link('shop', 'one', referrer => 'aiko');
$t->link('shop', 'big', landing => 'https://shop.example.com/own',
         rules => 'lang=' . 'ja,' x 20000 . 'ja https://shop.example.com/ja');

$t->config(server => <<'END');
        referral_program shop;
        referral_landing https://shop.example.com/;

        location /r/ {
            referral;
        }

        location = /who {
            return 200 $referral_code;
        }
END

$t->start;

my $cookie = 'ref_shop=' . $t->get('/r/one')->set_cookie('ref_shop')->{value};

is($t->get('/who', cookie => $cookie)->body, 'one', 'one cookie');
is($t->get('/who', cookie => "ref_shop=xxx; $cookie")->body, 'one',
   'one of another host before it');
is($t->get('/who', cookie => "a=1; ref_shop=; ref_shop=x;$cookie; b=2")->body,
   'one', 'or two');
is($t->get('/who', cookie => "ref_shop=x; " x 50 . $cookie)->body, '',
   'not any number: each costs');

like($t->get('/r/big')->location, qr{^https://shop\.example\.com/own\?},
     'too many rules: as if there were none');

done_testing;
