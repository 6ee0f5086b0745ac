# protects: the page for the shop's developer: its programs send sales, its
# tables have each field and each code of the module, its answers are such

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use Digest::SHA qw(hmac_sha256 hmac_sha256_base64 hmac_sha256_hex);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(time sleep);

my $root = $Referral::ROOT;
my $page = slurp("$root/docs/conversions.md");
my $json = JSON::PP->new->canonical;
my $t = Referral->new;
my $dir = $t->dir;
my $port = $t->port;
my $paid_at = iso();


# --- tables ---

my %source = map { $_ => slurp($_) }
             glob("$root/src/intake/*.[ch] "
                  . "$root/src/http/modules/ngx_http_referral_convert*.c");
my $source = join "\n", map { $source{$_} } sort keys %source;

subtest 'fields' => sub {
    my ($table) = $source =~ /^\s+referral_intake_fields\[.*?\] =\n\{\n(.*?)^\};/ms;
    my @known = $table =~ /\{ referral_string\("(\w+)"\)/g;
    my @told = map { /`(\w+)`/g } rows('## Fields', 'field');

    cmp_ok(scalar(@known), '>', 20, 'fields of the intake');
    is_deeply([ sort @told ], [ sort @known ],
              'each has its row, and none is made up');
};

subtest 'codes' => sub {
    my %known;

    my $codes = qr/"([a-z]+(?:_[a-z]+)*)"/;

    $known{$_} = 1 for
        $source =~ /(?:mistake|json_wrong|wrong)\((?:[^()";]|\([^()]*\))*?$codes/g,
        $source =~ /referral_intake_refused\(in, \d+, $codes/g,
        $source =~ /_(?:text|set)\(&?code, $codes\)/g,
        $source =~ /^\s+code = $codes;/mg,
        $source =~ /\breturn $codes;/g,
        grep { $_ ne 'signature_ok' } map { /referral_string\($codes\)/g }
        $source =~ /codes\[REFERRAL_SIGNATURES\] = \{(.*?)\};/s;

    # the header lists those of fields and bodies

    my ($list) = $source =~ /^ \* The codes: (.*?)\n \*\//ms;
    my @listed = $list =~ /"(\w+)"/g;

    $known{$_} = 1 for @listed;

    my %told = map { $_ => 1 } map { /`(\w+)`/g } rows('## Answers', 'code');

    cmp_ok(scalar(keys %known), '>', 30, 'codes of the module');
    is_deeply([ sort keys %told ], [ sort keys %known ],
              'each has its row, and none is made up');
};


# --- the machine of the page ---

my ($first) = fenced('nginx');
my ($make) = $page =~ /^    (\(umask 077; .*)$/m;

# the key, as the page makes it

system('sh', '-c', $make =~ s{/etc/nginx/}{$dir/}r) == 0
    or die "$make: $?";

is((stat "$dir/referral.shops")[2] & 0777, 0600, 'the key is nobody else\'s');

my ($secret) = $t->read_file('referral.shops') =~ /^shop key1 (whsec_\S+)\n\z/;

ok($secret, 'the key') or diag($t->read_file('referral.shops'));

$first =~ s{/etc/nginx/}{$dir/};
$first =~ s/listen 80;/listen 127.0.0.1:$port;/;
$first =~ s/server_name go\.example\.com;/server_name 127.0.0.1;/;

# the other locations beside it

my ($answer) = grep { /referral_convert_from/ } fenced('nginx');
my ($visitor) = grep { /referral_convert_browser/ } fenced('nginx');
my ($header, $event) = $page =~ /^    (X-Referral-Event): (.*)$/m;

$answer =~ s{http://127\.0\.0\.1:3000}{http://127.0.0.1:$port/shop};

$t->config(http => $first =~ s/^\}$/
    $answer
    $visitor
    location \/shop {
        add_header $header "$event";
        return 200 thanks;
    }
}/mr);

$t->link('shop', 'aiko7', referrer => 'aiko');
$t->start;

$ENV{REFERRAL_KEY} = $secret;


# --- the first sale, in the shell ---

my ($sh, $line, $refund) = fenced('sh');

$t->write_file('event.sh', here($sh));

my $click = $t->get('/r/aiko7', host => "127.0.0.1:$port");
my ($id) = ($click->header('Location') // '') =~ /click_id=([^&]+)/;
my ($cookie) = ($click->header('Set-Cookie') // '') =~ /^([^;]+)/;

ok($id, 'there is a click') or diag($click->head);
wait_for { @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') } };

my ($sale, @batch) = fenced('json');

is_deeply(said(shell($line =~ s/CLICK_ID/$id/r)), $json->decode($sale),
          'the first sale has the answer of the page');
is_deeply(said(shell($line =~ s/CLICK_ID/$id/r)),
          { %{ $json->decode($sale) }, replayed => JSON::PP::true },
          'sent again it is the same one');
is(said(shell($refund))->{result}, 'recorded', 'a refund');


# --- the other languages ---

my %run = (python => [ 'python3', 'python', 1003 ],
           javascript => [ 'node', 'mjs', 1004 ],
           php => [ $ENV{TEST_PHP} // 'php', 'php', 1002 ]);

for my $language (sort keys %run) {
    my ($program, $suffix, $order) = @{ $run{$language} };

    SKIP: {
        my ($path) = grep { -x } $program =~ m{/} ? $program
                     : map { "$_/$program" } split /:/, $ENV{PATH};

        skip "$program is not installed", 3 unless $path;

        my ($text) = fenced($language);
        my $file = $t->write_file("send.$suffix", here($text));
        my $out = `$path $file 2>&1`;

        is($?, 0, "$language: sends") or diag($out);
        is(entry("order-$order-paid")->{via}, 'code',
           "$language: the sale is there") or diag($out);

        sleep 1;
        $out = `$path $file 2>&1`;
        like($out, qr/replayed\W+(?:true|1)\b/i, "$language: run again it is the same sale");
    }
}

# what is sent again, and what is not

my ($python) = fenced('python');

$t->write_file('lib/shop.py', here($python) =~ s/\(1, 2, 4, 8, 16\)/(0, 0)/r);

like(python(q{shop.send_event({"type": "sale"})}), qr/ValueError: refused: .*"missing"/,
     'a wrong event is told, not sent again');

$t->stop;
like(python(q{shop.send_event({"type": "lead"})}), qr/OSError: not sent/,
     'without nginx it is told to keep the event');
$t->start;


# --- the answers of the page ---

{
    my ($problem, $results) = map { $json->decode($_) } @batch;

    my $r = post({ type => 'sale', event_id => 'x', customer => 'c',
                   order_id => 'o', currency => 'EUR', ammount => 1 });

    is_deeply($json->decode($r->body), $problem, 'a problem is as the page has it');

    post({ type => 'lead', event_id => 'a0', customer => 'b', code => 'aiko7' });

    $r = post([ { type => 'lead', event_id => 'a1', customer => 'b' },
                { type => 'lead', event_id => 'a2' } ]);

    my $got = $json->decode($r->body);

    $got->{results}[0]{position} = $results->{results}[0]{position};
    is_deeply($got, $results, 'results are as the page has them');
}


# --- the shop's answer, and the visitor's page ---

my $r = $t->get('/checkout', host => "127.0.0.1:$port", cookie => $cookie);

is($r->header($header), undef, 'the header of the shop is hidden');
ok((wait_for { entry('order-1005-paid') }), 'and its event is taken');
is(entry('order-1005-paid')->{via}, 'cookie', 'by the cookie');

my ($html) = fenced('html');
my ($lead) = $html =~ /JSON\.stringify\(\{ (.*?) \}\)/;

$lead =~ s/crypto\.randomUUID\(\)/"p1"/;
$lead =~ s/(\w+):/"$1":/g;

$r = $t->request('POST', '/joined', host => "127.0.0.1:$port", cookie => $cookie,
                 body => "{$lead}",
                 headers => [ 'Content-Type', 'application/json',
                              'Sec-Fetch-Site', 'same-origin' ]);

is($r->status, 200, 'the visitor\'s page') or diag($r->body);


# --- Shopify and Stripe ---

my $hooks = $t->free_port;

{
    local %ENV = (%ENV, REFERRAL_URL => "http://127.0.0.1:$port/events",
                  SHOPIFY_SECRET => 'shh', STRIPE_SECRET => 'whsec_shh');

    $t->spawn(sub {
        open STDERR, '>', "$dir/hooks.log";
        exec '/usr/bin/python3', '-B', "$root/conf/webhooks.py", "127.0.0.1:$hooks";
    });
}

ok((wait_for { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$hooks") }),
   'the server for webhooks');

sub webhook {
    my ($path, $data, @headers) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$hooks") or die "$!";
    my $body = ref $data ? $json->encode($data) : $data;

    if ($path eq '/shopify') {
        push @headers, 'X-Shopify-Hmac-Sha256: '
                       . hmac_sha256_base64($body, 'shh') . '=';

    } elsif (!@headers) {
        my $at = int time;

        push @headers, "Stripe-Signature: t=$at,v1="
                       . hmac_sha256_hex("$at.$body", 'whsec_shh');
    }

    print $s join("\r\n", "POST $path HTTP/1.0", @headers,
                  'Content-Length: ' . length $body, '', $body);

    my ($status) = (join '', <$s>) =~ /^HTTP\S+ (\d+)/;

    return $status;
}

my $order = { id => 450789469, currency => 'JPY', total_price => '1200',
              processed_at => iso(), created_at => iso(),
              customer => { id => 207119551 },
              note_attributes => [ { name => 'click_id', value => $id } ],
              discount_codes => [ { code => 'no link of ours!' } ] };

is(webhook('/shopify', $order, 'X-Shopify-Topic: orders/paid'), 200, 'Shopify: an order');
$r = entry('shopify-order-450789469');
is_deeply([ @$r{qw(type order amount unit via)} ],
          [ 'sale', 450789469, 1200, 'JPY', 'click' ], 'is a sale of its click');

is(webhook('/shopify', { id => 5, order_id => 450789469, created_at => iso(),
                         transactions => [
    { kind => 'refund', status => 'success', amount => '200', currency => 'JPY' },
    { kind => 'refund', status => 'failure', amount => '300', currency => 'JPY' } ] },
           'X-Shopify-Topic: refunds/create'), 200, 'Shopify: a refund');
is(entry('shopify-refund-5')->{amount}, 200, 'of what was paid back');

is(webhook('/shopify', { id => 450789469, cancelled_at => iso() },
           'X-Shopify-Topic: orders/cancelled'), 200, 'Shopify: cancelled');
is(entry('shopify-cancel-450789469')->{order}, 450789469, 'of that order');

is(webhook('/shopify', { %$order, id => 6, total_price => '12.34', currency => 'EUR',
                         note_attributes => [], discount_codes => [ { code => 'aiko7' } ],
                         customer => { id => 8 } },
           'X-Shopify-Topic: orders/paid'), 200, 'Shopify: with a code');
$r = entry('shopify-order-6');
is_deeply([ @$r{qw(amount via)} ], [ 1234, 'code' ], 'is a sale of that link, in cents');

my $n = $t->redis('XLEN', 'ref:conversions:{shop}');

is(webhook('/shopify', { %$order, id => 7, customer => undef },
           'X-Shopify-Topic: orders/paid'), 200, 'Shopify: without a customer');
like($t->read_file('hooks.log'), qr/^left out: Shopify's order 7 is paid, and has no customer: /m,
     'is told');
is(webhook('/shopify', { id => 7 }, 'X-Shopify-Topic: products/update'), 200,
   'Shopify: what is no order');
is(webhook('/shopify', $order, 'X-Shopify-Hmac-Sha256: x=='), 400, 'another signature');
is(webhook('/shopify', '[', 'X-Shopify-Topic: orders/paid'), 400, 'no JSON');
is(webhook('/shopify', { %$order, id => 8, total_price => '1.5' },
           'X-Shopify-Topic: orders/paid'), 400, 'half a yen');
is(webhook('/elsewhere', {}), 400, 'another path');
is(webhook('/shopify', { %$order, total_price => '1300' },
           'X-Shopify-Topic: orders/paid'), 200,
   'what nginx refuses for good is not sent again');
like($t->read_file('hooks.log'), qr/refused, and left out: .*id_reused/, 'and told');
is($t->redis('XLEN', 'ref:conversions:{shop}'), $n, 'nothing of it is kept');

my $session = { id => 'cs_1', client_reference_id => 'c9', payment_status => 'paid',
                payment_intent => 'pi_1', amount_total => 4990, currency => 'eur',
                metadata => { code => 'aiko7' } };

sub stripe {
    my ($type, $object, @headers) = @_;

    return webhook('/stripe', { type => $type, created => int time,
                                data => { object => $object } }, @headers);
}

is(stripe('checkout.session.completed', { %$session, payment_status => 'unpaid' }), 200,
   'Stripe: not paid yet');
is(entry('stripe-pi_1'), undef, 'is no sale');
is(stripe('checkout.session.completed', { %$session, client_reference_id => undef }), 200,
   'Stripe: without a customer');
like($t->read_file('hooks.log'), qr/^left out: Stripe's order pi_1 is paid, and has no client_ref/m,
     'is told');
unlike($t->read_file('hooks.log'), qr/left out: Stripe.*left out: Stripe/s,
       'and what is not paid is not');
is(stripe('checkout.session.async_payment_succeeded', $session), 200, 'Stripe: paid');
$r = entry('stripe-pi_1');
is_deeply([ @$r{qw(type order amount unit via)} ], [ 'sale', 'pi_1', 4990, 'EUR', 'code' ],
          'is a sale');
is(stripe('charge.refunded', { id => 'ch_1', payment_intent => 'pi_1',
                               amount_refunded => 990, currency => 'eur' }), 200,
   'Stripe: refunded');
is(entry('stripe-refund-ch_1-990')->{refunded}, 990, 'up to now');
is(stripe('checkout.session.completed', { %$session, payment_intent => 'pi_2',
                                          amount_total => 1500, currency => 'ugx' }), 200,
   'Stripe: shillings');
is(entry('stripe-pi_2')->{amount}, 15, 'have hundredths at Stripe only');
is(webhook('/stripe', {}, 'Stripe-Signature: t=1,v1=00'), 400, 'another signature');
is(webhook('/stripe', '{}', 'Stripe-Signature: t=1,v1='
                            . hmac_sha256_hex('1.{}', 'whsec_shh')), 400, 'an old one');

$t->stop;
is(stripe('charge.refunded', { id => 'ch_2', payment_intent => 'pi_1',
                               amount_refunded => 990, currency => 'eur' }), 503,
   'without nginx it comes again');
$t->start;

# the currencies that it knows are those of the module

{
    my ($table) = slurp("$root/src/core/referral_unit_table.h") =~ /=\n(.*?);/s;
    my %decimals = $table =~ /([A-Z]{3})(\d)/g;
    my $told = `/usr/bin/python3 -B -c '
import json, sys
sys.path.insert(0, "$root/conf")
import webhooks
print(json.dumps({name: webhooks.decimals(name) for name in sys.argv[1:]}))' @{[ sort keys %decimals ]}`;

    is_deeply($json->decode($told), \%decimals, 'the decimals of currencies');
}

done_testing;


sub slurp {
    my ($file) = @_;

    open my $f, '<:encoding(UTF-8)', $file or die "$file: $!";
    local $/;

    return scalar <$f>;
}


sub fenced {
    my ($language) = @_;

    return $page =~ /^```\Q$language\E\n(.*?)^```$/msg;
}


# the first cells of the tables below a heading whose first column is such

sub rows {
    my ($heading, $column) = @_;

    my ($section) = $page =~ /^\Q$heading\E\n(.*?)(?=^## |\z)/ms;
    my ($table) = $section =~ /^\| \Q$column\E \|.*\n\|[-|]+\n((?:\|.*\n)+)/m;

    return map { (split /\|/)[1] } split /\n/, $table;
}


# the page's code for this nginx, with an order of today

sub here {
    return $_[0] =~ s{https://go\.example\.com}{http://127.0.0.1:$port}gr
                 =~ s/2026-11-27T10:30:00Z/$paid_at/gr;
}


sub shell {
    my ($text) = @_;

    my $file = $t->write_file('line.sh', "cd $dir\n$text");
    my $out = `sh $file 2>&1`;

    is($?, 0, 'the shell') or diag($out);

    return $out;
}


sub said {
    my ($text) = @_;

    return eval { $json->decode($text) } // do { diag($text); {} };
}


sub python {
    my ($code) = @_;

    my $file = $t->write_file('lib/call.py', "import shop\n$code\n");

    return `/usr/bin/python3 -B $file 2>&1`;
}


sub post {
    my ($event) = @_;

    my $body = $json->encode($event);
    my $at = int time;
    my $key = MIME::Base64::decode_base64(substr $secret, 6);

    return $t->request('POST', '/events', host => "127.0.0.1:$port", body => $body,
                       headers => [ 'Content-Type', 'application/json',
                                    'webhook-id', 'm1', 'webhook-timestamp', $at,
                                    'webhook-signature',
                                    'v1,' . encode_base64(hmac_sha256("m1.$at.$body",
                                                                      $key), '') ]);
}


# of the stream, by the event's id

sub entry {
    my ($id) = @_;

    my ($found) = grep { $_->{event} eq $id } $t->entries('ref:conversions:{shop}');

    return $found;
}


sub iso {
    my @now = gmtime;

    return sprintf '%04d-%02d-%02dT%02d:%02d:%02d+00:00', $now[5] + 1900,
                   $now[4] + 1, @now[3, 2, 1, 0];
}
