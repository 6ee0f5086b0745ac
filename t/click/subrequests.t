# protects: subrequests, internal redirects and error pages, in which a click
# is counted once or not at all; and pages that are made for their visitor

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new;

$t->config(server => <<'END');
        referral_landing https://shop.example.com/;
        referral_landing_args off;
        referral_allow shop.example.com;

        location /r/ {
            referral shop;
        }

        # every way in which nginx sends a request elsewhere

        error_page 404 /404.html;
        error_page 405 = /405;

        location = /405 {
            return 200 "method $referral_result|$referral_code";
        }

        location /err/ {
            referral shop;
            error_page 302 404 /err/plain;
        }

        location /caught/ {
            referral shop;
            error_page 302 = /page;
            error_page 404 = @missed;
        }

        location @missed {
            return 200 "missed $referral_result $referral_program $referral_code";
        }

        location /loop/ {
            referral shop;
            referral_fallback /loop/again;
        }

        location /back/ {
            referral shop;
            referral_fallback /r/one;
        }

        location /rewritten/ {
            rewrite ^/rewritten/(.*)$ /r/$1;
        }

        location /try/ {
            try_files /nothing /r/one;
        }

        location /pages/ {
            ssi on;
            default_type text/html;
            referral_program shop;
            referral_resolve on;
        }

        location /unresolved/ {
            ssi on;
            alias %%DIR%%/html/pages/;
            referral_program shop;
        }

        location = /page {
            referral_program shop;
            referral_resolve on;
            add_header X-Who "$referral_code|$referral_name|$referral_referrer|$referral_segment|$referral_result|$referral_landing";
            try_files /plain.html =404;
        }

        location = /file.html {
            referral_program shop;
            referral_resolve on;
            add_header X-Name $referral_name;
            try_files /plain.html =404;
        }

        location = /proxied {
            referral_program shop;
            referral_resolve on;
            proxy_set_header X-Name $referral_name;
            proxy_set_header X-Code $referral_code;
            proxy_pass http://127.0.0.1:%%PORT%%/echo;
        }

        location = /echo {
            return 200 "$http_x_name|$http_x_code";
        }

        location = /auth {
            auth_request /r/one;
            return 200 "in";
        }

        location = /mirrored {
            mirror /r/one;
            return 200 "ok";
        }
END

$t->link('shop', 'one', referrer => 'aiko',
         name => '<b>Aiko</b> & "Co"', segment => 'vip');
$t->link('shop', 'two', referrer => 'ref2');
$t->redis('HSET', 'ref:referrer:{shop}:ref2', 'name', 'Ben', 'segment', 'std');

$t->write_file('html/404.html', "not here\n");
$t->write_file('html/plain.html', "plain\n");
$t->write_file('html/pages/hello.html', <<'END');
<p><!--# echo var="referral_name" encoding="entity" default="nobody" --></p>
<i><!--# echo var="referral_code" --></i>
<!--# include virtual="/r/one" -->
<!--# include virtual="/pages/inner.html" -->
END
$t->write_file('html/pages/inner.html', <<'END');
<b><!--# echo var="referral_referrer" default="none" --></b>
END

$t->start;

my $clicks = 0;

my $one = $t->get('/r/one');
$clicks++;

my $r = $t->get('/pages/hello.html', cookie => $one->cookie);

is($r->status, 200, 'a page with a short link inside');
like($r->body, qr{<p>&lt;b&gt;Aiko&lt;/b&gt; &amp; &quot;Co&quot;</p>},
     'greets by name, escaped');
like($r->body, qr{<i>one</i>}, 'knows the code');
like($r->body, qr{<b>aiko</b>}, 'in its parts as well');
unlike($r->body, qr{302|shop\.example}, 'the part that was a link is no click');
is($r->set_cookie, undef, 'and sets no cookie');

$r = $t->get('/pages/hello.html');
like($r->body, qr{<p>(?:nobody)?</p>}, 'without a cookie no name');

$r = $t->get('/unresolved/hello.html', cookie => $one->cookie);
like($r->body, qr{<p>(?:nobody)?</p>}, 'without referral_resolve no name');
like($r->body, qr{<i>one</i>}, 'but the code');

my $two = $t->get('/r/two', cookie => $one->cookie);
$clicks++;

is($t->get('/page', cookie => $two->cookie)->header('X-Who'),
   'two|Ben|ref2|std||',
   'a name from the referrer');
is($t->get('/page', cookie => $one->cookie)->header('X-Who'),
   'one|<b>Aiko</b> & "Co"|aiko|vip||', "a link's own comes first");
is($t->get('/page')->header('X-Who'), '|||||', 'nobody');
is($t->get('/file.html', cookie => $two->cookie)->header('X-Name'), 'Ben',
   'a file');
is($t->get('/proxied', cookie => $two->cookie)->body, 'Ben|two',
   'an application');

my $c = $t->connect;

for (1 .. 3) {
    is($t->get('/page', cookie => $two->cookie, connection => $c,
               keepalive => 1)->header('X-Who'), 'two|Ben|ref2|std||',
       'again on the same connection');
}

$t->redis('DEL', 'ref:link:{shop}:two');
$t->settle;
like($t->get('/page', cookie => $two->cookie)->header('X-Who'), qr/^two\|/,
   'a link that is gone: the code stays');
$t->link('shop', 'two', referrer => 'ref2');
$t->settle;


# error pages

$r = $t->get('/r/nobody');
is($r->status, 404, 'unknown');
is($r->body, "not here\n", 'with the site\'s own page');

$r = $t->request('POST', '/r/one', body => '');
is($r->body, 'method |', 'a method that is refused is no click')
    or diag($r->head);

$r = $t->get('/err/one');
is($r->status, 302, 'error_page 302 does not take the redirect');
is($r->location, 'https://shop.example.com/', 'away');
$clicks++;

$r = $t->get('/caught/two');
is($r->status, 302, 'nor when it leads to a page');
$clicks++;

is($t->get('/caught/nobody')->body, 'missed unknown shop nobody',
   'a page for what is unknown, which knows why');

$r = $t->get('/err/nobody');
is($r->status, 404, 'an error page that is a short link');
is($r->set_cookie, undef, 'is no click');

$r = $t->get('/loop/nobody');
is($r->status, 404, 'a fallback to itself ends');

$r = $t->get('/back/nobody');
is($r->status, 404, 'so does one to another short link');

$r = $t->get('/rewritten/one');
is($r->status, 302, 'a rewrite is one click');
$clicks++;

$r = $t->get('/try/one');
is($r->status, 302, 'try_files is one click');
$clicks++;

# nginx calls that a broken configuration; it is no click all the same

$t->get('/auth');

is($t->get('/mirrored')->body, 'ok', 'a mirror that is one');


# clicks by who does not wait for the answer

for (1 .. 20) {
    my $s = $t->connect;
    print $s $t->request_text('GET', '/r/one');
    close $s;
}

my $stats;

wait_for { ($stats = $t->hgetall('ref:stats:{shop}'))->{clicks} >= $clicks };
select undef, undef, undef, 1;

$stats = $t->hgetall('ref:stats:{shop}');

cmp_ok($stats->{clicks}, '>=', $clicks, 'every click is counted');
cmp_ok($stats->{clicks}, '<=', $clicks + 20,
       'once, and those who left at most once');
is($stats->{raw}, $stats->{clicks} + ($stats->{missed} // 0)
   + ($stats->{duplicate} // 0), 'the sum holds');

done_testing;
