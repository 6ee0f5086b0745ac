# protects: whatever is sent to the intake, however it is led there, and
# whoever goes away meanwhile: each gets the answer that is right, nothing that
# is wrong is kept, and a visitor gets the shop's answer without our header

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(sleep time);

my $t = Referral->new;
my $key = 'k' x 32;
my $other = 'o' x 32;
my $h2 = $t->free_port;
my $shop = $t->free_port;
my $json = JSON::PP->new->canonical;

$t->write_file('shops', "shop main whsec_" . encode_base64($key, '') . "\n"
                      . "other main whsec_" . encode_base64($other, '') . "\n",
               0600);
$t->write_file('html/page.shtml',
               'a<!--#include virtual="/shop/ssi?id=ssi" -->b'
               . '<!--#include virtual="/inside" -->c');
$t->write_file('html/error.html', 'an error page');

my ($version) = `$t->{binary} -v 2>&1` =~ m{nginx/1\.(\d+)};
my $http2 = $version < 25 ? 'http2' : '';
my $on = $version < 25 ? '' : 'http2 on;';

$t->config(
    http => <<'END',
        referral_convert_keys %%DIR%%/shops;
        referral_redis %%REDIS%% timeout=1s;
        proxy_cache_path %%DIR%%/cache keys_zone=pages:1m;
        client_body_timeout 2s;
        client_max_body_size 2m;
END
    server => <<'END',
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

        location = /exact {
            referral_convert;
            referral_convert_auth location;
            allow 127.0.0.1;
            deny all;
        }

        location ~ ^/regex/(a|b)/ {
            referral_convert;
            referral_convert_auth location;
            allow 127.0.0.1;
            deny all;

            if ($arg_if) {
                set $there 1;
            }
        }

        location /some/ {
            referral_convert;
            referral_convert_auth location;
            allow 127.0.0.1;
            deny all;

            if ($arg_if) {
                set $there 1;
            }

            limit_except POST {
                allow 127.0.0.1;
                deny all;
            }
        }

        location /pages {
            referral_convert;
            referral_convert_auth location;
            allow 127.0.0.1;
            deny all;
            error_page 400 401 404 405 413 415 422 503 /error.html;
        }

        location = /error.html {
        }

        # led there by others

        location /failed {
            error_page 502 = @inside;
            error_page 403 = @inside;
            proxy_pass http://127.0.0.1:1;

            if ($arg_how = deny) {
                return 403;
            }
        }

        location /unbuffered {
            error_page 502 = @inside;
            proxy_request_buffering off;
            proxy_http_version 1.1;
            proxy_intercept_errors on;
            proxy_pass http://127.0.0.1:%%PORT%%/gone;
        }

        location /gone {
            return 502;
        }

        location /rewritten/ {
            rewrite ^/rewritten(/.*)$ /inside$1 last;
        }

        location @inside {
            referral_convert;
            referral_convert_auth location;
            allow 127.0.0.1;
            deny all;
        }

        location /mirrored {
            mirror /inside;
            proxy_pass http://127.0.0.1:%%PORT%%/echo;
        }

        location /asked {
            auth_request /inside;
            proxy_pass http://127.0.0.1:%%PORT%%/echo;
        }

        location /echo {
            return 200 echo;
        }

        location = /page.shtml {
            ssi on;
        }

        # the shop's answers

        location /shop/ {
            referral_convert_from $upstream_http_x_referral_event;
            proxy_set_header X-How $arg_how;
            proxy_pass http://127.0.0.1:SHOP;
            proxy_intercept_errors off;
        }

        location /shop/cached {
            referral_convert_from $upstream_http_x_referral_event;
            proxy_cache pages;
            proxy_cache_valid 200 1m;
            proxy_cache_key $uri$arg_id;
            proxy_ignore_headers Cache-Control Expires;
            add_header X-Cache $upstream_cache_status;
            proxy_pass http://127.0.0.1:SHOP;
        }

        location /shop/error {
            referral_convert_from $upstream_http_x_referral_event;
            proxy_intercept_errors on;
            error_page 500 /error.html;
            proxy_pass http://127.0.0.1:SHOP;
        }
END
    servers => <<'END',
        server {
            listen 127.0.0.1:H2 HTTP2;
            ON

            location /inside {
                referral_program shop;
                referral_convert;
                referral_convert_auth location;
                allow 127.0.0.1;
                deny all;
            }
        }

        server {
            listen 127.0.0.1:SHOP;

            location / {
                add_header X-Referral-Event "type=lead&event_id=$arg_id&customer=c$arg_id";
                add_header X-Other stays;
                return 200 thanks;
            }

            location /shop/twice {
                add_header X-Referral-Event "type=lead&event_id=$arg_id&customer=c$arg_id";
                add_header x-referral-event "type=lead&event_id=$arg_id-2&customer=c$arg_id";
                return 200 thanks;
            }

            location /shop/wrong {
                add_header X-Referral-Event "type=lead&event_id=$arg_id&costumer=c";
                return 200 thanks;
            }

            location /shop/error {
                add_header X-Referral-Event "type=lead&event_id=$arg_id&customer=c$arg_id" always;
                return 500 broken;
            }

            location /shop/missing {
                add_header X-Referral-Event "type=lead&event_id=$arg_id&customer=c$arg_id" always;
                return 404 missing;
            }

            location /shop/304 {
                add_header X-Referral-Event "type=lead&event_id=$arg_id&customer=c$arg_id" always;
                return 304;
            }

            location /shop/redirect {
                add_header X-Referral-Event "type=lead&event_id=$arg_id&customer=c$arg_id" always;
                return 302 https://shop.example.com/thanks;
            }

            location /shop/empty {
                add_header X-Referral-Event "" always;
                return 200 thanks;
            }
        }
END
);

{
    my $text = $t->read_file('nginx.conf');

    $text =~ s/\bSHOP\b/$shop/g;
    $text =~ s/:H2 HTTP2/:$h2 $http2/;
    $text =~ s/^\s*ON$/$on/m;
    $t->write_file('nginx.conf', $text);
}

$t->link('shop', 'aiko7', referrer => 'aiko');
$t->start;

my @workers = $t->workers;


sub signed {
    my ($body, %o) = @_;

    my $id = $o{id} // 'msg_1';
    my $at = $o{at} // int time;
    my $mac = encode_base64(hmac_sha256("$id.$at.$body", $o{key} // $key), '');

    return ( 'webhook-id', $id, 'webhook-timestamp', $at,
             'webhook-signature', "v1,$mac" );
}

sub post {
    my ($body, %o) = @_;

    my $r = $t->request($o{method} // 'POST', $o{uri} // '/inside',
                        body => $body, %o,
                        headers => [ 'Content-Type',
                                     $o{type} // 'application/json',
                                     @{ $o{headers} // [] } ]);

    $r->{json} = eval { $json->decode($r->body) } // {} if $r;

    return $r;
}

sub taken {
    my ($event) = @_;

    return scalar grep { $_->{event} eq $event }
                       $t->entries('ref:conversions:{shop}');
}

sub alive {
    my ($name) = @_;

    is(join(' ', $t->workers), join(' ', @workers), "$name: the worker lives")
        or @workers = $t->workers;
}


# --- bodies ---

my $lead = '"type":"lead","event_id":"x","customer":"c"';
my $sale = '"type":"sale","event_id":"x","customer":"c","order_id":"o",'
           . '"currency":"EUR"';

for my $try (
    [ 'nothing', '', 400 ],
    [ 'a space', ' ', 400 ],
    [ 'a number', '1', 400 ],
    [ 'null', 'null', 400 ],
    [ 'a text', '"lead"', 400 ],
    [ 'an empty object', '{}', 422 ],
    [ 'an array of arrays', '[[]]', 200 ],
    [ 'nesting', '[' x 100_000, 400 ],
    [ 'nesting that ends', ('{"x":' x 9_000) . '1' . ('}' x 9_000), 400 ],
    [ 'a key twice', "{$lead,\"customer\":\"d\"}", 400 ],
    [ 'an escaped key twice', "{$lead,\"cust\\u006fmer\":\"d\"}", 400 ],
    [ 'NaN', "{$sale,\"amount\":NaN}", 400 ],
    [ 'Infinity', "{$sale,\"amount\":-Infinity}", 400 ],
    [ '1e400', "{$sale,\"amount\":1e400}", 400 ],
    [ 'a float', "{$sale,\"amount\":49.90}", 422 ],
    [ 'a float that is whole', "{$sale,\"amount\":4990.0}", 422 ],
    [ 'an exponent', "{$sale,\"amount\":5e3}", 422 ],
    [ 'a text as an amount', "{$sale,\"amount\":\"4990\"}", 422 ],
    [ 'true as an amount', "{$sale,\"amount\":true}", 422 ],
    [ 'less than nothing', "{$sale,\"amount\":-1}", 422 ],
    [ '2^53', "{$sale,\"amount\":9007199254740992}", 422 ],
    [ '2^63', "{$sale,\"amount\":9223372036854775808}", 400 ],
    [ 'no UTF-8', "{$lead,\"city\":\"\xff\xfe\"}", 400 ],
    [ 'a surrogate', "{$lead,\"city\":\"\\ud800\"}", 400 ],
    [ 'an overlong byte', "{$lead,\"city\":\"\xc0\xaf\"}", 400 ],
    [ 'a NUL', "{$lead,\"city\":\"\\u0000\"}", [ 400, 422 ] ],
    [ 'a raw NUL', "{$lead}\0", 400 ],
    [ 'more behind', "{$lead} {$lead}", 400 ],
    [ 'an unknown field', "{$lead,\"custommer\":\"d\"}", 422 ],
    [ 'a field of the intake', "{$lead,\"trust\":\"signed\"}", 422 ],
    [ 'a customer that is an object', '{"type":"lead","event_id":"x",'
                                      . '"customer":{}}', 422 ],
    [ 'a long id', '{"type":"lead","customer":"c","event_id":"'
                   . 'x' x 129 . '"}', 422 ],
    [ 'a byte order mark', "\xef\xbb\xbf{}", 422 ],
    [ 'two of them', "\xef\xbb\xbf\xef\xbb\xbf{$lead}", 400 ],
    [ '501 events', '[' . join(',', ('{}') x 501) . ']', [ 400, 413, 422 ] ],
    [ 'too many values', '[{"product":[' . join(',', ('1') x 17_000)
                         . ']}]', 413 ],
    [ 'ten megabytes', ' ' x 10_000_000, 413 ],
    [ 'more than a megabyte', ' ' x 1_100_000, 413 ],
) {
    my ($name, $body, $want) = @$try;

    my $r = post($body);
    my %want = map { $_ => 1 } ref $want ? @$want : $want;

    ok($r && $want{ $r->status }, "$name: " . ($r ? $r->status : 'no answer'))
        or diag($r ? substr $r->body, 0, 300 : '');

    next if !$r || $r->status == 200 || $r->header('Content-Type')
                                        eq 'text/html';

    is($r->header('Content-Type'), 'application/problem+json',
       "$name: a problem");
    is($r->{json}{status}, $r->status, "$name: in whole");
}

# as many mistakes as there can be, each with a name that grows in JSON

my $many = '[' . join(',', map { '{' . join(',', map { "\"\\u0001$_\":1" }
                                            1 .. 30) . '}' } 1 .. 400) . ']';

my $r = post($many);

ok($r && $r->status == 200 || $r->status == 422, 'thousands of mistakes');
ok($r->{json}{results} || $r->{json}{errors}, 'which are told')
    or diag(substr $r->body, 0, 200);
ok($r->{json}{more} > 10_000 && length $r->body < 400_000,
   'in part, and how many are not');

for my $form ('type=lead&event_id=x&customer=%', 'type=lead&event_id=x&type=sale',
              'a=b', '&&&', '=', 'type=lead;event_id=x', '%00=%00',
              'type=lead&event_id=x&customer=c&x.=1',
              'type=lead&event_id=x&customer=c&amount=1.5')
{
    $r = post($form, type => 'application/x-www-form-urlencoded');
    ok($r && $r->status =~ /^4/, "the form $form") or diag($r->status);
}

is(taken('x'), 0, 'nothing of it is kept');
alive('bodies');


# --- signatures ---

my $body = '{"type":"lead","event_id":"sig1","customer":"c"}';

sub events { post($body, uri => '/events', headers => [ @_ ])->status }

is(events(), 401, 'no signature');
is(events(signed($body, key => $other)), 401, 'the key of another program');
is(events(signed($body, key => 'x' x 32)), 401, 'a key of nobody');
is(events(signed("$body ")), 401, 'another body');
is(events(signed($body, at => int(time) - 301)), 401, 'too old');
is(events(signed($body, at => int(time) + 302)), 401, 'too new');
is(events(signed($body, at => '-1')), 401, 'no time');
is(events(signed($body, at => '9' x 30)), 401, 'a long time');
is(events(signed($body, id => 'a.b')), 401, 'an id with a dot');
is(events(signed($body, id => 'i' x 1000)), 401, 'a long id');

sub forged {
    my ($signature, $name) = @_;

    my @headers = signed($body);

    is(events(@headers[0 .. 3], 'webhook-signature', $signature), 401, $name);
}

forged('v1,' . 'A' x 43 . '=', 'forged');
forged('v1,', 'an empty one');
forged('v1a,' . 'A' x 44 . ' ' . 'v1,x ' x 4000, 'thousands of them');
forged("v1,\x01\xff", 'no base64');

is(taken('sig1'), 0, 'nothing of it is kept');

is(events(signed($body, id => 'sig1')), 200, 'and a good one is');

# the same bytes again: the same event

my @again = signed($body, id => 'sig1');

is(events(@again), 200, 'replayed');
is(events(@again), 200, 'replayed by somebody else');
is(taken('sig1'), 1, 'it counts once');

# a signature of one body with the id of another event

$r = post('{"type":"lead","event_id":"sig2","customer":"c"}', uri => '/events',
          headers => [ @again ]);
is($r->status, 401, 'and is good for no other body');
alive('signatures');


# --- methods ---

for my $method (qw(PUT DELETE OPTIONS PATCH PROPFIND TRACE)) {
    $r = post('{}', method => $method);
    is($r->status, 405, "$method: 405");

    next if $method eq 'TRACE';      # nginx's own answer

    is($r->header('Allow'), 'GET, HEAD, POST', "$method: Allow")
        or diag($r->body);
    is($r->{json}{code}, 'method', "$method: a problem");
}

$r = $t->head('/events/sig1', headers => [ signed('', id => 'sig1') ]);
is($r->status, 200, 'HEAD tells of an event');
is($t->head('/inside/nix')->status, 404, 'and of none');


# --- slow, cut off, gone ---

sub raw {
    my ($bytes, %o) = @_;

    return $t->raw($bytes, timeout => 6, %o);
}

my $head = "POST /inside HTTP/1.1\r\nHost: localhost\r\n"
           . "Content-Type: application/json\r\n";

my $s = $t->connect;

$s->syswrite($head . "Content-Length: 60\r\n\r\n{\"type\":");
sleep 0.2;
close $s;

$s = $t->connect;
$s->syswrite($head . "Transfer-Encoding: chunked\r\n\r\n20\r\n{\"type\":");
sleep 0.2;
close $s;

$r = raw($head . "Transfer-Encoding: chunked\r\n\r\nzz\r\n");
is($r && $r->status, 400, 'a chunk of no length');

$r = raw($head . "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
         . join('', map { sprintf "%x\r\n%s\r\n", length $_, $_ }
                    split //, '{"type":"lead","event_id":"chunk","customer":"c"}')
         . "0\r\n\r\n");
is($r && $r->status, 200, 'a chunk for each byte');

$r = raw($head . "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
         . sprintf("%x\r\n%s\r\n", 1_500_000, ' ' x 1_500_000) . "0\r\n\r\n");
is($r && $r->status, 413, 'chunks of more than a megabyte');

$s = $t->connect;
$s->syswrite($head . "Content-Length: 60\r\n\r\n{\"type\":");
$r = Referral::Response->read($s, timeout => 8);
ok(!$r || $r->status == 408, 'a body that does not come: time is up');

# gone before the answer: it was said, so it counts

my @gone;

$t->redis_pause;

for my $i (1 .. 20) {
    my $gone = "{\"type\":\"lead\",\"event_id\":\"gone$i\",\"customer\":\"c\"}";
    my $s = $t->connect;

    $s->syswrite($head . 'Content-Length: ' . length($gone) . "\r\n\r\n$gone");
    push @gone, $s;
}

sleep 0.3;
setsockopt($_, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)), close $_ for @gone;
@gone = ();
$t->redis_continue;

ok((wait_for { 20 == grep { $_->{event} =~ /^gone/ }
                          $t->entries('ref:conversions:{shop}') }),
   'events of who did not wait are there');
alive('gone');


# --- HTTP/2: streams that are reset while their answers wait ---

sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}

sub hpack {
    my $block = '';

    while (my ($name, $value) = splice @_, 0, 2) {
        $block .= "\0" . chr(length $name) . $name . chr(length $value) . $value;
    }

    return $block;
}

{
    my $s = $t->connect(port => $h2);
    my $n = 0;

    $s->syswrite("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, ''));
    $t->redis_pause;

    for my $round (1 .. 2) {
        my $bytes = '';
        my $resets = '';

        for my $i (1 .. 30) {
            my $stream = 2 * $n++ + 1;
            my $body = "{\"type\":\"lead\",\"event_id\":\"h2-$n\","
                       . '"customer":"c"}';

            $bytes .= frame(1, 4, $stream, hpack(
                          ':method', 'POST', ':scheme', 'http',
                          ':path', $i % 3 ? '/inside' : '/inside?wait=settled',
                          ':authority', 'localhost',
                          'content-type', 'application/json'))
                      . frame(0, 1, $stream, $body);
            $resets .= frame(3, 0, $stream, pack 'N', 8);
        }

        $s->syswrite($bytes);
        sleep 0.3;
        $s->syswrite($resets);
        sleep 0.1;
    }

    $t->redis_continue;

    ok((wait_for { 60 == grep { $_->{event} =~ /^h2-/ }
                              $t->entries('ref:conversions:{shop}') }),
       'events of streams that were reset are there');

    # without a body; one that never ends

    $s->syswrite(frame(1, 5, 2 * $n + 1, hpack(
        ':method', 'POST', ':scheme', 'http', ':path', '/inside',
        ':authority', 'localhost', 'content-type', 'application/json')));
    $s->syswrite(frame(1, 4, 2 * $n + 3, hpack(
        ':method', 'POST', ':scheme', 'http', ':path', '/inside',
        ':authority', 'localhost', 'content-type', 'application/json')));
    sleep 0.2;
    close $s;

    is(post('{"type":"lead","event_id":"after","customer":"c"}')->status, 200,
       'and it goes on');
    alive('HTTP/2');
}


# --- long ids ---

my $id = join '', map { chr(33 + $_ % 94) } 0 .. 127;
my $escaped = $id =~ s/(.)/sprintf '%%%02x', ord $1/ger;

is(post($json->encode({ type => 'lead', customer => 'c', event_id => $id }))
   ->status, 200, 'an id of 128 characters');
is($t->get("/inside?event_id=$escaped")->status, 200, 'is found');
is($t->get("/inside?event_id=$escaped%21")->status, 404, 'not one longer');
is($t->get('/inside?event_id=' . '%41' x 9000)->status, 404,
   'nor a very long one');
is($t->get('/inside?event_id=%')->status, 404, 'nor half an escape');
is($t->get('/inside/%00')->status =~ /^40[04]$/ ? 1 : 0, 1, 'nor a NUL');
is($t->get('/inside/sig1%0a')->status, 404, 'nor a line');
is($t->get('/inside')->status, 404, 'nor none');
is($t->get('/inside/sig1')->status, 200, 'by the name');
is($t->get('/regex/a/sig1')->status, 200, 'in a location of a pattern');
is($t->get('/regex/a/sig1?if=1')->status, 200, 'and "if" in it');
is($t->get('/exact?event_id=sig1')->status, 200, 'in one of a whole name');
is($t->get('/rewritten/sig1')->status, 200, 'after a rewrite');


# --- wait=settled without a settler ---

my $start = time;

$r = post('{"type":"lead","event_id":"w1","customer":"c"}',
          uri => '/inside?wait=settled');
is($r->status, 202, 'wait=settled without a settler: accepted');
like($r->body, qr/"status":202/, 'the body says so too');
cmp_ok(time - $start, '>', 0.9, 'after the timeout');
cmp_ok(time - $start, '<', 2 * patience, 'and no later');

$t->redis('HSET', 'ref:settled:{shop}', 'position', 'nonsense');
is(post('{"type":"lead","event_id":"w2","customer":"c"}',
        uri => '/inside?wait=settled')->status, 202, 'nor by nonsense');
$t->redis('DEL', 'ref:settled:{shop}');
$t->redis('SET', 'ref:settled:{shop}', 'a text');
is(post('{"type":"lead","event_id":"w3","customer":"c"}',
        uri => '/inside?wait=settled')->status, 202, 'nor by another type');
$t->redis('DEL', 'ref:settled:{shop}');
post('{"type":"lead","event_id":"w4","customer":"c"}');
$t->redis('HSET', 'ref:settled:{shop}', 'position',
          scalar $t->entries('ref:conversions:{shop}'));
is(post('{"type":"lead","event_id":"w4","customer":"c"}',
        uri => '/inside?wait=settled')->status, 200, 'with one: 200');
$t->redis('DEL', 'ref:settled:{shop}');


# --- led there ---

$body = '{"type":"lead","event_id":"EV","customer":"c"}';

sub led {
    my ($event, $uri, %o) = @_;

    return post($body =~ s/EV/$event/r, uri => $uri, %o);
}

is(led('if1', '/some/?if=1')->status, 200, '"if" inside of the location');

my $large = $body =~ s/EV/if2/r;

$large .= ' ' x 200_000;
is(post($large, uri => '/some/?if=1')->status, 200, 'and a large body');
$r = $t->get('/some/if1?if=1');
is($r->status, 200, 'GET in "limit_except"') or diag($r->body);

is(led('named1', '/failed')->status, 200, 'error_page leads to a named one');
is(led('named2', '/failed?how=deny')->status, 200, 'before the body is read');
is(taken('named1') + taken('named2'), 2, 'and they are there');

# a form of which half is gone would be another one

is(led('unbuffered1', '/unbuffered')->status, 200,
   'a body that came at once, where it is sent on unbuffered');

my $form = 'type=sale&event_id=unbuffered2&customer=c&order_id=o&currency=EUR'
           . '&amount=49';

$s = $t->connect;
$s->syswrite("POST /unbuffered HTTP/1.1\r\nHost: localhost\r\n"
             . "Content-Type: application/x-www-form-urlencoded\r\n"
             . "Content-Length: 1000000\r\n\r\n$form");
$r = Referral::Response->read($s, timeout => 8);
ok($r, 'one of which nginx has half') or $r = post('{}');
is($r->status, 500, 'is no event');
is(taken('unbuffered2'), 0, 'and nothing is kept');

$r = led('mirror', '/mirrored');
is($r->body, 'echo', 'mirror goes its way');
is(taken('mirror'), 0, 'a subrequest says nothing');
is(led('asked', '/asked')->status, 500, 'nor does auth_request');
is(taken('asked'), 0, 'for whom it is no guard');

for my $try ([ '{', 400 ], [ '{}', 422 ]) {
    $r = post($try->[0], uri => '/pages');
    is($r->status, $try->[1], "error_page: $try->[1]");
    is($r->header('Content-Type'), 'application/problem+json',
       'is no page for people');
}

is(post('{}', uri => '/pages', method => 'PUT')->{json}{code}, 'method',
   'nor is 405');
alive('led there');


# --- the shop's answers ---

sub answer {
    my ($uri, %o) = @_;

    my $r = $t->request($o{method} // 'GET', $uri, %o);

    is(scalar(grep { /^x-referral-event:/i } split /\r\n/, $r->{head} // ''), 0,
       "$uri: without our header") if defined $r->{head};
    is($r->header('X-Referral-Event'), undef, "$uri: no header of ours");

    return $r;
}

sub comes {
    my ($event, $name) = @_;

    ok((wait_for { taken($event) }), $name // "$event is taken");
}

is(answer('/shop/a?id=a1')->body, 'thanks', 'an answer');
comes('a1');
is(answer('/shop/a?id=a2', method => 'HEAD')->status, 200, 'HEAD');
comes('a2');

is(answer('/shop/cached?id=k1')->header('X-Cache'), 'MISS', 'before the cache');
comes('k1');

# that it came once more would show in the mark only: it is the same event

my $marks = sub {
    my %marks = @{ $t->redis('HGETALL', 'ref:journals:{shop}') };
    my $sum = 0;

    $sum += $_ for values %marks;

    return $sum;
};

my $before = $marks->();

$r = answer('/shop/cached?id=k1');
is($r->header('X-Cache'), 'HIT', 'out of the cache');
is($r->body, 'thanks', 'is the answer');
answer('/shop/a?id=k2');
comes('k2');
is($marks->() - $before, 1, 'which says no event again');

is(answer('/shop/304?id=n1')->status, 304, 'a 304');
comes('n1');
is(answer('/shop/missing?id=m1')->status, 404, 'a 404');
comes('m1');
is(answer('/shop/redirect?id=r1')->status, 302, 'a redirect');
comes('r1');

$r = answer('/shop/error?id=e1');
is($r->status . $r->body, '500an error page', 'an error that nginx answers');

$r = answer('/shop/twice?id=t1');
is($r->body, 'thanks', 'two headers');
comes('t1', 'the event of the first is taken');
comes('t1-2', 'that of the second as well');
is(answer('/shop/wrong?id=wrong')->body, 'thanks', 'a header that is wrong');
is(answer('/shop/empty?id=empty')->body, 'thanks', 'one that is empty');
like($t->log, qr/the header of the shop's answer is no event/,
     'which the log tells');

$r = answer('/page.shtml');
like($r->body, qr/^athanks.*b/s, 'SSI');
comes('ssi');

# while Redis is away as well

$t->redis_stop;
is(answer('/shop/a?id=away')->body, 'thanks', 'Redis is away');
$t->redis_start;
comes('away');

alive('answers');


$t->finish;
done_testing;
