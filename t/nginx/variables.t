# protects: $referral_* in map, if, return, rewrite, set, split_clients, proxy
# headers, keys of zones and log_format: the values of the manual, in every
# phase, and after realip has said who the client is

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new;
my $proxied = $t->free_port;

my @names = qw(program code click_id visitor channel variant referrer name
               segment country region city asn lang device os app class result
               landing);

my $all = join '|', map { "\$referral_$_" } @names;

$t->config(
    http => <<"END",
        referral_geoip %%GEO%%/city.mmdb %%GEO%%/asn.mmdb;

        log_format all escape=none "\$request_uri|\$status|$all";
        log_format short "\$request_uri \$referral_result";

        map \$referral_country \$shop {
            default www;
            JP      jp;
            BR      br;
        }

        map \$referral_device \$site {
            default desktop;
            mobile  m;
        }

        map \$referral_class \$person {
            default 0;
            human   1;
        }

        # asked before and after the click

        map \$referral_result \$early {
            default "(\$referral_result)";
        }

        map \$referral_result \$late {
            volatile;
            default "(\$referral_result)";
        }

        map "\$referral_country:\$referral_app" \$staff {
            default 0;
            "DE:"   1;
        }

        split_clients \$referral_visitor \$half {
            100%    all;
        }
END
    server => <<'END',
        access_log %%DIR%%/all.log all;

        referral_program shop;
        referral_landing "https://$shop.example.com/$site";
        referral_allow *.example.com;
        referral_landing_args off;

        error_page 404 405 503 /error.html;

        location /r/ {
            referral;
        }

        location /staff/ {
            referral_exclude $staff;
            referral_channel $site;
            referral;
        }

        location /clicks-only/ {
            access_log %%DIR%%/clicks.log short if=$referral_click_id;
            referral;
        }

        location /late/ {
            set $before "$early$late";
            add_header X-Late "$early$late" always;
            add_header X-Half $half;
            referral;
        }

        # the phases before the contents

        location /if/ {
            if ($referral_country = BR) {
                return 307 https://br.example.com/$referral_code;
            }

            if ($person = 0) {
                rewrite ^ /machines last;
            }

            referral;
        }

        location = /machines {
            return 200 "machines $referral_class $referral_device $referral_code.";
        }

        # asked on one short link, which is left for another, or for a page

        location /left/ {
            if ($referral_code ~ "^p(?<tail>.*)$") {
                rewrite ^ /if/$tail last;
            }

            rewrite ^ /resolved.html last;
            referral;
        }

        location = /resolved.html {
            referral_resolve on;
            add_header X-Name $referral_name;
            add_header X-Offer "[$referral_offer]" always;
        }

        location = /offer.html {
            referral_resolve on;
            ssi on;
        }

        location = /page {
            set $who $referral_code;
            proxy_set_header X-Country $referral_country;
            proxy_set_header X-Who $who;
            proxy_set_header X-Shop $shop;
            proxy_pass http://127.0.0.1:%%PORT%%/echo;
        }

        location = /echo {
            access_log off;
            return 200 "$http_x_country $http_x_who $http_x_shop";
        }

        location /limited/ {
            limit_req zone=country;
            referral;
        }
END
    servers => <<'END' =~ s/PROXIED/$proxied/r,
    limit_req_zone $referral_country zone=country:1m rate=1r/m;

    # who the client is, is known in the server, in the location, or asked too
    # early and then known better

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name real;

        set_real_ip_from 127.0.3.0/24;
        real_ip_header X-Real-IP;

        location /r/ {
            referral shop;
            referral_landing "https://www.example.com/{country|nowhere}";
            referral_landing_args off;
            add_header X-Country $referral_country;
        }
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name late;

        if ($referral_country = XX) {
            return 444;
        }

        location /r/ {
            set_real_ip_from 127.0.3.0/24;
            real_ip_header X-Real-IP;

            referral shop;
            referral_landing "https://www.example.com/{country|nowhere}";
            referral_landing_args off;
            add_header X-Country "$referral_country $referral_asn";
        }
    }

    # a balancer that speaks the PROXY protocol

    server {
        listen 127.0.0.1:PROXIED proxy_protocol;
        server_name proxied;

        set_real_ip_from 127.0.3.0/24;
        real_ip_header proxy_protocol;

        location /r/ {
            referral shop;
            referral_landing "https://www.example.com/{country|nowhere}";
            referral_landing_args off;
            add_header X-Country "$referral_country $proxy_protocol_addr";
        }
    }

    # a cookie that is another's where it is asked for too early

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name cookie;

        referral_program shop;

        if ($referral_code = plain) {
            return 444;
        }

        location / {
            referral_cookie other;
            return 200 "[$referral_code]";
        }
    }
END
);

$t->write_file('html/error.html', "error\n");
$t->write_file('html/resolved.html', "page\n");
$t->link('shop', 'one', referrer => 'aiko', name => 'Aiko Tanaka',
         segment => 'vip', channel => 'mail',
         rules => "app=line as=l https://line.example.com/\n"
                  . "country=JP as=j https://jp.example.com/{lang}");
$t->link('shop', 'plain', referrer => 'ben');
$t->link('shop', 'over', referrer => 'ben', state => 'disabled');
$t->start;

my @japan = (from => '127.0.1.1', lang => 'ja,en;q=0.5');
my @brazil = (from => '127.0.2.1');
my @germany = (from => '127.0.3.1');
my $iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) '
             . 'AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 '
             . 'Mobile/15E148 Safari/604.1';
my $bot = 'Googlebot/2.1 (+http://www.google.com/bot.html)';


# the last line of the access log that a request of this URI left

sub logged {
    my ($uri) = @_;

    my $line = wait_for {
        my @lines = grep { /^\Q$uri\E\|/ } split /\n/,
                         $t->read_file('all.log');
        return $lines[-1];
    };

    my ($got, $status, @values) = split /\|/, $line // '', -1;
    my %value = (status => $status);

    @value{@names} = @values;

    return \%value;
}

sub logged_is {
    my ($uri, $want, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $got = logged($uri);
    my %want = ((map { $_ => '' } @names), %$want);

    for my $name (sort keys %want) {
        next if ref $want{$name} && like($got->{$name}, $want{$name},
                                         "$what: $name");
        is($got->{$name}, $want{$name}, "$what: $name")
            unless ref $want{$name};
    }
}


# log_format, after all kinds of answers

my %tokyo = (country => 'JP', region => 'JP-13', city => 'Tokyo',
             asn => 64501, lang => 'ja', device => 'desktop', os => 'linux',
             class => 'human', program => 'shop');
my %one = (%tokyo, code => 'one', referrer => 'aiko', name => 'Aiko Tanaka',
           segment => 'vip', channel => 'mail', variant => 'j',
           result => 'landing', landing => 'https://jp.example.com/ja',
           status => 302,
           click_id => qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}$/,
           visitor => qr/^[A-Za-z0-9_-]{16}$/);

my $r = $t->get('/r/one?first', @japan);
logged_is('/r/one?first', \%one, 'a click');

my $cookie = $r->cookie;
my $id = logged('/r/one?first')->{click_id};

$t->get('/r/one?second', @japan);
logged_is('/r/one?second', \%one, 'a cached one');

$t->get('/r/one?again', @japan, cookie => $cookie);
logged_is('/r/one?again', { %one, class => 'duplicate', click_id => $id },
          'a duplicate');

$t->head('/r/one?head', @japan);
logged_is('/r/one?head', { %one, class => 'head', click_id => '',
                           visitor => '' }, 'HEAD');

$t->get('/r/one?bot', @japan, ua => $bot);
logged_is('/r/one?bot', { %one, class => 'bot', click_id => '', visitor => '',
                          device => 'other', os => 'other' }, 'a bot');

$t->get('/r/one?prefetch', @japan, headers => [ 'Sec-Purpose', 'prefetch' ]);
logged_is('/r/one?prefetch', { %one, class => 'prefetch', click_id => '',
                               visitor => '', status => 503 }, 'a prefetch');

is($t->get('/r/nobody?', @japan)->body, "error\n", 'an error page');
logged_is('/r/nobody?', { %tokyo, code => 'nobody', result => 'unknown',
                          status => 404 }, 'an unknown code');

$t->get('/r/over?', @japan);
logged_is('/r/over?', { %tokyo, code => 'over', result => 'disabled',
                        referrer => 'ben', status => 404,
                        click_id => $one{click_id},
                        visitor => $one{visitor} }, 'a disabled link');

$t->request('POST', '/r/one?post', @japan, body => 'x');
is(logged('/r/one?post')->{$_}, '', "a refused method: no $_")
    for qw(result landing click_id);
is(logged('/r/one?post')->{status}, 405, 'a refused method');

$t->get('/limited/one?ok', @japan);
$t->get('/limited/one?no', @japan);
is(logged('/limited/one?ok')->{result}, 'landing', 'limited by country: yes');
is(logged('/limited/one?no')->{status}, 503, 'limited by country: no');
is(logged('/limited/one?no')->{$_}, '', "limited by country: no $_")
    for qw(result landing click_id);

$t->get('/page', @japan, cookie => $cookie);
logged_is('/page', { %tokyo, code => 'one', click_id => $id, status => 200,
                     visitor => $one{visitor} }, 'a page');

# log_format with if=; an error page is logged by its own location

$t->get('/clicks-only/one');
$t->get('/clicks-only/one', ua => $bot);
$t->get("/clicks-only/$_") for qw(nobody over plain);
wait_for { $t->read_file('clicks.log') =~ /plain/ };
is($t->read_file('clicks.log'),
   "/clicks-only/one landing\n/clicks-only/plain landing\n",
   'clicks alone in a log of their own');

# map, in the landing, the channel, the exclusion

is($t->get('/r/plain', @japan)->location, 'https://jp.example.com/desktop',
   'map of a country');
is($t->get('/r/plain', @brazil, ua => $iphone)->location,
   'https://br.example.com/m', 'map of a device');
is($t->get('/r/plain')->location, 'https://www.example.com/desktop',
   'neither');

is($t->get('/staff/plain?de', @germany)->set_cookie, undef, 'excluded');
is(logged('/staff/plain?de')->{class}, 'excluded', 'by a map');
$t->get('/staff/plain?br', @brazil, ua => $iphone);
is(logged('/staff/plain?br')->{class}, 'human', 'not excluded');
is(logged('/staff/plain?br')->{channel}, 'm', 'a channel by a map');

$r = $t->get('/late/plain');
is($r->header('X-Late'), '()(landing)',
   'a map that was asked too early stays, a volatile one does not');
is($r->header('X-Half'), 'all', 'split_clients');

# if, return, rewrite, set, proxy_set_header

is($t->get('/if/plain', @brazil)->location, 'https://br.example.com/plain',
   'if with return');
is($t->get('/if/plain', @brazil)->status, 307, 'by its status');
is($t->get('/if/plain', ua => $bot)->body, 'machines bot other .',
   'if of a map with rewrite');
is($t->get('/if/plain')->location, 'https://www.example.com/desktop',
   'neither');
is($t->get('/left/plain', ua => $bot)->body, 'machines bot other .',
   'one that was asked and left for another');
is($t->get('/left/pone')->location, 'https://www.example.com/desktop',
   'which has a code of its own');
is($t->get('/left/one', cookie => $cookie)->header('X-Name'), 'Aiko Tanaka',
   'one that was asked and left for a page');
is($t->get('/page', @japan, cookie => $cookie)->body, 'JP one jp',
   'set and proxy_set_header');
is($t->get('/page', @brazil)->body, 'BR  br', 'of a stranger');

# what the program offers, in the visitor's language; the field is checked as
# a name is

sub offer_is {
    my ($want, $lang, $what, @more) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $got;

    wait_for {
        $got = $t->get('/resolved.html', cookie => $cookie, lang => $lang,
                       @more)->header('X-Offer');
        return ($got // '') eq "[$want]";
    };
    is($got, "[$want]", "offer: $what");
}

offer_is('', 'en', 'none');
$t->program('shop', languages => 'en,de,pt-br', offer => '10 <b>&</b>',
            'offer:de' => 'zehn', 'offer:pt' => 'dez');
offer_is('zehn', 'de-AT,en;q=0.5', "in the visitor's language");
offer_is('dez', 'pt-BR', 'in a language of several countries');
offer_is('10 <b>&</b>', 'ja', 'of all languages, as it was written');
offer_is('', 'de', 'of a stranger', cookie => '');
is($t->get('/r/one', cookie => $cookie)->header('X-Offer'), undef,
   'offer: a click answers as before');

$t->write_file('html/offer.html', '<!--# echo var="referral_offer" -->');
is($t->get('/offer.html', cookie => $cookie, lang => 'en')->body,
   '10 &lt;b&gt;&amp;&lt;/b&gt;', 'offer: SSI escapes it');

for (['a newline', "a\nSet-Cookie: b"], ['invalid UTF-8', "a\xff"],
     ['too long', 'x' x 257])
{
    my ($what, $text) = @$_;

    $t->redis('HSET', 'ref:program:{shop}', 'offer:de' => $text);
    offer_is('10 <b>&</b>', 'de', "$what: as if it were not there");
    $t->redis('HSET', 'ref:program:{shop}', 'offer:de' => 'zehn');
    offer_is('zehn', 'de', 'which is right again');
}

$t->redis('HSET', 'ref:program:{shop}', "offer:d\ne" => 'x',
          'offer:de' => 'x' x 256);
offer_is('x' x 256, 'de', 'the longest');
ok((wait_for { $t->read_file('error.log')
               =~ /field "offer": the language of "offer:LANG"/ }),
   'offer: no language, told in one line');

$t->redis('HSET', 'ref:program:{shop}', state => 'paused');
offer_is('', 'de', 'a paused program promises nothing');
$t->redis('HSET', 'ref:program:{shop}', state => 'active',
          languages => '');
offer_is('x' x 256, 'de-ch', 'without languages the first of the visitor');

# a cookie by another name

is($t->get('/', host => 'cookie', cookie => $cookie)->body, '[]',
   "a cookie is the location's, whoever asked before");
is($t->get('/', host => 'cookie',
           cookie => "$cookie; " . $cookie =~ s/ref_shop/other/r)->body,
   '[one]', 'by its name');

# realip

for my $host (qw(real late)) {
    my @real = (host => $host, headers => [ 'X-Real-IP' => '127.0.1.7' ]);

    $r = $t->get('/r/plain', @real, @germany);
    is($r->location, 'https://www.example.com/JP', "$host: realip decides");
    like($r->header('X-Country'), qr/^JP/, "$host: so do variables");

    $r = $t->get('/r/plain', @real, @brazil);
    is($r->location, 'https://www.example.com/BR',
       "$host: who is not believed is where he is");
}

# a balancer's first line; whom it names may be unknown, or another balancer

for (['TCP4 127.0.1.7 127.0.0.1 5000 80', 'JP', '127.0.1.7', @germany],
     ['TCP4 127.0.1.7 127.0.0.1 5000 80', 'BR', '127.0.1.7', @brazil],
     ['TCP6 2001:db8::7 ::1 5000 80', 'nowhere', '2001:db8::7', @germany],
     ['UNKNOWN', 'DE', '', @germany])
{
    my ($line, $country, $address, @from) = @$_;

    $r = $t->raw("PROXY $line\r\n" . $t->request_text('GET', '/r/plain'),
                 port => $proxied, @from);
    is($r->location, "https://www.example.com/$country", "PROXY $line");
    is($r->header('X-Country') =~ s/^\w\w //r =~ s/^ //r, $address,
       'and what nginx makes of it');
}

done_testing;
