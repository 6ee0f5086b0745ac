# protects: a real browser follows a link, lands on a page that greets by
# name, and holds the cookie; a browser that prefetches a link counts only
# when the person clicks

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use IO::Socket::INET;
use JSON::PP;

my ($chromedriver) = grep { -x } map { "$_/chromedriver" }
                     split /:/, $ENV{PATH};

plan(skip_all => 'no chromedriver') unless $chromedriver;

my $t = Referral->new;

$t->config(server => <<'END');
        referral_landing "http://127.0.0.1:%%PORT%%/{lang|en}/welcome.html";
        referral_landing_args "ref={code}&click_id={click_id}";
        referral_program shop;

        location /r/ {
            referral;
        }

        location ~ ^/(en|ja)/ {
            ssi on;
            referral_resolve on;
            rewrite ^/../(.*)$ /$1 break;
        }

        location / {
        }
END

$t->program('shop', languages => 'en,ja');
$t->link('shop', 'aiko7', referrer => 'aiko',
         name => "<img src=x onerror='document.title=1'>Aiko");

$t->write_file('html/welcome.html', <<'END');
<!doctype html>
<meta charset="utf-8">
<title>welcome</title>
<h1><!--# echo var="referral_name" encoding="entity" default="" --></h1>
<p id="click"><!--# echo var="referral_click_id" --></p>
END

$t->write_file('html/share.html', <<'END');
<!doctype html>
<meta charset="utf-8">
<title>share</title>
<a id="link" href="/r/aiko7">my friend's link</a>
END

$t->link('shop', 'ahead', referrer => 'aiko', name => 'Aiko');

$t->write_file('html/ahead.html', <<'END');
<!doctype html>
<meta charset="utf-8">
<title>ahead</title>
<script type="speculationrules">
{ "prefetch": [ { "source": "list", "urls": [ "/r/ahead" ],
                  "eagerness": "immediate" } ] }
</script>
<a id="link" href="/r/ahead">my friend's link</a>
END

$t->start;

my $site = 'http://127.0.0.1:' . $t->port;
my $driver_port = Referral::free_port();

$t->spawn(sub {
    open STDOUT, '>>', $t->dir . '/chromedriver.log';
    open STDERR, '>>', $t->dir . '/chromedriver.log';
    exec $chromedriver, "--port=$driver_port" or die "exec: $!";
});

wait_for {
    IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $driver_port)
} 20 or die "chromedriver does not start\n";


# WebDriver: JSON over HTTP

sub driver {
    my ($method, $path, $data) = @_;

    my $body = $method eq 'GET' || $method eq 'DELETE'
               ? '' : encode_json($data // {});

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $driver_port) or die "$@";

    my $r = $t->exchange($s, "$method $path HTTP/1.1\r\n"
                         . "Host: 127.0.0.1:$driver_port\r\n"
                         . "Content-Type: application/json\r\n"
                         . 'Content-Length: ' . length($body)
                         . "\r\nConnection: close\r\n\r\n$body",
                         timeout => 60) or die "no answer to $path\n";

    my $value = decode_json($r->body)->{value};

    die "$method $path: $value->{error}: $value->{message}\n"
        if ref $value eq 'HASH' && $value->{error};

    return $value;
}

my $session = driver(POST => '/session', { capabilities => { alwaysMatch => {
    browserName => 'chrome',
    'goog:chromeOptions' => {
        args => [ '--headless=new', '--no-sandbox', '--disable-gpu',
                  '--disable-dev-shm-usage', '--disable-background-networking',
                  '--lang=en-US', "--user-data-dir=@{[$t->dir]}/profile",
                  '--user-agent=Mozilla/5.0 (X11; Linux x86_64) '
                  . 'AppleWebKit/537.36 (KHTML, like Gecko) '
                  . 'Chrome/130.0.0.0 Safari/537.36' ],
    },
} } })->{sessionId};

sub page {
    my ($method, $path, $data) = @_;
    return driver($method, "/session/$session$path", $data);
}

sub text {
    my ($css) = @_;

    my ($id) = values %{ page(POST => '/element',
                              { using => 'css selector', value => $css }) };

    return page(GET => "/element/$id/text");
}

page(POST => '/url', { url => "$site/share.html" });

my ($id) = values %{ page(POST => '/element',
                          { using => 'css selector', value => '#link' }) };

page(POST => "/element/$id/click");

wait_for { page(GET => '/url') =~ /welcome/ };

my $url = page(GET => '/url');

like($url, qr{^\Q$site\E/en/welcome\.html\?ref=aiko7&click_id=[0-9a-f-]{36}$},
     'the browser lands where the link leads');
is(page(GET => '/title'), 'welcome', 'nothing that is shown runs');
is(text('h1'), "<img src=x onerror='document.title=1'>Aiko",
   'the page greets by name, as it is written');

my ($click) = $url =~ /click_id=(.*)/;

is(text('#click'), $click, 'the page knows the click by the cookie');

my ($cookie) = grep { $_->{name} eq 'ref_shop' } @{ page(GET => '/cookie') };

ok($cookie, 'the browser holds the cookie');
ok($cookie->{httpOnly}, 'and keeps it from scripts');
is($cookie->{sameSite}, 'Lax', 'and from other sites');
cmp_ok(abs($cookie->{expiry} - time - 30 * 86400), '<', 120,
       'for thirty days');
is(page(POST => '/execute/sync',
        { script => 'return document.cookie', args => [] }), '',
   'scripts see nothing');

$t->stats_are('shop', { clicks => 1, raw => 1, visitors => 1,
                        'device:desktop' => 1, 'lang:en' => 1,
                        'source:127.0.0.1' => 1 },
              'one click of one person');

# again, after a while that makes it no duplicate: the same visitor

my $code = (split ' ', (values %{ $t->hgetall(
    $t->redis('KEYS', 'ref:clicks:{shop}:*')->[0]) })[0])[1];

page(POST => '/url', { url => "$site/r/aiko7" });

$t->stats_are('shop', { clicks => 1, raw => 2, duplicate => 1,
                        visitors => 1 },
              'at once again it is a duplicate');

$t->link('shop', 'ben', referrer => 'ben', name => 'Ben');
page(POST => '/url', { url => "$site/r/ben" });

is(text('h1'), 'Ben', 'another link greets for another friend');

$t->stats_are('shop', { clicks => 2, raw => 3, duplicate => 1,
                        visitors => 1 },
              'a second click of the same person');

my @visitors = map { (split)[1] }
               map { values %{ $t->hgetall($_) } }
               @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') };

is_deeply(\@visitors, [ $code, $code ], 'known by the cookie');

# the page's speculation rules let the browser look ahead: refused, and the
# click asks again

page(POST => '/url', { url => "$site/ahead.html" });

$t->fields_are('ref:stats:{shop}:ahead', { raw => 1, prefetch => 1 },
               'the browser looked ahead');

($id) = values %{ page(POST => '/element',
                       { using => 'css selector', value => '#link' }) };

page(POST => "/element/$id/click");

wait_for { page(GET => '/url') =~ /welcome/ };

is(text('h1'), 'Aiko', 'the real click lands');

$t->fields_are('ref:stats:{shop}:ahead',
               { raw => 2, prefetch => 1, clicks => 1 },
               'and is the one that counts');

driver(DELETE => "/session/$session");

done_testing;
