# protects: the demo's shop: an account and an order, told in each of the three
# ways, stand on the referrer's page a moment later, and each order counts once

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Demo qw(demo shop);

use IO::Socket::INET;

my $root = $Referral::ROOT;
my $t = Referral->new;
my $dir = $t->dir;
my $shop = $t->free_port;

demo($t, $shop);
$t->program('juniper');
$t->link('juniper', 'aiko7', referrer => 'aiko', name => 'Aiko');
$t->link('juniper', 'bruno', referrer => 'bruno', name => 'Bruno');
$t->start;

my $port = $t->port;
my $settler = settler();

shop($t, $shop);


# --- click, account, order ---

shown('aiko', 'nothing yet', 0, 0, 0, '0.00');

my $friend = friend('aiko7');
my ($customer) = $friend->{page} =~ /name="customer" value="(c-[0-9a-f]{32})"/;
my $lead = { type => 'lead', customer => $customer,
             event_id => "$customer-joined" };

is(post($friend, '/joined', $lead, 'Sec-Fetch-Site', 'same-origin')->status,
   200, 'the browser tells of an account');
shown('aiko', 'the account is there', 1, 1, 0, '0.00');

my $r = post($friend, '/en/join', {});

is($r->header('Location'), '/en/order?joined=1', 'the same without a script');
shown('aiko', 'is the same one', 1, 1, 0, '0.00');

# each way with a friend of its own: nobody is bound yet

my ($leads, $orders, $amount) = (1, 0, 0);

for my $way (qw(server answer code)) {
    my $friend = friend($way eq 'code' ? undef : 'aiko7');
    my %form = (order => order($friend), way => $way,
                $way eq 'code' ? (code => 'Aiko7') : ());

    for my $time (1 .. 3) {
        $r = post($friend, '/en/buy', \%form);

        is($r->status, 303, "$way: ordered, time $time");
        is($r->header('X-Referral-Event'), undef, "$way: nothing is shown of it");
    }

    my $page = page($friend, $r->header('Location'));

    like($page, qr{href="/en/referrer/aiko"}, "$way: leads to the referrer's page");

    # the order has opened an account too

    $leads++;
    $orders++;
    $amount += 5960;
    shown('aiko', "$way: one order", $way eq 'server' ? 2 : 3, $leads, $orders,
          sprintf '%.2f', $amount / 100);
}

my %via = map { $_->{trust} . ' ' . $_->{via} => 1 } entries('lead');

is_deeply([ sort keys %via ], [ 'browser cookie', 'signed click', 'signed code',
                                'upstream bound', 'upstream cookie' ],
          'each way finds the referrer by its own means');
is(scalar(entries('sale')), 3, 'no order is there twice');
# the page's event has an id of its own, so that it cannot use up the shop's

is(scalar(entries('lead')), 5, 'an account that page and shop tell of counts once');


# --- what else may happen to the button ---

# the same order in another way is the same order

my $second = order($friend);

post($friend, '/en/buy', { order => $second, way => 'answer' });
ok((wait_for { entries('sale') == 4 }), 'ordered by the answer');
$r = post($friend, '/en/buy', { order => $second, way => 'server' });
like($r->header('Location'), qr{^/en/thanks}, 'sent again in another way');
is(scalar(entries('sale')), 4, 'it is still one sale');
is($t->redis('XLEN', 'ref:rejects:{juniper}'), 1, 'which nginx has noticed');

# two at once: a double click

my $third = order($friend);
my @both = map {
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die "$@";
    my $body = "way=server&order=$third";

    print $s join "\r\n", 'POST /en/buy HTTP/1.1', "Host: 127.0.0.1:$port",
        "Cookie: $friend->{cookie}", 'Connection: close',
        'Content-Type: application/x-www-form-urlencoded',
        'Content-Length: ' . length $body, '', $body;
    $s;
} 1 .. 2;

like(join('', readline $_), qr{^HTTP/1.1 303 .*^Location: \S*/en/thanks}ms,
     'a double click') for @both;
shown('aiko', 'is one order', 3, 4, 5, '298.00');

# a friend stays with who brought the account

post($friend, '/en/buy', { order => order($friend), way => 'code', code => 'bruno' });
shown('aiko', 'another code changes nothing', 3, 4, 6, '357.60');
shown('bruno', 'for nobody', 0, 0, 0, '0.00');

# wrong forms

my $n = entries('sale');

for my $wrong ({ way => 'server' }, { way => 'server', order => 'x' },
               { way => 'gift', order => order($friend) },
               { way => 'code', order => order($friend), code => 'no link!' })
{
    $r = post($friend, '/en/buy', $wrong);
    like($r->header('Location'), qr{^/en/order\?failed=1},
         'back to the page: ' . join ' ', map { "$_=$wrong->{$_}" } sort keys %$wrong);
}

like(page($friend, "/en/order?failed=1&order=$third"),
     qr/role="alert".*value="\Q$third\E"/s, 'which says so, and asks for the same order');
is(post({ cookie => '' }, '/en/buy', { order => $third, way => 'server' })
       ->header('Location'), '/en/order?failed=1', 'without an account');
is($t->get('/en/nothing', host => '127.0.0.1')->status, 404, 'no such page');
is(scalar(entries('sale')), $n, 'none of it is a sale');

# an amount is the shop's alone

is(post($friend, '/joined', { type => 'sale', event_id => 'x', customer => 'c-x',
                              order_id => 'x', amount => 1, currency => 'EUR' },
        'Sec-Fetch-Site', 'same-origin')->status, 422,
   'the browser cannot tell of money');


# --- numbers are those of Redis now ---

kill 'TERM', $settler;
waitpid $settler, 0;

post($friend, '/en/buy', { order => order($friend), way => 'server' });
sleep 2;
is(numbers('aiko')->[2], 6, 'without the settler nothing is counted');
like($t->get('/en/numbers/aiko?each', host => '127.0.0.1')->body, qr/^<tbody>\n(?:<tr>.*<td>sale<.*\n){5}<tr>.*<td>lead</,
     'the stream has it');

$settler = settler();
shown('aiko', 'and is counted when the settler is back', 3, 4, 7, '417.20');

is($t->read_file('shop.log'), '', 'the shop has nothing to complain of');

done_testing;


sub settler {
    return $t->spawn(sub {
        open STDERR, '>>', "$dir/settle.log";
        exec "$root/build/nginx-referral-settle", '--redis',
             "127.0.0.1:$t->{redis_port}";
    });
}


# a visitor: comes by a link, or by none, and looks at the order page

sub friend {
    my ($code) = @_;

    my $cookie = '';

    if ($code) {
        my $clicks = $t->hgetall('ref:stats:{juniper}')->{clicks} // 0;

        $cookie = $t->get("/r/$code", host => '127.0.0.1')->cookie;

        # who orders has looked at a page first: the click is in Redis

        wait_for { ($t->hgetall('ref:stats:{juniper}')->{clicks} // 0) > $clicks };
    }

    my $r = $t->get('/en/order', host => '127.0.0.1', cookie => $cookie);
    my ($account) = $r->head =~ /^Set-Cookie: (account=[0-9a-f]{32});/mi;

    return { cookie => join('; ', $cookie || (), $account), page => $r->body };
}


sub page {
    my ($friend, $uri) = @_;

    $uri =~ s{^http://[^/]+}{};

    return $t->get($uri, host => '127.0.0.1', cookie => $friend->{cookie})->body;
}


# an id of the order that the page asks for; each page has another

sub order {
    my ($friend) = @_;

    my @ids = page($friend, '/en/order') =~ /name="order" value="([0-9a-f]{32})"/g;

    die "no order\n" unless @ids == 3 && $ids[0] eq $ids[2];

    return $ids[0];
}


sub post {
    my ($friend, $uri, $form, @headers) = @_;

    return $t->request('POST', $uri, host => '127.0.0.1',
        cookie => $friend->{cookie},
        body => join('&', map {
            "$_=" . $form->{$_} =~ s/([^\w-])/sprintf '%%%02X', ord $1/ger
        } sort keys %$form),
        headers => [ 'Content-Type', 'application/x-www-form-urlencoded', @headers ]);
}


sub entries {
    my ($type) = @_;

    return grep { $_->{type} eq $type } $t->entries('ref:conversions:{juniper}');
}


# the cells of the referrer's page

sub numbers {
    my ($referrer) = @_;

    utf8::decode(my $page = $t->get("/en/referrer/$referrer",
                                    host => '127.0.0.1')->body);
    my ($sums) = $page =~ m{<table class="sums".*?<tbody>(.*?)</tbody>}s;

    return [ ($sums // '') =~ m{<td>([^<]*?)(?:\x{a0}€)?</td>}g ];
}


sub shown {
    my ($referrer, $name, @want) = @_;

    my $got;

    wait_for { "@{ $got = numbers($referrer) }" eq "@want" } 10;
    is("@$got", "@want", "$referrer: $name");
}
