# protects: sales that an operator sends to nginx, one or a file of them, come
# in once however often they are sent, and what is refused is told and kept

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(sleep time);

my $t = Referral->new;
my $dir = $t->dir;
my $json = JSON::PP->new->canonical->utf8;

sub key { 'whsec_' . encode_base64($_[0] x 32, '') }

$t->write_file('shops', '# ours' . "\nother k " . key('o') . "\nshop k1 " . key('k')
                        . "\n", 0600);
$t->write_file('alone', key('k') =~ s/=//r . "\n");
$t->write_file('wrong', key('x') . "\n");

$t->config(http => 'referral_convert_keys %%DIR%%/shops;', server => <<'END');
    referral_program shop;
    referral_landing "https://shop.example.com/";

    location /r/ {
        referral;
    }

    location /events {
        referral_convert;
    }

    location /inside {
        referral_convert;
        referral_convert_auth location;
        allow 127.0.0.1;
        deny all;
    }

    # in front of it, as a host that is away for a while

    location /gate {
        if (-f %%DIR%%/away) {
            add_header Retry-After 1 always;
            return 503;
        }

        proxy_pass http://127.0.0.1:%%PORT%%/events;
        proxy_set_header Host localhost;
    }

    # away for a short body only: the last one of a file

    location /short {
        if ($content_length ~ "^[0-9]{1,3}$") {
            return 503;
        }

        proxy_pass http://127.0.0.1:%%PORT%%/events;
        proxy_set_header Host localhost;
    }

    location /moved {
        return 301 https://example.com/;
    }
END

$t->link('shop', 'aiko7', referrer => 'aiko');
$t->start;

Referral::Cli->begin($t);

my $base = "http://127.0.0.1:" . $t->port;

$ENV{REFERRAL_CONVERT_URL} = "$base/events";
$ENV{REFERRAL_CONVERT_KEY_FILE} = "$dir/shops";

sub stream { my @e = $t->entries('ref:conversions:{shop}'); @e }
sub posts { scalar(() = $t->read_file('access.log') =~ /"POST \/events/g) }


# one

my @lead = ('convert', 'shop', qw(--type lead --customer bo --code aiko7 -x plan=gold=1
            --product), 'a, b');
my $lead = j(@lead);

is($lead->{result}, 'recorded', 'a lead');
is($lead->{via}, 'code', 'by its code');
is($lead->{event_id} =~ s/[0-9a-f]{32}\z/…/r, 'lead-…', 'an id is made');
like($err, qr/its event_id is made/, 'and it is said');

my ($entry) = stream();

is($entry->{x}, 'plan=gold%3D1', 'a field of one\'s own');
is($entry->{product}, 'a,b', 'a list');
is($entry->{trust}, 'signed', 'signed');
is(j(@lead)->{replayed}, JSON::PP::true, 'again: the same one');

my @sale = ('convert', 'shop', qw(--type sale --customer bo --order-id o1
            --amount 4990 --currency EUR));

is(j(@sale)->{event_id}, 'sale-o1', 'a sale is named by its order');
is(r(@sale, '--key-file', "$dir/alone"), 0, 'a key alone in its file');
like($out, qr/^replayed +True$/m, 'for people');
is(r('convert', 'shop', qw(--type lead --customer mia --event-id l2 --key-file),
     "$dir/shops", '--url', "$base/events"), 0, 'by options');

{
    delete local $ENV{REFERRAL_CONVERT_KEY_FILE};

    is(r('convert', 'shop', qw(--type lead --customer kim --url), "$base/inside"), 0,
       'a location that knows who asks needs no key');
    is(r(@sale), 3, 'others do');
    like($err, qr/401: .*give the key with --key-file/, 'and it says how');
}


# what is wrong

is(r(@sale, '--amount', '49.90'), 3, 'refused');
like($err, qr/refused: amount: a whole number of the minor unit/, 'and why');
is(r('convert', 'shop', qw(--type sale --customer x)), 3, 'more mistakes');
like($err, qr/order_id: .*; amount: /, 'all of them');
is(r(@sale, '--amount', 1), 3, 'another sale of that name');
like($err, qr/refused: another event has this event_id/, 'is another event');

my @refund = ('convert', 'shop', qw(--type refund --order-id o1 --currency EUR));

is(r(@refund, '--amount', 1), 2, 'a refund that could be one of many');
like($err, qr/give an event_id, or total_refunded/, 'has to be named');
is(j(@refund, '--total-refunded', 1)->{event_id}, 'refund-o1-1', 'or says the total');
is(r('convert', 'shop', qw(--type install --customer bo)), 2, 'so does a step');
is(r('convert', 'shop'), 2, 'nothing');
is(r('convert', 'shop', '--type', 'lead', '-x', $_), 2, "-x $_") for 'a', 'A=b', '=b';
is(r(@sale, '--key-file', "$dir/wrong"), 3, 'a wrong key');
like($err, qr/refuses with 401: .*referral_convert_keys/, 'what to look at');
is(r('convert', 'nope', @sale[2 .. $#sale]), 2, 'no key of this program');
like($err, qr/no key of program nope/, 'is told');
is(r(@sale, '--key-file', "$dir/none"), 2, 'no such file');

# keys as nginx takes them, and no others

for (['whsec_' . '-_' x 20, qr/base64 behind it, of A-Z/], ['whsec_' . 'A' x 42 . 'B=', qr/base64/],
     ['whsec_A' . 'A' x 40, qr/base64/], ['whsec_AAAA', qr/has 3 bytes; it has 24 to 64/],
     ['whsec_' . 'A' x 88, qr/has 66 bytes/])
{
    $t->write_file('odd', "shop k1 $_->[0]\n", 0600);
    is(r(@sale, '--key-file', "$dir/odd"), 2, "$_->[0]: no key");
    like($err, $_->[1], 'and why');
}

$t->write_file('bom', "\xef\xbb\xbfshop k1 " . key('k') . "\n", 0600);
is(r(@sale, '--key-file', "$dir/bom"), 0, 'a mark of the byte order') or diag($err);
is(r(@sale, '--url', $_), 2, "$_: no URL") for 'go.example.com', 'ftp://x/', 'http://';
is(r(@sale, '--url', "$base/nowhere"), 3, 'nothing there');
is(r(@sale, '--url', "$base/moved"), 3, 'moved away');
like($err, qr/refuses with 301: .*is the URL/, 'is told');
is(r(@sale, '--url', 'http://127.0.0.1:1/', '--patience', 0), 4, 'nobody there');
like($err, qr/nginx cannot be reached at http:.*; given up/, 'is told');

{
    delete local $ENV{REFERRAL_CONVERT_URL};
    is(r(@sale), 2, 'no URL at all');
    like($err, qr/--url, or in REFERRAL_CONVERT_URL/, 'how to say it');
}

my $n = stream();

is($n, 5, 'five are there, each once');


# a file

my $before = posts();

$t->write_file('sales.csv', "Order ID;customer;amount;x.note\n"
               . join '', map { "f$_;c" . $_ % 7 . ";$_;n $_\n" } 1 .. 1203);

my @file = ('convert', 'shop', qw(--type sale --currency EUR --code aiko7 --file),
            "$dir/sales.csv");
my $told = j(@file);

is_deeply([ @$told{qw(read recorded replayed refused accepted unattributed)} ],
          [ 1203, 1203, 0, 0, 0, 0 ], 'a file of sales');
is(posts() - $before, 3, 'in bodies of 500');
is(stream() - $n, 1203, 'all are there');

my %last = %{ (stream())[-1] };

is_deeply([ @last{qw(type event order amount unit x)} ],
          [ 'sale', 'sale-f1203', 'f1203', 1203, 'EUR', 'note=n%201203' ],
          'the options say what the lines leave out');

is(r(@file), 0, 'the same file again');
like($out, qr/^0 recorded, 0 unattributed, 0 accepted, 1203 replayed, 0 refused$/m,
     'counts nothing twice');
ok(!-e "$dir/sales.csv.refused", 'no file of refused ones without any');


# lines that are refused

$t->write_file('mixed.jsonl', join "\n",
    '{"type":"lead","customer":"z1","product":["a","b"],"x":{"k":"v"}}',
    '{"type":"lead","customer":"z 2"}',
    'nonsense', '[1]', '{"type":"lead","type":"lead"}', '',
    '{"type":"step","customer":"z3"}',
    '{"type":"step","customer":"z3","event_id":"st-1","code":null,"at":""}',
    '{"type":"sale","customer":"z4","order_id":"of","amount":12.5,"currency":"EUR"}',
    '{"type":"sale","customer":"bo","order_id":"o1","amount":1,"currency":"EUR"}');

is(r('convert', 'shop', '--file', "$dir/mixed.jsonl"), 3, 'a file with mistakes');
like($out, qr/^0 recorded, 2 unattributed, 0 accepted, 0 replayed, 7 refused$/m, 'the sums');
like($out, qr/^ *2 .*customer: 1 to 128 characters/m, 'an id with a blank');
like($out, qr/^ *3 +not JSON/m, 'no JSON');
like($out, qr/^ *4 +not a JSON object/m, 'no object');
like($out, qr/^ *5 +names a field twice/m, 'a field twice');
like($out, qr/^ *7 +there may be several events step/m, 'a step without an id');
like($out, qr/^ *9 .*amount: /m, 'half a cent');
like($out, qr/^ *10 +sale-o1 +another event has this/m, 'another sale');
like($err, qr/7 of 9 lines were refused; \Q$dir\E\/mixed\.jsonl\.refused has them/,
     'and where they are');

my $file = "$dir/mixed.jsonl.refused";
my @kept = map { $json->decode($_) } split /\n/, $t->read_file($file);

is((stat $file)[2] & 0777, 0600, 'for nobody else');
is(scalar @kept, 7, 'all of them');
is_deeply([ map { $_->{line} } @kept ], [ 2, 3, 4, 5, 7, 9, 10 ], 'in the order of the file');
is_deeply([ map { $_->{text} } @kept[1 .. 3] ],
          [ 'nonsense', '[1]', '{"type":"lead","type":"lead"}' ],
          'what is no event with its text');
ok(!exists $kept[1]{event}, 'and without an event');

my ($half) = grep { $_->{line} == 9 } @kept;

is($half->{event}{amount}, 12.5, 'as they were');
like($half->{reason}, qr/amount/, 'and why');

$half->{event}{amount} = 1250;
$t->write_file('mended.jsonl', $json->encode($half));
is(j('convert', 'shop', '--file', "$dir/mended.jsonl")->{unattributed}, 1,
   'one that was mended is taken as it stands there');

# what cannot be read is kept as it was, is JSON, and is no event when sent again

sub kept {
    my ($name, $text) = @_;

    $t->write_file($name, $text);
    r('convert', 'shop', '--file', "$dir/$name");

    return [ map { eval { $json->decode($_) } // "no JSON: $_" }
             split /\n/, $t->read_file("$dir/$name.refused") ];
}

my $odd = join '', map { "$_\n" } qq({"type":"lead","customer":"\xc3\xa4"}),
    '{"type":"lead","customer":"n1","quantity":1e400}',
    '{"type":"lead","customer":"n2","x":{"k":[NaN,-Infinity]}}',
    qq({"type":"lead","customer":"n3\xe4"}), '{"type":"lead","customer":"\ud800"}';
my $bad = kept('odd.jsonl', $odd);

is_deeply([ map { $_->{text} // $_->{event}{customer} } @$bad ],
          [ "\x{e4}", '{"type":"lead","customer":"n1","quantity":1e400}',
            '{"type":"lead","customer":"n2","x":{"k":[NaN,-Infinity]}}',
            '{"type":"lead","customer":"n3\udce4"}', '{"type":"lead","customer":"\ud800"}' ],
          'odd numbers and odd bytes');
like($bad->[1]{reason}, qr/^1e400 is no number/, 'and why');

my $again = kept('again.jsonl', $t->read_file("$dir/odd.jsonl.refused"));

is_deeply([ map { $_->{text} // '' } @$again ], [ map { $_->{text} // '' } @$bad ],
          'sent again as it is it is kept again, with the same text');
like($again->[1]{reason}, qr/; mend it in "text", or put an "event" in its place/,
     'and what to do');

$again->[1]{text} =~ s/1e400/1/;
$t->write_file('again2.jsonl', $json->encode($again->[1]));
is(j('convert', 'shop', '--file', "$dir/again2.jsonl")->{unattributed}, 1,
   'the text can be mended');

$bad = kept('odd.csv', "type,customer\nlead,q1,x\nlead,q 2\nlead,\"q3\n");
is_deeply([ map { [ @$_{qw(line text)} ] } @$bad ],
          [ [ 2, 'lead,q1,x' ], [ 3, undef ], [ 4, 'lead,"q3' ] ], 'lines of CSV too');
is($bad->[1]{event}{customer}, 'q 2', 'and an event where it was one');
is(r('convert', 'shop', '--file', "$dir/odd.csv.refused"), 3,
   'sent again they are no events');
like($out, qr/ not JSON; it is one object a line; mend it/, 'which is told');

$stdin = "type,customer\nlead,\xe4\nlead,z9\n";
is(r('convert', 'shop', '--file', '-'), 1, 'another encoding');
like($err, qr/the encoding of the standard input/, 'is refused as a whole');

$stdin = "type,customr\nlead,z9\n";
is(r('convert', 'shop', '--file', '-'), 3, 'a column that is none');
like($err, qr/'customr'; did you mean customer\?/, 'is told');

$stdin = "type,customer\nlead,z9\nlead,\n";
is(r('convert', 'shop', '--file', '-', '--refused', "$dir/bad"), 3, 'stdin');
ok(-s "$dir/bad", 'has a file too');
is(r('convert', 'shop', '--file', '-', '--event-id', 'x'), 2, 'one id for all');
is(r('convert', 'shop', '--refused', 'x', '--type', 'lead'), 2, 'a file of one');

is(length j('convert', 'shop', qw(--type sale --customer bo --amount 1 --currency EUR
                                  --order-id), 'o' x 128)->{event_id}, 37,
   'a long order has a digest');

# by bytes, too

$t->write_file('long.jsonl', join '', map {
    my $i = $_;
    $json->encode({ type => 'lead', customer => "long$i",
                    x => { map { ("k$_" => "\x{e4}" x 128) } 1 .. 16 } }) . "\n"
} 1 .. 300);

$told = j('convert', 'shop', '--file', "$dir/long.jsonl");
is($told->{unattributed}, 300, 'bodies of at most 1 MB') or diag($err);


# nginx is away for a while

$t->write_file('away', '');
$t->write_file('late.csv', "type,customer\nlead,late1\n");
$t->spawn(sub { sleep 1.5; unlink "$dir/away" });

my $start = time;

$told = j('convert', 'shop', '--url', "$base/gate", '--file', "$dir/late.csv");
is($told->{unattributed}, 1, 'sent when nginx is back');
cmp_ok(time - $start, '>=', 1.4, 'after it was');
is(scalar(() = $err =~ /nginx answers 503: .*; trying again/g), 1, 'and says why it waits');

$t->write_file('away', '');
is(r('convert', 'shop', '--url', "$base/gate", '--file', "$dir/late.csv",
     '--patience', 0), 4, 'not for ever');
unlink "$dir/away";

$t->write_file('part.csv', join '', "type,customer\n", map { "lead,g$_\n" } 1 .. 501);

my @part = ('convert', 'shop', '--file', "$dir/part.csv");

is(r(@part, '--url', "$base/short", '--patience', 0), 4, 'in the middle of a file');
like($out, qr/^0 recorded, 500 unattributed, /m, 'the sums up to there');
like($err, qr/503.*; 500 lines are done; the same command goes on/, 'and how to go on');
is_deeply([ @{ j(@part) }{qw(unattributed replayed)} ], [ 1, 500 ], 'and so it does');


# Redis is away

$t->redis_stop;
is(r('convert', 'shop', qw(--type lead --customer d1)), 0, 'Redis away: accepted');
like($out, qr/^result +accepted$/m, 'is told');
like($err, qr/nginx has it on its disk/, 'and what that means');
$t->write_file('away.csv', "type,customer\nlead,d1\nlead,d2\n");
is(j('convert', 'shop', '--file', "$dir/away.csv")->{accepted}, 2, 'a file too');
$t->redis_start;
ok((wait_for { my $s = $t->hgetall('ref:person:{shop}'); $s->{d1} && $s->{d2} }),
   'they come');



done_testing;
