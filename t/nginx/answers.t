# protects: what shapes responses around a short link (headers, compression,
# error pages, fallbacks, rewrites, mirrors, proxies) works as documented,
# and a click is counted once

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new;
my $other = $t->free_port;

$t->config(
    http => <<'END',
        proxy_cache_path %%DIR%%/cache keys_zone=cache:1m;
        proxy_http_version 1.1;
        log_format copies "$request_uri $http_x_code";
        server_tokens off;
        underscores_in_headers on;
END
    server => <<'END',
        referral_landing https://shop.example.com/;
        referral_landing_args off;
        referral_program shop;

        location /r/ {
            referral;
        }

        # headers

        location /headers/ {
            add_header X-Plain "$referral_code/$referral_result";
            add_header X-Always "$referral_code/$referral_result" always;
            add_header Cache-Control private;
            expires 1h;
            referral;
        }

        location /close/ {
            keepalive_timeout 0;
            referral;
        }

        # compression

        location /gzip/ {
            gzip on;
            gzip_types *;
            gzip_min_length 0;
            gzip_vary on;
            error_page 404 /long.html;
            referral;
        }

        location = /long.html {
            gzip on;
            gzip_min_length 0;
            internal;
        }

        # substitution

        location = /sub.html {
            sub_filter CODE $referral_code;
            sub_filter LANG $referral_lang;
            sub_filter NAME $referral_name;
            sub_filter_once off;
            referral_resolve on;
        }

        # error pages

        location /status/ {
            error_page 404 =200 /plain.html;
            referral;
        }

        location /lost/ {
            error_page 404 403 /close/close;
            return 404;
        }

        location /away/ {
            error_page 404 https://shop.example.com/nothing;
            referral;
        }

        location /all/ {
            error_page 302 303 404 405 503 =200 /plain.html;
            referral;
        }

        location /chain/ {
            recursive_error_pages on;
            error_page 404 = @first;
            referral;
        }

        location @first {
            recursive_error_pages on;
            error_page 403 = @second;
            return 403;
        }

        location @second {
            return 200 "second $referral_result $referral_code";
        }

        location /post/ {
            error_page 405 = @app;
            referral;
        }

        location /app-fallback/ {
            referral_fallback @app;
            referral;
        }

        location @app {
            proxy_set_header Host app;
            proxy_set_header X-Result $referral_result;
            proxy_set_header X-Code $referral_code;
            proxy_pass http://127.0.0.1:%%PORT%%;
        }

        location = /file-fallback/ {
            referral shop $arg_code;
            referral_fallback /aliased/plain.html?why=it;
        }

        location /aliased/ {
            alias %%DIR%%/html/;
            add_header X-Why "$arg_why $referral_result $referral_code";
        }

        # ways to a short link

        location /rewritten/ {
            rewrite ^/rewritten/([^/]*)(/.*)?$ /r/$1 last;
        }

        location /once/ {
            rewrite ^/once/go-(.*)$ /once/$1 break;
            referral;
        }

        location /tried/ {
            try_files $uri @short;
        }

        location @short {
            referral shop $short;
        }

        location ~ ^/(?<short>[a-z0-9]+)\.go$ {
            referral shop $short;
        }

        location /nest/ {
            referral;

            location /nest/vip/ {
                referral;
                referral_landing https://shop.example.com/vip;
            }

            location ~ \.txt$ {
            }
        }

        # copies and proxies

        location /mirrored/ {
            mirror /copy;
            referral;
        }

        location = /copy {
            internal;
            proxy_pass http://127.0.0.1:%%PORT%%/copies$request_uri;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Code $referral_code;
        }

        location /copies/ {
            access_log %%DIR%%/copies.log copies;
            return 204;
        }

        # whether a file is there is remembered, and read in slices; who comes
        # gets a number of nginx's own too

        location /known/ {
            open_file_cache max=10 inactive=1m;
            open_file_cache_valid 1m;
            open_file_cache_errors on;
            root %%DIR%%/html;
            slice 4;
            try_files $uri @named;
        }

        location @named {
            open_file_cache max=10 inactive=1m;
            rewrite ^/known/(?<known>.+)$ /$1 break;
            userid on;
            userid_name uid;
            limit_rate 4k;
            referral shop $known;
            referral_fallback /plain.html;
        }

        location = /added.html {
            add_after_body /added/part;
            referral_program shop;
            root %%DIR%%/html;
        }

        location = /added/part {
            internal;
            return 200 "[$referral_code]";
        }

        location = /returned {
            return 302 /r/returned?from=here;
        }

        location = /stub {
            stub_status;
            referral_program shop;
            add_header X-Code $referral_code;
        }

        location /proxied/ {
            proxy_pass http://127.0.0.1:%%PORT%%/r/;
            proxy_cache cache;
            proxy_cache_valid any 1h;
            add_header X-Cache $upstream_cache_status;
        }

        location / {
            root %%DIR%%/html;
        }
END
    servers => <<"END",
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name app;

        location / {
            return 200 "\$request_method \$http_content_length \$http_x_result \$http_x_code";
        }
    }

    server {
        listen 127.0.0.1:$other;
        merge_slashes off;

        location /r/ {
            referral shop;
            referral_landing https://shop.example.com/;
        }
    }
END
);

my %want;

$t->write_file('html/long.html', "a long page\n" x 100);
$t->write_file('html/plain.html', "plain\n");
$t->write_file('html/sub.html', "CODE NAME LANG CODE\n");
$t->write_file('html/nest/robots.txt', "robots\n");
$t->write_file('html/tried/file', "file\n");
$t->write_file('html/known/file', "0123456789\n");
$t->write_file('html/added.html', "added\n");

# a link of its own for each case, so that the counts tell them apart

my @codes = qw(headers close gzip sub all post mirrored proxied again once
               rewritten tried regex nest vip http10 absolute slashes pipe
               under encoded dots named returned);

$t->link('shop', $_, referrer => "of_$_", name => "N<$_>") for @codes;
$t->link('shop', 'over', referrer => 'aiko', state => 'disabled');
$t->start;


sub click {
    my ($uri, $code, @o) = @_;

    my $r = $t->get($uri, @o);

    is($r->status, 302, "$uri is a click") or diag($r->head);
    $want{$code}++;

    return $r;
}


# headers: add_header knows 302, not 404 and 503, but with "always"

my $r = click('/headers/headers', 'headers');
is($r->header('X-Plain'), 'headers/landing', 'add_header');
is($r->header('X-Always'), 'headers/landing', 'add_header with always');
ok((grep { $_ eq 'no-store' } $r->header('Cache-Control')),
   'whatever expires and add_header say, a click is not kept');
is($r->header('Server'), 'nginx', 'server_tokens');

$r = $t->get('/headers/nobody');
is($r->status, 404, 'nobody');
is($r->header('X-Plain'), undef, 'add_header on 404');
is($r->header('X-Always'), 'nobody/unknown', 'add_header with always on 404');
unlike($r->body, qr{nginx/}, 'server_tokens on 404');

$r = $t->get('/headers/headers', headers => [ 'Sec-Purpose' => 'prefetch' ]);
is($r->status, 503, 'a prefetch');
is($r->header('X-Plain'), undef, 'add_header on 503');
is($r->header('X-Always'), 'headers/landing', 'add_header with always on 503');
ok((grep { $_ eq 'no-store' } $r->header('Cache-Control')), 'nor kept');

is(click('/close/close', 'close', keepalive => 1)->header('Connection'),
   'close', 'keepalive_timeout 0');

# compression: there is nothing to compress, but there is on a page

my @gzip = (headers => [ 'Accept-Encoding' => 'gzip' ]);

$r = click('/gzip/gzip', 'gzip', @gzip);
is($r->header('Content-Encoding'), undef, 'gzip: not of a click');
is($r->header('Content-Length'), 0, 'gzip: which is empty');

$r = $t->get('/gzip/nobody', @gzip);
is($r->status, 404, 'gzip: an error page');
is($r->header('Content-Encoding'), 'gzip', 'gzip: is compressed');

# substitution

$r = click('/r/sub', 'sub');
is($t->get('/sub.html', cookie => $r->cookie)->body, "sub N<sub> en-us sub\n",
   'sub_filter');
is($t->get('/sub.html')->body, "  en-us \n", 'sub_filter for a stranger');

# error pages take what is an error, and no redirect

is($t->get('/status/nobody')->status, 200, 'error_page with another status');

$r = click('/lost/page', 'close');
like($r->location, qr{^https://shop\.example\.com/},
     'an error page that is a short link redirects');

$r = $t->get('/away/nobody');
is($r->status, 302, 'error_page elsewhere');
is($r->location, 'https://shop.example.com/nothing', 'elsewhere');

$r = click('/all/all', 'all');
is($r->body, '', 'error_page 302 does not take it');
is($t->get('/all/nobody')->body, "plain\n", 'error_page 404 does');
is($t->request('POST', '/all/all', body => 'x')->body, "plain\n",
   'error_page 405 does');
is($t->get('/all/all', headers => [ 'Sec-Purpose' => 'prefetch' ])->status,
   503, 'error_page 503 does not take what a prefetch gets');

is($t->get('/chain/over')->body, 'second disabled over',
   'recursive_error_pages');

# fallbacks

is($t->request('POST', '/post/post', body => 'a=b')->body, 'POST 3  ',
   'error_page 405 to an application, with what was posted');
is($t->get('/app-fallback/over')->body, 'GET  disabled over',
   'a fallback to an application');
is($t->get('/app-fallback/over', body => 'a=b')->body, 'GET 3 disabled over',
   'a fallback to an application, with the body that came');

$r = $t->get('/file-fallback/?code=over');
is($r->status, 200, 'a fallback to a file');
is($r->body, "plain\n", 'by alias');
is($r->header('X-Why'), 'it disabled over', 'with arguments of its own');

# ways to a short link

click('/rewritten/rewritten/more', 'rewritten');
click('/once/go-once', 'once');
is($t->get('/tried/file')->body, "file\n", 'try_files: a file');
click('/regex.go', 'regex');

click('/nest/nest', 'nest');
is(click('/nest/vip/vip', 'vip')->location, 'https://shop.example.com/vip',
   'a short link inside of another');
is($t->get('/nest/robots.txt')->body, "robots\n", 'a file inside of it');

for (1, 2) {
    $r = click('/known/named', 'named');
    ok($r->set_cookie('uid'), 'userid: a cookie');
    ok($r->set_cookie('ref_shop'), 'beside ours');
    is($t->get('/known/file')->body, "0123456789\n",
       'open_file_cache: a file that is there');
}

$r = $t->get('/known/file', headers => [ Range => 'bytes=2-5' ]);
is($r->status, 206, 'slice: a part');
is($r->body, '2345', 'of a file');
is($t->get('/known/over')->body, "plain\n",
   'open_file_cache: and a fallback to one');

my $named = $t->get('/known/named')->cookie;
$want{named}++;

is($t->get('/added.html', cookie => $named)->body, "added\n[named]",
   'add_after_body knows the code');
is($t->get('/stub', cookie => $named)->header('X-Code'), 'named',
   'stub_status with a variable');
like($t->get('/stub')->body, qr/^Active connections: \d/, 'and its numbers');

is($t->get('/returned')->location =~ s{^http://[^/]+}{}r,
   '/r/returned?from=here', 'return to a short link');
click('/r/returned?from=here', 'returned');

# the request's own forms

$r = $t->raw("GET /r/http10 HTTP/1.0\r\nUser-Agent: Mozilla/5.0 (X11; Linux"
             . " x86_64; rv:130.0) Gecko/20100101 Firefox/130.0\r\nAccept: */*\r\n\r\n");
is($r->status, 302, 'HTTP/1.0');
$want{http10}++;

click("http://localhost/r/absolute", 'absolute');
click('//r///slashes', 'slashes');
is($t->get('/r//slashes', port => $other)->status, 404,
   'merge_slashes off');
click('/x/../r/./dots', 'dots');
click('/r/%65ncoded', 'encoded');

is(click('/r/under', 'under', headers => [ 'User_Agent' => 'Googlebot/2.1' ])
       ->set_cookie('ref_shop')->{name},
   'ref_shop', 'a header with an underscore is another header');

my $c = $t->connect;

print $c $t->request_text('GET', '/r/pipe', keepalive => 1) x 2,
         $t->request_text('GET', '/r/pipe');

my $all = do { local $/; <$c> };
close $c;
$want{pipe} = () = $all =~ m{^HTTP/1\.1 302 }mg;
is($want{pipe}, 3, 'three at once on one connection');

# copies and proxies

click('/mirrored/mirrored', 'mirrored');

like((wait_for { $t->read_file('copies.log') }),
     qr{^/copies/mirrored/mirrored mirrored$}, 'mirror: a copy went out');

for (1, 2) {
    $r = click('/proxied/proxied', 'proxied');
    is($r->header('X-Cache'), 'MISS', 'a cache does not keep it');
    ok($r->set_cookie('ref_shop'), 'a proxy passes the cookie');
}

# every link has what it should have, and no other has anything

my $sum = 0;

$sum += $_ for values %want;

$t->stats_are('shop', { clicks => $sum }, 'all clicks are counted');

is($t->hgetall("ref:stats:{shop}:$_")->{clicks} // 0, $want{$_} // 0,
   "as many of \"$_\" as there were")
    for @codes;

done_testing;
